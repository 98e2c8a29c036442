/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The prober of control/path/nat.h behind simulated translators and firewalls, asking servers that answer by
 * control/path/nat_serve.h: does it find out what stands there? */
#include "control/path/nat.h"
#include "control/path/nat_serve.h"
#include "sim/story.h"

enum {
	DATA_PORT = 51820,
	SECOND_PORT = DATA_PORT + NAT_SECOND_PORT,
	SILENT_PORT = 40404,
	ASIDE_PORT = 40505,
	SERVERS = 3
};

static struct sim *s;

static uint32_t dice(void *ctx UNUSED)
{
	return (uint32_t)sim_random(s);
}

/* A server with up to two addresses and three ports. */
struct server {
	struct node in;
	struct link up;
	struct ip ip[2];
	size_t n_ip;
	struct nat_server public; /* as the client knows it */
	struct stun_self self;
	struct nat_doors doors;
	bool dead, keeps_address; /* it says that it has two addresses, and answers from one */
};

static struct client {
	struct node in;
	struct link up;
	struct segment *segment;
	struct ip ip[2];
	size_t n_ip;
	struct stun_self self;
	struct nat_prober prober;
	uint8_t self_key[STUN_KEY];
	unsigned sent;
	ns_t last_sent, closest; /* least time between two datagrams */
} client;

static struct server servers[SERVERS];

static void server_answers(struct server *v, const struct datagram *dg)
{
	static const uint16_t ports[] = {DATA_PORT, SECOND_PORT, SILENT_PORT};
	uint8_t out[STUN_MAX];
	struct stun_msg m;
	char sender[NODE_ID_LEN + 1];
	struct way_to by = {.remote = dg->from, .local = dg->to.ip}, back;

	while (by.socket < ARRAY_LEN(ports) && dg->to.port != ports[by.socket])
		by.socket++;
	if (by.socket == ARRAY_LEN(ports) || (by.socket && !v->doors.second_port) ||
		stun_open(&v->self, dg->bytes, dg->n, &m, sender) != TM_OK || m.class != STUN_REQUEST ||
		stun_verify(dg->bytes, dg->n, &m, v->public.key) != TM_OK)
		return;
	assert_true(nat_concerns(&m, dg->n));
	size_t n = nat_serve(
		&v->doors, &v->self, sender, v->public.key, &m, dg->n, &by, &back, out, sizeof(out));
	assert_int_equal(n, dg->n); /* never longer than its question */
	const struct endpoint from = {
		.ip = v->keeps_address ? dg->to.ip : back.local, .port = ports[back.socket]};
	v->up.super.forward(&v->up.super, sim_datagram(s, &from, &dg->from, out, n));
}

static void server_forward(struct node *n, struct datagram *dg)
{
	struct server *v = CONTAINER_OF(n, struct server, in);

	if (!v->dead)
		server_answers(v, dg);
	sim_drop(s, dg);
}

static void client_forward(struct node *n UNUSED, struct datagram *dg)
{
	char sender[NODE_ID_LEN + 1];
	const uint8_t *key;
	struct stun_msg m;

	if ((dg->to.port == DATA_PORT || dg->to.port == ASIDE_PORT) &&
		stun_open(&client.self, dg->bytes, dg->n, &m, sender) == TM_OK &&
		(key = nat_asked(&client.prober, &client.self, sender, &m, &dg->from)) &&
		stun_verify(dg->bytes, dg->n, &m, key) == TM_OK)
		nat_answered(&client.prober, &m, &dg->from, s->now);
	sim_drop(s, dg);
}

static void server_opens(struct server *v, unsigned number, unsigned addresses, bool second_port, ns_t delay)
{
	*v = (struct server){.in.forward = server_forward, .self.random = dice};
	link_init(&v->up, s, segment_node(s->internet), delay);
	for (unsigned i = 0; i < addresses; i++)
		v->ip[v->n_ip++] = segment_join(s->internet, IP_V4, &v->in);
	struct ip ip6 = segment_join(s->internet, IP_V6, &v->in);
	snprintf(v->public.id, sizeof(v->public.id), "%016x", number + 1);
	memcpy(v->self.id, v->public.id, sizeof(v->self.id));
	memset(v->public.key, (int)number + 1, sizeof(v->public.key));
	v->public.at[0] = (struct endpoint){.ip = v->ip[0], .port = DATA_PORT};
	v->public.at[1] = (struct endpoint){.ip = ip6, .port = DATA_PORT};
	v->doors = (struct nat_doors){.port = DATA_PORT, .local = v->ip, .n_local = v->n_ip};
	if (second_port) {
		v->doors.second = 1;
		v->doors.silent = 2;
		v->doors.second_port = SECOND_PORT;
		v->doors.silent_port = SILENT_PORT;
	}
}

