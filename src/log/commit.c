#include "log/commit.h"

#include "base/clock.h"
#include "log/change.h"
#include "log/connect.h"

#include <fcntl.h>
#include <unistd.h>

/* The group under way. */
struct group {
	struct commit *c;
	struct stored *out;
	struct log_tip found; /* before it */
	int64_t now_ms;
	bool is_stale; /* what we remembered of the log isn't so */
	struct err *e;
};

void
commit_init(struct commit *c, struct log *l)
{
	const struct log_options *o = log_options_of(l);
	char boot[CLOCK_BOOT_BYTES];

	*c = (struct commit){.log = l, .wake_fd = -1};
	c->is_early = o->durability == LOG_FULL && o->journal == LOG_WAL &&
	    clock_boot(boot);
}

static void
close_all(struct commit *c)
{
	db_close(&c->db);
	chanmap_clear(&c->channels);
	if (c->wake_fd >= 0)
		close(c->wake_fd);
	c->wake_fd = -1;
}

void
commit_fini(struct commit *c)
{
	close_all(c);
}

/* SQLite's hook, run at the end of each commit to a WAL. */
static int
note_wal_pages(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct commit *c = arg;

	(void)db;
	(void)name;
	c->wal_pages = pages;
	return SQLITE_OK;
}

enum rc
commit_ready(struct commit *c, struct err *e)
{
	enum rc rc;

	if (c->db.c != NULL && !db_is_replaced(&c->db))
		return RC_OK;
	close_all(c);
	rc = log_connect(c->log, &c->db, DB_WRITE, e);
	if (rc != RC_OK)
		return rc;
	sqlite3_wal_hook(c->db.c, note_wal_pages, c);
	if (c->is_early)
		rc = db_exec(&c->db, "PRAGMA synchronous = NORMAL", e);
	if (rc != RC_OK)
		db_close(&c->db);
	return rc;
}

static enum rc
fail_to_sync(const struct commit *c, int code, struct err *e)
{
	return err_set(e, RC_LOG, "%s: the disk can't be written: %s (%d)",
	    c->db.path, sqlite3_errstr(code), code);
}

/*
 * The kernel tells of a failure once, and of what it could not write then it
 * takes no more notice.  So what the WAL has must get to the disk by another
 * way, into the database, and no frame may be written behind it.
 */
static enum rc
clear_doubt(struct commit *c, struct err *e)
{
	int frames = 0, copied = 0;
	int code = sqlite3_wal_checkpoint_v2(
	    c->db.c, NULL, SQLITE_CHECKPOINT_RESTART, &frames, &copied);

	if (code != SQLITE_OK || frames != copied)
		return fail_to_sync(c, code, e);
	c->is_doubtful = false;
	return RC_OK;
}

/*
 * What SQLite itself does at the end of a commit with synchronous=FULL, only
 * that readers needn't wait for it.  The file is the log's one WAL, so others'
 * commits that are in it are covered, too; what is no longer in it was synced
 * before it was copied out.
 */
enum rc
commit_sync(struct commit *c, struct err *e)
{
	sqlite3_file *wal = NULL;
	int code;

	if (!c->is_early || c->db.c == NULL)
		return RC_OK;
	if (c->is_doubtful)
		return clear_doubt(c, e);
	code = sqlite3_file_control(
	    c->db.c, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &wal);
	if (code == SQLITE_OK && wal != NULL && wal->pMethods != NULL)
		code = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
	if (code == SQLITE_OK)
		return RC_OK;
	c->is_doubtful = true;
	return fail_to_sync(c, code, e);
}

/* The wake file, made again if someone removed it. */
static int
wake_fd(struct commit *c)
{
	file_drop_removed(&c->wake_fd);
	if (c->wake_fd < 0) {
		c->wake_fd = open(log_wake_path(c->log),
		    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (c->wake_fd >= 0)
			file_note_boot(c->wake_fd);
	}
	return c->wake_fd;
}

void
commit_wake(struct commit *c)
{
	int fd = wake_fd(c);

	if (fd >= 0)
		file_write_mark(fd, c->newest, c->epoch);
}

void
commit_failed(struct commit *c, enum rc rc)
{
	for (int i = 0; i < ST_COUNT; i++)
		sqlite3_reset(c->db.statement[i]);
	db_rollback(&c->db);
	chanmap_clear(&c->channels);
	/* a lock passes; what else there is may need a new connection */
	if (rc != RC_BUSY)
		db_close(&c->db);
}

/* The channel's id from the table, where it is made if need be. */
static enum rc
look_up(struct group *g, struct slice name, int64_t *id)
{
	struct db *db = &g->c->db;
	sqlite3_stmt *st = db_statement(db, ST_CHANNEL);
	int code;
	enum rc rc;

	if (st == NULL)
		return db_fail(db, g->e);
	db_bind(st, 1, name);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		*id = sqlite3_column_int64(st, CHANNEL_ID);
		sqlite3_reset(st);
		return RC_OK;
	}
	if (code != SQLITE_DONE)
		return db_fail(db, g->e);
	st = db_statement(db, ST_CHANNEL_ADD);
	if (st == NULL)
		return db_fail(db, g->e);
	db_bind(st, 1, name);
	rc = db_run(db, st, g->e);
	*id = sqlite3_last_insert_rowid(db->c);
	return rc;
}

