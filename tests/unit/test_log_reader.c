/* Reading the log, and what a log is as a file. */
#include "fail_alloc.h"
#include "log/file.h"
#include "log_fixture.h"
#include "tests.h"

#include <pthread.h>

static struct collected got, model;

static void
empty_log_has_tip_zero_and_an_epoch(void)
{
	struct fixture f;
	struct log_tip tip;
	struct stat st;
	struct log_page page;

	fixture_start(&f);
	CU_ASSERT_EQUAL(log_tip(f.r, &tip, &f.e), RC_OK);
	CU_ASSERT_EQUAL(tip.seq, 0);
	CU_ASSERT_EQUAL(tip.epoch, log_epoch(f.log));
	CU_ASSERT_EQUAL(stat(f.path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL(stat(log_wake_path(f.log), &st), 0);
	CU_ASSERT_EQUAL(stat(log_change_path(f.log), &st), 0);
	page = fixture_page(&f, NULL, 0, 10, &got);
	CU_ASSERT(!page.is_more && page.reached == 0 && page.n == 0);
	fixture_fini(&f);
}

static void
epoch_stays_when_the_log_is_opened_again(void)
{
	struct fixture f;
	uint32_t epoch;

	fixture_start(&f);
	epoch = log_epoch(f.log);
	fixture_put(&f, "a", "1");
	fixture_close(&f);
	fixture_open(&f);
	CU_ASSERT_EQUAL(log_epoch(f.log), epoch);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "2"), 2);
	fixture_fini(&f);
}

static void
one_channel_is_read_page_by_page_in_order(void)
{
	struct fixture f;
	struct log_page page;

	fixture_start(&f);
	for (int i = 0; i < 10; i++) {
		fixture_put(&f, "a", "of a");
		fixture_put(&f, "b", "of b");
	}
	page = fixture_page_of(&f, "a", 0, 4, &got);
	CU_ASSERT(page.n == 4 && page.is_more && page.reached == 7);
	CU_ASSERT(got.seq[0] == 1 && got.seq[3] == 7);
	page = fixture_page_of(&f, "a", 7, 6, &got);
	CU_ASSERT(page.n == 6 && got.seq[5] == 19);
	CU_ASSERT(!page.is_more && page.reached == 20);
	CU_ASSERT_STRING_EQUAL(got.data[5], "of a");
	CU_ASSERT_STRING_EQUAL(got.channel[5], "a");
	page = fixture_page_of(&f, "a", 0, 0, &got);
	CU_ASSERT(page.n == 0 && page.is_more && page.reached == 0);
	page = fixture_page_of(&f, "a", 20, 0, &got);
	CU_ASSERT(page.n == 0 && !page.is_more && page.reached == 20);
	page = fixture_page_of(&f, "never", 0, 10, &got);
	CU_ASSERT(page.n == 0 && !page.is_more && page.reached == 20);
	page = fixture_page_of(&f, "a", UINT64_MAX, 10, &got);
	CU_ASSERT(page.n == 0 && !page.is_more && page.reached == 20);
	fixture_fini(&f);
}

static void
page_ends_by_bytes_scan_or_the_callback(void)
{
	const char *both[] = {"a", "b", NULL};
	const char *wild[] = {"*", NULL};
	struct pattern_set what[2];
	struct log_query q;
	struct log_page page;
	struct fixture f;

	fixture_start(&f);
	for (int i = 0; i < 200; i++)
		fixture_put(&f, i % 2 == 0 ? "a" : "b", "0123456789");
	fixture_patterns(&what[0], both);
	fixture_patterns(&what[1], wild);
	for (int i = 0; i < 3; i++) {
		q = (struct log_query){.what = i < 2 ? &what[i] : NULL,
		    .max_messages = 100,
		    .max_bytes = 25};
		got.n = 0;
		CU_ASSERT_EQUAL(
		    log_read(f.r, &q, collect, &got, &page, &f.e), RC_OK);
		CU_ASSERT(page.n == 3 && page.reached == 3 && page.is_more);
		q.max_bytes = 0;
		got.n = 0;
		CU_ASSERT_EQUAL(
		    log_read(f.r, &q, collect, &got, &page, &f.e), RC_OK);
		CU_ASSERT(page.n == 1 && page.reached == 1 && page.is_more);
		got.stop_at = 2;
		page = fixture_page(&f, q.what, 10, 100, &got);
		got.stop_at = 0;
		CU_ASSERT(page.n == 2 && page.reached == 12 && page.is_more);
		q.max_bytes = SIZE_MAX;
		q.max_scan = 7;
		got.n = 0;
		CU_ASSERT_EQUAL(
		    log_read(f.r, &q, collect, &got, &page, &f.e), RC_OK);
		CU_ASSERT(page.n == 7 && page.reached == 7 && page.is_more);
	}
	pattern_set_fini(&what[0]);
	pattern_set_fini(&what[1]);
	fixture_fini(&f);
}

