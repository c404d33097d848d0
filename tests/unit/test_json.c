/* JSON texts: what is one, squeezing, members, strings. */
#include "tests.h"
#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>

/* Compacts a copy of exactly the size of text into b. */
static enum rc
compact(struct buf *b, struct slice text, struct err *e)
{
	size_t n = text.n;
	char *p = malloc(n + (n == 0));
	enum rc rc;

	if (n > 0)
		memcpy(p, text.p, n);
	rc = json_compact(p, &n, e);
	buf_clear(b);
	if (rc == RC_OK)
		buf_add(b, p, n);
	free(p);
	return rc;
}

static bool
compacts(struct slice text, struct slice want)
{
	struct err e;
	struct buf b;
	bool is_same;

	buf_init(&b, 0);
	is_same =
	    compact(&b, text, &e) == RC_OK && slice_is(buf_slice(&b), want);
	buf_fini(&b);
	return is_same;
}

static bool
is_json(struct slice text)
{
	struct err e = {0};
	struct buf b;
	enum rc rc;

	buf_init(&b, 0);
	rc = compact(&b, text, &e);
	buf_fini(&b);
	if (rc != RC_OK)
		CU_ASSERT(rc == RC_BAD && e.text[0] != 0);
	return rc == RC_OK;
}

static void
white_space_between_tokens_goes(void)
{
	CU_ASSERT(
	    compacts(SLICE(" { \"a b\" :\t[ 1 , -2.5e+3,true ,\r\n null ] ,"
	                   "\"\" : { } , \"c\":[ ] }\n"),
	        SLICE("{\"a b\":[1,-2.5e+3,true,null],\"\":{},\"c\":[]}")));
	CU_ASSERT(compacts(SLICE("\n\"  \\n  \" "), SLICE("\"  \\n  \"")));
	CU_ASSERT(compacts(SLICE(" 7 "), SLICE("7")));
}

static void
compact_text_stays_as_it_is(void)
{
	struct slice s = SLICE("{\"n\":123456789012345678901234567890.10,"
	                       "\"d\":1,\"d\":2,\"u\":\"\\u00E9\\/\xc3\xa9\"}");

	CU_ASSERT(compacts(s, s));
}

