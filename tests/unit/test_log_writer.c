/* Appending: by this program, by several processes, and by foreign writers. */
#include "fail_alloc.h"
#include "log/commit.h"
#include "log_fixture.h"
#include "tests.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct collected got;

/* What the writer did, in order: "c" committed, "d" done. */
struct order {
	char step[8];
	size_t n;
	uint64_t newest;
};

static void
note_committed(void *arg, const struct append *list)
{
	struct order *o = arg;

	o->step[o->n++] = 'c';
	o->newest = list->result[list->n - 1].seq;
}

static void
messages_get_adjacent_seqs_in_order(void)
{
	struct message m[3] = {
	    {.channel = SLICE("a"), .data = SLICE("1"), .event = SLICE("ev")},
	    {.channel = SLICE("b"),
	        .data = SLICE("{\"x\":2}"),
	        .is_json = true,
	        .id = SLICE("id")},
	    {.channel = SLICE("a")},
	};
	struct appended result[3] = {{0}};
	struct log_writer_figures figures;
	struct fixture f;

	fixture_start(&f);
	CU_ASSERT_EQUAL(fixture_append(&f, m, result, 3), RC_OK);
	for (int i = 0; i < 3; i++)
		CU_ASSERT(result[i].seq == (uint64_t)i + 1 &&
		    !result[i].is_duplicate);
	fixture_page(&f, NULL, 0, 1, &got);
	CU_ASSERT_STRING_EQUAL(got.event, "ev");
	CU_ASSERT(!got.has_id && !got.is_json);
	fixture_page(&f, NULL, 1, 1, &got);
	CU_ASSERT_STRING_EQUAL(got.data[0], "{\"x\":2}");
	CU_ASSERT_STRING_EQUAL(got.id, "id");
	CU_ASSERT(!got.has_event && got.is_json);
	fixture_page(&f, NULL, 2, 1, &got);
	CU_ASSERT_STRING_EQUAL(got.data[0], "");
	CU_ASSERT_EQUAL(fixture_append(&f, NULL, NULL, 0), RC_OK);
	log_writer_figures(f.w, &figures);
	CU_ASSERT_EQUAL(figures.messages, 3);
	CU_ASSERT_EQUAL(figures.queued, 0);
	fixture_fini(&f);
}

/* An append that notes when it was answered, and how the wake file was then. */
struct noted {
	struct waiting w;
	struct order *order;
	const char *wake_path;
	uint64_t woken;
	uint32_t epoch;
};

static void
note_done(struct append *a, enum rc rc, const char *why)
{
	struct noted *n = (struct noted *)a;
	FILE *file = fopen(n->wake_path, "r");

	n->order->step[n->order->n++] = 'd';
	n->epoch = a->epoch;
	if (file != NULL) {
		if (fread(&n->woken, sizeof n->woken, 1, file) != 1)
			n->woken = 0;
		fclose(file);
	}
	waiting_done(a, rc, why);
}

static void
answer_comes_after_commit_and_wake(void)
{
	struct message m = {.channel = SLICE("a"), .data = SLICE("1")};
	struct order order = {.n = 0};
	struct appended result;
	struct noted n = {.order = &order};
	struct fixture f;

	fixture_init(&f);
	f.wo.committed = note_committed;
	f.wo.arg = &order;
	fixture_open(&f);
	n.wake_path = log_wake_path(f.log);
	fixture_put(&f, "a", "0");
	order.n = 0;
	n.w.a = (struct append){
	    .message = &m, .result = &result, .n = 1, .done = note_done};
	sem_init(&n.w.is_done, 0, 0);
	CU_ASSERT_EQUAL(unlink(n.wake_path), 0);
	CU_ASSERT_EQUAL(log_append(f.w, &n.w.a, &f.e), RC_OK);
	CU_ASSERT_EQUAL(waiting_end(&n.w), RC_OK);
	CU_ASSERT_STRING_EQUAL(order.step, "cd");
	CU_ASSERT_EQUAL(order.newest, 2);
	CU_ASSERT_EQUAL(n.woken, 2);
	CU_ASSERT_EQUAL(n.epoch, log_epoch(f.log));
	fixture_fini(&f);
}

