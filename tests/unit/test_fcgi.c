/* FastCGI records: what the gate lets through, and what is written. */
#include "../fcgi_records.h"
#include "fail_alloc.h"
#include "tests.h"
#include "wire/fcgi.h"

#include <stdlib.h>

#define ID 0x1234
#define BOUND 1000

static struct err e;

/* A stand-alone copy, so that AddressSanitizer sees a byte too many. */
static char *
copy_of(struct slice s)
{
	char *p = malloc(s.n + (s.n == 0));

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

/* Feeds one piece; what isn't the request's adds to *left. */
static enum rc
feed(struct fcgi_gate *g, struct slice piece, size_t *left)
{
	char *p = copy_of(piece);
	size_t used = 0;
	enum rc rc = fcgi_gate_feed(g, p, piece.n, &used, &e);

	free(p);
	if (rc == RC_OK)
		*left += piece.n - used;
	return rc;
}

/* Feeds all in two pieces, the second from `cut` on. */
static enum rc
feed_cut(struct fcgi_gate *g, struct slice all, size_t cut, size_t *left)
{
	enum rc rc;

	*left = 0;
	rc = feed(g, (struct slice){all.p, cut}, left);
	return rc != RC_OK ? rc : feed(g, slice_after(all, cut), left);
}

static enum rc
feed_bytewise(struct fcgi_gate *g, struct slice all, size_t *left)
{
	enum rc rc = RC_OK;

	*left = 0;
	for (; all.n > 0 && rc == RC_OK; all = slice_after(all, 1))
		rc = feed(g, (struct slice){all.p, 1}, left);
	return rc;
}

/* A request with all its records padded, each stream in two of them. */
static void
add_padded_request(struct buf *b)
{
	add_begin(b, ID, 1, 1, 3);
	add_record(b, RECORD_PARAMS, ID, SLICE("\1\2a"), 255);
	add_record(b, RECORD_PARAMS, ID, SLICE("bc"), 0);
	add_record(b, RECORD_PARAMS, ID, SLICE(""), 1);
	add_record(b, RECORD_STDIN, ID, SLICE("x"), 7);
	add_record(b, RECORD_STDIN, ID, SLICE("\0\1y"), 2);
	add_record(b, RECORD_STDIN, ID, SLICE(""), 5);
}

static bool
is_padded_request(const struct fcgi_gate *g)
{
	return g->stage == FCGI_AT_END && g->id == ID && g->is_keep &&
	    !g->is_params_over && !g->is_body_over &&
	    slice_is(buf_slice(&g->params), SLICE("\1\2abc")) &&
	    slice_is(buf_slice(&g->body), SLICE("x\0\1y"));
}

static void
request_passes_whole(void)
{
	struct fcgi_gate g;
	struct buf b;
	size_t left = 0;

	buf_init(&b, 0);
	add_padded_request(&b);
	fcgi_gate_init(&g, BOUND, BOUND);
	CU_ASSERT_EQUAL(feed(&g, buf_slice(&b), &left), RC_OK);
	CU_ASSERT_EQUAL(left, 0);
	CU_ASSERT(is_padded_request(&g));
	fcgi_gate_fini(&g);
	buf_fini(&b);
}

static void
request_passes_byte_by_byte(void)
{
	struct fcgi_gate g;
	struct buf b;
	size_t left;

	buf_init(&b, 0);
	add_padded_request(&b);
	fcgi_gate_init(&g, BOUND, BOUND);
	CU_ASSERT_EQUAL(feed_bytewise(&g, buf_slice(&b), &left), RC_OK);
	CU_ASSERT_EQUAL(left, 0);
	CU_ASSERT(is_padded_request(&g));
	fcgi_gate_fini(&g);
	buf_fini(&b);
}

static void
request_passes_in_any_two_pieces(void)
{
	struct fcgi_gate g;
	struct buf b;
	size_t cut, left;

	buf_init(&b, 0);
	add_padded_request(&b);
	for (cut = 0; cut <= b.n; cut++) {
		fcgi_gate_init(&g, BOUND, BOUND);
		if (feed_cut(&g, buf_slice(&b), cut, &left) != RC_OK ||
		    left != 0 || !is_padded_request(&g))
			CU_FAIL("a cut is seen");
		fcgi_gate_fini(&g);
	}
	buf_fini(&b);
}

static void
truncated_request_is_unfinished(void)
{
	struct fcgi_gate g;
	struct buf b;
	size_t n, left;

	buf_init(&b, 0);
	add_padded_request(&b);
	for (n = 0; n < b.n; n++) {
		left = 0;
		fcgi_gate_init(&g, BOUND, BOUND);
		if (feed(&g, (struct slice){b.p, n}, &left) != RC_OK ||
		    left != 0 || g.stage == FCGI_AT_END)
			CU_FAIL("whole too early");
		fcgi_gate_fini(&g);
	}
	buf_fini(&b);
}

static void
bytes_behind_the_request_are_left(void)
{
	struct fcgi_gate g;
	struct buf b;
	size_t cut, left;

	buf_init(&b, 0);
	add_padded_request(&b);
	buf_add_text(&b, "anything");
	for (cut = 0; cut <= b.n; cut++) {
		fcgi_gate_init(&g, BOUND, BOUND);
		if (feed_cut(&g, buf_slice(&b), cut, &left) != RC_OK ||
		    left != 8 || !is_padded_request(&g))
			CU_FAIL("too much or too little is used");
		fcgi_gate_fini(&g);
	}
	buf_fini(&b);
}

static void
request_may_be_empty(void)
{
	struct fcgi_gate g;
	struct buf b;
	size_t left;

	buf_init(&b, 0);
	add_request(&b, 1, SLICE(""), SLICE(""));
	fcgi_gate_init(&g, BOUND, BOUND);
	CU_ASSERT_EQUAL(feed_bytewise(&g, buf_slice(&b), &left), RC_OK);
	CU_ASSERT_EQUAL(g.stage, FCGI_AT_END);
	CU_ASSERT_EQUAL(g.params.n + g.body.n + left, 0);
	CU_ASSERT_PTR_NULL(g.params.p);
	fcgi_gate_fini(&g);
	buf_fini(&b);
}

static void
record_may_be_as_long_as_can_be(void)
{
	static char most[FCGI_CONTENT_MAX];
	struct fcgi_gate g;
	struct buf b;
	size_t left;

	memset(most, 1, sizeof most);
	buf_init(&b, 0);
	add_begin(&b, ID, 1, 0, 255);
	add_record(
	    &b, RECORD_PARAMS, ID, (struct slice){most, sizeof most}, 255);
	add_record(&b, RECORD_PARAMS, ID, SLICE(""), 255);
	add_stream(
	    &b, RECORD_STDIN, ID, (struct slice){most, sizeof most}, 65535);
	fcgi_gate_init(&g, 0, 0);
	CU_ASSERT_EQUAL(feed_cut(&g, buf_slice(&b), 300, &left), RC_OK);
	CU_ASSERT_EQUAL(g.stage, FCGI_AT_END);
	CU_ASSERT(slice_is(buf_slice(&g.params), buf_slice(&g.body)));
	CU_ASSERT_EQUAL(g.params.n, FCGI_CONTENT_MAX);
	fcgi_gate_fini(&g);
	buf_fini(&b);
}

static void
keep_flag_is_the_lowest_bit(void)
{
	static const int flags[] = {0, 1, 0xfe, 0xff};
	struct fcgi_gate g;
	struct buf b;
	size_t i, left;

	for (i = 0; i < 4; i++) {
		buf_init(&b, 0);
		add_begin(&b, ID, 1, flags[i], 0);
		fcgi_gate_init(&g, BOUND, BOUND);
		CU_ASSERT_EQUAL(feed_bytewise(&g, buf_slice(&b), &left), RC_OK);
		CU_ASSERT_EQUAL(g.stage, FCGI_AT_PARAMS);
		CU_ASSERT_EQUAL(g.is_keep, flags[i] & 1);
		fcgi_gate_fini(&g);
		buf_fini(&b);
	}
}

/* Brings b to the stage, then feeds what the caller adds, in each way. */
static void
add_until(struct buf *b, enum fcgi_stage stage)
{
	buf_init(b, 0);
	if (stage >= FCGI_AT_PARAMS)
		add_begin(b, ID, 1, 0, 0);
	if (stage >= FCGI_AT_STDIN)
		add_record(b, RECORD_PARAMS, ID, SLICE(""), 0);
}

/* Frees b.  True if all of its splits end so, for this reason. */
static bool
gives(struct buf *b, enum rc rc, const char *why)
{
	struct slice all = buf_slice(b);
	struct fcgi_gate g;
	size_t cut, left;
	bool is_so = true;

	for (cut = 0; cut <= all.n && is_so; cut++) {
		e = (struct err){.rc = RC_OK};
		fcgi_gate_init(&g, BOUND, BOUND);
		is_so = feed_cut(&g, all, cut, &left) == rc && e.rc == rc &&
		    strstr(e.text, why) != NULL;
		fcgi_gate_fini(&g);
	}
	fcgi_gate_init(&g, BOUND, BOUND);
	is_so = is_so && feed_bytewise(&g, all, &left) == rc;
	fcgi_gate_fini(&g);
	buf_fini(b);
	return is_so;
}

static bool
is_refused_at(enum fcgi_stage stage, int type, unsigned id,
    struct slice content, const char *why)
{
	struct buf b;

	add_until(&b, stage);
	add_record(&b, type, id, content, 0);
	return gives(&b, RC_BAD, why);
}

static void
other_versions_are_refused(void)
{
	enum fcgi_stage stage;
	struct buf b;
	int version;
	size_t at;

	for (stage = FCGI_AT_BEGIN; stage < FCGI_AT_END; stage++)
		for (version = 0; version < 256; version++) {
			if (version == 1)
				continue;
			add_until(&b, stage);
			at = b.n;
			add_record(&b, RECORD_BEGIN + (int)stage, ID,
			    SLICE("12345678"), 0);
			b.p[at] = (char)version;
			if (!gives(&b, RC_BAD, "version"))
				CU_FAIL("a version passes");
		}
}

static void
management_records_are_refused(void)
{
	enum fcgi_stage stage;
	int type;

	for (stage = FCGI_AT_BEGIN; stage < FCGI_AT_END; stage++)
		for (type = 0; type < 256; type++)
			if (!is_refused_at(stage, type, 0, SLICE("12345678"),
			        "management"))
				CU_FAIL("a management record passes");
}

static void
nothing_but_a_request_may_begin(void)
{
	int type;

	for (type = 0; type < 256; type++)
		if (type != RECORD_BEGIN &&
		    !is_refused_at(FCGI_AT_BEGIN, type, ID,
		        SLICE("\0\1\0\0\0\0\0"), "where a request begins"))
			CU_FAIL("another record begins");
	CU_ASSERT(is_refused_at(FCGI_AT_BEGIN, RECORD_ABORT, ID, SLICE(""),
	    "type 2 and 0 bytes where"));
}

static void
beginning_has_eight_bytes(void)
{
	static const char bytes[65535] = {0, 1};
	static const size_t wrong[] = {0, 1, 7, 9, 16, 255, 256, 264, 65535};
	size_t i;

	for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		CU_ASSERT(is_refused_at(FCGI_AT_BEGIN, RECORD_BEGIN, ID,
		    (struct slice){bytes, wrong[i] < 300 ? wrong[i] : 65535},
		    "where a request begins"));
}

static void
other_roles_are_refused(void)
{
	static const int roles[] = {0, 2, 3, 0x100, 0x101, 0xffff};
	struct buf b;
	size_t i;

	for (i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		buf_init(&b, 0);
		add_begin(&b, ID, roles[i], 1, 4);
		CU_ASSERT(gives(&b, RC_BAD, "role"));
	}
}

static void
multiplexed_requests_are_refused(void)
{
	static const unsigned ids[] = {1, 0x1235, 0x0034, 0x1200, 0xffff};
	size_t i;

	for (i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		CU_ASSERT(is_refused_at(FCGI_AT_PARAMS, RECORD_PARAMS, ids[i],
		    SLICE("x"), "multiplexed"));
		CU_ASSERT(is_refused_at(FCGI_AT_PARAMS, RECORD_BEGIN, ids[i],
		    SLICE("\0\1\0\0\0\0\0\0"), "multiplexed"));
		CU_ASSERT(is_refused_at(FCGI_AT_STDIN, RECORD_STDIN, ids[i],
		    SLICE(""), "multiplexed"));
		CU_ASSERT(is_refused_at(FCGI_AT_STDIN, RECORD_ABORT, ids[i],
		    SLICE(""), "multiplexed"));
	}
}

static void
records_out_of_place_are_refused(void)
{
	int type;

	for (type = 0; type < 256; type++) {
		if (type != RECORD_PARAMS && type != RECORD_ABORT &&
		    !is_refused_at(
		        FCGI_AT_PARAMS, type, ID, SLICE("x"), "out of place"))
			CU_FAIL("a record passes among params");
		if (type != RECORD_STDIN && type != RECORD_ABORT &&
		    !is_refused_at(
		        FCGI_AT_STDIN, type, ID, SLICE(""), "out of place"))
			CU_FAIL("a record passes in the body");
	}
}

static void
abort_ends_a_request(void)
{
	struct buf b;

	add_until(&b, FCGI_AT_PARAMS);
	add_record(&b, RECORD_PARAMS, ID, SLICE("some"), 9);
	add_record(&b, RECORD_ABORT, ID, SLICE(""), 0);
	CU_ASSERT(gives(&b, RC_GONE, "aborted"));
	add_until(&b, FCGI_AT_STDIN);
	add_record(&b, RECORD_STDIN, ID, SLICE("some"), 9);
	add_record(&b, RECORD_ABORT, ID, SLICE(""), 0);
	CU_ASSERT(gives(&b, RC_GONE, "aborted"));
}

/* Feeds streams of these sizes in records of `most`; true if flagged so. */
static bool
is_over(
    size_t params, size_t body, size_t most, bool params_over, bool body_over)
{
	static char bytes[4 * BOUND];
	struct fcgi_gate g;
	struct buf b;
	size_t left = 0;
	bool is_so;

	buf_init(&b, 0);
	add_begin(&b, ID, 1, 0, 0);
	add_stream(&b, RECORD_PARAMS, ID, (struct slice){bytes, params}, most);
	add_stream(&b, RECORD_STDIN, ID, (struct slice){bytes, body}, most);
	fcgi_gate_init(&g, BOUND, BOUND + 1);
	is_so = feed_bytewise(&g, buf_slice(&b), &left) == RC_OK &&
	    g.stage == FCGI_AT_END && left == 0 &&
	    g.is_params_over == params_over && g.is_body_over == body_over &&
	    g.params.n <= BOUND && g.body.n <= BOUND + 1 &&
	    (params_over || g.params.n == params) &&
	    (body_over || g.body.n == body);
	fcgi_gate_fini(&g);
	buf_fini(&b);
	return is_so;
}

static void
more_than_the_bounds_is_dropped_and_told(void)
{
	static const size_t most[] = {1, 7, 256, 999, 65535};
	size_t i;

	for (i = 0; i < sizeof most / sizeof most[0]; i++) {
		CU_ASSERT(is_over(BOUND, BOUND + 1, most[i], false, false));
		CU_ASSERT(is_over(BOUND + 1, 10, most[i], true, false));
		CU_ASSERT(is_over(10, BOUND + 2, most[i], false, true));
		CU_ASSERT(is_over(3 * BOUND, 3 * BOUND, most[i], true, true));
	}
}

static void
reset_forgets_all_but_the_bounds(void)
{
	static char bytes[BOUND + 1];
	struct slice more = {bytes, sizeof bytes};
	struct fcgi_gate g;
	struct buf b, again;
	size_t left = 0;

	buf_init(&b, 0);
	buf_init(&again, 0);
	add_request(&b, 7, more, more);
	add_padded_request(&again);
	fcgi_gate_init(&g, BOUND, BOUND - 1);
	CU_ASSERT_EQUAL(feed(&g, buf_slice(&b), &left), RC_OK);
	CU_ASSERT(g.is_params_over && g.is_body_over);
	fcgi_gate_reset(&g);
	CU_ASSERT_EQUAL(feed(&g, buf_slice(&again), &left), RC_OK);
	CU_ASSERT(is_padded_request(&g));
	CU_ASSERT_EQUAL(g.params.limit_bytes, BOUND);
	CU_ASSERT_EQUAL(g.body.limit_bytes, BOUND - 1);
	fcgi_gate_reset(&g);
	CU_ASSERT_EQUAL(g.stage, FCGI_AT_BEGIN);
	CU_ASSERT_PTR_NULL(g.body.p);
	buf_fini(&b);
	buf_fini(&again);
}

static void
lack_of_memory_is_told(void)
{
	struct fcgi_gate g;
	struct buf b;
	size_t used;
	unsigned i;
	enum rc rc;

	buf_init(&b, 0);
	add_padded_request(&b);
	for (i = 0; i < 2; i++) {
		fcgi_gate_init(&g, BOUND, BOUND);
		fail_alloc_after(i);
		rc = fcgi_gate_feed(&g, b.p, b.n, &used, &e);
		CU_ASSERT(fail_alloc_end());
		CU_ASSERT_EQUAL(rc, RC_NOMEM);
		CU_ASSERT_EQUAL(e.rc, RC_NOMEM);
		fcgi_gate_fini(&g);
	}
	buf_fini(&b);
}

static enum rc
check_params(struct slice s)
{
	char *p = copy_of(s);
	enum rc rc = fcgi_params_check((struct slice){p, s.n}, &e);

	free(p);
	return rc;
}

static void
pairs_with_lengths_that_fit_pass(void)
{
	static char text[70000];
	struct buf b;

	CU_ASSERT_EQUAL(check_params(SLICE("")), RC_OK);
	CU_ASSERT_EQUAL(check_params(SLICE("\0\0")), RC_OK);
	CU_ASSERT_EQUAL(check_params(SLICE("\1\0a\0\1b\2\2abcd")), RC_OK);
	CU_ASSERT_EQUAL(
	    check_params(SLICE("\x80\0\0\0\x80\0\0\1a\1\x80\0\0\0a")), RC_OK);
	buf_init(&b, 0);
	add_pair(&b, (struct slice){text, 127}, (struct slice){text, 128});
	add_pair(&b, (struct slice){text, 256}, (struct slice){text, 70000});
	CU_ASSERT_EQUAL(check_params(buf_slice(&b)), RC_OK);
	buf_fini(&b);
}

static void
pairs_cut_anywhere_inside_are_refused(void)
{
	static char text[300];
	struct buf b;
	size_t first, n;
	enum rc want;

	buf_init(&b, 0);
	add_pair(&b, SLICE("ab"), SLICE("c"));
	first = b.n;
	add_pair(&b, (struct slice){text, 130}, (struct slice){text, 300});
	for (n = 0; n <= b.n; n++) {
		want = n == 0 || n == first || n == b.n ? RC_OK : RC_BAD;
		if (check_params((struct slice){b.p, n}) != want)
			CU_FAIL("a cut is judged wrongly");
	}
	buf_fini(&b);
}

static void
lying_lengths_are_refused(void)
{
	const struct slice lies[] = {
	    SLICE("\1\1a"),
	    SLICE("\x7f\0abc"),
	    SLICE("\0\x7f"),
	    SLICE("\xff\xff\xff\xff\xff\xff\xff\xff"),
	    SLICE("\xff\xff\xff\xff\1ab"),
	    SLICE("\1\xff\xff\xff\xff"
	          "ab"),
	    SLICE("\x80\1\0\0\0abc"),
	    SLICE("\x80\0\1\0\0abc"),
	    SLICE("\x80\0\0\4\0abc"),
	    SLICE("\x80\0\0\1\x80\0\0\1a"),
	    SLICE("\x80"),
	    SLICE("\0\x80\0\0"),
	};
	size_t i;

	for (i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		e.text[0] = 0;
		CU_ASSERT_EQUAL(check_params(lies[i]), RC_BAD);
		CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "parameter's length"));
	}
	CU_ASSERT_EQUAL(check_params(SLICE("\1\1ab\1\2ab")), RC_BAD);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "near byte 6"));
}

