/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/wire/hex.h"
#include "wire/ws.h"

enum { MAX_MESSAGE = 1 << 20 };

/* What a decoder makes of a byte string, as text: "msg 3 | ping 0 | close 1000 | error 1002 | more". */
static const char *story(
	enum ws_role role, const uint8_t *p, size_t n, size_t step, char *out, size_t out_len)
{
	static const char *const names[] = {[WS_EV_MESSAGE] = "msg",
		[WS_EV_PING] = "ping",
		[WS_EV_PONG] = "pong",
		[WS_EV_CLOSE] = "close"};
	struct ws_decoder d;
	size_t at = 0, len = 0;

	ws_decoder_init(&d, role, MAX_MESSAGE);
	out[0] = '\0';
	while (at < n) {
		size_t chunk = MIN(step, n - at);
		struct rd in = rd_over(p + at, chunk);

		at += chunk;
		for (;;) {
			struct ws_event ev;
			int err = ws_decode(&d, &in, &ev);

			if (err == TM_ECLOSED) {
				at = n;
				break;
			}
			if (err) {
				len += (size_t)snprintf(out + len, out_len - len, "error %u ", d.close_code);
				at = n;
				break;
			}
			if (ev.kind == WS_EV_MORE)
				break;
			assert_non_null(ev.data);
			len += (size_t)snprintf(out + len, out_len - len, "%s ", names[ev.kind]);
			if (ev.kind == WS_EV_CLOSE)
				len += (size_t)snprintf(out + len, out_len - len, "%u ", ev.close_code);
			len += (size_t)snprintf(out + len, out_len - len, "%.*s ", (int)MIN(ev.n, (size_t)16),
				(const char *)ev.data);
		}
	}
	ws_decoder_deinit(&d);
	return out;
}

/* RFC 6455 5.7; text frames become binary ones, which is all we take. */
static void the_examples_of_rfc_6455_are_understood(void **state)
{
	static const struct {
		enum ws_role role;
		const char *bytes, *story;
	} rows[] = {
		{WS_CLIENT, "82 05 48 65 6c 6c 6f", "msg Hello "},
		{WS_SERVER, "82 85 37 fa 21 3d 7f 9f 4d 51 58", "msg Hello "},
		{WS_CLIENT, "02 03 48 65 6c 80 02 6c 6f", "msg Hello "},
		{WS_CLIENT, "89 05 48 65 6c 6c 6f", "ping Hello "},
		{WS_SERVER, "8a 85 37 fa 21 3d 7f 9f 4d 51 58", "pong Hello "},
		/* The unmasked text message itself: not for us. */
		{WS_CLIENT, "81 05 48 65 6c 6c 6f", "error 1003 "},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[64];
		char out[256];
		size_t n = hex(rows[i].bytes, p, sizeof(p));

		for (size_t step = 1; step <= n; step++)
			assert_string_equal(story(rows[i].role, p, n, step, out, sizeof(out)), rows[i].story);
	}
}

