/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is said to whom: every name and type in a table. */
#include "rig.h"

#define SOA "this.mesh. hostmaster.mesh. 7 10"

struct row {
	const char *name;
	uint16_t type;
	unsigned rcode;
	const char *answer; /* NULL: none */
	const char *authority; /* owner of the SOA; NULL: none */
};

static void check(struct rig *r, const struct row *row)
{
	const struct told t = rig_ask_for(r, row->name, row->type);
	const struct told_record *authority = &t.record[t.n_answer];

	if (t.rcode != row->rcode || t.n_answer != (row->answer != NULL) ||
		t.n_authority != (row->authority != NULL) ||
		(row->answer && strcmp(t.record[0].data, row->answer) != 0) ||
		(row->authority && strcmp(authority->owner, row->authority) != 0))
		fail_msg("%s %u: rcode %u, answer \"%s\", authority \"%s\"", row->name, row->type, t.rcode,
			t.n_answer ? t.record[0].data : "", t.n_authority ? authority->owner : "");
}

static void check_all(struct rig *r, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(r, &rows[i]);
}

static void names_lead_to_addresses(void **state UNUSED)
{
	static const struct row rows[] = {
		{"n3.mesh.", DNS_A, DNS_NOERROR, "100.101.0.4", NULL},
		{"n3.mesh.", DNS_AAAA, DNS_NOERROR, "fd5c:0:0:1::4", NULL},
		{"phone.mesh.", DNS_A, DNS_NOERROR, "100.101.1.44", NULL},
		{"this.mesh.", DNS_A, DNS_NOERROR, "100.101.0.1", NULL},
		{"this.mesh.", DNS_AAAA, DNS_NOERROR, "fd5c:0:0:1::1", NULL},
		{"0000000000000004.mesh.", DNS_A, DNS_NOERROR, "100.101.0.4", NULL},
		{"nas.mesh.", DNS_A, DNS_NOERROR, "100.101.0.5", NULL},
		{"NAS.mesh.", DNS_AAAA, DNS_NOERROR, "fd5c:0:0:1::5", NULL},
		/* there, but not of that type: RFC 2308 2.2 */
		{"n3.mesh.", 15, DNS_NOERROR, NULL, "mesh."},
		{"n3.mesh.", 65, DNS_NOERROR, NULL, "mesh."},
		{"n3.mesh.", DNS_PTR, DNS_NOERROR, NULL, "mesh."},
		{"n3.mesh.", DNS_SOA, DNS_NOERROR, NULL, "mesh."},
		{"n3.mesh.", DNS_NS, DNS_NOERROR, NULL, "mesh."},
		{"n3.mesh.", DNS_ANY, DNS_NOERROR, "100.101.0.4", NULL},
		{"files.mesh.", 5, DNS_NOERROR, NULL, "mesh."}, /* an alias is no CNAME */
		/* not there */
		{"files.n4.mesh.", DNS_A, DNS_NXDOMAIN, NULL, "mesh."},
		{"n9.mesh.", DNS_A, DNS_NXDOMAIN, NULL, "mesh."},
		{"n9.mesh.", DNS_ANY, DNS_NXDOMAIN, NULL, "mesh."},
		{"x.n3.mesh.", DNS_A, DNS_NXDOMAIN, NULL, "mesh."},
		{"_http._tcp.n3.mesh.", 33, DNS_NXDOMAIN, NULL, "mesh."},
		{"n_3.mesh.", DNS_A, DNS_NXDOMAIN, NULL, "mesh."},
		{"-.mesh.", DNS_A, DNS_NXDOMAIN, NULL, "mesh."},
		/* the zone itself */
		{"mesh.", DNS_A, DNS_NOERROR, NULL, "mesh."},
		{"mesh.", DNS_SOA, DNS_NOERROR, SOA, NULL},
		{"mesh.", DNS_ANY, DNS_NOERROR, SOA, NULL},
		{"mesh.", DNS_NS, DNS_NOERROR, "n1.mesh.", NULL},
		/* of others */
		{"n3.meshes.", DNS_A, DNS_REFUSED, NULL, NULL},
		{"example.org.", DNS_A, DNS_REFUSED, NULL, NULL},
		{"mesh.example.org.", DNS_A, DNS_REFUSED, NULL, NULL},
		{".", DNS_NS, DNS_REFUSED, NULL, NULL},
		{"xmesh.", DNS_A, DNS_REFUSED, NULL, NULL},
	};
	struct rig r;

	rig_open(&r);
	check_all(&r, rows, ARRAY_LEN(rows));
	rig_close(&r);
}

