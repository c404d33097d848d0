/* cometlog read: messages of the log, a line each, and with --follow those that
   come, too. */
#include "prog/cli.h"

#include "base/channel.h"
#include "base/cursor.h"
#include "hub/wake.h"
#include "log/reader.h"
#include "wire/encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE_MESSAGES 1000
#define LAST_MAX 1000

struct reading {
	struct log *log;
	struct log_reader *reader;
	struct pattern_set what;
	uint64_t after;
	bool is_promised; /* what is missing behind
	                     `after` must be told */
	struct encode how;
	uint32_t page_scan;
	size_t page_bytes;
	struct buf out;
	uv_loop_t loop;
	struct wake *wake;
	enum rc rc; /* why it ended, with --follow */
	struct err e;
};

static bool
on_message(void *arg, const struct message *m)
{
	struct reading *r = arg;

	encode_message(&r->out, &r->how, m);
	return r->out.rc == RC_OK;
}

static enum rc
print(struct reading *r, struct err *e)
{
	const char *p = r->out.p;
	size_t left = r->out.n;
	ssize_t n;

	if (r->out.rc != RC_OK)
		return err_set(e, RC_NOMEM, "no memory for a page");
	while (left > 0) {
		n = write(STDOUT_FILENO, p, left);
		if (n < 0 && errno != EINTR)
			return err_set(
			    e, RC_IO, "standard output: %s", strerror(errno));
		if (n > 0) {
			p += n;
			left -= (size_t)n;
		}
	}
	buf_clear(&r->out);
	return RC_OK;
}

/* The gap is told before what follows it. */
static enum rc
print_page(struct reading *r, const struct log_page *page, struct err *e)
{
	struct buf messages = r->out;
	enum rc rc;

	r->how.epoch = page->tip.epoch;
	if (!r->is_promised || page->kept_after <= r->after)
		return print(r, e);
	buf_init(&r->out, 0);
	encode_gap(&r->out, &r->how, page->kept_after);
	rc = print(r, e);
	buf_fini(&r->out);
	r->out = messages;
	return rc == RC_OK ? print(r, e) : rc;
}

/* Another log lies there, or it went back in time: from its oldest. */
static enum rc
begin_anew(struct reading *r, struct log_tip tip, struct err *e)
{
	r->how.epoch = tip.epoch;
	r->after = 0;
	encode_gap(&r->out, &r->how, 0);
	return print(r, e);
}

/* Everything that there is behind r->after. */
static enum rc
read_all(struct reading *r, struct err *e)
{
	struct log_query q = {.what = &r->what,
	    .max_messages = PAGE_MESSAGES,
	    .max_bytes = r->page_bytes,
	    .max_scan = r->page_scan};
	struct log_page page = {.is_more = true};
	struct log_tip tip;
	enum rc rc;

	if ((rc = log_tip(r->reader, &tip, e)) != RC_OK)
		return rc;
	if ((r->is_promised && r->how.epoch != 0 &&
	        tip.epoch != r->how.epoch) ||
	    r->after > tip.seq)
		if ((rc = begin_anew(r, tip, e)) != RC_OK)
			return rc;
	while (page.is_more) {
		q.after = r->after;
		rc = log_read(r->reader, &q, on_message, r, &page, e);
		if (rc == RC_OK)
			rc = print_page(r, &page, e);
		if (rc != RC_OK)
			return rc;
		r->after = page.reached;
		r->is_promised = true;
	}
	return RC_OK;
}

static void
on_look(void *arg)
{
	struct reading *r = arg;

	r->rc = read_all(r, &r->e);
	if (r->rc == RC_BUSY || r->rc == RC_LOG) {
		fprintf(
		    stderr, "cometlog read: %s (trying again)\n", r->e.text);
		buf_clear(&r->out);
		r->rc = RC_OK;
	}
	if (r->rc != RC_OK)
		uv_stop(&r->loop);
}

