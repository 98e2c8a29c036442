/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/backup.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/jsonout.h"
#include "crypto/hash.h"

#define ABOUT "backup.json"
enum { VERSION = 1, ABOUT_MAX = 4096, DIGEST = 32 };

static const struct {
	const char *name;
	size_t max;
} parts[BACKUP_PARTS] = {
	[BACKUP_DB] = {"mesh.db", (size_t)512 << 20},
	[BACKUP_CLOCK] = {"clock", 128},
	[BACKUP_IDENTITY] = {"identity", 64 << 10},
	[BACKUP_ENROLMENT] = {"node.json", 256 << 10},
};

const char *backup_name(enum backup_part part)
{
	return parts[part].name;
}

size_t backup_max(enum backup_part part)
{
	return parts[part].max;
}

size_t backup_file_max(void)
{
	static const uint8_t none[1];
	struct archive_file files[BACKUP_PARTS + 1] = {{.p = none, .n = ABOUT_MAX}};

	for (size_t i = 0; i < BACKUP_PARTS; i++)
		files[i + 1].n = parts[i].max;
	return archive_size(files, ARRAY_LEN(files));
}

static void digest(const struct backup_content *c, uint8_t ret_digest[static DIGEST])
{
	const struct hash_part part = {c->p, c->n};

	sha256(&part, 1, ret_digest);
}

/* --- writing --- */

static char *about_text(const struct backup *b, size_t *ret_n)
{
	struct jsonout o = {0};
	uint8_t sum[DIGEST];

	jsonout_object(&o, NULL);
	jsonout_int(&o, "v", VERSION);
	jsonout_text(&o, "what",
		"a TunnelMesh node's identity key and membership; secret: whoever has it can be this node");
	jsonout_text(&o, "program", TM_VERSION);
	jsonout_int(&o, "made", b->made);
	jsonout_text(&o, "mesh", b->mesh);
	jsonout_text(&o, "node", b->node);
	jsonout_bool(&o, "coordinator", b->coordinator);
	jsonout_object(&o, "sha256");
	for (size_t i = 0; i < BACKUP_PARTS; i++)
		if (b->part[i].p) {
			digest(&b->part[i], sum);
			jsonout_hex(&o, parts[i].name, sum, sizeof(sum));
		}
	jsonout_object_end(&o);
	jsonout_object_end(&o);
	return jsonout_take(&o, ret_n);
}

int backup_pack(const struct backup *b, uint8_t **ret_bytes, size_t *ret_n)
{
	struct archive_file files[BACKUP_PARTS + 1] = {{.name = ABOUT}};
	_cleanup_(freep) char *about = about_text(b, &files[0].n);
	size_t n = 1;

	if (!about)
		return TM_ENOMEM;

	files[0].p = (const uint8_t *)about;
	for (size_t i = 0; i < BACKUP_PARTS; i++)
		if (b->part[i].p) {
			files[n] = (struct archive_file){.p = b->part[i].p, .n = b->part[i].n};
			snprintf(files[n++].name, sizeof(files[0].name), "%s", parts[i].name);
		}

	size_t size = archive_size(files, n);
	uint8_t *bytes = malloc(size);
	if (!bytes)
		return TM_ENOMEM;

	archive_write(files, n, b->made, bytes);
	*ret_bytes = bytes;
	*ret_n = size;
	return TM_OK;
}

/* --- reading --- */

static int damaged(struct diag *d, const char *what)
{
	diag_hint(d, "use another backup; nothing was changed");
	return diag_what(d, TM_ECORRUPT, "this backup is damaged: %s", what);
}

static int no_backup(struct diag *d)
{
	diag_hint(d, "give a file that `tunnelmesh backup` wrote");
	return diag_what(d, TM_EBADMSG, "this is not a TunnelMesh backup");
}

static int text_get(const json_t *j, const char *key, char *out, size_t len)
{
	const char *s = json_string_value(json_object_get(j, key));

	if (!s || !s[0] || strlen(s) >= len)
		return TM_EBADMSG;
	memcpy(out, s, strlen(s) + 1);
	return TM_OK;
}

/* Each part is there that has a sum, no other, and is what it was. */
static int sums_check(const json_t *sums, const struct backup *b, struct diag *d)
{
	for (size_t i = 0; i < BACKUP_PARTS; i++) {
		const char *text = json_string_value(json_object_get(sums, parts[i].name));
		uint8_t sum[DIGEST], there[DIGEST];
		char what[64];

		if (!text && !b->part[i].p)
			continue;
		snprintf(what, sizeof(what), "%s is not what was backed up", parts[i].name);
		if (!text || !b->part[i].p || hex_decode(text, strlen(text), sum, sizeof(sum)) != TM_OK)
			return damaged(d, what);
		digest(&b->part[i], there);
		if (memcmp(sum, there, sizeof(sum)) != 0)
			return damaged(d, what);
	}
	return TM_OK;
}

static int about_check(const json_t *j, struct backup *b, struct diag *d)
{
	const json_t *made = json_object_get(j, "made"), *coordinator = json_object_get(j, "coordinator");

	if (json_integer_value(json_object_get(j, "v")) > VERSION) {
		diag_hint(d, "update this machine's tunnelmesh");
		return diag_what(d, TM_EVERSION, "this backup was written by a newer version");
	}
	if (json_integer_value(json_object_get(j, "v")) != VERSION ||
		text_get(j, "mesh", b->mesh, sizeof(b->mesh)) != TM_OK ||
		text_get(j, "node", b->node, sizeof(b->node)) != TM_OK || !json_is_integer(made) ||
		!json_is_boolean(coordinator))
		return damaged(d, "its description cannot be read");

	b->made = json_integer_value(made);
	b->coordinator = json_is_true(coordinator);
	int err = sums_check(json_object_get(j, "sha256"), b, d);
	if (err)
		return err;
	if (!b->part[BACKUP_IDENTITY].p || !b->part[BACKUP_ENROLMENT].p ||
		b->coordinator != (b->part[BACKUP_DB].p != NULL))
		return damaged(d, "a part is missing");
	return TM_OK;
}

static int part_add(struct backup *b, const struct archive_file *f)
{
	for (size_t i = 0; i < BACKUP_PARTS; i++)
		if (strcmp(f->name, parts[i].name) == 0) {
			if (b->part[i].p || f->n > parts[i].max)
				return TM_EBADMSG;
			b->part[i] = (struct backup_content){f->p, f->n};
			return TM_OK;
		}
	return TM_EBADMSG;
}

int backup_unpack(const uint8_t *p, size_t n, struct backup *ret_b, struct diag *d)
{
	struct archive_reader r = {p, p + n};
	struct archive_file about, f;
	struct backup b = {0};
	int err = archive_next(&r, &about);

	if (err || strcmp(about.name, ABOUT) != 0 || about.n > ABOUT_MAX)
		return no_backup(d);

	json_t *j = json_loadb((const char *)about.p, about.n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(j)) {
		json_decref(j);
		return no_backup(d);
	}
	while (!(err = archive_next(&r, &f)))
		if (part_add(&b, &f) != TM_OK)
			break;
	if (err == TM_ENOENT)
		err = about_check(j, &b, d);
	else
		err = damaged(d,
			err == TM_ESHORT ? "it is cut off" : "something is in it that does not belong there");
	json_decref(j);
	if (!err)
		*ret_b = b;
	return err;
}
