/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/names.h"

#include <stdio.h>
#include <string.h>

#include "base/jsonout.h"
#include "base/text.h"
#include "dns/query.h"
#include "dns/server.h"
#include "node/drive.h"
#include "node/node_private.h"
#include "node/own_doors.h"
#include "node/resolving.h"
#include "wire/msg/msg.h"

enum { DOORS_MAX = (int)OWN_DOORS_MAX + (int)CONFIG_LIST_MAX, WANTED = 64 };
#define OPEN_AGAIN (60 * SEC)
#define WANT_AGAIN SEC /* whoever asks a hundred times a second wants the same member still */

_Static_assert((int)DOORS_MAX <= (int)DNS_SERVER_ADDRESSES, "the server has room for all");

struct names {
	struct dns_zone zone;
	struct dns_server *server; /* NULL: switched off */
	struct resolving *resolving; /* NULL before the start, or where there is no memory for it */
	char *zones[HOSTING_ZONES + 1]; /* as it wants them, owned */
	struct loop_timer *again;
	struct names_door {
		struct endpoint at;
		bool open;
		char why_not[sizeof(((struct diag *)0)->what)]; /* "" = not tried, or open */
	} doors[DOORS_MAX];
	size_t n_doors;
	struct {
		uint32_t host;
		ns_t at;
	} wanted[WANTED]; /* members that were asked for lately, by host number */
	struct log_limit log;
};

/* --- who is asked for --- */

/* The member that packets to it go to; NULL: ourselves, or nobody whom we could call. */
static const struct mesh_node *reached_at(const struct node *n, const struct mesh_node *m)
{
	if (m->kind == NODE_CLIENT)
		m = mesh_by_id(peers_mesh(n->peers), m->via);
	return m && strcmp(m->id, n->enrolment.self.id) != 0 ? m : NULL;
}

static bool was_wanted(struct names *x, uint32_t host, ns_t now)
{
	const size_t i = host % WANTED;
	const bool was = x->wanted[i].host == host && now - x->wanted[i].at < WANT_AGAIN;

	if (!was) {
		x->wanted[i].host = host;
		x->wanted[i].at = now;
	}
	return was;
}

/* Whoever asks for an address sends a packet there in a moment, and then the way and the session are there,
 * or nearly so. */
static void on_asked(void *ctx, const struct mesh_node *m)
{
	struct node *n = ctx;
	const struct mesh_node *to = reached_at(n, m);
	struct plane_peer_stats s;

	if (!to || was_wanted(n->names, to->host, time_monotonic()) ||
		plane_peer_stats(n->plane, to->key, &s) != TM_OK || s.session)
		return;
	drive_input(n, &(struct core_in){.kind = CORE_WANT, .key = to->key});
	plane_nudge(n->plane, to->key);
	node_kick_plane(n);
}

/* --- where it is served --- */

static void open_doors(void *ctx)
{
	struct node *n = ctx;
	struct names *x = n->names;
	bool missing = false, opened = false;

	for (size_t i = 0; i < x->n_doors; i++) {
		struct names_door *door = &x->doors[i];
		struct diag d = {0};

		if (door->open)
			continue;
		door->open = dns_server_open(x->server, &door->at, &d) == TM_OK;
		missing = missing || !door->open;
		opened = opened || (door->open && door->why_not[0]);
		if (!door->open && strcmp(door->why_not, d.what) != 0)
			LOG_LIMITED(LOG_WARN, &x->log, LOG_WHO_ALL,
				"node: names are not served there, trying again each minute",
				KV_EP("at", &door->at), KV("why", d.what));
		snprintf(door->why_not, sizeof(door->why_not), "%s", door->open ? "" : d.what);
	}
	if (opened && !missing)
		log_info("node: names are served at all addresses");
	if (missing)
		loop_timer_in(x->again, OPEN_AGAIN);
	/* Nobody is sent to a server that does not answer. */
	if (x->doors[0].open && x->resolving)
		resolving_begin(x->resolving);
}

static void add_door(struct names *x, const struct endpoint *at)
{
	x->doors[x->n_doors++].at = *at;
}

/* What stands in the configuration has been checked: config_value.c. */
static void choose_doors(const struct node *n)
{
	const struct node_rec *self = &n->enrolment.self;
	struct names *x = n->names;
	struct own_doors own;
	struct endpoint at;

	own_doors(n, DNS_PORT, &own);
	for (size_t i = 0; i < own.n; i++)
		add_door(x, &own.at[i]);
	for (size_t i = 0; i < n->config.n_dns_listen; i++)
		if (config_listen_parse(n->config.dns_listen[i], &self->ip4, &at) == TM_OK)
			add_door(x, &at);
}

