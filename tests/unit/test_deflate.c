/* permessage-deflate without context takeover. */
#include "fail_alloc.h"
#include "tests.h"
#include "wire/deflate.h"

#include <stdlib.h>
#include <zlib.h>

#define WORDS \
	"{\"seq\":124,\"channel\":\"chat/room1\",\"data\":\"the same words," \
	" the same words, the same words\"}"

/* Inflates payload into at most limit bytes and compares. */
static enum rc
reads_into(struct slice payload, size_t limit, struct slice want)
{
	struct inflater *f;
	struct err err = {.rc = RC_OK};
	struct buf b;
	enum rc rc;

	if (inflater_new(&f, &err) != RC_OK)
		return err.rc;
	buf_init(&b, limit);
	rc = inflater_add(f, &b, payload, &err);
	if (rc == RC_OK) {
		CU_ASSERT(slice_is(buf_slice(&b), want));
	} else {
		CU_ASSERT(b.n == 0 && err.rc == rc && err.text[0] != 0);
	}
	CU_ASSERT(b.cap <= (limit < 256 ? 256 : 2 * limit));
	buf_fini(&b);
	inflater_free(f);
	return rc;
}

static bool
reads(struct slice payload, const char *want)
{
	return reads_into(payload, 1000, slice_of(want)) == RC_OK;
}

/* The text compressed with this window; the caller's to fini. */
static void
deflate_text(struct buf *b, uint8_t window_bits, struct slice text)
{
	struct deflater *d;

	buf_init(b, 0);
	CU_ASSERT_FATAL(deflater_new(&d, window_bits, NULL) == RC_OK);
	deflater_add(d, b, text);
	deflater_free(d);
}

static void
examples_of_the_specification_are_read(void)
{
	/* RFC 7692, 7.2.3.1 to 7.2.3.6 */
	CU_ASSERT(reads(SLICE("\xf2\x48\xcd\xc9\xc9\x07\0"), "Hello"));
	CU_ASSERT(reads(SLICE("\0\5\0\xfa\xffHello\0"), "Hello"));
	CU_ASSERT(reads(SLICE("\xf3\x48\xcd\xc9\xc9\x07\0\0"), "Hello"));
	CU_ASSERT(
	    reads(SLICE("\xf2\x48\5\0\0\0\xff\xff\xca\xc9\xc9\7\0"), "Hello"));
	CU_ASSERT(reads(SLICE("\0"), ""));
}

static void
blocks_may_follow_a_last_one(void)
{
	/* the second refers to what stands before it */
	CU_ASSERT(reads(SLICE("\xf3\x48\xcd\xc9\xc9\7\0"
	                      "\xf2\x48\xcd\xc9\xc9\7\0"),
	    "HelloHello"));
	CU_ASSERT(reads(SLICE("\xf3\x48\xcd\xc9\xc9\7\0"
	                      "\xf2\0\x11\0\0"),
	    "HelloHello"));
	CU_ASSERT(reads(SLICE("\xf3\x48\xcd\xc9\xc9\7\0"), "Hello"));
}

static void
what_is_deflated_is_read_again(void)
{
	static const size_t sizes[] = {0, 1, 100, 1024, 32768, 65536, 300000};
	char *text = malloc(300000);
	struct slice rest;
	struct buf b;

	for (size_t i = 0; i < 300000; i++)
		text[i] = i % 7 ? WORDS[i % (sizeof WORDS - 1)] : (char)rand();
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		for (uint8_t bits = 8; bits <= 15; bits++) {
			rest = (struct slice){text, sizes[i]};
			deflate_text(&b, bits, rest);
			CU_ASSERT_EQUAL(b.rc, RC_OK);
			CU_ASSERT_EQUAL(
			    reads_into(buf_slice(&b), 300000, rest), RC_OK);
			buf_fini(&b);
		}
	free(text);
}

