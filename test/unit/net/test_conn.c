/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The chain of layers, over a socket pair. */
#include "wire.h"

#include "net/release.h"
#include "net/tcp.h"

static void both_ends_are_ready_and_hear_each_other(void **state UNUSED)
{
	struct wire w;

	wire_open(&w);
	wire_begin(&w);
	assert_int_equal(w.a.ready, 1);
	assert_int_equal(w.b.ready, 1);
	assert_int_equal(net_output(&w.a.layer, "hello", 5), TM_OK);
	assert_int_equal(net_queued(&w.a.layer), 0); /* written at once */
	wire_run_until_bytes(&w, &w.b, 5);
	assert_memory_equal(w.b.got, "hello", 5);
	assert_true(w.b.conn.heard > 0);
	wire_close(&w);
}

static void what_the_socket_does_not_take_is_sent_later_in_order(void **state UNUSED)
{
	enum { N = 5 << 20 };
	struct wire w;
	uint8_t *p = malloc(N);

	for (size_t i = 0; i < N; i++)
		p[i] = (uint8_t)(i * 2654435761u >> 24);
	wire_open(&w);
	wire_begin(&w);
	for (size_t at = 0, step = 1; at < N; at += step, step = MIN(step * 3 % 100003, (size_t)N - at))
		assert_int_equal(net_output(&w.a.layer, p + at, step), TM_OK);
	assert_true(net_queued(&w.a.layer) > NET_QUEUE_LOW);
	assert_true(net_tcp_stalled_since(&w.a.conn) <= time_monotonic());
	net_finish(&w.a.layer); /* only after all that */
	wire_run_until_bytes(&w, &w.b, N);
	assert_memory_equal(w.b.got, p, N);
	wire_run_until(&w, &w.b.closed, 1);
	assert_string_equal(w.b.why, "connection closed");
	assert_int_equal(w.a.drained, 1);
	assert_int_equal(net_queued(&w.a.layer), 0);
	assert_true(net_tcp_stalled_since(&w.a.conn) == NS_NEVER);
	wire_close(&w);
	free(p);
}

static void a_short_queue_drains_without_a_word(void **state UNUSED)
{
	static uint8_t p[1000];
	struct wire w;

	wire_open(&w);
	wire_begin(&w);
	/* Once the socket is full: a few of these, far below the mark. */
	for (unsigned i = 0; i < 30;) {
		assert_int_equal(net_output(&w.a.layer, p, sizeof(p)), TM_OK);
		i += net_queued(&w.a.layer) > 0;
	}
	assert_true(net_queued(&w.a.layer) <= NET_QUEUE_LOW);
	while (net_queued(&w.a.layer))
		wire_turn(&w);
	wire_turn(&w);
	assert_int_equal(w.a.drained, 0);
	wire_close(&w);
}

static void a_broken_socket_is_told_from_the_loop_and_once(void **state UNUSED)
{
	struct wire w;
	int err = TM_OK;

	wire_open(&w);
	wire_begin(&w);
	net_close(&w.b.conn, NULL);
	for (unsigned i = 0; i < 3; i++)
		err = net_output(&w.a.layer, "x", 1);
	assert_int_equal(err, TM_ECLOSED);
	assert_int_equal(w.a.closed, 0);
	wire_run_until(&w, &w.a.closed, 1);
	wire_turn(&w);
	assert_int_equal(w.a.closed, 1);
	wire_close(&w);
}

static void an_owner_may_close_in_any_call(void **state UNUSED)
{
	struct wire w;

	wire_open(&w);
	w.a.close_on_ready = true;
	wire_begin(&w);
	assert_int_equal(w.a.gone, 1);
	assert_int_equal(net_output(&w.a.layer, "x", 1), TM_ECLOSED);
	wire_run_until(&w, &w.b.closed, 1);
	wire_close(&w);

	wire_open(&w);
	chopper_push(&w.a.conn, w.base, 1, 0);
	w.a.close_on_input = true;
	wire_begin(&w);
	assert_int_equal(net_output(&w.b.layer, "many pieces", 11), TM_OK);
	wire_run_until(&w, &w.a.gone, 1);
	wire_turn(&w);
	assert_int_equal(w.a.inputs, 1); /* and none of those behind it */
	wire_close(&w);
}

/* What a layer does not care about passes it; what it holds back comes later and in order. */
static void a_layer_in_between_changes_only_what_it_wants(void **state UNUSED)
{
	struct wire w;

	wire_open(&w);
	chopper_push(&w.b.conn, w.base, 3, 5 * MS);
	wire_begin(&w);
	assert_int_equal(w.b.ready, 1);
	assert_int_equal(net_output(&w.b.layer, "down", 4), TM_OK);
	wire_run_until_bytes(&w, &w.a, 4);
	assert_int_equal(net_output(&w.a.layer, "upwards", 7), TM_OK);
	net_close(&w.a.conn, NULL);
	wire_run_until(&w, &w.b.closed, 1);
	assert_int_equal(w.b.inputs, 3);
	assert_memory_equal(w.b.got, "upwards", 7);
	assert_string_equal(w.b.why, "the line went dead");
	wire_close(&w);
}

/* Its end would be missing at the other side, or come in the middle of something else. */
static void what_waits_to_be_sent_keeps_a_connection_from_going_elsewhere(void **state UNUSED)
{
	static uint8_t much[8 << 20];
	struct net_released r = {.fd = 77};
	struct wire w;

	wire_open(&w);
	wire_begin(&w);
	assert_int_equal(net_output(&w.a.layer, much, sizeof(much)), TM_OK);
	assert_true(net_queued(&w.a.layer) > 0);
	assert_int_equal(net_release(&w.a.layer, &r), TM_EAGAIN);
	assert_int_equal(r.fd, 77);
	wire_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_are_ready_and_hear_each_other),
		cmocka_unit_test(what_the_socket_does_not_take_is_sent_later_in_order),
		cmocka_unit_test(a_short_queue_drains_without_a_word),
		cmocka_unit_test(a_broken_socket_is_told_from_the_loop_and_once),
		cmocka_unit_test(an_owner_may_close_in_any_call),
		cmocka_unit_test(a_layer_in_between_changes_only_what_it_wants),
		cmocka_unit_test(what_waits_to_be_sent_keeps_a_connection_from_going_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
