/* The opening handshake of a WebSocket. */
#include "fail_alloc.h"
#include "tests.h"
#include "wire/wsopen.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REST \
	"Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY \
	"Sec-WebSocket-Version: 13\r\n"
#define GET "GET /comet/ws HTTP/1.1\r\n"
#define HOST "Host: a.example\r\n"

/* One request and what became of it; head is of exactly its size. */
struct asked {
	struct wsopen o;
	struct err err;
	enum rc rc;
	char *head;
};

static void
ask_bytes(struct asked *a, struct slice head, bool can_deflate)
{
	*a = (struct asked){.head = malloc(head.n + (head.n == 0))};
	memcpy(a->head, head.p, head.n);
	a->rc = wsopen_parse(&a->o, a->head, head.n, can_deflate, &a->err);
}

/* line stands before the header fields, fields before the blank line. */
static void
ask(struct asked *a, const char *line, const char *fields)
{
	char head[2000];

	snprintf(head, sizeof head, "%s%s\r\n", line, fields);
	ask_bytes(a, slice_of(head), true);
}

/* The status of the answer: 101, or that of the refusal. */
static int
status_of(const char *line, const char *fields)
{
	struct asked a;
	int status;

	ask(&a, line, fields);
	status = a.rc == RC_OK ? 101 : a.o.status;
	CU_ASSERT(a.rc == RC_OK || (a.rc == RC_BAD && a.err.text[0] != 0));
	free(a.head);
	return status;
}

static void
head_ends_with_its_blank_line(void)
{
	struct slice head = SLICE(GET HOST "\r\nmore");
	size_t end = head.n - 4;

	for (size_t n = 0; n <= head.n; n++)
		for (size_t from = 0; from <= n; from++) {
			size_t got =
			    wsopen_head_bytes((struct slice){head.p, n}, from);

			/* a look that ended behind the end had found it */
			if (n < end || from < end) {
				CU_ASSERT_EQUAL(got, n < end ? 0 : end);
			}
		}
	CU_ASSERT_EQUAL(wsopen_head_bytes((struct slice){NULL, 0}, 0), 0);
	CU_ASSERT_EQUAL(wsopen_head_bytes(SLICE("\r\n\r\n"), 0), 4);
	CU_ASSERT_EQUAL(wsopen_head_bytes(SLICE("a\n\n\r\r\n"), 0), 0);
}

static void
request_is_taken_apart(void)
{
	struct asked a;

	ask(&a, "GET /comet%2fw%73?channel=a%20b&x=1?y HTTP/1.1\r\n",
	    "hOST:\t a.example:8080 \r\nORIGIN: https://a.example\r\n"
	    "upgrade: h2c, WebSocket\r\nCONNECTION: keep-alive, UPGRADE\r\n"
	    "X-Forwarded-For: 10.0.0.1\r\n"
	    "x-forwarded-for: 10.0.0.2, 10.0.0.3 , ,\r\n"
	    "Cookie: \xc3\xa9=\xff\r\n"
	    "Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version:13\r\nContent-Length: 0\r\n");
	CU_ASSERT_EQUAL(a.rc, RC_OK);
	CU_ASSERT(slice_is(a.o.path, SLICE("/comet/ws")));
	CU_ASSERT(slice_is((struct slice){a.o.query, a.o.query_n},
	    SLICE("channel=a%20b&x=1?y")));
	CU_ASSERT(slice_is(a.o.host, SLICE("a.example:8080")));
	CU_ASSERT(slice_is(a.o.origin, SLICE("https://a.example")));
	CU_ASSERT(slice_is(a.o.client, SLICE("10.0.0.3")));
	CU_ASSERT(slice_is(a.o.key, SLICE("dGhlIHNhbXBsZSBub25jZQ==")));
	CU_ASSERT(!a.o.has_deflate);
	free(a.head);
}

static void
absent_fields_are_null(void)
{
	struct asked a;

	ask(&a, GET, HOST REST);
	CU_ASSERT_EQUAL(a.rc, RC_OK);
	CU_ASSERT(slice_is(a.o.path, SLICE("/comet/ws")));
	CU_ASSERT(a.o.query != NULL && a.o.query_n == 0);
	CU_ASSERT_PTR_NULL(a.o.origin.p);
	CU_ASSERT_PTR_NULL(a.o.client.p);
	free(a.head);
}

