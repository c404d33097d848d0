/* Channel names, patterns and sets of them. */
#include "base/channel.h"
#include "fail_alloc.h"
#include "tests.h"

static bool
is_channel(struct slice name)
{
	struct err e = {0};
	enum rc rc = channel_check(name, &e);

	if (rc != RC_OK)
		CU_ASSERT(rc == RC_BAD && e.text[0] != 0);
	return rc == RC_OK;
}

static bool
is_pattern(struct slice pattern)
{
	struct err e = {0};
	enum rc rc = pattern_check(pattern, &e);

	if (rc != RC_OK)
		CU_ASSERT(rc == RC_BAD && e.text[0] != 0);
	return rc == RC_OK;
}

static bool
matches(const char *pattern, const char *channel)
{
	CU_ASSERT(is_pattern(slice_of(pattern)));
	CU_ASSERT(is_channel(slice_of(channel)));
	return pattern_matches(slice_of(pattern), slice_of(channel));
}

static void
one_leading_slash_is_dropped(void)
{
	CU_ASSERT(slice_is(channel_trim(SLICE("/chat/a")), SLICE("chat/a")));
	CU_ASSERT(slice_is(channel_trim(SLICE("chat/a")), SLICE("chat/a")));
	CU_ASSERT(slice_is(channel_trim(SLICE("//a")), SLICE("/a")));
	CU_ASSERT(slice_is(channel_trim(SLICE("/")), SLICE("")));
	CU_ASSERT(slice_is(channel_trim((struct slice){NULL, 0}), SLICE("")));
}

static void
channel_has_1_to_255_bytes(void)
{
	char name[256];

	memset(name, 'x', sizeof name);
	for (size_t n = 0; n <= sizeof name; n++)
		CU_ASSERT_EQUAL(
		    is_channel((struct slice){name, n}), n >= 1 && n <= 255);
	CU_ASSERT_FALSE(is_channel((struct slice){NULL, 0}));
}

static void
channel_may_hold_any_text(void)
{
	CU_ASSERT(is_channel(SLICE("chat/room 1")));
	CU_ASSERT(is_channel(SLICE("caf\xc3\xa9/\xf0\x9f\x98\x80")));
	CU_ASSERT(is_channel(SLICE("$sys/x")));
	CU_ASSERT(is_channel(SLICE("a//b/")));
	CU_ASSERT(is_channel(SLICE("a?b#c%&=\"'\\<>")));
}

static void
channel_has_no_control_wildcard_or_leading_slash(void)
{
	CU_ASSERT_FALSE(is_channel(SLICE("a\0b")));
	CU_ASSERT_FALSE(is_channel(SLICE("a\nb")));
	CU_ASSERT_FALSE(is_channel(SLICE("a\x1f")));
	CU_ASSERT_FALSE(is_channel(SLICE("a\x7f")));
	CU_ASSERT_FALSE(is_channel(SLICE("a\xc2\x80")));
	CU_ASSERT_FALSE(is_channel(SLICE("a\xc2\x9f")));
	CU_ASSERT(is_channel(SLICE("a\xc2\xa0")));
	CU_ASSERT_FALSE(is_channel(SLICE("/a")));
	CU_ASSERT_FALSE(is_channel(SLICE("*")));
	CU_ASSERT_FALSE(is_channel(SLICE("a/b*c")));
	CU_ASSERT_FALSE(is_channel(SLICE("a\xff")));
	CU_ASSERT_FALSE(is_channel(SLICE("a\xe2\x82")));
}

static void
text_says_what_is_wrong_and_where(void)
{
	struct err e;

	CU_ASSERT_EQUAL(channel_check(SLICE("ab\ncd"), &e), RC_BAD);
	CU_ASSERT_STRING_EQUAL(
	    e.text, "the channel has a control character at byte 2");
	CU_ASSERT_EQUAL(channel_check(SLICE("abc\xff"), &e), RC_BAD);
	CU_ASSERT_STRING_EQUAL(
	    e.text, "the channel is not valid UTF-8 at byte 3");
	CU_ASSERT_EQUAL(channel_check(SLICE(""), NULL), RC_BAD);
}

static void
wildcard_is_a_whole_segment(void)
{
	CU_ASSERT(is_pattern(SLICE("*")));
	CU_ASSERT(is_pattern(SLICE("**")));
	CU_ASSERT(is_pattern(SLICE("a/*/b")));
	CU_ASSERT(is_pattern(SLICE("a/*/**")));
	CU_ASSERT(is_pattern(SLICE("plain")));
	CU_ASSERT_FALSE(is_pattern(SLICE("a*")));
	CU_ASSERT_FALSE(is_pattern(SLICE("a/*b/c")));
	CU_ASSERT_FALSE(is_pattern(SLICE("***")));
	CU_ASSERT_FALSE(is_pattern(SLICE("a/b**")));
	CU_ASSERT_FALSE(is_pattern(SLICE("**/a")));
	CU_ASSERT_FALSE(is_pattern(SLICE("a/**/")));
	CU_ASSERT_FALSE(is_pattern(SLICE("")));
	CU_ASSERT_FALSE(is_pattern(SLICE("/a")));
	CU_ASSERT_FALSE(is_pattern(SLICE("a\n")));
}

