/* What nobody well-meaning sends: halves, nonsense, floods, readers that stop. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	begin, cgiAnswer, cgiVariables, channelList, EventStreamDecoder, FCGI,
	Fcgi, fcgiExchange, fcgiRequest, fresh, history, isAlive, isSanitized,
	memoryKib, ms, newestCursor, openEvents, openLines, pair, post, publish,
	publishAll, Raw, rawHttp, record, startDemo, until, within,
} from './harness.mjs';

const REQUEST_WAIT = 1500;

let demo;
let socket;

/* The same numbers at every run. */
function randomFrom(seed) {
	let state = seed;
	return (below) => {
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		return (state >>> 0) % below;
	};
}

/* That the processes are the same ones, and that each way in works. */
async function assertServes(workers) {
	assert.deepEqual(demo.workers(), workers);
	for (const pid of Object.values(workers))
		assert.ok(isAlive(pid));
	const channel = fresh();
	await publish(demo, channel, 'still here');
	for (let i = 0; i < 12; i++) {
		const answer = await fcgiExchange(socket, 'GET',
			`/poll?channel=${channel}`);
		assert.equal(answer.status, 200);
		assert.equal(answer.json.messages.length, 1);
	}
}

/* Sends it and waits until it is answered or dropped; what came back. */
async function dropped(bytes, { end = true } = {}) {
	const connection = new Fcgi(socket);
	await connection.send(bytes);
	if (end)
		connection.socket.end();
	await connection.wait((c) => c.isAnswered || c.isEnded,
		REQUEST_WAIT + 10000, 'an answer or the end');
	const records = connection.records();
	connection.close();
	return records;
}

/* Many at a time, but not all. */
async function each(list, fn, width = 24) {
	const rest = [...list];
	await Promise.all(Array.from({ length: width }, async () => {
		while (rest.length)
			await fn(rest.shift());
	}));
}

const paramsOf = (variables) => Buffer.concat(
	Object.entries(variables).map(([n, v]) => pair(n, v)));

/* A request with these bytes as its parameters. */
const withParams = (bytes) => Buffer.concat([begin(),
	...bytes.length ? [record(FCGI.PARAMS, 1, bytes)] : [],
	record(FCGI.PARAMS, 1), record(FCGI.STDIN, 1)]);