static void
scan_that_finds_nothing_says_how_far_it_came(void)
{
	const char *text[] = {"*/*/rare", NULL};
	struct log_query q = {
	    .max_messages = 10, .max_bytes = SIZE_MAX, .max_scan = 50};
	struct message m[300];
	struct appended result[300];
	struct pattern_set what;
	struct log_page page;
	struct fixture f;
	char name[80][24];

	fixture_start(&f);
	for (int i = 0; i < 80; i++) {
		snprintf(name[i], sizeof name[i], "x/%d/rare", i);
		m[i] = (struct message){
		    .channel = slice_of(name[i]), .data = SLICE("r")};
	}
	for (int i = 80; i < 300; i++)
		m[i] = (struct message){
		    .channel = SLICE("noise"), .data = SLICE("n")};
	CU_ASSERT_EQUAL(fixture_append(&f, m, result, 300), RC_OK);
	CU_ASSERT_EQUAL(fixture_append(&f, m, result, 80), RC_OK);
	fixture_patterns(&what, text);
	q.what = &what;
	q.after = 90;
	got.n = 0;
	CU_ASSERT_EQUAL(log_read(f.r, &q, collect, &got, &page, &f.e), RC_OK);
	CU_ASSERT(page.n == 0 && page.reached == 140 && page.is_more);
	page = fixture_page(&f, &what, 90, 1000, &got);
	CU_ASSERT(page.n == 80 && page.reached == 380 && !page.is_more);
	pattern_set_fini(&what);
	fixture_fini(&f);
}

#define MODEL_N 3000

/* Appends random messages to 150 channels, and remembers them in model. */
static void
fill_model(struct fixture *f)
{
	static struct message m[MODEL_N];
	static struct appended result[MODEL_N];
	unsigned x = 12345;

	for (int i = 0; i < MODEL_N; i++) {
		x = x * 1103515245 + 12345;
		/* a third of them in few channels */
		snprintf(model.channel[i], sizeof model.channel[i], "%s%u/c%u",
		    (x >> 16) % 17 == 0 ? "$" : "", (x >> 8) % 3,
		    (x >> 18) % ((x >> 12) % 3 == 0 ? 4 : 50));
		snprintf(model.data[i], sizeof model.data[i], "d%d", i);
		model.seq[i] = (uint64_t)i + 1;
		m[i] = (struct message){.channel = slice_of(model.channel[i]),
		    .data = slice_of(model.data[i])};
	}
	model.n = MODEL_N;
	CU_ASSERT_EQUAL_FATAL(fixture_append(f, m, result, MODEL_N), RC_OK);
	for (int i = 0; i < MODEL_N; i++)
		CU_ASSERT(result[i].seq == model.seq[i]);
}

static bool
model_matches(const struct pattern_set *what, size_t i)
{
	return what == NULL ||
	    pattern_set_matches(what, slice_of(model.channel[i]));
}

/* Reads all behind after, page by page, and compares with the model. */
static void
compare(struct fixture *f, const struct pattern_set *what, uint64_t after,
    uint32_t max, uint32_t max_scan)
{
	struct log_query q = {.what = what,
	    .after = after,
	    .max_messages = max,
	    .max_bytes = SIZE_MAX,
	    .max_scan = max_scan};
	struct log_page page = {.is_more = true};
	size_t i = (size_t)after, bad = 0;

	while (page.is_more) {
		got.n = 0;
		CU_ASSERT_EQUAL_FATAL(
		    log_read(f->r, &q, collect, &got, &page, &f->e), RC_OK);
		CU_ASSERT(page.n <= max);
		CU_ASSERT(page.reached > q.after || !page.is_more);
		for (size_t k = 0; k < got.n; k++, i++) {
			while (i < model.n && !model_matches(what, i))
				i++;
			bad += i >= model.n || got.seq[k] != model.seq[i] ||
			    strcmp(got.channel[k], model.channel[i]) != 0 ||
			    strcmp(got.data[k], model.data[i]) != 0;
		}
		/* nothing that matches was passed over */
		for (; i < page.reached; i++)
			bad += model_matches(what, i);
		q.after = page.reached;
	}
	CU_ASSERT_EQUAL(page.reached, MODEL_N);
	CU_ASSERT_EQUAL(bad, 0);
}

static const char *const model_queries[][8] = {
    {"0/c1"},
    {"0/c1", "1/c2", "2/c49"},
    {"0/c1", "nothing/there"},
    {"0/*"},
    {"**"},
    {"*/c2"},
    {"*/c2", "1/c2", "1/**", "0/c3"},
    {"$0/c1", "$1/c1", "*/c40"},
    {"*"},
};