static void
exact_pattern_covers_itself_alone(void)
{
	CU_ASSERT(pattern_is_exact(SLICE("a/b")));
	CU_ASSERT_FALSE(pattern_is_exact(SLICE("a/*")));
	CU_ASSERT(matches("a/b", "a/b"));
	CU_ASSERT_FALSE(matches("a/b", "a/bc"));
	CU_ASSERT_FALSE(matches("a/b", "a"));
	CU_ASSERT(matches("$sys/x", "$sys/x"));
}

static void
star_covers_one_segment(void)
{
	CU_ASSERT(matches("*", "a"));
	CU_ASSERT_FALSE(matches("*", "a/b"));
	CU_ASSERT(matches("a/*", "a/b"));
	CU_ASSERT(matches("a/*", "a/"));
	CU_ASSERT_FALSE(matches("a/*", "a"));
	CU_ASSERT_FALSE(matches("a/*", "a/b/c"));
	CU_ASSERT_FALSE(matches("a/*", "ab/c"));
	CU_ASSERT(matches("*/b/*", "a/b/c"));
	CU_ASSERT_FALSE(matches("*/b/*", "a/x/c"));
	CU_ASSERT_FALSE(matches("*/b", "a/b/c"));
}

static void
double_star_covers_one_segment_or_more(void)
{
	CU_ASSERT(matches("**", "a"));
	CU_ASSERT(matches("**", "a/b/c"));
	CU_ASSERT(matches("a/**", "a/b"));
	CU_ASSERT(matches("a/**", "a/b/c/d"));
	CU_ASSERT_FALSE(matches("a/**", "a"));
	CU_ASSERT_FALSE(matches("a/**", "b/c"));
	CU_ASSERT(matches("*/x/**", "a/x/c"));
	CU_ASSERT_FALSE(matches("*/x/**", "a/x"));
}

static void
wildcard_never_covers_the_programs_own_channels(void)
{
	CU_ASSERT_FALSE(matches("*", "$sys"));
	CU_ASSERT_FALSE(matches("**", "$sys/x"));
	CU_ASSERT_FALSE(matches("$sys/*", "$sys/x"));
	CU_ASSERT_FALSE(matches("$sys/**", "$sys/x"));
	CU_ASSERT(matches("a/*", "a/$x"));
}

static void
set_trims_checks_and_drops_duplicates(void)
{
	struct slice from[] = {
	    SLICE("/a/*"), SLICE("b"), SLICE("a/*"), SLICE("/b"), SLICE("c")};
	struct pattern_set set;
	struct err e;

	CU_ASSERT_EQUAL(pattern_set_init(&set, from, 5, &e), RC_OK);
	CU_ASSERT_EQUAL(set.n, 3);
	CU_ASSERT(slice_is(set.item[0], SLICE("a/*")));
	CU_ASSERT(set.item[1].p != from[1].p);
	CU_ASSERT(pattern_set_matches(&set, SLICE("a/x")));
	CU_ASSERT(pattern_set_matches(&set, SLICE("b")));
	CU_ASSERT(pattern_set_matches(&set, SLICE("c")));
	CU_ASSERT_FALSE(pattern_set_matches(&set, SLICE("d")));
	pattern_set_fini(&set);
	CU_ASSERT_EQUAL(set.n, 0);
	CU_ASSERT_FALSE(pattern_set_matches(&set, SLICE("b")));
	pattern_set_fini(&set);
}

static void
empty_set_covers_nothing(void)
{
	struct pattern_set set;

	CU_ASSERT_EQUAL(pattern_set_init(&set, NULL, 0, NULL), RC_OK);
	CU_ASSERT_FALSE(pattern_set_matches(&set, SLICE("a")));
	pattern_set_fini(&set);
}

static void
set_with_a_bad_pattern_is_empty(void)
{
	struct slice from[] = {SLICE("a"), SLICE("b*")};
	struct pattern_set set;
	struct err e;

	CU_ASSERT_EQUAL(pattern_set_init(&set, from, 2, &e), RC_BAD);
	CU_ASSERT_EQUAL(set.n, 0);
	CU_ASSERT_PTR_NULL(set.item);
	pattern_set_fini(&set);
}

static void
set_without_memory_is_empty(void)
{
	struct slice from[] = {SLICE("a"), SLICE("b")};
	struct pattern_set set;
	struct err e;
	unsigned tried = 0;
	enum rc rc;

	for (;;) {
		fail_alloc_after(tried);
		rc = pattern_set_init(&set, from, 2, &e);
		if (!fail_alloc_end())
			break;
		CU_ASSERT_EQUAL(rc, RC_NOMEM);
		CU_ASSERT_EQUAL(set.n, 0);
		CU_ASSERT_PTR_NULL(set.text);
		tried++;
	}
	CU_ASSERT_EQUAL(rc, RC_OK);
	CU_ASSERT_EQUAL(tried, 2);
	pattern_set_fini(&set);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_channel[] = {T(one_leading_slash_is_dropped),
    T(channel_has_1_to_255_bytes), T(channel_may_hold_any_text),
    T(channel_has_no_control_wildcard_or_leading_slash),
    T(text_says_what_is_wrong_and_where), T(wildcard_is_a_whole_segment),
    T(exact_pattern_covers_itself_alone), T(star_covers_one_segment),
    T(double_star_covers_one_segment_or_more),
    T(wildcard_never_covers_the_programs_own_channels),
    T(set_trims_checks_and_drops_duplicates), T(empty_set_covers_nothing),
    T(set_with_a_bad_pattern_is_empty), T(set_without_memory_is_empty),
    CU_TEST_INFO_NULL};
