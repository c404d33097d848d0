/*
 * What the operator reads: one line a report, with time, program and pid.
 * ("log" is only ever the message log.)  Called by the programs and by the
 * parts that have nobody to return an error to.  Any thread; one write(2) a
 * line, so that lines of several processes don't mix in one file.  Never fails
 * and never ends the process: a report that can't be written is lost.
 */
#ifndef COMETLOG_BASE_DIAG_H
#define COMETLOG_BASE_DIAG_H

#include "base/err.h"

#include <stdbool.h>

enum diag_level {
	DIAG_ERROR, /* something asked for is not done */
	DIAG_WARN,  /* done, but the operator should look */
	DIAG_INFO,  /* starts, stops, reopened files */
	DIAG_DEBUG,
};

/*
 * Chooses, once and before other threads exist: the program's name (borrowed
 * for good), the level, and the file to append to (path is copied; NULL:
 * standard error).  RC_CONFIG: path can't be opened; standard error stays.
 * Before this call reports of up to DIAG_INFO go to standard error.
 */
enum rc diag_open(const char *program, enum diag_level level, const char *path,
    struct err *e) MUST_CHECK;

/* Opens the file by its name again, after it was renamed away.  If that fails
   the old one stays and is told so.  Not for signal handlers. */
void diag_reopen(void);

/* True if reports of this level are written: for those costly to form. */
bool diag_is_on(enum diag_level level);

/*
 * One report, without a line end; control characters are shown as '?', and
 * what is beyond about 1000 bytes is cut.  A report identical to one of the
 * last few is written at most once a second, then with the count of those
 * left out; any later report makes the rest of that count told.  Waits at
 * most 10 ms for the reader of a full pipe, and not again while it stays full;
 * what is lost by that is counted and told later.  Keeps errno.
 */
void diag(enum diag_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
