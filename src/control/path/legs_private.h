/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The legs from inside: legs.c (who relays, whom we register with, what we ask), legs_streams.c (streams),
 * legs_view.c (what follows from all that). Private to control/path.
 */
#ifndef TM_CONTROL_PATH_LEGS_PRIVATE_H
#define TM_CONTROL_PATH_LEGS_PRIVATE_H

#include "control/path/legs.h"

/* --- legs.c --- */
struct legs_relay *legs_get(struct legs *r, const char *id); /* NULL: nobody of that id */
/* Is it asked to know us, or only where it sees us? */
bool legs_registers(const struct legs_relay *v, ns_t now);

/* --- legs_streams.c --- */
/* The relay goes, and its stream with it. */
void legs_stream_forget(struct legs *r, const struct legs_relay *v);
/* As legs_step and legs_next, for all streams. */
bool legs_step_streams(struct legs *r, struct stun_self *self, ns_t now, struct legs_out *ret_out);
ns_t legs_streams_next(const struct legs *r, ns_t now);

#endif
