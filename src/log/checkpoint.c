#include "log/checkpoint.h"

#include "base/clock.h"
#include "log/connect.h"
#include "log/thread.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILL_PAGES 64           /* so long: fill_wal */
#define FILL_PIECE (256 << 10)  /* bytes */
#define FILL_PAUSE_MS 20        /* between two of them */
#define FILL_BYTES (9 << 20)    /* RESTART_BYTES and what comes meanwhile */
#define PASSIVE_PAGES 1000      /* grown by so many: copy them */
#define RESTART_BYTES (8 << 20) /* so long: begin it anew */
#define RESTART_WAIT_MS 20      /* at most, as all writers wait */
#define RESTART_PAUSE_MS 100    /* after a vain try, then twice that */
#define RESTART_PAUSE_MOST_MS 10000

struct checkpointer {
	struct log *log;
	struct db db; /* the thread's */
	int64_t page_bytes;
	uint64_t restart_at_ms, pause_ms, fill_at_ms;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	int wal_pages;    /* as last heard */
	int copied_pages; /* when it last copied */
	bool is_filled;   /* see fill_wal */
	bool is_stopping;
};

/* With the lock held. */
static bool
is_due(const struct checkpointer *c)
{
	return c->wal_pages >= c->copied_pages + PASSIVE_PAGES ||
	    (!c->is_filled && c->wal_pages >= FILL_PAGES);
}

void
checkpoint_hint(struct checkpointer *c, int wal_pages)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	if (wal_pages < c->wal_pages)
		c->copied_pages = 0; /* it began anew */
	c->wal_pages = wal_pages;
	if (is_due(c))
		pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static bool
ready(struct checkpointer *c)
{
	if (c->db.c != NULL && !db_is_replaced(&c->db))
		return true;
	db_close(&c->db);
	if (log_connect(c->log, &c->db, DB_WRITE, NULL) == RC_OK &&
	    db_int(&c->db, "PRAGMA page_size", &c->page_bytes, NULL) == RC_OK)
		return true;
	db_close(&c->db);
	return false;
}

/* Writes zeros behind the end of fd, a piece of what FILL_BYTES lack; all of
   it or nothing.  False: there is no more to write, or no room. */
static bool
fill_piece(int fd)
{
	static char zeros[FILL_PIECE]; /* not const: that would
	                                  be in the file */
	struct stat st;
	size_t n = FILL_PIECE;

	if (fstat(fd, &st) != 0 || st.st_size >= FILL_BYTES)
		return false;
	if (FILL_BYTES - st.st_size < (off_t)n)
		n = (size_t)(FILL_BYTES - st.st_size);
	if (pwrite(fd, zeros, n, st.st_size) == (ssize_t)n)
		return true;
	(void)!ftruncate(fd, st.st_size);
	return false;
}

/*
 * Gives the WAL the length that it will have anyway.  Each fdatasync of a file
 * that grows also waits for the file system's own journal: measured, a commit
 * of one message takes half as long in a WAL that doesn't.  The write lock
 * keeps others from appending meanwhile; to whoever reads the WAL, zeros are
 * no frames (SQLite's file format, 4.4).  In pieces, each on the disk before
 * the next, so that no commit waits for more than one.  Not before a WAL has
 * shown that it is in use: who stores a message a day needs none of this.
 * False: there is no more to do.
 */
static bool
fill_wal(struct checkpointer *c)
{
	bool is_written = false;
	int fd = -1;
	enum rc rc;

	if (!ready(c))
		return false;
	rc = db_exec(&c->db, "BEGIN IMMEDIATE", NULL);
	if (rc != RC_OK)
		return rc == RC_BUSY; /* then later */
	if (!db_is_replaced(&c->db))  /* the lock is that file's */
		fd = open(log_change_path(c->log), O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		is_written = fill_piece(fd);
	db_rollback(&c->db);
	if (fd >= 0) {
		fdatasync(fd);
		close(fd);
	}
	return is_written;
}

/* A reader that stays where it is makes this vain: then it is tried less and
   less often, for all writers wait meanwhile. */
static void
restart(struct checkpointer *c)
{
	c->db.busy_ms = RESTART_WAIT_MS;
	if (sqlite3_wal_checkpoint_v2(c->db.c, NULL, SQLITE_CHECKPOINT_RESTART,
	        NULL, NULL) == SQLITE_OK)
		c->pause_ms = 0;
	else if (c->pause_ms == 0)
		c->pause_ms = RESTART_PAUSE_MS;
	else if (c->pause_ms < RESTART_PAUSE_MOST_MS)
		c->pause_ms *= 2;
	c->restart_at_ms = clock_mono_ms() + c->pause_ms;
}

/*
 * PASSIVE waits for nobody.  But while messages keep coming it never reaches
 * the end, and the WAL never begins anew: RESTART sees to that, with all
 * writers waiting for the little that is left.  Another process that is at it
 * makes either give up, which is as well.
 */
static void
checkpoint(struct checkpointer *c, int wal_pages)
{
	if (!ready(c))
		return;
	(void)sqlite3_wal_checkpoint_v2(
	    c->db.c, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (wal_pages * c->page_bytes >= RESTART_BYTES &&
	    clock_mono_ms() >= c->restart_at_ms)
		restart(c);
}

static void *
run(void *arg)
{
	struct checkpointer *c = arg;
	int wal_pages;
	bool has_more;

	pthread_mutex_lock(&c->lock);
	while (!c->is_stopping) {
		if (!is_due(c)) {
			pthread_cond_wait(&c->changed, &c->lock);
			continue;
		}
		wal_pages = c->wal_pages;
		if (!c->is_filled && clock_mono_ms() < c->fill_at_ms) {
			thread_cond_wait_until(
			    &c->changed, &c->lock, c->fill_at_ms);
			continue;
		}
		if (!c->is_filled) {
			pthread_mutex_unlock(&c->lock);
			has_more = fill_wal(c);
			pthread_mutex_lock(&c->lock);
			c->is_filled = !has_more;
			c->fill_at_ms = clock_mono_ms() + FILL_PAUSE_MS;
			continue;
		}
		c->copied_pages = wal_pages;
		pthread_mutex_unlock(&c->lock);
		checkpoint(c, wal_pages);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

enum rc
checkpoint_start(struct log *l, struct checkpointer **out, struct err *e)
{
	struct checkpointer *c;
	enum rc rc;

	*out = NULL;
	if (log_options_of(l)->journal != LOG_WAL)
		return RC_OK;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return err_set(e, RC_NOMEM, "no memory for a thread");
	c->log = l;
	pthread_mutex_init(&c->lock, NULL);
	thread_cond_init(&c->changed);
	rc = thread_start(&c->thread, run, c, e);
	if (rc == RC_OK) {
		*out = c;
		return RC_OK;
	}
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
	return rc;
}

void
checkpoint_stop(struct checkpointer *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->is_stopping = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	db_close(&c->db);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
