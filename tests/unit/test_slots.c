/* The shared file of slots.  Two of them opened on one file are two maps, so
   they meet as two processes do. */
#include "hub/slots.h"
#include "fail_alloc.h"
#include "tests.h"

#include "base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EPOCH 7

static char path[64];
static struct err e;

static void
begin(void)
{
	int fd;

	snprintf(path, sizeof path, "/tmp/slots-test-XXXXXX");
	fd = mkstemp(path);
	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	unlink(path);
}

static struct slots *
open_one(void)
{
	struct slots *s = NULL;

	CU_ASSERT_EQUAL_FATAL(slots_open(&s, path, &e), RC_OK);
	return s;
}

static struct slot
slot_of(uint32_t at, const char *id)
{
	return slots_of(at, slice_of(id), EPOCH);
}

static bool
claim(struct slots *s, struct slot slot, uint64_t cursor)
{
	return slots_claim(s, slot, cursor, &e) == RC_OK;
}

/* UINT64_MAX: void. */
static uint64_t
cursor_of(struct slots *s, struct slot slot)
{
	uint64_t cursor;

	return slots_cursor(s, slot, &cursor) ? cursor : UINT64_MAX;
}

static void
processes_see_one_cursor(void)
{
	struct slot x = slot_of(3, "x"), y = slot_of(4, "y");
	struct slots *a, *b;
	struct stat st;

	begin();
	a = open_one();
	b = open_one();
	CU_ASSERT_EQUAL(cursor_of(a, x), UINT64_MAX);
	CU_ASSERT_FALSE(slots_advance(a, x, 9));
	CU_ASSERT(claim(a, x, 100));
	CU_ASSERT_EQUAL(cursor_of(b, x), 100);
	CU_ASSERT_EQUAL(cursor_of(b, y), UINT64_MAX);
	CU_ASSERT(slots_advance(b, x, 120));
	CU_ASSERT(slots_advance(a, x, 110)); /* forward only */
	CU_ASSERT_EQUAL(cursor_of(a, x), 120);
	/* it is claimed already */
	CU_ASSERT(claim(b, x, 5));
	CU_ASSERT_EQUAL(cursor_of(a, x), 120);
	CU_ASSERT_FALSE(slots_move(a, x, 110, 10));
	CU_ASSERT(slots_move(a, x, 120, 10));
	CU_ASSERT_EQUAL(cursor_of(b, x), 10);
	CU_ASSERT(slots_advance(b, x, (UINT64_C(1) << 53) - 1));
	CU_ASSERT_EQUAL(cursor_of(a, x), (UINT64_C(1) << 53) - 1);
	CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CU_ASSERT(st.st_blocks * 512 < 1 << 20); /* sparse */
	slots_close(a);
	slots_close(b);
	unlink(path);
}

static void
slot_is_void_for_others_and_in_another_epoch(void)
{
	struct slot x = slot_of(0, "x"), y = slot_of(0, "y");
	struct slot other = slots_of(0, SLICE("x"), EPOCH + 1);
	struct slots *s;
	uint32_t n;

	begin();
	s = open_one();
	CU_ASSERT(claim(s, x, 5));
	CU_ASSERT_EQUAL(cursor_of(s, other), UINT64_MAX);
	CU_ASSERT_EQUAL(cursor_of(s, y), UINT64_MAX);
	CU_ASSERT_FALSE(slots_begin_connect(s, y, &n));
	CU_ASSERT_FALSE(slots_bump(s, y));
	CU_ASSERT(claim(s, y, 1));
	CU_ASSERT_EQUAL(cursor_of(s, x), UINT64_MAX);
	CU_ASSERT_FALSE(slots_advance(s, x, 50));
	CU_ASSERT_FALSE(slots_move(s, x, 1, 50));
	CU_ASSERT_FALSE(slots_is_due(s, x, 1000, 1));
	CU_ASSERT_EQUAL(cursor_of(s, y), 1);
	x.at = SLOTS_MAX;
	CU_ASSERT_FALSE(claim(s, x, 1));
	CU_ASSERT_EQUAL(cursor_of(s, x), UINT64_MAX);
	x.at = SLOTS_MAX - 1;
	CU_ASSERT(claim(s, x, 1));
	CU_ASSERT_EQUAL(cursor_of(s, x), 1);
	slots_close(s);
	unlink(path);
}

