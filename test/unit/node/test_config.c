/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/codec.h"
#include "crypto/aead.h"
#include "data/plane/offloads.h"
#include "node/config.h"
#include "os/os.h"

static int parse(const char *text, struct config *c, struct diag *d)
{
	return config_parse("config.yaml", text, strlen(text), c, d);
}

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
	assert_string_equal(def.socket_group, "");
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

static void every_key_reaches_its_field(void **state)
{
	struct config c;
	struct diag d = {0};
	char buf[ENDPOINT_STR_LEN];

	(void)state;
	int err = parse("listen_port: 0\n"
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
			"log_level: debug\n"
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
			"filter:\n"
			"  - deny: [tcp/22, ping]\n"
			"    from: [tag:guest, laptop]\n"
			"  - {reject: any, to: any}\n"
			"test_limits:\n"
			"  rekey_after_ms: 2000\n"
			"  reject_after_ms: 3000\n"
			"  rekey_attempt_ms: 1500\n"
			"  rekey_timeout_ms: 500\n"
			"  keepalive_ms: 400\n"
			"  port_lease_ms: 20000\n"
			"  rekey_after_messages: 1000\n",
		&c, &d);
	if (err)
		fail_msg("%s: %s", d.where, d.what);
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
	assert_false(c.dns);
	assert_int_equal(c.dns_serve, DNS_SERVE_MESH);
	assert_int_equal(c.dns_resolver, RESOLV_WISH_FILE);
	assert_true(c.dns_search);
	assert_int_equal(c.n_dns_listen, 2);
	assert_string_equal(c.dns_listen[1], "5353");
	assert_int_equal(c.n_rules, 2);
	assert_int_equal(c.rules[0].action, POLICY_DENY);
	assert_string_equal(c.rules[0].services, "tcp/22,ping");
	assert_string_equal(c.rules[0].who, "tag:guest,laptop");
	assert_false(c.rules[0].outbound);
	assert_int_equal(c.rules[0].line, 31);
	assert_int_equal(c.rules[1].action, POLICY_REJECT);
	assert_string_equal(c.rules[1].id, "local-config-2");
	assert_true(c.rules[1].outbound);
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_string_equal(c.socket_group, "netdev");
	assert_string_equal(c.api_listen, "127.0.0.1");
	assert_int_equal(c.api_port, 443);
	assert_int_equal(c.n_addresses, 7);
	assert_string_equal(c.addresses[1], "vpn-2.example.org:443");
	assert_string_equal(c.addresses[6], "localhost");
	assert_int_equal(c.limits.rekey_after, 2 * SEC);
	assert_int_equal(c.limits.reject_after, 3 * SEC);
	assert_int_equal(c.limits.rekey_attempt, 1500 * MS);
	assert_int_equal(c.limits.rekey_timeout, 500 * MS);
	assert_int_equal(c.limits.keepalive_timeout, 400 * MS);
	assert_int_equal(c.limits.rekey_after_messages, 1000);
	assert_int_equal(c.limits.reject_after_messages, wg_limits_default.reject_after_messages);
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

struct mistake {
	const char *text, *says;
};

static void assert_says(const struct mistake *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct config c, before;
		struct diag d = {0};
		char line[1024];
		memset(&c, 0xee, sizeof(c));
		before = c;
		int err = parse(rows[i].text, &c, &d);
		diag_format(&d, err, line, sizeof(line));
		if (err == TM_OK || strcmp(line, rows[i].says) != 0)
			fail_msg("row %zu, \"%s\":\n  got  %s\n  want %s", i, rows[i].text,
				err ? line : "success", rows[i].says);
		assert_memory_equal(&c, &before, sizeof(c));
		assert_int_equal(parse(rows[i].text, &c, NULL), err);
	}
}

