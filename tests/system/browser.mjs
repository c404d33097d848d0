/*
 * What the tests of the client library share: Chromium, a proxy for each test,
 * and tabs whose page (served by the proxy) keeps what its Comet object tells.
 */
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { ms, publishAll, within } from './harness.mjs';
import { startProxy } from './proxy.mjs';

const SCRIPT = `
import { Comet } from "/comet.js";

const probe = window.probe = {
	got: {}, gaps: [], states: [], transports: [], errors: [], subs: {},
	seen: {}, watchers: new Set(),

	open(options) {
		const comet = probe.comet = new Comet("/comet", options);
		const keep = (name, list, of) =>
			comet.addEventListener(name, (event) => {
				list.push(of(event.detail));
				probe.look();
			});
		keep("state", probe.states, (d) => d.state);
		keep("transport", probe.transports, (d) => d.transport);
		keep("gap", probe.gaps, (d) => d);
		keep("error", probe.errors, (d) => d);
	},

	follow(pattern, options, name) {
		const got = probe.got[name] = [];
		const seen = probe.seen[name] = new Set();
		const take = (message) => {
			got.push(message);
			seen.add(message.data);
			probe.look();
		};
		probe.subs[name] = options === null ?
			probe.comet.subscribe(pattern, take) :
			probe.comet.subscribe(pattern, options, take);
	},

	/* Resolves once test() holds; looked at whenever anything was told, and
	   now and then for what is not. */
	when: (test) => new Promise((done) => {
		const watch = () => {
			if (!test())
				return;
			probe.watchers.delete(watch);
			clearInterval(timer);
			done();
		};
		const timer = setInterval(watch, 50);
		probe.watchers.add(watch);
		watch();
	}),

	look() {
		for (const watch of probe.watchers)
			watch();
	},
};
document.title = "ready";
`;

