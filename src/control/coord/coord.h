/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The coordinator role: registry, addresses, tokens and netmap in SQLite, served over control links. Control
 * thread; SQL runs on a helper thread and memory changes only after the commit. Messages: docs/protocol.md.
 */
#ifndef TM_CONTROL_COORD_COORD_H
#define TM_CONTROL_COORD_COORD_H

#include "base/diag.h"
#include "base/err.h"
#include "crypto/identity.h"
#include "mesh/event.h"
#include "mesh/model.h"
#include "wire/msg/msg.h"

struct coord;
struct event_base;
struct stream_taker;

struct coord_init {
	const char *db_path;
	const char *mesh_name, *node_name;
	const char *os; /* that it runs on, OS_NAME; NULL: not told */
	const char *zone; /* of the names in the DNS, valid; NULL: MESH_ZONE_DEFAULT */
	const struct identity *identity; /* of the first node = the coordinator */
	struct prefix net4, net6; /* already checked against the host's routes */
	uint8_t secret[32];
	const char *policy; /* the text of its first one; NULL: none, and everything passes */
};
/* Creates the database with mesh, first node and policy. TM_EEXIST, with a sentence, when there is one
 * already: never overwritten. Blocking; CLI only. */
NODISCARD int coord_create(const struct coord_init *init, struct diag *d);

/*
 * For `backup` while no daemon runs: where a copy of its database lies that the caller removes. TM_ENOENT,
 * ..., each with a sentence. Blocking; CLI only.
 */
NODISCARD int coord_copy(const char *db_path, const char *to, struct diag *d);
/* For `restore`: can a coordinator with this identity serve that database? Blocking; CLI only. */
NODISCARD int coord_check(const char *db_path, const struct identity *identity, struct diag *d);
/* Before another program is put in the place of one that runs: TM_EVERSION, TM_ENOSPACE when this one would
 * refuse its database as newer, or could not bring it to its own version. */
NODISCARD int coord_look(const char *db_path, struct diag *d);
/* Beside the database: the copy that the request "backup" makes. */
#define COORD_COPY_SUFFIX ".copy"

/* The certificate that the ports show to who asks for TLS. No trust hangs on it. */
struct coord_tls {
	const char *certificate, *key; /* files in PEM, read again when they change; NULL: one of its own */
	const char *own; /* the file of that */
	const char *const *hosts; /* what that is for */
	size_t n_hosts;
};

/* Something was done to the mesh, and is stored. Control thread. */
typedef void coord_event_fn(void *ctx, const struct event *e);
/* Members, who of them is there, or what they say of themselves: some of it has changed, perhaps. Called
 * often, and in the midst of it. */
typedef void coord_change_fn(void *ctx);

struct coord_config {
	const char *db_path; /* borrowed */
	const struct identity *identity; /* borrowed */
	struct endpoint listen; /* TCP */
	const struct endpoint *also; /* further ones; borrowed for the call */
	size_t n_also;
	const struct stream_taker *streams; /* net/release.h; borrowed for its life; NULL: none are taken */
	const struct coord_tls *tls; /* borrowed for the call; NULL: no TLS */
	const char *const *addresses; /* "host:port" of the control port that new tokens carry */
	size_t n_addresses;
	uint16_t data_port; /* UDP port of our data socket, told to nodes for STUN */
	uint32_t fwmark; /* SO_MARK of the control port, 0 = none */
	coord_event_fn *on_event; /* NULL: nobody is told */
	coord_change_fn *on_change; /* likewise */
	void *on_event_ctx; /* of both */
};
/* Opens, migrates and loads the database (blocking, at start-up), then listens. */
NODISCARD int coord_new(
	struct event_base *base, const struct coord_config *cfg, struct coord **ret_coord, struct diag *d);
void coord_free(struct coord *c);
uint16_t coord_port(const struct coord *c);
void coord_set_addresses(struct coord *c, const char *const *addresses, size_t n); /* copied */
/* A member has shown to our own relay that it receives there by UDP; NULL: that is over. */
void coord_set_leg(struct coord *c, const char *id, const struct ip *at);
const struct mesh_info *coord_mesh(const struct coord *c);
size_t coord_twins(const struct coord *c); /* members whose identity another machine uses, too */

/*
 * A request that comes by no link, but by the control socket or another door: req =
 * {"cmd":"token.create",...}. The text of the reply, {"ok":true,...} or
 * {"ok":false,"error":"sentence","hint":"..."}, comes now or later through `reply`, which owns it (NULL: out
 * of memory); exactly one reply per request. Commands and fields: docs/protocol.md, "Administration".
 */
typedef void coord_reply_fn(void *ctx, char *reply_take);
/* What whoever asks may: a member is told what members are told, and changes nothing. */
enum coord_role { COORD_MEMBER, COORD_ADMIN };
/* Who asks: whoever calls has found out who that is, and his role. It is what the events of the mesh say of
 * him.
 */
struct coord_who {
	enum coord_role role;
	enum event_door door;
	char by[NODE_NAME_MAX + 1]; /* a member's name, or a user of this machine */
	char id[NODE_ID_LEN + 1]; /* of the member; "": it is none, and then an administrator */
};
void coord_ask(struct coord *c, const struct coord_who *who, const msg_object *req, coord_reply_fn *reply,
	void *ctx);

#endif