static enum rc
find_channel(struct group *g, struct slice name, struct chanmap_entry **ch)
{
	int64_t id = 0;
	enum rc rc;

	*ch = chanmap_find(&g->c->channels, name);
	if (*ch != NULL)
		return RC_OK;
	rc = look_up(g, name, &id);
	if (rc != RC_OK)
		return rc;
	*ch = chanmap_add(&g->c->channels, name, id);
	if (*ch == NULL)
		return err_set(g->e, RC_NOMEM, "no memory for a channel");
	return RC_OK;
}

/* *seq: what the id was given to within the window; 0: nothing. */
static enum rc
find_duplicate(
    struct group *g, int64_t channel_id, struct slice id, uint64_t *seq)
{
	struct db *db = &g->c->db;
	sqlite3_stmt *st = db_statement(db, ST_DEDUPE_GET);
	int code;

	*seq = 0;
	if (st == NULL)
		return db_fail(db, g->e);
	sqlite3_bind_int64(st, 1, channel_id);
	db_bind(st, 2, id);
	sqlite3_bind_int64(
	    st, 3, g->now_ms - (int64_t)log_options_of(g->c->log)->dedupe_ms);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*seq = db_u64(st, DEDUPE_SEQ);
	else if (code != SQLITE_DONE)
		return db_fail(db, g->e);
	sqlite3_reset(st);
	return RC_OK;
}

static enum rc
remember_id(struct group *g, int64_t channel_id, struct slice id, uint64_t seq)
{
	struct db *db = &g->c->db;
	sqlite3_stmt *st = db_statement(db, ST_DEDUPE_PUT);

	if (st == NULL)
		return db_fail(db, g->e);
	sqlite3_bind_int64(st, 1, channel_id);
	db_bind(st, 2, id);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)seq);
	sqlite3_bind_int64(st, 4, g->now_ms);
	return db_run(db, st, g->e);
}

static enum rc
add_message(
    struct group *g, int64_t channel_id, const struct message *m, uint64_t seq)
{
	struct db *db = &g->c->db;
	sqlite3_stmt *st = db_statement(db, ST_MESSAGE_ADD);
	struct slice data = m->data.p == NULL ? SLICE("") : m->data;

	if (st == NULL)
		return db_fail(db, g->e);
	sqlite3_bind_int64(st, 1, channel_id);
	sqlite3_bind_int64(st, 2, g->now_ms);
	db_bind(st, 3, m->event);
	db_bind(st, 4, m->id);
	sqlite3_bind_int(st, 5, m->is_json);
	if (db_bind(st, 6, data) != SQLITE_OK)
		return db_fail(db, g->e);
	sqlite3_bind_int64(st, 7, (sqlite3_int64)seq);
	return db_run(db, st, g->e);
}

static enum rc
store_message(struct group *g, const struct message *m, struct appended *result)
{
	bool has_id = m->id.n > 0 && log_options_of(g->c->log)->dedupe_ms > 0;
	struct chanmap_entry *ch;
	uint64_t seq = 0;
	enum rc rc = find_channel(g, m->channel, &ch);

	if (rc == RC_OK && has_id)
		rc = find_duplicate(g, ch->id, m->id, &seq);
	if (rc != RC_OK)
		return rc;
	*result = (struct appended){.seq = seq, .is_duplicate = seq != 0};
	if (seq != 0) {
		g->out->duplicates++;
		return RC_OK;
	}
	seq = g->c->newest + 1;
	rc = add_message(g, ch->id, m, seq);
	if (rc != RC_OK)
		return rc;
	g->c->newest = seq;
	chanmap_touch(&g->c->channels, ch, seq, m->data.n);
	result->seq = g->out->newest = seq;
	g->out->messages++;
	return has_id ? remember_id(g, ch->id, m->id, seq) : RC_OK;
}

