/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `backup`: what makes this machine the node that it is, in one file. On a coordinator that is the mesh. */
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/plain.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/core/backup.h"
#include "cli/core/commands.h"
#include "control/agent/enrolment.h"
#include "control/coord/coord.h"
#include "crypto/init.h"
#include "os/interrupt.h"
#include "os/os.h"
#include "os/paths.h"
#include "os/words/words.h"

enum { COPY_TIMEOUT_MS = 60000, COPY_TRIES = 3 };

/* A part as it was read. */
struct piece {
	char *bytes;
	size_t n;
};

static void pieces_wipe(struct piece *p)
{
	for (size_t i = 0; i < BACKUP_PARTS; i++) {
		if (p[i].bytes)
			wipe(p[i].bytes, p[i].n);
		free(p[i].bytes);
	}
}

static int read_piece(const char *path, enum backup_part part, struct piece *ret_p, struct diag *d)
{
	return os_read_file(path, backup_max(part), &ret_p->bytes, &ret_p->n, d);
}

/*
 * The daemon has one place for copies: ours is moved out of it at once, and another backup may have taken
 * that one first. Where nobody can say whether it was made, none stays behind.
 */
static int ask_for_copy(struct cli *c, const char *copy, struct diag *d)
{
	_cleanup_(freep) char *place = text_printf("%s" COORD_COPY_SUFFIX, c->paths.db);
	int err = TM_ENOENT;

	if (!place)
		return TM_ENOMEM;

	for (unsigned i = 0; i < COPY_TRIES && err == TM_ENOENT; i++) {
		json_t *reply = NULL;

		err = cli_ask(c, "backup", NULL, COPY_TIMEOUT_MS, &reply, d);
		json_decref(reply);
		if (err == TM_ETIMEOUT || err == TM_EAGAIN || err == TM_ECLOSED)
			remove(place);
		if (err)
			return err;
		err = os_move_file(place, copy, d);
	}
	return err;
}

/* As of one moment: by the daemon that has the database open, else by ourselves. */
static int copy_database(struct cli *c, const char *copy, struct diag *d)
{
	_cleanup_(closep) int lock = -1;
	struct diag held = {0};
	int err = os_lock_file(c->paths.lock, &lock, &held);

	if (!err)
		return coord_copy(c->paths.db, copy, d);
	if (err != TM_EBUSY) {
		*d = held;
		return err;
	}
	return ask_for_copy(c, copy, d);
}

static int read_database(struct cli *c, struct piece *ret_p, struct diag *d)
{
	uint32_t number;

	random_bytes(&number, sizeof(number));
	_cleanup_(freep) char *copy = text_printf("%s" COORD_COPY_SUFFIX ".%08x", c->paths.db, number);
	if (!copy)
		return TM_ENOMEM;

	/* From here on there may be a copy, which holds the mesh's secret: Ctrl-C must not leave it. */
	interrupt_catch();
	int err = copy_database(c, copy, d);
	if (!err && interrupt_came())
		err = diag_what(d, TM_EAGAIN, "interrupted before the backup was made");
	if (!err)
		err = read_piece(copy, BACKUP_DB, ret_p, d);
	remove(copy);
	return err;
}

static int collect(struct cli *c, bool coordinator, struct piece pieces[static BACKUP_PARTS], struct diag *d)
{
	_cleanup_(freep) char *clock = os_path_join(c->paths.state_dir, backup_name(BACKUP_CLOCK));
	struct diag ignored = {0};

	if (!clock)
		return TM_ENOMEM;

	int err = read_piece(c->paths.identity, BACKUP_IDENTITY, &pieces[BACKUP_IDENTITY], d);
	if (!err)
		err = read_piece(c->paths.enrolment, BACKUP_ENROLMENT, &pieces[BACKUP_ENROLMENT], d);
	if (!err && coordinator)
		err = read_database(c, &pieces[BACKUP_DB], d);
	if (!err) /* a node that never ran has none, and does without */
		(void)!read_piece(clock, BACKUP_CLOCK, &pieces[BACKUP_CLOCK], &ignored);
	return err;
}

static int write_file(
	struct cli *c, const char *path, const struct enrolment *e, size_t *ret_n, struct diag *d)
{
	struct piece pieces[BACKUP_PARTS] = {0};
	struct backup b = {.coordinator = e->coordinator, .made = time_real() / SEC};
	uint8_t *bytes = NULL;
	size_t n = 0;
	int err = collect(c, e->coordinator, pieces, d);

	snprintf(b.mesh, sizeof(b.mesh), "%s", e->mesh.name);
	snprintf(b.node, sizeof(b.node), "%s", e->self.name);
	for (size_t i = 0; i < BACKUP_PARTS; i++)
		b.part[i] = (struct backup_content){(const uint8_t *)pieces[i].bytes, pieces[i].n};
	if (!err)
		err = backup_pack(&b, &bytes, &n);
	if (!err)
		err = os_write_file(path, bytes, n, 0600, d);
	if (bytes)
		wipe(bytes, n);
	free(bytes);
	pieces_wipe(pieces);
	*ret_n = n;
	return err;
}

static int say_done(struct cli *c, const char *path, const struct enrolment *e, size_t n)
{
	char size[FORMAT_LEN], mesh[NODE_NAME_MAX + 1];
	struct diag ignored = {0};
	char *config = NULL;

	if (c->g.json)
		return cli_json_take(c, json_pack("{s:b, s:s, s:{s:s}, s:s, s:b, s:I}", "ok", 1, "file", path,
						"mesh", "name", e->mesh.name, "node", e->self.name,
						"coordinator", e->coordinator, "bytes", (json_int_t)n));

	snprintf(mesh, sizeof(mesh), "%s", e->mesh.name);
	fprintf(c->out, "  %s%s of the mesh \"%s\" is in %s (%s)\n", e->self.name,
		e->coordinator ? ", the coordinator" : "", plain_make(mesh), path, format_bytes(n, size));
	fprintf(c->out,
		"  It holds this machine's identity key%s: whoever has the file can be this machine.\n",
		e->coordinator ? ", the mesh's secret and all members" : " and the mesh's secret");
	if (os_read_file(c->paths.config, backup_max(BACKUP_ENROLMENT), &config, NULL, &ignored) == TM_OK)
		fprintf(c->out, "  Not in it: the settings in %s\n", c->paths.config);
	free(config);
	return CLI_DONE;
}

static int backup_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	struct enrolment e = {0};
	struct diag d = {0};
	size_t n = 0;
	int err = enrolment_load(c->paths.enrolment, &e, &d);

	if (!err)
		err = write_file(c, words->v[0], &e, &n, &d);
	if (err == TM_EPERM && !d.hint[0])
		diag_hint(&d, OS_SUDO_HINT);
	int status = err ? cli_fail(c, &d, err) : say_done(c, words->v[0], &e, n);
	enrolment_wipe(&e);
	return status;
}

const struct command cmd_backup = {
	.name = "backup",
	.args = "FILE",
	.summary = "write this machine's identity and membership, on the coordinator the mesh, into one file",
	.details = "The mesh goes on meanwhile. The file is a tar with mode 0600 and holds the identity "
		   "key: keep it as one keeps a key. `restore` makes a machine this node again, here or "
		   "elsewhere.",
	.min_words = 1,
	.max_words = 1,
	.crypto = true,
	.run = backup_run,
};
