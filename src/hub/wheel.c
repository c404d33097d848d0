#include "hub/wheel.h"

#include <stddef.h>

void
wheel_init(struct wheel *w, uint64_t now_ms)
{
	*w = (struct wheel){.tick = now_ms / WHEEL_TICK_MS};
}

static void
push(struct timer **list, struct timer *t)
{
	t->next = *list;
	t->link = list;
	if (t->next != NULL)
		t->next->link = &t->next;
	*list = t;
}

void
wheel_cancel(struct timer *t)
{
	if (t->link == NULL)
		return;
	*t->link = t->next;
	if (t->next != NULL)
		t->next->link = t->link;
	t->link = NULL;
}

void
wheel_set(struct wheel *w, struct timer *t, uint64_t due_ms)
{
	uint64_t tick = due_ms / WHEEL_TICK_MS + 1;

	wheel_cancel(t);
	t->due_ms = due_ms;
	push(&w->slot[(tick > w->tick ? tick : w->tick) % WHEEL_SLOTS], t);
}

void
wheel_run(struct wheel *w, uint64_t now_ms,
    void (*fn)(void *arg, struct timer *t), void *arg)
{
	uint64_t until = now_ms / WHEEL_TICK_MS;
	struct timer *due, *t, **slot;

	if (until >= w->tick + WHEEL_SLOTS) /* slept long: each slot once */
		w->tick = until - WHEEL_SLOTS + 1;
	while (w->tick <= until) {
		slot = &w->slot[w->tick++ % WHEEL_SLOTS];
		due = *slot;
		*slot = NULL;
		if (due != NULL)
			due->link = &due;
		while ((t = due) != NULL) {
			wheel_cancel(t);
			if (t->due_ms <= now_ms)
				fn(arg, t);
			else /* a later turn's */
				push(slot, t);
		}
	}
}
