/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The send batch alone, over a socket of the test's: what leaves, when, and in which order. */
#include "unit/unit.h"

#include "crypto/init.h"
#include "data/plane/worker.h"
#include "os/low/memory.h"

enum { NOW = 1000, LATER = 2000, MTU = 1420, HEADROOM = 24, INDEX = 0x01020304 };

struct rig {
	struct worker_env env;
	struct worker w;
	struct event_queue events;
	struct udp *udp;
	struct peer *peer;
	struct keypair *kp;
	struct way way;
	/* what left */
	unsigned calls;
	size_t n;
	uint8_t bytes[2 * OUT_MAX][128];
	size_t len[2 * OUT_MAX];
	void (*leaving)(struct datagram *v, size_t n); /* while it does */
};

static struct rig rig;

size_t __wrap_udp_send(struct udp *u, struct datagram *v, size_t n);
size_t __wrap_udp_send(struct udp *u, struct datagram *v, size_t n)
{
	assert_ptr_equal(u, rig.udp);
	rig.calls++;
	if (rig.leaving)
		rig.leaving(v, n);
	for (size_t i = 0; i < n; i++, rig.n++) {
		v[i].err = TM_OK;
		rig.len[rig.n] = MIN(v[i].n, sizeof(rig.bytes[0]));
		memcpy(rig.bytes[rig.n], v[i].data, rig.len[rig.n]);
	}
	return 0;
}

