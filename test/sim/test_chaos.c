/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Random trouble, and then peace: whatever happened, everybody finds everybody again. */
#include "sim/story.h"

enum { HOSTS = 3, SEEDS = 100 };

static void trouble(struct sim *s, struct host *h[static HOSTS])
{
	struct host *x = h[sim_random(s) % HOSTS], *y = h[sim_random(s) % HOSTS];

	switch (sim_random(s) % 12) {
	case 0:
		host_set_line(x, (unsigned)(sim_random(s) % 600), (unsigned)(sim_random(s) % 300),
			(unsigned)(sim_random(s) % 100), (ns_t)(sim_random(s) % (uint64_t)(500 * MS)));
		break;
	case 1:
		host_move(x);
		break;
	case 2:
		host_restart(x);
		break;
	case 3:
		x->waiting = x->waiting ? 0 : 100;
		break;
	case 4:
		sim_run(s, (ns_t)(sim_random(s) % 200) * SEC);
		break;
	case 5: /* somebody replays what was heard, from elsewhere */
		for (unsigned type = WG_INIT; type <= WG_DATA; type++) {
			struct datagram dg = x->last[type];

			dg.from.ip = ip_v4_host(0xcb007101u);
			dg.from.port = 7;
			if (dg.n)
				sim_inject(s, &dg);
		}
		break;
	case 6:
		device_peer_set_keepalive(x->device, sim_friend(x, x == h[0] ? h[1] : h[0])->p,
			(uint16_t)(sim_random(s) % 30), s->now);
		host_settle(x);
		break;
	default:
		for (unsigned i = 0; i < 10 && x != y; i++) {
			host_send(x, y);
			sim_run(s, (ns_t)(sim_random(s) % (uint64_t)SEC));
		}
		break;
	}
}

static void one_seed(uint64_t seed)
{
	struct sim *s = sim_new(seed);
	struct host *h[HOSTS];

	for (size_t i = 0; i < HOSTS; i++) {
		h[i] = sim_host(s, "abc" + i);
		for (size_t k = 0; k < i; k++)
			sim_befriend(h[i], h[k], NULL);
	}
	for (unsigned i = 0; i < 60; i++)
		trouble(s, h);

	/* Peace: good links, no load, and addresses as everyone would learn them from the coordinator. */
	for (size_t i = 0; i < HOSTS; i++) {
		host_set_line(h[i], 0, 0, 0, 0);
		h[i]->waiting = 0;
		for (size_t k = 0; k < HOSTS; k++) {
			if (i != k)
				assert_int_equal(device_peer_set_way(h[i]->device, sim_friend(h[i], h[k])->p,
							 &(struct way_to){.remote = h[k]->at}, s->now),
					TM_OK);
		}
	}
	for (unsigned i = 0; i < 30; i++) {
		for (size_t k = 0; k < HOSTS; k++)
			host_send(h[k], h[(k + 1) % HOSTS]);
		sim_run(s, 1 * SEC);
	}
	for (size_t i = 0; i < HOSTS; i++) {
		for (size_t k = 0; k < i; k++) {
			expect_connected(h[i], h[k]);
			if (sim_friend(h[i], h[k])->twice || sim_friend(h[k], h[i])->twice)
				fail_msg("a packet arrived twice (seed %llu)", (unsigned long long)seed);
			if (sim_friend(h[i], h[k])->garbage || sim_friend(h[k], h[i])->garbage)
				fail_msg("a changed packet was delivered (seed %llu)",
					(unsigned long long)seed);
		}
	}
	sim_free(s);
}

static void after_the_chaos_everybody_is_connected_again(void **state)
{
	uint64_t only = number_from("TM_SIM_SEED", 0), runs = number_from("TM_SIM_RUNS", SEEDS);

	(void)state;
	for (uint64_t seed = only ? only : 1; seed <= (only ? only : runs); seed++)
		one_seed(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {SCENARIO(after_the_chaos_everybody_is_connected_again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
