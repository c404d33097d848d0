/*
 * What the system tests stand on: the demo as a child process, clients that
 * read each technique as its standard says, a FastCGI client that can also
 * write nonsense, and waits that are bounded.
 *
 * Every wait ends on an event or on an observed condition; the bounds are only
 * there so that a failure is a failure and not a hang.  COMETLOG_TEST_SLOW
 * multiplies them (a sanitizer build wants 4 or so).
 *
 * COMETLOG_TEST_DEMO, COMETLOG_TEST_PROGRAM and COMETLOG_TEST_WSD name another
 * demo, worker and WebSocket daemon than ./demo, build/cometlog.fcgi and the
 * cometlog-wsd beside that.
 */
import { spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

export const SLOW = Number(process.env.COMETLOG_TEST_SLOW || 1);
export const ms = (n) => n * SLOW;
export const ROOT = path.resolve(
	path.dirname(fileURLToPath(import.meta.url)), '../..');
export const DEMO = process.env.COMETLOG_TEST_DEMO || path.join(ROOT, 'demo');
export const PROGRAM = process.env.COMETLOG_TEST_PROGRAM ||
	path.join(ROOT, 'build/cometlog.fcgi');
export const WSD = process.env.COMETLOG_TEST_WSD ||
	path.join(path.dirname(PROGRAM), 'cometlog-wsd');

/* ---- waits ---- */

/* The value of promise, or an error that says what did not come. */
export async function within(promise, limit, what = 'an answer') {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(
			new Error(`${what} did not come within ${ms(limit)} ms`)),
		ms(limit));
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

export const pause = (n) => new Promise((done) => setTimeout(done, n));

/* Asks fn again and again until it gives something true, which is the result.
   What it throws counts as "not yet" and is told when time is up. */
export async function until(fn, { limit = 10000, every = 20, what = '' } = {}) {
	const end = Date.now() + ms(limit);
	let last;
	for (;;) {
		try {
			last = await fn();
			if (last)
				return last;
		} catch (e) {
			last = e;
		}
		if (Date.now() > end)
			throw new Error(`${what || fn} did not hold within ` +
				`${ms(limit)} ms; last: ${last instanceof Error ?
					last.stack : JSON.stringify(last)}`);
		await pause(every);
	}
}

/* Runs body, and so long as it runs, again(who, i) over and over, width times
   side by side. */
export async function meanwhile(width, again, body) {
	let isOver = false;
	const loops = Array.from({ length: width }, async (_, who) => {
		for (let i = 0; !isOver; i++)
			await again(who, i);
	});
	loops.forEach((loop) => loop.catch(() => {}));
	try {
		await body();
	} finally {
		isOver = true;
		await Promise.allSettled(loops);
	}
	await Promise.all(loops);
}

/* A queue between a producer that is pushed and a consumer that awaits. */
export class Queue {
	#items = [];
	#wake = new EventEmitter();
	#over = null;

	push(item) {
		this.#items.push(item);
		this.#wake.emit('change');
	}

	/* error: null for a proper end. */
	end(error = null) {
		if (this.#over === null) {
			this.#over = { error };
			this.#wake.emit('change');
		}
	}

	get isOver() { return this.#over !== null; }

	/* The next item; undefined at a proper end.  limit: Infinity, too. */
	async next(limit = 10000, what = 'the next item') {
		while (this.#items.length === 0) {
			if (this.#over !== null) {
				if (this.#over.error !== null)
					throw this.#over.error;
				return undefined;
			}
			const change = new Promise((done) =>
				this.#wake.once('change', done));
			await (limit === Infinity ? change :
				within(change, limit, what));
		}
		return this.#items.shift();
	}

	/* Everything that came in so far. */
	drain() {
		return this.#items.splice(0);
	}
}

/* ---- processes ---- */

const started = new Set();
process.on('exit', () => {
	for (const child of started)
		child.kill('SIGTERM');
});

/* The environment for what is tested: without the tests' own settings, which
   the worker would take for options. */
export function environment(extra = {}) {
	const env = { ...process.env };
	for (const name of Object.keys(env))
		if (name.startsWith('COMETLOG'))
			delete env[name];
	return { ...env, ...extra };
}

/* { retain: 'x' } as the environment has it. */
export function optionEnvironment(options) {
	return Object.fromEntries(Object.entries(options).map(([name, value]) =>
		['COMETLOG_' + name.toUpperCase().replaceAll('-', '_'),
			String(value)]));
}

/* A child with its output collected; done resolves to { code, signal }. */
export function run(file, args = [], { env, input, cwd, fd0 } = {}) {
	const child = spawn(file, args, {
		env: env ?? environment(), cwd,
		stdio: [fd0 ?? 'pipe', 'pipe', 'pipe'],
	});
	started.add(child);
	const job = { child, stdout: '', stderr: '', bytes: [] };
	child.stdout.on('data', (d) => {
		job.bytes.push(d);
		job.stdout += d;
	});
	child.stderr.on('data', (d) => { job.stderr += d; });
	job.exited = false;
	job.done = new Promise((done, fail) => {
		child.on('error', fail);
		child.on('close', (code, signal) => {
			started.delete(child);
			job.exited = true;
			done({ code, signal });
		});
	});
	job.done.catch(() => {});
	if (child.stdin !== null) {
		child.stdin.on('error', () => {});
		if (input !== null)
			child.stdin.end(input);
	}
	return job;
}

/* The same, to its end. */
export async function runToEnd(file, args, options = {}) {
	const job = run(file, args, options);
	const end = await within(job.done, options.limit ?? 20000,
		`the end of ${path.basename(file)}`).catch((e) => {
		job.child.kill('SIGKILL');
		throw new Error(`${e.message}\n${job.stdout}\n${job.stderr}`);
	});
	return { ...end, stdout: job.stdout, stderr: job.stderr,
		bytes: Buffer.concat(job.bytes) };
}

export function isAlive(pid) {
	try {
		process.kill(pid, 0);
	} catch {
		return false;
	}
	const stat = readIfThere(`/proc/${pid}/stat`);
	return stat !== null && !/\) [ZX]/.test(stat);
}

function readIfThere(file) {
	try {
		return fs.readFileSync(file, 'utf8');
	} catch {
		return null;
	}
}

/* Processes whose parents' chain leads to pid, and pid. */
export function descendants(pid) {
	const parents = new Map();
	for (const name of fs.readdirSync('/proc').filter((n) => /^\d+$/.test(n))) {
		const stat = readIfThere(`/proc/${name}/stat`);
		if (stat !== null)
			parents.set(Number(name),
				Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]));
	}
	const found = new Set([pid]);
	for (let size = 0; size !== found.size;) {
		size = found.size;
		for (const [child, parent] of parents)
			if (found.has(parent))
				found.add(child);
	}
	return [...found];
}

/* KiB of the process: its share of resident memory. */
export function memoryKib(pid) {
	const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
	return Number(/^Pss:\s+(\d+)/m.exec(text)[1]);
}

/* Sanitizers keep what was freed, and reserve terabytes of addresses. */
export function isSanitized(pid) {
	const text = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
	return Number(/^VmSize:\s+(\d+)/m.exec(text)[1]) > 2 ** 31;
}

export async function freePort() {
	const server = net.createServer();
	await new Promise((done, fail) => {
		server.on('error', fail);
		server.listen(0, '127.0.0.1', done);
	});
	const { port } = server.address();
	await new Promise((done) => server.close(done));
	return port;
}

export function temporaryFolder() {
	return fs.mkdtempSync(path.join(os.tmpdir(), 'cl-'));
}

export function remove(folder) {
	fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/* ---- the demo ---- */

class Demo {
	constructor(job, state, ownsState) {
		this.job = job;
		this.state = state;
		this.ownsState = ownsState;
		this.log = path.join(state, 'cometlog.db');
		this.runDir = path.join(state, 'run');
	}

	/* Where the program is mapped: B of the contract. */
	get base() { return '/comet'; }

	/* { 'web': 12, 'worker-1': 13 } as the pid files say just now. */
	pids() {
		const pids = {};
		for (const file of fs.readdirSync(this.runDir)) {
			const text = readIfThere(path.join(this.runDir, file));
			if (file.endsWith('.pid') && /^\d+\s*$/.test(text ?? ''))
				pids[file.slice(0, -4)] = Number(text);
		}
		return pids;
	}

	workers() {
		return Object.fromEntries(Object.entries(this.pids())
			.filter(([name]) => /^worker-\d+$/.test(name)));
	}

	sockets() {
		return fs.readdirSync(this.runDir)
			.filter((name) => /^worker.*\.sock$/.test(name))
			.map((name) => path.join(this.runDir, name));
	}

	/* Kills the process whose pid file has that name; its pid. */
	kill9(name) { return this.signal(name, 'SIGKILL'); }

	signal(name, signal) {
		const pid = this.pids()[name];
		if (pid === undefined)
			throw new Error(`there is no ${name}.pid`);
		process.kill(pid, signal);
		return pid;
	}

	/* Waits until another process has that name. */
	async replaced(name, pid) {
		return until(() => {
			const now = this.pids()[name];
			return now !== undefined && now !== pid && isAlive(now) && now;
		}, { what: `a new ${name}` });
	}

	async killWorkers(signal = 'SIGKILL') {
		const old = Object.entries(this.workers());
		for (const [name] of old)
			this.signal(name, signal);
		for (const [name, pid] of old)
			await this.replaced(name, pid);
	}

	/* Ends the demo and gives its exit; keepState for a restart. */
	async stop({ signal = 'SIGTERM', keepState = false } = {}) {
		if (!this.job.exited)
			this.job.child.kill(signal);
		try {
			return await within(this.job.done, 20000,
				'the end of the demo');
		} catch (e) {
			this.job.child.kill('SIGKILL');
			throw e;
		} finally {
			if (this.ownsState && !keepState)
				remove(this.state);
		}
	}
}

/* The demo as a client of another address of the loopback sees it. */
export const seenFrom = (demo, localAddress) =>
	Object.assign(Object.create(demo), { localAddress });

/* Starts the demo with these options of the worker; it serves when this returns. */
export async function startDemo({
	workers = 2, options = {}, env = {}, state, port, server,
} = {}) {
	const folder = state ?? temporaryFolder();
	const args = ['--port', String(port ?? await freePort()),
		'--state', folder, '--workers', String(workers),
		...server === undefined ? [] : ['--server', server]];
	const job = run(DEMO, args, {
		env: environment({ ...optionEnvironment(options), ...env }),
		cwd: ROOT,
	});
	const demo = new Demo(job, folder, state === undefined);
	const ready = until(() => {
		if (job.exited)
			return true;
		return /^ready (\S+)\n/m.test(job.stdout);
	}, { limit: 60000, what: 'the demo to be ready' });
	await ready.catch(async (e) => {
		await demo.stop().catch(() => {});
		throw new Error(`${e.message}\n${job.stderr}`);
	});
	const line = /^ready (\S+)\n/m.exec(job.stdout);
	if (line === null)
		throw new Error(`the demo ended: ${job.stderr}${job.stdout}`);
	demo.url = line[1];
	demo.port = Number(new URL(demo.url).port);
	return demo;
}

/* ---- HTTP ---- */

/* One request on a connection of its own, the whole answer.
   json is the parsed body where the type says JSON. */
export function request(demo, method, target, {
	headers = {}, body, limit = 15000, agent = false,
} = {}) {
	/* Node says no length by itself with methods that rarely have a body. */
	const length = body === undefined ? {} :
		{ 'Content-Length': Buffer.byteLength(body) };
	return within(new Promise((done, fail) => {
		const req = http.request({
			host: '127.0.0.1', port: demo.port, path: target, method,
			headers: { ...length, ...headers }, agent,
			localAddress: demo.localAddress,
		}, (res) => {
			const parts = [];
			res.on('data', (d) => parts.push(d));
			res.on('error', fail);
			res.on('end', () => {
				if (!res.complete)
					fail(new Error('the answer was cut off'));
				else
					done(answerOf(res, Buffer.concat(parts)));
			});
		});
		req.on('error', fail);
		req.end(body);
	}), limit, `the answer to ${method} ${target.slice(0, 100)}`);
}

function answerOf(res, sent) {
	const bytes = sent.length > 0 &&
		res.headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(sent) : sent;
	const answer = { status: res.statusCode, headers: res.headers, bytes,
		text: bytes.toString('utf8'), json: undefined };
	answer.bySite = answer.status === 400 &&
		/^text\/html/.test(res.headers['content-type']) &&
		/^lighttpd/.test(res.headers.server);
	if (bytes.length > 0 &&
		/^application\/(problem\+)?json/.test(res.headers['content-type']))
		answer.json = JSON.parse(answer.text);
	return answer;
}

export function query(values) {
	const pairs = [];
	for (const [name, value] of Object.entries(values))
		for (const one of Array.isArray(value) ? value : [value])
			pairs.push(`${name}=${encodeURIComponent(one)}`);
	return pairs.length ? '?' + pairs.join('&') : '';
}

export function get(demo, place, values = {}, options = {}) {
	return request(demo, 'GET', demo.base + place + query(values), options);
}

export function post(demo, place, type, body, options = {}) {
	const headers = { ...options.headers };
	if (type !== null)
		headers['Content-Type'] = type;
	return request(demo, 'POST', demo.base + place,
		{ ...options, headers, body });
}

const pathOf = (channel) =>
	channel.split('/').map(encodeURIComponent).join('/');

/* Publishes text as text/plain; the answer's object.  Throws unless stored. */
export async function publish(demo, channel, data, values = {}, options = {}) {
	const answer = await post(demo,
		`/publish/${pathOf(channel)}${query(values)}`,
		'text/plain', data, options);
	if (answer.status !== 201)
		throw new Error(`publish: ${answer.status} ${answer.text}`);
	return answer.json;
}

/* Publishes objects { channel, data, ... } in one request. */
export async function publishAll(demo, messages) {
	const answer = await post(demo, '/publish', 'application/x-ndjson',
		messages.map((m) => JSON.stringify(m) + '\n').join(''));
	if (answer.status !== 201)
		throw new Error(`publish: ${answer.status} ${answer.text}`);
	return answer.json;
}

/* Every kept message of these channels, page by page. */
export async function history(demo, channel, since = '0') {
	const all = [];
	for (let cursor = since; ;) {
		const { status, json, text } = await get(demo, '/poll',
			{ channel, since: cursor, limit: 1000 });
		if (status !== 200)
			throw new Error(`poll: ${status} ${text}`);
		all.push(...json.messages);
		if (!json.more)
			return all;
		cursor = json.cursor;
	}
}

/* What is told of every channel. */
export async function channelList(demo) {
	const { status, json, text } = await get(demo, '/channels');
	if (status !== 200)
		throw new Error(`channels: ${status} ${text}`);
	return Array.isArray(json) ? json : json.channels;
}

/* The newest cursor. */
export async function newestCursor(demo) {
	const { json } = await get(demo, '/poll', { channel: '**', limit: 0 });
	return json.cursor;
}

let names = 0;

/* A channel that no other test uses. */
export const fresh = (name = 'room') => `${name}-${process.pid}-${++names}`;

/* ---- held answers ---- */

/* An answer that goes on: its head now, its body as it comes.  How it ended is
   in `ending`: 'complete' (as HTTP says it), 'cut' or 'left' (by us). */
export class Held {
	#queue = new Queue();
	#req;

	constructor(demo, target, headers, decoder) {
		this.ending = null;
		this.decoder = decoder;
		this.finished = new Promise((done) => { this.over = done; });
		this.opened = new Promise((done, fail) => {
			this.#req = http.request({
				host: '127.0.0.1', port: demo.port, path: target,
				headers, agent: false, localAddress: demo.localAddress,
			}, (res) => {
				this.#receive(res);
				done(this);
			});
			this.#req.on('error', (e) => {
				fail(e);
				this.#end('cut');
			});
			this.#req.end();
		});
		this.opened.catch(() => {});
	}

	#receive(res) {
		this.res = res;
		this.status = res.statusCode;
		this.headers = res.headers;
		this.text = '';
		const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
		const take = (text) => {
			/* an error's page is no stream */
			if (this.decoder === null || this.status !== 200)
				this.text += text;
			else
				this.decoder.take(text, (item) => this.#queue.push(item));
		};
		res.on('data', (d) => take(utf8.decode(d, { stream: true })));
		res.on('error', () => {});
		res.on('close', () => this.#end(res.complete ? 'complete' : 'cut'));
	}

	#end(how) {
		this.ending ??= how;
		this.#queue.end();
		this.over(this.ending);
	}

	/* The next event, line or call; undefined once the answer ended. */
	next(limit, what) { return this.#queue.next(limit, what); }

	/* The next that is a message: neither heartbeat nor gap. */
	async nextMessage(limit) {
		for (;;) {
			const item = await this.next(limit, 'a message');
			if (item === undefined || this.decoder.isMessage(item))
				return item;
		}
	}

	async nextMessages(n, limit) {
		const all = [];
		while (all.length < n) {
			const item = await this.nextMessage(limit);
			if (item === undefined)
				throw new Error(`the answer ended (${this.ending}) ` +
					`after ${all.length} of ${n} messages`);
			all.push(item);
		}
		return all;
	}

	received() { return this.#queue.drain(); }

	async *[Symbol.asyncIterator]() {
		for (let item; (item = await this.next()) !== undefined;)
			yield item;
	}

	/* Stops and goes on reading from the socket. */
	pauseReading() { this.res.pause(); }
	resumeReading() { this.res.resume(); }

	close() {
		this.ending ??= 'left';
		this.#req.destroy();
		this.#queue.end();
		this.over(this.ending);
	}
}

async function hold(demo, place, values, headers, decoder, options = {}) {
	const held = new Held(demo, demo.base + place + query(values), headers,
		decoder);
	await within(held.opened, options.limit ?? 10000,
		`the head of ${place}`);
	return held;
}

/*
 * text/event-stream as the HTML Living Standard, 9.2.5 and 9.2.6, has it.
 * Events: { type, data, id }.  lastEventId and retry are what a browser holds.
 */
export class EventStreamDecoder {
	#line = '';
	#afterCr = false;
	#atStart = true;
	#data = '';
	#type = '';
	#idBuffer = '';
	lastEventId = '';
	retry = undefined;
	retries = [];
	comments = [];
	raw = '';

	isMessage(event) {
		return event.type !== 'heartbeat' && event.type !== 'gap';
	}

	take(text, emit) {
		this.raw += text;
		if (this.raw.length > 1 << 20)
			this.raw = this.raw.slice(-1024);
		if (this.#atStart && text.length > 0) {
			this.#atStart = false;
			if (text[0] === '\ufeff')
				text = text.slice(1);
		}
		let from = 0;
		for (let i = 0; i < text.length; i++) {
			const c = text[i];
			if (c === '\n' && this.#afterCr) {
				this.#afterCr = false;
				from = i + 1;
				continue;
			}
			this.#afterCr = c === '\r';
			if (c !== '\n' && c !== '\r')
				continue;
			this.#endLine(this.#line + text.slice(from, i), emit);
			this.#line = '';
			from = i + 1;
		}
		this.#line += text.slice(from);
	}

	#endLine(line, emit) {
		if (line === '')
			return this.#dispatch(emit);
		const colon = line.indexOf(':');
		if (colon === 0)
			return void this.comments.push(line.slice(1));
		const field = colon < 0 ? line : line.slice(0, colon);
		let value = colon < 0 ? '' : line.slice(colon + 1);
		if (value[0] === ' ')
			value = value.slice(1);
		this.#field(field, value);
	}

	#field(field, value) {
		if (field === 'event') {
			this.#type = value;
		} else if (field === 'data') {
			this.#data += value + '\n';
		} else if (field === 'id') {
			if (!value.includes('\0'))
				this.#idBuffer = value;
		} else if (field === 'retry' && /^[0-9]+$/.test(value)) {
			this.retry = Number(value);
			this.retries.push(this.retry);
		}
	}

	#dispatch(emit) {
		this.lastEventId = this.#idBuffer;
		const data = this.#data;
		const type = this.#type || 'message';
		this.#data = this.#type = '';
		if (data !== '')
			emit({ type, data: data.slice(0, -1), id: this.lastEventId });
	}
}

