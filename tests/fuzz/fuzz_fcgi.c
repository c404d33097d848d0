/*
 * Any bytes at the program's socket: through the gate in any pieces and, where
 * a request became whole, through libfcgi into a request.  Input: a byte, whose
 * low bits tell how many of the next bytes are the pieces' lengths, by turns;
 * then the bytes.  The same are then taken as one request's params.
 */
#include "../fcgi_records.h"
#include "transport/responder.h"

#include <stdlib.h>

#define PARAMS_MAX 12000 /* more than libfcgi's buffer */
#define BODY_MAX 500

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input, and where its next piece ends. */
struct pieces {
	struct slice rest;
	const uint8_t *length;
	size_t n_lengths, turn;
};

static struct slice
next_piece(struct pieces *ps)
{
	struct slice piece = ps->rest;
	size_t n;

	if (ps->n_lengths > 0) {
		n = (size_t)ps->length[ps->turn++ % ps->n_lengths] + 1;
		piece.n = n < piece.n ? n : piece.n;
	}
	ps->rest = slice_after(ps->rest, piece.n);
	return piece;
}

/* What a reader of "NAME=value" texts gets: the first of that name, up to a
   NUL, from pairs whose lengths fit. */
static void
find_value(struct slice pairs, const char *name, struct buf *b)
{
	const unsigned char *u;
	size_t n[2], i, head = strlen(name) + 1;

	for (; pairs.n > 0; pairs = slice_after(pairs, n[0] + n[1])) {
		for (i = 0; i < 2; i++) {
			u = (const unsigned char *)pairs.p;
			n[i] = u[0] < 0x80 ? u[0]
			                   : (size_t)(u[0] & 0x7f) << 24 |
			        (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
			pairs = slice_after(pairs, u[0] < 0x80 ? 1 : 4);
		}
		buf_clear(b);
		buf_add(b, pairs.p, n[0]);
		buf_add_char(b, '=');
		buf_add(b, pairs.p + n[0], n[1]);
		buf_add_char(b, 0);
		if (strncmp(b->p, name, head - 1) == 0 &&
		    b->p[head - 1] == '=') {
			b->n = strlen(b->p);
			buf_drop(b, head);
			return;
		}
	}
	buf_clear(b);
}

static void
check_field(struct slice pairs, const char *name, struct slice field)
{
	struct buf b;

	buf_init(&b, 0);
	find_value(pairs, name, &b);
	CHECK(strcmp(name, "QUERY_STRING") == 0 /* decoded in its place */
	        ? field.n == b.n
	        : slice_is(field, buf_slice(&b)));
	buf_fini(&b);
}

static void
check_request(const struct request *rq, struct slice pairs)
{
#define X(field, variable) check_field(pairs, variable, rq->field);
	REQUEST_VARIABLES(X)
#undef X
	CHECK(rq->path.n <= rq->uri.n || rq->path.n == rq->path_info.n);
	for (size_t i = 0; i < rq->path.n; i++)
		CHECK(rq->path.p[i] != 0 || rq->uri.n > rq->path.n);
	CHECK(rq->params.n <= QUERY_MAX_PARAMS);
}

static struct responder *
the_responder(void)
{
	static struct responder *r;

	if (r == NULL)
		CHECK(responder_new(&r, NULL) == RC_OK);
	return r;
}

/* Well formed and within bounds: then libfcgi must take it. */
static void
parse(struct fcgi_gate *g)
{
	struct outlet o = {.fd = -1, .id = g->id};
	struct buf body;
	struct request *rq;
	struct err e = {0};
	enum rc rc;

	if (g->is_params_over ||
	    fcgi_params_check(buf_slice(&g->params), &e) != RC_OK)
		return;
	buf_init(&body, 0);
	buf_add_slice(&body, buf_slice(&g->body));
	rc = responder_parse(the_responder(), g, o, &rq, &e);
	CHECK(rq != NULL);
	CHECK(rc == RC_OK || (rc == RC_BAD && e.text[0] != 0));
	check_request(rq, buf_slice(&g->params));
	CHECK(slice_is((struct slice){rq->body, rq->body_n}, buf_slice(&body)));
	buf_fini(&body);
	request_free(rq);
}

/* Appends what the gate tells, so that two ways of feeding can be compared. */
static void
tell(struct buf *b, const struct fcgi_gate *g)
{
	buf_printf(b, "id %u keep %d over %d %d\n", g->id, g->is_keep,
	    g->is_params_over, g->is_body_over);
	if (!g->is_params_over)
		buf_add_slice(b, buf_slice(&g->params));
	if (!g->is_body_over)
		buf_add_slice(b, buf_slice(&g->body));
}

/* Feeds one piece, which may hold the end of a request and more of them. */
static enum rc
feed(struct fcgi_gate *g, struct slice piece, struct buf *told, bool is_parsed)
{
	struct err e = {0};
	size_t used;
	enum rc rc;

	while (piece.n > 0) {
		rc = fcgi_gate_feed(g, piece.p, piece.n, &used, &e);
		CHECK(g->params.n <= PARAMS_MAX && g->body.n <= BODY_MAX);
		if (rc != RC_OK) {
			CHECK(rc == RC_BAD || rc == RC_GONE);
			CHECK(e.rc == rc && e.text[0] != 0);
			buf_add_text(told, e.text);
			return rc;
		}
		CHECK(used <= piece.n);
		CHECK(used == piece.n || g->stage == FCGI_AT_END);
		piece = slice_after(piece, used);
		if (g->stage != FCGI_AT_END)
			continue;
		tell(told, g);
		if (is_parsed)
			parse(g);
		fcgi_gate_reset(g);
	}
	return RC_OK;
}

static void
feed_all(struct pieces ps, struct buf *told, bool is_parsed)
{
	struct fcgi_gate g;
	enum rc rc = RC_OK;

	fcgi_gate_init(&g, PARAMS_MAX, BODY_MAX);
	while (ps.rest.n > 0 && rc == RC_OK)
		rc = feed(&g, next_piece(&ps), told, is_parsed);
	buf_printf(told, "end %d at %d", (int)rc, (int)g.stage);
	fcgi_gate_fini(&g);
}

static bool
has_abort(struct pieces ps)
{
	struct fcgi_record r = {.head_n = 0};
	struct slice piece;

	while (ps.rest.n > 0) {
		piece = next_piece(&ps);
		if (fcgi_has_abort(&r, piece.p, piece.n))
			return true;
	}
	return false;
}

static void
check_pieces(struct pieces ps)
{
	struct pieces whole = {.rest = ps.rest};
	struct buf one, other;

	buf_init(&one, 0);
	buf_init(&other, 0);
	feed_all(ps, &one, true);
	feed_all(whole, &other, false);
	CHECK(slice_is(buf_slice(&one), buf_slice(&other)));
	CHECK(has_abort(ps) == has_abort(whole));
	buf_fini(&one);
	buf_fini(&other);
}

static void
check_params(struct slice pairs)
{
	struct buf b, told;

	buf_init(&b, 0);
	buf_init(&told, 0);
	add_request(&b, 1, pairs, SLICE("body"));
	feed_all((struct pieces){.rest = buf_slice(&b)}, &told, true);
	buf_fini(&b);
	buf_fini(&told);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pieces ps = {.length = data + 1};

	if (size == 0)
		return 0;
	ps.n_lengths = data[0] % 16 < size ? data[0] % 16 : size - 1;
	ps.rest = (struct slice){(const char *)data, size};
	ps.rest = slice_after(ps.rest, 1 + ps.n_lengths);
	check_pieces(ps);
	check_params(ps.rest);
	return 0;
}
