/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The coordinator's end: accepts control links and bounds what strangers can hold. */
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/link/clink_private.h"

enum { BACKLOG = 511, PAUSE_MS = 250 /* out of descriptors: accepting again at once would spin */ };

struct clink_server {
	struct event_base *base;
	const struct identity *identity;
	struct clink_events events;
	struct clink_tuning tuning;
	unsigned max_links;
	struct aead *aead;
	struct evconnlistener *listener;
	struct event *resume;
	uint16_t port;
	/* struct clink.in_server; half-open ones oldest first; ended ones: `closed` is still due */
	struct list half_open, links, ended;
	unsigned n_half_open, n_links;
};

static void link_seat(struct clink *l, enum clink_seat seat)
{
	struct clink_server *s = l->server;

	s->n_half_open -= l->seat == SEAT_HALF_OPEN;
	s->n_links -= l->seat == SEAT_ESTABLISHED;
	list_remove(&l->in_server);
	l->seat = seat;
	switch (seat) {
	case SEAT_HALF_OPEN:
		s->n_half_open++;
		list_push_back(&s->half_open, &l->in_server);
		break;
	case SEAT_ESTABLISHED:
		s->n_links++;
		list_push_back(&s->links, &l->in_server);
		break;
	case SEAT_NONE:
		list_push_back(&s->ended, &l->in_server);
		break;
	}
}

void server_forget(struct clink *l)
{
	link_seat(l, SEAT_NONE);
}

bool server_admit(struct clink *l)
{
	if (l->server->n_links >= l->server->max_links)
		return false;

	link_seat(l, SEAT_ESTABLISHED);
	return true;
}

/* One household or data centre: an IPv4 address or an IPv6 /64. */
static bool same_source(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == IP_V4 ? 4 : 8) == 0;
}

static bool source_full(const struct clink_server *s, const struct ip *from)
{
	unsigned n = 0;

	if (ip_is_loopback(from) && !s->tuning.limit_loopback)
		return false;

	LIST_FOREACH (l, &s->half_open, struct clink, in_server)
		n += same_source(&l->peer.ip, from);
	return n >= s->tuning.half_open_per_source;
}

static void on_accept(struct evconnlistener *lis UNUSED, evutil_socket_t fd, struct sockaddr *sa,
	int sa_len UNUSED, void *arg)
{
	struct clink_server *s = arg;
	struct endpoint from;
	struct clink *l;

	if (endpoint_from_sockaddr(sa, &from) != TM_OK || source_full(s, &from.ip) ||
		clink_new(s->base, WS_SERVER, s->identity, &s->tuning, &s->events, &l) != TM_OK) {
		close(fd);
		return;
	}
	/* An honest handshake takes three round trips: the oldest one that is not through is the least likely
	 * to be honest. */
	if (s->n_half_open >= s->tuning.half_open_max)
		clink_fail(CONTAINER_OF(s->half_open.next, struct clink, in_server), TM_EFULL,
			"too many handshakes at once");

	l->server = s;
	l->aead = s->aead;
	link_seat(l, SEAT_HALF_OPEN);
	endpoint_format(&from, l->address);
	if (clink_attach(l, fd, &from) != TM_OK) {
		clink_free(l);
		return;
	}
	clink_set_state(l, CLINK_UPGRADE, s->tuning.half_open_ms);
}

static void on_accept_error(struct evconnlistener *lis, void *arg)
{
	struct clink_server *s = arg;
	struct timeval tv = {.tv_usec = PAUSE_MS * 1000};

	evconnlistener_disable(lis);
	event_add(s->resume, &tv);
}

static void on_resume(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct clink_server *s = arg;

	evconnlistener_enable(s->listener);
}

