/* The newest messages in memory. */
#include "fail_alloc.h"
#include "hub/outlet.h"
#include "hub/ring.h"
#include "tests.h"

#include <stdlib.h>

#define BOUND 100000

static const struct encode sse = {.form = FORM_SSE, .epoch = 7};

static struct message
a_message(uint64_t seq, struct slice data)
{
	return (struct message){
	    .seq = seq, .time_ms = 5, .channel = SLICE("chat/a"), .data = data};
}

/* Adds messages with seqs from..to; false when one was not taken. */
static bool
add_run(struct ring *r, uint64_t from, uint64_t to)
{
	struct entry *en;
	struct message m;

	for (; from <= to; from++) {
		m = a_message(from, SLICE("text"));
		if (ring_add(r, &m, &en) != RC_OK || en->m.seq != from)
			return false;
	}
	return true;
}

/* True if the ring finds exactly the seqs from..to. */
static bool
holds_run(struct ring *r, uint64_t from, uint64_t to)
{
	uint64_t seq;

	for (seq = from; seq <= to; seq++)
		if (ring_find(r, seq) == NULL ||
		    ring_find(r, seq)->m.seq != seq)
			return false;
	return ring_oldest(r) == from && ring_find(r, from - 1) == NULL &&
	    ring_find(r, to + 1) == NULL;
}

static void
empty_ring_finds_nothing(void)
{
	struct ring r;

	ring_init(&r, BOUND);
	CU_ASSERT_EQUAL(ring_oldest(&r), 0);
	CU_ASSERT_PTR_NULL(ring_find(&r, 0));
	CU_ASSERT_PTR_NULL(ring_find(&r, 1));
	ring_trim(&r);
	ring_clear(&r);
	ring_fini(&r);
}

static void
message_is_copied_with_all_its_fields(void)
{
	char data[] = "data\0more", channel[] = "chat/a";
	struct message m = {.seq = 9,
	    .time_ms = -3,
	    .channel = {channel, 6},
	    .event = SLICE("ev"),
	    .id = {"", 0},
	    .data = {data, 9},
	    .is_json = true};
	struct entry *en;
	struct ring r;

	ring_init(&r, BOUND);
	CU_ASSERT_EQUAL_FATAL(ring_add(&r, &m, &en), RC_OK);
	memset(data, 'x', sizeof data);
	memset(channel, 'x', sizeof channel);
	CU_ASSERT_PTR_EQUAL(ring_find(&r, 9), en);
	CU_ASSERT_EQUAL(en->m.time_ms, -3);
	CU_ASSERT(en->m.is_json);
	CU_ASSERT(slice_is(en->m.channel, SLICE("chat/a")));
	CU_ASSERT(slice_is(en->m.event, SLICE("ev")));
	CU_ASSERT(slice_is(en->m.data, SLICE("data\0more")));
	CU_ASSERT_PTR_NOT_NULL(en->m.id.p); /* empty, not absent */
	CU_ASSERT_EQUAL(en->m.id.n, 0);
	m = a_message(10, SLICE(""));
	CU_ASSERT_EQUAL_FATAL(ring_add(&r, &m, &en), RC_OK);
	CU_ASSERT_PTR_NULL(en->m.event.p);
	CU_ASSERT_PTR_NULL(en->m.id.p);
	CU_ASSERT_PTR_NOT_NULL(en->m.data.p);
	ring_fini(&r);
}

static void
seqs_are_found_after_growth_and_round_the_end(void)
{
	struct ring r;
	uint64_t first = UINT64_C(5000000000), next = first;
	size_t i;

	ring_init(&r, SIZE_MAX);
	CU_ASSERT(add_run(&r, next, next + 2000));
	CU_ASSERT(holds_run(&r, first, next + 2000));
	next += 2001;
	r.limit_bytes = r.bytes * 3 / 4;
	for (i = 0; i < 1000; i++, next += 5) {
		if (!add_run(&r, next, next + 4))
			CU_FAIL("not added");
		ring_trim(&r);
	}
	CU_ASSERT(ring_oldest(&r) > first + 2000);
	CU_ASSERT_EQUAL(ring_oldest(&r) + r.n, next);
	CU_ASSERT(holds_run(&r, ring_oldest(&r), next - 1));
	CU_ASSERT(add_run(&r, next, next + 2000)); /* grows when wrapped */
	CU_ASSERT(holds_run(&r, ring_oldest(&r), next + 2000));
	CU_ASSERT_PTR_NULL(ring_find(&r, 0));
	CU_ASSERT_PTR_NULL(ring_find(&r, UINT64_MAX));
	ring_fini(&r);
}

static void
oldest_go_until_the_bound_holds(void)
{
	struct ring r;
	size_t one;

	ring_init(&r, SIZE_MAX);
	CU_ASSERT(add_run(&r, 1, 1));
	one = r.bytes;
	CU_ASSERT(one >= sizeof(struct entry) + 10);
	CU_ASSERT(add_run(&r, 2, 10));
	CU_ASSERT_EQUAL(r.bytes, 10 * one);
	r.limit_bytes = 10 * one;
	ring_trim(&r);
	CU_ASSERT(holds_run(&r, 1, 10));
	r.limit_bytes = 4 * one - 1;
	ring_trim(&r);
	CU_ASSERT(holds_run(&r, 8, 10));
	CU_ASSERT_EQUAL(r.bytes, 3 * one);
	r.limit_bytes = one - 1; /* even the newest may be too much */
	ring_trim(&r);
	CU_ASSERT_EQUAL(r.n, 0);
	CU_ASSERT_EQUAL(r.bytes, 0);
	CU_ASSERT_EQUAL(ring_oldest(&r), 0);
	CU_ASSERT(add_run(&r, 70, 71)); /* after nothing, any seq */
	CU_ASSERT(holds_run(&r, 70, 71));
	ring_fini(&r);
}

