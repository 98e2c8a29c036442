/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* When this machine's resolver is looked at, put back and let be. What is done to it is a stand-in, which the
 * helper thread calls. */
#include "unit/unit.h"

#include <event2/event.h>
#include <jansson.h>

#include "base/jsonout.h"
#include "base/log.h"
#include "loop/timer.h"
#include "node/patience.h"
#include "node/resolving.h"
#include "os/watch.h"

struct rig {
	struct event_base *base;
	struct resolving *resolving;
	void (*changed)(void *ctx); /* as the watch calls it */
	void *ctx;
	/* what the machine is like */
	bool undone; /* by another program: a look finds nothing of ours */
	bool slow; /* a minute passes when the test says so */
	bool unseen; /* what is to be watched was not before */
	struct loop_timer *minute;
	int err;
	/* what was called */
	unsigned n_looks, n_writes, n_undone, n_watched;
};

static struct rig *rig;

int __wrap_hosting_apply(struct hosting *h, bool may_write);
int __wrap_hosting_undo(const char *journal, struct diag *d);
int __wrap_os_watch_new(struct event_base *base, ns_t settle, void (*changed)(void *ctx), void *ctx,
	struct os_watch **ret_watch);
void __wrap_os_watch_free(struct os_watch *w);
bool __wrap_os_watch_set(struct os_watch *w, const char *const *paths, size_t n);
void __real_loop_timer_in(struct loop_timer *t, ns_t in);
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in);

/* A minute is some milliseconds here. */
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in)
{
	if (in == 60 * SEC && rig->slow)
		rig->minute = t;
	else
		__real_loop_timer_in(t, in == 60 * SEC ? MS : in);
}

int __wrap_hosting_apply(struct hosting *h, bool may_write)
{
	h->host.way = OS_RESOLV_OWN;
	h->host.why = "a test says so";
	*(may_write ? &rig->n_writes : &rig->n_looks) += 1;
	if (rig->err)
		return diag_what(&h->host.problem, rig->err, "it cannot be done");
	if (rig->undone && !may_write)
		return diag_what(&h->host.problem, TM_EBUSY, "somebody else insists");
	rig->undone = false;
	return TM_OK;
}

int __wrap_hosting_undo(const char *journal, struct diag *d UNUSED)
{
	assert_string_equal(journal, "/nowhere/journal");
	rig->n_undone++;
	return TM_OK;
}

int __wrap_os_watch_new(struct event_base *base UNUSED, ns_t settle UNUSED, void (*changed)(void *ctx),
	void *ctx, struct os_watch **ret_watch)
{
	static char it; /* its address stands for one */

	rig->changed = changed;
	rig->ctx = ctx;
	*ret_watch = (struct os_watch *)(void *)&it;
	return TM_OK;
}

void __wrap_os_watch_free(struct os_watch *w UNUSED)
{
}

bool __wrap_os_watch_set(struct os_watch *w UNUSED, const char *const *paths, size_t n)
{
	assert_in_range(n, 1, 4);
	assert_string_equal(paths[0], "/etc/resolv.conf");
	rig->n_watched++;
	const bool unseen = rig->unseen;
	rig->unseen = false;
	return unseen;
}

static void ignore(void *ctx UNUSED, const char *line UNUSED, size_t n UNUSED)
{
}

static int setup(void **state)
{
	static const char *const zones[] = {"mesh", NULL};
	struct rig *r = calloc(1, sizeof(*r));

	rig = r;
	log_set_sink(ignore, NULL);
	r->base = event_base_new();
	const struct resolving_config cfg = {.ifname = "tm7",
		.journal = "/nowhere/journal",
		.server = ip_v4_host(0x64650002),
		.zones = zones};
	assert_int_equal(resolving_new(r->base, &cfg, &r->resolving), TM_OK);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	resolving_free(r->resolving);
	event_base_free(r->base);
	free(r);
	return 0;
}

/* Lets the loop run until that many calls were made and their results have come. */
static void run_until(struct rig *r, unsigned looks, unsigned writes)
{
	const unsigned watched = looks + writes;

	while (r->n_watched < watched)
		assert_int_equal(event_base_loop(r->base, EVLOOP_ONCE), 0);
	assert_int_equal(r->n_looks, looks);
	assert_int_equal(r->n_writes, writes);
}

static json_t *shown(struct rig *r)
{
	struct jsonout out = {0};

	jsonout_object(&out, NULL);
	resolving_put(r->resolving, &out);
	jsonout_object_end(&out);
	char *text = jsonout_take(&out, NULL);
	json_t *all = json_loads(text, 0, NULL), *it = json_incref(json_object_get(all, "resolver"));

	free(text);
	json_decref(all);
	return it;
}