/* Reads a payload as who keeps no more than the window, a byte at a time. */
static bool
fits_window(struct slice payload, int bits, struct slice want)
{
	z_stream z = {
	    .next_in = (Bytef *)payload.p, .avail_in = (uInt)payload.n};
	bool is_same = inflateInit2(&z, -bits) == Z_OK;
	char got;

	for (size_t i = 0; is_same && i < want.n; i++) {
		z.next_out = (Bytef *)&got;
		z.avail_out = 1;
		is_same = inflate(&z, Z_SYNC_FLUSH) == Z_OK && got == want.p[i];
	}
	inflateEnd(&z);
	return is_same;
}

static void
references_stay_within_the_window_that_was_agreed_on(void)
{
	char text[20000];
	struct slice all = {text, sizeof text};
	struct buf b;

	for (size_t period = 200; period < 20000; period += period / 20)
		for (uint8_t bits = 8; bits <= 15; bits++) {
			for (size_t i = 0; i < sizeof text; i++)
				text[i] = i < period ? (char)rand()
				                     : text[i - period];
			deflate_text(&b, bits, all);
			CU_ASSERT(fits_window(buf_slice(&b), bits, all));
			/* a larger one is used, where it is allowed */
			if (bits > 8 && period > 256u << (bits - 8) / 2 &&
			    period < (1u << bits) - 262)
				CU_ASSERT(!fits_window(buf_slice(&b), 8, all));
			buf_fini(&b);
		}
}

static void
same_text_gives_the_same_bytes_whatever_came_before(void)
{
	struct deflater *d;
	struct buf fresh, used;
	size_t before;

	deflate_text(&fresh, 15, SLICE(WORDS));
	CU_ASSERT_FATAL(deflater_new(&d, 15, NULL) == RC_OK);
	buf_init(&used, 0);
	for (int i = 0; i < 100; i++) {
		deflater_add(d, &used, SLICE("words, the same words, other"));
		before = used.n;
		deflater_add(d, &used, SLICE(WORDS));
		CU_ASSERT(slice_is(
		    slice_after(buf_slice(&used), before), buf_slice(&fresh)));
	}
	CU_ASSERT(fresh.n < sizeof WORDS);
	deflater_free(d);
	buf_fini(&used);
	buf_fini(&fresh);
}

static void
message_needs_nothing_of_the_one_before(void)
{
	struct inflater *f;
	struct buf b, text;

	deflate_text(&b, 15, SLICE(WORDS));
	CU_ASSERT_FATAL(inflater_new(&f, NULL) == RC_OK);
	buf_init(&text, 0);
	for (int i = 0; i < 3; i++) {
		/* a broken one in between leaves nothing behind */
		CU_ASSERT_EQUAL(
		    inflater_add(f, &text, SLICE("\xff\xff"), NULL), RC_BAD);
		buf_clear(&text);
		CU_ASSERT_EQUAL(
		    inflater_add(f, &text, buf_slice(&b), NULL), RC_OK);
		CU_ASSERT(slice_is(buf_slice(&text), SLICE(WORDS)));
	}
	inflater_free(f);
	buf_fini(&text);
	buf_fini(&b);
}

static void
every_truncation_is_refused(void)
{
	struct buf b;

	deflate_text(&b, 15, SLICE(WORDS));
	for (size_t n = 0; n < b.n; n++)
		CU_ASSERT_EQUAL(
		    reads_into((struct slice){b.p, n}, 1000, SLICE("")),
		    RC_BAD);
	buf_fini(&b);
	CU_ASSERT_EQUAL(
	    reads_into(SLICE("\0\5\0\xfa\xffHello"), 99, SLICE("")), RC_BAD);
	CU_ASSERT_EQUAL(
	    reads_into((struct slice){NULL, 0}, 99, SLICE("")), RC_BAD);
}

static void
garbage_is_refused(void)
{
	/* block type 3; lengths that don't match; a distance too far */
	CU_ASSERT_EQUAL(reads_into(SLICE("\7\0"), 99, SLICE("")), RC_BAD);
	CU_ASSERT_EQUAL(
	    reads_into(SLICE("\0\5\0\5\0Hello\0"), 99, SLICE("")), RC_BAD);
	CU_ASSERT_EQUAL(
	    reads_into(SLICE("\xf2\0\x11\0\0"), 99, SLICE("")), RC_BAD);
	/* after a last block, too */
	CU_ASSERT_EQUAL(
	    reads_into(SLICE("\xf3\x48\xcd\xc9\xc9\7\0\7"), 99, SLICE("")),
	    RC_BAD);
}

