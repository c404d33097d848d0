/*
 * examples/php, with Debian's PHP: on the command line, and in a site of its
 * own, lighttpd with php-cgi and the shipped cometlog.conf, beside the demo
 * whose processes it uses.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	CURSOR, ROOT, environment, fresh, freePort, history, inOtherEpoch, ms,
	newestCursor, openEvents, publish, query, request, run, runToEnd, sqlite,
	startDemo, until, within,
} from './harness.mjs';
import {
	PHONE, assertLabelled, assertLegible, assertReachable, closeBrowser,
	openBrowser, sideways, visit,
} from './visit.mjs';
import { session } from './websocket.mjs';

const EXAMPLES = path.join(ROOT, 'examples/php');
const PAGES = ['comet.js', 'style.css'];
const HOSTILE = '<img src=x onerror="window.hit = 1">\'"&amp;</textarea>';

let demo, site;

/* ---- the site ---- */

const quoted = (text) => `'${text.replaceAll(/[\\']/g, '\\$&')}'`;

/* The examples as somebody copies them, with a config.php of their own. */
function install(name, config = {}) {
	const folder = path.join(site.root, name);
	const all = { log: demo.log, tip: path.join(demo.state, 'www/comet-tip'),
		http: `${demo.url}comet`, browser: '/comet', ...config };

	fs.cpSync(EXAMPLES, folder, { recursive: true });
	for (const page of PAGES)
		fs.copyFileSync(path.join(ROOT, 'www', page),
			path.join(folder, page));
	fs.writeFileSync(path.join(folder, 'config.php'), '<?php return [' +
		Object.entries(all).map(([k, v]) => `${quoted(k)} => ${quoted(v)}`)
			.join(', ') + '];');
	return folder;
}

/* What README tells to close publishing with, but for everybody: here all
   clients are local. */
const CLOSED = `
	server.modules += ( "mod_access" )
	$HTTP["url"] =~ "^/comet(/|$)" {
		$HTTP["request-method"] == "POST" {
			url.access-deny = ( "" )
		}
	}`;

async function startSite() {
	const folder = path.join(demo.state, 'php');
	const root = path.join(folder, 'www');
	const port = await freePort();
	const conf = path.join(folder, 'lighttpd.conf');
	const { stdout: cgi } = await runToEnd('sh',
		['-c', 'command -v php-cgi || echo php-cgi-is-missing']);

	fs.mkdirSync(path.join(folder, 'sessions'), { recursive: true });
	fs.mkdirSync(root);
	fs.symlinkSync(path.join(demo.state, 'www/comet-tip'),
		path.join(root, 'comet-tip'));
	fs.writeFileSync(conf, `
		server.document-root = "${root}"
		server.bind = "127.0.0.1"
		server.port = ${port}
		include "${ROOT}/lighttpd/site.conf"
		${CLOSED}
		include "${ROOT}/lighttpd/cometlog.conf"
		fastcgi.server = ( ".php" => ((
			"bin-path" => "${cgi.trim()} -d display_errors=1 ` +
			`-d session.save_path=${folder}/sessions",
			"socket" => "${folder}/php.sock",
			"max-procs" => 1,
			"bin-environment" => ( "PHP_FCGI_CHILDREN" => "4" ),
		)) )`);
	const job = run('lighttpd', ['-D', '-f', conf], {
		env: environment({
			PATH: `${process.env.PATH}:/usr/sbin`,
			COMETLOG_SOCKET: path.join(demo.runDir, 'worker.sock'),
			COMETLOG_WSD_SOCKET: path.join(demo.runDir, 'wsd.sock'),
		}), input: null,
	});
	site = { job, root, port, base: '/comet',
		url: `http://127.0.0.1:${port}` };
	await until(() => {
		if (job.exited)
			throw new Error(job.stderr);
		return request(site, 'GET', '/comet-tip')
			.then((answer) => answer.status === 200);
	}, { what: 'lighttpd with PHP' });
}

/* ---- PHP on the command line ---- */

const php = (folder, ...words) =>
	runToEnd('php', words, { cwd: folder, input: '', limit: 60000 });

async function phpDone(...words) {
	const done = await php(...words);
	assert.equal(done.code, 0, done.stdout + done.stderr);
	assert.equal(done.stderr, '');
	return done.stdout;
}

