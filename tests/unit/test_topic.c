/* Which readers want which channels. */
#include "fail_alloc.h"
#include "hub/topic.h"
#include "tests.h"

#include <stdio.h>

#define N_MANY 1000

static char readers[N_MANY];
static struct membership many[N_MANY];

/* Topics never look into a reader. */
static struct reader *
reader(size_t i)
{
	return (struct reader *)(void *)&readers[i];
}

static void
join(struct topics *t, const char *pattern, struct membership *m, size_t i)
{
	CU_ASSERT_EQUAL_FATAL(
	    topics_join(t, slice_of(pattern), m, reader(i)), RC_OK);
}

/* What topics_match has called with: the patterns, each in brackets. */
static void
note(void *arg, struct topic *topic)
{
	char *text = arg;

	sprintf(text + strlen(text), "[%.*s]", (int)topic->pattern.n,
	    topic->pattern.p);
}

static const char *
matching(struct topics *t, const char *channel)
{
	static char text[4096];

	text[0] = 0;
	topics_match(t, slice_of(channel), note, text);
	return text;
}

/* True if both parts were called with and nothing else. */
static bool
is_both(const char *text, const char *one, const char *other)
{
	return strlen(text) == strlen(one) + strlen(other) &&
	    strstr(text, one) != NULL && strstr(text, other) != NULL;
}

static void
without_topics_nothing_matches(void)
{
	struct membership m = {.topic = NULL};
	struct topics t;

	topics_init(&t);
	CU_ASSERT_STRING_EQUAL(matching(&t, "a"), "");
	CU_ASSERT_EQUAL(topics_count(&t, SLICE("a")), 0);
	CU_ASSERT_EQUAL(topics_count(&t, SLICE("**")), 0);
	topics_leave(&t, &m);
	topics_fini(&t);
}

static void
exact_and_wildcard_topics_match(void)
{
	struct membership m[4];
	struct topics t;
	size_t i;

	topics_init(&t);
	join(&t, "chat/a", &m[0], 0);
	join(&t, "chat/b", &m[1], 1);
	join(&t, "chat/*", &m[2], 2);
	CU_ASSERT(is_both(matching(&t, "chat/a"), "[chat/a]", "[chat/*]"));
	CU_ASSERT_STRING_EQUAL(matching(&t, "chat/c"), "[chat/*]");
	CU_ASSERT_STRING_EQUAL(matching(&t, "chat"), "");
	CU_ASSERT_STRING_EQUAL(matching(&t, "chat/a/b"), "");
	join(&t, "**", &m[3], 3);
	CU_ASSERT_STRING_EQUAL(matching(&t, "chat"), "[**]");
	CU_ASSERT(is_both(matching(&t, "chat/c"), "[chat/*]", "[**]"));
	CU_ASSERT_STRING_EQUAL(matching(&t, "$own"), "");
	CU_ASSERT_EQUAL(t.n_exact, 2);
	CU_ASSERT_EQUAL(t.n_wild, 2);
	for (i = 0; i < 4; i++)
		topics_leave(&t, &m[i]);
	CU_ASSERT_EQUAL(t.n_exact + t.n_wild, 0);
	CU_ASSERT_STRING_EQUAL(matching(&t, "chat/a"), "");
	topics_fini(&t);
}

static void
wildcards_alone_match_too(void)
{
	struct membership m;
	struct topics t;

	topics_init(&t);
	join(&t, "*", &m, 0);
	CU_ASSERT_STRING_EQUAL(matching(&t, "a"), "[*]");
	CU_ASSERT_EQUAL(topics_count(&t, SLICE("*")), 1);
	CU_ASSERT_EQUAL(topics_count(&t, SLICE("a")), 0);
	topics_leave(&t, &m);
	topics_fini(&t);
}

