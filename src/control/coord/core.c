/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/secret.h"
#include "control/coord/coord_private.h"
#include "control/link/clink.h"
#include "control/store/sqlite/sqlite.h"

#include <stdio.h>
#include <string.h>

static int64_t unix_now(void)
{
	return time_real() / SEC;
}

struct coord_tuning coord_tuning_default(void)
{
	return (struct coord_tuning){
		.push_gap = 20 * MS,
		.push_debt = 1 * SEC,
		.push_slice = 500,
		.snapshot_bytes = 64 << 20,
		.snapshot_grace = 30 * SEC,
		.snapshot_rate = 64 << 10,
		.ephemeral_after = 600 * SEC,
		.twin_for = 180 * SEC,
		.watch_for = 300 * SEC,
		.watch_gap = 200 * MS,
		.watch_rate = 1000,
		.announce_gap = 500 * MS,
		.watching_max = 1024,
		.first_message = 30 * SEC,
		.touch_every = 30 * SEC,
		.tick = 5 * SEC,
		.msg_rate = 200,
		.msg_burst = 2000,
		.msg_bytes = 8 << 10,
		.relays_gap = 200 * MS,
		.relays_rate = 500,
		.relay_settle = 2 * SEC,
		.relay_settle_max = 600 * SEC,
		.relay_keep = 300 * SEC,
		.relays_partial = 90 * SEC,
		.feed_slice = 1000,
		.policy_slice = 1000000,
		.policy_rests = 20,
		.returns_max = 30,
		.returns_a_minute = 30,
		.unix_now = unix_now,
	};
}

static void on_tick(void *ctx)
{
	struct coord *c = ctx;

	tick_run(c);
	loop_timer_in(c->tick_timer, c->tuning.tick);
}

static int load_node(void *ctx, const struct store_node *n)
{
	struct coord *c = ctx;
	struct member *m;

	int err = registry_put(c->reg, 0, n, &m);
	if (err)
		return err == TM_ENOMEM ? err : TM_ECORRUPT;
	if (m->s.ephemeral)
		tick_member_offline(c, m); /* nobody is connected yet */
	return TM_OK;
}

/* The versions that nodes may hold: what changed in each. */
static int load_change(void *ctx, const struct store_change *x)
{
	struct coord *c = ctx;
	struct member *m = registry_by_id(c->reg, x->node.rec.id);

	if (m)
		registry_note_change(c->reg, x->version, m);
	else
		registry_note_removal(c->reg, x->version, x->node.rec.id);
	c->fed = x->version;
	return TM_OK;
}

static int load_all(struct coord *c, struct diag *d)
{
	struct store_mesh mesh;

	int err = store_mesh_load(c->store, &mesh);
	if (!err && !mesh_hosts_max(&mesh.info.net4, &mesh.info.net6))
		err = diag_what(d, TM_ECORRUPT, "the mesh database has address ranges without room");
	if (!err)
		err = registry_new(&mesh.info, &c->reg);
	wipe(&mesh, sizeof(mesh));
	if (!err)
		err = store_node_each(c->store, load_node, c);
	if (!err)
		err = store_change_each(c->store, 0, load_change, c);
	if (!err)
		err = policy_load(c);
	if (!err)
		err = alarms_load(c);
	if (err)
		return err;

	const struct member *self = registry_by_key(c->reg, c->identity->x_pub);
	if (!self || !self->s.rec.coordinator) {
		diag_hint(d, "put the identity file back that belongs to this database");
		return diag_what(d, TM_EINVAL,
			"this machine's identity is not the coordinator of the mesh in the database");
	}
	return TM_OK;
}

static int make_timers(struct coord *c)
{
	int err = push_init(c);
	if (!err)
		err = relays_init(c);
	if (!err)
		err = policy_init(c);
	if (!err)
		err = reports_init(c);
	if (!err)
		err = jobs_init(c);
	if (!err)
		err = loop_timer_new(c->base, on_tick, c, &c->tick_timer);
	if (!err)
		loop_timer_in(c->tick_timer, c->tuning.tick);
	return err;
}

static void tell_migration(const struct coord *c)
{
	const struct store_migration *m = store_migrated(c->store);

	if (m->from)
		log_info(
			"coord: the mesh database was brought to a newer version; an older program needs the "
			"copy of what it was",
			KV_INT("from", m->from), KV_INT("to", m->to), KV("copy", m->before));
}

static int core_fill(struct coord *c, const struct coord_config *cfg, struct diag *d)
{
	int err = map_new(sizeof(uint64_t), &c->conn_by_id);
	if (!err)
		err = watch_init(c);
	if (!err)
		err = make_timers(c);
	if (!err)
		err = store_open(&store_sqlite, cfg->db_path, &c->store, d);
	if (!err)
		tell_migration(c);
	if (!err)
		err = load_all(c, d);
	if (!err)
		err = helper_new(c->base, "tm-sql", &c->helper);
	if (!err)
		coord_set_addresses(c, cfg->addresses, cfg->n_addresses);
	return err;
}

