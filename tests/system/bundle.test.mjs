/*
 * The bundle as its user meets it: unpacked into the public_html of a host that
 * has Apache with mod_fcgid or plain CGI, and run as a user without rights.
 *
 * COMETLOG_TEST_BUNDLE names a bundle; without it `make bundle` makes one.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startHost } from './host.mjs';
import {
	PROGRAM, fresh, get, history, ms, newestCursor, openLines, post, publish,
	remove, runToEnd, seenFrom, temporaryFolder, until, within,
} from './harness.mjs';
import { closeBrowser, openBrowser, visit } from './visit.mjs';

const FORM = 'application/x-www-form-urlencoded';
const LOBBY = 'chat/lobby';
const STRICT = 'FileInfo AuthConfig Limit Indexes Options=ExecCGI';
const LIMIT = { timeout: ms(180000) };

let bundle = process.env.COMETLOG_TEST_BUNDLE;

before(async () => {
	if (!bundle) {
		const build = path.dirname(PROGRAM);
		const { code, stdout, stderr } = await runToEnd('make',
			['-s', '-C', build, 'bundle'], { limit: 120000 });
		assert.equal(code, 0, stderr);
		bundle = path.join(build, /^(\S+\.tar\.gz):/m.exec(stdout)[1]);
	}
	await openBrowser();
});

after(closeBrowser);

/* A host with the bundle in its site, for the time of the tests around. */
function onHost(options, folder) {
	const place = {};

	before(async () => {
		place.host = await startHost(options);
		await place.host.upload(bundle, folder);
		place.site = place.host.copy(folder);
	});
	after(() => place.host?.stop());
	return place;
}

/* WebSockets, for which there is nobody on such hosts, and what doctor.html
   looks at to see that strangers don't get it. */
const REFUSED = /\/ws\?|\/data\/(cometlog\.db)?$|\/cometlog\.(db|conf)$/;

/* Everything else that a page asks for and doesn't get. */
const watched = (page) => {
	page.missing = [];
	page.on('response', (answer) => {
		if (answer.status() >= 400 && !REFUSED.test(answer.url()))
			page.missing.push(`${answer.status()} ${answer.url()}`);
	});
};

const faultsOf = (page) => page.faults.filter((text) => !/WebSocket/.test(text))
	.concat(page.missing);

const open = (t, site, name, options = {}) => visit(t,
	new URL(name, site.url).href, { before: watched, ...options });

const liveChat = (t, site) => open(t, site, 'chat.html', {
	ready: (page) => page.locator('#state[data-state=live]').waitFor(),
});

async function say(page, name, text) {
	await page.getByLabel('Name').fill(name);
	await page.getByLabel('Message').fill(text);
	await page.getByRole('button', { name: 'Send' }).click();
}

const shows = (page, text) => page.locator('#messages .text')
	.getByText(text, { exact: true }).waitFor();

/* ---- what holds on every host ---- */

