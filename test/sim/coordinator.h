/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A coordinator as far as paths need one: a host whose core answers members under which address it sees them,
 * and the exchange of candidates (docs/protocol.md, section 4). Members reach it by control links: reliable,
 * ordered messages with a delay, which may be cut; what is under way then is lost. A link works wherever its
 * host is, behind whatever NAT: it is TCP.
 */
#ifndef TM_TEST_SIM_COORDINATOR_H
#define TM_TEST_SIM_COORDINATOR_H

#include "mesh/model.h"
#include "sim/sim.h"

struct control_link {
	struct coordinator *coordinator;
	struct host *host;
	bool up, wanted;
	unsigned number; /* of the connections so far */
	ns_t delay; /* one way */
	ns_t last_to_member, last_to_coordinator; /* arrivals: later messages do not overtake */
	struct candidates told; /* as the coordinator knows them */
	unsigned asked; /* questions for candidates sent */
};

struct watch {
	struct control_link *asker, *target;
	ns_t until;
};

struct coordinator {
	struct owned owned;
	struct sim *sim;
	struct host *host;
	bool running;
	struct control_link *links[SIM_HOSTS]; /* by the member's number */
	struct watch *watches;
	size_t n_watches, cap_watches;
};

/* On the internet, running. */
struct coordinator *coordinator_new(struct sim *s, const char *name);
/* Gone: no link, no answers to STUN. After coordinator_start the members come back within a second. */
void coordinator_stop(struct coordinator *c);
void coordinator_start(struct coordinator *c);

/* A new member's link; it comes up by itself. */
struct control_link *control_link_new(struct coordinator *c, struct host *h);
/* Cuts it; it is up again when it has been dialled anew, three delays after `after` (NS_NEVER: stays down).
 */
void control_link_cut(struct control_link *l, ns_t after);
/* The host's messages; lost when the link is down. */
void control_link_tell(struct control_link *l, const struct candidates *mine);
void control_link_ask(struct control_link *l, const char *id);

#endif
