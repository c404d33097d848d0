/*
 * Pages for people, made here and whole without script: one calm look (light
 * and dark, readable on a phone), and in it the messages of a poll
 * (format=html) for browsers without JavaScript.  wire/statuspage.c makes its
 * page from the same parts.  Pure and deterministic.
 */
#ifndef COMETLOG_WIRE_HTML_H
#define COMETLOG_WIRE_HTML_H

#include "base/buf.h"
#include "base/message.h"
#include "base/slice.h"

#include <stdint.h>

#define HTML_CONTENT_TYPE "text/html; charset=utf-8"

/* Header lines that fit these pages (extra of http_add_head): nothing is
   loaded, run or sent, and the style stands in the page. */
#define HTML_HEADERS \
	"Content-Security-Policy: default-src 'none';" \
	" style-src 'unsafe-inline'\r\n" \
	"X-Content-Type-Options: nosniff\r\n"

/* The head, the heading and the opened main part.  title is text.  refresh_s:
   after how many seconds the browser loads the page again; 0: never. */
void html_begin(struct buf *b, struct slice title, uint32_t refresh_s);

/* Closes what html_begin opened. */
void html_end(struct buf *b);

/* A page of messages in three steps: begin, then html_poll_message for each,
   oldest first, end. */
struct html_poll {
	bool is_empty;      /* internal */
	uint32_t refresh_s; /* internal */
};

/* title: what is read, such as the channel.  is_gap: says that older messages
   are gone. */
void html_poll_begin(struct buf *b, struct html_poll *p, struct slice title,
    uint32_t refresh_s, bool is_gap);

/* A list item with id "m<seq>": the time (UTC, HH:MM; none outside the years
   1970 to 9999), channel, event if any, and data as text with its lines. */
void html_poll_message(
    struct buf *b, struct html_poll *p, const struct message *m);

/* Ends at the anchor "newest".  newer: the link to the messages after these, as
   text; p == NULL: these are all. */
void html_poll_end(struct buf *b, struct html_poll *p, struct slice newer);

#endif
