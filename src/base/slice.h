/*
 * Bytes that somebody else owns: a pointer and a length.  They may hold NUL
 * and are not terminated.  p may be NULL only when n is 0; "absent" is spelled
 * p == NULL, "empty" is n == 0 with p set.
 */
#ifndef COMETLOG_BASE_SLICE_H
#define COMETLOG_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice
slice_of(const char *text)
{
	return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool
slice_is(struct slice s, struct slice other)
{
	return s.n == other.n && (s.n == 0 || memcmp(s.p, other.p, s.n) == 0);
}

static inline bool
slice_starts(struct slice s, struct slice head)
{
	return s.n >= head.n && (head.n == 0 || !memcmp(s.p, head.p, head.n));
}

/* FNV-1a, folded so that the low bits are good enough for a table; seed 0, or
   the hash so far.  Not for what an attacker must not be able to collide. */
static inline uint64_t
slice_hash(uint64_t seed, struct slice s)
{
	uint64_t h = seed ^ 0xcbf29ce484222325u;
	size_t i;

	for (i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	return h ^ h >> 32;
}

/* Copies s to *to, which moves behind it: the copy.  An absent one stays so. */
static inline struct slice
slice_copy(char **to, struct slice s)
{
	struct slice out = {s.p == NULL ? NULL : *to, s.n};

	if (s.n > 0)
		memcpy(*to, s.p, s.n);
	*to += s.n;
	return out;
}

/* s without its first n bytes; n must not exceed s.n. */
static inline struct slice
slice_after(struct slice s, size_t n)
{
	return (struct slice){s.p + n, s.n - n};
}

#endif
