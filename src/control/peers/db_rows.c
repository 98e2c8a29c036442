/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/secret.h"
#include "base/strbuf.h"
#include "control/peers/db_private.h"

#include <stdio.h>
#include <string.h>

enum { ADDRESSES_TEXT_MAX = 4096 };

/* --- texts of several values --- */

static void candidates_write(struct strbuf *b, const struct candidates *c)
{
	char ep[ENDPOINT_STR_LEN];

	for (size_t i = 0; i < c->n; i++)
		strbuf_printf(b, "%s %s%s%s\n", candidate_type_name(c->v[i].type),
			endpoint_format(&c->v[i].ep, ep), c->v[i].relay[0] ? " " : "", c->v[i].relay);
}

static void candidates_read(const char *text, struct candidates *c)
{
	char type[8], ep[ENDPOINT_STR_LEN];

	for (c->n = 0; c->n < CANDIDATES_MAX && *text; text += strspn(text, "\n")) {
		struct candidate at = {0};
		size_t len = strcspn(text, "\n");
		char line[128];

		snprintf(line, sizeof(line), "%.*s", (int)MIN(len, sizeof(line) - 1), text);
		text += len;
		if (sscanf(line, "%7s %71s %16s", type, ep, at.relay) >= 2 &&
			candidate_type_parse(type, &at.type) == TM_OK &&
			endpoint_parse(ep, &at.ep) == TM_OK &&
			(at.type == CAND_RELAY) == node_id_valid(at.relay))
			c->v[c->n++] = at;
	}
}

static void addresses_read(const char *text, struct coordinator_known *known)
{
	while (*text && known->n_addresses < TOKEN_ADDRS_MAX) {
		size_t len = strcspn(text, "\n");

		if (len && len < TOKEN_ADDR_LEN) {
			memcpy(known->addresses[known->n_addresses], text, len);
			known->addresses[known->n_addresses++][len] = '\0';
		}
		text += len + (text[len] == '\n');
	}
}

void rows_relays_write(struct strbuf *b, const struct relays *r)
{
	char ep[ENDPOINT_STR_LEN];

	for (size_t i = 0; i < r->n; i++) {
		const struct relay_rec *v = &r->v[i];

		strbuf_printf(b, "%s", v->node);
		for (size_t k = 0; k < v->n_addrs; k++)
			strbuf_printf(b, " %s", endpoint_format(&v->addrs[k], ep));
		strbuf_printf(b, " |");
		for (size_t k = 0; k < v->n_tcp; k++)
			strbuf_printf(b, " %s", v->tcp[k]);
		strbuf_printf(b, "\n");
	}
}

/* The next word of a line; false: there is none, or it is too long for the room. */
static bool next_word(const char **line, char *out, size_t room)
{
	const char *word = *line + strspn(*line, " ");
	size_t n = strcspn(word, " \n");

	*line = word + n;
	if (!n || n >= room)
		return false;
	memcpy(out, word, n);
	out[n] = '\0';
	return true;
}

static void relay_read(const char *line, struct relays *r)
{
	struct relay_rec v = {.n_addrs = 0};
	char word[RELAY_TCP_LEN];
	bool streams = false;

	if (!next_word(&line, v.node, sizeof(v.node)) || !node_id_valid(v.node) || relays_find(r, v.node))
		return;
	while (next_word(&line, word, sizeof(word))) {
		if (strcmp(word, "|") == 0)
			streams = true;
		else if (streams && v.n_tcp < RELAY_TCP_MAX)
			snprintf(v.tcp[v.n_tcp++], RELAY_TCP_LEN, "%s", word);
		else if (!streams && v.n_addrs < RELAY_ADDRS_MAX &&
			 endpoint_parse(word, &v.addrs[v.n_addrs]) == TM_OK)
			v.n_addrs++;
	}
	r->v[r->n++] = v;
}

void rows_relays_read(const char *text, struct relays *ret_r)
{
	for (ret_r->n = 0; *text && ret_r->n < RELAYS_MAX; text += strspn(text, "\n")) {
		relay_read(text, ret_r);
		text += strcspn(text, "\n");
	}
}