static void
every_way_of_reading_agrees_with_a_plain_filter(void)
{
	static const uint64_t after[] = {0, 1, 1500, 2900, 2990, 3000};
	struct pattern_set what;
	struct fixture f;

	fixture_start(&f);
	fill_model(&f);
	for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
		compare(&f, NULL, after[i], 1000, 0);
		for (size_t k = 0;
		     k < sizeof model_queries / sizeof *model_queries; k++) {
			fixture_patterns(&what, model_queries[k]);
			compare(&f, &what, after[i], 1000, 0);
			compare(&f, &what, after[i], 7, 0);
			compare(&f, &what, after[i], 7, 20);
			pattern_set_fini(&what);
		}
	}
	fixture_fini(&f);
}

static void
before_last_leaves_exactly_the_newest_n_behind_it(void)
{
	static const uint32_t n[] = {0, 1, 2, 10, 100, 1000};
	const char *one[] = {"0/c1", NULL};
	struct pattern_set what;
	struct log_tip tip;
	struct fixture f;
	uint64_t after;
	size_t want, have, total;

	fixture_start(&f);
	fill_model(&f);
	for (size_t k = 0; k < sizeof model_queries / sizeof *model_queries;
	     k++) {
		fixture_patterns(&what, model_queries[k]);
		for (size_t i = 0; i < sizeof n / sizeof *n; i++) {
			CU_ASSERT_EQUAL(log_before_last(f.r, &what, n[i],
			                    &after, &tip, &f.e),
			    RC_OK);
			CU_ASSERT_EQUAL(tip.seq, MODEL_N);
			have = total = 0;
			for (size_t j = 0; j < model.n; j++) {
				total += model_matches(&what, j);
				have += j >= after && model_matches(&what, j);
			}
			want = n[i] < total ? n[i] : total;
			CU_ASSERT_EQUAL(have, want);
		}
		pattern_set_fini(&what);
	}
	CU_ASSERT_EQUAL(
	    log_before_last(f.r, NULL, 10, &after, &tip, &f.e), RC_OK);
	CU_ASSERT_EQUAL(after, MODEL_N - 10);
	fixture_patterns(&what, one);
	CU_ASSERT_EQUAL(
	    log_before_last(f.r, &what, 1001, &after, &tip, &f.e), RC_BAD);
	pattern_set_fini(&what);
	fixture_fini(&f);
}

static void
foreign_rows_are_repaired_or_left_out(void)
{
	struct fixture f;
	struct log_page page;

	fixture_start(&f);
	fixture_put(&f, "a", "1");
	CU_ASSERT_EQUAL(
	    fixture_sql(&f,
	        "INSERT INTO message(channel_id, time_ms, event, id, is_json, "
	        "data)"
	        "VALUES (1, 0, 'two' || char(10) || 'lines', x'00', 1, "
	        "x'61ff62'),"
	        "(1, 'soon', 7, printf('%0300d', 1), 'x', 42),"
	        "(1, 0, x'c328', char(133), 1, '{' || char(10) || '}'),"
	        "(1, 0, '', NULL, 1, ''), (1, 0, NULL, NULL, 0, zeroblob(0)),"
	        "(99, 0, NULL, NULL, 0, 'no channel');"
	        "INSERT INTO channel(id, name) VALUES (50, x'61'), (51, 'a*'),"
	        "(52, 'x' || char(10)), (53, CAST(x'ff' AS TEXT)), (54, '');"
	        "INSERT INTO message(channel_id, time_ms, data) VALUES (50, 0, "
	        "''),"
	        "(51, 0, ''), (52, 0, ''), (53, 0, ''), (54, 0, '');"
	        "UPDATE channel SET newest = 6 WHERE id = 1"),
	    SQLITE_OK);
	page = fixture_page(&f, NULL, 0, 100, &got);
	CU_ASSERT(page.n == 6 && page.reached == 12 && !page.is_more);
	page = fixture_page_of(&f, "a", 1, 1, &got);
	CU_ASSERT_STRING_EQUAL(got.data[0],
	    "a\xef\xbf\xbd"
	    "b");
	CU_ASSERT(!got.has_event && !got.has_id && got.is_json);
	page = fixture_page_of(&f, "a", 2, 1, &got);
	CU_ASSERT_STRING_EQUAL(got.data[0], "42");
	CU_ASSERT_STRING_EQUAL(got.event, "7");
	CU_ASSERT(!got.has_id && !got.is_json);
	page = fixture_page_of(&f, "a", 3, 1, &got);
	CU_ASSERT_STRING_EQUAL(got.data[0], "{\n}");
	CU_ASSERT(!got.has_event && !got.has_id && !got.is_json);
	page = fixture_page_of(&f, "**", 4, 2, &got);
	CU_ASSERT(page.n == 2 && !got.is_json);
	CU_ASSERT_STRING_EQUAL(got.data[1], "");
	fixture_fini(&f);
}