describe('hostile bytes', { timeout: ms(150000) }, () => {
	let workers;

	before(async () => {
		demo = await startDemo({ options:
			{ 'request-wait': REQUEST_WAIT, heartbeat: 1000 } });
		[socket] = demo.sockets();
		workers = demo.workers();
	});
	after(async () => { await demo?.stop(); });

	const good = () => fcgiRequest('GET', '/poll?channel=a&limit=1');
	const goodPost = () => fcgiRequest('POST', '/publish/hostile',
		{ body: 'x', variables: { CONTENT_TYPE: 'text/plain' } });

	/* ---- halves ---- */

	test('half requests that go silent cost the others nothing, and end',
		async () => {
			const whole = fcgiRequest('POST', '/publish/half',
				{ body: 'never', variables: { CONTENT_TYPE: 'text/plain' } });
			const silent = Array.from({ length: 80 }, (_, i) => {
				const connection = new Fcgi(socket);
				connection.send(whole.subarray(0,
					Math.floor(whole.length * i / 80)));
				return connection;
			});
			await assertServes(workers);
			for (const connection of silent)
				assert.ok(!connection.isAnswered);
			await within(Promise.all(silent.map((c) => c.wait((r) =>
				r.isEnded))), REQUEST_WAIT + 10000, 'the end of all');
			silent.forEach((c) => c.close());
			assert.deepEqual(await history(demo, 'half'), []);
			await assertServes(workers);
		});

	test('connections that say nothing keep nobody waiting', async () => {
		const silent = Array.from({ length: 200 }, () => new Fcgi(socket));
		await assertServes(workers);
		silent.forEach((c) => c.close());
		await assertServes(workers);
	});

	test('a request that arrives byte by byte is answered', async () => {
		const connection = new Fcgi(socket);
		connection.socket.setNoDelay(true);
		for (const byte of goodPost())
			await connection.send(Buffer.from([byte]));
		assert.equal((await connection.answer()).status, 201);
		connection.close();
	});

	test('half an HTTP request costs the others nothing', async () => {
		const halves = ['POST /comet/publish/half HTTP/1.1\r\nHost: a\r\n' +
			'Content-Type: text/plain\r\nContent-Length: 100\r\n\r\nx',
		'POST /comet/publish/half HTTP/1.1\r\nHost: a\r\n' +
			'Transfer-Encoding: chunked\r\n\r\n5\r\nab', 'GET /comet/po'];
		const silent = Array.from({ length: 60 }, (_, i) => {
			const raw = new Raw({ host: '127.0.0.1', port: demo.port });
			raw.send(halves[i % halves.length]);
			return raw;
		});
		const channel = fresh();
		for (let i = 0; i < 20; i++)
			await publish(demo, channel, String(i));
		assert.equal((await history(demo, channel)).length, 20);
		silent.forEach((raw) => raw.close());
		assert.deepEqual(await history(demo, 'half'), []);
	});

	test('an answer that nobody reads keeps nobody waiting', async () => {
		const channel = fresh();
		const data = 'x'.repeat(60000);
		for (let i = 0; i < 3; i++)
			await publishAll(demo, Array(10).fill({ channel, data }));
		const unread = Array.from({ length: 30 }, () => {
			const connection = new Fcgi(socket);
			connection.socket.pause();
			connection.send(fcgiRequest('GET',
				`/poll?channel=${channel}&limit=1000`));
			return connection;
		});
		await assertServes(workers);
		const [first, ...rest] = unread;
		first.socket.resume();
		assert.ok((await first.answer()).json.messages.length > 10);
		first.close();
		rest.forEach((c) => c.close());
	});

	/* ---- malformed records ---- */

	test('malformed records of every kind kill no process', async () => {
		const get1 = cgiVariables('GET', '/poll?channel=a');
		const all = Buffer.concat([paramsOf(get1)]);
		const stdin = record(FCGI.STDIN, 1);
		const noParams = record(FCGI.PARAMS, 1);
		const kinds = [];
		const add = (...parts) => kinds.push(Buffer.concat(parts));

		for (const version of [0, 2, 127, 255])
			add(record(FCGI.BEGIN, 1, Buffer.alloc(8), { version }), good());
		for (const type of [0, 12, 64, 255])
			for (const id of [0, 1, 65535])
				add(record(type, id, 'content'), good());
		for (const n of [0, 1, 7, 9, 16, 65535])
			add(record(FCGI.BEGIN, 1, Buffer.alloc(n, 1)), noParams, stdin);
		for (const role of [0, FCGI.AUTHORIZER, FCGI.FILTER, 4, 65535])
			add(begin(1, role), record(FCGI.PARAMS, 1, all), noParams, stdin);
		for (const id of [0, 2, 256, 65535])
			add(begin(id), record(FCGI.PARAMS, id, all),
				record(FCGI.PARAMS, id), record(FCGI.STDIN, id));
		add(record(FCGI.PARAMS, 1, all), noParams, stdin);
		add(stdin);
		add(noParams);
		add(begin(), stdin);
		add(begin(), begin(), good());
		add(begin(1), begin(2), record(FCGI.PARAMS, 2, all), good());
		add(begin(1), record(FCGI.PARAMS, 2, all), noParams, stdin);
		add(begin(), record(FCGI.PARAMS, 1, all), stdin, noParams, stdin);
		add(begin(), record(FCGI.ABORT, 1));
		add(record(FCGI.ABORT, 1), good());
		add(begin(), record(FCGI.ABORT, 9), record(FCGI.PARAMS, 1, all),
			noParams, stdin);
		add(begin(), record(FCGI.PARAMS, 1, all), record(FCGI.ABORT, 1));
		for (const type of [FCGI.END, FCGI.STDOUT, FCGI.STDERR, FCGI.DATA,
			FCGI.GET_VALUES_RESULT, FCGI.UNKNOWN])
			add(begin(), record(type, 1, 'from a client'),
				record(FCGI.PARAMS, 1, all), noParams,
				record(type, 1, Buffer.alloc(60000)), stdin);
		add(begin(), record(FCGI.PARAMS, 1, all, { length: 65535 }));
		add(begin(), record(FCGI.PARAMS, 1, all, { length: 3 }), noParams);
		add(begin(), record(FCGI.PARAMS, 1, all, { padding: 255 }), noParams,
			stdin);
		add(begin(), ...Array(3000).fill(record(FCGI.PARAMS, 1, pair('A', ''))),
			noParams, stdin);
		add(begin(), ...[...all].map((b) =>
			record(FCGI.PARAMS, 1, Buffer.from([b]))), noParams, stdin);
		add(good(), good());
		add(good(), Buffer.alloc(100000, 1));
		await each(kinds, (bytes) => dropped(bytes));
		await each(kinds, (bytes) => dropped(bytes, { end: false }));
		await assertServes(workers);
	});

	test('lengths of names and values that lie kill no process', async () => {
		const four = (n) => {
			const b = Buffer.alloc(4);
			b.writeUInt32BE(n >>> 0);
			return b;
		};
		const lies = [];
		for (const n of [0xffffffff, 0x80000000, 0xfffffffe, 0x8000ffff,
			0x80ffffff, 0xc0000000, 0x80010000])
			for (const rest of ['', 'x', 'x'.repeat(300), 'x'.repeat(60000)]) {
				const x = Buffer.from(rest);
				lies.push(Buffer.concat([four(n), Buffer.from([0]), x]));
				lies.push(Buffer.concat([Buffer.from([1]), four(n), x]));
				lies.push(Buffer.concat([four(n), four(n), x]));
				lies.push(Buffer.concat([pair('REQUEST_METHOD', 'GET'),
					Buffer.from([1]), four(n), x]));
			}
		for (const bytes of ['00', '7f', '80', '8000', '800000', '80000000',
			'0180', '0180000000', 'ff', 'ffff', 'ffffff', '0000', '000000',
			'7f7f', '0001', '01'])
			lies.push(Buffer.from(bytes, 'hex'));
		await each(lies, (bytes) => dropped(withParams(bytes)));
		await each(lies, (bytes) => dropped(
			Buffer.concat([begin(), record(FCGI.PARAMS, 1, bytes)])));
		await each(lies.filter((b) => b.length < 65000), (bytes) =>
			dropped(Buffer.concat([record(FCGI.GET_VALUES, 0, bytes), good()])));
		await assertServes(workers);
	});

	test('wrong variables are answered or dropped', async () => {
		const wrong = [{ CONTENT_LENGTH: '-1' }, { CONTENT_LENGTH: 'abc' },
			{ CONTENT_LENGTH: '99999999999999999999' }, { CONTENT_LENGTH: '' },
			{ CONTENT_LENGTH: '18446744073709551615' },
			{ CONTENT_LENGTH: '2147483648' }, { CONTENT_LENGTH: '1e3' },
			{ CONTENT_LENGTH: ' 1' }, { CONTENT_LENGTH: '0x1' },
			{ CONTENT_LENGTH: '4294967297' }, { CONTENT_LENGTH: '100' },
			{ REQUEST_METHOD: '' }, { REQUEST_METHOD: 'G\0T' },
			{ REQUEST_METHOD: 'x'.repeat(5000) }, { QUERY_STRING: '\0\0&=&=' },
			{ PATH_INFO: '\0' }, { PATH_INFO: '' },
			{ PATH_INFO: '/'.repeat(30000) },
			{ PATH_INFO: `/publish/${'%'.repeat(3000)}` },
			{ REQUEST_URI: '' }, { REQUEST_URI: '*' },
			{ REQUEST_URI: 'http://evil.example/comet/poll' },
			{ REQUEST_URI: '/%' }, { SCRIPT_NAME: '' },
			{ SCRIPT_NAME: 'x'.repeat(20000) }, { '': 'no name' },
			{ 'A=B': 'c' }, { 'A\0B': 'c' }, { HTTP_ORIGIN: '\r\nX: y' },
			{ HTTP_ACCEPT: ','.repeat(20000) },
			{ HTTP_IF_NONE_MATCH: '"'.repeat(20000) },
			{ HTTP_LAST_EVENT_ID: '\xff'.repeat(100) },
			{ CONTENT_TYPE: `multipart/form-data; boundary=${
				'"'.repeat(1000)}` }];
		await each(wrong, async (variables) => {
			for (const [method, body] of [['GET', ''], ['POST', 'x']]) {
				const records = await dropped(fcgiRequest(method,
					method === 'GET' ? '/poll?channel=a' : '/publish/wrong',
					{ body, variables: { CONTENT_TYPE: 'text/plain',
						...variables } }));
				const text = Buffer.concat(records.filter((r) =>
					r.type === FCGI.STDOUT).map((r) => r.content)).toString();
				assert.ok(!text.includes('\nX: y'));
				if (text)
					assert.ok(cgiAnswer(text).status < 600);
			}
		});
		await each([...Array(40).keys()], (i) => dropped(withParams(paramsOf(
			Object.fromEntries(Object.entries(cgiVariables('GET',
				'/poll?channel=a')).filter((_, j) => j % 8 !== i % 8))))));
		await dropped(withParams(Buffer.alloc(0)));
		await assertServes(workers);
	});

	test('every truncation of a request is dropped', async () => {
		const whole = goodPost();
		await each([...Array(whole.length).keys()], (n) =>
			dropped(whole.subarray(0, n)));
		await assertServes(workers);
	});

	test('a request with any byte changed kills no process', async () => {
		const random = randomFrom(20260101);
		const tries = Array.from({ length: 500 }, () => {
			const bytes = Buffer.from(random(2) ? good() : goodPost());
			for (let n = 1 + random(4); n > 0; n--)
				bytes[random(bytes.length)] = random(256);
			return bytes;
		});
		await each(tries, (bytes) => dropped(bytes));
		await assertServes(workers);
	});

	test('random bytes kill no process', async () => {
		const random = randomFrom(7);
		const tries = Array.from({ length: 300 }, () => {
			const bytes = Buffer.from(Array.from(
				{ length: 1 + random(3000) }, () => random(256)));
			if (random(2))
				bytes[0] = 1;
			if (random(2))
				bytes[1] = random(12);
			return random(2) ? bytes : Buffer.concat([begin(), bytes]);
		});
		await each(tries, (bytes) => dropped(bytes));
		await assertServes(workers);
	});

	test('a management record is answered or dropped', async () => {
		for (const content of [Buffer.concat([pair('FCGI_MAX_CONNS', ''),
			pair('FCGI_MAX_REQS', ''), pair('FCGI_MPXS_CONNS', '')]),
		pair('UNKNOWN', ''), pair('x'.repeat(5000), 'y'.repeat(5000)),
		Buffer.alloc(0), Buffer.from([200])]) {
			for (const id of [0, 1]) {
				const connection = new Fcgi(socket);
				connection.send(record(FCGI.GET_VALUES, id, content));
				await connection.wait((c) => c.isEnded ||
					c.records().length > 0, REQUEST_WAIT + 10000);
				for (const { type } of connection.records())
					assert.ok(type === FCGI.GET_VALUES_RESULT ||
						type === FCGI.UNKNOWN || type === FCGI.END);
				connection.close();
			}
		}
		await assertServes(workers);
	});

	/* ---- large ---- */

	test('parameters of 64 KiB and more are answered or dropped', async () => {
		const large = [
			{ HTTP_COOKIE: 'x'.repeat(65535) },
			{ HTTP_COOKIE: 'x'.repeat(66000) },
			{ HTTP_COOKIE: 'x'.repeat(1 << 20) },
			{ HTTP_COOKIE: 'x'.repeat(8 << 20) },
			{ QUERY_STRING: `channel=${'x'.repeat(70000)}` },
			Object.fromEntries(Array.from({ length: 3000 }, (_, i) =>
				[`HTTP_X_${i}`, 'y'.repeat(40)])),
			Object.fromEntries(Array.from({ length: 30000 }, (_, i) =>
				[`X${i}`, ''])),
		];
		await each(large, async (variables) => {
			const records = await dropped(fcgiRequest('GET', '/poll?channel=a',
				{ variables }), { end: false });
			const text = Buffer.concat(records.filter((r) =>
				r.type === FCGI.STDOUT).map((r) => r.content)).toString();
			if (text) {
				const { status } = cgiAnswer(text);
				assert.ok(status >= 400 && status < 500, String(status));
			}
		});
		await assertServes(workers);
	});

	test('a request line and headers as long as they get are answered',
		async () => {
			const long = [
				`GET /comet/poll?channel=${'x'.repeat(60000)} HTTP/1.1\r\n`,
				`GET /comet/poll?${'a&'.repeat(3000)} HTTP/1.1\r\n`,
				`GET /comet/poll?${'channel=a&'.repeat(500)} HTTP/1.1\r\n`,
				`GET /comet/poll HTTP/1.1\r\nCookie: ${'x'.repeat(65536)}\r\n`,
				`GET /comet/${'%2e%2e/'.repeat(800)} HTTP/1.1\r\n`,
				`GET /comet/${'/'.repeat(6000)} HTTP/1.1\r\n`,
			];
			for (const head of long) {
				const text = (await rawHttp(demo, `${head}Host: a\r\n` +
					'Connection: close\r\n\r\n')).toString('latin1');
				assert.match(text, /^HTTP\/1\.[01] [24]\d\d /);
			}
			await assertServes(workers);
		});

	test('a body of another length than was said stores nothing (FastCGI ' +
		'specification, 6.2), nor does one over the limit',
		async () => {
			const type = { CONTENT_TYPE: 'text/plain' };
			for (const [body, length] of [['abcdef', '3'], ['abc', '6'],
				['x'.repeat(60000), '1'], ['', '6']]) {
				const channel = fresh();
				await dropped(fcgiRequest('POST', `/publish/${channel}`,
					{ body, variables: { ...type, CONTENT_LENGTH: length } }));
				assert.deepEqual(await history(demo, channel), [],
					`${body.length} bytes, said to be ${length}`);
			}
			const huge = fresh();
			await dropped(fcgiRequest('POST', `/publish/${huge}`,
				{ body: 'x'.repeat(12 << 20), variables: type }));
			assert.deepEqual(await history(demo, huge), []);
			await assertServes(workers);
		});

	/* ---- held requests ---- */

	test('an abort of a held request ends it', async () => {
		for (const place of ['/events?channel=a', '/stream?channel=a' +
			'&format=ndjson', '/longpoll?channel=a&timeout=50']) {
			const connection = new Fcgi(socket);
			connection.send(fcgiRequest('GET', place, { flags: 1 }));
			if (!place.startsWith('/longpoll'))
				assert.ok(await connection.wait(
					(c) => c.bytes.length > 0));
			else
				await assertServes(workers);
			connection.send(record(FCGI.ABORT, 1));
			await connection.wait((c) => c.isAnswered || c.isEnded);
			connection.close();
		}
	});

	test('an abort that comes with its request ends it', async () => {
		for (const place of ['/events?channel=a',
			'/longpoll?channel=a&timeout=50']) {
			const connection = new Fcgi(socket);
			connection.send(Buffer.concat([fcgiRequest('GET', place),
				record(FCGI.ABORT, 1)]));
			await connection.wait((c) => c.isAnswered || c.isEnded, 10000,
				'the end of what was aborted');
			connection.close();
		}
	});

	test('an empty STDIN record that comes late disturbs no held request',
		async () => {
			const channel = fresh();
			const connection = new Fcgi(socket);
			const whole = fcgiRequest('GET', `/events?channel=${channel}`);
			connection.send(whole);
			assert.ok(await connection.wait(
				(c) => c.stdout.includes('retry:')));
			connection.send(record(FCGI.STDIN, 1));
			await publish(demo, channel, 'late is fine');
			assert.ok(await connection.wait(
				(c) => c.stdout.includes('data: late is fine')));
			connection.close();
		});

	test('nonsense on a held request kills no process and fills no memory',
		async () => {
			const nonsense = [Buffer.alloc(1 << 20, 7), begin(), good(),
				record(FCGI.PARAMS, 1, 'x'.repeat(60000)),
				record(FCGI.STDIN, 1, 'x'.repeat(60000)),
				record(255, 0, 'x'), Buffer.from([1])];
			for (const bytes of nonsense) {
				const connection = new Fcgi(socket);
				connection.send(fcgiRequest('GET', '/events?channel=a'));
				await connection.wait((c) => c.stdout.includes('retry:'));
				for (let i = 0; i < 5; i++)
					connection.send(bytes);
				const channel = fresh();
				await publish(demo, channel, 'x');
				connection.close();
			}
			await assertServes(workers);
		});

	test('clients that leave at once in great number leave nothing behind',
		async () => {
			const before = Object.values(workers).map(memoryKib);
			for (let round = 0; round < 20; round++) {
				const leaving = Array.from({ length: 50 }, () => {
					const connection = new Fcgi(socket);
					connection.send(fcgiRequest('GET',
						'/events?channel=a&since=0'));
					return connection;
				});
				await Promise.all(leaving.map((c) => c.wait(
					(r) => r.bytes.length > 0)));
				leaving.forEach((c) => c.close());
			}
			await assertServes(workers);
			if (!isSanitized(Object.values(workers)[0]))
				for (const [i, pid] of Object.values(workers).entries())
					assert.ok(memoryKib(pid) < before[i] + 8192,
						`${before[i]} KiB, then ${memoryKib(pid)}`);
		});

	/* ---- injection ---- */

	test('no part of a request can write a header or a field of an event',
		async () => {
			const evil = '%0d%0aX-Evil:%20yes%0d%0a%0d%0a<script>';
			const targets = [`GET /comet/poll?channel=a&callback=x${evil}`,
				`GET /comet/poll?channel=a${evil}`, `GET /comet/${evil}`,
				`GET /comet/poll?channel=a&since=1${evil}`,
				`GET /comet/events?channel=a${evil}`,
				`GET /comet/events?channel=a&format=x${evil}`,
				`GET /comet/stream?channel=a&format=script&callback=a${evil}`,
				`POST /comet/publish/a${evil}`,
				`POST /comet/publish/a?event=a${evil}`,
				`POST /comet/publish/a?id=a${evil}`,
				`POST /comet/publish?channel=a${evil}`];
			for (const target of targets) {
				const text = (await rawHttp(demo, `${target} HTTP/1.1\r\n` +
					'Host: a\r\nConnection: close\r\nContent-Length: 0\r\n' +
					'\r\n')).toString('latin1');
				assert.match(text, /^HTTP\/1\.1 4\d\d /, target);
				assert.ok(!/^X-Evil/im.test(text), text);
				assert.ok(!text.includes('<script>') ||
					/^content-type: application\/problem\+json/im.test(text),
				text);
			}
		});
});

