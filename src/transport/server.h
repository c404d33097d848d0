/*
 * What all techniques share: the options, the store, the hub, the loop thread
 * and the way into it.
 */
#ifndef COMETLOG_TRANSPORT_SERVER_H
#define COMETLOG_TRANSPORT_SERVER_H

#include "base/options.h"
#include "hub/bell.h"
#include "hub/hub.h"
#include "hub/outbox.h"
#include "hub/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

struct arrivals;
struct bayeux;
struct ratelimit;
struct request;
struct server;

/* Something for the loop to do: run is called there once and takes t. */
struct task {
	struct task *next;
	void (*run)(struct server *s, struct task *t);
};

/* Read by any thread, added to by any. */
struct server_counters {
	_Atomic uint64_t requests, published, refused, degraded, dropped;
};

/* The doctor's held answers (transport/probe.h). */
struct probe;
struct probes {
	struct probe *list; /* the loop's */
	bool is_over;
	_Atomic uint32_t count;
};

struct server {
	const struct options *options;
	struct store *store;
	struct hub *hub;
	struct outbox *box;
	struct arrivals *arrivals;
	struct bayeux *bayeux;
	struct ratelimit *ratelimit;
	struct probes probes;
	struct server_counters count;
	int64_t started_ms;          /* Unix time */
	bool is_single;              /* CGI: ends after one request */
	atomic_bool is_ending;       /* a stop was asked for */
	_Atomic uint32_t publishing; /* appends that aren't answered yet */
	_Atomic uint32_t working;    /* requests on the thread pool */

	uv_loop_t *loop;
	struct bell woken;
	pthread_mutex_t lock; /* for the queue of tasks */
	struct task *first, **last;
};

/* Any thread: runs t on the loop, in the order of the calls.  Takes t. */
void server_post(struct server *s, struct task *t);

/* Any thread: sends the rest of a finished answer.  Takes o and bytes. */
void server_leave(
    struct server *s, struct outlet o, char *bytes, size_t n, size_t from);

/* Any thread: makes reader a held answer; a place was claimed.  Takes outlet,
   what and place; what can't be held is answered with its reason.  reader->head
   and callback are copied. */
void server_hold(struct server *s, const struct hub_reader *reader);

/* Any thread: a connection whose answer is out and whose server keeps it. */
void server_idle(struct server *s, struct outlet o);

/* May pages of this Origin (p == NULL or empty: none was sent) publish?  The
   site's own, by Host, and those of allow-origin.  *is_cross: it is one of the
   latter: CORS. */
bool server_allows_origin(const struct server *s, struct slice origin,
    struct slice host, bool *is_cross);

/* Loop thread: true when nothing is under way or held. */
bool server_is_quiet(struct server *s);

#endif
