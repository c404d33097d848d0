/* Made from comet.js by scripts/client.mjs: change that. */
(function () {
"use strict";

/*
 * The browser's side of Cometlog: live messages over the best technique that
 * this network, this host and this browser let through.
 *
 *	import { Comet } from "/comet.js";
 *	const comet = new Comet("/comet");
 *	comet.subscribe("chat/**", { last: 20 }, (m) => show(m.channel, m.data));
 *	await comet.publish("chat/lobby", "hello");
 *
 * One rule holds it together.  Each subscription is a place in the log, and
 * gets a message if and only if that lies above its place.  Whatever asks the
 * server asks from a place at or below those of the subscriptions it asks for,
 * and hands on what it gets in order.  So any number of requests may overlap,
 * and nothing is lost, doubled or swapped.
 *
 *	        a poll was answered
 *	 POLL ------------------------> POLL and a candidate
 *	  ^ ^                            |         | message, pong or heartbeat
 *	  | +--- no sign of life --------+         v
 *	  +----- closed, silent, or mute: ----- STREAM, while it is young
 *	         did not bring what a poll      with a slow poll beside it
 *
 * While there is a stream, polls bring in what it doesn't cover, such as new
 * subscriptions; a better candidate, or one that covers more, replaces it.
 *
 * comet.d.ts has the types.
 */

/* What options may change.  Times are in ms, here and below. */
const DEFAULTS = {
	transports: ["ws", "sse", "longpoll", "poll"], /* the best first */
	tip: "comet-tip",     /* the tip file's address, from that of the program;
	                         false: there is none */
	share: true,          /* one connection for all tabs of the site */
	pollInterval: 3_000,
	heartbeat: 25_000,    /* so much silence is death; a sign comes each 15 s */
	publishTimeout: 30_000,
};

const PROBE = 5_000;      /* for a transport's first sign of life */
const ANSWER = 10_000;    /* for an answer that isn't held */
const GRACE = 3_000;      /* a stream may be so much later than a poll */
const BACKOFF = 1_000;    /* the first pause, doubling to BACKOFF_MAX */
const BACKOFF_MAX = 60_000;
const REST = 30_000;      /* of a transport that failed twice in a row, */
const REST_MAX = 600_000; /* doubling to that; a quarter after the first time */
const LONG = 8;           /* heartbeats: after those it isn't "in a row" */
const OFFLINE = 30_000;   /* between tries: browsers say so in error, too */
const TIP_CHECK = 30_000; /* polls whatever the tip says, doubling to REST_MAX */
const TURN = 1_000;       /* 3 without a word of the tab that leads: asked; */
                          /* 6: given up */
const JUMP = 90_000;      /* a timer that late has slept; hidden ones get 60 s */
const TICK = 5_000;       /* looks at the clock at least so often */

const QUEUE_MAX = 10_000; /* messages that wait for an iteration */
const PATTERNS_MAX = 32;  /* in one request: the server's default */
const QUERY_MAX = 4_000;  /* characters of them: web servers bound addresses */
const PAGE = "limit=500&";
const PAGES_MAX = 20;     /* then others have their turn */

const noop = () => {};
const now = () => Date.now(); /* as it is when asked: tests set it */
const jitter = (ms) => ms * Math.random();
const backoff = (fails) => jitter(Math.min(BACKOFF_MAX, BACKOFF * 2 ** fails));
const randomId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)),
	(b) => b.toString(36)).join("");

/* ---- cursors, patterns, places ---- */

/* null: it isn't one. */
function parseCursor(text) {
	const found = /^(\d+)(?:\.([0-9a-f]{8}))?\s*$/.exec(text);

	return found && { seq: +found[1], epoch: found[2] || "" };
}

/* "" for a place that is still to be found. */
const cursorText = ({ seq, epoch }) =>
	seq < 0 ? "" : seq + (epoch && "." + epoch);

const isBelow = (place, { seq, epoch }) =>
	place.seq < seq && (!place.epoch || place.epoch === epoch);

const lowest = (places) => places.reduce((a, b) => b.seq < a.seq ? b : a);

/* A wildcard covers no channel that begins with $. */
function matcher(pattern) {
	const expression = new RegExp((/\*/.test(pattern) ? "^(?!\\$)" : "^") +
		pattern.replace(/\*\*$|\W/g, (c) => c === "**" ? "[^]*"
			: c === "*" ? "[^/]*" : "\\" + c) + "$");

	return (channel) => expression.test(channel);
}

