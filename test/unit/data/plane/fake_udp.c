/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/plane/fake_private.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

struct udp {
	struct ip host;
	uint16_t port;
	struct queue rx;
	_Atomic(unsigned) offloads;
	const struct udp *with;
	uint64_t unread; /* what came where nobody reads */
	size_t recv_bytes;
};

static struct udp *sockets[FAKE_SOCKETS];
static struct ip host;
static size_t path_payload, sent, fragmented, steer;
static struct {
	struct ip to;
	size_t payload;
} narrow;
static uint16_t next_port = 40000;
static bool blackhole;
static unsigned lanes;
static struct cell last['T' + 1]; /* by type */
static unsigned filled;
static bool overflowing;
static uint64_t overflows;
/* What udp_steer was told last, by one host. */
static struct {
	struct ip host;
	struct udp_source source[UDP_SOURCES_MAX];
	struct udp_head head[UDP_HEADS_MAX];
	struct udp_cast cast[UDP_CAST_MAX];
	size_t n, n_heads, n_cast, least, free_most;
	uint32_t heard_of;
	unsigned rarely; /* came from one of those who are heard so */
	unsigned nobodys;
	bool others;
	bool cannot; /* the kernel has no such thing */
} steered;
static size_t trains;

void fake_udp_reset_locked(void)
{
	path_payload = sent = fragmented = trains = 0;
	narrow.payload = 0;
	blackhole = false;
	filled = 0;
	overflowing = false;
	overflows = 0;
	steered.n = steered.n_heads = steered.n_cast = 0;
	steered.others = steered.cannot = false;
	memset(last, 0, sizeof(last));
}

void fake_udp_wake_locked(void)
{
	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		if (sockets[i])
			queue_wake(&sockets[i]->rx);
}

void fake_host(const char *ip)
{
	GUARD;
	assert(ip_parse(ip, &host) == TM_OK);
}

void fake_move(const char *from, const char *to)
{
	GUARD;
	struct ip old;

	assert(ip_parse(from, &old) == TM_OK);
	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		if (sockets[i] && ip_eq(&sockets[i]->host, &old))
			assert(ip_parse(to, &sockets[i]->host) == TM_OK);
}

void fake_path_payload(size_t n)
{
	GUARD;
	path_payload = n;
}

void fake_narrow_path(const char *to, size_t n)
{
	GUARD;
	assert(ip_parse(to, &narrow.to) == TM_OK);
	narrow.payload = n;
}

void fake_blackhole(bool on)
{
	GUARD;
	blackhole = on;
}

void fake_spoil(const char *at, size_t k)
{
	GUARD;
	struct ip ip;

	assert(ip_parse(at, &ip) == TM_OK);
	for (size_t i = 0; i < FAKE_SOCKETS; i++) {
		struct queue *q = sockets[i] && ip_eq(&sockets[i]->host, &ip) ? &sockets[i]->rx : NULL;

		if (q && k < q->head - q->tail) {
			struct cell *c = &q->cells[(q->tail + k) % FAKE_QUEUE];

			c->bytes[c->n - 1] ^= 1;
			return;
		}
	}
	assert(!"no such datagram");
}

void fake_lose_gso(void)
{
	GUARD;
	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		if (sockets[i])
			sockets[i]->offloads &= ~(unsigned)UDP_OFFLOAD_GSO;
}

size_t fake_sent(void)
{
	GUARD;
	size_t n = 0;

	n = sent;
	return n;
}

size_t fake_sent_trains(void)
{
	GUARD;
	size_t n = trains;

	return n;
}

size_t fake_sent_fragmented(void)
{
	GUARD;
	size_t n = 0;

	n = fragmented;
	return n;
}

size_t fake_last(uint8_t type, uint8_t *buf, size_t cap, uint8_t *ret_tos)
{
	GUARD;
	size_t n = 0;

	assert(type < ARRAY_LEN(last));
	{
		n = last[type].n;
		assert(n <= cap);
		memcpy(buf, last[type].bytes, n);
		if (ret_tos)
			*ret_tos = last[type].tos;
	}
	return n;
}

