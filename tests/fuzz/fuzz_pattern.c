/*
 * Any bytes as patterns and a channel.  Input: lines; the last is the channel,
 * the others are patterns.  Matching agrees with a matcher of its own, that is
 * written from the definition.
 */
#include "base/channel.h"

#include <stdint.h>
#include <stdlib.h>

#define PATTERNS_MAX 16
#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
segment_bytes(const char *p)
{
	return strcspn(p, "/");
}

/* By segments and recursion; both are checked, so they hold no NUL. */
static bool
covers(const char *pattern, const char *channel)
{
	size_t want = segment_bytes(pattern), have = segment_bytes(channel);

	if (want == 2 && memcmp(pattern, "**", 2) == 0)
		return true;
	if (!(want == 1 && pattern[0] == '*') &&
	    (want != have || memcmp(pattern, channel, want) != 0))
		return false;
	if (pattern[want] == 0 || channel[have] == 0)
		return pattern[want] == channel[have];
	return covers(pattern + want + 1, channel + have + 1);
}

static bool
check_match(struct slice pattern, struct slice channel)
{
	char p[CHANNEL_MAX_BYTES + 1] = "", c[CHANNEL_MAX_BYTES + 1] = "";
	bool is_match = pattern_matches(pattern, channel);

	memcpy(p, pattern.p, pattern.n);
	memcpy(c, channel.p, channel.n);
	if (pattern_is_exact(pattern)) {
		CHECK(strchr(p, '*') == NULL);
		CHECK(is_match == (strcmp(p, c) == 0));
		CHECK(channel_check(pattern, NULL) == RC_OK);
	} else {
		CHECK(is_match == (c[0] != '$' && covers(p, c)));
		CHECK(channel_check(pattern, NULL) == RC_BAD);
	}
	return is_match;
}

static void
check_set(const struct slice *pattern, size_t n, struct slice channel)
{
	struct pattern_set set;
	bool is_match = false, is_good = true;
	struct err e = {0};

	for (size_t i = 0; i < n && is_good; i++) {
		struct slice s = channel_trim(pattern[i]);

		is_good = pattern_check(s, &e) == RC_OK;
		CHECK(is_good || (e.rc == RC_BAD && e.text[0] != 0));
		if (is_good && check_match(s, channel))
			is_match = true;
	}
	CHECK((pattern_set_init(&set, pattern, n, &e) == RC_OK) == is_good);
	CHECK(set.n <= n && (is_good || set.n == 0));
	CHECK(pattern_set_matches(&set, channel) == (is_good && is_match));
	pattern_set_fini(&set);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice pattern[PATTERNS_MAX],
	    channel = {(const char *)data, size};
	const char *feed;
	size_t n = 0;
	struct err e = {0};

	while (n < PATTERNS_MAX && channel.n > 0 &&
	    (feed = memchr(channel.p, '\n', channel.n)) != NULL) {
		pattern[n].p = channel.p;
		pattern[n].n = (size_t)(feed - channel.p);
		channel = slice_after(channel, pattern[n++].n + 1);
	}
	if (channel_check(channel, &e) != RC_OK) {
		CHECK(e.rc == RC_BAD && e.text[0] != 0);
		return 0;
	}
	CHECK(pattern_check(channel, NULL) == RC_OK);
	CHECK(pattern_matches(channel, channel));
	check_set(pattern, n, channel);
	return 0;
}
