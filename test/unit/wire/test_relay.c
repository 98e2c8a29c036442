/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"
#include "wire/relay.h"

static void a_header_names_the_two_nodes_lower_first_whoever_asks(void **state)
{
	uint8_t p[RELAY_HEADER + 1] = {0};
	uint64_t pair = relay_pair(65536, 258);
	(void)state;

	assert_true(pair == relay_pair(258, 65536));
	relay_put(p, pair);
	assert_memory_equal(p, "T\1\0\1\2\1\0\0", RELAY_HEADER);
	assert_true(relay_get(p, sizeof(p)) == pair);
	assert_int_equal(relay_lower(pair), 258);
	assert_int_equal(relay_higher(pair), 65536);
	assert_int_equal(relay_other(pair, 258), 65536);
	assert_int_equal(relay_other(pair, 65536), 258);
	assert_int_equal(relay_other(pair, 257), 0);
	assert_int_equal(relay_other(pair, 0), 0);
}

static void only_two_different_nodes_are_a_pair(void **state)
{
	static const uint32_t rows[][2] = {
		{0, 1}, {1, 0}, {0, 0}, {7, 7}, {1, 65537}, {65537, 65538}, {1, 1 << 24}, {1, UINT32_MAX}};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (relay_pair(rows[i][0], rows[i][1]))
			fail_msg("row %zu", i);
	assert_true(relay_pair(1, 2) && relay_pair(65535, 65536));
}

static void what_is_no_header_yields_no_pair(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool ok;
	} rows[] = {
		{"T\1\0\0\1\0\0\2x", 9, true},
		{"T\1\0\0\1\1\0\0x", 9, true},
		{"T\1\0\0\1\0\0\2", 8, false}, /* nothing behind it */
		{"T\1\0\0\1\0\0", 7, false},
		{"T", 1, false},
		{"", 0, false},
		{"T\0\0\0\1\0\0\2x", 9, false}, /* another version */
		{"T\2\0\0\1\0\0\2x", 9, false},
		{"U\1\0\0\1\0\0\2x", 9, false},
		{"\4\0\0\0\1\0\0\2x", 9, false},
		{"T\1\0\0\2\0\0\1x", 9, false}, /* the higher first */
		{"T\1\0\0\2\0\0\2x", 9, false}, /* to himself */
		{"T\1\0\0\0\0\0\2x", 9, false}, /* nobody */
		{"T\1\0\0\1\1\0\1x", 9, false}, /* above the highest */
		{"T\1\0\0\1\377\377\377x", 9, false},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if ((relay_get((const uint8_t *)rows[i].bytes, rows[i].n) != 0) != rows[i].ok)
			fail_msg("row %zu", i);
}

static void a_relay_carries_messages_of_wireguard_and_stun_and_nothing_else(void **state)
{
	static const struct {
		uint8_t first[8];
		size_t n;
		bool ok;
	} rows[] = {
		{{1}, 148, true},
		{{1}, 149, false},
		{{2}, 92, true},
		{{3}, 64, true},
		{{4}, 32, true},
		{{4}, 31, false},
		{{4}, 1452, true},
		{{4, 0, 0, 1}, 1452, false},
		{{5}, 148, false},
		{{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 20, true},
		{{0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42}, 20, false},
		{{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x43}, 20, false},
		{{0x54, 1, 0, 0, 1, 0, 0, 2}, 148, false}, /* relayed twice */
		{{0x45}, 100, false},
		{{0}, 0, false},
	};
	uint8_t p[1500];
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		memset(p, 0, sizeof(p));
		memcpy(p, rows[i].first, sizeof(rows[i].first));
		if (relay_carries(p, rows[i].n) != rows[i].ok)
			fail_msg("row %zu", i);
	}
}

static void a_frame_says_how_its_messages_are_cut_and_marked(void **state)
{
	uint8_t p[RELAY_FRAME_HEAD + 150] = {0};
	struct relay_frame f;
	(void)state;

	relay_frame_head(p, relay_pair(1, 2), 100, 0x8b);
	assert_memory_equal(p, "T\1\0\0\1\0\0\2\0\x64\x8b\0", RELAY_FRAME_HEAD);
	assert_int_equal(relay_frame_decode(p, sizeof(p), &f), TM_OK);
	assert_true(f.pair == relay_pair(1, 2));
	assert_int_equal(f.segment, 100);
	assert_int_equal(f.tos, 0x8b);
	assert_ptr_equal(f.train, p + RELAY_FRAME_HEAD);
	assert_int_equal(f.n, 150);
}

/* RFC 3168, 5: who cannot say ECT is not told CE. */
static void a_frame_is_marked_where_its_messages_can_carry_that(void **state)
{
	static const struct {
		uint8_t tos, marked;
	} rows[] = {{0x00, 0x00}, {0x88, 0x88}, {0x01, 0x03}, {0x8a, 0x8b}, {0x8b, 0x8b}};
	uint8_t p[RELAY_FRAME_HEAD], as_it_was[RELAY_FRAME_HEAD];
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		relay_frame_head(p, relay_pair(1, 2), 100, rows[i].tos);
		relay_frame_head(as_it_was, relay_pair(1, 2), 100, rows[i].marked);
		relay_frame_mark(p);
		if (memcmp(p, as_it_was, sizeof(p)) != 0)
			fail_msg("row %zu", i);
	}
}

static void a_frame_that_is_none_is_refused(void **state)
{
	static uint8_t p[RELAY_FRAME_MAX + 1];
	struct relay_frame f = {.n = 77};
	(void)state;

	relay_frame_head(p, relay_pair(1, 2), 100, 0);
	assert_int_equal(relay_frame_decode(p, RELAY_FRAME_HEAD, &f), TM_ESHORT);
	assert_int_equal(relay_frame_decode(p, 0, &f), TM_ESHORT);
	assert_int_equal(relay_frame_decode(p, sizeof(p), &f), TM_ERANGE);
	assert_int_equal(relay_frame_decode(p, sizeof(p) - 1, &f), TM_OK);
	f.n = 77;
	p[11] = 1;
	assert_int_equal(relay_frame_decode(p, 100, &f), TM_EBADMSG);
	relay_frame_head(p, relay_pair(1, 2), 0, 0);
	assert_int_equal(relay_frame_decode(p, 100, &f), TM_EBADMSG);
	relay_frame_head(p, 0, 100, 0);
	assert_int_equal(relay_frame_decode(p, 100, &f), TM_EBADMSG);
	assert_int_equal(f.n, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_names_the_two_nodes_lower_first_whoever_asks),
		cmocka_unit_test(only_two_different_nodes_are_a_pair),
		cmocka_unit_test(what_is_no_header_yields_no_pair),
		cmocka_unit_test(a_relay_carries_messages_of_wireguard_and_stun_and_nothing_else),
		cmocka_unit_test(a_frame_says_how_its_messages_are_cut_and_marked),
		cmocka_unit_test(a_frame_is_marked_where_its_messages_can_carry_that),
		cmocka_unit_test(a_frame_that_is_none_is_refused),
	};

	return cmocka_run_group_tests_name("wire/relay", tests, NULL, NULL);
}
