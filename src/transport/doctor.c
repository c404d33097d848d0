/*
 * The doctor's side in the server: facts about the place where the site lives,
 * and probes that its page and `cometlog doctor` measure with.  Which findings
 * follow is theirs to say.
 */
#include "transport/technique.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "transport/answer.h"
#include "transport/probe.h"
#include "wire/http.h"
#include "wire/json.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_STORE "Cache-Control: no-store\r\n"

/* As on streams (transport/streaming.c), for that is what is measured. */
#define UNBUFFERED \
	"Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n" \
	"X-Content-Type-Options: nosniff\r\n"

#define OPENING_MAX 65536
#define STREAM_STEP_MS 1500
#define STREAM_STEPS 2
#define HOLD_STEP_MS 1000
#define HOLD_MAX_S 330

/* What the web server says may hold any byte. */
static void
add_text(struct buf *b, struct slice s)
{
	struct buf clean;

	buf_init(&clean, 0);
	utf8_add_repaired(&clean, s);
	if (clean.rc != RC_OK)
		b->rc = clean.rc;
	json_add_string(b, buf_slice(&clean), false);
	buf_fini(&clean);
}

static const char *
yes(bool is_so)
{
	return is_so ? "true" : "false";
}

static void
add_place(struct buf *b, const struct server *s, const struct request *rq)
{
	buf_printf(b,
	    "{\"version\":\"%s\",\"time\":%lld,\"gateway\":\"%s\","
	    "\"server\":{\"software\":",
	    COMETLOG_VERSION, (long long)clock_unix_ms(),
	    s->is_single ? "cgi" : "fastcgi");
	add_text(b, rq->web_server);
	buf_add_text(b, ",\"protocol\":");
	add_text(b, rq->protocol);
	buf_printf(b, ",\"https\":%s}",
	    yes(rq->https.n > 0 && !slice_is(rq->https, SLICE("off"))));
}

static void
add_log(struct buf *b, const struct log_fitness *f)
{
	buf_printf(b,
	    ",\"log\":{\"journal\":\"%s\",\"file_system\":\"%s\","
	    "\"reach\":\"%s\",\"locks\":%s,\"shared_memory\":%s,\"wal\":%s,"
	    "\"in_web_root\":%s,\"free_bytes\":%llu}",
	    f->is_wal ? "wal" : "rollback", f->file_system, f->reach,
	    yes(f->has_locks), yes(f->has_shared_memory),
	    yes(f->is_fit_for_wal), yes(f->is_in_web_root),
	    (unsigned long long)f->free_bytes);
}

/* age_ms is null while there is no file. */
static void
add_tip(struct buf *b, const struct options *o)
{
	struct stat st;

	buf_printf(b, ",\"tip\":{\"configured\":%s,\"age_ms\":",
	    yes(o->tip_file != NULL));
	if (o->tip_file != NULL && stat(o->tip_file, &st) == 0)
		buf_printf(b, "%lld",
		    (long long)(clock_unix_ms() -
		        (int64_t)st.st_mtim.tv_sec * 1000 -
		        st.st_mtim.tv_nsec / 1000000));
	else
		buf_add_text(b, "null");
	buf_add_char(b, '}');
}

static void
add_limits(struct buf *b, struct server *s)
{
	const struct options *o = s->options;
	struct hub_figures h;
	uint32_t places, taken;

	hub_figures(s->hub, &h);
	hub_budget_figures(s->hub, &places, &taken);
	buf_printf(b,
	    ",\"budget\":{\"site_requests\":%u,"
	    "\"site_places\":%u,\"site_held\":%u,\"client_held\":%u,"
	    "\"process_places\":%u,\"process_held\":%llu,\"probes\":%u,"
	    "\"probes_max\":%u}",
	    o->site_requests, places, taken, o->client_held, o->max_held,
	    (unsigned long long)h.held, probe_count(s), o->doctor_probes);
	buf_printf(b,
	    ",\"limits\":{\"max_hold_ms\":%u,"
	    "\"longpoll_timeout_ms\":%u,\"longpoll_max_ms\":%u,"
	    "\"turn_ms\":%u,\"heartbeat_ms\":%u,"
	    "\"message_bytes\":%llu,\"body_bytes\":%llu,\"hold_max_s\":%d}",
	    o->max_hold_ms, o->longpoll_timeout_ms, o->longpoll_max_ms,
	    o->turn_ms, o->heartbeat_ms, (unsigned long long)o->message_bytes,
	    (unsigned long long)o->body_bytes, HOLD_MAX_S);
	buf_printf(b,
	    ",\"process\":{\"pid\":%ld,\"uptime_s\":%llu,"
	    "\"workers\":%u}}",
	    (long)getpid(),
	    (unsigned long long)(clock_unix_ms() - s->started_ms) / 1000,
	    o->workers);
}

