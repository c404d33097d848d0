/*
 * What waits to be stored: appends and changes of sessions, bounded, taken off
 * in groups by the writer's thread.  Inside log/ only.
 */
#ifndef COMETLOG_LOG_QUEUE_H
#define COMETLOG_LOG_QUEUE_H

#include "log/writer.h"

#include <pthread.h>

struct queue {
	const struct log_writer_options *o; /* borrowed */
	pthread_mutex_t lock;               /* of all below */
	pthread_cond_t changed;
	struct append *first, **last;
	struct log_change *first_change, **last_change;
	size_t urgent;           /* changes that somebody waits for */
	uint64_t changes_due_ms; /* for the others */
	size_t messages, bytes;  /* waiting and being stored, changes too */
	bool is_waiting;         /* the thread is, for `changed` */
	bool is_stopping;
};

/* What is stored in one transaction, and how much of the queue it is. */
struct group {
	struct append *appends;
	struct log_change *changes;
	size_t messages, bytes;
};

/* It mustn't move until queue_fini. */
void queue_init(struct queue *q, const struct log_writer_options *o);
void queue_fini(struct queue *q);

/* Any thread: as log_append, whose checks of each message are done, and
   log_change. */
enum rc queue_append(
    struct queue *q, struct append *a, struct err *e) MUST_CHECK;
enum rc queue_change(
    struct queue *q, struct log_change *c, struct err *e) MUST_CHECK;

/* The writer's thread: waits for a group, until until_ms (clock_mono_ms) at
   most; *g empty: there was none.  *has_waited: it was idle.  False: stopping,
   and this was the last. */
bool queue_next(
    struct queue *q, uint64_t until_ms, struct group *g, bool *has_waited);

/* Makes room for as much as g was. */
void queue_leave(struct queue *q, const struct group *g);

/* Any thread. */
bool queue_is_empty(struct queue *q);
size_t queue_messages(struct queue *q);

/* Takes nothing more in; queue_next doesn't wait any more. */
void queue_stop(struct queue *q);

#endif
