/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Requests to the coordinator, from nodes over the control link and from the command line over the control
 * socket, and what they are answered with. A get fills the one member of the union that its request is about,
 * or says in d what is wrong and what would be right. Pure.
 */
#ifndef TM_WIRE_MSG_REQUEST_H
#define TM_WIRE_MSG_REQUEST_H

#include "base/log.h"
#include "wire/msg/msg.h"

enum {
	TOKEN_USES_MAX = 100000,
	LIST_PAGE = 500, /* nodes or clients in one answer, at most */
	TOKEN_USERS_SHOWN = 16, /* names beside a token */
	MSG_STATEMENT_MAX = 4096,
};

struct msg_tags {
	char v[NODE_TAGS_MAX][NODE_TAG_MAX + 1];
	uint8_t n;
};

struct msg_token_create {
	uint32_t uses;
	int64_t ttl_s;
	bool ephemeral;
	struct msg_tags tags;
};

struct msg_node_rename {
	char node[NODE_REF_MAX + 1], name[NODE_NAME_MAX + 1];
	bool keep; /* the name that it had, as an alias */
};

struct msg_node_alias {
	char node[NODE_REF_MAX + 1];
	struct node_aliases add, remove;
};

struct msg_node_tag {
	char node[NODE_REF_MAX + 1];
	struct msg_tags add, remove;
};

struct msg_client_add {
	char name[NODE_NAME_MAX + 1];
	uint8_t key[32];
	char via[NODE_REF_MAX + 1]; /* "" = not said */
};

/* One rule, in words as a document has them. */
struct msg_policy_rule {
	char action[8]; /* allow, deny or reject */
	char services[1024], from[1024], to[1024]; /* with commas */
	char id[33]; /* "" = it follows from the rest */
};

/* All that requests about the policy carry; what is not asked for is empty. */
struct msg_policy_request {
	uint64_t version; /* get, rollback: which; set: of the policy that is to be replaced; 0 = any */
	const char *text; /* set, test, diff: the document; prove: the statement; borrowed from the request */
	char by[65], name[201]; /* who changes it; of the file */
	char from[NODE_REF_MAX + 1], to[NODE_REF_MAX + 1], service[32]; /* explain */
	struct msg_policy_rule rule; /* add; remove: its id alone */
	bool transitive; /* prove */
	bool rebind; /* set, test, diff: names mean who is called so now, and not whom they meant */
};

/* What of its own a node offers, all of it: of `routes` only offered and ha, of `exit` only families. */
struct msg_route_offer {
	struct node_routes routes;
};

/* One network of a node, or its being an exit. */
struct msg_route {
	char node[NODE_REF_MAX + 1];
	struct prefix prefix; /* family IP_NONE: the exit */
};

/* filter.add: a rule of a node's own, for a time. */
struct msg_local_rule {
	char action[8]; /* allow, deny or reject */
	char services[200], who[200]; /* with commas */
	bool outbound;
	int64_t ttl_s;
};
enum { LOCAL_TTL_MAX_S = 30 * 86400 };
NODISCARD int msg_local_rule_get(const json_t *j, struct msg_local_rule *ret_r, struct diag *d);
NODISCARD int msg_local_id_get(const json_t *j, char ret_id[static 33], struct diag *d); /* filter.remove */

/* event.list: a page of what was done to the mesh. */
struct msg_event_list {
	uint64_t after; /* events with a higher number */
	bool newest; /* newest first, and instead of `after`: */
	uint64_t before; /* those with a lower number; 0 = all */
	int64_t since; /* Unix seconds */
};

/* node.list: a page of all, or one of them. */
struct msg_node_list {
	uint32_t after; /* those with a higher host number */
	char node[NODE_REF_MAX + 1]; /* "" = all */
};

/* What members told of themselves and their pairs. */
struct msg_reports {
	uint32_t after; /* report.list: members with a higher host number */
	char node[NODE_REF_MAX + 1], peer[NODE_REF_MAX + 1]; /* report.node; peer: "" = all */
	bool watch; /* somebody looks on */
};

union msg_request {
	struct msg_event_list events;
	struct msg_reports reports;
	struct msg_policy_request policy;
	struct msg_token_create token_create;
	uint8_t token_id[TOKEN_ID];
	uint32_t after; /* route.list, client.list: those with a higher host number */
	struct msg_node_list nodes;
	struct msg_node_rename rename;
	struct msg_node_alias alias;
	struct msg_node_tag tag;
	char name[NODE_REF_MAX + 1]; /* node.remove, client.remove: a name, an id or an address */
	struct msg_client_add client_add;
	struct msg_route_offer offer;
	struct msg_route route; /* route.approve, route.reject */
	bool undo; /* leave: it was never used, an enrolment that came to nothing */
};