static void client_plugs(struct segment *g, ns_t delay)
{
	client = (struct client){
		.in.forward = client_forward, .segment = g, .self.random = dice, .closest = SEC};
	link_init(&client.up, s, segment_node(g), delay);
	struct ip ip4 = segment_join(g, IP_V4, &client.in), ip6 = segment_join(g, IP_V6, &client.in);
	if (ip4.family)
		client.ip[client.n_ip++] = ip4;
	if (ip6.family)
		client.ip[client.n_ip++] = ip6;
	snprintf(client.self.id, sizeof(client.self.id), "ffffffffffffffff");
	memset(client.self_key, 9, sizeof(client.self_key));
	nat_prober_init(&client.prober);
}

/* A world of n servers; the first has that many addresses and maybe a second port. Round trips of 2 delays.
 */
static void world(uint64_t seed, unsigned n, unsigned addresses, bool second_port, ns_t delay)
{
	s = sim_new(seed);
	for (unsigned i = 0; i < n; i++)
		server_opens(&servers[i], i, i ? 1 : addresses, second_port, delay);
}

static void ask(unsigned n_servers, bool full)
{
	struct nat_server list[SERVERS];
	const struct nat_self self = {
		.local = client.ip, .n_local = client.n_ip, .port = DATA_PORT, .aside = true};

	for (unsigned i = 0; i < n_servers; i++)
		list[i] = servers[i].public;
	nat_set_servers(&client.prober, list, n_servers);
	nat_start(&client.prober, &self, full, client.self_key, s->now);
}

static void send_out(const struct nat_out *out)
{
	const bool v6 = out->to.ip.family == IP_V6;
	const struct endpoint from = {
		.ip = client.ip[v6 ? client.n_ip - 1 : 0], .port = out->aside ? ASIDE_PORT : DATA_PORT};

	if (client.sent)
		client.closest = MIN(client.closest, s->now - client.last_sent);
	client.last_sent = s->now;
	client.sent++;
	client.up.super.forward(&client.up.super, sim_datagram(s, &from, &out->to, out->msg, out->n));
}

static const struct nat_report *report(unsigned n_servers, bool full)
{
	const struct nat_report *r = &client.prober.report;
	ns_t began = s->now;

	client.sent = 0;
	ask(n_servers, full);
	while (!r->done) {
		struct nat_out out;

		client.self.real = s->now;
		while (client.prober.due <= s->now && nat_step(&client.prober, &client.self, s->now, &out))
			send_out(&out);
		sim_run(s, MS);
		assert_true(s->now - began < 5 * SEC);
	}
	return r;
}

/* --- what is there is found --- */

static uint8_t depends(enum nat_scope scope)
{
	static const uint8_t on[] = {
		[NAT_ENDPOINT_INDEPENDENT] = NAT_ON_NOTHING,
		[NAT_ADDRESS_DEPENDENT] = NAT_ON_ADDRESS,
		[NAT_ADDRESS_AND_PORT_DEPENDENT] = NAT_ON_PORT,
	};

	return on[scope];
}

static void every_kind_of_translator_is_told_for_what_it_is(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 27; i++) {
		const struct nat_kind kind = {.mapping = (enum nat_scope)(i % 3),
			.filtering = (enum nat_scope)(i / 3 % 3),
			.ports = (enum nat_ports)(i / 9)};

		world(i, 1, 2, true, 20 * MS);
		client_plugs(nat_new(s, s->internet, &kind, "192.168.1.0/24")->inside, 5 * MS);
		const struct nat_facts *f = &report(1, false)->family[0];
		/* A port that is kept for one and taken for the next is kept by whoever can. */
		bool kept = kind.ports == NAT_PRESERVING && kind.mapping == NAT_ENDPOINT_INDEPENDENT;

		if (f->mapping != depends(kind.mapping) || f->filtering != depends(kind.filtering) ||
			f->udp != NAT_UDP_WORKS || !f->translated || (kept && f->port_kept != NAT_YES) ||
			(kind.ports == NAT_RANDOM && f->port_kept != NAT_NO) || f->payload != NAT_LONG)
			fail_msg("kind %u: mapping %d filtering %d udp %d kept %d payload %d", i, f->mapping,
				f->filtering, f->udp, f->port_kept, f->payload);
		sim_free(s);
	}
}

