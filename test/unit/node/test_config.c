/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "config_text.h"
#include "unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/codec.h"
#include "crypto/aead.h"
#include "data/plane/offloads.h"
#include "os/os.h"
#include "os/resolv.h"

static const char *source_file(const char *name, char buf[static 512])
{
	snprintf(buf, 512, "%s/%s", TM_SOURCE_DIR, name);
	return buf;
}

static char *read_source(const char *name)
{
	char path[512], *text = NULL;
	struct diag d = {0};

	if (os_read_file(source_file(name, path), 1 << 20, &text, NULL, &d) != TM_OK)
		fail_msg("%s", d.what);
	return text;
}

static void nothing_given_means_the_defaults(void **state)
{
	static const char *const rows[] = {"", "\n", "# only a comment\n", "---\n", "--- ~\n", "null\n",
		"{}\n", "advertise:\naddresses: []\n", "test_limits:\n", "test_limits: {}\n",
		"\xef\xbb\xbf# byte order mark\n", "tun: tm0\r\n"};
	struct config def;

	(void)state;
	config_defaults(&def);
	assert_int_equal(def.listen_port, 51820);
	assert_int_equal(def.api_port, 8443);
	assert_string_equal(def.api_listen, "::");
	assert_string_equal(def.tun, "tm0");
	assert_int_equal(def.mtu, 1420);
	assert_int_equal(def.workers, 0);
	assert_int_equal(def.flows, 65536);
	assert_int_equal(def.stun_port, CONFIG_PORT_AUTO);
	assert_int_equal(def.bench_port, BENCH_PORT);
	assert_int_equal(def.log_level, LOG_INFO);
	assert_int_equal(def.log_format, LOG_FORMAT_TEXT);
	assert_string_equal(def.socket_group, "");
	assert_string_equal(def.metrics_listen, "mesh");
	assert_false(def.metrics_per_peer);
	assert_true(def.dashboard);
	assert_int_equal(def.n_dashboard_listen, 0);
	assert_false(def.dashboard_plain);
	assert_memory_equal(&def.limits, &wg_limits_default, sizeof(def.limits));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config c;
		struct diag d = {0};
		memset(&c, 0xee, sizeof(c));
		if (parse(rows[i], &c, &d) != TM_OK)
			fail_msg("row %zu: %s: %s", i, d.where, d.what);
		assert_string_equal(d.where, "");
		assert_int_equal(
			c.given != 0, strstr(rows[i], "tun") != NULL); /* a value, if not another one */
		c.given = 0;
		assert_memory_equal(&c, &def, sizeof(c));
	}
}

static void take(const char *text, struct config *ret_config)
{
	struct diag d = {0};

	if (parse(text, ret_config, &d) != TM_OK)
		fail_msg("%s: %s", d.where, d.what);
}

static void keys_of_the_tunnel_reach_their_fields(void **state UNUSED)
{
	struct config c;
	char buf[ENDPOINT_STR_LEN];

	take("listen_port: 0\n"
	     "tun: wg-home\n"
	     "mtu: 1280\n"
	     "workers: 4\n"
	     "fwmark: 0xCa6c\n"
	     "offloads: uso,tun\n"
	     "aead: libcrypto\n"
	     "flows: 1000000\n"
	     "advertise: [ 203.0.113.7:51820, \"[2001:db8::7]:1\" ]\n"
	     "stun_port: 3478\n"
	     "port_mapping: no\n"
	     "test_limits:\n"
	     "  rekey_after_ms: 2000\n"
	     "  reject_after_ms: 3000\n"
	     "  rekey_attempt_ms: 1500\n"
	     "  rekey_timeout_ms: 500\n"
	     "  keepalive_ms: 400\n"
	     "  port_lease_ms: 20000\n"
	     "  rekey_after_messages: 1000\n",
		&c);
	assert_int_equal(c.listen_port, 0);
	assert_string_equal(c.tun, "wg-home");
	assert_int_equal(c.mtu, 1280);
	assert_int_equal(c.workers, 4);
	assert_int_equal(c.fwmark, 0xca6c);
	assert_int_equal(c.flows, 1000000);
	assert_string_equal(c.aead, "libcrypto");
	assert_int_equal(c.offloads, PLANE_OFFLOAD_TUN | PLANE_OFFLOAD_USO);
	assert_int_equal(c.n_advertise, 2);
	assert_string_equal(endpoint_format(&c.advertise[0], buf), "203.0.113.7:51820");
	assert_string_equal(endpoint_format(&c.advertise[1], buf), "[2001:db8::7]:1");
	assert_int_equal(c.stun_port, 3478);
	assert_false(c.port_mapping);
	assert_int_equal(c.port_lease, 20 * SEC);
	assert_int_equal(c.limits.rekey_after, 2 * SEC);
	assert_int_equal(c.limits.reject_after, 3 * SEC);
	assert_int_equal(c.limits.rekey_attempt, 1500 * MS);
	assert_int_equal(c.limits.rekey_timeout, 500 * MS);
	assert_int_equal(c.limits.keepalive_timeout, 400 * MS);
	assert_int_equal(c.limits.rekey_after_messages, 1000);
	assert_int_equal(c.limits.reject_after_messages, wg_limits_default.reject_after_messages);
}

