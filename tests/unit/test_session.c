/* Sessions in the log: making, changing, reading and forgetting them. */
#include "fail_alloc.h"
#include "log/retain.h"
#include "log_fixture.h"
#include "tests.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* A change that can be waited for. */
struct changing {
	struct log_change c; /* first, so that done finds the rest */
	sem_t is_done;
	enum rc rc;
	char why[128];
};

static void
changing_done(struct log_change *c, enum rc rc, const char *why)
{
	struct changing *w = (struct changing *)c;

	w->rc = rc;
	snprintf(w->why, sizeof w->why, "%s", why);
	sem_post(&w->is_done);
}

static enum rc
changing_begin(struct fixture *f, struct changing *w)
{
	w->c.done = changing_done;
	sem_init(&w->is_done, 0, 0);
	return log_change(f->w, &w->c, &f->e);
}

static enum rc
changing_end(struct changing *w)
{
	while (sem_wait(&w->is_done) != 0)
		;
	sem_destroy(&w->is_done);
	return w->rc;
}

static enum rc
change(struct fixture *f, struct changing *w)
{
	enum rc rc = changing_begin(f, w);

	if (rc == RC_OK)
		rc = changing_end(w);
	if (rc != RC_OK && w->why[0] != '\0')
		snprintf(f->e.text, sizeof f->e.text, "%s", w->why);
	return rc;
}

static enum rc
begin_session(struct fixture *f, const char *id, uint32_t *slot)
{
	struct changing w = {
	    .c = {.kind = LOG_SESSION_NEW, .id = slice_of(id)}};
	enum rc rc = change(f, &w);

	*slot = w.c.slot;
	return rc;
}

static uint32_t
made(struct fixture *f, const char *id)
{
	uint32_t slot;

	CU_ASSERT_EQUAL(begin_session(f, id, &slot), RC_OK);
	return slot;
}

static enum rc
end_session(struct fixture *f, const char *id)
{
	struct changing w = {
	    .c = {.kind = LOG_SESSION_END, .id = slice_of(id)}};

	return change(f, &w);
}

static enum rc
subscribe(struct fixture *f, const char *id, uint64_t cursor,
    const struct log_subscription *item, size_t n)
{
	struct changing w = {.c = {.kind = LOG_SESSION_SUBSCRIBE,
	                         .id = slice_of(id),
	                         .cursor = cursor,
	                         .item = item,
	                         .n = n}};

	return change(f, &w);
}

static struct log_session
read_session(struct fixture *f, const char *id)
{
	struct log_session s;

	CU_ASSERT_EQUAL(log_session_read(f->r, slice_of(id), &s, &f->e), RC_OK);
	return s;
}

static bool
is_missing(struct fixture *f, const char *id)
{
	struct log_session s;

	enum rc rc = log_session_read(f->r, slice_of(id), &s, &f->e);
	bool is_empty = s.item == NULL;

	log_session_fini(&s);
	return rc == RC_MISSING && is_empty;
}

/* Each slot up to the highest is used once or free once, and no subscription
   is without its session. */
static bool
slots_are_whole(struct fixture *f)
{
	return fixture_int(f,
	           "SELECT count(*) = count(DISTINCT slot) AND "
	           "coalesce(max(slot) + 1, 0) = count(*) FROM ("
	           "SELECT slot FROM session UNION ALL "
	           "SELECT slot FROM session_free)") == 1 &&
	    fixture_int(f,
	        "SELECT count(*) FROM subscription "
	        "WHERE slot NOT IN (SELECT slot FROM session)") == 0;
}

static void
sessions_init(struct fixture *f)
{
	fixture_init(f);
	f->o.sessions = 1000;
	f->o.subscriptions = 4;
	f->o.session_idle_ms = 120000;
}

static void
sessions_start(struct fixture *f)
{
	sessions_init(f);
	fixture_open(f);
}

