/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `backup` and `restore` of a plain node: what they print, and that a restore that fails has changed nothing.
 */
#include "unit/unit.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "control/agent/enrolment.h"
#include "control/agent/identity_file.h"
#include "crypto/init.h"
#include "os/os.h"
#include "unit/cli/run.h"

int __wrap_os_move_file(const char *from, const char *to, struct diag *d);
int __real_os_move_file(const char *from, const char *to, struct diag *d);

static unsigned moves, stuck_at; /* the move, counted from 1, that fails; 0: none */

int __wrap_os_move_file(const char *from, const char *to, struct diag *d)
{
	return ++moves == stuck_at ? diag_what(d, TM_EIO, "the disk is broken")
				   : __real_os_move_file(from, to, d);
}

/* --- nodes --- */

static char dir[64];

static void path_of(const char *name, char path[static 128])
{
	snprintf(path, 128, "%s/%s", dir, name);
}

static bool there(const char *name)
{
	char path[128];

	path_of(name, path);
	return os_exists(path);
}

static void write_text(const char *name, const char *text)
{
	char path[128];

	path_of(name, path);
	assert_int_equal(os_write_file(path, text, strlen(text), 0600, NULL), TM_OK);
}

static char *read_text(const char *name, size_t *ret_n)
{
	char path[128], *text = NULL;

	path_of(name, path);
	if (os_read_file(path, 1 << 20, &text, ret_n, NULL) != TM_OK)
		fail_msg("%s cannot be read", path);
	return text;
}

/* A member of the mesh "home" in the state directory `state`. */
static void make_node(const char *state, const char *name)
{
	struct enrolment e = {.n_addresses = 1, .addresses = {"192.0.2.1:8443"}};
	struct identity id;
	char path[128], file[160];

	path_of(state, path);
	assert_int_equal(os_make_dir(path, 0700, NULL), TM_OK);
	assert_int_equal(identity_generate(&id), TM_OK);
	snprintf(file, sizeof(file), "%s/identity", path);
	assert_int_equal(identity_save(&id, file, NULL), TM_OK);
	snprintf(e.mesh.name, sizeof(e.mesh.name), "home");
	assert_int_equal(prefix_parse("100.101.0.0/16", &e.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &e.mesh.net6), TM_OK);
	memset(e.mesh.secret, 7, sizeof(e.mesh.secret));
	memset(e.coordinator_key, 9, sizeof(e.coordinator_key));
	memcpy(e.self.id, id.id, sizeof(e.self.id));
	memcpy(e.self.key, id.x_pub, sizeof(e.self.key));
	snprintf(e.self.name, sizeof(e.self.name), "%s", name);
	e.self.host = 2;
	snprintf(file, sizeof(file), "%s/node.json", path);
	assert_int_equal(enrolment_save(file, &e, NULL), TM_OK);
}

