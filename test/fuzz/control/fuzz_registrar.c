/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A relay's registrar between three members, who say what is right until it is bent, come back with what was
 * said before, and end as they like. What must hold: nothing but a member's own whole, new message changes
 * anything; an address becomes a leg only with the cookie that was sent there; no answer is longer than its
 * question; no more legs than members.
 *
 *   input: steps of 4 bytes: kind 1 | bits 0, 1: the member, 2 to 4: the address | offset 1 | xor 1 (0:
 * whole) kind: 0 asks to be registered, 1 to be forgotten, 2 opens a stream, 3 ends it, 4 says by it that it
 * wants it, 5 the last message again, 6 raw bytes (offset: how many of the input), 7 time passes (offset * 16
 * s), 8 is removed
 */
#include "fuzz/fuzz.h"

#include "control/relay/registrar.h"
#include "crypto/dh.h"
#include "crypto/init.h"

enum { REGISTER, END, STREAM, STREAM_ENDS, CLAIM, AGAIN, RAW, WAIT, REMOVE, KINDS };
enum { MEMBERS = 3, ADDRESSES = 5, USABLE = 3 };
#define RELAY_ID "00000000000000ff"

static const struct endpoint addresses[ADDRESSES] = {
	{.ip = {IP_V4, {192, 0, 2, 1}}, .port = 1},
	{.ip = {IP_V4, {192, 0, 2, 1}}, .port = 2},
	{.ip = {IP_V6, {0x20, 0x01, 0x0d, 0xb8}}, .port = 1},
	{.ip = {IP_V4, {100, 101, 0, 9}}, .port = 1}, /* in the mesh */
	{.ip = {IP_V4, {224, 0, 0, 9}}, .port = 1},
};

static struct {
	uint8_t relay[32];
	struct registrar_member m[MEMBERS];
	uint8_t key[MEMBERS][STUN_KEY];
} all;

struct world {
	struct registrar *r;
	ns_t now;
	struct stun_self self[MEMBERS];
	uint8_t cookie[MEMBERS][ADDRESSES][STUN_COOKIE]; /* given there last */
	bool given[MEMBERS][ADDRESSES];
	uint32_t stream[MEMBERS], streams; /* numbers; 0 = none */
	uint8_t last[STUN_MAX];
	size_t n_last;
	struct way_to last_by;
};

static uint32_t dice(void *ctx)
{
	(void)ctx;
	return 4;
}

static bool find(void *ctx, const char *id, struct registrar_member *ret_member)
{
	(void)ctx;
	for (unsigned i = 0; i < MEMBERS; i++)
		if (strcmp(all.m[i].id, id) == 0) {
			*ret_member = all.m[i];
			return true;
		}
	return false;
}

static void prepare(void)
{
	uint8_t relay_public[32];

	if (all.m[0].host)
		return;
	memset(all.relay, 0x77, sizeof(all.relay));
	dh_clamp(all.relay);
	if (crypto_init(NULL) || dh_public(all.relay, relay_public))
		abort();
	for (unsigned i = 0; i < MEMBERS; i++) {
		uint8_t private[32] = {(uint8_t)(8 * i + 8), [31] = 64};
		struct dh_key *key;

		snprintf(all.m[i].id, sizeof(all.m[i].id), "%016x", i + 1);
		all.m[i].host = i + 1;
		if (dh_public(private, all.m[i].key) || dh_key_new(private, &key) ||
			stun_pair_key(key, relay_public, all.key[i]))
			abort();
		dh_key_free(key);
	}
}

/* What it has to say to be registered, or not any more. */
static size_t question(struct world *w, unsigned member, unsigned address, bool wants, uint8_t *out)
{
	struct stun_msg ask = {.has_lifetime = true, .lifetime_s = wants ? 120 : 0, .has_cookie = true};
	uint64_t stamp;

	memcpy(ask.cookie, w->cookie[member][address], sizeof(ask.cookie));
	w->self[member].real = w->now;
	return stun_ask(&w->self[member], RELAY_ID, all.key[member], &ask, out, STUN_MAX, &stamp);
}

/* whole: it is `member`'s own, and new. */
static void judge(struct world *w, unsigned member, unsigned address, bool whole,
	const struct registrar_out *out, size_t n)
{
	struct stun_msg m;

	assert(out->n <= n);
	if (!whole) {
		assert(out->what == LEG_SAME && !out->n);
		return;
	}
	if (out->what == LEG_PUT && out->way.kind == WAY_UDP) {
		assert(endpoint_eq(&out->way.remote, &addresses[address]) && address < USABLE);
		assert(w->given[member][address] && strcmp(out->member.id, all.m[member].id) == 0);
	}
	if (!out->n)
		return;
	assert(stun_decode(out->answer, out->n, &m) == TM_OK &&
		stun_verify(out->answer, out->n, &m, all.key[member]) == TM_OK);
	if (m.has_cookie) {
		memcpy(w->cookie[member][address], m.cookie, STUN_COOKIE);
		w->given[member][address] = true;
	}
}

