/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Hosts as netlink describes them, and which of their addresses others are told. */
#include "host.h"

#include <stdio.h>
#include <string.h>

#include "os/linux/useful.h"

enum { LINKS = 12, ADDRS = 16, UP = IFF_UP };

struct recorded {
	const char *what;
	struct rt_link links[LINKS]; /* index 0 ends them; all run */
	struct {
		int index;
		const char *prefix; /* NULL ends them */
		bool temporary, unusable;
	} addrs[ADDRS];
	int way4, way6; /* interfaces of the default routes */
	const char *source6; /* of packets to the internet */
	const char *wanted; /* with blanks */
};

#define HW(i, n)                                                                                             \
	{                                                                                                    \
		.index = i, .flags = UP, .name = n                                                           \
	}
#define KIND(i, n, k)                                                                                        \
	{                                                                                                    \
		.index = i, .flags = UP, .name = n, .kind = k                                                \
	}
#define PORT(i, n, k, m)                                                                                     \
	{                                                                                                    \
		.index = i, .flags = UP, .name = n, .kind = k, .master = m                                   \
	}

static const struct recorded hosts[] = {
	{"a laptop with docker, libvirt, lxc and podman",
		{HW(2, "wlp3s0"), HW(3, "enp0s31f6"), KIND(4, "docker0", "bridge"),
			PORT(5, "veth1a2b3c", "veth", 4), KIND(6, "br-5f2a", "bridge"),
			KIND(7, "virbr0", "bridge"), PORT(8, "vnet0", "tun", 7), KIND(9, "lxcbr0", "bridge"),
			KIND(10, "podman1", "bridge"), KIND(11, "cni0", "bridge")},
		{{3, "192.168.7.5/24"}, {4, "172.17.0.1/16"}, {6, "172.18.0.1/16"}, {7, "192.168.122.1/24"},
			{9, "10.0.3.1/24"}, {10, "10.88.0.1/16"}, {11, "10.42.0.1/24"},
			{2, "192.168.1.5/24"}},
		2, 0, NULL, "192.168.1.5 192.168.7.5"},
	{"bridges under other names", {HW(2, "eth0"), KIND(3, "lan", "bridge"), PORT(4, "x", "veth", 3)},
		{{3, "10.7.0.1/24"}, {2, "192.0.2.1/24"}}, 2, 0, NULL, "192.0.2.1"},
	{"a host of virtual machines whose own card is a port of the bridge",
		{KIND(3, "br0", "bridge"), PORT(4, "vnet0", "tun", 3), PORT(2, "eno1", "", 3)},
		{{3, "192.0.2.1/24"}}, 3, 0, NULL, "192.0.2.1"},
	{"links of containers without a bridge",
		{HW(2, "eth0"), KIND(3, "cali123", "veth"), KIND(4, "lxc9", "veth"),
			KIND(5, "kube-ipvs0", "dummy")},
		{{3, "10.1.1.1/32"}, {4, "10.1.1.1/32"}, {5, "10.96.0.1/32"}, {2, "192.0.2.1/24"}}, 2, 0,
		NULL, "192.0.2.1"},
	{"the host's end of a container's link lends the host's own address",
		{HW(2, "eth0"), KIND(3, "cali123", "veth")},
		{{3, "192.0.2.1/32"}, {2, "192.0.2.1/24"}, {2, "192.0.2.5/24"}}, 2, 0, NULL,
		"192.0.2.1 192.0.2.5"},
	{"inside a container on two networks", {KIND(2, "eth0", "veth"), KIND(3, "eth1", "veth")},
		{{2, "172.17.0.2/16"}, {3, "172.18.0.2/16"}}, 3, 0, NULL, "172.18.0.2 172.17.0.2"},
	{"nothing but the network of its guests", {KIND(2, "virbr0", "bridge"), PORT(3, "vnet0", "tun", 2)},
		{{2, "192.168.122.1/24"}}, 0, 0, NULL, "192.168.122.1"},
	{"other VPNs: a detour, the last of all",
		{HW(2, "eth0"), KIND(3, "tailscale0", "tun"), KIND(4, "nb", "wireguard"),
			KIND(5, "office", "tun"), KIND(6, "docker0", "bridge")},
		{{3, "100.101.102.103/32"}, {4, "100.90.0.1/16"}, {5, "10.8.0.2/24"}, {6, "172.17.0.1/16"},
			{2, "192.0.2.1/24"}},
		2, 0, NULL, "192.0.2.1 100.101.102.103 100.90.0.1 10.8.0.2"},
	{"everything through a VPN", {HW(2, "eth0"), KIND(3, "wg0", "wireguard"), KIND(4, "tun7", "tun")},
		{{4, "10.8.0.2/24"}, {3, "10.64.0.9/32"}, {2, "192.168.1.5/24"}}, 3, 0, NULL,
		"192.168.1.5 10.64.0.9 10.8.0.2"},
	{"other meshes of ours",
		{HW(2, "eth0"), {.index = 3, .flags = UP, .name = "tm1", .kind = "tun", .tunnelmesh = true}},
		{{3, "100.70.0.5/16"}, {2, "192.0.2.1/24"}}, 2, 0, NULL, "192.0.2.1"},
	{"a VLAN and a bond are hardware",
		{HW(2, "eth0"), KIND(3, "bond0", "bond"),
			{.index = 4, .flags = UP, .name = "eth0.5", .kind = "vlan", .lower = 2}},
		{{4, "10.5.0.1/24"}, {3, "10.6.0.1/24"}, {2, "192.0.2.1/24"}}, 2, 0, NULL,
		"192.0.2.1 10.5.0.1 10.6.0.1"},
	{"two of an IPv6 prefix: the one that packets have, and one that lasts",
		{HW(2, "eth0"), HW(3, "eth1")},
		{{2, "2001:db8:1::a1/64", true}, {2, "2001:db8:1::a2/64", true}, {2, "2001:db8:1::1/64"},
			{2, "2001:db8:1::2/64"}, {2, "2001:db8:2::a1/64", true},
			{2, "2001:db8:2::a2/64", true}, {2, "2001:db8:2::1/64"}, {2, "fe80::1/64"},
			{3, "2001:db8:1::3/64"}, {2, "192.0.2.1/24"}},
		2, 2, "2001:db8:1::a2",
		"192.0.2.1 2001:db8:1::a2 2001:db8:1::1 2001:db8:2::1 2001:db8:2::a1"},
	{"addresses that are not in use, and those of this host alone",
		{HW(2, "eth0"), {.index = 1, .flags = UP | IFF_LOOPBACK, .name = "lo"}},
		{{1, "127.0.0.1/8"}, {1, "192.0.2.99/32"}, {2, "192.0.2.2/24", false, true},
			{2, "169.254.1.1/16"}, {2, "fe80::1/64"}, {2, "192.0.2.1/24"}},
		2, 0, NULL, "192.0.2.1"},
	{"no network at all", {HW(2, "eth0")}, {{0}}, 0, 0, NULL, ""},
};