static bool
collect_channel(void *arg, const struct log_channel *c)
{
	struct collected *to = arg;

	collected_copy(to->channel[to->n], sizeof to->channel[0], c->name);
	to->seq[to->n] = c->newest * 1000 + c->messages * 100 + c->bytes;
	return ++to->n != to->stop_at;
}

static void
channels_are_listed_by_name_and_summed_up(void)
{
	struct fixture f;
	struct log_figures figures;

	fixture_start(&f);
	fixture_put(&f, "b", "12");
	fixture_put(&f, "a", "1");
	fixture_put(&f, "b", "345");
	fixture_put(&f, "c/d", "");
	CU_ASSERT_EQUAL(
	    fixture_sql(
	        &f, "INSERT INTO channel(name) VALUES ('a' || char(10))"),
	    SQLITE_OK);
	got.n = 0;
	CU_ASSERT_EQUAL(log_channels(f.r, (struct slice){0}, 10,
	                    collect_channel, &got, &f.e),
	    RC_OK);
	CU_ASSERT_EQUAL(got.n, 3);
	CU_ASSERT_STRING_EQUAL(got.channel[0], "a");
	CU_ASSERT_EQUAL(got.seq[0], 2101);
	CU_ASSERT_EQUAL(got.seq[1], 3205);
	CU_ASSERT_EQUAL(got.seq[2], 4100);
	got.n = 0;
	CU_ASSERT_EQUAL(
	    log_channels(f.r, SLICE("a"), 1, collect_channel, &got, &f.e),
	    RC_OK);
	CU_ASSERT_EQUAL(got.n, 1);
	CU_ASSERT_STRING_EQUAL(got.channel[0], "b");
	CU_ASSERT_EQUAL(log_figures(f.r, &figures, &f.e), RC_OK);
	CU_ASSERT_EQUAL(figures.tip.seq, 4);
	CU_ASSERT_EQUAL(figures.channels, 4);
	CU_ASSERT_EQUAL(figures.messages, 4);
	CU_ASSERT_EQUAL(figures.bytes, 6);
	CU_ASSERT(figures.wal_bytes > 0 && figures.file_bytes > 0);
	CU_ASSERT(figures.created_ms > clock_unix_ms() - 60000);
	CU_ASSERT(figures.created_ms < clock_unix_ms() + 1000);
	fixture_fini(&f);
}

static void
newer_schema_is_refused(void)
{
	struct fixture f;

	fixture_start(&f);
	fixture_close(&f);
	CU_ASSERT_EQUAL(fixture_sql(&f, "PRAGMA user_version = 3"), SQLITE_OK);
	CU_ASSERT_EQUAL(fixture_try_open(&f), RC_CONFIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.e.text, "version 3"));
	fixture_fini(&f);
}

static void
database_of_another_program_is_refused_and_left_alone(void)
{
	struct fixture f;
	FILE *file;

	fixture_init(&f);
	CU_ASSERT_EQUAL(fixture_sql(&f, "CREATE TABLE theirs(x)"), SQLITE_OK);
	CU_ASSERT_EQUAL(fixture_try_open(&f), RC_LOG);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.e.text, "another program"));
	CU_ASSERT_EQUAL(
	    fixture_int(&f, "SELECT count(*) FROM sqlite_master"), 1);
	CU_ASSERT_EQUAL(fixture_int(&f, "PRAGMA application_id"), 0);
	file = fopen(f.path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("This is a letter, and no database at all.", file);
	for (int i = 0; i < 200; i++)
		fputs("With some more text, so that it is long enough.", file);
	fclose(file);
	CU_ASSERT_EQUAL(fixture_try_open(&f), RC_LOG);
	fixture_fini(&f);
}

static void
deleted_log_is_made_anew_with_a_new_epoch(void)
{
	struct fixture f;
	struct log_tip before, after;

	fixture_start(&f);
	fixture_put(&f, "a", "1");
	CU_ASSERT_EQUAL(log_tip(f.r, &before, &f.e), RC_OK);
	CU_ASSERT_EQUAL(unlink(f.path), 0);
	CU_ASSERT_EQUAL(log_tip(f.r, &after, &f.e), RC_OK);
	CU_ASSERT_EQUAL(after.seq, 0);
	CU_ASSERT_NOT_EQUAL(after.epoch, before.epoch);
	CU_ASSERT_EQUAL(log_epoch(f.log), after.epoch);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "2"), 1);
	CU_ASSERT_EQUAL(fixture_int(&f, "SELECT count(*) FROM message"), 1);
	fixture_fini(&f);
}