static void
each_kind_of_value_is_a_text(void)
{
	static const char *const good[] = {"null", "true", "false", "0", "-0",
	    "10", "0.5", "1e5", "1E-05", "1.25e+9", "-1", "\"\"", "[]", "{}",
	    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\"", "\"\\ud83d\\ude00\"",
	    "\"\x7f\xc2\x80\xe2\x80\xa8\"", "[[],{}]", "{\"a\":{\"a\":[]}}"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CU_ASSERT(is_json(slice_of(good[i])));
}

static void
nothing_else_is_a_text(void)
{
	static const char *const bad[] = {"", " ", "nul", "nulll", "True",
	    "NaN", "Infinity", "01", "-01", "-", "+1", ".5", "1.", "1.e5", "1e",
	    "1e+", "0x1", "1 2", "--1", "\"", "\"a", "'a'", "\"\t\"", "\"\n\"",
	    "\"\\\"", "\"\\x41\"", "\"\\U0041\"", "\"\\u12g4\"", "\"\\u123\"",
	    "\"\\", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "{",
	    "}", "{\"a\"", "{\"a\":", "{\"a\":}", "{\"a\":1", "{\"a\":1,}",
	    "{,}", "{\"a\" 1}", "{a:1}", "{1:1}", "{\"a\":1]", "{\"a\",1}",
	    "[1],", "{}{}", "[]]", "//x\n1", "1/**/",
	    "\xef\xbb\xbf"
	    "1",
	    "\xc2\xa0"
	    "1",
	    "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"",
	    "\x0c"
	    "1",
	    "[1:2]", "{:}", ":", ","};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CU_ASSERT_FALSE(is_json(slice_of(bad[i])));
	CU_ASSERT_FALSE(is_json(SLICE("1\0")));
	CU_ASSERT_FALSE(is_json(SLICE("\"a\0\"")));
	CU_ASSERT_FALSE(is_json((struct slice){NULL, 0}));
}

static void
lone_surrogates_are_refused(void)
{
	static const char *const bad[] = {"\"\\ud800\"", "\"\\udc00\"",
	    "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\ud800\"",
	    "\"\\udc00\\ud800\"", "\"\\ud800\\u0041\"", "\"\\uDBFF\\uE000\"",
	    "\"\\ud800\\udc0\"", "\"\\udc00\\udc00\"", "\"\\ud800\\"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CU_ASSERT_FALSE(is_json(slice_of(bad[i])));
	CU_ASSERT(is_json(SLICE("\"\\uD800\\uDC00\\uDBFF\\uDFFF\"")));
}

static void
every_truncation_is_refused(void)
{
	struct slice s =
	    SLICE("{\"a\":[true,null,-1.5e3,\"\\ud83d\\ude00\xc3\xa9\"],"
	          "\"b\":{\"c\":false}} ");

	for (size_t n = 0; n < s.n - 1; n++)
		CU_ASSERT_FALSE(is_json((struct slice){s.p, n}));
	CU_ASSERT(is_json(s));
}

/* Every text of up to four bytes of this alphabet that is JSON is so still when
   squeezed, and no shorter the second time. */
static void
squeezing_again_changes_nothing(void)
{
	static const char alphabet[] = "{}[],:\"1-0.e \\n";
	const size_t base = sizeof alphabet - 1;
	char text[5];
	struct buf b, again;
	size_t wrong = 0, good = 0;

	buf_init(&b, 0);
	buf_init(&again, 0);
	for (size_t i = 0; i < base * base * base * base * base; i++) {
		for (size_t k = 0, v = i; k < sizeof text; k++, v /= base)
			text[k] = alphabet[v % base];
		if (compact(&b, (struct slice){text, sizeof text}, NULL))
			continue;
		good++;
		wrong += compact(&again, buf_slice(&b), NULL) != RC_OK ||
		    !slice_is(buf_slice(&b), buf_slice(&again));
	}
	CU_ASSERT(good > 500);
	CU_ASSERT_EQUAL(wrong, 0);
	buf_fini(&b);
	buf_fini(&again);
}

static void
depth_is_bounded(void)
{
	struct err e;
	struct buf b, out;

	buf_init(&b, 0);
	buf_init(&out, 0);
	for (size_t depth = 510; depth <= 514; depth++) {
		buf_clear(&b);
		for (size_t i = 0; i < depth; i++)
			buf_add_text(&b, i % 2 ? "{\"a\":" : "[");
		buf_add_text(&b, "1");
		for (size_t i = depth; i-- > 0;)
			buf_add_text(&b, i % 2 ? "}" : "]");
		CU_ASSERT_EQUAL(compact(&out, buf_slice(&b), &e),
		    depth <= JSON_MAX_DEPTH ? RC_OK : RC_BAD);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "nested over 512 deep"));
	buf_clear(&b);
	for (size_t i = 0; i < 20000; i++)
		buf_add_char(&b, '[');
	CU_ASSERT_EQUAL(compact(&out, buf_slice(&b), &e), RC_BAD);
	CU_ASSERT_STRING_EQUAL(
	    e.text, "byte 512 of the JSON text: nested over 512 deep");
	buf_fini(&b);
	buf_fini(&out);
}

static bool
says(struct slice text, const char *why)
{
	struct err e = {0};
	struct buf b;

	buf_init(&b, 0);
	CU_ASSERT_EQUAL(compact(&b, text, &e), RC_BAD);
	buf_fini(&b);
	return strcmp(e.text, why) == 0;
}

static void
text_says_where_and_what_was_expected(void)
{
	CU_ASSERT(says(
	    SLICE("[1, 2 3]"), "byte 6 of the JSON text: expected ',' or ']'"));
	CU_ASSERT(
	    says(SLICE("{\"a\" 1}"), "byte 5 of the JSON text: expected ':'"));
	CU_ASSERT(says(SLICE("{\"a\":1"),
	    "the JSON text ends at byte 6: expected ',' or the closing "
	    "bracket"));
	CU_ASSERT(says(
	    SLICE("{\"a\":x}"), "byte 5 of the JSON text: expected a value"));
	CU_ASSERT(says(
	    SLICE("1 x"), "byte 2 of the JSON text: expected nothing more"));
	CU_ASSERT(says(
	    SLICE("\"ab\xff\""), "byte 3 of the JSON text: not valid UTF-8"));
	CU_ASSERT(says(SLICE(""), "the JSON text is empty"));
}

static void
members_come_in_order(void)
{
	struct json_members m = json_members_of(SLICE(
	    "{\"a\":1,\"b\\\"}\":[1,{\"c\":\"]}\"}],\"\":\"x,\",\"d\":{}}"));
	struct slice name, value;

	CU_ASSERT(json_next_member(&m, &name, &value));
	CU_ASSERT(
	    slice_is(name, SLICE("\"a\"")) && slice_is(value, SLICE("1")));
	CU_ASSERT(json_next_member(&m, &name, &value));
	CU_ASSERT(slice_is(name, SLICE("\"b\\\"}\"")));
	CU_ASSERT(slice_is(value, SLICE("[1,{\"c\":\"]}\"}]")));
	CU_ASSERT(json_next_member(&m, &name, &value));
	CU_ASSERT(
	    slice_is(name, SLICE("\"\"")) && slice_is(value, SLICE("\"x,\"")));
	CU_ASSERT(json_next_member(&m, &name, &value));
	CU_ASSERT(
	    slice_is(name, SLICE("\"d\"")) && slice_is(value, SLICE("{}")));
	CU_ASSERT_FALSE(json_next_member(&m, &name, &value));
	m = json_members_of(SLICE("{}"));
	CU_ASSERT_FALSE(json_next_member(&m, &name, &value));
}

static void
elements_come_in_order(void)
{
	static const char *const want[] = {
	    "1", "\"a,]\"", "[[],[2]]", "{\"b\":[3]}", "null", "-1.5e3"};
	struct json_members m = json_elements_of(
	    SLICE("[1,\"a,]\",[[],[2]],{\"b\":[3]},null,-1.5e3]"));
	struct slice value;

	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		CU_ASSERT(json_next_element(&m, &value));
		CU_ASSERT(slice_is(value, slice_of(want[i])));
	}
	CU_ASSERT_FALSE(json_next_element(&m, &value));
	m = json_elements_of(SLICE("[]"));
	CU_ASSERT_FALSE(json_next_element(&m, &value));
}

