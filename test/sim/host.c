/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A host: the real device, and a data path that does what workers do, one packet at a time. */
#include "sim/host.h"

#include "crypto/dh.h"
#include "wire/wg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PAYLOAD_MAGIC UINT64_C(0x746f6d6f6c646f6c)
enum { PAYLOAD = 32 };

static void put_on_wire(struct host *h, const struct endpoint *to, const uint8_t *msg, size_t n)
{
	struct datagram *dg = calloc(1, sizeof(*dg));

	assert_non_null(dg);
	assert_true(n <= sizeof(dg->bytes));
	dg->from = h->at;
	dg->to = *to;
	dg->n = n;
	memcpy(dg->bytes, msg, n);
	h->sent[msg[0] % ARRAY_LEN(h->sent)]++;
	h->last[msg[0] % ARRAY_LEN(h->last)] = *dg;
	h->sim->wire_datagrams++;
	for (size_t i = 0; i < n; i++)
		h->sim->wire_hash = (h->sim->wire_hash ^ msg[i]) * UINT64_C(0x100000001b3);
	h->up.super.forward(&h->up.super, dg);
}

/* What a worker does when it turns a timer input from nothing to a time. */
static void start_waiting(struct host *h, struct peer *p, _Atomic(ns_t) *what)
{
	ns_t nothing = 0;

	if (atomic_compare_exchange_strong(what, &nothing, h->sim->now) && !atomic_exchange(&p->armed, true))
		device_observe(h->device, p, h->sim->now);
}

static bool transmit(struct host *h, struct peer *p, struct keypair *kp, const uint8_t *payload, size_t n)
{
	const struct peer_path *path = atomic_load(&p->path);
	uint8_t msg[SIM_MTU];
	struct aead_op op = {.key = kp->send_key, .data = msg + WG_DATA_HEADER, .n = n};
	bool renew;

	if (!path || keypair_send_reserve(kp, h->sim->now, 1, &op.counter, &renew) < 0)
		return false;

	wg_data_header(msg, kp->remote_index, op.counter);
	if (n)
		memcpy(op.data, payload, n);
	assert_int_equal(aead_seal_batch(h->aead, &op, 1), 0);
	put_on_wire(h, &path->remote, msg, WG_DATA_OVERHEAD + n);
	atomic_store(&p->last_auth_sent, h->sim->now);
	atomic_store(&p->data_recv_unacked, 0);
	if (n)
		start_waiting(h, p, &p->data_sent_unanswered);
	else
		h->keepalives++;
	if (renew)
		device_want_session(h->device, p, h->sim->now);
	return true;
}

static void payload_fill(uint8_t payload[static PAYLOAD], uint64_t number)
{
	memset(payload, 0, PAYLOAD);
	put_le64(payload, number);
	put_le64(payload + 8, number ^ PAYLOAD_MAGIC);
}

static void flush(struct host *h, struct friendship *f, struct keypair *kp)
{
	uint8_t payload[PAYLOAD];
	size_t n = f->n_staged;

	if (!atomic_load(&f->p->path))
		return;

	f->n_staged = 0;
	for (size_t i = 0; i < n; i++) {
		payload_fill(payload, f->staged[i]);
		if (!transmit(h, f->p, kp, payload, sizeof(payload)))
			f->dropped++;
	}
}

void host_send(struct host *a, struct host *b)
{
	struct friendship *f = sim_friend(a, b);
	struct keypair *kp = peer_sending_keys(f->p);
	uint64_t number = f->sent++;
	uint8_t payload[PAYLOAD];

	assert_true(number < SIM_PACKETS);
	payload_fill(payload, number);
	if (!kp || !transmit(a, f->p, kp, payload, sizeof(payload))) {
		if (f->n_staged < SIM_STAGED)
			f->staged[f->n_staged++] = number;
		else
			f->dropped++;
		device_want_session(a->device, f->p, a->sim->now);
	}
	host_settle(a);
}

static void deliver(struct friendship *f, const uint8_t *payload, size_t n)
{
	uint64_t number = get_le64(payload);

	if (n != PAYLOAD || get_le64(payload + 8) != (number ^ PAYLOAD_MAGIC) || number >= SIM_PACKETS) {
		f->garbage++;
		return;
	}
	if (f->seen[number / 8] & 1u << number % 8) {
		f->twice++;
		return;
	}
	f->seen[number / 8] |= (uint8_t)(1u << number % 8);
	f->received++;
}

