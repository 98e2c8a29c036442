/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The agent against a coordinator that follows a script. */
#include "fake.h"

#include <sys/stat.h>

#include "crypto/init.h"
#include "os/os.h"

static void it_says_hello_and_takes_welcome_and_netmap(void **state UNUSED)
{
	struct fake f;
	struct endpoint data, expected;

	fake_open(&f);
	fake_serve(&f);
	fake_start(&f);
	assert_int_equal(agent_coordinator_data(f.agent, &data, 1), 0);
	assert_int_equal(agent_coordinator_time(f.agent), 0);
	assert_string_not_equal(agent_last_error(f.agent), "");
	fake_run_until(&f, &f.netmaps, 1);
	assert_int_equal(f.link_ups, 1);
	assert_string_equal(agent_last_error(f.agent), "");
	assert_string_equal(json_string_value(json_object_get(f.hello, "version")), "0.1.0");
	assert_int_equal(json_integer_value(json_object_get(f.hello, "netmap")), 0);
	assert_int_equal(mesh_version(peers_mesh(f.peers)), 5);
	assert_non_null(mesh_by_id(peers_mesh(f.peers), PEER_A));
	assert_string_equal(agent_mesh_info(f.agent)->name, "home");
	assert_in_range(agent_coordinator_time(f.agent), 1, 60); /* it said 1, and its clock goes on */
	assert_int_equal(agent_coordinator_data(f.agent, &data, 1), 1);
	assert_int_equal(endpoint_parse("127.0.0.1:51820", &expected), TM_OK);
	assert_true(endpoint_eq(&data, &expected));
	fake_close(&f);
}

static void a_delta_changes_the_map(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	fake_say(&f, "{\"t\":\"netmap\",\"map\":{\"version\":6,\"base\":5,\"nodes\":[],\"removed\":[\"" PEER_A
		     "\"]}}");
	fake_run_until(&f, &f.netmaps, 2);
	assert_int_equal(mesh_version(peers_mesh(f.peers)), 6);
	assert_null(mesh_by_id(peers_mesh(f.peers), PEER_A));
	assert_non_null(mesh_by_id(peers_mesh(f.peers), PEER_B));
	fake_close(&f);
}

static void a_delta_that_does_not_fit_makes_it_fetch_the_whole_map(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	fake_say(&f, "{\"t\":\"netmap\",\"map\":{\"version\":9,\"base\":8,\"nodes\":[],\"removed\":[\"" PEER_A
		     "\"]}}");
	f.on_hello[2] =
		"{\"t\":\"netmap\",\"map\":{\"version\":6,\"base\":5,\"nodes\":[],\"removed\":[\"" PEER_A
		"\"]}}";
	fake_run_until(&f, &f.hellos, 2);
	assert_int_equal(json_integer_value(json_object_get(f.hello, "netmap")), 0);
	assert_non_null(mesh_by_id(peers_mesh(f.peers), PEER_A)); /* meanwhile the old one holds */
	fake_run_until(&f, &f.netmaps, 2);
	assert_int_equal(mesh_version(peers_mesh(f.peers)), 6);
	fake_close(&f);
}

static void one_bad_record_does_not_poison_the_map(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	fake_say(&f, "{\"t\":\"netmap\",\"map\":{\"version\":6,\"base\":5,\"removed\":[],\"nodes\":["
		     "{\"id\":\"00000000000000cc\",\"name\":\"Not A "
		     "Name!\",\"host\":12,\"key\":\"x\"},"
		     "{\"id\":\"00000000000000dd\",\"name\":\"d\",\"host\":13,"
		     "\"key\":\"REREREREREREREREREREREREREREREREREREREREREQ=\"}]}}");
	fake_run_until(&f, &f.netmaps, 2);
	assert_int_equal(mesh_size(peers_mesh(f.peers)), 3);
	assert_non_null(mesh_by_id(peers_mesh(f.peers), "00000000000000dd"));
	assert_true(agent_link_up(f.agent));
	fake_close(&f);
}

