/* Deleting what is too old, and the gaps it leaves. */
#include "log/connect.h"
#include "log/retain.h"
#include "log_fixture.h"
#include "tests.h"

static struct collected got;

/* A log with rules whose retention the test runs by hand. */
struct keeping {
	struct fixture f;
	struct db db;
	struct retain r;
	uint64_t deleted;
	int steps; /* of the latest pass */
};

static void
keeping_start(struct keeping *k, const struct log_retain *rule, size_t n)
{
	memset(k, 0, sizeof *k);
	fixture_init(&k->f);
	k->f.o.retain = rule;
	k->f.o.n_retain = n;
	fixture_open(&k->f);
	CU_ASSERT_EQUAL_FATAL(
	    log_connect(k->f.log, &k->db, DB_WRITE, &k->f.e), RC_OK);
}

static void
keeping_fini(struct keeping *k)
{
	db_close(&k->db);
	fixture_fini(&k->f);
}

/* One whole pass, as if at now_ms. */
static void
keeping_pass(struct keeping *k, int64_t now_ms)
{
	const struct log_options *o = log_options_of(k->f.log);
	bool is_over = false;
	uint64_t deleted;

	k->deleted = 0;
	for (k->steps = 0; !is_over && k->steps < 1000; k->steps++) {
		CU_ASSERT_EQUAL_FATAL(retain_step(&k->r, &k->db, o, now_ms,
		                          &is_over, &deleted, &k->f.e),
		    RC_OK);
		CU_ASSERT(deleted <= o->retain_step);
		k->deleted += deleted;
	}
	CU_ASSERT(is_over);
}

static void
put_many(struct keeping *k, const char *channel, int n)
{
	struct message m[200];
	struct appended result[200];

	for (int i = 0; i < n; i++)
		m[i] = (struct message){
		    .channel = slice_of(channel), .data = SLICE("0123456789")};
	CU_ASSERT_EQUAL_FATAL(
	    fixture_append(&k->f, m, result, (size_t)n), RC_OK);
}

static int64_t
kept(struct keeping *k, const char *channel)
{
	char sql[200];

	snprintf(sql, sizeof sql,
	    "SELECT count(*) FROM message WHERE "
	    "channel_id = (SELECT id FROM channel WHERE name = '%s')",
	    channel);
	return fixture_int(&k->f, sql);
}

/* What the rows of the table channel say agrees with the messages. */
static bool
sums_are_right(struct keeping *k)
{
	return fixture_int(&k->f,
	           "SELECT count(*) FROM channel WHERE "
	           "messages <> (SELECT count(*) FROM message "
	           "WHERE channel_id = channel.id) OR "
	           "bytes <> (SELECT coalesce(sum(length(data)), 0) FROM "
	           "message "
	           "WHERE channel_id = channel.id)") == 0;
}

static void
oldest_go_by_count_bytes_and_the_first_rule_that_matches(void)
{
	const struct log_retain rule[] = {
	    {.pattern = SLICE("count/*"), .messages = 5},
	    {.pattern = SLICE("all"), .age_ms = 0},
	    {.pattern = SLICE("**"), .bytes = 35, .messages = 100},
	};
	struct keeping k;
	struct log_page page;

	keeping_start(&k, rule, 3);
	put_many(&k, "count/a", 8); /* 1 to 8 */
	put_many(&k, "count/b", 5);
	put_many(&k, "all", 20);
	put_many(&k, "bytes", 10); /* 34 to 43 */
	put_many(&k, "$own", 50);
	keeping_pass(&k, clock_unix_ms());
	CU_ASSERT_EQUAL(k.deleted, 10);
	CU_ASSERT_EQUAL(kept(&k, "count/a"), 5);
	CU_ASSERT_EQUAL(kept(&k, "count/b"), 5);
	CU_ASSERT_EQUAL(kept(&k, "all"), 20);
	CU_ASSERT_EQUAL(kept(&k, "bytes"), 3);
	CU_ASSERT_EQUAL(kept(&k, "$own"), 50);
	CU_ASSERT(sums_are_right(&k));
	page = fixture_page_of(&k.f, "count/a", 0, 100, &got);
	CU_ASSERT(page.kept_after == 3 && got.seq[0] == 4 && page.n == 5);
	keeping_pass(&k, clock_unix_ms());
	CU_ASSERT_EQUAL(k.deleted, 0);
	keeping_fini(&k);
}

