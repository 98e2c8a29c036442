/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `bugreport`: what is in the file, what is not, and what becomes of one that is there. */
#include "unit/unit.h"

#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "os/os.h"
#include "unit/cli/fixture.h"
#include "unit/cli/run.h"

static const struct fake_reply replies[] = {
	{"status", "{\"ok\":true,\"self\":{\"name\":\"nas\"},\"link\":{\"up\":true},\"peers\":[]}"},
	{"peers", "{\"ok\":true,\"peers\":[{\"name\":\"desk\"}]}"},
	{"netcheck", "{\"ok\":true,\"done\":true,\"step\":1,\"verdict\":\"all is well\"}"},
	{"metrics", "{\"ok\":true,\"text\":\"tunnelmesh_up 1\\n\"}"},
	{"paths", "{\"ok\":true,\"kept\":50,\"peers\":[{\"name\":\"desk\",\"changes\":[]}],\"next\":7}"},
	{"paths", "{\"ok\":true,\"kept\":50,\"peers\":[{\"name\":\"sofa\",\"changes\":[]}]}"},
	{"events", "{\"ok\":true,\"events\":[],\"last\":0}"},
	{"event.list", "{\"ok\":false,\"code\":\"timeout\",\"error\":\"no link to the coordinator\"}"},
	{0},
};

/* No program of the machine's: what they print is nobody's to predict. */
static int setup(void **state)
{
	int err = fixture_setup(state);
	struct fixture *f = *state;

	return err ? err : setenv("PATH", f->dir, 1);
}

/* The tar, with its NULs as blanks, so that it is a string. */
static char *unpacked(const struct fixture *f, const char *name)
{
	enum { ROOM = 1 << 20 };
	char path[160], *packed, *text = calloc(1, ROOM + 1);
	z_stream z = {0};
	struct stat st;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(os_read_file(path, ROOM, &packed, &n, NULL), TM_OK);
	assert_non_null(text);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (unsigned char *)packed;
	z.avail_in = (unsigned)n;
	z.next_out = (unsigned char *)text;
	z.avail_out = ROOM;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	for (size_t i = 0; i < z.total_out; i++)
		if (!text[i])
			text[i] = ' ';
	inflateEnd(&z);
	free(packed);
	return text;
}

static void the_file_has_what_the_daemon_says_and_nothing_secret(void **state)
{
	static const char *const there[] = {"tunnelmesh-bugreport/readme.txt",
		"tunnelmesh-bugreport/status.json", "\"desk\"", "\"sofa\"", "all is well",
		"tunnelmesh_up 1\n", "listen_port: 443\n", "proxy: (hidden)\n", "a line of the log",
		"$ ip -4 rule\n(cannot run ip:",
		"the firewall of this machine; not there, or not whole: cannot run nft:",
		"not whole: no link to the coordinator", "\"checks\""};
	struct fixture *f = *state;
	struct run r = {0};

	fixture_write(f, "c.yaml", 0600, "listen_port: 443\nproxy: http://me:hunter2@proxy:3128\n");
	fixture_write(f, "daemon.log", 0600, "a line of the log\n");
	fixture_write(f, "identity", 0600, "PRIVATE-KEY");
	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	fixture_ask(f, &r, "bugreport --config DIR/c.yaml -o DIR/x.tar.gz");
	char *text = unpacked(f, "x.tar.gz");
	for (size_t i = 0; i < ARRAY_LEN(there); i++)
		if (!strstr(text, there[i]))
			fail_msg("%s is not in it", there[i]);
	assert_null(strstr(text, "hunter2"));
	assert_null(strstr(text, "PRIVATE-KEY"));
	free(text);
	assert_contains(r.out, "x.tar.gz");
	assert_contains(r.out, "without mesh-events.json, or not all of it: no link to the coordinator");
	assert_contains(r.out, "without firewall.txt, or not all of it: cannot run nft:");
	assert_null(strstr(r.out, "without version.txt"));
	run_free(&r);

	/* What is there is somebody's. */
	run_cli(&r, f->dir, "bugreport -o DIR/c.yaml --state-dir DIR");
	assert_int_equal(r.status, 1);
	assert_contains(r.err, "c.yaml is there already");
	run_free(&r);
	static const char *const files[] = {"c.yaml", "daemon.log", "identity", "x.tar.gz"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		fixture_remove(f, files[i]);
}

/* Where resolvectl is missing, its file is all that there is to see. */
static void a_part_is_there_when_one_of_its_programs_is(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fixture_write(f, "resolvectl", 0700, "#!/bin/sh\necho from resolvectl\n");
	fixture_write(f, "nft", 0700, "#!/bin/sh\necho as far as it came\nexit 1\n");
	fixture_ask(f, &r, "bugreport -o DIR/x.tar.gz");
	assert_null(strstr(r.out, "without resolver.txt"));
	assert_contains(r.out, "without firewall.txt, or not all of it: `nft --stateless list ruleset` ");
	char *text = unpacked(f, "x.tar.gz");
	assert_contains(text, "$ resolvectl status\nfrom resolvectl\n");
	assert_contains(text, "$ nft --stateless list ruleset\nas far as it came\n(`nft ");
	free(text);
	run_free(&r);
	static const char *const files[] = {"resolvectl", "nft", "x.tar.gz"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		fixture_remove(f, files[i]);
}

static void without_a_daemon_there_is_one_all_the_same(void **state)
{
	struct fixture *f = *state;
	struct run r = {0};

	fixture_ask(f, &r, "bugreport --json -o DIR/x.tar.gz");
	json_t *j = json_loads(r.out, 0, NULL), *missing = json_object_get(j, "missing"), *m;
	size_t i;
	bool said = false;

	json_array_foreach (missing, i, m)
		said |= strcmp(json_string_value(json_object_get(m, "part")), "status.json") == 0 &&
			strstr(json_string_value(json_object_get(m, "why")), "not running");
	assert_true(said);
	assert_true(json_array_size(json_object_get(j, "parts")) > 0);
	assert_true(json_integer_value(json_object_get(j, "bytes")) > 0);
	json_decref(j);
	char *text = unpacked(f, "x.tar.gz");
	assert_contains(text, "tunnelmesh is not running");
	free(text);
	run_free(&r);
	fixture_remove(f, "x.tar.gz");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
		T(the_file_has_what_the_daemon_says_and_nothing_secret),
		T(a_part_is_there_when_one_of_its_programs_is),
		T(without_a_daemon_there_is_one_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
