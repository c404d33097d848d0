/*
 * The thread that copies the WAL into the database, so that no publisher
 * waits for it.  Each process with a writer has one; they don't
 * get in each other's way.  Inside log/ only.
 */
#ifndef COMETLOG_LOG_CHECKPOINT_H
#define COMETLOG_LOG_CHECKPOINT_H

#include "log/log.h"

struct checkpointer;

/* Without a WAL: *out is NULL, which the others take. */
enum rc checkpoint_start(
    struct log *l, struct checkpointer **out, struct err *e) MUST_CHECK;

/* The WAL has so many pages now.  Any thread; cheap while they are few. */
void checkpoint_hint(struct checkpointer *c, int wal_pages);

void checkpoint_stop(struct checkpointer *c);

#endif
