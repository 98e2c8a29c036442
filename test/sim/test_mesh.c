/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Many members: who talks finds each other, who does not is silent. */
#include "sim/story.h"

enum { MEMBERS = 200, PAIRS = 300 };

struct crowd {
	struct sim *s;
	struct host *h[MEMBERS];
	struct host *pair[PAIRS][2];
};

static int crowd(void **state)
{
	struct crowd *w = calloc(1, sizeof(*w));
	struct coordinator *c;
	struct segment *at = NULL;

	if (!w || crypto_init(NULL) < 0)
		return -1;
	w->s = sim_new(1);
	c = coordinator_new(w->s, "coordinator");
	for (unsigned i = 0; i < MEMBERS; i++) {
		if (i % 4 == 0) /* four to a house, some on the street */
			at = i % 12 ? nat_new(w->s, w->s->internet, &nat_home, "192.168.1.0/24")->inside
				    : w->s->internet;
		w->h[i] = sim_member(at, c, "member");
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		struct host **p = w->pair[i];

		do {
			p[0] = w->h[sim_random(w->s) % MEMBERS];
			p[1] = w->h[sim_random(w->s) % MEMBERS];
		} while (p[0] == p[1] || sim_friend(p[0], p[1]));
		sim_meet(p[0], p[1]);
	}
	sim_run(w->s, 3 * SEC);
	*state = w;
	return 0;
}

static int end_of_crowd(void **state)
{
	struct crowd *w = *state;

	sim_free(w->s);
	free(w);
	return 0;
}

static void everybody_talk(struct crowd *w)
{
	for (unsigned turn = 0; turn < 5; turn++) {
		for (unsigned i = 0; i < PAIRS; i++)
			host_send(w->pair[i][turn % 2], w->pair[i][!(turn % 2)]);
		sim_run(w->s, 1 * SEC);
	}
}

static uint64_t spent(const struct crowd *w)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < MEMBERS; i++) {
		n += w->h[i]->checks;
		for (unsigned type = 1; type < ARRAY_LEN(w->h[i]->sent); type++)
			n += w->h[i]->sent[type];
	}
	return n;
}

static void pairs_of_a_crowd_find_each_other_and_then_fall_silent(void **state)
{
	struct crowd *w = *state;
	uint64_t before;

	everybody_talk(w);
	for (unsigned i = 0; i < PAIRS; i++)
		expect_nothing_lost(w->pair[i][0], w->pair[i][1]);
	sim_run(w->s, 60 * SEC);
	before = spent(w);
	sim_run(w->s, 600 * SEC);
	assert_int_equal(spent(w), before);
	everybody_talk(w); /* sessions and paths have ended: all of them again */
	for (unsigned i = 0; i < PAIRS; i++)
		expect_nothing_lost(w->pair[i][0], w->pair[i][1]);
}

static void a_crowd_that_never_talks_only_asks_for_its_own_address(void **state)
{
	struct crowd *w = *state;

	sim_run(w->s, 3600 * SEC);
	assert_int_equal(spent(w), 0);
	/* A question and an answer every 25 s. */
	assert_in_range(w->s->wire_datagrams, 2 * MEMBERS, 2 * MEMBERS * 3600 / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			pairs_of_a_crowd_find_each_other_and_then_fall_silent, crowd, end_of_crowd),
		cmocka_unit_test_setup_teardown(
			a_crowd_that_never_talks_only_asks_for_its_own_address, crowd, end_of_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