/* Runs PHP code that has $http and $sql; what it prints as JSON. */
function code(text, { base = `${demo.url}comet`, patience = 60 } = {}) {
	return `require 'CometlogHttp.php'; require 'CometlogSql.php';
		$config = require 'config.php';
		$http = new CometlogHttp(${quoted(base)}, ${patience});
		$sql = CometlogSql::open($config['log']);
		${text}`;
}

const evaluate = async (text, options) => JSON.parse(await phpDone(
	path.join(site.root, 'book'), '-r', code(text, options)));

/* A publish that is to fail: the class and code of what is thrown. */
const thrown = (front, options) => evaluate(`try {
		$http->publish('a', 'b');
		$e = new Exception('nothing was thrown');
	} catch (RuntimeException $e) {
	}
	echo json_encode([get_class($e), $e->getCode(), $e->getMessage()]);`,
{ base: front.url, ...options });

/* A server before the demo's that answers the first requests as it is told;
   the rest go through. */
async function startFront(t, ...first) {
	const seen = [];
	const server = http.createServer(async (req, res) => {
		const parts = [];
		for await (const part of req)
			parts.push(part);
		const body = Buffer.concat(parts);
		const answer = () => request(demo, req.method, `/comet${req.url}`,
			{ headers: { 'Content-Type': req.headers['content-type'] },
				body });
		seen.push({ at: performance.now(), body: body.toString() });
		await (first[seen.length - 1] ?? pass)(res, answer);
	});
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	t.after(() => {
		server.closeAllConnections();
		server.close();
	});
	return { url: `http://127.0.0.1:${server.address().port}`, seen };
}

async function pass(res, answer) {
	const { status, headers, bytes } = await answer();
	res.writeHead(status, { 'Content-Type': headers['content-type'] });
	res.end(bytes);
}

async function storeAndCut(res, answer) {
	await answer();
	res.destroy();
}

const say = (status, headers = {}, body = '') => (res) => {
	res.writeHead(status, headers);
	res.end(body);
};

/* Holds the log's lock until it is told to let go. */
async function lock() {
	const shell = run('sqlite3', ['-bail', demo.log], { input: null });
	let told = '';
	const held = new Promise((done) => shell.child.stdout.on('data',
		(d) => (told += d).includes('held') && done()));
	shell.child.stdin.write(".timeout 5000\nBEGIN IMMEDIATE;\n" +
		"SELECT 'held';\n");
	await within(held, 10000, 'the lock');
	return async () => {
		shell.child.stdin.end('ROLLBACK;\n');
		await shell.done;
	};
}

/* ---- visitors without a browser ---- */

class Visitor {
	constructor(place = '/book/guestbook.php') {
		this.place = place;
		this.cookie = '';
	}

	async load() {
		this.take(await request(site, 'GET', this.place,
			{ headers: { Cookie: this.cookie } }));
		return this.answer;
	}

	take(answer) {
		const [set] = answer.headers['set-cookie'] ?? [];
		if (set)
			this.cookie = set.split(';')[0];
		this.answer = answer;
		this.field = (name) => new RegExp(
			`name="${name}" value="([^"]*)"`).exec(answer.text)?.[1] ?? '';
	}

	send(fields) {
		return request(site, 'POST', this.place, {
			headers: { Cookie: this.cookie,
				'Content-Type': 'application/x-www-form-urlencoded' },
			body: query(fields).slice(1), limit: 30000,
		});
	}

	/* As a browser would from the page that is loaded. */
	sign(name, text, fields = {}) {
		return this.send({ token: this.field('token'),
			form: this.field('form'), name, text, ...fields });
	}
}

async function sign(name, text) {
	const visitor = new Visitor();
	await visitor.load();
	const answer = await visitor.sign(name, text);
	assert.equal(answer.status, 303, answer.text);
	return visitor;
}

const book = async () => (await history(demo, 'guestbook'))
	.map((m) => m.data);

/* Nothing of PHP's own shows, whatever happens. */
function assertTidy(answer) {
	assert.match(answer.text, /<\/html>\s*$/);
	assert.doesNotMatch(answer.text,
		/Warning|Notice|Deprecated|Fatal|Stack trace|\.php on|PDO|\.db/);
}

before(async () => {
	demo = await startDemo({ workers: 2,
		options: { 'heartbeat': 1000, 'ws-publish': 'off' } });
	await startSite();
	install('book');
	await openBrowser();
});

