/* The site's budget of held answers, across processes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	fresh, get, ms, openEvents, openLines, pause, publish, request, seenFrom,
	startDemo, until, within,
} from './harness.mjs';
import { session } from './websocket.mjs';

let demo;

const longpoll = (values, options) => get(demo, '/longpoll', values, options);

async function held() {
	const { text } = await get(demo, '/metrics');
	return Number(/^cometlog_site_held (\d+)$/m.exec(text)[1]);
}

const heldIs = (n) => until(async () => await held() === n,
	{ what: `${n} places taken` });

const close = async (all) => {
	all.forEach((one) => one.close());
	await heldIs(0);
};

/* Was this stream sent away?  It then ends by itself, with a longer retry. */
async function wasSentAway(events) {
	assert.equal(await within(events.finished, 5000, 'the end'), 'complete');
	return events.decoder.retry > 5000;
}

const openAll = (n, channel) => Promise.all(Array.from({ length: n }, () =>
	openEvents(demo, { channel })));

describe('the budget', { timeout: ms(120000) }, () => {
	before(async () => {
		demo = await startDemo({ workers: 3, options: {
			'site-requests': 9, 'site-reserve': 4, turn: '1h',
			heartbeat: 1000, /* finds out who has left */
		} });
	});
	after(async () => { await demo?.stop(); });

	test('all processes hold so many answers together', async () => {
		const channel = fresh();
		const all = await openAll(5, channel);
		await heldIs(5);
		for (let i = 0; i < 12; i++)
			assert.ok(await wasSentAway(await openEvents(demo, { channel })));
		assert.equal(await held(), 5);
		await publish(demo, channel, 'x');
		for (const one of all)
			assert.equal((await one.nextMessage()).data, 'x');
		await close(all);
	});

	test('WebSockets, long polls and streams take of the same', async () => {
		const channel = fresh();
		const ws = await session({ port: demo.port }, '/comet/ws');
		const lines = await openLines(demo, { channel });
		const poll = longpoll({ channel, timeout: 50 });
		await heldIs(3);
		const more = await openAll(2, channel);
		await heldIs(5);
		assert.equal((await longpoll({ channel, timeout: 50 })).json.degraded,
			true);
		await publish(demo, channel, 'x');
		assert.equal((await poll).json.messages[0].data, 'x');
		await heldIs(4);
		ws.leave();
		await close([lines, ...more]);
	});

	test('what is sent away gets what there is, and comes back later',
		async () => {
			const channel = fresh();
			const all = await openAll(5, channel);
			await heldIs(5);
			await publish(demo, channel, 'a');
			const events = await openEvents(demo, { channel, since: 0 });
			assert.equal((await events.nextMessage()).data, 'a');
			assert.ok(await wasSentAway(events));
			const answer = await longpoll({ channel, timeout: 50 });
			assert.equal(answer.status, 200);
			assert.equal(answer.json.degraded, true);
			assert.match(answer.headers['retry-after'], /^[2-5]$/);
			await close(all);
		});

	test('a long poll that others wait for is told to pause', async () => {
		const channel = fresh(), other = fresh();
		const all = await openAll(4, other);
		await heldIs(4);
		const poll = longpoll({ channel, timeout: 50 });
		await heldIs(5);
		assert.equal((await longpoll({ channel })).json.degraded, true);
		await pause(1100); /* other processes look once a second */
		await publish(demo, channel, 'x');
		const answer = await poll;
		assert.equal(answer.json.messages[0].data, 'x');
		assert.equal(answer.json.degraded, true);
		assert.match(answer.headers['retry-after'], /^[2-5]$/);
		await close(all);
	});

	test('a killed process leaks no place', async () => {
		const channel = fresh();
		for (let round = 0; round < 4; round++) {
			const all = await openAll(5, channel);
			await heldIs(5);
			await demo.killWorkers();
			await heldIs(0);
			all.forEach((one) => one.close());
		}
		const all = await openAll(5, channel);
		await heldIs(5);
		await close(all);
	});

	test('a killed daemon leaks no place', async () => {
		const all = await Promise.all(Array.from({ length: 5 }, () =>
			session({ port: demo.port }, '/comet/ws')));
		await heldIs(5);
		const pid = demo.kill9('wsd');
		await heldIs(0);
		await demo.replaced('wsd', pid);
		all.forEach((one) => one.leave());
	});

	test('publishing and polling need no place', async () => {
		const channel = fresh();
		const all = await openAll(5, channel);
		for (let i = 0; i < 20; i++)
			await publish(demo, channel, String(i));
		const answer = await get(demo, '/poll', { channel });
		assert.equal(answer.json.messages.length, 20);
		assert.equal(answer.json.degraded, undefined);
		await close(all);
	});
});

