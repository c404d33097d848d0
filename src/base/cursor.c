#include "base/cursor.h"

#define SEQ_MAX_DIGITS 19
#define EPOCH_DIGITS 8

static enum rc
bad_cursor(struct err *e)
{
	return err_set(e, RC_BAD,
	    "the cursor is neither an integer of at most %d digits nor one"
	    " followed by '.' and %d hex digits",
	    SEQ_MAX_DIGITS, EPOCH_DIGITS);
}

static bool
parse_epoch(struct slice s, uint32_t *epoch)
{
	uint32_t v = 0, digit;

	if (s.n != EPOCH_DIGITS)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (uint32_t)(c | 0x20) - 'a' + 10;
		else
			return false;
		v = v << 4 | digit;
	}
	*epoch = v;
	return true;
}

enum rc
cursor_parse(struct slice s, struct cursor *c, struct err *e)
{
	struct cursor got = {0};
	size_t i = 0;

	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9') {
		if (i == SEQ_MAX_DIGITS)
			return bad_cursor(e);
		got.seq = got.seq * 10 + (uint64_t)(s.p[i++] - '0');
	}
	if (i == 0)
		return bad_cursor(e);
	if (got.seq > INT64_MAX)
		return err_set(e, RC_BAD, "the cursor's seq is over %lld",
		    (long long)INT64_MAX);
	if (i < s.n) {
		got.has_epoch = true;
		if (s.p[i] != '.' ||
		    !parse_epoch(slice_after(s, i + 1), &got.epoch))
			return bad_cursor(e);
	}
	*c = got;
	return RC_OK;
}

size_t
cursor_format(char text[CURSOR_MAX_BYTES], uint64_t seq, uint32_t epoch)
{
	char digits[20];
	size_t i = sizeof digits, n;

	do {
		digits[--i] = (char)('0' + seq % 10);
		seq /= 10;
	} while (seq != 0);
	n = sizeof digits - i;
	memcpy(text, digits + i, n);
	text[n++] = '.';
	for (int shift = 28; shift >= 0; shift -= 4)
		text[n++] = "0123456789abcdef"[epoch >> shift & 0xf];
	text[n] = 0;
	return n;
}

void
cursor_add(struct buf *b, uint64_t seq, uint32_t epoch)
{
	char text[CURSOR_MAX_BYTES];

	buf_add(b, text, cursor_format(text, seq, epoch));
}
