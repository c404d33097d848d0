/*
 * Stock Bayeux clients, CometD's and Faye's, as their users have them: in Node
 * and in Chromium, over every transport, through restarts.
 *
 * COMETLOG_TEST_KILLS: seconds of kills and traffic (20).
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import {
	fresh, history, ms, openEvents, pause, publish, publishAll, ROOT, sqlite,
	startDemo, until, within,
} from './harness.mjs';
import {
	AckExtension, CometD, Faye, received, ReplayExtension, TimeSyncExtension,
} from './bayeux-stock.mjs';
import { launch } from './browser.mjs';

const KILLS_S = Number(process.env.COMETLOG_TEST_KILLS || 20);

let demo;
const clients = new Set();
const numbers = (from, to) =>
	Array.from({ length: to - from }, (_, i) => from + i);
const post = (channel, from, to) => publishAll(demo,
	numbers(from, to).map((data) => ({ channel, data })));

/* A client that has shaken hands. */
async function opened(Kind, transport, ...rest) {
	const one = new Kind(demo, transport, ...rest);
	clients.add(one);
	await one.open();
	return one;
}

async function closeAll() {
	await Promise.all([...clients].map((one) => one.close()));
	clients.clear();
}

async function killAll() {
	const pids = { ...demo.workers(), wsd: demo.pids().wsd };
	for (const pid of Object.values(pids))
		process.kill(pid, 'SIGKILL');
	for (const [name, pid] of Object.entries(pids))
		await demo.replaced(name, pid);
}

const KINDS = [[CometD, 'long-polling'], [CometD, 'websocket'],
	[Faye, 'long-polling'], [Faye, 'websocket']];

for (const [Kind, transport] of KINDS)
	describe(`${Kind.name} over ${transport}`, { timeout: ms(120000) }, () => {
		before(async () => { demo = await startDemo({ workers: 2 }); });
		after(async () => { await demo?.stop(); });
		afterEach(closeAll);

		test('everything that a client does', async () => {
			const channel = `/${fresh()}/a`;
			const [one, two] = [await opened(Kind, transport),
				await opened(Kind, transport)];
			const events = await openEvents(demo,
				{ channel: channel.slice(1) });
			const subscription = await one.subscribe(channel);
			await two.subscribe(channel.replace(/a$/, '*'));
			await two.publish(channel, 'first');
			await one.publishAll(channel, numbers(0, 50));
			await publish(demo, channel.slice(1), 'last');
			for (const each of [one, two])
				assert.deepEqual(await received(each, 52),
					['first', ...numbers(0, 50), 'last']);
			assert.equal((await events.nextMessages(52)).length, 52);
			events.close();
			assert.equal(one.transport, transport);
			await one.unsubscribe(subscription);
			await two.publish(channel, 'more');
			await received(two, 53);
			const other = `${channel}/other`;
			await one.subscribe(other);
			await two.publish(other, 'end');
			await received(one, 53);
			assert.deepEqual(one.data.at(-1), 'end');
			assert.equal(one.handshakes.length, 1);
			await one.close();
			assert.deepEqual((await history(demo, channel.slice(1)))
				.map((m) => m.data), two.data);
		});

		test('processes that are killed and started again are nothing to it',
			async () => {
				const channel = fresh();
				const one = await opened(Kind, transport);
				await one.subscribe(`/${channel}`);
				await post(channel, 0, 10);
				await received(one, 10);
				for (let i = 1; i < 3; i++) {
					await killAll();
					await post(channel, i * 10, i * 10 + 10);
					assert.deepEqual(await received(one, i * 10 + 10),
						numbers(0, i * 10 + 10));
				}
				await one.publish(`/${channel}`, 30);
				await received(one, 31);
				assert.equal(one.handshakes.length, 1);
			});

		test('messages of an outage come after it, without a new handshake',
			async () => {
				const channel = fresh();
				const one = await opened(Kind, transport);
				await one.subscribe(`/${channel}`);
				await post(channel, 0, 5);
				await received(one, 5);
				const { port, state } = demo;
				await demo.stop({ keepState: true });
				await sqlite(demo, numbers(5, 15).map((n) => 'INSERT INTO ' +
					`publish(channel, data, json) VALUES ('${channel}', '${n}', ` +
					'1);').join('\n'));
				demo = await startDemo({ workers: 2, state, port });
				demo.ownsState = true;
				await post(channel, 15, 20);
				assert.deepEqual(await received(one, 20, 30000),
					numbers(0, 20));
				assert.equal(one.handshakes.length, 1);
			});
	});