static void
newer_connect_and_changes_are_told_to_all(void)
{
	struct slot x = slot_of(1, "x");
	struct slots *a, *b;
	uint32_t first, second, now;
	uint64_t changes;

	begin();
	a = open_one();
	b = open_one();
	CU_ASSERT(claim(a, x, 0));
	changes = slots_changes(a);
	CU_ASSERT(slots_begin_connect(a, x, &first) && first == 1);
	CU_ASSERT(slots_serial(b, x, &now) && now == first);
	CU_ASSERT_EQUAL(slots_changes(b), changes);
	CU_ASSERT(slots_begin_connect(b, x, &second) && second != first);
	CU_ASSERT(slots_serial(a, x, &now) && now == second);
	CU_ASSERT_EQUAL(slots_changes(a), changes + 1);
	slots_end_connect(a, x, first); /* superseded: nobody's any more */
	CU_ASSERT(slots_serial(b, x, &now) && now == second);
	slots_end_connect(b, x, second);
	CU_ASSERT(slots_begin_connect(a, x, &first) && first > second);
	CU_ASSERT_EQUAL(slots_changes(b), changes + 1);
	changes = slots_changes(a);
	CU_ASSERT_EQUAL(slots_changes(b), changes);
	CU_ASSERT(slots_version(a, x, &first));
	CU_ASSERT(slots_bump(b, x));
	CU_ASSERT(slots_version(a, x, &now) && now == first + 1);
	CU_ASSERT_EQUAL(slots_changes(a), changes + 1);
	slots_release(a, x);
	CU_ASSERT_EQUAL(slots_changes(b), changes + 2);
	CU_ASSERT_FALSE(slots_version(b, x, &now));
	slots_release(b, x);
	CU_ASSERT_EQUAL(slots_changes(b), changes + 2);
	slots_close(a);
	slots_close(b);
	unlink(path);
}

static void
one_process_writes_the_row_in_a_minute(void)
{
	struct slot x = slot_of(1, "x");
	struct slots *a, *b;

	begin();
	a = open_one();
	b = open_one();
	CU_ASSERT(claim(a, x, 0));
	CU_ASSERT(slots_is_due(a, x, 1000000, 60000));
	CU_ASSERT_FALSE(slots_is_due(b, x, 1000000, 60000));
	CU_ASSERT_FALSE(slots_is_due(a, x, 1059999, 60000));
	CU_ASSERT(slots_is_due(b, x, 1060000, 60000));
	CU_ASSERT_FALSE(slots_is_due(a, x, 1060000, 60000));
	CU_ASSERT(slots_is_due(a, x, 1000, 60000)); /* the clock was set back */
	slots_close(a);
	slots_close(b);
	unlink(path);
}

