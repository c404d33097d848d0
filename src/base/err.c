#include "base/err.h"

#include <stdio.h>

enum rc
err_set(struct err *e, enum rc rc, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return rc;
	e->rc = rc;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	return rc;
}

static const struct {
	const char *name, *text;
	int status;
} rcs[] = {
#define X(name, status, text) {#name, text, status},
	RC_LIST(X)
#undef X
};

const char *
rc_name(enum rc rc)
{
	return rcs[rc].name;
}

const char *
rc_text(enum rc rc)
{
	return rcs[rc].text;
}

int
rc_http_status(enum rc rc)
{
	return rcs[rc].status;
}
