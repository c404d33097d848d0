/*
 * The worker on its own: each way in which it is started, how it ends, and
 * what it says about options that are wrong.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	assertProblem, cgiAnswer, cgiVariables, environment, Fcgi, fcgiExchange,
	fcgiRequest, freePort, isAlive, ms, PROGRAM, remove, request, run, runToEnd,
	temporaryFolder, until, within,
} from './harness.mjs';

const LIGHTTPD = ['/usr/sbin/lighttpd', '/usr/bin/lighttpd',
	'/usr/local/sbin/lighttpd'].find((f) => fs.existsSync(f)) ?? 'lighttpd';

let folder;
let log;
let jobs;

const at = (name) => path.join(folder, name);

async function listens(where) {
	await until(() => new Promise((done) => {
		const socket = net.connect(typeof where === 'string' ?
			{ path: where } : where, () => {
			socket.destroy();
			done(true);
		});
		socket.on('error', () => done(false));
	}), { what: `somebody to listen on ${JSON.stringify(where)}` });
}

/* Starts something that goes on until the end of the test or signal. */
function starts(file, args, options = {}) {
	const job = run(file, args, { cwd: folder, ...options });
	jobs.push(job);
	return job;
}

async function ends(job, signal = 'SIGTERM') {
	job.child.kill(signal);
	return within(job.done, 15000, `the end after ${signal}`);
}

/* Publishes and reads back through a FastCGI socket. */
async function assertServes(where) {
	const stored = await fcgiExchange(where, 'POST', '/publish/a/b',
		{ body: 'hello', variables: { CONTENT_TYPE: 'text/plain' } });
	assert.equal(stored.status, 201);
	const read = await fcgiExchange(where, 'GET',
		`/poll?channel=a/*&since=${stored.json.seq - 1}`);
	assert.equal(read.status, 200);
	assert.equal(read.json.messages.length, 1);
	assert.equal(read.json.messages[0].data, 'hello');
	return stored.json;
}

/* The same through a web server; base is where it has the program. */
async function assertServesHttp(port, base) {
	const demo = { port };
	const stored = await until(async () => {
		const answer = await request(demo, 'POST', `${base}/publish/a%2Fb`,
			{ headers: { 'Content-Type': 'text/plain' }, body: 'hello' });
		return answer.status === 201 && answer;
	}, { what: 'a publish' });
	const read = await request(demo, 'GET',
		`${base}/poll?channel=a/b&since=${stored.json.seq - 1}`);
	assert.deepEqual(read.json.messages.map((m) => m.data), ['hello']);
	const held = await request(demo, 'GET',
		`${base}/longpoll?channel=a/b&timeout=1`);
	assert.equal(held.status, 200);
	assert.deepEqual(held.json.messages, []);
	assert.equal((await request(demo, 'GET', `${base}/nothing`)).status, 404);
}

async function lighttpdWith(text) {
	const port = await freePort();
	fs.writeFileSync(at('web.conf'), `server.document-root = "${folder}"
server.bind = "127.0.0.1"
server.port = ${port}
server.upload-dirs = ( "${folder}" )
${text}`);
	const job = starts(LIGHTTPD, ['-D', '-f', at('web.conf')]);
	await listens({ host: '127.0.0.1', port }).catch((e) => {
		throw new Error(`${e.message}\n${job.stderr}`);
	});
	return { port, job };
}

function setUp() {
	folder = temporaryFolder();
	log = path.join(folder, 'cometlog.db');
	jobs = [];
}

async function tearDown() {
	for (const job of jobs)
		if (!job.exited)
			job.child.kill('SIGTERM');
	for (const job of jobs)
		await within(job.done, 15000, 'the end').catch(() => {
			job.child.kill('SIGKILL');
		});
	remove(folder);
}

/* A test with a folder of its own. */
function inFolder(name, fn) {
	test(name, { timeout: ms(60000) }, async () => {
		setUp();
		try {
			await fn();
		} finally {
			await tearDown();
		}
	});
}

