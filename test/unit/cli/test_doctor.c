/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What each check makes of the facts that it looks at. */
#include "unit/unit.h"

#include "cli/core/doctor.h"
#include "os/os.h"

/* What a node says that is well: each row below changes one thing of it. */
static const char well[] =
	"{\"status\":{\"version\":\"1.0\",\"tun\":\"mesh0\",\"mtu\":1420,\"listen_port\":51820,"
	"\"program_replaced\":false,\"offloads\":\"all\",\"offload_losses\":0,\"twins\":null,\"unsaved\":[],"
	"\"firewalled\":[],\"clock\":{\"ahead_s\":0,\"set_back_s\":0},\"link\":{\"up\":true,\"error\":null,"
	"\"removed\":false,\"twin\":false,\"proxy_failed\":null},\"routing\":{\"networks\":[],\"exit\":null,"
	"\"trouble\":null,\"refused\":null},\"policy\":{\"trouble\":null},\"peers\":[{\"name\":\"nas\","
	"\"mtu\":1420},{\"name\":\"attic\",\"mtu\":null}]},"
	"\"netcheck\":{\"ipv4\":{\"udp\":\"works\",\"payload_bytes\":1472},\"ipv6\":{\"udp\":\"no_address\"},"
	"\"advice\":[]},"
	"\"dns\":{\"enabled\":true,\"listen\":[{\"address\":\"100.101.0.2:53\",\"open\":true}],"
	"\"resolver\":{\"way\":\"file\",\"in_force\":true,\"problem\":null,\"doubt\":null}},"
	"\"nodes\":{\"nodes\":[{\"name\":\"hub\",\"version\":\"1.0\"},{\"name\":\"phone\",\"version\":\"\"}]}"
	"}";

/* Examines the node that is well but for what `change`, an object of the same shape, says otherwise. */
static void examine(const char *change, struct doctor_facts f, struct doctor_findings *ret_findings)
{
	json_t *j = json_loads(well, 0, NULL), *other = json_loads(change, 0, NULL);

	assert_non_null(j);
	assert_non_null(other);
	assert_int_equal(json_object_update_recursive(j, other), 0);
	f.status = json_object_get(j, "status");
	f.netcheck = json_object_get(j, "netcheck");
	f.dns = json_object_get(j, "dns");
	f.nodes = json_object_get(j, "nodes");
	f.version = "1.0";
	doctor_examine(&f, ret_findings);
	json_decref(other);
	json_decref(j);
}

static void of_a_node_that_is_well_nothing_is_found(void **state UNUSED)
{
	struct doctor_findings found;

	examine("{}", (struct doctor_facts){0}, &found);
	if (found.n)
		fail_msg("%s: %s", found.v[0].check, found.v[0].text);
	assert_int_equal(doctor_worst(&found, NULL), DOCTOR_OK);
}