function publishesAndReads(place) {
	test('it publishes in each form and reads back', async () => {
		const { site } = place;
		const channel = fresh('story/a b');
		const target = `/publish/${encodeURI(channel)}`;
		for (const [type, body, status] of [
			[FORM, 'data=by+form', 201], ['text/plain', 'by text', 201],
			['application/json', '{"by":"json"}', 201],
			[FORM, 'data=x&id=once', 201], [FORM, 'data=x&id=once', 200],
			['application/json', '{', 400]]) {
			const answer = await post(site, target, type, body);
			assert.equal(answer.status, status, answer.text);
		}
		const all = await history(site, channel);
		assert.deepEqual(all.map((m) => m.data),
			['by form', 'by text', { by: 'json' }, 'x']);
		const answer = await post(site, '/publish', FORM,
			'channel=story&data=x&redirect=../chat.html');
		assert.equal(answer.status, 303);
		assert.equal(answer.headers.location, '../chat.html');
	});

	test('a poll with nothing new is 304', async () => {
		const { site } = place;
		const channel = fresh();
		await publish(site, channel, 'x');
		const values = { channel, since: '0' };
		const first = await get(site, '/poll', values,
			{ headers: { 'Accept-Encoding': 'gzip' } });
		assert.equal(first.status, 200);
		assert.equal(first.headers['content-encoding'], undefined);
		assert.match(first.headers['cache-control'], /no-cache/);
		const headers = { 'If-None-Match': first.headers.etag };
		assert.equal((await get(site, '/poll', values, { headers })).status,
			304);
		await publish(site, channel, 'y');
		assert.equal((await get(site, '/poll', values, { headers })).status,
			200);
	});

	test('a long poll is woken by what is published', async () => {
		const { site } = place;
		const channel = fresh();
		const since = await newestCursor(site);
		const answer = get(site, '/longpoll', { channel, since, timeout: 25 },
			{ limit: 30000 });
		await publish(site, channel, 'wake up');
		const { json } = await answer;
		assert.deepEqual(json.messages.map((m) => m.data), ['wake up']);
	});

	test('the tip file follows, by conditional GET', async () => {
		const { host, site } = place;
		const tip = (headers) => host.get(site.place + 'comet-tip',
			{ headers: { 'Accept-Encoding': 'gzip', ...headers } });
		const { cursor } = await publish(site, fresh(), 'x');
		await until(async () => (await tip()).text.trim() === cursor,
			{ what: 'the tip file to tell' });
		const answer = await tip();
		assert.match(answer.headers['content-type'], /^text\/plain/);
		assert.equal(answer.headers['cache-control'], 'no-cache');
		assert.equal(answer.headers['content-encoding'], undefined);
		assert.equal(answer.headers.expires, undefined);
		/* Apache calls a tag weak that it made within the same second */
		const headers = { 'If-None-Match': answer.headers.etag };
		assert.equal((await tip(headers)).status, 304);
		await publish(site, fresh(), 'y');
		await until(async () => (await tip(headers)).status === 200,
			{ what: 'another tag' });
	});

	test('nothing that is nobody else’s can be asked for', async () => {
		const { host, site } = place;
		const own = path.join(path.relative('/', site.place), 'cometlog.conf');
		const isThere = fs.existsSync(path.join(host.site, own));
		if (!isThere)
			await host.write(own, '# mine\n');
		for (const name of ['.htaccess', 'defaults.conf', 'cometlog.conf',
			'data', 'data/', 'data/.htaccess', 'data/cometlog.db',
			'data/cometlog.db-wal', 'cometlog.db', 'cometlog.db-shm',
			'../cometlog-data/', '..%2fcometlog-data/', 'data%2fcometlog.db']) {
			const { status } = await host.get(site.place + name);
			assert.ok([301, 400, 403, 404].includes(status),
				`${name}: ${status}`);
		}
		if (!isThere)
			fs.rmSync(path.join(host.site, own));
	});

	test('the pages are served with their types', async () => {
		const { host, site } = place;
		for (const [name, type] of [['', 'text/html; charset=utf-8'],
			['style.css', 'text/css; charset=utf-8'],
			['comet.js', 'text/javascript; charset=utf-8'],
			['favicon.svg', 'image/svg+xml']]) {
			const answer = await host.get(site.place + name);
			assert.equal(answer.status, 200, name);
			assert.equal(answer.headers['content-type'], type);
			assert.equal(answer.headers['cache-control'], 'no-cache');
		}
	});
}

async function assertToldWhereWrong(host) {
	await host.upload(bundle, 'wrong');
	await host.write('wrong/cometlog/cometlog.conf', '# mine\nmax-hlod = 3s\n');
	const answer = await get(host.copy('wrong'), '/poll', { channel: 'a' });
	assert.equal(answer.status, 503, answer.text);
	assert.match(answer.json.detail, / at cometlog\.conf:2; /);
	assert.ok(!answer.text.includes(host.home));
	assert.match(host.errors(),
		/cometlog\.conf:2: max-hlod is not an option/);
}

/* ---- the hosts ---- */

