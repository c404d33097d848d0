/*
 * WebSocket frames coming in (RFC 6455, section 5; RFC 7692): bytes become
 * messages; pings and closes are answered.  wslay takes the frames apart; this
 * is the only file that knows it.  No I/O.
 *
 * Between messages a connection costs nothing here: wslay's context exists
 * only while a frame or a fragmented message is half read.
 */
#ifndef COMETLOG_WIRE_WSREAD_H
#define COMETLOG_WIRE_WSREAD_H

#include "base/buf.h"
#include "base/slice.h"
#include "wire/deflate.h"
#include "wire/wsframe.h"

struct wsread;

/* What all connections of a kind share. */
struct wsread_rules {
	size_t message_bytes;      /* of one message, inflated, at least 1;
	                              more: 1009 */
	struct inflater *inflater; /* shared; of the calling thread; NULL
	                              where has_deflate is never true */
	/* A whole message (text: checked UTF-8); is_binary says which.  data is
	   the callee's to change, borrowed for the call.  After it returned
	   false it isn't called any more: wsread_bytes returns WSREAD_DROPPED.
	   It may append to out, but must not free the struct wsread. */
	bool (*message)(void *arg, char *data, size_t n, bool is_binary);
};

enum wsread_result {
	WSREAD_OPEN,
	WSREAD_CLOSED,  /* a Close was appended to out: it answers the
	                   peer's, or tells its fault (1002, 1007, 1009,
	                   1011): send it, read no more */
	WSREAD_DROPPED, /* message() returned false */
};

/*
 * Reads bytes that came (any number, from the last ones on).  *r is NULL at
 * first, between messages, and when anything but WSREAD_OPEN is returned; free
 * with wsread_free.  Calls rules->message for each message, in order; appends
 * what must go out (pongs, a Close) to out.
 * has_deflate: agreed on in the handshake.
 * Memory grows with the bytes that really came, not with what a length says.
 * The status of a peer's well-formed Close is put into *peer_status (1005 if it
 * gave none; 0 while none came).  A Close that tells a fault gives its reason.
 * At most 64 pongs are appended in one call: of more pings the first 63 and the
 * last one are answered (5.5.3).
 */
enum wsread_result wsread_bytes(struct wsread **r,
    const struct wsread_rules *rules, bool has_deflate, struct slice bytes,
    struct buf *out, uint16_t *peer_status, void *arg);
void wsread_free(struct wsread *r);

#endif
