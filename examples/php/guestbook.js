/*
 * The guestbook, live: shows what is signed after PHP rendered the page, from
 * data-since of <html> on.  Entries are strangers' text: only textContent.
 */
import { Comet } from "./comet.js";

const STATES = {
	connecting: "Connecting",
	live: "Live",
	offline: "Offline, trying again",
	closed: "Stopped",
};

const book = document.querySelector("main").dataset.comet;
const list = document.getElementById("entries");
const template = document.getElementById("entry").content.firstElementChild;
const state = document.getElementById("state");
const comet = new Comet(book);

const number = (item) => Number(item.dataset.id);

/* In the visitor's own time zone. */
function tellTime(item) {
	const time = item.querySelector("time");

	time.textContent = new Date(time.dateTime).toLocaleString([],
		{ dateStyle: "medium", timeStyle: "short" });
}

/* In its place, unless it is there: the tip file may be a moment behind what
   PHP read after it. */
function add(item) {
	const items = [...list.children];

	if (items.some((other) => number(other) === number(item)))
		return;
	tellTime(item);
	list.insertBefore(item,
		items.find((other) => number(other) < number(item)) ?? null);
}

function itemOf(entry) {
	const item = template.cloneNode(true);

	item.dataset.id = entry.id;
	item.querySelector(".name").textContent = entry.name;
	item.querySelector("time").dateTime = entry.time;
	item.querySelector(".text").textContent = entry.text;
	return item;
}

/* Some of what came in between is no longer in the log, but PHP has it. */
async function reread() {
	const answer = await fetch(location.href);

	if (!answer.ok)
		throw new Error(`${location.href} answered ${answer.status}`);
	const page = new DOMParser()
		.parseFromString(await answer.text(), "text/html");

	page.querySelectorAll("#entries > li").forEach(add);
}

function showState() {
	state.hidden = false;
	state.dataset.state = comet.state;
	state.querySelector("[role=status]").textContent = STATES[comet.state];
}

[...list.children].forEach(tellTime);
comet.addEventListener("state", showState);
comet.addEventListener("gap", () => reread().catch(() => {
	document.getElementById("notice").textContent =
		"Some entries are missing here. Please load the page again.";
}));
comet.subscribe("guestbook", (message) => add(itemOf(message.data)));
showState();