static int setup(void **state)
{
	(void)state;
	moves = stuck_at = 0;
	snprintf(dir, sizeof(dir), "/tmp/tm-restore-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	make_node("a", "laptop");
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = {"a/identity", "a/node.json", "a/lock", "a", "a.tar", "b/identity",
		"b/node.json", "b/netmap.db", "b/clock", "b/undo-names", "b/settings", "b/lock",
		"b/replaced/identity", "b/replaced/node.json", "b/replaced/netmap.db", "b/replaced", "b"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		path_of(files[i], path);
		remove(path);
	}
	return rmdir(dir);
}

static json_t *run_json(const char *args)
{
	struct run r = {0};

	run_cli(&r, dir, args);
	json_t *j = json_loads(r.out, 0, NULL);
	if (r.status || !j)
		fail_msg("%s: %d\n%s%s", args, r.status, r.out, r.err);
	run_free(&r);
	return j;
}

static const char *mesh_name(const json_t *j)
{
	return json_string_value(json_object_get(json_object_get(j, "mesh"), "name"));
}

/* --- tests --- */

static void both_commands_say_in_json_which_node_it_is(void **state)
{
	(void)state;
	json_t *made = run_json("backup DIR/a.tar --state-dir DIR/a --json");
	json_t *restored = run_json("restore DIR/a.tar --state-dir DIR/b --json");

	assert_string_equal(mesh_name(made), "home");
	assert_string_equal(mesh_name(restored), "home");
	assert_string_equal(json_string_value(json_object_get(restored, "node")), "laptop");
	assert_true(json_integer_value(json_object_get(restored, "made_at")) > 1700000000);
	json_decref(made);
	json_decref(restored);
}

/* The names in backup.json are for the reader, and whoever has the file can change them. */
static void a_name_in_the_file_steers_no_terminal(void **state)
{
	struct run r = {0};
	char path[128];
	size_t n;

	(void)state;
	json_decref(run_json("backup DIR/a.tar --state-dir DIR/a --json"));
	char *bytes = read_text("a.tar", &n);
	char *name = memmem(bytes, n, "\"laptop\"", 8);
	assert_non_null(name);
	memcpy(name, "\"\\u001b\"", 8);
	path_of("a.tar", path);
	assert_int_equal(os_write_file(path, bytes, n, 0600, NULL), TM_OK);
	free(bytes);
	run_cli(&r, dir, "restore DIR/a.tar --state-dir DIR/b");
	assert_int_equal(r.status, 0);
	assert_contains(r.out, "  this machine is ? of the mesh \"home\"");
	assert_null(strchr(r.out, '\033'));
	run_free(&r);
}

static void assert_same_text(const char *name, const char *was, size_t was_n)
{
	size_t n;
	char *now = read_text(name, &n);

	assert_int_equal(n, was_n);
	assert_memory_equal(now, was, n);
	free(now);
}

static void a_restore_that_fails_on_its_way_leaves_the_machine_what_it_was(void **state)
{
	size_t key_n, node_n;
	bool done = false;

	(void)state;
	json_decref(run_json("backup DIR/a.tar --state-dir DIR/a --json"));
	make_node("b", "desk");
	write_text("b/netmap.db", "paths");
	char *key = read_text("b/identity", &key_n), *node = read_text("b/node.json", &node_n);

	for (stuck_at = 1; !done; stuck_at++) {
		struct run r = {0};

		moves = 0;
		run_cli(&r, dir, "restore --replace DIR/a.tar --state-dir DIR/b");
		done = r.status == 0;
		if (!done) {
			assert_contains(r.err, "the disk is broken");
			assert_same_text("b/identity", key, key_n);
			assert_same_text("b/node.json", node, node_n);
			assert_same_text("b/netmap.db", "paths", 5);
			assert_false(there("b/replaced") || there("b/restoring"));
		}
		run_free(&r);
	}
	assert_true(moves >= 5); /* three files aside, two in their place: each was stuck once */
	assert_int_equal(stuck_at, moves + 2);
	assert_same_text("b/replaced/identity", key, key_n);
	assert_same_text("b/replaced/netmap.db", "paths", 5);
	assert_false(there("b/netmap.db"));
	free(key);
	free(node);
}

/* A run that was killed has left in which files the resolver was changed, and what of the kernel. */
static void what_is_to_be_undone_on_this_machine_is_no_other_node(void **state)
{
	struct run r = {0};
	char path[128];

	(void)state;
	json_decref(run_json("backup DIR/a.tar --state-dir DIR/a --json"));
	path_of("b", path);
	assert_int_equal(os_make_dir(path, 0700, NULL), TM_OK);
	write_text("b/undo-names", "file tm0 /etc/resolv.conf\n");
	write_text("b/settings", "net/ipv4/conf/lan0/forwarding 0 1 0\n");
	run_cli(&r, dir, "restore DIR/a.tar --state-dir DIR/b");
	assert_string_equal(r.err, "");
	assert_int_equal(r.status, 0);
	assert_true(there("b/undo-names") && there("b/settings"));
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(both_commands_say_in_json_which_node_it_is),
		T(a_name_in_the_file_steers_no_terminal),
		T(a_restore_that_fails_on_its_way_leaves_the_machine_what_it_was),
		T(what_is_to_be_undone_on_this_machine_is_no_other_node),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