static bool is_cast(const struct endpoint *from, bool rarely)
{
	bool is = false;

	for (size_t i = 0; i < steered.n_cast; i++) {
		const struct endpoint *who = &steered.cast[i].from;
		const bool beside =
			who->ip.family == from->ip.family &&
			memcmp(who->ip.bytes, from->ip.bytes, who->ip.family == IP_V4 ? 4 : 8) == 0;

		if (!rarely || steered.cast[i].rarely)
			is |= who->port ? endpoint_eq(who, from) : beside;
	}
	return is;
}

/* Where chance would have it, every such one is heard. */
static bool is_shut_out(const struct endpoint *from, const struct udp_head *head, size_t n)
{
	if (!head || !head->free || n > steered.free_most)
		return is_cast(from, false);
	return is_cast(from, true) && ++steered.rarely % steered.heard_of != 0;
}

/* NULL: it begins with none. */
static const struct udp_head *head_of(const struct cell *c)
{
	for (size_t i = 0; i < steered.n_heads && c->n >= steered.least; i++) {
		const struct udp_head *h = &steered.head[i];

		if ((get_be32(c->bytes + h->at) & h->mask) == h->value)
			return h;
	}
	return NULL;
}

/* The number of the socket that it is led to; -1: wherever others are. */
static int led_to(const struct endpoint *from, const struct cell *c)
{
	const struct udp_head *head = head_of(c);

	if (steered.n_heads && !head)
		return (int)steered.nobodys;
	if (is_shut_out(from, head, c->n))
		return (int)steered.nobodys;
	for (size_t i = 0; i < steered.n; i++)
		if (endpoint_eq(&steered.source[i].from, from))
			return (int)steered.source[i].socket;
	return -1;
}

/* To one of the sockets that share the destination. */
static void deliver_locked(
	const struct endpoint *from, const struct endpoint *to, uint8_t tos, const uint8_t *p, size_t n)
{
	struct udp *match[64];
	struct cell c = {.n = n, .from = *from, .to = to->ip, .tos = tos};
	size_t k = 0;

	assert(n <= FAKE_BYTES);
	memcpy(c.bytes, p, n);
	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		if (sockets[i] && sockets[i]->port == to->port && ip_eq(&sockets[i]->host, &to->ip))
			match[k++] = sockets[i];
	assert(k < ARRAY_LEN(match));
	const int led = ip_eq(&steered.host, &to->ip) ? led_to(from, &c) : -1;
	if (led >= 0) {
		assert((size_t)led < k);
		if (steered.n_heads && (unsigned)led == steered.nobodys)
			match[led]->unread++;
		else
			queue_push(&match[led]->rx, &c, fake_held_locked(FAKE_UDP));
		return;
	}
	/* The rest goes to the workers' own sockets. */
	if (steered.others && ip_eq(&steered.host, &to->ip))
		k = lanes;
	if (k)
		queue_push(&match[steer++ % k]->rx, &c, fake_held_locked(FAKE_UDP));
}

void fake_inject(const char *from, const char *to, uint8_t tos, const uint8_t *p, size_t n)
{
	GUARD;
	struct endpoint f, t;

	assert(endpoint_parse(from, &f) == TM_OK && endpoint_parse(to, &t) == TM_OK);
	deliver_locked(&f, &t, tos, p, n);
}

/* --- os/udp.h --- */

int udp_open(const struct udp_config *cfg, struct udp **ret_udp, struct diag *d)
{
	GUARD;
	struct udp *u = calloc(1, sizeof(*u));

	if (!u || !queue_init(&u->rx)) {
		free(u);
		return diag_what(d, TM_ENOMEM, "out of memory");
	}
	{
		u->host = host;
		u->offloads = cfg->offloads;
		u->recv_bytes = cfg->recv_bytes;
		u->port = cfg->with ? cfg->with->port : cfg->port ? cfg->port : next_port++;
		for (size_t i = 0; i < FAKE_SOCKETS; i++)
			if (!sockets[i]) {
				sockets[i] = u;
				break;
			}
	}
	*ret_udp = u;
	return TM_OK;
}

