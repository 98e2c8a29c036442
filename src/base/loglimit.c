/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/loglimit.h"

#include <string.h>

/* FNV-1a. Who makes two peers fall together makes them share what is one's, no more. */
uint64_t log_who(const void *p, size_t n)
{
	const uint8_t *bytes = p;
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * 0x100000001b3;
	return h;
}

uint64_t log_who_ip(const struct ip *ip)
{
	return log_who(ip->bytes, ip->family == IP_V6 ? 8 : 4);
}

static uint32_t *lines_of(struct log_limit *l, uint64_t who)
{
	uint32_t i = 0;

	while (i < l->n_peers && l->peers[i].who != who)
		i++;
	if (i == LOG_LIMIT_PEERS) {
		i--;
	} else if (i == l->n_peers) {
		l->peers[i].who = who;
		l->peers[i].n = 0;
		l->n_peers++;
	}
	return &l->peers[i].n;
}

bool log_allow(struct log_limit *l, uint64_t who, ns_t now, uint64_t *ret_left_out)
{
	if (now >= l->until) {
		l->until = now + l->window;
		l->n = l->n_peers = 0;
	}
	uint32_t *n = lines_of(l, who);
	if (*n >= l->each || l->n >= l->all) {
		l->left_out++;
		return false;
	}
	++*n;
	l->n++;
	if (ret_left_out)
		*ret_left_out = l->left_out;
	l->left_out = 0;
	return true;
}

bool log_is_news(struct log_told *t, const char *reason)
{
	uint64_t h = log_who(reason, strlen(reason));

	for (unsigned i = 0; i < t->n; i++)
		if (t->seen[i] == h)
			return false;
	if (t->n == LOG_TOLD_MAX)
		return false;
	t->seen[t->n++] = h;
	return true;
}