static void receive_data(struct host *h, struct datagram *dg)
{
	const ns_t now = h->sim->now;
	const struct peer_path *path;
	struct wg_data m;
	struct keypair *kp;
	struct aead_op op;
	struct peer *p;

	if (wg_data_decode(dg->bytes, dg->n, &m) < 0)
		return;

	kp = index_find(device_index(h->device), m.receiver);
	if (!kp || keypair_recv_check(kp, now, m.counter) < 0)
		return;

	op = (struct aead_op){.key = kp->recv_key,
		.counter = m.counter,
		.data = dg->bytes + WG_DATA_HEADER,
		.n = m.sealed_len - WG_TAG};
	if (aead_open_batch(h->aead, &op, 1) != 0 || keypair_recv_mark(kp, m.counter) < 0)
		return;

	p = kp->peer;
	atomic_store(&p->last_auth_recv, now);
	atomic_store(&p->data_sent_unanswered, 0);
	path = atomic_load(&p->path);
	if (!path || !endpoint_eq(&path->remote, &dg->from))
		device_roamed(h->device, p, &dg->from, &dg->to.ip, 1, now);
	if (!atomic_exchange(&kp->confirmed, true))
		device_confirmed(h->device, p, kp, now);
	if (op.n) {
		start_waiting(h, p, &p->data_recv_unacked);
		deliver(p->owner, op.data, op.n);
	}
	if (keypair_recv_wants_renewal(kp, now))
		device_want_session(h->device, p, now);
}

static void host_forward(struct node *n, struct datagram *dg)
{
	struct host *h = CONTAINER_OF(n, struct host, super);
	enum device_verdict v;

	if (wg_classify(dg->bytes, dg->n) == WG_DATA) {
		receive_data(h, dg);
	} else {
		v = device_receive(
			h->device, h->sim->now, &dg->from, &dg->to.ip, 1, dg->bytes, dg->n, h->waiting);
		h->verdicts[v]++;
	}
	free(dg);
	host_settle(h);
}

static void bury(struct host *h, void *body, void (*free_fn)(void *))
{
	assert_true(h->n_grave < ARRAY_LEN(h->grave));
	h->grave[h->n_grave] = body;
	h->grave_free[h->n_grave++] = free_fn;
}

void host_settle(struct host *h)
{
	h->next = device_run(h->device, h->sim->now);
	assert_true(h->next > h->sim->now);
	for (size_t i = 0; i < h->n_grave; i++)
		h->grave_free[i](h->grave[i]);
	h->n_grave = 0;
}

/* device_ops */

static void op_send(void *ctx, struct peer *p, const struct endpoint *to, const struct ip *local,
	const uint8_t *msg, size_t n)
{
	struct host *h = ctx;

	(void)p;
	h->last_local = *local;
	put_on_wire(h, to, msg, n);
}

static void op_send_keepalive(void *ctx, struct peer *p)
{
	struct keypair *kp = atomic_load(&p->current);

	assert_non_null(kp);
	transmit(ctx, p, kp, NULL, 0);
}

static void op_flush_staged(void *ctx, struct peer *p, struct keypair *kp)
{
	flush(ctx, p->owner, kp);
}

static void op_drop_staged(void *ctx, struct peer *p)
{
	struct friendship *f = p->owner;

	(void)ctx;
	if (!f)
		return;
	f->dropped += (unsigned)f->n_staged;
	f->n_staged = 0;
}

static void free_keypair(void *kp)
{
	keypair_free(kp);
}

static void op_retire_keypair(void *ctx, struct keypair *kp)
{
	assert_true(atomic_load(&kp->dead));
	bury(ctx, kp, free_keypair);
}

static void op_retire_path(void *ctx, struct peer_path *path)
{
	bury(ctx, path, free);
}

static void op_retire_peer(void *ctx, struct peer *p)
{
	bury(ctx, p, device_peer_free);
}

static void op_want_endpoint(void *ctx, struct peer *p)
{
	struct friendship *f = p->owner;

	(void)ctx;
	f->want_endpoint++;
}

static void op_session_changed(void *ctx, struct peer *p, bool up)
{
	struct friendship *f = p->owner;

	(void)ctx;
	if (!f)
		return;
	f->ups += up;
	f->downs += !up;
}

static void op_entropy(void *ctx, void *out, size_t n)
{
	struct host *h = ctx;

	sim_entropy(h->sim, out, n);
}

static ns_t op_real_time(void *ctx)
{
	const struct host *h = ctx;

	return 1767225600 * SEC + h->sim->now + h->clock_offset; /* 2026-01-01 */
}

static void boot(struct host *h)
{
	const struct device_ops ops = {
		.ctx = h,
		.send = op_send,
		.send_keepalive = op_send_keepalive,
		.flush_staged = op_flush_staged,
		.drop_staged = op_drop_staged,
		.retire_keypair = op_retire_keypair,
		.retire_path = op_retire_path,
		.retire_peer = op_retire_peer,
		.want_endpoint = op_want_endpoint,
		.session_changed = op_session_changed,
		.entropy = op_entropy,
		.real_time = op_real_time,
	};
	const struct device_config cfg = {.private_key = h->priv, .limits = h->limits, .load_threshold = 100};

	assert_int_equal(device_new(&cfg, &ops, &h->device), TM_OK);
	h->next = NS_NEVER;
}

