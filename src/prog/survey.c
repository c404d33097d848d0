#include "prog/survey.h"

#include "base/clock.h"
#include "prog/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 15000 /* for what isn't held */
#define HELD_S 20       /* how long those side by side last */
#define BEGIN_MS 15000  /* no more of them begin after that */
#define GAP_MS 20       /* between their beginnings */
/* What takes longer than that waits for others: mod_fcgid may take 2 s to start
   a process. */
#define STILL_MS 5000
#define PINGS 5

struct taking {
	struct survey *s;
	const struct survey_plan *plan;
	struct transfers *all;
	char url[2048];
};

static void
tell(const struct taking *t, const char *step)
{
	if (t->plan->tell != NULL)
		t->plan->tell(t->plan->arg, step);
}

static const char *
address(struct taking *t, const char *below)
{
	snprintf(t->url, sizeof t->url, "%s%s", t->plan->url, below);
	return t->url;
}

/* One request to its end; the caller frees *out with transfer_free. */
static enum rc
ask(struct taking *t, const char *url, const char *header,
    struct transfer **out, struct err *e)
{
	struct transfer_ask a = {
	    .url = url, .header = header, .limit_ms = ANSWER_MS};
	enum rc rc = transfer_begin(t->all, &a, out, e);

	if (rc == RC_OK)
		transfer_finish(*out);
	return rc;
}

/* The detail of a problem+json, as far as it goes: for people. */
static void
copy_detail(struct survey *s, const struct transfer *a)
{
	const char key[] = "\"detail\":\"", *p, *end;
	size_t n = 0;

	if (strncmp(a->type, "application/problem+json", 24) != 0 ||
	    a->body.n == 0 ||
	    (p = memmem(a->body.p, a->body.n, key, sizeof key - 1)) == NULL)
		return;
	p += sizeof key - 1;
	end = a->body.p + a->body.n;
	while (p + n < end && p[n] != '"' && p[n] != '\\' &&
	    n < sizeof s->detail - 1)
		n++;
	snprintf(s->detail, sizeof s->detail, "%.*s", (int)n, p);
}

static enum rc
reach(struct taking *t, struct err *e)
{
	struct survey *s = t->s;
	int64_t began = clock_unix_ms();
	struct transfer *a;
	enum rc rc = ask(t, address(t, "/doctor"), NULL, &a, e);

	if (rc != RC_OK)
		return rc;
	s->status = a->status;
	memcpy(s->error, a->error, sizeof s->error);
	memcpy(s->type, a->type, sizeof s->type);
	memcpy(s->server, a->server, sizeof s->server);
	memcpy(s->protocol, a->protocol, sizeof s->protocol);
	snprintf(s->sample, sizeof s->sample, "%.*s",
	    (int)(a->body.n < sizeof s->sample ? a->body.n
	                                       : sizeof s->sample - 1),
	    a->body.n == 0 ? "" : a->body.p);
	copy_detail(s, a);
	if (a->status == 200 && a->body.n > 0 &&
	    strncmp(a->type, "application/json", 16) == 0)
		s->is_reached =
		    survey_read_facts(&s->facts, a->body.p, a->body.n);
	s->skew_ms = s->facts.time_ms - (began + clock_unix_ms()) / 2;
	transfer_free(a);
	return RC_OK;
}

/* The quickest of a few. */
static enum rc
ping(struct taking *t, uint32_t *ms, struct err *e)
{
	struct transfer *a;
	enum rc rc;
	int i;

	*ms = 0;
	for (i = 0; i < PINGS; i++) {
		rc = ask(t, address(t, "/doctor/ping"), NULL, &a, e);
		if (rc != RC_OK)
			return rc;
		if (a->status == 204 && (*ms == 0 || a->end_ms < *ms))
			*ms = a->end_ms;
		transfer_free(a);
	}
	return RC_OK;
}

static bool
has_rest(const struct transfer *a)
{
	return a->text_ms != 0;
}

static bool
never(const struct transfer *a)
{
	(void)a;
	return false;
}

/* to_end: lets it end by itself, so that its place is free again. */
static enum rc
take_stream(struct taking *t, uint32_t bytes, const char *type, bool to_end,
    struct survey_stream *to, struct err *e)
{
	struct transfer_ask a = {.limit_ms = ANSWER_MS,
	    .mark_bytes = bytes,
	    .mark_text = "data: 1.5"};
	struct transfer *f;
	char below[64];
	enum rc rc;

