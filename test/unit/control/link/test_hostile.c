/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Strangers at the coordinator's control port: garbage at each layer, replay. Too many at once: test_seats.c.
 */
#include "raw.h"

#include "base/time.h"
#include "control/link/text.h"
#include "crypto/init.h"

static void bytes_that_are_not_http_get_no_answer(void **state UNUSED)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11}, /* TLS */
		{"SSH-2.0-OpenSSH_9.2\r\n\r\n", 23},
		{"\0\0\0\0\0\0\0\0", 8},
		{"\xff\xfe\xfd\xfc", 4},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		struct raw r;

		world_open(&w, NULL);
		raw_connect(&r, &w);
		raw_send(&r, rows[i].bytes, rows[i].n);
		raw_wait_eof(&r);
		if (r.n)
			fail_msg("row %zu was answered with %zu bytes", i, r.n);
		assert_int_equal(w.at_server.up + w.at_server.closed, 0);
		raw_close(&r);
		world_close(&w);
	}
}

static void http_gets_a_short_answer_with_a_status(void **state UNUSED)
{
	static const struct {
		const char *request, *answer;
	} rows[] = {
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200"},
		{"GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404"},
		{"GET /control HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 4"},
		{"POST /control HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405"},
		{"GET /control HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n",
			"HTTP/1.1 400"},
		{"GET /control HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
			"HTTP/1.1 426"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		struct raw r;

		world_open(&w, NULL);
		raw_connect(&r, &w);
		raw_send(&r, rows[i].request, strlen(rows[i].request));
		raw_wait_eof(&r);
		if (r.n < strlen(rows[i].answer) || memcmp(r.in, rows[i].answer, strlen(rows[i].answer)) != 0)
			fail_msg("row %zu: %.*s", i, (int)r.n, (const char *)r.in);
		assert_true(r.n < 512);
		if (i == 0)
			assert_non_null(memmem(r.in, r.n, "TunnelMesh control port\n", 24));
		raw_close(&r);
		world_close(&w);
	}
}

static void an_endless_request_head_is_refused(void **state UNUSED)
{
	struct world w;
	struct raw r;

	world_open(&w, NULL);
	raw_connect(&r, &w);
	raw_send(&r, "GET /control HTTP/1.1\r\n", 23);
	for (unsigned i = 0; i < 1000 && !r.eof; i++)
		raw_send(&r, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 50);
	raw_wait_eof(&r);
	assert_int_equal(w.at_server.up, 0);
	raw_close(&r);
	world_close(&w);
}

static void invalid_frames_end_the_connection_with_their_code(void **state UNUSED)
{
	static const struct {
		const char *what, *bytes;
		size_t n;
		uint16_t code;
	} rows[] = {
		{"unmasked", "\x82\x01x", 3, WS_CLOSE_PROTOCOL},
		{"text", "\x81\x81\0\0\0\0x", 7, WS_CLOSE_UNSUPPORTED},
		{"reserved bit", "\xc2\x81\0\0\0\0x", 7, WS_CLOSE_PROTOCOL},
		{"unknown opcode", "\x83\x81\0\0\0\0x", 7, WS_CLOSE_PROTOCOL},
		{"continuation of nothing", "\x80\x81\0\0\0\0x", 7, WS_CLOSE_PROTOCOL},
		{"fragmented ping", "\x09\x80\0\0\0\0", 6, WS_CLOSE_PROTOCOL},
		{"over 65535 bytes", "\x82\xff\0\0\0\0\0\1\0\0mask", 14, WS_CLOSE_TOO_BIG},
		{"more than a first Noise message", "\x82\xfe\x02\x01mask", 8, WS_CLOSE_TOO_BIG},
		{"2^63 bytes", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffmask", 14, WS_CLOSE_PROTOCOL},
		{"Noise message that is none", "\x82\x84\0\0\0\0abcd", 10, WS_CLOSE_POLICY},
		{"empty message", "\x82\x80\0\0\0\0", 6, WS_CLOSE_POLICY},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		struct raw r;

		world_open(&w, NULL);
		raw_connect(&r, &w);
		raw_upgrade(&r);
		raw_send(&r, rows[i].bytes, rows[i].n);
		uint16_t code = raw_close_code(&r);
		if (rows[i].code && code != rows[i].code)
			fail_msg("%s: close code %u", rows[i].what, code);
		assert_int_equal(w.at_server.up + w.at_server.closed, 0);
		raw_close(&r);
		world_close(&w);
	}
}

static void a_handshake_for_another_coordinator_is_refused(void **state UNUSED)
{
	struct world w;
	struct raw r;
	uint8_t hello[SECURE_HELLO_MAX];

	world_open(&w, NULL);
	raw_connect(&r, &w);
	raw_upgrade(&r);
	raw_frame(&r, WS_BINARY, hello, raw_hello(&r, w.stranger.x_pub, hello));
	assert_int_equal(raw_close_code(&r), WS_CLOSE_POLICY);
	assert_int_equal(w.at_server.up, 0);
	raw_close(&r);
	world_close(&w);
}

static void every_flipped_bit_of_the_first_message_is_noticed(void **state UNUSED)
{
	struct world w;
	struct aead *a;
	struct dh_key *key;
	uint8_t hello[SECURE_HELLO_MAX];
	struct raw maker;

	world_open(&w, NULL);
	assert_int_equal(aead_new(&a), TM_OK);
	assert_int_equal(dh_key_new(w.coordinator.x_priv, &key), TM_OK);
	maker = (struct raw){.w = &w, .aead = a};
	size_t n = raw_hello(&maker, w.coordinator.x_pub, hello);
	for (size_t bit = 0; bit < n * 8; bit += 5) {
		struct secure s;
		uint8_t bad[SECURE_HELLO_MAX];

		memcpy(bad, hello, n);
		bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(secure_init(&s, a, NOISE_RESPONDER, key, NULL, 100), TM_OK);
		/* The highest bit of an X25519 key counts for the hash, though not for the result. */
		if (secure_hello_read(&s, bad, n) == TM_OK)
			fail_msg("bit %zu", bit);
		secure_deinit(&s);
	}
	secure_deinit(&maker.secure);
	dh_key_free(maker.key);
	dh_key_free(key);
	aead_free(a);
	world_close(&w);
}

static void a_replayed_first_message_never_counts_as_a_node(void **state UNUSED)
{
	struct world w;
	struct raw first, again;
	uint8_t hello[SECURE_HELLO_MAX];

	world_open(&w, NULL);
	raw_connect(&first, &w);
	raw_upgrade(&first);
	size_t n = raw_hello(&first, w.coordinator.x_pub, hello);
	raw_frame(&first, WS_BINARY, hello, n);
	raw_wait(&first, 50);

	/* The coordinator cannot know yet, and answers; but whoever replays has not got the keys. */
	raw_connect(&again, &w);
	raw_upgrade(&again);
	raw_frame(&again, WS_BINARY, hello, n);
	raw_wait(&again, 50);
	assert_int_equal(w.at_server.up, 0);
	raw_frame(&again, WS_BINARY, "0123456789abcdef0123456789abcdef", 32);
	assert_int_equal(raw_close_code(&again), WS_CLOSE_POLICY);
	assert_int_equal(w.at_server.up + w.at_server.closed, 0);
	raw_close(&first);
	raw_close(&again);
	world_close(&w);
}

static void a_replayed_or_changed_message_ends_the_link(void **state UNUSED)
{
	for (unsigned i = 0; i < 2; i++) {
		struct world w;
		struct raw r;
		uint8_t sealed[2 + SECURE_OVERHEAD] = {0};

		world_open(&w, NULL);
		raw_connect(&r, &w);
		raw_noise(&r);
		raw_text(&r, "{}", 2, true);
		world_run_until(&w, &w.at_server.messages, 1);
		memcpy(sealed + 1, "{}", 2);
		assert_int_equal(secure_seal(&r.secure, sealed, 2, SECURE_LAST), TM_OK);
		if (i == 0) {
			raw_frame(&r, WS_BINARY, sealed, sizeof(sealed));
			world_run_until(&w, &w.at_server.messages, 2);
		} else {
			sealed[5] ^= 1;
		}
		raw_frame(&r, WS_BINARY, sealed, sizeof(sealed));
		assert_int_equal(raw_close_code(&r), WS_CLOSE_POLICY);
		world_run_until(&w, &w.at_server.closed, 1);
		assert_int_equal(w.at_server.err, TM_EAUTH);
		assert_contains(w.at_server.why, "not authentic");
		raw_close(&r);
		world_close(&w);
	}
}

static void malformed_messages_end_the_link_with_a_reason_that_names_them(void **state UNUSED)
{
	static char deep[TEXT_DEPTH_MAX * 6 + 16];
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"", "not JSON"},
		{"{", "not JSON"},
		{"hello", "not JSON"},
		{"{\"a\":1}x", "not JSON"},
		{"{\"a\":\"\xff\"}", "not JSON"},
		{"[1,2]", "not a JSON object"},
		{"{\"a\":1,\"a\":2}", "a key stands in it twice"},
		{"{\"x\":{\"a\":1,\"b\":2,\"a\":2}}", "a key stands in it twice"},
		{deep, "nested too deep"},
	};

	for (size_t i = 0; i <= TEXT_DEPTH_MAX; i++)
		memcpy(deep + i * 5, "{\"a\":", 5);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		struct raw r;

		world_open(&w, NULL);
		raw_connect(&r, &w);
		raw_noise(&r);
		raw_text(&r, "{}", 2, true);
		world_run_until(&w, &w.at_server.messages, 1);
		raw_text(&r, rows[i].text, strlen(rows[i].text), true);
		assert_int_equal(raw_close_code(&r), WS_CLOSE_POLICY);
		world_run_until(&w, &w.at_server.closed, 1);
		assert_int_equal(w.at_server.messages, 1);
		assert_contains(w.at_server.why, rows[i].why);
		raw_close(&r);
		world_close(&w);
	}
}

