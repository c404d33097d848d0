/*
 * What all reading techniques take (API.md, Read): channel=, since=, last=,
 * limit=, callback=, and what they do with it first.
 */
#ifndef COMETLOG_TRANSPORT_READING_H
#define COMETLOG_TRANSPORT_READING_H

#include "base/channel.h"
#include "base/cursor.h"
#include "transport/request.h"
#include "transport/server.h"
#include "wire/encode.h"
#include "wire/html.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

/* Where to begin. */
enum reading_from {
	READING_OLDEST, /* the oldest kept: nothing can be missing */
	READING_NOW,
	READING_CURSOR,
	READING_LAST, /* the newest n */
};

struct reading {
	struct pattern_set what;
	enum reading_from from;
	struct cursor cursor; /* READING_CURSOR */
	bool is_foreign;      /* a Last-Event-ID that is
	                         no cursor of ours */
	uint32_t last, limit;
	struct slice callback; /* p == NULL: none; checked */
};

/* Reads them from the query, and Last-Event-ID if asked to.  RC_BAD with what
   to change; otherwise the caller ends with reading_fini. */
enum rc reading_parse(struct reading *rd, const struct server *s,
    const struct request *rq, enum reading_from standard, bool has_event_id,
    struct err *e) MUST_CHECK;
void reading_fini(struct reading *rd);

/* The bytes of one page of messages, and where it left off. */
struct reading_page {
	struct log_page page;
	uint64_t after;         /* the cursor's seq it began behind */
	uint64_t first, newest; /* seqs of the first and
	                           last message; 0: none */
	bool is_gap;
	struct buf bytes; /* what encode wrote; free
	                     with reading_page_fini */
	enum rc rc;
	void (*encode)(struct reading_page *p, const struct message *m);
	struct encode how;
	struct poll_answer answer; /* for an encode that
	                              makes poll answers */
	struct html_poll html;     /* for one that makes pages */
};

/*
 * Reads one page from where rd begins, calling p->encode (set by the caller,
 * with what it needs in p) for each message.  A cursor of another epoch, or of
 * the future, reads from the oldest, with is_gap.  Errors as log_read's.
 */
enum rc reading_run(const struct reading *rd, struct server *s,
    struct reading_page *p, struct err *e) MUST_CHECK;
void reading_page_fini(struct reading_page *p);

/* Only finds out where rd begins: p->after, p->is_gap, p->page.tip.  What a
   stream needs, whose messages the hub reads.  Errors as log_read's. */
enum rc reading_start(const struct reading *rd, struct server *s,
    struct reading_page *p, struct err *e) MUST_CHECK;

/*
 * Holds rq with this technique's head (status line and header lines, CORS is
 * added).  page: where to begin.  Takes rq and rd->what.
 * spec->place was claimed.
 */
void reading_hold(struct server *s, struct request *rq, struct reading *rd,
    const struct reading_page *page, struct hub_reader *spec,
    const char *content_type, const char *extra);

#endif