static void
used_id_stores_nothing_and_gives_the_first_seq(void)
{
	struct message m[4] = {
	    {.channel = SLICE("a"), .id = SLICE("k"), .data = SLICE("1")},
	    {.channel = SLICE("a"), .id = SLICE("k"), .data = SLICE("2")},
	    {.channel = SLICE("b"), .id = SLICE("k"), .data = SLICE("3")},
	    {.channel = SLICE("a"), .id = SLICE("K"), .data = SLICE("4")},
	};
	struct appended result[4];
	struct log_writer_figures figures;
	struct fixture f;

	fixture_start(&f);
	CU_ASSERT_EQUAL(fixture_append(&f, m, result, 4), RC_OK);
	CU_ASSERT(result[0].seq == 1 && !result[0].is_duplicate);
	CU_ASSERT(result[1].seq == 1 && result[1].is_duplicate);
	CU_ASSERT(result[2].seq == 2 && result[3].seq == 3);
	CU_ASSERT_EQUAL(fixture_append(&f, m, result, 1), RC_OK);
	CU_ASSERT(result[0].seq == 1 && result[0].is_duplicate);
	log_writer_figures(f.w, &figures);
	CU_ASSERT_EQUAL(figures.duplicates, 2);
	/* a foreign writer is held to the same */
	CU_ASSERT_EQUAL(
	    fixture_sql(&f,
	        "INSERT INTO publish(channel, data, id) VALUES"
	        "('/a', 'again', 'k'), ('a', 'new', 'n'), ('a', 'new', 'n')"),
	    SQLITE_OK);
	m[0].id = SLICE("n");
	CU_ASSERT_EQUAL(fixture_append(&f, m, result, 1), RC_OK);
	CU_ASSERT(result[0].seq == 4 && result[0].is_duplicate);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM message"), 4);
	/* and free again behind the window */
	CU_ASSERT_EQUAL(
	    fixture_sql(&f, "UPDATE dedupe SET time_ms = time_ms - 60001"),
	    SQLITE_OK);
	m[0].id = SLICE("k");
	CU_ASSERT_EQUAL(fixture_append(&f, m, result, 1), RC_OK);
	CU_ASSERT(result[0].seq == 5 && !result[0].is_duplicate);
	CU_ASSERT_EQUAL(fixture_append(&f, m, result, 1), RC_OK);
	CU_ASSERT(result[0].seq == 5 && result[0].is_duplicate);
	fixture_fini(&f);
}

static void
full_queue_is_busy_and_takes_more_later(void)
{
	struct message ten[11], big;
	struct appended result[11];
	struct waiting a, b;
	struct log_writer_figures figures;
	struct fixture f;
	sqlite3 *lock;

	for (int i = 0; i < 11; i++)
		ten[i] = (struct message){
		    .channel = SLICE("a"), .data = SLICE("0123456789")};
	fixture_init(&f);
	f.wo.queue_messages = 10;
	f.wo.queue_bytes = 1000;
	fixture_open(&f);
	lock = fixture_foreign(&f);
	sqlite3_exec(lock, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	CU_ASSERT_EQUAL(waiting_begin(f.w, &a, ten, result, 10), RC_OK);
	CU_ASSERT_EQUAL(waiting_begin(f.w, &b, ten, result, 1), RC_BUSY);
	log_writer_figures(f.w, &figures);
	CU_ASSERT_EQUAL(figures.queued, 10);
	sqlite3_exec(lock, "COMMIT", NULL, NULL, NULL);
	CU_ASSERT_EQUAL(waiting_end(&a), RC_OK);
	sqlite3_close(lock);
	CU_ASSERT_EQUAL(fixture_append(&f, ten, result, 1), RC_OK);
	CU_ASSERT_EQUAL(fixture_append(&f, ten, result, 11), RC_TOO_LARGE);
	big = ten[0];
	big.data = (struct slice){f.path, 65537};
	CU_ASSERT_EQUAL(waiting_begin(f.w, &b, &big, result, 1), RC_TOO_LARGE);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM message"), 11);
	fixture_fini(&f);
}

static void
locked_log_is_busy_and_recovers(void)
{
	struct message m = {.channel = SLICE("a"), .data = SLICE("1")};
	struct log_writer_figures figures;
	struct appended result;
	struct fixture f;
	sqlite3 *lock;

	fixture_init(&f);
	f.o.busy_ms = 30;
	fixture_open(&f);
	fixture_put(&f, "a", "0");
	lock = fixture_foreign(&f);
	sqlite3_exec(lock, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	CU_ASSERT_EQUAL(fixture_append(&f, &m, &result, 1), RC_BUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.e.text, "locked"));
	sqlite3_exec(lock, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(lock);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "2"), 2);
	log_writer_figures(f.w, &figures);
	CU_ASSERT_EQUAL(figures.failures, 1);
	CU_ASSERT_EQUAL(figures.commits, 2);
	fixture_fini(&f);
}

