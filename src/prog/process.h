/*
 * What every serving process has: the loop, the log, the hub, signals, and a
 * clean stop.  worker.c and wsd.c add what they serve.
 */
#ifndef COMETLOG_PROG_PROCESS_H
#define COMETLOG_PROG_PROCESS_H

#include "transport/server.h"

struct process {
	struct server server;
	uv_loop_t loop;
	uv_signal_t signals[4];
	uv_check_t check; /* while stopping: is it over? */
	uv_timer_t deadline;
	void (*stop)(struct process *p);    /* called once: begin to end */
	bool (*is_over)(struct process *p); /* after stop: nothing
	                                       is under way */
	bool is_late;                       /* the deadline is over, messages
	                                       were being written */
};

/*
 * Builds p->server and watches signals: SIGTERM, SIGINT, SIGUSR1 call p->stop,
 * which the caller has set; SIGHUP: diag_reopen.  idle: the outbox's.  The
 * calling thread is left with the policy of acceptors and writer (see
 * process_set_policy).  Also on failure ends with process_close.
 */
enum rc process_open(struct process *p, const struct options *o,
    void (*idle)(void *arg, struct outlet o), struct err *e) MUST_CHECK;

/*
 * SCHED_BATCH for threads that must not push the web server aside when it wakes
 * them: on a busy core it then hands over several requests at a time, which are
 * accepted without waiting and stored in one commit.  Measured: HACKING.  New
 * threads inherit the policy; the loop keeps the normal one, SCHED_OTHER.
 */
void process_set_policy(int policy);

/* From p->stop: uv_run returns when p->is_over, and at the latest after ms, or
   when what is being stored then is stored and answered. */
void process_end_within(struct process *p, uint64_t ms);

/* Runs what other threads posted to the loop last. */
void process_run_tasks(struct process *p);

/* Takes everything down, also the server's arrivals.  What else the caller
   added to the loop must be closed or closing. */
void process_close(struct process *p);

#endif