static void
gap_is_told_for_every_way_of_reading(void)
{
	const struct log_retain rule[] = {
	    {.pattern = SLICE("*"), .messages = 1}};
	const char *few[] = {"a", "b", NULL};
	struct pattern_set what;
	struct keeping k;

	keeping_start(&k, rule, 1);
	put_many(&k, "a", 10); /* 9 of them go */
	put_many(&k, "b", 10); /* 19 */
	put_many(&k, "deep/c", 200);
	keeping_pass(&k, clock_unix_ms());
	fixture_patterns(&what, few);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "a", 0, 1, &got).kept_after, 9);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "a", 9, 1, &got).kept_after, 9);
	CU_ASSERT_EQUAL(
	    fixture_page_of(&k.f, "deep/c", 0, 1, &got).kept_after, 0);
	CU_ASSERT_EQUAL(fixture_page(&k.f, &what, 0, 1, &got).kept_after, 19);
	CU_ASSERT_EQUAL(fixture_page(&k.f, &what, 19, 1, &got).n, 1);
	CU_ASSERT_EQUAL(got.seq[0], 20);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "*", 0, 1, &got).kept_after, 19);
	CU_ASSERT_EQUAL(
	    fixture_page_of(&k.f, "deep/*", 0, 1, &got).kept_after, 0);
	CU_ASSERT_EQUAL(
	    fixture_page_of(&k.f, "deep/*", 219, 1, &got).kept_after, 0);
	CU_ASSERT_EQUAL(fixture_page(&k.f, NULL, 0, 1, &got).kept_after, 19);
	pattern_set_fini(&what);
	keeping_fini(&k);
}

static void
gap_is_told_when_channels_are_too_many_to_merge(void)
{
	const struct log_retain rule[] = {
	    {.pattern = SLICE("x/50"), .messages = 1}};
	struct keeping k;
	char name[24];

	keeping_start(&k, rule, 1);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "x/%d", i);
		put_many(&k, name, 2);
	}
	keeping_pass(&k, clock_unix_ms());
	CU_ASSERT_EQUAL(
	    fixture_page_of(&k.f, "x/*", 0, 1, &got).kept_after, 101);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "*/5", 0, 1, &got).kept_after, 0);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "x/*", 150, 100, &got).n, 50);
	keeping_fini(&k);
}

static void
old_go_by_age_the_newest_too(void)
{
	const struct log_retain rule[] = {
	    {.pattern = SLICE("**"), .age_ms = 1000}};
	struct keeping k;
	struct log_figures figures;
	struct log_tip tip;
	int64_t now = clock_unix_ms();

	keeping_start(&k, rule, 1);
	put_many(&k, "a", 4);
	CU_ASSERT_EQUAL(
	    fixture_sql(&k.f,
	        "UPDATE message SET time_ms = time_ms - 5000 WHERE seq <= 2"),
	    SQLITE_OK);
	keeping_pass(&k, now);
	CU_ASSERT_EQUAL(k.deleted, 2);
	keeping_pass(&k, now + 60000);
	CU_ASSERT_EQUAL(k.deleted, 2);
	CU_ASSERT_EQUAL(log_tip(k.f.r, &tip, &k.f.e), RC_OK);
	CU_ASSERT_EQUAL(tip.seq, 4);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "a", 0, 9, &got).kept_after, 4);
	CU_ASSERT_EQUAL(log_figures(k.f.r, &figures, &k.f.e), RC_OK);
	CU_ASSERT(figures.messages == 0 && figures.bytes == 0);
	/* a seq is never given twice */
	CU_ASSERT_EQUAL(fixture_put(&k.f, "a", "5"), 5);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "a", 4, 9, &got).n, 1);
	CU_ASSERT(sums_are_right(&k));
	keeping_fini(&k);
}

