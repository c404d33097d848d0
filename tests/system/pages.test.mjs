/* The demo's pages in a real browser, with JavaScript and without. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	fresh, history, isAlive, publish, publishAll, run, runToEnd,
	sqlite, startDemo, until, within, ROOT,
} from './harness.mjs';
import {
	PHONE, assertLabelled, assertLegible, assertReachable, closeBrowser,
	openBrowser, sideways, visit as visitAddress,
} from './visit.mjs';

const LOBBY = 'chat/lobby';
const FIGURES = { channel: 'board/figures',
	data: { visitors: 500, orders: 10, answer: 50, load: 0.75 } };
const HOSTILE = [
	'<img src=x onerror="window.hit = 1">',
	'</script><script>window.hit = 1</script>',
	'<!-- &lt;b&gt; &amp; "quoted" \'too\'',
	'javascript:window.hit=1',
	'W'.repeat(2000),
	'👩‍👩‍👧‍👦🏳️‍🌈',
	'مرحبا \u202eabc\u202c عالم',
	'one\ntwo\n\n  three',
	'a\u2028b\u2029c',
];

let demo;

before(async () => {
	demo = await startDemo({ workers: 2, options: { heartbeat: 1000 } });
	await openBrowser();
});

after(async () => {
	await closeBrowser();
	await demo?.stop();
});

const at = (place) => new URL(place, demo.url).href;
const feed = (page) => page.locator('#messages');
const live = (page) => page.locator('#state[data-state=live]').waitFor();
const frame = (page) => page.frameLocator('iframe');
const stage = (page, i) => page.locator('.stage').nth(i);

/* Each page, and what shows that it is under way. */
const PAGES = {
	'/': live,
	'/lab.html': async (page) => {
		for (let i = 0; i < 5; i++)
			await page.locator('.lane').nth(i)
				.locator('[data-state=live]').waitFor();
	},
	'/chat.html': live,
	'/board.html': live,
	'/article.html': (page) => stage(page, 2).getByText('Open.').waitFor(),
};

/* What is there when something has been posted. */
const SHOWN = {
	'/': (page) => row(page, 'seen'),
	'/lab.html': (page) => page.getByText('On the wire').first().click(),
	'/chat.html': (page) => row(page, 'seen'),
	'/board.html': (page) => page.locator('#board').waitFor(),
};

const visit = (t, place, options) =>
	visitAddress(t, at(place), { ready: PAGES[place], ...options });

/* A page that posts by HTTP alone, so that the test can be in between. */
const withoutSocket = {
	before: (page) => page.routeWebSocket('**/comet/ws**',
		(socket) => socket.close()),
};

async function say(page, name, text) {
	await page.getByLabel('Name').fill(name);
	await page.getByLabel('Message').fill(text);
	await page.getByRole('button', { name: 'Send' }).click();
}

async function postOnOverview(page, text) {
	await page.getByLabel('Message to demo/hello').fill(text);
	await page.getByRole('button', { name: 'Post', exact: true }).click();
}

/* How many rows of the feed hold exactly this text. */
const rowsOf = (page, text) => feed(page).locator('.text').evaluateAll(
	(rows, wanted) => rows.filter((e) => e.textContent === wanted).length,
	text);

/* Waits for the row with exactly this text; gives its whole item. */
async function row(page, text) {
	const item = await page.waitForFunction((wanted) =>
		[...document.querySelectorAll('#messages .text')]
			.find((e) => e.textContent === wanted)?.closest('li'), text);
	return item.asElement();
}

async function stored(channel, text) {
	return (await history(demo, channel)).filter((m) => m.data === text);
}

