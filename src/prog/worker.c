#include "prog/worker.h"

#include "base/clock.h"
#include "base/diag.h"
#include "hub/tipkeeper.h"
#include "prog/cgi.h"
#include "transport/acceptor.h"
#include "transport/arrivals.h"
#include "transport/ratelimit.h"
#include "transport/server.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Answers that are on their way out when a stop is asked for get so long. */
#define STOP_MS 2500

/* What wakes an acceptor from accept(2); does nothing else. */
#define NUDGE SIGUSR2

struct worker {
	struct server server;
	uv_loop_t loop;
	uv_signal_t signals[4];
	uv_check_t check;               /* CGI: is it over? */
	uv_timer_t deadline;
	struct tipkeeper *tip;
	struct acceptors *acceptors;
	bool is_stopping;
};

static void
run_tasks(uv_async_t *async)
{
	struct server *s = async->data;
	struct task *t, *next;

	pthread_mutex_lock(&s->lock);
	t = s->first;
	s->first = NULL;
	s->last = &s->first;
	pthread_mutex_unlock(&s->lock);
	for (; t != NULL; t = next) {
		next = t->next;
		t->run(s, t);
	}
}

static void
on_committed(void *arg, uint64_t newest_seq)
{
	struct server *s = arg;

	(void)newest_seq;
	if (s->hub != NULL)
		hub_committed(s->hub);
}

static void
on_idle(void *arg, struct outlet o)
{
	struct server *s = arg;

	arrivals_idle(s->arrivals, o);
}

static void
on_deadline(uv_timer_t *t)
{
	uv_stop(t->loop);
}

/* Looked at after each turn of the loop: is there anything left to wait for? */
static void
on_check(uv_check_t *c)
{
	struct worker *w = c->data;

	if (server_is_quiet(&w->server))
		uv_stop(c->loop);
}

/* Held answers end properly; what is on its way out may finish. */
static void
stop(struct worker *w)
{
	if (w->is_stopping)
		return;
	w->is_stopping = true;
	acceptors_stop(w->acceptors);
	w->acceptors = NULL;
	run_tasks(&w->server.woken); /* what the acceptors handed over last */
	hub_drain(w->server.hub);
	uv_timer_start(&w->deadline, on_deadline, STOP_MS, 0);
	uv_check_start(&w->check, on_check);
	uv_async_send(&w->server.woken); /* so that the check runs soon */
}

static void
on_signal(uv_signal_t *h, int signo)
{
	if (signo == SIGHUP)
		diag_reopen();
	else
		stop(h->data);
}

static void
on_nudge(int signo)
{
	(void)signo;
}

/* Signals as libfcgi programs know them. */
static void
watch_signals(struct worker *w)
{
	static const int signo[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
	struct sigaction nudge = {.sa_handler = on_nudge};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	size_t i;

	sigaction(NUDGE, &nudge, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	for (i = 0; i < sizeof signo / sizeof signo[0]; i++) {
		uv_signal_init(&w->loop, &w->signals[i]);
		w->signals[i].data = w;
		uv_signal_start(&w->signals[i], on_signal, signo[i]);
	}
}

/* As many descriptors as the system allows, and room in the pool of threads for
   pages beside requests that arrived late. */
static void
raise_limits(const struct options *o)
{
	struct rlimit rl;
	char n[16];

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	snprintf(n, sizeof n, "%u", (unsigned)o->fetches + 2);
	setenv("UV_THREADPOOL_SIZE", n, 0);
}

/*
 * The writer and the acceptors don't push the web server aside when it wakes
 * them: on a busy core it then hands over several requests at a time, which
 * are accepted without waiting and stored in one commit.  Measured: HACKING.
 * New threads inherit the policy; the loop keeps the normal one.
 */
static void
set_policy(int policy)
{
	struct sched_param none = {0};

	sched_setscheduler(0, policy, &none); /* without it all works as well */
}

static enum rc
build(struct worker *w, const struct options *o, struct err *e)
{
	struct server *s = &w->server;
	enum rc rc;

	raise_limits(o);
	if (uv_loop_init(&w->loop) != 0)
		return err_set(e, RC_IO, "can't make an event loop");
	s->options = o;
	s->loop = &w->loop;
	s->last = &s->first;
	s->started_ms = clock_unix_ms();
	pthread_mutex_init(&s->lock, NULL);
	uv_async_init(&w->loop, &s->woken, run_tasks);
	uv_check_init(&w->loop, &w->check);
	uv_timer_init(&w->loop, &w->deadline);
	s->woken.data = s;
	w->check.data = w;
	watch_signals(w);
	set_policy(SCHED_BATCH);
	if ((rc = store_open(&s->store, o, on_committed, s, e)) != RC_OK ||
	    (rc = outbox_new(&s->box, &w->loop, o->write_wait_ms, on_idle, s,
	    e)) != RC_OK ||
	    (rc = hub_new(&s->hub, &w->loop, o, s->store, s->box, e)) != RC_OK ||
	    (rc = arrivals_new(&s->arrivals, s, e)) != RC_OK)
		return rc;
	return ratelimit_new(&s->ratelimit, o->publish_rate, o->publish_burst,
	    o->rate_clients, e);
}

static void
close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void
take_down(struct worker *w)
{
	struct server *s = &w->server;

	acceptors_stop(w->acceptors);
	tipkeeper_free(w->tip);
	hub_free(s->hub);
	arrivals_free(s->arrivals);
	outbox_free(s->box);
	uv_walk(&w->loop, close_handle, NULL); /* what is not closing by itself */
	uv_run(&w->loop, UV_RUN_DEFAULT);      /* also pages that are being read */
	uv_loop_close(&w->loop);
	store_close(s->store);
	ratelimit_free(s->ratelimit);
	pthread_mutex_destroy(&s->lock);
}

int
worker_run(const struct options *o, int fd)
{
	struct worker *w = calloc(1, sizeof *w);
	struct err e = {RC_NOMEM, "out of memory"};
	enum rc rc = RC_NOMEM;

	if (w != NULL)
		rc = build(w, o, &e);
	if (rc == RC_OK && o->tip_file != NULL)
		rc = tipkeeper_new(&w->tip, &w->loop, o, w->server.store, &e);
	if (rc == RC_OK)
		rc = acceptors_start(&w->acceptors, &w->server, fd,
		    (unsigned)o->acceptors, NUDGE, &e);
	set_policy(SCHED_OTHER);
	if (rc != RC_OK)
		diag(DIAG_ERROR, "%s", e.text);
	else
		uv_run(&w->loop, UV_RUN_DEFAULT);
	if (w != NULL)
		take_down(w);
	free(w);
	return rc == RC_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
worker_run_cgi(const struct options *o)
{
	struct worker *w = calloc(1, sizeof *w);
	struct err e = {RC_NOMEM, "out of memory"};
	enum rc rc = RC_NOMEM;

	if (w != NULL)
		rc = build(w, o, &e);
	if (rc == RC_OK) {
		w->server.is_single = true;
		store_retain_at_close(w->server.store);
		cgi_serve(&w->server);
		uv_check_start(&w->check, on_check);
		uv_async_send(&w->server.woken);
		uv_run(&w->loop, UV_RUN_DEFAULT);
	} else {
		diag(DIAG_ERROR, "%s", e.text);
		printf("Status: 503 Service Unavailable\r\nRetry-After: 5\r\n"
		    "Content-Type: text/plain\r\n\r\nThe message log can't be "
		    "used now; the server's error log says why.\n");
	}
	if (w != NULL)
		take_down(w);
	free(w);
	return EXIT_SUCCESS;
}