static void expect_shown(struct rig *r, bool in_force, const char *problem)
{
	json_t *j = shown(r);
	const char *said = json_string_value(json_object_get(j, "problem"));

	assert_string_equal(json_string_value(json_object_get(j, "way")), os_resolv_ways[OS_RESOLV_OWN]);
	assert_int_equal(json_is_true(json_object_get(j, "in_force")), in_force);
	assert_string_equal(said ? said : "", problem);
	assert_int_equal(resolving_failing(r->resolving), problem[0] != '\0');
	json_decref(j);
}

static void what_a_killed_run_left_is_undone_before_anything_and_ours_at_the_end(void **state)
{
	struct rig *r = *state;

	assert_int_equal(r->n_undone, 1);
	assert_int_equal(r->n_looks + r->n_writes, 0); /* nobody answers yet */
	resolving_begin(r->resolving);
	run_until(r, 0, 1);
	expect_shown(r, true, "");
	resolving_begin(r->resolving); /* once is enough */
	resolving_free(r->resolving);
	assert_int_equal(r->n_writes, 1);
	assert_int_equal(r->n_undone, 2);
	r->resolving = NULL;
}

static void a_change_is_looked_at_and_no_more_where_all_is_well(void **state)
{
	struct rig *r = *state;

	resolving_begin(r->resolving);
	run_until(r, 0, 1);
	r->changed(r->ctx);
	run_until(r, 1, 1);
	expect_shown(r, true, "");
}

static void what_another_program_undid_is_put_back_a_few_times(void **state)
{
	struct rig *r = *state;

	resolving_begin(r->resolving);
	run_until(r, 0, 1);
	for (unsigned i = 1; i <= PATIENCE_TIMES; i++) {
		r->undone = true;
		r->changed(r->ctx);
		run_until(r, i, 1 + i);
		expect_shown(r, true, "");
	}
	r->undone = true;
	r->changed(r->ctx);
	run_until(r, 1 + PATIENCE_TIMES, 1 + PATIENCE_TIMES);
	expect_shown(r, false, "somebody else insists");
	/* A minute later it is tried once more. */
	run_until(r, 1 + PATIENCE_TIMES, 2 + PATIENCE_TIMES);
	expect_shown(r, true, "");
}

/* It answers each write of ours with one of its own. */
static void who_gave_in_writes_once_a_minute_at_most(void **state)
{
	const unsigned max = PATIENCE_TIMES;
	struct rig *r = *state;

	r->slow = true;
	resolving_begin(r->resolving);
	run_until(r, 0, 1);
	for (unsigned i = 1; i <= max; i++) {
		r->undone = true;
		r->changed(r->ctx);
		run_until(r, i, 1 + i);
	}
	for (unsigned i = 1; i <= 4; i++) { /* the first is undoing, the others are more of the same */
		r->undone = true;
		r->changed(r->ctx);
		run_until(r, max + i, 1 + max);
		expect_shown(r, false, "somebody else insists");
	}
	for (unsigned minute = 1; minute <= 3; minute++) {
		assert_non_null(r->minute);
		__real_loop_timer_in(r->minute, 0);
		run_until(r, max + 3 + minute, 1 + max + minute);
		expect_shown(r, true, "");
		r->undone = true;
		r->changed(r->ctx);
		run_until(r, max + 4 + minute, 1 + max + minute);
		expect_shown(r, false, "somebody else insists");
	}
}

static void what_fails_is_shown_and_tried_again(void **state)
{
	struct rig *r = *state;

	r->err = TM_EIO;
	resolving_begin(r->resolving);
	run_until(r, 0, 1);
	expect_shown(r, false, "it cannot be done");
	r->err = TM_OK;
	run_until(r, 0, 2);
	expect_shown(r, true, "");
}

static void changes_during_a_look_are_one_more_look(void **state)
{
	struct rig *r = *state;

	resolving_begin(r->resolving);
	for (int i = 0; i < 10; i++)
		r->changed(r->ctx);
	run_until(r, 1, 1);
	expect_shown(r, true, "");
}

/* Between our writing and the first watching: nobody would tell of it ever after. */
static void what_happened_before_it_was_watched_is_looked_at(void **state)
{
	struct rig *r = *state;

	r->unseen = true;
	resolving_begin(r->resolving);
	run_until(r, 1, 1);
	expect_shown(r, true, "");

	/* As after each failure, a minute later and no sooner. */
	r->slow = r->undone = r->unseen = true;
	r->err = TM_EIO;
	r->changed(r->ctx);
	run_until(r, 2, 1);
	expect_shown(r, false, "it cannot be done");
	assert_non_null(r->minute);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_a_killed_run_left_is_undone_before_anything_and_ours_at_the_end, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_change_is_looked_at_and_no_more_where_all_is_well, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_another_program_undid_is_put_back_a_few_times, setup, teardown),
		cmocka_unit_test_setup_teardown(who_gave_in_writes_once_a_minute_at_most, setup, teardown),
		cmocka_unit_test_setup_teardown(what_fails_is_shown_and_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_during_a_look_are_one_more_look, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_happened_before_it_was_watched_is_looked_at, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
