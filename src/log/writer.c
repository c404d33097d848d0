#include "log/writer.h"

#include "base/clock.h"
#include "log/checkpoint.h"
#include "log/connect.h"
#include "log/retain.h"
#include "log/commit.h"
#include "log/thread.h"

#include <stdatomic.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

/* Between two steps of retention: others want the lock, too. */
#define RETAIN_PAUSE_MS 2

/* For the lock, at each step of a process that is about to end. */
#define STOP_WAIT_MS 50

/* Changes of sessions in one transaction, at most. */
#define GROUP_CHANGES 1000

/* So long a change that nobody waits for waits for others to be stored with. */
#define IDLE_CHANGE_MS 1000

/*
 * Foreign writers try for the lock every 25 to 100 ms, as SQLite has it, and
 * would wait for seconds while groups follow each other without a gap.  So
 * one that is always busy leaves the lock alone for a moment now and then.
 */
#define BUSY_MOST_MS 5
#define BREATH_NS 400000

/* What is stored in one transaction, and how much of the queue it is. */
struct group {
	struct append *appends;
	struct log_change *changes;
	size_t messages, bytes;
};

struct log_writer {
	struct log *log;
	struct log_writer_options o;
	struct checkpointer *checkpointer;
	pthread_t thread;

	/* the thread's */
	struct commit commit;
	struct retain retain;
	uint64_t retain_at_ms;
	uint64_t idle_ms; /* when it last waited for something to do */

	pthread_mutex_t lock; /* of the queue, down to is_short_lived */
	pthread_cond_t changed;
	struct append *first, **last;
	struct log_change *first_change, **last_change;
	size_t urgent;           /* changes that somebody waits for */
	uint64_t changes_due_ms; /* for the others */
	size_t messages, bytes;  /* waiting and being stored, changes too */
	bool is_waiting;        /* the thread is, for `changed` */
	bool is_stopping;
	bool is_short_lived; /* see log_writer_retain_at_stop */

	_Atomic uint64_t commits, stored, duplicates, failures, retained;
};

static enum rc
admit(const struct log_writer *w, size_t n, size_t bytes, struct err *e)
{
	if (w->is_stopping)
		return err_set(e, RC_BUSY, "the program is stopping");
	if (n > w->o.queue_messages || bytes > w->o.queue_bytes)
		return err_set(e, RC_TOO_LARGE,
		    "%zu messages with %zu bytes at once are more than the "
		    "queue ever takes (%u, %zu): send them in parts",
		    n, bytes, w->o.queue_messages, w->o.queue_bytes);
	if (n > w->o.queue_messages - w->messages ||
	    bytes > w->o.queue_bytes - w->bytes)
		return err_set(e, RC_BUSY,
		    "%zu messages with %zu bytes wait to be stored",
		    w->messages, w->bytes);
	return RC_OK;
}

enum rc
log_append(struct log_writer *w, struct append *a, struct err *e)
{
	uint64_t most = log_options_of(w->log)->message_bytes;
	bool is_waiting;
	enum rc rc;

	for (size_t i = 0; i < a->n; i++)
		if (a->message[i].data.n > most)
			return err_set(e, RC_TOO_LARGE,
			    "a message has %zu bytes of data: at most %llu "
			    "are allowed",
			    a->message[i].data.n, (unsigned long long)most);
	a->next = NULL;
	a->since_ms = clock_mono_ms();
	pthread_mutex_lock(&w->lock);
	rc = admit(w, a->n, a->bytes, e);
	if (rc != RC_OK) {
		pthread_mutex_unlock(&w->lock);
		return rc;
	}
	*w->last = a;
	w->last = &a->next;
	w->messages += a->n;
	w->bytes += a->bytes;
	is_waiting = w->is_waiting;
	w->is_waiting = false;
	pthread_mutex_unlock(&w->lock);
	if (is_waiting)
		pthread_cond_signal(&w->changed);
	return RC_OK;
}

