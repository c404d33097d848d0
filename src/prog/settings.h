/* The options of this process, from everywhere that they may stand. */
#ifndef COMETLOG_PROG_SETTINGS_H
#define COMETLOG_PROG_SETTINGS_H

#include "base/options.h"

/*
 * Fills *o (options_init included; always end with options_fini): defaults,
 * the file of --config (at most 1 MiB), the environment, the command line.
 * Without --config the two files beside the program, where there is one, and
 * then the log need not be named (prog/folder.h).
 * Under CGI (GATEWAY_INTERFACE is set) the command line is left out, for the
 * web server makes it from the query.  When o->ask is not OPTIONS_RUN, the rest
 * wasn't looked at.  RC_CONFIG, RC_NOMEM.
 */
enum rc settings_load(struct options *o, int argc, char *const *argv,
    char *const *env, struct err *e) MUST_CHECK;

#endif
