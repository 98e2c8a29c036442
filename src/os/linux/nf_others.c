/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What other programs have in nftables that is in our way, read message by message. */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "os/linux/nf_private.h"

enum { NAME_LEN = 64, CHAINS_MAX = 256, RULES_MAX = 4096 };

/* A base chain. */
struct chain {
	uint8_t family; /* NFPROTO_* */
	bool drops; /* what passes through and no rule is about */
	char table[NAME_LEN], name[NAME_LEN];
};

struct jump {
	char from[NAME_LEN], to[NAME_LEN];
};

/* A rule of that chain lets pass what comes in by the interface; what goes out, of which answers are enough.
 */
struct pass {
	char chain[NAME_LEN];
	bool in, out;
};

struct look {
	int fd;
	enum ip_family family;
	const char *ifname;
	struct chain *v;
	size_t n;
	/* of one table */
	struct jump *jumps;
	size_t n_jumps;
	struct pass *passes;
	size_t n_passes;
};

/* One more at the end of *v, which has n; NULL: there is no room. */
static void *one_more(void *v, size_t n, size_t size, size_t max)
{
	void **at = v;
	void *p = n & (n - 1) ? *at : n < max ? realloc(*at, MAX(2 * n, (size_t)1) * size) : NULL;

	if (!p)
		return NULL;
	*at = p;
	return (uint8_t *)p + n * size;
}

/* --- attributes --- */

static const struct nlattr *next(const struct nlattr *a, size_t *left)
{
	const size_t step = NLA_ALIGN(a->nla_len);

	if (step >= *left)
		return NULL;
	*left -= step;
	return (const void *)((const uint8_t *)a + step);
}

static bool is_whole(const struct nlattr *a, size_t left)
{
	return a && left >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN && a->nla_len <= left;
}

static const struct nlattr *find(const struct nlattr *a, size_t left, unsigned type)
{
	for (; is_whole(a, left); a = next(a, &left))
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
	return NULL;
}

static const struct nlattr *find_in(const struct nlattr *outer, unsigned type)
{
	return outer ? find((const void *)((const uint8_t *)outer + NLA_HDRLEN), outer->nla_len - NLA_HDRLEN,
			       type)
		     : NULL;
}

static const void *value(const struct nlattr *a, size_t at_least)
{
	return a && a->nla_len >= NLA_HDRLEN + at_least ? (const uint8_t *)a + NLA_HDRLEN : NULL;
}

static uint32_t number(const struct nlattr *a, uint32_t otherwise)
{
	const void *p = value(a, 4);

	return p ? get_be32(p) : otherwise;
}

static bool is_text(const struct nlattr *a, const char *text)
{
	const size_t n = strlen(text) + 1;
	const char *p = value(a, n);

	return p && memcmp(p, text, n) == 0;
}

static const struct nlattr *attributes(const struct nlmsghdr *h, size_t *ret_left)
{
	const size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));

	*ret_left = h->nlmsg_len > head ? h->nlmsg_len - head : 0;
	return *ret_left ? (const void *)((const uint8_t *)h + head) : NULL;
}

/* --- dumps --- */

typedef void see_fn(struct look *l, const struct nlmsghdr *h);

/* table NULL: of all. What cannot be read is not seen. */
static void dump(struct look *l, unsigned type, unsigned family, const char *table, see_fn *see)
{
	_Alignas(struct nlmsghdr) uint8_t in[32768];
	struct nf_batch b = {.table = table};
	bool end;
	ssize_t got;

	nf_message(&b, NFNL_SUBSYS_NFTABLES << 8 | type, family, NLM_F_DUMP, 0);
	if (table)
		nf_put_text(&b, NFTA_RULE_TABLE, table);
	nf_end(&b);
	end = b.err || nf_send(l->fd, b.buf, b.n) != 0;
	while (!end && (got = recv(l->fd, in, sizeof(in), 0)) > 0) {
		size_t left = (size_t)got;

		for (const struct nlmsghdr *h = (const void *)in; NLMSG_OK(h, left);
			h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				end = true;
			else
				see(l, h);
		}
	}
	free(b.buf);
}

static void see_chain(struct look *l, const struct nlmsghdr *h)
{
	const struct nfgenmsg *g = NLMSG_DATA(h);
	const uint8_t own = l->family == IP_V4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	size_t left;
	const struct nlattr *all = attributes(h, &left), *hook = find(all, left, NFTA_CHAIN_HOOK);
	const char *table = value(find(all, left, NFTA_CHAIN_TABLE), 2),
		   *name = value(find(all, left, NFTA_CHAIN_NAME), 2);

	if (!hook || !table || !name || (g->nfgen_family != own && g->nfgen_family != NFPROTO_INET))
		return;
	struct chain *c = one_more(&l->v, l->n, sizeof(*c), CHAINS_MAX);
	if (!c)
		return;
	l->n++;
	c->family = g->nfgen_family;
	c->drops = number(find(all, left, NFTA_CHAIN_POLICY), NF_ACCEPT) == NF_DROP &&
		   number(find_in(hook, NFTA_HOOK_HOOKNUM), ~0u) == NF_INET_FORWARD;
	snprintf(c->table, sizeof(c->table), "%s", table);
	snprintf(c->name, sizeof(c->name), "%s", name);
}

/* --- rules that let us through --- */

enum { OF_CONNECTION = 1 << 16 };

/* What a rule asks for and does, as far as it is of interest. */
struct rule {
	uint32_t key; /* NFT_META_*, or OF_CONNECTION, that is looked at now */
	bool in, out; /* it is about our interface */
	bool answers; /* as far as a connection is known */
	bool narrow; /* and about something else */
	bool accepts;
	const char *to; /* it goes on in that chain */
};

