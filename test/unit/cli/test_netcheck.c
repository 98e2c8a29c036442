/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `netcheck` shows of a report, how it follows one that grows, and that no line is wider than 80. */
#include "unit/unit.h"

#include <jansson.h>

#include "cli/core/commands.h"
#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

#define REPORT(done)                                                                                         \
	"{\"ok\":true,\"done\":" done ",\"step\":4,\"full\":true,\"listen_port\":51820,"                     \
	"\"ipv4\":{\"udp\":\"short_only\",\"payload_bytes\":1232,\"external\":[\"198.51.100.7:40001\","      \
	"\"198.51.100.8:40002\"],\"translated\":true,\"mapping\":[\"endpoint_independent\","                 \
	"\"address_dependent\"],\"filtering\":[\"address_and_port_dependent\"],\"difficulty\":\"easy\","     \
	"\"port_kept\":false,\"hairpin\":false},"                                                            \
	"\"ipv6\":{\"udp\":\"no_address\",\"payload_bytes\":null,\"external\":[],\"translated\":null,"       \
	"\"mapping\":[\"endpoint_independent\",\"address_dependent\",\"address_and_port_dependent\"],"       \
	"\"filtering\":[],\"difficulty\":null,\"port_kept\":null,\"hairpin\":null},"                         \
	"\"relays\":[{\"name\":\"hub\",\"id\":\"bbbbbbbbbbbbbbbb\",\"coordinator\":true,\"home\":true,"      \
	"\"rtt_ms\":12.3,\"rtt4_ms\":12.3,\"rtt6_ms\":null},{\"name\":\"nas\",\"id\":\"cccccccccccccccc\","  \
	"\"coordinator\":false,\"home\":false,\"rtt_ms\":null,\"rtt4_ms\":null,\"rtt6_ms\":null}],"          \
	"\"http\":\"sign_in\",\"port_mapping\":[{\"gateway\":\"192.168.1.1\",\"protocol\":null,"             \
	"\"endpoint\":null,"                                                                                 \
	"\"seen\":[\"pcp\",\"upnp\"],\"problem\":\"the router refuses\"}],"                                  \
	"\"link\":{\"up\":true,\"tls\":true,\"proxy\":\"10.0.0.1:3128\"},\"verdict\":\"Direct connections "  \
	"work with everybody except members whose "                                                          \
	"router gives every connection another port (hard).\",\"advice\":[\"Forward a UDP port on the "      \
	"router to port 51820 of this machine, and name it under advertise.\"]}"

static void a_report_is_shown_in_plain_words_and_in_those_of_the_rfc(void **state)
{
	static const struct fake_reply replies[] = {{"netcheck", REPORT("true")}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "netcheck --full --state-dir DIR");
	assert_string_equal(r.err, "");
	assert_string_equal(r.out,
		"  UDP, IPv4    short datagrams only, up to 1232 bytes tried\n"
		"  seen as      198.51.100.7:40001, 198.51.100.8:40002\n"
		"  router       one outside port for all ports of an address\n"
		"               (endpoint-independent or address-dependent mapping): easy\n"
		"  lets in      what comes from the very port that was written to (address- and\n"
		"               port-dependent filtering)\n"
		"  port         changed\n"
		"  hairpin      no\n"
		"  UDP, IPv6    no: this machine has no address\n"
		"  gateway      192.168.1.1 speaks pcp, upnp; maps no port: the router refuses\n"
		"  coordinator  linked by TCP, in TLS, through the proxy 10.0.0.1:3128\n"
		"  HTTP         somebody else answers and wants a sign-in (captive portal)\n"
		"\n"
		"  RELAY  RTT        ROLE\n"
		"  hub    12 ms      home, coordinator\n"
		"  nas    no answer  -\n"
		"\n"
		"  Direct connections work with everybody except members whose router gives every\n"
		"  connection another port (hard).\n"
		"  - Forward a UDP port on the router to port 51820 of this machine, and name it\n"
		"    under advertise.\n");
	assert_int_equal(r.status, 0);
	for (const char *line = r.out; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 80);
	run_free(&r);
	fake_daemon_stop(&f->daemon);
	assert_non_null(strstr(f->daemon.requests[0], "\"full\":true"));
	assert_int_equal(f->daemon.n_requests, 1);
}

