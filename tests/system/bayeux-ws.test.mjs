/* Also under ThreadSanitizer: loop, pool and writer. */
/* Bayeux as raw frames over WebSockets. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	fresh, isAlive, ms, publish, publishAll, startDemo, until, within,
} from './harness.mjs';
import { Client, overHttp, Wire } from './bayeux.mjs';
import { closeFrame, frame, OP, pieces, refused } from './websocket.mjs';

let demo;
const wires = new Set();

const front = () => ({ host: '127.0.0.1', port: demo.port });
const straight = () => ({ path: path.join(demo.runDir, 'wsd.sock') });
const codeOf = (reply) => reply.successful ? 0 : Number(reply.error.slice(0, 3));
const numbers = (from, to) =>
	Array.from({ length: to - from }, (_, i) => from + i);
const post = (channel, from, to) => publishAll(demo,
	numbers(from, to).map((data) => ({ channel, data })));

async function wire(where = front(), options) {
	const one = await Wire.open(where, '/comet/bayeux', options);
	wires.add(one);
	return one;
}

const TYPE = { connectionType: 'websocket' };

/* A session, its wire as `wire`. */
async function opened(subscription, ext, on) {
	const w = on ?? await wire();
	const one = await new Client(w.way).open(subscription, ext);
	one.wire = w;
	return one;
}

const twin = (one, way) => Object.assign(new Client(way),
	{ clientId: one.clientId, ack: one.ack });

async function events(one, n) {
	const all = [];
	while (all.length < n)
		all.push((await one.wire.next()).data);
	return all;
}