	snprintf(below, sizeof below, "/doctor/stream?bytes=%u&type=%s", bytes,
	    type);
	a.url = address(t, below);
	if ((rc = transfer_begin(t->all, &a, &f, e)) != RC_OK)
		return rc;
	transfer_wait(f, to_end ? never : has_rest, ANSWER_MS);
	*to = (struct survey_stream){bytes, f->bytes_ms, f->text_ms, f->status};
	transfer_free(f);
	return RC_OK;
}

static enum rc
streams(struct taking *t, struct err *e)
{
	static const uint32_t bytes[SURVEY_STREAMS] = {1024, 4096, 65536};
	enum rc rc = RC_OK;
	size_t i;

	for (i = 0; i < SURVEY_STREAMS && rc == RC_OK; i++)
		rc = take_stream(
		    t, bytes[i], "events", false, &t->s->stream[i], e);
	return rc != RC_OK ? rc
	                   : take_stream(t, 4096, "html", true, &t->s->page, e);
}

/* Where the path of an address begins: behind its host. */
static const char *
path_of(const char *url)
{
	const char *host = strstr(url, "://");
	const char *path = host == NULL ? NULL : strchr(host + 3, '/');

	return path == NULL ? "" : path;
}

/* What may lie beside the program. */
static enum rc
files(struct taking *t, struct err *e)
{
	static const char *const name[SURVEY_FILES] = {
	    "data/", "data/cometlog.db", "cometlog.db", "cometlog.conf"};
	const char *slash = strrchr(path_of(t->plan->url), '/');
	int folder = slash == NULL ? (int)strlen(t->plan->url)
	                           : (int)(slash - t->plan->url);
	struct transfer *a;
	enum rc rc;
	size_t i;

	for (i = 0; i < SURVEY_FILES; i++) {
		snprintf(t->url, sizeof t->url, "%.*s/%s", folder, t->plan->url,
		    name[i]);
		if ((rc = ask(t, t->url, "Range: bytes=0-2047", &a, e)) !=
		    RC_OK)
			return rc;
		snprintf(t->s->file[i].path, sizeof t->s->file[i].path, "%s",
		    path_of(t->url));
		t->s->file[i].status = a->status;
		t->s->file[i].is_open = survey_is_secret(t->s->file[i].path,
		    a->status == 206 ? 200 : a->status, a->type,
		    a->body.n == 0 ? "" : a->body.p, a->body.n);
		transfer_free(a);
	}
	return RC_OK;
}

static bool
has_head(const struct transfer *a)
{
	return a->head_ms != 0;
}

/* One more answer is held, or *is_over.  Whether it is can't be seen from its
   head, which a buffer may keep; but a small request beside it must not
   wait. */
static enum rc
hold_one(struct taking *t, const char *url, bool *is_over, struct err *e)
{
	struct transfer_ask a = {.url = url, .limit_ms = HELD_S * 2000};
	struct survey *s = t->s;
	struct transfer *f, *p;
	enum rc rc = transfer_begin(t->all, &a, &f, e);

	if (rc != RC_OK)
		return rc;
	transfer_wait(f, has_head, GAP_MS);
	a = (struct transfer_ask){
	    .url = address(t, "/doctor/ping"), .limit_ms = STILL_MS};
	if ((rc = transfer_begin(t->all, &a, &p, e)) != RC_OK)
		return rc;
	transfer_finish(p);
	*is_over = true;
	if (f->status != 0 && f->status != 200)
		s->held_status = f->status;
	else if (p->status == 204 && !f->is_over)
		*is_over = false;
	else if (p->status > 204)
		s->held_status = p->status;
	else
		s->has_wait = true;
	s->held += !*is_over;
	s->held_ping_ms = *is_over ? s->held_ping_ms : p->end_ms;
	transfer_free(p);
	return RC_OK;
}

/* All that are held end when t->all is freed, and another is made. */
static enum rc
held(struct taking *t, struct err *e)
{
	uint64_t end = clock_mono_ms() + BEGIN_MS;
	bool is_over = false;
	char url[2048];
	enum rc rc = RC_OK;

	snprintf(
	    url, sizeof url, "%s/doctor/hold?seconds=%d", t->plan->url, HELD_S);
	while (rc == RC_OK && !is_over && t->s->held < SURVEY_HELD &&
	    clock_mono_ms() < end)
		rc = hold_one(t, url, &is_over, e);
	transfers_free(t->all);
	t->all = NULL;
	return rc == RC_OK ? transfers_new(&t->all, e) : rc;
}

/* "12.9f3a1c22" */
static bool
is_cursor(const struct buf *b)
{
	size_t digits = 0;

	while (digits < b->n && b->p[digits] >= '0' && b->p[digits] <= '9')
		digits++;
	return digits > 0 && digits < b->n && b->p[digits] == '.' && b->n < 40;
}