/* A subscription as the connection sees it; hear(kind, value) is missing where
   it is another tab's. */
function newPlace(pattern, since, last, hear) {
	return {
		pattern,
		part: "channel=" + encodeURIComponent(pattern) + "&", /* of a query */
		matches: matcher(pattern),
		seq: -1,        /* to be found: the newest, less `last` messages */
		epoch: "",
		...parseCursor(since),
		last,
		hear,
		isReady: false, /* a poll has brought it to the end of the log */
		refusedTo: 0,   /* not asked for before then */
	};
}

/*
 * The cursor that a server wrote into its page: data-since of the element, else
 * of the first below it that has one.  undefined: there is none.
 */
function cursorOf(element = globalThis.document?.documentElement) {
	return element?.dataset.since ||
		element?.querySelector("[data-since]")?.dataset.since || undefined;
}

/* ---- answers ---- */

/* wait: so long the server asks to stay away. */
const fault = (status = 0, detail = "The server can’t be reached", more) =>
	Object.assign(new Error(detail), { status, detail, wait: 0, ...more });

/* Would the same be refused again? */
const isFinal = (status) =>
	status >= 400 && status < 500 && ![408, 429].includes(status);

const isType = (answer, type) =>
	answer.status < 300 && type.test(answer.headers.get("content-type"));

function retryAfter(answer) {
	const text = answer.headers.get("retry-after");

	return Math.min(REST_MAX, text * 1000 || Date.parse(text) - now() || 0);
}

/* Error pages of all kinds come here.  isProblem: Cometlog said it. */
async function refusal(answer) {
	const problem = await answer.json().catch(noop);

	return fault(answer.status, problem?.detail ||
		"The server answered " + answer.status,
	{ wait: retryAfter(answer), isProblem: !!problem?.detail });
}

const address = (options, place, query) =>
	`${options.base}/${place}?${query}`;

/* What a poll answers. */
async function ask(options, place, query, signal) {
	const answer = await options.fetch(address(options, place, query),
		{ cache: "no-cache", signal });

	if (!isType(answer, /json/))
		throw await refusal(answer);
	const value = await answer.json();
	if (!value.messages?.map || !parseCursor(value.cursor))
		throw fault();
	return { ...value, wait: retryAfter(answer) };
}

/* ---- transports ---- */

/*
 * Each opens with (options, query, since, on), gives { close, publish? }, and tells
 *	on.alive(ms)      something came, and the next is due within ms
 *	on.at(cursor)     everything up to there has come
 *	on.message(message), on.gap(cursor, pattern), on.answer(a poll's)
 *	on.beat()         a sign of life in time
 *	on.trust(isOpen)  it works; isOpen: at least it opened
 *	on.end(why, wait) "fault", "end" (in good order) or "away" (the server
 *	                  sends its clients off)
 */
