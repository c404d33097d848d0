/* What both pages show alike.  Messages are strangers' text: only textContent. */

const STATES = {
	connecting: "Connecting",
	live: "Live",
	waiting: "Waiting to reconnect",
};

export function element(name, className, text) {
	const e = document.createElement(name);

	e.className = className;
	if (text !== undefined)
		e.textContent = text;
	return e;
}

export function showState(word) {
	document.getElementById("state").dataset.state = word;
	document.getElementById("state-text").textContent = STATES[word];
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
