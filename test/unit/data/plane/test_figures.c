/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is told of all peers together: it is their sum, and never becomes less. */
#include "unit/data/plane/rig.h"

#include "data/filter/rules.h"

static struct host a, b, c;
static struct host *ab[] = {&a, &b};

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	a = b = c = (struct host){0};
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	return 0;
}

static struct plane_figures figures(const struct host *h)
{
	struct plane_figures f;

	plane_figures(h->plane, &f);
	return f;
}

static void assert_same_traffic(const struct plane_figures *x, const struct plane_figures *y)
{
	assert_int_equal(x->tx_bytes, y->tx_bytes);
	assert_int_equal(x->rx_bytes, y->rx_bytes);
	assert_int_equal(x->tx_packets, y->tx_packets);
	assert_int_equal(x->rx_packets, y->rx_packets);
}

static void traffic_of_a_peer_counts_also_when_it_has_gone(void **state)
{
	struct plane_peer_stats st;
	(void)state;

	rig_warm(&a, &b);
	host_start(&c, 3);
	host_peers(&a, (const struct peering[]){{.with = &b}, {.with = &c}}, 2);
	assert_int_equal(plane_peer_stats(a.plane, b.pub, &st), TM_OK);
	const struct plane_figures before = figures(&a);
	assert_true(before.tx_packets > 0 && before.rx_packets > 0);
	assert_true(before.tx_bytes > before.tx_packets && before.rx_bytes > before.rx_packets);
	assert_int_equal(before.tx_bytes, st.tx_bytes);
	assert_int_equal(before.rx_bytes, st.rx_bytes);
	assert_int_equal(before.tx_packets, st.tx_packets);
	assert_int_equal(before.rx_packets, st.rx_packets);
	host_peers(&a, &(struct peering){.with = &c}, 1);
	const struct plane_figures after = figures(&a);
	assert_same_traffic(&before, &after);
	/* It is back, and counts from the beginning. */
	rig_connect(&a, &b);
	rig_warm(&a, &b);
	assert_int_equal(plane_peer_stats(a.plane, b.pub, &st), TM_OK);
	assert_int_equal(figures(&a).tx_packets, before.tx_packets + st.tx_packets);
}

static bool has_given_up(void *host)
{
	return figures(host).gave_up > 0;
}

static void handshakes_are_counted_by_what_became_of_them(void **state)
{
	struct host *ac[] = {&a, &c};
	uint8_t p[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	const struct plane_figures of_a = figures(&a), of_b = figures(&b);
	assert_int_equal(of_a.asked + of_b.asked, of_a.answered + of_b.answered);
	assert_true(of_a.asked + of_b.asked > 0);
	assert_true(of_a.sessions > 0 && of_b.sessions > 0);
	assert_int_equal(of_a.gave_up, 0);
	/* Nobody is there. */
	c.limits = wg_limits_default;
	c.limits.rekey_attempt = 3 * SEC;
	c.limits.rekey_timeout = 100 * MS;
	host_start(&c, 3);
	host_peers(&c, &(struct peering){.with = &a}, 1);
	fake_tun_send("tm3", p, packet_make(4, 3, 1, 1, 20, p));
	EXPECT_SOON(ac, has_given_up, &c);
	const struct plane_figures of_c = figures(&c);
	assert_true(of_c.asked > 0); /* how often within three seconds is the machine's */
	assert_int_equal(of_c.sessions, 0);
}

static void give_rules(const struct host *h)
{
	const struct rules_span all = {.first = 0, .last = UINT16_MAX, .verdict = VERDICT_PASS, .rule = 1};
	struct rules_builder *rb;
	struct rules_at at = {.end = RULES_SELF};
	struct rules *r;

	assert_int_equal(rules_builder_new(&rb), TM_OK);
	for (at.dir = 0; at.dir < RULES_DIRS; at.dir++)
		for (at.proto = 0; at.proto < RULES_PROTOS; at.proto++)
			assert_int_equal(rules_put(rb, &at, VERDICT_DROP, &all, 1), TM_OK);
	for (uint32_t host = 1; host < 5; host++)
		assert_int_equal(rules_put_class(rb, host, 0), TM_OK);
	assert_int_equal(rules_build(rb, &r), TM_OK);
	rules_builder_free(rb);
	assert_int_equal(plane_set_rules(h->plane, r), TM_OK);
}

static void the_filters_flows_are_counted_once_there_are_rules(void **state)
{
	uint8_t p[FAKE_BYTES];
	(void)state;

	assert_false(figures(&a).filtered);
	give_rules(&a);
	const struct plane_figures none = figures(&a);
	assert_true(none.filtered);
	assert_int_equal(none.flows[FILTER_MEMBERS].flows, 0);
	assert_int_equal(none.flows[FILTER_MEMBERS].most, FILTER_FLOWS);
	assert_int_equal(none.flows[FILTER_ROUTED].most, FILTER_FLOWS / 2);
	for (uint16_t serial = 1; serial <= 3; serial++) {
		fake_tun_send("tm1", p, packet_make(4, 1, 2, serial, 20, p));
		expect_packet(ab, 2, &b, p);
	}
	/* The serial is the source port. */
	const struct plane_figures some = figures(&a);
	assert_int_equal(some.flows[FILTER_MEMBERS].flows, 3);
	assert_int_equal(some.flows[FILTER_ROUTED].flows, 0);
	assert_int_equal(some.flows[FILTER_MEMBERS].evicted, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)
	const struct CMUnitTest tests[] = {
		CASE(traffic_of_a_peer_counts_also_when_it_has_gone),
		CASE(handshakes_are_counted_by_what_became_of_them),
		CASE(the_filters_flows_are_counted_once_there_are_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
