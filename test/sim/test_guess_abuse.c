/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A member that lies about where it is, to have others send guesses (decision 39) to somebody else. */
#include "control/path/birthday.h"
#include "control/path/core_private.h"
#include "control/path/stun.h"
#include "crypto/dh.h"
#include "sim/guess_story.h"
#include "wire/relay.h"

static uint32_t no_dice(void *ctx)
{
	(void)ctx;
	return 0;
}

/* A message of `from`, as nobody else could make it, that names a victim's address for the guesses. */
static void ask_for(enum stun_guess_role role, struct host *from, struct host *to, const struct mesh *m,
	const struct endpoint *victim)
{
	struct stun_self self = {.real = host_real_time(from), .random = no_dice};
	struct stun_msg ask = {.guess = {.role = role, .n = 1, .seen = {*victim}}};
	struct way_to way = {.kind = WAY_RELAY_UDP, .remote = m->c->host->at};
	uint8_t key[STUN_KEY], msg[STUN_MAX];
	struct dh_key *own;
	uint64_t stamp;

	memcpy(self.id, from->id, sizeof(self.id));
	way.relay = relay_pair((uint32_t)from->number + 1, (uint32_t)to->number + 1);
	assert_int_equal(dh_key_new(from->priv, &own), TM_OK);
	assert_int_equal(stun_pair_key(own, to->pub, key), TM_OK);
	dh_key_free(own);
	size_t n = stun_ask(&self, to->id, key, &ask, msg, sizeof(msg), &stamp);
	host_put_by(from, &way, msg, n);
}

static void ask_for_guesses(
	struct host *from, struct host *to, const struct mesh *m, const struct endpoint *victim)
{
	ask_for(STUN_GUESS_OPENS, from, to, m, victim);
}

/* Where well known services are nobody of us has a fresh port, or one that guesses come from. */
static void who_is_sent_to_a_low_port_sends_nothing(void **state)
{
	static const struct {
		const struct nat_kind *kind;
		enum stun_guess_role role; /* of the one who asks */
		uint16_t port;
		bool sent;
	} rows[] = {
		{&preserving, STUN_GUESS_OFFERS, 53, false},
		{&preserving, STUN_GUESS_OFFERS, 16383, false},
		{&preserving, STUN_GUESS_OFFERS, 65400, false},
		{&preserving, STUN_GUESS_OFFERS, 16384, true},
		{&hard, STUN_GUESS_GUESSES, 53, false},
		{&hard, STUN_GUESS_GUESSES, 1023, false},
		{&hard, STUN_GUESS_GUESSES, 1024, true},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mesh m = with_relay(1, rows[i].kind, rows[i].kind);
		struct endpoint victim = sim_host(m.s, "victim")->at;

		victim.port = rows[i].port;
		m.a->victim = victim.ip;
		hub_at = m.c->host->at;
		host_line(m.b)->passes = only_the_hub;
		for (unsigned k = 0; k < 20; k++) { /* sooner than either's own question */
			talk(m.a, m.b, true, 50 * MS, 50 * MS);
			ask_for(rows[i].role, m.b, m.a, &m, &victim);
		}
		talk(m.a, m.b, true, 100 * MS, SEC);
		if ((m.a->guesses_there > 0) != rows[i].sent)
			fail_msg("row %zu, port %u: %u", i, rows[i].port, m.a->guesses_there);
		sim_free(m.s);
	}
}

/* Who says that it is elsewhere: reached by the relay alone, as long as it wants. */
static struct host *evil_member(struct mesh *m, struct host *knows, const struct nat_kind *kind)
{
	struct host *evil = sim_member(m->s->internet, m->c, "evil");

	hub_at = m->c->host->at;
	plug_behind(evil, kind);
	host_line(evil)->passes = only_the_hub;
	sim_meet(knows, evil);
	return evil;
}

/* Two hundred bytes a second of it, for an hour; the honest one comes in the middle. */
static void a_member_cannot_have_a_victim_flooded_and_an_honest_one_is_found_beside_it(void **state)
{
	struct mesh m = with_relay(1, &easy, &hard);
	struct host *evil = evil_member(&m, m.a, &hard), *victim = sim_host(m.s, "victim");
	(void)state;

	m.a->victim = victim->at.ip;
	sim_run(m.s, 5 * SEC);
	for (unsigned second = 0; second < 3600; second++) {
		talk(evil, m.a, true, 500 * MS, SEC);
		ask_for_guesses(evil, m.a, &m, &victim->at);
		if (second == 1800)
			assert_true(direct_after(&m, 20 * SEC) != NS_NEVER);
	}
	print_message("%u datagrams in an hour\n", m.a->guesses_there);
	assert_in_range(m.a->guesses_there, BIRTHDAY_UNSEEN, 5 * BIRTHDAY_UNSEEN);
	sim_free(m.s);
}

