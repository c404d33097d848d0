#include "log/queue.h"

#include "base/clock.h"
#include "log/thread.h"

/* Changes of sessions in one transaction, at most. */
#define GROUP_CHANGES 1000

/* So long a change that nobody waits for waits for others to be stored with. */
#define IDLE_CHANGE_MS 1000

void
queue_init(struct queue *q, const struct log_writer_options *o)
{
	*q = (struct queue){.o = o};
	q->last = &q->first;
	q->last_change = &q->first_change;
	pthread_mutex_init(&q->lock, NULL);
	thread_cond_init(&q->changed);
}

void
queue_fini(struct queue *q)
{
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
}

static enum rc
admit(const struct queue *q, size_t n, size_t bytes, struct err *e)
{
	if (q->is_stopping)
		return err_set(e, RC_BUSY, "the program is stopping");
	if (n > q->o->queue_messages || bytes > q->o->queue_bytes)
		return err_set(e, RC_TOO_LARGE,
		    "%zu messages with %zu bytes at once are more than the "
		    "queue ever takes (%u, %zu): send them in parts",
		    n, bytes, q->o->queue_messages, q->o->queue_bytes);
	if (n > q->o->queue_messages - q->messages ||
	    bytes > q->o->queue_bytes - q->bytes)
		return err_set(e, RC_BUSY,
		    "%zu messages with %zu bytes wait to be stored",
		    q->messages, q->bytes);
	return RC_OK;
}

/* With the lock. */
static void
push_append(struct queue *q, struct append *a)
{
	*q->last = a;
	q->last = &a->next;
	q->messages += a->n;
	q->bytes += a->bytes;
}

enum rc
queue_append(struct queue *q, struct append *a, struct err *e)
{
	bool is_to_wake = false;
	enum rc rc;

	a->next = NULL;
	a->since_ms = clock_mono_ms();
	pthread_mutex_lock(&q->lock);
	rc = admit(q, a->n, a->bytes, e);
	if (rc == RC_OK) {
		push_append(q, a);
		is_to_wake = q->is_waiting;
		q->is_waiting = false;
	}
	pthread_mutex_unlock(&q->lock);
	if (is_to_wake)
		pthread_cond_signal(&q->changed);
	return rc;
}

static size_t
bytes_of(const struct log_change *c)
{
	size_t bytes = c->id.n + c->browser.n;

	for (size_t i = 0; i < c->n; i++)
		bytes += c->item[i].pattern.n;
	return bytes;
}

/* Is somebody to be answered? */
static bool
is_urgent(const struct log_change *c)
{
	return c->kind != LOG_SESSION_SEEN;
}

/* With the lock.  False: the thread may go on waiting. */
static bool
push_change(struct queue *q, struct log_change *c, size_t bytes)
{
	bool is_first = q->first_change == NULL;

	*q->last_change = c;
	q->last_change = &c->next;
	q->messages++;
	q->bytes += bytes;
	q->urgent += is_urgent(c);
	if (is_first)
		q->changes_due_ms = clock_mono_ms() + IDLE_CHANGE_MS;
	return q->is_waiting && (is_first || is_urgent(c));
}

enum rc
queue_change(struct queue *q, struct log_change *c, struct err *e)
{
	size_t bytes = bytes_of(c);
	bool is_to_wake = false;
	enum rc rc;

	c->next = NULL;
	pthread_mutex_lock(&q->lock);
	rc = admit(q, 1, bytes, e);
	if (rc == RC_OK)
		is_to_wake = push_change(q, c, bytes);
	pthread_mutex_unlock(&q->lock);
	if (is_to_wake)
		pthread_cond_signal(&q->changed);
	return rc;
}

/* Takes the appends that make the next group off the queue.  With the lock. */
static void
take_appends(struct queue *q, struct group *g)
{
	struct append **end = &q->first;

	g->appends = q->first;
	while (*end != NULL &&
	    (g->messages == 0 ||
	        g->messages + (*end)->n <= q->o->group_messages)) {
		g->messages += (*end)->n;
		g->bytes += (*end)->bytes;
		end = &(*end)->next;
	}
	q->first = *end;
	if (q->first == NULL)
		q->last = &q->first;
	if (g->appends != NULL)
		*end = NULL;
}

/* Likewise the changes. */
static void
take_changes(struct queue *q, struct group *g)
{
	struct log_change **end = &q->first_change;
	size_t n = 0;

	g->changes = q->first_change;
	for (; *end != NULL && n < GROUP_CHANGES; n++) {
		q->urgent -= is_urgent(*end);
		g->bytes += bytes_of(*end);
		end = &(*end)->next;
	}
	g->messages += n;
	q->first_change = *end;
	if (q->first_change == NULL)
		q->last_change = &q->first_change;
	if (g->changes != NULL)
		*end = NULL;
}

/* When there is something to do, or until.  With the lock. */
static uint64_t
due_ms(const struct queue *q, uint64_t until_ms)
{
	if (q->first != NULL || q->urgent > 0 || q->is_stopping)
		return 0;
	if (q->first_change != NULL && q->changes_due_ms < until_ms)
		return q->changes_due_ms;
	return until_ms;
}

bool
queue_next(
    struct queue *q, uint64_t until_ms, struct group *g, bool *has_waited)
{
	uint64_t due;
	bool is_last;

	*g = (struct group){0};
	*has_waited = false;
	pthread_mutex_lock(&q->lock);
	while ((due = due_ms(q, until_ms)) > 0 && clock_mono_ms() < due) {
		q->is_waiting = *has_waited = true;
		thread_cond_wait_until(&q->changed, &q->lock, due);
	}
	q->is_waiting = false;
	take_appends(q, g);
	take_changes(q, g);
	is_last = g->appends == NULL && g->changes == NULL && q->is_stopping;
	pthread_mutex_unlock(&q->lock);
	return !is_last;
}

void
queue_leave(struct queue *q, const struct group *g)
{
	pthread_mutex_lock(&q->lock);
	q->messages -= g->messages;
	q->bytes -= g->bytes;
	pthread_mutex_unlock(&q->lock);
}

bool
queue_is_empty(struct queue *q)
{
	bool is_empty;

	pthread_mutex_lock(&q->lock);
	is_empty = q->first == NULL;
	pthread_mutex_unlock(&q->lock);
	return is_empty;
}

size_t
queue_messages(struct queue *q)
{
	size_t n;

	pthread_mutex_lock(&q->lock);
	n = q->messages;
	pthread_mutex_unlock(&q->lock);
	return n;
}

void
queue_stop(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->is_stopping = true;
	pthread_cond_signal(&q->changed);
	pthread_mutex_unlock(&q->lock);
}