static void a_wrong_key_gets_its_line_and_sentence(void **state)
{
	static const struct mistake rows[] = {
		{"tun: tm0\nlisten_prot: 5\n",
			"config.yaml:2: unknown key \"listen_prot\" (did you mean \"listen_port\"?)"},
		{"Listen-Port: 5\n",
			"config.yaml:1: unknown key \"Listen-Port\" (did you mean \"listen_port\"?)"},
		{"speed: 5\n", "config.yaml:1: unknown key \"speed\""},
		{"loglevel: info\n", "config.yaml:1: unknown key \"loglevel\" (did you mean \"log_level\"?)"},
		{"test_limit: {}\n", "config.yaml:1: unknown key \"test_limit\""},
		{"\n\n<<: 5\n", "config.yaml:3: unknown key \"<<\""},
		{"tun.x: 5\n", "config.yaml:1: unknown key \"tun.x\""},
		{"test_limits.keepalive_ms: 5\n", "config.yaml:1: unknown key \"test_limits.keepalive_ms\""},
		{"test_limits:\n  keepalive: 5\n",
			"config.yaml:2: unknown key \"test_limits.keepalive\" (did you mean "
			"\"test_limits.keepalive_ms\"?)"},
		{"t\xc3\xbcn: 1\n", "config.yaml:1: unknown key \"t??n\""},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1\n",
			"config.yaml:1: unknown key "
			"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\""},
		{"mtu: 1400\ntun: a\nmtu: 1300\n", "config.yaml:3: mtu is given twice, first on line 1"},
		{"test_limits: { keepalive_ms: 5 }\ntest_limits: { keepalive_ms: 5 }\n",
			"config.yaml:2: test_limits is given twice"},
		{"? [a, b]\n: 5\n", "config.yaml:1: a key must be a single word, not a list"},
		{"\"tun\\0x\": 5\n", "config.yaml:1: a key contains a NUL character"},
	};

	(void)state;
	assert_says(rows, ARRAY_LEN(rows));
}

static void a_wrong_shape_gets_its_line_and_sentence(void **state)
{
	static const struct mistake rows[] = {
		{"- tun\n", "config.yaml:1: the file must consist of lines \"key: value\", not of a list"},
		{"\njust words\n", "config.yaml:2: the file must consist of lines \"key: value\", not of a "
				   "single value"},
		{"tun: a\n---\nmtu: 1300\n",
			"config.yaml:3: the file must be one YAML document, and a second one begins here"},
		{"tun:\n", "config.yaml:1: tun has no value"},
		{"tun: [a]\n", "config.yaml:1: tun must be a single value, not a list"},
		{"mtu:\n  a: b\n", "config.yaml:2: mtu must be a single value, not a mapping"},
		{"advertise: 192.0.2.1:5\n",
			"config.yaml:1: advertise must be a list, not a single value (write each entry "
			"on a line of its own after \"- \", or [in, brackets])"},
		{"addresses:\n  - a.b\n  - [c]\n",
			"config.yaml:3: addresses must be a list of single values, not a list"},
		{"addresses:\n  - a.b\n  -\n", "config.yaml:3: addresses has no value"},
		{"test_limits: 5\n", "config.yaml:1: test_limits must be a mapping, not a single value"},
	};

	(void)state;
	assert_says(rows, ARRAY_LEN(rows));
}

