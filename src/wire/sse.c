#include "wire/sse.h"

#include "base/cursor.h"

static char *
put(char *to, const void *p, size_t n)
{
	memcpy(to, p, n);
	return to + n;
}

static void
put_event(char *to, struct slice event)
{
	to = put(to, "event: ", 7);
	for (size_t i = 0; i < event.n; i++) {
		char c = event.p[i];

		*to++ = c == '\r' || c == '\n' ? ' ' : c;
	}
	*to = '\n';
}

void
sse_add_head(struct buf *b, uint64_t seq, uint32_t epoch, struct slice event,
    size_t data_bytes)
{
	char cursor[CURSOR_MAX_BYTES], *to;
	size_t cursor_n = cursor_format(cursor, seq, epoch);
	size_t n = 4 + cursor_n + 1 + (event.n == 0 ? 0 : 7 + event.n + 1);

	/* the least that sse_add_data adds: never more than is needed */
	to = buf_room(b, n + 6 + data_bytes + 2);
	if (to == NULL)
		return;
	to = put(to, "id: ", 4);
	to = put(to, cursor, cursor_n);
	*to++ = '\n';
	if (event.n != 0)
		put_event(to, event);
	b->n += n;
}

static const char *
find(const char *p, const char *end, char c)
{
	const char *at = memchr(p, c, (size_t)(end - p));

	return at == NULL ? end : at;
}

static void
add_line(struct buf *b, const char *p, size_t n)
{
	char *to = buf_room(b, 6 + n + 1);

	if (to == NULL)
		return;
	to = put(to, "data: ", 6);
	to = put(to, p, n);
	*to = '\n';
	b->n += 6 + n + 1;
}

void
sse_add_data(struct buf *b, struct slice data)
{
	const char *p = data.p == NULL ? "" : data.p, *end = p + data.n;
	const char *lf = find(p, end, '\n'), *cr = find(p, end, '\r'), *stop;

	for (;;) {
		stop = lf < cr ? lf : cr;
		add_line(b, p, (size_t)(stop - p));
		if (stop == end)
			break;
		p = stop + 1;
		if (stop == cr && p == lf && lf < end)
			p++;
		/* each is looked for again only once it is behind us */
		if (lf < p)
			lf = find(p, end, '\n');
		if (cr < p)
			cr = find(p, end, '\r');
	}
	buf_add_char(b, '\n');
}

void
sse_add_retry(struct buf *b, uint32_t ms)
{
	buf_add_text(b, "retry: ");
	buf_add_uint(b, ms);
	buf_add_text(b, "\n\n");
}