/* A second report finds the same: nothing that the first one sent has opened the filter. */
static void asking_twice_does_not_change_the_answer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const struct nat_kind kind = {.filtering = (enum nat_scope)i};

		world(1, 1, 2, true, 20 * MS);
		client_plugs(nat_new(s, s->internet, &kind, "192.168.1.0/24")->inside, 5 * MS);
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(report(1, false)->family[0].filtering, depends(kind.filtering));
		sim_free(s);
	}
}

/* What is known depends on what servers there are. */
static void fewer_addresses_leave_more_open(void **state)
{
	static const struct {
		unsigned servers, addresses;
		bool second_port;
		uint8_t mapping, filtering;
	} rows[] = {
		{1, 1, false, NAT_ON_ANYTHING, NAT_ON_ANYTHING},
		{1, 1, true, NAT_ON_NOTHING | NAT_ON_ADDRESS, NAT_ON_NOTHING | NAT_ON_ADDRESS},
		{2, 1, false, NAT_ON_NOTHING, NAT_ON_ANYTHING},
		{2, 1, true, NAT_ON_NOTHING, NAT_ON_NOTHING | NAT_ON_ADDRESS},
		{1, 2, true, NAT_ON_NOTHING, NAT_ON_NOTHING},
	};
	const struct nat_kind kind = {.filtering = NAT_ENDPOINT_INDEPENDENT};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		world(i, rows[i].servers, rows[i].addresses, rows[i].second_port, 20 * MS);
		client_plugs(nat_new(s, s->internet, &kind, "192.168.1.0/24")->inside, 5 * MS);
		const struct nat_facts *f = &report(rows[i].servers, false)->family[0];

		if (f->mapping != rows[i].mapping || f->filtering != rows[i].filtering)
			fail_msg("row %zu: mapping %d filtering %d", i, f->mapping, f->filtering);
		sim_free(s);
	}
}

static void a_pool_of_outside_addresses_is_seen(void **state)
{
	const struct nat_kind kind = {.mapping = NAT_ADDRESS_AND_PORT_DEPENDENT,
		.pool = 4,
		.arbitrary_pool = true,
		.ports = NAT_RANDOM};
	unsigned several = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		world(seed, 3, 1, true, 20 * MS);
		client_plugs(nat_new(s, s->internet, &kind, "192.168.1.0/24")->inside, 5 * MS);
		const struct nat_facts *f = &report(3, false)->family[0];

		assert_true(nat_is_hard(f) || f->mapping == NAT_ON_PORT);
		for (size_t i = 1; i < f->n_seen; i++)
			several += !ip_eq(&f->seen[0].ep.ip, &f->seen[i].ep.ip);
		sim_free(s);
	}
	assert_true(several >= 10);
}

/* An open host has no translator, both families work, and nothing is asked for twice. */
static void an_open_host_takes_a_few_datagrams(void **state)
{
	(void)state;
	world(1, 1, 1, true, 20 * MS);
	client_plugs(s->internet, 5 * MS);
	const struct nat_report *r = report(1, false);

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(r->family[i].udp, NAT_UDP_WORKS);
		assert_false(r->family[i].translated);
		assert_int_equal(r->family[i].mapping, NAT_ON_NOTHING);
		assert_int_equal(r->family[i].hairpin, NAT_UNASKED);
		assert_true(r->servers[0].rtt[i] >= 25 * MS && r->servers[0].rtt[i] < 30 * MS);
	}
	assert_int_equal(client.sent, 2 * 7);
	assert_true(client.closest >= NAT_PACE);
	assert_true(r->ended - r->began < 200 * MS);
	sim_free(s);
}

static void a_family_that_is_missing_is_not_asked(void **state)
{
	(void)state;
	world(1, 1, 1, true, 20 * MS);
	client_plugs(nat_new(s, s->internet, &nat_home, "192.168.1.0/24")->inside, 5 * MS);
	const struct nat_report *r = report(1, false);
	assert_int_equal(r->family[0].udp, NAT_UDP_WORKS);
	assert_int_equal(r->family[1].udp, NAT_UDP_ABSENT);
	sim_free(s);
}

/* --- what a firewall leaves --- */

static struct endpoint written_to[16];
static size_t n_written_to;

static bool first_of_its_flow(const struct datagram *dg)
{
	for (size_t i = 0; i < n_written_to; i++)
		if (endpoint_eq(&written_to[i], &dg->to))
			return false;
	assert_true(n_written_to < ARRAY_LEN(written_to));
	written_to[n_written_to++] = dg->to;
	return true;
}