static void
restored_copy_gets_a_new_epoch_and_no_part_of_the_old_wal(void)
{
	struct fixture f;
	struct log_tip before, after;
	char copy[320], sql[400];

	fixture_start(&f);
	fixture_put(&f, "a", "1");
	snprintf(copy, sizeof copy, "%s-copy", f.path);
	snprintf(sql, sizeof sql, "VACUUM INTO '%s'", copy);
	CU_ASSERT_EQUAL(fixture_sql(&f, sql), SQLITE_OK);
	for (int i = 0; i < 50; i++)
		fixture_put(&f, "a", "lost by restoring");
	CU_ASSERT_EQUAL(log_tip(f.r, &before, &f.e), RC_OK);
	CU_ASSERT_EQUAL(rename(copy, f.path), 0);
	CU_ASSERT_EQUAL(log_tip(f.r, &after, &f.e), RC_OK);
	CU_ASSERT_EQUAL(after.seq, 1);
	CU_ASSERT_NOT_EQUAL(after.epoch, before.epoch);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "2"), 2);
	CU_ASSERT_EQUAL(fixture_int(&f,
	                    "SELECT count(*) FROM pragma_integrity_check "
	                    "WHERE integrity_check = 'ok'"),
	    1);
	fixture_page(&f, NULL, 0, 10, &got);
	CU_ASSERT_EQUAL(got.n, 2);
	CU_ASSERT_STRING_EQUAL(got.data[1], "2");
	fixture_fini(&f);
}

/* Copies in place, as cp(1) does: the file that was there stays the same. */
static void
copy_file(const char *from, const char *to)
{
	static char byte[1 << 20];
	int in = open(from, O_RDONLY);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n = read(in, byte, sizeof byte);

	CU_ASSERT(n > 0 && n < (ssize_t)sizeof byte);
	CU_ASSERT_EQUAL(write(out, byte, (size_t)n), n);
	CU_ASSERT(close(in) == 0 && close(out) == 0);
}

static void
log_restored_in_place_gets_a_new_epoch_each_time(void)
{
	uint32_t epoch[4];
	char copy[320];
	struct fixture f;

	fixture_start(&f);
	snprintf(copy, sizeof copy, "%s-copy", f.path);
	fixture_put(&f, "a", "1");
	epoch[0] = log_epoch(f.log);
	fixture_close(&f);
	copy_file(f.path, copy);
	for (int i = 1; i < 4; i++) {
		fixture_open(&f);
		/* each time more, so that only the epoch tells the last */
		for (int j = 0; j < 5 - i; j++)
			fixture_put(&f, "a", "lost by restoring");
		fixture_close(&f);
		copy_file(copy, f.path);
		fixture_open(&f);
		epoch[i] = log_epoch(f.log);
		for (int j = 0; j < i; j++)
			CU_ASSERT_NOT_EQUAL(epoch[i], epoch[j]);
		fixture_close(&f);
		fixture_open(&f);
		CU_ASSERT_EQUAL(log_epoch(f.log), epoch[i]);
		CU_ASSERT_EQUAL(fixture_put(&f, "a", "2"), 2);
		fixture_close(&f);
		fixture_open(&f);
		CU_ASSERT_EQUAL(log_epoch(f.log), epoch[i]);
		fixture_close(&f);
	}
	fixture_open(&f);
	fixture_fini(&f);
}

/* As the sqlite3 shell's ".backup" and ".restore". */
static void
restore(const char *from, const char *to)
{
	sqlite3 *in = NULL, *out = NULL;
	sqlite3_backup *b;

	CU_ASSERT_EQUAL(sqlite3_open(from, &in), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_open(to, &out), SQLITE_OK);
	b = sqlite3_backup_init(out, "main", in, "main");
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	CU_ASSERT_EQUAL(sqlite3_backup_step(b, -1), SQLITE_DONE);
	CU_ASSERT_EQUAL(sqlite3_backup_finish(b), SQLITE_OK);
	sqlite3_close(in);
	sqlite3_close(out);
}

static void
log_restored_in_use_is_noticed_by_readers(void)
{
	static const enum log_journal journal[] = {LOG_WAL, LOG_ROLLBACK};
	struct log_tip before, after;
	struct log_page page;
	struct fixture f;
	char copy[320];

	for (int i = 0; i < 2; i++) {
		fixture_init(&f);
		f.o.journal = journal[i];
		fixture_open(&f);
		snprintf(copy, sizeof copy, "%s-copy", f.path);
		fixture_put(&f, "a", "1");
		restore(f.path, copy);
		/* a foreign one: the wake file knows nothing of it */
		CU_ASSERT_EQUAL(fixture_sql(&f,
		                    "INSERT INTO publish(channel, "
		                    "data) VALUES ('b', 'lost')"),
		    SQLITE_OK);
		CU_ASSERT_EQUAL(log_tip(f.r, &before, &f.e), RC_OK);
		restore(copy, f.path);
		page = fixture_page_of(&f, "a", 0, 10, &got);
		CU_ASSERT(before.seq == 2 && page.tip.seq == 1 && page.n == 1);
		CU_ASSERT_NOT_EQUAL(page.tip.epoch, before.epoch);
		CU_ASSERT_EQUAL(log_epoch(f.log), page.tip.epoch);
		/* another channel has the number of b now */
		CU_ASSERT_EQUAL(fixture_put(&f, "c", "2"), 2);
		fixture_page(&f, NULL, 0, 10, &got);
		CU_ASSERT(got.n == 2);
		CU_ASSERT_STRING_EQUAL(got.channel[1], "c");
		CU_ASSERT_EQUAL(log_tip(f.r, &after, &f.e), RC_OK);
		CU_ASSERT_EQUAL(after.epoch, page.tip.epoch);
		fixture_fini(&f);
	}
}

