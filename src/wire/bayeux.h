/*
 * Bayeux 1.0 as text: what clients send becomes messages, what they are told
 * becomes JSON.  Sessions and rights are the caller's.  Pure.
 *
 * A channel "/chat/a" of Bayeux is our "chat/a".  What is ours to choose
 * follows what the stock clients do with it:
 *
 *  cometd.js   An answer is an array, never empty, with status 200.  A reply is
 *              known by its id; a message with "data" that isn't from /meta is
 *              an event, and one whose id is that of a remote call under way is
 *              taken for its result: so events carry no id.  An advice replaces
 *              the one before, so each is told whole.  ext.ack is true in the
 *              handshake, then the number of the latest connect reply, from 0.
 *  faye        A reply is whatever has "successful", an event whatever has
 *              "data".  An error that isn't made of the specification's
 *              characters (section 3.14) loses its code: so errors are.  A
 *              message with a connect beside it makes that connect's
 *              advice.timeout 0.  Over other origins it sends forms, as
 *              cross-origin-long-polling.  Older ones send [] to keep a
 *              WebSocket alive.
 *  CometD in Java, EMP connector
 *              The handshake's ext.ack and ext.replay are believed only when
 *              they are true.  ext.replay of a subscribe names all channels of
 *              the client, not only those of this message.
 *  replay extension of cometd.js, jsforce
 *              Resume behind data.event.replayId, on exact channels; jsforce
 *              asks for it in the subscribe alone.  What is no object goes
 *              as Salesforce's generic events go: as data.payload.
 *
 * What a publisher calls "event" and "id" (API.md) is ext.event and ext.id
 * here, in both directions: a Bayeux id only numbers a client's messages.
 */
#ifndef COMETLOG_WIRE_BAYEUX_H
#define COMETLOG_WIRE_BAYEUX_H

#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/message.h"
#include "wire/envelope.h"
#include "wire/json.h"
#include "wire/query.h"

#define BAYEUX_ID_MAX_BYTES 256

enum bayeux_kind {
	BAYEUX_PUBLISH,
	BAYEUX_HANDSHAKE,
	BAYEUX_CONNECT,
	BAYEUX_SUBSCRIBE,
	BAYEUX_UNSUBSCRIBE,
	BAYEUX_DISCONNECT,
	BAYEUX_UNKNOWN_META, /* has an error */
	BAYEUX_SERVICE       /* "/service/...": answered to the sender alone */
};

/* Connection types, as bits. */
enum {
	BAYEUX_LONG_POLLING = 1,
	BAYEUX_CALLBACK_POLLING = 2,
	BAYEUX_WEBSOCKET = 4,
	BAYEUX_CROSS_ORIGIN_LONG_POLLING = 8
};

/* Of a message: "402:CLIENTID:Unknown client". */
struct bayeux_error {
	unsigned code;  /* 0: none */
	char text[512]; /* code, args and text; ASCII */
};

/* Forms the text.  Codes are those that clients know: 300 version, 301
   connection type, 400 request, 402 client, 403 denied, 404 meta channel, 405
   channel, 413 size; and HTTP's for what else may fail.  args (n == 0: none)
   and text may quote what a client sent: characters that the specification has
   no place for become '_' in args, a space or nothing in the text, and what is
   too long is cut. */
