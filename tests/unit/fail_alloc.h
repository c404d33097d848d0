/*
 * Makes allocations fail, so that every exit for want of memory is tried.  The
 * test program is linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc.
 */
#ifndef COMETLOG_UNIT_FAIL_ALLOC_H
#define COMETLOG_UNIT_FAIL_ALLOC_H

#include <stdbool.h>

/* The allocation after the next `after` ones fails, once. */
void fail_alloc_after(unsigned after);

/* Ends that; true if an allocation has failed. */
bool fail_alloc_end(void);

#endif
