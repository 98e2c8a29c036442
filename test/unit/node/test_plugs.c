/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a change of the mesh, or a word of the plane, means for the other parts. */
#include "plugs_rig.h"

static void a_change_concerns_the_peers_that_it_names(void **state)
{
	struct rig *r = *state;

	tell(r, 0, 4, NULL);
	assert_int_equal(r->n_put, 3); /* not ourselves */
	assert_true(was_put(r, 1) && was_put(r, 2) && was_put(r, 3));
	assert_int_equal(r->cleared, 0);
	assert_int_equal(r->commits, 1);
	assert_int_equal(r->kicks, 1);
	forget(r);
	tell(r, 4, 1, r->nodes[2].id);
	assert_int_equal(r->n_put, 1);
	assert_true(was_put(r, 4));
	assert_int_equal(r->n_removed, 1);
	assert_memory_equal(r->removed[0], r->nodes[2].key, 32);
}

static void a_change_without_memory_is_made_up_for_with_the_next(void **state)
{
	struct rig *r = *state;

	tell(r, 0, 3, NULL);
	forget(r);
	r->commit_err = TM_ENOMEM;
	tell(r, 3, 1, NULL);
	assert_true(r->n.behind);
	assert_int_equal(r->warnings, 1);
	forget(r);
	r->commit_err = TM_OK;
	tell(r, 4, 1, NULL);
	assert_false(r->n.behind);
	assert_int_equal(r->n_news, 3 + 1 + 1); /* what happened, each once */
	assert_int_equal(r->cleared, 1); /* who has gone meanwhile is not named any more */
	assert_int_equal(r->n_put, 4);
	assert_true(was_put(r, 1) && was_put(r, 3) && was_put(r, 4));
	forget(r);
	tell(r, 5, 1, NULL);
	assert_int_equal(r->cleared, 0);
	assert_int_equal(r->n_put, 1);
}

static void an_impossible_key_leaves_that_peer_out_and_no_other(void **state)
{
	struct rig *r = *state;

	r->impossible = r->nodes[2].key;
	tell(r, 0, 4, NULL);
	assert_int_equal(r->n_put, 2);
	assert_false(r->n.behind);
	assert_int_equal(r->warnings, 1);
}

static void whether_answers_come_in_is_not_asked_where_somebody_else_would_answer(void **state)
{
	struct rig *r = *state;
	const struct inbound_config cfg = plugs_inbound(&r->n);
	const struct ip nobody = prefix_last_host(&cfg.side[0].net);

	tell(r, 0, 4, NULL);
	assert_false(cfg.taken(cfg.ctx, &nobody));
	strcpy(r->exit, r->nodes[2].id); /* it has what no member has */
	assert_true(cfg.taken(cfg.ctx, &nobody));
}

static void a_path_goes_with_its_key(void **state)
{
	struct rig *r = *state;
	uint8_t old[32];

	tell(r, 0, 4, NULL);
	assert_int_equal(r->n_input, 0);
	snprintf(r->nodes[2].name, sizeof(r->nodes[2].name), "renamed");
	tell(r, 2, 1, NULL);
	assert_int_equal(r->n_input, 0);
	memcpy(old, r->nodes[2].key, 32);
	r->nodes[2].key[5] = 5;
	tell(r, 2, 1, NULL);
	assert_int_equal(r->n_input, 1);
	assert_int_equal(r->input[0].kind, CORE_REMOVE);
	assert_memory_equal(r->input[0].key, old, 32);
	tell(r, 0, 0, r->nodes[3].id);
	assert_int_equal(r->n_input, 2);
	assert_int_equal(r->input[1].kind, CORE_REMOVE);
	assert_memory_equal(r->input[1].key, r->nodes[3].key, 32);
	assert_true(r->n_relaying > 0); /* nor is it relayed for */
}

static void what_was_heard_before_the_restart_stays_refused(void **state)
{
	struct rig *r = *state;

	tell(r, 0, 3, NULL);
	struct contact *c = peers_meet(r->n.peers, r->nodes[2].id);
	c->stamps = (struct stamps){.handshake = {7}, .check = 9};
	forget(r);
	all_that_there_are(r); /* as the agent tells at the start what the file held */
	assert_int_equal(r->n_seeded, 1);
	assert_memory_equal(r->seeded[0], r->nodes[2].key, 32);
	assert_int_equal(r->seeded_stamp[0], 7);
	assert_int_equal(r->seeded_check[0], 9);
	forget(r);
	snprintf(r->nodes[2].name, sizeof(r->nodes[2].name), "renamed");
	tell(r, 2, 1, NULL);
	assert_int_equal(r->n_seeded, 0);
}