/* Once for each channel that got messages. */
static enum rc
update_channels(struct group *g)
{
	struct db *db = &g->c->db;
	struct chanmap_entry *ch;
	sqlite3_stmt *st;
	enum rc rc = RC_OK;

	for (ch = g->c->channels.touched; ch != NULL; ch = ch->next_touched) {
		st = db_statement(db, ST_CHANNEL_GREW);
		if (st == NULL)
			return db_fail(db, g->e);
		sqlite3_bind_int64(st, 1, ch->id);
		sqlite3_bind_int64(st, 2, (sqlite3_int64)ch->newest);
		sqlite3_bind_int64(st, 3, (sqlite3_int64)ch->messages);
		sqlite3_bind_int64(st, 4, (sqlite3_int64)ch->bytes);
		rc = db_run(db, st, g->e);
		if (rc != RC_OK)
			return rc;
		if (sqlite3_changes(db->c) != 1) {
			g->is_stale = true;
			return err_set(g->e, RC_LOG,
			    "%s: a channel has gone away", db->path);
		}
	}
	return RC_OK;
}

/* Begins the transaction, and looks whether the log is still the one whose
   channels we remember. */
static enum rc
begin(struct group *g, struct log_tip seen)
{
	struct commit *c = g->c;
	enum rc rc = db_run(&c->db, db_statement(&c->db, ST_BEGIN), g->e);

	if (rc == RC_OK)
		rc = log_head(&c->db, &g->found, g->e);
	if (rc != RC_OK)
		return rc;
	if (!log_note(c->log, seen, g->found)) {
		g->is_stale = true;
		return err_set(
		    g->e, RC_LOG, "%s has gone back in time", c->db.path);
	}
	if (c->epoch != g->found.epoch)
		chanmap_clear(&c->channels);
	c->epoch = g->found.epoch;
	c->newest = g->found.seq;
	return RC_OK;
}

static enum rc
store_changes(struct group *g, struct log_change *list)
{
	struct change_at at = {
	    .db = &g->c->db,
	    .o = log_options_of(g->c->log),
	    .now_ms = g->now_ms,
	    .tip = g->found,
	    .e = g->e,
	};
	enum rc rc = RC_OK;

	for (struct log_change *c = list; c != NULL && rc == RC_OK;
	     c = c->next) {
		rc = change_store(&at, c);
		g->out->is_told |= change_is_told(c);
	}
	return rc;
}

static enum rc
store_appends(struct group *g, struct append *list)
{
	enum rc rc = RC_OK;

	for (struct append *a = list; a != NULL && rc == RC_OK; a = a->next) {
		for (size_t i = 0; i < a->n && rc == RC_OK; i++)
			rc = store_message(g, &a->message[i], &a->result[i]);
		a->epoch = g->c->epoch;
		a->time_ms = g->now_ms;
	}
	return rc == RC_OK ? update_channels(g) : rc;
}

static enum rc
store_all(struct group *g, struct log_tip seen, struct append *list,
    struct log_change *changes)
{
	struct db *db = &g->c->db;
	enum rc rc = begin(g, seen);

	g->now_ms = clock_unix_ms();
	if (rc == RC_OK)
		rc = store_changes(g, changes);
	if (rc == RC_OK)
		rc = store_appends(g, list);
	if (rc == RC_OK)
		rc = db_run(db, db_statement(db, ST_COMMIT), g->e);
	/* too late for this group, if the file went away meanwhile: what it
	   has now is no longer the log */
	if (rc == RC_OK && db_is_replaced(db))
		rc = err_set(g->e, RC_LOG,
		    "%s was replaced while messages were stored", db->path);
	if (rc == RC_OK && g->out->newest != 0) {
		g->out->is_told = true;
		log_note(g->c->log, g->found,
		    (struct log_tip){
		        .seq = g->out->newest, .epoch = g->c->epoch});
	}
	return rc;
}

enum rc
commit_group(struct commit *c, struct append *list, struct log_change *changes,
    struct stored *out, struct err *e)
{
	struct group g = {.c = c, .out = out, .e = e};
	struct log_tip seen;
	enum rc rc = RC_OK;

	for (int tries = 0; tries < 2; tries++) {
		*out = (struct stored){0};
		g.is_stale = false;
		seen = log_seen(c->log);
		rc = commit_ready(c, e);
		if (rc == RC_OK)
			rc = store_all(&g, seen, list, changes);
		if (rc == RC_OK) {
			chanmap_settle(&c->channels);
			return RC_OK;
		}
		commit_failed(c, rc);
		if (!g.is_stale)
			break;
	}
	return rc;
}
