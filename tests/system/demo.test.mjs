/* The demo as a program: what it prints, starts, guards and ends. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	DEMO, descendants, environment, fresh, freePort, history, isAlive, ms, newestCursor,
	openEvents, publish, remove, request, ROOT, run, runToEnd, startDemo,
	temporaryFolder, until,
} from './harness.mjs';

const connects = (port) => new Promise((done) => {
	const socket = net.connect(port, '127.0.0.1', () => {
		socket.destroy();
		done(true);
	});
	socket.on('error', () => done(false));
});

/* Runs the demo where it should refuse. */
const refused = (args, env = {}) => runToEnd(DEMO, args,
	{ env: environment(env), cwd: ROOT, limit: 60000 });

describe('the demo', { timeout: ms(120000) }, () => {
	let demo;
	const state = temporaryFolder();

	before(async () => { demo = await startDemo({ state, workers: 3 }); });
	after(async () => {
		await demo?.stop();
		remove(state);
	});

	test('prints one line, ready with its address, once everything serves',
		async () => {
			assert.equal(demo.job.stdout, `ready ${demo.url}\n`);
			assert.equal(demo.url, `http://127.0.0.1:${demo.port}/`);
			assert.equal((await request(demo, 'GET', '/')).status, 200);
			assert.equal((await request(demo, 'GET', '/comet/status')).status,
				200);
		});

	test('serves a page with a form that works without JavaScript',
		async () => {
			const answer = await request(demo, 'GET', '/');
			assert.match(answer.headers['content-type'], /^text\/html\b/);
			assert.ok(!/(src|href)="(https?:)?\/\//.test(answer.text),
				'nothing is loaded from elsewhere');
		});

	test('has a pid file for each process', () => {
		const pids = demo.pids();
		assert.deepEqual(Object.keys(pids).sort(),
			['web', 'worker-1', 'worker-2', 'worker-3', 'wsd']);
		const all = descendants(demo.job.child.pid);
		for (const [name, pid] of Object.entries(pids)) {
			assert.ok(isAlive(pid), name);
			assert.ok(all.includes(pid), `${name} is the demo's`);
		}
		assert.equal(new Set(Object.values(pids)).size, 5);
	});

	test('keeps its log, run folder and sockets closed to others', () => {
		const closed = (file) => assert.equal(
			fs.statSync(file).mode & 0o077, 0, file);
		closed(demo.runDir);
		const sockets = demo.sockets();
		assert.ok(sockets.length >= 1);
		for (const socket of sockets) {
			assert.ok(fs.statSync(socket).isSocket());
			closed(socket);
		}
		closed(demo.log);
		assert.equal(path.dirname(demo.log), state);
		for (const suffix of ['-wal', '-shm'])
			if (fs.existsSync(demo.log + suffix))
				closed(demo.log + suffix);
	});

	test('serves nothing of the state folder but the pages', async () => {
		for (const place of ['/cometlog.db', '/../cometlog.db',
			'/%2e%2e/cometlog.db', '/run/web.pid', '/..%2frun/web.conf',
			'/demo.lock'])
			assert.notEqual((await request(demo, 'GET', place)).status, 200,
				place);
	});

	test('listens on the loopback address only', () => {
		const hex = demo.port.toString(16).toUpperCase().padStart(4, '0');
		const listening = ['/proc/net/tcp', '/proc/net/tcp6']
			.flatMap((f) => fs.readFileSync(f, 'utf8').split('\n'))
			.map((line) => line.trim().split(/\s+/))
			.filter((c) => c[3] === '0A' && c[1]?.endsWith(`:${hex}`));
		assert.deepEqual(listening.map((c) => c[1]), [`0100007F:${hex}`]);
	});

	test('starts a killed worker again at once', async () => {
		for (const name of Object.keys(demo.workers())) {
			const old = demo.kill9(name);
			const now = await demo.replaced(name, old);
			assert.ok(!isAlive(old));
			assert.notEqual(now, old);
			await publish(demo, fresh(), 'x');
		}
		assert.equal(Object.keys(demo.workers()).length, 3);
	});

	test('starts again what is killed while it waits with another',
		async () => {
			const ends = () => demo.job.stderr.split('wsd ended').length;
			const { wsd: first, 'worker-1': worker } = demo.pids();
			const stat = fs.readFileSync(`/proc/${worker}/stat`, 'utf8');
			const supervisor = Number(stat.replace(/.*\) /s, '').split(' ')[1]);
			const before = ends();
			demo.kill9('wsd');
			const young = await demo.replaced('wsd', first);
			process.kill(young, 'SIGKILL');
			await until(() => ends() === before + 2, { what: 'a pause' });
			process.kill(supervisor, 'SIGKILL');
			await demo.replaced('wsd', young);
			await demo.replaced('worker-1', worker);
			await until(async () => (await request(demo, 'GET',
				'/comet/status')).status === 200, { what: 'an answer' });
		});

	test('starts a killed web server again', async () => {
		const old = demo.kill9('web');
		await demo.replaced('web', old);
		await until(() => publish(demo, fresh(), 'x'),
			{ what: 'the new web server to serve' });
	});

	test('starts the supervisor of the workers again', async () => {
		const [worker] = Object.values(demo.workers());
		const stat = fs.readFileSync(`/proc/${worker}/stat`, 'utf8');
		const parent = Number(stat.slice(stat.lastIndexOf(')') + 4)
			.split(' ')[0]);
		assert.notEqual(parent, demo.job.child.pid);
		const old = demo.workers();
		process.kill(parent, 'SIGKILL');
		for (const [name, pid] of Object.entries(old))
			await demo.replaced(name, pid);
		await until(() => publish(demo, fresh(), 'x'),
			{ what: 'the new workers to serve' });
		for (const pid of Object.values(old))
			await until(() => !isAlive(pid), { what: 'old workers to go' });
	});

	test('refuses a state folder that another demo uses', async () => {
		const pids = demo.pids();
		const { code, stdout, stderr } = await refused(
			['--port', String(await freePort()), '--state', state]);
		assert.notEqual(code, 0);
		assert.equal(stdout, '');
		assert.ok(stderr.includes(state), stderr);
		assert.deepEqual(demo.pids(), pids);
		await publish(demo, fresh(), 'x');
	});

	test('refuses a port that is taken', async () => {
		const other = temporaryFolder();
		try {
			const { code, stdout, stderr } = await refused(
				['--port', String(demo.port), '--state', other]);
			assert.notEqual(code, 0);
			assert.equal(stdout, '');
			assert.ok(stderr.includes(String(demo.port)), stderr);
		} finally {
			remove(other);
		}
	});

	test('refuses wrong arguments with what would be right', async () => {
		const wrong = [['--port', '0'], ['--port', 'x'], ['--port', '70000'],
			['--workers', '0'], ['--workers', 'many'], ['--server', 'iis'],
			['--nonsense'], ['--port'], ['stray']];
		for (const args of wrong) {
			const { code, stdout, stderr } = await refused(args);
			assert.notEqual(code, 0, args.join(' '));
			assert.equal(stdout, '');
			assert.ok(stderr.includes(args[0].replace(/^--/, '')), stderr);
		}
	});

	test('ends with a reason when the worker refuses its options', async () => {
		const other = temporaryFolder();
		try {
			const { code, stdout, stderr } = await refused(
				['--port', String(await freePort()), '--state', other],
				{ COMETLOG_RETRY: '5' });
			assert.notEqual(code, 0);
			assert.equal(stdout, '');
			assert.match(stderr, /COMETLOG_RETRY/);
		} finally {
			remove(other);
		}
	});

	test('stops all it started at SIGTERM and SIGINT, and a restart goes on',
		async () => {
			const channel = fresh();
			const messages = [];
			for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM']) {
				messages.push(await publish(demo, channel, signal));
				const held = await openEvents(demo, { channel });
				const all = descendants(demo.job.child.pid);
				assert.ok(all.length >= 5);
				const { code, signal: by } = await demo.stop({ signal });
				assert.ok(code === 0 || by === signal, `${code} ${by}`);
				for (const pid of all)
					await until(() => !isAlive(pid),
						{ what: `the end of ${pid}` });
				assert.deepEqual(fs.readdirSync(demo.runDir).filter((f) =>
					f.endsWith('.pid')), []);
				assert.equal(await connects(demo.port), false);
				held.close();
				demo = await startDemo({ state, workers: 2 });
				assert.deepEqual((await history(demo, channel))
					.map((m) => m.seq), messages.map((m) => m.seq));
				assert.equal(await newestCursor(demo),
					messages.at(-1).cursor);
				assert.deepEqual(Object.keys(demo.workers()).sort(),
					['worker-1', 'worker-2']);
			}
		});

	test('leaves nothing running when it is itself killed', async () => {
		const all = descendants(demo.job.child.pid);
		demo.job.child.kill('SIGKILL');
		await demo.job.done;
		for (const pid of all)
			await until(() => !isAlive(pid), { what: `the end of ${pid}` });
		demo = await startDemo({ state });
		await publish(demo, fresh(), 'x');
	});

	test('can be stopped while it starts', async () => {
		const other = temporaryFolder();
		const job = run(DEMO, ['--port', String(await freePort()), '--state',
			other], { cwd: ROOT });
		await until(() => fs.existsSync(path.join(other, 'run/web.conf')),
			{ what: 'the demo to begin' });
		const all = descendants(job.child.pid);
		job.child.kill('SIGTERM');
		await job.done;
		for (const pid of all)
			await until(() => !isAlive(pid), { what: `the end of ${pid}` });
		remove(other);
	});

	test('carries a thousand held answers and short requests beside them',
		{ timeout: ms(60000) }, async () => {
			const channel = fresh();
			const agent = new http.Agent({ maxSockets: Infinity });
			let got = 0;
			const held = Array.from({ length: 1000 }, () => new Promise(
				(done, fail) => {
					const req = http.get({ host: '127.0.0.1', agent,
						port: demo.port,
						path: `/comet/events?channel=${channel}` }, (res) => {
						let text = '';
						res.on('data', (d) => {
							text = (text + d).slice(-200);
							if (text.includes('data: for all\n'))
								got++;
						});
						res.on('error', () => {});
						done(req);
					});
					req.on('error', fail);
				}));
			const open = await Promise.all(held);
			await publish(demo, channel, 'for all');
			await until(() => got === 1000, { limit: 20000,
				what: 'a thousand deliveries' });
			open.forEach((req) => {
				req.on('error', () => {});
				req.destroy();
			});
		});
});
