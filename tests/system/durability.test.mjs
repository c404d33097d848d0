/*
 * What was acknowledged stays, and comes once and in order, whatever dies.
 * Also under ThreadSanitizer.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	assertProblem, epochOf, Fcgi, fcgiRequest, fresh, get, history, meanwhile, ms,
	newestCursor, openEvents,
	openLines, openText, pause, post, publish, publishAll, remove, run, seqOf,
	sqlite, startDemo, temporaryFolder, until, within,
} from './harness.mjs';

/* ---- readers that come back ---- */

/*
 * Each reads base/** from a cursor on, and goes on from the last whole message
 * or sign of life whenever its answer ends, however it ends.  What it saw is in
 * seen: { seq, id }.
 */
class Reader {
	constructor(demo, channel, cursor) {
		Object.assign(this, { demo, channel, cursor, seen: [], gaps: 0,
			rounds: 0, isOver: false });
		this.running = this.#run();
	}

	async #run() {
		while (!this.isOver) {
			this.rounds++;
			await this.round().catch(() => pause(20));
		}
	}

	saw(message) {
		this.seen.push({ seq: message.seq, id: message.id });
	}

	async stop() {
		this.isOver = true;
		this.held?.close();
		await this.running;
	}
}

class EventsReader extends Reader {
	async round() {
		this.held = await openEvents(this.demo,
			{ channel: this.channel, format: 'json', since: this.cursor },
			{ headers: { 'Last-Event-ID': this.cursor } });
		assert.equal(this.held.status, 200);
		for await (const event of this.held) {
			this.cursor = event.id;
			if (event.type === 'gap')
				this.gaps++;
			else if (event.type !== 'heartbeat')
				this.saw(JSON.parse(event.data));
		}
	}
}

class LinesReader extends Reader {
	async round() {
		this.held = await openLines(this.demo,
			{ channel: this.channel, since: this.cursor });
		assert.equal(this.held.status, 200);
		for await (const object of this.held) {
			if (object.gap !== undefined)
				this.gaps++;
			else if (object.heartbeat !== undefined)
				this.cursor = object.heartbeat;
			else {
				this.cursor = `${object.seq}.${epochOf(this.cursor)}`;
				this.saw(object);
			}
		}
	}
}

class LongpollReader extends Reader {
	async round() {
		const { status, json } = await get(this.demo, '/longpoll',
			{ channel: this.channel, since: this.cursor, timeout: 2 });
		assert.equal(status, 200);
		if (json.gap)
			this.gaps++;
		json.messages.forEach((m) => this.saw(m));
		this.cursor = json.cursor;
	}
}

/* ---- publishers that insist ---- */

/* Publishes n messages one after the other, each until it is acknowledged. */
async function insist(demo, base, name, n, acknowledged) {
	for (let i = 0; i < n(); i++) {
		const id = `${name}-${i}`;
		await until(async () => {
			const answer = await post(demo,
				`/publish/${base}/${name}?id=${id}`, 'text/plain', id);
			if (answer.status !== 201 && answer.status !== 200)
				return false;
			acknowledged.set(id, answer.json.seq);
			return true;
		}, { limit: 30000, every: 5, what: `${id} to be acknowledged` });
	}
}

/* Every acknowledged message once, in order, with the seq it was told. */
function assertWhole(seen, acknowledged, who) {
	for (let i = 1; i < seen.length; i++)
		assert.ok(seen[i].seq > seen[i - 1].seq,
			`${who}: ${seen[i].seq} after ${seen[i - 1].seq}`);
	const got = new Map(seen.map((m) => [m.id, m.seq]));
	assert.equal(got.size, seen.length, `${who}: an id came twice`);
	for (const [id, seq] of acknowledged)
		assert.equal(got.get(id), seq, `${who}: ${id}`);
	assert.equal(got.size, acknowledged.size, `${who}: more than was sent`);
	const next = new Map();
	for (const { id } of seen) {
		const [name, i] = id.split('-');
		assert.equal(Number(i), next.get(name) ?? 0, `${who}: ${id}`);
		next.set(name, Number(i) + 1);
	}
}

