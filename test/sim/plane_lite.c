/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What workers do, one packet at a time, and what the device asks of its owner. */
#include "base/bytes.h"
#include "sim/host.h"
#include "sim/relay.h"
#include "wire/relay.h"
#include "wire/stun.h"
#include "wire/wg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PAYLOAD_MAGIC UINT64_C(0x746f6d6f6c646f6c)
enum { PAYLOAD = 32 };

/* One for all: it holds no state between two calls. */
static struct aead *shared_aead(void)
{
	static struct aead *aead;

	if (!aead)
		assert_int_equal(aead_new(&aead), TM_OK);
	return aead;
}

/* What a worker does when it turns a timer input from nothing to a time. */
static void start_waiting(struct host *h, struct peer *p, _Atomic(ns_t) *what)
{
	ns_t nothing = 0;

	if (atomic_compare_exchange_strong(what, &nothing, h->sim->now) && !atomic_exchange(&p->armed, true))
		device_observe(h->device, p, h->sim->now);
}

void host_put_by(struct host *h, const struct way_to *by, const uint8_t *msg, size_t n)
{
	uint8_t relayed[SIM_MTU];
	uint16_t port = 0;

	switch (by->kind) {
	case WAY_UDP:
		port = by->socket ? host_socket_port(h, by->socket) : 0;
		if (!by->socket || port)
			host_put_from(h, port, &by->remote, &by->local, msg, n);
		break;
	case WAY_RELAY_UDP:
		assert_true(n + RELAY_HEADER <= sizeof(relayed));
		relay_put(relayed, by->relay);
		memcpy(relayed + RELAY_HEADER, msg, n);
		host_put_on_wire(h, &by->remote, &by->local, relayed, RELAY_HEADER + n);
		break;
	case WAY_RELAY_TCP:
		relay_stream_put(h, by, msg, n);
		break;
	}
}

/* And by the one that it is in doubt with. */
static void put_by_chosen(
	struct host *h, const struct peer *p, const struct way_to *by, const uint8_t *msg, size_t n)
{
	const struct way *also = atomic_load(&p->also);

	host_put_by(h, by, msg, n);
	if (also)
		host_put_by(h, &also->to, msg, n);
}

struct kept_datagram {
	ns_t at;
	size_t n;
	uint8_t bytes[WG_DATA_OVERHEAD + PAYLOAD];
};

static void keep(struct host *h, struct friendship *f, const uint8_t *msg, size_t n)
{
	if (!f)
		return; /* it is being removed */
	if (!f->kept)
		f->kept = calloc(HOST_KEPT, sizeof(*f->kept));
	assert_non_null(f->kept);

	struct kept_datagram *k = &f->kept[f->n_kept++ % HOST_KEPT];
	*k = (struct kept_datagram){.at = h->sim->now, .n = n};
	memcpy(k->bytes, msg, n);
}

void host_send_again(struct host *h, const struct peer *p, const struct way_to *by, ns_t since)
{
	struct friendship *f = p->owner;

	for (uint64_t i = f->n_kept > HOST_KEPT ? f->n_kept - HOST_KEPT : 0; i < f->n_kept; i++) {
		const struct kept_datagram *k = &f->kept[i % HOST_KEPT];

		if (k->at < since)
			continue;
		host_put_by(h, by, k->bytes, k->n);
		f->again++;
	}
}

static bool transmit(struct host *h, struct peer *p, struct keypair *kp, const uint8_t *payload, size_t n)
{
	const struct way *way = atomic_load(&p->way);
	uint8_t msg[WG_DATA_OVERHEAD + PAYLOAD];
	struct aead_op op = {.key = kp->send_key, .data = msg + WG_DATA_HEADER, .n = n};
	bool renew;

	if (!way || keypair_send_reserve(kp, h->sim->now, 1, &op.counter, &renew) < 0)
		return false;

	wg_data_header(msg, kp->remote_index, op.counter);
	if (n)
		memcpy(op.data, payload, n);
	assert_int_equal(aead_seal_batch(shared_aead(), &op, 1), 0);
	put_by_chosen(h, p, &way->to, msg, WG_DATA_OVERHEAD + n);
	keep(h, p->owner, msg, WG_DATA_OVERHEAD + n);
	atomic_fetch_add(&p->tx_bytes, WG_DATA_OVERHEAD + n);
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

	if (!atomic_load(&f->p->way))
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

	assert_true(number < HOST_PACKETS);
	payload_fill(payload, number);
	if (!kp || !transmit(a, f->p, kp, payload, sizeof(payload))) {
		if (f->n_staged < HOST_STAGED)
			f->staged[f->n_staged++] = number;
		else
			f->dropped++;
		if (!atomic_load(&f->p->way))
			host_want(a, f->p);
		device_want_session(a->device, f->p, a->sim->now);
	}
	host_settle(a);
}

static void deliver(struct friendship *f, const uint8_t *payload, size_t n)
{
	uint64_t number = get_le64(payload);

	if (n != PAYLOAD || get_le64(payload + 8) != (number ^ PAYLOAD_MAGIC) || number >= HOST_PACKETS) {
		f->garbage++;
		return;
	}
	if (!f->seen)
		f->seen = calloc(1, HOST_PACKETS / 8);
	assert_non_null(f->seen);
	if (f->seen[number / 8] & 1u << number % 8) {
		f->twice++;
		return;
	}
	f->seen[number / 8] |= (uint8_t)(1u << number % 8);
	f->received++;
}

