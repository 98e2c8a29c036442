/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/store/sqlite/sqlite_private.h"

/* In the order of EVENT_COLUMNS. */
enum { COL_NUMBER, COL_AT, COL_KIND, COL_ID, COL_ABOUT, COL_DETAIL, COL_BY, COL_BY_ID, COL_DOOR };

static int prune(struct sql_store *s, int64_t now)
{
	sqlite3_stmt *st = sql_stmt(s, STMT_EVENT_PRUNE);

	sqlite3_bind_int64(st, 1, now - STORE_EVENTS_AGE_S);
	bind_text(st, 2, event_door_word(EVENT_LINK));
	bind_text(st, 3, event_door_word(EVENT_OF_ITSELF));
	sqlite3_bind_int64(st, 4, STORE_EVENTS_KEPT);
	bind_text(st, 5, event_door_word(EVENT_REPORT));
	return sql_run(st);
}

int sql_event_add(struct store *store, struct event *e)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_EVENT_ADD);

	sqlite3_bind_int64(st, COL_AT, e->at);
	bind_text(st, COL_KIND, event_word(e->kind));
	bind_text(st, COL_ID, e->id);
	bind_text(st, COL_ABOUT, e->about);
	bind_text(st, COL_DETAIL, e->detail);
	bind_text(st, COL_BY, e->by);
	bind_text(st, COL_BY_ID, e->by_id);
	bind_text(st, COL_DOOR, event_door_word(e->door));
	int err = sql_run(st);
	if (err)
		return err;

	e->number = (uint64_t)sqlite3_last_insert_rowid(s->db);
	return e->number % STORE_EVENTS_SLACK ? TM_OK : prune(s, e->at);
}

static int row_to_event(sqlite3_stmt *st, struct event *ret_event)
{
	struct event e = {.number = (uint64_t)sqlite3_column_int64(st, COL_NUMBER),
		.at = sqlite3_column_int64(st, COL_AT)};
	char kind[STORE_TEXT_MAX + 1], door[STORE_TEXT_MAX + 1];

	int err = column_text(st, COL_KIND, kind, sizeof(kind));
	if (!err)
		err = column_text(st, COL_ID, e.id, sizeof(e.id));
	if (!err)
		err = column_text(st, COL_ABOUT, e.about, sizeof(e.about));
	if (!err)
		err = column_text(st, COL_DETAIL, e.detail, sizeof(e.detail));
	if (!err)
		err = column_text(st, COL_BY, e.by, sizeof(e.by));
	if (!err)
		err = column_text(st, COL_BY_ID, e.by_id, sizeof(e.by_id));
	if (!err)
		err = column_text(st, COL_DOOR, door, sizeof(door));
	if (err)
		return err;

	e.kind = event_kind_of(kind);
	e.door = event_door_of(door);
	*ret_event = e;
	return TM_OK;
}

int sql_event_each(struct store *store, const struct store_events *which, store_event_fn *fn, void *ctx)
{
	static const enum sql_stmt_id stmts[2][2] = {
		{STMT_EVENT_EACH, STMT_EVENT_BACK}, {STMT_EVENTS_OF, STMT_EVENTS_OF_BACK}};
	const uint64_t before = which->before ? which->before : INT64_MAX;
	sqlite3_stmt *st = sql_stmt(sql_of(store), stmts[which->of != NULL][which->newest]);
	int err;

	sqlite3_bind_int64(st, 1, (sqlite3_int64)(which->newest ? before : which->after));
	sqlite3_bind_int64(st, 2, which->since);
	if (which->of)
		bind_text(st, 3, which->of);
	while (!(err = sql_row(st))) {
		struct event e;

		err = row_to_event(st, &e);
		if (!err && e.kind != EVENT_NONE)
			err = fn(ctx, &e);
		if (err) {
			sqlite3_reset(st);
			return err;
		}
	}
	return err == TM_ENOENT ? TM_OK : err;
}
