/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The world itself: order of events, lines, segments, control links. */
#include "sim/story.h"

enum { N = 2000 };

struct well {
	struct node super;
	struct sim *s;
	unsigned arrived, bent;
	uint8_t order[2 * N];
};

static void well_forward(struct node *n, struct datagram *dg)
{
	struct well *w = CONTAINER_OF(n, struct well, super);

	w->bent += dg->bytes[1] != 0x55;
	w->order[w->arrived++] = dg->bytes[0];
	sim_drop(w->s, dg);
}

/* N datagrams of 100 bytes through the line, one per millisecond. */
static void pour(struct link *line, struct well *w)
{
	const struct endpoint anywhere = {.ip = {.family = IP_V4}};
	struct sim *s = line->sim;

	*w = (struct well){.super.forward = well_forward, .s = s};
	line->next = &w->super;
	for (unsigned i = 0; i < N; i++) {
		uint8_t bytes[100] = {(uint8_t)i, 0x55};

		line->super.forward(
			&line->super, sim_datagram(s, &anywhere, &anywhere, bytes, sizeof(bytes)));
		sim_run(s, 1 * MS);
	}
	sim_run(s, 10 * SEC);
}

static unsigned out_of_order(const struct well *w)
{
	unsigned n = 0;

	for (unsigned i = 1; i < w->arrived; i++)
		n += (uint8_t)(w->order[i] - w->order[i - 1]) > 127;
	return n;
}

static void a_line_loses_repeats_bends_and_reorders_as_told(void **state)
{
	struct sim *s = sim_new(1);
	struct link line;
	struct well w;

	(void)state;
	link_init(&line, s, NULL, 10 * MS);
	pour(&line, &w);
	assert_true(w.arrived == N && !w.bent && !out_of_order(&w));
	line.loss = 100;
	pour(&line, &w);
	assert_in_range(w.arrived, N * 85 / 100, N * 95 / 100);
	line.loss = 0;
	line.duplicate = 100;
	pour(&line, &w);
	assert_in_range(w.arrived, N * 105 / 100, N * 115 / 100);
	line.duplicate = 0;
	line.corrupt = 1000;
	pour(&line, &w);
	assert_true(w.arrived == N && w.bent > 0 && w.bent < N / 20); /* one bit of 800 */
	line.corrupt = 0;
	line.jitter = 20 * MS;
	pour(&line, &w);
	assert_true(w.arrived == N && out_of_order(&w) > N / 10);
	sim_free(s);
}

static void a_line_passes_what_fits_and_is_allowed(void **state)
{
	struct sim *s = sim_new(1);
	struct link line;
	struct well w;

	(void)state;
	link_init(&line, s, NULL, 0);
	line.mtu = 100;
	pour(&line, &w);
	assert_int_equal(w.arrived, N);
	line.mtu = 99;
	pour(&line, &w);
	assert_int_equal(w.arrived, 0);
	line.mtu = 0;
	line.blocked = true;
	pour(&line, &w);
	assert_int_equal(w.arrived, 0);
	sim_free(s);
}

static void note_digit(void *number, void *digit)
{
	unsigned *n = number;

	*n = 10 * *n + (unsigned)(uintptr_t)digit;
}

static void events_run_by_time_and_then_in_the_order_of_asking(void **state)
{
	struct sim *s = sim_new(1);
	unsigned number = 0;

	(void)state;
	sim_at(s, s->now + 2 * MS, note_digit, &number, (void *)4, NULL);
	sim_at(s, s->now + 1 * MS, note_digit, &number, (void *)1, NULL);
	sim_at(s, s->now + 1 * MS, note_digit, &number, (void *)2, NULL);
	sim_at(s, s->now + 1 * MS, note_digit, &number, (void *)3, NULL);
	sim_run(s, 1 * MS);
	assert_int_equal(number, 123);
	sim_run(s, 1 * MS);
	assert_int_equal(number, 1234);
	sim_free(s);
}

static void two_meshes_in_one_world_have_nothing_to_do_with_each_other(void **state)
{
	MESH(state);
	struct coordinator *other = coordinator_new(s, "other");
	struct host *c = sim_member(s->internet, other, "c"), *d = sim_member(s->internet, other, "d");

	sim_meet(c, d);
	sim_meet(a, c);
	sim_run(s, 3 * SEC);
	coordinator_stop(m->c);
	host_send(c, d);
	host_send(a, b);
	host_send(a, c);
	sim_run(s, 3 * SEC);
	assert_true(is_up(c, d) && !is_up(a, b));
	assert_int_equal(host_path(a, c).state, PATH_IDLE); /* no member of its own mesh */
	coordinator_start(m->c);
	talk(a, b, false, 1 * SEC, 10 * SEC);
	assert_true(is_up(a, b) && !is_up(a, c));
}

static void what_is_under_way_on_a_link_that_is_cut_is_lost(void **state)
{
	MESH(state);

	host_send(a, b);
	control_link_cut(a->link, 100 * SEC);
	sim_run(s, 1 * SEC);
	assert_int_equal(b->checks, 0); /* the question never came */
	assert_false(a->link->up);
	talk(a, b, false, 1 * SEC, 110 * SEC);
	assert_true(is_up(a, b));
}

static void who_asked_is_told_for_five_minutes_when_candidates_change(void **state)
{
	MESH(state);
	unsigned before;

	host_send(a, b);
	sim_run(s, 100 * MS);
	before = a->told;
	assert_int_equal(before, 1);
	host_plug(b, 1, s->internet);
	sim_run(s, 1 * SEC);
	assert_in_range(a->told, before + 1, before + 2);
	sim_run(s, 400 * SEC); /* no traffic: a has not asked again for long */
	before = a->told;
	host_plug(b, 1, s->internet);
	sim_run(s, 1 * SEC);
	assert_int_equal(a->told, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_loses_repeats_bends_and_reorders_as_told),
		cmocka_unit_test(a_line_passes_what_fits_and_is_allowed),
		cmocka_unit_test(events_run_by_time_and_then_in_the_order_of_asking),
		MESH_SCENARIO(two_meshes_in_one_world_have_nothing_to_do_with_each_other),
		MESH_SCENARIO(what_is_under_way_on_a_link_that_is_cut_is_lost),
		MESH_SCENARIO(who_asked_is_told_for_five_minutes_when_candidates_change),
	};

	if (crypto_init(NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
