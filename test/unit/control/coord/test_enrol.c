/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

#include "control/store/sqlite/sqlite_private.h"

static void a_token_makes_a_machine_a_member(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);
	struct token t = rig_token(r, json_pack("{s:[s,s]}", "tags", "ci", "gateway"));
	struct node_rec rec;
	struct mesh_info mesh;
	char text[IP_STR_LEN];

	assert_memory_equal(t.coordinator_key, r->hub.id.x_pub, 32);
	assert_int_equal(t.expiry, rig_unix_now + 86400);
	assert_int_equal(t.n_addrs, 2);
	assert_string_equal(t.addrs[1], "hub.example:443");
	machine_enrol(m, &t, "laptop");
	const json_t *a = machine_await(m, "reply");
	assert_true(json_is_true(json_object_get(a, "ok")));
	assert_int_equal(json_integer_value(json_object_get(a, "id")), 1);
	assert_int_equal(json_integer_value(json_object_get(a, "data_port")), 51820);
	assert_int_equal(json_array_size(json_object_get(a, "addresses")), 2);
	assert_int_equal(mesh_info_from_json(json_object_get(a, "mesh"), &mesh), TM_OK);
	assert_int_equal(node_rec_from_json(json_object_get(a, "node"), &mesh, &rec), TM_OK);
	assert_string_equal(rec.id, m->id.id);
	assert_string_equal(rec.name, "laptop");
	assert_string_equal(ip_format(&rec.ip4, text), "100.101.0.2");
	assert_string_equal(ip_format(&rec.ip6, text), "fd5c::2");
	assert_memory_equal(rec.key, m->id.x_pub, 32);
	assert_true(json_is_false(json_object_get(a, "existed")));
	assert_int_equal(rec.n_tags, 2);
	assert_false(rec.coordinator);
	assert_string_equal(mesh.name, "home");
	assert_int_equal(mesh.secret[1], 2);
}

enum token_kind { UNKNOWN, WRONG_SECRET, USED, EXPIRED, REVOKED, GARBLED, TOKEN_KINDS };

static struct token token_of_kind(struct rig *r, enum token_kind kind)
{
	struct token t = rig_token(r, json_pack("{s:i}", "ttl_s", kind == EXPIRED ? 1 : 1000));
	struct machine *other = rig_machine(r, 100);
	char id[17];

	switch (kind) {
	case UNKNOWN:
		t.id[3] ^= 1;
		break;
	case WRONG_SECRET:
		t.secret[15] ^= 1;
		break;
	case USED:
		machine_enrol(other, &t, "other");
		machine_await(other, "reply");
		break;
	case EXPIRED:
		rig_unix_now += 1;
		break;
	case REVOKED:
		for (int i = 0; i < 8; i++)
			snprintf(id + 2 * i, 3, "%02x", t.id[i]);
		assert_true(json_is_true(json_object_get(
			rig_admin(r, json_pack("{s:s, s:s}", "cmd", "token.revoke", "id", id)), "ok")));
		break;
	case GARBLED:
	case TOKEN_KINDS:
		break;
	}
	return t;
}

static void every_bad_token_is_refused_with_its_own_sentence_and_the_link_closed(void **state)
{
	struct rig *r = *state;
	char said[TOKEN_KINDS][384];

	for (enum token_kind k = 0; k < TOKEN_KINDS; k++) {
		struct machine *m = rig_machine(r, k);
		struct token t = token_of_kind(r, k);

		if (k == GARBLED) {
			machine_link(m);
			machine_say(
				m, json_pack("{s:s, s:i, s:s}", "t", "enrol", "id", 1, "token", "nonsense"));
		} else {
			machine_enrol(m, &t, "laptop");
		}
		const json_t *a = machine_await(m, "reply");
		assert_true(json_is_false(json_object_get(a, "ok")));
		assert_non_null(json_string_value(json_object_get(a, "hint")));
		snprintf(said[k], sizeof(said[k]), "%s", json_string_value(json_object_get(a, "error")));
		assert_null(m->conn);
		for (enum token_kind i = 0; i < k; i++)
			if ((strcmp(said[i], said[k]) == 0) != (i == UNKNOWN && k == WRONG_SECRET))
				fail_msg("%d and %d: %s", i, k, said[k]);
	}
	assert_int_equal(registry_size(r->c->reg), 2); /* the hub, and the one that used a token up */
	assert_int_equal(registry_size(r->c->reg), 2);
}

