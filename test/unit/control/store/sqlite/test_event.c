/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "control/store/event.h"
#include "control/store/sqlite/sqlite.h"
#include "control/store/sqlite/sqlite_private.h"
#include "unit/control/store/sqlite/shelf.h"

#include <sqlite3.h>

static int add_body(struct store *s, void *ctx)
{
	return store_event_add(s, ctx);
}

static uint64_t add(struct store *s, struct event e)
{
	assert_int_equal(store_transaction(s, add_body, &e), TM_OK);
	return e.number;
}

struct many {
	struct event e;
	unsigned n;
};

static int many_body(struct store *s, void *ctx)
{
	const struct many *m = ctx;
	struct event e = m->e;
	int err = TM_OK;

	for (unsigned i = 0; !err && i < m->n; i++)
		err = store_event_add(s, &e);
	return err;
}

struct seen {
	size_t n;
	struct event first, last;
};

static int see(void *ctx, const struct event *e)
{
	struct seen *x = ctx;

	if (!x->n++)
		x->first = *e;
	x->last = *e;
	return TM_OK;
}

static struct seen all(struct store *s, struct store_events which)
{
	struct seen x = {0};

	assert_int_equal(store_event_each(s, &which, see, &x), TM_OK);
	return x;
}

#define ID_A "00000000000000aa"
#define ID_B "00000000000000bb"

static void events_come_back_as_they_were_and_in_their_order(void **state)
{
	const struct event e = {.at = 77,
		.kind = EVENT_RENAMED,
		.door = EVENT_SOCKET,
		.id = ID_A,
		.about = "nas",
		.detail = "box",
		.by = "root",
		.by_id = ""};
	struct shelf *sh = *state;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(add(s, e), 1);
	assert_int_equal(add(s, (struct event){.at = 78, .kind = EVENT_BACKUP}), 2);
	store_free(s);
	s = shelf_open(sh);
	struct seen x = all(s, (struct store_events){0});
	assert_int_equal(x.n, 2);
	assert_int_equal(x.first.number, 1);
	assert_int_equal(x.first.at, 77);
	assert_int_equal(x.first.kind, EVENT_RENAMED);
	assert_int_equal(x.first.door, EVENT_SOCKET);
	assert_string_equal(x.first.id, ID_A);
	assert_string_equal(x.first.about, "nas");
	assert_string_equal(x.first.detail, "box");
	assert_string_equal(x.first.by, "root");
	assert_int_equal(x.last.kind, EVENT_BACKUP);
	assert_int_equal(x.last.door, EVENT_OF_ITSELF);
	store_free(s);
}

static void one_asks_for_later_ones_newer_ones_and_those_of_a_member(void **state)
{
	struct shelf *sh = *state;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	add(s, (struct event){.at = 10, .kind = EVENT_JOINED, .id = ID_A});
	add(s, (struct event){.at = 20, .kind = EVENT_TAGS, .id = ID_B});
	add(s, (struct event){.at = 30, .kind = EVENT_CLIENT_ADDED, .id = "00000000000000cc", .by_id = ID_A});
	assert_int_equal(all(s, (struct store_events){.after = 1}).n, 2);
	assert_int_equal(all(s, (struct store_events){.after = 3}).n, 0);
	assert_int_equal(all(s, (struct store_events){.since = 30}).n, 1);
	struct seen x = all(s, (struct store_events){.of = ID_A});
	assert_int_equal(x.n, 2);
	assert_int_equal(x.first.kind, EVENT_JOINED);
	assert_int_equal(x.last.kind, EVENT_CLIENT_ADDED);
	/* About itself and by itself is one. */
	add(s, (struct event){.at = 40, .kind = EVENT_LEFT, .id = ID_A, .by_id = ID_A});
	assert_int_equal(all(s, (struct store_events){.of = ID_A}).n, 3);
	assert_int_equal(all(s, (struct store_events){.of = ID_A, .after = 1}).n, 2);
	assert_int_equal(all(s, (struct store_events){.of = ID_A, .since = 40}).n, 1);
	/* The other way round. */
	x = all(s, (struct store_events){.newest = true});
	assert_int_equal(x.n, 4);
	assert_int_equal(x.first.kind, EVENT_LEFT);
	assert_int_equal(x.last.kind, EVENT_JOINED);
	x = all(s, (struct store_events){.newest = true, .before = 3, .since = 20});
	assert_int_equal(x.n, 1);
	assert_int_equal(x.first.kind, EVENT_TAGS);
	x = all(s, (struct store_events){.of = ID_A, .newest = true, .before = 4});
	assert_int_equal(x.n, 2);
	assert_int_equal(x.first.kind, EVENT_CLIENT_ADDED);
	store_free(s);
}

struct query_plan {
	size_t n_steps;
	bool scans, sorts;
};

static int see_step(void *ctx, int n, char **values, char **names UNUSED)
{
	struct query_plan *p = ctx;

	p->n_steps++;
	p->scans |= strstr(values[n - 1], "SCAN") != NULL;
	p->sorts |= strstr(values[n - 1], "TEMP B-TREE") != NULL;
	return 0;
}