static bool
unescapes(struct slice string, struct slice want)
{
	char copy[64];
	struct buf b;
	bool is_same;

	buf_init(&b, want.n + (want.n == 0));
	json_add_unescaped(&b, string);
	memcpy(copy, string.p, string.n);
	is_same = b.rc == RC_OK && slice_is(buf_slice(&b), want) &&
	    slice_is(json_unescape(copy, string.n), want);
	buf_fini(&b);
	return is_same;
}

static void
escapes_are_resolved(void)
{
	CU_ASSERT(unescapes(SLICE("\"\""), SLICE("")));
	CU_ASSERT(unescapes(SLICE("\"plain\""), SLICE("plain")));
	CU_ASSERT(unescapes(SLICE("\"a\\\"b\\\\c\\/\\b\\f\\n\\r\\t\""),
	    SLICE("a\"b\\c/\b\f\n\r\t")));
	CU_ASSERT(unescapes(SLICE("\"\\u0000\\u007f\\u00e9\\u20AC\\uffff\""),
	    SLICE("\0\x7f\xc3\xa9\xe2\x82\xac\xef\xbf\xbf")));
	CU_ASSERT(unescapes(SLICE("\"\\ud83d\\ude00!\\uDBFF\\uDFFF\""),
	    SLICE("\xf0\x9f\x98\x80!\xf4\x8f\xbf\xbf")));
	CU_ASSERT(unescapes(SLICE("\"\\\\u0041\\\\\""), SLICE("\\u0041\\")));
}