describe('the overview', () => {
	test('it shows live what is published, whatever the event is named',
	async (t) => {
		const page = await visit(t, '/');
		for (const event of [undefined, 'greet', 'heartbeat', 'gap', 'error']) {
			const text = fresh('published');
			await publish(demo, 'demo/a/b', text, event ? { event } : {});
			const item = await row(page, text);
			const shown = await item.innerText();
			assert.match(shown, /demo\/a\/b/);
			if (event)
				assert.ok(shown.includes(event), shown);
		}
		assert.deepEqual(page.faults, []);
	});

	test('it shows live what the sqlite3 shell inserts', async (t) => {
		const page = await visit(t, '/');
		const text = fresh('from-sql');
		await sqlite(demo, 'INSERT INTO publish(channel, data) ' +
			`VALUES('demo/hello', '${text}')`);
		await row(page, text);
	});

	test('it begins with what was published before, newest first',
	async (t) => {
		const older = fresh('older'), newer = fresh('newer');
		await publish(demo, 'demo/before', older);
		await publish(demo, 'demo/before', newer);
		const page = await visit(t, '/');
		await row(page, newer);
		const texts = await feed(page).locator('.text').allTextContents();
		assert.ok(texts.indexOf(newer) < texts.indexOf(older));
	});

	test('it shows a JSON value as JSON', async (t) => {
		const page = await visit(t, '/');
		const name = fresh('json');
		const answer = await page.request.post(
			at('/comet/publish/demo/json'), { data: { name, n: [1, null] } });
		assert.equal(answer.status(), 201);
		await row(page, `{"name":"${name}","n":[1,null]}`);
	});

	test('it says by what it reads', async (t) => {
		const page = await visit(t, '/');
		await page.locator('#state').getByText(/^Live (by|over) /).waitFor();
	});

	test('its form posts without leaving the page', async (t) => {
		const page = await visit(t, '/');
		const text = fresh('by-form');
		await page.evaluate(() => { window.isSamePage = true; });
		await postOnOverview(page, text);
		await row(page, text);
		assert.equal(await page.evaluate(() => window.isSamePage), true);
		assert.equal(await page.getByLabel('Message to demo/hello')
			.inputValue(), '');
		assert.deepEqual(page.faults, []);
	});

	test('its form works with JavaScript off and lands back on the page',
	async (t) => {
		const page = await visit(t, '/', { isScripted: false });
		const text = fresh('without-script');
		await postOnOverview(page, text);
		await frame(page).getByText(text, { exact: true }).waitFor();
		assert.equal(page.url(), at('/'));
		assert.equal((await stored('demo/hello', text)).length, 1);
		assert.deepEqual(page.faults, []);
	});

	test('its examples name this site, and can be copied', async (t) => {
		const page = await visit(t, '/',
			{ permissions: ['clipboard-read', 'clipboard-write'] });
		await page.getByRole('button', { name: 'Copy: Publish with curl' })
			.click();
		await page.getByText('Copied', { exact: true }).waitFor();
		assert.equal(
			await page.evaluate(() => navigator.clipboard.readText()),
			`curl -d 'data=hello' ${at('/comet/publish/demo/hello')}`);
	});

	test('the techniques it links to all answer', async (t) => {
		const page = await visit(t, '/');
		const links = await page.locator('a[href^="comet/"]')
			.evaluateAll((all) => all.map((a) => a.href));
		assert.ok(links.length >= 8, `${links}`);
		await publish(demo, 'demo/links', 'to be read');
		for (const link of new Set(links)) {
			const abort = new AbortController();
			/* since: so that the long poll has no cause to wait */
			const answer = await within(fetch(
				link.includes('longpoll') ? link + '&since=0' : link,
				{ signal: abort.signal }), 15000, link);
			assert.equal(answer.status, 200, link);
			abort.abort();
		}
	});
});

