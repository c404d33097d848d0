/*
 * What a process does with the log: one writer, and readers that any thread
 * borrows.  The way through which transports reach the log.
 */
#ifndef COMETLOG_HUB_STORE_H
#define COMETLOG_HUB_STORE_H

#include "base/options.h"
#include "log/fitness.h"
#include "log/log.h"
#include "log/reader.h"
#include "log/writer.h"

struct store;

/* Opens the log as the options say and starts the writer.  committed: called
   on the writer's thread after each commit, as log_writer_options has it.  o is
   borrowed until store_close.  Errors as log_open's. */
enum rc store_open(struct store **out, const struct options *o,
    void (*committed)(void *arg, const struct append *list), void *arg,
    struct err *e) MUST_CHECK;

/* Of a process that serves one request: store_close also does a little of
   retention, as log_writer_retain_at_stop. */
void store_retain_at_close(struct store *s);

/* Stores and answers what waits; nothing can be appended any more: RC_BUSY,
   also for threads that are about to. */
void store_finish(struct store *s);

/* As store_finish, then closes.  No reader may be out. */
void store_close(struct store *s);

struct log *store_log(struct store *s);

/* Any thread; as log_fitness. */
enum rc store_fitness(struct store *s, struct slice web_root,
    struct log_fitness *f, struct err *e) MUST_CHECK;

/* What the option means to the log. */
enum log_durability store_durability(const struct options *o);

/* Any thread; as log_append: RC_BUSY when the queue is full. */
enum rc store_append(
    struct store *s, struct append *a, struct err *e) MUST_CHECK;

/* Any thread; as log_change. */
enum rc store_change(
    struct store *s, struct log_change *c, struct err *e) MUST_CHECK;

/* Borrows a reader (opens one when all are out) until store_return. */
enum rc store_borrow(
    struct store *s, struct log_reader **r, struct err *e) MUST_CHECK;
void store_return(struct store *s, struct log_reader *r);

void store_writer_figures(struct store *s, struct log_writer_figures *f);

#endif
