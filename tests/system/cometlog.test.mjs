/* cometlog publish and cometlog read: the log from the command line, beside
   workers that use it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	PROGRAM, environment, fresh, history, ms, openEvents, publish, Queue,
	remove, run, runToEnd, startDemo, temporaryFolder, within,
} from './harness.mjs';

const TOOL = path.join(path.dirname(PROGRAM), 'cometlog');

let demo;

const tool = (args, options = {}) => runToEnd(TOOL, args,
	{ input: '', ...options });
const put = (args, options) =>
	tool(['publish', '--log', demo.log, ...args], options);
const read = async (args, log = demo.log) => {
	const { code, stdout, stderr } = await tool(['read', '--log', log,
		...args]);

	assert.equal(code, 0, stderr);
	return stdout.split('\n').filter(Boolean).map(JSON.parse);
};
const refused = async (job, status, words) => {
	const { code, stdout, stderr } = await job;

	assert.equal(code, status, stderr);
	assert.equal(stdout, '');
	assert.match(stderr, words);
};

/* cometlog read --follow: its lines as they come. */
function follow(t, args) {
	const job = run(TOOL, ['read', '--log', demo.log, '--follow', ...args]);
	const lines = new Queue();
	let rest = '';

	job.child.stdout.on('data', (d) => {
		const all = (rest + d).split('\n');
		rest = all.pop();
		for (const line of all)
			lines.push(JSON.parse(line));
	});
	job.done.then(() => lines.end());
	t.after(() => job.child.kill('SIGKILL'));
	return { lines, job };
}

