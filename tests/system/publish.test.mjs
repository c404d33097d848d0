/* Also under ThreadSanitizer: acceptors, loop and writer. */
/* Publishing: every content type, ids, redirects, and what is refused. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	assertBadAddress, assertProblem, CURSOR, fresh, get, history, meanwhile, ms, post,
	publish, query, rawHttp, request, seqOf, startDemo,
} from './harness.mjs';

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';
const NDJSON = 'application/x-ndjson';
const LIMIT = 65536;

let demo;

async function stored(channel) {
	return history(demo, channel);
}

async function theOnly(channel) {
	const messages = await stored(channel);
	assert.equal(messages.length, 1, JSON.stringify(messages));
	return messages[0];
}

/* A 201 with the three members of one message. */
function assertStored(answer, channel) {
	assert.equal(answer.status, 201, answer.text);
	assert.match(answer.headers['content-type'], /^application\/json\b/);
	assert.equal(answer.json.channel, channel);
	assert.ok(Number.isInteger(answer.json.seq));
	assert.match(answer.json.cursor, CURSOR);
	assert.equal(seqOf(answer.json.cursor), answer.json.seq);
	return answer.json;
}

async function assertRefused(answer, status, channel) {
	const detail = assertProblem(assert, answer, status);
	if (channel !== undefined)
		assert.deepEqual(await stored(channel), []);
	return detail;
}

const form = (values) => new URLSearchParams(values).toString();

function multipart(values, boundary = 'edge') {
	const parts = Object.entries(values).map(([name, value]) =>
		`--${boundary}\r\nContent-Disposition: form-data; ` +
		`name="${name}"\r\n\r\n${value}\r\n`);
	return parts.join('') + `--${boundary}--\r\n`;
}

