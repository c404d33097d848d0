#include "prog/supervisor.h"
#include "base/clock.h"
#include "base/diag.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUICK_MS 1000 /* a life shorter than this is no success */
#define QUICK_FREE 3  /* such lives in a row without a pause */
#define PAUSE_LEAST_MS 250
#define PAUSE_MOST_MS 2000
#define IDLE_MS 60000 /* signals end the wait */

struct child {
	pid_t pid; /* 0: not running */
	uint64_t started_ms;
	uint64_t start_at_ms; /* while not running */
	unsigned quick_lives; /* in a row */
};

struct crew {
	const struct supervisor *s;
	int run_fd;       /* the run folder, or -1 */
	sigset_t signals; /* blocked, and waited for */
	struct child child[SUPERVISOR_MAX];
};

static void
pid_name(unsigned number, const char *tail, char name[static 32])
{
	snprintf(name, 32, "worker-%u.pid%s", number, tail);
}

/* Whoever reads the file sees a whole one: written aside, then renamed. */
static void
write_pid(struct crew *c, unsigned number, pid_t pid)
{
	char name[32], fresh[32], text[16];
	int fd, n = snprintf(text, sizeof text, "%d\n", (int)pid);

	if (c->run_fd < 0)
		return;
	pid_name(number, "", name);
	pid_name(number, ".new", fresh);
	unlinkat(c->run_fd, fresh, 0);
	fd = openat(c->run_fd, fresh,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && write(fd, text, (size_t)n) == n &&
	    renameat(c->run_fd, fresh, c->run_fd, name) == 0) {
		close(fd);
		return;
	}
	diag(DIAG_WARN, "%s/%s: %s", c->s->run_dir, name, strerror(errno));
	if (fd >= 0)
		close(fd);
	unlinkat(c->run_fd, fresh, 0);
}

static void
remove_pid(struct crew *c, unsigned number)
{
	char name[32];

	if (c->run_fd < 0)
		return;
	pid_name(number, "", name);
	unlinkat(c->run_fd, name, 0);
}

/* What the child inherits of the supervisor's signal handling is undone. */
static void
reset_signals(void)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t none;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, &plain, NULL); /* fails for a few; no harm */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
be_child(struct crew *c, unsigned number, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) /* it died before prctl */
		_exit(0);
	if (c->run_fd >= 0)
		close(c->run_fd);
	reset_signals();
	exit(c->s->worker(c->s->arg, number));
}

static void
plan_start(struct child *child, uint64_t now_ms)
{
	uint64_t pause_ms = 0;
	unsigned i;

	if (child->quick_lives > QUICK_FREE) {
		pause_ms = PAUSE_LEAST_MS;
		for (i = QUICK_FREE + 1; i < child->quick_lives; i++)
			if (pause_ms < PAUSE_MOST_MS)
				pause_ms *= 2;
	}
	child->start_at_ms = now_ms + pause_ms;
}

static void
start(struct crew *c, unsigned number)
{
	struct child *child = &c->child[number - 1];
	uint64_t now_ms = clock_mono_ms();
	pid_t parent = getpid(), pid;

	fflush(NULL); /* or both processes write what is buffered */
	pid = fork();
	if (pid == 0)
		be_child(c, number, parent);
	if (pid < 0) {
		diag(
		    DIAG_ERROR, "worker %u: fork: %s", number, strerror(errno));
		child->quick_lives += child->quick_lives <= 100;
		plan_start(child, now_ms + PAUSE_LEAST_MS);
		return;
	}
	child->pid = pid;
	child->started_ms = now_ms;
	write_pid(c, number, pid);
	diag(DIAG_INFO, "worker %u started, pid %d", number, (int)pid);
}

