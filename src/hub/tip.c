#include "hub/tip.h"

#include "base/cursor.h"
#include "base/diag.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct tip {
	char *path, *new_path;
	int lock_fd;
	bool is_keeper;
	char cursor[CURSOR_MAX_BYTES]; /* what stands in the file */
	size_t cursor_n;
};

enum rc
tip_new(
    struct tip **out, const char *path, const char *lock_path, struct err *e)
{
	struct tip *t = calloc(1, sizeof *t);

	*out = NULL;
	if (t == NULL)
		return err_set(e, RC_NOMEM, "no memory for the tip file");
	t->lock_fd = -1;
	t->path = strdup(path);
	if (t->path == NULL ||
	    asprintf(&t->new_path, "%s.%ld", path, (long)getpid()) < 0) {
		t->new_path = NULL;
		tip_free(t);
		return err_set(e, RC_NOMEM, "no memory for the tip file");
	}
	t->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (t->lock_fd < 0) {
		tip_free(t);
		return err_set(e, RC_CONFIG, "tip-file: can't open %s: %s",
		    lock_path, strerror(errno));
	}
	*out = t;
	return RC_OK;
}

/* What stands in the file already need not be written. */
static void
read_present(struct tip *t)
{
	int fd = open(t->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, t->cursor, sizeof t->cursor);

	t->cursor_n = n < 0 || (size_t)n == sizeof t->cursor ? 0 : (size_t)n;
	if (fd >= 0)
		close(fd);
}

bool
tip_is_keeper(struct tip *t)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (!t->is_keeper && fcntl(t->lock_fd, F_OFD_SETLK, &lock) == 0) {
		t->is_keeper = true;
		read_present(t);
	}
	return t->is_keeper;
}

/* Line ends that may follow the cursor: more versions than a second has. */
#define PAD_BYTES 512

/*
 * How many line ends must follow the cursor of n bytes in the file that is open
 * as fd.  Web servers such as nginx make the ETag of a file from its second and
 * its length; so of the versions of one second each is longer than the last.
 */
static size_t
pad_length(const struct tip *t, int fd, size_t n)
{
	struct stat new, old;

	if (fstat(fd, &new) != 0 || stat(t->path, &old) != 0 ||
	    old.st_mtime != new.st_mtime || (size_t)old.st_size < n)
		return 0;
	n = (size_t)old.st_size + 1 - n;
	return n < PAD_BYTES ? n : PAD_BYTES;
}

static bool
write_all(int fd, const char *p, size_t n)
{
	return write(fd, p, n) == (ssize_t)n;
}

/* True if all of it is in the new file. */
static bool
write_new(struct tip *t, struct slice cursor)
{
	int fd =
	    open(t->new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char pad[PAD_BYTES];
	bool is_written;

	if (fd < 0)
		return false;
	memset(pad, '\n', sizeof pad);
	is_written = write_all(fd, cursor.p, cursor.n) &&
	    write_all(fd, pad, pad_length(t, fd, cursor.n)) &&
	    fchmod(fd, 0644) == 0; /* the web server is another user */
	return close(fd) == 0 && is_written;
}

void
tip_write(struct tip *t, struct slice cursor)
{
	if (slice_is(cursor, (struct slice){t->cursor, t->cursor_n}))
		return;
	if (!write_new(t, cursor) || rename(t->new_path, t->path) != 0) {
		diag(DIAG_WARN, "tip-file: can't write %s: %s", t->path,
		    strerror(errno));
		unlink(t->new_path);
		return;
	}
	t->cursor_n = cursor.n < sizeof t->cursor ? cursor.n : 0;
	memcpy(t->cursor, cursor.p, t->cursor_n);
}

void
tip_free(struct tip *t)
{
	if (t == NULL)
		return;
	if (t->lock_fd >= 0)
		close(t->lock_fd);
	free(t->path);
	free(t->new_path);
	free(t);
}
