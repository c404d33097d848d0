#include "hub/reader.h"

#include "hub/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

static void
freed(uv_handle_t *handle)
{
	struct reader *r = (struct reader *)handle;

	interest_fini(&r->interest);
	free((char *)r->how.callback.p);
	free(r->aside);
	free((char *)r->head.p);
	free(r);
}

enum rc
reader_join(struct reader *r)
{
	struct hub *h = r->hub;
	size_t n = r->interest.what.n, i;
	enum rc rc = RC_OK;

	r->member = n > 1 ? calloc(n, sizeof *r->member) : &r->one;
	if (r->member == NULL)
		return RC_NOMEM;
	pthread_mutex_lock(&h->topics_lock);
	for (i = 0; i < n && rc == RC_OK; i++)
		rc = topics_join(
		    &h->topics, r->interest.what.item[i], &r->member[i], r);
	pthread_mutex_unlock(&h->topics_lock);
	if (rc != RC_OK)
		reader_leave(r);
	return rc;
}

void
reader_leave(struct reader *r)
{
	struct hub *h = r->hub;
	size_t i;

	if (r->member == NULL)
		return;
	pthread_mutex_lock(&h->topics_lock);
	for (i = 0; i < r->interest.what.n; i++)
		topics_leave(&h->topics, &r->member[i]);
	pthread_mutex_unlock(&h->topics_lock);
	if (r->member != &r->one)
		free(r->member);
	r->member = NULL;
}

struct outlet
reader_retire(struct reader *r)
{
	struct hub *h = r->hub;
	struct outlet o = r->outlet;

	if (r->state == READER_PAGING)
		fetch_forget(r);
	r->state = READER_ENDED;
	wheel_cancel(&r->timer);
	reader_leave(r);
	*r->link = r->next;
	if (r->next != NULL)
		r->next->link = r->link;
	uv_poll_stop(&r->poll);
	uv_close((uv_handle_t *)&r->poll, freed);
	atomic_store_explicit(
	    &h->figures.held, --h->n_readers, memory_order_relaxed);
	hub_unclaim(h, r->place);
	if (h->n_readers == 0)
		hub_sleep(h);
	return o;
}

void
reader_close(struct reader *r)
{
	struct outlet o;

	if (r->state == READER_ENDED)
		return;
	o = reader_retire(r);
	outlet_close(&o);
	if (r->client != NULL)
		r->client->gone(r->client_arg);
}

/* Sends the last bytes and is done with r. */
static void
leave_with(struct reader *r, struct slice bytes)
{
	struct hub *h = r->hub;
	struct iovec iov = {(char *)bytes.p, bytes.n};
	struct outlet o = reader_retire(r);
	ssize_t sent = bytes.n == 0 ? 0 : outlet_send(&o, &iov, 1);
	char *rest;

	if (sent < 0) {
		outlet_close(&o);
		return;
	}
	if ((size_t)sent == bytes.n) {
		outbox_done(h->box, o);
		return;
	}
	rest = malloc(bytes.n - (size_t)sent);
	if (rest == NULL) {
		outlet_close(&o);
		return;
	}
	memcpy(rest, bytes.p + sent, bytes.n - (size_t)sent);
	outbox_send(h->box, o, rest, bytes.n - (size_t)sent, 0);
}

void
reader_answer(struct reader *r, struct slice bytes)
{
	leave_with(r, bytes);
}

void
reader_finish(struct reader *r, uint32_t retry_ms)
{
	struct buf content, framed;

	buf_init(&content, 0);
	buf_init(&framed, 0);
	encode_ending(&content, &r->how, retry_ms);
	outlet_add(&r->outlet, &framed, buf_slice(&content));
	outlet_add_end(&r->outlet, &framed);
	if (content.rc != RC_OK || framed.rc != RC_OK)
		reader_close(r);
	else
		leave_with(r, buf_slice(&framed));
	buf_fini(&content);
	buf_fini(&framed);
}

/* Bytes on a held request: the server's abort, or its leaving. */
static void
drain_input(struct reader *r)
{
	char bytes[512];
	ssize_t n = recv(r->outlet.fd, bytes, sizeof bytes, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || fcgi_has_abort(&r->in, bytes, (size_t)n))
		reader_close(r);
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	struct reader *r = (struct reader *)poll;

	if (status < 0) {
		reader_close(r);
		return;
	}
	if ((events & UV_READABLE) && r->client != NULL &&
	    r->client->readable != NULL)
		r->client->readable(r->client_arg);
	else if (events & UV_READABLE)
		drain_input(r);
	else if (events & (UV_DISCONNECT | UV_PRIORITIZED))
		reader_close(r);
	if ((events & UV_WRITABLE) && r->state == READER_BLOCKED)
		hub_feed(r);
}

/* What tells of the peer's leaving.  Nothing urgent ever comes on a Unix
   socket, but what watches for it is told when the peer closes, and not when it
   has only said all it had to say. */
static int
watch_for_end(const struct reader *r)
{
	if (r->is_paused)
		return 0;
	if (r->outlet.is_one_way)
		return r->outlet.is_socket ? UV_PRIORITIZED : UV_DISCONNECT;
	return UV_READABLE;
}