static bool
has_abort(struct slice s, size_t cut)
{
	struct fcgi_record r = {.head_n = 0};
	char *one = copy_of((struct slice){s.p, cut});
	char *two = copy_of(slice_after(s, cut));
	bool has =
	    fcgi_has_abort(&r, one, cut) || fcgi_has_abort(&r, two, s.n - cut);

	free(one);
	free(two);
	return has;
}

static bool
has_abort_bytewise(struct slice s)
{
	struct fcgi_record r = {.head_n = 0};

	for (; s.n > 0; s = slice_after(s, 1))
		if (fcgi_has_abort(&r, s.p, 1))
			return true;
	return false;
}

static void
abort_is_found_in_any_two_pieces(void)
{
	struct buf b;
	size_t cut, n;

	buf_init(&b, 0);
	add_record(&b, RECORD_STDIN, ID, SLICE("\1\2\0\1\0\0\0\0x"), 0);
	add_record(&b, RECORD_STDIN, ID, SLICE(""), 9);
	add_record(&b, RECORD_STDIN, ID, SLICE("abc"), 255);
	n = b.n;
	add_record(&b, RECORD_ABORT, ID, SLICE(""), 0);
	for (cut = 0; cut <= n; cut++)
		if (has_abort((struct slice){b.p, n}, cut))
			CU_FAIL("an abort is seen in another record");
	for (cut = 0; cut <= b.n; cut++)
		if (!has_abort(buf_slice(&b), cut))
			CU_FAIL("an abort is missed");
	CU_ASSERT(has_abort_bytewise(buf_slice(&b)));
	CU_ASSERT(!has_abort_bytewise((struct slice){b.p, b.n - 1}));
	buf_fini(&b);
}

