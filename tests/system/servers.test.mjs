/*
 * One story of the whole contract under each web server that we ship a
 * configuration for, as the demo runs it.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import vm from 'node:vm';
import { after, before, describe, test } from 'node:test';
import zlib from 'node:zlib';
import {
	assertProblem, channelList, CURSOR, descendants, fresh, get, history,
	inOtherEpoch, isAlive, ms, newestCursor, openEvents, openLines, openText,
	post, publish, query, Raw, rawHttp, request, seqOf, startDemo, until,
	within,
} from './harness.mjs';
import { OP, frame, session, upgraded } from './websocket.mjs';

/*
 * What is different on each.
 *   hasWorker    the worker runs by itself, else the web server starts it
 *   hasTip       somebody keeps the tip file
 *   hasStreams   an answer is passed on as it comes
 *   bodyLimit    bytes that may be posted, if the host allows less than we do
 *   isOurs       the whole configuration is ours, not a .htaccess alone
 */
const here = { hasWorker: true, hasTip: true, hasStreams: true,
	isOurs: true };
const SERVERS = {
	'lighttpd': here,
	'apache': here,
	'apache-fcgid': { ...here, hasWorker: false },
	/* what a host of default settings allows: no streams out of mod_fcgid */
	'apache-htaccess': { hasTip: true, bodyLimit: 131072 },
	'apache-cgi': { hasStreams: true },
	'nginx': here,
};

const HELD = 30;

let demo;
let server;

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';
const dataOf = (answer) => answer.json.messages.map((m) => m.data);
const gzipped = { headers: { 'Accept-Encoding': 'gzip, deflate, br' } };

/* The processes that run the program, whoever started them. */
function programs() {
	const own = path.join(demo.state, 'www/comet/cometlog.fcgi');
	const all = Object.values(demo.workers());
	for (const pid of descendants(demo.job.child.pid))
		try {
			const exe = fs.readlinkSync(`/proc/${pid}/exe`);
			if (exe === own || (!server.hasWorker &&
				exe.endsWith('/cometlog.fcgi')))
				all.push(pid);
		} catch {
			continue;
		}
	return all;
}

/* All its threads: one that is left may still have a request on its socket. */
function isGone(pid) {
	if (isAlive(pid))
		return false;
	try {
		return fs.readdirSync(`/proc/${pid}/task`).length <= 1;
	} catch {
		return true;
	}
}

async function stored(answer) {
	assert.equal(answer.status, 201, answer.text);
	assert.match(answer.headers['content-type'], /^application\/json\b/);
	return answer.json;
}

/* Posts messages one by one, each after the last was seen; see(i): awaits. */
async function oneByOne(channel, see) {
	for (let i = 0; i < 6; i++) {
		await publish(demo, channel, `number ${i}`);
		await see(`number ${i}`);
	}
}

/* ---- publishing ---- */

