/* doctor.html in Chromium: on the demo, and behind a proxy that goes wrong. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { history, ms, startDemo } from './harness.mjs';
import { startProxy } from './proxy.mjs';
import {
	PHONE, assertLabelled, assertLegible, assertReachable, closeBrowser,
	openBrowser, sideways, visit,
} from './visit.mjs';

/* Shorter than what people get, which takes a minute. */
const PAGE = 'doctor.html?silence=2&life=2';

/* What the browser says of the files that must not be there. */
const EXPECTED = /Failed to load resource.* 40[34] |WebSocket connection/;

let demo;

const done = (page) => page.locator('body[data-doctor=done]')
	.waitFor({ timeout: ms(60000) });
const finding = (page, id) => page.locator(`.finding[data-id=${id}]`);
const level = (page, id) => finding(page, id).getAttribute('data-level');
const uses = (page) => page.locator('#techniques tr').evaluateAll((all) =>
	all.map((e) => e.dataset.is));

async function examine(t, url, options = {}) {
	return visit(t, url + PAGE, { ready: done, ...options });
}

async function behindProxy(t, prepare) {
	const proxy = await startProxy(demo);
	t.after(() => proxy.stop());
	prepare(proxy);
	return examine(t, proxy.url);
}

describe('doctor.html', { timeout: ms(240000) }, () => {
	before(async () => {
		demo = await startDemo({ workers: 2 });
		await openBrowser();
	});

	after(async () => {
		await closeBrowser();
		await demo?.stop();
	});

	test('says of the demo that all is well', async (t) => {
		const page = await examine(t, demo.url);
		assert.match(await page.locator('#verdict-text').textContent(),
			/^Live updates work\. Pages here will use WebSocket\./);
		assert.equal(await page.locator('#verdict')
			.getAttribute('data-level'), 'good');
		for (const id of ['gateway', 'log', 'exposed', 'trip', 'streams',
			'gzip', 'held', 'tip', 'ws', 'clock', 'silent'])
			assert.equal(await level(page, id), 'good', id);
		assert.deepEqual(await uses(page),
			['first', 'next', 'next', 'next']);
		assert.deepEqual(page.faults.filter((f) => !EXPECTED.test(f)), []);
		assert.equal((await history(demo, 'doctor/check')).length, 1);
		await assertReachable(page);
		await assertLabelled(page);
		await assertLegible(page);
		await page.getByText('All figures').click();
		const figures = JSON.parse(
			await page.locator('#figures').textContent());
		assert.equal(figures.held.started, 5);
		assert.equal(figures.tip.again, 304);
		await page.locator('#thorough').click();
		await finding(page, 'life').waitFor({ timeout: ms(20000) });
		assert.equal(await level(page, 'life'), 'good');
	});

	test('on a phone, in the dark', async (t) => {
		const page = await examine(t, demo.url, { viewport: PHONE,
			colorScheme: 'dark' });
		assert.equal(await sideways(page), 0);
		await assertLegible(page);
	});

	test('sees a buffer, and what pages fall back to', async (t) => {
		const page = await behindProxy(t, (proxy) => {
			proxy.stream = 'buffer';
			proxy.websocket = 502;
		});
		assert.equal(await level(page, 'streams'), 'change');
		assert.match(await finding(page, 'streams').textContent(),
			/server\.stream-response-body = 2/);
		assert.equal(await level(page, 'ws'), 'note');
		assert.equal(await level(page, 'trip'), 'good');
		assert.match(await finding(page, 'trip').textContent(), /by polling/);
		assert.deepEqual(await uses(page), ['no', 'no', 'first', 'next']);
		assert.match(await page.locator('#verdict-text').textContent(),
			/will use Long polling\. One thing could be better\.$/);
		assert.equal(await sideways(page), 0);
	});

	for (const [what, answer, title] of [
		['no program', { status: 404, body: 'Not Found' }, /is not mapped/],
		['a program that fails', { status: 500 }, /could not be started/],
		['a program that is handed out', { headers: { 'Content-Type':
			'application/octet-stream' }, body: '\x7fELF\x02\x01' },
		/handed out, not run/],
		['another page', { body: '<!DOCTYPE html><h1>Blog</h1>' },
			/Something else answers/],
	])
		test(`says why there is ${what}`, async (t) => {
			const page = await behindProxy(t, (proxy) =>
				proxy.answer('/comet/doctor', answer));
			assert.match(await page.locator('#verdict-text').textContent(),
				title);
			assert.equal(await page.locator('.finding').count(), 1);
			assert.equal(await page.locator('#verdict')
				.getAttribute('data-level'), 'fault');
			assert.equal(await page.locator('#using').isVisible(), false);
			assert.equal(await page.locator('#thorough').isDisabled(), true);
		});

	test('an answer that is cut off in silence', async (t) => {
		const page = await behindProxy(t, (proxy) =>
			proxy.lose('/comet/doctor/hold', Infinity));
		assert.equal(await level(page, 'silent'), 'change');
		assert.match(await finding(page, 'silent').textContent(),
			/longpoll-max = \d+s/);
	});

	test('a log that can be fetched', async (t) => {
		const data = path.join(demo.state, 'www/data');
		fs.mkdirSync(data);
		t.after(() => fs.rmSync(data, { recursive: true }));
		fs.writeFileSync(path.join(data, 'cometlog.db'),
			'SQLite format 3\0 and more');
		const page = await examine(t, demo.url);
		assert.equal(await level(page, 'exposed'), 'fault');
		assert.match(await finding(page, 'exposed').textContent(),
			/\/data\/cometlog\.db[^]*url\.access-deny/);
		assert.match(await page.locator('#verdict-text').textContent(),
			/One thing must be mended/);
	});

	test('lines to change can be copied', async (t) => {
		const page = await behindProxy(t, (proxy) =>
			proxy.answer('/comet/doctor', { status: 404, headers: {
				'Content-Type': 'text/html', Server: 'lighttpd' } }));
		const button = page.getByRole('button', { name: /^Copy the lines/ });
		await button.click();
		await page.getByText(/^(Copied|Selected)$/).waitFor();
	});
});