typedef int msg_request_get_fn(const json_t *j, union msg_request *ret_r, struct diag *d);
msg_request_get_fn msg_nothing_get; /* a request without fields */
msg_request_get_fn msg_leave_get;
msg_request_get_fn msg_token_create_get, msg_token_revoke_get;
msg_request_get_fn msg_list_get, msg_node_list_get, msg_node_rename_get, msg_node_alias_get,
	msg_node_remove_get, msg_node_tag_get;
msg_request_get_fn msg_client_add_get, msg_client_remove_get;
msg_request_get_fn msg_policy_version_get, msg_policy_text_get, msg_policy_add_get, msg_policy_remove_get,
	msg_policy_explain_get, msg_policy_prove_get;
msg_request_get_fn msg_route_offer_get, msg_route_get;
msg_request_get_fn msg_event_list_get;
msg_request_get_fn msg_report_list_get, msg_report_node_get;

/* To a node about its own: route.advertise, route.withdraw. */
struct msg_own_routes {
	struct prefix v[NODE_ROUTES_MAX];
	size_t n;
	bool ha, snat;
};
NODISCARD int msg_own_routes_get(const msg_object *j, const struct prefix *net4, const struct prefix *net6,
	struct msg_own_routes *ret_r, struct diag *d);

/* exit.offer, exit.use, exit.pause */
NODISCARD int msg_exit_offer_get(const msg_object *j, bool *ret_on, struct diag *d);
struct msg_exit_use {
	char node[NODE_REF_MAX + 1];
	bool lan, kill;
};
NODISCARD int msg_exit_use_get(const msg_object *j, struct msg_exit_use *ret_u, struct diag *d);
NODISCARD int msg_exit_pause_get(
	const msg_object *j, int64_t *ret_seconds, struct diag *d); /* 1 s to a day */

/* To a node about its own: events. */
struct msg_events {
	int64_t after, since;
	bool wait;
	int64_t for_s; /* how long at most; 0: as long as may be */
};
NODISCARD int msg_events_get(const msg_object *j, struct msg_events *ret_e, struct diag *d);

/* capture */
struct msg_capture {
	uint32_t count; /* packets; 0: no end */
	int64_t seconds; /* 0: no end */
	uint32_t keep; /* bytes of each packet */
};
NODISCARD int msg_capture_get(const msg_object *j, struct msg_capture *ret_c, struct diag *d);

/* log.level */
struct msg_log_level {
	bool given; /* else it is only asked how it is */
	enum log_level level;
	int64_t seconds; /* it holds for so long; 0: until the next reload */
};
NODISCARD int msg_log_level_get(const msg_object *j, struct msg_log_level *ret_l, struct diag *d);

/* The request by which a node offers that; NULL: out of memory. */
NODISCARD msg_object *msg_route_offer(const struct node_routes *r);

/* --- members of answers --- */

struct msg_token {
	uint8_t id[TOKEN_ID];
	uint32_t uses, used;
	int64_t created, expires; /* Unix seconds */
	bool revoked, expired, ephemeral;
	struct msg_tags tags;
	/* Members that joined with it, the first of them. */
	const char *used_by[TOKEN_USERS_SHOWN];
	size_t n_used_by;
};
void msg_token_put(struct jsonout *o, const struct msg_token *t); /* one of a list */

/* A node or client as people see it. */
struct msg_member {
	const struct node_rec *rec;
	const char *os, *version;
	const char *via_name; /* of a client's node; NULL = none */
	int64_t created, last_seen; /* Unix seconds */
	bool online, ephemeral;
	struct ip address; /* of its last link; IP_NONE = not told */
	struct ip twin; /* of another machine with its identity; IP_NONE = there is none, or not told */
};
/* One route of a member, or its exit (route NULL). */
struct msg_route_row {
	const struct node_rec *rec;
	const struct node_route *route;
	bool online;
};
void msg_route_row_put(struct jsonout *o, const char *key, const struct msg_route_row *r);

void msg_member_put(struct jsonout *o, const char *key, const struct msg_member *m);

#endif
