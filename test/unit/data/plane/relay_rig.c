/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/plane/relay_rig.h"

#include "wire/wg.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct host a, b, r;
struct host *all[3] = {&a, &b, &r};
uint32_t ours[3], theirs[3];

struct endpoint at(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(text, &ep), TM_OK);
	return ep;
}

void relay_rig_start(unsigned nodes, unsigned relay)
{
	a = b = (struct host){.workers = nodes};
	r = (struct host){.workers = relay};
	fake_reset();
	host_start(&a, 1);
	host_start(&b, 2);
	host_start(&r, 9);
	assert_int_equal(plane_relay_offer(r.plane, true), TM_OK);
}

void register_at(uint32_t host, const char *where, const uint8_t *key)
{
	struct plane_leg leg = {.way = {.remote = at(where)}};

	if (key)
		memcpy(leg.key, key, sizeof(leg.key));
	assert_int_equal(plane_relay_put(r.plane, host, &leg), TM_OK);
}

void use_relay(struct host *h, struct host *peer)
{
	const struct endpoint relay = at(R);
	const struct way_to way = {
		.kind = WAY_RELAY_UDP, .remote = relay, .relay = relay_pair(h->i, peer->i)};

	assert_int_equal(plane_set_relays(h->plane, &relay, 1), TM_OK);
	host_peers(h, &(struct peering){.with = peer, .no_endpoint = true}, 1);
	assert_int_equal(plane_set_way(h->plane, peer->pub, &way, NULL), TM_OK);
}

/* A data message of this length, with its header. */
size_t message(uint32_t from, uint32_t to, size_t n, uint8_t *out)
{
	memset(out, 'd', RELAY_HEADER + n);
	relay_put(out, relay_pair(from, to));
	put_le32(out + RELAY_HEADER, WG_DATA);
	return RELAY_HEADER + n;
}

void expect_drop(enum plane_drop why, uint64_t want)
{
	expect_drops(all, 3, &r, why, want);
}

bool relayed(void *arg)
{
	return plane_relayed(r.plane).packets >= *(uint64_t *)arg;
}

void expect_relayed(uint64_t packets)
{
	EXPECT_SOON(all, relayed, &packets);
	assert_int_equal(plane_relayed(r.plane).packets, packets);
}

int relaying_set_up(void **state)
{
	relay_rig_start(0, *state ? *(unsigned *)*state : 1);
	register_at(1, A, a.pub);
	register_at(2, B, b.pub);
	register_at(3, C, a.pub);
	register_at(65536, D, b.pub);
	use_relay(&a, &b);
	use_relay(&b, &a);
	return 0;
}

void pass(struct host *from, struct host *to, int family, uint16_t serial, size_t payload)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	char name[16];
	size_t n = packet_make(family, from->i, to->i, serial, payload, p);

	snprintf(name, sizeof(name), "tm%u", from->i);
	fake_tun_send(name, p, n);
	assert_int_equal(expect_packet(all, 3, to, got), n);
	assert_memory_equal(got, p, n);
}

/* --- streams --- */

void make_pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
}

uint32_t add_stream(struct host *h, int fd, enum ws_role role, uint32_t host)
{
	const struct plane_stream s = {.fd = fd,
		.role = role,
		.remote = at(role == WS_CLIENT ? R_TCP : "192.0.2.77:1000"),
		.host = host};
	uint32_t number;

	assert_int_equal(plane_stream_add(h->plane, &s, &number), TM_OK);
	return number;
}

void leg_by_stream(uint32_t host, uint32_t stream, const uint8_t *key)
{
	struct plane_leg leg = {.way = {.kind = WAY_RELAY_TCP, .socket = stream}};

	memcpy(leg.key, key, sizeof(leg.key));
	assert_int_equal(plane_relay_put(r.plane, host, &leg), TM_OK);
}

