/* The lab in a real browser: every technique runs by itself and is measured. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ms, publish, request, startDemo, until } from './harness.mjs';
import { closeBrowser, openBrowser, visit } from './visit.mjs';

const CHANNEL = 'lab/posts';
const TECHNIQUES = ['Short polling', 'Long polling', 'Script streaming',
	'Server-Sent Events', 'WebSocket'];
const STREAMS = TECHNIQUES.slice(2);

let demo;

before(async () => {
	demo = await startDemo({ workers: 1, options: { heartbeat: 1000 } });
	await openBrowser();
});

after(async () => {
	await closeBrowser();
	await demo?.stop();
});

/* The lab with all its lanes live. */
const open = (t) => visit(t, new URL('lab.html', demo.url).href, {
	async ready(page) {
		for (const name of TECHNIQUES)
			await laneOf(page, name).locator('[data-state=live]').waitFor();
	},
});

const laneOf = (page, name) => page.locator('.lane').filter({
	has: page.getByRole('heading', { name, exact: true }) });

const figure = (page, name, label) => laneOf(page, name)
	.locator('.figures div').filter({ hasText: label }).locator('dd');

const postButton = (page) => page.getByRole('button',
	{ name: 'Post a message' });

const numberOf = async (page, name, label) =>
	Number(await figure(page, name, label).textContent());

/* Waits until the lane has counted so many messages. */
const counted = (page, name, n, limit = 20000) =>
	figure(page, name, 'Messages')
		.filter({ hasText: new RegExp(`^${n}$`) })
		.waitFor({ timeout: ms(limit) });

async function wireOf(page, name) {
	const lane = laneOf(page, name);

	await lane.getByText('On the wire').click();
	return (await lane.locator('.wire li').allTextContents()).join('\n');
}

describe('the lab', () => {
	test('each technique counts what is posted, with its latency',
	async (t) => {
		const page = await open(t);
		for (let i = 1; i <= 3; i++) {
			await postButton(page).click();
			for (const name of TECHNIQUES)
				await counted(page, name, i);
		}
		assert.equal(await page.locator('#posted').textContent(), '3');
		for (const name of TECHNIQUES) {
			for (const label of ['Last', 'Median'])
				assert.match(await figure(page, name, label)
					.textContent(), /^[\d.]+ m?s$/, `${name}, ${label}`);
			assert.equal(await laneOf(page, name)
				.locator('svg circle').count(), 3, name);
			assert.match(await figure(page, name, 'Received')
				.textContent(), /^[1-9][\d.]* k?B$/, name);
		}
		assert.deepEqual(page.faults, []);
	});

	test('polling costs requests, a stream but one', async (t) => {
		const page = await open(t);
		await postButton(page).click();
		await until(async () =>
			await numberOf(page, 'Short polling', 'Requests') >= 3);
		for (const name of STREAMS)
			assert.equal(await numberOf(page, name, 'Requests'), 1, name);
		const asked = await numberOf(page, 'Long polling', 'Requests');
		assert.ok(asked <= 4, `${asked} long polls for one message`);
	});

	test('it shows what each has on the wire', async (t) => {
		const page = await open(t);
		await postButton(page).click();
		for (const name of TECHNIQUES)
			await counted(page, name, 1);
		assert.match(await wireOf(page, 'Short polling'),
			/GET \/comet\/poll\?channel=lab\/posts&since=\d+\./);
		assert.match(await wireOf(page, 'Long polling'),
			/GET \/comet\/longpoll\?/);
		assert.match(await wireOf(page, 'Script streaming'),
			/<script>parent\.comet\(\{"seq":\d+,/);
		assert.match(await wireOf(page, 'Server-Sent Events'),
			/id: \d+\.[0-9a-f]{8}\ndata: \{"page":/);
		assert.match(await wireOf(page, 'WebSocket'), /"op":"message"/);
	});

	test('messages from elsewhere count, but have no latency', async (t) => {
		const page = await open(t);
		await publish(demo, CHANNEL, 'words from elsewhere');
		for (const name of TECHNIQUES) {
			await counted(page, name, 1);
			assert.equal(await figure(page, name, 'Last').textContent(),
				'–', name);
		}
		assert.deepEqual(page.faults, []);
	});

	for (const name of TECHNIQUES)
		test(`${name}: stopped it asks for nothing, started it catches up`,
		async (t) => {
			const page = await open(t);
			await page.getByRole('button', { name: `Stop: ${name}` }).click();
			await laneOf(page, name).getByText('Stopped').waitFor();
			const asked = await numberOf(page, name, 'Requests');
			await postButton(page).click();
			for (const other of TECHNIQUES.filter((o) => o !== name))
				await counted(page, other, 1);
			assert.equal(await numberOf(page, name, 'Messages'), 0);
			assert.equal(await numberOf(page, name, 'Requests'), asked);
			await page.getByRole('button', { name: `Start: ${name}` })
				.click();
			await counted(page, name, 1);
			assert.equal(await figure(page, name, 'Last').textContent(), '–');
			await postButton(page).click();
			await counted(page, name, 2);
			assert.notEqual(
				await figure(page, name, 'Last').textContent(), '–');
		});

	test('every second is a post, until it is told to stop', async (t) => {
		const page = await open(t);
		const button = page.getByRole('button', { name: 'Post every second' });
		await button.focus();
		await page.keyboard.press('Space');
		assert.equal(await button.getAttribute('aria-pressed'), 'true');
		for (const name of TECHNIQUES)
			await until(async () =>
				await numberOf(page, name, 'Messages') >= 2);
		await page.keyboard.press('Space');
		assert.equal(await button.getAttribute('aria-pressed'), 'false');
	});

	test('Clear the figures begins anew', async (t) => {
		const page = await open(t);
		await postButton(page).click();
		for (const name of TECHNIQUES)
			await counted(page, name, 1);
		await page.getByRole('button', { name: 'Clear the figures' }).click();
		for (const name of TECHNIQUES) {
			await counted(page, name, 0);
			assert.equal(await laneOf(page, name)
				.locator('svg circle').count(), 0, name);
		}
	});

	test('every lane comes back after all workers were killed', async (t) => {
		const page = await open(t);
		await postButton(page).click();
		for (const name of TECHNIQUES)
			await counted(page, name, 1);
		await demo.killWorkers();
		await until(() => publish(demo, CHANNEL, 'after the break'));
		/* a frame notices only by the silence */
		for (const name of TECHNIQUES)
			await counted(page, name, 2, 60000);
	});

	test('a post that fails is said', async (t) => {
		const page = await open(t);
		await page.route('**/comet/publish/**',
			(route) => route.fulfill({ status: 503 }));
		await postButton(page).click();
		await page.getByText('Not posted: the server answered 503').waitFor();
	});

	test('what was stopped holds no connection', async (t) => {
		await nothingHeld('of what other tests held');
		const page = await open(t);
		await until(async () => await held() >= STREAMS.length - 1);
		for (const name of TECHNIQUES)
			await page.getByRole('button', { name: `Stop: ${name}` }).click();
		await nothingHeld('of all held answers');
	});
});

/* Held answers, as the server counts them. */
async function held() {
	const { json } = await request(demo, 'GET', demo.base + '/status',
		{ headers: { Accept: 'application/json' } });

	return json.held;
}

/* A long poll that its client left may last out its time. */
const nothingHeld = (what) => until(async () => await held() === 0,
	{ limit: 40000, what: `the end ${what}` });
