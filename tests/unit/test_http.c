/* The small pieces of HTTP. */
#include "base/buf.h"
#include "tests.h"
#include "wire/http.h"
#include "wire/json.h"

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static bool
took(struct buf *b, const char *text)
{
	bool is_same = b->rc == RC_OK && slice_is(buf_slice(b), slice_of(text));

	if (!is_same)
		fprintf(stderr, "\ngot: %.*s\n", (int)b->n, b->p);
	buf_fini(b);
	return is_same;
}

static void
each_result_has_a_reason_phrase(void)
{
#define X(name, status, text) CU_ASSERT(http_reason(status)[0] != 0);
	RC_LIST(X)
#undef X
	CU_ASSERT_STRING_EQUAL(http_reason(201), "Created");
	CU_ASSERT_STRING_EQUAL(http_reason(304), "Not Modified");
	CU_ASSERT_STRING_EQUAL(http_reason(413), "Content Too Large");
	CU_ASSERT_STRING_EQUAL(http_reason(299), "");
}

static void
media_type_ignores_case_and_parameters(void)
{
	static const char *const same[] = {"text/plain", "Text/PLAIN",
	    " text/plain ", "text/plain;charset=utf-8",
	    "text/plain ; a=\"b;c\""};
	static const char *const other[] = {"", ";", "text/plainer",
	    "text/plai", "text/html;text/plain", "text/ plain"};

	for (size_t i = 0; i < COUNT(same); i++)
		CU_ASSERT(http_is_type(slice_of(same[i]), "text/plain"));
	for (size_t i = 0; i < COUNT(other); i++)
		CU_ASSERT(!http_is_type(slice_of(other[i]), "text/plain"));
	CU_ASSERT(!http_is_type((struct slice){NULL, 0}, "text/plain"));
}

static void
accept_is_weighed(void)
{
	static const char *const html[] = {"text/html",
	    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
	    "text/html, */*", "*/*, text/html", "text/*",
	    "text/html, application/*", "TEXT/HTML",
	    "application/json;q=0.5, text/html;q=0.7",
	    "application/json;q=0, */*", "application/json;q=0.9,*/*",
	    "text/html;level=1;q=0.5, */*;q=0.1", "text/html ; Q=1.000",
	    "text/html;a=\"x,y;q=0\", application/json;q=0.9",
	    "text/html;a=\"\\\",\";q=0.4, application/json;q=0.3",
	    "application/json;q=0.001, text/html;q=0.002", ",,text/html,,",
	    "text/html;a=\"", "application/*, text/html",
	    "text/html;q=x, text/*",
	    "text/html;level=1;q=0.1, text/html;q=0.9, application/json;q=0.5",
	    "text/html;q=0.9, text/html;level=1;q=0.1, application/json;q=0.5",
	    "text/html;a=\";q=0.1\";q=0.9, application/json;q=0.5"};
	static const char *const json[] = {"", "*/*", "application/json",
	    "text/html, application/json", "application/json, text/html",
	    "application/json, text/javascript, */*; q=0.01", "text/html;q=0",
	    "text/html;q=0.5, application/json", "text/html;q=0, text/*",
	    "text/html;q=0.5, */*", "text/plain", "text/html;q=2",
	    "text/html;q=", "text/html;q=0.1234", "text/html;q=1.001",
	    "text/html;q=.5", "text/html;q=-1",
	    "text/html;q=0, application/json;q=0",
	    "application/json;q=0.5, x/y;a=\", text/html, \"",
	    "application/json;q=0.5, x/y;a=\"\\\", text/html, \""};

	for (size_t i = 0; i < COUNT(html); i++)
		CU_ASSERT(http_wants_html(slice_of(html[i])));
	for (size_t i = 0; i < COUNT(json); i++)
		CU_ASSERT(!http_wants_html(slice_of(json[i])));
	CU_ASSERT(!http_wants_html((struct slice){NULL, 0}));
}

static void
etag_is_compared_weakly(void)
{
	static const char *const match[] = {"W/\"a,1\"", "\"a,1\"", "*", " * ",
	    "\"x\", W/\"a,1\"", "\"x\",,\t\"a,1\" , \"y\"", "W/\"a,1-gzip\"",
	    "\"a,1-br\""};
	static const char *const other[] = {"", "a,1", "\"a\"", "\"a,1",
	    "\"a,2\"", "W/", "\"", "\"\"", "\"a,1-\"", "\"a,1-zip\"",
	    "\"a,1-gzip-gzip\"", "\"*\"", "*, \"x\"", "w/\"a,1\"",
	    "\"x\" W/a \"a,1\"", "\"A,1\"", "\"-gzip\""};

	for (size_t i = 0; i < COUNT(match); i++) {
		CU_ASSERT(
		    http_etag_matches(slice_of(match[i]), SLICE("W/\"a,1\"")));
		CU_ASSERT(
		    http_etag_matches(slice_of(match[i]), SLICE("\"a,1\"")));
	}
	for (size_t i = 0; i < COUNT(other); i++)
		CU_ASSERT(
		    !http_etag_matches(slice_of(other[i]), SLICE("W/\"a,1\"")));
	CU_ASSERT(
	    !http_etag_matches((struct slice){NULL, 0}, SLICE("W/\"a,1\"")));
	CU_ASSERT(!http_etag_matches(SLICE("\"a\""), SLICE("")));
}

