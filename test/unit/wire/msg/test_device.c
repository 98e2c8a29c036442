/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "wire/msg/device.h"

#define CLIENT "\"client\":{\"ip4\":\"100.101.0.9\",\"ip6\":\"fd5c::9\"},"
#define ANSWER(more)                                                                                         \
	"{" CLIENT "\"psk\":\"PSK=\",\"server_key\":\"SRV=\",\"endpoint\":\"192.0.2.1:51820\","              \
	"\"allowed\":[\"0.0.0.0/0\",\"::/0\"]" more "}"

static void expect_config(const char *answer, const char *config)
{
	json_t *j = json_loads(answer, 0, NULL);
	char *text = msg_device_config(j, "PRIV=");

	assert_true(msg_device_whole(j));
	assert_string_equal(text, config);
	free(text);
	json_decref(j);
}

static void a_configuration_is_wireguards_own(void **state UNUSED)
{
	expect_config(ANSWER(""),
		"[Interface]\nPrivateKey = PRIV=\nAddress = 100.101.0.9/32, fd5c::9/128\n\n[Peer]\nPublicKey "
		"= SRV=\n"
		"PresharedKey = PSK=\nEndpoint = 192.0.2.1:51820\nAllowedIPs = 0.0.0.0/0, ::/0\n"
		"PersistentKeepalive = 25\n");
	expect_config(ANSWER(",\"dns\":[\"192.0.0.53\",\"64:ff9b::1\"]"),
		"[Interface]\nPrivateKey = PRIV=\nAddress = 100.101.0.9/32, fd5c::9/128\n"
		"DNS = 192.0.0.53, 64:ff9b::1\n\n[Peer]\nPublicKey = SRV=\nPresharedKey = PSK=\n"
		"Endpoint = 192.0.2.1:51820\nAllowedIPs = 0.0.0.0/0, ::/0\nPersistentKeepalive = 25\n");
}

static void what_lacks_something_is_not_whole(void **state UNUSED)
{
	static const char *const answers[] = {
		"{}",
		"{" CLIENT "\"psk\":\"p\",\"server_key\":\"k\",\"allowed\":[]}",
		"{" CLIENT "\"psk\":\"\",\"server_key\":\"k\",\"allowed\":[\"::/0\"]}",
		"{\"client\":{\"ip4\":\"100.101.0.9\"},\"psk\":\"p\",\"server_key\":\"k\",\"allowed\":[\"::/"
		"0\"]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		json_t *j = json_loads(answers[i], 0, NULL);

		if (msg_device_whole(j))
			fail_msg("%s", answers[i]);
		json_decref(j);
	}
	assert_false(msg_device_whole(NULL));
}

static void an_endpoint_is_one_word_with_a_port(void **state UNUSED)
{
	static const struct {
		const char *text;
		bool valid;
	} rows[] = {{"192.0.2.1:51820", true}, {"[2001:db8::1]:1", true}, {"gate.example.org:65535", true},
		{"", false}, {"gate", false}, {":51820", false}, {"gate:0", false}, {"gate:65536", false},
		{"gate:x", false}, {"a b:1", false}, {"gate:1\nDNS = x", false}, {"2001:db8::1:1", false},
		{"192.0.2.1:0", false}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (msg_device_endpoint_valid(rows[i].text) != rows[i].valid)
			fail_msg("%s", rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configuration_is_wireguards_own),
		cmocka_unit_test(what_lacks_something_is_not_whole),
		cmocka_unit_test(an_endpoint_is_one_word_with_a_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
