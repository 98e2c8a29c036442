/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "crypto/dh.h"
#include "crypto/init.h"
#include "packet/csum.h"
#include "wire/wg.h"

#include <poll.h>

#define PATIENCE (30 * SEC)

static struct ip inner(int family, unsigned i)
{
	uint8_t v4[4] = {10, 77, 0, (uint8_t)i};
	uint8_t v6[16] = {0xfd, 0x77, [15] = (uint8_t)i};

	return family == 4 ? ip_v4(v4) : ip_v6(v6);
}

static struct endpoint outer(const struct host *h)
{
	uint8_t v4[4] = {192, 0, 2, (uint8_t)h->i};

	return (struct endpoint){.ip = ip_v4(v4), .port = 51820};
}

static void on_stun(void *ctx, const struct way_to *by, const uint8_t *msg, size_t n)
{
	struct host *h = ctx;

	h->n_stun++;
	h->stun_by = *by;
	h->stun_n = n;
	memcpy(h->stun, msg, n);
}

static void on_want(void *ctx, const uint8_t key[32])
{
	(void)key;
	((struct host *)ctx)->n_want++;
}

static void on_heard(void *ctx, const uint8_t key[32], const struct way_to *by)
{
	struct plane_peer_stats st;
	struct host *h = ctx;

	assert_int_equal(plane_peer_stats(h->plane, key, &st), TM_OK);
	if (!endpoint_is_set(&st.way.remote) || endpoint_eq(&st.way.remote, &by->remote)) {
		assert_int_equal(plane_set_way(h->plane, key, by, NULL), TM_OK);
		return;
	}
	h->n_heard++;
	h->heard_by = *by;
}

static void on_session(void *ctx, const uint8_t key[32], bool up)
{
	struct host *h = ctx;

	(void)key;
	if (up)
		h->n_up++;
	else
		h->n_down++;
}

bool rig_trains(void)
{
	return getenv("RIG_TRAINS") != NULL;
}

static void on_offload_lost(void *ctx)
{
	struct host *h = ctx;

	h->n_lost++;
}

static void on_stream_lost(void *ctx, uint32_t stream, int err)
{
	struct host *h = ctx;

	h->n_streams_lost++;
	h->stream_lost = stream;
	h->stream_err = err;
}

static struct host *running[8];
static size_t n_running;

void host_start(struct host *h, unsigned i)
{
	const struct plane_events ev = {.ctx = h,
		.stun = on_stun,
		.want_path = on_want,
		.heard = on_heard,
		.session = on_session,
		.offload_lost = on_offload_lost,
		.stream_lost = on_stream_lost};
	char name[16], ip[32];
	struct diag d = {0};

	assert_true(n_running < ARRAY_LEN(running));
	running[n_running++] = h;
	h->i = i;
	snprintf(name, sizeof(name), "tm%u", i);
	snprintf(ip, sizeof(ip), "192.0.2.%u", i);
	assert_int_equal(crypto_init(&d), TM_OK);
	random_bytes(h->priv, sizeof(h->priv));
	dh_clamp(h->priv);
	assert_int_equal(dh_public(h->priv, h->pub), TM_OK);

	struct plane_config cfg = {
		.tun_name = name,
		.mtu = h->mtu ? h->mtu : RIG_MTU,
		.listen_port = 51820,
		.workers = h->workers ? h->workers : 1,
		.offloads = rig_trains() ? PLANE_OFFLOAD_GSO | PLANE_OFFLOAD_GRO : h->offloads,
		.private_key = h->priv,
		.limits = h->limits.rekey_timeout ? h->limits : wg_limits_default,
		.host = i,
		.self4 = inner(4, i),
		.self6 = inner(6, i),
	};
	assert_int_equal(prefix_parse("10.77.0.0/16", &cfg.net4), TM_OK);
	assert_int_equal(prefix_parse("fd77::/112", &cfg.net6), TM_OK);
	assert_int_equal(prefix_parse("fd77::/64", &cfg.net6), TM_OK);
	fake_host(ip);
	if (plane_new(&cfg, &ev, &h->plane, &d) != TM_OK)
		fail_msg("%s", d.what);
	assert_int_equal(plane_start(h->plane), TM_OK);
}

