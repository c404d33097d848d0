/*
 * The log as files: which one lies at a path, what kind of file system holds
 * it, its neighbours (-wal, -shm, -journal), and the wake file.  No SQL.
 * Inside log/ only.
 */
#ifndef COMETLOG_LOG_FILE_H
#define COMETLOG_LOG_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct file_id {
	dev_t dev;
	ino_t ino; /* 0: no file */
};

/* False, and *id is no file, if there is none at path. */
bool file_identify(const char *path, struct file_id *id);
bool file_is_same(struct file_id a, struct file_id b);

enum file_system {
	FILE_LOCAL,
	FILE_DOUBTFUL, /* FUSE: may be local or not, its inodes may change */
	FILE_NETWORK,  /* processes on several hosts share no memory */
};

/* Of statfs(2)'s f_type. */
enum file_system file_system_kind(uint64_t f_type);

/* Of the file system that holds path; FILE_DOUBTFUL where it can't be told. */
enum file_system file_system_of(const char *path);

/* What processes can share on a file here: tried with one of 1 byte beside
   path, which is removed again. */
struct file_trial {
	bool is_made;    /* else nothing could be tried: errno */
	bool has_locks;  /* byte ranges exclude each other */
	bool has_memory; /* two maps show each other's bytes */
};
struct file_trial file_try(const char *path);

/* True if it was both. */
bool file_is_shareable(const char *path);

/* Is path a database that is kept with a write-ahead log (SQLite file format,
   section 1.3.3)?  *is_there: false when there is none, or an empty one.
   Before this process opens it with SQLite, whose locks would be gone
   afterwards. */
bool file_has_wal_format(const char *path, bool *is_there);

/* What people call the file system that holds path, such as "ext4", as far as
   that is known here, else its type as "0x1234".  NUL-terminated, cut at n. */
void file_system_name(const char *path, char *name, size_t n);

/* The absolute name of path, symbolic links resolved; the file need not exist,
   its folder must.  Caller frees it with free().  RC_LOG, RC_NOMEM. */
enum rc file_resolve(
    const char *path, char **absolute, struct err *e) MUST_CHECK;

/* path and suffix in one string, which the caller frees; NULL: no memory. */
char *file_beside(const char *path, const char *suffix);

/*
 * Opens (makes, mode 0600) the wake file and locks it against others who do
 * the same: for making a log, not for using it.  Waits busy_ms at most.  File
 * systems without flock(2) don't lock.  *fd: the caller's to close, which
 * unlocks.  RC_LOG.
 */
enum rc file_lock(
    const char *wake_path, uint32_t busy_ms, int *fd, struct err *e) MUST_CHECK;

/*
 * What the wake file holds, in the host's byte order: the log's newest seq and
 * its epoch, both as of a commit that all could see before.  So a log that is
 * found with less in the same epoch has gone back in time, if only by what the
 * disk didn't have when the power went.
 */
struct file_mark {
	uint64_t seq;
	uint32_t epoch;
	uint32_t check; /* made of the others: half a mark is none */
};

/* False: the file holds none. */
bool file_read_mark(int wake_fd, struct file_mark *m);

/* A hint, which may fail: readers who miss it look on their own in a moment,
   and nothing but a log restored in place goes unnoticed. */
void file_write_mark(int wake_fd, uint64_t seq, uint32_t epoch);

/*
 * Which boot of the machine the log was last opened in stands behind the mark.
 * file_has_boot: true if it was this one; false also where the kernel doesn't
 * tell.  file_note_boot: from now on it is.
 */
bool file_has_boot(int wake_fd);
void file_note_boot(int wake_fd);

/* Closes *fd, and sets it to -1, if someone has removed its file. */
void file_drop_removed(int *fd);

/* Makes an empty file, mode 0600, without what a former one at this path
   has left beside it.  RC_LOG. */
enum rc file_create(const char *path, struct err *e) MUST_CHECK;

/* Removes path + "-wal" and so on; while nobody uses them. */
void file_remove_neighbours(const char *path);

#endif
