/* Tabs of one visitor in a real browser: they share one connection, and whoever
   holds it may go at any time. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertCounted, count, FAST, launch, limit, visit }
	from './browser.mjs';
import { fresh, publish, startDemo } from './harness.mjs';

const TABS = 8;
const HELD = /^\/comet\/(longpoll|events|stream|ws)$/;

let demo;
let browser;

before(async () => {
	demo = await startDemo({ workers: 2, options: {
		'heartbeat': 1000, 'retry': 100,
	} });
	browser = await launch();
});

after(async () => {
	await browser?.close();
	await demo?.stop();
});

/* Whether the tab holds a lock: the leading one does. */
const leads = (tab) => tab.run(async () => {
	const mine = `test-${Math.random()}`;
	const { held } = await navigator.locks.request(mine,
		() => navigator.locks.query());
	const { clientId } = held.find((lock) => lock.name === mine);
	return held.some((lock) =>
		lock.clientId === clientId && !lock.name.startsWith('test-'));
});

async function split(tabs) {
	const isLeading = await Promise.all(tabs.map(leads));
	assert.equal(isLeading.filter(Boolean).length, 1);
	return { leader: tabs[isLeading.indexOf(true)],
		others: tabs.filter((tab, i) => !isLeading[i]) };
}

const all = (tabs, fn) => Promise.all(tabs.map(fn));

/* Tabs that follow the same channel from its first message. */
async function openTabs(site, channel, n = TABS, options = {}) {
	const tabs = [];
	for (let i = 0; i < n; i++) {
		const tab = await site.tab({ ...FAST, ...options });
		await tab.follow(channel, { since: '0' });
		tabs.push(tab);
	}
	return tabs;
}

const isOneHeld = (proxy) => proxy.open(HELD).length === 1;

