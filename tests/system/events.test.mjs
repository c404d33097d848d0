/* Also under ThreadSanitizer: acceptors, loop and writer. */
/* Server-Sent Events. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	assertProblem, CURSOR, epochOf, fresh, get, history, inOtherEpoch, meanwhile, ms,
	newestCursor, openEvents, post, publish, publishAll, Raw, rawHttp, seqOf,
	startDemo, stockEventSource, until, within,
} from './harness.mjs';

let demo;

async function opened(values, options) {
	const events = await openEvents(demo, values, options);
	assert.equal(events.status, 200);
	return events;
}

async function numbered(channel, from, to) {
	for (let at = from; at < to; at += 500)
		await publishAll(demo, Array.from({ length: Math.min(500, to - at) },
			(_, i) => ({ channel, data: at + i })));
}

const numbers = (from, to) =>
	Array.from({ length: to - from }, (_, i) => String(from + i));

/* What a client makes of lines that end in any way. */
const asLines = (data) => data.replace(/\r\n|\r/g, '\n');

describe('server-sent events', { timeout: ms(120000) }, () => {
	before(async () => {
		demo = await startDemo({ options: { heartbeat: 1000 } });
	});
	after(async () => { await demo?.stop(); });

	test('the answer is an event stream that opens with a retry of about two ' +
		'seconds, jittered', async () => {
		const retries = [];
		for (let i = 0; i < 8; i++) {
			const events = await opened({ channel: fresh() });
			assert.match(events.headers['content-type'],
				/^text\/event-stream\b/);
			await until(() => events.decoder.retry, { what: 'a retry' });
			assert.match(events.decoder.raw, /^retry: ?\d+\r?\n/);
			retries.push(events.decoder.retry);
			events.close();
		}
		for (const retry of retries)
			assert.ok(retry >= 1400 && retry <= 2600, String(retry));
		assert.ok(new Set(retries).size > 1, `jittered: ${retries}`);
	});

	test('an event has the cursor as its id, and a type if one was given',
		async () => {
			const channel = fresh();
			const events = await opened({ channel });
			const plain = await publish(demo, channel, 'one');
			const typed = await publish(demo, channel, 'two',
				{ event: 'greet ü' });
			assert.deepEqual(await events.nextMessages(2), [
				{ type: 'message', data: 'one', id: plain.cursor },
				{ type: 'greet ü', data: 'two', id: typed.cursor },
			]);
			events.close();
		});

	test('an event arrives before the next is published', async () => {
		const channel = fresh();
		for (const headers of [{}, { 'Accept-Encoding': 'gzip, deflate, br' }]) {
			const events = await opened({ channel }, { headers });
			for (let i = 0; i < 20; i++) {
				await publish(demo, channel, String(i));
				assert.equal((await events.nextMessage()).data, String(i));
			}
			events.close();
		}
	});

	test('nothing older than the request comes without a start', async () => {
		const channel = fresh();
		await publish(demo, channel, 'old');
		const events = await opened({ channel });
		await publish(demo, channel, 'new');
		assert.equal((await events.nextMessage()).data, 'new');
		events.close();
	});

	test('since, last and a bare seq say where to begin', async () => {
		const channel = fresh();
		await numbered(channel, 0, 10);
		const all = await history(demo, channel);
		const epoch = epochOf(await newestCursor(demo));
		const cases = [
			[{ since: 0 }, 0], [{ last: 4 }, 6], [{ last: 40 }, 0],
			[{ since: `${all[6].seq}.${epoch}` }, 7],
			[{ since: all[6].seq }, 7], [{ since: 'now' }, 10],
			[{ last: 0 }, 10],
		];
		for (const [values, from] of cases) {
			const events = await opened({ channel, ...values });
			const got = await events.nextMessages(10 - from);
			assert.deepEqual(got.map((e) => e.data), numbers(from, 10));
			await publish(demo, fresh(), 'not this');
			events.close();
		}
	});

	test('Last-Event-ID wins over since', async () => {
		const channel = fresh();
		await numbered(channel, 0, 5);
		const all = await history(demo, channel);
		const id = `${all[2].seq}.${epochOf(await newestCursor(demo))}`;
		for (const since of ['0', 'now', '5.00000000']) {
			const events = await opened({ channel, since },
				{ headers: { 'Last-Event-ID': id } });
			const got = await events.nextMessages(2);
			assert.deepEqual(got.map((e) => e.data), ['3', '4']);
			events.close();
		}
		const events = await opened({ channel, last: 5 },
			{ headers: { 'Last-Event-ID': id } });
		assert.equal((await events.nextMessage()).data, '3');
		events.close();
	});

	test('a reader that comes back after every event misses none', async () => {
		const channel = fresh();
		await numbered(channel, 0, 20);
		let headers = {};
		for (let i = 0; i < 20; i++) {
			const events = await opened({ channel, since: 0 }, { headers });
			const event = await events.nextMessage();
			assert.equal(event.data, String(i));
			headers = { 'Last-Event-ID': event.id };
			events.close();
		}
	});

	test('format=json puts the whole message into data', async () => {
		const channel = fresh();
		const events = await opened({ channel, format: 'json' });
		await publish(demo, channel, 'a\nb\rc', { event: 'e', id: 'i' });
		await post(demo, `/publish/${channel}`, 'application/json',
			'{"a": [1, "x\\ny"]}');
		const got = await events.nextMessages(2);
		const kept = await history(demo, channel);
		assert.deepEqual(got.map((e) => JSON.parse(e.data)), kept);
		assert.equal(got[0].type, 'e');
		assert.equal(seqOf(got[0].id), kept[0].seq);
		events.close();
	});

	test('JSON data is one line of JSON', async () => {
		const channel = fresh();
		const events = await opened({ channel });
		const big = '{"n":12345678901234567890123,"s":"é\\u0000"}';
		await post(demo, `/publish/${channel}`, 'application/json', big);
		const { data } = await events.nextMessage();
		assert.equal(JSON.parse(data).s, 'é\0');
		assert.ok(data.includes('12345678901234567890123'));
		events.close();
	});

	test('data of many lines keeps them, whatever ends a line', async () => {
		const channel = fresh();
		const events = await opened({ channel });
		const datas = ['a\nb', 'a\r\nb', 'a\rb', 'a\r\r\n\n\rb', 'a\n', '\n',
			'\r', '\r\n', '\n\n\n', ' leading', '  two', ':colon', '', 'x\r',
			'data: x', '\tq', 'a\u2028b\u2029c\u0085d', '\ufeffbom', 'nul\0in',
			'é'.repeat(5000), `${'line\n'.repeat(3000)}end`];
		for (const data of datas)
			await publish(demo, channel, data);
		const got = await events.nextMessages(datas.length);
		assert.deepEqual(got.map((e) => e.data), datas.map(asLines));
		events.close();
	});

	test('data cannot forge a field or an event', async () => {
		const channel = fresh();
		const events = await opened({ channel });
		const breaks = ['\n', '\r', '\r\n', '\n\r', '\r\r', '\n\n', '\r\n\r\n'];
		for (const end of breaks) {
			const data = ['x', 'id: 1.00000000', 'event: evil', 'retry: 1',
				'data: forged', ''].join(end);
			const { cursor } = await publish(demo, channel, data);
			assert.deepEqual(await events.nextMessage(),
				{ type: 'message', data: asLines(data), id: cursor });
		}
		assert.ok(events.decoder.retry > 1000);
		events.close();
	});

	test('an event named like one of ours is the publisher\'s own affair, ' +
		'and has its data', async () => {
		const channel = fresh();
		const events = await opened({ channel });
		for (const event of ['message', 'error', 'open', ' x', 'a:b']) {
			await publish(demo, channel, 'd', { event });
			const got = await events.nextMessage();
			assert.equal(got.data, 'd');
			assert.equal(got.type, event);
		}
		events.close();
	});

	/* ---- heartbeats ---- */

	test('an idle answer shows signs of life with the current cursor',
		async () => {
			const events = await opened({ channel: fresh() });
			for (let i = 0; i < 2; i++) {
				const beat = await events.next(5000, 'a heartbeat');
				assert.equal(beat.type, 'heartbeat');
				assert.match(beat.id, CURSOR);
				assert.equal(beat.data, beat.id);
			}
			events.close();
		});

	test('a heartbeat moves the client past messages of other channels',
		async () => {
			const channel = fresh();
			const events = await opened({ channel });
			const { seq } = await publish(demo, fresh(), 'other');
			await until(() => events.decoder.lastEventId &&
				seqOf(events.decoder.lastEventId) >= seq,
			{ what: 'the id to move on' });
			const id = events.decoder.lastEventId;
			events.close();
			await publish(demo, channel, 'mine');
			const again = await opened({ channel },
				{ headers: { 'Last-Event-ID': id } });
			assert.equal((await again.next()).data, 'mine');
			again.close();
		});

	test('signs of life go on between messages of other channels', async () => {
		const events = await opened({ channel: fresh() });
		await meanwhile(1, () => publish(demo, 'noise', 'x'), async () => {
			for (let i = 0; i < 2; i++)
				assert.equal((await events.next(5000)).type, 'heartbeat');
		});
		events.close();
	});

	/* ---- gaps ---- */

	test('a gap is told before anything else, then what is kept follows',
		async () => {
			const channel = fresh();
			await numbered(channel, 0, 3);
			const newest = await newestCursor(demo);
			const other = ((parseInt(epochOf(newest), 16) ^ 1) >>> 0).toString(16)
				.padStart(8, '0');
			const starts = [{ since: `${seqOf(newest)}.${other}` },
				{ since: seqOf(newest) + 100000 },
				{ since: `${seqOf(newest) + 100000}.${epochOf(newest)}` }];
			for (const values of starts) {
				const events = await opened({ channel, ...values });
				const gap = await events.next();
				assert.equal(gap.type, 'gap', JSON.stringify(values));
				assert.deepEqual((await events.nextMessages(3))
					.map((e) => e.data), ['0', '1', '2']);
				await publish(demo, channel, 'x');
				assert.equal((await events.nextMessage()).data, 'x');
				events.close();
			}
			const events = await opened({ channel },
				{ headers: { 'Last-Event-ID': inOtherEpoch(newest) } });
			assert.equal((await events.next()).type, 'gap');
			events.close();
		});

	test('a reader that lost its connection right after the gap loses nothing',
		async () => {
			const channel = fresh();
			await numbered(channel, 0, 3);
			const events = await opened({ channel, since: '9.00000000' });
			const gap = await events.next();
			assert.equal(gap.type, 'gap');
			events.close();
			const again = await opened({ channel, since: 'now' },
				{ headers: { 'Last-Event-ID': gap.id } });
			assert.deepEqual((await again.nextMessages(3))
				.map((e) => e.data), ['0', '1', '2']);
			again.close();
		});

	/* ---- many messages ---- */

	test('history goes over into what is new without a seam', async () => {
		const channel = fresh();
		await numbered(channel, 0, 3000);
		const events = await opened({ channel, since: 0 });
		await numbered(channel, 3000, 6000);
		assert.deepEqual((await events.nextMessages(6000)).map((e) => e.data),
			numbers(0, 6000));
		events.close();
	});

	test('readers of overlapping patterns each get every message once, in ' +
		'the same order', async () => {
		const base = fresh();
		const readers = [];
		for (const channel of [[`${base}/**`], [`${base}/a`, `${base}/b`],
			[`${base}/*`, `${base}/a`], [`${base}/a`, `${base}/**`]])
			for (let i = 0; i < 3; i++)
				readers.push(await opened({ channel }));
		await Promise.all(Array.from({ length: 5 }, async (_, p) => {
			for (let i = 0; i < 40; i++)
				await publish(demo, `${base}/${i % 2 ? 'a' : 'b'}`,
					`${p}-${i}`);
		}));
		const order = (await history(demo, `${base}/*`)).map((m) => m.data);
		assert.equal(order.length, 200);
		for (const events of readers) {
			const got = await events.nextMessages(200);
			assert.deepEqual(got.map((e) => e.data), order);
			events.close();
		}
	});

	test('messages as large as they may be come whole', async () => {
		const channel = fresh();
		const events = await opened({ channel });
		const datas = Array.from({ length: 40 }, (_, i) =>
			String.fromCharCode(97 + i % 26).repeat(65536));
		for (const data of datas)
			await publish(demo, channel, data);
		const got = await events.nextMessages(datas.length);
		for (const [i, event] of got.entries())
			assert.ok(event.data === datas[i], `message ${i} differs`);
		events.close();
	});

	/* ---- refusals and odd clients ---- */

	test('a malformed question is refused and not held', async () => {
		for (const values of [{ channel: 'a*' }, { channel: 'a', since: 'x' },
			{ channel: 'a', format: 'xml' }, { channel: 'a', last: 'x' }])
			assertProblem(assert, await get(demo, '/events', values), 400);
		assertProblem(assert, await post(demo, '/events?channel=a',
			'text/plain', ''), 405);
	});

	test('a malformed Last-Event-ID is no server fault', async () => {
		const events = await openEvents(demo, { channel: fresh() },
			{ headers: { 'Last-Event-ID': 'order-77' } });
		assert.ok(events.status === 200 || events.status === 400);
		events.close();
	});

	test('a client of HTTP/1.0 gets events as they happen', async () => {
		const channel = fresh();
		const raw = new Raw({ host: '127.0.0.1', port: demo.port });
		raw.send(`GET /comet/events?channel=${channel} HTTP/1.0\r\n\r\n`);
		assert.ok(await raw.wait((r) => r.text.includes('retry:')));
		await publish(demo, channel, 'to an old client');
		assert.ok(await raw.wait(
			(r) => r.text.includes('data: to an old client\n')));
		raw.close();
	});

	test('a HEAD request is not held', async () => {
		const text = (await rawHttp(demo, 'HEAD /comet/events?channel=a ' +
			'HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 5000))
			.toString();
		assert.match(text, /^HTTP\/1\.1 (200|405) /);
		assert.equal(text.indexOf('\r\n\r\n'), text.length - 4);
	});

	test('a client on a worker\'s death comes back to the next without a loss',
		async () => {
			const channel = fresh();
			let events = await opened({ channel });
			await publish(demo, channel, 'before');
			const { id } = await events.nextMessage();
			await demo.killWorkers();
			assert.equal(await within(events.finished, 5000, 'the end'),
				'cut');
			await until(() => publish(demo, channel, 'between'));
			events = await opened({ channel },
				{ headers: { 'Last-Event-ID': id } });
			assert.equal((await events.nextMessage()).data, 'between');
			events.close();
		});
});

describe('the ends of held answers', { timeout: ms(60000) }, () => {
	before(async () => {
		demo = await startDemo({ options:
			{ 'max-hold': '5s', heartbeat: 1000, retry: 200 } });
	});
	after(async () => { await demo?.stop(); });

	test('no answer outlives max-hold, each ends cleanly, and the client ' +
		'resumes', { timeout: ms(40000) }, async () => {
		const channel = fresh();
		const events = await opened({ channel });
		const longpoll = get(demo, '/longpoll',
			{ channel: fresh(), timeout: 50 }, { limit: 12000 });
		const { cursor } = await publish(demo, channel, 'first');
		assert.equal((await events.nextMessage()).id, cursor);
		assert.equal(await within(events.finished, 12000, 'the end'),
			'complete');
		const { json } = await longpoll;
		assert.deepEqual(json.messages, []);
		await publish(demo, channel, 'in between');
		const again = await opened({ channel }, { headers:
			{ 'Last-Event-ID': events.decoder.lastEventId } });
		assert.equal((await again.nextMessage()).data, 'in between');
		again.close();
	});

	const EventSource = stockEventSource();

	test('the stock EventSource client reads, reconnects and resumes',
		{ skip: EventSource === null && 'npm ci was not run',
			timeout: ms(40000) }, async () => {
			const channel = fresh();
			const source = new EventSource(
				`${demo.url}comet/events?channel=${channel}`);
			const got = [];
			const ids = [];
			let beats = 0;
			source.onmessage = (e) => {
				got.push(e.data);
				ids.push(e.lastEventId);
			};
			source.addEventListener('greet', (e) => got.push(`greet ${e.data}`));
			source.addEventListener('heartbeat', () => { beats++; });
			await new Promise((done) => { source.onopen = done; });
			const first = await publish(demo, channel, 'one\ntwo');
			await publish(demo, channel, 'three', { event: 'greet' });
			await until(() => got.length === 2);
			assert.equal(ids[0], first.cursor);
			await until(() => beats > 0, { what: 'a heartbeat' });
			const reopened = new Promise((done) => { source.onopen = done; });
			await demo.killWorkers();
			await until(() => publish(demo, channel, 'four', { id: '4' }));
			await within(reopened, 10000, 'the reconnection');
			await publish(demo, channel, 'five');
			await until(() => got.length === 4);
			source.close();
			assert.deepEqual(got,
				['one\ntwo', 'greet three', 'four', 'five']);
		});
});

describe('a ring that holds little', { timeout: ms(120000) }, () => {
	before(async () => {
		demo = await startDemo({ workers: 2, options: { 'ring-bytes': '64K' } });
	});
	after(async () => { await demo?.stop(); });

	test('gives every reader every message once, in order, while two ' +
		'processes store more at once than it holds', async () => {
		const room = fresh(), rounds = 15;
		const readers = await Promise.all(Array.from({ length: 8 }, () =>
			opened({ channel: `${room}/*`, format: 'json' })));
		const publisher = async (name) => {
			for (let round = 0; round < rounds; round++) {
				/* some fit, some don't; some are one of a kind */
				const n = [1, 100, 7, 300][round % 4];
				await publishAll(demo, Array.from({ length: n }, () =>
					({ channel: `${room}/${name}`, data: 'x'.repeat(200) })));
			}
		};
		await Promise.all(['a', 'b', 'c', 'd'].map(publisher));
		const expected = (await history(demo, `${room}/*`)).map((m) => m.seq);
		assert.equal(expected.length, 4 * (4 * 1 + 4 * 100 + 4 * 7 + 3 * 300));
		for (const reader of readers) {
			const got = await reader.nextMessages(expected.length, ms(30000));
			assert.deepEqual(got.map((m) => JSON.parse(m.data).seq), expected);
			reader.close();
		}
	});
});
