/* What the pages show alike.  Messages are strangers' text: only textContent. */

const STATES = {
	connecting: "Connecting",
	live: "Live",
	waiting: "Waiting to reconnect",
	offline: "Offline, trying again",
	closed: "Stopped",
};

const TRANSPORTS = {
	poll: "by polling",
	longpoll: "by long polling",
	sse: "over Server-Sent Events",
	ws: "over WebSocket",
};

export function element(name, className, text) {
	const e = document.createElement(name);

	e.className = className;
	if (text !== undefined)
		e.textContent = text;
	return e;
}

/* detail: what else is to be said of the state. */
export function showState(state, box, detail = "") {
	box.hidden = false;
	box.dataset.state = state;
	box.querySelector("[role=status]").textContent =
		`${STATES[state]} ${detail}`.trim();
}

/* Shows how a Comet client is doing, and by which transport it reads. */
export function watchState(comet) {
	const box = document.getElementById("state");
	const show = () => {
		const isLive = comet.state === "live";

		showState(comet.state, box,
			isLive ? TRANSPORTS[comet.transport] : "");
		box.dataset.transport = isLive ? comet.transport : "";
	};

	comet.addEventListener("state", show);
	comet.addEventListener("transport", show);
	show();
}

/* The clock alone for today, the day as well for what is older. */
export function timeOf(message) {
	const date = new Date(message.time);
	const isToday = date.toDateString() === new Date().toDateString();
	const clock = { hour: "2-digit", minute: "2-digit" };
	const day = { month: "short", day: "numeric" };
	const e = element("time", "time", isToday
		? date.toLocaleTimeString([], clock)
		: date.toLocaleString([], { ...day, ...clock }));

	e.dateTime = date.toISOString();
	e.title = date.toLocaleString();
	return e;
}

/* data is a string, or any JSON value. */
export function textOf(message) {
	const text = typeof message.data === "string"
		? message.data.replace(/\r\n?/g, "\n")
		: JSON.stringify(message.data);
	const e = element("p", "text", text);

	e.dir = "auto";
	return e;
}

export function gapNote() {
	return element("li", "gap", "Some messages in between are no longer kept.");
}