describe('tabs that follow the same', { concurrency: 3 }, () => {
	for (const transport of ['ws', 'sse'])
		test(`eight get everything over one connection: ${transport}`,
		limit(60000), async (t) => {
			const site = await visit(t, browser, demo);
			const channel = fresh();
			await count(demo, channel, 0, 10);
			const tabs = await openTabs(site, channel, TABS,
				{ transports: [transport, 'poll'] });
			await all(tabs, (tab) => tab.live(transport));
			await site.proxy.when(isOneHeld);
			await count(demo, channel, 10, 200);
			for (const got of await all(tabs,
				(tab) => tab.upTo(199, channel)))
				assertCounted(got, 0, 200);
			await site.proxy.when(isOneHeld);
			assert.ok(site.proxy.exchanges(HELD).length < TABS);
		});

	test('eight poll no more often than one', limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		await count(demo, channel, 0, 10);
		const tabs = await openTabs(site, channel, TABS,
			{ transports: ['poll'], pollInterval: 500 });
		await all(tabs, (tab) => tab.upTo(9, channel));
		await all(tabs, (tab) => tab.live('poll'));
		const tips = () => site.proxy.exchanges('/comet-tip');
		const from = tips().length;
		await site.proxy.when(() => tips().length >= from + 5);
		const times = tips().slice(from).map((e) => e.since);
		/* eight would have asked five times within 400 ms */
		assert.ok(times[4] - times[0] > 1000, times.join());
		await count(demo, channel, 10, 20);
		for (const got of await all(tabs, (tab) => tab.upTo(19, channel)))
			assertCounted(got, 0, 20);
	});

	test('eight lose nothing when the leading one is closed, thrice',
	limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		let tabs = await openTabs(site, channel);
		await all(tabs, (tab) => tab.live('ws'));
		let n = 0;
		for (let round = 0; round < 3; round++) {
			const { leader, others } = await split(tabs);
			await count(demo, channel, n, n += 20);
			await Promise.all([
				leader.page.close(),
				count(demo, channel, n, n += 20),
			]);
			await count(demo, channel, n, n += 20);
			tabs = others;
			await all(tabs, (tab) => tab.upTo(n - 1, channel));
			await all(tabs, (tab) => tab.live('ws'));
		}
		await count(demo, channel, n, n += 20);
		for (const got of await all(tabs,
			(tab) => tab.upTo(n - 1, channel)))
			assertCounted(got, 0, n);
		await site.proxy.when(isOneHeld);
	});

	test('lose nothing when the leading one is reloaded, or closes its Comet',
	limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tabs = await openTabs(site, channel, 3);
		await all(tabs, (tab) => tab.live('ws'));
		await count(demo, channel, 0, 10);
		const first = await split(tabs);
		await first.leader.load();
		await first.leader.open(FAST);
		await first.leader.follow(channel, { since: '0' });
		await count(demo, channel, 10, 20);
		await all(tabs, (tab) => tab.upTo(19, channel));
		const second = await split(tabs);
		await second.leader.run((probe) => probe.comet.close());
		await count(demo, channel, 20, 30);
		for (const got of await all(second.others,
			(tab) => tab.upTo(29, channel)))
			assertCounted(got, 0, 30);
		assert.equal(await leads(second.leader), false);
		await site.proxy.when(isOneHeld);
	});

	test('do not wait for a leading one that is frozen', limit(60000),
	async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tabs = await openTabs(site, channel, 3);
		await all(tabs, (tab) => tab.live('ws'));
		await count(demo, channel, 0, 10);
		await all(tabs, (tab) => tab.upTo(9, channel));
		const { leader, others } = await split(tabs);
		await leader.freeze();
		await count(demo, channel, 10, 20);
		for (const got of await all(others,
			(tab) => tab.upTo(19, channel)))
			assertCounted(got, 0, 20);
		site.thaw();
		await count(demo, channel, 20, 30);
		for (const got of await all(tabs, (tab) => tab.upTo(29, channel)))
			assertCounted(got, 0, 30);
		await site.proxy.when(isOneHeld);
	});

	test('do not wait for one that only follows and is frozen',
	limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tabs = await openTabs(site, channel, 3);
		await all(tabs, (tab) => tab.live('ws'));
		await count(demo, channel, 0, 10);
		await all(tabs, (tab) => tab.upTo(9, channel));
		const { others: [frozen] } = await split(tabs);
		await frozen.freeze();
		await count(demo, channel, 10, 20);
		await all(tabs.filter((tab) => tab !== frozen),
			(tab) => tab.upTo(19, channel));
		site.thaw();
		await count(demo, channel, 20, 30);
		for (const got of await all(tabs, (tab) => tab.upTo(29, channel)))
			assertCounted(got, 0, 30);
		await site.proxy.when(isOneHeld);
	});

	test('10,000 messages with three changes of transport and of the leading ' +
		'one', limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const { proxy } = site;
		const channel = fresh();
		let tabs = await openTabs(site, channel, 3);
		let n = 0;
		const post = async (batches) => {
			for (; batches > 0; batches--, n += 250)
				await count(demo, channel, n, n + 250);
		};
		const change = async (transport, fault) => {
			await fault();
			await post(5);
			await all(tabs, (tab) => tab.live(transport));
			await post(5);
		};

		await all(tabs, (tab) => tab.live('ws'));
		await post(10);
		await change('sse', () => {
			proxy.websocket = 403;
			proxy.cut();
		});
		await change('sse', async () => {
			const { leader, others } = await split(tabs);
			tabs = others;
			await leader.page.close();
		});
		await change('ws', () => {
			proxy.clear();
			return all(tabs, (tab) => tab.run(() =>
				void window.dispatchEvent(new Event('online'))));
		});
		assert.equal(n, 10000);
		for (const got of await all(tabs,
			(tab) => tab.upTo(9999, channel)))
			assertCounted(got, 0, 10000);
	});
});

