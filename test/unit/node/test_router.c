/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this machine does as a router, from look to look. Rules, settings and plane are stand-ins that
 * remember; what is offered and approved is the test's. */
#include "unit/unit.h"

#include "base/log.h"
#include "fake/quiet.h"
#include "node/exits.h"
#include "node/host_settings.h"
#include "node/node_private.h"
#include "node/offers.h"
#include "node/router.h"

enum { TUN = 7, LAN = 3, WAN = 2 };

static struct {
	struct node n;
	struct route_settings approved;
	bool exit; /* another node's is used */
	const char *firewall; /* a chain that drops; NULL: none */
	enum ip_family firewall_of;
	int nat_err, settings_err, plane_err;
	/* what is in force */
	size_t n_rules, n_taken, n_forwarded[2];
	uint32_t by[2][8]; /* interfaces that forward, IPv4 and IPv6 */
	bool masquerade[8], valid_mark;
	const char *settings[4]; /* that are said to be needed */
	const char *theirs; /* the one of them that somebody else made so */
	char opened[128]; /* what the rules were told, in order */
	unsigned n_nat_calls, n_ends, n_plane_calls;
	const char *conf, *behind_stub; /* resolv.conf, and systemd-resolved's own; NULL: there is none */
	struct ip resolvers[2];
} s;

int __wrap_os_nat_new(const char *ifname, uint32_t mark, struct os_nat **ret_nat);
void __wrap_os_nat_free(struct os_nat *t);
int __wrap_os_nat_set(struct os_nat *t, const struct os_nat_net *v, size_t n, struct diag *d);
void __wrap_os_nat_resolvers(struct os_nat *t, const struct ip *v4, const struct ip *v6);
int __wrap_os_read_file(const char *path, size_t max, char **ret_text, size_t *ret_n, struct diag *d);
void __wrap_os_nat_opened(struct os_nat *t, enum ip_family family, const char *ifname);
void __wrap_os_nat_opened(struct os_nat *t UNUSED, enum ip_family family, const char *ifname)
{
	const size_t n = strlen(s.opened);

	snprintf(s.opened + n, sizeof(s.opened) - n, "%d %s, ", family == IP_V4 ? 4 : 6,
		ifname ? ifname : "all");
}

void __wrap_os_nat_resolvers(struct os_nat *t UNUSED, const struct ip *v4, const struct ip *v6)
{
	s.resolvers[0] = *v4;
	s.resolvers[1] = *v6;
}

int __wrap_os_read_file(
	const char *path, size_t max UNUSED, char **ret_text, size_t *ret_n UNUSED, struct diag *d UNUSED)
{
	const char *text = strcmp(path, "/etc/resolv.conf") == 0 ? s.conf : s.behind_stub;

	if (!text)
		return TM_ENOENT;
	*ret_text = strdup(text);
	return TM_OK;
}

bool __wrap_os_forward_drops(enum ip_family family, const char *ifname, char *buf, size_t n);
void __wrap_os_forwarding(
	enum ip_family family, const uint32_t *ifindexes, size_t n, os_setting_fn *fn, void *ctx);
uint32_t __wrap_os_interface_index(const char *ifname);
bool __wrap_os_internet(struct os_routes *r, enum ip_family family, uint32_t *ret_ifindex);
void __wrap_os_route_to(
	struct os_routes *r, const struct ip *to, const struct ip *from, struct os_route *ret_route);
int __wrap_host_settings_new(const char *path, struct host_settings **ret_s);
void __wrap_host_settings_free(struct host_settings *h);
void __wrap_host_settings_begin(struct host_settings *h);
void __wrap_host_settings_want(void *h, const char *name, const char *value);
bool __wrap_host_settings_ours(const struct host_settings *h, const char *name, const char *value);
int __wrap_host_settings_end(struct host_settings *h, struct diag *d);
const char *__wrap_plane_tun_name(const struct plane *p);
int __wrap_plane_set_networks(struct plane *p, const struct prefix *v, size_t n);
void __wrap_offers_approved(const struct node *n, struct route_settings *ret_s);
const char *__wrap_exits_in_force(const struct node *n);

