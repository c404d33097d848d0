/*
 * A file of fixed length that processes share as memory (mmap).  Sparse: what
 * was never written to takes no room.  Trusted as far as its header goes
 * (format, boot, length); any other file at the path is made anew, all zeros.
 * So is one of an earlier boot: what a mapped file holds after the loss of
 * power is anybody's guess.
 *
 * Should somebody cut the file short while it is mapped, or the disk fail,
 * which is SIGBUS, the process goes on with memory of its own, all zeros, until
 * mapped_refresh has mapped a new file.  For that it catches SIGBUS; what isn't
 * about these maps goes to the handler that was there before.
 *
 * Any thread; the memory needs atomics.
 */
#ifndef COMETLOG_HUB_MAPPED_H
#define COMETLOG_HUB_MAPPED_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct mapped;

/* What the file begins with; what follows is the caller's. */
struct mapped_head {
	char magic[8];
	uint32_t format;
	uint32_t bytes; /* of the whole file */
	char boot[40];
	uint64_t drawn; /* at random when the file was made */
};

/* magic (8 bytes), format: the caller's.  bytes: with the head, below 1 GiB.
   path is copied; a new file has mode 0600.  RC_CONFIG: it can't be made or
   mapped there; RC_NOMEM. */
enum rc mapped_open(struct mapped **out, const char *path, const char *magic,
    uint32_t format, uint32_t bytes, struct err *e) MUST_CHECK;
void mapped_close(struct mapped *m);

/* The memory, from the head on: at one place until mapped_close. */
void *mapped_memory(const struct mapped *m);

/* Looks whether the file is still the one at its path, whole, and maps that one
   or a new one if not.  One system call.  Errors as mapped_open; the memory is
   what it was. */
enum rc mapped_refresh(struct mapped *m, struct err *e) MUST_CHECK;

/* Gives the bytes at `at` room on the disk.  RC_IO: there is none, so writing
   to them would be SIGBUS. */
enum rc mapped_reserve(
    struct mapped *m, uint32_t at, uint32_t bytes, struct err *e) MUST_CHECK;

/*
 * One process at a time, for number n (below 2^30), waiting wait_ms at most;
 * it ends with its process.  Threads of one process don't exclude each other.
 * False: somebody else has it, or the file system has no locks.
 */
bool mapped_lock(struct mapped *m, uint32_t n, uint64_t wait_ms);
void mapped_unlock(struct mapped *m, uint32_t n);

#endif
