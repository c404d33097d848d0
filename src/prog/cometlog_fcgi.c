/* cometlog.fcgi: serves FastCGI, or the one request of a CGI environment. */
#include "prog/program.h"
#include "prog/worker.h"
#include "transport/responder.h"

static enum rc
serve_cgi(const struct options *o, int *status, struct err *e)
{
	if (!responder_is_cgi())
		return err_set(e, RC_CONFIG, "nothing to serve on: give "
		    "--socket PATH, or start it from a web server. "
		    "--help lists the options.");
	*status = worker_run_cgi(o);
	return RC_OK;
}

int
main(int argc, char **argv)
{
	static const struct program fcgi = {
	    .name = "cometlog.fcgi",
	    .serve = worker_run,
	    .serve_without = serve_cgi,
	    .stop_wait_ms = 3500,
	};

	return program_main(&fcgi, argc, argv);
}