describe('CometD\'s extensions', { timeout: ms(120000) }, () => {
	before(async () => { demo = await startDemo({ workers: 2 }); });
	after(async () => { await demo?.stop(); });
	afterEach(closeAll);

	for (const transport of ['long-polling', 'websocket']) {
		test(`acknowledgement over ${transport}`, async () => {
			const channel = fresh();
			const one = await opened(CometD, transport,
				{ ack: new AckExtension() });
			assert.equal(one.handshakes[0].ext.ack, true);
			await one.subscribe(`/${channel}`);
			for (let i = 0; i < 20; i++)
				await post(channel, i * 5, i * 5 + 5);
			assert.deepEqual(await received(one, 100), numbers(0, 100));
		});

		test(`history, with acknowledgement, over ${transport}`, async () => {
			const [channel, other] = [fresh(), fresh()];
			await post(channel, 0, 1000);
			const replay = new ReplayExtension();
			replay.positions[`/${channel}`] = -2;
			const one = await opened(CometD, transport,
				{ ack: new AckExtension(), replay });
			await one.subscribe(`/${channel}`);
			await received(one, 1000);
			await post(channel, 1000, 1010);
			await received(one, 1010);
			assert.deepEqual(one.data.map((d) => d.payload),
				numbers(0, 1010));
			/* somebody else, who comes in the middle of it */
			const at = one.data[499].event.replayId;
			const again = new ReplayExtension();
			again.positions[`/${channel}`] = at;
			const two = await opened(CometD, transport, { replay: again });
			await two.subscribe(`/${other}`);
			await two.subscribe(`/${channel}`);
			await received(two, 510);
			assert.deepEqual(two.data.map((d) => d.payload),
				numbers(500, 1010));
			assert.equal(again.positions[`/${channel}`],
				two.data.at(-1).event.replayId);
		});

		test(`the server's time over ${transport}`, async () => {
			const timesync = new TimeSyncExtension();
			const one = await opened(CometD, transport, { timesync });
			await until(() => one.connects > 0);
			assert.ok(Math.abs(timesync.getTimeOffset()) < ms(2000));
		});

		test(`calls over ${transport}`, async () => {
			const one = await opened(CometD, transport);
			assert.deepEqual((await one.call('echo', { a: 1 })).data, { a: 1 });
			assert.ok((await one.call('time', {})).data.time > 1e12);
		});
	}
});

/* ---- in a browser ---- */

const PAGE = `<!DOCTYPE html><html><head><meta charset="utf-8">
<title>loading</title><link rel="icon" href="data:,"></head><body>
<script src="/bayeux-test/faye-browser.js"></script>
<script type="module">
import * as lib from "/bayeux-test/cometd/cometd.js";

const make = {
	cometd(transport) {
		const c = window.c = new lib.CometD();
		for (const type of c.getTransportTypes())
			if (type !== transport)
				c.unregisterTransport(type);
		c.configure({ url: "/comet/bayeux", logLevel: "error",
			backoffIncrement: 50, maxBackoff: 200 });
		c.registerExtension("ack", new lib.AckExtension());
		c.registerExtension("timesync", new lib.TimeSyncExtension());
		c.registerExtension("reload", new lib.ReloadExtension());
		c.addListener("/meta/handshake", (m) => {
			if (!m.ext || !m.ext.reload)
				probe.handshakes++;
		});
		return {
			open: () => new Promise((done) => c.handshake(done)),
			subscribe: (channel, take) => new Promise((done) =>
				c.subscribe(channel, (m) => take(m.data), {}, done)),
			publish: (channel, data) => new Promise((done) =>
				c.publish(channel, data, done)),
			transport: () => c.getTransport().type,
			reload: () => c.reload(),
		};
	},
	faye(transport) {
		const c = new Faye.Client("/comet/bayeux", { retry: 0.2 });
		for (const type of ["websocket", "eventsource", "long-polling",
			"cross-origin-long-polling", "callback-polling"])
			if (type !== transport && (type !== "long-polling" ||
				transport !== "websocket"))
				c.disable(type);
		c.addExtension({ incoming(m, done) {
			probe.handshakes += m.channel === "/meta/handshake";
			done(m);
		} });
		return {
			open: () => new Promise((done) => c.connect(done)),
			subscribe: (channel, take) => c.subscribe(channel, take).then(),
			publish: (channel, data) => c.publish(channel, data).then(),
			transport: () => c._dispatcher._transport.connectionType,
		};
	},
};

const probe = window.probe = {
	got: [], handshakes: 0,
	async start(kind, transport, channel) {
		probe.client = make[kind](transport);
		await probe.client.open();
		await probe.client.subscribe(channel, (data) => probe.got.push(data));
	},
};
document.title = "ready";
</script></body></html>`;