/* The readers of a topic as a sum of bits; checks the list's links. */
static unsigned
readers_of(const struct topic *topic)
{
	struct membership *const *link = &topic->readers;
	struct membership *m;
	unsigned bits = 0, n = 0;

	for (m = topic->readers; m != NULL; m = m->next, n++) {
		CU_ASSERT_PTR_EQUAL(m->link, link);
		CU_ASSERT_PTR_EQUAL(m->topic, topic);
		bits |= 1u << ((char *)m->reader - readers);
		link = &m->next;
	}
	CU_ASSERT_EQUAL(topic->n_readers, n);
	return bits;
}

static void
readers_share_a_topic_and_leave_in_any_order(void)
{
	static const unsigned order[][3] = {
	    {0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}};
	struct membership m[3];
	struct topic *topic;
	struct topics t;
	size_t i;

	topics_init(&t);
	for (i = 0; i < sizeof order / sizeof order[0]; i++) {
		join(&t, "a", &m[0], 0);
		join(&t, "a", &m[1], 1);
		join(&t, "a", &m[2], 2);
		topic = m[0].topic;
		CU_ASSERT_EQUAL(t.n_exact, 1);
		CU_ASSERT_EQUAL(topics_count(&t, SLICE("a")), 3);
		CU_ASSERT_EQUAL(readers_of(topic), 7);
		topics_leave(&t, &m[order[i][0]]);
		CU_ASSERT_PTR_NULL(m[order[i][0]].topic);
		CU_ASSERT_EQUAL(readers_of(topic), 7 - (1u << order[i][0]));
		topics_leave(&t, &m[order[i][0]]); /* does nothing */
		CU_ASSERT_EQUAL(topics_count(&t, SLICE("a")), 2);
		topics_leave(&t, &m[order[i][1]]);
		CU_ASSERT_EQUAL(readers_of(topic), 1u << order[i][2]);
		topics_leave(&t, &m[order[i][2]]);
		CU_ASSERT_EQUAL(t.n_exact, 0);
	}
	topics_fini(&t);
}

static void
pattern_is_copied(void)
{
	char pattern[] = "chat/a";
	struct membership m;
	struct topics t;

	topics_init(&t);
	join(&t, pattern, &m, 0);
	memset(pattern, 'x', sizeof pattern - 1);
	CU_ASSERT_STRING_EQUAL(matching(&t, "chat/a"), "[chat/a]");
	topics_leave(&t, &m);
	topics_fini(&t);
}

