/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "wire/address.h"

static void an_address_is_read_in_each_of_its_forms(void **state UNUSED)
{
	static const struct {
		const char *text;
		enum address_kind kind;
		const char *host;
		uint16_t port;
		const char *prefix, *field;
	} rows[] = {
		{"192.0.2.7:8443", ADDRESS_OWN, "192.0.2.7", 8443, "", "192.0.2.7:8443"},
		{"hub.example.org:443", ADDRESS_OWN, "hub.example.org", 443, "", "hub.example.org"},
		{"[2001:db8::7]:8443", ADDRESS_OWN, "2001:db8::7", 8443, "", "[2001:db8::7]:8443"},
		{"[fe80::1%eth0]:8443", ADDRESS_OWN, "fe80::1%eth0", 8443, "", "[fe80::1%eth0]:8443"},
		{"https://hub.example.org", ADDRESS_HTTPS, "hub.example.org", 443, "", "hub.example.org"},
		{"https://hub.example.org/", ADDRESS_HTTPS, "hub.example.org", 443, "", "hub.example.org"},
		{"https://hub.example.org:8443/vpn/", ADDRESS_HTTPS, "hub.example.org", 8443, "/vpn",
			"hub.example.org:8443"},
		{"http://hub.example.org/a/b", ADDRESS_HTTP, "hub.example.org", 80, "/a/b",
			"hub.example.org:80"},
		{"https://[2001:db8::7]/vpn", ADDRESS_HTTPS, "2001:db8::7", 443, "/vpn", "[2001:db8::7]"},
		{"http://192.0.2.7:80", ADDRESS_HTTP, "192.0.2.7", 80, "", "192.0.2.7:80"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char field[ADDRESS_HOST_FIELD];
		struct address a;

		if (address_parse(rows[i].text, &a) != TM_OK)
			fail_msg("%s is refused", rows[i].text);
		assert_int_equal(a.kind, rows[i].kind);
		assert_string_equal(a.host, rows[i].host);
		assert_int_equal(a.port, rows[i].port);
		assert_string_equal(a.prefix, rows[i].prefix);
		assert_string_equal(address_host_field(&a, true, field), rows[i].field);
	}
}

static void what_is_no_address_is_refused(void **state UNUSED)
{
	static const char *const bad[] = {"", ":", "hub", "hub:", ":8443", "hub:0", "hub:65536", "hub:8443x",
		"hub: 8443", "hub :8443", "2001:db8::7:8443", "[2001:db8::7]", "[hub]:8443",
		"[192.0.2.7]:8443", "[]:8443", "[2001:db8::7:8443", "hub:8443/vpn", "https://",
		"https://:443", "https:///vpn", "https://hub:/vpn", "https://user@hub/", "https://hub/v pn",
		"https://hub/?a=b", "https://hub/a%2fb", "https://hub\r\nX: y", "ftp://hub",
		"https://http://hub", "HTTPS:/hub:1", "https://hub:0/", "hub\x7f:1",
		"h\xfc"
		"b:1"};
	char longest[600];
	struct address a = {.port = 7};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (address_parse(bad[i], &a) == TM_OK)
			fail_msg("\"%s\" is taken", bad[i]);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + 255, ":1", 3);
	assert_int_equal(address_parse(longest, &a), TM_EINVAL);
	memcpy(longest + 254, ":1", 3);
	assert_int_equal(address_parse(longest, &(struct address){0}), TM_OK);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "https://hub/", 12);
	longest[11 + ADDRESS_PREFIX] = '\0';
	assert_int_equal(address_parse(longest, &a), TM_EINVAL);
	assert_int_equal(a.port, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_read_in_each_of_its_forms),
		cmocka_unit_test(what_is_no_address_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
