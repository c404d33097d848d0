/*
 * FastCGI 1.0 records.  The gate reads one request's records from arbitrary
 * bytes and lets through only what is well formed and within bounds, so that
 * libfcgi (which aborts, or worse, on some malformed records) never sees
 * anything else.  The framer writes FCGI_STDOUT and FCGI_END_REQUEST.  Pure;
 * called by transport.
 */
#ifndef COMETLOG_WIRE_FCGI_H
#define COMETLOG_WIRE_FCGI_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define FCGI_HEAD_BYTES 8
#define FCGI_CONTENT_MAX 65535

/* The header being collected, and what is left of the record behind it. */
struct fcgi_record {
	unsigned char head[FCGI_HEAD_BYTES];
	uint8_t head_n;
	uint8_t padding_left;
	uint16_t content_left;
};

enum fcgi_stage {
	FCGI_AT_BEGIN, /* nothing but FCGI_BEGIN_REQUEST may come */
	FCGI_AT_PARAMS,
	FCGI_AT_STDIN,
	FCGI_AT_END, /* the request is whole */
};

struct fcgi_gate {
	struct fcgi_record record;
	enum fcgi_stage stage;
	uint16_t id;
	bool is_keep;                      /* FCGI_KEEP_CONN: the server wants
	                                      the connection back */
	bool is_params_over, is_body_over; /* more came than the
	                                      bounds; dropped */
	unsigned char begin[8];
	uint8_t begin_n;
	struct buf params; /* name-value pairs as they came */
	struct buf body;
};

/* Bounds in bytes.  Allocates nothing yet. */
void fcgi_gate_init(
    struct fcgi_gate *g, size_t params_bytes, size_t body_bytes);
void fcgi_gate_fini(struct fcgi_gate *g);

/* For the next request on the same connection: forgets all but the bounds. */
void fcgi_gate_reset(struct fcgi_gate *g);

/*
 * Takes n bytes; *used tells how many belong to this request (all, unless it
 * became whole before).  RC_OK: look at g->stage.  RC_BAD: not FastCGI, or what
 * this program doesn't speak (another role, multiplexing, management records):
 * close.  RC_GONE: the server aborted the request.  RC_NOMEM.
 */
enum rc fcgi_gate_feed(struct fcgi_gate *g, const void *p, size_t n,
    size_t *used, struct err *e) MUST_CHECK;

/* RC_OK if params are name-value pairs whose lengths fit (section 3.4). */
enum rc fcgi_params_check(struct slice params, struct err *e) MUST_CHECK;

/* What came behind a whole request: true when it was aborted at once.  Nothing
   else may follow (a web server waits for the answer first). */
bool fcgi_is_aborted(const void *p, size_t n);

/* Bytes that come in on a held request: true when they hold an
   FCGI_ABORT_REQUEST.  Everything else is skipped. */
bool fcgi_has_abort(struct fcgi_record *r, const void *p, size_t n);

/* Appends a record of type FCGI_STDOUT, or as many as n needs. */
void fcgi_add_stdout(struct buf *b, uint16_t id, const void *p, size_t n);

/* The stream's end and FCGI_END_REQUEST: FCGI_END_BYTES of them. */
#define FCGI_END_BYTES 24
void fcgi_add_end(struct buf *b, uint16_t id);

/* The records that hand checked params to libfcgi: begin, params, its end. */
void fcgi_add_replay(struct buf *b, struct slice params);

#endif
