#include "wire/wsframe.h"

#include "base/utf8.h"

#define FIN 0x80u
#define RSV1 0x40u
#define SHORT_MAX_BYTES 125 /* what 7 bits tell; also of a control frame */
#define REASON_MAX_BYTES (SHORT_MAX_BYTES - 2)

static void
put_length(char *to, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (char)(v >> 8 * (bytes - 1 - i) & 0xff);
}

size_t
wsframe_put_head(char to[WSFRAME_HEAD_MAX_BYTES], enum ws_opcode opcode,
    bool is_deflated, uint64_t payload_bytes)
{
	to[0] = (char)(FIN | (is_deflated ? RSV1 : 0) | (unsigned)opcode);
	if (payload_bytes <= SHORT_MAX_BYTES) {
		to[1] = (char)payload_bytes;
		return 2;
	}
	if (payload_bytes <= UINT16_MAX) {
		to[1] = 126;
		put_length(to + 2, payload_bytes, 2);
		return 4;
	}
	to[1] = 127;
	put_length(to + 2, payload_bytes, 8);
	return 10;
}

void
wsframe_add(struct buf *b, enum ws_opcode opcode, struct slice payload)
{
	char head[WSFRAME_HEAD_MAX_BYTES];
	size_t n = wsframe_put_head(head, opcode, false, payload.n);
	char *to = buf_room(b, n + payload.n);

	if (to == NULL)
		return;
	memcpy(to, head, n);
	if (payload.n > 0)
		memcpy(to + n, payload.p, payload.n);
	b->n += n + payload.n;
}

void
wsframe_add_close(struct buf *b, uint16_t status, struct slice reason)
{
	char body[SHORT_MAX_BYTES];
	struct slice payload = {body, 0};

	if (status != 0) {
		put_length(body, status, 2);
		if (reason.n > REASON_MAX_BYTES)
			reason.n = REASON_MAX_BYTES;
		reason.n = utf8_valid(reason);
		if (reason.n > 0)
			memcpy(body + 2, reason.p, reason.n);
		payload.n = 2 + reason.n;
	}
	wsframe_add(b, WS_CLOSE, payload);
}
