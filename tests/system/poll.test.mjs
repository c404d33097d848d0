/* Short polling: answers, cursors, patterns, gaps and JSONP. */
import assert from 'node:assert/strict';
import vm from 'node:vm';
import { after, before, describe, test } from 'node:test';
import {
	assertBadAddress, assertProblem, CURSOR, epochOf, fcgiExchange, fresh,
	get, history, inOtherEpoch, ms, newestCursor, post, publish, publishAll,
	seqOf, startDemo, until,
} from './harness.mjs';

let demo;

const poll = (values, options) => get(demo, '/poll', values, options);

async function pollOk(values) {
	const answer = await poll(values);
	assert.equal(answer.status, 200, answer.text);
	return answer.json;
}

const dataOf = (answer) => answer.messages.map((m) => m.data);

async function filled(n, channel = fresh()) {
	await publishAll(demo, Array.from({ length: n }, (_, i) =>
		({ channel, data: i })));
	return channel;
}

/* What the JSONP text calls its function with. */
function calledWith(text, name) {
	const calls = [];
	const context = {};
	const parts = name.split('.');
	let at = context;
	for (const part of parts.slice(0, -1))
		at = at[part] = {};
	at[parts.at(-1)] = (...args) => calls.push(args);
	vm.runInNewContext(text, context, { timeout: 1000 });
	assert.equal(calls.length, 1);
	assert.equal(calls[0].length, 1);
	return JSON.parse(JSON.stringify(calls[0][0]));
}