static void become_our_client(struct rig *r)
{
	struct node_rec *c = &r->nodes[CLIENT];

	c->kind = NODE_CLIENT;
	snprintf(c->via, sizeof(c->via), "%s", r->nodes[0].id);
}

static void a_client_of_ours_is_met_after_a_restart_where_it_was_last(void **state)
{
	const struct endpoint place = {.ip = ip_v4_host(0xc0000207), .port = 4500};
	struct rig *r = *state;
	const struct plane_events ev = plugs_plane(&r->n);

	become_our_client(r);
	tell(r, 0, 6, NULL);
	assert_int_equal(r->ways, 0); /* nobody knows where it is */
	r->at = place;
	ev.session(ev.ctx, r->nodes[CLIENT].key, true);
	ev.session(ev.ctx, r->nodes[1].key, true);
	assert_true(endpoint_eq(&peers_contact(r->n.peers, r->nodes[CLIENT].id)->worked, &place));
	assert_null(peers_contact(r->n.peers, r->nodes[1].id)); /* the path core tells of members */
	all_that_there_are(r);
	assert_int_equal(r->ways, 0); /* it is there */

	/* As after the start: the plane knows nothing. */
	r->at = (struct endpoint){0};
	all_that_there_are(r);
	assert_int_equal(r->ways, 1);
	assert_int_equal(r->nudges, 1);
	assert_true(endpoint_eq(&r->way.remote, &place));

	/* It has become another gateway's, who is to meet it. */
	snprintf(r->nodes[CLIENT].via, sizeof(r->nodes[CLIENT].via), "%s", r->nodes[1].id);
	tell(r, CLIENT, 1, NULL);
	all_that_there_are(r);
	assert_int_equal(r->ways, 1);
}

static unsigned told_server(const struct rig *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->n_input; i++)
		n += r->input[i].kind == CORE_SERVER;
	return n;
}

static void the_coordinator_is_asked_for_our_address_unless_that_is_us(void **state)
{
	struct rig *r = *state;
	const struct agent_events ev = plugs_agent(&r->n);

	r->has_server = true;
	ev.link(ev.ctx, true);
	assert_int_equal(told_server(r), 0); /* whose key that is the mesh has not told yet */
	tell(r, 0, 2, NULL);
	assert_int_equal(told_server(r), 1);
	assert_memory_equal(r->input[1].key, r->n.enrolment.coordinator_key, 32);
	ev.link(ev.ctx, false);
	assert_int_equal(told_server(r), 1);
	ev.link(ev.ctx, true);
	assert_int_equal(told_server(r), 2);
	r->n.coord = (struct coord *)r; /* never looked into */
	ev.link(ev.ctx, true);
	assert_int_equal(told_server(r), 2);
}

static void the_core_learns_whether_the_coordinator_can_be_reached(void **state)
{
	struct rig *r = *state;
	const struct agent_events ev = plugs_agent(&r->n);

	for (unsigned i = 0; i < 2; i++) {
		ev.link(ev.ctx, i == 0);
		assert_int_equal(r->n_input, i + 1);
		assert_int_equal(r->input[i].kind, CORE_LINK);
		assert_int_equal(r->input[i].link_up, i == 0);
		assert_int_equal(r->n.links_begun, 1);
	}
	ev.link(ev.ctx, true);
	assert_int_equal(r->n.links_begun, 2);
}

static void a_removal_is_remembered_until_there_is_a_link_again(void **state)
{
	struct rig *r = *state;
	const struct agent_events ev = plugs_agent(&r->n);

	ev.removed(ev.ctx, "the administrator removed it", false);
	assert_string_equal(r->n.removed, "the administrator removed it");
	ev.link(ev.ctx, false);
	assert_true(r->n.removed[0]);
	ev.link(ev.ctx, true);
	assert_false(r->n.removed[0]);
}

