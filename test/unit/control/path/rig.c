/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "rig.h"

#include "crypto/dh.h"
#include "crypto/init.h"
#include "unit/unit.h"

#include <stdio.h>

struct rig rig;

static uint32_t dice(struct rig *r)
{
	r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(r->seed >> 33);
}

static uint32_t op_random(void *ctx)
{
	struct side *s = ctx;

	return dice(s->rig) << 1;
}

static bool op_find(void *ctx, const char *id, const uint8_t *key, struct core_member *ret_member)
{
	const struct side *s = ctx, *other = &s->rig->side[!s->number];

	if (other->stranger || (id ? strcmp(id, other->self.id) != 0 : memcmp(key, other->self.key, 32) != 0))
		return false;
	*ret_member = other->self;
	return true;
}

/* The route from `from` to that address; NULL: nothing is there. */
static struct route *leave(struct rig *r, unsigned from, const struct endpoint *to)
{
	for (unsigned i = 0; i < r->n_routes; i++)
		if (endpoint_eq(&r->routes[i].end[!from], to))
			return &r->routes[i];
	return NULL;
}

static void op_outlet(void *ctx, const struct way_to *way, struct outlet *ret_outlet)
{
	const struct side *s = ctx;
	const struct route *route = leave(s->rig, s->number, &way->remote);

	*ret_outlet = (struct outlet){.ifindex = s->uplink};
	if (route && s->number == A)
		ret_outlet->reach = route->reach;
}

void rig_init(struct rig *r, uint64_t seed)
{
	assert_int_equal(crypto_init(NULL), 0);
	*r = (struct rig){.now = 1000 * SEC, .seed = seed, .lateness = 300 * US};
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = &r->side[i];
		struct core_config cfg = {.private_key = s->private_key, .port = 51820};
		const struct core_ops ops = {
			.ctx = s, .find = op_find, .random = op_random, .outlet = op_outlet};

		*s = (struct side){.rig = r, .number = i, .exchange = true, .real = 1767225600 * SEC};
		memset(s->private_key, (int)i + 1, sizeof(s->private_key));
		dh_clamp(s->private_key);
		assert_int_equal(dh_public(s->private_key, s->self.key), 0);
		memset(s->self.id, i == A ? 'a' : 'b', NODE_ID_LEN);
		cfg.self_id = s->self.id;
		assert_int_equal(prefix_parse("100.101.0.0/16", &cfg.net4), 0);
		assert_int_equal(prefix_parse("fd01:2:3:4::/64", &cfg.net6), 0);
		assert_int_equal(core_new(&cfg, &ops, &s->core), 0);
	}
}

void rig_deinit(struct rig *r)
{
	for (unsigned i = 0; i < 2; i++) {
		core_free(r->side[i].core);
		strbuf_deinit(&r->side[i].lines);
	}
}

int rig_setup(void **state)
{
	(void)state;
	rig_init(&rig, 1);
	return 0;
}

int rig_teardown(void **state)
{
	(void)state;
	rig_deinit(&rig);
	return 0;
}

struct route *rig_route(struct rig *r, enum candidate_type type, const char *a, const char *b, ns_t delay)
{
	struct route *route = &r->routes[r->n_routes++];

	assert_true(r->n_routes <= ROUTES_MAX);
	*route = (struct route){.type = type, .delay = delay};
	assert_int_equal(endpoint_parse(a, &route->end[A]), 0);
	assert_int_equal(endpoint_parse(b, &route->end[B]), 0);
	return route;
}

struct candidates rig_candidates(const struct rig *r, unsigned of)
{
	struct candidates c = {.n = 0};

	for (unsigned i = 0; i < r->n_routes; i++)
		c.v[c.n++] = (struct candidate){r->routes[i].type, r->routes[i].end[of]};
	return c;
}

static void transmit(struct rig *r, unsigned from, const struct core_out *out)
{
	struct route *route = leave(r, from, &out->way.remote);

	if (!route || route->cut || route->loses_checks)
		return;
	assert_true(r->n_wire < DATAGRAMS_MAX);
	struct datagram *d = &r->wire[r->n_wire++];
	*d = (struct datagram){.at = r->now + route->delay, .to = !from, .n = out->n};
	d->route = (unsigned)(route - r->routes);
	memcpy(d->msg, out->msg, out->n);
}

static void input(struct rig *r, unsigned to, const struct core_in *in)
{
	core_input(r->side[to].core, in, r->now);
	r->side[to].touched = r->now;
}

static void act(struct rig *r, struct side *s, const struct core_out *out)
{
	char line[CORE_LINE_MAX];

	s->outs[out->kind]++;
	if (out->kind != CORE_SAMPLE)
		strbuf_printf(&s->lines, "%s\n", core_out_format(out, line));
	switch (out->kind) {
	case CORE_SEND:
		assert_true(out->n > 0);
		s->checks += out->why == WHY_CHECK || out->why == WHY_HEARTBEAT;
		transmit(r, s->number, out);
		break;
	case CORE_USE:
		s->way = out->way;
		break;
	case CORE_ASK:
		for (unsigned i = 0; i < 2 && s->exchange; i++)
			rig_tell(r, i, i != s->number);
		break;
	case CORE_SAMPLE:
		input(r, s->number,
			&(struct core_in){.kind = CORE_ACTIVITY,
				.key = out->peer.key,
				.activity = {s->last_recv, s->tx_bytes}});
		break;
	case CORE_TELL:
	case CORE_WORKS:
	case CORE_WAKE:
	case CORE_REGISTERED:
	case CORE_STREAM_OPEN:
	case CORE_STREAM_CLOSE:
	case CORE_PROBED:
	case CORE_OPEN:
	case CORE_CLOSE:
	case CORE_AGAIN:
	case CORE_LIVES:
	case CORE_NOTE:
	case CORE_OUT_N:
		break;
	}
}