const TRANSPORTS = {
	ws(options, query, since, on) {
		const socket = new options.WebSocket(address(options, "ws",
			query + "since=" + since).replace(/^http/, "ws"));
		const waiting = new Map(); /* ref -> what settles its promise */
		const say = (value) => socket.send(JSON.stringify(value));
		let refs = 0;

		function take({ op, ref, ...rest }) {
			if (op === "message")
				on.message(rest);
			else if (op === "gap")
				on.gap(rest.cursor, rest.channel);
			else if (op === "pong")
				on.trust();
			else if (waiting.has(ref))
				waiting.get(ref)(op === "ok" ? rest : fault(rest.status,
					rest.detail || rest.title));
			else if (ref === undefined && op === "error")
				return on.end("fault");
			else if (ref === undefined && rest.cursor)
				on.at(rest.cursor);
			if (op === "ok" && ref === undefined)
				say({ op: "ping" });
			else
				on.alive(options.heartbeat);
			if (op === "heartbeat")
				on.beat();
		}

		socket.onmessage = ({ data }) => {
			try {
				take(JSON.parse(data));
			} catch {
				on.end("fault");
			}
		};
		/* 1001: the server stops; 1013: it is too busy. */
		socket.onclose = ({ code }) => code === 1001 || code === 1013
			? on.end("away", 1_000 + jitter(4_000)) : on.end("fault");
		return {
			close() {
				socket.onmessage = socket.onclose = null;
				socket.close();
				for (const settle of waiting.values())
					settle(fault());
			},
			publish: (message) => new Promise((done, fail) => {
				const ref = ++refs;
				const timer = setTimeout(() => waiting.get(ref)(fault()),
					ANSWER);

				waiting.set(ref, (result) => {
					clearTimeout(timer);
					waiting.delete(ref);
					(result instanceof Error ? fail : done)(result);
				});
				say({ op: "publish", ...message, ref });
			}),
		};
	},

	sse(options, query, since, on) {
		const abort = new AbortController();
		let retry = 0;

		/* data is a message, a gap, or for a heartbeat the cursor.  That look
		   decides: a message may bear the name "heartbeat". */
		function take(block) {
			const event = {};

			for (const line of block.split("\n"))
				event[line.split(":", 1)] = line.replace(/^\w+: ?/, "");
			const { id, data } = event;
			const value = /^{/.test(data) && JSON.parse(data);

			retry = +event.retry || retry;
			if (value.gap)
				on.gap(value.cursor);
			else if (value)
				on.message(value);
			if (id)
				on.at(id);
			on.trust(!data);
			if (data && !value)
				on.beat();
		}

		async function read() {
			const answer = await options.fetch(address(options, "events",
				query + "format=json&since=" + since),
			{ cache: "no-store", signal: abort.signal });

			if (!isType(answer, /event-stream/))
				throw await refusal(answer);
			const reader = answer.body.getReader();
			const utf8 = new TextDecoder();

			for (let rest = ""; ;) {
				const { value, done } = await reader.read();

				if (done)
					return on.end("end", retry);
				on.alive(options.heartbeat);
				const blocks = (rest + utf8.decode(value, { stream: true }))
					.split("\n\n");
				rest = blocks.pop();
				blocks.forEach(take);
			}
		}

		read().catch((error) => on.end("fault", error.wait));
		return { close: () => abort.abort() };
	},

	/* Held for a moment first, to see whether held answers come through. */
	longpoll(options, query, since, on) {
		const abort = new AbortController();

		async function read() {
			let seconds = Math.ceil(PROBE / 2500);

			while (!abort.signal.aborted) {
				const began = now();

				on.alive(seconds * 1000 + PROBE);
				const answer = await ask(options, "longpoll",
					`${query}timeout=${seconds}&since=${since}`, abort.signal);
				const isEarly = now() - began < seconds * 500;
				on.answer(answer);
				if (answer.degraded ||
				    isEarly && !answer.gap && !answer.messages[0])
					return on.end("fault", answer.wait);
				on.trust();
				on.beat();
				since = answer.cursor;
				seconds = Math.ceil(options.heartbeat / 1250);
			}
		}

		read().catch((error) => on.end("fault", error.wait));
		return { close: () => abort.abort() };
	},
};

/* ---- the connection ---- */

/*
 * Keeps places (a Set) supplied: emit(places, kind, value) with a "message",
 * "cursor" or "gap", whose value has a cursor, or an "error" with status and
 * detail.  tell({ state, transport }) when that changed.
 */
function connect(options, places, emit, tell) {
	const { transports, pollInterval } = options;
	const hasPoll = transports.includes("poll");
	let rests = {};          /* transport -> { fails, until } */
	let current = null;      /* the stream that is trusted */
	let candidate = null;    /* the one that is tried */
	let candidateDue = 0;
	let round = null;        /* of polls, in flight: { abort, by } */
	let pollDue = 0;
	let pollFails = 0;
	let isAsked = !hasPoll;  /* a round has ended since the last loss */
	let isUp = false;        /* and it went well */
	let isOffline = globalThis.navigator?.onLine === false;
	let tipCheck = TIP_CHECK;
	let tipDue = 0;          /* it can be asked */
	let tipTrustedTo = 0;
	let isQueued = false;
	let isStopped = false;
	let told = "";
	let stepped = now();
	let timer = 0;

	const links = () => [current, candidate].filter(Boolean);

	const failsOf = (name) => rests[name]?.fails || 0;

	function say() {
		const state = isOffline ? "offline"
			: current || isUp ? "live" : "connecting";
		const transport = current ? current.name : hasPoll ? "poll" : null;

		if (told !== (told = state + transport))
			tell({ state, transport });
	}

	/* ---- what came ---- */

	/* These have everything up to at. */
	function advance(asked, at, kind = "cursor", value) {
		const moved = asked.filter((p) => isBelow(p, at));

		for (const p of moved)
			Object.assign(p, at);
		if (moved[0])
			emit(moved, kind, { ...value, cursor: cursorText(at) });
	}

	const deliver = (asked, message, epoch) =>
		advance(asked.filter((p) => p.matches(message.channel)),
			{ seq: message.seq, epoch }, "message", message);

	/* Something above since is no more; reading goes on above at.  That lies
	   lower where since was ahead of the log, or of another one. */
	function lose(asked, at, since) {
		for (const p of asked) {
			if (p.epoch !== at.epoch || p.seq < at.seq ||
			    since.epoch === at.epoch && since.seq > at.seq &&
			    p.seq >= since.seq)
				Object.assign(p, at);
			emit([p], "gap", { cursor: cursorText(p) });
		}
	}

	/* A poll's answer to what was asked from there. */
	function takeAnswer(asked, since, { messages, cursor, gap }) {
		const end = parseCursor(cursor);
		const { epoch } = end;

		for (const p of asked)
			p.epoch = p.epoch || epoch;
		since.epoch = since.epoch || epoch;
		if (gap && since.seq >= 0)
			lose(asked, {
				seq: messages[0] ? messages[0].seq - 1 : end.seq,
				epoch,
			}, since);
		for (const message of messages) {
			for (const link of links())
				link.owe(asked, message, epoch);
			deliver(asked, message, epoch);
		}
		advance(asked, end);
	}

	/* ---- polls ---- */

	/* Places in as few requests as a server takes: [{ asked, query }]. */
	function chunks(list) {
		const all = [];
		let chunk;

		for (const p of list) {
			const isNew = !chunk?.query.includes(p.part);

			if (!chunk || isNew && (chunk.patterns >= PATTERNS_MAX ||
			    chunk.query.length + p.part.length > QUERY_MAX))
				all.push(chunk = { asked: [], query: "", patterns: 0 });
			if (isNew) {
				chunk.query += p.part;
				chunk.patterns++;
			}
			chunk.asked.push(p);
		}
		return all;
	}

	/* Who has catching up to do, or may be refused, holds nobody else up. */
	function requests(list) {
		const groups = {};

		for (const p of list) {
			const key = p.isReady ? p.epoch : [p.part, p.last, cursorText(p)];

			(groups[key] = groups[key] || []).push(p);
		}
		return Object.values(groups).flatMap(chunks);
	}

	/* One pattern of several may be to blame for a refusal: then each is asked
	   for by itself. */
	async function pollChunk({ asked, query }, mine) {
		let since = { ...lowest(asked) };
		let from = since.seq >= 0 ? PAGE + "since=" + cursorText(since)
			: since.last ? PAGE + "last=" + since.last : "limit=0";
		let isReady = false;

		try {
			for (let page = 0; page < PAGES_MAX && !isReady; page++) {
				const answer = await ask(options, "poll", query + from,
					mine.abort.signal);

				mine.by = now() + ANSWER;
				takeAnswer(asked, since, answer);
				since = parseCursor(answer.cursor);
				from = PAGE + "since=" + answer.cursor;
				isReady = !answer.more;
			}
			for (const p of asked)
				Object.assign(p, { isReady, refusedTo: 0 });
		} catch (error) {
			const { status, detail, isProblem } = error;

			if (!isProblem || !isFinal(status))
				throw error;
			for (const p of asked) {
				if (!p.isReady) {
					if (!p.refusedTo)
						emit([p], "error", { status, detail });
					p.refusedTo = now() + BACKOFF_MAX;
				}
				p.isReady = false;
			}
		}
	}

	/* Does the tip file say that they stand at the end of the log?  One that
	   nobody writes any more soon lies below, and so does no harm. */
	async function isQuiet(list, signal) {
		if (!options.tip || now() < tipDue || !list.every((p) => p.isReady))
			return false;
		const answer = await options.fetch(options.tip, { cache: "no-cache", signal });
		const at = answer.status === 200 && parseCursor(await answer.text());

		if (!at)
			tipDue = now() + BACKOFF_MAX;
		return at && list.every((p) =>
			p.epoch === at.epoch && p.seq === at.seq);
	}

	async function poll(list, interval) {
		const mine = round = {
			abort: new AbortController(),
			by: now() + ANSWER,
		};

		try {
			const quiet = await isQuiet(list, mine.abort.signal);

			if (!quiet || now() >= tipTrustedTo) {
				await Promise.all(requests(list)
					.map((chunk) => pollChunk(chunk, mine)));
				tipTrustedTo = now() + tipCheck;
				tipCheck = Math.min(2 * tipCheck, REST_MAX);
			}
			if (mine !== round)
				return;
			if (!isUp) {
				rests = {};
				candidateDue = 0;
			}
			isUp = hasPoll;
			isOffline = false;
			pollFails = 0;
			pollDue = [...places].some((p) => !p.isReady && !p.refusedTo) ? 0
				: now() + interval * (0.85 + jitter(0.3));
		} catch (error) {
			mine.abort.abort();
			if (mine !== round)
				return;
			isUp = false;
			pollDue = now() + Math.max(error.wait || 0,
				isOffline ? OFFLINE : backoff(pollFails++));
		}
		round = null;
		isAsked = !hasPoll || !isOffline;
		look();
	}

	/* ---- streams ---- */

	function open(name, { asked, query }) {
		const since = { ...lowest(asked) };
		const link = {
			name,
			asked,
			query,
			at: { seq: 0, epoch: "" },
			born: now(),
			by: now() + PROBE,
			beats: 0,
			proof: 2 << failsOf(name), /* with so many beats it isn't young */
			owed: null, /* { seq, by }: a poll found it, this is to bring it */
			close: noop,
			owe(others, { seq, channel }, epoch) {
				if (!link.owed && link.at.epoch === epoch &&
				    link.at.seq < seq && others.some((p) =>
					link.asked.includes(p) && p.matches(channel)))
					link.owed = { seq, by: now() + GRACE };
			},
		};
		const moveTo = (at) => {
			if (link.owed?.seq <= at.seq || link.at.epoch !== at.epoch)
				link.owed = null;
			link.at = at;
		};
		const on = {
			alive(ms) {
				link.by = now() + ms;
			},
			at(cursor) {
				const at = parseCursor(cursor);

				moveTo(at);
				advance(link.asked, at);
			},
			message(message) {
				const { epoch } = link.at;

				moveTo({ seq: message.seq, epoch });
				deliver(link.asked, message, epoch);
				on.trust();
			},
			gap(cursor, pattern) {
				const at = parseCursor(cursor);

				moveTo(at);
				lose(link.asked.filter((p) =>
					!pattern || p.pattern === pattern), at, since);
			},
			answer(answer) {
				takeAnswer(link.asked, link.at.epoch ? link.at : since,
					answer);
				moveTo(parseCursor(answer.cursor));
			},
			beat() {
				link.beats++;
				isOffline = false; /* the browser said so in error */
				look();
			},
			/* What works here needs no second proof. */
			trust(isOpen) {
				if (link === current || isOpen && current?.name !== name)
					return;
				current?.close();
				current = link;
				candidate = null;
				isOffline = false;
				isUp = true;
				look();
			},
			end: (why, wait = 0) => end(link, why, wait),
		};

		/* What was closed is not heard any more. */
		for (const [what, act] of Object.entries(on))
			on[what] = (...given) => {
				if (link === current || link === candidate)
					act(...given);
			};
		candidate = link;
		try {
			Object.assign(link,
				TRANSPORTS[name](options, query, cursorText(since), on));
		} catch {
			on.end("fault");
		}
	}

	/* A stream that had proved itself and ended well comes back after a
	   moment; else it is the next one's turn, and this one rests. */
	function end(link, why, wait) {
		if (why === "fault" || link === candidate ||
		    why === "end" && link.beats < 2) {
			const fails = 1 + (now() - link.born > LONG * options.heartbeat ? 0
				: failsOf(link.name));
			const pause = !hasPoll ? backoff(fails) : (0.75 + jitter(0.5)) *
				Math.min(REST_MAX,
					REST * (fails < 2 ? 1 / 4 : 2 ** (fails - 2)));

			rests[link.name] = { fails, until: now() + Math.max(wait, pause) };
		} else {
			candidateDue = now() + wait;
		}
		if (link === candidate) {
			candidate = null;
		} else {
			current = null;
			isAsked = !hasPoll;
			isUp = hasPoll && isUp;
			pollDue = isOffline ? now() + OFFLINE
				: why === "fault" ? 0 : now() + jitter(1_000);
		}
		link.close();
		look();
	}

	/* ---- what is due ---- */

	const covers = (p) =>
		current?.asked.includes(p) && current.at.epoch === p.epoch;

	function join(link, place) {
		if (place.isReady && link.query.includes(place.part) &&
		    place.epoch === link.at.epoch && place.seq >= link.at.seq &&
		    !link.asked.includes(place))
			link.asked.push(place);
	}

	/* The best transport that is free and would be an improvement. */
	function choose(ready, isDue) {
		const chunk = chunks(ready.filter((p) => p.epoch === ready[0].epoch))[0];
		const isCovered = chunk.asked.every(covers);

		for (const name of transports) {
			if (name === "poll" || isCovered && name === current.name)
				return;
			if (isDue(rests[name]?.until || 0))
				return open(name, chunk);
			if (name === current?.name)
				return;
		}
	}

	/* Does it, and comes again when the next thing is due. */
	function step() {
		const time = now();
		const all = [];
		const ready = [];
		const wanting = [];
		let next = time + TICK;
		const isDue = (due) => {
			if (due > time)
				next = Math.min(next, due);
			return due <= time;
		};

		isQueued = false;
		clearTimeout(timer);
		if (isStopped)
			return;
		if (time - stepped > JUMP || stepped - time > 1_000)
			wake();
		stepped = time;
		for (const link of links())
			if (isDue(link.by) || link.owed && isDue(link.owed.by))
				end(link, "fault", 0);
		if (round && isDue(round.by))
			round.abort.abort();
		for (const p of places)
			if (isDue(p.refusedTo)) {
				for (const link of links())
					join(link, p);
				all.push(p);
				if (p.isReady)
					ready.push(p);
				if (!p.isReady || hasPoll && !covers(p))
					wanting.push(p);
			}
		const isYoung = hasPoll && current && current.beats < current.proof;
		if (!round && (wanting[0] || isYoung) && isDue(pollDue))
			poll(isYoung ? all : wanting,
				wanting[0] ? pollInterval : 2 * pollInterval);
		if (!candidate && ready[0] && isAsked && isDue(candidateDue))
			choose(ready, isDue);
		say();
		if (places.size)
			timer = setTimeout(step, next - time);
		else
			closeStreams();
	}

	function look() {
		if (!isQueued) {
			isQueued = true;
			Promise.resolve().then(step);
		}
	}

	function closeStreams() {
		const closing = links();

		current = candidate = null;
		for (const link of closing)
			link.close();
	}

	/* All may have changed: the network, or the time by hours. */
	function wake() {
		rests = {};
		candidateDue = pollDue = pollFails = tipDue = tipTrustedTo = 0;
		isAsked = !hasPoll;
		isUp = isUp && hasPoll;
		isOffline = false;
		round?.abort.abort();
		round = null;
		closeStreams();
		look();
	}

	return {
		look,
		wake,
		add(place) {
			places.add(place);
			pollDue = 0;
			look();
		},
		delete(place) {
			places.delete(place);
			for (const link of links())
				link.asked = link.asked.filter((p) => p !== place);
			look();
		},
		/* Is the stream what it seems? */
		doubt() {
			pollDue = 0;
			if (current)
				current.beats = 0;
			look();
		},
		offline() {
			isOffline = true;
			isUp = false;
			pollDue = candidateDue = now() + OFFLINE;
			look();
		},
		/* undefined: only HTTP is left. */
		publish: (message) => current?.publish?.(message),
		stop() {
			isStopped = true;
			clearTimeout(timer);
			round?.abort.abort();
			closeStreams();
		},
	};
}

/* ---- one connection for all tabs ---- */

/*
 * The tab that holds the lock leads: it is connected for all.  Others say what
 * they subscribe to, at once and whenever a new one leads:
 *	{ tab, places: [{ id, pattern, since, last }] }   none: it leaves
 * and are told, and hear that it lives:
 *	{ leader, status: { state, transport } }
 *	{ leader, ids, kind, value }              what these places hear
 * A leader that keeps silent although it was asked loses the lock.
 */
function share(options, places, tell) {
	const { locks } = globalThis.navigator || {};
	const isShared = options.share && locks && globalThis.BroadcastChannel;
	const name = `comet ${options.base} ${options.transports}`;
	let me = "";
	let channel = null;
	let connection = null; /* while this tab leads */
	let election = null;   /* that it stands for */
	let release = noop;    /* the lock */
	let leader = "";
	let silence = 0;       /* turns since it was heard */
	let timer = 0;
	let ids = 0;
	let status = null;

	/* One post for all of other tabs. */
	function emit(list, kind, value) {
		const others = [];

		for (const p of list) {
			if (p.hear)
				p.hear(kind, value);
			else
				others.push(p.id);
		}
		if (others[0])
			channel.postMessage({ leader: me, ids: others, kind, value });
	}

	const note = (news) => tell(status = news);
	const greet = () => channel?.postMessage({ leader: me, status });

	function lead() {
		connection = connect(options, places, emit, (news) => {
			note(news);
			greet();
		});
		connection.look();
	}

	function follow() {
		connection?.stop();
		connection = null;
		for (const p of places)
			if (!p.hear)
				places.delete(p);
		leader = "";
		ask();
	}

	function ask() {
		channel.postMessage({ tab: me, places: [...places].map((p) => {
			p.id = p.id || me + ++ids;
			return { id: p.id, pattern: p.pattern, since: cursorText(p),
				last: p.last };
		}) });
	}

	/* What tab subscribes to now. */
	function register(tab, list) {
		const known = new Map([...places].map((p) => [p.id, p]));

		for (const { id, pattern, since, last } of list)
			if (!known.delete(id))
				connection.add(Object.assign(
					newPlace(pattern, since, last), { id, tab }));
		for (const p of known.values())
			if (p.tab === tab)
				connection.delete(p);
	}

	function hear(place, kind, value) {
		const at = parseCursor(value.cursor);

		if (at && kind !== "gap" && !isBelow(place, at))
			return;
		Object.assign(place, at);
		place.hear(kind, value);
	}

	function receive({ data }) {
		if (connection) {
			if (data.tab) {
				register(data.tab, data.places);
				connection.look(); /* hidden tabs have late timers */
				greet();
			}
			return;
		}
		if (data.tab)
			return;
		silence = 0;
		if (leader !== (leader = data.leader))
			ask();
		if (data.status)
			note(data.status);
		for (const p of places)
			if (data.ids?.includes(p.id))
				hear(p, data.kind, data.value);
	}

	/* Leads as soon as the lock is free, or takes it; once it was taken away,
	   waits again. */
	async function stand(how) {
		const abort = new AbortController();

		election?.abort();
		election = abort;
		try {
			await locks.request(name, how || { signal: abort.signal }, () => {
				if (election !== abort)
					return;
				lead();
				return new Promise((done) => { release = done; });
			});
		} catch {
			if (election !== abort)
				return;
			if (!connection)
				return lead();
			follow();
			stand();
		}
	}

	/* Counts its own turns: after a sleep there is time for an answer. */
	function watch() {
		if (connection)
			silence = 0;
		else if (++silence > 5)
			stand({ steal: true });
		else if (silence > 2)
			ask();
		timer = setTimeout(watch, TURN);
	}

	function start() {
		if (!isShared)
			return lead();
		me = randomId();
		for (const p of places)
			p.id = "";
		channel = new BroadcastChannel(name);
		channel.onmessage = receive;
		follow();
		stand();
		watch();
	}

	function stop() {
		clearTimeout(timer);
		connection?.stop();
		connection = null;
		election?.abort();
		election = null;
		release();
		channel?.postMessage({ tab: me, places: [] });
		channel?.close();
		channel = null;
	}

	/* how: "add" or "delete". */
	function change(how, place) {
		if (connection)
			return connection[how](place);
		places[how](place);
		if (channel)
			ask();
	}

	const events = {
		online: () => connection?.wake(),
		offline: () => connection?.offline(),
		/* Who waits in the browser's history holds no connection. */
		pagehide: stop,
		pageshow({ persisted }) {
			if (persisted && connection)
				connection.wake();
			else if (persisted && !channel)
				start();
		},
		visibilitychange() {
			if (document.hidden)
				return;
			if (connection)
				connection.doubt();
			else if (channel)
				ask();
		},
	};
	const listen = (how) => {
		for (const [type, act] of Object.entries(events))
			globalThis[how + "EventListener"]?.(type, act, true);
	};

	listen("add");
	start();
	return {
		change,
		publish: (message) => connection?.publish(message),
		close() {
			listen("remove");
			stop();
		},
	};
}

/* ---- what a page uses ---- */

/* Gives messages to the callback, else keeps them for an iteration. */
function newSubscription(pattern, start, callback, shared, dispatch) {
	const place = newPlace(pattern, start.since, start.last, hear);
	const queue = [];        /* { message, before }: the cursor before it */
	let reached = cursorText(place);
	let isOpen = true;
	let isFull = false;
	let waiting = [];

	function wake() {
		for (const done of waiting.splice(0))
			done();
	}

	function hear(kind, value) {
		const before = reached;

		if (!isOpen)
			return;
		if (kind === "message" && queue.length >= QUEUE_MAX) {
			isFull = true;
			return close();
		}
		reached = value.cursor || reached;
		if (kind !== "message") {
			if (kind !== "cursor")
				dispatch(kind, { ...value, pattern });
		} else if (callback) {
			try {
				callback(value);
			} catch (error) {
				setTimeout(() => { throw error; }); /* the page's own */
			}
		} else {
			queue.push({ message: value, before });
			wake();
		}
	}

	function close() {
		if (isOpen) {
			isOpen = false;
			shared.change("delete", place);
			wake();
		}
	}

	place.close = close;
	shared.change("add", place);
	return {
		pattern,
		close,
		get cursor() {
			return queue[0] ? queue[0].before : reached;
		},
		async* [Symbol.asyncIterator]() {
			try {
				for (;;) {
					if (queue[0])
						yield queue.shift().message;
					else if (isFull)
						throw new Error(`${QUEUE_MAX} messages of ${pattern
						} were waiting, and more came`);
					else if (!isOpen)
						return;
					else
						await new Promise((done) => waiting.push(done));
				}
			} finally {
				close();
			}
		},
	};
}

class Comet extends EventTarget {
	#status = { state: "connecting", transport: null };
	#options;
	#shared;
	#places = new Set();
	#ends = new Set(); /* each cuts short what a publishing waits for */

	constructor(base = "/comet", options = {}) {
		const { document, location, WebSocket } = globalThis;
		const url = new URL(base, document?.baseURI || location).href;
		const all = {
			fetch: (...given) => fetch(...given),
			WebSocket,
			...DEFAULTS,
			...options,
			base: url.replace(/\/$/, ""),
		};

		super();
		if (all.tip)
			all.tip = new URL(all.tip, all.base).href;
		this.#options = all;
		this.#shared = share(all, this.#places,
			(status) => this.#tell(status));
	}

	get state() {
		return this.#status.state;
	}

	get transport() {
		return this.#status.transport;
	}

	#dispatch(type, detail) {
		this.dispatchEvent(new CustomEvent(type, { detail }));
	}

	#tell(status) {
		const had = this.#status;

		this.#status = status;
		for (const what of ["transport", "state"])
			if (status[what] !== had[what])
				this.#dispatch(what, { [what]: status[what] });
	}

	/* (pattern, callback), (pattern, start), or all three. */
	subscribe(pattern, start, callback) {
		if (typeof start === "function")
			return this.subscribe(pattern, null, start);
		if (this.state === "closed")
			throw new Error("This Comet is closed");
		let { since, last } = start || {};
		if (since === undefined && last === undefined)
			since = cursorOf();
		return newSubscription(pattern.replace(/^\//, ""), { since, last },
			callback, this.#shared,
			(type, detail) => this.#dispatch(type, detail));
	}

	/*
	 * Tries again until publishTimeout; the id, drawn once, is what keeps the
	 * server from storing a message twice whose answer was lost.
	 */
	async publish(channel, data, { event, id = randomId() } = {}) {
		const message = { channel, data, event, id };
		const body = JSON.stringify(message);
		const end = now() + this.#options.publishTimeout;

		for (let fails = 0; ; fails++) {
			let socket;

			try {
				if (this.state === "closed")
					throw fault(0, "This Comet is closed");
				socket = !fails && this.#shared.publish(message);
				return await (socket || this.#post(body, end - now()));
			} catch (reason) {
				const error = reason.detail ? reason : fault();
				const pause = Math.max(error.wait, backoff(fails));

				/* over a WebSocket none may be allowed where POST is */
				if (isFinal(error.status) && !(socket && error.status === 403) ||
				    now() + pause > end ||
				    this.state === "closed")
					throw error;
				await this.#until(pause,
					(cut) => new Promise((done) => cut(done)));
			}
		}
	}

	#post(body, ms) {
		const abort = new AbortController();

		return this.#until(Math.min(ms, ANSWER), async (cut) => {
			cut(() => abort.abort());
			const answer = await this.#options.fetch(this.#options.base + "/publish", {
				method: "POST",
				headers: { "Content-Type": "application/json" },
				body,
				signal: abort.signal,
			});

			if (!isType(answer, /json/))
				throw await refusal(answer);
			return answer.json();
		});
	}

	/* What act comes to, which is cut short after ms and by close(). */
	async #until(ms, act) {
		let end = noop;
		const timer = setTimeout(() => end(), ms);

		try {
			return await act((cut) => this.#ends.add(end = cut));
		} finally {
			clearTimeout(timer);
			this.#ends.delete(end);
		}
	}

	/* Ends all of it: timers, requests, iterations, this tab's part. */
	close() {
		if (this.state === "closed")
			return;
		this.#shared.close();
		this.#tell({ state: "closed", transport: null });
		for (const place of this.#places)
			place.close?.();
		for (const end of this.#ends)
			end();
	}
}

Comet.cursorOf = cursorOf;
window.Comet = Comet;
})();
