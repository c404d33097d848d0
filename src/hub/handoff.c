#include "hub/handoff.h"

#include "hub/bell.h"

#include <pthread.h>
#include <stdlib.h>

struct handoff {
	struct bell bell;
	size_t limit_bytes;
	void (*ready)(void *arg);
	void *arg;
	pthread_mutex_t lock; /* for what follows */
	struct handed *first, **last;
	size_t bytes;
	bool is_cut;
};

static void
on_ring(void *arg)
{
	struct handoff *h = arg;

	h->ready(h->arg);
}

enum rc
handoff_new(struct handoff **out, uv_loop_t *loop, size_t limit_bytes,
    void (*ready)(void *arg), void *arg, struct err *e)
{
	struct handoff *h = calloc(1, sizeof *h);
	enum rc rc;

	*out = NULL;
	if (h == NULL)
		return err_set(e, RC_NOMEM, "no memory for wake-ups");
	rc = bell_init(&h->bell, loop, on_ring, h, e);
	if (rc != RC_OK) {
		free(h);
		return rc;
	}
	h->limit_bytes = limit_bytes;
	h->ready = ready;
	h->arg = arg;
	h->last = &h->first;
	pthread_mutex_init(&h->lock, NULL);
	*out = h;
	return RC_OK;
}

static size_t
size_of(const struct message *m)
{
	return sizeof(struct handed) + m->channel.n + m->event.n + m->id.n +
	    m->data.n;
}

static struct handed *
copy_of(const struct message *m, uint64_t seq, const struct append *a)
{
	struct handed *c = malloc(size_of(m));
	char *at = (char *)(c + 1);

	if (c == NULL)
		return NULL;
	c->next = NULL;
	c->epoch = a->epoch;
	c->m = (struct message){
	    .seq = seq,
	    .time_ms = a->time_ms,
	    .channel = slice_copy(&at, m->channel),
	    .event = slice_copy(&at, m->event),
	    .id = slice_copy(&at, m->id),
	    .data = slice_copy(&at, m->data.p == NULL ? SLICE("") : m->data),
	    .is_json = m->is_json,
	};
	return c;
}

/* With the lock. */
static void
add(struct handoff *h, const struct message *m, const struct appended *result,
    const struct append *a)
{
	struct handed *c;

	if (result->is_duplicate || h->is_cut)
		return;
	c = h->bytes + size_of(m) > h->limit_bytes ? NULL
	                                           : copy_of(m, result->seq, a);
	if (c == NULL) {
		h->is_cut = true;
		return;
	}
	h->bytes += size_of(m);
	*h->last = c;
	h->last = &c->next;
}

void
handoff_put(struct handoff *h, const struct append *list)
{
	pthread_mutex_lock(&h->lock);
	for (const struct append *a = list; a != NULL; a = a->next)
		for (size_t i = 0; i < a->n; i++)
			add(h, &a->message[i], &a->result[i], a);
	pthread_mutex_unlock(&h->lock);
	bell_ring(&h->bell);
}

struct handed *
handoff_take(struct handoff *h, bool *is_whole)
{
	struct handed *first;

	pthread_mutex_lock(&h->lock);
	first = h->first;
	*is_whole = !h->is_cut;
	h->first = NULL;
	h->last = &h->first;
	h->bytes = 0;
	h->is_cut = false;
	pthread_mutex_unlock(&h->lock);
	return first;
}

void
handoff_drop(struct handed *list)
{
	struct handed *c;

	while ((c = list) != NULL) {
		list = c->next;
		free(c);
	}
}

static void
closed(void *arg)
{
	struct handoff *h = arg;

	handoff_drop(h->first);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void
handoff_free(struct handoff *h)
{
	if (h != NULL)
		bell_close(&h->bell, closed);
}
