/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/cli/host_fixture.h"

#include "unit/unit.h"

#include <dirent.h>
#include <unistd.h>

#include "crypto/init.h"
#include "os/os.h"

#define TOKEN_REPLY "{\"ok\":true,\"token\":\"tm1_first\",\"id\":\"00\",\"expires\":2000000000}"

static const char joined_status[] = "{\"ok\":true,\"link\":{\"up\":true,\"error\":\"\"},\"peers\":["
				    "{\"name\":\"hub\",\"id\":\"bbbbbbbbbbbbbbbb\",\"coordinator\":true,"
				    "\"session\":true,\"path\":\"direct\","
				    "\"endpoint\":\"203.0.113.7:51820\",\"rtt_ms\":11.2},{\"name\":\"nas\","
				    "\"id\":\"cccccccccccccccc\"}]}";

int host_fixture_setup(void **state)
{
	static const struct fake_reply replies[] = {
		{"token.create", TOKEN_REPLY}, {"status", joined_status}, {0}};
	struct host_fixture *f = calloc(1, sizeof(*f));
	struct token t = {.expiry = 4000000000, .n_addrs = 1, .addrs = {"203.0.113.7:8443"}};

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/tm-setup-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	random_bytes(t.coordinator_key, sizeof(t.coordinator_key));
	random_bytes(t.secret, sizeof(t.secret));
	assert_int_equal(token_encode(&t, f->token, sizeof(f->token)), TM_OK);

	memset(&host, 0, sizeof(host));
	host.replies = replies;
	snprintf(host.enrolment.mesh.name, sizeof(host.enrolment.mesh.name), "home");
	assert_int_equal(prefix_parse("100.101.0.0/16", &host.enrolment.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &host.enrolment.mesh.net6), TM_OK);
	memset(host.enrolment.mesh.secret, 7, 32);
	struct node_rec *self = &host.enrolment.self;
	self->host = 2;
	mesh_addresses(&host.enrolment.mesh, self->host, &self->ip4, &self->ip6);
	snprintf(host.enrolment.addresses[host.enrolment.n_addresses++], TOKEN_ADDR_LEN, "203.0.113.7:8443");
	memset(host.enrolment.coordinator_key, 9, 32);
	*state = f;
	return 0;
}

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));) {
		char sub[600];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		if (unlink(sub) < 0)
			remove_tree(sub);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

int host_fixture_teardown(void **state)
{
	struct host_fixture *f = *state;

	fake_daemon_stop(&host.daemon);
	remove_tree(f->dir);
	free(f);
	return 0;
}

bool host_has(const struct host_fixture *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return access(path, F_OK) == 0;
}

void host_load_enrolment(const struct host_fixture *f, struct enrolment *e)
{
	char path[128];
	struct diag d = {0};

	snprintf(path, sizeof(path), "%s/a/state/node.json", f->dir);
	if (enrolment_load(path, e, &d) != TM_OK)
		fail_msg("%s", d.what);
}

void host_write_config(const struct host_fixture *f, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/own.yaml", f->dir);
	assert_int_equal(os_write_file(path, text, strlen(text), 0600, NULL), TM_OK);
}

void host_run_ok(struct run *r, const struct host_fixture *f, const char *args)
{
	run_cli(r, f->dir, args);
	if (r->status != 0)
		fail_msg("%s: %d\n%s%s", args, r->status, r->out, r->err);
}

void host_join(struct run *r, const struct host_fixture *f, const char *more)
{
	char args[TOKEN_TEXT_MAX + 128];

	snprintf(args, sizeof(args), "join %s --name laptop --state-dir DIR/a/state %s", f->token, more);
	run_cli(r, f->dir, args);
}
