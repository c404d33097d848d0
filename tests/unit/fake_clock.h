/*
 * Sets the clock that only goes forward, for tests of what time does.  The
 * test program is linked with -Wl,--wrap=clock_mono_ms.
 */
#ifndef COMETLOG_UNIT_FAKE_CLOCK_H
#define COMETLOG_UNIT_FAKE_CLOCK_H

#include <stdint.h>

/* From now on clock_mono_ms() says this; 0: the truth again. */
void fake_clock_set(uint64_t ms);

#endif