async function underLoad(demo, disturb) {
	const base = fresh('load');
	const channel = `${base}/**`;
	const start = await newestCursor(demo);
	const readers = [EventsReader, EventsReader, LinesReader, LinesReader,
		LongpollReader, LongpollReader]
		.map((Kind) => new Kind(demo, channel, start));
	const acknowledged = new Map();
	let isOver = false;
	const n = () => isOver ? 0 : Infinity;
	const publishers = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) =>
		insist(demo, base, name, n, acknowledged));
	const progress = async (by) => {
		const from = acknowledged.size;
		await until(() => acknowledged.size >= from + by,
			{ limit: 30000, what: `${by} more acknowledgements` });
	};
	try {
		await disturb(progress);
	} finally {
		isOver = true;
		await Promise.allSettled(publishers);
	}
	await Promise.all(publishers);
	await until(() => readers.every((r) =>
		r.seen.length >= acknowledged.size),
	{ limit: 30000, what: 'all readers to have everything' }).catch(() => {});
	await Promise.all(readers.map((r) => r.stop()));
	assertWhole(await history(demo, channel, start), acknowledged, 'the log');
	for (const reader of readers) {
		assertWhole(reader.seen, acknowledged, reader.constructor.name);
		assert.equal(reader.gaps, 0, 'nobody was told a gap');
	}
	return { acknowledged, readers };
}

/* ---- the tests ---- */