int __wrap_os_nat_new(const char *ifname, uint32_t mark, struct os_nat **ret_nat)
{
	assert_string_equal(ifname, "tm7");
	assert_int_equal(mark, 0);
	*ret_nat = (struct os_nat *)(void *)&s;
	return TM_OK;
}

void __wrap_os_nat_free(struct os_nat *t UNUSED)
{
	s.n_rules = 0;
}

int __wrap_os_nat_set(struct os_nat *t UNUSED, const struct os_nat_net *v, size_t n, struct diag *d)
{
	s.n_nat_calls++;
	if (s.nat_err)
		return diag_what(d, s.nat_err, "no rules can be made");
	s.n_rules = n;
	for (size_t i = 0; i < n; i++)
		s.masquerade[i] = v[i].masquerade;
	return TM_OK;
}

bool __wrap_os_forward_drops(enum ip_family family, const char *ifname, char *buf, size_t n)
{
	assert_string_equal(ifname, "tm7");
	if (family != s.firewall_of)
		return false;
	if (s.firewall)
		snprintf(buf, n, "%s", s.firewall);
	return s.firewall;
}

void __wrap_os_forwarding(
	enum ip_family family, const uint32_t *ifindexes, size_t n, os_setting_fn *fn, void *ctx)
{
	const size_t f = family == IP_V6;

	for (size_t i = 0; n && i < ARRAY_LEN(s.settings) && s.settings[i]; i++)
		if (strncmp(s.settings[i], f ? "net/ipv6" : "net/ipv4", 8) == 0)
			fn(ctx, s.settings[i], "1");
	if (fn != host_settings_want) /* it only asks what would be */
		return;

	s.n_forwarded[f] = n;
	for (size_t i = 0; i < n; i++)
		s.by[f][i] = ifindexes[i];
}

uint32_t __wrap_os_interface_index(const char *ifname)
{
	assert_string_equal(ifname, "tm7");
	return TUN;
}

bool __wrap_os_internet(struct os_routes *r UNUSED, enum ip_family family, uint32_t *ret_ifindex)
{
	*ret_ifindex = family == IP_V4 ? WAN : 0;
	return family == IP_V4;
}

/* 10.77.0.0/16 and fd77::/16 are at the LAN, the rest is beyond the WAN. */
void __wrap_os_route_to(struct os_routes *r UNUSED, const struct ip *to, const struct ip *from UNUSED,
	struct os_route *ret_route)
{
	const bool lan =
		to->family == IP_V4 ? to->bytes[0] == 10 && to->bytes[1] == 77 : to->bytes[0] == 0xfd;

	*ret_route = (struct os_route){.ifindex = lan ? LAN : WAN};
}

int __wrap_host_settings_new(const char *path UNUSED, struct host_settings **ret_s)
{
	*ret_s = (struct host_settings *)(void *)&s;
	return TM_OK;
}

void __wrap_host_settings_free(struct host_settings *h UNUSED)
{
}

void __wrap_host_settings_begin(struct host_settings *h UNUSED)
{
	s.valid_mark = false;
}

void __wrap_host_settings_want(void *h UNUSED, const char *name, const char *value)
{
	assert_string_equal(value, "1");
	s.valid_mark |= strcmp(name, "net/ipv4/conf/all/src_valid_mark") == 0;
}

bool __wrap_host_settings_ours(const struct host_settings *h UNUSED, const char *name, const char *value)
{
	assert_string_equal(value, "1");
	return !s.theirs || strcmp(s.theirs, name) != 0;
}

int __wrap_host_settings_end(struct host_settings *h UNUSED, struct diag *d)
{
	s.n_ends++;
	return s.settings_err ? diag_what(d, s.settings_err, "forwarding cannot be switched on") : TM_OK;
}

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return "tm7";
}

int __wrap_plane_set_networks(struct plane *p UNUSED, const struct prefix *v UNUSED, size_t n)
{
	s.n_plane_calls++;
	if (s.plane_err)
		return s.plane_err;
	s.n_taken = n;
	return TM_OK;
}

void __wrap_offers_approved(const struct node *n UNUSED, struct route_settings *ret_s)
{
	*ret_s = s.approved;
}

const char *__wrap_exits_in_force(const struct node *n UNUSED)
{
	return s.exit ? "00000000000000bb" : "";
}