static void
newest_message_stays_however_long(void)
{
	const struct log_retain rule[] = {{.pattern = SLICE("**"), .bytes = 3}};
	struct keeping k;

	keeping_start(&k, rule, 1);
	put_many(&k, "a", 4);
	keeping_pass(&k, clock_unix_ms());
	CU_ASSERT_EQUAL(kept(&k, "a"), 1);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "a", 3, 9, &got).n, 1);
	keeping_fini(&k);
}

static void
each_step_is_small(void)
{
	const struct log_retain rule[] = {
	    {.pattern = SLICE("**"), .messages = 10}};
	struct keeping k;
	uint64_t deleted = 0, all = 0;
	bool is_over;

	keeping_start(&k, rule, 1);
	for (int i = 0; i < 3; i++) {
		put_many(&k, "a", 200);
		put_many(&k, "b", 150);
	}
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(
		    retain_step(&k.r, &k.db, log_options_of(k.f.log),
		        clock_unix_ms(), &is_over, &deleted, &k.f.e),
		    RC_OK);
		CU_ASSERT_EQUAL(deleted, 100);
		CU_ASSERT(!is_over);
		CU_ASSERT(sums_are_right(&k));
		all += deleted;
	}
	keeping_pass(&k, clock_unix_ms());
	CU_ASSERT_EQUAL(all + k.deleted, 3 * 350 - 20);
	CU_ASSERT(k.steps >= 8);
	keeping_fini(&k);
}

static void
ids_expire_with_their_window(void)
{
	struct message m[150];
	struct appended result[150];
	char id[150][12];
	struct keeping k;

	keeping_start(&k, NULL, 0);
	for (int i = 0; i < 150; i++) {
		snprintf(id[i], sizeof id[i], "%d", i);
		m[i] = (struct message){.channel = SLICE("a"),
		    .id = slice_of(id[i]),
		    .data = SLICE("x")};
	}
	CU_ASSERT_EQUAL(fixture_append(&k.f, m, result, 150), RC_OK);
	keeping_pass(&k, clock_unix_ms());
	CU_ASSERT_EQUAL(fixture_int(&k.f, "SELECT count(*) FROM dedupe"), 150);
	keeping_pass(&k, clock_unix_ms() + 61000);
	CU_ASSERT_EQUAL(fixture_int(&k.f, "SELECT count(*) FROM dedupe"), 0);
	CU_ASSERT_EQUAL(kept(&k, "a"), 150);
	keeping_fini(&k);
}

static void
forgotten_channel_still_tells_its_gap(void)
{
	const struct log_retain rule[] = {
	    {.pattern = SLICE("old"), .age_ms = 1}};
	int64_t now = clock_unix_ms() + 1000;
	struct keeping k;

	keeping_start(&k, rule, 1);
	put_many(&k, "other", 3);
	put_many(&k, "old", 3);
	keeping_pass(&k, now);
	CU_ASSERT_EQUAL(k.deleted, 3);
	keeping_pass(&k, now + 1000);
	CU_ASSERT_EQUAL(fixture_int(&k.f, "SELECT count(*) FROM channel"), 2);
	keeping_pass(&k, now + RETAIN_FORGET_MS + 1000);
	CU_ASSERT_EQUAL(fixture_int(&k.f, "SELECT count(*) FROM channel"), 1);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "old", 0, 9, &got).kept_after, 6);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "*", 0, 9, &got).kept_after, 6);
	CU_ASSERT_EQUAL(fixture_page(&k.f, NULL, 0, 9, &got).kept_after, 6);
	CU_ASSERT_EQUAL(
	    fixture_page_of(&k.f, "other", 0, 9, &got).kept_after, 0);
	/* made anew by one who remembers it, and by a foreign writer */
	CU_ASSERT_EQUAL(fixture_put(&k.f, "old", "again"), 7);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "old", 0, 9, &got).kept_after, 6);
	CU_ASSERT_EQUAL(
	    fixture_sql(
	        &k.f, "INSERT INTO publish(channel, data) VALUES ('new', 'x')"),
	    SQLITE_OK);
	CU_ASSERT_EQUAL(fixture_page_of(&k.f, "new", 0, 9, &got).kept_after, 6);
	CU_ASSERT_EQUAL(got.n, 1);
	keeping_fini(&k);
}

