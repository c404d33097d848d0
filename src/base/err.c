#include "base/err.h"

#include <stdio.h>
#include <string.h>

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

static void
hide_folders(char *text)
{
	char *from = text, *to = text, *name, *c;

	while (*from != 0) {
		if (*from != '/' ||
		    (from > text && from[-1] != ' ' && from[-1] != '(' &&
		        from[-1] != '"')) {
			*to++ = *from++;
			continue;
		}
		for (name = c = from; *c != 0 && strchr(" :,;)\"", *c) == NULL;
		     c++)
			if (*c == '/')
				name = c + 1;
		from = name > from ? name : from + 1;
	}
	*to = 0;
}

const char *
rc_told(enum rc rc, const char *text, char room[ERR_TEXT_BYTES])
{
	if (rc_http_status(rc) < 500)
		return text;
	snprintf(room, ERR_TEXT_BYTES, "%s", text);
	hide_folders(room);
	return room;
}
