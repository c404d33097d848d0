#include "wire/fcgi.h"

enum { /* section 8 of the specification */
	VERSION_1 = 1,
	BEGIN_REQUEST = 1,
	ABORT_REQUEST = 2,
	END_REQUEST = 3,
	PARAMS = 4,
	STDIN = 5,
	STDOUT = 6,
	RESPONDER = 1,
	KEEP_CONN = 1,
};

void
fcgi_gate_init(struct fcgi_gate *g, size_t params_bytes, size_t body_bytes)
{
	*g = (struct fcgi_gate){.stage = FCGI_AT_BEGIN};
	buf_init(&g->params, params_bytes);
	buf_init(&g->body, body_bytes);
}

void
fcgi_gate_fini(struct fcgi_gate *g)
{
	buf_fini(&g->params);
	buf_fini(&g->body);
}

void
fcgi_gate_reset(struct fcgi_gate *g)
{
	size_t params = g->params.limit_bytes, body = g->body.limit_bytes;

	fcgi_gate_fini(g);
	fcgi_gate_init(g, params, body);
}

/* Fills the header from *p; true once it is whole.  Moves *p and *n on. */
static bool
take_head(struct fcgi_record *r, const unsigned char **p, size_t *n)
{
	while (r->head_n<FCGI_HEAD_BYTES && * n> 0) {
		r->head[r->head_n++] = *(*p)++;
		--*n;
	}
	if (r->head_n < FCGI_HEAD_BYTES)
		return false;
	r->content_left = (uint16_t)(r->head[4] << 8 | r->head[5]);
	r->padding_left = r->head[6];
	return true;
}

static uint16_t
record_id(const struct fcgi_record *r)
{
	return (uint16_t)(r->head[2] << 8 | r->head[3]);
}

/* The header is whole: is this a record that may come now? */
static enum rc
check_record(struct fcgi_gate *g, struct err *e)
{
	const struct fcgi_record *r = &g->record;
	int type = r->head[1];

	if (r->head[0] != VERSION_1)
		return err_set(e, RC_BAD, "FastCGI: version %d", r->head[0]);
	if (record_id(r) == 0)
		return err_set(e, RC_BAD, "FastCGI: management record");
	if (g->stage == FCGI_AT_BEGIN) {
		if (type != BEGIN_REQUEST || r->content_left != 8)
			return err_set(e, RC_BAD,
			    "FastCGI: record of type %d "
			    "and %u bytes where a request begins",
			    type, r->content_left);
		g->id = record_id(r);
		return RC_OK;
	}
	if (record_id(r) != g->id)
		return err_set(e, RC_BAD, "FastCGI: multiplexed requests");
	if (type == ABORT_REQUEST)
		return err_set(e, RC_GONE, "FastCGI: aborted");
	if (type == (g->stage == FCGI_AT_PARAMS ? PARAMS : STDIN))
		return RC_OK;
	return err_set(
	    e, RC_BAD, "FastCGI: record of type %d out of place", type);
}

static enum rc
begin(struct fcgi_gate *g, struct err *e)
{
	int role = g->begin[0] << 8 | g->begin[1];

	if (role != RESPONDER)
		return err_set(e, RC_BAD, "FastCGI: role %d", role);
	g->is_keep = (g->begin[2] & KEEP_CONN) != 0;
	g->stage = FCGI_AT_PARAMS;
	return RC_OK;
}

/* Keeps content; what is over the bound is dropped and noted. */
static enum rc
keep(struct buf *b, bool *is_over, const void *p, size_t n, struct err *e)
{
	if (*is_over)
		return RC_OK;
	buf_add(b, p, n);
	if (b->rc == RC_NOMEM)
		return err_set(e, RC_NOMEM, "no memory for a request");
	*is_over = b->rc == RC_TOO_LARGE;
	return RC_OK;
}

static enum rc
take_content(
    struct fcgi_gate *g, const unsigned char *p, size_t n, struct err *e)
{
	switch (g->stage) {
	case FCGI_AT_BEGIN:
		memcpy(g->begin + g->begin_n, p, n);
		g->begin_n = (uint8_t)(g->begin_n + n);
		return RC_OK;
	case FCGI_AT_PARAMS:
		return keep(&g->params, &g->is_params_over, p, n, e);
	case FCGI_AT_STDIN:
		return keep(&g->body, &g->is_body_over, p, n, e);
	case FCGI_AT_END:
		break;
	}
	return RC_OK;
}

/* A record is over: an empty one ends its stream (section 3.3). */
static enum rc
end_record(struct fcgi_gate *g, struct err *e)
{
	bool is_empty = g->record.head[4] == 0 && g->record.head[5] == 0;

	g->record.head_n = 0;
	if (g->stage == FCGI_AT_BEGIN)
		return begin(g, e);
	if (is_empty && g->stage == FCGI_AT_PARAMS)
		g->stage = FCGI_AT_STDIN;
	else if (is_empty && g->stage == FCGI_AT_STDIN)
		g->stage = FCGI_AT_END;
	return RC_OK;
}

