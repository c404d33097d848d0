/*
 * A minute of latencies: a dot for each message, at the time of its arrival
 * and, on a logarithmic scale, as high as it took long, with a line that begins
 * when it was posted.  Places are percentages, so the plot has any size.
 */

const SPAN_MS = 60_000;
const LOWEST_MS = 1;
const DECADES = 4; /* up to 10 s */
const LINES = [[10, "10 ms"], [100, "100 ms"], [1_000, "1 s"]];
const DOTS_MAX = 300;

function shape(name, attributes, text = "") {
	const e = document.createElementNS("http://www.w3.org/2000/svg", name);

	for (const [key, value] of Object.entries(attributes))
		e.setAttribute(key, value);
	e.textContent = text;
	return e;
}

/* Room is left at both ends for half a dot. */
function height(latency_ms) {
	const up = Math.log10(Math.max(latency_ms, LOWEST_MS) / LOWEST_MS);

	return (93 - 86 * Math.min(up / DECADES, 1)).toFixed(2) + "%";
}

export class Plot {
	#svg;
	#scale = [];
	#marks = []; /* { posted, arrived } by performance.now() */

	constructor(svg) {
		this.#svg = svg;
		for (const [latency_ms, label] of LINES) {
			const y = height(latency_ms);

			this.#scale.push(
				shape("line", { x1: 0, x2: "100%", y1: y, y2: y,
					class: "grid" }),
				shape("text", { x: 4, y, dy: -3 }, label));
		}
		this.draw();
	}

	add(posted, arrived) {
		this.#marks.push({ posted, arrived });
		this.#marks.splice(0, this.#marks.length - DOTS_MAX);
		this.draw();
	}

	clear() {
		this.#marks = [];
		this.draw();
	}

	draw() {
		const end = performance.now();
		const place = (time) =>
			(99 - 99 * (end - time) / SPAN_MS).toFixed(2) + "%";

		this.#marks = this.#marks.filter(
			({ arrived }) => end - arrived < SPAN_MS);
		this.#svg.replaceChildren(...this.#scale,
			...this.#marks.flatMap(({ posted, arrived }) => {
				const x = place(arrived);
				const y = height(arrived - posted);

				return [
					shape("line", { x1: place(posted), x2: x,
						y1: y, y2: y, class: "wait" }),
					shape("circle", { cx: x, cy: y, r: 3 }),
				];
			}));
	}
}
