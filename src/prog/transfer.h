/*
 * HTTP requests as the doctor makes them: several at a time, with the moments
 * at which things came.  The one file that knows libcurl.
 */
#ifndef COMETLOG_PROG_TRANSFER_H
#define COMETLOG_PROG_TRANSFER_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TRANSFER_TEXT 128

/* What to ask for. */
struct transfer_ask {
	const char *url;
	const char *header;    /* one more header line, or NULL */
	bool is_upgrade;       /* asks for a WebSocket */
	uint32_t limit_ms;     /* then it ends, as an error */
	size_t mark_bytes;     /* of the body: when are so many there? */
	const char *mark_text; /* behind them: when is this
	                          there? NULL: none */
};

/* Times are in ms since the request began; 0: it has not happened. */
struct transfer {
	struct transfer *next;
	struct transfers *all;
	void *handle; /* libcurl's */
	void *lines;  /* libcurl's, header lines */
	struct transfer_ask ask;
	struct buf body;     /* its beginning */
	uint64_t started_ms; /* by clock_mono_ms */
	uint32_t head_ms, bytes_ms, text_ms, end_ms;
	long status;            /* 0: no answer */
	bool is_over, is_whole; /* whole: it ended as HTTP has it */
	char error[TRANSFER_TEXT];
	char server[TRANSFER_TEXT], type[TRANSFER_TEXT];
	char mark[TRANSFER_TEXT]; /* ETag */
	char protocol[16];        /* "HTTP/2" */
};

struct transfers;

enum rc transfers_new(struct transfers **out, struct err *e) MUST_CHECK;
void transfers_free(struct transfers *all); /* and all of its transfers */

/* Begins one; ask's texts are borrowed until it is freed.  RC_NOMEM. */
enum rc transfer_begin(struct transfers *all, const struct transfer_ask *ask,
    struct transfer **out, struct err *e) MUST_CHECK;

/* Cuts it off, if it isn't over, and frees it. */
void transfer_free(struct transfer *t);

/* Lets all of them go on until is_so(t), t is over, or ms have passed. */
void transfer_wait(
    struct transfer *t, bool (*is_so)(const struct transfer *t), uint32_t ms);

/* The same until it is over. */
void transfer_finish(struct transfer *t);

#endif
