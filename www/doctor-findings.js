/*
 * From what the doctor measured to what it says: pure functions, so that each
 * judgement can be tested with figures of hosts that nobody has at hand.
 *
 * A finding: { id, level, title, text, fixes: [{ where, lines }] }.  Levels:
 * good, note (nothing to do), change (worth it), fault (live updates suffer
 * or a secret is open).
 *
 * A measurement that was not made is undefined, and gives no finding.
 */

import { judgeReach } from "./doctor-reach.js";
import {
	DENY, ETAG, FASTCGI, LINK, UNBUFFER, UNZIP, WEBSOCKET, backOf, finding,
	frontOf, isUploaded, remedies, setting,
} from "./doctor-remedies.js";

/* What is sent 1.5 s apart and comes at least so far apart was not kept back. */
const APART = 500;

/* Seconds: what the program does if nobody tells it otherwise. */
const TIMEOUT = 25;
const HEARTBEAT = 14;

/* How long the quick and the thorough probe ask an answer to live, in seconds;
   and how much of a limit that was found may be used. */
export const QUICK = 45;
export const THOROUGH = 330;
const SAFE = 0.75;

/* Long polls that can’t last so many seconds are no better than polls. */
const SHORT = 5;

/* ---- the program and its place ---- */

function judgeGateway(m) {
	const { gateway: kind, version } = m.facts;
	const where = m.facts.server.software || m.front ||
		"a web server without a name";

	if (kind === "fastcgi")
		return finding("gateway", "good", "The program is reached",
			`Cometlog ${version} runs as a FastCGI program under ${where}` +
			(m.ping === undefined ? "." : `, and answers in ${m.ping} ms.`));
	return finding("gateway", "note", "The program is reached, as plain CGI",
		`Cometlog ${version} is started anew for each request` +
		(m.ping === undefined ? "" : ` (${m.ping} ms each)`) + ` under ${where}. ` +
		"That works; FastCGI is several times quicker. If the host has " +
		"mod_fcgid, this line is enough:",
		FASTCGI);
}

const MIB = 1024 * 1024;

function judgeLog(m) {
	const { log } = m.facts;
	const on = log.file_system.startsWith("0x") ? "a file system of a rare kind"
		: log.file_system;
	const all = [];

	if (log.journal === "wal" && !log.wal)
		all.push(finding("log", "fault", "The log’s file system can’t carry it",
			`The log is written ahead (WAL) on ${on}, where processes can’t ` +
			"share memory: messages may get lost.",
			setting("journal = rollback")));
	else if (!log.locks)
		all.push(finding("log", "fault", "The log’s file system has no locks",
			`On ${on} two processes can write at the same time without ` +
			"noticing. Put the log on another file system.",
			setting("log = /another/place/cometlog.db")));
	else if (log.journal === "wal")
		all.push(finding("log", "good", "The log lies well",
			`It is on ${on}, with locks and shared memory, written ahead ` +
			"(WAL): readers never wait for writers."));
	else
		all.push(finding("log", "note", "The log is written by rollback",
			`It is on ${on}. ` + (log.wal
			? "This place could carry a write-ahead log, which is quicker. " +
				"With the option below the program sees that by itself, the " +
				"next time it makes a log."
			: "No write-ahead log is possible here, so this is right, if " +
				"slower."),
			...(log.wal ? [setting("journal = auto")] : [])));
	if (log.free_bytes < 100 * MIB)
		all.push(finding("space", "change", "Little room is left",
			`${Math.round(log.free_bytes / MIB)} MiB are free where the log ` +
			"lies. Without room nothing can be published. Keep less:",
			setting("retain = ** age=7d bytes=20M")));
	return all;
}

/* exposed: [{ url, status, isOpen }]. */
function judgeExposure(m) {
	const open = m.exposed.filter((e) => e.isOpen);

	if (open.length > 0)
		return finding("exposed", "fault", "Anybody can fetch the log",
			"The web server hands out what must stay secret: " +
			open.map((e) => e.url).join(", ") + ". Deny it:",
			DENY[frontOf(m)] ?? DENY.apache);
	return finding("exposed", "good", "The log can’t be fetched",
		(m.facts?.log.in_web_root
			? "It lies below the folder that the web server serves, but what "
			: "What ") +
		`could be asked for (${m.exposed.map((e) => e.url).join(", ")}) is ` +
		"refused.");
}