describe('publishing', { timeout: ms(120000) }, () => {
	before(async () => { demo = await startDemo(); });
	after(async () => { await demo?.stop(); });

	/* ---- content types ---- */

	test('a form stores one message with all its fields', async () => {
		const channel = fresh();
		const start = Date.now();
		const answer = await post(demo, '/publish', FORM, form({ channel,
			data: 'grüß dich + 100% & more\n', event: 'greet', id: 'order-77' }));
		const { seq } = assertStored(answer, channel);
		const message = await theOnly(channel);
		assert.ok(Math.abs(message.time - start) < ms(60000));
		delete message.time;
		assert.deepEqual(message, { seq, channel, event: 'greet',
			id: 'order-77', data: 'grüß dich + 100% & more\n' });
	});

	test('event and id stand in a message only when they were given',
		async () => {
			const channel = fresh();
			await publish(demo, channel, 'plain');
			assert.deepEqual(Object.keys(await theOnly(channel)).sort(),
				['channel', 'data', 'seq', 'time']);
		});

	test('a plus sign in a form is a space, an escaped one a plus',
		async () => {
			const channel = fresh();
			await post(demo, '/publish', FORM,
				`channel=${channel}&data=a+b%2Bc`);
			assert.equal((await theOnly(channel)).data, 'a b+c');
		});

	test('a multipart form stores one message with all its fields',
		async () => {
			const channel = fresh();
			const data = 'two\r\nlines --edge and ünïcode';
			const answer = await post(demo, '/publish',
				'multipart/form-data; boundary=edge',
				multipart({ channel, data, event: 'e', id: 'i' }));
			assertStored(answer, channel);
			const message = await theOnly(channel);
			assert.equal(message.data, data);
			assert.equal(message.event, 'e');
			assert.equal(message.id, 'i');
		});

	test('what a browser makes of FormData is accepted', async () => {
		const channel = fresh();
		const body = new FormData();
		body.set('channel', channel);
		body.set('data', 'from a page');
		const answer = await fetch(new URL('/comet/publish', demo.url),
			{ method: 'POST', body });
		assert.equal(answer.status, 201);
		assert.equal((await theOnly(channel)).data, 'from a page');
	});

	test('a text body is the data, the channel stands in the path',
		async () => {
			const channel = `${fresh()}/a/b`;
			assertStored(await post(demo, `/publish/${channel}`,
				'text/plain; charset=utf-8', 'täxt'), channel);
			assert.equal((await theOnly(channel)).data, 'täxt');
		});

	test('a text body may name its channel in the query', async () => {
		const channel = fresh();
		assertStored(await post(demo, '/publish' + query({ channel }),
			'text/plain', 'x'), channel);
		assert.equal((await theOnly(channel)).data, 'x');
	});

	test('a body without a type is text', async () => {
		const channel = fresh();
		assertStored(await post(demo, `/publish/${channel}`, null,
			Buffer.from('channel=no&data=form')), channel);
		assert.equal((await theOnly(channel)).data, 'channel=no&data=form');
	});

	test('a text body that looks like anything else is left alone',
		async () => {
			const channel = fresh();
			const data = '{"channel":"x"}\r\n\tdata: 1\rid: 2 %41+\u2028';
			await publish(demo, channel, data);
			assert.equal((await theOnly(channel)).data, data);
		});

	test('data with every ASCII control character comes back unchanged',
		async () => {
			const channel = fresh();
			const data = String.fromCharCode(...Array(32).keys(), 127);
			await publish(demo, channel, data);
			assert.equal((await theOnly(channel)).data, data);
		});

	test('a JSON body on a channel of the path is the data', async () => {
		const values = [{ a: [1, { b: null }], 'ü"\\/': '\u0000\n' }, [],
			{}, 0, -1.5e3, true, false, null, 'a string', '', [[[]]]];
		for (const value of values) {
			const channel = fresh();
			assertStored(await post(demo, `/publish/${channel}`, JSON_TYPE,
				JSON.stringify(value, null, '\t')), channel);
			assert.deepEqual((await theOnly(channel)).data, value);
		}
	});

	test('a JSON object that looks like an envelope is data when the path ' +
		'names the channel', async () => {
		const channel = fresh();
		const value = { channel: fresh(), data: 'inner', id: 'x' };
		await post(demo, `/publish/${channel}`, JSON_TYPE,
			JSON.stringify(value));
		const message = await theOnly(channel);
		assert.deepEqual(message.data, value);
		assert.equal(message.id, undefined);
		assert.deepEqual(await stored(value.channel), []);
	});

	test('a JSON envelope is one message', async () => {
		const channel = fresh();
		const answer = await post(demo, '/publish', JSON_TYPE, JSON.stringify(
			{ channel, data: { n: 1 }, event: 'é', id: 'ü' }));
		const { seq } = assertStored(answer, channel);
		const message = await theOnly(channel);
		assert.deepEqual([message.seq, message.data, message.event,
			message.id], [seq, { n: 1 }, 'é', 'ü']);
	});

	test('the type of a body is read without regard to case and parameters',
		async () => {
			const channel = fresh();
			assertStored(await post(demo, '/publish',
				'Application/JSON; charset="utf-8"',
				JSON.stringify({ channel, data: 1 })), channel);
		});

	test('a JSON array is stored in order with adjacent seqs, and answered ' +
		'by an array', async () => {
		const channels = [fresh(), fresh(), fresh()];
		const answer = await post(demo, '/publish', JSON_TYPE, JSON.stringify(
			channels.map((channel, i) => ({ channel, data: i }))));
		assert.equal(answer.status, 201, answer.text);
		assert.deepEqual(answer.json.map((a) => a.channel), channels);
		const first = answer.json[0].seq;
		assert.deepEqual(answer.json.map((a) => a.seq),
			[first, first + 1, first + 2]);
		for (const [i, channel] of channels.entries())
			assert.equal((await theOnly(channel)).data, i);
	});

	test('an array of one is answered by an array', async () => {
		const channel = fresh();
		const answer = await post(demo, '/publish', JSON_TYPE,
			JSON.stringify([{ channel, data: 1 }]));
		assert.equal(answer.status, 201);
		assert.equal(answer.json.length, 1);
	});

	test('the seqs of an array are adjacent while others publish',
		async () => {
			const channel = fresh();
			const noise = fresh();
			const batch = async (round) => {
				const answer = await post(demo, '/publish', JSON_TYPE,
					JSON.stringify(Array.from({ length: 50 },
						(_, i) => ({ channel, data: round * 50 + i }))));
				const seqs = answer.json.map((a) => a.seq);
				assert.deepEqual(seqs, seqs.map((_, i) => seqs[0] + i));
			};
			await meanwhile(6, () => publish(demo, noise, 'n'), async () => {
				for (let round = 0; round < 15; round++)
					await batch(round);
			});
			assert.deepEqual((await stored(channel)).map((m) => m.data),
				[...Array(750).keys()]);
		});

	test('NDJSON is one message a line, with or without a last line end',
		async () => {
			for (const tail of ['\n', '']) {
				const channel = fresh();
				const lines = [{ channel, data: 'a\nb' },
					{ channel, data: { x: 1 }, event: 'e' },
					{ channel, data: 'c', id: 'i' }];
				const answer = await post(demo, '/publish', NDJSON,
					lines.map((l) => JSON.stringify(l)).join('\n') + tail);
				assert.equal(answer.status, 201, answer.text);
				const first = answer.json[0].seq;
				assert.deepEqual(answer.json.map((a) => a.seq),
					[first, first + 1, first + 2]);
				const messages = await stored(channel);
				assert.deepEqual(messages.map((m) => m.data),
					['a\nb', { x: 1 }, 'c']);
				assert.deepEqual(messages.map((m) => m.event),
					[undefined, 'e', undefined]);
			}
		});

	test('one wrong message keeps a whole array out', async () => {
		const channel = fresh();
		const good = { channel, data: 'good' };
		const wrong = [{ channel: 'a*', data: 1 }, { channel: '', data: 1 },
			{ data: 1 }, { channel }, { channel: 5, data: 1 }, 7, null, [],
			{ channel, data: 1, event: 'a\nb' },
			{ channel, data: 1, id: { } }];
		for (const bad of wrong) {
			const all = [good, good, bad, good];
			const text = JSON.stringify(bad);
			let detail = await assertRefused(await post(demo, '/publish',
				JSON_TYPE, JSON.stringify(all)), 400, channel);
			assert.match(detail, /2|3|third/, `${text}: ${detail}`);
			detail = await assertRefused(await post(demo, '/publish', NDJSON,
				all.map((m) => JSON.stringify(m)).join('\n')), 400, channel);
			assert.match(detail, /3/, `${text}: ${detail}`);
		}
	});

	test('a line of NDJSON that is no JSON keeps all lines out', async () => {
		const channel = fresh();
		const line = JSON.stringify({ channel, data: 1 });
		await assertRefused(await post(demo, '/publish', NDJSON,
			`${line}\n${line}\n{"channel":`), 400, channel);
		await assertRefused(await post(demo, '/publish', NDJSON,
			`${line} ${line}\n`), 400, channel);
	});

	test('empty data is a message like another', async () => {
		const bodies = [
			(c) => ['/publish', FORM, form({ channel: c, data: '' })],
			(c) => ['/publish', 'multipart/form-data; boundary=edge',
				multipart({ channel: c, data: '' })],
			(c) => [`/publish/${c}`, 'text/plain', ''],
			(c) => [`/publish/${c}`, null, undefined],
			(c) => [`/publish/${c}`, JSON_TYPE, '""'],
			(c) => ['/publish', JSON_TYPE,
				JSON.stringify({ channel: c, data: '' })],
		];
		for (const body of bodies) {
			const channel = fresh();
			assertStored(await post(demo, ...body(channel)), channel);
			assert.equal((await theOnly(channel)).data, '');
		}
	});

	/* ---- precedence and names ---- */

	test('the channel of the path wins over field and query', async () => {
		const [inPath, inField, inQuery] = [fresh(), fresh(), fresh()];
		const place = `/publish/${inPath}` + query({ channel: inQuery });
		assertStored(await post(demo, place, FORM,
			form({ channel: inField, data: 'x' })), inPath);
		assertStored(await post(demo, place, 'text/plain', 'x'), inPath);
		assert.equal((await stored(inPath)).length, 2);
		assert.deepEqual(await stored(inField), []);
		assert.deepEqual(await stored(inQuery), []);
	});

	test('a field wins over the query', async () => {
		const [inField, inQuery] = [fresh(), fresh()];
		assertStored(await post(demo, '/publish' + query(
			{ channel: inQuery, event: 'q', id: 'q' }), FORM,
		form({ channel: inField, data: 'x', event: 'f', id: 'f' })), inField);
		const message = await theOnly(inField);
		assert.deepEqual([message.event, message.id], ['f', 'f']);
	});

	test('event and id may stand in the query, whatever the body',
		async () => {
			const values = { event: 'late é', id: 'q-1' };
			const bodies = [
				(c) => [`/publish/${c}`, 'text/plain', 'x'],
				(c) => [`/publish/${c}`, JSON_TYPE, '{"a":1}'],
				(c) => [`/publish/${c}`, FORM, 'data=x'],
				(c) => [`/publish/${c}`, 'multipart/form-data; boundary=edge',
					multipart({ data: 'x' })],
			];
			for (const body of bodies) {
				const channel = fresh();
				const [place, type, text] = body(channel);
				assertStored(await post(demo, place + query(values), type,
					text), channel);
				const message = await theOnly(channel);
				assert.equal(message.event, values.event);
				assert.equal(message.id, values.id);
			}
		});

	test('the path is percent-decoded once', async () => {
		const unique = fresh();
		const cases = {
			[`${unique}%2Fa%2fb`]: `${unique}/a/b`,
			[`${unique}/caf%C3%A9/%E2%82%AC`]: `${unique}/café/€`,
			[`${unique}%20with+plus`]: `${unique} with+plus`,
			[`${unique}%252F`]: `${unique}%2F`,
			[`${unique}%3Fq%23f%26a%3Db`]: `${unique}?q#f&a=b`,
			[`${unique}/%F0%9F%98%80`]: `${unique}/😀`,
		};
		for (const [written, channel] of Object.entries(cases)) {
			assertStored(await post(demo, `/publish/${written}`,
				'text/plain', 'x'), channel);
			assert.equal((await theOnly(channel)).channel, channel);
		}
	});

	test('a leading slash is dropped', async () => {
		const channel = `${fresh()}/a`;
		assertStored(await post(demo, '/publish', FORM,
			form({ channel: `/${channel}`, data: 'field' })), channel);
		assertStored(await post(demo, '/publish', JSON_TYPE, JSON.stringify(
			{ channel: `/${channel}`, data: 'json' })), channel);
		assertStored(await post(demo, `/publish/%2F${channel}`,
			'text/plain', 'path'), channel);
		assert.equal((await stored(`/${channel}`)).length, 3);
	});

	test('a channel of 255 bytes is taken, one of 256 is malformed',
		async () => {
			const longest = fresh().padEnd(255, 'x');
			assertStored(await post(demo, '/publish', FORM,
				form({ channel: longest, data: '' })), longest);
			const inBytes = fresh().padEnd(155, 'x') + 'é'.repeat(51);
			for (const channel of [longest + 'x', inBytes])
				await assertRefused(await post(demo, '/publish', FORM,
					form({ channel, data: '' })), 400);
		});

	test('malformed channels are refused', async () => {
		const wrong = ['', '/', 'a*b', '*', 'a/**', 'a\nb', 'a\rb', 'a\0b',
			'a\x7fb', 'a\x1b[0m', '//a', 'a\u0085b'];
		for (const channel of wrong) {
			await assertRefused(await post(demo, '/publish', FORM,
				form({ channel, data: 'x' })), 400);
			await assertRefused(await post(demo, '/publish', JSON_TYPE,
				JSON.stringify({ channel, data: 'x' })), 400);
		}
		await assertRefused(await post(demo, '/publish', FORM, 'data=x'), 400);
		await assertRefused(await post(demo, '/publish', 'text/plain', 'x'),
			400);
	});

	test('names that begin with $ are not the publisher\'s', async () => {
		for (const channel of ['$status', '$a/b', '/$x']) {
			await assertRefused(await post(demo, '/publish', FORM,
				form({ channel, data: 'x' })), 403);
			await assertRefused(await post(demo, '/publish', JSON_TYPE,
				JSON.stringify([{ channel: 'fine', data: 1 },
					{ channel, data: 'x' }])), 403);
		}
		await assertRefused(await post(demo, '/publish/%24x', 'text/plain',
			'x'), 403);
		assert.deepEqual(await stored('fine'), []);
	});

	/* ---- ids ---- */

	test('an id that was used answers the first seq and stores nothing',
		async () => {
			const channel = fresh();
			const first = await post(demo, `/publish/${channel}?id=once`,
				'text/plain', 'one');
			assert.equal(first.status, 201);
			assert.equal(first.json.duplicate, undefined);
			const again = await post(demo, `/publish/${channel}?id=once`,
				'text/plain', 'two');
			assert.equal(again.status, 200, again.text);
			assert.equal(again.json.duplicate, true);
			assert.equal(again.json.seq, first.json.seq);
			assert.equal(again.json.channel, channel);
			assert.equal((await theOnly(channel)).data, 'one');
		});

	test('an id belongs to its channel', async () => {
		const id = fresh('id');
		for (const channel of [fresh(), fresh()])
			assertStored(await post(demo, `/publish/${channel}?id=${id}`,
				'text/plain', 'x'), channel);
	});

	test('of many who publish the same id at once exactly one stores it',
		async () => {
			for (let round = 0; round < 5; round++) {
				const channel = fresh();
				const answers = await Promise.all(Array.from({ length: 24 },
					(_, i) => post(demo, `/publish/${channel}?id=same`,
						'text/plain', `try ${i}`)));
				const firsts = answers.filter((a) => a.status === 201);
				assert.equal(firsts.length, 1);
				for (const answer of answers) {
					assert.equal(answer.json.seq, firsts[0].json.seq);
					assert.equal(answer.json.duplicate ?? false,
						answer.status === 200);
				}
				assert.equal((await theOnly(channel)).seq,
					firsts[0].json.seq);
			}
		});

	test('an id used twice in one array is stored once', async () => {
		const channel = fresh();
		const { json, status } = await post(demo, '/publish', JSON_TYPE,
			JSON.stringify([{ channel, data: 'a', id: 'i' },
				{ channel, data: 'b', id: 'i' }, { channel, data: 'c' }]));
		assert.equal(status, 201);
		assert.equal(json[1].duplicate, true);
		assert.equal(json[1].seq, json[0].seq);
		assert.deepEqual((await stored(channel)).map((m) => m.data),
			['a', 'c']);
	});

	test('an array of known ids stores nothing again', async () => {
		const channel = fresh();
		const body = JSON.stringify(['a', 'b'].map((id) =>
			({ channel, data: id, id })));
		const first = await post(demo, '/publish', JSON_TYPE, body);
		const again = await post(demo, '/publish', JSON_TYPE, body);
		assert.ok(again.status === 200 || again.status === 201);
		assert.deepEqual(again.json.map((a) => a.seq),
			first.json.map((a) => a.seq));
		assert.ok(again.json.every((a) => a.duplicate === true));
		assert.equal((await stored(channel)).length, 2);
	});

	test('an empty id is no id', async () => {
		const channel = fresh();
		for (let i = 0; i < 2; i++)
			assertStored(await post(demo, '/publish', FORM,
				form({ channel, data: 'x', id: '', event: '' })), channel);
		for (const message of await stored(channel))
			assert.equal(message.event, undefined);
	});

	/* ---- redirects ---- */

	test('a form with a redirect is answered by 303 to that path',
		async () => {
			const channel = fresh();
			const redirect = '/chat.html?room=1&x=%20#end';
			const answer = await post(demo, '/publish', FORM,
				form({ channel, data: 'x', redirect }));
			assert.equal(answer.status, 303, answer.text);
			assert.equal(new URL(answer.headers.location, demo.url).href,
				new URL(redirect, demo.url).href);
			await theOnly(channel);
			assert.equal((await post(demo, '/publish',
				'multipart/form-data; boundary=edge',
				multipart({ channel, data: 'x', redirect: '/' }))).status, 303);
		});

	test('a redirect may be relative to the address that was posted to',
		async () => {
			const channel = fresh('a/b');
			const posted = new URL(`${demo.base}/publish/${channel}`, demo.url);
			for (const redirect of ['../../../../page.html', './', '?a=b:c']) {
				const answer = await post(demo, `/publish/${channel}`, FORM,
					form({ data: 'x', redirect }));
				assert.equal(answer.status, 303, answer.text);
				assert.equal(new URL(answer.headers.location, posted).href,
					new URL(redirect, posted).href);
			}
		});

	test('a redirect never leaves the site and never adds a header',
		async () => {
			const evil = ['//evil.example/', 'https://evil.example/',
				'http:/evil.example', 'http:evil.example', '///evil.example',
				'/\\evil.example', '\\\\evil.example', '/\t/evil.example',
				'\t//evil.example', ' //evil.example', '/\n/evil.example',
				'javascript:alert(1)', 'data:text/html,x',
				'evil.example', '/a\r\nSet-Cookie: a=b', '/a\nX-Evil: 1',
				'/a\rX-Evil: 1', '/a\0b', '@evil.example', '//',
				'/%09/evil.example\r\n\r\n<script>', '/.//evil.example',
				'/..//evil.example', '/\u2028/evil.example',
				'..//evil.example', './/evil.example', '\\/evil.example',
				':80/', 'a:b', 'HTTP:evil.example', 'http&colon;//evil.example'];
			const site = new URL(demo.url).origin;
			for (const redirect of evil) {
				const channel = fresh();
				const answer = await post(demo, '/publish', FORM,
					form({ channel, data: 'x', redirect }));
				const what = JSON.stringify(redirect);
				assert.ok(answer.status < 500, what);
				assert.equal(answer.headers['set-cookie'], undefined, what);
				assert.equal(answer.headers['x-evil'], undefined, what);
				if (answer.headers.location !== undefined)
					assert.equal(new URL(answer.headers.location,
						demo.url + 'comet/publish').origin, site, what);
				if (answer.status === 400)
					await assertRefused(answer, 400, channel);
			}
		});

	/* ---- refusals ---- */

	test('malformed JSON is refused with the place of the fault',
		async () => {
			const wrong = ['', '{', '{"a":1', '[1,]', '{"a":01}', "{'a':1}",
				'{"a":1}}', '"\x01"', '"\\ud800"', '"\\x"', 'nul', '+1', '1.',
				'.5', '"open', '[1 2]', '{"a" 1}', '\ufeff{}x', 'NaN',
				'{"a":1,}', '"a" "b"', '"\\u12g4"', '/* c */1'];
			for (const body of wrong) {
				const channel = fresh();
				await assertRefused(await post(demo, `/publish/${channel}`,
					JSON_TYPE, body), 400, channel);
			}
		});

	test('a JSON envelope must be an object or an array of objects',
		async () => {
			for (const body of ['1', '"x"', 'null', '[]', '[[]]', '{}',
				'{"channel":"a"}', '{"data":1}'])
				await assertRefused(await post(demo, '/publish', JSON_TYPE,
					body), 400);
			await assertRefused(await post(demo, '/publish', NDJSON, ''), 400);
			await assertRefused(await post(demo, '/publish', NDJSON, '[]'),
				400);
		});

	test('JSON nested 20,000 deep is answered and hurts nobody', async () => {
		const workers = demo.workers();
		const deep = ['['.repeat(20000) + ']'.repeat(20000),
			'['.repeat(20000), '{"a":'.repeat(12000) + '1' +
			'}'.repeat(12000), '[{"":'.repeat(10000)];
		for (const body of deep) {
			const channel = fresh();
			await assertRefused(await post(demo, `/publish/${channel}`,
				JSON_TYPE, body), 400, channel);
			await assertRefused(await post(demo, '/publish', JSON_TYPE, body),
				400);
			await assertRefused(await post(demo, '/publish', JSON_TYPE,
				`{"channel":"${channel}","data":${body}}`), 400, channel);
		}
		assert.deepEqual(demo.workers(), workers);
	});

	test('JSON nested a hundred deep comes back as it was', async () => {
		const channel = fresh();
		const text = '[{"a":'.repeat(50) + '1' + '}]'.repeat(50);
		assertStored(await post(demo, `/publish/${channel}`, JSON_TYPE, text),
			channel);
		assert.deepEqual((await theOnly(channel)).data, JSON.parse(text));
	});

	test('numbers keep every digit', async () => {
		const channel = fresh();
		const text = '{"big":123456789012345678901234567890,"dec":1.10,' +
			'"exp":1e400,"tiny":-0.0000000000000000000001234567890123456789}';
		await post(demo, `/publish/${channel}`, JSON_TYPE, text);
		const { text: body } = await get(demo, '/poll', { channel });
		assert.ok(body.includes(text), body);
	});

	test('bytes that are no UTF-8 are refused wherever they stand',
		async () => {
			const wrong = ['ff', 'c3', 'c0af', 'eda080', 'f4908080', 'e282',
				'80', 'f8888080'].map((hex) => Buffer.from(hex, 'hex'));
			for (const bytes of wrong) {
				const channel = fresh();
				const escaped = bytes.toString('hex').replace(/../g, '%$&');
				const refused = async (place, type, body) => assertRefused(
					await post(demo, place, type, body), 400, channel);
				const around = (head, tail) => Buffer.concat(
					[Buffer.from(head), bytes, Buffer.from(tail)]);
				await refused(`/publish/${channel}`, 'text/plain',
					around('a', 'b'));
				await refused(`/publish/${channel}`, JSON_TYPE,
					around('"', '"'));
				await refused('/publish', FORM,
					`channel=${channel}&data=${escaped}`);
				await refused('/publish', FORM,
					`channel=${channel}${escaped}&data=x`);
				await refused('/publish', 'multipart/form-data; boundary=edge',
					around(`--edge\r\nContent-Disposition: form-data; ` +
						`name="channel"\r\n\r\n${channel}\r\n--edge\r\n` +
						'Content-Disposition: form-data; name="data"\r\n\r\n',
					'\r\n--edge--\r\n'));
				for (const name of ['event', 'id'])
					await assertBadAddress(assert, demo, 'POST',
						`/publish/${channel}?${name}=${escaped}`);
				assert.deepEqual(await stored(channel), []);
			}
		});

	test('a path that is no UTF-8 is refused', async () => {
		await assertBadAddress(assert, demo, 'POST', '/publish/a%FFb');
		await assertBadAddress(assert, demo, 'POST', '/publish/a%0Ab');
	});

	test('an event or id with control characters is refused', async () => {
		for (const bad of ['a\nb', 'a\rb', 'a\0b', '\n', '\x1b', '\x7f']) {
			for (const name of ['event', 'id']) {
				const channel = fresh();
				await assertRefused(await post(demo, '/publish', FORM,
					form({ channel, data: 'x', [name]: bad })), 400, channel);
				await assertBadAddress(assert, demo, 'POST',
					`/publish/${channel}${query({ [name]: bad })}`);
				assert.deepEqual(await stored(channel), []);
			}
		}
	});

	test('a malformed multipart form is refused', async () => {
		const whole = multipart({ channel: 'm', data: 'x' });
		const wrong = [['multipart/form-data', whole],
			['multipart/form-data; boundary=', whole],
			['multipart/form-data; boundary=other', whole],
			['multipart/form-data; boundary=edge', whole.slice(0, -10)],
			['multipart/form-data; boundary=edge', ''],
			['multipart/form-data; boundary=edge',
				'--edge\r\n\r\nno name\r\n--edge--\r\n'],
			[`multipart/form-data; boundary=${'b'.repeat(200)}`, whole]];
		for (const [type, body] of wrong)
			await assertRefused(await post(demo, '/publish', type, body), 400,
				'm');
	});

	test('a type that is not known is refused', async () => {
		for (const type of ['application/xml', 'image/png', 'json', 'text/html',
			'application/jsonx']) {
			const channel = fresh();
			await assertRefused(await post(demo, `/publish/${channel}`, type,
				'x'), 415, channel);
		}
	});

	test('publish answers nothing but POST', async () => {
		for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
			const channel = fresh();
			const answer = await request(demo, method,
				`/comet/publish/${channel}`, {
					headers: { 'Content-Type': 'text/plain' },
					body: method === 'GET' ? undefined : 'x',
				});
			await assertRefused(answer, 405, channel);
			assert.match(answer.headers.allow ?? '', /\bPOST\b/);
		}
	});

	test('a message may have 64 KiB and not a byte more', async () => {
		const fits = fresh();
		const data = 'x'.repeat(LIMIT);
		assertStored(await post(demo, `/publish/${fits}`, 'text/plain', data),
			fits);
		assert.equal((await theOnly(fits)).data, data);
		const inBytes = 'é'.repeat(LIMIT / 2);
		assertStored(await post(demo, '/publish', FORM,
			form({ channel: fits, data: inBytes })), fits);
		const over = fresh();
		for (const [type, body] of [['text/plain', data + 'x'],
			['text/plain', inBytes + 'x'],
			[JSON_TYPE, JSON.stringify(data + 'x')],
			[FORM, form({ data: data + 'x' })]])
			await assertRefused(await post(demo, `/publish/${over}`, type,
				body), 413, over);
	});

	test('one message over the limit keeps a whole batch out', async () => {
		const channel = fresh();
		await assertRefused(await post(demo, '/publish', NDJSON,
			[{ channel, data: 'small' },
				{ channel, data: 'x'.repeat(LIMIT + 1) }]
				.map((m) => JSON.stringify(m)).join('\n')), 413, channel);
	});

	test('every byte of a short publish can be its last and none hurts',
		async () => {
			const channel = fresh();
			const body = form({ channel, data: 'x' });
			const whole = 'POST /comet/publish HTTP/1.1\r\nHost: a\r\n' +
				`Content-Type: ${FORM}\r\nConnection: close\r\n` +
				`Content-Length: ${body.length}\r\n\r\n${body}`;
			const workers = demo.workers();
			await Promise.all(Array.from({ length: 12 }, async (_, i) => {
				const net = await import('node:net');
				const cut = whole.length - 1 - i * 3;
				const socket = net.connect(demo.port, '127.0.0.1');
				await new Promise((done) => socket.write(
					whole.slice(0, cut), done));
				socket.end();
				socket.on('error', () => {});
				await new Promise((done) => {
					socket.on('close', done);
					socket.resume();
				});
			}));
			assert.deepEqual(await stored(channel), []);
			const answer = await rawHttp(demo, whole);
			assert.match(answer.toString(), /^HTTP\/1\.1 201 /);
			assert.deepEqual(demo.workers(), workers);
		});

	test('an address that is not known is told as a problem', async () => {
		for (const place of ['/nothing', '/publishx', '/'])
			assertProblem(assert, await get(demo, place), 404);
	});
});

