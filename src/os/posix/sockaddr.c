/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/sockaddr.h"

#include <string.h>

static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *ret_ss)
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
		memcpy(ret_sa->sin6_addr.s6_addr, v4_mapped, sizeof(v4_mapped));
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
		const uint8_t *bytes = in6->sin6_addr.s6_addr;
		bool mapped = memcmp(bytes, v4_mapped, sizeof(v4_mapped)) == 0;

		*ret_ep = (struct endpoint){
			.ip = mapped ? ip_v4(bytes + 12) : ip_v6(bytes),
			.port = ntohs(in6->sin6_port),
			.scope = mapped ? 0 : in6->sin6_scope_id,
		};
		return TM_OK;
	}
	return TM_EINVAL;
}