static void each_trouble_is_found_by_its_check_with_a_sentence_and_a_fix(void **state UNUSED)
{
	static const struct {
		const char *change, *check;
		enum doctor_level level;
		const char *says, *fix;
	} rows[] = {
		{"{\"status\":{\"program_replaced\":true}}", "daemon", DOCTOR_NOTE,
			"another tunnelmesh is installed than the 1.0 that runs", "sudo tunnelmesh restart"},
		{"{\"status\":{\"version\":\"0.9\"}}", "daemon", DOCTOR_NOTE, "than the 0.9 that runs",
			"down &&"},
		{"{\"status\":{\"link\":{\"up\":false,\"error\":\"refused\"}}}", "coordinator",
			DOCTOR_PROBLEM, "no link to the coordinator: refused", "tunnelmesh netcheck"},
		{"{\"status\":{\"link\":{\"up\":false,\"removed\":true,\"error\":\"it was removed\"}}}",
			"coordinator", DOCTOR_PROBLEM, "it was removed", "join TOKEN"},
		{"{\"status\":{\"link\":{\"up\":false,\"twin\":true,\"error\":\"twice\"}}}", "coordinator",
			DOCTOR_PROBLEM, "another machine with this node's identity", "leave"},
		{"{\"status\":{\"link\":{\"proxy_failed\":\"the proxy wants a password\"}}}", "coordinator",
			DOCTOR_NOTE, "wants a password", "netcheck"},
		{"{\"status\":{\"twins\":2}}", "coordinator", DOCTOR_PROBLEM, "two machines have: 2",
			"node list"},
		{"{\"status\":{\"clock\":{\"ahead_s\":5}}}", "clock", DOCTOR_NOTE,
			"5 s ahead of the coordinator's", "set-ntp true"},
		{"{\"status\":{\"clock\":{\"ahead_s\":-7200}}}", "clock", DOCTOR_PROBLEM,
			"2 h behind the coordinator's", "set-ntp true"},
		{"{\"status\":{\"clock\":{\"set_back_s\":3600}}}", "clock", DOCTOR_NOTE, "went back by 1 h",
			"set-ntp true"},
		{"{\"netcheck\":{\"ipv4\":{\"udp\":\"no_answer\"},\"verdict\":\"UDP does not pass.\","
		 "\"advice\":[\"Have UDP let out.\"]}}",
			"ports", DOCTOR_PROBLEM, "UDP does not pass.", "Have UDP let out."},
		{"{\"netcheck\":{\"ipv4\":{\"udp\":\"no_answer\"},\"verdict\":\"This machine is offline.\"}}",
			"ports", DOCTOR_PROBLEM, "This machine is offline.", "tunnelmesh netcheck"},
		{"{\"netcheck\":{\"ipv4\":{\"udp\":\"no_answer\"},\"verdict\":\"It wants a sign-in.\","
		 "\"advice\":[\"Open any page.\"]}}",
			"ports", DOCTOR_PROBLEM, "It wants a sign-in.", "Open any page."},
		{"{\"netcheck\":{\"ipv4\":{\"udp\":\"no_address\"},\"ipv6\":{\"udp\":\"no_answer\"},"
		 "\"verdict\":\"UDP does not pass.\"}}",
			"ports", DOCTOR_PROBLEM, "UDP does not pass.", "tunnelmesh netcheck"},
		{"{\"netcheck\":{\"advice\":[\"Forward a port.\"]}}", "ports", DOCTOR_NOTE, "Forward a port.",
			"tunnelmesh netcheck"},
		{"{\"netcheck\":{\"ipv4\":{\"udp\":\"short_only\",\"payload_bytes\":1232},"
		 "\"advice\":[\"Datagrams of 1452 bytes do not pass, 1232 do.\"]}}",
			"ports", DOCTOR_NOTE, "1232 do.", "tunnelmesh netcheck"},
		{"{\"status\":{\"peers\":[{\"name\":\"nas\",\"mtu\":1380},{\"name\":\"b\",\"mtu\":1300},"
		 "{\"name\":\"c\",\"mtu\":1390},{\"name\":\"d\",\"mtu\":1390},{\"name\":\"e\",\"mtu\":1420}]}"
		 "}",
			"mtu", DOCTOR_NOTE,
			"the way to nas, b, c and 1 more: they are cut, the smallest to 1300", "mtu: SIZE"},
		{"{\"status\":{\"firewalled\":[\"100.101.0.0/16\"]}}", "firewall", DOCTOR_PROBLEM,
			"firewall drops what comes from 100.101.0.0/16",
			"sudo iptables -I INPUT -i mesh0 -j ACCEPT"},
		{"{\"status\":{\"routing\":{\"networks\":[{\"net\":\"10.1.0.0/16\",\"via\":\"nas\","
		 "\"conflict\":\"10.1.0.0/16\",\"conflict_if\":\"eth0\"}]}}}",
			"routes", DOCTOR_NOTE,
			"10.1.0.0/16 behind nas is not reached: this machine has 10.1.0.0/16 itself, on eth0",
			"ip route"},
		{"{\"status\":{\"routing\":{\"refused\":\"it is nas's\"}}}", "routes", DOCTOR_PROBLEM,
			"behind this machine: it is nas's", "route list"},
		{"{\"status\":{\"routing\":{\"trouble\":\"forwarding is dropped\"}}}", "routes",
			DOCTOR_PROBLEM, "forwarding is dropped", "route list"},
		{"{\"status\":{\"routing\":{\"exit\":{\"trouble\":\"the exit is away\"}}}}", "routes",
			DOCTOR_PROBLEM, "the exit is away", "exit-node off"},
		{"{\"dns\":{\"listen\":[{\"address\":\"100.101.0.2:53\",\"open\":false,\"why_not\":\"busy\"}]"
		 "}}",
			"dns", DOCTOR_PROBLEM, "names are not answered at 100.101.0.2:53: busy", "ss -lnptu"},
		{"{\"dns\":{\"resolver\":{\"problem\":\"read-only\"}}}", "dns", DOCTOR_PROBLEM,
			"do not ask for names of the mesh: read-only", "dns status"},
		{"{\"dns\":{\"resolver\":{\"in_force\":false}}}", "dns", DOCTOR_PROBLEM, "somebody undid it",
			"restart"},
		{"{\"dns\":{\"resolver\":{\"doubt\":\"a cache is beside it\"}}}", "dns", DOCTOR_NOTE,
			"a cache is beside it", "dns status"},
		{"{\"status\":{\"policy\":{\"trouble\":\"too many rules\"}}}", "policy", DOCTOR_PROBLEM,
			"too many rules", "filter list"},
		{"{\"status\":{\"offload_losses\":1,\"offloads\":\"tso4\"}}", "offloads", DOCTOR_NOTE,
			"left are tso4", "restart"},
		{"{\"nodes\":{\"nodes\":[{\"name\":\"hub\",\"version\":\"0.9\"},{\"name\":\"x\","
		 "\"version\":\"1.0\"}]}}",
			"versions", DOCTOR_NOTE, "version 1.0, and others have another one: hub (0.9)",
			"coordinator first"},
		{"{\"status\":{\"unsaved\":[\"the clock: no room\"]}}", "files", DOCTOR_PROBLEM,
			"not on disk is the clock: no room", "df -h"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct doctor_findings found;

		examine(rows[i].change, (struct doctor_facts){0}, &found);
		if (found.n != 1)
			fail_msg("row %zu: %zu findings", i, found.n);
		const struct doctor_finding *at = &found.v[0];
		if (strcmp(at->check, rows[i].check) != 0 || at->level != rows[i].level ||
			!strstr(at->text, rows[i].says) || !strstr(at->fix, rows[i].fix))
			fail_msg("row %zu: %s: %s: %s -> %s", i, at->check, doctor_level_name(at->level),
				at->text, at->fix);
		assert_int_equal(doctor_worst(&found, rows[i].check), rows[i].level);
		assert_int_equal(doctor_worst(&found, "none of that name"), DOCTOR_OK);
	}
}

/* Each is a wish of its user, or not yet known. */
static void what_is_meant_to_be_so_is_not_found(void **state UNUSED)
{
	static const char *const changes[] = {
		"{\"status\":{\"clock\":{\"ahead_s\":null}}}",
		"{\"status\":{\"clock\":{\"ahead_s\":-4,\"set_back_s\":4}}}",
		"{\"status\":{\"firewalled\":null}}",
		"{\"netcheck\":{\"ipv4\":{\"udp\":\"no_answer\"},\"ipv6\":{\"udp\":\"works\"}}}",
		"{\"netcheck\":{\"ipv4\":{\"udp\":\"no_answer\"},\"ipv6\":{\"udp\":\"short_only\"}}}",
		"{\"dns\":{\"enabled\":false,\"resolver\":null,\"listen\":[{\"open\":false}]}}",
		"{\"dns\":{\"resolver\":{\"way\":\"none\",\"in_force\":false}}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct doctor_findings found;

		examine(changes[i], (struct doctor_facts){0}, &found);
		if (found.n)
			fail_msg("row %zu: %s", i, found.v[0].text);
	}
}

static void files_that_others_may_change_or_keys_that_they_may_read_are_problems(void **state UNUSED)
{
	static const struct {
		unsigned dir, secrets[4], config;
		const char *says, *fix; /* NULL: nothing is found */
	} rows[] = {
		{.says = NULL},
		{.dir = OS_OTHERS_READ, .config = OS_OTHERS_READ},
		{OS_OTHERS_WRITE, {0}, 0, "others than root may change /d", "sudo chmod go-w /d"},
		{OS_FOREIGN, {0}, 0, "others than root may change /d", "sudo chown root: /d"},
		{0, {OS_OTHERS_READ}, 0, "others than root may read /d/key", "sudo chmod go-rwx /d/key"},
		{0, {OS_OTHERS_WRITE}, 0, "others than root may change /d/key", "sudo chmod go-rwx /d/key"},
		{0, {0, OS_OTHERS_READ, 0}, 0, "others than root may read /d/node",
			"sudo chmod go-rwx /d/node"},
		{0, {0, 0, OS_OTHERS_READ}, 0, "others than root may read /d/db", "sudo chmod go-rwx /d/db"},
		{0, {0, 0, 0, OS_OTHERS_READ}, 0, "others than root may read /d/password",
			"sudo chmod go-rwx /d/password"},
		{0, {0}, OS_OTHERS_WRITE, "others than root may change /c", "sudo chmod go-w /c"},
		{0, {OS_UNSEEN, OS_UNSEEN, OS_UNSEEN}, 0, "was not looked at", "sudo tunnelmesh doctor"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct doctor_findings found;

		examine("{}",
			(struct doctor_facts){.state_dir = {"/d", rows[i].dir},
				.secrets = {{"/d/key", rows[i].secrets[0]}, {"/d/node", rows[i].secrets[1]},
					{"/d/db", rows[i].secrets[2]}, {"/d/password", rows[i].secrets[3]}},
				.config = {"/c", rows[i].config}},
			&found);
		if (found.n != (rows[i].says ? 1 : 0))
			fail_msg("row %zu: %zu findings", i, found.n);
		if (found.n &&
			(!strstr(found.v[0].text, rows[i].says) || strcmp(found.v[0].fix, rows[i].fix) != 0))
			fail_msg("row %zu: %s -> %s", i, found.v[0].text, found.v[0].fix);
	}
}

static void without_a_daemon_only_what_can_be_known_is_said(void **state UNUSED)
{
	const struct doctor_facts f = {
		.silent = "tunnelmesh is not running", .silent_fix = "sudo tunnelmesh up", .version = "1.0"};
	struct doctor_findings found;

	doctor_examine(&f, &found);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.v[0].check, "daemon");
	assert_string_equal(found.v[0].text, "tunnelmesh is not running");
	assert_string_equal(found.v[0].fix, "sudo tunnelmesh up");
	assert_int_equal(doctor_worst(&found, NULL), DOCTOR_PROBLEM);
	assert_string_equal(doctor_result(&found, 0), "problem");
	for (size_t i = 1; doctor_check(i); i++) /* of the rest nothing can be known but of the files */
		assert_string_equal(
			doctor_result(&found, i), strcmp(doctor_check(i), "files") == 0 ? "ok" : "unknown");
}

/* An exit node that led nowhere for a while has many networks at odds with it. */
static void more_findings_than_there_is_room_for_are_counted(void **state UNUSED)
{
	json_t *nets = json_array(), *status;
	struct doctor_findings found;

	for (int i = 0; i < DOCTOR_FINDINGS_MAX + 3; i++)
		json_array_append_new(nets, json_pack("{s:s, s:s, s:s}", "net", "10.1.0.0/16", "via", "nas",
						    "conflict", "10.1.0.0/16"));
	status = json_pack("{s:s, s:{s:o}}", "version", "1.0", "routing", "networks", nets);
	doctor_examine(&(const struct doctor_facts){.status = status, .version = "1.0"}, &found);
	assert_int_equal(found.n, DOCTOR_FINDINGS_MAX);
	assert_int_equal(found.more, 3);
	json_decref(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_node_that_is_well_nothing_is_found),
		cmocka_unit_test(each_trouble_is_found_by_its_check_with_a_sentence_and_a_fix),
		cmocka_unit_test(what_is_meant_to_be_so_is_not_found),
		cmocka_unit_test(files_that_others_may_change_or_keys_that_they_may_read_are_problems),
		cmocka_unit_test(without_a_daemon_only_what_can_be_known_is_said),
		cmocka_unit_test(more_findings_than_there_is_room_for_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