/* --- who is told of it --- */

static bool add_zone(struct names *x, size_t i, const struct dns_name *zone)
{
	char text[DNS_NAME_TEXT];

	dns_name_format(zone, text);
	text[strlen(text) - 1] = '\0'; /* the final dot */
	if (i < HOSTING_ZONES)
		x->zones[i] = strdup(text);
	return i < HOSTING_ZONES && x->zones[i];
}

static int list_zones(struct names *x)
{
	const struct prefix *nets[] = {&x->zone.net4, &x->zone.net6};
	struct dns_name reverse[DNS_REVERSE_MAX];
	size_t n = 0;
	bool ok = add_zone(x, n++, &x->zone.name);

	for (size_t i = 0; i < ARRAY_LEN(nets); i++) {
		const size_t count = dns_reverse_zones(nets[i], reverse, ARRAY_LEN(reverse));

		for (size_t k = 0; ok && k < count; k++)
			ok = add_zone(x, n++, &reverse[k]);
	}
	return ok ? TM_OK : TM_ENOMEM;
}

/* A convenience: without it the node is as good as with it. */
static void start_resolving(struct node *n)
{
	struct names *x = n->names;
	const struct resolving_config cfg = {
		.wish = n->config.dns_resolver,
		.ifname = plane_tun_name(n->plane),
		.journal = n->paths.undo_names,
		.server = n->enrolment.self.ip4,
		.zones = (const char *const *)x->zones,
		.search = n->config.dns_search,
	};
	int err = list_zones(x);

	if (!err)
		err = resolving_new(n->base, &cfg, &x->resolving);
	if (err)
		log_warn("node: programs of this machine are not told of the names of the mesh", KV_ERR(err));
}

/* --- life --- */

int names_open(struct node *n)
{
	const struct dns_zone_config zone = {
		.name = mesh_zone(&n->mesh),
		.mesh = peers_mesh(n->peers),
		.net4 = n->mesh.net4,
		.net6 = n->mesh.net6,
		.self_id = n->enrolment.self.id,
		.coordinator_key = n->enrolment.coordinator_key,
	};
	struct names *x = calloc(1, sizeof(*x));

	if (!x)
		return TM_ENOMEM;
	n->names = x;
	x->log = LOG_LIMIT_FEW;
	int err = dns_zone_init(&x->zone, &zone);
	if (err || !n->config.dns)
		return err;
	const struct dns_server_config cfg = {.zone = &x->zone,
		.serve_mesh = n->config.dns_serve == DNS_SERVE_MESH,
		.ctx = n,
		.asked = on_asked};
	err = loop_timer_new(n->base, open_doors, n, &x->again);
	return err ? err : dns_server_new(n->base, &cfg, &x->server);
}

void names_start(struct node *n)
{
	start_resolving(n);
	if (!n->names->server)
		return;
	choose_doors(n);
	open_doors(n);
}

void names_close(struct node *n)
{
	if (!n->names)
		return;
	resolving_free(n->names->resolving); /* before nobody answers any more */
	for (size_t i = 0; n->names->zones[i]; i++)
		free(n->names->zones[i]);
	dns_server_free(n->names->server);
	loop_timer_free(n->names->again);
	free(TAKE(n->names));
}

/* --- what is shown --- */

static void put_doors(const struct names *x, struct jsonout *out)
{
	char text[ENDPOINT_STR_LEN];

	jsonout_list(out, "listen");
	for (size_t i = 0; i < x->n_doors; i++) {
		jsonout_object(out, NULL);
		jsonout_text(out, "address", endpoint_format(&x->doors[i].at, text));
		jsonout_bool(out, "open", x->doors[i].open);
		jsonout_text_or_null(out, "why_not", x->doors[i].why_not);
		jsonout_object_end(out);
	}
	jsonout_list_end(out);
}

static void put_zones(const struct names *x, struct jsonout *out)
{
	const struct prefix *nets[] = {&x->zone.net4, &x->zone.net6};
	struct dns_name zones[DNS_REVERSE_MAX];
	char text[DNS_NAME_TEXT];

	jsonout_text(out, "zone", dns_name_format(&x->zone.name, text));
	jsonout_list(out, "reverse_zones");
	for (size_t i = 0; i < ARRAY_LEN(nets); i++) {
		const size_t count = dns_reverse_zones(nets[i], zones, ARRAY_LEN(zones));

		for (size_t k = 0; k < count; k++)
			jsonout_text(out, NULL, dns_name_format(&zones[k], text));
	}
	jsonout_list_end(out);
}

