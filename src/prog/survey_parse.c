/* The pure half of the survey: what answers say. */
#include "prog/survey.h"

#include "base/quantity.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>

/* The value of a member, of an object that is text; p == NULL: none. */
static struct slice
member(struct slice object, const char *name)
{
	struct json_members m;
	struct slice got, value, want = slice_of(name);

	if (object.n == 0 || object.p[0] != '{')
		return (struct slice){0};
	m = json_members_of(object);
	while (json_next_member(&m, &got, &value))
		if (got.n == want.n + 2 &&
		    memcmp(got.p + 1, want.p, want.n) == 0)
			return value;
	return (struct slice){0};
}

static void
copy_text(char *to, size_t n, struct slice string)
{
	struct buf b;

	buf_init(&b, 0);
	if (string.n >= 2 && string.p[0] == '"')
		json_add_unescaped(&b, string);
	snprintf(to, n, "%.*s", (int)b.n, b.p == NULL ? "" : b.p);
	buf_fini(&b);
}

static bool
is_true(struct slice value)
{
	return slice_is(value, SLICE("true"));
}

static uint64_t
number(struct slice value)
{
	uint64_t v;

	return value.p != NULL && quantity_uint(value, &v) ? v : 0;
}

bool
survey_read_facts(struct survey_facts *f, char *text, size_t n)
{
	struct slice all, log, limits, tip;

	memset(f, 0, sizeof *f);
	if (json_compact(text, &n, NULL) != RC_OK)
		return false;
	all = (struct slice){text, n};
	log = member(all, "log");
	limits = member(all, "limits");
	tip = member(all, "tip");
	copy_text(f->version, sizeof f->version, member(all, "version"));
	copy_text(f->gateway, sizeof f->gateway, member(all, "gateway"));
	copy_text(f->software, sizeof f->software,
	    member(member(all, "server"), "software"));
	copy_text(f->journal, sizeof f->journal, member(log, "journal"));
	copy_text(
	    f->file_system, sizeof f->file_system, member(log, "file_system"));
	f->is_fit_for_wal = is_true(member(log, "wal"));
	f->has_locks = is_true(member(log, "locks"));
	f->is_in_web_root = is_true(member(log, "in_web_root"));
	f->free_bytes = number(member(log, "free_bytes"));
	f->has_tip = is_true(member(tip, "configured"));
	f->time_ms = (int64_t)number(member(all, "time"));
	f->longpoll_max_ms = number(member(limits, "longpoll_max_ms"));
	f->max_hold_ms = number(member(limits, "max_hold_ms"));
	return f->gateway[0] != 0 && log.p != NULL;
}

static bool
has(const char *p, size_t n, const char *text)
{
	return memmem(p, n, text, strlen(text)) != NULL;
}

bool
survey_is_secret(const char *path, long status, const char *type,
    const char *sample, size_t n)
{
	size_t length = strlen(path);

	if (status != 200)
		return false;
	if (length > 0 && path[length - 1] == '/')
		return has(sample, n, "Index of") || has(sample, n, "cometlog");
	if (n >= 15 && memcmp(sample, "SQLite format 3", 15) == 0)
		return true;
	return strstr(type, "html") == NULL &&
	    (has(sample, n, "log =") || has(sample, n, "site-requests =") ||
	        has(sample, n, "retain ="));
}