describe('the chat', () => {
	test('two people talk live', async (t) => {
		const ada = await visit(t, '/chat.html');
		const grace = await visit(t, '/chat.html');
		const question = fresh('question'), reply = fresh('reply');
		await say(ada, 'Ada', question);
		const asked = await row(grace, question);
		assert.match(await asked.innerText(), /^Ada\b/);
		await say(grace, 'Grace', reply);
		const replied = await row(ada, reply);
		assert.match(await replied.innerText(), /^Grace\b/);
		assert.equal(await rowsOf(ada, question), 1);
		assert.equal(await ada.locator('#outbox').isVisible(), false);
		assert.deepEqual([...ada.faults, ...grace.faults], []);
	});

	test('Enter sends, Shift+Enter breaks the line', async (t) => {
		const page = await visit(t, '/chat.html');
		const first = fresh('first'), second = fresh('second');
		await page.getByLabel('Name').fill('Ada');
		await page.getByLabel('Message').focus();
		await page.keyboard.type(first);
		await page.keyboard.press('Shift+Enter');
		await page.keyboard.type(second);
		await page.keyboard.press('Enter');
		await row(page, `${first}\n${second}`);
		assert.equal(await page.evaluate(() => document.activeElement.id),
			'text');
	});

	test('the name is remembered, and what was said is there again',
	async (t) => {
		const page = await visit(t, '/chat.html');
		const text = fresh('remembered');
		await say(page, 'Emmy', text);
		await row(page, text);
		await page.reload();
		await row(page, text);
		assert.equal(await page.getByLabel('Name').inputValue(), 'Emmy');
	});

	test('with JavaScript off one reads and writes along', async (t) => {
		const plain = await visit(t, '/chat.html', { isScripted: false });
		const scripted = await visit(t, '/chat.html');
		const spoken = fresh('spoken'), heard = fresh('heard');
		await say(plain, 'Plain', spoken);
		await frame(plain).getByText(spoken, { exact: true }).waitFor();
		assert.equal(plain.url(), at('/chat.html'));
		const item = await row(scripted, spoken);
		assert.match(await item.innerText(), /^Plain\b/);
		await say(scripted, 'Scripted', heard);
		await frame(plain).getByText(heard, { exact: true }).waitFor();
		assert.deepEqual(plain.faults, []);
	});

	test('a message whose answer was lost is stored and shown once',
	async (t) => {
		const page = await visit(t, '/chat.html', withoutSocket);
		const text = fresh('lost-answer');
		let tries = 0, second = null;
		await page.route('**/comet/publish**', async (route) => {
			const answer = await route.fetch();
			if (++tries === 1)
				return route.abort();
			second = await answer.json();
			return route.fulfill({ response: answer });
		});
		await say(page, 'Ada', text);
		await until(() => second !== null, { what: 'a second try' });
		assert.equal(second.duplicate, true);
		await row(page, text);
		assert.equal(await rowsOf(page, text), 1);
		assert.equal((await stored(LOBBY, text)).length, 1);
	});

	for (const status of [429, 503])
		test(`after a ${status} it is tried again without a word`,
		async (t) => {
			const page = await visit(t, '/chat.html', withoutSocket);
			const text = fresh('again');
			let tries = 0;
			await page.route('**/comet/publish**', (route) => ++tries > 1
				? route.continue()
				: route.fulfill({ status,
					headers: { 'Retry-After': '1' } }));
			await say(page, 'Ada', text);
			await row(page, text);
			assert.equal(await page.getByRole('alert').textContent(), '');
			assert.equal((await stored(LOBBY, text)).length, 1);
		});

	test('what does not get through for long is said, and is not lost',
	async (t) => {
		const page = await visit(t, '/chat.html', withoutSocket);
		const text = fresh('long');
		await page.route('**/comet/publish**',
			(route) => route.fulfill({ status: 503 }));
		await say(page, 'Ada', text);
		await page.getByRole('alert')
			.filter({ hasText: 'Not sent yet. Trying again.' }).waitFor();
		assert.equal(await page.locator('#outbox .text').textContent(), text);
		await page.unroute('**/comet/publish**');
		await row(page, text);
		await page.locator('#outbox').waitFor({ state: 'hidden' });
		await page.getByRole('alert')
			.filter({ hasText: /^$/ }).waitFor({ state: 'attached' });
		assert.equal((await stored(LOBBY, text)).length, 1);
	});

	test('a message that is refused comes back with the reason',
	async (t) => {
		const page = await visit(t, '/chat.html', withoutSocket);
		await page.route('**/comet/publish**', (route) => route.fulfill({
			status: 403, contentType: 'application/problem+json',
			body: '{"detail":"the lobby is closed"}',
		}));
		const text = fresh('refused');
		await say(page, 'Ada', text);
		await page.getByText('Not accepted: the lobby is closed').waitFor();
		assert.equal(await page.getByLabel('Message').inputValue(), text);
		assert.equal(await page.locator('#outbox').isVisible(), false);
	});

	test('who reads further up is not scrolled away, but told', async (t) => {
		for (let i = 0; i < 40; i++)
			await publish(demo, LOBBY, `line ${i}`, { event: 'Filler' });
		const page = await visit(t, '/chat.html',
			{ viewport: PHONE, ...withoutSocket });
		await row(page, 'line 39');
		const box = page.getByRole('log');
		const newer = page.getByRole('button', { name: 'New messages' });
		await box.evaluate((e) => new Promise((done) => {
			e.addEventListener('scroll', done, { once: true });
			e.scrollTop = 0;
		}));
		const text = fresh('below');
		await publish(demo, LOBBY, text, { event: 'Ada' });
		await newer.waitFor();
		assert.equal(await box.evaluate((e) => e.scrollTop), 0);
		await newer.click();
		await newer.waitFor({ state: 'hidden' });
		/* and what waits to be sent does not cover the newest */
		await page.route('**/comet/publish**', (route) => route.abort());
		await say(page, 'Ada', 'one\ntwo\nthree');
		await page.locator('#outbox .text').waitFor();
		const below = await box.evaluate((e) =>
			e.scrollHeight - e.scrollTop - e.clientHeight);
		assert.ok(below < 2, `${below} px below`);
	});
});