/* Takes a record of this type off *s: its content. */
static struct slice
take_record(struct slice *s, int type)
{
	const unsigned char *head = (const unsigned char *)s->p;
	struct slice content = {NULL, 0};

	CU_ASSERT_FATAL(s->n >= FCGI_HEAD_BYTES);
	CU_ASSERT_EQUAL(head[0], 1);
	CU_ASSERT_EQUAL(head[1], type);
	CU_ASSERT_EQUAL(head[2] << 8 | head[3], ID);
	CU_ASSERT_EQUAL(head[6], 0);
	CU_ASSERT_EQUAL(head[7], 0);
	*s = slice_after(*s, FCGI_HEAD_BYTES);
	content = (struct slice){s->p, (size_t)(head[4] << 8 | head[5])};
	CU_ASSERT_FATAL(s->n >= content.n);
	*s = slice_after(*s, content.n);
	return content;
}

static void
long_output_is_framed_in_full_records(void)
{
	static const size_t sizes[] = {
	    0, 1, 65534, 65535, 65536, 131070, 131071, 200000};
	static char text[200000];
	struct slice rest, part;
	struct buf b, got;
	size_t i;

	for (i = 0; i < sizeof text; i++)
		text[i] = (char)(i % 251);
	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		buf_init(&b, 0);
		buf_init(&got, 0);
		fcgi_add_stdout(&b, ID, text, sizes[i]);
		for (rest = buf_slice(&b); rest.n > 0;) {
			part = take_record(&rest, RECORD_STDOUT);
			CU_ASSERT(part.n == FCGI_CONTENT_MAX || rest.n == 0);
			CU_ASSERT(part.n > 0); /* empty: the end */
			buf_add_slice(&got, part);
		}
		CU_ASSERT(
		    slice_is(buf_slice(&got), (struct slice){text, sizes[i]}));
		buf_fini(&b);
		buf_fini(&got);
	}
}

