/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Why a peer is not reached directly: each reason, and which of two comes first. */
#include "control/path/core_private.h"
#include "unit/unit.h"

enum { V4 = 1, V6 = 2 };

struct row {
	enum path_not why;
	enum path_state state;
	/* the pairs */
	bool relayed, direct; /* which of them is chosen; neither: none is */
	struct {
		unsigned family;
		enum reach reach;
		bool asked, vain;
	} pair[3]; /* family 0: no more */
	/* this node */
	unsigned local; /* families */
	bool silent; /* the only relay, by UDP */
	enum nat_maps here, there;
	/* guessing */
	bool attempt, meets;
	ns_t wait;
};

static struct core core; /* much for a stack */

static enum path_not why(const struct row *row, unsigned *ret_addresses)
{
	struct pair pairs[4] = {{.way = {.kind = WAY_RELAY_TCP, .remote = {{IP_V4, {192, 0, 2, 1}}, 8443}},
		.next_check = NS_NEVER}};
	struct record record = {.live = NULL};
	struct live l = {
		.record = &record, .path = {.state = row->state, .pairs = pairs, .n_pairs = 1, .chosen = -1}};
	size_t k = 0;

	for (; k < ARRAY_LEN(row->pair) && row->pair[k].family; k++)
		pairs[l.path.n_pairs++] = (struct pair){
			.way = {.kind = WAY_UDP,
				.remote = {.ip.family = row->pair[k].family == V4 ? IP_V4 : IP_V6,
					.port = 1}},
			.outlet.reach = row->pair[k].reach,
			.next_check = row->pair[k].asked ? 7 : NS_NEVER,
			.vain = row->pair[k].vain,
		};
	if (row->relayed || row->direct)
		l.path.chosen = row->direct;
	record.maps = row->there;
	record.luck.wait = row->wait;
	core = (struct core){.nat.told.mapping = row->here};
	core.birthday.v[1] = (struct attempt){.live = row->attempt ? &l : NULL, .agreed = row->attempt};
	core.nat.keeps_ports = record.keeps_ports = row->meets;
	core.birthday.v[1].b.role = row->meets ? STUN_GUESS_MEETS : STUN_GUESS_GUESSES;
	if (row->local & V4)
		core.local[core.n_local++] = (struct ip){.family = IP_V4, .bytes = {10, 0, 0, 7}};
	if (row->local & V6)
		core.local[core.n_local++] = (struct ip){.family = IP_V6, .bytes = {0x20, 1, 0xd, 0xb8}};
	/* Every machine has one of these, and nobody is reached by it. */
	core.local[core.n_local++] = (struct ip){.family = IP_V6, .bytes = {0xfe, 0x80}};
	core.legs.n = 1;
	core.legs.v[0].leg[0] = (struct leg){.n_servers = 1, .silent = row->silent};
	return core_not_direct(&core, &l, ret_addresses);
}

static void each_reason_is_found(void **state UNUSED)
{
	static const struct row rows[] = {
		{PATH_NOT_NOTHING, PATH_UP, .direct = true, .pair = {{V4}}, .local = V4},
		{PATH_NOT_UNUSED, PATH_IDLE, .pair = {{V4}}, .local = V4},
		{PATH_NOT_UDP, PATH_UP, .relayed = true, .pair = {{V4, .asked = true}}, .local = V4,
			.silent = true},
		{PATH_NOT_UDP, PATH_UP, .relayed = true, .local = V4, .silent = true, .there = NAT_BLOCKED},
		{PATH_NOT_UDP_THERE, PATH_UP, .relayed = true, .pair = {{V4, .asked = true}}, .local = V4,
			.there = NAT_BLOCKED},
		{PATH_NOT_UDP_THERE, PATH_CHECKING, .local = V4, .there = NAT_BLOCKED},
		{PATH_NOT_UNKNOWN, PATH_UP, .relayed = true, .local = V4},
		{PATH_NOT_FAMILY, PATH_UP, .relayed = true, .pair = {{V6, REACH_NONE}, {V6}}, .local = V4},
		{PATH_NOT_FAMILY, PATH_CHECKING, .pair = {{V4, .asked = true}}, .local = V6},
		{PATH_NOT_ROUTE, PATH_CHECKING, .pair = {{V6, REACH_NONE}}, .local = V4 | V6},
		{PATH_NOT_ROUTE, PATH_CHECKING, .pair = {{V6, REACH_NONE}, {V4, REACH_MESH}}, .local = V4},
		{PATH_NOT_LOOP, PATH_CHECKING, .pair = {{V4, REACH_MESH}, {V4, REACH_MESH}}, .local = V4},
		{PATH_NOT_TRYING, PATH_UP, .relayed = true, .pair = {{V6, REACH_NONE}, {V4, .asked = true}},
			.local = V4},
		/* A second round, and a third, are no news. */
		{PATH_NOT_SILENT, PATH_UP, .relayed = true, .pair = {{V4, .asked = true, .vain = true}},
			.local = V4},
		{PATH_NOT_TRYING, PATH_UP, .relayed = true, .pair = {{V4, .vain = true}, {V4, .asked = true}},
			.local = V4},
		{PATH_NOT_SILENT, PATH_UP, .relayed = true, .pair = {{V4}}, .local = V4,
			.here = NAT_DEPENDENT},
		{PATH_NOT_SILENT, PATH_UP, .relayed = true, .pair = {{V4}}, .local = V4,
			.here = NAT_DEPENDENT, .there = NAT_INDEPENDENT},
		{PATH_NOT_SYMMETRIC, PATH_UP, .relayed = true, .pair = {{V4, .asked = true, .vain = true}},
			.local = V4, .here = NAT_DEPENDENT, .there = NAT_DEPENDENT},
		{PATH_NOT_GUESSING, PATH_UP, .relayed = true, .pair = {{V4, .asked = true}}, .local = V4,
			.attempt = true},
		{PATH_NOT_MISSED, PATH_UP, .relayed = true, .pair = {{V4, .asked = true}}, .local = V4,
			.wait = 300 * SEC},
		{PATH_NOT_MEETING, PATH_UP, .relayed = true, .pair = {{V4, .asked = true}}, .local = V4,
			.attempt = true, .meets = true},
		{PATH_NOT_UNMET, PATH_UP, .relayed = true, .pair = {{V4, .asked = true}}, .local = V4,
			.wait = 300 * SEC, .here = NAT_INDEPENDENT, .there = NAT_DEPENDENT, .meets = true},
		/* Guesses are for those who take a detour. */
		{PATH_NOT_SILENT, PATH_CHECKING, .pair = {{V4}}, .local = V4, .wait = 300 * SEC},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned addresses, expected = 0;
		enum path_not is = why(&rows[i], &addresses);

		while (expected < ARRAY_LEN(rows[i].pair) && rows[i].pair[expected].family)
			expected++;
		if (is != rows[i].why || addresses != expected)
			fail_msg("row %zu: %s; %u addresses", i, path_not_text(is), addresses);
	}
}

static void each_has_words_of_its_own(void **state UNUSED)
{
	assert_string_equal(path_not_text(PATH_NOT_NOTHING), "");
	for (enum path_not i = PATH_NOT_NOTHING + 1; i < PATH_NOT_N; i++)
		for (enum path_not k = PATH_NOT_NOTHING; k < i; k++)
			assert_string_not_equal(path_not_text(i), path_not_text(k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_reason_is_found),
		cmocka_unit_test(each_has_words_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
