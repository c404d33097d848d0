#include "base/address.h"
#include "base/quantity.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

static enum rc
parse_path(struct slice text, struct address *a, struct err *e)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (text.n == 0 || memchr(text.p, 0, text.n) != NULL)
		return err_set(e, RC_CONFIG, "is not a path");
	if (text.n >= sizeof un.sun_path)
		return err_set(e, RC_CONFIG,
		    "is %zu bytes long; the path of a socket has at most %zu",
		    text.n, sizeof un.sun_path - 1);
	memcpy(un.sun_path, text.p, text.n);
	memcpy(&a->sa, &un, sizeof un);
	a->n = sizeof un;
	return RC_OK;
}

/* Writes the host as text without brackets; the port follows the last ':'. */
static bool
split(struct slice text, char host[static INET6_ADDRSTRLEN], bool *is_v6,
    in_port_t *port)
{
	const char *colon = memrchr(text.p, ':', text.n);
	struct slice h = {text.p, (size_t)(colon - text.p)};
	uint64_t v;

	if (!quantity_uint(slice_after(text, h.n + 1), &v) || v == 0 ||
	    v > 65535)
		return false;
	*port = htons((uint16_t)v);
	*is_v6 = h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']';
	if (*is_v6)
		h = (struct slice){h.p + 1, h.n - 2};
	if (h.n >= INET6_ADDRSTRLEN || memchr(h.p, 0, h.n) != NULL)
		return false;
	memcpy(host, h.p, h.n);
	host[h.n] = 0;
	return true;
}

enum rc
address_parse(struct slice text, struct address *a, struct err *e)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	char host[INET6_ADDRSTRLEN];
	in_port_t port;
	bool is_v6;

	*a = (struct address){.n = 0};
	if (text.n == 0 || memchr(text.p, '/', text.n) != NULL ||
	    memchr(text.p, ':', text.n) == NULL)
		return parse_path(text, a, e);
	if (!split(text, host, &is_v6, &port))
		goto wrong;
	in.sin_port = in6.sin6_port = port;
	if (is_v6 && inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
		memcpy(&a->sa, &in6, sizeof in6);
		a->n = sizeof in6;
		return RC_OK;
	}
	if (!is_v6 && inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		memcpy(&a->sa, &in, sizeof in);
		a->n = sizeof in;
		return RC_OK;
	}
wrong:
	return err_set(e, RC_CONFIG,
	    "must be the path of a socket, 127.0.0.1:PORT or [::1]:PORT "
	    "(PORT 1 to 65535)");
}

bool
address_is_path(const struct address *a)
{
	return a->sa.ss_family == AF_UNIX;
}
