/*
 * The program as it lies on shared hosting: in a folder that was uploaded, with
 * its configuration beside it.  Nobody gives it options, for there is nobody
 * who starts it but the web server.
 */
#ifndef COMETLOG_PROG_FOLDER_H
#define COMETLOG_PROG_FOLDER_H

#include "base/options.h"

/* *path: of cometlog.conf beside the program's file, or NULL when there is none.
   The caller frees it with free().  RC_NOMEM. */
enum rc folder_find_config(char **path, struct err *e) MUST_CHECK;

/*
 * Where the log goes when that file doesn't say: *log, which the caller frees
 * with free().  Folders are made as needed (mode 0700, with an .htaccess that denies them).
 *
 *   data/cometlog.db beside the program, if it is there already;
 *   else ABOVE/cometlog-data/NAME/cometlog.db, when the program lies below a
 *   folder with a usual name of web roots (public_html, htdocs ...) and the folder
 *   above it, ABOVE, belongs to this process's user: out of reach of any URL;
 *   else data/cometlog.db.
 *
 * All processes come to the same.  RC_CONFIG: no folder can be made or written,
 * with what to do; RC_NOMEM.
 */
enum rc folder_choose_log(const char *config_path, char **log,
    struct err *e) MUST_CHECK;

#endif
