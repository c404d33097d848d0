/*
 * What client and server say on a WebSocket (API.md, WebSocket): JSON objects
 * with an "op".  Pure.
 */
#ifndef COMETLOG_WIRE_WSOP_H
#define COMETLOG_WIRE_WSOP_H

#include "base/cursor.h"
#include "base/err.h"
#include "base/message.h"
#include "wire/deflate.h"
#include "wire/envelope.h"

enum wsop_kind { WSOP_SUBSCRIBE, WSOP_UNSUBSCRIBE, WSOP_PUBLISH, WSOP_PING };

enum wsop_from { WSOP_NOW, WSOP_CURSOR, WSOP_LAST };

struct wsop {
	enum wsop_kind kind;
	struct slice ref;     /* JSON text to be echoed; p == NULL: none */
	struct slice channel; /* subscribe, unsubscribe: the pattern,
	                         checked and trimmed */
	enum wsop_from from;  /* subscribe; since wins over last */
	struct cursor since;
	uint32_t last;
	struct message message; /* publish: checked as envelope_parse does */
};

/*
 * Parses one text frame's payload (changed in place, borrowed by op).  "since":
 * a cursor as a string, a bare integer as a string or number, "now", or null
 * (as if not given).  "last": 0 to UINT32_MAX, or null.  ref: any JSON value of
 * at most 256 bytes.  Errors as envelope_parse's, with what to change: not a
 * JSON object, no or an unknown op (which names those there are), ...; op->ref
 * is set whenever it could be read.
 */
enum rc wsop_parse(char *text, size_t n, const struct envelope_limits *limits,
    struct wsop *op, struct err *e) MUST_CHECK;

/* Whole text frames, appended to b. */
/* {"op":"ok","ref":R,"cursor":"..."}; ref left out when p == NULL */
void wsop_add_ok(struct buf *b, struct slice ref, uint64_t seq, uint32_t epoch);
/* {"op":"ok","ref":R,"seq":1,"cursor":"...","channel":"..."
   [,"duplicate":true]} */
void wsop_add_published(struct buf *b, struct slice ref, struct slice channel,
    uint64_t seq, uint32_t epoch, bool is_duplicate);
/* {"op":"error","ref":R,"status":403,"title":"...","detail":"..."}: status by
   rc, title the status' reason phrase; with 429 and 503 "retry": retry_s
   (jittered by the caller).  detail may quote invalid UTF-8. */
void wsop_add_error(struct buf *b, struct slice ref, enum rc rc,
    const char *detail, uint32_t retry_s);
/* {"op":"pong","ref":R} */
void wsop_add_pong(struct buf *b, struct slice ref);
/* {"op":"gap","gap":true[,"channel":"..."],"cursor":"..."}; channel.p == NULL:
   of all */
void wsop_add_gap(
    struct buf *b, struct slice channel, uint64_t seq, uint32_t epoch);
/* {"op":"heartbeat","cursor":"..."} */
void wsop_add_heartbeat(struct buf *b, uint64_t seq, uint32_t epoch);
/* {"op":"message","seq":...} in a text frame; d != NULL: deflated, if that is
   shorter.  window_bits: what the reader agreed on; messages that don't fit a
   window below 15 bits are not deflated. */
void wsop_add_message(struct buf *b, const struct message *m,
    struct deflater *d, uint8_t window_bits);

#endif