static void
log_restored_in_use_is_noticed_by_the_writer(void)
{
	struct message m = {.channel = SLICE("b"), .data = SLICE("x")};
	struct appended result;
	struct waiting a;
	struct fixture f;
	uint32_t epoch;
	char copy[320];

	for (int i = 0; i < 2; i++) {
		fixture_start(&f);
		snprintf(copy, sizeof copy, "%s-copy", f.path);
		epoch = log_epoch(f.log);
		fixture_put(&f, "a", "1");
		restore(f.path, copy);
		fixture_put(&f, "b", "lost");
		fixture_put(&f, "b", "lost");
		restore(copy, f.path);
		if (i == 1) /* a reader is first */
			fixture_page(&f, NULL, 0, 10, &got);
		/* c gets the number that b had */
		CU_ASSERT_EQUAL(fixture_sql(&f,
		                    "INSERT INTO publish(channel, "
		                    "data) VALUES ('c', '2')"),
		    SQLITE_OK);
		CU_ASSERT_EQUAL(waiting_begin(f.w, &a, &m, &result, 1), RC_OK);
		CU_ASSERT_EQUAL(waiting_end(&a), RC_OK);
		CU_ASSERT_EQUAL(result.seq, 3);
		CU_ASSERT_NOT_EQUAL(a.a.epoch, epoch);
		CU_ASSERT_EQUAL(fixture_int(&f, "SELECT epoch FROM meta"),
		    (int64_t)a.a.epoch);
		fixture_page(&f, NULL, 0, 10, &got);
		CU_ASSERT(got.n == 3);
		CU_ASSERT_STRING_EQUAL(got.channel[1], "c");
		CU_ASSERT_STRING_EQUAL(got.channel[2], "b");
		fixture_close(&f);
		fixture_open(&f);
		CU_ASSERT_EQUAL(log_epoch(f.log), a.a.epoch);
		fixture_fini(&f);
	}
}

static void
wake_file_that_holds_no_mark_changes_nothing(void)
{
	struct file_mark mark;
	unsigned char byte[sizeof mark];
	uint32_t epoch;
	struct fixture f;
	char wake[320];
	int fd;

	fixture_start(&f);
	fixture_put(&f, "a", "1");
	epoch = log_epoch(f.log);
	snprintf(wake, sizeof wake, "%s", log_wake_path(f.log));
	fixture_close(&f);
	fd = open(wake, O_RDWR);
	CU_ASSERT(file_read_mark(fd, &mark));
	CU_ASSERT(mark.seq == 1 && mark.epoch == epoch);
	/* cut short, empty, and torn: each byte from another mark */
	for (size_t n = 0; n < sizeof mark; n++) {
		file_write_mark(fd, 99, epoch);
		CU_ASSERT_EQUAL(ftruncate(fd, (off_t)n), 0);
		CU_ASSERT(!file_read_mark(fd, &mark));
	}
	file_note_boot(fd);
	fixture_open(&f);
	CU_ASSERT_EQUAL(log_epoch(f.log), epoch);
	fixture_close(&f);
	file_write_mark(fd, 99, epoch);
	for (size_t at = 0; at < sizeof byte; at++) {
		CU_ASSERT_EQUAL(pread(fd, byte, sizeof byte, 0), sizeof byte);
		byte[at] ^= 1;
		CU_ASSERT_EQUAL(pwrite(fd, byte, sizeof byte, 0), sizeof byte);
		CU_ASSERT(!file_read_mark(fd, &mark));
		byte[at] ^= 1;
		CU_ASSERT_EQUAL(pwrite(fd, byte, sizeof byte, 0), sizeof byte);
	}
	CU_ASSERT(file_read_mark(fd, &mark));
	close(fd);
	fixture_open(&f);
	CU_ASSERT_NOT_EQUAL(log_epoch(f.log), epoch);
	fixture_fini(&f);
}

/* What opens the log beside the one that has it open. */
struct opener {
	struct fixture f;
	const struct log *other;
};

