/* What the files behind prog/findings.h share.  Inside findings only. */
#ifndef COMETLOG_PROG_FINDINGS_JUDGE_H
#define COMETLOG_PROG_FINDINGS_JUDGE_H

#include "prog/findings.h"

#define CONFIG "cometlog.conf"
#define HTACCESS ".htaccess, beside cometlog.fcgi"
#define HANDLER "Options +ExecCGI\nAddHandler fcgid-script .fcgi"

/* One finding more, without lines to change; beyond FINDINGS_MAX the last is
   replaced. */
struct finding *findings_add(struct findings *f, const char *id,
    enum findings_level level, const char *title, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

/* Gives it the lines to change.  where: static text. */
void findings_fix(struct finding *x, const char *where, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Of the program that was uploaded with its folder: its .htaccess decides. */
bool findings_is_uploaded(const struct survey *s);

/* Does the web server, in front or behind, call itself so? */
bool findings_is_server(const struct survey *s, const char *name);

/* Why the program isn't reached: what the answer looks like tells. */
void findings_judge_reach(struct findings *f, const struct survey *s);

#endif