static void a_wrong_number_gets_its_line_and_sentence(void **state)
{
	static const struct mistake rows[] = {
		{"listen_port: x\n",
			"config.yaml:1: listen_port must be a number from 0 to 65535, not \"x\""},
		{"listen_port: 65536\n",
			"config.yaml:1: listen_port must be a number from 0 to 65535, not \"65536\""},
		{"listen_port: -1\n",
			"config.yaml:1: listen_port must be a number from 0 to 65535, not \"-1\""},
		{"listen_port: 1.5\n",
			"config.yaml:1: listen_port must be a number from 0 to 65535, not \"1.5\""},
		{"listen_port: \"5\"\n",
			"config.yaml:1: listen_port must be a number from 0 to 65535, not \"5\""},
		{"listen_port: 0777\n",
			"config.yaml:1: listen_port must be a number from 0 to 65535, not \"0777\""},
		{"listen_port: 5 5\n",
			"config.yaml:1: listen_port must be a number from 0 to 65535, not \"5 5\""},
		{"listen_port: 99999999999999999999999\n", "config.yaml:1: listen_port must be a number from "
							   "0 to 65535, not \"99999999999999999999999\""},
		{"api_port: 0\n", "config.yaml:1: api_port must be a number from 1 to 65535, not \"0\""},
		{"tun: a\nmtu: 1279\n",
			"config.yaml:2: mtu must be a number from 1280 to 8920, not \"1279\""},
		{"flows: 1023\n", "config.yaml:1: flows must be a number from 1024 to 1000000, not \"1023\""},
		{"workers: 65\n", "config.yaml:1: workers must be a number from 0 to 64, not \"65\""},
		{"fwmark: 0x1ffffffff\n",
			"config.yaml:1: fwmark must be a number from 0 to 4294967295, not \"0x1ffffffff\""},
		{"offloads: tun,gso\n", "config.yaml:1: offloads must be all, none, or some of "
					"tun,uso,udp-gso,udp-gro with commas "
					"between, uso only with tun, not \"tun,gso\""},
		{"offloads: uso,udp-gro\n", "config.yaml:1: offloads must be all, none, or some of "
					    "tun,uso,udp-gso,udp-gro with commas "
					    "between, uso only with tun, not \"uso,udp-gro\""},
		{"fwmark: 0x\n", "config.yaml:1: fwmark must be a number from 0 to 4294967295, not \"0x\""},
		{"test_limits:\n  keepalive_ms: 0\n", "config.yaml:2: test_limits.keepalive_ms must be a "
						      "number from 1 to 86400000, not \"0\""},
		{"test_limits:\n  rekey_after_ms: 5000\n  reject_after_ms: 5000\n",
			"config.yaml: test_limits.reject_after_ms must be greater than rekey_after_ms"},
		{"stun_port: 65536\n",
			"config.yaml:1: stun_port must be auto, or a number from 0 to 65535, not \"65536\""},
		{"stun_port: soon\n",
			"config.yaml:1: stun_port must be auto, or a number from 0 to 65535, not \"soon\""},
	};

	(void)state;
	assert_says(rows, ARRAY_LEN(rows));
}

static void a_wrong_word_gets_its_line_and_sentence(void **state)
{
	static const struct mistake rows[] = {
		{"log_level: loud\n",
			"config.yaml:1: log_level must be error, warn, info or debug, not \"loud\""},
		{"tun: 0123456789abcdef\n",
			"config.yaml:1: tun must be an interface name of 1 to 15 characters without "
			"blanks, '/', ':' and '%', not \"0123456789abcdef\""},
		{"tun: ../x\n", "config.yaml:1: tun must be an interface name of 1 to 15 characters without "
				"blanks, '/', ':' and '%', not \"../x\""},
		{"tun: tm%d\n", "config.yaml:1: tun must be an interface name of 1 to 15 characters without "
				"blanks, '/', ':' and '%', not \"tm%d\""},
		{"tun: \"\"\n", "config.yaml:1: tun must be an interface name of 1 to 15 characters without "
				"blanks, '/', ':' and '%', not \"\""},
		{"tun: \"a\\0b\"\n", "config.yaml:1: tun contains a NUL character"},
		{"tun: \"\\e[31m\"\n",
			"config.yaml:1: tun must be an interface name of 1 to 15 characters without "
			"blanks, '/', ':' and '%', not \"?[31m\""},
		{"socket_group: a b\n",
			"config.yaml:1: socket_group must be the name of a group, not \"a b\""},
		{"api_listen: localhost\n",
			"config.yaml:1: api_listen must be an IP address, not \"localhost\""},
		{"tun: a\nrelay: yes\n", "config.yaml:2: relay must be off, use or offer, not \"yes\""},
	};

	(void)state;
	assert_says(rows, ARRAY_LEN(rows));
}

