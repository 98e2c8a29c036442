/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* connect is wrapped at link time: the next source address is bound before. */
#include "bench/scale/herd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static uint32_t first_source; /* host order */
static unsigned n_sources, next_source;

int source_set(const char *first, unsigned n)
{
	struct in_addr a;

	if (n && inet_pton(AF_INET, first, &a) != 1)
		return TM_EINVAL;

	first_source = n ? ntohl(a.s_addr) : 0;
	n_sources = n;
	return TM_OK;
}

int __real_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);

int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	if (n_sources && sa->sa_family == AF_INET) {
		struct sockaddr_in from = {.sin_family = AF_INET};
		int one = 1;

		from.sin_addr.s_addr = htonl(first_source + next_source++ % n_sources);
		/* The port is chosen at connect, so that one address can have many links. */
		(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
			return -1;
	}
	return __real_connect(fd, sa, len);
}
