/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What findings are in words, and as JSON. */
#include "unit/unit.h"

#include "node/netcheck_view.h"

#include <jansson.h>

enum { N = NAT_ON_NOTHING, A = NAT_ON_ADDRESS, P = NAT_ON_PORT, ANY = NAT_ON_ANYTHING };

static struct nat_facts facts(enum nat_udp udp, bool translated, uint8_t mapping, uint8_t filtering)
{
	struct nat_facts f = {
		.udp = udp, .translated = translated, .mapping = mapping, .filtering = filtering};

	if (udp >= NAT_UDP_FIRST_ONLY) {
		f.seen[0] = (struct nat_seen){{.ip = {IP_V4, {192, 0, 2, 7}}, .port = 40001}, 2};
		f.n_seen = 1;
		f.payload = udp == NAT_UDP_WORKS ? NAT_LONG : NAT_MEDIUM;
	}
	return f;
}

static void the_verdict_follows_from_the_findings(void **state)
{
	static const struct {
		enum nat_udp udp4, udp6;
		bool translated, link, coordinator, mapped;
		uint8_t mapping, filtering;
		const char *verdict;
		unsigned n_advice;
	} rows[] = {
		{NAT_UDP_WORKS, NAT_UDP_ABSENT, false, true, false, false, N, N, "work with everybody.", 0},
		{NAT_UDP_WORKS, NAT_UDP_ABSENT, false, true, false, false, N, P, "everybody except", 0},
		{NAT_UDP_WORKS, NAT_UDP_ABSENT, true, true, false, false, N, N, "work with everybody.", 0},
		{NAT_UDP_WORKS, NAT_UDP_ABSENT, true, true, false, false, N | A, N | A,
			"work with everybody.", 0},
		{NAT_UDP_WORKS, NAT_UDP_ABSENT, true, true, false, false, N | A, P, "everybody except", 1},
		{NAT_UDP_WORKS, NAT_UDP_ABSENT, true, true, false, false, N | A, ANY, "with most members", 1},
		{NAT_UDP_WORKS, NAT_UDP_ABSENT, true, true, false, false, P, P, "tried by guessing", 1},
		{NAT_UDP_WORKS, NAT_UDP_ABSENT, true, true, false, true, P, P, "the router has a port", 0},
		{NAT_UDP_WORKS, NAT_UDP_ABSENT, true, true, false, false, ANY, ANY, "are likely", 1},
		{NAT_UDP_SHORT_ONLY, NAT_UDP_ABSENT, false, true, false, false, N, N, "work with everybody.",
			1},
		{NAT_UDP_FIRST_ONLY, NAT_UDP_ABSENT, false, true, false, false, N, ANY,
			"only the first datagram", 1},
		{NAT_UDP_SILENT, NAT_UDP_ABSENT, false, true, false, false, ANY, ANY, "UDP does not pass", 1},
		{NAT_UDP_SILENT, NAT_UDP_ABSENT, false, false, false, false, ANY, ANY,
			"this machine is offline", 0},
		{NAT_UDP_SILENT, NAT_UDP_WORKS, false, true, false, false, ANY, ANY, "everybody except", 0},
		{NAT_UDP_UNTRIED, NAT_UDP_UNTRIED, false, false, false, false, ANY, ANY,
			"Nobody is known yet", 0},
		{NAT_UDP_ABSENT, NAT_UDP_ABSENT, false, false, false, false, ANY, ANY, "has no network", 0},
		{NAT_UDP_ABSENT, NAT_UDP_ABSENT, false, false, true, false, ANY, ANY, "has no network", 0},
		{NAT_UDP_UNTRIED, NAT_UDP_ABSENT, false, true, true, false, ANY, ANY, "is the coordinator",
			0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct nat_report r = {.family = {facts(rows[i].udp4, rows[i].translated,
								rows[i].mapping, rows[i].filtering),
						     facts(rows[i].udp6, false, N, P)}};
		const struct netcheck_view v = {.report = &r,
			.port = 51820,
			.coordinator = rows[i].coordinator,
			.link = {.up = rows[i].link, .error = rows[i].link ? "" : "connection refused"},
			.ports = {.on = rows[i].mapped, .v = {{.protocol = PORTMAP_PCP}}}};
		char text[NETCHECK_TEXT], advice[NETCHECK_ADVICE_MAX][NETCHECK_TEXT];

		if (!strstr(netcheck_verdict(&v, text), rows[i].verdict))
			fail_msg("row %zu: %s", i, text);
		size_t n = netcheck_advice(&v, advice);
		if (n != rows[i].n_advice)
			fail_msg("row %zu: %zu pieces of advice, the first: %s", i, n, n ? advice[0] : "");
		/* No sentence is cut. */
		for (size_t k = 0; k < n; k++)
			assert_int_equal(advice[k][strlen(advice[k]) - 1], '.');
		assert_int_equal(text[strlen(text) - 1], '.');
	}
}

static void somebody_else_who_answers_for_the_coordinator_is_a_portal_only_where_nothing_passes(void **state)
{
	static const struct {
		enum nat_udp udp;
		bool link;
		enum portal_verdict http;
		bool portal;
	} rows[] = {
		{NAT_UDP_SILENT, false, PORTAL_SIGN_IN, true},
		{NAT_UDP_UNTRIED, false, PORTAL_OTHER, true},
		{NAT_UDP_SILENT, true, PORTAL_OTHER, false}, /* a web server in front of it */
		{NAT_UDP_WORKS, false, PORTAL_SIGN_IN, false},
		{NAT_UDP_SILENT, false, PORTAL_CLOSED, false},
		{NAT_UDP_SILENT, false, PORTAL_REFUSED, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct nat_report r = {
			.family = {facts(rows[i].udp, true, N, N), {.udp = NAT_UDP_ABSENT}}};
		const struct netcheck_view v = {
			.report = &r, .http = rows[i].http, .link = {.up = rows[i].link}};
		char text[NETCHECK_TEXT];

		if ((strstr(netcheck_verdict(&v, text), "captive portal") != NULL) != rows[i].portal)
			fail_msg("row %zu: %s", i, text);
	}
}

static void relays_are_sorted_by_distance_and_the_silent_come_last(void **state)
{
	static const ns_t rtt[][2] = {{0, 0}, {30 * MS, 0}, {0, 20 * MS}, {10 * MS, 50 * MS}};
	const struct nat_report r = {.done = true,
		.family = {facts(NAT_UDP_WORKS, true, N | A, P),
			{.udp = NAT_UDP_ABSENT, .mapping = ANY, .filtering = ANY}}};
	struct netcheck_view v = {.report = &r,
		.port = 51820,
		.http_proxy = "",
		.step = 3,
		.link = {.up = true, .error = "", .proxy = ""},
		.n_servers = 4};
	const char *names[] = {"dead", "far", "six", "near"};
	struct jsonout out = {0};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		v.servers[i] = (struct netcheck_server){
			.name = names[i], .id = "0123456789abcdef", .rtt = rtt[i], .home = i == 3};
	netcheck_sort(&v);
	netcheck_print(&v, &out);
	_cleanup_(freep) char *text = jsonout_take(&out, NULL);
	json_t *j = json_loads(text, 0, NULL), *relays = json_object_get(j, "relays"),
	       *f = json_object_get(j, "ipv4");

	assert_non_null(j);
	static const char *const order[] = {"near", "six", "far", "dead"};
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(relays, i), "name")), order[i]);
	assert_true(json_is_true(json_object_get(json_array_get(relays, 0), "home")));
	assert_true(json_is_null(json_object_get(json_array_get(relays, 3), "rtt_ms")));
	assert_int_equal(json_array_size(json_object_get(f, "mapping")), 2);
	assert_string_equal(json_string_value(json_object_get(f, "difficulty")), "easy");
	assert_string_equal(json_string_value(json_array_get(json_object_get(f, "filtering"), 0)),
		"address_and_port_dependent");
	assert_true(json_is_true(json_object_get(f, "translated")));
	assert_true(json_is_null(json_object_get(f, "hairpin")));
	assert_true(json_is_null(json_object_get(json_object_get(j, "ipv6"), "translated")));
	assert_int_equal(json_integer_value(json_object_get(j, "step")), 3);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verdict_follows_from_the_findings),
		cmocka_unit_test(
			somebody_else_who_answers_for_the_coordinator_is_a_portal_only_where_nothing_passes),
		cmocka_unit_test(relays_are_sorted_by_distance_and_the_silent_come_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