static void
tell_end(unsigned number, pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		diag(DIAG_WARN, "worker %u, pid %d, ended by signal %d (%s)",
		    number, (int)pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		diag(WEXITSTATUS(status) == 0 ? DIAG_INFO : DIAG_WARN,
		    "worker %u, pid %d, ended with status %d", number, (int)pid,
		    WEXITSTATUS(status));
}

/* Takes note of the dead; returns how many workers run. */
static unsigned
reap(struct crew *c)
{
	unsigned number, running = 0;
	uint64_t now_ms = clock_mono_ms();
	struct child *child;
	int status;

	for (number = 1; number <= c->s->workers; number++) {
		child = &c->child[number - 1];
		if (child->pid == 0)
			continue;
		if (waitpid(child->pid, &status, WNOHANG) != child->pid) {
			running++;
			continue;
		}
		tell_end(number, child->pid, status);
		remove_pid(c, number);
		child->pid = 0;
		if (now_ms - child->started_ms >= QUICK_MS)
			child->quick_lives = 0;
		else if (child->quick_lives <= 100)
			child->quick_lives++;
		plan_start(child, now_ms);
	}
	return running;
}

/* Starts those whose time has come; returns the time until the next. */
static uint64_t
start_due(struct crew *c)
{
	uint64_t now_ms = clock_mono_ms(), wait_ms = IDLE_MS, left_ms;
	struct child *child;
	unsigned number;

	for (number = 1; number <= c->s->workers; number++) {
		child = &c->child[number - 1];
		if (child->pid == 0 && child->start_at_ms <= now_ms)
			start(c, number);
		if (child->pid != 0)
			continue;
		left_ms = child->start_at_ms > now_ms
		    ? child->start_at_ms - now_ms
		    : 0;
		if (left_ms < wait_ms)
			wait_ms = left_ms;
	}
	return wait_ms;
}

static void
tell_all(struct crew *c, int sig)
{
	unsigned i;

	for (i = 0; i < c->s->workers; i++)
		if (c->child[i].pid != 0)
			kill(c->child[i].pid, sig);
}

/* The next signal, or 0 after wait_ms. */
static int
next_signal(struct crew *c, uint64_t wait_ms)
{
	const struct timespec t = {
	    .tv_sec = (time_t)(wait_ms / 1000),
	    .tv_nsec = (long)(wait_ms % 1000) * 1000000,
	};
	int sig = sigtimedwait(&c->signals, NULL, &t);

	return sig < 0 ? 0 : sig;
}

static void
serve(struct crew *c)
{
	int sig = 0;

	while (sig != SIGTERM && sig != SIGINT) {
		sig = next_signal(c, start_due(c));
		if (sig == SIGHUP)
			diag_reopen();
		if (sig == SIGHUP || sig == SIGUSR1)
			tell_all(c, sig);
		reap(c);
	}
	diag(DIAG_INFO, "stopping by signal %d", sig);
}

static void
stop(struct crew *c)
{
	uint64_t end_ms = clock_mono_ms() + c->s->stop_wait_ms, now_ms;

	tell_all(c, SIGTERM);
	while (reap(c) > 0) {
		now_ms = clock_mono_ms();
		if (now_ms < end_ms) {
			next_signal(c, end_ms - now_ms);
			continue;
		}
		diag(DIAG_WARN, "workers are killed that did not stop in %u ms",
		    c->s->stop_wait_ms);
		tell_all(c, SIGKILL);
		end_ms = now_ms + PAUSE_MOST_MS;
	}
}

static enum rc
open_run_dir(struct crew *c, struct err *e)
{
	const char *path = c->s->run_dir;

	c->run_fd = -1;
	if (path == NULL)
		return RC_OK;
	c->run_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->run_fd < 0 || faccessat(c->run_fd, ".", W_OK | X_OK, 0) != 0) {
		err_set(e, RC_CONFIG, "run-dir %s: %s", path, strerror(errno));
		if (c->run_fd >= 0)
			close(c->run_fd);
		return RC_CONFIG;
	}
	return RC_OK;
}

enum rc
supervise(const struct supervisor *s, struct err *e)
{
	struct sigaction plain = {.sa_handler = SIG_DFL}, chld_before;
	struct crew crew = {.s = s};
	enum rc rc;

	if (s->workers < 1 || s->workers > SUPERVISOR_MAX)
		return err_set(e, RC_CONFIG, "workers %u must be 1 to %d",
		    s->workers, SUPERVISOR_MAX);
	rc = open_run_dir(&crew, e);
	if (rc != RC_OK)
		return rc;
	sigemptyset(&crew.signals);
	sigaddset(&crew.signals, SIGTERM);
	sigaddset(&crew.signals, SIGINT);
	sigaddset(&crew.signals, SIGUSR1);
	sigaddset(&crew.signals, SIGHUP);
	sigaddset(&crew.signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &crew.signals, NULL);
	sigaction(SIGCHLD, &plain, &chld_before); /* ignored: no waitpid */
	serve(&crew);
	stop(&crew);
	sigaction(SIGCHLD, &chld_before, NULL);
	if (crew.run_fd >= 0)
		close(crew.run_fd);
	return RC_OK;
}