static void messages_that_make_no_sense_are_survived(void **state UNUSED)
{
	static const char *const rows[] = {
		"{}",
		"{\"t\":5}",
		"{\"t\":\"from-the-future\",\"x\":[1,2,3]}",
		"{\"t\":\"candidates\"}",
		"{\"t\":\"candidates\",\"node\":\"../../etc\",\"candidates\":[]}",
		"{\"t\":\"candidates\",\"node\":\"00000000000000ff\",\"candidates\":[]}",
		"{\"t\":\"candidates\",\"node\":\"" PEER_A "\",\"candidates\":7}",
		"{\"t\":\"reply\",\"id\":77,\"ok\":true}",
		"{\"t\":\"welcome\"}",
	};
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		fake_say(&f, rows[i]);
	fake_say(&f, "{\"t\":\"candidates\",\"node\":\"" PEER_A
		     "\",\"candidates\":[{\"type\":\"host\",\"addr\":\"192.0.2.7:1\"}]}");
	fake_run_until(&f, &f.candidates, 1);
	assert_true(agent_link_up(f.agent));
	assert_int_equal(f.last_candidates.n, 1);
	assert_false(f.last_looks);
	fake_say(&f, "{\"t\":\"candidates\",\"node\":\"" PEER_A "\",\"candidates\":[],\"looks\":true}");
	fake_run_until(&f, &f.candidates, 2);
	assert_true(f.last_looks);
	fake_close(&f);
}

static void it_comes_back_after_the_coordinator_does(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_start(&f); /* nobody listens */
	fake_run_ms(&f, 100);
	assert_contains_text(agent_last_error(f.agent), "connection refused");
	for (unsigned i = 1; i <= 3; i++) {
		fake_serve(&f);
		fake_run_until(&f, &f.link_ups, i);
		fake_run_until(&f, &f.netmaps, 1); /* the same again is no change */
		fake_stop_serving(&f);
		fake_run_until(&f, &f.link_downs, i);
		assert_false(agent_link_up(f.agent));
		assert_int_equal(mesh_size(peers_mesh(f.peers)), 2); /* the map outlives the link */
	}
	/* The second time it knew version 5. */
	assert_int_equal(json_integer_value(json_object_get(f.hello, "netmap")), 5);
	fake_close(&f);
}

static void a_coordinator_that_only_hangs_up_is_not_run_over(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	f.tuning.retry_min = 20 * MS;
	f.tuning.retry_max = 100 * MS;
	f.on_hello[0] = "close";
	f.on_hello[1] = NULL;
	fake_serve(&f);
	fake_start(&f);
	fake_run_ms(&f, 1000);
	/* At least 10, 20, 40, then 50 ms apart. */
	assert_in_range(f.hellos, 2, 22);
	assert_contains_text(agent_last_error(f.agent), "the test says so");
	fake_close(&f);
}

static void a_welcome_that_does_not_come_is_not_waited_for_forever(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	f.tuning.welcome_ms = 50;
	f.on_hello[0] = NULL;
	fake_serve(&f);
	fake_start(&f);
	fake_run_until(&f, &f.hellos, 2);
	assert_int_equal(f.link_ups, 0);
	fake_close(&f);
}

/* Else the coordinator could route what it likes to the mesh, when the interface is set up again. */
static void a_welcome_with_other_addresses_is_not_taken(void **state UNUSED)
{
	static const struct {
		const char *net4, *net6;
		uint32_t host;
	} rows[] = {
		{"0.0.0.0/0", NULL, 0},
		{"100.101.0.0/15", NULL, 0},
		{"8.8.0.0/16", NULL, 0},
		{NULL, "::/0", 0},
		{NULL, "fd00:1::/64", 0},
		{NULL, NULL, 9},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake f;

		fake_open(&f);
		f.net4 = rows[i].net4;
		f.net6 = rows[i].net6;
		f.host = rows[i].host;
		fake_serve(&f);
		fake_start(&f);
		fake_run_until(&f, &f.hellos, 2);
		if (f.link_ups || !strstr(agent_last_error(f.agent), "other addresses"))
			fail_msg("row %zu: up %u times, %s", i, f.link_ups, agent_last_error(f.agent));
		assert_true(prefix_eq(&agent_mesh_info(f.agent)->net4, &f.enrolment.mesh.net4));
		fake_close(&f);
	}
}

