/* Also under ThreadSanitizer: loop, writer and pages of history. */
/* What is said on a WebSocket, through the web server and straight to the
   daemon. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	CURSOR, epochOf, fresh, history, inOtherEpoch, isAlive, isSanitized,
	memoryKib, ms, newestCursor, openEvents, publish, publishAll, query, run,
	seqOf, sqlite, startDemo, until, within,
} from './harness.mjs';
import {
	closeFrame, connect, deflate, fragments, frame, opening, OP, pieces,
	refused, RSV1, session, Socket, startDaemon, upgraded,
} from './websocket.mjs';

let demo;
const sessions = new Set();

const front = () => ({ host: '127.0.0.1', port: demo.port });
const straight = () => ({ path: path.join(demo.runDir, 'wsd.sock') });

/* Opens a session that subscribes at once to what values say. */
async function open(values = {}, { where = straight(), ...options } = {}) {
	const one = await session(where, demo.base + '/ws' + query(values),
		options);
	sessions.add(one);
	return one;
}

/* What the URL asked for is answered first. */
async function opened(values, options) {
	const one = await open(values, options);
	const first = await one.next();
	assert.equal(first.op, 'ok', JSON.stringify(first));
	assert.ok(!('ref' in first));
	assert.match(first.cursor, CURSOR);
	one.cursor = first.cursor;
	return one;
}

function leaveAll() {
	for (const one of sessions)
		one.leave();
	sessions.clear();
}

const dataOf = (list) => list.map((m) => m.data);
const numbers = (from, to) =>
	Array.from({ length: to - from }, (_, i) => from + i);

async function numbered(channel, from, to) {
	for (let at = from; at < to; at += 1000)
		await publishAll(demo, numbers(at, Math.min(at + 1000, to))
			.map((data) => ({ channel, data })));
}

function isProblem(answer, status) {
	assert.equal(answer.op, 'error', JSON.stringify(answer));
	assert.equal(answer.status, status, JSON.stringify(answer));
	assert.equal(typeof answer.title, 'string');
	assert.ok(answer.detail.length > 5, answer.detail);
}

