/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is wrong at a member is an event when it begins and when it ends, and no more often than may be. */
#include "unit/unit.h"

#include "control/coord/reports_private.h"
#include "unit/control/coord/rig.h"

static const char *text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* NULL: none; with another one also. */
static void says(struct machine *m, const char *alarm, const char *other)
{
	json_t *alarms = json_array();

	if (alarm)
		json_array_append_new(alarms, json_string(alarm));
	if (other)
		json_array_append_new(alarms, json_string(other));
	machine_say(m, json_pack("{s:s, s:b, s:{s:i, s:o}}", "t", "report", "whole", 1, "self", "uptime_s", 1,
			       "alarms", alarms));
	rig_settle(m->rig);
}

static const json_t *event_list(struct rig *r)
{
	return json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "event.list")), "events");
}

/* The one that is `back` before the last of alarms; NULL: there are not so many. */
static const json_t *alarm_before(struct rig *r, size_t back)
{
	const json_t *list = event_list(r);

	for (size_t i = json_array_size(list); i--;) {
		const json_t *e = json_array_get(list, i);

		if (strncmp(text(e, "event"), "alarm.", 6) == 0 && back-- == 0)
			return e;
	}
	return NULL;
}

static unsigned count(struct rig *r)
{
	unsigned n = 0;

	while (alarm_before(r, n))
		n++;
	return n;
}

static void that_an_alarm_begins_and_ends_is_stored_once_each(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "nas");
	says(m, NULL, NULL);
	assert_int_equal(count(r), 0);
	says(m, "dns", NULL);
	says(m, "dns", NULL);
	assert_int_equal(count(r), 1);
	const json_t *e = alarm_before(r, 0);
	assert_string_equal(text(e, "event"), "alarm.began");
	assert_string_equal(text(e, "level"), "warn");
	assert_string_equal(text(e, "about"), "nas");
	assert_string_equal(text(e, "id"), m->id.id);
	assert_string_equal(text(e, "door"), "report");
	assert_string_equal(text(e, "text"), "alarm at nas, dns: it does not find names of the mesh");
	says(m, "dns", "firewall");
	says(m, "firewall", NULL);
	assert_int_equal(count(r), 3);
	assert_string_equal(text(alarm_before(r, 1), "detail"),
		"firewall: it drops by its own firewall what comes out of the tunnel");
	e = alarm_before(r, 0);
	assert_string_equal(text(e, "event"), "alarm.ended");
	assert_string_equal(text(e, "level"), "info");
	assert_string_equal(text(e, "text"), "the alarm at nas is over, dns");
}

static void a_link_that_is_lost_ends_no_alarm_and_a_new_one_begins_none(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "nas");
	says(m, "clock", NULL);
	machine_unlink(m);
	machine_hello(m, NULL);
	says(m, "clock", NULL);
	assert_int_equal(count(r), 1);
}

static void a_restart_of_the_coordinator_repeats_nothing_and_misses_nothing(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "nas");
	says(m, "clock", "dns");
	assert_int_equal(count(r), 2);
	machine_unlink(m);
	rig_stop(r);
	rig_start(r);
	machine_hello(m, NULL);
	says(m, "dns", NULL);
	assert_int_equal(count(r), 3);
	assert_string_equal(text(alarm_before(r, 0), "text"), "the alarm at nas is over, clock");
}

/* As much as it may say itself, and the state that is then comes when it may again. */
static void who_cries_all_the_time_fills_no_store(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);

	machine_join(m, "nas");
	machine_join(other, "laptop");
	for (unsigned i = 0; i < 10; i++) {
		says(m, "router", NULL);
		says(m, NULL, NULL);
	}
	says(m, "router", NULL);
	assert_int_equal(count(r), 4);
	assert_string_equal(text(alarm_before(r, 0), "event"), "alarm.ended");
	/* Its other alarms, and those of others, have what is theirs. */
	says(m, "router", "policy");
	says(other, "router", NULL);
	assert_int_equal(count(r), 6);
	alarms_expire(r->c);
	rig_settle(r);
	assert_int_equal(count(r), 6);
	struct reporter *rep = registry_by_id(r->c->reg, m->id.id)->reporter;
	rep->alarms[REPORT_ALARM_ROUTER].since -= 3600 * SEC;
	alarms_expire(r->c);
	rig_settle(r);
	assert_int_equal(count(r), 7);
	assert_string_equal(text(alarm_before(r, 0), "text"),
		"alarm at nas, router: it offers networks that are not reached through it");
	alarms_expire(r->c);
	rig_settle(r);
	assert_int_equal(count(r), 7);
}

static void an_alarm_of_all_at_once_is_stored_as_fast_as_may_be(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);
	struct spending *spent = &r->c->reports->alarms_spent;

	machine_join(m, "nas");
	machine_join(other, "laptop");
	*spent = (struct spending){.spent = 1000 * 1000, .at = time_monotonic()};
	says(m, "program", NULL);
	says(other, "program", NULL);
	alarms_expire(r->c);
	rig_settle(r);
	assert_int_equal(count(r), 0);
	*spent = (struct spending){.spent = 0};
	alarms_expire(r->c);
	rig_settle(r);
	assert_int_equal(count(r), 2);
}

static void what_waits_for_room_goes_with_its_member(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "nas");
	for (unsigned i = 0; i < 3; i++) {
		says(m, "router", NULL);
		says(m, NULL, NULL);
	}
	says(m, "router", NULL);
	assert_false(list_empty(&r->c->reports->late));
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "nas"));
	rig_settle(r);
	assert_true(list_empty(&r->c->reports->late));
	alarms_expire(r->c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
		T(that_an_alarm_begins_and_ends_is_stored_once_each),
		T(a_link_that_is_lost_ends_no_alarm_and_a_new_one_begins_none),
		T(a_restart_of_the_coordinator_repeats_nothing_and_misses_nothing),
		T(who_cries_all_the_time_fills_no_store),
		T(an_alarm_of_all_at_once_is_stored_as_fast_as_may_be),
		T(what_waits_for_room_goes_with_its_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
