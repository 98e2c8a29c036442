/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When the core asks what stands between us and the world (control/path/nat.h), whom, and what it answers
 * others who ask it.
 *
 * Asked is when the first server is known, when our network or the servers changed, and when we are suddenly
 * seen under another address; never because time has passed. Whoever wants to know now says so (CORE_PROBE).
 */
#include "base/secret.h"
#include "control/path/core_private.h"
#include "crypto/dh.h"

#include <stdio.h>
#include <string.h>

/* After a change: by then its next ones have come, and the questions that matter more were asked. At the
 * start nothing has changed yet, and whoever is to guess ports waits for it. */
#define NAT_SOON SEC
#define NAT_FIRST (100 * MS)
/* By itself at most so often. */
#define NAT_RARELY (15 * SEC)

void core_nat_init(struct core *c)
{
	nat_prober_init(&c->nat.prober);
	c->nat.planned = NS_NEVER;
}

static void is_due(struct core *c)
{
	heap_set(&c->heap, &c->nat.due, ns_min(c->nat.planned, c->nat.prober.due));
}

void core_nat_soon(struct core *c, ns_t now)
{
	const struct nat_report *r = &c->nat.prober.report;
	ns_t at = now + NAT_SOON;

	if (!c->nat.prober.n_servers)
		return;
	/* Thousands that start at once ask for their address in turn: this comes after it. */
	if (!r->began)
		at = MAX(now, legs_begin(&c->legs)) + NAT_FIRST;
	if (r->began)
		at = MAX(at, r->began + NAT_RARELY);
	c->nat.planned = c->nat.planned == NS_NEVER ? at : ns_min(at, c->nat.planned);
	is_due(c);
}

/* Where one mapping serves for everybody, that is where we are until the next report, which may be long to
 * come: a translator has forgotten us, and others are to be told where ports are tried next. */
void core_nat_moved(struct core *c, const struct endpoint *before, const struct endpoint *after, ns_t now)
{
	struct stun_guess *g = &c->nat.outside;

	for (size_t i = 0; i < g->n && c->nat.told.mapping == NAT_INDEPENDENT; i++)
		if (endpoint_eq(&g->seen[i], before) && after->ip.family == IP_V4)
			g->seen[i] = *after;
	core_nat_soon(c, now);
}

/* --- whom --- */

static struct nat_server *server_by_id(struct core_nat *n, const char *id)
{
	for (size_t i = 0; i < n->n_known; i++)
		if (strcmp(n->known[i].id, id) == 0)
			return &n->known[i];
	return NULL;
}

static bool same_servers(const struct nat_prober *p, const struct core_nat *n)
{
	bool same = p->n_servers == n->n_known;

	for (size_t i = 0; same && i < n->n_known; i++)
		same = strcmp(p->servers[i].id, n->known[i].id) == 0 &&
		       endpoint_eq(&p->servers[i].at[0], &n->known[i].at[0]) &&
		       endpoint_eq(&p->servers[i].at[1], &n->known[i].at[1]);
	return same;
}

/* The first usable address of each family. False: none. */
static bool find_addresses(
	const struct core *c, const struct endpoint *v, size_t n, struct endpoint ret_at[static 2])
{
	bool any = false;

	ret_at[0] = ret_at[1] = (struct endpoint){.port = 0};
	for (size_t i = 0; i < n; i++) {
		struct endpoint *at = &ret_at[v[i].ip.family == IP_V6];

		if (endpoint_is_set(&v[i]) && !endpoint_is_set(at) &&
			candidate_usable(&v[i], &c->net4, &c->net6)) {
			*at = v[i];
			any = true;
		}
	}
	return any;
}

/* Leaves the key that an entry of this id has: a Diffie-Hellman. Of one whose key is none nothing is known.
 */
static void know(struct core *c, const char *id, const uint8_t *key, const struct endpoint *v, size_t n)
{
	struct core_nat *nat = &c->nat;
	struct nat_server *s = server_by_id(nat, id), fresh = {.key = {0}};

	if (!s && nat->n_known == NAT_SERVERS)
		return;
	if (!find_addresses(c, v, n, fresh.at))
		return;
	if (s) {
		memcpy(s->at, fresh.at, sizeof(s->at));
		return;
	}
	memcpy(fresh.id, id, strnlen(id, NODE_ID_LEN));
	if (stun_pair_key(c->key, key, fresh.key) == TM_OK)
		nat->known[nat->n_known++] = fresh;
}

static void forget_relays(struct core *c)
{
	struct core_nat *n = &c->nat;
	size_t kept = 0;

	for (size_t i = 0; i < n->n_known; i++)
		if (strcmp(n->known[i].id, n->coordinator) == 0)
			n->known[kept++] = n->known[i];
	n->n_known = kept;
}

static void servers_are(struct core *c, ns_t now)
{
	if (same_servers(&c->nat.prober, &c->nat))
		return;
	nat_set_servers(&c->nat.prober, c->nat.known, c->nat.n_known);
	core_nat_soon(c, now);
}

void core_nat_coordinator(struct core *c, const struct core_in *in, ns_t now)
{
	snprintf(c->nat.coordinator, sizeof(c->nat.coordinator), "%s", in->id);
	know(c, in->id, in->key, in->server.v, in->server.n);
	servers_are(c, now);
}

void core_nat_relays(struct core *c, const struct core_in *in, ns_t now)
{
	forget_relays(c);
	for (size_t i = 0; i < in->relays.n; i++) {
		const struct core_relay *r = &in->relays.v[i];

		/* Where the coordinator is, its link knows best. */
		if (strcmp(r->member.id, c->self.id) != 0 && strcmp(r->member.id, c->nat.coordinator) != 0)
			know(c, r->member.id, r->member.key, r->v, r->n);
	}
	servers_are(c, now);
}

