/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Times and bounds of control links. Tests shorten them; everybody else uses clink_tuning_default. */
#ifndef TM_CONTROL_LINK_TUNING_H
#define TM_CONTROL_LINK_TUNING_H

#include "control/link/clink.h"

struct clink_tuning {
	unsigned ping_ms; /* nothing heard for so long: ask */
	unsigned silence_ms; /* nothing heard for so long: close; also a send queue that makes no progress */
	/* Client: TCP alone. Shorter than the whole, so that a retry finds a coordinator that came back. */
	unsigned dial_ms;
	unsigned half_open_ms; /* server: accepting to first authentic message */
	unsigned linger_ms; /* closing: sending what is queued, waiting for the other side to hang up */
	unsigned stagger_ms; /* between connection attempts, RFC 8305 8: 250 ms */
	unsigned half_open_max, half_open_per_source;
	/* half_open_per_source for 127.0.0.0/8 and ::1 too? A reverse proxy connects from there. */
	bool limit_loopback;
	size_t queue_max;
};

extern const struct clink_tuning clink_tuning_default;

NODISCARD int clink_connect_tuned(struct event_base *base, const struct clink_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink **ret_link);
NODISCARD int clink_server_new_tuned(struct event_base *base, const struct clink_server_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink_server **ret_server,
	struct diag *d);

#endif