/* ---- streams ---- */

/* A stream is { bytes, type, firstMs, restMs, status, encoding }: when the first
   chunk was there whole, and the line after it. */
const isPrompt = (s) => s.restMs - s.firstMs > APART;
const size = (bytes) => `${bytes / 1024} KiB`;
const plain = (m) => (m.streams ?? []).filter((s) => s.type === "events" &&
	s.status === 200);

/* Do streams arrive?  Messages are small: what counts is the smallest. */
export const streamsFlow = (m) => plain(m).length > 0 &&
	plain(m).every(isPrompt);

function judgeStreams(m) {
	const all = plain(m);
	const late = all.filter((s) => !isPrompt(s));
	const server = backOf(m);

	if (all.length === 0)
		return finding("streams", "note", "Streams could not be measured",
			"All places for held answers were taken. Try again later.");
	if (late.length === 0)
		return finding("streams", "good", "Streams arrive at once",
			`Pieces of ${all.map((s) => size(s.bytes)).join(", ")} were here ` +
			`within ${Math.max(...all.map((s) => s.firstMs))} ms, long before ` +
			"the end of their answers.");
	const isOurs = !isUploaded(m) && m.facts?.gateway === "fastcgi";
	const fixes = isOurs ? UNBUFFER[server] ?? [] : [];

	return finding("streams", isUploaded(m) ? "note" : "change",
		"Something keeps streams back",
		(late.length === all.length
			? "Nothing of an answer arrives before much of it has come together"
			: `Small pieces (${late.map((s) => size(s.bytes)).join(", ")}) wait ` +
				"until there is more") +
		": a buffer in the web server or in front of it. " +
		"Server-Sent Events are no use then, and pages use long polling, where " +
		"each message is an answer of its own. " + (isUploaded(m)
		? "On shared hosting that is the host’s choice (mod_fcgid: " +
			"FcgidOutputBufferSize), and nothing is wrong with your site."
		: fixes.length > 0 ? "Where you can, switch the buffer off:" : ""),
	...fixes);
}

function judgeGzip(m) {
	const s = (m.streams ?? []).find((one) => one.type === "html" &&
		one.status === 200);

	if (!s || !streamsFlow(m))
		return null;
	if (isPrompt(s))
		return finding("gzip", "good", "Compression keeps nothing back",
			s.encoding ? `A page that comes in pieces is compressed (` +
			`${s.encoding}) and arrives in pieces all the same.`
			: "A page that comes in pieces is not compressed, and arrives in " +
			"pieces.");
	return finding("gzip", "change", "Compression keeps pages back",
		"A page that comes in pieces" +
		(s.encoding ? `, compressed with ${s.encoding},` : "") + " arrives only " +
		"at its end. That stops script streaming (the forever frame), no other " +
		"technique. Leave Cometlog’s address out of it:",
		...remedies(UNZIP[frontOf(m)]));
}

/* ---- how long, and how many ---- */

/* { asked, lived, isWhole }: seconds. */
function judgeSilent(m) {
	const { asked, lived, isWhole } = m.silent;
	const most = Math.max(1, Math.floor(lived * SAFE));
	const longest = (m.facts?.limits.longpoll_max_ms ?? 55000) / 1000;

	if (isWhole && asked < longest)
		return finding("silent", "good", `A request may be silent for ${asked} s`,
			`Long polls that come from comet.js wait for less. (The longest that ` +
			`anybody may ask for is ${longest} s, longpoll-max, and was not ` +
			"tried.)");
	if (isWhole)
		return finding("silent", "good", `A request may be silent for ${asked} s`,
			`No long poll waits for longer than ${longest} s (longpoll-max).`);
	return finding("silent", "change", "Silence is cut off after " +
		`${Math.round(lived)} s`, "A long poll that waits for longer ends in an " +
		"error. Let them come back earlier:",
	setting(`longpoll-max = ${most}s` +
		(most < TIMEOUT ? `\nlongpoll-timeout = ${most}s` : "") +
		(most < HEARTBEAT ? `\nheartbeat = ${most}s` : "")));
}

