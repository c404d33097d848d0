/* The tip file, as a web server sees it. */
#include "base/cursor.h"
#include "hub/tip.h"
#include "tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char name[256], tip[300], lock[300];
};

static void
make(struct folder *f)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(f->name, sizeof f->name, "%s/tip-test-XXXXXX",
	    tmp == NULL ? P_tmpdir : tmp);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->name));
	snprintf(f->tip, sizeof f->tip, "%s/tip", f->name);
	snprintf(f->lock, sizeof f->lock, "%s/lock", f->name);
}

static void
take_away(struct folder *f)
{
	unlink(f->tip);
	unlink(f->lock);
	CU_ASSERT_EQUAL(rmdir(f->name), 0);
}

static struct tip *
begin(struct folder *f)
{
	struct tip *t;
	struct err e;

	CU_ASSERT_EQUAL_FATAL(tip_new(&t, f->tip, f->lock, &e), RC_OK);
	return t;
}

static void
write_cursor(struct tip *t, uint64_t seq)
{
	char cursor[CURSOR_MAX_BYTES];

	tip_write(t, (struct slice){cursor, cursor_format(cursor, seq, 7)});
}

static void
read_text(struct folder *f, char *to, size_t size)
{
	FILE *file = fopen(f->tip, "r");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	to[fread(to, 1, size - 1, file)] = 0;
	fclose(file);
}

/* nginx's ETag: the second, and the length. */
static void
no_two_versions_have_the_same_second_and_length(void)
{
	struct folder f;
	struct stat old, new;
	struct tip *t[2];
	uint64_t seq;

	make(&f);
	t[0] = begin(&f);
	t[1] = begin(&f); /* the keeper may change in between */
	write_cursor(t[0], 1);
	stat(f.tip, &old);
	for (seq = 2; seq < 130; seq++, old = new) {
		write_cursor(t[seq / 10 % 2], seq);
		stat(f.tip, &new);
		CU_ASSERT(
		    new.st_mtime != old.st_mtime || new.st_size > old.st_size);
	}
	tip_free(t[0]);
	tip_free(t[1]);
	take_away(&f);
}

static void
it_holds_the_cursor_and_nothing_but_line_ends_after_it(void)
{
	char text[1024];
	struct folder f;
	struct tip *t;
	uint64_t seq;

	make(&f);
	t = begin(&f);
	for (seq = 998; seq < 1002; seq++) {
		char cursor[CURSOR_MAX_BYTES];
		size_t n = cursor_format(cursor, seq, 7);

		write_cursor(t, seq);
		read_text(&f, text, sizeof text);
		CU_ASSERT_EQUAL(memcmp(text, cursor, n), 0);
		CU_ASSERT_EQUAL(strspn(text + n, "\n"), strlen(text + n));
	}
	tip_free(t);
	take_away(&f);
}

static void
what_stands_there_is_not_written_again(void)
{
	struct folder f;
	struct stat old, new;
	struct tip *t;

	make(&f);
	t = begin(&f);
	write_cursor(t, 5);
	stat(f.tip, &old);
	write_cursor(t, 5);
	stat(f.tip, &new);
	CU_ASSERT_EQUAL(old.st_ino, new.st_ino);
	CU_ASSERT_EQUAL(old.st_size, new.st_size);
	tip_free(t);
	take_away(&f);
}

#define T(f) \
	{ \
#f, f \
	}

CU_TestInfo test_tip[] = {T(no_two_versions_have_the_same_second_and_length),
    T(it_holds_the_cursor_and_nothing_but_line_ends_after_it),
    T(what_stands_there_is_not_written_again), CU_TEST_INFO_NULL};
