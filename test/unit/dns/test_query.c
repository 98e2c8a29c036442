/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "rig.h"

#include "dns/query.h"

static void what_a_person_types_is_a_name(void **state UNUSED)
{
	static const struct {
		const char *text, *name; /* NULL: it is none */
		bool backwards;
	} rows[] = {
		{"n3", "n3.mesh.", false},
		{"n3.mesh", "n3.mesh.", false},
		{"n3.", "n3.", false},
		{"example.org", "example.org.", false},
		{"100.101.0.4", "4.0.101.100.in-addr.arpa.", true},
		{"fd5c::4", "4.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.5.d.f.ip6.arpa.",
			true},
		{"", NULL, false},
		{".", NULL, false},
		{"a..b", NULL, false},
	};
	char text[DNS_NAME_TEXT];
	struct dns_name n;
	bool backwards;
	struct rig r;

	rig_open(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err = dns_query_read(&r.zone, rows[i].text, &n, &backwards);

		assert_int_equal(err, rows[i].name ? TM_OK : TM_EINVAL);
		if (err)
			continue;
		assert_string_equal(dns_name_format(&n, text), rows[i].name);
		assert_int_equal(backwards, rows[i].backwards);
	}
	rig_close(&r);
}

static void what_is_answered_can_be_read(void **state UNUSED)
{
	static const struct {
		const char *name;
		uint16_t type;
		const char *text;
	} rows[] = {
		{"n3.mesh", DNS_A, "100.101.0.4"},
		{"n3.mesh", DNS_AAAA, "fd5c:0:0:1::4"},
		{"4.0.101.100.in-addr.arpa", DNS_PTR, "n3.mesh."},
		{"mesh", DNS_NS, "n1.mesh."},
		{"mesh", DNS_SOA, "this.mesh. hostmaster.mesh. 7 10"},
	};
	const struct mesh_node *m;
	char text[DNS_DATA_TEXT];
	struct dns_reply reply;
	struct dns_name n;
	uint16_t type;
	struct rig r;

	rig_open(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(dns_name_parse(rows[i].name, &n), TM_OK);
		dns_zone_ask(&r.zone, &n, rows[i].type, &reply, &m);
		assert_int_equal(reply.n_answer, 1);
		assert_string_equal(dns_record_format(&reply.answer[0], text), rows[i].text);
		assert_true(dns_type_parse(dns_type_name(rows[i].type), &type));
		assert_int_equal(type, rows[i].type);
	}
	assert_true(dns_type_parse("aaaa", &type));
	assert_false(dns_type_parse("AAAAA", &type));
	assert_false(dns_type_parse("", &type));
	assert_string_equal(dns_rcode_name(DNS_NXDOMAIN), "NXDOMAIN");
	assert_string_equal(dns_rcode_name(DNS_BADVERS), "BADVERS");
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_person_types_is_a_name),
		cmocka_unit_test(what_is_answered_can_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