/* Changes bytes of the file, as somebody might. */
static void
scribble(off_t at, const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	CU_ASSERT_EQUAL(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

static void
file_that_is_not_whole_or_of_another_boot_is_made_anew(void)
{
	struct slot x = slot_of(1, "x");
	struct slots *s;

	for (int i = 0; i < 6; i++) {
		begin();
		s = open_one();
		CU_ASSERT(claim(s, x, 5));
		slots_close(s);
		s = open_one();
		CU_ASSERT_EQUAL(cursor_of(s, x), 5);
		slots_close(s);
		switch (i) {
		case 0: /* shorter by a byte */
			CU_ASSERT_EQUAL(truncate(path, 4096 + 8388607), 0);
			break;
		case 1:
			CU_ASSERT_EQUAL(truncate(path, 0), 0);
			break;
		case 2:
			CU_ASSERT_EQUAL(truncate(path, 9 << 20), 0);
			break;
		case 3: /* another program's */
			scribble(0, "SQLite format 3", 16);
			break;
		case 4: /* a newer program's */
			scribble(8, "\2", 1);
			break;
		case 5: /* of another boot */
			scribble(16, "12345678-1234", 13);
			break;
		}
		s = open_one();
		CU_ASSERT_EQUAL(cursor_of(s, x), UINT64_MAX);
		CU_ASSERT(claim(s, x, 6));
		CU_ASSERT_EQUAL(cursor_of(s, x), 6);
		slots_close(s);
		unlink(path);
	}
}

static void
what_cannot_be_a_file_is_refused(void)
{
	struct slots *s;

	begin();
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	CU_ASSERT_EQUAL(slots_open(&s, path, &e), RC_CONFIG);
	CU_ASSERT_PTR_NULL(s);
	rmdir(path);
	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	CU_ASSERT_EQUAL(slots_open(&s, path, &e), RC_CONFIG);
	unlink(path);
	CU_ASSERT_EQUAL(slots_open(&s, "/nowhere/slots", &e), RC_CONFIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "/nowhere/slots"));
}

static void
file_cut_short_in_use_kills_nobody(void)
{
	struct slot x = slot_of(1, "x"), y = slot_of(200000, "y");
	struct slots *a, *b;
	uint64_t changes;
	uint32_t n;

	begin();
	a = open_one();
	b = open_one();
	CU_ASSERT(claim(a, x, 5) && claim(a, y, 6));
	changes = slots_changes(b);
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	CU_ASSERT_EQUAL(cursor_of(a, x), UINT64_MAX);
	CU_ASSERT_EQUAL(cursor_of(a, y), UINT64_MAX);
	CU_ASSERT_FALSE(slots_begin_connect(b, x, &n));
	CU_ASSERT_NOT_EQUAL(slots_changes(b), changes);
	/* both come by the same new file */
	CU_ASSERT(claim(a, x, 7));
	CU_ASSERT_EQUAL(slots_refresh(b, &e), RC_OK);
	CU_ASSERT_EQUAL(cursor_of(b, x), 7);
	CU_ASSERT(slots_advance(b, x, 8));
	CU_ASSERT_EQUAL(cursor_of(a, x), 8);
	slots_close(a);
	slots_close(b);
	unlink(path);
}

static void
file_that_was_removed_is_found_again_by_all(void)
{
	struct slot x = slot_of(1, "x");
	struct slots *a, *b;

	begin();
	a = open_one();
	b = open_one();
	CU_ASSERT(claim(a, x, 5));
	unlink(path);
	CU_ASSERT_EQUAL(cursor_of(b, x), 5);
	CU_ASSERT_EQUAL(slots_refresh(a, &e), RC_OK);
	CU_ASSERT_EQUAL(cursor_of(a, x), UINT64_MAX);
	CU_ASSERT(claim(a, x, 9));
	CU_ASSERT_EQUAL(slots_refresh(b, &e), RC_OK);
	CU_ASSERT_EQUAL(cursor_of(b, x), 9);
	/* while there can be none, what there is goes on */
	unlink(path);
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	CU_ASSERT_EQUAL(slots_refresh(b, &e), RC_CONFIG);
	CU_ASSERT_FALSE(claim(b, slot_of(2, "y"), 1));
	CU_ASSERT_EQUAL(cursor_of(b, x), 9);
	rmdir(path);
	CU_ASSERT_EQUAL(slots_refresh(b, &e), RC_OK);
	slots_close(a);
	slots_close(b);
	unlink(path);
}

/* SIGBUS elsewhere is as it was. */
static void
fault_in_foreign_memory_still_ends_the_process(void)
{
	struct rlimit none = {0, 0};
	struct slots *s;
	int fd, status;
	volatile char *p;
	pid_t pid;

	begin();
	pid = fork();
	if (pid == 0) {
		signal(SIGBUS, SIG_DFL);
		setrlimit(RLIMIT_CORE, &none);
		s = open_one();
		fd = open(path, O_RDONLY);
		p = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 16 << 20);
		_exit(s == NULL || *p != 0);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	unlink(path);
}

/* In a child: claims, advances and reports until it is killed. */
static void
advance_and_report(int fd)
{
	struct slots *s = open_one();
	struct slot x = slot_of(1, "x");

	for (uint64_t i = 1;; i++) {
		if (!claim(s, x, 0) || !slots_advance(s, x, i) ||
		    write(fd, &i, sizeof i) != sizeof i)
			_exit(1);
	}
}

static void
killed_process_leaves_its_cursor(void)
{
	struct slot x = slot_of(1, "x");
	struct slots *s;
	uint64_t i, last = 0;
	int fd[2];
	pid_t pid;

	begin();
	CU_ASSERT_EQUAL_FATAL(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		advance_and_report(fd[1]);
	}
	close(fd[1]);
	while (read(fd[0], &i, sizeof i) == sizeof i) {
		last = i;
		if (i == 1000)
			kill(pid, SIGKILL);
	}
	close(fd[0]);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	s = open_one();
	CU_ASSERT(last >= 1000);
	CU_ASSERT(cursor_of(s, x) == last || cursor_of(s, x) == last + 1);
	CU_ASSERT(claim(s, x, 0));
	CU_ASSERT(cursor_of(s, x) >= last);
	slots_close(s);
	unlink(path);
}

#define EACH 20000

static void *
advance_in_thread(void *arg)
{
	struct slots *s = arg;
	struct slot x = slot_of(1, "x");
	intptr_t bad = 0;
	uint64_t before = 0, now;
	uint32_t n;

	for (uint64_t i = 1; i <= EACH; i++) {
		bad += !slots_advance(s, x, i) || !slots_bump(s, x) ||
		    !slots_begin_connect(s, x, &n);
		now = cursor_of(s, x);
		bad += now < before || now < i || now > EACH;
		before = now;
	}
	return (void *)bad;
}

static void
threads_and_processes_move_it_forward_only(void)
{
	struct slot x = slot_of(1, "x");
	pthread_t thread[2];
	struct slots *a, *b;
	uint64_t changes;
	uint32_t n;
	int status;
	void *bad;
	pid_t pid;

	begin();
	a = open_one();
	b = open_one();
	CU_ASSERT(claim(a, x, 0));
	changes = slots_changes(a);
	pid = fork();
	if (pid == 0)
		_exit(advance_in_thread(a) != NULL);
	CU_ASSERT_EQUAL_FATAL(
	    pthread_create(&thread[0], NULL, advance_in_thread, a), 0);
	CU_ASSERT_EQUAL_FATAL(
	    pthread_create(&thread[1], NULL, advance_in_thread, b), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], &bad);
		CU_ASSERT_PTR_NULL(bad);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(cursor_of(a, x), EACH);
	/* all connects but the first found one under way */
	CU_ASSERT_EQUAL(slots_changes(b), changes + 6 * EACH - 1);
	CU_ASSERT(slots_serial(a, x, &n) && n == 6 * EACH - 1);
	CU_ASSERT(slots_version(a, x, &n) && n == 3 * EACH);
	slots_close(a);
	slots_close(b);
	unlink(path);
}

