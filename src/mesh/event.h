/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What happened: one catalogue for the mesh, of which the coordinator's store keeps what was done to it and
 * by whom (the audit), and for a node, which remembers its own for a while. An event says of whom or what it
 * is, in words of then: a member may be called otherwise since, or be gone. No secret is part of one. Pure.
 */
#ifndef TM_MESH_EVENT_H
#define TM_MESH_EVENT_H

#include "base/jsonout.h"
#include "base/log.h"
#include "mesh/model.h"

/*
 * X(kind, word, level, sentence). In the sentence {about} is the member, or what else it is about, {detail}
 * the rest. Words are for programs and stay what they are; the store keeps them.
 */
#define MESH_EVENTS(X)                                                                                       \
	X(JOINED, "member.joined", LOG_INFO, "{about} joined the mesh, by the token {detail}")               \
	X(LEFT, "member.left", LOG_INFO, "{about} left the mesh")                                            \
	X(REMOVED, "member.removed", LOG_INFO, "{about} was removed from the mesh")                          \
	X(EXPIRED, "member.expired", LOG_INFO,                                                               \
		"{about}, an ephemeral node, was away for too long and is gone")                             \
	X(RENAMED, "member.renamed", LOG_INFO, "{about} is called {detail} now")                             \
	X(ALIASES, "member.aliases", LOG_INFO, "{about} has these aliases now: {detail}")                    \
	X(TAGS, "member.tags", LOG_INFO, "{about} has these tags now: {detail}")                             \
	X(TWIN, "member.twin", LOG_WARN, "another machine, at {detail}, runs with the identity of {about}")  \
	X(CLIENT_ADDED, "client.added", LOG_INFO, "the client {about} was added behind {detail}")            \
	X(CLIENT_REMOVED, "client.removed", LOG_INFO, "the client {about} was removed")                      \
	X(TOKEN_CREATED, "token.created", LOG_INFO, "the token {about} was made: {detail}")                  \
	X(TOKEN_REVOKED, "token.revoked", LOG_INFO, "the token {about} was revoked")                         \
	X(POLICY, "policy.changed", LOG_INFO, "version {detail} of the policy is in force")                  \
	X(ROUTE_APPROVED, "route.approved", LOG_INFO, "{detail} behind {about} was approved")                \
	X(ROUTE_REJECTED, "route.rejected", LOG_INFO,                                                        \
		"the approval of {detail} behind {about} was taken back")                                    \
	X(BACKUP, "backup.made", LOG_INFO, "a backup of the mesh was made")                                  \
	X(ALARM_BEGAN, "alarm.began", LOG_WARN, "alarm at {about}, {detail}")                                \
	X(ALARM_ENDED, "alarm.ended", LOG_INFO, "the alarm at {about} is over, {detail}")                    \
	/* of a node's own */                                                                                \
	X(PEER_UP, "peer.up", LOG_INFO, "{about} is reached {detail}")                                       \
	X(PEER_MOVED, "peer.moved", LOG_INFO, "{about} is reached another way, {detail}")                    \
	X(PEER_LOST, "peer.lost", LOG_INFO, "{about} is lost, another way is looked for: {detail}")          \
	X(PEER_UNREACHED, "peer.unreached", LOG_INFO, "{about} is out of reach: {detail}")                   \
	X(PEER_DOWN, "peer.down", LOG_INFO, "{about} is down: {detail}")                                     \
	X(WARNING, "alarm.warning", LOG_WARN, "{detail}")                                                    \
	X(ERROR, "alarm.error", LOG_ERROR, "{detail}")

enum event_kind {
	EVENT_NONE,
#define X(kind, word, level, sentence) EVENT_##kind,
	MESH_EVENTS(X)
#undef X
		EVENT_KINDS
};

/* How whoever did it came in. */
enum event_door {
	EVENT_OF_ITSELF, /* nobody: time, or a machine's state */
	EVENT_SOCKET, /* the coordinator's control socket */
	EVENT_LINK, /* a member, over its control link */
	EVENT_DASHBOARD,
	EVENT_REPORT, /* nobody: a member's report says so */
	EVENT_DOORS
};

enum { EVENT_DETAIL_MAX = 255 };

struct event {
	uint64_t number; /* from 1 on: of the store, or of the node's since its start */
	int64_t at; /* Unix seconds */
	enum event_kind kind;
	enum event_door door;
	char id[NODE_ID_LEN + 1]; /* of the member that it is about; "": of none */
	char about[NODE_NAME_MAX + 1]; /* its name, a token's id, or "" */
	char detail[EVENT_DETAIL_MAX + 1];
	char by[NODE_NAME_MAX + 1], by_id[NODE_ID_LEN + 1]; /* a member, or a user of the machine; "" */
};

const char *event_word(enum event_kind kind);
enum event_kind event_kind_of(const char *word); /* EVENT_NONE: there is none */
const char *event_door_word(enum event_door door);
enum event_door event_door_of(const char *word); /* EVENT_OF_ITSELF when there is none */

/* What it is about, whole or cut between characters. */
void event_set_detail(struct event *e, const char *fmt, ...) PRINTF(2, 3);
/* "nas is called box now (by root)": in one line, fit for a terminal. */
void event_sentence(const struct event *e, struct strbuf *b);
/* As an object of a list. `own`: the node's, not the mesh's. */
void event_put(struct jsonout *o, const struct event *e, bool own);

#endif
