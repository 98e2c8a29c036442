/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is printed of a view, read back by another JSON library. */
#include "unit/unit.h"

#include "node/view.h"

#include <jansson.h>
#include <string.h>

struct sample {
	struct mesh_node *member;
	struct mesh_info mesh;
	struct peer_view peer;
	struct node_view view;
};

static struct ip address(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), TM_OK);
	return ip;
}

static void sample_init(struct sample *s)
{
	static const uint8_t key[32] = {1};
	static union {
		struct mesh_node node;
		char room[sizeof(struct mesh_node) + 8];
	} member = {.node = {.id = "0123456789abcdef",
			    .host = 3,
			    .via = "",
			    .tags = "db\0web\0",
			    .aliases = "files nas"}};

	*s = (struct sample){.member = &member.node};
	memcpy(member.node.name, "nas", 4);
	assert_int_equal(prefix_parse("100.101.0.0/16", &s->mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c:1::/64", &s->mesh.net6), TM_OK);
	s->peer = (struct peer_view){
		.member = s->member,
		.ip4 = address("100.101.0.3"),
		.ip6 = address("fd5c:1::3"),
		.path = VIEW_DIRECT,
		.remote = {.ip = address("192.0.2.7"), .port = 51820},
		.candidate = "srflx",
		.via_name = "",
		.relay_name = "",
		.age_s = -1,
		.rtt = 11250 * US,
		.online_known = true,
		.online = true,
		.rx_bytes = 1234567,
	};
	s->view = (struct node_view){
		.mesh = &s->mesh,
		.name = "laptop",
		.aliases = "files",
		.id = "fedcba9876543210",
		.key = key,
		.link = {.error = "say \"hello\"\n", .proxy = "192.0.2.1:3128"},
		.tun = "tm0",
		.aead = "libcrypto",
		.steering = "flow",
		.clock_failure = "",
		.map_failure = "",
		.peers = &s->peer,
		.n_peers = 1,
	};
}

static json_t *read_back(struct jsonout *w)
{
	_cleanup_(freep) char *text = jsonout_take(w, NULL);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(j);
	return j;
}

static const char *text(const json_t *j, const char *name)
{
	return json_string_value(json_object_get(j, name));
}

static void a_detour_says_through_whom_since_when_and_why(void **state UNUSED)
{
	static const struct {
		enum path_not why;
		unsigned addresses;
		const char *says; /* NULL: the words of mesh/path_not.h */
	} rows[] = {
#define X(name, word, text) {PATH_NOT_##name, 1, NULL},
		PATH_NOTS(X)
#undef X
			{PATH_NOT_SILENT, 3, "none of its 3 addresses answers"},
		{PATH_NOT_MISSED, 1,
			"no guess at the ports of the router on one side was right; next attempt in 5 min"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample s;
		struct jsonout w = {0};

		sample_init(&s);
		s.peer.path = VIEW_RELAY;
		s.peer.relay_name = "hub";
		s.peer.age_s = 180;
		s.peer.not_direct = rows[i].why;
		s.peer.addresses = rows[i].addresses;
		s.peer.guesses_s = 299;
		view_print_peer(&s.peer, NULL, &w);
		json_t *j = read_back(&w);
		assert_string_equal(text(j, "path"), "relay");
		assert_string_equal(text(j, "relay"), "hub");
		assert_int_equal(json_integer_value(json_object_get(j, "path_age_s")), 180);
		if (rows[i].why == PATH_NOT_NOTHING)
			assert_true(json_is_null(json_object_get(j, "not_direct")));
		else if (rows[i].says)
			assert_string_equal(text(j, "not_direct"), rows[i].says);
		else if (!strstr(text(j, "not_direct"), path_not_text(rows[i].why)))
			fail_msg("row %zu: %s", i, text(j, "not_direct"));
		json_decref(j);
	}
}

static void what_a_gateway_maps_is_printed_and_one_that_is_not_needed_is_not(void **state UNUSED)
{
	static const struct endpoint external = {
		.ip = {.family = IP_V4, .bytes = {203, 0, 113, 9}}, .port = 4711};
	struct sample s;

	for (int step = 0; step < 4; step++) {
		struct jsonout w = {0};

		sample_init(&s);
		s.view.ports.on = step > 0;
		s.view.ports.now = 100 * SEC;
		s.view.ports.v[1].problem = PORTMAP_NOT_NEEDED;
		s.view.ports.v[0] =
			(struct portmap_view){.gateway = address("192.168.1.1"), .problem = PORTMAP_REFUSED};
		s.view.ports.v[0].seen[PORTMAP_UPNP] = true;
		if (step > 1)
			s.view.ports.v[0] = (struct portmap_view){.gateway = address("192.168.1.1"),
				.protocol = PORTMAP_PCP,
				.external = external,
				.nested = true,
				.lease = step > 2 ? NS_NEVER : 7200 * SEC,
				.until = step > 2 ? NS_NEVER : 5000 * SEC};
		view_print_status(&s.view, &w);
		json_t *j = read_back(&w), *list = json_object_get(j, "port_mapping"),
		       *p = json_array_get(list, 0);
		assert_int_equal(json_array_size(list), step > 0);
		assert_int_equal(json_is_null(list), step == 0);
		if (step == 1) {
			assert_true(json_is_null(json_object_get(p, "endpoint")));
			assert_string_equal(text(p, "problem"),
				"the router refuses, so a port has to be forwarded by hand");
			assert_string_equal(
				json_string_value(json_array_get(json_object_get(p, "seen"), 0)), "upnp");
		} else if (step > 1) {
			assert_string_equal(text(p, "gateway"), "192.168.1.1");
			assert_string_equal(text(p, "protocol"), "pcp");
			assert_string_equal(text(p, "endpoint"), "203.0.113.9:4711");
			assert_true(json_is_true(json_object_get(p, "nested")));
			assert_true(json_is_null(json_object_get(p, "problem")));
			assert_int_equal(
				json_integer_value(json_object_get(p, "left_s")), step == 2 ? 4900 : 0);
			assert_int_equal(json_is_null(json_object_get(p, "lease_s")), step == 3);
		}
		json_decref(j);
	}
}

static void a_peer_is_printed_with_all_that_is_known(void **state UNUSED)
{
	struct sample s;
	struct jsonout w = {0};

	sample_init(&s);
	view_print_peer(&s.peer, NULL, &w);
	json_t *j = read_back(&w);
	assert_string_equal(text(j, "name"), "nas");
	assert_string_equal(text(j, "ip4"), "100.101.0.3");
	assert_string_equal(text(j, "path"), "direct");
	assert_string_equal(text(j, "endpoint"), "192.0.2.7:51820");
	assert_string_equal(text(j, "candidate"), "srflx");
	assert_true(json_is_true(json_object_get(j, "online")));
	assert_int_equal(json_integer_value(json_object_get(j, "rx_bytes")), 1234567);
	assert_true(json_real_value(json_object_get(j, "rtt_ms")) > 11.24);
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "aliases"), 1)), "nas");
	assert_int_equal(json_array_size(json_object_get(j, "tags")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "tags"), 1)), "web");
	json_decref(j);
}

