/* The WebSocket protocol, RFC 6455 section by section, and permessage-deflate,
   RFC 7692, at a path where every message comes back. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import zlib from 'node:zlib';
import { after, before, describe, test } from 'node:test';
import { isSanitized, ms, within } from './harness.mjs';
import {
	acceptOf, bomb, closeBody, closeFrame, connect, deflate, deflateFinal,
	fragments, frame, inflate, opening, OP, pieces, refused, RSV1, Socket,
	startDaemon, upgraded,
} from './websocket.mjs';

const MIB = 1 << 20;
const DEFLATE = { headers: {
	'Sec-WebSocket-Extensions': 'permessage-deflate',
} };

let daemon;

const echo = (options) => upgraded(daemon.where, '/echo', options);

/* That exactly these messages come back, strings as text, buffers as binary. */
async function comesBack(socket, ...expected) {
	for (const one of expected) {
		const got = await socket.message();
		const { text, binary } = got ?? {};
		if (typeof one === 'string')
			assert.ok(text === one, told(got, one));
		else
			assert.ok(binary?.equals(one), told(got, one));
	}
	return socket;
}

const told = (got, one) => `${one.length} of ${JSON.stringify(
	one.slice(0, 20))} came back as ${(got?.text ?? got?.binary)?.length} of ${
	JSON.stringify((got?.text ?? got?.binary)?.slice(0, 20))}`;

/* Sends all of it on a connection of its own, and it comes back so. */
async function echoes(sent, expected, options) {
	const socket = await echo(options);
	socket.send(...[sent].flat());
	await comesBack(socket, ...[expected].flat());
	await ended(socket);
}

async function ended(socket) {
	socket.send(closeFrame(1000));
	assert.equal(await socket.message(), undefined);
	assert.equal(await socket.closed(), 1000);
	assert.equal(socket.ending, 'end');
}

/* That this is a fault, told with that code; the messages before it still come
   back. */
async function fault(code, sent, { before = [], note, ...options } = {}) {
	const socket = await echo(options);
	socket.send(...[sent].flat());
	await failed(socket, code, before, note);
}

async function failed(socket, code, before = [], note) {
	await comesBack(socket, ...before);
	assert.equal(await socket.message(), undefined, note);
	assert.equal(await socket.closed(), code, note);
	assert.equal(socket.ending, 'end', note);
}

/* Side by side, so many at a time. */
async function each(list, fn, width = 8) {
	const left = [...list].entries();
	await Promise.all(Array.from({ length: width }, async () => {
		for (const [i, one] of left)
			await fn(one, i);
	}));
}

const random = (n) => crypto.randomBytes(n);

/* Compresses somewhat, like what sites say. */
function prose(n) {
	let text = '';
	for (let i = 0; text.length < n; i++)
		text += `{"seq":${i},"data":"é${(i * 7919) % 1000}"},`;
	return text.slice(0, n);
}

before(async () => {
	daemon = await startDaemon({}, ['--echo-path', '/echo']);
});
after(async () => {
	const end = await daemon?.stop();
	assert.deepEqual(end, { code: 0, signal: null }, daemon?.job.stderr);
});

