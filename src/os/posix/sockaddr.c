/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/sockaddr.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

unsigned endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *ret_ss)
{
	memset(ret_ss, 0, sizeof(*ret_ss));
	if (ep->ip.family == IP_V4) {
		struct sockaddr_in *sa = (struct sockaddr_in *)(void *)ret_ss;

		sa->sin_family = AF_INET;
		sa->sin_port = htons(ep->port);
		memcpy(&sa->sin_addr, ep->ip.bytes, 4);
		return sizeof(*sa);
	}
	if (ep->ip.family == IP_V6) {
		endpoint_to_sockaddr6(ep, (struct sockaddr_in6 *)(void *)ret_ss);
		return sizeof(struct sockaddr_in6);
	}
	return 0;
}

void endpoint_to_sockaddr6(const struct endpoint *ep, struct sockaddr_in6 *ret_sa)
{
	*ret_sa = (struct sockaddr_in6){
		.sin6_family = AF_INET6, .sin6_port = htons(ep->port), .sin6_scope_id = ep->scope};
	if (ep->ip.family == IP_V4) {
		memset(ret_sa->sin6_addr.s6_addr + 10, 0xff, 2); /* mapped */
		memcpy(ret_sa->sin6_addr.s6_addr + 12, ep->ip.bytes, 4);
	} else {
		memcpy(ret_sa->sin6_addr.s6_addr, ep->ip.bytes, 16);
	}
}

int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret_ep)
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;

		*ret_ep = (struct endpoint){.ip = ip_v4(&in->sin_addr), .port = ntohs(in->sin_port)};
		return TM_OK;
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
		struct ip ip = ip_unmapped(ip_v6(&in6->sin6_addr));

		*ret_ep = (struct endpoint){
			.ip = ip,
			.port = ntohs(in6->sin6_port),
			.scope = ip.family == IP_V4 ? 0 : in6->sin6_scope_id,
		};
		return TM_OK;
	}
	return TM_EINVAL;
}
