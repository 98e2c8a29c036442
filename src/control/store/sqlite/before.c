/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a database was before it was migrated: two copies are kept, the newest and the one before. */
#include "control/store/sqlite/sqlite_private.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "os/files.h"
#include "os/os.h"

int sql_file_version(const char *path)
{
	/* "Database File Format", 1.3: the user version, big endian. */
	enum { VERSION_AT = 60, HEAD = 64 };
	uint8_t head[HEAD];
	FILE *f = fopen(path, "re");
	const bool whole = f && fread(head, 1, HEAD, f) == HEAD;

	if (f)
		fclose(f);
	const uint32_t version = whole ? get_be32(head + VERSION_AT) : 0;
	return version > INT32_MAX ? 0 : (int)version;
}

static int refuse(int version, int err, struct diag *d)
{
	diag_hint(d, "make room beside it and start again; the file was left as it is");
	return diag_what(d, err,
		"the mesh database is of version %d and has to become %d, and no copy of it can be kept "
		"before: %s",
		version, schema_version, tm_strerror(err));
}

static uint64_t size_of(const char *path)
{
	struct os_look look;

	return os_look(path, &look) == TM_OK ? look.size : 0;
}

int sql_look_before(const char *path, int version, struct diag *d)
{
	char log[PATH_MAX];

	snprintf(log, sizeof(log), "%s-wal", path);
	const uint64_t all = size_of(path) + size_of(log);
	/* The copy, and as much again in the log of what is changed. */
	return os_room(path) / 2 < all ? refuse(version, TM_ENOSPACE, d) : TM_OK;
}

int sql_keep_before(struct sql_store *s, const char *path, int version, struct diag *d)
{
	char newest[PATH_MAX - 16], older[PATH_MAX];

	if (snprintf(newest, sizeof(newest), "%s" SQL_BEFORE, path) >= (int)sizeof(newest))
		return diag_what(d, TM_ERANGE, "the path of the mesh database is too long");
	snprintf(older, sizeof(older), "%s.1", newest);
	int err = sql_file_version(newest) == version ? TM_OK : os_move_file(newest, older, NULL);
	if (!err || err == TM_ENOENT)
		err = sql_copy(&s->store, newest);
	return err ? refuse(version, err, d) : TM_OK;
}
