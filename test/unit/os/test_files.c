/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/files.h"
#include "os/os.h"

enum { SPOOL_MAX = 1 << 20 };

static void put(const char *path, const char *text)
{
	struct diag d = {0};
	assert_int_equal(os_write_file(path, text, strlen(text), 0600, &d), TM_OK);
}

static void expect_file(const char *path, const char *text)
{
	char *got = NULL;
	size_t n = 0;

	assert_int_equal(os_read_file(path, SPOOL_MAX, &got, &n, NULL), TM_OK);
	assert_int_equal(n, strlen(text));
	assert_string_equal(got, text);
	free(got);
}

/* Names in the directory, without "." and "..". */
static size_t count_entries(const char *dir)
{
	struct stat st;
	char cmd[HOST_PATH + 32];
	size_t n = 0;

	assert_int_equal(stat(dir, &st), 0);
	snprintf(cmd, sizeof(cmd), "ls -A %s | wc -l", dir);
	FILE *f = popen(cmd, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu", &n), 1);
	pclose(f);
	return n;
}

static void a_written_file_reads_back_with_its_exact_mode(void **state)
{
	struct host *h = *state;
	static const unsigned modes[] = {0600, 0640, 0644};
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		mode_t mask = umask(077);
		assert_int_equal(os_write_file(host_path(h, "f"), "abc", 3, modes[i], NULL), TM_OK);
		umask(mask);
		assert_int_equal(stat(host_path(h, "f"), &st), 0);
		assert_int_equal(st.st_mode & 07777, modes[i]);
		expect_file(host_path(h, "f"), "abc");
	}
	assert_int_equal(os_write_file(host_path(h, "f"), "", 0, 0600, NULL), TM_OK);
	expect_file(host_path(h, "f"), "");
	assert_int_equal(count_entries(h->dir), 1);
}

/* Killed at any moment, however often, a writer leaves one file, which the next one takes; and what somebody
 * laid in its place is not followed. */
static void what_a_killed_writer_left_is_taken_by_the_next(void **state)
{
	struct host *h = *state;
	char tmp[HOST_PATH];

	snprintf(tmp, sizeof(tmp), "%s", host_path(h, "f.tmp"));
	for (unsigned i = 0; i < 3; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			/* A file that may not grow: the signal ends the process in the middle of the write.
			 */
			const struct rlimit none = {0, 0};

			setrlimit(RLIMIT_FSIZE, &none);
			signal(SIGXFSZ, SIG_DFL);
			(void)!os_write_file(host_path(h, "f"), "abc", 3, 0600, NULL);
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(count_entries(h->dir), 1);
	}
	put(host_path(h, "f"), "after");
	assert_int_equal(count_entries(h->dir), 1);

	put(host_path(h, "victim"), "kept");
	assert_int_equal(symlink("victim", tmp), 0);
	put(host_path(h, "f"), "again");
	expect_file(host_path(h, "f"), "again");
	expect_file(host_path(h, "victim"), "kept");
}

static void what_cannot_be_read_is_explained(void **state)
{
	struct host *h = *state;
	static const struct {
		const char *name;
		size_t max;
		int err;
		const char *says;
	} rows[] = {
		{"absent", 100, TM_ENOENT, "No such file"},
		{"big", 3, TM_ERANGE, "larger than the 3 bytes"},
		{"dir", 100, TM_EINVAL, "is not a file"},
		{"fifo-less/x", 100, TM_ENOENT, "No such file"},
	};

	put(host_path(h, "big"), "abcd");
	assert_int_equal(mkdir(host_path(h, "dir"), 0700), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		char *text = (char *)(uintptr_t)1;
		int err = os_read_file(host_path(h, rows[i].name), rows[i].max, &text, NULL, &d);
		if (err != rows[i].err || !strstr(d.what, rows[i].says))
			fail_msg("%s: %d \"%s\"", rows[i].name, err, d.what);
		assert_ptr_equal(text, (char *)(uintptr_t)1);
	}
}

static void a_file_of_exactly_the_permitted_size_is_read(void **state)
{
	struct host *h = *state;
	char *text = NULL;
	size_t n = 0;

	put(host_path(h, "f"), "abcd");
	assert_int_equal(os_read_file(host_path(h, "f"), 4, &text, &n, NULL), TM_OK);
	assert_int_equal(n, 4);
	assert_int_equal(text[4], '\0');
	free(text);
}

static void a_pipe_is_read_to_its_end(void **state)
{
	struct host *h = *state;
	char *text = NULL, name[64];
	size_t n = 0;
	int fd[2];

	(void)h;
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], "from a pipe", 11), 11);
	close(fd[1]);
	snprintf(name, sizeof(name), "/dev/fd/%d", fd[0]);
	assert_int_equal(os_read_file(name, 100, &text, &n, NULL), TM_OK);
	assert_string_equal(text, "from a pipe");
	free(text);
	assert_int_equal(os_read_file("/dev/null", 100, &text, &n, NULL), TM_OK);
	assert_int_equal(n, 0);
	free(text);
	assert_int_equal(os_read_file("/dev/zero", 100000, &text, &n, NULL), TM_ERANGE);
	close(fd[0]);
}