describe('what was acknowledged', { timeout: ms(200000) }, () => {
	let demo;

	before(async () => {
		demo = await startDemo({ options:
			{ heartbeat: 1000, 'busy-wait': 300 } });
	});
	after(async () => { await demo?.stop(); });

	test('survives kill -9 of every worker again and again, under load: ' +
		'nothing lost, nothing doubled, nothing out of order',
	{ timeout: ms(90000) }, async () => {
		const { readers } = await underLoad(demo, async (progress) => {
			for (let round = 0; round < 8; round++) {
				await progress(60);
				if (round % 2)
					await demo.killWorkers();
				else
					for (const name of Object.keys(demo.workers()))
						await demo.replaced(name, demo.kill9(name));
			}
			await progress(60);
		});
		for (const reader of readers)
			assert.ok(reader.rounds > 3, 'every reader was cut off');
	});

	test('survives a clean stop of every worker under load', {
		timeout: ms(60000) }, async () => {
		await underLoad(demo, async (progress) => {
			for (let round = 0; round < 4; round++) {
				await progress(40);
				await demo.killWorkers(round % 2 ? 'SIGTERM' : 'SIGUSR1');
			}
			await progress(40);
		});
	});

	test('survives kill -9 of the web server', { timeout: ms(60000) },
		async () => {
			await underLoad(demo, async (progress) => {
				await progress(40);
				await demo.replaced('web', demo.kill9('web'));
				await progress(40);
			});
		});

	test('as a batch is there whole or not at all after kill -9',
		{ timeout: ms(60000) }, async () => {
			const channel = fresh();
			const outcomes = new Map();
			const batch = async (who, i) => {
				const name = `${who}/${i}`;
				outcomes.set(name, 'unknown');
				await publishAll(demo, Array.from({ length: 200 },
					(_, j) => ({ channel, data: `${name}/${j}` })))
					.then(() => outcomes.set(name, 'stored'),
						() => pause(10));
			};
			await meanwhile(3, batch, async () => {
				for (let round = 0; round < 4; round++) {
					const from = outcomes.size;
					await until(() => outcomes.size > from + 6);
					await demo.killWorkers();
				}
			});
			const parts = new Map();
			for (const { data, seq } of await history(demo, channel)) {
				const name = data.slice(0, data.lastIndexOf('/'));
				const list = parts.get(name) ?? [];
				assert.equal(Number(data.slice(name.length + 1)), list.length);
				assert.ok(list.length === 0 || list.at(-1) + 1 === seq,
					'the seqs of a batch are adjacent');
				parts.set(name, [...list, seq]);
			}
			for (const [name, list] of parts)
				assert.equal(list.length, 200, `${name} is half stored`);
			for (const [name, outcome] of outcomes)
				assert.ok(outcome !== 'stored' || parts.has(name), name);
		});

	test('is refused with 503 while another process has the log locked, and ' +
		'then works', async () => {
		const channel = fresh();
		const shell = run('sqlite3', [demo.log], { input: null });
		shell.child.stdin.write('.timeout 5000\nBEGIN EXCLUSIVE;\n' +
			"SELECT 'held';\n");
		await until(() => shell.stdout.includes('held'),
			{ what: 'the lock' });
		const events = await openEvents(demo, { channel });
		for (const type of ['text/plain', 'application/json']) {
			const answer = await post(demo, `/publish/${channel}?id=i`, type,
				'1');
			assertProblem(assert, answer, 503);
			assert.ok(!answer.text.includes(demo.state), answer.text);
			assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
		}
		shell.child.stdin.end('ROLLBACK;\n');
		await within(shell.done, 5000, 'the end of the lock');
		assert.deepEqual(await history(demo, channel), []);
		const answer = await post(demo, `/publish/${channel}?id=i`,
			'text/plain', 'now');
		assert.equal(answer.status, 201, 'the id of a refused publish is free');
		assert.equal((await events.nextMessage()).data, 'now');
		assert.equal((await history(demo, channel)).length, 1);
		events.close();
	});

	test('waits out a lock that is held shortly', async () => {
		const channel = fresh();
		const shell = run('sqlite3', [demo.log], { input: null });
		shell.child.stdin.write('.timeout 5000\nBEGIN IMMEDIATE;\n' +
			"SELECT 'held';\n");
		await until(() => shell.stdout.includes('held'));
		const answer = post(demo, `/publish/${channel}`, 'text/plain', 'x');
		await pause(50);
		shell.child.stdin.end('COMMIT;\n');
		await shell.done;
		assert.equal((await answer).status, 201);
	});

	test('is not in a log that is deleted under way: a new epoch, a gap, and ' +
		'everything goes on', async () => {
		const channel = fresh();
		const old = await publish(demo, channel, 'old');
		const events = [await openEvents(demo, { channel }),
			await openEvents(demo, { channel })];
		const lines = await openLines(demo, { channel });
		for (const suffix of ['', '-wal', '-shm'])
			fs.rmSync(demo.log + suffix, { force: true });
		const fresher = await publish(demo, channel, 'new');
		assert.notEqual(epochOf(fresher.cursor), epochOf(old.cursor));
		for (const reader of events) {
			let event;
			do
				event = await reader.next(10000, 'a gap');
			while (event.type === 'heartbeat');
			assert.equal(event.type, 'gap');
			event = await reader.nextMessage();
			assert.deepEqual(event,
				{ type: 'message', data: 'new', id: fresher.cursor });
			reader.close();
		}
		let line;
		do
			line = await lines.next(10000, 'a gap');
		while (line.heartbeat !== undefined);
		assert.equal(line.gap, true);
		assert.equal((await lines.nextMessage()).data, 'new');
		lines.close();
		for (let i = 0; i < 6; i++) {
			const { json } = await get(demo, '/poll',
				{ channel, since: old.cursor });
			assert.equal(json.gap, true);
			assert.deepEqual(json.messages.map((m) => m.data), ['new']);
			assert.equal(epochOf(json.cursor), epochOf(fresher.cursor));
		}
		assert.equal((await sqlite(demo, 'PRAGMA integrity_check;')).stdout,
			'ok\n');
	});

	test('goes on after the log was moved away and another put in its place',
		async () => {
			const channel = fresh();
			const old = await publish(demo, channel, 'old');
			const backup = `${demo.log}-backup`;
			const done = await sqlite(demo, `.backup '${backup}'`);
			assert.equal(done.code, 0, done.stderr);
			await publish(demo, channel, 'after the backup');
			for (const suffix of ['-wal', '-shm'])
				fs.rmSync(demo.log + suffix, { force: true });
			fs.renameSync(backup, demo.log);
			const { cursor } = await publish(demo, channel, 'restored');
			assert.notEqual(epochOf(cursor), epochOf(old.cursor));
			const { json } = await get(demo, '/poll',
				{ channel, since: old.cursor });
			assert.equal(json.gap, true);
			assert.deepEqual(json.messages.map((m) => m.data),
				['old', 'restored']);
		});
});

