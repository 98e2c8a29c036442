/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What nodes, strangers and administrators say to a coordinator, over links without a network, a database in
 * memory, and jobs that run at once. One act a line; its first character says who acts:
 *
 *   0 the coordinator's own node   1 a gateway   2 a plain member   3 a stranger with an identity   a the
 *   administrator
 *
 * The rest of the line is a message; an empty one breaks the link. Whatever is said: every message to a node
 * is well-formed, its netmaps are valid and fit together, only members learn the mesh's secret, and every
 * command of the administrator gets exactly one answer.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "control/coord/coord_private.h"
#include "control/link/clink.h"
#include "control/link/text.h"
#include "control/store/sqlite/sqlite_private.h"
#include "crypto/init.h"
#include "fake/quiet.h"
#include "mesh/diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ACTORS = 4, HUB = 0, GATEWAY = 1, STRANGER = 3 };

struct actor {
	struct identity id;
	struct coord *c;
	struct conn *conn; /* NULL when not linked */
	struct mesh *map; /* NULL before the first word of it */
	bool member; /* enrolled here or before, as far as this link knows */
};

static struct actor actors[ACTORS];
static struct conn *ended[2 * ACTORS]; /* the coordinator is told later, by the loop */
static size_t n_ended;
static unsigned n_answers;

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* --- the coordinator's surroundings --- */

static int64_t unix_now(void)
{
	return 1000000;
}

static struct store_node node_of(uint32_t host, const char *name)
{
	const struct identity *id = &actors[host - 1].id;
	struct store_node n = {.rec = {.host = host, .coordinator = host == 1}};

	snprintf(n.rec.name, sizeof(n.rec.name), "%s", name);
	memcpy(n.rec.id, id->id, sizeof(n.rec.id));
	memcpy(n.rec.key, id->x_pub, sizeof(n.rec.key));
	memcpy(n.ed, id->ed_pub, sizeof(n.ed));
	if (host - 1 == GATEWAY) {
		memcpy(n.rec.tags[0], "gateway", sizeof("gateway"));
		n.rec.n_tags = 1;
	}
	return n;
}

static int fill(struct store *s, void *ctx UNUSED)
{
	static const char *const names[] = {"hub", "gate", "plain"};
	static const uint8_t secret[TOKEN_SECRET]; /* of the one token: all zero, like its id */
	struct store_token t = {.uses = 2, .expires = unix_now() + 1};
	int err = sql_exec(sql_of(s)->db,
		"INSERT INTO mesh (one, name, net4, net6, secret, created, free_host) VALUES (1, 'home', "
		"'100.101.0.0/28', 'fd5c::/64', "
		"x'5353535353535353535353535353535353535353535353535353535353535353', "
		"0, 1)");

	store_token_hash(secret, t.secret_hash);
	if (!err)
		err = store_token_insert(s, &t);
	for (uint32_t i = 0; i < ARRAY_LEN(names) && !err; i++) {
		struct store_node n = node_of(i + 1, names[i]);

		err = store_node_insert(s, &n, 14);
	}
	return err;
}

/* The linker puts these in the place of the real ones: no files, no thread. */
int __wrap_store_open(
	const struct store_ops *ops, const char *path, struct store **ret_store, struct diag *d);
int __wrap_helper_new(struct event_base *base, const char *name, struct helper **ret_helper);
void __wrap_helper_free(struct helper *h);
int __wrap_helper_submit(struct helper *h, helper_run_fn *run, helper_done_fn *done, void *job);

int __wrap_store_open(
	const struct store_ops *ops UNUSED, const char *path UNUSED, struct store **ret_store, struct diag *d)
{
	struct sql_store *s;

	check(sql_store_new(":memory:", &s, d) == TM_OK);
	check(schema_migrate(s->db, schema_steps, schema_version, d) == TM_OK);
	check(sql_store_prepare(s) == TM_OK);
	check(store_transaction(&s->store, fill, NULL) == TM_OK);
	*ret_store = &s->store;
	return TM_OK;
}

int __wrap_helper_new(
	struct event_base *base UNUSED, const char *name UNUSED, struct helper **ret_helper UNUSED)
{
	return TM_OK;
}

void __wrap_helper_free(struct helper *h UNUSED)
{
}

int __wrap_helper_submit(struct helper *h UNUSED, helper_run_fn *run, helper_done_fn *done, void *job)
{
	done(job, run(job));
	return TM_OK;
}

/* --- links --- */

/* A node may claim any version; only from what it was told can it know that a change fits. */
static void take(struct actor *a, const struct netmap *change)
{
	struct mesh_diff d;

	if (!a->map)
		check(mesh_new(coord_mesh(a->c), &a->map) == TM_OK);
	if (change->base != 0 && change->base != mesh_version(a->map))
		return;
	check(mesh_apply(a->map, change, &d) == TM_OK && d.n_bad == 0);
	mesh_diff_deinit(&d);
}