describe('cometlog', { timeout: ms(180000) }, () => {
	before(async () => {
		demo = await startDemo({ workers: 2,
			options: { 'message-bytes': 3000, heartbeat: 1000 } });
	});

	after(() => demo?.stop());

	test('publishes what it is given, and says the seq', async () => {
		const channel = fresh();
		const said = [
			await put([channel, 'one']),
			await put(['--event', 'e', '--id=x', channel, '-'],
				{ input: 'two\n' }),
			await put(['--json', channel, '{"a": [1, 2]}']),
			await put(['--', channel, '--three']),
			await put([channel], { input: '' }),
		].map(({ stdout }) => stdout);
		const all = await history(demo, channel);
		assert.deepEqual(all.map((m) => [m.data, m.event, m.id]), [
			['one', undefined, undefined], ['two\n', 'e', 'x'],
			[{ a: [1, 2] }, undefined, undefined],
			['--three', undefined, undefined], ['', undefined, undefined],
		]);
		assert.deepEqual(said, all.map((m) => `${m.seq}\n`));
	});

	test('an id counts once, also against HTTP', async () => {
		const channel = fresh();
		const { seq } = await publish(demo, channel, 'x', { id: 'k' });
		const again = await put(['--id', 'k', channel, 'y']);
		assert.equal(again.stdout, `${seq}\n`);
		assert.equal((await history(demo, channel)).length, 1);
	});

	test('a batch is stored all or none', async () => {
		const channel = fresh();
		const line = (data) => `${JSON.stringify({ channel, data })}\n`;
		const { stdout } = await put(['--ndjson'],
			{ input: line(1) + line('two') });
		assert.deepEqual((await history(demo, channel)).map((m) => m.seq),
			stdout.trim().split('\n').map(Number));
		await refused(put(['--ndjson'], { input: line(3) + '{"data":1}\n' }),
			2, /channel/);
		assert.equal((await history(demo, channel)).length, 2);
	});

	test('the limits are the log\'s own', async () => {
		const channel = fresh();
		await refused(put([channel, 'x'.repeat(3001)]), 1, /3000/);
		await put([channel, 'x'.repeat(3000)]);
		assert.equal((await history(demo, channel)).length, 1);
	});

	test('what is wrong is said, and nothing stored', async () => {
		await refused(put(['a/*', 'x']), 2, /'\*'/);
		await refused(put(['$own', 'x']), 1, /own/);
		await refused(put(['']), 2, /channel/);
		await refused(put(['a', 'b', 'c']), 2, /channel/);
		await refused(put([]), 2, /channel/);
		await refused(put(['--event']), 2, /--event needs a value/);
		await refused(put(['--json=1', 'a', 'b']), 2, /no value/);
		await refused(put(['--json', 'a', '{']), 2, /JSON/i);
		await refused(put(['--nonsense', '1', 'a']), 1, /--nonsense/);
		await refused(tool(['publish', 'a', 'b']), 1, /log/);
		await refused(tool(['read', '--log', demo.log]), 2, /channel/);
		await refused(tool(['read', '--log', demo.log, '--last', '1001',
			'a']), 2, /1000/);
		await refused(tool(['read', '--log', demo.log, '--since', 'x', 'a']),
			2, /cursor/);
		await refused(tool(['read', '--log', demo.log, '--since', '1',
			'--last', '1', 'a']), 2, /not both/);
		await refused(tool(['nonsense']), 2, /usage/);
		await refused(tool([]), 2, /usage/);
		assert.match((await tool(['--help'])).stdout, /^usage/);
		assert.match((await tool(['--version'])).stdout,
			/^cometlog \d+\.\d+\.\d+\n$/);
	});

	test('a log that is not there is not made by reading', async (t) => {
		const folder = temporaryFolder();
		t.after(() => remove(folder));
		await refused(tool(['read', '--log', path.join(folder, 'x.db'), 'a']),
			1, /No such file/);
		assert.deepEqual(fs.readdirSync(folder), []);
	});

	test('options stand in the environment and a file, too', async (t) => {
		const folder = temporaryFolder();
		const config = path.join(folder, 'c.conf');
		const channel = fresh();
		t.after(() => remove(folder));
		fs.writeFileSync(config, `log = ${demo.log}\n`);
		await tool(['publish', '--config', config, channel, '1']);
		await tool(['publish', channel, '2'], { env: environment(
			{ COMETLOG_LOG: demo.log }) });
		/* as PHP under CGI calls it */
		await tool(['publish', '--log', demo.log, channel, '3'], {
			env: environment({ GATEWAY_INTERFACE: 'CGI/1.1',
				REQUEST_METHOD: 'GET' }) });
		assert.deepEqual((await history(demo, channel)).map((m) => m.data),
			['1', '2', '3']);
	});

	test('reads what HTTP reads, from where it is told', async () => {
		const channel = fresh();
		for (const data of ['a', 'b', 'c'])
			await publish(demo, channel, data, { event: 'e' });
		const all = await history(demo, channel);
		assert.deepEqual(await read([channel]), all);
		assert.deepEqual(await read(['--last', '2', channel]), all.slice(1));
		assert.deepEqual(await read(['--since', String(all[1].seq), channel]),
			all.slice(2));
		assert.deepEqual(await read(['--since=now', channel]), []);
		assert.deepEqual(await read([fresh(), channel]), all);
		const gap = await read(['--since', '1.00000001', channel]);
		assert.equal(gap[0].gap, true);
		assert.deepEqual(gap.slice(1), all);
	});

	test('what retention took is told as a gap', async (t) => {
		const folder = temporaryFolder();
		const log = path.join(folder, 'x.db');
		t.after(() => remove(folder));
		const cgi = (data) => runToEnd(PROGRAM, [], { input: data,
			env: environment({ COMETLOG_LOG: log,
				COMETLOG_RETAIN: '** messages=2',
				GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'POST',
				CONTENT_TYPE: 'text/plain', PATH_INFO: '/publish/a',
				CONTENT_LENGTH: String(data.length) }) });
		for (const data of ['1', '2', '3', '4', '5', '6'])
			await cgi(data);
		const kept = await read(['a'], log);
		assert.ok(kept.length < 6 && kept.length >= 2);
		assert.equal(kept[0].gap, undefined);
		const [gap, ...rest] = await read(['--since', '1', 'a'], log);
		assert.equal(gap.gap, true);
		assert.deepEqual(rest, kept);
	});

	test('a long history comes whole and in order', async () => {
		const channel = fresh();
		const input = Array.from({ length: 5000 }, (_, i) =>
			`${JSON.stringify({ channel, data: i })}\n`).join('');
		assert.equal((await put(['--ndjson'], { input })).code, 0);
		assert.deepEqual((await read([channel])).map((m) => m.data),
			Array.from({ length: 5000 }, (_, i) => i));
	});

	test('readers over HTTP get it, as from a worker', async () => {
		const channel = fresh();
		const held = await openEvents(demo, { channel });
		await put([channel, 'hello']);
		assert.equal((await held.nextMessage()).data, 'hello');
		held.close();
	});

	test('follows what workers, SQL and itself publish', async (t) => {
		const channel = fresh();
		await publish(demo, channel, 'old');
		const { lines, job } = follow(t, [channel]);
		assert.equal((await lines.next()).data, 'old');
		for (let i = 0; i < 20; i++) {
			await publish(demo, channel, `http ${i}`);
			assert.equal((await lines.next()).data, `http ${i}`);
		}
		await put([channel, 'tool']);
		assert.equal((await lines.next()).data, 'tool');
		await runToEnd('sqlite3', ['-cmd', '.timeout 5000', demo.log,
			'INSERT INTO publish(channel, data) ' +
			`VALUES ('${channel}', 'sql')`]);
		assert.equal((await lines.next()).data, 'sql');
		await demo.killWorkers();
		await publish(demo, channel, 'after');
		assert.equal((await lines.next()).data, 'after');
		assert.equal(job.exited, false);
	});

	test('follow --since now begins there', async (t) => {
		const channel = fresh();
		await publish(demo, channel, 'old');
		const cursor = (await history(demo, channel))[0].seq;
		const { lines } = follow(t, ['--since', String(cursor), channel]);
		await publish(demo, channel, 'new');
		assert.equal((await lines.next()).data, 'new');
	});

	test('ends when nobody reads it any more', async (t) => {
		const channel = fresh();
		await publish(demo, channel, '1');
		const { lines, job } = follow(t, [channel]);
		await lines.next();
		job.child.stdout.destroy();
		for (let i = 0; !job.exited && i < 200; i++)
			await publish(demo, channel, 'x');
		await within(job.done, 10000, 'the end of cometlog read');
	});

	test('many at once, beside workers, lose and mix nothing', async () => {
		const channel = fresh();
		const all = [];
		const by = async (who, send) => {
			for (let i = 0; i < 25; i++) {
				all.push([await send(`${who} ${i}`), `${who} ${i}`]);
			}
		};
		const byTool = async (data) =>
			Number((await put([channel, data])).stdout);
		const byHttp = async (data) =>
			(await publish(demo, channel, data)).seq;
		await Promise.all([by('a', byTool), by('b', byTool),
			by('c', byHttp), by('d', byHttp)]);
		assert.deepEqual(
			(await history(demo, channel)).map((m) => [m.seq, m.data]),
			all.sort((x, y) => x[0] - y[0]));
	});

	test('killed in between, a batch is there whole or not at all', async () => {
		const N = 2000;
		for (let round = 0; round < 12; round++) {
			const channel = fresh();
			const input = Array.from({ length: N }, (_, i) =>
				`${JSON.stringify({ channel, data: i })}\n`).join('');
			const job = run(TOOL, ['publish', '--log', demo.log,
				'--ndjson'], { input });
			setTimeout(() => job.child.kill('SIGKILL'), round * 4);
			const { code } = await within(job.done, 20000);
			const { length } = await history(demo, channel);
			assert.ok(length === 0 || length === N, `${length} of ${N}`);
			if (code === 0 || job.stdout !== '')
				assert.equal(length, N);
		}
		const last = fresh();
		await put([last, 'still']);
		assert.equal((await history(demo, last)).length, 1);
	});
});
