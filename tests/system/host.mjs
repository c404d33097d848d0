/*
 * A web host of the shared kind, as the bundle meets it: Apache with nothing but
 * what such hosts load, a home with a public_html, and a user without rights.
 * All of it runs as that user: nobody when the tests run as root, else oneself.
 */
import fs from 'node:fs';
import path from 'node:path';
import {
	environment, freePort, isAlive, remove, request, run, runToEnd,
	temporaryFolder, until, within,
} from './harness.mjs';

const APACHE = '/usr/sbin/apache2';
const MODULES = '/usr/lib/apache2/modules';
const NOBODY = 65534;

/* What each kind of host runs programs with. */
const GATEWAYS = {
	fcgid: (host) => `
LoadModule fcgid_module ${MODULES}/mod_fcgid.so
FcgidIPCDir "${host.runDir}/sockets"
FcgidProcessTableFile "${host.runDir}/processes"
FcgidMaxProcesses ${host.processes}
FcgidMaxProcessesPerClass ${host.processes}
FcgidIOTimeout 40
FcgidBusyTimeout 300
`,
	cgi: (host) => `
LoadModule cgid_module ${MODULES}/mod_cgid.so
ScriptSock "${host.runDir}/cgid"
`,
};

const configuration = (host) => `
ServerRoot "${host.runDir}"
ServerName localhost
PidFile "${host.runDir}/apache.pid"
Listen 127.0.0.1:${host.port}
ErrorLog "${host.runDir}/error.log"
${['mpm_event', 'authz_core', 'authz_host', 'access_compat', 'alias', 'dir',
	'mime', 'env', 'setenvif', 'headers', 'expires', 'filter', 'deflate']
	.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`)
	.join('\n')}
ServerLimit 8
ThreadsPerChild 32
MaxRequestWorkers 256
TypesConfig /dev/null
DirectoryIndex index.html
AddOutputFilterByType DEFLATE text/html text/plain text/event-stream application/json
ExpiresActive On
ExpiresDefault "access plus 1 month"
DocumentRoot "${host.site}"
<Directory />
	AllowOverride None
	Require all denied
</Directory>
<Directory "${host.site}">
	Options SymLinksIfOwnerMatch
	AllowOverride ${host.override}
	Require all granted
</Directory>
<Files ".ht*">
	Require all denied
</Files>
${GATEWAYS[host.gateway](host)}
`;

const asUser = (file, args) => process.getuid() !== 0 ? [file, args] :
	['setpriv', [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups',
		'--pdeathsig=TERM', file, ...args]];

class Host {
	/* Runs a command as the site's user, in its home; its standard output. */
	async do(file, ...args) {
		const end = await runToEnd(...asUser(file, args), { cwd: this.home });
		if (end.code !== 0)
			throw new Error(`${file} ${args.join(' ')}: ${end.stderr}`);
		return end.stdout;
	}

	/* Uploads the bundle, which overwrites what is there. */
	async upload(archive, folder = '.') {
		const into = path.join(this.site, folder);
		await this.do('mkdir', '-p', into);
		await this.do('tar', '-xzf', archive, '-C', into);
	}

	/* Writes a file of the site as its user. */
	async write(name, text) {
		const file = path.join(this.site, name);
		fs.writeFileSync(file, text);
		if (process.getuid() === 0)
			fs.chownSync(file, NOBODY, NOBODY);
	}

	/* The copy in that folder, for the harness: its port, url and base. */
	copy(folder = '') {
		const place = path.posix.join('/', folder, 'cometlog/');
		return {
			port: this.port,
			url: new URL(place, `http://127.0.0.1:${this.port}/`).href,
			place,
			base: place + 'cometlog.fcgi',
		};
	}

	get(target, options) { return request(this, 'GET', target, options); }

	errors() {
		const file = path.join(this.runDir, 'error.log');
		return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
	}

	/* The pids of the program's processes: those of this host's Apache. */
	programs() {
		return fs.readdirSync('/proc').filter((pid) => {
			try {
				return fs.readlinkSync(`/proc/${pid}/exe`)
					.startsWith(this.home + '/');
			} catch {
				return false;
			}
		}).map(Number);
	}

	async stop() {
		this.job.child.kill('SIGTERM');
		try {
			await within(this.job.done, 20000, 'the end of Apache');
			await until(() => !this.programs().some(isAlive),
				{ what: 'the end of what Apache started' });
		} finally {
			this.job.child.kill('SIGKILL');
			remove(this.folder);
		}
	}
}

/* gateway: fcgid or cgi.  override: what an .htaccess may say.  processes:
   most that mod_fcgid starts.  root: the site's folder in the home. */
export async function startHost({
	gateway = 'fcgid', override = 'All', processes = 100,
	root = 'public_html',
} = {}) {
	const folder = temporaryFolder();
	const host = Object.assign(new Host(), { folder, gateway, override,
		processes, home: path.join(folder, 'home'),
		runDir: path.join(folder, 'run'), port: await freePort() });
	host.site = path.join(host.home, root);
	fs.mkdirSync(host.site, { recursive: true });
	fs.mkdirSync(path.join(host.runDir, 'sockets'), { recursive: true });
	const file = path.join(host.runDir, 'apache.conf');
	fs.writeFileSync(file, configuration(host));
	if (process.getuid() === 0)
		for (const name of ['.', ...fs.readdirSync(folder,
			{ recursive: true })])
			fs.chownSync(path.join(folder, name), NOBODY, NOBODY);
	host.job = run(...asUser(APACHE, ['-D', 'FOREGROUND', '-f', file]),
		{ env: environment({ PATH: process.env.PATH }) });
	await until(() => {
		if (host.job.exited)
			throw new Error('Apache ended');
		return host.get('/');
	}, { what: 'Apache to serve' }).catch(async (e) => {
		throw new Error(`${e.message}\n${host.job.stderr}\n${host.errors()}`);
	});
	return host;
}