describe('the board', () => {
	const figures = (visitors) => ({
		visitors, orders: 12, answer: 40, load: 0.5,
	});
	const post = (data) =>
		publishAll(demo, [{ channel: 'board/figures', data }]);
	const shown = (page, i = 0) => page.locator('.number').nth(i);
	const shows = (page, text) => shown(page)
		.filter({ hasText: new RegExp(`^${text}$`) }).waitFor();

	test('without figures it says how to get some', async (t) => {
		const page = await visit(t, '/board.html');
		await page.getByText('scripts/board-feed.sh http').waitFor();
		assert.equal(await page.locator('#board').isVisible(), false);
	});

	test('it shows what is posted, with what was posted before',
	async (t) => {
		for (const visitors of [110, 120, 130])
			await post(figures(visitors));
		const page = await visit(t, '/board.html');
		await shows(page, '130');
		await post(figures(140));
		await shows(page, '140');
		assert.equal(await shown(page, 3).textContent(), '0.50');
		const curve = await page.locator('.curve').first().getAttribute('d');
		assert.equal(curve.match(/[ML]/g).length, 4);
		assert.deepEqual(page.faults, []);
	});

	test('the arrow keys read earlier moments', async (t) => {
		for (const visitors of [210, 220, 230])
			await post(figures(visitors));
		const page = await visit(t, '/board.html');
		await shows(page, '230');
		await page.locator('#board').focus();
		await page.keyboard.press('ArrowLeft');
		await shows(page, '220');
		await page.getByText(/^\d+ s ago\.$/).waitFor();
		await page.keyboard.press('ArrowLeft');
		await shows(page, '210');
		await page.keyboard.press('Escape');
		await shows(page, '230');
		await page.getByText('Now.', { exact: true }).waitFor();
	});

	test('what are no figures is left out', async (t) => {
		const page = await visit(t, '/board.html');
		for (const data of ['words', null, 7, [], { visitors: 'many' },
			{ ...figures(1), load: '<b>' }, { ...figures(1), orders: null }])
			await post(data);
		await post(figures(310));
		await shows(page, '310');
		assert.deepEqual(page.faults, []);
	});

	test('the script feeds it, and ends with whoever started it',
	async (t) => {
		const script = `${ROOT}/scripts/board-feed.sh`;
		const parent = run('/bin/sh',
			['-c', `"${script}" "${at('comet')}" & echo $!; read end`],
			{ input: null });
		t.after(() => parent.child.kill());
		const pid = Number(await until(() => parent.stdout.trim()));
		const page = await visit(t, '/board.html');
		const first = await newest();
		await until(async () => await newest() > first + 1);
		await page.locator('.number').first().waitFor();
		parent.child.stdin.end();
		await parent.done;
		await until(() => !isAlive(pid), { what: 'the end of the feed' });
		assert.equal(parent.stderr, '');
		assert.deepEqual(page.faults, []);
	});

	test('the script refuses what is no address', async () => {
		const script = `${ROOT}/scripts/board-feed.sh`;
		for (const words of [[], ['here'], ['http://a', 'http://b']]) {
			const { code, stderr } = await runToEnd(script, words);
			assert.equal(code, 2);
			assert.match(stderr, /^usage: /);
		}
	});

	async function newest() {
		const all = await history(demo, 'board/figures');
		return all.length === 0 ? 0 : all[all.length - 1].seq;
	}
});

