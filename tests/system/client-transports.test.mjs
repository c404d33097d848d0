/* The client library in a real browser, where the network does no harm: each
   transport by itself, history, publishing, iteration and the end. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	assertCounted, count, FAST, forget, grown, launch, limit, visit,
} from './browser.mjs';
import { fresh, history, inOtherEpoch, newestCursor, publish, startDemo, until }
	from './harness.mjs';

const TECHNIQUES = {
	poll: '/comet/poll',
	longpoll: '/comet/longpoll',
	sse: '/comet/events',
	ws: '/comet/ws',
};
const TRANSPORTS = Object.keys(TECHNIQUES);
const SHORT = 'short';

let demo;
let browser;

before(async () => {
	demo = await startDemo({ workers: 2, options: {
		'heartbeat': 1000, 'retry': 100,
		'ring-bytes': '64K', 'retain-interval': 50,
		'retain': `${SHORT}/** messages=5;** age=1d`,
	} });
	browser = await launch();
});

after(async () => {
	await browser?.close();
	await demo?.stop();
});

const force = (transport, more = {}) =>
	({ ...FAST, transports: [transport], ...more });

for (const transport of TRANSPORTS)
	describe(`${transport}, forced`, { concurrency: 8 }, () => {
		test('200 messages arrive once and in order', limit(60000),
		async (t) => {
			const site = await visit(t, browser, demo);
			const channel = fresh();
			const tab = await site.tab(force(transport));
			await tab.follow(channel);
			await tab.placed(channel);
			for (let i = 0; i < 100; i++)
				await count(demo, channel, i, i + 1);
			await count(demo, channel, 100, 200);
			assertCounted(await tab.received(200, channel), 0, 200);
			await tab.live(transport);
			assert.deepEqual(await tab.told('transports'), [transport]);
			for (const other of TRANSPORTS)
				if (other !== transport && other !== 'poll')
					assert.equal(site.proxy
						.exchanges(TECHNIQUES[other]).length, 0, other);
		});

		test('a message is the object of the log, with its cursor',
		limit(60000), async (t) => {
			const site = await visit(t, browser, demo);
			const channel = fresh('é/☃ &?#');
			const tab = await site.tab(force(transport));
			await tab.follow(channel);
			await tab.placed(channel);
			const data = { text: 'a\nb\u2028\0"', list: [1, null, true] };
			const answer = await tab.run((probe, [c, d]) =>
				probe.comet.publish(c, d, { event: 'moved', id: 'x-1' }),
			[channel, data]);
			const [message] = await tab.received(1, channel);
			const { time, ...rest } = message;
			assert.deepEqual(rest, { seq: answer.seq, channel,
				event: 'moved', id: 'x-1', data, cursor: answer.cursor });
			assert.ok(Math.abs(time - Date.now()) < 600000);
		});

		test('it begins with the last messages, after a cursor, or where ' +
			'the page was made', limit(60000), async (t) => {
			const site = await visit(t, browser, demo);
			const channel = fresh();
			await count(demo, channel, 0, 10);
			const middle = await newestCursor(demo);
			await count(demo, channel, 10, 20);
			const tab = await site.tab(force(transport),
				`?since=${middle}`);
			await tab.follow(channel, { last: 3 }, 'last');
			await tab.follow(channel, { since: '0' }, 'all');
			await tab.follow(channel, { since: middle }, 'since');
			await tab.follow(channel, null, 'page');
			await tab.follow(channel, { since: 'now' }, 'now');
			await tab.placed('now');
			await count(demo, channel, 20, 30);
			assertCounted(await tab.upTo(29, 'last'), 17, 30);
			assertCounted(await tab.upTo(29, 'all'), 0, 30);
			assertCounted(await tab.upTo(29, 'since'), 10, 30);
			assertCounted(await tab.upTo(29, 'page'), 10, 30);
			assertCounted(await tab.upTo(29, 'now'), 20, 30);
		});

		test('what is no longer kept is told as a gap', limit(60000),
		async (t) => {
			const site = await visit(t, browser, demo);
			const channel = `${SHORT}/${fresh()}`;
			const { cursor } = await publish(demo, channel, 'first');
			await count(demo, channel, 0, 40);
			await forget(demo);
			await until(async () =>
				(await history(demo, channel))[0].data > 20);
			const tab = await site.tab(force(transport));
			await tab.follow(channel, { since: cursor });
			const got = await tab.upTo(39, channel);
			assertCounted(got, got[0].data, 40);
			await tab.wait('the gap', (probe) => probe.gaps.length > 0);
		});

		test('a cursor of another log is told as a gap, and reading goes on',
		limit(60000), async (t) => {
			const site = await visit(t, browser, demo);
			const channel = fresh();
			await count(demo, channel, 0, 5);
			const strange = inOtherEpoch(await newestCursor(demo));
			const tab = await site.tab(force(transport));
			await tab.follow(channel, { since: strange });
			await tab.wait('the gap', (probe) => probe.gaps.length > 0);
			await tab.upTo(4, channel);
			await count(demo, channel, 5, 10);
			assertCounted(await tab.upTo(9, channel), 0, 10);
		});

		test('many subscriptions get what is theirs', limit(60000),
		async (t) => {
			const site = await visit(t, browser, demo);
			const room = fresh();
			const tab = await site.tab(force(transport));
			await tab.follow(`${room}/a`);
			await tab.follow(`${room}/*`);
			await tab.placed(`${room}/*`);
			await tab.live(transport);
			await tab.follow(`${room}/**`);
			await tab.follow(`${room}/b`, { since: '0' });
			await tab.follow('*/b/c');
			await tab.placed(`${room}/**`);
			await tab.placed('*/b/c');
			await publish(demo, `${room}/a`, 'a');
			await publish(demo, `${room}/b`, 'b');
			await publish(demo, `${room}/b/c`, 'bc');
			await publish(demo, `${room}/a`, 'end');
			await publish(demo, `${room}/b`, 'end');
			await publish(demo, `${room}/b/c`, 'end');
			const texts = async (name, n) =>
				(await tab.received(n, name)).map((m) => m.data);
			assert.deepEqual(await texts(`${room}/**`, 6),
				['a', 'b', 'bc', 'end', 'end', 'end']);
			assert.deepEqual(await texts(`${room}/a`, 2), ['a', 'end']);
			assert.deepEqual(await texts(`${room}/*`, 4),
				['a', 'b', 'end', 'end']);
			assert.deepEqual(await texts(`${room}/b`, 2), ['b', 'end']);
			assert.deepEqual(await texts('*/b/c', 2), ['bc', 'end']);
		});

		test('a closed subscription gets nothing more, and another goes on ' +
			'from its cursor', limit(60000), async (t) => {
			const site = await visit(t, browser, demo);
			const channel = fresh();
			const tab = await site.tab(force(transport));
			await tab.follow(channel, { since: '0' });
			await tab.follow(channel, { since: '0' }, 'watch');
			await count(demo, channel, 0, 10);
			await tab.upTo(9, channel);
			const cursor = await tab.run((probe, name) => {
				probe.subs[name].close();
				return probe.subs[name].cursor;
			}, channel);
			await count(demo, channel, 10, 20);
			await tab.upTo(19, 'watch');
			assertCounted(await tab.got(channel), 0, 10);
			await tab.follow(channel, { since: cursor }, 'again');
			assertCounted(await tab.upTo(19, 'again'), 10, 20);
		});

		test('iteration gives each message and ends with the subscription',
		limit(60000), async (t) => {
			const site = await visit(t, browser, demo);
			const channel = fresh();
			await count(demo, channel, 0, 50);
			const tab = await site.tab(force(transport));
			const got = tab.run(async (probe, c) => {
				const all = [];
				const sub = probe.comet.subscribe(c, { since: '0' });
				for await (const message of sub) {
					all.push(message);
					if (message.data === 99)
						sub.close();
				}
				return all;
			}, channel);
			await count(demo, channel, 50, 100);
			assertCounted(await got, 0, 100);
		});

		test('close() leaves no request open and asks for nothing more',
		limit(60000), async (t) => {
			const site = await visit(t, browser, demo);
			const channel = fresh();
			const tab = await site.tab(force(transport));
			await tab.follow(channel, { since: '0' });
			await count(demo, channel, 0, 1);
			await tab.received(1, channel);
			await tab.live(transport);
			await tab.run((probe) => probe.comet.close());
			await tab.wait('the end',
				(probe) => probe.comet.state === 'closed');
			await site.proxy.when((p) => p.open(/^\/comet/).length === 0);
			const asked = site.proxy.exchanges(/^\/comet/).length;
			await count(demo, channel, 1, 2);
			/* all that the page still does is to tell the time */
			await tab.run(() => new Promise((done) =>
				setTimeout(done, 1500)));
			assert.equal(site.proxy.exchanges(/^\/comet/).length, asked);
			assertCounted(await tab.got(channel), 0, 1);
		});
	});

