/*
 * A WebSocket client that sends whatever a test wants (RFC 6455), with
 * permessage-deflate (RFC 7692), and that takes nothing from a server but
 * what these allow; and the daemon alone, without a web server before it.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import zlib from 'node:zlib';
import {
	environment, isAlive, optionEnvironment, Queue, remove, run,
	temporaryFolder, until, within, WSD,
} from './harness.mjs';

/* ---- frames, as a client sends them ---- */

export const OP = {
	CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10,
};
export const RSV1 = 4;

/* lengthBits: 7, 16 or 64, whatever the length; length: what is said, if not
   the truth. */
function lengthBytes(length, lengthBits) {
	const n = BigInt(length);
	const bits = lengthBits ?? (n < 126n ? 7 : n < 65536n ? 16 : 64);
	if (bits === 7)
		return Buffer.from([Number(n)]);
	const bytes = Buffer.alloc(bits === 16 ? 3 : 9);
	bytes[0] = bits === 16 ? 126 : 127;
	if (bits === 16)
		bytes.writeUInt16BE(Number(n), 1);
	else
		bytes.writeBigUInt64BE(n, 1);
	return bytes;
}

function masked(payload, mask) {
	const all = Buffer.from(payload);
	for (let i = 0; i < all.length; i++)
		all[i] ^= mask[i & 3];
	return all;
}

/* mask: four bytes, or null for a frame that isn't masked. */
export function frame(opcode, payload = '', {
	fin = true, rsv = 0, mask = crypto.randomBytes(4), length, lengthBits,
} = {}) {
	const body = Buffer.from(payload);
	const said = lengthBytes(length ?? body.length, lengthBits);
	if (mask !== null)
		said[0] |= 0x80;
	return Buffer.concat([
		Buffer.from([(fin ? 0x80 : 0) | rsv << 4 | opcode]), said,
		mask ?? Buffer.alloc(0), mask === null ? body : masked(body, mask),
	]);
}

export function closeBody(code, reason = '') {
	const bytes = Buffer.from(reason);
	return Buffer.concat([Buffer.from([code >> 8, code & 255]), bytes]);
}

export const closeFrame = (code, reason) => frame(OP.CLOSE,
	code === undefined ? '' : closeBody(code, reason));

/* A message in frames with these payloads; more: whether another follows. */
export function fragments(opcode, payloads, { rsv = 0 } = {}) {
	return payloads.map((payload, i) =>
		frame(i ? OP.CONTINUATION : opcode, payload, {
			fin: i === payloads.length - 1, rsv: i ? 0 : rsv,
		}));
}

/* Bytes in pieces of n. */
export function pieces(bytes, n) {
	const all = [];
	for (let at = 0; at < bytes.length; at += n)
		all.push(bytes.subarray(at, at + n));
	return all.length ? all : [bytes];
}

/* ---- permessage-deflate ---- */

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
const { Z_FINISH, Z_FULL_FLUSH, Z_SYNC_FLUSH } = zlib.constants;

/* One message's compressed payload (RFC 7692, 7.2.1). */
export function deflate(data, options = {}) {
	const bytes = zlib.deflateRawSync(data,
		{ ...options, finishFlush: Z_SYNC_FLUSH });
	assert.deepEqual(bytes.subarray(-4), TAIL);
	return bytes.subarray(0, -4);
}

/* The same in a last block, BFINAL (7.2.3.4). */
export function deflateFinal(data) {
	return Buffer.concat([
		zlib.deflateRawSync(data, { finishFlush: Z_FINISH }),
		Buffer.from([0]),
	]);
}

/* About n MiB of zeros in as many KiB. */
export function bomb(n) {
	const whole = zlib.deflateRawSync(Buffer.alloc(1 << 20),
		{ finishFlush: Z_FULL_FLUSH });
	return Buffer.concat(Array.from({ length: n }, () => whole))
		.subarray(0, -4);
}

/* A window other than the message itself is looked at only when output is
   taken in small pieces: then a distance beyond it is an error. */
