/*
 * Sizes and times as people write them.  Each reader takes all of s or returns
 * false: no sign, no white space, no fraction, nothing over 64 bits.  Pure.
 */
#ifndef COMETLOG_BASE_QUANTITY_H
#define COMETLOG_BASE_QUANTITY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

/* Decimal digits. */
bool quantity_uint(struct slice s, uint64_t *v) MUST_CHECK;

/* One to seven octal digits. */
bool quantity_octal(struct slice s, uint64_t *v) MUST_CHECK;

/* "65536", "64K", "64KiB": K, M and G are powers of 1024, of any case. */
bool quantity_bytes(struct slice s, uint64_t *v) MUST_CHECK;

/* "90s", "15m", "12h", "30d", "500ms" in milliseconds.  A number without a
   unit counts bare_ms each; 0: it is wrong. */
bool quantity_ms(struct slice s, uint64_t bare_ms, uint64_t *ms) MUST_CHECK;

/* "64K": the largest unit that leaves a whole number. */
void quantity_add_bytes(struct buf *b, uint64_t bytes);

#endif