describe('4: the opening handshake', { timeout: ms(60000) }, () => {
	const SAMPLE = 'dGhlIHNhbXBsZSBub25jZQ==';

	test('the sample key of the RFC gets the sample answer, and nothing that ' +
		'was not asked for', async () => {
		const socket = await echo({ key: SAMPLE });
		assert.equal(socket.headers['sec-websocket-accept'],
			's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
		assert.equal(socket.headers.upgrade.toLowerCase(), 'websocket');
		assert.match(socket.headers.connection, /^upgrade$/i);
		for (const name of ['extensions', 'protocol'])
			assert.ok(!(`sec-websocket-${name}` in socket.headers), name);
		await ended(socket);
	});

	test('what browsers and proxies may write otherwise is taken', async () => {
		await each([
			{ Upgrade: 'WebSocket' }, { Upgrade: 'h2c, websocket' },
			{ Connection: 'upgrade' }, { Connection: 'keep-alive, Upgrade' },
			{ Connection: ['keep-alive', 'Upgrade'] },
			{ Connection: 'Upgrade\t, \tfoo' },
			{ 'Sec-WebSocket-Key': `   ${SAMPLE}\t ` },
			{ 'Sec-WebSocket-Version': ' 13 ' },
			{ 'Sec-WebSocket-Protocol': 'chat, soap' },
			{ 'Sec-WebSocket-Extensions': undefined },
			{ 'Sec-WebSocket-Extensions': 'x-unknown; a=b; c="d", y' },
			{ 'X-Empty': '' }, { Cookie: 'a="b,c"; d=\xe4' },
			{ 'X-Long': 'x'.repeat(8000) }, { Origin: undefined },
			{ Host: 'site.test:8080' }, { Host: '[::1]:80' },
		], async (headers) => {
			const socket = await connect(daemon.where, '/echo',
				{ headers, key: SAMPLE });
			assert.equal(socket.status, 101, JSON.stringify(headers));
			assert.equal(socket.headers['sec-websocket-accept'],
				acceptOf(SAMPLE));
			assert.ok(!('sec-websocket-protocol' in socket.headers));
			await ended(socket);
		});
		const lower = opening('/echo').replace(/^[\w-]+:/gm,
			(name) => name.toLowerCase());
		for (const head of [lower, opening('http://site.test/echo'),
			opening('/echo?channel=a&x'), opening('/ech%6f')]) {
			const socket = new Socket(daemon.where);
			socket.send(head);
			await socket.opened;
			assert.equal(socket.status, 101, head);
			socket.leave();
		}
	});

	test('each header field that is missing or wrong is refused by its ' +
		'status, with a detail', async () => {
		const wrong = [
			[400, { Host: undefined }], [400, { Host: ['a', 'b'] }],
			[426, { Upgrade: undefined }], [426, { Upgrade: 'h2c' }],
			[426, { Upgrade: 'websocket2' }], [426, { Upgrade: '' }],
			[426, { Connection: undefined }],
			[426, { Connection: 'keep-alive' }],
			[426, { Connection: 'Upgrade2' }],
			[400, { 'Sec-WebSocket-Key': undefined }],
			[426, { 'Sec-WebSocket-Version': undefined }],
			...['', SAMPLE.slice(0, -1), SAMPLE.slice(0, -2), `${SAMPLE}=`,
				`${SAMPLE}${SAMPLE}`, 'dGhlIHNhbXBsZSBub25j',
				'dGhlIHNhbXBsZSBub25jZSE=', '!GhlIHNhbXBsZSBub25jZQ==',
				'dGhlIHNhbXBsZSBub25jZQ= =', [SAMPLE, SAMPLE]].map((key) =>
				[400, { 'Sec-WebSocket-Key': key }]),
			...['0', '8', '12', '14', '013', '13.0', '113', '', 'x', '-13',
				'269'].map((version) =>
				[426, { 'Sec-WebSocket-Version': version }]),
			[400, { 'X y': 'z' }], [400, { 'X ': 'z' }], [400, { '': 'z' }],
			[400, { 'X': 'a\r\n folded' }], [400, { 'X': 'a\0b' }],
			[400, { 'Origin': ['http://a', 'http://b'] }],
			...['permessage-deflate; =', 'permessage-deflate; a=',
				'permessage-deflate; a="', 'permessage-deflate a', ';',
				'permessage-deflate; a="b c"', '"permessage-deflate"',
			].map((list) => [400, { 'Sec-WebSocket-Extensions': list }]),
		];
		await each(wrong, async ([status, headers]) => {
			const answer = await refused(daemon.where, '/echo', { headers });
			assert.equal(answer.status, status, JSON.stringify(headers));
			assert.match(answer.headers['content-type'],
				/^application\/problem\+json\b/);
			assert.equal(answer.json.status, status);
			assert.ok(answer.json.detail.length > 5);
			assert.match(answer.headers.connection, /\bclose\b/);
			assert.equal(Number(answer.headers['content-length']),
				Buffer.byteLength(answer.text));
			if (status === 426) {
				assert.equal(answer.headers['sec-websocket-version'], '13');
				assert.match(answer.headers.upgrade, /websocket/i);
			}
		});
	});

	test('so is another method, version or path', async () => {
		for (const [status, options, target = '/echo'] of [
			[405, { method: 'POST' }], [405, { method: 'HEAD' }],
			[405, { method: 'OPTIONS' }], [405, { method: 'get' }],
			[505, { version: 'HTTP/1.0' }], [505, { version: 'HTTP/2.0' }],
			[400, { version: 'HTTP/1' }], [400, { version: 'http/1.1' }],
			[400, { version: '' }], [400, { version: 'HTTP/1.1 x' }],
			[404, {}, '/'], [404, {}, '/echo2'], [404, {}, '/Echo'],
			[404, {}, '/echo/'], [404, {}, '/comet/publish'],
			[404, {}, '/wss'], [404, {}, '/comet/ws2'], [404, {}, '/%ff'],
			[404, {}, '/echo%00'], [400, {}, '*'], [400, {}, 'echo'],
			[400, {}, ''],
		]) {
			const answer = await refused(daemon.where, target, options);
			assert.equal(answer.status, status,
				`${JSON.stringify(options)} ${target}`);
			assert.ok(status !== 405 || answer.headers.allow === 'GET');
		}
	});

	test('frames may come with the opening, and all of it byte by byte',
		async () => {
			const all = Buffer.concat([Buffer.from(opening('/echo')),
				frame(OP.TEXT, 'early'), frame(OP.BINARY, 'bird'),
				closeFrame(1000)]);
			for (const send of ['send', 'trickle']) {
				const socket = new Socket(daemon.where);
				socket[send](all);
				await comesBack(socket, 'early', Buffer.from('bird'));
				assert.equal(await socket.closed(), 1000);
			}
			for (let at = 1; at < all.length; at += 7) {
				const socket = new Socket(daemon.where);
				socket.send(all.subarray(0, at));
				await new Promise((done) => setImmediate(done));
				socket.send(all.subarray(at));
				await comesBack(socket, 'early', Buffer.from('bird'));
				assert.equal(await socket.closed(), 1000);
			}
		});

	test('an opening that breaks off is dropped, wherever it does', async () => {
		const head = opening('/echo', { key: SAMPLE });
		await each([...Array(head.length).keys()], async (n) => {
			const socket = new Socket(daemon.where);
			socket.send(head.slice(0, n));
			socket.socket.end();
			await within(socket.ended, 10000, `the end after ${n} bytes`);
			assert.notEqual(socket.status, 101, `${n} bytes`);
			socket.leave();
		});
	});

	test('a head that is too long or too slow is refused', async () => {
		const strict = await startDaemon({ 'head-bytes': '2K',
			'request-wait': 300 }, ['--echo-path', '/echo']);
		const long = await refused(strict.where, '/echo',
			{ headers: { 'X-Long': 'x'.repeat(3000) } });
		assert.ok(long.status >= 400 && long.status < 500, String(long.status));
		const endless = new Socket(strict.where);
		endless.send(`GET /echo?${'x'.repeat(100000)}`);
		await within(endless.ended, 10000, 'the end of an endless line');
		assert.notEqual(endless.status, 101);
		endless.leave();
		const slow = new Socket(strict.where);
		slow.send('GET /echo HTT');
		await within(slow.ended, 10000, 'the end of a slow opening');
		assert.notEqual(slow.status, 101);
		slow.leave();
		const open = await upgraded(strict.where, '/echo');
		await within(new Promise((done) => setTimeout(done, 600)), 10000);
		open.send(frame(OP.TEXT, 'held longer than an opening may take'));
		await comesBack(open, 'held longer than an opening may take');
		open.leave();
		await strict.stop();
	});
});

describe('5.2: frames', { timeout: ms(60000) }, () => {
	const LENGTHS = [0, 1, 2, 124, 125, 126, 127, 128, 129, 254, 255, 256,
		4095, 4096, 16383, 65534, 65535, 65536, 65537, 131072];

	test('messages of every kind of length come back', async () => {
		const socket = await echo();
		for (const n of LENGTHS) {
			const text = prose(n);
			const binary = random(n);
			socket.send(frame(OP.TEXT, text), frame(OP.BINARY, binary));
			await comesBack(socket, text, binary);
		}
		await ended(socket);
	});

	test('whatever the mask', async () => {
		const socket = await echo();
		const payload = random(1000);
		for (const mask of ['00000000', 'ffffffff', '00ff00ff', '01020304',
			'80000000'])
			for (const n of [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 1000]) {
				const part = payload.subarray(0, n);
				socket.send(frame(OP.BINARY, part,
					{ mask: Buffer.from(mask, 'hex') }));
				await comesBack(socket, part);
			}
		await ended(socket);
	});

	test('and in every two pieces, and byte by byte, also of a masked length',
		async () => {
			for (const n of [0, 1, 125, 126, 300]) {
				const payload = random(n);
				const bytes = Buffer.concat([frame(OP.BINARY, payload),
					frame(OP.TEXT, 'next')]);
				const socket = await echo();
				await socket.trickle(bytes);
				await comesBack(socket, payload, 'next');
				for (let at = 1; at < bytes.length; at += n > 9 ? 5 : 1) {
					socket.send(bytes.subarray(0, at));
					await new Promise((done) => setImmediate(done));
					socket.send(bytes.subarray(at));
					await comesBack(socket, payload, 'next');
				}
				await ended(socket);
			}
		});

	test('a length that could be said in fewer bytes is a fault', async () => {
		await each([[0, 16], [1, 16], [125, 16], [0, 64], [125, 64], [126, 64],
			[65535, 64]], ([n, lengthBits]) => fault(1002,
			[frame(OP.TEXT, 'before'),
				frame(OP.TEXT, 'x'.repeat(n), { lengthBits })],
			{ before: ['before'], note: `${n} in ${lengthBits} bits` }));
	});

	test('so is one with the top bit, at once and whatever it says',
		async () => {
			await each([1n << 63n, (1n << 64n) - 1n, (1n << 63n) + 5n],
				(length) => fault(1002, frame(OP.BINARY, 'abc', { length }),
					{ note: String(length) }));
		});

	test('a frame that isn\'t masked is a fault', async () => {
		await each([OP.TEXT, OP.BINARY, OP.PING, OP.PONG, OP.CLOSE],
			async (opcode) => {
				for (const payload of ['', closeBody(1000)])
					await fault(1002, [frame(OP.TEXT, 'before'),
						frame(opcode, payload, { mask: null })],
					{ before: ['before'], note: `opcode ${opcode}` });
			});
	});

	test('reserved bits are a fault, in every frame and beside compression',
		async () => {
			for (const options of [{}, DEFLATE])
				await each([1, 2, 3, 4, 5, 6, 7], async (rsv) => {
					for (const opcode of [OP.TEXT, OP.BINARY, OP.PING, OP.PONG,
						OP.CLOSE]) {
						if (options === DEFLATE && rsv === RSV1 && opcode < 8)
							continue;
						await fault(1002, [frame(OP.TEXT, 'before'),
							frame(opcode, opcode === OP.CLOSE ?
								closeBody(1000) : 'x', { rsv }),
							frame(OP.PING, 'after')],
						{ ...options, before: ['before'],
							note: `RSV ${rsv} in opcode ${opcode}` });
					}
				});
		});

	test('so are reserved opcodes', async () => {
		await each([3, 4, 5, 6, 7, 11, 12, 13, 14, 15], async (opcode) => {
			for (const payload of ['', 'payload'])
				for (const fin of [true, false])
					await fault(1002, [frame(OP.TEXT, 'before'),
						frame(opcode, payload, { fin }),
						frame(OP.TEXT, 'after')],
					{ before: ['before'], note: `opcode ${opcode}` });
		});
	});

	test('a fault is told even when much follows it, and before its payload',
		async () => {
			await fault(1002, [frame(3, ''), random(2 * MIB)]);
			for (const bytes of ['8100', '8103', '8902', '8802', '0983', '89fe',
				'82fe0003', '82ff0000000000000003', '82ff8000000000000000',
				'838000000000', '918000000000', '808000000000']) {
				const socket = await echo();
				socket.send(Buffer.from(bytes, 'hex'));
				await failed(socket, 1002, [], bytes);
			}
		});
});

describe('5.4: fragmentation', { timeout: ms(60000) }, () => {
	test('a message in any two and three fragments comes back whole',
		async () => {
			const socket = await echo();
			const text = 'κόσμε\u{1f600}ß';
			const bytes = Buffer.from(text);
			for (let a = 0; a <= bytes.length; a++)
				for (let b = a; b <= bytes.length; b++) {
					socket.send(...fragments(OP.TEXT, [bytes.subarray(0, a),
						bytes.subarray(a, b), bytes.subarray(b)]));
					socket.send(...fragments(OP.BINARY, [bytes.subarray(0, a),
						bytes.subarray(a)]));
					await comesBack(socket, text, bytes);
				}
			await ended(socket);
		});

	test('so do fragments of no length, and a message of only such', async () => {
		await echoes(fragments(OP.TEXT, ['', '', '']), '');
		await echoes(fragments(OP.BINARY, ['', '']), Buffer.alloc(0));
		await echoes(fragments(OP.TEXT, ['', 'a', '', 'b', '']), 'ab');
		await echoes(fragments(OP.TEXT, [...Array(1000).fill(''), 'x', '']),
			'x');
	});

	test('and 20,000 of a byte', async () => {
		const text = prose(20000).replaceAll('é', 'ee');
		await echoes(fragments(OP.TEXT, [...text]), text);
	});

	test('control frames in between are answered at once, in any piece of it',
		async () => {
			for (const by of [1, 3, 100]) {
				const socket = await echo();
				const all = Buffer.concat([frame(OP.TEXT, 'a', { fin: false }),
					frame(OP.PING, 'one'), frame(OP.PONG, 'unasked'),
					frame(OP.CONTINUATION, 'b', { fin: false }),
					frame(OP.PING, '')]);
				for (const piece of pieces(all, by)) {
					socket.send(piece);
					await new Promise((done) => setImmediate(done));
				}
				for (const payload of ['one', '']) {
					const pong = await socket.frame();
					assert.equal(pong.opcode, OP.PONG);
					assert.equal(String(pong.payload), payload);
				}
				socket.send(frame(OP.CONTINUATION, 'c'));
				await comesBack(socket, 'abc');
				await ended(socket);
			}
		});

	test('and in their order, however much comes at once', async () => {
		const socket = await echo();
		const text = prose(100000);
		socket.send(frame(OP.TEXT, 'a', { fin: false }), frame(OP.PING, '1'),
			frame(OP.CONTINUATION, 'b'), frame(OP.TEXT, 'c'),
			frame(OP.PING, '2'), frame(OP.TEXT, text), frame(OP.PING, '3'),
			frame(OP.TEXT, 'd'), closeFrame(1000));
		const got = [];
		for (let one; (one = await socket.frame()) !== undefined;)
			got.push(`${one.opcode} ${one.payload}`);
		assert.deepEqual(got.slice(0, -1), [`${OP.PONG} 1`, `${OP.TEXT} ab`,
			`${OP.TEXT} c`, `${OP.PONG} 2`, `${OP.TEXT} ${text}`,
			`${OP.PONG} 3`, `${OP.TEXT} d`]);
		assert.equal(await socket.closed(), 1000);
	});

	test('a Close in between ends it', async () => {
		const socket = await echo();
		socket.send(frame(OP.TEXT, 'a', { fin: false }), closeFrame(1001));
		assert.equal(await socket.message(), undefined);
		assert.equal(await socket.closed(), 1001);
	});

	test('a continuation of nothing is a fault', async () => {
		for (const fin of [true, false])
			for (const payload of ['', 'x']) {
				await fault(1002,
					frame(OP.CONTINUATION, payload, { fin }));
				await fault(1002, [frame(OP.TEXT, 'before'),
					frame(OP.CONTINUATION, payload, { fin })],
				{ before: ['before'] });
				await fault(1002, [...fragments(OP.TEXT, ['a', 'b']),
					frame(OP.CONTINUATION, payload, { fin })],
				{ before: ['ab'] });
			}
	});

	test('so is a new message within an open one', async () => {
		for (const opcode of [OP.TEXT, OP.BINARY])
			for (const fin of [true, false])
				await fault(1002, [frame(OP.TEXT, 'a', { fin: false }),
					frame(opcode, 'b', { fin })]);
	});
});

describe('5.5: control frames', { timeout: ms(60000) }, () => {
	async function pong(socket, payload) {
		const got = await socket.frame();
		assert.equal(got?.opcode, OP.PONG);
		assert.deepEqual(got.payload, Buffer.from(payload));
	}

	test('a ping of any length to 125 comes back as a pong, in order',
		async () => {
			const socket = await echo();
			for (const payload of ['', 'a', random(124), random(125),
				Buffer.from([0, 0xff, 0xfe, 0xc3])]) {
				socket.send(frame(OP.PING, payload));
				await pong(socket, payload);
			}
			socket.send(...Array.from({ length: 10 },
				(_, i) => frame(OP.PING, `payload-${i}`)));
			for (let i = 0; i < 10; i++)
				await pong(socket, `payload-${i}`);
			await socket.trickle(frame(OP.PING, 'x'.repeat(125)));
			await pong(socket, 'x'.repeat(125));
			await ended(socket);
		});

	test('of a flood the last ping is answered', async () => {
		const socket = await echo();
		const ping = frame(OP.PING, 'x'.repeat(125));
		for (let i = 0; i < 40; i++)
			socket.send(Buffer.concat(Array(1000).fill(ping)));
		socket.send(frame(OP.PING, 'last'));
		for (let n = 0;; n++) {
			const got = await socket.frame();
			assert.equal(got?.opcode, OP.PONG);
			assert.ok(n <= 40000);
			if (String(got.payload) === 'last')
				break;
		}
		await ended(socket);
	});

	test('a pong that nobody asked for is passed over', async () => {
		await echoes([frame(OP.PONG), frame(OP.PONG, 'unsolicited'),
			frame(OP.PONG, random(125)), frame(OP.TEXT, 'on')], 'on');
	});

	test('one longer than 125 bytes or fragmented is a fault', async () => {
		for (const opcode of [OP.PING, OP.PONG, OP.CLOSE]) {
			for (const n of [126, 127, 65536])
				await fault(1002, [frame(OP.TEXT, 'before'), frame(opcode,
					opcode === OP.CLOSE ? closeBody(1000, 'x'.repeat(n - 2)) :
						random(n))],
				{ before: ['before'], note: `${n} bytes, opcode ${opcode}` });
			await fault(1002, [frame(OP.TEXT, 'before'),
				frame(opcode, '', { fin: false }),
				frame(OP.CONTINUATION, '')],
			{ before: ['before'], note: `fragmented, opcode ${opcode}` });
		}
	});
});

describe('7: closing', { timeout: ms(60000) }, () => {
	async function answered(sent, code, reason) {
		const socket = await echo();
		socket.send(sent);
		assert.equal(await socket.message(), undefined);
		/* the server ends TCP first, 7.1.1: closed() waits for that */
		assert.equal(await socket.closed({ isAnswered: false }), code);
		assert.equal(socket.ending, 'end');
		if (reason !== undefined)
			assert.equal(socket.closeReason, reason);
	}

	test('a Close is answered with its own code, one without with none or 1000',
		async () => {
			await each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011,
				1012, 1013, 1014, 3000, 3999, 4000, 4999], async (code) => {
				await answered(closeFrame(code), code);
				await answered(closeFrame(code, 'because: ü'), code);
				await answered(closeFrame(code, 'x'.repeat(123)), code);
			});
			const socket = await echo();
			socket.send(closeFrame());
			assert.ok([1000, 1005].includes(
				await socket.closed({ isAnswered: false })));
		});

	test('a code that nobody may send is a fault', async () => {
		await each([0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999,
			5000, 32768, 65535], async (code) => {
			await fault(1002, closeFrame(code), { note: `code ${code}` });
			await fault(1002, closeFrame(code, 'reason'),
				{ note: `code ${code}` });
		});
	});

	test('so is half a code, and a reason that isn\'t UTF-8', async () => {
		await fault(1002, frame(OP.CLOSE, 'x'));
		for (const reason of ['ff', 'c3', 'ceba e1bdb9 cf83 cebc ceb5 eda080 65',
			'f4908080', 'c080', '68656c6c6f80'])
			await fault(1007, frame(OP.CLOSE, Buffer.concat([closeBody(1000),
				Buffer.from(reason.replaceAll(' ', ''), 'hex')])),
			{ note: reason });
	});

	test('in any pieces', async () => {
		const whole = closeFrame(4321, 'reason');
		for (let at = 1; at < whole.length; at++) {
			const socket = await echo();
			socket.send(whole.subarray(0, at));
			await new Promise((done) => setImmediate(done));
			socket.send(whole.subarray(at));
			assert.equal(await socket.closed({ isAnswered: false }), 4321);
		}
	});

	test('what follows it is not looked at', async () => {
		for (const then of [frame(OP.TEXT, 'late'), frame(OP.PING, 'late'),
			closeFrame(1001), frame(3), random(300000)]) {
			const socket = await echo();
			socket.send(frame(OP.TEXT, 'before'), closeFrame(1000), then);
			await comesBack(socket, 'before');
			assert.equal(await socket.message(), undefined);
			assert.equal(await socket.closed({ isAnswered: false }), 1000);
			assert.equal(socket.ending, 'end');
		}
	});

	test('what went before it comes back first, however long', async () => {
		const text = prose(262144);
		const socket = await echo();
		socket.send(frame(OP.TEXT, text), closeFrame(1000),
			frame(OP.PING, ''));
		await comesBack(socket, text);
		assert.equal(await socket.closed(), 1000);
	});

	test('a client that neither answers a fault nor ends TCP is let go',
		async () => {
			const socket = await echo();
			socket.send(frame(3));
			assert.equal(await socket.closed({ isAnswered: false }), 1002);
		});

	test('an end of TCP without a Close leaves nothing behind', async () => {
		await each([Buffer.alloc(0), frame(OP.TEXT, 'abc').subarray(0, 3),
			frame(OP.TEXT, 'a', { fin: false }), frame(OP.TEXT, random(9),
				{ length: 60000 })], async (bytes) => {
			for (const how of ['end', 'destroy', 'resetAndDestroy']) {
				const socket = await echo();
				socket.send(bytes);
				if (how === 'resetAndDestroy') {
					socket.leave();
					continue;
				}
				socket.socket[how]();
				await within(socket.ended, 10000, `the end after ${how}`);
				socket.leave();
			}
		});
		await echoes(frame(OP.TEXT, 'on'), 'on');
	});
});

