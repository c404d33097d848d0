/* The timer wheel. */
#include "hub/wheel.h"
#include "tests.h"

#include <stdlib.h>

#define TURN_MS ((uint64_t)WHEEL_SLOTS * WHEEL_TICK_MS)

struct probe {
	struct timer timer; /* first */
	unsigned n_runs;
	uint64_t *now;
};

static void
count(void *arg, struct timer *t)
{
	struct probe *p = (struct probe *)t;

	(void)arg;
	p->n_runs++;
}

/* Runs the wheel until then; how often p has run by now. */
static unsigned
runs_by(struct wheel *w, uint64_t now, const struct probe *p)
{
	wheel_run(w, now, count, NULL);
	return p->n_runs;
}

static void
timer_runs_once_at_the_first_tick_after_its_time(void)
{
	static const uint64_t due[] = {5000, 5001, 5050, 5099};
	struct wheel w;
	size_t i;

	for (i = 0; i < sizeof due / sizeof due[0]; i++) {
		struct probe p = {.n_runs = 0};

		wheel_init(&w, 1234);
		wheel_set(&w, &p.timer, due[i]);
		CU_ASSERT_EQUAL(runs_by(&w, 4999, &p), 0);
		CU_ASSERT_EQUAL(runs_by(&w, 5099, &p), 0);
		CU_ASSERT_EQUAL(runs_by(&w, 5100, &p), 1);
		CU_ASSERT_PTR_NULL(p.timer.link);
		CU_ASSERT_EQUAL(runs_by(&w, 5100 + 3 * TURN_MS, &p), 1);
	}
}

static void
timer_of_the_past_runs_at_once(void)
{
	struct probe p = {.n_runs = 0};
	struct wheel w;

	wheel_init(&w, 10000);
	wheel_set(&w, &p.timer, 3);
	CU_ASSERT_EQUAL(runs_by(&w, 10000, &p), 1);
	wheel_set(&w, &p.timer, 3);
	CU_ASSERT_EQUAL(runs_by(&w, 10099, &p), 1);
	CU_ASSERT_EQUAL(runs_by(&w, 10100, &p), 2);
}

static void
far_timer_waits_for_its_turn(void)
{
	struct probe p = {.n_runs = 0};
	uint64_t now, due = 700 + 3 * TURN_MS;
	struct wheel w;

	wheel_init(&w, 0);
	wheel_set(&w, &p.timer, due);
	for (now = 0; now <= due; now += WHEEL_TICK_MS)
		if (runs_by(&w, now, &p) != 0)
			CU_FAIL("too early");
	CU_ASSERT_EQUAL(runs_by(&w, now, &p), 1);
}

static void
setting_again_moves_a_timer(void)
{
	struct probe p = {.n_runs = 0};
	struct wheel w;

	wheel_init(&w, 0);
	wheel_set(&w, &p.timer, 500);
	wheel_set(&w, &p.timer, 2000);
	CU_ASSERT_EQUAL(runs_by(&w, 2000, &p), 0);
	wheel_set(&w, &p.timer, 9000);
	wheel_set(&w, &p.timer, 2500);
	CU_ASSERT_EQUAL(runs_by(&w, 2600, &p), 1);
	CU_ASSERT_EQUAL(runs_by(&w, 10000, &p), 1);
}

static void
cancelled_timer_stays_silent(void)
{
	struct probe p[3] = {{.n_runs = 0}};
	struct wheel w;
	size_t i;

	wheel_init(&w, 0);
	wheel_cancel(&p[0].timer);
	for (i = 0; i < 3; i++)
		wheel_set(&w, &p[i].timer, 500);
	wheel_cancel(&p[1].timer);
	wheel_cancel(&p[1].timer);
	CU_ASSERT_EQUAL(runs_by(&w, 1000, &p[1]), 0);
	CU_ASSERT_EQUAL(p[0].n_runs, 1);
	CU_ASSERT_EQUAL(p[2].n_runs, 1);
}

static void
clock_that_stands_or_goes_back_runs_nothing(void)
{
	struct probe p = {.n_runs = 0};
	struct wheel w;

	wheel_init(&w, 5000);
	wheel_set(&w, &p.timer, 5500);
	CU_ASSERT_EQUAL(runs_by(&w, 5550, &p), 0);
	CU_ASSERT_EQUAL(runs_by(&w, 5550, &p), 0);
	CU_ASSERT_EQUAL(runs_by(&w, 0, &p), 0);
	CU_ASSERT_EQUAL(runs_by(&w, 5600, &p), 1);
}

