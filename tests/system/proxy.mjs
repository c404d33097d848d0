/*
 * A faulty HTTP and WebSocket proxy in front of the demo, as a client meets
 * them in the wild.  What it does wrong can be changed while it runs:
 *
 *   proxy.websocket  'pass'
 *                    403, 502 or the like: refuses the upgrade with that
 *                    'strip': passes the request on without its Upgrade
 *                    { bytes: N } or { ms: N }: carries nothing down after
 *                    that, and ends nothing either
 *   proxy.stream     'pass'
 *                    'buffer': keeps the whole body back until its end
 *                    'hold': the head as well
 *                    { bytes: N } or { ms: N }: carries nothing after that
 *   proxy.delay      ms before any request is passed on
 *
 * and for single requests, in the order in which they were asked for:
 *
 *   proxy.answer(path, answer, times)  answers by itself: { status, headers,
 *                                      body }
 *   proxy.lose(path, times)            passes the request on and cuts the
 *                                      connection instead of answering
 *
 * A stream is an answer whose type says so: Server-Sent Events, NDJSON.
 *
 *   proxy.cut()        ends every connection at once
 *   proxy.blackhole()  what is held carries nothing from now on, without an end
 *   proxy.stop(), proxy.start()  as if the server was gone, and back
 *
 * proxy.seen has a record of each exchange: { method, path, query, since,
 * status, bytes (of the answer's body), chunks, isUpgrade, isOpen }.
 */
import http from 'node:http';
import { EventEmitter } from 'node:events';
import { within } from './harness.mjs';

const HOP = new Set(['connection', 'keep-alive', 'transfer-encoding',
	'upgrade', 'te', 'trailer', 'proxy-connection']);
const STREAM = /^(text\/event-stream|application\/x-ndjson)\b/;

const HTML = { 'Content-Type': 'text/html; charset=utf-8' };

/* Whether a limit of { bytes } or { ms } lets nothing more through.  Then it is
   for good: bytes that are missing can't be followed by others. */
function isSpent(limit, exchange) {
	if (typeof limit === 'object')
		exchange.isSpent ||= exchange.bytes >= (limit.bytes ?? Infinity) ||
			performance.now() - exchange.since >= (limit.ms ?? Infinity);
	return exchange.isMute || exchange.isSpent;
}

/* The headers that a proxy passes on. */
function passed(rawHeaders) {
	const kept = [];
	for (let i = 0; i < rawHeaders.length; i += 2)
		if (!HOP.has(rawHeaders[i].toLowerCase()))
			kept.push(rawHeaders[i], rawHeaders[i + 1]);
	return kept;
}

class Proxy {
	#demo;
	#pages;
	#server = null;
	#port = 0;
	#sockets = new Set();
	#rules = [];

	constructor(demo, pages) {
		this.#demo = demo;
		this.#pages = pages;
		this.seen = [];
		this.changed = new EventEmitter();
		this.changed.setMaxListeners(0);
		this.clear();
	}

	/* No fault from now on; what is open goes on as it began. */
	clear() {
		this.websocket = 'pass';
		this.stream = 'pass';
		this.delay = 0;
		this.#rules = [];
	}

