/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/router.h"

#include <stdio.h>
#include <string.h>

#include "data/plane/networks.h"
#include "node/exits.h"
#include "node/host_settings.h"
#include "node/node_private.h"
#include "node/offers.h"
#include "os/resolv.h"
#include "os/words/words.h"

struct router {
	struct host_settings *settings;
	struct os_nat *nat;
	/* what is in force */
	struct os_nat_net v[PLANE_NETWORKS_MAX];
	size_t n;
	bool exit; /* one of others' is used */
	char trouble[640];
};

static void networks_now(
	const struct node *n, struct os_nat_net ret_v[static PLANE_NETWORKS_MAX], size_t *ret_n)
{
	struct route_settings approved;
	size_t count = 0;

	offers_approved(n, &approved);
	for (size_t i = 0; i < approved.n; i++)
		ret_v[count++] = (struct os_nat_net){approved.nets[i].prefix, approved.nets[i].snat};
	/* The way to the internet, in those families that are told of. */
	if (approved.exit_offer && approved.exit_families & EXIT_IP4)
		ret_v[count++] = (struct os_nat_net){{{IP_V4, {0}}, 0}, true};
	if (approved.exit_offer && approved.exit_families & EXIT_IP6)
		ret_v[count++] = (struct os_nat_net){{{IP_V6, {0}}, 0}, true};
	*ret_n = count;
}

static bool same(const struct router *r, const struct os_nat_net *v, size_t n)
{
	if (r->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!prefix_eq(&r->v[i].prefix, &v[i].prefix) || r->v[i].masquerade != v[i].masquerade)
			return false;
	return true;
}

/* By which interface it is reached, 0 = by none. One of its addresses is mostly our own, which says nothing.
 */
static uint32_t interface_to(const struct node *n, const struct prefix *p)
{
	const struct ip last = prefix_last_host(p);
	struct ip first = p->ip;
	struct os_route route = {.ifindex = 0};

	if (p->len == 0)
		return os_internet(n->routes, (enum ip_family)p->ip.family, &route.ifindex) ? route.ifindex
											    : 0;
	os_route_to(n->routes, &last, NULL, &route);
	if (!route.ifindex && p->len < ip_bits(&p->ip)) {
		first.bytes[ip_len(&first) - 1] |= 1;
		os_route_to(n->routes, &first, NULL, &route);
	}
	return route.ifindex;
}

/* By which interfaces packets of the family come that are to be forwarded: the tunnel, and those by which the
 * networks are reached, where the answers come from. */
static size_t interfaces(const struct node *n, const struct os_nat_net *v, size_t count,
	enum ip_family family, uint32_t out[static PLANE_NETWORKS_MAX + 1])
{
	size_t k = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t index;
		bool there = false;

		if (v[i].prefix.ip.family != family)
			continue;
		if (k == 0)
			out[k++] = os_interface_index(plane_tun_name(n->plane));
		index = interface_to(n, &v[i].prefix);
		for (size_t j = 0; j < k; j++)
			there |= out[j] == index;
		if (!there && index)
			out[k++] = index;
	}
	return k;
}

/* What others may not be forwarded by: "net/ipv4/conf/IF/forwarding", or "all" in place of IF. */
static void note_opened(void *ctx, const char *name, const char *value)
{
	const struct node *n = ctx;
	char family, ifname[16], leaf[32];

	if (!value || sscanf(name, "net/ipv%c/conf/%15[^/]/%31s", &family, ifname, leaf) != 3 ||
		!strstr(leaf, "forwarding") || strcmp(ifname, plane_tun_name(n->plane)) == 0 ||
		!host_settings_ours(n->router->settings, name, value))
		return;
	os_nat_opened(n->router->nat, family == '4' ? IP_V4 : IP_V6, strcmp(ifname, "all") ? ifname : NULL);
}

static const enum ip_family families[] = {IP_V4, IP_V6};

