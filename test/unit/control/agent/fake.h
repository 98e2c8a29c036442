/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A coordinator that follows a script, and an agent whose every event is written down. One loop, loopback
 * TCP. */
#ifndef TM_TEST_AGENT_FAKE_H
#define TM_TEST_AGENT_FAKE_H

#include "unit/unit.h"

#include "control/agent/agent_private.h"

#define PEER_A "00000000000000aa"
#define PEER_B "00000000000000bb"

struct fake {
	struct event_base *base;
	char dir[64], cache[96];
	struct identity coordinator, node;
	struct enrolment enrolment;
	struct agent_tuning tuning;
	struct peers *peers;
	/* coordinator */
	const struct stream_taker *streams; /* NULL: it takes none */
	struct clink_server *server;
	struct endpoint at;
	struct clink *link; /* the latest */
	unsigned ups, hellos, messages;
	json_t *hello, *last; /* last hello; last other message */
	const char *net4, *net6; /* what a welcome says; NULL: as enrolled */
	uint32_t host; /* likewise; 0: as enrolled */
	uint32_t pace_ms; /* likewise */
	json_t *data; /* likewise, candidates; NULL: not said */
	const char *on_hello[4]; /* JSON to answer a hello with; "welcome" for the usual one; "close" */
	/* agent */
	struct agent *agent;
	unsigned netmaps, candidates, link_ups, link_downs, removals, replies;
	char candidates_of[NODE_ID_LEN + 1];
	struct candidates last_candidates;
	bool last_looks;
	bool relay; /* it offers */
	uint16_t relay_tcp; /* a port at which it takes streams; 0: it takes none */
	unsigned report_asks;
	struct msg_report_ask report_ask;
	unsigned policies;
	uint64_t policy_version;
	uint64_t policy_refuses; /* the owner refuses that version */
	char policy_text[64];
	unsigned relays_told;
	struct relays relays;
	char removed_why[200];
	bool twin;
	json_t *reply;
};

void fake_open(struct fake *f);
void fake_close(struct fake *f);
void fake_serve(struct fake *f); /* starts the coordinator, on the same port every time */
void fake_stop_serving(struct fake *f);
void fake_start(struct fake *f); /* starts the agent */
void fake_stop(struct fake *f);
void fake_say(struct fake *f, const char *json);
void fake_run_until(struct fake *f, const unsigned *counter, unsigned n);
void fake_run_ms(struct fake *f, unsigned ms);
void fake_link(struct fake *f); /* serve, start, welcome, and netmap 5 with peers A and B */
agent_reply_fn fake_on_reply;

#define assert_contains_text(text, part)                                                                     \
	do {                                                                                                 \
		const char *text_ = (text);                                                                  \
		if (!text_ || !strstr(text_, (part)))                                                        \
			fail_msg("\"%s\" does not contain \"%s\"", text_ ? text_ : "(null)", (part));        \
	} while (0)

extern const char map_5[]; /* {"t":"netmap",...}: version 5, peers A and B */

#endif
