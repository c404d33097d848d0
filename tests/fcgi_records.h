/*
 * FastCGI records as a web server writes them, well formed or not, for tests
 * of what reads them.
 */
#ifndef COMETLOG_FCGI_RECORDS_H
#define COMETLOG_FCGI_RECORDS_H

#include "base/buf.h"

#define RECORD_BEGIN 1
#define RECORD_ABORT 2
#define RECORD_END 3
#define RECORD_PARAMS 4
#define RECORD_STDIN 5
#define RECORD_STDOUT 6
#define RECORD_DATA 8

/* One record; its padding is 0xff, which is no version. */
static inline void
add_record(struct buf *b, int type, unsigned id, struct slice content,
    unsigned padding)
{
	const char head[8] = {1, (char)type, (char)(id >> 8), (char)id,
	    (char)(content.n >> 8), (char)content.n, (char)padding, 0};

	buf_add(b, head, sizeof head);
	buf_add_slice(b, content);
	while (padding-- > 0)
		buf_add_char(b, '\xff');
}

static inline void
add_begin(struct buf *b, unsigned id, int role, int flags, unsigned padding)
{
	const char content[8] = {(char)(role >> 8), (char)role, (char)flags};

	add_record(b, RECORD_BEGIN, id, (struct slice){content, 8}, padding);
}

/* A stream in records of at most `most` bytes, and its end. */
static inline void
add_stream(struct buf *b, int type, unsigned id, struct slice s, size_t most)
{
	size_t n;

	for (; s.n > 0; s = slice_after(s, n)) {
		n = s.n < most ? s.n : most;
		add_record(b, type, id, (struct slice){s.p, n}, 0);
	}
	add_record(b, type, id, s, 0);
}

/* A whole request of a responder. */
static inline void
add_request(struct buf *b, unsigned id, struct slice params, struct slice body)
{
	add_begin(b, id, 1, 0, 0);
	add_stream(b, RECORD_PARAMS, id, params, 65535);
	add_stream(b, RECORD_STDIN, id, body, 65535);
}

static inline void
add_length(struct buf *b, size_t n)
{
	const char four[4] = {
	    (char)(n >> 24 | 0x80), (char)(n >> 16), (char)(n >> 8), (char)n};

	if (n < 0x80)
		buf_add_char(b, (char)n);
	else
		buf_add(b, four, sizeof four);
}

/* A name-value pair of FCGI_PARAMS. */
static inline void
add_pair(struct buf *b, struct slice name, struct slice value)
{
	add_length(b, name.n);
	add_length(b, value.n);
	buf_add_slice(b, name);
	buf_add_slice(b, value);
}

#endif