static void keys_of_what_the_node_serves_reach_their_fields(void **state UNUSED)
{
	struct config c;

	take("log_level: debug\n"
	     "log_format: json\n"
	     "socket_group: netdev\n"
	     "api_listen: 127.0.0.1\n"
	     "api_port: 443\n"
	     "addresses:\n"
	     "  - vpn.example.org\n"
	     "  - 'vpn-2.example.org:443'\n"
	     "  - 192.0.2.1\n"
	     "  - 192.0.2.1:8443\n"
	     "  - 2001:db8::1\n"
	     "  - \"[2001:db8::1]:8443\"\n"
	     "  - localhost\n"
	     "dns:\n"
	     "  enabled: no\n"
	     "  serve: mesh\n"
	     "  resolver: file\n"
	     "  search: yes\n"
	     "  listen: [127.0.0.54:53, 5353]\n"
	     "metrics:\n"
	     "  listen: \"[2001:db8::7]:9000\"\n"
	     "  per_peer: yes\n"
	     "dashboard:\n"
	     "  enabled: no\n"
	     "  admins: [tag:admin, 0123456789abcdef]\n"
	     "  listen: [8080, \"[::]:8444\"]\n"
	     "  plain: yes\n",
		&c);
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_int_equal(c.log_format, LOG_FORMAT_JSON);
	assert_string_equal(c.socket_group, "netdev");
	assert_string_equal(c.api_listen, "127.0.0.1");
	assert_int_equal(c.api_port, 443);
	assert_int_equal(c.n_addresses, 7);
	assert_string_equal(c.addresses[1], "vpn-2.example.org:443");
	assert_string_equal(c.addresses[6], "localhost");
	assert_false(c.dns);
	assert_int_equal(c.dns_serve, DNS_SERVE_MESH);
	assert_string_equal(os_resolv_ways[c.dns_resolver], "file");
	assert_true(c.dns_search);
	assert_int_equal(c.n_dns_listen, 2);
	assert_string_equal(c.dns_listen[1], "5353");
	assert_string_equal(c.metrics_listen, "[2001:db8::7]:9000");
	assert_true(c.metrics_per_peer);
	assert_false(c.dashboard);
	assert_int_equal(c.n_dashboard_admins, 2);
	assert_string_equal(c.dashboard_admins[0], "tag:admin");
	assert_string_equal(c.dashboard_admins[1], "0123456789abcdef");
	assert_int_equal(c.n_dashboard_listen, 2);
	assert_string_equal(c.dashboard_listen[1], "[::]:8444");
	assert_true(c.dashboard_plain);
}

static void rules_reach_their_fields_with_their_lines(void **state UNUSED)
{
	struct config c;

	take("filter:\n"
	     "  - deny: [tcp/22, ping]\n"
	     "    from: [tag:guest, laptop]\n"
	     "  - {reject: any, to: any}\n",
		&c);
	assert_int_equal(c.n_rules, 2);
	assert_int_equal(c.rules[0].action, POLICY_DENY);
	assert_string_equal(c.rules[0].services, "tcp/22,ping");
	assert_string_equal(c.rules[0].who, "tag:guest,laptop");
	assert_false(c.rules[0].outbound);
	assert_int_equal(c.rules[0].line, 2);
	assert_int_equal(c.rules[1].action, POLICY_REJECT);
	assert_string_equal(c.rules[1].id, "local-config-2");
	assert_int_equal(c.rules[1].line, 4);
	assert_true(c.rules[1].outbound);
}

static void a_switch_is_whatever_yaml_calls_one(void **state)
{
	static const struct {
		const char *text;
		bool ok, on;
	} rows[] = {{"yes", true, true}, {"No", true, false}, {"true", true, true}, {"FALSE", true, false},
		{"on", true, true}, {"off", true, false}, {"'no'", true, false}, {"1", false, true},
		{"y", false, true}, {"nope", false, true}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config c;
		struct diag d = {0};
		char text[64];

		snprintf(text, sizeof(text), "port_mapping: %s\n", rows[i].text);
		int err = parse(text, &c, &d);
		if ((err == TM_OK) != rows[i].ok || (!err && c.port_mapping != rows[i].on))
			fail_msg("%s: %s", rows[i].text, d.what);
		if (err)
			assert_non_null(strstr(d.what, "port_mapping must be yes or no, not "));
	}
}