static void only_other_members_may_measure(void **state)
{
	struct rig *r = *state;
	struct ip ip;

	tell(r, 0, 2, NULL);
	const struct responder_config cfg = plugs_responder(&r->n);
	assert_string_equal(cfg.ifname, "tm7");
	assert_int_equal(ip_parse("100.101.0.2", &ip), TM_OK);
	assert_true(cfg.is_member(cfg.ctx, &ip));
	assert_int_equal(ip_parse("fd5c::2", &ip), TM_OK);
	assert_true(cfg.is_member(cfg.ctx, &ip));
	assert_int_equal(ip_parse("100.101.0.1", &ip), TM_OK);
	assert_false(cfg.is_member(cfg.ctx, &ip)); /* ourselves */
	assert_int_equal(ip_parse("100.101.0.3", &ip), TM_OK);
	assert_false(cfg.is_member(cfg.ctx, &ip));
	tell(r, 0, 0, r->nodes[1].id);
	assert_int_equal(ip_parse("100.101.0.2", &ip), TM_OK);
	assert_false(cfg.is_member(cfg.ctx, &ip));
}

static void a_peer_has_stamps_when_either_kind_was_heard(void **state)
{
	struct rig *r = *state;
	const struct keeper_config cfg = plugs_keeper(&r->n);
	struct stamps s;

	assert_false(cfg.stamps(cfg.ctx, r->nodes[1].key, &s));
	r->stamp = 5;
	assert_true(cfg.stamps(cfg.ctx, r->nodes[1].key, &s));
	assert_int_equal(s.check, 5);
}

static void a_tun_that_somebody_deletes_ends_the_node_with_a_reason(void **state)
{
	struct rig *r = *state;
	const struct plane_events ev = plugs_plane(&r->n);

	ev.tun_lost(ev.ctx);
	assert_int_equal(r->n.result, TM_EIO);
	assert_string_equal(r->n.failure.what, "the TUN device tm7 was deleted");
	assert_true(event_base_got_break(r->n.base));
}

static void what_the_plane_hears_goes_to_the_path_core_in_its_kind(void **state)
{
	struct rig *r = *state;
	const struct plane_events ev = plugs_plane(&r->n);
	const struct way_to by = {.remote = {.port = 7}};

	ev.stun(ev.ctx, &by, (const uint8_t *)"R", 1); /* a registration: the relay's */
	assert_int_equal(r->n_input, 0);
	ev.stun(ev.ctx, &by, (const uint8_t *)"?", 1);
	ev.want_path(ev.ctx, r->nodes[1].key);
	ev.heard(ev.ctx, r->nodes[2].key, &by);
	assert_int_equal(r->n_input, 3);
	assert_int_equal(r->input[0].kind, CORE_STUN);
	assert_int_equal(r->input[1].kind, CORE_WANT);
	assert_memory_equal(r->input[1].key, r->nodes[1].key, 32);
	assert_int_equal(r->input[2].kind, CORE_HEARD);
	assert_memory_equal(r->input[2].key, r->nodes[2].key, 32);
}

static void what_a_stream_brought_before_it_ended_makes_no_path(void **state)
{
	static const struct {
		uint32_t stream;
		unsigned told;
	} rows[] = {{4, 2} /* ours */, {5, 2} /* a member's */, {6, 0}};
	struct rig *r = *state;
	const struct plane_events ev = plugs_plane(&r->n);

	r->n.streams.v[0] = (struct node_stream){.up = true, .number = 4};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct way_to by = {
			.kind = WAY_RELAY_TCP, .socket = rows[i].stream, .remote = {.port = 7}};

		forget(r);
		ev.stun(ev.ctx, &by, (const uint8_t *)"?", 1);
		ev.heard(ev.ctx, r->nodes[2].key, &by);
		assert_int_equal(r->n_input, rows[i].told);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_change_concerns_the_peers_that_it_names),
		T(a_change_without_memory_is_made_up_for_with_the_next),
		T(an_impossible_key_leaves_that_peer_out_and_no_other),
		T(a_path_goes_with_its_key),
		T(what_was_heard_before_the_restart_stays_refused),
		T(a_client_of_ours_is_met_after_a_restart_where_it_was_last),
		T(the_core_learns_whether_the_coordinator_can_be_reached),
		T(the_coordinator_is_asked_for_our_address_unless_that_is_us),
		T(a_removal_is_remembered_until_there_is_a_link_again),
		T(only_other_members_may_measure),
		T(whether_answers_come_in_is_not_asked_where_somebody_else_would_answer),
		T(a_peer_has_stamps_when_either_kind_was_heard),
		T(a_tun_that_somebody_deletes_ends_the_node_with_a_reason),
		T(what_the_plane_hears_goes_to_the_path_core_in_its_kind),
		T(what_a_stream_brought_before_it_ended_makes_no_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
