/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Two probers on one event loop, their datagrams handed over in memory. Nothing waits for the clock but the
 * 250 ms samples; what must not happen is proved by counting after the loop ran dry.
 */
#include "control/path/prober.h"

#include "base/bytes.h"
#include "base/time.h"
#include "crypto/init.h"
#include "unit/unit.h"
#include "wire/stun.h"

#include <event2/event.h>

enum { N = 2, QUEUE_MAX = 64 };

struct datagram {
	unsigned to;
	struct endpoint from;
	uint8_t p[STUN_MAX];
	size_t n;
};

struct side {
	struct prober *prober;
	struct identity id;
	struct node_rec rec;
	struct endpoint ep; /* where it is reached */
	struct endpoint chosen; /* what the plane was told */
	struct candidates mine;
	unsigned wanted, worked, told, sent;
	ns_t last_recv;
	uint64_t tx_bytes;
	ns_t clock;
};

static struct event_base *base;
static struct side side[N];
static struct datagram queue[QUEUE_MAX];
static size_t n_queue;

static struct endpoint ep(const char *s)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(s, &e), 0);
	return e;
}

static int op_send(void *ctx, const struct way_to *by, const uint8_t *msg, size_t n)
{
	struct side *s = ctx;

	s->sent++;
	for (unsigned i = 0; i < N; i++)
		if (endpoint_eq(&side[i].ep, &by->remote) && n_queue < QUEUE_MAX) {
			struct datagram *d = &queue[n_queue++];

			*d = (struct datagram){.to = i, .from = s->ep, .n = n};
			memcpy(d->p, msg, n);
		}
	return 0;
}

static int op_set_way(void *ctx, const uint8_t key[32], const struct way_to *way)
{
	struct side *s = ctx;

	(void)key;
	s->chosen = way ? way->remote : (struct endpoint){{0}};
	return 0;
}

static void op_activity(void *ctx, const uint8_t key[32], ns_t *ret_last_recv, uint64_t *ret_tx_bytes)
{
	const struct side *s = ctx;

	(void)key;
	*ret_last_recv = s->last_recv;
	*ret_tx_bytes = s->tx_bytes;
}

static void op_peer_waits(void *ctx, const uint8_t key[32])
{
	(void)ctx, (void)key;
}

static void op_want(void *ctx, const char *id)
{
	struct side *s = ctx;

	(void)id;
	s->wanted++;
}

static void op_works(void *ctx, const char *id, const struct endpoint *e)
{
	struct side *s = ctx;

	(void)id, (void)e;
	s->worked++;
}

static void op_mine(void *ctx, const struct candidates *mine)
{
	struct side *s = ctx;

	s->mine = *mine;
	s->told++;
}

static ns_t op_real_time(void *ctx)
{
	struct side *s = ctx;

	return s->clock;
}

static size_t op_local(void *ctx, struct ip *out, size_t max)
{
	const struct side *s = ctx;

	assert_true(max > 0);
	out[0] = s->ep.ip;
	return 1;
}

static const struct prober_ops all_ops = {
	.send = op_send,
	.set_way = op_set_way,
	.activity = op_activity,
	.peer_waits = op_peer_waits,
	.want_candidates = op_want,
	.path_works = op_works,
	.my_candidates = op_mine,
	.real_time = op_real_time,
	.local_addresses = op_local,
};

static void make_side(unsigned i, const char *address)
{
	struct side *s = &side[i];
	struct prober_config cfg = {.identity = &s->id, .data_port = 51820};
	struct prober_ops ops = all_ops;

	*s = (struct side){.ep = ep(address), .clock = time_real()};
	assert_int_equal(identity_generate(&s->id), 0);
	memcpy(s->rec.id, s->id.id, sizeof(s->rec.id));
	memcpy(s->rec.key, s->id.x_pub, 32);
	cfg.self_id = s->id.id;
	assert_int_equal(prefix_parse("100.101.0.0/16", &cfg.net4), 0);
	assert_int_equal(prefix_parse("fd01:2:3:4::/64", &cfg.net6), 0);
	ops.ctx = s;
	assert_int_equal(prober_new(base, &cfg, &ops, &s->prober), 0);
}