describe('a stop', { timeout: ms(90000) }, () => {
	const state = temporaryFolder();
	after(() => remove(state));

	const options = { heartbeat: 1000 };

	/* One of each held technique, at rest. */
	async function heldAnswers(demo, channel, since) {
		return {
			events: await openEvents(demo, { channel, since }),
			lines: await openLines(demo, { channel, since }),
			script: await openText(demo, '/stream',
				{ channel, since, format: 'script' }),
			longpoll: get(demo, '/longpoll',
				{ channel, since, timeout: 50 }, { limit: 20000 }),
		};
	}

	async function assertEndedWell({ events, lines, script, longpoll }) {
		const answer = await longpoll;
		assert.equal(answer.status, 200);
		assert.deepEqual(answer.json.messages, []);
		for (const held of [events, lines, script])
			assert.equal(await within(held.finished, 10000, 'the end'),
				'complete');
		assert.match(script.text, /<\/html>\s*$/i);
		return answer.json.cursor;
	}

	/* Until the long poll's request is certainly held: it is one of four. */
	async function allHeld({ events, lines }) {
		await events.next(5000, 'a heartbeat');
		await lines.next(5000, 'a heartbeat');
	}

	test('by SIGTERM of the workers ends held answers properly, and readers ' +
		'resume at the new ones', async () => {
		const demo = await startDemo({ options });
		try {
			const channel = fresh();
			const since = await newestCursor(demo);
			const held = await heldAnswers(demo, channel, since);
			await allHeld(held);
			await demo.killWorkers('SIGTERM');
			const cursor = await assertEndedWell(held);
			await publish(demo, channel, 'after');
			const answer = await get(demo, '/longpoll',
				{ channel, since: cursor });
			assert.deepEqual(answer.json.messages.map((m) => m.data),
				['after']);
			const events = await openEvents(demo, { channel }, { headers:
				{ 'Last-Event-ID': held.events.decoder.lastEventId } });
			assert.equal((await events.nextMessage()).data, 'after');
			events.close();
		} finally {
			await demo.stop();
		}
	});

	test('waits for requests that are on their way in', async () => {
		const demo = await startDemo({ workers: 1, options });
		try {
			const channel = fresh();
			const whole = fcgiRequest('POST', `/publish/${channel}`,
				{ body: 'late', variables: { CONTENT_TYPE: 'text/plain' } });
			const begun = new Fcgi(demo.sockets()[0]);
			begun.send(whole.subarray(0, 100));
			await get(demo, '/status');
			await pause(100);
			const pid = demo.signal('worker-1', 'SIGTERM');
			await pause(100);
			begun.send(whole.subarray(100));
			assert.equal((await begun.answer()).status, 201);
			await demo.replaced('worker-1', pid);
			assert.deepEqual((await history(demo, channel))
				.map((m) => m.data), ['late']);
		} finally {
			await demo.stop();
		}
	});

	test('closes kept connections, and holds no answer any more', async () => {
		const demo = await startDemo({ workers: 1, options });
		try {
			const whole = fcgiRequest('GET', '/longpoll?channel=a',
				{ flags: 1 });
			const kept = new Fcgi(demo.sockets()[0]);
			kept.send(fcgiRequest('GET', '/poll?channel=a', { flags: 1 }));
			assert.equal((await kept.answer()).status, 200);
			const begun = new Fcgi(demo.sockets()[0]);
			begun.send(whole.subarray(0, 100));
			await get(demo, '/status');
			await pause(100);
			const pid = demo.signal('worker-1', 'SIGTERM');
			await within(kept.closed, 20000, 'the end of what was kept');
			begun.send(whole.subarray(100));
			const answer = await begun.answer();
			assert.equal(answer.status, 200);
			assert.deepEqual(answer.json.messages, []);
			await within(begun.closed, 20000, 'its end');
			await demo.replaced('worker-1', pid);
		} finally {
			await demo.stop();
		}
	});

	test('answers a request that the log kept waiting beyond its patience',
		async () => {
			const demo = await startDemo({ workers: 1, options:
				{ ...options, journal: 'rollback', 'busy-wait': 30000 } });
			try {
				const request = fcgiRequest('GET', '/poll?channel=a',
					{ flags: 1 });
				const kept = new Fcgi(demo.sockets()[0]);
				kept.send(request);
				assert.equal((await kept.answer()).status, 200);
				kept.bytes = Buffer.alloc(0);
				const shell = run('sqlite3', [demo.log], { input: null });
				shell.child.stdin.write(
					'BEGIN EXCLUSIVE; SELECT \'locked\';\n');
				await until(() => shell.stdout.includes('locked'));
				kept.send(request);
				await pause(100);
				const pid = demo.signal('worker-1', 'SIGTERM');
				await pause(3000); /* a stop's patience is 2.5 s */
				shell.child.stdin.end('COMMIT;\n');
				assert.equal((await kept.answer()).status, 200);
				await demo.replaced('worker-1', pid);
				assert.doesNotMatch(demo.job.stderr, /killed|status [1-9]/);
			} finally {
				await demo.stop();
			}
		});

	test('of the demo ends held answers properly, and log, cursors and ids ' +
		'outlive it', async () => {
		let demo = await startDemo({ state, options });
		const channel = fresh();
		const first = await publish(demo, channel, 'first', { id: 'i' });
		const held = await heldAnswers(demo, channel, first.cursor);
		await allHeld(held);
		const stopped = demo.stop({ keepState: true });
		await assertEndedWell(held);
		await stopped;
		demo = await startDemo({ state, workers: 1, options });
		try {
			assert.equal(await newestCursor(demo), first.cursor);
			const again = await post(demo, `/publish/${channel}?id=i`,
				'text/plain', 'first');
			assert.equal(again.status, 200);
			assert.equal(again.json.seq, first.seq);
			const second = await publish(demo, channel, 'second');
			assert.equal(second.seq, first.seq + 1);
			const events = await openEvents(demo, { channel },
				{ headers: { 'Last-Event-ID':
					held.events.decoder.lastEventId } });
			assert.deepEqual(await events.next(), { type: 'message',
				data: 'second', id: second.cursor });
			events.close();
		} finally {
			await demo.stop();
		}
	});

	test('and a boot of the machine keep the cursor of a reader that has ' +
		'seen more than the log', async () => {
		let demo = await startDemo({ state, options });
		const channel = fresh();
		const known = await publish(demo, channel, 'known');
		await demo.stop();
		const wake = fs.openSync(`${demo.log}-wake`, 'r+');
		fs.writeSync(wake, 'another boot', 16);
		fs.closeSync(wake);
		demo = await startDemo({ state, options });
		try {
			const lost = `${known.seq + 3}.${epochOf(known.cursor)}`;
			const events = await openEvents(demo, { channel },
				{ headers: { 'Last-Event-ID': lost } });
			const next = await publish(demo, channel, 'next');
			assert.ok(next.seq > known.seq + 3);
			assert.equal(epochOf(next.cursor), epochOf(known.cursor));
			assert.deepEqual(await events.next(), { type: 'message',
				data: 'next', id: next.cursor });
			events.close();
			const all = await history(demo, channel);
			assert.deepEqual(all.map((m) => m.data), ['known', 'next']);
		} finally {
			await demo.stop();
		}
	});

	test('and a copy put in the log\'s place give the log a new epoch',
		async () => {
			let demo = await startDemo({ state, options });
			const channel = fresh();
			const { cursor } = await publish(demo, channel, 'one');
			await demo.stop();
			const copy = path.join(state, 'copy');
			fs.copyFileSync(demo.log, copy);
			demo = await startDemo({ state, options });
			const later = await publish(demo, channel, 'not in the copy');
			await demo.stop();
			for (const suffix of ['', '-wal', '-shm'])
				fs.rmSync(demo.log + suffix, { force: true });
			fs.renameSync(copy, demo.log);
			demo = await startDemo({ state, options });
			try {
				assert.notEqual(epochOf(await newestCursor(demo)),
					epochOf(cursor));
				await publish(demo, channel, 'two');
				const { json } = await get(demo, '/poll',
					{ channel, since: later.cursor });
				assert.equal(json.gap, true);
				assert.deepEqual(json.messages.map((m) => m.data),
					['one', 'two']);
			} finally {
				await demo.stop();
			}
		});
});

