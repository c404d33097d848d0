#include "hub/store.h"

#include <pthread.h>
#include <stdlib.h>

/* Idle readers that are kept; each costs a connection's memory. */
#define IDLE_MAX 16

struct store {
	struct log *log;
	struct log_writer *writer;
	struct log_retain *retain;
	pthread_mutex_t lock; /* for what follows */
	struct log_reader *idle[IDLE_MAX];
	size_t n_idle;
};

enum log_durability
store_durability(const struct options *o)
{
	switch (o->durability) {
	case OPTIONS_STRICT:
		return LOG_STRICT;
	case OPTIONS_NORMAL:
		return LOG_NORMAL;
	case OPTIONS_FULL:
		break;
	}
	return LOG_FULL;
}

static enum rc
open_log(struct store *s, const struct options *o, struct err *e)
{
	struct log_options lo = {
	    .path = o->log,
	    .durability = store_durability(o),
	    .journal = o->journal == OPTIONS_AUTO ? LOG_AUTO
	        : o->journal == OPTIONS_WAL       ? LOG_WAL
	                                          : LOG_ROLLBACK,
	    .busy_ms = (uint32_t)o->busy_wait_ms,
	    .dedupe_ms = o->dedupe_window_s * 1000,
	    .message_bytes = o->message_bytes,
	    .n_retain = o->retain.n,
	    .retain_step = (uint32_t)o->retain_step,
	    .sessions = o->bayeux_sessions,
	    .subscriptions = o->bayeux_subscriptions,
	    .session_idle_ms = o->bayeux_max_interval_ms,
	};
	size_t i;

	s->retain = calloc(o->retain.n + 1, sizeof *s->retain);
	if (s->retain == NULL)
		return err_set(e, RC_NOMEM, "no memory for the log");
	for (i = 0; i < o->retain.n; i++)
		s->retain[i] = (struct log_retain){
		    .pattern = o->retain.item[i].pattern,
		    .age_ms = o->retain.item[i].age_ms,
		    .messages = o->retain.item[i].messages,
		    .bytes = o->retain.item[i].bytes,
		};
	lo.retain = s->retain;
	return log_open(&s->log, &lo, e);
}

enum rc
store_open(struct store **out, const struct options *o,
    void (*committed)(void *arg, const struct append *list), void *arg,
    struct err *e)
{
	struct log_writer_options wo = {
	    .queue_messages = (uint32_t)o->queue_messages,
	    .queue_bytes = o->queue_bytes,
	    .group_messages = (uint32_t)o->group_messages,
	    .retain_every_ms = (uint32_t)o->retain_interval_ms,
	    .committed = committed,
	    .arg = arg,
	};
	struct store *s = calloc(1, sizeof *s);
	enum rc rc;

	*out = NULL;
	if (s == NULL)
		return err_set(e, RC_NOMEM, "no memory for the log");
	pthread_mutex_init(&s->lock, NULL);
	if ((rc = open_log(s, o, e)) != RC_OK)
		goto fail;
	if ((rc = log_writer_start(s->log, &wo, &s->writer, e)) != RC_OK)
		goto fail;
	*out = s;
	return RC_OK;
fail:
	store_close(s);
	return rc;
}

void
store_retain_at_close(struct store *s)
{
	log_writer_retain_at_stop(s->writer);
}

void
store_finish(struct store *s)
{
	if (s != NULL && s->writer != NULL)
		log_writer_finish(s->writer);
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	log_writer_stop(s->writer);
	while (s->n_idle > 0)
		log_reader_close(s->idle[--s->n_idle]);
	if (s->log != NULL)
		log_close(s->log);
	free(s->retain);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct log *
store_log(struct store *s)
{
	return s->log;
}

enum rc
store_fitness(struct store *s, struct slice web_root, struct log_fitness *f,
    struct err *e)
{
	struct log_reader *r;
	enum rc rc = store_borrow(s, &r, e);

	if (rc != RC_OK)
		return rc;
	rc = log_fitness(r, web_root, f, e);
	store_return(s, r);
	return rc;
}

enum rc
store_append(struct store *s, struct append *a, struct err *e)
{
	return log_append(s->writer, a, e);
}

enum rc
store_change(struct store *s, struct log_change *c, struct err *e)
{
	return log_change(s->writer, c, e);
}

enum rc
store_borrow(struct store *s, struct log_reader **r, struct err *e)
{
	*r = NULL;
	pthread_mutex_lock(&s->lock);
	if (s->n_idle > 0)
		*r = s->idle[--s->n_idle];
	pthread_mutex_unlock(&s->lock);
	return *r != NULL ? RC_OK : log_reader_open(s->log, r, e);
}

void
store_return(struct store *s, struct log_reader *r)
{
	pthread_mutex_lock(&s->lock);
	if (s->n_idle < IDLE_MAX) {
		s->idle[s->n_idle++] = r;
		r = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	if (r != NULL)
		log_reader_close(r);
}

void
store_writer_figures(struct store *s, struct log_writer_figures *f)
{
	log_writer_figures(s->writer, f);
}
