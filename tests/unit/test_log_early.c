/* What readers are given before the disk has it, and what becomes of it when
   the power goes. */
#include "log_fixture.h"
#include "tests.h"

static struct collected got;

/* What happened, in order: "c" committed, "S" the WAL was synced, "a" an append
   was answered, "s" a change was. */
static char order[16];
static size_t n_order;

static void
note(char what)
{
	if (n_order < sizeof order - 1)
		order[n_order++] = what;
	order[n_order] = '\0';
}

/* ---- a disk that is watched ------------------------------------------- */

static sqlite3_vfs watched;
static sqlite3_io_methods watched_wal;
static const sqlite3_io_methods *real_wal;
static int sync_result; /* SQLITE_OK: as the disk says */
static bool is_noting;

static int
sync_wal(sqlite3_file *file, int flags)
{
	if (!is_noting)
		return real_wal->xSync(file, flags);
	note('S');
	return sync_result == SQLITE_OK ? real_wal->xSync(file, flags)
	                                : sync_result;
}

static int
open_watched(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	sqlite3_vfs *real = vfs->pAppData;
	int code = real->xOpen(real, name, file, flags, out);

	if (code != SQLITE_OK || !(flags & SQLITE_OPEN_WAL))
		return code;
	real_wal = file->pMethods;
	watched_wal = *real_wal;
	watched_wal.xSync = sync_wal;
	file->pMethods = &watched_wal;
	return code;
}

static void
watch_disk(void)
{
	watched = *sqlite3_vfs_find(NULL);
	watched.pAppData = sqlite3_vfs_find(NULL);
	watched.zName = "watched";
	watched.xOpen = open_watched;
	CU_ASSERT_EQUAL(sqlite3_vfs_register(&watched, 1), SQLITE_OK);
	sync_result = SQLITE_OK;
	is_noting = false;
}

static void
watch_no_more(void)
{
	sqlite3_vfs_register(watched.pAppData, 1);
	sqlite3_vfs_unregister(&watched);
}

/* ---- a log on it ------------------------------------------------------ */

static void
note_committed(void *arg, const struct append *list)
{
	struct fixture *f = arg;

	note('c');
	/* others see it already */
	CU_ASSERT_EQUAL(fixture_int(f, "SELECT max(seq) FROM message"),
	    (int64_t)list->result[0].seq);
}

static void
note_append(struct append *a, enum rc rc, const char *why)
{
	note('a');
	waiting_done(a, rc, why);
}

/* A log with one message: later ones find their channel there. */
static void
start(struct fixture *f, enum log_durability durability)
{
	watch_disk();
	fixture_init(f);
	f->o.durability = durability;
	f->o.sessions = f->o.subscriptions = 10;
	f->wo.committed = note_committed;
	f->wo.arg = f;
	fixture_open(f);
	CU_ASSERT_EQUAL(fixture_put(f, "a", "1"), 1);
	n_order = 0;
	is_noting = true;
}

static void
end(struct fixture *f)
{
	is_noting = false;
	fixture_fini(f);
	watch_no_more();
}

static enum rc
put(struct fixture *f, const char *data, const char *id)
{
	struct message m = {.channel = SLICE("a"),
	    .data = slice_of(data),
	    .id = id == NULL ? (struct slice){0} : slice_of(id)};
	struct appended result = {0};
	struct waiting w = {
	    .a = {
	        .message = &m, .result = &result, .n = 1, .done = note_append}};
	enum rc rc;

	sem_init(&w.is_done, 0, 0);
	rc = log_append(f->w, &w.a, &f->e);
	return rc == RC_OK ? waiting_end(&w) : rc;
}

/* What happens when one message is stored. */
static const char *
order_with(enum log_durability durability)
{
	struct fixture f;

	start(&f, durability);
	CU_ASSERT_EQUAL(put(&f, "2", NULL), RC_OK);
	end(&f);
	return order;
}

static void
readers_have_it_before_the_disk_and_publishers_are_answered_after(void)
{
	CU_ASSERT_STRING_EQUAL(order_with(LOG_FULL), "cSa");
}

static void
with_strict_the_disk_has_it_before_anybody(void)
{
	CU_ASSERT_STRING_EQUAL(order_with(LOG_STRICT), "Sca");
}

static void
with_normal_nobody_waits_for_the_disk(void)
{
	CU_ASSERT_STRING_EQUAL(order_with(LOG_NORMAL), "ca");
}

/* The first may have been stored by a process that was killed before the disk
   had it. */
static void
duplicate_is_answered_when_the_disk_has_the_first(void)
{
	struct fixture f;

	start(&f, LOG_FULL);
	CU_ASSERT_EQUAL(put(&f, "2", "id"), RC_OK);
	n_order = 0;
	CU_ASSERT_EQUAL(put(&f, "2", "id"), RC_OK);
	CU_ASSERT_STRING_EQUAL(order, "Sa");
	end(&f);
}

