/* cometlog doctor: measures a place from outside, and says what to change. */
#include "prog/cli.h"

#include "prog/findings.h"
#include "prog/survey.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SILENT_S 45
#define LIFE_S 330

#define CLI_UNREACHED 2

/* One line that each step writes over, where a person looks on. */
static void
on_step(void *arg, const char *step)
{
	(void)arg;
	fprintf(stderr, "\r\033[K%s%s", step, *step == 0 ? "" : " ...");
}

static enum rc
print(const struct findings *f, const struct survey *s, bool is_json,
    struct err *e)
{
	struct buf b;
	bool is_printed;

	buf_init(&b, 0);
	if (is_json)
		findings_add_json(&b, f, s);
	else
		findings_add_text(&b, f);
	is_printed = b.rc == RC_OK && fwrite(b.p, 1, b.n, stdout) == b.n &&
	    fflush(stdout) == 0;
	buf_fini(&b);
	return is_printed ? RC_OK
	                  : err_set(e, RC_IO, "the findings can't be printed");
}

/* The program's address without a slash at its end, and the tip file's beside
   it.  Both are the caller's to free. */
static enum rc
addresses(const char *given, const char *tip, char **url, char **tip_url,
    struct err *e)
{
	size_t n = strlen(given);
	const char *slash;
	int folder;

	while (n > 0 && given[n - 1] == '/')
		n--;
	*url = strndup(given, n);
	*tip_url = NULL;
	if (*url == NULL)
		return err_set(e, RC_NOMEM, "no memory for an address");
	slash = strrchr(*url, '/');
	folder =
	    slash == NULL || slash < *url + 8 ? (int)n : (int)(slash - *url);
	if (asprintf(tip_url, "%s%.*s%s", tip != NULL ? tip : "",
	        tip != NULL ? 0 : folder, *url,
	        tip != NULL ? "" : "/comet-tip") < 0) {
		*tip_url = NULL;
		return err_set(e, RC_NOMEM, "no memory for an address");
	}
	return RC_OK;
}

static enum rc
examine(struct survey_plan *plan, bool is_json, int *status, struct err *e)
{
	struct survey *s = malloc(sizeof *s);
	struct findings *f = malloc(sizeof *f);
	enum rc rc = s == NULL || f == NULL
	    ? err_set(e, RC_NOMEM, "no memory for the figures")
	    : survey_take(s, plan, e);

	if (plan->tell != NULL)
		plan->tell(NULL, "");
	if (rc == RC_OK) {
		findings_judge(f, s);
		*status = !s->is_reached                   ? CLI_UNREACHED
		    : findings_worst(f) >= FINDINGS_CHANGE ? EXIT_FAILURE
		                                           : EXIT_SUCCESS;
		rc = print(f, s, is_json, e);
	}
	free(f);
	free(s);
	return rc;
}

int
cli_doctor(int argc, char **argv)
{
	const char *tip = NULL;
	bool is_json = false, is_quick = false, is_thorough = false;
	const struct cli_word word[] = {
	    {"--tip", &tip, NULL},
	    {"--json", NULL, &is_json},
	    {"--quick", NULL, &is_quick},
	    {"--thorough", NULL, &is_thorough},
	};
	struct survey_plan plan = {
	    .tell = isatty(STDERR_FILENO) ? on_step : NULL};
	char *url = NULL, *tip_url = NULL;
	int status = EXIT_SUCCESS;
	struct cli c;
	struct err e;
	enum rc rc = cli_parse(
	    &c, argc, argv, word, sizeof word / sizeof word[0], false, &e);

	if (rc == RC_OK && (c.n_names != 1 || (is_quick && is_thorough)))
		rc = err_set(&e, RC_BAD,
		    "give one address, such as "
		    "https://www.example.org/comet");
	if (rc == RC_OK)
		rc = addresses(c.name[0], tip, &url, &tip_url, &e);
	plan.url = url;
	plan.tip_url = tip_url;
	plan.silent_s = is_quick ? 0 : SILENT_S;
	plan.life_s = is_thorough ? LIFE_S : 0;
	signal(SIGPIPE, SIG_IGN);
	if (rc == RC_OK)
		rc = examine(&plan, is_json, &status, &e);
	free(tip_url);
	free(url);
	return rc == RC_OK ? status : cli_fail("doctor", rc, e.text);
}
