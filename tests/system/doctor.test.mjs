/* The doctor's side in the server: what it tells, and that its probes do what
   they say and no more. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	Fcgi, PROGRAM, assertProblem, environment, fcgiRequest, get, ms, openText,
	remove, request, runToEnd, startDemo, temporaryFolder, until, within,
} from './harness.mjs';

let demo;

const facts = async (of = demo) => (await get(of, '/doctor')).json;
const status = async () => (await get(demo, '/status', {},
	{ headers: { Accept: 'application/json' } })).json;

/* The seconds that a probe's lines say. */
const seconds = (text) => [...text.matchAll(/^data: ([0-9.]+)$/gm)]
	.map((found) => Number(found[1]));

/* Waits until a held answer has so much text. */
const has = (held, test) => until(() => test(held.text),
	{ what: 'the beginning of a probe' });

describe('the doctor in the server', { timeout: ms(120000) }, () => {
	before(async () => {
		demo = await startDemo({ workers: 1,
			options: { 'doctor-probes': 3 } });
	});

	after(() => demo?.stop());

	test('facts are told, and no path', async () => {
		const { status: code, headers, json, text } =
			await get(demo, '/doctor');
		assert.equal(code, 200);
		assert.equal(headers['cache-control'], 'no-store');
		assert.match(json.version, /^\d+\.\d+\.\d+$/);
		assert.equal(json.gateway, 'fastcgi');
		assert.match(json.server.software, /^lighttpd/);
		assert.equal(json.server.protocol, 'HTTP/1.1');
		assert.equal(json.server.https, false);
		assert.equal(json.log.journal, 'wal');
		assert.equal(json.log.locks, true);
		assert.equal(json.log.shared_memory, true);
		assert.equal(json.log.in_web_root, false);
		assert.ok(json.log.free_bytes > 0);
		assert.equal(json.tip.configured, true);
		assert.equal(typeof json.tip.age_ms, 'number');
		assert.equal(json.budget.probes_max, 3);
		assert.equal(json.limits.message_bytes, 65536);
		assert.ok(Math.abs(json.time - Date.now()) < 60000);
		assert.ok(!text.includes(demo.state), 'a path is told');
	});

	test('a log below the web root is told', async () => {
		const folder = temporaryFolder();
		const at = async (root) => {
			const { stdout } = await runToEnd(PROGRAM, [], {
				env: environment({ COMETLOG_LOG:
					path.join(folder, 'data.db'),
				GATEWAY_INTERFACE: 'CGI/1.1',
				REQUEST_METHOD: 'GET', PATH_INFO: '/doctor',
				SERVER_SOFTWARE: 'a\xff"b', HTTPS: 'on',
				DOCUMENT_ROOT: root }), input: '' });
			return JSON.parse(stdout.split('\r\n\r\n')[1]);
		};
		const inside = await at(path.dirname(folder));
		assert.equal(inside.gateway, 'cgi');
		assert.equal(inside.server.https, true);
		assert.equal(inside.log.in_web_root, true);
		assert.equal((await at('/usr')).log.in_web_root, false);
		assert.equal((await at('')).log.in_web_root, false);
		remove(folder);
	});

	/* Apache's mod_cgid: one socket for both ways, of which it shuts its own
	   after the body. */
	test('under CGI a probe lasts although the web server has said all',
		async (t) => {
			const folder = temporaryFolder();
			const socket = path.join(folder, 'cgi.sock');
			const server = net.createServer({ allowHalfOpen: true });
			await new Promise((done) => server.listen(socket, done));
			const taken = new Promise((done) =>
				server.on('connection', done));
			const web = net.connect({ path: socket,
				allowHalfOpen: true });
			const own = await taken;
			const child = spawn(PROGRAM, [], {
				stdio: [own, own, 'inherit'],
				env: environment({ COMETLOG_LOG:
					path.join(folder, 'data.db'),
				GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET',
				PATH_INFO: '/doctor/hold',
				QUERY_STRING: 'seconds=2' }) });
			const ended = new Promise((done) => child.on('exit', done));
			let text = '';
			t.after(() => {
				child.kill('SIGKILL');
				web.destroy();
				remove(folder);
			});
			own.destroy();
			server.close();
			web.on('data', (d) => { text += d; });
			web.end();
			await within(ended, 20000, 'the end of the process');
			await until(() => text.endsWith('data: 2\n\n'),
				{ what: `the last line, not ${text}` });
			assert.deepEqual(seconds(text), [1, 2]);
		});

	test('ping is empty and at once', async () => {
		const answer = await get(demo, '/doctor/ping');
		assert.equal(answer.status, 204);
		assert.equal(answer.text, '');
	});

	for (const [bytes, type] of [[1, 'events'], [4096, 'events'],
		[65536, 'html']])
		test(`a stream of ${bytes} bytes, ${type}`, async () => {
			const held = await openText(demo, '/doctor/stream',
				{ bytes, type });
			assert.match(held.headers['content-type'],
				type === 'html' ? /^text\/html/ :
					/^text\/event-stream/);
			assert.equal(held.headers['x-accel-buffering'], 'no');
			await has(held, (text) => text.length >= bytes);
			assert.equal(held.text.length, bytes);
			assert.equal(held.ending, null);
			assert.equal(await held.finished, 'complete');
			assert.deepEqual(seconds(held.text), [1.5, 3]);
			if (bytes > 1)
				assert.match(held.text, /^:[0-9a-f]*\n/);
		});

	test('a hold says each second', async () => {
		const held = await openText(demo, '/doctor/hold', { seconds: 3 });
		await has(held, (text) => seconds(text).length === 1);
		assert.equal(held.ending, null);
		assert.equal(await held.finished, 'complete');
		assert.deepEqual(seconds(held.text), [1, 2, 3]);
	});

	test('a silent hold says nothing before its end', async () => {
		const before = performance.now();
		const { text } = await get(demo, '/doctor/hold',
			{ seconds: 2, silent: '' });
		assert.deepEqual(seconds(text), [2]);
		assert.ok(performance.now() - before >= 1990);
	});

	test('a silent hold sends nothing, and sees the web server leave',
		async () => {
			const web = new Fcgi(demo.sockets()[0]);
			await web.send(fcgiRequest('GET',
				'/doctor/hold?seconds=330&silent'));
			await until(async () => (await facts()).budget.probes === 1,
				{ what: 'the silent probe' });
			const lines = await openText(demo, '/doctor/hold',
				{ seconds: 1 });
			assert.equal(await lines.finished, 'complete');
			assert.equal(web.bytes.length, 0);
			web.close();
			await until(async () => (await facts()).budget.probes === 0,
				{ what: 'the place of a client that left' });
		});

	test('probes are held answers, and bounded', async () => {
		const held = await Promise.all([1, 2, 3].map(() =>
			openText(demo, '/doctor/hold', { seconds: 330 })));
		const now = await facts();
		assert.equal(now.budget.probes, 3);
		for (const place of ['/doctor/hold', '/doctor/stream']) {
			const over = await get(demo, place);
			assertProblem(assert, over, 503);
			assert.match(over.headers['retry-after'], /^\d+$/);
			assert.match(over.json.detail, /doctor-probes/);
		}
		held[0].close();
		await until(async () => (await facts()).budget.probes === 2,
			{ what: 'the place of a client that left' });
		const again = await openText(demo, '/doctor/stream', {});
		assert.equal(again.status, 200);
		for (const one of [...held, again])
			one.close();
		await until(async () => (await facts()).budget.probes === 0,
			{ what: 'all places' });
	});

	test('what it does not know it says', async () => {
		for (const [place, values, word] of [
			['/doctor/stream', { bytes: 0 }, /bytes/],
			['/doctor/stream', { bytes: 65537 }, /bytes/],
			['/doctor/stream', { bytes: '-1' }, /bytes/],
			['/doctor/stream', { bytes: '99999999999999999999' }, /bytes/],
			['/doctor/stream', { type: '<script>' }, /type/],
			['/doctor/hold', { seconds: 0 }, /seconds/],
			['/doctor/hold', { seconds: 331 }, /seconds/],
			['/doctor/hold', { seconds: '1e9' }, /seconds/],
		]) {
			const answer = await get(demo, place, values);
			assertProblem(assert, answer, 400);
			assert.match(answer.json.detail, word);
		}
		assertProblem(assert, await get(demo, '/doctor/hold/on'), 404);
		assertProblem(assert, await get(demo, '/doctor/x'), 404);
		const post = await request(demo, 'POST', '/comet/doctor/hold');
		assert.equal(post.status, 405);
		assert.equal((await facts()).budget.probes, 0);
	});

	test('HEAD holds nothing', async () => {
		for (const place of ['', '/ping', '/stream', '/hold?seconds=330']) {
			const answer = await request(demo, 'HEAD',
				`/comet/doctor${place}`);
			assert.ok([200, 204].includes(answer.status));
			assert.equal(answer.text, '');
		}
		assert.equal((await facts()).budget.probes, 0);
	});

	test('a client that reads nothing costs a bounded place', async () => {
		const held = await openText(demo, '/doctor/stream',
			{ bytes: 65536 });
		held.pauseReading();
		await until(async () => (await facts()).budget.probes === 0,
			{ what: 'the end of the probe' });
		held.resumeReading();
		assert.equal(await held.finished, 'complete');
		assert.deepEqual(seconds(held.text), [1.5, 3]);
		assert.equal((await status()).held, 0);
	});

	test('a worker that stops ends its probes cleanly', async () => {
		const held = await openText(demo, '/doctor/hold', { seconds: 330 });
		await has(held, (text) => seconds(text).length === 1);
		await demo.killWorkers('SIGTERM');
		assert.equal(await held.finished, 'complete');
	});
});

