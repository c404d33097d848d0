/*
 * permessage-deflate without context takeover (RFC 7692, section 7.2): each
 * message is compressed by itself, so that one encoding serves all readers and
 * a connection keeps no window.  zlib underneath.  Each object belongs to one
 * thread at a time.
 */
#ifndef COMETLOG_WIRE_DEFLATE_H
#define COMETLOG_WIRE_DEFLATE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* The largest window there is, of what is compressed once for all. */
#define DEFLATE_WINDOW_BITS 15

struct deflater;
struct inflater;

/* window_bits 8..15.  RC_NOMEM. */
enum rc deflater_new(
    struct deflater **out, uint8_t window_bits, struct err *e) MUST_CHECK;
void deflater_free(struct deflater *d);

/* Appends text (below 4 GiB) compressed, without the last 00 00 ff ff (7.2.1).
   The same text always gives the same bytes, from any deflater of these
   window_bits. */
void deflater_add(struct deflater *d, struct buf *b, struct slice text);

/* RC_NOMEM.  About 40 KiB. */
enum rc inflater_new(struct inflater **out, struct err *e) MUST_CHECK;
void inflater_free(struct inflater *f);

/* Appends what one message's compressed payload holds (7.2.2); all of it or,
   on failure, nothing.  RC_TOO_LARGE: it goes beyond b's bound (b takes what
   buf_room makes of that, whatever the payload says); RC_BAD: not deflate data,
   or cut; RC_NOMEM. */
enum rc inflater_add(struct inflater *f, struct buf *b, struct slice payload,
    struct err *e) MUST_CHECK;

#endif
