/*
 * One reader: a cursor and an outlet.  Only hub/ sees this.
 *
 *            hub_hold
 *               |
 *        +------v-----+   socket full    +---------+
 *        |    LIVE    |----------------->| BLOCKED |
 *        | has all of |<-----------------|         |
 *        |  the ring  |   writable, up   +---------+
 *        +------------+   to the tip      ^   | writable, and the ring
 *               ^                page out |   v no longer reaches back
 *               |  page reached the tip  +----------+
 *               +------------------------|  PAGING  |  waits for a page
 *                                        +----------+
 *        any of them -> ENDED: closed, freed by the loop
 *
 * In LIVE the cursor is the hub's tip and `after` means nothing.
 */
#ifndef COMETLOG_HUB_READER_H
#define COMETLOG_HUB_READER_H

#include "hub/hub.h"
#include "hub/ring.h"
#include "hub/topic.h"
#include "hub/wheel.h"
#include "wire/fcgi.h"

enum reader_state { READER_LIVE, READER_BLOCKED, READER_PAGING, READER_ENDED };

struct fetch;

/* Where a send stopped within a message: resumed by encoding it again. */
struct partial {
	uint64_t seq;           /* 0: on a message border */
	size_t sent;            /* bytes of it, framing included */
};

struct reader {
	uv_poll_t poll;         /* first: what libuv gives back */
	struct hub *hub;
	struct timer timer;
	struct membership *member, one; /* n_patterns of them; &one for one */
	struct pattern_set what;
	struct outlet outlet;
	struct encode how;
	struct fcgi_record in;  /* bytes that come on a held request */
	enum reader_state state;
	bool is_answer, is_writing, has_gap;
	uint32_t limit;
	uint64_t after;         /* everything up to here was sent */
	uint64_t gap_told;      /* gaps up to this seq are known to it */
	struct partial partial;
	uint64_t hold_until_ms, sent_ms;
	struct fetch *fetch;
	struct slice head;      /* is_answer: the HTTP head, owned */
	struct reader *next, **link;    /* all of the hub's */
	struct reader *waiting;         /* the queue for pages */
};

/* One encoded message, or piece, of what goes to a reader in one send. */
struct piece {
	uint64_t seq;
	size_t n;
};

/*
 * Sends the bytes of iov, which are those of pieces (less what r->partial says
 * went before of the first), to a reader that has everything up to after.  All
 * taken: true, r->partial is cleared, and the caller moves the cursor.  Else r
 * is BLOCKED with its cursor behind the last whole piece, or ENDED; false.
 */
bool reader_send(struct reader *r, uint64_t after, const struct iovec *iov,
    int n_iov, const struct piece *piece, int n_piece);

/* Frames and sends bytes that are no message (heartbeat, gap).  True if all went;
   false if none did, or r was closed because only a part did. */
bool reader_say(struct reader *r, struct slice bytes);

/* Ends r: closes its outlet, leaves its topics, frees it when the loop has let go. */
void reader_close(struct reader *r);

/* Ends a stream well (its ending, then the end of the answer), on a border. */
void reader_finish(struct reader *r);

/* Gives an is_answer reader its answer, whole and framed (borrowed), and ends it. */
void reader_answer(struct reader *r, struct slice bytes);

/* Watches for room in the socket, or only for its end. */
void reader_watch(struct reader *r, bool is_writing);

#endif