/* In a child, which mustn't go on with the tests. */
static void
child_open(struct fixture *f)
{
	if (fixture_try_open(f) != RC_OK)
		_exit(99);
}

/* True if the child ended by itself with 0. */
static bool
child_is_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0;
}

/* In a child whose files can't grow. */
static void
append_until_full(struct fixture *f)
{
	static char kilobytes[60000];
	struct message m[4];
	struct appended result[4];
	struct rlimit limit = {4 << 20, RLIM_INFINITY};
	uint64_t stored = 0;
	enum rc rc;

	memset(kilobytes, 'x', sizeof kilobytes);
	for (int i = 0; i < 4; i++)
		m[i] = (struct message){.channel = SLICE("a"),
		    .data = {kilobytes, sizeof kilobytes}};
	signal(SIGXFSZ, SIG_IGN);
	child_open(f);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		_exit(2);
	while ((rc = fixture_append(f, m, result, 4)) == RC_OK && stored < 1000)
		stored += 4;
	if (rc != RC_LOG || f->e.text[0] == '\0' || stored == 0)
		_exit(3);
	if (fixture_append(f, m, result, 4) != RC_LOG)
		_exit(4);
	if (fixture_int(f, "SELECT count(*) FROM message") != (int64_t)stored)
		_exit(5);
	limit.rlim_cur = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		_exit(6);
	if (fixture_append(f, m, result, 4) != RC_OK ||
	    result[3].seq != stored + 4)
		_exit(7);
	fixture_close(f);
	_exit(0);
}

static void
full_disk_stores_no_part_of_a_batch_and_passes(void)
{
	struct fixture f;
	pid_t pid;

	fixture_init(&f);
	pid = fork();
	if (pid == 0)
		append_until_full(&f);
	CU_ASSERT(child_is_well(pid));
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) % 4 FROM message"), 0);
	CU_ASSERT_EQUAL(fixture_int(&f,
	                    "SELECT messages = (SELECT count(*) FROM message) "
	                    "FROM channel"),
	    1);
	fixture_fini(&f);
}

/* In a child: appends 1, 2, 3, ... and writes each to fd once it is stored. */
static void
append_and_report(struct fixture *f, int fd)
{
	struct message m = {.channel = SLICE("a")};
	struct appended result;
	char text[16];

	child_open(f);
	for (int i = 1;; i++) {
		m.data.n = (size_t)snprintf(text, sizeof text, "%d", i);
		m.data.p = text;
		if (fixture_append(f, &m, &result, 1) != RC_OK ||
		    write(fd, &i, sizeof i) != sizeof i)
			_exit(1);
	}
}

static void
killed_process_leaves_all_that_was_answered_once_and_in_order(void)
{
	struct fixture f;
	int fd[2], i, last = 0;
	pid_t pid;

	fixture_init(&f);
	CU_ASSERT_EQUAL_FATAL(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		append_and_report(&f, fd[1]);
	}
	close(fd[1]);
	while (read(fd[0], &i, sizeof i) == sizeof i) {
		last = i;
		if (i == 150)
			kill(pid, SIGKILL);
	}
	close(fd[0]);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	CU_ASSERT(last >= 150);
	fixture_open(&f);
	fixture_page_of(&f, "a", 0, 10000, &got);
	/* the latest may have been stored and not yet answered */
	CU_ASSERT(got.n == (size_t)last || got.n == (size_t)last + 1);
	for (size_t k = 0; k < got.n; k++)
		CU_ASSERT(strtoul(got.data[k], NULL, 10) == k + 1 &&
		    got.seq[k] == k + 1);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "on"), got.n + 1);
	fixture_fini(&f);
}

