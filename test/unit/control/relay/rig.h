/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A relay's registrar and members who register with it, in virtual time. */
#ifndef TM_TEST_RELAY_RIG_H
#define TM_TEST_RELAY_RIG_H

#include "unit/unit.h"

#include "control/relay/registrar.h"

enum { RIG_MEMBERS = 8 };

struct asker {
	struct registrar_member m;
	uint8_t private_key[32], key[STUN_KEY]; /* key: of its messages to the relay */
	struct stun_self self;
	bool gone; /* no member any more */
	struct way_to way; /* by which it comes */
	uint8_t cookie[STUN_COOKIE]; /* of the last answer */
	uint8_t sent[STUN_MAX]; /* its last question */
	size_t n_sent;
};

struct rig {
	struct registrar *r;
	struct registrar_config cfg;
	uint8_t private_key[32], public_key[32];
	struct asker v[RIG_MEMBERS];
	ns_t now, real;
	struct registrar_out out; /* of the last call */
	bool ours;
	struct stun_msg answer; /* in it */
};

int rig_setup(void **state);
int rig_teardown(void **state);
void rig_restart(struct rig *g); /* the relay forgets all but its key */

/* Fills a->sent; lifetime and the cookie of the last answer as wanted. */
void asker_ask(struct rig *g, struct asker *a, uint32_t lifetime_s, bool cookie);
/* What it sent last comes in by that way, unchanged; true when it was answered. */
bool rig_receive(struct rig *g, struct asker *a, const struct way_to *by);
/* Asks and is answered, with its cookie; true when it was granted. */
bool asker_registers(struct rig *g, struct asker *a);
struct way_to rig_way(const char *remote);
void rig_pass(struct rig *g, ns_t time);
/* Ends what is due; how many legs went. */
unsigned rig_due(struct rig *g);

#define assert_leg(g, expected, remote_text)                                                                 \
	do {                                                                                                 \
		char text_[ENDPOINT_STR_LEN];                                                                \
		assert_int_equal((g)->out.what, (expected));                                                 \
		assert_string_equal(endpoint_format(&(g)->out.way.remote, text_), (remote_text));            \
	} while (0)

#endif
