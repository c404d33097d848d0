/*
 * The names of the drafts of 2006 to 2009, for pages that were written then:
 *
 *   <eventsource src="…" onmessage="…">     an element, in the page's text or
 *                                           made by createElement
 *   element.addEventSource(url)             and removeEventSource(url)
 *   socket.onread, socket.onclosed          besides onmessage and onclose
 *   socket.postMessage(text)                for send
 *   socket.disconnect()                     for close
 *
 * Sockets to the program speak plain text, as one expected then: postMessage
 * publishes to the first channel= of the address, onread gets what was
 * published.  Where the program is, <html data-comet="…"> says: /comet if it
 * doesn't.  A script without type=module, to be loaded before the others.
 */
(() => {
	"use strict";

	/* ---- the eventsource element ---- */

	const sources = new WeakMap(); /* element -> Map(url -> EventSource) */
	const heardNames = new WeakMap(); /* element -> names listened for */
	const fromAttribute = new WeakMap(); /* element -> url of its src */
	const handled = new WeakSet(); /* elements whose onmessage is called */
	const prototype = HTMLUnknownElement.prototype;
	const addListener = EventTarget.prototype.addEventListener;
	const isOne = (node) => node.localName === "eventsource";

	function namesOf(element) {
		if (!heardNames.has(element))
			heardNames.set(element, new Set(["message"]));
		return heardNames.get(element);
	}

	function sourcesOf(element) {
		if (!sources.has(element))
			sources.set(element, new Map());
		return sources.get(element);
	}

	function pass(element, source, name) {
		source.addEventListener(name, (event) => {
			if (event instanceof MessageEvent)
				element.dispatchEvent(new MessageEvent(name, {
					data: event.data,
					lastEventId: event.lastEventId,
					origin: event.origin,
					bubbles: true,
				}));
		});
	}

	/* An event of the stream has the name that the stream gave it. */
	prototype.addEventListener = function (name, ...rest) {
		if (isOne(this) && !namesOf(this).has(name)) {
			namesOf(this).add(name);
			for (const source of sourcesOf(this).values())
				pass(this, source, name);
		}
		return addListener.call(this, name, ...rest);
	};

	prototype.addEventSource = function (url) {
		const open = sourcesOf(this);
		const key = new URL(url, document.baseURI).href;

		takeHandler(this);
		if (open.has(key))
			return;
		const source = new EventSource(key);
		open.set(key, source);
		for (const name of namesOf(this))
			pass(this, source, name);
	};

	prototype.removeEventSource = function (url) {
		const key = new URL(url, document.baseURI).href;

		sourcesOf(this).get(key)?.close();
		sourcesOf(this).delete(key);
	};

	/* No browser takes onmessage on such an element for a handler. */
	function takeHandler(element) {
		const code = element.getAttribute("onmessage");

		if (handled.has(element))
			return;
		handled.add(element);
		element.onmessage ??= code && new Function("event", code);
		addListener.call(element, "message",
			(event) => element.onmessage?.(event));
	}

	function take(element) {
		const src = element.getAttribute("src");

		drop(element);
		if (src === null)
			return;
		fromAttribute.set(element, src);
		element.addEventSource(src);
	}

	function drop(element) {
		if (fromAttribute.has(element))
			element.removeEventSource(fromAttribute.get(element));
		fromAttribute.delete(element);
	}

	/* node, and what is in it. */
	function each(node, act) {
		if (node.nodeType !== Node.ELEMENT_NODE)
			return;
		[node, ...node.querySelectorAll("eventsource")].filter(isOne)
			.forEach(act);
	}

	new MutationObserver((changes) => {
		for (const { type, target, addedNodes, removedNodes } of changes) {
			if (type === "attributes" && isOne(target))
				take(target);
			removedNodes.forEach((node) => each(node, drop));
			addedNodes.forEach((node) => each(node, take));
		}
	}).observe(document, {
		attributeFilter: ["src"],
		childList: true,
		subtree: true,
	});
	each(document.documentElement, take);

	/* ---- the WebSocket of the drafts ---- */

	const Today = window.WebSocket;
	const program = document.documentElement.dataset.comet ?? "/comet";
	const speaksJson = (url) => url.pathname ===
		new URL(program + "/ws", document.baseURI).pathname;

	window.WebSocket = class WebSocket extends Today {
		#channel = null;

		constructor(address, ...rest) {
			super(address, ...rest);
			const url = new URL(this.url);

			if (speaksJson(url))
				this.#channel = url.searchParams.get("channel");
			this.onread = null;
			this.onclosed = null;
			this.addEventListener("message", (event) => this.#read(event));
			this.addEventListener("close",
				(event) => this.onclosed?.(event));
		}

		#read(event) {
			if (this.#channel === null)
				return this.onread?.(event);
			const frame = JSON.parse(event.data);

			if (frame.op === "message")
				this.onread?.(new MessageEvent("read", {
					data: typeof frame.data === "string"
						? frame.data : JSON.stringify(frame.data),
					origin: event.origin,
				}));
		}

		postMessage(text) {
			this.send(this.#channel === null ? text : JSON.stringify({
				op: "publish",
				channel: this.#channel,
				data: String(text),
			}));
		}

		disconnect() {
			this.close();
		}
	};
})();
