/* Query strings, forms and percent-decoding. */
#include "tests.h"
#include "wire/query.h"

#include <stdlib.h>

/* A copy of exactly n bytes, so that a read behind it is noticed. */
static char *
copy_of(struct slice s)
{
	char *p = malloc(s.n + (s.n == 0));

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

static bool
is_param(const struct param *p, const char *name, struct slice value)
{
	return slice_is(p->name, slice_of(name)) && slice_is(p->value, value);
}

static void
pairs_are_split_and_decoded(void)
{
	struct slice text = SLICE(
	    "channel=chat%2Froom+1&data=a%26b%3Dc&x&=y&z=&e=1=2&&%6e=%00");
	char *p = copy_of(text);
	struct params q;

	CU_ASSERT_EQUAL(query_parse(p, text.n, &q, NULL), RC_OK);
	CU_ASSERT_EQUAL(q.n, 7);
	CU_ASSERT(is_param(&q.item[0], "channel", SLICE("chat/room 1")));
	CU_ASSERT(is_param(&q.item[1], "data", SLICE("a&b=c")));
	CU_ASSERT(is_param(&q.item[2], "x", SLICE("")));
	CU_ASSERT_PTR_NOT_NULL(q.item[2].value.p);
	CU_ASSERT(is_param(&q.item[3], "", SLICE("y")));
	CU_ASSERT(is_param(&q.item[4], "z", SLICE("")));
	CU_ASSERT(is_param(&q.item[5], "e", SLICE("1=2")));
	CU_ASSERT(is_param(&q.item[6], "n", SLICE("\0")));
	free(p);
}

static void
empty_text_has_no_parameters(void)
{
	struct params q;

	q.n = 9;
	CU_ASSERT_EQUAL(query_parse(NULL, 0, &q, NULL), RC_OK);
	CU_ASSERT_EQUAL(q.n, 0);
	CU_ASSERT_PTR_NULL(params_get(&q, "a").p);
}

static bool
decodes(struct slice text, struct slice want)
{
	char *p = copy_of(text);
	bool is_same =
	    slice_is((struct slice){p, percent_decode(p, text.n)}, want);

	free(p);
	return is_same;
}

static void
broken_escapes_stay(void)
{
	CU_ASSERT(decodes(SLICE("%zz"), SLICE("%zz")));
	CU_ASSERT(decodes(SLICE("%4"), SLICE("%4")));
	CU_ASSERT(decodes(SLICE("%"), SLICE("%")));
	CU_ASSERT(decodes(SLICE("%%41"), SLICE("%A")));
	CU_ASSERT(decodes(SLICE("%4g%41"), SLICE("%4gA")));
	CU_ASSERT(decodes(SLICE("%2541"), SLICE("%41")));
	CU_ASSERT(decodes(SLICE("a+b%c3%A9"), SLICE("a+b\xc3\xa9")));
	CU_ASSERT(decodes(SLICE(""), SLICE("")));
}

static void
every_byte_can_be_escaped(void)
{
	char text[8];

	for (unsigned c = 0; c < 256; c++) {
		char byte = (char)c;

		snprintf(text, sizeof text, c & 1 ? "%%%02x" : "%%%02X", c);
		CU_ASSERT(decodes(slice_of(text), (struct slice){&byte, 1}));
	}
}

static void
every_truncation_is_read(void)
{
	struct slice text = SLICE("a=%41&bb=%4+%zz&c%3d=1");
	struct params q;

	for (size_t n = 0; n <= text.n; n++) {
		char *p = copy_of((struct slice){text.p, n});

		CU_ASSERT_EQUAL(query_parse(p, n, &q, NULL), RC_OK);
		CU_ASSERT(q.n <= 3);
		free(p);
	}
	CU_ASSERT_EQUAL(q.n, 3);
}

static void
too_many_parameters_are_refused(void)
{
	char text[2 * QUERY_MAX_PARAMS + 2];
	struct params q;
	struct err e;

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i % 2 ? '&' : 'a';
	CU_ASSERT_EQUAL(query_parse(text, 2 * QUERY_MAX_PARAMS, &q, &e), RC_OK);
	CU_ASSERT_EQUAL(q.n, QUERY_MAX_PARAMS);
	CU_ASSERT_EQUAL(query_parse(text, sizeof text, &q, &e), RC_BAD);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "128"));
}

static void
first_value_of_a_name_counts(void)
{
	char text[] = "a=1&b=2&a=3";
	struct params q;

	CU_ASSERT_EQUAL(query_parse(text, strlen(text), &q, NULL), RC_OK);
	CU_ASSERT(slice_is(params_get(&q, "a"), SLICE("1")));
	CU_ASSERT_PTR_NULL(params_get(&q, "A").p);
}

/* What params_get_uint makes of "n=VALUE"; 77: left alone, 99: refused. */
static uint64_t
get_uint(const char *value, uint64_t max)
{
	struct params q = {.n = 1};
	struct err e = {0};
	uint64_t v = 77;

	q.item[0] = (struct param){SLICE("n"), slice_of(value)};
	if (params_get_uint(&q, "n", max, &v, &e) == RC_OK)
		return v;
	CU_ASSERT_EQUAL(v, 77);
	CU_ASSERT_EQUAL(e.rc, RC_BAD);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "n must be"));
	return 99;
}

static void
integers_are_read_within_their_range(void)
{
	CU_ASSERT_EQUAL(get_uint("0", 10), 0);
	CU_ASSERT_EQUAL(get_uint("10", 10), 10);
	CU_ASSERT_EQUAL(get_uint("010", 10), 10);
	CU_ASSERT_EQUAL(get_uint("11", 10), 99);
	CU_ASSERT_EQUAL(get_uint("9", 5), 99);
	CU_ASSERT_EQUAL(
	    get_uint("18446744073709551615", UINT64_MAX), UINT64_MAX);
	CU_ASSERT_EQUAL(get_uint("18446744073709551616", UINT64_MAX), 99);
	CU_ASSERT_EQUAL(get_uint("28446744073709551615", UINT64_MAX), 99);
	CU_ASSERT_EQUAL(get_uint("", 10), 77);
	CU_ASSERT_EQUAL(get_uint("-1", 10), 99);
	CU_ASSERT_EQUAL(get_uint("+1", 10), 99);
	CU_ASSERT_EQUAL(get_uint(" 1", 10), 99);
	CU_ASSERT_EQUAL(get_uint("1.5", 10), 99);
	CU_ASSERT_EQUAL(get_uint("\xff", 10), 99);
}

static void
absent_integer_is_left_alone(void)
{
	struct params q = {.n = 0};
	uint64_t v = 5;

	CU_ASSERT_EQUAL(params_get_uint(&q, "n", 10, &v, NULL), RC_OK);
	CU_ASSERT_EQUAL(v, 5);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_query[] = {T(pairs_are_split_and_decoded),
    T(empty_text_has_no_parameters), T(broken_escapes_stay),
    T(every_byte_can_be_escaped), T(every_truncation_is_read),
    T(too_many_parameters_are_refused), T(first_value_of_a_name_counts),
    T(integers_are_read_within_their_range), T(absent_integer_is_left_alone),
    CU_TEST_INFO_NULL};