describe('the doctor', { timeout: ms(60000) }, () => {
	test('needs places for held answers', async (t) => {
		const small = await startDemo({ workers: 1,
			options: { 'max-held': 1 } });
		t.after(() => small.stop());
		const held = await openText(small, '/doctor/hold',
			{ seconds: 330 });
		const over = await get(small, '/doctor/hold', { seconds: 1 });
		assertProblem(assert, over, 503);
		const poll = await get(small, '/longpoll', { channel: 'a' });
		assert.equal(poll.json.degraded, true);
		held.close();
		await until(async () => (await get(small, '/doctor/hold'))
			.status === 200, { what: 'the place' });
	});

	test('leaves half of the site\'s places to readers', async (t) => {
		const site = await startDemo({ workers: 2, options: {
			'site-requests': 8, 'site-reserve': 4 } });
		t.after(() => site.stop());
		const held = await Promise.all([1, 2].map(() =>
			openText(site, '/doctor/hold', { seconds: 330 })));
		assertProblem(assert, await get(site, '/doctor/hold'), 503);
		const channel = 'beside-probes';
		const [a, b] = await Promise.all([1, 2].map(() =>
			get(site, '/longpoll', { channel, timeout: 1 })));
		assert.equal(a.json.degraded ?? b.json.degraded, undefined);
		held.forEach((one) => one.close());
	});

	test('can be switched off', async (t) => {
		const shut = await startDemo({ workers: 1,
			options: { doctor: 'off' } });
		t.after(() => shut.stop());
		for (const place of ['', '/ping', '/stream', '/hold']) {
			const answer = await get(shut, `/doctor${place}`);
			assertProblem(assert, answer, 404);
			assert.match(answer.json.detail, /option doctor/);
		}
	});
});