function judgeLife(m) {
	const { asked, lived, isWhole } = m.life;
	const most = Math.max(5, Math.floor(lived * SAFE));
	const hold = (m.facts?.limits.max_hold_ms ?? 270000) / 1000;

	if (isWhole || lived > hold + 5)
		return finding("life", "good", `An answer may live for ` +
			`${Math.floor(lived)} s`, `Streams are ended by the program itself ` +
			`after ${hold} s (max-hold), and clients go on where they were.`);
	return finding("life", "change", `Answers are cut off after ` +
		`${Math.round(lived)} s of ${asked}`, "Clients notice and go on where " +
		"they were, but an error is in between. Let the program end them " +
		"first:", setting(`max-hold = ${most}s`));
}

/* held: { started, asked, refused, status }: so many answers were held at a time
   before a small request beside them waited, or something was refused. */
function judgeHeld(m) {
	const { started, asked, refused, status } = m.held;
	const isOwn = refused && status === 503;
	const waits = !refused && started < asked;
	const most = Math.max(2, started + (waits ? 1 : 0));

	if (isOwn)
		return finding("held", "good", `${started} answers are held for one ` +
			"visitor", "More are refused by the program’s own budget " +
			"(client-held, site-requests, max-held), as they should be: " +
			"those pages poll.");
	if (refused || waits)
		return finding("held", "change", `With more than ${started} answers ` +
			`held, others ${waits ? "wait" : `are refused (${status})`}`,
		"While so many pages are open, the site stands still. Tell the " +
			"program how many requests it may use, and it keeps some free:",
		setting(`site-requests = ${most}\n` +
			`site-reserve = ${Math.ceil(most / 2)}`));
	return finding("held", "good", `${started} answers are held at a time, and ` +
		"nothing waits", "More was not tried" +
		(/^http\/1/.test(m.protocol ?? "")
			? ": over HTTP/1.1 a browser has six connections to a site. "
			: ", to be gentle. ") +
		"cometlog doctor, on the command line, tries up to 64.");
}

/* ---- the rest ---- */

/* tip: { status, body, validator, again }: what the first GET gave, whether with
   ETag or Last-Modified, and the status when asked with it. */
function judgeTip(m) {
	const { status, body = "", validator, again } = m.tip;
	const isThere = status === 200 && /^\d+\.[0-9a-f]{8}\s*$/.test(body);
	const isKept = m.facts?.tip.configured ?? isThere;

	if (!isKept)
		return finding("tip", "change", "There is no tip file",
			"With one, the web server itself tells polling pages that nothing " +
			"is new, and the program isn’t asked.",
			setting(isUploaded(m) ? "tip-file = comet-tip"
				: "tip-file = /var/lib/cometlog/comet-tip"));
	if (!isThere)
		return finding("tip", "change", "The tip file is not where pages look",
			`The program keeps one, but at ${m.tip.url} there is ` +
			(status === 200 ? "something else" : `nothing (${status})`) + ".",
			isUploaded(m) ? setting("tip-file = comet-tip") : LINK);
	if (again !== 304)
		return finding("tip", "note", "The tip file is sent whole each time",
			"It has a dozen bytes, so that is no harm" + (validator
			? ", but this web server does not answer 304 to what it gave as " +
				"its mark."
			: "; with an ETag it would be 304, and less.") ,
			...remedies(ETAG[frontOf(m)]));
	return finding("tip", "good", "The tip file answers quiet pages",
		"Asked again, the web server says 304 by itself: a page that polls a " +
		"quiet site costs no program.");
}

function judgeProtocol(m) {
	if (m.protocol === "h2" || m.protocol === "h3")
		return finding("protocol", "good",
			`The site speaks HTTP/${m.protocol.slice(1)}`,
			"All requests of a browser share one connection, in as many tabs " +
			"as there are.");
	return finding("protocol", "note", "The site speaks HTTP/1.1",
		"A browser then has six connections to a site for all its tabs. " +
		"comet.js lets tabs share one" + (m.isSecure
		? ". HTTP/2 would do away with the bound."
		: " over https; without https each has its own."));
}

function judgeSocket(m) {
	if (m.ws.isOpen)
		return finding("ws", "good", "WebSockets work",
			`One was open after ${m.ws.ms} ms, and answered.`);
	return finding("ws", "note", "There are no WebSockets here",
		"They need cometlog-wsd, a program that runs all the time" +
		(isUploaded(m)
			? ", which shared hosting rarely allows. Nothing is lost: " +
				"the other techniques bring the same messages."
			: ". Start it, and pass the address on to it:"),
		...(isUploaded(m) ? [] : remedies(WEBSOCKET[frontOf(m)])));
}

