/*
 * The forms in which the browser client, www/comet.js, is given away.
 *
 *   node scripts/client.mjs classic      writes www/comet.classic.js
 *   node scripts/client.mjs check        fails if that is not current, or if
 *                                        the client has grown too large
 *   node scripts/client.mjs pack FOLDER  makes what `npm publish` takes
 *
 * check and pack need terser: npm ci.
 */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const TOP = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const MODULE = "www/comet.js";
const CLASSIC = "www/comet.classic.js";
const SIZE_MAX = 6 * 1024; /* minified and gzipped */

const read = (file) => fs.readFileSync(path.join(TOP, file), "utf8");

function fail(words) {
	console.error(`client.mjs: ${words}`);
	process.exit(1);
}

/* The module as a script that leaves window.Comet, with Comet.cursorOf. */
function classic(module) {
	const names = [];
	const body = module.replace(/^export (class|(?:async )?function) (\w+)/gm,
		(all, kind, name) => {
			names.push(name);
			return `${kind} ${name}`;
		});

	if (/^(export|import)\b/m.test(body) || !names.includes("Comet"))
		fail(`${MODULE}: "export" stands only before classes and functions`);
	const others = names.filter((name) => name !== "Comet")
		.map((name) => `Comet.${name} = ${name};\n`);
	return `/* Made from comet.js by scripts/client.mjs: change that. */\n` +
		`(function () {\n"use strict";\n\n${body}\n${others.join("")}` +
		"window.Comet = Comet;\n})();\n";
}

async function minified(code, options) {
	const { minify } = await import("terser").catch(() =>
		fail("terser is missing: npm ci"));
	const result = await minify(code, {
		compress: { ecma: 2020, passes: 3 },
		...options,
	});

	return result.code + "\n";
}

/* configure.ac is where the project says it. */
function version() {
	return /^AC_INIT\(\[cometlog\], \[([^\]]+)\]/m.exec(read("configure.ac"))[1];
}

async function check() {
	const module = read(MODULE);
	const size = gzipSync(await minified(module, { module: true }),
		{ level: 9 }).length;

	if (!fs.existsSync(path.join(TOP, CLASSIC)) ||
	    read(CLASSIC) !== classic(module))
		fail(`${CLASSIC} is not what ${MODULE} gives: ` +
			"node scripts/client.mjs classic");
	if (size > SIZE_MAX)
		fail(`${MODULE} has ${size} bytes, minified and gzipped: ` +
			`at most ${SIZE_MAX}`);
	console.log(`${MODULE}: ${size} bytes of ${SIZE_MAX}, ` +
		"minified and gzipped");
}

const README = `# cometlog-client

Live messages from a Cometlog
server in the browser, over WebSocket, Server-Sent Events, long polling or
polling: the best that the network lets through, changed when that changes.
Nothing is lost, doubled or out of order on the way.  No dependencies.

    import { Comet } from "cometlog-client";

    const comet = new Comet("/comet");
    const sub = comet.subscribe("chat/**", { last: 20 }, (message) => {
      console.log(message.channel, message.data);
    });
    await comet.publish("chat/lobby", { text: "hello" });

Without a callback a subscription is iterated:

    for await (const message of comet.subscribe("chat/**"))
      console.log(message.data);

\`sub.cursor\` is where to go on later: \`subscribe(pattern, { since: cursor })\`.
A cursor that the server writes into the page, \`<html data-since="...">\`, is
where subscriptions begin by themselves, so that nothing is missed between the
page and its subscription.

    comet.addEventListener("state", (e) => e.detail.state);
        // "connecting", "live", "offline", "closed"
    comet.addEventListener("transport", (e) => e.detail.transport);
        // "ws", "sse", "longpoll", "poll"
    comet.addEventListener("gap", (e) => location.reload());
        // some messages in between are no longer kept

All tabs of a site share one connection (where the browser has Web Locks: on
https).  comet.d.ts describes every option.

comet.js is the module, comet.min.js the same minified, and comet.classic.js a
script that leaves \`window.Comet\`.
`;

function packageJson() {
	return JSON.stringify({
		name: "cometlog-client",
		version: version(),
		description: "Live messages from a Cometlog server, over the best " +
			"technique that the network lets through",
		keywords: ["comet", "websocket", "sse", "eventsource", "long-polling",
			"realtime"],
		license: "MIT",
		type: "module",
		sideEffects: false,
		main: "./comet.js",
		types: "./comet.d.ts",
		exports: {
			".": { types: "./comet.d.ts", default: "./comet.js" },
			"./comet.min.js": { types: "./comet.d.ts",
				default: "./comet.min.js" },
			"./comet.classic.js": "./comet.classic.js",
		},
		files: ["comet.js", "comet.min.js", "comet.classic.js", "comet.d.ts"],
	}, null, 2) + "\n";
}

async function pack(folder) {
	if (!folder)
		fail("pack takes a folder");
	const module = read(MODULE);
	const files = {
		"package.json": packageJson(),
		"README.md": README,
		"LICENSE": read("LICENSE"),
		"comet.js": module,
		"comet.min.js": await minified(module, { module: true }),
		"comet.classic.js": classic(module),
		"comet.d.ts": read("www/comet.d.ts"),
	};

	fs.mkdirSync(folder, { recursive: true });
	for (const [name, text] of Object.entries(files))
		fs.writeFileSync(path.join(folder, name), text);
}

const [task, folder] = process.argv.slice(2);

if (task === "classic")
	fs.writeFileSync(path.join(TOP, CLASSIC), classic(read(MODULE)));
else if (task === "check")
	await check();
else if (task === "pack")
	await pack(folder);
else
	fail("classic, check or pack FOLDER");