static void what_is_not_known_is_null(void **state UNUSED)
{
	static const char *const peer_keys[] = {
		"online", "rtt_ms", "endpoint", "candidate", "via", "via_name", "last_handshake_at"};
	struct sample s;
	struct jsonout w = {0};

	sample_init(&s);
	s.peer.online_known = false;
	s.peer.rtt = 0;
	s.peer.remote = (struct endpoint){0};
	s.peer.candidate = "";
	view_print_peer(&s.peer, NULL, &w);
	json_t *j = read_back(&w);
	for (size_t i = 0; i < ARRAY_LEN(peer_keys); i++)
		if (!json_is_null(json_object_get(j, peer_keys[i])))
			fail_msg("%s", peer_keys[i]);
	json_decref(j);

	/* The coordinator knows who has a link, and a client has none. */
	sample_init(&s);
	s.member->kind = NODE_CLIENT;
	view_print_peer(&s.peer, NULL, &w);
	j = read_back(&w);
	assert_true(json_is_null(json_object_get(j, "online")));
	json_decref(j);
	s.member->kind = NODE_MESH;

	s.view.link.error = s.view.link.proxy = "";
	view_print_status(&s.view, &w);
	j = read_back(&w);
	assert_true(json_is_null(json_object_get(j, "api_port")));
	assert_true(json_is_null(json_object_get(json_object_get(j, "link"), "error")));
	assert_true(json_is_null(json_object_get(json_object_get(j, "link"), "coordinator_ip")));
	assert_true(json_is_null(json_object_get(json_object_get(j, "link"), "proxy")));
	json_decref(j);
}

