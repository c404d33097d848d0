#include "prog/transfer.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* Of a body so much is kept: more than any probe sends. */
#define BODY_BYTES (128 * 1024)
#define STEP_MS 100
#define CONNECT_MS 10000L

struct transfers {
	CURLM *multi;
	struct transfer *list;
};

enum rc
transfers_new(struct transfers **out, struct err *e)
{
	struct transfers *all = calloc(1, sizeof *all);

	*out = NULL;
	if (all == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (all->multi = curl_multi_init()) == NULL) {
		free(all);
		return err_set(e, RC_NOMEM, "libcurl can't be used");
	}
	*out = all;
	return RC_OK;
}

void
transfers_free(struct transfers *all)
{
	if (all == NULL)
		return;
	while (all->list != NULL)
		transfer_free(all->list);
	curl_multi_cleanup(all->multi);
	curl_global_cleanup();
	free(all);
}

static uint32_t
elapsed(const struct transfer *t)
{
	uint64_t ms = clock_mono_ms() - t->started_ms;

	return ms == 0 ? 1 : (uint32_t)ms;
}

/* Takes the value of a header line if it is the one of that name. */
static void
take_field(const char *line, size_t n, const char *name, char *to)
{
	size_t length = strlen(name);

	if (n <= length || strncasecmp(line, name, length) != 0 ||
	    line[length] != ':')
		return;
	line += length + 1;
	n -= length + 1;
	while (n > 0 && *line == ' ') {
		line++;
		n--;
	}
	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n'))
		n--;
	snprintf(to, TRANSFER_TEXT, "%.*s", (int)(n > 1000 ? 1000 : n), line);
}

static size_t
on_header(char *line, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t n = size * count;

	if (n > 5 && strncmp(line, "HTTP/", 5) == 0) {
		snprintf(t->protocol, sizeof t->protocol, "%.*s",
		    (int)strcspn(line, " \r\n"), line);
		t->status =
		    n > 9 ? strtol(line + strcspn(line, " "), NULL, 10) : 0;
		if (t->status >= 200 || t->status == 101)
			t->head_ms = elapsed(t);
	}
	take_field(line, n, "Server", t->server);
	take_field(line, n, "Content-Type", t->type);
	take_field(line, n, "ETag", t->mark);
	return n;
}

static bool
has_text(const struct transfer *t)
{
	size_t from = t->ask.mark_bytes;

	return t->ask.mark_text != NULL && t->body.n > from &&
	    memmem(t->body.p + from, t->body.n - from, t->ask.mark_text,
	        strlen(t->ask.mark_text)) != NULL;
}

static size_t
on_body(char *p, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t n = size * count, room = BODY_BYTES - t->body.n;

	buf_add(&t->body, p, n < room ? n : room);
	if (t->bytes_ms == 0 && t->body.n >= t->ask.mark_bytes)
		t->bytes_ms = elapsed(t);
	if (t->text_ms == 0 && has_text(t))
		t->text_ms = elapsed(t);
	return t->body.rc == RC_OK ? n : 0;
}

static void
set_protocols(CURL *c)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(
	    c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static bool
add_line(struct transfer *t, const char *line)
{
	struct curl_slist *lines =
	    line == NULL ? t->lines : curl_slist_append(t->lines, line);

	if (lines == NULL && line != NULL)
		return false;
	t->lines = lines;
	return true;
}

static bool
prepare(struct transfer *t)
{
	CURL *c = t->handle;
	bool is_fine = add_line(t, t->ask.header);

	if (t->ask.is_upgrade) {
		is_fine = is_fine && add_line(t, "Connection: Upgrade") &&
		    add_line(t, "Upgrade: websocket") &&
		    add_line(t, "Sec-WebSocket-Version: 13") &&
		    add_line(t, "Sec-WebSocket-Key: Y29tZXRsb2cgZG9jdG9yIQ==");
		curl_easy_setopt(
		    c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	} else {
		curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "");
	}
	curl_easy_setopt(c, CURLOPT_URL, t->ask.url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->lines);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_PRIVATE, t);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)t->ask.limit_ms);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "cometlog/" COMETLOG_VERSION);
	set_protocols(c);
	return is_fine;
}

enum rc
transfer_begin(struct transfers *all, const struct transfer_ask *ask,
    struct transfer **out, struct err *e)
{
	struct transfer *t = calloc(1, sizeof *t);

	*out = NULL;
	if (t == NULL)
		return err_set(e, RC_NOMEM, "no memory for a request");
	t->all = all;
	t->ask = *ask;
	buf_init(&t->body, BODY_BYTES);
	t->next = all->list;
	all->list = t;
	t->handle = curl_easy_init();
	if (t->handle == NULL || !prepare(t) ||
	    curl_multi_add_handle(all->multi, t->handle) != CURLM_OK) {
		transfer_free(t);
		return err_set(e, RC_NOMEM, "no memory for a request");
	}
	t->started_ms = clock_mono_ms();
	*out = t;
	return RC_OK;
}

void
transfer_free(struct transfer *t)
{
	struct transfer **link;

	if (t == NULL)
		return;
	for (link = &t->all->list; *link != t; link = &(*link)->next)
		continue;
	*link = t->next;
	if (t->handle != NULL) {
		curl_multi_remove_handle(t->all->multi, t->handle);
		curl_easy_cleanup(t->handle);
	}
	curl_slist_free_all(t->lines);
	buf_fini(&t->body);
	free(t);
}

static void
note_end(const CURLMsg *m)
{
	struct transfer *t;

	if (m->msg != CURLMSG_DONE)
		return;
	curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
	t->is_over = true;
	t->end_ms = elapsed(t);
	t->is_whole = m->data.result == CURLE_OK;
	if (!t->is_whole)
		snprintf(t->error, sizeof t->error, "%s",
		    curl_easy_strerror(m->data.result));
}

/* One turn of at most ms. */
static void
go_on(struct transfers *all, uint32_t ms)
{
	int running, left;
	CURLMsg *m;

	curl_multi_perform(all->multi, &running);
	while ((m = curl_multi_info_read(all->multi, &left)) != NULL)
		note_end(m);
	if (running > 0)
		curl_multi_poll(all->multi, NULL, 0, (int)ms, NULL);
}

void
transfer_wait(
    struct transfer *t, bool (*is_so)(const struct transfer *t), uint32_t ms)
{
	uint64_t now = clock_mono_ms(), end = now + ms;

	go_on(t->all, 0);
	while (!t->is_over && !is_so(t) && (now = clock_mono_ms()) < end)
		go_on(t->all,
		    end - now < STEP_MS ? (uint32_t)(end - now) : STEP_MS);
}

static bool
never(const struct transfer *t)
{
	(void)t;
	return false;
}

void
transfer_finish(struct transfer *t)
{
	transfer_wait(t, never, UINT32_MAX);
}