static void shut_down(struct host *h)
{
	for (size_t i = 0; i < h->n_friends; i++) {
		struct friendship *f = &h->friends[i];

		if (f->p)
			f->p->owner = NULL;
		f->p = NULL;
		f->n_staged = 0;
	}
	device_free(h->device);
	for (size_t i = 0; i < h->n_grave; i++)
		h->grave_free[i](h->grave[i]);
	h->n_grave = 0;
}

void host_free(struct host *h)
{
	shut_down(h);
	aead_free(h->aead);
	free(h);
}

struct host *sim_host_with_limits(struct sim *s, const char *name, const struct wg_limits *l)
{
	struct host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	assert_true(s->n_hosts < SIM_HOSTS);
	h->super.forward = host_forward;
	h->sim = s;
	h->name = name;
	h->limits = *l;
	h->at.ip = ip_v4_host(0xc6120000u + (uint32_t)s->n_hosts * 256 + 1); /* 198.18.0.0/15, RFC 2544 */
	h->at.port = SIM_PORT;
	sim_entropy(s, h->priv, sizeof(h->priv));
	dh_clamp(h->priv);
	assert_int_equal(dh_public(h->priv, h->pub), TM_OK);
	assert_int_equal(aead_new(&h->aead), TM_OK);
	host_attach(h);
	boot(h);
	s->hosts[s->n_hosts++] = h;
	return h;
}

struct host *sim_host(struct sim *s, const char *name)
{
	return sim_host_with_limits(s, name, &wg_limits_default);
}

struct friendship *sim_friend(struct host *a, const struct host *b)
{
	for (size_t i = 0; i < a->n_friends; i++) {
		if (a->friends[i].other == b)
			return &a->friends[i];
	}
	return NULL;
}

struct friendship *sim_add_friend(
	struct host *a, struct host *b, const uint8_t *psk, const struct endpoint *at)
{
	static const uint8_t no_psk[32];
	struct friendship *f = sim_friend(a, b);

	if (!f) {
		assert_true(a->n_friends < SIM_HOSTS);
		f = &a->friends[a->n_friends++];
		f->self = a;
		f->other = b;
	}
	assert_int_equal(device_peer_add(a->device, b->pub, psk ? psk : no_psk, &f->p), TM_OK);
	f->p->owner = f;
	assert_int_equal(device_peer_set_endpoint(a->device, f->p, at, NULL, 0, a->sim->now), TM_OK);
	return f;
}

void sim_befriend(struct host *a, struct host *b, const uint8_t *psk)
{
	sim_add_friend(a, b, psk, &b->at);
	sim_add_friend(b, a, psk, &a->at);
}

void host_restart(struct host *h)
{
	struct endpoint at[SIM_HOSTS];
	uint8_t psk[SIM_HOSTS][32], stamp[SIM_HOSTS][WG_TAI64N] = {{0}};

	/* What a real node keeps on disk. */
	for (size_t i = 0; i < h->n_friends; i++) {
		const struct peer_path *path = atomic_load(&h->friends[i].p->path);

		at[i] = path ? path->remote : (struct endpoint){0};
		memcpy(psk[i], h->friends[i].p->hs.psk, 32);
		(void)device_peer_stamp(h->friends[i].p, stamp[i]);
	}
	shut_down(h);
	boot(h);
	for (size_t i = 0; i < h->n_friends; i++) {
		struct friendship *f = sim_add_friend(h, h->friends[i].other, psk[i], &at[i]);

		device_peer_seed_stamp(f->p, stamp[i]);
	}
}

void host_move(struct host *h)
{
	h->at.ip.bytes[3]++;
	h->at.port++;
}

bool host_has_session(struct host *a, struct host *b)
{
	return atomic_load(&sim_friend(a, b)->p->current) != NULL;
}

uint64_t host_datagrams(const struct host *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(h->sent); i++)
		n += h->sent[i];
	return n;
}

static void expect_all_arrived(struct host *from, struct host *to)
{
	struct friendship *out = sim_friend(from, to), *in = sim_friend(to, from);

	if (in->received != out->sent || in->twice || in->garbage)
		fail_msg("%s -> %s: sent %llu, arrived %llu, twice %llu, garbage %llu, given up %u (seed "
			 "%llu)",
			from->name, to->name, (unsigned long long)out->sent, (unsigned long long)in->received,
			(unsigned long long)in->twice, (unsigned long long)in->garbage, out->dropped,
			(unsigned long long)from->sim->seed);
}

void expect_nothing_lost(struct host *a, struct host *b)
{
	expect_all_arrived(a, b);
	expect_all_arrived(b, a);
}

void expect_connected(struct host *a, struct host *b)
{
	uint64_t a_had = sim_friend(a, b)->received, b_had = sim_friend(b, a)->received;

	host_send(a, b);
	host_send(b, a);
	sim_run(a->sim, 1 * SEC);
	if (sim_friend(a, b)->received == a_had || sim_friend(b, a)->received == b_had)
		fail_msg("%s and %s are not connected (seed %llu)", a->name, b->name,
			(unsigned long long)a->sim->seed);
}
