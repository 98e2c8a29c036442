/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Candidates told from node to node while the coordinator is away. */
#include "rig.h"

#include "control/path/tell.h"
#include "crypto/init.h"
#include "crypto/kdf.h"
#include "unit/unit.h"

static const uint8_t key[STUN_KEY] = "a key of 32 bytes, known to none";

static struct candidates sample(void)
{
	struct candidates c = {.n = 3};

	c.v[0].type = CAND_HOST;
	c.v[1].type = CAND_SRFLX;
	c.v[2] = (struct candidate){.type = CAND_RELAY, .relay = "0123456789abcdef"};
	assert_int_equal(endpoint_parse("192.0.2.1:51820", &c.v[0].ep), 0);
	assert_int_equal(endpoint_parse("[2001:db8::1]:7", &c.v[1].ep), 0);
	assert_int_equal(endpoint_parse("203.0.113.1:443", &c.v[2].ep), 0);
	return c;
}

static void a_list_is_read_by_whom_it_is_for_and_by_nobody_else(void **state)
{
	static const uint8_t other_key[STUN_KEY] = "another key of 32 bytes, unknown";
	struct candidates c = sample(), got;
	uint8_t p[TELL_MAX];
	struct aead *a;
	bool away = false;

	(void)state;
	assert_int_equal(crypto_init(NULL), 0);
	assert_int_equal(aead_new_with(AEAD_LIBCRYPTO, &a), 0);
	size_t n = tell_seal(a, key, "a", 7, &c, true, p);
	assert_int_equal(n, 1 + 8 + 20 + 16 + AEAD_TAG);
	assert_null(memmem(p, n, c.v[0].ep.ip.bytes, 4));
	assert_int_equal(tell_open(a, key, "a", 7, p, n, &got, &away), 0);
	assert_true(candidates_eq(&got, &c) && away);
	assert_int_equal(tell_open(a, other_key, "a", 7, p, n, &got, &away), TM_EAUTH);
	assert_int_equal(
		tell_open(a, key, "b", 7, p, n, &got, &away), TM_EAUTH); /* sent back to its sender */
	assert_int_equal(
		tell_open(a, key, "a", 8, p, n, &got, &away), TM_EAUTH); /* put into another question */
	assert_int_equal(tell_open(a, key, "a", 7, p, AEAD_TAG - 1, &got, &away), TM_EBADMSG);
	assert_int_equal(tell_open(a, key, "a", 7, p, n - 1, &got, &away), TM_EAUTH);
	aead_free(a);
}

static void the_longest_list_has_room_and_a_spoilt_one_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		int err;
		size_t candidates;
	} rows[] = {
		{"", 0, TM_EBADMSG, 0}, {"\0", 1, TM_OK, 0}, {"\1\0\4\0\7\300\0\2\1", 9, TM_OK, 1},
		{"\0\0\4\0\7\300\0\2", 8, TM_EBADMSG, 0},
		{"\0\0\5\0\7\300\0\2\1", 9, TM_EBADMSG, 0}, /* no such family: how long it is, nobody knows */
		{"\0\3\4\0\7\300\0\2\1", 9, TM_EBADMSG, 0}, /* a relay without its id */
		{"\0\77\4\0\7\300\0\2\1\0\4\0\7\300\0\2\2", 17, TM_OK, 1}, /* a kind that is still to come */
	};
	struct candidates c = {.n = CANDIDATES_MAX}, got;
	uint8_t p[TELL_MAX + 64];
	struct aead *a;
	bool away = false;

	(void)state;
	assert_int_equal(crypto_init(NULL), 0);
	assert_int_equal(aead_new_with(AEAD_LIBCRYPTO, &a), 0);
	for (size_t i = 0; i < c.n; i++)
		c.v[i] = (struct candidate){.type = CAND_RELAY,
			.ep = {.ip = {.family = IP_V6, .bytes = {0x20, 1, [15] = (uint8_t)i}}, .port = 9},
			.relay = "0123456789abcdef"};
	size_t n = tell_seal(a, key, "a", 7, &c, true, p);
	assert_int_equal(n, TELL_MAX);
	assert_int_equal(tell_open(a, key, "a", 7, p, n, &got, &away), 0);
	assert_true(candidates_eq(&got, &c));
	assert_int_equal(tell_open(a, key, "a", 7, p, n + 1, &got, &away), TM_EBADMSG);

	/* What a member could seal that is no list: by hand, under the same key. */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t list_key[AEAD_KEY];

		assert_int_equal(
			hkdf_sha256(key, STUN_KEY, "a", 1, "tunnelmesh candidates 1", list_key, AEAD_KEY), 0);
		assert_int_equal(
			aead_seal(a, list_key, 7, NULL, 0, (const uint8_t *)rows[i].text, rows[i].n, p), 0);
		got.n = 99;
		int err = tell_open(a, key, "a", 7, p, rows[i].n + AEAD_TAG, &got, &away);
		if (err != rows[i].err || got.n != (err ? 99 : rows[i].candidates))
			fail_msg("row %zu: %d, %zu", i, err, got.n);
	}
	aead_free(a);
}

