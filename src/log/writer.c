#include "log/writer.h"

#include "base/clock.h"
#include "log/checkpoint.h"
#include "log/connect.h"
#include "log/retain.h"
#include "log/commit.h"
#include "log/queue.h"
#include "log/thread.h"

#include <stdatomic.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

/* Between two steps of retention: others want the lock, too. */
#define RETAIN_PAUSE_MS 2

/* For the lock, at each step of a process that is about to end. */
#define STOP_WAIT_MS 50

/*
 * Foreign writers try for the lock every 25 to 100 ms, as SQLite has it, and
 * would wait for seconds while groups follow each other without a gap.  So
 * one that is always busy leaves the lock alone for a moment now and then.
 */
#define BUSY_MOST_MS 5
#define BREATH_NS 400000

struct log_writer {
	struct log *log;
	struct log_writer_options o;
	struct checkpointer *checkpointer;
	pthread_t thread;
	bool is_finished; /* it has been joined */

	/* the thread's */
	struct commit commit;
	struct retain retain;
	uint64_t retain_at_ms;
	uint64_t idle_ms; /* when it last waited for something to do */

	struct queue queue;
	atomic_bool is_short_lived; /* see log_writer_retain_at_stop */
	_Atomic uint64_t commits, stored, duplicates, failures, retained;
	bool has_sessions; /* some were made; the thread's */
};

enum rc
log_append(struct log_writer *w, struct append *a, struct err *e)
{
	uint64_t most = log_options_of(w->log)->message_bytes;

	for (size_t i = 0; i < a->n; i++)
		if (a->message[i].data.n > most)
			return err_set(e, RC_TOO_LARGE,
			    "a message has %zu bytes of data: at most %llu "
			    "are allowed",
			    a->message[i].data.n, (unsigned long long)most);
	return queue_append(&w->queue, a, e);
}

enum rc
log_change(struct log_writer *w, struct log_change *c, struct err *e)
{
	return queue_change(&w->queue, c, e);
}

static void
answer(struct append *list, enum rc rc, const char *why)
{
	struct append *a;

	while ((a = list) != NULL) {
		list = a->next; /* a is the caller's again once it is done */
		a->done(a, rc, why);
	}
}

static void
answer_changes(struct log_change *list, enum rc rc, const char *why)
{
	struct log_change *c;

	while ((c = list) != NULL) {
		list = c->next;
		if (rc == RC_OK)
			c->done(c, c->rc, c->why);
		else
			c->done(c, rc, why);
	}
}

static void
count_failures(struct log_writer *w, const struct append *list)
{
	for (; list != NULL; list = list->next)
		atomic_fetch_add(&w->failures, 1);
}

/* Before the changes are answered, and theirs again who asked. */
static void
note_sessions(struct log_writer *w, const struct log_change *list)
{
	for (; list != NULL; list = list->next)
		w->has_sessions |= list->kind == LOG_SESSION_NEW;
}

/* On one core the hub's thread, just woken, then runs before the disk's driver
   and the answers do.  Not where more waits to be stored. */
static void
let_readers_go_first(struct log_writer *w)
{
	if (queue_is_empty(&w->queue))
		sched_yield();
}

static void
tell(struct log_writer *w, const struct group *g)
{
	if (w->o.committed != NULL)
		w->o.committed(w->o.arg, g->appends);
	commit_wake(&w->commit);
	let_readers_go_first(w);
}

/* done() knows RC_BUSY and RC_LOG; all else is a log that can't. */
static enum rc
rc_of_done(enum rc rc)
{
	return rc == RC_OK || rc == RC_BUSY ? rc : RC_LOG;
}

/*
 * Readers are told of messages before the disk has them (see LOG_FULL).  Not
 * in a group with changes: those are answered first, as what they tell in
 * shared memory is looked for when woken.
 */
static void
write_group(struct log_writer *w, struct group *g)
{
	struct stored stored;
	struct err e = {0};
	bool is_early = g->changes == NULL;
	enum rc rc =
	    commit_group(&w->commit, g->appends, g->changes, &stored, &e);

	if (rc == RC_OK && is_early && stored.is_told)
		tell(w, g);
	if (rc == RC_OK) {
		rc = commit_sync(&w->commit, &e);
		if (rc != RC_OK)
			commit_failed(&w->commit, rc);
	}
	if (rc == RC_OK) {
		atomic_fetch_add(&w->commits, 1);
		atomic_fetch_add(&w->stored, stored.messages);
		atomic_fetch_add(&w->duplicates, stored.duplicates);
		checkpoint_hint(w->checkpointer, w->commit.wal_pages);
		note_sessions(w, g->changes);
	} else {
		count_failures(w, g->appends);
	}
	queue_leave(&w->queue, g);
	answer_changes(g->changes, rc_of_done(rc), e.text);
	if (rc == RC_OK && !is_early && stored.is_told)
		tell(w, g);
	answer(g->appends, rc_of_done(rc), e.text);
}

