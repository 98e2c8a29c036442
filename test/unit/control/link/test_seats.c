/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Too many at the coordinator's control port, and too slow ones: who waits, who goes, who is told when to
 * come back. */
#include "raw.h"

#include "base/time.h"
#include "crypto/init.h"

static void half_open_links_end_in_time(void **state UNUSED)
{
	for (unsigned layer = 0; layer < 3; layer++) {
		struct clink_tuning t = world_tuning();
		struct world w;
		struct raw r;

		t.half_open_ms = 100;
		world_open(&w, &t);
		raw_connect(&r, &w);
		if (layer == 1)
			raw_upgrade(&r);
		if (layer == 2)
			raw_noise(&r);
		raw_wait_eof(&r);
		assert_int_equal(w.at_server.up + w.at_server.closed, 0);
		raw_close(&r);
		world_close(&w);
	}
}

static void one_source_holds_few_half_open_links(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;
	struct raw r[4];

	t.admission.seats_per_source = 3;
	world_open(&w, &t);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_connect(&r[i], &w);
	raw_wait_eof(&r[3]);
	raw_close(&r[0]);
	world_turn(&w);
	raw_upgrade(&r[1]);
	raw_close(&r[3]);
	raw_connect(&r[3], &w); /* there is room again */
	raw_upgrade(&r[3]);
	for (size_t i = 1; i < ARRAY_LEN(r); i++)
		raw_close(&r[i]);
	world_close(&w);
}

/* Four strangers take all seats and say nothing; one of them goes on in time. */
static void when_all_seats_are_taken_those_who_make_no_progress_make_room(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;
	struct raw r[4];

	t.admission.seats = 4;
	t.patience_ms = t.silent_ms = 300;
	world_open(&w, &t);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_connect(&r[i], &w);
	world_run_ms(&w, 200);
	raw_upgrade(&r[1]);
	world_pair(&w, NULL); /* an honest node waits, and gets in when the silent ones go */
	raw_wait_eof(&r[0]);
	raw_frame(&r[1], WS_PING, "", 0);
	raw_wait(&r[1], 2);
	assert_int_equal(r[1].in[0], 0x8a); /* a pong: it is still there */
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_close(&r[i]);
	world_close(&w);
}

/* Who has proved to know the coordinator's key is given more time than who has asked for an upgrade alone. */
static void without_a_noise_message_one_makes_room_sooner(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;
	struct raw greeted, asked;

	t.admission.seats = 2;
	t.silent_ms = 300;
	world_open(&w, &t);
	raw_connect(&greeted, &w);
	raw_noise(&greeted);
	raw_connect(&asked, &w);
	raw_upgrade(&asked);
	world_pair(&w, NULL);
	raw_wait_eof(&asked);
	raw_text(&greeted, "{}", 2, true);
	world_run_until(&w, &w.at_server.messages, 2);
	raw_close(&greeted);
	raw_close(&asked);
	world_close(&w);
}

static void without_newcomers_the_slow_keep_their_seats(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;
	struct raw r[3];

	t.admission.seats = 4;
	t.patience_ms = t.silent_ms = 50;
	world_open(&w, &t);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_connect(&r[i], &w);
	world_run_ms(&w, 300);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_upgrade(&r[i]);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_close(&r[i]);
	world_close(&w);
}

/* One byte at a time is no progress: each stage has its time. */
static void a_request_that_trickles_in_is_cut_off(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;
	struct raw r;

	t.stage_ms = 200;
	world_open(&w, &t);
	raw_connect(&r, &w);
	raw_send(&r, "GET /control HTTP/1.1\r\nHost: x\r\nX: ", 35);
	for (unsigned i = 0; i < 400 && !r.eof; i++) {
		raw_send(&r, "x", 1);
		world_run_ms(&w, 10);
		raw_peek(&r);
	}
	assert_true(r.eof);
	raw_close(&r);
	world_close(&w);
}

/* Two handshakes of strangers, and no more. */
static struct clink_tuning two_handshakes(void)
{
	struct clink_tuning t = world_tuning();
	struct admission_budget *b = &t.admission.budget[ADMISSION_HANDSHAKE];

	b->burst_per_source = 2;
	b->rate_per_source = 0;
	return t;
}

static void expect_refused(struct world *w)
{
	unsigned closed = w->at_client.closed;

	w->at_client.link = world_connect(w, &w->at_client, NULL);
	world_run_until(w, &w->at_client.closed, closed + 1);
	assert_int_equal(w->at_client.err, TM_EBUSY);
	assert_int_equal(w->at_client.retry_ms, 500);
	assert_contains(w->at_client.why, "too much to do");
}

static void a_source_that_costs_too_much_is_told_when_to_come_back(void **state UNUSED)
{
	struct clink_tuning t = two_handshakes();
	struct world w;
	struct raw r[2];

	world_open(&w, &t);
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		raw_connect(&r[i], &w);
		raw_noise(&r[i]);
	}
	expect_refused(&w);
	assert_int_equal(w.at_server.up, 0);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_close(&r[i]);
	world_close(&w);
}

