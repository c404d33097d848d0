/* cometlog publish: messages straight into the log, as publish.c takes them
   over HTTP, with the same limits and errors. */
#include "prog/cli.h"

#include "log/writer.h"
#include "wire/envelope.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE_BYTES 65536

struct publishing {
	struct append append; /* first: what the writer gives back */
	struct envelope env;
	sem_t is_done;
	enum rc rc;
	struct err e;
};

static void
on_done(struct append *a, enum rc rc, const char *why)
{
	struct publishing *p = (struct publishing *)a;

	p->rc = rc == RC_OK ? RC_OK : err_set(&p->e, rc, "%s", why);
	sem_post(&p->is_done);
}

static enum rc
read_input(struct buf *b, uint64_t limit_bytes, struct err *e)
{
	ssize_t n = 1;
	char *to;

	while (n > 0) {
		if ((to = buf_room(b, PIECE_BYTES)) == NULL)
			return err_set(e, RC_NOMEM, "no memory for the data");
		n = read(STDIN_FILENO, to, PIECE_BYTES);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			return err_set(
			    e, RC_IO, "standard input: %s", strerror(errno));
		else
			b->n += (size_t)n;
		if (b->n > limit_bytes)
			return err_set(e, RC_TOO_LARGE,
			    "The data is over %llu "
			    "bytes (option body-bytes).",
			    (unsigned long long)limit_bytes);
	}
	return RC_OK;
}

/* The data from the argument, or from standard input. */
static enum rc
get_data(
    const struct options *o, const char *given, struct buf *b, struct err *e)
{
	if (given == NULL || strcmp(given, "-") == 0)
		return read_input(b, o->body_bytes, e);
	buf_add_text(b, given);
	return b->rc == RC_OK ? RC_OK
	                      : err_set(e, RC_NOMEM, "no memory for the data");
}

/* Hands the messages to a writer of their own, and waits for it. */
static enum rc
store(
    struct publishing *p, struct log *l, const struct options *o, struct err *e)
{
	struct log_writer_options wo = {
	    .queue_messages = o->queue_messages,
	    .queue_bytes = o->queue_bytes,
	    .group_messages = o->group_messages,
	    .retain_every_ms = o->retain_interval_ms,
	};
	struct log_writer *w;
	enum rc rc;

	p->append.message = p->env.message;
	p->append.n = p->env.n;
	p->append.bytes = p->env.bytes;
	p->append.done = on_done;
	p->append.result = calloc(p->env.n, sizeof *p->append.result);
	if (p->append.result == NULL)
		return err_set(e, RC_NOMEM, "no memory for the result");
	if ((rc = log_writer_start(l, &wo, &w, e)) != RC_OK)
		return rc;
	sem_init(&p->is_done, 0, 0);
	rc = log_append(w, &p->append, e);
	if (rc == RC_OK) {
		while (sem_wait(&p->is_done) != 0)
			continue;
		rc = p->rc;
		*e = p->e;
	}
	log_writer_stop(w);
	sem_destroy(&p->is_done);
	return rc;
}

static enum rc
tell(const struct publishing *p, struct err *e)
{
	size_t i;

	for (i = 0; i < p->append.n; i++)
		printf("%llu\n", (unsigned long long)p->append.result[i].seq);
	return fflush(stdout) == 0
	    ? RC_OK
	    : err_set(
	          e, RC_IO, "stored, but standard output: %s", strerror(errno));
}

/* What the command line says of the messages, as a request would. */
static enum rc
publish(const struct options *o, const struct envelope_source *from,
    const char *given, struct err *e)
{
	struct envelope_limits limits = {.messages = o->batch_messages};
	struct publishing p = {.rc = RC_OK};
	struct log *l = NULL;
	struct buf data;
	char *body;
	size_t n;
	enum rc rc;

	buf_init(&data, 0);
	rc = get_data(o, given, &data, e);
	body = buf_take(&data, &n);
	if (rc == RC_OK)
		rc = cli_open_log(o, false, &l, e);
	if (rc == RC_OK) {
		limits.message_bytes = log_message_bytes(l);
		rc = envelope_parse(from, body, n, &limits, &p.env, e);
	}
	if (rc == RC_OK && (rc = store(&p, l, o, e)) == RC_OK)
		rc = tell(&p, e);
	log_close(l);
	free(p.append.result);
	envelope_fini(&p.env);
	free(body);
	return rc;
}

static void
add_param(struct params *params, const char *name, const char *value)
{
	if (value != NULL)
		params->item[params->n++] =
		    (struct param){slice_of(name), slice_of(value)};
}

int
cli_publish(int argc, char **argv)
{
	const char *event = NULL, *id = NULL;
	bool is_json = false, is_ndjson = false;
	const struct cli_word word[] = {
	    {"--event", &event, NULL},
	    {"--id", &id, NULL},
	    {"--json", NULL, &is_json},
	    {"--ndjson", NULL, &is_ndjson},
	};
	struct params params = {.n = 0};
	struct envelope_source from = {.query = &params};
	size_t least, most;
	struct cli c;
	struct err e;
	enum rc rc = cli_parse(
	    &c, argc, argv, word, sizeof word / sizeof word[0], true, &e);

	least = is_ndjson ? 0 : 1;
	most = is_ndjson ? 1 : 2;
	if (rc == RC_OK &&
	    (c.n_names < least || c.n_names > most || (is_ndjson && is_json)))
		rc = err_set(&e, RC_BAD,
		    is_ndjson
		        ? "--ndjson takes standard input, and nothing else"
		        : "give a channel, then the data or nothing");
	add_param(&params, "event", event);
	add_param(&params, "id", id);
	from.content_type = is_ndjson ? SLICE("application/x-ndjson")
	    : is_json                 ? SLICE("application/json")
	                              : SLICE("text/plain");
	if (rc == RC_OK && !is_ndjson)
		from.path_channel = slice_of(c.name[0]);
	if (rc == RC_OK)
		rc = publish(&c.options, &from,
		    c.n_names < most ? NULL : c.name[most - 1], &e);
	options_fini(&c.options);
	return rc == RC_OK ? EXIT_SUCCESS : cli_fail("publish", rc, e.text);
}
