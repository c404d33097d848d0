/* Also under ThreadSanitizer: acceptors, loop, pool and writer. */
/* What becomes of Bayeux sessions: whose they are, where they go on from, what
   survives, what bounds them. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import {
	CURSOR, epochOf, fresh, get, inOtherEpoch, ms, newestCursor, pause,
	publish, publishAll, seqOf, sqlite, startDemo, until,
} from './harness.mjs';
import {
	Client, holds, overCallback, overHttp, startWorker, Wire,
} from './bayeux.mjs';

let demo;

const client = (way = overHttp(demo)) => new Client(way);
const opened = (subscription, ext) => client().open(subscription, ext);
const codeOf = (reply) => reply.successful ? 0 : Number(reply.error.slice(0, 3));
const numbers = (from, to) =>
	Array.from({ length: to - from }, (_, i) => from + i);
const post = (channel, from, to) => publishAll(demo,
	numbers(from, to).map((data) => ({ channel, data })));
const seqs = (one) => one.events.map((m) => m.data.event.replayId);
const payloads = (one) => one.events.map((m) => m.data.payload);

/* The same session in another client's hands. */
const twin = (one, fields) => Object.assign(client(),
	{ clientId: one.clientId, cookie: one.cookie, ack: one.ack, ...fields });

async function withDemo(options, fn) {
	const outer = demo;
	demo = await startDemo(options);
	try {
		await fn();
	} finally {
		await demo.stop().catch(() => {});
		demo = outer;
	}
}