static void
session_is_read_as_it_was_made(void)
{
	const char browser[] = {0, 1, 2, (char)255};
	struct changing w = {.c = {.kind = LOG_SESSION_NEW,
	                         .id = SLICE("abc"),
	                         .browser = {browser, sizeof browser},
	                         .has_replay = true}};
	struct log_session s;
	struct fixture f;

	sessions_start(&f);
	fixture_put(&f, "a", "1");
	CU_ASSERT_EQUAL(change(&f, &w), RC_OK);
	CU_ASSERT(w.c.slot == 0 && w.c.begin == 1);
	CU_ASSERT(w.c.tip.seq == 1 && w.c.tip.epoch == log_epoch(f.log));
	fixture_put(&f, "a", "2");
	s = read_session(&f, "abc");
	CU_ASSERT(s.slot == 0 && !s.has_ack && s.has_replay && s.n == 0);
	CU_ASSERT(s.cursor == 1 && s.tip.seq == 2);
	CU_ASSERT(s.epoch == s.tip.epoch && s.epoch == log_epoch(f.log));
	CU_ASSERT(slice_is(s.browser, (struct slice){browser, 4}));
	CU_ASSERT(s.seen_ms <= clock_unix_ms());
	CU_ASSERT(s.seen_ms > clock_unix_ms() - 60000);
	log_session_fini(&s);
	w.c.browser = (struct slice){0};
	w.c.id = SLICE("d");
	w.c.has_ack = true;
	CU_ASSERT_EQUAL(change(&f, &w), RC_OK);
	s = read_session(&f, "d");
	CU_ASSERT(s.slot == 1 && s.has_ack && s.browser.p == NULL);
	log_session_fini(&s);
	CU_ASSERT_EQUAL(change(&f, &w), RC_DENIED);
	CU_ASSERT(is_missing(&f, "ab") && is_missing(&f, ""));
	CU_ASSERT(is_missing(&f, "ABC"));
	fixture_fini(&f);
}

static void
subscriptions_come_and_go(void)
{
	const struct log_subscription item[] = {
	    {SLICE("c/**"), LOG_AFTER_NEWEST}, {SLICE("a"), 1},
	    {SLICE("b"), 2}};
	const struct log_subscription gone[] = {
	    {SLICE("a"), 0}, {SLICE("never"), 0}};
	struct changing w = {.c = {.kind = LOG_SESSION_UNSUBSCRIBE,
	                         .id = SLICE("s"),
	                         .item = gone,
	                         .n = 2}};
	struct log_session s;
	struct fixture f;

	sessions_start(&f);
	made(&f, "other");
	made(&f, "s");
	for (int i = 0; i < 3; i++)
		fixture_put(&f, "a", "x");
	CU_ASSERT_EQUAL(subscribe(&f, "s", 0, item, 3), RC_OK);
	CU_ASSERT_EQUAL(subscribe(&f, "other", 0, item + 2, 1), RC_OK);
	s = read_session(&f, "s");
	CU_ASSERT_EQUAL_FATAL(s.n, 3);
	CU_ASSERT(slice_is(s.item[0].pattern, SLICE("a")));
	CU_ASSERT(s.item[0].after == 1 && s.item[1].after == 2);
	CU_ASSERT(slice_is(s.item[2].pattern, SLICE("c/**")));
	CU_ASSERT_EQUAL(s.item[2].after, 3);
	log_session_fini(&s);
	CU_ASSERT_EQUAL(change(&f, &w), RC_OK);
	s = read_session(&f, "s");
	CU_ASSERT(s.n == 2 && slice_is(s.item[0].pattern, SLICE("b")));
	log_session_fini(&s);
	CU_ASSERT_EQUAL(end_session(&f, "s"), RC_OK);
	CU_ASSERT(is_missing(&f, "s"));
	CU_ASSERT_EQUAL(end_session(&f, "s"), RC_MISSING);
	CU_ASSERT_EQUAL(subscribe(&f, "s", 0, item, 3), RC_MISSING);
	CU_ASSERT_EQUAL(change(&f, &w), RC_MISSING);
	s = read_session(&f, "other");
	CU_ASSERT_EQUAL(s.n, 1);
	log_session_fini(&s);
	CU_ASSERT(slots_are_whole(&f));
	fixture_fini(&f);
}

