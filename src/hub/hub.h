/*
 * The hub: all held answers of a process and how messages reach them.  It
 * belongs to the loop thread; what other threads may call is marked.
 *
 * A reader is a cursor: it has no queue.  While it keeps up it is written to
 * straight from the ring's shared bytes.  When its socket is full, or it comes
 * back late, it has an older cursor and is fed from the ring or, page by page,
 * from the log, as its socket drains.
 */
#ifndef COMETLOG_HUB_HUB_H
#define COMETLOG_HUB_HUB_H

#include "base/channel.h"
#include "base/options.h"
#include "hub/outbox.h"
#include "hub/store.h"
#include "wire/encode.h"

#include <uv.h>

struct hub;

/* o, s and box are borrowed until hub_free. */
enum rc hub_new(struct hub **out, uv_loop_t *loop, const struct options *o,
    struct store *s, struct outbox *box, struct err *e) MUST_CHECK;

/* Any thread: the writer committed this list (NULL: something else). */
void hub_committed(struct hub *h, const struct append *list);

/* What a technique asks for. */
struct hub_reader {
	struct outlet outlet;    /* taken, where it succeeds */
	struct pattern_set what; /* taken */
	struct encode how;       /* callback is copied;
	                            epoch is the hub's */
	bool is_answer;          /* long polling: one poll
	                            answer, then done */
	uint32_t limit;          /* of messages in that answer */
	bool is_now;             /* from the newest on;
	                            after is ignored */
	bool has_gap;            /* something before what
	                            follows is gone */
	uint64_t after;          /* a cursor's seq */
	uint64_t gap_known;      /* gaps up to this seq
	                            need no telling */
	uint64_t hold_ms;        /* ends then, with an empty
	                            answer if need be */
	uint32_t retry_ms;       /* for the opening */
	struct slice head;       /* the HTTP head; borrowed
	                            for the call */
	bool is_silent;          /* no heartbeats: an echo */
	bool is_listener;        /* see below; for hub_attach */
	uint32_t place;          /* hub_claim's; taken */
};

/* Makes it a held answer.  Takes outlet, what and place; where it fails, spec
   has the outlet again, to be answered and closed.  RC_LOG, RC_BUSY, RC_CONFIG:
   the log can't be read; RC_IO: the outlet can't be watched; RC_NOMEM. */
enum rc hub_hold(
    struct hub *h, struct hub_reader *spec, struct err *e) MUST_CHECK;

/*
 * A held connection whose other side also speaks: a WebSocket.  The functions
 * are called on the loop; each may say, subscribe, pause or release.
 */
struct reader;

struct hub_client {
	/* bytes wait on the descriptor; NULL: they are of no interest */
	void (*readable)(void *arg);
	void (*border)(void *arg); /* hub_await_border's */
	void (*tick)(void *arg);   /* at least each tick_ms */
	void (*gone)(void *arg);   /* the peer left: the
	                              reader is no more */
	/* listeners only: there may be something of what it wants; and its time
	   (hold_ms, a turn, the end of the process) is over: it must release */
	void (*news)(void *arg);
	void (*over)(void *arg);
	uint64_t tick_ms;
};

/*
 * A listener is a reader that the hub gives no messages: it is only told of
 * them, and takes them by itself, with hub_recent or out of the log.  For those
 * that keep their cursor elsewhere.  Each of its calls may release the listener
 * itself, and no other.
 */
struct entry;

/* When `over` is to be called, by the loop's clock; UINT64_MAX: not. */
void hub_set_over(struct reader *r, uint64_t at_ms);

/* Listens to these patterns instead of what it did before.  Takes what. */
enum rc hub_listen(
    struct reader *r, struct pattern_set *what, struct err *e) MUST_CHECK;

/*
 * Hands the messages behind `after` that are in memory to fn, oldest first,
 * until that says false; *reached: the last that fn got and took, or the newest
 * there is.  False, and nothing was handed: memory doesn't reach back so far;
 * read the log.  On the loop.
 */
bool hub_recent(struct hub *h, uint64_t after,
    bool (*fn)(void *arg, struct entry *en, const struct message *m), void *arg,
    uint64_t *reached);

/* The shared bytes of an entry in a form; borrowed until fn
   returns.  RC_NOMEM. */
enum rc hub_encoded(struct hub *h, struct entry *en, const struct encode *how,
    struct slice *out) MUST_CHECK;

/* The newest seq that readers have got, and the log's epoch.  On the loop. */
uint64_t hub_newest(const struct hub *h, uint32_t *epoch);

