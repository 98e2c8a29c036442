/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Times and bounds of control links. Tests shorten them; everybody else uses clink_tuning_default. */
#ifndef TM_CONTROL_LINK_TUNING_H
#define TM_CONTROL_LINK_TUNING_H

#include "control/link/admission.h"
#include "control/link/clink.h"

struct clink_tuning {
	unsigned ping_ms; /* nothing heard for so long: ask */
	unsigned silence_ms; /* nothing heard for so long: close; also a send queue that makes no progress */
	/* Client: TCP alone. Shorter than the whole, so that a retry finds a coordinator that came back. */
	unsigned dial_ms;
	unsigned half_open_ms; /* server: accepting to first authentic message */
	unsigned stage_ms; /* server: each of upgrade, message 1, first authentic message */
	/* Server without seats, for all or for one source: whoever has come no further for so long makes
	 * room; without a Noise message sooner, because that proves that the coordinator's key is known. */
	unsigned patience_ms, silent_ms;
	unsigned linger_ms; /* closing: sending what is queued, waiting for the other side to hang up */
	struct admission_config admission; /* server */
	size_t descriptors; /* server: open at most so many links; 0 = as the system allows */
	size_t queue_max;
};

extern const struct clink_tuning clink_tuning_default;

NODISCARD int clink_connect_tuned(struct event_base *base, const struct clink_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink **ret_link);
NODISCARD int clink_server_new_tuned(struct event_base *base, const struct clink_server_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink_server **ret_server,
	struct diag *d);

#endif
