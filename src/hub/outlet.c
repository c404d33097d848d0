#include "hub/outlet.h"

#include "wire/fcgi.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

void
outlet_add(const struct outlet *o, struct buf *b, struct slice content)
{
	if (o->is_fcgi)
		fcgi_add_stdout(b, o->id, content.p, content.n);
	else
		buf_add_slice(b, content);
}

void
outlet_add_end(const struct outlet *o, struct buf *b)
{
	if (o->is_fcgi)
		fcgi_add_end(b, o->id);
}

ssize_t
outlet_send(const struct outlet *o, const struct iovec *iov, int n)
{
	struct msghdr m = {
	    .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
	ssize_t sent;

	do {
		if (!o->is_socket)
			sent = writev(o->fd, iov, n);
		else if (n == 1)
			sent = send(o->fd, iov->iov_base, iov->iov_len,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
		else
			sent = sendmsg(o->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
		return 0;
	return sent;
}

void
outlet_close(struct outlet *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}
