/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

#include "base/encode.h"

#define KEY_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="
#define KEY_B "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI="

static const json_t *find_named(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);

		if (strcmp(json_string_value(json_object_get(one, "name")), name) == 0)
			return one;
	}
	return NULL;
}

static const char *text(const json_t *j, const char *field)
{
	const char *s = json_string_value(json_object_get(j, field));

	return s ? s : "";
}

static bool ok(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "ok"));
}

static void tokens_are_listed_without_their_secret_and_can_be_revoked(void **state)
{
	struct rig *r = *state;
	struct token t = rig_token(r, json_pack("{s:i, s:i, s:[s,s,s], s:b}", "uses", 3, "ttl_s", 60, "tags",
					      "ci", "web", "ci", "ephemeral", 1));
	const json_t *list = json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "token.list")), "tokens");
	const json_t *one = json_array_get(list, 0);
	char id[17], secret[33];

	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(json_integer_value(json_object_get(one, "uses")), 3);
	assert_int_equal(json_integer_value(json_object_get(one, "used")), 0);
	assert_int_equal(json_integer_value(json_object_get(one, "expires_at")), rig_unix_now + 60);
	assert_int_equal(json_integer_value(json_object_get(one, "created_at")), rig_unix_now);
	assert_int_equal(json_array_size(json_object_get(one, "tags")), 2);
	assert_true(json_is_false(json_object_get(one, "revoked")));
	assert_true(json_is_false(json_object_get(one, "expired")));
	for (int i = 0; i < 8; i++)
		snprintf(id + 2 * i, 3, "%02x", t.id[i]);
	for (int i = 0; i < 16; i++)
		snprintf(secret + 2 * i, 3, "%02x", t.secret[i]);
	assert_string_equal(text(one, "id"), id);
	char *dump = json_dumps(list, 0);
	assert_null(strstr(dump, secret));
	free(dump);
	assert_true(ok(rig_admin(r, json_pack("{s:s, s:s}", "cmd", "token.revoke", "id", id))));
	assert_true(ok(rig_admin(r, json_pack("{s:s, s:s}", "cmd", "token.revoke", "id", id))));
	rig_unix_now += 61;
	one = json_array_get(
		json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "token.list")), "tokens"), 0);
	assert_true(json_is_true(json_object_get(one, "revoked")));
	assert_true(json_is_true(json_object_get(one, "expired")));
}

static const json_t *list_tokens(struct rig *r)
{
	return json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "token.list")), "tokens");
}

static void a_token_says_who_joined_with_it_and_is_forgotten_once_nobody_is_left(void **state)
{
	struct rig *r = *state;
	struct token t = rig_token(r, json_pack("{s:i}", "uses", 2));
	struct machine *b = rig_machine(r, 0), *a = rig_machine(r, 1);

	machine_enrol(b, &t, "b");
	machine_enrol(a, &t, "a");
	rig_settle(r);
	const json_t *users = json_object_get(json_array_get(list_tokens(r), 0), "used_by");
	assert_int_equal(json_array_size(users), 2);
	assert_string_equal(json_string_value(json_array_get(users, 0)), "a");
	assert_string_equal(json_string_value(json_array_get(users, 1)), "b");

	/* Long of no use, but a's; so is the other one, and nobody's. */
	rig_token(r, json_pack("{s:i}", "ttl_s", 60));
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "b"));
	rig_unix_now += 31 * 86400;
	rig_token(r, json_object());
	assert_int_equal(json_array_size(list_tokens(r)), 2);
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "a"));
	rig_token(r, json_object());
	assert_int_equal(json_array_size(list_tokens(r)), 2);
}