describe('the article', () => {
	test('each snippet shows what is posted', async (t) => {
		const page = await visit(t, '/article.html');
		const text = fresh('article');
		await page.getByLabel('Message to demo/article').fill(text);
		await page.keyboard.press('Enter');
		for (let i = 0; i < 3; i++)
			await stage(page, i).getByText(text, { exact: true }).waitFor();
		assert.deepEqual(page.faults, []);
	});

	test('the snippets run from the text that is shown', async (t) => {
		const page = await visit(t, '/article.html');
		const code = (await page.locator('.beside code').allTextContents())
			.join('\n');
		for (const word of ['<eventsource src="', 'onmessage="',
			'document.createElement("eventsource")', 'addEventSource(',
			'new WebSocket(', 'socket.postMessage(', 'socket.onread ='])
			assert.ok(code.includes(word), word);
		assert.equal(await stage(page, 0).locator('eventsource').count(), 1);
	});

	test('postMessage posts, and what is posted is read', async (t) => {
		const page = await visit(t, '/article.html');
		await stage(page, 2).getByRole('button', { name: 'Say hello' })
			.press('Enter');
		for (let i = 0; i < 3; i++)
			await stage(page, i).getByText('Hello, Web Socket!').last()
				.waitFor();
		const all = await stored('demo/article', 'Hello, Web Socket!');
		assert.equal(all.length, 1);
	});

	test('the shim knows the other names, too', async (t) => {
		const page = await visit(t, '/article.html');
		const channel = fresh('legacy');
		const url = `/comet/events?channel=${channel}&since=0`;
		await publish(demo, channel, 'plain');
		await publish(demo, channel, 'named', { event: 'greet' });
		const heard = await page.evaluate((src) => new Promise((done) => {
			const element = document.createElement('eventsource');
			const all = [];
			const take = (event) => {
				all.push(`${event.type} ${event.data}`);
				if (all.length === 2)
					done(all);
			};
			element.onmessage = take;
			element.addEventListener('greet', take);
			element.setAttribute('src', src);
			document.body.append(element);
		}), url);
		assert.deepEqual(heard, ['message plain', 'greet named']);
		const isClosed = await page.evaluate(() => new Promise((done) => {
			const socket = new WebSocket(
				location.origin.replace('http', 'ws') +
				'/comet/ws?channel=demo/other');
			socket.onopen = () => socket.disconnect();
			socket.onclosed = () => done(true);
		}));
		assert.equal(isClosed, true);
	});

	test('its form works with JavaScript off', async (t) => {
		const page = await visit(t, '/article.html', { isScripted: false });
		const text = fresh('plain-article');
		await page.getByLabel('Message to demo/article').fill(text);
		await page.keyboard.press('Enter');
		await until(async () =>
			(await stored('demo/article', text)).length === 1);
		await page.waitForURL(at('/article.html'));
	});
});

describe('what is read by the client', () => {
	test('hostile text is shown as the text it is', async (t) => {
		const overview = await visit(t, '/', { viewport: PHONE });
		const chat = await visit(t, '/chat.html', { viewport: PHONE });
		for (const text of HOSTILE) {
			const event = text.replace(/\p{C}|\p{Z}/gu, ' ').slice(0, 40);
			await publish(demo, 'demo/hostile', text, { event });
			await publish(demo, LOBBY, text, { event });
		}
		for (const page of [overview, chat]) {
			for (const text of HOSTILE)
				await row(page, text);
			assert.equal(await page.evaluate(() => window.hit), undefined);
			assert.equal(await feed(page).locator('img, script').count(), 0);
			assert.equal(await sideways(page), 0);
			assert.deepEqual(page.faults, []);
		}
	});

	test('hostile text is text with JavaScript off, too', async (t) => {
		await publish(demo, LOBBY, HOSTILE[1], { event: HOSTILE[0] });
		const page = await visit(t, '/chat.html', { isScripted: false });
		await frame(page).getByText(HOSTILE[1], { exact: true }).first()
			.waitFor();
		assert.equal(await frame(page).locator('img, script').count(), 0);
	});

	test('hostile text harms neither the article nor the lab',
	async (t) => {
		const article = await visit(t, '/article.html', { viewport: PHONE });
		const lab = await visit(t, '/lab.html', { viewport: PHONE });
		for (const text of HOSTILE) {
			await publish(demo, 'demo/article', text);
			await publish(demo, 'lab/posts', text);
			for (let i = 0; i < 3; i++)
				await article.waitForFunction(([n, wanted]) =>
					document.querySelectorAll('.stage')[n]
						.textContent.includes(wanted), [i, text]);
		}
		for (const counter of await lab.locator('.messages-count').all())
			await counter.filter({
				hasText: new RegExp(`^${HOSTILE.length}$`) }).waitFor();
		for (const page of [article, lab]) {
			assert.equal(await page.evaluate(() => window.hit), undefined);
			assert.equal(await sideways(page), 0);
			assert.deepEqual(page.faults, []);
		}
	});

	test('the pages go on where they were when every worker is killed',
	async (t) => {
		const page = await visit(t, '/chat.html');
		const texts = [fresh('kill-a'), fresh('kill-b'), fresh('kill-c')];
		await publish(demo, LOBBY, texts[0]);
		await row(page, texts[0]);
		await demo.killWorkers();
		await until(() => publish(demo, LOBBY, texts[1]));
		await row(page, texts[1]);
		await publish(demo, LOBBY, texts[2]);
		await row(page, texts[2]);
		await live(page);
		const shown = await feed(page).locator('.text').allTextContents();
		assert.deepEqual(shown.filter((s) => texts.includes(s)), texts);
		assert.equal(await page.locator('.gap').count(), 0);
	});

	test('a gap is said, and what is kept follows', async (t) => {
		const before = fresh('before'), missed = fresh('missed');
		let isOtherLog = false;
		await publish(demo, 'demo/gap', before);
		const page = await visit(t, '/', { before: async (p) => {
			await withoutSocket.before(p);
			await p.route(/\/comet\/(events|longpoll)/,
				(route) => route.fulfill({ status: 503 }));
			/* the log is another one, for one answer */
			await p.route('**/comet/poll**', async (route) => {
				if (!isOtherLog)
					return route.continue();
				isOtherLog = false;
				return route.fulfill({ json: { messages: [], gap: true,
					cursor: '7.00000000', more: false } });
			});
		} });
		await row(page, before);
		isOtherLog = true;
		await publish(demo, 'demo/gap', missed);
		await page.getByText('no longer kept').first().waitFor();
		await row(page, missed);
		assert.equal(await rowsOf(page, missed), 1);
		assert.equal(await rowsOf(page, before), 2);
	});

	for (const place of ['/', '/chat.html', '/board.html'])
		test(`${place} holds no connection while it is in the history`,
		async (t) => {
			const page = await visit(t, place, withoutSocket);
			const isEvents = (r) => r.url().includes('/comet/events');
			await page.locator('#state[data-transport=sse]').waitFor();
			const left = page.waitForEvent('requestfailed', isEvents);
			await page.evaluate(leave);
			await left;
			const back = page.waitForRequest(isEvents);
			await page.evaluate(comeBack);
			assert.match((await back).url(), /[?&]since=/);
			await live(page);
		});
});

