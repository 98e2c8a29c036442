/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/secret.h"
#include "control/store/sqlite/sqlite_private.h"

static int column_prefix(sqlite3_stmt *st, int at, uint8_t family, struct prefix *ret_prefix)
{
	char text[PREFIX_STR_LEN];

	int err = column_text(st, at, text, sizeof(text));
	if (err)
		return err;

	struct prefix p;
	if (prefix_parse(text, &p) != TM_OK || p.ip.family != family)
		return TM_ECORRUPT;

	*ret_prefix = prefix_mask(&p);
	return TM_OK;
}

static int row_to_mesh(sqlite3_stmt *st, struct store_mesh *ret_mesh)
{
	struct store_mesh m = {.created = sqlite3_column_int64(st, 4)};

	int err = column_text(st, 0, m.info.name, sizeof(m.info.name));
	if (!err)
		err = column_prefix(st, 1, IP_V4, &m.info.net4);
	if (!err)
		err = column_prefix(st, 2, IP_V6, &m.info.net6);
	if (!err)
		err = column_blob(st, 3, m.info.secret, sizeof(m.info.secret));
	if (!err)
		err = column_text(st, 5, m.info.zone, sizeof(m.info.zone));
	if (!err && (m.info.name[0] == '\0' || (m.info.zone[0] && !mesh_zone_valid(m.info.zone))))
		err = TM_ECORRUPT;
	if (!err)
		*ret_mesh = m;
	wipe(&m, sizeof(m));
	return err;
}

int sql_mesh_load(struct store *store, struct store_mesh *ret_mesh)
{
	struct sql_store *s = sql_of(store);
	sqlite3_stmt *st = sql_stmt(s, STMT_MESH_LOAD);

	int err = sql_row(st);
	if (err)
		return err == TM_ENOENT ? TM_ECORRUPT : err;

	err = row_to_mesh(st, ret_mesh);
	sqlite3_reset(st);
	return err;
}