static void
slot_is_the_lowest_free_one_below_the_bound(void)
{
	struct log_figures figures;
	struct fixture f;
	uint32_t slot;

	sessions_init(&f);
	f.o.sessions = 3;
	fixture_open(&f);
	CU_ASSERT(made(&f, "a") == 0 && made(&f, "b") == 1);
	CU_ASSERT_EQUAL(made(&f, "c"), 2);
	CU_ASSERT_EQUAL(begin_session(&f, "d", &slot), RC_BUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.e.text, "bayeux-sessions"));
	CU_ASSERT(is_missing(&f, "d"));
	CU_ASSERT_EQUAL(log_figures(f.r, &figures, &f.e), RC_OK);
	CU_ASSERT_EQUAL(figures.sessions, 3);
	CU_ASSERT_EQUAL(end_session(&f, "b"), RC_OK);
	CU_ASSERT_EQUAL(made(&f, "d"), 1);
	CU_ASSERT_EQUAL(end_session(&f, "c"), RC_OK);
	CU_ASSERT_EQUAL(end_session(&f, "a"), RC_OK);
	CU_ASSERT(slots_are_whole(&f));
	CU_ASSERT(made(&f, "e") == 0 && made(&f, "f") == 2);
	CU_ASSERT_EQUAL(begin_session(&f, "g", &slot), RC_BUSY);
	CU_ASSERT(slots_are_whole(&f));
	fixture_fini(&f);
}

static void
too_many_subscriptions_are_refused_as_a_whole(void)
{
	const struct log_subscription item[] = {{SLICE("a"), 0},
	    {SLICE("b"), 0}, {SLICE("c"), 0}, {SLICE("d"), 0}, {SLICE("e"), 0}};
	struct log_session s;
	struct fixture f;

	sessions_start(&f);
	made(&f, "s");
	CU_ASSERT_EQUAL(subscribe(&f, "s", 0, item, 5), RC_TOO_LARGE);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.e.text, "bayeux-subscriptions"));
	s = read_session(&f, "s");
	CU_ASSERT_EQUAL(s.n, 0);
	log_session_fini(&s);
	CU_ASSERT_EQUAL(subscribe(&f, "s", 0, item, 3), RC_OK);
	CU_ASSERT_EQUAL(subscribe(&f, "s", 0, item, 4), RC_OK);
	CU_ASSERT_EQUAL(subscribe(&f, "s", 0, item + 1, 3), RC_OK);
	CU_ASSERT_EQUAL(subscribe(&f, "s", 0, item + 4, 1), RC_TOO_LARGE);
	s = read_session(&f, "s");
	CU_ASSERT_EQUAL(s.n, 4);
	log_session_fini(&s);
	fixture_fini(&f);
}

static enum rc
see(struct fixture *f, const char *id, uint64_t cursor, uint32_t epoch)
{
	struct changing w = {.c = {.kind = LOG_SESSION_SEEN,
	                         .id = slice_of(id),
	                         .cursor = cursor,
	                         .epoch = epoch}};

	CU_ASSERT_EQUAL_FATAL(changing_begin(f, &w), RC_OK);
	/* so that it is stored now */
	CU_ASSERT_EQUAL(fixture_append(f, NULL, NULL, 0), RC_OK);
	return changing_end(&w);
}

/* So that it is due to be written again. */
static void
make_older(struct fixture *f)
{
	CU_ASSERT_EQUAL(
	    fixture_sql(f, "UPDATE session SET seen_ms = seen_ms - 60001"),
	    SQLITE_OK);
}

static void
subscribing_to_the_past_takes_the_session_back_but_not_the_others(void)
{
	const struct log_subscription first[] = {
	    {SLICE("a"), LOG_AFTER_NEWEST}, {SLICE("b"), 9}};
	const struct log_subscription past[] = {{SLICE("c"), 2}};
	struct changing w = {.c = {.kind = LOG_SESSION_SUBSCRIBE,
	                         .id = SLICE("s"),
	                         .item = past,
	                         .n = 1,
	                         .cursor = 4}};
	struct log_session s;
	struct fixture f;

	sessions_start(&f);
	for (int i = 0; i < 3; i++)
		fixture_put(&f, "a", "x");
	made(&f, "s");
	CU_ASSERT_EQUAL(subscribe(&f, "s", 3, first, 2), RC_OK);
	fixture_put(&f, "a", "given");
	make_older(&f);
	CU_ASSERT_EQUAL(change(&f, &w), RC_OK);
	CU_ASSERT_EQUAL(w.c.begin, 2);
	/* what another process was about to write of the time before */
	CU_ASSERT_EQUAL(see(&f, "s", 4, log_epoch(f.log)), RC_OK);
	s = read_session(&f, "s");
	CU_ASSERT_EQUAL_FATAL(s.n, 3);
	CU_ASSERT_EQUAL(s.cursor, 2);
	CU_ASSERT(s.item[0].after == 4 && s.item[1].after == 9);
	CU_ASSERT_EQUAL(s.item[2].after, 2);
	log_session_fini(&s);
	fixture_fini(&f);
}