after(async () => {
	await closeBrowser();
	site?.job.child.kill('SIGTERM');
	await site?.job.done;
	await demo?.stop();
});

describe('publishing over HTTP', () => {
	test('text and every kind of value arrive as they are', async () => {
		const channel = fresh('php');
		const stored = await evaluate(`$all = [];
			foreach (['grüß', '', ['a' => [1, 2.0, null, true]], 7] as $data)
				$all[] = $http->publish('${channel}', $data, 'e');
			echo json_encode($all);`);
		const messages = await history(demo, channel);
		assert.deepEqual(messages.map((m) => [m.seq, m.data, m.event]), [
			'grüß', '', { a: [1, 2, null, true] }, 7,
		].map((data, i) => [stored[i].seq, data, 'e']));
		assert.match(stored[0].cursor, CURSOR);
	});

	test('publish.php says where, and stores an id once', async () => {
		const channel = fresh('php');
		const folder = path.join(site.root, 'book');
		const words = ['publish.php', channel, 'hello', 'once'];
		const first = await phpDone(folder, ...words);
		assert.match(first.trim(), CURSOR);
		assert.equal(await phpDone(folder, ...words),
			`${first.trim()} was there before\n`);
		assert.equal((await history(demo, channel)).length, 1);
		const refused = await php(folder, 'publish.php', 'a*b', 'x');
		assert.equal(refused.code, 1);
		assert.match(refused.stderr, /^refused \(400\): .*\*/);
	});

	test('a try whose answer is lost is repeated and stored once',
		async (t) => {
			const channel = fresh('php');
			const front = await startFront(t, storeAndCut);
			const stored = await evaluate(`echo json_encode(
				$http->publish('${channel}', 'once'));`, { base: front.url });
			const messages = await history(demo, channel);
			assert.deepEqual(messages.map((m) => [m.seq, m.data]),
				[[stored.seq, 'once']]);
			assert.equal(stored.duplicate, true);
			assert.equal(front.seen.length, 2);
			assert.equal(front.seen[0].body, front.seen[1].body);
		});

	test('it comes back when it is told to, after 429 and 503', async (t) => {
		const channel = fresh('php');
		const soon = new Date(Date.now() + 1000).toUTCString();
		const front = await startFront(t, say(503, { 'Retry-After': '1' }),
			say(429, { 'Retry-After': '1' }), say(503, {}), say(502),
			say(503, { 'Retry-After': soon }), say(200, {}, '<html>'));
		await evaluate(`echo json_encode(
			$http->publish('${channel}', 'late'));`, { base: front.url });
		assert.equal((await history(demo, channel)).length, 1);
		const at = front.seen.map((s) => s.at);
		assert.equal(at.length, 7);
		assert.ok(at[1] - at[0] >= 990, '503');
		assert.ok(at[2] - at[1] >= 990, '429');
	});

	test('what is refused is told at once, in the server\'s words',
		async (t) => {
			const detail = JSON.stringify({ detail: 'not that' });
			for (const status of [400, 403, 404, 413, 302]) {
				const front = await startFront(t, say(status, {}, detail));
				assert.deepEqual(await thrown(front),
					['CometlogRefused', status, 'not that']);
				assert.equal(front.seen.length, 1);
			}
		});

	test('patience has an end', async (t) => {
		const away = await startFront(t, say(503, { 'Retry-After': '60' }));
		const [kind, status] = await thrown(away, { patience: 2 });
		assert.deepEqual([kind, status], ['CometlogUnavailable', 503]);
		assert.equal(away.seen.length, 1);
		const nobody = { url: `http://127.0.0.1:${await freePort()}` };
		const none = await thrown(nobody, { patience: 0.5 });
		assert.deepEqual(none.slice(0, 2), ['CometlogUnavailable', 0]);
		assert.match(none[2], /refused/);
	});

	test('a log that is locked for longer than the server waits', async (t) => {
		const channel = fresh('php');
		let letGo;
		const front = await startFront(t, async (res, answer) => {
			const { status, headers, text } = await answer();
			assert.equal(status, 503);
			await letGo();
			res.writeHead(status, headers);
			res.end(text);
		});
		letGo = await lock();
		await evaluate(`echo json_encode(
			$http->publish('${channel}', 'x'));`, { base: front.url });
		assert.equal((await history(demo, channel)).length, 1);
		assert.equal(front.seen.length, 2);
	});
});

