/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/relaying.h"

#include <string.h>

#include "control/link/clink.h"
#include "control/relay/registrar.h"
#include "node/drive.h"
#include "node/legstreams.h"
#include "node/node_private.h"
#include "node/ports.h"

_Static_assert(
	(int)RELAYS_MAX <= (int)CORE_RELAYS_MAX && (int)RELAY_ADDRS_MAX <= (int)CORE_RELAY_ADDRESSES_MAX,
	"whoever is told has room in the core");

#define PORT_AGAIN (60 * SEC)

struct relaying {
	struct registrar *registrar; /* NULL: we are no relay */
	struct loop_timer *timer;
	struct legstreams *streams;
	struct clink_server *port; /* where streams of members come in; NULL: the coordinator's is used */
	struct loop_timer *port_timer; /* it is tried again */
	bool shut; /* some of it is, and that was said */
	struct log_limit log;
};

/* --- those that we use --- */

void relaying_told(struct node *n, const struct relays *r)
{
	struct core_relay v[RELAYS_MAX];
	size_t count = 0;

	for (size_t i = 0; n->config.relay != RELAY_OFF && i < r->n; i++) {
		const struct relay_rec *told = &r->v[i];
		const struct mesh_node *m = mesh_by_id(peers_mesh(n->peers), told->node);
		struct core_relay *to = &v[count];

		if (!m)
			continue;
		*to = (struct core_relay){
			.member = {.host = m->host}, .n = told->n_addrs, .streams = told->n_tcp > 0};
		memcpy(to->member.id, m->id, sizeof(to->member.id));
		memcpy(to->member.key, m->key, sizeof(to->member.key));
		for (size_t k = 0; k < told->n_addrs; k++)
			to->v[k] = told->addrs[k];
		count++;
	}
	drive_input(n, &(struct core_in){.kind = CORE_RELAYS, .relays = {v, count}});
}

/* --- being one --- */

static bool find_member(void *ctx, const char *id, struct registrar_member *ret_member)
{
	const struct node *n = ctx;
	const struct mesh_node *m = mesh_by_id(peers_mesh(n->peers), id);

	if (!m || m->kind != NODE_MESH || strcmp(m->id, n->enrolment.self.id) == 0)
		return false;
	memcpy(ret_member->id, m->id, sizeof(ret_member->id));
	memcpy(ret_member->key, m->key, sizeof(ret_member->key));
	ret_member->host = m->host;
	const struct contact *c = peers_contact(n->peers, m->id);
	ret_member->stamp = c ? c->stamps.check : 0;
	return true;
}

/* The coordinator tells others where it sees a member, also by its own relay. */
static void tell_coordinator(struct node *n, const struct registrar_out *out)
{
	const bool is_udp = out->what == LEG_PUT && out->way.kind == WAY_UDP;

	if (n->coord && out->what != LEG_SAME)
		coord_set_leg(n->coord, out->member.id, is_udp ? &out->way.remote.ip : NULL);
}

static void tell_plane(struct node *n, const struct registrar_out *out)
{
	struct plane_leg leg = {.way = out->way};
	int err = TM_OK;

	tell_coordinator(n, out);
	if (out->what == LEG_GONE)
		plane_relay_remove(n->plane, out->member.host);
	if (out->what != LEG_PUT)
		return;
	memcpy(leg.key, out->member.key, sizeof(leg.key));
	err = plane_relay_put(n->plane, out->member.host, &leg);
	/* The member is not relayed for until it registers by another way. */
	if (err)
		LOG_LIMITED(LOG_WARN, &n->relaying->log, log_who(out->member.id, NODE_ID_LEN),
			"node: a member cannot be relayed for", KV("id", out->member.id),
			KV_EP("at", &out->way.remote), KV_ERR(err));
}

static void plan(const struct relaying *x)
{
	loop_timer_at(x->timer, x->registrar ? registrar_next(x->registrar) : NS_NEVER);
}

static void on_timer(void *ctx)
{
	struct node *n = ctx;
	struct registrar_out out;

	while (n->relaying->registrar && registrar_due(n->relaying->registrar, time_monotonic(), &out))
		tell_plane(n, &out);
	plan(n->relaying);
}

bool relaying_stun(struct node *n, const struct way_to *by, const uint8_t *msg, size_t len)
{
	struct relaying *x = n->relaying;
	struct registrar_out out;
	ns_t now = time_monotonic();

	/* Further sockets are for questions about translators: nobody is reached by them. */
	if (!x->registrar || (by->kind == WAY_UDP && by->socket != 0) || by->kind == WAY_RELAY_UDP)
		return false;
	if (!registrar_stun(
		    x->registrar, by, msg, len, now, node_clock_read(&n->clock, time_real(), now), &out))
		return false;
	tell_plane(n, &out);
	if (out.n) {
		keeper_heard(n->keeper, out.member.key);
		(void)!plane_send(n->plane, by, out.answer, out.n); /* what is lost is asked again */
	}
	plan(x);
	return true;
}

uint64_t relaying_stamp(const struct node *n, const char *id)
{
	return n->relaying->registrar ? registrar_stamp(n->relaying->registrar, id) : 0;
}