static void
many_topics_are_each_found(void)
{
	struct topics t;
	char name[32], want[32];
	size_t i, wrong = 0;

	topics_init(&t);
	for (i = 0; i < N_MANY; i++) {
		snprintf(name, sizeof name, "c/%zu", i);
		join(&t, name, &many[i], i);
	}
	CU_ASSERT_EQUAL(t.n_exact, N_MANY);
	CU_ASSERT(t.n_buckets >= N_MANY);
	for (i = 0; i < N_MANY; i++) {
		snprintf(name, sizeof name, "c/%zu", i);
		snprintf(want, sizeof want, "[c/%zu]", i);
		wrong += strcmp(matching(&t, name), want) != 0;
		if (i % 2 == 0)
			topics_leave(&t, &many[i]);
		wrong += topics_count(&t, slice_of(name)) != i % 2;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(t.n_exact, N_MANY / 2);
	for (i = 0; i < N_MANY; i++)
		topics_leave(&t, &many[i]);
	CU_ASSERT_EQUAL(t.n_exact, 0);
	topics_fini(&t);
}

static void
topic_with_news_stays_until_it_is_swept(void)
{
	static const char *const patterns[] = {"a", "*"};
	struct membership m;
	struct topic *topic;
	struct topics t;
	size_t i;

	topics_init(&t);
	for (i = 0; i < 2; i++) {
		join(&t, patterns[i], &m, 0);
		topic = m.topic;
		topic->news[topic->n_news++] = 0;
		topics_leave(&t, &m);
		CU_ASSERT_EQUAL(topics_count(&t, slice_of(patterns[i])), 0);
		CU_ASSERT_EQUAL(t.n_exact + t.n_wild, 1);
		topics_sweep(&t, topic);
		CU_ASSERT_EQUAL(t.n_exact + t.n_wild, 1);
		join(&t, patterns[i], &m, 0); /* the same one */
		CU_ASSERT_PTR_EQUAL(m.topic, topic);
		topic->n_news = 0;
		topics_sweep(&t, topic); /* has a reader */
		CU_ASSERT_EQUAL(topics_count(&t, slice_of(patterns[i])), 1);
		topics_leave(&t, &m);
		CU_ASSERT_EQUAL(t.n_exact + t.n_wild, 0);
	}
	topics_fini(&t);
}

static void
leave_topic(void *arg, struct topic *topic)
{
	topics_leave(arg, topic->readers);
}

static void
topic_may_go_while_it_is_matched(void)
{
	struct membership m[4];
	struct topics t;

	topics_init(&t);
	join(&t, "a", &m[0], 0);
	join(&t, "*", &m[1], 1);
	join(&t, "**", &m[2], 2);
	join(&t, "b/*", &m[3], 3);
	topics_match(&t, SLICE("a"), leave_topic, &t);
	CU_ASSERT_EQUAL(t.n_exact, 0);
	CU_ASSERT_EQUAL(t.n_wild, 1);
	CU_ASSERT_STRING_EQUAL(matching(&t, "b/c"), "[b/*]");
	topics_leave(&t, &m[3]);
	topics_fini(&t);
}

static void
lack_of_memory_leaves_the_topics_as_they_were(void)
{
	struct membership m = {.topic = NULL};
	struct topics t;
	unsigned i;
	enum rc rc;

	topics_init(&t);
	for (i = 0; i < 2; i++) { /* the table, the topic */
		fail_alloc_after(i);
		rc = topics_join(&t, SLICE("a"), &m, reader(0));
		CU_ASSERT(fail_alloc_end());
		CU_ASSERT_EQUAL(rc, RC_NOMEM);
		CU_ASSERT_PTR_NULL(m.topic);
		CU_ASSERT_EQUAL(t.n_exact, 0);
	}
	fail_alloc_after(0);
	rc = topics_join(&t, SLICE("*"), &m, reader(0));
	CU_ASSERT(fail_alloc_end());
	CU_ASSERT_EQUAL(rc, RC_NOMEM);
	CU_ASSERT_STRING_EQUAL(matching(&t, "a"), "");
	topics_fini(&t);
}

static void
table_that_cannot_grow_still_works(void)
{
	struct topics t;
	char name[32];
	size_t i, before;

	topics_init(&t);
	join(&t, "first", &many[0], 0);
	before = t.n_buckets;
	for (i = 1; i <= before; i++) {
		snprintf(name, sizeof name, "c/%zu", i);
		fail_alloc_after(i < before ? 1 : 0);
		join(&t, name, &many[i], i);
		CU_ASSERT_EQUAL(fail_alloc_end(), i == before);
	}
	CU_ASSERT_EQUAL(t.n_buckets, before);
	CU_ASSERT_STRING_EQUAL(matching(&t, name), "[c/64]");
	CU_ASSERT_STRING_EQUAL(matching(&t, "first"), "[first]");
	for (i = 0; i <= before; i++)
		topics_leave(&t, &many[i]);
	topics_fini(&t);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_topic[] = {T(without_topics_nothing_matches),
    T(exact_and_wildcard_topics_match), T(wildcards_alone_match_too),
    T(readers_share_a_topic_and_leave_in_any_order), T(pattern_is_copied),
    T(many_topics_are_each_found), T(topic_with_news_stays_until_it_is_swept),
    T(topic_may_go_while_it_is_matched),
    T(lack_of_memory_leaves_the_topics_as_they_were),
    T(table_that_cannot_grow_still_works), CU_TEST_INFO_NULL};