#define REVERSE6 "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0." /* 15 of the 16 nibbles of the host part */
#define ZONE6 "1.0.0.0.0.0.0.0.0.0.0.0.c.5.d.f.ip6.arpa."

static void addresses_lead_to_names(void **state UNUSED)
{
	static const struct row rows[] = {
		{"4.0.101.100.in-addr.arpa.", DNS_PTR, DNS_NOERROR, "n3.mesh.", NULL},
		{"44.1.101.100.in-addr.arpa.", DNS_PTR, DNS_NOERROR, "phone.mesh.", NULL},
		{"4.0.101.100.IN-ADDR.arpa.", DNS_ANY, DNS_NOERROR, "n3.mesh.", NULL},
		{"4.0.101.100.in-addr.arpa.", DNS_A, DNS_NOERROR, NULL, "101.100.in-addr.arpa."},
		{"9.0.101.100.in-addr.arpa.", DNS_PTR, DNS_NXDOMAIN, NULL, "101.100.in-addr.arpa."},
		{"0.0.101.100.in-addr.arpa.", DNS_PTR, DNS_NXDOMAIN, NULL, "101.100.in-addr.arpa."},
		/* more may come below it: RFC 8020 */
		{"0.101.100.in-addr.arpa.", DNS_PTR, DNS_NOERROR, NULL, "101.100.in-addr.arpa."},
		{"77.101.100.in-addr.arpa.", DNS_PTR, DNS_NOERROR, NULL, "101.100.in-addr.arpa."},
		{"256.101.100.in-addr.arpa.", DNS_PTR, DNS_NXDOMAIN, NULL, "101.100.in-addr.arpa."},
		{"04.0.101.100.in-addr.arpa.", DNS_PTR, DNS_NXDOMAIN, NULL, "101.100.in-addr.arpa."},
		{"x.4.0.101.100.in-addr.arpa.", DNS_PTR, DNS_NXDOMAIN, NULL, "101.100.in-addr.arpa."},
		{"1.4.0.101.100.in-addr.arpa.", DNS_PTR, DNS_NXDOMAIN, NULL, "101.100.in-addr.arpa."},
		{"101.100.in-addr.arpa.", DNS_SOA, DNS_NOERROR, SOA, NULL},
		{"101.100.in-addr.arpa.", DNS_NS, DNS_NOERROR, "n1.mesh.", NULL},
		{"101.100.in-addr.arpa.", DNS_PTR, DNS_NOERROR, NULL, "101.100.in-addr.arpa."},
		{"100.in-addr.arpa.", DNS_SOA, DNS_REFUSED, NULL, NULL},
		{"102.100.in-addr.arpa.", DNS_SOA, DNS_REFUSED, NULL, NULL},
		{"4.0.102.100.in-addr.arpa.", DNS_PTR, DNS_REFUSED, NULL, NULL},
		{"in-addr.arpa.", DNS_SOA, DNS_REFUSED, NULL, NULL},
		{"arpa.", DNS_SOA, DNS_REFUSED, NULL, NULL},
		{"4." REVERSE6 ZONE6, DNS_PTR, DNS_NOERROR, "n3.mesh.", NULL},
		{"9." REVERSE6 ZONE6, DNS_PTR, DNS_NXDOMAIN, NULL, ZONE6},
		{"0.0." ZONE6, DNS_PTR, DNS_NOERROR, NULL, ZONE6},
		{"g.0." ZONE6, DNS_PTR, DNS_NXDOMAIN, NULL, ZONE6},
		{"00.0." ZONE6, DNS_PTR, DNS_NXDOMAIN, NULL, ZONE6},
		{"0." ZONE6, DNS_A, DNS_NOERROR, NULL, ZONE6},
		{ZONE6, DNS_SOA, DNS_NOERROR, SOA, NULL},
		{"2.0.0.0.0.0.0.0.0.0.0.0.c.5.d.f.ip6.arpa.", DNS_SOA, DNS_REFUSED, NULL, NULL},
		{"0.0.0.0.0.0.0.0.0.0.0.c.5.d.f.ip6.arpa.", DNS_SOA, DNS_REFUSED, NULL, NULL},
	};
	struct rig r;

	rig_open(&r);
	check_all(&r, rows, ARRAY_LEN(rows));
	rig_close(&r);
}

