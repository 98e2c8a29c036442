/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A bitmap with the index of the first word that may have a free bit: at most 1,024 words are scanned. */
#include "control/coord/ipam.h"

#include "base/bytes.h"

struct ipam {
	uint32_t limit, used;
	size_t n_words, first;
	uint64_t taken[]; /* bit n = host number n; 0 and those past the limit are taken for good */
};

static uint32_t room(unsigned host_bits)
{
	return host_bits >= 32 ? UINT32_MAX : (UINT32_C(1) << host_bits) - 1;
}

uint32_t ipam_limit(const struct prefix *net4, const struct prefix *net6)
{
	if (net4->ip.family != IP_V4 || net4->len > 32 || net6->ip.family != IP_V6 || net6->len > 128)
		return 0;

	uint32_t max4 = room(32u - net4->len), max6 = room(128u - net6->len);
	if (max4 < 3 || max6 < 2)
		return 0;

	max4 -= 1; /* the last one is the broadcast address */
	return MIN(MIN(max4, max6), (uint32_t)NETMAP_NODES_MAX);
}

void ipam_addresses(const struct prefix *net4, const struct prefix *net6, uint32_t host, struct ip *ret_ip4,
	struct ip *ret_ip6)
{
	struct prefix base4 = prefix_mask(net4), base6 = prefix_mask(net6);

	put_be32(base4.ip.bytes, get_be32(base4.ip.bytes) + host);
	put_be32(base6.ip.bytes + 12, get_be32(base6.ip.bytes + 12) + host);
	*ret_ip4 = base4.ip;
	*ret_ip6 = base6.ip;
}

int ipam_new(uint32_t limit, struct ipam **ret_ipam)
{
	size_t n_words = limit / 64 + 1;
	struct ipam *a = calloc(1, sizeof(*a) + n_words * sizeof(a->taken[0]));

	if (!a)
		return TM_ENOMEM;

	a->limit = limit;
	a->n_words = n_words;
	a->taken[0] = 1;
	for (uint64_t n = (uint64_t)limit + 1; n < n_words * 64; n++)
		a->taken[n / 64] |= UINT64_C(1) << n % 64;
	*ret_ipam = a;
	return TM_OK;
}

void ipam_free(struct ipam *a)
{
	free(a);
}

int ipam_take_lowest(struct ipam *a, uint32_t *ret_host)
{
	while (a->first < a->n_words && a->taken[a->first] == UINT64_MAX)
		a->first++;
	if (a->first == a->n_words)
		return TM_EFULL;

	unsigned bit = (unsigned)__builtin_ctzll(~a->taken[a->first]);
	a->taken[a->first] |= UINT64_C(1) << bit;
	a->used++;
	*ret_host = (uint32_t)(a->first * 64 + bit);
	return TM_OK;
}

int ipam_take(struct ipam *a, uint32_t host)
{
	if (host == 0 || host > a->limit)
		return TM_ERANGE;

	uint64_t bit = UINT64_C(1) << host % 64;
	if (a->taken[host / 64] & bit)
		return TM_EEXIST;

	a->taken[host / 64] |= bit;
	a->used++;
	return TM_OK;
}

void ipam_release(struct ipam *a, uint32_t host)
{
	if (host == 0 || host > a->limit)
		return;

	uint64_t bit = UINT64_C(1) << host % 64;
	if (!(a->taken[host / 64] & bit))
		return;

	a->taken[host / 64] &= ~bit;
	a->used--;
	a->first = MIN(a->first, (size_t)(host / 64));
}

uint32_t ipam_used(const struct ipam *a)
{
	return a->used;
}
