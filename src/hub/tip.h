/*
 * The tip file: the newest cursor as text, in a small static file beside the
 * pages, renamed into place.  The web server serves it by itself, so that a
 * quiet polling client costs no FastCGI request.  One process of the site
 * keeps it: the one that holds a lock beside the log, which no crash can leak.
 * Belongs to one thread at a time.
 */
#ifndef COMETLOG_HUB_TIP_H
#define COMETLOG_HUB_TIP_H

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct tip;

/* path: of the file; lock_path: of the lock, made if need be.  Both are
   copied.  RC_CONFIG: the folder can't be written. */
enum rc tip_new(struct tip **out, const char *path, const char *lock_path,
    struct err *e) MUST_CHECK;

/* True if this process keeps the file; tries to become the
   keeper if nobody is. */
bool tip_is_keeper(struct tip *t);

/* Writes the cursor, unless it stands there already, and line ends after it if
   another version of the same second had that length.  A failure is reported to
   the operator and tried again at the next call. */
void tip_write(struct tip *t, struct slice cursor);

void tip_free(struct tip *t);

#endif