static struct way_to by_udp(unsigned address)
{
	return (struct way_to){.kind = WAY_UDP, .remote = addresses[address]};
}

static void says(struct world *w, unsigned member, unsigned address, const struct way_to *by,
	const uint8_t *step, bool wants)
{
	struct registrar_out out;
	size_t n = question(w, member, address, wants, w->last);

	assert(n);
	w->last[step[2] % n] ^= step[3];
	w->last_by = *by;
	uint8_t *msg = fuzz_copy(w->last, n);
	(void)registrar_stun(w->r, by, msg, n, w->now, w->now, &out);
	free(msg);
	judge(w, member, address, !step[3], &out, n);
	w->n_last = out.n ? n : 0; /* what was not answered, for coming too soon, may be right another time */
}

static void opens_stream(struct world *w, unsigned member, unsigned address, const uint8_t *step)
{
	const struct way_to before = {.kind = WAY_RELAY_TCP, .socket = w->stream[member]};
	struct registrar_out out;
	size_t n = question(w, member, address, step[2] & 1, w->last);

	w->last[step[2] % n] ^= step[3];
	int err = registrar_stream(w->r, &addresses[address], w->last, n, w->now, &out);
	assert(out.n <= n && (!step[3] || err));
	w->n_last = err ? 0 : n;
	w->last_by = (struct way_to){.kind = WAY_UDP, .remote = addresses[address]};
	if (err)
		return;
	assert(strcmp(out.member.id, all.m[member].id) == 0);
	if (w->stream[member])
		registrar_stream_down(w->r, all.m[member].id, &before, &out);
	w->stream[member] = ++w->streams;
	const struct way_to way = {
		.kind = WAY_RELAY_TCP, .socket = w->stream[member], .remote = addresses[address]};
	registrar_stream_up(w->r, all.m[member].id, &way, step[2] & 1, &out);
	assert(out.what != LEG_GONE);
}

static void ends_stream(struct world *w, unsigned member)
{
	const struct way_to way = {.kind = WAY_RELAY_TCP, .socket = w->stream[member]};
	struct registrar_out out;

	registrar_stream_down(w->r, all.m[member].id, &way, &out);
	w->stream[member] = 0;
}

static void time_passes(struct world *w, ns_t how_long)
{
	struct registrar_out out;

	w->now += how_long;
	while (registrar_due(w->r, w->now, &out))
		;
	assert(registrar_next(w->r) > w->now);
}

static void step(struct world *w, const uint8_t *step, const uint8_t *rest, size_t n)
{
	const unsigned member = (step[1] & 3) % MEMBERS, address = (step[1] >> 2 & 7) % ADDRESSES;
	const struct way_to udp = by_udp(address), stream = {.kind = WAY_RELAY_TCP,
							   .socket = w->stream[member],
							   .remote = addresses[address]};
	struct registrar_out out = {.n = 0};

	switch (step[0] % KINDS) {
	case REGISTER:
	case END:
		says(w, member, address, &udp, step, step[0] % KINDS == REGISTER);
		break;
	case STREAM:
		opens_stream(w, member, address, step);
		break;
	case STREAM_ENDS:
		ends_stream(w, member);
		break;
	case CLAIM:
		if (w->stream[member])
			says(w, member, address, &stream, step, true);
		break;
	case AGAIN:
		if (w->n_last)
			(void)registrar_stun(w->r, &w->last_by, w->last, w->n_last, w->now, w->now, &out);
		judge(w, member, address, false, &out, w->n_last);
		break;
	case RAW:
		n = n < step[2] ? n : step[2];
		(void)registrar_stun(w->r, &udp, rest, n, w->now, w->now, &out);
		judge(w, member, address, false, &out, n);
		break;
	case WAIT:
		time_passes(w, step[2] * 16 * SEC);
		break;
	case REMOVE:
		registrar_forget(w->r, all.m[member].id, &out);
		w->stream[member] = 0;
		w->n_last = 0; /* a member of that name that is let in anew has said nothing yet */
		break;
	}
	assert(registrar_size(w->r) <= MEMBERS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registrar_config cfg = {.self_id = RELAY_ID, .members_max = 100, .find = find};
	struct world w = {.now = 1000000 * SEC};

	prepare();
	cfg.private_key = all.relay;
	if (prefix_parse("100.101.0.0/16", &cfg.net4) || prefix_parse("fd5c::/64", &cfg.net6) ||
		registrar_new(&cfg, &w.r))
		abort();
	for (unsigned i = 0; i < MEMBERS; i++) {
		w.self[i].random = dice;
		memcpy(w.self[i].id, all.m[i].id, sizeof(w.self[i].id));
	}
	for (size_t i = 0; i + 4 <= size && i < 4 * 200; i += 4) {
		w.now += 100 * MS; /* nobody is over the rate for long */
		step(&w, data + i, data + i + 4, size - i - 4);
	}
	registrar_free(w.r);
	return 0;
}