static bool
quotes(struct slice s, bool for_script, const char *want)
{
	struct buf b;
	bool is_same;

	buf_init(&b, 0);
	json_add_string(&b, s, for_script);
	is_same = slice_is(buf_slice(&b), slice_of(want));
	buf_fini(&b);
	return is_same;
}

static void
strings_are_escaped(void)
{
	CU_ASSERT(quotes(SLICE(""), false, "\"\""));
	CU_ASSERT(quotes((struct slice){NULL, 0}, true, "\"\""));
	CU_ASSERT(quotes(SLICE("a\"\\/\b\f\n\r\t\0\x1f\x7f"), false,
	    "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\""));
	CU_ASSERT(
	    quotes(SLICE("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"
	                 "\xe2\x82\xac\xe2\x84\xa8"),
	        false,
	        "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\xe2\x82\xac\xe2\x84"
	        "\xa8\""));
	CU_ASSERT(quotes(SLICE("<b>&'"), false, "\"<b>&'\""));
	CU_ASSERT(quotes(SLICE("</script>&\xc3\xa9"), true,
	    "\"\\u003c/script\\u003e\\u0026\xc3\xa9\""));
}

static void
every_string_comes_back(void)
{
	char text[3], copy[64];
	struct buf b;
	size_t wrong = 0, n;

	buf_init(&b, 0);
	for (unsigned i = 0; i < 0x80 * 0x80; i++) {
		struct slice s = {text, 3};

		text[0] = (char)(i >> 7);
		text[1] = 'x';
		text[2] = (char)(i & 0x7f);
		buf_clear(&b);
		json_add_string(&b, s, i & 1);
		n = b.n;
		memcpy(copy, b.p, n);
		wrong += json_compact(copy, &n, NULL) != RC_OK || n != b.n;
		wrong += !slice_is(json_unescape(copy, n), s);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	buf_fini(&b);
}

static void
text_is_made_safe_for_script(void)
{
	struct slice s =
	    SLICE("{\"<&>\":\"\xe2\x80\xa8\xe2\x82\xac\",\"a\":\"\x7f\"}");
	struct buf b;

	buf_init(&b, 0);
	json_add_text(&b, s, true);
	CU_ASSERT(slice_is(buf_slice(&b),
	    SLICE("{\"\\u003c\\u0026\\u003e\":\"\\u2028\xe2\x82\xac\","
	          "\"a\":\"\x7f\"}")));
	buf_clear(&b);
	json_add_text(&b, s, false);
	CU_ASSERT(slice_is(buf_slice(&b),
	    SLICE("{\"<&>\":\"\\u2028\xe2\x82\xac\",\"a\":\"\x7f\"}")));
	buf_fini(&b);
}

static void
bounded_buffer_takes_what_fits_exactly(void)
{
	struct buf b;

	buf_init(&b, 5);
	json_add_string(&b, SLICE("abc"), false);
	CU_ASSERT_EQUAL(b.rc, RC_OK);
	buf_clear(&b);
	json_add_string(&b, SLICE("abcd"), false);
	CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
	buf_clear(&b);
	json_add_string(&b, SLICE("ab\n"), false);
	CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
	buf_clear(&b);
	json_add_text(&b, SLICE("[1,2]"), true);
	CU_ASSERT_EQUAL(b.rc, RC_OK);
	buf_fini(&b);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_json[] = {T(white_space_between_tokens_goes),
    T(compact_text_stays_as_it_is), T(each_kind_of_value_is_a_text),
    T(nothing_else_is_a_text), T(lone_surrogates_are_refused),
    T(every_truncation_is_refused), T(squeezing_again_changes_nothing),
    T(depth_is_bounded), T(text_says_where_and_what_was_expected),
    T(members_come_in_order), T(elements_come_in_order),
    T(escapes_are_resolved), T(strings_are_escaped), T(every_string_comes_back),
    T(text_is_made_safe_for_script), T(bounded_buffer_takes_what_fits_exactly),
    CU_TEST_INFO_NULL};
