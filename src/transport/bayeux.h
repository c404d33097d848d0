/*
 * Bayeux (API.md; the Bayeux 1.0 specification) over long-polling,
 * callback-polling and WebSocket, the same on the worker and on the daemon.
 *
 *   bayeux           an exchange: one text of messages, one after the other;
 *                    bayeux_meta, bayeux_publish: what each of them does
 *   bayeux_session   sessions: row and slot
 *   bayeux_wait      /meta/connect: looks for messages, and waits for them
 *   bayeux_http      the two that are HTTP requests
 *   bayeux_ws        the one that is a connection
 *
 * Nothing of a session is kept in the process: any process goes on with any.
 */
#ifndef COMETLOG_TRANSPORT_BAYEUX_H
#define COMETLOG_TRANSPORT_BAYEUX_H

#include "hub/slots.h"
#include "transport/server.h"
#include "wire/bayeux.h"

/* Why nobody may publish. */
#define BAYEUX_NO_PUBLISH "Messages are not taken here (option bayeux-publish)"

/* A clientId: 160 random bits as hexadecimal digits. */
#define BAYEUX_CLIENT_ID_BYTES 40

/* What is remembered of a browser's cookie: a mark, a hash, and when the cookie
   was given (4 bytes: Unix time in seconds). */
#define BAYEUX_BROWSER_BYTES 13

struct bayeux_exchange;
struct bayeux_page;
struct bayeux_wait;

/* Held connects are found by their browser in so many lists. */
#define BAYEUX_BROWSER_LISTS 1024

/* Sessions that are remembered between two connects. */
#define BAYEUX_KNOWN 8192

/* What all exchanges of a process share; made by bayeux_new. */
struct bayeux {
	struct server *server;
	pthread_mutex_t lock;          /* for making slots */
	_Atomic(struct slots *) slots; /* NULL until the first exchange */
	struct bayeux_wait *waits;     /* connects under way; the loop's */
	struct bayeux_wait
	    *by_browser[BAYEUX_BROWSER_LISTS];      /* those of HTTP */
	struct bayeux_session *known[BAYEUX_KNOWN]; /* with the lock */
	uint64_t changes;             /* of slots, as they were last seen */
	_Atomic int64_t refreshed_ms; /* when slots_refresh was last called */
};

/* On the loop.  RC_NOMEM. */
enum rc bayeux_new(
    struct bayeux **out, struct server *s, struct err *e) MUST_CHECK;
void bayeux_free(struct bayeux *b);

/* Sees that the slots are there: a file beside the log, made by the first who
   speaks Bayeux.  Any thread.  Errors as slots_open's. */
enum rc bayeux_open(struct bayeux *b, struct err *e) MUST_CHECK;

/* ---- sessions ---- */

struct bayeux_session {
	char id[BAYEUX_CLIENT_ID_BYTES];
	size_t id_n; /* 0: none is loaded */
	struct log_session row;
	struct slot slot;
	bool is_gap; /* the log is another
	                than its cursor's */
	bool has_version;
	uint32_t version; /* of the subscriptions in row, if so */
	int64_t read_ms;  /* Unix time when row was read */
};

/* Reads the session of a client for a browser (n == 0: no cookie).  RC_MISSING:
   there is none, or it is another browser's.  Ends what *s had before.  Blocks:
   not on the loop. */
enum rc bayeux_session_load(struct bayeux *b, struct bayeux_session *s,
    struct slice id, struct slice browser, struct err *e) MUST_CHECK;
void bayeux_session_fini(struct bayeux_session *s);

/* Makes sure that s has all the subscriptions of its version, which s->version
   then is.  RC_MISSING: it has just ended.  Blocks. */
enum rc bayeux_session_settle(
    struct bayeux *b, struct bayeux_session *s, struct err *e) MUST_CHECK;

/* Remembers a settled session for the next connect, as long as its row is there
   for certain: for bayeux-max-interval.  Takes s: it is empty then. */
void bayeux_session_keep(struct bayeux *b, struct bayeux_session *s);

/* Where the session is: everything up to there was given. */
uint64_t bayeux_session_cursor(
    struct bayeux *b, const struct bayeux_session *s);

