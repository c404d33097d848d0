#include "hub/tipkeeper.h"

#include "base/cursor.h"
#include "base/diag.h"
#include "hub/tip.h"
#include "hub/wake.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* How often a process that isn't the keeper tries to become it. */
#define TRY_MS 500

/* After a wake-up, so that the readers' turn, which begins with the same one,
   is over: to rename the file into place takes as long as to tell a hundred of
   them. */
#define SOON_MS 5

/* How long a process that serves one request waits for another such. */
#define ONCE_WAIT_MS 5
#define ONCE_TRIES 20

struct tipkeeper {
	struct tip *tip;
	struct log_reader *log;
	struct wake *wake;
	uv_timer_t timer; /* until the file may be
	                     written again, or tried */
	uint64_t interval_ms;
	bool is_writing; /* about to, or on a thread of the pool */
	bool is_due;     /* another wake-up came meanwhile */
	bool is_ending;
	int users; /* of libuv's, before it may be freed */

	/* the writing thread's while it writes */
	uv_work_t work;
	struct log_tip written;
	bool has_moved;
};

static void on_timer(uv_timer_t *t);
static void on_look(void *arg);

/* Writes the newest cursor; true if it had moved.  Any one thread. */
static bool
write_newest(struct tipkeeper *k)
{
	char cursor[CURSOR_MAX_BYTES];
	struct log_tip tip;
	struct err e;
	size_t n;

	if (log_tip(k->log, &tip, &e) != RC_OK) {
		diag(DIAG_WARN, "tip-file: %s", e.text);
		return false;
	}
	if (tip.seq == k->written.seq && tip.epoch == k->written.epoch)
		return false;
	n = cursor_format(cursor, tip.seq, tip.epoch);
	tip_write(k->tip, (struct slice){cursor, n});
	k->written = tip;
	return true;
}

static void
let_go(struct tipkeeper *k)
{
	if (--k->users > 0)
		return;
	log_reader_close(k->log);
	tip_free(k->tip);
	free(k);
}

static void
write_on_pool(uv_work_t *work)
{
	struct tipkeeper *k = work->data;

	k->has_moved = write_newest(k);
}

/* Once written, it isn't again, nor watched for, for a while. */
static void
on_written(uv_work_t *work, int status)
{
	struct tipkeeper *k = work->data;
	bool is_due = k->is_due;

	(void)status;
	k->is_writing = k->is_due = false;
	if (!k->is_ending && k->has_moved) {
		wake_set(k->wake, false);
		uv_timer_start(&k->timer, on_timer, k->interval_ms, 0);
	} else if (!k->is_ending && is_due) {
		on_look(k);
	}
	let_go(k);
}

static void
on_soon(uv_timer_t *t)
{
	struct tipkeeper *k = t->data;

	k->users++;
	uv_queue_work(t->loop, &k->work, write_on_pool, on_written);
}

static void
on_look(void *arg)
{
	struct tipkeeper *k = arg;

	if (k->is_writing) {
		k->is_due = true;
		return;
	}
	k->is_writing = true;
	uv_timer_start(&k->timer, on_soon, SOON_MS, 0);
}

static void
on_timer(uv_timer_t *t)
{
	struct tipkeeper *k = t->data;

	if (!tip_is_keeper(k->tip)) {
		uv_timer_start(t, on_timer, TRY_MS, 0);
		return;
	}
	wake_set(k->wake, true);
	if (k->written.seq == UINT64_MAX && !k->is_writing)
		write_newest(k); /* the first: nobody is being served yet */
	on_look(k);
}

static enum rc
open_parts(
    struct tipkeeper *k, const struct options *o, struct log *l, struct err *e)
{
	char *lock;
	enum rc rc;

	if (asprintf(&lock, "%s-tip", log_path(l)) < 0)
		return err_set(e, RC_NOMEM, "no memory for the tip file");
	rc = tip_new(&k->tip, o->tip_file, lock, e);
	free(lock);
	return rc == RC_OK ? log_reader_open(l, &k->log, e) : rc;
}

enum rc
tipkeeper_new(struct tipkeeper **out, uv_loop_t *loop, const struct options *o,
    struct store *s, struct err *e)
{
	struct tipkeeper *k = calloc(1, sizeof *k);
	struct log *l = store_log(s);
	enum rc rc;

	*out = NULL;
	if (k == NULL)
		return err_set(e, RC_NOMEM, "no memory for the tip file");
	rc = open_parts(k, o, l, e);
	if (rc == RC_OK)
		rc = wake_new(&k->wake, loop, log_wake_path(l),
		    log_change_path(l), on_look, NULL, k, e);
	if (rc != RC_OK) {
		tip_free(k->tip);
		log_reader_close(k->log);
		free(k);
		return rc;
	}
	k->interval_ms = o->tip_interval_ms;
	k->written.seq = UINT64_MAX;
	uv_timer_init(loop, &k->timer);
	k->timer.data = k->work.data = k;
	k->users = 1;
	uv_timer_start(&k->timer, on_timer, 0, 0);
	*out = k;
	return RC_OK;
}

void
tipkeeper_write_once(const struct options *o, struct store *s)
{
	const struct timespec pause = {.tv_nsec = ONCE_WAIT_MS * 1000000L};
	struct tipkeeper k = {.written.seq = UINT64_MAX};
	bool is_keeper = false;
	struct err e;
	int i;

	if (open_parts(&k, o, store_log(s), &e) == RC_OK) {
		for (i = 0;
		     i < ONCE_TRIES && !(is_keeper = tip_is_keeper(k.tip)); i++)
			nanosleep(&pause, NULL);
		if (is_keeper)
			write_newest(&k);
	} else {
		diag(DIAG_WARN, "%s", e.text);
	}
	tip_free(k.tip);
	log_reader_close(k.log);
}

static void
closed(uv_handle_t *h)
{
	let_go(h->data);
}

void
tipkeeper_free(struct tipkeeper *k)
{
	if (k == NULL)
		return;
	k->is_ending = true;
	wake_free(k->wake);
	uv_close((uv_handle_t *)&k->timer, closed);
}
