/*
 * A growing byte buffer with a bound.  Failures (out of memory, over the
 * bound) stick: later writes do nothing, and the one check at the end sees
 * them.  So encoders are written without a test after each piece.
 * Never shared between threads.
 */
#ifndef COMETLOG_BASE_BUF_H
#define COMETLOG_BASE_BUF_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct buf {
	char *p;
	size_t n, cap;
	size_t limit_bytes; /* 0: no bound but memory */
	enum rc rc;         /* RC_OK, RC_NOMEM or RC_TOO_LARGE */
};

/* An empty buffer of at most limit_bytes (0: unbounded), of content and of
   memory.  Allocates nothing. */
void buf_init(struct buf *b, size_t limit_bytes);

/* Frees the bytes; b is as after buf_init with the same bound. */
void buf_fini(struct buf *b);

/* Forgets the content and the failure, keeps the memory. */
void buf_clear(struct buf *b);

/* Room for n more bytes: where to write them (then add to b->n), or NULL. */
char *buf_room(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_add_uint(struct buf *b, uint64_t v); /* decimal */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Removes the first n bytes (n <= b->n).  O(what is left). */
void buf_drop(struct buf *b, size_t n);

/* What the buffer holds; borrowed until the next call that changes it. */
struct slice buf_slice(const struct buf *b);

/* Gives the bytes to the caller, who frees them with free(); b is empty. */
char *buf_take(struct buf *b, size_t *n);

#endif
