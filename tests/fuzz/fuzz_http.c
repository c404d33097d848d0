/*
 * Header values, redirect targets and texts of any bytes: what is written from
 * them stays one header value, one JSON text, one piece of HTML text.
 * Input: two values, the first ended by a NUL.
 */
#include "wire/http.h"
#include "wire/json.h"

#include <stdint.h>
#include <stdlib.h>

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_location(struct slice target)
{
	struct err e;
	struct buf b;
	size_t segment = 0;

	buf_init(&b, 0);
	http_add_location(&b, target);
	for (size_t i = 0; i < b.n; i++)
		CHECK(b.p[i] > ' ' && b.p[i] < 0x7f && b.p[i] != '\\');
	if (http_redirect_check(target, &e) == RC_OK) {
		CHECK(b.n > 0 && !slice_starts(buf_slice(&b), SLICE("//")));
		while (segment < b.n && strchr("/?#", b.p[segment]) == NULL)
			segment++;
		CHECK(memchr(b.p, ':', segment) == NULL);
	}
	buf_fini(&b);
}

static void
check_problem(struct slice detail)
{
	struct buf b;
	size_t n;

	buf_init(&b, 0);
	http_add_problem(&b, 400, detail);
	CHECK(b.rc == RC_OK && b.p[b.n - 1] == '\n');
	n = b.n - 1;
	CHECK(json_compact(b.p, &n, NULL) == RC_OK && n == b.n - 1);
	buf_fini(&b);
}

/* Takes one escape off *s and returns what it stands for; 0: there is none. */
static char
unescape(struct slice *s)
{
	static const struct {
		struct slice text;
		char c;
	} escapes[] = {
	    {{"&amp;", 5}, '&'},
	    {{"&lt;", 4}, '<'},
	    {{"&gt;", 4}, '>'},
	    {{"&quot;", 6}, '"'},
	    {{"&#39;", 5}, '\''},
	};

	for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
		if (slice_starts(*s, escapes[i].text)) {
			*s = slice_after(*s, escapes[i].text.n);
			return escapes[i].c;
		}
	}
	return 0;
}

static void
check_html(struct slice text)
{
	struct slice s;
	struct buf b;
	char c;

	buf_init(&b, 0);
	http_add_html(&b, text);
	CHECK(b.rc == RC_OK);
	for (s = buf_slice(&b); s.n > 0; text = slice_after(text, 1)) {
		CHECK(text.n > 0 && s.p[0] != '<' && s.p[0] != '>' &&
		    s.p[0] != '"' && s.p[0] != '\'');
		if (s.p[0] == '&') {
			c = unescape(&s);
			CHECK(c != 0 && c == text.p[0]);
		} else {
			CHECK(s.p[0] == text.p[0]);
			s = slice_after(s, 1);
		}
	}
	CHECK(text.n == 0);
	buf_fini(&b);
}

/* A tag made of any text without quotes matches itself. */
static void
check_etag(struct slice list, struct slice text)
{
	struct buf tag;

	http_etag_matches(list, text);
	if (text.n != 0 && memchr(text.p, '"', text.n) != NULL)
		return;
	buf_init(&tag, 0);
	buf_add_text(&tag, "W/\"");
	buf_add_slice(&tag, text);
	buf_add_text(&tag, "\"");
	CHECK(http_etag_matches(buf_slice(&tag), buf_slice(&tag)));
	buf_add_text(&tag, "x");
	http_etag_matches(list, buf_slice(&tag));
	buf_fini(&tag);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice a = {(const char *)data, size}, b = {"", 0};
	const char *end = size == 0 ? NULL : memchr(data, 0, size);

	if (end != NULL) {
		a.n = (size_t)(end - a.p);
		b = slice_after((struct slice){a.p, size}, a.n + 1);
	}
	http_is_type(a, "text/plain");
	http_wants_html(a);
	http_origin_is_host(a, b);
	check_etag(a, b);
	check_location(a);
	check_problem(a);
	check_html(a);
	return 0;
}