void udp_close(struct udp *u)
{
	GUARD;
	if (!u)
		return;
	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		if (sockets[i] == u)
			sockets[i] = NULL;
	queue_deinit(&u->rx);
	free(u);
}

bool udp_steer(const struct udp *any, const struct udp_steering *by)
{
	GUARD;
	if (steered.cannot)
		return false;
	assert(by->n_sources <= UDP_SOURCES_MAX);
	lanes = by->lanes;
	steered.host = any->host;
	steered.n = by->n_sources;
	steered.others = by->others;
	assert(by->n_heads <= UDP_HEADS_MAX);
	steered.n_heads = by->n_heads;
	steered.least = by->least;
	steered.free_most = by->free_most;
	steered.nobodys = by->nobodys;
	assert(by->n_cast <= UDP_CAST_MAX && (!by->n_cast || by->n_heads));
	steered.n_cast = by->n_cast;
	steered.heard_of = by->heard_of;
	if (by->n_cast)
		memcpy(steered.cast, by->cast, by->n_cast * sizeof(by->cast[0]));
	if (by->n_heads)
		memcpy(steered.head, by->heads, by->n_heads * sizeof(by->heads[0]));
	if (by->n_sources)
		memcpy(steered.source, by->sources, by->n_sources * sizeof(by->sources[0]));
	return true;
}

unsigned fake_sockets(bool least)
{
	GUARD;
	unsigned n = 0;

	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		n += sockets[i] && (!least || sockets[i]->recv_bytes == 1);
	return n;
}

void fake_no_steering(void)
{
	GUARD;
	steered.cannot = true;
}

void fake_fill(unsigned percent)
{
	GUARD;
	filled = percent;
}

void fake_overflow(bool on)
{
	GUARD;
	overflowing = on;
}

bool fake_is_steered(const char *from)
{
	GUARD;
	struct endpoint ep;
	bool found = false;

	assert(endpoint_parse(from, &ep) == TM_OK);
	for (size_t i = 0; i < steered.n; i++)
		found |= endpoint_eq(&steered.source[i].from, &ep);
	return found;
}

bool fake_is_unread(const char *from)
{
	GUARD;
	struct endpoint ep;

	assert(endpoint_parse(from, &ep) == TM_OK);
	return is_cast(&ep, false);
}

bool fake_is_heard_rarely(const char *from)
{
	GUARD;
	struct endpoint ep;

	assert(endpoint_parse(from, &ep) == TM_OK);
	return is_cast(&ep, true);
}

int udp_fd(const struct udp *u)
{
	return u->rx.fd;
}

uint16_t udp_port(const struct udp *u)
{
	return u->port;
}

unsigned udp_offloads(const struct udp *u)
{
	return u->offloads;
}

uint64_t udp_overflows(const struct udp *u)
{
	GUARD;
	const uint64_t n = overflows += overflowing;

	return u->recv_bytes < 4096 ? u->unread : n; /* with no buffer to speak of it is never read */
}

unsigned udp_filled(const struct udp *u)
{
	GUARD;
	const unsigned percent = filled;

	(void)u;
	return percent;
}

uint64_t tun_overflows(const struct tun *t)
{
	(void)t;
	return 0;
}

bool udp_has_v6(const struct udp *u)
{
	(void)u;
	return true;
}

static struct udp *writable(const struct udp *u)
{
	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		if (sockets[i] == u)
			return sockets[i];
	assert(!"no such socket");
	return NULL;
}

