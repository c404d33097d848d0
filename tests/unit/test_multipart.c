/* multipart/form-data. */
#include "tests.h"
#include "wire/multipart.h"

#include <stdio.h>
#include <stdlib.h>

/* One field "a" with the value "1", as a browser sends it. */
#define FIELD_A \
	"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"

struct parsed {
	struct params fields;
	struct err err;
	enum rc rc;
	char *body; /* of exactly the given size */
};

static struct parsed
parse_slice(struct slice text)
{
	struct parsed p = {.body = malloc(text.n + (text.n == 0))};

	if (text.n > 0)
		memcpy(p.body, text.p, text.n);
	p.rc = multipart_parse(p.body, text.n, "XX", &p.fields, &p.err);
	return p;
}

static bool
has_field(
    const struct parsed *p, size_t i, const char *name, struct slice value)
{
	return p->rc == RC_OK && i < p->fields.n &&
	    slice_is(p->fields.item[i].name, slice_of(name)) &&
	    slice_is(p->fields.item[i].value, value);
}

/* True if text is a form of one field with this name and value. */
static bool
gives(struct slice text, const char *name, struct slice value)
{
	struct parsed p = parse_slice(text);
	bool is_so = p.fields.n == 1 && has_field(&p, 0, name, value);

	free(p.body);
	return is_so;
}

static bool
is_refused(struct slice text, const char *why)
{
	struct parsed p = parse_slice(text);
	bool is_so = p.rc == RC_BAD && strstr(p.err.text, why) != NULL;

	free(p.body);
	return is_so;
}

static void
fields_are_split_at_the_boundary(void)
{
	struct parsed p = parse_slice(
	    SLICE("preamble\r\n" FIELD_A "--XX\r\nContent-Type: text/plain\r\n"
	          "content-disposition:form-data; filename=\"x; name=no\";"
	          " NAME=file\r\n\r\n\0line\r\n--X\r\n--XXY\r\n\r\n"
	          "--XX--\r\nepilogue\r\n" FIELD_A));

	CU_ASSERT_EQUAL(p.fields.n, 2);
	CU_ASSERT(has_field(&p, 0, "a", SLICE("1")));
	CU_ASSERT(
	    has_field(&p, 1, "file", SLICE("\0line\r\n--X\r\n--XXY\r\n")));
	free(p.body);
}

static void
bare_line_feeds_are_line_ends_too(void)
{
	CU_ASSERT(gives(SLICE("--XX\nContent-Disposition: form-data; name=a\n\n"
	                      "1\n--XX--\n"),
	    "a", SLICE("1")));
}

static void
padding_behind_the_boundary_is_ignored(void)
{
	CU_ASSERT(
	    gives(SLICE("--XX \t\r\nContent-Disposition: x; name=a\r\n\r\n"
	                "1\r\n--XX--  "),
	        "a", SLICE("1")));
}

static void
boundary_counts_at_the_start_of_a_line_only(void)
{
	CU_ASSERT(gives(SLICE("--XX\r\nContent-Disposition: x; name=a\r\n\r\n"
	                      "1--XX--\r\n--XX--"),
	    "a", SLICE("1--XX--")));
}

static void
field_may_be_empty(void)
{
	CU_ASSERT(
	    gives(SLICE("--XX\r\nContent-Disposition: x; name=\"\"\r\n\r\n"
	                "\r\n--XX--"),
	        "", SLICE("")));
	CU_ASSERT(gives(SLICE("--XX\r\nContent-Disposition: x; name=a\r\n"
	                      "--XX--"),
	    "a", SLICE("")));
}

static void
form_may_have_no_fields(void)
{
	struct parsed p = parse_slice(SLICE("--XX--\r\n"));

	CU_ASSERT_EQUAL(p.rc, RC_OK);
	CU_ASSERT_EQUAL(p.fields.n, 0);
	free(p.body);
}

static void
names_are_unescaped_as_browsers_escape_them(void)
{
#define NAMED(name) \
	SLICE("--XX\r\nContent-Disposition: form-data; name=\"" name \
	      "\"\r\n\r\n1\r\n--XX--")
	CU_ASSERT(gives(NAMED("a%22b%0D%0ac"), "a\"b\r\nc", SLICE("1")));
	CU_ASSERT(gives(NAMED("a\\\"b;c"), "a\"b;c", SLICE("1")));
	CU_ASSERT(gives(NAMED("a\\\\b"), "a\\b", SLICE("1")));
	CU_ASSERT(gives(NAMED("a%41%2"), "a%41%2", SLICE("1")));
	CU_ASSERT(gives(NAMED("caf\xc3\xa9"), "caf\xc3\xa9", SLICE("1")));
#undef NAMED
}

static void
every_truncation_is_refused(void)
{
	struct slice whole = SLICE(FIELD_A "--XX--");

	for (size_t n = 0; n < whole.n; n++) {
		struct parsed p = parse_slice((struct slice){whole.p, n});

		CU_ASSERT_EQUAL(p.rc, RC_BAD);
		free(p.body);
	}
	CU_ASSERT(gives(whole, "a", SLICE("1")));
}

