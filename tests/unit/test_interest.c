/* What a reader wants, and what it got already. */
#include "base/buf.h"
#include "fail_alloc.h"
#include "hub/interest.h"
#include "tests.h"

/* The seqs of 1..n on a channel that in wants, as "3 4 7". */
static void
check_wants(const struct interest *in, const char *channel, uint64_t n,
    const char *expected)
{
	struct buf b;
	struct message m = {.channel = slice_of(channel)};

	buf_init(&b, 0);
	for (m.seq = 1; m.seq <= n; m.seq++)
		if (interest_wants(in, &m))
			buf_printf(&b, "%s%d", b.n > 0 ? " " : "", (int)m.seq);
	buf_add_char(&b, 0);
	CU_ASSERT_STRING_EQUAL(b.p, expected);
	buf_fini(&b);
}

/* in goes over to it with pattern from `after` on. */
static void
add(struct interest *in, const char *pattern, uint64_t after, uint64_t position)
{
	struct interest to;
	struct err e;

	CU_ASSERT_EQUAL(
	    interest_with(&to, in, slice_of(pattern), after, position, &e),
	    RC_OK);
	interest_fini(in);
	*in = to;
}

static void
drop(struct interest *in, const char *pattern)
{
	struct interest to;
	struct err e;

	CU_ASSERT_EQUAL(
	    interest_without(&to, in, slice_of(pattern), &e), RC_OK);
	interest_fini(in);
	*in = to;
}

static void
one_pattern_is_wanted_behind_its_beginning(void)
{
	struct interest in = {0};

	add(&in, "a", 3, UINT64_MAX);
	check_wants(&in, "a", 6, "4 5 6");
	check_wants(&in, "b", 6, "");
	CU_ASSERT_EQUAL(interest_floor(&in), 3);
	interest_fini(&in);
}

static void
going_back_for_one_brings_nothing_of_the_others_again(void)
{
	struct interest in = {0};

	add(&in, "a", 0, UINT64_MAX);
	add(&in, "b", 2, 5); /* all of a up to 5 came */
	check_wants(&in, "a", 8, "6 7 8");
	check_wants(&in, "b", 8, "3 4 5 6 7 8");
	interest_fini(&in);
}

static void
what_a_wildcard_brought_does_not_come_again(void)
{
	struct interest in = {0};

	add(&in, "a/*", 2, UINT64_MAX);
	add(&in, "a/b", 0, 5); /* 3, 4, 5 of it came */
	check_wants(&in, "a/b", 7, "1 2 6 7");
	check_wants(&in, "a/c", 7, "6 7");
	interest_fini(&in);
}

static void
what_came_before_the_first_subscription_was_not_delivered(void)
{
	struct interest in = {.base = 3};
	struct slice b = SLICE("b");
	struct err e;

	CU_ASSERT_EQUAL(pattern_set_init(&in.what, &b, 1, &e), RC_OK);
	add(&in, "**", 0, 6); /* b began at 3: it brought 4, 5, 6 */
	check_wants(&in, "b", 8, "1 2 3 7 8");
	check_wants(&in, "c", 8, "1 2 3 4 5 6 7 8");
	interest_fini(&in);
}

static void
going_back_twice_keeps_count_of_both(void)
{
	struct interest in = {0};

	add(&in, "**", 6, UINT64_MAX); /* brought 7, 8 */
	add(&in, "a", 4, 8);           /* back: brings 5, 6 of a */
	add(&in, "b", 2, 5);           /* back at 5, before 6 came */
	check_wants(&in, "a", 9, "6 9");
	check_wants(&in, "b", 9, "3 4 5 6 9");
	check_wants(&in, "c", 9, "9");
	interest_fini(&in);
}

