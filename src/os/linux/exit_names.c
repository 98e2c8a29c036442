/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Questions for names go to the resolver of the exit, whoever asks them here and by whichever resolver of
 * this machine: what is for port 53 of an address that the exit does not lead to, because it is private or
 * because its interface was named, is sent to an address that the exit answers for. So no program has to be
 * told, no file of this machine is written, and it ends with the table. Servers in the internet that somebody
 * has chosen are asked, through the exit; those of guests, of other tunnels and of the mesh as before.
 */
#include "os/linux/exit_private.h"

#include <netinet/in.h>

#include "os/linux/nf.h"
#include "os/os.h"

enum { PORT = 53, MEMBERS_MAX = 48 };

static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
static const enum ip_family families[] = {IP_V4, IP_V6};

struct ip os_exit_resolver(enum ip_family family)
{
	/* Of what is set aside for protocols (RFC 6890 2.2.2) none that means something; and the same as a
	 * translator would write it (RFC 6052 2.1). */
	static const uint8_t v6[16] = {0, 0x64, 0xff, 0x9b, [12] = 192, 0, 0, 53};

	return family == IP_V4 ? ip_v4(v6 + 12) : ip_v6(v6);
}

static void lead(struct nf_batch *b, uint8_t protocol, enum ip_family family)
{
	const struct ip to = os_exit_resolver(family);

	nf_port(b, protocol, PORT);
	nf_redirect(b, &to);
	nf_rule_end(b);
}

/* What the guard would refuse. */
static void lead_past(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		for (size_t k = 0; k < ARRAY_LEN(protocols); k++) {
			nf_rule(b, chain);
			nf_oif(b, cfg->ifname, false);
			nf_family(b, families[i]);
			lead(b, protocols[k], families[i]);
		}
}

/* What the exit would. */
static void lead_private(struct nf_batch *b, const char *chain)
{
	static const struct prefix ranges[] = {
		{{IP_V4, {10}}, 8},
		{{IP_V4, {172, 16}}, 12},
		{{IP_V4, {192, 168}}, 16},
		{{IP_V4, {100, 64}}, 10},
		{{IP_V4, {169, 254}}, 16},
		{{IP_V6, {0xfc}}, 7},
	};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		for (size_t k = 0; k < ARRAY_LEN(protocols); k++) {
			nf_rule(b, chain);
			nf_daddr(b, &ranges[i]);
			lead(b, protocols[k], (enum ip_family)ranges[i].ip.family);
		}
}

static void leave_alone(struct nf_batch *b, const char *chain, const struct prefix *p)
{
	nf_rule(b, chain);
	nf_daddr(b, p);
	nf_accept(b);
	nf_rule_end(b);
}

/* What else there is of private addresses in the tunnel. Servers are in few of the networks of a mesh that
 * has many: so many are told apart, and the rest has the exit's. */
static void leave_to_members(struct nf_batch *b, const char *chain, const struct exit_guard_config *cfg)
{
	size_t told = 0;

	for (size_t i = 0; i < cfg->around->n_tunnel && told < MEMBERS_MAX; i++) {
		const struct prefix *p = &cfg->around->tunnel[i];

		if (!prefix_is_private(p))
			continue;
		leave_alone(b, chain, p);
		told++;
	}
}

static void of_this_host(struct nf_batch *b, const struct exit_guard_config *cfg)
{
	/* An answer from elsewhere to an address of a link is none to the kernel: refused, the next server is
	 * asked at once. */
	static const struct prefix link_local = {{IP_V6, {0xfe, 0x80}}, 10};

	nf_chain(b, "asks", "nat", NF_AT_OUTPUT, NF_TRANSLATES_TARGETS);
	nf_rule(b, "asks");
	nf_mark_is(b, cfg->mark, cfg->mask);
	nf_accept(b);
	nf_rule_end(b);
	nf_rule(b, "asks");
	nf_oif(b, "lo", true);
	nf_accept(b);
	nf_rule_end(b);
	nf_rule(b, "asks");
	nf_oif_among(b, EXIT_INNER, true);
	nf_accept(b);
	nf_rule_end(b);
	leave_alone(b, "asks", &link_local);
	leave_to_members(b, "asks", cfg);
	lead_past(b, cfg, "asks");
	lead_private(b, "asks");
}

/* Containers are told of the servers that their host has. */
static void of_guests(struct nf_batch *b, const struct exit_guard_config *cfg)
{
	nf_chain(b, "guests", "nat", NF_AT_PREROUTING, NF_TRANSLATES_TARGETS);
	nf_rule(b, "guests");
	nf_iif_among(b, EXIT_INNER, false);
	nf_accept(b);
	nf_rule_end(b);
	nf_rule(b, "guests");
	nf_daddr_leads_to(b, cfg->ifname, false);
	nf_accept(b);
	nf_rule_end(b);
	leave_to_members(b, "guests", cfg);
	lead_private(b, "guests");
}

static void to_resolver(struct nf_batch *b, const char *chain, enum ip_family family)
{
	const struct ip at = os_exit_resolver(family);
	const struct prefix p = prefix_host(&at);

	nf_rule(b, chain);
	nf_daddr(b, &p);
}

void exit_names_let(struct nf_batch *b, const char *chain)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		to_resolver(b, chain, families[i]);
		nf_accept(b);
		nf_rule_end(b);
	}
}

void exit_names_unmark(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain)
{
	for (size_t i = 0; i < cfg->around->n_marks; i++)
		for (size_t k = 0; k < ARRAY_LEN(protocols); k++) {
			const struct exit_mark *m = &cfg->around->marks[i];

			nf_rule(b, chain);
			nf_socket_mark_is(b, m->mark, m->mask);
			nf_port(b, protocols[k], PORT);
			nf_set_mark(b, 0, m->mask);
			nf_rule_end(b);
		}
}

void exit_names_refuse(struct nf_batch *b, const char *chain, const struct exit_mark *m)
{
	for (size_t k = 0; k < ARRAY_LEN(protocols); k++) {
		nf_rule(b, chain);
		nf_socket_mark_is(b, m->mark, m->mask);
		nf_port(b, protocols[k], PORT);
		nf_refuse(b);
		nf_rule_end(b);
	}
}

/* What is bound to its interface is not led anywhere. */
void exit_names_keep(struct nf_batch *b, const struct exit_guard_config *cfg, const char *chain)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		to_resolver(b, chain, families[i]);
		nf_oif(b, cfg->ifname, false);
		nf_drop(b);
		nf_rule_end(b);
	}
}

void exit_names_build(struct nf_batch *b, const struct exit_guard_config *cfg)
{
	of_this_host(b, cfg);
	of_guests(b, cfg);
	/* Its source is the one that fits the interface it was meant for. */
	nf_chain(b, "asked", "nat", NF_AT_POSTROUTING, NF_TRANSLATES_SOURCES);
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		to_resolver(b, "asked", families[i]);
		nf_oif(b, cfg->ifname, true);
		nf_masquerade(b);
		nf_rule_end(b);
	}
}
