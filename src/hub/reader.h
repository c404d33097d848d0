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
 *               ^        page out, or      |   v no longer reaches back
 *               |        no room for it  +----------+
 *               |  page reached the tip  |          |
 *               +------------------------|  PAGING  |  waits for a page
 *                                        +----------+
 *        any of them -> ENDED: closed, freed by the loop
 *
 * In LIVE the cursor is the hub's tip and `after` means nothing.
 *
 * A WebSocket's reader can be spoken to (hub_say) and its subscriptions change.
 * What is said leaves on the next message border; until it has left, the
 * reader is BLOCKED.  A subscription that asks for the past moves the cursor
 * back; its interest remembers what was delivered, so that nothing comes twice.
 */
#ifndef COMETLOG_HUB_READER_H
#define COMETLOG_HUB_READER_H

#include "hub/hub.h"
#include "hub/interest.h"
#include "hub/ring.h"
#include "hub/topic.h"
#include "hub/wheel.h"
#include "wire/fcgi.h"

enum reader_state { READER_LIVE, READER_BLOCKED, READER_PAGING, READER_ENDED };

struct fetch;

/* Where a send stopped within a message: resumed by encoding it again. */
struct partial {
	uint64_t seq; /* 0: on a message border */
	size_t sent;  /* bytes of it, framing included */
};

struct reader {
	uv_poll_t poll; /* first: what libuv gives back */
	struct hub *hub;
	struct timer timer;
	struct membership *member, one; /* n_patterns of them; &one for one */
	struct interest interest;
	struct outlet outlet;
	struct encode how;
	struct fcgi_record in; /* bytes that come on a held request */
	enum reader_state state;
	bool is_answer, is_silent, is_listener, is_writing, has_gap;
	uint32_t limit;
	uint32_t place;    /* of the site's budget */
	uint64_t after;    /* everything up to here was sent */
	uint64_t gap_told; /* gaps up to this seq are known to it */
	struct partial partial;
	uint64_t hold_until_ms;
	uint64_t sent_ms;  /* when bytes last left */
	uint64_t beat_ms;  /* when a heartbeat was last due */
	uint64_t began_ms; /* when it came */
	struct fetch *fetch;
	struct slice head;               /* is_answer: the HTTP head, owned */
	struct reader *next, **link;     /* all of the hub's */
	struct reader *waiting;          /* the queue for pages */
	const struct hub_client *client; /* NULL: it only receives */
	void *client_arg;
	bool is_paused, was_paused;   /* hub_pause; and as
	                                 the loop knows it */
	bool wants_border;            /* hub_await_border */
	uint32_t aside_n, aside_sent; /* bytes said, and how many are out */
	char *aside;                  /* owned; NULL: nothing waits */
};

/* Puts r into the topics of its interest: member[i] is in that of
   interest.what.item[i].  RC_NOMEM: r is in none. */
enum rc reader_join(struct reader *r) MUST_CHECK;
void reader_leave(struct reader *r);

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

/* Frames and sends bytes that are no message (heartbeat, gap), on a border.
   True if they went, or a part did and the rest is on its way; false if the
   socket is full, and when r was closed. */
bool reader_say(struct reader *r, struct slice bytes);

/* On a border: sends what was said and couldn't leave, and lets the client go
   on.  False if some of it still waits (r is BLOCKED), or r has ended. */
bool reader_pass_border(struct reader *r);

/* Takes r out of everything; its outlet is the caller's then. */
struct outlet reader_retire(struct reader *r);

/* Ends r: closes its outlet, leaves its topics, frees it when
   the loop has let go. */
void reader_close(struct reader *r);

/* Ends a stream well (its ending, then the end of the answer), on a border.
   retry_ms: what its client is told to wait; 0: nothing. */
void reader_finish(struct reader *r, uint32_t retry_ms);

/* Gives an is_answer reader its answer, whole and framed
   (borrowed), and ends it. */
void reader_answer(struct reader *r, struct slice bytes);

/* r waits until its socket has room: hub_feed goes on then. */
void reader_block(struct reader *r);

/* Watches for room in the socket, or only for its end. */
void reader_watch(struct reader *r, bool is_writing);

#endif