/*
 * A client that acknowledges (ext.ack) says up to where everything has arrived.
 * The number is the seq; where the session has gone back for history, so that
 * seqs come twice, with the count of that above it: what was acknowledged
 * before that and is said after it has no meaning.  Below 2^53.
 */
uint64_t bayeux_session_ack_number(uint32_t version, uint64_t cursor);
void bayeux_session_acknowledge(
    struct bayeux *b, const struct bayeux_session *s, uint64_t ack);

/* Does a subscription of it cover m, and want it? */
bool bayeux_session_wants(
    const struct bayeux_session *s, const struct message *m);

/* What it has subscribed to, for the caller to end.  RC_NOMEM. */
enum rc bayeux_session_patterns(const struct bayeux_session *s,
    struct pattern_set *what, struct err *e) MUST_CHECK;

/* The value of a browser's cookie among others, or none. */
#define BAYEUX_COOKIE "BAYEUX_BROWSER"
struct slice bayeux_cookie(struct slice cookies);

/* Writes a new one, as long as an id. */
enum rc bayeux_draw_cookie(
    char cookie[static BAYEUX_CLIENT_ID_BYTES], struct err *e) MUST_CHECK;

/* What is remembered of it.  mark 'c': it came with the request; 's': it is
   given with the answer. */
void bayeux_mark_browser(
    char to[static BAYEUX_BROWSER_BYTES], char mark, struct slice cookie);

/* Writes an id of a new session. */
enum rc bayeux_draw_id(
    char id[static BAYEUX_CLIENT_ID_BYTES], struct err *e) MUST_CHECK;

/* Says that the session is in use, if that is due; nobody waits for it.  epoch:
   the log's; cursor: where the session is in it. */
void bayeux_session_seen(struct bayeux *b, const struct bayeux_session *s,
    uint64_t cursor, uint32_t epoch);

/* ---- exchanges ---- */

/*
 * One text of messages on its way.  Made by a transport, which fills what is
 * the transport's; ended by the transport's done, once: with x->replies, the
 * text of all replies.  A /meta/connect among the messages is left to the
 * transport as x->connect, its reply not yet added.
 */
struct bayeux_exchange {
	/* the transport's */
	struct bayeux *bayeux;
	unsigned type;               /* BAYEUX_LONG_POLLING ... */
	struct slice callback;       /* callback-polling */
	struct slice browser;        /* BAYEUX_BROWSER_BYTES
	                                or none; borrowed */
	struct slice client;         /* address; borrowed */
	const char *publish_refusal; /* why it may not publish;
	                                NULL: it may */
	char *text;                  /* the messages; owned */
	size_t text_n;
	struct params *fields; /* instead: those named "message"; borrowed */
	void (*done)(struct bayeux_exchange *x); /* any thread */
	void *owner;

	/* what came of it */
	struct buf replies;
	struct bayeux_answer answer;
	struct bayeux_session session;
	bool has_connect, is_first_connect, has_handshake;
	bool has_replies; /* beside the connect's */
	struct bayeux_message connect;
	uint32_t serial; /* of the connect */
	int64_t received_ms;
	bool is_released; /* its session was ended */

	/* on the way */
	struct task task;
	struct bayeux_reading reading;
	struct bayeux_limits limits;
	struct bayeux_message m; /* the one under way */
	struct bayeux_subscription *room;
	struct log_subscription *items;
	struct bayeux_message *batch; /* publishes that are stored together */
	struct message *messages;
	struct appended *appended;
	size_t n_batch, batch_bytes;
	bool is_held_back; /* m is to be done after the batch */
	struct append append;
	struct log_change change;
	char new_id[BAYEUX_CLIENT_ID_BYTES];
	bool is_gap; /* of the subscription under way */
	enum rc rc;  /* of what the writer did */
	struct err err;
};

/* An exchange with nothing filled in yet, or NULL. */
struct bayeux_exchange *bayeux_exchange_new(struct bayeux *b);
void bayeux_exchange_free(struct bayeux_exchange *x);

