#include "fake_clock.h"

#include <stdatomic.h>

/* The names that the linker gives to the wrapped and the real function. */
uint64_t __wrap_clock_mono_ms(void);
uint64_t __real_clock_mono_ms(void);

static _Atomic uint64_t set_ms;

void
fake_clock_set(uint64_t ms)
{
	atomic_store(&set_ms, ms);
}

uint64_t
__wrap_clock_mono_ms(void)
{
	uint64_t ms = atomic_load(&set_ms);

	return ms != 0 ? ms : __real_clock_mono_ms();
}
