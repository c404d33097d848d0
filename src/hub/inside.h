/* The hub's inside, shared by the files of hub/ only. */
#ifndef COMETLOG_HUB_INSIDE_H
#define COMETLOG_HUB_INSIDE_H

#include "hub/budget.h"
#include "hub/fetch.h"
#include "hub/handoff.h"
#include "hub/hub.h"
#include "hub/reader.h"
#include "hub/ring.h"
#include "hub/topic.h"
#include "hub/wake.h"
#include "hub/wheel.h"

#include <pthread.h>
#include <stdatomic.h>

/* Read by any thread, written by the loop. */
struct hub_counters {
	_Atomic uint64_t held, held_total, deliveries, sent_bytes, pages, gaps;
	_Atomic uint64_t ring_messages, ring_bytes;
};

struct hub {
	uv_loop_t *loop;
	const struct options *options;
	struct store *store;
	struct outbox *box;
	struct budget *budget; /* NULL: none */
	struct log_reader *log;
	struct deflater *deflater; /* made for the first who wants it */
	struct wake *wake;
	struct handoff *handoff;
	uv_timer_t tick;
	atomic_bool is_awake; /* somebody is held: commits matter */
	_Atomic uint64_t claims;

	uint64_t tip; /* all up to here was delivered */
	uint32_t epoch;
	struct ring ring; /* ends at tip, or is empty */
	struct topics topics;
	pthread_mutex_t topics_lock; /* taken to change them,
	                                and by others to look */
	struct reader *readers;
	size_t n_readers;
	struct fetches fetches;
	struct wheel wheel;
	struct hub_counters figures;
	bool is_syncing;
	bool is_draining;          /* hub_drain was called */
	void (*synced)(void *arg); /* hub_on_sync's */
	void *synced_arg;
	int closing;    /* handles still open */
	bool is_ending; /* hub_free was called */

	/* the delivery under way */
	struct entry *batch[HUB_BATCH];
	size_t n_batch;
	uint8_t at; /* the one being matched */
	bool has_hole;
	struct topic *dirty;
};

static inline void
count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Gives r, BLOCKED or just come, what the ring has for it; asks for a page if
   the ring doesn't reach back; makes it LIVE at the tip. */
void hub_feed(struct reader *r);

/* Hands the batch, messages just added to the ring, to the LIVE readers. */
void hub_deliver(struct hub *h);

/* A poll answer for r of these entries, framed and ended, appended to b. */
void hub_add_answer(struct buf *b, const struct reader *r,
    struct entry *const *entry, size_t n, uint64_t tip);

/* Sets r's timer to its next heartbeat or its end; what the wheel runs then. */
void hub_set_timer(struct reader *r);
void hub_on_timer(void *arg, struct timer *t);

/* The first reader: from here on every message counts. */
enum rc hub_wake_up(struct hub *h, struct err *e) MUST_CHECK;

/* Frees h if hub_free was called and nothing of libuv's uses it any more. */
void hub_let_go(struct hub *h);

/* The last reader went: nothing to watch. */
void hub_sleep(struct hub *h);

#endif
