/*
 * Channel names and patterns (API.md, Words).  A channel is 1 to 255 bytes of
 * UTF-8 without control characters (C0, DEL, C1), '*' or a leading '/'.
 * '/' separates segments.  In a pattern a segment "*" stands for any one
 * segment, a last segment "**" for one or more.  Names that begin with '$' are
 * the program's own: valid here, refused to publishers by the caller.
 * Pure; used by log, hub and transport.
 */
#ifndef COMETLOG_BASE_CHANNEL_H
#define COMETLOG_BASE_CHANNEL_H

#include "base/err.h"
#include "base/slice.h"

#define CHANNEL_MAX_BYTES 255

/* Drops one leading '/' (Bayeux writes "/chat/a" for our "chat/a"). */
struct slice channel_trim(struct slice name);

/* RC_OK, or RC_BAD with a text that says what is wrong and where. */
enum rc channel_check(struct slice name, struct err *e) MUST_CHECK;

/* The same for a pattern; '*' only as a whole segment, "**" only last. */
enum rc pattern_check(struct slice pattern, struct err *e) MUST_CHECK;

/* True if pattern has no wildcard, so that it is one channel's name. */
bool pattern_is_exact(struct slice pattern);

/* True if the (checked) pattern covers the (checked) channel.
   A wildcard never covers a channel that begins with '$'. */
bool pattern_matches(struct slice pattern, struct slice channel);

/* A reader's subscription: up to a bound of patterns, owned by the set. */
struct pattern_set {
	char *text; /* one allocation behind all of item[] */
	struct slice *item;
	size_t n;
};

/* Copies n patterns (trimmed, checked, without duplicates).  RC_BAD, RC_NOMEM;
   then *set is empty.  Free with pattern_set_fini. */
enum rc pattern_set_init(struct pattern_set *set, const struct slice *pattern,
    size_t n, struct err *e) MUST_CHECK;
/* The same of patterns that are known to be so.  O(n).  RC_NOMEM. */
enum rc pattern_set_copy(struct pattern_set *set, const struct slice *pattern,
    size_t n, struct err *e) MUST_CHECK;
void pattern_set_fini(struct pattern_set *set);
bool pattern_set_matches(const struct pattern_set *set, struct slice channel);

#endif
