/*
 * Topics: which readers want which channels.  A topic is one pattern with the
 * list of its readers.  Exact patterns are found by hash, wildcards by trying
 * each.  Belongs to the loop thread.
 */
#ifndef COMETLOG_HUB_TOPIC_H
#define COMETLOG_HUB_TOPIC_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct reader;

/* Messages in one delivery. */
#define HUB_BATCH 128

/* A reader's place in one topic's list. */
struct membership {
	struct topic *topic; /* NULL: none */
	struct membership *next, **link;
	struct reader *reader;
};

struct topic {
	struct topic *next;      /* in its hash chain,
	                            or the wildcards */
	struct topic *dirty;     /* the hub's list while it delivers */
	uint8_t news[HUB_BATCH]; /* the hub's: what to deliver now, as */
	uint8_t n_news;          /* indexes into its batch */
	struct membership *readers;
	uint32_t n_readers;
	uint32_t hash;
	bool is_exact;
	struct slice pattern; /* points behind the topic */
};

struct topics {
	struct topic **bucket;
	size_t n_buckets; /* a power of two */
	size_t n_exact, n_wild;
	struct topic *wild;
};

void topics_init(struct topics *t);
void topics_fini(struct topics *t); /* no reader may be left */

/* Puts m, of reader r, into pattern's topic, made if need be.  RC_NOMEM. */
enum rc topics_join(struct topics *t, struct slice pattern,
    struct membership *m, struct reader *r) MUST_CHECK;

/* Takes m out; a topic without readers goes, unless it has news: then the hub,
   which is delivering them, lets it go by topics_sweep. */
void topics_leave(struct topics *t, struct membership *m);
void topics_sweep(struct topics *t, struct topic *topic);

/* Calls fn for each topic that covers the channel. */
void topics_match(struct topics *t, struct slice channel,
    void (*fn)(void *arg, struct topic *topic), void *arg);

/* How many readers have exactly this pattern. */
uint64_t topics_count(struct topics *t, struct slice pattern);

#endif
