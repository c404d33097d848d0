/* The overview page: what arrives, the form, and examples to copy. */

import { follow } from "./follow.js";
import { newId, publish } from "./publish.js";
import { element, gapNote, showState, textOf, timeOf } from "./render.js";

const KEPT_ROWS = 100;

const byId = (id) => document.getElementById(id);

let lastSign_ms = 0;

function row(message) {
	const item = element("li", "message");
	const head = element("p", "head");

	head.append(element("bdi", "channel", message.channel));
	if (message.event)
		head.append(element("bdi", "event", message.event));
	head.append(timeOf(message));
	item.append(head, textOf(message));
	return item;
}

/* Newest first: what just arrived is in sight without scrolling. */
function show(item) {
	const list = byId("messages");

	byId("empty").hidden = true;
	list.prepend(item);
	while (list.children.length > KEPT_ROWS)
		list.lastElementChild.remove();
}

function showLife() {
	const seconds = Math.round((Date.now() - lastSign_ms) / 1000);

	byId("life").textContent = lastSign_ms === 0 ? ""
		: seconds < 2 ? "heard just now" : `heard ${seconds} s ago`;
}

async function submit(event) {
	const form = byId("form");
	const field = byId("data");
	const text = field.value;
	const notice = (words) => byId("notice").textContent = words;

	event.preventDefault();
	form.reset();
	notice("");
	try {
		await publish(form.elements.channel.value,
			{ data: text, id: newId() }, notice);
		notice("");
	} catch (refused) {
		notice(refused.message);
		field.value ||= text;
	}
}

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

function addCopyButton(figure) {
	const caption = figure.querySelector("figcaption");
	const button = element("button", "quiet", "Copy");

	button.type = "button";
	button.setAttribute("aria-label", "Copy: " + caption.textContent);
	button.addEventListener("click",
		() => copy(figure.querySelector("pre code"), button));
	button.addEventListener("blur", () => button.textContent = "Copy");
	figure.append(button);
}

for (const e of document.querySelectorAll(".origin"))
	e.textContent = location.origin;
document.querySelectorAll("figure").forEach(addCopyButton);
byId("form").addEventListener("submit", submit);
byId("state").hidden = false;
byId("feed").hidden = false;
setInterval(showLife, 1000);

follow("demo/**", 20, {
	message: (message) => show(row(message)),
	gap: () => show(gapNote()),
	state: showState,
	alive() {
		lastSign_ms = Date.now();
		showLife();
	},
});