struct changing {
	struct log_change c; /* first, so that done finds the rest */
	sem_t is_done;
	enum rc rc;
};

static void
change_done(struct log_change *c, enum rc rc, const char *why)
{
	struct changing *w = (struct changing *)c;

	(void)why;
	note('s');
	w->rc = rc;
	sem_post(&w->is_done);
}

static void
session_is_answered_when_the_disk_has_it(void)
{
	struct changing w = {.c = {.kind = LOG_SESSION_NEW,
	                         .id = SLICE("s"),
	                         .done = change_done}};
	struct fixture f;

	start(&f, LOG_FULL);
	sem_init(&w.is_done, 0, 0);
	CU_ASSERT_EQUAL(log_change(f.w, &w.c, &f.e), RC_OK);
	while (sem_wait(&w.is_done) != 0)
		;
	CU_ASSERT_EQUAL(w.rc, RC_OK);
	CU_ASSERT_STRING_EQUAL(order, "Ss");
	sem_destroy(&w.is_done);
	end(&f);
}

static void
disk_that_fails_is_told_to_publishers_until_all_is_safe(void)
{
	struct fixture f;
	int restarts;

	start(&f, LOG_FULL);
	sync_result = SQLITE_IOERR_FSYNC;
	CU_ASSERT_EQUAL(put(&f, "2", NULL), RC_LOG);
	CU_ASSERT_STRING_EQUAL(order, "cSa");
	/* what is stored behind it isn't safe either */
	CU_ASSERT_EQUAL(put(&f, "3", NULL), RC_LOG);
	sync_result = SQLITE_OK;
	restarts = fixture_wal_restarts(log_change_path(f.log));
	CU_ASSERT_EQUAL(put(&f, "4", NULL), RC_OK);
	CU_ASSERT_EQUAL(put(&f, "5", NULL), RC_OK);
	/* nor what is written behind it in that WAL */
	CU_ASSERT_NOT_EQUAL(
	    fixture_wal_restarts(log_change_path(f.log)), restarts);
	CU_ASSERT_EQUAL(fixture_page(&f, NULL, 0, 10, &got).n, 5);
	CU_ASSERT_STRING_EQUAL(got.data[4], "5");
	end(&f);
}

/* ---- the power goes --------------------------------------------------- */

struct content {
	char *p;
	size_t n;
};

static struct content
content_of(struct fixture *f, const char *suffix)
{
	struct content c;
	struct stat st;
	char name[320];
	int fd;

	snprintf(name, sizeof name, "%s%s", f->path, suffix);
	fd = open(name, O_RDONLY);
	CU_ASSERT_EQUAL_FATAL(fstat(fd, &st), 0);
	c.n = (size_t)st.st_size;
	c.p = malloc(c.n + 1);
	CU_ASSERT_EQUAL(read(fd, c.p, c.n), (ssize_t)c.n);
	close(fd);
	return c;
}

/* Into the same inode, as a file system has it that was checked. */
static void
put_back(struct fixture *f, const char *suffix, struct content c)
{
	char name[320];
	int fd;

	snprintf(name, sizeof name, "%s%s", f->path, suffix);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CU_ASSERT_EQUAL(write(fd, c.p, c.n), (ssize_t)c.n);
	close(fd);
	free(c.p);
}

static void
other_boot(struct fixture *f)
{
	char name[320];
	int fd;

	snprintf(name, sizeof name, "%s-wake", f->path);
	fd = open(name, O_WRONLY);
	CU_ASSERT_EQUAL(pwrite(fd, "another boot", 12, 16), 12);
	close(fd);
}

static uint64_t
tip_of(struct fixture *f)
{
	struct log_tip tip = {0};

	CU_ASSERT_EQUAL(log_tip(f->r, &tip, &f->e), RC_OK);
	return tip.seq;
}

/* A reader was given seq 3, and then the power went: the log has two messages,
   and of the wake file nothing is left. */
static void
reader_that_knows_more_than_the_log_misses_nothing(void)
{
	struct content db, wal;
	struct log_page page;
	struct fixture f;
	uint64_t next;
	uint32_t epoch;

	start(&f, LOG_FULL);
	CU_ASSERT_EQUAL(put(&f, "2", NULL), RC_OK);
	db = content_of(&f, "");
	wal = content_of(&f, "-wal");
	CU_ASSERT_EQUAL(put(&f, "3", NULL), RC_OK);
	epoch = log_epoch(f.log);
	fixture_close(&f);
	put_back(&f, "", db);
	put_back(&f, "-wal", wal);
	put_back(&f, "-wake", (struct content){0});
	is_noting = false;
	fixture_open(&f);
	CU_ASSERT_EQUAL(log_epoch(f.log), epoch);
	CU_ASSERT_EQUAL(tip_of(&f), 2 + LOG_SEQS_SKIPPED);
	next = fixture_put(&f, "a", "another");
	CU_ASSERT_EQUAL(next, 3 + LOG_SEQS_SKIPPED);
	page = fixture_page_of(&f, "a", 3, 10, &got);
	CU_ASSERT(page.n == 1 && got.seq[0] == next && page.kept_after <= 3);
	CU_ASSERT_EQUAL(fixture_page_of(&f, "a", 1, 10, &got).n, 2);
	end(&f);
}

