/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the log tells of the other members: who is reached, by which way, who is lost, and new names. A state
 * is one line, however often handshakes and checks confirm it; a peer that rests because nothing is sent to
 * it is as it was. Control thread.
 */
#ifndef TM_NODE_NEWS_H
#define TM_NODE_NEWS_H

#include "control/path/core.h"
#include "control/portmap/portmap.h"
#include "mesh/diff.h"
#include "mesh/event.h"

struct news;

NODISCARD int news_new(struct news **ret_news);
/* What becomes of peers, beside the log. */
typedef void news_event_fn(void *ctx, const struct event *e);
void news_on_event(struct news *w, news_event_fn *fn, void *ctx);
void news_free(struct news *w); /* NULL is fine */

/* A session with it was made (or made anew), or the last one is over; `at`: where packets to it go now. */
void news_session(struct news *w, const struct mesh_node *m, const struct endpoint *at, bool up);
/* The path core decided that. `session`: there is one with the peer. */
void news_path(struct news *w, const struct mesh_node *m, const struct core_out *out, bool session);
void news_mesh(struct news *w, const struct mesh_diff *d);
/* What the gateway maps to us, or why it does not. */
void news_port(struct news *w, const struct portmap_view *v);

#endif