static void
channel_whose_ids_are_remembered_is_not_forgotten(void)
{
	const struct log_retain rule[] = {{.pattern = SLICE("a"), .age_ms = 1}};
	struct message m = {.channel = SLICE("a"), .id = SLICE("k")};
	int64_t now = clock_unix_ms() + 1000;
	struct appended result;
	struct keeping k;

	keeping_start(&k, rule, 1);
	CU_ASSERT_EQUAL(fixture_append(&k.f, &m, &result, 1), RC_OK);
	keeping_pass(&k, now);
	CU_ASSERT_EQUAL(
	    fixture_sql(&k.f, "UPDATE channel SET emptied_ms = 1"), SQLITE_OK);
	keeping_pass(&k, now + 1);
	CU_ASSERT_EQUAL(fixture_int(&k.f, "SELECT count(*) FROM channel"), 1);
	CU_ASSERT_EQUAL(
	    fixture_int(&k.f, "SELECT forgotten_after FROM meta"), 0);
	CU_ASSERT_EQUAL(fixture_append(&k.f, &m, &result, 1), RC_OK);
	CU_ASSERT(result.is_duplicate && result.seq == 1);
	keeping_fini(&k);
}

static void
wrong_sums_heal(void)
{
	const struct log_retain rule[] = {
	    {.pattern = SLICE("**"), .messages = 2}};
	struct keeping k;

	keeping_start(&k, rule, 1);
	put_many(&k, "a", 2);
	CU_ASSERT_EQUAL(fixture_sql(&k.f,
	                    "DELETE FROM message;"
	                    "UPDATE channel SET messages = 99, bytes = -5"),
	    SQLITE_OK);
	keeping_pass(&k, clock_unix_ms());
	CU_ASSERT(sums_are_right(&k));
	keeping_fini(&k);
}

static void
writers_of_two_processes_retain_side_by_side(void)
{
	const struct log_retain rule[] = {
	    {.pattern = SLICE("**"), .messages = 50}};
	struct log_writer_figures one, two;
	struct fixture f, g;
	uint64_t until;

	fixture_init(&f);
	f.o.retain = rule;
	f.o.n_retain = 1;
	f.o.retain_step = 10;
	f.wo.retain_every_ms = 1;
	fixture_open(&f);
	g = f;
	CU_ASSERT_EQUAL_FATAL(fixture_try_open(&g), RC_OK);
	for (int i = 0; i < 300; i++) {
		fixture_put(&f, "a", "x");
		fixture_put(&g, i % 2 == 0 ? "a" : "b", "x");
	}
	until = clock_mono_ms() + 10000;
	while (fixture_int(&f, "SELECT count(*) FROM message") > 100 &&
	    clock_mono_ms() < until)
		usleep(10000);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM message"), 100);
	CU_ASSERT_EQUAL(
	    fixture_int(&f, "SELECT count(*) FROM channel WHERE messages = 50"),
	    2);
	usleep(10000);
	log_writer_figures(f.w, &one);
	log_writer_figures(g.w, &two);
	CU_ASSERT_EQUAL(one.retained + two.retained, 500);
	fixture_close(&g);
	fixture_fini(&f);
}

