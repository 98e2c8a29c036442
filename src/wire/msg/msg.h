/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The messages of the control link (docs/protocol.md, section 4): for each one a struct, a put that makes its
 * text and a get that takes it from what came in. A get checks every field, bounds everything and ignores
 * what it does not know; after it nobody asks again. TM_EBADMSG: the message makes no sense. Pure.
 *
 * Requests, which also come from the control socket, and their answers are in wire/msg/request.h.
 */
#ifndef TM_WIRE_MSG_MSG_H
#define TM_WIRE_MSG_MSG_H

#include "base/jsonout.h"
#include "mesh/model.h"
#include "mesh/relays.h"
#include "wire/policy.h"
#include "wire/token.h"

enum {
	MSG_TEXT_MAX = 32, /* os, version */
	MSG_WHY_MAX = 199,
	MSG_TYPE_MAX = 31,
	MSG_PACE_MAX_MS = 10 * 60 * 1000,
	MSG_DIGEST_LEN = POLICY_DIGEST_LEN,
	MSG_POLICY_MAX = 512 * 1024,
};

/* A message as it came in, an object whose bounds have been checked (control/link/text.h). Opaque: what is in
 * it comes out through the gets. */
typedef json_t msg_object;

void msg_object_free(msg_object *m); /* NULL is fine */
/* Of a text of our own making; NULL: it is none, or out of memory. The caller's. */
NODISCARD msg_object *msg_object_read(const char *text);

/* The type of a message, or of a request on the control socket ("cmd"); "" when it has none. */
struct msg_type {
	char text[MSG_TYPE_MAX + 1];
};
struct msg_type msg_type(const json_t *m);
struct msg_type msg_command(const json_t *m);

/* "host:port" of a control link. */
struct msg_addresses {
	char v[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN];
	size_t n;
};
/* Member "addresses", as far as it can be used; without one an empty list. */
void msg_addresses_get(const json_t *j, struct msg_addresses *ret_a);

/* --- from the node --- */

struct msg_hello {
	char os[MSG_TEXT_MAX + 1], version[MSG_TEXT_MAX + 1]; /* "" when not told */
	uint64_t netmap; /* the version it holds, 0 = none */
	uint64_t run; /* a number of this run of its program, at random; 0 = not told */
	struct candidates candidates; /* with what is told of the translator before it */
	bool has_candidates;
	char policy[MSG_DIGEST_LEN + 1]; /* digest of the policy it holds, "" = none */
	bool relay; /* it hands on datagrams of others, if it may */
	uint16_t relay_tcp[RELAY_PORTS_MAX]; /* and takes streams at these ports */
	size_t n_relay_tcp;
};
void msg_hello_put(struct jsonout *o, const struct msg_hello *m);
void msg_hello_get(const json_t *j, struct msg_hello *ret_m); /* what is wrong counts as not told */

struct msg_enrol {
	int64_t id;
	uint8_t token[TOKEN_ID], secret[TOKEN_SECRET];
	uint8_t ed[32]; /* Ed25519 public key */
	char name[NODE_NAME_MAX + 1]; /* valid: a host name that is no node name is made into one */
	char os[MSG_TEXT_MAX + 1], version[MSG_TEXT_MAX + 1];
};
void msg_enrol_put(struct jsonout *o, const struct msg_enrol *m);
/* On an error ret_m->id and name are good nevertheless, for the refusal; d says what is wrong. */
NODISCARD int msg_enrol_get(const json_t *j, struct msg_enrol *ret_m, struct diag *d);

void msg_own_candidates_put(struct jsonout *o, const struct candidates *mine);
NODISCARD int msg_own_candidates_get(const json_t *j, struct candidates *ret_c);

void msg_want_put(struct jsonout *o, const char *id);
NODISCARD int msg_want_get(const json_t *j, char ret_id[static NODE_ID_LEN + 1]);

void msg_leave_put(struct jsonout *o, int64_t id, bool undo); /* undo: the enrolment came to nothing */

/* --- from the coordinator --- */

struct msg_welcome {
	struct node_rec node;
	struct mesh_info mesh; /* holds the mesh's secret */
	struct msg_addresses addresses;
	uint16_t data_port;
	struct candidates data; /* of the coordinator's data socket */
	struct ip observed; /* source address of the link */
	int64_t time; /* Unix seconds */
	uint32_t pace_ms; /* a node that loses its link comes back after a random part of this */
};
void msg_welcome_put(struct jsonout *o, const struct msg_welcome *m);
NODISCARD int msg_welcome_get(const json_t *j, struct msg_welcome *ret_m);