#define BATCHES 300
#define BATCH 5

/* In a child: batches to a channel of its own and to a shared one. */
static void
append_batches(struct fixture *f, const char *own)
{
	struct message m[BATCH];
	struct appended result[BATCH];
	char text[BATCH][24];

	child_open(f);
	for (int i = 0; i < BATCHES; i++) {
		for (int k = 0; k < BATCH; k++) {
			snprintf(text[k], sizeof text[k], "%s %d", own,
			    i * BATCH + k);
			m[k] = (struct message){.data = slice_of(text[k]),
			    .channel = k == 0 ? SLICE("all") : slice_of(own)};
		}
		if (fixture_append(f, m, result, BATCH) != RC_OK ||
		    result[BATCH - 1].seq != result[0].seq + BATCH - 1)
			_exit(1);
	}
	fixture_close(f);
	_exit(0);
}

static void
processes_append_at_once_without_loss(void)
{
	static const char *const own[] = {"one", "two", "three"};
	int next[3] = {0}, bad = 0, who;
	struct fixture f;
	pid_t pid[3];

	fixture_init(&f);
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			append_batches(&f, own[i]);
	}
	for (int i = 0; i < 3; i++)
		CU_ASSERT(child_is_well(pid[i]));
	fixture_open(&f);
	fixture_page(&f, NULL, 0, COLLECT_MAX, &got);
	CU_ASSERT_EQUAL(got.n, 3 * BATCHES * BATCH);
	for (size_t i = 0; i < got.n; i++) {
		for (who = 0; who < 3; who++)
			if (strncmp(got.data[i], own[who], strlen(own[who])) ==
			    0)
				break;
		bad += who == 3 || got.seq[i] != i + 1 ||
		    atoi(got.data[i] + strlen(own[who])) != next[who]++;
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(
	    fixture_int(&f, "SELECT messages FROM channel WHERE name='all'"),
	    3 * BATCHES);
	fixture_fini(&f);
}

#define THREADS 4
#define EACH 400

struct appender {
	struct log_writer *w;
	_Atomic int stored;
};

static void *
append_in_thread(void *arg)
{
	struct appender *to = arg;
	struct message m = {.channel = SLICE("a"), .data = SLICE("x")};
	struct appended result;
	struct waiting a;

	for (int i = 0; i < EACH; i++)
		if (waiting_begin(to->w, &a, &m, &result, 1) == RC_OK &&
		    waiting_end(&a) == RC_OK)
			atomic_fetch_add(&to->stored, 1);
	return NULL;
}

static void
threads_append_while_others_look(void)
{
	struct log_writer_figures figures = {0};
	struct appender to = {.stored = 0};
	pthread_t thread[THREADS];
	struct log_tip tip;
	struct fixture f;
	uint64_t seen = 0;

	fixture_init(&f);
	f.wo.retain_every_ms = 1;
	fixture_open(&f);
	to.w = f.w;
	for (int i = 0; i < THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(
		    pthread_create(&thread[i], NULL, append_in_thread, &to), 0);
	while (atomic_load(&to.stored) < THREADS * EACH / 2) {
		log_writer_figures(f.w, &figures);
		CU_ASSERT_EQUAL(log_tip(f.r, &tip, &f.e), RC_OK);
		CU_ASSERT(tip.seq >= seen && tip.epoch == log_epoch(f.log));
		seen = tip.seq;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&to.stored), THREADS * EACH);
	CU_ASSERT_EQUAL(log_tip(f.r, &tip, &f.e), RC_OK);
	CU_ASSERT_EQUAL(tip.seq, THREADS * EACH);
	log_writer_figures(f.w, &figures);
	CU_ASSERT(figures.commits <= figures.messages);
	fixture_fini(&f);
}