static void fragments_are_bounded(void **state UNUSED)
{
	static const char part[SECURE_FRAGMENT_MAX];

	for (unsigned i = 0; i < 3; i++) {
		struct world w;
		struct raw r;

		world_open(&w, NULL);
		raw_connect(&r, &w);
		raw_noise(&r);
		raw_text(&r, "{}", 2, true);
		world_run_until(&w, &w.at_server.up, 1);
		switch (i) {
		case 0: /* 16 MiB and more, never a last one */
			for (unsigned k = 0; k < 300 && !w.at_server.closed; k++)
				raw_text(&r, part, sizeof(part), false);
			assert_int_equal(raw_close_code(&r), WS_CLOSE_TOO_BIG);
			world_run_until(&w, &w.at_server.closed, 1);
			assert_contains(w.at_server.why, "larger than 16777216 bytes");
			break;
		case 1: /* a smaller bound for strangers */
			clink_limit_receive(w.at_server.link, 1000);
			raw_text(&r, part, 1001, true);
			world_run_until(&w, &w.at_server.closed, 1);
			assert_contains(w.at_server.why, "larger than 1000 bytes");
			break;
		default: /* nothing, but not the last */
			raw_text(&r, part, 0, false);
			world_run_until(&w, &w.at_server.closed, 1);
			assert_contains(w.at_server.why, "malformed");
		}
		raw_close(&r);
		world_close(&w);
	}
}

