#include "log/connect.h"
#include "log/read.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum rc
log_reader_open(struct log *l, struct log_reader **out, struct err *e)
{
	struct log_reader *r = calloc(1, sizeof *r);
	enum rc rc;

	*out = NULL;
	if (r == NULL)
		return err_set(e, RC_NOMEM, "no memory for a reader");
	r->log = l;
	r->wake_fd = -1;
	buf_init(&r->repaired, 0);
	rc = log_connect(l, &r->db, DB_READ, e);
	if (rc != RC_OK) {
		log_reader_close(r);
		return rc;
	}
	*out = r;
	return RC_OK;
}

void
log_reader_close(struct log_reader *r)
{
	if (r == NULL)
		return;
	db_close(&r->db);
	buf_fini(&r->repaired);
	if (r->wake_fd >= 0)
		close(r->wake_fd);
	free(r);
}

/* The connection, to what lies at the path now. */
static enum rc
ready(struct log_reader *r, struct err *e)
{
	if (r->db.c != NULL && !db_is_replaced(&r->db))
		return RC_OK;
	db_close(&r->db);
	names_clear(&r->names);
	return log_connect(r->log, &r->db, DB_READ, e);
}

void
read_end(struct log_reader *r)
{
	for (int i = 0; i < ST_COUNT; i++)
		sqlite3_reset(r->db.statement[i]);
}

enum rc
read_fail(struct log_reader *r, struct err *e)
{
	enum rc rc = db_fail(&r->db, e);

	read_end(r);
	/* a damaged or half-replaced file: begin anew at the next call */
	if (rc == RC_LOG)
		db_close(&r->db);
	return rc;
}

static enum rc
read_head(struct log_reader *r, struct slice channel, struct read_head *head,
    struct err *e)
{
	sqlite3_stmt *st;

	st = db_statement(&r->db, channel.p == NULL ? ST_HEAD : ST_HEAD_OF);
	if (st == NULL)
		return read_fail(r, e);
	if (channel.p != NULL)
		db_bind(st, 1, channel);
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		break;
	case SQLITE_DONE:
		read_end(r);
		return err_set(
		    e, RC_LOG, "%s: its table meta is empty", r->db.path);
	default:
		return read_fail(r, e);
	}
	head->tip.seq = db_u64(st, HEAD_TIP);
	head->tip.epoch = (uint32_t)sqlite3_column_int64(st, HEAD_EPOCH);
	head->forgotten_after = db_u64(st, HEAD_FORGOTTEN);
	if (channel.p != NULL) {
		head->channel_id = sqlite3_column_int64(st, HEAD_CHANNEL_ID);
		head->newest = db_u64(st, HEAD_CHANNEL_NEWEST);
		head->kept_after = db_u64(st, HEAD_CHANNEL_KEPT_AFTER);
	}
	return RC_OK;
}

enum rc
read_begin(struct log_reader *r, struct slice channel, struct read_head *head,
    struct err *e)
{
	struct log_tip seen;
	enum rc rc;

	*head = (struct read_head){0};
	for (int tries = 0; tries < 2; tries++) {
		seen = log_seen(r->log);
		rc = ready(r, e);
		if (rc == RC_OK)
			rc = read_head(r, channel, head, e);
		if (rc != RC_OK)
			return rc;
		if (log_note(r->log, seen, head->tip)) {
			if (r->epoch != head->tip.epoch)
				names_clear(&r->names);
			r->epoch = head->tip.epoch;
			return RC_OK;
		}
		read_end(r);
		db_close(&r->db);
	}
	return err_set(e, RC_LOG, "%s goes back in time again and again",
	    log_path(r->log));
}

bool
log_told(struct log_reader *r, struct log_tip *tip)
{
	struct file_mark mark;

	file_drop_removed(&r->wake_fd);
	if (r->wake_fd < 0)
		r->wake_fd = open(log_wake_path(r->log), O_RDONLY | O_CLOEXEC);
	if (r->wake_fd < 0 || !file_read_mark(r->wake_fd, &mark))
		return false;
	*tip = (struct log_tip){.seq = mark.seq, .epoch = mark.epoch};
	return true;
}

enum rc
log_tip(struct log_reader *r, struct log_tip *tip, struct err *e)
{
	struct read_head head;
	enum rc rc = read_begin(r, (struct slice){0}, &head, e);

	*tip = head.tip;
	if (rc == RC_OK)
		read_end(r);
	return rc;
}

