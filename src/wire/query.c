#include "wire/query.h"

#include <inttypes.h>

/* The value of a hex digit, or -1. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static size_t
decode(char *text, size_t n, bool is_plus_space)
{
	char *to = text, c;
	int high, low;

	for (size_t i = 0; i < n; i++) {
		c = text[i];
		if (c == '+' && is_plus_space)
			c = ' ';
		if (c == '%' && n - i > 2) {
			high = hex_value(text[i + 1]);
			low = hex_value(text[i + 2]);
			if (high >= 0 && low >= 0) {
				c = (char)(high << 4 | low);
				i += 2;
			}
		}
		*to++ = c;
	}
	return (size_t)(to - text);
}

size_t
percent_decode(char *text, size_t n)
{
	return decode(text, n, false);
}

/* Decodes "name=value" or "name" in place. */
static struct param
decode_pair(char *text, size_t n)
{
	char *equals = memchr(text, '=', n);
	size_t name_bytes = equals == NULL ? n : (size_t)(equals - text);
	char *value = equals == NULL ? text + n : equals + 1;
	size_t value_bytes = n - (size_t)(value - text);

	return (struct param){
	    .name = {text, decode(text, name_bytes, true)},
	    .value = {value, decode(value, value_bytes, true)},
	};
}

enum rc
query_parse(char *text, size_t n, struct params *p, struct err *e)
{
	size_t piece;
	char *amp;

	p->n = 0;
	while (n > 0) {
		amp = memchr(text, '&', n);
		piece = amp == NULL ? n : (size_t)(amp - text);
		if (piece > 0 && p->n == QUERY_MAX_PARAMS)
			return err_set(e, RC_BAD,
			    "more than %d parameters in the query or form",
			    QUERY_MAX_PARAMS);
		if (piece > 0)
			p->item[p->n++] = decode_pair(text, piece);
		if (amp == NULL)
			break;
		text += piece + 1;
		n -= piece + 1;
	}
	return RC_OK;
}

struct slice
params_get(const struct params *p, const char *name)
{
	struct slice want = slice_of(name);

	for (size_t i = 0; i < p->n; i++)
		if (slice_is(p->item[i].name, want))
			return p->item[i].value;
	return (struct slice){NULL, 0};
}

enum rc
params_get_uint(const struct params *p, const char *name, uint64_t max,
    uint64_t *v, struct err *e)
{
	struct slice s = params_get(p, name);
	uint64_t got = 0, digit;

	for (size_t i = 0; i < s.n; i++) {
		digit = (uint64_t)(unsigned char)s.p[i] - '0';
		if (digit > 9 || digit > max || got > (max - digit) / 10)
			return err_set(e, RC_BAD,
			    "%s must be an integer between 0 and %" PRIu64,
			    name, max);
		got = got * 10 + digit;
	}
	if (s.n > 0)
		*v = got;
	return RC_OK;
}