describe('turns', { timeout: ms(120000) }, () => {
	before(async () => {
		demo = await startDemo({ options: {
			'site-requests': 10, 'site-reserve': 8, turn: 1000,
			heartbeat: 1000,
		} });
	});
	after(async () => { await demo?.stop(); });

	test('nobody gives way while there are places', async () => {
		const channel = fresh();
		const all = await openAll(2, channel);
		for (const one of all)
			for (let beats = 0; beats < 3; beats++)
				assert.equal((await one.next()).type, 'heartbeat');
		await close(all);
	});

	test('who was refused gets the place of who has had a turn', async () => {
		const channel = fresh();
		const all = await openAll(2, channel);
		await heldIs(2);
		assert.equal((await longpoll({ channel })).json.degraded, true);
		await Promise.all(all.map(async (one) => {
			assert.equal(await within(one.finished, 8000, 'a turn\'s end'),
				'complete');
			assert.ok(one.decoder.retry >= 300);
		}));
		const late = await openEvents(demo, { channel });
		await publish(demo, channel, 'x');
		assert.equal((await late.nextMessage()).data, 'x');
		await close([late]);
	});

	test('a WebSocket gives way, too, and is told to come back', async () => {
		const channel = fresh();
		const ws = await session({ port: demo.port }, '/comet/ws');
		const other = await openEvents(demo, { channel });
		await heldIs(2);
		assert.equal((await longpoll({ channel })).json.degraded, true);
		assert.equal(await within(ws.socket.closed(), 8000, 'a Close'), 1013);
		await heldIs(0);
		other.close();
	});
});

describe('one address', { timeout: ms(60000) }, () => {
	before(async () => {
		demo = await startDemo({ options: { 'client-held': 3, heartbeat: 1000 } });
	});
	after(async () => { await demo?.stop(); });

	test('holds so many answers, and others are none the worse', async () => {
		const channel = fresh();
		const all = await openAll(3, channel);
		assert.equal((await longpoll({ channel })).json.degraded, true);
		assert.ok(await wasSentAway(await openEvents(demo, { channel })));
		const elsewhere = await openEvents(seenFrom(demo, '127.0.0.2'),
			{ channel });
		await publish(demo, channel, 'x');
		for (const one of [...all, elsewhere])
			assert.equal((await one.nextMessage()).data, 'x');
		all.pop().close();
		await until(async () => await held() === 3);
		const again = await openEvents(demo, { channel });
		await publish(demo, channel, 'y');
		assert.equal((await again.nextMessage()).data, 'y');
		await close([...all, elsewhere, again]);
	});
});

describe('two hundred readers of a host that has twenty requests',
	{ timeout: ms(180000) }, () => {
		before(async () => {
			demo = await startDemo({ options: {
				'site-requests': 20, turn: 2000,
			} });
		});
		after(async () => { await demo?.stop(); });

		test('all get every message once, in order, without an error',
			async () => {
				const channel = fresh();
				const total = 40;
				let isOver = false;

				/* as a client does that takes what it is told */
				async function reader(values) {
					const seen = [];
					let since = values.since;
					while (!isOver && seen.length < total) {
						const { status, json, headers } = await longpoll(
							{ channel, since, timeout: 5 }, { limit: 30000 });
						assert.equal(status, 200);
						assert.notEqual(json.gap, true);
						seen.push(...json.messages.map((m) => Number(m.data)));
						since = json.cursor;
						if (json.degraded)
							await pause(1000 * headers['retry-after']);
					}
					return seen;
				}

				const { json } = await get(demo, '/poll',
					{ channel, limit: 0 });
				const readers = Array.from({ length: 200 }, () =>
					reader({ since: json.cursor }));
				const all = Promise.all(readers);
				all.catch(() => { isOver = true; });
				try {
					for (let i = 0; i < total; i++) {
						await publish(demo, channel, String(i));
						assert.equal((await request(demo, 'GET',
							`/comet/poll?channel=${channel}&limit=1`))
							.status, 200);
						await pause(100);
					}
					const expected = [...Array(total).keys()];
					for (const seen of await within(all, 60000, 'all'))
						assert.deepEqual(seen, expected);
				} finally {
					isOver = true;
				}
			});
	});
