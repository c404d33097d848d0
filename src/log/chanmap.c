#include "log/chanmap.h"

#include <stdlib.h>

struct chanmap_entry *
chanmap_find(const struct chanmap *m, struct slice name)
{
	uint64_t hash = slice_hash(0, name);
	struct chanmap_entry *c = m->bucket[hash % CHANMAP_BUCKETS];

	while (c != NULL &&
	    (c->hash != hash || !slice_is((struct slice){c->name, c->n}, name)))
		c = c->next;
	return c;
}

struct chanmap_entry *
chanmap_add(struct chanmap *m, struct slice name, int64_t id)
{
	struct chanmap_entry *c = calloc(1, sizeof *c + name.n);
	struct chanmap_entry **bucket;

	if (c == NULL)
		return NULL;
	c->id = id;
	c->hash = slice_hash(0, name);
	c->n = name.n;
	memcpy(c->name, name.p, name.n);
	bucket = &m->bucket[c->hash % CHANMAP_BUCKETS];
	c->next = *bucket;
	*bucket = c;
	m->n++;
	return c;
}

int64_t
chanmap_any(const struct chanmap *m, uint64_t random)
{
	const struct chanmap_entry *c;
	uint64_t left = m->n == 0 ? 0 : random % m->n;

	for (size_t i = 0; i < CHANMAP_BUCKETS; i++)
		for (c = m->bucket[i]; c != NULL; c = c->next)
			if (left-- == 0)
				return c->id;
	return 0;
}

void
chanmap_touch(
    struct chanmap *m, struct chanmap_entry *c, uint64_t seq, uint64_t bytes)
{
	if (c->messages == 0) {
		c->next_touched = m->touched;
		m->touched = c;
	}
	c->messages++;
	c->bytes += bytes;
	c->newest = seq;
}

void
chanmap_settle(struct chanmap *m)
{
	for (struct chanmap_entry *c = m->touched; c != NULL;
	     c = c->next_touched)
		c->messages = c->bytes = 0;
	m->touched = NULL;
	if (m->n > 2 * CHANMAP_BUCKETS)
		chanmap_clear(m);
}

void
chanmap_clear(struct chanmap *m)
{
	struct chanmap_entry *c, *next;

	for (size_t i = 0; i < CHANMAP_BUCKETS; i++) {
		for (c = m->bucket[i]; c != NULL; c = next) {
			next = c->next;
			free(c);
		}
	}
	memset(m, 0, sizeof *m);
}