/* True if an earlier pattern covers the channel too: it was given then. */
static bool
was_given(const struct pattern_set *what, size_t i, struct slice name)
{
	for (size_t j = 0; j < i; j++)
		if (pattern_matches(what->item[j], name))
			return true;
	return false;
}

/* The statement that gives the channels which may match the pattern. */
static sqlite3_stmt *
candidates(struct log_reader *r, struct slice pattern, char *end)
{
	const char *star = memchr(pattern.p, '*', pattern.n);
	struct slice head = {pattern.p, (size_t)(star - pattern.p)};
	sqlite3_stmt *st = db_statement(&r->db, ST_CHANNELS_BETWEEN);

	if (st == NULL)
		return NULL;
	db_bind(st, 1, head);
	if (head.n == 0) {
		sqlite3_bind_zeroblob(st, 2, 0);
		return st;
	}
	/* "chat/" to "chat0": a segment ends before its '*' */
	memcpy(end, head.p, head.n);
	end[head.n - 1]++;
	db_bind(st, 2, (struct slice){end, head.n});
	return st;
}

enum rc
read_channels(struct log_reader *r, const struct pattern_set *what,
    read_channel_fn *fn, void *arg, struct err *e)
{
	char end[CHANNEL_MAX_BYTES];
	struct slice pattern, name;
	sqlite3_stmt *st;
	int code;

	for (size_t i = 0; i < what->n; i++) {
		pattern = what->item[i];
		if (pattern_is_exact(pattern)) {
			st = db_statement(&r->db, ST_CHANNEL);
			if (st != NULL)
				db_bind(st, 1, pattern);
		} else {
			st = candidates(r, pattern, end);
		}
		if (st == NULL)
			return read_fail(r, e);
		while ((code = sqlite3_step(st)) == SQLITE_ROW) {
			name = names_of_row(st);
			if (name.p != NULL && pattern_matches(pattern, name) &&
			    !was_given(what, i, name) && !fn(arg, st, name))
				return RC_OK;
		}
		if (code != SQLITE_DONE)
			return read_fail(r, e);
	}
	return RC_OK;
}

enum rc
log_channels(struct log_reader *r, struct slice after, uint32_t max,
    log_channel_fn *fn, void *arg, struct err *e)
{
	struct read_head head;
	struct log_channel c;
	sqlite3_stmt *st;
	uint32_t n = 0;
	int code;
	enum rc rc;

	rc = read_begin(r, (struct slice){0}, &head, e);
	if (rc != RC_OK)
		return rc;
	st = db_statement(&r->db, ST_CHANNELS_BEHIND);
	if (st == NULL)
		return read_fail(r, e);
	db_bind(st, 1, after.p == NULL ? SLICE("") : after);
	while (n < max && (code = sqlite3_step(st)) == SQLITE_ROW) {
		c = (struct log_channel){
		    .name = names_of_row(st),
		    .newest = db_u64(st, CHANNEL_NEWEST),
		    .messages = db_u64(st, CHANNEL_MESSAGES),
		    .bytes = db_u64(st, CHANNEL_BYTES),
		    .kept_after = db_u64(st, CHANNEL_KEPT_AFTER),
		};
		if (c.name.p == NULL)
			continue;
		n++;
		if (!fn(arg, &c))
			break;
	}
	if (n < max && code != SQLITE_DONE && code != SQLITE_ROW)
		return read_fail(r, e);
	read_end(r);
	return RC_OK;
}

static uint64_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

enum rc
log_figures(struct log_reader *r, struct log_figures *f, struct err *e)
{
	struct read_head head;
	sqlite3_stmt *st;
	enum rc rc;

	*f = (struct log_figures){0};
	rc = read_begin(r, (struct slice){0}, &head, e);
	if (rc != RC_OK)
		return rc;
	st = db_statement(&r->db, ST_FIGURES);
	if (st == NULL || sqlite3_step(st) != SQLITE_ROW)
		return read_fail(r, e);
	*f = (struct log_figures){
	    .tip = head.tip,
	    .channels = db_u64(st, FIGURES_CHANNELS),
	    .messages = db_u64(st, FIGURES_MESSAGES),
	    .bytes = db_u64(st, FIGURES_BYTES),
	    .file_bytes = size_of(log_path(r->log)),
	    .created_ms = sqlite3_column_int64(st, FIGURES_CREATED_MS),
	    .sessions = db_u64(st, FIGURES_SESSIONS),
	};
	if (log_options_of(r->log)->journal == LOG_WAL)
		f->wal_bytes = size_of(log_change_path(r->log));
	read_end(r);
	return RC_OK;
}
