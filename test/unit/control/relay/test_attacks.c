/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Strangers, members that mean no good, and those who read along. */
#include "base/bytes.h"
#include "crypto/hash.h"
#include "unit/control/relay/rig.h"

static void registered(struct rig *g, struct asker *a)
{
	asker_registers(g, a);
	assert_true(asker_registers(g, a));
}

/* Nothing is answered, nothing changes, and somebody counted it. */
static void assert_refused(struct rig *g, struct asker *a, const struct way_to *by)
{
	uint64_t before = registrar_refused(g->r);
	size_t size = registrar_size(g->r);

	assert_false(rig_receive(g, a, by));
	assert_true(g->ours);
	assert_int_equal(g->out.what, LEG_SAME);
	assert_int_equal(registrar_refused(g->r), before + 1);
	assert_int_equal(registrar_size(g->r), size);
}

static void a_replayed_registration_is_nothing_wherever_it_comes_from(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0], old;
	struct way_to thief = rig_way("198.51.100.66:1");

	registered(g, a);
	old = *a;
	assert_refused(g, a, &a->way);
	assert_refused(g, a, &thief);
	rig_pass(g, 25 * SEC);
	assert_true(asker_registers(g, a));
	assert_refused(g, &old, &thief);
	/* After a restart, too, when the owner kept the stamp; and else it moves nobody to where it did not
	 * come from. */
	a->m.stamp = registrar_stamp(g->r, a->m.id);
	assert_true(a->m.stamp == a->self.last_stamp);
	rig_restart(g);
	assert_refused(g, a, &a->way);
	a->m.stamp = 0;
	rig_restart(g);
	assert_true(rig_receive(g, &old, &thief));
	assert_int_equal(g->answer.lifetime_s, 0);
	assert_int_equal(g->out.what, LEG_SAME);
}

/* A member wants a relay to flood somebody: it registers with the victim's address as its own. */
static void a_member_with_a_forged_source_address_gets_nothing_there(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];
	struct way_to victim = rig_way("203.0.113.5:53");

	registered(g, a);
	asker_ask(g, a, 120, false);
	/* The victim gets one answer, no longer than the question, and the attacker never sees the cookie. */
	assert_true(rig_receive(g, a, &victim));
	assert_int_equal(g->out.what, LEG_SAME);
	asker_ask(g, a, 120, true); /* the one for its own address */
	assert_true(rig_receive(g, a, &victim));
	assert_int_equal(g->answer.lifetime_s, 0);
	assert_int_equal(g->out.what, LEG_SAME);
	/* Nor does it go on: answers to one member are few. */
	unsigned answers = 0;
	for (unsigned i = 0; i < 1000; i++) {
		asker_ask(g, a, 120, false);
		answers += rig_receive(g, a, &victim);
	}
	assert_true(answers <= REGISTRAR_BURST);
	rig_pass(g, 60 * SEC); /* itself it has served badly, and not for long */
	assert_true(asker_registers(g, a));
}

/* Each change of a leg costs the plane memory that it frees later, and whoever sends there a look. */
static void a_member_that_moves_without_end_moves_twice_a_second(void **state)
{
	enum { SECONDS = 60, TRIES = 1000 };
	struct rig *g = *state;
	struct asker *a = &g->v[0], *b = &g->v[1];
	const struct way_to home[] = {rig_way("192.0.2.1:4000"), rig_way("192.0.2.1:4001")};
	uint8_t cookie[2][STUN_COOKIE];
	unsigned moves = 0;

	for (unsigned i = 0; i < 2; i++) {
		a->way = home[i];
		registered(g, a);
		memcpy(cookie[i], a->cookie, sizeof(cookie[i]));
	}
	for (unsigned i = 0; i < SECONDS * TRIES; i++) {
		memcpy(a->cookie, cookie[i % 2], sizeof(a->cookie));
		asker_ask(g, a, 120, true);
		moves += rig_receive(g, a, &home[i % 2]) && g->out.what == LEG_PUT;
		rig_pass(g, SEC / TRIES);
	}
	assert_in_range(moves, 1, REGISTRAR_BURST + SECONDS * REGISTRAR_RATE);
	assert_int_equal(registrar_size(g->r), 1); /* nor has it more than one */
	registered(g, b);
}

static void the_cookie_of_another_member_or_address_is_none(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0], *b = &g->v[1];
	uint8_t of_b[STUN_COOKIE];

	registered(g, a);
	registered(g, b);
	memcpy(of_b, b->cookie, sizeof(of_b));
	memcpy(b->cookie, a->cookie, sizeof(b->cookie));
	assert_false(asker_registers(g, b)); /* a's cookie, at b's address */
	memcpy(b->cookie, a->cookie, sizeof(b->cookie));
	b->way = a->way;
	assert_false(asker_registers(g, b)); /* a's cookie, at a's address, as b */
	memcpy(b->cookie, of_b, sizeof(of_b));
	b->way = rig_way("192.0.2.77:4000");
	assert_false(asker_registers(g, b)); /* its own, elsewhere */
}

static void a_cookie_grows_old(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	registered(g, a);
	g->real += 2 * 3600 * SEC;
	assert_false(asker_registers(g, a));
	assert_true(asker_registers(g, a));
}

static void nobody_registers_for_another_member(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0], *b = &g->v[1], liar;

	registered(g, a);
	registered(g, b);
	liar = *b; /* its own key and address, a's name */
	memcpy(liar.self.id, a->m.id, sizeof(liar.self.id));
	asker_ask(g, &liar, 120, true);
	assert_refused(g, &liar, &liar.way);
}