describe('publishing by SQL', () => {
	test('a message for itself reaches open readers', async () => {
		const channel = fresh('php');
		const events = await openEvents(demo, { channel, format: 'json' });
		await evaluate(`$sql->publish('${channel}', "it's");
			$sql->publish('${channel}', ['a' => 1.0], 'e', 'i');
			$sql->publish('${channel}', 'again', 'e', 'i');
			$sql->publish('${channel}', '{"a":1}');
			echo 0;`);
		const got = (await events.nextMessages(3))
			.map((e) => JSON.parse(e.data));
		assert.deepEqual(got.map((m) => [m.data, m.event, m.id]), [
			["it's", undefined, undefined], [{ a: 1 }, 'e', 'i'],
			['{"a":1}', undefined, undefined]]);
		events.close();
	});

	const SHOPS = { 'in the log\'s own file': () => [],
		'in a file of its own': () => ['--shop',
			path.join(site.root, '../shop.db')] };
	for (const [where, shop] of Object.entries(SHOPS)) {
		const told = async (item) => (await history(demo, 'shop/orders'))
			.map((m) => m.data).filter((order) => order.item === item);
		const orders = (...words) => php(path.join(site.root, 'book'),
			'orders.php', ...shop(), ...words);

		test(`an order and its message are one: a shop ${where}`,
			async () => {
				const item = fresh('tea');
				const events = await openEvents(demo,
					{ channel: 'shop/orders', since: 'now' });
				assert.equal((await orders('stock', item, '3')).code, 0);
				const first = await orders('order', item, '2');
				assert.equal(first.code, 0, first.stderr);

				const late = await orders('order', item, '2');
				assert.equal(late.code, 1);
				assert.equal(late.stderr, `there is not enough ${item} left\n`);

				const second = await orders('order', item, '1');
				const numbers = [first, second].map((o) => Number(o.stdout));
				const expected = [{ order: numbers[0], item, count: 2 },
					{ order: numbers[1], item, count: 1 }];
				assert.deepEqual((await events.nextMessages(2))
					.map((e) => JSON.parse(e.data)), expected);
				assert.deepEqual(await told(item), expected);
				events.close();
			});
	}

	test('mend() tells what a crash kept from the log, and nothing twice',
		async () => {
			const shop = path.join(site.root, '../mended.db');
			const orders = (...words) => phpDone(
				path.join(site.root, 'book'), 'orders.php', '--shop', shop,
				...words);
			const item = fresh('tea');
			await orders('stock', item, '9');
			const first = Number(await orders('order', item, '1'));
			await runToEnd('sqlite3', [shop], { input: 'INSERT INTO ' +
				`shop_order(item, count) VALUES ('${item}', 5);` });
			for (let i = 0; i < 2; i++)
				await orders('mend');
			const told = (await history(demo, 'shop/orders'))
				.filter((m) => m.data.item === item);
			assert.deepEqual(told.map((m) => [m.data.order, m.data.count]),
				[[first, 1], [first + 1, 5]]);
		});

	test('PHP waits for its turn', async () => {
		const channel = fresh('php');
		const letGo = await lock();
		const job = run('php', ['-r', code(`echo "asked\n";
			$sql->transaction(function () use ($sql) {
				$sql->publish('${channel}', 'mine');
			});`)], { cwd: path.join(site.root, 'book'), input: '' });
		await until(() => job.stdout.includes('asked'));
		await letGo();
		assert.equal((await job.done).code, 0, job.stdout);
		assert.equal((await history(demo, channel)).length, 1);
	});

	test('many publishers at a time: nothing is lost, all in order',
		async () => {
			const channel = fresh('php');
			const each = 60;
			const events = await openEvents(demo,
				{ channel: `${channel}/**`, format: 'json' });
			const folder = path.join(site.root, 'book');
			const bySql = (who) => phpDone(folder, '-r', code(`
				$sql->pdo()->exec('CREATE TABLE IF NOT EXISTS test_row(
					who TEXT, n INTEGER)');
				for ($i = 0; $i < ${each}; $i++)
					$sql->transaction(function ($db) use ($sql, $i) {
						$db->exec("INSERT INTO test_row
							VALUES ('${channel}', $i)");
						$sql->publish('${channel}/${who}', $i);
					});`));
			const byHttp = (who) => phpDone(folder, '-r', code(`
				for ($i = 0; $i < ${each}; $i++)
					$http->publish('${channel}/${who}', $i);`));
			const here = async (who) => {
				for (let i = 0; i < each; i++)
					await publish(demo, `${channel}/${who}`, String(i));
			};
			const all = [bySql('a'), bySql('b'), bySql('c'), byHttp('d'),
				here('e')];
			await Promise.all(all);
			const got = (await events.nextMessages(each * all.length))
				.map((e) => JSON.parse(e.data));
			for (const who of 'abcde')
				assert.deepEqual(got
					.filter((m) => m.channel === `${channel}/${who}`)
					.map((m) => Number(m.data)),
				Array.from({ length: each }, (_, i) => i), who);
			assert.ok(got.every((m, i) => i === 0 || m.seq > got[i - 1].seq));
			const { stdout } = await sqlite(demo, 'SELECT count(*) ' +
				`FROM test_row WHERE who = '${channel}';`);
			assert.equal(Number(stdout), 3 * each);
			events.close();
		});
});