static size_t
bytes_of(const struct log_change *c)
{
	size_t bytes = c->id.n + c->browser.n;

	for (size_t i = 0; i < c->n; i++)
		bytes += c->item[i].pattern.n;
	return bytes;
}

/* Is somebody to be answered? */
static bool
is_urgent(const struct log_change *c)
{
	return c->kind != LOG_SESSION_SEEN;
}

/* With the lock.  False: the thread may go on waiting. */
static bool
queue_change(struct log_writer *w, struct log_change *c, size_t bytes)
{
	bool is_first = w->first_change == NULL;

	*w->last_change = c;
	w->last_change = &c->next;
	w->messages++;
	w->bytes += bytes;
	w->urgent += is_urgent(c);
	if (is_first)
		w->changes_due_ms = clock_mono_ms() + IDLE_CHANGE_MS;
	return w->is_waiting && (is_first || is_urgent(c));
}

enum rc
log_change(struct log_writer *w, struct log_change *c, struct err *e)
{
	size_t bytes = bytes_of(c);
	bool is_to_wake = false;
	enum rc rc;

	c->next = NULL;
	pthread_mutex_lock(&w->lock);
	rc = admit(w, 1, bytes, e);
	if (rc == RC_OK)
		is_to_wake = queue_change(w, c, bytes);
	pthread_mutex_unlock(&w->lock);
	if (is_to_wake)
		pthread_cond_signal(&w->changed);
	return rc;
}

/* Takes the appends that make the next group off the queue.  With the lock. */
static void
take_appends(struct log_writer *w, struct group *g)
{
	struct append **end = &w->first;

	g->appends = w->first;
	while (*end != NULL &&
	    (g->messages == 0 ||
	        g->messages + (*end)->n <= w->o.group_messages)) {
		g->messages += (*end)->n;
		g->bytes += (*end)->bytes;
		end = &(*end)->next;
	}
	w->first = *end;
	if (w->first == NULL)
		w->last = &w->first;
	if (g->appends != NULL)
		*end = NULL;
}

/* Likewise the changes. */
static void
take_changes(struct log_writer *w, struct group *g)
{
	struct log_change **end = &w->first_change;
	size_t n = 0;

	g->changes = w->first_change;
	for (; *end != NULL && n < GROUP_CHANGES; n++) {
		w->urgent -= is_urgent(*end);
		g->bytes += bytes_of(*end);
		end = &(*end)->next;
	}
	g->messages += n;
	w->first_change = *end;
	if (w->first_change == NULL)
		w->last_change = &w->first_change;
	if (g->changes != NULL)
		*end = NULL;
}

/* When there is something to do, at the latest.  With the lock. */
static uint64_t
due_ms(const struct log_writer *w)
{
	if (w->first != NULL || w->urgent > 0 || w->is_stopping)
		return 0;
	if (w->first_change != NULL && w->changes_due_ms < w->retain_at_ms)
		return w->changes_due_ms;
	return w->retain_at_ms;
}

/* Waits for what is to be stored until retention is due.  *g empty: nothing. */
static void
next_group(struct log_writer *w, struct group *g, bool *is_last)
{
	uint64_t due;

	*g = (struct group){0};
	pthread_mutex_lock(&w->lock);
	while ((due = due_ms(w)) > 0 && clock_mono_ms() < due) {
		w->is_waiting = true;
		thread_cond_wait_until(&w->changed, &w->lock, due);
		w->idle_ms = clock_mono_ms();
	}
	w->is_waiting = false;
	take_appends(w, g);
	take_changes(w, g);
	*is_last = g->appends == NULL && g->changes == NULL && w->is_stopping;
	pthread_mutex_unlock(&w->lock);
}

