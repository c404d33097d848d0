/* What cometlog doctor says of figures. */
#include "fail_alloc.h"
#include "prog/findings.h"
#include "tests.h"

#include <stdio.h>
#include <string.h>

/* A place where all is well. */
static struct survey
good_place(void)
{
	struct survey s = {
	    .path = "/comet",
	    .status = 200,
	    .server = "lighttpd/1.4.69",
	    .protocol = "HTTP/2",
	    .is_reached = true,
	    .ping_ms = 3,
	    .facts = {.version = "0.1.0",
	        .gateway = "fastcgi",
	        .software = "lighttpd/1.4.69",
	        .journal = "wal",
	        .file_system = "xfs",
	        .is_fit_for_wal = true,
	        .has_locks = true,
	        .has_tip = true,
	        .free_bytes = UINT64_C(5000000000),
	        .longpoll_max_ms = 55000,
	        .max_hold_ms = 270000},
	    .stream = {{1024, 5, 1505, 200}, {4096, 5, 1505, 200},
	        {65536, 9, 1509, 200}},
	    .page = {4096, 5, 1505, 200},
	    .held = 64,
	    .tip_status = 200,
	    .tip_again = 304,
	    .has_tip_cursor = true,
	    .has_websocket = true,
	    .silent = {true, 45, 45000, true},
	    .life = {true, 330, 330000, true},
	};

	return s;
}

static const struct finding *
find(const struct findings *f, const char *id)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (strcmp(f->item[i].id, id) == 0)
			return &f->item[i];
	return NULL;
}

/* The level of one finding, and whether its lines hold that. */
static void
expect(const struct survey *s, const char *id, enum findings_level level,
    const char *lines)
{
	static const struct finding none = {.id = ""};
	const struct finding *x;
	struct findings f;

	findings_judge(&f, s);
	x = find(&f, id);
	CU_ASSERT_PTR_NOT_NULL(x);
	x = x == NULL ? &none : x;
	CU_ASSERT_EQUAL(x->level, level);
	CU_ASSERT_EQUAL(x->where == NULL, lines == NULL);
	CU_ASSERT(lines == NULL || strstr(x->lines, lines) != NULL);
}

static void
findings_of_a_good_place_are_good(void)
{
	struct survey s = good_place();
	struct findings f;
	size_t i;

	findings_judge(&f, &s);
	CU_ASSERT_EQUAL(findings_worst(&f), FINDINGS_GOOD);
	CU_ASSERT_EQUAL(f.n, 9);
	for (i = 0; i < FINDINGS_TECHNIQUES; i++)
		CU_ASSERT(f.can[i]);
}

static void
unreached_is_told_by_its_status(void)
{
	static const struct {
		long status;
		const char *path, *type, *sample, *detail, *lines;
	} given[] = {
	    {404, "/c/cometlog.fcgi", "", "", "", "AddHandler"},
	    {404, "/comet", "", "", "", "lighty-enable-mod"},
	    {500, "/c/cometlog.fcgi", "", "", "", "chmod 755"},
	    {500, "/comet", "", "", "", "journalctl"},
	    {403, "/comet", "", "", "", "+ExecCGI"},
	    {502, "/comet", "", "", "", "systemctl status"},
	    {508, "/comet", "", "", "", "site-requests"},
	    {200, "/c/x.fcgi", "", "\177ELF\2", "", "AddHandler"},
	    {200, "/comet", "text/html", "<h1>", "", NULL},
	    {301, "/comet", "", "", "", NULL},
	    {401, "/comet", "", "", "", NULL},
	    {503, "/comet", "", "", "The disk is full.", NULL},
	    {0, "/comet", "", "", "", NULL},
	};
	struct survey s;
	struct findings f;
	size_t i;

	for (i = 0; i < sizeof given / sizeof given[0]; i++) {
		s = (struct survey){
		    .status = given[i].status, .server = "lighttpd"};
		snprintf(s.path, sizeof s.path, "%s", given[i].path);
		snprintf(s.type, sizeof s.type, "%s", given[i].type);
		snprintf(s.sample, sizeof s.sample, "%s", given[i].sample);
		snprintf(s.detail, sizeof s.detail, "%s", given[i].detail);
		expect(&s, "reach", FINDINGS_FAULT, given[i].lines);
		findings_judge(&f, &s);
		CU_ASSERT_EQUAL(f.n, 1);
		CU_ASSERT_FALSE(f.can[FINDINGS_POLL]);
	}
}

