/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * RFC 5780 discovery against a public STUN server, such as coturn's, by our codec and our conclusions:
 *
 *   natdiscover OWN-ADDRESS SERVER:PORT
 *   mapping endpoint-independent filtering address-dependent port kept
 *
 * Not how a node asks: strangers do not authenticate, and their answers to CHANGE-REQUEST come from the port
 * that is asked afterwards, so the tests have an order and a socket of their own.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "control/path/nat.h"
#include "crypto/init.h"

enum { PATIENCE_MS = 500 };

struct asker {
	int fd;
	struct nat_test tests[NAT_TEST_N];
	size_t n;
	struct stun_msg last; /* answer */
};

static void die(const char *what)
{
	fprintf(stderr, "natdiscover: %s\n", what);
	_exit(2);
}

static socklen_t to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *ret_sa)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_sa;

	*ret_sa = (struct sockaddr_storage){.ss_family = ep->ip.family == IP_V4 ? AF_INET : AF_INET6};
	if (ep->ip.family == IP_V4) {
		v4->sin_port = htons(ep->port);
		memcpy(&v4->sin_addr, ep->ip.bytes, 4);
		return sizeof(*v4);
	}
	v6->sin6_port = htons(ep->port);
	memcpy(&v6->sin6_addr, ep->ip.bytes, 16);
	return sizeof(*v6);
}

static struct endpoint from_sockaddr(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;

	if (sa->ss_family == AF_INET)
		return (struct endpoint){.ip = ip_v4(&v4->sin_addr), .port = ntohs(v4->sin_port)};
	return (struct endpoint){.ip = ip_v6(&v6->sin6_addr), .port = ntohs(v6->sin6_port)};
}

/* Waits for the answer with that transaction id, wherever it comes from. */
static bool answered(struct asker *a, const uint8_t txid[static STUN_TXID], struct endpoint *ret_from)
{
	struct pollfd p = {.fd = a->fd, .events = POLLIN};
	struct sockaddr_storage from;
	uint8_t msg[STUN_MAX];

	while (poll(&p, 1, PATIENCE_MS) > 0) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(a->fd, msg, sizeof(msg), 0, (struct sockaddr *)&from, &len);

		if (n > 0 && stun_decode(msg, (size_t)n, &a->last) == TM_OK &&
			a->last.class == STUN_SUCCESS && memcmp(a->last.txid, txid, STUN_TXID) == 0) {
			*ret_from = from_sockaddr(&from);
			return true;
		}
	}
	return false;
}

static struct nat_test *ask(
	struct asker *a, enum nat_test_kind kind, const struct endpoint *to, const struct stun_msg *like)
{
	struct nat_test *t = &a->tests[a->n++];
	struct stun_msg m = *like;
	struct sockaddr_storage sa;
	socklen_t len = to_sockaddr(to, &sa);
	struct endpoint from;
	uint8_t msg[STUN_MAX];

	*t = (struct nat_test){.kind = kind, .to = *to, .over = true};
	m.method = 1;
	for (; t->tries < 4 && !t->answered; t->tries++) {
		if (getrandom(m.txid, sizeof(m.txid), 0) != sizeof(m.txid))
			die("no random bytes");
		size_t n = stun_encode(&m, NULL, msg, sizeof(msg));
		if (!n || sendto(a->fd, msg, n, 0, (struct sockaddr *)&sa, len) < 0)
			continue;
		t->answered = answered(a, m.txid, &from);
		t->at_first = t->tries == 0;
	}
	if (t->answered) {
		t->mapped = a->last.mapped;
		t->unable =
			kind == NAT_FROM_PORT || kind == NAT_FROM_ADDRESS ? endpoint_eq(&from, to) : false;
		t->answered = !t->unable;
	}
	return t;
}

static const char *word(uint8_t set)
{
	return set == NAT_ON_NOTHING   ? "endpoint-independent"
	       : set == NAT_ON_ADDRESS ? "address-dependent"
	       : set == NAT_ON_PORT    ? "address-and-port-dependent"
				       : "unknown";
}

int main(int argc, char **argv)
{
	static const struct stun_msg plain = {.class = STUN_REQUEST};
	struct endpoint server, other, own = {.port = 0};
	struct asker a = {.fd = -1};
	struct sockaddr_storage sa;
	struct nat_facts f;

	if (argc != 3 || ip_parse(argv[1], &own.ip) != TM_OK || endpoint_parse(argv[2], &server) != TM_OK)
		die("wants OWN-ADDRESS SERVER:PORT");
	if (crypto_init(NULL) != TM_OK)
		die("no libcrypto");
	socklen_t len = to_sockaddr(&own, &sa);
	a.fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (a.fd < 0 || bind(a.fd, (struct sockaddr *)&sa, len) < 0 ||
		getsockname(a.fd, (struct sockaddr *)&sa, &len) < 0)
		die("no socket");

	if (!ask(&a, NAT_ASK, &server, &plain)->answered) {
		puts("no answer");
		return 1;
	}
	other = a.last.other;
	if (!other.port)
		die("the server names no other address");
	/* What is written to is let in: the filter first. */
	ask(&a, NAT_FROM_ADDRESS, &server, &(struct stun_msg){.change_ip = true, .change_port = true});
	ask(&a, NAT_FROM_PORT, &server, &(struct stun_msg){.change_port = true});
	ask(&a, NAT_AGAIN, &server, &plain);
	ask(&a, NAT_ASK_PORT, &(struct endpoint){.ip = server.ip, .port = other.port}, &plain);
	ask(&a, NAT_ASK_ADDRESS, &(struct endpoint){.ip = other.ip, .port = server.port}, &plain);

	const struct nat_self self = {.local = &own.ip, .n_local = 1, .port = from_sockaddr(&sa).port};
	nat_conclude(a.tests, a.n, &self, &f);
	printf("mapping %s filtering %s port %s\n", word(f.mapping), word(f.filtering),
		f.port_kept == NAT_YES ? "kept" : "changed");
	close(a.fd);
	return 0;
}