/* Skips padding; true when none is left. */
static bool
skip_padding(struct fcgi_record *r, const unsigned char **p, size_t *n)
{
	size_t some = *n < r->padding_left ? *n : r->padding_left;

	r->padding_left = (uint8_t)(r->padding_left - some);
	*p += some;
	*n -= some;
	return r->padding_left == 0;
}

enum rc
fcgi_gate_feed(struct fcgi_gate *g, const void *bytes, size_t n, size_t *used,
    struct err *e)
{
	const unsigned char *p = bytes;
	struct fcgi_record *r = &g->record;
	size_t all = n, some;
	enum rc rc;

	while (g->stage != FCGI_AT_END && n > 0) {
		if (r->head_n < FCGI_HEAD_BYTES) {
			if (!take_head(r, &p, &n))
				break;
			if ((rc = check_record(g, e)) != RC_OK)
				return rc;
		}
		some = n < r->content_left ? n : r->content_left;
		if (some > 0 && (rc = take_content(g, p, some, e)) != RC_OK)
			return rc;
		r->content_left = (uint16_t)(r->content_left - some);
		p += some;
		n -= some;
		if (r->content_left > 0 || !skip_padding(r, &p, &n))
			break;
		if ((rc = end_record(g, e)) != RC_OK)
			return rc;
	}
	*used = all - n;
	return RC_OK;
}

/* A length of section 3.4: one byte, or four with the high bit set. */
static bool
pair_length(struct slice *s, size_t *n)
{
	const unsigned char *u = (const unsigned char *)s->p;

	if (s->n == 0)
		return false;
	if (u[0] < 0x80) {
		*n = u[0];
		*s = slice_after(*s, 1);
		return true;
	}
	if (s->n < 4)
		return false;
	*n = (size_t)(u[0] & 0x7f) << 24 | (size_t)u[1] << 16 |
	    (size_t)u[2] << 8 | u[3];
	*s = slice_after(*s, 4);
	return true;
}

enum rc
fcgi_params_check(struct slice s, struct err *e)
{
	size_t all = s.n, name, value;

	while (s.n > 0) {
		if (!pair_length(&s, &name) || !pair_length(&s, &value) ||
		    name > s.n || value > s.n - name)
			return err_set(e, RC_BAD,
			    "FastCGI: a parameter's "
			    "length near byte %zu lies",
			    all - s.n);
		s = slice_after(s, name + value);
	}
	return RC_OK;
}

bool
fcgi_has_abort(struct fcgi_record *r, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	size_t some;

	while (n > 0) {
		if (r->head_n < FCGI_HEAD_BYTES) {
			if (!take_head(r, &p, &n))
				return false;
			if (r->head[1] == ABORT_REQUEST)
				return true;
		}
		some = n < r->content_left ? n : r->content_left;
		r->content_left = (uint16_t)(r->content_left - some);
		p += some;
		n -= some;
		if (r->content_left > 0 || !skip_padding(r, &p, &n))
			return false;
		r->head_n = 0;
	}
	return false;
}

bool
fcgi_is_aborted(const void *p, size_t n)
{
	struct fcgi_record r = {0};

	return n > 0 && fcgi_has_abort(&r, p, n);
}

static void
record_head(
    unsigned char head[FCGI_HEAD_BYTES], int type, uint16_t id, size_t n)
{
	head[0] = VERSION_1;
	head[1] = (unsigned char)type;
	head[2] = (unsigned char)(id >> 8);
	head[3] = (unsigned char)id;
	head[4] = (unsigned char)(n >> 8);
	head[5] = (unsigned char)n;
	head[6] = head[7] = 0;
}

static void
add_record(struct buf *b, int type, uint16_t id, const void *p, size_t n)
{
	unsigned char head[FCGI_HEAD_BYTES];

	record_head(head, type, id, n);
	buf_add(b, head, sizeof head);
	buf_add(b, p, n);
}

void
fcgi_add_stdout(struct buf *b, uint16_t id, const void *bytes, size_t n)
{
	const char *p = bytes;
	size_t some;

	for (; n > 0; p += some, n -= some) {
		some = n < FCGI_CONTENT_MAX ? n : FCGI_CONTENT_MAX;
		add_record(b, STDOUT, id, p, some);
	}
}

void
fcgi_add_end(struct buf *b, uint16_t id)
{
	static const char complete[8]; /* appStatus 0, FCGI_REQUEST_COMPLETE */

	add_record(b, STDOUT, id, NULL, 0);
	add_record(b, END_REQUEST, id, complete, sizeof complete);
}

void
fcgi_add_replay(struct buf *b, struct slice params)
{
	static const char responder[8] = {0, RESPONDER};

	add_record(b, BEGIN_REQUEST, 1, responder, sizeof responder);
	add_record(b, PARAMS, 1, params.p, params.n);
	add_record(b, PARAMS, 1, NULL, 0);
}
