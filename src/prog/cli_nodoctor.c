/* cometlog doctor in a build without libcurl. */
#include "prog/cli.h"

int
cli_doctor(int argc, char **argv)
{
	(void)argc;
	return cli_fail(argv[0], RC_CONFIG,
	    "this program was built without "
	    "libcurl; open doctor.html in a browser instead");
}