describe('a worker is started', { timeout: ms(120000) }, () => {
	inFolder('on its own, on a Unix socket that only its user may use',
		async () => {
			const job = starts(PROGRAM,
				['--log', log, '--socket', at('w.sock')]);
			await listens(at('w.sock'));
			assert.equal(fs.statSync(at('w.sock')).mode & 0o777, 0o600);
			assert.equal(fs.statSync(log).mode & 0o077, 0);
			await assertServes(at('w.sock'));
			assert.deepEqual(await ends(job), { code: 0, signal: null });
			assert.ok(!fs.existsSync(at('w.sock')));
			assert.equal(job.stdout, '');
		});

	inFolder('on its own, where sessions can\'t be shared: all but Bayeux ' +
		'is served', async () => {
		fs.mkdirSync(`${log}-sessions`); /* no file to be mapped */
		const job = starts(PROGRAM,
			['--log', log, '--socket', at('w.sock')]);
		await listens(at('w.sock'));
		await assertServes(at('w.sock'));
		const answer = await fcgiExchange(at('w.sock'), 'POST', '/bayeux', {
			body: '[{"channel":"/meta/handshake","version":"1.0",' +
				'"supportedConnectionTypes":["long-polling"]}]',
			variables: { CONTENT_TYPE: 'application/json' },
		});
		assert.equal(answer.status, 200);
		assert.equal(answer.json[0].successful, false);
		assert.match(answer.json[0].error, /^503:/);
		assert.ok(!answer.text.includes(folder), answer.text);
		await assertServes(at('w.sock'));
		const end = await ends(job);
		assert.deepEqual(end, { code: 0, signal: null });
		assert.match(job.stderr, /error: Bayeux: .*-sessions/);
	});

	inFolder('on its own, with another mode of its socket', async () => {
		starts(PROGRAM, ['--log', log, '--socket', at('w.sock'),
			'--socket-mode=0660']);
		await listens(at('w.sock'));
		assert.equal(fs.statSync(at('w.sock')).mode & 0o777, 0o660);
	});

	inFolder('on its own, on a loopback port', async () => {
		const port = await freePort();
		starts(PROGRAM, ['--log', log, '--socket', `127.0.0.1:${port}`]);
		await listens({ host: '127.0.0.1', port });
		await assertServes({ host: '127.0.0.1', port });
	});

	inFolder('on its own, over the socket of one that was killed, but not ' +
		'over one in use', async () => {
		const first = starts(PROGRAM,
			['--log', log, '--socket', at('w.sock')]);
		await listens(at('w.sock'));
		const second = await runToEnd(PROGRAM,
			['--log', log, '--socket', at('w.sock')]);
		assert.notEqual(second.code, 0);
		assert.ok(second.stderr.includes(at('w.sock')), second.stderr);
		await assertServes(at('w.sock'));
		await ends(first, 'SIGKILL');
		assert.ok(fs.existsSync(at('w.sock')));
		starts(PROGRAM, ['--log', log, '--socket', at('w.sock')]);
		await listens(at('w.sock'));
		await assertServes(at('w.sock'));
	});

	inFolder('on its own, but not over a file that is no socket', async () => {
		fs.writeFileSync(at('precious'), 'text');
		const { code, stderr } = await runToEnd(PROGRAM,
			['--log', log, '--socket', at('precious')]);
		assert.notEqual(code, 0);
		assert.ok(stderr.includes('precious'), stderr);
		assert.equal(fs.readFileSync(at('precious'), 'utf8'), 'text');
	});

	inFolder('as a supervisor with workers of its own', async () => {
		fs.mkdirSync(at('run'));
		const job = starts(PROGRAM, ['--log', log, '--socket', at('w.sock'),
			'--workers', '3', '--run-dir', at('run')]);
		await listens(at('w.sock'));
		await assertServes(at('w.sock'));
		const pids = () => fs.readdirSync(at('run')).sort().map((f) =>
			Number(fs.readFileSync(path.join(at('run'), f), 'utf8')));
		await until(() => pids().length === 3 && pids().every(isAlive));
		const old = pids();
		assert.deepEqual(await ends(job), { code: 0, signal: null });
		for (const pid of old)
			assert.ok(!isAlive(pid));
		assert.deepEqual(fs.readdirSync(at('run')), []);
	});

	inFolder('by spawn-fcgi, with its options in the environment', async () => {
		starts('spawn-fcgi', ['-n', '-s', at('s.sock'), '-M', '0600',
			'--', PROGRAM], { env: environment({ COMETLOG_LOG: log }) });
		await listens(at('s.sock'));
		await assertServes(at('s.sock'));
	});

	inFolder('by spawn-fcgi, with its options as arguments', async () => {
		const job = starts('spawn-fcgi', ['-n', '-s', at('s.sock'), '--',
			PROGRAM, '--log', log]);
		await listens(at('s.sock'));
		await assertServes(at('s.sock'));
		assert.deepEqual(await ends(job), { code: 0, signal: null });
	});

	inFolder('by lighttpd, as bin-path', async () => {
		const { port, job } = await lighttpdWith(`
server.modules = ( "mod_fastcgi" )
server.stream-response-body = 2
fastcgi.server = ( "/comet" => ((
	"bin-path" => "${PROGRAM}",
	"socket" => "${at('l.sock')}",
	"max-procs" => 2,
	"bin-environment" => ( "COMETLOG_LOG" => "${log}" ),
	"check-local" => "disable",
)) )`);
		await assertServesHttp(port, '/comet');
		const { json } = await request({ port }, 'GET', '/comet/status');
		assert.ok(isAlive(json.pid));
		await ends(job);
		await until(() => !isAlive(json.pid),
			{ what: 'the worker to end with its web server' });
	});

	inFolder('by lighttpd, as plain CGI', async () => {
		fs.symlinkSync(PROGRAM, at('cometlog.cgi'));
		const { port } = await lighttpdWith(`
server.modules = ( "mod_cgi", "mod_setenv" )
server.follow-symlink = "enable"
cgi.assign = ( ".cgi" => "" )
setenv.set-environment = ( "COMETLOG_LOG" => "${log}" )`);
		await assertServesHttp(port, '/cometlog.cgi');
		const demo = { port };
		const stored = await request(demo, 'POST',
			'/cometlog.cgi/publish?id=1', {
				headers: { 'Content-Type':
					'application/x-www-form-urlencoded' },
				body: 'channel=c&data=x&redirect=/done.html',
			});
		assert.equal(stored.status, 303);
		assert.match(stored.headers.location, /\/done\.html$/);
	});
});

