/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Routes lead, and this guards: whatever makes a packet leave by another way than the tunnel, a route that
 * the network around gave out by DHCP (CVE-2024-3661), a socket that names its interface, an interface that
 * has just come, it ends here, where its sender is told. Allowed is what is named, so that what is new is
 * not.
 *
 * And marks, by which the kernel tells whose a packet is: what comes to this host by other interfaces is not
 * the exit's business. Looking where answers would go (rp_filter) the kernel is to look as if it were the
 * daemon's, and what answers who called, from this host or from a guest of it, leaves where it came from.
 */
#include "os/linux/exit_private.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/linux/nf.h"

#define HELD_BEFORE "tunnelmesh-held" /* of versions that had one for all interfaces */

struct exit_guard {
	struct nf_table *table, *held, *arp, *before;
	bool set;
};

int exit_guard_new(const char *ifname, struct exit_guard **ret_guard)
{
	_cleanup_(freep) struct exit_guard *g = calloc(1, sizeof(*g));
	char name[IFNAMSIZ + 16], held[IFNAMSIZ + 16];

	if (!g)
		return TM_ENOMEM;
	snprintf(name, sizeof(name), "tunnelmesh-%s-exit", ifname);
	snprintf(held, sizeof(held), "tunnelmesh-%s-held", ifname);
	int err = nf_new(name, &g->table);
	if (!err)
		err = nf_new_lasting(held, &g->held);
	if (!err)
		err = nf_new_arp(name, &g->arp);
	if (!err)
		err = nf_new_lasting(HELD_BEFORE, &g->before);
	if (err) {
		nf_free(g->table);
		nf_free(g->held);
		nf_free(g->arp);
		return err;
	}
	*ret_guard = TAKE(g);
	return TM_OK;
}

void exit_guard_free(struct exit_guard *g)
{
	if (!g)
		return;
	nf_free(g->table);
	nf_free(g->held);
	nf_free(g->arp);
	nf_free(g->before);
	free(g);
}

/* --- marks --- */

static void from_elsewhere(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain)
{
	nf_rule(b, chain);
	nf_iif(b, cfg->ifname, false);
	nf_iif(b, "lo", false);
}

static void build_marks(struct nf_batch *b, const struct exit_guard_config *cfg)
{
	nf_chain(b, "arrives", "filter", NF_AT_PREROUTING, NF_MANGLES);
	/* Members come by the tunnel. Who else calls its address tries to get in past their keys, or to find
	 * out what goes through it (CVE-2019-14899). */
	for (size_t i = 0; i < cfg->around->n_own; i++) {
		const struct prefix own = prefix_host(&cfg->around->own[i]);

		if (cfg->ipsec) {
			nf_rule(b, "arrives");
			nf_daddr(b, &own);
			nf_by_ipsec(b);
			nf_accept(b);
			nf_rule_end(b);
		}
		from_elsewhere(b, cfg, "arrives");
		nf_iif_among(b, EXIT_INNER, false);
		nf_daddr(b, &own);
		nf_drop(b);
		nf_rule_end(b);
	}
	from_elsewhere(b, cfg, "arrives");
	nf_daddr_is_local(b);
	nf_set_mark(b, cfg->mark, cfg->mask);
	nf_rule_end(b);
	from_elsewhere(b, cfg, "arrives");
	nf_daddr_is_local(b);
	nf_direction(b, NF_ORIGINAL);
	nf_set_ct_mark(b, cfg->mark, cfg->mask);
	nf_rule_end(b);
	from_elsewhere(b, cfg, "arrives");
	nf_direction(b, NF_REPLY);
	nf_ct_mark_is(b, cfg->mark, cfg->mask);
	nf_set_mark(b, cfg->mark, cfg->mask);
	nf_rule_end(b);
	nf_chain(b, "answers", "route", NF_AT_OUTPUT, NF_MANGLES);
	nf_rule(b, "answers");
	nf_direction(b, NF_REPLY);
	nf_ct_mark_is(b, cfg->mark, cfg->mask);
	nf_set_mark(b, cfg->mark, cfg->mask);
	nf_rule_end(b);
	exit_names_unmark(b, cfg, "answers");
}

/* A strict filter (rp_filter) looks at who asks for our hardware's address, too. */
static void build_arp(struct nf_batch *b, const void *ctx)
{
	const struct exit_guard_config *cfg = ctx;

	nf_chain(b, "asks", "filter", NF_AT_ARP_IN, NF_FILTERS);
	nf_rule(b, "asks");
	nf_set_mark(b, cfg->mark, cfg->mask);
	nf_rule_end(b);
}