static void of_many_joins_at_once_a_token_admits_as_many_as_it_may(void **state)
{
	struct rig *r = *state;

	for (int uses = 1; uses <= 3; uses += 2) {
		struct token t = rig_token(r, json_pack("{s:i}", "uses", uses));
		int admitted = 0;

		for (size_t i = 0; i < 8; i++)
			machine_enrol(rig_machine(r, (size_t)uses * 10 + i), &t, "ci");
		for (size_t i = 0; i < 8; i++) {
			struct machine *m = rig_machine(r, (size_t)uses * 10 + i);

			admitted += json_is_true(json_object_get(machine_await(m, "reply"), "ok"));
		}
		assert_int_equal(admitted, uses);
	}
	assert_int_equal(registry_size(r->c->reg), 1 + 1 + 3);
	assert_int_equal(registry_size(r->c->reg), 1 + 1 + 3);
}

static void machines_of_the_same_name_get_numbers(void **state)
{
	struct rig *r = *state;
	static const char *const asked[] = {"laptop", "laptop", "laptop", "Jo's Laptop.local", "", "hub",
		"a23456789-123456789-123456789-123456789-123456789-123456789-123",
		"a23456789-123456789-123456789-123456789-123456789-123456789-123"};
	static const char *const got[] = {"laptop", "laptop-2", "laptop-3", "jo-s-laptop", "node", "hub-2",
		"a23456789-123456789-123456789-123456789-123456789-123456789-123",
		"a23456789-123456789-123456789-123456789-123456789-123456789-1-2"};
	struct token t = rig_token(r, json_pack("{s:i}", "uses", 20));

	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		machine_enrol(rig_machine(r, i), &t, asked[i]);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		const json_t *a = machine_await(rig_machine(r, i), "reply");
		const char *name = json_string_value(json_object_get(json_object_get(a, "node"), "name"));

		assert_non_null(name);
		assert_string_equal(name, got[i]);
	}
}

static void enrolling_again_after_a_lost_answer_gives_the_same_record(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);
	struct token t = rig_token(r, json_object());

	machine_enrol(m, &t, "laptop");
	machine_unlink(m); /* the answer goes nowhere */
	rig_settle(r);
	assert_int_equal(registry_size(r->c->reg), 2);
	for (int i = 0; i < 3; i++) {
		machine_forget(m);
		machine_enrol(m, &t, "another-name");
		const json_t *a = machine_await(m, "reply"), *node = json_object_get(a, "node");
		assert_true(json_is_true(json_object_get(a, "existed")));
		assert_string_equal(json_string_value(json_object_get(node, "name")), "laptop");
		assert_int_equal(json_integer_value(json_object_get(node, "host")), 2);
		machine_unlink(m);
	}
	assert_int_equal(registry_size(r->c->reg), 2);
	assert_int_equal(registry_size(r->c->reg), 2);
	/* The token is still used up for everybody else. */
	machine_enrol(other, &t, "thief");
	assert_true(json_is_false(json_object_get(machine_await(other, "reply"), "ok")));
}

static bool machine_tries(struct machine *m, const struct token *t)
{
	machine_forget(m);
	machine_enrol(m, t, "laptop");
	bool ok = json_is_true(json_object_get(machine_await(m, "reply"), "ok"));
	machine_unlink(m);
	return ok;
}

