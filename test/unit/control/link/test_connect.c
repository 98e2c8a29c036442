/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a node says when the coordinator is not there, is another one, or is something else. */
#include "parrot.h"
#include "raw.h"

#include <unistd.h>

#include "crypto/init.h"

static void whatever_answers_instead_of_a_coordinator_is_named(void **state UNUSED)
{
	static const struct {
		const char *text;
		bool hang_up;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false},
		{"HTTP/1.1 404 Not Found\r\n\r\n", true},
		{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
			false},
		{"SSH-2.0-OpenSSH_9.2\r\n", false},
		{"\x15\x03\x01", true},
		{"", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct parrot p = {.text = rows[i].text, .hang_up = rows[i].hang_up};
		struct world w;

		world_open(&w, NULL);
		parrot_open(&p, w.base, "127.0.0.1:0", w.address);
		w.at_client.link = world_connect(&w, &w.at_client, NULL);
		world_run_until(&w, &w.at_client.closed, 1);
		assert_contains(w.at_client.why, "is not a TunnelMesh coordinator");
		assert_contains(w.at_client.why, w.address);
		assert_int_equal(w.at_client.err, TM_EPROTO);
		parrot_close(&p);
		world_turn(&w);
		world_close(&w);
	}
}

static void a_proxy_that_keeps_the_upgrade_to_itself_is_told_what_to_do(void **state UNUSED)
{
	static const char *const answers[] = {
		"HTTP/1.1 426 Upgrade Required\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n"};

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct parrot p = {.text = answers[i]};
		struct world w;

		world_open(&w, NULL);
		parrot_open(&p, w.base, "127.0.0.1:0", w.address);
		w.at_client.link = world_connect(&w, &w.at_client, NULL);
		world_run_until(&w, &w.at_client.closed, 1);
		assert_contains(
			w.at_client.why, "a proxy there must speak HTTP/1.1 and pass the header Upgrade on");
		parrot_close(&p);
		world_turn(&w);
		world_close(&w);
	}
}

static void another_coordinator_is_told_from_the_right_one(void **state UNUSED)
{
	struct world w;
	struct clink_events ev;
	struct clink_config cfg;

	world_open(&w, NULL);
	ev = seen_events(&w.at_client);
	cfg = (struct clink_config){.address = w.address,
		.remote_key = w.stranger.x_pub,
		.identity = &w.node,
		.connect_timeout_ms = 5000};
	assert_int_equal(clink_connect(w.base, &cfg, &ev, &w.at_client.link), TM_OK);
	world_run_until(&w, &w.at_client.closed, 1);
	assert_int_equal(w.at_client.err, TM_EAUTH);
	assert_contains(w.at_client.why, "is not the one of the join token or enrolment");
	assert_contains(w.at_client.why, w.address);
	assert_int_equal(w.at_client.up + w.at_server.up, 0);
	world_close(&w);
}

static void a_refused_connection_is_named(void **state UNUSED)
{
	struct world w;

	world_open(&w, NULL);
	clink_server_free(w.server);
	w.server = NULL;
	w.at_client.link = world_connect(&w, &w.at_client, NULL);
	world_run_until(&w, &w.at_client.closed, 1);
	assert_int_equal(w.at_client.err, TM_EUNREACH);
	assert_contains(w.at_client.why, w.address);
	assert_contains(w.at_client.why, "connection refused");
	world_close(&w);
}

static void connecting_has_a_deadline(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;
	int fill[8];

	t.dial_ms = 200;
	world_open(&w, NULL);
	int fd = black_hole(w.address, fill);
	w.at_client.link = world_connect(&w, &w.at_client, &t);
	world_run_until(&w, &w.at_client.closed, 1);
	assert_int_equal(w.at_client.err, TM_ETIMEOUT);
	assert_contains(w.at_client.why, "does not answer: connecting timed out");
	close(fd);
	for (unsigned i = 0; i < 8; i++)
		close(fill[i]);
	world_close(&w);
}

static void the_handshake_has_a_deadline(void **state UNUSED)
{
	struct parrot p = {.text = "HTTP/1.1 "};
	struct world w;
	struct clink_events ev;
	struct clink_config cfg;

	world_open(&w, NULL);
	parrot_open(&p, w.base, "127.0.0.1:0", w.address);
	ev = seen_events(&w.at_client);
	cfg = (struct clink_config){.address = w.address,
		.remote_key = w.coordinator.x_pub,
		.identity = &w.node,
		.connect_timeout_ms = 150};
	assert_int_equal(clink_connect(w.base, &cfg, &ev, &w.at_client.link), TM_OK);
	world_run_until(&w, &w.at_client.closed, 1);
	assert_int_equal(w.at_client.err, TM_ETIMEOUT);
	assert_contains(w.at_client.why, "did not finish the handshake in time");
	parrot_close(&p);
	world_turn(&w);
	world_close(&w);
}

static void addresses_are_checked_before_anything_is_tried(void **state UNUSED)
{
	static const char *const bad[] = {"", "host", "host:8443", ":8443", "host:", "host:0", "host:65536",
		"host:84x", "::1:8443", "[::1]", "[]:1", "a b:1", "a/b:1"};
	struct world w;

	world_open(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct clink_config cfg = {.address = bad[i],
			.remote_key = w.coordinator.x_pub,
			.identity = &w.node,
			.connect_timeout_ms = 1000};
		struct clink_events ev = seen_events(&w.at_client);

		if (clink_connect(w.base, &cfg, &ev, &w.at_client.link) != TM_EINVAL)
			fail_msg("\"%s\"", bad[i]);
	}
	world_close(&w);
}

static void a_link_given_up_at_any_moment_leaves_nothing_behind(void **state UNUSED)
{
	static const char *const addresses[] = {NULL, "127.0.0.1:1"};

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		for (unsigned turns = 0; turns < 12; turns++) {
			struct world w;

			world_open(&w, NULL);
			if (addresses[i])
				snprintf(w.address, sizeof(w.address), "%s", addresses[i]);
			w.at_client.link = world_connect(&w, &w.at_client, NULL);
			for (unsigned k = 0; k < turns; k++)
				world_turn(&w);
			world_close(&w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_answers_instead_of_a_coordinator_is_named),
		cmocka_unit_test(a_proxy_that_keeps_the_upgrade_to_itself_is_told_what_to_do),
		cmocka_unit_test(another_coordinator_is_told_from_the_right_one),
		cmocka_unit_test(a_refused_connection_is_named),
		cmocka_unit_test(connecting_has_a_deadline),
		cmocka_unit_test(the_handshake_has_a_deadline),
		cmocka_unit_test(addresses_are_checked_before_anything_is_tried),
		cmocka_unit_test(a_link_given_up_at_any_moment_leaves_nothing_behind),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