static void
clear_lets_go_of_everything(void)
{
	struct slice out;
	struct ring r;

	ring_init(&r, BOUND);
	CU_ASSERT(add_run(&r, 1, 300));
	CU_ASSERT_EQUAL(ring_encode(&r, ring_find(&r, 300), &sse, &out), RC_OK);
	ring_clear(&r);
	CU_ASSERT_EQUAL(r.bytes, 0);
	CU_ASSERT_PTR_NULL(ring_find(&r, 300));
	CU_ASSERT(add_run(&r, 9, 11));
	CU_ASSERT(holds_run(&r, 9, 11));
	ring_fini(&r);
	CU_ASSERT_EQUAL(r.limit_bytes, BOUND);
}

/* True if these are the message's bytes in that form, as readers get them. */
static bool
is_framed(struct slice got, const struct encode *how, const struct message *m)
{
	const struct outlet shared = {
	    .id = OUTLET_SHARED_ID, .is_fcgi = !form_is_ws(how->form)};
	struct buf content, framed;
	bool is_so;

	buf_init(&content, 0);
	buf_init(&framed, 0);
	encode_message(&content, how, m);
	outlet_add(&shared, &framed, buf_slice(&content));
	is_so = slice_is(got, buf_slice(&framed)) && got.n >= content.n;
	buf_fini(&content);
	buf_fini(&framed);
	return is_so;
}

static void
each_form_is_encoded_once_and_counted(void)
{
	struct encode how = {.epoch = 7};
	struct message m = a_message(3, SLICE("a\nb"));
	struct slice out, again;
	struct entry *en;
	struct ring r;
	size_t before;
	int f;

	ring_init(&r, BOUND);
	CU_ASSERT_EQUAL_FATAL(ring_add(&r, &m, &en), RC_OK);
	for (f = 0; f < FORMS; f++) {
		how.form = (enum form)f;
		before = r.bytes;
		CU_ASSERT_EQUAL_FATAL(ring_encode(&r, en, &how, &out), RC_OK);
		CU_ASSERT(is_framed(out, &how, &m));
		CU_ASSERT_EQUAL(r.bytes, before + out.n);
		CU_ASSERT_EQUAL(ring_encode(&r, en, &how, &again), RC_OK);
		CU_ASSERT(again.p == out.p && again.n == out.n);
		CU_ASSERT_EQUAL(r.bytes, before + out.n);
	}
	r.limit_bytes = 0;
	ring_trim(&r);
	CU_ASSERT_EQUAL(r.bytes, 0);
	ring_fini(&r);
}

static void
long_message_is_framed_in_several_records(void)
{
	struct slice data = {calloc(1, 200000), 200000}, out;
	struct message m;
	struct entry *en;
	struct ring r;

	memset((char *)(uintptr_t)data.p, 'x', data.n);
	m = a_message(3, data);
	ring_init(&r, BOUND);
	CU_ASSERT_EQUAL_FATAL(ring_add(&r, &m, &en), RC_OK);
	CU_ASSERT_EQUAL(ring_encode(&r, en, &sse, &out), RC_OK);
	CU_ASSERT(is_framed(out, &sse, &m));
	CU_ASSERT(out.n > data.n + 4 * 8);
	ring_trim(&r);
	CU_ASSERT_EQUAL(r.n, 0);
	ring_fini(&r);
	free((char *)(uintptr_t)data.p);
}

static void
lack_of_memory_leaves_the_ring_as_it_was(void)
{
	struct message m = a_message(257, SLICE("text"));
	struct slice out;
	struct entry *en;
	struct ring r;
	size_t bytes;
	unsigned i;
	enum rc rc;

	ring_init(&r, SIZE_MAX);
	CU_ASSERT(add_run(&r, 1, 256));
	bytes = r.bytes;
	for (i = 0; i < 2; i++) { /* its growth, the entry */
		fail_alloc_after(i);
		rc = ring_add(&r, &m, &en);
		CU_ASSERT(fail_alloc_end());
		CU_ASSERT_EQUAL(rc, RC_NOMEM);
		CU_ASSERT_EQUAL(r.bytes, bytes);
		CU_ASSERT(holds_run(&r, 1, 256));
	}
	CU_ASSERT(add_run(&r, 257, 257));
	CU_ASSERT(holds_run(&r, 1, 257));
	en = ring_find(&r, 257);
	bytes = r.bytes;
	for (i = 0; i < 2; i++) { /* the content, the frames */
		fail_alloc_after(i);
		rc = ring_encode(&r, en, &sse, &out);
		CU_ASSERT(fail_alloc_end());
		CU_ASSERT_EQUAL(rc, RC_NOMEM);
		CU_ASSERT_EQUAL(r.bytes, bytes);
	}
	fail_alloc_after(2); /* making it smaller: not needed */
	rc = ring_encode(&r, en, &sse, &out);
	CU_ASSERT(fail_alloc_end());
	CU_ASSERT_EQUAL(rc, RC_OK);
	CU_ASSERT(is_framed(out, &sse, &m));
	ring_fini(&r);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_ring[] = {T(empty_ring_finds_nothing),
    T(message_is_copied_with_all_its_fields),
    T(seqs_are_found_after_growth_and_round_the_end),
    T(oldest_go_until_the_bound_holds), T(clear_lets_go_of_everything),
    T(each_form_is_encoded_once_and_counted),
    T(long_message_is_framed_in_several_records),
    T(lack_of_memory_leaves_the_ring_as_it_was), CU_TEST_INFO_NULL};