function publishing() {
	test('a form, text, JSON, a batch and lines are published', async () => {
		const channel = fresh();
		const json = JSON.stringify;
		await stored(await post(demo, `/publish/${channel}`, FORM,
			'data=by+form'));
		await stored(await post(demo, '/publish', FORM,
			`channel=${channel}&data=50%25+%26+more&event=e`));
		await stored(await post(demo, '/publish',
			'multipart/form-data; boundary=X', '--X\r\nContent-Disposition: ' +
			`form-data; name="channel"\r\n\r\n${channel}\r\n--X\r\n` +
			'Content-Disposition: form-data; name="data"\r\n\r\nparts\r\n' +
			'--X--\r\n'));
		await stored(await post(demo, `/publish/${channel}`, 'text/plain',
			'plain ü'));
		await stored(await post(demo, `/publish/${channel}`, JSON_TYPE,
			'{"x":2}'));
		const batch = await stored(await post(demo, '/publish', JSON_TYPE,
			json([{ channel, data: 'a' }, { channel, data: 'b' }])));
		assert.equal(batch[1].seq, batch[0].seq + 1);
		await stored(await post(demo, '/publish', 'application/x-ndjson',
			`${json({ channel, data: 'c' })}\n${json({ channel, data: 'd' })}\n`));
		assert.deepEqual((await history(demo, channel)).map((m) => m.data),
			['by form', '50% & more', 'parts', 'plain ü', { x: 2 }, 'a', 'b',
				'c', 'd']);
	});

	test('redirect leads back, and an id is stored once', async () => {
		const channel = fresh();
		const sent = await post(demo, `/publish/${channel}`, FORM,
			'data=x&redirect=%2Fchat.html%3Fa%3D1');
		assert.equal(sent.status, 303);
		assert.equal(new URL(sent.headers.location, demo.url).pathname,
			'/chat.html');
		const first = await publish(demo, channel, 'once', { id: 'o-1' });
		const again = await post(demo, `/publish/${channel}?id=o-1`,
			'text/plain', 'once');
		assert.equal(again.status, 200);
		assert.equal(again.json.duplicate, true);
		assert.equal(again.json.seq, first.seq);
	});

	test('what is wrong is told as a problem, and by the program', async () => {
		const problem = async (answer, status) =>
			assertProblem(assert, await answer, status);
		await problem(post(demo, '/publish', JSON_TYPE, '{'), 400);
		await problem(post(demo, '/publish/a*', 'text/plain', 'x'), 400);
		await problem(get(demo, '/publish/a'), 405);
		await problem(post(demo, '/publish/a', 'image/png', 'x'), 415);
		await problem(post(demo, '/publish/a', 'text/plain',
			'x'.repeat(65537)), 413);
		await problem(get(demo, '/poll', { channel: 'a', since: 'x' }), 400);
		await problem(get(demo, '/nothing'), 404);
		await problem(get(demo, '/events', { channel: 'a*' }), 400);
		await problem(post(demo, '/publish/a', 'text/plain', 'x',
			{ headers: { Origin: 'https://elsewhere.example' } }), 403);
	});

	test('large bodies arrive, and one that is too large is told so',
		async () => {
			const channel = fresh();
			const line = JSON.stringify({ channel, data: 'x'.repeat(60000) });
			const most = (server.bodyLimit ?? 8 << 20) - 1000;
			const n = Math.floor(most / (line.length + 1));
			const all = await post(demo, '/publish', 'application/x-ndjson',
				`${line}\n`.repeat(n));
			assert.equal(all.status, 201, all.text.slice(0, 300));
			assert.equal(all.json.length, n);
			if (!server.bodyLimit)
				assertProblem(assert, await post(demo, '/publish',
					'application/x-ndjson', `${line}\n`.repeat(n + 2)), 413);
		});

	test('names keep their letters', async () => {
		const names = ['ü', 'a b', 'q?x', '50%', '%41', 'a&b=c', 'a+b', '#1',
			"it's", 'a;b', '{x}', '日本', 'a:b', '~t', 'a"b', '\\'];
		for (const name of names) {
			const one = await publish(demo, `names/${name}`, 'x');
			assert.equal(one.channel, `names/${name}`);
			const { json } = await get(demo, '/poll',
				{ channel: `names/${name}`, since: one.seq - 1 });
			assert.equal(json.messages.length, 1, name);
		}
		const slash = await post(demo, '/publish/x%2Fy', 'text/plain', 'x');
		if (server.isOurs)
			assert.equal((await stored(slash)).channel, 'x/y');
		else
			assert.equal(slash.status, 404); /* a host's default */
	});

	test('another site\'s page may publish and read if its origin is allowed',
		async () => {
			const headers = { Origin: 'https://friend.example' };
			const channel = fresh();
			const asked = await request(demo, 'OPTIONS',
				`${demo.base}/publish/${channel}`, { headers: { ...headers,
					'Access-Control-Request-Method': 'POST' } });
			assert.equal(asked.status, 204);
			for (const answer of [asked,
				await post(demo, `/publish/${channel}`, 'text/plain', 'x',
					{ headers }),
				await get(demo, '/poll', { channel }, { headers })])
				assert.equal(answer.headers['access-control-allow-origin'],
					headers.Origin);
		});
}

/* ---- polling ---- */

