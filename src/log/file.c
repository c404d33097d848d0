#include "log/file.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

bool
file_identify(const char *path, struct file_id *id)
{
	struct stat st;

	*id = (struct file_id){0};
	if (stat(path, &st) != 0)
		return false;
	*id = (struct file_id){st.st_dev, st.st_ino};
	return true;
}

bool
file_is_same(struct file_id a, struct file_id b)
{
	return a.dev == b.dev && a.ino == b.ino;
}

/* Those that linux/magic.h leaves out. */
#define CIFS_MAGIC 0xff534d42u
#define CEPH_MAGIC 0x00c36400u
#define LUSTRE_MAGIC 0x0bd00bd0u
#define GPFS_MAGIC 0x47504653u
#define GFS2_MAGIC 0x01161970u
#define OCFS2_MAGIC 0x7461636fu
#define ZFS_MAGIC 0x2fc12fc1u

enum file_system
file_system_kind(uint64_t f_type)
{
	switch (f_type & 0xffffffffu) { /* f_type may be sign-extended */
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case CIFS_MAGIC:
	case V9FS_MAGIC:
	case AFS_SUPER_MAGIC:
	case AFS_FS_MAGIC:
	case CODA_SUPER_MAGIC:
	case NCP_SUPER_MAGIC:
	case CEPH_MAGIC:
	case LUSTRE_MAGIC:
	case GPFS_MAGIC:
	case GFS2_MAGIC:
	case OCFS2_MAGIC:
		return FILE_NETWORK;
	case FUSE_SUPER_MAGIC:
		return FILE_DOUBTFUL;
	default:
		return FILE_LOCAL;
	}
}

enum file_system
file_system_of(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) != 0)
		return FILE_DOUBTFUL;
	return file_system_kind((uint64_t)fs.f_type);
}

static bool
lock_byte(int fd, off_t at, short type)
{
	struct flock lock = {
	    .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* A file system without locks refuses them, or grants each to everybody. */
static bool
try_locks(int a, int b)
{
	return lock_byte(a, 0, F_WRLCK) && !lock_byte(b, 0, F_WRLCK) &&
	    lock_byte(b, 1, F_WRLCK) && lock_byte(a, 0, F_UNLCK) &&
	    lock_byte(b, 0, F_WRLCK);
}

/* Does the one see what was written through the other's memory? */
static bool
try_memory(int a, int b)
{
	volatile char *p, *q;
	bool is_shared = false;

	/* written, not just made longer: a full disk is an error then, and not
	   a signal at the first access */
	if (write(a, "0", 1) != 1)
		return false;
	p = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, a, 0);
	q = mmap(NULL, 1, PROT_READ, MAP_SHARED, b, 0);
	if (p != MAP_FAILED && q != MAP_FAILED) {
		*p = 'x';
		is_shared = *q == 'x';
	}
	if (p != MAP_FAILED)
		munmap((void *)p, 1);
	if (q != MAP_FAILED)
		munmap((void *)q, 1);
	return is_shared;
}

struct file_trial
file_try(const char *path)
{
	struct file_trial t = {.is_made = false};
	char *name;
	int a, b;

	if (asprintf(&name, "%s-try-XXXXXX", path) < 0)
		return t;
	a = mkostemp(name, O_CLOEXEC);
	if (a >= 0) {
		b = open(name, O_RDWR | O_CLOEXEC);
		t.is_made = b >= 0;
		t.has_memory = b >= 0 && try_memory(a, b);
		t.has_locks = b >= 0 && try_locks(a, b);
		if (b >= 0)
			close(b);
		close(a);
		(void)unlink(name);
	}
	free(name);
	return t;
}

bool
file_is_shareable(const char *path)
{
	struct file_trial t = file_try(path);

	return t.has_locks && t.has_memory;
}

bool
file_has_wal_format(const char *path, bool *is_there)
{
	unsigned char version = 0; /* the read version, at offset 19 */
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*is_there = fd >= 0 && pread(fd, &version, 1, 19) == 1;
	if (fd >= 0)
		close(fd);
	return version == 2;
}

static const struct {
	uint32_t type;
	const char *name;
} known[] = {
    {EXT4_SUPER_MAGIC, "ext2/ext3/ext4"},
    {XFS_SUPER_MAGIC, "xfs"},
    {BTRFS_SUPER_MAGIC, "btrfs"},
    {ZFS_MAGIC, "zfs"},
    {F2FS_SUPER_MAGIC, "f2fs"},
    {TMPFS_MAGIC, "tmpfs"},
    {OVERLAYFS_SUPER_MAGIC, "overlay"},
    {NFS_SUPER_MAGIC, "nfs"},
    {SMB_SUPER_MAGIC, "smb"},
    {SMB2_SUPER_MAGIC, "smb2"},
    {CIFS_MAGIC, "cifs"},
    {V9FS_MAGIC, "9p"},
    {CEPH_MAGIC, "ceph"},
    {LUSTRE_MAGIC, "lustre"},
    {GPFS_MAGIC, "gpfs"},
    {GFS2_MAGIC, "gfs2"},
    {OCFS2_MAGIC, "ocfs2"},
    {FUSE_SUPER_MAGIC, "fuse"},
};

void
file_system_name(const char *path, char *name, size_t n)
{
	struct statfs fs;
	uint32_t type;
	size_t i;

	if (statfs(path, &fs) != 0) {
		snprintf(name, n, "unknown");
		return;
	}
	type = (uint32_t)fs.f_type;
	snprintf(name, n, "0x%x", type);
	for (i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i].type == type)
			snprintf(name, n, "%s", known[i].name);
}

