/* Logs of an older version, brought up to date; and seqs, which are given once
   in either. */
#include "base/buf.h"
#include "log/retain.h"
#include "log/schema.h"
#include "log/sql_text.h"
#include "log_fixture.h"
#include "tests.h"

#include <signal.h>
#include <sys/wait.h>

/* tests/unit/schema_1.sql */
extern const char sql_schema_1[];

static struct collected got;

/* A log of version 1 with five messages, of which the newest two are gone. */
static void
make_version_1(struct fixture *f)
{
	char marks[96];

	fixture_init(f);
	fixture_note_boot(f);
	snprintf(marks, sizeof marks,
	    "PRAGMA application_id = %d; PRAGMA user_version = 1",
	    SCHEMA_APPLICATION_ID);
	CU_ASSERT_EQUAL_FATAL(fixture_sql(f, sql_schema_1), SQLITE_OK);
	CU_ASSERT_EQUAL_FATAL(fixture_sql(f, marks), SQLITE_OK);
	CU_ASSERT_EQUAL_FATAL(
	    fixture_sql(f,
	        "PRAGMA journal_mode = WAL; UPDATE meta SET dedupe_ms = 60000;"
	        "INSERT INTO publish(channel, data, id) VALUES"
	        "('a', '1', 'one'), ('b', '2', NULL), ('a', '3', NULL),"
	        "('b', '4', NULL), ('b', '5', NULL);"
	        "DELETE FROM message WHERE seq > 3;"
	        "UPDATE channel SET messages = 1, bytes = 1, kept_after = 5 "
	        "WHERE name = 'b'"),
	    SQLITE_OK);
}

static bool
is_sound(struct fixture *f)
{
	return fixture_int(f, "PRAGMA user_version") == 2 &&
	    fixture_int(f,
	        "SELECT count(*) FROM pragma_integrity_check "
	        "WHERE integrity_check <> 'ok'") == 0 &&
	    fixture_int(f, "SELECT count(*) FROM message WHERE seq <= 3") == 3;
}

static void
log_of_version_1_goes_on_with_the_next_seq(void)
{
	struct message m = {
	    .channel = SLICE("a"), .data = SLICE("1"), .id = SLICE("one")};
	struct appended result;
	struct log_tip tip;
	struct fixture f;
	int64_t epoch;

	make_version_1(&f);
	epoch = fixture_int(&f, "SELECT epoch FROM meta");
	fixture_open(&f);
	CU_ASSERT_EQUAL(log_tip(f.r, &tip, &f.e), RC_OK);
	CU_ASSERT_EQUAL(tip.seq, 5);
	CU_ASSERT_EQUAL(tip.epoch, (uint32_t)epoch);
	CU_ASSERT_EQUAL(fixture_put(&f, "b", "6"), 6);
	CU_ASSERT_EQUAL(
	    fixture_sql(
	        &f, "INSERT INTO publish(channel, data) VALUES ('b', '7')"),
	    SQLITE_OK);
	CU_ASSERT_EQUAL(fixture_append(&f, &m, &result, 1), RC_OK);
	CU_ASSERT(result.is_duplicate && result.seq == 1);
	CU_ASSERT_EQUAL(fixture_page(&f, NULL, 0, 10, &got).n, 5);
	CU_ASSERT(got.seq[2] == 3 && got.seq[3] == 6 && got.seq[4] == 7);
	CU_ASSERT(is_sound(&f));
	CU_ASSERT_EQUAL(
	    fixture_int(&f,
	        "SELECT count(*) FROM sqlite_master WHERE name = 'message' "
	        "AND sql LIKE '%AUTOINCREMENT%'"),
	    0);
	fixture_fini(&f);
}

/* All tables with their columns, all indexes, triggers and views. */
#define SHAPE \
	"SELECT m.type, m.name, c.name, c.type, c.\"notnull\", c.pk, " \
	"CASE WHEN m.type IN ('trigger', 'view', 'index') THEN m.sql END " \
	"FROM sqlite_master AS m LEFT JOIN pragma_table_info(m.name) AS c " \
	"ORDER BY m.type, m.name, c.cid"

static void
add_shape(struct fixture *f, struct buf *b)
{
	sqlite3 *c = fixture_foreign(f);
	sqlite3_stmt *s = NULL;

	CU_ASSERT_EQUAL_FATAL(
	    sqlite3_prepare_v2(c, SHAPE, -1, &s, NULL), SQLITE_OK);
	while (sqlite3_step(s) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(s); i++)
			buf_printf(b, "%s|",
			    sqlite3_column_type(s, i) == SQLITE_NULL
			        ? ""
			        : (const char *)sqlite3_column_text(s, i));
	sqlite3_finalize(s);
	sqlite3_close(c);
}

