/*
 * The stock Bayeux clients, CometD's and Faye's from npm, behind one small
 * interface, in Node: what a client received, how often it shook hands.
 */
import { createRequire } from 'node:module';
import { adapt } from 'cometd-nodejs-client';
import * as lib from 'cometd';
import { ms, until, within } from './harness.mjs';

adapt();

const require = createRequire(import.meta.url);
const faye = require('faye');

/* As Salesforce's clients have it: asks for what is behind the last event. */
export class ReplayExtension extends lib.Extension {
	#isGranted = false;
	positions = {};

	incoming(message) {
		if (message.channel === '/meta/handshake')
			this.#isGranted = message.ext?.replay === true;
		else if (this.#isGranted && message.data?.event?.replayId)
			this.positions[message.channel] = message.data.event.replayId;
		return message;
	}

	outgoing(message) {
		message.ext ??= {};
		if (message.channel === '/meta/handshake')
			message.ext.replay = true;
		else if (message.channel === '/meta/subscribe' && this.#isGranted)
			message.ext.replay = this.positions;
		return message;
	}
}

export const { AckExtension, TimeSyncExtension } = lib;

const TRANSPORTS = ['websocket', 'long-polling', 'callback-polling'];

export class CometD {
	name = 'cometd';
	handshakes = [];
	connects = 0;
	got = [];

	constructor(demo, transport, extensions = {}) {
		const c = this.client = new lib.CometD();
		for (const type of TRANSPORTS)
			if (type !== transport)
				c.unregisterTransport(type);
		/* each a browser of its own, for the cookies of this process are
		   shared */
		c.findTransport(transport).context = { cookieStore: {} };
		c.configure({ url: `${demo.url}comet/bayeux`, logLevel: 'error',
			backoffIncrement: 50, maxBackoff: 200,
			maxNetworkDelay: ms(15000) });
		c._warn = c._info = () => {};
		for (const [name, extension] of Object.entries(extensions))
			c.registerExtension(name, extension);
		c.addListener('/meta/handshake', (m) => this.handshakes.push(m));
		c.addListener('/meta/connect', (m) => {
			this.connects += m.successful === true;
		});
	}

	#asked(what, ask) {
		return within(new Promise((done, fail) => ask((m) => m.successful ?
			done(m) : fail(new Error(`${what}: ${JSON.stringify(m)}`)))),
		15000, what);
	}

	open() {
		return this.#asked('handshake', (done) => this.client.handshake(done));
	}

	/* Its events go to got, or to take. */
	subscribe(channel, take = (m) => this.got.push(m), props) {
		let subscription;
		return this.#asked('subscribe', (done) => {
			subscription = this.client.subscribe(channel, take, props, done);
		}).then(() => subscription);
	}

	unsubscribe(subscription) {
		return this.#asked('unsubscribe',
			(done) => this.client.unsubscribe(subscription, done));
	}

	publish(channel, data) {
		return this.#asked('publish',
			(done) => this.client.publish(channel, data, done));
	}

	/* In one request. */
	publishAll(channel, all) {
		let published;
		this.client.batch(() => {
			published = all.map((data) => this.publish(channel, data));
		});
		return Promise.all(published);
	}

	call(service, data) {
		return within(new Promise((done) =>
			this.client.remoteCall(service, data, ms(10000), done)), 15000,
		'the result of a call');
	}

	get transport() { return this.client.getTransport()?.type; }

	close() {
		return this.client.isDisconnected() ? undefined :
			this.#asked('disconnect', (done) => this.client.disconnect(done))
				.catch(() => {});
	}

	get data() { return this.got.map((m) => m.data); }
}

export class Faye {
	name = 'faye';
	handshakes = [];
	got = [];

	constructor(demo, transport) {
		const c = this.client = new faye.Client(`${demo.url}comet/bayeux`,
			{ retry: 0.2, timeout: 45 });
		if (transport !== 'websocket')
			c.disable('websocket');
		this.wanted = transport;
		c.addExtension({ incoming: (m, done) => {
			if (m.channel === '/meta/handshake')
				this.handshakes.push(m);
			done(m);
		} });
	}

	/* It goes to WebSockets after its first requests. */
	async open() {
		await within(new Promise((done) => this.client.connect(done)), 15000,
			'handshake');
		await until(() => this.transport === this.wanted,
			{ what: `${this.wanted}, which is ${this.transport}` });
	}

	get transport() {
		return this.client._dispatcher._transport?.connectionType;
	}

	async subscribe(channel, take = (data) => this.got.push({ channel, data })) {
		const subscription = this.client.subscribe(channel, take);
		await within(subscription, 15000, 'subscribe');
		return { subscription }; /* by itself it would be waited for */
	}

	unsubscribe({ subscription }) {
		return subscription.cancel();
	}

	publish(channel, data) {
		return within(this.client.publish(channel, data), 15000, 'publish');
	}

	/* One after the other: what it is given at once it sends in several
	   requests, side by side. */
	async publishAll(channel, all) {
		for (const data of all)
			await this.publish(channel, data);
	}

	close() {
		return within(this.client.disconnect(), 10000, 'disconnect')
			.catch(() => {});
	}

	get data() { return this.got.map((m) => m.data); }
}

/* Waits until n messages are there; all of them. */
export async function received(one, n, limit = 20000) {
	await until(() => one.got.length >= n, { limit,
		what: `${n} messages, of which there are ${one.got.length},` });
	return one.data;
}
