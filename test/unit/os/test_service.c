/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* systemctl is a script here: what is tested is how we call it and what we make of its answer. */
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

enum { PATIENCE_MS = 20000 };

static void fake_systemctl(struct host *h, const char *script)
{
	char path[HOST_PATH + 32], text[512];

	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	assert_int_equal(os_write_file(host_path(h, "systemctl"), text, strlen(text), 0755, NULL), TM_OK);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", h->dir);
	setenv("PATH", path, 1);
}

static void its_answer_becomes_a_sentence(void **state)
{
	struct host *h = *state;
	static const struct {
		const char *script;
		int timeout_ms, err;
		const char *says;
	} rows[] = {
		{"exit 0", PATIENCE_MS, TM_OK, ""},
		{"[ \"$*\" = '--no-ask-password --no-pager start tm.service' ]", PATIENCE_MS, TM_OK, ""},
		{"read x; echo never shown; exit 0", PATIENCE_MS, TM_OK, ""},
		{"yes | head -c 300000; exit 0", PATIENCE_MS, TM_OK, ""},
		{"echo >&2; echo 'Unit tm.service not found.' >&2; echo more; exit 5", PATIENCE_MS, TM_EIO,
			"`systemctl start tm.service` exited with status 5: Unit tm.service not found."},
		{"exit 3", PATIENCE_MS, TM_EIO, "`systemctl start tm.service` exited with status 3"},
		{"kill -9 $$", PATIENCE_MS, TM_EIO,
			"`systemctl start tm.service` was killed by signal 9 (Killed)"},
		{"exec sleep 100", 100, TM_ETIMEOUT, "`systemctl start tm.service` did not finish in time"},
		{"exec >&- 2>&-; exec sleep 100", 100, TM_ETIMEOUT,
			"`systemctl start tm.service` did not finish in time"},
	};
	char *old = strdup(getenv("PATH"));

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		fake_systemctl(h, rows[i].script);
		int err = os_systemctl("start", "tm.service", rows[i].timeout_ms, &d);
		if (err != rows[i].err || strcmp(d.what, rows[i].says) != 0)
			fail_msg("%s: %d \"%s\"", rows[i].script, err, d.what);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	}
	fake_systemctl(h, "[ \"$3\" = daemon-reload ] && [ $# = 3 ]");
	assert_int_equal(os_systemctl("daemon-reload", NULL, PATIENCE_MS, NULL), TM_OK);

	struct diag d = {0};
	setenv("PATH", "/nonexistent", 1);
	assert_int_equal(os_systemctl("start", "tm.service", PATIENCE_MS, &d), TM_ENOENT);
	assert_string_equal(d.what, "cannot run systemctl: No such file or directory");
	setenv("PATH", old, 1);
	free(old);
}

static void unknown_units_are_not_found(void **state)
{
	(void)state;
	(void)os_systemd_is_init();
	assert_false(os_systemd_has_unit("surely-not-a-unit-of-anyone.service"));
	assert_false(os_systemd_has_unit(""));
	assert_false(os_systemd_has_unit("../../../../../etc/passwd"));
}

static void lacking_privileges_are_explained(void **state)
{
	struct diag d = {0};
	int status = 0;

	(void)state;
	if (geteuid() != 0) {
		assert_int_equal(os_check_privileges(&d), TM_EPERM);
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		if (setuid(65534) < 0)
			_exit(2);
		_exit(os_check_privileges(&d) == TM_EPERM && strstr(d.what, "needs root") &&
					strstr(d.hint, "sudo")
				? 0
				: 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	int err = os_check_tun(&d);
	assert_true(err == TM_OK || strstr(d.what, "/dev/net/tun"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(its_answer_becomes_a_sentence),
		T(unknown_units_are_not_found),
		T(lacking_privileges_are_explained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
