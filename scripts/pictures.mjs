/*
 * Makes pictures/*.png of the demo's pages:
 *
 *	./demo --board &                # and two minutes for its charts
 *	node scripts/pictures.mjs http://127.0.0.1:8080/
 *
 * It posts to the demo what the pages then show.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const DESK = { width: 1000, height: 700 };
const TALL = { width: 900, height: 970 };
const PHONE = { width: 360, height: 640 };
const MOST_BYTES = 150_000;
const LAB_POSTS = 25;

const TALK = [
	['Ada', 'Is the server back?'],
	['Grace', 'Since four. Nothing was lost: my page just went on.'],
	['Ada', 'Good. Then the new prices go out at noon.'],
	['Linus', 'I read along from the train, by polling.'],
];

const site = process.argv[2];

async function publish(channel, data, event) {
	const answer = await fetch(new URL('/comet/publish', site), {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ channel, data, event }),
	});
	if (!answer.ok)
		throw new Error(`publishing: ${answer.status}`);
}

const live = (page) => page.locator('#state[data-state=live]').waitFor();

/* Each picture: its page, size and colours, and what to do before. */
const PICTURES = {
	async lab(open) {
		return runLab(await open('/lab.html', { viewport: TALL }));
	},

	async 'lab-dark'(open) {
		return runLab(await open('/lab.html',
			{ viewport: TALL, colorScheme: 'dark' }));
	},

	async chat(open) {
		for (const [name, words] of TALK)
			await publish('chat/lobby', words, name);
		const page = await open('/chat.html', { viewport: PHONE });
		await live(page);
		await page.getByText(TALK.at(-1)[1]).last().waitFor();
		await page.getByLabel('Name').fill('Ada');
		return page;
	},

	async board(open) {
		const page = await open('/board.html', { viewport: DESK });
		await live(page);
		await page.locator('#board').waitFor();
		return page;
	},

	async article(open) {
		const page = await open('/article.html', { viewport: DESK });
		for (const words of ['Good morning', 'and good night'])
			await publish('demo/article', words);
		await page.locator('.stage').nth(1).getByText('and good night').last()
			.waitFor();
		await scrollTo(page, '#element-title');
		return page;
	},
};

async function runLab(page) {
	await page.getByRole('button', { name: 'Post every second' }).click();
	await page.waitForFunction((n) =>
		[...document.querySelectorAll('.messages-count')]
			.every((count) => Number(count.textContent) >= n),
	LAB_POSTS, { timeout: 3000 * LAB_POSTS });
	await scrollTo(page, '#bench');
	return page;
}

/* To the top of the picture, with a margin. */
function scrollTo(page, selector) {
	return page.locator(selector).evaluate((e) =>
		window.scrollTo(0, e.getBoundingClientRect().top + scrollY - 20));
}

const browser = await chromium.launch({
	executablePath: '/usr/bin/chromium', args: ['--no-sandbox'],
});

fs.mkdirSync(path.join(ROOT, 'pictures'), { recursive: true });
for (const [name, prepare] of Object.entries(PICTURES)) {
	const file = path.join(ROOT, 'pictures', `${name}.png`);
	const page = await prepare(async (place, options) => {
		const visitor = await browser.newContext(
			{ reducedMotion: 'reduce', ...options });
		const tab = await visitor.newPage();
		await tab.goto(new URL(place, site).href);
		return tab;
	});
	await page.screenshot({ path: file });
	await page.context().close();
	const { size } = fs.statSync(file);
	console.log(`${path.relative(ROOT, file)}: ${size} bytes`);
	if (size > MOST_BYTES)
		throw new Error(`${file} has more than ${MOST_BYTES} bytes`);
}
await browser.close();
