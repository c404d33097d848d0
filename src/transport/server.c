#include "transport/server.h"

#include "transport/answer.h"
#include "transport/arrivals.h"
#include "wire/http.h"

#include <stdlib.h>

void
server_post(struct server *s, struct task *t)
{
	bool was_empty;

	t->next = NULL;
	pthread_mutex_lock(&s->lock);
	was_empty = s->first == NULL;
	*s->last = t;
	s->last = &t->next;
	pthread_mutex_unlock(&s->lock);
	if (was_empty)
		bell_ring(&s->woken);
}

struct leave {
	struct task task; /* first */
	struct outlet outlet;
	char *bytes;
	size_t n, from;
};

static void
run_leave(struct server *s, struct task *t)
{
	struct leave *l = (struct leave *)t;

	outbox_send(s->box, l->outlet, l->bytes, l->n, l->from);
	free(l);
}

void
server_leave(
    struct server *s, struct outlet o, char *bytes, size_t n, size_t from)
{
	struct leave *l = malloc(sizeof *l);

	if (l == NULL) {
		free(bytes);
		outlet_close(&o);
		return;
	}
	*l = (struct leave){{NULL, run_leave}, o, bytes, n, from};
	server_post(s, &l->task);
}

struct hold {
	struct task task; /* first */
	struct hub_reader reader;
	char text[]; /* behind head and callback */
};

static void
run_hold(struct server *s, struct task *t)
{
	struct hold *h = (struct hold *)t;
	struct err e;

	if (hub_hold(s->hub, &h->reader, &e) != RC_OK)
		answer_unheld(s, h->reader.outlet, &e);
	free(h);
}

void
server_hold(struct server *s, const struct hub_reader *reader)
{
	size_t n = reader->head.n + reader->how.callback.n;
	struct hold *h = malloc(sizeof *h + n + 1);
	struct hub_reader r = *reader;
	char *to;

	if (h == NULL) {
		answer_unheld(
		    s, r.outlet, &(struct err){RC_NOMEM, "out of memory"});
		pattern_set_fini(&r.what);
		hub_unclaim(s->hub, r.place);
		return;
	}
	to = h->text;
	r.head = slice_copy(&to, r.head);
	r.how.callback = slice_copy(&to, r.how.callback);
	h->task = (struct task){NULL, run_hold};
	h->reader = r;
	server_post(s, &h->task);
}

struct idle {
	struct task task; /* first */
	struct outlet outlet;
};

static void
run_idle(struct server *s, struct task *t)
{
	struct idle *i = (struct idle *)t;

	arrivals_idle(s->arrivals, i->outlet);
	free(i);
}

void
server_idle(struct server *s, struct outlet o)
{
	struct idle *i = malloc(sizeof *i);

	if (i == NULL) {
		outlet_close(&o);
		return;
	}
	*i = (struct idle){{NULL, run_idle}, o};
	server_post(s, &i->task);
}

bool
server_allows_origin(const struct server *s, struct slice origin,
    struct slice host, bool *is_cross)
{
	const struct text_list *allowed = &s->options->allow_origin;
	size_t i;

	*is_cross = false;
	if (origin.n == 0 || http_origin_is_host(origin, host))
		return true;
	for (i = 0; i < allowed->n && !*is_cross; i++)
		*is_cross = slice_is(slice_of(allowed->item[i]), SLICE("*")) ||
		    slice_is(slice_of(allowed->item[i]), origin);
	return *is_cross;
}

bool
server_is_quiet(struct server *s)
{
	struct hub_figures f;
	bool has_tasks;

	pthread_mutex_lock(&s->lock);
	has_tasks = s->first != NULL;
	pthread_mutex_unlock(&s->lock);
	hub_figures(s->hub, &f);
	return !has_tasks && f.held == 0 && outbox_count(s->box) == 0 &&
	    atomic_load(&s->probes.count) == 0 &&
	    atomic_load(&s->publishing) == 0 && atomic_load(&s->working) == 0;
}
