/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, no more than
   U+10FFFF. */
#ifndef COMETLOG_BASE_UTF8_H
#define COMETLOG_BASE_UTF8_H

#include "base/buf.h"
#include "base/slice.h"

/* The number of leading bytes that are whole, valid characters (s.n if all).
   Fast on ASCII: eight bytes a step. */
size_t utf8_valid(struct slice s);

/* True if all of s is valid UTF-8. */
bool utf8_is_valid(struct slice s);

/* The number of leading bytes of valid UTF-8 before the first control character
   (C0, DEL, C1); s.n if there is none. */
size_t utf8_before_control(struct slice s);

/* Appends s with each invalid byte sequence as U+FFFD.  For what foreign
   writers put into the log. */
void utf8_add_repaired(struct buf *b, struct slice s);

/* Writes code point c (<= 0x10ffff, no surrogate) and returns its length. */
size_t utf8_put(char to[4], uint32_t c);

/* Appends code point c (<= 0x10ffff, no surrogate). */
void utf8_add(struct buf *b, uint32_t c);

#endif
