#include "transport/responder.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct responder {
	int pipe[2];
	FCGX_Request request;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
init_libfcgi(void)
{
	FCGX_Init();
}

static enum rc
open_pipe(struct responder *r, struct err *e)
{
	if (pipe2(r->pipe, O_CLOEXEC) != 0)
		return err_set(e, RC_IO, "pipe: %s", strerror(errno));
	/* where pipes are kept small, a write must fail, not wait for itself */
	fcntl(r->pipe[1], F_SETFL, O_NONBLOCK);
	return RC_OK;
}

enum rc
responder_new(struct responder **out, struct err *e)
{
	struct responder *r = calloc(1, sizeof *r);
	enum rc rc;

	*out = NULL;
	if (r == NULL)
		return err_set(e, RC_NOMEM, "no memory for a responder");
	pthread_once(&once, init_libfcgi);
	/* a listening socket of -1: FCGX_Accept_r can never accept by itself */
	FCGX_InitRequest(&r->request, -1, FCGI_FAIL_ACCEPT_ON_INTR);
	if ((rc = open_pipe(r, e)) != RC_OK) {
		free(r);
		return rc;
	}
	*out = r;
	return RC_OK;
}

void
responder_free(struct responder *r)
{
	if (r == NULL)
		return;
	close(r->pipe[0]);
	close(r->pipe[1]);
	free(r);
}

/* Fills the pipe; the gate's bound keeps it below the pipe's 64 KiB. */
static enum rc
replay(struct responder *r, struct slice params, struct err *e)
{
	struct buf b;
	enum rc rc = RC_OK;

	buf_init(&b, 0);
	fcgi_add_replay(&b, params);
	if (b.rc != RC_OK)
		rc = err_set(e, RC_NOMEM, "no memory for a request");
	else if (write(r->pipe[1], b.p, b.n) != (ssize_t)b.n)
		rc = err_set(e, RC_IO, "pipe: %s", strerror(errno));
	buf_fini(&b);
	return rc;
}

/* After a failure the pipe may hold anything, or be closed by libfcgi. */
static void
renew_pipe(struct responder *r)
{
	struct err e;

	if (r->request.ipcFd >= 0)
		close(r->pipe[0]);
	close(r->pipe[1]);
	r->request.ipcFd = -1;
	if (open_pipe(r, &e) != RC_OK)
		r->pipe[0] = r->pipe[1] = -1;
}

enum rc
responder_parse(struct responder *r, struct fcgi_gate *g, struct outlet o,
    struct request **out, struct err *e)
{
	FCGX_Request *fr = &r->request;
	enum rc rc;
	char *body;
	size_t n;

	*out = NULL;
	fr->ipcFd = r->pipe[0];
	if ((rc = replay(r, buf_slice(&g->params), e)) != RC_OK) {
		renew_pipe(r);
		return rc;
	}
	fr->keepConnection = 1;
	if (FCGX_Accept_r(fr) != 0) {
		renew_pipe(r);
		return err_set(e, RC_BAD, "libfcgi refuses the request");
	}
	rc = request_new(out, o, fr->envp, e);
	FCGX_Free(fr, 0);
	if (*out != NULL) {
		body = buf_take(&g->body, &n);
		request_set_body(*out, body, n);
	}
	return rc;
}

void
responder_apologize(int fd, const char *answer)
{
	FCGX_Request fr;

	pthread_once(&once, init_libfcgi);
	if (FCGX_InitRequest(&fr, fd, FCGI_FAIL_ACCEPT_ON_INTR) != 0 ||
	    FCGX_Accept_r(&fr) != 0)
		return;
	FCGX_PutS(answer, fr.out);
	FCGX_Finish_r(&fr);
}

bool
responder_is_cgi(void)
{
	return FCGX_IsCGI() != 0 && getenv("REQUEST_METHOD") != NULL;
}
