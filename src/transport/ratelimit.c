#include "transport/ratelimit.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

/* A client is looked for in so many neighbouring places. */
#define WAYS 8

struct bucket {
	uint64_t client; /* hash of the address; 0: free */
	uint64_t seen_ms;
	double tokens;
};

struct ratelimit {
	pthread_mutex_t lock;
	uint32_t per_s, burst;
	size_t n;
	uint64_t salt;
	struct bucket bucket[];
};

enum rc
ratelimit_new(struct ratelimit **out, uint32_t per_s, uint32_t burst,
    uint32_t clients, struct err *e)
{
	size_t n = per_s == 0 ? 0 : clients < WAYS ? WAYS : clients;
	struct ratelimit *l = calloc(1, sizeof *l + n * sizeof l->bucket[0]);

	*out = l;
	if (l == NULL)
		return err_set(e, RC_NOMEM, "no memory for publish-rate");
	pthread_mutex_init(&l->lock, NULL);
	l->per_s = per_s;
	l->burst = burst;
	l->n = n;
	l->salt = clock_random();
	return RC_OK;
}

/* The client's bucket, or the longest idle of its places, made full. */
static struct bucket *
find(struct ratelimit *l, uint64_t client, uint64_t now)
{
	struct bucket *oldest = NULL, *b;
	size_t i;

	for (i = 0; i < WAYS; i++) {
		b = &l->bucket[(client + i) % l->n];
		if (b->client == client)
			return b;
		if (oldest == NULL || b->seen_ms < oldest->seen_ms)
			oldest = b;
	}
	*oldest = (struct bucket){client, now, l->burst};
	return oldest;
}

bool
ratelimit_take(struct ratelimit *l, struct slice client, size_t n)
{
	uint64_t now = clock_mono_ms();
	uint64_t id = slice_hash(l->salt, client);
	struct bucket *b;
	double cost;
	bool is_fine;

	if (l->per_s == 0)
		return true;
	pthread_mutex_lock(&l->lock);
	b = find(l, id == 0 ? 1 : id, now);
	if (now > b->seen_ms) { /* another thread may have looked later */
		b->tokens += (double)(now - b->seen_ms) * l->per_s / 1000;
		if (b->tokens > l->burst)
			b->tokens = l->burst;
		b->seen_ms = now;
	}
	cost = n < l->burst ? (double)n : l->burst;
	is_fine = b->tokens >= cost;
	if (is_fine)
		b->tokens -= cost;
	pthread_mutex_unlock(&l->lock);
	return is_fine;
}

void
ratelimit_free(struct ratelimit *l)
{
	if (l == NULL)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}