describe('8.1: UTF-8', { timeout: ms(90000) }, () => {
	const VALID = ['Hello-µ@ßöäüàá-UTF-8!!', 'κόσμε', '\0', '\x7f', '\u0080',
		'\u07ff', '\u0800', '\ud7ff', '\ue000', '\ufffd', '\ufffe', '\uffff',
		'\ufeff', '\ufeffx', '\u{10000}', '\u{1fffe}', '\u{10ffff}',
		'\u{2f800}a\u{fffff}'];
	const INVALID = [
		'80', 'bf', '80bf', '80bf80bf80bf80',
		...['c0', 'c1', 'c2', 'df', 'e0', 'ef', 'f0', 'f4', 'f5', 'f7', 'f8',
			'fb', 'fc', 'fd', 'fe', 'ff'].map((lead) => lead + '20'),
		'c0af', 'e080af', 'f08080af', 'f8808080af', 'fc80808080af',
		'c1bf', 'e09fbf', 'f08fbfbf', 'f887bfbfbf', 'c080', 'e08080',
		'f0808080', 'eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbfbf',
		'eda080edb080', 'edafbfedbfbf', 'f4908080', 'f5808080', 'fb808080',
		'f7bfbfbf', 'f888808080', 'c3c3', 'e1bd20', 'e1bdc3', 'f0908020',
		'f09080c3', 'fefeffff',
	].map((hex) => Buffer.from(hex, 'hex'));
	const UNFINISHED = ['c3', 'df', 'e1', 'e1bd', 'ef', 'efbf', 'f0', 'f090',
		'f09080', 'f48fbf'].map((hex) => Buffer.from(hex, 'hex'));

	const before = Buffer.from('κόσμε');
	const behind = Buffer.from('edited');

	/* How many bytes it takes to see that it can't become UTF-8. */
	function faultyAt(bytes) {
		for (let n = 1; n <= bytes.length; n++)
			try {
				new TextDecoder('utf-8', { fatal: true })
					.decode(bytes.subarray(0, n), { stream: true });
			} catch {
				return n;
			}
		return Infinity;
	}

	test('all of it comes back, whole, in fragments of a byte and in pieces',
		async () => {
			const socket = await echo();
			for (const text of VALID) {
				const bytes = Buffer.from(text);
				socket.send(frame(OP.TEXT, bytes), ...fragments(OP.TEXT,
					pieces(bytes, 1)));
				await comesBack(socket, text, text);
				await socket.trickle(frame(OP.TEXT, bytes));
				await comesBack(socket, text);
			}
			await ended(socket);
		});

	test('what isn\'t is a fault, whole, in fragments and compressed',
		async () => {
			await each([...INVALID, ...UNFINISHED], async (bytes) => {
				const all = INVALID.includes(bytes) ?
					Buffer.concat([before, bytes, behind]) :
					Buffer.concat([before, bytes]);
				const note = bytes.toString('hex');
				await fault(1007, frame(OP.TEXT, all), { note });
				await fault(1007, fragments(OP.TEXT, pieces(all, 1)), { note });
				await fault(1007, [frame(OP.TEXT, 'ok'), frame(OP.TEXT, all)],
					{ note, before: ['ok'] });
				await fault(1007, frame(OP.TEXT, deflate(all), { rsv: RSV1 }),
					{ note, ...DEFLATE });
			});
		});

	test('it fails with the first byte that can\'t be, no sooner and no later, ' +
		'between fragments', async () => {
		await each(INVALID, async (bytes) => {
			const all = Buffer.concat([before, bytes, behind]);
			const n = faultyAt(all);
			const socket = await echo();
			for (const [i, byte] of pieces(all.subarray(0, n - 1), 1).entries())
				socket.send(frame(i ? OP.CONTINUATION : OP.TEXT, byte,
					{ fin: false }));
			socket.send(frame(OP.PING, 'so far'));
			assert.equal((await socket.frame()).opcode, OP.PONG);
			socket.send(frame(OP.CONTINUATION, all.subarray(n - 1, n),
				{ fin: false }));
			await failed(socket, 1007, [], bytes.toString('hex'));
		});
	});

	test('and within a frame that isn\'t all there', async () => {
		await each(INVALID, async (bytes) => {
			const all = Buffer.concat([before, bytes, behind]);
			const socket = await echo();
			const whole = frame(OP.TEXT, Buffer.concat([all, behind]));
			socket.send(whole.subarray(0, whole.length - all.length -
				behind.length + faultyAt(all)));
			await failed(socket, 1007, [], bytes.toString('hex'));
		});
	});

	test('binary messages may hold anything', async () => {
		const socket = await echo();
		for (const bytes of INVALID) {
			socket.send(...fragments(OP.BINARY, pieces(bytes, 1)));
			await comesBack(socket, bytes);
		}
		await ended(socket);
	});
});

