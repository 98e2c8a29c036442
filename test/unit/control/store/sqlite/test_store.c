/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/control/store/sqlite/shelf.h"

#include "control/store/sqlite/sqlite_private.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int keep_node(void *ctx, const struct store_node *n)
{
	struct store_node *all = ctx;

	all[n->rec.host] = *n;
	return TM_OK;
}

static void a_new_database_gives_back_its_mesh_and_first_node(void **state)
{
	struct shelf *sh = *state;
	struct store_node all[2], first = shelf_node(1);
	struct store_mesh mesh, expected = shelf_mesh();
	struct stat st;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(store_mesh_load(s, &mesh), TM_OK);
	assert_string_equal(mesh.info.name, "home");
	assert_true(prefix_eq(&mesh.info.net4, &expected.info.net4));
	assert_true(prefix_eq(&mesh.info.net6, &expected.info.net6));
	assert_memory_equal(mesh.info.secret, expected.info.secret, 32);
	assert_int_equal(mesh.created, 1000);
	assert_int_equal(shelf_count_nodes(s), 1);
	assert_int_equal(store_node_each(s, keep_node, all), TM_OK);
	assert_string_equal(all[1].rec.id, first.rec.id);
	assert_string_equal(all[1].rec.name, "node-1");
	assert_true(all[1].rec.coordinator);
	assert_memory_equal(all[1].ed, first.ed, 32);
	store_free(s);
	assert_int_equal(stat(sh->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void the_database_runs_with_a_write_ahead_log_full_sync_and_foreign_keys(void **state)
{
	struct shelf *sh = *state;
	static const struct {
		const char *pragma;
		int value;
	} settings[] = {{"PRAGMA synchronous", 2}, {"PRAGMA foreign_keys", 1},
		{"PRAGMA application_id", SCHEMA_APPLICATION_ID}, {"PRAGMA user_version", 7}};
	sqlite3_stmt *st;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		int value = -1;

		assert_int_equal(sql_read_int(sql_of(s)->db, settings[i].pragma, &value), TM_OK);
		if (value != settings[i].value)
			fail_msg("%s is %d", settings[i].pragma, value);
	}
	assert_int_equal(sqlite3_prepare_v2(sql_of(s)->db, "PRAGMA journal_mode", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), "wal");
	sqlite3_finalize(st);
	store_free(s);
}

static void creating_never_replaces_anything(void **state)
{
	struct shelf *sh = *state;
	static const char *const names[] = {"", "-wal", "-journal"};
	struct store_mesh mesh = shelf_mesh();
	struct store_node first = shelf_node(1);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[128];
		struct diag d = {0};
		size_t n;

		snprintf(path, sizeof(path), "%s%s", sh->path, names[i]);
		shelf_write(path, "precious", 8);
		assert_int_equal(store_create(&store_sqlite, sh->path, &mesh, &first, NULL, &d), TM_EEXIST);
		assert_true(d.what[0] && d.hint[0]);
		uint8_t *is = shelf_read(path, &n);
		assert_non_null(is);
		assert_int_equal(n, 8);
		assert_memory_equal(is, "precious", 8);
		free(is);
		unlink(path);
	}
	/* What a cut-off `init` left under the temporary name is no obstacle. */
	char built[128];
	snprintf(built, sizeof(built), "%s.new", sh->path);
	shelf_write(built, "half a database", 15);
	shelf_create(sh);
	assert_int_equal(access(built, F_OK), -1);
	store_free(shelf_open(sh));
}

static void creating_in_a_missing_folder_fails_with_a_sentence(void **state)
{
	struct shelf *sh = *state;
	struct store_mesh mesh = shelf_mesh();
	struct store_node first = shelf_node(1);
	struct diag d = {0};
	char path[128];

	snprintf(path, sizeof(path), "%s/nowhere/mesh.db", sh->folder);
	assert_true(store_create(&store_sqlite, path, &mesh, &first, NULL, &d) < 0);
	assert_true(d.what[0]);
}

static void names_keys_ids_and_addresses_are_unique_by_schema(void **state)
{
	struct shelf *sh = *state;
	struct store_node base = shelf_node(5);

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(shelf_insert_node(s, &base), TM_OK);
	for (int i = 0; i < 5; i++) {
		struct store_node n = shelf_node(6);

		if (i == 0)
			memcpy(n.rec.id, base.rec.id, sizeof(n.rec.id));
		else if (i == 1)
			memcpy(n.rec.name, base.rec.name, sizeof(n.rec.name));
		else if (i == 2)
			memcpy(n.rec.key, base.rec.key, sizeof(n.rec.key));
		else if (i == 3)
			memcpy(n.ed, base.ed, sizeof(n.ed));
		else
			n.rec.host = base.rec.host;
		if (shelf_insert_node(s, &n) != TM_EEXIST)
			fail_msg("clash %d was accepted", i);
	}
	assert_int_equal(shelf_count_nodes(s), 2);
	struct store_node six = shelf_node(6);
	assert_int_equal(shelf_insert_node(s, &six), TM_OK);
	store_free(s);
}

static int rename_body(struct store *s, void *ctx)
{
	const char *const *args = ctx;

	return store_node_rename(s, args[0], args[1]);
}

static void renaming_wants_a_member_and_a_free_name(void **state)
{
	struct shelf *sh = *state;
	struct store_node two = shelf_node(2), found;
	static const struct {
		const char *id, *name;
		int err;
	} rows[] = {
		{"0000000000000002", "other", TM_OK},
		{"0000000000000002", "other", TM_OK},
		{"0000000000000002", "node-1", TM_EEXIST},
		{"0000000000000003", "third", TM_ENOENT},
	};
	bool taken;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(shelf_insert_node(s, &two), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *args[] = {rows[i].id, rows[i].name};

		if (store_transaction(s, rename_body, args) != rows[i].err)
			fail_msg("row %zu", i);
	}
	assert_int_equal(store_node_find_key(s, two.rec.key, &found), TM_OK);
	assert_string_equal(found.rec.name, "other");
	assert_int_equal(store_node_name_taken(s, "other", &taken), TM_OK);
	assert_true(taken);
	assert_int_equal(store_node_name_taken(s, "node-2", &taken), TM_OK);
	assert_false(taken);
	store_free(s);
}

static void removing_a_node_removes_its_clients_and_nothing_else(void **state)
{
	struct shelf *sh = *state;
	struct store_node two = shelf_node(2), three = shelf_node(3);
	struct store_node a = shelf_client(10, &two), b = shelf_client(11, &three),
			  lost = shelf_client(12, &two), found;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(shelf_insert_node(s, &two), TM_OK);
	assert_int_equal(shelf_insert_node(s, &three), TM_OK);
	assert_int_equal(shelf_insert_node(s, &a), TM_OK);
	assert_int_equal(shelf_insert_node(s, &b), TM_OK);
	assert_int_equal(shelf_remove_node(s, two.rec.id), TM_OK);
	assert_int_equal(shelf_remove_node(s, two.rec.id), TM_ENOENT);
	assert_int_equal(shelf_count_nodes(s), 3);
	assert_int_equal(store_node_find_key(s, a.rec.key, &found), TM_ENOENT);
	assert_int_equal(store_node_find_key(s, b.rec.key, &found), TM_OK);
	assert_string_equal(found.rec.via, three.rec.id);
	/* A client of a node that is not there cannot come in. */
	assert_int_equal(shelf_insert_node(s, &lost), TM_EEXIST);
	store_free(s);
}

static int spend_body(struct store *s, void *ctx)
{
	struct diag d = {0};
	uint8_t id[TOKEN_ID];
	const int *args = ctx;

	memset(id, args[0], sizeof(id));
	return store_token_spend(s, id, args[1], &d);
}

static int spend(struct store *s, int number, int now)
{
	int args[] = {number, now};

	return store_transaction(s, spend_body, args);
}

static int revoke_body(struct store *s, void *ctx)
{
	return store_token_revoke(s, ctx);
}

static void a_token_is_spent_as_often_as_it_may_be_and_never_more(void **state)
{
	struct shelf *sh = *state;
	struct store_token once = shelf_token(1, 1, 100), thrice = shelf_token(2, 3, 100),
			   revoked = shelf_token(3, 9, 100);

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(shelf_insert_token(s, &once), TM_OK);
	assert_int_equal(shelf_insert_token(s, &thrice), TM_OK);
	assert_int_equal(shelf_insert_token(s, &revoked), TM_OK);
	assert_int_equal(spend(s, 1, 99), TM_OK);
	assert_int_equal(spend(s, 1, 99), TM_EUSED);
	for (int i = 0; i < 3; i++)
		assert_int_equal(spend(s, 2, 99), TM_OK);
	assert_int_equal(spend(s, 2, 99), TM_EUSED);
	assert_int_equal(spend(s, 3, 100), TM_EUSED); /* expired: not counted either */
	assert_int_equal(spend(s, 4, 1), TM_EUSED); /* unknown */
	assert_int_equal(store_transaction(s, revoke_body, revoked.id), TM_OK);
	assert_int_equal(store_transaction(s, revoke_body, revoked.id), TM_OK);
	assert_int_equal(spend(s, 3, 1), TM_EUSED);
	uint8_t unknown[TOKEN_ID] = {9};
	assert_int_equal(store_transaction(s, revoke_body, unknown), TM_ENOENT);
	store_free(s);
}

static void each_unusable_token_has_its_own_sentence(void **state)
{
	struct store_token good = shelf_token(1, 1, 100), expired = shelf_token(1, 1, 50),
			   used = shelf_token(1, 1, 100), worn = shelf_token(1, 5, 100),
			   revoked = shelf_token(1, 1, 100);
	const struct {
		const struct store_token *t;
		int err;
	} rows[] = {{&expired, TM_EEXPIRED}, {&used, TM_EUSED}, {&worn, TM_EUSED}, {&revoked, TM_EAUTH}};
	struct diag said[4] = {0};

	(void)state;
	used.used = 1;
	worn.used = 5;
	revoked.revoked = true;
	assert_int_equal(store_token_usable(&good, 99, NULL), TM_OK);
	assert_int_equal(store_token_usable(&good, 100, NULL), TM_EEXPIRED);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(store_token_usable(rows[i].t, 60, &said[i]), rows[i].err);
		assert_true(said[i].what[0] && said[i].hint[0]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(said[i].what, said[k].what);
	}
}

static void an_unknown_token_and_a_wrong_secret_read_the_same(void **state)
{
	struct shelf *sh = *state;
	struct store_token t = shelf_token(1, 1, 100), found;
	uint8_t right[TOKEN_SECRET], wrong[TOKEN_SECRET], unknown_id[TOKEN_ID] = {7};
	struct diag a = {0}, b = {0};

	t.n_tags = 2;
	snprintf(t.tags[0], sizeof(t.tags[0]), "gateway");
	snprintf(t.tags[1], sizeof(t.tags[1]), "ci");
	memset(right, 1, sizeof(right));
	memcpy(wrong, right, sizeof(wrong));
	wrong[15] ^= 1;
	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(shelf_insert_token(s, &t), TM_OK);
	assert_int_equal(store_token_find(s, t.id, right, &found, NULL), TM_OK);
	assert_int_equal(found.n_tags, 2);
	assert_string_equal(found.tags[0], "gateway");
	assert_string_equal(found.tags[1], "ci");
	assert_int_equal(store_token_find(s, t.id, wrong, &found, &a), TM_ENOENT);
	assert_int_equal(store_token_find(s, unknown_id, right, &found, &b), TM_ENOENT);
	assert_string_equal(a.what, b.what);
	assert_string_equal(a.hint, b.hint);
	store_free(s);
}

static int fail_after_insert(struct store *s, void *ctx)
{
	int err = store_node_insert(s, ctx, 1000);

	return err ? err : TM_EAGAIN;
}

static void a_failed_transaction_leaves_nothing(void **state)
{
	struct shelf *sh = *state;
	struct store_node two = shelf_node(2);

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(store_transaction(s, fail_after_insert, &two), TM_EAGAIN);
	assert_int_equal(shelf_count_nodes(s), 1);
	assert_int_equal(shelf_insert_node(s, &two), TM_OK);
	store_free(s);
}

struct seen {
	struct store_change v[32];
	size_t n;
};

static int see(void *ctx, const struct store_change *x)
{
	struct seen *seen = ctx;

	assert_true(seen->n < ARRAY_LEN(seen->v));
	seen->v[seen->n++] = *x;
	return TM_OK;
}

static struct seen changes_after(struct store *s, uint64_t version)
{
	struct seen seen = {.n = 0};

	assert_int_equal(store_change_each(s, version, see, &seen), TM_OK);
	return seen;
}

static void every_change_has_a_version_that_survives_a_restart(void **state)
{
	struct shelf *sh = *state;
	struct store_node two = shelf_node(2), three = shelf_node(3);

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	struct seen first = changes_after(s, 0);
	assert_int_equal(first.n, 1);
	assert_int_equal(shelf_insert_node(s, &two), TM_OK);
	assert_int_equal(store_transaction(s, rename_body, (const char *[]){two.rec.id, "other"}), TM_OK);
	assert_int_equal(store_transaction(s, fail_after_insert, &three), TM_EAGAIN);
	store_free(s);
	s = shelf_open(sh);
	struct seen all = changes_after(s, 0), later = changes_after(s, first.v[0].version);
	assert_int_equal(all.n, 3);
	assert_int_equal(all.v[0].version, first.v[0].version);
	assert_int_equal(later.n, 2);
	for (size_t i = 0; i < all.n; i++)
		assert_int_equal(store_version_number(all.v[i].version), i + 1);
	assert_string_equal(later.v[1].node.rec.id, two.rec.id);
	assert_string_equal(later.v[1].node.rec.name, "other");
	assert_int_equal(changes_after(s, later.v[1].version).n, 0);
	store_free(s);
}

static void a_removal_is_a_change_of_each_client_and_then_of_the_node(void **state)
{
	struct shelf *sh = *state;
	struct store_node node = shelf_node(2), client = shelf_client(3, &node);

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(shelf_insert_node(s, &node) | shelf_insert_node(s, &client), TM_OK);
	uint64_t before = changes_after(s, 0).v[2].version;
	assert_int_equal(shelf_remove_node(s, node.rec.id), TM_OK);
	struct seen seen = changes_after(s, before);
	assert_int_equal(seen.n, 2);
	assert_true(seen.v[0].gone && seen.v[1].gone);
	assert_string_equal(seen.v[0].node.rec.id, client.rec.id);
	assert_string_equal(seen.v[1].node.rec.id, node.rec.id);
	assert_int_equal(shelf_remove_node(s, node.rec.id), TM_ENOENT);
	assert_int_equal(changes_after(s, before).n, 2);
	store_free(s);
}

static int add_clients(struct store *s, void *ctx)
{
	const struct store_node *via = ctx;

	for (uint32_t i = 0; i < STORE_CHANGES_KEPT + 5; i++) {
		struct store_node client = shelf_client(100 + i, via);

		int err = store_node_insert(s, &client, UINT32_MAX);
		if (err)
			return err;
	}
	return TM_OK;
}

struct tally {
	size_t n;
	bool in_order;
	uint64_t last;
	char id[NODE_ID_LEN + 1];
};

static int tally(void *ctx, const struct store_change *x)
{
	struct tally *t = ctx;

	t->in_order = t->n == 0 ||
		      (t->in_order && store_version_number(x->version) == store_version_number(t->last) + 1);
	t->last = x->version;
	t->n++;
	memcpy(t->id, x->node.rec.id, sizeof(t->id));
	return TM_OK;
}

static struct tally tally_after(struct store *s, uint64_t version)
{
	struct tally t = {.n = 0};

	assert_int_equal(store_change_each(s, version, tally, &t), TM_OK);
	return t;
}

static void a_removal_forgets_none_of_its_own_changes(void **state)
{
	struct shelf *sh = *state;
	struct store_node node = shelf_node(2), later = shelf_node(3);

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(shelf_insert_node(s, &node), TM_OK);
	assert_int_equal(store_transaction(s, add_clients, &node), TM_OK);
	struct tally before = tally_after(s, 0);
	assert_int_equal(before.n, STORE_CHANGES_KEPT);
	assert_int_equal(shelf_remove_node(s, node.rec.id), TM_OK);
	struct tally removed = tally_after(s, before.last);
	assert_int_equal(removed.n, STORE_CHANGES_KEPT + 5 + 1);
	assert_true(removed.in_order);
	assert_string_equal(removed.id, node.rec.id);
	/* The next change makes up for it. */
	assert_int_equal(shelf_insert_node(s, &later), TM_OK);
	assert_int_equal(tally_after(s, 0).n, STORE_CHANGES_KEPT);
	store_free(s);
}

static void a_host_number_rests_until_the_round_comes_to_it(void **state)
{
	enum { LIMIT = 40, STEPS = 1500 };
	struct shelf *sh = *state;
	bool taken[LIMIT + 2] = {true, true};
	struct store_node of[LIMIT + 2];
	uint32_t seed = 3, last = 1;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(sql_exec(sql_of(s)->db, "PRAGMA synchronous = OFF"), TM_OK);
	for (uint32_t step = 0; step < STEPS; step++) {
		seed = seed * 1664525u + 1013904223u;
		uint32_t next = last, tried = 0, victim = 2 + (seed >> 8) % (LIMIT - 1);

		do
			next = next % LIMIT + 1;
		while (taken[next] && ++tried < LIMIT);
		if ((seed >> 20) % 3 == 0) {
			if (taken[victim])
				assert_int_equal(shelf_remove_node(s, of[victim].rec.id), TM_OK);
			taken[victim] = false;
			continue;
		}
		struct store_node n = shelf_node(100 + step);
		n.rec.host = 0;
		int err = shelf_insert_next(s, &n, LIMIT);
		if (err != (taken[next] ? TM_EFULL : TM_OK) || (!err && n.rec.host != next))
			fail_msg("step %u: %d, host %u, not %u", step, err, n.rec.host, next);
		if (!err) {
			last = next;
			taken[next] = true;
			of[next] = n;
		}
	}
	store_free(s);
}

/* Commits nodes from 2 on for ever, telling each number after its commit. */
static void commit_until_killed(const struct shelf *sh, int to_parent)
{
	struct store *s;

	if (store_open(&store_sqlite, sh->path, &s, NULL) != TM_OK)
		_exit(1);
	for (uint32_t i = 2;; i++) {
		struct store_node n = shelf_node(i);

		if (shelf_insert_node(s, &n) != TM_OK || write(to_parent, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

static void what_was_committed_survives_kill_9(void **state)
{
	struct shelf *sh = *state;
	uint32_t told = 1;

	shelf_create(sh);
	for (int round = 0; round < 3; round++) {
		int fds[2];
		uint32_t stop_at = 20 + 17 * (uint32_t)round, i;

		assert_int_equal(pipe(fds), 0);
		unlink(sh->path);
		shelf_create(sh);
		pid_t child = fork();
		if (child == 0) {
			close(fds[0]);
			commit_until_killed(sh, fds[1]);
		}
		close(fds[1]);
		while (read(fds[0], &i, sizeof(i)) == sizeof(i)) {
			told = i;
			if (i == stop_at)
				kill(child, SIGKILL);
		}
		close(fds[0]);
		waitpid(child, NULL, 0);
		assert_true(told >= stop_at);
		struct store *s = shelf_open(sh);
		/* Every commit that was told, and at most one that was not. */
		assert_in_range(shelf_count_nodes(s), told, told + 1);
		store_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_new_database_gives_back_its_mesh_and_first_node, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			the_database_runs_with_a_write_ahead_log_full_sync_and_foreign_keys, shelf_setup,
			shelf_teardown),
		cmocka_unit_test_setup_teardown(
			creating_never_replaces_anything, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			creating_in_a_missing_folder_fails_with_a_sentence, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			names_keys_ids_and_addresses_are_unique_by_schema, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			renaming_wants_a_member_and_a_free_name, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			removing_a_node_removes_its_clients_and_nothing_else, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_token_is_spent_as_often_as_it_may_be_and_never_more, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			each_unusable_token_has_its_own_sentence, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			an_unknown_token_and_a_wrong_secret_read_the_same, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_failed_transaction_leaves_nothing, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			every_change_has_a_version_that_survives_a_restart, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_removal_forgets_none_of_its_own_changes, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(a_removal_is_a_change_of_each_client_and_then_of_the_node,
			shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_host_number_rests_until_the_round_comes_to_it, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			what_was_committed_survives_kill_9, shelf_setup, shelf_teardown),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