static void
stopping_stores_and_answers_what_waits(void)
{
	struct message m = {.channel = SLICE("a"), .data = SLICE("x")};
	struct appended result[20];
	struct waiting a[20];
	struct fixture f;
	sqlite3 *lock;

	fixture_init(&f);
	f.wo.group_messages = 3;
	fixture_open(&f);
	lock = fixture_foreign(&f);
	sqlite3_exec(lock, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	for (int i = 0; i < 20; i++)
		CU_ASSERT_EQUAL_FATAL(
		    waiting_begin(f.w, &a[i], &m, &result[i], 1), RC_OK);
	sqlite3_exec(lock, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(lock);
	log_writer_stop(f.w);
	f.w = NULL;
	for (int i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(waiting_end(&a[i]), RC_OK);
		CU_ASSERT_EQUAL(result[i].seq, (uint64_t)i + 1);
	}
	fixture_fini(&f);
}

static void
finished_writer_is_busy_and_still_has_its_figures(void)
{
	struct message m = {.channel = SLICE("a"), .data = SLICE("1")};
	struct log_change c = {.kind = LOG_SESSION_NEW, .id = SLICE("s")};
	struct log_writer_figures figures;
	struct appended result;
	struct fixture f;

	fixture_start(&f);
	fixture_put(&f, "a", "0");
	log_writer_finish(f.w);
	CU_ASSERT_EQUAL(fixture_append(&f, &m, &result, 1), RC_BUSY);
	CU_ASSERT_EQUAL(log_change(f.w, &c, &f.e), RC_BUSY);
	log_writer_figures(f.w, &figures);
	CU_ASSERT(figures.messages == 1 && figures.queued == 0);
	fixture_fini(&f);
}

static void
foreign_writer_needs_nothing_but_the_view(void)
{
	struct fixture f;
	struct log_page page;

	fixture_start(&f);
	fixture_close(&f);
	CU_ASSERT_EQUAL(
	    fixture_sql(&f,
	        "INSERT INTO publish(channel, data) VALUES ('/a/b', 'text');"
	        "INSERT INTO publish(channel, data, event, id, json) VALUES"
	        "('a/b', ' {\"x\" : [1, 2]} ', 'ev', 'id', 1),"
	        "('a/b', '\"just\\ttext\"', NULL, NULL, 1),"
	        "('a/b', 'null', '', '', 1), ('a/b', NULL, NULL, NULL, NULL),"
	        "(17, 42, NULL, NULL, 0)"),
	    SQLITE_OK);
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a/b", "ours"), 7);
	CU_ASSERT_EQUAL(
	    fixture_sql(&f,
	        "INSERT INTO publish(channel, data) VALUES ('a/b', 'theirs')"),
	    SQLITE_OK);
	page = fixture_page_of(&f, "a/b", 0, 100, &got);
	CU_ASSERT_EQUAL(page.n, 7);
	CU_ASSERT_STRING_EQUAL(got.data[0], "text");
	CU_ASSERT_STRING_EQUAL(got.data[1], "{\"x\":[1,2]}");
	CU_ASSERT_STRING_EQUAL(got.data[2], "just\ttext");
	CU_ASSERT_STRING_EQUAL(got.data[3], "null");
	CU_ASSERT_STRING_EQUAL(got.data[4], "");
	CU_ASSERT_STRING_EQUAL(got.data[6], "theirs");
	fixture_page_of(&f, "a/b", 1, 1, &got);
	CU_ASSERT_STRING_EQUAL(got.event, "ev");
	CU_ASSERT_STRING_EQUAL(got.id, "id");
	CU_ASSERT(got.is_json);
	fixture_page_of(&f, "a/b", 2, 1, &got);
	CU_ASSERT(!got.is_json);
	fixture_page_of(&f, "a/b", 3, 1, &got);
	CU_ASSERT(got.is_json && !got.has_event && !got.has_id);
	page = fixture_page_of(&f, "17", 0, 1, &got);
	CU_ASSERT_STRING_EQUAL(got.data[0], "42");
	CU_ASSERT_EQUAL(fixture_int(&f,
	                    "SELECT newest * 100 + messages FROM channel WHERE "
	                    "name = 'a/b'"),
	    807);
	CU_ASSERT_EQUAL(
	    fixture_int(&f,
	        "SELECT abs(max(time_ms) - strftime('%s') * 1000) < 5000 "
	        "FROM message"),
	    1);
	fixture_fini(&f);
}

static void
foreign_writer_is_told_what_is_wrong(void)
{
	static const struct {
		const char *values, *text;
	} bad[] = {
	    {"'', 'x', NULL, NULL, 0", "channel is missing or empty"},
	    {"'/', 'x', NULL, NULL, 0", "channel is missing or empty"},
	    {"NULL, 'x', NULL, NULL, 0", "channel is missing or empty"},
	    {"'//a', 'x', NULL, NULL, 0", "more than one /"},
	    {"'$a', 'x', NULL, NULL, 0", "reserved"},
	    {"'/$a', 'x', NULL, NULL, 0", "reserved"},
	    {"'a/*', 'x', NULL, NULL, 0", "only patterns"},
	    {"'a' || char(10), 'x', NULL, NULL, 0", "control"},
	    {"'a' || char(0) || 'b', 'x', NULL, NULL, 0", "control"},
	    {"'a' || char(127), 'x', NULL, NULL, 0", "control"},
	    {"'a' || char(133), 'x', NULL, NULL, 0", "control"},
	    {"CAST(x'61c3' AS TEXT), 'x', NULL, NULL, 0", "not UTF-8"},
	    {"printf('%0256d', 1), 'x', NULL, NULL, 0", "longer than 255"},
	    {"'a', zeroblob(65537), NULL, NULL, 0", "over the limit"},
	    {"'a', 'x', 'a' || char(13), NULL, 0", "event or id has control"},
	    {"'a', 'x', NULL, char(0), 0", "event or id has control"},
	    {"'a', 'x', NULL, printf('%0256d', 1), 0", "event or id is longer"},
	    {"'a', '{', NULL, NULL, 1", "not a JSON text"},
	    {"'a', NULL, NULL, NULL, 1", "not a JSON text"},
	};
	struct fixture f;
	char sql[200];

	fixture_start(&f);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(sql, sizeof sql,
		    "INSERT INTO publish(channel, data, "
		    "event, id, json) VALUES (%s)",
		    bad[i].values);
		CU_ASSERT_EQUAL(fixture_sql(&f, sql), SQLITE_CONSTRAINT);
		CU_ASSERT_PTR_EQUAL(strstr(f.e.text, "cometlog: "), f.e.text);
		CU_ASSERT_PTR_NOT_NULL(strstr(f.e.text, bad[i].text));
	}
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM message"), 0);
	CU_ASSERT_EQUAL(
	    fixture_sql(&f,
	        "INSERT INTO publish(channel, data) VALUES "
	        "(printf('%0255d', 1), zeroblob(65536)), ('$' || 'a', 'x')"),
	    SQLITE_CONSTRAINT);
	CU_ASSERT_EQUAL(fixture_sql(&f,
	                    "INSERT INTO publish(channel, data) VALUES "
	                    "(printf('%0255d', 1), zeroblob(65536))"),
	    SQLITE_OK);
	fixture_fini(&f);
}

static void
deleted_log_takes_no_message_that_would_be_lost(void)
{
	struct message m = {.channel = SLICE("a"), .data = SLICE("x")};
	struct appended result;
	struct waiting a;
	struct fixture f;
	uint32_t epoch;

	fixture_start(&f);
	epoch = log_epoch(f.log);
	fixture_put(&f, "a", "1");
	fixture_put(&f, "b", "2");
	CU_ASSERT_EQUAL(unlink(f.path), 0);
	CU_ASSERT_EQUAL(waiting_begin(f.w, &a, &m, &result, 1), RC_OK);
	CU_ASSERT_EQUAL(waiting_end(&a), RC_OK);
	CU_ASSERT_EQUAL(result.seq, 1);
	CU_ASSERT_EQUAL(a.a.epoch, log_epoch(f.log));
	CU_ASSERT_NOT_EQUAL(a.a.epoch, epoch);
	fixture_page_of(&f, "a", 0, 10, &got);
	CU_ASSERT_EQUAL(got.n, 1);
	CU_ASSERT_STRING_EQUAL(got.data[0], "x");
	fixture_fini(&f);
}

static void
message_that_went_into_a_deleted_log_is_not_acknowledged(void)
{
	struct message m = {.channel = SLICE("a"), .data = SLICE("x")};
	struct appended result;
	struct waiting a;
	struct fixture f;
	sqlite3 *lock;
	enum rc rc;

	fixture_start(&f);
	fixture_put(&f, "a", "1");
	lock = fixture_foreign(&f);
	sqlite3_exec(lock, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	CU_ASSERT_EQUAL(waiting_begin(f.w, &a, &m, &result, 1), RC_OK);
	usleep(50000); /* until the writer waits for the lock, most likely */
	CU_ASSERT_EQUAL(unlink(f.path), 0);
	sqlite3_exec(lock, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(lock);
	rc = waiting_end(&a);
	fixture_page_of(&f, "a", 0, 10, &got);
	CU_ASSERT(rc == RC_OK ? got.n == 1 : got.n == 0);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "2"), got.n + 1);
	fixture_fini(&f);
}

static void
channel_that_others_deleted_is_made_again(void)
{
	struct fixture f;

	fixture_start(&f);
	fixture_put(&f, "a", "1");
	fixture_put(&f, "b", "2");
	CU_ASSERT_EQUAL(
	    fixture_sql(&f,
	        "DELETE FROM message; DELETE FROM channel;"
	        "UPDATE meta SET forgotten_after = 2;"
	        "INSERT INTO publish(channel, data) VALUES ('b', '3')"),
	    SQLITE_OK);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "4"), 4);
	CU_ASSERT_EQUAL(fixture_put(&f, "b", "5"), 5);
	CU_ASSERT_EQUAL(fixture_page_of(&f, "b", 0, 9, &got).n, 2);
	CU_ASSERT_EQUAL(fixture_page_of(&f, "a", 0, 9, &got).n, 1);
	CU_ASSERT_EQUAL(fixture_page_of(&f, "a", 0, 9, &got).kept_after, 2);
	CU_ASSERT_EQUAL(fixture_page(&f, NULL, 0, 9, &got).n, 3);
	fixture_fini(&f);
}