static void what_http_met_is_one_line_with_the_proxy_in_it(void **state)
{
	static const struct {
		const char *http, *line; /* "": none */
	} rows[] = {
		{"\"http\":\"clean\",\"http_proxy\":null",
			"  HTTP         the coordinator answers, unchanged\n"},
		{"\"http\":\"clean\",\"http_proxy\":\"10.0.0.1:3128\"",
			"  HTTP         the coordinator answers, unchanged, through the proxy\n"
			"               10.0.0.1:3128\n"},
		{"\"http\":\"proxy_refused\",\"http_proxy\":\"10.0.0.1:3128\"",
			"  HTTP         no connection to the coordinator's port, through the proxy\n"
			"               10.0.0.1:3128\n"},
		{"\"http\":\"no_connection\",\"http_proxy\":\"10.0.0.1:3128\"",
			"  HTTP         no connection to the proxy 10.0.0.1:3128\n"},
		{"\"http\":\"no_connection\",\"http_proxy\":null",
			"  HTTP         no connection to the coordinator's port\n"},
		{"\"http\":null,\"http_proxy\":null", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512];
		const struct fake_reply replies[] = {{"netcheck", text}, {0}};
		struct fixture *f = *state;
		struct run r = {0};

		snprintf(text, sizeof(text), "{\"ok\":true,\"done\":true,\"verdict\":\"All is well.\",%s}",
			rows[i].http);
		fake_daemon_start(&f->daemon, f->socket, NULL, replies);
		run_cli(&r, f->dir, "netcheck --state-dir DIR");
		if (*rows[i].line ? !strstr(r.out, rows[i].line) : strstr(r.out, "HTTP") != NULL)
			fail_msg("row %zu: %s", i, r.out);
		run_free(&r);
		fake_daemon_stop(&f->daemon);
	}
}

/* As a newer daemon might say it. */
static void more_than_a_line_holds_is_cut_and_words_that_are_not_known_do_no_harm(void **state)
{
	static char text[4096];
	const struct fake_reply replies[] = {{"netcheck", text}, {0}};
	struct fixture *f = *state;
	struct run r = {0};
	size_t n = (size_t)snprintf(text, sizeof(text),
		"{\"ok\":true,\"done\":true,\"verdict\":\"All is well.\",\"ipv4\":{\"udp\":\"magic\","
		"\"mapping\":[\"endpoint_dreaming\",\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"],\"external\":"
		"[");

	for (unsigned i = 0; i < 40; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"%s\"[2001:db8:1234:5678:9abc:def0:1234:%u]:51820\"", i ? "," : "", 1000 + i);
	snprintf(text + n, sizeof(text) - n, "]}}");
	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "netcheck --state-dir DIR");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "  UDP, IPv4    magic\n");
	assert_contains(r.out, ":1003]:51820");
	assert_contains(r.out, "  All is well.\n");
	run_free(&r);
	fake_daemon_stop(&f->daemon);
}

static void a_report_that_grows_is_followed_by_its_steps(void **state)
{
	static const struct fake_reply replies[] = {{"netcheck", REPORT("false")},
		{"netcheck", REPORT("false")}, {"netcheck", REPORT("true")}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "netcheck --state-dir DIR");
	assert_int_equal(r.status, 0);
	run_free(&r);
	fake_daemon_stop(&f->daemon);
	assert_int_equal(f->daemon.n_requests, 3);
	assert_non_null(strstr(f->daemon.requests[0], "\"full\":false"));
	assert_non_null(strstr(f->daemon.requests[1], "\"after\":4"));
	assert_non_null(strstr(f->daemon.requests[2], "\"after\":4"));
}

static void json_is_the_daemons_without_what_is_only_for_following(void **state)
{
	static const struct fake_reply replies[] = {{"netcheck", REPORT("true")}, {0}};
	struct fixture *f = *state;
	struct run r = {0};

	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "netcheck --json --state-dir DIR");
	json_t *j = json_loads(r.out, 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(j, "schema")), 1);
	assert_null(json_object_get(j, "done"));
	assert_null(json_object_get(j, "step"));
	assert_non_null(json_object_get(j, "ipv4"));
	assert_int_equal(r.status, 0);
	json_decref(j);
	run_free(&r);
	fake_daemon_stop(&f->daemon);
}

#define CLI_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLI_TEST(a_report_is_shown_in_plain_words_and_in_those_of_the_rfc),
		CLI_TEST(what_http_met_is_one_line_with_the_proxy_in_it),
		CLI_TEST(more_than_a_line_holds_is_cut_and_words_that_are_not_known_do_no_harm),
		CLI_TEST(a_report_that_grows_is_followed_by_its_steps),
		CLI_TEST(json_is_the_daemons_without_what_is_only_for_following),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
