/*
 * The inside of a Bayeux exchange, shared by bayeux.c, bayeux_meta.c and
 * bayeux_publish.c only.
 *
 * A message is handled by one function.  What needs the writer returns WAITING,
 * and x isn't the caller's any more; its _done goes on when the writer has
 * answered.
 */
#ifndef COMETLOG_TRANSPORT_EXCHANGE_H
#define COMETLOG_TRANSPORT_EXCHANGE_H

#include "transport/bayeux.h"

/* What was done with a message. */
enum handled { DONE, WAITING };

/* ---- bayeux.c ---- */

/* A reply to m, with what it echoes; and any reply, added to the answer. */
struct bayeux_reply exchange_reply_to(
    struct bayeux_exchange *x, const struct bayeux_message *m);
void exchange_add_reply(
    struct bayeux_exchange *x, const struct bayeux_reply *reply);

/* Replies with m's error; with that of a result of ours; with 402, and the
   advice to shake hands, for RC_MISSING. */
void exchange_refuse(struct bayeux_exchange *x, const struct bayeux_message *m,
    const struct bayeux_advice *advice);
void exchange_refuse_rc(struct bayeux_exchange *x, struct bayeux_message *m,
    enum rc rc, const char *text);
void exchange_refuse_client(struct bayeux_exchange *x, struct bayeux_message *m,
    enum rc rc, const char *text);

/* The browser, if its cookie was there: one that is given
   now proves nothing. */
struct slice exchange_browser(const struct bayeux_exchange *x);

/* Has the writer change a session as x->change says. */
enum handled exchange_change(
    struct bayeux_exchange *x, enum log_change_kind kind, struct slice id);

/* The append's done. */
void exchange_appended(struct append *a, enum rc rc, const char *why);

/* ---- bayeux_meta.c ---- */

enum handled exchange_handshake(struct bayeux_exchange *x);
void exchange_handshake_done(struct bayeux_exchange *x);

/* Notes m as the connect; begins it, once all beside it is done, which may have
   changed the session or ended it. */
enum handled exchange_note_connect(struct bayeux_exchange *x);
void exchange_begin_connect(struct bayeux_exchange *x);

enum handled exchange_subscribe(struct bayeux_exchange *x);
enum handled exchange_unsubscribe(struct bayeux_exchange *x);
void exchange_subscriptions_done(struct bayeux_exchange *x);
void exchange_disconnect_done(struct bayeux_exchange *x);

/* ---- bayeux_publish.c ---- */

/* Puts m with the publishes that are stored together. */
enum handled exchange_publish(struct bayeux_exchange *x);
enum handled exchange_store_batch(struct bayeux_exchange *x);
void exchange_batch_done(struct bayeux_exchange *x);

/* /service/...: answered to the sender alone. */
void exchange_serve(struct bayeux_exchange *x);

#endif