describe('readers that stop reading', { timeout: ms(150000) }, () => {
	before(async () => {
		demo = await startDemo({ options:
			{ 'ring-bytes': '1M', heartbeat: 1000 } });
		[socket] = demo.sockets();
	});
	after(async () => { await demo?.stop(); });

	const TOTAL = 50000;
	const PAD = 'p'.repeat(200);

	async function flood(channel, from, to) {
		for (let at = from; at < to; at += 1000)
			await publishAll(demo, Array.from({ length: 1000 }, (_, i) =>
				({ channel, data: `${at + i} ${PAD}` })));
	}

	const memory = () => Object.values(demo.pids())
		.reduce((sum, pid) => sum + memoryKib(pid), 0);

	test('cost no memory while 50,000 messages flow, and then get every one ' +
		'in order', { timeout: ms(120000) }, async () => {
		await flood('warm/up', 0, 10000);
		const channel = fresh();
		const readers = [await openEvents(demo, { channel }),
			await openEvents(demo, { channel }),
			await openLines(demo, { channel })];
		const direct = new Fcgi(socket);
		direct.send(fcgiRequest('GET', `/events?channel=${channel}`));
		assert.ok(await direct.wait((c) => c.stdout.includes('retry:')));
		readers.forEach((r) => r.pauseReading());
		direct.socket.pause();
		const lively = await openEvents(demo, { channel });
		const start = memory();
		for (let at = 0; at < TOTAL; at += 10000) {
			await flood(channel, at, at + 10000);
			for (const { data } of await lively.nextMessages(10000, 20000))
				assert.ok(data.length > 200);
		}
		lively.close();
		if (!isSanitized(Object.values(demo.workers())[0]))
			assert.ok(memory() < start + 12 * 1024,
				`${start} KiB grew to ${memory()}`);
		readers.forEach((r) => r.resumeReading());
		direct.socket.resume();
		for (const reader of readers) {
			const got = await reader.nextMessages(TOTAL, 30000);
			for (const [i, { data }] of got.entries())
				assert.equal(parseInt(data, 10), i);
			assert.deepEqual(reader.received().filter((item) =>
				reader.decoder.isMessage(item)), []);
			reader.close();
		}
		const last = `data: ${TOTAL - 1} `;
		assert.ok(await direct.wait((c) => c.bytes.subarray(-2000)
			.includes(last), 30000, 'the last message'));
		const got = [];
		new EventStreamDecoder().take(direct.stdout, (e) =>
			e.type === 'message' && got.push(parseInt(e.data, 10)));
		assert.equal(got.length, TOTAL);
		assert.ok(got.every((n, i) => n === i));
		direct.close();
	});

	test('and that leave without reading free what they held', async () => {
		const channel = fresh();
		const start = await newestCursor(demo);
		const readers = [];
		for (let i = 0; i < 20; i++) {
			readers.push(await openEvents(demo, { channel, since: start }));
			readers.at(-1).pauseReading();
		}
		await flood(channel, 0, 5000);
		readers.forEach((r) => r.close());
		const events = await openEvents(demo, { channel, since: start });
		await events.nextMessages(5000, 20000);
		events.close();
		await until(async () => {
			const list = await channelList(demo);
			return list.find((c) => c.name === channel).subscribers === 0;
		}, { what: 'no subscriber to be left' });
		const answer = await post(demo, `/publish/${channel}`, 'text/plain',
			'on');
		assert.equal(answer.status, 201);
	});
});