static void what_cannot_be_written_is_explained_and_leaves_nothing(void **state)
{
	struct host *h = *state;
	struct diag d = {0};

	assert_int_equal(os_write_file(host_path(h, "no/such/dir"), "x", 1, 0600, &d), TM_ENOENT);
	assert_non_null(strstr(d.what, "cannot write"));
	assert_int_equal(mkdir(host_path(h, "dir"), 0700), 0);
	assert_int_equal(os_write_file(host_path(h, "dir"), "x", 1, 0600, &d), TM_EINVAL);
	assert_non_null(strstr(d.what, "is not a regular file"));
	assert_int_equal(os_write_file("/dev/null", "x", 1, 0600, &d), TM_EINVAL);
	assert_int_equal(count_entries(h->dir), 1);
}

static void what_is_there_is_not_created_again(void **state)
{
	struct host *h = *state;
	struct diag d = {0};
	struct stat st;
	char path[HOST_PATH];

	snprintf(path, sizeof(path), "%s", host_path(h, "new.conf"));
	assert_int_equal(os_create_file(path, "mine", 4, 0600, &d), TM_OK);
	expect_file(path, "mine");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(os_create_file(path, "yours", 5, 0600, &d), TM_EEXIST);
	assert_non_null(strstr(d.what, "is there already"));
	expect_file(path, "mine");
	/* Nor is a link that leads nowhere followed. */
	assert_int_equal(symlink("elsewhere", host_path(h, "link")), 0);
	assert_int_equal(os_create_file(host_path(h, "link"), "yours", 5, 0600, NULL), TM_EEXIST);
	assert_int_equal(os_create_file(host_path(h, "no/such/dir"), "x", 1, 0600, &d), TM_ENOENT);
	assert_int_equal(count_entries(h->dir), 2);
}

static void who_else_may_read_or_change_a_file_is_told(void **state)
{
	static const struct {
		mode_t mode;
		unsigned exposed;
	} rows[] = {{0600, 0}, {0700, 0}, {0640, OS_OTHERS_READ}, {0604, OS_OTHERS_READ},
		{0620, OS_OTHERS_WRITE}, {0602, OS_OTHERS_WRITE}, {0666, OS_OTHERS_READ | OS_OTHERS_WRITE}};
	struct host *h = *state;
	char path[HOST_PATH];

	snprintf(path, sizeof(path), "%s", host_path(h, "f"));
	assert_int_equal(os_exposed(path), 0);
	put(path, "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(chmod(path, rows[i].mode), 0);
		if (os_exposed(path) != rows[i].exposed)
			fail_msg("row %zu: %u", i, os_exposed(path));
	}
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
		assert_int_equal(os_exposed(path), OS_OTHERS_READ | OS_OTHERS_WRITE | OS_FOREIGN);
	}
}

static void a_full_disk_keeps_the_old_content(void **state)
{
	struct host *h = *state;
	struct diag d = {0};
	char old[4097], disk[HOST_PATH + 64];
	static char big[256 * 1024];

	host_unshare(CLONE_NEWNS, "mount");
	snprintf(disk, sizeof(disk), "%s", host_path(h, "disk"));
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mkdir(disk, 0700), 0);
	assert_int_equal(mount("tmpfs", disk, "tmpfs", 0, "size=64k"), 0);

	memset(old, 'o', sizeof(old) - 1);
	old[sizeof(old) - 1] = '\0';
	put(host_path(h, "disk/node.json"), old);
	assert_int_equal(
		os_write_file(host_path(h, "disk/node.json"), big, sizeof(big), 0600, &d), TM_ENOSPACE);
	assert_non_null(strstr(d.what, "No space left"));
	assert_non_null(strstr(d.hint, "free some space"));
	expect_file(host_path(h, "disk/node.json"), old);
	assert_int_equal(count_entries(disk), 1);
	assert_int_equal(umount2(disk, MNT_DETACH), 0);
}

