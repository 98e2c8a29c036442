/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a router does to packets of the mesh, in a table of its own. Which packets come here at all is decided
 * in the data plane; whether they pass the host's own firewall, by that. Control thread.
 */
#include "os/os.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "os/linux/nf.h"

struct os_nat {
	char ifname[IFNAMSIZ];
	struct nf_table *table;
	/* for the build */
	const struct os_nat_net *v;
	size_t n;
};

int os_nat_new(const char *ifname, struct os_nat **ret_nat)
{
	struct os_nat *t = calloc(1, sizeof(*t));
	char name[IFNAMSIZ + 16];

	if (!t)
		return TM_ENOMEM;
	snprintf(t->ifname, sizeof(t->ifname), "%s", ifname);
	snprintf(name, sizeof(name), "tunnelmesh-%s", ifname);
	int err = nf_new(name, &t->table);
	if (err) {
		free(t);
		return err;
	}
	*ret_nat = t;
	return TM_OK;
}

void os_nat_free(struct os_nat *t)
{
	if (!t)
		return;
	nf_free(t->table);
	free(t);
}

/* Both ways: who is far away behind another narrow link says so in either SYN. */
static void clamp(struct nf_batch *b, const struct os_nat *t)
{
	nf_chain(b, "mss", "filter", NF_AT_FORWARD, NF_MANGLES);
	nf_rule(b, "mss");
	nf_iif(b, t->ifname, true);
	nf_tcp_syn(b);
	nf_clamp_mss(b);
	nf_rule_end(b);
	nf_rule(b, "mss");
	nf_oif(b, t->ifname, true);
	nf_tcp_syn(b);
	nf_clamp_mss(b);
	nf_rule_end(b);
}

static void build(struct nf_batch *b, const void *ctx)
{
	const struct os_nat *t = ctx;

	clamp(b, t);
	nf_chain(b, "source", "nat", NF_AT_POSTROUTING, NF_TRANSLATES_SOURCES);
	/* The longest first, as routes go. */
	for (int len = 128; len >= 0; len--)
		for (size_t i = 0; i < t->n; i++) {
			if (t->v[i].prefix.len != len)
				continue;
			nf_rule(b, "source");
			nf_iif(b, t->ifname, true);
			nf_oif(b, t->ifname, false);
			nf_daddr(b, &t->v[i].prefix);
			if (t->v[i].masquerade)
				nf_masquerade(b);
			else
				nf_accept(b);
			nf_rule_end(b);
		}
}

int os_nat_set(struct os_nat *t, const struct os_nat_net *v, size_t n, struct diag *d)
{
	t->v = v;
	t->n = n;
	int err = nf_replace(t->table, n ? build : NULL, t, d);
	t->v = NULL;
	t->n = 0;
	return err;
}

bool os_forward_drops(char *buf, size_t n)
{
	return nf_forward_drops(buf, n);
}
