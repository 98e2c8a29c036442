/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/lookup.h"

#include <event2/event.h>
#include <string.h>

#include "base/time.h"
#include "crypto/init.h"
#include "loop/timer.h"
#include "os/datagram.h"
#include "os/os.h"
#include "os/tcp.h"
#include "wire/dns.h"

enum {
	FILE_MAX = 1 << 20,
	ANSWER_MAX = 1500,
	/* Resolvers that never answer for IPv6 exist: not waited for with the IPv4 answer in hand. */
	SKEW_MS = 500,
};

enum family { V6, V4, FAMILIES };

/* One question, for one name and one family. */
struct question {
	uint8_t query[DNS_QUERY_MAX];
	size_t len;
	bool answered;
	struct dns_answer answer;
};

struct server {
	struct lookup *lookup;
	int fd; /* -1 before it is asked */
	struct event *readable;
};

struct lookup {
	struct event_base *base;
	struct resolv resolv;
	uint32_t mark;
	char host[RESOLV_NAME_MAX + 1];
	uint16_t port;
	lookup_done_fn *done;
	void *ctx;
	struct loop_timer *timer; /* the next step is due */
	struct ip known[LOOKUP_MAX]; /* from the hosts file */
	size_t n_known;
	size_t n_names; /* asked for so far */
	unsigned tries; /* for the present name */
	bool heard; /* some server has answered something */
	struct question questions[FAMILIES];
	struct server servers[RESOLV_SERVERS_MAX];
};

static void server_close(struct server *s)
{
	if (s->readable)
		event_free(s->readable);
	if (s->fd >= 0)
		tcp_close(s->fd);
	s->readable = NULL;
	s->fd = -1;
}

void lookup_cancel(struct lookup *l)
{
	if (!l)
		return;

	for (size_t i = 0; i < ARRAY_LEN(l->servers); i++)
		server_close(&l->servers[i]);
	loop_timer_free(l->timer);
	free(l);
}

/* --- the end --- */

/* The next address of a family, wherever it comes from; false: no more. */
static bool take(const struct lookup *l, enum family family, size_t *at, struct ip *ret_ip)
{
	unsigned wanted = family == V6 ? IP_V6 : IP_V4;
	const struct dns_answer *a = &l->questions[family].answer;

	if (l->n_known == 0) {
		if (*at >= a->n)
			return false;
		*ret_ip = a->addresses[(*at)++];
		return true;
	}
	while (*at < l->n_known)
		if (l->known[(*at)++].family == wanted) {
			*ret_ip = l->known[*at - 1];
			return true;
		}
	return false;
}

/* Tells the owner and is gone. */
static void finish(struct lookup *l, const char *why)
{
	struct endpoint found[LOOKUP_MAX];
	size_t n = 0, at[FAMILIES] = {0};
	bool more = true;

	while (more) {
		more = false;
		for (enum family f = V6; f < FAMILIES && n < LOOKUP_MAX; f++) {
			found[n] = (struct endpoint){.port = l->port};
			if (take(l, f, &at[f], &found[n].ip)) {
				n++;
				more = true;
			}
		}
	}
	lookup_done_fn *done = l->done;
	void *ctx = l->ctx;

	lookup_cancel(l);
	done(ctx, n ? TM_OK : TM_ENOENT, found, n, n ? "" : why);
}

/* --- asking --- */

static void step(struct lookup *l);

static bool any_found(const struct lookup *l)
{
	return l->questions[V6].answer.n || l->questions[V4].answer.n;
}

static bool all_answered(const struct lookup *l)
{
	return l->questions[V6].answered && l->questions[V4].answered;
}

/* A server said something about a question; whether it helps decides how to go on. */
static void answer_received(struct lookup *l, struct question *q, const struct dns_answer *a)
{
	l->heard = true;
	if (a->rcode != DNS_OK && a->rcode != DNS_NXDOMAIN) {
		loop_timer_in(l->timer, 0); /* the next server may know */
		return;
	}
	q->answered = true;
	q->answer = *a;
	if (all_answered(l))
		loop_timer_in(l->timer, 0);
	else if (any_found(l))
		loop_timer_in(l->timer, SKEW_MS * MS);
}

static void on_readable(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct server *s = arg;
	struct lookup *l = s->lookup;
	uint8_t buf[ANSWER_MAX];
	size_t n;
	int err = datagram_recv(fd, buf, sizeof(buf), &n);

	if (err == TM_EAGAIN)
		return;
	if (err) { /* nobody listens there */
		server_close(s);
		loop_timer_in(l->timer, 0);
		return;
	}
	for (size_t i = 0; i < FAMILIES; i++) {
		struct question *q = &l->questions[i];
		struct dns_answer a;

		if (!q->answered && q->len && dns_answer_decode(buf, n, q->query, q->len, &a) == TM_OK)
			answer_received(l, q, &a);
	}
}

