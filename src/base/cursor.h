/*
 * Cursors: "<seq>.<epoch>", where the epoch is 8 hex digits, or a bare integer
 * (no epoch check): "I have everything up to seq" (API.md, Words).  Pure.
 */
#ifndef COMETLOG_BASE_CURSOR_H
#define COMETLOG_BASE_CURSOR_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

#define CURSOR_MAX_BYTES 32

struct cursor {
	uint64_t seq; /* at most INT64_MAX */
	uint32_t epoch;
	bool has_epoch;
};

/* RC_BAD with a text if s is neither form (nothing else is accepted: no sign,
   no space, no more than 19 digits, epoch exactly 8 hex digits of any case). */
enum rc cursor_parse(
    struct slice s, struct cursor *c, struct err *e) MUST_CHECK;

/* Writes "124.9f3a1c22" (lower case) and returns its length; NUL-terminated. */
size_t cursor_format(char text[CURSOR_MAX_BYTES], uint64_t seq, uint32_t epoch);

void cursor_add(struct buf *b, uint64_t seq, uint32_t epoch);

#endif
