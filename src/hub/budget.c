#include "hub/budget.h"

#include "base/clock.h"
#include "base/diag.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* Where the locks lie: beyond all that is written. */
#define LOCKS_AT ((off_t)1 << 30)

/* Places when only client-held counts. */
#define PLACES_MAX 16384

/* A refusal is written down so often at most, and looked for. */
#define MARK_MS 1000

/* Who was refused comes back within this time, and is
   refused again if need be. */
#define SHORT_MS 30000

struct budget {
	int fd;
	uint32_t places, client_held;
	pthread_mutex_t lock;         /* for what follows */
	uint32_t hint;                /* where to look first */
	int64_t marked_ms, looked_ms; /* Unix time */
	bool is_short, has_warned;
	uint64_t *tag; /* scratch: all of the file's */
	bool held[];   /* by this process */
};

static off_t
tag_at(uint32_t place)
{
	return (off_t)sizeof(int64_t) + (off_t)place * (off_t)sizeof(uint64_t);
}

/* F_OFD_SETLK or F_OFD_GETLK on a place; true if it worked. */
static bool
lock_place(struct budget *b, int command, uint32_t place, struct flock *l)
{
	l->l_whence = SEEK_SET;
	l->l_start = LOCKS_AT + (off_t)place;
	l->l_len = 1;
	l->l_pid = 0;
	if (fcntl(b->fd, command, l) == 0)
		return true;
	if (errno != EAGAIN && errno != EACCES && !b->has_warned) {
		diag(DIAG_ERROR,
		    "the budget of held answers: the file beside "
		    "the log can't be locked: %s",
		    strerror(errno));
		b->has_warned = true;
	}
	return false;
}

static bool
is_taken(struct budget *b, uint32_t place)
{
	struct flock l = {.l_type = F_WRLCK};

	return b->held[place] ||
	    (lock_place(b, F_OFD_GETLK, place, &l) && l.l_type != F_UNLCK);
}

enum rc
budget_new(struct budget **out, const char *path, const struct options *o,
    struct err *e)
{
	uint32_t places = o->site_requests > o->site_reserve
	    ? (uint32_t)(o->site_requests - o->site_reserve)
	    : 0;
	struct budget *b;

	*out = NULL;
	if (o->site_requests == 0 && o->client_held == 0)
		return RC_OK;
	if (o->site_requests == 0)
		places = PLACES_MAX;
	b = calloc(1, sizeof *b + places * sizeof b->held[0]);
	if (b == NULL ||
	    (b->tag = calloc(places + 1, sizeof *b->tag)) == NULL) {
		free(b);
		return err_set(e, RC_NOMEM, "no memory for the budget");
	}
	b->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (b->fd < 0) {
		free(b->tag);
		free(b);
		return err_set(e, RC_CONFIG,
		    "the budget of held answers: "
		    "%s: %s",
		    path, strerror(errno));
	}
	b->places = places;
	b->client_held = (uint32_t)o->client_held;
	pthread_mutex_init(&b->lock, NULL);
	*out = b;
	return RC_OK;
}

void
budget_free(struct budget *b)
{
	if (b == NULL)
		return;
	close(b->fd);
	pthread_mutex_destroy(&b->lock);
	free(b->tag);
	free(b);
}

/* Locks a free place; BUDGET_NONE: there is none. */
static uint32_t
take(struct budget *b)
{
	struct flock l = {.l_type = F_WRLCK};
	uint32_t i, place;

	for (i = 0; i < b->places; i++) {
		place = (b->hint + i) % b->places;
		if (b->held[place] || !lock_place(b, F_OFD_SETLK, place, &l))
			continue;
		b->held[place] = true;
		b->hint = place + 1;
		return place;
	}
	return BUDGET_NONE;
}

static void
give_back(struct budget *b, uint32_t place)
{
	struct flock l = {.l_type = F_UNLCK};

	b->held[place] = false;
	if (place < b->hint)
		b->hint = place;
	lock_place(b, F_OFD_SETLK, place, &l);
}

/*
 * Has the client (tag 0: none) more places than it may, the new one among
 * them?  Its tag is written first and the others' are read then, so of two
 * processes that claim at once at least one sees the other; both may give way.
 */
static bool
is_greedy(struct budget *b, uint32_t place, uint64_t tag)
{
	uint32_t n = 0, i;
	ssize_t got;

	if (pwrite(b->fd, &tag, sizeof tag, tag_at(place)) !=
	    (ssize_t)sizeof tag)
		return true;
	if (tag == 0)
		return false;
	got = pread(b->fd, b->tag, b->places * sizeof tag, tag_at(0));
	if (got < 0)
		return true;
	for (i = 0; i < (size_t)got / sizeof tag; i++)
		if (b->tag[i] == tag && is_taken(b, i) && ++n > b->client_held)
			return true;
	return false;
}

/* Tells all processes.  A write that fails costs a turn's fairness. */
static void
mark_short(struct budget *b)
{
	int64_t now_ms = clock_unix_ms();
	ssize_t n;

	b->is_short = true;
	b->looked_ms = now_ms;
	if (now_ms >= b->marked_ms && now_ms < b->marked_ms + MARK_MS)
		return;
	b->marked_ms = now_ms;
	n = pwrite(b->fd, &now_ms, sizeof now_ms, 0);
	(void)n;
}

bool
budget_claim(struct budget *b, struct slice client, uint32_t *place)
{
	uint64_t tag = client.n == 0 ? 0 : slice_hash(0, client) | 1;

	*place = BUDGET_NONE;
	if (b == NULL)
		return true;
	pthread_mutex_lock(&b->lock);
	*place = take(b);
	if (*place == BUDGET_NONE) {
		mark_short(b);
	} else if (b->client_held > 0 && is_greedy(b, *place, tag)) {
		give_back(b, *place);
		*place = BUDGET_NONE;
	}
	pthread_mutex_unlock(&b->lock);
	return *place != BUDGET_NONE;
}

void
budget_release(struct budget *b, uint32_t place)
{
	if (b == NULL || place == BUDGET_NONE)
		return;
	pthread_mutex_lock(&b->lock);
	give_back(b, place);
	pthread_mutex_unlock(&b->lock);
}

bool
budget_is_short(struct budget *b)
{
	int64_t now_ms, at_ms;
	bool is_short;

	if (b == NULL)
		return false;
	now_ms = clock_unix_ms();
	pthread_mutex_lock(&b->lock);
	if (now_ms < b->looked_ms || now_ms >= b->looked_ms + MARK_MS) {
		b->looked_ms = now_ms;
		b->is_short = pread(b->fd, &at_ms, sizeof at_ms, 0) ==
		        (ssize_t)sizeof at_ms &&
		    at_ms <= now_ms && at_ms > now_ms - SHORT_MS;
	}
	is_short = b->is_short;
	pthread_mutex_unlock(&b->lock);
	return is_short;
}

void
budget_figures(struct budget *b, uint32_t *places, uint32_t *taken)
{
	uint32_t i;

	*places = *taken = 0;
	if (b == NULL)
		return;
	pthread_mutex_lock(&b->lock);
	*places = b->places;
	for (i = 0; i < b->places; i++)
		if (is_taken(b, i))
			++*taken;
	pthread_mutex_unlock(&b->lock);
}