describe('a log with a rollback journal', { timeout: ms(90000) }, () => {
	let demo;

	before(async () => {
		demo = await startDemo({ options: { journal: 'rollback',
			heartbeat: 1000, 'busy-wait': 2000, durability: 'normal' } });
	});
	after(async () => { await demo?.stop(); });

	test('loses nothing to kill -9 under load either',
		{ timeout: ms(60000) }, async () => {
			await underLoad(demo, async (progress) => {
				for (let round = 0; round < 3; round++) {
					await progress(30);
					await demo.killWorkers();
				}
				await progress(30);
			});
			assert.ok(!fs.existsSync(`${demo.log}-shm`));
		});

	test('takes rows of foreign writers', async () => {
		const channel = fresh();
		const events = await openEvents(demo, { channel });
		const done = await sqlite(demo, 'INSERT INTO publish(channel, data) ' +
			`VALUES ('${channel}', 'row');`);
		assert.equal(done.code, 0, done.stderr);
		assert.equal((await events.nextMessage()).data, 'row');
		events.close();
	});
});

/* A file system of two megabytes, where this may be made. */
function smallFileSystem() {
	const folder = temporaryFolder();
	try {
		execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'none', folder],
			{ stdio: 'ignore' });
		return folder;
	} catch {
		remove(folder);
		return null;
	}
}

