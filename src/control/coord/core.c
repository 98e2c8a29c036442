/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/log.h"
#include "base/secret.h"
#include "control/coord/coord_private.h"
#include "crypto/init.h"

#include <event2/event.h>
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
		.ephemeral_after = 600 * SEC,
		.watch_for = 300 * SEC,
		.first_message = 30 * SEC,
		.touch_every = 30 * SEC,
		.tick = 5 * SEC,
		.msg_rate = 200,
		.msg_burst = 2000,
		.unix_now = unix_now,
	};
}

static void on_push(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	push_run(arg);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tick_run(arg);
}

static void on_bury(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_bury(arg);
}

static int load_node(void *ctx, const struct store_node *n)
{
	struct coord *c = ctx;
	struct member *m;

	int err = ipam_take(c->ipam, n->rec.host);
	if (!err)
		err = registry_add(c->reg, n, &m);
	if (err)
		return err == TM_ENOMEM ? err : TM_ECORRUPT;
	if (m->s.ephemeral)
		tick_member_offline(c, m); /* nobody is connected yet */
	return TM_OK;
}

struct load {
	struct store_mesh mesh;
	uint64_t epoch;
};

static int start_epoch(struct store *s, void *ctx)
{
	struct load *load = ctx;

	int err = store_mesh_load(s, &load->mesh);
	if (err)
		return err;

	return store_epoch_next(s, &load->epoch);
}

/*
 * The first version of this run: the epoch, which grows with each start, above 31 random bits, so that a
 * database restored from a backup does not repeat the versions that nodes remember.
 */
static uint64_t first_version(uint64_t epoch)
{
	return epoch << 32 | (random_u32() >> 1);
}

static int load_all(struct coord *c, struct diag *d)
{
	struct load load;

	int err = store_transaction(c->store, start_epoch, &load);
	if (err)
		return err;

	uint32_t limit = mesh_hosts_max(&load.mesh.info.net4, &load.mesh.info.net6);
	if (!limit) {
		wipe(&load, sizeof(load));
		return diag_what(d, TM_ECORRUPT, "the mesh database has address ranges without room");
	}
	err = ipam_new(limit, &c->ipam);
	if (!err)
		err = registry_new(&load.mesh.info, first_version(load.epoch), &c->reg);
	wipe(&load, sizeof(load));
	if (err)
		return err;

	err = store_node_each(c->store, load_node, c);
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
	struct timeval every = {.tv_sec = c->tuning.tick / SEC, .tv_usec = c->tuning.tick % SEC / US};

	c->push_timer = event_new(c->base, -1, 0, on_push, c);
	c->tick_timer = event_new(c->base, -1, EV_PERSIST, on_tick, c);
	c->bury_timer = event_new(c->base, -1, 0, on_bury, c);
	if (!c->push_timer || !c->tick_timer || !c->bury_timer || event_add(c->tick_timer, &every) < 0)
		return TM_ENOMEM;
	return TM_OK;
}

static int core_fill(struct coord *c, const struct coord_config *cfg, struct diag *d)
{
	int err = map_new(sizeof(uint64_t), &c->conn_by_id);
	if (!err)
		err = map_new(2 * NODE_ID_LEN, &c->watches);
	if (!err)
		err = make_timers(c);
	if (!err)
		err = store_open(cfg->db_path, &c->store, d);
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
	c->push_at = NS_NEVER;
	c->log_limit = (struct log_limit){.every = 1 * SEC, .burst = 20};
	c->next_touch = time_monotonic() + tuning->touch_every;
	struct list *const lists[] = {
		&c->conns, &c->dead_conns, &c->strangers, &c->expiry, &c->touched, &c->watch_order};
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

static void free_events(struct coord *c)
{
	struct event *const events[] = {c->push_timer, c->tick_timer, c->bury_timer};

	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (events[i])
			event_free(events[i]);
}

void coord_core_free(struct coord *c)
{
	if (!c)
		return;

	c->stopping = true;
	helper_free(c->helper); /* answers what is still open */
	if (c->reg) {
		tick_store_rest(c);
		for (size_t i = 0; i < 2; i++) {
			struct list *l, *all = i ? &c->dead_conns : &c->conns;

			while ((l = list_pop_front(all)))
				free(CONTAINER_OF(l, struct conn, in_conns));
		}
		watch_expire(c, NS_NEVER);
	}
	free_events(c);
	map_free(c->watches);
	map_free(c->conn_by_id);
	registry_free(c->reg);
	ipam_free(c->ipam);
	store_free(c->store);
	free(c);
}

void coord_set_addresses(struct coord *c, const char *const *addresses, size_t n)
{
	c->n_addresses = 0;
	for (size_t i = 0; i < n && c->n_addresses < TOKEN_ADDRS_MAX; i++) {
		char *to = c->addresses[c->n_addresses];

		if (addresses[i][0] && snprintf(to, TOKEN_ADDR_LEN, "%s", addresses[i]) < TOKEN_ADDR_LEN)
			c->n_addresses++;
	}
}

json_t *coord_addresses_json(const struct coord *c)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < c->n_addresses; i++)
		if (json_array_append_new(list, json_string(c->addresses[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

const struct mesh_info *coord_mesh(const struct coord *c)
{
	return registry_mesh(c->reg);
}

void coord_forget_member(struct coord *c, struct member *m, const char *why)
{
	struct conn *n = m->conn;

	watch_forget(c, m);
	list_remove(&m->in_expiry);
	list_remove(&m->in_touched);
	m->conn = NULL;
	if (n)
		n->member = NULL;
	ipam_release(c->ipam, m->s.rec.host);
	log_info("coord: node removed", KV("node", m->s.rec.name), KV("why", why));
	registry_remove(c->reg, m);
	if (n)
		conn_removed(n, why);
}