static bool
row_is(struct fixture *f, uint64_t cursor, uint32_t epoch)
{
	struct log_session s = read_session(f, "s");
	bool is_so = s.cursor == cursor && s.epoch == epoch;

	log_session_fini(&s);
	return is_so;
}

static void
session_in_use_is_written_once_a_minute(void)
{
	int64_t now_ms = clock_unix_ms();
	struct fixture f;
	uint32_t epoch;

	sessions_start(&f);
	epoch = log_epoch(f.log);
	made(&f, "s");
	CU_ASSERT_EQUAL(see(&f, "s", 5, epoch), RC_OK);
	CU_ASSERT(row_is(&f, 0, epoch));
	make_older(&f);
	CU_ASSERT_EQUAL(see(&f, "s", 5, epoch), RC_OK);
	CU_ASSERT(row_is(&f, 5, epoch));
	CU_ASSERT(fixture_int(&f, "SELECT seen_ms FROM session") >= now_ms);
	/* never back, but into another epoch, and that at once */
	make_older(&f);
	CU_ASSERT_EQUAL(see(&f, "s", 3, epoch), RC_OK);
	CU_ASSERT(row_is(&f, 5, epoch));
	CU_ASSERT(fixture_int(&f, "SELECT seen_ms FROM session") >= now_ms);
	CU_ASSERT_EQUAL(see(&f, "s", 1, epoch + 1), RC_OK);
	CU_ASSERT(row_is(&f, 1, epoch + 1));
	CU_ASSERT_EQUAL(see(&f, "t", 1, epoch), RC_MISSING);
	fixture_fini(&f);
}

/* What happened, in order: "s" seen, "d" subscribed, "c" committed, "a"
   appended; and whether the wake file was there. */
struct order {
	char step[8];
	size_t n;
	char wake[8];
	const char *wake_path;
};

static struct order order;

static void
note(char what)
{
	order.step[order.n] = what;
	order.wake[order.n++] = access(order.wake_path, F_OK) == 0 ? 'y' : 'n';
}

static void
note_committed(void *arg, const struct append *list)
{
	(void)arg;
	(void)list;
	note('c');
}

static void
note_change(struct log_change *c, enum rc rc, const char *why)
{
	note(c->kind == LOG_SESSION_SEEN ? 's' : 'd');
	changing_done(c, rc, why);
}

static void
note_append(struct append *a, enum rc rc, const char *why)
{
	note('a');
	waiting_done(a, rc, why);
}

static void
order_start(struct fixture *f)
{
	sessions_init(f);
	f->wo.committed = note_committed;
	fixture_open(f);
	order = (struct order){.wake_path = log_wake_path(f->log)};
	made(f, "s");
	CU_ASSERT_EQUAL(order.n, 0);
	CU_ASSERT_EQUAL(unlink(order.wake_path), 0);
}

static void
changed_subscription_is_answered_before_others_are_woken(void)
{
	struct changing w = {
	    .c = {.kind = LOG_SESSION_SUBSCRIBE, .id = SLICE("s")}};
	struct fixture f;

	order_start(&f);
	w.c.done = note_change;
	sem_init(&w.is_done, 0, 0);
	CU_ASSERT_EQUAL(log_change(f.w, &w.c, &f.e), RC_OK);
	CU_ASSERT_EQUAL(changing_end(&w), RC_OK);
	log_writer_stop(f.w);
	f.w = NULL;
	CU_ASSERT_STRING_EQUAL(order.step, "dc");
	CU_ASSERT_STRING_EQUAL(order.wake, "nn");
	CU_ASSERT_EQUAL(access(order.wake_path, F_OK), 0);
	fixture_fini(&f);
}

