/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/plane/fake_io.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { QUEUE = 1024, SOCKETS = 16 };

struct cell {
	size_t n;
	struct endpoint from;
	struct ip to;
	uint8_t tos;
	struct vnet vnet;
	uint8_t bytes[FAKE_BYTES];
};

/* Bounded queue with an eventfd that is readable while it is not empty. */
struct queue {
	int fd;
	size_t head, tail;
	struct cell *cells;
};

struct tun {
	char name[16];
	unsigned queues, next, offloads;
	struct queue in[4]; /* to the plane, one per worker */
	struct queue out;
};

struct udp {
	struct ip host;
	uint16_t port;
	struct queue rx;
	unsigned offloads;
	const struct udp *with;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tun *tuns[SOCKETS];
static struct udp *sockets[SOCKETS];
static struct ip host;
static size_t path_payload, sent, fragmented, steer;
static uint16_t next_port = 40000;
static bool blackhole, refuse_supers;
static unsigned tun_can;
static size_t supers_refused;
static struct vnet last_vnet;
static int broken;
static struct cell last[5];

static bool queue_init(struct queue *q)
{
	q->cells = calloc(QUEUE, sizeof(*q->cells));
	if (!q->cells)
		return false;

	q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert(q->fd >= 0);
	return true;
}

static void queue_deinit(struct queue *q)
{
	if (q->cells)
		close(q->fd);
	free(q->cells);
}

static void queue_push(struct queue *q, const struct cell *c)
{
	uint64_t one = 1;

	if (q->head - q->tail == QUEUE)
		return;
	q->cells[q->head++ % QUEUE] = *c;
	(void)!write(q->fd, &one, sizeof(one));
}

static bool queue_pop(struct queue *q, struct cell *ret_c)
{
	uint64_t count;

	if (q->head == q->tail)
		return false;
	*ret_c = q->cells[q->tail++ % QUEUE];
	if (q->head == q->tail)
		(void)!read(q->fd, &count, sizeof(count));
	return true;
}

static pthread_mutex_t *acquire(void)
{
	pthread_mutex_lock(&lock);
	return &lock;
}

static void release(pthread_mutex_t **held)
{
	pthread_mutex_unlock(*held);
}

/* Until the end of the function. */
#define GUARD                                                                                                \
	_cleanup_(release)                                                                                   \
	UNUSED pthread_mutex_t *guard_ = acquire()

void fake_reset(void)
{
	GUARD;

	path_payload = sent = fragmented = 0;
	blackhole = refuse_supers = false;
	tun_can = 0;
	supers_refused = 0;
	broken = TM_OK;
	memset(last, 0, sizeof(last));
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
	for (size_t i = 0; i < SOCKETS; i++)
		if (sockets[i] && ip_eq(&sockets[i]->host, &old))
			assert(ip_parse(to, &sockets[i]->host) == TM_OK);
}

void fake_path_payload(size_t n)
{
	GUARD;
	path_payload = n;
}

void fake_blackhole(bool on)
{
	GUARD;
	blackhole = on;
}

void fake_broken(int err)
{
	GUARD;
	broken = err;
}

size_t fake_sent(void)
{
	GUARD;
	size_t n = 0;

	n = sent;
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

/* To one of the sockets that share the destination. */
static void deliver_locked(
	const struct endpoint *from, const struct endpoint *to, uint8_t tos, const uint8_t *p, size_t n)
{
	struct udp *match[SOCKETS];
	struct cell c = {.n = n, .from = *from, .to = to->ip, .tos = tos};
	size_t k = 0;

	assert(n <= FAKE_BYTES);
	memcpy(c.bytes, p, n);
	for (size_t i = 0; i < SOCKETS; i++)
		if (sockets[i] && sockets[i]->port == to->port && ip_eq(&sockets[i]->host, &to->ip))
			match[k++] = sockets[i];
	if (k)
		queue_push(&match[steer++ % k]->rx, &c);
}

void fake_inject(const char *from, const char *to, uint8_t tos, const uint8_t *p, size_t n)
{
	GUARD;
	struct endpoint f, t;

	assert(endpoint_parse(from, &f) == TM_OK && endpoint_parse(to, &t) == TM_OK);
	deliver_locked(&f, &t, tos, p, n);
}

/* --- os/tun.h --- */

static void tun_free(struct tun *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < ARRAY_LEN(t->in); i++)
		queue_deinit(&t->in[i]);
	queue_deinit(&t->out);
	free(t);
}

int tun_open(const char *name, unsigned queues, uint16_t mtu, unsigned offloads, struct tun **ret_tun,
	struct diag *d)
{
	GUARD;
	struct tun *t = calloc(1, sizeof(*t));
	bool ok = t != NULL;