describe('a full disk', { timeout: ms(60000) }, () => {
	const folder = smallFileSystem();
	let demo;

	after(async () => {
		await demo?.stop();
		if (folder !== null) {
			execFileSync('umount', [folder]);
			remove(folder);
		}
	});

	test('is told by 503, nothing is half stored, and reading and publishing ' +
		'go on once there is room', { skip: folder === null &&
		'no file system may be mounted here' }, async () => {
		demo = await startDemo({ state: folder });
		const filler = path.join(folder, 'filler');
		const channel = fresh();
		const data = 'x'.repeat(20000);
		const { json } = await post(demo, `/publish/${channel}`, 'text/plain',
			'first');
		try {
			fs.writeFileSync(filler, Buffer.alloc(4 << 20));
		} catch (e) {
			assert.equal(e.code, 'ENOSPC');
		}
		let stored = 0;
		const refused = await until(async () => {
			const answer = await post(demo, '/publish',
				'application/x-ndjson', Array.from({ length: 2 }, () =>
					JSON.stringify({ channel, data })).join('\n'));
			if (answer.status !== 201)
				return answer;
			stored += 2;
			return false;
		}, { every: 1, what: 'the disk to be full' });
		assertProblem(assert, refused, 503);
		assert.ok(!refused.text.includes(demo.state), refused.text);
		assert.match(refused.headers['retry-after'], /^[1-9]\d*$/);
		assert.equal((await history(demo, channel)).length, 1 + stored);
		fs.rmSync(filler);
		const after = await until(() => publish(demo, channel, 'after'),
			{ what: 'a publish once there is room' });
		assert.ok(after.seq > json.seq);
		assert.equal((await history(demo, channel)).length, 2 + stored);
		assert.equal(seqOf(after.cursor), after.seq);
	});
});