static int set_up(void **state)
{
	const struct udp_config cfg = {0};
	(void)state;

	memset(&rig, 0, sizeof(rig));
	rig.env = (struct worker_env){.mtu = MTU, .packet_bytes = 2048, .slot_bytes = 2304};
	rig.way = (struct way){.to.remote = {.ip = {IP_V4, {192, 0, 2, 1}}, .port = 9}, .payload_max = 65507};
	assert_int_equal(crypto_init(NULL), TM_OK);
	assert_int_equal(udp_open(&cfg, &rig.udp, NULL), TM_OK);
	assert_int_equal(event_queue_init(&rig.events), TM_OK);
	rig.env.events = &rig.events;
	assert_int_equal(worker_init(&rig.w, &rig.env, 0, rig.udp, false), TM_OK);
	rig.w.seal.arena = memory_aligned(64, SEAL_ARENA_BYTES);
	assert_non_null(rig.w.seal.arena);
	rig.w.now = NOW;
	rig.peer = calloc(1, sizeof(*rig.peer));
	assert_non_null(rig.peer);
	atomic_store(&rig.peer->armed, true); /* nobody is to be told */
	assert_int_equal(keypair_new(&rig.kp), TM_OK);
	rig.kp->peer = rig.peer;
	rig.kp->remote_index = INDEX;
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

static void begin(unsigned count, struct seal_run *ret_run)
{
	assert_int_equal(seal_begin(&rig.w, rig.peer, rig.kp, &rig.way, count, true, ret_run), TM_OK);
}

/* A packet whose bytes all say `what`, in the arena. */
static uint8_t *put(struct seal_run *run, uint8_t what, size_t n)
{
	uint8_t *p = seal_room(&rig.w, run->way->headroom, n);

	memset(p, what, n);
	p[0] = 0x45;
	seal_put(&rig.w, run, p, n);
	return p;
}

/* The i-th that left is that packet, sealed. */
static void expect_sealed(size_t i, uint64_t counter, uint8_t what, size_t n)
{
	uint8_t copy[128];
	struct wg_data m;

	assert_int_equal(wg_data_decode(rig.bytes[i], rig.len[i], &m), TM_OK);
	assert_int_equal(m.receiver, INDEX);
	assert_int_equal(m.counter, counter);
	memcpy(copy, rig.bytes[i] + WG_DATA_HEADER, m.sealed_len);
	struct aead_op op = {
		.key = rig.kp->send_key, .counter = counter, .data = copy, .n = m.sealed_len - WG_TAG};
	assert_int_equal(aead_open_batch(rig.w.aead, &op, 1), 0);
	assert_int_equal(copy[0], 0x45);
	for (size_t k = 1; k < n; k++)
		assert_int_equal(copy[k], what);
}

/* While the datagrams are leaving, another worker receives a packet of the same peer. */
static void receive_one(struct datagram *v, size_t n)
{
	(void)v, (void)n;
	atomic_store(&rig.peer->data_sent_unanswered, 0);
	atomic_store(&rig.peer->data_recv_unacked, LATER);
}

static void what_is_received_while_a_packet_leaves_counts_as_later(void **state)
{
	uint8_t buffer[PACKET_HEADROOM + 64 + PACKET_TAILROOM] = {0};
	struct seal_run run;
	(void)state;

	rig.leaving = receive_one;
	buffer[PACKET_HEADROOM] = 0x45;
	begin(1, &run);
	seal_put(&rig.w, &run, buffer + PACKET_HEADROOM, 64);
	worker_flush(&rig.w);
	/* It has not been answered by what left before it came... */
	assert_int_equal(atomic_load(&rig.peer->data_recv_unacked), LATER);
	/* ...and it answers what left. */
	assert_int_equal(atomic_load(&rig.peer->data_sent_unanswered), 0);
	assert_int_equal(atomic_load(&rig.peer->last_auth_sent), NOW);
	assert_int_equal(atomic_load(&rig.peer->tx_packets), 1);
	assert_int_equal(atomic_load(&rig.peer->tx_bytes), 64 + WG_DATA_OVERHEAD);
}

static void what_needs_no_sealing_leaves_in_its_turn_and_unchanged(void **state)
{
	static uint8_t foreign[2][16] = {"not to be sealed", "and neither this"};
	struct seal_run run;
	(void)state;

	begin(3, &run);
	put(&run, 'a', 48);
	worker_emit(&rig.w, &rig.way, foreign[0], sizeof(foreign[0]), 0);
	put(&run, 'b', 48);
	put(&run, 'c', 48);
	worker_emit(&rig.w, &rig.way, foreign[1], sizeof(foreign[1]), 0);
	worker_flush(&rig.w);

	assert_int_equal(rig.calls, 1); /* all of it at once */
	assert_int_equal(rig.n, 5);
	expect_sealed(0, 0, 'a', 48);
	assert_memory_equal(rig.bytes[1], "not to be sealed", 16);
	expect_sealed(2, 1, 'b', 48);
	expect_sealed(3, 2, 'c', 48);
	assert_memory_equal(rig.bytes[4], "and neither this", 16);
	/* The peer is told apart from what only passed through. */
	assert_int_equal(atomic_load(&rig.peer->tx_packets), 3);
}

static void a_batch_that_is_full_leaves_by_itself_in_order(void **state)
{
	uint8_t foreign[] = "x";
	struct seal_run run;
	(void)state;

	begin(OUT_MAX, &run);
	for (unsigned i = 0; i < OUT_MAX - 1; i++)
		put(&run, 'a', 20);
	for (unsigned i = 0; i < 2; i++)
		worker_emit(&rig.w, &rig.way, foreign, 1, 0);
	assert_int_equal(rig.n, OUT_MAX);
	put(&run, 'z', 20);
	worker_flush(&rig.w);
	assert_int_equal(rig.n, OUT_MAX + 2);
	expect_sealed(OUT_MAX - 2, OUT_MAX - 2, 'a', 20);
	assert_int_equal(rig.bytes[OUT_MAX][0], 'x');
	expect_sealed(OUT_MAX + 1, OUT_MAX - 1, 'z', 20);
}

/* What a relay's header would do. */
static void write_headers(struct datagram *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memset(v[i].data - HEADROOM, 0xee, HEADROOM);
}

static void a_header_fits_before_each_datagram_of_a_way_that_has_one(void **state)
{
	struct seal_run run;
	(void)state;

	rig.way.headroom = HEADROOM;
	rig.leaving = write_headers;
	begin(20, &run);
	for (unsigned i = 0; i < 20; i++)
		put(&run, (uint8_t)i, 17 + i);
	worker_flush(&rig.w);
	assert_int_equal(rig.n, 20);
	for (unsigned i = 0; i < 20; i++)
		expect_sealed(i, i, (uint8_t)i, 17 + i);
}

static void without_a_header_messages_lie_side_by_side(void **state)
{
	struct seal_run run;
	uint8_t *first, *second;
	(void)state;

	begin(2, &run);
	first = put(&run, 'a', 64);
	second = put(&run, 'b', 64);
	assert_int_equal(second - first, 64 + WG_DATA_OVERHEAD);
	worker_flush(&rig.w);
	assert_int_equal(rig.n, 2);
}

static void what_cannot_be_sent_by_its_way_is_counted_and_nothing_else_suffers(void **state)
{
	struct way relay = rig.way;
	struct seal_run run, relayed;
	(void)state;

	relay.to.socket = 7; /* which there is not */
	begin(2, &run);
	assert_int_equal(seal_begin(&rig.w, rig.peer, rig.kp, &relay, 1, true, &relayed), TM_OK);
	put(&run, 'a', 48);
	put(&relayed, 'b', 48);
	put(&run, 'c', 48);
	worker_flush(&rig.w);
	assert_int_equal(rig.n, 2);
	expect_sealed(0, 0, 'a', 48);
	expect_sealed(1, 1, 'c', 48);
	assert_int_equal(atomic_load(&rig.w.drops[DROP_NO_SENDER]), 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_received_while_a_packet_leaves_counts_as_later),
		CASE(what_needs_no_sealing_leaves_in_its_turn_and_unchanged),
		CASE(a_batch_that_is_full_leaves_by_itself_in_order),
		CASE(a_header_fits_before_each_datagram_of_a_way_that_has_one),
		CASE(without_a_header_messages_lie_side_by_side),
		CASE(what_cannot_be_sent_by_its_way_is_counted_and_nothing_else_suffers),
	};

	return cmocka_run_group_tests_name("data/plane/seal", tests, NULL, NULL);
}