static void drain(struct rig *r, unsigned side)
{
	struct side *s = &r->side[side];
	unsigned before = s->checks, turns = 0;
	struct core_out out;

	while (core_output(s->core, r->now, s->real, &out)) {
		act(r, s, &out);
		if (++turns > 10000)
			fail_msg("it never ends");
	}
	s->largest_burst = MAX(s->largest_burst, s->checks - before);
}

/* What another side's output brings waits for the next turn of rig_run. */
void rig_tell(struct rig *r, unsigned to, bool looks)
{
	struct candidates c = rig_candidates(r, !to);

	input(r, to,
		&(struct core_in){.kind = CORE_CANDIDATES,
			.id = r->side[!to].self.id,
			.candidates = &c,
			.looks = looks});
}

void rig_input(struct rig *r, unsigned to, struct core_in in)
{
	input(r, to, &in);
	drain(r, to);
}

void rig_want(struct rig *r, unsigned side)
{
	rig_input(r, side, (struct core_in){.kind = CORE_WANT, .key = r->side[!side].self.key});
}

static struct way_to came_by(const struct route *route, unsigned at)
{
	return (struct way_to){.remote = route->end[!at],
		.local = route->end[at].ip,
		.local_ifindex = at == A ? route->arrives : 0};
}

void rig_heard(struct rig *r, unsigned at, const struct route *by)
{
	rig_input(r, at,
		(struct core_in){.kind = CORE_HEARD, .key = r->side[!at].self.key, .by = came_by(by, at)});
}

void rig_network(struct rig *r, unsigned side, const char *address)
{
	struct ip ip;
	size_t n = address && ip_parse(address, &ip) == TM_OK;

	rig_input(r, side, (struct core_in){.kind = CORE_NETWORK, .network = {&ip, n}});
}

static void deliver(struct rig *r, const struct datagram *d)
{
	const struct route *route = &r->routes[d->route];

	if (!route->cut)
		rig_input(r, d->to,
			(struct core_in){.kind = CORE_STUN,
				.stun = {.by = came_by(route, d->to), .msg = d->msg, .n = d->n}});
}

/* When the side's timer goes off. What an input made due at once needs none. */
static ns_t alarm(const struct rig *r, unsigned side)
{
	ns_t at = core_next(r->side[side].core);

	return at <= r->side[side].touched || at == NS_NEVER ? at : at + r->lateness;
}

static ns_t next_event(const struct rig *r)
{
	ns_t next = ns_min(alarm(r, A), alarm(r, B));

	for (unsigned i = 0; i < r->n_wire; i++)
		next = ns_min(next, r->wire[i].at);
	return next;
}

void rig_run(struct rig *r, ns_t how_long)
{
	const ns_t end = r->now + how_long;
	ns_t next, last = 0;
	unsigned turns = 0;

	while ((next = next_event(r)) <= end) {
		r->now = MAX(next, r->now);
		turns = r->now == last ? turns + 1 : 0;
		last = r->now;
		if (turns > 1000)
			fail_msg("time stands still");

		for (unsigned i = 0; i < r->n_wire; i++)
			if (r->wire[i].at <= r->now) {
				struct datagram d = r->wire[i];

				r->wire[i--] = r->wire[--r->n_wire];
				deliver(r, &d);
			}
		for (unsigned i = 0; i < 2; i++)
			if (alarm(r, i) <= r->now)
				drain(r, i);
	}
	r->now = end;
}

/* One packet of the tunnel, without a delay: only whether it arrives, and by what way, matters to a core. */
static bool send_packet(struct rig *r, unsigned from)
{
	struct side *s = &r->side[from], *other = &r->side[!from];
	const struct route *route;

	s->tx_bytes += 100;
	route = endpoint_is_set(&s->way.remote) ? leave(r, from, &s->way.remote) : NULL;
	if (!route) {
		rig_want(r, from);
		return false;
	}
	if (route->cut)
		return false;
	const struct way_to by = came_by(route, !from);

	if (way_to_eq(&other->way, &by))
		other->last_recv = r->now;
	else
		rig_heard(r, !from, route);
	return true;
}

unsigned rig_run_with_traffic(struct rig *r, unsigned side, bool both_ways, ns_t how_long)
{
	const ns_t end = r->now + how_long;
	unsigned arrived = 0;

	while (r->now < end) {
		if (send_packet(r, side)) {
			arrived++;
			if (both_ways)
				send_packet(r, !side);
		}
		rig_run(r, 100 * MS);
	}
	return arrived;
}

struct core_view rig_view(const struct rig *r, unsigned side)
{
	struct core_view v = {.state = PATH_IDLE};

	(void)core_view(r->side[side].core, r->side[!side].self.key, &v);
	return v;
}

const struct route *rig_chosen(const struct rig *r, unsigned side)
{
	for (unsigned i = 0; i < r->n_routes; i++)
		if (endpoint_eq(&r->routes[i].end[!side], &r->side[side].way.remote))
			return &r->routes[i];
	return NULL;
}

char *rig_lines(struct rig *r, unsigned side)
{
	return strbuf_take(&r->side[side].lines);
}

void rig_assert_chosen(const struct rig *r, unsigned side, const struct route *expected)
{
	char got[ENDPOINT_STR_LEN], want[ENDPOINT_STR_LEN];

	if (rig_chosen(r, side) != expected)
		fail_msg("side %u uses %s, not %s", side, endpoint_format(&r->side[side].way.remote, got),
			expected ? endpoint_format(&expected->end[!side], want) : "nothing");
}