static struct way_to came_by(const struct host *h, const struct datagram *dg)
{
	struct way_to by = {.remote = dg->from, .local = dg->to.ip, .local_ifindex = 1};

	for (unsigned i = 0; dg->to.port != h->at.port && i < HOST_SOCKETS; i++)
		if (h->sockets[i].number && h->sockets[i].port == dg->to.port)
			by.socket = h->sockets[i].number;
	return by;
}

static void receive_data(struct host *h, const struct way_to *by, uint8_t *msg, size_t n)
{
	const ns_t now = h->sim->now;
	const struct way *way;
	struct wg_data m;
	struct keypair *kp;
	struct aead_op op;
	struct peer *p;

	if (wg_data_decode(msg, n, &m) < 0)
		return;

	kp = index_find(device_index(h->device), m.receiver);
	if (!kp || keypair_recv_check(kp, now, m.counter) < 0)
		return;

	op = (struct aead_op){.key = kp->recv_key,
		.counter = m.counter,
		.data = msg + WG_DATA_HEADER,
		.n = m.sealed_len - WG_TAG};
	if (aead_open_batch(shared_aead(), &op, 1) != 0 || keypair_recv_mark(kp, m.counter) < 0)
		return;

	p = kp->peer;
	atomic_store(&p->last_auth_recv, now);
	atomic_store(&p->data_sent_unanswered, 0);
	way = atomic_load(&p->way);
	if (way && way_to_eq(&way->to, by))
		atomic_store(&p->last_way_recv, now);
	else if (now >= atomic_load(&p->heard_again))
		device_heard(h->device, p, by, now);
	if (!atomic_exchange(&kp->confirmed, true))
		device_confirmed(h->device, p, kp, now);
	if (op.n) {
		start_waiting(h, p, &p->data_recv_unacked);
		deliver(p->owner, op.data, op.n);
	}
	if (keypair_recv_wants_renewal(kp, now))
		device_want_session(h->device, p, now);
}

void host_receive_by(struct host *h, const struct way_to *by, uint8_t *msg, size_t n)
{
	if (wg_classify(msg, n) == WG_DATA) {
		receive_data(h, by, msg, n);
	} else if (!wg_classify(msg, n) && stun_classify(msg, n)) {
		host_stun(h, by, msg, n);
	} else {
		enum device_verdict v = device_receive(h->device, h->sim->now, by, msg, n, h->waiting);

		h->verdicts[v]++;
	}
}

void host_receive(struct host *h, struct datagram *dg)
{
	struct way_to by = came_by(h, dg);

	if (h->relay && relay_takes(h->relay, dg))
		return;
	by.relay = relay_get(dg->bytes, dg->n);
	if (!by.relay) {
		host_receive_by(h, &by, dg->bytes, dg->n);
	} else if (h->core && relay_other(by.relay, (uint32_t)h->number + 1)) {
		by.kind = WAY_RELAY_UDP;
		host_receive_by(h, &by, dg->bytes + RELAY_HEADER, dg->n - RELAY_HEADER);
	}
}

static void bury(struct host *h, void *body, void (*free_fn)(void *))
{
	assert_true(h->n_graves < ARRAY_LEN(h->grave));
	h->grave[h->n_graves] = body;
	h->grave_free[h->n_graves++] = free_fn;
}

/* device_ops */

static void op_send(void *ctx, struct peer *p, const struct way_to *by, const uint8_t *msg, size_t n)
{
	struct host *h = ctx;

	if (p)
		atomic_fetch_add(&p->tx_bytes, n);
	const struct way *way = p ? atomic_load(&p->way) : NULL;

	h->last_local = by->local;
	if (way && way_to_eq(&way->to, by))
		put_by_chosen(h, p, by, msg, n);
	else
		host_put_by(h, by, msg, n);
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

static void op_retire_way(void *ctx, struct way *way)
{
	bury(ctx, way, free);
}

static void op_retire_peer(void *ctx, struct peer *p)
{
	bury(ctx, p, device_peer_free);
}

static void op_want_way(void *ctx, struct peer *p)
{
	struct friendship *f = p->owner;

	f->want_way++;
	host_want(ctx, p);
}

static void op_heard(void *ctx, struct peer *p, const struct way_to *by)
{
	host_heard(ctx, p, by);
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

ns_t host_real_time(const struct host *h)
{
	return 1767225600 * SEC + h->sim->now + h->clock_offset; /* 2026-01-01 */
}

static ns_t op_real_time(void *ctx)
{
	return host_real_time(ctx);
}

void host_boot_device(struct host *h)
{
	const struct device_ops ops = {
		.ctx = h,
		.send = op_send,
		.send_keepalive = op_send_keepalive,
		.flush_staged = op_flush_staged,
		.drop_staged = op_drop_staged,
		.retire_keypair = op_retire_keypair,
		.retire_way = op_retire_way,
		.retire_peer = op_retire_peer,
		.want_way = op_want_way,
		.heard = op_heard,
		.session_changed = op_session_changed,
		.entropy = op_entropy,
		.real_time = op_real_time,
	};
	const struct device_config cfg = {.private_key = h->priv, .limits = h->limits, .load_threshold = 100};

	assert_int_equal(device_new(&cfg, &ops, &h->device), TM_OK);
	host_settle(h);
}
