/*
 * The measurements of doctor.html, each bounded in time and in what it asks of
 * the host.  They judge nothing: doctor-findings.js does.
 */

const { comet, tip } = document.documentElement.dataset;
const addressOf = (place) => new URL(place, document.baseURI);

/* The base of the program, without a slash at its end; the tip file. */
export const BASE = addressOf(comet).href.replace(/\/$/, "");
const TIP = addressOf(tip).href;

export const BASE_PATH = addressOf(comet).pathname.replace(/\/$/, "");

const CHANNEL = "doctor/check";
const SAMPLE = 2048;            /* bytes looked at of what may be anything */
const ANSWER = 15_000;          /* ms for what isn't held */
const HELD = 20;                /* seconds that answers side by side last */
const GAP = 20;                 /* ms between their beginnings */
const STILL = 5_000;            /* ms: what takes longer waits for others */
const TRIP = 10_000;
const SOCKET = 5_000;
const PINGS = 5;

const elapsed = (since) => Math.round(performance.now() - since);
const randomId = () => `doctor-${crypto.getRandomValues(new Uint32Array(2))
	.join("-")}`;

/* Ends by itself after so many ms, or with stop(). */
class Limit {
	#control = new AbortController();
	#timer;

	constructor(ms) {
		this.#timer = setTimeout(() => this.stop(), ms);
	}