/* What stands before a coordinator's where TLS had to be spoken. */
#define TLS_SCHEME "https://"

static void endpoint_read(const char *text, struct endpoint *ret_ep)
{
	if (endpoint_parse(text, ret_ep) != TM_OK)
		*ret_ep = (struct endpoint){0};
}

/* --- reading --- */

static const char *text_at(sqlite3_stmt *st, int column)
{
	const unsigned char *s = sqlite3_column_text(st, column);

	return s ? (const char *)s : "";
}

static bool valid_text_at(
	sqlite3_stmt *st, int column, char *out, size_t out_len, bool (*valid)(const char *))
{
	return column_text(st, column, out, out_len) == TM_OK && valid(out);
}

static bool member_read(const struct db *db, sqlite3_stmt *st, struct node_rec *r)
{
	int64_t host = sqlite3_column_int64(st, 2);

	if (!valid_text_at(st, 0, r->id, sizeof(r->id), node_id_valid) ||
		!valid_text_at(st, 1, r->name, sizeof(r->name), node_name_valid))
		return false;
	if (host < 1 || host > mesh_hosts_max(&db->mesh.net4, &db->mesh.net6))
		return false;
	if (column_blob(st, 3, r->key, sizeof(r->key)) != TM_OK || ct_is_zero(r->key, sizeof(r->key)))
		return false;

	r->host = (uint32_t)host;
	r->kind = sqlite3_column_int(st, 4) ? NODE_CLIENT : NODE_MESH;
	r->coordinator = sqlite3_column_int(st, 5) != 0;
	if (r->kind == NODE_CLIENT && !valid_text_at(st, 6, r->via, sizeof(r->via), node_id_valid))
		return false;
	/* A file of version 2 that cannot be written has no such column, one of version 5 not the last. */
	if (sqlite3_column_count(st) > 8 && node_routes_split(text_at(st, 8), &r->routes) != TM_OK)
		return false;
	if (sqlite3_column_count(st) > 9 && node_aliases_read(text_at(st, 9), &r->aliases) != TM_OK)
		return false;
	return node_tags_split(text_at(st, 7), r->tags, &r->n_tags) == TM_OK;
}

static bool contact_read(sqlite3_stmt *st, struct db_contact *c)
{
	if (!valid_text_at(st, 0, c->id, sizeof(c->id), node_id_valid))
		return false;

	endpoint_read(text_at(st, 1), &c->worked);
	candidates_read(text_at(st, 2), &c->candidates);
	if (column_blob(st, 3, c->stamps.handshake, sizeof(c->stamps.handshake)) != TM_OK)
		memset(c->stamps.handshake, 0, sizeof(c->stamps.handshake));
	c->stamps.check = (uint64_t)sqlite3_column_int64(st, 4);
	return true;
}

static int read_table(struct db *db, const char *query, const struct db_reader *reader, bool contacts)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->sql, query, -1, &st, NULL);

	if (rc != SQLITE_OK)
		return sql_error(db->sql, rc);

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct db_contact contact = {.id = ""};
		struct node_rec member = {.id = ""};

		if (contacts && contact_read(st, &contact))
			reader->contact(reader->ctx, &contact);
		else if (!contacts && member_read(db, st, &member))
			reader->member(reader->ctx, &member);
	}
	sqlite3_finalize(st);
	return sql_error(db->sql, rc);
}

