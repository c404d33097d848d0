#include "base/quantity.h"

#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit sizes[] = {{"G", 1u << 30}, {"GiB", 1u << 30},
    {"M", 1u << 20}, {"MiB", 1u << 20}, {"K", 1u << 10}, {"KiB", 1u << 10},
    {"B", 1}, {NULL, 0}};

static const struct unit times[] = {{"ms", 1}, {"s", 1000}, {"m", 60000},
    {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

/* How many leading bytes of s are digits of the base; their value: *v. */
static size_t
digits(struct slice s, unsigned base, uint64_t *v)
{
	unsigned digit;
	size_t i;

	*v = 0;
	for (i = 0; i < s.n; i++) {
		digit = (unsigned)(unsigned char)s.p[i] - '0';
		if (digit >= base)
			break;
		if (*v > (UINT64_MAX - digit) / base)
			return 0;
		*v = *v * base + digit;
	}
	return i;
}

bool
quantity_uint(struct slice s, uint64_t *v)
{
	return s.n > 0 && digits(s, 10, v) == s.n;
}

bool
quantity_octal(struct slice s, uint64_t *v)
{
	return s.n > 0 && s.n <= 7 && digits(s, 8, v) == s.n;
}

/* A number and one of the units; without a unit, bare each. */
static bool
with_unit(struct slice s, const struct unit *unit, uint64_t bare, uint64_t *v)
{
	uint64_t factor = 0;
	size_t n = digits(s, 10, v);
	struct slice name;

	if (n == 0)
		return false;
	name = slice_after(s, n);
	if (name.n == 0)
		factor = bare;
	else
		for (; unit->name != NULL; unit++)
			if (strlen(unit->name) == name.n &&
			    strncasecmp(unit->name, name.p, name.n) == 0)
				factor = unit->factor;
	if (factor == 0 || *v > UINT64_MAX / factor)
		return false;
	*v *= factor;
	return true;
}

bool
quantity_bytes(struct slice s, uint64_t *v)
{
	return with_unit(s, sizes, 1, v);
}

bool
quantity_ms(struct slice s, uint64_t bare_ms, uint64_t *ms)
{
	return with_unit(s, times, bare_ms, ms);
}

void
quantity_add_bytes(struct buf *b, uint64_t bytes)
{
	const struct unit *unit = sizes;

	while (bytes == 0 || bytes % unit->factor != 0) {
		if (unit->factor == 1)
			break;
		unit++;
	}
	buf_add_uint(b, bytes / unit->factor);
	if (unit->factor > 1)
		buf_add_char(b, unit->name[0]);
}