static void blocked_udp_is_told_in_time_and_from_few_datagrams(void **state)
{
	(void)state;
	world(1, 3, 1, true, 20 * MS);
	client_plugs(nat_new(s, s->internet, &nat_home, "192.168.1.0/24")->inside, 5 * MS);
	client.up.blocked = true;
	const struct nat_report *r = report(3, false);
	assert_int_equal(r->family[0].udp, NAT_UDP_SILENT);
	assert_int_equal(r->servers[1].rtt[0], 0);
	assert_true(client.sent <= NAT_SENT_MAX);
	sim_free(s);
}

static void a_firewall_that_passes_first_datagrams_only_is_told(void **state)
{
	(void)state;
	for (unsigned before = 0; before < 2; before++) {
		world(1, 1, 1, true, 20 * MS);
		client_plugs(nat_new(s, s->internet, &nat_home, "192.168.1.0/24")->inside, 5 * MS);
		client.up.passes = first_of_its_flow;
		n_written_to = 0;
		/* The second time the flow to the data port is as old as the node. */
		if (before)
			written_to[n_written_to++] = servers[0].public.at[0];
		assert_int_equal(report(1, false)->family[0].udp, NAT_UDP_FIRST_ONLY);
		sim_free(s);
	}
}

static void a_path_for_short_datagrams_only_is_told(void **state)
{
	static const struct {
		size_t mtu;
		uint16_t payload;
	} rows[] = {{1452, NAT_LONG}, {1451, NAT_MEDIUM}, {1232, NAT_MEDIUM}, {1231, NAT_SHORT}};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		world(i, 1, 1, true, 20 * MS);
		client_plugs(nat_new(s, s->internet, &nat_home, "192.168.1.0/24")->inside, 5 * MS);
		/* Either direction. */
		(i % 2 ? &client.up : &servers[0].up)->mtu = rows[i / 2].mtu;
		const struct nat_facts *f = &report(1, false)->family[0];
		if (f->payload != rows[i / 2].payload ||
			f->udp != (i / 2 ? NAT_UDP_SHORT_ONLY : NAT_UDP_WORKS))
			fail_msg("row %zu: payload %d udp %d", i, f->payload, f->udp);
		sim_free(s);
	}
}

/* Far away there is no time for all tries of the long question, and two that are lost happen anywhere. */
/* One that cannot what it says: its other port is no other address. */
static void an_answer_from_the_address_that_was_asked_is_none_from_another(void **state)
{
	const struct nat_kind kind = {.filtering = NAT_ENDPOINT_INDEPENDENT};

	(void)state;
	world(1, 1, 2, true, 20 * MS);
	servers[0].keeps_address = true;
	client_plugs(nat_new(s, s->internet, &kind, "192.168.1.0/24")->inside, 5 * MS);
	assert_int_equal(report(1, false)->family[0].filtering, NAT_ON_ADDRESS);
	sim_free(s);
}

static void what_was_cut_off_proves_nothing(void **state)
{
	(void)state;
	world(1, 1, 1, true, 600 * MS);
	client_plugs(nat_new(s, s->internet, &nat_home, "192.168.1.0/24")->inside, 600 * MS);
	client.up.mtu = 1300;
	const struct nat_report *r = report(1, false);
	assert_true(r->ended - r->began >= NAT_TIME);
	assert_int_equal(r->family[0].udp, NAT_UDP_WORKS);
	assert_int_equal(r->family[0].payload, NAT_MEDIUM);
	sim_free(s);
}

static void hairpin_is_asked_for_only_when_wanted(void **state)
{
	static const struct {
		enum nat_hairpin kind;
		bool full;
		enum nat_answer want;
	} rows[] = {
		{NAT_NO_HAIRPIN, false, NAT_UNASKED},
		{NAT_NO_HAIRPIN, true, NAT_NO},
		{NAT_INTERNAL_SOURCE, true, NAT_YES},
		{NAT_EXTERNAL_SOURCE, true, NAT_YES},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct nat_kind kind = {.hairpin = rows[i].kind};

		world(i, 1, 1, true, 20 * MS);
		client_plugs(nat_new(s, s->internet, &kind, "192.168.1.0/24")->inside, 5 * MS);
		if (report(1, rows[i].full)->family[0].hairpin != rows[i].want)
			fail_msg("row %zu", i);
		sim_free(s);
	}
}

/* --- far away, and with loss --- */

