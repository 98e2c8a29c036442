/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "dns/reverse.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* How a family's addresses are cut into labels. */
struct cut {
	enum ip_family family;
	uint8_t bits; /* of a part */
	uint8_t parts; /* of an address */
	const char *root;
};

static const struct cut cut4 = {IP_V4, 8, 4, "in-addr.arpa"}, cut6 = {IP_V6, 4, 32, "ip6.arpa"};
enum { ROOT_LABELS = 2 };

static const struct cut *cut_of(const struct ip *ip)
{
	return ip->family == IP_V4 ? &cut4 : &cut6;
}

static void part_set(struct ip *ip, const struct cut *c, size_t i, unsigned value)
{
	if (c->bits == 8)
		ip->bytes[i] = (uint8_t)value;
	else
		ip->bytes[i / 2] |= (uint8_t)(i % 2 ? value : value << 4);
}

static unsigned part_get(const struct ip *ip, const struct cut *c, size_t i)
{
	return c->bits == 8 ? ip->bytes[i] : (unsigned)(ip->bytes[i / 2] >> (i % 2 ? 0 : 4) & 0xf);
}

/* A label as a part: decimal without leading zeros, or one hexadecimal digit. */
static bool part_read(const uint8_t *label, const struct cut *c, unsigned *ret_value)
{
	unsigned value = 0;

	if (c->bits == 4) {
		if (label[0] != 1 || !isxdigit(label[1]))
			return false;
		*ret_value = (unsigned)(isdigit(label[1]) ? label[1] - '0' : tolower(label[1]) - 'a' + 10);
		return true;
	}
	if (label[0] < 1 || label[0] > 3 || (label[0] > 1 && label[1] == '0'))
		return false;
	for (size_t i = 1; i <= label[0]; i++) {
		if (!isdigit(label[i]))
			return false;
		value = value * 10 + (label[i] - '0');
	}
	*ret_value = value;
	return value <= 255;
}

bool dns_reverse_read(const struct dns_name *n, const struct prefix *net, struct dns_reverse *ret_reverse)
{
	const struct cut *c = cut_of(&net->ip);
	struct dns_reverse r = {
		.ip.family = c->family, .zone_parts = (uint8_t)((net->len + c->bits - 1) / c->bits)};
	uint8_t at[DNS_LABELS_MAX];
	struct dns_name root;
	unsigned value;

	r.labels = dns_name_labels(n, at);
	if (r.labels < ROOT_LABELS || dns_name_parse(c->root, &root) != TM_OK)
		return false;
	const struct dns_name tail = dns_name_tail(n, ROOT_LABELS);
	if (!dns_name_eq(&tail, &root))
		return false;

	size_t left = r.labels - ROOT_LABELS;
	for (; left && r.parts < c->parts && part_read(n->bytes + at[left - 1], c, &value); left--)
		part_set(&r.ip, c, r.parts++, value);
	r.strange = left > 0;
	r.whole = r.parts == c->parts;
	*ret_reverse = r;
	return r.parts >= r.zone_parts && prefix_contains(net, &r.ip);
}

size_t dns_reverse_zone_labels(const struct dns_reverse *r)
{
	return r->zone_parts + (size_t)ROOT_LABELS;
}

struct dns_name dns_reverse_write(const struct ip *ip, size_t parts)
{
	const struct cut *c = cut_of(ip);
	struct dns_name n = {.len = 1};
	char label[4];
	int err = dns_name_parse(c->root, &n);

	for (size_t i = 0; i < parts && !err; i++) {
		const struct dns_name of = n;
		const int len =
			snprintf(label, sizeof(label), c->bits == 8 ? "%u" : "%x", part_get(ip, c, i) & 0xff);

		err = dns_name_prepend(label, (size_t)len, &of, &n);
	}
	return n;
}
