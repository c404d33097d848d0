/* Cursors as text. */
#include "base/cursor.h"
#include "tests.h"

static bool
parses(struct slice s, uint64_t seq, bool has_epoch, uint32_t epoch)
{
	struct cursor c = {0};
	struct err e;

	return cursor_parse(s, &c, &e) == RC_OK && c.seq == seq &&
	    c.has_epoch == has_epoch && c.epoch == epoch;
}

static bool
is_refused(struct slice s)
{
	struct cursor c = {.seq = 77, .epoch = 5};
	struct err e = {0};

	return cursor_parse(s, &c, &e) == RC_BAD && e.text[0] != 0 &&
	    c.seq == 77 && c.epoch == 5;
}

static void
both_forms_are_read(void)
{
	CU_ASSERT(parses(SLICE("124.9f3a1c22"), 124, true, 0x9f3a1c22));
	CU_ASSERT(parses(SLICE("124.9F3A1C22"), 124, true, 0x9f3a1c22));
	CU_ASSERT(parses(SLICE("124"), 124, false, 0));
	CU_ASSERT(parses(SLICE("0"), 0, false, 0));
	CU_ASSERT(parses(SLICE("0.00000000"), 0, true, 0));
	CU_ASSERT(parses(SLICE("007"), 7, false, 0));
}

static void
seq_ends_at_the_largest_signed_integer(void)
{
	CU_ASSERT(parses(SLICE("9223372036854775807"), INT64_MAX, false, 0));
	CU_ASSERT(is_refused(SLICE("9223372036854775808")));
	CU_ASSERT(is_refused(SLICE("9999999999999999999")));
	CU_ASSERT(is_refused(SLICE("18446744073709551617")));
	CU_ASSERT(is_refused(SLICE("00000000000000000001")));
}

static void
nothing_else_is_accepted(void)
{
	static const char *const bad[] = {"", "now", "-1", "+1", " 1", "1 ",
	    "1.", "1.9f3a1c2", "1.9f3a1c222", "1.9f3a1c2g", ".9f3a1c22",
	    "1..9f3a1c22", "1,9f3a1c22", "0x10", "1e3", "1.9f3a1c2 ",
	    "1.+f3a1c22", "1.9f3a1c22.", "\xd9\xa1"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CU_ASSERT(is_refused(slice_of(bad[i])));
	CU_ASSERT(is_refused(SLICE("1\0")));
	CU_ASSERT(is_refused((struct slice){NULL, 0}));
}

static void
every_truncation_is_refused_or_bare(void)
{
	struct slice whole = SLICE("124.9f3a1c22");

	for (size_t n = 0; n < whole.n; n++)
		CU_ASSERT_EQUAL(
		    is_refused((struct slice){whole.p, n}), n < 1 || n > 3);
}

static void
text_comes_back_as_the_cursor(void)
{
	static const uint64_t seqs[] = {
	    0, 9, 10, 124, INT64_MAX - 1, INT64_MAX};
	static const uint32_t epochs[] = {0, 1, 0x9f3a1c22, UINT32_MAX};
	char text[CURSOR_MAX_BYTES];
	size_t n;

	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 4; k++) {
			n = cursor_format(text, seqs[i], epochs[k]);
			CU_ASSERT_EQUAL(n, strlen(text));
			CU_ASSERT(parses(
			    (struct slice){text, n}, seqs[i], true, epochs[k]));
		}
	CU_ASSERT_EQUAL(cursor_format(text, 124, 0x9F3A1C22), 12);
	CU_ASSERT_STRING_EQUAL(text, "124.9f3a1c22");
	CU_ASSERT_EQUAL(cursor_format(text, UINT64_MAX, 1), 29);
	CU_ASSERT_STRING_EQUAL(text, "18446744073709551615.00000001");
}

static void
cursor_is_appended(void)
{
	struct buf b;

	buf_init(&b, 0);
	buf_add_text(&b, "id: ");
	cursor_add(&b, 7, 0xab);
	CU_ASSERT(slice_is(buf_slice(&b), SLICE("id: 7.000000ab")));
	buf_fini(&b);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_cursor[] = {T(both_forms_are_read),
    T(seq_ends_at_the_largest_signed_integer), T(nothing_else_is_accepted),
    T(every_truncation_is_refused_or_bare), T(text_comes_back_as_the_cursor),
    T(cursor_is_appended), CU_TEST_INFO_NULL};
