/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How the path to a peer is put into words. */
#include "unit/unit.h"

#include "cli/core/peers.h"

static void the_path_is_told_with_its_age_and_why_it_is_none_better(void **state UNUSED)
{
	static const struct {
		const char *peer, *brief, *whole;
	} rows[] = {
		{"{\"path\":\"direct\",\"endpoint\":\"192.0.2.1:1\",\"path_age_s\":59}", "direct 192.0.2.1:1",
			"direct 192.0.2.1:1, for 59 s"},
		{"{\"path\":\"direct\",\"endpoint\":\"192.0.2.1:1\",\"path_age_s\":59,\"mtu\":1328}",
			"direct 192.0.2.1:1", "direct 192.0.2.1:1, for 59 s, packets up to 1328 bytes"},
		{"{\"path\":\"relay\",\"endpoint\":\"192.0.2.1:1\",\"relay\":\"hub\",\"path_age_s\":180,"
		 "\"not_direct\":\"none of its 3 addresses answers\"}",
			"relay via hub",
			"relay via hub, for 3 min, no direct path: none of its 3 addresses answers"},
		{"{\"path\":\"tcp\",\"endpoint\":\"192.0.2.1:1\",\"relay\":null,\"path_age_s\":7200}",
			"relay via 192.0.2.1:1 by TCP", "relay via 192.0.2.1:1 by TCP, for 2 h"},
		{"{\"path\":\"tcp\",\"endpoint\":\"192.0.2.1:1\",\"relay\":\"hub\",\"path_age_s\":7200,"
		 "\"not_direct\":\"UDP does not pass where it is\"}",
			"relay via hub by TCP",
			"relay via hub by TCP, for 2 h, no direct path: UDP does not pass where it is"},
		{"{\"name\":\"hub\",\"path\":\"tcp\",\"endpoint\":\"192.0.2.1:1\",\"relay\":\"hub\",\"path_"
		 "age_s\":59,"
		 "\"not_direct\":\"UDP does not pass here\"}",
			"tcp 192.0.2.1:1",
			"tcp 192.0.2.1:1, for 59 s, no direct path: UDP does not pass here"},
		{"{\"path\":\"checking\",\"not_direct\":\"its addresses are being tried\"}", "checking",
			"checking: its addresses are being tried"},
		{"{\"path\":\"checking\",\"not_direct\":null}", "checking", "checking"},
		{"{\"path\":\"offline\",\"not_direct\":\"it is off\"}", "offline", "offline"},
		{"{\"path\":\"none\",\"kind\":\"client\",\"via_name\":\"nas\"}", "via nas", "via nas"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = json_loads(rows[i].peer, 0, NULL);
		char brief[PEER_TEXT_LEN], whole[PEER_LONG_LEN];

		assert_non_null(j);
		assert_string_equal(peer_path(j, brief), rows[i].brief);
		assert_string_equal(peer_path_long(j, whole), rows[i].whole);
		json_decref(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_path_is_told_with_its_age_and_why_it_is_none_better),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
