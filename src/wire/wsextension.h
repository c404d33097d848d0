/*
 * Extensions in the opening handshake of a WebSocket (RFC 6455, section 9.1):
 * of what a client offers only permessage-deflate (RFC 7692) can be agreed on.
 * A part of wsopen, whose contract tells which offer is taken.  Pure.
 */
#ifndef COMETLOG_WIRE_WSEXTENSION_H
#define COMETLOG_WIRE_WSEXTENSION_H

#include "wire/wsopen.h"

/* Reads the value of a Sec-WebSocket-Extensions, changing it in place.  What is
   agreed on goes into o, unless an earlier field's offer was.  can_deflate
   false: nothing is.  False: malformed. */
bool wsextension_read(struct wsopen *o, struct slice list, bool can_deflate);

/* Appends the answer's Sec-WebSocket-Extensions, with "\r\n", or nothing. */
void wsextension_add_agreed(struct buf *b, const struct wsopen *o);

#endif
