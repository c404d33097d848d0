#include "wire/deflate.h"

#include <stdlib.h>

/* zlib's own type for bytes is const only where this is set. */
#define ZLIB_CONST
#include <zlib.h>

/*
 * A JSON message of 1 KiB, on the machine of HACKING: level 1 leaves 372 bytes
 * in 6.2 us, level 3 365 in 6.2 us, level 6 351 in 7.7 us, level 9 351 in
 * 7.9 us.  It is done once for all readers, so the shortest wins.
 */
#define LEVEL 6

/* deflateReset clears a hash of 2^(this + 8) bytes: 0.2 us with 5, 0.7 us with
   zlib's usual 8, and the 1 KiB above comes out the same. */
#define MEMORY_LEVEL 5

/*
 * zlib has no window of 8 bits, but that of 9 does: it refers back by the
 * window's size less 262 bytes at most (its MIN_LOOKAHEAD), here by 250.  The
 * unit tests read such messages with 256 bytes.
 */
#define ZLIB_WINDOW_BITS_MIN 9

#define WINDOW_MAX_BYTES ((size_t)1 << DEFLATE_WINDOW_BITS)
#define STEP_MAX_BYTES ((size_t)64 * 1024)

/* Every message would end with it, so it isn't sent (RFC 7692, 7.2.1). */
#define TAIL SLICE("\0\0\xff\xff")

struct deflater {
	z_stream z;
};

struct inflater {
	z_stream z;
	bool has_ended; /* a last block was read, and nothing behind it */
};

enum rc
deflater_new(struct deflater **out, uint8_t window_bits, struct err *e)
{
	struct deflater *d = calloc(1, sizeof *d);
	int bits = window_bits < ZLIB_WINDOW_BITS_MIN ? ZLIB_WINDOW_BITS_MIN
	                                              : window_bits;

	*out = NULL;
	if (d == NULL ||
	    deflateInit2(&d->z, LEVEL, Z_DEFLATED, -bits, MEMORY_LEVEL,
	        Z_DEFAULT_STRATEGY) != Z_OK) {
		free(d);
		return err_set(e, RC_NOMEM, "no memory to compress");
	}
	*out = d;
	return RC_OK;
}

void
deflater_free(struct deflater *d)
{
	if (d == NULL)
		return;
	deflateEnd(&d->z);
	free(d);
}

void
deflater_add(struct deflater *d, struct buf *b, struct slice text)
{
	size_t step;
	char *to;

	deflateReset(&d->z);
	d->z.next_in = (const Bytef *)text.p;
	d->z.avail_in = (uInt)text.n;
	do {
		/* the room doesn't depend on b, so neither do the bytes */
		step = deflateBound(&d->z, d->z.avail_in) + TAIL.n + 6;
		if (step > STEP_MAX_BYTES)
			step = STEP_MAX_BYTES;
		to = buf_room(b, step);
		if (to == NULL)
			return;
		d->z.next_out = (Bytef *)to;
		d->z.avail_out = (uInt)step;
		deflate(&d->z, Z_SYNC_FLUSH);
		b->n += step - d->z.avail_out;
	} while (d->z.avail_out == 0);
	b->n -= TAIL.n;
}

enum rc
inflater_new(struct inflater **out, struct err *e)
{
	struct inflater *f = calloc(1, sizeof *f);

	*out = NULL;
	if (f == NULL || inflateInit2(&f->z, -DEFLATE_WINDOW_BITS) != Z_OK) {
		free(f);
		return err_set(e, RC_NOMEM, "no memory to decompress");
	}
	*out = f;
	return RC_OK;
}

void
inflater_free(struct inflater *f)
{
	if (f == NULL)
		return;
	inflateEnd(&f->z);
	free(f);
}

/* One step of inflate() into b: zlib's result, or Z_MEM_ERROR when b has no
   memory, Z_BUF_ERROR with z.avail_out == 0 when b's bound keeps it back. */
static int
inflate_step(struct inflater *f, struct buf *b)
{
	size_t left =
	    b->limit_bytes == 0 ? STEP_MAX_BYTES : b->limit_bytes - b->n;
	size_t step = (size_t)f->z.avail_in * 4 + 64;
	char spare, *to = &spare;
	int result;

	if (step > STEP_MAX_BYTES)
		step = STEP_MAX_BYTES;
	if (step > left)
		step = left;
	if (step > 0)
		to = buf_room(b, step);
	if (to == NULL)
		return Z_MEM_ERROR;
	f->z.next_out = (Bytef *)to;
	/* at the bound a byte more is asked for, to see if there is one */
	f->z.avail_out = step > 0 ? (uInt)step : 1;
	result = inflate(&f->z, Z_SYNC_FLUSH);
	if (step > 0)
		b->n += step - f->z.avail_out;
	else if (f->z.avail_out == 0)
		return Z_BUF_ERROR;
	return result;
}

/* Blocks may follow the last one, and go on from what stood before it
   (RFC 7692, 7.2.3.4).  start: where this message begins in b. */
static int
inflate_restart(struct inflater *f, const struct buf *b, size_t start)
{
	size_t n = b->n - start;

	if (n > WINDOW_MAX_BYTES)
		n = WINDOW_MAX_BYTES;
	inflateReset(&f->z);
	if (n == 0)
		return Z_OK;
	return inflateSetDictionary(
	    &f->z, (const Bytef *)b->p + b->n - n, (uInt)n);
}

static enum rc
inflate_piece(
    struct inflater *f, struct buf *b, size_t start, struct slice piece)
{
	int result;

	f->z.next_in = (const Bytef *)piece.p;
	f->z.avail_in = (uInt)piece.n;
	do {
		result = Z_OK;
		if (f->has_ended)
			result = inflate_restart(f, b, start);
		if (result == Z_OK)
			result = inflate_step(f, b);
		if (result == Z_BUF_ERROR && f->z.avail_out == 0)
			return RC_TOO_LARGE;
		if (result == Z_MEM_ERROR)
			return RC_NOMEM;
		f->has_ended = result == Z_STREAM_END;
		if (f->has_ended ? f->z.avail_in == 0 : f->z.avail_out > 0)
			break;
	} while (result == Z_OK || result == Z_STREAM_END);
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		return RC_BAD;
	return RC_OK;
}

/* True when the last byte read ended a block, so that nothing is missing. */
static bool
is_at_block_end(const struct inflater *f)
{
	return f->has_ended || (f->z.data_type & 0xff) == 128;
}

enum rc
inflater_add(
    struct inflater *f, struct buf *b, struct slice payload, struct err *e)
{
	size_t start = b->n;
	enum rc rc;

	if (b->rc != RC_OK)
		return err_set(e, b->rc, "%s", rc_text(b->rc));
	inflateReset(&f->z);
	f->has_ended = false;
	rc = payload.n > UINT32_MAX ? RC_TOO_LARGE
	                            : inflate_piece(f, b, start, payload);
	if (rc == RC_OK && !f->has_ended)
		rc = inflate_piece(f, b, start, TAIL);
	if (rc == RC_OK && !is_at_block_end(f))
		rc = RC_BAD;
	if (rc == RC_OK)
		return RC_OK;
	b->n = start;
	if (rc == RC_TOO_LARGE)
		return err_set(
		    e, rc, "over %zu bytes when decompressed", b->limit_bytes);
	return err_set(e, rc,
	    rc == RC_NOMEM ? "no memory to decompress"
	                   : "not a deflated message");
}
