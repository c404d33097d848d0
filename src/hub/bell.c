#include "hub/bell.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void
on_ring(uv_poll_t *p, int status, int events)
{
	struct bell *b = p->data;
	uint64_t rings;

	(void)status;
	(void)events;
	if (read(b->fd, &rings, sizeof rings) == (ssize_t)sizeof rings)
		b->rung(b->arg);
}

enum rc
bell_init(struct bell *b, uv_loop_t *loop, void (*rung)(void *arg), void *arg,
    struct err *e)
{
	*b = (struct bell){.rung = rung, .arg = arg};
	b->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (b->fd < 0)
		return err_set(e, RC_LOG, "no descriptor to wake the loop: %s",
		    strerror(errno));
	if (uv_poll_init(loop, &b->poll, b->fd) != 0) {
		close(b->fd);
		return err_set(e, RC_LOG, "the loop can't be woken");
	}
	b->poll.data = b;
	uv_poll_start(&b->poll, UV_READABLE, on_ring);
	return RC_OK;
}

void
bell_ring(struct bell *b)
{
	uint64_t once = 1;
	ssize_t n = write(b->fd, &once, sizeof once);

	(void)n; /* full: it is about to be heard */
}

static void
closed(uv_handle_t *handle)
{
	struct bell *b = handle->data;

	close(b->fd);
	if (b->closed != NULL)
		b->closed(b->arg);
}

void
bell_close(struct bell *b, void (*fn)(void *arg))
{
	b->closed = fn;
	uv_close((uv_handle_t *)&b->poll, closed);
}