static void a_member_joins_again_whatever_has_become_of_the_token(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);
	struct token first = rig_token(r, json_object());

	assert_true(machine_tries(m, &first));
	for (enum token_kind k = 0; k < GARBLED; k++) {
		struct token t = token_of_kind(r, k);

		assert_true(machine_tries(m, &t));
	}
	/* Its key was all that it came with: once removed, it needs a token again. */
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "laptop"));
	assert_false(machine_tries(m, &first));
	struct token fresh = rig_token(r, json_object());
	assert_true(machine_tries(m, &fresh));
}

static bool machine_leaves(struct machine *m, bool undo)
{
	machine_forget(m);
	machine_hello(m, NULL);
	machine_await(m, "welcome");
	machine_say(m, undo ? json_pack("{s:s, s:i, s:b}", "t", "leave", "id", 9, "undo", 1)
			    : json_pack("{s:s, s:i}", "t", "leave", "id", 9));
	bool ok = json_is_true(json_object_get(machine_await(m, "reply"), "ok"));
	machine_unlink(m);
	return ok;
}

static void a_join_that_is_undone_gives_the_token_back(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);
	struct token t = rig_token(r, json_object());

	assert_true(machine_tries(m, &t));
	assert_false(machine_tries(other, &t));
	assert_true(machine_leaves(m, true));
	assert_true(machine_tries(other, &t));
	assert_false(machine_tries(m, &t));

	/* Whoever has been a member and leaves was let in for good. */
	assert_true(machine_leaves(other, false));
	assert_false(machine_tries(m, &t));
	struct token late = rig_token(r, json_pack("{s:i}", "ttl_s", 100000));
	assert_true(machine_tries(m, &late));
	rig_unix_now += 601;
	assert_true(machine_leaves(m, true));
	assert_false(machine_tries(other, &late));
}

static void an_undo_removes_nobody_who_was_a_member_before(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *hub = &r->hub;
	struct token t = rig_token(r, json_object());

	assert_true(machine_tries(m, &t));
	rig_unix_now += 601;
	assert_true(machine_leaves(m, true));
	assert_int_equal(registry_size(r->c->reg), 2);
	assert_true(machine_leaves(hub, true)); /* without a token */
	assert_int_equal(registry_size(r->c->reg), 2);
	assert_true(machine_leaves(m, false));
	assert_int_equal(registry_size(r->c->reg), 1);
}

static void an_identity_that_is_not_the_links_is_refused(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *victim = rig_machine(r, 1);
	struct token t = rig_token(r, json_object());

	memcpy(m->id.ed_pub, victim->id.ed_pub, ED_KEY);
	machine_enrol(m, &t, "laptop");
	assert_true(json_is_false(json_object_get(machine_await(m, "reply"), "ok")));
	assert_null(m->conn);
	assert_int_equal(registry_size(r->c->reg), 1);
	/* Nothing was counted. */
	machine_enrol(victim, &t, "laptop");
	assert_true(json_is_true(json_object_get(machine_await(victim, "reply"), "ok")));
}

static void who_has_no_right_to_join_takes_no_address(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *stranger = rig_machine(r, 1);
	struct token good = rig_token(r, json_object()), bad = good;

	bad.secret[0] ^= 1;
	for (unsigned i = 0; i < 20; i++) {
		machine_forget(stranger);
		machine_enrol(stranger, &bad, "stranger");
		assert_true(json_is_false(json_object_get(machine_await(stranger, "reply"), "ok")));
	}
	machine_enrol(m, &good, "laptop");
	const json_t *node = json_object_get(machine_await(m, "reply"), "node");
	assert_int_equal(json_integer_value(json_object_get(node, "host")), 2);

	/* Where none is left, it hears of its token and not of addresses. */
	rig_settle(r);
	assert_int_equal(sql_exec(sql_of(r->c->store)->db, "UPDATE mesh SET free_host = 65535"), TM_OK);
	machine_forget(stranger);
	machine_enrol(stranger, &bad, "stranger");
	const json_t *a = machine_await(stranger, "reply");
	assert_null(strstr(json_string_value(json_object_get(a, "error")), "address"));
}

