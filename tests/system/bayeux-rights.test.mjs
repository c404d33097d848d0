/* Who may publish over Bayeux by GET, which any page can make a browser do. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT, fresh, get, history, startDemo } from './harness.mjs';

const BROWSER = { 'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64)' };

let demo;

/* What a message by GET was told. */
async function publishByGet(where, channel, headers) {
	const answer = await get(where, '/bayeux', { jsonp: 'cb', message:
		JSON.stringify([{ channel: `/${channel}`, data: 1 }]) }, { headers });
	assert.equal(answer.status, 200, answer.text);
	return JSON.parse(/^\/\*\*\/cb\((.*)\);\s*$/s.exec(answer.text)[1])[0];
}

async function assertPublishes(headers, is) {
	const channel = fresh('bayeux');
	const reply = await publishByGet(demo, channel, headers);
	assert.equal(reply.successful, is, JSON.stringify(reply));
	assert.equal((await history(demo, channel)).length, is ? 1 : 0);
	if (!is)
		assert.match(reply.error, /^403:/);
}

before(async () => {
	demo = await startDemo();
});

after(() => demo?.stop());

describe('a message by GET', () => {
	test('is taken from pages of this site and from programs', async () => {
		const here = demo.url.replace(/\/$/, '');
		await assertPublishes({}, true);
		await assertPublishes({ ...BROWSER, 'Referer': demo.url }, true);
		await assertPublishes({ ...BROWSER, 'Origin': here }, true);
		await assertPublishes({ ...BROWSER,
			'Sec-Fetch-Site': 'same-origin' }, true);
	});

	test('is refused from other pages, whatever they hide', async () => {
		const there = 'http://elsewhere.example';
		await assertPublishes({ ...BROWSER, 'Referer': `${there}/x` }, false);
		await assertPublishes({ ...BROWSER, 'Origin': there }, false);
		await assertPublishes({ ...BROWSER, 'Origin': 'null' }, false);
		await assertPublishes({ ...BROWSER,
			'Sec-Fetch-Site': 'cross-site' }, false);
		await assertPublishes(BROWSER, false);
	});

	test('is refused where the method says who may publish', async () => {
		const closed = await startDemo({
			options: { 'bayeux-publish': 'post' } });
		try {
			const channel = fresh('bayeux');
			const reply = await publishByGet(closed, channel, {});
			assert.match(reply.error, /^403:.*bayeux-publish/);
			assert.equal((await history(closed, channel)).length, 0);
		} finally {
			await closed.stop();
		}
	});

	test('is refused in every installation that closes publishing', () => {
		for (const name of ['systemd/cometlog.conf', 'bundle/defaults.conf'])
			assert.match(fs.readFileSync(path.join(ROOT, name), 'utf8'),
				/^bayeux-publish = (off|post)$/m, name);
	});
});