function judgeClock(m) {
	const s = Math.round(Math.abs(m.skewMs) / 1000);

	if (s < 60)
		return finding("clock", "good", "The clocks agree",
			"The server’s and this device’s, within a minute.");
	return finding("clock", "note", "The clocks differ by " +
		(s < 7200 ? `${Math.round(s / 60)} minutes` :
			`${Math.round(s / 3600)} hours`),
	"One of them is wrong, the server’s or this device’s. Messages are in " +
	"order all the same; only the times that they show are off.");
}

/* trip: { status, detail, readMs, via, channel }. */
function judgeTrip(m) {
	const { status, detail, readMs, via, channel } = m.trip;

	if (status === 401 || status === 403)
		return finding("trip", "note", "Publishing is refused here",
			`A message from this page was not taken (${status}). If you let ` +
			"only some publish, that is as it should be.");
	if (status !== 201)
		return finding("trip", "fault", "Publishing fails",
			`A message was not taken (${status}). ${detail ?? ""}`.trim());
	if (readMs === undefined)
		return finding("trip", "fault", "A message got lost on the way",
			`It was stored, but not read within ten seconds, ${via}.`);
	return finding("trip", "good", "A message makes the whole trip",
		`Published, stored and read again ${via} within ${readMs} ms. (It was a ` +
		`real one, in the channel ${channel}, and goes as old messages do.)`);
}

/* ---- all together ---- */

/* All findings, in the order of the page. */
export function findings(m) {
	const all = [];
	const add = (is, judge) => is !== undefined && all.push(judge(m));

	if (m.reach) {
		const reach = judgeReach(m);
		if (reach)
			return [reach];
	}
	if (m.facts)
		all.push(judgeGateway(m), ...judgeLog(m));
	add(m.exposed, judgeExposure);
	add(m.trip, judgeTrip);
	add(m.streams, judgeStreams);
	add(m.streams, judgeGzip);
	add(m.held, judgeHeld);
	add(m.tip, judgeTip);
	add(m.ws, judgeSocket);
	add(m.protocol, judgeProtocol);
	if (m.skewMs !== undefined)
		all.push(judgeClock(m));
	add(m.silent, judgeSilent);
	add(m.life, judgeLife);
	return all.filter(Boolean);
}

/* What comet.js will use: [{ name, is: "first", "next" or "no", why }], in the
   order of its preference. */
export function techniques(m) {
	const isReached = m.facts !== undefined;
	const canHold = m.held === undefined || m.held.started > 0;
	const canWait = m.silent === undefined || m.silent.isWhole ||
		m.silent.lived >= SHORT;
	const can = [
		["WebSocket", isReached && m.ws?.isOpen === true,
			"both ways over one connection", "no daemon answers"],
		["Server-Sent Events", isReached && streamsFlow(m),
			"one answer that goes on", "streams are kept back on the way"],
		["Long polling", isReached && canHold && canWait,
			"an answer for each message, as soon as it is there",
			"silent requests are cut off"],
		["Polling", isReached, "a question each few seconds; always works",
			"the program isn’t reached"],
	];
	const first = can.findIndex(([, is]) => is);

	return can.map(([name, is, yes, no], i) => ({ name,
		is: i === first ? "first" : is ? "next" : "no", why: is ? yes : no }));
}

/* One sentence for all of it: { level, text }. */
export function verdict(m) {
	const all = findings(m);
	const count = (level) => all.filter((f) => f.level === level).length;
	const first = techniques(m).find((t) => t.is === "first");
	const things = (n) => n === 1 ? "one thing" : `${n} things`;

	if (!first)
		return { level: all[0]?.level ?? "note",
			text: all[0]?.title ?? "Nothing was measured." };
	const using = `Pages here will use ${first.name}.`;
	if (count("fault") > 0)
		return { level: "fault", text: `${capital(things(count("fault")))} must ` +
			`be mended. ${using}` };
	if (count("change") > 0)
		return { level: "change", text: `Live updates work. ${using} ` +
			`${capital(things(count("change")))} could be better.` };
	return { level: "good", text: `Live updates work. ${using}` };
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);
