/*
 * Follows a channel pattern over Server-Sent Events and tells a view:
 *
 *   view.message(message)  once for each message, in the order of the log
 *   view.gap()             what should stand here is no longer kept
 *   view.state(word)       "connecting", "live" or "waiting"
 *   view.alive()           something arrived, a heartbeat at the least
 *
 * It reads the stream with fetch.  An EventSource hands an event only to
 * listeners for its name, and these pages show messages of every name; it
 * also gives up on any answer but 200 and does not notice a silent stream.
 */

const SILENCE_MS = 40_000; /* heartbeats come at least every 15 s */
const RETRY_MS = 2_000;    /* until the server names its own */
const RETRY_MAX_MS = 15_000;

export function follow(channel, last, view) {
	let cursor = "";
	let newest = 0;
	let retry_ms = RETRY_MS;
	let failures = 0;
	let run = 0;
	let connection = null;

	function address() {
		const query = new URLSearchParams({ channel, format: "json" });

		if (cursor)
			query.set("since", cursor);
		else
			query.set("last", last);
		return "/comet/events?" + query;
	}

	/* data is a message, a gap, or for a heartbeat just the cursor.  Their
	   own look decides: a message may bear the name "heartbeat". */
	function take(event) {
		cursor = event.id || cursor;
		retry_ms = Number(event.retry) || retry_ms;
		view.alive();
		if (!event.data?.startsWith("{"))
			return;
		const value = JSON.parse(event.data);
		if (value.seq > newest) {
			newest = value.seq;
			view.message(value);
		} else if (value.gap) {
			newest = 0; /* a new log counts from 1 again */
			view.gap();
		}
	}

	/* Throws unless the server ended the answer. */
	async function connect() {
		let timer = 0;
		const abort = new AbortController();
		const heard = () => {
			clearTimeout(timer);
			timer = setTimeout(() => abort.abort(), SILENCE_MS);
		};

		connection = abort;
		heard();
		try {
			const answer = await fetch(address(), {
				cache: "no-store",
				signal: abort.signal,
			});
			if (!answer.ok)
				throw new Error(answer.status);
			failures = 0;
			view.state("live");
			await readEvents(answer.body, heard, take);
		} finally {
			clearTimeout(timer);
		}
	}

	async function start() {
		for (const mine = ++run; mine === run; ) {
			view.state("connecting");
			try {
				await connect();
			} catch {
				failures++;
			}
			if (mine !== run)
				return;
			view.state("waiting");
			await pause(failures, retry_ms);
		}
	}

	/* A browser has six connections to a site: a page that only waits in
	   its history must not hold one. */
	addEventListener("pagehide", () => {
		run++;
		connection.abort();
	});
	addEventListener("pageshow", (event) => {
		if (event.persisted)
			start();
	});
	start();
}

/*
 * Calls take with { id, event, data, retry } for each block of the stream (HTML
 * Living Standard, 9.2), of which Cometlog ends every line with LF and with
 * format=json writes data as one line; calls heard for whatever arrives.
 */
async function readEvents(body, heard, take) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";

	for (;;) {
		const { value, done } = await reader.read();

		if (done)
			return;
		heard();
		const blocks = (rest + value).split("\n\n");
		rest = blocks.pop();
		for (const block of blocks)
			take(Object.fromEntries(block.split("\n").map(field)));
	}
}

function field(line) {
	const colon = line.indexOf(": ");

	return [line.slice(0, colon), line.slice(colon + 2)];
}

/* Jittered, so that a server that restarts isn't met by all at once. */
function pause(failures, retry_ms) {
	const wait_ms = Math.min(retry_ms * 2 ** failures, RETRY_MAX_MS);

	return new Promise((resolve) =>
		setTimeout(resolve, wait_ms * (0.5 + Math.random() / 2)));
}
