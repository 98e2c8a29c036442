/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/linux/nf_private.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "base/bytes.h"

_Static_assert((int)NF_AT_PREROUTING == NF_INET_PRE_ROUTING && (int)NF_AT_INPUT == NF_INET_LOCAL_IN &&
		       (int)NF_AT_FORWARD == NF_INET_FORWARD && (int)NF_AT_OUTPUT == NF_INET_LOCAL_OUT &&
		       (int)NF_AT_POSTROUTING == NF_INET_POST_ROUTING,
	"as the kernel has them");

void nf_chain(
	struct nf_batch *b, const char *name, const char *type, enum nf_hook hook, enum nf_priority priority)
{
	nf_begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nf_put_text(b, NFTA_CHAIN_TABLE, b->table);
	nf_put_text(b, NFTA_CHAIN_NAME, name);
	const size_t at = nf_nest(b, NFTA_CHAIN_HOOK);
	nf_put_u32(b, NFTA_HOOK_HOOKNUM, hook);
	nf_put_u32(b, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	nf_nest_end(b, at);
	nf_put_text(b, NFTA_CHAIN_TYPE, type);
	nf_put_u32(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
	nf_end(b);
}

void nf_rule(struct nf_batch *b, const char *chain)
{
	nf_begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nf_put_text(b, NFTA_RULE_TABLE, b->table);
	nf_put_text(b, NFTA_RULE_CHAIN, chain);
	b->expressions = nf_nest(b, NFTA_RULE_EXPRESSIONS);
}

void nf_rule_end(struct nf_batch *b)
{
	nf_nest_end(b, b->expressions);
	nf_end(b);
}

/* --- expressions --- */

struct expr {
	size_t element, data;
};

static struct expr expr_begin(struct nf_batch *b, const char *name)
{
	struct expr e;

	e.element = nf_nest(b, NFTA_LIST_ELEM);
	nf_put_text(b, NFTA_EXPR_NAME, name);
	e.data = nf_nest(b, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct nf_batch *b, struct expr e)
{
	nf_nest_end(b, e.data);
	nf_nest_end(b, e.element);
}

static void put_value(struct nf_batch *b, unsigned type, const void *p, size_t n)
{
	const size_t at = nf_nest(b, type);

	nf_put(b, NFTA_DATA_VALUE, p, n);
	nf_nest_end(b, at);
}

static void meta_load(struct nf_batch *b, unsigned key)
{
	const struct expr e = expr_begin(b, "meta");

	nf_put_u32(b, NFTA_META_KEY, key);
	nf_put_u32(b, NFTA_META_DREG, NFT_REG_1);
	expr_end(b, e);
}

static void meta_set(struct nf_batch *b, unsigned key)
{
	const struct expr e = expr_begin(b, "meta");

	nf_put_u32(b, NFTA_META_KEY, key);
	nf_put_u32(b, NFTA_META_SREG, NFT_REG_1);
	expr_end(b, e);
}

static void ct_load(struct nf_batch *b, unsigned key)
{
	const struct expr e = expr_begin(b, "ct");

	nf_put_u32(b, NFTA_CT_KEY, key);
	nf_put_u32(b, NFTA_CT_DREG, NFT_REG_1);
	expr_end(b, e);
}

static void ct_set(struct nf_batch *b, unsigned key)
{
	const struct expr e = expr_begin(b, "ct");

	nf_put_u32(b, NFTA_CT_KEY, key);
	nf_put_u32(b, NFTA_CT_SREG, NFT_REG_1);
	expr_end(b, e);
}

static void compare_by(struct nf_batch *b, unsigned op, const void *p, size_t n)
{
	const struct expr e = expr_begin(b, "cmp");

	nf_put_u32(b, NFTA_CMP_SREG, NFT_REG_1);
	nf_put_u32(b, NFTA_CMP_OP, op);
	put_value(b, NFTA_CMP_DATA, p, n);
	expr_end(b, e);
}

static void compare(struct nf_batch *b, const void *p, size_t n, bool equal)
{
	compare_by(b, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, p, n);
}

/* The register becomes register & mask ^ xor, all of n bytes. */
static void bitwise(struct nf_batch *b, const void *mask, const void * xor, size_t n)
{
	const struct expr e = expr_begin(b, "bitwise");

	nf_put_u32(b, NFTA_BITWISE_SREG, NFT_REG_1);
	nf_put_u32(b, NFTA_BITWISE_DREG, NFT_REG_1);
	nf_put_u32(b, NFTA_BITWISE_LEN, (uint32_t)n);
	put_value(b, NFTA_BITWISE_MASK, mask, n);
	put_value(b, NFTA_BITWISE_XOR, xor, n);
	expr_end(b, e);
}

static void payload(struct nf_batch *b, unsigned base, unsigned offset, unsigned n)
{
	const struct expr e = expr_begin(b, "payload");

	nf_put_u32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
	nf_put_u32(b, NFTA_PAYLOAD_BASE, base);
	nf_put_u32(b, NFTA_PAYLOAD_OFFSET, offset);
	nf_put_u32(b, NFTA_PAYLOAD_LEN, n);
	expr_end(b, e);
}

/* The register is one of the set's. */
static void lookup(struct nf_batch *b, const char *set, bool among)
{
	const struct expr e = expr_begin(b, "lookup");

	nf_put_text(b, NFTA_LOOKUP_SET, set);
	nf_put_u32(b, NFTA_LOOKUP_SREG, NFT_REG_1);
	if (!among)
		nf_put_u32(b, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	expr_end(b, e);
}

static void is_name(struct nf_batch *b, const char *ifname, bool equal)
{
	char name[IFNAMSIZ] = {0}; /* compared whole: no name that only begins so */

	memcpy(name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	compare(b, name, sizeof(name), equal);
}

static void interface(struct nf_batch *b, unsigned key, const char *ifname, bool equal)
{
	meta_load(b, key);
	is_name(b, ifname, equal);
}

void nf_iif(struct nf_batch *b, const char *ifname, bool equal)
{
	interface(b, NFT_META_IIFNAME, ifname, equal);
}

void nf_oif(struct nf_batch *b, const char *ifname, bool equal)
{
	interface(b, NFT_META_OIFNAME, ifname, equal);
}

/* The length of an attribute is 16 bits. */
enum { INTERFACES_AT_ONCE = 1000 };

static void put_interfaces(struct nf_batch *b, const char *set, char (*names)[16], size_t n)
{
	nf_begin(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
	nf_put_text(b, NFTA_SET_ELEM_LIST_TABLE, b->table);
	nf_put_text(b, NFTA_SET_ELEM_LIST_SET, set);
	const size_t all = nf_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t i = 0; i < n; i++) {
		const size_t one = nf_nest(b, NFTA_LIST_ELEM);

		put_value(b, NFTA_SET_ELEM_KEY, names[i], sizeof(names[i]));
		nf_nest_end(b, one);
	}
	nf_nest_end(b, all);
	nf_end(b);
}

void nf_interfaces(struct nf_batch *b, const char *set, char (*names)[16], size_t n)
{
	enum {
		TYPE_IFNAME = 41
	}; /* as nft(8) numbers types, which shows them by it; and by this: host order */
	static const uint32_t host_order = 1;
	uint8_t shown[2 + sizeof(host_order)] = {0, sizeof(host_order)};

	nf_begin(b, NFT_MSG_NEWSET, NLM_F_CREATE);
	nf_put_text(b, NFTA_SET_TABLE, b->table);
	nf_put_text(b, NFTA_SET_NAME, set);
	nf_put_u32(b, NFTA_SET_FLAGS, 0);
	nf_put_u32(b, NFTA_SET_KEY_TYPE, TYPE_IFNAME);
	nf_put_u32(b, NFTA_SET_KEY_LEN, sizeof(names[0]));
	nf_put_u32(b, NFTA_SET_ID, 1);
	memcpy(shown + 2, &host_order, sizeof(host_order));
	nf_put(b, NFTA_SET_USERDATA, shown, sizeof(shown));
	nf_end(b);
	while (n) {
		const size_t now = MIN(n, (size_t)INTERFACES_AT_ONCE);

		put_interfaces(b, set, names, now);
		names += now;
		n -= now;
	}
}

void nf_iif_among(struct nf_batch *b, const char *set, bool among)
{
	meta_load(b, NFT_META_IIFNAME);
	lookup(b, set, among);
}

void nf_oif_among(struct nf_batch *b, const char *set, bool among)
{
	meta_load(b, NFT_META_OIFNAME);
	lookup(b, set, among);
}

void nf_family(struct nf_batch *b, enum ip_family family)
{
	const uint8_t proto = family == IP_V4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

	meta_load(b, NFT_META_NFPROTO);
	compare(b, &proto, 1, true);
}

static void address(struct nf_batch *b, const struct prefix *p, unsigned at4, unsigned at6)
{
	static const uint8_t zero[16];
	const size_t n = ip_len(&p->ip);
	uint8_t mask[16] = {0};

	nf_family(b, p->ip.family);
	if (p->len == 0)
		return;
	for (size_t i = 0; i < p->len; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	payload(b, NFT_PAYLOAD_NETWORK_HEADER, p->ip.family == IP_V4 ? at4 : at6, (unsigned)n);
	bitwise(b, mask, zero, n);
	compare(b, prefix_mask(p).ip.bytes, n, true);
}

void nf_daddr(struct nf_batch *b, const struct prefix *p)
{
	address(b, p, 16, 24);
}

void nf_saddr(struct nf_batch *b, const struct prefix *p)
{
	address(b, p, 12, 8);
}

static void fib_load(struct nf_batch *b, unsigned result, unsigned flags)
{
	const struct expr e = expr_begin(b, "fib");

	nf_put_u32(b, NFTA_FIB_DREG, NFT_REG_1);
	nf_put_u32(b, NFTA_FIB_RESULT, result);
	nf_put_u32(b, NFTA_FIB_FLAGS, flags);
	expr_end(b, e);
}

static void daddr_is_local(struct nf_batch *b, unsigned flags, bool local)
{
	const uint32_t type = RTN_LOCAL; /* the host's order */

	fib_load(b, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR | flags);
	compare(b, &type, sizeof(type), local);
}

void nf_saddr_is_local(struct nf_batch *b)
{
	const uint32_t type = RTN_LOCAL; /* the host's order */

	fib_load(b, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_SADDR);
	compare(b, &type, sizeof(type), true);
}

void nf_saddr_is_behind_iif(struct nf_batch *b)
{
	static const uint32_t none;

	fib_load(b, NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF);
	compare(b, &none, sizeof(none), false);
}

void nf_daddr_leads_to(struct nf_batch *b, const char *ifname, bool equal)
{
	fib_load(b, NFT_FIB_RESULT_OIFNAME, NFTA_FIB_F_DADDR);
	is_name(b, ifname, equal);
}

void nf_daddr_is_local(struct nf_batch *b)
{
	daddr_is_local(b, 0, true);
}

void nf_daddr_is_of_iif(struct nf_batch *b, bool of_iif)
{
	daddr_is_local(b, NFTA_FIB_F_IIF, of_iif);
}

void nf_by_ipsec(struct nf_batch *b)
{
	static const uint8_t yes = 1;

	meta_load(b, NFT_META_SECPATH);
	compare(b, &yes, sizeof(yes), true);
}

void nf_protocol(struct nf_batch *b, uint8_t proto)
{
	meta_load(b, NFT_META_L4PROTO);
	compare(b, &proto, 1, true);
}

void nf_port(struct nf_batch *b, uint8_t proto, uint16_t to)
{
	uint8_t port[2];

	put_be16(port, to);
	nf_protocol(b, proto);
	payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(port));
	compare(b, port, sizeof(port), true);
}

void nf_udp(struct nf_batch *b, uint16_t from, uint16_t to)
{
	uint8_t ports[4];

	put_be16(ports, from);
	put_be16(ports + 2, to);
	nf_protocol(b, IPPROTO_UDP);
	payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(ports));
	compare(b, ports, sizeof(ports), true);
}

void nf_icmp6(struct nf_batch *b, uint8_t first, uint8_t last)
{
	nf_protocol(b, 58); /* ICMPv6, which those headers do not name */
	payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
	compare_by(b, NFT_CMP_GTE, &first, 1);
	compare_by(b, NFT_CMP_LTE, &last, 1);
}

void nf_tcp_syn(struct nf_batch *b)
{
	static const uint8_t syn_rst = 0x06, zero = 0, syn = 0x02;

	nf_protocol(b, IPPROTO_TCP);
	payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
	bitwise(b, &syn_rst, &zero, 1);
	compare(b, &syn, 1, true);
}

/* RFC 9293 3.7.1; the kernel only ever makes it smaller. */
void nf_clamp_mss(struct nf_batch *b)
{
	const uint8_t maxseg = 2;
	struct expr e = expr_begin(b, "rt");

	nf_put_u32(b, NFTA_RT_DREG, NFT_REG_1);
	nf_put_u32(b, NFTA_RT_KEY, NFT_RT_TCPMSS);
	expr_end(b, e);
	e = expr_begin(b, "byteorder");
	nf_put_u32(b, NFTA_BYTEORDER_SREG, NFT_REG_1);
	nf_put_u32(b, NFTA_BYTEORDER_DREG, NFT_REG_1);
	nf_put_u32(b, NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	nf_put_u32(b, NFTA_BYTEORDER_LEN, 2);
	nf_put_u32(b, NFTA_BYTEORDER_SIZE, 2);
	expr_end(b, e);
	e = expr_begin(b, "exthdr");
	nf_put_u32(b, NFTA_EXTHDR_SREG, NFT_REG_1);
	nf_put(b, NFTA_EXTHDR_TYPE, &maxseg, 1);
	nf_put_u32(b, NFTA_EXTHDR_OFFSET, 2);
	nf_put_u32(b, NFTA_EXTHDR_LEN, 2);
	nf_put_u32(b, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
	expr_end(b, e);
}

void nf_masquerade(struct nf_batch *b)
{
	expr_end(b, expr_begin(b, "masq"));
}

void nf_redirect(struct nf_batch *b, const struct ip *to)
{
	struct expr e = expr_begin(b, "immediate");

	nf_put_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	put_value(b, NFTA_IMMEDIATE_DATA, to->bytes, ip_len(to));
	expr_end(b, e);
	e = expr_begin(b, "nat");
	nf_put_u32(b, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	nf_put_u32(b, NFTA_NAT_FAMILY, to->family == IP_V4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	nf_put_u32(b, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
	expr_end(b, e);
}

static void end_with(struct nf_batch *b, uint32_t code)
{
	const struct expr e = expr_begin(b, "immediate");

	nf_put_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	const size_t data = nf_nest(b, NFTA_IMMEDIATE_DATA), verdict = nf_nest(b, NFTA_DATA_VERDICT);
	nf_put_u32(b, NFTA_VERDICT_CODE, code);
	nf_nest_end(b, verdict);
	nf_nest_end(b, data);
	expr_end(b, e);
}

void nf_accept(struct nf_batch *b)
{
	end_with(b, NF_ACCEPT);
}

void nf_drop(struct nf_batch *b)
{
	end_with(b, NF_DROP);
}

static void reject(struct nf_batch *b, unsigned type, uint8_t code)
{
	const struct expr e = expr_begin(b, "reject");

	nf_put_u32(b, NFTA_REJECT_TYPE, type);
	nf_put(b, NFTA_REJECT_ICMP_CODE, &code, 1);
	expr_end(b, e);
}

void nf_refuse(struct nf_batch *b)
{
	reject(b, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
}

void nf_reject_all(struct nf_batch *b, const char *chain)
{
	nf_rule(b, chain);
	nf_protocol(b, IPPROTO_TCP);
	reject(b, NFT_REJECT_TCP_RST, 0);
	nf_rule_end(b);
	nf_rule(b, chain);
	nf_refuse(b);
	nf_rule_end(b);
}

void nf_established(struct nf_batch *b)
{
	/* NF_CT_STATE_BIT of IP_CT_ESTABLISHED (0) and IP_CT_RELATED (1),
	 * linux/netfilter/nf_conntrack_common.h */
	static const uint32_t known = 1 << 1 | 1 << 2, zero;

	ct_load(b, NFT_CT_STATE);
	bitwise(b, &known, &zero, sizeof(known));
	compare(b, &zero, sizeof(zero), false);
}

void nf_was_for(struct nf_batch *b, const struct ip *ip)
{
	static const uint8_t original = NF_ORIGINAL;
	const struct expr e = expr_begin(b, "ct");

	nf_put_u32(b, NFTA_CT_KEY, ip->family == IP_V4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6);
	nf_put(b, NFTA_CT_DIRECTION, &original, 1);
	nf_put_u32(b, NFTA_CT_DREG, NFT_REG_1);
	expr_end(b, e);
	compare(b, ip->bytes, ip_len(ip), true);
}

void nf_direction(struct nf_batch *b, enum nf_direction direction)
{
	const uint8_t d = (uint8_t)direction;

	ct_load(b, NFT_CT_DIRECTION);
	compare(b, &d, 1, true);
}

/* Marks are in the host's order. */
static void replace_bits(struct nf_batch *b, uint32_t mark, uint32_t mask)
{
	const uint32_t others = ~mask;

	bitwise(b, &others, &mark, sizeof(mark));
}

void nf_set_mark(struct nf_batch *b, uint32_t mark, uint32_t mask)
{
	meta_load(b, NFT_META_MARK);
	replace_bits(b, mark, mask);
	meta_set(b, NFT_META_MARK);
}

void nf_set_ct_mark(struct nf_batch *b, uint32_t mark, uint32_t mask)
{
	ct_load(b, NFT_CT_MARK);
	replace_bits(b, mark, mask);
	ct_set(b, NFT_CT_MARK);
}

static void has_bits(struct nf_batch *b, uint32_t mark, uint32_t mask)
{
	static const uint32_t zero;

	bitwise(b, &mask, &zero, sizeof(mask));
	compare(b, &mark, sizeof(mark), true);
}

void nf_mark_is(struct nf_batch *b, uint32_t mark, uint32_t mask)
{
	meta_load(b, NFT_META_MARK);
	has_bits(b, mark, mask);
}

void nf_ct_mark_is(struct nf_batch *b, uint32_t mark, uint32_t mask)
{
	ct_load(b, NFT_CT_MARK);
	has_bits(b, mark, mask);
}

void nf_socket_mark_is(struct nf_batch *b, uint32_t mark, uint32_t mask)
{
	const struct expr e = expr_begin(b, "socket");

	nf_put_u32(b, NFTA_SOCKET_KEY, NFT_SOCKET_MARK);
	nf_put_u32(b, NFTA_SOCKET_DREG, NFT_REG_1);
	expr_end(b, e);
	has_bits(b, mark, mask);
}