describe('tabs that differ', { concurrency: 4 }, () => {
	test('each gets what it follows, from where it follows', limit(60000),
	async (t) => {
		const site = await visit(t, browser, demo);
		const a = fresh('a'), b = fresh('b');
		await count(demo, `${a}/1`, 0, 10);
		await count(demo, `${b}/1`, 0, 10);
		const one = await site.tab(FAST);
		await one.follow(`${a}/**`, { last: 3 });
		await one.live('ws');
		const two = await site.tab(FAST);
		await two.follow(`${b}/*`, { since: '0' });
		await two.live('ws');
		const three = await site.tab(FAST);
		await three.follow(`${a}/1`, { since: '0' });
		await three.follow(`${b}/1`, { since: 'now' });
		await three.placed(`${b}/1`);
		const four = await site.tab(FAST);
		await four.follow('*/1', { since: 'now' });
		await four.placed('*/1');
		await count(demo, `${a}/1`, 10, 20);
		await count(demo, `${b}/1`, 10, 20);
		await publish(demo, `${a}/2/3`, 'deep');
		await publish(demo, `${b}/2/3`, 'deep');
		await publish(demo, `${b}/1`, 'end');
		await publish(demo, `${a}/1`, 'end');
		const texts = async (tab, name) =>
			(await tab.upTo('end', name)).slice(0, -1);
		const got = await texts(one, `${a}/**`);
		assert.equal(got.pop().data, 'deep');
		assertCounted(got, 7, 20);
		assertCounted(await texts(two, `${b}/*`), 0, 20);
		assertCounted(await texts(three, `${a}/1`), 0, 20);
		assertCounted(await texts(three, `${b}/1`), 10, 20);
		await four.received(22, '*/1');
		const mixed = (await four.got('*/1'))
			.filter((m) => m.data !== 'end');
		assertCounted(mixed.filter((m) => m.channel === `${a}/1`), 10, 20);
		assertCounted(mixed.filter((m) => m.channel === `${b}/1`), 10, 20);
		await site.proxy.when(isOneHeld);
	});

	test('a tab that closes takes only its own with it', limit(60000),
	async (t) => {
		const site = await visit(t, browser, demo);
		const a = fresh('a'), b = fresh('b');
		const one = await site.tab(FAST);
		await one.follow(a, { since: '0' });
		const two = await site.tab(FAST);
		await two.follow(b, { since: '0' });
		const three = await site.tab(FAST);
		await three.follow(a, { since: '0' });
		await count(demo, a, 0, 10);
		await count(demo, b, 0, 10);
		await two.upTo(9, b);
		await two.page.close();
		await count(demo, a, 10, 20);
		for (const tab of [one, three])
			assertCounted(await tab.upTo(19, a), 0, 20);
	});

	test('40 channels in four tabs', limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const room = fresh();
		const tabs = [];
		for (let i = 0; i < 4; i++) {
			tabs.push(await site.tab(FAST));
			await all(Array.from({ length: 10 }, (_, j) => 10 * i + j),
				(n) => tabs[i].follow(`${room}/${n}`, { since: '0' }));
		}
		await all(tabs, (tab) => tab.live());
		for (let n = 0; n < 40; n++)
			await count(demo, `${room}/${n}`, 0, 5);
		for (let n = 0; n < 40; n++)
			assertCounted(await tabs[Math.floor(n / 10)]
				.received(5, `${room}/${n}`), 0, 5);
	});

	test('one that comes later reads 10,000 messages of history while the ' +
		'others go on', limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		await count(demo, channel, 0, 10000);
		const one = await site.tab(FAST);
		await one.follow(channel, { last: 1 });
		await one.live('ws');
		const two = await site.tab(FAST);
		await two.follow(channel, { since: '0' });
		await count(demo, channel, 10000, 10010);
		assertCounted(await one.upTo(10009, channel), 9999, 10010);
		assertCounted(await two.upTo(10009, channel), 0, 10010);
	});

	test('share: false has a connection of its own', limit(60000),
	async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tabs = [];
		for (let i = 0; i < 2; i++) {
			tabs.push(await site.tab({ ...FAST, share: false }));
			await tabs[i].follow(channel, { since: '0' });
			await tabs[i].live('ws');
		}
		assert.equal(site.proxy.open('/comet/ws').length, 2);
		await count(demo, channel, 0, 10);
		for (const tab of tabs)
			assertCounted(await tab.upTo(9, channel), 0, 10);
	});

	test('every tab publishes, and all get it once', limit(60000),
	async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tabs = [];
		for (let i = 0; i < 3; i++) {
			tabs.push(await site.tab(FAST));
			await tabs[i].follow(channel, { since: '0' });
			await tabs[i].live('ws');
		}
		await all(tabs, (tab) => tab.run(async (probe, c) => {
			for (let i = 0; i < 10; i++)
				await probe.comet.publish(c, Math.random());
		}, channel));
		const seqs = (await all(tabs, (tab) => tab.received(30, channel)))
			.map((got) => got.map((m) => m.seq));
		await publish(demo, channel, 'end');
		await all(tabs, (tab) => tab.upTo('end', channel));
		for (const list of seqs) {
			assert.deepEqual(list, seqs[0]);
			assert.equal(new Set(list).size, 30);
		}
	});

	test('the site gone and back', limit(60000), async (t) => {
		const site = await visit(t, browser, demo);
		const channel = fresh();
		const tabs = [];
		for (let i = 0; i < 3; i++) {
			tabs.push(await site.tab(FAST));
			await tabs[i].follow(channel, { since: '0' });
			await tabs[i].live('ws');
		}
		await site.proxy.stop();
		await count(demo, channel, 0, 10);
		await site.proxy.start();
		await all(tabs, (tab) => tab.upTo(9, channel));
		await all(tabs, (tab) => tab.live('ws', 40000));
		await count(demo, channel, 10, 20);
		for (const got of await all(tabs, (tab) => tab.upTo(19, channel)))
			assertCounted(got, 0, 20);
	});
});
