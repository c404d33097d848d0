#include "wire/wsopen.h"

#include "wire/http.h"
#include "wire/query.h"
#include "wire/wsextension.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <strings.h>

#define KEY_BYTES 24 /* of 16 bytes in base64 */
#define ACCEPT_BYTES 28

/* What is being read, and what only the reading needs to know. */
struct opening {
	struct wsopen *o;
	struct err *e;
	bool can_deflate;
	struct slice version;
	bool has_websocket, has_upgrade;
};

static enum rc
refuse(struct opening *g, int status, const char *why)
{
	g->o->status = status;
	return err_set(g->e, RC_BAD, "%s", why);
}

bool
wsopen_is_word(struct slice s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice
wsopen_trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = slice_after(s, 1);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
wsopen_is_token_char(char c)
{
	char lower = (char)(c | 0x20);

	if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9'))
		return true;
	return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

struct slice
wsopen_take_token(struct slice *s)
{
	struct slice token = {s->p, 0};

	while (token.n < s->n && wsopen_is_token_char(token.p[token.n]))
		token.n++;
	*s = slice_after(*s, token.n);
	return token;
}

/* Takes what stands before the next separator, and the separator. */
static struct slice
cut(struct slice *s, char separator)
{
	const char *at = s->n == 0 ? NULL : memchr(s->p, separator, s->n);
	struct slice head = *s;

	if (at == NULL) {
		*s = slice_after(*s, s->n);
		return head;
	}
	head.n = (size_t)(at - s->p);
	*s = slice_after(*s, head.n + 1);
	return head;
}

static bool
list_has(struct slice list, const char *word)
{
	while (list.n > 0)
		if (wsopen_is_word(wsopen_trim(cut(&list, ',')), word))
			return true;
	return false;
}

size_t
wsopen_head_bytes(struct slice bytes, size_t from)
{
	const struct slice end = SLICE("\r\n\r\n");
	const char *at;

	from = from < end.n ? 0 : from - (end.n - 1);
	if (bytes.n < from + end.n)
		return 0;
	at = memmem(bytes.p + from, bytes.n - from, end.p, end.n);
	return at == NULL ? 0 : (size_t)(at - bytes.p) + end.n;
}

/* ---- the request ---- */

/* An absolute URL's host stands for Host (RFC 9112, 3.2.2).  What is no such
   URL comes back as it is. */
static struct slice
take_authority(struct opening *g, struct slice target)
{
	static const char *const schemes[] = {"http://", "https://"};
	struct slice rest;
	size_t n, end = 0;

	for (size_t i = 0; i < 2; i++) {
		n = strlen(schemes[i]);
		if (target.n <= n || strncasecmp(target.p, schemes[i], n) != 0)
			continue;
		rest = slice_after(target, n);
		while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
			end++;
		if (end == 0)
			break;
		g->o->host = (struct slice){rest.p, end};
		return slice_after(rest, end);
	}
	return target;
}

static enum rc
read_target(struct opening *g, struct slice target)
{
	struct wsopen *o = g->o;
	struct slice path;

	target = take_authority(g, target);
	if (target.n == 0 || target.p[0] != '/')
		return refuse(g, 400, "the request's target must be a path");
	path = cut(&target, '?');
	o->query = (char *)target.p;
	o->query_n = target.n;
	/* all of the head is the caller's to change */
	o->path =
	    (struct slice){path.p, percent_decode((char *)path.p, path.n)};
	return RC_OK;
}

static bool
is_version(struct slice s)
{
	return s.n == 8 && memcmp(s.p, "HTTP/", 5) == 0 && s.p[5] >= '0' &&
	    s.p[5] <= '9' && s.p[6] == '.' && s.p[7] >= '0' && s.p[7] <= '9';
}

static enum rc
read_request_line(struct opening *g, struct slice line)
{
	struct slice method = cut(&line, ' '), target = cut(&line, ' ');
	bool is_get = slice_is(method, SLICE("GET"));

	if (wsopen_take_token(&method).n == 0 || method.n > 0 ||
	    target.n == 0 || !is_version(line))
		return refuse(
		    g, 400, "the request line must read GET /path HTTP/1.1");
	if (!is_get)
		return refuse(g, 405, "the method must be GET");
	if (!slice_is(line, SLICE("HTTP/1.1")))
		return refuse(g, 505, "the version of HTTP must be 1.1");
	return read_target(g, target);
}

/* A field that may stand there once. */
static enum rc
read_once(
    struct opening *g, struct slice *field, struct slice value, const char *why)
{
	if (field->p != NULL)
		return refuse(g, 400, why);
	*field = value;
	return RC_OK;
}

/* Only the last one was written by the proxy in front of us. */
static void
read_forwarded(struct wsopen *o, struct slice list)
{
	struct slice client;

	while (list.n > 0) {
		client = wsopen_trim(cut(&list, ','));
		if (client.n > 0)
			o->client = client;
	}
}

static enum rc
read_field(struct opening *g, struct slice name, struct slice value,
    struct slice *host)
{
	if (wsopen_is_word(name, "Host"))
		return read_once(g, host, value, "Host is given twice");
	if (wsopen_is_word(name, "Origin"))
		return read_once(
		    g, &g->o->origin, value, "Origin is given twice");
	if (wsopen_is_word(name, "Sec-WebSocket-Key"))
		return read_once(
		    g, &g->o->key, value, "Sec-WebSocket-Key is given twice");
	if (wsopen_is_word(name, "Sec-WebSocket-Version"))
		return read_once(g, &g->version, value,
		    "Sec-WebSocket-Version is given twice");
	if (wsopen_is_word(name, "Sec-WebSocket-Extensions"))
		return wsextension_read(g->o, value, g->can_deflate)
		    ? RC_OK
		    : refuse(g, 400, "Sec-WebSocket-Extensions is malformed");
	if (wsopen_is_word(name, "Upgrade"))
		g->has_websocket |= list_has(value, "websocket");
	else if (wsopen_is_word(name, "Connection"))
		g->has_upgrade |= list_has(value, "upgrade");
	else if (wsopen_is_word(name, "X-Forwarded-For"))
		read_forwarded(g->o, value);
	else if (wsopen_is_word(name, "Cookie"))
		g->o->cookie = value;
	else if (wsopen_is_word(name, "Transfer-Encoding") ||
	    (wsopen_is_word(name, "Content-Length") &&
	        !slice_is(value, SLICE("0"))))
		return refuse(g, 400, "a WebSocket's request has no body");
	return RC_OK;
}

static bool
is_text(struct slice value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static enum rc
read_fields(struct opening *g, struct slice rest)
{
	struct slice host = {NULL, 0};
	enum rc rc = RC_OK;

	while (rc == RC_OK && rest.n > 0) {
		struct slice line = cut(&rest, '\n'), name;

		line.n--; /* CR: wsopen_parse looked */
		name = wsopen_take_token(&line);
		if (name.n == 0 || line.n == 0 || line.p[0] != ':')
			return refuse(g, 400,
			    "a header field must read Name: value, on one"
			    " line");
		rc = read_field(
		    g, name, wsopen_trim(slice_after(line, 1)), &host);
	}
	if (rc == RC_OK && host.n == 0)
		return refuse(g, 400, "the Host is missing");
	if (g->o->host.p == NULL)
		g->o->host = host;
	return rc;
}

static bool
is_key(struct slice key)
{
	if (key.n != KEY_BYTES || key.p[22] != '=' || key.p[23] != '=')
		return false;
	for (size_t i = 0; i < KEY_BYTES - 2; i++) {
		char c = key.p[i], lower = (char)(c | 0x20);

		if (!(lower >= 'a' && lower <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '+' && c != '/')
			return false;
	}
	return true;
}

static enum rc
check_upgrade(struct opening *g)
{
	if (!g->has_websocket || !g->has_upgrade)
		return refuse(g, 426,
		    "this is a WebSocket's address: connect with new"
		    " WebSocket(), which asks for Upgrade: websocket and"
		    " Connection: Upgrade");
	if (!slice_is(g->version, SLICE("13")))
		return refuse(g, 426, "Sec-WebSocket-Version must be 13");
	if (!is_key(g->o->key))
		return refuse(
		    g, 400, "Sec-WebSocket-Key must be 16 bytes in base64");
	return RC_OK;
}

/* Every line must end with CRLF, and hold neither elsewhere. */
static bool
has_whole_lines(struct slice head)
{
	while (head.n > 0) {
		struct slice line = cut(&head, '\n');

		if (line.n == 0 || line.p[line.n - 1] != '\r')
			return false;
		line.n--;
		if (!is_text(line))
			return false;
	}
	return true;
}

enum rc
wsopen_parse(
    struct wsopen *o, char *head, size_t n, bool can_deflate, struct err *e)
{
	struct opening g = {.o = o, .e = e, .can_deflate = can_deflate};
	struct slice rest = {head, n}, line;
	enum rc rc;

	*o = (struct wsopen){.status = 400};
	if (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0 ||
	    !has_whole_lines(rest))
		return refuse(&g, 400,
		    "the request has a control character or a line that doesn't"
		    " end with CRLF");
	rest.n -= 2; /* the blank line */
	line = cut(&rest, '\n');
	line.n--;
	rc = read_request_line(&g, line);
	if (rc == RC_OK)
		rc = read_fields(&g, rest);
	return rc == RC_OK ? check_upgrade(&g) : rc;
}

/* ---- the answer ---- */

/* 4.2.2, item 5: the hash of the key with this text behind it. */
static void
add_accept_value(struct buf *b, struct slice key)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char text[KEY_BYTES + sizeof guid - 1];
	unsigned char hash[SHA_DIGEST_LENGTH], value[ACCEPT_BYTES + 1];

	memcpy(text, key.p, KEY_BYTES);
	memcpy(text + KEY_BYTES, guid, sizeof guid - 1);
	SHA1(text, sizeof text, hash);
	EVP_EncodeBlock(value, hash, sizeof hash);
	buf_add(b, value, ACCEPT_BYTES);
}

void
wsopen_add_accept(struct buf *b, const struct wsopen *o)
{
	buf_add_text(b,
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: ");
	add_accept_value(b, o->key);
	buf_add_text(b, "\r\n");
	wsextension_add_agreed(b, o);
	buf_add_text(b, "\r\n");
}

void
wsopen_add_refusal(
    struct buf *b, int status, struct slice detail, uint32_t retry_s)
{
	struct buf body;

	buf_init(&body, 0);
	http_add_problem(&body, status, detail);
	buf_add_text(b, "HTTP/1.1 ");
	buf_add_uint(b, (uint64_t)status);
	buf_add_char(b, ' ');
	buf_add_text(b, http_reason(status));
	buf_add_text(b,
	    "\r\nContent-Type: application/problem+json\r\n"
	    "Cache-Control: no-store\r\n");
	if (status == 426)
		buf_add_text(b,
		    "Upgrade: websocket\r\n"
		    "Connection: close, Upgrade\r\n"
		    "Sec-WebSocket-Version: 13\r\n");
	else
		buf_add_text(b, "Connection: close\r\n");
	if (status == 405)
		buf_add_text(b, "Allow: GET\r\n");
	if (retry_s > 0) {
		buf_add_text(b, "Retry-After: ");
		buf_add_uint(b, retry_s);
		buf_add_text(b, "\r\n");
	}
	buf_add_text(b, "Content-Length: ");
	buf_add_uint(b, body.n);
	buf_add_text(b, "\r\n\r\n");
	buf_add_slice(b, buf_slice(&body));
	if (body.rc != RC_OK && b->rc == RC_OK)
		b->rc = body.rc;
	buf_fini(&body);
}