static void what_is_not_saved_is_told_with_the_reason(void **state UNUSED)
{
	struct sample s;
	struct jsonout w = {0};

	sample_init(&s);
	view_print_status(&s.view, &w);
	json_t *j = read_back(&w);
	assert_int_equal(json_array_size(json_object_get(j, "unsaved")), 0);
	json_decref(j);

	s.view.map_failure = "disk full";
	view_print_status(&s.view, &w);
	j = read_back(&w);
	const json_t *list = json_object_get(j, "unsaved");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_array_get(list, 0)), "the network map: disk full");
	json_decref(j);
}

static void how_far_the_clock_is_off_is_told_once_it_is_known(void **state UNUSED)
{
	struct sample s;
	struct jsonout w = {0};

	sample_init(&s);
	view_print_status(&s.view, &w);
	json_t *j = read_back(&w);
	assert_true(json_is_null(json_object_get(json_object_get(j, "clock"), "ahead_s")));
	json_decref(j);

	s.view.clock_known = true;
	s.view.clock_ahead_s = -7;
	s.view.clock_set_back_s = 9;
	view_print_status(&s.view, &w);
	j = read_back(&w);
	const json_t *clock = json_object_get(j, "clock");
	assert_int_equal(json_integer_value(json_object_get(clock, "ahead_s")), -7);
	assert_int_equal(json_integer_value(json_object_get(clock, "set_back_s")), 9);
	json_decref(j);
}

static void a_peer_that_is_offline_is_not_being_looked_for(void **state UNUSED)
{
	static const struct {
		enum view_path path;
		bool known, online;
		enum view_path shown;
	} rows[] = {
		{VIEW_CHECKING, true, false, VIEW_OFFLINE},
		{VIEW_IDLE, true, false, VIEW_OFFLINE},
		{VIEW_CHECKING, true, true, VIEW_CHECKING},
		{VIEW_CHECKING, false, false, VIEW_CHECKING},
		{VIEW_DIRECT, true, false, VIEW_DIRECT}, /* a tunnel lives on without the coordinator */
		{VIEW_NONE, true, false, VIEW_NONE},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct peer_view p = {
			.path = rows[i].path, .online_known = rows[i].known, .online = rows[i].online};

		if (view_shown_path(&p) != rows[i].shown)
			fail_msg("row %zu", i);

		struct sample s;
		struct jsonout w = {0};

		sample_init(&s);
		s.peer.path = p.path;
		s.peer.online_known = p.online_known;
		s.peer.online = p.online;
		s.peer.not_direct = PATH_NOT_SILENT;
		view_print_peer(&s.peer, NULL, &w);
		json_t *j = read_back(&w);
		assert_string_equal(text(j, "not_direct"),
			path_not_text(rows[i].shown == VIEW_OFFLINE ? PATH_NOT_OFFLINE : PATH_NOT_SILENT));
		json_decref(j);
	}
}

static void what_the_firewall_drops_is_named_once_it_is_known(void **state UNUSED)
{
	struct sample s;

	sample_init(&s);
	for (int step = 0; step < 3; step++) {
		struct jsonout w = {0};

		s.view.inbound_known = step > 0;
		s.view.firewalled4 = step > 1;
		view_print_status(&s.view, &w);
		json_t *j = read_back(&w), *list = json_object_get(j, "firewalled");
		assert_int_equal(json_is_null(list), step == 0);
		assert_int_equal(json_array_size(list), step > 1);
		if (step > 1)
			assert_string_equal(json_string_value(json_array_get(list, 0)), "100.101.0.0/16");
		json_decref(j);
	}
}

static void a_peer_is_in_use_once_something_was_sent_and_the_coordinator_always(void **state UNUSED)
{
	struct sample s;

	sample_init(&s);
	s.peer = (struct peer_view){.member = s.member, .path = VIEW_IDLE};
	assert_false(view_in_use(&s.peer));
	s.peer.tx_bytes = 1;
	assert_true(view_in_use(&s.peer));
	s.peer = (struct peer_view){.member = s.member, .path = VIEW_CHECKING};
	assert_true(view_in_use(&s.peer));
	s.peer.path = VIEW_IDLE;
	s.member->coordinator = true;
	assert_true(view_in_use(&s.peer));
	s.member->coordinator = false;
}