static void see_expression(const struct look *l, const struct nlattr *e, struct rule *r)
{
	const struct nlattr *name = find_in(e, NFTA_EXPR_NAME), *data = find_in(e, NFTA_EXPR_DATA);

	if (is_text(name, "meta")) {
		r->key = number(find_in(data, NFTA_META_KEY), ~0u);
	} else if (is_text(name, "ct")) {
		r->key = OF_CONNECTION;
		r->answers = true;
	} else if (is_text(name, "cmp") && r->key != OF_CONNECTION) {
		const bool ours = number(find_in(data, NFTA_CMP_OP), ~0u) == NFT_CMP_EQ &&
				  is_text(find_in(find_in(data, NFTA_CMP_DATA), NFTA_DATA_VALUE), l->ifname);

		r->in |= ours && r->key == NFT_META_IIFNAME;
		r->out |= ours && r->key == NFT_META_OIFNAME;
		r->narrow |= !ours;
	} else if (is_text(name, "payload") || is_text(name, "lookup") ||
		   (is_text(name, "match") && !is_text(find_in(data, NFTA_MATCH_NAME), "comment"))) {
		r->narrow = true; /* "match": of xtables, as it comes by iptables-nft */
	} else if (is_text(name, "immediate")) {
		const struct nlattr *verdict = find_in(find_in(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);

		r->accepts |= number(find_in(verdict, NFTA_VERDICT_CODE), ~0u) == NF_ACCEPT;
		if (find_in(verdict, NFTA_VERDICT_CHAIN))
			r->to = value(find_in(verdict, NFTA_VERDICT_CHAIN), 2);
	}
}

static void see_rule(struct look *l, const struct nlmsghdr *h)
{
	size_t left;
	const struct nlattr *all = attributes(h, &left), *list = find(all, left, NFTA_RULE_EXPRESSIONS);
	const char *chain = value(find(all, left, NFTA_RULE_CHAIN), 2);
	struct rule r = {.key = ~0u};

	if (!list || !chain)
		return;
	left = list->nla_len - NLA_HDRLEN;
	for (const struct nlattr *e = value(list, 0); is_whole(e, left); e = next(e, &left))
		see_expression(l, e, &r);

	struct jump *j = r.to ? one_more(&l->jumps, l->n_jumps, sizeof(*j), RULES_MAX) : NULL;
	if (j) {
		l->n_jumps++;
		snprintf(j->from, sizeof(j->from), "%s", chain);
		snprintf(j->to, sizeof(j->to), "%s", r.to);
	}
	if (!r.accepts || r.narrow || r.in == r.out || (r.in && r.answers))
		return;
	struct pass *p = one_more(&l->passes, l->n_passes, sizeof(*p), RULES_MAX);
	if (!p)
		return;
	l->n_passes++;
	snprintf(p->chain, sizeof(p->chain), "%s", chain);
	p->in = r.in;
	p->out = r.out;
}

/* --- who comes to a rule --- */

/* Chains from which one gets somewhere, that itself among them. Names are the jumps'. */
struct above {
	const char *v[CHAINS_MAX];
	size_t n;
};

static bool is_above(const struct above *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], name) == 0)
			return true;
	return false;
}

static void climb(const struct look *l, const char *from, struct above *a)
{
	*a = (struct above){.v = {from}, .n = 1};
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < l->n_jumps && a->n < CHAINS_MAX; k++)
			if (strcmp(l->jumps[k].to, a->v[i]) == 0 && !is_above(a, l->jumps[k].from))
				a->v[a->n++] = l->jumps[k].from;
}

/*
 * What goes through the chain c comes to the rule. Who jumps by a map is not seen: a chain that nobody else
 * jumps to may be its.
 */
static bool is_on_the_way(const struct look *l, const struct chain *c, const struct pass *p)
{
	struct above a;

	climb(l, p->chain, &a);
	if (is_above(&a, c->name))
		return true;
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].family == c->family && strcmp(l->v[i].table, c->table) == 0 &&
			is_above(&a, l->v[i].name))
			return false;
	return true;
}

static bool lets_through(struct look *l, const struct chain *c)
{
	bool in = false, out = false;

	l->n_jumps = l->n_passes = 0;
	dump(l, NFT_MSG_GETRULE, c->family, c->table, see_rule);
	for (size_t i = 0; i < l->n_passes && !(in && out); i++) {
		const struct pass *p = &l->passes[i];

		if (((p->in && !in) || (p->out && !out)) && is_on_the_way(l, c, p)) {
			in |= p->in;
			out |= p->out;
		}
	}
	return in && out;
}

bool nf_forward_drops(enum ip_family family, const char *ifname, char *buf, size_t n)
{
	struct look l = {.fd = -1, .family = family, .ifname = ifname};
	bool any = false;

	if (nf_socket(&l.fd) != 0)
		return false;
	dump(&l, NFT_MSG_GETCHAIN, AF_UNSPEC, NULL, see_chain);
	for (size_t i = 0; i < l.n && !any; i++) {
		const struct chain *c = &l.v[i];

		any = c->drops && !lets_through(&l, c);
		if (any)
			snprintf(buf, n, "%s %.40s %.40s",
				c->family == NFPROTO_IPV4   ? "ip"
				: c->family == NFPROTO_IPV6 ? "ip6"
							    : "inet",
				c->table, c->name);
	}
	close(l.fd);
	free(l.v);
	free(l.jumps);
	free(l.passes);
	return any;
}
