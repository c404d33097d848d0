/* Types of comet.js, the browser's side of Cometlog. */

/** Any value that JSON can carry. */
export type Json =
	string | number | boolean | null | Json[] | { [name: string]: Json };

/** An entry of the log. */
export interface Message<Data = any> {
	/** Its position in the log: one rising number over all channels. */
	seq: number;
	channel: string;
	/** When it was published, in Unix milliseconds. */
	time: number;
	/** Only where the publisher gave one. */
	event?: string;
	/** Only where the publisher gave one. */
	id?: string;
	/** What was published as JSON; else a string. */
	data: Data;
	/** "I have everything up to this one": a `since` for later. */
	cursor: string;
}

export type Transport = "ws" | "sse" | "longpoll" | "poll";

/**
 * live: messages arrive as they are published.  connecting: the server has yet
 * to answer, or does not at the moment.  offline: there is no network.
 */
export type State = "connecting" | "live" | "offline" | "closed";

/** Where a subscription begins.  Neither: data-since of the page, else now. */
export interface Start {
	/** After this cursor; "0": with the oldest message kept; "now". */
	since?: string | number;
	/** With so many of the newest messages; `since` goes before. */
	last?: number;
}

export interface Subscription<Data = any> extends AsyncIterable<Message<Data>> {
	readonly pattern: string;
	/**
	 * Everything up to there has been given to the callback or the iteration.
	 * "" until the server has told where a subscription without `since` begins.
	 */
	readonly cursor: string;
	/** No more messages; an iteration ends after those that wait for it. */
	close(): void;
}

export interface PublishOptions {
	/** What kind of message it is. */
	event?: string;
	/**
	 * Of two messages with one id on a channel the server stores the first.
	 * A random one by default, so that a retry stores nothing twice.
	 */
	id?: string;
}

export interface Published {
	seq: number;
	cursor: string;
	channel: string;
	/** It was there before. */
	duplicate?: boolean;
}

/** Why publish() gave up. */
export interface CometError extends Error {
	/** Of HTTP; 0: the server was not reached. */
	status: number;
	/** In the server's words, where it had any. */
	detail: string;
}

/** Times are in milliseconds. */
export interface CometOptions {
	/** In the order of preference; a single one is forced. */
	transports?: Transport[];
	/** The address of the tip file, from that of the program on; false: there
	    is none.  "comet-tip", beside the program */
	tip?: string | false;
	/** One connection for all tabs of the site, where the browser has Web
	    Locks (https) and BroadcastChannel.  true */
	share?: boolean;
	/** 3000 */
	pollInterval?: number;
	/** So much silence means that a stream is dead.  25000; the server gives a
	    sign of life every 15 s at the least. */
	heartbeat?: number;
	/** How long publish() tries.  30000 */
	publishTimeout?: number;

	/* What tests replace, and the rarer times: see DEFAULTS in comet.js. */
	fetch?: typeof fetch;
	WebSocket?: typeof WebSocket;
	probe?: number;
	answer?: number;
	grace?: number;
	backoff?: number;
	backoffMax?: number;
	rest?: number;
	restMax?: number;
	offlinePoll?: number;
	tipCheck?: number;
	leader?: number;
	jump?: number;
}

export interface CometEventMap {
	state: CustomEvent<{ state: State }>;
	/** null: there is none at the moment. */
	transport: CustomEvent<{ transport: Transport | null }>;
	/** Some messages of this subscription are no longer kept, or the log is
	    another one; what is kept follows. */
	gap: CustomEvent<{ cursor: string; pattern: string }>;
	/** The server refuses this subscription.  It is asked again now and then. */
	error: CustomEvent<{ status: number; detail: string; pattern: string }>;
}

export class Comet extends EventTarget {
	/** The URL of the Cometlog program, "/comet" by default. */
	constructor(base?: string | URL, options?: CometOptions);

	readonly state: State;
	readonly transport: Transport | null;

	/**
	 * In a pattern a segment `*` stands for any one, a last segment `**` for
	 * one or more.  Without a callback the subscription is to be iterated.
	 */
	subscribe<Data = any>(pattern: string,
		callback: (message: Message<Data>) => void): Subscription<Data>;
	subscribe<Data = any>(pattern: string, start?: Start | null,
		callback?: (message: Message<Data>) => void): Subscription<Data>;

	/**
	 * Resolves once the message is safely in the log.  What may pass (the
	 * network, 429, 502 to 504) is tried again until publishTimeout; what was
	 * refused rejects with a CometError.
	 */
	publish(channel: string, data: Json,
		options?: PublishOptions): Promise<Published>;

	/** Ends all subscriptions, requests and timers. */
	close(): void;

	addEventListener<K extends keyof CometEventMap>(type: K,
		listener: (this: Comet, event: CometEventMap[K]) => any,
		options?: boolean | AddEventListenerOptions): void;
	addEventListener(type: string,
		listener: EventListenerOrEventListenerObject | null,
		options?: boolean | AddEventListenerOptions): void;
	removeEventListener<K extends keyof CometEventMap>(type: K,
		listener: (this: Comet, event: CometEventMap[K]) => any,
		options?: boolean | EventListenerOptions): void;
	removeEventListener(type: string,
		listener: EventListenerOrEventListenerObject | null,
		options?: boolean | EventListenerOptions): void;
}

/**
 * The cursor that a server wrote into its page: data-since of the element, else
 * of the first one below it.  By default of the whole page.
 */
export function cursorOf(element?: Element): string | undefined;
