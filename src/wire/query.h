/*
 * Query strings and application/x-www-form-urlencoded bodies (WHATWG URL,
 * section 5), and percent-decoding of paths.  Pure.
 */
#ifndef COMETLOG_WIRE_QUERY_H
#define COMETLOG_WIRE_QUERY_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

#define QUERY_MAX_PARAMS 128

struct param {
	struct slice name, value; /* decoded; may hold any byte */
};

struct params {
	struct param item[QUERY_MAX_PARAMS];
	size_t n;
};

/*
 * Decodes text ("a=b&c=d", '+' is a space) in place: the values point into it.
 * Bytes of a broken escape ("%zz") stay as they are.  RC_BAD: more than
 * QUERY_MAX_PARAMS parameters.  text is borrowed as long as p is used.
 */
enum rc query_parse(
    char *text, size_t n, struct params *p, struct err *e) MUST_CHECK;

/* Percent-decodes in place ('+' stays) and returns the new length. */
size_t percent_decode(char *text, size_t n);

/* The first value of that name; p == NULL if there is none. */
struct slice params_get(const struct params *p, const char *name);

/* A decimal between 0 and max.  *v is left alone when the parameter is absent
   or empty.  RC_BAD, naming the parameter and the range, for anything else. */
enum rc params_get_uint(const struct params *p, const char *name, uint64_t max,
    uint64_t *v, struct err *e) MUST_CHECK;

#endif
