/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The send batch alone, over a link of the test's. */
#include "unit/unit.h"

#include "crypto/init.h"
#include "data/plane/worker.h"

enum { NOW = 1000, LATER = 2000 };

struct rig {
	struct worker_env env;
	struct worker w;
	struct event_queue events;
	struct udp *udp;
	struct peer *peer;
	struct keypair *kp;
	struct way way;
};

static struct rig rig;

static int set_up(void **state)
{
	const struct udp_config cfg = {0};
	(void)state;

	rig = (struct rig){.env = {.mtu = 1420, .packet_bytes = 2048, .slot_bytes = 2304}};
	assert_int_equal(crypto_init(NULL), TM_OK);
	assert_int_equal(udp_open(&cfg, &rig.udp, NULL), TM_OK);
	assert_int_equal(event_queue_init(&rig.events), TM_OK);
	rig.env.events = &rig.events;
	assert_int_equal(worker_init(&rig.w, &rig.env, 0, rig.udp, false), TM_OK);
	rig.w.now = NOW;
	rig.peer = calloc(1, sizeof(*rig.peer));
	assert_non_null(rig.peer);
	atomic_store(&rig.peer->armed, true); /* nobody is to be told */
	assert_int_equal(keypair_new(&rig.kp), TM_OK);
	rig.kp->peer = rig.peer;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	worker_deinit(&rig.w);
	event_queue_deinit(&rig.events);
	udp_close(rig.udp);
	keypair_free(rig.kp);
	free(rig.peer);
	return 0;
}

/* While the datagrams are leaving, another worker receives a packet of the same peer. */
static size_t send_and_receive(const struct link *l, struct datagram *v, size_t n)
{
	(void)l, (void)v, (void)n;
	atomic_store(&rig.peer->data_sent_unanswered, 0);
	atomic_store(&rig.peer->data_recv_unacked, LATER);
	return 0;
}

static void what_is_received_while_a_packet_leaves_counts_as_later(void **state)
{
	static const struct link_ops ops = {.name = "test", .send = send_and_receive};
	uint8_t buffer[PACKET_HEADROOM + 64 + PACKET_TAILROOM] = {0};
	struct tx_run run;
	(void)state;

	rig.w.link.ops = &ops;
	buffer[PACKET_HEADROOM] = 0x45;
	assert_int_equal(tx_begin(&rig.w, rig.peer, rig.kp, &rig.way, 1, true, &run), TM_OK);
	tx_put(&rig.w, &run, buffer + PACKET_HEADROOM, 64);
	tx_flush(&rig.w);
	/* It has not been answered by what left before it came... */
	assert_int_equal(atomic_load(&rig.peer->data_recv_unacked), LATER);
	/* ...and it answers what left. */
	assert_int_equal(atomic_load(&rig.peer->data_sent_unanswered), 0);
	assert_int_equal(atomic_load(&rig.peer->last_auth_sent), NOW);
	assert_int_equal(atomic_load(&rig.peer->tx_packets), 1);
	assert_int_equal(atomic_load(&rig.peer->tx_bytes), 64 + WG_DATA_OVERHEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_received_while_a_packet_leaves_counts_as_later, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("data/plane/tx", tests, NULL, NULL);
}