static void
log_in_a_wrong_place_is_told(void)
{
	struct survey s = good_place();

	s.facts.is_fit_for_wal = false;
	expect(&s, "log", FINDINGS_FAULT, "journal = rollback");
	snprintf(s.facts.journal, sizeof s.facts.journal, "rollback");
	expect(&s, "log", FINDINGS_NOTE, NULL);
	s.facts.is_fit_for_wal = true;
	expect(&s, "log", FINDINGS_NOTE, "journal = auto");
	s.facts.has_locks = false;
	expect(&s, "log", FINDINGS_FAULT, "log =");
	s.facts.free_bytes = 1000;
	expect(&s, "space", FINDINGS_CHANGE, "retain");
	s.file[1].is_open = true;
	expect(&s, "exposed", FINDINGS_FAULT, "url.access-deny");
	s.server[0] = s.facts.software[0] = 0;
	expect(&s, "exposed", FINDINGS_FAULT, "Require all denied");
}

static void
buffer_is_told_with_the_lines_of_its_server(void)
{
	struct survey s = good_place();
	struct findings f;

	s.stream[0].rest_ms = s.stream[0].first_ms = 3000;
	expect(&s, "streams", FINDINGS_CHANGE, "stream-response-body");
	findings_judge(&f, &s);
	CU_ASSERT_FALSE(f.can[FINDINGS_SSE]);
	CU_ASSERT(f.can[FINDINGS_LONGPOLL]);
	CU_ASSERT_PTR_NOT_NULL(
	    strstr(find(&f, "streams")->text, "Small pieces"));
	snprintf(s.path, sizeof s.path, "/c/cometlog.fcgi");
	expect(&s, "streams", FINDINGS_NOTE, NULL);
	s.stream[0].status = 503;
	expect(&s, "streams", FINDINGS_NOTE, NULL);
	s = good_place();
	s.page.rest_ms = s.page.first_ms;
	expect(&s, "gzip", FINDINGS_CHANGE, "no-gzip");
}

static void
limits_are_told_with_room_below_them(void)
{
	struct survey s = good_place();

	s.silent = (struct survey_life){true, 45, 40000, false};
	expect(&s, "silent", FINDINGS_CHANGE, "longpoll-max = 30s");
	s.silent.lived_ms = 10;
	expect(&s, "silent", FINDINGS_CHANGE, "longpoll-max = 1s\nheartbeat");
	s.life = (struct survey_life){true, 330, 120000, false};
	expect(&s, "life", FINDINGS_CHANGE, "max-hold = 90s");
	s.life.lived_ms = 300000;
	expect(&s, "life", FINDINGS_GOOD, NULL);
	s.held = 7;
	s.has_wait = true;
	expect(
	    &s, "held", FINDINGS_CHANGE, "site-requests = 8\nsite-reserve = 4");
	s.held = 0;
	expect(
	    &s, "held", FINDINGS_CHANGE, "site-requests = 2\nsite-reserve = 1");
	s.has_wait = false;
	s.held_status = 508;
	expect(&s, "held", FINDINGS_CHANGE, "site-requests");
	s.held_status = 503;
	expect(&s, "held", FINDINGS_GOOD, NULL);
}

static void
tip_file_is_told(void)
{
	struct survey s = good_place();

	s.tip_again = 200;
	expect(&s, "tip", FINDINGS_NOTE, NULL);
	s.has_tip_cursor = false;
	expect(&s, "tip", FINDINGS_CHANGE, NULL);
	s.facts.has_tip = false;
	expect(&s, "tip", FINDINGS_CHANGE, "tip-file = /var");
}

static void
text_keeps_to_its_columns_and_json_is_whole(void)
{
	struct survey s = {.status = 503};
	struct findings f;
	struct buf b;
	size_t i, at = 0;

	memset(s.detail, 'x', sizeof s.detail - 1);
	for (i = 7; i < sizeof s.detail - 1; i += 9)
		s.detail[i] = ' ';
	memcpy(s.detail, "\xff\"\\\n", 4);
	findings_judge(&f, &s);
	buf_init(&b, 0);
	findings_add_text(&b, &f);
	for (i = 0; i < b.n; i++) {
		at = b.p[i] == '\n' ? 0 : at + 1;
		CU_ASSERT(at < 80);
	}
	buf_clear(&b);
	findings_add_json(&b, &f, &s);
	CU_ASSERT_PTR_NOT_NULL(memmem(b.p, b.n, "\"reached\":false", 15));
	CU_ASSERT_PTR_NOT_NULL(memmem(b.p, b.n, "\\\"\\\\\\n", 6));
	buf_fini(&b);
}

