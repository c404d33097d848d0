/*
 * Bayeux sessions as the log keeps them: what must outlive a reboot.  Any
 * process reads any session with a log_reader, and changes it through its
 * writer.  What changes with each delivery (the cursor, which connect is the
 * newest) stands in the session's slot instead: hub/slots.h.
 *
 * A session is given the messages with a seq above its cursor that a
 * subscription of it covers with a seq above that one's `after`.
 */
#ifndef COMETLOG_LOG_SESSION_H
#define COMETLOG_LOG_SESSION_H

#include "log/reader.h"

/* How often the row of a session that is in use is written, at most. */
#define LOG_SESSION_WRITE_MS 60000

struct log_subscription {
	struct slice pattern; /* checked */
	uint64_t after;       /* nothing up to this seq is wanted */
};

/* An `after`: begin behind what is the newest when it is stored. */
#define LOG_AFTER_NEWEST UINT64_MAX

struct log_session {
	uint32_t slot; /* in the file of slots; of no other session */
	bool has_ack, has_replay; /* as agreed in the handshake */
	struct slice browser;     /* as given to LOG_SESSION_NEW */
	int64_t seen_ms; /* Unix time; up to LOG_SESSION_WRITE_MS old */
	uint64_t cursor; /* likewise: the slot's is
	                    newer, if it has one */
	uint32_t epoch;  /* that cursor and after belong to: where tip
	                    has another, there is a gap */
	struct log_subscription *item; /* n of them, by pattern */
	size_t n;
	struct log_tip tip; /* the log's newest, in the same snapshot */
};

/* The session of this id.  Two index probes, about 10 us, and 1 us for each
   subscription.  RC_MISSING: there is none; RC_LOG, RC_BUSY, RC_NOMEM.
   After a failure *s is empty. */
enum rc log_session_read(struct log_reader *r, struct slice id,
    struct log_session *s, struct err *e) MUST_CHECK;
void log_session_fini(struct log_session *s);

enum log_change_kind {
	LOG_SESSION_NEW,
	LOG_SESSION_SUBSCRIBE,
	LOG_SESSION_UNSUBSCRIBE,
	LOG_SESSION_SEEN,
	LOG_SESSION_END,
};

/*
 * A request to change one session.  log_change (log/writer.h) borrows it, and
 * what it borrows, until done is called.
 *
 * NEW         makes it, with has_ack, has_replay and browser; its cursor is the
 *             newest seq.  RC_BUSY: there are log_options.sessions already;
 *             RC_DENIED: the id is in use
 * SUBSCRIBE to all n patterns (distinct) or none, each behind its `after`; with
 *             has_replay, which it keeps then; to
 *             one that it has already: anew.  cursor: where the session is.
 *             If one begins before that, the session goes back so far, and
 *             what it has given counts as the other subscriptions' `after`;
 *             the caller moves the slot's cursor, too.  RC_TOO_LARGE: more than
 *             log_options.subscriptions
 * UNSUBSCRIBE from all n patterns; those that it doesn't have don't matter
 * SEEN        it is in use, and everything up to cursor (of epoch) was given:
 *             written if LOG_SESSION_WRITE_MS have passed or the epoch is
 *             another, within a second, with what else is stored then.  To be
 *             said at least once in that time: log_options.session_idle_ms
 *             and LOG_SESSION_WRITE_MS after the latest one it is deleted
 * END         deletes it
 *
 * All but NEW: RC_MISSING if there is no such session.
 */
struct log_change {
	struct log_change *next; /* the queue's */
	enum log_change_kind kind;
	bool has_ack, has_replay;
	struct slice id;
	struct slice browser; /* p == NULL: none */
	const struct log_subscription *item;
	size_t n;
	uint64_t cursor; /* where it is: SUBSCRIBE, SEEN */
	uint32_t epoch;  /* that cursor belongs to: SEEN */
	/* filled before done(RC_OK): */
	struct log_tip tip; /* the log's newest before the change */
	uint64_t begin;     /* NEW, SUBSCRIBE: goes on from here */
	uint32_t slot;
	/* the writer's: of this one alone, and the cause */
	enum rc rc;
	const char *why;
	/*
	 * Called once, on the writer's thread: RC_OK after the commit is as
	 * durable as configured (SEEN may be stored earlier, or not at all as
	 * it is not due), and before other processes are told to look; else
	 * nothing of it is stored: as above, RC_LOG, or RC_BUSY.  why: borrowed
	 * for the call.  Must not block.
	 */
	void (*done)(struct log_change *c, enum rc rc, const char *why);
};

#endif