static void
end_is_an_empty_record_and_the_requests_end(void)
{
	struct slice rest;
	struct buf b;

	buf_init(&b, 0);
	fcgi_add_end(&b, ID);
	CU_ASSERT_EQUAL(b.n, FCGI_END_BYTES);
	rest = buf_slice(&b);
	CU_ASSERT_EQUAL(take_record(&rest, RECORD_STDOUT).n, 0);
	CU_ASSERT(slice_is(
	    take_record(&rest, RECORD_END), SLICE("\0\0\0\0\0\0\0\0")));
	CU_ASSERT_EQUAL(rest.n, 0);
	buf_fini(&b);
}

static void
replay_passes_the_gate_again(void)
{
	static char value[30000];
	struct buf params, b;
	struct fcgi_gate g;
	size_t left;

	buf_init(&params, 0);
	buf_init(&b, 0);
	add_pair(&params, SLICE("A"), (struct slice){value, sizeof value});
	add_pair(&params, SLICE("B"), SLICE(""));
	fcgi_add_replay(&b, buf_slice(&params));
	add_record(&b, RECORD_STDIN, 1, SLICE(""), 0);
	fcgi_gate_init(&g, params.n, 1);
	CU_ASSERT_EQUAL(feed_bytewise(&g, buf_slice(&b), &left), RC_OK);
	CU_ASSERT_EQUAL(left, 0);
	CU_ASSERT_EQUAL(g.stage, FCGI_AT_END);
	CU_ASSERT_EQUAL(g.id, 1);
	CU_ASSERT(slice_is(buf_slice(&g.params), buf_slice(&params)));
	CU_ASSERT_EQUAL(check_params(buf_slice(&g.params)), RC_OK);
	fcgi_gate_fini(&g);
	buf_fini(&params);
	buf_fini(&b);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_fcgi[] = {T(request_passes_whole),
    T(request_passes_byte_by_byte), T(request_passes_in_any_two_pieces),
    T(truncated_request_is_unfinished), T(bytes_behind_the_request_are_left),
    T(request_may_be_empty), T(record_may_be_as_long_as_can_be),
    T(keep_flag_is_the_lowest_bit), T(other_versions_are_refused),
    T(management_records_are_refused), T(nothing_but_a_request_may_begin),
    T(beginning_has_eight_bytes), T(other_roles_are_refused),
    T(multiplexed_requests_are_refused), T(records_out_of_place_are_refused),
    T(abort_ends_a_request), T(more_than_the_bounds_is_dropped_and_told),
    T(reset_forgets_all_but_the_bounds), T(lack_of_memory_is_told),
    T(pairs_with_lengths_that_fit_pass),
    T(pairs_cut_anywhere_inside_are_refused), T(lying_lengths_are_refused),
    T(abort_is_found_in_any_two_pieces),
    T(long_output_is_framed_in_full_records),
    T(end_is_an_empty_record_and_the_requests_end),
    T(replay_passes_the_gate_again), CU_TEST_INFO_NULL};