static void
going_back_changes_the_count_and_stays(void)
{
	struct slot x = slot_of(1, "x"), void_slot = slot_of(2, "y");
	struct slots *s;
	uint32_t version, n;

	begin();
	s = open_one();
	CU_ASSERT_FALSE(slots_go_back(s, void_slot, 1));
	CU_ASSERT_FALSE(slots_is_times_back(s, void_slot, 0));
	CU_ASSERT(claim(s, x, 100));
	CU_ASSERT(slots_bump(s, x));
	CU_ASSERT(slots_is_times_back(s, x, 0));
	CU_ASSERT(slots_go_back(s, x, 7));
	CU_ASSERT_EQUAL(cursor_of(s, x), 7);
	CU_ASSERT(slots_version(s, x, &version));
	CU_ASSERT(slots_times_back(version) != 0);
	CU_ASSERT(slots_is_times_back(s, x, slots_times_back(version)));
	CU_ASSERT_FALSE(slots_is_times_back(s, x, 0));
	CU_ASSERT(slots_bump(s, x) && slots_version(s, x, &n));
	CU_ASSERT_EQUAL(slots_times_back(n), slots_times_back(version));
	slots_close(s);
	unlink(path);
}

static void
slot_without_a_past_takes_the_callers_count(void)
{
	struct slot x = slot_of(1, "x"), y = slot_of(2, "y");
	struct slots *s;
	uint32_t n;

	begin();
	s = open_one();
	CU_ASSERT(claim(s, x, 100));
	CU_ASSERT(slots_is_times_back(s, x, 6));
	CU_ASSERT_FALSE(slots_is_times_back(s, x, 4));
	CU_ASSERT(slots_is_times_back(s, x, 6));
	CU_ASSERT(claim(s, y, 100));
	CU_ASSERT(slots_begin_connect(s, y, &n));
	CU_ASSERT_FALSE(slots_is_times_back(s, y, 6));
	slots_close(s);
	unlink(path);
}

