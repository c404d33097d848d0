/* The client library in a real browser on networks that do harm: whatever they
   do, each message comes once and in order, over the best that is left. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	assertCounted, count, FAST, forget, grown, launch, limit, visit,
} from './browser.mjs';
import { fresh, history, remove, startDemo, temporaryFolder, until }
	from './harness.mjs';

const HTML = { status: 200, headers: { 'Content-Type': 'text/html' },
	body: '<!DOCTYPE html><title>Welcome</title><p>{"messages":[]}' };
const RETRY_S = 2;
const NOT_NOW = (status) => ({ status, body: '<h1>Later</h1>', headers:
	{ 'Content-Type': 'text/html', 'Retry-After': String(RETRY_S) } });
const READING = /^\/comet\/(poll|longpoll|events|stream|ws)$/;
const STREAMING = /^\/comet\/(events|stream|ws)$/;

let demo;
let browser;

before(async () => {
	demo = await startDemo({ workers: 2, options: {
		'heartbeat': 1000, 'retry': 100,
		'ring-bytes': '64K', 'retain-interval': 50,
		'retain': 'short/** messages=10;** age=1d',
	} });
	browser = await launch();
});

after(async () => {
	await browser?.close();
	await demo?.stop();
});

/* A tab that has read 0 to 9 of a channel of its own. */
async function reading(t, {
	prepare = () => {}, options, clock, room, server = demo,
} = {}) {
	const site = await visit(t, browser, server, { clock });
	prepare(site.proxy);
	const channel = room ? `${room}/${fresh()}` : fresh();
	const tab = await site.tab({ ...FAST, ...options });
	await tab.follow(channel, { since: '0' });
	await count(server, channel, 0, 10);
	await tab.upTo(9, channel);
	return { site, proxy: site.proxy, tab, channel };
}

/* Posts what is missing to 30 once all has settled, and looks at the whole. */
async function finish(tab, channel, from, server = demo) {
	await count(server, channel, from, 30);
	assertCounted(await tab.upTo(29, channel), 0, 30);
}

/* Looks at the connection again at once, as after a change of network. */
const online = (tab) =>
	tab.run(() => void window.dispatchEvent(new Event('online')));

describe('from the beginning', { concurrency: 8 }, () => {
	const falls = [
		['WebSocket refused with 403', (p) => { p.websocket = 403; }, 'sse'],
		['WebSocket refused with 502', (p) => { p.websocket = 502; }, 'sse'],
		['the upgrade stripped', (p) => { p.websocket = 'strip'; }, 'sse'],
		['WebSocket accepted, then mute',
			(p) => { p.websocket = { bytes: 0 }; }, 'sse'],
		['an HTML page instead of the upgrade',
			(p) => { p.answer('/comet/ws', HTML); }, 'sse'],
		['SSE buffered', (p) => {
			p.websocket = 403;
			p.stream = 'buffer';
		}, 'longpoll'],
		['SSE held back with its head', (p) => {
			p.websocket = 403;
			p.stream = 'hold';
		}, 'longpoll'],
		['all streams mute after 100 bytes', (p) => {
			p.websocket = { bytes: 100 };
			p.stream = { bytes: 100 };
		}, 'longpoll'],
		['503 instead of SSE', (p) => {
			p.websocket = 403;
			p.answer('/comet/events', NOT_NOW(503));
		}, 'longpoll'],
		['HTML pages instead of streams',
			(p) => { p.answer(STREAMING, HTML); }, 'longpoll'],
		['neither streams nor long polls', (p) => {
			p.websocket = 403;
			p.stream = 'buffer';
			p.answer('/comet/longpoll', NOT_NOW(503));
		}, 'poll'],
		['HTML pages instead of all but polling', (p) => {
			p.answer(STREAMING, HTML);
			p.answer('/comet/longpoll', HTML);
		}, 'poll'],
		['no tip file', (p) => {
			p.answer(STREAMING, HTML);
			p.answer('/comet/longpoll', HTML);
			p.answer('/comet-tip', { ...HTML, status: 404 });
		}, 'poll'],
		['HTML instead of the tip file', (p) => {
			p.answer(STREAMING, HTML);
			p.answer('/comet/longpoll', HTML);
			p.answer('/comet-tip', HTML);
		}, 'poll'],
	];

	for (const [what, prepare, transport] of falls)
		test(`${what}: ${transport}`, limit(60000), async (t) => {
			const { tab, channel } = await reading(t, { prepare });
			for (let n = 10; n < 20; n++)
				await count(demo, channel, n, n + 1);
			await tab.upTo(19, channel);
			await tab.live(transport);
			await finish(tab, channel, 20);
			assert.deepEqual(await tab.told('errors'), []);
		});
});

