/*
 * Is the place where the log lies fit for it?  Found out by trying, beside the
 * log, what SQLite and the program need there.  For the doctor; reads and
 * changes nothing of the log.
 */
#ifndef COMETLOG_LOG_FITNESS_H
#define COMETLOG_LOG_FITNESS_H

#include "log/reader.h"

#include <stdbool.h>

struct log_fitness {
	bool is_wal;          /* the log is in WAL mode now */
	char file_system[24]; /* "ext4"; "0x1234" where it has no name here */
	const char *reach;    /* "local", "network", or "unknown" (FUSE);
	                         static text */
	bool has_locks, has_shared_memory; /* log/file.h, file_trial */
	bool is_fit_for_wal;               /* shared memory, and
	                                      not on a network */
	bool is_in_web_root;               /* the log's folder lies
	                                      below web_root */
	uint64_t free_bytes;               /* for this user */
};

/*
 * web_root: the folder that the web server serves, or an empty slice when it
 * is not known.  RC_LOG: nothing can be made in the log's folder, or the log
 * can't be asked; RC_BUSY; RC_NOMEM.
 */
enum rc log_fitness(struct log_reader *r, struct slice web_root,
    struct log_fitness *f, struct err *e) MUST_CHECK;

/* True if the absolute path is folder or lies below it.  Pure. */
bool log_is_below(const char *path, const char *folder);

#endif
