#include "hub/tipkeeper.h"

#include "base/cursor.h"
#include "base/diag.h"
#include "hub/tip.h"
#include "hub/wake.h"

#include <stdio.h>
#include <stdlib.h>

/* How often a process that isn't the keeper tries to become it. */
#define TRY_MS 500

struct tipkeeper {
	struct tip *tip;
	struct log_reader *log;
	struct wake *wake;
	uv_timer_t timer;       /* until the file may be written again, or tried */
	uint64_t interval_ms;
	struct log_tip written;
};

static void on_timer(uv_timer_t *t);

/* Writes the newest cursor; true if it had moved. */
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

/* A wake-up: written at once, then not again, nor watched for, for a while. */
static void
on_look(void *arg)
{
	struct tipkeeper *k = arg;

	if (!write_newest(k))
		return;
	wake_set(k->wake, false);
	uv_timer_start(&k->timer, on_timer, k->interval_ms, 0);
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
	on_look(k);
}

enum rc
tipkeeper_new(struct tipkeeper **out, uv_loop_t *loop, const struct options *o,
    struct store *s, struct err *e)
{
	struct tipkeeper *k = calloc(1, sizeof *k);
	struct log *l = store_log(s);
	char *lock = NULL;
	enum rc rc = RC_NOMEM;

	*out = NULL;
	if (k == NULL || asprintf(&lock, "%s-tip", log_path(l)) < 0) {
		free(k);
		return err_set(e, RC_NOMEM, "no memory for the tip file");
	}
	if ((rc = tip_new(&k->tip, o->tip_file, lock, e)) == RC_OK &&
	    (rc = log_reader_open(l, &k->log, e)) == RC_OK)
		rc = wake_new(&k->wake, loop, log_wake_path(l),
		    log_change_path(l), on_look, k, e);
	free(lock);
	if (rc != RC_OK) {
		tip_free(k->tip);
		if (k->log != NULL)
			log_reader_close(k->log);
		free(k);
		return rc;
	}
	k->interval_ms = o->tip_interval_ms;
	k->written.seq = UINT64_MAX;
	uv_timer_init(loop, &k->timer);
	k->timer.data = k;
	uv_timer_start(&k->timer, on_timer, 0, 0);
	*out = k;
	return RC_OK;
}

static void
closed(uv_handle_t *h)
{
	struct tipkeeper *k = h->data;

	log_reader_close(k->log);
	tip_free(k->tip);
	free(k);
}

void
tipkeeper_free(struct tipkeeper *k)
{
	if (k == NULL)
		return;
	wake_free(k->wake);
	uv_close((uv_handle_t *)&k->timer, closed);
}