/* fn is called on the loop whenever all that is known was delivered.  One for
   each hub. */
void hub_on_sync(struct hub *h, void (*fn)(void *arg), void *arg);

/* As hub_hold, with what possibly empty: then the opening is the head alone.
   gone isn't called where it fails.  RC_GONE too: the head could not be sent,
   and the outlet is closed.  client is borrowed until gone or hub_release. */
enum rc hub_attach(struct hub *h, struct hub_reader *spec,
    const struct hub_client *client, void *arg, struct reader **out,
    struct err *e) MUST_CHECK;

/* Sends bytes, whole frames, now or on the next message border: nothing of it
   is lost while the connection lives.  The caller bounds what waits by asking
   hub_is_flowing before it takes more work in. */
void hub_say(struct reader *r, struct slice frames);

/* True on a message border with nothing waiting that was said.  Only then may
   subscriptions be changed. */
bool hub_is_flowing(const struct reader *r);

/* When bytes last left for r, by the loop's clock. */
uint64_t hub_sent_ms(const struct reader *r);

/* Calls client->border once hub_is_flowing holds (it doesn't now). */
void hub_await_border(struct reader *r);

/* Whether the descriptor is watched for bytes. */
void hub_pause(struct reader *r, bool is_paused);

/* Where a subscription begins. */
struct hub_start {
	bool is_now; /* at the newest: hub_subscribe sets the rest */
	uint64_t after;
	uint32_t epoch;     /* that after belongs to */
	uint64_t gap_known; /* a gap up to this seq was told */
};

/*
 * Adds pattern (checked), or begins anew with it, behind start->after.
 * Messages that another subscription already brought don't come again.  After a
 * hub_sync, after which r still flows.  O(subscriptions).  RC_BUSY: the log
 * can't be read, or is another one than start's; RC_NOMEM.  Nothing changed
 * then, but r may be gone for want of memory.
 */
enum rc hub_subscribe(struct reader *r, struct slice pattern,
    struct hub_start *start, struct err *e) MUST_CHECK;
/* Nothing of pattern comes after it.  RC_NOMEM as above. */
enum rc hub_unsubscribe(
    struct reader *r, struct slice pattern, struct err *e) MUST_CHECK;

/* By exactly this pattern; and how many there are. */
bool hub_is_subscribed(const struct reader *r, struct slice pattern);
size_t hub_subscriptions(const struct reader *r);

/* Delivers what the log has now, which may fill sockets: brings the ring and
   all LIVE readers up to its newest. */
void hub_sync(struct hub *h);

/* The cursor of r: it has everything up to seq. */
uint64_t hub_position(const struct reader *r, uint32_t *epoch);

/* The cursor of one subscription, which may have begun ahead of r's others. */
uint64_t hub_position_of(
    const struct reader *r, struct slice pattern, uint32_t *epoch);

/* Takes the connection back: the reader is no more, gone isn't called.  False:
   the peer stopped reading within a message, so nothing more can be said to
   it. */
bool hub_release(struct reader *r, struct outlet *o);

/* Any thread.  Claims one of max-held places, and one of the site's budget, for
   hub_hold, which gives it back in the end.  client: its address; empty: not
   known.  False when there is none: the technique degrades. */
bool hub_claim(struct hub *h, struct slice client, uint32_t *place);
void hub_unclaim(struct hub *h, uint32_t place);

/* Others of the site found no place, and r has been held for a turn: it should
   end, and come back later than those. */
bool hub_is_turn_over(const struct reader *r);

/* Ends every held answer properly, so that clients resume elsewhere.  What the
   kernel doesn't take at once is left to the outbox.  Clients' connections are
   cut. */
void hub_drain(struct hub *h);

/* Frees h once the loop has run the closings.  After hub_drain. */
void hub_free(struct hub *h);

/* Any thread; sums since the start, and what is now. */
struct hub_figures {
	uint64_t held; /* readers now */
	uint64_t held_total, deliveries, sent_bytes, pages, gaps;
	uint64_t ring_messages, ring_bytes;
};
void hub_figures(struct hub *h, struct hub_figures *f);

/* Any thread: the site's places, 0: no limit across processes; and how many of
   them are taken by all processes.  Some system calls for each place. */
void hub_budget_figures(struct hub *h, uint32_t *places, uint32_t *taken);

/* Any thread: how many readers of this process a channel has, by the topic that
   is exactly it.  Takes a lock that the loop takes only when readers come and
   go. */
uint64_t hub_subscribers(struct hub *h, struct slice channel);

#endif
