/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One table of nftables, made whole and replaced whole, in one transaction of the kernel. It is of the family
 * inet and belongs to our socket (NFT_TABLE_F_OWNER, Linux 5.12): nobody else's `nft flush ruleset` touches
 * it, and it goes with this process, however that ends. Where the kernel does not know that, the table is an
 * ordinary one, which the next run of the same name replaces. Private to os/linux. Control thread.
 *
 * What rules are made of: each rule begins with nf_rule, then come expressions in order, then nf_rule_end.
 * Where an expression does not match, the rule ends. Registers are the first one throughout.
 */
#ifndef TM_OS_LINUX_NF_H
#define TM_OS_LINUX_NF_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"

struct nf_table;
struct nf_batch;

typedef void nf_build_fn(struct nf_batch *b, const void *ctx);

/* Nothing happens yet. The name: up to 31 characters. */
NODISCARD int nf_new(const char *name, struct nf_table **ret_table);
/* A table that belongs to nobody: it outlives us until somebody replaces it with nothing. */
NODISCARD int nf_new_lasting(const char *name, struct nf_table **ret_table);
/* One for ARP, whose hooks are its own, instead of for IP. */
NODISCARD int nf_new_arp(const char *name, struct nf_table **ret_table);
/* With the table, unless it is a lasting one; NULL is fine. */
void nf_free(struct nf_table *t);
bool nf_is_there(struct nf_table *t); /* asks the kernel: others may have taken a lasting one away */
/* build NULL: no table, nor one of that name from before. TM_EUNSUPPORTED: the kernel lacks something that it
 * takes; d says what is the matter.
 */
NODISCARD int nf_replace(struct nf_table *t, nf_build_fn *build, const void *ctx, struct diag *d);

/* As the kernel numbers them (linux/netfilter.h, which does not go with the headers of the C library). */
enum nf_hook {
	NF_AT_PREROUTING = 0,
	NF_AT_INPUT = 1,
	NF_AT_FORWARD = 2,
	NF_AT_OUTPUT = 3,
	NF_AT_POSTROUTING = 4,
	NF_AT_ARP_IN = 0
};
enum nf_priority {
	NF_FIRST = -300, /* before connections are looked up */
	NF_MANGLES = -150,
	NF_TRANSLATES_TARGETS = -100,
	NF_FILTERS = 0,
	NF_TRANSLATES_SOURCES = 100,
	NF_SEES_TRANSLATED = 110
};
enum nf_direction { NF_ORIGINAL = 0, NF_REPLY = 1 };

/* type: "filter", "nat", "route" */
void nf_chain(
	struct nf_batch *b, const char *name, const char *type, enum nf_hook hook, enum nf_priority priority);
void nf_rule(struct nf_batch *b, const char *chain);
void nf_rule_end(struct nf_batch *b);

void nf_iif(struct nf_batch *b, const char *ifname, bool equal); /* equal: it came in there, else elsewhere */
void nf_oif(struct nf_batch *b, const char *ifname, bool equal);
/* Names of interfaces under a name of their own, before the chains that ask for them. */
void nf_interfaces(struct nf_batch *b, const char *set, char (*names)[16], size_t n);
void nf_iif_among(struct nf_batch *b, const char *set, bool among);
void nf_oif_among(struct nf_batch *b, const char *set, bool among);
void nf_family(struct nf_batch *b, enum ip_family family);
/* Packets of that family to (from) that network, which may have no length. */
void nf_daddr(struct nf_batch *b, const struct prefix *p);
void nf_saddr(struct nf_batch *b, const struct prefix *p);
void nf_daddr_is_local(struct nf_batch *b); /* an address of this host */
void nf_saddr_is_local(struct nf_batch *b);
void nf_saddr_is_behind_iif(struct nf_batch *b); /* its answer would leave where it came in */
void nf_daddr_is_of_iif(struct nf_batch *b, bool of_iif); /* of the interface that it came in by */
void nf_daddr_leads_to(struct nf_batch *b, const char *ifname, bool equal); /* by the routes of this host */
void nf_by_ipsec(struct nf_batch *b); /* it was decrypted, by a policy of the kernel's; not at the output */
void nf_established(struct nf_batch *b); /* of a connection that both sides know, or about one */
void nf_protocol(struct nf_batch *b, uint8_t proto); /* IPPROTO_*, behind extension headers too */
void nf_port(struct nf_batch *b, uint8_t proto, uint16_t to); /* TCP or UDP */
void nf_udp(struct nf_batch *b, uint16_t from, uint16_t to); /* of that port to that port */
void nf_icmp6(struct nf_batch *b, uint8_t first, uint8_t last); /* its types from .. to */
void nf_tcp_syn(struct nf_batch *b);
void nf_clamp_mss(struct nf_batch *b); /* to what both directions' routes carry */
void nf_masquerade(struct nf_batch *b);
void nf_redirect(struct nf_batch *b, const struct ip *to); /* a chain of type nat; the port stays */
void nf_was_for(struct nf_batch *b, const struct ip *ip); /* its connection, before any translation */
void nf_accept(struct nf_batch *b);
void nf_drop(struct nf_batch *b);
void nf_refuse(struct nf_batch *b); /* its sender is told by ICMP */
/* Its sender is told: TCP by a reset, else by ICMP (administratively prohibited). Two rules of that chain. */
void nf_reject_all(struct nf_batch *b, const char *chain);
void nf_direction(struct nf_batch *b, enum nf_direction direction); /* of its connection */
/* Bits of the packet's mark, and of its connection's. */
void nf_set_mark(struct nf_batch *b, uint32_t mark, uint32_t mask);
void nf_set_ct_mark(struct nf_batch *b, uint32_t mark, uint32_t mask);
void nf_mark_is(struct nf_batch *b, uint32_t mark, uint32_t mask);
void nf_ct_mark_is(struct nf_batch *b, uint32_t mark, uint32_t mask);
/* At the output: the mark of the socket that sends it, whatever others wrote to the packet. */
void nf_socket_mark_is(struct nf_batch *b, uint32_t mark, uint32_t mask);

/*
 * The first base chain of anybody that drops what it has no rule about, on the way through this host: "ip
 * filter FORWARD". Not if rules of its table let pass whatever comes in, and whatever goes out, by that
 * interface. False: there is none, or it cannot be seen.
 */
bool nf_forward_drops(enum ip_family family, const char *ifname, char *buf, size_t n);

#endif