static void the_node_list_tells_what_is_known(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "laptop");
	rig_unix_now += 50;
	machine_unlink(m);
	const json_t *list = json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "node.list")), "nodes");
	assert_int_equal(json_array_size(list), 2);
	const json_t *hub = json_array_get(list, 0), *laptop = json_array_get(list, 1);
	assert_string_equal(text(hub, "name"), "hub");
	assert_true(json_is_true(json_object_get(hub, "coordinator")));
	assert_string_equal(text(hub, "ip4"), "100.101.0.1");
	assert_string_equal(text(laptop, "name"), "laptop");
	assert_string_equal(text(laptop, "os"), "linux");
	assert_string_equal(text(laptop, "version"), "0.1.0");
	assert_string_equal(text(laptop, "link_from"), "198.51.100.7");
	assert_int_equal(json_integer_value(json_object_get(laptop, "last_seen_at")), rig_unix_now);
	assert_true(json_is_false(json_object_get(laptop, "online")));
	/* Also after a restart. */
	rig_stop(r);
	rig_start(r);
	list = json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "node.list")), "nodes");
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(list, 1), "last_seen_at")), rig_unix_now);
}

static void tags_change_and_with_them_what_a_node_may_do(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);

	machine_join(m, "laptop");
	machine_join(other, "other");
	const json_t *reply =
		rig_admin(r, json_pack("{s:s, s:s, s:[s,s,s], s:[s]}", "cmd", "node.tag", "node", "laptop",
				     "add", "gateway", "lan", "lan", "remove", "none"));
	assert_true(ok(reply));
	assert_int_equal(json_array_size(json_object_get(json_object_get(reply, "node"), "tags")), 2);
	rig_settle(r);
	/* The other one is told, and the node has the rights that go with the tag. */
	char *told = json_dumps(machine_last(other, "netmap"), 0);
	assert_non_null(strstr(told, "gateway"));
	free(told);
	machine_say(m,
		json_pack("{s:s, s:i, s:s, s:s}", "t", "client.add", "id", 1, "name", "phone", "key", KEY_A));
	rig_settle(r);
	assert_true(ok(machine_last(m, "reply")));

	assert_true(ok(rig_admin(r,
		json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "laptop", "remove", "gateway"))));
	machine_say(m,
		json_pack("{s:s, s:i, s:s, s:s}", "t", "client.add", "id", 2, "name", "pad", "key", KEY_A));
	rig_settle(r);
	assert_false(ok(machine_last(m, "reply")));
	/* It lasts. */
	rig_stop(r);
	rig_start(r);
	const json_t *laptop = json_array_get(
		json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "node.list")), "nodes"), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(laptop, "tags"), 0)), "lan");
	assert_int_equal(json_array_size(json_object_get(laptop, "tags")), 1);
}

static void renaming_is_told_to_all(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);

	machine_join(m, "laptop");
	machine_join(other, "other");
	const json_t *a = rig_admin(
		r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", "laptop", "name", "desk"));
	assert_true(ok(a));
	assert_string_equal(text(json_object_get(a, "node"), "name"), "desk");
	/* The same name again is no mistake. */
	assert_true(ok(rig_admin(
		r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", m->id.id, "name", "desk"))));
	rig_settle(r);
	assert_true(machine_knows(m, "desk") && machine_knows(other, "desk"));
	assert_false(machine_knows(other, "laptop"));
	assert_non_null(strstr(rig_refused(r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node",
						      "desk", "name", "other")),
		"named other already"));
}

static void a_removed_node_is_told_and_cut_off_and_its_address_rests(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1), *next = rig_machine(r, 2);

	machine_join(m, "laptop");
	machine_join(other, "other");
	assert_true(ok(rig_admin(r, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "client.add", "name", "phone",
					    "key", KEY_A, "via", "laptop"))));
	machine_say(other, json_pack("{s:s, s:s}", "t", "want", "node", m->id.id));
	rig_settle(r);
	assert_true(machine_knows(other, "phone"));
	assert_true(ok(rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "laptop"))));
	assert_non_null(machine_last(m, "removed"));
	assert_null(m->conn);
	rig_settle(r);
	assert_false(machine_knows(other, "laptop"));
	assert_false(machine_knows(other, "phone"));
	assert_int_equal(other->n_map_errors, 0);
	machine_forget(m);
	machine_hello(m, NULL);
	assert_non_null(machine_last(m, "removed"));
	machine_join(next, "next");
	rig_settle(r);
	const json_t *node = json_object_get(machine_last(next, "reply"), "node");
	assert_int_equal(json_integer_value(json_object_get(node, "host")), 5); /* behind the phone's */
	assert_non_null(rig_refused(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "laptop")));
}

