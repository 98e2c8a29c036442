/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * `restore`: makes this machine the node of a backup. All is unpacked and looked at in a folder of its own
 * first; then it is moved into place, the enrolment last, so that a machine is no member by half.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/format.h"
#include "base/plain.h"
#include "base/secret.h"
#include "cli/core/backup.h"
#include "cli/core/commands.h"
#include "cli/core/daemon.h"
#include "control/agent/enrolment.h"
#include "control/agent/identity_file.h"
#include "control/coord/coord.h"
#include "node/host_settings.h"
#include "node/hosting.h"
#include "os/os.h"
#include "os/paths.h"
#include "os/words/words.h"

enum { PATH_LEN = 4096 + 64, ENABLE_TIMEOUT_MS = 20000 };
#define STAGE "restoring"

struct restore_opts {
	bool replace;
};

static const struct opt restore_options[] = {
	{"replace", 0, OPT_FLAG, offsetof(struct restore_opts, replace), NULL,
		"put aside what this machine is now, into the folder " STATE_REPLACED " beside it", 0, 0},
	{0},
};

static void in_state(const struct cli *c, const char *folder, const char *name, char out[static PATH_LEN])
{
	char inner[PATH_LEN];

	if (*folder)
		os_path_in(inner, sizeof(inner), c->paths.state_dir, folder);
	os_path_in(out, PATH_LEN, *folder ? inner : c->paths.state_dir, name);
}

/* --- the folder where it is unpacked --- */

static void unstage(const struct cli *c)
{
	char path[PATH_LEN];

	for (size_t i = 0; state_files[i]; i++) {
		in_state(c, STAGE, state_files[i], path);
		remove(path);
	}
	in_state(c, "", STAGE, path);
	remove(path);
}

static int stage(const struct cli *c, const struct backup *b, struct diag *d)
{
	char path[PATH_LEN];

	unstage(c); /* of a restore that was cut off */
	in_state(c, "", STAGE, path);
	int err = os_make_dir(path, 0700, d);
	for (enum backup_part i = 0; !err && i < BACKUP_PARTS; i++) {
		in_state(c, STAGE, backup_name(i), path);
		if (b->part[i].p)
			err = os_write_file(path, b->part[i].p, b->part[i].n, 0600, d);
	}
	return err;
}

static int mismatch(struct diag *d)
{
	diag_hint(d, "use another backup; nothing was changed");
	return diag_what(d, TM_EINVAL, "the parts of this backup are not of one node");
}

/* Would a node start with it? */
static int check_stage(const struct cli *c, const struct backup *b, struct diag *d)
{
	struct identity id = {0};
	struct enrolment e = {0};
	char path[PATH_LEN];

	in_state(c, STAGE, backup_name(BACKUP_IDENTITY), path);
	int err = identity_load(path, &id, d);
	in_state(c, STAGE, backup_name(BACKUP_ENROLMENT), path);
	if (!err)
		err = enrolment_load(path, &e, d);
	if (!err && (e.coordinator != b->coordinator || !ct_eq(e.self.key, id.x_pub, sizeof(id.x_pub))))
		err = mismatch(d);
	in_state(c, STAGE, backup_name(BACKUP_DB), path);
	if (!err && b->coordinator)
		err = coord_check(path, &id, d);
	identity_wipe(&id);
	enrolment_wipe(&e);
	return err;
}

/* --- what is there already --- */

/* Who is this machine, and what does it know as that? The clock may only go on, the log is no state, and what
 * is to be undone is, whoever it is. */
static bool is_of_a_node(const char *name)
{
	static const char *const of_the_machine[] = {
		"lock", "clock", "undo", HOSTING_JOURNAL, HOST_SETTINGS_FILE, "daemon.log"};

	for (size_t i = 0; i < ARRAY_LEN(of_the_machine); i++)
		if (strcmp(name, of_the_machine[i]) == 0)
			return false;
	return true;
}

static bool has_state(const struct cli *c)
{
	char path[PATH_LEN];

	for (size_t i = 0; state_files[i]; i++) {
		in_state(c, "", state_files[i], path);
		if (is_of_a_node(state_files[i]) && os_exists(path))
			return true;
	}
	return false;
}

static int check_place(const struct cli *c, bool replace, struct diag *d)
{
	char path[PATH_LEN], flags[160];

	in_state(c, "", STATE_REPLACED, path);
	if (replace && os_exists(path)) {
		diag_hint(d, "move it elsewhere, or remove it");
		return diag_what(d, TM_EEXIST, "%s is there from an earlier restore", path);
	}
	if (replace || !has_state(c))
		return TM_OK;

	diag_hint(d,
		"`tunnelmesh%s leave` first, or --replace, which keeps what is there in the "
		"folder " STATE_REPLACED,
		cli_node_flags(c, flags, sizeof(flags)));
	return diag_what(d, TM_EEXIST, "%s holds an identity or a membership already", c->paths.state_dir);
}

static int put_aside(const struct cli *c, struct diag *d)
{
	char from[PATH_LEN], to[PATH_LEN];

	in_state(c, "", STATE_REPLACED, to);
	int err = has_state(c) ? os_make_dir(to, 0700, d) : TM_OK;
	for (size_t i = 0; !err && state_files[i]; i++) {
		in_state(c, "", state_files[i], from);
		in_state(c, STATE_REPLACED, state_files[i], to);
		if (is_of_a_node(state_files[i]) && os_exists(from))
			err = os_move_file(from, to, d);
	}
	return err;
}