/* Each member may ask for its own, and others wait meanwhile: a page costs a page. */
static void the_events_of_one_member_are_found_without_a_look_at_all(void **state)
{
	static const char *const of[] = {"EXPLAIN QUERY PLAN " EVENTS_OF_SQL(">", ""),
		"EXPLAIN QUERY PLAN " EVENTS_OF_SQL("<", " DESC")};
	struct shelf *sh = *state;
	sqlite3 *db;

	shelf_create(sh);
	assert_int_equal(sqlite3_open(sh->path, &db), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(of); i++) {
		struct query_plan p = {0};

		assert_int_equal(sqlite3_exec(db, of[i], see_step, &p, NULL), SQLITE_OK);
		assert_true(p.n_steps > 0);
		assert_false(p.scans);
		assert_false(p.sorts);
	}
	sqlite3_close(db);
}

static void members_push_out_their_own_and_nothing_of_the_administration(void **state)
{
	struct many flood = {.e = {.at = 50, .kind = EVENT_CLIENT_ADDED, .door = EVENT_LINK, .id = ID_B},
		.n = STORE_EVENTS_KEPT + 2 * STORE_EVENTS_SLACK};
	struct shelf *sh = *state;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	add(s, (struct event){.at = 10, .kind = EVENT_REMOVED, .door = EVENT_SOCKET, .id = ID_A});
	add(s, (struct event){.at = 10, .kind = EVENT_CLIENT_ADDED, .door = EVENT_LINK, .id = ID_A});
	assert_int_equal(store_transaction(s, many_body, &flood), TM_OK);
	struct seen x = all(s, (struct store_events){0});
	assert_in_range(x.n, STORE_EVENTS_KEPT + 1, STORE_EVENTS_KEPT + 1 + STORE_EVENTS_SLACK);
	assert_int_equal(x.first.kind, EVENT_REMOVED);
	/* What nobody asked for a member can bring about, too. */
	flood.e.kind = EVENT_TWIN;
	flood.e.door = EVENT_OF_ITSELF;
	assert_int_equal(store_transaction(s, many_body, &flood), TM_OK);
	x = all(s, (struct store_events){0});
	assert_in_range(x.n, STORE_EVENTS_KEPT + 1, STORE_EVENTS_KEPT + 1 + STORE_EVENTS_SLACK);
	assert_int_equal(x.first.kind, EVENT_REMOVED);
	assert_int_equal(all(s, (struct store_events){.of = ID_A}).n, 1);
	/* What they report of themselves pushes out no more than that. */
	flood.e.kind = EVENT_ALARM_BEGAN;
	flood.e.door = EVENT_REPORT;
	assert_int_equal(store_transaction(s, many_body, &flood), TM_OK);
	x = all(s, (struct store_events){0});
	assert_in_range(x.n, 2 * STORE_EVENTS_KEPT + 1, 2 * (STORE_EVENTS_KEPT + STORE_EVENTS_SLACK) + 1);
	assert_int_equal(x.first.kind, EVENT_REMOVED);
	flood.e.kind = EVENT_TWIN;
	flood.e.door = EVENT_SOCKET;
	assert_int_equal(store_transaction(s, many_body, &flood), TM_OK);
	x = all(s, (struct store_events){0});
	assert_in_range(x.n, 3 * STORE_EVENTS_KEPT, 3 * (STORE_EVENTS_KEPT + STORE_EVENTS_SLACK));
	assert_int_equal(all(s, (struct store_events){.of = ID_A}).n, 0);
	store_free(s);
}

static void what_is_very_old_goes(void **state)
{
	struct many some = {.e = {.at = 1000, .kind = EVENT_TAGS, .door = EVENT_SOCKET, .id = ID_B}, .n = 10};
	struct shelf *sh = *state;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(store_transaction(s, many_body, &some), TM_OK);
	some.e.at += STORE_EVENTS_AGE_S; /* not older than that */
	some.n = STORE_EVENTS_SLACK;
	assert_int_equal(store_transaction(s, many_body, &some), TM_OK);
	assert_int_equal(all(s, (struct store_events){0}).n, 10 + STORE_EVENTS_SLACK);
	some.e.at++;
	assert_int_equal(store_transaction(s, many_body, &some), TM_OK);
	assert_int_equal(all(s, (struct store_events){0}).n, 2 * STORE_EVENTS_SLACK);
	store_free(s);
}

static void an_event_of_a_kind_that_is_not_known_any_more_is_left_out(void **state)
{
	struct shelf *sh = *state;
	sqlite3 *db;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	add(s, (struct event){.at = 10, .kind = EVENT_JOINED, .id = ID_A});
	add(s, (struct event){.at = 20, .kind = EVENT_TAGS, .id = ID_B});
	store_free(s);
	assert_int_equal(sqlite3_open(sh->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE event SET kind = 'member.danced' WHERE number = 1", NULL,
				 NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
	s = shelf_open(sh);
	struct seen x = all(s, (struct store_events){0});
	assert_int_equal(x.n, 1);
	assert_int_equal(x.first.number, 2);
	store_free(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, shelf_setup, shelf_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(events_come_back_as_they_were_and_in_their_order),
		T(one_asks_for_later_ones_newer_ones_and_those_of_a_member),
		T(the_events_of_one_member_are_found_without_a_look_at_all),
		T(members_push_out_their_own_and_nothing_of_the_administration),
		T(what_is_very_old_goes),
		T(an_event_of_a_kind_that_is_not_known_any_more_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