/* An error here is as good as no answer: the next server is next. */
static int server_ask(struct lookup *l, struct server *s, const struct endpoint *ep)
{
	int err = s->fd >= 0 ? TM_OK : datagram_open(ep, l->mark, &s->fd);

	if (err)
		return err;
	if (!s->readable) {
		s->readable = event_new(l->base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
		if (!s->readable || event_add(s->readable, NULL) != 0)
			return TM_ENOMEM;
	}
	for (size_t i = 0; i < FAMILIES; i++)
		if (!l->questions[i].answered && !err)
			err = datagram_send(s->fd, l->questions[i].query, l->questions[i].len);
	return err;
}

/* Makes the questions for the next name; false: there is none. */
static bool next_name(struct lookup *l)
{
	static const enum dns_type types[FAMILIES] = {[V6] = DNS_AAAA, [V4] = DNS_A};
	char name[RESOLV_NAME_MAX + 1];

	while (resolv_name(&l->resolv, l->host, l->n_names++, name)) {
		bool good = true;

		for (size_t i = 0; i < FAMILIES; i++) {
			struct question *q = &l->questions[i];
			uint16_t id = (uint16_t)random_u32();

			*q = (struct question){0};
			good = good && dns_query_encode(id, name, types[i], q->query, &q->len) == TM_OK;
		}
		l->tries = 0;
		if (good)
			return true;
	}
	return false;
}

/* Goes on with what is known now: the end, the next name, or the next try of this one. */
static void step(struct lookup *l)
{
	bool through = l->n_names > 0 && all_answered(l);

	if (l->n_known || any_found(l)) {
		finish(l, "");
		return;
	}
	if ((l->n_names == 0 || through) && !next_name(l)) {
		finish(l, "the name is unknown to the system's resolver");
		return;
	}
	while (l->tries < l->resolv.attempts * l->resolv.n_servers) {
		size_t i = l->tries++ % l->resolv.n_servers;

		if (server_ask(l, &l->servers[i], &l->resolv.servers[i]) == TM_OK) {
			loop_timer_in(l->timer, l->resolv.timeout_ms * MS);
			return;
		}
		server_close(&l->servers[i]);
	}
	if (l->resolv.n_servers == 0) {
		finish(l, "the system's resolver has no address that can be used");
		return;
	}
	finish(l, l->heard ? "the system's resolver cannot say" : "the system's resolver does not answer");
}

static void on_timer(void *arg)
{
	step(arg);
}

/* --- life --- */

int lookup_new_in(struct event_base *base, const struct lookup_system *system, const char *host,
	uint16_t port, lookup_done_fn *done, void *ctx, struct lookup **ret_lookup)
{
	struct lookup *l;

	if (strlen(host) >= sizeof(l->host))
		return TM_EINVAL;

	l = calloc(1, sizeof(*l));
	if (!l)
		return TM_ENOMEM;
	l->base = base;
	l->resolv = system->resolv;
	l->mark = system->mark;
	l->port = port;
	l->done = done;
	l->ctx = ctx;
	memcpy(l->host, host, strlen(host) + 1);
	for (size_t i = 0; i < ARRAY_LEN(l->servers); i++)
		l->servers[i] = (struct server){.lookup = l, .fd = -1};
	if (system->hosts)
		l->n_known = hosts_find(system->hosts, host, l->known, LOOKUP_MAX);

	int err = loop_timer_new(base, on_timer, l, &l->timer);
	if (err) {
		lookup_cancel(l);
		return err;
	}
	loop_timer_in(l->timer, 0);
	*ret_lookup = l;
	return TM_OK;
}

/* A file that is missing or odd is as good as an empty one. */
static char *file_text(const char *path)
{
	char *text;

	return os_read_file(path, FILE_MAX, &text, NULL, NULL) == TM_OK ? text : NULL;
}

int lookup_new(struct event_base *base, const char *host, uint16_t port, uint32_t mark, lookup_done_fn *done,
	void *ctx, struct lookup **ret_lookup)
{
	_cleanup_(freep) char *resolv = file_text("/etc/resolv.conf");
	_cleanup_(freep) char *hosts = file_text("/etc/hosts");
	struct lookup_system system = {.hosts = hosts, .mark = mark};

	resolv_parse(resolv ? resolv : "", &system.resolv);
	return lookup_new_in(base, &system, host, port, done, ctx, ret_lookup);
}
