/* The overview page: what arrives, the form, and examples to copy. */

import { Comet } from "./comet.js";
import { element, gapNote, textOf, timeOf, watchState } from "./render.js";
import { BASE, TIP, showPlaces } from "./site.js";

const HISTORY = 20;
const KEPT_ROWS = 100;

const byId = (id) => document.getElementById(id);
const comet = new Comet(BASE, { tip: TIP });

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

async function submit(event) {
	const form = byId("form");
	const field = byId("data");
	const text = field.value;
	const notice = (words) => byId("notice").textContent = words;

	event.preventDefault();
	form.reset();
	notice("");
	try {
		await comet.publish(form.elements.channel.value, text);
	} catch (refused) {
		notice("Not posted: " + (refused.detail ?? refused.message));
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

showPlaces();
document.querySelectorAll("figure").forEach(addCopyButton);
byId("form").addEventListener("submit", submit);
byId("feed").hidden = false;

watchState(comet);
comet.addEventListener("gap", () => show(gapNote()));
comet.subscribe("demo/**", { last: HISTORY },
	(message) => show(row(message)));
