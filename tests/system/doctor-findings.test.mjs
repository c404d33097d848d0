/* What the doctor says of figures that it measured: hosts that nobody has at
   hand, made up here. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ROOT } from './harness.mjs';

const { findings, techniques, verdict } = await import(pathToFileURL(
	path.join(ROOT, 'www/doctor-findings.js')));

const FACTS = {
	version: '0.1.0', gateway: 'fastcgi',
	server: { software: 'Apache/2.4.57', protocol: 'HTTP/1.1', https: true },
	log: { journal: 'wal', file_system: 'xfs', reach: 'local', locks: true,
		shared_memory: true, wal: true, in_web_root: false,
		free_bytes: 5e9 },
	tip: { configured: true, age_ms: 5 },
	limits: { max_hold_ms: 270000, longpoll_max_ms: 55000 },
};
const stream = (bytes, type = 'events', firstMs = 20, restMs = 1520) =>
	({ bytes, type, status: 200, encoding: '', firstMs, restMs });

/* A host on which all is well, but for what differs. */
const host = (differs = {}) => ({
	base: '/site/cometlog.fcgi', front: 'Apache', isSecure: true,
	protocol: 'h2', reach: { status: 200 }, facts: FACTS, skewMs: 10,
	ping: 12,
	exposed: [{ url: '/data/', status: 403, isOpen: false }],
	streams: [stream(1024), stream(4096), stream(65536),
		stream(4096, 'html')],
	trip: { channel: 'doctor/check', via: 'over Server-Sent Events',
		status: 201, readMs: 30 },
	held: { asked: 10, started: 10, refused: false },
	tip: { url: '/comet-tip', status: 200, body: '12.9f3a1c22\n',
		validator: '"x"', again: 304 },
	ws: { isOpen: true, ms: 20 },
	silent: { asked: 45, isWhole: true, lived: 45 },
	...differs,
});
const found = (id, differs) =>
	findings(host(differs)).find((f) => f.id === id);
const lines = (f) => f.fixes.map((one) => one.lines).join('\n');
const facts = (name, differs) =>
	({ facts: { ...FACTS, [name]: { ...FACTS[name], ...differs } } });
const uses = (differs) => techniques(host(differs))
	.map((t) => t.is[0]).join('');
const unreached = (reach, base = '/site/cometlog.fcgi') =>
	findings(host({ reach, base, facts: undefined }));