static void a_round_trip_of_300_ms_and_loss_leave_it_right_and_in_time(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		const struct nat_kind kind = {.mapping = (enum nat_scope)(2 * (seed % 2)),
			.filtering = (enum nat_scope)(2 * (seed / 2 % 2)),
			.ports = NAT_RANDOM};

		world(seed, 2, 1, true, 100 * MS);
		client_plugs(nat_new(s, s->internet, &kind, "192.168.1.0/24")->inside, 200 * MS);
		client.up.loss = servers[0].up.loss = servers[1].up.loss = 50;
		const struct nat_facts *f = &report(2, false)->family[0];

		/* Nothing is said that is wrong, but for a filter whose every answer was lost. */
		assert_true(f->mapping & depends(kind.mapping));
		assert_int_equal(f->udp, NAT_UDP_WORKS);
		wrong += !(f->filtering & depends(kind.filtering)) || f->mapping != depends(kind.mapping);
		assert_true(client.sent <= NAT_SENT_MAX);
		sim_free(s);
	}
	assert_true(wrong <= 2);
}

static void a_dead_server_costs_nothing_but_its_own_line(void **state)
{
	(void)state;
	world(1, 2, 1, true, 20 * MS);
	client_plugs(nat_new(s, s->internet, &nat_home, "192.168.1.0/24")->inside, 5 * MS);
	servers[0].dead = true;
	const struct nat_report *r = report(2, false);
	assert_int_equal(r->servers[0].rtt[0], 0);
	assert_true(r->servers[1].rtt[0] > 0);
	assert_int_equal(r->family[0].udp, NAT_UDP_WORKS);
	assert_int_equal(r->family[0].mapping, NAT_ON_NOTHING | NAT_ON_ADDRESS);
	sim_free(s);
}

/* --- who may say so --- */

static void an_answer_from_elsewhere_or_twice_changes_nothing(void **state)
{
	struct nat_out out;
	struct stun_msg m = {.class = STUN_SUCCESS};
	struct endpoint elsewhere, mapped;

	(void)state;
	world(1, 1, 1, true, 20 * MS);
	client_plugs(nat_new(s, s->internet, &nat_home, "192.168.1.0/24")->inside, 5 * MS);
	ask(1, false);
	client.self.real = s->now;
	assert_true(nat_step(&client.prober, &client.self, s->now, &out));
	assert_int_equal(endpoint_parse("198.51.100.1:40000", &mapped), TM_OK);
	m.mapped = mapped;
	put_be64(m.txid, client.self.last_stamp);
	elsewhere = out.to;
	elsewhere.port++;
	assert_null(nat_asked(&client.prober, &client.self, servers[0].public.id, &m, &elsewhere));
	assert_null(nat_asked(&client.prober, &client.self, servers[1].public.id, &m, &out.to));
	m.class = STUN_REQUEST;
	assert_null(nat_asked(&client.prober, &client.self, servers[0].public.id, &m, &out.to));
	m.class = STUN_SUCCESS;
	assert_ptr_equal(nat_asked(&client.prober, &client.self, servers[0].public.id, &m, &out.to),
		client.prober.running[0].key);
	nat_answered(&client.prober, &m, &out.to, s->now);
	m.mapped.port++;
	nat_answered(&client.prober, &m, &out.to, s->now);
	assert_int_equal(client.prober.report.family[0].n_seen, 1);
	assert_true(endpoint_eq(&client.prober.report.family[0].seen[0].ep, &mapped));
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_translator_is_told_for_what_it_is),
		cmocka_unit_test(asking_twice_does_not_change_the_answer),
		cmocka_unit_test(fewer_addresses_leave_more_open),
		cmocka_unit_test(a_pool_of_outside_addresses_is_seen),
		cmocka_unit_test(an_open_host_takes_a_few_datagrams),
		cmocka_unit_test(a_family_that_is_missing_is_not_asked),
		cmocka_unit_test(blocked_udp_is_told_in_time_and_from_few_datagrams),
		cmocka_unit_test(a_firewall_that_passes_first_datagrams_only_is_told),
		cmocka_unit_test(a_path_for_short_datagrams_only_is_told),
		cmocka_unit_test(an_answer_from_the_address_that_was_asked_is_none_from_another),
		cmocka_unit_test(what_was_cut_off_proves_nothing),
		cmocka_unit_test(hairpin_is_asked_for_only_when_wanted),
		cmocka_unit_test(a_round_trip_of_300_ms_and_loss_leave_it_right_and_in_time),
		cmocka_unit_test(a_dead_server_costs_nothing_but_its_own_line),
		cmocka_unit_test(an_answer_from_elsewhere_or_twice_changes_nothing),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