static void
change_that_nobody_waits_for_waits_for_another(void)
{
	struct message m = {.channel = SLICE("a")};
	struct appended result;
	struct changing w = {.c = {.kind = LOG_SESSION_SEEN,
	                         .id = SLICE("s"),
	                         .done = note_change}};
	struct waiting a = {
	    .a = {
	        .message = &m, .result = &result, .n = 1, .done = note_append}};
	struct log_writer_figures before, after;
	struct fixture f;
	uint64_t since_ms;

	order_start(&f);
	log_writer_figures(f.w, &before);
	sem_init(&w.is_done, 0, 0);
	sem_init(&a.is_done, 0, 0);
	CU_ASSERT_EQUAL(log_change(f.w, &w.c, &f.e), RC_OK);
	CU_ASSERT_EQUAL(log_append(f.w, &a.a, &f.e), RC_OK);
	CU_ASSERT_EQUAL(changing_end(&w), RC_OK);
	CU_ASSERT_EQUAL(waiting_end(&a), RC_OK);
	CU_ASSERT_STRING_EQUAL(order.step, "sca");
	CU_ASSERT_STRING_EQUAL(order.wake, "nny");
	log_writer_figures(f.w, &after);
	CU_ASSERT_EQUAL(after.commits, before.commits + 1);
	CU_ASSERT_EQUAL(after.queued, 0);
	/* alone it is stored in a second; or when the writer stops */
	since_ms = clock_mono_ms();
	CU_ASSERT_EQUAL(change(&f, &w), RC_OK);
	CU_ASSERT(clock_mono_ms() >= since_ms + 990);
	CU_ASSERT_EQUAL(changing_begin(&f, &w), RC_OK);
	log_writer_stop(f.w);
	f.w = NULL;
	CU_ASSERT_EQUAL(changing_end(&w), RC_OK);
	fixture_fini(&f);
}

/* One step of retention's last part, as if so much time had passed. */
static bool
forget_step(struct fixture *f, struct db *db, int64_t ms)
{
	struct retain r = {.at = RETAIN_SESSIONS};
	uint64_t deleted;
	bool is_over;

	CU_ASSERT_EQUAL(retain_step(&r, db, &f->o, clock_unix_ms() + ms,
	                    &is_over, &deleted, &f->e),
	    RC_OK);
	CU_ASSERT_EQUAL(deleted, 0);
	return is_over;
}

static void
unused_sessions_go_in_small_steps(void)
{
	const struct log_subscription item[] = {
	    {SLICE("a"), 0}, {SLICE("b"), 0}};
	struct fixture f;
	struct db db;
	char id[16];
	int steps;

	sessions_init(&f);
	f.o.retain_step = 7;
	fixture_open(&f);
	for (int i = 0; i < 10; i++) {
		snprintf(id, sizeof id, "%d", i);
		made(&f, id);
		CU_ASSERT_EQUAL(subscribe(&f, id, 0, item, 2), RC_OK);
	}
	CU_ASSERT_EQUAL(fixture_sql(&f,
	                    "UPDATE session SET seen_ms = seen_ms + 3600000 "
	                    "WHERE id = '4'"),
	    SQLITE_OK);
	CU_ASSERT_EQUAL_FATAL(
	    db_open(&db, f.path, DB_WRITE, &f.o, &f.e), RC_OK);
	/* no sooner than rows are written */
	CU_ASSERT(forget_step(&f, &db, 125000));
	CU_ASSERT_FALSE(forget_step(&f, &db, 180001));
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM session"), 7);
	for (steps = 1; !forget_step(&f, &db, 180001); steps++)
		CU_ASSERT(steps < 5);
	CU_ASSERT_EQUAL(steps, 3);
	db_close(&db);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM session"), 1);
	CU_ASSERT(is_missing(&f, "3") && !is_missing(&f, "4"));
	CU_ASSERT_EQUAL(
	    fixture_int(&f, "SELECT count(*) FROM subscription"), 2);
	CU_ASSERT(slots_are_whole(&f));
	CU_ASSERT_EQUAL(made(&f, "new"), 0);
	fixture_fini(&f);
}