describe('Bayeux over WebSockets', { timeout: ms(120000) }, () => {
	before(async () => { demo = await startDemo({ workers: 1, options: {
		'ws-message-bytes': 8192, 'message-bytes': 4096,
	} }); });
	after(async () => { await demo?.stop(); });
	test.afterEach(() => {
		for (const one of wires)
			one.leave();
		wires.clear();
	});

	test('a session lives on a connection, through the web server or not',
		async () => {
			for (const where of [front(), straight()]) {
				const channel = fresh();
				const one = await opened(`/${channel}`, undefined,
					await wire(where));
				const answer = one.connect(TYPE);
				await post(channel, 0, 3);
				assert.deepEqual(await events(one, 3), [0, 1, 2]);
				await one.publish(`/${channel}`, { a: 1 });
				assert.deepEqual(await events(one, 1), [{ a: 1 }]);
				await one.disconnect();
				assert.equal((await answer).clientId, one.clientId);
				assert.equal(codeOf(await one.connect(TYPE)), 402);
				await one.wire.close();
			}
		});

	test('each frame is one message or some', async () => {
		const one = await wire();
		one.tell({ channel: '/service/echo', id: '1', data: 'one' });
		assert.equal((await one.next()).id, '1');
		assert.equal((await one.next()).data, 'one');
		one.tell([{ channel: '/service/echo', id: '2', data: 'two' },
			{ channel: '/service/echo', id: '3', data: 'three' }]);
		assert.equal((await one.next()).id, '2');
		await one.next();
		assert.equal((await one.next()).id, '3');
	});

	test('an empty array is answered with one', async () => {
		const one = await wire();
		one.tell([]); /* keeps a connection alive */
		const pong = new Client(one.way);
		assert.equal((await pong.tell('/service/echo', { data: 1 }))
			.successful, true);
	});

	test('what is no message is refused, and the connection goes on', async () => {
		const one = await wire();
		for (const text of ['x', '', '1', '{', '[1]']) {
			one.socket.send(frame(OP.TEXT, text));
			const reply = await one.next();
			assert.equal(codeOf(reply), 400, text);
		}
		assert.equal((await new Client(one.way).tell('/service/echo',
			{ data: 1 })).successful, true);
	});

	test('frames in pieces are as good as whole ones', async () => {
		const one = await wire(straight());
		const bytes = frame(OP.TEXT, JSON.stringify(
			{ channel: '/service/echo', data: 'é' }));
		for (const n of [1, 3, 7])
			for (const piece of pieces(bytes, n))
				one.socket.send(piece);
		for (let i = 0; i < 6; i++)
			await one.next();
	});

	test('a message over the limit closes the connection', async () => {
		const one = await wire(straight());
		one.tell({ channel: '/a', data: 'x'.repeat(9000) });
		await within(one.over.catch(() => {}), 10000, 'the end');
		assert.equal(one.socket.closeCode, 1009);
		const two = await opened();
		assert.equal(codeOf(await two.tell('/a',
			{ data: 'x'.repeat(5000) })), 413);
	});

	test('several sessions may share a connection, one at a time waits',
		async () => {
			const w = await wire();
			const channel = fresh();
			const one = await opened(`/${channel}`, undefined, w);
			const two = await opened(undefined, undefined, w);
			const first = one.connect(TYPE);
			const second = two.connect({ ...TYPE, advice: { timeout: 300 } });
			assert.equal((await first).clientId, one.clientId);
			assert.equal((await second).clientId, two.clientId);
			await publish(demo, channel, 'x');
			void one.connect(TYPE).catch(() => {});
			assert.deepEqual(await events(one, 1), ['x']);
		});

	test('a session moves between connections and requests', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`);
		const held = one.connect(TYPE);
		await publish(demo, channel, 'a');
		assert.deepEqual(await events(one, 1), ['a']);
		const polls = twin(one, overHttp(demo));
		const answer = polls.received(1);
		assert.equal((await held).successful, true);
		await publish(demo, channel, 'b');
		assert.deepEqual(await answer, ['b']);
		const other = twin(one, (await wire()).way);
		other.wire = [...wires].at(-1);
		void other.connect(TYPE).catch(() => {});
		await publish(demo, channel, 'c');
		assert.deepEqual(await events(other, 1), ['c']);
	});

	test('a connect that is held gets what another process subscribes to',
		async () => {
			const channel = fresh();
			const one = await opened();
			const held = one.connect(TYPE);
			await twin(one, overHttp(demo)).subscribe(`/${channel}`);
			await held;
			void one.connect(TYPE).catch(() => {});
			await publish(demo, channel, 'x');
			assert.deepEqual(await events(one, 1), ['x']);
		});

	test('subscribe, publish and receive while a connect is held', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`);
		let held = one.connect(TYPE);
		for (let i = 0; i < 5; i++)
			await one.publish(`/${channel}`, i);
		assert.deepEqual(await events(one, 5), numbers(0, 5));
		await one.subscribe(`/${channel}-2`);
		await held;
		held = one.connect(TYPE);
		await one.publish(`/${channel}-2`, 'second');
		assert.deepEqual(await events(one, 1), ['second']);
		await one.unsubscribe(`/${channel}`);
		await held;
		void one.connect(TYPE).catch(() => {});
		await one.publish(`/${channel}`, 'not');
		await one.publish(`/${channel}-2`, 'this');
		assert.deepEqual(await events(one, 1), ['this']);
	});

	test('acknowledged events come before the reply to a connect', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`, { ack: true });
		await post(channel, 0, 3);
		const { ack } = one;
		for (let i = 0; i < 2; i++) {
			one.ack = ack;
			await one.connect(TYPE);
			assert.deepEqual(await events(one, 3), [0, 1, 2]);
		}
		const held = one.connect(TYPE);
		await publish(demo, channel, 'x');
		await held;
		assert.deepEqual(await events(one, 1), ['x']);
	});

	test('much history comes whole and in order', async () => {
		const channel = fresh();
		await post(channel, 0, 1000);
		await post(channel, 1000, 1800);
		for (const ext of [undefined, { ack: true }]) {
			const one = await opened(undefined, ext);
			await one.subscribe(`/${channel}`, { cursor: '0' });
			let isOver = false;
			const connects = (async () => {
				while (!isOver)
					await one.connect({ ...TYPE, advice: { timeout: 200 } });
			})();
			assert.deepEqual(await events(one, 1800), numbers(0, 1800));
			isOver = true;
			await connects;
		}
	});

	test('a client that doesn\'t read gets everything later', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`, undefined,
			await wire(straight()));
		void one.connect(TYPE).catch(() => {});
		one.wire.socket.pauseReading();
		const data = 'x'.repeat(4000);
		for (let i = 0; i < 8; i++)
			await publishAll(demo, numbers(0, 250)
				.map((n) => ({ channel, data: `${i * 250 + n} ${data}` })));
		one.wire.socket.resumeReading();
		let isOver = false;
		const connects = (async () => {
			while (!isOver)
				await one.connect({ ...TYPE, advice: { timeout: 200 } });
		})();
		assert.deepEqual((await events(one, 2000))
			.map((d) => parseInt(d, 10)), numbers(0, 2000));
		isOver = true;
		await connects;
	});

	test('a client that leaves, at any time, harms nobody', async () => {
		const pid = demo.pids().wsd;
		const channel = fresh();
		for (let i = 0; i < 30; i++) {
			const one = await opened(`/${channel}`, i % 2 ? { ack: true } :
				undefined);
			void one.connect(TYPE).catch(() => {});
			if (i % 3 === 0)
				await publish(demo, channel, 'x');
			if (i % 3 === 1)
				void one.subscribe('/x', { replay: -2 }).catch(() => {});
			if (i % 5 === 4)
				one.wire.socket.send(closeFrame(1000));
			one.wire.leave();
		}
		const one = await opened('/a');
		assert.equal((await one.connect({ advice: { timeout: 0 } }))
			.successful, true);
		assert.equal(demo.pids().wsd, pid);
		assert.ok(isAlive(pid));
	});

	test('the cookie of the opening request counts', async () => {
		const headers = { Cookie: `a=b; BAYEUX_BROWSER=${'a'.repeat(40)}` };
		const one = await opened('/a', undefined,
			await wire(front(), { headers }));
		assert.equal(codeOf(await twin(one, (await wire()).way)
			.connect(TYPE)), 402);
		assert.equal(codeOf(await twin(one, overHttp(demo)).poll()), 402);
		const same = twin(one, (await wire(front(), { headers })).way);
		assert.equal(codeOf(await same.connect({ ...TYPE,
			advice: { timeout: 0 } })), 0);
	});

	test('pages of other origins are refused', async () => {
		const { status } = await refused(straight(), '/comet/bayeux',
			{ headers: { Origin: 'http://evil.test' } });
		assert.equal(status, 403);
	});

	test('a daemon that stops answers what is held, and says goodbye', async () => {
		const channel = fresh();
		const all = [await opened(`/${channel}`),
			await opened(`/${channel}`, { ack: true })];
		const held = all.map((one) => one.connect(TYPE));
		for (const one of held)
			one.catch(() => {}); /* answered, or gone with the Close */
		const pid = demo.signal('wsd', 'SIGTERM');
		for (const one of all) {
			await within(one.wire.over.catch(() => {}), 15000, 'the end');
			assert.equal(one.wire.socket.closeCode, 1001);
		}
		await demo.replaced('wsd', pid);
		await publish(demo, channel, 'after');
		for (const one of all) {
			one.wire = await until(() => wire(straight()));
			one.way = one.wire.way;
			void one.connect(TYPE).catch(() => {});
			assert.deepEqual(await events(one, 1), ['after']);
		}
	});
});