static enum rc
follow(struct reading *r, struct err *e)
{
	enum rc rc;

	if (uv_loop_init(&r->loop) != 0)
		return err_set(e, RC_IO, "can't make an event loop");
	rc = wake_new(&r->wake, &r->loop, log_wake_path(r->log),
	    log_change_path(r->log), on_look, NULL, r, e);
	if (rc == RC_OK) {
		wake_set(r->wake, true);
		on_look(r);
		if (r->rc == RC_OK)
			uv_run(&r->loop, UV_RUN_DEFAULT);
		wake_free(r->wake);
		uv_run(&r->loop, UV_RUN_DEFAULT);
		*e = r->e;
		rc = r->rc;
	}
	uv_loop_close(&r->loop);
	return rc;
}

/* since: a cursor, "now", or NULL; last: a number, or NULL. */
static enum rc
find_start(
    struct reading *r, const char *since, const char *last, struct err *e)
{
	struct log_tip tip;
	struct cursor c;
	char *end;
	unsigned long n;
	enum rc rc;

	if (since != NULL && last != NULL)
		return err_set(e, RC_BAD, "give --since or --last, not both");
	if (last != NULL) {
		n = strtoul(last, &end, 10);
		if (*last < '0' || *last > '9' || *end != 0 || n > LAST_MAX)
			return err_set(e, RC_BAD,
			    "--last takes a number up to "
			    "%d",
			    LAST_MAX);
		return log_before_last(
		    r->reader, &r->what, (uint32_t)n, &r->after, &tip, e);
	}
	if (since == NULL)
		return RC_OK;
	r->is_promised = true;
	if (strcmp(since, "now") == 0) {
		rc = log_tip(r->reader, &tip, e);
		r->after = tip.seq;
		r->how.epoch = tip.epoch;
		return rc;
	}
	if ((rc = cursor_parse(slice_of(since), &c, e)) != RC_OK)
		return rc;
	r->after = c.seq;
	r->how.epoch = c.has_epoch ? c.epoch : 0;
	return RC_OK;
}

static enum rc
begin(struct reading *r, const struct cli *c, const char *since,
    const char *last, struct err *e)
{
	struct slice pattern[CLI_NAMES_MAX];
	size_t i;
	enum rc rc;

	for (i = 0; i < c->n_names; i++)
		pattern[i] = slice_of(c->name[i]);
	rc = pattern_set_init(&r->what, pattern, c->n_names, e);
	if (rc == RC_OK)
		rc = cli_open_log(&c->options, true, &r->log, e);
	if (rc == RC_OK)
		rc = log_reader_open(r->log, &r->reader, e);
	return rc == RC_OK ? find_start(r, since, last, e) : rc;
}

int
cli_read(int argc, char **argv)
{
	const char *since = NULL, *last = NULL;
	bool is_following = false;
	const struct cli_word word[] = {
	    {"--since", &since, NULL},
	    {"--last", &last, NULL},
	    {"--follow", NULL, &is_following},
	};
	struct reading r = {.how = {.form = FORM_NDJSON}};
	struct cli c;
	struct err e;
	enum rc rc = cli_parse(
	    &c, argc, argv, word, sizeof word / sizeof word[0], true, &e);

	buf_init(&r.out, 0);
	if (rc == RC_OK && c.n_names == 0)
		rc = err_set(&e, RC_BAD,
		    "give a channel, or a pattern such as "
		    "'chat/**'");
	r.page_scan = c.options.page_scan;
	r.page_bytes = c.options.answer_bytes;
	if (rc == RC_OK)
		rc = begin(&r, &c, since, last, &e);
	if (rc == RC_OK)
		rc = is_following ? follow(&r, &e) : read_all(&r, &e);
	if (r.reader != NULL)
		log_reader_close(r.reader);
	log_close(r.log);
	pattern_set_fini(&r.what);
	buf_fini(&r.out);
	options_fini(&c.options);
	return rc == RC_OK ? EXIT_SUCCESS : cli_fail("read", rc, e.text);
}