describe('in Chromium', { timeout: ms(180000) }, () => {
	let browser;

	before(async () => {
		demo = await startDemo({ workers: 2 });
		serve();
		browser = await launch();
	});
	after(async () => {
		await browser?.close();
		await demo?.stop();
	});

	/* The demo links its pages anew at each start. */
	function serve() {
		const folder = path.join(demo.state, 'www/bayeux-test');
		fs.mkdirSync(folder, { recursive: true });
		fs.writeFileSync(path.join(folder, 'page.html'), PAGE);
		for (const [name, from] of [['cometd', 'cometd'],
			['faye-browser.js', 'faye/client/faye-browser.js']])
			if (!fs.existsSync(path.join(folder, name)))
				fs.symlinkSync(path.join(ROOT, 'node_modules', from),
					path.join(folder, name));
	}

	async function tab(context) {
		const page = await context.newPage();
		page.faults = [];
		page.on('pageerror', (e) => page.faults.push(e.stack));
		await page.goto(`${demo.url}bayeux-test/page.html`);
		assert.equal(await page.title(), 'ready', page.faults.join('\n'));
		page.data = () => page.evaluate('probe.got');
		page.received = async (n) => {
			await until(async () => (await page.data()).length >= n,
				{ limit: 30000, what: `${n} messages in a tab` });
			return page.data();
		};
		return page;
	}

	const start = (page, ...given) => within(page.evaluate(
		(g) => window.probe.start(...g), given), 20000, 'the client\'s start');

	for (const [kind, transport] of [['cometd', 'long-polling'],
		['cometd', 'callback-polling'], ['cometd', 'websocket'],
		['faye', 'long-polling'], ['faye', 'callback-polling'],
		['faye', 'websocket']])
		test(`${kind} over ${transport}: two tabs, kills, order`, async (t) => {
			const context = await browser.newContext();
			t.after(() => context.close());
			const channel = fresh();
			const tabs = [await tab(context), await tab(context)];
			for (const page of tabs)
				await start(page, kind, transport, `/${channel}`);
			await post(channel, 0, 20);
			for (const page of tabs)
				assert.deepEqual(await page.received(20), numbers(0, 20));
			await tabs[0].evaluate((c) => window.probe.client.publish(c,
				'</script><b>'), `/${channel}`);
			for (const page of tabs)
				assert.equal((await page.received(21))[20], '</script><b>');
			await killAll();
			await post(channel, 20, 40);
			for (const page of tabs) {
				assert.deepEqual(await page.received(41), [
					...numbers(0, 20), '</script><b>', ...numbers(20, 40)]);
				assert.equal(await page.evaluate('probe.handshakes'), 1);
				assert.equal(await page.evaluate('probe.client.transport()'),
					transport);
				assert.deepEqual(page.faults, []);
			}
		});

	for (const transport of ['long-polling', 'websocket'])
		test(`cometd over ${transport} goes on in a page that is loaded again`,
			async (t) => {
				const context = await browser.newContext();
				t.after(() => context.close());
				const channel = fresh();
				const page = await tab(context);
				await start(page, 'cometd', transport, `/${channel}`);
				await post(channel, 0, 5);
				await page.received(5);
				const id = await page.evaluate('c.getClientId()');
				await page.evaluate('probe.client.reload()');
				const loaded = page.reload();
				await post(channel, 5, 10);
				await loaded;
				await start(page, 'cometd', transport, `/${channel}`);
				await post(channel, 10, 15);
				const data = await page.received(5);
				await until(async () => (await page.data()).at(-1) === 14);
				assert.equal(await page.evaluate('c.getClientId()'), id);
				assert.equal(await page.evaluate('probe.handshakes'), 0);
				assert.ok(data.every((n) => n >= 5));
				assert.deepEqual((await page.data()).slice(-10),
					numbers(5, 15), 'nothing was lost over it');
			});
});

/* ---- kills ---- */

describe('kill -9 of all processes, again and again',
	{ timeout: ms(120000) + KILLS_S * 3000 }, () => {
		before(async () => { demo = await startDemo({ workers: 2 }); });
		after(async () => { await demo?.stop(); });
		afterEach(closeAll);

		test('every client has every message once, in order', async () => {
			const channel = fresh();
			const all = await Promise.all(numbers(0, 8).map((i) => opened(CometD,
				i < 4 ? 'long-polling' : 'websocket',
				{ ack: new AckExtension() })));
			for (const one of all)
				await one.subscribe(`/${channel}`);
			let n = 0;
			const end = Date.now() + KILLS_S * 1000;
			const traffic = (async () => {
				while (Date.now() < end) {
					/* the id: it is stored once, however often it is tried */
					const id = String(n);
					await until(() => publish(demo, channel, id, { id })
						.catch((e) => {
							if (/^publish: 200/.test(e.message))
								return true;
							throw e;
						}), { limit: 20000, every: 20 });
					n++;
					await pause(5);
				}
			})();
			while (Date.now() < end) {
				await pause(2000);
				await killAll();
			}
			await traffic;
			for (const one of all) {
				await received(one, n, 30000);
				assert.deepEqual(one.data, numbers(0, n).map(String));
				assert.equal(one.handshakes.length, 1);
			}
			assert.ok(n > KILLS_S * 5, `${n} messages`);
		});
	});