static void
absolute_target_names_the_host(void)
{
	struct asked a;

	ask(&a, "GET HTTP://b.example:81/ws?a HTTP/1.1\r\n", HOST REST);
	CU_ASSERT_EQUAL(a.rc, RC_OK);
	CU_ASSERT(slice_is(a.o.path, SLICE("/ws")));
	CU_ASSERT(slice_is(a.o.host, SLICE("b.example:81")));
	free(a.head);
	CU_ASSERT_EQUAL(
	    status_of("GET http://b.example HTTP/1.1\r\n", HOST REST), 400);
	CU_ASSERT_EQUAL(
	    status_of("GET http:///ws HTTP/1.1\r\n", HOST REST), 400);
	CU_ASSERT_EQUAL(
	    status_of("GET ftp://b.example/ HTTP/1.1\r\n", HOST REST), 400);
}

static void
request_line_is_checked(void)
{
	static const struct {
		const char *line;
		int status;
	} lines[] = {
	    {GET, 101},
	    {"POST /ws HTTP/1.1\r\n", 405},
	    {"get /ws HTTP/1.1\r\n", 405},
	    {"GET /ws HTTP/1.0\r\n", 505},
	    {"GET /ws HTTP/2.0\r\n", 505},
	    {"GET /ws http/1.1\r\n", 400},
	    {"GET /ws HTTP/1.10\r\n", 400},
	    {"GET /ws HTTP/1.1 \r\n", 400},
	    {"GET  /ws HTTP/1.1\r\n", 400},
	    {"GET /ws\r\n", 400},
	    {"GET\r\n", 400},
	    {"G@T /ws HTTP/1.1\r\n", 400},
	    {" GET /ws HTTP/1.1\r\n", 400},
	    {"\r\n" GET, 400},
	    {"GET ws HTTP/1.1\r\n", 400},
	    {"GET * HTTP/1.1\r\n", 400},
	    {"GET ?a HTTP/1.1\r\n", 400},
	};

	for (size_t i = 0; i < COUNT(lines); i++)
		CU_ASSERT_EQUAL(
		    status_of(lines[i].line, HOST REST), lines[i].status);
}

static void
each_needed_field_is_missed(void)
{
	CU_ASSERT_EQUAL(status_of(GET, REST), 400);
	CU_ASSERT_EQUAL(status_of(GET, "Host:\r\n" REST), 400);
	CU_ASSERT_EQUAL(status_of(GET, HOST), 426);
	CU_ASSERT_EQUAL(status_of(GET,
	                    HOST "Upgrade: websocket\r\n" KEY
	                         "Sec-WebSocket-Version: 13\r\n"),
	    426);
	CU_ASSERT_EQUAL(status_of(GET,
	                    HOST "Connection: upgrade\r\n" KEY
	                         "Sec-WebSocket-Version: 13\r\n"),
	    426);
	CU_ASSERT_EQUAL(
	    status_of(GET,
	        HOST "Upgrade: websockets\r\nConnection: upgrade\r\n" KEY
	             "Sec-WebSocket-Version: 13\r\n"),
	    426);
	CU_ASSERT_EQUAL(
	    status_of(
	        GET, HOST "Upgrade: websocket\r\nConnection: upgrade\r\n" KEY),
	    426);
	CU_ASSERT_EQUAL(
	    status_of(GET,
	        HOST "Upgrade: websocket\r\nConnection: upgrade\r\n" KEY
	             "Sec-WebSocket-Version: 8\r\n"),
	    426);
	CU_ASSERT_EQUAL(status_of(GET,
	                    HOST "Upgrade: websocket\r\nConnection: upgrade\r\n"
	                         "Sec-WebSocket-Version: 13\r\n"),
	    400);
}

static void
key_must_be_sixteen_bytes(void)
{
	static const char *const bad[] = {"", "dGhlIHNhbXBsZSBub25jZQ=",
	    "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZQAA",
	    "dGhlIHNhbXBsZSBub25jZ===", "dGhl HNhbXBsZSBub25jZQ==",
	    "dGhlIHNhbXBsZSBub25_ZQ==", "dGhlIHNhbXBsZSBub25jZQ==, a"};
	char fields[400];

	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(fields, sizeof fields,
		    HOST "Upgrade: websocket\r\nConnection: upgrade\r\n"
		         "Sec-WebSocket-Version: 13\r\n"
		         "Sec-WebSocket-Key: %s\r\n",
		    bad[i]);
		CU_ASSERT_EQUAL(status_of(GET, fields), 400);
	}
}