int coord_core_new(struct event_base *base, const struct coord_config *cfg, const struct coord_tuning *tuning,
	struct coord **ret_coord, struct diag *d)
{
	struct coord *c = calloc(1, sizeof(*c));

	if (!c)
		return TM_ENOMEM;

	c->base = base;
	c->identity = cfg->identity;
	c->tuning = *tuning;
	c->data_port = cfg->data_port;
	c->db_path = cfg->db_path;
	c->on_event = cfg->on_event;
	c->on_change = cfg->on_change;
	c->on_event_ctx = cfg->on_event_ctx;
	c->log = (struct coord_log){.refused = LOG_LIMIT_FEW,
		.flood = LOG_LIMIT_FEW,
		.members = {.window = 60 * SEC, .each = 20, .all = 60},
		.presence = LOG_LIMIT_STATES,
		.relays = LOG_LIMIT_ONE,
		.behind = LOG_LIMIT_FEW,
		.policy = LOG_LIMIT_FEW,
		.links = LOG_LIMIT_DEBUG};
	c->next_touch = time_monotonic() + tuning->touch_every;
	struct list *const lists[] = {&c->conns, &c->fresh, &c->strangers, &c->expiry, &c->through, &c->twins,
		&c->touched, &c->watch_order, &c->telling};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		list_init(lists[i]);
	int err = core_fill(c, cfg, d);
	if (err) {
		if (d && !d->where[0])
			diag_where(d, "%s", cfg->db_path);
		store_explain(err, d);
		coord_core_free(c);
		return err;
	}
	*ret_coord = c;
	return TM_OK;
}

void coord_core_free(struct coord *c)
{
	if (!c)
		return;

	c->stopping = true;
	helper_free(c->helper); /* answers what is still open */
	jobs_deinit(c);
	if (c->reg) {
		tick_store_rest(c);
		for (struct list *l; (l = list_pop_front(&c->conns));)
			free(CONTAINER_OF(l, struct conn, in_conns));
		watch_expire(c, NS_NEVER);
		twin_expire(c, NS_NEVER);
	}
	push_deinit(c);
	relays_deinit(c);
	policy_deinit(c);
	reports_deinit(c);
	watch_deinit(c);
	loop_timer_free(c->tick_timer);
	map_free(c->conn_by_id);
	registry_free(c->reg);
	store_free(c->store);
	free(c);
}

static bool addresses_eq(const struct msg_addresses *a, const struct msg_addresses *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

/* Who is linked learns at once where to look for us next time. */
static void tell_addresses(struct coord *c)
{
	_cleanup_(clink_text_unrefp) struct clink_text *t = NULL;
	struct jsonout o = {0};

	msg_addresses_put(&o, &c->addresses);
	if (conn_text(&o, &t) != TM_OK)
		return;
	LIST_FOREACH_SAFE (n, &c->conns, struct conn, in_conns)
		if (n->state == CONN_MEMBER)
			(void)!conn_send_text(n, t); /* the next welcome says it, too */
}

void coord_set_leg(struct coord *c, const char *id, const struct ip *at)
{
	struct member *m = registry_by_id(c->reg, id);

	if (m)
		m->leg_at = at ? *at : (struct ip){.family = IP_NONE};
}

void coord_set_addresses(struct coord *c, const char *const *addresses, size_t n)
{
	struct msg_addresses a = {.n = 0};

	for (size_t i = 0; i < n && a.n < TOKEN_ADDRS_MAX; i++)
		if (addresses[i][0] &&
			snprintf(a.v[a.n], TOKEN_ADDR_LEN, "%s", addresses[i]) < TOKEN_ADDR_LEN)
			a.n++;
	if (addresses_eq(&a, &c->addresses))
		return;
	c->addresses = a;
	tell_addresses(c);
	relays_changed(c, NULL);
}

void coord_changed(struct coord *c)
{
	if (c->on_change && !c->stopping)
		c->on_change(c->on_event_ctx);
}

const struct mesh_info *coord_mesh(const struct coord *c)
{
	return registry_mesh(c->reg);
}

uint64_t coord_brought_by(const struct store_node *s)
{
	return s->rec.kind == NODE_CLIENT ? log_who(s->rec.via, strlen(s->rec.via))
					  : log_who(s->token, sizeof(s->token));
}

void coord_forget_member(struct coord *c, struct member *m, uint64_t version, const char *why)
{
	struct conn *n = m->conn;

	watch_forget(c, m);
	relays_forget(c, m);
	reports_forget(c, m);
	twin_forget(m);
	list_remove(&m->in_expiry);
	list_remove(&m->in_touched);
	m->conn = NULL;
	if (n)
		n->member = NULL;
	LOG_LIMITED(LOG_INFO, &c->log.members, coord_brought_by(&m->s), "coord: member removed",
		KV("name", m->s.rec.name), KV("why", why));
	registry_remove(c->reg, version, m);
	if (n)
		conn_removed(n, why);
}