void connect_node(struct host *h)
{
	int fd[2];

	make_pair(fd);
	ours[h->i] = add_stream(h, fd[0], WS_CLIENT, 0);
	theirs[h->i] = add_stream(&r, fd[1], WS_SERVER, h->i);
	leg_by_stream(h->i, theirs[h->i], h->pub);
}

struct way_to by_stream(const struct host *h, uint32_t peer)
{
	return (struct way_to){.kind = WAY_RELAY_TCP,
		.socket = ours[h->i],
		.remote = at(R_TCP),
		.relay = relay_pair(h->i, peer)};
}

void use_stream(struct host *h, struct host *peer)
{
	const struct way_to way = by_stream(h, peer->i);

	host_peers(h, &(struct peering){.with = peer, .no_endpoint = true}, 1);
	assert_int_equal(plane_set_way(h->plane, peer->pub, &way, NULL), TM_OK);
}

int stream_rig_set_up(void **state)
{
	const unsigned workers = *state ? *(unsigned *)*state : 1;

	relay_rig_start(workers, workers);
	connect_node(&a);
	connect_node(&b);
	use_stream(&a, &b);
	use_stream(&b, &a);
	return 0;
}

/* --- ends that the test holds --- */

uint32_t hold_as(struct end *e, const struct host *member)
{
	uint32_t stream;
	int fd[2];

	make_pair(fd);
	e->fd = fd[0];
	ws_decoder_init(&e->in, WS_CLIENT, RELAY_FRAME_MAX);
	stream = add_stream(&r, fd[1], WS_SERVER, member->i);
	leg_by_stream(member->i, stream, member->pub);
	return stream;
}

void hold(struct end *e, uint32_t *ret_stream)
{
	*ret_stream = hold_as(e, &a);
}

void let_go(struct end *e)
{
	close(e->fd);
	ws_decoder_deinit(&e->in);
}

void say(struct end *e, enum ws_opcode op, const uint8_t *p, size_t n)
{
	static const uint8_t mask[WS_MASK] = {9, 8, 7, 6};
	static uint8_t out[RELAY_FRAME_MAX + WS_HEADER_MAX];
	size_t len = ws_encode(op, p, n, mask, out, sizeof(out));

	for (size_t done = 0; done < len;) {
		ssize_t k = write(e->fd, out + done, MIN(len - done, (size_t)777));

		if (k > 0)
			done += (size_t)k;
		else
			assert_int_equal(errno, EAGAIN);
	}
}

/* Byte by byte, so that nothing is left in a buffer. */
bool heard(void *arg)
{
	struct hearing *h = arg;
	uint8_t c;

	while (read(h->e->fd, &c, 1) == 1) {
		struct rd in = rd_over(&c, 1);
		struct ws_event ev;

		assert_int_equal(ws_decode(&h->e->in, &in, &ev), TM_OK);
		if (ev.kind == WS_EV_MORE)
			continue;
		h->kind = ev.kind;
		h->n = ev.n;
		memcpy(h->bytes, ev.data, ev.n);
		return true;
	}
	return false;
}

size_t frame(uint64_t pair, uint16_t segment, size_t n, uint8_t *out)
{
	relay_frame_head(out, pair, segment, 0);
	memset(out + RELAY_FRAME_HEAD, 'd', n);
	for (size_t i = 0; i < n; i += segment)
		put_le32(out + RELAY_FRAME_HEAD + i, WG_DATA);
	return RELAY_FRAME_HEAD + n;
}

static bool lost(void *arg)
{
	return r.n_streams_lost >= *(unsigned *)arg;
}

void expect_lost(unsigned n, uint32_t stream, int err)
{
	EXPECT_SOON(all, lost, &n);
	assert_int_equal(r.n_streams_lost, n);
	assert_int_equal(r.stream_lost, stream);
	assert_int_equal(r.stream_err, err);
}

bool stun_came(void *host)
{
	return ((struct host *)host)->n_stun > 0;
}
