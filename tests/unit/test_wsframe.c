/* WebSocket frames going out. */
#include "base/utf8.h"
#include "fail_alloc.h"
#include "tests.h"
#include "wire/wsframe.h"

#include <stdlib.h>

static bool
head_is(
    enum ws_opcode opcode, bool is_deflated, uint64_t bytes, struct slice want)
{
	char head[WSFRAME_HEAD_MAX_BYTES];
	size_t n = wsframe_put_head(head, opcode, is_deflated, bytes);

	return slice_is((struct slice){head, n}, want);
}

static void
lengths_take_the_shortest_form(void)
{
	CU_ASSERT(head_is(WS_TEXT, false, 0, SLICE("\x81\0")));
	CU_ASSERT(head_is(WS_TEXT, false, 125, SLICE("\x81\x7d")));
	CU_ASSERT(head_is(WS_TEXT, false, 126, SLICE("\x81\x7e\0\x7e")));
	CU_ASSERT(head_is(WS_TEXT, false, 65535, SLICE("\x81\x7e\xff\xff")));
	CU_ASSERT(
	    head_is(WS_TEXT, false, 65536, SLICE("\x81\x7f\0\0\0\0\0\1\0\0")));
	CU_ASSERT(head_is(WS_TEXT, false, UINT64_C(0x0102030405060708),
	    SLICE("\x81\x7f\1\2\3\4\5\6\7\x08")));
}

static void
head_tells_opcode_and_compression(void)
{
	CU_ASSERT(head_is(WS_BINARY, false, 1, SLICE("\x82\1")));
	CU_ASSERT(head_is(WS_PING, false, 1, SLICE("\x89\1")));
	CU_ASSERT(head_is(WS_PONG, false, 1, SLICE("\x8a\1")));
	CU_ASSERT(head_is(WS_TEXT, true, 1, SLICE("\xc1\1")));
	CU_ASSERT(head_is(WS_BINARY, true, 300, SLICE("\xc2\x7e\1\x2c")));
}

static void
frame_is_its_head_and_its_payload(void)
{
	struct buf b;

	buf_init(&b, 0);
	wsframe_add(&b, WS_TEXT, SLICE("Hello"));
	wsframe_add(&b, WS_PING, (struct slice){NULL, 0});
	CU_ASSERT(slice_is(buf_slice(&b), SLICE("\x81\5Hello\x89\0")));
	buf_fini(&b);
}

static bool
close_is(uint16_t status, struct slice reason, struct slice want)
{
	struct buf b;
	bool is_same;

	buf_init(&b, 0);
	wsframe_add_close(&b, status, reason);
	is_same = slice_is(buf_slice(&b), want);
	buf_fini(&b);
	return is_same;
}

static void
close_tells_status_and_reason(void)
{
	CU_ASSERT(close_is(0, SLICE("not told"), SLICE("\x88\0")));
	CU_ASSERT(close_is(1000, SLICE(""), SLICE("\x88\2\3\xe8")));
	CU_ASSERT(
	    close_is(1000, (struct slice){NULL, 0}, SLICE("\x88\2\3\xe8")));
	CU_ASSERT(close_is(4999, SLICE("bye"),
	    SLICE("\x88\5\x13\x87"
	          "bye")));
}

static void
long_reason_is_cut_where_a_character_ends(void)
{
	char reason[200];
	struct buf b;

	for (size_t before = 0; before < 4; before++) {
		memset(reason, 'x', sizeof reason);
		for (size_t i = before; i + 4 <= sizeof reason; i += 4)
			memcpy(reason + i, "\xf0\x9f\x98\x80", 4);
		buf_init(&b, 0);
		wsframe_add_close(
		    &b, 1011, (struct slice){reason, sizeof reason});
		CU_ASSERT(b.n <= 2 + 125 && b.n > 2 + 125 - 4);
		CU_ASSERT_EQUAL((size_t)b.p[1], b.n - 2);
		CU_ASSERT(utf8_is_valid(slice_after(buf_slice(&b), 4)));
		buf_fini(&b);
	}
	/* what isn't UTF-8 must not reach the peer, who would fail */
	CU_ASSERT(close_is(1011,
	    SLICE("ab\xff"
	          "cd"),
	    SLICE("\x88\4\3\xf3"
	          "ab")));
}

static void
bound_and_failing_memory_stick_in_the_buffer(void)
{
	struct buf b;

	buf_init(&b, 6);
	wsframe_add(&b, WS_TEXT, SLICE("Hello"));
	CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
	CU_ASSERT_EQUAL(b.n, 0);
	buf_fini(&b);
	fail_alloc_after(0);
	wsframe_add_close(&b, 1000, SLICE(""));
	CU_ASSERT(fail_alloc_end());
	CU_ASSERT_EQUAL(b.rc, RC_NOMEM);
	buf_fini(&b);
}

CU_TestInfo test_wsframe[] = {
    {"lengths_take_the_shortest_form", lengths_take_the_shortest_form},
    {"head_tells_opcode_and_compression", head_tells_opcode_and_compression},
    {"frame_is_its_head_and_its_payload", frame_is_its_head_and_its_payload},
    {"close_tells_status_and_reason", close_tells_status_and_reason},
    {"long_reason_is_cut_where_a_character_ends",
        long_reason_is_cut_where_a_character_ends},
    {"bound_and_failing_memory_stick_in_the_buffer",
        bound_and_failing_memory_stick_in_the_buffer},
    CU_TEST_INFO_NULL};
