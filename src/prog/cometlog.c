/* cometlog: publishes, reads and looks after a place from the command line. */
#include "prog/cli.h"

#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: cometlog publish [--event E] [--id I] [--json] CHANNEL [DATA]\n"
    "       cometlog publish --ndjson\n"
    "       cometlog read [--since CURSOR | --last N] [--follow] CHANNEL...\n"
    "       cometlog doctor [--json] [--quick | --thorough] URL\n"
    "\n"
    "publish  puts a message straight into the log; without DATA, or with -, "
    "it is\n"
    "         standard input.  --ndjson: a message object a line, all or "
    "none.\n"
    "         Prints the seq of each message once it is stored.\n"
    "read     prints messages, a JSON object a line: all that are kept, those\n"
    "         behind a cursor, or the newest N; --follow goes on with what "
    "comes.\n"
    "doctor   measures the place at URL, where a web server maps the program, "
    "and\n"
    "         says what to change.\n"
    "\n"
    "publish and read take all options of cometlog.fcgi(8), of which --log "
    "FILE or\n"
    "--config FILE is needed, by the environment, too (COMETLOG_CONFIG).\n"
    "More in cometlog(1).\n";

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"publish", cli_publish},
    {"read", cli_read},
    {"doctor", cli_doctor},
};

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	size_t i;

	/* PHP under CGI runs it with its own environment, but these arguments
	   are no stranger's. */
	unsetenv("GATEWAY_INTERFACE");
	for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	if (strcmp(name, "--version") == 0) {
		printf("cometlog %s\n", COMETLOG_VERSION);
		return EXIT_SUCCESS;
	}
	if (strcmp(name, "--help") == 0) {
		fputs(help, stdout);
		return EXIT_SUCCESS;
	}
	fputs(help, stderr);
	return CLI_WRONG_USE;
}