static void nesting_and_number_of_values_are_bounded_before_parsing(void **state UNUSED)
{
	size_t n = 12 << 20;
	char *text = malloc(n);
	const char *why;
	json_t *j;

	memset(text, '[', n);
	assert_int_equal(text_parse(text, n, &j, &why), TM_EBADMSG);
	assert_contains(why, "deep");
	for (size_t i = 0; i < n; i++)
		text[i] = i % 2 ? ',' : '0';
	assert_int_equal(text_parse(text, n, &j, &why), TM_EBADMSG);
	assert_contains(why, "many values");
	free(text);
	/* Brackets and commas in strings are text; a quoted quote does not end one. */
	static const char harmless[] = "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[,,,,\"}";
	assert_int_equal(text_parse(harmless, sizeof(harmless) - 1, &j, &why), TM_OK);
	json_decref(j);
}

static void the_first_message_is_bounded_too(void **state UNUSED)
{
	static const char part[SECURE_FRAGMENT_MAX];
	char object[5000];
	struct world w;
	struct raw r;
	struct clink_server *s;
	struct clink_events ev;

	world_open(&w, NULL);
	ev = seen_events(&w.at_server);
	struct clink_server_config cfg = {
		.identity = &w.coordinator, .max_links = 1, .receive_max = 5000, .receive_first = 1000};
	assert_int_equal(endpoint_parse("127.0.0.1:0", &cfg.listen), TM_OK);
	assert_int_equal(clink_server_new(w.base, &cfg, &ev, &s, NULL), TM_OK);
	snprintf(w.address, sizeof(w.address), "127.0.0.1:%u", clink_server_port(s));
	raw_connect(&r, &w);
	raw_noise(&r);
	raw_send(&r, "\x82\xfe\x03\xfbmask", 8); /* one byte more than 1000 and what seals them */
	assert_int_equal(raw_close_code(&r), WS_CLOSE_TOO_BIG);
	raw_close(&r);

	raw_connect(&r, &w);
	raw_noise(&r);
	raw_text(&r, part, 600, false); /* nor in several fragments */
	raw_text(&r, part, 401, false);
	assert_int_equal(raw_close_code(&r), WS_CLOSE_TOO_BIG);
	assert_int_equal(w.at_server.up, 0);
	raw_close(&r);

	memset(object, ' ', sizeof(object));
	memcpy(object, "{}", 2);
	raw_connect(&r, &w);
	raw_noise(&r);
	raw_text(&r, object, 1000, true);
	raw_text(&r, object, 5000, true); /* a node's */
	world_run_until(&w, &w.at_server.messages, 2);
	raw_close(&r);
	clink_server_free(s);
	world_close(&w);
}

