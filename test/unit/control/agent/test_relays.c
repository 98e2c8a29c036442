/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a node takes for relays of what its coordinator says. */
#include "unit/control/agent/fake.h"

#include "crypto/init.h"

#include <assert.h>

#define RELAY(id, addr) "{\"node\":\"" id "\",\"addrs\":[\"" addr "\"]}"
#define TAGGED                                                                                               \
	"{\"t\":\"netmap\",\"map\":{\"version\":6,\"base\":5,\"nodes\":[{\"id\":\"" PEER_A                   \
	"\",\"name\":\"a\",\"host\":3,\"key\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","             \
	"\"tags\":[\"relay\"]}]}}"

static void link_and_tell_one(struct fake *f)
{
	fake_link(f);
	fake_say(f, TAGGED);
	fake_say(f, "{\"t\":\"relays\",\"relays\":[" RELAY(PEER_A, "192.0.2.1:1") "]}");
	fake_run_until(f, &f->relays_told, 1);
}

static void only_members_that_may_are_relays(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	/* Neither has the tag, and the third is no member. */
	fake_say(&f, "{\"t\":\"relays\",\"relays\":[" RELAY(PEER_A, "192.0.2.1:1") "," RELAY(
			     PEER_B, "192.0.2.2:2") "," RELAY("00000000000000cc", "192.0.2.3:3") "]}");
	fake_say(&f, TAGGED); /* the map may come later than the list */
	fake_run_until(&f, &f.relays_told, 1);
	assert_int_equal(f.relays.n, 1);
	assert_string_equal(f.relays.v[0].node, PEER_A);
	assert_int_equal(f.relays.v[0].addrs[0].port, 1);
	assert_int_equal(f.relays_told, 1); /* nothing was told while there was nobody */
	/* A member that is removed relays no more, whatever the list says. */
	fake_say(&f, "{\"t\":\"netmap\",\"map\":{\"version\":7,\"base\":6,\"nodes\":[],\"removed\":[\"" PEER_A
		     "\"]}}");
	fake_run_until(&f, &f.relays_told, 2);
	assert_int_equal(f.relays.n, 0);
	fake_close(&f);
}

static void an_incomplete_list_takes_nobody_away(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	link_and_tell_one(&f);
	fake_say(&f, "{\"t\":\"relays\",\"relays\":[],\"partial\":true}");
	fake_say(&f, "{\"t\":\"relays\",\"relays\":[" RELAY(PEER_A, "192.0.2.1:9") "],\"partial\":true}");
	fake_run_until(&f, &f.relays_told, 2);
	assert_int_equal(f.relays.n, 1);
	assert_int_equal(f.relays.v[0].addrs[0].port, 9);
	fake_say(&f, "{\"t\":\"relays\",\"relays\":[]}");
	fake_run_until(&f, &f.relays_told, 3);
	assert_int_equal(f.relays.n, 0);
	fake_close(&f);
}

static void a_start_without_the_coordinator_has_the_relays_of_the_last_run(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	fake_say(&f, TAGGED);
	fake_say(&f, "{\"t\":\"relays\",\"relays\":[{\"node\":\"" PEER_A
		     "\",\"addrs\":[\"192.0.2.1:7\"],\"tcp\":[\"hub:1\"]}]}");
	fake_run_until(&f, &f.relays_told, 1);
	fake_stop(&f);
	fake_stop_serving(&f);
	f.relays = (struct relays){.n = 0};
	fake_start(&f);
	assert_int_equal(f.relays.n, 1);
	assert_string_equal(f.relays.v[0].node, PEER_A);
	assert_int_equal(f.relays.v[0].addrs[0].port, 7);
	assert_string_equal(f.relays.v[0].tcp[0], "hub:1");

	/* A list of none takes it away, also for the next run. */
	fake_serve(&f);
	fake_run_until(&f, &f.link_ups, 2);
	fake_say(&f, "{\"t\":\"relays\",\"relays\":[]}");
	fake_run_until(&f, &f.relays_told, 3);
	fake_stop(&f);
	fake_stop_serving(&f);
	fake_start(&f);
	assert_int_equal(f.relays.n, 0);
	assert_int_equal(f.relays_told, 3);
	fake_close(&f);
}

static void who_is_removed_knows_no_relays_any_more(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	link_and_tell_one(&f);
	f.on_hello[1] = NULL;
	fake_say(&f, "{\"t\":\"removed\",\"why\":\"the test says so\"}");
	fake_run_until(&f, &f.removals, 1);
	assert_int_equal(peers_relays(f.peers)->n, 0);
	fake_close(&f);
}

static void a_node_that_offers_says_so(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	f.relay = true;
	f.relay_tcp = 443;
	fake_link(&f);
	assert_true(json_is_true(json_object_get(f.hello, "relay")));
	assert_int_equal(json_array_size(json_object_get(f.hello, "relay_tcp")), 1);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(f.hello, "relay_tcp"), 0)), 443);
	fake_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_members_that_may_are_relays),
		cmocka_unit_test(an_incomplete_list_takes_nobody_away),
		cmocka_unit_test(a_start_without_the_coordinator_has_the_relays_of_the_last_run),
		cmocka_unit_test(who_is_removed_knows_no_relays_any_more),
		cmocka_unit_test(a_node_that_offers_says_so),
	};

	assert(crypto_init(NULL) == TM_OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