static void
upgraded_log_has_the_shape_of_a_new_one(void)
{
	struct fixture old, young;
	struct buf a, b;

	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	make_version_1(&old);
	fixture_open(&old);
	fixture_start(&young);
	add_shape(&old, &a);
	add_shape(&young, &b);
	CU_ASSERT(a.rc == RC_OK && buf_slice(&a).n > 1000);
	CU_ASSERT(slice_is(buf_slice(&a), buf_slice(&b)));
	buf_fini(&a);
	buf_fini(&b);
	fixture_fini(&old);
	fixture_fini(&young);
}

static void
older_program_refuses_a_newer_log(void)
{
	const struct schema first = {.create = sql_schema_1};
	struct fixture f;
	struct db db;

	fixture_start(&f);
	fixture_put(&f, "a", "1");
	CU_ASSERT_EQUAL_FATAL(
	    db_open(&db, f.path, DB_WRITE, &f.o, &f.e), RC_OK);
	CU_ASSERT_EQUAL(schema_check(&db, &first, &f.e), RC_CONFIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.e.text, "has version 2"));
	CU_ASSERT_PTR_NOT_NULL(strstr(f.e.text, "install the newer program"));
	CU_ASSERT_EQUAL(schema_ensure(&db, &first, &f.e), RC_CONFIG);
	db_close(&db);
	fixture_fini(&f);
}

static void
schema_is_upgraded_version_by_version_or_not_at_all(void)
{
	static const char *const good[] = {
	    "", "CREATE TABLE two(x)", "INSERT INTO two VALUES (3)"};
	static const char *const bad[] = {"", "CREATE TABLE two(x)",
	    "INSERT INTO two VALUES (3)", "INSERT INTO nowhere VALUES (4)"};
	struct schema s = {
	    .create = schema_current.create, .upgrade = bad, .n_upgrades = 4};
	struct fixture f;
	struct db db;
	int64_t v;

	fixture_start(&f);
	fixture_close(&f);
	CU_ASSERT_EQUAL_FATAL(
	    db_open(&db, f.path, DB_WRITE, &f.o, &f.e), RC_OK);
	CU_ASSERT_EQUAL(schema_ensure(&db, &s, &f.e), RC_LOG);
	CU_ASSERT_EQUAL(db_int(&db, "PRAGMA user_version", &v, &f.e), RC_OK);
	CU_ASSERT_EQUAL(v, 2);
	s = (struct schema){.upgrade = good, .n_upgrades = 3};
	CU_ASSERT_EQUAL(schema_ensure(&db, &s, &f.e), RC_OK);
	CU_ASSERT_EQUAL(schema_ensure(&db, &s, &f.e), RC_OK);
	CU_ASSERT_EQUAL(db_int(&db, "PRAGMA user_version", &v, &f.e), RC_OK);
	CU_ASSERT_EQUAL(v, 4);
	CU_ASSERT_EQUAL(db_int(&db, "SELECT sum(x) FROM two", &v, &f.e), RC_OK);
	CU_ASSERT_EQUAL(v, 3);
	db_close(&db);
	CU_ASSERT_EQUAL(fixture_try_open(&f), RC_CONFIG);
	fixture_fini(&f);
}

static void
processes_that_start_at_once_upgrade_once(void)
{
	struct fixture f;
	int status, bad = 0;
	pid_t pid[4];

	make_version_1(&f);
	for (int i = 0; i < 4; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			if (fixture_try_open(&f) != RC_OK)
				_exit(1);
			status = fixture_put(&f, "a", "x") < 6;
			fixture_close(&f);
			_exit(status);
		}
	}
	for (int i = 0; i < 4; i++)
		bad += waitpid(pid[i], &status, 0) != pid[i] || status != 0;
	CU_ASSERT_EQUAL(bad, 0);
	fixture_open(&f);
	CU_ASSERT(is_sound(&f));
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "x"), 10);
	fixture_fini(&f);
}

static int
die(void *arg)
{
	int *left = arg;

	if (--*left <= 0)
		kill(getpid(), SIGKILL);
	return 0;
}

/* In a child: dies after so many steps of SQLite's machine, if they suffice. */
static void
upgrade_and_die(struct fixture *f, int steps)
{
	struct db db;

	if (db_open(&db, f->path, DB_WRITE, &f->o, &f->e) != RC_OK)
		_exit(1);
	sqlite3_progress_handler(db.c, 1, die, &steps);
	if (schema_ensure(&db, &schema_current, &f->e) != RC_OK)
		_exit(1);
	sqlite3_progress_handler(db.c, 0, NULL, NULL);
	db_close(&db);
	_exit(0);
}

