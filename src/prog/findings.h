/*
 * From what the doctor measured to what it says, on the command line; the page
 * has the same in www/doctor-findings.js.  Pure.
 */
#ifndef COMETLOG_PROG_FINDINGS_H
#define COMETLOG_PROG_FINDINGS_H

#include "base/buf.h"
#include "prog/survey.h"

enum findings_level {
	FINDINGS_GOOD,
	FINDINGS_NOTE,   /* nothing to do */
	FINDINGS_CHANGE, /* worth it */
	FINDINGS_FAULT,  /* live updates suffer, or a secret is open */
};

struct finding {
	const char *id; /* as on the page: "reach", "streams" ... */
	enum findings_level level;
	char title[96], text[480];
	const char *where; /* the lines are for; NULL: there are none */
	char lines[256];
};

/* What comet.js would read by, the best first. */
enum findings_technique {
	FINDINGS_WS,
	FINDINGS_SSE,
	FINDINGS_LONGPOLL,
	FINDINGS_POLL,
	FINDINGS_TECHNIQUES
};

#define FINDINGS_MAX 16

struct findings {
	struct finding item[FINDINGS_MAX];
	size_t n;
	bool can[FINDINGS_TECHNIQUES];
};

void findings_judge(struct findings *f, const struct survey *s);

/* The gravest level. */
enum findings_level findings_worst(const struct findings *f);

/* For people, at most 80 columns wide; for programs. */
void findings_add_text(struct buf *b, const struct findings *f);
void findings_add_json(
    struct buf *b, const struct findings *f, const struct survey *s);

#endif
