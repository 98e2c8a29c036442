/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What of a configuration strangers may read. */
#include "unit/unit.h"

#include "cli/core/redact.h"
#include "node/config_rows.h"

static char *redacted(const char *text)
{
	struct strbuf out = {0};

	redact_config(text, strlen(text), &out);
	return strbuf_take(&out);
}

static void nothing_but_what_is_known_to_be_harmless_is_shown(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"listen_port: 443\nmtu: 1280\n", "listen_port: 443\nmtu: 1280\n"},
		{"proxy: http://user:SECRET@proxy:3128\n", "proxy: (hidden)\n"},
		{"proxy: |\n  http://user:SECRET@proxy:3128\n", "proxy: (hidden)\n"},
		{"mtu: 1280 # SECRET\n", "mtu: 1280\n"},
		{"dns:\n  serve: mesh\n  SECRET: yes\n",
			"dns.serve: mesh\nline 3, which is no setting: (hidden)\n"},
		{"metrics:\n  listen: 127.0.0.1:5210\n  per_peer: yes\n",
			"metrics.listen: 127.0.0.1:5210\nmetrics.per_peer: yes\n"},
		{"dashboard:\n  enabled: no\n  admins: [tag:admin]\n  SECRET: SECRET\n",
			"dashboard.enabled: no\ndashboard.admins: [tag:admin]\n"
			"line 4, which is no setting: (hidden)\n"},
		{"SECRET: 1\n", "line 1, which is no setting: (hidden)\n"},
		{"? [SECRET]\n: 1\n", "line 1, which is no setting: (hidden)\n"},
		{"? SECRET\n", "line 1, which is no setting: (hidden)\n"},
		{"tun: {SECRET: SECRET}\n", "tun: (hidden)\n"},
		{"listen: [443, {a: SECRET}, [SECRET]]\n", "listen: [443, (hidden), (hidden)]\n"},
		{"listen: []\n", "listen: []\n"},
		{"dns: SECRET\n", "line 1, which is no setting: (hidden)\n"},
		{"future: {password: SECRET}\n", "line 1, which is no setting: (hidden)\n"},
		{"tun: \"a\\tb\\e[2J\"\n", "tun: a?b?[2J\n"},
		{"- SECRET\n", "it does not consist of lines \"key: value\"\n"},
		{"SECRET\n", "it does not consist of lines \"key: value\"\n"},
		{"", "nothing is set\n"},
		{"# SECRET\n", "nothing is set\n"},
		{"mtu: 1280\nproxy: [SECRET\n", "it cannot be read: line:"},
		{"mtu: &x SECRET\nproxy: *x\n", "it cannot be read: line:"},
		{"mtu: \"SECRET\xff\"\n", "it cannot be read: line:"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *got = redacted(rows[i].text);

		assert_non_null(got);
		if (strncmp(got, rows[i].want, strlen(rows[i].want)) != 0 || strstr(got, "SECRET") ||
			(strchr(rows[i].want, '\n') && strcmp(got, rows[i].want) != 0))
			fail_msg("%s is shown as\n%s", rows[i].text, got);
		free(got);
	}
}

static void what_is_shown_are_settings_and_none_of_a_kind_that_holds_secrets(void **state UNUSED)
{
	const char *key;

	for (size_t i = 0; (key = redact_shown(i)); i++) {
		const struct config_row *row = NULL;

		for (size_t k = 0; k < CONFIG_ROWS; k++)
			if (strcmp(config_rows[k].key, key) == 0)
				row = &config_rows[k];
		if (!row)
			fail_msg("%s is no setting", key);
		else if (row->hidden || row->type == CONFIG_PROXY || row->type == CONFIG_FILE ||
			 row->type == CONFIG_RULES || row->type == CONFIG_HOSTS)
			fail_msg("%s may be secret", key);
		assert_true(redact_shows(key));
	}
	assert_false(redact_shows("proxy"));
	assert_false(redact_shows("list"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_what_is_known_to_be_harmless_is_shown),
		cmocka_unit_test(what_is_shown_are_settings_and_none_of_a_kind_that_holds_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
