/* Starting the log's own threads.  Inside log/ only. */
#ifndef COMETLOG_LOG_THREAD_H
#define COMETLOG_LOG_THREAD_H

#include "base/err.h"

#include <pthread.h>
#include <stdint.h>

/* A thread that takes no signals: those are the program's.  RC_NOMEM. */
enum rc thread_start(
    pthread_t *t, void *(*run)(void *), void *arg, struct err *e) MUST_CHECK;

/* A condition whose waits end by clock_mono_ms. */
void thread_cond_init(pthread_cond_t *c);
void thread_cond_wait_until(
    pthread_cond_t *c, pthread_mutex_t *lock, uint64_t until_ms);

#endif
