/* The budget of held answers.  Two budgets on one file are two open file
   descriptions, so they meet as two processes do. */
#include "hub/budget.h"
#include "fail_alloc.h"
#include "tests.h"

#include "base/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];
static struct options o;
static struct err e;

static void
begin(uint32_t requests, uint32_t reserve, uint32_t client)
{
	int fd;

	snprintf(path, sizeof path, "/tmp/budget-test-XXXXXX");
	fd = mkstemp(path);
	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	unlink(path);
	o = (struct options){.site_requests = requests,
	    .site_reserve = reserve,
	    .client_held = client};
}

static struct budget *
open_one(void)
{
	struct budget *b = NULL;

	CU_ASSERT_EQUAL_FATAL(budget_new(&b, path, &o, &e), RC_OK);
	return b;
}

static bool
claim(struct budget *b, const char *client)
{
	uint32_t place;

	return budget_claim(b, slice_of(client), &place);
}

static uint32_t
taken(struct budget *b)
{
	uint32_t places, n;

	budget_figures(b, &places, &n);
	return n;
}

static void
without_limits_everybody_has_a_place(void)
{
	struct budget *b;
	uint32_t place = 7;

	begin(0, 8, 0);
	b = open_one();
	CU_ASSERT_PTR_NULL(b);
	CU_ASSERT_TRUE(budget_claim(b, SLICE("x"), &place));
	CU_ASSERT_EQUAL(place, BUDGET_NONE);
	budget_release(b, place);
	CU_ASSERT_FALSE(budget_is_short(b));
	CU_ASSERT_EQUAL(taken(b), 0);
	CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	budget_free(b);
}

static void
processes_share_the_places(void)
{
	struct budget *a, *b;
	uint32_t place;

	begin(5, 2, 0);
	a = open_one();
	b = open_one();
	CU_ASSERT_TRUE(claim(a, ""));
	CU_ASSERT_TRUE(budget_claim(b, SLICE(""), &place));
	CU_ASSERT_TRUE(claim(a, ""));
	CU_ASSERT_EQUAL(taken(a), 3);
	CU_ASSERT_EQUAL(taken(b), 3);
	CU_ASSERT_FALSE(claim(a, ""));
	CU_ASSERT_FALSE(claim(b, ""));
	budget_release(b, place);
	CU_ASSERT_EQUAL(taken(a), 2);
	CU_ASSERT_TRUE(claim(a, ""));
	CU_ASSERT_FALSE(claim(b, ""));
	budget_free(a);
	CU_ASSERT_EQUAL(taken(b), 0);
	CU_ASSERT_TRUE(claim(b, ""));
	budget_free(b);
	unlink(path);
}

static void
a_reserve_as_large_as_all_leaves_none(void)
{
	struct budget *b;

	begin(5, 5, 0);
	b = open_one();
	CU_ASSERT_FALSE(claim(b, ""));
	CU_ASSERT_TRUE(budget_is_short(b));
	budget_free(b);
	unlink(path);
}

static void
killed_process_gives_its_places_back(void)
{
	struct budget *a, *b;
	int ready[2], status;
	char byte = 0;
	pid_t pid;

	begin(3, 0, 0);
	a = open_one();
	CU_ASSERT_TRUE(claim(a, ""));
	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		b = open_one();
		byte = claim(b, "") && claim(b, "") ? 'y' : 'n';
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
	CU_ASSERT_EQUAL(byte, 'y');
	CU_ASSERT_EQUAL(taken(a), 3);
	CU_ASSERT_FALSE(claim(a, ""));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	CU_ASSERT_EQUAL(taken(a), 1);
	CU_ASSERT_TRUE(claim(a, ""));
	CU_ASSERT_TRUE(claim(a, ""));
	CU_ASSERT_FALSE(claim(a, ""));
	close(ready[0]);
	close(ready[1]);
	budget_free(a);
	unlink(path);
}

