#include "base/utf8.h"

/*
 * The length of the character at p, of which n > 0 bytes are there; 0 if it is
 * not a valid one.  *bad_n: how many bytes an invalid one spoils (the maximal
 * subpart of Unicode 3.9, table 3-8), so that repairing agrees with browsers.
 */
static size_t
char_len(const unsigned char *p, size_t n, size_t *bad_n)
{
	unsigned char least = 0x80, most = 0xbf;
	size_t want, i;

	*bad_n = 1;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	want = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		least = 0xa0; /* overlong */
	else if (p[0] == 0xed)
		most = 0x9f; /* surrogates */
	else if (p[0] == 0xf0)
		least = 0x90; /* overlong */
	else if (p[0] == 0xf4)
		most = 0x8f; /* above U+10FFFF */
	for (i = 1; i < want; i++) {
		if (i == n || p[i] < least || p[i] > most)
			return 0;
		*bad_n = i + 1;
		least = 0x80;
		most = 0xbf;
	}
	return want;
}

size_t
utf8_valid(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0, len, bad_n;
	uint64_t word;

	while (i < s.n) {
		if (s.n - i >= sizeof word) {
			memcpy(&word, p + i, sizeof word);
			if ((word & 0x8080808080808080u) == 0) {
				i += sizeof word;
				continue;
			}
		}
		/* a run of other characters, or the tail */
		do {
			len = char_len(p + i, s.n - i, &bad_n);
			if (len == 0)
				return i;
			i += len;
		} while (i < s.n && p[i] >= 0x80);
	}
	return i;
}

bool
utf8_is_valid(struct slice s)
{
	return utf8_valid(s) == s.n;
}

size_t
utf8_before_control(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0, len, bad_n;

	while (i < s.n) {
		if (p[i] >= 0x20 && p[i] < 0x7f) {
			i++;
			continue;
		}
		len = char_len(p + i, s.n - i, &bad_n);
		if (len < 2 || (p[i] == 0xc2 && p[i + 1] < 0xa0))
			return i;
		i += len;
	}
	return i;
}

void
utf8_add_repaired(struct buf *b, struct slice s)
{
	size_t ok, bad_n;

	for (;;) {
		ok = utf8_valid(s);
		buf_add(b, s.p, ok);
		if (ok == s.n)
			return;
		s = slice_after(s, ok);
		(void)char_len((const unsigned char *)s.p, s.n, &bad_n);
		buf_add(b, "\xef\xbf\xbd", 3);
		s = slice_after(s, bad_n);
	}
}

size_t
utf8_put(char to[4], uint32_t c)
{
	size_t n = 0;

	if (c < 0x80) {
		to[n++] = (char)c;
		return n;
	}
	if (c < 0x800) {
		to[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		to[n++] = (char)(0xe0 | c >> 12);
		to[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		to[n++] = (char)(0xf0 | c >> 18);
		to[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		to[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	to[n++] = (char)(0x80 | (c & 0x3f));
	return n;
}

void
utf8_add(struct buf *b, uint32_t c)
{
	char bytes[4];

	buf_add(b, bytes, utf8_put(bytes, c));
}