const escaped = (text) => text.replace(/[&"<]/g, (c) => `&#${c.charCodeAt()};`);

/* ?since= is what a server renders into its page, ?on= the element. */
function page(query) {
	const since = query.get('since');
	const at = since === null ? '' : ` data-since="${escaped(since)}"`;
	const on = (name) => name === (query.get('on') ?? 'html') ? at : '';
	return `<!DOCTYPE html><html${on('html')}><head>` +
		'<meta charset="utf-8"><title>loading</title>' +
		'<link rel="icon" href="data:,"></head>' +
		`<body${on('body')}><main${on('main')}></main>` +
		`<script type="module">${SCRIPT}</script></body></html>`;
}

const HOLD = '/test/hold';

export const launch = () => chromium.launch({
	executablePath: '/usr/bin/chromium',
	args: ['--no-sandbox', '--disable-gpu', '--disable-quic',
		'--no-first-run', '--disable-background-networking',
		'--disable-component-update', '--disable-sync'],
});

/* So that what the client would wait for takes seconds: the demo of these
   tests gives a sign of life each second. */
export const FAST = { heartbeat: ms(2500), pollInterval: 200 };

/* A page that loads the client, and what it tells. */
class Tab {
	constructor(site, page) {
		this.site = site;
		this.page = page;
		this.faults = [];
		this.broken = new Promise((_, reject) =>
			page.on('pageerror', (e) => {
				this.faults.push(e.stack);
				reject(new Error('the page threw'));
			}));
		this.broken.catch(() => {});
	}

	async load(query = '') {
		await this.page.goto(`${this.site.proxy.url}test/page.html${query}`);
		assert.equal(await this.page.title(), 'ready',
			this.faults.join('\n'));
	}

	/* fn(probe, given) in the page. */
	run(fn, given) {
		return this.page.evaluate(`(${fn})(window.probe, ` +
			`${JSON.stringify(given) ?? 'undefined'})`);
	}

	open(options = {}) {
		return this.run((probe, o) => probe.open(o), options);
	}

	follow(pattern, options = null, name = pattern) {
		return this.run((probe, [p, o, n]) => probe.follow(p, o, n),
			[pattern, options, name]);
	}

	/* Waits until fn(probe, given) holds in the page. */
	async wait(what, fn, given, limit = 20000) {
		const held = this.page.evaluate(`probe.when(() => (${fn})(probe,
			${JSON.stringify(given) ?? 'undefined'}))`);
		held.catch(() => {});
		try {
			await within(Promise.race([held, this.broken]), limit, what);
		} catch (e) {
			throw new Error(`${e.message}\n${await this.report()}`);
		}
	}

	/* Waits for n messages of the subscription; all that came. */
	async received(n, name, limit = 30000) {
		await this.wait(`${n} messages of ${name}`,
			(probe, [k, s]) => probe.got[s].length >= k, [n, name], limit);
		return this.got(name);
	}

	/* Waits for the message with this data; all that came. */
	async upTo(data, name, limit = 30000) {
		await this.wait(`${data} in ${name}`, (probe, [d, s]) =>
			probe.seen[s].has(d), [data, name], limit);
		return this.got(name);
	}

	got(name) {
		return this.run((probe, s) => probe.got[s], name);
	}

	/* Waits until the subscription knows its place: from there on it gets
	   everything. */
	placed(name) {
		return this.wait(`the cursor of ${name}`,
			(probe, s) => Boolean(probe.subs[s].cursor), name);
	}

	/* Waits until this transport is live. */
	live(transport, limit) {
		return this.wait(`transport ${transport}`, (probe, t) =>
			probe.comet.state === 'live' &&
			(t === undefined || probe.comet.transport === t),
		transport, limit);
	}

	/* Nothing runs in the page until site.thaw(): it waits for an answer.
	   (Chromium freezes no page that Playwright shows, and its debugger loses
	   what is sent meanwhile.) */
	async freeze() {
		const { proxy } = this.site;
		const held = proxy.open(HOLD).length;
		await this.run((probe, url) => void setTimeout(() => {
			const request = new XMLHttpRequest();
			request.open('GET', url, false);
			request.send();
		}), HOLD);
		await proxy.when(() => proxy.open(HOLD).length > held);
	}

	told(list) {
		return this.run((probe, l) => probe[l], list);
	}

	/* For whoever reads why a wait failed. */
	async report() {
		const told = await within(this.run((probe) => JSON.stringify({
			state: probe.comet?.state, transport: probe.comet?.transport,
			states: probe.states, transports: probe.transports,
			gaps: probe.gaps, errors: probe.errors,
			got: Object.entries(probe.got).map(([s, l]) =>
				[s, l.length, l.at(-1)]),
		})), 2000, 'the page').catch((e) => e.message);
		return `page: ${told}\nfaults: ${this.faults.join('\n')}\n` +
			this.site.report();
	}
}

/* A visitor's browser (one profile) at a proxy of its own. */
class Site {
	constructor(proxy, context) {
		this.proxy = proxy;
		this.context = context;
		this.tabs = [];
		this.thaw = () => {};
	}

	/* A tab with the page and a Comet in it. */
	async tab(options = {}, query = '') {
		const tab = new Tab(this, await this.context.newPage());
		this.tabs.push(tab);
		await tab.load(query);
		await tab.open(options);
		return tab;
	}

	report() {
		return 'proxy: ' + this.proxy.seen.slice(-12).map((e) =>
			`${e.method} ${e.path}?${e.query} ${e.status} ` +
			`${e.bytes} bytes${e.isOpen ? ', open' : ''}`).join('\n  ');
	}
}

/* For the time of the test t; nothing may be thrown in its pages. */
export async function visit(t, browser, demo, { clock = false } = {}) {
	let site;
	const proxy = await startProxy(demo, {
		'/test/page.html': page,
		[HOLD]: () => new Promise((done) => {
			site.thaw = () => done('');
		}),
	});
	const context = await browser.newContext();
	site = new Site(proxy, context);
	t.after(async () => {
		site.thaw();
		await context.close();
		await proxy.stop();
		for (const tab of site.tabs)
			assert.deepEqual(tab.faults, []);
	});
	if (clock)
		await context.clock.install();
	return site;
}

/* Waits until the stream has proved itself: polls beside it, which come more
   often than its signs of life, have ended. */
export async function grown(proxy) {
	const chunks = () => proxy.open(/^\/comet\/(ws|events)$/)
		.reduce((sum, e) => sum + e.chunks, 0);
	const polls = () => proxy.exchanges(/^\/comet(\/poll|-tip)$/).length;
	const carried = async () => {
		const before = chunks();
		await proxy.when(() => chunks() > before);
		return polls();
	};

	for (let asked = -1, now = await carried(); now !== asked;) {
		asked = now;
		now = await carried();
	}
}

/* Publishes from, from + 1, ... to - 1 in this channel, in one request. */
export function count(demo, channel, from, to) {
	const all = [];
	for (let i = from; i < to; i++)
		all.push({ channel, data: i });
	return publishAll(demo, all);
}

/* Drives what was posted before out of the memory of every process, of which
   the demo was given the least (ring-bytes), so that only the log is left. */
export function forget(demo) {
	const data = 'x'.repeat(16384);
	return publishAll(demo,
		Array.from({ length: 8 }, () => ({ channel: 'filler', data })));
}

/* That these messages are from, from + 1, ... to - 1, each once, in order. */
export function assertCounted(messages, from, to) {
	const numbers = messages.map((m) => m.data);
	const times = new Map();
	for (const n of numbers)
		times.set(n, (times.get(n) ?? 0) + 1);
	const doubled = [...times.keys()].filter((n) => times.get(n) > 1);
	const lost = [];
	for (let n = from; n < to; n++)
		if (!times.delete(n))
			lost.push(n);
	const swapped = numbers.filter((n, i) => i > 0 && n < numbers[i - 1]);
	const few = (list) => list.length > 20 ?
		[...list.slice(0, 20), `and ${list.length - 20} more`] : list;
	assert.deepEqual({ lost: few(lost), doubled: few(doubled),
		swapped: few(swapped), strange: [...times.keys()]
			.filter((n) => !(n >= from && n < to)) },
	{ lost: [], doubled: [], swapped: [], strange: [] });
	const seqs = messages.map((m) => m.seq);
	assert.ok(seqs.every((s, i) => i === 0 || s > seqs[i - 1]),
		'seq rises from message to message');
}

export const limit = (n) => ({ timeout: ms(n) });