static void
wal_begins_anew_while_messages_keep_coming(void)
{
	static char kilobytes[50000];
	struct message m = {
	    .channel = SLICE("a"), .data = {kilobytes, sizeof kilobytes}};
	struct appended result;
	struct log_figures figures;
	struct fixture f;
	int n = 0, before;

	memset(kilobytes, 'x', sizeof kilobytes);
	fixture_start(&f);
	fixture_put(&f, "a", "x");
	before = fixture_wal_restarts(log_change_path(f.log));
	/* at 8 MiB or soon after */
	while (fixture_wal_restarts(log_change_path(f.log)) == before &&
	    n++ < 6000)
		CU_ASSERT_EQUAL_FATAL(
		    fixture_append(&f, &m, &result, 1), RC_OK);
	CU_ASSERT(n < 6000);
	CU_ASSERT_EQUAL(log_figures(f.r, &figures, &f.e), RC_OK);
	CU_ASSERT(figures.file_bytes > 1 << 20);
	CU_ASSERT_EQUAL(figures.messages, (uint64_t)n + 1);
	fixture_fini(&f);
}

static off_t
size_of_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void
wal_in_use_gets_its_length_beforehand(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	const off_t length = 9 << 20;
	struct fixture f;
	int n;

	fixture_start(&f);
	fixture_put(&f, "a", "x");
	CU_ASSERT(size_of_file(log_change_path(f.log)) < length);
	for (n = 0; n < 64; n++)
		fixture_put(&f, "a", "x");
	/* piece by piece, also when nothing more is stored */
	for (int i = 0;
	     i < 30000 && size_of_file(log_change_path(f.log)) < length; i++)
		nanosleep(&pause, NULL);
	CU_ASSERT_EQUAL(size_of_file(log_change_path(f.log)), length);
	/* zeros are no messages, to whoever opens it anew */
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM message"), n + 1);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "x"), (uint64_t)n + 2);
	fixture_fini(&f);
}

