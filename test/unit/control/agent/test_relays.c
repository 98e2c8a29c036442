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
	fake_link(&f);
	fake_say(&f, TAGGED);
	fake_say(&f, "{\"t\":\"relays\",\"relays\":[" RELAY(PEER_A, "192.0.2.1:1") "]}");
	fake_run_until(&f, &f.relays_told, 1);
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

static void a_node_that_offers_says_so(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	f.relay = true;
	fake_link(&f);
	assert_true(json_is_true(json_object_get(f.hello, "relay")));
	fake_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_members_that_may_are_relays),
		cmocka_unit_test(an_incomplete_list_takes_nobody_away),
		cmocka_unit_test(a_node_that_offers_says_so),
	};

	assert(crypto_init(NULL) == TM_OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