static void a_changed_byte_is_a_refusal(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	registered(g, a);
	rig_pass(g, 1 * SEC);
	asker_ask(g, a, 120, true);
	for (size_t i = 0; i < a->n_sent; i++) {
		a->sent[i] ^= 0x10;
		assert_false(rig_receive(g, a, &a->way));
		assert_int_equal(g->out.what, LEG_SAME);
		a->sent[i] ^= 0x10;
	}
	assert_true(rig_receive(g, a, &a->way)); /* none of them has used up its stamp */
}

static uint32_t crc(const uint8_t *p, size_t n)
{
	uint32_t c = UINT32_MAX;

	for (size_t i = 0; i < 8 * n; i++) {
		c ^= i % 8 ? 0 : p[i / 8];
		c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
	}
	return ~c;
}

/* In what it sends next, well-formed and under its key. */
static void add_attribute(struct asker *a, uint16_t type)
{
	enum { HEADER = 20, INTEGRITY = 0x001c, TAG = 32, FINGERPRINT = 0x8028 };
	size_t at = HEADER;

	while (get_be16(a->sent + at) != INTEGRITY)
		at += 4 + ((get_be16(a->sent + at + 2) + 3u) & ~3u);
	put_be32(a->sent + at, (uint32_t)type << 16);
	at += 4;
	put_be16(a->sent + 2, (uint16_t)(at + 4 + TAG - HEADER));
	put_be32(a->sent + at, INTEGRITY << 16 | TAG);
	hmac_sha256(a->key, STUN_KEY, &(struct hash_part){a->sent, at}, 1, a->sent + at + 4);
	at += 4 + TAG;
	put_be16(a->sent + 2, (uint16_t)(at + 8 - HEADER));
	put_be32(a->sent + at + 4, crc(a->sent, at) ^ 0x5354554e);
	put_be32(a->sent + at, (uint32_t)FINGERPRINT << 16 | 4);
	a->n_sent = at + 8;
}

/* RFC 8489 6.3.1: it cannot be done as it is meant. */
static void what_must_be_understood_and_is_not_is_refused(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	registered(g, a);
	rig_pass(g, 1 * SEC);
	asker_ask(g, a, 120, true);
	add_attribute(a, 0x7ffe);
	assert_refused(g, a, &a->way);
	asker_ask(g, a, 120, true);
	add_attribute(a, 0xfffe); /* that need not be */
	assert_true(rig_receive(g, a, &a->way));
	assert_int_equal(g->answer.lifetime_s, 120);
}

static void a_member_with_a_new_key_cannot_be_taken_for_the_old_one(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	registered(g, a);
	a->m.key[5] ^= 1; /* in the directory */
	asker_ask(g, a, 120, true);
	assert_refused(g, a, &a->way);
	registrar_forget(g->r, a->m.id, &g->out);
	assert_int_equal(g->out.what, LEG_GONE);
	asker_ask(g, a, 120, true);
	assert_refused(g, a, &a->way);
}

static void no_leg_lies_inside_the_mesh_or_is_no_address_of_one_host(void **state)
{
	static const char *const rows[] = {"100.101.0.7:4000", "[fd5c::7]:4000", "224.0.0.1:4000",
		"192.0.2.1:0", "0.0.0.0:4000", "[ff02::1]:4000"};
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct way_to by = rig_way(rows[i]);

		asker_ask(g, a, 120, false);
		assert_refused(g, a, &by);
	}
	struct way_to relayed = a->way;
	relayed.kind = WAY_RELAY_UDP; /* through another relay, which would be what others are sent to */
	assert_refused(g, a, &relayed);
}

static void a_question_too_short_for_its_answer_changes_nothing(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];
	struct stun_msg ask = {.has_lifetime = true, .lifetime_s = 120, .has_cookie = true, .pad_to = 124};
	uint64_t stamp;

	registered(g, a);
	rig_pass(g, 1 * SEC);
	a->way = rig_way("192.0.2.77:4000");
	a->self.real = g->real;
	a->n_sent = stun_ask(&a->self, "00000000000000ff", a->key, &ask, a->sent, sizeof(a->sent), &stamp);
	assert_int_equal(a->n_sent, 124);
	assert_refused(g, a, &a->way);
}

/* Names of members are no secret: whoever knows some makes the relay compute a key for each, once. */
static void claims_are_bounded_and_the_honest_get_in(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0], *b = &g->v[1];

	registered(g, a);
	for (unsigned i = 0; i < 100000; i++) {
		struct asker fake = g->v[2];

		fake.key[0] ^= 1;
		if (i % 1000 == 0)
			rig_pass(g, 1 * SEC);
		if (i % 25000 == 0) /* the others stay what they were meanwhile */
			assert_true(asker_registers(g, a));
		fake.n_sent = 0;
		asker_ask(g, &fake, 120, false);
		if (i < 10 || i % 5000 == 0)
			assert_refused(g, &fake, &fake.way);
	}
	registered(g, b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_replayed_registration_is_nothing_wherever_it_comes_from),
		T(a_member_with_a_forged_source_address_gets_nothing_there),
		T(a_member_that_moves_without_end_moves_twice_a_second),
		T(the_cookie_of_another_member_or_address_is_none),
		T(a_cookie_grows_old),
		T(nobody_registers_for_another_member),
		T(a_changed_byte_is_a_refusal),
		T(what_must_be_understood_and_is_not_is_refused),
		T(a_member_with_a_new_key_cannot_be_taken_for_the_old_one),
		T(no_leg_lies_inside_the_mesh_or_is_no_address_of_one_host),
		T(a_question_too_short_for_its_answer_changes_nothing),
		T(claims_are_bounded_and_the_honest_get_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
