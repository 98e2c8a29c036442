/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is known of members, relays and the policy, and that it is kept. */
#include "peers_rig.h"

#include "crypto/init.h"
#include "loop/saver.h"

#include <sys/stat.h>
#include <unistd.h>

static void what_is_known_survives_a_restart(void **state)
{
	struct coordinator_known known = {.data_port = 51820,
		.pace_ms = 12000,
		.n_addresses = 2,
		.addresses = {"hub.example:8443", "[2001:db8::9]:8443"}};
	struct candidates told = candidates_of(CANDIDATES_MAX);
	struct rig r;
	struct stat st;

	(void)state;
	rig_open(&r);
	start(&r);
	restart(&r);
	assert_int_equal(mesh_version(peers_mesh(r.peers)), 0);
	assert_int_equal(access(r.path, F_OK), -1); /* not before there is something to write */
	tell_three(&r);
	assert_int_equal(endpoint_parse("192.0.2.1:8443", &known.at), TM_OK);
	known.at_tls = true;
	peers_set_coordinator(r.peers, &known);
	struct contact *c = peers_meet(r.peers, record(1).id);
	peers_set_candidates(r.peers, c, &told);
	assert_int_equal(endpoint_parse("198.51.100.7:4242", &c->worked), TM_OK);
	c->stamps = (struct stamps){.handshake = {1, 2, 3}, .check = UINT64_MAX - 5};
	peers_keep(r.peers, c);
	assert_null(peers_meet(r.peers, "00000000000000ff")); /* no member */
	assert_null(peers_meet(r.peers, "rubbish"));
	restart(&r);

	const struct mesh *m = peers_mesh(r.peers);
	const struct mesh_node *n = mesh_by_name(m, "n1"), *client = mesh_by_name(m, "n2");
	assert_int_equal(mesh_version(m), 1);
	assert_int_equal(mesh_size(m), 3);
	assert_string_equal(n->tags, "gateway");
	assert_string_equal(n->tags + 8, "b");
	assert_true(mesh_by_name(m, "n0")->coordinator && !n->coordinator);
	assert_true(client->kind == NODE_CLIENT && strcmp(client->via, n->id) == 0);
	assert_memory_equal(n->key, record(1).key, 32);
	assert_int_equal(peers_known_coordinator(r.peers)->pace_ms, 12000);
	assert_int_equal(peers_known_coordinator(r.peers)->data_port, 51820);
	assert_true(endpoint_eq(&peers_known_coordinator(r.peers)->at, &known.at));
	assert_true(peers_known_coordinator(r.peers)->at_tls);
	assert_string_equal(peers_known_coordinator(r.peers)->addresses[1], known.addresses[1]);

	c = peers_contact(r.peers, record(1).id);
	assert_non_null(c);
	assert_int_equal(c->worked.port, 4242);
	assert_int_equal(c->n_candidates, CANDIDATES_MAX);
	for (size_t i = 0; i < CANDIDATES_MAX; i++)
		assert_true(c->candidates[i].type == told.v[i].type &&
			    endpoint_eq(&c->candidates[i].ep, &told.v[i].ep) &&
			    strcmp(c->candidates[i].relay, told.v[i].relay) == 0);
	assert_true(c->stamps.handshake[2] == 3 && c->stamps.check == UINT64_MAX - 5);
	assert_null(peers_contact(r.peers, record(0).id));
	assert_int_equal(stat(r.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(r.warnings, 0);
	rig_close(&r);
}

static void relays_survive_a_restart_and_the_end_of_all(void **state)
{
	const struct relays told = two_relays();
	struct rig r;

	(void)state;
	rig_open(&r);
	start(&r);
	peers_set_relays(r.peers, &told);
	restart(&r);
	assert_true(relays_eq(peers_relays(r.peers), &told));
	peers_set_relays(r.peers, &(struct relays){.n = 0});
	restart(&r);
	assert_int_equal(peers_relays(r.peers)->n, 0);
	rig_close(&r);
}

/* Whatever stands in the file, what is read is well-formed. */
static void of_relays_and_candidates_only_good_lines_are_read(void **state)
{
	const struct relays told = two_relays();
	const struct contact *c;
	struct rig r;

	(void)state;
	rig_open(&r);
	start(&r);
	tell_three(&r);
	peers_set_relays(r.peers, &told);
	peers_keep(r.peers, peers_meet(r.peers, record(1).id));
	peers_free(r.peers);
	by_hand(&r, "UPDATE state SET relays = '\nshort 192.0.2.1:1 |\n\n"
		    "00000000000000aa nonsense 192.0.2.10:4500 | hub:1  hub:2\n"
		    "00000000000000aa 192.0.2.11:1 |\n00000000000000bb'");
	by_hand(&r, "UPDATE contact SET candidates = 'relay 192.0.2.1:1\nhost 192.0.2.1:2 0123456789abcdef\n"
		    "relay 192.0.2.1:3 0123\nrelay 192.0.2.1:4 0123456789abcdef\nhost 192.0.2.1:5\n'");
	start(&r);
	assert_int_equal(peers_relays(r.peers)->n, 2);
	const struct relay_rec *v = peers_relays(r.peers)->v;
	assert_string_equal(v[0].node, "00000000000000aa");
	assert_int_equal(v[0].n_addrs, 1);
	assert_true(endpoint_eq(&v[0].addrs[0], &told.v[1].addrs[0]));
	assert_int_equal(v[0].n_tcp, 2);
	assert_string_equal(v[0].tcp[1], "hub:2");
	assert_string_equal(v[1].node, "00000000000000bb");
	assert_int_equal(v[1].n_addrs + v[1].n_tcp, 0);
	c = peers_contact(r.peers, record(1).id);
	assert_int_equal(c->n_candidates, 2);
	assert_int_equal(c->candidates[0].ep.port, 4);
	assert_string_equal(c->candidates[0].relay, "0123456789abcdef");
	assert_int_equal(c->candidates[1].ep.port, 5);
	rig_close(&r);
}

static void a_change_is_written_soon_and_without_the_rest(void **state)
{
	struct rig r;
	struct node_rec renamed = record(0);

	(void)state;
	rig_open(&r);
	start(&r);
	tell_three(&r);
	restart(&r);
	peers_free(TAKE(r.peers));

	/* Somebody else's hand, to tell a row that is written again from one that is left alone. */
	by_hand(&r, "UPDATE member SET name = 'touched' WHERE name = 'n1'");
	start(&r);
	snprintf(renamed.name, sizeof(renamed.name), "other");
	tell(&r, &renamed, 1);
	assert_int_equal(r.peers->dirty.size, 1);
	for (unsigned i = 0; i < 500 && !saver_is_idle(r.peers->saver); i++)
		run_ms(&r, 20);
	assert_true(saver_is_idle(r.peers->saver));
	assert_int_equal(r.peers->dirty.size, 0);
	restart(&r);
	assert_non_null(mesh_by_name(peers_mesh(r.peers), "other"));
	assert_non_null(mesh_by_name(peers_mesh(r.peers), "touched"));
	rig_close(&r);
}

static void what_belongs_to_a_member_goes_with_it(void **state)
{
	struct node_rec nodes[2] = {record(0), record(1)};
	struct rig r;

	(void)state;
	rig_open(&r);
	start(&r);
	tell(&r, nodes, 2);
	for (size_t i = 0; i < 2; i++) {
		struct contact *c = peers_meet(r.peers, nodes[i].id);

		c->stamps.check = 5;
		c->worked.port = 9;
		c->worked.ip = ip_v4_host(1);
		peers_keep(r.peers, c);
	}
	restart(&r);
	nodes[1].key[9] = 9; /* another key: its stamps are nobody's */
	struct netmap update = {.version = 3, .nodes = nodes + 1, .n_nodes = 1};
	struct mesh_diff d;
	assert_int_equal(peers_update(r.peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
	assert_null(peers_contact(r.peers, nodes[0].id));
	restart(&r);
	assert_null(peers_contact(r.peers, nodes[0].id));
	struct contact *c = peers_contact(r.peers, nodes[1].id);
	assert_true(c && c->stamps.check == 0 && c->worked.port == 9);
	assert_int_equal(peers_clear(r.peers, &d), TM_OK);
	mesh_diff_deinit(&d);
	restart(&r);
	assert_int_equal(mesh_size(peers_mesh(r.peers)), 0);
	assert_int_equal(mesh_version(peers_mesh(r.peers)), 0);
	rig_close(&r);
}

static void the_policy_is_kept_until_it_is_taken_back(void **state)
{
	const struct policy_kept none = {.version = 0};
	struct policy_kept two = {.version = 2,
		.text = strdup("rules: [] # \xc3\xa4\n"),
		.nodes = strdup("a 0123456789abcdef\n")};
	struct rig r;

	(void)state;
	policy_digest(two.text, two.nodes, two.digest);
	rig_open(&r);
	start(&r);
	assert_int_equal(peers_policy(r.peers)->version, 0);
	assert_int_equal(peers_set_policy(r.peers, &two), TM_OK);
	for (unsigned i = 0; i < 2; i++) {
		restart(&r);
		assert_int_equal(peers_policy(r.peers)->version, 2);
		assert_string_equal(peers_policy(r.peers)->digest, two.digest);
		assert_string_equal(peers_policy(r.peers)->text, two.text);
		assert_string_equal(peers_policy(r.peers)->nodes, two.nodes);
		tell_three(&r); /* other changes leave it as it is */
	}
	assert_int_equal(peers_set_policy(r.peers, &none), TM_OK);
	restart(&r);
	assert_int_equal(peers_policy(r.peers)->version, 0);
	assert_null(peers_policy(r.peers)->text);
	assert_false(peers_policy(r.peers)->lost);
	policy_kept_deinit(&two);
	rig_close(&r);
}

/* Whatever happens to its row: it is not taken for another one, nor for none. */
static void a_damaged_policy_is_lost_and_asked_for_again(void **state)
{
	static const char *const damage[] = {"UPDATE policy SET text = replace(text, 'deny', 'allow')",
		"UPDATE policy SET version = 0", "UPDATE policy SET version = 'x'",
		"UPDATE policy SET digest = ''", "UPDATE policy SET digest = NULL",
		"UPDATE policy SET text = NULL", "UPDATE policy SET nodes = NULL",
		"UPDATE policy SET nodes = x'00'", "UPDATE policy SET version = 0, digest = ''",
		"DELETE FROM policy"};
	struct policy_kept two = {.version = 2,
		.text = strdup("rules: [{deny: any, from: a, to: any}]\n"),
		.nodes = strdup("a 0123456789abcdef\n")};

	(void)state;
	policy_digest(two.text, two.nodes, two.digest);
	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		struct rig r;

		rig_open(&r);
		start(&r);
		assert_int_equal(peers_set_policy(r.peers, &two), TM_OK);
		peers_free(TAKE(r.peers));
		by_hand(&r, damage[i]);
		start(&r);
		for (unsigned k = 0; k < 2; k++) {
			if (!peers_policy(r.peers)->lost || peers_policy(r.peers)->version ||
				strcmp(peers_policy(r.peers)->digest, POLICY_DIGEST_LOST) != 0)
				fail_msg("%s", damage[i]);
			tell_three(&r); /* what is written meanwhile heals nothing */
			restart(&r);
		}
		assert_int_equal(peers_set_policy(r.peers, &two), TM_OK);
		restart(&r);
		assert_int_equal(peers_policy(r.peers)->version, 2);
		assert_false(peers_policy(r.peers)->lost);
		rig_close(&r);
	}
	policy_kept_deinit(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_known_survives_a_restart),
		cmocka_unit_test(relays_survive_a_restart_and_the_end_of_all),
		cmocka_unit_test(of_relays_and_candidates_only_good_lines_are_read),
		cmocka_unit_test(a_change_is_written_soon_and_without_the_rest),
		cmocka_unit_test(what_belongs_to_a_member_goes_with_it),
		cmocka_unit_test(the_policy_is_kept_until_it_is_taken_back),
		cmocka_unit_test(a_damaged_policy_is_lost_and_asked_for_again),
	};

	assert_int_equal(crypto_init(NULL), TM_OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
