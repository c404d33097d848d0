/* Failures' texts and the growing buffer. */
#include "base/buf.h"
#include "base/err.h"
#include "fail_alloc.h"
#include "tests.h"

#include <stdlib.h>

static void
text_is_formed_where_it_failed(void)
{
	struct err e = {0};

	CU_ASSERT_EQUAL(
	    err_set(&e, RC_LOG, "append: %s %d", "full", 7), RC_LOG);
	CU_ASSERT_EQUAL(e.rc, RC_LOG);
	CU_ASSERT_STRING_EQUAL(e.text, "append: full 7");
}

static void
text_is_cut_at_the_end_of_its_place(void)
{
	char text[600];
	struct err e;

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	CU_ASSERT_EQUAL(err_set(&e, RC_BAD, "%s", text), RC_BAD);
	CU_ASSERT_EQUAL(strlen(e.text), sizeof e.text - 1);
}

static void
nobody_need_want_the_text(void)
{
	CU_ASSERT_EQUAL(err_set(NULL, RC_NOMEM, "%d", 1), RC_NOMEM);
}

static void
strangers_are_not_told_where_things_lie(void)
{
	static const char *const pairs[][2] = {
	    {"/srv/x/cometlog.db: no room (13)", "cometlog.db: no room (13)"},
	    {"can't open \"/home/a/b.db\" (/home/a)",
	        "can't open \"b.db\" (a)"},
	    {"socket /run/a/b.sock, in use", "socket b.sock, in use"},
	    {"read/write failed; 1/2", "read/write failed; 1/2"},
	    {"/", ""},
	    {"", ""},
	};
	char room[ERR_TEXT_BYTES], text[600];

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		CU_ASSERT_STRING_EQUAL(
		    rc_told(RC_LOG, pairs[i][0], room), pairs[i][1]);
	CU_ASSERT_STRING_EQUAL(
	    rc_told(RC_BAD, "a /path of theirs", room), "a /path of theirs");
	memset(text, '/', sizeof text - 1);
	text[sizeof text - 1] = 0;
	CU_ASSERT(strlen(rc_told(RC_IO, text, room)) < sizeof room);
}

static void
each_result_has_its_name_text_and_status(void)
{
	CU_ASSERT_STRING_EQUAL(rc_name(RC_OK), "OK");
	CU_ASSERT_STRING_EQUAL(rc_name(RC_GONE), "GONE");
	CU_ASSERT_EQUAL(rc_http_status(RC_OK), 200);
	CU_ASSERT_EQUAL(rc_http_status(RC_TOO_LARGE), 413);
	CU_ASSERT_EQUAL(rc_http_status(RC_MEDIA), 415);
	for (enum rc rc = RC_OK; rc <= RC_GONE; rc++) {
		CU_ASSERT(strlen(rc_name(rc)) > 0);
		CU_ASSERT(strlen(rc_text(rc)) > 0);
		CU_ASSERT(rc_http_status(rc) >= 200);
	}
}

static void
empty_buffer_is_an_empty_slice(void)
{
	struct buf b;

	buf_init(&b, 0);
	CU_ASSERT_PTR_NULL(b.p);
	CU_ASSERT_PTR_NOT_NULL(buf_slice(&b).p);
	CU_ASSERT_EQUAL(buf_slice(&b).n, 0);
	buf_drop(&b, 0);
	buf_add(&b, NULL, 0);
	buf_clear(&b);
	CU_ASSERT_PTR_NULL(b.p);
	buf_fini(&b);
}

static void
growing_keeps_what_was_written(void)
{
	struct buf b;
	size_t i, wrong = 0;

	buf_init(&b, 0);
	for (i = 0; i < 10000; i++)
		buf_add_char(&b, (char)(i % 251));
	CU_ASSERT_EQUAL(b.n, 10000);
	for (i = 0; i < b.n; i++)
		wrong += b.p[i] != (char)(i % 251);
	CU_ASSERT_EQUAL(wrong, 0);
	buf_fini(&b);
}

static void
each_kind_of_piece_is_written(void)
{
	struct buf b;
	char wide[400];

	buf_init(&b, 0);
	buf_add_text(&b, "a");
	buf_add_slice(&b, SLICE("b\0c"));
	buf_add_uint(&b, 0);
	buf_add_uint(&b, UINT64_MAX);
	buf_printf(&b, "<%s:%d>", "x", -1);
	CU_ASSERT(
	    slice_is(buf_slice(&b), SLICE("ab\0c018446744073709551615<x:-1>")));
	buf_clear(&b);
	buf_printf(&b, "%399d", 5);
	memset(wide, ' ', sizeof wide);
	wide[398] = '5';
	CU_ASSERT(slice_is(buf_slice(&b), (struct slice){wide, 399}));
	buf_fini(&b);
}

