#include "transport/acceptor.h"

#include "base/diag.h"
#include "transport/arrivals.h"
#include "transport/responder.h"
#include "transport/router.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A web server connects first and writes then; so long may that take before
   the connection is the loop's to watch. */
#define FIRST_BYTES_MS 5

struct acceptor {
	struct acceptors *all;
	pthread_t thread;
	atomic_bool is_done;
	struct responder *responder;
	struct fcgi_gate gate;
	char bytes[65536];
};

struct acceptors {
	struct server *server;
	int fd, signo;
	atomic_bool is_stopping;
	unsigned n;
	struct acceptor *acceptor[];
};

/* The connection, or -1 to look at is_stopping and try again. */
static int
accept_one(struct acceptors *all)
{
	struct timespec pause = {0, 20000000};
	struct pollfd p = {.fd = all->fd, .events = POLLIN};
	int fd = accept4(all->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case EAGAIN: /* handed over non-blocking */
		poll(&p, 1, -1);
		break;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
		diag(
		    DIAG_WARN, "accept: %s; connections wait", strerror(errno));
		nanosleep(&pause, NULL);
		break;
	default: /* EINTR; a client that left: ECONNABORTED */
		break;
	}
	return -1;
}

/* What came at once: 0 when nothing yet, -1 when the peer left. */
static ssize_t
first_bytes(struct acceptor *a, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n = recv(fd, a->bytes, sizeof a->bytes, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN && poll(&p, 1, FIRST_BYTES_MS) > 0)
		n = recv(fd, a->bytes, sizeof a->bytes, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n > 0 ? n : -1;
}

static void
serve(struct acceptor *a, int fd)
{
	struct server *s = a->all->server;
	const struct options *o = s->options;
	ssize_t n = first_bytes(a, fd);
	size_t used = 0;
	struct err e = {RC_GONE, "aborted"};

	fcgi_gate_init(&a->gate, o->params_bytes, o->body_bytes);
	if (n < 0 || fcgi_gate_feed(&a->gate, a->bytes, (size_t)n, &used, &e) ||
	    fcgi_is_aborted(a->bytes + used, (size_t)n - used)) {
		if (n > 0)
			diag(DIAG_DEBUG, "a request is dropped: %s", e.text);
		atomic_fetch_add_explicit(
		    &s->count.dropped, n > 0, memory_order_relaxed);
		fcgi_gate_fini(&a->gate);
		close(fd);
	} else if (a->gate.stage == FCGI_AT_END) {
		router_serve_fcgi(s, a->responder, fd, &a->gate);
		fcgi_gate_fini(&a->gate);
	} else {
		arrivals_post(s, fd, &a->gate);
	}
}

static void *
run(void *arg)
{
	struct acceptor *a = arg;
	int fd;

	while (!atomic_load(&a->all->is_stopping))
		if ((fd = accept_one(a->all)) >= 0)
			serve(a, fd);
	atomic_store(&a->is_done, true);
	return NULL;
}

static enum rc
start_one(struct acceptors *all, struct err *e)
{
	struct acceptor *a = calloc(1, sizeof *a);
	enum rc rc;

	if (a == NULL)
		return err_set(e, RC_NOMEM, "no memory for an acceptor");
	a->all = all;
	if ((rc = responder_new(&a->responder, e)) == RC_OK &&
	    pthread_create(&a->thread, NULL, run, a) != 0)
		rc = err_set(e, RC_IO, "can't start an acceptor thread");
	if (rc != RC_OK) {
		responder_free(a->responder);
		free(a);
		return rc;
	}
	all->acceptor[all->n++] = a;
	return RC_OK;
}

enum rc
acceptors_start(struct acceptors **out, struct server *s, int fd, unsigned n,
    int signo, struct err *e)
{
	struct acceptors *all =
	    calloc(1, sizeof *all + n * sizeof all->acceptor[0]);
	enum rc rc = RC_OK;

	*out = NULL;
	if (all == NULL)
		return err_set(e, RC_NOMEM, "no memory for acceptors");
	all->server = s;
	all->fd = fd;
	all->signo = signo;
	while (all->n < n && rc == RC_OK)
		rc = start_one(all, e);
	if (rc != RC_OK) {
		acceptors_stop(all);
		return rc;
	}
	*out = all;
	return RC_OK;
}

/* A signal that comes just before accept(2) is lost on it:
   so it is sent again. */
static void
stop_one(struct acceptors *all, struct acceptor *a)
{
	struct timespec pause = {0, 1000000};

	while (!atomic_load(&a->is_done)) {
		pthread_kill(a->thread, all->signo);
		nanosleep(&pause, NULL);
	}
	pthread_join(a->thread, NULL);
	responder_free(a->responder);
	free(a);
}

void
acceptors_stop(struct acceptors *all)
{
	unsigned i;

	if (all == NULL)
		return;
	atomic_store(&all->is_stopping, true);
	for (i = 0; i < all->n; i++)
		stop_one(all, all->acceptor[i]);
	free(all);
}