void host_stop(struct host *h)
{
	plane_free(TAKE(h->plane));
	for (size_t i = 0; i < n_running; i++)
		if (running[i] == h)
			running[i--] = running[--n_running];
}

int rig_teardown(void **state UNUSED)
{
	while (n_running)
		host_stop(running[n_running - 1]);
	return 0;
}

void host_peers(struct host *h, const struct peering *v, size_t n)
{
	plane_peers_begin(h->plane);
	assert_int_equal(plane_peers_clear(h->plane), TM_OK);
	for (size_t i = 0; i < n; i++) {
		struct prefix allowed[3];
		struct plane_peer peer = {
			.allowed = allowed,
			.id = v[i].with->i,
			.forwards = v[i].forwards,
			.follows = v[i].follows,
		};
		struct ip ip4 = inner(4, v[i].with->i), ip6 = inner(6, v[i].with->i);
		size_t k = 0;

		allowed[k++] = prefix_host(&ip4);
		allowed[k++] = prefix_host(&ip6);
		if (v[i].extra)
			assert_int_equal(prefix_parse(v[i].extra, &allowed[k++]), TM_OK);
		memcpy(peer.key, v[i].with->pub, 32);
		peer.n_allowed = k;
		assert_int_equal(plane_peer_put(h->plane, &peer), TM_OK);
	}
	assert_int_equal(plane_peers_commit(h->plane), TM_OK);
	for (size_t i = 0; i < n; i++) {
		const struct way_to way = {.remote = outer(v[i].with), .local = outer(h).ip};

		if (!v[i].no_endpoint)
			assert_int_equal(plane_set_way(h->plane, v[i].with->pub, &way, NULL), TM_OK);
	}
}

void rig_connect(struct host *a, struct host *b)
{
	host_peers(a, &(struct peering){.with = b}, 1);
	host_peers(b, &(struct peering){.with = a}, 1);
}

static void print_drops(const struct host *h)
{
	uint64_t v[DROP_N];

	plane_drops(h->plane, v);
	for (size_t i = 0; i < DROP_N; i++)
		if (v[i])
			print_error("host %u: %s %" PRIu64 "\n", h->i, plane_drop_label((enum plane_drop)i),
				v[i]);
}

bool rig_until(struct host **hosts, size_t n, bool (*cond)(void *arg), void *arg)
{
	ns_t deadline = time_monotonic() + PATIENCE;

	while (!cond(arg)) {
		struct pollfd pf[8];
		ns_t now = time_monotonic(),
		     next = now + 5 * MS; /* the condition may also change by a worker alone */

		if (now > deadline)
			return false;
		for (size_t i = 0; i < n; i++) {
			ns_t at = plane_service(hosts[i]->plane, now);

			next = ns_min(next, at);
			pf[i] = (struct pollfd){.fd = plane_fd(hosts[i]->plane), .events = POLLIN};
		}
		poll(pf, n, time_poll_ms(now, next));
	}
	return true;
}

uint64_t host_drops(const struct host *h, enum plane_drop d)
{
	uint64_t v[DROP_N];

	plane_drops(h->plane, v);
	return v[d];
}

struct drop_wait {
	const struct host *h;
	enum plane_drop d;
	uint64_t want;
};

static bool dropped(void *arg)
{
	const struct drop_wait *w = arg;

	return host_drops(w->h, w->d) >= w->want;
}

void expect_drops(struct host **hosts, size_t n, const struct host *h, enum plane_drop d, uint64_t want)
{
	struct drop_wait w = {h, d, want};

	if (rig_until(hosts, n, dropped, &w) && host_drops(h, d) == want)
		return;
	print_drops(h);
	fail_msg("expected %" PRIu64 " drops \"%s\"", want, plane_drop_label(d));
}

