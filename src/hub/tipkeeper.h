/*
 * Keeps the tip file up to date: in the one process that holds its lock, after
 * each wake-up, at most every tip-interval.  Belongs to the loop thread.
 */
#ifndef COMETLOG_HUB_TIPKEEPER_H
#define COMETLOG_HUB_TIPKEEPER_H

#include "base/options.h"
#include "hub/store.h"

#include <uv.h>

struct tipkeeper;

/* o->tip_file must be set; o and s are borrowed until tipkeeper_free. */
enum rc tipkeeper_new(struct tipkeeper **out, uv_loop_t *loop,
    const struct options *o, struct store *s, struct err *e) MUST_CHECK;

/*
 * For a process that serves one request: brings the file up to date, unless
 * another process keeps it.  Waits at most 0.1 s for one that does the same.
 */
void tipkeeper_write_once(const struct options *o, struct store *s);

/* Frees k once the loop has run the closings.  NULL is fine. */
void tipkeeper_free(struct tipkeeper *k);

#endif
