/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "dns/server.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "dns/stream.h"
#include "loop/timer.h"
#include "net/listen.h"
#include "os/dgram.h"

enum { QUESTION_MAX = 1024 };
#define ACCEPT_AGAIN (250 * MS)

/* One address. */
struct door {
	struct dns_server *server;
	struct endpoint at;
	int fd; /* UDP; -1: not open */
	struct event *readable;
	struct listener *listener;
};

struct dns_server {
	/* set once */
	struct event_base *base;
	struct dns_server_config cfg;
	struct dns_streams *streams;
	struct loop_timer *accept_again;
	/* changes */
	struct dns_answerer answerer;
	struct door doors[DNS_SERVER_ADDRESSES];
	size_t n_doors;
	/* of one batch */
	struct dgram_item questions[DGRAM_MANY], answers[DGRAM_MANY];
	uint8_t in[DGRAM_MANY][QUESTION_MAX], out[DGRAM_MANY][DNS_ANSWER_MAX];
};

/*
 * Is it a program of this machine? One that asks an address of ours does so from that address unless it says
 * otherwise; and what claims to come from there and does not, the kernel drops as a martian (RFC 1812 5.3.7),
 * or the answer ends here.
 */
static bool is_own(const struct ip *from, const struct ip *at)
{
	return ip_eq(from, at) || ip_is_loopback(from);
}

static size_t answer(struct dns_server *s, enum dns_transport transport, const struct endpoint *from,
	const struct ip *at, const uint8_t *question, size_t n, uint8_t *out)
{
	struct dns_asker asker = {.transport = transport, .from = from->ip, .own = is_own(&from->ip, at)};
	const struct mesh_node *m;

	asker.served = asker.own || (s->cfg.serve_mesh && mesh_by_ip(s->cfg.zone->mesh, &from->ip));
	const size_t len = dns_answer(&s->answerer, &asker, question, n, time_monotonic(), out, &m);
	if (m && asker.own)
		s->cfg.asked(s->cfg.ctx, m);
	return len;
}

/* One batch: the loop comes back when there is more, and sees to others before that. */
static void on_questions(evutil_socket_t fd, short what UNUSED, void *ctx)
{
	struct door *door = ctx;
	struct dns_server *s = door->server;
	const size_t n = dgram_recv_many(fd, s->questions, DGRAM_MANY);

	for (size_t i = 0; i < n; i++) {
		const struct dgram_item *q = &s->questions[i];

		s->answers[i].peer = q->peer;
		s->answers[i].n = endpoint_is_set(&q->peer) ? answer(s, DNS_UDP, &q->peer, &door->at.ip,
								      q->data, q->n, s->out[i])
							    : 0;
	}
	dgram_send_many(fd, s->answers, n);
}

static size_t answer_stream(void *ctx, const struct endpoint *from, const struct ip *at,
	const uint8_t *question, size_t n, uint8_t out[static DNS_ANSWER_MAX])
{
	return answer(ctx, DNS_TCP, from, at, question, n, out);
}

static void on_accepted(void *ctx, int fd, const struct endpoint *from)
{
	struct door *door = ctx;

	dns_streams_take(door->server->streams, fd, from, &door->at.ip);
}

/* No descriptor is left, most likely: UDP goes on meanwhile. */
static void on_accept_failed(void *ctx, int e UNUSED)
{
	struct door *door = ctx;

	loop_timer_in(door->server->accept_again, ACCEPT_AGAIN);
}

static void on_accept_again(void *ctx)
{
	struct dns_server *s = ctx;

	for (size_t i = 0; i < s->n_doors; i++)
		if (listener_is_paused(s->doors[i].listener))
			listener_resume(s->doors[i].listener);
}

/* --- opening --- */

static void door_close(struct door *door)
{
	if (door->readable)
		event_free(door->readable);
	listener_free(door->listener);
	if (door->fd >= 0)
		dgram_close(door->fd);
	*door = (struct door){.fd = -1};
}

static int door_open(struct door *door)
{
	const struct listener_events ev = {.ctx = door, .accepted = on_accepted, .failed = on_accept_failed};
	int err = listener_new(door->server->base, &door->at, 0, &ev, &door->listener);

	if (!err)
		err = dgram_serve(&door->at, &door->fd);
	if (err)
		return err;
	door->readable = event_new(door->server->base, door->fd, EV_READ | EV_PERSIST, on_questions, door);
	return door->readable && event_add(door->readable, NULL) == 0 ? TM_OK : TM_ENOMEM;
}

static int say_why(const struct endpoint *at, int err, int e, struct diag *d)
{
	char text[ENDPOINT_STR_LEN];

	endpoint_format(at, text);
	if (e == EADDRINUSE)
		return diag_what(d, TM_EBUSY, "another program serves names at %s already", text);
	if (e == EACCES)
		return diag_what(d, TM_EPERM, "%s cannot be opened without CAP_NET_BIND_SERVICE", text);
	return diag_what(
		d, err, "names cannot be served at %s: %s", text, e ? strerror(e) : tm_strerror(err));
}

int dns_server_open(struct dns_server *s, struct endpoint *at, struct diag *d)
{
	struct door *door = &s->doors[s->n_doors];

	if (s->n_doors == DNS_SERVER_ADDRESSES)
		return diag_what(
			d, TM_EFULL, "names are served at %d addresses at most", DNS_SERVER_ADDRESSES);
	*door = (struct door){.server = s, .at = *at, .fd = -1};
	errno = 0;
	int err = door_open(door);
	if (err) {
		const int e = errno;

		door_close(door);
		return say_why(at, err, e, d);
	}
	*at = door->at;
	s->n_doors++;
	return TM_OK;
}

int dns_server_new(
	struct event_base *base, const struct dns_server_config *cfg, struct dns_server **ret_server)
{
	struct dns_server *s = calloc(1, sizeof(*s));

	if (!s)
		return TM_ENOMEM;
	s->base = base;
	s->cfg = *cfg;
	for (size_t i = 0; i < DGRAM_MANY; i++) {
		s->questions[i] = (struct dgram_item){.data = s->in[i], .cap = QUESTION_MAX};
		s->answers[i] = (struct dgram_item){.data = s->out[i]};
	}
	int err = dns_answerer_init(&s->answerer, cfg->zone);
	if (!err)
		err = dns_streams_new(base, answer_stream, s, &s->streams);
	if (!err)
		err = loop_timer_new(base, on_accept_again, s, &s->accept_again);
	if (err) {
		dns_server_free(s);
		return err;
	}
	*ret_server = s;
	return TM_OK;
}

void dns_server_free(struct dns_server *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_doors; i++)
		door_close(&s->doors[i]);
	dns_streams_free(s->streams);
	loop_timer_free(s->accept_again);
	free(s);
}

const struct dns_counters *dns_server_counters(const struct dns_server *s)
{
	return &s->answerer.counters;
}

size_t dns_server_connections(const struct dns_server *s)
{
	return dns_streams_size(s->streams);
}