/* A tool that stores a message needn't know how long sessions are kept. */
static void
process_that_was_not_told_how_long_forgets_none(void)
{
	struct fixture f;
	struct db db;

	sessions_init(&f);
	f.o.session_idle_ms = 0;
	fixture_open(&f);
	made(&f, "s");
	CU_ASSERT_EQUAL_FATAL(
	    db_open(&db, f.path, DB_WRITE, &f.o, &f.e), RC_OK);
	CU_ASSERT(forget_step(&f, &db, 86400000));
	db_close(&db);
	CU_ASSERT_FALSE(is_missing(&f, "s"));
	fixture_fini(&f);
}

static void
writer_forgets_sessions_by_itself(void)
{
	struct fixture f;

	sessions_init(&f);
	f.wo.retain_every_ms = 1;
	fixture_open(&f);
	made(&f, "young");
	made(&f, "old");
	CU_ASSERT_EQUAL(fixture_sql(&f,
	                    "UPDATE session SET seen_ms = seen_ms - 180001 "
	                    "WHERE id = 'old'"),
	    SQLITE_OK);
	while (fixture_int(&f, "SELECT count(*) FROM session") > 1)
		usleep(1000);
	CU_ASSERT(is_missing(&f, "old"));
	CU_ASSERT_FALSE(is_missing(&f, "young"));
	fixture_fini(&f);
}

/* A session that was last used when it would go. */
static void
make_old(struct fixture *f, const char *id)
{
	made(f, id);
	CU_ASSERT_EQUAL(
	    fixture_sql(f, "UPDATE session SET seen_ms = seen_ms - 180001"),
	    SQLITE_OK);
}

static void
process_of_one_request_forgets_sessions_when_it_has_made_one(void)
{
	struct fixture f;

	sessions_start(&f);
	make_old(&f, "old");
	fixture_close(&f);
	fixture_open(&f);
	log_writer_retain_at_stop(f.w);
	fixture_close(&f);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM session"), 1);
	fixture_open(&f);
	log_writer_retain_at_stop(f.w);
	made(&f, "new");
	fixture_close(&f);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM session"), 1);
	fixture_open(&f);
	CU_ASSERT(is_missing(&f, "old") && !is_missing(&f, "new"));
	fixture_fini(&f);
}

static void
who_knows_no_limits_forgets_no_sessions(void)
{
	struct fixture f;
	struct db db;

	sessions_start(&f);
	make_old(&f, "old");
	f.o.session_idle_ms = 0;
	CU_ASSERT_EQUAL_FATAL(
	    db_open(&db, f.path, DB_WRITE, &f.o, &f.e), RC_OK);
	CU_ASSERT(forget_step(&f, &db, 0));
	db_close(&db);
	CU_ASSERT_FALSE(is_missing(&f, "old"));
	fixture_fini(&f);
}

/* In a child: sessions, each reported once it is made, with its subscription;
   every third one ends again. */
static void
make_and_report(struct fixture *f, const char *name, int n, int fd)
{
	const struct log_subscription item = {SLICE("a"), LOG_AFTER_NEWEST};
	char id[24];
	uint32_t slot;

	if (fixture_try_open(f) != RC_OK)
		_exit(1);
	for (int i = 0; i < n; i++) {
		snprintf(id, sizeof id, "%s%d", name, i);
		if (begin_session(f, id, &slot) != RC_OK ||
		    subscribe(f, id, 0, &item, 1) != RC_OK)
			_exit(2);
		if (fd >= 0 && write(fd, &i, sizeof i) != sizeof i)
			_exit(3);
		if (fd < 0 && i % 3 == 0 && end_session(f, id) != RC_OK)
			_exit(4);
	}
	fixture_close(f);
	_exit(0);
}

static void
killed_process_leaves_all_sessions_that_were_answered(void)
{
	struct log_session s;
	struct fixture f;
	int fd[2], i, last = 0;
	char id[16];
	pid_t pid;

	sessions_init(&f);
	CU_ASSERT_EQUAL_FATAL(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		make_and_report(&f, "k", 1000, fd[1]);
	}
	close(fd[1]);
	while (read(fd[0], &i, sizeof i) == sizeof i) {
		last = i;
		if (i == 40)
			kill(pid, SIGKILL);
	}
	close(fd[0]);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	CU_ASSERT(last >= 40);
	fixture_open(&f);
	for (i = 0; i <= last; i++) {
		snprintf(id, sizeof id, "k%d", i);
		s = read_session(&f, id);
		CU_ASSERT(s.slot == (uint32_t)i && s.n == 1);
		log_session_fini(&s);
	}
	CU_ASSERT(slots_are_whole(&f));
	fixture_fini(&f);
}

