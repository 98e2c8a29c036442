/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which ports a node says that it takes streams at. */
#include "node/ports.h"
#include "unit/unit.h"

static void each_number_is_told_once_and_no_more_than_there_is_room_for(void **state UNUSED)
{
	static const struct {
		const char *at;
		uint16_t port;
		const char *listen[5];
		uint16_t told[RELAY_PORTS_MAX];
	} rows[] = {
		{"::", 8443, {0}, {8443}},
		{"::", 8443, {"443"}, {8443, 443}},
		{"192.0.2.1", 8443, {"443", "192.0.2.2:8443", "[2001:db8::1]:443"}, {8443, 443}},
		{"::", 8443, {"443", "444", "445", "446", "447"}, {8443, 443, 444, 445}},
		{"nowhere", 8443, {0}, {0}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint16_t told[RELAY_PORTS_MAX] = {0};
		struct config c;
		size_t n = 0;

		config_defaults(&c);
		snprintf(c.api_listen, sizeof(c.api_listen), "%s", rows[i].at);
		c.api_port = rows[i].port;
		for (; c.n_listen < 5 && rows[i].listen[c.n_listen]; c.n_listen++)
			snprintf(c.listen[c.n_listen], sizeof(c.listen[0]), "%s", rows[i].listen[c.n_listen]);
		while (n < RELAY_PORTS_MAX && rows[i].told[n])
			n++;
		if (ports_numbers(&c, told) != n || memcmp(told, rows[i].told, sizeof(told)) != 0)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_number_is_told_once_and_no_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
