/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "hex.h"
#include "unit/unit.h"
#include "wire/natpmp.h"

static void a_request_has_its_fields_where_the_rfc_puts_them(void **state)
{
	uint8_t out[NATPMP_MAP_LEN], want[NATPMP_MAP_LEN];

	(void)state;
	assert_int_equal(natpmp_address_request(out), NATPMP_ADDRESS_LEN);
	assert_memory_equal(out, "\0\0", 2);
	assert_int_equal(natpmp_map_request(51820, 1024, 7200, out), NATPMP_MAP_LEN);
	(void)hex("00010000ca6c040000001c20", want, sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
}

static void an_answer_is_read_or_refused_as_a_whole(void **state)
{
	static const struct {
		const char *hex;
		size_t n;
		int err;
		unsigned opcode, result;
	} rows[] = {
		{"008000000000002acb007109", 12, TM_OK, NATPMP_ADDRESS, 0},
		{"008000000000002acb007109", 11, TM_ESHORT, 0, 0},
		{"008100000000002aca6c040000000e10", 16, TM_OK, NATPMP_MAP_UDP, 0},
		{"008100000000002aca6c040000000e10", 15, TM_ESHORT, 0, 0},
		{"008100020000002a", 8, TM_OK, NATPMP_MAP_UDP, 2}, /* refused, and no more is told */
		{"008000010000002a", 8, TM_OK, NATPMP_ADDRESS, NATPMP_UNSUPP_VERSION},
		{"008100020000002a", 7, TM_ESHORT, 0, 0}, {"00", 0, TM_ESHORT, 0, 0},
		{"028000000000002acb007109", 12, TM_EVERSION, 0, 0},
		{"000000000000002acb007109", 12, TM_EBADMSG, 0, 0}, /* a request */
		{"008200000000002aca6c040000000e10", 16, TM_EBADMSG, 0, 0}, /* TCP */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct natpmp_answer m = {.epoch_s = 7};
		uint8_t p[NATPMP_MAP_ANSWER_LEN];

		(void)hex(rows[i].hex, p, strlen(rows[i].hex) / 2);
		if (natpmp_answer_decode(p, rows[i].n, &m) != rows[i].err || m.opcode != rows[i].opcode ||
			m.result != rows[i].result || m.epoch_s != (rows[i].err ? 7 : 42))
			fail_msg("row %zu", i);
		if (!rows[i].err && !m.result && m.opcode == NATPMP_ADDRESS)
			assert_memory_equal(m.external.bytes, "\313\0\161\11", 4);
		if (!rows[i].err && !m.result && m.opcode == NATPMP_MAP_UDP) {
			assert_int_equal(m.internal_port, 51820);
			assert_int_equal(m.external_port, 1024);
			assert_int_equal(m.lifetime_s, 3600);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_has_its_fields_where_the_rfc_puts_them),
		cmocka_unit_test(an_answer_is_read_or_refused_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
