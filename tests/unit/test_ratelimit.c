/* How fast one client may publish. */
#include "fail_alloc.h"
#include "fake_clock.h"
#include "tests.h"
#include "transport/ratelimit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define START_MS 1000000

static struct ratelimit *
begin(uint32_t per_s, uint32_t burst, uint32_t clients)
{
	struct ratelimit *l;
	struct err e;

	fake_clock_set(START_MS);
	CU_ASSERT_EQUAL_FATAL(
	    ratelimit_new(&l, per_s, burst, clients, &e), RC_OK);
	return l;
}

static void
end(struct ratelimit *l)
{
	ratelimit_free(l);
	fake_clock_set(0);
}

/* How many single messages pass, one after the other. */
static unsigned
passing(struct ratelimit *l, const char *client)
{
	unsigned n = 0;

	while (n < 10000 && ratelimit_take(l, slice_of(client), 1))
		n++;
	return n;
}

static void
rate_of_zero_is_no_limit(void)
{
	struct ratelimit *l = begin(0, 1, 16);

	CU_ASSERT_EQUAL(passing(l, "192.0.2.1"), 10000);
	CU_ASSERT(ratelimit_take(l, SLICE(""), SIZE_MAX));
	end(l);
	ratelimit_free(NULL);
}

static void
burst_passes_at_once_and_no_more(void)
{
	struct ratelimit *l = begin(5, 20, 16);

	CU_ASSERT_EQUAL(passing(l, "192.0.2.1"), 20);
	CU_ASSERT(!ratelimit_take(l, SLICE("192.0.2.1"), 1));
	CU_ASSERT(!ratelimit_take(l, SLICE("192.0.2.1"), 100));
	end(l);
}

static void
bucket_fills_at_the_rate_up_to_a_burst(void)
{
	struct ratelimit *l = begin(4, 20, 16);

	CU_ASSERT_EQUAL(passing(l, "c"), 20);
	fake_clock_set(START_MS + 249);
	CU_ASSERT_EQUAL(passing(l, "c"), 0);
	fake_clock_set(START_MS + 250);
	CU_ASSERT_EQUAL(passing(l, "c"), 1);
	fake_clock_set(START_MS + 2250);
	CU_ASSERT_EQUAL(passing(l, "c"), 8);
	fake_clock_set(START_MS + 1000000);
	CU_ASSERT_EQUAL(passing(l, "c"), 20);
	end(l);
}

static void
asking_often_does_not_slow_the_filling(void)
{
	struct ratelimit *l = begin(1, 1, 16);
	uint64_t ms;

	CU_ASSERT_EQUAL(passing(l, "c"), 1);
	for (ms = 1; ms < 999; ms++) {
		fake_clock_set(START_MS + ms);
		if (passing(l, "c") != 0)
			CU_FAIL("too early");
	}
	fake_clock_set(START_MS + 1001);
	CU_ASSERT_EQUAL(passing(l, "c"), 1);
	end(l);
}

static void
batch_costs_as_many_as_it_has(void)
{
	struct ratelimit *l = begin(10, 20, 16);

	CU_ASSERT(ratelimit_take(l, SLICE("c"), 15));
	CU_ASSERT(!ratelimit_take(l, SLICE("c"), 6));
	CU_ASSERT(ratelimit_take(l, SLICE("c"), 5)); /* a refusal is free */
	CU_ASSERT_EQUAL(passing(l, "c"), 0);
	end(l);
}

static void
more_than_a_burst_passes_when_full_and_empties(void)
{
	struct ratelimit *l = begin(10, 20, 16);

	CU_ASSERT(ratelimit_take(l, SLICE("c"), 1000));
	CU_ASSERT_EQUAL(passing(l, "c"), 0);
	fake_clock_set(START_MS + 1999);
	CU_ASSERT(!ratelimit_take(l, SLICE("c"), 1000));
	fake_clock_set(START_MS + 2000);
	CU_ASSERT(ratelimit_take(l, SLICE("c"), 1000));
	CU_ASSERT(!ratelimit_take(l, SLICE("c"), 1));
	end(l);
}

static void
each_client_has_its_own_bucket(void)
{
	struct ratelimit *l = begin(1, 3, 4096);
	char client[32];
	unsigned i, wrong = 0;

	for (i = 0; i < 100; i++) {
		snprintf(client, sizeof client, "2001:db8::%x", i);
		wrong += passing(l, client) != 3;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(passing(l, ""), 3);
	end(l);
}

static void
longest_idle_client_makes_room(void)
{
	struct ratelimit *l = begin(1, 3, 8);
	char client[] = "a";
	unsigned i;

	for (i = 0; i < 8; i++) {
		fake_clock_set(START_MS + i);
		client[0] = (char)('a' + i);
		CU_ASSERT_EQUAL(passing(l, client), 3);
	}
	fake_clock_set(START_MS + 8);
	CU_ASSERT_EQUAL(passing(l, "a"), 0); /* now "b" is the longest idle */
	CU_ASSERT_EQUAL(passing(l, "new"), 3);
	for (i = 2; i < 8; i++) {
		client[0] = (char)('a' + i);
		CU_ASSERT_EQUAL(passing(l, client), 0);
	}
	CU_ASSERT_EQUAL(passing(l, "a"), 0);
	CU_ASSERT_EQUAL(passing(l, "new"), 0);
	CU_ASSERT_EQUAL(passing(l, "b"), 3);
	end(l);
}

/* A thread that read the clock first may get the bucket last. */
static void
clock_behind_the_buckets_adds_nothing(void)
{
	struct ratelimit *l = begin(1, 20, 16);

	CU_ASSERT_EQUAL(passing(l, "c"), 20);
	fake_clock_set(START_MS - 1);
	CU_ASSERT_EQUAL(passing(l, "c"), 0);
	end(l);
}

static atomic_uint n_passed;

static void *
take_many(void *l)
{
	atomic_fetch_add(&n_passed, passing(l, "c"));
	return NULL;
}

static void
threads_share_a_clients_bucket(void)
{
	struct ratelimit *l = begin(1, 5000, 16);
	pthread_t thread[4];
	size_t i;

	atomic_store(&n_passed, 0);
	for (i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(
		    pthread_create(&thread[i], NULL, take_many, l), 0);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&n_passed), 5000);
	end(l);
}

static void
lack_of_memory_is_told(void)
{
	struct ratelimit *l;
	struct err e;
	enum rc rc;

	fail_alloc_after(0);
	rc = ratelimit_new(&l, 1, 1, 1, &e);
	CU_ASSERT(fail_alloc_end());
	CU_ASSERT_EQUAL(rc, RC_NOMEM);
	CU_ASSERT_PTR_NULL(l);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_ratelimit[] = {T(rate_of_zero_is_no_limit),
    T(burst_passes_at_once_and_no_more),
    T(bucket_fills_at_the_rate_up_to_a_burst),
    T(asking_often_does_not_slow_the_filling), T(batch_costs_as_many_as_it_has),
    T(more_than_a_burst_passes_when_full_and_empties),
    T(each_client_has_its_own_bucket), T(longest_idle_client_makes_room),
    T(clock_behind_the_buckets_adds_nothing), T(threads_share_a_clients_bucket),
    T(lack_of_memory_is_told), CU_TEST_INFO_NULL};
