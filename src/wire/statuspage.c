#include "wire/statuspage.h"

#include "wire/html.h"
#include "wire/http.h"

static void
add_row(struct buf *b, const struct status_row *row)
{
	buf_add_text(b, "<tr><th scope=\"row\">");
	http_add_html(b, row->name);
	if (row->explanation.n != 0) {
		buf_add_text(b, "<small>");
		http_add_html(b, row->explanation);
		buf_add_text(b, "</small>");
	}
	buf_add_text(b, "</th><td>");
	http_add_html(b, row->value);
	buf_add_text(b, "</td></tr>\n");
}

void
statuspage_add(struct buf *b, struct slice title, const struct status_row *row,
    size_t n, uint32_t refresh_s)
{
	html_begin(b, title, refresh_s);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || !slice_is(row[i].group, row[i - 1].group)) {
			buf_add_text(b, i == 0 ? "" : "</table>\n");
			buf_add_text(b, "<h2>");
			http_add_html(b, row[i].group);
			buf_add_text(b, "</h2>\n<table>\n");
		}
		add_row(b, &row[i]);
	}
	buf_add_text(b, n == 0 ? "" : "</table>\n");
	html_end(b);
}