static void a_wrong_list_gets_its_line_and_sentence(void **state)
{
	static const struct mistake rows[] = {
		{"advertise:\n  - 192.0.2.1:5\n  - 192.0.2.1\n",
			"config.yaml:3: advertise must be a list of addresses with "
			"ports such as 203.0.113.7:51820, not \"192.0.2.1\""},
		{"advertise: [ 0.0.0.0:5 ]\n", "config.yaml:1: advertise must be a list of addresses with "
					       "ports such as 203.0.113.7:51820, not \"0.0.0.0:5\""},
		{"advertise: [ 192.0.2.1:0 ]\n", "config.yaml:1: advertise must be a list of addresses with "
						 "ports such as 203.0.113.7:51820, not \"192.0.2.1:0\""},
		{"addresses: [a.b, a.b, a.b, a.b,\n a.b, a.b, a.b, a.b,\n a.b]\n",
			"config.yaml:3: addresses has more than 8 entries"},
		{"addresses: [ 256.1.1.1 ]\n",
			"config.yaml:1: addresses must be a list of names or addresses such as "
			"vpn.example.org:8443, or https://vpn.example.org/path, not \"256.1.1.1\""},
		{"addresses: [ 'fe80::1' ]\n",
			"config.yaml:1: addresses must be a list of names or addresses "
			"such as vpn.example.org:8443, or https://vpn.example.org/path, not \"fe80::1\""},
		{"addresses: [ a_b.example.org ]\n",
			"config.yaml:1: addresses must be a list of names or addresses such as "
			"vpn.example.org:8443, or https://vpn.example.org/path, not \"a_b.example.org\""},
		{"addresses: [ a.example.org:0 ]\n",
			"config.yaml:1: addresses must be a list of names or addresses such as "
			"vpn.example.org:8443, or https://vpn.example.org/path, not \"a.example.org:0\""},
		{"addresses: [ \"http://a.example.org:x\" ]\n",
			"config.yaml:1: addresses must be a list of names or "
			"addresses such as vpn.example.org:8443, or https://vpn.example.org/path, not "
			"\"http://a.example.org:x\""},
		{"dns: { listen: [ \"0.0.0.0:53\" ] }\n",
			"config.yaml:1: dns.listen must be a list of addresses of this machine, each by "
			"itself, such as 127.0.0.54:53, not \"0.0.0.0:53\""},
		{"dns: { listen: [ 53, \"[::]:53\" ] }\n",
			"config.yaml:1: dns.listen must be a list of addresses of this machine, each by "
			"itself, such as 127.0.0.54:53, not \"[::]:53\""},
		{"listen: [ 443, 0 ]\n",
			"config.yaml:1: listen must be a list of ports, or addresses with ports such as "
			"203.0.113.7:443, not \"0\""},
		{"listen: [ 192.0.2.7 ]\n",
			"config.yaml:1: listen must be a list of ports, or addresses with ports such as "
			"203.0.113.7:443, not \"192.0.2.7\""},
	};

	(void)state;
	assert_says(rows, ARRAY_LEN(rows));
}