	get signal() { return this.#control.signal; }

	stop() {
		clearTimeout(this.#timer);
		this.#control.abort();
	}
}

const ask = (url, limit, options = {}) => fetch(url,
	{ cache: "no-store", signal: limit.signal, ...options });

/* The body in pieces of text, as they come; ends when more says false. */
async function read(response, more) {
	const reader = response.body.getReader();
	const decoder = new TextDecoder();
	let text = "";

	for (;;) {
		const { done, value } = await reader.read();

		text += decoder.decode(value, { stream: !done });
		if (done || !more(text))
			return text;
	}
}

/* The beginning of an answer: { status, type, sample, headers }, or { error }. */
async function beginning(url, options) {
	const limit = new Limit(ANSWER);

	try {
		const response = await ask(url, limit, options);
		const sample = response.body === null ? ""
			: await read(response, (text) => text.length < SAMPLE);

		return { status: response.status, sample: sample.slice(0, SAMPLE),
			headers: response.headers,
			type: response.headers.get("Content-Type") ?? "" };
	} catch (e) {
		return { error: e.name === "AbortError" ? "it took too long"
			: "the connection failed", sample: "" };
	} finally {
		limit.stop();
	}
}

function parsed({ type = "", sample }) {
	try {
		return /^application\/(problem\+)?json/.test(type)
			? JSON.parse(sample) : undefined;
	} catch {
		return undefined;
	}
}

/* m.reach and, if the program answers, m.facts, m.front, m.skewMs. */
export async function reach(m) {
	const began = Date.now();
	const url = `${BASE}/doctor`;
	const answer = await beginning(url);
	const json = parsed(answer);

	m.base = BASE_PATH;
	m.isSecure = location.protocol === "https:";
	m.front = answer.headers?.get("Server") ?? "";
	m.reach = { status: answer.status, type: answer.type,
		sample: answer.sample.slice(0, 200), error: answer.error,
		detail: json?.detail };
	if (answer.status !== 200 || json?.gateway === undefined)
		return;
	m.facts = json;
	m.skewMs = json.time - (began + Date.now()) / 2;
}

/* The median of a few, and by which protocol they came. */
export async function ping(m) {
	const all = [];

	for (let i = 0; i < PINGS; i++) {
		const since = performance.now();

		if ((await beginning(`${BASE}/doctor/ping`)).status === 204)
			all.push(elapsed(since));
	}
	if (all.length > 0)
		m.ping = all.sort((a, b) => a - b)[all.length >> 1];
	m.protocol = performance.getEntriesByName(`${BASE}/doctor/ping`).at(-1)
		?.nextHopProtocol;
}

/* { bytes, type, status, firstMs, restMs, encoding }: when the first chunk was
   whole, and when the line after it was there.  toEnd: lets it end by itself, so
   that its place is free again. */
async function stream(bytes, type, toEnd) {
	const limit = new Limit(ANSWER);
	const since = performance.now();
	const result = { bytes, type };

	try {
		const response = await ask(
			`${BASE}/doctor/stream?bytes=${bytes}&type=${type}`, limit);

		result.status = response.status;
		result.encoding = response.headers.get("Content-Encoding") ?? "";
		await read(response, (text) => {
			if (text.length >= bytes)
				result.firstMs ??= elapsed(since);
			if (text.includes("data: ", bytes))
				result.restMs ??= elapsed(since);
			return toEnd || result.restMs === undefined;
		});
	} catch {
		/* what came until then counts */
	} finally {
		limit.stop();
	}
	return result;
}

export async function streams(m) {
	m.streams = [];
	for (const [bytes, type] of [[1024, "events"], [4096, "events"],
		[65536, "events"], [4096, "html"]])
		m.streams.push(await stream(bytes, type, type === "html"));
}

const LISTING = /Index of|cometlog/i;
const SETTING = /^\s*(log|journal|retain|site-requests|tip-file)\s*=/m;

/* Is this what must stay secret, rather than a page that says no? */
export function isSecret(url, { status, type = "", sample }) {
	if (status !== 200)
		return false;
	if (url.endsWith("/"))
		return LISTING.test(sample);
	return sample.startsWith("SQLite format 3") ||
		(!/html/.test(type) && SETTING.test(sample));
}

/* What may lie beside the program, and beside this page. */
export async function exposed(m) {
	const folders = new Set([new URL(".", BASE).href,
		new URL(".", document.baseURI).href]);

	m.exposed = [];
	for (const folder of folders)
		for (const name of ["data/", "data/cometlog.db", "cometlog.db",
			"cometlog.conf"]) {
			const url = folder + name;
			const answer = await beginning(url);

			m.exposed.push({ url: new URL(url).pathname,
				status: answer.status, isOpen: isSecret(url, answer) });
		}
}

/* Publishes once the stream is open, and waits for the message there. */
async function tripByStream(publish, result) {
	const limit = new Limit(TRIP);
	const id = randomId();
	let since = 0;

	try {
		const response = await ask(`${BASE}/events?channel=${CHANNEL}` +
			"&since=now", limit);

		await read(response, (text) => {
			if (since === 0 && text !== "") {
				since = performance.now();
				publish(id);
			} else if (text.includes(id)) {
				result.readMs = elapsed(since);
			}
			return result.readMs === undefined;
		});
	} catch {
		/* readMs isn't there then */
	} finally {
		limit.stop();
	}
}

async function tripByPoll(publish, result) {
	const id = randomId();
	const query = `${BASE}/poll?channel=${CHANNEL}`;
	const { cursor } = parsed(await beginning(`${query}&since=now&limit=0`)) ?? {};
	const since = performance.now();

	await publish(id);
	if (result.status !== 201 || cursor === undefined)
		return;
	const answer = await beginning(`${query}&since=${cursor}`);
	if (answer.sample.includes(id))
		result.readMs = elapsed(since);
}

/* Publishes one message and reads it again: by a stream where those arrive. */
export async function trip(m, isStreaming) {
	const result = { channel: CHANNEL };
	const publish = async (id) => {
		const answer = await beginning(`${BASE}/publish/${CHANNEL}?id=${id}`,
			{ method: "POST", headers: { "Content-Type": "text/plain" },
				body: `a check by the doctor, ${id}` });

		result.status = answer.status ?? 0;
		result.detail = parsed(answer)?.detail;
	};

	result.via = "over Server-Sent Events";
	if (isStreaming)
		await tripByStream(publish, result);
	if (result.readMs === undefined && (result.status ?? 201) === 201) {
		result.via = "by polling";
		await tripByPoll(publish, result);
	}
	m.trip = result;
}

/* Holds one more answer.  Whether it is held can't be seen from its head, which a
   buffer may keep; but a small request beside it must not wait.  "held", "waits",
   or the status that refused one of the two. */
async function holdOne(url, limit) {
	const still = new Limit(STILL);
	let status;

	ask(url, limit).then((response) => { status = response.status; }, () => {});
	try {
		await new Promise((done) => setTimeout(done, GAP));
		const { status: small } = await ask(`${BASE}/doctor/ping`, still);

		return status !== undefined && status !== 200 ? status
			: small !== 204 ? small : "held";
	} catch {
		return "waits";
	} finally {
		still.stop();
	}
}

/* One after the other, stopping at the first beside which others wait: a browser
   has six connections over HTTP/1.1, one of which stays free for the rest. */
export async function held(m) {
	const asked = /^h[23]/.test(m.protocol ?? "") ? 10 : 5;
	const limit = new Limit(HELD * 1000);
	let started = 0, state;

	for (; started < asked; started++) {
		state = await holdOne(
			`${BASE}/doctor/hold?seconds=${HELD}&n=${started}`, limit);
		if (state !== "held")
			break;
	}
	limit.stop();
	m.held = { asked, started, refused: typeof state === "number",
		status: typeof state === "number" ? state : undefined };
}

export async function tipFile(m) {
	const answer = await beginning(TIP);
	const etag = answer.headers?.get("ETag");
	const modified = answer.headers?.get("Last-Modified");
	const condition = etag ? { "If-None-Match": etag }
		: modified ? { "If-Modified-Since": modified } : undefined;

	m.tip = { url: new URL(TIP).pathname, status: answer.status,
		body: answer.sample.slice(0, 40), validator: etag ?? modified ?? "" };
	if (answer.status === 200 && condition)
		m.tip.again = (await beginning(TIP, { headers: condition })).status;
}

export async function socket(m) {
	const since = performance.now();
	const ws = new WebSocket(`${BASE.replace(/^http/, "ws")}/ws`);

	m.ws = await new Promise((done) => {
		const timer = setTimeout(() => done({ isOpen: false }), SOCKET);

		ws.onopen = () => ws.send('{"op":"ping"}');
		ws.onmessage = () => done({ isOpen: true, ms: elapsed(since) });
		ws.onclose = () => {
			clearTimeout(timer);
			done({ isOpen: false });
		};
	});
	ws.close();
}

/* { asked, lived, isWhole, isSilent }, in seconds; undefined: there was no place.
   tell(seconds) is called now and then. */
async function hold(asked, isSilent, tell) {
	const limit = new Limit((asked + 30) * 1000);
	const since = performance.now();
	const timer = setInterval(() => tell(elapsed(since) / 1000), 500);
	const result = { asked, isSilent, isWhole: false };

	try {
		const response = await ask(`${BASE}/doctor/hold?seconds=${asked}` +
			(isSilent ? "&silent=1" : ""), limit);

		if (response.status === 503 &&
			/problem/.test(response.headers.get("Content-Type")))
			return undefined;
		const text = response.ok ? await read(response, () => true) : "";
		result.isWhole = text.includes(`data: ${asked}\n`);
	} catch {
		/* cut off: that is what is measured */
	} finally {
		clearInterval(timer);
		limit.stop();
	}
	result.lived = elapsed(since) / 1000;
	return result;
}

export async function silent(m, seconds, tell) {
	m.silent = await hold(seconds, true, tell);
}

export async function life(m, seconds, tell) {
	m.life = await hold(seconds, false, tell);
}
