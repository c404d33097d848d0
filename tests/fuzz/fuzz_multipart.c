/*
 * Any bytes as a form.  Input: a Content-Type in one line, then the body; where
 * the first line has no good boundary, the boundary is XX.  The values of a
 * form that passes, written as a form anew, are read as the same.
 */
#include "base/buf.h"
#include "wire/multipart.h"

#include <stdint.h>
#include <stdlib.h>

#define CHECK(x) ((x) ? (void)0 : abort())
#define NEW_BOUNDARY "boundary-of-the-form-written-anew"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
add_field(struct buf *b, size_t i, struct slice value)
{
	buf_printf(b,
	    "--" NEW_BOUNDARY "\r\n"
	    "Content-Disposition: form-data; name=\"%%22%zu\\\"\"\r\n\r\n",
	    i);
	buf_add_slice(b, value);
	buf_add_text(b, "\r\n");
}

static void
check_same_again(const struct params *p)
{
	struct params again;
	struct buf b, name;

	buf_init(&b, 0);
	buf_init(&name, 0);
	for (size_t i = 0; i < p->n; i++)
		add_field(&b, i, p->item[i].value);
	buf_add_text(&b, "--" NEW_BOUNDARY "--");
	CHECK(multipart_parse(b.p, b.n, NEW_BOUNDARY, &again, NULL) == RC_OK);
	CHECK(again.n == p->n);
	for (size_t i = 0; i < p->n; i++) {
		buf_clear(&name);
		buf_printf(&name, "\"%zu\"", i);
		CHECK(slice_is(again.item[i].name, buf_slice(&name)));
		CHECK(slice_is(again.item[i].value, p->item[i].value));
	}
	buf_fini(&b);
	buf_fini(&name);
}

static bool
is_inside(struct slice s, const char *body, size_t n)
{
	return s.p >= body && s.p + s.n <= body + n;
}

static void
check_body(struct slice input, const char *boundary)
{
	char *body = malloc(input.n + (input.n == 0));
	struct params p;
	struct err e = {0};

	CHECK(body != NULL);
	if (input.n > 0)
		memcpy(body, input.p, input.n);
	if (multipart_parse(body, input.n, boundary, &p, &e) == RC_OK) {
		CHECK(p.n <= QUERY_MAX_PARAMS);
		for (size_t i = 0; i < p.n; i++) {
			CHECK(is_inside(p.item[i].name, body, input.n));
			CHECK(is_inside(p.item[i].value, body, input.n));
		}
		if (!memmem(
		        input.p, input.n, NEW_BOUNDARY, strlen(NEW_BOUNDARY)))
			check_same_again(&p);
	} else {
		CHECK(e.rc == RC_BAD && e.text[0] != 0);
	}
	free(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = {(const char *)data, size}, type;
	const char *feed = size == 0 ? NULL : memchr(rest.p, '\n', rest.n);
	char boundary[71];
	struct err e = {0};

	if (feed == NULL)
		return 0;
	type = (struct slice){rest.p, (size_t)(feed - rest.p)};
	rest = slice_after(rest, type.n + 1);
	if (multipart_boundary(type, boundary, &e) == RC_OK) {
		CHECK(strlen(boundary) >= 1 && strlen(boundary) <= 70);
	} else {
		CHECK(e.rc == RC_BAD && e.text[0] != 0);
		strcpy(boundary, "XX");
	}
	(void)multipart_param(type, "charset");
	check_body(rest, boundary);
	return 0;
}