/* One process that stores one message in `channel` (NULL: nothing) and ends. */
static void
live_shortly(struct fixture *f, const char *channel, int i)
{
	struct message m = {.data = SLICE("0123456789")};
	struct appended result;
	char id[16];

	fixture_open(f);
	log_writer_retain_at_stop(f->w);
	if (channel != NULL) {
		snprintf(id, sizeof id, "%d", i);
		m.channel = slice_of(channel);
		m.id = slice_of(id);
		CU_ASSERT_EQUAL(fixture_append(f, &m, &result, 1), RC_OK);
	}
	fixture_close(f);
}

static void
short_lived_processes_retain_among_them(void)
{
	const struct log_retain rule[] = {
	    {.pattern = SLICE("**"), .messages = 5}};
	struct keeping k;
	char name[24];

	keeping_start(&k, rule, 1);
	put_many(&k, "first", 200);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "x/%d", i);
		put_many(&k, name, 1);
	}
	put_many(&k, "x/150", 50);
	put_many(&k, "last", 20);
	k.f.o.dedupe_ms = 1;
	db_close(&k.db);
	fixture_close(&k.f);

	live_shortly(&k.f, NULL, 0); /* stored nothing: leaves it alone */
	CU_ASSERT_EQUAL(kept(&k, "last"), 20);
	live_shortly(&k.f, "last", 0);
	CU_ASSERT_EQUAL(kept(&k, "last"), 5);
	/* the others are come by in the end: a third of them each time */
	for (int i = 1; i < 80; i++)
		live_shortly(&k.f, "last", i);
	CU_ASSERT_EQUAL(kept(&k, "last"), 5);
	CU_ASSERT_EQUAL(kept(&k, "x/150"), 5);
	CU_ASSERT_EQUAL(kept(&k, "first"), 5);
	CU_ASSERT(fixture_int(&k.f, "SELECT count(*) FROM dedupe") <= 2);
	CU_ASSERT(sums_are_right(&k));
	fixture_open(&k.f);
	fixture_fini(&k.f);
}

static void
process_that_wrote_much_does_only_a_little_at_its_end(void)
{
	const struct log_retain rule[] = {
	    {.pattern = SLICE("**"), .messages = 5}};
	struct keeping k;

	keeping_start(&k, rule, 1);
	log_writer_retain_at_stop(k.f.w);
	for (int i = 0; i < 6; i++)
		put_many(&k, "a", 200);
	db_close(&k.db);
	fixture_close(&k.f);
	/* three steps of retain_step at most, for the fourth is for ids */
	CU_ASSERT(kept(&k, "a") >= 900 && kept(&k, "a") <= 1000);
	CU_ASSERT(sums_are_right(&k));
	fixture_open(&k.f);
	fixture_fini(&k.f);
}

CU_TestInfo test_log_retain[] = {
    {"oldest_go_by_count_bytes_and_the_first_rule_that_matches",
        oldest_go_by_count_bytes_and_the_first_rule_that_matches},
    {"gap_is_told_for_every_way_of_reading",
        gap_is_told_for_every_way_of_reading},
    {"gap_is_told_when_channels_are_too_many_to_merge",
        gap_is_told_when_channels_are_too_many_to_merge},
    {"old_go_by_age_the_newest_too", old_go_by_age_the_newest_too},
    {"newest_message_stays_however_long", newest_message_stays_however_long},
    {"each_step_is_small", each_step_is_small},
    {"ids_expire_with_their_window", ids_expire_with_their_window},
    {"forgotten_channel_still_tells_its_gap",
        forgotten_channel_still_tells_its_gap},
    {"channel_whose_ids_are_remembered_is_not_forgotten",
        channel_whose_ids_are_remembered_is_not_forgotten},
    {"wrong_sums_heal", wrong_sums_heal},
    {"writers_of_two_processes_retain_side_by_side",
        writers_of_two_processes_retain_side_by_side},
    {"short_lived_processes_retain_among_them",
        short_lived_processes_retain_among_them},
    {"process_that_wrote_much_does_only_a_little_at_its_end",
        process_that_wrote_much_does_only_a_little_at_its_end},
    CU_TEST_INFO_NULL,
};