static void
want_of_memory_stores_nothing(void)
{
	struct message m[2] = {{.channel = SLICE("a"), .data = SLICE("1")},
	    {.channel = SLICE("b"), .data = SLICE("2")}};
	struct appended result[2];
	struct append a = {.message = m, .result = result, .n = 2};
	struct stored stored;
	struct fixture f;
	struct commit c;
	unsigned after;
	enum rc rc;

	fixture_start(&f);
	commit_init(&c, f.log);
	for (after = 0;; after++) {
		fail_alloc_after(after);
		rc = commit_group(&c, &a, NULL, &stored, &f.e);
		if (!fail_alloc_end())
			break;
		CU_ASSERT_EQUAL(rc, RC_NOMEM);
		CU_ASSERT_EQUAL(
		    fixture_int(&f, "SELECT count(*) FROM channel"), 0);
	}
	CU_ASSERT_EQUAL(rc, RC_OK);
	CU_ASSERT_EQUAL(after, 2);
	CU_ASSERT(result[0].seq == 1 && result[1].seq == 2);
	commit_fini(&c);
	fixture_fini(&f);
}

/* A tool that was only told where the log lies. */
static void
guest_takes_the_limits_of_the_log(void)
{
	struct fixture f;

	fixture_init(&f);
	f.o.message_bytes = 5000;
	f.o.dedupe_ms = 777000;
	fixture_open(&f);
	fixture_close(&f);
	f.o.message_bytes = 10;
	f.o.dedupe_ms = 20;
	f.o.is_guest = true;
	fixture_open(&f);
	CU_ASSERT_EQUAL(log_message_bytes(f.log), 5000);
	CU_ASSERT_EQUAL(
	    fixture_int(&f, "SELECT message_bytes FROM meta"), 5000);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT dedupe_ms FROM meta"), 777000);
	fixture_fini(&f);
}