/* No other test may move the tip meanwhile. */
describe('a quiet site', () => {
	test('a quiet poller asks for the tip file alone', limit(60000),
	async (t) => {
		const { proxy, tab, channel } = await reading(t,
			{ options: { transports: ['poll'] } });
		const polls = () => proxy.exchanges('/comet/poll').length;
		const tips = () => proxy.exchanges('/comet-tip').length;
		const more = async (n) => {
			const then = tips() + n;
			await proxy.when(() => tips() >= then);
		};
		await more(3);
		const asked = polls();
		await more(5);
		assert.equal(polls(), asked);
		await finish(tab, channel, 10);
		assert.ok(polls() > asked);
	});
});

describe('in mid-life', { concurrency: 8 }, () => {
	test('10,000 messages with three changes of transport: each once, in order',
	limit(60000), async (t) => {
		const { proxy, tab, channel } = await reading(t);
		let n = 10;
		const post = async (batches) => {
			for (; batches > 0; batches--, n += 185)
				await count(demo, channel, n, n + 185);
		};
		const change = async (transport, fault) => {
			fault();
			await post(6);
			await tab.live(transport);
			await post(6);
		};

		await tab.live('ws');
		await post(18);
		await change('sse', () => {
			proxy.websocket = 403;
			proxy.cut();
		});
		await change('longpoll', () => { proxy.stream = { bytes: 0 }; });
		await change('ws', () => {
			proxy.clear();
			online(tab);
		});
		assert.equal(n, 10000);
		assertCounted(await tab.upTo(9999, channel), 0, 10000);
		const transports = await tab.told('transports');
		for (const transport of ['ws', 'sse', 'longpoll'])
			assert.ok(transports.includes(transport), transports.join());
	});

	test('WebSocket cut and refused: SSE, and back when it is allowed',
	limit(60000), async (t) => {
		const { proxy, tab, channel } = await reading(t);
		await tab.live('ws');
		proxy.websocket = 403;
		proxy.cut();
		await count(demo, channel, 10, 15);
		await tab.upTo(14, channel);
		await tab.live('sse');
		await count(demo, channel, 15, 20);
		await tab.upTo(19, channel);
		proxy.clear();
		await online(tab);
		await tab.live('ws');
		await finish(tab, channel, 20);
	});

	test('WebSocket mute after a while: found out by silence',
	limit(60000), async (t) => {
		const { proxy, tab, channel } = await reading(t);
		await tab.live('ws');
		await grown(proxy);
		proxy.websocket = { bytes: 0 };
		await count(demo, channel, 10, 20);
		await tab.upTo(19, channel);
		await tab.live('sse');
		await finish(tab, channel, 20);
	});

	test('SSE mute after a while: long polling', limit(60000), async (t) => {
		const { proxy, tab, channel } = await reading(t,
			{ prepare: (p) => { p.websocket = 403; } });
		await tab.live('sse');
		await grown(proxy);
		proxy.stream = { bytes: 0 };
		await count(demo, channel, 10, 20);
		await tab.upTo(19, channel);
		await tab.live('longpoll');
		await finish(tab, channel, 20);
	});

	/* A proxy's ten seconds take three here. */
	test('SSE mute each time after some seconds: all comes',
	limit(60000), async (t) => {
		const { proxy, tab, channel } = await reading(t, { prepare: (p) => {
			p.websocket = 403;
			p.stream = { ms: 3000 };
		} });
		await tab.live('sse');
		const isMute = () => proxy.open('/comet/events').some(
			(e) => performance.now() - e.since > 3000);
		for (let n = 10; n < 20; n++)
			await count(demo, channel, n, n + 1);
		await tab.upTo(19, channel);
		if (!isMute())
			await proxy.when(isMute);
		await finish(tab, channel, 20);
	});

	test('a young stream that is mute is proven so by a message',
	limit(60000), async (t) => {
		/* silence alone would take 25 s */
		const { proxy, tab, channel } = await reading(t,
			{ options: { heartbeat: 25000 } });
		await tab.live('ws');
		proxy.websocket = { bytes: 0 };
		proxy.stream = { bytes: 0 };
		await count(demo, channel, 10, 20);
		await tab.upTo(19, channel, 15000);
		await tab.wait('a transport that carries',
			(probe) => probe.comet.transport !== 'ws', null, 15000);
		await finish(tab, channel, 20);
	});

	for (const status of [429, 503])
		test(`${status} for everything: it waits as it is told`,
		limit(60000), async (t) => {
			const { proxy, tab, channel } = await reading(t);
			await tab.live('ws');
			const rule = proxy.answer(READING, NOT_NOW(status));
			proxy.answer('/comet-tip', NOT_NOW(status));
			proxy.cut();
			const from = proxy.seen.length;
			await count(demo, channel, 10, 20);
			await proxy.when(() => proxy.seen.slice(from)
				.filter((e) => e.path === '/comet/poll').length > 1);
			const times = proxy.seen.slice(from)
				.filter((e) => e.path === '/comet/poll')
				.map((e) => e.since);
			/* timers of the page and ours may differ by a few ms */
			assert.ok(times[1] - times[0] > 1000 * RETRY_S - 50,
				`asked again after ${times[1] - times[0]} ms`);
			assert.ok(rule.used < 20, `${rule.used} requests`);
			assert.notEqual(await tab.run((probe) => probe.comet.state),
				'live');
			proxy.clear();
			await tab.upTo(19, channel);
			await online(tab);
			await tab.live('ws');
			await finish(tab, channel, 20);
			assert.deepEqual(await tab.told('errors'), []);
		});

	test('a login page instead of everything, for a while', limit(60000),
	async (t) => {
		const { proxy, tab, channel } = await reading(t);
		await tab.live('ws');
		const rule = proxy.answer(/^\/comet/, HTML);
		proxy.cut();
		await count(demo, channel, 10, 20);
		await proxy.when(() => rule.used > 3);
		assert.notEqual(await tab.run((probe) => probe.comet.state), 'live');
		proxy.clear();
		await tab.upTo(19, channel);
		await online(tab);
		await tab.live('ws');
		await finish(tab, channel, 20);
		assert.deepEqual(await tab.told('errors'), []);
	});

	test('connections cut again and again', limit(60000), async (t) => {
		const { proxy, tab, channel } = await reading(t);
		for (let n = 10; n < 20; n++) {
			proxy.cut();
			await count(demo, channel, n, n + 1);
			await tab.upTo(n, channel);
		}
		await online(tab);
		await tab.live('ws');
		await finish(tab, channel, 20);
	});

	test('the site gone and back', limit(60000), async (t) => {
		const { proxy, tab, channel } = await reading(t);
		await tab.live('ws');
		await proxy.stop();
		await tab.wait('the loss to be noticed',
			(probe) => probe.comet.state !== 'live');
		await count(demo, channel, 10, 20);
		await proxy.start();
		await tab.upTo(19, channel);
		await online(tab);
		await tab.live('ws');
		await finish(tab, channel, 20);
	});

	for (const transport of ['ws', 'sse', 'longpoll', 'poll'])
		test(`offline and back, from ${transport}`, limit(60000),
		async (t) => {
			const { site, proxy, tab, channel } = await reading(t,
				{ options: { transports: [transport] } });
			await tab.live(transport);
			proxy.blackhole(); /* an answer on its way would be a sign */
			await site.context.setOffline(true);
			await tab.wait('the state offline',
				(probe) => probe.comet.state === 'offline');
			await count(demo, channel, 10, 20);
			await site.context.setOffline(false);
			await tab.upTo(19, channel);
			await tab.live(transport);
			await finish(tab, channel, 20);
		});

	/* The clock has jumped and no timer is due: where a laptop sleeps, timers
	   sleep as well.  What was connected is dead and nobody says so. */
	for (const transport of ['ws', 'sse', 'longpoll'])
		test(`asleep for an hour, from ${transport}`, limit(60000),
		async (t) => {
			const { site, proxy, tab, channel } = await reading(t,
				{ clock: true, options: { transports: [transport],
					heartbeat: 25000 } });
			await tab.live(transport);
			proxy.blackhole();
			await count(demo, channel, 10, 20);
			const now = await tab.run(() => Date.now());
			await site.context.clock.setSystemTime(now + 3600000);
			/* well below the 25 s of silence */
			await tab.upTo(19, channel, 15000);
			await tab.live(transport);
			await finish(tab, channel, 20);
		});

	for (const transport of ['ws', 'longpoll', 'poll'])
		test(`the clock set back by an hour, from ${transport}`,
		limit(60000), async (t) => {
			const { site, proxy, tab, channel } = await reading(t,
				{ clock: true, options: { transports: [transport] } });
			await tab.live(transport);
			const now = await tab.run(() => Date.now());
			await site.context.clock.setSystemTime(now - 3600000);
			await count(demo, channel, 10, 15);
			await tab.upTo(14, channel);
			proxy.blackhole();
			await count(demo, channel, 15, 20);
			await tab.upTo(19, channel);
			await tab.live(transport);
			await finish(tab, channel, 20);
		});

	test('all timers an hour late', limit(60000), async (t) => {
		const { site, proxy, tab, channel } = await reading(t,
			{ clock: true });
		await tab.live('ws');
		proxy.blackhole();
		await count(demo, channel, 10, 20);
		await site.context.clock.fastForward(3600000);
		await tab.upTo(19, channel);
		await online(tab);
		await tab.live('ws');
		await finish(tab, channel, 20);
	});

	const wakings = {
		online: () => void window.dispatchEvent(new Event('online')),
		pageshow: () => void window.dispatchEvent(
			new PageTransitionEvent('pageshow', { persisted: true })),
		visibilitychange: () => void document.dispatchEvent(
			new Event('visibilitychange')),
	};
	for (const [name, wake] of Object.entries(wakings))
		test(`${name}: a dead connection is found at once`, limit(60000),
		async (t) => {
			const { proxy, tab, channel } = await reading(t,
				{ options: { heartbeat: 25000 } });
			await tab.live('ws');
			await grown(proxy);
			proxy.blackhole();
			await count(demo, channel, 10, 20);
			await tab.run(wake);
			await tab.upTo(19, channel, 15000);
			await tab.live('ws');
			await finish(tab, channel, 20);
		});

	for (const transport of ['ws', 'sse', 'longpoll', 'poll'])
		test(`what was deleted meanwhile is told as a gap, from ${transport}`,
		limit(60000), async (t) => {
			const { proxy, tab, channel } = await reading(t,
				{ room: 'short', options: { transports: [transport] } });
			await tab.live(transport);
			await proxy.stop();
			await count(demo, channel, 10, 100);
			await forget(demo);
			await until(async () =>
				(await history(demo, channel))[0].data > 50);
			assert.deepEqual(await tab.told('gaps'), []);
			await proxy.start();
			const got = (await tab.upTo(99, channel)).slice(10);
			assertCounted(got, got[0].data, 100);
			assert.ok(got[0].data > 10);
			assert.equal((await tab.told('gaps')).length, 1);
		});
});