describe('short polling', { timeout: ms(120000) }, () => {
	before(async () => { demo = await startDemo(); });
	after(async () => { await demo?.stop(); });

	test('an answer has messages, a cursor and more', async () => {
		const channel = fresh();
		const { seq } = await publish(demo, channel, 'hello',
			{ event: 'e', id: 'i' });
		const answer = await poll({ channel });
		assert.equal(answer.status, 200);
		assert.match(answer.headers['content-type'], /^application\/json\b/);
		assert.deepEqual(Object.keys(answer.json).sort(),
			['cursor', 'messages', 'more']);
		assert.equal(answer.json.more, false);
		assert.match(answer.json.cursor, CURSOR);
		assert.ok(seqOf(answer.json.cursor) >= seq);
		const [message] = answer.json.messages;
		assert.deepEqual({ ...message, time: 0 }, { seq, channel, time: 0,
			event: 'e', id: 'i', data: 'hello' });
		assert.ok(Math.abs(message.time - Date.now()) < ms(60000));
	});

	test('without a start everything kept is given', async () => {
		const channel = await filled(3);
		assert.deepEqual(dataOf(await pollOk({ channel })), [0, 1, 2]);
		assert.deepEqual(dataOf(await pollOk({ channel, since: 0 })),
			[0, 1, 2]);
	});

	test('a channel that nobody wrote to gives nothing and a cursor',
		async () => {
			const answer = await pollOk({ channel: fresh() });
			assert.deepEqual(answer.messages, []);
			assert.match(answer.cursor, CURSOR);
		});

	test('a cursor gives what came after it', async () => {
		const channel = await filled(3);
		const { cursor } = await pollOk({ channel });
		assert.deepEqual((await pollOk({ channel, since: cursor })).messages,
			[]);
		const { seq } = await publish(demo, channel, 'new');
		const answer = await pollOk({ channel, since: cursor });
		assert.deepEqual(dataOf(answer), ['new']);
		assert.equal(answer.messages[0].seq, seq);
	});

	test('the cursor of a publish is one to go on from', async () => {
		const channel = fresh();
		const { cursor } = await publish(demo, channel, 'first');
		await publish(demo, channel, 'second');
		assert.deepEqual(dataOf(await pollOk({ channel, since: cursor })),
			['second']);
	});

	test('a bare integer is a cursor too', async () => {
		const channel = await filled(4);
		const [, second] = await history(demo, channel);
		const answer = await pollOk({ channel, since: second.seq });
		assert.deepEqual(dataOf(answer), [2, 3]);
		assert.equal(answer.gap ?? false, false);
	});

	test('since=now gives nothing old and the newest cursor', async () => {
		const channel = await filled(2);
		const answer = await pollOk({ channel, since: 'now' });
		assert.deepEqual(answer.messages, []);
		assert.equal(answer.cursor, await newestCursor(demo));
		await publish(demo, channel, 'x');
		assert.deepEqual(dataOf(await pollOk(
			{ channel, since: answer.cursor })), ['x']);
	});

	test('a malformed cursor is refused', async () => {
		for (const since of ['abc', '-1', '1.', '.12345678', '1.1234567',
			'1.123456789', '1.1234567g', '1e3', '0x1', ' 1', '1 ', 'Now',
			'99999999999999999999', '1.00000000.1', '١'])
			assertProblem(assert, await poll({ channel: 'a', since }), 400);
	});

	/* ---- limit, more, last ---- */

	test('an answer has a hundred messages unless asked otherwise, and says ' +
		'that there are more', async () => {
		const channel = await filled(250);
		const sizes = [];
		const all = [];
		for (let since = '0', more = true; more;) {
			const answer = await pollOk({ channel, since });
			sizes.push(answer.messages.length);
			all.push(...dataOf(answer));
			({ cursor: since, more } = answer);
		}
		assert.deepEqual(sizes, [100, 100, 50]);
		assert.deepEqual(all, [...Array(250).keys()]);
	});

	test('limit caps one answer, at a thousand at most', async () => {
		const channel = await filled(1100);
		const three = await pollOk({ channel, limit: 3 });
		assert.deepEqual(dataOf(three), [0, 1, 2]);
		assert.equal(three.more, true);
		const most = await pollOk({ channel, limit: 1000 });
		assert.equal(most.messages.length, 1000);
		assert.equal(most.more, true);
		const over = await poll({ channel, limit: 1001 });
		if (over.status === 200)
			assert.equal(over.json.messages.length, 1000);
		else
			assertProblem(assert, over, 400);
	});

	test('an answer that ends at its limit with nothing behind it has no more',
		async () => {
			const channel = await filled(5);
			const answer = await pollOk({ channel, limit: 5 });
			assert.equal(answer.messages.length, 5);
			assert.deepEqual((await pollOk(
				{ channel, since: answer.cursor })).messages, []);
		});

	test('limit=0 gives a cursor to start from', async () => {
		const channel = await filled(5);
		const answer = await pollOk({ channel, limit: 0 });
		assert.deepEqual(answer.messages, []);
		assert.deepEqual((await pollOk(
			{ channel, since: answer.cursor })).messages, []);
		await publish(demo, channel, 'next');
		assert.deepEqual(dataOf(await pollOk(
			{ channel, since: answer.cursor })), ['next']);
	});

	test('a malformed number is refused with its name', async () => {
		for (const value of ['x', '-1', '1.5', '1e2', '0x10', '99999999999']) {
			const limit = await poll({ channel: 'a', limit: value });
			if (value === '99999999999' && limit.status === 200)
				continue;
			assert.match(assertProblem(assert, limit, 400), /limit/);
			assert.match(assertProblem(assert,
				await poll({ channel: 'a', last: value }), 400), /last/);
		}
	});

	test('last=N gives the newest N that match, then what follows',
		async () => {
			const channel = await filled(20);
			await filled(5);
			const answer = await pollOk({ channel, last: 3 });
			assert.deepEqual(dataOf(answer), [17, 18, 19]);
			assert.equal(answer.more, false);
			await publish(demo, channel, 'on');
			assert.deepEqual(dataOf(await pollOk(
				{ channel, since: answer.cursor })), ['on']);
			assert.deepEqual(dataOf(await pollOk({ channel, last: 50 })),
				[...Array(20).keys(), 'on']);
			assert.deepEqual(dataOf(await pollOk({ channel, last: 0 })), []);
		});

	test('last counts over all channels of the request', async () => {
		const base = fresh();
		await publishAll(demo, [1, 2, 3, 4, 5, 6].map((data) =>
			({ channel: `${base}/${data % 2}`, data })));
		assert.deepEqual(dataOf(await pollOk(
			{ channel: [`${base}/0`, `${base}/1`], last: 3 })), [4, 5, 6]);
		assert.deepEqual(dataOf(await pollOk(
			{ channel: `${base}/*`, last: 4 })), [3, 4, 5, 6]);
		assert.deepEqual(dataOf(await pollOk(
			{ channel: `${base}/0`, last: 2 })), [4, 6]);
	});

	test('an answer of many large messages comes in parts', async () => {
		const channel = fresh();
		const data = 'x'.repeat(60000);
		for (let i = 0; i < 4; i++)
			await publishAll(demo, Array.from({ length: 10 }, (_, j) =>
				({ channel, data: `${i * 10 + j} ${data}` })));
		const first = await pollOk({ channel });
		assert.ok(first.messages.length > 0 && first.messages.length < 40);
		assert.equal(first.more, true);
		const all = await history(demo, channel);
		assert.deepEqual(all.map((m) => parseInt(m.data, 10)),
			[...Array(40).keys()]);
	});

	/* ---- ETag ---- */

	test('an unchanged answer is 304 to its ETag, which is weak', async () => {
		const channel = await filled(2);
		const first = await poll({ channel });
		const { etag } = first.headers;
		assert.match(etag, /^W\/"[^"]+"$/);
		const again = (value) => poll({ channel },
			{ headers: { 'If-None-Match': value } });
		for (const value of [etag, etag.slice(2), `"x", ${etag}`,
			`W/"other",${etag} , "z"`]) {
			const answer = await again(value);
			assert.equal(answer.status, 304, value);
			assert.equal(answer.bytes.length, 0);
			assert.equal(answer.headers.etag, etag);
		}
		assert.equal((await again('"other"')).status, 200);
		await publish(demo, channel, 'new');
		const changed = await again(etag);
		assert.equal(changed.status, 200);
		assert.notEqual(changed.headers.etag, etag);
		assert.equal(changed.json.messages.length, 3);
	});

	test('different questions have different ETags', async () => {
		const channel = await filled(5);
		const tags = new Set();
		const questions = [{ limit: 2 }, { limit: 3 }, { last: 1 }, {}];
		for (const values of questions)
			tags.add((await poll({ channel, ...values })).headers.etag);
		assert.equal(tags.size, questions.length);
	});

	test('an answer that tells a gap is not spared by an ETag of one without',
		async () => {
			const channel = await filled(1);
			const { headers } = await poll({ channel });
			const answer = await poll({ channel, since: '0.00000000' },
				{ headers: { 'If-None-Match': headers.etag } });
			assert.equal(answer.status, 200);
			assert.equal(answer.json.gap, true);
		});

	/* ---- channels ---- */

	test('* stands for one segment, ** for one or more', async () => {
		const base = fresh();
		const names = ['a', 'a/b', 'a/c', 'a/b/c', 'a/b/c/d', 'b/b', 'ab/b'];
		await publishAll(demo, names.map((name) =>
			({ channel: `${base}/${name}`, data: name })));
		await publish(demo, base, 'itself');
		const cases = {
			'a/*': ['a/b', 'a/c'],
			'*/b': ['a/b', 'b/b', 'ab/b'],
			'a/*/c': ['a/b/c'],
			'a/**': ['a/b', 'a/c', 'a/b/c', 'a/b/c/d'],
			'*': ['a'],
			'**': names,
			'*/*': ['a/b', 'a/c', 'b/b', 'ab/b'],
			'*/*/**': ['a/b/c', 'a/b/c/d'],
			'a': ['a'],
		};
		for (const [pattern, expected] of Object.entries(cases))
			assert.deepEqual(dataOf(await pollOk(
				{ channel: `${base}/${pattern}` })), expected, pattern);
	});

	test('a star inside a segment or a double star inside a pattern is ' +
		'refused', async () => {
		for (const channel of ['a*', '*a/b', 'a/**/b', '***', '**/a', 'a/b*',
			'', '/', 'x'.repeat(256)])
			assertProblem(assert, await poll({ channel }), 400);
		for (const bytes of ['%ff', 'a%0ab', '%00', '%ed%a0%80'])
			await assertBadAddress(assert, demo, 'GET',
				`/poll?channel=${bytes}`);
	});

	test('channel may be repeated, and each message comes once', async () => {
		const [a, b, c] = [fresh(), fresh(), fresh()];
		const since = await newestCursor(demo);
		await publishAll(demo, [a, b, c, b, a].map((channel, data) =>
			({ channel, data })));
		assert.deepEqual(dataOf(await pollOk({ channel: [a, b] })),
			[0, 1, 3, 4]);
		assert.deepEqual(dataOf(await pollOk(
			{ channel: [a, a, '*', b, '**'], since })), [0, 1, 2, 3, 4]);
	});

	test('more channels than are allowed are refused', async () => {
		const many = Array.from({ length: 33 }, (_, i) => `c${i}`);
		assertProblem(assert, await poll({ channel: many }), 400);
		assert.equal((await poll({ channel: many.slice(1) })).status, 200);
	});

	test('a leading slash of a channel is dropped', async () => {
		const channel = await filled(2, `${fresh()}/x`);
		assert.equal((await pollOk({ channel: `/${channel}` }))
			.messages.length, 2);
	});

	test('channels are compared byte by byte', async () => {
		const channel = fresh('Straße');
		await publish(demo, channel, 'x');
		for (const other of [channel.toLowerCase(), channel.replace('ß', 'ss'),
			`${channel}/`, channel.replace('S', 'S\u0301')])
			assert.deepEqual((await pollOk({ channel: other })).messages, []);
		assert.equal((await pollOk({ channel })).messages.length, 1);
	});

	test('SQL wildcards in a channel mean themselves', async () => {
		const base = fresh();
		await publish(demo, `${base}-a`, 'x');
		for (const other of [`${base}_a`, `${base}%`, `${base}?a`,
			`${base}[-]a`, `${base}' OR '1'='1`])
			assert.deepEqual((await pollOk({ channel: other })).messages, []);
	});

	/* ---- gaps ---- */

	test('a cursor of another epoch is told a gap, then gets what is kept',
		async () => {
			const channel = await filled(3);
			const { cursor } = await pollOk({ channel });
			const answer = await pollOk(
				{ channel, since: inOtherEpoch(cursor) });
			assert.equal(answer.gap, true);
			assert.deepEqual(dataOf(answer), [0, 1, 2]);
			assert.equal(epochOf(answer.cursor), epochOf(cursor));
			assert.equal((await pollOk({ channel, since: answer.cursor }))
				.gap ?? false, false);
		});

	test('a cursor in the future is told a gap, then gets what is kept',
		async () => {
			const channel = await filled(3);
			const { cursor } = await pollOk({ channel });
			const future = seqOf(cursor) + 1000000;
			for (const since of [`${future}.${epochOf(cursor)}`, future,
				'9223372036854775807']) {
				const answer = await pollOk({ channel, since });
				assert.equal(answer.gap, true, `since=${since}`);
				assert.deepEqual(dataOf(answer), [0, 1, 2]);
			}
		});

	test('an epoch is compared without regard to case', async () => {
		const channel = await filled(1);
		const { cursor } = await pollOk({ channel });
		const answer = await pollOk(
			{ channel, since: cursor.toUpperCase() });
		assert.equal(answer.gap ?? false, false);
		assert.deepEqual(answer.messages, []);
	});

	/* ---- JSONP, HTML ---- */

	test('callback makes JavaScript that calls it with the answer',
		async () => {
			const channel = fresh();
			await publish(demo, channel, '</script>\u2028\u2029"\'\\');
			for (const callback of ['cb', '_$9', 'a.b.c']) {
				const plain = await pollOk({ channel });
				const answer = await poll({ channel, callback });
				assert.equal(answer.status, 200, answer.text);
				assert.match(answer.headers['content-type'],
					/^(application|text)\/javascript\b/);
				/* lighttpd makes text/javascript of it (RFC 9239). */
				const behind = await fcgiExchange(demo.sockets()[0], 'GET',
					`/poll?channel=${channel}&callback=${callback}`);
				assert.match(behind.headers['content-type'],
					/^application\/javascript\b/);
				assert.equal(answer.headers['x-content-type-options'],
					'nosniff');
				assert.deepEqual(calledWith(answer.text, callback), plain);
				assert.ok(!/[\u2028\u2029]/.test(answer.text));
			}
		});

	test('a callback that is no name is refused', async () => {
		for (const callback of ['alert(1)//', 'a b', '<script>', 'a..b', '.a',
			'a.', '1a', 'a-b', 'a[0]', 'a;b', "a'b", 'é', 'a'.repeat(200),
			'a%0d'])
			assertProblem(assert, await poll({ channel: 'a', callback }), 400);
		for (const bytes of ['a%0d%0aX-Evil:%201', 'a%00', 'a%0a', '%ff'])
			await assertBadAddress(assert, demo, 'GET',
				`/poll?channel=a&callback=${bytes}`);
	});

	test('an ETag serves JSONP too', async () => {
		const channel = await filled(1);
		const first = await poll({ channel, callback: 'cb' });
		const again = await poll({ channel, callback: 'cb' },
			{ headers: { 'If-None-Match': first.headers.etag } });
		assert.equal(again.status, 304);
		assert.equal((await poll({ channel, callback: 'other' },
			{ headers: { 'If-None-Match': first.headers.etag } })).status,
		200);
	});

	test('messages as HTML are escaped', async () => {
		const channel = fresh();
		await publish(demo, channel, '<script>alert("&\'")</script>',
			{ event: '"><img src=x>' });
		await post(demo, `/publish/${channel}`, 'application/json',
			'{"<b>":"</html>"}');
		const answer = await poll({ channel, format: 'html' });
		assert.equal(answer.status, 200, answer.text);
		assert.match(answer.headers['content-type'], /^text\/html\b.*utf-8/i);
		const body = answer.text.slice(answer.text.indexOf('<body'));
		assert.ok(!/<script|<img|<b>"|<\/html>"/.test(body), body);
		assert.equal(body.split('</html>').length, 2);
		assert.ok(answer.text.includes('&lt;script&gt;'), answer.text);
	});

	test('a format that is not known is refused', async () => {
		assertProblem(assert, await poll({ channel: 'a', format: 'xml' }),
			400);
	});

	test('poll answers nothing but GET', async () => {
		const answer = await post(demo, '/poll?channel=a', 'text/plain', 'x');
		assertProblem(assert, answer, 405);
		assert.match(answer.headers.allow ?? '', /\bGET\b/);
	});

	test('what was acknowledged is in the very next poll, whichever process ' +
		'answers', async () => {
		const channel = fresh();
		for (let i = 0; i < 60; i++) {
			await publish(demo, channel, String(i));
			const answer = await pollOk({ channel, last: 1 });
			assert.deepEqual(dataOf(answer), [String(i)]);
		}
	});

	test('a reader that polls while many publish misses nothing and sees ' +
		'nothing twice', async () => {
		const channel = fresh();
		const total = 300;
		const publishing = Promise.all(Array.from({ length: 6 },
			async (_, p) => {
				for (let i = 0; i < total / 6; i++)
					await publish(demo, channel, `${p}-${i}`);
			}));
		const seqs = [];
		let since = '0';
		await until(async () => {
			const answer = await pollOk({ channel, since, limit: 7 });
			since = answer.cursor;
			seqs.push(...answer.messages.map((m) => m.seq));
			return seqs.length >= total;
		}, { limit: 30000, every: 1, what: 'all messages' });
		await publishing;
		assert.deepEqual(seqs,
			(await history(demo, channel)).map((m) => m.seq));
	});
});