static void
guest_gives_a_new_log_its_own_limits(void)
{
	struct fixture f;

	fixture_init(&f);
	f.o.message_bytes = 5000;
	f.o.is_guest = true;
	fixture_open(&f);
	CU_ASSERT_EQUAL(log_message_bytes(f.log), 5000);
	CU_ASSERT_EQUAL(
	    fixture_int(&f, "SELECT message_bytes FROM meta"), 5000);
	fixture_fini(&f);
}

CU_TestInfo test_log_writer[] = {
    {"messages_get_adjacent_seqs_in_order",
        messages_get_adjacent_seqs_in_order},
    {"answer_comes_after_commit_and_wake", answer_comes_after_commit_and_wake},
    {"used_id_stores_nothing_and_gives_the_first_seq",
        used_id_stores_nothing_and_gives_the_first_seq},
    {"full_queue_is_busy_and_takes_more_later",
        full_queue_is_busy_and_takes_more_later},
    {"locked_log_is_busy_and_recovers", locked_log_is_busy_and_recovers},
    {"full_disk_stores_no_part_of_a_batch_and_passes",
        full_disk_stores_no_part_of_a_batch_and_passes},
    {"killed_process_leaves_all_that_was_answered_once_and_in_order",
        killed_process_leaves_all_that_was_answered_once_and_in_order},
    {"processes_append_at_once_without_loss",
        processes_append_at_once_without_loss},
    {"threads_append_while_others_look", threads_append_while_others_look},
    {"stopping_stores_and_answers_what_waits",
        stopping_stores_and_answers_what_waits},
    {"finished_writer_is_busy_and_still_has_its_figures",
        finished_writer_is_busy_and_still_has_its_figures},
    {"foreign_writer_needs_nothing_but_the_view",
        foreign_writer_needs_nothing_but_the_view},
    {"foreign_writer_is_told_what_is_wrong",
        foreign_writer_is_told_what_is_wrong},
    {"deleted_log_takes_no_message_that_would_be_lost",
        deleted_log_takes_no_message_that_would_be_lost},
    {"message_that_went_into_a_deleted_log_is_not_acknowledged",
        message_that_went_into_a_deleted_log_is_not_acknowledged},
    {"channel_that_others_deleted_is_made_again",
        channel_that_others_deleted_is_made_again},
    {"want_of_memory_stores_nothing", want_of_memory_stores_nothing},
    {"wal_in_use_gets_its_length_beforehand",
        wal_in_use_gets_its_length_beforehand},
    {"wal_begins_anew_while_messages_keep_coming",
        wal_begins_anew_while_messages_keep_coming},
    {"guest_takes_the_limits_of_the_log", guest_takes_the_limits_of_the_log},
    {"guest_gives_a_new_log_its_own_limits",
        guest_gives_a_new_log_its_own_limits},
    CU_TEST_INFO_NULL,
};