export function inflate(payload, windowBits = 15) {
	return zlib.inflateRawSync(Buffer.concat([payload, TAIL]), {
		finishFlush: Z_SYNC_FLUSH, windowBits,
		...windowBits < 15 ? { chunkSize: 64 } : {},
	});
}

/* ---- a connection ---- */

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export const acceptOf = (key) =>
	crypto.createHash('sha1').update(key + GUID).digest('base64');

/* What a browser would send; a header given as undefined is left out, one
   given as an array is sent so many times. */
export function opening(target, { headers = {}, method = 'GET',
	version = 'HTTP/1.1', key = crypto.randomBytes(16).toString('base64'),
} = {}) {
	const all = {
		'Host': 'site.test', 'Upgrade': 'websocket',
		'Connection': 'Upgrade', 'Sec-WebSocket-Key': key,
		'Sec-WebSocket-Version': '13', ...headers,
	};
	let text = `${method} ${target} ${version}\r\n`;
	for (const [name, value] of Object.entries(all))
		for (const one of [value].flat())
			if (one !== undefined)
				text += `${name}: ${one}\r\n`;
	return text + '\r\n';
}

function parsedHead(text) {
	const [first, ...lines] = text.split('\r\n');
	const start = /^HTTP\/1\.1 (\d{3}) [ -~]*$/.exec(first);
	assert.ok(start, `no status line: ${first}`);
	const headers = {};
	for (const line of lines) {
		const pair = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/
			.exec(line);
		assert.ok(pair, `no header: ${line}`);
		const name = pair[1].toLowerCase();
		headers[name] = name in headers ?
			`${headers[name]}, ${pair[2]}` : pair[2];
	}
	return { status: Number(start[1]), headers };
}

/* Chunks come in; takes so many bytes when they are there. */
class Bytes {
	#chunks = [];
	length = 0;

	push(chunk) {
		this.#chunks.push(chunk);
		this.length += chunk.length;
	}

	#joined(n) {
		if (this.#chunks.length > 1 && this.#chunks[0].length < n)
			this.#chunks = [Buffer.concat(this.#chunks)];
		return this.#chunks[0] ?? Buffer.alloc(0);
	}

	/* Up to n bytes, which stay there. */
	peek(n) {
		return this.#joined(Math.min(n, this.length)).subarray(0, n);
	}

	take(n) {
		const all = this.#joined(n);
		this.length -= n;
		if (all.length === n)
			this.#chunks.shift();
		else
			this.#chunks[0] = all.subarray(n);
		return all.subarray(0, n);
	}
}

/*
 * A connection.  `status` and `headers` are the answer to the opening; after
 * 101 frames are taken apart as they come.  What a server must not send ends
 * it with an error, which the next wait throws.
 *
 * The other side's end of TCP doesn't end this one's: who closed is seen.
 */
export class Socket {
	#bytes = new Bytes();
	#frames = new Queue();
	#head = null;
	#isClosing = false;
	#open = null;           /* a fragmented message */

	closeCode = undefined;  /* of the server's Close; 1005: it gave none */
	closeReason = '';
	fault = null;
	pings = 0;