describe('limits', { timeout: ms(120000) }, () => {
	const LIMIT = 64 * 1024;
	let small;

	before(async () => {
		small = await startDaemon({ 'echo-bytes': '64K' },
			['--echo-path', '/echo']);
	});
	after(async () => { await small?.stop(); });

	async function isTooLarge(sent, options) {
		const socket = await upgraded(small.where, '/echo', options);
		socket.send(...sent);
		await failed(socket, 1009);
	}

	async function passes(sent, expected, options) {
		const socket = await upgraded(small.where, '/echo', options);
		socket.send(...sent);
		await comesBack(socket, expected);
		await ended(socket);
	}

	test('a message as long as the limit passes, one byte more is 1009, whole, ' +
		'in fragments and inflated', async () => {
		const most = random(LIMIT);
		const more = random(LIMIT + 1);
		await passes([frame(OP.BINARY, most)], most);
		await isTooLarge([frame(OP.BINARY, more)]);
		await passes(fragments(OP.BINARY, pieces(most, 1000)), most);
		await isTooLarge(fragments(OP.BINARY, pieces(more, 1000)));
		await isTooLarge(fragments(OP.BINARY, [most, 'x']));
		await passes(fragments(OP.BINARY, [most, '', '']), most);
		const text = 'x'.repeat(LIMIT);
		await passes([frame(OP.TEXT, deflate(text), { rsv: RSV1 })], text,
			DEFLATE);
		await passes(fragments(OP.TEXT, pieces(deflate(text), 3),
			{ rsv: RSV1 }), text, DEFLATE);
		await isTooLarge([frame(OP.TEXT, deflate(text + 'x'), { rsv: RSV1 })],
			DEFLATE);
	});

	test('it is told at the header, before the message is there', async () => {
		for (const length of [LIMIT + 1, 2 ** 24, 2 ** 31, 2 ** 32, 2 ** 40,
			2n ** 63n - 1n])
			await isTooLarge([frame(OP.BINARY, 'abc', { length })]);
		await isTooLarge([frame(OP.TEXT, 'x'.repeat(60000), { fin: false }),
			frame(OP.CONTINUATION, 'abc', { length: 10000 })]);
	});

	/* What did body cost?  Sanitizers keep what was freed. */
	async function costsAtMost(which, kib, body) {
		if (isSanitized(which.pid))
			return body();
		which.resetPeak();
		const start = which.peakKib();
		await body();
		const grown = which.peakKib() - start;
		assert.ok(grown < kib, `${grown} KiB`);
	}

	test('lengths that are only said cost no memory', async () => {
		const socket = await echo();
		socket.send(frame(OP.TEXT, 'warm'));
		await comesBack(socket, 'warm');
		await costsAtMost(daemon, 1024, () =>
			fault(1009, frame(OP.BINARY, 'abc', { length: 2 ** 40 })));
		const saying = [];
		await costsAtMost(daemon, 8192, async () => {
			for (let i = 0; i < 200; i++) {
				const one = await echo();
				one.send(frame(OP.PING, ''), frame(OP.BINARY, 'abc',
					{ length: 16 * MIB }));
				assert.equal((await one.frame()).opcode, OP.PONG);
				saying.push(one);
			}
		});
		saying.forEach((one) => one.leave());
		await ended(socket);
	});

	test('a MiB that would inflate to a GiB is 1009 and costs no memory',
		async () => {
			const bytes = bomb(1024);
			assert.ok(bytes.length < 1.1 * MIB);
			await costsAtMost(daemon, 36 * 1024, () =>
				fault(1009, frame(OP.BINARY, bytes, { rsv: RSV1 }), DEFLATE));
			const little = bomb(60);
			assert.ok(little.length < LIMIT);
			await costsAtMost(small, 2048, async () => {
				for (let i = 0; i < 10; i++) {
					await isTooLarge([frame(OP.TEXT, little, { rsv: RSV1 })],
						DEFLATE);
					await isTooLarge(fragments(OP.TEXT, pieces(little, 500),
						{ rsv: RSV1 }), DEFLATE);
				}
			});
		});

	test('16 MiB come back, whole, in fragments, in pieces and compressed',
		async () => {
			const large = random(16 * MIB);
			await echoes(frame(OP.BINARY, large), large);
			await fault(1009, frame(OP.BINARY, Buffer.concat([large,
				Buffer.from('x')])));
			const text = prose(16 * MIB - 8 * MIB);
			await echoes(fragments(OP.TEXT, pieces(Buffer.from(text), 65536)),
				text);
			await echoes(frame(OP.TEXT, deflate(text), { rsv: RSV1 }), text,
				DEFLATE);
			await echoes(fragments(OP.TEXT, pieces(deflate(text), 4096),
				{ rsv: RSV1 }), text, DEFLATE);
			const part = large.subarray(0, 2 * MIB);
			await echoes(fragments(OP.BINARY, pieces(part, 64)), part);
			const socket = await echo();
			for (const piece of pieces(frame(OP.BINARY, part), 64))
				socket.send(piece);
			await comesBack(socket, part);
			await ended(socket);
		});

	test('a client that sends and doesn\'t read stops the server from reading, ' +
		'and then gets all', async () => {
		const text = prose(65536);
		const socket = await echo();
		socket.pauseReading();
		await costsAtMost(daemon, 24 * 1024, async () => {
			for (let i = 0; i < 1000; i++)
				socket.send(frame(OP.TEXT, `${i} ${text}`));
			await echoes(frame(OP.TEXT, 'others go on'), 'others go on');
		});
		assert.ok(socket.socket.writableLength > MIB, 'it was held back');
		socket.resumeReading();
		for (let i = 0; i < 1000; i++)
			await comesBack(socket, `${i} ${text}`);
		await ended(socket);
	});

	test('a thousand messages each way in any size keep their order',
		async () => {
			const socket = await echo(DEFLATE);
			for (const n of [0, 16, 64, 256, 1024, 4096]) {
				const text = prose(n);
				for (let i = 0; i < 1000; i++)
					socket.send(frame(OP.TEXT, `${i}${text}`));
				for (let i = 0; i < 1000; i++)
					await comesBack(socket, `${i}${text}`);
			}
			await ended(socket);
		});
});