void
reader_watch(struct reader *r, bool is_writing)
{
	int events = watch_for_end(r);

	if (r->state == READER_ENDED)
		return;
	if (is_writing == r->is_writing && r->is_paused == r->was_paused &&
	    uv_is_active((uv_handle_t *)&r->poll))
		return;
	r->is_writing = is_writing;
	r->was_paused = r->is_paused;
	uv_poll_start(
	    &r->poll, events | (is_writing ? UV_WRITABLE : 0), on_event);
}

void
reader_block(struct reader *r)
{
	r->state = READER_BLOCKED;
	reader_watch(r, true);
}

/* sent bytes went out of pieces, the first of which had `skip` sent before. */
static void
stop_at(struct reader *r, uint64_t after, const struct piece *piece, int n,
    size_t skip, size_t sent)
{
	int i;

	r->after = after;
	sent += skip;
	for (i = 0; i < n && sent >= piece[i].n; i++) {
		sent -= piece[i].n;
		r->after = piece[i].seq;
	}
	r->partial = (struct partial){sent == 0 ? 0 : piece[i].seq, sent};
	reader_block(r);
}

bool
reader_send(struct reader *r, uint64_t after, const struct iovec *iov,
    int n_iov, const struct piece *piece, int n_piece)
{
	size_t skip = r->partial.seq == 0 ? 0 : r->partial.sent, all = 0;
	ssize_t sent = outlet_send(&r->outlet, iov, n_iov);
	int i;

	if (sent < 0) {
		reader_close(r);
		return false;
	}
	if (sent > 0)
		r->sent_ms = uv_now(r->hub->loop);
	for (i = 0; i < n_iov; i++)
		all += iov[i].iov_len;
	count(&r->hub->figures.sent_bytes, (uint64_t)sent);
	if ((size_t)sent == all) {
		r->partial.seq = 0;
		return true;
	}
	stop_at(r, after, piece, n_piece, skip, (size_t)sent);
	return false;
}

/* Keeps what the socket didn't take; r is BLOCKED until it does. */
static enum rc
keep_aside(struct reader *r, const char *p, size_t n)
{
	size_t had = r->aside_n - r->aside_sent;
	char *to = malloc(had + n);

	if (to == NULL || had + n > UINT32_MAX) {
		free(to);
		reader_close(r); /* it resumes by its cursor */
		return RC_NOMEM;
	}
	if (had > 0)
		memcpy(to, r->aside + r->aside_sent, had);
	memcpy(to + had, p, n);
	free(r->aside);
	r->aside = to;
	r->aside_n = (uint32_t)(had + n);
	r->aside_sent = 0;
	if (r->state == READER_LIVE)
		r->after = r->hub->tip;
	if (r->state != READER_PAGING) /* else its page finds it */
		reader_block(r);
	return RC_OK;
}

/* Sends bytes on a border: how many went, -1 when r was closed. */
static ssize_t
send_whole(struct reader *r, const char *p, size_t n)
{
	struct iovec iov = {(char *)p, n};
	ssize_t sent = outlet_send(&r->outlet, &iov, 1);

	if (sent < 0)
		reader_close(r);
	else if (sent > 0)
		r->sent_ms = uv_now(r->hub->loop);
	return sent;
}

bool
reader_say(struct reader *r, struct slice content)
{
	struct buf framed;
	ssize_t sent = 0;

	if (r->aside != NULL)
		return false;
	buf_init(&framed, 0);
	outlet_add(&r->outlet, &framed, content);
	if (framed.rc == RC_OK)
		sent = send_whole(r, framed.p, framed.n);
	if (sent > 0 && (size_t)sent < framed.n &&
	    keep_aside(r, framed.p + sent, framed.n - (size_t)sent) != RC_OK)
		sent = -1;
	buf_fini(&framed);
	return sent > 0;
}

void
hub_say(struct reader *r, struct slice frames)
{
	ssize_t sent = 0;

	if (r->state == READER_ENDED || frames.n == 0)
		return;
	if (hub_is_flowing(r) && (sent = send_whole(r, frames.p, frames.n)) < 0)
		return;
	if ((size_t)sent < frames.n) /* failing, it has closed r */
		(void)!keep_aside(r, frames.p + sent, frames.n - (size_t)sent);
}

bool
hub_is_flowing(const struct reader *r)
{
	return r->state != READER_ENDED && r->partial.seq == 0 &&
	    r->aside == NULL;
}

bool
reader_pass_border(struct reader *r)
{
	ssize_t sent;

	if (r->aside != NULL) {
		sent = send_whole(
		    r, r->aside + r->aside_sent, r->aside_n - r->aside_sent);
		if (sent < 0)
			return false;
		r->aside_sent += (uint32_t)sent;
		if (r->aside_sent < r->aside_n) {
			reader_block(r);
			return false;
		}
		free(r->aside);
		r->aside = NULL;
		r->aside_n = r->aside_sent = 0;
	}
	if (r->wants_border) {
		r->wants_border = false;
		r->client->border(r->client_arg);
	}
	return hub_is_flowing(r);
}
