/*
 * The page of GET B/status for people, in the look of wire/html.h.  Pure.
 */
#ifndef COMETLOG_WIRE_STATUSPAGE_H
#define COMETLOG_WIRE_STATUSPAGE_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

/* One fact; all are text.  explanation may be empty. */
struct status_row {
	struct slice group, name, value, explanation;
};

/* Appends the whole page: a table for each run of rows with the same group, in
   the order given.  refresh_s as for html_begin. */
void statuspage_add(struct buf *b, struct slice title,
    const struct status_row *row, size_t n, uint32_t refresh_s);

#endif