static void
redirect_stays_on_this_site(void)
{
	static const char *const good[] = {"/", "/a", "/a/b?c=d#e", "/a//b",
	    "/\xc3\xa9", "/a?next=http://other.example/", "/%5Cx", "a", "../",
	    "../../a.html?b=c#d", "./a:b", "a/b:c", "?a:b", "#a:b", ".", "..",
	    "..//other.example", "/:80", "other.example", "@other.example",
	    "a%3Ab"};
	static const char *const bad[] = {"", "//other.example", "///", ":",
	    "a:b", ":80/a", "..:", "http:", "http:a", "http:/other.example",
	    "HTTPS://other.example", "data:text/html,x", "1:", "@a:80",
	    "\xc3\xa9:", "/\\other.example", "\\/other.example",
	    "http://other.example/", "/a\\b", "/a b", " /a",
	    "/a\r\nSet-Cookie: x=1", "/a\n", "/\t/x", "/\x7f", "/\xff",
	    "/\xc2\x85", "/\xc3", "javascript:alert(1)"};
	char longest[2001];
	struct err e;

	for (size_t i = 0; i < COUNT(good); i++)
		CU_ASSERT_EQUAL(
		    http_redirect_check(slice_of(good[i]), &e), RC_OK);
	for (size_t i = 0; i < COUNT(bad); i++)
		CU_ASSERT_EQUAL(
		    http_redirect_check(slice_of(bad[i]), &e), RC_BAD);
	CU_ASSERT_EQUAL(
	    http_redirect_check((struct slice){NULL, 0}, &e), RC_BAD);
	CU_ASSERT_EQUAL(
	    http_redirect_check((struct slice){"/\0a", 3}, &e), RC_BAD);
	memset(longest, 'a', sizeof longest);
	longest[0] = '/';
	CU_ASSERT_EQUAL(
	    http_redirect_check((struct slice){longest, 2000}, &e), RC_OK);
	CU_ASSERT_EQUAL(
	    http_redirect_check((struct slice){longest, 2001}, &e), RC_BAD);
}

static void
location_is_a_uri(void)
{
	struct buf b;

	buf_init(&b, 0);
	http_add_location(&b, SLICE("/Az09-._~?a=b&c[]=@!$'()*+,;:#/"));
	CU_ASSERT(took(&b, "/Az09-._~?a=b&c[]=@!$'()*+,;:#/"));
	http_add_location(&b, SLICE("/\xc3\xa9 \"<>\\^`{|}\x7f\r\n"));
	CU_ASSERT(took(&b, "/%C3%A9%20%22%3C%3E%5C%5E%60%7B%7C%7D%7F%0D%0A"));
	http_add_location(&b, SLICE("/%20%c3%zz%2"));
	CU_ASSERT(took(&b, "/%20%c3%25zz%252"));
	http_add_location(&b, SLICE("/%"));
	CU_ASSERT(took(&b, "/%25"));
	http_add_location(&b, (struct slice){"\0", 1});
	CU_ASSERT(took(&b, "%00"));
}

static void
origin_is_compared_with_the_host(void)
{
	static const char *const same[][2] = {
	    {"https://a.example", "a.example"},
	    {"http://a.example", "a.example"},
	    {"HTTPS://A.Example", "a.eXAMPLE"},
	    {"https://a.example", "a.example:443"},
	    {"http://a.example", "a.example:80"},
	    {"http://a.example:80", "a.example"},
	    {"https://a.example:8443", "a.example:8443"},
	    {"http://a.example", "a.example:"},
	    {"http://[::1]", "[::1]"},
	    {"http://[::1]:8080", "[::1]:8080"},
	    {"http://localhost:65535", " localhost:65535 "},
	};
	static const char *const other[][2] = {
	    {"https://a.example", "b.example"},
	    {"https://a.example", "a.example.b.example"},
	    {"https://a.example.b.example", "a.example"},
	    {"https://a.example", "a.example:80"},
	    {"http://a.example", "a.example:443"},
	    {"https://a.example:8443", "a.example"},
	    {"https://a.example:1", "a.example:2"},
	    {"https://a.example/", "a.example"},
	    {"https://u@a.example", "a.example"},
	    {"https://", ""},
	    {"https://:1", ":1"},
	    {"https://a.example:65536", "a.example:65536"},
	    {"https://a.example:1x", "a.example:1x"},
	    {"https://a.example:-1", "a.example:-1"},
	    {"https://a:1:2", "a:1:2"},
	    {"https://[::1", "[::1"},
	    {"https://[::1]x", "[::1]x"},
	    {"ftp://a.example", "a.example"},
	    {"null", "null"},
	    {"a.example", "a.example"},
	    {"", ""},
	};

	for (size_t i = 0; i < COUNT(same); i++)
		CU_ASSERT(http_origin_is_host(
		    slice_of(same[i][0]), slice_of(same[i][1])));
	for (size_t i = 0; i < COUNT(other); i++)
		CU_ASSERT(!http_origin_is_host(
		    slice_of(other[i][0]), slice_of(other[i][1])));
	CU_ASSERT(!http_origin_is_host(
	    (struct slice){NULL, 0}, (struct slice){NULL, 0}));
	CU_ASSERT(!http_origin_is_host(
	    SLICE("http://a.example"), (struct slice){NULL, 0}));
}

