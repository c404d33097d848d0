/* Any bytes as a cursor: what passes is written and read as the same. */
#include "base/cursor.h"

#include <stdint.h>
#include <stdlib.h>

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_same_again(const struct cursor *c)
{
	char text[CURSOR_MAX_BYTES];
	size_t n = cursor_format(text, c->seq, c->epoch);
	struct cursor again;

	CHECK(n < sizeof text && strlen(text) == n);
	CHECK(cursor_parse((struct slice){text, n}, &again, NULL) == RC_OK);
	CHECK(again.seq == c->seq && again.epoch == c->epoch);
	CHECK(again.has_epoch);
}

/* The text is digits, and a dot and 8 hex digits where there is an epoch. */
static void
check_form(struct slice s, const struct cursor *c)
{
	size_t digits = 0;

	while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	CHECK(digits >= 1 && digits <= 19 && c->seq <= INT64_MAX);
	CHECK(s.n == digits + (c->has_epoch ? 9 : 0));
	CHECK(!c->has_epoch || s.p[digits] == '.');
	CHECK(c->has_epoch || c->epoch == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *p = malloc(size + (size == 0));
	struct slice s = {p, size};
	struct cursor c;
	struct err e = {0};

	CHECK(p != NULL);
	if (size > 0)
		memcpy(p, data, size);
	if (cursor_parse(s, &c, &e) == RC_OK) {
		check_form(s, &c);
		check_same_again(&c);
	} else {
		CHECK(e.rc == RC_BAD && e.text[0] != 0);
	}
	free(p);
	return 0;
}
