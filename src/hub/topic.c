#include "hub/topic.h"

#include "base/channel.h"

#include <stdlib.h>

void
topics_init(struct topics *t)
{
	*t = (struct topics){0};
}

void
topics_fini(struct topics *t)
{
	free(t->bucket);
	topics_init(t);
}

static enum rc
grow(struct topics *t)
{
	size_t n = t->n_buckets == 0 ? 64 : t->n_buckets * 2, i;
	struct topic **bucket, *p, **to;

	if (t->n_exact < t->n_buckets)
		return RC_OK;
	bucket = calloc(n, sizeof *bucket);
	if (bucket == NULL)
		return t->n_buckets == 0 ? RC_NOMEM : RC_OK;
	for (i = 0; i < t->n_buckets; i++)
		while ((p = t->bucket[i]) != NULL) {
			t->bucket[i] = p->next;
			to = &bucket[p->hash & (n - 1)];
			p->next = *to;
			*to = p;
		}
	free(t->bucket);
	t->bucket = bucket;
	t->n_buckets = n;
	return RC_OK;
}

static struct topic **
find(struct topics *t, struct slice pattern, bool is_exact, uint32_t h)
{
	struct topic **p;

	p = is_exact ? &t->bucket[h & (t->n_buckets - 1)] : &t->wild;
	while (*p != NULL && !slice_is((*p)->pattern, pattern))
		p = &(*p)->next;
	return p;
}

static struct topic *
make(struct slice pattern, bool is_exact, uint32_t h)
{
	struct topic *topic = calloc(1, sizeof *topic + pattern.n);
	char *text;

	if (topic == NULL)
		return NULL;
	text = (char *)(topic + 1);
	memcpy(text, pattern.p, pattern.n);
	topic->pattern = (struct slice){text, pattern.n};
	topic->is_exact = is_exact;
	topic->hash = h;
	return topic;
}

enum rc
topics_join(struct topics *t, struct slice pattern, struct membership *m,
    struct reader *r)
{
	bool is_exact = pattern_is_exact(pattern);
	uint32_t h = (uint32_t)slice_hash(0, pattern);
	struct topic **p;

	if (grow(t) != RC_OK)
		return RC_NOMEM;
	p = find(t, pattern, is_exact, h);
	if (*p == NULL) {
		if ((*p = make(pattern, is_exact, h)) == NULL)
			return RC_NOMEM;
		*(is_exact ? &t->n_exact : &t->n_wild) += 1;
	}
	*m = (struct membership){
	    .topic = *p, .next = (*p)->readers, .reader = r};
	m->link = &(*p)->readers;
	if (m->next != NULL)
		m->next->link = &m->next;
	(*p)->readers = m;
	(*p)->n_readers++;
	return RC_OK;
}

void
topics_leave(struct topics *t, struct membership *m)
{
	struct topic *topic = m->topic;

	if (topic == NULL)
		return;
	*m->link = m->next;
	if (m->next != NULL)
		m->next->link = m->link;
	m->topic = NULL;
	topic->n_readers--;
	topics_sweep(t, topic);
}

void
topics_sweep(struct topics *t, struct topic *topic)
{
	struct topic **p;

	if (topic->n_readers > 0 || topic->n_news > 0)
		return;
	p = find(t, topic->pattern, topic->is_exact, topic->hash);
	*p = topic->next;
	*(topic->is_exact ? &t->n_exact : &t->n_wild) -= 1;
	free(topic);
}

void
topics_match(struct topics *t, struct slice channel,
    void (*fn)(void *arg, struct topic *topic), void *arg)
{
	struct topic *topic, *next;

	if (t->n_exact > 0) {
		topic =
		    *find(t, channel, true, (uint32_t)slice_hash(0, channel));
		if (topic != NULL)
			fn(arg, topic);
	}
	for (topic = t->wild; topic != NULL; topic = next) {
		next = topic->next;
		if (pattern_matches(topic->pattern, channel))
			fn(arg, topic);
	}
}

uint64_t
topics_count(struct topics *t, struct slice pattern)
{
	bool is_exact = pattern_is_exact(pattern);
	struct topic *topic;

	if (t->n_buckets == 0)
		return 0;
	topic = *find(t, pattern, is_exact, (uint32_t)slice_hash(0, pattern));
	return topic == NULL ? 0 : topic->n_readers;
}