export function openEvents(demo, values, { headers = {}, ...rest } = {}) {
	return hold(demo, '/events', values,
		{ Accept: 'text/event-stream', ...headers },
		new EventStreamDecoder(), rest);
}

/* A line, an object.  A rest without its line end is no line. */
class LineDecoder {
	#rest = '';

	isMessage(item) {
		return item.heartbeat === undefined && item.gap === undefined;
	}

	take(text, emit) {
		const lines = (this.#rest + text).split('\n');
		this.#rest = lines.pop();
		for (const line of lines)
			emit(JSON.parse(line));
	}
}

export function openLines(demo, values, { headers = {}, ...rest } = {}) {
	return hold(demo, '/stream', { format: 'ndjson', ...values }, headers,
		new LineDecoder(), rest);
}

/* The body as it is, in held.text. */
export function openText(demo, place, values, { headers = {}, ...rest } = {}) {
	return hold(demo, place, values, headers, null, rest);
}

/* ---- bytes over a socket ---- */

/* A connection that sends exactly what it is told. */
export class Raw {
	constructor(where) {
		this.socket = net.connect(where);
		this.bytes = Buffer.alloc(0);
		this.isClosed = false;
		this.changed = new EventEmitter();
		this.changed.setMaxListeners(0);
		this.socket.on('error', (e) => { this.error = e; });
		this.socket.on('data', (d) => {
			this.bytes = Buffer.concat([this.bytes, d]);
			this.changed.emit('change');
		});
		this.closed = new Promise((done) => this.socket.on('close', () => {
			this.isClosed = true;
			this.changed.emit('change');
			done();
		}));
		this.socket.on('end', () => {
			this.isEnded = true;
			this.changed.emit('change');
		});
	}