static int listen_failed(int e, const struct endpoint *ep, struct diag *d)
{
	char text[ENDPOINT_STR_LEN];

	switch (e) {
	case EADDRINUSE:
		diag_hint(d, "stop the program that uses it (`ss -ltnp` shows which), or choose another port "
			     "with --api-port");
		return diag_what(d, TM_EBUSY, "TCP port %u is already in use", ep->port);
	case EACCES:
		diag_hint(d, "run as root, or choose a port above 1023 with --api-port");
		return diag_what(d, TM_EPERM, "listening on TCP port %u is not permitted", ep->port);
	case EADDRNOTAVAIL:
		return diag_what(d, TM_EINVAL, "cannot listen on %s: this host does not have that address",
			endpoint_format(ep, text));
	default:
		return diag_what(d, tm_err_from_errno(e), "cannot listen on TCP %s: %s",
			endpoint_format(ep, text), strerror(e));
	}
}

/* A listening socket, or a negative errno. */
static int listen_on(const struct endpoint *ep)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(ep, &ss);
	int one = 1, zero = 0;
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -errno;

	/* Lets a restarted coordinator have its port back while old connections are in TIME_WAIT; two
	 * listeners still exclude each other. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ep->ip.family == IP_V6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&ss, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;

	int e = errno;
	close(fd);
	return -e;
}

static int server_listen(struct clink_server *s, const struct endpoint *wanted, struct diag *d)
{
	struct endpoint ep = *wanted;
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	int fd = listen_on(&ep);

	/* IPv6 is switched off on this host. */
	if (fd < 0 && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && ep.ip.family == IP_V6 &&
		ip_is_unspecified(&ep.ip)) {
		ep.ip = ip_v4_host(0);
		fd = listen_on(&ep);
	}
	if (fd < 0)
		return listen_failed(-fd, &ep, d);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
		endpoint_from_sockaddr((struct sockaddr *)&ss, &ep) == TM_OK)
		s->port = ep.port;
	s->listener = evconnlistener_new(
		s->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!s->listener) {
		close(fd);
		return diag_what(d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));
	}
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	return TM_OK;
}

int clink_server_new_tuned(struct event_base *base, const struct clink_server_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink_server **ret_server,
	struct diag *d)
{
	struct clink_server *s = calloc(1, sizeof(*s));

	if (!s)
		return diag_what(d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));
	s->base = base;
	s->identity = cfg->identity;
	s->events = *ev;
	s->tuning = *t;
	s->max_links = cfg->max_links;
	list_init(&s->half_open);
	list_init(&s->links);
	list_init(&s->ended);

	int err = aead_new_with(AEAD_LIBCRYPTO, &s->aead);
	if (err) {
		clink_server_free(s);
		return diag_what(d, err, "%s", tm_strerror(err));
	}
	s->resume = event_new(base, -1, EV_TIMEOUT, on_resume, s);
	err = s->resume ? server_listen(s, &cfg->listen, d)
			: diag_what(d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));
	if (err) {
		clink_server_free(s);
		return err;
	}
	*ret_server = s;
	return TM_OK;
}

int clink_server_new(struct event_base *base, const struct clink_server_config *cfg,
	const struct clink_events *ev, struct clink_server **ret_server, struct diag *d)
{
	return clink_server_new_tuned(base, cfg, ev, &clink_tuning_default, ret_server, d);
}

uint16_t clink_server_port(const struct clink_server *s)
{
	return s->port;
}

/* A link whose callback runs right now outlives the server: it must not remember it. */
static void links_free(struct list *links)
{
	LIST_FOREACH_SAFE (l, links, struct clink, in_server) {
		list_remove(&l->in_server);
		l->server = NULL;
		clink_free(l);
	}
}

void clink_server_free(struct clink_server *s)
{
	if (!s)
		return;

	if (s->listener)
		evconnlistener_free(s->listener);
	if (s->resume)
		event_free(s->resume);
	links_free(&s->half_open);
	links_free(&s->links);
	links_free(&s->ended);
	aead_free(s->aead);
	free(s);
}
