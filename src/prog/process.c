#include "prog/process.h"

#include "base/clock.h"
#include "base/diag.h"
#include "transport/arrivals.h"
#include "transport/bayeux.h"
#include "transport/ratelimit.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* What was stored past a stop's deadline: so long for its answers to leave. */
#define LATE_MS 200

static void
run_tasks(void *arg)
{
	struct server *s = arg;
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

void
process_run_tasks(struct process *p)
{
	while (p->server.first != NULL) /* tasks may post others */
		run_tasks(&p->server);
}

static void
on_committed(void *arg, const struct append *list)
{
	struct server *s = arg;

	if (s->hub != NULL)
		hub_committed(s->hub, list);
}

/* What is being stored is waited for in any case, by store_finish: answered in
   the ordinary way, its connections end as others do. */
static void
on_deadline(uv_timer_t *t)
{
	struct process *p = t->data;
	bool is_writing = atomic_load(&p->server.publishing) > 0;

	if (!is_writing && !p->is_late)
		uv_stop(t->loop);
	else
		uv_timer_start(t, on_deadline, LATE_MS, 0);
	p->is_late = is_writing;
}

/* Looked at after each turn of the loop: is there anything left to wait for? */
static void
on_check(uv_check_t *c)
{
	struct process *p = c->data;

	if (p->is_over(p))
		uv_stop(c->loop);
}

void
process_end_within(struct process *p, uint64_t ms)
{
	uv_timer_start(&p->deadline, on_deadline, ms, 0);
	uv_check_start(&p->check, on_check);
	bell_ring(&p->server.woken); /* so that the check runs soon */
}

static void
on_signal(uv_signal_t *h, int signo)
{
	struct process *p = h->data;

	if (signo == SIGHUP) {
		diag_reopen();
	} else if (!atomic_load(&p->server.is_ending)) {
		atomic_store(&p->server.is_ending, true);
		p->stop(p);
	}
}

/* Signals as libfcgi programs know them. */
static void
watch_signals(struct process *p)
{
	static const int signo[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	size_t i;

	sigaction(SIGPIPE, &ignore, NULL);
	for (i = 0; i < sizeof signo / sizeof signo[0]; i++) {
		uv_signal_init(&p->loop, &p->signals[i]);
		p->signals[i].data = p;
		uv_signal_start(&p->signals[i], on_signal, signo[i]);
	}
}

/* As many descriptors as the system allows, and room in the pool of threads for
   pages beside requests that arrived late and the tip file. */
static void
raise_limits(const struct options *o)
{
	struct rlimit rl;
	char n[16];

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	snprintf(n, sizeof n, "%u", (unsigned)o->fetches + 3);
	setenv("UV_THREADPOOL_SIZE", n, 0);
}

void
process_set_policy(int policy)
{
	struct sched_param none = {0};

	sched_setscheduler(0, policy, &none); /* without it all works as well */
}

enum rc
process_open(struct process *p, const struct options *o,
    void (*idle)(void *arg, struct outlet o), struct err *e)
{
	struct server *s = &p->server;
	enum rc rc;

	raise_limits(o);
	if (uv_loop_init(&p->loop) != 0)
		return err_set(e, RC_IO, "can't make an event loop");
	rc = bell_init(&s->woken, &p->loop, run_tasks, s, e);
	if (rc != RC_OK) {
		uv_loop_close(&p->loop);
		return rc;
	}
	s->options = o;
	s->loop = &p->loop;
	s->last = &s->first;
	s->started_ms = clock_unix_ms();
	pthread_mutex_init(&s->lock, NULL);
	uv_check_init(&p->loop, &p->check);
	uv_timer_init(&p->loop, &p->deadline);
	p->check.data = p->deadline.data = p;
	watch_signals(p);
	process_set_policy(SCHED_BATCH);
	if ((rc = store_open(&s->store, o, on_committed, s, e)) != RC_OK ||
	    (rc = outbox_new(
	         &s->box, &p->loop, o->write_wait_ms, idle, s, e)) != RC_OK ||
	    (rc = hub_new(&s->hub, &p->loop, o, s->store, s->box, e)) != RC_OK)
		return rc;
	if ((rc = bayeux_new(&s->bayeux, s, e)) != RC_OK)
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

void
process_close(struct process *p)
{
	struct server *s = &p->server;

	if (s->loop == NULL)
		return;
	store_finish(s->store);
	process_run_tasks(p);                /* the writer's last answers */
	while (atomic_load(&s->working) > 0) /* requests on the pool
	                                        need the hub */
		uv_run(&p->loop, UV_RUN_ONCE);
	process_run_tasks(p); /* connections that would be kept */
	arrivals_free(s->arrivals);
	hub_free(s->hub);
	outbox_free(s->box);
	bell_close(&s->woken, NULL);
	uv_walk(&p->loop, close_handle, NULL); /* what is not closing
	                                          by itself */
	uv_run(&p->loop, UV_RUN_DEFAULT);      /* also pages that
	                                          are being read */
	uv_loop_close(&p->loop);
	bayeux_free(s->bayeux);
	store_close(s->store);
	ratelimit_free(s->ratelimit);
	pthread_mutex_destroy(&s->lock);
}