	send(bytes) {
		return new Promise((done) => {
			if (this.socket.destroyed)
				done(false);
			else
				this.socket.write(bytes, (e) => done(!e));
		});
	}

	get text() { return this.bytes.toString('latin1'); }

	/* Waits until test(this) holds or the other side closed. */
	async wait(test, limit = 10000, what = 'bytes') {
		const end = Date.now() + ms(limit);
		while (!test(this) && !this.isClosed)
			await within(new Promise((done) =>
				this.changed.once('change', done)),
			Math.max(1, end - Date.now()) / SLOW, what);
		return test(this);
	}

	close() {
		this.socket.destroy();
	}
}

/* Sends bytes to the web server and gives everything it says until it closes
   (say "Connection: close"). */
export async function rawHttp(demo, bytes, limit = 10000) {
	const raw = new Raw({ host: '127.0.0.1', port: demo.port });
	raw.send(bytes);
	await within(raw.closed, limit, 'the end of a raw exchange');
	return raw.bytes;
}

/* ---- FastCGI, from the web server's side ---- */

export const FCGI = {
	BEGIN: 1, ABORT: 2, END: 3, PARAMS: 4, STDIN: 5, STDOUT: 6, STDERR: 7,
	DATA: 8, GET_VALUES: 9, GET_VALUES_RESULT: 10, UNKNOWN: 11,
	RESPONDER: 1, AUTHORIZER: 2, FILTER: 3,
};

export function record(type, id, content = '', {
	version = 1, padding = 0, length, reserved = 0,
} = {}) {
	const body = Buffer.from(content);
	const head = Buffer.alloc(8);
	head[0] = version;
	head[1] = type;
	head.writeUInt16BE(id, 2);
	head.writeUInt16BE(length ?? body.length, 4);
	head[6] = padding;
	head[7] = reserved;
	return Buffer.concat([head, body, Buffer.alloc(padding)]);
}

export function begin(id = 1, role = FCGI.RESPONDER, flags = 0) {
	return record(FCGI.BEGIN, id,
		Buffer.from([role >> 8, role & 255, flags, 0, 0, 0, 0, 0]));
}

function pairLength(n, isLong) {
	if (n < 128 && !isLong)
		return Buffer.from([n]);
	const four = Buffer.alloc(4);
	four.writeUInt32BE((n | 0x80000000) >>> 0);
	return four;
}

export function pair(name, value, isLong = false) {
	const n = Buffer.from(name);
	const v = Buffer.from(value);
	return Buffer.concat([pairLength(n.length, isLong),
		pairLength(v.length, isLong), n, v]);
}

function decoded(place) {
	try {
		return decodeURIComponent(place);
	} catch {
		return place;
	}
}

/* What a web server says of a request. */
export function cgiVariables(method, target, extra = {}) {
	const [place, ...rest] = target.split('?');
	return {
		GATEWAY_INTERFACE: 'CGI/1.1', SERVER_PROTOCOL: 'HTTP/1.1',
		SERVER_SOFTWARE: 'test', SERVER_NAME: '127.0.0.1',
		SERVER_PORT: '80', REMOTE_ADDR: '127.0.0.1', REMOTE_PORT: '9',
		REQUEST_METHOD: method, SCRIPT_NAME: '/comet',
		SCRIPT_FILENAME: '/nowhere/comet', PATH_INFO: decoded(place),
		REQUEST_URI: '/comet' + target, QUERY_STRING: rest.join('?'),
		...extra,
	};
}

/* The bytes of one whole request. */
export function fcgiRequest(method, target, {
	id = 1, body = '', variables = {}, flags = 0,
} = {}) {
	const bytes = Buffer.from(body);
	const all = cgiVariables(method, target, {
		...bytes.length || method === 'POST' ?
			{ CONTENT_LENGTH: String(bytes.length) } : {},
		...variables,
	});
	const params = Buffer.concat(
		Object.entries(all).map(([n, v]) => pair(n, v)));
	const parts = [begin(id, FCGI.RESPONDER, flags)];
	for (let at = 0; at < params.length; at += 65535)
		parts.push(record(FCGI.PARAMS, id, params.subarray(at, at + 65535)));
	parts.push(record(FCGI.PARAMS, id));
	for (let at = 0; at < bytes.length; at += 65535)
		parts.push(record(FCGI.STDIN, id, bytes.subarray(at, at + 65535)));
	parts.push(record(FCGI.STDIN, id));
	return Buffer.concat(parts);
}

/* A connection to a worker. */
export class Fcgi extends Raw {
	constructor(where) {
		super(typeof where === 'string' ? { path: where } : where);
	}