uint64_t host_sent(const struct host *from, const struct host *to)
{
	struct plane_peer_stats st;

	assert_int_equal(plane_peer_stats(from->plane, to->pub, &st), TM_OK);
	return st.tx_packets;
}

struct sent_wait {
	const struct host *from, *to;
	uint64_t want;
};

static bool has_sent(void *arg)
{
	const struct sent_wait *w = arg;

	return host_sent(w->from, w->to) >= w->want;
}

void expect_sent(struct host **hosts, size_t n, const struct host *from, const struct host *to, uint64_t want)
{
	struct sent_wait w = {from, to, want};

	if (!rig_until(hosts, n, has_sent, &w)) {
		print_drops(from);
		fail_msg("host %u sent %" PRIu64 " packets of %" PRIu64, from->i, host_sent(from, to), want);
	}
	assert_int_equal(host_sent(from, to), want);
}

size_t packet_make(int family, unsigned from, unsigned to, uint16_t serial, size_t payload, uint8_t *out)
{
	struct ip src = inner(family, from), dst = inner(family, to);
	size_t udp = 8 + payload, header = family == 4 ? 20 : 40;
	uint8_t *u = out + header;

	memset(out, 0, header + udp);
	if (family == 4) {
		out[0] = 0x45;
		put_be16(out + 2, (uint16_t)(header + udp));
		put_be16(out + 4, serial);
		out[6] = 0x40;
		out[8] = 64;
		out[9] = 17;
		memcpy(out + 12, src.bytes, 4);
		memcpy(out + 16, dst.bytes, 4);
		put_be16(out + 10, csum_finish(csum_add(out, 20, 0)));
	} else {
		out[0] = 0x60;
		put_be16(out + 4, (uint16_t)udp);
		out[6] = 17;
		out[7] = 64;
		memcpy(out + 8, src.bytes, 16);
		memcpy(out + 24, dst.bytes, 16);
	}
	put_be16(u, serial);
	put_be16(u + 2, 7);
	put_be16(u + 4, (uint16_t)udp);
	for (size_t i = 0; i < payload; i++)
		u[8 + i] = (uint8_t)(serial + i);
	return header + udp;
}

uint16_t packet_serial(const uint8_t *p)
{
	return get_be16(p + (p[0] >> 4 == 4 ? 20 : 40));
}

struct packet_wait {
	const struct host *h;
	uint8_t *out;
	size_t n;
};

static bool packet_came(void *arg)
{
	struct packet_wait *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "tm%u", w->h->i);
	w->n = fake_tun_recv(name, w->out, FAKE_BYTES);
	return w->n > 0;
}

size_t expect_packet(struct host **hosts, size_t n, const struct host *h, uint8_t *out)
{
	struct packet_wait w = {.h = h, .out = out};

	if (!rig_until(hosts, n, packet_came, &w)) {
		for (size_t i = 0; i < n; i++)
			print_drops(hosts[i]);
		fail_msg("no packet arrived at host %u", h->i);
	}
	return w.n;
}

void rig_warm(struct host *a, struct host *b)
{
	struct host *both[] = {a, b};
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	char name[16];

	for (int k = 0; k < 2; k++) {
		struct host *from = both[k], *to = both[!k];
		size_t n = packet_make(4, from->i, to->i, 60000, 4, p);

		snprintf(name, sizeof(name), "tm%u", from->i);
		fake_tun_send(name, p, n);
		assert_int_equal(expect_packet(both, 2, to, got), n);
		assert_memory_equal(p, got, n);
	}
}

size_t rig_intercept(struct host *from, const uint8_t *inner, size_t n, uint8_t *sealed)
{
	size_t before = fake_sent(), len;
	char name[16];

	snprintf(name, sizeof(name), "tm%u", from->i);
	fake_blackhole(true);
	fake_tun_send(name, inner, n);
	while (fake_sent() == before)
		plane_service(from->plane, time_monotonic());
	len = fake_last(WG_DATA, sealed, FAKE_BYTES, NULL);
	fake_blackhole(false);
	return len;
}
