/*
 * Long polling, and what becomes of held techniques without a budget.
 * Also under ThreadSanitizer.
 */
import assert from 'node:assert/strict';
import vm from 'node:vm';
import { after, before, describe, test } from 'node:test';
import {
	assertProblem, CURSOR, epochOf, fresh, get, history, inOtherEpoch, ms,
	newestCursor, openEvents, openLines, openText, pause, publish, publishAll,
	rawHttp, seqOf, startDemo, until, within,
} from './harness.mjs';

let demo;

const longpoll = (values, options) => get(demo, '/longpoll', values, options);
const dataOf = (answer) => answer.json.messages.map((m) => m.data);

/* Publishes again and again until the long poll has an answer: only so can
   its arrival be known from outside. */
async function answeredBy(answer, channel, data) {
	let isOver = false;
	const over = answer.finally(() => { isOver = true; });
	over.catch(() => {});
	for (let i = 0; !isOver; i++) {
		await publish(demo, channel, data);
		await Promise.race([over, pause(30)]);
	}
	return answer;
}

describe('long polling', { timeout: ms(120000) }, () => {
	before(async () => { demo = await startDemo(); });
	after(async () => { await demo?.stop(); });

	test('an answer waits for the next message and is shaped like a poll\'s',
		async () => {
			const channel = fresh();
			await publish(demo, channel, 'old');
			const answer = await answeredBy(longpoll({ channel }), channel,
				'new');
			assert.equal(answer.status, 200, answer.text);
			assert.match(answer.headers['content-type'],
				/^application\/json\b/);
			assert.deepEqual(Object.keys(answer.json).sort(),
				['cursor', 'messages', 'more']);
			assert.equal(dataOf(answer)[0], 'new');
			assert.match(answer.json.cursor, CURSOR);
		});

	test('what is already there is answered at once', async () => {
		const channel = fresh();
		const { cursor } = await publish(demo, channel, 'one');
		await publish(demo, channel, 'two');
		assert.deepEqual(dataOf(await longpoll({ channel, since: cursor })),
			['two']);
		assert.deepEqual(dataOf(await longpoll({ channel, since: 0 })),
			['one', 'two']);
		assert.deepEqual(dataOf(await longpoll({ channel, last: 1 })),
			['two']);
		const limited = await longpoll({ channel, since: 0, limit: 1 });
		assert.deepEqual(dataOf(limited), ['one']);
		assert.equal(limited.json.more, true);
	});

	test('an answer comes empty at its timeout, with a cursor to go on from',
		async () => {
			const channel = fresh();
			const start = await newestCursor(demo);
			const answer = await longpoll({ channel, timeout: 1 });
			assert.equal(answer.status, 200);
			assert.deepEqual(answer.json.messages, []);
			assert.equal(answer.json.more, false);
			assert.ok(seqOf(answer.json.cursor) >= seqOf(start));
			await publish(demo, channel, 'x');
			assert.deepEqual(dataOf(await longpoll(
				{ channel, since: answer.json.cursor })), ['x']);
		});

	test('a timeout of 0 answers at once', async () => {
		const answer = await longpoll({ channel: fresh(), timeout: 0 });
		assert.deepEqual(answer.json.messages, []);
	});

	test('an answer that was held over other channels\' messages has moved on',
		async () => {
			const held = longpoll({ channel: fresh(), timeout: 2 });
			let last;
			for (let i = 0; i < 5; i++)
				last = await publish(demo, fresh(), 'other');
			const { json } = await held;
			assert.deepEqual(json.messages, []);
			assert.ok(seqOf(json.cursor) >= last.seq);
		});

	test('a malformed timeout is refused', async () => {
		for (const timeout of ['x', '-1', '1.5', '1s'])
			assert.match(assertProblem(assert,
				await longpoll({ channel: 'a', timeout }), 400), /timeout/);
	});

	test('a gap is told at once, not at the timeout', async () => {
		const channel = fresh();
		const { cursor } = await publish(demo, channel, 'kept');
		const other = ((parseInt(epochOf(cursor), 16) ^ 255) >>> 0).toString(16)
			.padStart(8, '0');
		const answer = await longpoll(
			{ channel, since: `${seqOf(cursor)}.${other}`, timeout: 50 });
		assert.equal(answer.json.gap, true);
		assert.deepEqual(dataOf(answer), ['kept']);
		const empty = await longpoll(
			{ channel: fresh(), since: inOtherEpoch(cursor), timeout: 50 });
		assert.equal(empty.json.gap, true);
		assert.deepEqual(empty.json.messages, []);
		assert.equal(epochOf(empty.json.cursor), epochOf(cursor));
		const future = await longpoll(
			{ channel, since: seqOf(cursor) + 1000000, timeout: 50 });
		assert.equal(future.json.gap, true);
	});

	test('an answer is woken by a publish at any process', async () => {
		const channel = fresh();
		let { cursor } = await publish(demo, channel, 'start');
		for (let i = 0; i < 30; i++) {
			const held = longpoll({ channel, since: cursor, timeout: 30 });
			await publish(demo, channel, String(i));
			const answer = await held;
			assert.deepEqual(dataOf(answer), [String(i)]);
			({ cursor } = answer.json);
		}
	});

	test('many who wait for one message all get it', async () => {
		const channel = fresh();
		const { cursor } = await publish(demo, channel, 'start');
		const held = Array.from({ length: 60 }, (_, i) => longpoll({
			channel: i % 2 ? channel : [channel, `${channel}/*`],
			since: cursor, timeout: 50,
		}));
		await publish(demo, channel, 'for all');
		for (const answer of await Promise.all(held))
			assert.deepEqual(dataOf(answer), ['for all']);
	});

	test('a chain of long polls loses nothing and doubles nothing',
		async () => {
			const channel = `${fresh()}/x`;
			let since = await newestCursor(demo);
			const publishing = (async () => {
				for (let i = 0; i < 100; i++) {
					await publish(demo, channel, String(2 * i));
					await publishAll(demo,
						[{ channel, data: String(2 * i + 1) }]);
				}
			})();
			const got = [];
			while (got.length < 200) {
				const answer = await longpoll(
					{ channel: channel.replace('/x', '/**'), since });
				got.push(...dataOf(answer));
				since = answer.json.cursor;
			}
			await publishing;
			assert.deepEqual(got.map(Number), [...Array(200).keys()]);
		});

	test('JSONP calls the function with the answer', async () => {
		const channel = fresh();
		await publish(demo, channel, '</script>');
		const answer = await longpoll({ channel, since: 0, callback: 'a.b' });
		assert.match(answer.headers['content-type'],
			/^(application|text)\/javascript\b/);
		assert.equal(answer.headers['x-content-type-options'], 'nosniff');
		let given;
		vm.runInNewContext(answer.text, { a: { b: (v) => { given = v; } } });
		assert.equal(given.messages[0].data, '</script>');
		assertProblem(assert,
			await longpoll({ channel, callback: 'a b' }), 400);
	});

	test('a pattern or cursor that is malformed is refused at once',
		async () => {
			assertProblem(assert, await longpoll({ channel: 'a*' }), 400);
			assertProblem(assert,
				await longpoll({ channel: 'a', since: 'x' }), 400);
		});

	test('a client that leaves takes nothing from the others', async () => {
		const channel = fresh();
		const { cursor } = await publish(demo, channel, 'start');
		const leaving = [];
		for (let i = 0; i < 20; i++) {
			const held = openText(demo, '/longpoll',
				{ channel, since: cursor, timeout: 50 });
			held.catch(() => {});
			leaving.push(held);
		}
		const staying = longpoll({ channel, since: cursor, timeout: 50 });
		await publish(demo, channel, 'x');
		for (const held of leaving)
			(await held).close();
		assert.deepEqual(dataOf(await staying), ['x']);
	});

	test('a client of HTTP/1.0 is served', async () => {
		const channel = fresh();
		await publish(demo, channel, 'old friend');
		const text = (await rawHttp(demo, `GET /comet/longpoll?channel=` +
			`${channel}&since=0 HTTP/1.0\r\n\r\n`)).toString();
		assert.match(text, /^HTTP\/1\.[01] 200 /);
		const body = text.slice(text.indexOf('\r\n\r\n') + 4);
		assert.equal(JSON.parse(body).messages[0].data, 'old friend');
	});
});