describe('the guestbook without JavaScript', () => {
	test('the page has the newest cursor, and what was signed', async () => {
		const text = fresh('hello');
		await sign('Ada', text);
		const at = await newestCursor(demo);
		await until(() => fs.readFileSync(path.join(demo.state,
			'www/comet-tip'), 'utf8').trim() === at);
		const { text: page, status } = await new Visitor().load();
		assert.equal(status, 200);
		assertTidy({ text: page });
		assert.match(page, new RegExp(`<html lang="en" data-since="${at}">`));
		assert.match(page, new RegExp(`>Ada</bdi>.*${text}`));
		assert.deepEqual((await book()).at(-1).text, text);
	});

	test('markup is shown, not obeyed', async () => {
		const visitor = await sign(HOSTILE.slice(0, 30), HOSTILE);
		const { text } = await visitor.load();
		assert.ok(!text.includes('<img'), text);
		assert.ok(text.includes('&lt;img src=x onerror=&quot;'));
		assert.equal((await book()).at(-1).text, HOSTILE);
	});

	test('a form that is sent twice counts once', async () => {
		const visitor = new Visitor();
		await visitor.load();
		const text = fresh('twice');
		for (let i = 0; i < 2; i++)
			assert.equal((await visitor.sign('Ada', text)).status, 303);
		assert.equal((await book()).filter((e) => e.text === text).length, 1);
	});

	test('what other sites post, and what is no entry, is not stored',
		async () => {
			const visitor = new Visitor();
			await visitor.load();
			const before = await newestCursor(demo);
			const stranger = new Visitor();
			for (const answer of [
				await stranger.send({ name: 'a', text: 'b',
					form: visitor.field('form'), token: '' }),
				await stranger.send({ name: 'a', text: 'b',
					form: visitor.field('form'),
					token: visitor.field('token') }),
				await visitor.sign('', 'text'),
				await visitor.sign('n'.repeat(41), 'text'),
				await visitor.sign('two\nlines', 'text'),
				await visitor.sign('name', ' \n '),
				await visitor.sign('name', 'x'.repeat(1001)),
				await visitor.sign('name', 'text', { form: 'mine' }),
				await visitor.send({}),
			]) {
				assert.equal(answer.status, 422, answer.text);
				assertTidy(answer);
			}
			const answer = await request(site, 'POST', visitor.place, {
				headers: { Cookie: visitor.cookie, 'Content-Type':
					'application/x-www-form-urlencoded' },
				body: 'name[]=a&text=%ff&token[]=1&form=2' });
			assert.equal(answer.status, 422);
			assertTidy(answer);
			assert.equal(await newestCursor(demo), before);
		});

	test('in a log that is locked it reads, and keeps what was written',
		async () => {
			const visitor = new Visitor();
			await visitor.load();
			const text = fresh('kept');
			const letGo = await lock();
			try {
				assert.equal((await visitor.load()).status, 200);
				const answer = await visitor.sign('Ada', text);
				assert.equal(answer.status, 503);
				assertTidy(answer);
				assert.match(answer.text, /in a moment/);
				assert.match(answer.text, new RegExp(`\n${text}</textarea>`));
				visitor.take(answer);
			} finally {
				await letGo();
			}
			assert.equal((await visitor.sign('Ada', text)).status, 303);
			assert.equal((await book()).filter((e) => e.text === text).length,
				1);
		});

	test('without a log, or with another file, the page says so', async () => {
		const other = path.join(site.root, '../other.db');
		fs.writeFileSync(other, 'no database at all'.repeat(100));
		install('gone', { log: path.join(site.root, '../gone.db') });
		install('other', { log: other });
		for (const place of ['/gone', '/other']) {
			const visitor = new Visitor(`${place}/guestbook.php`);
			for (const answer of [await visitor.load(),
				await visitor.sign('Ada', 'hello')]) {
				visitor.take(answer);
				assert.equal(answer.status, 503);
				assert.ok(answer.headers['retry-after']);
				assertTidy(answer);
				assert.match(answer.text, /can’t be opened just now/);
				assert.equal(answer.text.includes('<form'),
					answer.text.includes('hello'));
			}
		}
		assert.equal(fs.existsSync(path.join(site.root, '../gone.db')), false);
	});

	test('programs for the command line do nothing in the web', async () => {
		for (const file of ['publish.php', 'orders.php'])
			assert.equal((await request(site, 'GET', `/book/${file}`)).status,
				404);
		for (const file of ['config.php', 'CometlogSql.php',
			'CometlogHttp.php'])
			assert.equal((await request(site, 'GET', `/book/${file}`)).text,
				'');
	});
});