describe('polling a log that forgets', { timeout: ms(60000) }, () => {
	before(async () => {
		demo = await startDemo({ options: {
			'retain': 'trim/** messages=10;age/** age=1s;** age=30d',
			'retain-interval': 50, 'retain-step': 3,
		} });
	});
	after(async () => { await demo?.stop(); });

	test('who missed deleted messages is told a gap, who did not is not',
		async () => {
			const start = await newestCursor(demo);
			const other = await filled(3, 'kept');
			const channel = await filled(50, 'trim/a');
			await until(async () => (await history(demo, channel)).length ===
				10, { what: 'all but ten messages to be deleted' });
			const answer = await pollOk({ channel, since: start });
			assert.equal(answer.gap, true);
			assert.deepEqual(dataOf(answer), [40, 41, 42, 43, 44, 45, 46, 47,
				48, 49]);
			const bare = await pollOk({ channel, since: seqOf(start) + 4 });
			assert.equal(bare.gap, true);
			const oldest = answer.messages[0].seq;
			const fine = await pollOk({ channel, since: oldest - 1 });
			assert.equal(fine.gap ?? false, false);
			assert.equal(fine.messages.length, 10);
			assert.equal((await pollOk({ channel, since: answer.cursor }))
				.gap ?? false, false);
			const kept = await pollOk({ channel: other, since: start });
			assert.equal(kept.gap ?? false, false);
			assert.deepEqual(dataOf(kept), [0, 1, 2]);
			assert.equal((await pollOk({ channel: [other, 'trim/*'],
				since: start })).gap, true);
			assert.equal((await pollOk({ channel, since: 'now' }))
				.gap ?? false, false);
			assert.equal((await pollOk({ channel, last: 5 })).gap ?? false,
				false);
		});

	test('a gap is told where every message of a channel is gone',
		async () => {
			const start = await newestCursor(demo);
			const channel = await filled(5, 'age/all');
			await until(async () => (await history(demo, channel)).length ===
				0, { what: 'all messages to be too old' });
			const answer = await pollOk({ channel, since: start });
			assert.equal(answer.gap, true);
			assert.deepEqual(answer.messages, []);
			assert.equal((await pollOk({ channel, since: answer.cursor }))
				.gap ?? false, false);
			const { seq } = await publish(demo, channel, 'again');
			assert.ok(seq > seqOf(answer.cursor) - 1,
				'seqs of deleted messages are not given again');
		});
});