describe('the WebSocket', { timeout: ms(180000) }, () => {
	before(async () => {
		demo = await startDemo({ options: { heartbeat: 1000,
			'retain': 'short/** messages=5;** age=30d',
			'retain-interval': 100 } });
	});
	after(async () => {
		leaveAll();
		await demo?.stop();
	});

	/* ---- subscribing in the URL ---- */

	for (const [way, where] of [['through the web server', front],
		['straight', straight]])
		test(`${way}: subscribe, publish, read`, async () => {
			const channel = fresh();
			await numbered(channel, 0, 3);
			const reader = await opened({ channel, since: '0' },
				{ where: where() });
			assert.deepEqual(dataOf(await reader.messages(3)), [0, 1, 2]);
			const asked = await reader.subscribe(`${channel}/+`);
			assert.match(asked.cursor, CURSOR);
			const told = await reader.publish(channel, { a: [1, 'ü'] },
				{ event: 'greet', id: 'x1' });
			const [message] = await reader.messages(1);
			assert.ok(Math.abs(message.time - Date.now()) < ms(60000));
			assert.deepEqual(message, { op: 'message', seq: told.seq, channel,
				time: message.time, event: 'greet', id: 'x1',
				data: { a: [1, 'ü'] } });
			assert.deepEqual(told, { op: 'ok', ref: told.ref, seq: told.seq,
				channel, cursor: `${told.seq}.${epochOf(told.cursor)}` });
			await publish(demo, channel, 'by form');
			const [plain] = await reader.messages(1);
			assert.deepEqual(Object.keys(plain),
				['op', 'seq', 'channel', 'time', 'data']);
			assert.deepEqual(dataOf(await history(demo, channel)),
				[0, 1, 2, { a: [1, 'ü'] }, 'by form']);
			assert.equal(await reader.close(), 1000);
		});

	test('since, last and a bare seq say where to begin', async () => {
		const channel = fresh();
		const start = await newestCursor(demo);
		await numbered(channel, 0, 5);
		const all = await history(demo, channel);
		const epoch = epochOf(start);
		for (const [values, expected] of [
			[{}, []], [{ since: 'now' }, []], [{ since: '0' }, [0, 1, 2, 3, 4]],
			[{ since: start }, [0, 1, 2, 3, 4]],
			[{ since: `${all[2].seq}.${epoch}` }, [3, 4]],
			[{ since: `${all[2].seq}.${epoch.toUpperCase()}` }, [3, 4]],
			[{ since: all[3].seq }, [4]], [{ since: all[4].seq }, []],
			[{ last: 0 }, []], [{ last: 2 }, [3, 4]],
			[{ last: 100 }, [0, 1, 2, 3, 4]],
		]) {
			const byUrl = await opened({ channel, ...values });
			assert.deepEqual(dataOf(await byUrl.messages(expected.length)),
				expected, JSON.stringify(values));
			assert.deepEqual(await byUrl.settle(), []);
			const byOp = await open();
			const { cursor } = await byOp.subscribe(channel, values);
			assert.match(cursor, CURSOR);
			assert.deepEqual(dataOf(await byOp.messages(expected.length)),
				expected, JSON.stringify(values));
			assert.deepEqual(await byOp.settle(), []);
			byUrl.leave();
			byOp.leave();
		}
	});

	test('where delivery begins is told, and one may go on from there later',
		async () => {
			const channel = fresh();
			const reader = await opened({ channel });
			reader.leave();
			await numbered(channel, 0, 3);
			const later = await opened({ channel, since: reader.cursor });
			assert.equal(later.cursor, reader.cursor);
			assert.deepEqual(dataOf(await later.messages(3)), [0, 1, 2]);
			const op = await later.subscribe(fresh());
			assert.ok(seqOf(op.cursor) >= (await history(demo, channel))[2].seq);
		});

	test('several channels and patterns are one ordered flow', async () => {
		const base = fresh();
		const reader = await opened({ channel: [`${base}/a`, `${base}/x/*`,
			`/${base}/y/**`] });
		const names = ['a', 'b', 'x', 'x/1', 'x/1/2', 'y', 'y/1', 'y/1/2', 'a'];
		await publishAll(demo, names.map((name) =>
			({ channel: `${base}/${name}`, data: name })));
		const got = await reader.messages(5);
		assert.deepEqual(dataOf(got), ['a', 'x/1', 'y/1', 'y/1/2', 'a']);
		const seqs = got.map((m) => m.seq);
		assert.deepEqual(seqs, seqs.toSorted((a, b) => a - b));
		assert.deepEqual(await reader.settle(), []);
	});

	test('last counts over all channels of the URL', async () => {
		const base = fresh();
		await publishAll(demo, numbers(0, 10).map((data) =>
			({ channel: `${base}/${data % 2}`, data })));
		const reader = await opened({ channel: [`${base}/0`, `${base}/1`],
			last: 3 });
		assert.deepEqual(dataOf(await reader.messages(3)), [7, 8, 9]);
		assert.deepEqual(await reader.settle(), []);
	});

	test('a URL that is wrong is refused before it is a WebSocket', async () => {
		for (const values of [{ channel: 'a*b' }, { channel: '' },
			{ channel: 'a/**/b' }, { channel: 'x'.repeat(256) },
			{ channel: 'a', since: 'x' }, { channel: 'a', since: '-1' },
			{ channel: 'a', since: '1.2' }, { channel: 'a', last: 'x' },
			{ channel: 'a', last: '-1' },
			{ channel: numbers(0, 40).map((i) => `c/${i}`) }]) {
			const answer = await refused(straight(),
				demo.base + '/ws' + query(values));
			assert.equal(answer.status, 400, JSON.stringify(values));
			assert.ok(answer.json.detail.length > 5);
		}
		for (const place of ['/ws?channel=%ff', '/ws?channel=a%00'])
			assert.equal((await refused(straight(), demo.base + place)).status,
				400, place);
	});

	test('pages of this site may connect, those of another may not',
		async () => {
			for (const [status, headers] of [
				[101, { Origin: undefined }], [101, { Origin: 'http://a.test' }],
				[101, { Origin: 'https://a.test' }],
				[101, { Origin: 'http://A.TEST' }],
				[101, { Origin: 'http://a.test:8080', Host: 'a.test:8080' }],
				[101, { Origin: 'http://a.test', Host: 'a.test:80' }],
				[101, { Origin: 'http://[::1]:8080', Host: '[::1]:8080' }],
				[403, { Origin: 'http://b.test' }],
				[403, { Origin: 'http://a.test.b.test' }],
				[403, { Origin: 'http://xa.test' }],
				[403, { Origin: 'http://a.test:8080' }],
				[403, { Origin: 'null' }],
				[403, { Origin: 'a.test' }], [403, { Origin: 'http://' }],
				[403, { Origin: 'http://a.test/x' }],
				[403, { Origin: 'http://a.test@b.test' }],
				[403, { Origin: 'http://b.test', 'X-Forwarded-Host': 'b.test' }],
			]) {
				const socket = await connect(straight(), demo.base + '/ws',
					{ headers: { Host: 'a.test', ...headers } });
				assert.equal(socket.status, status, JSON.stringify(headers));
				socket.leave();
			}
		});

	test('the web server passes refusals on', async () => {
		const other = await refused(front(), demo.base + '/ws',
			{ headers: { Origin: 'http://b.test', Connection:
				'Upgrade, close' } });
		assert.equal(other.status, 403);
		assert.equal(other.json.status, 403);
		const old = await refused(front(), demo.base + '/ws?channel=a*',
			{ headers: { Connection: 'Upgrade, close' } });
		assert.equal(old.status, 400);
	});

	/* ---- ops ---- */

	test('what is unsubscribed comes no more, the rest does', async () => {
		const [a, b] = [fresh(), fresh()];
		const reader = await opened({ channel: [a, b] });
		await reader.publish(a, 1);
		await reader.unsubscribe(a);
		await reader.publish(a, 2);
		await reader.publish(b, 3);
		assert.deepEqual(dataOf(await reader.settle()), [1, 3]);
		await reader.subscribe(a);
		await reader.publish(a, 4);
		assert.deepEqual(dataOf(await reader.messages(1)), [4]);
		await reader.unsubscribe(b);
		await reader.unsubscribe(a);
		await numbered(a, 5, 9);
		await numbered(b, 5, 9);
		assert.deepEqual(await reader.settle(), []);
	});

	test('nothing comes after the answer to an unsubscribe, even of history ' +
		'that is on its way', async () => {
		const channel = fresh();
		await numbered(channel, 0, 5000);
		const reader = await open();
		reader.tell({ op: 'subscribe', channel, since: '0' });
		await reader.unsubscribe(channel);
		const some = reader.arrived().filter((m) => m.op === 'message');
		assert.deepEqual(dataOf(some), numbers(0, some.length));
		await reader.publish(channel, 'on');
		assert.deepEqual(await reader.settle(), []);
	});

	test('what several subscriptions cover comes once', async () => {
		const base = fresh();
		const reader = await opened({ channel: [`${base}/*`, `${base}/a`] });
		await reader.subscribe(`${base}/**`);
		await reader.subscribe(`${base}/a`);
		await reader.publish(`${base}/a`, 1);
		await reader.publish(`${base}/a/b`, 2);
		assert.deepEqual(dataOf(await reader.settle()), [1, 2]);
		await reader.unsubscribe(`${base}/a`);
		await reader.publish(`${base}/a`, 3);
		assert.deepEqual(dataOf(await reader.settle()), [3]);
		await reader.unsubscribe(`${base}/*`);
		await reader.publish(`${base}/a`, 4);
		assert.deepEqual(dataOf(await reader.settle()), [4]);
		await reader.unsubscribe(`${base}/**`);
		await reader.publish(`${base}/a`, 5);
		assert.deepEqual(await reader.settle(), []);
	});

	test('a second subscription that asks for the past gets what didn\'t come ' +
		'yet', async () => {
		const base = fresh();
		await publishAll(demo, [['x', 1], ['y', 2], ['x', 3]].map(
			([name, data]) => ({ channel: `${base}/${name}`, data })));
		const start = await newestCursor(demo);
		const reader = await opened({ channel: `${base}/x` });
		for (const [name, data] of [['x', 4], ['y', 5], ['x', 6]])
			await reader.publish(`${base}/${name}`, data);
		assert.deepEqual(dataOf(await reader.messages(2)), [4, 6]);
		await reader.subscribe(`${base}/*`, { since: start });
		assert.deepEqual(dataOf(await reader.messages(1)), [5]);
		await reader.subscribe(`${base}/**`, { since: '0' });
		assert.deepEqual(dataOf(await reader.messages(3)), [1, 2, 3]);
		await reader.publish(`${base}/y`, 7);
		assert.deepEqual(dataOf(await reader.settle()), [7]);
	});

	test('whatever is subscribed after what, each message comes when it is ' +
		'due, and once', async () => {
		const random = (n) => crypto.randomInt(n);
		const matches = (pattern, name) => new RegExp(`^${pattern
			.replace('**', '.+').replace(/(?<!\.)\*/g, '[^/]+')}$`).test(name);
		const names = ['a/1', 'a/2', 'b/1', 'b/2', 'c'];
		const patterns = [...names, 'a/*', '*/1', '**', '*/*', '*'];
		for (let round = 0; round < 25; round++) {
			const base = fresh();
			const start = await newestCursor(demo);
			const reader = await open();
			const all = [];
			const came = new Set();
			const held = [];
			const steps = [];
			const expect = async (due) => {
				const got = await reader.messages(due.length);
				assert.deepEqual(dataOf(got).toSorted((x, y) => x - y),
					due.map((m) => m.data), steps.join('; '));
				assert.deepEqual(await reader.settle(), [], steps.join('; '));
				due.forEach((m) => came.add(m.seq));
			};
			for (let step = 0; step < 16; step++) {
				const pattern = patterns[random(patterns.length)];
				if (random(3) > 0 || step < 3 || held.includes(pattern)) {
					const name = names[random(names.length)];
					steps.push(`publish ${name}`);
					const { seq } = await reader.publish(`${base}/${name}`,
						all.length);
					all.push({ seq, name, data: all.length });
					await expect(held.some((one) => matches(one, name)) ?
						all.slice(-1) : []);
					continue;
				}
				const seq = all[random(all.length)].seq;
				const from = [{}, { since: '0' }, { last: 1 + random(4) },
					{ since: `${seq}.${epochOf(start)}` }][random(4)];
				steps.push(`${pattern} ${JSON.stringify(from)}`);
				await reader.subscribe(`${base}/${pattern}`, from);
				held.push(pattern);
				const past = all.filter((m) => matches(pattern, m.name) &&
					('last' in from || 'since' in from &&
					m.seq > seqOf(`${from.since}.`)));
				await expect(past.slice(-(from.last ?? past.length) || Infinity)
					.filter((m) => !came.has(m.seq)));
			}
			reader.leave();
		}
	});

	test('subscriptions that come and go while many publish lose and double ' +
		'nothing', async () => {
		const base = fresh();
		const start = await newestCursor(demo);
		const reader = await opened({ channel: `${base}/0` });
		const publisher = await open();
		const written = (async () => {
			for (let i = 0; i < 3000; i += 100)
				await Promise.all(numbers(i, i + 100).map((data) =>
					publisher.publish(`${base}/${data % 3}`, data)));
		})();
		const got = [];
		const take = async (n) => got.push(...await reader.messages(n));
		await take(100);
		await reader.subscribe(`${base}/1`, { last: 10 });
		await take(150);
		await reader.subscribe(`${base}/*`, { since: start });
		await take(100);
		await reader.unsubscribe(`${base}/0`);
		await reader.subscribe(`${base}/**`, { since: start });
		await written;
		await take(3000 - got.length);
		assert.deepEqual(dataOf(got).toSorted((a, b) => a - b),
			numbers(0, 3000));
		assert.deepEqual(await reader.settle(), []);
	});

	test('a gap is told before anything else, then comes what is kept',
		async () => {
			const channel = fresh('short/room');
			const start = await newestCursor(demo);
			await numbered(channel, 0, 20);
			await until(async () =>
				(await history(demo, channel)).length === 5);
			const { seq } = (await history(demo, channel))[0];
			for (const [since, isGap, rest] of [
				[start, true], [seqOf(start), true],
				[inOtherEpoch(await newestCursor(demo)), true],
				[`${seq}.${epochOf(start)}`, false, numbers(16, 20)],
				[await newestCursor(demo), false, []],
			]) {
				const byUrl = await opened({ channel, since });
				const byOp = await open();
				const asked = byOp.subscribe(channel, { since });
				for (const reader of [byUrl, byOp]) {
					if (isGap) {
						const gap = await reader.next();
						assert.equal(gap.op, 'gap', JSON.stringify(gap));
						assert.equal(gap.gap, true);
						assert.match(gap.cursor, CURSOR);
						assert.ok(reader === byUrl || gap.channel === channel,
							JSON.stringify(gap));
						/* what is still in memory may come, too */
						const [{ data }] = await reader.messages(1);
						assert.ok(data <= 15);
						assert.deepEqual(dataOf(await reader.messages(
							19 - data)), numbers(data + 1, 20));
					} else {
						assert.deepEqual(dataOf(await reader.messages(
							rest.length)), rest);
					}
				}
				await asked;
				for (const reader of [byUrl, byOp])
					assert.deepEqual(await reader.settle(), []);
				byUrl.leave();
				byOp.leave();
			}
			for (const values of [{ last: 50 }, { since: 'now' }, {}]) {
				const reader = await opened({ channel, ...values });
				assert.deepEqual(dataOf(await reader.messages(
					'last' in values ? 5 : 0)),
				'last' in values ? numbers(15, 20) : []);
				assert.deepEqual(await reader.settle(), []);
			}
		});

	test('so is a cursor in the future, and one goes on from a gap\'s',
		async () => {
			const channel = fresh();
			await numbered(channel, 0, 3);
			const now = await newestCursor(demo);
			const future = `${seqOf(now) + 1000000}.${epochOf(now)}`;
			for (const since of [future, seqOf(now) + 1000000]) {
				const reader = await opened({ channel, since });
				assert.equal((await reader.next()).op, 'gap');
				assert.deepEqual(dataOf(await reader.messages(3)), [0, 1, 2]);
			}
			const reader = await opened({ channel, since: future });
			const gap = await reader.next();
			assert.equal(gap.op, 'gap');
			reader.leave();
			const again = await opened({ channel, since: gap.cursor });
			assert.deepEqual(dataOf(await again.messages(3)), [0, 1, 2]);
			assert.deepEqual(await again.settle(), []);
		});

	test('a ref comes back as it was', async () => {
		const reader = await open();
		for (const ref of ['1', '"x"', 'null', 'true', '-1.50e3', '"\\u00fc"',
			'[1,2]', '{"a":{"b":[]}}', '12345678901234567890', '""']) {
			reader.socket.send(frame(OP.TEXT, `{"op":"ping","ref":${ref}}`),
				frame(OP.TEXT, `{"ref":${ref},"op":"nonsense"}`));
			const pong = await reader.next();
			assert.equal(pong.op, 'pong');
			assert.deepEqual(pong.ref, JSON.parse(ref));
			const error = await reader.next();
			isProblem(error, 400);
			assert.deepEqual(error.ref, JSON.parse(ref));
		}
		const raw = await upgraded(straight(), demo.base + '/ws');
		raw.send(frame(OP.TEXT,
			'{"op":"ping","ref":12345678901234567890.0123456789}'));
		assert.ok((await raw.message()).text.includes(
			':12345678901234567890.0123456789'));
		raw.leave();
		reader.tell({ op: 'ping' });
		assert.deepEqual(await reader.next(), { op: 'pong' });
	});

	test('what can\'t be understood is an error, and the rest goes on',
		async () => {
			const reader = await open();
			for (const text of ['', ' ', 'hello', '[]', '1', 'null', '""',
				'{', '{}', '{"op":"ping"', '{"op":"ping"}x', '{"op":"ping"}{}',
				'{"op":}', '{"op":1}', '{"op":null}', '{"op":"PING"}',
				'{op:"ping"}', '\u{feff}{"op":"ping"}', '[{"op":"ping"}]',
				'{"op":"ok"}', '{"op":"message"}', '\0',
				'['.repeat(50000), '{"op":'.repeat(20000)]) {
				reader.socket.send(frame(OP.TEXT, text));
				const error = await reader.next();
				isProblem(error, 400);
				assert.ok(!('ref' in error), text.slice(0, 50));
			}
			await reader.settle();
		});

	test('each field that is wrong is told by its ref', async () => {
		const reader = await open();
		const bad = [
			...['subscribe', 'unsubscribe', 'publish'].flatMap((op) => [
				...['', 'a*', '*a/b', 'a/**/b', 'a\u0000', 'a\u001f', '\u007f',
					'x'.repeat(256), '/', 'ü'.repeat(128)].map((channel) =>
					({ op, channel, data: 1 })),
				{ op, data: 1 }, { op, channel: 1, data: 1 },
				{ op, channel: null, data: 1 }, { op, channel: [], data: 1 },
			]),
			...['x', '', '-1', '1.2', '1.zzzzzzzz', '1.123456789', -1, 1.5, {},
				[], true, '99999999999999999999999'].map((since) =>
				({ op: 'subscribe', channel: 'a', since })),
			...['x', '1', -1, 1.5, {}, [], true].map((last) =>
				({ op: 'subscribe', channel: 'a', last })),
			{ op: 'publish', channel: 'a' },
			...['a/*', '*', 'a/**', '**'].map((channel) =>
				({ op: 'publish', channel, data: 1 })),
			...[1, {}, [], 'a\nb', '\u0000'].flatMap((value) => [
				{ op: 'publish', channel: 'a', data: 1, event: value },
				{ op: 'publish', channel: 'a', data: 1, id: value }]),
		];
		for (const op of bad)
			isProblem(await reader.ask(op), 400);
		isProblem(await reader.ask({ op: 'publish', channel: '$mine', data: 1 }),
			403);
		isProblem(await reader.ask({ op: 'publish', channel: '/$a/b', data: 1 }),
			403);
		assert.deepEqual(await reader.settle(), []);
		reader.socket.send(frame(OP.TEXT, '{"op":"publish","channel":"a",' +
			'"ref":1,"data":"\\ud800"}'));
		isProblem(await reader.next(), 400);
	});

	/* ---- publishing ---- */

	test('any JSON is data, and every digit stays', async () => {
		const channel = fresh();
		const reader = await opened({ channel });
		const values = ['null', 'true', 'false', '0', '-0.0', '1e400',
			'12345678901234567890', '""', '"\\u0000\\ud83d\\ude00\\/"', '[]',
			'{}', '[1,[2,{"a":null}]]', '{"op":"message","channel":"x"}',
			'"\u2028</script>"'];
		for (const value of values)
			reader.socket.send(frame(OP.TEXT, ' {"data" : ' + value +
				', "channel":' + JSON.stringify(channel) +
				',\n"op":"publish"}\t'));
		const told = [];
		while (told.length < 2 * values.length)
			told.push(await reader.next());
		assert.deepEqual(dataOf(told.filter((one) => one.op === 'message')),
			values.map((value) => JSON.parse(value)));
		assert.equal(told.filter((one) => one.seq > 0 && one.op === 'ok').length,
			values.length);
		const [third] = (await history(demo, channel)).slice(6);
		assert.equal(third.data, 12345678901234567000);
		const raw = await upgraded(straight(), demo.base + '/ws' +
			query({ channel, since: '0' }));
		await raw.message();
		for (const value of values) {
			const { text } = await raw.message();
			if (/^[-\d]/.test(value))
				assert.ok(text.endsWith(`"data":${value}}`), text);
		}
		raw.leave();
	});

	test('an id that was used answers the first seq and stores nothing',
		async () => {
			const channel = fresh();
			const writer = await opened({ channel });
			const first = await writer.publish(channel, 1, { id: 'once' });
			assert.ok(!('duplicate' in first));
			const second = await writer.publish(channel, 2, { id: 'once' });
			assert.deepEqual(second, { ...first, ref: second.ref,
				duplicate: true });
			const both = await Promise.all([3, 4].map((data) =>
				writer.publish(channel, data, { id: 'twice' })));
			assert.equal(both[0].seq, both[1].seq);
			assert.deepEqual(both.map((one) => one.duplicate),
				[undefined, true]);
			await publish(demo, fresh(), 'elsewhere', { id: 'once' });
			assert.deepEqual(dataOf(await writer.settle()), [1, 3]);
			assert.deepEqual(dataOf(await history(demo, channel)), [1, 3]);
			const byForm = await within(publish(demo, channel, 'x',
				{ id: 'third' }), 10000);
			assert.equal((await writer.publish(channel, 5, { id: 'third' }))
				.seq, byForm.seq);
		});

	test('a message may have 64 KiB and not a byte more, and the rest goes on',
		async () => {
			const channel = fresh();
			const writer = await opened({ channel });
			await writer.publish(channel, 'x'.repeat(65536));
			isProblem(await writer.ask({ op: 'publish', channel,
				data: 'x'.repeat(65537) }), 413);
			isProblem(await writer.ask({ op: 'publish', channel,
				data: 'x'.repeat(400000) }), 413);
			const [one] = await writer.messages(1);
			assert.equal(one.data.length, 65536);
			assert.deepEqual(await writer.settle(), []);
		});

	test('a message of many fragments or compressed is like another',
		async () => {
			const channel = fresh();
			const writer = await opened({ channel }, { headers: {
				'Sec-WebSocket-Extensions': 'permessage-deflate',
			} });
			const op = JSON.stringify({ op: 'publish', channel, ref: 'f',
				data: 'κόσμε '.repeat(500) });
			const bytes = Buffer.from(op);
			writer.socket.send(...fragments(OP.TEXT, pieces(bytes, 1)),
				frame(OP.TEXT, deflate(bytes), { rsv: RSV1 }),
				...fragments(OP.TEXT, pieces(deflate(bytes), 7),
					{ rsv: RSV1 }));
			const told = [];
			while (told.length < 6)
				told.push(await writer.next());
			assert.equal(told.filter((m) => m.op === 'ok').length, 3);
			for (const { data } of told.filter((m) => m.op === 'message'))
				assert.equal(data, 'κόσμε '.repeat(500));
		});

	for (const [way, where] of [['through the web server', front],
		['straight', straight]])
		test(`${way}: 10,000 publishes in a row are all answered, in order`,
			async () => {
				const channel = fresh();
				const writer = await opened({ channel }, { where: where() });
				const answers = await Promise.all(numbers(0, 10000).map((data) =>
					writer.ask({ op: 'publish', channel, data }, 60000)));
				for (const [i, { op, seq }] of answers.entries())
					assert.ok(op === 'ok' && (i === 0 ||
						seq > answers[i - 1].seq));
				const got = await writer.messages(10000);
				for (const [i, { seq, data }] of got.entries())
					assert.ok(data === i && seq === answers[i].seq);
				assert.deepEqual(await writer.settle(), []);
				writer.leave();
				assert.deepEqual(dataOf(await history(demo, channel)),
					numbers(0, 10000));
			});

	test('publishes that were answered are stored, those before a Close too',
		async () => {
			const channel = fresh();
			const writer = await open();
			const asked = numbers(0, 500).map((data) =>
				writer.publish(channel, data));
			await writer.close();
			const told = (await Promise.allSettled(asked))
				.filter((one) => one.status === 'fulfilled');
			const stored = dataOf(await until(async () => {
				const all = await history(demo, channel);
				return all.length >= told.length && all;
			}));
			assert.deepEqual(stored, numbers(0, stored.length));
			assert.equal(stored.length, 500);
		});

	/* ---- what others publish ---- */

	test('what any process and the sqlite3 shell publish arrives', async () => {
		const channel = fresh();
		const readers = [await opened({ channel }),
			await opened({ channel }, { where: front() })];
		for (let i = 0; i < 20; i++)
			await publish(demo, channel, `form ${i}`);
		await sqlite(demo, `INSERT INTO publish(channel, data, event)
			VALUES ('${channel}', 'from SQL', 'e');`);
		for (const reader of readers) {
			const got = await reader.messages(21);
			assert.deepEqual(dataOf(got.slice(0, 20)),
				numbers(0, 20).map((i) => `form ${i}`));
			assert.equal(got[20].data, 'from SQL');
			assert.equal(got[20].event, 'e');
		}
		const events = await openEvents(demo, { channel });
		await readers[1].publish(channel, 'from a socket');
		assert.equal((await events.nextMessage()).data, 'from a socket');
		events.close();
	});

	test('history goes over into what is new without a seam', async () => {
		const channel = fresh();
		await numbered(channel, 0, 3000);
		const readers = [];
		const writing = numbered(channel, 3000, 5000);
		for (let i = 0; i < 10; i++)
			readers.push(await opened({ channel, since: '0' }));
		await writing;
		for (const reader of readers) {
			const got = await reader.messages(5000, 30000);
			assert.ok(got.every(({ data }, i) => data === i));
			assert.deepEqual(await reader.settle(), []);
			reader.leave();
		}
	});

	test('messages as large as they may be come whole', async () => {
		const channel = fresh();
		const reader = await opened({ channel });
		const data = numbers(0, 30).map((i) => `${i}`.padEnd(32700 + i, 'ü'));
		for (const one of data)
			await publish(demo, channel, one);
		assert.deepEqual(dataOf(await reader.messages(30)), data);
		const late = await opened({ channel, since: '0' });
		assert.deepEqual(dataOf(await late.messages(30)), data);
	});

	/* ---- signs of life ---- */

	test('a quiet connection shows signs of life with the newest cursor',
		async () => {
			const reader = await opened({ channel: fresh() });
			const bare = await open();
			await until(() => reader.heartbeats.length >= 1 &&
				bare.heartbeats.length >= 1);
			for (const cursor of reader.heartbeats)
				assert.match(cursor, CURSOR);
			const { cursor } = await publish(demo, fresh(), 'elsewhere');
			await until(() => reader.heartbeats.some((one) =>
				seqOf(one) >= seqOf(cursor)));
			assert.deepEqual(await reader.settle(), []);
		});

	test('and is resumed from there without a loss', async () => {
		const channel = fresh();
		const reader = await opened({ channel });
		await publish(demo, channel, '1');
		await reader.messages(1);
		const n = reader.heartbeats.length;
		await until(() => reader.heartbeats.length > n);
		const since = reader.heartbeats.at(-1);
		reader.leave();
		await publish(demo, channel, '2');
		const again = await opened({ channel, since });
		assert.deepEqual(dataOf(await again.messages(1)), ['2']);
	});

	/* ---- compression ---- */

	test('compressed and plain connections get the same messages', async () => {
		const channel = fresh();
		await publishAll(demo, numbers(0, 50).map((i) =>
			({ channel, data: `${i} ${'abc '.repeat(300)}` })));
		const offers = [undefined, 'permessage-deflate',
			'permessage-deflate; server_max_window_bits=9',
			'permessage-deflate; server_max_window_bits=12',
			'permessage-deflate; client_max_window_bits'];
		const readers = [];
		for (const offer of offers)
			for (const where of [front(), straight()])
				readers.push(await opened({ channel, since: '0' }, { where,
					headers: { 'Sec-WebSocket-Extensions': offer } }));
		await publishAll(demo, numbers(50, 100).map((i) =>
			({ channel, data: `${i} ${'abc '.repeat(i * 50)}` })));
		const expected = await history(demo, channel);
		for (const reader of readers) {
			const got = await reader.messages(100);
			assert.deepEqual(got.map(({ op, ...rest }) => op && rest),
				expected);
			const { agreed } = reader.socket;
			if (agreed === null)
				assert.equal(reader.deflated, 0);
			else if (agreed.windowBits === 15)
				assert.ok(reader.deflated > 90, String(reader.deflated));
		}
	});

	/* ---- faults ---- */

	test('a binary message is 1003', async () => {
		const reader = await open();
		reader.socket.send(frame(OP.BINARY, '{"op":"ping"}'));
		await within(reader.over, 10000, 'the Close');
		assert.equal(reader.socket.closeCode, 1003);
	});

	test('a message over ws-message-bytes is 1009, text that is no UTF-8 1007',
		async () => {
			const reader = await open();
			reader.socket.send(frame(OP.TEXT, 'x'.repeat(524289)));
			await within(reader.over, 10000, 'the Close');
			assert.equal(reader.socket.closeCode, 1009);
			const other = await open();
			other.socket.send(frame(OP.TEXT, Buffer.from('7bff', 'hex')));
			await within(other.over, 10000, 'the Close');
			assert.equal(other.socket.closeCode, 1007);
		});

	/* ---- clients that stop reading ---- */

	test('a client that doesn\'t read for a while catches up, and costs no ' +
		'memory meanwhile', async () => {
		const [mine, theirs] = [fresh(), fresh()];
		const pid = demo.pids().wsd;
		const readers = [];
		for (const where of [straight(), straight(), front()])
			readers.push(await opened({ channel: theirs }, { where }));
		const pad = 'p'.repeat(200);
		const flood = async (from, to) => {
			for (let at = from; at < to; at += 1000)
				await publishAll(demo, numbers(at, at + 1000).map((i) =>
					({ channel: theirs, data: `${i} ${pad}` })));
		};
		await flood(0, 5000);
		for (const reader of readers)
			await reader.messages(5000);
		const start = memoryKib(pid);
		readers.forEach((reader) => reader.socket.pauseReading());
		const answers = readers.map((reader) => numbers(0, 3000).map((data) =>
			reader.ask({ op: 'publish', channel: mine, data }, 120000)));
		const subscribed = readers.map((reader) =>
			reader.ask({ op: 'subscribe', channel: mine, last: 1 }, 120000));
		await flood(5000, 25000);
		if (!isSanitized(pid))
			assert.ok(memoryKib(pid) < start + 8192,
				`${start} KiB grew to ${memoryKib(pid)}`);
		readers.forEach((reader) => reader.socket.resumeReading());
		for (const [i, reader] of readers.entries()) {
			let at = 5000;
			const own = [];
			while (at < 25000) {
				const [one] = await reader.messages(1, 60000);
				if (one.channel === mine)
					own.push(one);
				else
					assert.equal(parseInt(one.data, 10), at++);
			}
			const told = await Promise.all(answers[i]);
			assert.ok(told.every(({ op, seq }, j) => op === 'ok' &&
				(j === 0 || seq > told[j - 1].seq)));
			assert.equal((await subscribed[i]).op, 'ok');
			await reader.settle();
			assert.equal(new Set(own.map((m) => m.seq)).size, own.length);
		}
		assert.equal((await history(demo, mine)).length, 9000);
		readers.forEach((reader) => reader.leave());
	});

	test('nor does one that asks and asks and doesn\'t read the answers',
		async () => {
			const pid = demo.pids().wsd;
			const socket = await upgraded(straight(), demo.base + '/ws');
			const start = memoryKib(pid);
			socket.pauseReading();
			const ops = ['{"op":"ping"}', '{"op":"nonsense"}', 'nonsense',
				'{"op":"subscribe","channel":"a"}'].map((text) =>
				frame(OP.TEXT, text));
			ops.push(frame(OP.PING, 'x'.repeat(125)));
			const all = Buffer.concat(Array(2000).fill(ops).flat());
			for (let i = 0; i < 15; i++)
				socket.send(all);
			socket.send(frame(OP.TEXT, '{"op":"ping","ref":"last"}'));
			const other = await open();
			for (let i = 0; i < 100; i++)
				await other.settle();
			if (!isSanitized(pid))
				assert.ok(memoryKib(pid) < start + 4096,
					`${start} KiB grew to ${memoryKib(pid)}`);
			socket.resumeReading();
			let pongs = 0;
			let errors = 0;
			for (let last = ''; last !== '"last"';) {
				const { text } = await socket.message();
				pongs += text.startsWith('{"op":"pong"');
				errors += text.startsWith('{"op":"error"');
				last = /"ref":("last")/.exec(text)?.[1];
			}
			assert.equal(pongs, 15 * 2000 + 1);
			assert.equal(errors, 15 * 4000);
			socket.leave();
		});

	/* ---- hostile ---- */

	test('ten thousand random byte strings, as an opening and as frames, hurt ' +
		'nobody', { timeout: ms(90000) }, async () => {
		const pid = demo.pids().wsd;
		const witness = await opened({ channel: fresh() });
		const files = () => fs.readdirSync(`/proc/${pid}/fd`).length;
		const before = files();
		const left = numbers(0, 10000).entries();
		const target = demo.base + '/ws?channel=hostile';
		await Promise.all(numbers(0, 16).map(async () => {
			for (const [i] of left) {
				const bytes = crypto.randomBytes(1 + (i * 7919) % 300);
				if (i % 3)
					bytes[0] = [0x81, 0x82, 0x01, 0x89, 0x88, 0xc1][i % 6];
				if (i % 4)
					bytes[1] = 0x80 | i % 127;
				const socket = new Socket(straight());
				if (i % 10 === 0)
					socket.send(bytes);
				else
					socket.send(opening(target, { headers:
						{ 'Sec-WebSocket-Extensions': i % 2 ?
							'permessage-deflate' : undefined } }), bytes);
				socket.socket.end();
				await within(socket.ended, 20000, 'an end');
				assert.equal(socket.fault, null);
				socket.leave();
			}
		}));
		assert.equal(demo.pids().wsd, pid);
		assert.ok(isAlive(pid));
		await until(() => files() <= before + 8,
			{ what: 'an end of all connections' });
		const { channel } = await witness.publish('here', 1);
		assert.equal(channel, 'here');
	});

	test('ops with anything in them hurt nobody', async () => {
		const pid = demo.pids().wsd;
		const reader = await open();
		const parts = ['{', '}', '[', ']', ':', ',', '"op"', '"subscribe"',
			'"publish"', '"unsubscribe"', '"channel"', '"data"', '"ref"', '1',
			'"**"', '"since"', '"last"', '"a"', 'null', '\\', '"', '\u0000',
			'"0.00000000"', '1e9', '-'];
		const random = (n) => crypto.randomInt(n);
		for (let i = 0; i < 3000; i++) {
			let text = random(2) ? '{"op":"subscribe","channel":' : '';
			for (let n = random(12); n >= 0; n--)
				text += parts[random(parts.length)];
			reader.socket.send(frame(OP.TEXT, text));
		}
		await reader.ask({ op: 'ping' }, 30000);
		assert.equal(demo.pids().wsd, pid);
		reader.leave();
	});
});