static int make_pair(void **state)
{
	(void)state;
	base = event_base_new();
	n_queue = 0;
	make_side(0, "192.0.2.1:51820");
	make_side(1, "198.51.100.1:51820");
	struct node_rec nodes[N] = {side[0].rec, side[1].rec};
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(prober_set_peers(side[i].prober, nodes, N), 0);
	return 0;
}

static int free_pair(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N; i++)
		prober_free(side[i].prober);
	event_base_free(base);
	return 0;
}

/* Hands datagrams over until there are none. */
static void settle(void)
{
	while (n_queue > 0) {
		struct datagram d = queue[0];

		n_queue--;
		memmove(&queue[0], &queue[1], n_queue * sizeof(queue[0]));
		prober_stun(side[d.to].prober, &(struct way_to){.remote = d.from}, d.p, d.n);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
}

static void tell_candidates(unsigned to)
{
	prober_candidates(side[to].prober, side[!to].id.id, prober_my_candidates(side[!to].prober));
}

static void connect_pair(void)
{
	prober_want(side[0].prober, side[1].rec.key);
	tell_candidates(0);
	tell_candidates(1);
	settle();
}

static void two_nodes_find_each_other_and_tell_the_plane(void **state)
{
	struct prober_view v;

	(void)state;
	connect_pair();
	for (unsigned i = 0; i < N; i++) {
		assert_true(endpoint_eq(&side[i].chosen, &side[!i].ep));
		assert_int_equal(side[i].worked, 1);
		assert_int_equal(prober_refused(side[i].prober), 0);
		assert_true(prober_view(side[i].prober, side[!i].rec.key, &v));
		assert_int_equal(v.state, PATH_UP);
		assert_int_equal(v.type, CAND_HOST);
		assert_true(v.rtt > 0);
	}
	assert_int_equal(side[0].wanted, 1);
	assert_int_equal(side[1].wanted, 0); /* it only helps */
	assert_false(prober_view(side[0].prober, side[0].rec.key, &v)); /* not to ourselves */
}

static void own_candidates_are_hosts_on_the_data_port(void **state)
{
	const struct candidates *c = prober_my_candidates(side[0].prober);

	(void)state;
	assert_int_equal(c->n, 1);
	assert_int_equal(c->v[0].type, CAND_HOST);
	assert_true(endpoint_eq(&c->v[0].ep, &side[0].ep));
}

static void a_peers_candidates_inside_the_mesh_or_on_loopback_are_never_sent_to(void **state)
{
	static const char *const bad[] = {
		"100.101.0.9:1", "[fd01:2:3:4::9]:1", "127.0.0.1:1", "224.0.0.1:1", "0.0.0.0:1"};
	struct candidates c = {.n = 0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		c.v[c.n++] = (struct candidate){CAND_HOST, ep(bad[i])};
	prober_want(side[0].prober, side[1].rec.key);
	prober_candidates(side[0].prober, side[1].id.id, &c);
	assert_int_equal(side[0].sent, 0);
}

/* Takes the first check of side 0 off the queue, undelivered. */
static struct datagram capture(void)
{
	prober_want(side[0].prober, side[1].rec.key);
	tell_candidates(0);
	assert_int_equal(n_queue, 1);
	n_queue = 0;
	return queue[0];
}

static void a_replayed_check_is_met_with_silence(void **state)
{
	struct datagram d = capture();
	unsigned sent;

	(void)state;
	prober_stun(side[1].prober, &(struct way_to){.remote = d.from}, d.p, d.n);
	sent = side[1].sent;
	assert_true(sent > 0);
	for (int i = 0; i < 10; i++)
		prober_stun(side[1].prober, &(struct way_to){.remote = d.from}, d.p, d.n);
	assert_int_equal(side[1].sent, sent);
	assert_int_equal(prober_refused(side[1].prober), 10);
}

static void an_answer_that_comes_again_changes_nothing_and_is_counted(void **state)
{
	struct datagram check = capture(), answer;
	struct prober_view before, after;

	(void)state;
	prober_stun(side[1].prober, &(struct way_to){.remote = check.from}, check.p, check.n);
	assert_true(n_queue > 0);
	answer = queue[0];
	settle();
	assert_true(prober_view(side[0].prober, side[1].rec.key, &before));
	for (int i = 0; i < 10; i++)
		prober_stun(side[0].prober, &(struct way_to){.remote = answer.from}, answer.p, answer.n);
	assert_int_equal(n_queue, 0);
	assert_int_equal(prober_refused(side[0].prober), 10);
	assert_true(prober_view(side[0].prober, side[1].rec.key, &after));
	assert_int_equal(after.state, before.state);
	assert_int_equal(after.rtt, before.rtt);
}

static void bent_cut_and_foreign_messages_are_met_with_silence(void **state)
{
	struct datagram d = capture();
	const struct endpoint stranger = ep("203.0.113.66:6666");
	uint8_t plain[STUN_MAX];
	struct stun_msg m = {.class = STUN_REQUEST, .method = 1};
	uint64_t refused = 0;

	(void)state;
	for (size_t bit = 0; bit < 8 * d.n; bit++) {
		d.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		prober_stun(side[1].prober, &(struct way_to){.remote = stranger}, d.p, d.n);
		refused++;
		d.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < d.n; n++) {
		prober_stun(side[1].prober, &(struct way_to){.remote = stranger}, d.p, n);
		refused++;
	}
	size_t n = stun_encode(&m, NULL, plain, sizeof(plain)); /* what any STUN client sends */
	prober_stun(side[1].prober, &(struct way_to){.remote = stranger}, plain, n);
	refused++;
	snprintf(m.username, sizeof(m.username), "%s:%s", side[1].id.id, side[0].id.id);
	n = stun_encode(&m, (const uint8_t[STUN_KEY]){7}, plain, sizeof(plain)); /* names, but another key */
	prober_stun(side[1].prober, &(struct way_to){.remote = stranger}, plain, n);
	refused++;
	assert_int_equal(side[1].sent, 0);
	assert_int_equal(prober_refused(side[1].prober), refused);

	prober_stun(side[1].prober, &(struct way_to){.remote = d.from}, d.p, d.n);
	assert_true(side[1].sent > 0);
}

static void a_removed_peer_is_a_stranger(void **state)
{
	struct datagram d = capture();

	(void)state;
	assert_int_equal(prober_set_peers(side[1].prober, NULL, 0), 0);
	prober_stun(side[1].prober, &(struct way_to){.remote = d.from}, d.p, d.n);
	assert_int_equal(side[1].sent, 0);
	assert_int_equal(prober_refused(side[1].prober), 1);
}

static void a_peer_under_a_new_key_starts_from_nothing(void **state)
{
	struct node_rec changed = side[1].rec;
	struct identity other;
	struct prober_view v;

	(void)state;
	connect_pair();
	assert_int_equal(identity_generate(&other), 0);
	memcpy(changed.key, other.x_pub, 32);
	assert_int_equal(prober_set_peers(side[0].prober, &changed, 1), 0);
	assert_false(prober_view(side[0].prober, side[1].rec.key, &v));
	assert_true(prober_view(side[0].prober, changed.key, &v));
	assert_int_equal(v.state, PATH_IDLE);
}

static void a_check_from_elsewhere_teaches_the_peers_new_address(void **state)
{
	struct datagram d = capture();
	const struct endpoint translated = ep("203.0.113.5:4242");
	struct prober_view v;

	(void)state;
	side[0].ep = translated; /* a NAT between them: answers and checks reach side 0 there only */
	prober_stun(side[1].prober, &(struct way_to){.remote = translated}, d.p, d.n);
	settle();
	assert_true(prober_view(side[1].prober, side[0].rec.key, &v));
	assert_true(endpoint_eq(&v.ep, &translated));
	assert_int_equal(v.type, CAND_PRFLX);
}

static void the_coordinator_tells_our_outer_address(void **state)
{
	const struct endpoint translated = ep("203.0.113.5:4242");

	(void)state;
	prober_set_coordinator(side[0].prober, side[1].rec.key, side[1].id.id, &side[1].ep);
	assert_int_equal(n_queue, 1);
	side[0].ep = queue[0].from = translated;
	settle();
	assert_int_equal(side[0].mine.n, 2);
	assert_int_equal(side[0].mine.v[1].type, CAND_SRFLX);
	assert_true(endpoint_eq(&side[0].mine.v[1].ep, &translated));
	assert_int_equal(
		side[1].sent, 1); /* the answer; a question for an address is no reason to look for a path */
}

static void a_clock_that_stands_still_gives_new_stamps_all_the_same(void **state)
{
	(void)state;
	side[0].clock = side[1].clock = 1000 * SEC;
	connect_pair();
	assert_true(endpoint_eq(&side[0].chosen, &side[1].ep));
	prober_network_changed(side[0].prober);
	settle();
	assert_int_equal(prober_refused(side[0].prober) + prober_refused(side[1].prober), 0);
}

static void where_a_peer_is_heard_is_taken_at_once_only_if_nothing_else_works(void **state)
{
	const struct way_to elsewhere = {.remote = ep("203.0.113.5:4242")};
	struct prober_view v;

	(void)state;
	prober_heard(side[0].prober, side[1].rec.key, &elsewhere);
	assert_true(endpoint_eq(&side[0].chosen, &elsewhere.remote));
	prober_heard(side[0].prober, side[1].rec.key, &(struct way_to){.remote = side[1].ep});
	assert_true(endpoint_eq(&side[0].chosen, &elsewhere.remote));
	/* It is checked, and better than one that never answered. */
	settle();
	assert_true(prober_view(side[0].prober, side[1].rec.key, &v));
	assert_int_equal(v.state, PATH_UP);
}

static void calls_for_unknown_peers_do_nothing(void **state)
{
	const uint8_t key[32] = {1};
	struct prober_view v;

	(void)state;
	prober_want(side[0].prober, key);
	prober_heard(side[0].prober, key, &(struct way_to){.remote = side[1].ep});
	prober_candidates(side[0].prober, "0123456789abcdef", prober_my_candidates(side[1].prober));
	prober_candidates(side[0].prober, "nonsense", prober_my_candidates(side[1].prober));
	assert_false(prober_view(side[0].prober, key, &v));
	assert_int_equal(side[0].sent, 0);
}

#define PAIR_TEST(f) cmocka_unit_test_setup_teardown(f, make_pair, free_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(two_nodes_find_each_other_and_tell_the_plane),
		PAIR_TEST(own_candidates_are_hosts_on_the_data_port),
		PAIR_TEST(a_peers_candidates_inside_the_mesh_or_on_loopback_are_never_sent_to),
		PAIR_TEST(a_replayed_check_is_met_with_silence),
		PAIR_TEST(an_answer_that_comes_again_changes_nothing_and_is_counted),
		PAIR_TEST(bent_cut_and_foreign_messages_are_met_with_silence),
		PAIR_TEST(a_removed_peer_is_a_stranger),
		PAIR_TEST(a_peer_under_a_new_key_starts_from_nothing),
		PAIR_TEST(a_check_from_elsewhere_teaches_the_peers_new_address),
		PAIR_TEST(the_coordinator_tells_our_outer_address),
		PAIR_TEST(a_clock_that_stands_still_gives_new_stamps_all_the_same),
		PAIR_TEST(where_a_peer_is_heard_is_taken_at_once_only_if_nothing_else_works),
		PAIR_TEST(calls_for_unknown_peers_do_nothing),
	};

	if (crypto_init(NULL) < 0)
		return 1;

	return cmocka_run_group_tests(tests, NULL, NULL);
}