static void
malformed_fields_are_refused(void)
{
	static const char *const bad[] = {"a\r\n", ": a\r\n", "a : b\r\n",
	    " folded: a\r\n", "\tfolded\r\n", "a\x80: b\r\n", "a: b\rc\r\n",
	    "a: b\nc: d\r\n", "a: \x01\r\n", "a: \x7f\r\n", "\r\na: b\r\n",
	    "Host: other\r\n", "Origin: http://a\r\nOrigin: http://b\r\n", KEY,
	    "Sec-WebSocket-Version: 13\r\n", "Content-Length: 5\r\n",
	    "Transfer-Encoding: chunked\r\n"};
	char fields[800];

	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(fields, sizeof fields, HOST "%s" REST, bad[i]);
		CU_ASSERT_EQUAL(status_of(GET, fields), 400);
		snprintf(fields, sizeof fields, HOST REST "%s", bad[i]);
		CU_ASSERT_EQUAL(status_of(GET, fields), 400);
	}
	CU_ASSERT_EQUAL(status_of(GET, HOST REST "a: b\tc\r\n"), 101);
}

static void
nul_is_refused_wherever_it_stands(void)
{
	char head[] = GET HOST REST "\r\n";
	struct asked a;

	for (size_t i = 0; i < sizeof head - 1; i++) {
		char kept = head[i];

		head[i] = 0;
		ask_bytes(&a, (struct slice){head, sizeof head - 1}, true);
		CU_ASSERT(a.rc == RC_BAD && a.o.status == 400);
		free(a.head);
		head[i] = kept;
	}
}

static void
every_truncation_is_refused(void)
{
	struct slice head = SLICE(GET HOST REST "\r\n");
	struct asked a;

	for (size_t n = 0; n < head.n; n++) {
		ask_bytes(&a, (struct slice){head.p, n}, true);
		CU_ASSERT_EQUAL(a.rc, RC_BAD);
		free(a.head);
	}
}

/* "15", "10!" (asked for), "-" (none agreed on) or "bad". */
static bool
agrees(const char *extensions, const char *want)
{
	char fields[800], got[8] = "bad";
	struct asked a;

	snprintf(fields, sizeof fields,
	    HOST REST "Sec-WebSocket-Extensions: %s\r\n", extensions);
	ask(&a, GET, fields);
	if (a.rc == RC_OK && a.o.has_deflate)
		snprintf(got, sizeof got, "%u%s", a.o.window_bits,
		    a.o.is_window_asked ? "!" : "");
	else if (a.rc == RC_OK)
		snprintf(got, sizeof got, "-");
	if (strcmp(got, want) != 0)
		fprintf(stderr, "\n%s: %s\n", extensions, got);
	free(a.head);
	return strcmp(got, want) == 0;
}

#define PD "permessage-deflate"

static void
offers_of_deflate_are_negotiated(void)
{
	CU_ASSERT(agrees("", "-"));
	CU_ASSERT(agrees(PD, "15"));
	CU_ASSERT(agrees("Permessage-DEFLATE", "15"));
	CU_ASSERT(agrees(PD "; client_max_window_bits", "15"));
	CU_ASSERT(agrees(PD ";client_max_window_bits=8", "15"));
	CU_ASSERT(agrees(PD " ; server_no_context_takeover ;"
	                    " client_no_context_takeover",
	    "15"));
	CU_ASSERT(agrees(PD "; server_max_window_bits=10", "10!"));
	CU_ASSERT(agrees(PD "; server_max_window_bits=\"9\"", "9!"));
	CU_ASSERT(agrees(PD "; SERVER_MAX_WINDOW_BITS = 15", "15!"));
	CU_ASSERT(agrees("x-webkit-deflate-frame, foo; a=1; b=\"c\"", "-"));
	CU_ASSERT(agrees("foo, , " PD " ,", "15"));
}

static void
quoted_values_are_unescaped(void)
{
	CU_ASSERT(agrees(PD "; server_max_window_bits=\"1\\0\"", "10!"));
	CU_ASSERT(agrees(PD "; server_max_window_bits=\"\\1\\0\"", "10!"));
	CU_ASSERT(agrees(PD "; server_max_window_bits=\"\\1\\1\" ;"
	                    " client_max_window_bits=\"\\9\"",
	    "11!"));
	CU_ASSERT(agrees(PD "; server_max_window_bits=\"\\7\", " PD
	                    "; server_max_window_bits=\"\\8\"",
	    "8!"));
	CU_ASSERT(agrees(PD "; unknown=\"\\a\"", "-"));
	CU_ASSERT(agrees("foo; a=\"b\\c\", " PD, "15"));
}

