/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node tells the coordinator of itself and of the peers that it has to do with (docs/protocol.md,
 * "report"), and how the coordinator asks for it. Only who was asked tells anything. It is for showing:
 * nothing follows from it. Pure.
 */
#ifndef TM_WIRE_MSG_REPORT_H
#define TM_WIRE_MSG_REPORT_H

#include "mesh/path_not.h"
#include "wire/msg/msg.h"

enum {
	REPORT_PEERS_MAX = 128, /* in one message; who has more sends several */
	REPORT_RULES_MAX = 128, /* in one report; the others are told in the next ones */
	REPORT_RULE_ID_MAX = 32,
	REPORT_EVERY_MIN_MS = 1000,
	REPORT_EVERY_MAX_MS = 3600 * 1000,
	REPORT_OFFLOADS_MAX = 63,
};

/* By which kind of way a peer is reached; GONE: by none, and nobody wants it. */
#define REPORT_PATHS(X)                                                                                      \
	X(GONE, "gone")                                                                                      \
	X(CHECKING, "checking")                                                                              \
	X(DIRECT, "direct")                                                                                  \
	X(RELAY, "relay")                                                                                    \
	X(TCP, "tcp")
enum report_path {
#define X(name, word) REPORT_##name,
	REPORT_PATHS(X)
#undef X
		REPORT_PATH_N,
};
const char *report_path_word(enum report_path path);

/* What is wrong on a node and a person should know. */
#define REPORT_ALARMS(X)                                                                                     \
	X(DNS, "dns") /* names of the mesh are not found on this machine */                                  \
	X(CLOCK, "clock") /* the clock is not kept for the next start, or went back */                       \
	X(FIREWALL, "firewall") /* the machine's firewall drops what comes out of the tunnel */              \
	X(OFFLOADS, "offloads") /* the kernel refused an offload that it had promised */                     \
	X(PROGRAM, "program") /* a newer program is installed and waits for a restart */                     \
	X(UNSAVED, "unsaved") /* what it knows of the mesh is not saved for the next start */                \
	X(ROUTER, "router") /* networks behind it are not reached through it */                              \
	X(POLICY, "policy") /* it cannot go by the policy in force */
enum report_alarm {
#define X(name, word) REPORT_ALARM_##name,
	REPORT_ALARMS(X)
#undef X
		REPORT_ALARM_N,
};
const char *report_alarm_word(enum report_alarm alarm);
/* What a node with it does: "does not find names of the mesh"; NULL: nobody knows the word. */
const char *report_alarm_says(const char *word);
void report_alarms_put(struct jsonout *o, uint32_t set); /* a bit each: as a list "alarms" of words */

/* A node of itself. */
struct report_self {
	uint32_t uptime_s;
	uint32_t cpu_permille; /* of one core, since the report before; more cores make it more than 1000 */
	uint64_t memory; /* bytes of it that are in the machine's memory; 0 = not told */
	uint64_t drops; /* packets that its workers did not deliver, for whatever reason, since its start */
	uint64_t relayed; /* bytes handed on for others since its start */
	uint32_t relay_members; /* who is registered with it for that */
	uint16_t mtu;
	uint16_t workers;
	uint16_t metrics_port; /* of its addresses in the mesh: its metrics are had there; 0: nowhere there */
	uint32_t alarms; /* a bit per enum report_alarm */
	char offloads[REPORT_OFFLOADS_MAX + 1]; /* for people; "" = not told */
};

/* A node of a peer of its. */
struct report_peer {
	char node[NODE_ID_LEN + 1];
	enum report_path path; /* GONE: nothing else is told */
	uint8_t family; /* 4 or 6, outside the tunnel; 0 = not known */
	enum path_not not_direct;
	char relay[NODE_ID_LEN + 1]; /* through whom; "" = nobody, or not known */
	uint32_t rtt_us; /* smoothed; 0 = not known */
	uint16_t mtu; /* the longest packet that passes inside; 0 = not known */
	uint32_t age_s; /* the way has been in use for so long */
	uint64_t rx, tx; /* bytes inside the tunnel, since the node has this peer */
};

/* What a rule of the policy does. */
#define REPORT_ACTIONS(X)                                                                                    \
	X(ALLOW, "allow")                                                                                    \
	X(DENY, "deny")                                                                                      \
	X(REJECT, "reject")
enum report_action {
#define X(name, word) REPORT_##name,
	REPORT_ACTIONS(X)
#undef X
		REPORT_ACTION_N,
};

/* How often a rule decided about a connection at this node (docs/decisions/0071) since it was told last. */
struct report_rule {
	char id[REPORT_RULE_ID_MAX + 1]; /* "": none spoke of them, and they were denied */
	enum report_action action;
	uint64_t hits; /* not 0 */
};

struct msg_report {
	bool whole; /* what it told before is over */
	uint32_t over_ms; /* the traffic since the report before took so long; 0 = there was none before */
	bool has_self;
	struct report_self self;
	struct report_peer peers[REPORT_PEERS_MAX];
	size_t n_peers;
	struct report_rule rules[REPORT_RULES_MAX];
	size_t n_rules;
};
void msg_report_put(struct jsonout *o, const struct msg_report *m);
/* Peers and rules that make no sense are left out, and those beyond the maximum. */
void msg_report_get(const json_t *j, struct msg_report *ret_m);

/* The coordinator asks for it. */
struct msg_report_ask {
	uint32_t every_ms; /* at least so far apart */
	uint32_t for_ms; /* for so long, and then as before; 0: until the link ends, or it asks for more */
	bool whole; /* the next one is to be whole */
};
void msg_report_ask_put(struct jsonout *o, const struct msg_report_ask *m);
NODISCARD int msg_report_ask_get(const json_t *j, struct msg_report_ask *ret_m);

#endif