/* Each of them asks for no more than one attempt. */
static void many_members_together_cannot_either(void **state)
{
	enum { MANY = 70, AN_HOUR = 60 };
	struct mesh m = with_relay(1, &easy, &hard);
	struct host *evil[MANY], *victim = sim_host(m.s, "victim");
	(void)state;

	for (unsigned i = 0; i < MANY; i++)
		evil[i] = evil_member(&m, m.a, &hard);
	sim_run(m.s, 10 * SEC);
	for (unsigned i = 0; i < MANY; i++) {
		talk(evil[i], m.a, true, 500 * MS, SEC);
		ask_for_guesses(evil[i], m.a, &m, &victim->at);
		sim_run(m.s, 4 * SEC);
	}
	assert_in_range(m.a->guesses, (AN_HOUR - 10) * BIRTHDAY_UNSEEN, AN_HOUR * BIRTHDAY_UNSEEN);
	sim_free(m.s);
}

/* Nobody outside can have a member look around in the network that it is in. Neither would ask by itself so
 * soon. */
static void what_is_private_here_is_not_guessed_at(void **state)
{
	struct mesh m = with_relay(1, &easy, &easy);
	struct endpoint inside = m.a->at;
	(void)state;

	hub_at = m.c->host->at;
	host_line(m.b)->passes = only_the_hub;
	talk(m.a, m.b, true, 100 * MS, 200 * MS);
	inside.ip.bytes[3] ^= 1;
	ask_for_guesses(m.b, m.a, &m, &inside);
	talk(m.a, m.b, true, 100 * MS, 300 * MS);
	assert_int_equal(m.a->guesses, 0);
	/* Nor does that count as an attempt. */
	ask_for_guesses(m.b, m.a, &m, &(struct endpoint){.ip = ip_v4_host(0xcb007105), .port = 5});
	talk(m.a, m.b, true, 100 * MS, 300 * MS);
	assert_true(m.a->guesses > 0);
	sim_free(m.s);
}

/* A guess that goes into the mesh's own tunnel would be carried by what it looks for. */
static void nothing_is_guessed_through_the_mesh_itself(void **state)
{
	const struct endpoint there = {.ip = ip_v4_host(0xcb007105), .port = 5};
	struct mesh m = with_relay(1, &easy, &easy);
	(void)state;

	hub_at = m.c->host->at;
	host_line(m.b)->passes = only_the_hub;
	talk(m.a, m.b, true, 100 * MS, 200 * MS);
	m.a->in_mesh = there.ip;
	ask_for_guesses(m.b, m.a, &m, &there);
	talk(m.a, m.b, true, 100 * MS, 300 * MS);
	assert_int_equal(m.a->guesses, 0);
	m.a->in_mesh = (struct ip){0};
	ask_for_guesses(m.b, m.a, &m, &there);
	talk(m.a, m.b, true, 100 * MS, 300 * MS);
	assert_true(m.a->guesses > 0);
	sim_free(m.s);
}

/* While it is guessed at it answers from where it really is, and is silent again then. */
static void who_is_found_elsewhere_was_not_found(void **state)
{
	struct mesh m = with_relay(1, &easy, &hard);
	struct host *evil = evil_member(&m, m.a, &easy), *victim = sim_host(m.s, "victim");
	unsigned shown = 0;
	(void)state;

	m.a->victim = victim->at.ip;
	sim_run(m.s, 5 * SEC);
	for (unsigned second = 0; second < 3600; second++) {
		const unsigned before = m.a->guesses_there;

		talk(evil, m.a, true, 500 * MS, SEC);
		ask_for_guesses(evil, m.a, &m, &victim->at);
		talk(evil, m.a, true, 100 * MS, 500 * MS);
		if (m.a->guesses_there == before)
			continue;
		host_line(evil)->passes = NULL;
		talk(evil, m.a, true, 100 * MS, 5 * SEC);
		shown += is_direct(m.a, evil);
		host_line(evil)->passes = only_the_hub;
	}
	print_message("%u datagrams in an hour, %u times it answered\n", m.a->guesses_there, shown);
	assert_true(shown > 0);
	assert_in_range(m.a->guesses_there, BIRTHDAY_UNSEEN, 6 * BIRTHDAY_UNSEEN);
	assert_true(direct_after(&m, 20 * SEC) != NS_NEVER);
	sim_free(m.s);
}

/* A node that comes into another network each few minutes forgets what its last one had to do with, and not
 * what it was made to send. */
