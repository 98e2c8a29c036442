/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/lookup.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <string.h>

#include "base/log.h"
#include "os/sockaddr.h"

/*
 * evdns reports a cancelled request through its callback too, in a later turn of the loop. So a look-up
 * outlives lookup_cancel: it frees itself, and its resolver, in a turn of its own after evdns is through with
 * it.
 */
struct lookup {
	struct event_base *base;
	struct evdns_base *dns;
	struct evdns_getaddrinfo_request *request; /* NULL once answered */
	struct event *finish;
	lookup_done_fn *done; /* NULL: nobody is interested any more */
	void *ctx;
	uint16_t port;
	char host[254 + 1];
	int err;
	const char *why;
	struct endpoint found[LOOKUP_MAX];
	size_t n;
};

static void lookup_free(struct lookup *l)
{
	if (l->finish)
		event_free(l->finish);
	if (l->dns)
		evdns_base_free(l->dns, 0);
	free(l);
}

static void on_finish(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct lookup *l = arg;

	if (l->done)
		l->done(l->ctx, l->err, l->found, l->n, l->why);
	lookup_free(l);
}

static const char *reason(int eai)
{
	switch (eai) {
	case EVUTIL_EAI_NONAME:
#ifdef EVUTIL_EAI_NODATA
	case EVUTIL_EAI_NODATA:
#endif
		return "the name is unknown to the system's resolver";
	case EVUTIL_EAI_AGAIN:
	case EVUTIL_EAI_FAIL:
		return "the system's resolver does not answer";
	default:
		return evutil_gai_strerror(eai);
	}
}

/* Takes the addresses of one family out of the list, at most `max`. */
static size_t pick(
	const struct evutil_addrinfo *list, int family, uint16_t port, struct endpoint *out, size_t max)
{
	size_t n = 0;

	for (const struct evutil_addrinfo *ai = list; ai && n < max; ai = ai->ai_next) {
		if (ai->ai_family != family || endpoint_from_sockaddr(ai->ai_addr, &out[n]) != TM_OK)
			continue;
		out[n].port = port;
		n++;
	}
	return n;
}

static void on_answer(int eai, struct evutil_addrinfo *list, void *arg)
{
	struct lookup *l = arg;
	struct endpoint v6[LOOKUP_MAX / 2], v4[LOOKUP_MAX / 2];

	l->request = NULL;
	l->err = eai ? TM_ENOENT : TM_OK;
	l->why = eai ? reason(eai) : "";
	if (!eai) {
		size_t n6 = pick(list, AF_INET6, l->port, v6, ARRAY_LEN(v6));
		size_t n4 = pick(list, AF_INET, l->port, v4, ARRAY_LEN(v4));

		for (size_t i = 0; i < ARRAY_LEN(v6); i++) {
			if (i < n6)
				l->found[l->n++] = v6[i];
			if (i < n4)
				l->found[l->n++] = v4[i];
		}
	}
	if (list)
		evutil_freeaddrinfo(list);
	event_active(l->finish, EV_TIMEOUT, 0);
}

static void on_start(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct lookup *l = arg;
	struct evutil_addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};

	/* From now on the event ends the look-up. */
	event_assign(l->finish, l->base, -1, 0, on_finish, l);

	/* An answer from the hosts file comes before this returns; then NULL is returned, and l is still
	 * there. */
	struct evdns_getaddrinfo_request *r = evdns_getaddrinfo(l->dns, l->host, NULL, &hints, on_answer, l);
	if (r)
		l->request = r;
}

static void on_evdns_log(int is_warning UNUSED, const char *text)
{
	log_debug("link: resolver", KV("says", text));
}

int lookup_new(struct event_base *base, const char *host, uint16_t port, lookup_done_fn *done, void *ctx,
	struct lookup **ret_lookup)
{
	struct lookup *l;

	if (strlen(host) >= sizeof(l->host))
		return TM_EINVAL;

	l = calloc(1, sizeof(*l));
	if (!l)
		return TM_ENOMEM;
	l->base = base;
	l->port = port;
	l->done = done;
	l->ctx = ctx;
	memcpy(l->host, host, strlen(host) + 1);

	evdns_set_log_fn(on_evdns_log);
	l->finish = event_new(base, -1, 0, on_start, l);
	l->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (!l->finish || !l->dns) {
		lookup_free(l);
		return TM_ENOMEM;
	}
	/* Mixed-case queries (0x20) break some home routers, and the Noise handshake authenticates whoever
	 * answers. */
	(void)evdns_base_set_option(l->dns, "randomize-case:", "0");
	/* A missing or odd resolv.conf leaves the hosts file, and a resolver on this host as resolv.conf(5)
	 * says. */
	(void)evdns_base_resolv_conf_parse(l->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
	/* Resolvers that never answer for IPv6 exist: evdns would wait 3 s for them with the IPv4 answer in
	 * hand. */
	(void)evdns_base_set_option(l->dns, "getaddrinfo-allow-skew:", "0.5");
	event_active(l->finish, EV_TIMEOUT, 0);
	*ret_lookup = l;
	return TM_OK;
}

void lookup_cancel(struct lookup *l)
{
	if (!l)
		return;

	l->done = NULL;
	if (l->request)
		evdns_getaddrinfo_cancel(l->request);
	else
		lookup_free(l); /* not begun, or answered: evdns is through with it */
}