static void
after_a_long_sleep_each_due_timer_runs_once(void)
{
	enum { N = 2000 };
	static struct probe p[N];
	uint64_t now = 5 * TURN_MS + 99, wrong = 0;
	struct wheel w;
	size_t i;

	memset(p, 0, sizeof p);
	wheel_init(&w, 0);
	for (i = 0; i < N; i++)
		wheel_set(&w, &p[i].timer, i * TURN_MS / 200);
	wheel_run(&w, now, count, NULL);
	for (i = 0; i < N; i++)
		wrong += p[i].n_runs != (p[i].timer.due_ms <= now);
	CU_ASSERT_EQUAL(wrong, 0);
	for (; now < 11 * TURN_MS; now += WHEEL_TICK_MS)
		wheel_run(&w, now, count, NULL);
	for (i = 0; i < N; i++)
		wrong += p[i].n_runs != 1;
	CU_ASSERT_EQUAL(wrong, 0);
}

struct again {
	struct wheel *w;
	uint64_t due;
};

static void
set_again(void *arg, struct timer *t)
{
	struct again *a = arg;

	count(NULL, t);
	wheel_set(a->w, t, a->due);
}

static void
timer_may_set_itself_again(void)
{
	struct probe p = {.n_runs = 0};
	struct wheel w;
	struct again a = {&w, 2000};

	wheel_init(&w, 0);
	wheel_set(&w, &p.timer, 900);
	wheel_run(&w, 1000, set_again, &a);
	CU_ASSERT_EQUAL(p.n_runs, 1);
	a.due = 0; /* not again in the same tick, or it would never end */
	wheel_run(&w, 2100, set_again, &a);
	CU_ASSERT_EQUAL(p.n_runs, 2);
	wheel_run(&w, 2100, set_again, &a);
	CU_ASSERT_EQUAL(p.n_runs, 2);
	wheel_run(&w, 2200, set_again, &a);
	CU_ASSERT_EQUAL(p.n_runs, 3);
}

/* Frees itself and, at the first, all the others. */
static void
free_all(void *arg, struct timer *t)
{
	struct timer **all = arg;
	size_t i;

	for (i = 0; i < 5; i++) {
		wheel_cancel(all[i]);
		if (all[i] != t)
			free(all[i]);
	}
	free(t);
	all[5] = NULL;
}

static void
timer_may_free_itself_and_others(void)
{
	struct timer *all[6] = {NULL}, mark = {.due_ms = 0};
	struct wheel w;
	size_t i;

	wheel_init(&w, 0);
	for (i = 0; i < 5; i++) {
		all[i] = calloc(1, sizeof *all[i]);
		wheel_set(&w, all[i], i < 3 ? 500 : 500 + TURN_MS);
	}
	all[5] = &mark;
	wheel_run(&w, 600, free_all, all);
	CU_ASSERT_PTR_NULL(all[5]);
	wheel_run(&w, 3 * TURN_MS, free_all, NULL);
	for (i = 0; i < WHEEL_SLOTS; i++)
		CU_ASSERT_PTR_NULL(w.slot[i]);
}

static uint32_t
random_next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void
check_due(void *arg, struct timer *t)
{
	struct probe *p = (struct probe *)t;
	unsigned *early = arg;

	*early += t->due_ms > *p->now;
	p->n_runs++;
}

/* After a run at now, what is set has its time in this tick or later. */
static void
any_order_of_calls_runs_each_timer_in_time(void)
{
	enum { N = 100 };
	static struct probe p[N];
	uint64_t now = 777;
	unsigned early = 0, late = 0;
	uint32_t state = 1, step, i;
	struct wheel w;

	wheel_init(&w, now);
	for (i = 0; i < N; i++)
		p[i] = (struct probe){.now = &now};
	for (step = 0; step < 20000; step++) {
		struct probe *one = &p[random_next(&state) % N];

		if (random_next(&state) % 4 == 0)
			wheel_cancel(&one->timer);
		else
			wheel_set(&w, &one->timer,
			    now + random_next(&state) % (3 * TURN_MS));
		if (random_next(&state) % 3 != 0)
			continue;
		now += random_next(&state) % 50 != 0
		    ? random_next(&state) % 400
		    : random_next(&state) % (4 * TURN_MS);
		wheel_run(&w, now, check_due, &early);
		for (i = 0; i < N; i++)
			late += p[i].timer.link != NULL &&
			    p[i].timer.due_ms / WHEEL_TICK_MS <
			        now / WHEEL_TICK_MS;
	}
	CU_ASSERT_EQUAL(early, 0);
	CU_ASSERT_EQUAL(late, 0);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_wheel[] = {T(timer_runs_once_at_the_first_tick_after_its_time),
    T(timer_of_the_past_runs_at_once), T(far_timer_waits_for_its_turn),
    T(setting_again_moves_a_timer), T(cancelled_timer_stays_silent),
    T(clock_that_stands_or_goes_back_runs_nothing),
    T(after_a_long_sleep_each_due_timer_runs_once),
    T(timer_may_set_itself_again), T(timer_may_free_itself_and_others),
    T(any_order_of_calls_runs_each_timer_in_time), CU_TEST_INFO_NULL};