/* ---- what runs in the page ---- */

function leave() {
	dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
}

function comeBack() {
	dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
}

describe('every page', () => {
	for (const place of Object.keys(PAGES)) {
		test(`${place} leads to all the others`, async (t) => {
			const page = await visit(t, place);
			const links = await page.locator('a').evaluateAll((all) =>
				all.map((a) => a.pathname));
			for (const other of Object.keys(PAGES))
				assert.ok(links.includes(other), other);
			assert.deepEqual(page.faults, []);
		});

		for (const isScripted of [true, false])
			test(`${place} does not scroll sideways on a phone, ` +
				`JavaScript ${isScripted ? 'on' : 'off'}`, async (t) => {
				for (const channel of ['demo/wide', 'demo/article', LOBBY])
					await publish(demo, channel, 'W'.repeat(500));
				await publishAll(demo, [FIGURES]);
				for (const width of [320, PHONE.width]) {
					const page = await visit(t, place,
						{ isScripted, viewport: { width, height: 640 } });
					assert.equal(await sideways(page), 0);
				}
			});

		test(`every control of ${place} has a label`, async (t) => {
			await publishAll(demo, [FIGURES]);
			await assertLabelled(await visit(t, place));
		});

		test(`the keyboard reaches all of ${place}, visibly`, async (t) => {
			await publishAll(demo, [FIGURES]);
			const page = await visit(t, place);
			if (place === '/board.html')
				await page.locator('#board').waitFor();
			await assertReachable(page);
		});

		for (const colorScheme of ['light', 'dark'])
			test(`all text of ${place} stands out when ${colorScheme}`,
			async (t) => {
				await publish(demo, 'demo/seen', 'seen', { event: 'seen' });
				await publish(demo, LOBBY, 'seen', { event: 'Ada' });
				await publish(demo, LOBBY, 'seen, nameless');
				await publishAll(demo, [FIGURES]);
				const page = await visit(t, place,
					{ colorScheme, reducedMotion: 'reduce' });
				await SHOWN[place]?.(page);
				await assertLegible(page);
				const running = await page.evaluate(() =>
					document.getAnimations().length);
				assert.equal(running, 0, 'moves although asked not to');
				assert.deepEqual(page.faults, []);
			});
	}
});