static void
first_offer_that_can_be_met_is_taken(void)
{
	CU_ASSERT(agrees(PD "; server_max_window_bits=8", "8!"));
	CU_ASSERT(agrees(PD "; server_max_window_bits=8, " PD, "8!"));
	CU_ASSERT(agrees(PD "; server_max_window_bits=9, " PD, "9!"));
	CU_ASSERT(agrees(PD ", " PD "; server_max_window_bits=9", "15"));
	CU_ASSERT(agrees(PD "; foo, " PD "; server_max_window_bits=12", "12!"));
	CU_ASSERT(agrees(
	    "foo\r\nSec-WebSocket-Extensions: " PD
	    "; server_max_window_bits=11\r\nsec-websocket-extensions: " PD,
	    "11!"));
}

static void
bad_offers_are_passed_over(void)
{
	static const char *const bad[] = {"server_max_window_bits",
	    "server_max_window_bits=7", "server_max_window_bits=16",
	    "server_max_window_bits=010", "server_max_window_bits=1",
	    "server_max_window_bits=100", "server_max_window_bits=x",
	    "client_max_window_bits=7", "client_max_window_bits=16",
	    "client_max_window_bits=09", "server_no_context_takeover=1",
	    "client_no_context_takeover=\"x\"", "unknown", "unknown=1",
	    "server_no_context_takeover; server_no_context_takeover",
	    "server_max_window_bits=10; server_max_window_bits=10",
	    "client_max_window_bits; Client_Max_Window_Bits=10"};
	char offer[200];

	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(offer, sizeof offer, PD "; %s", bad[i]);
		CU_ASSERT(agrees(offer, "-"));
		snprintf(offer, sizeof offer, PD "; %s, " PD, bad[i]);
		CU_ASSERT(agrees(offer, "15"));
	}
}

static void
malformed_extensions_are_refused(void)
{
	static const char *const bad[] = {"@", PD ";", PD "; ;", PD " x",
	    PD "; a=", PD "; a=\"", PD "; a=\"x", PD "; a=\"\"",
	    PD "; a=\"x y\"", PD "; a=\"x\\ y\"", PD "; a=\"\\\"",
	    PD "; a=\"x\\", PD "; a=\"\\\"\"", PD "; a=\"\\\\\"",
	    PD "; a=\"\\\xe9\"", PD "; a=\\x", PD "; a=\"x\"y", PD "=1", "; a",
	    PD "; a=b c"};

	for (size_t i = 0; i < COUNT(bad); i++)
		CU_ASSERT(agrees(bad[i], "bad"));
}

static void
deflate_is_not_taken_when_it_is_off(void)
{
	struct asked a;

	ask_bytes(&a,
	    SLICE(GET HOST REST "Sec-WebSocket-Extensions: " PD "\r\n\r\n"),
	    false);
	CU_ASSERT_EQUAL(a.rc, RC_OK);
	CU_ASSERT(!a.o.has_deflate);
	free(a.head);
}

static bool
accept_is(const struct wsopen *o, const char *extensions)
{
	char want[500];
	struct buf b;
	bool is_same;

	snprintf(want, sizeof want,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n%s\r\n",
	    extensions);
	buf_init(&b, 0);
	wsopen_add_accept(&b, o);
	is_same = slice_is(buf_slice(&b), slice_of(want));
	buf_fini(&b);
	return is_same;
}

static void
answer_proves_that_the_key_was_read(void)
{
	/* RFC 6455, 1.3 */
	struct wsopen o = {.key = SLICE("dGhlIHNhbXBsZSBub25jZQ==")};

	CU_ASSERT(accept_is(&o, ""));
	o.has_deflate = true;
	o.window_bits = 15;
	CU_ASSERT(accept_is(&o,
	    "Sec-WebSocket-Extensions: permessage-deflate;"
	    " server_no_context_takeover; client_no_context_takeover\r\n"));
	o.window_bits = 10;
	o.is_window_asked = true;
	CU_ASSERT(accept_is(&o,
	    "Sec-WebSocket-Extensions: permessage-deflate;"
	    " server_no_context_takeover; client_no_context_takeover;"
	    " server_max_window_bits=10\r\n"));
}

