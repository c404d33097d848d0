#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void
buf_init(struct buf *b, size_t limit_bytes)
{
	*b = (struct buf){.limit_bytes = limit_bytes};
}

void
buf_fini(struct buf *b)
{
	free(b->p);
	buf_init(b, b->limit_bytes);
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->rc = RC_OK;
}

char *
buf_room(struct buf *b, size_t n)
{
	size_t cap, most = b->limit_bytes == 0 ? SIZE_MAX / 4 : b->limit_bytes;
	char *p;

	if (b->rc != RC_OK)
		return NULL;
	if (n > most || b->n > most - n) {
		b->rc = RC_TOO_LARGE;
		return NULL;
	}
	if (b->cap - b->n >= n && b->p != NULL)
		return b->p + b->n;
	cap = b->cap < 128 ? 256 : b->cap * 2;
	if (cap > most)
		cap = most;
	if (cap < b->n + n)
		cap = b->n + n;
	p = realloc(b->p, cap);
	if (p == NULL) {
		b->rc = RC_NOMEM;
		return NULL;
	}
	b->p = p;
	b->cap = cap;
	return p + b->n;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *to;

	if (n == 0)
		return;
	to = buf_room(b, n);
	if (to == NULL)
		return;
	memcpy(to, p, n);
	b->n += n;
}

void
buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.p, s.n);
}

void
buf_add_text(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void
buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_add_uint(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t i = sizeof digits;

	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	buf_add(b, digits + i, sizeof digits - i);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || (to = buf_room(b, (size_t)n + 1)) == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

struct slice
buf_slice(const struct buf *b)
{
	return (struct slice){b->p == NULL ? "" : b->p, b->n};
}

char *
buf_take(struct buf *b, size_t *n)
{
	char *p = b->p;

	*n = b->n;
	b->p = NULL;
	buf_fini(b);
	return p;
}
