/* The pages for people. */
#include "base/buf.h"
#include "tests.h"
#include "wire/html.h"
#include "wire/statuspage.h"

static bool
holds(const struct buf *b, const char *part)
{
	return b->n > 0 && memmem(b->p, b->n, part, strlen(part)) != NULL;
}

static bool
ends(const struct buf *b, const char *tail)
{
	size_t n = strlen(tail);

	return b->n >= n && memcmp(b->p + b->n - n, tail, n) == 0;
}

static struct message
a_message(uint64_t seq, struct slice data)
{
	return (struct message){.seq = seq,
	    .time_ms = 1795324528684,
	    .channel = SLICE("chat/room1"),
	    .data = data};
}

static void
add_page(struct buf *b, uint32_t refresh_s, const struct message *m, size_t n)
{
	struct html_poll p;

	html_poll_begin(b, &p, SLICE("chat/**"), refresh_s, false);
	for (size_t i = 0; i < n; i++)
		html_poll_message(b, &p, &m[i]);
	html_poll_end(b, &p, (struct slice){NULL, 0});
}

static void
page_is_english_readable_on_a_phone_and_without_script(void)
{
	struct message m = a_message(1, SLICE("x"));
	struct buf b;

	buf_init(&b, 0);
	add_page(&b, 0, &m, 1);
	CU_ASSERT(slice_starts(
	    buf_slice(&b), SLICE("<!DOCTYPE html>\n<html lang=\"en\">\n")));
	CU_ASSERT(holds(&b, "<meta charset=\"utf-8\">"));
	CU_ASSERT(holds(&b, "<meta name=\"viewport\""));
	CU_ASSERT(holds(&b, "<title>chat/**</title>"));
	CU_ASSERT(holds(&b, "prefers-color-scheme:dark"));
	CU_ASSERT(!holds(&b, "<script"));
	CU_ASSERT(!holds(&b, "http-equiv"));
	CU_ASSERT(ends(&b, "</main>\n</body>\n</html>\n"));
	buf_fini(&b);
}

static void
page_loads_itself_again_only_if_asked(void)
{
	struct buf b;

	buf_init(&b, 0);
	add_page(&b, 15, NULL, 0);
	CU_ASSERT(holds(&b, "<meta http-equiv=\"refresh\" content=\"15\">\n"));
	CU_ASSERT(holds(&b, "again every 15 seconds."));
	buf_fini(&b);
}

static void
page_without_messages_says_so(void)
{
	struct buf b;

	buf_init(&b, 0);
	add_page(&b, 0, NULL, 0);
	CU_ASSERT(
	    holds(&b, "<p id=\"newest\" class=\"note\">No messages yet.</p>"));
	CU_ASSERT(!holds(&b, "<ol"));
	buf_fini(&b);
}

static void
message_is_escaped_and_keeps_its_lines(void)
{
	struct message m = a_message(124, SLICE("a <b>\n & \"c\""));
	struct buf b;

	m.channel = SLICE("<i>");
	m.event = SLICE("</b>'");
	buf_init(&b, 0);
	add_page(&b, 0, &m, 1);
	CU_ASSERT(holds(&b,
	    "<li id=\"m124\">\n"
	    "<p><time datetime=\"2026-11-22T05:15:28.684Z\""
	    " title=\"2026-11-22 05:15:28 UTC\">05:15</time> "
	    "<span>&lt;i&gt;</span> <strong>&lt;/b&gt;&#39;</strong></p>\n"
	    "<div lang=\"\" dir=\"auto\">a &lt;b&gt;\n"
	    " &amp; &quot;c&quot;</div>\n</li>\n"));
	CU_ASSERT(holds(&b, "white-space:pre-wrap"));
	buf_fini(&b);
}

static void
newest_message_is_the_last(void)
{
	struct message m[] = {
	    a_message(7, SLICE("old")), a_message(9, SLICE("new"))};
	struct buf b;
	char *old, *new;

	buf_init(&b, 0);
	add_page(&b, 0, m, 2);
	old = memmem(b.p, b.n, "id=\"m7\"", 7);
	new = memmem(b.p, b.n, "id=\"m9\"", 7);
	CU_ASSERT(old != NULL && new != NULL &&old < new);
	CU_ASSERT(ends(&b,
	    "new</div>\n</li>\n</ol>\n<p id=\"newest\" class=\"note\">"
	    "Times are UTC.</p>\n</main>\n</body>\n</html>\n"));
	buf_fini(&b);
}