/* --- the guard --- */

static void accept_oif(struct nf_batch *b, const char *chain, const char *ifname)
{
	nf_rule(b, chain);
	nf_oif(b, ifname, true);
	nf_accept(b);
	nf_rule_end(b);
}

/*
 * With br_netfilter, frames that go from port to port of a bridge come here, too, with the bridge as both
 * interfaces: virtual machines beside this host, in the network around. Behind the forwarding nobody can tell
 * them from what this host sends by the bridge, so they have a mark, of our bits, and not ours: nothing is
 * led anywhere by it.
 */
static uint32_t mark_of_bridged(const struct exit_guard_config *cfg)
{
	const uint32_t lowest = cfg->mask & (~cfg->mask + 1), other = (cfg->mark ^ lowest) & cfg->mask;

	return other ? other : cfg->mask & ~cfg->mark; /* 0 is on everybody's */
}

static void accept_bridged(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain)
{
	for (size_t i = 0; i < cfg->around->n_bridges; i++) {
		nf_rule(b, chain);
		nf_iif(b, cfg->around->bridges[i], true);
		nf_oif(b, cfg->around->bridges[i], true);
		nf_set_mark(b, mark_of_bridged(cfg), cfg->mask);
		nf_accept(b);
		nf_rule_end(b);
	}
}

static void accept_was_bridged(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain)
{
	for (size_t i = 0; i < cfg->around->n_bridges; i++) {
		nf_rule(b, chain);
		nf_oif(b, cfg->around->bridges[i], true);
		nf_mark_is(b, mark_of_bridged(cfg), cfg->mask);
		nf_accept(b);
		nf_rule_end(b);
	}
}

static void accept_own(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain)
{
	nf_rule(b, chain);
	nf_mark_is(b, cfg->mark, cfg->mask);
	nf_accept(b);
	nf_rule_end(b);
	accept_oif(b, chain, cfg->ifname);
	nf_rule(b, chain);
	nf_oif_among(b, EXIT_INNER, true);
	nf_accept(b);
	nf_rule_end(b);
}

/*
 * Other tunnels of this host send their own packets by its other interfaces, past the exit as ours do, where
 * a rule of theirs leads them. What counts is the mark of the socket, which takes a privilege to set: those
 * that rules of a firewall write to packets are on everybody's. Names they ask for by the exit, too.
 */
static void accept_tunnels(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain)
{
	for (size_t i = 0; i < cfg->around->n_marks; i++) {
		const struct exit_mark *m = &cfg->around->marks[i];

		exit_names_refuse(b, chain, m);
		nf_rule(b, chain);
		nf_socket_mark_is(b, m->mark, m->mask);
		nf_set_mark(b, cfg->mark, cfg->mask); /* for what comes behind, where sockets are not known */
		nf_accept(b);
		nf_rule_end(b);
	}
}

/* Without which there is no network: leases, routers, neighbours, groups. None of it is for further away. */
static void accept_link(struct nf_batch *b, const char *chain)
{
	static const uint16_t leases[][2] = {{68, 67}, {546, 547}};
	static const uint8_t icmp6[][2] = {{130, 136}, {143, 143}}; /* RFC 4861 4, RFC 2710 3, RFC 3810 5 */

	for (size_t i = 0; i < ARRAY_LEN(leases); i++) {
		nf_rule(b, chain);
		nf_udp(b, leases[i][0], leases[i][1]);
		nf_accept(b);
		nf_rule_end(b);
	}
	for (size_t i = 0; i < ARRAY_LEN(icmp6); i++) {
		nf_rule(b, chain);
		nf_icmp6(b, icmp6[i][0], icmp6[i][1]);
		nf_accept(b);
		nf_rule_end(b);
	}
	nf_rule(b, chain);
	nf_protocol(b, IPPROTO_IGMP);
	nf_accept(b);
	nf_rule_end(b);
}

static void accept_lans(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain)
{
	/* Not for further away than the link, or its groups. */
	static const struct prefix near[] = {
		{{IP_V4, {169, 254}}, 16},
		{{IP_V4, {224}}, 4},
		{{IP_V4, {255, 255, 255, 255}}, 32},
		{{IP_V6, {0xfe, 0x80}}, 10},
		{{IP_V6, {0xff}}, 8},
	};

	for (size_t i = 0; i < cfg->around->n_lans; i++) {
		nf_rule(b, chain);
		nf_oif(b, cfg->around->lans[i].ifname, true);
		nf_daddr(b, &cfg->around->lans[i].prefix);
		nf_accept(b);
		nf_rule_end(b);
	}
	for (size_t i = 0; i < ARRAY_LEN(near); i++) {
		nf_rule(b, chain);
		nf_daddr(b, &near[i]);
		nf_accept(b);
		nf_rule_end(b);
	}
}

