/*
 * From a row of the table to a message.  Foreign writers may have put anything
 * there: it is repaired or left out, so that nobody behind has to doubt it.
 * Inside log/ only.
 */
#ifndef COMETLOG_LOG_ROW_H
#define COMETLOG_LOG_ROW_H

#include "base/buf.h"
#include "base/message.h"

#include <sqlite3.h>

/*
 * Fills *m from the row st stands on (columns ROW_...), but for its channel,
 * which the caller sets.  Borrowed until st moves or repaired changes: that is
 * the caller's memory for data that isn't valid UTF-8.  event and id with
 * control characters or over 255 bytes are taken as not given; JSON with raw
 * line ends is a string.
 * RC_NOMEM.
 */
enum rc row_message(sqlite3_stmt *st, struct buf *repaired, struct message *m,
    struct err *e) MUST_CHECK;

#endif
