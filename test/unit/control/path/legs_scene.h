/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What tests of our legs share: some relays, of which the first is the coordinator's, that answer by hand. */
#ifndef TM_TEST_LEGS_SCENE_H
#define TM_TEST_LEGS_SCENE_H

#include "unit/unit.h"

#include "base/bytes.h"
#include "control/path/legs.h"
#include "crypto/dh.h"
#include "crypto/init.h"

enum { HUB, NEAR, FAR, N, MANY = 6 };

static const char *const ids[MANY] = {"0000000000000001", "0000000000000002", "0000000000000003",
	"0000000000000004", "0000000000000005", "0000000000000006"};

struct scene {
	struct legs legs;
	struct dh_key *own;
	struct stun_self self;
	struct core_relay told[MANY];
	ns_t rtt[MANY]; /* 0: does not answer */
	bool deaf[2]; /* what is sent by that family gets lost */
	unsigned asked[MANY], registered[MANY]; /* questions, and those of them that would register */
	unsigned opened, closed, claims; /* claims: questions by the stream */
	char closed_to[NODE_ID_LEN + 1];
	ns_t now;
};

static inline uint32_t no_dice(void *ctx UNUSED)
{
	return 0;
}

static inline int scene_open(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	uint8_t private[DH_KEY] = {8, [31] = 64};

	assert_non_null(s);
	legs_init(&s->legs);
	s->now = 100 * SEC;
	s->self.random = no_dice;
	snprintf(s->self.id, sizeof(s->self.id), "fedcba9876543210");
	assert_int_equal(dh_key_new(private, &s->own), TM_OK);
	for (unsigned i = 0; i < MANY; i++) {
		char text[2][40];

		private[1] = (uint8_t)(i + 1);
		snprintf(s->told[i].member.id, sizeof(s->told[i].member.id), "%s", ids[i]);
		s->told[i].member.host = i + 1;
		assert_int_equal(dh_public(private, s->told[i].member.key), TM_OK);
		snprintf(text[0], sizeof(text[0]), "192.0.2.%u:1", i + 1);
		snprintf(text[1], sizeof(text[1]), "[2001:db8::%u]:1", i + 1);
		for (unsigned family = 0; family < 2; family++)
			assert_int_equal(endpoint_parse(text[family], &s->told[i].v[family]), TM_OK);
		s->told[i].n = 2;
		s->rtt[i] = 50 * MS;
	}
	s->told[HUB].streams = true;
	*state = s;
	return 0;
}

static inline int scene_close(void **state)
{
	struct scene *s = *state;

	legs_deinit(&s->legs);
	dh_key_free(s->own);
	free(s);
	return 0;
}

static inline void answer(struct scene *s, unsigned i, const struct legs_out *out)
{
	struct stun_msg q, a = {.class = STUN_SUCCESS, .has_cookie = true, .cookie = {9}};
	const uint8_t *key;
	struct leg *leg;

	assert_int_equal(stun_decode(out->msg, out->n, &q), TM_OK);
	s->asked[i]++;
	s->registered[i] += q.has_lifetime;
	if (!s->rtt[i] || s->deaf[out->way.remote.ip.family == IP_V6])
		return;
	a.has_lifetime = q.has_lifetime;
	a.lifetime_s = q.cookie[0] == 9 ? 120 : 0;
	a.mapped = out->way.remote; /* whatever */
	a.mapped.port = 40000;
	memcpy(a.txid, q.txid, sizeof(a.txid));
	leg = legs_asked(&s->legs, ids[i], &a, &out->way.remote, &key);
	assert_non_null(leg);
	(void)legs_answered(&s->legs, leg, &a, &out->way.remote, false, 0, s->now + s->rtt[i]);
}

static inline void drain(struct scene *s)
{
	struct legs_out out;
	bool lost = false;

	for (unsigned turns = 0; legs_step(&s->legs, &s->self, s->now, &out, &lost); turns++) {
		assert_true(turns < 100);
		s->opened += out.kind == CORE_STREAM_OPEN;
		s->closed += out.kind == CORE_STREAM_CLOSE;
		if (out.kind == CORE_STREAM_CLOSE)
			snprintf(s->closed_to, sizeof(s->closed_to), "%s", out.to->id);
		s->claims += out.kind == CORE_SEND && out.way.kind == WAY_RELAY_TCP;
		if (out.kind == CORE_SEND && out.way.kind == WAY_UDP)
			answer(s, (unsigned)(out.to->id[NODE_ID_LEN - 1] - '1'), &out);
	}
}

static inline void run(struct scene *s, ns_t how_long)
{
	const ns_t end = s->now + how_long;

	drain(s);
	for (ns_t next; (next = legs_next(&s->legs, s->now)) <= end;) {
		s->now = MAX(next, s->now + 1);
		drain(s);
	}
	s->now = end;
}

static inline void begin(struct scene *s, size_t relays)
{
	const struct core_relay *hub = &s->told[HUB];

	s->legs.link_up = true;
	assert_int_equal(
		legs_set_coordinator(&s->legs, s->own, ids[HUB], hub->member.key, hub->v, hub->n, 0, s->now),
		TM_OK);
	legs_set(&s->legs, s->own, s->told, relays, 0, s->now);
	run(s, 10 * SEC);
}

/* How it reaches the third relay's member through relays. */
static inline size_t ways(struct scene *s, bool wanted, struct way_to v[LEGS_WAYS_MAX])
{
	const struct core_member peer = {.id = "00000000000000ff"};

	return legs_ways(&s->legs, 77, &peer, NULL, 0, wanted, s->now, v);
}

#define LEGS_TEST(fn) cmocka_unit_test_setup_teardown(fn, scene_open, scene_close)

#endif
