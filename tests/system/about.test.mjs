/* What the server tells of itself: status, metrics, channels. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	assertProblem, channelList, fresh, get, ms, openEvents, post, publish,
	request, seqOf, newestCursor, startDemo, until,
} from './harness.mjs';

let demo;

const status = (accept) => get(demo, '/status', {},
	accept === undefined ? {} : { headers: { Accept: accept } });

const SAMPLE = new RegExp('^([a-zA-Z_:][a-zA-Z0-9_:]*)' +
	'(\\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\n"])*",?)*\\})?' +
	' (-?(?:[0-9]+(?:\\.[0-9]+)?(?:e[+-]?[0-9]+)?|Inf)|NaN)( -?[0-9]+)?$', 'i');

/* The text format 0.0.4 of Prometheus, as strictly as it is described. */
function parseMetrics(text) {
	assert.ok(text.endsWith('\n'));
	const families = new Map();
	const samples = new Map();
	let current;
	for (const line of text.slice(0, -1).split('\n')) {
		const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/
			.exec(line);
		if (comment !== null) {
			const [, kind, name, rest] = comment;
			if (name !== current)
				assert.ok(!families.has(name), `${name} stands twice`);
			current = name;
			const family = families.get(name) ?? {};
			assert.equal(family[kind], undefined, line);
			families.set(name, { ...family, [kind]: rest });
			if (kind === 'TYPE')
				assert.match(rest,
					/^(counter|gauge|histogram|summary|untyped)$/);
			continue;
		}
		if (line === '' || (line.startsWith('#') &&
			!/^# (HELP|TYPE)/.test(line)))
			continue;
		const sample = SAMPLE.exec(line);
		assert.ok(sample !== null, `no sample: ${line}`);
		const [, name, labels = '', value] = sample;
		const family = name.replace(/_(bucket|sum|count|total)$/, '');
		assert.ok(name === current || family === current,
			`${name} under ${current}`);
		assert.ok(!samples.has(name + labels), `${line} stands twice`);
		samples.set(name + labels, Number(value));
	}
	for (const [name, family] of families)
		assert.ok(family.TYPE !== undefined, `${name} has no type`);
	return { families, samples };
}

describe('about the server', { timeout: ms(60000) }, () => {
	/* A web server may notice only at the next write that a client left. */
	before(async () => {
		demo = await startDemo({ options: { heartbeat: 1000 } });
	});
	after(async () => { await demo?.stop(); });

	test('status is a page for people and JSON for programs, by Accept',
		async () => {
			const browser = 'text/html,application/xhtml+xml,' +
				'application/xml;q=0.9,*/*;q=0.8';
			const page = await status(browser);
			assert.equal(page.status, 200);
			assert.match(page.headers['content-type'],
				/^text\/html\b.*utf-8/i);
			assert.match(page.text, /<html[^]*<\/html>\s*$/i);
			for (const accept of ['application/json', '*/*', undefined,
				'application/json, text/html;q=0.5']) {
				const answer = await status(accept);
				assert.equal(answer.status, 200);
				assert.match(answer.headers['content-type'],
					/^application\/json\b/, accept);
				assert.equal(typeof answer.json, 'object');
			}
			assert.match((await status('text/html;q=0, application/json'))
				.headers['content-type'], /^application\/json\b/);
			assert.match(page.headers.vary ?? '', /accept/i);
		});

	test('status tells the newest cursor', async () => {
		const { cursor } = await publish(demo, fresh(), 'x');
		await until(async () => (await status()).text.includes(cursor),
			{ what: 'the newest cursor in the status' });
	});

	test('metrics are valid Prometheus text', async () => {
		await publish(demo, fresh(), 'x');
		const events = await openEvents(demo, { channel: fresh() });
		const answer = await get(demo, '/metrics');
		assert.equal(answer.status, 200);
		assert.match(answer.headers['content-type'],
			/^text\/plain; ?version=0\.0\.4/);
		const { families, samples } = parseMetrics(answer.text);
		assert.ok(families.size >= 5);
		for (const name of families.keys())
			assert.match(name, /^(cometlog|process)_/);
		for (const value of samples.values())
			assert.ok(Number.isFinite(value));
		events.close();
	});

	test('metrics count what happens', async () => {
		const sum = async () => {
			const { samples } = parseMetrics(
				(await get(demo, '/metrics')).text);
			return [...samples].filter(([name]) => /messages/.test(name))
				.reduce((all, [, value]) => all + value, 0);
		};
		/* Each process counts for itself: ask until one that counted. */
		await until(async () => {
			const start = await sum();
			await publish(demo, fresh(), 'x');
			return await sum() > start;
		}, { what: 'a count to rise' });
	});

	test('channels lists each channel with its newest seq and what is kept',
		async () => {
			const channel = fresh('ch/"<&é');
			const first = await publish(demo, channel, '1');
			const second = await publish(demo, channel, '2');
			const entry = (await channelList(demo)).find((c) => c.name === channel);
			assert.equal(entry.messages, 2);
			const numbers = Object.values(entry);
			assert.ok(numbers.includes(second.seq), JSON.stringify(entry));
			assert.ok(second.seq > first.seq);
			assert.equal(seqOf(await newestCursor(demo)), second.seq);
		});

	test('channels counts the subscribers', async () => {
		const channel = fresh();
		await publish(demo, channel, 'x');
		const readers = [];
		for (let i = 0; i < 8; i++)
			readers.push(await openEvents(demo, { channel }));
		const counted = async () => (await channelList(demo))
			.find((c) => c.name === channel).subscribers;
		await until(async () => await counted() > 0,
			{ what: 'subscribers to be counted' });
		readers.forEach((r) => r.close());
		await until(async () => await counted() === 0,
			{ what: 'no subscriber to be left' });
	});

	test('nothing that is published runs in the status page', async () => {
		for (const channel of ['<script>alert(1)<', '"><img src=x onerror=1>',
			"'><b>"]) {
			const answer = await post(demo, '/publish', 'application/json',
				JSON.stringify({ channel, data: '<i>', event: '<u>' }));
			assert.equal(answer.status, 201);
		}
		const { text } = await status('text/html');
		assert.ok(!/<script>alert|<img|<b>|<i>|<u>/.test(text));
	});

	test('each of them answers nothing but GET and HEAD', async () => {
		for (const place of ['/status', '/metrics', '/channels']) {
			assertProblem(assert, await post(demo, place, 'text/plain', ''),
				405);
			const head = await request(demo, 'HEAD', `/comet${place}`);
			assert.equal(head.status, 200);
			assert.equal(head.bytes.length, 0);
		}
	});
});
