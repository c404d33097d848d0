/* About the server (API.md): status, metrics, channels.  The figures of held
   answers are those of the process that happens to answer. */
#include "transport/technique.h"

#include "base/clock.h"
#include "base/cursor.h"
#include "transport/answer.h"
#include "wire/html.h"
#include "wire/http.h"
#include "wire/json.h"
#include "wire/statuspage.h"

#include <stdio.h>
#include <unistd.h>

#define CHANNELS_MAX 1000

/* Everything there is to tell: one line makes JSON, metrics and the page. */
enum kind { COUNTER, GAUGE };

struct figure {
	const char *group, *name; /* name: cometlog_NAME in metrics */
	enum kind kind;
	uint64_t value;
	const char *help;
};

#define FIGURES_MAX 32

static uint64_t
counter(_Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static size_t
gather(struct server *s, const struct log_figures *l, struct figure *f)
{
	struct log_writer_figures w;
	struct hub_figures h;
	uint32_t places, taken;
	size_t n = 0;

	hub_budget_figures(s->hub, &places, &taken);
	store_writer_figures(s->store, &w);
	hub_figures(s->hub, &h);
#define ADD(group, name, kind, value, help) \
	f[n++] = (struct figure){group, name, kind, value, help}
	ADD("Log", "seq", GAUGE, l->tip.seq, "Position of the newest message");
	ADD("Log", "channels", GAUGE, l->channels, "Channels known");
	ADD("Log", "messages", GAUGE, l->messages, "Messages kept");
	ADD("Log", "data_bytes", GAUGE, l->bytes, "Their data, in bytes");
	ADD("Log", "file_bytes", GAUGE, l->file_bytes,
	    "Size of the database file");
	ADD("Log", "wal_bytes", GAUGE, l->wal_bytes,
	    "Size of the write-ahead log beside it");
	ADD("Writer", "commits_total", COUNTER, w.commits,
	    "Transactions of this process");
	ADD("Writer", "published_total", COUNTER, w.messages,
	    "Messages it stored");
	ADD("Writer", "duplicates_total", COUNTER, w.duplicates,
	    "Messages whose id was used before");
	ADD("Writer", "write_failures_total", COUNTER, w.failures,
	    "Messages the log could not take");
	ADD("Writer", "retained_total", COUNTER, w.retained,
	    "Messages deleted by retention");
	ADD("Writer", "queued", GAUGE, w.queued,
	    "Messages that wait to be stored");
	ADD("Readers", "held", GAUGE, h.held, "Answers held by this process");
	ADD("Readers", "held_total", COUNTER, h.held_total,
	    "Answers held since its start");
	ADD("Readers", "deliveries_total", COUNTER, h.deliveries,
	    "Messages handed to held answers");
	ADD("Readers", "sent_bytes_total", COUNTER, h.sent_bytes,
	    "Bytes sent to them");
	ADD("Readers", "pages_total", COUNTER, h.pages,
	    "Pages of history read for readers that were behind");
	ADD("Readers", "gaps_total", COUNTER, h.gaps, "Gaps announced");
	ADD("Readers", "ring_messages", GAUGE, h.ring_messages,
	    "Recent messages in memory");
	ADD("Readers", "ring_bytes", GAUGE, h.ring_bytes, "Their bytes");
	ADD("Site", "site_places", GAUGE, places,
	    "Answers that all processes together may hold; 0: no limit");
	ADD("Site", "site_held", GAUGE, taken, "Of these, taken now");
	ADD("Requests", "requests_total", COUNTER, counter(&s->count.requests),
	    "Requests served by this process");
	ADD("Requests", "refused_total", COUNTER, counter(&s->count.refused),
	    "Requests answered with an error");
	ADD("Requests", "degraded_total", COUNTER, counter(&s->count.degraded),
	    "Held techniques that found no place");
	ADD("Requests", "dropped_total", COUNTER, counter(&s->count.dropped),
	    "Connections closed because of malformed or late records");
	ADD("Process", "uptime_seconds", GAUGE,
	    (uint64_t)(clock_unix_ms() - s->started_ms) / 1000,
	    "Since this process started");
#undef ADD
	return n;
}

/* The figures, or the answer to a log that can't be read (then false). */
static bool
read_figures(struct server *s, struct request *rq, struct log_figures *l,
    struct figure *f, size_t *n)
{
	struct log_reader *r;
	struct err e;
	enum rc rc = store_borrow(s->store, &r, &e);

	if (rc == RC_OK) {
		rc = log_figures(r, l, &e);
		store_return(s->store, r);
	}
	if (rc != RC_OK) {
		answer_problem(s, rq, rc, e.text);
		return false;
	}
	*n = gather(s, l, f);
	return true;
}

static void
add_status_json(struct buf *b, const struct log_figures *l,
    const struct figure *f, size_t n)
{
	size_t i;

	buf_printf(b, "{\"version\":\"%s\",\"pid\":%ld,\"cursor\":\"",
	    COMETLOG_VERSION, (long)getpid());
	cursor_add(b, l->tip.seq, l->tip.epoch);
	buf_printf(b, "\",\"epoch\":\"%08x\",\"created\":%lld", l->tip.epoch,
	    (long long)l->created_ms);
	for (i = 0; i < n; i++)
		buf_printf(b, ",\"%s\":%llu", f[i].name,
		    (unsigned long long)f[i].value);
	buf_add_char(b, '}');
}

static void
add_status_page(struct buf *b, const struct log_figures *l,
    const struct figure *f, size_t n)
{
	struct status_row row[FIGURES_MAX + 3];
	char text[FIGURES_MAX][24], cursor[CURSOR_MAX_BYTES], pid[24];
	size_t k = 0, i;

	cursor_format(cursor, l->tip.seq, l->tip.epoch);
	snprintf(pid, sizeof pid, "%ld", (long)getpid());
	row[k++] = (struct status_row){SLICE("Log"), SLICE("cursor"),
	    slice_of(cursor), SLICE("The newest position and the log's epoch")};
	for (i = 0; i < n; i++) {
		snprintf(text[i], sizeof text[i], "%llu",
		    (unsigned long long)f[i].value);
		row[k++] = (struct status_row){slice_of(f[i].group),
		    slice_of(f[i].name), slice_of(text[i]),
		    slice_of(f[i].help)};
	}
	row[k++] = (struct status_row){SLICE("Process"), SLICE("pid"),
	    slice_of(pid), SLICE("Another process may answer next time")};
	row[k++] = (struct status_row){SLICE("Process"), SLICE("version"),
	    SLICE(COMETLOG_VERSION), SLICE("")};
	statuspage_add(b, SLICE("Cometlog"), row, k, 0);
}

static void
answer_buf(struct server *s, struct request *rq, const char *type,
    const char *extra, struct buf *b)
{
	if (b->rc == RC_OK)
		answer_send(s, rq, 200, type, extra, buf_slice(b));
	else
		answer_problem(s, rq, RC_NOMEM, "out of memory");
	buf_fini(b);
}

void
status_serve(struct server *s, struct request *rq, struct slice rest)
{
	struct figure f[FIGURES_MAX];
	struct log_figures l;
	struct buf b;
	size_t n;

	(void)rest;
	if (!read_figures(s, rq, &l, f, &n))
		return;
	buf_init(&b, 0);
	if (http_wants_html(rq->accept)) {
		add_status_page(&b, &l, f, n);
		answer_buf(s, rq, HTML_CONTENT_TYPE,
		    "Cache-Control: no-store"
		    "\r\nVary: Accept\r\n" HTML_HEADERS,
		    &b);
	} else {
		add_status_json(&b, &l, f, n);
		answer_buf(s, rq, "application/json",
		    "Cache-Control: no-store"
		    "\r\nVary: Accept\r\n",
		    &b);
	}
}

void
metrics_serve(struct server *s, struct request *rq, struct slice rest)
{
	struct figure f[FIGURES_MAX];
	struct log_figures l;
	struct buf b;
	size_t n, i;

	(void)rest;
	if (!read_figures(s, rq, &l, f, &n))
		return;
	buf_init(&b, 0);
	for (i = 0; i < n; i++)
		buf_printf(&b,
		    "# HELP cometlog_%s %s\n# TYPE cometlog_%s %s\n"
		    "cometlog_%s %llu\n",
		    f[i].name, f[i].help, f[i].name,
		    f[i].kind == COUNTER ? "counter" : "gauge", f[i].name,
		    (unsigned long long)f[i].value);
	answer_buf(s, rq, "text/plain; version=0.0.4; charset=utf-8",
	    "Cache-Control: no-store\r\n", &b);
}

struct channel_list {
	struct server *server;
	struct buf b;
	uint32_t n;
};

static bool
add_channel(void *arg, const struct log_channel *c)
{
	struct channel_list *l = arg;

	buf_add_text(&l->b, l->n++ == 0 ? "{\"name\":" : ",{\"name\":");
	json_add_string(&l->b, c->name, false);
	buf_printf(&l->b,
	    ",\"seq\":%llu,\"messages\":%llu,\"bytes\":%llu,"
	    "\"subscribers\":%llu}",
	    (unsigned long long)c->newest, (unsigned long long)c->messages,
	    (unsigned long long)c->bytes,
	    (unsigned long long)hub_subscribers(l->server->hub, c->name));
	return l->b.rc == RC_OK;
}

void
channels_serve(struct server *s, struct request *rq, struct slice rest)
{
	struct channel_list l = {.server = s};
	struct log_reader *r;
	uint64_t limit = CHANNELS_MAX;
	struct slice after = params_get(&rq->params, "after");
	struct err e;
	enum rc rc;

	(void)rest;
	buf_init(&l.b, 0);
	rc = params_get_uint(&rq->params, "limit", CHANNELS_MAX, &limit, &e);
	if (rc == RC_OK)
		rc = store_borrow(s->store, &r, &e);
	if (rc == RC_OK) {
		buf_add_text(&l.b, "{\"channels\":[");
		rc = log_channels(
		    r, after, (uint32_t)limit, add_channel, &l, &e);
		buf_add_text(&l.b, "]}");
		store_return(s->store, r);
	}
	if (rc == RC_OK) {
		answer_buf(s, rq, "application/json",
		    "Cache-Control: no-store\r\n", &l.b);
	} else {
		answer_problem(s, rq, rc, e.text);
		buf_fini(&l.b);
	}
}