static void members_get_in_whatever_strangers_at_their_address_have_cost(void **state UNUSED)
{
	struct clink_tuning t = two_handshakes();
	struct world w;

	t.admission.budget[ADMISSION_LOOK].burst_per_source = 6;
	t.admission.budget[ADMISSION_LOOK].rate_per_source = 0;
	world_open(&w, &t);
	for (unsigned i = 0; i < 2; i++) {
		world_pair(&w, NULL);
		clink_free(TAKE(w.at_client.link));
	}
	expect_refused(&w);
	w.at_server.knows = w.node.x_pub;
	for (unsigned i = 1; i <= 20; i++) {
		world_pair(&w, NULL);
		assert_int_equal(w.at_server.greeted, i);
		clink_free(TAKE(w.at_client.link));
	}
	w.at_server.knows = w.stranger.x_pub; /* it has come too often, or is no member any more */
	expect_refused(&w);
	world_close(&w);
}

/* Who knows the coordinator's key and a member's, as one who was removed does, but has none of their secrets.
 */
static void a_members_public_key_buys_no_handshakes(void **state UNUSED)
{
	struct clink_tuning t = two_handshakes();
	struct world w;

	world_open(&w, &t);
	w.at_server.knows = w.node.x_pub;
	for (unsigned i = 0; i < 2; i++) {
		struct raw r;
		uint8_t hello[SECURE_HELLO_MAX];

		raw_connect(&r, &w);
		raw_upgrade(&r);
		size_t n = raw_hello(&r, w.coordinator.x_pub, hello);
		hello[n - SECURE_MAC - 1] ^= 1; /* the payload, which only the key's owner can seal */
		raw_mac(&w, hello, n);
		raw_frame(&r, WS_BINARY, hello, n);
		assert_int_equal(raw_close_code(&r), WS_CLOSE_POLICY);
		raw_close(&r);
	}
	assert_int_equal(w.at_server.greeted, 0);
	w.at_server.knows = NULL;
	expect_refused(&w); /* those two were paid for */
	world_close(&w);
}

static void who_does_not_know_the_coordinators_key_costs_nobody_a_handshake(void **state UNUSED)
{
	struct clink_tuning t = two_handshakes();
	struct world w;

	t.admission.budget[ADMISSION_LOOK].burst_per_source = 2;
	t.admission.budget[ADMISSION_LOOK].rate_per_source = 0;
	world_open(&w, &t);
	for (unsigned i = 0; i < 10; i++) {
		struct raw r;
		uint8_t hello[SECURE_HELLO_MAX];

		raw_connect(&r, &w);
		raw_upgrade(&r);
		if (i % 2)
			raw_frame(&r, WS_BINARY, hello, raw_hello(&r, w.stranger.x_pub, hello));
		raw_close(&r);
	}
	world_run_ms(&w, 50);
	world_pair(&w, NULL); /* at its first attempt */
	world_close(&w);
}

static void without_descriptors_newcomers_wait(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct seen second = {0};
	struct world w;

	t.descriptors = 1;
	world_open(&w, &t);
	world_pair(&w, NULL);
	second.link = world_connect(&w, &second, NULL);
	world_run_ms(&w, 300);
	assert_int_equal(second.up + second.closed, 0);
	clink_free(w.at_client.link);
	w.at_client.link = NULL;
	world_run_until(&w, &second.up, 1);
	clink_free(second.link);
	world_close(&w);
}

static void the_number_of_links_is_bounded(void **state UNUSED)
{
	struct world w;
	struct clink_server_config cfg = {.identity = &w.coordinator, .max_links = 1};
	struct clink_events ev = seen_events(&w.at_server);
	struct clink_server *s;
	struct seen second = {0};
	json_t *m = json_object();

	world_open(&w, NULL);
	assert_int_equal(endpoint_parse("127.0.0.1:0", &cfg.listen), TM_OK);
	assert_int_equal(clink_server_new(w.base, &cfg, &ev, &s, NULL), TM_OK);
	snprintf(w.address, sizeof(w.address), "127.0.0.1:%u", clink_server_port(s));
	world_pair(&w, NULL);
	second.link = world_connect(&w, &second, NULL);
	world_run_until(&w, &second.up, 1);
	assert_int_equal(clink_send(second.link, m), TM_OK);
	world_run_until(&w, &second.closed, 1);
	assert_contains(second.why, "too many nodes");
	assert_int_equal(w.at_server.up, 1);
	json_decref(m);
	clink_server_free(s);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_open_links_end_in_time),
		cmocka_unit_test(one_source_holds_few_half_open_links),
		cmocka_unit_test(when_all_seats_are_taken_those_who_make_no_progress_make_room),
		cmocka_unit_test(without_a_noise_message_one_makes_room_sooner),
		cmocka_unit_test(without_newcomers_the_slow_keep_their_seats),
		cmocka_unit_test(a_request_that_trickles_in_is_cut_off),
		cmocka_unit_test(a_source_that_costs_too_much_is_told_when_to_come_back),
		cmocka_unit_test(members_get_in_whatever_strangers_at_their_address_have_cost),
		cmocka_unit_test(a_members_public_key_buys_no_handshakes),
		cmocka_unit_test(who_does_not_know_the_coordinators_key_costs_nobody_a_handshake),
		cmocka_unit_test(without_descriptors_newcomers_wait),
		cmocka_unit_test(the_number_of_links_is_bounded),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