describe('the bundle itself', LIMIT, () => {
	let folder;

	before(() => { folder = temporaryFolder(); });
	after(() => remove(folder));

	test('it is one folder, at most 4 MiB to upload', async () => {
		const { stdout } = await runToEnd('tar', ['-tzf', bundle]);
		const names = stdout.trim().split('\n');
		assert.ok(names.every((name) => name.startsWith('cometlog/')));
		for (const name of ['cometlog.fcgi', '.htaccess', 'defaults.conf',
			'data/.htaccess', 'README.txt', 'LICENSE.txt', 'chat.html',
			'comet.js', 'comet.classic.js', 'comet.d.ts'])
			assert.ok(names.includes('cometlog/' + name), name);
		assert.ok(!names.includes('cometlog/cometlog.conf'));
		assert.ok(fs.statSync(bundle).size <= 4 * 1024 * 1024);
	});

	test('the program needs no library', async () => {
		await runToEnd('tar', ['-xzf', bundle, '-C', folder]);
		const program = path.join(folder, 'cometlog/cometlog.fcgi');
		const { stdout } = await runToEnd('readelf', ['-dl', program]);
		assert.doesNotMatch(stdout, /NEEDED|INTERP/);
		const { code } = await runToEnd('chroot',
			[path.dirname(program), '/cometlog.fcgi', '--version']);
		assert.equal(code, process.getuid() === 0 ? 0 : 125);
	});
});

