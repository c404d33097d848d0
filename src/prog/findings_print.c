/* Findings as text and as JSON. */
#include "prog/findings.h"

#include "base/utf8.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS 78
#define INDENT 9

static const char *const level_word[] = {
    [FINDINGS_GOOD] = "good",
    [FINDINGS_NOTE] = "note",
    [FINDINGS_CHANGE] = "change",
    [FINDINGS_FAULT] = "fault",
};

static const struct {
	const char *name, *said;
} technique[FINDINGS_TECHNIQUES] = {
    [FINDINGS_WS] = {"ws", "WebSocket"},
    [FINDINGS_SSE] = {"sse", "Server-Sent Events"},
    [FINDINGS_LONGPOLL] = {"longpoll", "long polling"},
    [FINDINGS_POLL] = {"poll", "polling"},
};

static void
indent(struct buf *b, size_t n)
{
	while (n-- > 0)
		buf_add_char(b, ' ');
}

/* Words of text, on lines that begin at that column. */
static void
add_wrapped(struct buf *b, const char *text, size_t column)
{
	size_t at = 0, n;

	while (*text != 0) {
		n = strcspn(text, " ");
		if (at > 0 && at + 1 + n > COLUMNS - column) {
			buf_add_char(b, '\n');
			at = 0;
		}
		if (at == 0)
			indent(b, column);
		else
			buf_add_char(b, ' ');
		at += n + (at > 0);
		/* what a web server said may hold anything */
		utf8_add_repaired(b, (struct slice){text, n});
		text += n + (text[n] == ' ');
	}
	buf_add_char(b, '\n');
}

static void
add_lines(struct buf *b, const struct finding *x)
{
	const char *line = x->lines;
	size_t n;

	indent(b, INDENT);
	buf_printf(b, "%s:\n", x->where);
	while (*line != 0) {
		n = strcspn(line, "\n");
		indent(b, INDENT + 4);
		buf_add(b, line, n);
		buf_add_char(b, '\n');
		line += n + (line[n] == '\n');
	}
}

static void
add_techniques(struct buf *b, const struct findings *f)
{
	char text[160] = "";
	size_t i, n = 0;

	for (i = 0; i < FINDINGS_TECHNIQUES; i++)
		if (f->can[i])
			n += (size_t)snprintf(text + n, sizeof text - n, "%s%s",
			    n == 0 ? "Pages will use " : ", else ",
			    technique[i].said);
	if (n == 0)
		return;
	snprintf(text + n, sizeof text - n, ".");
	buf_add_char(b, '\n');
	add_wrapped(b, text, 0);
}

void
findings_add_text(struct buf *b, const struct findings *f)
{
	size_t i;

	for (i = 0; i < f->n; i++) {
		buf_printf(b, "%-*s%s\n", INDENT, level_word[f->item[i].level],
		    f->item[i].title);
		add_wrapped(b, f->item[i].text, INDENT);
		if (f->item[i].where != NULL)
			add_lines(b, &f->item[i]);
	}
	add_techniques(b, f);
}

static void
add_string(struct buf *b, const char *name, const char *text)
{
	struct buf clean;

	buf_init(&clean, 0);
	utf8_add_repaired(&clean, slice_of(text));
	buf_printf(b, "\"%s\":", name);
	json_add_string(b, buf_slice(&clean), false);
	if (clean.rc != RC_OK)
		b->rc = clean.rc;
	buf_fini(&clean);
}

static void
add_finding(struct buf *b, const struct finding *x)
{
	buf_add_char(b, '{');
	add_string(b, "id", x->id);
	buf_add_char(b, ',');
	add_string(b, "level", level_word[x->level]);
	buf_add_char(b, ',');
	add_string(b, "title", x->title);
	buf_add_char(b, ',');
	add_string(b, "text", x->text);
	if (x->where != NULL) {
		buf_add_char(b, ',');
		add_string(b, "where", x->where);
		buf_add_char(b, ',');
		add_string(b, "lines", x->lines);
	}
	buf_add_char(b, '}');
}

void
findings_add_json(
    struct buf *b, const struct findings *f, const struct survey *s)
{
	const char *comma = "";
	size_t i;

	buf_printf(b,
	    "{\"reached\":%s,\"level\":\"%s\",\"held\":%u,"
	    "\"techniques\":[",
	    s->is_reached ? "true" : "false", level_word[findings_worst(f)],
	    s->held);
	for (i = 0; i < FINDINGS_TECHNIQUES; i++) {
		if (!f->can[i])
			continue;
		buf_printf(b, "%s\"%s\"", comma, technique[i].name);
		comma = ",";
	}
	buf_add_text(b, "],\"findings\":[");
	for (i = 0; i < f->n; i++) {
		if (i > 0)
			buf_add_char(b, ',');
		add_finding(b, &f->item[i]);
	}
	buf_add_text(b, "]}\n");
}