static enum rc
tip(struct taking *t, struct err *e)
{
	struct survey *s = t->s;
	char header[SURVEY_TEXT + 20];
	struct transfer *a;
	enum rc rc = ask(t, t->plan->tip_url, NULL, &a, e);

	if (rc != RC_OK)
		return rc;
	snprintf(
	    s->tip_path, sizeof s->tip_path, "%s", path_of(t->plan->tip_url));
	s->tip_status = a->status;
	s->has_tip_cursor = a->status == 200 && is_cursor(&a->body);
	snprintf(header, sizeof header, "If-None-Match: %s", a->mark);
	transfer_free(a);
	if (!s->has_tip_cursor)
		return RC_OK;
	rc = ask(t, t->plan->tip_url, header, &a, e);
	if (rc == RC_OK)
		s->tip_again = a->status;
	if (rc == RC_OK)
		transfer_free(a);
	return rc;
}

static enum rc
websocket(struct taking *t, struct err *e)
{
	struct transfer_ask a = {.is_upgrade = true, .limit_ms = ANSWER_MS};
	struct transfer *f;
	enum rc rc;

	a.url = address(t, "/ws");
	if ((rc = transfer_begin(t->all, &a, &f, e)) != RC_OK)
		return rc;
	transfer_wait(f, has_head, ANSWER_MS);
	t->s->has_websocket = f->status == 101;
	transfer_free(f);
	return RC_OK;
}

static enum rc
life(struct taking *t, uint32_t seconds, bool is_silent, struct survey_life *to,
    struct err *e)
{
	struct transfer_ask a = {.limit_ms = (seconds + 30) * 1000};
	struct transfer *f;
	char below[64], mark[32];
	enum rc rc;

	snprintf(below, sizeof below, "/doctor/hold?seconds=%u%s", seconds,
	    is_silent ? "&silent=1" : "");
	snprintf(mark, sizeof mark, "data: %u\n", seconds);
	a.url = address(t, below);
	a.mark_text = mark;
	if ((rc = transfer_begin(t->all, &a, &f, e)) != RC_OK)
		return rc;
	transfer_finish(f);
	/* a refusal with a problem is the program's, for want of a place */
	to->is_made = f->status != 503 || strstr(f->type, "problem") == NULL;
	to->asked_s = seconds;
	to->lived_ms = f->end_ms;
	to->is_whole = f->status == 200 && f->text_ms != 0;
	transfer_free(f);
	return RC_OK;
}

static enum rc
take_all(struct taking *t, struct err *e)
{
	const struct survey_plan *p = t->plan;
	struct survey *s = t->s;
	enum rc rc;

	tell(t, "looking for the program");
	if ((rc = reach(t, e)) != RC_OK || !s->is_reached)
		return rc;
	tell(t, "timing its answers");
	if ((rc = ping(t, &s->ping_ms, e)) != RC_OK)
		return rc;
	tell(t, "trying to fetch the log");
	if ((rc = files(t, e)) != RC_OK)
		return rc;
	tell(t, "watching a stream arrive");
	if ((rc = streams(t, e)) != RC_OK)
		return rc;
	tell(t, "holding answers side by side");
	if ((rc = held(t, e)) != RC_OK)
		return rc;
	tell(t, "asking for the tip file");
	if ((rc = tip(t, e)) != RC_OK)
		return rc;
	tell(t, "opening a WebSocket");
	if ((rc = websocket(t, e)) != RC_OK)
		return rc;
	if (p->silent_s > 0) {
		tell(t, "waiting in silence");
		rc = life(t, p->silent_s, true, &s->silent, e);
	}
	if (rc == RC_OK && p->life_s > 0) {
		tell(t, "keeping an answer open");
		rc = life(t, p->life_s, false, &s->life, e);
	}
	return rc;
}

enum rc
survey_take(struct survey *s, const struct survey_plan *plan, struct err *e)
{
	struct taking t = {.s = s, .plan = plan};
	enum rc rc;

	memset(s, 0, sizeof *s);
	if ((strncmp(plan->url, "http://", 7) != 0 &&
	        strncmp(plan->url, "https://", 8) != 0) ||
	    strlen(plan->url) > sizeof t.url / 2)
		return err_set(e, RC_BAD,
		    "%.80s is no address of the web; it "
		    "begins with http:// or https://",
		    plan->url);
	snprintf(s->path, sizeof s->path, "%s", path_of(plan->url));
	if ((rc = transfers_new(&t.all, e)) == RC_OK)
		rc = take_all(&t, e);
	transfers_free(t.all);
	return rc;
}