/* A demo for the test alone. */
async function ownDemo(t, options, more = {}) {
	const server = await startDemo({ workers: 2, options: {
		'heartbeat': 1000, 'retry': 100, ...options }, ...more });
	t.after(() => server.stop());
	return server;
}

describe('the server killed', { concurrency: 3 }, () => {
	for (const transport of ['ws', 'sse', 'longpoll', 'poll'])
		test(`kill -9 of every process, from ${transport}`, limit(60000),
		async (t) => {
			const server = await ownDemo(t);
			const { proxy, tab, channel } = await reading(t,
				{ server, options: { transports: [transport] } });
			await tab.live(transport);
			await proxy.stop();
			const killed = Object.keys(server.pids())
				.filter((name) => name !== 'web');
			for (const name of killed)
				await server.replaced(name, server.kill9(name));
			await count(server, channel, 10, 20);
			await proxy.start();
			await tab.upTo(19, channel);
			await tab.live(transport);
			await finish(tab, channel, 20, server);
		});

	test('the WebSocket daemon stopped in good order', limit(60000),
	async (t) => {
		const server = await ownDemo(t);
		const { proxy, tab, channel } = await reading(t, { server });
		await tab.live('ws');
		await grown(proxy);
		await server.replaced('wsd', server.signal('wsd', 'SIGTERM'));
		await count(server, channel, 10, 20);
		await tab.upTo(19, channel);
		await tab.live('ws');
		await finish(tab, channel, 20, server);
	});

	test('the workers alone, while the page itself publishes',
	limit(60000), async (t) => {
		const server = await ownDemo(t);
		const { tab, channel } = await reading(t, { server });
		for (let n = 10; n < 20; n++) {
			const killed = n % 3 ? null : server.killWorkers();
			await tab.run((probe, given) =>
				probe.comet.publish(...given), [channel, n]);
			await killed;
		}
		await tab.upTo(19, channel);
		await finish(tab, channel, 20, server);
	});
});