describe('the guestbook in a browser', () => {
	const live = (page) => page.locator('#state[data-state=live]').waitFor();
	const entry = (page, text) => page.locator('#entries > li')
		.filter({ has: page.getByText(text, { exact: true }) });
	const open = (t, options) => visit(t, `${site.url}/book/guestbook.php`,
		{ ready: live, ...options });
	const openAt = (t, name, options) =>
		visit(t, `${site.url}/${name}/guestbook.php`,
			{ ready: live, ...options });

	/* Something happens after PHP has rendered and before comet.js runs. */
	const between = (fn) => ({
		before: (page) => page.route('**/comet.js', async (route) => {
			await fn();
			await route.continue();
		}),
	});

	test('two pages see each other\'s entries', async (t) => {
		const [one, two] = [await open(t), await open(t)];
		for (const [from, to] of [[one, two], [two, one]]) {
			const text = fresh('words');
			await from.getByLabel('Name').fill('Ada');
			await from.getByLabel('Message').fill(text);
			await from.getByRole('button', { name: 'Sign' }).click();
			await entry(to, text).waitFor();
			await entry(from, text).waitFor();
			await live(from);
			assert.equal(await from.getByLabel('Name').inputValue(), 'Ada');
			assert.equal(await from.locator('#entries > li').first()
				.locator('.text').textContent(), text);
		}
		for (const page of [one, two])
			assert.deepEqual(page.faults, []);
	});

	test('what is signed between rendering and subscription is not lost',
		async (t) => {
			const texts = [fresh('between'), fresh('between')];
			const page = await open(t, between(async () => {
				for (const text of texts)
					await sign('Grace', text);
			}));
			for (const text of texts) {
				await entry(page, text).waitFor();
				assert.equal(await entry(page, text).count(), 1);
			}
			assert.deepEqual(page.faults, []);
		});

	test('a tip that is behind shows nothing twice', async (t) => {
		const tip = path.join(site.root, '../old-tip');
		fs.writeFileSync(tip, await newestCursor(demo));
		install('behind', { tip });
		const [shown, next] = [fresh('shown'), fresh('next')];
		await sign('Ada', shown);
		const page = await openAt(t, 'behind');
		await sign('Ada', next);
		await entry(page, next).waitFor();
		assert.equal(await entry(page, shown).count(), 1);
		assert.deepEqual(page.faults, []);
	});

	test('after a gap it asks PHP again', async (t) => {
		const tip = path.join(site.root, '../lost-tip');
		fs.writeFileSync(tip, inOtherEpoch(await newestCursor(demo)));
		install('lost', { tip });
		await sign('Ada', fresh('first'));
		const text = fresh('unheard');
		const page = await openAt(t, 'lost', between(async () => {
			const done = await sqlite(demo, 'INSERT INTO guestbook_entry' +
				`(form, name, text, time) VALUES ('${text}', 'Ada', ` +
				`'${text}', '2026-01-01T00:00:00Z');`);
			assert.equal(done.code, 0, done.stderr);
		}));
		await entry(page, text).waitFor();
		assert.deepEqual(page.faults, []);
	});

	test('without a tip file it is live from now on', async (t) => {
		install('untipped', { tip: '/nonexistent' });
		const page = await openAt(t, 'untipped');
		const text = fresh('later');
		await sign('Ada', text);
		await entry(page, text).waitFor();
		assert.deepEqual(page.faults, []);
	});

	test('markup that comes live is text', async (t) => {
		const page = await open(t);
		const text = `${HOSTILE} ${fresh()}`;
		await sign('<b>Ada</b>', text);
		await entry(page, text).waitFor();
		assert.equal(await page.evaluate('window.hit'), undefined);
		assert.equal(await page.locator('#entries b, #entries img').count(), 0);
		assert.deepEqual(page.faults, []);
	});

	test('without JavaScript it is a form and a list', async (t) => {
		const page = await open(t, { isScripted: false });
		const text = fresh('plain');
		await page.getByLabel('Name').fill('Ada');
		await page.getByLabel('Message').fill(text);
		await page.getByRole('button', { name: 'Sign' }).click();
		await entry(page, text).waitFor();
		assert.equal(await page.locator('#state').isVisible(), false);
	});

	for (const colorScheme of ['light', 'dark'])
		test(`it is legible and can be used on a phone: ${colorScheme}`,
			async (t) => {
				await sign('W'.repeat(40), 'W'.repeat(300));
				const page = await open(t, { viewport: PHONE, colorScheme });
				assert.ok(await sideways(page) <= 0);
				await assertLabelled(page);
				await assertReachable(page);
				await assertLegible(page);
				assert.deepEqual(page.faults, []);
			});
});

