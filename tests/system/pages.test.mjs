/* The demo's pages in a real browser, with JavaScript and without. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import {
	fresh, history, ms, publish, sqlite, startDemo, until, within,
} from './harness.mjs';

const PAGES = ['/', '/chat.html'];
const PHONE = { width: 390, height: 844 };
const LOBBY = 'chat/lobby';
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
let browser;

before(async () => {
	demo = await startDemo({ workers: 2, options: { heartbeat: 1000 } });
	browser = await chromium.launch({
		executablePath: '/usr/bin/chromium',
		args: ['--no-sandbox', '--disable-gpu', '--disable-quic',
			'--no-first-run', '--disable-background-networking',
			'--disable-component-update', '--disable-sync'],
	});
});

after(async () => {
	await browser?.close();
	await demo?.stop();
});

const at = (place) => new URL(place, demo.url).href;
const feed = (page) => page.locator('#messages');
const live = (page) => page.locator('#state[data-state=live]').waitFor();
const frame = (page) => page.frameLocator('iframe');

/* A page on its own, as one visitor has it; faults gathers what goes wrong. */
async function visit(t, place, { isScripted = true, ...options } = {}) {
	const context = await browser.newContext({
		javaScriptEnabled: isScripted, ...options,
	});
	t.after(() => context.close());
	const page = await context.newPage();
	page.setDefaultTimeout(ms(15000));
	page.faults = [];
	page.on('console', (said) => {
		if (['error', 'warning'].includes(said.type()))
			page.faults.push(said.text());
	});
	page.on('pageerror', (error) => page.faults.push(error.stack));
	page.on('dialog', (dialog) => {
		page.faults.push(`dialog: ${dialog.message()}`);
		dialog.dismiss();
	});
	await page.goto(at(place));
	if (isScripted)
		await live(page);
	return page;
}

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

	test('it tells when it last heard from the server', async (t) => {
		const page = await visit(t, '/');
		await page.locator('#life', { hasText: /^heard / }).waitFor();
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
		const links = await page.locator('a[href^="/comet/"]')
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
		const page = await visit(t, '/chat.html');
		const text = fresh('lost-answer');
		let tries = 0, second = null;
		await page.route('**/comet/publish/**', async (route) => {
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
		test(`a ${status} is said in plain words and tried again`,
		async (t) => {
			const page = await visit(t, '/chat.html');
			const text = fresh('again');
			let tries = 0;
			await page.route('**/comet/publish/**', (route) => ++tries > 1
				? route.continue()
				: route.fulfill({ status,
					headers: { 'Retry-After': '1' } }));
			await say(page, 'Ada', text);
			await page.getByRole('alert')
				.filter({ hasText: /Trying again/ }).waitFor();
			await row(page, text);
			assert.equal((await stored(LOBBY, text)).length, 1);
		});

	test('a message that is refused comes back with the reason',
	async (t) => {
		const page = await visit(t, '/chat.html');
		await page.route('**/comet/publish/**', (route) => route.fulfill({
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
		const page = await visit(t, '/chat.html', { viewport: PHONE });
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
		await page.route('**/comet/publish/**', (route) => route.abort());
		await say(page, 'Ada', 'one\ntwo\nthree');
		await page.getByRole('alert').filter({ hasText: /./ }).waitFor();
		const below = await box.evaluate((e) =>
			e.scrollHeight - e.scrollTop - e.clientHeight);
		assert.ok(below < 2, `${below} px below`);
	});
});

describe('both pages', () => {
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

	test('they go on where they were when every worker is killed',
	async (t) => {
		const page = await visit(t, '/chat.html');
		const texts = [fresh('kill-a'), fresh('kill-b'), fresh('kill-c')];
		await publish(demo, LOBBY, texts[0]);
		await row(page, texts[0]);
		const broken = page.locator('#state[data-state=waiting]').waitFor();
		await demo.killWorkers();
		await until(() => publish(demo, LOBBY, texts[1]));
		await broken;
		await row(page, texts[1]);
		await publish(demo, LOBBY, texts[2]);
		await row(page, texts[2]);
		const shown = await feed(page).locator('.text').allTextContents();
		assert.deepEqual(shown.filter((s) => texts.includes(s)), texts);
		assert.equal(await page.locator('.gap').count(), 0);
	});

	test('what comes again after a break is shown once', async (t) => {
		const page = await visit(t, '/');
		const known = fresh('known'), missed = fresh('missed');
		await publish(demo, 'demo/again', known);
		await row(page, known);
		await page.evaluate(leave);
		await publish(demo, 'demo/again', missed);
		await resumeFrom(page, '0');
		await row(page, missed);
		assert.equal(await rowsOf(page, known), 1);
		assert.equal(await rowsOf(page, missed), 1);
	});

	test('a gap is said, and what is kept follows', async (t) => {
		const page = await visit(t, '/');
		const text = fresh('after-gap');
		await publish(demo, 'demo/gap', text);
		await row(page, text);
		await page.evaluate(leave);
		await resumeFrom(page, '1.00000000');
		await page.getByText('no longer kept').waitFor();
		await page.waitForFunction((wanted) =>
			[...document.querySelectorAll('#messages .text')].filter(
				(e) => e.textContent === wanted).length === 2, text);
	});

	for (const place of PAGES) {
		test(`${place} holds no connection while it is in the history`,
		async (t) => {
			const page = await visit(t, place);
			const isEvents = (r) => r.url().includes('/comet/events');
			const left = page.waitForEvent('requestfailed', isEvents);
			await page.evaluate(leave);
			await left;
			const back = page.waitForRequest(isEvents);
			await page.evaluate(comeBack);
			assert.match((await back).url(), /[?&]since=/);
			await live(page);
		});

		for (const isScripted of [true, false])
			test(`${place} does not scroll sideways on a phone, ` +
				`JavaScript ${isScripted ? 'on' : 'off'}`, async (t) => {
				await publish(demo, 'demo/wide', 'W'.repeat(500));
				await publish(demo, LOBBY, 'W'.repeat(500));
				const page = await visit(t, place,
					{ isScripted, viewport: { width: 320, height: 640 } });
				assert.equal(await sideways(page), 0);
			});

		test(`every control of ${place} has a label`, async (t) => {
			const page = await visit(t, place);
			const nameless = await page.locator(
				'input:not([type=hidden]), textarea, select')
				.evaluateAll((all) => all.filter((e) =>
					!e.labels[0]?.textContent.trim()).map((e) => e.outerHTML));
			assert.deepEqual(nameless, []);
			const mute = await page.locator('button, a').evaluateAll(
				(all) => all.filter((e) => !e.textContent.trim())
					.map((e) => e.outerHTML));
			assert.deepEqual(mute, []);
			assert.equal(await page.locator('h1').count(), 1);
			assert.equal(await page.locator('html').getAttribute('lang'), 'en');
		});

		test(`the keyboard reaches all of ${place}, visibly`, async (t) => {
			const page = await visit(t, place);
			const wanted = await page.locator(
				'a, button, input:not([type=hidden]), textarea, [tabindex]')
				.filter({ visible: true }).count();
			await page.evaluate(() => { window.seen = new Set(); });
			for (let i = 0; i < wanted; i++) {
				await page.keyboard.press('Tab');
				const outline = await page.evaluate(() => {
					window.seen.add(document.activeElement);
					const style = getComputedStyle(document.activeElement);
					return `${style.outlineStyle} ${style.outlineWidth}`;
				});
				assert.equal(outline, 'solid 2px');
			}
			assert.equal(await page.evaluate(() => window.seen.size), wanted);
		});

		for (const colorScheme of ['light', 'dark'])
			test(`all text of ${place} stands out when ${colorScheme}`,
			async (t) => {
				await publish(demo, 'demo/seen', 'seen', { event: 'seen' });
				await publish(demo, LOBBY, 'seen', { event: 'Ada' });
				await publish(demo, LOBBY, 'seen, nameless');
				const page = await visit(t, place,
					{ colorScheme, reducedMotion: 'reduce' });
				await row(page, 'seen');
				assert.deepEqual(await page.evaluate(faintTexts), []);
				const running = await page.evaluate(() =>
					document.getAnimations().length);
				assert.equal(running, 0, 'moves although asked not to');
				assert.deepEqual(page.faults, []);
			});
	}
});

/* ---- what runs in the page ---- */

/* By how far the page and the box of messages scroll to the side. */
const sideways = (page) => page.evaluate(() => {
	const box = document.getElementById('feed');

	return document.documentElement.scrollWidth - window.innerWidth +
		box.scrollWidth - box.clientWidth;
});

function leave() {
	dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
}

function comeBack() {
	dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
}

/* Comes back from the history, but with this cursor. */
async function resumeFrom(page, cursor) {
	await page.route('**/comet/events**', (route) => {
		const address = new URL(route.request().url());
		address.searchParams.set('since', cursor);
		return route.continue({ url: address.href });
	});
	await page.evaluate(comeBack);
}

/* Texts below WCAG AA's contrast of 4.5 with the ground they stand on. */
function faintTexts() {
	const parts = (color) => color.match(/[\d.]+/g).map(Number);
	const luminance = (color) => parts(color).slice(0, 3)
		.map((c) => c / 255)
		.map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const groundOf = (e) => {
		const color = getComputedStyle(e).backgroundColor;
		return parts(color)[3] === 0 ? groundOf(e.parentElement) : color;
	};
	const contrast = (e) => {
		const [dark, light] = [luminance(getComputedStyle(e).color),
			luminance(groundOf(e))].sort((a, b) => a - b);
		return (light + 0.05) / (dark + 0.05);
	};
	const hasText = (e) => [...e.childNodes].some((node) =>
		node.nodeType === Node.TEXT_NODE && node.data.trim() !== '');

	/* also what shows only at times */
	document.getElementById('notice').textContent = 'A notice.';
	return [...document.body.querySelectorAll('*')]
		.filter((e) => e.checkVisibility() && hasText(e))
		.map((e) => [contrast(e).toFixed(2), e.outerHTML.slice(0, 120)])
		.filter(([ratio]) => ratio < 4.5);
}