static void frames_are_judged_as_rfc_6455_says(void **state)
{
	static const struct {
		const char *why;
		enum ws_role role;
		const char *bytes, *story;
	} rows[] = {
		{"empty message", WS_CLIENT, "82 00", "msg  "},
		{"two messages", WS_CLIENT, "82 01 61 82 01 62", "msg a msg b "},
		{"ping between fragments", WS_CLIENT, "02 01 61 89 01 70 00 01 62 80 01 63",
			"ping p msg abc "},
		{"pong and ping between fragments", WS_CLIENT, "02 01 61 8a 00 89 00 80 00",
			"pong  ping  msg a "},
		{"empty fragments", WS_CLIENT, "02 00 00 00 80 00", "msg  "},
		{"close between fragments", WS_CLIENT, "02 01 61 88 02 03e8", "close 1000  "},
		{"nothing counts after a close", WS_CLIENT, "88 02 03e8 82 01 61", "close 1000  "},
		{"close with reason", WS_CLIENT, "88 05 03e9 627965", "close 1001 bye "},
		{"close without code", WS_CLIENT, "88 00", "close 1005  "},
		{"close with half a code", WS_CLIENT, "88 01 03", "error 1002 "},
		{"close 999", WS_CLIENT, "88 02 03e7", "error 1002 "},
		{"close 1003", WS_CLIENT, "88 02 03eb", "close 1003  "},
		{"close 1004, reserved", WS_CLIENT, "88 02 03ec", "error 1002 "},
		{"close 1005, never sent", WS_CLIENT, "88 02 03ed", "error 1002 "},
		{"close 1006, never sent", WS_CLIENT, "88 02 03ee", "error 1002 "},
		{"close 1007", WS_CLIENT, "88 02 03ef", "close 1007  "},
		{"close 1014, registered", WS_CLIENT, "88 02 03f6", "close 1014  "},
		{"close 1015, never sent", WS_CLIENT, "88 02 03f7", "error 1002 "},
		{"close 1016", WS_CLIENT, "88 02 03f8", "error 1002 "},
		{"close 2999", WS_CLIENT, "88 02 0bb7", "error 1002 "},
		{"close 3000", WS_CLIENT, "88 02 0bb8", "close 3000  "},
		{"close 4999", WS_CLIENT, "88 02 1387", "close 4999  "},
		{"close 5000", WS_CLIENT, "88 02 1388", "error 1002 "},
		{"RSV1", WS_CLIENT, "c2 00", "error 1002 "},
		{"RSV2", WS_CLIENT, "a2 00", "error 1002 "},
		{"RSV3", WS_CLIENT, "92 00", "error 1002 "},
		{"opcode 3", WS_CLIENT, "83 00", "error 1002 "},
		{"opcode 7", WS_CLIENT, "87 00", "error 1002 "},
		{"opcode 11", WS_CLIENT, "8b 00", "error 1002 "},
		{"opcode 15", WS_CLIENT, "8f 00", "error 1002 "},
		{"unmasked to a server", WS_SERVER, "82 01 61", "error 1002 "},
		{"unmasked ping to a server", WS_SERVER, "89 00", "error 1002 "},
		{"masked to a client", WS_CLIENT, "82 81 00000000 61", "error 1002 "},
		{"masked with zeros", WS_SERVER, "82 81 00000000 61", "msg a "},
		{"continuation of nothing", WS_CLIENT, "80 01 61", "error 1002 "},
		{"continuation after the end", WS_CLIENT, "82 01 61 80 01 62", "msg a error 1002 "},
		{"new message inside another", WS_CLIENT, "02 01 61 82 01 62", "error 1002 "},
		{"text inside another", WS_CLIENT, "02 01 61 81 01 62", "error 1002 "},
		{"fragmented ping", WS_CLIENT, "09 00", "error 1002 "},
		{"fragmented close", WS_CLIENT, "08 00", "error 1002 "},
		{"ping of 126 bytes", WS_CLIENT, "89 7e 007e", "error 1002 "},
		{"16-bit length that fits 7", WS_CLIENT, "82 7e 007d", "error 1002 "},
		{"64-bit length that fits 16", WS_CLIENT, "82 7f 000000000000ffff", "error 1002 "},
		{"64-bit length with the top bit", WS_CLIENT, "82 7f 8000000000000001", "error 1002 "},
		{"one byte over the limit", WS_CLIENT, "82 7f 0000000000100001", "error 1009 "},
		{"enormous", WS_CLIENT, "82 7f 7fffffffffffffff", "error 1009 "},
		{"over the limit in two", WS_CLIENT, "02 01 61 80 7f 0000000000100000", "error 1009 "},
		{"half a header", WS_CLIENT, "82", ""},
		{"half a message", WS_CLIENT, "82 02 61", ""},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t p[64];
		char out[256];
		size_t n = hex(rows[i].bytes, p, sizeof(p));

		for (size_t step = 1; step <= n; step++)
			if (strcmp(story(rows[i].role, p, n, step, out, sizeof(out)), rows[i].story) != 0)
				fail_msg("%s, by %zu: %s", rows[i].why, step, out);
	}
}

static void a_message_of_any_size_survives_both_directions(void **state)
{
	static const size_t sizes[] = {
		0, 1, 2, 3, 4, 5, 7, 8, 9, 125, 126, 127, 511, 512, 513, 65535, 65536, 65537, MAX_MESSAGE};
	static const uint8_t mask[WS_MASK] = {0xde, 0xad, 0xbe, 0xef};
	uint8_t *payload = malloc(MAX_MESSAGE), *frame = malloc(MAX_MESSAGE + WS_HEADER_MAX);
	(void)state;

	for (size_t i = 0; i < MAX_MESSAGE; i++)
		payload[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
		size_t size = sizes[i / 2], step = size > 1000 ? 999 : 1;
		bool masked = i % 2;
		struct ws_decoder d;
		struct ws_event ev = {0};

		size_t n = ws_encode(
			WS_BINARY, payload, size, masked ? mask : NULL, frame, MAX_MESSAGE + WS_HEADER_MAX);
		assert_int_equal(n, size + (masked ? 4 : 0) + (size < 126 ? 2u : size < 65536 ? 4u : 10u));
		assert_int_equal(ws_encode(WS_BINARY, payload, size, masked ? mask : NULL, frame, n - 1), 0);
		assert_int_equal(ws_encode(WS_BINARY, payload, size, masked ? mask : NULL, frame, n), n);
		ws_decoder_init(&d, masked ? WS_SERVER : WS_CLIENT, MAX_MESSAGE);
		for (size_t at = 0; at < n; at += step) {
			struct rd in = rd_over(frame + at, MIN(step, n - at));

			assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
			assert_int_equal(rd_left(&in), 0);
			assert_int_equal(ev.kind == WS_EV_MESSAGE, at + step >= n);
		}
		assert_int_equal(ev.n, size);
		assert_memory_equal(ev.data, payload, size);
		ws_decoder_deinit(&d);
	}
	free(payload);
	free(frame);
}