static enum rc
retain(struct log_writer *w, bool *is_over)
{
	uint64_t deleted = 0;
	enum rc rc = commit_ready(&w->commit, NULL);

	if (rc == RC_OK)
		rc = retain_step(&w->retain, &w->commit.db,
		    log_options_of(w->log), clock_unix_ms(), is_over, &deleted,
		    NULL);
	if (rc != RC_OK)
		commit_failed(&w->commit, rc);
	atomic_fetch_add(&w->retained, deleted);
	checkpoint_hint(w->checkpointer, w->commit.wal_pages);
	return rc;
}

static void
retain_if_due(struct log_writer *w)
{
	bool is_over = true;
	enum rc rc;

	if (clock_mono_ms() < w->retain_at_ms)
		return;
	rc = retain(w, &is_over);
	w->retain_at_ms = clock_mono_ms() +
	    (is_over || rc != RC_OK ? clock_jitter_ms(w->o.retain_every_ms)
	                            : RETAIN_PAUSE_MS);
}

/* Two steps where messages went, which so can't outrun it, one anywhere, and
   one for the ids. */
static bool
retain_messages(struct log_writer *w)
{
	struct db *db = &w->commit.db;
	int64_t id = chanmap_any(&w->commit.channels, clock_random());
	bool is_over;

	w->retain = (struct retain){.channel_id = id == 0 ? 0 : id - 1};
	if (retain(w, &is_over) != RC_OK || retain(w, &is_over) != RC_OK ||
	    retain_anywhere(&w->retain, db, NULL) != RC_OK ||
	    retain(w, &is_over) != RC_OK)
		return false;
	w->retain = (struct retain){.at = RETAIN_IDS};
	return retain(w, &is_over) == RC_OK;
}

/* And one for sessions, also by who has only made one. */
static void
retain_at_stop(struct log_writer *w)
{
	struct db *db = &w->commit.db;
	bool has_stored = atomic_load(&w->stored) > 0, is_over;

	if (!atomic_load(&w->is_short_lived) ||
	    (!has_stored && !w->has_sessions) ||
	    commit_ready(&w->commit, NULL) != RC_OK)
		return;
	db->busy_ms = STOP_WAIT_MS;
	/* what is lost with the power is due again */
	if (db_exec(db, "PRAGMA synchronous = NORMAL", NULL) != RC_OK)
		return;
	if (has_stored && !retain_messages(w))
		return;
	w->retain = (struct retain){.at = RETAIN_SESSIONS};
	(void)retain(w, &is_over);
}

static void
breathe(struct log_writer *w)
{
	struct timespec breath = {0, BREATH_NS};

	if (clock_mono_ms() - w->idle_ms < BUSY_MOST_MS)
		return;
	nanosleep(&breath, NULL);
	w->idle_ms = clock_mono_ms();
}

static void *
run(void *arg)
{
	struct log_writer *w = arg;
	struct group g;
	bool has_waited;

	while (queue_next(&w->queue, w->retain_at_ms, &g, &has_waited)) {
		if (has_waited)
			w->idle_ms = clock_mono_ms();
		if (g.appends != NULL || g.changes != NULL)
			write_group(w, &g);
		retain_if_due(w);
		breathe(w);
	}
	retain_at_stop(w);
	commit_fini(&w->commit);
	return NULL;
}

enum rc
log_writer_start(struct log *l, const struct log_writer_options *o,
    struct log_writer **out, struct err *e)
{
	struct log_writer *w = calloc(1, sizeof *w);
	enum rc rc;

	*out = NULL;
	if (w == NULL)
		return err_set(e, RC_NOMEM, "no memory for the writer");
	w->log = l;
	w->o = *o;
	w->retain_at_ms = clock_mono_ms() + clock_jitter_ms(o->retain_every_ms);
	commit_init(&w->commit, l);
	queue_init(&w->queue, &w->o);
	rc = checkpoint_start(l, &w->checkpointer, e);
	if (rc == RC_OK) {
		rc = thread_start(&w->thread, run, w, e);
		if (rc == RC_OK) {
			*out = w;
			return RC_OK;
		}
		checkpoint_stop(w->checkpointer);
	}
	queue_fini(&w->queue);
	free(w);
	return rc;
}

void
log_writer_retain_at_stop(struct log_writer *w)
{
	atomic_store(&w->is_short_lived, true);
}

void
log_writer_finish(struct log_writer *w)
{
	queue_stop(&w->queue);
	if (!w->is_finished)
		pthread_join(w->thread, NULL);
	w->is_finished = true;
}

void
log_writer_stop(struct log_writer *w)
{
	if (w == NULL)
		return;
	log_writer_finish(w);
	checkpoint_stop(w->checkpointer);
	queue_fini(&w->queue);
	free(w);
}

void
log_writer_figures(struct log_writer *w, struct log_writer_figures *f)
{
	*f = (struct log_writer_figures){
	    .commits = atomic_load(&w->commits),
	    .messages = atomic_load(&w->stored),
	    .duplicates = atomic_load(&w->duplicates),
	    .failures = atomic_load(&w->failures),
	    .retained = atomic_load(&w->retained),
	    .queued = (uint32_t)queue_messages(&w->queue),
	};
}