/* --- asking --- */

void core_nat_start(struct core *c, bool full, ns_t now)
{
	const struct nat_self self = {
		.local = c->local, .n_local = c->n_local, .port = c->port, .aside = c->nat.aside != 0};
	uint8_t key[STUN_KEY];

	full = full && stun_pair_key(c->key, dh_key_public(c->key), key) == TM_OK;
	nat_start(&c->nat.prober, &self, full, key, now);
	wipe(key, sizeof(key));
	c->nat.planned = NS_NEVER;
	c->nat.over = false;
	is_due(c);
}

static bool has_address(const struct stun_guess *g, const struct ip *ip)
{
	for (unsigned i = 0; i < g->n; i++)
		if (ip_eq(&g->seen[i].ip, ip))
			return true;
	return false;
}

/* Ports that follow from ours say nothing of those that another socket gets: then one of each address. */
static void remember_outside(const struct nat_facts *f, struct stun_guess *ret_outside)
{
	struct stun_guess g = {.n = 0};

	for (size_t i = 0; i < f->n_seen && g.n < STUN_GUESS_MAX; i++)
		if (f->port_kept != NAT_YES || !has_address(&g, &f->seen[i].ep.ip))
			g.seen[g.n++] = f->seen[i].ep;
	*ret_outside = g;
}

/* What others should know of it. */
static void remember(struct core *c)
{
	const struct nat_report *r = &c->nat.prober.report;
	struct core_nat *n = &c->nat;

	n->began = r->began;
	nat_tell(r, &n->told);
	n->keeps_ports = false;
	for (size_t i = 0; i < r->family[0].n_seen; i++)
		n->keeps_ports |= r->family[0].seen[i].ep.port == c->port;
	remember_outside(&r->family[0], &n->outside);
	n->n_seen = 0;
	for (size_t i = 0; i < ARRAY_LEN(r->family); i++)
		for (size_t k = 0; k < r->family[i].n_seen && n->n_seen < CORE_NAT_SEEN; k++)
			if (r->family[i].seen[k].times > 1)
				n->seen[n->n_seen++] = r->family[i].seen[k].ep;
	core_refresh_mine(c);
}

size_t core_nat_seen(const struct core *c, struct endpoint ret_eps[static CORE_NAT_SEEN])
{
	for (size_t i = 0; i < c->nat.n_seen; i++)
		ret_eps[i] = c->nat.seen[i];
	return c->nat.n_seen;
}

/* The report has grown, or is over. How ports are mapped is known after two round trips, and told then: what
 * is still open are filters, whose silence takes a second to mean something. */
static void tell(struct core *c)
{
	bool over = c->nat.prober.report.done;
	struct core_out *out = queue_push(&c->queue, CORE_PROBED, WHY_PROBE);

	memcpy(out->peer.id, c->self.id, sizeof(out->peer.id));
	if (over ? !c->nat.over : nat_mapping_is_known(&c->nat.prober))
		remember(c);
	c->nat.over = over;
}

void core_nat_step(struct core *c, ns_t now)
{
	struct nat_prober *p = &c->nat.prober;
	struct nat_out what;

	if (c->nat.planned <= now)
		core_nat_start(c, false, now);
	bool sends = nat_step(p, &c->self, now, &what);
	is_due(c);
	/* Through the mesh it would be seen under an address of the mesh. */
	if (sends && core_outlet(&c->ops, &(struct way_to){.remote = what.to}).reach != REACH_MESH) {
		struct core_out *out = queue_push(&c->queue, CORE_SEND, WHY_PROBE);

		memcpy(out->peer.id, c->self.id, sizeof(out->peer.id));
		out->way.remote = what.to;
		out->way.socket = what.aside ? c->nat.aside : 0;
		memcpy(out->msg, what.msg, what.n);
		out->n = what.n;
	}
	if (p->report.done && !c->nat.over)
		tell(c);
}

bool core_nat_taken(
	struct core *c, const struct core_in *in, const char *sender, const struct stun_msg *m, ns_t now)
{
	struct nat_prober *p = &c->nat.prober;
	const struct endpoint *from = &in->stun.by.remote;
	const uint8_t *key = nat_asked(p, &c->self, sender, m, from);

	if (!key || stun_verify(in->stun.msg, in->stun.n, m, key) != TM_OK)
		return false;
	nat_answered(p, m, from, now);
	is_due(c);
	tell(c);
	return true;
}

const struct nat_report *core_nat(const struct core *c)
{
	return &c->nat.prober.report;
}

const char *core_home(const struct core *c)
{
	const char *coordinator = "";

	for (size_t i = 0; i < c->legs.n; i++) {
		if (c->legs.v[i].home)
			return c->legs.v[i].member.id;
		if (c->legs.v[i].coordinator)
			coordinator = c->legs.v[i].member.id;
	}
	return coordinator;
}

/* --- answering --- */

size_t core_nat_serve(const struct core *c, const struct core_in *in, const struct core_member *who,
	const uint8_t key[static STUN_KEY], const struct stun_msg *req, struct way_to *ret_by, uint8_t *out,
	size_t out_len)
{
	struct nat_doors doors = c->nat.doors;

	doors.local = c->local;
	doors.n_local = c->n_local;
	return nat_serve(&doors, &c->self, who->id, key, req, in->stun.n, &in->stun.by, ret_by, out, out_len);
}
