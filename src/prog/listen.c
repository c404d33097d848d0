#include "prog/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel cuts it to somaxconn */
#define LOCK_TRIES 100
#define LOCK_WAIT_MS 10

static const char *
path_of(const struct address *a)
{
	return ((const struct sockaddr_un *)(const void *)&a->sa)->sun_path;
}

static enum rc
new_socket(const struct address *a, int *fd, struct err *e)
{
	*fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return err_set(e, RC_CONFIG, "socket: %s", strerror(errno));
	return RC_OK;
}

/* Servers that start together take turns at the folder, so that none takes the
   other's fresh socket for a dead one.  -1: no such folder, or no turn. */
static int
lock_folder(const char *path)
{
	const struct timespec wait = {.tv_nsec = LOCK_WAIT_MS * 1000000L};
	char folder[sizeof(struct sockaddr_un)] = ".";
	const char *slash = strrchr(path, '/');
	int fd, i;

	if (slash != NULL) {
		memcpy(folder, path, (size_t)(slash - path) + 1);
		folder[slash - path + 1] = 0;
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		nanosleep(&wait, NULL);
	}
	if (fd >= 0) {
		close(fd);
		errno = EBUSY;
	}
	return -1;
}

/* Removes the socket of a dead server: one that refuses connections. */
static enum rc
remove_stale(const struct address *a, struct err *e)
{
	const char *path = path_of(a);
	struct stat st;
	int fd, error = 0;
	enum rc rc;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? RC_OK
		                       : err_set(e, RC_CONFIG, "socket %s: %s",
		                             path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, RC_CONFIG,
		    "socket %s: there is a file that is not a socket", path);
	rc = new_socket(a, &fd, e);
	if (rc != RC_OK)
		return rc;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, (const struct sockaddr *)&a->sa, a->n) != 0)
		error = errno;
	close(fd);
	if (error == EACCES || error == EPERM)
		return err_set(e, RC_CONFIG,
		    "socket %s: there is one of another user", path);
	if (error != ECONNREFUSED && error != ENOENT)
		return err_set(e, RC_CONFIG,
		    "socket %s: in use, another server listens there", path);
	if (unlink(path) != 0 && errno != ENOENT)
		return err_set(
		    e, RC_CONFIG, "socket %s: %s", path, strerror(errno));
	return RC_OK;
}

static enum rc
bind_and_listen(struct listener *l, const char *text, struct err *e)
{
	if (bind(l->fd, (const struct sockaddr *)&l->address.sa,
	        l->address.n) == 0 &&
	    listen(l->fd, BACKLOG) == 0)
		return RC_OK;
	if (errno == EADDRINUSE)
		return err_set(e, RC_CONFIG,
		    "socket %s: in use, another server listens there", text);
	return err_set(e, RC_CONFIG, "socket %s: %s", text, strerror(errno));
}

static enum rc
open_path(struct listener *l, const char *text, uint32_t mode, struct err *e)
{
	int lock = lock_folder(text);
	struct stat st;
	mode_t mask;
	enum rc rc;

	if (lock < 0)
		return err_set(e, RC_CONFIG, "socket %s: its folder: %s", text,
		    strerror(errno));
	rc = remove_stale(&l->address, e);
	if (rc == RC_OK) {
		mask = umask((mode_t)(~mode & 0777));
		rc = bind_and_listen(l, text, e);
		umask(mask);
	}
	if (rc == RC_OK && stat(text, &st) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	close(lock);
	return rc;
}

static enum rc
open_port(struct listener *l, const char *text, struct err *e)
{
	const int on = 1;

	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (l->address.sa.ss_family == AF_INET6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	return bind_and_listen(l, text, e);
}

enum rc
listen_open(struct listener *l, const char *text, uint32_t mode, struct err *e)
{
	struct err why;
	enum rc rc;

	*l = (struct listener){.fd = -1};
	if (address_parse(slice_of(text), &l->address, &why) != RC_OK)
		return err_set(e, RC_CONFIG, "socket %.80s %s", text, why.text);
	rc = new_socket(&l->address, &l->fd, e);
	if (rc != RC_OK)
		return rc;
	rc = address_is_path(&l->address) ? open_path(l, text, mode, e)
	                                  : open_port(l, text, e);
	if (rc != RC_OK) {
		close(l->fd);
		l->fd = -1;
	}
	return rc;
}

void
listen_close(struct listener *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	if (address_is_path(&l->address) &&
	    stat(path_of(&l->address), &st) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		unlink(path_of(&l->address));
	close(l->fd);
	l->fd = -1;
}

bool
listen_is_listening(int fd)
{
	int is_on = 0;
	socklen_t n = sizeof is_on;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_on, &n) == 0 &&
	    is_on != 0;
}