static void *
open_again_and_again(void *arg)
{
	struct opener *o = arg;

	for (int i = 0; i < 200; i++) {
		CU_ASSERT_EQUAL(fixture_try_open(&o->f), RC_OK);
		CU_ASSERT_EQUAL(log_epoch(o->f.log), log_epoch(o->other));
		if (i % 10 == 0)
			fixture_put(&o->f, "b", "x");
		fixture_close(&o->f);
	}
	return NULL;
}

static void
epoch_stays_when_logs_are_opened_while_others_commit(void)
{
	struct fixture f;
	struct opener opener[2];
	pthread_t thread[2];
	uint32_t epoch;

	fixture_start(&f);
	epoch = log_epoch(f.log);
	for (int i = 0; i < 2; i++) {
		opener[i] = (struct opener){.f = f, .other = f.log};
		opener[i].f.o.path = opener[i].f.path;
		pthread_create(
		    &thread[i], NULL, open_again_and_again, &opener[i]);
	}
	for (int i = 0; i < 2000; i++) {
		fixture_put(&f, "a", "x");
		fixture_page_of(&f, "a", 0, 1, &got);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	CU_ASSERT_EQUAL(log_epoch(f.log), epoch);
	CU_ASSERT_EQUAL(
	    fixture_int(&f, "SELECT epoch FROM meta"), (int64_t)epoch);
	fixture_fini(&f);
}

static void
rollback_journal_carries_the_log_as_well(void)
{
	struct fixture f;
	struct log *other;

	fixture_init(&f);
	f.o.journal = LOG_ROLLBACK;
	fixture_open(&f);
	CU_ASSERT_STRING_EQUAL(log_change_path(f.log), log_path(f.log));
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "1"), 1);
	CU_ASSERT_EQUAL(
	    fixture_sql(
	        &f, "INSERT INTO publish(channel, data) VALUES ('a', '2')"),
	    SQLITE_OK);
	fixture_page(&f, NULL, 0, 10, &got);
	CU_ASSERT_EQUAL(got.n, 2);
	fixture_close(&f);

	/* converted while nobody uses it, both ways */
	f.o.journal = LOG_WAL;
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "3"), 3);
	CU_ASSERT_EQUAL(access(log_change_path(f.log), F_OK), 0);
	f.o.journal = LOG_ROLLBACK;
	f.o.busy_ms = 20;
	CU_ASSERT_EQUAL(log_open(&other, &f.o, &f.e), RC_CONFIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(f.e.text, "journal=wal"));
	fixture_close(&f);
	fixture_open(&f);
	CU_ASSERT_EQUAL(fixture_put(&f, "a", "4"), 4);
	fixture_fini(&f);
}

static void
network_file_systems_are_known(void)
{
	CU_ASSERT_EQUAL(file_system_kind(0x6969), FILE_NETWORK);
	CU_ASSERT_EQUAL(file_system_kind(0xfe534d42), FILE_NETWORK);
	CU_ASSERT_EQUAL(
	    file_system_kind((uint64_t)(int32_t)0xff534d42), FILE_NETWORK);
	CU_ASSERT_EQUAL(file_system_kind(0x01021997), FILE_NETWORK);
	CU_ASSERT_EQUAL(file_system_kind(0x65735546), FILE_DOUBTFUL);
	CU_ASSERT_EQUAL(file_system_kind(0xef53), FILE_LOCAL);
}

static void
automatic_journal_is_what_the_log_already_has(void)
{
	struct log *l = NULL;
	struct fixture f;

	fixture_init(&f);
	f.o.journal = LOG_AUTO;
	fixture_open(&f);
	CU_ASSERT_PTR_NOT_NULL(strstr(log_change_path(f.log), "-wal"));
	fixture_put(&f, "a", "1");
	fixture_close(&f);
	f.o.journal = LOG_ROLLBACK;
	fixture_open(&f);
	f.o.journal = LOG_AUTO;
	CU_ASSERT_EQUAL(log_open(&l, &f.o, &f.e), RC_OK);
	CU_ASSERT_STRING_EQUAL(log_change_path(l), log_path(l));
	log_close(l);
	fixture_close(&f);
	fixture_open(&f);
	CU_ASSERT_STRING_EQUAL(log_change_path(f.log), log_path(f.log));
	fixture_fini(&f);
}

static void
folder_is_tried_for_shared_memory_and_left_clean(void)
{
	struct fixture f;
	char path[400];

	fixture_init(&f);
	CU_ASSERT_TRUE(file_is_shareable(f.path));
	CU_ASSERT_EQUAL(rmdir(f.folder), 0); /* nothing is left in it */
	CU_ASSERT_FALSE(file_is_shareable(f.path));
	snprintf(path, sizeof path, "/proc/log.db"); /* no files to be made */
	CU_ASSERT_FALSE(file_is_shareable(path));
}