describe('a host with mod_fcgid', LIMIT, () => {
	const place = onHost();

	publishesAndReads(place);

	test('each page opens and finds all that it needs', async (t) => {
		const { host, site } = place;
		const pages = fs.readdirSync(path.join(host.site, 'cometlog'))
			.filter((name) => name.endsWith('.html'));
		assert.ok(pages.length >= 5, `${pages}`);
		for (const name of pages) {
			const page = await open(t, site, name,
				{ ready: (p) => p.waitForLoadState('load') });
			assert.equal(await page.locator('h1').count(), 1, name);
			const links = await page.locator('a').evaluateAll((all) =>
				all.map((a) => a.href));
			for (const link of links)
				assert.ok(link.startsWith(site.url), link);
			assert.deepEqual(page.missing, [], name);
			await page.close();
		}
	});

	test('its examples name the place', async (t) => {
		const page = await open(t, place.site, '');
		const text = await page.locator('pre').allTextContents();
		assert.ok(text.join('\n').includes(
			'import { Comet } from "/cometlog/comet.js"'), text[0]);
		assert.ok(text.join('\n').includes(
			`${place.site.url}cometlog.fcgi/publish/demo/hello`), text[1]);
	});

	test('two people chat, one of them without JavaScript', async (t) => {
		const { site } = place;
		const ada = await liveChat(t, site);
		const grace = await liveChat(t, site);
		const plain = await open(t, site, 'chat.html', { isScripted: false });
		const [question, reply, aside] =
			['question', 'reply', 'aside'].map((word) => fresh(word));
		await say(ada, 'Ada', question);
		await shows(grace, question);
		await say(grace, 'Grace', reply);
		await shows(ada, reply);
		await say(plain, 'Plain', aside);
		await plain.frameLocator('iframe').getByText(aside, { exact: true })
			.waitFor();
		assert.equal(plain.url(), site.url + 'chat.html');
		await shows(ada, aside);
		await shows(grace, aside);
		for (const page of [ada, grace, plain])
			assert.deepEqual(faultsOf(page), []);
	});

	test('streams hold no process in vain', async () => {
		const { site } = place;
		const channel = fresh();
		await publish(site, channel, 'x');
		const lines = await openLines(site, { channel, since: '0' });
		assert.equal((await lines.nextMessage()).data, 'x');
		assert.equal(await within(lines.finished, 10000, 'the end'),
			'complete');
	});

	test('what curl publishes is on the page', async (t) => {
		const page = await open(t, place.site, '', {
			ready: (p) => p.locator('#state[data-state=live]').waitFor(),
		});
		const text = fresh('by-curl');
		const { stdout } = await runToEnd('curl', ['-s', '--noproxy', '*',
			'-d', `data=${text}`,
			`${place.site.url}cometlog.fcgi/publish/demo/hello`]);
		assert.equal(JSON.parse(stdout).channel, 'demo/hello');
		await shows(page, text);
	});

	test('the log lies outside the web site', async () => {
		const { host } = place;
		assert.ok(fs.existsSync(path.join(host.home,
			'cometlog-data/public_html-cometlog/cometlog.db')));
		const inside = await host.do('find', host.site, '-name', '*.db*');
		assert.equal(inside, '');
		const { mode } = fs.statSync(path.join(host.home, 'cometlog-data'));
		assert.equal(mode & 0o777, 0o700);
	});

	test('a copy in another folder has its own messages', async () => {
		const { host, site } = place;
		await host.upload(bundle, 'other/live');
		const copy = host.copy('other/live');
		const channel = fresh();
		await publish(site, channel, 'here');
		await publish(copy, channel, 'there');
		const texts = async (of) =>
			(await history(of, channel)).map((m) => m.data);
		assert.deepEqual(await texts(site), ['here']);
		assert.deepEqual(await texts(copy), ['there']);
		await until(async () =>
			(await host.get(copy.place + 'comet-tip')).status === 200,
		{ what: 'its tip file' });
		assert.equal((await get(copy, '/status', {},
			{ headers: { Accept: 'application/json' } })).json.messages, 1);
	});

	test('an update leaves messages, cursors and settings', async (t) => {
		const { host, site } = place;
		const program = path.join(host.site, 'cometlog/cometlog.fcgi');
		const page = await liveChat(t, site);
		const before_ = fresh('before'), after_ = fresh('after');
		const since = await newestCursor(site);
		await publish(site, LOBBY, before_);
		await shows(page, before_);
		await host.write('cometlog/cometlog.conf', 'message-bytes = 100\n');
		const old = host.programs();
		const { ino } = fs.statSync(program);

		await host.upload(bundle);
		assert.notEqual(fs.statSync(program).ino, ino);
		await publish(site, LOBBY, after_);
		await shows(page, after_);
		assert.deepEqual((await history(site, LOBBY, since))
			.map((m) => m.data), [before_, after_]);
		assert.equal(fs.readFileSync(path.join(host.site,
			'cometlog/cometlog.conf'), 'utf8'), 'message-bytes = 100\n');
		await until(async () => (await post(site, '/publish/large',
			'text/plain', 'x'.repeat(101))).status === 413,
		{ what: 'a new process, which reads the settings' });
		assert.ok(host.programs().some((pid) => !old.includes(pid)));
		assert.deepEqual(faultsOf(page), []);
		fs.rmSync(path.join(host.site, 'cometlog/cometlog.conf'));
	});

	test('the folder above says who may post', async () => {
		const { host, site } = place;
		await host.write('.htaccess', `<Files "cometlog.fcgi">
	<Limit POST>
		Require ip 127.0.1.7
	</Limit>
</Files>`);
		const denied = await post(site, '/publish/a', 'text/plain', 'x');
		assert.equal(denied.status, 403);
		const got = await get(site, '/bayeux', { jsonp: 'cb',
			message: '[{"channel":"/a","data":"x"}]' });
		assert.match(got.text, /"successful":false,.*403:/);
		await publish(seenFrom(site, '127.0.1.7'), 'a', 'y');
		assert.deepEqual((await history(site, 'a')).map((m) => m.data),
			['y']);
		assert.equal((await host.get(site.place + 'defaults.conf')).status,
			403);
		fs.rmSync(path.join(host.site, '.htaccess'));
	});

	test('settings that are wrong are told, to strangers by their line',
	async () => {
		await assertToldWhereWrong(place.host);
	});
});

describe('a host that lets .htaccess say little', LIMIT, () => {
	const place = onHost({ override: STRICT });

	publishesAndReads(place);
});