static void
serve_facts(struct server *s, struct request *rq)
{
	struct log_fitness f;
	struct err e;
	struct buf b;
	enum rc rc = store_fitness(s->store, rq->web_root, &f, &e);

	if (rc != RC_OK) {
		answer_problem(s, rq, rc, e.text);
		return;
	}
	buf_init(&b, 0);
	add_place(&b, s, rq);
	add_log(&b, &f);
	add_tip(&b, s->options);
	add_limits(&b, s);
	if (b.rc == RC_OK)
		answer_send(
		    s, rq, 200, "application/json", NO_STORE, buf_slice(&b));
	else
		answer_problem(s, rq, RC_NOMEM, "out of memory");
	buf_fini(&b);
}

/* Holds rq by the plan, with a head like those of the streams. */
static void
hold(struct server *s, struct request *rq, const struct probe_plan *plan,
    const char *type)
{
	struct buf head, lines;
	uint32_t place;
	struct err e;
	enum rc rc;

	if (request_is(rq, "HEAD")) {
		answer_send(s, rq, 200, type, UNBUFFERED, SLICE(""));
		return;
	}
	if ((rc = probe_claim(s, rq->client, &place, &e)) != RC_OK) {
		answer_problem(s, rq, rc, e.text);
		return;
	}
	buf_init(&head, 0);
	buf_init(&lines, 0);
	buf_add_text(&lines, UNBUFFERED);
	answer_add_cors(&lines, rq);
	buf_add_char(&lines, 0);
	http_add_head(&head, 200, type,
	    lines.rc == RC_OK ? lines.p : UNBUFFERED, HTTP_UNKNOWN);
	probe_hold(s, rq->outlet, place, buf_slice(&head), plan);
	buf_fini(&head);
	buf_fini(&lines);
	request_free(rq);
}

/* A number of the query that must lie between least and most. */
static enum rc
read_number(const struct request *rq, const char *name, uint64_t least,
    uint64_t most, uint64_t *v, struct err *e)
{
	enum rc rc = params_get_uint(&rq->params, name, most, v, e);

	if (rc == RC_OK && *v < least)
		return err_set(e, RC_BAD,
		    "%s= takes a number from %llu to "
		    "%llu here",
		    name, (unsigned long long)least, (unsigned long long)most);
	return rc;
}

/* type=html: what web servers like to compress, to see whether that holds a
   stream back. */
static void
serve_stream(struct server *s, struct request *rq)
{
	struct slice type = params_get(&rq->params, "type");
	bool is_html = slice_is(type, SLICE("html"));
	struct probe_plan plan = {
	    .steps = STREAM_STEPS, .every_ms = STREAM_STEP_MS};
	uint64_t bytes = 1024;
	struct err e;
	enum rc rc = read_number(rq, "bytes", 1, OPENING_MAX, &bytes, &e);

	if (rc == RC_OK && type.n > 0 && !is_html &&
	    !slice_is(type, SLICE("events")))
		rc = err_set(&e, RC_BAD, "type= takes events or html here");
	if (rc != RC_OK) {
		answer_problem(s, rq, rc, e.text);
		return;
	}
	plan.opening_bytes = (uint32_t)bytes;
	hold(s, rq, &plan,
	    is_html ? "text/html; charset=utf-8" : "text/event-stream");
}

static void
serve_hold(struct server *s, struct request *rq)
{
	uint64_t seconds = 1;
	struct err e;
	enum rc rc = read_number(rq, "seconds", 1, HOLD_MAX_S, &seconds, &e);
	struct probe_plan plan = {.steps = (uint32_t)seconds,
	    .every_ms = HOLD_STEP_MS,
	    .is_silent = params_get(&rq->params, "silent").p != NULL};

	if (rc != RC_OK)
		answer_problem(s, rq, rc, e.text);
	else
		hold(s, rq, &plan, "text/event-stream");
}

void
doctor_serve(struct server *s, struct request *rq, struct slice rest)
{
	if (s->options->doctor == OPTIONS_OFF)
		answer_problem(s, rq, RC_MISSING,
		    "The doctor is switched off "
		    "here. The operator can let it in with the option doctor.");
	else if (rest.n == 0)
		serve_facts(s, rq);
	else if (slice_is(rest, SLICE("ping")))
		answer_send(s, rq, 204, NULL, NO_STORE, SLICE(""));
	else if (slice_is(rest, SLICE("stream")))
		serve_stream(s, rq);
	else if (slice_is(rest, SLICE("hold")))
		serve_hold(s, rq);
	else
		answer_problem(s, rq, RC_MISSING,
		    "The doctor has ping, stream "
		    "and hold.");
}