	get port() { return this.#port; }
	get url() { return `http://127.0.0.1:${this.#port}/`; }

	async start() {
		const server = http.createServer(
			{ keepAliveTimeout: 30000, requestTimeout: 0 });
		server.on('request', (req, res) => this.#request(req, res));
		server.on('upgrade', (...given) => this.#upgrade(...given));
		server.on('connection', (socket) => {
			this.#sockets.add(socket);
			socket.on('error', () => {});
			socket.on('close', () => this.#sockets.delete(socket));
		});
		await new Promise((done, fail) => {
			server.on('error', fail);
			server.listen(this.#port, '127.0.0.1', done);
		});
		this.#server = server;
		this.#port = server.address().port;
	}

	async stop() {
		const server = this.#server;
		this.#server = null;
		if (server === null)
			return;
		const closed = new Promise((done) => server.close(done));
		this.cut();
		await closed;
	}

	cut() {
		for (const socket of this.#sockets)
			socket.destroy();
	}

	blackhole() {
		const held = new Set();
		for (const exchange of this.seen)
			if (exchange.isOpen) {
				exchange.isMute = true;
				held.add(exchange.socket);
			}
		for (const socket of this.#sockets)
			if (!held.has(socket))
				socket.destroy();
	}

	answer(path, { status = 200, headers = HTML, body = '' },
		times = Infinity) {
		const rule = { path, status, headers, body, times, used: 0 };
		this.#rules.push(rule);
		return rule;
	}

	lose(path, times = 1) {
		const rule = { path, isLost: true, times, used: 0 };
		this.#rules.push(rule);
		return rule;
	}

	/* The exchanges of a path, of all with no path. */
	exchanges(path) {
		return this.seen.filter((e) => path === undefined ||
			(typeof path === 'string' ? e.path === path :
				path.test(e.path)));
	}

	/* Those that are not over: a request to be answered, a stream, a
	   WebSocket. */
	open(path) {
		return this.exchanges(path).filter((e) => e.isOpen);
	}

	/* Waits until test(proxy) holds: it is asked whenever an exchange begins,
	   ends or carries something. */
	async when(test, limit = 20000) {
		let watch;
		const held = new Promise((done) => {
			watch = () => test(this) && done();
			this.changed.on('change', watch);
			watch();
		});
		try {
			await within(held, limit, String(test));
		} finally {
			this.changed.off('change', watch);
		}
	}

	#begin(req, socket) {
		const url = new URL(req.url, 'http://proxy/');
		const exchange = { method: req.method, path: url.pathname,
			query: url.searchParams, since: performance.now(),
			status: 0, bytes: 0, chunks: 0, isUpgrade: false,
			isOpen: true, isMute: false, isSpent: false, socket };
		this.seen.push(exchange);
		this.changed.emit('change');
		return exchange;
	}

	#over(exchange) {
		if (!exchange.isOpen)
			return;
		exchange.isOpen = false;
		this.changed.emit('change');
	}

	#carried(exchange, chunk) {
		exchange.bytes += chunk.length;
		exchange.chunks++;
		this.changed.emit('change');
	}

	#ruleFor(exchange) {
		const rule = this.#rules.find((r) => r.used < r.times &&
			(typeof r.path === 'string' ? r.path === exchange.path :
				r.path.test(exchange.path)));
		if (rule !== undefined)
			rule.used++;
		return rule;
	}

	#request(req, res) {
		const exchange = this.#begin(req, req.socket);
		res.on('close', () => this.#over(exchange));
		const page = this.#pages[exchange.path];
		if (page !== undefined)
			return this.#serve(exchange, res, page);
		const rule = this.#ruleFor(exchange);
		if (rule !== undefined && !rule.isLost) {
			req.resume();
			return this.#tell(exchange, res, rule.status,
				rule.headers, rule.body);
		}
		setTimeout(() => this.#pass(exchange, req, res,
			rule?.isLost), this.delay);
	}

