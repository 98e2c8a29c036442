/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/names.h"

#include <netdb.h>

#include "os/sockaddr.h"

static int from_gai(int e)
{
	switch (e) {
	case 0:
		return TM_OK;
	case EAI_MEMORY:
		return TM_ENOMEM;
	case EAI_NONAME:
#ifdef EAI_NODATA
	case EAI_NODATA:
#endif
		return TM_ENOENT;
	default:
		return TM_EAGAIN;
	}
}

int os_names_find(const char *host, struct endpoint *found, size_t max, size_t *ret_n)
{
	/* One socket type, or each address comes three times. */
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *all;
	size_t n = 0;
	int err = from_gai(getaddrinfo(host, NULL, &hints, &all));

	if (err)
		return err;

	for (const struct addrinfo *a = all; a && n < max; a = a->ai_next) {
		struct endpoint ep;

		if (endpoint_from_sockaddr(a->ai_addr, &ep) == TM_OK &&
			(ep.scope || ep.ip.family != IP_V6 || !ip_is_link_local(&ep.ip)))
			found[n++] = ep;
	}
	freeaddrinfo(all);
	if (n == 0)
		return TM_ENOENT;
	*ret_n = n;
	return TM_OK;
}
