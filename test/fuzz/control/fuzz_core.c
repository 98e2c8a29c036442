/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The path core with one member, fed with any sequence of inputs and with STUN messages that would be right
 * until they are bent. What must hold: it always comes to rest, sends nothing into the mesh, answers no stamp
 * twice, and uses no way that was not given to it.
 *
 *   input: steps of 4 bytes: kind 1 | address 1 | argument 2
 *   kind: enum core_in_kind; from 128 on 0: a check of the member, 1: an answer to our last check, 2: the
 * same message again, 3: time passes (argument * 16 ms), 4: raw bytes (address: how many of the input)
 *   argument of 0 to 2: offset, xor (0: leave it whole)
 */
#include "control/path/core.h"
#include "control/path/stun.h"
#include "crypto/dh.h"
#include "crypto/init.h"
#include "fuzz/fuzz.h"

enum { CHECK = 0x80, ANSWER, AGAIN, WAIT, RAW, KINDS };

struct world {
	struct core *core;
	struct core_member member;
	uint8_t key[STUN_KEY];
	struct stun_self peer;
	ns_t now;
	uint8_t asked[STUN_TXID]; /* of our last check */
	uint8_t last[STUN_MAX]; /* what the core was given */
	size_t last_n;
	unsigned answers;
	uint32_t dice;
};

static uint8_t private_key[2][32], public_key[2][32];
static struct dh_key *peer_key;
static const struct endpoint addresses[] = {
	{.ip = {IP_V4, {192, 0, 2, 1}}, .port = 1},
	{.ip = {IP_V4, {192, 0, 2, 1}}, .port = 2},
	{.ip = {IP_V4, {10, 0, 0, 1}}, .port = 1},
	{.ip = {IP_V6, {0x20, 0x01, 0x0d, 0xb8}}, .port = 1},
	{.ip = {IP_V4, {100, 101, 0, 9}}, .port = 1}, /* in the mesh */
	{.ip = {IP_V4, {127, 0, 0, 1}}, .port = 1},
	{.ip = {IP_NONE, {0}}, .port = 0},
};
static const struct prefix net4 = {{IP_V4, {100, 101}}, 16};

static bool find(void *ctx, const char *id, const uint8_t *key, struct core_member *ret_member)
{
	const struct world *w = ctx;

	if (id ? strcmp(id, w->member.id) != 0 : memcmp(key, w->member.key, 32) != 0)
		return false;
	*ret_member = w->member;
	return true;
}

static uint32_t dice(void *ctx)
{
	struct world *w = ctx;

	return w->dice = w->dice * 1664525 + 1013904223;
}

static void look_at(struct world *w, const struct core_out *out)
{
	char line[CORE_LINE_MAX];
	struct stun_msg m;

	assert(strlen(core_out_format(out, line)) > 0);
	switch (out->kind) {
	case CORE_SEND:
		assert(out->n && stun_decode(out->msg, out->n, &m) == TM_OK);
		w->answers += m.class == STUN_SUCCESS;
		if (m.class == STUN_REQUEST) {
			assert(!prefix_contains(&net4, &out->way.remote.ip));
			memcpy(w->asked, m.txid, STUN_TXID);
		}
		break;
	case CORE_USE:
		assert(!prefix_contains(&net4, &out->way.remote.ip));
		break;
	case CORE_SAMPLE:
		core_input(w->core,
			&(struct core_in){.kind = CORE_ACTIVITY,
				.key = out->peer.key,
				.activity = {.tx_bytes = dice(w) >> 28}},
			w->now);
		break;
	case CORE_ASK:
	case CORE_TELL:
	case CORE_WORKS:
	case CORE_WAKE:
	case CORE_REGISTERED:
	case CORE_STREAM_OPEN:
	case CORE_STREAM_CLOSE:
	case CORE_PROBED:
	case CORE_OPEN:
	case CORE_CLOSE:
	case CORE_AGAIN:
	case CORE_LIVES:
	case CORE_NOTE:
	case CORE_OUT_N:
		break;
	}
}

static void drain(struct world *w)
{
	struct core_out out;

	for (unsigned i = 0; core_output(w->core, w->now, w->now, &out); i++) {
		assert(i < 1000);
		look_at(w, &out);
	}
	assert(core_next(w->core) > w->now);
}

static void receive(struct world *w, const struct endpoint *from, const uint8_t *msg, size_t n)
{
	uint8_t *copy = fuzz_copy(msg, n);

	core_input(w->core,
		&(struct core_in){.kind = CORE_STUN, .stun = {.by = {.remote = *from}, .msg = copy, .n = n}},
		w->now);
	free(copy);
}

static void speak(struct world *w, int kind, const struct endpoint *from, const uint8_t bend[2])
{
	struct stun_msg request = {.class = STUN_REQUEST};
	unsigned before = w->answers;
	uint64_t stamp;

	w->peer.real = w->now;
	memcpy(request.txid, w->asked, STUN_TXID);
	if (kind == CHECK)
		w->last_n = stun_request(&w->peer, "aaaaaaaaaaaaaaaa", w->key, 1, w->last, STUN_MAX, &stamp);
	else if (kind == ANSWER)
		w->last_n = stun_reply(&w->peer, "aaaaaaaaaaaaaaaa", w->key, &request, STUN_MAX, from, NULL,
			w->last, STUN_MAX);
	if (w->last_n)
		w->last[bend[0] % w->last_n] ^= bend[1];
	receive(w, from, w->last, w->last_n);
	if (w->last_n)
		w->last[bend[0] % w->last_n] ^= bend[1];
	drain(w);
	assert(w->answers - before <= (kind != ANSWER && !bend[1]));
	if (kind == CHECK && !bend[1]) { /* once more: silence */
		before = w->answers;
		receive(w, from, w->last, w->last_n);
		drain(w);
		assert(w->answers == before);
	}
}

