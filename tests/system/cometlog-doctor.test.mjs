/* cometlog doctor: on the demo, and on places where something is wrong. */
import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PROGRAM, get, ms, runToEnd, startDemo, until } from './harness.mjs';
import { startProxy } from './proxy.mjs';

const TOOL = path.join(path.dirname(PROGRAM), 'cometlog');

let demo;

const doctor = (args, limit = 60000) =>
	runToEnd(TOOL, ['doctor', ...args], { limit });

/* { code, level, held, techniques, findings: { id: {...} } } */
async function examine(url, args = ['--quick']) {
	const { code, stdout, stderr } = await doctor(['--json', ...args, url]);
	const told = JSON.parse(stdout || 'null');

	assert.ok(told !== null, stderr);
	assert.equal(stderr, '');
	return { code, ...told, findings: Object.fromEntries(
		told.findings.map((f) => [f.id, f])) };
}

async function throughProxy(t, prepare) {
	const proxy = await startProxy(demo);
	t.after(() => proxy.stop());
	prepare(proxy);
	return examine(`${proxy.url}comet`);
}

/* A web server in front that serves so many requests at a time, while the others
   wait. */
async function narrow(t, most) {
	let active = 0;
	const waiting = [];
	const next = () => {
		while (active < most && waiting.length > 0) {
			active++;
			waiting.shift()();
		}
	};
	const server = http.createServer((req, res) => {
		const serve = () => {
			const over = http.request({ host: '127.0.0.1',
				port: demo.port, path: req.url, method: req.method,
				headers: req.headers, agent: false }, (answer) => {
				res.writeHead(answer.statusCode, answer.headers);
				res.flushHeaders();
				answer.pipe(res);
			});
			over.on('error', () => res.destroy());
			over.end();
			res.on('close', () => {
				over.destroy();
				active--;
				next();
			});
		};
		if (req.headers.upgrade)
			return res.writeHead(501).end();
		waiting.push(serve);
		next();
	});
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	t.after(() => {
		server.closeAllConnections();
		server.close();
	});
	return `http://127.0.0.1:${server.address().port}/comet`;
}

describe('cometlog doctor', { timeout: ms(240000) }, () => {
	before(async () => {
		demo = await startDemo({ workers: 2,
			options: { 'doctor-probes': 100 } });
	});

	after(() => demo?.stop());

	test('says of the demo that all is well', async () => {
		const told = await examine(`${demo.url}comet/`);
		assert.equal(told.code, 0);
		assert.equal(told.reached, true);
		assert.equal(told.level, 'good');
		assert.equal(told.held, 64);
		assert.deepEqual(told.techniques, ['ws', 'sse', 'longpoll', 'poll']);
		assert.deepEqual(Object.keys(told.findings), ['gateway', 'log',
			'exposed', 'streams', 'held', 'tip', 'ws']);
		await until(async () => (await get(demo, '/doctor')).json
			.budget.probes === 0, { what: 'the end of all probes' });
	});

	test('in words', async () => {
		const { code, stdout } = await doctor(['--quick',
			`${demo.url}comet`]);
		assert.equal(code, 0);
		assert.match(stdout, /^good {5}The program is reached\n {9}Cometlog/);
		assert.match(stdout,
			/\n\nPages will use WebSocket, else Server-Sent Events,/);
		assert.ok(stdout.split('\n').every((line) => line.length < 80));
	});

	test('a buffer, and a daemon that is missing', async (t) => {
		const told = await throughProxy(t, (proxy) => {
			proxy.stream = 'buffer';
			proxy.websocket = 502;
		});
		assert.equal(told.code, 1);
		assert.equal(told.findings.streams.level, 'change');
		assert.equal(told.findings.ws.level, 'note');
		assert.deepEqual(told.techniques, ['longpoll', 'poll']);
	});

	test('others wait when so many are held', async (t) => {
		const told = await examine(await narrow(t, 6));
		assert.equal(told.code, 1);
		assert.equal(told.held, 5); /* and one is left for others */
		assert.match(told.findings.held.lines,
			/site-requests = 6\nsite-reserve = 3/);
	});

	test('a refusal by the program itself is no fault', async (t) => {
		const small = await startDemo({ workers: 1,
			options: { 'doctor-probes': 5 } });
		t.after(() => small.stop());
		const told = await examine(`${small.url}comet`);
		assert.equal(told.held, 5);
		assert.equal(told.findings.held.level, 'good');
		assert.equal(told.code, 0);
	});

	test('why a program is not reached', async (t) => {
		for (const [answer, title] of [
			[{ status: 404 }, /not mapped/],
			[{ status: 500 }, /could not be started/],
			[{ headers: { 'Content-Type': 'application/octet-stream' },
				body: '\x7fELF\0\x01' }, /handed out/],
			[{ body: 'x'.repeat(300000) }, /Something else/],
			[{ headers: { 'Content-Type': 'application/json' },
				body: '{"gateway":"cgi"' }, /Something else/],
			[{ status: 503, headers: { 'Content-Type':
				'application/problem+json' },
			body: '{"detail":"It is full.' }, /has trouble/],
			[{ status: 503, headers: { 'Content-Type':
				'application/problem+json' },
			body: `{"detail":"${'x'.repeat(300000)}` }, /has trouble/],
			[{ status: 500, body: '' }, /could not be started/],
		]) {
			const told = await throughProxy(t, (proxy) =>
				proxy.answer('/comet/doctor', answer));
			assert.equal(told.code, 2);
			assert.equal(told.reached, false);
			assert.match(told.findings.reach.title, title);
		}
		const none = await examine('http://127.0.0.1:1/comet');
		assert.equal(none.code, 2);
		assert.match(none.findings.reach.title, /No answer/);
	});

	test('a doctor that is switched off', async (t) => {
		const shut = await startDemo({ workers: 1,
			options: { doctor: 'off' } });
		t.after(() => shut.stop());
		const told = await examine(`${shut.url}comet`);
		assert.equal(told.code, 2);
		assert.equal(told.findings.reach.lines, 'doctor = on');
	});

	test('silence that is cut off', async (t) => {
		const proxy = await startProxy(demo);
		t.after(() => proxy.stop());
		proxy.answer('/comet/doctor/hold', { status: 504 });
		const told = await examine(`${proxy.url}comet`, []);
		assert.equal(told.code, 1);
		assert.match(told.findings.silent.lines, /^longpoll-max = \d+s/);
	});

	test('wrong use is said', async () => {
		for (const args of [[], ['a', 'b'], ['ftp://x/'], ['comet'],
			['--quick', '--thorough', demo.url], ['--log', 'x', demo.url],
			['--json=1', demo.url], [`http://x/${'y'.repeat(4000)}`]]) {
			const { code, stdout, stderr } = await doctor(args);
			assert.equal(code, 2, stderr);
			assert.equal(stdout, '');
			assert.match(stderr, /^cometlog doctor: /);
		}
	});
});