describe('a host whose web root has no usual name', LIMIT, () => {
	const place = onHost({ root: 'sites/example.org' });

	publishesAndReads(place);

	test('the log lies in data, which is denied', async () => {
		const { host, site } = place;
		const data = path.join(host.site, 'cometlog/data');
		assert.ok(fs.existsSync(path.join(data, 'cometlog.db')));
		assert.equal((await host.get(site.place + 'data/cometlog.db')).status,
			403);
		assert.equal(fs.statSync(data).mode & 0o777, 0o700);
	});

	test('an update leaves that log, too', async () => {
		const { host, site } = place;
		const channel = fresh();
		const { cursor } = await publish(site, channel, 'kept');
		await host.upload(bundle);
		assert.equal((await history(site, channel))[0].data, 'kept');
		assert.equal(await newestCursor(site), cursor);
	});
});

describe('a host with plain CGI', LIMIT, () => {
	const place = onHost({ gateway: 'cgi' });

	publishesAndReads(place);

	test('a stream arrives as it is written, where it may', async () => {
		const { host, site } = place;
		await host.write('cometlog/cometlog.conf', 'streams = on\n');
		const channel = fresh();
		const lines = await openLines(site, { channel, since: '0' });
		for (const text of ['one', 'two', 'three']) {
			await publish(site, channel, text);
			assert.equal((await lines.nextMessage()).data, text);
		}
		lines.close();
		fs.rmSync(path.join(host.site, 'cometlog/cometlog.conf'));
	});

	test('settings that are wrong are told there, too', async () => {
		await assertToldWhereWrong(place.host);
	});

	test('two people chat', async (t) => {
		const ada = await liveChat(t, place.site);
		const grace = await liveChat(t, place.site);
		const text = fresh('by-cgi');
		await say(ada, 'Ada', text);
		await shows(grace, text);
	});
});

describe('a log that is no write-ahead log', LIMIT, () => {
	const place = onHost();

	before(() => place.host.write('cometlog/cometlog.conf',
		'journal = rollback\n'));

	publishesAndReads(place);

	test('it stays one where the program chooses', async () => {
		const { host, site } = place;
		const log = path.join(host.home,
			'cometlog-data/public_html-cometlog/cometlog.db');
		const channel = fresh();
		await publish(site, channel, 'with the setting');
		for (const pid of host.programs())
			process.kill(pid, 'SIGKILL');
		fs.rmSync(path.join(host.site, 'cometlog/cometlog.conf'));
		await until(() => publish(site, channel, 'without'));
		assert.equal((await history(site, channel)).length, 2);
		assert.equal(fs.readFileSync(log)[19], 1, 'the read version');
		assert.ok(!fs.existsSync(log + '-wal'));
	});
});

/* As defaults.conf has it: site-requests without site-reserve. */
const PLACES = 12;

for (const processes of [20, 100])
	describe(`a host that allows ${processes} processes`, LIMIT, () => {
		const place = onHost({ processes });

		test('readers who wait keep nobody from posting and polling',
		async () => {
			const { site } = place;
			const channel = fresh();
			const since = await newestCursor(site);
			const visitor = (i) => seenFrom(site, `127.0.1.${i + 1}`);
			const held = async () => Number(/^cometlog_site_held (\d+)$/m
				.exec((await get(site, '/metrics')).text)[1]);
			let n = 0;
			const waiting = Array.from({ length: 40 }, (_, i) =>
				get(visitor(i), '/longpoll', { channel, since, timeout: 30 },
					{ limit: 90000 }).finally(() => n++));

			await until(async () => await held() === PLACES,
				{ limit: 60000, what: 'all places taken' });
			for (let i = 0; i < 5; i++) {
				const answer = await get(site, '/poll', { channel, since },
					{ limit: 5000 });
				assert.equal(answer.status, 200);
				assert.ok(await held() <= PLACES);
			}
			assert.ok(n < 40, 'nobody waits');
			await publish(site, channel, 'for all', {}, { limit: 5000 });
			for (const { status, json, text } of await Promise.all(waiting)) {
				assert.equal(status, 200, text);
				if (!json.degraded)
					assert.equal(json.messages[0].data, 'for all');
			}
			/* those who were sent away find it by polling */
			const late = await get(visitor(39), '/poll', { channel, since });
			assert.equal(late.json.messages[0].data, 'for all');
		});
	});
