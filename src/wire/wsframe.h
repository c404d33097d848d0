/*
 * WebSocket frames going out (RFC 6455, section 5): unmasked, never
 * fragmented.  Pure.
 */
#ifndef COMETLOG_WIRE_WSFRAME_H
#define COMETLOG_WIRE_WSFRAME_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

/* Status codes (section 7.4.1). */
enum ws_status {
	WS_NORMAL = 1000,
	WS_GOING_AWAY = 1001,
	WS_PROTOCOL_ERROR = 1002,
	WS_UNSUPPORTED = 1003,
	WS_BAD_PAYLOAD = 1007,
	WS_POLICY = 1008,
	WS_TOO_BIG = 1009,
	WS_INTERNAL_ERROR = 1011,
	WS_TRY_AGAIN = 1013,
};

#define WSFRAME_HEAD_MAX_BYTES 10

/* Writes the header of a frame with FIN and returns its length (2, 4, 10).
   is_deflated sets RSV1 (RFC 7692, section 6). */
size_t wsframe_put_head(char to[WSFRAME_HEAD_MAX_BYTES], enum ws_opcode opcode,
    bool is_deflated, uint64_t payload_bytes);

/* Appends a whole frame. */
void wsframe_add(struct buf *b, enum ws_opcode opcode, struct slice payload);

/* Appends a Close frame; reason: UTF-8, cut at a character's end to 123 bytes.
   status 0: a Close without a body. */
void wsframe_add_close(struct buf *b, uint16_t status, struct slice reason);

#endif
