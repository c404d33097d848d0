#include "log/connect.h"
#include "log/schema.h"

#include "base/clock.h"

#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Beyond busy_ms, at the start: others may be making the log, or bringing it up
   to date, on a slow disk. */
#define OPEN_MS 20000

struct log {
	struct log_options o;
	char *path, *wake_path, *wal_path;
	enum file_system kind;
	_Atomic uint32_t epoch; /* seen's */
	atomic_bool is_back;    /* in time: the next to connect sees to it */
	pthread_mutex_t seen_lock;
	struct log_tip seen;  /* the newest of all connections */
	pthread_mutex_t lock; /* of all below */
	/* Open all the time, so that the last of the others to close doesn't
	   take the WAL away under those who watch it. */
	struct db keeper;
	struct file_id file; /* what was opened last, */
	struct file_id wal;  /* and the WAL that belongs to it */
};

const struct log_options *
log_options_of(const struct log *l)
{
	return &l->o;
}

uint32_t
log_epoch(const struct log *l)
{
	return atomic_load_explicit(&l->epoch, memory_order_relaxed);
}

struct log_tip
log_seen(struct log *l)
{
	struct log_tip seen;

	pthread_mutex_lock(&l->seen_lock);
	seen = l->seen;
	pthread_mutex_unlock(&l->seen_lock);
	return seen;
}

/* With l->seen_lock held. */
static void
set_seen(struct log *l, struct log_tip tip)
{
	l->seen = tip;
	if (log_epoch(l) != tip.epoch)
		atomic_store_explicit(
		    &l->epoch, tip.epoch, memory_order_relaxed);
}

static bool
is_behind(struct log_tip tip, struct log_tip known)
{
	return tip.epoch == known.epoch && tip.seq < known.seq;
}

bool
log_note(struct log *l, struct log_tip before, struct log_tip tip)
{
	bool is_news;

	if (is_behind(tip, before)) {
		atomic_store(&l->is_back, true);
		return false;
	}
	pthread_mutex_lock(&l->seen_lock);
	is_news = tip.epoch == l->seen.epoch
	    ? tip.seq > l->seen.seq
	    : tip.epoch != before.epoch; /* else others saw the change first */
	if (is_news)
		set_seen(l, tip);
	pthread_mutex_unlock(&l->seen_lock);
	return true;
}

enum rc
log_head(struct db *db, struct log_tip *tip, struct err *e)
{
	sqlite3_stmt *st = db_statement(db, ST_HEAD);
	int code;

	if (st == NULL)
		return db_fail(db, e);
	code = sqlite3_step(st);
	if (code == SQLITE_DONE)
		return err_set(
		    e, RC_LOG, "%s: its table meta is empty", db->path);
	if (code != SQLITE_ROW)
		return db_fail(db, e);
	tip->seq = db_u64(st, HEAD_TIP);
	tip->epoch = (uint32_t)sqlite3_column_int64(st, HEAD_EPOCH);
	sqlite3_reset(st);
	return RC_OK;
}

uint64_t
log_message_bytes(const struct log *l)
{
	return l->o.message_bytes;
}

const char *
log_path(const struct log *l)
{
	return l->path;
}

const char *
log_wake_path(const struct log *l)
{
	return l->wake_path;
}

const char *
log_change_path(const struct log *l)
{
	return l->o.journal == LOG_WAL ? l->wal_path : l->path;
}

static enum rc
refuse_wal(const struct log *l, const char *why, struct err *e)
{
	return err_set(e, RC_CONFIG,
	    "the log can't use a write-ahead log: %s; set journal=rollback "
	    "(%s)",
	    why, l->path);
}