static void a_restart_without_coordinator_finds_the_peers_in_the_cache(void **state UNUSED)
{
	struct fake f;
	struct endpoint ep;
	struct stat st;

	fake_open(&f);
	fake_link(&f);
	assert_int_equal(endpoint_parse("198.51.100.7:4242", &ep), TM_OK);
	peers_remember_endpoint(f.peers, PEER_B, &ep);
	fake_say(&f, "{\"t\":\"candidates\",\"node\":\"" PEER_A
		     "\",\"candidates\":[{\"type\":\"srflx\",\"addr\":\"192.0.2.7:51820\"}]}");
	fake_run_until(&f, &f.candidates, 1);
	fake_stop(&f);
	fake_stop_serving(&f);
	assert_int_equal(stat(f.cache, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	f.netmaps = f.candidates = 0;
	fake_start(&f);
	assert_int_equal(f.netmaps, 1);
	assert_int_equal(mesh_version(peers_mesh(f.peers)), 5);
	assert_int_equal(agent_coordinator_data(f.agent, &ep, 1), 1);
	agent_want_candidates(f.agent, PEER_A);
	assert_int_equal(f.candidates, 0); /* nor from within the question */
	fake_run_until(&f, &f.candidates, 1);
	assert_string_equal(f.candidates_of, PEER_A);
	assert_int_equal(f.last_candidates.v[0].type, CAND_SRFLX);
	agent_want_candidates(f.agent, PEER_B);
	fake_run_until(&f, &f.candidates, 2);
	assert_int_equal(f.last_candidates.n, 1);
	assert_int_equal(f.last_candidates.v[0].ep.port, 4242);

	/* What could not be asked is asked as soon as there is a link. */
	fake_serve(&f);
	fake_run_until(&f, &f.messages, 2);
	assert_string_equal(json_string_value(json_object_get(f.last, "t")), "want");
	fake_close(&f);
}

static void the_cache_of_another_mesh_is_not_believed(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	fake_stop(&f);
	fake_stop_serving(&f);
	f.enrolment.coordinator_key[0] ^= 1;
	f.netmaps = 0;
	fake_start(&f);
	fake_run_ms(&f, 20);
	assert_int_equal(f.netmaps, 0);
	assert_int_equal(mesh_size(peers_mesh(f.peers)), 0);
	fake_close(&f);
}

static void questions_for_candidates_are_sent_once_in_a_while(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	f.tuning.want_every = 3600 * SEC;
	fake_link(&f);
	for (unsigned i = 0; i < 50; i++)
		agent_want_candidates(f.agent, PEER_A);
	agent_want_candidates(f.agent, PEER_B);
	agent_want_candidates(f.agent, "00000000000000ff"); /* no member */
	agent_want_candidates(f.agent, "rubbish");
	fake_run_until(&f, &f.messages, 2);
	fake_run_ms(&f, 30);
	assert_int_equal(f.messages, 2);
	fake_close(&f);
}

static void own_candidates_are_told_when_they_change(void **state UNUSED)
{
	struct fake f;
	struct candidates c = {.n = 1, .v[0].type = CAND_HOST};

	fake_open(&f);
	assert_int_equal(endpoint_parse("192.0.2.9:51820", &c.v[0].ep), TM_OK);
	fake_serve(&f);
	fake_start(&f);
	agent_set_candidates(f.agent, &c); /* in time for the hello */
	fake_run_until(&f, &f.netmaps, 1);
	assert_int_equal(json_array_size(json_object_get(f.hello, "candidates")), 1);
	agent_set_candidates(f.agent, &c);
	c.v[0].ep.port = 7;
	agent_set_candidates(f.agent, &c);
	c.v[0].ep.port = 8;
	agent_set_candidates(f.agent, &c);
	fake_run_until(&f, &f.messages, 1);
	fake_run_ms(&f, 20);
	assert_int_equal(f.messages, 1); /* two changes in one turn, one message */
	assert_string_equal(json_string_value(json_object_get(f.last, "t")), "candidates");
	fake_close(&f);
}

static void being_removed_is_told_once_and_forgets_the_mesh(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	f.on_hello[0] = "{\"t\":\"removed\",\"why\":\"removed by an administrator\"}";
	f.on_hello[1] = "close";
	fake_say(&f, f.on_hello[0]);
	fake_run_until(&f, &f.removals, 1);
	assert_string_equal(f.removed_why, "removed by an administrator");
	assert_int_equal(mesh_size(peers_mesh(f.peers)), 0);
	assert_contains_text(agent_last_error(f.agent), "removed by an administrator");
	agent_reconnect_now(f.agent);
	fake_run_until(&f, &f.hellos, 3); /* it asks now and then */
	assert_int_equal(f.removals, 1);

	f.on_hello[0] = "welcome"; /* the record was put back */
	f.on_hello[1] = map_5;
	fake_run_until(&f, &f.netmaps, 3); /* all, none, all */
	f.on_hello[0] = "{\"t\":\"removed\"}";
	f.on_hello[1] = NULL;
	fake_say(&f, f.on_hello[0]);
	fake_run_until(&f, &f.removals, 2);
	fake_stop(&f);
	f.on_hello[0] = NULL;
	fake_start(&f);
	assert_int_equal(mesh_size(peers_mesh(f.peers)), 0);
	fake_close(&f);
}

/* Its sessions would take those of the machine that has the place. */
static void who_is_told_of_another_machine_with_its_identity_is_quiet_until_it_is_let_in(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	json_int_t run = json_integer_value(json_object_get(f.hello, "run"));
	assert_true(run > 0);
	f.on_hello[0] = "{\"t\":\"removed\",\"why\":\"another machine\",\"twin\":true}";
	f.on_hello[1] = "close";
	fake_say(&f, f.on_hello[0]);
	fake_run_until(&f, &f.removals, 1);
	assert_true(f.twin);
	assert_int_equal(mesh_size(peers_mesh(f.peers)), 0);
	fake_run_until(&f, &f.hellos, 2);
	assert_int_equal(json_integer_value(json_object_get(f.hello, "run")), run);
	f.on_hello[0] = "welcome";
	f.on_hello[1] = map_5;
	fake_run_until(&f, &f.netmaps, 3);
	fake_close(&f);
}

static void each_request_gets_exactly_one_answer(void **state UNUSED)
{
	struct fake f;
	json_t *req = json_pack("{s:s,s:s}", "t", "client.add", "name", "phone");

	fake_open(&f);
	fake_start(&f);
	agent_request(f.agent, req, fake_on_reply, &f, 1000); /* no link */
	assert_int_equal(f.replies, 0);
	fake_run_until(&f, &f.replies, 1);
	assert_true(json_is_false(json_object_get(f.reply, "ok")));
	assert_contains_text(
		json_string_value(json_object_get(f.reply, "error")), "no link to the coordinator");

	fake_serve(&f);
	fake_run_until(&f, &f.netmaps, 1);
	agent_request(f.agent, req, fake_on_reply, &f, 5000); /* answered */
	fake_run_until(&f, &f.messages, 1);
	assert_string_equal(json_string_value(json_object_get(f.last, "name")), "phone");
	char answer[100];
	snprintf(answer, sizeof(answer), "{\"t\":\"reply\",\"id\":%d,\"ok\":true,\"client\":{}}",
		(int)json_integer_value(json_object_get(f.last, "id")));
	fake_say(&f, answer);
	fake_say(&f, answer);
	fake_run_until(&f, &f.replies, 2);
	assert_true(json_is_true(json_object_get(f.reply, "ok")));
	assert_null(json_object_get(f.reply, "t"));
	assert_non_null(json_object_get(f.reply, "client"));

	agent_request(f.agent, req, fake_on_reply, &f, 30); /* not answered */
	fake_run_until(&f, &f.replies, 3);
	assert_contains_text(json_string_value(json_object_get(f.reply, "error")), "did not answer in time");

	agent_request(f.agent, req, fake_on_reply, &f, 5000); /* the link goes meanwhile */
	fake_stop_serving(&f);
	fake_run_until(&f, &f.replies, 4);
	assert_contains_text(json_string_value(json_object_get(f.reply, "error")), "was lost");

	agent_request(f.agent, req, fake_on_reply, &f, 5000); /* the agent goes */
	fake_stop(&f);
	assert_int_equal(f.replies, 5);
	json_decref(req);
	fake_close(&f);
}

static void a_changed_network_ends_the_wait_for_the_next_attempt(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	f.tuning.retry_min = f.tuning.retry_max = 3600 * SEC;
	fake_start(&f);
	fake_run_ms(&f, 30);
	fake_serve(&f);
	agent_reconnect_now(f.agent);
	fake_run_until(&f, &f.netmaps, 1);
	agent_reconnect_now(f.agent); /* a link that lives stays */
	fake_run_ms(&f, 50);
	assert_int_equal(f.link_downs, 0);
	fake_close(&f);
}

static void a_question_that_cannot_be_sent_is_asked_later(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	f.tuning.want_every = 3600 * SEC;
	fake_link(&f);
	fake_stop_serving(&f);
	fake_run_until(&f, &f.link_downs, 1);
	agent_want_candidates(f.agent, PEER_A);
	f.agent->state = AGENT_UP; /* but nothing can be sent */
	want_again(f.agent);
	f.agent->state = AGENT_WAIT;
	fake_serve(&f);
	fake_run_until(&f, &f.messages, 1);
	assert_string_equal(json_string_value(json_object_get(f.last, "t")), "want");
	fake_close(&f);
}

static void count_lines(void *ctx, const char *line, size_t n UNUSED)
{
	*(unsigned *)ctx += strstr(line, "coordinator") != NULL;
}

static void an_outage_is_one_line_whatever_its_reasons(void **state UNUSED)
{
	unsigned lines = 0;
	struct fake f;

	fake_open(&f);
	log_set_sink(count_lines, &lines);
	f.on_hello[0] = "welcome";
	f.on_hello[1] = "close";
	fake_start(&f);
	for (unsigned i = 1; i <= 3; i++) { /* nobody there, and somebody who hangs up */
		fake_run_ms(&f, 50);
		fake_serve(&f);
		fake_run_until(&f, &f.link_downs, i);
		fake_stop_serving(&f);
	}
	assert_int_equal(lines, 2); /* down, and the first time up */
	fake_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_hello_and_takes_welcome_and_netmap),
		cmocka_unit_test(a_delta_changes_the_map),
		cmocka_unit_test(a_delta_that_does_not_fit_makes_it_fetch_the_whole_map),
		cmocka_unit_test(one_bad_record_does_not_poison_the_map),
		cmocka_unit_test(messages_that_make_no_sense_are_survived),
		cmocka_unit_test(it_comes_back_after_the_coordinator_does),
		cmocka_unit_test(a_coordinator_that_only_hangs_up_is_not_run_over),
		cmocka_unit_test(a_welcome_that_does_not_come_is_not_waited_for_forever),
		cmocka_unit_test(a_welcome_with_other_addresses_is_not_taken),
		cmocka_unit_test(a_restart_without_coordinator_finds_the_peers_in_the_cache),
		cmocka_unit_test(the_cache_of_another_mesh_is_not_believed),
		cmocka_unit_test(questions_for_candidates_are_sent_once_in_a_while),
		cmocka_unit_test(own_candidates_are_told_when_they_change),
		cmocka_unit_test(being_removed_is_told_once_and_forgets_the_mesh),
		cmocka_unit_test(
			who_is_told_of_another_machine_with_its_identity_is_quiet_until_it_is_let_in),
		cmocka_unit_test(each_request_gets_exactly_one_answer),
		cmocka_unit_test(a_changed_network_ends_the_wait_for_the_next_attempt),
		cmocka_unit_test(a_question_that_cannot_be_sent_is_asked_later),
		cmocka_unit_test(an_outage_is_one_line_whatever_its_reasons),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
