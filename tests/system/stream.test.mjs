/* Streaming: NDJSON, and script streaming (Comet's forever frame). */
import assert from 'node:assert/strict';
import vm from 'node:vm';
import { after, before, describe, test } from 'node:test';
import {
	assertProblem, CURSOR, epochOf, fresh, get, history, ms, newestCursor,
	openLines, openText, post, publish, publishAll, seqOf, startDemo, until,
	within,
} from './harness.mjs';

let demo;

/* What a browser would run of a page so far: the contents of its whole script
   elements.  A '<' inside one could change how the page is read. */
function scriptsOf(page) {
	const scripts = [];
	const element = /<script\b[^>]*>([^]*?)<\/script\s*>/gi;
	for (let m; (m = element.exec(page)) !== null;) {
		assert.ok(!m[1].includes('<'), `'<' in a script: ${m[1]}`);
		scripts.push(m[1]);
	}
	return scripts;
}

/* Runs them in a page whose frame's parent has the callback. */
function callsOf(page, callback = 'parent.comet') {
	const calls = [];
	const context = {};
	let at = context;
	for (const part of callback.split('.').slice(0, -1))
		at = at[part] = {};
	at[callback.split('.').at(-1)] = (...args) =>
		calls.push(JSON.parse(JSON.stringify(args)));
	vm.createContext(context);
	for (const script of scriptsOf(page))
		vm.runInContext(script, context, { timeout: 1000 });
	for (const args of calls)
		assert.equal(args.length, 1);
	return calls.map(([object]) => object);
}

const isMessage = (o) => o.heartbeat === undefined && o.gap === undefined;
const messagesOf = (page, callback) => callsOf(page, callback)
	.filter(isMessage);

const openScript = (values) => openText(demo, '/stream',
	{ format: 'script', ...values });

async function called(held, n, callback) {
	await until(() => messagesOf(held.text, callback).length >= n,
		{ what: `${n} calls` });
	return messagesOf(held.text, callback);
}

