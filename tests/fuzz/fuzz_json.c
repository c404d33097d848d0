/*
 * Any bytes as a JSON text, and as a string that is to become one.  A text that
 * passes is the same when squeezed again, falls apart into values that pass
 * too, and keeps its meaning when it is made safe for a script.
 */
#include "base/utf8.h"
#include "wire/json.h"

#include <stdint.h>
#include <stdlib.h>

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly the size of s, for what works in place. */
static char *
copy_of(struct slice s)
{
	char *p = malloc(s.n + (s.n == 0));

	CHECK(p != NULL);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

static void
check_is_compact(struct slice text)
{
	char *p = copy_of(text);
	size_t n = text.n;

	CHECK(json_compact(p, &n, NULL) == RC_OK);
	CHECK(slice_is((struct slice){p, n}, text));
	free(p);
}

static void
check_unescapes_to(struct slice string, struct slice want)
{
	char *p = copy_of(string);

	check_is_compact(string);
	CHECK(slice_is(json_unescape(p, string.n), want));
	free(p);
}

/* s, which is UTF-8, as a JSON string and back. */
static void
check_quoting(struct slice s, bool for_script)
{
	struct buf b, back;

	buf_init(&b, 0);
	buf_init(&back, 0);
	json_add_string(&b, s, for_script);
	CHECK(b.rc == RC_OK && b.n >= s.n + 2);
	check_unescapes_to(buf_slice(&b), s);
	json_add_unescaped(&back, buf_slice(&b));
	CHECK(slice_is(buf_slice(&back), s));
	buf_fini(&b);
	buf_fini(&back);
}

/* A string of the text: both ways to unescape it agree, and it comes back. */
static void
check_string(struct slice string)
{
	struct buf b;

	buf_init(&b, 0);
	json_add_unescaped(&b, string);
	CHECK(b.n <= string.n - 2);
	CHECK(utf8_is_valid(buf_slice(&b)));
	check_unescapes_to(string, buf_slice(&b));
	check_quoting(buf_slice(&b), false);
	buf_fini(&b);
}

/* Puts an object or array together again from its members or elements. */
static void
check_parts(struct slice text)
{
	bool is_object = text.p[0] == '{';
	struct json_members m =
	    is_object ? json_members_of(text) : json_elements_of(text);
	struct slice name, value;
	struct buf b;

	buf_init(&b, 0);
	buf_add_char(&b, text.p[0]);
	while (is_object ? json_next_member(&m, &name, &value)
	                 : json_next_element(&m, &value)) {
		if (b.n > 1)
			buf_add_char(&b, ',');
		if (is_object) {
			check_string(name);
			buf_add_slice(&b, name);
			buf_add_char(&b, ':');
		}
		check_is_compact(value);
		buf_add_slice(&b, value);
	}
	buf_add_char(&b, is_object ? '}' : ']');
	CHECK(slice_is(buf_slice(&b), text));
	buf_fini(&b);
}

static void
check_script_text(struct slice text)
{
	struct buf b;
	struct slice s;

	buf_init(&b, 0);
	json_add_text(&b, text, true);
	s = buf_slice(&b);
	check_is_compact(s);
	for (size_t i = 0; i < s.n; i++) {
		CHECK(s.p[i] != '<' && s.p[i] != '>' && s.p[i] != '&');
		CHECK(!slice_starts(slice_after(s, i), SLICE("\xe2\x80\xa8")));
		CHECK(!slice_starts(slice_after(s, i), SLICE("\xe2\x80\xa9")));
	}
	if (text.p[0] == '"') {
		struct buf plain;

		buf_init(&plain, 0);
		json_add_unescaped(&plain, text);
		check_unescapes_to(s, buf_slice(&plain));
		buf_fini(&plain);
	}
	buf_fini(&b);
}

/* The iterators stay inside of a text that nobody has checked. */
static void
check_unchecked(struct slice text)
{
	struct json_members m = json_members_of(text);
	struct slice name, value;
	size_t turns = 0;

	while (json_next_member(&m, &name, &value))
		CHECK(turns++ <= text.n && name.n + value.n <= text.n);
	m = json_elements_of(text);
	for (turns = 0; json_next_element(&m, &value); turns++)
		CHECK(turns <= text.n && value.n <= text.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = {(const char *)data, size}, text;
	char *p = copy_of(input);
	struct err e = {0};
	size_t n = size;

	if (json_compact(p, &n, &e) == RC_OK) {
		text = (struct slice){p, n};
		CHECK(n > 0 && n <= size);
		check_is_compact(text);
		check_script_text(text);
		if (p[0] == '"')
			check_string(text);
		if (p[0] == '{' || p[0] == '[')
			check_parts(text);
	} else {
		CHECK(e.rc == RC_BAD && e.text[0] != 0);
	}
	free(p);
	p = copy_of(input);
	text = (struct slice){p, size};
	check_unchecked(text);
	if (utf8_is_valid(text)) {
		check_quoting(text, false);
		check_quoting(text, true);
	}
	free(p);
	return 0;
}