static void
bound_holds_to_the_byte(void)
{
	struct slice hello = SLICE("\xf2\x48\xcd\xc9\xc9\x07\0");
	size_t n = (size_t)4 << 20;
	char *zeros = calloc(1, n);
	struct buf bomb;

	for (size_t limit = 1; limit < 9; limit++)
		CU_ASSERT_EQUAL(reads_into(hello, limit, SLICE("Hello")),
		    limit < 5 ? RC_TOO_LARGE : RC_OK);
	deflate_text(&bomb, 15, (struct slice){zeros, n});
	CU_ASSERT(bomb.n < n / 500);
	CU_ASSERT_EQUAL(
	    reads_into(buf_slice(&bomb), n, (struct slice){zeros, n}), RC_OK);
	CU_ASSERT_EQUAL(
	    reads_into(buf_slice(&bomb), n - 1, SLICE("")), RC_TOO_LARGE);
	CU_ASSERT_EQUAL(
	    reads_into(buf_slice(&bomb), 70000, SLICE("")), RC_TOO_LARGE);
	buf_fini(&bomb);
	free(zeros);
}

static void
buffers_bound_sticks_when_deflating(void)
{
	struct deflater *d;
	struct buf b;

	CU_ASSERT_FATAL(deflater_new(&d, 9, NULL) == RC_OK);
	buf_init(&b, 8);
	deflater_add(d, &b, SLICE(WORDS));
	CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
	CU_ASSERT_EQUAL(b.n, 0);
	buf_fini(&b);
	deflater_free(d);
	deflater_free(NULL);
	inflater_free(NULL);
}

/* Everything once; RC_NOMEM when an allocation failed. */
static enum rc
there_and_back(void)
{
	struct deflater *d;
	struct inflater *f = NULL;
	struct buf b, text;
	enum rc rc;

	buf_init(&b, 0);
	buf_init(&text, 0);
	rc = deflater_new(&d, 15, NULL);
	if (rc == RC_OK)
		rc = inflater_new(&f, NULL);
	if (rc == RC_OK) {
		deflater_add(d, &b, SLICE(WORDS));
		rc = b.rc;
	}
	if (rc == RC_OK)
		rc = inflater_add(f, &text, buf_slice(&b), NULL);
	CU_ASSERT(rc != RC_OK || slice_is(buf_slice(&text), SLICE(WORDS)));
	buf_fini(&b);
	buf_fini(&text);
	deflater_free(d);
	inflater_free(f);
	return rc;
}

static void
failing_memory_is_told_at_every_exit(void)
{
	enum rc rc;
	unsigned tried = 0;

	do {
		fail_alloc_after(tried++);
		rc = there_and_back();
		CU_ASSERT_EQUAL(rc, fail_alloc_end() ? RC_NOMEM : RC_OK);
	} while (rc != RC_OK && tried < 100);
	CU_ASSERT(tried > 4 && tried < 100);
}

CU_TestInfo test_deflate[] = {{"examples_of_the_specification_are_read",
                                  examples_of_the_specification_are_read},
    {"blocks_may_follow_a_last_one", blocks_may_follow_a_last_one},
    {"what_is_deflated_is_read_again", what_is_deflated_is_read_again},
    {"references_stay_within_the_window_that_was_agreed_on",
        references_stay_within_the_window_that_was_agreed_on},
    {"same_text_gives_the_same_bytes_whatever_came_before",
        same_text_gives_the_same_bytes_whatever_came_before},
    {"message_needs_nothing_of_the_one_before",
        message_needs_nothing_of_the_one_before},
    {"every_truncation_is_refused", every_truncation_is_refused},
    {"garbage_is_refused", garbage_is_refused},
    {"bound_holds_to_the_byte", bound_holds_to_the_byte},
    {"buffers_bound_sticks_when_deflating",
        buffers_bound_sticks_when_deflating},
    {"failing_memory_is_told_at_every_exit",
        failing_memory_is_told_at_every_exit},
    CU_TEST_INFO_NULL};
