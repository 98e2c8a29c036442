/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the coordinator's log tells, and how little of it members and strangers can make it repeat. */
#include "unit/unit.h"

#include "base/encode.h"
#include "unit/control/coord/rig.h"

enum { OFTEN = 100 };

static struct {
	char text[1 << 16];
	size_t n;
	unsigned lines;
} told;

static void keep(void *ctx UNUSED, const char *line, size_t n)
{
	if (told.n + n < sizeof(told.text)) {
		memcpy(told.text + told.n, line, n);
		told.n += n;
		told.text[told.n] = '\0';
	}
	told.lines++;
}

static void forget(void)
{
	told.n = told.lines = 0;
	told.text[0] = '\0';
}

static int setup(void **state)
{
	int result = rig_setup(state);

	log_set_sink(keep, NULL);
	forget();
	return result;
}

static int teardown(void **state)
{
	log_set_level(LOG_INFO);
	return rig_teardown(state);
}

static void assert_told(const char *part)
{
	if (!strstr(told.text, part))
		fail_msg("the log does not say \"%s\":\n%s", part, told.text);
}

static void a_member_that_comes_and_goes_all_the_time_writes_little(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);

	machine_join(m, "m");
	machine_join(other, "other");
	forget();
	for (unsigned i = 0; i < OFTEN; i++) {
		machine_unlink(m);
		machine_hello(m, NULL);
		machine_await(m, "welcome");
	}
	assert_told("info coord: node has gone node=m why=\"its link broke\"");
	assert_in_range(told.lines, 2, 8);
	machine_unlink(other);
	assert_told("coord: node has gone node=other"); /* who has been quiet is heard */
	assert_told(" left_out=");
}

static void links_that_take_over_from_each_other_write_little(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *twin = rig_machine(r, 1);

	machine_join(m, "m");
	twin->id = m->id;
	forget();
	for (unsigned i = 0; i < OFTEN; i++)
		machine_hello(i % 2 ? m : twin, NULL);
	assert_in_range(told.lines, 0, 2); /* the member was there all the time */
}

static void strangers_who_guess_tokens_write_little(void **state)
{
	struct rig *r = *state;
	struct token t = rig_token(r, json_object());

	t.secret[0] ^= 1;
	forget();
	for (unsigned i = 0; i < OFTEN; i++) {
		struct machine *m = rig_machine(r, i);

		machine_link(m);
		machine_enrol(m, &t, "guest");
		machine_await(m, "reply");
	}
	rig_settle(r);
	assert_told("info coord: enrolment refused name=guest");
	assert_in_range(told.lines, 1, 10);
}

static void a_member_that_sends_too_much_again_and_again_writes_little(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	r->c->tuning.msg_burst = 4;
	r->c->tuning.msg_rate = 0;
	machine_join(m, "m");
	forget();
	for (unsigned i = 0; i < OFTEN; i++) {
		machine_hello(m, NULL);
		while (m->conn)
			machine_say(m, json_pack("{s:s}", "t", "want"));
	}
	assert_told("warn coord: closing a link that sends too much node=m");
	assert_in_range(told.lines, 1, 8);
}

static json_t *client(const char *verb, unsigned i)
{
	uint8_t key[32] = {1, (uint8_t)i};
	char text[64];

	base64_encode(key, sizeof(key), text);
	return json_pack("{s:s, s:i, s:s, s:s}", "t", verb, "id", (int)i, "name", "phone", "key", text);
}

static void clients_that_a_member_adds_and_removes_write_little(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	struct token t = rig_token(r, json_pack("{s:[s]}", "tags", "gateway"));

	machine_enrol(m, &t, "m");
	machine_await(m, "reply");
	machine_hello(m, NULL);
	forget();
	for (unsigned i = 0; i < OFTEN; i++) {
		machine_say(m, client("client.add", i));
		rig_settle(r);
		machine_say(m, client("client.remove", i));
		rig_settle(r);
	}
	assert_told("info coord: new member name=phone");
	assert_told("info coord: member removed name=phone why=\"the client was removed\"");
	assert_in_range(told.lines, 2, 20);
}

static void what_the_administration_does_is_told(void **state)
{
	struct rig *r = *state;
	struct token t = rig_token(r, json_object());
	char id[HEX_LEN(TOKEN_ID) + 1], line[64];

	machine_join(rig_machine(r, 0), "m");
	assert_told("info coord: new member name=m address=100.101.0.2");
	rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "node.rename", "node", "m", "name", "nas"));
	assert_told("info coord: node renamed from=m to=nas");
	hex_encode(t.id, sizeof(t.id), id);
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "token.revoke", "id", id));
	snprintf(line, sizeof(line), "info coord: token revoked id=%s", id);
	assert_told(line);
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "nas"));
	rig_settle(r);
	assert_told("info coord: member removed name=nas why=\"this node was removed from the mesh\"");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_member_that_comes_and_goes_all_the_time_writes_little),
		T(links_that_take_over_from_each_other_write_little),
		T(strangers_who_guess_tokens_write_little),
		T(a_member_that_sends_too_much_again_and_again_writes_little),
		T(clients_that_a_member_adds_and_removes_write_little),
		T(what_the_administration_does_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