describe('RFC 7692, 7.1: what is agreed on', { timeout: ms(60000) }, () => {
	const PMD = 'permessage-deflate';

	const offered = (...lists) => ({ headers: {
		'Sec-WebSocket-Extensions': lists,
	} });

	/* Opens with these offers; the window that was agreed on, or null. */
	async function window(...lists) {
		const socket = await echo(offered(...lists));
		const { agreed } = socket;
		const long = prose(3000);
		const sent = agreed === null ? frame(OP.TEXT, long) :
			frame(OP.TEXT, deflate(long), { rsv: RSV1 });
		socket.send(sent);
		await comesBack(socket, long);
		await ended(socket);
		if (agreed === null)
			return null;
		/* 7.1.2.2: only to a client that has offered to be told */
		assert.ok(!agreed.values.has('client_max_window_bits') ||
			/client_max_window_bits/.test(lists.join()));
		return agreed.windowBits;
	}

	test('every offer that can be met is', async () => {
		for (const parameters of ['', 'client_no_context_takeover',
			'server_no_context_takeover', 'client_max_window_bits',
			...[8, 9, 10, 11, 12, 13, 14, 15].map((n) =>
				`client_max_window_bits=${n}`),
			'client_max_window_bits="10"',
			'server_no_context_takeover; client_no_context_takeover',
			'client_no_context_takeover ;\tclient_max_window_bits',
			'server_no_context_takeover;client_max_window_bits=9',
		])
			assert.equal(await window(
				parameters ? `${PMD}; ${parameters}` : PMD), 15, parameters);
		for (let n = 8; n <= 15; n++)
			for (const value of [n, `"${n}"`, `"\\${String(n)[0]}${
				String(n).slice(1)}"`])
				assert.equal(await window(`${PMD}; server_max_window_bits=${
					value}`), n, value);
	});

	test('one that can\'t be is passed over: no extension then', async () => {
		for (const parameters of ['server_max_window_bits',
			'server_max_window_bits=7',
			'server_max_window_bits=16', 'server_max_window_bits=010',
			'server_max_window_bits=+10', 'server_max_window_bits=-10',
			'server_max_window_bits=10.0', 'server_max_window_bits=1x',
			'server_max_window_bits=4294967306',
			'client_max_window_bits=7', 'client_max_window_bits=16',
			'client_max_window_bits=0', 'client_max_window_bits=x',
			'client_max_window_bits=09',
			'server_no_context_takeover=1', 'client_no_context_takeover=x',
			'client_no_context_takeover="10"',
			'unknown', 'unknown=1', 'server_max_window_bit=10',
			'Server_no_context_takeover2',
			'server_no_context_takeover; server_no_context_takeover',
			'client_no_context_takeover; client_no_context_takeover',
			'client_max_window_bits; client_max_window_bits=10',
			'server_max_window_bits=10; server_max_window_bits=10',
			'server_max_window_bits=10; unknown',
		])
			assert.equal(await window(`${PMD}; ${parameters}`), null,
				parameters);
	});

	test('the first that can be met is taken, among others and unknown ones, ' +
		'in one field or several', async () => {
		for (const [expected, ...lists] of [
			[10, `${PMD}; server_max_window_bits=10, ${PMD}`],
			[15, `${PMD}, ${PMD}; server_max_window_bits=10`],
			[12, `${PMD}; server_max_window_bits=7, ` +
				`${PMD}; server_max_window_bits=12, ${PMD}`],
			[15, `${PMD}; unknown=1, ${PMD}`],
			[9, `${PMD}; server_no_context_takeover; server_max_window_bits=9, ` +
				`${PMD}; server_no_context_takeover, ${PMD}`],
			[15, `x-webkit-deflate-frame, ${PMD}`],
			[15, `x; a=1; b="2", y, ${PMD}`],
			[11, `${PMD}; server_max_window_bits=7`,
				`${PMD}; server_max_window_bits=11`, PMD],
			[15, 'unknown', PMD],
			[15, `, ,${PMD},`],
			[null, 'permessage-deflate2'], [null, 'x-permessage-deflate'],
			[null, 'permessage-bzip2, x-webkit-deflate-frame'],
		])
			assert.equal(await window(...lists), expected, lists.join(' | '));
	});

	test('no context is taken over, either way', async () => {
		for (const parameters of ['', '; server_no_context_takeover',
			'; client_no_context_takeover']) {
			const socket = await echo(offered(PMD + parameters));
			assert.ok(socket.agreed.values.has('server_no_context_takeover'));
			assert.ok(socket.agreed.values.has('client_no_context_takeover'));
			const text = prose(5000);
			for (let i = 0; i < 20; i++) {
				socket.send(frame(OP.TEXT, deflate(text), { rsv: RSV1 }));
				const got = await socket.message();
				assert.equal(got.text, text);
				assert.ok(got.isDeflated);
			}
			await ended(socket);
		}
	});

	test('what goes out stays within the window', async () => {
		const block = random(700).toString('latin1');
		const texts = [400, 1100, 3000, 9000, 30000].map((gap) => block +
			Array.from({ length: gap }, (_, i) => i.toString(36)).join('')
				.slice(0, gap) + block);
		for (const text of texts.slice(1, -1))
			assert.throws(() => inflate(deflate(text), 9));
		for (let n = 8; n <= 15; n++) {
			const socket = await echo(
				offered(`${PMD}; server_max_window_bits=${n}`));
			for (const text of texts) {
				socket.send(frame(OP.TEXT, text));
				await comesBack(socket, text);
			}
			await ended(socket);
		}
	});

	test('ws-deflate off agrees on nothing', async () => {
		const plain = await startDaemon({ 'ws-deflate': 'off' },
			['--echo-path', '/echo']);
		const socket = await upgraded(plain.where, '/echo', DEFLATE);
		assert.equal(socket.agreed, null);
		socket.send(frame(OP.TEXT, 'plain'), frame(OP.TEXT, 'x', { rsv: RSV1 }));
		await failed(socket, 1002, ['plain']);
		await plain.stop();
	});
});

