/*
 * A Bayeux client that says exactly what it is told and keeps every answer, for
 * what the stock clients never send: over HTTP to the web server, straight to
 * a worker, over callback-polling, or over a WebSocket.
 *
 * A way is a function: messages to the answer's messages.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import vm from 'node:vm';
import {
	environment, fcgiExchange, get, optionEnvironment, post, PROGRAM, Queue,
	remove, run, temporaryFolder, until, within,
} from './harness.mjs';
import { closeFrame, frame, OP, upgraded } from './websocket.mjs';

/* ---- ways ---- */

const JSON_TYPE = 'application/json';

/* What the answer's array is, with the headers as `headers` of it. */
function arrayOf(answer) {
	assert.equal(answer.status, 200, answer.text);
	const all = answer.json ?? JSON.parse(answer.text);
	assert.ok(Array.isArray(all), answer.text);
	return Object.assign(all, { headers: answer.headers });
}

export const overHttp = (demo, place = '/bayeux') =>
	async (messages, { headers, limit } = {}) =>
		arrayOf(await post(demo, place, JSON_TYPE, JSON.stringify(messages),
			{ headers, limit }));

/* As a script in a page would see it. */
export function calledWith(text, name = 'jsonpcallback') {
	const calls = [];
	const { owner, member } = /^(?:(?<owner>\w+)\.)?(?<member>\w+)$/
		.exec(name).groups;
	const call = (all) => calls.push(all);
	vm.runInNewContext(text, owner === undefined ? { [member]: call } :
		{ [owner]: { [member]: call } });
	assert.equal(calls.length, 1, text);
	return JSON.parse(JSON.stringify(calls[0]));
}

export const overCallback = (demo, jsonp = 'jsonpcallback') =>
	async (messages, { headers, limit } = {}) => {
		const answer = await get(demo, '/bayeux',
			{ message: JSON.stringify(messages), jsonp }, { headers, limit });
		assert.equal(answer.status, 200, answer.text);
		return Object.assign(calledWith(answer.text, jsonp),
			{ headers: answer.headers, text: answer.text });
	};

/* Straight to the worker that listens there. */
export const overFcgi = (where) => async (messages, { headers = {}, limit } = {}) =>
	arrayOf(await fcgiExchange(where, 'POST', '/bayeux', {
		body: JSON.stringify(messages), limit: limit ?? 15000,
		variables: { CONTENT_TYPE: JSON_TYPE, ...Object.fromEntries(
			Object.entries(headers).map(([name, value]) =>
				['HTTP_' + name.toUpperCase().replaceAll('-', '_'), value])) },
	}));

/* ---- a session as its client has it ---- */

export class Client {
	#ids = 0;
	clientId = undefined;
	cookie = undefined;
	ack = undefined;        /* the latest connect reply's, if asked for */
	events = [];            /* all of them, as they came */
	others = [];            /* replies to nothing that was asked */

	constructor(way) {
		this.way = way;
	}

	/* A message with its id and the session. */
	message(channel, fields = {}) {
		return { channel, id: String(++this.#ids), clientId: this.clientId,
			...fields };
	}

	/* Sends them; all replies, in their order. */
	async send(messages, options = {}) {
		const headers = { ...this.cookie === undefined ? {} :
			{ Cookie: `BAYEUX_BROWSER=${this.cookie}` }, ...options.headers };
		const all = await this.way(messages, { ...options, headers });
		this.headers = all.headers;
		const replies = all.filter((m) => 'successful' in m);
		this.events.push(...all.filter((m) => !('successful' in m)));
		return replies;
	}

	/* Sends one; its reply. */
	async tell(channel, fields, options) {
		const message = this.message(channel, fields);
		const replies = await this.send([message], options);
		assert.equal(replies.length, 1, JSON.stringify(replies));
		assert.equal(replies[0].channel, channel);
		assert.equal(replies[0].id, message.id);
		return replies[0];
	}

	async handshake(fields = {}, options) {
		const reply = await this.tell('/meta/handshake', { version: '1.0',
			supportedConnectionTypes: ['long-polling', 'callback-polling',
				'websocket'], clientId: undefined, ...fields }, options);
		const cookies = [this.headers?.['set-cookie'] ?? []].flat();
		for (const one of cookies)
			this.cookie = /^BAYEUX_BROWSER=(\w+)/.exec(one)[1];
		this.clientId = reply.clientId;
		if (fields.ext?.ack)
			this.ack = 0;
		return reply;
	}

	connectMessage(fields = {}) {
		return this.message('/meta/connect', { connectionType: 'long-polling',
			...this.ack === undefined ? {} : { ext: { ack: this.ack } },
			...fields });
	}

	/* One connect; its reply, with the events that came before it. */
	async connect(fields = {}, options) {
		const before = this.events.length;
		const message = this.connectMessage(fields);
		const replies = await this.send([message], options);
		const reply = replies.find((m) => m.id === message.id);
		assert.ok(reply, JSON.stringify(replies));
		if (this.ack !== undefined && reply.successful)
			this.ack = reply.ext.ack;
		return { ...reply, events: this.events.slice(before) };
	}

	/* One that is answered at once. */
	poll(fields = {}, options) {
		return this.connect({ advice: { timeout: 0 }, ...fields }, options);
	}

	subscribe(subscription, ext) {
		return this.granted('/meta/subscribe', { subscription, ext });
	}

	unsubscribe(subscription) {
		return this.granted('/meta/unsubscribe', { subscription });
	}

	async granted(channel, fields) {
		const reply = await this.tell(channel, fields);
		assert.equal(reply.successful, true, JSON.stringify(reply));
		return reply;
	}

	publish(channel, data, ext) {
		return this.granted(channel, { data, ext });
	}

	disconnect() {
		return this.tell('/meta/disconnect');
	}

	/* Handshake, the first connect, subscriptions. */
	async open(subscription, ext) {
		const reply = await this.handshake({ ext });
		assert.equal(reply.successful, true, JSON.stringify(reply));
		await this.connect();
		if (subscription !== undefined)
			await this.subscribe(subscription);
		return this;
	}

	/* Connects until so many events have come since the client was made, or
	   since the last `events = []`; the data of all. */
	async received(n) {
		while (this.events.length < n)
			assert.equal((await this.connect()).successful, true);
		return this.data;
	}

	get data() { return this.events.map((m) => m.data); }
}

/* ---- over a WebSocket ---- */

/* A Client's way, and what comes unasked. */
export class Wire {
	#asked = new Map();
	unasked = new Queue();