describe('as a CGI program a worker', { timeout: ms(60000) }, () => {
	before(setUp);
	after(tearDown);

	const cgi = async (method, target, { body = '', args = [],
		variables = {} } = {}) => {
		const done = await runToEnd(PROGRAM, args, {
			input: body, cwd: folder,
			env: environment({ COMETLOG_LOG: log,
				...cgiVariables(method, target, { ...method === 'POST' ?
					{ CONTENT_LENGTH: String(Buffer.byteLength(body)) } : {},
				...variables }) }),
		});
		assert.equal(done.code, 0, done.stderr);
		return cgiAnswer(done.stdout);
	};

	test('serves one request and ends', async () => {
		const stored = await cgi('POST', '/publish/room', { body: 'héllo',
			variables: { CONTENT_TYPE: 'text/plain' } });
		assert.equal(stored.status, 201);
		assert.equal(stored.json.seq, 1);
		const read = await cgi('GET', '/poll?channel=room');
		assert.equal(read.status, 200);
		assert.match(read.headers['content-type'], /^application\/json\b/);
		assert.deepEqual(read.json.messages.map((m) => m.data), ['héllo']);
		const again = await cgi('GET', '/poll?channel=room', { variables:
			{ HTTP_IF_NONE_MATCH: read.headers.etag } });
		assert.equal(again.status, 304);
	});

	test('answers errors as problems', async () => {
		for (const [method, target, status] of [['GET', '/nothing', 404],
			['GET', '/poll?channel=a*', 400], ['GET', '/publish/a', 405]]) {
			const answer = await cgi(method, target);
			assert.equal(answer.status, status);
			assert.match(answer.headers['content-type'],
				/^application\/problem\+json\b/);
			assert.ok(answer.json.detail.length > 5);
		}
	});

	test('never takes its arguments for options: a stranger may have ' +
		'written them', async () => {
		for (const args of [['--help'], ['--version'],
			['--log', at('elsewhere.db')], ['--nonsense']]) {
			const answer = await cgi('GET', '/poll?channel=room', { args });
			assert.equal(answer.status, 200);
			assert.ok('messages' in answer.json);
		}
		assert.ok(!fs.existsSync(at('elsewhere.db')));
	});

	test('answers a held technique in bounded time', async () => {
		const answer = await cgi('GET', '/longpoll?channel=quiet&timeout=1');
		assert.equal(answer.status, 200);
		assert.deepEqual(answer.json.messages, []);
	});

	/* Apache's mod_cgid: one socket for both ways, of which it shuts its own
	   after the body. */
	async function overOneSocket(method, target, variables = {}) {
		const server = net.createServer({ allowHalfOpen: true });
		await new Promise((done) => server.listen(at('cgi.sock'), done));
		const taken = new Promise((done) => server.on('connection', done));
		const web = net.connect({ path: at('cgi.sock'), allowHalfOpen: true });
		const own = await taken;
		const child = spawn(PROGRAM, [], { stdio: [own, own, 'inherit'],
			cwd: folder, env: environment({ COMETLOG_LOG: log,
				COMETLOG_HEARTBEAT: '1000',
				...cgiVariables(method, target, variables) }) });
		own.destroy();
		server.close();
		const seen = { web, child, text: '', isOver: false };
		seen.ended = new Promise((done) => child.on('exit', done));
		web.on('error', () => {});
		web.on('data', (d) => { seen.text += d; });
		web.on('end', () => { seen.isOver = true; });
		return seen;
	}

	test('holds an answer although the web server has said all it had to ' +
		'say, until it closes', async () => {
		const seen = await overOneSocket('GET',
			'/events?channel=quiet');
		seen.web.end();
		await until(() => seen.isOver ||
			seen.text.split('event: heartbeat').length > 2,
		{ what: 'two signs of life' });
		assert.equal(seen.isOver, false, seen.text);
		seen.web.destroy();
		await within(seen.ended, 10000, 'the end of the process');
	});

	test('waits for a body that comes on the socket of its answer',
		async () => {
			const seen = await overOneSocket('POST', '/publish/late', {
				CONTENT_TYPE: 'text/plain', CONTENT_LENGTH: '2' });
			/* it has a log open, and sleeps: for the body */
			await until(() => seen.isOver || (fs.existsSync(`${log}-wake`) &&
				/\) S /.test(fs.readFileSync(`/proc/${seen.child.pid}/stat`,
					'utf8'))), { what: 'it to wait for its body' });
			seen.web.end('xy');
			await within(seen.ended, 10000, 'the end of the process');
			await until(() => seen.isOver);
			assert.match(seen.text, /^Status: 201 /m);
		});

	test('answers a body that ends early or late', async () => {
		for (const length of ['100', '1']) {
			const done = await runToEnd(PROGRAM, [], { input: 'abc',
				env: environment({ COMETLOG_LOG: log,
					...cgiVariables('POST', '/publish/short', {
						CONTENT_TYPE: 'text/plain',
						CONTENT_LENGTH: length }) }) });
			assert.equal(done.signal, null);
		}
		const { json } = await cgi('GET', '/poll?channel=short');
		for (const { data } of json.messages)
			assert.equal(data, 'a');
	});

	test('says so when its log can\'t be opened', async () => {
		const done = await runToEnd(PROGRAM, [], { input: '',
			env: environment({ COMETLOG_LOG: at('no/such/folder/x.db'),
				...cgiVariables('GET', '/poll?channel=a') }) });
		assert.equal(done.signal, null);
		if (done.stdout !== '')
			assert.ok(cgiAnswer(done.stdout).status >= 500);
		assert.match(done.stdout + done.stderr, /no\/such\/folder/);
	});
});