static void
time_out_of_range_is_left_out(void)
{
	static const struct {
		int64_t ms;
		const char *text;
	} times[] = {
	    {0, "datetime=\"1970-01-01T00:00:00.000Z\""},
	    {253402300799999, "datetime=\"9999-12-31T23:59:59.999Z\""},
	    {-1, NULL},
	    {253402300800000, NULL},
	    {INT64_MAX, NULL},
	    {INT64_MIN, NULL},
	};
	struct message m = a_message(1, SLICE(""));
	struct buf b;

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		m.time_ms = times[i].ms;
		buf_init(&b, 0);
		add_page(&b, 0, &m, 1);
		if (times[i].text == NULL)
			CU_ASSERT(!holds(&b, "<time"))
		else
			CU_ASSERT(holds(&b, times[i].text));
		buf_fini(&b);
	}
}

static void
gap_and_newer_messages_are_told(void)
{
	struct html_poll p;
	struct buf b;

	buf_init(&b, 0);
	html_poll_begin(&b, &p, SLICE("t"), 0, true);
	html_poll_end(&b, &p, SLICE("?since=9.00000000&format=html"));
	CU_ASSERT(holds(&b, "no longer kept.</p>"));
	CU_ASSERT(holds(&b,
	    " <a rel=\"next\""
	    " href=\"?since=9.00000000&amp;format=html\">Newer messages</a>"));
	buf_fini(&b);
}

static void
status_rows_are_grouped_and_escaped(void)
{
	static const struct status_row rows[] = {
	    {{"Log", 3}, {"newest", 6}, {"12", 2}, {"the <tip>", 9}},
	    {{"Log", 3}, {"oldest", 6}, {"<1>", 3}, {"", 0}},
	    {{"R&D", 3}, {"held", 4}, {"0", 1}, {NULL, 0}},
	};
	const char *body;
	struct buf b;

	buf_init(&b, 0);
	statuspage_add(&b, SLICE("Cometlog"), rows, 3, 0);
	buf_add_char(&b, 0);
	body = strstr(b.p, "<h1>");
	CU_ASSERT_STRING_EQUAL(body,
	    "<h1>Cometlog</h1>\n<h2>Log</h2>\n<table>\n"
	    "<tr><th scope=\"row\">newest<small>the &lt;tip&gt;</small></th>"
	    "<td>12</td></tr>\n"
	    "<tr><th scope=\"row\">oldest</th><td>&lt;1&gt;</td></tr>\n"
	    "</table>\n<h2>R&amp;D</h2>\n<table>\n"
	    "<tr><th scope=\"row\">held</th><td>0</td></tr>\n</table>\n"
	    "</main>\n</body>\n</html>\n");
	buf_clear(&b);
	statuspage_add(&b, SLICE("Cometlog"), NULL, 0, 5);
	CU_ASSERT(!holds(&b, "table>"));
	CU_ASSERT(holds(&b, "content=\"5\""));
	buf_clear(&b);
	statuspage_add(&b, SLICE("Cometlog"), rows + 1, 1, 0);
	CU_ASSERT(holds(&b, "<h2>Log</h2>"));
	buf_fini(&b);
}

static void
page_stays_within_a_bound(void)
{
	struct message m = a_message(1, SLICE("x"));
	struct buf whole, part;

	buf_init(&whole, 0);
	add_page(&whole, 5, &m, 1);
	for (size_t limit = 1; limit < whole.n; limit++) {
		buf_init(&part, limit);
		add_page(&part, 5, &m, 1);
		if (part.rc != RC_TOO_LARGE || part.n > limit)
			CU_FAIL("over the bound");
		buf_fini(&part);
	}
	buf_fini(&whole);
}

#define T(name) \
	{ \
#name, name \
	}

CU_TestInfo test_html[] = {
    T(page_is_english_readable_on_a_phone_and_without_script),
    T(page_loads_itself_again_only_if_asked), T(page_without_messages_says_so),
    T(message_is_escaped_and_keeps_its_lines), T(newest_message_is_the_last),
    T(time_out_of_range_is_left_out), T(gap_and_newer_messages_are_told),
    T(status_rows_are_grouped_and_escaped), T(page_stays_within_a_bound),
    CU_TEST_INFO_NULL};