	async #serve(exchange, res, page) {
		this.#tell(exchange, res, 200, HTML, await page(exchange.query));
	}

	#tell(exchange, res, status, headers, body) {
		exchange.status = status;
		exchange.bytes = Buffer.byteLength(body);
		res.writeHead(status, { ...headers,
			'Content-Length': exchange.bytes });
		res.end(body);
	}

	#target(req, isKept = (name) => !HOP.has(name)) {
		return {
			host: '127.0.0.1', port: this.#demo.port, path: req.url,
			method: req.method, agent: false, setHost: false,
			headers: Object.fromEntries(Object.entries(req.headers)
				.filter(([name]) => isKept(name))),
		};
	}

	#pass(exchange, req, res, isLost) {
		const behind = http.request(this.#target(req), (answer) => {
			if (isLost) {
				answer.resume();
				answer.on('end', () => req.socket.destroy());
			} else {
				this.#relay(exchange, answer, res);
			}
		});
		behind.on('error', () => {
			if (res.headersSent)
				res.destroy();
			else if (!res.destroyed)
				this.#tell(exchange, res, 502, HTML,
					'<h1>Bad Gateway</h1>');
		});
		res.on('close', () => behind.destroy());
		req.pipe(behind);
	}

	#relay(exchange, answer, res) {
		const isStream =
			STREAM.test(answer.headers['content-type'] ?? '');
		const kept = [];
		const flush = () => {
			for (const chunk of kept.splice(0)) {
				this.#carried(exchange, chunk);
				res.write(chunk);
			}
		};
		const head = () => {
			if (res.headersSent || exchange.isMute)
				return;
			exchange.status = answer.statusCode;
			res.writeHead(answer.statusCode, passed(answer.rawHeaders));
			res.flushHeaders();
		};

		if (!isStream || this.stream !== 'hold')
			head();
		answer.on('data', (chunk) => {
			if (isSpent(isStream && this.stream, exchange))
				return;
			kept.push(chunk);
			if (!isStream || !['buffer', 'hold'].includes(this.stream)) {
				head();
				flush();
			}
		});
		answer.on('end', () => {
			if (isSpent(isStream && this.stream, exchange))
				return;
			head();
			flush();
			res.end();
		});
		answer.on('close', () => {
			if (!answer.complete &&
				!isSpent(isStream && this.stream, exchange))
				res.destroy();
		});
	}

	#upgrade(req, socket, first) {
		const exchange = this.#begin(req, socket);
		exchange.isUpgrade = true;
		socket.on('close', () => this.#over(exchange));
		const rule = this.#ruleFor(exchange);
		if (rule?.isLost)
			return void socket.destroy();
		if (rule !== undefined || typeof this.websocket === 'number' ||
			this.websocket === 'strip') {
			const res = new http.ServerResponse(req);
			res.shouldKeepAlive = false;
			res.assignSocket(socket);
			res.on('finish', () => socket.end());
			const given = rule ?? { status: this.websocket,
				headers: HTML, body: '<h1>No</h1>' };
			if (this.websocket === 'strip' && rule === undefined)
				this.#pass(exchange, req, res, false);
			else
				this.#tell(exchange, res, given.status,
					given.headers, given.body);
			return;
		}
		setTimeout(() => this.#connect(exchange, req, socket, first),
			this.delay);
	}

	#connect(exchange, req, socket, first) {
		if (socket.destroyed)
			return;
		const behind = http.request(this.#target(req, () => true));
		behind.on('upgrade', (answer, upstream, begin) => {
			exchange.status = 101;
			const fields = answer.rawHeaders;
			let head = 'HTTP/1.1 101 Switching Protocols\r\n';
			for (let i = 0; i < fields.length; i += 2)
				head += `${fields[i]}: ${fields[i + 1]}\r\n`;
			socket.write(head + '\r\n');
			upstream.on('error', () => {});
			this.#join(exchange, socket, upstream, first, begin);
		});
		behind.on('response', (answer) => {
			exchange.status = answer.statusCode;
			answer.resume();
			socket.end(`HTTP/1.1 ${answer.statusCode} No\r\n` +
				'Connection: close\r\nContent-Length: 0\r\n\r\n');
		});
		behind.on('error', () => socket.destroy());
		socket.on('close', () => behind.destroy());
		behind.end();
	}

	#join(exchange, socket, upstream, first, begin) {
		const isMute = () => isSpent(this.websocket, exchange);
		const up = (chunk) => {
			if (!exchange.isMute)
				upstream.write(chunk);
		};
		const down = (chunk) => {
			if (isMute())
				return;
			socket.write(chunk);
			this.#carried(exchange, chunk);
		};

		if (first.length > 0)
			up(first);
		if (begin.length > 0)
			down(begin);
		socket.on('data', up);
		upstream.on('data', down);
		socket.on('close', () => upstream.destroy());
		upstream.on('close', () => {
			if (!isMute())
				socket.destroy();
		});
	}
}

/* Serves when this returns.  pages: { path: (query) => HTML, or its
   promise }, which the proxy answers by itself. */
export async function startProxy(demo, pages = {}) {
	const proxy = new Proxy(demo, pages);
	await proxy.start();
	return proxy;
}
