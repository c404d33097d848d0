/*
 * WebSocket connections (RFC 6455; API.md, WebSocket): frames that came become
 * operations on the hub and the log.  All of it belongs to the loop thread, but
 * for the answers of the writer, which come through server_post.
 *
 *   wsaccept  accepts
 *   wsopening opening handshakes; connections come of them
 *   ws one connection: what comes in, back-pressure, the closing handshake
 *   wsops what clients ask for wspublish the publishes of one connection on
 *   their way to the log bayeux_ws what clients say who speak Bayeux
 *
 * An operation that can't be done at once (a cursor is being looked up, the
 * client doesn't read, much waits to be stored) makes the connection stop
 * reading; what was read already waits in its queue.  So nothing grows beyond
 * what one read brings.
 */
#ifndef COMETLOG_TRANSPORT_WS_H
#define COMETLOG_TRANSPORT_WS_H

#include "base/clock.h"
#include "transport/server.h"
#include "wire/wsread.h"

/* Bytes that one read takes. */
#define WS_READ_BYTES 65536

struct ws_batch;
struct ws_later;
struct ws_lookup;
struct bayeux_exchange;
struct bayeux_wait;

/* What all connections of a process share. */
struct ws {
	struct server *server;
	struct hub_client client, bayeux_client;
	struct wsread_rules rules, echo_rules;
	struct ws_connection *list;
	size_t count;
	bool is_stopping;
	char *scratch; /* WS_READ_BYTES */
};

struct ws_connection {
	struct ws *ws;
	struct reader *reader; /* NULL: gone; freed when
	                          nobody holds it */
	struct wsread *read;
	struct ws_batch *batch;        /* publishes that are being gathered */
	struct ws_later *first, **end; /* messages that wait */
	size_t later_bytes;            /* of them */
	struct ws_lookup *lookup;      /* a subscription whose
	                                  start is looked up */
	struct ws_connection *next, **link;
	/* of a connection that speaks Bayeux: */
	struct bayeux_exchange *exchange; /* under way; or NULL */
	struct bayeux_wait *wait; /* the connect that is held; or NULL */
	char browser[13];         /* bayeux_mark_browser's;
	                             [0] == 0: none */
	bool is_bayeux;
	char *client;    /* address, for publish-rate; or NULL */
	struct buf *out; /* while bytes are taken in: what they
	                    are answered with, in their order; or
	                    NULL */
	char *last;      /* frames to end with,
	                    on the next border */
	size_t last_n;
	uint64_t heard_ms;
	int fd;              /* the reader's; borrowed */
	uint32_t publishing; /* messages on their way to the log */
	uint32_t holds;      /* callbacks that will come */
	uint16_t fault;      /* status to close with; 0: none */
	bool has_deflate, is_echo;
	bool is_closing; /* the peer's Close came: what it said
	                    before is still done */
	uint8_t window_bits;
};

enum rc ws_init(struct ws *w, struct server *s, struct err *e) MUST_CHECK;
void ws_fini(struct ws *w); /* no connection may be left */

/* What a client is told to wait before another try, in seconds, jittered; 0:
   another try would not help. */
static inline unsigned
ws_retry_s(int status)
{
	return status == 429 || status == 503
	    ? 1 + (unsigned)(clock_random() % 3)
	    : 0;
}

/* What a handshake agreed on, and what was asked for with it. */
struct ws_start {
	int fd;
	const char *client; /* copied; may be NULL */
	bool is_echo, is_bayeux, has_deflate;
	struct slice cookie; /* is_bayeux: the header
	                        field; borrowed */
	uint8_t window_bits;
	struct slice head;       /* the answer to the
	                            handshake; borrowed */
	struct slice early;      /* bytes behind the
	                            handshake; borrowed */
	struct pattern_set what; /* taken; may be empty */
	bool is_now, has_gap;
	uint32_t place; /* hub_claim's; taken */
	uint64_t after, gap_known;
	uint32_t epoch;
};

/* Makes it a connection.  Takes what and place, and fd where it succeeds, or
   with RC_GONE: the client has left.  As hub_attach. */
enum rc ws_start(
    struct ws *w, struct ws_start *start, struct err *e) MUST_CHECK;

/* Says a Close and ends the connection, once its publishes are answered. */
void ws_leave(struct ws_connection *c, uint16_t status, const char *reason);

/* For wsops: sends the frames of b, or in the answer to the bytes that are
   being taken in; ends b. */
void ws_say(struct ws_connection *c, struct buf *b);

/* Sends what ws_say has gathered so far. */
void ws_flush(struct ws_connection *c);

/* Something c waited for has come. */
void ws_proceed(struct ws_connection *c);
void ws_hold(struct ws_connection *c);
void ws_unhold(struct ws_connection *c);

#endif
