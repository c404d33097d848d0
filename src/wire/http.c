/* What is sent; what came in is read by http_read.c. */
#include "wire/http.h"

#include "base/utf8.h"
#include "wire/json.h"

const char *
http_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
	    {101, "Switching Protocols"},
	    {200, "OK"},
	    {201, "Created"},
	    {202, "Accepted"},
	    {204, "No Content"},
	    {206, "Partial Content"},
	    {301, "Moved Permanently"},
	    {302, "Found"},
	    {303, "See Other"},
	    {304, "Not Modified"},
	    {307, "Temporary Redirect"},
	    {308, "Permanent Redirect"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {406, "Not Acceptable"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {410, "Gone"},
	    {411, "Length Required"},
	    {412, "Precondition Failed"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {415, "Unsupported Media Type"},
	    {422, "Unprocessable Content"},
	    {426, "Upgrade Required"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	    {505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}

static bool
is_alnum(char c)
{
	char lower = (char)(c | 0x20);

	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_hex(char c)
{
	return is_alnum(c) && (c <= '9' || (c | 0x20) <= 'f');
}

/* True if the first byte of s may stand in a URI as it is (RFC 3986, 2). */
static bool
is_uri_char(struct slice s)
{
	if (s.p[0] == '%')
		return s.n > 2 && is_hex(s.p[1]) && is_hex(s.p[2]);
	return is_alnum(s.p[0]) ||
	    (s.p[0] != 0 && strchr("-._~:/?#[]@!$&'()*+,;=", s.p[0]) != NULL);
}

void
http_add_location(struct buf *b, struct slice target)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; target.n > 0; target = slice_after(target, 1)) {
		unsigned char c = (unsigned char)target.p[0];
		char escape[3] = {'%', hex[c >> 4], hex[c & 0xf]};

		if (is_uri_char(target))
			buf_add_char(b, target.p[0]);
		else
			buf_add(b, escape, sizeof escape);
	}
}

void
http_add_head(struct buf *b, int status, const char *content_type,
    const char *extra, size_t body_bytes)
{
	buf_add_text(b, "Status: ");
	buf_add_uint(b, (uint64_t)status);
	buf_add_char(b, ' ');
	buf_add_text(b, http_reason(status));
	buf_add_text(b, "\r\n");
	if (content_type != NULL) {
		buf_add_text(b, "Content-Type: ");
		buf_add_text(b, content_type);
		buf_add_text(b, "\r\n");
	}
	if (body_bytes != HTTP_UNKNOWN) {
		buf_add_text(b, "Content-Length: ");
		buf_add_uint(b, body_bytes);
		buf_add_text(b, "\r\n");
	}
	buf_add_text(b, extra);
	buf_add_text(b, "\r\n");
}

/* detail often quotes what a client sent, and may be cut within a character. */
static void
add_repaired_string(struct buf *b, struct slice s)
{
	struct buf repaired;

	if (utf8_is_valid(s)) {
		json_add_string(b, s, false);
		return;
	}
	buf_init(&repaired, 0);
	utf8_add_repaired(&repaired, s);
	if (repaired.rc == RC_OK)
		json_add_string(b, buf_slice(&repaired), false);
	else if (b->rc == RC_OK)
		b->rc = repaired.rc;
	buf_fini(&repaired);
}

void
http_add_problem(struct buf *b, int status, struct slice detail)
{
	buf_add_text(b, "{\"type\":\"about:blank\",\"title\":");
	json_add_string(b, slice_of(http_reason(status)), false);
	buf_add_text(b, ",\"status\":");
	buf_add_uint(b, (uint64_t)status);
	buf_add_text(b, ",\"detail\":");
	add_repaired_string(b, detail);
	buf_add_text(b, "}\n");
}

static const char *
html_escape(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	}
	return NULL;
}

void
http_add_html(struct buf *b, struct slice s)
{
	size_t done = 0;

	for (size_t i = 0; i < s.n; i++) {
		const char *escape = html_escape(s.p[i]);

		if (escape == NULL)
			continue;
		buf_add(b, s.p + done, i - done);
		buf_add_text(b, escape);
		done = i + 1;
	}
	if (done < s.n)
		buf_add(b, s.p + done, s.n - done);
}
