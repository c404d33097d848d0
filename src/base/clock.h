/* Clocks, randomness, and which boot it is.  Never blocks, and only the last
   may fail.  Used by all but wire. */
#ifndef COMETLOG_BASE_CLOCK_H
#define COMETLOG_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds of a clock that only goes forward; its zero means nothing. */
uint64_t clock_mono_ms(void);

/* Milliseconds since 1970, as the system clock has it. */
int64_t clock_unix_ms(void);

/* An unpredictable number (getrandom). */
uint64_t clock_random(void);

/* A name that the kernel draws at each boot (random(4), boot_id).  False, and
   zeros, where it isn't told. */
#define CLOCK_BOOT_BYTES 36
bool clock_boot(char boot[CLOCK_BOOT_BYTES]);

/* A delay between 3/4 and 5/4 of ms, so that clients don't act in step. */
uint32_t clock_jitter_ms(uint32_t ms);

#endif
