/* Foreign writers: INSERT INTO publish by the sqlite3 shell. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	fresh, get, history, ms, newestCursor, openEvents, openLines, post,
	publish, run, seqOf, sqlite, startDemo, within,
} from './harness.mjs';

let demo;

const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

const insert = (channel, data) => 'INSERT INTO publish(channel, data) ' +
	`VALUES (${quoted(channel)}, ${quoted(data)});`;

async function inserted(...rows) {
	const done = await sqlite(demo, rows.map((r) => insert(...r)).join('\n'));
	assert.equal(done.code, 0, done.stderr);
}

describe('foreign writers', { timeout: ms(90000) }, () => {
	before(async () => { demo = await startDemo(); });
	after(async () => { await demo?.stop(); });

	test('a row reaches open readers of every kind and every process soon',
		async () => {
			const channel = fresh();
			const readers = [];
			for (let i = 0; i < 6; i++) {
				readers.push(await openEvents(demo, { channel }));
				readers.push(await openLines(demo, { channel }));
			}
			const since = await newestCursor(demo);
			const longpoll = get(demo, '/longpoll',
				{ channel, since, timeout: 50 });
			for (let round = 0; round < 5; round++) {
				await inserted([channel, `it's ${round}`]);
				await within(Promise.all(readers.map(async (reader) =>
					assert.equal((await reader.nextMessage()).data,
						`it's ${round}`))), 2000, 'the row');
			}
			const { json } = await within(longpoll, 2000, 'the long poll');
			assert.equal(json.messages[0].data, "it's 0");
			for (const reader of readers)
				reader.close();
		});

	test('a row is a message like others', async () => {
		const channel = fresh();
		const start = Date.now();
		await inserted([`/${channel}`, 'grüß\nzwei'], [channel, '']);
		const messages = await history(demo, channel);
		assert.deepEqual(messages.map((m) => [m.channel, m.data]),
			[[channel, 'grüß\nzwei'], [channel, '']]);
		assert.ok(messages[1].seq > messages[0].seq);
		for (const { time } of messages)
			assert.ok(Math.abs(time - start) < ms(60000), String(time));
		assert.deepEqual(Object.keys(messages[0]).sort(),
			['channel', 'data', 'seq', 'time']);
		assert.equal(seqOf(await newestCursor(demo)) >= messages[1].seq, true);
	});

	test('text that looks like JSON stays text', async () => {
		const channel = fresh();
		await inserted([channel, '{"a":1}'], [channel, '7']);
		assert.deepEqual((await history(demo, channel)).map((m) => m.data),
			['{"a":1}', '7']);
	});

	test('a row may have an event, an id that counts once, and JSON',
		async () => {
			const channel = fresh();
			const events = await openEvents(demo, { channel });
			const row = 'INSERT INTO publish(channel, data, event, id, json) ' +
				`VALUES (${quoted(channel)}, '{"a": [1, "x"]}', 'e', 'i', 1);`;
			for (let i = 0; i < 2; i++)
				assert.equal((await sqlite(demo, row)).code, 0);
			const again = await post(demo, `/publish/${channel}?id=i`,
				'text/plain', 'again');
			assert.equal(again.status, 200);
			assert.equal(again.json.duplicate, true);
			const messages = await history(demo, channel);
			assert.equal(messages.length, 1);
			const [{ data, event, id, seq }] = messages;
			assert.deepEqual([data, event, id, seq],
				[{ a: [1, 'x'] }, 'e', 'i', again.json.seq]);
			assert.equal((await events.nextMessage()).type, 'e');
			events.close();
		});

	test('an id that a request used counts for rows too', async () => {
		const channel = fresh();
		await publish(demo, channel, 'first', { id: 'i' });
		assert.equal((await sqlite(demo, 'INSERT INTO publish(channel, data,' +
			` id) VALUES (${quoted(channel)}, 'again', 'i');`)).code, 0);
		assert.deepEqual((await history(demo, channel)).map((m) => m.data),
			['first']);
	});

	test('a number is published as its text', async () => {
		const channel = fresh();
		const done = await sqlite(demo, 'INSERT INTO publish(channel, data) ' +
			`VALUES (${quoted(channel)}, 42);`);
		assert.equal(done.code, 0, done.stderr);
		const [{ data }] = await history(demo, channel);
		assert.equal(String(data), '42');
	});

	test('what is rolled back reaches nobody', async () => {
		const channel = fresh();
		const events = await openEvents(demo, { channel });
		const done = await sqlite(demo, `BEGIN; ${insert(channel, 'no')}
			ROLLBACK; BEGIN; ${insert(channel, 'yes')}
			${insert(channel, 'and')} COMMIT;`);
		assert.equal(done.code, 0, done.stderr);
		assert.deepEqual((await events.nextMessages(2)).map((e) => e.data),
			['yes', 'and']);
		events.close();
	});

	test('what is not committed yet reaches nobody, and then all of it',
		async () => {
			const channel = fresh();
			const events = await openEvents(demo, { channel });
			const shell = run('sqlite3', ['-bail', demo.log], { input: null });
			let told = '';
			const open = new Promise((done) => shell.child.stdout.on('data',
				(d) => (told += d).includes('open') && done()));
			shell.child.stdin.write(`.timeout 5000\nBEGIN;\n` +
				`${insert(channel, 'a')}\n${insert(channel, 'b')}\n` +
				`SELECT 'open';\n`);
			await within(open, 5000, 'the open transaction');
			assert.deepEqual(await history(demo, channel), []);
			assert.deepEqual(events.received(), []);
			shell.child.stdin.end('COMMIT;\n');
			assert.equal((await shell.done).code, 0, shell.stderr);
			assert.deepEqual((await events.nextMessages(2))
				.map((e) => e.data), ['a', 'b']);
			events.close();
		});

	test('rows and requests share one order', async () => {
		const channel = fresh();
		const events = await openEvents(demo, { channel });
		for (let i = 0; i < 10; i++) {
			await publish(demo, channel, `http ${i}`);
			await inserted([channel, `sql ${i}`]);
		}
		const expected = Array.from({ length: 20 }, (_, i) =>
			`${i % 2 ? 'sql' : 'http'} ${i >> 1}`);
		assert.deepEqual((await events.nextMessages(20)).map((e) => e.data),
			expected);
		events.close();
	});

	test('many rows of one transaction all come', async () => {
		const channel = fresh();
		const events = await openEvents(demo, { channel });
		const done = await sqlite(demo, `WITH RECURSIVE n(i) AS
			(SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)
			INSERT INTO publish(channel, data)
			SELECT ${quoted(channel)}, 'row ' || i FROM n;`);
		assert.equal(done.code, 0, done.stderr);
		const got = await events.nextMessages(3000);
		assert.deepEqual(got.map((e) => e.data),
			Array.from({ length: 3000 }, (_, i) => `row ${i}`));
		events.close();
	});

	test('a row that is no message is refused with a reason and leaves the ' +
		'log as it was', async () => {
		const start = await newestCursor(demo);
		const wrong = {
			'an empty channel': insert('', 'x'),
			'a star': insert('a*', 'x'),
			'a control character': insert('a\nb', 'x'),
			'a channel that is too long': insert('x'.repeat(256), 'x'),
			'no channel': 'INSERT INTO publish(data) VALUES (\'x\');',
			'a name of the program\'s own': insert('$a', 'x'),
			'a second slash': insert('//a', 'x'),
			'an event of two lines': 'INSERT INTO publish(channel, data, ' +
				"event) VALUES ('a', 'x', 'a' || char(13) || 'b');",
			'no JSON where JSON is said': 'INSERT INTO publish(channel, ' +
				"data, json) VALUES ('a', '{', 1);",
			'data that is too long': 'INSERT INTO publish(channel, data) ' +
				"VALUES ('big', printf('%.*c', 65537, 'x'));",
		};
		for (const [what, sql] of Object.entries(wrong)) {
			const done = await sqlite(demo, sql);
			assert.notEqual(done.code, 0, what);
			assert.match(done.stderr, /\S{4}/, what);
		}
		assert.equal(await newestCursor(demo), start);
		const channel = fresh();
		await publish(demo, channel, 'fine');
		assert.equal((await history(demo, channel)).length, 1);
	});

	test('bytes that are no UTF-8 are refused or given repaired', async () => {
		const channel = fresh();
		const events = await openEvents(demo, { channel });
		await sqlite(demo, 'INSERT INTO publish(channel, data) VALUES ' +
			`(${quoted(channel)}, CAST(x'61ff62eda08063' AS TEXT));`);
		await publish(demo, channel, 'after');
		let event = await events.nextMessage();
		if (event.data !== 'after') {
			assert.match(event.data, /^a\ufffd+b\ufffd+c$/);
			event = await events.nextMessage();
		}
		assert.equal(event.data, 'after');
		const answer = await get(demo, '/poll', { channel });
		assert.ok(Buffer.from(answer.text, 'utf8').equals(answer.bytes));
		events.close();
	});

	test('a channel of bytes that are no UTF-8 hurts nobody', async () => {
		await sqlite(demo, 'INSERT INTO publish(channel, data) VALUES ' +
			"(CAST(x'62ff62' AS TEXT), 'x');");
		for (const place of ['/poll', '/channels', '/status']) {
			const answer = await get(demo, place,
				{ channel: '**', last: 5 },
				{ headers: { Accept: 'application/json' } });
			assert.equal(answer.status, 200, place);
			assert.ok(Buffer.from(answer.text, 'utf8').equals(answer.bytes));
		}
	});
});
