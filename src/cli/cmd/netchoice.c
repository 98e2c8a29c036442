/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/cmd/netchoice.h"

#include <string.h>

enum {
	V4_CHOICES = 64, /* /16 in a /10 */
	V6_TRIES = 64,
};

static const struct prefix shared = {{IP_V4, {100, 64}}, 10}, private = {{IP_V4, {10, 128}}, 10};

static struct prefix v4_choice(const struct prefix *of, uint8_t i)
{
	struct prefix p = {.ip = of->ip, .len = 16};

	p.ip.bytes[1] = (uint8_t)(p.ip.bytes[1] + i);
	return p;
}

/* TM_EEXIST: none is free. */
static int v4_of(const struct netchoice *c, const struct prefix *of, struct prefix *ret_net)
{
	uint8_t order[V4_CHOICES], r[V4_CHOICES];
	int err = TM_EEXIST;

	/* Fisher-Yates. The bias of a byte's remainder does not matter: every choice comes up. */
	c->random(c->ctx, r, sizeof(r));
	for (uint8_t i = 0; i < V4_CHOICES; i++) {
		uint8_t j = r[i] % (uint8_t)(i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (size_t i = 0; i < V4_CHOICES && err == TM_EEXIST; i++) {
		struct prefix p = v4_choice(of, order[i]);

		err = c->in_use(c->ctx, &p, NULL);
		if (!err)
			*ret_net = p;
	}
	return err;
}

int netchoice_v4(const struct netchoice *c, struct prefix *ret_net, struct diag *d)
{
	int err = c->in_use(c->ctx, &shared, NULL);

	if (!err)
		return v4_of(c, &shared, ret_net);
	if (err == TM_EEXIST)
		err = v4_of(c, &private, ret_net);
	if (err == TM_EEXIST)
		err = v4_of(c, &shared, ret_net);
	if (err != TM_EEXIST)
		return err;
	diag_hint(d, "give a free range with --net4");
	return diag_what(d, TM_EFULL, "this machine has routes into all of 100.64.0.0/10 and 10.128.0.0/10");
}

int netchoice_v6(const struct netchoice *c, struct prefix *ret_net, struct diag *d)
{
	int err = TM_EEXIST;

	for (size_t i = 0; i < V6_TRIES && err == TM_EEXIST; i++) {
		uint8_t b[16] = {0xfd}; /* RFC 4193 3.1: FC00::/7 with the L bit set */
		struct prefix p;

		c->random(c->ctx, b + 1, 5); /* the Global ID */
		p = (struct prefix){.ip = ip_v6(b), .len = 64};
		err = c->in_use(c->ctx, &p, NULL);
		if (!err)
			*ret_net = p;
	}
	if (err == TM_EEXIST) {
		diag_hint(d, "give a free range with --net6");
		return diag_what(d, TM_EFULL, "this machine has routes into every IPv6 range that was tried");
	}
	return err;
}

int netchoice_fits(const struct prefix *net, const char *what, bool force, struct diag *d)
{
	const bool v4 = net->ip.family == IP_V4;
	uint8_t min = v4 ? 8 : 16, max = v4 ? 29 : 120;
	char text[PREFIX_STR_LEN];

	prefix_format(net, text);
	if (net->len < min || net->len > max)
		return diag_what(d, TM_EINVAL, "%s %s: the prefix length must be from /%u to /%u", what, text,
			min, max);
	if (ip_is_multicast(&net->ip) || ip_is_loopback(&net->ip) || ip_is_unspecified(&net->ip) ||
		ip_is_link_local(&net->ip))
		return diag_what(d, TM_EINVAL, "%s %s is not a range for hosts", what, text);
	if (!force && !prefix_is_private(net)) {
		diag_hint(d, "%s; --force takes this one nevertheless",
			v4 ? "free for private use are 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and "
			     "100.64.0.0/10"
			   : "free for private use is fd00::/8");
		return diag_what(d, TM_EPERM,
			"%s %s is not for private use: those who have its addresses could not be reached any "
			"more",
			what, text);
	}
	return TM_OK;
}

int netchoice_given(const struct netchoice *c, enum ip_family family, const char *text,
	struct prefix *ret_net, struct diag *d)
{
	const char *option = family == IP_V4 ? "--net4" : "--net6";
	const char *example = family == IP_V4 ? "10.77.0.0/16" : "fd12:3456:789a::/64";
	char buf[PREFIX_STR_LEN];
	struct prefix p, net;
	int err;

	if (prefix_parse(text, &p) < 0 || p.ip.family != family) {
		diag_code(d, "usage");
		return diag_what(d, TM_EINVAL, "%s wants an %s range such as %s, not \"%.60s\"", option,
			family == IP_V4 ? "IPv4" : "IPv6", example, text);
	}
	err = netchoice_fits(&p, option, c->force, d);
	if (err) {
		diag_code(d, "usage");
		return err;
	}

	net = prefix_mask(&p);
	if (!ip_eq(&net.ip, &p.ip)) {
		diag_code(d, "usage");
		diag_hint(d, "did you mean %s?", prefix_format(&net, buf));
		return diag_what(d, TM_EINVAL, "%s %s has bits set behind its prefix length", option, text);
	}
	err = c->in_use(c->ctx, &net, d);
	if (err == TM_EEXIST)
		diag_hint(d, "choose another range, or leave %s out to get one that is free", option);
	if (!err)
		*ret_net = net;
	return err;
}