static void put_counters(const struct dns_server *server, struct jsonout *out)
{
	const struct dns_counters *c = dns_server_counters(server);

	jsonout_object(out, "questions");
#define X(name, text) jsonout_int(out, #name, (int64_t)c->name);
	DNS_COUNTERS(X)
#undef X
	jsonout_object_end(out);
	jsonout_int(out, "connections", (int64_t)dns_server_connections(server));
}

const struct dns_counters *names_counters(const struct node *n, size_t *ret_connections)
{
	const struct dns_server *server = n->names->server;

	*ret_connections = server ? dns_server_connections(server) : 0;
	return server ? dns_server_counters(server) : NULL;
}

bool names_failing(const struct node *n)
{
	const struct names *x = n->names;
	bool failing = false;

	for (size_t i = 0; i < x->n_doors; i++)
		failing |= x->doors[i].why_not[0] != '\0';
	return failing;
}

bool names_resolver_failing(const struct node *n)
{
	const struct names *x = n->names;

	return x->resolving && resolving_failing(x->resolving);
}

char *names_status(const struct node *n)
{
	const struct names *x = n->names;
	struct jsonout out = {0};

	jsonout_object(&out, NULL);
	jsonout_bool(&out, "ok", true);
	jsonout_bool(&out, "enabled", x->server != NULL);
	jsonout_text(&out, "serve", n->config.dns_serve == DNS_SERVE_MESH ? "mesh" : "host");
	put_zones(x, &out);
	put_doors(x, &out);
	if (x->resolving)
		resolving_put(x->resolving, &out);
	else
		jsonout_null(&out, "resolver");
	if (x->server)
		put_counters(x->server, &out);
	jsonout_object_end(&out);
	return jsonout_take(&out, NULL);
}

/* Of several questions the records of all, and the first code. */
static void put_answers(const struct names *x, const struct dns_name *name, const uint16_t *types,
	size_t n_types, struct jsonout *out)
{
	enum dns_rcode rcode = DNS_NOERROR;
	char owner[DNS_NAME_TEXT], data[DNS_DATA_TEXT];
	const struct mesh_node *m;
	struct dns_reply reply;

	jsonout_text(out, "name", dns_name_format(name, owner));
	jsonout_list(out, "records");
	for (size_t i = 0; i < n_types; i++) {
		dns_zone_ask(&x->zone, name, types[i], &reply, &m);
		rcode = rcode ? rcode : reply.rcode;
		for (size_t k = 0; k < reply.n_answer; k++) {
			const struct dns_record *r = &reply.answer[k];

			jsonout_object(out, NULL);
			jsonout_text(out, "type", dns_type_name(r->type));
			jsonout_int(out, "ttl_s", r->ttl);
			jsonout_text(out, "data", dns_record_format(r, data));
			jsonout_object_end(out);
		}
	}
	jsonout_list_end(out);
	jsonout_text(out, "rcode", dns_rcode_name(rcode));
}

char *names_query(const struct node *n, const char *name, const char *type)
{
	static const uint16_t both[] = {DNS_A, DNS_AAAA};
	const struct names *x = n->names;
	struct jsonout out = {0};
	struct dns_name asked;
	bool backwards;
	uint16_t one = DNS_PTR;

	if (dns_query_read(&x->zone, name, &asked, &backwards) != TM_OK) {
		msg_refusal_put(&out, NULL, "invalid", "that is no name of the DNS",
			"labels of 1 to 63 characters with dots between, 253 in all");
		return jsonout_take(&out, NULL);
	}
	if (type[0] && !dns_type_parse(type, &one)) {
		msg_refusal_put(&out, NULL, "invalid", "the mesh has no records of that type",
			"there are A, AAAA, PTR, NS and SOA");
		return jsonout_take(&out, NULL);
	}
	jsonout_object(&out, NULL);
	jsonout_bool(&out, "ok", true);
	if (type[0] || backwards)
		put_answers(x, &asked, &one, 1, &out);
	else
		put_answers(x, &asked, both, ARRAY_LEN(both), &out);
	jsonout_object_end(&out);
	return jsonout_take(&out, NULL);
}