static void list(const struct recorded *r, char *out, size_t room)
{
	struct useful_in in = {.internet = {{.index = r->way4}, {.index = r->way6}}};
	struct rt_link links_v[LINKS];
	struct rt_addr addrs[ADDRS];
	struct links *links;
	struct ip got[ADDRS];
	char text[IP_STR_LEN];
	size_t n = 0, len = 0;

	for (; n < LINKS && r->links[n].index; n++) {
		links_v[n] = r->links[n];
		links_v[n].alive = true;
	}
	assert_int_equal(links_of(links_v, n, &links), TM_OK);
	for (; in.n < ADDRS && r->addrs[in.n].prefix; in.n++) {
		struct rt_addr *a = &addrs[in.n];

		*a = (struct rt_addr){.index = r->addrs[in.n].index,
			.usable = !r->addrs[in.n].unusable,
			.temporary = r->addrs[in.n].temporary};
		assert_int_equal(prefix_parse(r->addrs[in.n].prefix, &a->prefix), TM_OK);
	}
	if (r->source6)
		assert_int_equal(ip_parse(r->source6, &in.internet[1].source), TM_OK);
	in.links = links;
	in.addrs = addrs;
	n = useful_addresses(&in, got, ARRAY_LEN(got));
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(
			out + len, room - len, "%s%s", i ? " " : "", ip_format(&got[i], text));
	links_free(links);
}

static void of_each_host_those_addresses_are_told_by_which_others_reach_it(void **state)
{
	char got[ADDRS * IP_STR_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		list(&hosts[i], got, sizeof(got));
		if (strcmp(got, hosts[i].wanted) != 0)
			fail_msg("%s: %s", hosts[i].what, got);
	}
}

static void hundreds_of_addresses_are_as_many_as_there_is_room_for(void **state)
{
	const struct rt_link eth0 = {.index = 2, .flags = UP, .alive = true, .name = "eth0"};
	static struct rt_addr addrs[4000];
	struct useful_in in = {
		.addrs = addrs, .n = ARRAY_LEN(addrs), .internet = {{.index = 2}, {.index = 2}}};
	struct links *links;
	struct ip got[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
		const uint8_t ip[16] = {
			0x20, 1, 0xd, 0xb8, [7] = (uint8_t)(i % 8), [14] = (uint8_t)(i >> 8), (uint8_t)i};
		addrs[i] = (struct rt_addr){.index = 2, .usable = true, .prefix = {ip_v6(ip), 64}};
	}
	assert_int_equal(links_of(&eth0, 1, &links), TM_OK);
	in.links = links;
	assert_int_equal(useful_addresses(&in, got, ARRAY_LEN(got)), 16);
	assert_int_equal(useful_addresses(&in, got, 3), 3);
	links_free(links);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_each_host_those_addresses_are_told_by_which_others_reach_it),
		cmocka_unit_test(hundreds_of_addresses_are_as_many_as_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