static void input(struct world *w, enum core_in_kind kind, const struct endpoint *at, uint16_t argument)
{
	struct candidates c = {.n = argument % (CANDIDATES_MAX + 1)};
	struct core_in in = {.kind = kind, .key = w->member.key, .id = w->member.id};
	struct core_relay relay = {.member = w->member, .n = 1};
	uint32_t sockets = argument;

	for (size_t i = 0; i < c.n; i++) {
		c.v[i] = (struct candidate){.type = (enum candidate_type)(argument % CAND_TYPE_N), .ep = *at};
		c.v[i].ep.port = (uint16_t)(at->port + i);
	}
	switch (kind) {
	case CORE_NETWORK:
		in.network.v = &at->ip;
		in.network.n = argument % 2;
		break;
	case CORE_ADVERTISE:
		in.advertise.v = at;
		in.advertise.n = argument % 2;
		break;
	case CORE_SERVER:
		in.server.v = at;
		in.server.n = argument % 3 > 0;
		in.server.spread = argument * MS;
		break;
	case CORE_HEARD:
		in.by.remote = *at;
		break;
	case CORE_CANDIDATES:
		in.candidates = &c;
		in.looks = argument % 2;
		break;
	case CORE_ACTIVITY:
		in.activity.last_recv = w->now;
		in.activity.tx_bytes = argument;
		break;
	case CORE_RELAYS:
		relay.v[0] = *at;
		relay.streams = argument % 2;
		in.relays.v = &relay;
		in.relays.n = argument % 3 > 0;
		break;
	case CORE_STREAM:
		in.stream.remote = *at;
		in.stream.socket = argument % 4;
		break;
	case CORE_STREAM_GONE:
		in.gone = argument % 4;
		break;
	case CORE_LINK:
		in.link_up = argument % 2;
		break;
	case CORE_PORTMAP:
		in.portmap = *at;
		break;
	case CORE_PROBE:
		in.full = argument % 2;
		break;
	case CORE_DOORS:
		in.doors.second = 1;
		in.doors.silent = 2;
		in.doors.second_port = argument;
		in.doors.silent_port = argument;
		break;
	case CORE_SOCKETS:
		in.sockets.v = &sockets;
		in.sockets.n = argument % 2;
		break;
	case CORE_WANT:
	case CORE_STUN:
	case CORE_REMOVE:
	case CORE_ROUTES:
	case CORE_IN_N:
		break;
	}
	core_input(w->core, &in, w->now);
	drain(w);
}

static void setup(void)
{
	if (public_key[0][0])
		return;
	assert(crypto_init(NULL) == TM_OK);
	for (unsigned i = 0; i < 2; i++) {
		memset(private_key[i], (int)i + 1, 32);
		dh_clamp(private_key[i]);
		assert(dh_public(private_key[i], public_key[i]) == TM_OK);
	}
	assert(dh_key_new(private_key[1], &peer_key) == TM_OK);
}

static void step(struct world *w, const uint8_t *data, size_t left)
{
	const struct endpoint *at = &addresses[data[1] % (sizeof(addresses) / sizeof(addresses[0]))];
	int kind = data[0] < CHECK ? data[0] % CORE_IN_N : CHECK + (data[0] - CHECK) % (KINDS - CHECK);

	if (kind == WAIT) {
		for (ns_t end = w->now + (data[2] << 8 | data[3]) * 16 * MS; w->now < end;) {
			w->now = ns_min(end, MAX(core_next(w->core), w->now));
			drain(w);
		}
	} else if (kind == RAW) {
		receive(w, at, data, data[1] < left ? data[1] : left);
		drain(w);
	} else if (kind >= CHECK) {
		speak(w, kind, at, data + 2);
	} else if (kind != CORE_STUN) {
		input(w, (enum core_in_kind)kind, at, (uint16_t)(data[2] << 8 | data[3]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.now = 1000 * SEC};

	setup();
	const struct core_ops ops = {.ctx = &w, .find = find, .random = dice};
	const struct core_config cfg = {.private_key = private_key[0],
		.self_id = "aaaaaaaaaaaaaaaa",
		.self_host = 1,
		.port = 1,
		.net4 = net4};
	w.member.host = 2;
	memcpy(w.member.id, "bbbbbbbbbbbbbbbb", NODE_ID_LEN + 1);
	memcpy(w.member.key, public_key[1], 32);
	assert(stun_pair_key(peer_key, public_key[0], w.key) == TM_OK);
	w.peer = (struct stun_self){.random = dice, .random_ctx = &w};
	memcpy(w.peer.id, w.member.id, sizeof(w.peer.id));
	assert(core_new(&cfg, &ops, &w.core) == TM_OK);

	for (size_t i = 0; i + 4 <= size && i < 4 * 200; i += 4)
		step(&w, data + i, size - i);
	core_free(w.core);
	return 0;
}