char *
file_beside(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix) + 1;
	char *p = malloc(n + m);

	if (p == NULL)
		return NULL;
	memcpy(p, path, n);
	memcpy(p + n, suffix, m);
	return p;
}

/* Of a file that doesn't exist: its folder's name and its own. */
static char *
resolve_in_folder(const char *path)
{
	char *copy = strdup(path), *copy2 = strdup(path), *folder = NULL;
	char *name = NULL, *absolute = NULL;

	if (copy != NULL && copy2 != NULL)
		folder = realpath(dirname(copy), NULL);
	if (folder != NULL)
		name = file_beside("/", basename(copy2));
	if (name != NULL)
		absolute =
		    file_beside(strcmp(folder, "/") == 0 ? "" : folder, name);
	free(name);
	free(folder);
	free(copy2);
	free(copy);
	return absolute;
}

enum rc
file_resolve(const char *path, char **absolute, struct err *e)
{
	*absolute = realpath(path, NULL);
	if (*absolute == NULL && errno == ENOENT)
		*absolute = resolve_in_folder(path);
	if (*absolute == NULL)
		return err_set(e, errno == ENOMEM ? RC_NOMEM : RC_LOG,
		    "the log's folder: %s: %s", path, strerror(errno));
	return RC_OK;
}

enum rc
file_lock(const char *wake_path, uint32_t busy_ms, int *fd, struct err *e)
{
	uint64_t until = clock_mono_ms() + busy_ms;
	struct timespec pause = {0, 1000000};

	*fd = open(wake_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return err_set(e, RC_LOG,
		    "%s: %s: the log's folder must be "
		    "writable",
		    wake_path, strerror(errno));
	while (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return RC_OK;
		if (clock_mono_ms() >= until) {
			close(*fd);
			return err_set(e, RC_LOG,
			    "%s stays locked by another process", wake_path);
		}
		nanosleep(&pause, NULL);
	}
	return RC_OK;
}

static uint32_t
check_of(const struct file_mark *m)
{
	return (m->epoch ^ (uint32_t)m->seq ^ (uint32_t)(m->seq >> 32)) +
	    0x77616b65u;
}

bool
file_read_mark(int wake_fd, struct file_mark *m)
{
	return pread(wake_fd, m, sizeof *m, 0) == (ssize_t)sizeof *m &&
	    m->check == check_of(m);
}

void
file_write_mark(int wake_fd, uint64_t seq, uint32_t epoch)
{
	struct file_mark m = {.seq = seq, .epoch = epoch};
	ssize_t n;

	m.check = check_of(&m);
	n = pwrite(wake_fd, &m, sizeof m, 0);
	(void)n;
}

#define BOOT_AT ((off_t)sizeof(struct file_mark))

bool
file_has_boot(int wake_fd)
{
	char now[CLOCK_BOOT_BYTES], then[sizeof now];

	return clock_boot(now) &&
	    pread(wake_fd, then, sizeof then, BOOT_AT) == sizeof then &&
	    memcmp(now, then, sizeof now) == 0;
}

void
file_note_boot(int wake_fd)
{
	char now[CLOCK_BOOT_BYTES];
	ssize_t n;

	if (!clock_boot(now))
		return;
	n = pwrite(wake_fd, now, sizeof now, BOOT_AT);
	(void)n; /* then numbers are skipped once more */
}

void
file_drop_removed(int *fd)
{
	struct stat st;

	if (*fd < 0 || fstat(*fd, &st) != 0 || st.st_nlink > 0)
		return;
	close(*fd);
	*fd = -1;
}

void
file_remove_neighbours(const char *path)
{
	static const char *const suffix[] = {"-wal", "-shm", "-journal"};
	char *p;

	for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++) {
		p = file_beside(path, suffix[i]);
		if (p != NULL)
			(void)unlink(p);
		free(p);
	}
}

enum rc
file_create(const char *path, struct err *e)
{
	int fd;

	file_remove_neighbours(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST)
		return err_set(
		    e, RC_LOG, "can't create %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return RC_OK;
}
