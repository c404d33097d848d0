#include "log/fitness.h"

#include "log/file.h"
#include "log/read.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

bool
log_is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	while (n > 0 && folder[n - 1] == '/')
		n--;
	return strncmp(path, folder, n) == 0 &&
	    (path[n] == '/' || path[n] == 0);
}

static enum rc
ask_journal(struct log_reader *r, struct log_fitness *f, struct err *e)
{
	sqlite3_stmt *s = NULL;
	struct read_head head;
	const char *mode;
	enum rc rc = read_begin(r, (struct slice){0}, &head, e);

	if (rc != RC_OK)
		return rc;
	read_end(r);
	if (sqlite3_prepare_v2(r->db.c, "PRAGMA journal_mode", -1, &s, NULL) !=
	        SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW) {
		rc = db_fail(&r->db, e);
	} else {
		mode = (const char *)sqlite3_column_text(s, 0);
		f->is_wal = mode != NULL && sqlite3_stricmp(mode, "wal") == 0;
	}
	sqlite3_finalize(s);
	return rc;
}

static const char *
reach_of(enum file_system kind)
{
	switch (kind) {
	case FILE_LOCAL:
		return "local";
	case FILE_NETWORK:
		return "network";
	case FILE_DOUBTFUL:
		break;
	}
	return "unknown";
}

/* The text of a slice may end anywhere; realpath wants a string. */
static bool
is_in(const char *folder, struct slice web_root)
{
	char *text = strndup(web_root.n == 0 ? "" : web_root.p, web_root.n);
	char *root = text == NULL || *text == 0 ? NULL : realpath(text, NULL);
	bool is_below = root != NULL && log_is_below(folder, root);

	free(root);
	free(text);
	return is_below;
}

static void
look_at_folder(const char *folder, struct slice web_root, struct log_fitness *f)
{
	enum file_system kind = file_system_of(folder);
	struct statvfs space;

	f->reach = reach_of(kind);
	f->is_fit_for_wal = f->has_shared_memory && kind != FILE_NETWORK;
	file_system_name(folder, f->file_system, sizeof f->file_system);
	f->is_in_web_root = is_in(folder, web_root);
	if (statvfs(folder, &space) == 0)
		f->free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
}

enum rc
log_fitness(struct log_reader *r, struct slice web_root, struct log_fitness *f,
    struct err *e)
{
	struct file_trial trial;
	char *path;
	enum rc rc;

	*f = (struct log_fitness){0};
	if ((rc = ask_journal(r, f, e)) != RC_OK)
		return rc;
	trial = file_try(log_path(r->log));
	if (!trial.is_made)
		return err_set(e, RC_LOG,
		    "No file can be made beside the log: "
		    "%s.",
		    strerror(errno));
	f->has_locks = trial.has_locks;
	f->has_shared_memory = trial.has_memory;
	if ((path = strdup(log_path(r->log))) == NULL)
		return err_set(e, RC_NOMEM, "no memory for a file's name");
	look_at_folder(dirname(path), web_root, f);
	free(path);
	return RC_OK;
}
