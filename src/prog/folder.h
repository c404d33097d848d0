/*
 * The program as it lies on shared hosting: in a folder that was uploaded, with
 * its configuration beside it.  Nobody gives it options, for there is nobody
 * who starts it but the web server.  The upload brings FOLDER_SHIPPED, and the
 * next one replaces it; what its user changes stands in FOLDER_CONFIG, which no
 * upload brings.
 */
#ifndef COMETLOG_PROG_FOLDER_H
#define COMETLOG_PROG_FOLDER_H

#include "base/options.h"

#define FOLDER_SHIPPED "defaults.conf"
#define FOLDER_CONFIG "cometlog.conf"

/* *folder: of the program's file when one of these two is in it, else NULL.
   The caller frees it with free().  RC_NOMEM. */
enum rc folder_find(char **folder, struct err *e) MUST_CHECK;

/* *path: of the file with that name in folder, or NULL when there is none.  The
   caller frees it with free().  RC_NOMEM. */
enum rc folder_file(const char *folder, const char *name, char **path,
    struct err *e) MUST_CHECK;

/*
 * Where the log goes when they don't say: *log, which the caller frees with
 * free().  Folders are made as needed (mode 0700, with an .htaccess that denies
 * them).
 *
 *   data/cometlog.db in folder, the program's, if it is there already;
 *   else ABOVE/cometlog-data/NAME/cometlog.db, when the program lies below a
 *   folder with a usual name of web roots (public_html, htdocs ...) and the
 *   folder above it, ABOVE, belongs to this process's user: out of reach of any
 *   URL; else data/cometlog.db.
 *
 * All processes come to the same.  RC_CONFIG: no folder can be made or written,
 * with what to do; RC_NOMEM.
 */
enum rc folder_choose_log(
    const char *folder, char **log, struct err *e) MUST_CHECK;

#endif