static void directories_get_the_exact_mode_and_strangers_are_refused(void **state)
{
	struct host *h = *state;
	struct diag d = {0};
	struct stat st;
	mode_t mask = umask(077);

	assert_int_equal(os_make_dir(host_path(h, "a/b/c/"), 0750, &d), TM_OK);
	umask(mask);
	assert_int_equal(stat(host_path(h, "a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(os_make_dir(host_path(h, "a/b/c"), 0700, &d), TM_OK);

	assert_int_equal(chmod(host_path(h, "a/b/c"), 0770), 0);
	assert_int_equal(os_make_dir(host_path(h, "a/b/c"), 0700, &d), TM_EPERM);
	assert_non_null(strstr(d.what, "others may write"));
	assert_non_null(strstr(d.hint, "chmod go-w"));
	if (geteuid() == 0) {
		assert_int_equal(chmod(host_path(h, "a/b/c"), 0700), 0);
		assert_int_equal(chown(host_path(h, "a/b/c"), 4321, 4321), 0);
		assert_int_equal(os_make_dir(host_path(h, "a/b/c"), 0700, &d), TM_EPERM);
		assert_non_null(strstr(d.what, "belongs to user 4321"));
	}

	put(host_path(h, "file"), "x");
	assert_int_not_equal(os_make_dir(host_path(h, "file"), 0700, &d), TM_OK);
	assert_int_not_equal(os_make_dir(host_path(h, "file/below"), 0700, &d), TM_OK);
	assert_int_equal(os_make_dir("", 0700, &d), TM_EINVAL);
}

static void host_names_become_node_names(void **state)
{
	struct host *h = *state;
	static const struct {
		const char *host, *node;
	} rows[] = {
		{"laptop", "laptop"},
		{"Web-01.Example.COM", "web-01"},
		{"my_host", "my-host"},
		{"_x_", "x"},
		{"localhost", "node"},
		{"...", "node"},
	};
	char name[64];

	(void)h;
	os_host_name(name, sizeof(name));
	assert_true(name[0] != '\0');
	host_unshare(CLONE_NEWUTS, "host name");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(sethostname(rows[i].host, strlen(rows[i].host)), 0);
		os_host_name(name, sizeof(name));
		assert_string_equal(name, rows[i].node);
	}
	os_host_name(name, 3);
	assert_int_equal(strlen(name), 2);
}

/* What is mounted or watched there is the same file afterwards. */
static void a_file_is_rewritten_in_its_place(void **state)
{
	struct host *h = *state;
	const char *path = host_path(h, "f");
	struct stat before, after;

	assert_true(os_can_rewrite(path));
	const mode_t mask = umask(077);
	assert_int_equal(os_rewrite_file(path, "a longer text", 13, NULL), TM_OK);
	umask(mask);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mode & 0777, 0644); /* everybody reads it, whatever our mask */
	assert_int_equal(os_rewrite_file(path, "short", 5, NULL), TM_OK);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, 5);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_true(os_can_rewrite(path));
}

static void a_link_to_nowhere_is_not_written_through(void **state)
{
	struct host *h = *state;
	struct diag d = {0};

	assert_int_equal(symlink("/no/such/dir/f", host_path(h, "link")), 0);
	assert_false(os_can_rewrite(host_path(h, "link")));
	assert_false(os_can_rewrite("/no/such/dir/f"));
	assert_int_equal(os_rewrite_file("/no/such/dir/f", "x", 1, &d), TM_ENOENT);
	assert_non_null(strstr(d.what, "/no/such/dir/f"));
}

static void a_file_is_made_once_and_takes_a_name_that_nobody_has(void **state)
{
	struct host *h = *state;
	char built[HOST_PATH + 64], name[HOST_PATH + 64];
	struct os_look look;
	struct stat st;

	snprintf(built, sizeof(built), "%s", host_path(h, "built"));
	snprintf(name, sizeof(name), "%s", host_path(h, "name"));
	assert_int_equal(os_find(built), TM_ENOENT);
	const mode_t mask = umask(0);
	assert_int_equal(os_make_file(built), TM_OK);
	umask(mask);
	assert_int_equal(stat(built, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(os_make_file(built), TM_EEXIST);
	assert_int_equal(os_find(host_path(h, "built/below")), TM_ENOENT);
	put(built, "text");
	assert_int_equal(os_sync_file(built), TM_OK);
	assert_int_equal(os_name_file(built, name), TM_OK);
	expect_file(name, "text");
	(void)os_remove_file(built); /* a link is left where it could be made */
	put(built, "another");
	assert_int_equal(os_name_file(built, name), TM_EEXIST);
	expect_file(name, "text");
	assert_int_equal(os_look(name, &look), TM_OK);
	assert_true(look.is_file && look.size == 4);
	assert_int_equal(os_look(h->dir, &look), TM_OK);
	assert_false(look.is_file);
	assert_int_equal(
		os_remove_dir(h->dir), os_find(h->dir) == TM_OK ? TM_EIO : TM_ENOENT); /* not empty */
	assert_int_equal(os_remove_file(name), TM_OK);
	assert_int_equal(os_remove_file(name), TM_ENOENT);
	assert_int_equal(os_sync_file(name), TM_ENOENT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_written_file_reads_back_with_its_exact_mode),
		T(what_a_killed_writer_left_is_taken_by_the_next),
		T(what_cannot_be_read_is_explained),
		T(a_file_of_exactly_the_permitted_size_is_read),
		T(a_pipe_is_read_to_its_end),
		T(what_cannot_be_written_is_explained_and_leaves_nothing),
		T(what_is_there_is_not_created_again),
		T(who_else_may_read_or_change_a_file_is_told),
		T(a_full_disk_keeps_the_old_content),
		T(a_file_is_rewritten_in_its_place),
		T(a_link_to_nowhere_is_not_written_through),
		T(directories_get_the_exact_mode_and_strangers_are_refused),
		T(a_file_is_made_once_and_takes_a_name_that_nobody_has),
		T(host_names_become_node_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