/* Makes room in the queue for what was taken off it. */
static void
leave_queue(struct log_writer *w, const struct group *g)
{
	pthread_mutex_lock(&w->lock);
	w->messages -= g->messages;
	w->bytes -= g->bytes;
	pthread_mutex_unlock(&w->lock);
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

/* On one core the hub's thread, just woken, then runs before the answers wake
   the web server.  Not where more waits to be stored. */
static void
let_readers_go_first(struct log_writer *w)
{
	bool is_idle;

	pthread_mutex_lock(&w->lock);
	is_idle = w->first == NULL;
	pthread_mutex_unlock(&w->lock);
	if (is_idle)
		sched_yield();
}

/* done() knows RC_BUSY and RC_LOG; all else is a log that can't. */
static enum rc
rc_of_done(enum rc rc)
{
	return rc == RC_OK || rc == RC_BUSY ? rc : RC_LOG;
}

static void
write_group(struct log_writer *w, struct group *g)
{
	struct stored stored;
	struct err e = {0};
	enum rc rc =
	    commit_group(&w->commit, g->appends, g->changes, &stored, &e);

	if (rc == RC_OK) {
		atomic_fetch_add(&w->commits, 1);
		atomic_fetch_add(&w->stored, stored.messages);
		atomic_fetch_add(&w->duplicates, stored.duplicates);
		checkpoint_hint(w->checkpointer, w->commit.wal_pages);
	} else {
		count_failures(w, g->appends);
	}
	leave_queue(w, g);
	/* first: what they tell in shared memory is looked for when woken */
	answer_changes(g->changes, rc_of_done(rc), e.text);
	if (rc == RC_OK && stored.is_told) {
		if (w->o.committed != NULL)
			w->o.committed(w->o.arg, w->commit.newest);
		commit_wake(&w->commit);
		let_readers_go_first(w);
	}
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

/* Two steps where messages went, which so can't outrun it, one anywhere,
   one for the ids, and one for sessions. */
static void
retain_at_stop(struct log_writer *w)
{
	struct db *db = &w->commit.db;
	bool is_over;
	int64_t id = chanmap_any(&w->commit.channels, clock_random());

	if (!w->is_short_lived || atomic_load(&w->stored) == 0 ||
	    commit_ready(&w->commit, NULL) != RC_OK)
		return;
	db->busy_ms = STOP_WAIT_MS;
	/* what is lost with the power is due again */
	if (db_exec(db, "PRAGMA synchronous = NORMAL", NULL) != RC_OK)
		return;
	w->retain = (struct retain){.channel_id = id == 0 ? 0 : id - 1};
	if (retain(w, &is_over) != RC_OK || retain(w, &is_over) != RC_OK ||
	    retain_anywhere(&w->retain, db, NULL) != RC_OK ||
	    retain(w, &is_over) != RC_OK)
		return;
	w->retain = (struct retain){.at = RETAIN_IDS};
	if (retain(w, &is_over) != RC_OK)
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
	bool is_last = false;

	while (!is_last) {
		next_group(w, &g, &is_last);
		if (g.appends != NULL || g.changes != NULL)
			write_group(w, &g);
		if (!is_last)
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
	w->last = &w->first;
	w->last_change = &w->first_change;
	w->retain_at_ms = clock_mono_ms() + clock_jitter_ms(o->retain_every_ms);
	commit_init(&w->commit, l);
	pthread_mutex_init(&w->lock, NULL);
	thread_cond_init(&w->changed);
	rc = checkpoint_start(l, &w->checkpointer, e);
	if (rc == RC_OK) {
		rc = thread_start(&w->thread, run, w, e);
		if (rc == RC_OK) {
			*out = w;
			return RC_OK;
		}
		checkpoint_stop(w->checkpointer);
	}
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return rc;
}

void
log_writer_retain_at_stop(struct log_writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->is_short_lived = true;
	pthread_mutex_unlock(&w->lock);
}

void
log_writer_stop(struct log_writer *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->is_stopping = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	checkpoint_stop(w->checkpointer);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
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
	};
	pthread_mutex_lock(&w->lock);
	f->queued = (uint32_t)w->messages;
	pthread_mutex_unlock(&w->lock);
}