/* True if the refusal has that line, and a body of the length it tells. */
static bool
refusal_has(int status, uint32_t retry_s, const char *line)
{
	char text[1000];
	const char *body, *length;
	struct buf b;
	bool has;

	buf_init(&b, 0);
	wsopen_add_refusal(&b, status, SLICE("say \"x\""), retry_s);
	snprintf(text, sizeof text, "%.*s", (int)b.n, b.p);
	buf_fini(&b);
	body = strstr(text, "\r\n\r\n");
	length = strstr(text, "Content-Length: ");
	if (body == NULL || length == NULL)
		return false;
	has = strstr(text, line) != NULL && strstr(text, line) < body;
	CU_ASSERT_EQUAL(strtoul(length + 16, NULL, 10), strlen(body + 4));
	CU_ASSERT_PTR_NOT_NULL(strstr(body, "\"detail\":\"say \\\"x\\\"\""));
	return has;
}

static void
refusal_says_what_would_do(void)
{
	CU_ASSERT(refusal_has(400, 0, "HTTP/1.1 400 Bad Request\r\n"));
	CU_ASSERT(refusal_has(400, 0, "\r\nConnection: close\r\n"));
	CU_ASSERT(refusal_has(
	    400, 0, "\r\nContent-Type: application/problem+json\r\n"));
	CU_ASSERT(!refusal_has(400, 0, "Upgrade"));
	CU_ASSERT(!refusal_has(400, 0, "Retry-After"));
	CU_ASSERT(!refusal_has(400, 0, "Allow"));
	CU_ASSERT(refusal_has(405, 0, "\r\nAllow: GET\r\n"));
	CU_ASSERT(refusal_has(426, 0, "\r\nUpgrade: websocket\r\n"));
	CU_ASSERT(refusal_has(426, 0, "\r\nSec-WebSocket-Version: 13\r\n"));
	CU_ASSERT(refusal_has(426, 0, "\r\nConnection: close, Upgrade\r\n"));
	CU_ASSERT(refusal_has(503, 7, "\r\nRetry-After: 7\r\n"));
}

static void
failing_memory_sticks_in_the_buffer(void)
{
	struct buf b;
	unsigned tried = 0;
	bool has_failed;

	do {
		buf_init(&b, 0);
		fail_alloc_after(tried++);
		wsopen_add_refusal(&b, 426, SLICE("a\xff"), 0);
		has_failed = fail_alloc_end();
		CU_ASSERT_EQUAL(b.rc, has_failed ? RC_NOMEM : RC_OK);
		buf_fini(&b);
	} while (has_failed && tried < 50);
	CU_ASSERT(tried > 3 && tried < 50);
}

CU_TestInfo test_wsopen[] = {
    {"head_ends_with_its_blank_line", head_ends_with_its_blank_line},
    {"request_is_taken_apart", request_is_taken_apart},
    {"absent_fields_are_null", absent_fields_are_null},
    {"absolute_target_names_the_host", absolute_target_names_the_host},
    {"request_line_is_checked", request_line_is_checked},
    {"each_needed_field_is_missed", each_needed_field_is_missed},
    {"key_must_be_sixteen_bytes", key_must_be_sixteen_bytes},
    {"malformed_fields_are_refused", malformed_fields_are_refused},
    {"nul_is_refused_wherever_it_stands", nul_is_refused_wherever_it_stands},
    {"every_truncation_is_refused", every_truncation_is_refused},
    {"offers_of_deflate_are_negotiated", offers_of_deflate_are_negotiated},
    {"quoted_values_are_unescaped", quoted_values_are_unescaped},
    {"first_offer_that_can_be_met_is_taken",
        first_offer_that_can_be_met_is_taken},
    {"bad_offers_are_passed_over", bad_offers_are_passed_over},
    {"malformed_extensions_are_refused", malformed_extensions_are_refused},
    {"deflate_is_not_taken_when_it_is_off",
        deflate_is_not_taken_when_it_is_off},
    {"answer_proves_that_the_key_was_read",
        answer_proves_that_the_key_was_read},
    {"refusal_says_what_would_do", refusal_says_what_would_do},
    {"failing_memory_sticks_in_the_buffer",
        failing_memory_sticks_in_the_buffer},
    CU_TEST_INFO_NULL};