/* A state directory may have been used before, by another node or in another mesh. */
int rows_read_state(struct db *db, bool with_relays, struct db_state *ret_s, struct diag *d)
{
#define EXCEPT_RELAYS "SELECT self, coordinator_key, version, members, at, data_port, pace_ms, addresses, "
	uint8_t key[32];
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db->sql,
		with_relays ? EXCEPT_RELAYS "relays FROM state" : EXCEPT_RELAYS "'' FROM state", -1, &st,
		NULL);

	if (rc != SQLITE_OK)
		return sql_error(db->sql, rc);

	rc = sqlite3_step(st);
	int err = rc == SQLITE_ROW ? TM_OK : rc == SQLITE_DONE ? TM_ENOENT : sql_error(db->sql, rc);
	if (!err &&
		(strcmp(text_at(st, 0), db->self_id) != 0 || column_blob(st, 1, key, sizeof(key)) != TM_OK ||
			memcmp(key, db->coordinator_key, sizeof(key)) != 0))
		err = diag_what(d, TM_EVERSION, "it is of another node or another mesh");
	if (!err) {
		struct db_state s = {.version = (uint64_t)sqlite3_column_int64(st, 2),
			.n_members = (size_t)sqlite3_column_int64(st, 3)};
		int port = sqlite3_column_int(st, 5);

		const char *at = text_at(st, 4);

		s.coordinator.at_tls = strncmp(at, TLS_SCHEME, strlen(TLS_SCHEME)) == 0;
		endpoint_read(at + (s.coordinator.at_tls ? strlen(TLS_SCHEME) : 0), &s.coordinator.at);
		s.coordinator.data_port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
		s.coordinator.pace_ms = (uint32_t)sqlite3_column_int64(st, 6);
		addresses_read(text_at(st, 7), &s.coordinator);
		rows_relays_read(text_at(st, 8), &s.relays);
		*ret_s = s;
	}
	sqlite3_finalize(st);
	return err;
}

/* SQLite finds damage of its pages, not of what is in them. */
static bool is_whole(const struct policy_kept *k)
{
	char digest[POLICY_DIGEST_LEN + 1];

	if (!k->version)
		return !k->digest[0] && !k->text[0] && !k->nodes[0];
	policy_digest(k->text, k->nodes, digest);
	return strcmp(k->digest, digest) == 0;
}

static int read_policy(sqlite3_stmt *st, struct policy_kept *ret_k)
{
	struct policy_kept k = {.version = (uint64_t)sqlite3_column_int64(st, 0)};

	k.text = strdup(text_at(st, 2));
	k.nodes = strdup(text_at(st, 3));
	if (!k.text || !k.nodes) {
		policy_kept_deinit(&k);
		return TM_ENOMEM;
	}
	k.lost = column_text(st, 1, k.digest, sizeof(k.digest)) != TM_OK || !is_whole(&k);
	*ret_k = k;
	return TM_OK;
}

/* with_row: one is there, also where there is no policy. */
int rows_read_policy(struct db *db, bool with_row, struct db_state *s)
{
	struct policy_kept k = {.lost = with_row};
	sqlite3_stmt *st;
	int rc =
		sqlite3_prepare_v2(db->sql, "SELECT version, digest, text, nodes FROM policy", -1, &st, NULL);

	if (rc != SQLITE_OK)
		return sql_error(db->sql, rc);

	rc = sqlite3_step(st);
	int err = rc == SQLITE_ROW || rc == SQLITE_DONE ? TM_OK : sql_error(db->sql, rc);
	if (rc == SQLITE_ROW)
		err = read_policy(st, &k);
	sqlite3_finalize(st);
	if (err)
		return err;
	if (!k.version || k.lost) {
		const bool lost = k.lost;

		policy_kept_deinit(&k);
		k.lost = lost;
		snprintf(k.digest, sizeof(k.digest), "%s", lost ? POLICY_DIGEST_LOST : "");
	}
	policy_kept_deinit(&s->policy);
	s->policy = k;
	return TM_OK;
}

/* --- writing --- */

int rows_run(sqlite3_stmt *st)
{
	int err = sql_run(st);

	/* No row of ours breaks a rule of our schema: it is somebody else's. */
	return err == TM_EEXIST ? TM_ECORRUPT : err;
}

