/*
 * What the doctor measured of a place, as figures without judgement: plain
 * values that survey_take fills by asking the place itself, gently and within
 * bounds.  prog/findings.h says what they mean.
 */
#ifndef COMETLOG_PROG_SURVEY_H
#define COMETLOG_PROG_SURVEY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define SURVEY_TEXT 128
#define SURVEY_STREAMS 3
#define SURVEY_FILES 4
#define SURVEY_HELD 64

/* What GET B/doctor said. */
struct survey_facts {
	char version[24], gateway[16], software[SURVEY_TEXT];
	char journal[16], file_system[32];
	bool is_fit_for_wal, has_locks, is_in_web_root, has_tip;
	uint64_t free_bytes, longpoll_max_ms, max_hold_ms;
	int64_t time_ms;
};

/* When the first bytes were there, and the line that is sent 1.5 s later; 0:
   never. */
struct survey_stream {
	uint32_t bytes, first_ms, rest_ms;
	long status;
};

struct survey_life {
	bool is_made; /* it was measured */
	uint32_t asked_s, lived_ms;
	bool is_whole;
};

struct survey {
	char path[256]; /* of the address */
	/* the first answer */
	long status;
	char error[SURVEY_TEXT], type[SURVEY_TEXT], server[SURVEY_TEXT];
	char sample[64], detail[256], protocol[16];
	bool is_reached;
	struct survey_facts facts; /* of a place that is reached */
	int64_t skew_ms;
	uint32_t ping_ms;
	struct survey_stream stream[SURVEY_STREAMS]; /* small to large */
	struct survey_stream page; /* text/html, which servers compress */
	struct {
		char path[256];
		long status;
		bool is_open;
	} file[SURVEY_FILES];
	uint32_t held, held_ping_ms; /* and how the rest answers meanwhile */
	long held_status;            /* that refused one more; 0: none */
	bool has_wait;               /* one more had to wait */
	char tip_path[256];
	long tip_status, tip_again;
	bool has_tip_cursor;
	bool has_websocket;
	struct survey_life silent, life;
};

struct survey_plan {
	const char *url; /* of the program, without a slash at its end */
	const char *tip_url;
	uint32_t silent_s, life_s; /* 0: not measured */
	/* Told before each step, or NULL. */
	void (*tell)(void *arg, const char *step);
	void *arg;
};

/* RC_OK also when the place isn't reached.  RC_BAD: url is none; RC_NOMEM. */
enum rc survey_take(
    struct survey *s, const struct survey_plan *plan, struct err *e) MUST_CHECK;

/* The facts in the JSON text of GET B/doctor; false: they aren't
   there.  text is changed. */
bool survey_read_facts(struct survey_facts *f, char *text, size_t n);

/* Is this what must stay secret, rather than a page that says no?  A folder's
   path ends with a slash. */
bool survey_is_secret(const char *path, long status, const char *type,
    const char *sample, size_t n);

#endif