static int put_in_place(const struct cli *c, const struct backup *b, struct diag *d)
{
	char from[PATH_LEN], to[PATH_LEN];
	int err = TM_OK;

	for (enum backup_part i = 0; !err && i < BACKUP_PARTS; i++) {
		in_state(c, STAGE, backup_name(i), from);
		in_state(c, "", backup_name(i), to);
		if (b->part[i].p && (i != BACKUP_CLOCK || !os_exists(to)))
			err = os_move_file(from, to, d);
	}
	return err;
}

/* All that is of a node is of the backup now. */
static void take_out(const struct cli *c)
{
	char path[PATH_LEN];

	for (enum backup_part i = 0; i < BACKUP_PARTS; i++) {
		in_state(c, "", backup_name(i), path);
		if (i != BACKUP_CLOCK)
			remove(path);
	}
}

static void put_back(const struct cli *c, struct diag *d)
{
	char from[PATH_LEN], to[PATH_LEN];
	struct diag ignored = {0};
	int err = TM_OK;

	for (size_t i = 0; !err && state_files[i]; i++) {
		in_state(c, STATE_REPLACED, state_files[i], from);
		in_state(c, "", state_files[i], to);
		if (os_exists(from))
			err = os_move_file(from, to, &ignored);
	}
	in_state(c, "", STATE_REPLACED, to);
	if (err)
		diag_hint(d, "what this machine was is in %s", to);
	else
		remove(to);
}

/* All of it, or nothing. */
static int change_over(const struct cli *c, const struct backup *b, bool replace, struct diag *d)
{
	int err = replace ? put_aside(c, d) : TM_OK;

	if (!err) {
		err = put_in_place(c, b, d);
		if (err)
			take_out(c);
	}
	if (err && replace)
		put_back(c, d);
	return err;
}

/* --- the command --- */

static int restore_to(struct cli *c, const struct backup *b, bool replace, struct diag *d)
{
	_cleanup_(closep) int lock = -1;
	int err = os_make_dir(c->paths.state_dir, 0700, d);

	if (!err)
		err = os_lock_file(c->paths.lock, &lock, d);
	if (!err)
		err = check_place(c, replace, d);
	if (err)
		return err;

	err = stage(c, b, d);
	if (!err)
		err = check_stage(c, b, d);
	if (!err)
		err = change_over(c, b, replace, d);
	unstage(c);
	return err;
}

static int say_done(struct cli *c, const struct backup *b)
{
	char when[32] = "?", mesh[sizeof(b->mesh)], node[sizeof(b->node)], flags[160];
	time_t made = (time_t)b->made;
	struct tm tm;

	if (gmtime_r(&made, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &tm);
	if (c->g.json)
		return cli_json_take(c,
			json_pack("{s:b, s:{s:s}, s:s, s:b, s:I}", "ok", 1, "mesh", "name", b->mesh, "node",
				b->node, "coordinator", b->coordinator, "made_at", (json_int_t)b->made));

	snprintf(mesh, sizeof(mesh), "%s", b->mesh); /* what the file says of itself is not sealed */
	snprintf(node, sizeof(node), "%s", b->node);
	fprintf(c->out, "  this machine is %s%s of the mesh \"%s\", as of %s\n", plain_make(node),
		b->coordinator ? ", the coordinator" : "", plain_make(mesh), when);
	if (b->coordinator)
		fputs("  The mesh is as it was then: who was removed since is a member again, who joined "
		      "since is not,\n"
		      "  and a token that was used or revoked since can be used again (`node list`, `token "
		      "list`).\n",
			c->out);
	fputs("  The machine that the backup is of must not run any more: there can be only one with this "
	      "identity.\n",
		c->out);
	fprintf(c->out, "  Start it with:  " OS_SUDO "tunnelmesh%s up\n",
		cli_node_flags(c, flags, sizeof(flags)));
	return CLI_DONE;
}

static int restore_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct restore_opts *o = opts;
	struct backup b;
	struct diag d = {0};
	char *bytes = NULL;
	size_t n = 0;
	int err = os_read_file(words->v[0], backup_file_max(), &bytes, &n, &d);

	if (!err) {
		diag_where(&d, "%s", words->v[0]);
		err = backup_unpack((const uint8_t *)bytes, n, &b, &d);
	}
	if (!err) {
		d = (struct diag){0};
		err = restore_to(c, &b, o->replace, &d);
	}
	if (!err && daemon_by_systemd(c))
		err = os_systemctl("enable", c->paths.unit, ENABLE_TIMEOUT_MS, &d);
	if (err == TM_EPERM && !d.hint[0])
		diag_hint(&d, OS_SUDO_HINT);
	int status = err ? cli_fail(c, &d, err) : say_done(c, &b);
	if (bytes)
		wipe(bytes, n);
	free(bytes);
	return status;
}

const struct command cmd_restore = {
	.name = "restore",
	.args = "FILE",
	.summary = "make this machine the node that a backup is of",
	.details = "The machine must be in no mesh. It is not started: the one that the backup is of has "
		   "to be stopped first.",
	.opts = restore_options,
	.defaults = &(const struct restore_opts){0},
	.opts_size = sizeof(struct restore_opts),
	.min_words = 1,
	.max_words = 1,
	.crypto = true,
	.run = restore_run,
};
