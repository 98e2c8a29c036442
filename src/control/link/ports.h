/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The ports of a server of control links: where it listens, paused and resumed together. Control thread. */
#ifndef TM_CONTROL_LINK_PORTS_H
#define TM_CONTROL_LINK_PORTS_H

#include "base/diag.h"
#include "net/listen.h"

struct ports;

enum { PORTS_MAX = 9 };

/* at[0] is the one that ports_first tells. None is open yet. ev is copied. */
NODISCARD int ports_new(struct event_base *base, const struct endpoint *at, size_t n, uint32_t mark,
	const struct listener_events *ev, struct ports **ret_ports);
/* Those that are not open, singly. An error: not all are; d explains the first of them. */
NODISCARD int ports_open(struct ports *p, struct diag *d);
void ports_free(struct ports *p); /* NULL is fine */
uint16_t ports_first(const struct ports *p);
void ports_pause(struct ports *p);
void ports_resume(struct ports *p);
bool ports_paused(const struct ports *p);

#endif
