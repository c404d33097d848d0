/*
 * Pages of history for readers that are behind, read and encoded on the
 * thread pool, at most `fetches` at a time, each of at most page-bytes: so
 * memory stays flat however many readers are behind.  Only hub/ sees this.
 */
#ifndef COMETLOG_HUB_FETCH_H
#define COMETLOG_HUB_FETCH_H

#include "hub/reader.h"

struct fetch {
	uv_work_t work; /* first: what libuv gives back */
	struct hub *hub;
	struct reader *reader; /* NULL: it has left meanwhile */
	/* what to read; copies, as the reader may leave */
	struct pattern_set what;
	struct interest interest; /* only where what isn't all of it */
	uint64_t until;           /* the page ends here:
	                             then others join */
	bool is_cut;              /* it did */
	struct encode how;
	struct outlet outlet; /* for the framing only */
	uint64_t after;
	uint32_t max_messages, max_scan;
	size_t max_bytes;
	/* what came */
	enum rc rc;
	struct err err;
	struct log_page page;
	struct buf bytes; /* pieces, one after the other */
	struct piece *piece;
	size_t n_pieces, cap_pieces;
	struct poll_answer answer; /* is_answer readers:
	                              bytes is its middle */
	bool is_answer;
};

/* The queue of readers that wait for a page. */
struct fetches {
	struct reader *first, **last;
	uint32_t running, most;
};

void fetches_init(struct fetches *f, uint32_t most);

/* r, BLOCKED or LIVE, becomes PAGING; its page comes to hub_page. */
void fetch_start(struct reader *r);

/* r leaves the queue, or its page will find nobody. */
void fetch_forget(struct reader *r);

/* The hub's: takes a finished page, on the loop.  Does not free f. */
void hub_page(struct fetch *f);

#endif