static void two_removals_of_the_same_node_at_once_get_one_answer_each(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "laptop");
	machine_say(m, json_pack("{s:s, s:i}", "t", "leave", "id", 9));
	assert_non_null(rig_refused(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "laptop")));
	const json_t *reply = machine_last(m, "reply");
	assert_true(ok(reply));
	assert_int_equal(json_integer_value(json_object_get(reply, "id")), 9);
}

static void a_node_leaves_with_an_answer(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "laptop");
	machine_forget(m);
	machine_say(m, json_pack("{s:s, s:i}", "t", "leave", "id", 9));
	assert_true(ok(machine_await(m, "reply")));
	assert_non_null(machine_last(m, "removed"));
	assert_null(m->conn);
	assert_int_equal(registry_size(r->c->reg), 1);
}

static void the_coordinators_own_node_stays(void **state)
{
	struct rig *r = *state;

	assert_non_null(strstr(
		rig_refused(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "hub")), "coordinator"));
	assert_non_null(strstr(
		text(rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "hub")), "hint"),
		"`tunnelmesh leave --force` there"));
	machine_hello(&r->hub, NULL);
	assert_non_null(machine_last(&r->hub, "welcome"));
	machine_say(&r->hub, json_pack("{s:s, s:i}", "t", "leave", "id", 1));
	assert_false(ok(machine_await(&r->hub, "reply")));
	assert_non_null(r->hub.conn);
}

static void clients_belong_to_their_node(void **state)
{
	struct rig *r = *state;
	struct machine *plain = rig_machine(r, 0), *gate = rig_machine(r, 1);
	struct token t = rig_token(r, json_pack("{s:[s]}", "tags", "gateway"));

	machine_join(plain, "plain");
	machine_enrol(gate, &t, "gate");
	machine_await(gate, "reply");
	machine_hello(gate, NULL);
	assert_true(ok(rig_admin(
		r, json_pack("{s:s, s:s, s:s}", "cmd", "client.add", "name", "phone", "key", KEY_A))));
	machine_forget(plain);
	machine_forget(gate);
	/* A node without the tag may not; one with it may, but only its own. */
	machine_say(plain,
		json_pack("{s:s, s:i, s:s, s:s}", "t", "client.add", "id", 1, "name", "pad", "key", KEY_B));
	assert_false(ok(machine_await(plain, "reply")));
	machine_say(gate,
		json_pack("{s:s, s:i, s:s, s:s}", "t", "client.add", "id", 2, "name", "pad", "key", KEY_B));
	const json_t *client = json_object_get(machine_await(gate, "reply"), "client");
	assert_string_equal(text(client, "kind"), "client");
	assert_string_equal(text(client, "via"), gate->id.id);
	assert_int_equal(strncmp(text(client, "ip4"), "100.101.0.", 10), 0);
	machine_forget(gate);
	machine_say(gate, json_pack("{s:s, s:i}", "t", "client.list", "id", 3));
	assert_int_equal(json_array_size(json_object_get(machine_await(gate, "reply"), "clients")), 1);
	machine_forget(gate);
	machine_say(gate, json_pack("{s:s, s:i, s:s}", "t", "client.remove", "id", 4, "name", "phone"));
	assert_false(ok(machine_await(gate, "reply")));
	machine_forget(gate);
	machine_say(gate, json_pack("{s:s, s:i, s:s}", "t", "client.remove", "id", 5, "name", "pad"));
	assert_true(ok(machine_await(gate, "reply")));
	const json_t *all =
		json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "client.list")), "clients");
	assert_int_equal(json_array_size(all), 1);
	assert_string_equal(text(find_named(all, "phone"), "via_name"), "hub");
	assert_true(ok(rig_admin(r, json_pack("{s:s, s:s}", "cmd", "client.remove", "name", "phone"))));
	assert_int_equal(registry_size(r->c->reg), 3);
}