function polling() {
	test('a poll has an ETag, and 304 for it', async () => {
		const channel = fresh();
		await publish(demo, channel, 'x');
		for (const options of [{}, gzipped]) {
			const first = await get(demo, '/poll', { channel }, options);
			assert.equal(first.status, 200);
			assert.match(first.headers.etag, /^W\/"/);
			const again = await get(demo, '/poll', { channel }, { headers:
				{ ...options.headers, 'If-None-Match': first.headers.etag } });
			assert.equal(again.status, 304);
			assert.equal(again.bytes.length, 0);
			assert.equal(again.headers['cache-control'],
				first.headers['cache-control']);
		}
	});

	test('HEAD, HTTP/1.0, JSONP and the page without JavaScript', async () => {
		const channel = fresh();
		await publish(demo, channel, 'x');
		const head = (await rawHttp(demo, `HEAD ${demo.base}/poll?channel=` +
			`${channel} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`))
			.toString();
		assert.match(head, /^HTTP\/1\.1 200 /);
		assert.equal(head.indexOf('\r\n\r\n'), head.length - 4);
		const old = (await rawHttp(demo, `GET ${demo.base}/poll?channel=` +
			`${channel} HTTP/1.0\r\n\r\n`)).toString();
		assert.match(old, /^HTTP\/1\.[01] 200 /);
		assert.ok(!/^transfer-encoding/im.test(old), old);
		assert.equal(JSON.parse(old.slice(old.indexOf('\r\n\r\n')))
			.messages[0].data, 'x');
		const jsonp = await get(demo, '/poll', { channel, callback: 'f' });
		assert.match(jsonp.headers['content-type'],
			/^(text|application)\/javascript\b/);
		let called;
		vm.runInNewContext(jsonp.text, { f: (o) => { called = o; } });
		assert.equal(called.messages[0].data, 'x');
		const page = await get(demo, '/poll', { channel, format: 'html' });
		assert.match(page.headers['content-type'], /^text\/html\b/);
	});

	test('a gap is told', async () => {
		const channel = fresh();
		await publish(demo, channel, 'kept');
		const since = inOtherEpoch(await newestCursor(demo));
		const { json } = await get(demo, '/poll', { channel, since });
		assert.equal(json.gap, true);
		assert.equal(json.messages.at(-1).data, 'kept');
	});

	test('a long poll waits for a message, and no longer than it was told',
		async () => {
			const channel = fresh();
			const since = await newestCursor(demo);
			const waiting = get(demo, '/longpoll', { channel, since });
			await publish(demo, channel, 'woken');
			assert.deepEqual(dataOf(await waiting), ['woken']);
			const empty = await get(demo, '/longpoll', { channel, timeout: 1 });
			assert.deepEqual(dataOf(empty), []);
			assert.ok(!('degraded' in empty.json));
			const jsonp = await get(demo, '/longpoll',
				{ channel, since, callback: 'f' });
			assert.match(jsonp.text, /woken/);
		});

	test('the tip file moves and is asked for with a condition',
		{ skip: !server.hasTip && 'there is none' }, async () => {
			const tip = (headers = {}) => request(demo, 'GET', '/comet-tip',
				{ headers });
			let etag;
			for (let i = 0; i < 4; i++) {
				const { cursor } = await publish(demo, fresh(), 'x');
				const answer = await until(async () => {
					const one = await tip(etag ? { 'If-None-Match': etag } : {});
					return one.text.trim() === cursor && one;
				}, { what: `the tip ${cursor}` });
				if (server.isOurs) {
					assert.match(answer.headers['content-type'],
						/^text\/plain\b/);
					assert.match(answer.headers['cache-control'], /no-cache/);
				}
				etag = answer.headers.etag;
				assert.ok(etag, 'an ETag');
			}
			const same = await tip({ 'If-None-Match': etag });
			assert.equal(same.status, 304);
		});
}

/* ---- held answers ---- */

/* Reads a body as it comes, unpacking what the web server packed. */
function unpacked(target, headers) {
	const one = { text: '' };
	one.opened = new Promise((done, fail) => {
		const req = http.get({ host: '127.0.0.1', port: demo.port,
			path: demo.base + target, headers, agent: false }, (res) => {
			const packed = res.headers['content-encoding'] === 'gzip';
			const body = packed ? res.pipe(zlib.createGunzip({ flush:
				zlib.constants.Z_SYNC_FLUSH })) : res;
			body.on('data', (d) => { one.text += d; });
			body.on('error', () => {});
			res.on('error', () => {});
			done(res);
		});
		req.on('error', fail);
		one.close = () => req.destroy();
	});
	one.opened.catch(() => {});
	return one;
}

function streaming() {
	test('events come one by one, and resume, with signs of life and gaps',
		async () => {
			const channel = fresh();
			const events = await openEvents(demo, { channel });
			assert.equal(events.status, 200);
			assert.match(events.headers['content-type'],
				/^text\/event-stream\b/);
			await oneByOne(channel, async (data) =>
				assert.equal((await events.nextMessage()).data, data));
			const id = events.decoder.lastEventId;
			await until(() => events.received().some((e) =>
				e.type === 'heartbeat'), { what: 'a sign of life' });
			events.close();
			await publish(demo, channel, 'meanwhile');
			const again = await openEvents(demo, { channel },
				{ headers: { 'Last-Event-ID': id } });
			assert.equal((await again.nextMessage()).data, 'meanwhile');
			again.close();
			const other = await openEvents(demo, { channel },
				{ headers: { 'Last-Event-ID': inOtherEpoch(id) } });
			assert.equal((await other.next()).type, 'gap');
			assert.equal((await other.nextMessage()).data, 'number 0');
			other.close();
		});

	test('packing, where a client allows it, holds no message back',
		async () => {
			for (const target of ['/events', '/stream?format=script',
				'/stream?format=ndjson']) {
				const channel = fresh();
				const one = unpacked(target + (target.includes('?') ?
					'&' : '?') + `channel=${channel}`, gzipped.headers);
				await within(one.opened, 10000, target);
				await oneByOne(channel, (data) => until(() =>
					one.text.includes(data), { what: `${data} in ${target}` }));
				one.close();
			}
		});

	test('lines and script calls come one by one', async () => {
		const channel = fresh();
		const lines = await openLines(demo, { channel });
		assert.match(lines.headers['content-type'],
			/^application\/x-ndjson\b/);
		const page = await openText(demo, '/stream',
			{ channel, format: 'script', callback: 'parent.here' });
		assert.match(page.headers['content-type'], /^text\/html\b/);
		await oneByOne(channel, async (data) => {
			assert.equal((await lines.nextMessage()).data, data);
			await until(() => page.text.includes(data), { what: data });
		});
		assert.match(page.text, /parent\.here\(/);
		lines.close();
		page.close();
	});

	test('a client of HTTP/1.0 gets events as they happen', async () => {
		const channel = fresh();
		const raw = new Raw({ host: '127.0.0.1', port: demo.port });
		raw.send(`GET ${demo.base}/events?channel=${channel} HTTP/1.0\r\n\r\n`);
		assert.ok(await raw.wait((r) => r.text.includes('retry:')));
		await oneByOne(channel, async (data) => assert.ok(
			await raw.wait((r) => r.text.includes(`data: ${data}\n`))));
		assert.ok(!/^transfer-encoding/im.test(raw.text));
		raw.close();
	});

	test('HEAD is not held', async () => {
		const text = (await rawHttp(demo, `HEAD ${demo.base}/events?channel=a ` +
			'HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toString();
		assert.match(text, /^HTTP\/1\.1 200 /);
		assert.equal(text.indexOf('\r\n\r\n'), text.length - 4);
	});

	test(`${HELD} at a time all get what is published beside them, and who ` +
		'leaves is forgotten', async () => {
		const channel = fresh();
		const all = await Promise.all(Array.from({ length: HELD }, () =>
			openEvents(demo, { channel }, { limit: 30000 })));
		all.forEach((one) => assert.equal(one.status, 200));
		for (const data of ['a', 'b', 'c'])
			await publish(demo, channel, data);
		for (const one of all)
			assert.deepEqual((await one.nextMessages(3)).map((e) => e.data),
				['a', 'b', 'c']);
		assert.equal((await get(demo, '/poll', { channel })).status, 200);
		all.forEach((one) => one.close());
		await until(async () => (await get(demo, '/status', {},
			{ headers: { Accept: JSON_TYPE } })).json.held === 0,
		{ what: 'nobody to be held' });
		await publish(demo, channel, 'afterwards');
	});

	test('a process that is told to stop ends its answers properly',
		async () => {
			const held = await openEvents(demo, { channel: fresh() });
			programs().forEach((pid) => process.kill(pid, 'SIGTERM'));
			assert.equal(await within(held.finished, 10000, 'the end'),
				'complete');
			/* mod_fcgid may still try one that is about to end */
			await until(() => publish(demo, fresh(), 'x'),
				{ what: 'another to serve' });
		});
}

/* ---- what dies ---- */

function dying() {
	test('the program killed: what it held ends, and the next request is served',
		async () => {
			const agent = new http.Agent({ keepAlive: true });
			const held = server.hasStreams ? await openEvents(demo,
				{ channel: fresh() }, { agent }) : undefined;
			const old = programs();
			assert.ok(old.length > 0);
			old.forEach((pid) => process.kill(pid, 'SIGKILL'));
			for (const pid of old)
				await until(() => isGone(pid), { what: `the end of ${pid}` });
			await publish(demo, fresh(), 'x');
			await within(held?.finished, 10000, 'the end of what it held');
			agent.destroy();
		});

	test('the web server killed: another serves', async () => {
		const old = demo.kill9('web');
		await demo.replaced('web', old);
		await until(() => publish(demo, fresh(), 'x'),
			{ what: 'the new one to serve' });
		assert.match(await newestCursor(demo), CURSOR);
	});
}

/* ---- the rest ---- */

function others() {
	test('a WebSocket publishes and reads', async () => {
		const channel = fresh();
		const where = { host: '127.0.0.1', port: demo.port };
		const one = await session(where, `${demo.base}/ws${
			query({ channel })}`);
		assert.equal((await one.next()).op, 'ok');
		await oneByOne(channel, async (data) =>
			assert.equal((await one.messages(1))[0].data, data));
		const { seq } = await one.publish(channel, 'of its own');
		assert.equal((await one.messages(1))[0].seq, seq);
		assert.equal((await history(demo, channel)).at(-1).data, 'of its own');
		assert.equal(await one.close(), 1000);
	});

	test('Bayeux has one address, by POST and as a WebSocket', async () => {
		const where = { host: '127.0.0.1', port: demo.port };
		const hello = (type) => JSON.stringify([{ channel: '/meta/handshake',
			version: '1.0', supportedConnectionTypes: [type] }]);
		for (const place of ['/bayeux', '/bayeux/handshake']) {
			const posted = await post(demo, place, JSON_TYPE,
				hello('long-polling'));
			assert.equal(posted.status, 200, posted.text);
			assert.equal(posted.json[0].successful, true);
			const socket = await upgraded(where, demo.base + place);
			socket.send(frame(OP.TEXT, hello('websocket')));
			const { payload } = await socket.frame();
			assert.equal(JSON.parse(payload)[0].successful, true);
			socket.leave();
		}
	});

	test('status, metrics and channels', async () => {
		const channel = fresh();
		const { seq } = await publish(demo, channel, 'x');
		const html = await get(demo, '/status', {},
			{ headers: { Accept: 'text/html' } });
		assert.match(html.headers['content-type'], /^text\/html\b/);
		const json = await get(demo, '/status', {},
			{ headers: { Accept: JSON_TYPE } });
		assert.equal(seqOf(json.json.cursor), seq);
		const metrics = await get(demo, '/metrics');
		assert.match(metrics.headers['content-type'], /^text\/plain\b/);
		assert.ok((await channelList(demo)).some((c) =>
			(c.name ?? c.channel) === channel));
	});

	test('pages have their types, and 304 when they are unchanged',
		async () => {
			for (const [place, type] of [['/', 'text/html'],
				['/comet.js', 'text/javascript'], ['/style.css', 'text/css'],
				['/favicon.svg', 'image/svg+xml']]) {
				const page = await request(demo, 'GET', place);
				assert.equal(page.status, 200, place);
				assert.equal(page.headers['content-type'].split(';')[0], type);
				assert.equal(page.headers['cache-control'], 'no-cache');
				assert.equal(page.headers['x-content-type-options'], 'nosniff');
				const again = await request(demo, 'GET', place,
					{ headers: { 'If-None-Match': page.headers.etag } });
				assert.equal(again.status, 304, place);
			}
		});

	test('nothing is said twice, and nothing lies open', async () => {
		const raw = (await rawHttp(demo, `GET ${demo.base}/poll?channel=a ` +
			'HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toString();
		const names = raw.slice(0, raw.indexOf('\r\n\r\n')).split('\r\n')
			.slice(1).map((line) => line.split(':')[0].toLowerCase());
		assert.deepEqual(names, [...new Set(names)]);
		for (const place of ['/cometlog.db', '/../cometlog.db', '/run/web.conf',
			'/%2e%2e/cometlog.db', '/comet/.htaccess', '/.htaccess'])
			assert.notEqual((await request(demo, 'GET', place)).status, 200,
				place);
	});
}

for (const name of Object.keys(SERVERS))
	describe(`under ${name}`, { timeout: ms(120000) }, () => {
		server = SERVERS[name];
		before(async () => {
			server = SERVERS[name];
			demo = await startDemo({ server: name, workers: 1, options:
				{ heartbeat: 1000, 'allow-origin': 'https://friend.example' } });
		});
		after(async () => {
			await demo?.stop();
			demo = undefined;
		});
		publishing();
		polling();
		if (server.hasStreams)
			streaming();
		others();
		dying();
	});
