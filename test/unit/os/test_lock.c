/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "host.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/handover.h"
#include "os/os.h"

/* A process that holds the lock until it is told to go. */
struct holder {
	pid_t pid;
	int go;
};

static struct holder hold(const char *path)
{
	int go[2], held[2];
	char c = 0;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(held), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int mine = -1;

		close(go[1]);
		if (os_lock_file(path, &mine, NULL) != TM_OK || write(held[1], "h", 1) != 1)
			_exit(1);
		(void)!read(go[0], &c, 1);
		_exit(0);
	}
	close(go[0]);
	close(held[1]);
	assert_int_equal(read(held[0], &c, 1), 1);
	close(held[0]);
	return (struct holder){pid, go[1]};
}

static void let_go(struct holder h)
{
	int status = 0;

	close(h.go);
	assert_int_equal(waitpid(h.pid, &status, 0), h.pid);
	assert_int_equal(status, 0);
}

static void expect_held_by(const char *path, pid_t pid)
{
	struct diag d = {0};
	char says[64];
	int fd = -1;

	assert_int_equal(os_lock_holder(path), pid);
	assert_int_equal(os_lock_file(path, &fd, &d), TM_EBUSY);
	assert_int_equal(fd, -1);
	snprintf(says, sizeof(says), "is locked by process %d", (int)pid);
	assert_non_null(strstr(d.what, says));
}

static void expect_free(const char *path)
{
	int fd = -1;

	assert_int_equal(os_lock_holder(path), 0);
	assert_int_equal(os_lock_file(path, &fd, NULL), TM_OK);
	close(fd);
}

static void a_lock_names_its_owner_and_ends_with_it(void **state)
{
	struct host *h = *state;
	const char *path = host_path(h, "lock");

	struct holder other = hold(path);
	expect_held_by(path, other.pid);
	let_go(other);
	expect_free(path);
}

/* A pid that somebody left in the file may be anybody's by now. */
static void who_holds_it_is_not_who_the_file_names(void **state)
{
	struct host *h = *state;
	const char *path = host_path(h, "lock");

	assert_int_equal(os_write_file(path, "1\n", 2, 0600, NULL), TM_OK);
	assert_int_equal(os_lock_holder(path), 0);
	struct holder other = hold(path);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "1\n", 2), 2);
	close(fd);
	expect_held_by(path, other.pid);
	let_go(other);
	expect_free(path);
}

static void disk(struct host *h, const char *options)
{
	host_unshare(CLONE_NEWNS, "mount");
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mkdir(host_path(h, "disk"), 0700), 0);
	assert_int_equal(mount("tmpfs", host_path(h, "disk"), "tmpfs", 0, options), 0);
}

/* What a machine with such a disk had when it was well. */
static void a_disk_that_takes_no_file_takes_the_lock(void **state)
{
	struct host *h = *state;
	char path[HOST_PATH + 64];

	disk(h, "size=64k");
	snprintf(path, sizeof(path), "%s", host_path(h, "disk/lock"));
	expect_free(path);
	assert_int_equal(mount(NULL, host_path(h, "disk"), NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	struct holder other = hold(path);
	expect_held_by(path, other.pid);
	let_go(other);
	expect_free(path);

	assert_int_equal(mount(NULL, host_path(h, "disk"), NULL, MS_REMOUNT, NULL), 0);
	unlink(path);
	assert_int_equal(mount(NULL, host_path(h, "disk"), NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	other = hold(path);
	expect_held_by(path, other.pid);
	let_go(other);
	expect_free(path);
	assert_int_equal(umount2(host_path(h, "disk"), MNT_DETACH), 0);
}

static void a_disk_that_takes_files_again_has_one_lock(void **state)
{
	struct host *h = *state;
	char path[HOST_PATH + 64];

	disk(h, "size=64k,ro");
	snprintf(path, sizeof(path), "%s", host_path(h, "disk/lock"));
	struct holder other = hold(path);
	assert_int_equal(mount(NULL, host_path(h, "disk"), NULL, MS_REMOUNT, NULL), 0);
	expect_held_by(path, other.pid);
	expect_held_by(path, other.pid); /* with the file that the first try made */
	let_go(other);
	expect_free(path);
	other = hold(path);
	expect_held_by(path, other.pid);
	let_go(other);
	assert_int_equal(umount2(host_path(h, "disk"), MNT_DETACH), 0);
}

static void a_full_disk_takes_the_lock(void **state)
{
	struct host *h = *state;
	static const char block[4096];
	char path[HOST_PATH + 64];

	disk(h, "size=64k,nr_inodes=3");
	int fill = open(host_path(h, "disk/fill"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fill, block, sizeof(block)) > 0)
		;
	close(fill);
	snprintf(path, sizeof(path), "%s", host_path(h, "disk/lock"));
	struct holder other = hold(path); /* a file without its pid */
	expect_held_by(path, other.pid);
	let_go(other);

	assert_int_equal(rename(path, host_path(h, "disk/another")), 0);
	other = hold(path); /* no room for a file */
	expect_held_by(path, other.pid);
	let_go(other);
	assert_int_equal(umount2(host_path(h, "disk"), MNT_DETACH), 0);
}

/* As the environment of a program says it that goes on in another's place (os/handover.h). */
static void be_given_lock(int fd)
{
	char text[64];

	snprintf(text, sizeof(text), "%d lock:%d", (int)getpid(), fcntl(fd, F_DUPFD, 10));
	setenv("TUNNELMESH_KEPT", text, 1);
	handover_adopt();
}

static void a_lock_that_was_handed_over_is_held_and_no_other_is(void **state)
{
	struct host *h = *state;
	char path[HOST_PATH + 64];
	int before = -1, after = -1;

	snprintf(path, sizeof(path), "%s", host_path(h, "lock"));
	assert_int_equal(os_lock_file(path, &before, NULL), TM_OK);
	assert_int_equal(os_lock_file(path, &after, NULL), TM_EBUSY);
	be_given_lock(before);
	assert_int_equal(os_lock_file(path, &after, NULL), TM_OK);
	close(before);
	pid_t pid = fork();
	if (pid == 0)
		_exit(os_lock_file(path, &before, NULL) == TM_EBUSY ? 0 : 1);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);

	/* Of another directory it is worth nothing, and is let go. */
	be_given_lock(after);
	close(after);
	struct holder other = hold(host_path(h, "another"));
	assert_int_equal(os_lock_file(host_path(h, "another"), &after, NULL), TM_EBUSY);
	let_go(other);
	expect_free(path);
}

#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_lock_names_its_owner_and_ends_with_it),
		T(a_lock_that_was_handed_over_is_held_and_no_other_is),
		T(who_holds_it_is_not_who_the_file_names),
		T(a_disk_that_takes_no_file_takes_the_lock),
		T(a_disk_that_takes_files_again_has_one_lock),
		T(a_full_disk_takes_the_lock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
