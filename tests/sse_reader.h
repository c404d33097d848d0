/*
 * An event stream as a browser reads it (HTML Living Standard, 9.2.6), byte by
 * byte and apart from the encoder, so that tests and the fuzz target judge what
 * src/wire/sse.c wrote by the standard.
 */
#ifndef COMETLOG_TESTS_SSE_READER_H
#define COMETLOG_TESTS_SSE_READER_H

#include "base/buf.h"

struct sse_reader {
	struct buf line, data, type, id;   /* the standard's buffers */
	struct buf event_data, event_type; /* of the newest event */
	struct buf last_id;                /* the last event ID string */
	struct buf retry;           /* digits of the newest reconnection time */
	size_t n_events, n_unknown; /* dispatched; fields
	                               of no known name */
	bool was_cr;
	size_t n_lines;
};

static inline void
sse_reader_init(struct sse_reader *r)
{
	*r = (struct sse_reader){0};
}

static inline void
sse_reader_fini(struct sse_reader *r)
{
	buf_fini(&r->line);
	buf_fini(&r->data);
	buf_fini(&r->type);
	buf_fini(&r->id);
	buf_fini(&r->event_data);
	buf_fini(&r->event_type);
	buf_fini(&r->last_id);
	buf_fini(&r->retry);
}

static inline void
sse_reader_set(struct buf *b, struct slice s)
{
	buf_clear(b);
	buf_add_slice(b, s);
}

static inline void
sse_reader_dispatch(struct sse_reader *r)
{
	struct slice data = buf_slice(&r->data);

	sse_reader_set(&r->last_id, buf_slice(&r->id));
	if (data.n != 0) {
		data.n--; /* the last LF */
		sse_reader_set(&r->event_data, data);
		sse_reader_set(&r->event_type,
		    r->type.n == 0 ? SLICE("message") : buf_slice(&r->type));
		r->n_events++;
	}
	buf_clear(&r->data);
	buf_clear(&r->type);
}

static inline void
sse_reader_field(struct sse_reader *r, struct slice name, struct slice value)
{
	size_t digits = 0;

	if (slice_is(name, SLICE("event"))) {
		sse_reader_set(&r->type, value);
	} else if (slice_is(name, SLICE("data"))) {
		buf_add_slice(&r->data, value);
		buf_add_char(&r->data, '\n');
	} else if (slice_is(name, SLICE("id"))) {
		if (value.n == 0 || memchr(value.p, 0, value.n) == NULL)
			sse_reader_set(&r->id, value);
	} else if (slice_is(name, SLICE("retry"))) {
		while (digits < value.n && value.p[digits] >= '0' &&
		    value.p[digits] <= '9')
			digits++;
		if (digits == value.n)
			sse_reader_set(&r->retry, value);
	} else {
		r->n_unknown++;
	}
}

static inline void
sse_reader_line(struct sse_reader *r)
{
	struct slice line = buf_slice(&r->line), name, value = {"", 0};
	const char *colon;

	if (r->n_lines++ == 0 && slice_starts(line, SLICE("\xef\xbb\xbf")))
		line = slice_after(line, 3);
	if (line.n == 0) {
		sse_reader_dispatch(r);
	} else if (line.p[0] != ':') {
		colon = memchr(line.p, ':', line.n);
		name = line;
		if (colon != NULL) {
			name.n = (size_t)(colon - line.p);
			value = slice_after(line, name.n + 1);
			if (slice_starts(value, SLICE(" ")))
				value = slice_after(value, 1);
		}
		sse_reader_field(r, name, value);
	}
	buf_clear(&r->line);
}

/* Feeds more of the stream; a line or event left open waits for the rest. */
static inline void
sse_reader_feed(struct sse_reader *r, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool ends_crlf = c == '\n' && r->was_cr;

		r->was_cr = c == '\r';
		if (ends_crlf)
			continue;
		if (c == '\r' || c == '\n')
			sse_reader_line(r);
		else
			buf_add_char(&r->line, c);
	}
}

/* data as a reader of the stream gets it: each line end as LF. */
static inline void
sse_reader_normalise(struct buf *b, struct slice data)
{
	for (size_t i = 0; i < data.n; i++) {
		if (data.p[i] != '\r')
			buf_add_char(b, data.p[i]);
		else if (i + 1 == data.n || data.p[i + 1] != '\n')
			buf_add_char(b, '\n');
	}
}

#endif
