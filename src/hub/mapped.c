#include "hub/mapped.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Locks lie beyond all that is mapped: those of mapped_lock, the file's own. */
#define LOCKS_AT ((off_t)1 << 30)
#define LOCK_OF_FILE (UINT32_C(1) << 30)
#define LOCK_PAUSE_NS 200000
#define OPEN_WAIT_MS 5000

struct mapped {
	char *path;
	void *map;
	atomic_bool is_lost;     /* see on_bus */
	struct mapped_head head; /* what the file has to begin with */
	pthread_mutex_t lock;    /* of what follows */
	int fd;
	dev_t dev;
	ino_t ino;
};

/* ---- a file cut short -------------------------------------------------- */

/* The maps that on_bus looks after; of more than so many in one process the
   others are not. */
#define WATCHED 16
static struct mapped *_Atomic watched[WATCHED];
static struct sigaction before_us;

/* The access that failed is tried again when this returns. */
static void
on_bus(int signo, siginfo_t *info, void *context)
{
	char *at = info->si_addr;
	int error = errno;
	struct mapped *m;

	(void)context;
	for (size_t i = 0; i < WATCHED; i++) {
		m = atomic_load(&watched[i]);
		if (m == NULL || at < (char *)m->map ||
		    at >= (char *)m->map + m->head.bytes)
			continue;
		if (mmap(m->map, m->head.bytes, PROT_READ | PROT_WRITE,
		        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		        -1, 0) == MAP_FAILED)
			break;
		atomic_store(&m->is_lost, true);
		errno = error;
		return;
	}
	sigaction(signo, &before_us, NULL);
}

/* Before whatever handles the signal now. */
static void
install_handler(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct sigaction now,
	    bus = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigemptyset(&bus.sa_mask);
	pthread_mutex_lock(&lock);
	if (sigaction(SIGBUS, NULL, &now) == 0 && now.sa_sigaction != on_bus) {
		before_us = now;
		sigaction(SIGBUS, &bus, NULL);
	}
	pthread_mutex_unlock(&lock);
}

static void
watch(struct mapped *m)
{
	struct mapped *none;

	install_handler();
	for (size_t i = 0; i < WATCHED; i++) {
		none = NULL;
		if (atomic_compare_exchange_strong(&watched[i], &none, m))
			return;
	}
}

static void
unwatch(struct mapped *m)
{
	struct mapped *it;

	for (size_t i = 0; i < WATCHED; i++) {
		it = m;
		atomic_compare_exchange_strong(&watched[i], &it, NULL);
	}
}

/* ---- locks ------------------------------------------------------------- */

/* F_OFD_SETLK: the kernel drops the lock with the last process that
   has the open file. */
static int
set_lock(int fd, uint32_t n, short type)
{
	struct flock l = {.l_type = type,
	    .l_whence = SEEK_SET,
	    .l_start = LOCKS_AT + (off_t)n,
	    .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &l);
}

