#include "wire/bayeux.h"

#include "wire/encode.h"

#include <assert.h>
#include <stdio.h>

#define DEFAULT_JSONP "jsonpcallback"
#define ARGS_MAX_BYTES 200
#define TEXT_MAX_BYTES 256

static_assert(ARGS_MAX_BYTES + TEXT_MAX_BYTES + sizeof "4294967295::" <=
        sizeof((struct bayeux_error *)NULL)->text,
    "an error's text has room for all of it");

static const struct {
	const char *name;
	unsigned bit;
} types[] = {
    {"long-polling", BAYEUX_LONG_POLLING},
    {"callback-polling", BAYEUX_CALLBACK_POLLING},
    {"websocket", BAYEUX_WEBSOCKET},
    {"cross-origin-long-polling", BAYEUX_CROSS_ORIGIN_LONG_POLLING},
};

unsigned
bayeux_connection_type(struct slice name)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (slice_is(name, slice_of(types[i].name)))
			return types[i].bit;
	return 0;
}

const char *
bayeux_connection_name(unsigned bit)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (types[i].bit == bit)
			return types[i].name;
	return "";
}

enum rc
bayeux_callback(
    const struct params *query, struct slice *callback, struct err *e)
{
	*callback = params_get(query, "jsonp");
	if (callback->p == NULL)
		*callback = SLICE(DEFAULT_JSONP);
	return callback_check(*callback, e);
}

/* ---- errors ---- */

/* The characters of an error's args and text (section 3.14). */
static bool
is_error_char(char c)
{
	char lower = (char)(c | 0x20);

	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
	    (c != 0 && strchr("-_!~()$@ /*.", c) != NULL);
}

static size_t
put_args(char *to, struct slice args)
{
	size_t n = args.n < ARGS_MAX_BYTES ? args.n : ARGS_MAX_BYTES;

	for (size_t i = 0; i < n; i++)
		to[i] = is_error_char(args.p[i]) ? args.p[i] : '_';
	to[n] = 0;
	return n;
}

/* Quotes go; colons and the like become a space, where none is yet. */
static void
put_text(char *to, const char *text)
{
	char *start = to, c;

	for (; *text != 0; text++) {
		if (*text == '"' || *text == '\'')
			continue;
		c = is_error_char(*text) ? *text : ' ';
		if (c != ' ' || (to > start && to[-1] != ' '))
			*to++ = c;
	}
	*to = 0;
}

void
bayeux_fail(struct bayeux_error *error, unsigned code, struct slice args,
    const char *fmt, ...)
{
	char text[TEXT_MAX_BYTES];
	size_t n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	error->code = code;
	n = (size_t)snprintf(error->text, sizeof error->text, "%u:", code);
	n += put_args(error->text + n, args);
	error->text[n++] = ':';
	put_text(error->text + n, text);
}

void
bayeux_fail_rc(
    struct bayeux_error *error, enum rc rc, struct slice args, const char *text)
{
	char room[ERR_TEXT_BYTES];

	bayeux_fail(error, (unsigned)rc_http_status(rc), args, "%s",
	    rc_told(rc, text, room));
}

void
bayeux_fail_replay(struct bayeux_error *error, struct slice replay)
{
	char quoted[ARGS_MAX_BYTES + 1];

	put_args(quoted, replay);
	error->code = 400;
	/* as it is sent, with two spaces: there are clients that compare */
	snprintf(error->text, sizeof error->text,
	    "400::The replayId {%s} you provided was invalid.  Please provide"
	    " a valid ID, -2 to replay all events, or -1 to replay only new"
	    " events.",
	    quoted);
}
