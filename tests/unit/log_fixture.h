/* What the tests of log/ share: a log in a folder of its own, appending and
   waiting for the answer, and collecting what a read gives. */
#ifndef COMETLOG_TESTS_LOG_FIXTURE_H
#define COMETLOG_TESTS_LOG_FIXTURE_H

#include "base/clock.h"
#include "log/file.h"
#include "log/reader.h"
#include "log/writer.h"

#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	char folder[256], path[300];
	struct log_options o;
	struct log_writer_options wo;
	struct log *log;
	struct log_reader *r;
	struct log_writer *w;
	struct err e;
};

/* A folder and the usual options, nothing opened. */
static inline void
fixture_init(struct fixture *f)
{
	char folder[sizeof f->folder], path[sizeof f->path];
	const char *tmp = getenv("TMPDIR");

	snprintf(folder, sizeof folder, "%s/log-test-XXXXXX",
	    tmp == NULL ? P_tmpdir : tmp);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/log.db", folder);
	memset(f, 0, sizeof *f);
	memcpy(f->folder, folder, sizeof folder);
	memcpy(f->path, path, sizeof path);
	f->o = (struct log_options){
	    .path = f->path,
	    .durability = LOG_NORMAL,
	    .busy_ms = 5000,
	    .dedupe_ms = 60000,
	    .message_bytes = 65536,
	    .retain_step = 100,
	};
	f->wo = (struct log_writer_options){
	    .queue_messages = 10000,
	    .queue_bytes = 16 << 20,
	    .group_messages = 100,
	    .retain_every_ms = 3600000,
	};
}

/* As if the log's former user had run since the machine was started. */
static inline void
fixture_note_boot(struct fixture *f)
{
	char wake[320];
	int fd;

	snprintf(wake, sizeof wake, "%s-wake", f->path);
	fd = open(wake, O_RDWR | O_CREAT, 0600);
	file_note_boot(fd);
	close(fd);
}

static inline enum rc
fixture_try_open(struct fixture *f)
{
	enum rc rc = log_open(&f->log, &f->o, &f->e);

	if (rc == RC_OK)
		rc = log_reader_open(f->log, &f->r, &f->e);
	if (rc == RC_OK)
		rc = log_writer_start(f->log, &f->wo, &f->w, &f->e);
	return rc;
}

static inline void
fixture_open(struct fixture *f)
{
	CU_ASSERT_EQUAL_FATAL(fixture_try_open(f), RC_OK);
}

static inline void
fixture_close(struct fixture *f)
{
	log_writer_stop(f->w);
	log_reader_close(f->r);
	log_close(f->log);
	f->w = NULL;
	f->r = NULL;
	f->log = NULL;
}

static inline void
fixture_fini(struct fixture *f)
{
	static const char *const suffix[] = {
	    "", "-wal", "-shm", "-journal", "-wake", "-copy"};
	char name[320];

	fixture_close(f);
	for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++) {
		snprintf(name, sizeof name, "%s%s", f->path, suffix[i]);
		(void)unlink(name);
	}
	CU_ASSERT_EQUAL(rmdir(f->folder), 0);
}

static inline void
fixture_start(struct fixture *f)
{
	fixture_init(f);
	fixture_open(f);
}

/* An append that can be waited for. */
struct waiting {
	struct append a; /* first, so that done finds the rest */
	sem_t is_done;
	enum rc rc;
	char why[256];
};

static inline void
waiting_done(struct append *a, enum rc rc, const char *why)
{
	struct waiting *w = (struct waiting *)a;

	w->rc = rc;
	snprintf(w->why, sizeof w->why, "%s", why);
	sem_post(&w->is_done);
}

static inline enum rc
waiting_begin(struct log_writer *w, struct waiting *a, const struct message *m,
    struct appended *result, size_t n)
{
	*a = (struct waiting){
	    .a = {
	        .message = m, .result = result, .n = n, .done = waiting_done}};
	for (size_t i = 0; i < n; i++)
		a->a.bytes += m[i].data.n + m[i].channel.n + m[i].id.n;
	sem_init(&a->is_done, 0, 0);
	return log_append(w, &a->a, NULL);
}

static inline enum rc
waiting_end(struct waiting *a)
{
	while (sem_wait(&a->is_done) != 0)
		;
	sem_destroy(&a->is_done);
	return a->rc;
}

static inline enum rc
fixture_append(struct fixture *f, const struct message *m,
    struct appended *result, size_t n)
{
	struct waiting a;
	enum rc rc = waiting_begin(f->w, &a, m, result, n);

