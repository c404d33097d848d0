/*
 * The chat, live.  A message is what the page's form posts: the sender's name
 * in `event` and the text in `data`, so that people with and without
 * JavaScript read each other.
 */

import { Comet } from "./comet.js";
import { element, gapNote, textOf, timeOf, watchState } from "./render.js";
import { BASE, TIP } from "./site.js";

const CHANNEL = "chat/lobby";
const HISTORY = 50;
const KEPT_ROWS = 500;
const TELL_MS = 5_000; /* so long sending may take before it is said */
const RETRY_MS = 2_000;
const NAME_KEY = "cometlog-name";
const BOTTOM_PX = 32;

const byId = (id) => document.getElementById(id);
const feed = byId("feed");
const form = byId("form");
const nameField = byId("name");
const textField = byId("text");

const comet = new Comet(BASE, { tip: TIP, publishTimeout: TELL_MS });
const unsent = new Map(); /* message id -> its row in the outbox */
let sending = Promise.resolve();
let isAtBottom = true;
let height_px = 0;

/* A browser may refuse storage; then the name is asked for again. */
function recallName() {
	try {
		return localStorage.getItem(NAME_KEY) ?? "";
	} catch {
		return "";
	}
}

function keepName(name) {
	try {
		localStorage.setItem(NAME_KEY, name);
	} catch {
		/* as recallName */
	}
}

function notice(words) {
	byId("notice").textContent = words;
}

function row(name, when, text) {
	const item = element("li", "message");
	const head = element("p", "head");

	head.append(element("bdi", name ? "name" : "name none", name || "no name"),
		when);
	item.append(head, text);
	return item;
}

function toBottom() {
	feed.scrollTop = feed.scrollHeight;
	byId("newer").hidden = true;
}

function show(item) {
	const list = byId("messages");

	byId("empty").hidden = true;
	list.append(item);
	if (isAtBottom) {
		while (list.children.length > KEPT_ROWS)
			list.firstElementChild.remove();
		toBottom();
	} else {
		byId("newer").hidden = false;
	}
}

function addUnsent(id, name, text) {
	const item = row(name, element("span", "time", "sending"),
		textOf({ data: text }));

	unsent.set(id, item);
	byId("outbox").append(item);
	byId("outbox").hidden = false;
}

function markSent(id) {
	const mark = unsent.get(id)?.querySelector(".time");

	if (mark)
		mark.textContent = "sent";
}

function dropUnsent(id) {
	unsent.get(id)?.remove();
	unsent.delete(id);
	byId("outbox").hidden = unsent.size === 0;
}

/* crypto.randomUUID is missing where the site is plain http. */
function newId() {
	return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/* What trying again would not help; without a status nobody has answered. */
function isFinal(status) {
	return status >= 400 && status < 500 && status !== 429;
}

function reasonOf(refused) {
	if (refused.status === 413)
		return "This message is too long.";
	return "Not accepted: " +
		(refused.detail ?? `the server answered ${refused.status}`);
}

/* What was stored leaves the outbox when it comes back on the channel.  Each
   try has the same id, so one whose answer was lost stores nothing more. */
async function send(id, name, text) {
	for (;;) {
		try {
			await comet.publish(CHANNEL, text, { event: name, id });
			notice("");
			markSent(id);
			return;
		} catch (refused) {
			if (isFinal(refused.status)) {
				notice(reasonOf(refused));
				textField.value ||= text;
				dropUnsent(id);
				return;
			}
		}
		notice("Not sent yet. Trying again.");
		await new Promise((done) => setTimeout(done,
			RETRY_MS * (0.5 + Math.random())));
	}
}

/* One after the other, so that what was said first also stands first. */
function submit(event) {
	const id = newId();
	const name = nameField.value.trim();
	const text = textField.value.trim();

	event.preventDefault();
	if (!name || !text)
		return (name ? textField : nameField).focus();
	keepName(name);
	textField.value = "";
	textField.focus();
	isAtBottom = true;
	toBottom();
	addUnsent(id, name, text);
	sending = sending.then(() => send(id, name, text));
}

/* Enter sends, Shift+Enter breaks the line; not while composing a word. */
function onKey(event) {
	if (event.key !== "Enter" || event.shiftKey || event.isComposing)
		return;
	event.preventDefault();
	form.requestSubmit();
}

/* The room shrinks when a phone's keyboard opens, or the text grows. */
function onResize() {
	height_px = feed.clientHeight;
	if (isAtBottom)
		toBottom();
}

/* Only the reader's own scrolling counts; onResize is yet to come for others. */
function onScroll() {
	if (feed.clientHeight !== height_px)
		return;
	const below = feed.scrollHeight - feed.scrollTop - feed.clientHeight;

	isAtBottom = below < BOTTOM_PX;
	if (isAtBottom)
		byId("newer").hidden = true;
}

nameField.value = recallName();
form.addEventListener("submit", submit);
textField.addEventListener("keydown", onKey);
feed.addEventListener("scroll", onScroll, { passive: true });
byId("newer").addEventListener("click", () => {
	toBottom();
	textField.focus();
});
new ResizeObserver(onResize).observe(feed);
byId("room").hidden = false;

watchState(comet);
comet.addEventListener("gap", () => show(gapNote()));
comet.subscribe(CHANNEL, { last: HISTORY }, (message) => {
	dropUnsent(message.id);
	show(row(message.event?.trim(), timeOf(message), textOf(message)));
});
