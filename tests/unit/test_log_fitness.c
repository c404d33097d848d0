/* What the doctor learns of the place where the log lies. */
#include "log_fixture.h"
#include "tests.h"

#include "log/file.h"
#include "log/fitness.h"

#include <dirent.h>

static void
fitness_below_is_by_whole_names(void)
{
	CU_ASSERT(log_is_below("/srv/www", "/srv/www"));
	CU_ASSERT(log_is_below("/srv/www/data", "/srv/www"));
	CU_ASSERT(log_is_below("/srv/www/data", "/srv/www///"));
	CU_ASSERT(log_is_below("/srv/www", "/"));
	CU_ASSERT_FALSE(log_is_below("/srv/www-data", "/srv/www"));
	CU_ASSERT_FALSE(log_is_below("/srv", "/srv/www"));
}

static unsigned
files_in(const char *folder)
{
	DIR *d = opendir(folder);
	unsigned n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
fitness_of_a_usual_place_is_told_and_leaves_nothing(void)
{
	struct log_fitness f;
	struct fixture x;
	unsigned before;

	fixture_start(&x);
	before = files_in(x.folder);
	CU_ASSERT_EQUAL(log_fitness(x.r, SLICE(""), &f, &x.e), RC_OK);
	CU_ASSERT_EQUAL(files_in(x.folder), before);
	CU_ASSERT(f.is_wal);
	CU_ASSERT(f.has_locks);
	CU_ASSERT(f.has_shared_memory);
	CU_ASSERT(strlen(f.file_system) > 1);
	CU_ASSERT(f.free_bytes > 0);
	CU_ASSERT_FALSE(f.is_in_web_root);
	fixture_fini(&x);
}

static void
fitness_tells_the_journal_in_use(void)
{
	struct log_fitness f;
	struct fixture x;

	fixture_init(&x);
	x.o.journal = LOG_ROLLBACK;
	fixture_open(&x);
	CU_ASSERT_EQUAL(log_fitness(x.r, SLICE(""), &f, &x.e), RC_OK);
	CU_ASSERT_FALSE(f.is_wal);
	fixture_fini(&x);
}

static void
fitness_sees_the_web_root_through_links(void)
{
	struct log_fitness f;
	struct fixture x;
	char link[320];

	fixture_start(&x);
	snprintf(link, sizeof link, "%s-link", x.folder);
	CU_ASSERT_EQUAL_FATAL(symlink(x.folder, link), 0);
	CU_ASSERT_EQUAL(log_fitness(x.r, slice_of(link), &f, &x.e), RC_OK);
	CU_ASSERT(f.is_in_web_root);
	CU_ASSERT_EQUAL(
	    log_fitness(x.r, SLICE("/no/such/folder"), &f, &x.e), RC_OK);
	CU_ASSERT_FALSE(f.is_in_web_root);
	unlink(link);
	fixture_fini(&x);
}

static void
fitness_says_that_nothing_can_be_made_beside_the_log(void)
{
	struct log_fitness f;
	struct fixture x;

	if (geteuid() == 0)
		return; /* root may write anywhere */
	fixture_start(&x);
	chmod(x.folder, 0500);
	CU_ASSERT_EQUAL(log_fitness(x.r, SLICE(""), &f, &x.e), RC_LOG);
	CU_ASSERT_PTR_NOT_NULL(strstr(x.e.text, "beside the log"));
	chmod(x.folder, 0700);
	fixture_fini(&x);
}

static void
file_systems_have_names(void)
{
	char name[24];

	file_system_name("/proc", name, sizeof name);
	CU_ASSERT_STRING_EQUAL(name, "0x9fa0"); /* PROC_SUPER_MAGIC */
	file_system_name("/no/such/folder", name, sizeof name);
	CU_ASSERT_STRING_EQUAL(name, "unknown");
	file_system_name("/proc", name, 4);
	CU_ASSERT_STRING_EQUAL(name, "0x9");
}

#define T(f) \
	{ \
#f, f \
	}
CU_TestInfo test_log_fitness[] = {
    T(fitness_below_is_by_whole_names),
    T(fitness_of_a_usual_place_is_told_and_leaves_nothing),
    T(fitness_tells_the_journal_in_use),
    T(fitness_sees_the_web_root_through_links),
    T(fitness_says_that_nothing_can_be_made_beside_the_log),
    T(file_systems_have_names),
    CU_TEST_INFO_NULL,
};