static void
log_without_a_folder_is_refused(void)
{
	struct fixture f;
	char path[400];

	fixture_init(&f);
	snprintf(path, sizeof path, "%s/none/log.db", f.folder);
	f.o.path = path;
	CU_ASSERT_EQUAL(fixture_try_open(&f), RC_LOG);
	CU_ASSERT_PTR_NULL(f.log);
	fixture_fini(&f);
}

static void
want_of_memory_is_an_error_like_another(void)
{
	const char *text[] = {"a", NULL};
	struct log_query q = {.max_messages = 9, .max_bytes = SIZE_MAX};
	struct log_reader *r = NULL;
	struct pattern_set what;
	struct log_page page;
	struct log *l = NULL;
	struct fixture f;
	unsigned after;
	enum rc rc;

	fixture_start(&f);
	CU_ASSERT_EQUAL(
	    fixture_sql(
	        &f, "INSERT INTO publish(channel, data) VALUES ('a', x'ff')"),
	    SQLITE_OK);
	fixture_patterns(&what, text);
	q.what = &what;
	for (after = 0;; after++) {
		fail_alloc_after(after);
		got.n = 0;
		rc = log_open(&l, &f.o, &f.e);
		if (rc == RC_OK)
			rc = log_reader_open(l, &r, &f.e);
		if (rc == RC_OK)
			rc = log_read(r, &q, collect, &got, &page, &f.e);
		if (!fail_alloc_end())
			break;
		CU_ASSERT_EQUAL(rc, RC_NOMEM);
		log_reader_close(r);
		log_close(l);
		r = NULL;
		l = NULL;
	}
	CU_ASSERT_EQUAL(rc, RC_OK);
	CU_ASSERT_EQUAL(got.n, 1);
	CU_ASSERT(after >= 4);
	log_reader_close(r);
	log_close(l);
	pattern_set_fini(&what);
	fixture_fini(&f);
}

CU_TestInfo test_log_reader[] = {
    {"empty_log_has_tip_zero_and_an_epoch",
        empty_log_has_tip_zero_and_an_epoch},
    {"epoch_stays_when_the_log_is_opened_again",
        epoch_stays_when_the_log_is_opened_again},
    {"one_channel_is_read_page_by_page_in_order",
        one_channel_is_read_page_by_page_in_order},
    {"page_ends_by_bytes_scan_or_the_callback",
        page_ends_by_bytes_scan_or_the_callback},
    {"scan_that_finds_nothing_says_how_far_it_came",
        scan_that_finds_nothing_says_how_far_it_came},
    {"every_way_of_reading_agrees_with_a_plain_filter",
        every_way_of_reading_agrees_with_a_plain_filter},
    {"before_last_leaves_exactly_the_newest_n_behind_it",
        before_last_leaves_exactly_the_newest_n_behind_it},
    {"foreign_rows_are_repaired_or_left_out",
        foreign_rows_are_repaired_or_left_out},
    {"channels_are_listed_by_name_and_summed_up",
        channels_are_listed_by_name_and_summed_up},
    {"newer_schema_is_refused", newer_schema_is_refused},
    {"database_of_another_program_is_refused_and_left_alone",
        database_of_another_program_is_refused_and_left_alone},
    {"deleted_log_is_made_anew_with_a_new_epoch",
        deleted_log_is_made_anew_with_a_new_epoch},
    {"restored_copy_gets_a_new_epoch_and_no_part_of_the_old_wal",
        restored_copy_gets_a_new_epoch_and_no_part_of_the_old_wal},
    {"log_restored_in_place_gets_a_new_epoch_each_time",
        log_restored_in_place_gets_a_new_epoch_each_time},
    {"log_restored_in_use_is_noticed_by_readers",
        log_restored_in_use_is_noticed_by_readers},
    {"log_restored_in_use_is_noticed_by_the_writer",
        log_restored_in_use_is_noticed_by_the_writer},
    {"wake_file_that_holds_no_mark_changes_nothing",
        wake_file_that_holds_no_mark_changes_nothing},
    {"epoch_stays_when_logs_are_opened_while_others_commit",
        epoch_stays_when_logs_are_opened_while_others_commit},
    {"rollback_journal_carries_the_log_as_well",
        rollback_journal_carries_the_log_as_well},
    {"network_file_systems_are_known", network_file_systems_are_known},
    {"automatic_journal_is_what_the_log_already_has",
        automatic_journal_is_what_the_log_already_has},
    {"folder_is_tried_for_shared_memory_and_left_clean",
        folder_is_tried_for_shared_memory_and_left_clean},
    {"log_without_a_folder_is_refused", log_without_a_folder_is_refused},
    {"want_of_memory_is_an_error_like_another",
        want_of_memory_is_an_error_like_another},
    CU_TEST_INFO_NULL,
};