static void
processes_give_out_each_slot_once(void)
{
	static const char *const name[] = {"a", "b", "c"};
	int status, bad = 0;
	struct fixture f;
	pid_t pid[3];

	sessions_init(&f);
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			make_and_report(&f, name[i], 90, -1);
	}
	for (int i = 0; i < 3; i++)
		bad += waitpid(pid[i], &status, 0) != pid[i] || status != 0;
	CU_ASSERT_EQUAL(bad, 0);
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM session"), 180);
	CU_ASSERT(fixture_int(&f, "SELECT max(slot) FROM session") <= 182);
	CU_ASSERT(slots_are_whole(&f));
	fixture_fini(&f);
}

#define EACH 100

static void *
change_in_thread(void *arg)
{
	struct fixture *f = arg;
	const struct log_subscription item = {SLICE("a"), LOG_AFTER_NEWEST};
	struct changing seen[EACH], w;
	intptr_t bad = 0;

	for (int i = 0; i < EACH; i++) {
		bad += subscribe(f, "s", 0, &item, 1) != RC_OK;
		seen[i] = (struct changing){
		    .c = {.kind = LOG_SESSION_SEEN, .id = SLICE("s")}};
		bad += changing_begin(f, &seen[i]) != RC_OK;
		w = (struct changing){.c = {.kind = LOG_SESSION_UNSUBSCRIBE,
		                          .id = SLICE("s"),
		                          .item = &item,
		                          .n = 1}};
		bad += change(f, &w) != RC_OK;
	}
	for (int i = 0; i < EACH; i++)
		bad += changing_end(&seen[i]) != RC_OK;
	return (void *)bad;
}

static void
threads_change_while_others_append_and_read(void)
{
	struct log_session s;
	struct fixture f;
	pthread_t thread[2];
	void *bad;

	sessions_init(&f);
	f.wo.retain_every_ms = 1;
	fixture_open(&f);
	made(&f, "s");
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(
		    pthread_create(&thread[i], NULL, change_in_thread, &f), 0);
	for (int i = 0; i < EACH; i++) {
		CU_ASSERT_EQUAL(fixture_put(&f, "a", "x"), (uint64_t)i + 1);
		s = read_session(&f, "s");
		CU_ASSERT(s.n <= 1 && s.tip.seq == (uint64_t)i + 1);
		log_session_fini(&s);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], &bad);
		CU_ASSERT_PTR_NULL(bad);
	}
	fixture_fini(&f);
}

