/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"
#include "wire/wg.h"

static void a_message_is_classified_by_type_and_length(void **state)
{
	static const struct {
		uint8_t type, reserved;
		size_t n;
		enum wg_type is;
	} rows[] = {
		{1, 0, 148, WG_INIT},
		{1, 0, 147, 0},
		{1, 0, 149, 0},
		{1, 1, 148, 0},
		{2, 0, 92, WG_RESPONSE},
		{2, 0, 91, 0},
		{2, 0, 93, 0},
		{2, 0, 148, 0},
		{3, 0, 64, WG_COOKIE_REPLY},
		{3, 0, 63, 0},
		{3, 0, 65, 0},
		{4, 0, 32, WG_DATA},
		{4, 0, 31, 0},
		{4, 0, 33, WG_DATA},
		{4, 0, 1500, WG_DATA},
		{4, 0x80, 32, 0},
		{0, 0, 148, 0},
		{5, 0, 148, 0},
		{255, 0, 148, 0},
		{1, 0, 4, 0},
		{1, 0, 3, 0},
		{1, 0, 0, 0},
	};
	uint8_t p[1500] = {0};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		p[0] = rows[i].type;
		p[3] = rows[i].reserved;
		if (wg_classify(p, rows[i].n) != rows[i].is)
			fail_msg("row %zu: type %u, %zu bytes", i, rows[i].type, rows[i].n);
	}
}

static void an_initiation_has_its_fields_where_the_paper_puts_them(void **state)
{
	uint8_t p[WG_INIT_LEN] = {0};
	struct wg_init m;
	(void)state;

	wg_init_header(p, 0x01020304);
	assert_memory_equal(p, "\1\0\0\0\4\3\2\1", 8);
	assert_int_equal(wg_init_decode(p, sizeof(p), &m), TM_OK);
	assert_int_equal(m.sender, 0x01020304);
	assert_ptr_equal(m.noise, p + 8);
	assert_int_equal(m.noise_len, 32 + 48 + 28);
	assert_ptr_equal(m.mac1, p + 116);
	assert_ptr_equal(m.mac2, p + 132);
}

static void a_response_has_its_fields_where_the_paper_puts_them(void **state)
{
	uint8_t p[WG_RESPONSE_LEN] = {0};
	struct wg_response m;
	(void)state;

	wg_response_header(p, 0x01020304, 0xa1a2a3a4);
	assert_memory_equal(p, "\2\0\0\0\4\3\2\1\xa4\xa3\xa2\xa1", 12);
	assert_int_equal(wg_response_decode(p, sizeof(p), &m), TM_OK);
	assert_int_equal(m.sender, 0x01020304);
	assert_int_equal(m.receiver, 0xa1a2a3a4);
	assert_ptr_equal(m.noise, p + 12);
	assert_int_equal(m.noise_len, 32 + 16);
	assert_ptr_equal(m.mac1, p + 60);
	assert_ptr_equal(m.mac2, p + 76);
}

static void a_cookie_reply_survives_the_round_trip(void **state)
{
	uint8_t p[WG_COOKIE_REPLY_LEN], nonce[WG_COOKIE_NONCE], sealed[WG_SEALED(WG_COOKIE)];
	struct wg_cookie_reply m;
	(void)state;

	memset(nonce, 7, sizeof(nonce));
	memset(sealed, 9, sizeof(sealed));
	wg_cookie_reply_encode(p, 0xdeadbeef, nonce, sealed);
	assert_int_equal(wg_cookie_reply_decode(p, sizeof(p), &m), TM_OK);
	assert_int_equal(m.receiver, 0xdeadbeef);
	assert_memory_equal(m.nonce, nonce, sizeof(nonce));
	assert_memory_equal(m.sealed, sealed, sizeof(sealed));
	assert_ptr_equal(m.sealed + sizeof(sealed), p + sizeof(p));
}

