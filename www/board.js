/* The board: four figures, each with the course of its last two minutes. */

import { Comet } from "./comet.js";
import { watchState } from "./render.js";
import { BASE, TIP, showPlaces } from "./site.js";

const CHANNEL = "board/figures";
const SPAN_S = 120;
const KEPT = 240;
const STEPS = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

const FIGURES = [
	{ key: "visitors", title: "Visitors", unit: "on the site" },
	{ key: "orders", title: "Orders", unit: "a minute" },
	{ key: "answer", title: "A page takes", unit: "ms" },
	{ key: "load", title: "Load", unit: "of the machine", digits: 2 },
];

const byId = (id) => document.getElementById(id);
const board = byId("board");

let samples = []; /* messages, oldest first */
let chosen = null; /* the one that is looked at; null: the newest */

const newest = () => samples[samples.length - 1];

/* The next round number, the top of a chart. */
function ceiling(value) {
	const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-2)));

	return power * STEPS.find((step) => step * power >= value);
}

/* Seconds before the newest, as a place from 0 (oldest) to 120. */
function placeOf(sample) {
	return SPAN_S - (newest().time - sample.time) / 1000;
}

class Chart {
	#figure;
	#view;

	constructor(figure) {
		this.#figure = figure;
		this.#view = byId("chart").content.firstElementChild.cloneNode(true);
		this.#part("h2").textContent = figure.title;
		this.#part(".unit").textContent = figure.unit;
		board.append(this.#view);
	}

	#part(selector) {
		return this.#view.querySelector(selector);
	}

	draw(shown, sample) {
		const { key, digits = 0 } = this.#figure;
		const most = ceiling(Math.max(...shown.map((s) => s.data[key])));
		const point = (s) => placeOf(s).toFixed(2) + " " +
			(98 - 96 * s.data[key] / most).toFixed(2);
		const curve = "M" + shown.map(point).join("L");
		const x = placeOf(sample);

		this.#part(".number").textContent =
			sample.data[key].toLocaleString([], {
				minimumFractionDigits: digits,
				maximumFractionDigits: digits,
			});
		this.#part(".most").textContent = most.toLocaleString();
		this.#part(".curve").setAttribute("d", curve);
		this.#part(".area").setAttribute("d",
			`${curve}V100H${placeOf(shown[0]).toFixed(2)}Z`);
		/* a line of no length: its round ends are the dot */
		this.#part(".tip").setAttribute("d", `M${point(sample)}h0`);
		this.#part(".moment").setAttribute("x1", x);
		this.#part(".moment").setAttribute("x2", x);
		this.#part(".moment").style.display = chosen ? "" : "none";
	}
}

const charts = FIGURES.map((figure) => new Chart(figure));

function inSight() {
	return samples.filter((sample) => placeOf(sample) >= 0);
}

function draw() {
	const shown = inSight();

	if (!shown.includes(chosen))
		chosen = null;
	const ago_s = chosen && Math.round((newest().time - chosen.time) / 1000);

	board.hidden = false;
	byId("board-help").hidden = false;
	byId("empty").hidden = true;
	byId("moment").textContent = chosen ? `${ago_s} s ago.` : "Now.";
	board.classList.toggle("is-past", chosen !== null);
	for (const chart of charts)
		chart.draw(shown, chosen ?? newest());
}

/* Anybody may post to the channel: what are no figures is left out. */
function take(message) {
	if (!FIGURES.every(({ key }) => Number.isFinite(message.data?.[key])))
		return;
	samples.push(message);
	samples = samples.slice(-KEPT);
	draw();
}

function pointAt(event) {
	const frame = event.target.closest(".frame")?.getBoundingClientRect();

	if (!frame || samples.length === 0)
		return;
	const place = SPAN_S * (event.clientX - frame.left) / frame.width;
	const distance = (sample) => Math.abs(placeOf(sample) - place);

	chosen = inSight().reduce((a, b) => distance(b) < distance(a) ? b : a);
	draw();
}

function comeBack() {
	chosen = null;
	if (samples.length > 0)
		draw();
}

function onKey(event) {
	const shown = inSight();
	const at = shown.indexOf(chosen ?? newest());
	const to = {
		ArrowLeft: Math.max(at - 1, 0),
		ArrowRight: at + 1,
		Home: 0,
		End: shown.length,
		Escape: shown.length,
	}[event.key];

	if (to === undefined)
		return;
	event.preventDefault();
	chosen = to < shown.length - 1 ? shown[to] : null;
	draw();
}

showPlaces();
byId("empty").hidden = false;
board.addEventListener("pointermove", pointAt);
board.addEventListener("pointerdown", pointAt);
board.addEventListener("pointerleave", comeBack);
board.addEventListener("keydown", onKey);
board.addEventListener("blur", comeBack);

const comet = new Comet(BASE, { tip: TIP });

watchState(comet);
comet.addEventListener("gap", () => byId("notice").textContent =
	"Some figures in between are no longer kept.");
comet.subscribe(CHANNEL, { last: SPAN_S }, take);