static void who_moves_all_the_time_is_not_made_to_send_more(void **state)
{
	struct mesh m = with_relay(1, &easy, &hard);
	struct host *evil = evil_member(&m, m.a, &hard), *victim = sim_host(m.s, "victim");
	(void)state;

	m.a->victim = victim->at.ip;
	for (unsigned minute = 0; minute < 58; minute++) {
		host_network_changed(m.a);
		for (unsigned i = 0; i < 60; i++) {
			talk(evil, m.a, true, 500 * MS, SEC);
			ask_for_guesses(evil, m.a, &m, &victim->at);
		}
	}
	assert_int_equal(m.a->guesses_there, CORE_GUESS_OF_ONE * BIRTHDAY_UNSEEN);
	assert_true(direct_after(&m, 20 * SEC) != NS_NEVER);
	sim_free(m.s);
}

enum { CROWD = 50 };

/* Honest ones, each of whom speaks with the evil one. */
static struct mesh crowd(const struct nat_kind *kind, struct host *them[static CROWD], struct host **ret_evil)
{
	struct mesh m = with_relay(1, kind, kind);
	struct host *victim = sim_host(m.s, "victim");

	*ret_evil = evil_member(&m, m.a, kind);
	for (unsigned i = 0; i < CROWD; i++) {
		them[i] = sim_member(m.s->internet, m.c, "one of many");
		plug_behind(them[i], kind);
		sim_meet(them[i], *ret_evil);
		host_line(them[i])->delay = 20 * MS;
		them[i]->victim = victim->at.ip;
	}
	sim_run(m.s, 10 * SEC);
	for (unsigned i = 0; i < CROWD; i++)
		host_send(*ret_evil, them[i]), host_send(them[i], *ret_evil);
	sim_run(m.s, 500 * MS);
	return m;
}

static struct endpoint victim_of(const struct host *one)
{
	return (struct endpoint){.ip = one->victim, .port = 20000};
}

static unsigned sent_there(struct host *const them[static CROWD])
{
	unsigned n = 0;

	for (unsigned i = 0; i < CROWD; i++)
		n += them[i]->guesses_there;
	return n;
}

/* All of a mesh together, though each does little. */
static void many_who_are_asked_at_once_send_a_victim_little(void **state)
{
	struct host *them[CROWD], *evil;
	struct mesh m = crowd(&easy, them, &evil);
	(void)state;

	for (unsigned i = 0; i < CROWD; i++) {
		const struct endpoint there = victim_of(them[i]);

		ask_for_guesses(evil, them[i], &m, &there);
	}
	sim_run(m.s, 5 * SEC);
	print_message("%u datagrams of %u members\n", sent_there(them), CROWD);
	assert_in_range(sent_there(them), CROWD / 2 * BIRTHDAY_UNSEEN, CROWD * BIRTHDAY_UNSEEN);
	sim_free(m.s);
}

/* Who asks them so that all questions arrive at one moment does not have them all answer it at one. */
static void many_who_are_to_meet_do_not_send_at_one_moment(void **state)
{
	struct host *them[CROWD], *evil;
	struct mesh m = crowd(&preserving, them, &evil);
	ns_t first = 0, half = 0;
	(void)state;

	for (unsigned i = 0; i < CROWD; i++) {
		const struct endpoint there = victim_of(them[i]);

		ask_for(STUN_GUESS_OFFERS, evil, them[i], &m, &there);
	}
	for (ns_t end = m.s->now + 5 * SEC; m.s->now < end; sim_run(m.s, 5 * MS)) {
		if (!first && sent_there(them))
			first = m.s->now;
		if (!half && sent_there(them) > CROWD / 2 * BIRTHDAY_UNSEEN)
			half = m.s->now;
	}
	assert_true(half > 0);
	assert_true(half - first >= 40 * MS);
	sim_free(m.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_sent_to_a_low_port_sends_nothing),
		cmocka_unit_test(a_member_cannot_have_a_victim_flooded_and_an_honest_one_is_found_beside_it),
		cmocka_unit_test(who_is_found_elsewhere_was_not_found),
		cmocka_unit_test(who_moves_all_the_time_is_not_made_to_send_more),
		cmocka_unit_test(many_members_together_cannot_either),
		cmocka_unit_test(many_who_are_asked_at_once_send_a_victim_little),
		cmocka_unit_test(many_who_are_to_meet_do_not_send_at_one_moment),
		cmocka_unit_test(what_is_private_here_is_not_guessed_at),
		cmocka_unit_test(nothing_is_guessed_through_the_mesh_itself),
	};

	if (crypto_init(NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