static void a_prefix_that_ends_within_an_octet_is_several_zones(void **state UNUSED)
{
	static const struct row rows[] = {
		{"64.100.in-addr.arpa.", DNS_SOA, DNS_NOERROR, SOA, NULL},
		{"127.100.in-addr.arpa.", DNS_SOA, DNS_NOERROR, SOA, NULL},
		{"63.100.in-addr.arpa.", DNS_SOA, DNS_REFUSED, NULL, NULL},
		{"128.100.in-addr.arpa.", DNS_SOA, DNS_REFUSED, NULL, NULL},
		{"2.0.64.100.in-addr.arpa.", DNS_PTR, DNS_NOERROR, "n1.mesh.", NULL},
		{"2.0.65.100.in-addr.arpa.", DNS_PTR, DNS_NXDOMAIN, NULL, "65.100.in-addr.arpa."},
	};
	struct dns_name zones[DNS_REVERSE_MAX];
	char text[DNS_NAME_TEXT];
	struct rig r;

	rig_open_in(&r, "100.64.0.0/10", "fd00:8000::/17", false);
	check_all(&r, rows, ARRAY_LEN(rows));
	assert_int_equal(dns_reverse_zones(&r.zone.net4, zones, DNS_REVERSE_MAX), 64);
	assert_string_equal(dns_name_format(&zones[0], text), "64.100.in-addr.arpa.");
	assert_string_equal(dns_name_format(&zones[63], text), "127.100.in-addr.arpa.");
	assert_int_equal(dns_reverse_zones(&r.zone.net6, zones, DNS_REVERSE_MAX), 8);
	assert_string_equal(dns_name_format(&zones[0], text), "8.0.0.d.f.ip6.arpa.");
	assert_string_equal(dns_name_format(&zones[7], text), "f.0.0.d.f.ip6.arpa.");
	rig_close(&r);
}

static void a_prefix_that_ends_with_an_octet_is_one_zone(void **state UNUSED)
{
	struct dns_name zones[2];
	char text[DNS_NAME_TEXT];
	struct rig r;

	rig_open(&r);
	assert_int_equal(dns_reverse_zones(&r.zone.net4, zones, 2), 1);
	assert_string_equal(dns_name_format(&zones[0], text), "101.100.in-addr.arpa.");
	assert_int_equal(dns_reverse_zones(&r.zone.net6, zones, 2), 1);
	assert_string_equal(dns_name_format(&zones[0], text), ZONE6);
	rig_close(&r);
}

/* Before the coordinator's first word nothing is known not to exist. */
static void an_unknown_mesh_is_a_failure_and_denies_nobody(void **state UNUSED)
{
	static const struct row rows[] = {
		{"n3.mesh.", DNS_A, DNS_SERVFAIL, NULL, NULL},
		{"4.0.101.100.in-addr.arpa.", DNS_PTR, DNS_SERVFAIL, NULL, NULL},
		{"mesh.", DNS_SOA, DNS_SERVFAIL, NULL, NULL},
		{"example.org.", DNS_A, DNS_REFUSED, NULL, NULL},
	};
	struct rig r;

	rig_open_in(&r, "100.101.0.0/16", "fd5c:0:0:1::/64", true);
	check_all(&r, rows, ARRAY_LEN(rows));
	rig_close(&r);
}

static void a_change_of_the_mesh_is_in_the_next_answer(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	assert_int_equal(rig_ask_for(&r, "new.mesh.", DNS_A).rcode, DNS_NXDOMAIN);
	rig_add(&r, "new", 77);
	assert_string_equal(rig_ask_for(&r, "new.mesh.", DNS_A).record[0].data, "100.101.0.77");
	assert_string_equal(
		rig_ask_for(&r, "77.0.101.100.in-addr.arpa.", DNS_PTR).record[0].data, "new.mesh.");
	rig_close(&r);
}