	constructor(where) {
		this.socket = net.connect({ ...where, allowHalfOpen: true });
		this.socket.setNoDelay(true);
		this.opened = new Promise((done) => { this.#head = done; });
		this.socket.on('data', (chunk) => this.#receive(chunk));
		this.ended = new Promise((done) => {
			const over = (how) => {
				this.ending ??= how;
				this.#frames.end(this.fault);
				this.#head?.(null);
				done(this.ending);
			};
			this.socket.on('end', () => {
				over('end');
				/* what a failed test forgets holds nothing up */
				this.socket.unref();
			});
			this.socket.on('error', (e) => over(e.code));
			this.socket.on('close', () => over('left'));
		});
	}

	send(...all) {
		if (this.socket.writable)
			this.socket.write(all.length === 1 ? all[0] :
				Buffer.concat(all.map((one) => Buffer.from(one))));
	}

	/* Each byte in a write of its own. */
	async trickle(bytes) {
		for (const byte of bytes) {
			if (this.ending !== undefined)
				return;
			this.send(Buffer.from([byte]));
			await new Promise((done) => setImmediate(done));
		}
	}

	pauseReading() { this.socket.pause(); }
	resumeReading() { this.socket.resume(); }

	/* Leaves without a word. */
	leave() {
		this.socket.destroy();
	}

	#receive(chunk) {
		this.#bytes.push(chunk);
		if (this.status === undefined && !this.#receiveHead())
			return;
		if (this.status !== 101)
			return void (this.body = this.#bytes.peek(1 << 20)
				.toString('utf8'));
		try {
			while (this.#receiveFrame());
		} catch (e) {
			this.fault = e;
			this.leave();
		}
	}

	#receiveHead() {
		const text = this.#bytes.peek(65536).toString('latin1');
		const n = text.indexOf('\r\n\r\n');
		if (n < 0)
			return false;
		Object.assign(this, parsedHead(text.slice(0, n)));
		this.#bytes.take(n + 4);
		this.agreed = agreed(this.headers['sec-websocket-extensions']);
		this.#head(this);
		this.#head = null;
		return true;
	}

	#receiveFrame() {
		const head = this.#bytes.peek(10);
		if (head.length < 2)
			return false;
		const form = head[1] & 127;
		const headLength = form < 126 ? 2 : form === 126 ? 4 : 10;
		if (head.length < headLength)
			return false;
		const n = form < 126 ? form : form === 126 ?
			head.readUInt16BE(2) : Number(head.readBigUInt64BE(2));
		const one = { fin: head[0] >> 7 === 1, rsv: head[0] >> 4 & 7,
			opcode: head[0] & 15 };
		assert.equal(head[1] >> 7, 0, 'a server masks nothing');
		assert.ok(n >= (headLength === 2 ? 0 : headLength === 4 ? 126 : 65536),
			'lengths are minimal');
		if (this.#bytes.length < headLength + n)
			return false;
		this.#bytes.take(headLength);
		one.payload = n ? this.#bytes.take(n) : Buffer.alloc(0);
		this.#checkFrame(one);
		this.#frames.push(one);
		return true;
	}

	#checkFrame({ fin, rsv, opcode, payload }) {
		assert.ok(!this.#isClosing, 'nothing follows a Close');
		assert.ok(Object.values(OP).includes(opcode), `opcode ${opcode}`);
		if (opcode >= 8) {
			assert.ok(fin && payload.length < 126 && rsv === 0,
				'a control frame is whole, short and plain');
		} else {
			assert.equal(opcode === 0, this.#open !== null,
				'fragments follow each other');
			this.#open = fin ? null : this;
			assert.ok(rsv === 0 || rsv === RSV1 && opcode !== 0 &&
				this.agreed !== null, `RSV ${rsv}`);
		}
		if (opcode === OP.CLOSE) {
			this.#isClosing = true;
			assert.notEqual(payload.length, 1);
			this.closeCode = payload.length ? payload.readUInt16BE(0) : 1005;
			this.closeReason = new TextDecoder('utf-8', { fatal: true })
				.decode(payload.subarray(2));
		}
	}

	/* The next frame; undefined when the connection has ended. */
	frame(limit) { return this.#frames.next(limit, 'a frame'); }

	/* The next message { text } or { binary }, and isDeflated.  On the way it
	   answers pings.  undefined after a Close or the connection's end. */
	async message(limit) {
		let kind = null;
		const parts = [];
		for (;;) {
			const one = await this.frame(limit);
			if (one === undefined || one.opcode === OP.CLOSE)
				return undefined;
			if (one.opcode >= 8) {
				this.pings += one.opcode === OP.PING;
				if (one.opcode === OP.PING)
					this.send(frame(OP.PONG, one.payload));
				continue;
			}
			kind ??= one;
			parts.push(one.payload);
			if (one.fin)
				return this.#whole(kind, parts);
		}
	}

	#whole(kind, parts) {
		const isDeflated = kind.rsv === RSV1;
		let data = parts.length === 1 ? parts[0] : Buffer.concat(parts);
		if (isDeflated)
			data = inflate(data, this.agreed.windowBits);
		if (kind.opcode === OP.BINARY)
			return { binary: data, isDeflated };
		return { isDeflated,
			text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
				.decode(data) };
	}

	/* Waits for the server's Close, which is answered, and for its end of TCP,
	   which this side doesn't begin; gives the code.  Data before the Close is
	   passed over. */
	async closed({ limit = 10000, isAnswered = true } = {}) {
		for (;;) {
			const one = await this.frame(limit);
			if (one === undefined || one.opcode === OP.CLOSE)
				break;
		}
		if (this.closeCode !== undefined && isAnswered)
			this.send(frame(OP.CLOSE));
		await within(this.ended, limit, 'the end of TCP');
		this.leave();
		return this.closeCode;
	}
}

/* As an answer may have it (RFC 7692, 7.1). */
const PARAMETER = new RegExp('^(?:((?:server|client)_no_context_takeover)|' +
	'((?:server|client)_max_window_bits)=([89]|1[0-5]))$');

/* What was agreed on, as the answer's header says; null: nothing. */
function agreed(header) {
	if (header === undefined)
		return null;
	const [name, ...parameters] = header.split(/\s*;\s*/);
	assert.equal(name, 'permessage-deflate');
	const values = new Map();
	for (const parameter of parameters) {
		const [, takeover, window, bits] = PARAMETER.exec(parameter) ?? [];
		const kind = takeover ?? window;
		assert.ok(kind && !values.has(kind), header);
		values.set(kind, bits);
	}
	return { values, windowBits: Number(
		values.get('server_max_window_bits') ?? 15) };
}

/* Opens target; whatever the answer. */
export async function connect(where, target, options = {}) {
	const socket = new Socket(where);
	socket.send(opening(target, options));
	await within(socket.opened, 10000, `the answer to ${target}`);
	return socket;
}

/* The same where an upgrade is due. */
export async function upgraded(where, target, options = {}) {
	const key = options.key ?? crypto.randomBytes(16).toString('base64');
	const socket = await connect(where, target, { ...options, key });
	assert.equal(socket.status, 101, socket.body);
	assert.equal(socket.headers['sec-websocket-accept'], acceptOf(key));
	return socket;
}

/* The answer to an opening that is refused, the whole of it. */
export async function refused(where, target, options = {}) {
	const socket = await connect(where, target, options);
	if (socket.status !== 101)
		await within(socket.ended, 10000, 'the end of the answer');
	socket.leave();
	const { status, headers, body = '' } = socket;
	return { status, headers, text: body,
		json: /json/.test(headers?.['content-type']) ? JSON.parse(body) :
			undefined };
}

/* ---- the daemon alone ---- */

class Daemon {
	constructor(job, folder, where) {
		this.job = job;
		this.folder = folder;
		this.where = where;
		this.pid = job.child.pid;
		this.log = path.join(folder, 'log.db');
	}

	get isAlive() { return isAlive(this.pid); }

	/* Most memory it ever had since resetPeak(), in KiB. */
	peakKib() {
		return Number(/^VmHWM:\s+(\d+)/m.exec(
			fs.readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1]);
	}

	resetPeak() {
		fs.writeFileSync(`/proc/${this.pid}/clear_refs`, '5');
	}

	async stop(signal = 'SIGTERM') {
		if (!this.job.exited)
			this.job.child.kill(signal);
		try {
			return await within(this.job.done, 20000, 'the daemon\'s end');
		} catch (e) {
			this.job.child.kill('SIGKILL');
			throw e;
		} finally {
			remove(this.folder);
		}
	}
}

export async function startDaemon(options = {}, args = []) {
	const folder = temporaryFolder();
	const where = { path: path.join(folder, 'wsd.sock') };
	const job = run(WSD, ['--log', path.join(folder, 'log.db'),
		'--socket', where.path, ...args],
	{ env: environment(optionEnvironment(options)) });
	const daemon = new Daemon(job, folder, where);
	const ready = until(() => job.exited || refused(where, '/',
		{ headers: { Upgrade: undefined } }).then((a) => a.status),
	{ limit: 20000, what: 'the daemon to listen' });
	await ready.catch(async (e) => {
		await daemon.stop().catch(() => {});
		throw e;
	});
	assert.ok(!job.exited, `the daemon ended: ${job.stderr}`);
	return daemon;
}

/* ---- the program's own language over it ---- */

/*
 * Ops: each with a ref gets its answer, the rest (messages, gaps) comes in its
 * order from next().  Reads all the time, unless paused.
 */
class Session {
	#asked = new Map();
	#rest = new Queue();
	#refs = 0;
	#why = null;            /* nothing is answered any more */
	heartbeats = [];
	received = 0;           /* frames, of any kind */
	deflated = 0;           /* of them */

	constructor(socket) {
		this.socket = socket;
		this.over = this.#read().then(() => this.#end(null),
			(e) => this.#end(e));
	}

	async #read() {
		for (let one; (one = await this.socket.message(Infinity));) {
			this.received++;
			this.deflated += one.isDeflated;
			this.#take(JSON.parse(one.text));
		}
	}

	#take(one) {
		assert.equal(typeof one.op, 'string');
		const asked = this.#asked.get(one.ref);
		if (asked !== undefined) {
			this.#asked.delete(one.ref);
			return asked.done(one);
		}
		if (one.op === 'heartbeat')
			this.heartbeats.push(one.cursor);
		else
			this.#rest.push(one);
	}

	#end(error) {
		this.#why = error ??
			new Error(`closed (${this.socket.closeCode}) unanswered`);
		for (const { fail } of this.#asked.values())
			fail(this.#why);
		this.#asked.clear();
		this.#rest.end(error);
	}

	tell(op) {
		this.socket.send(frame(OP.TEXT, JSON.stringify(op)));
	}

	/* The answer to op, whatever it is.  ref is put in. */
	ask(op, limit = 15000) {
		const ref = ++this.#refs;
		if (this.#why !== null)
			return Promise.reject(this.#why);
		const answer = new Promise((done, fail) =>
			this.#asked.set(ref, { done, fail }));
		answer.catch(() => {});
		this.tell({ ...op, ref });
		return within(answer, limit, `the answer to ${op.op}`);
	}

	/* The same where it must be granted. */
	async granted(op, limit) {
		const answer = await this.ask(op, limit);
		assert.equal(answer.op, 'ok', JSON.stringify(answer));
		return answer;
	}

	subscribe(channel, rest = {}) {
		return this.granted({ op: 'subscribe', channel, ...rest });
	}

	unsubscribe(channel) {
		return this.granted({ op: 'unsubscribe', channel });
	}

	publish(channel, data, rest = {}) {
		return this.granted({ op: 'publish', channel, data, ...rest });
	}

	/* The next message, gap or answer without ref. */
	next(limit) { return this.#rest.next(limit, 'what comes next'); }

	async messages(n, limit) {
		const all = [];
		while (all.length < n) {
			const one = await this.next(limit);
			assert.equal(one?.op, 'message', `${all.length} of ${n} came, ` +
				`then ${JSON.stringify(one)} (${this.socket.closeCode})`);
			all.push(one);
		}
		return all;
	}

	/* What came so far and was not asked for.  After an answer this is all
	   that went before it. */
	arrived() { return this.#rest.drain(); }

	/* Everything that was said before this is there then. */
	async settle() {
		const answer = await this.ask({ op: 'ping' });
		assert.equal(answer.op, 'pong');
		return this.arrived();
	}

	async close(code = 1000) {
		this.socket.send(closeFrame(code));
		await within(this.over, 10000, 'the answer to a Close');
		this.socket.leave();
		return this.socket.closeCode;
	}

	leave() { this.socket.leave(); }
}

export async function session(where, target, options) {
	return new Session(await upgraded(where, target, options));
}