	(void)mtu;
	assert(queues <= ARRAY_LEN(t->in) && strlen(name) < sizeof(t->name));
	for (unsigned i = 0; i < queues && ok; i++)
		ok = queue_init(&t->in[i]);
	ok = ok && queue_init(&t->out);
	if (!ok) {
		tun_free(t);
		return diag_what(d, TM_ENOMEM, "out of memory");
	}
	memcpy(t->name, name, strlen(name));
	t->queues = queues;
	t->offloads = offloads & tun_can;
	for (size_t i = 0; i < SOCKETS; i++)
		if (!tuns[i]) {
			tuns[i] = t;
			break;
		}
	*ret_tun = t;
	return TM_OK;
}

void tun_close(struct tun *t)
{
	GUARD;
	if (!t)
		return;
	for (size_t i = 0; i < SOCKETS; i++)
		if (tuns[i] == t)
			tuns[i] = NULL;
	tun_free(t);
}

const char *tun_name(const struct tun *t)
{
	return t->name;
}

int tun_fd(const struct tun *t, unsigned queue)
{
	return t->in[queue].fd;
}

static struct tun *tun_find(const char *name)
{
	for (size_t i = 0; i < SOCKETS; i++)
		if (tuns[i] && strcmp(tuns[i]->name, name) == 0)
			return tuns[i];
	assert(!"no such TUN");
	return NULL;
}

unsigned tun_offloads(const struct tun *t)
{
	return t->offloads;
}

int tun_read(const struct tun *t, unsigned queue, uint8_t *buf, size_t cap, struct vnet *ret_v, size_t *ret_n)
{
	GUARD;
	struct tun *w = tun_find(t->name);
	struct cell c;
	bool got = false;

	got = queue_pop(&w->in[queue], &c);
	if (!got)
		return TM_EAGAIN;

	*ret_v = c.vnet;
	*ret_n = MIN(c.n, cap);
	memcpy(buf, c.bytes, *ret_n);
	return TM_OK;
}

int tun_write(
	const struct tun *t, unsigned queue, const struct vnet *v, const struct part *parts, size_t n_parts)
{
	GUARD;
	struct cell c = {.vnet = *v};

	(void)queue;
	if (broken)
		return TM_EAGAIN;
	if (v->gso && (refuse_supers || !t->offloads)) {
		supers_refused++;
		return TM_EINVAL;
	}
	for (size_t i = 0; i < n_parts; i++) {
		memcpy(c.bytes + c.n, parts[i].p, parts[i].n);
		c.n += parts[i].n;
	}
	queue_push(&tun_find(t->name)->out, &c);
	return TM_OK;
}

void fake_tun_can(unsigned offloads)
{
	GUARD;
	tun_can = offloads;
}

void fake_refuse_supers(bool on)
{
	GUARD;
	refuse_supers = on;
}

size_t fake_supers_refused(void)
{
	GUARD;
	size_t n = 0;

	n = supers_refused;
	return n;
}

struct vnet fake_tun_last_vnet(void)
{
	GUARD;
	struct vnet v = {0};

	v = last_vnet;
	return v;
}

void fake_tun_send(const char *name, const uint8_t *p, size_t n)
{
	fake_tun_send_super(name, &(struct vnet){0}, p, n);
}

void fake_tun_send_super(const char *name, const struct vnet *v, const uint8_t *p, size_t n)
{
	GUARD;
	struct cell c = {.n = n, .vnet = *v};

	memcpy(c.bytes, p, n);
	{
		struct tun *t = tun_find(name);

		queue_push(&t->in[t->next++ % t->queues], &c);
	}
}

size_t fake_tun_recv(const char *name, uint8_t *buf, size_t cap)
{
	GUARD;
	struct cell c = {0};
	bool got = false;

	got = queue_pop(&tun_find(name)->out, &c);
	if (!got)
		return 0;
	assert(c.n <= cap);
	memcpy(buf, c.bytes, c.n);
	last_vnet = c.vnet;
	return c.n;
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
		u->port = cfg->with ? cfg->with->port : cfg->port ? cfg->port : next_port++;
		for (size_t i = 0; i < SOCKETS; i++)
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
	for (size_t i = 0; i < SOCKETS; i++)
		if (sockets[i] == u)
			sockets[i] = NULL;
	queue_deinit(&u->rx);
	free(u);
}

void udp_steer(const struct udp *any, const struct udp_steering *by)
{
	(void)any, (void)by;
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
	(void)u;
	return 0;
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
	for (size_t i = 0; i < SOCKETS; i++)
		if (sockets[i] == u)
			return sockets[i];
	assert(!"no such socket");
	return NULL;
}

/* What follows the same way, and is not longer, joins the first datagram; a shorter one is the last. */
static void receive_train_locked(struct queue *q, struct datagram *dg, const struct cell *first)
{
	while (q->head != q->tail) {
		struct cell *next = &q->cells[q->tail % QUEUE], c;

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

static void send_one_locked(const struct udp *u, struct datagram *dg)
{
	struct endpoint from = {.ip = u->host, .port = u->port};
	uint8_t type = dg->n ? dg->data[0] : 0;

	dg->err = broken;
	dg->local_refused = false;
	if (broken)
		return;
	if (path_payload && dg->n > path_payload) {
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

size_t udp_send(struct udp *u, struct datagram *v, size_t n)
{
	GUARD;
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		send_one_locked(u, &v[i]);
		failed += v[i].err != TM_OK;
	}
	return failed;
}

int udp_send_fragmented(struct udp *u, struct datagram *dg)
{
	GUARD;
	{
		size_t limit = path_payload;

		path_payload = 0;
		send_one_locked(u, dg);
		path_payload = limit;
		fragmented++;
	}
	return dg->err;
}

size_t udp_path_payload(const struct udp *u, const struct endpoint *ep)
{
	GUARD;
	size_t n = 0;

	(void)u, (void)ep;
	n = path_payload;
	return n;
}