describe('publishing under other limits', { timeout: ms(60000) }, () => {
	const OPTIONS = { 'message-bytes': '1000', 'body-bytes': '4K',
		'batch-messages': 10, 'allow-origin': 'https://www.example.org' };

	before(async () => { demo = await startDemo({ options: OPTIONS }); });
	after(async () => { await demo?.stop(); });

	test('a body over body-bytes is refused, with a length and without',
		async () => {
			const channel = fresh();
			const message = JSON.stringify({ channel, data: 'x'.repeat(900) });
			const body = `${message}\n`.repeat(5);
			await assertRefused(await post(demo, '/publish', NDJSON, body),
				413, channel);
			const chunked = await rawHttp(demo,
				'POST /comet/publish HTTP/1.1\r\nHost: a\r\n' +
				`Content-Type: ${NDJSON}\r\nConnection: close\r\n` +
				'Transfer-Encoding: chunked\r\n\r\n' +
				`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
			assert.match(chunked.toString(), /^HTTP\/1\.1 413 /);
			assert.deepEqual(await stored(channel), []);
		});

	test('the configured message limit holds', async () => {
		const channel = fresh();
		assertStored(await post(demo, `/publish/${channel}`, 'text/plain',
			'x'.repeat(1000)), channel);
		const answer = await post(demo, `/publish/${channel}`, 'text/plain',
			'x'.repeat(1001));
		assert.match(assertProblem(assert, answer, 413), /1000/);
	});

	test('a batch over batch-messages is refused whole', async () => {
		const channel = fresh();
		const batch = (n) => JSON.stringify(
			Array(n).fill({ channel, data: '' }));
		const answer = await post(demo, '/publish', JSON_TYPE, batch(11));
		await assertRefused(answer, 413, channel);
		assert.equal((await post(demo, '/publish', JSON_TYPE, batch(10)))
			.status, 201);
	});

	test('pages of another site may not publish, those of a named one may',
		async () => {
			const channel = fresh();
			const from = (origin) => post(demo, `/publish/${channel}`,
				'text/plain', 'x', { headers: { Origin: origin } });
			await assertRefused(await from('https://evil.example'), 403,
				channel);
			await assertRefused(await from('null'), 403, channel);
			const own = new URL(demo.url).origin;
			assert.equal((await from(own)).status, 201);
			const named = await from('https://www.example.org');
			assert.equal(named.status, 201);
			assert.equal(named.headers['access-control-allow-origin'],
				'https://www.example.org');
		});

	test('a page of a named site may ask before it publishes JSON',
		async () => {
			const asks = (origin) => request(demo, 'OPTIONS',
				'/comet/publish/a', { headers: { Origin: origin,
					'Access-Control-Request-Method': 'POST',
					'Access-Control-Request-Headers': 'content-type' } });
			const { status, headers } = await asks('https://www.example.org');
			assert.ok(status === 200 || status === 204, String(status));
			assert.equal(headers['access-control-allow-origin'],
				'https://www.example.org');
			assert.match(headers['access-control-allow-methods'], /POST/);
			assert.match(headers['access-control-allow-headers'],
				/content-type/i);
			const other = await asks('https://evil.example');
			assert.equal(other.headers['access-control-allow-origin'],
				undefined);
		});
});

describe('publishing at a limited rate', { timeout: ms(60000) }, () => {
	before(async () => {
		demo = await startDemo({ workers: 1,
			options: { 'publish-rate': 1, 'publish-burst': 3 } });
	});
	after(async () => { await demo?.stop(); });

	test('who publishes too fast is told when to come back', async () => {
		const channel = fresh();
		const answers = await Promise.all(Array.from({ length: 12 }, (_, i) =>
			post(demo, `/publish/${channel}`, 'text/plain', String(i))));
		const refused = answers.filter((a) => a.status !== 201);
		assert.ok(refused.length >= 5, 'most of twelve are too many');
		assert.ok(refused.length <= 9, 'three may come at once');
		for (const answer of refused) {
			assertProblem(assert, answer, 429);
			assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
		}
		assert.equal((await stored(channel)).length, 12 - refused.length);
	});
});