/* Before it is so. */
static void look_at_opened(struct node *n, const struct os_nat_net *v, size_t count)
{
	uint32_t ifs[PLANE_NETWORKS_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		os_forwarding(families[i], ifs, interfaces(n, v, count, families[i], ifs), note_opened, n);
}

static int forward(struct node *n, const struct os_nat_net *v, size_t count, struct diag *d)
{
	struct router *r = n->router;
	uint32_t ifs[PLANE_NETWORKS_MAX + 1];

	host_settings_begin(r->settings);
	/* Answers that come in elsewhere than they would go out are looked at by their marks
	 * (os/linux/exit.c). */
	if (exits_in_force(n)[0])
		host_settings_want(r->settings, "net/ipv4/conf/all/src_valid_mark", "1");
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const size_t k = interfaces(n, v, count, families[i], ifs);

		os_forwarding(families[i], ifs, k, host_settings_want, r->settings);
	}
	return host_settings_end(r->settings, d);
}

static void say(struct router *r, const char *trouble)
{
	if (trouble[0] && strcmp(trouble, r->trouble) != 0)
		log_warn("node: networks behind this machine may be out of reach for others",
			KV("why", trouble));
	snprintf(r->trouble, sizeof(r->trouble), "%s", trouble);
}

static bool is_about(const struct os_nat_net *v, size_t n, enum ip_family family)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].prefix.ip.family == family)
			return true;
	return false;
}

static void look_at_firewall(
	const struct node *n, const struct os_nat_net *v, size_t count, char *buf, size_t len)
{
	const char *tun = plane_tun_name(n->plane);
	char chain[128];

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const char *tool = families[i] == IP_V4 ? OS_FIREWALL_4 : OS_FIREWALL_6;

		if (!is_about(v, count, families[i]) ||
			!os_forward_drops(families[i], tun, chain, sizeof(chain)))
			continue;
		snprintf(buf, len,
			"the firewall's chain %s drops what it has no rule for: let the tunnel "
			"through, " OS_FIREWALL_LET_THROUGH,
			chain, tool, tun, tool, tun);
		return;
	}
}

/* Whoever uses this machine's way to the internet, and may, asks for names where it does itself. */
static void look_at_resolvers(struct node *n, char *buf, size_t len)
{
	const struct prefix mesh[] = {n->mesh.net4, n->mesh.net6};
	struct ip resolvers[2];

	if (!os_resolv_servers(mesh, ARRAY_LEN(mesh), resolvers))
		snprintf(buf, len, "who uses this machine as an exit node finds no names: " OS_NAMES_NOBODY);
	os_nat_resolvers(n->router->nat, &resolvers[0], &resolvers[1]);
}

static bool is_exit(const struct os_nat_net *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].prefix.len == 0)
			return true;
	return false;
}

void router_look(struct node *n)
{
	struct router *r = n->router;
	struct os_nat_net v[PLANE_NETWORKS_MAX];
	struct prefix nets[PLANE_NETWORKS_MAX];
	char trouble[sizeof(r->trouble)] = "", unnamed[160] = "";
	struct diag d = {0};
	size_t count;
	int err = TM_OK;

	networks_now(n, v, &count);
	const bool exit = exits_in_force(n)[0];
	if (!count && !r->n && !exit && !r->exit)
		return;
	r->exit = exit;
	if (is_exit(v, count))
		look_at_resolvers(n, unnamed, sizeof(unnamed));
	look_at_opened(n, v, count);
	err = os_nat_set(r->nat, v, count, &d);
	if (err || !same(r, v, count)) {
		for (size_t i = 0; i < count; i++)
			nets[i] = v[i].prefix;
		/* What the host is not made to route for is not taken in either. */
		int taken = plane_set_networks(n->plane, nets, err ? 0 : count);
		err = err ? err : taken;
		memcpy(r->v, v, sizeof(v));
		r->n = err ? 0 : count;
	}
	if (!err)
		err = forward(n, v, count, &d);
	if (err)
		diag_format(&d, err, trouble, sizeof(trouble));
	else if (count)
		look_at_firewall(n, v, count, trouble, sizeof(trouble));
	say(r, trouble[0] ? trouble : unnamed);
}

const char *router_trouble(const struct node *n)
{
	return n->router ? n->router->trouble : "";
}

int router_open(struct node *n)
{
	struct router *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;
	n->router = r;
	int err = host_settings_new(n->paths.settings, &r->settings);
	return err ? err : os_nat_new(plane_tun_name(n->plane), n->config.fwmark, &r->nat);
}

void router_close(struct node *n)
{
	struct router *r = TAKE(n->router);

	if (!r)
		return;
	os_nat_free(r->nat);
	host_settings_free(r->settings);
	free(r);
}