static void a_full_mesh_says_so(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *late = rig_machine(r, 1);
	struct token t = rig_token(r, json_pack("{s:i}", "uses", 2));
	struct mesh_info *mesh = (struct mesh_info *)(uintptr_t)registry_mesh(r->c->reg);

	assert_int_equal(
		prefix_parse("100.101.0.0/30", &mesh->net4), TM_OK); /* room for the hub and one more */
	machine_enrol(m, &t, "laptop");
	assert_true(json_is_true(json_object_get(machine_await(m, "reply"), "ok")));
	machine_enrol(late, &t, "late");
	const json_t *a = machine_await(late, "reply");
	assert_non_null(strstr(json_string_value(json_object_get(a, "error")), "every address"));
}

static void a_full_disk_refuses_the_join_and_keeps_the_token(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);
	struct token t = rig_token(r, json_object());

	rig_settle(r); /* the helper is idle: the connection may be used here */
	assert_int_equal(sqlite3_exec(sql_of(r->c->store)->db,
				 "CREATE TABLE ballast (x); PRAGMA max_page_count = 30;"
				 "INSERT INTO ballast SELECT zeroblob(3000) FROM (SELECT 1 UNION SELECT 2 "
				 "UNION SELECT 3)",
				 NULL, NULL, NULL),
		SQLITE_OK);
	while (sqlite3_exec(sql_of(r->c->store)->db, "INSERT INTO ballast VALUES (zeroblob(4000))", NULL,
		       NULL, NULL) == SQLITE_OK)
		;
	machine_enrol(m, &t, "a23456789-123456789-123456789-123456789-123456789-123456789-123");
	const json_t *a = machine_await(m, "reply");
	/* One record may still have fitted; then the disk is full for the tokens that follow. */
	if (json_is_true(json_object_get(a, "ok"))) {
		json_t *tags = json_array();
		int refused = 0;

		for (int i = 0; i < NODE_TAGS_MAX; i++)
			json_array_append_new(tags, json_sprintf("tag-that-is-rather-long-here-%d", i));
		for (int i = 0; i < 50 && !refused; i++) {
			a = rig_admin(r, json_pack("{s:s, s:O}", "cmd", "token.create", "tags", tags));
			refused = json_is_false(json_object_get(a, "ok"));
		}
		json_decref(tags);
		assert_true(refused);
	}
	assert_non_null(strstr(json_string_value(json_object_get(a, "error")), "full"));
	size_t members = registry_size(r->c->reg);
	assert_int_equal(sqlite3_exec(sql_of(r->c->store)->db,
				 "PRAGMA max_page_count = 4000; DROP TABLE ballast", NULL, NULL, NULL),
		SQLITE_OK);
	machine_forget(m);
	machine_enrol(m, &t, "laptop");
	assert_true(json_is_true(json_object_get(machine_await(m, "reply"), "ok")));
	assert_in_range(registry_size(r->c->reg), members, members + 1);
}

static void everything_is_as_before_after_a_restart(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *late = rig_machine(r, 1);
	struct token open = rig_token(r, json_pack("{s:i}", "uses", 2));

	machine_enrol(m, &open, "laptop");
	machine_await(m, "reply");
	machine_hello(m, NULL);
	rig_settle(r);
	assert_true(machine_knows(m, "laptop"));
	uint64_t version = machine_version(m);
	rig_stop(r);
	rig_start(r);
	assert_int_equal(registry_size(r->c->reg), 2);
	machine_forget(m);
	machine_hello(m, NULL);
	rig_settle(r);
	assert_int_equal(machine_version(m), version);
	assert_int_equal(m->n_maps, 0); /* what it holds is current */
	assert_true(machine_sees(m, "laptop"));
	machine_enrol(late, &open, "late");
	const json_t *node = json_object_get(machine_await(late, "reply"), "node");
	assert_int_equal(json_integer_value(json_object_get(node, "host")), 3);
}