static void
head_is_a_cgi_answer(void)
{
	struct buf b;

	buf_init(&b, 0);
	http_add_head(&b, 201, "application/json", "Vary: Accept\r\n", 17);
	CU_ASSERT(took(&b,
	    "Status: 201 Created\r\nContent-Type: application/json\r\n"
	    "Content-Length: 17\r\nVary: Accept\r\n\r\n"));
	http_add_head(&b, 200, "text/event-stream", "", HTTP_UNKNOWN);
	CU_ASSERT(took(
	    &b, "Status: 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"));
	http_add_head(&b, 304, NULL, "", HTTP_UNKNOWN);
	CU_ASSERT(took(&b, "Status: 304 Not Modified\r\n\r\n"));
	http_add_head(&b, 204, NULL, "", 0);
	CU_ASSERT(
	    took(&b, "Status: 204 No Content\r\nContent-Length: 0\r\n\r\n"));
}

static void
problem_is_json_whatever_the_detail(void)
{
	struct buf b;

	buf_init(&b, 0);
	http_add_problem(&b, 403, SLICE("say \"who\""));
	CU_ASSERT(took(&b,
	    "{\"type\":\"about:blank\",\"title\":\"Forbidden\","
	    "\"status\":403,\"detail\":\"say \\\"who\\\"\"}\n"));
	http_add_problem(&b, 400, SLICE("cut \xe2\x82"));
	CU_ASSERT(took(&b,
	    "{\"type\":\"about:blank\",\"title\":\"Bad Request\","
	    "\"status\":400,\"detail\":\"cut \xef\xbf\xbd\"}\n"));
}

static void
html_text_cannot_become_markup(void)
{
	struct buf b;

	buf_init(&b, 0);
	http_add_html(&b, SLICE("<a href=\"x\" id='y'>R&D</a>"));
	CU_ASSERT(took(&b,
	    "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;R&amp;D&lt;/a&gt;"));
	http_add_html(&b, SLICE("plain \xc3\xa9\n"));
	CU_ASSERT(took(&b, "plain \xc3\xa9\n"));
	http_add_html(&b, (struct slice){NULL, 0});
	CU_ASSERT(took(&b, ""));
}

/* Each piece of a text ends in a heap block of its own length, so that a
   sanitizer sees a read past it. */
static void
every_truncation_is_read_within_its_end(void)
{
	static const char *const texts[] = {
	    "text/html;a=\"\\\"x\";q=0.5, application/*;q=1.000",
	    "W/\"abc\", \"abc-gzip\" , *", "https://[::1]:65535", "/a%20%zz",
	    "http://a.example:80"};
	struct buf b;
	struct err e;

	buf_init(&b, 0);
	for (size_t i = 0; i < COUNT(texts); i++) {
		for (size_t n = 0; n <= strlen(texts[i]); n++) {
			char *p = malloc(n + (n == 0));
			struct slice s = {p, n};

			if (p == NULL)
				CU_FAIL_FATAL("out of memory");
			memcpy(p, texts[i], n);
			http_is_type(s, "text/html");
			http_wants_html(s);
			http_etag_matches(s, SLICE("W/\"abc\""));
			http_etag_matches(SLICE("W/\"abc\""), s);
			http_origin_is_host(s, s);
			http_origin_is_host(SLICE("http://a.example"), s);
			CU_ASSERT(http_redirect_check(s, &e) == RC_BAD ||
			    (n > 0 && p[0] != ':'));
			http_add_location(&b, s);
			http_add_html(&b, s);
			free(p);
		}
	}
	CU_ASSERT_EQUAL(b.rc, RC_OK);
	buf_fini(&b);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_http[] = {T(each_result_has_a_reason_phrase),
    T(media_type_ignores_case_and_parameters), T(accept_is_weighed),
    T(etag_is_compared_weakly), T(redirect_stays_on_this_site),
    T(location_is_a_uri), T(origin_is_compared_with_the_host),
    T(head_is_a_cgi_answer), T(problem_is_json_whatever_the_detail),
    T(html_text_cannot_become_markup),
    T(every_truncation_is_read_within_its_end), CU_TEST_INFO_NULL};