static void
full_queue_is_busy(void)
{
	struct changing w[3] = {
	    {.c = {.kind = LOG_SESSION_NEW, .id = SLICE("a")}},
	    {.c = {.kind = LOG_SESSION_NEW, .id = SLICE("b")}},
	    {.c = {.kind = LOG_SESSION_NEW, .id = SLICE("c")}},
	};
	struct fixture f;
	sqlite3 *lock;

	sessions_init(&f);
	f.wo.queue_messages = 2;
	fixture_open(&f);
	lock = fixture_foreign(&f);
	sqlite3_exec(lock, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	CU_ASSERT_EQUAL(changing_begin(&f, &w[0]), RC_OK);
	CU_ASSERT_EQUAL(changing_begin(&f, &w[1]), RC_OK);
	CU_ASSERT_EQUAL(changing_begin(&f, &w[2]), RC_BUSY);
	sem_destroy(&w[2].is_done);
	sqlite3_exec(lock, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(lock);
	CU_ASSERT_EQUAL(changing_end(&w[0]), RC_OK);
	CU_ASSERT_EQUAL(changing_end(&w[1]), RC_OK);
	CU_ASSERT_EQUAL(change(&f, &w[2]), RC_OK);
	CU_ASSERT_EQUAL(w[2].c.slot, 2);
	fixture_fini(&f);
}

static void
locked_log_is_busy_and_changes_nothing(void)
{
	struct fixture f;
	sqlite3 *lock;
	uint32_t slot;

	sessions_init(&f);
	f.o.busy_ms = 30;
	fixture_open(&f);
	lock = fixture_foreign(&f);
	sqlite3_exec(lock, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	CU_ASSERT_EQUAL(begin_session(&f, "a", &slot), RC_BUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.e.text, "locked"));
	sqlite3_exec(lock, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(lock);
	CU_ASSERT(is_missing(&f, "a"));
	CU_ASSERT_EQUAL(made(&f, "a"), 0);
	fixture_fini(&f);
}

static void
new_log_knows_no_session_of_the_old_one(void)
{
	struct fixture f;

	sessions_start(&f);
	made(&f, "s");
	CU_ASSERT_EQUAL(unlink(f.path), 0);
	CU_ASSERT_EQUAL(subscribe(&f, "s", 0, NULL, 0), RC_MISSING);
	CU_ASSERT(is_missing(&f, "s"));
	CU_ASSERT_EQUAL(made(&f, "t"), 0);
	fixture_fini(&f);
}

static void
reading_survives_want_of_memory(void)
{
	const struct log_subscription item[] = {
	    {SLICE("a"), 0}, {SLICE("b"), 0}};
	struct log_session s;
	struct fixture f;
	unsigned after;
	enum rc rc;

	sessions_start(&f);
	made(&f, "s");
	CU_ASSERT_EQUAL(subscribe(&f, "s", 0, item, 2), RC_OK);
	for (after = 0;; after++) {
		fail_alloc_after(after);
		rc = log_session_read(f.r, SLICE("s"), &s, &f.e);
		if (!fail_alloc_end())
			break;
		CU_ASSERT(rc == RC_NOMEM && s.item == NULL && s.n == 0);
	}
	CU_ASSERT(after == 1 && rc == RC_OK && s.n == 2);
	log_session_fini(&s);
	fixture_fini(&f);
}

CU_TestInfo test_session[] = {
    {"session_is_read_as_it_was_made", session_is_read_as_it_was_made},
    {"subscriptions_come_and_go", subscriptions_come_and_go},
    {"slot_is_the_lowest_free_one_below_the_bound",
        slot_is_the_lowest_free_one_below_the_bound},
    {"too_many_subscriptions_are_refused_as_a_whole",
        too_many_subscriptions_are_refused_as_a_whole},
    {"subscribing_to_the_past_takes_the_session_back_but_not_the_others",
        subscribing_to_the_past_takes_the_session_back_but_not_the_others},
    {"session_in_use_is_written_once_a_minute",
        session_in_use_is_written_once_a_minute},
    {"changed_subscription_is_answered_before_others_are_woken",
        changed_subscription_is_answered_before_others_are_woken},
    {"change_that_nobody_waits_for_waits_for_another",
        change_that_nobody_waits_for_waits_for_another},
    {"unused_sessions_go_in_small_steps", unused_sessions_go_in_small_steps},
    {"process_that_was_not_told_how_long_forgets_none",
        process_that_was_not_told_how_long_forgets_none},
    {"writer_forgets_sessions_by_itself", writer_forgets_sessions_by_itself},
    {"process_of_one_request_forgets_sessions_when_it_has_made_one",
        process_of_one_request_forgets_sessions_when_it_has_made_one},
    {"who_knows_no_limits_forgets_no_sessions",
        who_knows_no_limits_forgets_no_sessions},
    {"killed_process_leaves_all_sessions_that_were_answered",
        killed_process_leaves_all_sessions_that_were_answered},
    {"processes_give_out_each_slot_once", processes_give_out_each_slot_once},
    {"threads_change_while_others_append_and_read",
        threads_change_while_others_append_and_read},
    {"full_queue_is_busy", full_queue_is_busy},
    {"locked_log_is_busy_and_changes_nothing",
        locked_log_is_busy_and_changes_nothing},
    {"new_log_knows_no_session_of_the_old_one",
        new_log_knows_no_session_of_the_old_one},
    {"reading_survives_want_of_memory", reading_survives_want_of_memory},
    CU_TEST_INFO_NULL,
};