/* {"t":"addresses"}: they changed since the welcome. */
void msg_addresses_put(struct jsonout *o, const struct msg_addresses *a);

/* {"t":"relays"}: who hands on datagrams. */
struct msg_relays {
	struct relays relays;
	bool partial; /* the coordinator has just started: others than these may be there, too */
};
void msg_relays_put(struct jsonout *o, const struct msg_relays *m);
NODISCARD int msg_relays_get(const json_t *j, struct msg_relays *ret_m);

/* {"t":"policy"}: the policy in force, as it was accepted. */
struct msg_policy {
	uint64_t version; /* 0: there is none, for who holds one; all else is empty, texts are NULL */
	char digest[MSG_DIGEST_LEN + 1]; /* of text and nodes: what `hello` says again */
	const char *text; /* borrowed; what it says is for src/policy to read */
	const char *nodes; /* whom its names mean: "name id", a line each; borrowed */
};
/* False: there is none that is well-formed. */
bool msg_digest_get(const json_t *j, const char *key, char ret_digest[static MSG_DIGEST_LEN + 1]);
void msg_policy_put(struct jsonout *o, const struct msg_policy *m);
NODISCARD int msg_policy_get(const json_t *j, struct msg_policy *ret_m);
/* {"t":"policy_held"}, of a node: the version that it goes by. 0: none. */
void msg_policy_held_put(struct jsonout *o, uint64_t version);
NODISCARD int msg_policy_held_get(const json_t *j, uint64_t *ret_version);

/* What an enrolment is answered with, besides `ok`. */
struct msg_enrolled {
	struct node_rec node;
	struct mesh_info mesh;
	struct msg_addresses addresses;
	uint16_t data_port;
	bool existed; /* as a member before this enrolment */
};
void msg_enrolled_put(struct jsonout *o, const struct msg_enrolled *m); /* members of a reply */
NODISCARD int msg_enrolled_get(const json_t *j, struct msg_enrolled *ret_m);

/* {"t":"netmap","map":{...}}: its records are put by who has them, between these two. */
void msg_netmap_begin(struct jsonout *o, uint64_t version, uint64_t base);
void msg_netmap_removed(struct jsonout *o); /* the records are all there; ids follow, as texts */
void msg_netmap_end(struct jsonout *o);
NODISCARD int msg_netmap_get(const json_t *j, const struct mesh_info *mesh, struct netmap *ret_map);

struct msg_candidates {
	char node[NODE_ID_LEN + 1];
	struct candidates candidates;
	bool online;
	bool looks; /* it looks for the receiver now */
};
void msg_candidates_put(struct jsonout *o, const struct msg_candidates *m);
NODISCARD int msg_candidates_get(const json_t *j, struct msg_candidates *ret_m);

struct msg_removed {
	char why[MSG_WHY_MAX + 1]; /* fit for a terminal */
	bool twin; /* still a member, but the link belongs to another machine with the same identity */
};
void msg_removed_put(struct jsonout *o, const struct msg_removed *m);
void msg_removed_get(const json_t *j, struct msg_removed *ret_m);

/* --- replies --- */

/* `{"t":"reply","id":7,"ok":true` and so on; without type and id for the control socket (id NULL). The
 * caller puts the other members and ends the object. */
void msg_reply_begin(struct jsonout *o, const int64_t *id, bool ok);
/* The id of a request, which its reply repeats; false when it has none. */
bool msg_request_id(const json_t *m, int64_t *ret_id);
/* TM_OK when it says yes; TM_EPERM with the coordinator's words in d when it does not. */
NODISCARD int msg_reply_get(const json_t *j, struct diag *d);
/* It is a refusal that says nothing about what was asked for: trouble of a machine or of the link, which
 * passes. By its code, docs/json.md. */
bool msg_reply_passes(const json_t *j);
/* The whole of a refusal. code: one word for programs (docs/json.md). */
void msg_refusal_put(
	struct jsonout *o, const int64_t *id, const char *code, const char *error, const char *hint);
/* The same without type and id, as it comes out of a reply; NULL: out of memory. */
NODISCARD json_t *msg_refusal(const char *code, const char *error, const char *hint);

#endif