static int link_send(void *link, struct clink_text *t)
{
	static const char secret[] = "U1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1M=";
	struct actor *a = link;
	size_t len;
	const char *text = clink_text_bytes(t, &len);
	json_t *m = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	check(m);
	struct msg_type mt = msg_type(m);
	const char *type = mt.text;
	check(type[0]);
	if (strcmp(type, "welcome") == 0 ||
		(strcmp(type, "reply") == 0 && json_is_true(json_object_get(m, "ok"))))
		a->member = true;
	check(a->member || !memmem(text, len, secret, strlen(secret)));
	if (strcmp(type, "removed") == 0)
		a->member = false;
	if (strcmp(type, "netmap") == 0) {
		struct netmap change;

		check(netmap_from_json(json_object_get(m, "map"), coord_mesh(a->c), &change) == TM_OK &&
			change.n_bad == 0);
		take(a, &change);
		netmap_deinit(&change);
	}
	json_decref(m);
	return TM_OK;
}

static size_t link_queued(const void *link UNUSED)
{
	return 0;
}

static void link_close(void *link, const char *why)
{
	struct actor *a = link;
	struct conn *n = a->conn;

	check(why[0] && n && n_ended < ARRAY_LEN(ended));
	a->conn = NULL;
	ended[n_ended++] = n;
}

static void hang_up(struct actor *a)
{
	struct conn *n = a->conn;

	a->conn = NULL;
	if (n)
		conn_closed(n);
}

static void say(struct actor *a, const json_t *m)
{
	static const struct coord_conn_ops ops = {link_send, link_queued, link_close};
	static const struct endpoint from = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}, .port = 9};

	if (!a->conn) {
		mesh_free(TAKE(a->map));
		a->member = false;
		check(conn_open(a->c, &ops, a, a->id.x_pub, &from, &a->conn) == TM_OK);
	}
	conn_message(a->conn, m);
}

static void on_answer(void *ctx UNUSED, char *text_take)
{
	json_t *reply_take = json_loads(text_take, JSON_REJECT_DUPLICATES, NULL);

	free(text_take);
	check(json_is_boolean(json_object_get(reply_take, "ok")));
	check(json_is_true(json_object_get(reply_take, "ok")) ||
		json_string_length(json_object_get(reply_take, "error")) > 0);
	json_decref(reply_take);
	n_answers++;
}

static void tell_ends(void)
{
	while (n_ended)
		conn_closed(ended[--n_ended]);
}

static void act(struct coord *c, const char *line, size_t n)
{
	const char *why;
	json_t *m = NULL;

	if (n == 0 || !strchr("0123a", line[0]))
		return;
	if (n > 1 && text_parse(line + 1, n - 1, &m, &why) != TM_OK)
		return;

	struct actor *a = line[0] == 'a' ? NULL : &actors[line[0] - '0'];
	if (!m && a) {
		hang_up(a);
	} else if (a) {
		say(a, m);
	} else {
		static const struct coord_who local = {.role = COORD_ADMIN, .door = EVENT_SOCKET};

		n_answers = 0;
		coord_ask(c, &local, m, on_answer, NULL);
		check(n_answers == 1);
	}
	json_decref(m);
}

static void get_ready(void)
{
	static bool ready;

	if (ready)
		return;
	ready = true;
	check(crypto_init(NULL) == TM_OK);
	log_set_sink(quiet_log, NULL);
	for (size_t i = 0; i < ACTORS; i++) {
		uint8_t seed[ED_KEY] = {(uint8_t)(i + 1)};

		check(identity_from_seed(seed, &actors[i].id) == TM_OK);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *at = (const char *)data, *end = at + n;
	struct coord_tuning tuning = coord_tuning_default();
	const struct coord_config cfg = {.db_path = "memory",
		.identity = &actors[HUB].id,
		.addresses = (const char *const[]){"192.0.2.1:8443"},
		.n_addresses = 1,
		.data_port = 51820};
	struct coord *c;

	get_ready();
	tuning.unix_now = unix_now;
	tuning.push_gap = 0;
	struct event_base *base = event_base_new();
	check(coord_core_new(base, &cfg, &tuning, &c, NULL) == TM_OK);
	for (size_t i = 0; i < ACTORS; i++)
		actors[i].c = c;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline ? newline : end) - at);

		act(c, at, len);
		tell_ends();
		event_base_loop(base, EVLOOP_NONBLOCK); /* tells the links what has changed */
		tell_ends();
		at += newline ? len + 1 : len;
	}
	for (size_t i = 0; i < ACTORS; i++) {
		hang_up(&actors[i]);
		mesh_free(TAKE(actors[i].map));
	}
	coord_core_free(c);
	event_base_free(base);
	return 0;
}