	/* The whole records that came back. */
	records() {
		const all = [];
		for (let at = 0; at + 8 <= this.bytes.length;) {
			const n = this.bytes.readUInt16BE(at + 4);
			const next = at + 8 + n + this.bytes[at + 6];
			if (next > this.bytes.length)
				break;
			all.push({ version: this.bytes[at], type: this.bytes[at + 1],
				id: this.bytes.readUInt16BE(at + 2),
				content: this.bytes.subarray(at + 8, at + 8 + n) });
			at = next;
		}
		return all;
	}

	get stdout() {
		return Buffer.concat(this.records()
			.filter((r) => r.type === FCGI.STDOUT)
			.map((r) => r.content)).toString('utf8');
	}

	get isAnswered() {
		return this.records().some((r) => r.type === FCGI.END);
	}

	/* The answer of the one request that was sent: status, headers, body. */
	async answer(limit = 10000) {
		await this.wait(() => this.isAnswered, limit, 'END_REQUEST');
		if (!this.isAnswered)
			throw new Error('closed without END_REQUEST');
		return cgiAnswer(this.stdout);
	}
}

export async function fcgiExchange(where, method, target, options = {}) {
	const connection = new Fcgi(where);
	connection.send(fcgiRequest(method, target, options));
	try {
		return await connection.answer(options.limit);
	} finally {
		connection.close();
	}
}

/* What a CGI program printed. */
export function cgiAnswer(text) {
	const split = /\r?\n\r?\n/.exec(text);
	if (split === null)
		throw new Error(`no head in ${JSON.stringify(text.slice(0, 200))}`);
	const headers = {};
	for (const line of text.slice(0, split.index).split(/\r?\n/)) {
		const colon = line.indexOf(':');
		headers[line.slice(0, colon).toLowerCase()] =
			line.slice(colon + 1).trim();
	}
	const body = text.slice(split.index + split[0].length);
	return { status: parseInt(headers.status ?? '200', 10), headers,
		text: body, get json() { return JSON.parse(body); } };
}

/* ---- other programs ---- */

/* Runs SQL in the sqlite3 shell on the demo's log. */
export async function sqlite(demo, sql) {
	return runToEnd('sqlite3', ['-bail', '-cmd', '.timeout 5000', demo.log],
		{ input: sql });
}

/* The stock EventSource client of npm, or null where it is not installed. */
export function stockEventSource() {
	try {
		return createRequire(import.meta.url)('eventsource').EventSource;
	} catch {
		return null;
	}
}

/* ---- assertions that several files share ---- */

/* An error as RFC 9457 has it, with a detail that says something. */
export function assertProblem(assert, answer, status) {
	assert.equal(answer.status, status, answer.text);
	/* lighttpd itself refuses control characters and broken UTF-8 in a URL */
	if (answer.bySite)
		return answer.text;
	assert.match(answer.headers['content-type'] ?? '',
		/^application\/problem\+json\b/);
	const problem = answer.json;
	assert.equal(typeof problem.detail, 'string', answer.text);
	assert.ok(problem.detail.length > 5, problem.detail);
	assert.equal(problem.status, status);
	assert.equal(typeof problem.title, 'string');
	return problem.detail;
}

export const CURSOR = /^(0|[1-9]\d*)\.[0-9a-f]{8}$/;
export const seqOf = (cursor) => Number(cursor.split('.')[0]);
export const epochOf = (cursor) => cursor.split('.')[1];

/* The same place in a log of another epoch. */
export function inOtherEpoch(cursor) {
	const epoch = (parseInt(epochOf(cursor), 16) ^ 1) >>> 0;
	return `${seqOf(cursor)}.${epoch.toString(16).padStart(8, '0')}`;
}

/*
 * That an address with control characters or without UTF-8 is refused: by the
 * web server in its own words (lighttpd lets no such address through), and by
 * the worker, where a web server does, with a problem.
 */
export async function assertBadAddress(assert, demo, method, target,
	type = 'text/plain', body = method === 'POST' ? 'x' : undefined) {
	const front = await request(demo, method, demo.base + target,
		{ headers: method === 'POST' ? { 'Content-Type': type } : {}, body });
	assert.equal(front.status, 400, target);
	const behind = await fcgiExchange(demo.sockets()[0], method, target,
		{ body: body ?? '', variables: { CONTENT_TYPE: type } });
	assertProblem(assert, behind, 400);
}