static void a_wrong_rule_gets_its_line_its_column_and_a_sentence(void **state)
{
	static const struct mistake rows[] = {
		{"filter: deny\n",
			"config.yaml:1:9: filter must be a list, not a single value (write each entry on a "
			"line of its own after \"- \", or [in, brackets])"},
		{"filter:\n  - deny tcp/22\n",
			"config.yaml:2:5: a rule must be a mapping, not a single value or a list (write \"- "
			"deny: tcp/22\" and below it \"from: ...\")"},
		{"filter:\n  - deny: tcp/22\n    form: a\n",
			"config.yaml:3:5: unknown key \"form\" in a rule of a node's own (did you mean "
			"\"from\"?)"},
		{"filter:\n  - {deny: any, reject: any, from: a}\n",
			"config.yaml:2:5: a rule does one thing: this one has several of allow, deny and "
			"reject (write \"deny: any\" or \"reject: [udp/53, tcp/53]\")"},
		{"filter: [{from: a}]\n",
			"config.yaml:1:10: this rule has none of allow, deny and reject (write \"deny: any\" "
			"or \"reject: [udp/53, tcp/53]\")"},
		{"filter: [{deny: tcp}]\n",
			"config.yaml:1:10: a rule of a node's own has one of from and to, the other end "
			"being "
			"this node (write \"from: ...\" for what others open here, \"to: ...\" for what this "
			"node opens)"},
		{"filter: [{deny: tcp, from: a, to: b}]\n",
			"config.yaml:1:10: a rule of a node's own has one of from and to, the other end "
			"being "
			"this node (write \"from: ...\" for what others open here, \"to: ...\" for what this "
			"node opens)"},
		{"filter: [{deny: tcp, from: a, from: b}]\n",
			"config.yaml:1:31: from is given twice, first on line 1"},
		{"filter:\n- deny: [tcp, tpc/22]\n  from: a\n",
			"config.yaml:2:15: \"tpc\" is no protocol (did you mean \"tcp\"?)"},
		{"filter:\n- deny: tcp\n  from: [a, 'group:x']\n",
			"config.yaml:3:13: a node's own rules do not know the groups of the policy (name "
			"nodes and tags)"},
		{"filter:\n- deny: tcp\n  from: 'a,b'\n",
			"config.yaml:3:9: one entry names one, without commas (write a list as [one, "
			"another])"},
		{"filter:\n- deny: tcp\n  from: []\n", "config.yaml:2:3: the rule names nobody"},
		{"filter:\n- deny: tcp\n  from: [{a: b}]\n",
			"config.yaml:3:10: from must be a single value, not a mapping"},
		{"filter:\n- allow: tcp\n  to: a\n",
			"config.yaml:2:3: a node's own rule allows what others open here, not what it opens "
			"elsewhere (say from whom)"},
	};
	char many[4096] = "filter:\n";
	struct config c;
	struct diag d = {0};

	(void)state;
	assert_says(rows, ARRAY_LEN(rows));
	for (int i = 0; i <= CONFIG_RULES_MAX; i++)
		strcat(many, "- {deny: any, from: a}\n");
	assert_int_equal(parse(many, &c, &d), TM_ERANGE);
	assert_string_equal(d.what, "filter has 33 entries, and at most 32 are allowed");
	strrchr(many, '-')[0] = '\0';
	assert_int_equal(parse(many, &c, &d), TM_OK);
	assert_int_equal(c.n_rules, CONFIG_RULES_MAX);
}

static void a_wrong_proxy_or_certificate_gets_its_line_and_sentence(void **state)
{
	static const struct mistake rows[] = {
		{"proxy: socks5://u:secret@p:1\n", "config.yaml:1: only HTTP proxies can be used, and this "
						   "is of another kind (name one that "
						   "starts with http://)"},
		{"tls_key: key.pem\n",
			"config.yaml:1: tls_key must be the whole path of a file, not \"key.pem\""},
		{"tls_key: /k.pem\n",
			"config.yaml:1: tls_certificate and tls_key go together: tls_certificate is missing"},
		{"tls_key: \"\"\nmtu: 1400\ntls_certificate: /c.pem\n",
			"config.yaml:3: tls_certificate and tls_key go together: tls_key is missing"},
		{"\nproxy: http://u:p%zz@proxy:3128\n",
			"config.yaml:2: the address of the HTTP proxy cannot be read (write "
			"http://user:password@host:port, with %40 for an @ in the password)"},
		{"\nproxy: proxy:3128/path\n",
			"config.yaml:2: the address of the HTTP proxy cannot be read (write "
			"http://user:password@host:port, with %40 for an @ in the password)"},
	};

	(void)state;
	assert_says(rows, ARRAY_LEN(rows));
}