static void
numbers_are_skipped_once_in_a_boot(void)
{
	struct fixture f;

	fixture_init(&f);
	fixture_open(&f);
	CU_ASSERT_EQUAL(tip_of(&f), 0);
	fixture_close(&f);
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "1"), 1);
	fixture_close(&f);
	other_boot(&f);
	for (int i = 0; i < 2; i++) {
		fixture_open(&f);
		CU_ASSERT_EQUAL(tip_of(&f), 1 + LOG_SEQS_SKIPPED);
		fixture_close(&f);
	}
	other_boot(&f);
	fixture_open(&f);
	CU_ASSERT_EQUAL(
	    fixture_sql(
	        &f, "INSERT INTO publish(channel, data) VALUES ('a', '3')"),
	    SQLITE_OK);
	CU_ASSERT_EQUAL(tip_of(&f), 2 + 2 * LOG_SEQS_SKIPPED);
	fixture_fini(&f);
}

/* Its only message may be what the power took. */
static void
empty_log_of_another_boot_skips_them_too(void)
{
	struct fixture f;

	fixture_start(&f);
	fixture_close(&f);
	other_boot(&f);
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "1"), 1 + LOG_SEQS_SKIPPED);
	fixture_fini(&f);
}

static void
log_that_had_a_wal_skips_them_whatever_its_journal_is_now(void)
{
	struct fixture f;

	fixture_start(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "1"), 1);
	fixture_close(&f);
	other_boot(&f);
	f.o.journal = LOG_ROLLBACK;
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "2"), 2 + LOG_SEQS_SKIPPED);
	CU_ASSERT_EQUAL(unlink(log_wake_path(f.log)), 0);
	fixture_put(&f, "a", "3"); /* makes it again */
	fixture_close(&f);
	f.o.journal = LOG_WAL;
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "4"), 4 + LOG_SEQS_SKIPPED);
	fixture_fini(&f);
}

/* Two hosts may share such a log in turn. */
static void
with_a_rollback_journal_no_number_is_skipped(void)
{
	struct fixture f;

	fixture_init(&f);
	f.o.journal = LOG_ROLLBACK;
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "1"), 1);
	fixture_close(&f);
	other_boot(&f);
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "2"), 2);
	fixture_fini(&f);
}

/* Whoever removes the wake file in use takes the note with it. */
static void
wake_file_made_again_knows_the_boot(void)
{
	struct fixture f;

	fixture_start(&f);
	fixture_put(&f, "a", "1");
	CU_ASSERT_EQUAL(unlink(log_wake_path(f.log)), 0);
	fixture_put(&f, "a", "2");
	fixture_close(&f);
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "3"), 3);
	fixture_fini(&f);
}

CU_TestInfo test_log_early[] = {
    {"readers_have_it_before_the_disk_and_publishers_are_answered_after",
        readers_have_it_before_the_disk_and_publishers_are_answered_after},
    {"with_strict_the_disk_has_it_before_anybody",
        with_strict_the_disk_has_it_before_anybody},
    {"with_normal_nobody_waits_for_the_disk",
        with_normal_nobody_waits_for_the_disk},
    {"duplicate_is_answered_when_the_disk_has_the_first",
        duplicate_is_answered_when_the_disk_has_the_first},
    {"session_is_answered_when_the_disk_has_it",
        session_is_answered_when_the_disk_has_it},
    {"disk_that_fails_is_told_to_publishers_until_all_is_safe",
        disk_that_fails_is_told_to_publishers_until_all_is_safe},
    {"reader_that_knows_more_than_the_log_misses_nothing",
        reader_that_knows_more_than_the_log_misses_nothing},
    {"numbers_are_skipped_once_in_a_boot", numbers_are_skipped_once_in_a_boot},
    {"empty_log_of_another_boot_skips_them_too",
        empty_log_of_another_boot_skips_them_too},
    {"log_that_had_a_wal_skips_them_whatever_its_journal_is_now",
        log_that_had_a_wal_skips_them_whatever_its_journal_is_now},
    {"with_a_rollback_journal_no_number_is_skipped",
        with_a_rollback_journal_no_number_is_skipped},
    {"wake_file_made_again_knows_the_boot",
        wake_file_made_again_knows_the_boot},
    CU_TEST_INFO_NULL,
};
