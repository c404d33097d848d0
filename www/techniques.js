/*
 * Five ways to hear of a message, each as short as it can be and still go on
 * after a fault.  A page that just wants messages takes comet.js, which
 * chooses among them; these are here to be read and measured.
 *
 * Each begins after lane.cursor, keeps it current, returns what ends it, and
 * tells the lane what happens:
 *
 *   lane.asks(line)         a request goes out
 *   lane.hears(text)        something arrived, as it is on the wire
 *   lane.counts(bytes)      so much was received; for polling the browser knows
 *   lane.takes(data)        a message
 *   lane.is(state)          "connecting", "live" or "waiting"
 */

import { BASE_PATH } from "./site.js";

const CHANNEL = "lab/posts";
const POLL_MS = 2_000;
const HOLD_S = 25; /* but the first for a moment: do held answers come through? */
const RETRY_MS = 2_000;
const SILENCE_MS = 20_000; /* a sign of life comes at least every 15 s */

/* What the browser itself reckons for the head of an answer. */
const HEAD_BYTES = 300;

export const techniques = [
	{
		name: "Short polling",
		start: (lane) => askAgain(lane, POLL_MS, () => address("poll", lane)),
		note: "Asks every two seconds: works everywhere, costs a request each " +
			"time, and is a second late on average.",
	},
	{
		name: "Long polling",
		start: (lane) => askAgain(lane, 0, (isFirst) =>
			address("longpoll", lane) + `&timeout=${isFirst ? 1 : HOLD_S}`),
		note: "Asks and is kept waiting for news, at most 25 s: a request " +
			"for each burst of messages.",
	},
	{
		name: "Script streaming",
		start: streamScripts,
		note: "A hidden frame whose page never ends: each message is a " +
			"script. The forever frame of 2006.",
	},
	{
		name: "Server-Sent Events",
		start: listen,
		note: "One answer that goes on; EventSource reads it and comes back " +
			"by itself with the last id.",
	},
	{
		name: "WebSocket",
		start: converse,
		note: "Frames both ways on one connection, each two to four bytes " +
			"longer than what it carries.",
	},
];

function address(path, lane) {
	return `${BASE_PATH}/${path}?channel=${CHANNEL}&since=${lane.cursor}`;
}

/* Jittered, so that a server that restarts isn't met by all at once. */
function retryDelay() {
	return RETRY_MS * (0.5 + Math.random());
}

/* A message in a stream bears its seq: the cursor is that and the epoch. */
function cursorAt(seq, cursor) {
	return seq + cursor.slice(cursor.indexOf("."));
}

const sizeOf = (text) => new TextEncoder().encode(text).length;

/* Calls reopen when nothing was heard for too long: muted, or asleep. */
function watchSilence(reopen) {
	let timer = 0;

	return {
		heard() {
			clearTimeout(timer);
			timer = setTimeout(reopen, SILENCE_MS);
		},
		end: () => clearTimeout(timer),
	};
}

/* ---- short polling, and long polling: only the server differs ---- */

function askAgain(lane, pause_ms, addressOf) {
	const abort = new AbortController();
	let isFirst = true;
	let timer = 0;

	async function ask() {
		const url = addressOf(isFirst);

		lane.asks("GET " + url);
		const answer = await fetch(url, { signal: abort.signal });
		const text = await answer.text();
		lane.hears(text);
		if (!answer.ok)
			throw new Error(answer.status);
		const { messages, cursor, more, degraded } = JSON.parse(text);
		lane.cursor = cursor;
		lane.is("live");
		isFirst = false;
		for (const message of messages)
			lane.takes(message.data);
		return more ? 0 : degraded ? retryDelay() : pause_ms;
	}

	async function goOn() {
		let wait_ms;

		try {
			wait_ms = await ask();
		} catch {
			if (abort.signal.aborted)
				return;
			lane.is("waiting");
			isFirst = true;
			wait_ms = retryDelay();
		}
		timer = setTimeout(goOn, wait_ms);
	}

	lane.is("connecting");
	goOn();
	return () => {
		abort.abort();
		clearTimeout(timer);
	};
}

/* ---- script streaming ---- */