/* *is_wal: what the file is in, after the pragma, which may ask for another. */
static enum rc
journal_mode(struct db *db, const char *pragma, bool *is_wal, struct err *e)
{
	sqlite3_stmt *s = NULL;
	const char *mode;
	enum rc rc = RC_OK;

	if (sqlite3_prepare_v2(db->c, pragma, -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW) {
		rc = db_fail(db, e);
	} else {
		mode = (const char *)sqlite3_column_text(s, 0);
		*is_wal = mode != NULL && sqlite3_stricmp(mode, "wal") == 0;
	}
	sqlite3_finalize(s);
	return rc;
}

/*
 * TRUNCATE rather than PERSIST: readers look for a hot journal before each
 * read, and an empty one answers that with one stat(2), where a persisted one
 * must be opened and read.  It needs no entry of the folder written, as DELETE
 * does.
 */
static enum rc
choose_journal(const struct log *l, struct db *db, struct err *e)
{
	bool want_wal = l->o.journal == LOG_WAL, is_wal = false;
	enum rc rc = journal_mode(db, "PRAGMA journal_mode", &is_wal, e);

	if (rc != RC_OK || (want_wal && is_wal))
		return rc;
	rc = journal_mode(db,
	    want_wal ? "PRAGMA journal_mode = WAL"
	             : "PRAGMA journal_mode = TRUNCATE",
	    &is_wal, e);
	if (rc == RC_BUSY)
		return err_set(e, RC_CONFIG,
		    "%s is in use with journal=%s by another process: set "
		    "the same, or end that first",
		    l->path, want_wal ? "rollback" : "wal");
	if (rc != RC_OK || is_wal == want_wal)
		return rc;
	if (want_wal)
		return refuse_wal(l, "SQLite refused it here", e);
	return err_set(e, RC_CONFIG,
	    "%s stays a write-ahead log: another "
	    "process uses it; set journal=wal",
	    l->path);
}

/*
 * True if the log, as it is now, lacks what it had: more of its epoch was seen
 * in this process, or the wake file tells of more, or of another log.  What is
 * known must have been learnt before tip was read, for others go on meanwhile.
 */
static bool
has_lost(struct log_tip tip, struct log_tip seen, const struct file_mark *mark)
{
	struct log_tip told;

	if (is_behind(tip, seen))
		return true;
	if (mark == NULL)
		return false;
	told = (struct log_tip){.seq = mark->seq, .epoch = mark->epoch};
	return told.epoch != tip.epoch || is_behind(tip, told);
}

/*
 * Writes the options that the trigger needs, where they changed.  A file that
 * isn't the one the epoch was drawn for is a copy or a restored one: clients
 * may know more than it does, so it gets an epoch of its own.  Where inode
 * numbers may change by themselves this is not told.  Nor does the inode
 * tell of a log that was restored in place: that one has lost something of
 * epoch `lost` (NULL: no).
 */
static enum rc
write_meta(struct log *l, struct db *db, const uint32_t *lost, struct err *e)
{
	int64_t inode = l->kind == FILE_LOCAL ? (int64_t)db->file.ino : 0;
	int64_t is_settled;
	char text[320];
	enum rc rc;

	snprintf(text, sizeof text,
	    "SELECT message_bytes = %llu AND dedupe_ms = %llu AND "
	    "(inode = %lld OR %lld = 0) FROM meta",
	    (unsigned long long)l->o.message_bytes,
	    (unsigned long long)l->o.dedupe_ms, (long long)inode,
	    (long long)inode);
	rc = db_int(db, text, &is_settled, e);
	if (rc != RC_OK || (is_settled && lost == NULL))
		return rc;
	snprintf(text, sizeof text,
	    "UPDATE meta SET message_bytes = %llu, dedupe_ms = %llu, "
	    "epoch = CASE WHEN (inode IN (%lld, 0) OR %lld = 0) "
	    "AND epoch <> %lld THEN epoch ELSE %u END, inode = %lld",
	    (unsigned long long)l->o.message_bytes,
	    (unsigned long long)l->o.dedupe_ms, (long long)inode,
	    (long long)inode, lost == NULL ? -1 : (long long)*lost,
	    (unsigned)clock_random(), (long long)inode);
	return db_exec(db, text, e);
}

/* A guest's limits are the log's own. */
static enum rc
adopt_limits(struct log *l, struct db *db, struct err *e)
{
	int64_t message_bytes, dedupe_ms;
	enum rc rc;

	rc = db_int(db, "SELECT message_bytes FROM meta", &message_bytes, e);
	if (rc == RC_OK)
		rc = db_int(db, "SELECT dedupe_ms FROM meta", &dedupe_ms, e);
	if (rc == RC_OK) {
		l->o.message_bytes = (uint64_t)message_bytes;
		l->o.dedupe_ms = (uint64_t)dedupe_ms;
		l->o.is_guest = false; /* from now on they are known */
	}
	return rc;
}

/* Gives up the numbers behind tip (see LOG_FULL); on disk
   before one is used. */
static enum rc
skip_seqs(struct db *db, struct log_tip *tip, struct err *e)
{
	char text[96];
	enum rc rc;

	snprintf(text, sizeof text, "UPDATE meta SET newest_gone = %llu",
	    (unsigned long long)tip->seq + LOG_SEQS_SKIPPED);
	rc = db_exec(db, "PRAGMA synchronous = FULL", e);
	if (rc == RC_OK)
		rc = db_exec(db, text, e);
	if (rc == RC_OK)
		tip->seq += LOG_SEQS_SKIPPED;
	return rc;
}

/* What was found at the path. */
struct opening {
	bool is_there, is_new; /* new: nobody was ever told
	                          of a message in it */
	bool has_wal;          /* it was written with a WAL, or will be */
};

static enum rc
settle_meta(struct log *l, struct db *db, const struct opening *o, int wake_fd,
    struct err *e)
{
	struct log_tip seen = log_seen(l), found, tip;
	struct file_mark mark;
	bool has_mark = file_read_mark(wake_fd, &mark), is_lost;
	char boot[CLOCK_BOOT_BYTES];
	bool is_new_boot = clock_boot(boot) && !file_has_boot(wake_fd);
	enum rc rc;

	if ((rc = log_head(db, &found, e)) != RC_OK)
		return rc;
	is_lost = has_lost(found, seen, has_mark ? &mark : NULL);
	if ((rc = write_meta(l, db, is_lost ? &found.epoch : NULL, e)) !=
	        RC_OK ||
	    (rc = log_head(db, &tip, e)) != RC_OK)
		return rc;
	if (tip.epoch != found.epoch)
		file_write_mark(wake_fd, tip.seq, tip.epoch);
	else if (is_new_boot && o->has_wal && !o->is_new)
		rc = skip_seqs(db, &tip, e);
	if (rc != RC_OK)
		return rc;
	if (is_new_boot)
		file_note_boot(wake_fd);
	pthread_mutex_lock(&l->seen_lock);
	set_seen(l, tip);
	pthread_mutex_unlock(&l->seen_lock);
	return RC_OK;
}

/*
 * The file at the path is not the one we had open.  A WAL that belonged to
 * that one must not be read into this one.
 */
static void
drop_stale_wal(struct log *l, struct file_id now)
{
	struct file_id wal;

	if (!file_is_same(now, l->file) && l->wal.ino != 0 &&
	    file_identify(l->wal_path, &wal) && file_is_same(wal, l->wal))
		file_remove_neighbours(l->path);
}

/* With the wake file locked. */
static enum rc
establish_locked(struct log *l, int wake_fd, struct err *e)
{
	struct opening o = {.has_wal = l->o.journal == LOG_WAL};
	struct file_id now;
	int64_t version = 0;
	enum rc rc = RC_OK;
	bool was_wal = file_has_wal_format(l->path, &o.is_there);

	o.has_wal |= was_wal;
	if (file_identify(l->path, &now))
		drop_stale_wal(l, now);
	else
		rc = file_create(l->path, e);
	db_close(&l->keeper);
	atomic_store(&l->is_back, false);
	if (rc == RC_OK)
		rc = db_open(&l->keeper, l->path, DB_WRITE, &l->o, e);
	if (rc == RC_OK)
		rc = schema_check(&l->keeper, &schema_current, e);
	if (rc == RC_OK)
		rc = choose_journal(l, &l->keeper, e);
	if (rc == RC_OK)
		rc = db_int(&l->keeper, "PRAGMA user_version", &version, e);
	o.is_new = version == 0;
	if (rc == RC_OK)
		rc = schema_ensure(&l->keeper, &schema_current, e);
	if (rc == RC_OK && o.is_there && l->o.is_guest)
		rc = adopt_limits(l, &l->keeper, e);
	if (rc == RC_OK)
		rc = settle_meta(l, &l->keeper, &o, wake_fd, e);
	if (rc != RC_OK) {
		db_close(&l->keeper);
		return rc;
	}
	l->file = l->keeper.file;
	(void)file_identify(l->wal_path, &l->wal);
	return RC_OK;
}

/* Opens whatever lies at the path, or makes it.  With l->lock held.  wait_ms:
   for others who are doing that. */
static enum rc
establish(struct log *l, uint32_t wait_ms, struct err *e)
{
	enum rc rc;
	int fd;

	rc = file_lock(l->wake_path, wait_ms, &fd, e);
	if (rc != RC_OK)
		return rc;
	rc = establish_locked(l, fd, e);
	close(fd);
	return rc;
}

enum rc
log_connect(struct log *l, struct db *db, enum db_use use, struct err *e)
{
	enum rc rc = RC_OK;
	bool is_wal;

	pthread_mutex_lock(&l->lock);
	if (l->keeper.c == NULL || atomic_load(&l->is_back) ||
	    db_is_replaced(&l->keeper))
		rc = establish(l, l->o.busy_ms, e);
	if (rc == RC_OK)
		rc = db_open(db, l->path, use, &l->o, e);
	/* a setting of the connection, unlike the WAL */
	if (rc == RC_OK && use == DB_WRITE && l->o.journal == LOG_ROLLBACK)
		rc = journal_mode(
		    db, "PRAGMA journal_mode = TRUNCATE", &is_wal, e);
	pthread_mutex_unlock(&l->lock);
	if (rc != RC_OK)
		db_close(db);
	return rc;
}

/* What LOG_AUTO means here.  All processes see the same:
   the first made it so. */
static enum log_journal
journal_here(const struct log *l)
{
	bool is_there, is_wal;

	if (l->kind == FILE_NETWORK)
		return LOG_ROLLBACK;
	is_wal = file_has_wal_format(l->path, &is_there);
	if (!is_there)
		is_wal = file_is_shareable(l->path);
	return is_wal ? LOG_WAL : LOG_ROLLBACK;
}

/* Where network file systems are known not to share memory between hosts. */
static enum rc
check_file_system(struct log *l, struct err *e)
{
	char *folder = strdup(l->path);
	enum rc rc = RC_OK;

	if (folder == NULL)
		return err_set(e, RC_NOMEM, "no memory to open the log");
	l->kind = file_system_of(dirname(folder));
	free(folder);
	if (l->o.journal == LOG_AUTO)
		l->o.journal = journal_here(l);
	if (l->kind == FILE_NETWORK && l->o.journal == LOG_WAL)
		rc = refuse_wal(l, "it lies on a network file system", e);
	return rc;
}

enum rc
log_open(struct log **out, const struct log_options *o, struct err *e)
{
	struct log *l = calloc(1, sizeof *l);
	enum rc rc;

	*out = NULL;
	if (l == NULL)
		return err_set(e, RC_NOMEM, "no memory to open the log");
	l->o = *o;
	pthread_mutex_init(&l->seen_lock, NULL);
	pthread_mutex_init(&l->lock, NULL);
	rc = file_resolve(o->path, &l->path, e);
	if (rc != RC_OK)
		goto fail;
	l->o.path = l->path;
	l->wake_path = file_beside(l->path, "-wake");
	l->wal_path = file_beside(l->path, "-wal");
	if (l->wake_path == NULL || l->wal_path == NULL) {
		rc = err_set(e, RC_NOMEM, "no memory to open the log");
		goto fail;
	}
	rc = check_file_system(l, e);
	if (rc == RC_OK)
		rc = establish(l, l->o.busy_ms + OPEN_MS, e);
	if (rc != RC_OK)
		goto fail;
	*out = l;
	return RC_OK;
fail:
	log_close(l);
	return rc == RC_BUSY ? RC_LOG : rc;
}

void
log_close(struct log *l)
{
	if (l == NULL)
		return;
	db_close(&l->keeper);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->seen_lock);
	free(l->wal_path);
	free(l->wake_path);
	free(l->path);
	free(l);
}