static void
bound_is_exact_and_its_failure_sticks(void)
{
	struct buf b;

	buf_init(&b, 10);
	buf_add_text(&b, "0123456789");
	CU_ASSERT_EQUAL(b.rc, RC_OK);
	buf_add_text(&b, "");
	CU_ASSERT_EQUAL(b.rc, RC_OK);
	buf_add_char(&b, 'x');
	CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
	buf_drop(&b, 5);
	buf_add_char(&b, 'x');
	CU_ASSERT(slice_is(buf_slice(&b), SLICE("56789")));
	CU_ASSERT_PTR_NULL(buf_room(&b, 0));
	buf_clear(&b);
	CU_ASSERT_EQUAL(b.rc, RC_OK);
	buf_add_text(&b, "again");
	CU_ASSERT(slice_is(buf_slice(&b), SLICE("again")));
	buf_fini(&b);
	CU_ASSERT_EQUAL(b.limit_bytes, 10);
}

static void
memory_stays_within_the_bound(void)
{
	static const size_t bounds[] = {1, 100, 127, 256, 257, 300, 1000};
	struct buf b;

	for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
		buf_init(&b, bounds[i]);
		for (size_t n = 1; n <= bounds[i]; n++) {
			buf_add_char(&b, 'x');
			CU_ASSERT(b.n == n && b.cap >= n && b.cap <= bounds[i]);
		}
		CU_ASSERT_EQUAL(b.rc, RC_OK);
		buf_add_char(&b, 'x');
		CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
		buf_fini(&b);
	}
}

static void
bound_may_be_lowered_below_the_memory(void)
{
	struct buf b;

	buf_init(&b, 0);
	buf_add_text(&b, "0123456789");
	buf_clear(&b);
	b.limit_bytes = 5;
	buf_add_text(&b, "01234");
	CU_ASSERT(slice_is(buf_slice(&b), SLICE("01234")));
	buf_add_char(&b, '5');
	CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
	buf_fini(&b);
}

static void
absurd_size_is_too_large(void)
{
	struct buf b;

	buf_init(&b, 0);
	buf_add_char(&b, 'x');
	CU_ASSERT_PTR_NULL(buf_room(&b, SIZE_MAX));
	CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
	buf_fini(&b);
}

static void
dropping_keeps_the_rest(void)
{
	struct buf b;

	buf_init(&b, 0);
	buf_add_text(&b, "abcdef");
	buf_drop(&b, 2);
	CU_ASSERT(slice_is(buf_slice(&b), SLICE("cdef")));
	buf_drop(&b, 4);
	CU_ASSERT_EQUAL(b.n, 0);
	buf_add_text(&b, "g");
	CU_ASSERT(slice_is(buf_slice(&b), SLICE("g")));
	buf_fini(&b);
}

static void
taken_bytes_are_the_callers(void)
{
	struct buf b;
	size_t n = 0;
	char *p;

	buf_init(&b, 100);
	buf_add_text(&b, "mine");
	p = buf_take(&b, &n);
	CU_ASSERT_EQUAL(n, 4);
	CU_ASSERT(p != NULL && memcmp(p, "mine", 4) == 0);
	CU_ASSERT_PTR_NULL(b.p);
	CU_ASSERT_EQUAL(b.n, 0);
	free(p);
	buf_add_text(&b, "next");
	CU_ASSERT(slice_is(buf_slice(&b), SLICE("next")));
	buf_fini(&b);
}

static void
want_of_memory_sticks_and_keeps_what_was_there(void)
{
	struct buf b;

	buf_init(&b, 0);
	buf_add_text(&b, "kept");
	fail_alloc_after(0);
	CU_ASSERT_PTR_NULL(buf_room(&b, 100000));
	CU_ASSERT(fail_alloc_end());
	CU_ASSERT_EQUAL(b.rc, RC_NOMEM);
	buf_add_text(&b, "lost");
	buf_add_uint(&b, 1);
	buf_printf(&b, "%d", 1);
	CU_ASSERT(slice_is(buf_slice(&b), SLICE("kept")));
	buf_fini(&b);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_err_buf[] = {T(text_is_formed_where_it_failed),
    T(text_is_cut_at_the_end_of_its_place), T(nobody_need_want_the_text),
    T(strangers_are_not_told_where_things_lie),
    T(each_result_has_its_name_text_and_status),
    T(empty_buffer_is_an_empty_slice), T(growing_keeps_what_was_written),
    T(each_kind_of_piece_is_written), T(bound_is_exact_and_its_failure_sticks),
    T(memory_stays_within_the_bound), T(bound_may_be_lowered_below_the_memory),
    T(absurd_size_is_too_large), T(dropping_keeps_the_rest),
    T(taken_bytes_are_the_callers),
    T(want_of_memory_sticks_and_keeps_what_was_there), CU_TEST_INFO_NULL};