int rows_write_state(struct db *db, const struct db_state *s)
{
	sqlite3_stmt *st = db->stmts[STMT_STATE];
	char text[ADDRESSES_TEXT_MAX] = "", at[sizeof(TLS_SCHEME) + ENDPOINT_STR_LEN], ep[ENDPOINT_STR_LEN];
	struct strbuf b = {0};
	size_t n = 0;

	rows_relays_write(&b, &s->relays);
	_cleanup_(freep) char *relays = strbuf_take(&b);
	if (!relays)
		return TM_ENOMEM;

	for (size_t i = 0; i < s->coordinator.n_addresses; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", s->coordinator.addresses[i]);
	bind_text(st, 1, db->self_id);
	bind_blob(st, 2, db->coordinator_key, sizeof(db->coordinator_key));
	sqlite3_bind_int64(st, 3, (int64_t)s->version);
	sqlite3_bind_int64(st, 4, (int64_t)s->n_members);
	snprintf(at, sizeof(at), "%s%s", s->coordinator.at_tls ? TLS_SCHEME : "",
		endpoint_format(&s->coordinator.at, ep));
	bind_text(st, 5, at);
	sqlite3_bind_int(st, 6, s->coordinator.data_port);
	sqlite3_bind_int64(st, 7, s->coordinator.pace_ms);
	bind_text(st, 8, text);
	bind_text(st, 9, relays);
	return rows_run(st);
}

int rows_write_policy(struct db *db, const struct policy_kept *k)
{
	sqlite3_stmt *st = db->stmts[STMT_POLICY];

	sqlite3_bind_int64(st, 1, (int64_t)k->version);
	bind_text(st, 2, k->digest);
	bind_text(st, 3, k->text ? k->text : "");
	bind_text(st, 4, k->nodes ? k->nodes : "");
	return rows_run(st);
}

static int write_gone(sqlite3_stmt *st, const char *id)
{
	bind_text(st, 1, id);
	return rows_run(st);
}

static int write_member(struct db *db, const struct db_row *row)
{
	const struct mesh_node *n = row->member;
	sqlite3_stmt *st = db->stmts[STMT_MEMBER];
	char tags[NODE_TAGS_MAX * (NODE_TAG_MAX + 1) + 1] = "", routes[ROUTES_TEXT_MAX];
	size_t len = 0;

	if (!n)
		return write_gone(db->stmts[STMT_MEMBER_GONE], row->id);

	for (const char *t = n->tags; *t; t += strlen(t) + 1)
		len += (size_t)snprintf(tags + len, sizeof(tags) - len, "%s%s", len ? " " : "", t);
	bind_text(st, 1, n->id);
	bind_text(st, 2, n->name);
	sqlite3_bind_int64(st, 3, n->host);
	bind_blob(st, 4, n->key, sizeof(n->key));
	sqlite3_bind_int(st, 5, n->kind == NODE_CLIENT);
	sqlite3_bind_int(st, 6, n->coordinator);
	bind_text(st, 7, n->via);
	bind_text(st, 8, tags);
	struct node_routes all = {.n = n->n_routes, .exit = n->exit};
	if (n->n_routes)
		memcpy(all.v, n->routes, n->n_routes * sizeof(all.v[0]));
	node_routes_join(&all, routes);
	bind_text(st, 9, routes);
	bind_text(st, 10, n->aliases);
	return rows_run(st);
}

static int write_contact(struct db *db, const struct db_row *row)
{
	const struct db_contact *c = row->contact;
	sqlite3_stmt *st = db->stmts[STMT_CONTACT];
	struct strbuf b = {0};
	char ep[ENDPOINT_STR_LEN];

	if (!c)
		return write_gone(db->stmts[STMT_CONTACT_GONE], row->id);

	candidates_write(&b, &c->candidates);
	_cleanup_(freep) char *candidates = strbuf_take(&b);
	if (!candidates)
		return TM_ENOMEM;

	bind_text(st, 1, c->id);
	bind_text(st, 2, endpoint_format(&c->worked, ep));
	bind_text(st, 3, candidates);
	bind_blob(st, 4, c->stamps.handshake, sizeof(c->stamps.handshake));
	sqlite3_bind_int64(st, 5, (int64_t)c->stamps.check);
	return rows_run(st);
}

int rows_read(struct db *db, const struct db_reader *reader)
{
	int err = read_table(db, "SELECT * FROM member", reader, false);

	return err ? err : read_table(db, "SELECT * FROM contact", reader, true);
}

int rows_write(struct db *db, const struct db_row *row)
{
	int err = row->member_changed ? write_member(db, row) : TM_OK;

	return !err && row->contact_changed ? write_contact(db, row) : err;
}