static void what_one_change_takes_with_it_is_taken_over_in_portions(void **state)
{
	enum { N = 25, SLICE = 10 };
	struct rig *r = *state;
	struct machine *gate = rig_machine(r, 0), *other = rig_machine(r, 1);
	struct token t = rig_token(r, json_object());

	machine_join(gate, "gate");
	for (unsigned i = 0; i < N; i++) {
		char name[16], key[BASE64_LEN(32) + 1];
		uint8_t raw[32] = {9, (uint8_t)i};

		snprintf(name, sizeof(name), "phone-%u", i);
		base64_encode(raw, sizeof(raw), key);
		assert_true(ok(rig_admin(r, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "client.add", "name",
						    name, "key", key, "via", "gate"))));
	}
	rig_settle(r);
	assert_int_equal(registry_size(r->c->reg), 2 + N);
	r->c->tuning.feed_slice = SLICE;
	machine_enrol(other, &t, "other");
	const json_t *removed = rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "gate"));
	assert_true(ok(removed));
	assert_int_equal(json_array_size(json_object_get(removed, "clients")), N);
	assert_int_equal(registry_size(r->c->reg), 3 + N - SLICE);
	/* Whoever asks next is answered when all of it is there. */
	assert_true(ok(rig_admin(r, json_pack("{s:s, s:i}", "cmd", "token.create", "uses", 1))));
	assert_int_equal(registry_size(r->c->reg), 2);
	machine_hello(other, NULL);
	rig_settle(r);
	assert_int_equal(machine_size(other), 2);
}

static void the_list_of_clients_comes_in_pages(void **state)
{
	enum { NODES = 9, N = 2 * LIST_PAGE + 1 }; /* nodes among them do not count */
	struct rig *r = *state;
	unsigned n = 0, pages = 0;

	for (uint32_t i = 0; i < NODES + N; i++) {
		struct store_node x = {.rec = {.host = 1000 + i, .key = {1}}};

		memcpy(x.rec.key + 1, &i, sizeof(i));
		snprintf(x.rec.id, sizeof(x.rec.id), "%016x", i);
		snprintf(x.rec.name, sizeof(x.rec.name), "phone-%u", i);
		if (i >= NODES) {
			x.rec.kind = NODE_CLIENT;
			memcpy(x.rec.via, r->hub.id.id, sizeof(x.rec.via));
		}
		assert_int_equal(
			registry_put(r->c->reg, registry_version(r->c->reg) + ((uint64_t)1 << 31), &x, NULL),
			TM_OK);
	}
	for (json_int_t after = 0; pages == 0 || after; pages++) {
		const json_t *a = rig_admin(r, json_pack("{s:s, s:I}", "cmd", "client.list", "after", after));
		const json_t *page = json_object_get(a, "clients");

		n += (unsigned)json_array_size(page);
		assert_int_equal(json_array_size(page), n < N ? LIST_PAGE : 1);
		after = json_integer_value(json_object_get(a, "next"));
	}
	assert_int_equal(n, N);
	assert_int_equal(pages, 3);
}