describe('a daemon that ends', { timeout: ms(120000) }, () => {
	before(async () => { demo = await startDemo({ workers: 1 }); });
	after(async () => {
		leaveAll();
		await demo?.stop();
	});

	/* A client as every client is: comes back with its cursor until told to
	   stop, and goes on in what it got. */
	async function follows(channel, got, signal) {
		let since = got.since;
		while (!signal.isOver) {
			let one;
			try {
				one = await opened({ channel, since });
			} catch {
				await new Promise((done) => setTimeout(done, 20));
				continue;
			}
			for (let m; (m = await one.next(Infinity).catch(() => {}));) {
				assert.equal(m.op, 'message');
				got.push(m.data);
				since = `${m.seq}.${epochOf(since)}`;
			}
			one.leave();
			sessions.delete(one);
		}
	}

	test('killed three times under load, nobody loses or doubles anything',
		async () => {
			const channel = fresh();
			const start = await newestCursor(demo);
			const signal = { isOver: false };
			const clients = numbers(0, 20).map(() =>
				Object.assign([], { since: start }));
			const following = clients.map((got) =>
				follows(channel, got, signal));
			let writer = null;
			let n = 0;
			const write = async () => {
				while (!signal.isOver) {
					const data = n;
					try {
						writer ??= await open();
						await writer.publish(channel, data, { id: `m${data}` });
						n++;
					} catch {
						writer?.leave();
						writer = null;
						await new Promise((done) => setTimeout(done, 20));
					}
				}
			};
			const writing = write();
			for (let round = 0; round < 3; round++) {
				const before = n;
				await until(() => n > before + 100 &&
					clients.every((got) => got.length > before + 50));
				await demo.replaced('wsd', demo.kill9('wsd'));
			}
			const before = n;
			await until(() => n > before + 100);
			signal.isOver = true;
			await writing;
			await until(() => clients.every((got) => got.length >= n));
			leaveAll();
			await Promise.all(following);
			for (const got of clients)
				assert.deepEqual([...got], numbers(0, n));
		});

	test('asked to stop it answers what was published, and closes with 1001',
		async () => {
			const channel = fresh();
			const readers = await Promise.all(numbers(0, 50).map(() =>
				opened({ channel })));
			const writer = await open();
			const asked = numbers(0, 300).map((data) =>
				writer.publish(channel, data));
			const answered = Promise.allSettled(asked);
			await asked[0];
			const pid = demo.signal('wsd', 'SIGTERM');
			for (const reader of [...readers, writer]) {
				await within(reader.over, 20000, 'the Close');
				assert.equal(reader.socket.closeCode, 1001);
			}
			await demo.replaced('wsd', pid);
			const told = (await answered)
				.filter((one) => one.status === 'fulfilled').length;
			const stored = await history(demo, channel);
			assert.ok(stored.length >= told);
			assert.deepEqual(dataOf(stored), numbers(0, stored.length));
			for (const reader of readers) {
				const got = reader.arrived();
				const seq = got.at(-1)?.seq ?? seqOf(reader.cursor);
				const again = await until(() => opened({ channel,
					since: `${seq}.${epochOf(reader.cursor)}` }));
				const rest = await again.messages(stored.length - got.length);
				assert.deepEqual(dataOf([...got, ...rest]),
					numbers(0, stored.length));
				assert.deepEqual(await again.settle(), []);
				again.leave();
			}
		});

	test('with its web server alive, the worker\'s death disturbs nobody',
		async () => {
			const channel = fresh();
			const reader = await opened({ channel }, { where: front() });
			await demo.killWorkers();
			await reader.publish(channel, 1);
			assert.deepEqual(dataOf(await reader.messages(1)), [1]);
		});
});

