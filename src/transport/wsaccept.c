#include "transport/wsaccept.h"

#include "base/diag.h"
#include "transport/wsopening.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ACCEPT_AT_ONCE 64 /* then others get their turn */
#define SWEEP_MS 50       /* also a pause when descriptors run out */

struct wsaccept {
	struct openings openings; /* first */
	uv_poll_t poll;
	uv_timer_t sweep; /* while there are any, or in a pause: drops
	                     what takes too long; ends the pause */
	int fd;
	bool is_open, is_paused;
};

static void on_sweep(uv_timer_t *timer);
static void on_connection(uv_poll_t *poll, int status, int events);

static bool
is_full(const struct wsaccept *a)
{
	const struct options *o = a->openings.ws->server->options;

	return a->openings.count >= o->max_arriving;
}

static void
listen_again(struct wsaccept *a)
{
	if (!a->is_open || is_full(a))
		return;
	a->is_paused = false;
	uv_poll_start(&a->poll, UV_READABLE, on_connection);
}

static void
on_fewer(struct openings *all)
{
	struct wsaccept *a = (struct wsaccept *)all;

	if (a->is_paused)
		listen_again(a);
}

static void
sweep_soon(struct wsaccept *a)
{
	if (!uv_is_active((uv_handle_t *)&a->sweep))
		uv_timer_start(&a->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

static void
pause_listening(struct wsaccept *a)
{
	a->is_paused = true;
	uv_poll_stop(&a->poll);
	sweep_soon(a);
}

static void
on_connection(uv_poll_t *poll, int status, int events)
{
	struct wsaccept *a = poll->data;
	int fd, n;

	(void)status;
	(void)events;
	for (n = 0; n < ACCEPT_AT_ONCE && !a->is_paused; n++) {
		fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			openings_add(&a->openings, fd);
			sweep_soon(a);
			if (is_full(a))
				pause_listening(a);
		} else if (errno == EMFILE || errno == ENFILE ||
		    errno == ENOMEM || errno == ENOBUFS) {
			diag(DIAG_WARN, "accept: %s; connections wait",
			    strerror(errno));
			pause_listening(a);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

static void
on_sweep(uv_timer_t *timer)
{
	struct wsaccept *a = timer->data;

	openings_sweep(&a->openings);
	if (a->is_paused)
		listen_again(a);
	if (a->openings.count == 0 && !a->is_paused)
		uv_timer_stop(timer);
}

enum rc
wsaccept_new(struct wsaccept **out, struct ws *w, int fd, struct err *e)
{
	struct wsaccept *a = calloc(1, sizeof *a);
	int flags = fcntl(fd, F_GETFL);

	*out = NULL;
	if (a == NULL)
		return err_set(e, RC_NOMEM, "no memory for handshakes");
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    uv_poll_init(w->server->loop, &a->poll, fd) != 0) {
		free(a);
		return err_set(e, RC_IO, "can't wait for connections: %s",
		    strerror(errno));
	}
	uv_timer_init(w->server->loop, &a->sweep);
	a->poll.data = a->sweep.data = a;
	a->openings = (struct openings){.ws = w, .fewer = on_fewer};
	a->fd = fd;
	a->is_open = true;
	listen_again(a);
	*out = a;
	return RC_OK;
}

void
wsaccept_stop(struct wsaccept *a)
{
	if (a == NULL || !a->is_open)
		return;
	a->is_open = false;
	uv_poll_stop(&a->poll);
	uv_timer_stop(&a->sweep);
	openings_stop(&a->openings);
}

size_t
wsaccept_count(const struct wsaccept *a)
{
	return a->openings.count;
}

void
wsaccept_free(struct wsaccept *a)
{
	free(a);
}
