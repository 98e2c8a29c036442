/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which of the coordinator's ports is asked past the link, and by whom. */
#include "control/agent/agent_private.h"
#include "unit/unit.h"

static void the_own_port_is_found_and_the_way_to_it(void **state UNUSED)
{
	static const struct {
		const char *addresses[3];
		uint16_t reached; /* port where it was found last; 0 = never */
		const char *proxy, *except;
		bool up, proxied, tls; /* the link */
		/* NULL: there is no door */
		const char *host;
		uint16_t port;
		bool via, in_tls;
	} rows[] = {
		{{"hub:8443"}, 8443, "", "", true, false, false, "hub", 8443, false, false},
		/* Without a proxy nobody hides anything. */
		{{"hub:8443"}, 8443, "", "", true, false, true, "hub", 8443, false, false},
		{{"hub:8443", "hub:443"}, 443, "", "", true, false, false, "hub", 443, false, false},
		{{"hub:8443", "hub:443"}, 0, "", "", false, false, false, "hub", 8443, false, false},
		/* Web servers in front of it are not asked. */
		{{"https://www.example.org/vpn"}, 443, "", "", true, false, true, NULL, 0, false, false},
		{{"http://www.example.org", "hub:9000"}, 80, "", "", true, false, false, "hub", 9000, false,
			false},
		{{"?"}, 0, "", "", false, false, false, NULL, 0, false, false},
		/* Proxies lead to 443. */
		{{"hub:8443", "hub:443"}, 8443, "proxy", "", false, false, false, "hub", 443, true, true},
		{{"hub:8443", "hub:443"}, 0, "proxy", "", true, true, false, "hub", 443, true, false},
		{{"hub:8443"}, 0, "proxy", "", true, true, true, "hub", 8443, true, true},
		{{"hub:8443"}, 0, "proxy", "", false, false, false, "hub", 8443, true, false},
		/* It was not needed, or is not for that one. */
		{{"hub:8443", "hub:443"}, 8443, "proxy", "", true, false, false, "hub", 8443, false, false},
		{{"hub:8443"}, 8443, "proxy", "hub", false, false, false, "hub", 8443, false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct agent a = {.state = rows[i].up ? AGENT_UP : AGENT_WAIT,
			.linked_proxied = rows[i].proxied,
			.linked_tls = rows[i].tls,
			.known.at.port = rows[i].reached};
		struct agent_door door;

		for (size_t k = 0; k < 3 && rows[i].addresses[k]; k++)
			snprintf(a.known.addresses[a.known.n_addresses++], TOKEN_ADDR_LEN, "%s",
				rows[i].addresses[k]);
		snprintf(a.proxy.proxy.host, sizeof(a.proxy.proxy.host), "%s", rows[i].proxy);
		snprintf(a.proxy.except, sizeof(a.proxy.except), "%s", rows[i].except);
		if (agent_door(&a, &door) != (rows[i].host != NULL))
			fail_msg("row %zu", i);
		if (rows[i].host &&
			(strcmp(door.at.host, rows[i].host) != 0 || door.at.port != rows[i].port ||
				(door.via != NULL) != rows[i].via || door.tls != rows[i].in_tls))
			fail_msg("row %zu: %s:%u, %d %d", i, door.at.host, door.at.port, door.via != NULL,
				door.tls);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_own_port_is_found_and_the_way_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
