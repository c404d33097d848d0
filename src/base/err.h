/*
 * Results and their causes.  Everything that can fail returns an enum rc and
 * forms its text once, where it failed, into the caller's struct err.  Nothing
 * here prints or ends the process.  Used by all modules.
 */
#ifndef COMETLOG_BASE_ERR_H
#define COMETLOG_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* clang-format off */
/*      name        HTTP   what happened */
#define RC_LIST(X) \
	X(OK,        200, "done") \
	X(BAD,       400, "malformed input") \
	X(DENIED,    403, "not allowed") \
	X(MISSING,   404, "no such thing") \
	X(METHOD,    405, "method not allowed") \
	X(TOO_LARGE, 413, "over a size limit") \
	X(MEDIA,     415, "unsupported content type") \
	X(RATE,      429, "too many requests") \
	X(NOMEM,     503, "out of memory") \
	X(BUSY,      503, "a bounded queue or lock is taken") \
	X(LOG,       503, "the log can't take it or can't be read") \
	X(IO,        500, "input or output failed") \
	X(CONFIG,    500, "wrong configuration") \
	X(GONE,      500, "the peer has left")
/* clang-format on */

enum rc {
#define X(name, status, text) RC_##name,
	RC_LIST(X)
#undef X
};

#define ERR_TEXT_BYTES 256

/* The text of the latest failure; text[0] is 0 while there was none. */
struct err {
	enum rc rc;
	char text[ERR_TEXT_BYTES];
};

/* Forms the text (cut at the end of e->text) and returns rc.  e may be NULL. */
enum rc err_set(struct err *e, enum rc rc, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The shortest name ("NOMEM"), the general meaning, the HTTP status. */
const char *rc_name(enum rc rc);
const char *rc_text(enum rc rc);
int rc_http_status(enum rc rc);

/* What a stranger is told of a failure: text, but where things lie on this host
   (statuses from 500 on) is left out: "/srv/x/cometlog.db: no room" becomes
   "cometlog.db: no room".  room: where the shorter text is formed; it is cut at
   its end. */
const char *rc_told(enum rc rc, const char *text, char room[ERR_TEXT_BYTES]);

#endif