describe('who may publish', () => {
	const member = () => {
		fs.writeFileSync(path.join(site.root, 'book/login.php'), `<?php
			session_start();
			$_SESSION = ['user' => 'ada', 'rooms' => ['garden'],
				'token' => 'secret'];`);
		return new Visitor('/book/login.php');
	};
	const login = async () => {
		const visitor = member();
		await visitor.load();
		visitor.place = '/book/say.php';
		return visitor;
	};
	const fields = { token: 'secret', room: 'garden', text: 'hello' };

	test('members say what they may, under their own name, once', async () => {
		const ada = await login();
		const text = fresh('hello');
		for (let i = 0; i < 2; i++) {
			const answer = await ada.send({ ...fields, text, id: text,
				user: 'grace' });
			assert.equal(answer.status, 201, answer.text);
		}
		const said = (await history(demo, 'rooms/garden'))
			.filter((m) => m.data.text === text);
		assert.deepEqual(said.map((m) => m.data), [{ user: 'ada', text }]);
	});

	test('nobody else says anything', async () => {
		const ada = await login();
		const before = await newestCursor(demo);
		const stranger = new Visitor('/book/say.php');
		for (const [who, what, status] of [
			[stranger, fields, 403],
			[ada, { ...fields, token: 'guess' }, 403],
			[ada, { ...fields, token: '' }, 403],
			[ada, { ...fields, room: 'cellar' }, 403],
			[ada, { ...fields, text: '' }, 400],
			[ada, { ...fields, id: 'a/b' }, 400],
		])
			assert.equal((await who.send(what)).status, status,
				JSON.stringify(what));
		assert.equal((await ada.load()).status, 405);
		assert.equal(await newestCursor(demo), before);
	});

	test('the web server takes no publishing past PHP, and reading goes on',
		async () => {
			for (const place of ['/comet/publish', '/comet/publish/rooms/garden',
				'/comet/bayeux'])
				assert.equal((await request(site, 'POST', place, {
					headers: { 'Content-Type': 'text/plain' }, body: 'x',
				})).status, 403, place);
			const socket = await session(
				{ host: '127.0.0.1', port: site.port }, '/comet/ws');
			assert.equal((await socket.ask({ op: 'publish',
				channel: 'rooms/garden', data: 'x' })).status, 403);
			socket.leave();
			assert.equal((await request(site, 'GET',
				'/comet/poll?channel=rooms/garden')).status, 200);
		});
});