static void
a_later_beginning_waits_for_its_seq(void)
{
	struct interest in = {0};
	struct pattern_set active;
	struct err e;
	uint64_t until;

	add(&in, "a", 2, UINT64_MAX);
	add(&in, "b", 5, UINT64_MAX);
	check_wants(&in, "b", 7, "6 7");
	CU_ASSERT_EQUAL(interest_active(&in, 2, &active, &until, &e), RC_OK);
	CU_ASSERT_EQUAL(active.n, 1);
	CU_ASSERT_EQUAL(until, 5);
	pattern_set_fini(&active);
	CU_ASSERT_EQUAL(interest_active(&in, 5, &active, &until, &e), RC_OK);
	CU_ASSERT_EQUAL(active.n, 2);
	CU_ASSERT_EQUAL(until, UINT64_MAX);
	pattern_set_fini(&active);
	interest_fini(&in);
}

static void
beginning_anew_replaces_the_pattern(void)
{
	struct interest in = {0};

	add(&in, "a", 0, UINT64_MAX);
	add(&in, "a", 1, 5);
	CU_ASSERT_EQUAL(in.what.n, 1);
	check_wants(&in, "a", 4, "2 3 4");
	interest_fini(&in);
}

static void
without_a_pattern_the_floor_rises(void)
{
	struct interest in = {0};

	add(&in, "a", 9, UINT64_MAX);
	add(&in, "b", 2, 9);
	CU_ASSERT_EQUAL(interest_floor(&in), 2);
	CU_ASSERT_EQUAL(interest_find(&in, SLICE("b")), 1);
	CU_ASSERT_EQUAL(interest_from(&in, SLICE("a")), 9);
	CU_ASSERT_EQUAL(interest_from(&in, SLICE("b")), 2);
	drop(&in, "b");
	CU_ASSERT_EQUAL(interest_from(&in, SLICE("b")), 0);
	CU_ASSERT_EQUAL(interest_find(&in, SLICE("b")), 1);
	CU_ASSERT_EQUAL(in.what.n, 1);
	CU_ASSERT_EQUAL(interest_floor(&in), 9);
	interest_fini(&in);
}

static void
another_log_forgets_what_was_delivered(void)
{
	struct interest in = {0};

	add(&in, "a", 9, UINT64_MAX);
	interest_start_over(&in);
	check_wants(&in, "a", 3, "1 2 3");
	interest_fini(&in);
}

static void
no_memory_leaves_the_interest_as_it_was(void)
{
	struct interest in = {0}, to;
	struct err e;
	unsigned after;
	enum rc rc;

	add(&in, "a", 1, UINT64_MAX);
	for (after = 0;; after++) {
		fail_alloc_after(after);
		rc = interest_with(&to, &in, SLICE("b"), 0, 5, &e);
		if (!fail_alloc_end())
			break;
		CU_ASSERT_EQUAL(rc, RC_NOMEM);
		CU_ASSERT_EQUAL(to.what.n, 0);
	}
	CU_ASSERT_EQUAL(rc, RC_OK);
	CU_ASSERT(after > 2);
	interest_fini(&to);
	CU_ASSERT_EQUAL(in.what.n, 1);
	interest_fini(&in);
}

CU_TestInfo test_interest[] = {
    {"one_pattern_is_wanted_behind_its_beginning",
        one_pattern_is_wanted_behind_its_beginning},
    {"going_back_for_one_brings_nothing_of_the_others_again",
        going_back_for_one_brings_nothing_of_the_others_again},
    {"what_a_wildcard_brought_does_not_come_again",
        what_a_wildcard_brought_does_not_come_again},
    {"what_came_before_the_first_subscription_was_not_delivered",
        what_came_before_the_first_subscription_was_not_delivered},
    {"going_back_twice_keeps_count_of_both",
        going_back_twice_keeps_count_of_both},
    {"a_later_beginning_waits_for_its_seq",
        a_later_beginning_waits_for_its_seq},
    {"beginning_anew_replaces_the_pattern",
        beginning_anew_replaces_the_pattern},
    {"without_a_pattern_the_floor_rises", without_a_pattern_the_floor_rises},
    {"another_log_forgets_what_was_delivered",
        another_log_forgets_what_was_delivered},
    {"no_memory_leaves_the_interest_as_it_was",
        no_memory_leaves_the_interest_as_it_was},
    CU_TEST_INFO_NULL,
};