static void after_a_restart_a_node_is_told_the_difference_alone(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *goes = rig_machine(r, 1), *comes = rig_machine(r, 2);
	struct token t = rig_token(r, json_object());

	machine_join(m, "laptop");
	machine_join(goes, "goes");
	rig_settle(r);
	machine_unlink(m);
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "goes"));
	machine_enrol(comes, &t, "comes");
	machine_await(comes, "reply");
	rig_stop(r);
	rig_start(r);
	machine_forget(m);
	machine_hello(m, NULL);
	rig_settle(r);
	assert_int_equal(m->n_maps, 1);
	assert_int_equal(m->n_snapshots + m->n_map_errors, 0);
	assert_true(machine_knows(m, "comes") && !machine_knows(m, "goes") && machine_knows(m, "hub"));
	/* A version that this database never had is worth nothing. */
	machine_unlink(m);
	mesh_set_version(m->map, machine_version(m) ^ 1);
	machine_forget(m);
	machine_hello(m, NULL);
	rig_settle(r);
	assert_int_equal(m->n_snapshots, 1);
}

static void an_identity_that_is_not_the_coordinators_does_not_start(void **state)
{
	struct rig *r = *state;
	struct identity right = r->hub.id;
	struct diag d = {0};

	rig_stop(r);
	assert_int_equal(identity_generate(&r->hub.id), TM_OK);
	assert_true(rig_try_start(r, &d) < 0);
	assert_non_null(strstr(d.what, "identity"));
	r->hub.id = right;
	rig_start(r);
}

static void a_second_mesh_in_the_same_place_is_refused(void **state)
{
	struct rig *r = *state;
	struct coord_init init = {
		.db_path = r->db_path, .mesh_name = "other", .node_name = "hub", .identity = &r->hub.id};
	static const struct {
		const char *mesh, *node, *net4;
		int err;
	} rows[] = {
		{"other", "hub", "100.64.0.0/16", TM_EEXIST},
		{"", "hub", "100.64.0.0/16", TM_EINVAL},
		{"other", "No Name", "100.64.0.0/16", TM_EINVAL},
		{"other", "hub", "100.64.0.0/31", TM_EINVAL},
	};

	assert_int_equal(prefix_parse("fd00::/64", &init.net6), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};

		init.mesh_name = rows[i].mesh;
		init.node_name = rows[i].node;
		assert_int_equal(prefix_parse(rows[i].net4, &init.net4), TM_OK);
		if (coord_create(&init, &d) != rows[i].err || !d.what[0] || !d.hint[0])
			fail_msg("row %zu: %s", i, d.what);
	}
	assert_string_equal(coord_mesh(r->c)->name, "home");
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_token_makes_a_machine_a_member),
		T(every_bad_token_is_refused_with_its_own_sentence_and_the_link_closed),
		T(of_many_joins_at_once_a_token_admits_as_many_as_it_may),
		T(machines_of_the_same_name_get_numbers),
		T(enrolling_again_after_a_lost_answer_gives_the_same_record),
		T(a_member_joins_again_whatever_has_become_of_the_token),
		T(a_join_that_is_undone_gives_the_token_back),
		T(an_undo_removes_nobody_who_was_a_member_before),
		T(an_identity_that_is_not_the_links_is_refused),
		T(who_has_no_right_to_join_takes_no_address),
		T(a_full_mesh_says_so),
		T(a_full_disk_refuses_the_join_and_keeps_the_token),
		T(everything_is_as_before_after_a_restart),
		T(after_a_restart_a_node_is_told_the_difference_alone),
		T(an_identity_that_is_not_the_coordinators_does_not_start),
		T(a_second_mesh_in_the_same_place_is_refused),
	};

	return cmocka_run_group_tests_name("enrolment", tests, NULL, NULL);
}