describe('streaming', { timeout: ms(120000) }, () => {
	before(async () => {
		demo = await startDemo({ options: { heartbeat: 1000 } });
	});
	after(async () => { await demo?.stop(); });

	/* ---- NDJSON ---- */

	test('each message is one line, the same object as in a poll',
		async () => {
			const channel = fresh();
			const lines = await openLines(demo, { channel });
			assert.equal(lines.status, 200);
			assert.match(lines.headers['content-type'],
				/^application\/x-ndjson\b/);
			await publish(demo, channel, 'a\nb\r\nc\u2028d',
				{ event: 'e', id: 'i' });
			await post(demo, `/publish/${channel}`, 'application/json',
				'{\n"pretty":\r\n[1,\n2]}');
			const got = await lines.nextMessages(2);
			assert.deepEqual(got, await history(demo, channel));
			lines.close();
		});

	test('a line arrives before the next is published', async () => {
		const channel = fresh();
		const lines = await openLines(demo, { channel },
			{ headers: { 'Accept-Encoding': 'gzip' } });
		for (let i = 0; i < 20; i++) {
			await publish(demo, channel, String(i));
			assert.equal((await lines.nextMessage()).data, String(i));
		}
		lines.close();
	});

	test('a stream begins where it is asked to, and may be resumed by seq',
		async () => {
			const channel = fresh();
			await publishAll(demo, Array.from({ length: 10 }, (_, data) =>
				({ channel, data })));
			const epoch = epochOf(await newestCursor(demo));
			const first = await openLines(demo, { channel, since: 0 });
			const four = await first.nextMessages(4);
			first.close();
			for (const since of [four[3].seq, `${four[3].seq}.${epoch}`]) {
				const lines = await openLines(demo, { channel, since });
				assert.deepEqual((await lines.nextMessages(6))
					.map((m) => m.data), [4, 5, 6, 7, 8, 9]);
				lines.close();
			}
			const last = await openLines(demo, { channel, last: 2 });
			assert.deepEqual((await last.nextMessages(2))
				.map((m) => m.data), [8, 9]);
			last.close();
		});

	test('an idle stream shows signs of life with a cursor to resume from',
		async () => {
			const channel = fresh();
			const lines = await openLines(demo, { channel });
			const { seq } = await publish(demo, fresh(), 'other');
			let beat;
			do
				beat = await lines.next(5000, 'a heartbeat');
			while (seqOf(beat.heartbeat) < seq);
			assert.match(beat.heartbeat, CURSOR);
			assert.deepEqual(Object.keys(beat), ['heartbeat']);
			lines.close();
			await publish(demo, channel, 'mine');
			const again = await openLines(demo,
				{ channel, since: beat.heartbeat });
			assert.equal((await again.nextMessage()).data, 'mine');
			again.close();
		});

	test('a gap is the first line of a stream that has one', async () => {
		const channel = fresh();
		await publish(demo, channel, 'kept');
		const lines = await openLines(demo,
			{ channel, since: '3.00000000' });
		assert.equal((await lines.next()).gap, true);
		assert.equal((await lines.nextMessage()).data, 'kept');
		lines.close();
	});

	test('a long history comes whole and goes over into what is new',
		async () => {
			const channel = fresh();
			const batch = (from) => publishAll(demo,
				Array.from({ length: 1000 }, (_, i) =>
					({ channel, data: from + i })));
			await batch(0);
			await batch(1000);
			const lines = await openLines(demo, { channel, since: 0 });
			await batch(2000);
			assert.deepEqual((await lines.nextMessages(3000))
				.map((m) => m.data), [...Array(3000).keys()]);
			lines.close();
		});

	/* ---- script ---- */

	test('a script stream is a page that calls parent.comet with each message',
		async () => {
			const channel = fresh();
			const held = await openScript({ channel });
			assert.equal(held.status, 200);
			assert.match(held.headers['content-type'], /^text\/html\b/);
			assert.match(held.headers['content-type'], /charset=utf-8/i);
			await publish(demo, channel, 'é1', { event: 'e', id: 'i' });
			await publish(demo, channel, '2');
			const got = await called(held, 2);
			assert.deepEqual(got, await history(demo, channel));
			held.close();
		});

	test('a call arrives before the next message is published', async () => {
		const channel = fresh();
		const held = await openScript({ channel });
		for (let i = 1; i <= 5; i++) {
			await publish(demo, channel, String(i));
			const got = await called(held, i);
			assert.equal(got.at(-1).data, String(i));
		}
		held.close();
	});

	test('a page begins with enough bytes that browsers start to show it',
		async () => {
			const held = await openScript({ channel: fresh() });
			await until(() => held.text.length >= 1024,
				{ what: 'a kilobyte' });
			assert.match(held.text, /^<!doctype html>/i);
			held.close();
		});

	test('callback= names the function', async () => {
		const channel = fresh();
		for (const callback of ['window.top.$x_1', 'f', 'parent.a.b']) {
			const held = await openScript({ channel, callback, last: 1 });
			await publish(demo, channel, callback);
			await until(() => messagesOf(held.text, callback)
				.some((m) => m.data === callback));
			held.close();
		}
	});

	test('a callback that is no name is refused', async () => {
		for (const callback of ['alert(1)//', '</script><script>x', 'a b', '1',
			'a..b', 'a;b', 'x'.repeat(500), "a'", 'a[0]']) {
			assertProblem(assert, await get(demo, '/stream',
				{ format: 'script', channel: 'a', callback }), 400);
		}
	});

	test('nothing that is published can end its script element', async () => {
		const channel = fresh();
		const held = await openScript({ channel: `${channel}/**` });
		const datas = ['</script><script>parent.comet({"evil":1})</script>',
			'</SCRIPT >', '<!--<script>', '-->', ']]>', '<![CDATA[', '&lt;',
			'\u2028parent.evil()\u2029', '\\', '"', "'", '\r\n', '\0',
			'</scr\0ipt>', '${x}', '\ufeff', '<', '</script'];
		for (const data of datas)
			await publish(demo, `${channel}/text`, data);
		const values = [{ '</script>': '</script>' }, ['<!--', '-->'],
			'</script>', { '\u2028': '\u2029' }];
		for (const value of values)
			await post(demo, `/publish/${channel}/json`, 'application/json',
				JSON.stringify(value));
		const name = `${channel}/<x><!--<script>"'`;
		await publishAll(demo, [{ channel: name, data: 'names',
			event: '</script><script>', id: '<!--<script>' }]);
		const got = await called(held, datas.length + values.length + 1);
		assert.deepEqual(got.map((m) => m.data),
			[...datas, ...values, 'names']);
		assert.equal(got.at(-1).channel, name);
		assert.equal(got.at(-1).event, '</script><script>');
		assert.equal(got.at(-1).id, '<!--<script>');
		assert.ok(!/[\u2028\u2029]/.test(held.text));
		held.close();
	});

	test('a script stream calls with heartbeats and gaps too', async () => {
		const channel = fresh();
		await publish(demo, channel, 'kept');
		const held = await openScript({ channel, since: '3.00000000' });
		await called(held, 1);
		await until(() => callsOf(held.text).filter((o) =>
			CURSOR.test(o.heartbeat ?? '')).length >= 2,
		{ what: 'heartbeats' });
		const told = callsOf(held.text).filter((o) =>
			o.heartbeat === undefined);
		assert.equal(told[0].gap, true);
		assert.equal(told[1].data, 'kept');
		held.close();
	});

	/* ---- both ---- */

	test('a format that is not known is refused', async () => {
		for (const format of ['xml', 'NDJSON', 'script '])
			assertProblem(assert, await get(demo, '/stream',
				{ channel: 'a', format }), 400);
	});

	test('a malformed question is refused and not held', async () => {
		for (const format of ['ndjson', 'script'])
			for (const values of [{ channel: 'a*' },
				{ channel: 'a', since: 'x' }])
				assertProblem(assert, await get(demo, '/stream',
					{ format, ...values }), 400);
	});
});

describe('the ends of streams', { timeout: ms(60000) }, () => {
	before(async () => {
		demo = await startDemo({ options:
			{ 'max-hold': '5s', heartbeat: 1000 } });
	});
	after(async () => { await demo?.stop(); });

	test('a stream that was held long enough ends cleanly', async () => {
		const channel = fresh();
		const lines = await openLines(demo, { channel });
		const script = await openScript({ channel });
		await publish(demo, channel, 'x');
		const { seq } = await lines.nextMessage();
		assert.equal(await within(lines.finished, 12000, 'the end'),
			'complete');
		assert.equal(await within(script.finished, 12000, 'the end'),
			'complete');
		assert.match(script.text, /<\/html>\s*$/i);
		assert.equal(messagesOf(script.text).length, 1);
		await publish(demo, channel, 'y');
		const again = await openLines(demo, { channel, since: seq });
		assert.equal((await again.nextMessage()).data, 'y');
		again.close();
	});
});