static bool
lock_fd(int fd, uint32_t n, uint64_t wait_ms)
{
	uint64_t until = clock_mono_ms() + wait_ms;
	struct timespec pause = {0, LOCK_PAUSE_NS};

	while (set_lock(fd, n, F_WRLCK) != 0) {
		if ((errno != EAGAIN && errno != EACCES) ||
		    clock_mono_ms() >= until)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

bool
mapped_lock(struct mapped *m, uint32_t n, uint64_t wait_ms)
{
	return lock_fd(m->fd, n, wait_ms);
}

void
mapped_unlock(struct mapped *m, uint32_t n)
{
	(void)set_lock(m->fd, n, F_UNLCK);
}

/* ---- the file ---------------------------------------------------------- */

static enum rc
fail(const struct mapped *m, struct err *e)
{
	return err_set(
	    e, RC_CONFIG, "shared file %s: %s", m->path, strerror(errno));
}

static bool
is_whole(const struct mapped *m, int fd)
{
	struct mapped_head h;
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == (off_t)m->head.bytes &&
	    pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h &&
	    memcmp(&h, &m->head, offsetof(struct mapped_head, drawn)) == 0;
}

/* The head comes last: without it the next to open begins anew. */
static bool
make_whole(const struct mapped *m, int fd)
{
	struct mapped_head h = m->head;

	h.drawn = clock_random();
	return ftruncate(fd, 0) == 0 &&
	    ftruncate(fd, (off_t)m->head.bytes) == 0 &&
	    pwrite(fd, &h, sizeof h, 0) == (ssize_t)sizeof h;
}

static enum rc
open_file(const struct mapped *m, int *fd, struct stat *st, struct err *e)
{
	enum rc rc = RC_OK;

	*fd = open(m->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	if (*fd < 0 || fstat(*fd, st) != 0)
		return fail(m, e);
	if (!S_ISREG(st->st_mode))
		return err_set(
		    e, RC_CONFIG, "shared file %s is no file", m->path);
	/* where there are no locks, two that start at once may make it twice */
	(void)lock_fd(*fd, LOCK_OF_FILE, OPEN_WAIT_MS);
	if (!is_whole(m, *fd) && !make_whole(m, *fd))
		rc = fail(m, e);
	(void)set_lock(*fd, LOCK_OF_FILE, F_UNLCK);
	return rc;
}

/* Somewhere, or in the place of the one that is mapped, at once for all
   threads.  Not by MAP_FIXED, which leaves nothing mapped where it fails. */
static void *
map_fd(const struct mapped *m, int fd)
{
	size_t n = m->head.bytes;
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	void *moved;

	if (p == MAP_FAILED || m->map == NULL)
		return p;
	moved = mremap(p, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, m->map);
	if (moved == MAP_FAILED)
		munmap(p, n);
	return moved;
}

/* Maps the file at the path, made if need be. */
static enum rc
map_file(struct mapped *m, struct err *e)
{
	struct stat st;
	void *p;
	int fd;
	enum rc rc = open_file(m, &fd, &st, e);

	if (rc != RC_OK)
		goto fail;
	p = map_fd(m, fd);
	if (p == MAP_FAILED) {
		rc = fail(m, e);
		goto fail;
	}
	m->map = p;
	m->dev = st.st_dev;
	m->ino = st.st_ino;
	if (m->fd < 0)
		m->fd = fd;
	else /* for mapped_lock the number stays the same */
		(void)dup3(fd, m->fd, O_CLOEXEC);
	if (m->fd != fd)
		close(fd);
	return RC_OK;
fail:
	if (fd >= 0)
		close(fd);
	return rc;
}

enum rc
mapped_open(struct mapped **out, const char *path, const char *magic,
    uint32_t format, uint32_t bytes, struct err *e)
{
	struct mapped *m = calloc(1, sizeof *m);
	enum rc rc;

	*out = NULL;
	if (m == NULL || (m->path = strdup(path)) == NULL) {
		free(m);
		return err_set(e, RC_NOMEM, "no memory for a shared file");
	}
	memcpy(m->head.magic, magic, sizeof m->head.magic);
	m->head.format = format;
	m->head.bytes = bytes;
	/* where it isn't told, files of an earlier boot are taken, too */
	(void)clock_boot(m->head.boot);
	m->fd = -1;
	pthread_mutex_init(&m->lock, NULL);
	rc = map_file(m, e);
	if (rc != RC_OK) {
		mapped_close(m);
		return rc;
	}
	watch(m);
	*out = m;
	return RC_OK;
}

void
mapped_close(struct mapped *m)
{
	if (m == NULL)
		return;
	unwatch(m);
	if (m->map != NULL)
		munmap(m->map, m->head.bytes);
	if (m->fd >= 0)
		close(m->fd);
	pthread_mutex_destroy(&m->lock);
	free(m->path);
	free(m);
}

void *
mapped_memory(const struct mapped *m)
{
	return m->map;
}

/* With the lock. */
static bool
is_there(struct mapped *m)
{
	struct stat st;

	return !atomic_load(&m->is_lost) && stat(m->path, &st) == 0 &&
	    st.st_dev == m->dev && st.st_ino == m->ino &&
	    st.st_size == (off_t)m->head.bytes;
}

enum rc
mapped_refresh(struct mapped *m, struct err *e)
{
	enum rc rc = RC_OK;

	pthread_mutex_lock(&m->lock);
	if (!is_there(m)) {
		/* before: what is lost from now on is lost anew */
		atomic_store(&m->is_lost, false);
		rc = map_file(m, e);
		if (rc != RC_OK)
			atomic_store(&m->is_lost, true);
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

enum rc
mapped_reserve(struct mapped *m, uint32_t at, uint32_t bytes, struct err *e)
{
	if (fallocate(m->fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)bytes) !=
	        0 &&
	    (errno == ENOSPC || errno == EDQUOT))
		return err_set(
		    e, RC_IO, "shared file %s: %s", m->path, strerror(errno));
	return RC_OK; /* or there is no such call here */
}