struct registrar *relaying_registrar(const struct node *n)
{
	return n->relaying->registrar;
}

void relaying_act(struct node *n, const struct registrar_out *out)
{
	tell_plane(n, out);
	plan(n->relaying);
}

const struct stream_taker *relaying_taker(const struct node *n)
{
	return legstreams_taker(n->relaying->streams);
}

bool relaying_stream_lost(struct node *n, uint32_t stream)
{
	return legstreams_lost(n->relaying->streams, stream);
}

bool relaying_has(const struct node *n, uint32_t stream)
{
	return legstreams_has(n->relaying->streams, stream);
}

static bool is_allowed(const struct node *n)
{
	const struct mesh_node *self = mesh_by_id(peers_mesh(n->peers), n->enrolment.self.id);

	return self && relay_is_allowed(self);
}

/* Whom UDP does not reach cannot be relayed for without it; the others can. */
static void open_port(void *ctx)
{
	struct node *n = ctx;
	struct relaying *x = n->relaying;
	struct diag d = {0};
	char why[sizeof(d) + 16];
	int err = n->coord || x->port ? TM_OK : ports_open_for_streams(n, &x->port, &d);

	if (!err && x->port)
		err = clink_server_listen(x->port, &d);
	if (err && !x->shut)
		LOG_LIMITED(LOG_WARN, &x->log, LOG_WHO_ALL,
			"node: a port for streams, which members in networks without UDP need, is not open, "
			"trying again each minute",
			KV("why", diag_format(&d, err, why, sizeof(why))));
	if (!err && x->shut)
		log_info("node: all ports for streams are open");
	x->shut = err != TM_OK;
	if (err)
		loop_timer_in(x->port_timer, PORT_AGAIN);
}

static int begin(struct node *n)
{
	const struct registrar_config cfg = {
		.private_key = n->identity.x_priv,
		.self_id = n->enrolment.self.id,
		.net4 = n->mesh.net4,
		.net6 = n->mesh.net6,
		.members_max = NETMAP_NODES_MAX,
		.ctx = n,
		.find = find_member,
	};
	int err = plane_relay_offer(n->plane, true);

	if (!err)
		err = registrar_new(&cfg, &n->relaying->registrar);
	if (!err)
		open_port(n);
	return err;
}

static void end(struct node *n)
{
	loop_timer_stop(n->relaying->port_timer);
	n->relaying->shut = false;
	clink_server_free(TAKE(n->relaying->port));
	legstreams_forget(n->relaying->streams, NULL);
	registrar_free(TAKE(n->relaying->registrar));
	(void)!plane_relay_offer(n->plane, false); /* ending cannot fail */
	plan(n->relaying);
}

static void turn(struct node *n)
{
	bool is = n->relaying->registrar, should = n->config.relay == RELAY_OFFER && is_allowed(n);
	int err = TM_OK;

	if (is == should)
		return;
	if (should)
		err = begin(n);
	if (err || !should)
		end(n);
	if (err)
		LOG_LIMITED(LOG_WARN, &n->relaying->log, LOG_WHO_ALL,
			"node: this node cannot relay, trying again at the next change of the mesh",
			KV_ERR(err));
	else
		log_info(should ? "node: relaying for members that find no direct path"
				: "node: not relaying any more");
}

void relaying_mesh(struct node *n, const struct mesh_diff *d)
{
	struct relaying *x = n->relaying;
	struct registrar_out out;

	for (size_t i = 0; x->registrar && i < d->n; i++) {
		if (!(d->v[i].what & (MESH_REMOVED | MESH_KEY | MESH_KIND | MESH_ADDRESSES)))
			continue;
		legstreams_forget(x->streams, d->v[i].before->id);
		registrar_forget(x->registrar, d->v[i].before->id, &out);
		tell_plane(n, &out);
	}
	turn(n);
}

void relaying_look(const struct node *n, struct relaying_view *ret_view)
{
	const struct plane_relayed all = plane_relayed(n->plane);

	*ret_view = (struct relaying_view){
		.offered = n->config.relay == RELAY_OFFER,
		.allowed = is_allowed(n),
		.members = n->relaying->registrar ? registrar_size(n->relaying->registrar) : 0,
		.refused = n->relaying->registrar ? registrar_refused(n->relaying->registrar) : 0,
		.packets = all.packets,
		.bytes = all.bytes,
	};
}

/* --- life --- */

int relaying_open(struct node *n)
{
	n->relaying = calloc(1, sizeof(*n->relaying));
	if (!n->relaying)
		return TM_ENOMEM;
	n->relaying->log = LOG_LIMIT_FEW;
	int err = legstreams_new(n, &n->relaying->streams);
	if (!err)
		err = loop_timer_new(n->base, open_port, n, &n->relaying->port_timer);
	return err ? err : loop_timer_new(n->base, on_timer, n, &n->relaying->timer);
}

void relaying_close(struct node *n)
{
	if (!n->relaying)
		return;
	clink_server_free(n->relaying->port);
	legstreams_free(n->relaying->streams);
	registrar_free(n->relaying->registrar);
	loop_timer_free(n->relaying->port_timer);
	loop_timer_free(n->relaying->timer);
	free(TAKE(n->relaying));
}