describe('bounds', { timeout: ms(120000) }, () => {
	/* Runs body with a daemon that has these options; ws opens a session. */
	function withDaemon(name, options, body, args) {
		test(name, async () => {
			const daemon = await startDaemon(options, args);
			const all = [];
			const ws = async (target = '/ws', rest) => {
				const one = await session(daemon.where, target, rest);
				all.push(one);
				return one;
			};
			try {
				await body(ws, daemon);
			} finally {
				all.forEach((one) => one.leave());
				await daemon.stop();
			}
		});
	}

	const closed = async (one) => {
		await within(one.over, 20000, 'the Close');
		return one.socket.closeCode;
	};

	withDaemon('who is silent is pinged, and closed when no pong comes',
		{ 'ws-ping': 200, 'ws-idle': 3000 }, async (ws, daemon) => {
			const lively = await ws();
			const silent = await upgraded(daemon.where, '/ws');
			const talking = await upgraded(daemon.where, '/ws');
			const talk = setInterval(() =>
				talking.send(frame(OP.PONG, 'unasked')), 20);
			try {
				let pings = 0;
				for (let one; (one = await silent.frame(20000));)
					pings += one.opcode === OP.PING;
				await within(silent.ended, 20000, 'its end');
				assert.ok(pings > 0, 'closed without a ping');
				await until(() => lively.socket.pings > 3);
				assert.equal((await lively.ask({ op: 'ping' })).op, 'pong');
				assert.equal(talking.ending, undefined,
					'any frame is a sign of life');
			} finally {
				clearInterval(talk);
				silent.leave();
				talking.leave();
			}
		});

	withDaemon('who takes long to read what it missed is not silent',
		{ 'ws-ping': 300, 'ws-idle': ms(1500), 'ring-bytes': '64K' },
		async (ws, daemon) => {
			const n = 400;
			const pad = 'p'.repeat(60000);
			const writer = await ws();
			for (let i = 0; i < n; i++)
				writer.tell({ op: 'publish', channel: 'a', data: i + pad });
			await writer.ask({ op: 'ping' }, 60000);
			const reader = await ws('/ws?channel=a&since=0');
			const end = Date.now() + ms(4000);
			while (Date.now() < end) {
				reader.socket.pauseReading();
				await new Promise((done) => setTimeout(done, ms(60)));
				reader.socket.resumeReading();
				await new Promise((done) => setImmediate(done));
			}
			assert.equal((await reader.next()).op, 'ok');
			const got = await reader.messages(n, 30000);
			assert.ok(got.every(({ data }, i) => parseInt(data, 10) === i));
		});

	/* A socket that takes one chunk at a time and lets others work between. */
	function readSlowly({ socket }) {
		socket.socket.on('data', () => {
			socket.pauseReading();
			setImmediate(() => socket.resumeReading());
		});
	}

	/* More than a socket and its buffers take. */
	const stuff = (writer, channel, n, bytes) =>
		Promise.all(numbers(0, n).map((i) => writer.publish(channel,
			`${i} ${'p'.repeat(bytes)}`)));

	/* So much is asked at once that the answers don't fit a socket, and behind
	   publishes that fill the pipeline: it is done when a page is there. */
	withDaemon('who reads what it missed slowly, and asks and publishes ' +
		'meanwhile, gets all of it', { 'ring-bytes': '64K',
		'page-bytes': '4K', 'ws-pipeline': 10, 'fetches': 1 }, async (ws) => {
		const n = 5000;
		await stuff(await ws(), 'a', n, 500);
		const all = Buffer.concat([
			...numbers(0, 10).map((data) => ({ op: 'publish', channel: 'b',
				data })),
			...Array(600).fill(''),
			...['a', 'c'].map((channel) => ({ op: 'subscribe', channel })),
			{ op: 'ping' },
		].map((op) => frame(OP.TEXT, op && JSON.stringify(op))));
		await Promise.all(numbers(0, 6).map(async () => {
			const reader = await ws('/ws?channel=a&since=0');
			readSlowly(reader);
			assert.equal((await reader.next()).op, 'ok');
			const left = {};
			let seq = 0;    /* of the last message */
			for (let at = 0; at < n || left.pong > 0;) {
				if (!left.pong) {
					reader.socket.send(all);
					Object.assign(left, { ok: 12, error: 600, pong: 1 });
				}
				const one = await reader.next();
				if (one.op === 'message') {
					assert.equal(parseInt(one.data, 10), at++);
					seq = one.seq;
					continue;
				}
				left[one.op]--;
				if (one.op === 'ok')
					assert.ok(seqOf(one.cursor) >= seq, one.cursor);
				if (one.op === 'pong')
					assert.deepEqual(left, { ok: 0, error: 0, pong: 0 });
			}
		}));
	});

	withDaemon('who reads no more, its socket being full, is closed when it ' +
		'was silent for long, and its place is free',
	{ 'ws-ping': 300, 'ws-idle': ms(2000), 'heartbeat': 1000, 'max-held': 3 },
	async (ws) => {
		const writer = await ws();
		const start = Date.now(); /* before the first sign of life */
		const ofMessages = await ws('/ws?channel=a');
		const ofAnswers = await ws();
		for (const one of [ofMessages, ofAnswers])
			one.socket.pauseReading();
		for (let i = 0; i < 20000; i++)
			ofAnswers.tell({ op: 'nonsense' });
		await stuff(writer, 'a', 200, 10000);
		/* those who are refused are closed with 1013 */
		await until(async () => {
			const both = [await ws(), await ws()];
			const answers = await Promise.all(both.map((one) =>
				one.ask({ op: 'ping' }).catch(() => null)));
			if (answers.some((one) => one?.op !== 'pong'))
				both.forEach((one) => one.leave());
			return answers.every((one) => one?.op === 'pong');
		}, { what: 'room for two others', every: 100 });
		assert.ok(Date.now() - start >= ms(1900), 'closed too early');
		assert.equal((await writer.ask({ op: 'ping' })).op, 'pong');
	});

	withDaemon('nothing comes after the answer to an unsubscribe, though other ' +
		'subscriptions go on with their pages',
	{ 'ring-bytes': '64K', 'page-bytes': '4K' }, async (ws) => {
		const n = 1000;
		const pad = 'p'.repeat(200);
		const writer = await ws();
		await Promise.all(numbers(0, n).map((i) =>
			writer.publish(i % 2 ? 'odd' : 'even', i + pad)));
		for (let round = 0; round < 40; round++) {
			const reader = await ws('/ws?channel=odd&channel=even&since=0');
			await reader.next();
			const got = await reader.messages(1 + 5 * round);
			/* its answer comes from next(), in its order */
			reader.tell({ op: 'unsubscribe', channel: 'odd', ref: 'odd' });
			let isOver = false;
			let isLast = false;
			while (!isOver || !isLast) {
				const one = await reader.next();
				isOver ||= one.ref === 'odd';
				isLast ||= one.data === n - 2 + pad;
				if (one.op === 'message')
					got.push(one);
				assert.ok(!isOver || one.channel !== 'odd',
					`${one.data} in round ${round}`);
			}
			assert.deepEqual(await reader.settle(), []);
			assert.deepEqual(got.filter((m) => m.channel === 'even')
				.map((m) => parseInt(m.data, 10)),
			numbers(0, n / 2).map((i) => 2 * i));
			reader.leave();
		}
	});

	withDaemon('no message comes before the ok of its subscription or after ' +
		'that of its end, and none is behind the cursor of an ok that follows',
	{}, async (ws, daemon) => {
		const names = numbers(0, 40).map((i) => `n${i}`);
		const writer = await ws();
		let isOver = false;
		const writing = (async () => {
			while (!isOver)
				await Promise.all(names.map((name) =>
					writer.publish(name, 'x')));
		})();
		writing.catch(() => {});
		const reader = await upgraded(daemon.where, '/ws');
		const held = new Map();
		let came = 0;
		const bursts = [['subscribe', 'subscribe'],
			['unsubscribe', 'subscribe', 'unsubscribe']];
		for (let round = 0; round < 300 || came === 0; round++) {
			const ops = bursts[round % 2].flatMap((op) =>
				names.map((channel) => ({ op, channel, ref: [op, channel] })));
			reader.send(...ops.map((op) => frame(OP.TEXT, JSON.stringify(op))));
			for (let left = ops.length; left > 0;) {
				const one = JSON.parse((await reader.message()).text);
				if (one.op === 'message') {
					assert.ok(held.has(one.channel), JSON.stringify(one));
					assert.ok(one.seq > held.get(one.channel));
					held.set(one.channel, one.seq);
					came++;
					continue;
				}
				left--;
				const [op, channel] = one.ref;
				assert.equal(one.op, 'ok', JSON.stringify(one));
				assert.ok(seqOf(one.cursor) >= (held.get(channel) ?? 0),
					`${JSON.stringify(one)} after ${held.get(channel)}`);
				if (op === 'subscribe')
					held.set(channel, seqOf(one.cursor));
				else
					held.delete(channel);
			}
		}
		isOver = true;
		await writing;
		reader.leave();
	});

	withDaemon('an ok is never behind an earlier one of its channel, though the ' +
		'connection is still at old messages of another', {}, async (ws, daemon) => {
		const writer = await ws();
		let newest;
		for (let i = 0; i < 50; i++)
			newest = await writer.publish('old', 'x');
		const reader = await upgraded(daemon.where, '/ws');
		reader.send(...[
			{ op: 'subscribe', channel: 'old', since: `0.${epochOf(newest.cursor)}` },
			{ op: 'subscribe', channel: 'new' },
			{ op: 'subscribe', channel: 'new' },
			{ op: 'unsubscribe', channel: 'new' },
		].map((op, i) => frame(OP.TEXT, JSON.stringify({ ...op, ref: i }))));
		const said = [];
		while (said.length < 4) {
			const one = JSON.parse((await reader.message()).text);
			if (one.op === 'ok')
				said.push(seqOf(one.cursor));
		}
		assert.deepEqual(said, [0, newest.seq, newest.seq, newest.seq]);
		reader.leave();
	});

	withDaemon('more connections than max-held are closed with 1013 until one ' +
		'leaves', { 'max-held': 3 }, async (ws) => {
		const held = [await ws(), await ws(), await ws('/ws?channel=a')];
		await Promise.all(held.map((one) => one.subscribe('b')));
		for (let i = 0; i < 3; i++)
			assert.equal(await closed(await ws('/ws?channel=a')), 1013);
		held[0].leave();
		await until(async () => {
			const one = await ws();
			const answer = await one.ask({ op: 'ping' }).catch(() => null);
			return answer?.op === 'pong';
		}, { what: 'room for another' });
		assert.equal((await held[1].ask({ op: 'ping' })).op, 'pong');
	});

	withDaemon('who publishes too fast gets 429 and may go on later, others ' +
		'meanwhile', { 'publish-rate': 1, 'publish-burst': 3 }, async (ws) => {
		const from = (client) => ws('/ws', { headers:
			{ 'X-Forwarded-For': `10.9.9.9, ${client}` } });
		const writer = await from('10.0.0.1');
		const op = { op: 'publish', channel: 'a', data: 1 };
		const answers = await Promise.all(numbers(0, 20).map(() =>
			writer.ask(op)));
		const refusedOnes = answers.filter((one) => one.op === 'error');
		assert.ok(refusedOnes.length >= 10, JSON.stringify(answers));
		refusedOnes.forEach((one) => isProblem(one, 429));
		assert.equal(answers[0].op, 'ok');
		assert.ok(refusedOnes.every((one) => one.retry >= 1));
		isProblem(await (await from('10.0.0.1')).ask(op), 429);
		await (await from('10.0.0.2')).publish('a', 1);
		await until(async () => (await writer.ask(op)).op === 'ok');
	});

	withDaemon('publishing can be switched off, and reading goes on',
		{ 'ws-publish': 'off' }, async (ws) => {
			const one = await ws('/ws?channel=a');
			isProblem(await one.ask({ op: 'publish', channel: 'a', data: 1 }),
				403);
			assert.equal((await one.ask({ op: 'subscribe', channel: 'b' })).op,
				'ok');
			assert.deepEqual((await one.settle())
				.filter((said) => said.op === 'message'), []);
		});

	withDaemon('subscriptions of one connection are bounded',
		{ 'ws-subscriptions': 3 }, async (ws) => {
			const one = await ws('/ws?channel=a&channel=b');
			assert.equal((await one.next()).op, 'ok');
			await one.subscribe('c');
			await one.subscribe('c');
			const answer = await one.ask({ op: 'subscribe', channel: 'd' });
			assert.equal(answer.op, 'error');
			assert.ok(answer.status >= 400 && answer.status < 500);
			assert.ok(answer.detail.length > 5);
			await one.publish('d', 1);
			await one.publish('a', 2);
			assert.deepEqual(dataOf(await one.settle()), [2]);
			await one.unsubscribe('b');
			await one.subscribe('d');
			await one.publish('d', 3);
			assert.deepEqual(dataOf(await one.settle()), [3]);
		});

	withDaemon('a pipeline that is full is read later, not refused',
		{ 'ws-pipeline': 10, 'queue-messages': 100 }, async (ws) => {
			const writers = [await ws(), await ws()];
			const answers = await Promise.all(writers.flatMap((one, w) =>
				numbers(0, 1000).map((data) =>
					one.ask({ op: 'publish', channel: `w${w}`, data }, 60000))));
			assert.deepEqual([...new Set(answers.map((a) => a.op))], ['ok']);
		});

	withDaemon('what was published before a Close is stored and answered ' +
		'before it is, however much waits', { 'ws-pipeline': 100 },
	async (ws) => {
		const n = 5000;
		const writer = await ws();
		const reader = await ws('/ws?channel=a');
		await reader.next();
		const op = (data) => frame(OP.TEXT, JSON.stringify({ op: 'publish',
			channel: 'a', data }));
		writer.socket.send(...numbers(0, n).map(op), closeFrame(1000));
		const got = await reader.messages(n, 30000);
		assert.ok(got.every(({ data }, i) => data === i));
		assert.equal(await closed(writer), 1000);
		const answers = writer.arrived();
		assert.deepEqual(answers.map(({ seq }) => seq),
			got.map(({ seq }) => seq));
	});

	for (const [why, first] of [
		['a beginning is looked up', { op: 'subscribe', channel: 'a', last: 1 }],
		['a message is stored', { op: 'publish', channel: 'a', data: 1 }]])
		withDaemon(`few bytes that inflate to a lot to do while ${why} are ` +
			'1008, and cost little memory', { 'ws-pipeline': 1 },
		async (ws, daemon) => {
			const large = frame(OP.TEXT, deflate(
				`{"op":"ping"${' '.repeat(500000)}}`), { rsv: RSV1 });
			const some = Buffer.concat([frame(OP.TEXT, JSON.stringify(first)),
				...Array(Math.floor(60000 / large.length)).fill(large)]);
			const greedy = [];
			for (let i = 0; i < 4; i++)
				greedy.push(await upgraded(daemon.where, '/ws', { headers:
					{ 'Sec-WebSocket-Extensions': 'permessage-deflate' } }));
			const start = memoryKib(daemon.pid);
			daemon.resetPeak();
			for (const one of greedy) {
				one.pauseReading();
				one.send(some);
			}
			const other = await ws();
			for (let i = 0; i < 50; i++)
				await other.settle();
			if (!isSanitized(daemon.pid))
				assert.ok(daemon.peakKib() < start + 65536,
					`${start} KiB grew to ${daemon.peakKib()}`);
			for (const one of greedy) {
				one.resumeReading();
				assert.equal(await one.closed(), 1008);
			}
		});

	withDaemon('what can\'t be stored is 503 with a time to come back, and ' +
		'reading goes on', { 'busy-wait': 50 }, async (ws, daemon) => {
		const writer = await ws('/ws?channel=a');
		await writer.next();
		await writer.publish('a', 1);
		const shell = run('sqlite3', [daemon.log], { input: null });
		shell.child.stdin.write('BEGIN IMMEDIATE; SELECT \'locked\';\n');
		await until(() => shell.stdout.includes('locked'));
		const answer = await writer.ask({ op: 'publish', channel: 'a',
			data: 2 });
		isProblem(answer, 503);
		assert.ok(answer.retry >= 1, JSON.stringify(answer));
		const late = await ws('/ws?channel=a&since=0');
		assert.equal((await late.next()).op, 'ok');
		assert.deepEqual(dataOf(await late.messages(1)), [1]);
		shell.child.stdin.end('COMMIT;\n');
		await shell.done;
		await writer.publish('a', 3);
		assert.deepEqual(dataOf(await late.messages(1)), [3]);
		assert.deepEqual(dataOf(await writer.messages(2)), [1, 3]);
	});

	withDaemon('a log that can\'t be read is 503, without telling where it ' +
		'lies, until it can be read', {}, async (ws, daemon) => {
		const aside = `${daemon.log}-aside`;
		fs.renameSync(daemon.log, aside);
		fs.writeFileSync(daemon.log, 'no database '.repeat(1000));
		for (const target of ['/ws', '/ws?channel=a',
			'/ws?channel=a&since=0', '/bayeux']) {
			const answer = await refused(daemon.where, target);
			assert.equal(answer.status, 503, target);
			assert.equal(answer.json.status, 503);
			assert.match(answer.json.detail, /log\.db/);
			assert.ok(!answer.text.includes(daemon.folder), answer.text);
			assert.ok(answer.headers['retry-after'] >= 1);
		}
		await until(() => daemon.job.stderr.includes(daemon.log),
			{ what: 'a word for the operator' });
		fs.renameSync(aside, daemon.log);
		const one = await ws(); /* who reads a log that goes is cut */
		await one.publish('a', 1);
		fs.renameSync(daemon.log, aside);
		fs.writeFileSync(daemon.log, 'no database '.repeat(1000));
		const answer = await one.ask({ op: 'publish', channel: 'a', data: 2 });
		isProblem(answer, 503);
		assert.ok(!answer.detail.includes(daemon.folder), answer.detail);
	});

	withDaemon('openings that never end keep nobody out for long',
		{ 'max-arriving': 16, 'request-wait': 300 }, async (ws, daemon) => {
			const early = await ws('/ws?channel=a');
			await early.next();
			const slow = numbers(0, 100).map(() => new Socket(daemon.where));
			slow.forEach((one) => one.send('GET /ws HTTP/1.1\r\nHost: '));
			await early.publish('a', 1);
			assert.deepEqual(dataOf(await early.messages(1)), [1]);
			await (await ws()).publish('a', 2);
			for (const one of slow) {
				await within(one.ended, 20000, 'an end');
				one.leave();
			}
		});

	withDaemon('origins that are allowed may connect',
		{ 'allow-origin': 'https://b.test;http://c.test:8080' },
		async (ws, daemon) => {
			for (const [status, Origin] of [[101, 'https://b.test'],
				[101, 'http://c.test:8080'], [101, 'https://site.test'],
				[403, 'http://b.test'], [403, 'http://c.test'],
				[403, 'https://b.test:8080'], [403, 'null']]) {
				const socket = await connect(daemon.where, '/ws',
					{ headers: { Origin } });
				assert.equal(socket.status, status, Origin);
				socket.leave();
			}
		});

	withDaemon('any origin, where that is allowed', { 'allow-origin': '*' },
		async (ws, daemon) => {
			for (const Origin of ['https://b.test', 'null'])
				(await upgraded(daemon.where, '/ws',
					{ headers: { Origin } })).leave();
		});

	withDaemon('there is no echo where none is asked for', {},
		async (ws, daemon) => {
			assert.equal((await refused(daemon.where, '/echo')).status, 404);
			await ws('/any/base/ws?channel=a');
		});

	withDaemon('a stop is spread over the connections', { 'ws-stop-spread':
		60000 }, async (ws, daemon) => {
		const n = 1000;
		const all = await Promise.all(numbers(0, n).map(() => ws()));
		const times = [];
		daemon.job.child.kill('SIGTERM');
		await Promise.all(all.map(async (one) => {
			assert.equal(await closed(one), 1001);
			times.push(Date.now());
		}));
		assert.deepEqual(await within(daemon.job.done, 20000),
			{ code: 0, signal: null });
		assert.ok(times.at(-1) - times[0] > n / 4,
			`${times.at(-1) - times[0]} ms for ${n}`);
	});

	withDaemon('a stop answers openings that have begun with 503', {},
		async (ws, daemon) => {
			const begun = new Socket(daemon.where);
			begun.send(opening('/ws').slice(0, -2));
			const silent = new Socket(daemon.where);
			await ws(); /* so both were accepted */
			daemon.job.child.kill('SIGTERM');
			await within(begun.opened, 20000, 'an answer');
			assert.equal(begun.status, 503);
			assert.ok(begun.headers['retry-after'] >= 1);
			await within(silent.ended, 20000, 'its end');
			assert.equal(silent.status, undefined);
			begun.leave();
			silent.leave();
			assert.deepEqual(await within(daemon.job.done, 20000),
				{ code: 0, signal: null });
		});

	withDaemon('a stop waits for what is being stored, then closes with 1001',
		{ 'busy-wait': 30000 }, async (ws, daemon) => {
			const writer = await ws();
			const shell = run('sqlite3', [daemon.log], { input: null });
			shell.child.stdin.write('BEGIN IMMEDIATE; SELECT \'locked\';\n');
			await until(() => shell.stdout.includes('locked'));
			const asked = writer.publish('a', 1);
			await writer.ask({ op: 'ping' });
			daemon.job.child.kill('SIGTERM');
			await new Promise((done) => setTimeout(done, 1500)); /* its usual
				patience is over */
			shell.child.stdin.end('COMMIT;\n');
			assert.equal((await asked).op, 'ok');
			assert.equal(await closed(writer), 1001);
			assert.deepEqual(await within(daemon.job.done, 20000),
				{ code: 0, signal: null });
		});

	withDaemon('two daemons share a socket, and the death of one leaves the ' +
		'others\' clients alone', {}, async (ws, daemon) => {
		const children = () => fs.readFileSync(
			`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'utf8')
			.trim().split(' ').map(Number);
		await until(() => children().length === 2);
		const all = [];
		for (const child of children()) {
			process.kill(child, 'SIGSTOP');
			try {
				for (let i = 0; i < 20; i++)
					all.push(await ws('/ws?channel=shared'));
			} finally {
				process.kill(child, 'SIGCONT');
			}
		}
		for (const one of all)
			assert.equal((await one.next()).op, 'ok');
		for (let i = 0; i < 40; i++)
			await all[i].publish('shared', i);
		for (const one of all)
			assert.deepEqual(dataOf(await one.messages(40)), numbers(0, 40));
		const [victim] = children();
		process.kill(victim, 'SIGKILL');
		await until(() => children().length === 2 &&
			!children().includes(victim));
		const states = await Promise.all(all.map((one) =>
			one.ask({ op: 'ping' }).then(() => true, () => false)));
		const left = all.filter((_, i) => states[i]);
		assert.equal(left.length, 20);
		const late = await ws('/ws?channel=shared');
		await late.next();
		await left[0].publish('shared', 'on');
		for (const one of [...left, late])
			assert.equal((await one.messages(1))[0].data, 'on');
	}, ['--workers', '2']);

	withDaemon('a client that never ends its closing is let go',
		{ 'ws-close-wait': 200 }, async (ws, daemon) => {
			const one = await upgraded(daemon.where, '/ws');
			one.send(frame(OP.BINARY, ''));
			assert.equal(await one.closed({ isAnswered: false }), 1003);
			const other = await upgraded(daemon.where, '/ws');
			other.send(closeFrame(1000));
			assert.equal(await other.closed({ isAnswered: false }), 1000);
			await ws();
		});
});
