#include "hub/wake.h"

#include "base/diag.h"

#include <stdlib.h>

/*
 * After a change of the WAL: when to look again, in ms.  From the first look on
 * the WAL isn't watched meanwhile; not before, as to end a watch takes the
 * kernel longer than a read of the log takes us.  While our own programs are
 * writing, who tell by themselves, most changes are theirs: then a look once
 * in a while is enough for a foreign one.
 */
static const unsigned again_ms[] = {1, 4, 10};
#define AGAIN (sizeof again_ms / sizeof again_ms[0])
#define OWN_MS 100 /* since the last touch: they are writing */
#define OWN_AGAIN_MS 25
#define KNOWN_MS 5

#define TIMER_MS 1000      /* beside working signals */
#define TIMER_ALONE_MS 200 /* without */

struct wake {
	uv_fs_event_t touched; /* the wake file */
	uv_fs_event_t changed; /* the WAL, or the database */
	uv_timer_t again, timer;
	uv_timer_t known;    /* after a touch that told nothing new */
	size_t step;         /* into again_ms */
	uint64_t touched_ms; /* when one of our programs last told */
	const char *wake_path, *change_path;
	void (*look)(void *arg);
	bool (*is_known)(void *arg);
	void *arg;
	bool is_on, is_deaf; /* deaf: a watch could not be had */
	int closing;         /* handles that are still open */
};

enum rc
wake_new(struct wake **out, uv_loop_t *loop, const char *wake_path,
    const char *change_path, void (*look)(void *arg),
    bool (*is_known)(void *arg), void *arg, struct err *e)
{
	struct wake *w = calloc(1, sizeof *w);

	*out = w;
	if (w == NULL)
		return err_set(e, RC_NOMEM, "no memory for wake-ups");
	w->wake_path = wake_path;
	w->change_path = change_path;
	w->look = look;
	w->is_known = is_known;
	w->arg = arg;
	uv_fs_event_init(loop, &w->touched);
	uv_fs_event_init(loop, &w->changed);
	uv_timer_init(loop, &w->again);
	uv_timer_init(loop, &w->timer);
	uv_timer_init(loop, &w->known);
	w->touched.data = w->changed.data = w->again.data = w->timer.data = w;
	w->known.data = w;
	return RC_OK;
}

static void
on_known(uv_timer_t *t)
{
	struct wake *w = t->data;

	w->look(w->arg);
}

static void
on_touch(uv_fs_event_t *h, const char *name, int events, int status)
{
	struct wake *w = h->data;

	(void)name;
	(void)events;
	(void)status;
	w->touched_ms = uv_now(h->loop);
	if (w->is_known == NULL || !w->is_known(w->arg))
		w->look(w->arg);
	else if (!uv_is_active((uv_handle_t *)&w->known))
		uv_timer_start(&w->known, on_known, KNOWN_MS, 0);
}

static void on_change(
    uv_fs_event_t *h, const char *name, int events, int status);

static void
watch(struct wake *w, uv_fs_event_t *h, uv_fs_event_cb fn, const char *path)
{
	int rc = uv_fs_event_start(h, fn, path, 0);

	if (rc == 0 || rc == UV_EINVAL)
		return;
	if (!w->is_deaf)
		diag(DIAG_INFO,
		    "no change signals for %s (%s): the log is "
		    "asked every %d ms",
		    path, uv_strerror(rc), TIMER_ALONE_MS);
	w->is_deaf = true;
}

static bool
own_are_writing(const struct wake *w)
{
	return w->touched_ms != 0 &&
	    uv_now(w->again.loop) - w->touched_ms < OWN_MS;
}

static void
on_again(uv_timer_t *t)
{
	struct wake *w = t->data;

	uv_fs_event_stop(&w->changed);
	w->step++;
	if (own_are_writing(w))
		uv_timer_start(t, on_again, OWN_AGAIN_MS, 0);
	else if (w->step < AGAIN)
		uv_timer_start(t, on_again, again_ms[w->step], 0);
	else if (w->is_on)
		watch(w, &w->changed, on_change, w->change_path);
	w->look(w->arg);
}

static void
on_change(uv_fs_event_t *h, const char *name, int events, int status)
{
	struct wake *w = h->data;

	(void)name;
	(void)events;
	(void)status;
	if (uv_is_active((uv_handle_t *)&w->again))
		return;
	w->step = 0;
	uv_timer_start(&w->again, on_again,
	    own_are_writing(w) ? OWN_AGAIN_MS : again_ms[0], 0);
}

/* Also renews watches: the files may have been replaced. */
static void
on_timer(uv_timer_t *t)
{
	struct wake *w = t->data;
	bool was_deaf = w->is_deaf;

	uv_fs_event_stop(&w->touched);
	w->is_deaf = false;
	watch(w, &w->touched, on_touch, w->wake_path);
	if (!uv_is_active((uv_handle_t *)&w->again)) {
		uv_fs_event_stop(&w->changed);
		watch(w, &w->changed, on_change, w->change_path);
	}
	if (was_deaf != w->is_deaf)
		uv_timer_set_repeat(t, w->is_deaf ? TIMER_ALONE_MS : TIMER_MS);
	w->look(w->arg);
}

void
wake_set(struct wake *w, bool is_on)
{
	if (w->is_on == is_on)
		return;
	w->is_on = is_on;
	if (!is_on) {
		uv_fs_event_stop(&w->touched);
		uv_fs_event_stop(&w->changed);
		uv_timer_stop(&w->again);
		uv_timer_stop(&w->known);
		uv_timer_stop(&w->timer);
		return;
	}
	watch(w, &w->touched, on_touch, w->wake_path);
	watch(w, &w->changed, on_change, w->change_path);
	uv_timer_start(&w->timer, on_timer,
	    w->is_deaf ? TIMER_ALONE_MS : TIMER_MS,
	    w->is_deaf ? TIMER_ALONE_MS : TIMER_MS);
}

static void
closed(uv_handle_t *h)
{
	struct wake *w = h->data;

	if (--w->closing == 0)
		free(w);
}

void
wake_free(struct wake *w)
{
	if (w == NULL)
		return;
	wake_set(w, false);
	w->closing = 5;
	uv_close((uv_handle_t *)&w->touched, closed);
	uv_close((uv_handle_t *)&w->changed, closed);
	uv_close((uv_handle_t *)&w->again, closed);
	uv_close((uv_handle_t *)&w->known, closed);
	uv_close((uv_handle_t *)&w->timer, closed);
}