/* In a child: claims all slots in the same order as others do. */
static void
claim_all(uint64_t mine)
{
	struct slots *s = open_one();
	int bad = 0;

	for (uint32_t i = 0; i < 2000; i++) {
		bad += !claim(s, slot_of(i, "x"), mine);
		bad += !slots_advance(s, slot_of(i, "x"), 10 + mine);
	}
	_exit(bad != 0);
}

static void
slot_that_several_claim_at_once_is_claimed_by_one(void)
{
	struct slots *s;
	pid_t pid[3];
	int status;

	begin();
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			claim_all((uint64_t)i);
	}
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(waitpid(pid[i], &status, 0), pid[i]);
		CU_ASSERT_EQUAL(status, 0);
	}
	s = open_one();
	/* a second claim would have set one back */
	for (uint32_t i = 0; i < 2000; i++)
		CU_ASSERT_EQUAL_FATAL(cursor_of(s, slot_of(i, "x")), 12);
	slots_close(s);
	unlink(path);
}

/* One that was stopped in the middle of a claim. */
static void
claim_waits_for_another_but_not_for_long(void)
{
	struct flock l = {.l_type = F_WRLCK,
	    .l_whence = SEEK_SET,
	    .l_start = ((off_t)1 << 30) + 1,
	    .l_len = 1};
	struct slot x = slot_of(1, "x");
	struct slots *s;
	uint64_t since_ms;
	int fd;

	begin();
	s = open_one();
	fd = open(path, O_RDWR);
	CU_ASSERT_EQUAL_FATAL(fcntl(fd, F_OFD_SETLK, &l), 0);
	since_ms = clock_mono_ms();
	CU_ASSERT(claim(s, x, 5));
	CU_ASSERT(clock_mono_ms() >= since_ms + 9);
	CU_ASSERT_EQUAL(cursor_of(s, x), 5);
	close(fd);
	slots_close(s);
	unlink(path);
}

static void
want_of_memory_opens_nothing(void)
{
	struct slots *s;
	unsigned after;
	enum rc rc;

	begin();
	for (after = 0;; after++) {
		fail_alloc_after(after);
		rc = slots_open(&s, path, &e);
		if (!fail_alloc_end())
			break;
		CU_ASSERT(rc == RC_NOMEM && s == NULL);
	}
	CU_ASSERT(after >= 2 && rc == RC_OK);
	slots_close(s);
	slots_close(NULL);
	unlink(path);
}

CU_TestInfo test_slots[] = {
    {"processes_see_one_cursor", processes_see_one_cursor},
    {"slot_is_void_for_others_and_in_another_epoch",
        slot_is_void_for_others_and_in_another_epoch},
    {"newer_connect_and_changes_are_told_to_all",
        newer_connect_and_changes_are_told_to_all},
    {"one_process_writes_the_row_in_a_minute",
        one_process_writes_the_row_in_a_minute},
    {"file_that_is_not_whole_or_of_another_boot_is_made_anew",
        file_that_is_not_whole_or_of_another_boot_is_made_anew},
    {"what_cannot_be_a_file_is_refused", what_cannot_be_a_file_is_refused},
    {"file_cut_short_in_use_kills_nobody", file_cut_short_in_use_kills_nobody},
    {"file_that_was_removed_is_found_again_by_all",
        file_that_was_removed_is_found_again_by_all},
    {"fault_in_foreign_memory_still_ends_the_process",
        fault_in_foreign_memory_still_ends_the_process},
    {"killed_process_leaves_its_cursor", killed_process_leaves_its_cursor},
    {"threads_and_processes_move_it_forward_only",
        threads_and_processes_move_it_forward_only},
    {"going_back_changes_the_count_and_stays",
        going_back_changes_the_count_and_stays},
    {"slot_without_a_past_takes_the_callers_count",
        slot_without_a_past_takes_the_callers_count},
    {"slot_that_several_claim_at_once_is_claimed_by_one",
        slot_that_several_claim_at_once_is_claimed_by_one},
    {"claim_waits_for_another_but_not_for_long",
        claim_waits_for_another_but_not_for_long},
    {"want_of_memory_opens_nothing", want_of_memory_opens_nothing},
    CU_TEST_INFO_NULL,
};