describe('RFC 7692, 7.2: compressed messages', { timeout: ms(90000) }, () => {
	const squeezed = (data, options) =>
		frame(OP.TEXT, deflate(data, options), { rsv: RSV1 });
	const hex = (text) => Buffer.from(text.replaceAll(' ', ''), 'hex');

	test('the samples of the RFC say Hello', async () => {
		const socket = await echo(DEFLATE);
		for (const sample of ['f2 48 cd c9 c9 07 00',
			'00 05 00 fa ff 48 65 6c 6c 6f 00', 'f3 48 cd c9 c9 07 00 00',
			'f2 48 05 00 00 00 ff ff ca c9 c9 07 00']) {
			socket.send(frame(OP.TEXT, hex(sample), { rsv: RSV1 }));
			await comesBack(socket, 'Hello');
		}
		socket.send(...fragments(OP.TEXT, [hex('f2 48 cd'),
			hex('c9 c9 07 00')], { rsv: RSV1 }));
		await comesBack(socket, 'Hello');
		/* the second Hello of a context that was not agreed on */
		socket.send(frame(OP.TEXT, hex('f2 00 11 00 00'), { rsv: RSV1 }));
		await failed(socket, 1007);
	});

	test('whatever the compressor, its window and its blocks', async () => {
		const socket = await echo(DEFLATE);
		const { Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_FILTERED } = zlib.constants;
		for (const text of ['', 'a', 'Hello', prose(100), prose(5000),
			prose(140000)]) {
			const kinds = [deflate(text), deflateFinal(text),
				Buffer.concat([deflateFinal(text).subarray(0, -1),
					hex('00 00 00 ff ff').subarray(0, 1)])];
			for (let level = 0; level <= 9; level += 3)
				kinds.push(deflate(text, { level }));
			for (let windowBits = 9; windowBits <= 15; windowBits++)
				kinds.push(deflate(text, { windowBits }));
			for (const strategy of [Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_FILTERED])
				kinds.push(deflate(text, { strategy }));
			for (const payload of kinds) {
				socket.send(frame(OP.TEXT, payload, { rsv: RSV1 }),
					...fragments(OP.TEXT, pieces(payload, 1 + payload.length / 7
						| 0), { rsv: RSV1 }));
				await comesBack(socket, text, text);
			}
		}
		await ended(socket);
	});

	test('of every size the public suite tries, whole and in fragments, ' +
		'plain and compressed in between', async () => {
		const socket = await echo(DEFLATE);
		for (const n of [16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536,
			131072]) {
			const text = prose(n);
			const binary = random(n);
			for (let i = 0; i < 10; i++) {
				socket.send(squeezed(text), frame(OP.TEXT, text),
					frame(OP.BINARY, deflate(binary), { rsv: RSV1 }),
					...fragments(OP.TEXT, pieces(deflate(text), 256),
						{ rsv: RSV1 }), frame(OP.BINARY, binary));
				await comesBack(socket, text, text, binary, text, binary);
			}
		}
		await ended(socket);
	});

	test('an empty message is one byte, or a few', async () => {
		const socket = await echo(DEFLATE);
		for (const payload of ['00', '0200', '030000', '00 00 00 ff ff 00']) {
			socket.send(frame(OP.TEXT, hex(payload), { rsv: RSV1 }),
				frame(OP.BINARY, hex(payload), { rsv: RSV1 }));
			await comesBack(socket, '', Buffer.alloc(0));
		}
		socket.send(...fragments(OP.TEXT, ['', '00', '', ''].map(hex),
			{ rsv: RSV1 }));
		await comesBack(socket, '');
		await ended(socket);
	});

	test('in every two fragments, with a ping in between', async () => {
		const socket = await echo(DEFLATE);
		const text = prose(150);
		const payload = deflate(text);
		for (let at = 0; at <= payload.length; at++) {
			const [a, b] = fragments(OP.TEXT, [payload.subarray(0, at),
				payload.subarray(at)], { rsv: RSV1 });
			socket.send(a, frame(OP.PING, 'x'), b);
			assert.equal((await socket.frame()).opcode, OP.PONG);
			await comesBack(socket, text);
		}
		await ended(socket);
	});

	test('RSV1 where it must not be is a fault', async () => {
		const whole = deflate('Hello');
		for (const rsv of [0, RSV1])
			await fault(1002, [frame(OP.BINARY, whole.subarray(0, 2),
				{ rsv, fin: false }), frame(OP.CONTINUATION, whole.subarray(2),
				{ rsv: RSV1 })], DEFLATE);
		for (const opcode of [OP.PING, OP.PONG, OP.CLOSE])
			await fault(1002, [frame(opcode, opcode === OP.CLOSE ?
				closeBody(1000) : whole, { rsv: RSV1 })], DEFLATE);
		await fault(1002, squeezed('Hello'));
	});

	test('what isn\'t deflate data is 1007', async () => {
		const good = deflate(prose(2000));
		await each(['06', '07', 'ff', 'ffffffff', '00 05 00 00 00 48',
			'00 05 00 fa fe 48 65 6c 6c 6f 00', 'f2 00 11 00 00',
			'f2 48 cd c9 c9 07 06'], async (bytes) => {
			assert.throws(() => inflate(hex(bytes)), bytes);
			await fault(1007, [frame(OP.TEXT, 'before'),
				frame(OP.BINARY, hex(bytes), { rsv: RSV1 })],
			{ ...DEFLATE, before: ['before'], note: bytes });
			await fault(1007, fragments(OP.BINARY, pieces(hex(bytes), 1),
				{ rsv: RSV1 }), { ...DEFLATE, note: bytes });
		});
		/* cut off or changed anywhere: an answer, whichever */
		await each([...Array(good.length).keys()].filter((n) => n % 5 === 1),
			async (n) => {
				const changed = Buffer.from(good);
				changed[n] ^= 1 << n % 8;
				for (const bytes of [good.subarray(0, n), changed]) {
					const socket = await echo(DEFLATE);
					socket.send(frame(OP.BINARY, bytes, { rsv: RSV1 }),
						closeFrame(1000));
					const got = await socket.message();
					assert.ok([1000, 1007].includes(await socket.closed()));
					assert.equal(socket.closeCode === 1000, got !== undefined);
				}
			});
	});

	test('after a message that failed others are as before', async () => {
		const good = await echo(DEFLATE);
		const text = prose(3000);
		for (const bytes of ['07', 'ff', 'f2 00 11 00 00']) {
			const parts = fragments(OP.TEXT, pieces(deflate(text), 300),
				{ rsv: RSV1 });
			good.send(parts[0]);
			const bad = await echo(DEFLATE);
			bad.send(frame(OP.TEXT, hex(bytes), { rsv: RSV1 }));
			await bad.closed();
			good.send(...parts.slice(1));
			await comesBack(good, text);
		}
		await ended(good);
	});
});
