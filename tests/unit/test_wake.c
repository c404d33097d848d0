/* Wake-ups by touched and changed files. */
#include "hub/wake.h"
#include "tests.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longer than any wait of wake.c but its slow timer. */
#define PATIENCE_MS 800

struct bench {
	char folder[256], touched[300], changed[300];
	uv_loop_t loop;
	uv_timer_t end;
	struct wake *w;
	int looks, questions;
	int enough; /* looks that end the wait */
	bool is_known;
};

static void
look(void *arg)
{
	struct bench *b = arg;

	if (++b->looks == b->enough)
		uv_stop(&b->loop);
}

static bool
is_known(void *arg)
{
	struct bench *b = arg;

	b->questions++;
	return b->is_known;
}

static void
write_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	CU_ASSERT_EQUAL(pwrite(fd, "x", 1, 0), 1);
	close(fd);
}

static void
begin(struct bench *b, bool (*known)(void *arg))
{
	const char *tmp = getenv("TMPDIR");
	struct err e;

	memset(b, 0, sizeof *b);
	snprintf(b->folder, sizeof b->folder, "%s/wake-test-XXXXXX",
	    tmp == NULL ? P_tmpdir : tmp);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(b->folder));
	snprintf(b->touched, sizeof b->touched, "%s/wake", b->folder);
	snprintf(b->changed, sizeof b->changed, "%s/wal", b->folder);
	write_to(b->touched);
	write_to(b->changed);
	CU_ASSERT_EQUAL_FATAL(uv_loop_init(&b->loop), 0);
	uv_timer_init(&b->loop, &b->end);
	CU_ASSERT_EQUAL_FATAL(wake_new(&b->w, &b->loop, b->touched, b->changed,
	                          look, known, b, &e),
	    RC_OK);
	wake_set(b->w, true);
	uv_run(&b->loop, UV_RUN_NOWAIT);
	b->looks = 0;
}

static void
on_end(uv_timer_t *t)
{
	uv_stop(t->loop);
}

/* Until so many looks, or for long. */
static void
wait_for(struct bench *b, int looks)
{
	b->enough = looks;
	uv_timer_start(&b->end, on_end, PATIENCE_MS, 0);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	uv_timer_stop(&b->end);
}

static void
finish(struct bench *b)
{
	wake_free(b->w);
	uv_close((uv_handle_t *)&b->end, NULL);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&b->loop), 0);
	unlink(b->touched);
	unlink(b->changed);
	CU_ASSERT_EQUAL(rmdir(b->folder), 0);
}

static void
touch_is_looked_at(void)
{
	struct bench b;

	begin(&b, NULL);
	write_to(b.touched);
	wait_for(&b, 1);
	CU_ASSERT_EQUAL(b.looks, 1);
	finish(&b);
	begin(&b, is_known);
	write_to(b.touched);
	wait_for(&b, 1);
	CU_ASSERT(b.looks == 1 && b.questions > 0);
	finish(&b);
}

/* For the mark may tell less than the log has. */
static void
touch_that_tells_nothing_new_is_looked_at_once_a_little_later(void)
{
	struct bench b;

	begin(&b, is_known);
	b.is_known = true;
	write_to(b.touched);
	write_to(b.touched);
	wait_for(&b, 1);
	CU_ASSERT(b.looks == 1 && b.questions > 0);
	b.questions = 0;
	write_to(b.touched);
	write_to(b.touched);
	wait_for(&b, 2);
	CU_ASSERT(b.looks == 2 && b.questions > 0);
	finish(&b);
}

/* A foreign commit shows a moment after the WAL has changed. */
static void
change_is_looked_at_several_times_and_the_next_one_again(void)
{
	struct bench b;

	begin(&b, NULL);
	for (int i = 1; i <= 2; i++) {
		write_to(b.changed);
		wait_for(&b, 3 * i);
		CU_ASSERT_EQUAL(b.looks, 3 * i);
	}
	finish(&b);
}

/* While our own programs write, the WAL is looked at now and then, without
   being watched; afterwards it is watched again. */
static void
change_among_our_own_is_looked_at_and_later_ones_too(void)
{
	struct bench b;

	begin(&b, is_known);
	b.is_known = true;
	write_to(b.touched);
	write_to(b.changed);
	wait_for(&b, 3);
	CU_ASSERT(b.looks >= 3);
	wait_for(&b, 1000); /* nothing is written: the looks end */
	CU_ASSERT(b.looks < 30);
	b.looks = 0;
	write_to(b.changed);
	wait_for(&b, 3);
	CU_ASSERT_EQUAL(b.looks, 3);
	finish(&b);
}

CU_TestInfo test_wake[] = {
    {"touch_is_looked_at", touch_is_looked_at},
    {"touch_that_tells_nothing_new_is_looked_at_once_a_little_later",
        touch_that_tells_nothing_new_is_looked_at_once_a_little_later},
    {"change_is_looked_at_several_times_and_the_next_one_again",
        change_is_looked_at_several_times_and_the_next_one_again},
    {"change_among_our_own_is_looked_at_and_later_ones_too",
        change_among_our_own_is_looked_at_and_later_ones_too},
    CU_TEST_INFO_NULL,
};
