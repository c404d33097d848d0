/*
 * The site's budget of held answers, kept across processes so that a crash
 * cannot leak: a place is a lock on one byte of a file beside the log (an
 * open-file-description lock, which the kernel drops when its process dies).
 * Any thread; the hub owns it.
 *
 * The file holds, in the host's byte order: the time of the newest refusal (8
 * bytes, Unix ms), then for each place a hash of its client's address (8 bytes;
 * 0: none), which counts while the place is locked.  What the file says is
 * never trusted without the lock.
 */
#ifndef COMETLOG_HUB_BUDGET_H
#define COMETLOG_HUB_BUDGET_H

#include "base/options.h"

struct budget;

/* Not one of the budget's places: there is no budget. */
#define BUDGET_NONE UINT32_MAX

/*
 * *out: NULL when the options set no limit across processes (site-requests and
 * client-held are 0): all functions take that for "always".  path: of the file,
 * made with mode 0600; copied.  RC_CONFIG: it can't be made; RC_NOMEM.
 */
enum rc budget_new(struct budget **out, const char *path,
    const struct options *o, struct err *e) MUST_CHECK;
void budget_free(struct budget *b);

/* Claims a place for a client (its address; empty: not known, so not counted).
   False: there is none, and all processes learn that places are short.  Costs a
   system call or two, and one for each place that another process holds. */
bool budget_claim(struct budget *b, struct slice client, uint32_t *place);
void budget_release(struct budget *b, uint32_t place);

/* Has somebody been refused within the last 30 s?  Looks at
   most once a second. */
bool budget_is_short(struct budget *b);

/* Places that there are, and how many are taken by all processes together.
   Asks for each: for status pages. */
void budget_figures(struct budget *b, uint32_t *places, uint32_t *taken);

#endif
