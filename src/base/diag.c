#include "base/diag.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_BYTES 1000
#define LINE_BYTES (TEXT_BYTES + 200)
#define REPEAT_MS 1000
#define RECENT_N 8
#define WAIT_MS 10 /* for a reader of our pipe that is behind */

/* A report that was written lately: it may come again soon. */
struct recent {
	char text[TEXT_BYTES];
	enum diag_level level;
	uint64_t written_ms; /* 0: the entry is free */
	uint64_t left_out;   /* times it came since */
};

static struct {
	pthread_mutex_t lock;
	const char *program;
	enum diag_level level;
	char *path; /* NULL: standard error */
	int fd;
	bool is_stuck; /* fd took nothing in WAIT_MS:
	                  don't wait again */
	uint64_t lost; /* lines that were not written */
	struct recent recent[RECENT_N];
} out = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .program = "cometlog",
    .level = DIAG_INFO,
    .fd = STDERR_FILENO,
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

enum rc
diag_open(
    const char *program, enum diag_level level, const char *path, struct err *e)
{
	char *copy = NULL;
	int fd = STDERR_FILENO;

	if (path != NULL) {
		fd = open_file(path);
		if (fd < 0)
			return err_set(e, RC_CONFIG, "diag-file %s: %s", path,
			    strerror(errno));
		copy = strdup(path);
		if (copy == NULL) {
			close(fd);
			return err_set(
			    e, RC_NOMEM, "diag-file %s: no memory", path);
		}
	}
	pthread_mutex_lock(&out.lock);
	if (out.fd != STDERR_FILENO)
		close(out.fd);
	free(out.path);
	out.program = program;
	out.level = level;
	out.path = copy;
	out.fd = fd;
	pthread_mutex_unlock(&out.lock);
	return RC_OK;
}

void
diag_reopen(void)
{
	int fd, error = 0;

	pthread_mutex_lock(&out.lock);
	if (out.path != NULL) {
		fd = open_file(out.path);
		if (fd < 0) {
			error = errno;
		} else {
			close(out.fd);
			out.fd = fd;
		}
	}
	pthread_mutex_unlock(&out.lock);
	if (error != 0)
		diag(DIAG_WARN,
		    "diag-file can't be opened again: %s; the old one is used",
		    strerror(error));
}

bool
diag_is_on(enum diag_level level)
{
	bool is_on;

	pthread_mutex_lock(&out.lock);
	is_on = level <= out.level;
	pthread_mutex_unlock(&out.lock);
	return is_on;
}

/* Nothing that a client sends may move the operator's cursor: C0, DEL, and C1
   as UTF-8 has it. */
static void
hide_controls(char *text)
{
	unsigned char *p;

	for (p = (unsigned char *)text; *p != 0; p++) {
		if (*p < ' ' || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
}

/* A pipe that takes a page doesn't block for a line, so it is asked first. */
static void
write_bytes(const char *line, size_t n)
{
	struct pollfd p = {.fd = out.fd, .events = POLLOUT};

	out.is_stuck = poll(&p, 1, out.is_stuck ? 0 : WAIT_MS) == 0;
	if (out.is_stuck || write(out.fd, line, n) < 0)
		out.lost++;
}

static void
write_line(enum diag_level level, const char *text, uint64_t times)
{
	char line[LINE_BYTES], stamp[32] = "", tail[64] = "";
	struct timespec now;
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &tm) != NULL)
		strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	if (times > 0)
		snprintf(tail, sizeof tail, " (%ju times since the last)",
		    (uintmax_t)times);
	n = snprintf(line, sizeof line, "%s.%03dZ %.40s[%d] %s: %s%s\n", stamp,
	    (int)(now.tv_nsec / 1000000), out.program, (int)getpid(),
	    level_names[level], text, tail);
	if (n > 0)
		write_bytes(line, (size_t)n);
}

static void
tell_left_out(struct recent *r, uint64_t now_ms)
{
	write_line(r->level, r->text, r->left_out);
	r->left_out = 0;
	r->written_ms = now_ms;
}

static void
tell_lost(void)
{
	char text[80];
	uint64_t lost = out.lost;

	if (lost == 0)
		return;
	out.lost = 0;
	snprintf(text, sizeof text, "%ju reports could not be written",
	    (uintmax_t)lost);
	write_line(DIAG_WARN, text, 0);
	if (out.lost > 0)
		out.lost = lost; /* not even that one */
}

static void
report(enum diag_level level, const char *text)
{
	uint64_t now_ms = clock_mono_ms() + 1; /* never the 0 of a free entry */
	struct recent *r, *same = NULL, *oldest = out.recent;

	for (r = out.recent; r < out.recent + RECENT_N; r++) {
		if (r->written_ms < oldest->written_ms)
			oldest = r;
		if (r->written_ms != 0 && r->level == level &&
		    strcmp(r->text, text) == 0)
			same = r;
		else if (r->left_out > 0 && now_ms - r->written_ms >= REPEAT_MS)
			tell_left_out(r, now_ms);
	}
	if (same != NULL && now_ms - same->written_ms < REPEAT_MS) {
		same->left_out++;
		return;
	}
	tell_lost();
	if (same != NULL && same->left_out > 0) {
		same->left_out++;
		tell_left_out(same, now_ms);
		return;
	}
	if (same == NULL) {
		same = oldest;
		if (same->left_out > 0)
			tell_left_out(same, now_ms);
		snprintf(same->text, sizeof same->text, "%s", text);
		same->level = level;
	}
	same->written_ms = now_ms;
	write_line(level, text, 0);
}

void
diag(enum diag_level level, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	va_list ap;
	int kept_errno = errno;

	if (!diag_is_on(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	hide_controls(text);
	pthread_mutex_lock(&out.lock);
	report(level, text);
	pthread_mutex_unlock(&out.lock);
	errno = kept_errno;
}
