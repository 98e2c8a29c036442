/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Networks behind a machine: what of the packets for others goes to its kernel. */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "data/plane/networks.h"
#include "packet/csum.h"

static struct host a, b, c;
static struct host *ab[] = {&a, &b};

static const struct prefix lan = {{IP_V4, {10, 9}}, 16}, lan6 = {{IP_V6, {0xfd, 9}}, 16},
			   internet[] = {{{IP_V4, {0}}, 0}, {{IP_V6, {0}}, 0}};

/* From a, by way of b, to wherever the address is. */
static void send_to(const char *text, uint16_t serial)
{
	uint8_t p[FAKE_BYTES];
	struct ip to;

	assert_int_equal(ip_parse(text, &to), TM_OK);
	const size_t n = packet_make(to.family == IP_V4 ? 4 : 6, 1, 2, serial, 20, p);
	if (to.family == IP_V4) {
		memcpy(p + 16, to.bytes, 4);
		put_be16(p + 10, 0);
		put_be16(p + 10, csum_finish(csum_add(p, 20, 0)));
	} else {
		memcpy(p + 24, to.bytes, 16);
	}
	fake_tun_send("tm1", p, n);
}

/* a sends everything that it knows no other way for to b. */
static int set_up(void **state)
{
	(void)state;
	fake_reset();
	a = b = c = (struct host){0};
	host_start(&a, 1);
	host_start(&b, 2);
	host_start(&c, 3);
	host_peers(&a, (struct peering[]){{.with = &b, .extra = "0.0.0.0/0"}}, 1);
	host_peers(&b, (struct peering[]){{.with = &a}, {.with = &c}}, 2);
	rig_warm(&a, &b);
	return 0;
}

static void to_the_kernel(const char *address, uint16_t serial)
{
	uint8_t got[FAKE_BYTES];

	send_to(address, serial);
	expect_packet(ab, 2, &b, got);
	assert_int_equal(packet_serial(got), serial);
}

static void what_is_for_a_network_behind_it_goes_to_the_kernel_as_long_as_it_is_one(void **state)
{
	(void)state;
	send_to("10.9.0.5", 1);
	expect_drops(ab, 2, &b, DROP_NOT_FOR_US, 1);
	assert_int_equal(plane_set_networks(b.plane, (const struct prefix[]){lan6, lan}, 2), TM_OK);
	to_the_kernel("10.9.0.5", 2);
	send_to("10.8.0.5", 3);
	expect_drops(ab, 2, &b, DROP_NOT_FOR_US, 2);
	assert_int_equal(plane_set_networks(b.plane, NULL, 0), TM_OK);
	send_to("10.9.0.5", 4);
	expect_drops(ab, 2, &b, DROP_NOT_FOR_US, 3);
}

static void the_way_to_the_internet_leads_to_public_addresses_alone(void **state)
{
	static const char *const elsewhere[] = {"10.9.0.5", "192.168.1.1", "172.16.0.1", "100.64.0.1",
		"127.0.0.1", "169.254.169.254", "0.0.0.1", "224.0.0.251", "240.0.0.1", "255.255.255.255"};
	uint64_t drops = 0;

	(void)state;
	assert_int_equal(plane_set_networks(b.plane, internet, 2), TM_OK);
	to_the_kernel("198.51.100.7", 1);
	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
		send_to(elsewhere[i], (uint16_t)(10 + i));
		expect_drops(ab, 2, &b, DROP_NOT_FOR_US, ++drops);
	}
	/* What is offered by name is. */
	assert_int_equal(plane_set_networks(b.plane, (const struct prefix[]){internet[0], lan}, 2), TM_OK);
	to_the_kernel("10.9.0.5", 50);
}

static void and_by_ipv6_neither_to_what_is_wrapped_in_an_address(void **state)
{
	static const char *const elsewhere[] = {"fd77::1", "fe80::1", "ff02::1", "::1", "::", "::1:102:304",
		"64:ff9b::10.1.1.1", "64:ff9b::7f00:1", "64:ff9b:1::8.8.8.8", "2002:c0a8:101::1",
		"2001:0:808:808::1", "fec0::1"};
	static const char *const there[] = {
		"2001:db8::7", "2a00::1", "64:ff9b::198.51.100.7", "2002:c633:6407::1"};
	uint64_t drops = 0;

	(void)state;
	host_peers(&a, (struct peering[]){{.with = &b, .extra = "::/0"}}, 1);
	assert_int_equal(plane_set_networks(b.plane, internet, 2), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(there); i++)
		to_the_kernel(there[i], (uint16_t)(1 + i));
	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
		send_to(elsewhere[i], (uint16_t)(10 + i));
		expect_drops(ab, 2, &b, DROP_NOT_FOR_US, ++drops);
	}
}

static void what_a_peer_owns_is_no_business_of_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(
		plane_set_networks(b.plane, &(const struct prefix){{IP_V4, {10, 77}}, 16}, 1), TM_OK);
	send_to("10.77.0.3", 1);
	expect_drops(ab, 2, &b, DROP_NOT_FOR_US, 1);
	to_the_kernel("10.77.0.99", 2);
}

static void there_is_room_for_all_that_a_node_may_have(void **state)
{
	struct prefix many[PLANE_NETWORKS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct prefix){{IP_V4, {10, (uint8_t)(100 + i)}}, 16};
	assert_int_equal(plane_set_networks(b.plane, many, PLANE_NETWORKS_MAX), TM_OK);
	to_the_kernel("10.117.0.1", 1);
	assert_int_equal(plane_set_networks(b.plane, many, PLANE_NETWORKS_MAX + 1), TM_EFULL);
	to_the_kernel("10.117.0.1", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)
		T(what_is_for_a_network_behind_it_goes_to_the_kernel_as_long_as_it_is_one),
		T(the_way_to_the_internet_leads_to_public_addresses_alone),
		T(and_by_ipv6_neither_to_what_is_wrapped_in_an_address),
		T(what_a_peer_owns_is_no_business_of_the_kernels),
		T(there_is_room_for_all_that_a_node_may_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
