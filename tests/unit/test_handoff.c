/* What the writer stored, handed to the loop. */
#include "hub/handoff.h"
#include "tests.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 4096

struct bench {
	uv_loop_t loop;
	struct handoff *h;
	int rings;
};

static void
note_ring(void *arg)
{
	struct bench *b = arg;

	b->rings++;
	uv_stop(&b->loop);
}

static void
begin(struct bench *b)
{
	struct err e;

	memset(b, 0, sizeof *b);
	CU_ASSERT_EQUAL_FATAL(uv_loop_init(&b->loop), 0);
	CU_ASSERT_EQUAL_FATAL(
	    handoff_new(&b->h, &b->loop, LIMIT, note_ring, b, &e), RC_OK);
}

static void
finish(struct bench *b)
{
	handoff_free(b->h);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&b->loop), 0);
}

static void
put_one(struct bench *b, uint64_t seq, struct slice data)
{
	struct message m = {.channel = SLICE("a"), .data = data};
	struct appended result = {.seq = seq};
	struct append a = {.message = &m, .result = &result, .n = 1};

	handoff_put(b->h, &a);
}

static void
what_was_stored_comes_as_the_log_has_it(void)
{
	char text[] = "gone afterwards";
	struct message m[] = {
	    {.channel = SLICE("a"), .data = slice_of(text)},
	    {.channel = SLICE("a"), .data = SLICE("twice"), .id = SLICE("id")},
	    {.channel = SLICE("b"),
	        .data = SLICE("{}"),
	        .is_json = true,
	        .event = SLICE("ev"),
	        .id = SLICE("id")},
	};
	struct appended result[] = {
	    {.seq = 7}, {.seq = 3, .is_duplicate = true}, {.seq = 8}};
	struct message last = {.channel = SLICE("c")};
	struct appended last_result = {.seq = 9};
	struct append second = {.message = &last,
	    .result = &last_result,
	    .n = 1,
	    .epoch = 5,
	    .time_ms = 1000};
	struct append first = {.next = &second,
	    .message = m,
	    .result = result,
	    .n = 3,
	    .epoch = 5,
	    .time_ms = 1000};
	struct handed *list, *c;
	struct bench b;
	bool is_whole;

	begin(&b);
	handoff_put(b.h, &first);
	memset(text, 'x', sizeof text - 1);
	uv_run(&b.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(b.rings, 1);
	c = list = handoff_take(b.h, &is_whole);
	CU_ASSERT(is_whole);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT(c->m.seq == 7 && c->epoch == 5 && c->m.time_ms == 1000);
	CU_ASSERT(slice_is(c->m.channel, SLICE("a")) &&
	    slice_is(c->m.data, SLICE("gone afterwards")));
	CU_ASSERT(c->m.event.p == NULL && c->m.id.p == NULL && !c->m.is_json);
	c = c->next;
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT(c->m.seq == 8 && c->m.is_json &&
	    slice_is(c->m.event, SLICE("ev")) &&
	    slice_is(c->m.id, SLICE("id")));
	c = c->next;
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT(c->m.seq == 9 && c->m.data.p != NULL && c->m.data.n == 0);
	CU_ASSERT_PTR_NULL(c->next);
	handoff_drop(list);
	CU_ASSERT_PTR_NULL(handoff_take(b.h, &is_whole));
	CU_ASSERT(is_whole);
	finish(&b);
}

static void
changes_alone_ring_too(void)
{
	struct bench b;
	bool is_whole;

	begin(&b);
	handoff_put(b.h, NULL);
	handoff_put(b.h, NULL);
	uv_run(&b.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(b.rings, 1);
	CU_ASSERT_PTR_NULL(handoff_take(b.h, &is_whole));
	CU_ASSERT(is_whole);
	finish(&b);
}

/* From the first that has no room on nothing is kept, until the next take. */
static void
more_than_fits_is_cut_off_and_told(void)
{
	static char big[LIMIT];
	struct handed *list;
	struct bench b;
	bool is_whole;

	memset(big, 'x', sizeof big);
	begin(&b);
	put_one(&b, 1, SLICE("small"));
	put_one(&b, 2, (struct slice){big, sizeof big});
	put_one(&b, 3, SLICE("small"));
	list = handoff_take(b.h, &is_whole);
	CU_ASSERT(!is_whole);
	CU_ASSERT(list != NULL && list->m.seq == 1 && list->next == NULL);
	handoff_drop(list);
	put_one(&b, 4, SLICE("small"));
	list = handoff_take(b.h, &is_whole);
	CU_ASSERT(is_whole && list != NULL && list->m.seq == 4);
	handoff_drop(list);
	for (uint64_t seq = 5; seq < 200; seq++)
		put_one(&b, seq, SLICE("small"));
	handoff_drop(handoff_take(b.h, &is_whole));
	CU_ASSERT(!is_whole);
	put_one(&b, 200, SLICE("left behind: freed with the rest"));
	finish(&b);
}

#define MANY 20000

static atomic_bool is_enough;

static void *
put_many(void *arg)
{
	for (uint64_t seq = 1; !atomic_load(&is_enough); seq++)
		put_one(arg, seq, SLICE("x"));
	return NULL;
}

static void
threads_meet_without_loss_or_disorder(void)
{
	struct handed *list, *c;
	uint64_t newest = 0, taken = 0;
	int bad = 0;
	bool is_whole, was_cut = false;
	pthread_t thread;
	struct bench b;

	begin(&b);
	atomic_store(&is_enough, false);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, put_many, &b), 0);
	while (newest < MANY) {
		uv_run(&b.loop, UV_RUN_DEFAULT);
		list = handoff_take(b.h, &is_whole);
		for (c = list; c != NULL; c = c->next, taken++) {
			bad += was_cut ? c->m.seq <= newest
			               : c->m.seq != newest + 1;
			was_cut = false;
			newest = c->m.seq;
		}
		handoff_drop(list);
		was_cut |= !is_whole;
	}
	atomic_store(&is_enough, true);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(taken > 0);
	finish(&b);
}

CU_TestInfo test_handoff[] = {
    {"what_was_stored_comes_as_the_log_has_it",
        what_was_stored_comes_as_the_log_has_it},
    {"changes_alone_ring_too", changes_alone_ring_too},
    {"more_than_fits_is_cut_off_and_told", more_than_fits_is_cut_off_and_told},
    {"threads_meet_without_loss_or_disorder",
        threads_meet_without_loss_or_disorder},
    CU_TEST_INFO_NULL,
};
