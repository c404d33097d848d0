#include "log/thread.h"

#include <signal.h>
#include <string.h>
#include <time.h>

enum rc
thread_start(pthread_t *t, void *(*run)(void *), void *arg, struct err *e)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(t, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		return err_set(
		    e, RC_NOMEM, "can't start a thread: %s", strerror(error));
	return RC_OK;
}

void
thread_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

void
thread_cond_wait_until(
    pthread_cond_t *c, pthread_mutex_t *lock, uint64_t until_ms)
{
	struct timespec until = {
	    .tv_sec = (time_t)(until_ms / 1000),
	    .tv_nsec = (long)(until_ms % 1000) * 1000000,
	};

	pthread_cond_timedwait(c, lock, &until);
}