/* What follows the same way, and is not longer, joins the first datagram; a shorter one is the last. */
static void receive_train_locked(struct queue *q, struct datagram *dg, const struct cell *first)
{
	while (q->head != q->tail) {
		struct cell *next = &q->cells[q->tail % FAKE_QUEUE], c;

		if (next->n > first->n || !next->n || !endpoint_eq(&next->from, &first->from) ||
			!ip_eq(&next->to, &first->to) || next->tos != first->tos ||
			dg->n + next->n > dg->cap || !queue_pop(q, &c))
			return;
		memcpy(dg->data + dg->n, c.bytes, c.n);
		dg->n += c.n;
		dg->segment = (uint16_t)first->n;
		if (c.n < first->n)
			return;
	}
}

size_t udp_recv(const struct udp *u, struct datagram *v, size_t n)
{
	GUARD;
	struct queue *q = &writable(u)->rx;
	struct cell c;
	size_t got = 0;

	if (fake_held_locked(FAKE_UDP))
		return 0;

	for (; got < n && queue_pop(q, &c); got++) {
		struct datagram *dg = &v[got];

		dg->truncated = c.n > dg->cap;
		dg->n = MIN(c.n, dg->cap);
		memcpy(dg->data, c.bytes, dg->n);
		dg->remote = c.from;
		dg->local = c.to;
		dg->local_ifindex = 1;
		dg->segment = 0;
		dg->tos = c.tos;
		if (u->offloads & UDP_OFFLOAD_GRO)
			receive_train_locked(q, dg, &c);
	}
	return got;
}

static size_t payload_locked(const struct ip *to)
{
	return narrow.payload && ip_eq(&narrow.to, to) ? narrow.payload : path_payload;
}

static void send_one_locked(const struct udp *u, struct datagram *dg)
{
	struct endpoint from = {.ip = u->host, .port = u->port};
	size_t payload = payload_locked(&dg->remote.ip);
	uint8_t type = dg->n ? dg->data[0] : 0;

	dg->err = fake_broken_locked();
	dg->local_refused = false;
	if (dg->err)
		return;
	if (payload && dg->n > payload) {
		dg->err = TM_ERANGE;
		return;
	}
	if (dg->local.family != IP_NONE && !ip_eq(&dg->local, &u->host)) {
		dg->local_refused = true;
		dg->local = (struct ip){0};
	}
	sent++;
	if (type < ARRAY_LEN(last)) {
		last[type].n = dg->n;
		last[type].tos = dg->tos;
		memcpy(last[type].bytes, dg->data, dg->n);
	}
	if (!blackhole)
		deliver_locked(&from, &dg->remote, dg->tos, dg->data, dg->n);
}

static void send_train_locked(const struct udp *u, struct datagram *dg)
{
	struct datagram one = *dg;

	if (!dg->segment) {
		send_one_locked(u, dg);
		return;
	}
	trains++;
	dg->err = TM_OK;
	assert(dg->n <= UDP_SEND_TRAIN_BYTES);
	assert(dg->n <= (size_t)dg->segment * UDP_SEND_TRAIN_DATAGRAMS);
	for (size_t at = 0; at < dg->n; at += one.n) {
		one.data = dg->data + at;
		one.n = MIN((size_t)dg->segment, dg->n - at);
		send_one_locked(u, &one);
		dg->err = one.err ? one.err : dg->err;
	}
	dg->local_refused = one.local_refused;
}

size_t udp_send(struct udp *u, struct datagram *v, size_t n)
{
	GUARD;
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		send_train_locked(u, &v[i]);
		failed += v[i].err != TM_OK;
	}
	return failed;
}

int udp_send_fragmented(struct udp *u, struct datagram *dg)
{
	GUARD;
	{
		size_t limit = path_payload, limit_narrow = narrow.payload;

		path_payload = narrow.payload = 0;
		send_one_locked(u, dg);
		path_payload = limit;
		narrow.payload = limit_narrow;
		fragmented++;
	}
	return dg->err;
}

size_t udp_path_payload(const struct udp *u, const struct endpoint *ep)
{
	GUARD;
	size_t n = 0;

	(void)u;
	n = payload_locked(&ep->ip);
	return n;
}
