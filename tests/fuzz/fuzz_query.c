/*
 * Any bytes as a query string, as a path to decode and as a number.  What was
 * decoded, encoded anew, is decoded to the same.
 */
#include "base/buf.h"
#include "wire/query.h"

#include <stdint.h>
#include <stdlib.h>

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
add_encoded(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_printf(b, "%%%02x", (unsigned)(unsigned char)s.p[i]);
}

static void
check_same_again(const struct params *p)
{
	struct params again;
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < p->n; i++) {
		add_encoded(&b, p->item[i].name);
		buf_add_char(&b, '=');
		add_encoded(&b, p->item[i].value);
		buf_add_char(&b, '&');
	}
	CHECK(query_parse(b.p, b.n, &again, NULL) == RC_OK);
	CHECK(again.n == p->n);
	for (size_t i = 0; i < p->n; i++) {
		CHECK(slice_is(again.item[i].name, p->item[i].name));
		CHECK(slice_is(again.item[i].value, p->item[i].value));
	}
	buf_fini(&b);
}

/* A number is read only if it is within its range and digits alone. */
static void
check_uint(struct slice value, uint64_t max)
{
	struct params p = {.n = 1};
	uint64_t v = 0, back = 0;
	struct err e = {0};

	p.item[0] = (struct param){SLICE("n"), value};
	if (params_get_uint(&p, "n", max, &v, &e) != RC_OK) {
		CHECK(v == 0 && e.rc == RC_BAD && e.text[0] != 0);
		return;
	}
	CHECK(v <= max);
	for (size_t i = 0; i < value.n; i++) {
		CHECK(value.p[i] >= '0' && value.p[i] <= '9');
		CHECK(back <= UINT64_MAX / 10);
		back = back * 10 + (uint64_t)(value.p[i] - '0');
	}
	CHECK(back == v);
}

static void
check_path(struct slice input)
{
	char *p = copy_of(input);
	size_t n = percent_decode(p, input.n);

	CHECK(n <= input.n && (input.n - n) % 2 == 0);
	if (n == input.n)
		CHECK(slice_is((struct slice){p, n}, input));
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = {(const char *)data, size};
	char *p = copy_of(input);
	struct params q;
	struct err e = {0};

	if (query_parse(p, size, &q, &e) == RC_OK) {
		CHECK(q.n <= QUERY_MAX_PARAMS);
		check_same_again(&q);
		for (size_t i = 0; i < q.n; i++) {
			check_uint(q.item[i].value, UINT64_MAX);
			check_uint(q.item[i].value, 1000);
			check_uint(q.item[i].value, 5);
		}
	} else {
		CHECK(e.rc == RC_BAD && e.text[0] != 0);
	}
	free(p);
	check_path(input);
	return 0;
}