/* The head by ws_decode, the rest where it belongs, in memory that was given and is taken back. */
static void a_message_may_be_read_where_it_belongs(void **state)
{
	static const uint8_t mask[WS_MASK] = {0xde, 0xad, 0xbe, 0xef};
	enum { SIZE = 70000, HEADROOM = 24, STEP = 999 };
	uint8_t *payload = malloc(SIZE), *frame = malloc(SIZE + WS_HEADER_MAX), *there;
	(void)state;

	for (size_t i = 0; i < SIZE; i++)
		payload[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t head = WS_HEADER_MAX - 1; head < WS_HEADER_MAX + 7; head++) {
		const size_t n = ws_encode(WS_BINARY, payload, SIZE, mask, frame, SIZE + WS_HEADER_MAX);
		struct rd in = rd_over(frame, head), nothing = rd_over(frame, 0);
		uint8_t *memory = malloc(HEADROOM + SIZE);
		size_t at = head, room;
		struct ws_event ev;
		struct ws_decoder d;

		ws_decoder_init(&d, WS_SERVER, SIZE);
		d.headroom = HEADROOM;
		ws_give(&d, memory, SIZE);
		assert_null(ws_room(&d, &room)); /* no head, no place */
		assert_false(ws_is_amid(&d));
		assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
		assert_int_equal(ws_room(&d, &room) != NULL, head >= WS_HEADER_MAX);
		for (; at < WS_HEADER_MAX; at++) {
			in = rd_over(frame + at, 1);
			assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
		}
		while ((there = ws_room(&d, &room))) {
			assert_int_equal(ev.kind, WS_EV_MORE);
			assert_true(ws_is_amid(&d));
			assert_int_equal(room, n - at);
			size_t some = MIN(room, (size_t)STEP);
			memcpy(there, frame + at, some);
			ws_filled(&d, some);
			at += some;
			assert_int_equal(ws_decode(&d, &nothing, &ev), TM_OK);
		}
		assert_int_equal(ev.kind, WS_EV_MESSAGE);
		assert_int_equal(ev.n, SIZE);
		assert_false(ws_is_amid(&d));
		assert_ptr_equal(ws_take(&d), memory);
		assert_ptr_equal(memory + HEADROOM, ev.data);
		assert_memory_equal(ev.data, payload, SIZE);
		memset(memory, 0, HEADROOM);
		/* The next one has memory of its own; it is freed with the decoder. */
		in = rd_over((const uint8_t *)"\x82\x81\0\0\0\0z", 7);
		assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
		assert_int_equal(ev.data[0], 'z');
		free(memory);
		ws_decoder_deinit(&d);
	}
	free(payload);
	free(frame);
}

/* A peer that announces much and sends little costs little. */
static void memory_follows_the_bytes_that_came_and_not_those_announced(void **state)
{
	static const uint8_t head[] = {0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 0, 'x', 'y'};
	struct ws_decoder d;
	struct ws_event ev;
	struct rd in = rd_over(head, sizeof(head));
	(void)state;

	ws_decoder_init(&d, WS_CLIENT, MAX_MESSAGE);
	assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
	assert_int_equal(ev.kind, WS_EV_MORE);
	assert_true(d.msg_cap <= 512);
	for (size_t sent = 2; sent < MAX_MESSAGE; sent += 1000) {
		uint8_t chunk[1000] = {0};

		in = rd_over(chunk, MIN(sizeof(chunk), MAX_MESSAGE - sent));
		assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
		assert_true(d.msg_cap <= MAX(512u, 2 * (sent + 1000)) && d.msg_cap <= MAX_MESSAGE);
	}
	assert_int_equal(ev.kind, WS_EV_MESSAGE);
	assert_int_equal(ev.n, MAX_MESSAGE);
	/* The large buffer is not kept for small messages. */
	in = rd_over((const uint8_t *)"\x82\1z", 3);
	assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
	assert_int_equal(ev.kind, WS_EV_MESSAGE);
	assert_true(d.msg_cap <= 512);
	ws_decoder_deinit(&d);
}

