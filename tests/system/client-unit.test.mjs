/*
 * The client library by itself, without a browser: against a site and a clock
 * that are made up here, so that hours pass in moments and every run is alike.
 * At the end thousands of accidents, drawn from seeds.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import vm from 'node:vm';
import { remove, ROOT, temporaryFolder } from './harness.mjs';

const SOURCE = fs.readFileSync(path.join(ROOT, 'www/comet.js'), 'utf8');
const SCRIPT = new vm.Script(SOURCE.replace(/^export /gm, '') +
	'\nglobalThis.Comet = Comet; globalThis.cursorOf = cursorOf;',
{ filename: 'comet.js' });

/* ---- a clock that others set ---- */

class Clock {
	#timers = [];
	#ids = 0;
	time = 1_795_000_000_000;

	/* After as many ms, in the order of their time. */
	set(act, ms = 0, ...given) {
		const id = ++this.#ids;
		const at = this.time + Math.max(0, ms || 0);
		let i = this.#timers.length;
		while (i > 0 && this.#timers[i - 1].at > at)
			i--;
		this.#timers.splice(i, 0, { id, at, act: () => act(...given) });
		return id;
	}

	clear(id) {
		this.#timers = this.#timers.filter((t) => t.id !== id);
	}

	get waiting() { return this.#timers.length; }

	/* What promises wait for is done before the next timer. */
	settle() {
		return new Promise((done) => setImmediate(done));
	}

	async run(ms) {
		const end = this.time + ms;
		await this.settle();
		while (this.#timers[0]?.at <= end) {
			const { at, act } = this.#timers.shift();
			this.time = Math.max(at, this.time);
			act();
			await this.settle();
		}
		this.time = end;
	}

	/* Until test() holds: how long it took. */
	async until(test, limit = 3_600_000) {
		const began = this.time;
		await this.settle();
		while (!test()) {
			if (this.time - began > limit)
				throw new Error(`${test} did not hold in ${limit} ms`);
			const next = this.#timers[0];
			if (next === undefined)
				throw new Error(`${test} will never hold`);
			await this.run(Math.max(0, next.at - this.time));
		}
		return this.time - began;
	}

	/* A laptop asleep: time goes on, timers don't. */
	sleep(ms) {
		this.time += ms;
		for (const timer of this.#timers)
			timer.at += ms;
	}
}

/* ---- a site that others break ---- */

function covers(pattern, channel) {
	if (!pattern.includes('*'))
		return pattern === channel;
	if (channel.startsWith('$'))
		return false;
	const want = pattern.split('/');
	const have = channel.split('/');
	for (const [i, segment] of want.entries()) {
		if (segment === '**')
			return have.length > i;
		if (have.length <= i || segment !== '*' && segment !== have[i])
			return false;
	}
	return want.length === have.length;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const HTML = { status: 200, headers: { 'content-type': 'text/html' },
	body: '<p>Welcome to our Wi-Fi' };
const problem = (status, detail, headers = {}) => ({ status,
	headers: { 'content-type': 'application/problem+json', ...headers },
	body: JSON.stringify({ status, title: 'No', detail }) });
const page = (status, headers = {}) => ({ status,
	headers: { 'content-type': 'text/html', ...headers },
	body: '<h1>Sorry</h1>' });

class Site {
	constructor(clock, latency = () => 20) {
		this.clock = clock;
		this.latency = latency;
		this.epoch = '00000001';
		this.log = [];
		this.seq = 0;
		this.keptAfter = 0;
		this.ids = new Map();
		this.held = new Set();
		this.inFlight = new Set();
		this.asked = [];
		this.rules = {};        /* what -> what it answers instead */
		this.heartbeat = 14_000;
		this.tipLives = true;
		this.random = () => 0.5;
		this.tip = this.cursor();
	}

	cursor(seq = this.seq) { return `${seq}.${this.epoch}`; }

	/* What was asked for: "poll", "ws"... */
	count(what) { return this.asked.filter((a) => a.what === what).length; }

	open(what) { return [...this.held].filter((h) => h.what === what); }

	publish(channel, data = this.seq + 1, more = {}) {
		const { id } = more;
		const known = id && this.ids.get(channel + ' ' + id);
		if (known)
			return { ...known, duplicate: true };
		const seq = ++this.seq;
		const message = { seq, channel, time: this.clock.time, ...more, data };
		const result = { seq, cursor: this.cursor(), channel };
		this.log.push(message);
		if (this.tipLives)
			this.tip = this.cursor();
		if (id)
			this.ids.set(channel + ' ' + id, result);
		for (const held of [...this.held])
			held.look();
		return result;
	}

	/* Nothing up to seq is kept any more. */
	forget(seq) {
		this.keptAfter = seq;
		this.log = this.log.filter((m) => m.seq > seq);
	}

	/* Another log in its place. */
	replace() {
		this.epoch = (parseInt(this.epoch, 16) + 1).toString(16)
			.padStart(8, '0');
		this.log = [];
		this.ids.clear();
		this.seq = this.keptAfter = 0;
		this.tip = this.cursor();
		for (const held of [...this.held])
			held.restart();
	}

	/* From where a request reads, and whether it missed something. */
	start(query) {
		const since = query.get('since');
		const patterns = query.getAll('channel');
		if (since === null || since === 'now') {
			const last = Number(query.get('last') ?? 0);
			const found = this.log.filter((m) =>
				patterns.some((p) => covers(p, m.channel))).slice(-last);
			return { after: last && found.length ?
				found[0].seq - 1 : this.seq, gap: false };
		}
		const [seq, epoch] = since.split('.');
		const isKnown = (epoch ?? this.epoch) === this.epoch &&
			Number(seq) <= this.seq;
		const after = isKnown ? Number(seq) : 0;
		return { after, gap: !isKnown || this.keptAfter > after };
	}

	page(query, { after, gap }, limit) {
		const patterns = query.getAll('channel');
		const found = this.log.filter((m) => m.seq > after &&
			patterns.some((p) => covers(p, m.channel)));
		const messages = found.slice(0, limit);
		const more = found.length > limit;
		return { ...gap && { gap }, messages,
			cursor: this.cursor(more ? messages.at(-1).seq : this.seq),
			more };
	}

	json(value, headers = {}) {
		return { status: 200, headers: { ...JSON_TYPE, ...headers },
			body: JSON.stringify(value) };
	}

	/* ---- HTTP ---- */

	fetch = (owner, address, { signal, method = 'GET', body, headers } = {}) => {
		const url = new URL(address);
		const what = url.pathname.split('/').at(-1);
		const request = { what, path: url.pathname,
			query: url.searchParams, method, body, headers,
			at: this.clock.time, owner };
		this.asked.push(request);
		this.inFlight.add(request);
		return new Promise((done, fail) => {
			const over = (act) => {
				this.inFlight.delete(request);
				signal?.removeEventListener('abort', onAbort);
				act();
			};
			request.answer = (answer) => this.clock.set(() => over(() =>
				signal?.aborted || done(this.response(answer, signal))),
			this.latency());
			request.fail = () => over(() =>
				fail(new TypeError('Failed to fetch')));
			request.signal = signal;
			const onAbort = () => over(() =>
				fail(new DOMException('aborted', 'AbortError')));
			if (signal)
				setMaxListeners(0, signal);
			signal?.addEventListener('abort', onAbort);
			this.clock.set(() => {
				if (!signal?.aborted)
					this.serve(request);
			}, this.latency());
		});
	};

	serve(request) {
		const { what, query } = request;
		const rule = this.rules[what];
		if (rule === 'gone')
			return request.fail();
		if (rule === 'hang')
			return;
		if (rule !== undefined && typeof rule !== 'string')
			return request.answer(typeof rule === 'function' ?
				rule.call(this, request) : rule);
		if (what === 'comet-tip')
			return request.answer({ status: 200,
				headers: { 'content-type': 'text/plain' }, body: this.tip });
		if (what === 'publish') {
			const { channel, data, ...more } = JSON.parse(request.body);
			const result = this.publish(channel, data, more);
			if (rule === 'lose')
				return request.fail();
			return request.answer({ ...this.json(result),
				status: result.duplicate ? 200 : 201 });
		}
		if (query.getAll('channel').some((p) => /\*\*\/|[^/*]\*/.test(p)))
			return request.answer(problem(400, 'the pattern is malformed'));
		const start = this.start(query);
		if (what === 'poll')
			return request.answer(this.json(query.get('limit') === '0' ?
				{ messages: [], cursor: this.cursor(), more: false } :
				this.page(query, start, Number(query.get('limit') ?? 100))));
		if (what === 'longpoll')
			return this.hold(request, start);
		if (what === 'events')
			return new Stream(this, request, start, rule);
		request.answer(page(404));
	}

	response({ status, headers, body }, signal) {
		return {
			status,
			headers: new Headers(headers),
			body: typeof body === 'string' ? null : body,
			text: async () => body,
			json: async () => {
				if (signal?.aborted)
					throw new DOMException('aborted', 'AbortError');
				return JSON.parse(body);
			},
		};
	}

	hold(request, start) {
		const answer = (start) => {
			held.over();
			request.answer(this.json(this.page(request.query, start, 100)));
		};
		const held = {
			what: 'longpoll', owner: request.owner,
			look: () => {
				if (!held.isMute &&
				    this.page(request.query, start, 1).messages[0])
					answer(start);
			},
			restart: () => answer({ after: 0, gap: true }),
			over: () => {
				this.held.delete(held);
				this.clock.clear(timer);
				request.signal.removeEventListener('abort', held.over);
			},
			cut: () => {
				held.over();
				request.fail();
			},
		};
		const timer = this.clock.set(() => held.isMute || answer(start),
			1000 * Number(request.query.get('timeout') ?? 25));
		this.held.add(held);
		request.signal.addEventListener('abort', held.over);
		if (start.gap)
			answer(start);
		else
			held.look();
	}

	/* ---- all that is held ---- */

	/* Bytes vanish from now on, and nobody is told. */
	mute(what) {
		for (const held of this.open(what))
			held.isMute = true;
	}

	cut(what) {
		for (const held of this.open(what))
			held.cut();
	}
}

/* What SSE and WebSocket have in common: one place in the log. */
class Held {
	constructor(site, what, query, { after, gap }) {
		this.site = site;
		this.what = what;
		this.patterns = query.getAll('channel');
		this.after = after;
		this.gap = gap;
		this.way = [];  /* what is on its way to the browser */
		site.held.add(this);
		this.beat();
	}

	beat() {
		this.timer = this.site.clock.set(() => {
			this.say('heartbeat', this.site.cursor(this.after));
			this.beat();
		}, this.site.heartbeat);
	}

	look() {
		const { site } = this;
		if (this.gap)
			this.say('gap', site.cursor(this.after));
		this.gap = false;
		for (const message of site.log)
			if (message.seq > this.after &&
			    this.patterns.some((p) => covers(p, message.channel)))
				this.say('message', site.cursor(message.seq), message);
		this.after = site.seq;
	}

	restart() {
		this.after = 0;
		this.gap = true;
		this.look();
	}

	/* Everything takes its time, in order. */
	later(act) {
		this.way.push(act);
		this.site.clock.set(() => {
			const next = this.way.shift();
			if (!this.isMute && !this.isOver)
				next();
		}, this.site.latency());
	}

	/* Only what is on its way still arrives. */
	leave() {
		this.site.held.delete(this);
		this.site.clock.clear(this.timer);
	}

	over() {
		this.leave();
		this.isOver = true;
	}
}

class Stream extends Held {
	#chunks = [];
	#wake = () => {};

	constructor(site, request, start, rule) {
		super(site, 'events', request.query, start);
		this.request = request;
		this.owner = request.owner;
		this.isMute = rule === 'mute';
		request.signal.addEventListener('abort', () => {
			this.over();
			this.#wake();
		});
		if (rule === 'mute')
			return;
		request.answer({ status: 200,
			headers: { 'content-type': 'text/event-stream' },
			body: { getReader: () => ({ read: () => this.#read() }) } });
		this.later(() => this.#push('retry: 2000\n' +
			`id: ${site.cursor(start.after)}\n\n`));
		this.look();
	}

	async #read() {
		while (this.#chunks.length === 0) {
			if (this.request.signal.aborted)
				throw new DOMException('aborted', 'AbortError');
			await new Promise((done) => { this.#wake = done; });
		}
		const chunk = this.#chunks.shift();
		if (chunk === null)
			throw new TypeError('network error');
		return chunk === '' ? { done: true } :
			{ done: false, value: new TextEncoder().encode(chunk) };
	}

	#push(chunk) {
		this.#chunks.push(chunk);
		this.#wake();
	}

	say(kind, cursor, message) {
		const data = kind === 'message' ? JSON.stringify(message) :
			kind === 'gap' ? `{"gap":true,"cursor":"${cursor}"}` : cursor;
		const event = kind === 'message' ? message.event : kind;
		this.later(() => this.#push(`id: ${cursor}\n` +
			(event ? `event: ${event}\n` : '') + `data: ${data}\n\n`));
	}

	/* In good order. */
	end(retry = 2000) {
		this.later(() => this.#push(`retry: ${retry}\n\n`));
		this.later(() => this.#push(''));
		this.leave();
	}

	cut() {
		this.over();
		this.#push(null);
	}
}

/* The server's end of a WebSocket. */
class Socket extends Held {
	constructor(site, owner, browsers, query, start) {
		super(site, 'ws', query, start);
		this.owner = owner;
		this.browsers = browsers;
		this.tell({ op: 'ok', cursor: site.cursor(start.after) });
		this.look();
	}

	tell(value) {
		this.later(() => this.browsers.onmessage?.(
			{ data: JSON.stringify(value) }));
	}

	say(kind, cursor, message) {
		this.tell({ op: kind, ...message ?? { cursor } });
	}

	hear({ op, ref, ...message }) {
		if (this.isMute || this.isOver)
			return;
		if (op === 'ping')
			return this.tell({ op: 'pong' });
		const { channel, data, ...more } = message;
		const refused = this.site.rules.wsPublish;
		if (refused === 'lose')
			return;
		if (refused)
			return this.tell({ op: 'error', ref, ...refused });
		this.tell({ op: 'ok', ref,
			...this.site.publish(channel, data, more) });
	}

	/* By the server, or the network. */
	end(code) {
		this.later(() => {
			this.over();
			this.browsers.onclose?.({ code });
		});
		this.leave();
	}

	cut() {
		this.over();
		this.site.clock.set(() => this.browsers.onclose?.({ code: 1006 }));
	}
}

/* The browser's end. */
const webSocketOf = (site, owner) => class {
	#socket = null;
	#isClosed = false;

	constructor(address) {
		const { protocol, searchParams } = new URL(address);
		assert.match(protocol, /^wss?:$/);
		site.asked.push({ what: 'ws', query: searchParams,
			at: site.clock.time, owner });
		site.clock.set(() => {
			if (this.#isClosed || site.rules.ws === 'mute')
				return;
			if (site.rules.ws !== undefined)
				return this.onclose?.({ code: 1006 });
			this.#socket = new Socket(site, owner, this,
				searchParams, site.start(searchParams));
		}, site.latency());
	}

	send(text) {
		const socket = this.#socket;
		assert.notEqual(socket, null, 'sent before it was open');
		site.clock.set(() => socket.hear(JSON.parse(text)), site.latency());
	}

	close() {
		this.#isClosed = true;
		this.#socket?.over();
	}
};

/* ---- a browser ---- */

class Browser {
	#locks = new Map();     /* name -> { holder, queue } */
	#ids = 0;
	channels = new Set();

	constructor(clock, site, { hasLocks = true } = {}) {
		this.clock = clock;
		this.site = site;
		this.hasLocks = hasLocks;
		this.tabs = [];
	}

	/* A page with the client in it. */
	tab(options) {
		const tab = new Tab(this, options);
		this.tabs.push(tab);
		return tab;
	}

	request(tab, name, options, act) {
		const lock = this.#locks.get(name) ?? { holder: null, queue: [] };
		this.#locks.set(name, lock);
		return new Promise((done, fail) => {
			const wish = { tab, act, done, fail, id: ++this.#ids };
			if (options.steal) {
				const loser = lock.holder;
				loser?.tab.later(() =>
					loser.fail(new DOMException('stolen', 'AbortError')));
				lock.holder = null;
				lock.queue.unshift(wish);
			} else {
				lock.queue.push(wish);
			}
			options.signal?.addEventListener('abort', () => {
				if (lock.holder === wish)
					return;
				lock.queue = lock.queue.filter((w) => w !== wish);
				fail(new DOMException('aborted', 'AbortError'));
			});
			this.grant(lock);
		});
	}

	grant(lock) {
		if (lock.holder !== null || lock.queue.length === 0)
			return;
		const wish = lock.holder = lock.queue.shift();
		wish.tab.later(async () => {
			if (lock.holder !== wish)
				return;
			try {
				wish.done(await wish.act());
			} catch (e) {
				wish.fail(e);
			}
			if (lock.holder === wish)
				lock.holder = null;
			this.grant(lock);
		});
	}

	/* The tab is gone, and its locks with it. */
	forget(tab) {
		for (const lock of this.#locks.values()) {
			lock.queue = lock.queue.filter((w) => w.tab !== tab);
			if (lock.holder?.tab === tab)
				lock.holder = null;
			this.grant(lock);
		}
	}

	get locked() {
		return [...this.#locks.values()].flatMap((lock) =>
			[lock.holder, ...lock.queue]).filter(Boolean).length;
	}
}

class Tab {
	#isFrozen = false;
	#isGone = false;
	#late = [];

	constructor(browser, { base = '/comet', options = {}, since, url } = {}) {
		const { clock, site } = browser;
		const tab = this;
		this.browser = browser;
		this.events = new EventTarget();
		this.timers = new Set();
		this.faults = [];
		class FakeDate extends Date {
			static now() { return clock.time; }
		}
		class Channel {
			constructor(name) {
				this.name = name;
				this.tab = tab;
				browser.channels.add(this);
			}

			postMessage(value) {
				const data = structuredClone(value);
				for (const other of browser.channels)
					if (other !== this && other.name === this.name)
						other.take(data);
			}

			take(data) { tab.later(() => this.onmessage?.({ data })); }

			close() {
				browser.channels.delete(this);
				this.onmessage = null;
			}
		}
		this.document = {
			hidden: false,
			baseURI: url ?? 'https://site.example/pages/one.html',
			documentElement: {
				dataset: {},
				querySelector: (what) => what === '[data-since]' &&
					since !== undefined ? { dataset: { since } } : null,
			},
		};
		this.navigator = { onLine: true };
		if (browser.hasLocks)
			this.navigator.locks = { request: (name, how, act) =>
				browser.request(this, name, how, act) };
		const WebSocket = webSocketOf(site, this);
		this.window = vm.createContext({
			AbortController, TextDecoder, URL, crypto, EventTarget, Event,
			console, document: this.document, navigator: this.navigator,
			BroadcastChannel: browser.hasLocks ? Channel : undefined,
			Date: FakeDate,
			CustomEvent: class extends Event {
				constructor(type, { detail }) {
					super(type);
					this.detail = detail;
				}
			},
			setTimeout: (act, ms) => {
				const id = clock.set(() => this.now(() => {
					if (this.timers.delete(id))
						act();
				}), ms);
				this.timers.add(id);
				return id;
			},
			clearTimeout: (id) => {
				this.timers.delete(id);
				clock.clear(id);
			},
			addEventListener: (...given) =>
				this.events.addEventListener(...given),
			removeEventListener: (...given) =>
				this.events.removeEventListener(...given),
			fetch: (...given) => site.fetch(this, ...given).finally(() =>
				new Promise((done) => this.later(done))),
			WebSocket: class extends WebSocket {
				#act = {};
				#set(name, act) {
					this.#act[name] = act && ((event) => tab.later(() =>
						this.#act[name] !== null && act(event)));
				}
				set onmessage(act) { this.#set('message', act); }
				get onmessage() { return this.#act.message; }
				set onclose(act) { this.#set('close', act); }
				get onclose() { return this.#act.close; }
			},
		});
		this.window.Math = Object.create(Math, {
			random: { value: () => site.random() } });
		SCRIPT.runInContext(this.window);
		this.comet = new this.window.Comet(base, options);
		this.told = [];
		for (const name of ['state', 'transport', 'gap', 'error'])
			this.comet.addEventListener(name, ({ detail }) =>
				this.told.push([name, detail]));
		this.got = new Map();
	}

	/* A task of the browser's: not while the tab is frozen. */
	now(act) {
		if (this.#isFrozen)
			return this.#late.push(act);
		try {
			if (!this.#isGone)
				act();
		} catch (e) {
			this.faults.push(e);
		}
	}

	later(act) {
		this.browser.clock.set(() => this.now(act));
	}

	/* Subscribes; what comes is in got(name). */
	follow(pattern, start, name = pattern) {
		const list = [];
		this.got.set(name, list);
		const take = (message) => list.push(message);
		return start === undefined ? this.comet.subscribe(pattern, take) :
			this.comet.subscribe(pattern, start, take);
	}

	data(name) { return this.got.get(name).map((m) => m.data); }

	all(name) {
		return this.told.filter(([n]) => n === name).map(([, d]) => d);
	}

	transports() { return this.all('transport').map((d) => d.transport); }

	fire(type, more = {}) {
		this.events.dispatchEvent(Object.assign(new Event(type), more));
	}

	freeze() { this.#isFrozen = true; }

	thaw() {
		this.#isFrozen = false;
		for (const act of this.#late.splice(0))
			this.later(act);
	}

	/* The reader closes it, or (without a word) it crashes. */
	close(isCrash = false) {
		if (!isCrash)
			this.fire('pagehide');
		this.#isGone = true;
		for (const id of this.timers)
			this.browser.clock.clear(id);
		for (const channel of [...this.browser.channels])
			if (channel.tab === this)
				channel.close();
		for (const held of [...this.browser.site.held])
			if (held.owner === this)
				held.over();
		this.browser.forget(this);
	}
}

/* ---- what the tests start from ---- */

function world({ hasLocks = false, latency } = {}) {
	const clock = new Clock();
	const site = new Site(clock, latency);
	return { clock, site, browser: new Browser(clock, site, { hasLocks }) };
}

/* A tab of its own that reads everything of "a" by the first of transports. */
async function reading({ transports, options, transport = transports?.[0] ?? 'ws',
	...more } = {}) {
	const all = world(more);
	const tab = all.browser.tab({ options: { ...transports && { transports },
		...options } });
	tab.follow('a', { since: '0' });
	all.site.publish('a', 'first');
	await all.clock.until(() => tab.comet.transport === transport &&
		tab.comet.state === 'live');
	return { ...all, tab };
}

/* That the tab has all of the channel from there on, and told no lies. */
function assertWhole(site, tab, name = 'a', from = 1) {
	assert.deepEqual(tab.got.get(name).map((m) => m.seq), site.log
		.filter((m) => covers(name, m.channel) && m.seq >= from)
		.map((m) => m.seq));
	assert.deepEqual(tab.faults, []);
}

const queries = (site, what) => site.asked.filter((a) => a.what === what)
	.map((a) => Object.fromEntries([...a.query.keys()].map((name) =>
		[name, a.query.getAll(name).join()])));

const POLL = { options: { transports: ['poll'], tip: false } };

describe('polls', () => {
	test('the first one goes out at once, whatever else will be tried',
	async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab();
		tab.follow('a', { since: '0' });
		assert.equal(tab.comet.state, 'connecting');
		assert.equal(tab.comet.transport, null);
		await clock.run(0);
		assert.deepEqual(site.asked.map((a) => a.what), ['poll']);
		assert.equal(tab.comet.transport, 'poll');
		await clock.run(100);
		assert.equal(tab.comet.state, 'live');
	});

	test('each subscription begins where it says', async () => {
		const { clock, site, browser } = world();
		for (let i = 0; i < 9; i++)
			site.publish(i % 2 ? 'b' : 'a', i);
		const tab = browser.tab(POLL);
		tab.follow('a', { since: site.cursor(4) }, 'since');
		tab.follow('a', { since: 0 }, 'zero');
		tab.follow('a', { last: 2 }, 'last');
		tab.follow('*', { last: 2 }, 'any');
		tab.follow('a', { since: 'now' }, 'now');
		tab.follow('a', undefined, 'none');
		tab.follow('/b', { since: '' }, 'slash');
		await clock.run(100);
		site.publish('a', 'new');
		site.publish('b', 'new');
		await clock.run(5000);
		assert.deepEqual(tab.data('since'), [4, 6, 8, 'new']);
		assert.deepEqual(tab.data('zero'), [0, 2, 4, 6, 8, 'new']);
		assert.deepEqual(tab.data('last'), [6, 8, 'new']);
		assert.deepEqual(tab.data('any'), [7, 8, 'new', 'new']);
		assert.deepEqual(tab.data('now'), ['new']);
		assert.deepEqual(tab.data('none'), ['new']);
		assert.deepEqual(tab.data('slash'), ['new']);
	});

	test('data-since is where subscriptions begin by themselves', async () => {
		const { clock, site, browser } = world();
		site.publish('a', 1);
		const since = site.cursor();
		site.publish('a', 2);
		const tab = browser.tab({ ...POLL, since });
		tab.follow('a');
		tab.follow('a', { since: '0' }, 'said');
		tab.follow('a', { last: 0 }, 'last');
		await clock.run(100);
		assert.deepEqual(tab.data('a'), [2]);
		assert.deepEqual(tab.data('said'), [1, 2]);
		assert.deepEqual(tab.data('last'), []);
		assert.equal(tab.window.cursorOf(), since);
		assert.equal(tab.window.cursorOf({ dataset: { since: '7' } }), '7');
		assert.equal(tab.window.cursorOf({ dataset: {},
			querySelector: () => null }), undefined);
	});

	test('all that are up to date share one request', async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab(POLL);
		for (const [pattern, start] of [['a', { since: '0' }], ['b/**', {}],
			['ü &', { last: 3 }]])
			tab.follow(pattern, start);
		await clock.run(100);
		site.asked = [];
		await clock.run(3000);
		assert.deepEqual(queries(site, 'poll'), [{ channel: 'a,b/**,ü &',
			limit: '500', since: site.cursor() }]);
	});

	test('a request has 32 patterns at the most, and no endless address',
	async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab({ options: { tip: false } });
		for (let i = 0; i < 40; i++)
			tab.follow(`many/${i}`, { since: '0' });
		await clock.until(() => tab.comet.transport === 'ws');
		for (let i = 0; i < 40; i++)
			site.publish(`many/${i}`);
		await clock.run(10000);
		for (let i = 0; i < 40; i++)
			assert.equal(tab.data(`many/${i}`).length, 1);
		for (const { query } of site.asked)
			assert.ok(query.getAll('channel').length <= 32);
		/* eight stay with polling; that is no reason to connect anew */
		await clock.run(60000);
		assert.equal(site.count('ws'), 1);
		const long = browser.tab(POLL);
		for (let i = 0; i < 40; i++)
			long.follow(i + 'ü'.repeat(100), { since: '0' });
		site.asked = [];
		await clock.run(10000);
		for (const { query } of site.asked)
			assert.ok(query.toString().length < 5000);
	});

	test('a history of many pages comes whole, and holds nobody up',
	async () => {
		const { clock, site, browser } = world();
		for (let i = 0; i < 30000; i++)
			site.publish('a', i);
		const tab = browser.tab(POLL);
		tab.follow('a', { since: '0' });
		tab.follow('b', { since: '0' });
		await clock.until(() => tab.got.get('a').length > 2000);
		tab.follow('c', { since: '0' });
		site.publish('c');
		await clock.until(() => tab.got.get('c').length === 1);
		assert.ok(tab.got.get('a').length < 30000);
		await clock.until(() => tab.got.get('a').length === 30000);
		assertWhole(site, tab);
	});

	test('the interval is that of pollInterval, jittered', async () => {
		const { clock, site, browser } = world();
		const draws = [0, 0.999, 0.5];
		site.random = () => draws[site.count('poll') % 3];
		const tab = browser.tab(POLL);
		tab.follow('a', { since: '0' });
		await clock.run(60000);
		const times = site.asked.map((a) => a.at);
		const gaps = times.slice(1).map((t, i) => t - times[i] - 40);
		assert.ok(Math.min(...gaps) >= 2550 && Math.max(...gaps) <= 3450);
		assert.ok(new Set(gaps).size > 2, gaps.join());
	});

	test('a failing site is asked ever more rarely, up to a minute',
	async () => {
		const { clock, site, browser } = world();
		site.rules.poll = page(502);
		const tab = browser.tab(POLL);
		tab.follow('a', { since: '0' });
		await clock.run(600000);
		const times = site.asked.map((a) => a.at);
		const gaps = times.slice(1).map((t, i) => t - times[i] - 40);
		assert.deepEqual(gaps.slice(0, 6),
			[500, 1000, 2000, 4000, 8000, 16000]);
		assert.equal(gaps.at(-1), 30000); /* half of it: random is 0.5 */
		assert.equal(tab.comet.state, 'connecting');
		delete site.rules.poll;
		site.publish('a');
		await clock.run(31000);
		assertWhole(site, tab);
		assert.equal(tab.comet.state, 'live');
	});

	for (const [how, header] of [['seconds', '120'],
		['a date', new Date(1_795_000_000_000 + 120_000).toUTCString()]])
		test(`Retry-After in ${how} is honoured`, async () => {
			const { clock, site, browser } = world();
			site.rules.poll = page(429, { 'retry-after': header });
			const tab = browser.tab(POLL);
			tab.follow('a', { since: '0' });
			await clock.run(119000);
			assert.equal(site.count('poll'), 1);
			delete site.rules.poll;
			await clock.run(2000);
			assert.equal(site.count('poll'), 2);
		});

	for (const [what, rule] of [['an HTML page', HTML], ['a 404 page', page(404)],
		['a 403 page', page(403)], ['JSON of somebody else', { status: 200,
			headers: JSON_TYPE, body: '{"error":null}' }],
		['broken JSON', { status: 200, headers: JSON_TYPE, body: '{"mess' }],
		['a list', { status: 200, headers: JSON_TYPE, body: '[]' }],
		['null', { status: 200, headers: JSON_TYPE, body: 'null' }],
		['an answer that never comes', 'hang'], ['nobody', 'gone']])
		test(`${what} is "not now"`, async () => {
			const { clock, site, browser } = world();
			site.rules.poll = rule;
			const tab = browser.tab(POLL);
			tab.follow('a', { since: '0' });
			await clock.run(60000);
			assert.ok(site.count('poll') > 3);
			assert.notEqual(tab.comet.state, 'live');
			delete site.rules.poll;
			site.publish('a');
			await clock.run(61000);
			assertWhole(site, tab);
			assert.deepEqual(tab.all('error'), []);
		});

	test('a pattern that is refused is told once and hinders nobody',
	async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab();
		tab.follow('a', { since: '0' });
		tab.follow('x**/y', { since: '0' });
		tab.follow('b', { since: '0' });
		await clock.until(() => tab.comet.transport === 'ws');
		site.publish('a');
		site.publish('b');
		await clock.run(300000);
		assertWhole(site, tab);
		assertWhole(site, tab, 'b');
		assert.deepEqual(tab.all('error').map((e) => ({ ...e })), [{
			status: 400, detail: 'the pattern is malformed',
			pattern: 'x**/y' }]);
		assert.equal(tab.comet.transport, 'ws');
	});

	test('a pattern that is refused later on hinders nobody, and comes back',
	async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab(POLL);
		tab.follow('a', { since: '0' });
		tab.follow('secret', { since: '0' });
		await clock.run(1000);
		site.rules.poll = function ({ query }) {
			return query.getAll('channel').includes('secret') ?
				problem(403, 'not for you') :
				this.json(this.page(query, this.start(query), 100));
		};
		site.publish('a');
		site.publish('secret');
		await clock.run(10000);
		assertWhole(site, tab);
		assert.equal(tab.all('error').length, 1);
		assert.equal(tab.all('error')[0].status, 403);
		delete site.rules.poll;
		await clock.run(61000);
		assertWhole(site, tab, 'secret');
	});
});

describe('the tip file', () => {
	const tips = { options: { transports: ['poll'] } };

	test('while it stands still nothing else is asked for', async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab(tips);
		tab.follow('a', { since: '0' });
		await clock.run(29000);
		assert.equal(site.count('poll'), 1);
		assert.ok(site.count('comet-tip') >= 8);
		site.publish('a');
		await clock.run(4000);
		assert.equal(site.count('poll'), 2);
		assertWhole(site, tab);
		site.publish('elsewhere');
		await clock.run(10000);
		assert.equal(site.count('poll'), 3);
	});

	test('one that nobody writes any more does no lasting harm', async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab(tips);
		tab.follow('a', { since: '0' });
		await clock.run(1000);
		site.tipLives = false;
		site.publish('a');
		await clock.run(35000);
		assertWhole(site, tab);
		site.publish('a');
		await clock.run(4000);
		assertWhole(site, tab);
	});

	test('it is looked past ever more rarely while it proves true', async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab(tips);
		tab.follow('a', { since: '0' });
		await clock.run(6 * 3600000);
		assert.ok(site.count('poll') < 50, String(site.count('poll')));
		assert.ok(site.count('poll') > 20, String(site.count('poll')));
	});

	for (const rule of [page(404), HTML, page(503)])
		test(`without one (${rule.status}) polls go on, and it is asked for ` +
			'rarely', async () => {
			const { clock, site, browser } = world();
			site.rules['comet-tip'] = rule;
			const tab = browser.tab(tips);
			tab.follow('a', { since: '0' });
			await clock.run(60000);
			assert.ok(site.count('poll') >= 19);
			assert.equal(site.count('comet-tip'), 1);
		});

	test('tip: false asks for none, and an address is taken', async () => {
		const { clock, site, browser } = world();
		for (const [tip, what, n] of [[false, 'comet-tip', 0],
			['/my/tip', 'tip', 1]]) {
			const tab = browser.tab({ options: { transports: ['poll'], tip } });
			tab.follow('a', { since: '0' });
			await clock.run(3500);
			assert.equal(site.count(what), n);
			tab.comet.close();
		}
	});

	test('it stands beside the program', async () => {
		for (const [base, expected] of [['/comet', '/comet-tip'],
			['/comet/', '/comet-tip'], ['comet', '/pages/comet-tip'],
			['/a/cometlog.fcgi', '/a/comet-tip']]) {
			const { clock, site, browser } = world();
			const tab = browser.tab({ base,
				options: { transports: ['poll'] } });
			tab.follow('a', { since: '0' });
			await clock.run(3500);
			const asked = site.asked.find((r) => r.what === 'comet-tip');
			assert.equal(asked.path, expected);
			tab.comet.close();
		}
	});
});

describe('the way up', () => {
	test('WebSocket takes over after its pong, and polling ends', async () => {
		const { clock, site, tab } = await reading();
		assert.deepEqual(tab.transports(), ['poll', 'ws']);
		await clock.run(35000); /* young: beside it the tip file is read */
		assert.ok(site.count('comet-tip') > 3);
		const asked = site.asked.length;
		await clock.run(600000);
		assert.equal(site.asked.length, asked);
		site.publish('a');
		await clock.run(100);
		assertWhole(site, tab);
	});

	test('Server-Sent Events only once an event has come', async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab({ options: { transports: ['sse', 'poll'] } });
		tab.follow('a', { since: '0' });
		await clock.run(13000);
		assert.equal(site.open('events').length, 1);
		assert.equal(tab.comet.transport, 'poll');
		await clock.run(2000);
		assert.equal(tab.comet.transport, 'sse');
		assert.equal(queries(site, 'events')[0].format, 'json');
	});

	test('long polling once a held answer has come in time', async () => {
		const { clock, site, tab } = await reading(
			{ transports: ['longpoll', 'poll'] });
		assert.ok(Number(queries(site, 'longpoll')[0].timeout) <= 3);
		await clock.run(60000);
		const { timeout } = queries(site, 'longpoll').at(-1);
		assert.ok(timeout >= 15 && timeout < 25, timeout);
		site.publish('a');
		await clock.run(100);
		assertWhole(site, tab);
	});

	test('a long poll that comes back empty at once is none', async () => {
		const { clock, site, browser } = world();
		site.rules.longpoll = function ({ query }) {
			return this.json(this.page(query, this.start(query), 100));
		};
		const tab = browser.tab(
			{ options: { transports: ['longpoll', 'poll'] } });
		tab.follow('a', { since: '0' });
		await clock.run(60000);
		assert.equal(tab.comet.transport, 'poll');
		assert.ok(site.count('longpoll') < 5);
	});

	test('a long poll that brings messages and says to pause is heard',
	async () => {
		const { clock, site, browser } = world();
		site.rules.longpoll = function ({ query }) {
			site.rules.poll = 'gone';
			return this.json({ degraded: true,
				...this.page(query, this.start(query), 100) },
			{ 'retry-after': '3' });
		};
		const tab = browser.tab(
			{ options: { transports: ['longpoll', 'poll'] } });
		tab.follow('a', { since: '0' });
		for (let i = 0; i < 40; i++) {
			site.publish('a', i);
			await clock.run(250);
		}
		assert.ok(site.count('longpoll') > 0);
		const polled = site.asked.filter((a) => a.what === 'poll').length;
		assert.ok(tab.got.get('a').length > polled, 'heard without a poll');
	});

	const faults = {
		ws: [['refused', 'gone'], ['mute', 'mute']],
		events: [['refused', 'gone'], ['mute', 'mute'], ['hanging', 'hang'],
			['an HTML page', HTML], ['429', page(429)],
			['JSON', { status: 200, headers: JSON_TYPE, body: '{}' }]],
		longpoll: [['refused', 'gone'], ['hanging', 'hang'],
			['an HTML page', HTML], ['504', page(504)],
			['degraded', function ({ query }) {
				return this.json({ degraded: true,
					...this.page(query, this.start(query), 100) },
				{ 'retry-after': '3' });
			}]],
	};
	const next = { ws: 'sse', events: 'longpoll', longpoll: 'poll' };
	const before = { ws: {}, events: { ws: 'gone' },
		longpoll: { ws: 'gone', events: 'gone' } };
	for (const [what, list] of Object.entries(faults))
		for (const [how, rule] of list)
			test(`${what} ${how}: ${next[what]}`, async () => {
				const { clock, site, browser } = world();
				Object.assign(site.rules, before[what], { [what]: rule });
				const tab = browser.tab();
				tab.follow('a', { since: '0' });
				for (let i = 0; i < 60; i++) {
					site.publish('a', i);
					await clock.run(1000);
				}
				assert.equal(tab.comet.transport, next[what]);
				assert.equal(tab.comet.state, 'live');
				await clock.run(4000);
				assertWhole(site, tab);
				assert.deepEqual(tab.all('error'), []);
			});

	test('a stream that opens and then holds its bytes back is not trusted',
	async () => {
		const { clock, site, browser } = world();
		site.rules.ws = 'gone';
		const tab = browser.tab();
		tab.follow('a', { since: '0' });
		await clock.until(() => site.open('events').length > 0);
		await clock.run(30);
		site.mute('events');
		site.publish('a');
		/* a poll brings it, and the grace is over: long before silence */
		await clock.until(() => tab.comet.transport === 'longpoll');
		assert.ok(clock.time - 1_795_000_000_000 < 12000);
		assertWhole(site, tab);
	});

	test('a transport that failed twice in a row rests, up to ten minutes',
	async () => {
		const { clock, site, browser } = world();
		site.rules.ws = 'gone';
		const tab = browser.tab({ options: { transports: ['ws', 'poll'] } });
		tab.follow('a', { since: '0' });
		await clock.run(3 * 3600000);
		const times = site.asked.filter((a) => a.what === 'ws')
			.map((a) => a.at);
		const gaps = times.slice(1).map((t, i) =>
			Math.round((t - times[i]) / 100) / 10);
		assert.deepEqual(gaps.slice(0, 7), [7.5, 30, 60, 120, 240, 480, 600]);
		assert.equal(gaps.at(-1), 600);
	});

	test('a change of network ends the rests', async () => {
		const { clock, site, browser } = world();
		site.rules.ws = 'gone';
		const tab = browser.tab({ options: { transports: ['ws', 'poll'] } });
		tab.follow('a', { since: '0' });
		await clock.run(3600000);
		delete site.rules.ws;
		tab.fire('online');
		await clock.run(200);
		assert.equal(tab.comet.transport, 'ws');
	});

	test('a single transport is forced', async () => {
		for (const [name, what] of [['ws', 'ws'], ['sse', 'events'],
			['longpoll', 'longpoll'], ['poll', 'poll']]) {
			const { clock, site, tab } = await reading({ transports: [name],
				options: { tip: false } });
			site.asked = [];
			site.publish('a');
			await clock.run(60000);
			assert.ok(site.asked.every((a) => a.what === what));
			assertWhole(site, tab);
		}
	});

	test('one that is forced and fails is tried within a minute', async () => {
		const { clock, site, tab } = await reading({ transports: ['ws'] });
		site.rules.ws = 'gone';
		site.cut('ws');
		await clock.run(3600000);
		assert.equal(tab.comet.state, 'connecting');
		assert.equal(tab.comet.transport, null);
		delete site.rules.ws;
		site.publish('a');
		await clock.run(61000);
		assert.equal(tab.comet.transport, 'ws');
		assertWhole(site, tab);
	});

	test('a subscription that comes later joins the stream there is',
	async () => {
		const { clock, site, tab } = await reading();
		site.publish('b', 'before');
		tab.follow('a', { since: '0' }, 'again');
		await clock.run(1000);
		assert.equal(site.count('ws'), 1);
		tab.follow('b', { since: '0' });
		tab.follow('c/*', { since: 'now' });
		await clock.run(1000);
		assert.equal(site.count('ws'), 2);
		assert.equal(site.open('ws').length, 1);
		assert.deepEqual(tab.transports(), ['poll', 'ws']);
		site.publish('b', 'after');
		site.publish('c/1');
		site.publish('a');
		await clock.run(100);
		assert.deepEqual(tab.data('b'), ['before', 'after']);
		assert.equal(tab.data('c/*').length, 1);
		assertWhole(site, tab);
		assert.deepEqual(tab.data('again'), tab.data('a'));
	});

	test('without subscriptions there is no connection', async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab();
		await clock.run(60000);
		assert.equal(site.asked.length, 0);
		const sub = tab.follow('a');
		await clock.until(() => tab.comet.transport === 'ws');
		sub.close();
		await clock.run(100);
		assert.equal(site.open('ws').length, 0);
		site.asked = [];
		await clock.run(600000);
		assert.equal(site.asked.length, 0);
		tab.follow('a', { since: '0' }, 'more');
		site.publish('a');
		await clock.run(200);
		assert.equal(tab.data('more').length, 1);
	});
});

describe('the way down', () => {
	const whats = { ws: 'ws', sse: 'events', longpoll: 'longpoll' };

	for (const [name, what] of Object.entries(whats)) {
		test(`${name} cut: polled at once, with the same cursor`, async () => {
			const { clock, site, tab } = await reading(
				{ transports: [name, 'poll'] });
			await clock.run(100000);
			site.rules[what] = 'gone';
			site.publish('other');
			site.cut(what);
			site.publish('a');
			await clock.run(100);
			assertWhole(site, tab);
			assert.equal(tab.comet.transport, 'poll');
			assert.equal(tab.comet.state, 'live');
			delete site.rules[what];
			await clock.until(() => tab.comet.transport === name, 60000);
		});

		test(`${name} silent: given up after the heartbeat's time`,
		async () => {
			const { clock, site, tab } = await reading(
				{ transports: [name, 'poll'] });
			await clock.run(100000);
			site.rules[what] = what === 'longpoll' ? 'hang' : 'mute';
			site.mute(what);
			site.publish('a');
			const time = await clock.until(() => tab.got.get('a').length === 2);
			assert.ok(time <= 30100, String(time));
			assertWhole(site, tab);
		});
	}

	test('a young stream that turns mute is found out by a poll', async () => {
		const { clock, site, tab } = await reading();
		await clock.run(5000);
		site.mute('ws');
		site.rules.ws = 'mute';
		site.publish('a');
		const time = await clock.until(() => tab.got.get('a').length === 2);
		assert.ok(time < 7000, String(time));
		assert.ok(await clock.until(() => tab.comet.transport === 'poll') < 7000);
		await clock.until(() => tab.comet.transport === 'sse');
	});

	test('who gets visible wants to know whether the stream is alive',
	async () => {
		const { clock, site, tab } = await reading();
		await clock.run(300000);
		site.mute('ws');
		site.publish('a');
		tab.fire('visibilitychange');
		await clock.run(200);
		assertWhole(site, tab);
		await clock.until(() => tab.comet.transport !== 'ws', 3500);
	});

	test('a stream that a proxy mutes again and again is tried ever less, ' +
		'and watched the longer', async () => {
		const { clock, site, tab } = await reading(
			{ transports: ['ws', 'poll'] });
		let latest = 0;
		for (let i = 0; i < 3000; i++) {
			await clock.run(2000);
			for (const held of site.open('ws'))
				held.after && !held.dies &&
					(held.dies = clock.time + 60000);
			for (const held of site.open('ws'))
				held.isMute ||= held.dies < clock.time;
			if (i % 10 === 0) {
				const { time } = site.log.at(-1);
				if (tab.got.get('a').length === site.log.length)
					latest = i;
				else
					assert.ok(clock.time - time > 0);
				site.publish('a');
			}
		}
		assert.ok(latest > 2900);
		assert.ok(site.count('ws') < 40, String(site.count('ws')));
	});

	test('Server-Sent Events that end in good order come back after retry, ' +
		'without a try of anything else', async () => {
		const { clock, site, tab } = await reading(
			{ transports: ['sse', 'longpoll', 'poll'] });
		await clock.run(100000);
		for (let i = 0; i < 5; i++) {
			site.open('events')[0].end(2000);
			site.publish('a');
			await clock.run(60000);
			assertWhole(site, tab);
		}
		assert.equal(site.count('longpoll'), 0);
		assert.equal(site.count('events'), 6);
		assert.equal(tab.comet.transport, 'sse');
	});

	for (const code of [1001, 1013])
		test(`a WebSocket closed with ${code} comes back after a moment`,
		async () => {
			const waits = [];
			for (const draw of [0, 0.5, 0.99]) {
				const { clock, site, tab } = await reading();
				await clock.run(10000);
				site.random = () => draw;
				site.open('ws')[0].end(code);
				site.publish('a');
				await clock.run(1500);
				assertWhole(site, tab);
				waits.push(await clock.until(() => site.count('ws') === 2));
				assert.equal(site.count('events'), 0);
			}
			assert.ok(waits[0] < 500 && waits[2] > 3000, waits.join());
		});

	test('a site that was away is used as before as soon as it is back',
	async () => {
		const { clock, site, tab } = await reading();
		await clock.run(100000);
		for (const what of ['poll', 'ws', 'events', 'longpoll', 'comet-tip'])
			site.rules[what] = 'gone';
		site.cut('ws');
		await clock.run(600000);
		assert.equal(tab.comet.state, 'connecting');
		site.rules = {};
		site.publish('a');
		await clock.run(62000);
		assertWhole(site, tab);
		assert.equal(tab.comet.transport, 'ws');
	});

	test('offline it waits, and is back at once', async () => {
		const { clock, site, tab } = await reading();
		await clock.run(100000);
		for (const what of ['poll', 'ws', 'events', 'longpoll', 'comet-tip'])
			site.rules[what] = 'gone';
		tab.navigator.onLine = false;
		tab.fire('offline');
		await clock.run(10);
		assert.equal(tab.comet.state, 'offline');
		site.cut('ws');
		site.publish('a');
		site.asked = [];
		await clock.run(100000);
		assert.ok(site.asked.length <= 5, String(site.asked.length));
		assert.ok(site.asked.length > 1);
		assert.equal(tab.comet.state, 'offline');
		site.rules = {};
		tab.fire('online');
		await clock.run(200);
		assertWhole(site, tab);
		assert.equal(tab.comet.transport, 'ws');
		assert.deepEqual(tab.all('state').map((d) => d.state),
			['live', 'offline', 'connecting', 'live']);
	});

	test('a browser that says offline in error is not believed for long',
	async () => {
		const { clock, site, tab } = await reading();
		await clock.run(100000);
		tab.fire('offline');
		await clock.run(10);
		assert.equal(tab.comet.state, 'offline');
		site.publish('a');
		await clock.run(30000);
		assertWhole(site, tab);
		assert.equal(tab.comet.state, 'live');
	});

	for (const ms of [120_000, 8 * 3600_000])
		test(`asleep for ${ms / 60000} minutes: it looks at once`, async () => {
			const { clock, site, tab } = await reading();
			await clock.run(100000);
			site.mute('ws');
			clock.sleep(ms);
			site.publish('a');
			await clock.run(5300);
			assertWhole(site, tab);
			assert.equal(tab.comet.transport, 'ws');
		});

	test('the clock set back changes nothing', async () => {
		const { clock, site, tab } = await reading();
		await clock.run(100000);
		clock.sleep(-3600_000);
		await clock.run(6000);
		site.cut('ws');
		site.publish('a');
		await clock.run(200);
		assertWhole(site, tab);
	});

	test('in the browser\'s history it holds nothing; back, it goes on',
	async () => {
		const { clock, site, tab } = await reading();
		tab.fire('pagehide');
		await clock.run(1000);
		assert.equal(site.open('ws').length, 0);
		assert.equal(tab.timers.size, 0);
		site.publish('a');
		tab.fire('pageshow', { persisted: true });
		await clock.run(200);
		assertWhole(site, tab);
		assert.equal(tab.comet.transport, 'ws');
	});
});

describe('gaps', () => {
	const ways = [['poll'], ['ws'], ['sse'], ['longpoll']];

	for (const transports of ways) {
		const [name] = transports;

		test(`${name}: what retention took is told, and the rest comes`,
		async () => {
			const { clock, site, browser } = world();
			for (let i = 1; i <= 20; i++)
				site.publish('a', i);
			site.forget(10);
			const tab = browser.tab({ options: { transports } });
			tab.follow('a', { since: site.cursor(5) });
			tab.follow('a', { since: site.cursor(15) }, 'later');
			await clock.run(20000);
			assert.deepEqual(tab.data('a'),
				[11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
			assert.deepEqual(tab.data('later'), [16, 17, 18, 19, 20]);
			assert.deepEqual(tab.all('gap').map((g) => ({ ...g })),
				[{ cursor: site.cursor(10), pattern: 'a' }]);
		});

		test(`${name}: a new log is told, and its messages come`, async () => {
			const { clock, site, tab } = await reading({ transports });
			for (let i = 0; i < 5; i++)
				site.publish('a', i);
			await clock.run(5000);
			site.replace();
			for (let i = 10; i < 13; i++)
				site.publish('a', i);
			await clock.run(60000);
			site.publish('a', 'end');
			await clock.run(30000);
			assert.deepEqual(tab.data('a').slice(-4), [10, 11, 12, 'end']);
			assert.deepEqual(tab.data('a').slice(0, 6),
				['first', 0, 1, 2, 3, 4]);
			assert.equal(tab.got.get('a').length, 10);
			assert.equal(tab.all('gap').length, 1);
			assert.equal(tab.got.get('a').at(-1).cursor, site.cursor());
		});

		test(`${name}: a cursor of the future is told, and what is kept comes`,
		async () => {
			const { clock, site, browser } = world();
			site.publish('a', 1);
			const tab = browser.tab({ options: { transports } });
			tab.follow('a', { since: site.cursor(99) });
			await clock.run(1000);
			site.publish('a', 2);
			await clock.run(20000);
			assert.deepEqual(tab.data('a'), [1, 2]);
			assert.equal(tab.all('gap').length, 1);
		});
	}

	test('a bare seq has no epoch to compare', async () => {
		const { clock, site, browser } = world();
		for (let i = 1; i <= 3; i++)
			site.publish('a', i);
		const tab = browser.tab();
		tab.follow('a', { since: 2 });
		await clock.run(1000);
		assert.deepEqual(tab.data('a'), [3]);
		assert.deepEqual(tab.all('gap'), []);
	});
});

describe('subscriptions', () => {
	test('a message is the log\'s object, with its cursor', async () => {
		for (const transports of [['poll'], ['ws'], ['sse'], ['longpoll']]) {
			const { clock, site, tab } = await reading({ transports });
			site.publish('a', { deep: ['ü\u2028\u2029', null] },
				{ event: 'heartbeat', id: 'x' });
			site.publish('a', '{"gap":true}', { event: 'gap' });
			await clock.run(5000);
			assert.deepEqual(
				tab.got.get('a').map((m) => JSON.parse(JSON.stringify(m))),
				site.log.map((m) => ({ ...m, cursor: site.cursor(m.seq) })));
			assert.deepEqual(tab.all('gap'), []);
		}
	});

	test('patterns cover what the server\'s cover', async () => {
		const { clock, site, browser } = world();
		const tab = browser.tab({ options: { transports: ['sse'] } });
		const patterns = ['a', 'a/b', '*', '*/*', 'a/*', '*/b', 'a/**', '**',
			'*/**', 'a/*/c', '$in', '$in/*', 'a.c', '(', 'é/*', '💧/**',
			'a/b/**'];
		const channels = ['a', 'a/b', 'a/b/c', 'a/b/c/d', 'b', 'b/b', '$in',
			'$in/x', 'abc', 'a.c', '(', 'é/ü', '💧/x/y', 'a/', '/', 'a//c',
			'a/x\u2028y/c', 'a/$b'];
		for (const pattern of patterns)
			tab.follow(pattern, { since: '0' });
		/* by the stream of all, so that the client tells them apart */
		await clock.until(() => tab.comet.transport === 'sse');
		for (const channel of channels)
			site.publish(channel);
		await clock.run(100);
		for (const pattern of patterns)
			assert.deepEqual(tab.got.get(pattern).map((m) => m.channel),
				channels.filter((c) => covers(pattern, c)), pattern);
	});

	test('a callback that throws breaks its own page only', async () => {
		const { clock, site, tab } = await reading();
		tab.comet.subscribe('a', { since: '0' }, () => {
			throw new Error('mine');
		});
		site.publish('a');
		await clock.run(5000);
		assert.deepEqual(tab.faults.map((e) => e.message), ['mine', 'mine']);
		assert.equal(tab.got.get('a').length, 2);
		assert.equal(tab.comet.transport, 'ws');
	});

	test('a callback may subscribe, close and publish', async () => {
		const { clock, site, tab } = await reading();
		const got = [];
		const sub = tab.comet.subscribe('b', { since: 'now' }, (m) => {
			got.push(m.data);
			sub.close();
			tab.follow('b', { since: m.cursor }, 'more');
			tab.comet.publish('b', m.data + 1);
		});
		await clock.run(1000);
		site.publish('b', 1);
		await clock.run(3000);
		assert.deepEqual(got, [1]);
		assert.deepEqual(tab.data('more'), [2]);
		assert.deepEqual(tab.faults, []);
	});

	test('cursor is where to go on', async () => {
		const { clock, site, tab } = await reading();
		const sub = tab.comet.subscribe('b', () => {});
		assert.equal(sub.cursor, '');
		assert.equal(sub.pattern, 'b');
		await clock.run(1000);
		assert.equal(sub.cursor, site.cursor());
		let within;
		const other = tab.comet.subscribe('b', { since: sub.cursor },
			(m) => { within = [m.cursor, other.cursor]; });
		site.publish('b');
		await clock.run(100);
		assert.deepEqual(within, [site.cursor(), site.cursor()]);
		/* quiet for long, it moves on: resuming stays cheap */
		site.publish('elsewhere');
		await clock.run(15000);
		assert.equal(sub.cursor, site.cursor());
		sub.close();
		site.publish('b');
		await clock.run(15000);
		assert.notEqual(sub.cursor, site.cursor());
	});

	test('iteration gives what is there, waits, and ends', async () => {
		const { clock, site, tab } = await reading();
		const got = [];
		const sub = tab.comet.subscribe('a', { since: '0' });
		site.publish('a', 2);
		await clock.run(100);
		const cursors = [];
		const end = (async () => {
			cursors.push(sub.cursor);
			for await (const message of sub) {
				got.push(message.data);
				cursors.push(sub.cursor);
			}
		})();
		await clock.run(100);
		site.publish('a', 3);
		await clock.run(100);
		site.publish('a', 4);
		await clock.run(100);
		sub.close();
		site.publish('a', 5);
		await end;
		assert.deepEqual(got, ['first', 2, 3, 4]);
		assert.deepEqual(cursors, ['0', ...site.log.slice(0, 4)
			.map((m) => site.cursor(m.seq))]);
	});

	test('leaving an iteration closes its subscription', async () => {
		const { clock, site, tab } = await reading();
		const sub = tab.comet.subscribe('b', { since: '0' });
		site.publish('b', 1);
		site.publish('b', 2);
		await clock.run(100);
		for await (const message of sub) {
			assert.equal(message.data, 1);
			break;
		}
		assert.equal(sub.cursor, site.cursor(2));
		for await (const message of sub)
			assert.equal(message.data, 2);
		site.publish('b', 3);
		await clock.run(100);
		for await (const message of sub)
			assert.fail(JSON.stringify(message));
	});

	test('10,000 messages wait for an iteration; it says so if more come',
	async () => {
		const { clock, site, tab } = await reading();
		const sub = tab.comet.subscribe('b', { since: 'now' });
		await clock.run(100);
		for (let i = 0; i < 10003; i++)
			site.publish('b', i);
		await clock.run(1000);
		let n = 0;
		await assert.rejects(async () => {
			for await (const message of sub)
				assert.equal(message.data, n++);
		}, /10000 messages of b/);
		assert.equal(n, 10000);
		tab.follow('b', { since: sub.cursor });
		await clock.run(1000);
		assert.deepEqual(tab.data('b'), [10000, 10001, 10002]);
	});
});

describe('publishing', () => {
	/* What publish() comes to within ms. */
	async function attempt({ clock, tab }, ms, ...given) {
		const began = clock.time;
		let result = null;
		tab.comet.publish(...given).then(
			(value) => { result = { value, took: clock.time - began }; },
			(error) => { result = { error, took: clock.time - began }; });
		await clock.run(ms);
		return result;
	}

	test('posts the whole, with an id of its own', async () => {
		const all = await reading({ transports: ['poll'] });
		const { site } = all;
		for (const [data, more] of [['text', {}], [{ a: [1] }, {}], [null, {}],
			[0, { event: 'e' }], ['', { id: 'mine' }]]) {
			const { value } = await attempt(all, 100, 'ü/b', data, more);
			const stored = site.log.at(-1);
			assert.deepEqual({ ...value }, { seq: stored.seq,
				cursor: site.cursor(), channel: 'ü/b' });
			assert.deepEqual(stored.data, data);
			assert.equal(stored.event, more.event);
			assert.ok(more.id ? stored.id === more.id : stored.id.length > 15);
		}
		assert.equal(new Set(site.log.map((m) => m.id)).size, site.log.length);
		assert.equal(site.asked.find((a) => a.what === 'publish')
			.headers['Content-Type'], 'application/json');
	});

	test('goes over the WebSocket while there is one', async () => {
		const all = await reading();
		const { value } = await attempt(all, 100, 'b', 1);
		assert.equal(value.seq, 2);
		assert.equal(value.op, undefined);
		assert.equal(all.site.count('publish'), 0);
	});

	test('is stored once, whatever becomes of the answers', async () => {
		const all = await reading({ transports: ['poll'] });
		all.site.rules.publish = 'lose';
		const waiting = attempt(all, 5000, 'b', 1);
		await all.clock.run(3000);
		delete all.site.rules.publish;
		const { value } = await waiting;
		assert.equal(value.duplicate, true);
		assert.equal(all.site.log.filter((m) => m.channel === 'b').length, 1);
		assert.ok(all.site.count('publish') > 2);
	});

	test('goes over HTTP when the WebSocket loses it', async () => {
		for (const how of ['silent', 'cut', 'refuses for now']) {
			const all = await reading();
			const { site, clock } = all;
			if (how === 'silent')
				site.rules.wsPublish = 'lose';
			if (how === 'refuses for now')
				site.rules.wsPublish = { status: 503, title: 'Busy' };
			const waiting = attempt(all, 13000, 'b', 1);
			if (how === 'cut') {
				site.mute('ws');
				site.cut('ws');
			}
			await clock.run(12000);
			const { value } = await waiting;
			assert.equal(value.channel, 'b', how);
			assert.equal(site.log.filter((m) => m.channel === 'b').length, 1);
			assert.equal(site.count('publish'), 1);
		}
	});

	for (const rule of [page(429), page(503), page(502), page(504), page(500),
		HTML, 'gone', 'hang'])
		test(`${rule.status ?? rule} is tried again`, async () => {
			const all = await reading({ transports: ['poll'] });
			all.site.rules.publish = rule;
			const waiting = attempt(all, 29000, 'b', 1);
			await all.clock.run(11000);
			assert.ok(all.site.count('publish') >= 2);
			delete all.site.rules.publish;
			assert.equal((await waiting).value.channel, 'b');
			const ids = all.site.asked.filter((a) => a.what === 'publish')
				.map((a) => JSON.parse(a.body).id);
			assert.equal(new Set(ids).size, 1);
		});

	test('Retry-After is honoured', async () => {
		const all = await reading({ transports: ['poll'] });
		all.site.rules.publish = page(429, { 'retry-after': '20' });
		const waiting = attempt(all, 25000, 'b', 1);
		await all.clock.run(5000);
		delete all.site.rules.publish;
		const { took } = await waiting;
		assert.ok(took >= 20000 && took < 20500, String(took));
		assert.equal(all.site.count('publish'), 2);
	});

	test('ends after publishTimeout, with the last reason', async () => {
		for (const [rule, status] of [['gone', 0], ['hang', 0], [page(503), 503],
			[problem(503, 'the disk is full'), 503]]) {
			const all = await reading({ transports: ['poll'],
				options: { publishTimeout: 15000 } });
			all.site.rules.publish = rule;
			const { error, took } = await attempt(all, 20000, 'b', 1);
			assert.equal(error.status, status);
			assert.ok(error.message.length > 5 && error.detail);
			assert.ok(took <= 15100, String(took));
		}
	});

	for (const [status, rule] of [[400, problem(400, 'no channel')],
		[403, problem(403, 'not you')], [413, problem(413, 'at most 64 KiB')],
		[403, page(403)], [404, page(404)]])
		test(`${status} of ${rule.headers['content-type']} is final`,
		async () => {
			const all = await reading({ transports: ['poll'] });
			all.site.rules.publish = rule;
			const { error } = await attempt(all, 100, 'b', 1);
			assert.equal(error.status, status);
			assert.equal(error.message, error.detail);
			assert.equal(all.site.count('publish'), 1);
		});

	test('what the WebSocket refuses is final, too', async () => {
		const all = await reading();
		all.site.rules.wsPublish = { status: 413, title: 'Too Large',
			detail: 'at most' };
		const { error } = await attempt(all, 100, 'b', 1);
		assert.equal(error.status, 413);
		assert.equal(error.detail, 'at most');
		assert.equal(all.site.count('publish'), 0);
	});

	test('where WebSockets may not publish it is posted', async () => {
		const all = await reading();
		all.site.rules.wsPublish = { status: 403, title: 'Forbidden',
			detail: 'POST them' };
		const { value } = await attempt(all, 5000, 'b', 1);
		assert.equal(value.seq, 2);
		assert.equal(all.site.count('publish'), 1);
		all.site.rules.publish = problem(403, 'not you');
		const { error } = await attempt(all, 5000, 'b', 2);
		assert.equal(error.status, 403);
		assert.equal(error.detail, 'not you');
		assert.equal(all.site.count('publish'), 2);
	});

	test('what JSON cannot carry rejects at once', async () => {
		const all = await reading();
		const ring = {};
		ring.ring = ring;
		const { error } = await attempt(all, 1, 'b', ring);
		assert.match(error.message, /circular/i);
	});

	test('the answer to a publish does not move a subscription on',
	async () => {
		const { clock, site, tab } = await reading();
		await clock.run(1000);
		const [held] = site.open('ws');
		/* the server says ok long after it was given up, before the message */
		site.rules.wsPublish = 'lose';
		tab.comet.publish('other', 1).catch(() => {});
		await clock.run(11000);
		const message = { seq: ++site.seq, channel: 'a', data: 'late', time: 0 };
		held.tell({ op: 'ok', ref: 1, seq: site.seq, cursor: site.cursor() });
		site.log.push(message);
		held.look();
		await clock.run(100);
		assert.equal(tab.data('a').at(-1), 'late');
	});
});

describe('close()', () => {
	const moments = [0, 10, 30, 100, 1000, 20000];

	for (const transports of [['ws', 'sse', 'longpoll', 'poll'], ['poll'],
		['sse'], ['longpoll']])
		for (const hasLocks of [false, true])
			test(`leaves nothing: ${transports}${hasLocks ? ', shared' : ''}`,
			async () => {
				for (const ms of moments) {
					const { clock, site, browser } = world({ hasLocks });
					const tab = browser.tab({ options: { transports } });
					tab.follow('a', { since: '0' });
					const iteration = (async () => {
						for await (const message of tab.comet.subscribe('a'))
							void message;
					})();
					site.rules.publish = 'hang';
					site.rules.wsPublish = 'lose';
					const rejected = assert.rejects(tab.comet.publish('b', 1));
					await clock.run(ms);
					tab.comet.close();
					assert.equal(tab.comet.state, 'closed');
					await iteration;
					await clock.run(0);
					await rejected;
					assert.equal(tab.timers.size, 0);
					assert.equal(site.inFlight.size, 0);
					assert.equal(browser.locked, 0);
					assert.equal(browser.channels.size, 0);
					site.asked = [];
					tab.fire('online');
					tab.fire('pageshow', { persisted: true });
					site.publish('a');
					await clock.run(60000);
					assert.deepEqual(site.asked, []);
					assert.equal(site.held.size, 0);
					assert.deepEqual(tab.data('a'), []);
					assert.deepEqual(tab.faults, []);
					tab.comet.close();
					await assert.rejects(tab.comet.publish('b', 1), /closed/);
					assert.throws(() => tab.comet.subscribe('a'), /closed/);
				}
			});

	test('is told once', async () => {
		const { tab } = await reading();
		tab.comet.close();
		tab.comet.close();
		assert.equal(tab.all('state').filter((d) =>
			d.state === 'closed').length, 1);
	});
});

describe('tabs', () => {
	const shared = { hasLocks: true };

	async function tabs(n, { transport = 'ws', ...options } = {}) {
		const all = world(shared);
		const list = [];
		for (let i = 0; i < n; i++) {
			const tab = all.browser.tab({ options });
			tab.follow('a', { since: '0' });
			list.push(tab);
			await all.clock.run(50);
		}
		await all.clock.until(() =>
			list.every((tab) => tab.comet.transport === transport &&
				tab.comet.state === 'live'));
		return { ...all, tabs: list };
	}

	test('eight have one connection, and all get everything', async () => {
		for (const [transport, what, transports] of [['ws', 'ws'],
			['sse', 'events', ['sse', 'poll']], ['poll', 'poll', ['poll']],
			['longpoll', 'longpoll', ['longpoll', 'poll']]]) {
			const { clock, site, tabs: list } = await tabs(8, { transport,
				...transports && { transports } });
			await clock.run(60000);
			assert.equal(new Set(site.asked.slice(-5)
				.map((a) => a.owner)).size, 1);
			if (transport === 'poll')
				assert.ok(site.count('comet-tip') < 30);
			else
				assert.equal(site.open(what).length, 1);
			for (let i = 0; i < 50; i++)
				site.publish('a');
			await clock.run(5000);
			for (const tab of list)
				assertWhole(site, tab);
		}
	});

	test('each follows what it wants, from where it wants', async () => {
		const { clock, site, browser } = world(shared);
		for (let i = 0; i < 10; i++)
			site.publish(i % 2 ? 'b' : 'a', i);
		const one = browser.tab();
		const two = browser.tab();
		const three = browser.tab({ since: site.cursor(6) });
		one.follow('a', { last: 2 });
		two.follow('b', { since: '0' });
		two.follow('*', { since: 'now' });
		three.follow('a');
		const bad = two.follow('x**/y');
		await clock.run(1000);
		site.publish('a', 'A');
		site.publish('b', 'B');
		await clock.run(5000);
		assert.deepEqual(one.data('a'), [6, 8, 'A']);
		assert.deepEqual(two.data('b'), [1, 3, 5, 7, 9, 'B']);
		assert.deepEqual(two.data('*'), ['A', 'B']);
		assert.deepEqual(three.data('a'), [6, 8, 'A']);
		assert.equal(two.all('error').length, 1);
		assert.equal(one.all('error').length, 0);
		bad.close();
		assert.equal(site.open('ws').length, 1);
	});

	for (const how of ['closed', 'crashed', 'its Comet closed',
		'kept in the history'])
		test(`the leading one ${how}: the next leads, nothing is lost`,
		async () => {
			const { clock, site, tabs: list } = await tabs(4);
			while (list.length > 1) {
				const { owner } = site.open('ws')[0];
				site.publish('a');
				if (how === 'its Comet closed')
					owner.comet.close();
				else if (how === 'kept in the history')
					owner.fire('pagehide');
				else
					owner.close(how === 'crashed');
				site.publish('a');
				await clock.run(200);
				list.splice(list.indexOf(owner), 1);
				for (const tab of list) {
					assertWhole(site, tab);
					assert.equal(tab.comet.transport, 'ws');
				}
				assert.equal(site.open('ws').length, 1);
			}
		});

	test('a tab comes back from the history and gets the rest', async () => {
		const { clock, site, tabs: list } = await tabs(3);
		for (const tab of list) {
			tab.fire('pagehide');
			await clock.run(1000);
			site.publish('a');
			await clock.run(1000);
			tab.fire('pageshow', { persisted: true });
			site.publish('a');
			await clock.run(1000);
			for (const other of list)
				assertWhole(site, other);
			assert.equal(site.open('ws').length, 1);
		}
	});

	test('the leading one freezes: another leads within seconds, and the ' +
		'frozen one follows when it thaws', async () => {
		const { clock, site, tabs: list } = await tabs(4);
		await clock.run(30000);
		const { owner } = site.open('ws')[0];
		owner.freeze();
		site.publish('a');
		await clock.run(9000);
		const awake = list.filter((tab) => tab !== owner);
		for (const tab of awake)
			assertWhole(site, tab);
		site.publish('a');
		await clock.run(60000);
		owner.thaw();
		site.publish('a');
		await clock.run(9000);
		for (const tab of list)
			assertWhole(site, tab);
		await clock.run(30000);
		assert.equal(site.open('ws').length, 1);
		assert.notEqual(site.open('ws')[0].owner, owner);
	});

	test('a following one freezes and thaws', async () => {
		const { clock, site, tabs: list } = await tabs(3);
		const { owner } = site.open('ws')[0];
		const other = list.find((tab) => tab !== owner);
		other.freeze();
		for (let i = 0; i < 20; i++) {
			site.publish('a');
			await clock.run(1000);
		}
		other.thaw();
		await clock.run(5000);
		for (const tab of list)
			assertWhole(site, tab);
		await clock.run(60000);
		assert.equal(site.open('ws').length, 1);
	});

	test('a hidden leader whose timers are late polls when others ask',
	async () => {
		const { clock, site, tabs: list } = await tabs(2,
			{ transport: 'poll', transports: ['poll'] });
		const owner = site.asked.at(-1).owner;
		const other = list.find((tab) => tab !== owner);
		/* from now on no timer of the leader comes in time */
		const { setTimeout } = owner.window;
		owner.window.setTimeout = (act, ms) =>
			setTimeout(act, Math.max(ms, 60000));
		await clock.run(10000);
		site.publish('a');
		await clock.run(8000);
		assertWhole(site, other);
	});

	test('what a tab no longer wants is no longer asked for', async () => {
		const { clock, site, tabs: list } = await tabs(2);
		const sub = list[1].follow('extra', { since: '0' });
		await clock.run(1000);
		assert.ok(site.asked.at(-1).query.getAll('channel').includes('extra'));
		sub.close();
		await clock.run(1000);
		site.asked = [];
		site.cut('ws');
		await clock.run(1000);
		for (const { what, query } of site.asked)
			assert.ok(what === 'comet-tip' ||
				query.getAll('channel').join() === 'a');
	});

	test('each tells state and transport', async () => {
		const { clock, site, tabs: list } = await tabs(3);
		for (const what of ['poll', 'ws', 'events', 'longpoll', 'comet-tip'])
			site.rules[what] = 'gone';
		site.cut('ws');
		await clock.run(5000);
		for (const tab of list)
			assert.equal(tab.comet.state, 'connecting');
		site.rules = {};
		await clock.run(61000);
		for (const tab of list) {
			assert.equal(tab.comet.state, 'live');
			assert.equal(tab.comet.transport, 'ws');
		}
	});

	test('share: false, other options and other bases stand alone',
	async () => {
		const { clock, site, browser } = world(shared);
		for (const options of [{}, { share: false },
			{ transports: ['ws', 'poll'] }])
			browser.tab({ options }).follow('a');
		await clock.run(1000);
		assert.equal(site.open('ws').length, 3);
	});

	test('gaps are told in every tab', async () => {
		const { clock, site, tabs: list } = await tabs(3);
		site.replace();
		site.publish('a', 'anew');
		await clock.run(5000);
		for (const tab of list) {
			assert.equal(tab.all('gap').length, 1);
			assert.equal(tab.data('a').at(-1), 'anew');
		}
	});
});

/*
 * Accidents.  Some tabs follow some patterns while messages are published and
 * all that can break is broken and mended at random.  In the end each of the
 * subscriptions has all from where it began, once, in order.
 */
describe('accidents', () => {
	/* mulberry32 */
	function generator(seed) {
		return () => {
			seed = seed + 0x6d2b79f5 | 0;
			let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
			t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
			return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
		};
	}

	const CHANNELS = ['a', 'b', 'c/1', 'c/2', 'c/1/x', '$in'];
	const PATTERNS = ['a', 'b', 'c/*', 'c/**', '*', '**', '$in', 'c/1'];
	const FAULTS = {
		poll: ['gone', 'hang', HTML, page(503), page(429, { 'retry-after': '7' })],
		events: ['gone', 'hang', 'mute', HTML, page(502)],
		longpoll: ['gone', 'hang', page(504)],
		ws: ['gone', 'mute'],
		'comet-tip': ['gone', HTML, page(404)],
		publish: ['gone', 'lose', page(503)],
	};

	async function run(seed, hasLocks) {
		const random = generator(seed);
		const draw = (list) => list[Math.floor(random() * list.length)];
		const slow = random() < 0.3 ? 2000 : 60;
		const { clock, site, browser } = world({ hasLocks,
			latency: () => 1 + Math.floor(random() * slow) });
		site.random = random;
		const subs = [];
		const tabs = [];
		const open = () => {
			const tab = browser.tab(random() < 0.2 ? { options: { transports:
				[draw(['ws', 'sse', 'longpoll']), 'poll'] } } : {});
			tabs.push(tab);
			return tab;
		};
		const follow = (tab) => {
			const pattern = draw(PATTERNS);
			const seq = Math.floor(random() * (site.seq + 1));
			const name = `${pattern} ${subs.length}`;
			const sub = tab.follow(pattern, { since: site.cursor(seq) }, name);
			subs.push({ tab, sub, pattern, seq, name, isOpen: true });
		};
		const gone = (tab, how) => {
			how();
			for (const s of subs)
				if (s.tab === tab)
					s.isOpen = false;
			tabs.splice(tabs.indexOf(tab), 1);
		};
		const wanted = [];
		const accidents = [
			() => follow(draw(tabs)),
			() => tabs.length < 5 && follow(open()),
			() => {
				const s = draw(subs);
				s.sub.close();
				s.isOpen = false;
			},
			() => {
				const what = draw(Object.keys(FAULTS));
				site.rules[what] = draw(FAULTS[what]);
			},
			() => { site.rules = {}; },
			() => { site.rules = {}; },
			() => site.cut(draw(['ws', 'events', 'longpoll'])),
			() => site.mute(draw(['ws', 'events', 'longpoll'])),
			() => ['ws', 'events', 'longpoll'].forEach((w) => site.mute(w)),
			() => site.open('events')[0]?.end(),
			() => site.open('ws')[0]?.end(draw([1001, 1013, 1006, 1000])),
			() => clock.sleep(draw([20000, 100000, 3600000])),
			() => draw(tabs).fire(draw(['online', 'offline',
				'visibilitychange'])),
			() => {
				const tab = draw(tabs);
				tab.fire('pagehide');
				clock.set(() => tab.fire('pageshow', { persisted: true }),
					random() * 20000);
			},
			() => {
				const tab = draw(tabs);
				tab.freeze();
				clock.set(() => tab.thaw(), random() * 60000);
			},
			() => {
				if (tabs.length < 2)
					return;
				const tab = draw(tabs);
				gone(tab, () => random() < 0.5 ?
					tab.close(random() < 0.5) : tab.comet.close());
			},
			() => {
				const text = `mine ${wanted.length}`;
				wanted.push(draw(tabs).comet.publish(draw(CHANNELS), text)
					.then(() => text, () => null));
			},
		];
		follow(open());
		for (let i = 0; i < 120; i++) {
			for (let n = Math.floor(random() * 6); n > 0; n--)
				site.publish(draw(CHANNELS));
			await clock.run(random() * draw([50, 1000, 10000, 60000]));
			if (random() < 0.7)
				draw(accidents)();
		}
		site.rules = {};
		await clock.run(1000);
		for (const tab of tabs)
			tab.fire('online');
		await clock.run(120000);
		for (const channel of CHANNELS)
			site.publish(channel, 'end');
		await clock.run(60000);

		for (const { tab, pattern, seq, name, isOpen } of subs) {
			const got = tab.got.get(name).map((m) => m.seq);
			const all = site.log.filter((m) => m.seq > seq &&
				covers(pattern, m.channel)).map((m) => m.seq);
			/* a closed one has the beginning of it */
			assert.deepEqual(got, isOpen ? all : all.slice(0, got.length),
				name);
		}
		for (const tab of tabs) {
			assert.deepEqual(tab.faults, []);
			assert.deepEqual(tab.all('gap'), []);
			assert.deepEqual(tab.all('error'), []);
			if (subs.some((s) => s.tab === tab && s.isOpen))
				assert.equal(tab.comet.state, 'live');
		}
		const texts = site.log.map((m) => m.data);
		for (const text of await Promise.all(wanted.map((w) => Promise.race([w,
			clock.settle()]))))
			if (text)
				assert.equal(texts.filter((t) => t === text).length, 1, text);
	}

	for (const hasLocks of [false, true])
		test(`each message once and in order, ${hasLocks ? 'shared' : 'alone'}`,
		async () => {
			const first = Number(process.env.COMETLOG_TEST_SEED || 1);
			const runs = Number(process.env.COMETLOG_TEST_RUNS || 10);
			for (let seed = first; seed < first + runs; seed++)
				await run(seed, hasLocks).catch((e) => {
					e.message = `COMETLOG_TEST_SEED=${seed}: ${e.message}`;
					throw e;
				});
		});
});

describe('what is given away', () => {
	const client = (...args) => spawnSync(process.execPath,
		[path.join(ROOT, 'scripts/client.mjs'), ...args],
		{ cwd: ROOT, encoding: 'utf8' });

	test('the classic build is current, and the client small enough', () => {
		const { status, stdout, stderr } = client('check');
		assert.equal(status, 0, stdout + stderr);
	});

	test('the classic build leaves window.Comet and nothing else', () => {
		const window = { EventTarget, URL, CustomEvent: Event };
		vm.runInNewContext('globalThis.window = globalThis;\n' +
			fs.readFileSync(path.join(ROOT, 'www/comet.classic.js'), 'utf8'),
		window);
		assert.deepEqual(Object.keys(window).sort(),
			['Comet', 'CustomEvent', 'EventTarget', 'URL', 'window']);
		assert.equal(typeof window.Comet.cursorOf, 'function');
	});

	test('pack makes a package that npm takes', (t) => {
		const folder = temporaryFolder();
		t.after(() => remove(folder));
		const { status, stderr } = client('pack', folder);
		assert.equal(status, 0, stderr);
		const about = JSON.parse(fs.readFileSync(
			path.join(folder, 'package.json'), 'utf8'));
		assert.match(fs.readFileSync(path.join(ROOT, 'configure.ac'), 'utf8'),
			new RegExp(`AC_INIT\\(\\[cometlog\\], \\[${about.version}\\]`));
		for (const file of [...about.files, about.types, about.main])
			assert.ok(fs.existsSync(path.join(folder, file)), file);
		const pack = spawnSync('npm', ['pack', '--dry-run', '--json',
			'--offline'], { cwd: folder, encoding: 'utf8' });
		assert.equal(pack.status, 0, pack.stderr);
		assert.deepEqual(JSON.parse(pack.stdout)[0].files
			.map((f) => f.path).sort(), ['LICENSE', 'README.md',
			'comet.classic.js', 'comet.d.ts', 'comet.js', 'comet.min.js',
			'package.json']);
	});
});
