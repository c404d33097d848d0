/*
 * Changing sessions: the writer's SQL for struct log_change, and the deletion
 * of sessions that nobody uses any more.  In the caller's transaction.  Inside
 * log/ only.
 */
#ifndef COMETLOG_LOG_CHANGE_H
#define COMETLOG_LOG_CHANGE_H

#include "log/db.h"
#include "log/session.h"

/* The transaction: what holds for all its changes. */
struct change_at {
	struct db *db;
	const struct log_options *o;
	int64_t now_ms;
	struct log_tip tip; /* before it */
	struct err *e;
};

/*
 * RC_OK also when the change was refused, with nothing of it done: c->rc and
 * c->why tell.  Else the transaction can't go on.
 */
enum rc change_store(
    const struct change_at *at, struct log_change *c) MUST_CHECK;

/* Would others have to look for it?  Of one that was stored. */
bool change_is_told(const struct log_change *c);

/* *is_old: some session was last seen too long ago. */
enum rc change_has_old(const struct change_at *at, bool *is_old) MUST_CHECK;

/* Deletes such sessions, until about *left rows are gone, which it counts
   down. */
enum rc change_delete_old(
    const struct change_at *at, uint32_t *left) MUST_CHECK;

#endif