static void build(struct nf_batch *b, const void *ctx)
{
	const struct exit_guard_config *cfg = ctx;

	nf_interfaces(b, EXIT_INNER, cfg->around->inner, cfg->around->n_inner);
	build_marks(b, cfg);
	exit_names_build(b, cfg);

	nf_chain(b, "leaves", "filter", NF_AT_OUTPUT, NF_FILTERS);
	accept_oif(b, "leaves", "lo");
	accept_own(b, cfg, "leaves");
	accept_link(b, "leaves");
	exit_names_let(b, "leaves");
	if (cfg->lan)
		accept_lans(b, cfg, "leaves");
	accept_tunnels(b, cfg, "leaves");
	nf_reject_all(b, "leaves");

	/* What guests send. What comes out of the tunnel for a network behind this host is the mesh's. */
	nf_chain(b, "passes", "filter", NF_AT_FORWARD, NF_FILTERS);
	nf_rule(b, "passes");
	nf_iif(b, cfg->ifname, true);
	nf_accept(b);
	nf_rule_end(b);
	accept_bridged(b, cfg, "passes");
	accept_own(b, cfg, "passes");
	if (cfg->lan)
		accept_lans(b, cfg, "passes");
	nf_reject_all(b, "passes");

	/* At the output a packet is seen with the interface from before somebody's rules marked it, by which
	 * it may leave by another one. Here nobody can be told any more. */
	nf_chain(b, "left", "filter", NF_AT_POSTROUTING, NF_FILTERS);
	accept_was_bridged(b, cfg, "left");
	exit_names_keep(b, cfg, "left");
	accept_own(b, cfg, "left");
	accept_oif(b, "left", "lo");
	nf_rule(b, "left");
	nf_iif(b, cfg->ifname, true);
	nf_accept(b);
	nf_rule_end(b);
	accept_link(b, "left");
	if (cfg->lan)
		accept_lans(b, cfg, "left");
	nf_rule(b, "left");
	nf_drop(b);
	nf_rule_end(b);
}

static int replace(struct nf_table *t, const struct exit_guard_config *cfg, struct diag *d)
{
	struct exit_around bare = *cfg->around;
	struct exit_guard_config now = *cfg;
	int err;

	now.ipsec = true;
	err = nf_replace(t, build, &now, d);
	if (err != TM_EUNSUPPORTED)
		return err;
	now.ipsec = false;
	*d = (struct diag){0};
	err = nf_replace(t, build, &now, d);
	if (err != TM_EUNSUPPORTED || !bare.n_marks)
		return err;
	/* Where sockets cannot be asked for their marks, other tunnels' packets are everybody's. */
	bare.n_marks = 0;
	now.around = &bare;
	*d = (struct diag){0};
	return nf_replace(t, build, &now, d);
}

int exit_guard_set(struct exit_guard *g, const struct exit_guard_config *cfg, bool again, struct diag *d)
{
	int err = TM_OK;

	if (!g->set)
		(void)!nf_replace(g->before, NULL, NULL, NULL);
	/* Where tables have no owners, anybody may have taken it away, as the one that is nobody's. */
	if (!again || !g->set || !nf_is_there(g->table))
		err = replace(g->table, cfg, d);
	if (!err && !g->set) /* without it, strict filters are what they are */
		(void)!nf_replace(g->arp, build_arp, cfg, NULL);
	g->set = !err;
	if (!err && cfg->hold && (!again || !nf_is_there(g->held)))
		err = replace(g->held, cfg, d);
	if (!err && !cfg->hold)
		err = nf_replace(g->held, NULL, NULL, d);
	return err;
}

static bool take_away(struct nf_table *t)
{
	return nf_is_there(t) && nf_replace(t, NULL, NULL, NULL) == TM_OK;
}

/* Asked of the kernel: where tables have no owners (nf.h), a run that was killed leaves all of them. */
bool exit_guard_clear(struct exit_guard *g)
{
	bool any = take_away(g->table);

	any |= take_away(g->arp);
	any |= take_away(g->held);
	any |= take_away(g->before);
	g->set = false;
	return any;
}
