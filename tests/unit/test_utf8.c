/* UTF-8: what is valid, repairing, control characters. */
#include "base/utf8.h"
#include "tests.h"

#include <stdlib.h>

static void
every_code_point_is_valid_but_surrogates(void)
{
	size_t wrong = 0, n;
	char bytes[4];
	bool is_surrogate;

	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		n = utf8_put(bytes, c);
		is_surrogate = c >= 0xd800 && c <= 0xdfff;
		wrong += n !=
		    (c < 0x80             ? 1u
		            : c < 0x800   ? 2u
		            : c < 0x10000 ? 3u
		                          : 4u);
		wrong +=
		    utf8_is_valid((struct slice){bytes, n}) == is_surrogate;
		for (size_t i = 1; i < n; i++)
			wrong += utf8_valid((struct slice){bytes, i}) != 0;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

/* Independent of the module: the ranges of RFC 3629, section 4. */
static bool
is_in_rfc_table(const unsigned char *p)
{
	bool tails = (p[2] & 0xc0) == 0x80;

	if (p[0] == 0xe0)
		return p[1] >= 0xa0 && p[1] <= 0xbf && tails;
	if (p[0] == 0xed)
		return p[1] >= 0x80 && p[1] <= 0x9f && tails;
	return p[0] >= 0xe1 && p[0] <= 0xef && (p[1] & 0xc0) == 0x80 && tails;
}

static void
three_bytes_are_valid_as_the_rfc_has_it(void)
{
	unsigned char p[3];
	size_t wrong = 0;

	for (unsigned i = 0xe00000; i <= 0xefffff; i++) {
		p[0] = (unsigned char)(i >> 16);
		p[1] = (unsigned char)(i >> 8);
		p[2] = (unsigned char)i;
		wrong += utf8_is_valid((struct slice){(char *)p, 3}) !=
		    is_in_rfc_table(p);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void
overlong_surrogate_and_far_sequences_are_invalid(void)
{
	static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80",
	    "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
	    "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
	    "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80",
	    "\xfe", "\xff", "\xc3\xc3",
	    "\xe2\x82"
	    "a",
	    "\xf0\x9f\x98"
	    "a"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CU_ASSERT_EQUAL(utf8_valid(slice_of(bad[i])), 0);
}

static void
first_bad_byte_is_found_wherever_it_is(void)
{
	size_t wrong = 0, n, at;

	for (n = 1; n < 40; n++) {
		char *p = malloc(n);

		for (at = 0; at < n; at++) {
			memset(p, 'a', n);
			wrong += utf8_valid((struct slice){p, n}) != n;
			p[at] = '\xff';
			wrong += utf8_valid((struct slice){p, n}) != at;
			p[at] = '\xc3'; /* cut off, or followed by 'a' */
			wrong += utf8_valid((struct slice){p, n}) != at;
		}
		free(p);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(utf8_is_valid((struct slice){NULL, 0}));
}

static void
mixed_text_is_valid_in_every_position(void)
{
	static const char text[] = "ab\xc3\xa9"
	                           "cdefghij\xe2\x82\xac"
	                           "\xf0\x9f\x98\x80"
	                           "z\0y";
	size_t wrong = 0, ok;

	for (size_t n = 0; n < sizeof text - 1; n++) {
		ok = utf8_valid((struct slice){text, n});
		wrong += ok > n || n - ok > 3;
		wrong += ok < n && (text[ok] & 0xc0) != 0xc0;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(utf8_is_valid((struct slice){text, sizeof text - 1}));
}

static bool
repairs_to(struct slice s, struct slice good)
{
	struct buf b;
	bool is_same;

	buf_init(&b, 0);
	utf8_add_repaired(&b, s);
	is_same = slice_is(buf_slice(&b), good);
	buf_fini(&b);
	return is_same;
}

#define R "\xef\xbf\xbd"

static void
each_bad_sequence_becomes_one_replacement(void)
{
	CU_ASSERT(repairs_to(SLICE(""), SLICE("")));
	CU_ASSERT(repairs_to(SLICE("ol\xc3\xa9"), SLICE("ol\xc3\xa9")));
	CU_ASSERT(repairs_to(SLICE("a\xff"
	                           "b"),
	    SLICE("a" R "b")));
	CU_ASSERT(repairs_to(SLICE("a\xe2\x82"), SLICE("a" R)));
	CU_ASSERT(repairs_to(SLICE("\xe2\x82"
	                           "b"),
	    SLICE(R "b")));
	CU_ASSERT(repairs_to(SLICE("\xed\xa0\x80"), SLICE(R R R)));
	CU_ASSERT(repairs_to(SLICE("\xf0\x80\x80"), SLICE(R R R)));
	CU_ASSERT(repairs_to(SLICE("\xf0\x9f\x98"), SLICE(R)));
	CU_ASSERT(repairs_to(SLICE("\xc0\xaf\xf4\x90"), SLICE(R R R R)));
	CU_ASSERT(repairs_to(SLICE("\xf1\x80\x80\xe1\x80\xc2"), SLICE(R R R)));
}

static void
repaired_text_is_always_valid(void)
{
	uint32_t random = 1;
	size_t wrong = 0;
	struct buf b;
	char p[24];

	buf_init(&b, 0);
	for (int i = 0; i < 20000; i++) {
		for (size_t k = 0; k < sizeof p; k++) {
			random = random * 1664525 + 1013904223;
			p[k] = (char)((random >> 24 & 0x3f) |
			    (k % 3 ? 0x80 : 0xc0));
		}
		buf_clear(&b);
		utf8_add_repaired(&b, (struct slice){p, sizeof p});
		wrong += !utf8_is_valid(buf_slice(&b)) || b.n == 0;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	buf_fini(&b);
}

static void
control_characters_are_c0_del_and_c1(void)
{
	char text[6] = "a";
	size_t n, wrong = 0;
	bool is_control;

	for (uint32_t c = 0; c < 0x3000; c++) {
		n = 1 + utf8_put(text + 1, c);
		is_control = c < 0x20 || (c >= 0x7f && c < 0xa0);
		wrong += utf8_before_control((struct slice){text, n}) !=
		    (is_control ? 1 : n);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(utf8_before_control(SLICE("ab\xff")), 2);
	CU_ASSERT_EQUAL(utf8_before_control(SLICE("ab\xc2")), 2);
	CU_ASSERT_EQUAL(utf8_before_control((struct slice){NULL, 0}), 0);
}

static void
code_points_are_appended(void)
{
	struct buf b;

	buf_init(&b, 0);
	utf8_add(&b, 'a');
	utf8_add(&b, 0xe9);
	utf8_add(&b, 0x20ac);
	utf8_add(&b, 0x1f600);
	CU_ASSERT(slice_is(
	    buf_slice(&b), SLICE("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
	buf_fini(&b);
	buf_init(&b, 3);
	utf8_add(&b, 0x20ac);
	CU_ASSERT_EQUAL(b.rc, RC_OK);
	utf8_add(&b, 'a');
	CU_ASSERT_EQUAL(b.rc, RC_TOO_LARGE);
	buf_fini(&b);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_utf8[] = {T(every_code_point_is_valid_but_surrogates),
    T(three_bytes_are_valid_as_the_rfc_has_it),
    T(overlong_surrogate_and_far_sequences_are_invalid),
    T(first_bad_byte_is_found_wherever_it_is),
    T(mixed_text_is_valid_in_every_position),
    T(each_bad_sequence_becomes_one_replacement),
    T(repaired_text_is_always_valid), T(control_characters_are_c0_del_and_c1),
    T(code_points_are_appended), CU_TEST_INFO_NULL};