static void
text_says_why_a_form_is_refused(void)
{
	CU_ASSERT(is_refused(SLICE(""), "does not occur"));
	CU_ASSERT(is_refused(SLICE("--YY\r\n"), "does not occur"));
	CU_ASSERT(is_refused(SLICE(FIELD_A), "no closing boundary"));
	CU_ASSERT(is_refused(SLICE("--XX"), "no closing boundary"));
	CU_ASSERT(is_refused(SLICE("--XX\r\n\r\n1\r\n--XX--"), "has no name"));
	CU_ASSERT(is_refused(
	    SLICE("--XX\r\nContent-Disposition: x; filename=a\r\n\r\n--XX--"),
	    "has no name"));
	CU_ASSERT(is_refused(
	    SLICE("--XX\r\nContent-Disposition: x; name=\"a\r\n\r\n--XX--"),
	    "has no name"));
	CU_ASSERT_EQUAL(
	    multipart_parse(NULL, 0, "XX", &(struct params){.n = 1}, NULL),
	    RC_BAD);
}

static void
too_many_fields_are_refused(void)
{
	size_t one = strlen(FIELD_A), n = 0;
	char *text = malloc((QUERY_MAX_PARAMS + 1) * one + 8);
	struct parsed p;

	for (size_t i = 0; i < QUERY_MAX_PARAMS; i++, n += one)
		memcpy(text + n, FIELD_A, one);
	memcpy(text + n, "--XX--", 6);
	p = parse_slice((struct slice){text, n + 6});
	CU_ASSERT_EQUAL(p.rc, RC_OK);
	CU_ASSERT_EQUAL(p.fields.n, QUERY_MAX_PARAMS);
	free(p.body);
	memcpy(text + n, FIELD_A, one);
	memcpy(text + n + one, "--XX--", 6);
	CU_ASSERT(
	    is_refused((struct slice){text, n + one + 6}, "more than 128"));
	free(text);
}

static bool
has_boundary(const char *content_type, const char *want)
{
	char out[71] = "";

	return multipart_boundary(slice_of(content_type), out, NULL) == RC_OK &&
	    strcmp(out, want) == 0;
}

static void
boundary_is_read_from_the_content_type(void)
{
	CU_ASSERT(has_boundary("multipart/form-data; boundary=abc", "abc"));
	CU_ASSERT(has_boundary(
	    "multipart/form-data;boundary=\"a b;c\"; x=y", "a b;c"));
	CU_ASSERT(has_boundary("multipart/form-data; x=\"boundary=no\" ;"
	                       " BOUNDARY=abc ; y",
	    "abc"));
	CU_ASSERT(has_boundary("multipart/form-data; boundary=--a=b", "--a=b"));
}

static void
bad_boundary_is_refused(void)
{
	char type[128], out[71];
	struct err e;

	CU_ASSERT_FALSE(has_boundary("multipart/form-data", ""));
	CU_ASSERT_FALSE(has_boundary("multipart/form-data; boundary=", ""));
	CU_ASSERT_FALSE(has_boundary("multipart/form-data; boundary=\"\"", ""));
	CU_ASSERT_FALSE(
	    has_boundary("multipart/form-data; boundary=\"abc", ""));
	CU_ASSERT_FALSE(
	    has_boundary("multipart/form-data; boundary=a\xff", ""));
	CU_ASSERT_FALSE(has_boundary("", ""));
	snprintf(type, sizeof type, "x; boundary=%070d", 1);
	CU_ASSERT_EQUAL(multipart_boundary(slice_of(type), out, &e), RC_OK);
	CU_ASSERT_EQUAL(strlen(out), 70);
	snprintf(type, sizeof type, "x; boundary=%071d", 1);
	CU_ASSERT_EQUAL(multipart_boundary(slice_of(type), out, &e), RC_BAD);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "71 bytes"));
}

static void
parameter_is_found_among_others(void)
{
	struct slice s = SLICE("text/plain; a=\"x\\\";b=1\"; charset=UTF-8;");

	CU_ASSERT(slice_is(multipart_param(s, "charset"), SLICE("UTF-8")));
	CU_ASSERT(slice_is(multipart_param(s, "a"), SLICE("x\\\";b=1")));
	CU_ASSERT_PTR_NULL(multipart_param(s, "b").p);
	CU_ASSERT_PTR_NULL(multipart_param(s, "text/plain").p);
	CU_ASSERT_PTR_NULL(multipart_param((struct slice){NULL, 0}, "a").p);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_multipart[] = {T(fields_are_split_at_the_boundary),
    T(bare_line_feeds_are_line_ends_too),
    T(padding_behind_the_boundary_is_ignored),
    T(boundary_counts_at_the_start_of_a_line_only), T(field_may_be_empty),
    T(form_may_have_no_fields), T(names_are_unescaped_as_browsers_escape_them),
    T(every_truncation_is_refused), T(text_says_why_a_form_is_refused),
    T(too_many_fields_are_refused), T(boundary_is_read_from_the_content_type),
    T(bad_boundary_is_refused), T(parameter_is_found_among_others),
    CU_TEST_INFO_NULL};