describe('the doctor judges', () => {
	test('a good host is told so, without anything to change', () => {
		for (const f of findings(host())) {
			assert.equal(f.level, 'good', f.title);
			assert.deepEqual(f.fixes, [], f.title);
		}
		assert.equal(uses(), 'fnnn');
		assert.deepEqual(verdict(host()), { level: 'good',
			text: 'Live updates work. Pages here will use WebSocket.' });
	});

	test('nothing measured yet is nothing found', () => {
		assert.deepEqual(findings({ base: '/comet' }), []);
		assert.equal(verdict({ base: '/comet' }).level, 'note');
	});

	for (const [what, reach, title, line] of [
		['404', { status: 404 }, /not there/, /AddHandler fcgid/],
		['500', { status: 500 }, /could not be started/, /chmod 755/],
		['403', { status: 403 }, /refuses to run/, /\+ExecCGI/],
		['a binary', { status: 200, type: '', sample: '\x7fELF\x02' },
			/handed out/, /AddHandler/],
		['a download', { status: 200, type: 'application/octet-stream',
			sample: 'x' }, /handed out/, /AddHandler/],
		['another page', { status: 200, type: 'text/html',
			sample: '<!DOCTYPE html>' }, /Something else/,
		/RewriteRule \^site\/cometlog\\\.fcgi - \[L\]/],
		['502', { status: 502 }, /does not answer/, /systemctl/],
		['401', { status: 401 }, /password/, /^$/],
		['508', { status: 508 }, /limit is reached/, /site-requests/],
		['no answer', { error: 'the connection failed' }, /No answer/, /^$/],
		['the switch', { status: 404, detail: 'The doctor is switched off ' +
			'here. The operator can let it in with the option doctor.' },
		/switched off/, /doctor = on/],
		['an old program', { status: 404, detail: 'There is nothing at this ' +
			'path.' }, /older/, /^$/],
		['trouble', { status: 503, detail: 'The disk is full.' },
			/has trouble/, /^$/],
	])
		test(`a program that isn't reached: ${what}`, () => {
			const all = unreached(reach);
			assert.equal(all.length, 1);
			assert.match(all[0].title, title);
			assert.match(lines(all[0]), line);
			assert.ok(uses({ reach, facts: undefined }) === 'nnnn');
			assert.equal(verdict(host({ reach, facts: undefined })).text,
				all[0].title);
		});

	test('who has root is told of the server, not of .htaccess', () => {
		const [f] = findings(host({ reach: { status: 404 }, base: '/comet',
			front: 'lighttpd/1.4.69', facts: undefined }));
		assert.match(lines(f), /lighty-enable-mod cometlog/);
		assert.doesNotMatch(JSON.stringify(f), /htaccess/);
	});

	test('plain CGI is told, with the line for mod_fcgid', () => {
		const f = found('gateway', { facts: { ...FACTS, gateway: 'cgi' } });
		assert.equal(f.level, 'note');
		assert.match(lines(f), /fcgid-script/);
	});

	test('a log on the wrong file system', () => {
		const on = (differs) => found('log', facts('log', differs));
		assert.match(lines(on({ file_system: 'nfs', reach: 'network',
			wal: false })), /journal = rollback/);
		assert.equal(on({ journal: 'rollback', wal: false }).level, 'note');
		assert.match(lines(on({ journal: 'rollback' })), /journal = auto/);
		assert.equal(on({ journal: 'rollback', locks: false }).level, 'fault');
		assert.match(on({ file_system: '0x1234' }).text, /rare kind/);
		assert.equal(found('space', facts('log', { free_bytes: 5e6 })).level,
			'change');
		assert.equal(found('space'), undefined);
	});

	test('a log that can be fetched is a fault, with the server’s lines', () => {
		const exposed = [{ url: '/data/cometlog.db', status: 200,
			isOpen: true }, { url: '/data/', status: 404, isOpen: false }];
		const f = found('exposed', { exposed });
		assert.equal(f.level, 'fault');
		assert.match(f.text, /\/data\/cometlog\.db/);
		assert.match(lines(f), /Require all denied/);
		assert.match(lines(found('exposed', { exposed, front: 'nginx' })),
			/deny all;/);
		assert.match(verdict(host({ exposed })).text, /One thing must be/);
	});

	test('a buffer: by how much comes before it lets go', () => {
		const late = (bytes) => stream(bytes, 'events', 3010, 3010);
		const all = { streams: [late(1024), late(4096), late(65536)] };
		const some = { streams: [late(1024), late(4096), stream(65536)] };
		assert.match(found('streams', all).text, /Nothing of an answer/);
		assert.match(found('streams', some).text, /1 KiB, 4 KiB/);
		assert.equal(found('streams', all).level, 'note');
		assert.match(lines(found('streams', { ...all, base: '/comet' })),
			/flushpackets=on[^]*FcgidOutputBufferSize 0/);
		assert.match(lines(found('streams', { ...all, base: '/comet',
			...facts('server', { software: 'nginx/1.22' }) })),
		/fastcgi_buffering off/);
		assert.equal(uses({ ...all, ws: { isOpen: false } }), 'nnfn');
		assert.equal(uses({ ...some, ws: { isOpen: false } }), 'nnfn');
	});

	test('a slow line is no buffer', () => {
		const streams = [stream(1024, 'events', 2400, 3900)];
		assert.equal(found('streams', { streams }).level, 'good');
		assert.equal(uses({ streams, ws: { isOpen: false } }), 'nfnn');
	});

	test('a stream that was cut, or refused', () => {
		assert.equal(found('streams', { streams: [{ bytes: 1024,
			type: 'events', status: 200 }] }).level, 'note');
		const full = { streams: [{ bytes: 1024, type: 'events',
			status: 503 }] };
		assert.match(found('streams', full).title, /could not be measured/);
	});

	test('compression that keeps back', () => {
		const zipped = { streams: [stream(1024), { ...stream(4096, 'html',
			3000, 3000), encoding: 'gzip' }] };
		assert.equal(found('gzip', zipped).level, 'change');
		assert.match(lines(found('gzip', zipped)), /no-gzip/);
		assert.equal(uses({ ...zipped, ws: { isOpen: false } }), 'nfnn');
	});

	test('silence and life that are cut off', () => {
		const silent = (lived) => found('silent', { silent: { asked: 45,
			isWhole: false, lived } });
		assert.equal(lines(silent(40.2)), 'longpoll-max = 30s');
		assert.equal(lines(silent(30)),
			'longpoll-max = 22s\nlongpoll-timeout = 22s');
		assert.match(lines(silent(10)), /heartbeat = 7s/);
		assert.match(lines(silent(0.4)), /longpoll-max = 1s/);
		assert.equal(uses({ silent: { asked: 45, isWhole: false, lived: 3 },
			ws: { isOpen: false }, streams: [] }), 'nnnf');
		const life = (lived, isWhole = false) => found('life', { life: {
			asked: 330, isWhole, lived } });
		assert.equal(life(330, true).level, 'good');
		assert.equal(life(300).level, 'good');
		assert.equal(lines(life(120)), 'max-hold = 90s');
	});

	test('how many are held', () => {
		const held = (differs) => found('held', { held: { asked: 10,
			started: 4, refused: false, ...differs } });
		assert.equal(held({ started: 10 }).level, 'good');
		assert.equal(lines(held()), 'site-requests = 5\nsite-reserve = 3');
		assert.equal(lines(held({ refused: true, status: 508 })),
			'site-requests = 4\nsite-reserve = 2');
		assert.equal(held({ refused: true, status: 503 }).level, 'good');
		assert.equal(held({ refused: true, status: 508 }).level, 'change');
		assert.match(lines(held({ started: 0 })), /site-requests = 2/);
	});

	test('the tip file', () => {
		const tip = (differs, more = {}) => found('tip', { tip: {
			...host().tip, ...differs }, ...more });
		assert.match(lines(tip({ status: 404 },
			facts('tip', { configured: false }))), /^tip-file = comet-tip$/);
		assert.match(tip({ status: 404 }).text, /nothing \(404\)/);
		assert.match(tip({ body: '<html>' }).text, /something else/);
		assert.match(lines(tip({ status: 404 }, { base: '/comet' })), /ln -s/);
		assert.equal(tip({ again: 200 }).level, 'note');
	});

	test('the rest', () => {
		assert.equal(found('protocol', { protocol: 'http/1.1' }).level,
			'note');
		assert.match(lines(found('ws', { ws: { isOpen: false },
			base: '/comet', front: 'nginx' })), /proxy_pass/);
		assert.deepEqual(found('ws', { ws: { isOpen: false } }).fixes, []);
		assert.match(found('clock', { skewMs: -3600000 }).title, /60 minutes/);
		assert.match(found('clock', { skewMs: 86400000 }).title, /24 hours/);
		const trip = (differs) => found('trip', { trip: {
			...host().trip, ...differs } });
		assert.equal(trip({ status: 403 }).level, 'note');
		assert.equal(trip({ status: 503, detail: 'Full.' }).level, 'fault');
		assert.match(trip({ readMs: undefined }).title, /got lost/);
	});
});