describe('a worker ends', { timeout: ms(60000) }, () => {
	for (const signal of ['SIGTERM', 'SIGUSR1', 'SIGINT'])
		inFolder(`at ${signal} with status 0, held answers first`,
			async () => {
				const job = starts(PROGRAM,
					['--log', log, '--socket', at('w.sock')]);
				await listens(at('w.sock'));
				const events = new Fcgi(at('w.sock'));
				events.send(fcgiRequest('GET', '/events?channel=a'));
				assert.ok(await events.wait(
					(c) => c.stdout.includes('retry:')));
				const longpoll = new Fcgi(at('w.sock'));
				longpoll.send(fcgiRequest('GET',
					'/longpoll?channel=a&timeout=50'));
				await assertServes(at('w.sock'));
				const silent = new Fcgi(at('w.sock'));
				await silent.send(fcgiRequest('GET', '/').subarray(0, 20));
				assert.deepEqual(await ends(job, signal),
					{ code: 0, signal: null });
				assert.equal((await events.answer()).status, 200);
				assert.ok(events.isAnswered);
				const { json } = await longpoll.answer();
				assert.deepEqual(json.messages, []);
				[events, longpoll, silent].forEach((c) => c.close());
			});
});

describe('a worker with wrong options', { timeout: ms(60000) }, () => {
	before(setUp);
	after(tearDown);

	/* Its text on standard error. */
	async function refused(args, env = {}) {
		const { code, signal, stdout, stderr } = await runToEnd(PROGRAM, args,
			{ env: environment(env), cwd: folder });
		assert.equal(signal, null, args.join(' '));
		assert.notEqual(code, 0, args.join(' '));
		assert.equal(stdout, '');
		return stderr;
	}

	const ok = () => ['--log', log, '--socket', at('w.sock')];

	test('names option, place and range: on the command line', async () => {
		const wrong = { 'retry': ['5', 'x', '-1', '', '60001', '1e3'],
			'heartbeat': ['999', '15001'], 'workers': ['65'],
			'acceptors': ['0'], 'message-bytes': ['0', '17M', '1X'],
			'socket-mode': ['8', '1000', 'rw'], 'max-hold': ['4s'] };
		const ranges = { 'retry': /100.*60000/, 'heartbeat': /1000.*15000/,
			'workers': /0.*64/, 'acceptors': /1.*64/,
			'message-bytes': /1.*16/, 'socket-mode': /0?777/,
			'max-hold': /5000|5 ?s/ };
		for (const [option, values] of Object.entries(wrong))
			for (const value of values) {
				const text = await refused([...ok(), `--${option}=${value}`]);
				assert.ok(text.includes(option), text);
				assert.match(text, /command line/);
				assert.match(text, ranges[option]);
			}
	});

	test('names the choices where there are some', async () => {
		assert.match(await refused([...ok(), '--durability=most']),
			/durability.*full.*normal/s);
		assert.match(await refused([...ok(), '--journal', 'none']),
			/journal.*wal.*rollback/s);
	});

	test('names option, place and range: in the environment', async () => {
		const text = await refused(ok(), { COMETLOG_RETRY: 'soon' });
		assert.match(text, /COMETLOG_RETRY/);
		assert.match(text, /environment/);
		assert.match(text, /100.*60000/);
		assert.match(await refused(ok(), { COMETLOG_NONSENSE: '1' }),
			/COMETLOG_NONSENSE/);
	});

	test('names option, place and range: in a file, with the line',
		async () => {
			fs.writeFileSync(at('comet.conf'),
				'# a comment\nheartbeat = 2s\n\nretry = 5\n');
			const text = await refused(
				[...ok(), '--config', at('comet.conf')]);
			assert.match(text, /retry/);
			assert.match(text, /comet\.conf:4/);
			assert.match(text, /100.*60000/);
			fs.writeFileSync(at('comet.conf'), 'nonsense = 1\n');
			assert.match(await refused(
				[...ok(), '--config', at('comet.conf')]),
			/comet\.conf:1.*nonsense/s);
			assert.match(await refused([...ok(), '--config', at('none')]),
				/none/);
		});

	test('names a retention rule that is none', async () => {
		for (const rule of ['a* age=1d', '** age=1y', '** size=1',
			'** age=', 'a/**/b messages=1', '** messages=-1'])
			assert.match(await refused([...ok(), '--retain', rule]),
				/retain/, rule);
	});

	test('names an option that there is not, or that lacks its value',
		async () => {
			assert.match(await refused([...ok(), '--nonsense', '1']),
				/nonsense/);
			assert.match(await refused([...ok(), '--retry']), /retry/);
			assert.match(await refused([...ok(), 'stray']), /stray/);
		});

	test('says what is missing', async () => {
		assert.match(await refused(['--socket', at('w.sock')]), /log/);
		assert.match(await refused(['--log', log]), /socket/);
	});

	test('says why a log can\'t be used', async () => {
		assert.match(await refused(['--log', at('no/such.db'), '--socket',
			at('w.sock')]), /no\/such\.db/);
		fs.writeFileSync(at('text.db'), 'this is no database\n'.repeat(200));
		assert.match(await refused(['--log', at('text.db'), '--socket',
			at('w.sock')]), /text\.db/);
		assert.equal(fs.readFileSync(at('text.db'), 'utf8').slice(0, 7),
			'this is');
		assert.match(await refused(['--log', folder, '--socket',
			at('w.sock')]), /./);
	});

	test('says why a socket can\'t be used', async () => {
		for (const socket of [at('no/such/w.sock'), '127.0.0.1:0',
			'127.0.0.1:70000', 'localhost:80', at('x'.repeat(120))])
			assert.match(await refused(['--log', log, '--socket', socket]),
				/socket/);
	});
});