	constructor(socket) {
		this.socket = socket;
		this.over = this.#read();
	}

	static async open(where, target, options) {
		return new Wire(await upgraded(where, target, options));
	}

	async #read() {
		for (let one; (one = await this.socket.message(Infinity));)
			for (const m of [JSON.parse(one.text)].flat())
				this.#take(m);
		this.unasked.end();
		for (const { fail } of this.#asked.values())
			fail(new Error(`closed (${this.socket.closeCode}) unanswered`));
	}

	#take(m) {
		const asked = 'successful' in m ? this.#asked.get(m.id) : undefined;
		if (asked === undefined) {
			this.unasked.push(m);
			return;
		}
		this.#asked.delete(m.id);
		asked.done(m);
	}

	tell(value) {
		this.socket.send(frame(OP.TEXT, JSON.stringify(value)));
	}

	/* Way of a Client: events are left in `unasked`. */
	get way() {
		return async (messages, { limit = 15000 } = {}) => {
			const all = Promise.all(messages.map(({ id }) =>
				new Promise((done, fail) =>
					this.#asked.set(id, { done, fail }))));
			all.catch(() => {});
			this.tell(messages);
			return within(all, limit, 'the replies');
		};
	}

	/* The next event. */
	next(limit) { return this.unasked.next(limit, 'an event'); }

	async close() {
		this.socket.send(closeFrame(1000));
		await within(this.over, 10000, 'the answer to a Close');
		this.socket.leave();
	}

	leave() { this.socket.leave(); }
}

/* ---- another worker on the demo's log ---- */

class Worker {
	constructor(demo, job, folder) {
		this.demo = demo;
		this.job = job;
		this.folder = folder;
		this.socket = path.join(folder, 'worker.sock');
	}

	get way() { return overFcgi(this.socket); }

	async get(target) {
		return fcgiExchange(this.socket, 'GET', target);
	}

	async stop() {
		this.job.child.kill('SIGTERM');
		try {
			return await within(this.job.done, 20000, 'the worker\'s end');
		} finally {
			remove(this.folder);
		}
	}
}

export async function startWorker(demo, options = {}) {
	const folder = temporaryFolder();
	const socket = path.join(folder, 'worker.sock');
	const job = run(PROGRAM, ['--log', demo.log, '--socket', socket],
		{ env: environment(optionEnvironment(options)) });
	const worker = new Worker(demo, job, folder);
	await until(async () => job.exited || (await worker.get('/status')).status,
		{ limit: 20000, what: 'another worker' });
	assert.ok(!job.exited, job.stderr);
	return worker;
}

/* How many answers a process holds: of `metrics`, the text of its figures. */
export const heldOf = (metrics) =>
	Number(/^cometlog_held (\d+)$/m.exec(metrics)[1]);

/* Waits until the demo's one worker, or that other one, holds so many. */
export const holds = (n, { demo, worker }) => until(async () => heldOf(
	(worker ? await worker.get('/metrics') : await get(demo, '/metrics')).text)
	=== n, { what: `${n} held answers` });
