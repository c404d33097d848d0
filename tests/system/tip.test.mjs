/* The tip file: the newest cursor as a static file beside the pages. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	CURSOR, fresh, meanwhile, ms, newestCursor, publish, publishAll, request, seqOf,
	sqlite, startDemo, temporaryFolder, remove, until,
} from './harness.mjs';

let demo;

const tip = (headers = {}) => request(demo, 'GET', '/comet-tip', { headers });

const tipIs = (cursor) => until(async () =>
	(await tip()).text.trim() === cursor,
{ limit: 5000, what: `the tip to be ${cursor}` });

describe('the tip file', { timeout: ms(60000) }, () => {
	const state = temporaryFolder();

	before(async () => { demo = await startDemo({ state }); });
	after(async () => {
		await demo?.stop();
		remove(state);
	});

	test('is there from the start', async () => {
		const answer = await tip();
		assert.equal(answer.status, 200);
		assert.match(answer.headers['content-type'], /^text\/plain\b/);
		assert.match(answer.text.trim(), CURSOR);
		await tipIs(await newestCursor(demo));
	});

	test('is the newest cursor soon after a publish, through whichever ' +
		'process', async () => {
		for (let i = 0; i < 12; i++)
			await tipIs((await publish(demo, fresh(), 'x')).cursor);
		const many = await publishAll(demo, Array.from({ length: 500 },
			(_, data) => ({ channel: fresh(), data })));
		await tipIs(many.at(-1).cursor);
	});

	test('answers 304 as long as nothing is published', async () => {
		await tipIs((await publish(demo, fresh(), 'x')).cursor);
		const first = await tip();
		const { etag } = first.headers;
		assert.ok(etag, 'an ETag');
		for (let i = 0; i < 3; i++) {
			const again = await tip({ 'If-None-Match': etag });
			assert.equal(again.status, 304);
			assert.equal(again.bytes.length, 0);
		}
		await publish(demo, fresh(), 'y');
		await until(async () =>
			(await tip({ 'If-None-Match': etag })).status === 200,
		{ limit: 5000, what: 'another ETag' });
	});

	test('moves with rows of foreign writers', async () => {
		const before = await newestCursor(demo);
		const done = await sqlite(demo, 'INSERT INTO publish(channel, data) ' +
			"VALUES ('foreign', 'x');");
		assert.equal(done.code, 0, done.stderr);
		const now = await newestCursor(demo);
		assert.equal(seqOf(now), seqOf(before) + 1);
		await tipIs(now);
	});

	test('never goes back and is never half written under load', async () => {
		let last = 0;
		const look = async () => {
			const { status, text } = await tip();
			assert.equal(status, 200);
			assert.match(text.trim(), CURSOR);
			assert.ok(seqOf(text.trim()) >= last,
				`${text.trim()} after ${last}`);
			last = seqOf(text.trim());
		};
		await meanwhile(4, () => publish(demo, 'load', 'x'), async () => {
			for (let i = 0; i < 200; i++)
				await look();
		});
		await tipIs(await newestCursor(demo));
	});

	test('outlives kill -9 of every worker', async () => {
		await demo.killWorkers();
		assert.equal((await tip()).status, 200);
		await tipIs((await until(() => publish(demo, fresh(), 'x'))).cursor);
	});

	test('is right after a restart', async () => {
		const { cursor } = await publish(demo, fresh(), 'x');
		await demo.stop();
		demo = await startDemo({ state });
		await tipIs(cursor);
	});
});