static void what_is_no_yaml_gets_its_line_and_sentence(void **state)
{
	static const struct mistake rows[] = {
		{"tun: a\n\tmtu: 1400\n",
			"config.yaml:2: YAML does not allow a tab for indentation (indent with spaces)"},
		{"test_limits:\n\tkeepalive_ms: 5\n",
			"config.yaml:2: YAML does not allow a tab for indentation (indent with spaces)"},
		{"tun: [a\n", "config.yaml:2: not valid YAML: did not find expected ',' or ']' while parsing "
			      "a flow sequence"},
		{"tun: \"a\n", "config.yaml:2: not valid YAML: found unexpected end of stream while scanning "
			       "a quoted scalar"},
		{"tun: a\nmtu\n", "config.yaml:3: not valid YAML: could not find expected ':' while scanning "
				  "a simple key"},
		{"tun: a\n  mtu: 1300\n",
			"config.yaml:2: not valid YAML: mapping values are not allowed in this context"},
		{"tun: @a\n", "config.yaml:1: not valid YAML: found character that cannot start any token "
			      "while scanning for "
			      "the next token"},
		{"tun: *a\n", "config.yaml:1: not valid YAML: found undefined alias"},
		{"tun: a\nmtu: 1300 # \xe9t\xe9\n", "config.yaml:2: the file is not UTF-8 text"},
		{"tun: a\n\n\x01\n", "config.yaml:3: the file contains a control character"},
	};

	(void)state;
	assert_says(rows, ARRAY_LEN(rows));
}

static void oversized_and_hollow_files_are_refused(void **state)
{
	static char big[64 * 1024 + 1];
	struct config c;
	struct diag d = {0};

	(void)state;
	memset(big, '#', sizeof(big));
	assert_int_equal(config_parse("c", big, sizeof(big) - 1, &c, &d), TM_OK);
	assert_int_equal(config_parse("c", big, sizeof(big), &c, &d), TM_ERANGE);
	assert_string_equal(d.what, "the file is larger than 64 KiB");
	memset(big, '[', sizeof(big));
	assert_int_equal(config_parse("c", big, sizeof(big) - 1, &c, &d), TM_EINVAL);
	assert_string_equal(d.what, "lists and mappings are nested too deeply");
	memset(big, 0, sizeof(big));
	assert_int_not_equal(config_parse("c", big, 100, &c, &d), TM_OK);
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
		{"", "log_level: debug\naddresses: [a.b]\nadvertise: [192.0.2.1:5]\n", ""},
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
	assert_int_equal(docs.rows, 32);
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
		cmocka_unit_test(every_key_reaches_its_field),
		cmocka_unit_test(a_switch_is_whatever_yaml_calls_one),
		cmocka_unit_test(a_wrong_key_gets_its_line_and_sentence),
		cmocka_unit_test(a_wrong_shape_gets_its_line_and_sentence),
		cmocka_unit_test(a_wrong_number_gets_its_line_and_sentence),
		cmocka_unit_test(a_wrong_word_gets_its_line_and_sentence),
		cmocka_unit_test(a_wrong_list_gets_its_line_and_sentence),
		cmocka_unit_test(a_wrong_rule_gets_its_line_its_column_and_a_sentence),
		cmocka_unit_test(a_wrong_proxy_or_certificate_gets_its_line_and_sentence),
		cmocka_unit_test(what_is_no_yaml_gets_its_line_and_sentence),
		cmocka_unit_test(oversized_and_hollow_files_are_refused),
		cmocka_unit_test(only_a_file_asked_for_by_name_must_exist),
		cmocka_unit_test(changed_keys_that_need_a_restart_are_listed),
		cmocka_unit_test(every_key_is_in_the_reference_the_manual_and_the_example),
		cmocka_unit_test(the_example_parses_and_shows_the_defaults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