static void a_gateway_cannot_use_up_the_addresses_of_the_mesh(void **state)
{
	struct rig *r = *state;
	struct machine *gate = rig_machine(r, 0);
	struct token t = rig_token(r, json_pack("{s:[s]}", "tags", "gateway"));
	json_t *add =
		json_pack("{s:s, s:i, s:s, s:s}", "t", "client.add", "id", 2, "name", "pad", "key", KEY_B);

	machine_enrol(gate, &t, "gate");
	machine_await(gate, "reply");
	machine_hello(gate, NULL);
	for (uint32_t i = 0; i < 256; i++) {
		struct store_node n = {.rec = {.host = 1000 + i, .kind = NODE_CLIENT, .key = {1}}};

		memcpy(n.rec.key + 1, &i, sizeof(i));
		memcpy(n.rec.via, gate->id.id, sizeof(n.rec.via));
		snprintf(n.rec.id, sizeof(n.rec.id), "%016x", i);
		snprintf(n.rec.name, sizeof(n.rec.name), "client-%u", i);
		assert_int_equal(
			registry_put(r->c->reg, registry_version(r->c->reg) + ((uint64_t)1 << 31), &n, NULL),
			TM_OK);
	}
	machine_forget(gate);
	machine_say(gate, json_incref(add));
	assert_false(ok(machine_await(gate, "reply")));
	/* The coordinator's administrator may give it more. */
	json_object_set_new(add, "cmd", json_string("client.add"));
	json_object_set_new(add, "via", json_string("gate"));
	assert_true(ok(rig_admin(r, add)));
}

static void every_mistake_gets_a_sentence_and_a_hint(void **state)
{
	static const char *const rows[] = {
		"{}",
		"{\"cmd\":7}",
		"{\"cmd\":\"fly\"}",
		"{\"cmd\":\"token.create\",\"uses\":0}",
		"{\"cmd\":\"token.create\",\"uses\":\"many\"}",
		"{\"cmd\":\"token.create\",\"ttl_s\":0}",
		"{\"cmd\":\"token.create\",\"ttl_s\":99999999999999}",
		"{\"cmd\":\"token.create\",\"ephemeral\":1}",
		"{\"cmd\":\"token.create\",\"tags\":\"ci\"}",
		"{\"cmd\":\"token.create\",\"tags\":[\"A B\"]}",
		"{\"cmd\":\"token.create\",\"tags\":[7]}",
		"{\"cmd\":\"token.create\",\"tags\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}",
		"{\"cmd\":\"token.revoke\"}",
		"{\"cmd\":\"token.revoke\",\"id\":\"xyz\"}",
		"{\"cmd\":\"token.revoke\",\"id\":\"0123456789abcdef\"}",
		"{\"cmd\":\"node.rename\"}",
		"{\"cmd\":\"node.rename\",\"node\":\"nobody\",\"name\":\"x\"}",
		"{\"cmd\":\"node.rename\",\"node\":\"hub\"}",
		"{\"cmd\":\"node.rename\",\"node\":\"hub\",\"name\":\"-\"}",
		"{\"cmd\":\"node.rename\",\"node\":\"hub\",\"name\":\"Big Name\"}",
		"{\"cmd\":\"node.tag\",\"add\":[\"x\"]}",
		"{\"cmd\":\"node.tag\",\"node\":\"nobody\",\"add\":[\"x\"]}",
		"{\"cmd\":\"node.tag\",\"node\":\"hub\"}",
		"{\"cmd\":\"node.tag\",\"node\":\"hub\",\"add\":\"x\"}",
		"{\"cmd\":\"node.tag\",\"node\":\"hub\",\"remove\":[\"A B\"]}",
		"{\"cmd\":\"node.remove\"}",
		"{\"cmd\":\"node.remove\",\"node\":\"nobody\"}",
		"{\"cmd\":\"client.add\",\"name\":\"phone\"}",
		"{\"cmd\":\"client.add\",\"name\":\"\",\"key\":\"" KEY_A "\"}",
		"{\"cmd\":\"client.add\",\"name\":\"hub\",\"key\":\"" KEY_A "\"}",
		"{\"cmd\":\"client.add\",\"name\":\"phone\",\"key\":\"AAAA\"}",
		"{\"cmd\":\"client.add\",\"name\":\"phone\",\"key\":"
		"\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
		"{\"cmd\":\"client.add\",\"name\":\"phone\",\"key\":\"" KEY_A "\",\"via\":\"nobody\"}",
		"{\"cmd\":\"client.remove\",\"name\":\"hub\"}",
		"{\"cmd\":\"client.remove\"}",
	};
	struct rig *r = *state;
	size_t used = registry_size(r->c->reg);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *req = json_loads(rows[i], 0, NULL);

		assert_non_null(req);
		if (!rig_refused(r, req))
			fail_msg("%s", rows[i]);
	}
	assert_int_equal(registry_size(r->c->reg), used);
}