static void metrics_are_had_in_the_mesh_elsewhere_or_nowhere(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {{"mesh", true}, {"off", true}, {"9000", true}, {"127.0.0.1:9000", true},
		{"'[::]:9000'", true}, {"0", false}, {"65536", false}, {"127.0.0.1", false}, {"here", false},
		{"localhost:9000", false}, {"224.0.0.1:9000", false}, {"127.0.0.1:0", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config c;
		struct diag d = {0};
		char text[64];

		snprintf(text, sizeof(text), "metrics:\n  listen: %s\n", rows[i].text);
		int err = parse(text, &c, &d);
		if ((err == TM_OK) != rows[i].ok)
			fail_msg("%s: %s", rows[i].text, d.what);
		if (!err && !strchr(rows[i].text, '\''))
			assert_string_equal(c.metrics_listen, rows[i].text);
	}
}

static void only_a_file_asked_for_by_name_must_exist(void **state)
{
	char dir[] = "/tmp/tm-config-XXXXXX", path[64];
	struct config c, def;
	struct diag d = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/config.yaml", dir);
	config_defaults(&def);
	assert_int_equal(config_load(path, false, &c, &d), TM_OK);
	assert_memory_equal(&c, &def, sizeof(c));
	assert_int_equal(config_load(path, true, &c, &d), TM_ENOENT);
	assert_non_null(strstr(d.what, "No such file"));

	assert_int_equal(os_write_file(path, "tun: a\nbad: 1\n", 14, 0600, NULL), TM_OK);
	assert_int_equal(config_load(path, false, &c, &d), TM_EINVAL);
	char where[80];
	snprintf(where, sizeof(where), "%s:2", path);
	assert_string_equal(d.where, where);

	assert_int_equal(config_load(dir, false, &c, &d), TM_EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void changed_keys_that_need_a_restart_are_listed(void **state)
{
	static const struct {
		const char *a, *b, *keys;
	} rows[] = {
		{"", "", ""},
		{"", "log_level: debug\nlog_format: logfmt\naddresses: [a.b]\nadvertise: [192.0.2.1:5]\n",
			""},
		{"", "tun: tm1\n", "tun"},
		{"tun: tm-long-name\n", "tun: tm\n", "tun"},
		{"tun: tm0\n", "listen_port: 51820\n", ""},
		{"", "listen_port: 1\nmtu: 1300\nfwmark: 7\napi_port: 9\nlog_level: warn\nsocket_group: g\n",
			"listen_port, mtu, fwmark, socket_group, api_port"},
		{"", "test_limits: { keepalive_ms: 77 }\n", "test_limits.keepalive_ms"},
	};
	struct config a, b;
	char keys[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(parse(rows[i].a, &a, NULL), TM_OK);
		assert_int_equal(parse(rows[i].b, &b, NULL), TM_OK);
		config_restart_needed(&a, &b, keys, sizeof(keys));
		assert_string_equal(keys, rows[i].keys);
		config_restart_needed(&b, &a, keys, sizeof(keys));
		assert_string_equal(keys, rows[i].keys);
	}
	config_restart_needed(&a, &b, keys, 8);
	assert_string_equal(keys, "test_li");
}

/* ---- what is written about the configuration is true ---- */

struct documents {
	char *reference, *manual, *example;
	size_t rows;
};

static void each_is_documented(void *ctx, const char *key, const char *def, bool reload, const char *text)
{
	struct documents *docs = ctx;
	char line[1024];

	docs->rows++;
	snprintf(line, sizeof(line), "| `%s` | %s%s%s | %s | %s |\n", key, def[0] ? "`" : "",
		def[0] ? def : "none", def[0] ? "`" : "", reload ? "reload" : "restart", text);
	if (!strstr(docs->reference, line))
		fail_msg("docs/config.md lacks this line:\n%s", line);
	snprintf(line, sizeof(line), ".It Ic %s\n", key);
	if (!strstr(docs->manual, line))
		fail_msg("dist/man/tunnelmesh.yaml.5 lacks this line:\n%s", line);
	const char *dot = strchr(key, '.');
	snprintf(line, sizeof(line), dot ? "\n#  %s:" : "\n#%s:", dot ? dot + 1 : key);
	if (!strstr(docs->example, line))
		fail_msg("dist/config.yaml lacks this line:%s", line);
}

static void every_key_is_in_the_reference_the_manual_and_the_example(void **state)
{
	struct documents docs = {
		.reference = read_source("docs/config.md"),
		.manual = read_source("dist/man/tunnelmesh.yaml.5"),
		.example = read_source("dist/config.yaml"),
	};

	(void)state;
	config_describe(each_is_documented, &docs);
	assert_int_equal(docs.rows, 39);
	assert_null(strstr(docs.reference, "test_limits"));
	free(docs.reference);
	free(docs.manual);
	free(docs.example);
}

/* "#key: value" becomes "key: value"; "# a sentence" stays. */
static void uncomment(char *text)
{
	for (char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (p[0] == '#' && ((p[1] >= 'a' && p[1] <= 'z') || strncmp(p, "#  ", 3) == 0))
			memmove(p, p + 1, strlen(p));
}

/* Which there are depends on the build: the sentence names them all. */
static void an_unknown_cipher_provider_is_told_the_known_ones(void **state)
{
	struct diag d = {0};
	struct config c;
	const char *name;
	(void)state;

	assert_int_equal(parse("aead: rot13\n", &c, &d), TM_EINVAL);
	assert_non_null(strstr(d.what, "aead must be auto"));
	assert_non_null(strstr(d.what, "not \"rot13\""));
	for (size_t i = 0; (name = aead_provider_at(i)); i++)
		if (!strstr(d.what, name))
			fail_msg("%s is not named: %s", name, d.what);
}

static void the_example_parses_and_shows_the_defaults(void **state)
{
	char *text = read_source("dist/config.yaml");
	struct config def, as_is, open;
	struct diag d = {0};

	(void)state;
	config_defaults(&def);
	assert_int_equal(parse(text, &as_is, &d), TM_OK);
	assert_memory_equal(&as_is, &def, sizeof(def));

	uncomment(text);
	if (parse(text, &open, &d) != TM_OK)
		fail_msg("%s: %s", d.where, d.what);
	assert_int_equal(open.n_advertise, 2);
	assert_int_equal(open.n_addresses, 2);
	assert_int_equal(open.n_listen, 2);
	assert_int_equal(open.n_dns_listen, 1);
	assert_int_equal(open.n_route_advertise, 2);
	/* But for the lists it is the defaults. */
	memcpy(open.advertise, def.advertise, sizeof(def.advertise));
	memcpy(open.addresses, def.addresses, sizeof(def.addresses));
	memcpy(open.listen, def.listen, sizeof(def.listen));
	memcpy(open.dns_listen, def.dns_listen, sizeof(def.dns_listen));
	open.n_advertise = open.n_addresses = open.n_listen = open.n_dns_listen = 0;
	memcpy(open.route_advertise, def.route_advertise, sizeof(def.route_advertise));
	open.n_route_advertise = 0;
	assert_int_equal(open.n_dashboard_admins, 1);
	memcpy(open.dashboard_admins, def.dashboard_admins, sizeof(def.dashboard_admins));
	open.n_dashboard_admins = 0;
	assert_int_equal(open.n_dashboard_listen, 1);
	memcpy(open.dashboard_listen, def.dashboard_listen, sizeof(def.dashboard_listen));
	open.n_dashboard_listen = 0;
	assert_int_equal(open.n_rules, 2);
	memcpy(open.rules, def.rules, sizeof(def.rules));
	open.n_rules = 0;
	assert_true(config_has(&open, "listen_port") && !config_has(&as_is, "listen_port"));
	open.given = 0;
	assert_memory_equal(&open, &def, sizeof(def));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unknown_cipher_provider_is_told_the_known_ones),
		cmocka_unit_test(nothing_given_means_the_defaults),
		cmocka_unit_test(keys_of_the_tunnel_reach_their_fields),
		cmocka_unit_test(keys_of_what_the_node_serves_reach_their_fields),
		cmocka_unit_test(rules_reach_their_fields_with_their_lines),
		cmocka_unit_test(metrics_are_had_in_the_mesh_elsewhere_or_nowhere),
		cmocka_unit_test(a_switch_is_whatever_yaml_calls_one),
		cmocka_unit_test(only_a_file_asked_for_by_name_must_exist),
		cmocka_unit_test(changed_keys_that_need_a_restart_are_listed),
		cmocka_unit_test(every_key_is_in_the_reference_the_manual_and_the_example),
		cmocka_unit_test(the_example_parses_and_shows_the_defaults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