void bayeux_fail(struct bayeux_error *error, unsigned code, struct slice args,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The same for a result of ours: its code is its HTTP status. */
void bayeux_fail_rc(struct bayeux_error *error, enum rc rc, struct slice args,
    const char *text);

/* "400::The replayId {12} you provided was invalid.  ...": the text that
   clients of Salesforce look for when a position is lost. */
void bayeux_fail_replay(struct bayeux_error *error, struct slice replay);

/* Where a subscription begins. */
enum bayeux_from {
	BAYEUX_NOW,    /* what is new; replay -1 */
	BAYEUX_ALL,    /* all that is kept; replay -2 */
	BAYEUX_REPLAY, /* behind since, or bayeux_fail_replay if it is lost */
	BAYEUX_CURSOR  /* behind since (ext.cursor), told of a gap */
};

struct bayeux_subscription {
	struct slice written; /* as it came, with '/' */
	struct slice pattern; /* ours, checked */
	enum bayeux_from from;
	struct cursor since;
	struct slice replay; /* BAYEUX_REPLAY: the number, as it came */
};

/* What timesync sends: milliseconds of the client's clock, the lag and the
   offset that it believes in. */
struct bayeux_timesync {
	int64_t tc, l, o;
};

/* One message of a client.  All slices lie in the text that is read. */
struct bayeux_message {
	enum bayeux_kind kind;
	struct slice channel;   /* as it came; p == NULL:
	                           none, or far too long */
	struct slice id;        /* JSON text to be echoed; p == NULL: none */
	struct slice client_id; /* p == NULL: none */
	/* What is wrong with it; code 0: nothing.  The other fields are then
	   what could be read. */
	struct bayeux_error error;

	/* handshake: those offered that we know; connect: the one */
	unsigned connection_types;
	/* subscribe, unsubscribe */
	struct bayeux_subscription *subscription;
	size_t subscriptions;
	bool is_list; /* they came as an array */
	/* publish: checked as envelope_parse does; service: data alone */
	struct message publish;

	bool wants_ack;    /* handshake */
	bool wants_replay; /* handshake or subscribe:
	                      replay ids in events */
	bool has_ack;      /* connect: everything up to ack has arrived */
	bool has_timeout;  /* connect: advice.timeout */
	bool has_timesync;
	uint32_t timeout_ms;
	uint64_t ack; /* 0: nothing yet */
	struct bayeux_timesync timesync;
};

struct bayeux_limits {
	struct envelope_limits envelope;
	/* the caller's room for one message's subscriptions */
	struct bayeux_subscription *subscription;
	size_t subscriptions;
};

/* Internal. */
struct bayeux_reading {
	const struct bayeux_limits *limits;
	struct json_members rest;    /* messages of the text that is read */
	const struct params *fields; /* NULL: no more texts */
	size_t field;                /* the next one to be looked at */
};

/*
 * Begins to read a text: an array of messages, or one message (changed in
 * place; borrowed, as limits are, until the last message is done with).  *count
 * becomes the number of messages, which may be 0.  RC_BAD: not JSON, with where
 * and why, or neither an array nor an object.  RC_TOO_LARGE: more messages than
 * limits allow.
 */
enum rc bayeux_read(struct bayeux_reading *r, char *text, size_t n,
    const struct bayeux_limits *limits, size_t *count,
    struct err *e) MUST_CHECK;

/* The same for all fields "message" of a form or query, each such a text.
   fields is changed and borrowed.  RC_BAD also if there is none. */
enum rc bayeux_read_fields(struct bayeux_reading *r, struct params *fields,
    const struct bayeux_limits *limits, size_t *count,
    struct err *e) MUST_CHECK;

/* The next message; false at the end.  What is wrong with it is in m->error:
   the others are not affected.  The subscriptions of the one before are
   gone. */
bool bayeux_next(struct bayeux_reading *r, struct bayeux_message *m);

/* The function that callback-polling asks for: the parameter jsonp, or what
   clients expect without.  RC_BAD if it is no name (callback_check). */
enum rc bayeux_callback(const struct params *query, struct slice *callback,
    struct err *e) MUST_CHECK;

/* One connection type's bit, 0 if it is unknown; and its name. */
unsigned bayeux_connection_type(struct slice name);
const char *bayeux_connection_name(unsigned bit);

/* ---- answers ---- */

enum bayeux_reconnect {
	BAYEUX_RETRY,
	BAYEUX_RECONNECT_HANDSHAKE,
	BAYEUX_RECONNECT_NONE
};

struct bayeux_advice {
	enum bayeux_reconnect reconnect;
	uint32_t interval_ms, timeout_ms;
	uint32_t max_interval_ms;  /* 0: not told */
	bool has_multiple_clients; /* told when true */
};

/* The reply to one message: what is p == NULL, 0 or false is left out. */
struct bayeux_reply {
	enum bayeux_kind kind; /* handshake: has version and types */
	struct slice channel;  /* as the client wrote it */
	struct slice id;       /* JSON text */
	struct slice client_id;
	const struct bayeux_error *error; /* NULL: successful */
	unsigned connection_types;        /* handshake: those that we offer */
	const struct bayeux_subscription *subscription;
	size_t subscriptions;
	bool is_list;
	const struct bayeux_advice *advice;

	bool acks, replays;      /* handshake: ext.ack,
	                            ext.replay: true */
	bool has_ack;            /* connect: ext.ack, a seq */
	bool is_gap, has_cursor; /* ext.gap, ext.cursor */
	uint64_t ack;
	struct cursor cursor; /* with its epoch */
	bool has_timesync;
	struct bayeux_timesync timesync;
	int64_t received_ms; /* Unix time when the
	                        message came ... */
	int64_t waited_ms;   /* ... and how long it was held */
};

/* A reply with what is echoed: kind, channel, id, subscriptions, m's error if
   it has one, timesync (the caller adds the times).  Borrows from m. */
struct bayeux_reply bayeux_reply_to(const struct bayeux_message *m);

/*
 * An answer is an array of replies and events, or for callback-polling a call
 * with it: begin, then next before each, then end.
 */
struct bayeux_answer {
	struct slice callback; /* checked; p == NULL: plain JSON */
	bool is_first;         /* internal */
};
void bayeux_answer_begin(
    struct buf *b, struct bayeux_answer *a, struct slice callback);
void bayeux_answer_next(struct buf *b, struct bayeux_answer *a);
void bayeux_answer_end(struct buf *b, const struct bayeux_answer *a);

/* One reply; that to a publish is its acknowledgement.  for_script: within a
   call. */
void bayeux_add_reply(
    struct buf *b, const struct bayeux_reply *reply, bool for_script);

/* False for messages that Bayeux clients must not be given: on a channel
   "meta/..." of ours, which they would take for a reply. */
bool bayeux_is_event(struct slice channel);

/*
 * {"channel":"/chat/a","data":...[,"ext":{"event":..,"id":..}]}.  The same
 * message gives the same bytes to all.  with_replay: data is an object
 * with event.replayId (the seq): data's own members stay, and those of its
 * "event" if that is an object; all else becomes {"event":..,"payload":data}.
 */
void bayeux_add_event(
    struct buf *b, const struct message *m, bool with_replay, bool for_script);

/* What a service says to the sender of m, with m's id for remote calls. */
void bayeux_add_result(struct buf *b, const struct bayeux_message *m,
    const struct message *result, bool for_script);

#endif
