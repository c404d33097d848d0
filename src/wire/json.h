/*
 * JSON texts (RFC 8259), strictly: cJSON accepts numbers like 01, raw control
 * characters and lone surrogates, and loses digits of large numbers, none of
 * which a program that passes published JSON on untouched can afford.  One
 * pass, no recursion, no tree.  Pure.
 */
#ifndef COMETLOG_WIRE_JSON_H
#define COMETLOG_WIRE_JSON_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define JSON_MAX_DEPTH 512

/*
 * Checks that text is exactly one JSON value (with white space around it) in
 * valid UTF-8, nested at most JSON_MAX_DEPTH deep, with no escaped lone
 * surrogate, and squeezes the white space between tokens out, in place: *n
 * becomes the new length.  RC_BAD names the byte offset and what was expected
 * there; text may then be half squeezed.
 */
enum rc json_compact(char *text, size_t *n, struct err *e) MUST_CHECK;

/* Iterates over the members of a compact object (checked by json_compact). */
struct json_members {
	struct slice rest; /* the caller's: json_members_of(text) */
};
struct json_members json_members_of(struct slice compact_object);

/* The next member: its name as a JSON string (with quotes, escapes untouched)
   and its value as JSON text.  False at the end. */
bool json_next_member(
    struct json_members *m, struct slice *name, struct slice *value);

/* Likewise the elements of a compact array. */
bool json_next_element(struct json_members *m, struct slice *value);
struct json_members json_elements_of(struct slice compact_array);

/* Appends the text of a checked JSON string (given with its quotes): escapes
   resolved. */
void json_add_unescaped(struct buf *b, struct slice string);

/* The same in place: the text begins behind the opening quote and is never
   longer than the string. */
struct slice json_unescape(char *string, size_t n);

/* Appends s, valid UTF-8, as a JSON string with quotes.  Escapes control
   characters, '"', '\\', DEL, U+2028 and U+2029 (line ends to JavaScript), and
   with for_script also '<', '>' and '&' as \u003c..., so that it may stand in a
   <script>. */
void json_add_string(struct buf *b, struct slice s, bool for_script);

/* Appends compact JSON text; with for_script, '<' '>' '&' inside its strings as
   \u003c and so on (they occur nowhere else), and always U+2028 and U+2029 as
   escapes. */
void json_add_text(struct buf *b, struct slice compact, bool for_script);

#endif
