/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/bytes.h"
#include "fake/random.h"
#include "packet/vnet.h"
#include "unit/data/offload/craft.h"
#include "unit/data/offload/script.h"
#include "unit/unit.h"

enum { ROUNDS = 2000, STEPS = 600 };

static uint64_t seed;

static uint32_t rnd(void)
{
	return fake_random(&seed);
}

/* Mostly packets that continue their flow; one in `odd` is bent. */
static size_t make_script(uint8_t *script, uint8_t mode, unsigned flows, unsigned odd)
{
	size_t n = 0, steps = rnd() % STEPS;

	script[n++] = mode;
	for (size_t i = 0; i < steps; i++) {
		script[n++] = (uint8_t)(rnd() % flows);
		script[n++] = rnd() % odd ? 0xff : (uint8_t)(rnd() % 32);
		script[n++] = (uint8_t)rnd();
		script[n++] = rnd() % odd ? 0 : (uint8_t)rnd();
	}
	return n;
}

static void random_batches_are_merged_as_the_twin_does(void **state)
{
	uint8_t script[1 + 4 * STEPS];
	(void)state;

	for (unsigned round = 0; round < ROUNDS; round++) {
		seed = 0x0ff10ad + round;
		for (unsigned i = 0; i < 8; i++)
			rnd();
		unsigned odd = 1 + rnd() % 40, flows = 1 + rnd() % 8;
		uint8_t mode = (uint8_t)((rnd() % 4 ? 0 : rnd() % 4) | (rnd() % 4 ? 0 : SCRIPT_BIG));
		const char *error = script_coalesce(script, make_script(script, mode, flows, odd));
		if (error)
			fail_msg("seed %#" PRIx64 " + %u: %s", (uint64_t)0x0ff10ad, round, error);
	}
}

static void random_batches_of_many_flows_stay_whole_and_in_order(void **state)
{
	uint8_t script[1 + 4 * STEPS];
	(void)state;

	for (unsigned round = 0; round < ROUNDS / 5; round++) {
		seed = 0xf10c + round;
		for (unsigned i = 0; i < 8; i++)
			rnd();
		const char *error =
			script_coalesce(script, make_script(script, SCRIPT_MANY, 256, 1 + rnd() % 40));
		if (error)
			fail_msg("seed %#" PRIx64 " + %u: %s", (uint64_t)0xf10c, round, error);
	}
}

static void random_super_packets_are_cut_as_the_twin_does(void **state)
{
	uint8_t script[1 + VNET_HEADER + 4096];
	(void)state;

	for (unsigned round = 0; round < 10 * ROUNDS; round++) {
		seed = 0x5e9 + round;
		for (unsigned i = 0; i < 8; i++)
			rnd();
		uint32_t dice = rnd();
		struct craft c = craft_data(dice & 1, dice & 2, rnd(), rnd() % 3000);

		c.id = (uint16_t)rnd();
		c.flags = (uint8_t)rnd();
		c.options = rnd() % 11 * 4;
		c.ip_options = rnd() % 4 ? 0 : c.v6 ? 8 * (1 + rnd() % 4) : rnd() % 11 * 4;
		const struct vnet v = {.gso_size = (uint16_t)(1 + rnd() % 1500)};
		script[0] = SCRIPT_HONEST | (rnd() % 8 ? 0 : SCRIPT_LONG);
		vnet_encode(script + 1, &v);
		size_t n = craft_packet(&c, script + 1 + VNET_HEADER);
		if (rnd() % 4 == 0)
			script[rnd() % (1 + VNET_HEADER + 60)] ^= (uint8_t)(1u << rnd() % 8);
		const char *error = script_segment(script, 1 + VNET_HEADER + n);
		if (error)
			fail_msg("seed %#" PRIx64 " + %u: %s", (uint64_t)0x5e9, round, error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_batches_are_merged_as_the_twin_does),
		cmocka_unit_test(random_batches_of_many_flows_stay_whole_and_in_order),
		cmocka_unit_test(random_super_packets_are_cut_as_the_twin_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