/* How many messages of that kind a side sent since the last look. */
static unsigned told_by(unsigned side)
{
	char *lines = rig_lines(&rig, side);
	unsigned n = 0;

	for (const char *at = lines; (at = strstr(at, path_why_text(WHY_TELL))); at++)
		n++;
	free(lines);
	return n;
}

static void set_link(unsigned side, bool up)
{
	rig_input(&rig, side, (struct core_in){.kind = CORE_LINK, .link_up = up});
}

/* A path between the two, with the coordinator's help. */
static void meet(void)
{
	rig_route(&rig, CAND_HOST, "192.0.2.1:51820", "198.51.100.1:51820", 10 * MS);
	rig_network(&rig, A, "192.0.2.1");
	rig_network(&rig, B, "198.51.100.1");
	set_link(A, true);
	set_link(B, true);
	rig_want(&rig, A);
	rig_run(&rig, 2 * SEC);
	assert_int_equal(rig_view(&rig, A).state, PATH_UP);
	assert_int_equal(rig_view(&rig, B).state, PATH_UP);
	assert_int_equal(told_by(A) + told_by(B), 0);
}

static void a_list_is_told_when_the_coordinator_is_away_once_and_answered_by_the_others(void **state)
{
	(void)state;
	meet();
	set_link(A, false);
	rig_run(&rig, 5 * SEC);
	assert_int_equal(told_by(A), 1);
	assert_int_equal(told_by(B), 1); /* whose link is up, but not A's */
	rig_run(&rig, 60 * SEC);
	assert_int_equal(told_by(A) + told_by(B), 0); /* nothing changed */
	rig_network(&rig, A, "192.0.2.7");
	rig_run(&rig, 5 * SEC);
	assert_int_equal(told_by(A), 1);
	rig_network(&rig, B, "198.51.100.7");
	rig_run(&rig, 5 * SEC);
	assert_int_equal(told_by(A), 0);
	assert_int_equal(told_by(B), 1);
	set_link(A, true);
	rig_network(&rig, A, "192.0.2.8");
	rig_run(&rig, 5 * SEC);
	assert_int_equal(told_by(A), 0); /* the coordinator tells it, and B's link was never away */
}

static void what_is_told_is_tried_as_if_the_coordinator_had_told_it(void **state)
{
	struct candidates c;
	size_t n;
	const struct pair *chosen, *pairs;
	struct endpoint better;
	bool found = false;

	(void)state;
	meet();
	rig.side[A].exchange = rig.side[B].exchange = false;
	set_link(A, false);
	assert_int_equal(endpoint_parse("192.0.2.9:51820", &better), 0);
	rig_input(&rig, A, (struct core_in){.kind = CORE_ADVERTISE, .advertise = {.v = &better, .n = 1}});
	rig_run(&rig, 1 * SEC);
	c = *core_mine(rig.side[A].core);
	assert_true(endpoint_eq(&c.v[0].ep, &better));
	pairs = core_pairs(rig.side[B].core, rig.side[A].self.key, &n, &chosen);
	for (size_t i = 0; i < n; i++)
		found |= endpoint_eq(&pairs[i].way.remote, &better);
	assert_true(found);
}

static void one_that_is_not_answered_is_told_three_times_and_no_more(void **state)
{
	(void)state;
	meet();
	rig.routes[0].loses_checks = true;
	set_link(A, false);
	rig_run(&rig, 30 * SEC);
	assert_int_equal(told_by(A), TELL_TRIES);
	/* Until there is something else to tell. */
	rig.routes[0].loses_checks = false;
	rig_network(&rig, A, "192.0.2.7");
	rig_run(&rig, 5 * SEC);
	assert_int_equal(told_by(A), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_read_by_whom_it_is_for_and_by_nobody_else),
		cmocka_unit_test(the_longest_list_has_room_and_a_spoilt_one_is_refused),
		RIG_TEST(a_list_is_told_when_the_coordinator_is_away_once_and_answered_by_the_others),
		RIG_TEST(what_is_told_is_tried_as_if_the_coordinator_had_told_it),
		RIG_TEST(one_that_is_not_answered_is_told_three_times_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