static void members_may_not_hide_each_other_or_the_coordinator(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	rig_add(&r, "this", 90);
	rig_add(&r, "0000000000000004", 91);
	assert_string_equal(rig_ask_for(&r, "this.mesh.", DNS_A).record[0].data, "100.101.0.1");
	assert_string_equal(rig_ask_for(&r, "0000000000000004.mesh.", DNS_A).record[0].data, "100.101.0.4");
	rig_close(&r);
}

static void answers_live_as_long_as_they_should(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	assert_int_equal(rig_ask_for(&r, "n3.mesh.", DNS_A).record[0].ttl, 5);
	assert_int_equal(rig_ask_for(&r, "mesh.", DNS_SOA).record[0].ttl, 5);
	assert_int_equal(rig_ask_for(&r, "n9.mesh.", DNS_A).record[0].ttl, 10);
	assert_int_equal(rig_ask_for(&r, "n3.mesh.", 15).record[0].ttl, 10);
	rig_close(&r);
}

/* RFC draft dnsext-dns0x20: who asks in mixed case compares the answer's letters with its own. */
static void letters_keep_their_case(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	const struct told t = rig_ask_for(&r, "N3.mEsH.", DNS_A);
	assert_string_equal(t.name, "N3.mEsH.");
	assert_string_equal(t.record[0].owner, "N3.mEsH.");
	assert_string_equal(t.record[0].data, "100.101.0.4");
	assert_string_equal(rig_ask_for(&r, "N9.mEsH.", DNS_A).name, "N9.mEsH.");
	rig_close(&r);
}

static void whose_address_is_given_away_is_told(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	rig_ask_for(&r, "n3.mesh.", DNS_AAAA);
	assert_non_null(r.member);
	assert_string_equal(r.member->name, "n3");
	rig_ask_for(&r, "n3.mesh.", 15);
	assert_null(r.member);
	rig_ask_for(&r, "n9.mesh.", DNS_A);
	assert_null(r.member);
	rig_ask_for(&r, "4.0.101.100.in-addr.arpa.", DNS_PTR);
	assert_null(r.member);
	rig_close(&r);
}

static void a_zone_needs_a_name_with_room_before_it(void **state UNUSED)
{
	struct rig r;
	struct dns_zone z;
	char longest[300] = "";

	rig_open(&r);
	struct dns_zone_config cfg = {
		.mesh = r.mesh, .self_id = "", .coordinator_key = r.zone.coordinator_key};
	cfg.name = "corp.example.org";
	assert_int_equal(dns_zone_init(&z, &cfg), TM_OK);
	cfg.name = "";
	assert_int_equal(dns_zone_init(&z, &cfg), TM_EINVAL);
	cfg.name = "a..b";
	assert_int_equal(dns_zone_init(&z, &cfg), TM_EINVAL);
	for (int i = 0; i < 96; i++)
		strcat(longest, "a.");
	cfg.name = longest;
	assert_int_equal(dns_zone_init(&z, &cfg), TM_EINVAL);
	cfg.name = longest + 2;
	assert_int_equal(dns_zone_init(&z, &cfg), TM_OK);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_lead_to_addresses),
		cmocka_unit_test(addresses_lead_to_names),
		cmocka_unit_test(a_prefix_that_ends_within_an_octet_is_several_zones),
		cmocka_unit_test(a_prefix_that_ends_with_an_octet_is_one_zone),
		cmocka_unit_test(an_unknown_mesh_is_a_failure_and_denies_nobody),
		cmocka_unit_test(a_change_of_the_mesh_is_in_the_next_answer),
		cmocka_unit_test(members_may_not_hide_each_other_or_the_coordinator),
		cmocka_unit_test(answers_live_as_long_as_they_should),
		cmocka_unit_test(letters_keep_their_case),
		cmocka_unit_test(whose_address_is_given_away_is_told),
		cmocka_unit_test(a_zone_needs_a_name_with_room_before_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
