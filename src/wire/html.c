#include "wire/html.h"

#include "wire/http.h"

#include <time.h>

#define YEAR_10000_MS INT64_C(253402300800000)

static const char style[] =
    ":root{color-scheme:light dark;--back:#fbfaf7;--ink:#24272c;--dim:#62676f;"
    "--line:#e0ddd5;--mark:#24598a}\n"
    "@media (prefers-color-scheme:dark){:root{--back:#17191c;--ink:#e4e4e2;"
    "--dim:#9da2aa;--line:#30343a;--mark:#93bfe6}}\n"
    "body{margin:0 auto;max-width:44rem;padding:1rem;background:var(--back);"
    "color:var(--ink);font:1rem/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.4rem;font-weight:600;overflow-wrap:anywhere}\n"
    "h2{font-size:1.1rem;font-weight:600;margin:2rem 0 0}\n"
    "a{color:var(--mark)}\n"
    "ol{list-style:none;margin:0;padding:0}\n"
    "li{border-top:1px solid var(--line);padding:.6rem 0}\n"
    "li p,li div{margin:0;overflow-wrap:anywhere}\n"
    "li p,.note,small{color:var(--dim);font-size:.875rem}\n"
    "li div{white-space:pre-wrap}\n"
    "time{font-variant-numeric:tabular-nums}\n"
    "li strong{color:var(--mark);font-weight:600}\n"
    "li:target{border-left:3px solid var(--mark);padding-left:.6rem}\n"
    ".gap{border-left:3px solid var(--mark);padding-left:.6rem}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th,td{border-top:1px solid var(--line);padding:.4rem 0;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}\n"
    "th{font-weight:400;padding-right:1rem}\n"
    "td{font-variant-numeric:tabular-nums;text-align:right}\n"
    "small{display:block}\n";

void
html_begin(struct buf *b, struct slice title, uint32_t refresh_s)
{
	buf_add_text(b,
	    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\""
	    " content=\"width=device-width, initial-scale=1\">\n");
	if (refresh_s > 0) {
		buf_add_text(b, "<meta http-equiv=\"refresh\" content=\"");
		buf_add_uint(b, refresh_s);
		buf_add_text(b, "\">\n");
	}
	buf_add_text(b, "<title>");
	http_add_html(b, title);
	buf_add_text(b, "</title>\n<style>\n");
	buf_add(b, style, sizeof style - 1);
	buf_add_text(b, "</style>\n</head>\n<body>\n<main>\n<h1>");
	http_add_html(b, title);
	buf_add_text(b, "</h1>\n");
}

void
html_end(struct buf *b)
{
	buf_add_text(b, "</main>\n</body>\n</html>\n");
}

/* A page that reloads itself shows its end: a browser would go back to the top,
   and doesn't reload a page that it was sent into by an anchor. */
static const char newest_in_sight[] =
    "<style>html{height:100%;overflow:hidden}body{height:100%;"
    "box-sizing:border-box;display:flex;flex-direction:column-reverse;"
    "overflow-y:auto}main{margin-bottom:auto}</style>\n";

void
html_poll_begin(struct buf *b, struct html_poll *p, struct slice title,
    uint32_t refresh_s, bool is_gap)
{
	*p = (struct html_poll){.is_empty = true, .refresh_s = refresh_s};
	html_begin(b, title, refresh_s);
	if (refresh_s > 0)
		buf_add_text(b, newest_in_sight);
	if (is_gap)
		buf_add_text(b,
		    "<p class=\"note gap\">Some messages before these are no"
		    " longer kept.</p>\n");
}

/* <time> with the whole instant for programs, the minute for people. */
static void
add_time(struct buf *b, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm t;

	if (ms < 0 || ms >= YEAR_10000_MS || gmtime_r(&seconds, &t) == NULL)
		return;
	buf_printf(b,
	    "<time datetime=\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\""
	    " title=\"%04d-%02d-%02d %02d:%02d:%02d UTC\">%02d:%02d</time> ",
	    t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min,
	    t.tm_sec, (int)(ms % 1000), t.tm_year + 1900, t.tm_mon + 1,
	    t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, t.tm_hour, t.tm_min);
}

void
html_poll_message(struct buf *b, struct html_poll *p, const struct message *m)
{
	if (p->is_empty)
		/* the role: Safari drops it from lists without markers */
		buf_add_text(b, "<ol role=\"list\">\n");
	p->is_empty = false;
	buf_add_text(b, "<li id=\"m");
	buf_add_uint(b, m->seq);
	buf_add_text(b, "\">\n<p>");
	add_time(b, m->time_ms);
	buf_add_text(b, "<span>");
	http_add_html(b, m->channel);
	buf_add_text(b, "</span>");
	if (m->event.n != 0) {
		buf_add_text(b, " <strong>");
		http_add_html(b, m->event);
		buf_add_text(b, "</strong>");
	}
	/* the data's language and direction are not the page's */
	buf_add_text(b, "</p>\n<div lang=\"\" dir=\"auto\">");
	http_add_html(b, m->data);
	buf_add_text(b, "</div>\n</li>\n");
}

void
html_poll_end(struct buf *b, struct html_poll *p, struct slice newer)
{
	if (!p->is_empty)
		buf_add_text(b, "</ol>\n");
	buf_add_text(b, "<p id=\"newest\" class=\"note\">");
	buf_add_text(b, p->is_empty ? "No messages yet." : "Times are UTC.");
	if (p->refresh_s > 0) {
		buf_add_text(b, " This page loads itself again every ");
		buf_add_uint(b, p->refresh_s);
		buf_add_text(b, p->refresh_s == 1 ? " second." : " seconds.");
	}
	if (newer.p != NULL) {
		buf_add_text(b, " <a rel=\"next\" href=\"");
		http_add_html(b, newer);
		buf_add_text(b, "\">Newer messages</a>");
	}
	buf_add_text(b, "</p>\n");
	html_end(b);
}