static void
killed_while_upgrading_it_is_the_old_one_or_the_new_one(void)
{
	struct fixture f;
	int status = 1, killed = 0, bad = 0;
	int64_t version;
	pid_t pid;

	for (int steps = 1; status != 0; steps += steps / 4 + 1) {
		make_version_1(&f);
		pid = fork();
		if (pid == 0)
			upgrade_and_die(&f, steps);
		CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
		CU_ASSERT(!WIFEXITED(status) || WEXITSTATUS(status) == 0);
		killed += status != 0;
		version = fixture_int(&f, "PRAGMA user_version");
		bad += version != 1 && status != 0;
		bad += fixture_int(&f,
		           "SELECT count(*) FROM sqlite_master "
		           "WHERE name = 'session'") != (version == 2);
		fixture_open(&f);
		bad += !is_sound(&f) || fixture_put(&f, "a", "x") != 6;
		fixture_fini(&f);
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(killed > 10);
}

/* One whole pass of retention, by which everything is too old. */
static void
let_all_go(struct fixture *f)
{
	struct retain r = {0};
	struct db db;
	uint64_t deleted;
	bool is_over = false;

	CU_ASSERT_EQUAL_FATAL(
	    db_open(&db, f->path, DB_WRITE, &f->o, &f->e), RC_OK);
	while (!is_over)
		CU_ASSERT_EQUAL_FATAL(
		    retain_step(&r, &db, &f->o, clock_unix_ms() + 10000,
		        &is_over, &deleted, &f->e),
		    RC_OK);
	db_close(&db);
}

static void
seq_is_given_once_though_the_newest_messages_are_gone(void)
{
	const struct log_retain rule[] = {{.pattern = SLICE("a"), .age_ms = 1}};
	struct fixture f;
	struct log_tip tip;
	uint32_t epoch;

	fixture_init(&f);
	f.o.retain = rule;
	f.o.n_retain = 1;
	f.o.retain_step = 3;
	fixture_open(&f);
	epoch = log_epoch(f.log);
	fixture_put(&f, "b", "x");
	for (int i = 0; i < 5; i++)
		fixture_put(&f, "a", "x");
	let_all_go(&f);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT max(seq) FROM message"), 1);
	CU_ASSERT_EQUAL(log_tip(f.r, &tip, &f.e), RC_OK);
	CU_ASSERT_EQUAL(tip.seq, 6);
	CU_ASSERT_EQUAL(
	    fixture_sql(&f,
	        "INSERT INTO publish(channel, data) VALUES ('a', 'theirs')"),
	    SQLITE_OK);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT max(seq) FROM message"), 7);
	let_all_go(&f);
	fixture_close(&f);
	fixture_open(&f);
	CU_ASSERT_EQUAL(log_tip(f.r, &tip, &f.e), RC_OK);
	CU_ASSERT_EQUAL(tip.seq, 7);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "x"), 8);
	CU_ASSERT_EQUAL(log_epoch(f.log), epoch);
	fixture_fini(&f);
}

/* Nobody but retention deletes messages; who does makes it another log. */
static void
seqs_that_a_foreign_program_frees_are_given_in_another_epoch(void)
{
	struct fixture f;
	uint32_t epoch;

	fixture_start(&f);
	epoch = log_epoch(f.log);
	for (int i = 0; i < 5; i++)
		fixture_put(&f, "a", "x");
	CU_ASSERT_EQUAL(
	    fixture_sql(&f, "DELETE FROM message WHERE seq > 3"), SQLITE_OK);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "x"), 4);
	CU_ASSERT_NOT_EQUAL(log_epoch(f.log), epoch);
	fixture_fini(&f);
}

CU_TestInfo test_schema[] = {
    {"log_of_version_1_goes_on_with_the_next_seq",
        log_of_version_1_goes_on_with_the_next_seq},
    {"upgraded_log_has_the_shape_of_a_new_one",
        upgraded_log_has_the_shape_of_a_new_one},
    {"older_program_refuses_a_newer_log", older_program_refuses_a_newer_log},
    {"schema_is_upgraded_version_by_version_or_not_at_all",
        schema_is_upgraded_version_by_version_or_not_at_all},
    {"processes_that_start_at_once_upgrade_once",
        processes_that_start_at_once_upgrade_once},
    {"killed_while_upgrading_it_is_the_old_one_or_the_new_one",
        killed_while_upgrading_it_is_the_old_one_or_the_new_one},
    {"seq_is_given_once_though_the_newest_messages_are_gone",
        seq_is_given_once_though_the_newest_messages_are_gone},
    {"seqs_that_a_foreign_program_frees_are_given_in_another_epoch",
        seqs_that_a_foreign_program_frees_are_given_in_another_epoch},
    CU_TEST_INFO_NULL,
};
