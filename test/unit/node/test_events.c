/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a node remembers: no more than so much, and whoever follows hears of the next. */
#include "commands_rig.h"

#include "node/events.h"

#include <event2/event.h>

static int setup(void **state)
{
	int err = rig_setup(state);
	struct rig *r = *state;

	assert_int_equal(events_new(r->n.base, &r->n.events), TM_OK);
	return err;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	events_free(r->n.events);
	return rig_teardown(state);
}

static void add(struct rig *r, const char *about)
{
	struct event e = {.kind = EVENT_PEER_UP};

	snprintf(e.about, sizeof(e.about), "%s", about);
	events_add(r->n.events, &e);
}

static json_t *want(json_int_t after, bool wait)
{
	return json_pack("{s:s, s:I, s:b}", "cmd", "events", "after", after, "wait", wait);
}

static const json_t *list(const struct rig *r)
{
	return json_object_get(r->answer, "events");
}

static json_int_t last(const struct rig *r)
{
	return json_integer_value(json_object_get(r->answer, "last"));
}

static void the_newest_are_remembered_in_their_order(void **state)
{
	struct rig *r = *state;
	char name[16];

	say(r, node_command, want(0, false));
	assert_int_equal(json_array_size(list(r)), 0);
	assert_int_equal(last(r), 0);
	for (unsigned i = 1; i <= EVENTS_KEPT + 10; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		add(r, name);
	}
	say(r, node_command, want(0, false));
	assert_int_equal(json_array_size(list(r)), EVENTS_KEPT);
	assert_string_equal(text(json_array_get(list(r), 0), "about"), "n11");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list(r), 0), "number")), 11);
	assert_int_equal(last(r), EVENTS_KEPT + 10);
	say(r, node_command, want(EVENTS_KEPT + 9, false));
	assert_int_equal(json_array_size(list(r)), 1);
	say(r, node_command,
		json_pack("{s:s, s:I}", "cmd", "events", "since", (json_int_t)(time_real() / SEC + 100)));
	assert_int_equal(json_array_size(list(r)), 0);
}

static void who_follows_is_answered_by_the_next_event(void **state)
{
	struct rig *r = *state;
	json_t *req = want(1, true);

	add(r, "before");
	node_command(&r->n, req, (struct ctl_call *)r);
	assert_int_equal(r->answers, 0);
	add(r, "nas");
	assert_int_equal(r->answers, 1);
	assert_int_equal(json_array_size(list(r)), 1);
	assert_string_equal(text(json_array_get(list(r), 0), "about"), "nas");
	assert_string_equal(text(json_array_get(list(r), 0), "origin"), "node");
	add(r, "more"); /* nobody follows now */
	assert_int_equal(r->answers, 1);
	node_command(&r->n, req, (struct ctl_call *)r); /* it missed one: no waiting */
	assert_int_equal(r->answers, 2);
	assert_int_equal(json_array_size(list(r)), 2);
	json_decref(req);
}

static void what_was_done_to_the_mesh_keeps_its_number(void **state)
{
	const struct event e = {.number = 4711, .at = 99, .kind = EVENT_BACKUP, .by = "root"};
	struct rig *r = *state;

	events_add_mesh(r->n.events, &e);
	say(r, node_command, want(0, false));
	const json_t *shown = json_array_get(list(r), 0);
	assert_string_equal(text(shown, "origin"), "mesh");
	assert_int_equal(json_integer_value(json_object_get(shown, "number")), 4711);
	assert_int_equal(json_integer_value(json_object_get(shown, "happened_at")), 99);
	assert_int_equal(last(r), 1);
}

static void on_line(void *ctx, enum log_level level, const char *line)
{
	events_alarm(ctx, level, line);
}

