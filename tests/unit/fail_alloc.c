#include "fail_alloc.h"

#include <stddef.h>

/* The names that the linker gives to the wrapped and the real functions. */
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t item_bytes);
void *__wrap_realloc(void *p, size_t n);
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t item_bytes);
void *__real_realloc(void *p, size_t n);

static bool is_armed, has_failed;
static unsigned left;

void
fail_alloc_after(unsigned after)
{
	is_armed = true;
	has_failed = false;
	left = after;
}

bool
fail_alloc_end(void)
{
	is_armed = false;
	return has_failed;
}

static bool
is_failing(void)
{
	if (!is_armed || left-- > 0)
		return false;
	is_armed = false;
	has_failed = true;
	return true;
}

void *
__wrap_malloc(size_t n)
{
	return is_failing() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t item_bytes)
{
	return is_failing() ? NULL : __real_calloc(n, item_bytes);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return is_failing() ? NULL : __real_realloc(p, n);
}