describe('where streams are off', { timeout: ms(60000) }, () => {
	before(async () => {
		demo = await startDemo({ options: { streams: 'off' } });
	});
	after(async () => { await demo?.stop(); });

	test('they give what there is and end, and long polls wait', async () => {
		const channel = fresh();
		const { cursor } = await publish(demo, channel, 'a');
		for (const open of [openEvents, openLines]) {
			const held = await open(demo, { channel, since: 0 });
			assert.equal((await held.nextMessage()).data, 'a');
			assert.equal(await within(held.finished, 5000, 'the end'),
				'complete');
		}
		const answer = longpoll({ channel, since: cursor, timeout: 50 });
		await publish(demo, channel, 'b');
		const { json } = await answer;
		assert.deepEqual(json.messages.map((m) => m.data), ['b']);
		assert.equal(json.degraded, undefined);
	});
});

describe('held techniques without a budget', { timeout: ms(60000) }, () => {
	before(async () => {
		demo = await startDemo({ options: { 'max-held': 0 } });
	});
	after(async () => { await demo?.stop(); });

	test('a long poll answers at once and says that it is degraded',
		async () => {
			const answer = await longpoll({ channel: fresh(), timeout: 50 });
			assert.equal(answer.status, 200);
			assert.equal(answer.json.degraded, true);
			assert.deepEqual(answer.json.messages, []);
			assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
			const channel = fresh();
			await publish(demo, channel, 'x');
			assert.deepEqual(dataOf(await longpoll({ channel, since: 0 })),
				['x']);
		});

	test('events and stream give what there is and end properly', async () => {
		const channel = fresh();
		for (const data of ['a', 'b', 'c'])
			await publish(demo, channel, data);
		const events = await openEvents(demo, { channel, since: 0 });
		assert.deepEqual((await events.nextMessages(3)).map((e) => e.data),
			['a', 'b', 'c']);
		assert.equal(await within(events.finished, 5000, 'the end'),
			'complete');
		assert.ok(events.decoder.retry > 2500,
			`a longer retry: ${events.decoder.retries}`);
		const lines = await openLines(demo, { channel, since: 0 });
		assert.deepEqual((await lines.nextMessages(3)).map((m) => m.data),
			['a', 'b', 'c']);
		assert.equal(await within(lines.finished, 5000, 'the end'),
			'complete');
	});

	test('a reader far behind is not cut off in the middle of what there is',
		async () => {
			const channel = fresh();
			for (let i = 0; i < 5; i++)
				await publishAll(demo, Array.from({ length: 1000 }, (_, j) =>
					({ channel, data: i * 1000 + j })));
			const seen = [];
			let id = '0';
			await until(async () => {
				const events = await openEvents(demo, { channel, since: id });
				await within(events.finished, 10000, 'the end');
				const got = events.received()
					.filter((e) => e.type === 'message');
				seen.push(...got.map((e) => Number(e.data)));
				id = events.decoder.lastEventId || id;
				return got.length === 0;
			}, { limit: 20000, every: 1, what: 'all of the history' });
			assert.deepEqual(seen, [...Array(5000).keys()]);
		});

	test('publishing and short polling go on', async () => {
		const channel = fresh();
		await publish(demo, channel, 'x');
		assert.equal((await history(demo, channel)).length, 1);
	});
});