	if (rc == RC_OK)
		rc = waiting_end(&a);
	snprintf(f->e.text, sizeof f->e.text, "%s", a.why);
	return rc;
}

/* Appends one text and gives its seq. */
static inline uint64_t
fixture_put(struct fixture *f, const char *channel, const char *data)
{
	struct message m = {
	    .channel = slice_of(channel), .data = slice_of(data)};
	struct appended result = {0};

	CU_ASSERT_EQUAL(fixture_append(f, &m, &result, 1), RC_OK);
	return result.seq;
}

#define COLLECT_MAX 20000

/* What reads gave. */
struct collected {
	size_t n;
	uint64_t seq[COLLECT_MAX];
	char channel[COLLECT_MAX][24], data[COLLECT_MAX][24];
	char event[64], id[64]; /* of the latest message */
	bool has_event, has_id, is_json;
	size_t stop_at; /* ends the page there; 0: never */
};

static inline void
collected_copy(char *to, size_t size, struct slice s)
{
	snprintf(to, size, "%.*s", (int)s.n, s.p == NULL ? "" : s.p);
}

static inline bool
collect(void *arg, const struct message *m)
{
	struct collected *c = arg;

	if (c->n == COLLECT_MAX)
		return false;
	c->seq[c->n] = m->seq;
	collected_copy(c->channel[c->n], sizeof c->channel[0], m->channel);
	collected_copy(c->data[c->n], sizeof c->data[0], m->data);
	collected_copy(c->event, sizeof c->event, m->event);
	collected_copy(c->id, sizeof c->id, m->id);
	c->has_event = m->event.p != NULL;
	c->has_id = m->id.p != NULL;
	c->is_json = m->is_json;
	return ++c->n != c->stop_at;
}

static inline void
fixture_patterns(struct pattern_set *set, const char *const *text)
{
	struct slice s[128];
	size_t n = 0;

	for (; text[n] != NULL; n++)
		s[n] = slice_of(text[n]);
	CU_ASSERT_EQUAL_FATAL(pattern_set_init(set, s, n, NULL), RC_OK);
}

/* One page of the given patterns (NULL: everything), collected anew. */
static inline struct log_page
fixture_page(struct fixture *f, const struct pattern_set *what, uint64_t after,
    uint32_t max, struct collected *c)
{
	struct log_query q = {.what = what,
	    .after = after,
	    .max_messages = max,
	    .max_bytes = SIZE_MAX};
	struct log_page page;

	c->n = 0;
	CU_ASSERT_EQUAL(log_read(f->r, &q, collect, c, &page, &f->e), RC_OK);
	CU_ASSERT_EQUAL(page.n, c->n);
	return page;
}

static inline struct log_page
fixture_page_of(struct fixture *f, const char *pattern, uint64_t after,
    uint32_t max, struct collected *c)
{
	const char *one[] = {pattern, NULL};
	struct pattern_set what;
	struct log_page page;

	fixture_patterns(&what, one);
	page = fixture_page(f, &what, after, max, c);
	pattern_set_fini(&what);
	return page;
}

/* A foreign program's connection. */
static inline sqlite3 *
fixture_foreign(struct fixture *f)
{
	sqlite3 *c = NULL;

	CU_ASSERT_EQUAL_FATAL(sqlite3_open(f->path, &c), SQLITE_OK);
	sqlite3_busy_timeout(c, 5000);
	return c;
}

/* Runs SQL as such a program; returns SQLite's code. */
static inline int
fixture_sql(struct fixture *f, const char *sql)
{
	sqlite3 *c = fixture_foreign(f);
	int code = sqlite3_exec(c, sql, NULL, NULL, NULL);

	snprintf(f->e.text, sizeof f->e.text, "%s", sqlite3_errmsg(c));
	sqlite3_close(c);
	return code;
}

/* The number that the SQL gives. */
static inline int64_t
fixture_int(struct fixture *f, const char *sql)
{
	sqlite3 *c = fixture_foreign(f);
	sqlite3_stmt *s = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(c, sql, -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		v = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(c);
	return v;
}

/* How often the WAL began anew (SQLite's file format, section 4.1). */
static inline int
fixture_wal_restarts(const char *wal_path)
{
	unsigned char header[16] = {0};
	FILE *file = fopen(wal_path, "r");

	if (file == NULL)
		return -1;
	if (fread(header, sizeof header, 1, file) != 1)
		header[15] = 0;
	fclose(file);
	return header[15];
}

#endif