describe('the way up', { concurrency: 8 }, () => {
	test('polling begins at once, then WebSocket takes over',
	limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		await count(demo, channel, 0, 10);
		const tab = await site.tab(FAST);
		await tab.follow(channel, { since: '0' });
		await tab.upTo(9, channel);
		await tab.live('ws');
		const transports = await tab.told('transports');
		assert.equal(transports[0], 'poll');
		assert.equal(transports.at(-1), 'ws');
		const first = site.proxy.exchanges(/^\/comet\//)[0];
		assert.equal(first.path, '/comet/poll');
		await count(demo, channel, 10, 20);
		assertCounted(await tab.upTo(19, channel), 0, 20);
	});

	test('once a stream is trusted, polling ends', limit(60000),
	async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tab = await site.tab(FAST);
		await tab.follow(channel, { since: '0' });
		await tab.live('ws');
		await grown(site.proxy);
		await count(demo, channel, 0, 10);
		assertCounted(await tab.upTo(9, channel), 0, 10);
	});

	test('a slow network changes nothing but the time', limit(60000),
	async (t) => {
		const site = await visit(t, browser, demo);
		site.proxy.delay = 300;
		const channel = fresh();
		await count(demo, channel, 0, 10);
		const tab = await site.tab(FAST);
		await tab.follow(channel, { since: '0' });
		await tab.upTo(9, channel);
		await tab.live('ws');
		await count(demo, channel, 10, 20);
		assertCounted(await tab.upTo(19, channel), 0, 20);
	});

	test('data-since stands on any element', limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		await count(demo, channel, 0, 3);
		const cursor = await newestCursor(demo);
		await count(demo, channel, 3, 6);
		for (const on of ['body', 'main']) {
			const tab = await site.tab(FAST, `?since=${cursor}&on=${on}`);
			await tab.follow(channel);
			assertCounted(await tab.upTo(5, channel), 3, 6);
		}
	});

	test('10,000 messages of history come whole', limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		await count(demo, channel, 0, 10000);
		const tab = await site.tab(FAST);
		await tab.follow(channel, { since: '0' });
		assertCounted(await tab.upTo(9999, channel), 0, 10000);
	});

	test('an iteration that nobody takes from says so', limit(60000),
	async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tab = await site.tab(FAST);
		await tab.run((probe, c) => {
			probe.subs.lazy =
				probe.comet.subscribe(c, { since: 'now' });
		}, channel);
		await tab.follow(channel);
		await tab.placed('lazy');
		await tab.placed(channel);
		for (let i = 0; i < 12000; i += 6000)
			await count(demo, channel, i, i + 6000);
		await tab.upTo(11999, channel);
		const error = await tab.run(async (probe) => {
			try {
				for await (const message of probe.subs.lazy)
					void message;
			} catch (e) {
				return e.message;
			}
			return null;
		});
		assert.match(error ?? 'no error', /10,?000|too many|taken|behind/i);
	});
});

