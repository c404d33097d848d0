/* Where the log goes when the program lies in an uploaded folder. */
#include "prog/folder.h"
#include "tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];
static struct err e;

static void
begin(void)
{
	snprintf(top, sizeof top, "/tmp/folder-test-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(top));
}

static void
end(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", top);
	CU_ASSERT_EQUAL(system(command), 0);
}

/* Makes a folder and those above it. */
static void
make(const char *name)
{
	char command[256];

	snprintf(command, sizeof command, "mkdir -p '%s/%s'", top, name);
	CU_ASSERT_EQUAL(system(command), 0);
}

static bool
is_there(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", top, name);
	return access(path, F_OK) == 0;
}

/* The log of a program in that folder is this, below top. */
static void
chooses(const char *folder, const char *expected)
{
	char own[256], path[256], *log = NULL;

	snprintf(own, sizeof own, "%s/%s", top, folder);
	snprintf(path, sizeof path, "%s/%s", top, expected);
	CU_ASSERT_EQUAL(folder_choose_log(own, &log, &e), RC_OK);
	CU_ASSERT_PTR_NOT_NULL_FATAL(log);
	CU_ASSERT_STRING_EQUAL(log, path);
	free(log);
}

static void
log_goes_outside_the_web_root(void)
{
	struct stat st;
	char path[256];

	begin();
	make("u/public_html/live/comet");
	chooses("u/public_html/live/comet",
	    "u/cometlog-data/public_html-live-comet/cometlog.db");
	CU_ASSERT_TRUE(is_there("u/cometlog-data/.htaccess"));
	CU_ASSERT_FALSE(is_there("u/public_html/live/comet/data"));
	snprintf(path, sizeof path, "%s/u/cometlog-data/public_html-live-comet",
	    top);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
	chooses("u/public_html/live/comet",
	    "u/cometlog-data/public_html-live-comet/cometlog.db");
	end();
}

static void
two_copies_have_two_logs(void)
{
	begin();
	make("u/htdocs/a");
	make("u/htdocs/b");
	chooses("u/htdocs/a", "u/cometlog-data/htdocs-a/cometlog.db");
	chooses("u/htdocs/b", "u/cometlog-data/htdocs-b/cometlog.db");
	end();
}

static void
log_that_lies_inside_stays_there(void)
{
	char path[256];
	FILE *f;

	begin();
	make("u/public_html/live/data");
	snprintf(
	    path, sizeof path, "%s/u/public_html/live/data/cometlog.db", top);
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fclose(f);
	chooses("u/public_html/live", "u/public_html/live/data/cometlog.db");
	CU_ASSERT_FALSE(is_there("u/cometlog-data"));
	end();
}

static void
unknown_layout_keeps_a_denied_folder_beside_the_program(void)
{
	begin();
	make("srv/site/live");
	chooses("srv/site/live", "srv/site/live/data/cometlog.db");
	CU_ASSERT_TRUE(is_there("srv/site/live/data/.htaccess"));
	end();
}

static void
name_that_only_looks_like_a_web_root_is_none(void)
{
	begin();
	make("u/public_html2/live");
	chooses("u/public_html2/live", "u/public_html2/live/data/cometlog.db");
	end();
}

static void
folder_that_cannot_be_made_is_told(void)
{
	char own[256], path[256], *log = NULL;
	FILE *f;

	begin();
	make("srv/live");
	snprintf(path, sizeof path, "%s/srv/live/data", top);
	f = fopen(path, "w"); /* a file where the folder should be */
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fclose(f);
	snprintf(own, sizeof own, "%s/srv/live", top);
	CU_ASSERT_EQUAL(folder_choose_log(own, &log, &e), RC_CONFIG);
	CU_ASSERT_PTR_NULL(log);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, path));
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "log = FILE"));
	end();
}

static void
without_a_file_beside_the_program_there_is_no_config(void)
{
	char *folder = NULL;

	CU_ASSERT_EQUAL(folder_find(&folder, &e), RC_OK);
	CU_ASSERT_PTR_NULL(folder);
}

static void
file_is_found_only_where_it_is(void)
{
	char *path = NULL;

	begin();
	make("live/cometlog.conf");
	CU_ASSERT_EQUAL(folder_file(top, FOLDER_CONFIG, &path, &e), RC_OK);
	CU_ASSERT_PTR_NULL(path);
	strcat(top, "/live");
	CU_ASSERT_EQUAL(folder_file(top, FOLDER_CONFIG, &path, &e), RC_OK);
	CU_ASSERT_PTR_NOT_NULL_FATAL(path);
	CU_ASSERT_PTR_NOT_NULL(strstr(path, "/live/cometlog.conf"));
	free(path);
	*strrchr(top, '/') = 0;
	end();
}

CU_TestInfo test_folder[] = {
    {"log_goes_outside_the_web_root", log_goes_outside_the_web_root},
    {"two_copies_have_two_logs", two_copies_have_two_logs},
    {"log_that_lies_inside_stays_there", log_that_lies_inside_stays_there},
    {"unknown_layout_keeps_a_denied_folder_beside_the_program",
        unknown_layout_keeps_a_denied_folder_beside_the_program},
    {"name_that_only_looks_like_a_web_root_is_none",
        name_that_only_looks_like_a_web_root_is_none},
    {"folder_that_cannot_be_made_is_told", folder_that_cannot_be_made_is_told},
    {"file_is_found_only_where_it_is", file_is_found_only_where_it_is},
    {"without_a_file_beside_the_program_there_is_no_config",
        without_a_file_beside_the_program_there_is_no_config},
    CU_TEST_INFO_NULL,
};