static void a_warning_of_the_log_is_an_event_and_reaches_who_follows(void **state)
{
	struct rig *r = *state;
	json_t *req = want(0, true);

	node_command(&r->n, req, (struct ctl_call *)r);
	json_decref(req);
	log_set_tap(on_line, r->n.events);
	log_info("node: no news");
	log_warn("node: something is odd", KV("what", "a b"));
	log_error("node: somebody must act");
	log_set_tap(NULL, NULL);
	log_warn("node: nobody remembers this");
	const ns_t begin = time_monotonic();
	while (!r->answers && time_monotonic() - begin < 10 * SEC)
		event_base_loop(r->n.base, EVLOOP_ONCE);
	assert_int_equal(r->answers, 1);
	assert_int_equal(json_array_size(list(r)), 2);
	assert_string_equal(text(json_array_get(list(r), 0), "event"), "alarm.warning");
	assert_string_equal(text(json_array_get(list(r), 0), "text"), "node: something is odd what=\"a b\"");
	assert_string_equal(text(json_array_get(list(r), 1), "level"), "error");
}

static void who_has_gone_is_answered_and_so_are_all_at_the_end(void **state)
{
	struct rig *r = *state;
	json_t *req = want(0, true);

	node_command(&r->n, req, (struct ctl_call *)r);
	r->left = true;
	const ns_t begin = time_monotonic();
	while (!r->answers && time_monotonic() - begin < 10 * SEC)
		event_base_loop(r->n.base, EVLOOP_ONCE);
	assert_int_equal(r->answers, 1);
	r->left = false;
	for (unsigned i = 0; i < EVENTS_FOLLOWERS; i++)
		node_command(&r->n, req, (struct ctl_call *)r);
	assert_int_equal(r->answers, 1);
	events_free(TAKE(r->n.events));
	assert_int_equal(r->answers, 1 + EVENTS_FOLLOWERS);
	json_decref(req);
}

static void who_waits_no_longer_than_so_is_answered_then(void **state)
{
	struct rig *r = *state;
	json_t *req = want(0, true);

	json_object_set_new(req, "for_s", json_integer(1));
	node_command(&r->n, req, (struct ctl_call *)r);
	json_decref(req);
	assert_int_equal(r->answers, 0);
	const ns_t begin = time_monotonic();
	while (!r->answers && time_monotonic() - begin < EVENTS_PATIENCE - SEC)
		event_base_loop(r->n.base, EVLOOP_ONCE);
	assert_int_equal(r->answers, 1);
	assert_int_equal(json_array_size(list(r)), 0);
	assert_true(json_is_false(json_object_get(r->answer, "mesh")));
}

static void the_coordinators_node_says_that_it_hears_of_the_mesh(void **state)
{
	struct rig *r = *state;

	r->n.coord = (struct coord *)r; /* never looked into */
	say(r, node_command, want(0, false));
	assert_true(json_is_true(json_object_get(r->answer, "mesh")));
	r->n.coord = NULL;
}

/* An empty list at once would be asked for again at once, for ever. */
static void one_too_many_is_refused_instead_of_answered_with_nothing(void **state)
{
	struct rig *r = *state;
	json_t *req = want(0, true);

	for (unsigned i = 0; i < EVENTS_FOLLOWERS; i++)
		node_command(&r->n, req, (struct ctl_call *)r);
	assert_int_equal(r->answers, 0);
	node_command(&r->n, req, (struct ctl_call *)r);
	assert_int_equal(r->answers, 1);
	assert_false(json_is_true(json_object_get(r->answer, "ok")));
	assert_string_equal(text(r->answer, "error"), "as many follow the events already as may at one time");
	assert_string_equal(text(r->answer, "hint"), "end one of them");
	add(r, "nas"); /* the others have theirs, and places are free again */
	assert_int_equal(r->answers, 1 + EVENTS_FOLLOWERS);
	json_object_set_new(req, "after", json_integer(1));
	node_command(&r->n, req, (struct ctl_call *)r);
	assert_int_equal(r->answers, 1 + EVENTS_FOLLOWERS);
	json_decref(req);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_newest_are_remembered_in_their_order),
		T(who_follows_is_answered_by_the_next_event),
		T(what_was_done_to_the_mesh_keeps_its_number),
		T(a_warning_of_the_log_is_an_event_and_reaches_who_follows),
		T(who_has_gone_is_answered_and_so_are_all_at_the_end),
		T(who_waits_no_longer_than_so_is_answered_then),
		T(the_coordinators_node_says_that_it_hears_of_the_mesh),
		T(one_too_many_is_refused_instead_of_answered_with_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
