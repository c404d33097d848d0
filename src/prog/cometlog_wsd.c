/* cometlog-wsd: serves WebSockets. */
#include "prog/program.h"
#include "prog/wsd.h"

static enum rc
no_socket(const struct options *o, int *status, struct err *e)
{
	(void)o;
	(void)status;
	return err_set(e, RC_CONFIG,
	    "nothing to serve on: give --socket PATH or "
	    "--socket 127.0.0.1:PORT. --help lists the options.");
}

int
main(int argc, char **argv)
{
	static const struct program wsd = {
	    .name = "cometlog-wsd",
	    .serve = wsd_run,
	    .serve_without = no_socket,
	    .stop_wait_ms = 65000, /* beyond the longest ws-stop-spread */
	};

	return program_main(&wsd, argc, argv);
}