static void a_data_message_survives_the_round_trip(void **state)
{
	uint8_t p[WG_DATA_OVERHEAD + 16] = {0};
	struct wg_data m;
	(void)state;

	wg_data_header(p, 0x01020304, UINT64_C(0x1112131415161718));
	assert_memory_equal(p, "\4\0\0\0\4\3\2\1\x18\x17\x16\x15\x14\x13\x12\x11", 16);
	assert_int_equal(wg_data_decode(p, sizeof(p), &m), TM_OK);
	assert_int_equal(m.receiver, 0x01020304);
	assert_true(m.counter == UINT64_C(0x1112131415161718));
	assert_ptr_equal(m.sealed, p + 16);
	assert_int_equal(m.sealed_len, 32);
}

static void a_keepalive_has_only_a_tag(void **state)
{
	uint8_t p[WG_DATA_MIN] = {WG_DATA};
	struct wg_data m;
	(void)state;

	assert_int_equal(wg_data_decode(p, sizeof(p), &m), TM_OK);
	assert_int_equal(m.sealed_len, WG_TAG);
}

static void wrong_lengths_and_types_are_refused_and_leave_the_result_alone(void **state)
{
	uint8_t p[WG_INIT_LEN + 1] = {0};
	struct wg_init init = {.sender = 77};
	struct wg_response response = {.sender = 77};
	struct wg_cookie_reply cookie = {.receiver = 77};
	struct wg_data data = {.receiver = 77};
	(void)state;

	for (size_t n = 0; n <= sizeof(p); n++) {
		p[0] = WG_INIT;
		assert_int_equal(wg_init_decode(p, n, &init) == TM_OK, n == WG_INIT_LEN);
		p[0] = WG_RESPONSE;
		assert_int_equal(wg_response_decode(p, n, &response) == TM_OK, n == WG_RESPONSE_LEN);
		p[0] = WG_COOKIE_REPLY;
		assert_int_equal(wg_cookie_reply_decode(p, n, &cookie) == TM_OK, n == WG_COOKIE_REPLY_LEN);
		p[0] = WG_DATA;
		assert_int_equal(wg_data_decode(p, n, &data) == TM_OK, n >= WG_DATA_MIN);
	}
	init.sender = response.sender = cookie.receiver = data.receiver = 77;
	p[0] = 9;
	assert_int_equal(wg_init_decode(p, WG_INIT_LEN, &init), TM_EBADMSG);
	assert_int_equal(wg_response_decode(p, WG_RESPONSE_LEN, &response), TM_EBADMSG);
	assert_int_equal(wg_cookie_reply_decode(p, WG_COOKIE_REPLY_LEN, &cookie), TM_EBADMSG);
	assert_int_equal(wg_data_decode(p, WG_DATA_MIN, &data), TM_EBADMSG);
	assert_int_equal(wg_data_decode(p, WG_DATA_MIN - 1, &data), TM_ESHORT);
	assert_int_equal(init.sender + response.sender + cookie.receiver + data.receiver, 4 * 77);
}

static void padding_goes_to_sixteen_but_never_beyond_the_mtu(void **state)
{
	static const struct {
		size_t n, mtu, padded;
	} rows[] = {
		{0, 1420, 0},
		{1, 1420, 16},
		{16, 1420, 16},
		{17, 1420, 32},
		{1408, 1420, 1408},
		{1409, 1420, 1420},
		{1420, 1420, 1420},
		{1500, 1420, 1500},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(wg_padded(rows[i].n, rows[i].mtu), rows[i].padded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_classified_by_type_and_length),
		cmocka_unit_test(an_initiation_has_its_fields_where_the_paper_puts_them),
		cmocka_unit_test(a_response_has_its_fields_where_the_paper_puts_them),
		cmocka_unit_test(a_cookie_reply_survives_the_round_trip),
		cmocka_unit_test(a_data_message_survives_the_round_trip),
		cmocka_unit_test(a_keepalive_has_only_a_tag),
		cmocka_unit_test(wrong_lengths_and_types_are_refused_and_leave_the_result_alone),
		cmocka_unit_test(padding_goes_to_sixteen_but_never_beyond_the_mtu),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