describe('another server', { concurrency: 3 }, () => {
	test('one whose budget for held answers is spent: polling',
	limit(60000), async (t) => {
		const server = await ownDemo(t, { 'max-held': 0 });
		const { tab, channel } = await reading(t, { server,
			options: { transports: ['sse', 'longpoll', 'poll'] } });
		await count(server, channel, 10, 20);
		await tab.upTo(19, channel);
		await tab.live('poll');
		await finish(tab, channel, 20, server);
	});

	test('one that ends answers after five seconds: all comes',
	limit(60000), async (t) => {
		const server = await ownDemo(t, { 'max-hold': 5000 });
		const { proxy, tab, channel } = await reading(t, { server,
			options: { transports: ['sse', 'poll'] } });
		await tab.live('sse');
		const streams = () => proxy.exchanges('/comet/events').length;
		const then = streams() + 1;
		for (let n = 10; n < 20; n++) {
			await count(server, channel, n, n + 1);
			await tab.upTo(n, channel);
		}
		await proxy.when(() => streams() >= then);
		await tab.live('sse');
		await finish(tab, channel, 20, server);
	});

	for (const transport of ['ws', 'sse', 'longpoll', 'poll'])
		test(`a new log in its place: a gap, then the new one, by ${
			transport}`, limit(60000), async (t) => {
			const state = temporaryFolder();
			t.after(() => remove(state));
			const old = await startDemo({ workers: 1, state,
				options: { heartbeat: 1000 } });
			t.after(() => old.stop());
			const { proxy, tab, channel } = await reading(t,
				{ server: old, options: { transports: [transport] } });
			await tab.live(transport);
			await proxy.stop();
			await old.stop();
			remove(state);
			const server = await ownDemo(t, {}, { port: old.port });
			await count(server, channel, 100, 105);
			await proxy.start();
			await tab.upTo(104, channel);
			await tab.live(transport);
			await count(server, channel, 105, 110);
			const got = await tab.upTo(109, channel);
			assertCounted(got.slice(0, 10), 0, 10);
			assertCounted(got.slice(10), 100, 110);
			assert.ok((await tab.told('gaps')).length > 0);
		});
});
