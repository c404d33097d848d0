/*
 * Wake-ups: hints that the log may have news from another process.  A touched
 * wake file tells of our own programs' commits, after the fact.  A foreign
 * writer (PHP, the sqlite3 shell) only changes the WAL, before its commit is
 * visible: that signal is looked at again for a moment.  A slow timer is behind
 * both, for file systems that signal nothing.  Belongs to the loop thread.
 */
#ifndef COMETLOG_HUB_WAKE_H
#define COMETLOG_HUB_WAKE_H

#include "base/err.h"

#include <stdbool.h>
#include <uv.h>

struct wake;

/*
 * look: called on the loop whenever the log should be looked at.  It may call
 * anything but wake_free.  is_known (may be NULL): asked when the wake file was
 * touched; if true, as of this process's own commits, the look waits a few
 * milliseconds.
 * The paths are borrowed until wake_free.
 */
enum rc wake_new(struct wake **out, uv_loop_t *loop, const char *wake_path,
    const char *change_path, void (*look)(void *arg),
    bool (*is_known)(void *arg), void *arg, struct err *e) MUST_CHECK;

/* Watches, or not; at first not.  Turning it on does not look. */
void wake_set(struct wake *w, bool is_on);

/* Frees w once the loop has run the closings. */
void wake_free(struct wake *w);

#endif
