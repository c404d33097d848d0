/* The lab: a lane for each technique, and what posts for all of them. */

import { Plot } from "./plot.js";
import { element, showState } from "./render.js";
import { BASE, BASE_PATH, showPlaces } from "./site.js";
import { techniques } from "./techniques.js";

const CHANNEL = "lab/posts";
const REPEAT_MS = 1_000;
const REDRAW_MS = 500;
const RETRY_MS = 2_000;
const WIRE_ROWS = 12;
const WIRE_CHARS = 300;
const MEDIAN_OF = 101;

const byId = (id) => document.getElementById(id);

/* Latency takes one clock: only this page's own messages have one. */
const pageId = crypto.getRandomValues(new Uint32Array(2)).join("-");

let repeating = 0;
let posted = 0;

function duration(ms) {
	if (ms >= 1000)
		return (ms / 1000).toFixed(2) + " s";
	return ms.toFixed(ms < 10 ? 1 : 0) + " ms";
}

function size(bytes) {
	if (bytes >= 1e6)
		return (bytes / 1e6).toFixed(2) + " MB";
	return bytes < 1000 ? bytes + " B" : (bytes / 1000).toFixed(1) + " kB";
}

function median(values) {
	return [...values].sort((a, b) => a - b)[values.length >> 1];
}

class Lane {
	#technique;
	#view;
	#plot;
	#stop = null;
	#since = 0; /* when it was started */
	#figures;

	constructor(technique, cursor) {
		const view = byId("lane").content.firstElementChild.cloneNode(true);

		this.#technique = technique;
		this.cursor = cursor;
		this.#view = view;
		this.#part("h2").textContent = technique.name;
		this.#part(".lane-note").textContent = technique.note;
		this.#part("svg").setAttribute("aria-label",
			"Latencies of the last minute, " + technique.name);
		this.#part("button").addEventListener("click", () => this.toggle());
		this.#plot = new Plot(this.#part("svg"));
		byId("lanes").append(view);
		this.clear();
		this.start();
	}

	#part(selector) {
		return this.#view.querySelector(selector);
	}

	get isRunning() {
		return this.#stop !== null;
	}

	start() {
		this.#since = performance.now();
		this.#label("Stop");
		this.#stop = this.#technique.start(this);
	}

	stop() {
		this.#stop();
		this.#stop = null;
		this.#label("Start");
		this.is("closed");
	}

	toggle() {
		if (this.isRunning)
			this.stop();
		else
			this.start();
	}

	#label(verb) {
		this.#part("button").textContent = verb;
		this.#part("button").setAttribute("aria-label",
			`${verb}: ${this.#technique.name}`);
	}

	clear() {
		this.#figures = { messages: 0, requests: 0, bytes: 0, latencies: [] };
		this.#plot.clear();
		this.#part("ol").replaceChildren();
		this.#show();
	}

	redraw() {
		this.#plot.draw();
	}

	#show() {
		const { messages, requests, bytes, latencies } = this.#figures;
		const some = latencies.length > 0;

		this.#part(".last").textContent = some
			? duration(latencies[latencies.length - 1]) : "–";
		this.#part(".median").textContent = some
			? duration(median(latencies)) : "–";
		this.#part(".messages-count").textContent = messages;
		this.#part(".requests").textContent = requests;
		this.#part(".received").textContent = size(bytes);
	}

	#trace(direction, text) {
		const list = this.#part("ol");
		const row = element("li", direction, text.length > WIRE_CHARS
			? text.slice(0, WIRE_CHARS) + "…" : text);

		list.prepend(row);
		if (list.children.length > WIRE_ROWS)
			list.lastElementChild.remove();
	}

	/* ---- what a technique tells ---- */

	is(state) {
		showState(state, this.#part(".state"));
	}

	asks(line) {
		this.#figures.requests++;
		this.#trace("out", line);
		this.#show();
	}

	hears(text) {
		this.#trace("in", text);
	}

	counts(bytes) {
		this.#figures.bytes += bytes;
		this.#show();
	}

	/* What was posted before the lane was started it only catches up with. */
	takes(data) {
		const now = performance.now();

		this.#figures.messages++;
		if (data?.page === pageId && data.posted >= this.#since) {
			this.#figures.latencies.push(now - data.posted);
			this.#figures.latencies.splice(0,
				this.#figures.latencies.length - MEDIAN_OF);
			this.#plot.add(data.posted, now);
		}
		this.#show();
	}
}

async function post() {
	const data = {
		page: pageId,
		posted: Math.round(performance.now() * 10) / 10,
	};

	try {
		const answer = await fetch(`${BASE}/publish/${CHANNEL}`, {
			method: "POST",
			headers: { "Content-Type": "application/json" },
			body: JSON.stringify(data),
		});
		if (!answer.ok)
			throw new Error(`the server answered ${answer.status}`);
		byId("posted").textContent = ++posted;
		byId("notice").textContent = "";
	} catch (error) {
		byId("notice").textContent = "Not posted: " + error.message;
	}
}

function toggleRepeating() {
	clearInterval(repeating);
	repeating = repeating ? 0 : setInterval(post, REPEAT_MS);
	byId("repeat").setAttribute("aria-pressed", repeating !== 0);
}

/* One cursor for all, so that each lane counts the same messages. */
async function newestCursor() {
	for (;;) {
		try {
			const answer = await fetch(
				`${BASE}/poll?channel=${CHANNEL}&limit=0`);
			return (await answer.json()).cursor;
		} catch {
			await new Promise((done) => setTimeout(done, RETRY_MS));
		}
	}
}

/* The browser's own figures for what has a proper end. */
function countPolling(lanes) {
	const byPath = {
		[BASE_PATH + "/poll"]: lanes[0],
		[BASE_PATH + "/longpoll"]: lanes[1],
	};

	new PerformanceObserver((list) => {
		for (const entry of list.getEntries())
			byPath[new URL(entry.name).pathname]?.counts(entry.transferSize);
		performance.clearResourceTimings();
	}).observe({ type: "resource" });
}

async function begin() {
	const cursor = await newestCursor();
	const lanes = techniques.map((technique) => new Lane(technique, cursor));
	let left = [];

	countPolling(lanes);
	byId("bench").hidden = false;
	byId("bench").addEventListener("submit", (event) => {
		event.preventDefault();
		post();
	});
	byId("repeat").addEventListener("click", toggleRepeating);
	byId("clear").addEventListener("click", () => {
		posted = 0;
		byId("posted").textContent = posted;
		lanes.forEach((lane) => lane.clear());
	});
	setInterval(() => lanes.forEach((lane) => lane.redraw()), REDRAW_MS);

	/* A page that only waits in the history must not hold connections. */
	addEventListener("pagehide", () => {
		left = lanes.filter((lane) => lane.isRunning);
		left.forEach((lane) => lane.stop());
	});
	addEventListener("pageshow", () => left.splice(0)
		.forEach((lane) => lane.start()));
}

showPlaces();

/* Not before the page has loaded, which it would not have as long as a frame
   in it goes on loading. */
if (document.readyState === "complete")
	begin();
else
	addEventListener("load", begin, { once: true });
