/*
 * Messages as bytes, in each form that a technique sends (API.md, Read).  Pure,
 * deterministic: the same message and epoch always give the same bytes, so that
 * a half-sent one can be encoded again and continued.  No FastCGI or HTTP
 * framing here.
 */
#ifndef COMETLOG_WIRE_ENCODE_H
#define COMETLOG_WIRE_ENCODE_H

#include "base/buf.h"
#include "base/message.h"
#include "wire/deflate.h"

#include <stdint.h>

enum form {
	FORM_SSE,      /* data as it is */
	FORM_SSE_JSON, /* format=json: the message object in data */
	FORM_NDJSON,
	FORM_SCRIPT,        /* <script>callback({...})</script> */
	FORM_WS,            /* a WebSocket text frame (wire/wsop.h) */
	FORM_WS_DEFLATE,    /* the same, compressed where that is shorter */
	FORM_BAYEUX,        /* a WebSocket text frame with one event */
	FORM_BAYEUX_REPLAY, /* the same with its replay id */
	FORM_OBJECT,        /* the bare message object (poll answers) */
	FORMS
};

/* What encoders need beside the message. */
struct encode {
	enum form form;
	uint32_t epoch;
	struct slice callback; /* FORM_SCRIPT: checked by callback_check;
	                          p == NULL: DEFAULT_CALLBACK */
	/* FORM_WS_DEFLATE: borrowed, of DEFLATE_WINDOW_BITS; and the window
	   that the client has room for: what is longer isn't compressed */
	struct deflater *deflater;
	uint8_t window_bits;
};

/* Are its bytes whole as they are, without the framing of an HTTP answer? */
static inline bool
form_is_ws(enum form form)
{
	return form == FORM_WS || form == FORM_WS_DEFLATE ||
	    form == FORM_BAYEUX || form == FORM_BAYEUX_REPLAY;
}

#define DEFAULT_CALLBACK "parent.comet"

/* The message object
   {"seq":..,"channel":..,"time":..[,"event"][,"id"],"data":..}; and the same
   without its opening brace, for an object that begins otherwise. */
void encode_object(struct buf *b, const struct message *m, bool for_script);
void encode_members(struct buf *b, const struct message *m, bool for_script);

/* One message in its form.  SSE: "id: CURSOR\n", "event: E\n" if set, a "data:
   " line for each line of data, split at CRLF, LF and a lone CR alike (HTML
   Living Standard, 9.2.6), "\n". */
void encode_message(
    struct buf *b, const struct encode *how, const struct message *m);

/* What opens a held answer's body.  SSE: "retry: MS\nid: CURSOR\n\n" (sets the
   client's position, dispatches nothing); NDJSON: a heartbeat line; script: the
   head of an HTML page with enough padding (2 KiB) that browsers start to
   render, then a heartbeat call.  is_gap: the gap is told here, before anything
   else, in the heartbeat's place.  WebSocket: an "ok", then the gap. */
void encode_opening(struct buf *b, const struct encode *how,
    uint64_t cursor_seq, uint32_t retry_ms, bool is_gap);

/* The sign of life with the cursor that the client may resume from.
   SSE: id, event heartbeat, data the cursor; else {"heartbeat":"CURSOR"}. */
void encode_heartbeat(
    struct buf *b, const struct encode *how, uint64_t cursor_seq);

/* "Some messages are no longer kept": SSE: event gap with id = the cursor from
   which delivery goes on, data {"gap":true,"cursor":"..."}; else that object as
   a line or call. */
void encode_gap(struct buf *b, const struct encode *how, uint64_t cursor_seq);

/* How a held answer ends well.  SSE: "" or, when retry_ms > 0, "retry: MS\n\n";
   script: "</body></html>". */
void encode_ending(struct buf *b, const struct encode *how, uint32_t retry_ms);

/* A poll answer, in three steps: begin, then
   encode_poll_message for each, end. */
struct poll_answer {
	bool is_first;         /* internal */
	struct slice callback; /* p == NULL: plain JSON */
};
void encode_poll_begin(
    struct buf *b, struct poll_answer *a, struct slice callback, bool is_gap);
void encode_poll_message(
    struct buf *b, struct poll_answer *a, const struct message *m);
/* {"gap":true?,"messages":[...],"cursor":"..","more":false
   [,"degraded":true]} */
void encode_poll_end(struct buf *b, struct poll_answer *a, uint64_t cursor_seq,
    uint32_t epoch, bool is_more, bool is_degraded);

/* Content-Type of a form's held answer; FORM_OBJECT: of poll answers. */
const char *form_content_type(enum form form);

/* Content-Type of a poll answer with a callback (JSONP). */
#define CALLBACK_CONTENT_TYPE "application/javascript; charset=utf-8"

/* A callback name: identifiers joined by dots, ASCII, at most 128
   bytes; RC_BAD otherwise. */
enum rc callback_check(struct slice name, struct err *e) MUST_CHECK;

#endif