/* Begins to read the text.  RC_BAD, RC_TOO_LARGE,
   RC_NOMEM: nothing was done. */
enum rc bayeux_exchange_read(
    struct bayeux_exchange *x, struct err *e) MUST_CHECK;

/* Does what the messages say.  Not on the loop.  done may have been called, or
   comes later. */
void bayeux_exchange_run(struct bayeux_exchange *x);

/* The same, from the loop, on a thread of the pool. */
void bayeux_exchange_start(struct bayeux_exchange *x);

/* The advice of this server; interval_ms: the client's pause. */
struct bayeux_advice bayeux_advice(
    const struct server *s, uint32_t interval_ms);

/* ---- connects ---- */

/*
 * A connect that waits: of its exchange only what the answer needs, as there
 * may be many.  On the loop.  Messages go to `answered`, or one by one to
 * `push` where that is set: then the connect itself waits for its timeout.
 */
struct bayeux_wait {
	struct bayeux *bayeux;
	struct bayeux_session session;
	uint32_t serial, version;  /* of the session, when it came */
	char *text;                /* that these point into: */
	struct slice id, callback; /* the message's id; JSONP's function */
	struct slice replies;      /* the answer so far */
	bool has_replies, has_timesync;
	struct bayeux_answer answer;
	struct bayeux_timesync timesync;
	int64_t received_ms;

	struct bayeux_wait *next, **link;
	struct bayeux_wait *sibling, **sibling_link; /* in by_browser */
	struct reader *reader;                       /* NULL: none yet */
	uint64_t cursor;      /* everything up to it was found */
	uint64_t given;       /* ... and is the session's cursor */
	uint64_t until_ms;    /* the loop's clock */
	uint32_t interval_ms; /* that its reply advises */
	uint32_t epoch;
	bool has_siblings; /* its browser waits in
	                      another connect */
	bool is_gap;
	bool is_over;             /* it is answered, whatever there is */
	bool is_busy;             /* in look */
	bool is_left;             /* its connection is gone */
	bool is_replaced;         /* by another on its connection */
	bool is_standing;         /* the connect is answered; events are
	                             pushed on until there is another */
	size_t n;                 /* messages in events */
	struct buf events;        /* of answer */
	struct bayeux_page *page; /* being read; or NULL */

	/* the transport's */
	bool (*hold)(struct bayeux_wait *w);     /* makes reader listen;
	                                            false: no place */
	void (*answered)(struct bayeux_wait *w); /* events, then the
	                                            connect's reply */
	bool (*push)(struct bayeux_wait *w, struct entry *en,
	    const struct message *m); /* NULL: events are gathered */
	void *owner;
};

/* Begins with x->connect; takes x.  NULL: no memory, and x is still there. */
struct bayeux_wait *bayeux_wait_new(struct bayeux_exchange *x);

/* For HTTP/1: browsers open few connections to a site, so but some of one's
   clients may wait at a time; the others poll.  Before the first look. */
void bayeux_wait_share(struct bayeux_wait *w);

/* Looks for messages, and answers or holds.  May end w. */
void bayeux_wait_look(struct bayeux_wait *w);

/* Looks which held connects others have outdated.  After
   each look at the log. */
void bayeux_look_around(struct bayeux *b);

/* Its time is over: answers with what there is. */
void bayeux_wait_over(struct bayeux_wait *w);

/* The client has left: w is no more, or soon. */
void bayeux_wait_leave(struct bayeux_wait *w);

/* The connect was answered, and pushing goes on: forgets what was said. */
void bayeux_wait_stand(struct bayeux_wait *w);

/* The text of the events alone; and moves the cursor.  For one that stands. */
void bayeux_wait_compose_events(struct bayeux_wait *w, struct buf *b);

/* Is another connect the newest now, or does the session want something
   else, or is it gone? */
bool bayeux_wait_is_outdated(const struct bayeux_wait *w);

/* The whole text: replies, events, the connect's reply;
   and moves the cursor. */
void bayeux_wait_compose(struct bayeux_wait *w, struct buf *b);
void bayeux_wait_free(struct bayeux_wait *w);

#endif
