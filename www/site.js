/*
 * Where the program and its tip file are, for the pages beside this: the page
 * says it in <html data-comet="…" data-tip="…">, by addresses that may be
 * relative to the page.
 */
const { comet, tip } = document.documentElement.dataset;
const addressOf = (place) => new URL(place, document.baseURI);

/* The base of the program, without a slash at its end. */
export const BASE = addressOf(comet).href.replace(/\/$/, "");

/* The same without the origin, as people write it. */
export const BASE_PATH = new URL(BASE).pathname;

export const TIP = addressOf(tip).href;

/* In an example a place is written as it is from this page; as one can use it
   elsewhere it is shown by its path, or by all of its address. */
export function showPlaces() {
	for (const e of document.querySelectorAll("span.path"))
		e.textContent = addressOf(e.textContent).pathname;
	for (const e of document.querySelectorAll("span.address"))
		e.textContent = addressOf(e.textContent).href;
}