static void status_holds_this_node_its_link_its_drops_and_its_peers(void **state UNUSED)
{
	struct sample s;
	struct jsonout w = {0};

	sample_init(&s);
	s.view.drops[DROP_REPLAY] = 3;
	view_print_status(&s.view, &w);
	json_t *j = read_back(&w);
	assert_true(json_is_null(json_object_get(j, "relay"))); /* none is offered */
	json_decref(j);
	s.view.relay = (struct relaying_view){.offered = true, .allowed = true, .members = 2, .bytes = 9};
	view_print_status(&s.view, &w);
	j = read_back(&w);
	assert_true(json_is_true(json_object_get(json_object_get(j, "relay"), "allowed")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "relay"), "members")), 2);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "relay"), "bytes")), 9);
	assert_string_equal(text(json_object_get(j, "mesh"), "net4"), "100.101.0.0/16");
	assert_string_equal(text(json_object_get(j, "self"), "name"), "laptop");
	assert_string_equal(text(json_object_get(j, "link"), "error"), "say \"hello\"\n");
	assert_int_equal(json_object_size(json_object_get(j, "drops")), 1);
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(j, "drops"), plane_drop_label(DROP_REPLAY))),
		3);
	assert_int_equal(json_array_size(json_object_get(j, "peers")), 1);
	json_decref(j);
}

static void where_metrics_are_had_is_told_and_whether_they_are(void **state UNUSED)
{
	struct sample s;
	struct jsonout w = {0};

	sample_init(&s);
	view_print_status(&s.view, &w);
	json_t *j = read_back(&w);
	assert_true(json_is_null(json_object_get(j, "metrics")));
	json_decref(j);
	s.view.metrics = (struct own_doors_view){.n = 2,
		.doors = {{{.ip = address("100.101.0.1"), .port = 5210}, true},
			{{.ip = address("fd5c:1::1"), .port = 5210}, false}}};
	view_print_status(&s.view, &w);
	j = read_back(&w);
	const json_t *doors = json_object_get(j, "metrics");
	assert_int_equal(json_array_size(doors), 2);
	assert_string_equal(text(json_array_get(doors, 1), "address"), "[fd5c:1::1]:5210");
	assert_true(json_is_true(json_object_get(json_array_get(doors, 0), "open")));
	assert_true(json_is_false(json_object_get(json_array_get(doors, 1), "open")));
	json_decref(j);
}

static void the_dashboard_is_told_with_its_name_and_where_it_could_be_had(void **state UNUSED)
{
	struct sample s;
	struct jsonout w = {0};

	sample_init(&s);
	view_print_status(&s.view, &w);
	json_t *j = read_back(&w);
	assert_true(json_is_null(json_object_get(j, "dashboard")));
	json_decref(j);
	snprintf(s.mesh.zone, sizeof(s.mesh.zone), "home.arpa");
	s.view.dashboard.mesh = (struct own_doors_view){.n = 2,
		.doors = {{{.ip = address("100.101.0.1"), .port = 80}, true},
			{{.ip = address("fd5c:1::1"), .port = 80}, false}}};
	s.view.dashboard.outside = (struct outside_view){
		.n = 1, .doors = {{{.ip = address("192.0.2.7"), .port = 443}, true}}, .lacks_password = true};
	view_print_status(&s.view, &w);
	j = read_back(&w);
	const json_t *shown = json_object_get(j, "dashboard"), *listen = json_object_get(shown, "listen");
	assert_string_equal(text(shown, "url"), "http://this.home.arpa/");
	assert_int_equal(json_array_size(listen), 2);
	assert_string_equal(text(json_array_get(listen, 1), "address"), "[fd5c:1::1]:80");
	assert_true(json_is_true(json_object_get(json_array_get(listen, 0), "open")));
	assert_true(json_is_false(json_object_get(json_array_get(listen, 1), "open")));
	const json_t *outside = json_object_get(shown, "outside");
	assert_int_equal(json_array_size(outside), 1);
	assert_string_equal(text(json_array_get(outside, 0), "address"), "192.0.2.7:443");
	assert_true(json_is_true(json_object_get(json_array_get(outside, 0), "open")));
	assert_true(json_is_true(json_object_get(shown, "lacks_password")));
	json_decref(j);
}