describe('Bayeux sessions', { timeout: ms(120000) }, () => {
	before(async () => { demo = await startDemo({ workers: 3 }); });
	after(async () => { await demo?.stop(); });

	/* ---- the browser's cookie ---- */

	test('a handshake gives a browser its cookie, for scripts out of reach',
		async () => {
			const one = client();
			await one.handshake();
			const [cookie] = one.headers['set-cookie'];
			assert.match(cookie, /^BAYEUX_BROWSER=[A-Za-z0-9]{22,};/);
			assert.match(cookie, /; ?HttpOnly\b/i);
			assert.match(cookie, /; ?SameSite=(Lax|Strict)\b/i);
			await one.connect();
			assert.equal(one.headers['set-cookie'], undefined);
			await client().tell('/service/echo', { data: 1 });
			await one.handshake(); /* it has one */
			assert.equal(one.headers['set-cookie'], undefined);
		});

	test('a session is refused to another browser', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`);
		const thief = twin(one, { cookie: 'f'.repeat(40) });
		assert.equal(codeOf(await thief.connect()), 402);
		assert.equal(codeOf(await thief.tell('/meta/subscribe',
			{ subscription: '/a' })), 402);
		assert.equal(codeOf(await thief.tell(`/${channel}`, { data: 1 })), 402);
		assert.equal(codeOf(await thief.disconnect()), 402);
		assert.equal((await one.poll()).successful, true);
	});

	test('who had a cookie at the handshake needs it from then on', async () => {
		const one = client();
		one.cookie = '0'.repeat(40);
		await one.open();
		assert.equal(codeOf(await twin(one, { cookie: undefined }).connect()),
			402);
	});

	test('of two pages that open at once both go on with the later cookie',
		async () => {
			const [one, other] = await Promise.all([opened(), opened()]);
			assert.notEqual(one.cookie, other.cookie);
			assert.equal(codeOf(await twin(one, { cookie: other.cookie })
				.poll()), 0);
			const long = (parseInt(other.cookie.slice(0, 8), 16) - 60)
				.toString(16) + other.cookie.slice(8);
			assert.equal(codeOf(await twin(one, { cookie: long }).connect()),
				402);
		});

	test('who takes no cookies needs none', async () => {
		const one = await opened();
		assert.equal(codeOf(await twin(one, { cookie: undefined }).poll()), 0);
	});

	/* ---- acknowledged messages ---- */

	test('messages come again until they are acknowledged', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`, { ack: true });
		await post(channel, 0, 3);
		const { ack } = one;
		for (let i = 0; i < 3; i++) { /* the answer is lost */
			one.ack = ack;
			assert.deepEqual((await one.poll()).events.map((m) => m.data),
				[0, 1, 2]);
		}
		await post(channel, 3, 5);
		assert.deepEqual((await one.poll()).events.map((m) => m.data), [3, 4]);
		assert.deepEqual((await one.poll()).events, []);
	});

	test('the number of an ack is the seq', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`, { ack: true });
		const { seq } = await publish(demo, channel, 'x');
		const { ext } = await one.poll();
		assert.ok(ext.ack >= seq && ext.ack <=
			seqOf(await newestCursor(demo)));
	});

	test('an ack of 0, or none, moves nothing', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`, { ack: true });
		await post(channel, 0, 2);
		await one.poll();
		await one.poll(); /* acknowledges */
		await publish(demo, channel, 'new');
		for (const ext of [{ ack: 0 }, {}, undefined, { ack: -1 },
			{ ack: 'x' }])
			assert.deepEqual((await one.poll({ ext })).events
				.map((m) => m.data), ['new'], JSON.stringify(ext));
	});

	test('an ack of what never was is told a gap', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`, { ack: true });
		await publish(demo, channel, 'x');
		for (const ack of [2 ** 43, Number.MAX_SAFE_INTEGER, 2 ** 60]) {
			const reply = await one.poll({ ext: { ack } });
			assert.equal(reply.successful, true);
			assert.deepEqual(reply.events.map((m) => m.data), ['x']);
			if (ack === 2 ** 43)
				assert.equal(reply.ext.gap, true);
		}
		await one.poll();
		assert.equal((await one.poll()).ext.gap, undefined);
	});

	test('without acks what was given is given', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`);
		await post(channel, 0, 3);
		assert.equal((await one.poll({ ext: { ack: 1 } })).events.length, 3);
		assert.deepEqual((await one.poll({ ext: { ack: 1 } })).events, []);
	});

	test('acks from before a subscription to history don\'t pass it', async () => {
		const [old, now] = [fresh(), fresh()];
		await post(old, 0, 5);
		const one = await opened(`/${now}`, { ack: true });
		await publish(demo, now, 'a');
		await one.poll();
		assert.deepEqual(one.data, ['a']);
		const { ack } = one;
		await one.poll(); /* 'a' is acknowledged */
		one.events = [];
		await one.subscribe(`/${old}`, { replay: -2 });
		one.ack = ack;
		for (let i = 0; i < 2; i++) { /* the first answer is lost */
			one.events = [];
			one.ack = ack;
			await one.poll();
			assert.deepEqual(payloads(one), [0, 1, 2, 3, 4]);
		}
		await publish(demo, now, 'b');
		one.events = [];
		await one.poll();
		assert.deepEqual(payloads(one), ['b']);
		assert.ok(one.ack < 2 ** 53);
		one.events = [];
		await one.poll();
		assert.deepEqual(one.events, []);
	});

	/* ---- where subscriptions begin ---- */

	test('replay: new, all, behind a position', async () => {
		const channel = fresh();
		await post(channel, 0, 5);
		for (const [replay, from] of [[-1, 5], [-2, 0], [undefined, 5]]) {
			const one = client();
			await one.open(undefined, { replay: true });
			await one.subscribe(`/${channel}`, replay === undefined ?
				undefined : { replay: { [`/${channel}`]: replay } });
			await one.poll();
			assert.deepEqual(payloads(one), numbers(from, 5));
			for (const at of seqs(one).slice(0, -1)) {
				const other = await opened(undefined, { replay: true });
				await other.subscribe(`/${channel}`,
					{ replay: { [`/${channel}`]: at } });
				await other.poll();
				assert.deepEqual(seqs(other), seqs(one).filter((s) => s > at));
			}
		}
	});

	test('a replay id stands in the object that was published', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`, { replay: true });
		const { seq } = await publish(demo, channel, 'text');
		await one.publish(`/${channel}`, { a: 1, event: { type: 'x' } });
		await one.received(2);
		assert.deepEqual(one.data[0],
			{ event: { replayId: seq }, payload: 'text' });
		assert.deepEqual(one.data[1].a, 1);
		assert.deepEqual(one.data[1].event.type, 'x');
		assert.ok(one.data[1].event.replayId > seq);
	});

	test('a position that is none is refused in the words that clients know',
		async () => {
			const channel = `/${fresh()}`;
			const one = await opened(undefined, { replay: true });
			for (const at of [2 ** 40, -3, 'x']) {
				const reply = await one.tell('/meta/subscribe',
					{ subscription: channel, ext: { replay: { [channel]: at } } });
				assert.equal(reply.successful, false);
				assert.equal(reply.error, '400::The replayId ' +
					`{${at}} you provided was invalid.  Please provide a ` +
					'valid ID, -2 to replay all events, or -1 to replay ' +
					'only new events.');
			}
			await one.poll();
			assert.deepEqual(one.events, []);
		});

	test('a cursor begins behind it, and tells a gap if it is another log\'s',
		async () => {
			const channel = fresh();
			const before = await newestCursor(demo);
			await post(channel, 0, 3);
			const one = await opened();
			const reply = await one.subscribe(`/${channel}`,
				{ cursor: before });
			assert.equal(reply.ext?.gap, undefined);
			await one.poll();
			assert.deepEqual(one.data, [0, 1, 2]);
			for (const cursor of [inOtherEpoch(before),
				`${2 ** 40}.${epochOf(before)}`]) {
				const other = await opened();
				assert.equal((await other.subscribe(`/${channel}`,
					{ cursor })).ext.gap, true);
				await other.poll();
				assert.deepEqual(other.data, [0, 1, 2]);
			}
			assert.equal(codeOf(await one.tell('/meta/subscribe',
				{ subscription: '/a', ext: { cursor: 'x' } })), 400);
		});

	test('history of one subscription brings nothing of another again',
		async () => {
			const [a, b] = [fresh(), fresh()];
			await post(b, 0, 3);
			const one = await opened(`/${a}`);
			await post(a, 0, 3);
			await one.poll();
			await one.subscribe(`/${b}`, { replay: -2 });
			await publish(demo, a, 'new');
			one.events = [];
			await one.poll();
			assert.deepEqual(payloads(one), [0, 1, 2, 'new']);
		});

	test('much history comes in several answers, each message once', async () => {
		const channel = fresh();
		for (let at = 0; at < 1700; at += 850)
			await post(channel, at, at + 850);
		for (const ext of [undefined, { ack: true }]) {
			const one = await opened(undefined, ext);
			await one.subscribe(`/${channel}`, { cursor: '0' });
			assert.deepEqual(await one.received(1700), numbers(0, 1700));
		}
	});

	/* ---- any process ---- */

	test('a session goes on where its processes were killed', async () => {
		const channel = fresh();
		const all = [await opened(`/${channel}`),
			await opened(`/${channel}`, { ack: true }),
			await opened(`/${channel}`, { replay: true })];
		for (let i = 0; i < 3; i++) {
			await Promise.all([demo.killWorkers(),
				demo.replaced('wsd', demo.kill9('wsd'))]);
			await publish(demo, channel, `${i}`);
			for (const one of all)
				await until(() => one.poll());
		}
		assert.deepEqual(all[0].data, ['0', '1', '2']);
		assert.deepEqual(all[1].data, ['0', '1', '2']);
		assert.deepEqual(payloads(all[2]), ['0', '1', '2']);
	});

	test('a session goes on when all was stopped and started again', async () => {
		let other = await startDemo();
		const way = (...given) => overHttp(other)(...given);
		const channel = fresh();
		try {
			const all = [await client(way).open(`/${channel}`),
				await client(way).open(`/${channel}`, { ack: true })];
			await publish(other, channel, 'before');
			for (const one of all) {
				await one.poll();
				await one.poll();
			}
			await publish(other, channel, 'between');
			await other.stop({ keepState: true });
			other = await startDemo({ state: other.state });
			other.ownsState = true;
			await publish(other, channel, 'after');
			for (const one of all) {
				await one.poll();
				assert.deepEqual(one.data, ['before', 'between', 'after']);
			}
		} finally {
			await other.stop();
		}
	});

	test('each request may go to another worker', async () => {
		const worker = await startWorker(demo);
		try {
			const channel = fresh();
			const one = await opened(undefined, { ack: true });
			const ways = [one.way, worker.way];
			one.way = (...given) => {
				ways.reverse();
				return ways[0](...given);
			};
			await one.subscribe(`/${channel}`);
			for (let i = 0; i < 20; i++) {
				await publish(demo, channel, `${i}`);
				await one.poll();
			}
			assert.deepEqual(one.data, numbers(0, 20).map(String));
		} finally {
			await worker.stop();
		}
	});

	test('nothing is lost or doubled where connects and publishes race',
		async () => {
			const channel = fresh();
			const all = await Promise.all(numbers(0, 6).map((i) =>
				opened(`/${channel}`, i % 2 ? { ack: true } : undefined)));
			const feed = (async () => {
				for (let i = 0; i < 100; i++)
					await post(channel, i * 3, i * 3 + 3);
			})();
			await Promise.all(all.map((one) => one.received(300)));
			await feed;
			for (const one of all)
				assert.deepEqual(one.data, numbers(0, 300));
		});
});

describe('bounds of Bayeux sessions', { timeout: ms(180000) }, () => {
	test('sessions, subscriptions, rates and switches', async () => {
		await withDemo({ options: {
			'bayeux-sessions': 3, 'bayeux-subscriptions': 3,
			'bayeux-publish': 'post', 'ws-publish': 'off',
			'publish-rate': 1, 'publish-burst': 5, 'longpoll-timeout': 700,
		} }, async () => {
			const one = await opened();
			const two = await opened();
			await opened();
			const reply = await client().handshake();
			assert.equal(codeOf(reply), 503);
			assert.equal(reply.clientId, undefined);
			await two.disconnect();
			await opened();

			await one.subscribe(['/a', '/b']);
			assert.equal(codeOf(await one.tell('/meta/subscribe',
				{ subscription: ['/c', '/d'] })), 413);
			await one.subscribe('/c');
			await one.subscribe(['/a', '/b', '/c']);
			assert.equal(codeOf(await one.tell('/meta/subscribe',
				{ subscription: '/d' })), 413);
			await one.unsubscribe('/b');
			await one.subscribe('/d');

			const begin = Date.now(); /* the server's time counts */
			const connect = await one.connect({ advice: { timeout: 1e9 } });
			assert.equal(connect.advice.timeout, 700);
			assert.ok(Date.now() - begin >= 700);

			const byGet = client(overCallback(demo));
			assert.equal(codeOf(await byGet.tell('/a', { data: 1 })), 403);
			assert.equal(codeOf(await byGet.tell('/service/echo',
				{ data: 1 })), 0);
			const wire = await Wire.open({ port: demo.port },
				'/comet/bayeux');
			assert.equal(codeOf(await client(wire.way).tell('/a',
				{ data: 1 })), 403);
			wire.leave();

			const codes = [];
			while (codes.length < 20)
				codes.push(codeOf(await one.tell('/x', { data: 1 })));
			assert.deepEqual([...new Set(codes)], [0, 429]);
			assert.equal((await one.poll()).successful, true);
		});
	});

	test('a session ends when its client stays away too long', async () => {
		await withDemo({ workers: 1, options: { 'bayeux-max-interval': 1000,
			'retain-interval': 50 } }, async () => {
			const [gone, here] = [await opened('/a'), await opened('/a')];
			assert.equal((await here.poll()).advice.maxInterval, 1000);
			const sql = async (text) => (await sqlite(demo, text)).stdout;
			const which = `WHERE id = '${gone.clientId}'`;
			const away = (n) => sql('UPDATE session SET seen_ms = seen_ms - ' +
				`${n} ${which};`);
			/* rows may be a minute behind, which is added */
			await away(55000);
			await publish(demo, 'a', 'x');
			assert.equal(codeOf(await gone.poll()), 0);
			const since = performance.now();
			await until(async () => { /* what it said last may come later */
				await away(62000);
				return await sql(`SELECT count(*) FROM session ${which};`) ===
					'0\n';
			});
			await pause(Math.max(0, since + 1100 - performance.now()));
			assert.equal(codeOf(await gone.poll()), 402);
			assert.equal(codeOf(await here.poll()), 0);
		});
	});

	test('what retention took is told as a gap', async () => {
		await withDemo({ options: { retain: '** messages=5',
			'retain-interval': 50 } }, async () => {
			const channel = fresh();
			const all = [await opened(`/${channel}`),
				await opened(`/${channel}`, { ack: true })];
			await post(channel, 0, 100);
			await until(async () => (await get(demo, '/poll',
				{ channel, since: 0 })).json.messages.length === 5);
			for (const one of all) {
				const reply = await one.poll();
				assert.equal(reply.ext.gap, true);
				assert.match(reply.ext.cursor, CURSOR);
				assert.deepEqual(one.data, numbers(95, 100));
				const next = await one.poll();
				assert.equal(next.ext?.gap, undefined);
				assert.deepEqual(next.events, []);
			}
			await publish(demo, channel, 'x');
			for (const one of all)
				assert.deepEqual((await one.poll()).events
					.map((m) => m.data), ['x']);
			/* replay behind what is gone */
			const one = await opened(undefined, { replay: true });
			const reply = await one.tell('/meta/subscribe', {
				subscription: `/${channel}`,
				ext: { replay: { [`/${channel}`]: 1 } } });
			assert.equal(codeOf(reply), 400);
		});
	});

	test('a log that was replaced is a gap, and sessions of it end or go on',
		async () => {
			let other = await startDemo();
			const way = (...given) => overHttp(other)(...given);
			try {
				const one = await client(way).open('/a', { ack: true });
				await publishAll(other, numbers(0, 20).map((data) =>
					({ channel: 'a', data })));
				await one.poll();
				await other.stop({ keepState: true });
				for (const file of fs.readdirSync(other.state))
					if (/^cometlog\.db/.test(file) && !/sessions/.test(file))
						fs.rmSync(`${other.state}/${file}`);
				other = await startDemo({ state: other.state });
				other.ownsState = true;
				/* its row is gone with the log */
				assert.equal(codeOf(await one.poll()), 402);
				await one.open('/a', { ack: true });
				await publish(other, 'a', 'new');
				one.events = [];
				await one.poll();
				assert.deepEqual(one.data, ['new']);
			} finally {
				await other.stop();
			}
		});

	test('without a place a connect is answered at once, to come back later',
		async () => {
			await withDemo({ workers: 1, options: { 'site-requests': 4,
				'site-reserve': 3, turn: '1h', heartbeat: 1000 } }, async () => {
				const channel = fresh();
				const one = await opened(`/${channel}`);
				const two = await opened(`/${channel}`);
				const answer = one.connect();
				await holds(1, { demo });
				const reply = await two.connect(); /* else 25 s */
				assert.equal(reply.successful, true);
				assert.ok(reply.advice.interval > 0);
				await publish(demo, channel, 'x');
				assert.equal((await answer).events.length, 1);
				assert.equal((await answer).advice.interval, 0);
				assert.equal((await two.connect()).events.length, 1);
			});
		});

	test('of a browser one client waits over HTTP/1, the others poll', async () => {
		await withDemo({ workers: 1 }, async () => {
			const [one, two] = [client(), client()];
			one.cookie = two.cookie = 'a'.repeat(40);
			await one.open('/a');
			await two.open('/a');
			const answer = one.connect();
			await holds(1, { demo });
			const reply = await two.connect();
			assert.equal(reply.advice['multiple-clients'], true);
			assert.ok(reply.advice.interval > 0);
			await publish(demo, 'a', 'x');
			assert.equal((await answer).advice['multiple-clients'], undefined);
			assert.equal((await two.poll()).events.length, 1);
			await holds(0, { demo });
			const next = two.connect();
			await holds(1, { demo });
			await publish(demo, 'a', 'y');
			assert.equal((await next).advice.interval, 0);
		});
	});
});