static void a_small_limit_holds_to_the_byte(void **state)
{
	(void)state;

	for (size_t max = 0; max < 600; max += 7) {
		uint8_t payload[700] = {0}, frame[720];

		for (size_t size = max; size <= max + 1; size++) {
			struct ws_decoder d;
			struct ws_event ev;
			size_t n = ws_encode(WS_BINARY, payload, size, NULL, frame, sizeof(frame));
			struct rd in = rd_over(frame, n);

			ws_decoder_init(&d, WS_CLIENT, max);
			assert_int_equal(ws_decode(&d, &in, &ev), size == max ? TM_OK : TM_EFULL);
			assert_true(d.msg_cap <= max);
			ws_decoder_deinit(&d);
		}
	}
}

static void an_error_is_final(void **state)
{
	struct ws_decoder d;
	struct ws_event ev;
	struct rd in = rd_over((const uint8_t *)"\x83\0\x82\0", 4);
	(void)state;

	ws_decoder_init(&d, WS_CLIENT, 10);
	assert_int_equal(ws_decode(&d, &in, &ev), TM_EPROTO);
	assert_int_equal(ws_decode(&d, &in, &ev), TM_EPROTO);
	ws_decoder_deinit(&d);

	in = rd_over((const uint8_t *)"\x88\0\x82\0", 4);
	ws_decoder_init(&d, WS_CLIENT, 10);
	assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
	assert_int_equal(ev.kind, WS_EV_CLOSE);
	assert_int_equal(ws_decode(&d, &in, &ev), TM_ECLOSED);
	ws_decoder_deinit(&d);
}

static void masking_twice_changes_nothing_at_any_phase(void **state)
{
	static const uint8_t mask[WS_MASK] = {1, 2, 3, 4};
	uint8_t p[200], twin[200];
	(void)state;

	for (size_t phase = 0; phase < 9; phase++) {
		for (size_t n = 0; n <= sizeof(p); n++) {
			for (size_t i = 0; i < sizeof(p); i++) {
				p[i] = (uint8_t)(i * 3);
				twin[i] = (uint8_t)(p[i] ^ (i < n ? mask[(phase + i) % 4] : 0));
			}
			ws_mask(p, n, mask, phase);
			assert_memory_equal(p, twin, sizeof(p));
		}
	}
}

static void control_frames_are_encoded_within_their_limits(void **state)
{
	static const uint8_t mask[WS_MASK] = {9, 9, 9, 9};
	uint8_t payload[126] = {0}, out[WS_CONTROL_FRAME_MAX];
	char reason[200], told[256];
	(void)state;

	assert_int_equal(ws_encode(WS_PING, payload, 125, mask, out, sizeof(out)), WS_CONTROL_FRAME_MAX);
	assert_int_equal(ws_encode(WS_PING, payload, 126, NULL, out, sizeof(out)), 0);
	assert_int_equal(ws_encode(WS_PONG, NULL, 0, NULL, out, sizeof(out)), 2);

	size_t n = ws_encode_close(WS_CLOSE_GOING_AWAY, "bye", mask, out, sizeof(out));
	assert_string_equal(story(WS_SERVER, out, n, 1, told, sizeof(told)), "close 1001 bye ");
	n = ws_encode_close(WS_CLOSE_NONE, "ignored", NULL, out, sizeof(out));
	assert_string_equal(story(WS_CLIENT, out, n, 1, told, sizeof(told)), "close 1005  ");
	n = ws_encode_close(WS_CLOSE_NORMAL, NULL, NULL, out, sizeof(out));
	assert_int_equal(n, 4);
	memset(reason, 'r', sizeof(reason));
	reason[sizeof(reason) - 1] = '\0';
	assert_int_equal(
		ws_encode_close(WS_CLOSE_PROTOCOL, reason, mask, out, sizeof(out)), WS_CONTROL_FRAME_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_rfc_6455_are_understood),
		cmocka_unit_test(frames_are_judged_as_rfc_6455_says),
		cmocka_unit_test(a_message_of_any_size_survives_both_directions),
		cmocka_unit_test(a_message_may_be_read_where_it_belongs),
		cmocka_unit_test(memory_follows_the_bytes_that_came_and_not_those_announced),
		cmocka_unit_test(a_small_limit_holds_to_the_byte),
		cmocka_unit_test(an_error_is_final),
		cmocka_unit_test(masking_twice_changes_nothing_at_any_phase),
		cmocka_unit_test(control_frames_are_encoded_within_their_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
