/* Also under ThreadSanitizer: acceptors, loop, pool and writer. */
/* Bayeux as raw requests over HTTP: every message, its errors, who may say it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	assertProblem, fcgiExchange, fresh, get, history, ms, openEvents, post,
	publish, publishAll, query, rawHttp, request, sqlite, startDemo,
} from './harness.mjs';
import {
	calledWith, Client, holds, overCallback, overFcgi, overHttp, startWorker,
} from './bayeux.mjs';

let demo, worker;

const client = (way = overHttp(demo)) => new Client(way);
const opened = (subscription, ext, way) =>
	client(way).open(subscription, ext);
const errorOf = (reply) => {
	assert.equal(reply.successful, false, JSON.stringify(reply));
	assert.match(reply.error, /^\d{3}:[^:]*:[^:]+$/);
	return Number(reply.error.slice(0, 3));
};
const bayeux = (type, body, options) =>
	post(demo, '/bayeux', type, body, options);
const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';

/* Held by the demo's one worker when this returns. */
async function held(one, fields) {
	const answer = one.connect(fields);
	answer.catch(() => {});
	await holds(1, { demo });
	return { answer };
}

describe('Bayeux over HTTP', { timeout: ms(120000) }, () => {
	before(async () => {
		demo = await startDemo({ workers: 1, options: {
			'message-bytes': 4096, 'batch-messages': 20, 'body-bytes': '64K',
		} });
		worker = await startWorker(demo, { 'message-bytes': 4096 });
	});
	after(async () => {
		await worker?.stop();
		await demo?.stop();
	});

	/* ---- handshake ---- */

	test('a handshake makes a session and says how to use it', async () => {
		const one = client();
		const reply = await one.handshake();
		assert.equal(reply.successful, true);
		assert.equal(reply.version, '1.0');
		assert.match(reply.clientId, /^[A-Za-z0-9]{32,}$/);
		for (const type of ['long-polling', 'callback-polling', 'websocket'])
			assert.ok(reply.supportedConnectionTypes.includes(type), type);
		assert.deepEqual(reply.advice, { reconnect: 'retry', interval: 0,
			timeout: 25000, maxInterval: 120000 });
		assert.ok(!('error' in reply) && !('ext' in reply));
		assert.match(one.headers['content-type'], /^application\/json\b/);
		assert.equal(one.headers['cache-control'], 'no-store');
		assert.equal(one.headers['x-content-type-options'], 'nosniff');
		const other = client();
		await other.handshake();
		assert.notEqual(other.clientId, one.clientId);
	});

	test('versions other than 1 are refused, and what lacks something', async () => {
		const types = { supportedConnectionTypes: ['long-polling'] };
		for (const [fields, code] of [
			[{ version: '1.0', minimumVersion: '0.9' }, 0],
			[{ version: '1.1beta' }, 0],
			[{ version: '2.0' }, 300], [{ version: '10' }, 300],
			[{ version: '1.0', minimumVersion: '2.0' }, 300],
			[{ version: undefined }, 400], [{ version: 1 }, 400],
			[{ supportedConnectionTypes: ['iframe', 'x'] }, 301],
			[{ supportedConnectionTypes: ['iframe', 'long-polling'] }, 0],
			[{ supportedConnectionTypes: [] }, 301],
			[{ supportedConnectionTypes: undefined }, 400],
		]) {
			const reply = await client().tell('/meta/handshake',
				{ clientId: undefined, version: '1.0', ...types, ...fields });
			if (code === 0)
				assert.equal(reply.successful, true, JSON.stringify(fields));
			else
				assert.equal(errorOf(reply), code, JSON.stringify(fields));
			assert.equal('clientId' in reply, code === 0);
		}
	});

	test('extensions are granted to who asks for them', async () => {
		const { ext } = await client().handshake(
			{ ext: { ack: true, replay: true, other: 1 } });
		assert.deepEqual(ext, { ack: true, replay: true });
		assert.equal((await client().handshake({ ext: { ack: false } })).ext,
			undefined);
	});

	test('the time is told to who asks for it', async () => {
		const one = client();
		const tc = Date.now();
		const { ext: { timesync } } = await one.handshake(
			{ ext: { timesync: { tc, l: 0, o: 0 } } });
		assert.equal(timesync.tc, tc);
		assert.ok(Math.abs(timesync.ts - Date.now()) < ms(5000));
		assert.ok(timesync.p >= 0);
		assert.equal(timesync.a, tc - timesync.ts);
		const first = await one.connect({ ext: { timesync: { tc, l: 3, o: 4 } } });
		assert.equal(first.ext.timesync.a, tc + 7 - first.ext.timesync.ts);
		const reply = await one.connect({ advice: { timeout: 300 },
			ext: { timesync: { tc } } });
		assert.ok(reply.ext.timesync.p >= 300, 'p is how long it was held');
	});

	/* ---- connect ---- */

	test('the first connect is answered at once', async () => {
		const one = client();
		await one.handshake();
		const reply = await one.connect(); /* else 25 s: beyond its bound */
		assert.equal(reply.successful, true);
		assert.equal(reply.clientId, one.clientId);
		assert.equal(reply.advice.reconnect, 'retry');
	});

	const publishers = {
		'over HTTP': (channel) => publish(demo, channel, 'x'),
		'in SQL': (channel) => sqlite(demo, 'INSERT INTO publish(channel, ' +
			`data) VALUES ('${channel}', 'x');`),
		'by another Bayeux client': async (channel) =>
			(await opened()).publish(`/${channel}`, 'x'),
		'by another worker': (channel) =>
			client(worker.way).tell(`/${channel}`,
				{ data: 'x', clientId: undefined }),
	};
	for (const [who, tell] of Object.entries(publishers))
		test(`a held connect is woken by what is published ${who}`, async () => {
			const channel = fresh();
			const one = await opened(`/${channel}`);
			const { answer } = await held(one);
			await tell(channel);
			const { events, successful } = await answer;
			assert.equal(successful, true);
			assert.deepEqual(events, [{ channel: `/${channel}`, data: 'x' }]);
			assert.deepEqual((await one.poll()).events, []);
		});

	test('a connect is held as long as its client or the server says', async () => {
		const one = await opened(`/${fresh()}`);
		const begin = Date.now();
		const reply = await one.connect({ advice: { timeout: 400 } });
		assert.ok(Date.now() - begin >= 400);
		assert.deepEqual(reply.events, []);
		assert.equal(reply.successful, true);
		await one.connect({ advice: { timeout: 0 } });
		/* it cannot ask for more than the server gives: bayeux-ws has that */
	});

	test('a connect beside other messages is answered with them', async () => {
		const channel = `/${fresh()}`;
		const one = await opened();
		const messages = [one.connectMessage(),
			one.message('/meta/subscribe', { subscription: channel })];
		const replies = await one.send(messages);
		assert.deepEqual(replies.map((r) => [r.channel, r.id, r.successful,
			r.clientId]).sort(), messages.map((m) => [m.channel, m.id, true,
			one.clientId]).sort());
		await one.publish(channel, 1);
		assert.deepEqual((await one.poll()).events, [{ channel, data: 1 }]);
	});

	test('of sessions in one request each is its own', async () => {
		const channel = `/${fresh()}`;
		const [a, b] = [await opened(channel), await opened()];
		await publish(demo, channel.slice(1), 'x');
		const connect = a.connectMessage();
		const replies = await a.send([connect, { ...b.message('/meta/subscribe',
			{ subscription: '/z' }), clientId: b.clientId }]);
		assert.equal(replies.find((r) => r.id === connect.id).clientId,
			a.clientId);
		assert.deepEqual(a.data, ['x']);
	});

	test('of two connects in one request the second is refused', async () => {
		const one = await opened();
		const replies = await one.send(
			[one.connectMessage(), one.connectMessage()]);
		assert.deepEqual(replies.map((r) => r.successful).sort(),
			[false, true]);
	});

	test('a newer connect supersedes the older, in any process', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`);
		for (const way of [one.way, worker.way]) {
			const { answer } = await held(one);
			const newer = new Client(way);
			Object.assign(newer, { clientId: one.clientId,
				cookie: one.cookie });
			const next = newer.connect();
			const first = await answer;
			assert.equal(first.successful, true);
			assert.deepEqual(first.events, []);
			await publish(demo, channel, 'x');
			assert.deepEqual((await next).events.map((m) => m.data), ['x']);
		}
	});

	test('more than one answer takes comes in several, each message once',
		async () => {
			const channel = fresh();
			const one = await opened(`/${channel}`);
			/* whoever waits keeps what is new in memory */
			const { answer } = await held(await opened('/nothing'));
			const all = Array.from({ length: 620 }, (_, data) => data);
			for (let i = 0; i < all.length; i += 20)
				await publishAll(demo, all.slice(i, i + 20)
					.map((data) => ({ channel, data })));
			assert.deepEqual(await one.received(620), all);
			await publish(demo, 'nothing', '');
			await answer;
		});

	/* ---- subscribe, unsubscribe, disconnect ---- */

	test('subscriptions are channels and patterns, one or many', async () => {
		const name = fresh();
		const one = await opened();
		const some = await one.subscribe([`/${name}/a`, `/${name}/*/c`]);
		assert.deepEqual(some.subscription, [`/${name}/a`, `/${name}/*/c`]);
		assert.equal((await one.subscribe(`/deep/${name}/**`)).subscription,
			`/deep/${name}/**`);
		for (const channel of ['a', 'b', 'b/c', 'b/c/d'])
			await publish(demo, `${name}/${channel}`, channel);
		await publish(demo, `deep/${name}/x/y`, 'deep');
		assert.deepEqual(await one.received(3), ['a', 'b/c', 'deep']);
		await one.unsubscribe([`/${name}/a`, '/never']);
		await publish(demo, `${name}/a`, 'a');
		await publish(demo, `${name}/z/c`, 'z/c');
		assert.deepEqual((await one.poll()).events.map((m) => m.data), ['z/c']);
	});

	test('what two subscriptions cover comes once', async () => {
		const channel = fresh();
		const one = await opened([`/${channel}`, '/**', '/*', `/${channel}`]);
		await publish(demo, channel, 'x');
		assert.deepEqual((await one.poll()).events.map((m) => m.data), ['x']);
	});

	for (const [where, wayOf] of [['the same', () => overHttp(demo)],
		['another', () => worker.way]])
		test(`a held connect gets what is subscribed to at ${where} worker`,
			async () => {
				const channel = fresh();
				const one = await opened();
				const other = Object.assign(client(wayOf()),
					{ clientId: one.clientId, cookie: one.cookie });
				let answer = (await held(one)).answer;
				await other.subscribe(`/${channel}`);
				assert.deepEqual((await answer).events, []); /* comes back */
				answer = (await held(one)).answer;
				await publish(demo, channel, 'x');
				assert.deepEqual((await answer).events.map((m) => m.data),
					['x']);
				answer = (await held(one)).answer;
				await other.unsubscribe(`/${channel}`);
				assert.deepEqual((await answer).events, []);
				await publish(demo, channel, 'y');
				assert.deepEqual((await one.poll()).events, []);
			});

	for (const [where, wayOf] of [['the same', () => overHttp(demo)],
		['another', () => worker.way]])
		test(`a disconnect at ${where} worker ends the session and its connect`,
			async () => {
				const one = await opened(`/${fresh()}`);
				const other = Object.assign(client(wayOf()),
					{ clientId: one.clientId, cookie: one.cookie });
				const { answer } = await held(one);
				const reply = await other.disconnect();
				assert.equal(reply.successful, true);
				assert.equal(reply.advice.reconnect, 'none');
				await answer;
				const after = await one.connect();
				assert.equal(errorOf(after), 402);
				assert.equal(after.advice.reconnect, 'handshake');
			});

	/* ---- publish ---- */

	test('messages are published with and without a session', async () => {
		const channel = fresh();
		const one = await opened();
		const reply = await one.publish(`/${channel}`, { a: [1, 'é'] });
		assert.deepEqual(reply, { channel: `/${channel}`, id: reply.id,
			successful: true });
		assert.equal((await client().tell(`/${channel}`, { data: 'free',
			clientId: undefined })).successful, true);
		const unknown = await client().tell(`/${channel}`,
			{ data: 'no', clientId: '0'.repeat(40) });
		assert.equal(errorOf(unknown), 402);
		assert.equal(unknown.advice.reconnect, 'handshake');
		assert.deepEqual((await history(demo, channel)).map((m) => m.data),
			[{ a: [1, 'é'] }, 'free']);
	});

	test('what is published in one request is stored in its order', async () => {
		const channel = fresh();
		const one = await opened(`/${channel}`);
		const messages = Array.from({ length: 15 }, (_, data) =>
			one.message(`/${channel}`, { data, ext: data ? undefined :
				{ event: 'first', id: 'order-1' } }));
		messages.splice(7, 0, one.message('/service/echo', { data: 'between' }));
		const replies = await one.send(messages);
		assert.deepEqual(replies.map((r) => r.id), messages.map((m) => m.id));
		assert.ok(replies.every((r) => r.successful));
		const kept = await history(demo, channel);
		assert.deepEqual(kept.map((m) => m.data),
			Array.from({ length: 15 }, (_, i) => i));
		assert.deepEqual([kept[0].event, kept[0].id], ['first', 'order-1']);
		assert.deepEqual(one.data, ['between']);
		one.events = [];
		await one.received(15);
		assert.deepEqual(one.events[0], { channel: `/${channel}`, data: 0,
			ext: { event: 'first', id: 'order-1' } });
	});

	test('of bad messages among good ones only the bad are refused', async () => {
		const channel = fresh();
		const one = await opened();
		const replies = await one.send([
			one.message(`/${channel}`, { data: 1 }),
			one.message(`/${channel}/*`, { data: 2 }),
			one.message(`/${channel}`, {}),
			one.message('/meta/what', { data: 3 }),
			one.message(`/${channel}`, { data: 4 }),
		]);
		assert.deepEqual(replies.map((r) => r.successful ? 0 : errorOf(r)),
			[0, 405, 400, 404, 0]);
		assert.deepEqual((await history(demo, channel)).map((m) => m.data),
			[1, 4]);
	});

	test('one object does as well as an array, an empty array as nothing',
		async () => {
			const channel = fresh();
			const one = await bayeux(JSON_TYPE,
				JSON.stringify({ channel: `/${channel}`, data: 'x' }));
			assert.deepEqual(one.json, [{ channel: `/${channel}`,
				successful: true }]);
			assert.deepEqual((await bayeux(JSON_TYPE, '[]')).json, []);
		});

	test('a form carries messages, in one field or several', async () => {
		const channel = fresh();
		const message = (data) => ({ channel: `/${channel}`, data });
		const field = (value) =>
			`message=${encodeURIComponent(JSON.stringify(value))}`;
		const { json } = await bayeux(FORM_TYPE, [field(message('a & b')),
			'other=1', field([message('c'), message('+')])].join('&'));
		assert.equal(json.length, 3);
		assert.ok(json.every((r) => r.successful));
		assert.deepEqual((await history(demo, channel)).map((m) => m.data),
			['a & b', 'c', '+']);
		assertProblem(assert, await bayeux(FORM_TYPE, 'other=1'), 400);
		assertProblem(assert, await bayeux(FORM_TYPE, 'message=%5B'), 400);
	});

	test('ids come back as they were', async () => {
		const one = await opened();
		for (const id of ['1', 'with "quotes" \u2028', 7, -1.5e3, '']) {
			const [reply] = await one.send([{ ...one.message('/service/echo',
				{ data: 1 }), id }]);
			assert.equal(reply.id, id);
		}
		for (const id of [true, {}, [1], 'x'.repeat(300)]) {
			const [reply] = await one.send([{ ...one.message('/service/echo',
				{ data: 1 }), id }]);
			assert.equal(errorOf(reply), 400);
			assert.ok(!('id' in reply));
		}
	});

	/* ---- what is refused ---- */

	test('unknown sessions are told to shake hands', async () => {
		const one = client();
		for (const clientId of [undefined, '', 'x', '0'.repeat(40), 5])
			for (const [channel, fields] of [
				['/meta/connect', { connectionType: 'long-polling' }],
				['/meta/subscribe', { subscription: '/a' }],
				['/meta/unsubscribe', { subscription: '/a' }]]) {
				const reply = await one.tell(channel, { clientId, ...fields });
				assert.equal(errorOf(reply), 402, channel);
				assert.equal(reply.advice?.reconnect, 'handshake',
					JSON.stringify([clientId, reply]));
			}
		const reply = await one.tell('/meta/disconnect',
			{ clientId: '0'.repeat(40) });
		assert.equal(errorOf(reply), 402);
		assert.equal(reply.advice.reconnect, 'none');
	});

	test('channels that are none, or nobody\'s, are refused', async () => {
		const one = await opened();
		for (const [channel, code] of [['/meta/', 404], ['/meta/x', 404],
			['/meta/connect/', 404], ['/meta/handshake2', 404],
			['/metadata', 0], ['/service/none', 404], ['/service/a/b', 404],
			['', 405], ['a', 405], ['/', 405], ['//a', 405], ['/a/*', 405],
			['/**', 405], ['/$SYS', 403], ['/a\u0001', 405],
			[`/${'x'.repeat(256)}`, 405]]) {
			const [reply] = await one.send([one.message(channel, { data: 1 })]);
			assert.equal(reply.successful ? 0 : errorOf(reply), code, channel);
		}
		for (const [subscription, code] of [['/meta/connect', 403],
			['/meta/**', 403], ['a', 405], ['', 405], ['/a/**/b', 405],
			[`/${'x'.repeat(300)}`, 405], [[], 400], [1, 400],
			[undefined, 400], [['/a', 1], 400]]) {
			const reply = await one.tell('/meta/subscribe', { subscription });
			assert.equal(errorOf(reply), code, JSON.stringify(subscription));
		}
		const reply = await one.tell('/meta/connect', {});
		assert.equal(errorOf(reply), 400);
		assert.equal(errorOf(await one.tell('/meta/connect',
			{ connectionType: 'iframe' })), 301);
	});

	test('what is no message is refused as a request', async () => {
		for (const body of ['', 'x', '[', '[{]', '"x"', '1', 'null',
			'{"channel":"/a","data":1} x', '[{"channel":"/a"},]'])
			assertProblem(assert, await bayeux(JSON_TYPE, body), 400);
		const { json } = await bayeux(JSON_TYPE, '[1, {}, null]');
		assert.deepEqual(json.map(errorOf), [400, 400, 400]);
	});

	test('sizes are bounded: of data, of a request, of its messages', async () => {
		const one = await opened();
		const channel = `/${fresh()}`;
		assert.equal(errorOf(await one.tell(channel,
			{ data: 'x'.repeat(5000) })), 413);
		assert.equal((await one.tell(channel, { data: 'x'.repeat(4096) }))
			.successful, true);
		const many = Array.from({ length: 21 },
			() => ({ channel, data: 1 }));
		assertProblem(assert, await bayeux(JSON_TYPE, JSON.stringify(many)),
			413);
		assert.equal((await bayeux(JSON_TYPE, JSON.stringify(many.slice(1))))
			.json.length, 20);
		assertProblem(assert, await bayeux(JSON_TYPE,
			JSON.stringify({ channel, data: 'x'.repeat(70000) })), 413);
	});

	test('services answer the sender alone', async () => {
		const all = await opened('/**');
		const one = await opened();
		const before = await history(demo, '**');
		const message = one.message('/service/echo', { data: { a: '<&>' } });
		assert.equal((await one.send([message]))[0].successful, true);
		assert.deepEqual(one.events, [{ channel: '/service/echo',
			id: message.id, data: { a: '<&>' } }]);
		one.events = [];
		await one.tell('/service/time', { data: {} });
		assert.ok(Math.abs(one.events[0].data.time - Date.now()) < ms(5000));
		assert.deepEqual((await all.poll()).events, []);
		assert.deepEqual(await history(demo, '**'), before);
	});

	/* ---- callback-polling ---- */

	test('callback-polling is a script that calls a function', async () => {
		for (const jsonp of ['jsonpcallback', 'cometd.jsonp', '_f1']) {
			const channel = `/${fresh()}`;
			const one = await opened(channel, undefined,
				overCallback(demo, jsonp));
			await one.publish(channel, '</script>\u2028<!--');
			assert.deepEqual(await one.received(1),
				['</script>\u2028<!--']);
		}
	});

	test('nothing in a callback ends a script', async () => {
		const message = JSON.stringify({ channel: '/service/echo',
			data: '</script><!--]]>\u2028', id: '</script>' });
		const answer = await get(demo, '/bayeux', { message });
		assert.match(answer.headers['content-type'],
			/^(application|text)\/javascript\b/);
		assert.equal(answer.headers['x-content-type-options'], 'nosniff');
		assert.doesNotMatch(answer.text, /<\/|<!|\u2028|]]>/);
		const [reply, event] = calledWith(answer.text);
		assert.equal(reply.id, '</script>');
		assert.equal(event.data, '</script><!--]]>\u2028');
	});

	test('a function\'s name is one', async () => {
		const message = '[]';
		for (const jsonp of ['alert(1)//', 'a b', '<script>', 'a.b-c',
			'x'.repeat(1000)])
			assertProblem(assert, await get(demo, '/bayeux',
				{ message, jsonp }), 400);
		assertProblem(assert, await get(demo, '/bayeux'), 400);
		assertProblem(assert, await get(demo, '/bayeux', { jsonp: 'f' }), 400);
	});

	/* ---- who may publish ---- */

	test('pages of other origins publish neither by POST nor by GET', async () => {
		const channel = fresh();
		const message = JSON.stringify({ channel: `/${channel}`, data: 1 });
		const own = `http://127.0.0.1:${demo.port}`;
		const allowed = async (headers) => {
			const { text } = await get(demo, '/bayeux', { message },
				{ headers: { Host: `127.0.0.1:${demo.port}`, ...headers } });
			const [reply] = calledWith(text);
			return reply.successful ? true : errorOf(reply) !== 403;
		};
		assert.equal(await allowed({}), true);
		assert.equal(await allowed({ Referer: `${own}/page` }), true);
		assert.equal(await allowed({ 'Sec-Fetch-Site': 'same-origin' }), true);
		assert.equal(await allowed({ 'Sec-Fetch-Site': 'none' }), true);
		assert.equal(await allowed({ Referer: 'http://evil.test/' }), false);
		assert.equal(await allowed({ Referer: 'garbage' }), false);
		for (const site of ['cross-site', 'same-site', 'x'])
			assert.equal(await allowed({ 'Sec-Fetch-Site': site }), false,
				site);
		assert.equal(await allowed({ 'Sec-Fetch-Site': 'cross-site',
			'Referer': 'http://evil.test/' }), false);
		assertProblem(assert, await bayeux(JSON_TYPE, message,
			{ headers: { Origin: 'http://evil.test' } }), 403);
		assert.equal((await history(demo, channel)).length, 4);
	});

	/* ---- HTTP ---- */

	test('methods that mean nothing here are refused', async () => {
		for (const method of ['PUT', 'DELETE', 'PATCH']) {
			const answer = await request(demo, method, '/comet/bayeux',
				{ body: '[]' });
			assertProblem(assert, answer, 405);
			assert.match(answer.headers.allow, /\bPOST\b/);
			assert.match(answer.headers.allow, /\bGET\b/);
		}
		const options = await request(demo, 'OPTIONS', '/comet/bayeux');
		assert.ok(options.status < 300);
	});

	test('HEAD is refused: it would publish as GET does', async () => {
		const channel = fresh();
		const answer = await request(demo, 'HEAD', '/comet/bayeux' + query(
			{ message: JSON.stringify({ channel: `/${channel}`, data: 1 }) }));
		assert.equal(answer.status, 405);
		assert.equal(answer.bytes.length, 0);
		assert.deepEqual(await history(demo, channel), []);
	});

	test('HTTP/1.0 is answered as well', async () => {
		const body = '{"channel":"/service/echo","data":1}';
		const text = String(await rawHttp(demo, 'POST /comet/bayeux HTTP/1.0' +
			`\r\nHost: x\r\nContent-Type: ${JSON_TYPE}\r\nContent-Length: ` +
			`${body.length}\r\n\r\n${body}`));
		assert.match(text, /^HTTP\/1\.[01] 200 /);
		assert.doesNotMatch(text, /transfer-encoding/i);
		assert.equal(JSON.parse(text.split('\r\n\r\n')[1]).length, 2);
	});

	test('clients may append what they like to the path', async () => {
		for (const place of ['/bayeux/', '/bayeux/handshake',
			'/bayeux/connect', '/bayeux/a/b/c'])
			await new Client(overHttp(demo, place)).open(`/${fresh()}`);
		assertProblem(assert, await post(demo, '/bayeuxx', JSON_TYPE, '[]'),
			404);
	});

	test('a worker says of itself what a web server asks', async () => {
		const answer = await fcgiExchange(worker.socket, 'POST', '/bayeux', {
			body: '{"channel":"/service/echo","data":1}',
			variables: { CONTENT_TYPE: 'application/json; charset=utf-8' } });
		assert.equal(answer.status, 200);
		assert.equal(answer.json[1].data, 1);
	});

	/* ---- with the others ---- */

	test('channels are those of everybody else', async () => {
		const channel = `${fresh()}/a`;
		const one = await opened(`/${channel}`);
		const events = await openEvents(demo, { channel });
		await one.publish(`/${channel}`, { from: 'Bayeux' });
		assert.equal((await events.nextMessage()).data, '{"from":"Bayeux"}');
		await publish(demo, channel, 'from HTTP');
		await events.nextMessage();
		assert.deepEqual(await one.received(2),
			[{ from: 'Bayeux' }, 'from HTTP']);
		events.close();
	});

	test('what others publish on meta/... is kept from Bayeux clients', async () => {
		const one = await opened('/**');
		await publish(demo, 'meta/connect', 'x');
		await publish(demo, 'meta/x', 'x');
		const channel = fresh();
		await publish(demo, channel, 'y');
		assert.deepEqual(await one.received(1), ['y']);
		assert.deepEqual((await one.poll()).events, []);
	});
});
