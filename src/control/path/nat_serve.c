/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/nat_serve.h"

#include "control/path/nat.h"

static bool is_global(const struct ip *ip)
{
	struct prefix host = prefix_host(ip);

	return ip->family && !ip_is_link_local(ip) && !ip_is_loopback(ip) && !prefix_is_private(&host);
}

/* Another address of ours that the world may see, if the one that was asked is such; IP_NONE: there is none.
 * Behind a translator of our own we do not know under which addresses we are asked. */
static struct ip second_address(const struct nat_doors *d, const struct ip *asked)
{
	for (size_t i = 0; is_global(asked) && i < d->n_local; i++)
		if (d->local[i].family == asked->family && is_global(&d->local[i]) &&
			!ip_eq(&d->local[i], asked))
			return d->local[i];
	return (struct ip){.family = IP_NONE};
}

bool nat_concerns(const struct stun_msg *req, size_t n)
{
	return n >= NAT_SHORT && n <= STUN_MAX && n % 4 == 0 && !req->priority && !req->has_lifetime &&
	       !req->guess.role;
}

size_t nat_serve(const struct nat_doors *d, const struct stun_self *self, const char *to_id,
	const uint8_t key[static STUN_KEY], const struct stun_msg *req, size_t n, const struct way_to *by,
	struct way_to *ret_by, uint8_t *out, size_t out_len)
{
	struct stun_msg m = {.pad_to = (uint16_t)n};
	struct ip other = second_address(d, &by->local);
	struct way_to back = *by;

	if (d->second_port) {
		/* No address but the one asked: an unspecified one. */
		m.other.ip = other.family ? other : (struct ip){.family = by->remote.ip.family};
		m.other.port = d->second_port;
	}
	/* What cannot be done is not: that the answer comes from where it was asked tells so. */
	if (d->silent_port && (req->change_port || (req->change_ip && other.family))) {
		back.socket = d->silent;
		if (req->change_ip && other.family)
			back.local = other;
	}
	m.origin.ip = back.local;
	m.origin.port = back.socket == 0           ? d->port
			: back.socket == d->silent ? d->silent_port
						   : d->second_port;
	*ret_by = back;
	return stun_reply(self, to_id, key, req, n, &by->remote, &m, out, out_len);
}