static void a_coordinator_without_addresses_makes_no_tokens(void **state)
{
	static const char *const one[] = {"198.51.100.1:8443"};
	struct rig *r = *state;

	coord_set_addresses(r->c, NULL, 0);
	assert_non_null(strstr(rig_refused(r, json_pack("{s:s}", "cmd", "token.create")), "no address"));
	coord_set_addresses(r->c, one, 1);
	struct token t = rig_token(r, json_object());
	assert_int_equal(t.n_addrs, 1);
	assert_string_equal(t.addrs[0], one[0]);
}

struct answers {
	unsigned n, refused;
};

static void count_answer(void *ctx, char *reply_take)
{
	struct answers *a = ctx;

	a->n++;
	a->refused += strstr(reply_take, "\"ok\":false") != NULL;
	free(reply_take);
}

static void stopping_answers_every_open_request_once(void **state)
{
	static const struct coord_who local = {.role = COORD_ADMIN, .door = EVENT_SOCKET};
	struct rig *r = *state;
	struct answers a = {0};
	struct machine *m = rig_machine(r, 0);
	struct token t = rig_token(r, json_object());

	for (int i = 0; i < 50; i++) {
		json_t *req = json_pack("{s:s}", "cmd", "token.create");

		coord_ask(r->c, &local, req, count_answer, &a);
		json_decref(req);
	}
	machine_enrol(m, &t, "laptop");
	rig_stop(r);
	assert_int_equal(a.n, 50);
	rig_start(r);
	/* Those that were accepted are there, the others are not. */
	const json_t *list = json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "token.list")), "tokens");
	assert_int_equal(json_array_size(list), 1 + 50 - a.refused);
}

static void too_many_requests_at_once_are_answered_all_the_same(void **state)
{
	enum { N = 200 };
	struct rig *r = *state;

	machine_hello(&r->hub, NULL);
	for (int i = 0; i < N; i++)
		machine_say(&r->hub, json_pack("{s:s, s:i, s:s, s:s}", "t", "client.add", "id", i, "name",
					     "phone", "key", KEY_A));
	rig_settle(r);
	assert_int_equal(machine_count(&r->hub, "reply"), N);
	assert_int_equal(r->hub.conn->n_requests, 0);
	assert_int_equal(registry_size(r->c->reg), 2);
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tokens_are_listed_without_their_secret_and_can_be_revoked),
		T(a_token_says_who_joined_with_it_and_is_forgotten_once_nobody_is_left),
		T(the_node_list_tells_what_is_known),
		T(tags_change_and_with_them_what_a_node_may_do),
		T(renaming_is_told_to_all),
		T(a_removed_node_is_told_and_cut_off_and_its_address_rests),
		T(two_removals_of_the_same_node_at_once_get_one_answer_each),
		T(a_node_leaves_with_an_answer),
		T(the_coordinators_own_node_stays),
		T(clients_belong_to_their_node),
		T(what_one_change_takes_with_it_is_taken_over_in_portions),
		T(the_list_of_clients_comes_in_pages),
		T(a_gateway_cannot_use_up_the_addresses_of_the_mesh),
		T(every_mistake_gets_a_sentence_and_a_hint),
		T(a_coordinator_without_addresses_makes_no_tokens),
		T(stopping_answers_every_open_request_once),
		T(too_many_requests_at_once_are_answered_all_the_same),
	};

	return cmocka_run_group_tests_name("administration", tests, NULL, NULL);
}