describe('publishing', { concurrency: 8 }, () => {
	const isPublish = /^\/comet\/publish/;

	/* What publish() of the page came to: its result, or its error. */
	const attempt = (tab, ...given) => tab.run((probe, args) =>
		probe.comet.publish(...args).then(
			(result) => ({ result }),
			(e) => ({ error: { isError: e instanceof Error,
				message: e.message, status: e.status,
				detail: e.detail } })), given);

	for (const transport of ['poll', 'ws'])
		test(`every kind of value, while reading by ${transport}`,
		limit(60000), async (t) => {
			const site = await visit(t, browser, demo);
			const channel = fresh();
			const tab = await site.tab(force(transport));
			await tab.follow(channel, { since: '0' });
			await tab.live(transport);
			const values = ['', 'text', '{"a":1}', 0, -1.5e10, true, null,
				[], [1, [2]], {}, { a: { b: 'ü☃👩‍👩‍👧' } },
				'x'.repeat(30000)];
			for (const value of values) {
				const { result, error } =
					await attempt(tab, channel, value);
				assert.equal(error, undefined);
				assert.equal(result.channel, channel);
				assert.equal(typeof result.seq, 'number');
			}
			const got = await tab.received(values.length, channel);
			assert.deepEqual(got.map((m) => m.data), values);
			const ids = new Set(got.map((m) => m.id));
			assert.equal(ids.size, values.length);
			assert.ok(![...ids].includes(undefined));
			if (transport === 'ws')
				assert.equal(site.proxy.exchanges(isPublish).length, 0);
		});

	test('after a lost answer it is asked again and stored once',
	limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tab = await site.tab(force('poll'));
		/* the browser itself repeats the first */
		const rule = site.proxy.lose(isPublish, 3);
		const { result } = await attempt(tab, channel, 'once');
		assert.equal(rule.used, 3);
		assert.equal(result.duplicate, true);
		const kept = await history(demo, channel);
		assert.deepEqual(kept.map((m) => [m.seq, m.data]),
			[[result.seq, 'once']]);
	});

	test('after a WebSocket that lost the answer it goes over HTTP, once',
	limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tab = await site.tab(FAST);
		await tab.follow(channel, { since: '0' });
		await tab.live('ws');
		site.proxy.websocket = { bytes: 0 };
		const { result } = await attempt(tab, channel, 'once');
		assert.equal(result.duplicate, true);
		await attempt(tab, channel, 'end');
		const got = await tab.upTo('end', channel);
		assert.deepEqual(got.map((m) => m.data), ['once', 'end']);
	});

	for (const status of [429, 502, 503, 504])
		test(`${status} is asked again`, limit(60000), async (t) => {
			const site = await visit(t, browser, demo);
			const channel = fresh();
			const tab = await site.tab(force('poll'));
			site.proxy.answer(isPublish, { status,
				headers: { 'Content-Type': 'text/html',
					'Retry-After': '1' },
				body: '<h1>Not now</h1>' }, 2);
			const { result } = await attempt(tab, channel, 'x');
			assert.equal(result.channel, channel);
			const asked = site.proxy.exchanges(isPublish);
			assert.equal(asked.length, 3);
			/* timers of the page and ours may differ by a few ms */
			for (let i = 1; i < 3; i++)
				assert.ok(asked[i].since - asked[i - 1].since > 950);
			assert.equal((await history(demo, channel)).length, 1);
		});

	test('an error page with status 200 is no success', limit(60000),
	async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tab = await site.tab(force('poll'));
		site.proxy.answer(isPublish, { body: '<h1>Log in</h1>' }, 2);
		const { result } = await attempt(tab, channel, 'x');
		assert.equal((await history(demo, channel))[0].seq, result.seq);
	});

	for (const transport of ['poll', 'ws'])
		test(`a refusal says why, while reading by ${transport}`,
		limit(60000), async (t) => {
			const site = await visit(t, browser, demo);
			const tab = await site.tab(force(transport));
			await tab.follow(fresh(), { since: '0' });
			await tab.live(transport);
			for (const [channel, data, status] of [
				['$sys/x', 'x', 403],
				[fresh(), 'x'.repeat(70000), 413],
				['a/*', 'x', 400],
			]) {
				const { error } = await attempt(tab, channel, data);
				assert.equal(error?.status, status);
				assert.equal(error.isError, true);
				assert.ok(error.detail.length > 5, error.detail);
				assert.ok(error.message.length > 5, error.message);
			}
		});

	test('a site that is gone is given up after publishTimeout',
	limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const tab = await site.tab(force('poll', { publishTimeout: 1500 }));
		await site.proxy.stop();
		const { error } = await attempt(tab, fresh(), 'x');
		assert.equal(error.isError, true);
	});

	test('a site that comes back within it gets the message',
	limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tab = await site.tab(force('poll'));
		await site.proxy.stop();
		const answer = attempt(tab, channel, 'x');
		await tab.wait('the first attempt to fail', (probe) =>
			performance.getEntriesByType('resource')
				.some((e) => e.name.includes('/comet/publish')));
		await site.proxy.start();
		const { result } = await answer;
		assert.equal((await history(demo, channel))[0].seq, result.seq);
	});
});

test('a pattern that is not allowed is told as an error, and the rest goes on',
limit(60000), async (t) => {
	const site = await visit(t, browser, demo);
	const channel = fresh();
	const tab = await site.tab(FAST);
	await tab.follow(channel, { since: '0' });
	await tab.live('ws');
	await tab.follow('a/**/b', null, 'bad');
	await tab.wait('the refusal', (probe) =>
		probe.errors.some((e) => e.status === 400));
	await count(demo, channel, 0, 10);
	assertCounted(await tab.upTo(9, channel), 0, 10);
	await grown(site.proxy);
	assert.deepEqual((await tab.told('errors')).map((e) => e.status), [400]);
	const refused = site.proxy.seen.filter((e) => e.status === 400);
	assert.ok(refused.length < 5, `${refused.length} refusals`);
});