static void what_came_of_an_address_is_one_word(void **state UNUSED)
{
	static const struct {
		struct pair pair;
		bool in_use;
		enum view_tried is;
	} rows[] = {
		{{.next_check = 1}, false, VIEW_WAITS},
		{{.tries = 2}, false, VIEW_ASKED},
		{{.failed = true}, false, VIEW_SILENT},
		{{.failed = true, .last_ok = 1}, false, VIEW_SILENT},
		{{.last_ok = 1}, false, VIEW_ANSWERS},
		{{.last_ok = 1, .tries = 1}, false, VIEW_ASKED},
		{{.last_ok = 1}, true, VIEW_IN_USE},
		{{.outlet.reach = REACH_NONE, .tries = 1}, false, VIEW_NO_ROUTE},
		{{.outlet.reach = REACH_NONE, .failed = true}, false, VIEW_NO_ROUTE},
		{{.outlet.reach = REACH_NONE, .last_ok = 1}, false, VIEW_ANSWERS},
		{{.outlet.reach = REACH_MESH, .failed = true}, false, VIEW_LOOP},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (view_tried_of(&rows[i].pair, rows[i].in_use) != rows[i].is)
			fail_msg("row %zu", i);
}

static void a_peer_is_shown_with_every_address_that_was_tried(void **state UNUSED)
{
	const struct pair pairs[] = {
		{.way.remote = {.ip = address("192.0.2.7"), .port = 51820},
			.type = CAND_SRFLX,
			.failed = true},
		{.way.remote = {.ip = address("2001:db8::7"), .port = 9},
			.type = CAND_HOST,
			.rtt = 2 * MS,
			.last_ok = 1},
		{.way = {.kind = WAY_RELAY_TCP, .remote = {.ip = address("192.0.2.1"), .port = 443}},
			.type = CAND_RELAY},
	};
	const struct candidates mine = {.n = 1, .v = {{CAND_HOST, {.ip = address("192.0.2.1"), .port = 1}}}};
	struct sample s;
	struct jsonout w = {0};

	sample_init(&s);
	const struct reach_view v = {.peer = s.peer,
		.pairs = pairs,
		.chosen = &pairs[1],
		.relays = {"", "", "hub"},
		.n_pairs = 3,
		.mine = &mine,
		.link = {.error = "no way", .proxy = ""}};
	view_print_reach(&v, &w);
	json_t *j = read_back(&w);
	const json_t *tried = json_object_get(j, "tried"), *one = json_array_get(tried, 0),
		     *two = json_array_get(tried, 1), *three = json_array_get(tried, 2);
	assert_string_equal(text(json_object_get(j, "peer"), "name"), "nas");
	assert_string_equal(text(one, "endpoint"), "192.0.2.7:51820");
	assert_string_equal(text(one, "result"), "no_answer");
	assert_string_equal(text(one, "candidate"), "srflx");
	assert_true(json_is_null(json_object_get(one, "rtt_ms")));
	assert_string_equal(text(two, "endpoint"), "[2001:db8::7]:9");
	assert_string_equal(text(two, "result"), "in_use");
	assert_string_equal(text(two, "path"), "direct");
	assert_true(json_is_null(json_object_get(two, "relay")));
	assert_string_equal(text(three, "path"), "tcp");
	assert_string_equal(text(three, "relay"), "hub");
	assert_string_equal(text(json_array_get(json_object_get(j, "mine"), 0), "endpoint"), "192.0.2.1:1");
	assert_string_equal(text(json_object_get(j, "link"), "error"), "no way");
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_firewall_drops_is_named_once_it_is_known),
		cmocka_unit_test(a_detour_says_through_whom_since_when_and_why),
		cmocka_unit_test(what_a_gateway_maps_is_printed_and_one_that_is_not_needed_is_not),
		cmocka_unit_test(a_peer_is_printed_with_all_that_is_known),
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(what_is_not_saved_is_told_with_the_reason),
		cmocka_unit_test(how_far_the_clock_is_off_is_told_once_it_is_known),
		cmocka_unit_test(a_peer_that_is_offline_is_not_being_looked_for),
		cmocka_unit_test(a_peer_is_in_use_once_something_was_sent_and_the_coordinator_always),
		cmocka_unit_test(where_metrics_are_had_is_told_and_whether_they_are),
		cmocka_unit_test(the_dashboard_is_told_with_its_name_and_where_it_could_be_had),
		cmocka_unit_test(what_came_of_an_address_is_one_word),
		cmocka_unit_test(a_peer_is_shown_with_every_address_that_was_tried),
		cmocka_unit_test(status_holds_this_node_its_link_its_drops_and_its_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