static void
want_of_memory_is_no_half_text(void)
{
	struct survey s = good_place();
	struct findings f;
	struct buf b;
	unsigned n;

	findings_judge(&f, &s);
	for (n = 0; n < 100; n++) {
		buf_init(&b, 0);
		fail_alloc_after(n);
		findings_add_json(&b, &f, &s);
		fail_alloc_end();
		if (b.rc == RC_OK)
			break;
		buf_fini(&b);
	}
	CU_ASSERT(n > 0 && n < 100);
	CU_ASSERT_EQUAL(b.p[b.n - 2], '}');
	buf_fini(&b);
}

static void
facts_are_read_and_nonsense_is_none(void)
{
	char text[] =
	    "{\"version\":\"0.1.0\",\"time\":5,\"gateway\":\"cgi\","
	    "\"server\":{\"software\":\"a\\\"b\"},\"log\":{\"journal\":\"wal\","
	    "\"file_system\":\"xfs\",\"locks\":true,\"wal\":false,"
	    "\"in_web_root\":true,\"free_bytes\":7},\"tip\":{\"configured\":"
	    "true},"
	    "\"limits\":{\"max_hold_ms\":9,\"longpoll_max_ms\":8}}";
	static const char *const nonsense[] = {"", "[]", "{", "null", "{}",
	    "{\"gateway\":\"cgi\"}", "{\"gateway\":7,\"log\":{}}", "\"x\""};
	struct survey_facts f;
	char copy[64];
	size_t i;

	CU_ASSERT(survey_read_facts(&f, text, sizeof text - 1));
	CU_ASSERT_STRING_EQUAL(f.software, "a\"b");
	CU_ASSERT_STRING_EQUAL(f.gateway, "cgi");
	CU_ASSERT(f.has_locks && !f.is_fit_for_wal && f.is_in_web_root);
	CU_ASSERT(f.has_tip && f.free_bytes == 7 && f.time_ms == 5);
	CU_ASSERT(f.max_hold_ms == 9 && f.longpoll_max_ms == 8);
	for (i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
		snprintf(copy, sizeof copy, "%s", nonsense[i]);
		CU_ASSERT_FALSE(survey_read_facts(&f, copy, strlen(copy)));
	}
}

static void
secrets_are_told_from_pages_that_say_no(void)
{
	static const struct {
		bool is_secret;
		const char *path;
		long status;
		const char *type, *sample;
	} given[] = {
	    {true, "/data/cometlog.db", 200, "", "SQLite format 3"},
	    {true, "/cometlog.conf", 200, "text/plain", "log = x"},
	    {true, "/data/", 200, "text/html", "<h1>Index of /data"},
	    {false, "/data/cometlog.db", 403, "", "SQLite format 3"},
	    {false, "/data/cometlog.db", 200, "text/html", "<h1>Hello"},
	    {false, "/cometlog.conf", 200, "text/html", "the log = x"},
	    {false, "/data/", 200, "text/html", "<h1>Hello"},
	    {false, "", 200, "", ""},
	};
	size_t i;

	for (i = 0; i < sizeof given / sizeof given[0]; i++)
		CU_ASSERT_EQUAL(survey_is_secret(given[i].path, given[i].status,
		                    given[i].type, given[i].sample,
		                    strlen(given[i].sample)),
		    given[i].is_secret);
}

#define T(f) \
	{ \
#f, f \
	}
CU_TestInfo test_findings[] = {
    T(findings_of_a_good_place_are_good),
    T(unreached_is_told_by_its_status),
    T(log_in_a_wrong_place_is_told),
    T(buffer_is_told_with_the_lines_of_its_server),
    T(limits_are_told_with_room_below_them),
    T(tip_file_is_told),
    T(text_keeps_to_its_columns_and_json_is_whole),
    T(want_of_memory_is_no_half_text),
    T(facts_are_read_and_nonsense_is_none),
    T(secrets_are_told_from_pages_that_say_no),
    CU_TEST_INFO_NULL,
};