function streamScripts(lane) {
	let frame, isNew, timer;
	const silence = watchSilence(comeBack);

	/* Each time a new frame: another page in the same one would be an entry
	   in the browser's history. */
	function open() {
		const url = address("stream", lane) + "&format=script";

		isNew = true;
		frame = document.createElement("iframe");
		frame.hidden = true;
		frame.title = "Script streaming";
		frame.src = url;
		/* The page has ended.  Of one that broke off nothing is told:
		   there only the silence is left. */
		frame.addEventListener("load", comeBack);
		lane.is("connecting");
		lane.asks("GET " + url);
		silence.heard();
		document.body.append(frame);
	}

	function close() {
		silence.end();
		clearTimeout(timer);
		frame.remove();
	}

	function comeBack() {
		close();
		lane.is("waiting");
		timer = setTimeout(open, retryDelay());
	}

	/* What the scripts call.  One that has run is taken out of the page,
	   which would otherwise grow as long as it lives. */
	window.comet = (item) => {
		const page = frame.contentDocument;
		const script = page.currentScript;

		silence.heard();
		lane.hears(script.outerHTML);
		if (isNew)
			lane.counts(HEAD_BYTES + sizeOf(page.documentElement.outerHTML));
		else
			lane.counts(sizeOf(script.outerHTML + "\n"));
		isNew = false;
		script.remove();
		lane.is("live");
		if (item.seq === undefined)
			lane.cursor = item.heartbeat ?? item.cursor;
		else
			lane.cursor = cursorAt(item.seq, lane.cursor);
		if (item.seq !== undefined)
			lane.takes(item.data);
	};

	open();
	return () => {
		close();
		delete window.comet;
	};
}

/* ---- Server-Sent Events ---- */

function listen(lane) {
	let source, timer;
	const silence = watchSilence(comeBack);

	function open() {
		const url = address("events", lane);

		lane.is("connecting");
		lane.asks("GET " + url);
		silence.heard();
		source = new EventSource(url);
		source.onopen = () => {
			lane.is("live");
			lane.counts(HEAD_BYTES);
		};
		source.onmessage = (event) => {
			heard(event, "");
			lane.takes(parsed(event.data));
		};
		for (const name of ["heartbeat", "gap"])
			source.addEventListener(name,
				(event) => heard(event, `event: ${name}\n`));
		/* After a fault in between it comes back by itself; a refusal
		   it takes for the end. */
		source.onerror = () => {
			if (source.readyState === EventSource.CLOSED)
				return comeBack();
			lane.is("waiting");
			lane.asks(`GET ${url}\nLast-Event-ID: ${lane.cursor}`);
		};
	}

	function heard(event, line) {
		const text = `id: ${event.lastEventId}\n${line}` +
			`data: ${event.data.replaceAll("\n", "\ndata: ")}\n`;

		silence.heard();
		lane.cursor = event.lastEventId;
		lane.hears(text);
		lane.counts(sizeOf(text + "\n"));
	}

	function close() {
		silence.end();
		clearTimeout(timer);
		source.close();
	}

	function comeBack() {
		close();
		lane.is("waiting");
		timer = setTimeout(open, retryDelay());
	}

	open();
	return close;
}

/* The data as it was published: JSON, or words. */
function parsed(text) {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

/* ---- WebSocket ---- */

function converse(lane) {
	let socket, timer;
	const silence = watchSilence(comeBack);

	function open() {
		const url = address("ws", lane);

		lane.is("connecting");
		lane.asks(`GET ${url}\nUpgrade: websocket`);
		silence.heard();
		socket = new WebSocket(
			location.origin.replace("http", "ws") + url);
		socket.onopen = () => lane.counts(HEAD_BYTES);
		socket.onmessage = (event) => take(event.data);
		socket.onclose = comeBack;
	}

	function take(text) {
		const frame = JSON.parse(text);
		const size = sizeOf(text);

		silence.heard();
		lane.hears(text);
		lane.counts(size + (size < 126 ? 2 : size < 65536 ? 4 : 10));
		lane.is("live");
		if (frame.op === "message") {
			lane.cursor = cursorAt(frame.seq, lane.cursor);
			lane.takes(frame.data);
		} else if (frame.cursor) {
			lane.cursor = frame.cursor;
		}
	}

	function close() {
		silence.end();
		clearTimeout(timer);
		socket.onclose = null;
		socket.close();
	}

	function comeBack() {
		close();
		lane.is("waiting");
		timer = setTimeout(open, retryDelay());
	}

	open();
	return close;
}