static void a_flood_of_pings_from_a_peer_that_does_not_read_is_bounded(void **state UNUSED)
{
	struct world w;
	struct raw r;
	char payload[125] = {0};

	world_open(&w, NULL);
	raw_connect(&r, &w);
	raw_noise(&r);
	raw_text(&r, "{}", 2, true);
	world_run_until(&w, &w.at_server.up, 1);
	for (unsigned i = 0; i < 20000; i++)
		raw_frame(&r, WS_PING, payload, sizeof(payload));
	raw_text(&r, "{}", 2, true);
	world_run_until(&w, &w.at_server.messages, 2);
	assert_int_equal(w.at_server.closed, 0);
	raw_close(&r);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_that_are_not_http_get_no_answer),
		cmocka_unit_test(http_gets_a_short_answer_with_a_status),
		cmocka_unit_test(an_endless_request_head_is_refused),
		cmocka_unit_test(invalid_frames_end_the_connection_with_their_code),
		cmocka_unit_test(a_handshake_for_another_coordinator_is_refused),
		cmocka_unit_test(every_flipped_bit_of_the_first_message_is_noticed),
		cmocka_unit_test(a_replayed_first_message_never_counts_as_a_node),
		cmocka_unit_test(a_replayed_or_changed_message_ends_the_link),
		cmocka_unit_test(malformed_messages_end_the_link_with_a_reason_that_names_them),
		cmocka_unit_test(fragments_are_bounded),
		cmocka_unit_test(nesting_and_number_of_values_are_bounded_before_parsing),
		cmocka_unit_test(the_first_message_is_bounded_too),
		cmocka_unit_test(a_flood_of_pings_from_a_peer_that_does_not_read_is_bounded),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
