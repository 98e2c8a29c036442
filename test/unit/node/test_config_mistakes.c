/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is wrong in a configuration is said with its line, and nothing of it is taken. */
#include "config_text.h"
#include "unit/unit.h"

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
		{"metrics:\n  listen: localhost:9000\n",
			"config.yaml:2: metrics.listen must be mesh, off, a port, or an address with a port "
			"such as 127.0.0.1:5210, not \"localhost:9000\""},
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
		{"dashboard:\n  admins: [ tag:admin, laptop ]\n",
			"config.yaml:2: dashboard.admins must be a list of tags such as tag:admin, or of ids "
			"of "
			"nodes, which `tunnelmesh whois NAME` tells (a name may be another node's tomorrow), "
			"not "
			"\"laptop\""},
		{"dashboard: { admins: [ \"tag:\" ] }\n", "config.yaml:1: dashboard.admins must be a list of "
							  "tags such as tag:admin, or of ids of "
							  "nodes, which `tunnelmesh whois NAME` tells (a "
							  "name may be another node's tomorrow), not "
							  "\"tag:\""},
		{"dashboard: { listen: [ hub.example.org ] }\n",
			"config.yaml:1: dashboard.listen must be a list of ports, or addresses with ports "
			"such "
			"as 203.0.113.7:443, not \"hub.example.org\""},
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

/* The sentence is logged, and a report of a bug has the log. */
static void what_may_be_a_key_or_a_password_is_not_repeated(void **state)
{
	static const struct mistake rows[] = {
		{"tls_key: MC4CAQAwBQYDK2VwBCIEIDdk\n",
			"config.yaml:1: tls_key must be the whole path of a file"},
		{"addresses:\n  - a.b\n  - https://me:hunter2@proxy\n",
			"config.yaml:3: addresses must be a list of names or addresses such as "
			"vpn.example.org:8443, or https://vpn.example.org/path"},
		{"advertise: [ \"me:hunter2@192.0.2.1:5\" ]\n",
			"config.yaml:1: advertise must be a list of addresses with ports such as "
			"203.0.113.7:51820"},
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
		{"tls_key: key.pem\n", "config.yaml:1: tls_key must be the whole path of a file"},
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_key_gets_its_line_and_sentence),
		cmocka_unit_test(a_wrong_shape_gets_its_line_and_sentence),
		cmocka_unit_test(a_wrong_number_gets_its_line_and_sentence),
		cmocka_unit_test(a_wrong_word_gets_its_line_and_sentence),
		cmocka_unit_test(a_wrong_list_gets_its_line_and_sentence),
		cmocka_unit_test(what_may_be_a_key_or_a_password_is_not_repeated),
		cmocka_unit_test(a_wrong_rule_gets_its_line_its_column_and_a_sentence),
		cmocka_unit_test(a_wrong_proxy_or_certificate_gets_its_line_and_sentence),
		cmocka_unit_test(what_is_no_yaml_gets_its_line_and_sentence),
		cmocka_unit_test(oversized_and_hollow_files_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
