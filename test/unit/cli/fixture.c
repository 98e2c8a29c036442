/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/cli/fixture.h"

#include "unit/unit.h"

#include <unistd.h>

#include "os/os.h"

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/tm-cli-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->socket, sizeof(f->socket), "%s/tunnelmesh.sock", f->dir);
	snprintf(f->lock, sizeof(f->lock), "%s/lock", f->dir);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	fake_daemon_stop(&f->daemon);
	unlink(f->socket);
	unlink(f->lock);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

void fixture_write(const struct fixture *f, const char *name, unsigned mode, const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(os_write_file(path, text, strlen(text), mode, NULL), TM_OK);
}

void fixture_remove(const struct fixture *f, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(unlink(path), 0);
}

void fixture_ask(const struct fixture *f, struct run *r, const char *args)
{
	char all[256];

	snprintf(all, sizeof(all), "%s --state-dir DIR", args);
	run_cli(r, f->dir, all);
	if (r->status != 0)
		fail_msg("%s: %d, %s", args, r->status, r->err);
}