describe('a worker tells of itself', { timeout: ms(60000) }, () => {
	test('its options at --help, with defaults and ranges', async () => {
		const { code, stdout, stderr } = await runToEnd(PROGRAM, ['--help']);
		assert.equal(code, 0);
		assert.equal(stderr, '');
		for (const option of ['log', 'durability', 'journal', 'socket',
			'socket-mode', 'workers', 'run-dir', 'tip-file', 'message-bytes',
			'body-bytes', 'retain', 'heartbeat', 'max-hold', 'max-held',
			'retry', 'request-wait', 'allow-origin', 'publish-rate', 'config'])
			assert.match(stdout, new RegExp(`--${option}\\b`));
		for (const line of stdout.split('\n'))
			assert.ok(line.length <= 80, line);
		assert.match(stdout, /15000/);
	});

	test('its version at --version', async () => {
		const { code, stdout } = await runToEnd(PROGRAM, ['--version']);
		assert.equal(code, 0);
		assert.match(stdout, /^cometlog\S* .*\d+\.\d+/);
	});

	inFolder('the options by strength: command line, environment, file',
		async () => {
			fs.writeFileSync(at('c.conf'), `log = ${at('file.db')}\n` +
				'message-bytes = 10\n');
			starts(PROGRAM, ['--config', at('c.conf'), '--socket',
				at('w.sock'), '--message-bytes=30'],
			{ env: environment({ COMETLOG_MESSAGE_BYTES: '20' }) });
			await listens(at('w.sock'));
			assert.ok(fs.existsSync(at('file.db')));
			for (const [n, status] of [[30, 201], [31, 413]])
				assert.equal((await fcgiExchange(at('w.sock'), 'POST',
					'/publish/a', { body: 'x'.repeat(n), variables:
						{ CONTENT_TYPE: 'text/plain' } })).status, status);
		});
});
