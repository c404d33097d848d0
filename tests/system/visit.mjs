/* What the tests of the demo's pages share: visitors with a browser of their
   own, and what every page owes them. */
import assert from 'node:assert/strict';
import { launch } from './browser.mjs';
import { ms } from './harness.mjs';

export const PHONE = { width: 360, height: 640 };

let browser;

export async function openBrowser() {
	browser = await launch();
}

export async function closeBrowser() {
	await browser?.close();
}

/* A page on its own, as one visitor has it; page.faults gathers what goes
   wrong.  before(page) is called before the page is asked for, ready(page)
   waits until its scripts are under way. */
export async function visit(t, address, {
	isScripted = true, before = () => {}, ready = () => {}, ...options
} = {}) {
	const context = await browser.newContext({
		javaScriptEnabled: isScripted, ...options,
	});
	t.after(() => context.close());
	const page = await context.newPage();
	page.setDefaultTimeout(ms(20000));
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
	await before(page);
	await page.goto(address);
	try {
		if (isScripted)
			await ready(page);
	} catch (e) {
		throw new Error([e.message, ...page.faults].join('\n'));
	}
	return page;
}

/* By how far the page and the box of messages scroll to the side. */
export const sideways = (page) => page.evaluate(() => {
	const box = document.getElementById('feed');

	return document.documentElement.scrollWidth - window.innerWidth +
		(box ? box.scrollWidth - box.clientWidth : 0);
});

export async function assertLabelled(page) {
	const nameless = await page.locator(
		'input:not([type=hidden], [type=button]), textarea, select')
		.evaluateAll((all) => all.filter((e) =>
			!e.labels[0]?.textContent.trim()).map((e) => e.outerHTML));
	assert.deepEqual(nameless, []);
	const mute = await page.locator('button, a, summary').evaluateAll(
		(all) => all.filter((e) => !e.textContent.trim())
			.map((e) => e.outerHTML));
	assert.deepEqual(mute, []);
	assert.equal(await page.locator('h1').count(), 1);
	assert.equal(await page.locator('html').getAttribute('lang'), 'en');
}

/* Tab comes to everything that can be used, and one sees where one is. */
export async function assertReachable(page) {
	const wanted = await page.locator('a, button, summary, textarea, ' +
		'input:not([type=hidden]), [tabindex]')
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
}

/* All text stands out from its ground, also what shows only at times. */
export async function assertLegible(page) {
	assert.deepEqual(await page.evaluate(faintTexts), []);
}

/* ---- what runs in the page ---- */

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

	document.getElementById('notice').textContent = 'A notice.';
	return [...document.body.querySelectorAll('*')]
		.filter((e) => e.checkVisibility() && hasText(e))
		.map((e) => [contrast(e).toFixed(2), e.outerHTML.slice(0, 120)])
		.filter(([ratio]) => ratio < 4.5);
}
