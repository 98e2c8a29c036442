/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The file of the control socket: who may use it, what lies in its place already, and what becomes of it. */
#include "unit/unit.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit/node/ctl/fixture.h"

static void a_dead_daemons_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->path);
	assert_int_equal(bind(dead, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(dead);
	fixture_listen(f, NULL);
	free(fixture_ask(f, "{\"cmd\":\"a\"}\n"));
	assert_int_equal(f->requests, 1);
}

static void a_live_daemons_socket_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct ctl *second = NULL;
	struct diag d = {0};

	fixture_listen(f, NULL);
	assert_int_equal(fixture_try_listen(f, f->path, NULL, &second, &d), TM_EBUSY);
	assert_null(second);
	assert_non_null(strstr(d.what, "another tunnelmesh answers on"));
	free(fixture_ask(f, "{\"cmd\":\"a\"}\n"));
}

static void a_file_in_the_way_is_neither_used_nor_removed(void **state)
{
	struct fixture *f = *state;
	struct ctl *c = NULL;
	struct diag d = {0};
	struct stat st;
	int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(fixture_try_listen(f, f->path, NULL, &c, &d), TM_EEXIST);
	assert_non_null(strstr(d.what, "not a socket"));
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void the_mode_is_0600_and_with_a_group_0660(void **state)
{
	struct fixture *f = *state;
	const struct group *own = getgrgid(getegid());
	struct stat st;

	fixture_listen(f, "");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	ctl_free(f->ctl);
	f->ctl = NULL;
	if (!own)
		return;

	fixture_listen(f, own->gr_name);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, getegid());
}

static void an_unknown_group_is_named_and_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;
	struct ctl *c = NULL;
	struct diag d = {0};

	assert_int_equal(fixture_try_listen(f, f->path, "no-such-group-here", &c, &d), TM_ENOENT);
	assert_non_null(strstr(d.what, "no-such-group-here"));
	assert_int_equal(access(f->path, F_OK), -1);
}

static void a_path_too_long_for_a_socket_is_refused(void **state)
{
	struct fixture *f = *state;
	struct ctl *c = NULL;
	struct diag d = {0};
	char path[200];

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(fixture_try_listen(f, path, NULL, &c, &d), TM_EINVAL);
	assert_non_null(strstr(d.what, "longer than 107"));
}

static void a_missing_directory_is_made(void **state)
{
	struct fixture *f = *state;
	char dir[80];

	snprintf(dir, sizeof(dir), "%s/run", f->dir);
	snprintf(f->path, sizeof(f->path), "%s/s", dir);
	fixture_listen(f, NULL);
	free(fixture_ask(f, "{\"cmd\":\"a\"}\n"));
	ctl_free(f->ctl);
	f->ctl = NULL;
	assert_int_equal(rmdir(dir), 0);
}

static void closing_unlinks_the_socket_but_not_someone_elses(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	fixture_listen(f, NULL);
	ctl_free(f->ctl);
	assert_int_equal(access(f->path, F_OK), -1);

	fixture_listen(f, NULL);
	unlink(f->path);
	int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	ctl_free(f->ctl);
	f->ctl = NULL;
	assert_int_equal(stat(f->path, &st), 0);
}

static void expect_answer(struct fixture *f)
{
	char *s = fixture_ask(f, "{\"cmd\":\"a\"}\n");

	assert_string_equal(s, "{\"ok\":true,\"echo\":\"a\"}\n");
	free(s);
}

/* A cleaned /run, a unit of systemd that ended: the daemon lives on. */
static void a_socket_that_is_taken_away_is_made_again(void **state)
{
	struct fixture *f = *state;
	char dir[80];

	snprintf(dir, sizeof(dir), "%s/run", f->dir);
	snprintf(f->path, sizeof(f->path), "%s/s", dir);
	fixture_listen(f, NULL);
	ctl_look(f->ctl);
	expect_answer(f);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(unlink(f->path), 0);
		assert_int_equal(rmdir(dir), 0);
		ctl_look(f->ctl);
		expect_answer(f);
	}
	ctl_free(f->ctl);
	f->ctl = NULL;
	assert_int_equal(rmdir(dir), 0);
}

static void nobody_waits_for_long_until_it_is_made_again(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	assert_int_equal(unlink(f->path), 0);
	while (access(f->path, F_OK) < 0)
		fixture_pump(f);
	expect_answer(f);
}

static void who_is_being_answered_does_not_notice(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	int fd = fixture_kept_client(f, "{\"cmd\":\"a\"}\n");
	assert_int_equal(unlink(f->path), 0);
	ctl_look(f->ctl);
	ctl_reply(f->kept[0], json_pack("{s:b}", "ok", 1));
	char *s = fixture_hear(f, fd);
	assert_string_equal(s, "{\"ok\":true}\n");
	free(s);
}

/* What lies in its place by then is somebody's. */
static void a_socket_comes_back_when_nothing_is_in_its_place_any_more(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	assert_int_equal(unlink(f->path), 0);
	int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	ctl_look(f->ctl);
	ctl_look(f->ctl);
	assert_int_equal(unlink(f->path), 0); /* it was left alone */
	ctl_look(f->ctl);
	expect_answer(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(a_dead_daemons_socket_is_replaced),
		T(a_live_daemons_socket_is_left_alone),
		T(a_file_in_the_way_is_neither_used_nor_removed),
		T(the_mode_is_0600_and_with_a_group_0660),
		T(an_unknown_group_is_named_and_leaves_nothing_behind),
		T(a_path_too_long_for_a_socket_is_refused),
		T(a_missing_directory_is_made),
		T(closing_unlinks_the_socket_but_not_someone_elses),
		T(a_socket_that_is_taken_away_is_made_again),
		T(nobody_waits_for_long_until_it_is_made_again),
		T(who_is_being_answered_does_not_notice),
		T(a_socket_comes_back_when_nothing_is_in_its_place_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