static int set_up(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	log_set_sink(quiet_log, NULL);
	return router_open(&s.n);
}

static int tear_down(void **state)
{
	(void)state;
	router_close(&s.n);
	return 0;
}

static void approve(const char *text, bool snat)
{
	struct own_net *net = &s.approved.nets[s.approved.n++];

	assert_int_equal(prefix_parse(text, &net->prefix), TM_OK);
	net->snat = snat;
}

static void who_is_no_router_touches_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		router_look(&s.n);
	assert_int_equal(s.n_nat_calls + s.n_ends, 0);
	assert_string_equal(router_trouble(&s.n), "");
}

static void what_is_approved_is_taken_in_and_forwarded_where_it_leads(void **state)
{
	(void)state;
	approve("10.77.1.0/24", true);
	approve("10.77.2.0/24", false);
	approve("fd77::/64", true);
	for (int i = 0; i < 3; i++)
		router_look(&s.n);
	assert_int_equal(s.n_nat_calls, 3); /* what this host is in may be other networks by now */
	assert_int_equal(s.n_plane_calls, 1);
	assert_int_equal(s.n_ends, 3); /* settings are looked at each time */
	assert_int_equal(s.n_rules, 3);
	assert_int_equal(s.n_taken, 3);
	assert_true(s.masquerade[0] && !s.masquerade[1] && s.masquerade[2]);
	for (size_t f = 0; f < 2; f++) {
		assert_int_equal(s.n_forwarded[f], 2);
		assert_int_equal(s.by[f][0], TUN);
		assert_int_equal(s.by[f][1], LAN);
	}
	/* It is approved no longer. */
	s.approved.n = 0;
	router_look(&s.n);
	assert_int_equal(s.n_rules + s.n_taken + s.n_forwarded[0] + s.n_forwarded[1], 0);
	router_look(&s.n);
	assert_int_equal(s.n_ends, 4); /* and nothing is looked at any more */
}

static void an_exit_forwards_where_the_internet_is(void **state)
{
	(void)state;
	s.approved.exit_offer = true;
	s.approved.exit_families = EXIT_IP4;
	router_look(&s.n);
	assert_int_equal(s.n_taken, 1);
	assert_true(s.masquerade[0]);
	assert_int_equal(s.n_forwarded[0], 2);
	assert_int_equal(s.by[0][1], WAN);
	assert_int_equal(s.n_forwarded[1], 0);
	assert_false(s.valid_mark);
}

static void what_is_forwarded_because_of_us_is_told_to_the_rules(void **state)
{
	(void)state;
	approve("10.77.1.0/24", true);
	approve("fd77::/64", true);
	s.settings[0] = "net/ipv4/conf/tm7/forwarding";
	s.settings[1] = "net/ipv4/conf/lan0.7/forwarding";
	s.settings[2] = "net/ipv6/conf/eth0/accept_ra";
	s.settings[3] = "net/ipv6/conf/all/forwarding";
	router_look(&s.n);
	assert_string_equal(s.opened, "4 lan0.7, 6 all, ");
	s.opened[0] = '\0';
	s.theirs = s.settings[1];
	s.settings[3] = "net/ipv6/conf/eth0/force_forwarding";
	router_look(&s.n);
	assert_string_equal(s.opened, "6 eth0, ");
}

static void an_exit_asks_for_names_where_its_machine_does(void **state)
{
	static const struct {
		const char *conf, *behind_stub, *v4, *v6; /* "" = none */
	} rows[] = {
		{"nameserver 192.0.2.1\nnameserver 2001:db8::53\n", NULL, "192.0.2.1", "2001:db8::53"},
		{"nameserver 100.101.0.2\nnameserver fd5c::2\nnameserver 10.0.0.1\n", NULL, "10.0.0.1", ""},
		{"nameserver 127.0.0.53\n", "nameserver 192.0.2.9\n", "192.0.2.9", ""},
		{"nameserver 127.0.0.1\nnameserver fe80::1\n", NULL, "", ""},
		{NULL, NULL, "", ""},
	};

	(void)state;
	s.approved.exit_offer = true;
	s.approved.exit_families = EXIT_IP4 | EXIT_IP6;
	assert_int_equal(prefix_parse("100.101.0.0/16", &s.n.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &s.n.mesh.net6), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char v4[IP_STR_LEN] = "", v6[IP_STR_LEN] = "";

		s.conf = rows[i].conf;
		s.behind_stub = rows[i].behind_stub;
		router_look(&s.n);
		if (s.resolvers[0].family != IP_NONE)
			ip_format(&s.resolvers[0], v4);
		if (s.resolvers[1].family != IP_NONE)
			ip_format(&s.resolvers[1], v6);
		if (strcmp(v4, rows[i].v4) != 0 || strcmp(v6, rows[i].v6) != 0)
			fail_msg("row %zu: %s %s", i, v4, v6);
		assert_true(!strstr(router_trouble(&s.n), "finds no names") == (v4[0] || v6[0]));
	}
}