static void
one_address_has_its_share_only(void)
{
	struct budget *a, *b;
	uint32_t place;

	begin(10, 0, 2);
	a = open_one();
	b = open_one();
	CU_ASSERT_TRUE(budget_claim(a, SLICE("192.0.2.1"), &place));
	CU_ASSERT_TRUE(claim(b, "192.0.2.1"));
	CU_ASSERT_FALSE(claim(a, "192.0.2.1"));
	CU_ASSERT_FALSE(claim(b, "192.0.2.1"));
	CU_ASSERT_EQUAL(taken(a), 2);
	CU_ASSERT_FALSE(budget_is_short(a)); /* others are none the worse */
	CU_ASSERT_TRUE(claim(a, "192.0.2.2"));
	budget_release(a, place);
	CU_ASSERT_TRUE(claim(b, "192.0.2.1"));
	CU_ASSERT_TRUE(claim(b, ""));
	CU_ASSERT_TRUE(claim(b, ""));
	CU_ASSERT_TRUE(claim(b, ""));
	budget_free(a);
	budget_free(b);
	unlink(path);
}

/* What a killed process wrote about its places counts no more. */
static void
dead_place_counts_for_nobody(void)
{
	struct budget *a, *b;

	begin(0, 8, 1);
	a = open_one();
	b = open_one();
	CU_ASSERT_TRUE(claim(a, "192.0.2.1"));
	CU_ASSERT_FALSE(claim(b, "192.0.2.1"));
	budget_free(a);
	CU_ASSERT_TRUE(claim(b, "192.0.2.1"));
	budget_free(b);
	unlink(path);
}

static void
all_processes_learn_of_a_refusal(void)
{
	int64_t past_ms = clock_unix_ms() - 30001;
	struct budget *a, *b;
	int fd;

	begin(1, 0, 0);
	a = open_one();
	CU_ASSERT_FALSE(budget_is_short(a));
	CU_ASSERT_TRUE(claim(a, ""));
	CU_ASSERT_FALSE(budget_is_short(a));
	CU_ASSERT_FALSE(claim(a, ""));
	CU_ASSERT_TRUE(budget_is_short(a));
	b = open_one();
	CU_ASSERT_TRUE(budget_is_short(b));
	budget_free(b);
	fd = open(path, O_WRONLY);
	CU_ASSERT_EQUAL(
	    pwrite(fd, &past_ms, sizeof past_ms, 0), (ssize_t)sizeof past_ms);
	close(fd);
	b = open_one();
	CU_ASSERT_FALSE(budget_is_short(b));
	budget_free(b);
	budget_free(a);
	unlink(path);
}

static void
file_is_closed_to_others(void)
{
	struct budget *b;
	struct stat st;

	begin(1, 0, 0);
	b = open_one();
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	budget_free(b);
	unlink(path);
}

static void
folder_that_is_missing_is_told(void)
{
	struct budget *b;

	begin(1, 0, 0);
	CU_ASSERT_EQUAL(budget_new(&b, "/no/such/folder/x", &o, &e), RC_CONFIG);
	CU_ASSERT_PTR_NULL(b);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "/no/such/folder/x"));
}

static void
want_of_memory_is_told(void)
{
	struct budget *b;
	unsigned i;

	begin(4, 0, 1);
	for (i = 0; i < 2; i++) {
		fail_alloc_after(i);
		CU_ASSERT_EQUAL(budget_new(&b, path, &o, &e), RC_NOMEM);
		CU_ASSERT_TRUE(fail_alloc_end());
		CU_ASSERT_PTR_NULL(b);
	}
	unlink(path);
}

CU_TestInfo test_budget[] = {
    {"without_limits_everybody_has_a_place",
        without_limits_everybody_has_a_place},
    {"processes_share_the_places", processes_share_the_places},
    {"a_reserve_as_large_as_all_leaves_none",
        a_reserve_as_large_as_all_leaves_none},
    {"killed_process_gives_its_places_back",
        killed_process_gives_its_places_back},
    {"one_address_has_its_share_only", one_address_has_its_share_only},
    {"dead_place_counts_for_nobody", dead_place_counts_for_nobody},
    {"all_processes_learn_of_a_refusal", all_processes_learn_of_a_refusal},
    {"file_is_closed_to_others", file_is_closed_to_others},
    {"folder_that_is_missing_is_told", folder_that_is_missing_is_told},
    {"want_of_memory_is_told", want_of_memory_is_told},
    CU_TEST_INFO_NULL,
};
