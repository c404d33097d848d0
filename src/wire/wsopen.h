/*
 * The opening handshake of a WebSocket (RFC 6455, section 4): the bytes of the
 * HTTP request in, its answer out.  Pure.
 */
#ifndef COMETLOG_WIRE_WSOPEN_H
#define COMETLOG_WIRE_WSOPEN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

/* What a client asked for.  Slices point into the head. */
struct wsopen {
	struct slice path; /* percent-decoded: "/comet/ws" */
	char *query;       /* raw, for query_parse; query_n bytes */
	size_t query_n;
	struct slice host;    /* that of an absolute target wins over Host */
	struct slice origin;  /* p == NULL: none */
	struct slice client;  /* the last address of X-Forwarded-For;
	                         p == NULL: none */
	struct slice cookie;  /* of the last field of that
	                         name; p == NULL: none */
	struct slice key;     /* Sec-WebSocket-Key */
	bool has_deflate;     /* permessage-deflate was agreed on */
	uint8_t window_bits;  /* server_max_window_bits agreed on: 8..15 */
	bool is_window_asked; /* the answer must repeat it */
	int status;           /* of the answer when wsopen_parse failed: 400,
	                         405, 426, 505 */
};

/* Length of the request's head with its blank line; 0: not all there yet.
   Looks only at what is new: from is where the last look ended. */
size_t wsopen_head_bytes(struct slice bytes, size_t from);

/*
 * Parses a whole head (changed in place; borrowed by o).  Field names ignore
 * case; repeated Sec-WebSocket-Extensions are one list.  RC_BAD, with o->status
 * and a text that says what to change: not HTTP/1.1 (505), not GET (405), not
 * an upgrade to websocket (426), version other than 13 (426); and 400: a key
 * that isn't 16 bytes in base64, control characters, no Host, obsolete line
 * folding, a repeated Host, Origin, Key or Version, a malformed list of
 * extensions (RFC 6455, 9.1), a body.  Of the offers of permessage-deflate the
 * first is taken whose parameters are known, not repeated and not bad (RFC
 * 7692, 5.1, 7.1).  can_deflate false: none is taken.
 */
enum rc wsopen_parse(struct wsopen *o, char *head, size_t n, bool can_deflate,
    struct err *e) MUST_CHECK;

/* Appends "HTTP/1.1 101 ..." with Sec-WebSocket-Accept and, if agreed,
   Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover;
   client_no_context_takeover[; server_max_window_bits=N]. */
void wsopen_add_accept(struct buf *b, const struct wsopen *o);

/* Appends a whole HTTP answer that refuses: Content-Type problem+json,
   Connection: close, Sec-WebSocket-Version and Upgrade with 426, Allow with
   405, Retry-After unless retry_s is 0 (jittered by the caller). */
void wsopen_add_refusal(
    struct buf *b, int status, struct slice detail, uint32_t retry_s);

/* ---- pieces of header fields, for wsextension.c ---- */

/* Ignores case. */
bool wsopen_is_word(struct slice s, const char *word);

/* s without the spaces and tabs around it. */
struct slice wsopen_trim(struct slice s);

/* Whether a token (RFC 9110, 5.6.2) may hold c. */
bool wsopen_is_token_char(char c);

/* Takes the token that *s begins with; n == 0: none. */
struct slice wsopen_take_token(struct slice *s);

#endif
