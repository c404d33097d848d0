#include "hub/ring.h"

#include "hub/outlet.h"

#include <stdlib.h>

void
ring_init(struct ring *r, size_t limit_bytes)
{
	*r = (struct ring){.limit_bytes = limit_bytes};
}

static void
drop_oldest(struct ring *r)
{
	struct entry *en = r->at[r->head];
	int f;

	r->head = (r->head + 1) & (r->cap - 1);
	r->n--;
	r->bytes -= sizeof *en + en->m.channel.n + en->m.event.n + en->m.id.n +
	    en->m.data.n;
	for (f = 0; f < FORMS; f++) {
		r->bytes -= en->shared[f].n;
		free((char *)en->shared[f].p);
	}
	free(en);
}

void
ring_clear(struct ring *r)
{
	while (r->n > 0)
		drop_oldest(r);
}

void
ring_fini(struct ring *r)
{
	ring_clear(r);
	free(r->at);
	ring_init(r, r->limit_bytes);
}

static enum rc
grow(struct ring *r)
{
	size_t cap = r->cap == 0 ? 256 : r->cap * 2, i;
	struct entry **at = calloc(cap, sizeof *at);

	if (at == NULL)
		return RC_NOMEM;
	for (i = 0; i < r->n; i++)
		at[i] = r->at[(r->head + i) & (r->cap - 1)];
	free(r->at);
	r->at = at;
	r->cap = cap;
	r->head = 0;
	return RC_OK;
}

enum rc
ring_add(struct ring *r, const struct message *m, struct entry **out)
{
	size_t n = m->channel.n + m->event.n + m->id.n + m->data.n;
	struct entry *en;
	char *to;

	if (r->n == r->cap && grow(r) != RC_OK)
		return RC_NOMEM;
	en = calloc(1, sizeof *en + n + 1);
	if (en == NULL)
		return RC_NOMEM;
	to = (char *)(en + 1);
	en->m = *m;
	en->m.channel = slice_copy(&to, m->channel);
	en->m.event = slice_copy(&to, m->event);
	en->m.id = slice_copy(&to, m->id);
	en->m.data = slice_copy(&to, m->data);
	r->at[(r->head + r->n++) & (r->cap - 1)] = en;
	r->bytes += sizeof *en + n;
	*out = en;
	return RC_OK;
}

void
ring_trim(struct ring *r)
{
	while (r->bytes > r->limit_bytes && r->n > 0)
		drop_oldest(r);
}

uint64_t
ring_oldest(const struct ring *r)
{
	return r->n == 0 ? 0 : r->at[r->head]->m.seq;
}

struct entry *
ring_find(struct ring *r, uint64_t seq)
{
	uint64_t oldest = ring_oldest(r);

	if (r->n == 0 || seq < oldest || seq - oldest >= r->n)
		return NULL;
	return r->at[(r->head + (size_t)(seq - oldest)) & (r->cap - 1)];
}

enum rc
ring_encode(struct ring *r, struct entry *en, const struct encode *how,
    struct slice *out)
{
	const struct outlet shared = {.fd = -1,
	    .id = OUTLET_SHARED_ID,
	    .is_fcgi = !form_is_ws(how->form)};
	struct slice *kept = &en->shared[how->form];
	struct buf content, framed;
	char *p;

	if (kept->p == NULL) {
		buf_init(&content, 0);
		buf_init(&framed, 0);
		encode_message(&content, how, &en->m);
		if (content.rc == RC_OK)
			outlet_add(&shared, &framed, buf_slice(&content));
		buf_fini(&content);
		if (framed.rc != RC_OK || framed.n == 0) {
			buf_fini(&framed);
			return RC_NOMEM;
		}
		p = realloc(framed.p, framed.n); /* it may live for long */
		*kept = (struct slice){p == NULL ? framed.p : p, framed.n};
		r->bytes += kept->n;
	}
	*out = *kept;
	return RC_OK;
}