static void who_uses_an_exit_is_no_router_and_sets_its_mark(void **state)
{
	(void)state;
	s.exit = true;
	router_look(&s.n);
	assert_true(s.valid_mark);
	assert_int_equal(s.n_rules + s.n_taken + s.n_forwarded[0], 0);
	s.exit = false;
	router_look(&s.n);
	assert_false(s.valid_mark); /* said no more, so it is taken back */
	assert_int_equal(s.n_ends, 2);
}

static void what_the_host_is_not_made_to_route_is_not_taken_in(void **state)
{
	(void)state;
	approve("10.77.1.0/24", true);
	s.nat_err = TM_EPERM;
	router_look(&s.n);
	assert_string_equal(router_trouble(&s.n), "no rules can be made");
	assert_int_equal(s.n_taken + s.n_forwarded[0], 0);
	/* It is tried again at each look, until it can be. */
	router_look(&s.n);
	assert_int_equal(s.n_nat_calls, 2);
	s.nat_err = TM_OK;
	router_look(&s.n);
	assert_string_equal(router_trouble(&s.n), "");
	assert_int_equal(s.n_taken, 1);
}

static void a_setting_that_cannot_be_set_is_said_as_long_as_it_is_so(void **state)
{
	(void)state;
	approve("10.77.1.0/24", true);
	s.settings_err = TM_EPERM;
	for (int i = 0; i < 3; i++) {
		router_look(&s.n);
		assert_string_equal(router_trouble(&s.n), "forwarding cannot be switched on");
	}
	s.settings_err = TM_OK;
	router_look(&s.n);
	assert_string_equal(router_trouble(&s.n), "");
}

static void a_firewall_that_drops_is_said_with_what_to_do(void **state)
{
	(void)state;
	s.firewall = "ip filter FORWARD";
	s.firewall_of = IP_V4;
	router_look(&s.n);
	assert_string_equal(router_trouble(&s.n), ""); /* it is none of our business then */
	approve("10.77.1.0/24", true);
	router_look(&s.n);
	assert_non_null(strstr(router_trouble(&s.n), "ip filter FORWARD"));
	assert_non_null(strstr(router_trouble(&s.n), "`iptables -I DOCKER-USER -i tm7 -j ACCEPT`"));
	/* One of the other family is none of our business, until we are in its way. */
	s.firewall = "ip6 filter FORWARD";
	s.firewall_of = IP_V6;
	router_look(&s.n);
	assert_string_equal(router_trouble(&s.n), "");
	approve("fd77::/64", true);
	router_look(&s.n);
	assert_non_null(strstr(router_trouble(&s.n), "`ip6tables -I DOCKER-USER -o tm7 -j ACCEPT`"));
	s.firewall = NULL;
	router_look(&s.n);
	assert_string_equal(router_trouble(&s.n), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(who_is_no_router_touches_nothing),
		T(what_is_approved_is_taken_in_and_forwarded_where_it_leads),
		T(an_exit_forwards_where_the_internet_is),
		T(what_is_forwarded_because_of_us_is_told_to_the_rules),
		T(an_exit_asks_for_names_where_its_machine_does),
		T(who_uses_an_exit_is_no_router_and_sets_its_mark),
		T(what_the_host_is_not_made_to_route_is_not_taken_in),
		T(a_setting_that_cannot_be_set_is_said_as_long_as_it_is_so),
		T(a_firewall_that_drops_is_said_with_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
