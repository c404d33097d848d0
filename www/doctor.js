/* doctor.html: measures by itself when it is opened, and shows what follows. */

import {
	QUICK, THOROUGH, findings, streamsFlow, techniques, verdict,
} from "./doctor-findings.js";
import * as probes from "./doctor-probes.js";
import { element } from "./render.js";

const byId = (id) => document.getElementById(id);

/* doctor.html?silence=100&life=200 asks for other lengths, in seconds. */
function seconds(name, usual) {
	const given = Number(new URLSearchParams(location.search).get(name));

	return Math.min(THOROUGH, Math.max(1, Math.floor(given) || usual));
}

const SILENCE = seconds("silence", QUICK);
const LIFE = seconds("life", THOROUGH);

const LEVELS = { good: "Good", note: "Note", change: "To change",
	fault: "Fault" };
const USES = { first: "used first", next: "in reserve", no: "not here" };

/* What is done, in this order.  Seconds: how long it takes when all is well. */
const STEPS = [
	["Looking for the program", (m) => probes.reach(m)],
	["Timing its answers", (m) => probes.ping(m)],
	["Trying to fetch the log", (m) => probes.exposed(m)],
	["Watching a stream arrive", (m) => probes.streams(m)],
	["Sending a message", (m) => probes.trip(m, streamsFlow(m))],
	["Holding answers side by side", (m) => probes.held(m)],
	["Asking for the tip file", (m) => probes.tipFile(m)],
	["Opening a WebSocket", (m) => probes.socket(m)],
	["Waiting in silence",
		(m, tell) => probes.silent(m, SILENCE, tell)],
];

/* ---- what is shown ---- */

async function copy(code, button) {
	try {
		await navigator.clipboard.writeText(code.textContent);
		button.textContent = "Copied";
	} catch {
		/* A plain http site has no clipboard: leave it one key away. */
		getSelection().selectAllChildren(code);
		button.textContent = "Selected";
	}
}

function remedy({ where, lines }) {
	const figure = element("figure", "");
	const pre = element("pre", "");
	const code = element("code", "", lines);
	const button = element("button", "quiet", "Copy");

	button.type = "button";
	button.setAttribute("aria-label", `Copy the lines for ${where}`);
	button.addEventListener("click", () => copy(code, button));
	pre.append(code);
	figure.append(element("figcaption", "", where), button, pre);
	return figure;
}

function row(found) {
	const item = element("li", "finding");
	const title = element("h3", "", found.title);

	item.dataset.level = found.level;
	item.dataset.id = found.id;
	item.append(element("p", "level", LEVELS[found.level]), title,
		element("p", "words", found.text), ...found.fixes.map(remedy));
	return item;
}

function showTechniques(m) {
	byId("techniques").replaceChildren(...techniques(m).map((t) => {
		const line = element("tr", "");
		const name = element("th", "", t.name);

		name.scope = "row";
		line.dataset.is = t.is;
		line.append(name, element("td", "", USES[t.is]),
			element("td", "", t.why));
		return line;
	}));
	byId("using").hidden = m.facts === undefined;
}

/* Rows that say the same stay, so that what is read or focused does. */
function showFindings(m) {
	const list = byId("findings");
	const old = new Map([...list.children].map((e) => [e.found, e]));

	list.replaceChildren(...findings(m).map((found) => {
		const key = JSON.stringify(found);
		const item = old.get(key) ?? row(found);

		item.found = key;
		return item;
	}));
}

function show(m) {
	showFindings(m);
	showTechniques(m);
	byId("figures").textContent = JSON.stringify(m, null, 2);
	byId("raw").hidden = false;
}

function showVerdict(m) {
	const { level, text } = verdict(m);

	byId("verdict").dataset.level = level;
	byId("verdict-text").textContent = text;
}

function progress(text, part) {
	byId("doing").textContent = text;
	byId("progress").hidden = part === undefined;
	byId("progress").value = part ?? 0;
}

/* ---- running ---- */

let measured = {};

const parts = (asked, done) =>
	`${Math.min(asked, Math.floor(done))} of ${asked} s`;

function setRunning(isRunning) {
	byId("again").disabled = isRunning;
	byId("thorough").disabled = isRunning || measured.facts === undefined;
	document.body.dataset.doctor = isRunning ? "running" : "done";
}

async function run() {
	const m = measured = {};

	setRunning(true);
	byId("verdict").dataset.level = "";
	byId("verdict-text").textContent = "Measuring…";
	byId("findings").replaceChildren();
	for (const [i, [name, step]] of STEPS.entries()) {
		const label = `${i + 1} of ${STEPS.length}: ${name}`;

		progress(`${label}…`, i / STEPS.length);
		await step(m, (s) => progress(`${label}: ${parts(SILENCE, s)}`,
			(i + s / SILENCE) / STEPS.length));
		show(m);
		if (m.facts === undefined)
			break;
	}
	showVerdict(m);
	progress("Done.");
	setRunning(false);
}

async function runThorough() {
	const label = "Keeping one answer open";

	setRunning(true);
	progress(`${label}…`, 0);
	await probes.life(measured, LIFE, (s) =>
		progress(`${label}: ${parts(LIFE, s)}`, s / LIFE));
	show(measured);
	showVerdict(measured);
	progress(measured.life === undefined
		? "There was no place for it; try again later." : "Done.");
	setRunning(false);
}

byId("thorough").textContent = `Keep an answer open for ${LIFE} s`;
byId("base").textContent = probes.BASE_PATH;
byId("doctor").hidden = false;
byId("again").addEventListener("click", run);
byId("thorough").addEventListener("click", runThorough);
run();
