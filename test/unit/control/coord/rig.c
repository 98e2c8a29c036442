/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fake/quiet.h"
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

#include "base/encode.h"
#include "base/log.h"
#include "control/link/clink.h"
#include "crypto/init.h"

#include <event2/event.h>
#include <unistd.h>

int64_t rig_unix_now;

static int64_t test_clock(void)
{
	return rig_unix_now;
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail_msg("nothing happened for 20 s");
}

static void on_ends(void *ctx)
{
	struct rig *r = ctx;

	while (r->n_ended)
		conn_closed(r->ended[--r->n_ended]);
}

/* The machine is not linked any more; as with a real link the coordinator is told by the loop. */
static void end_link(struct machine *m)
{
	struct rig *r = m->rig;

	if (r->n_ended == r->room_ended) {
		r->room_ended = 2 * r->room_ended + 16;
		r->ended = realloc(r->ended, r->room_ended * sizeof(*r->ended));
		assert_non_null(r->ended);
	}
	r->ended[r->n_ended++] = TAKE(m->conn);
	loop_timer_in(r->ends, 0);
}

static int link_send(void *link, struct clink_text *t)
{
	struct machine *to = link;

	if (to->refuse && to->conn) {
		end_link(to);
		return TM_EFULL;
	}
	if (!to->conn)
		return TM_ECLOSED;
	clink_text_unref(to->last);
	to->last = clink_text_ref(t);
	size_t len;
	const char *text = clink_text_bytes(t, &len);
	json_t *m = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!m)
		fail_msg("no JSON: %.*s", (int)len, text);
	if (to->slow)
		to->queued += len;
	if (strcmp(msg_type(m).text, "netmap") == 0) {
		struct netmap delta;

		to->n_maps++;
		assert_int_equal(
			netmap_from_json(json_object_get(m, "map"), coord_mesh(to->rig->c), &delta), TM_OK);
		to->n_snapshots += delta.base == 0;
		to->n_map_errors += delta.n_bad != 0;
		machine_take(to, &delta);
		netmap_deinit(&delta);
	}
	return json_array_append_new(to->inbox, m) ? TM_ENOMEM : TM_OK;
}

static size_t link_queued(const void *link)
{
	return ((const struct machine *)link)->queued;
}

static void link_close(void *link, const char *why)
{
	struct machine *m = link;

	snprintf(m->closed_why, sizeof(m->closed_why), "%s", why);
	if (m->conn)
		end_link(m);
}

static const struct coord_conn_ops link_ops = {link_send, link_queued, link_close};

static void on_change(void *ctx)
{
	struct rig *r = ctx;

	r->n_changes++;
}

int rig_try_start(struct rig *r, struct diag *d)
{
	static const char *const addresses[] = {"192.0.2.1:8443", "hub.example:443"};
	struct coord_config cfg = {.db_path = r->db_path,
		.identity = &r->hub.id,
		.addresses = addresses,
		.n_addresses = 2,
		.data_port = 51820,
		.on_change = on_change,
		.on_event_ctx = r};

	return coord_core_new(r->base, &cfg, &r->tuning, &r->c, d);
}

void rig_start(struct rig *r)
{
	struct diag d = {0};

	if (rig_try_start(r, &d) != TM_OK)
		fail_msg("%s: %s", d.where, d.what);
}

void rig_stop(struct rig *r)
{
	machine_unlink(&r->hub);
	for (size_t i = 0; i < RIG_MACHINES; i++)
		machine_unlink(&r->machines[i]);
	on_ends(r);
	coord_core_free(r->c);
	r->c = NULL;
}

int rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct coord_init init = {.mesh_name = "home", .node_name = "hub", .secret = {1, 2, 3}};
	struct diag d = {0};

	assert_non_null(r);
	assert_int_equal(crypto_init(NULL), TM_OK);
	log_set_sink(quiet_log, NULL);
	rig_unix_now = 1000000;
	snprintf(r->folder, sizeof(r->folder), "/tmp/tm-coord-XXXXXX");
	assert_non_null(mkdtemp(r->folder));
	snprintf(r->db_path, sizeof(r->db_path), "%s/mesh.db", r->folder);
	r->base = event_base_new();
	assert_int_equal(loop_timer_new(r->base, on_ends, r, &r->ends), TM_OK);
	r->alarm = event_new(r->base, -1, 0, on_alarm, NULL);
	assert_int_equal(identity_generate(&r->hub.id), TM_OK);
	r->hub.rig = r;
	r->hub.inbox = json_array();
	r->tuning = coord_tuning_default();
	r->tuning.push_gap = 1 * MS;
	r->tuning.watch_gap = 0; /* every change is told at once */
	r->tuning.watch_rate = UINT32_MAX;
	r->tuning.tick = 10 * MS;
	r->tuning.policy_rests = 0; /* how long a look takes is the machine's */
	r->tuning.unix_now = test_clock;
	init.db_path = r->db_path;
	init.identity = &r->hub.id;
	assert_int_equal(prefix_parse("100.101.0.0/16", &init.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &init.net6), TM_OK);
	if (coord_create(&init, &d) != TM_OK)
		fail_msg("%s", d.what);
	rig_start(r);
	*state = r;
	return 0;
}

static void machine_clear(struct machine *m)
{
	json_decref(m->inbox);
	clink_text_unref(m->last);
	mesh_free(m->map);
}

int rig_teardown(void **state)
{
	static const char *const files[] = {"", "-wal", "-shm"};
	struct rig *r = *state;
	char path[128];

	rig_stop(r);
	machine_clear(&r->hub);
	for (size_t i = 0; i < RIG_MACHINES; i++)
		machine_clear(&r->machines[i]);
	json_decref(r->answer);
	free(r->ended);
	loop_timer_free(r->ends);
	event_free(r->alarm);
	event_base_free(r->base);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s%s", r->db_path, files[i]);
		unlink(path);
	}
	rmdir(r->folder);
	free(r);
	return 0;
}

void rig_until(struct rig *r, rig_test_fn *test, void *ctx)
{
	static const struct timeval patience = {.tv_sec = 20};

	event_add(r->alarm, &patience);
	while (!test(ctx))
		event_base_loop(r->base, EVLOOP_ONCE);
	event_del(r->alarm);
}

struct fence {
	struct coord *c;
	bool passed;
};

static int fence_run(void *arg)
{
	(void)arg;
	return TM_OK;
}

static void fence_done(void *arg, int result)
{
	(void)result;
	((struct fence *)arg)->passed = true;
}

static bool fence_passed(void *ctx)
{
	const struct fence *f = ctx;

	return f->passed && push_idle(f->c);
}

void rig_settle(struct rig *r)
{
	/* Twice: what the first one waited for may have asked for more. */
	for (int i = 0; i < 2; i++) {
		struct fence f = {.c = r->c};

		assert_int_equal(helper_submit(r->c->helper, fence_run, fence_done, &f), TM_OK);
		rig_until(r, fence_passed, &f);
	}
}

static void on_answer(void *ctx, char *reply_take)
{
	struct rig *r = ctx;

	json_decref(r->answer);
	r->answer = json_loads(reply_take, JSON_REJECT_DUPLICATES, NULL);
	free(reply_take);
	r->n_answers++;
}

static bool answered(void *ctx)
{
	return ((struct rig *)ctx)->n_answers != 0;
}

const json_t *rig_admin(struct rig *r, json_t *req_take)
{
	static const struct coord_who local = {.role = COORD_ADMIN, .door = EVENT_SOCKET};

	return rig_asked(r, &local, req_take);
}

const json_t *rig_asked(struct rig *r, const struct coord_who *who, json_t *req_take)
{
	assert_non_null(req_take);
	r->n_answers = 0;
	coord_ask(r->c, who, req_take, on_answer, r);
	json_decref(req_take);
	rig_until(r, answered, r);
	assert_int_equal(r->n_answers, 1);
	assert_non_null(r->answer);
	return r->answer;
}

const char *rig_refused(struct rig *r, json_t *req_take)
{
	const json_t *a = rig_admin(r, req_take);
	const char *error = json_string_value(json_object_get(a, "error")),
		   *hint = json_string_value(json_object_get(a, "hint"));

	assert_true(json_is_false(json_object_get(a, "ok")));
	assert_non_null(error);
	assert_non_null(hint);
	assert_true(strlen(error) > 10 && error[strlen(error) - 1] != '.' && strlen(hint) > 5);
	return error;
}

struct token rig_token(struct rig *r, json_t *req_take)
{
	struct token t;
	struct diag d = {0};

	json_object_set_new(req_take, "cmd", json_string("token.create"));
	const json_t *a = rig_admin(r, req_take);
	if (!json_is_true(json_object_get(a, "ok")))
		fail_msg("%s", json_string_value(json_object_get(a, "error")));
	if (token_decode(json_string_value(json_object_get(a, "token")), &t, &d) != TM_OK)
		fail_msg("%s", d.what);
	return t;
}

struct machine *rig_machine(struct rig *r, size_t number)
{
	struct machine *m = &r->machines[number];

	if (!m->rig) {
		assert_int_equal(identity_generate(&m->id), TM_OK);
		m->rig = r;
		m->inbox = json_array();
	}
	return m;
}

void machine_link(struct machine *m)
{
	struct endpoint from = {.port = 40000};

	assert_int_equal(ip_parse("198.51.100.7", &from.ip), TM_OK);
	m->closed_why[0] = '\0';
	assert_int_equal(conn_open(m->rig->c, &link_ops, m, m->id.x_pub, &from, &m->conn), TM_OK);
}

void machine_unlink(struct machine *m)
{
	struct conn *n = m->conn;

	m->conn = NULL;
	if (n)
		conn_closed(n);
}

void machine_say(struct machine *m, json_t *msg_take)
{
	assert_non_null(msg_take);
	if (m->conn)
		conn_message(m->conn, msg_take);
	json_decref(msg_take);
}

void machine_enrol(struct machine *m, const struct token *t, const char *name)
{
	char id[HEX_LEN(TOKEN_ID) + 1], secret[HEX_LEN(TOKEN_SECRET) + 1], ed[BASE64_LEN(ED_KEY) + 1];

	hex_encode(t->id, sizeof(t->id), id);
	hex_encode(t->secret, sizeof(t->secret), secret);
	base64_encode(m->id.ed_pub, ED_KEY, ed);
	if (!m->conn)
		machine_link(m);
	machine_say(m, json_pack("{s:s, s:i, s:{s:s, s:s}, s:s, s:s, s:s, s:s}", "t", "enrol", "id", 1,
			       "token", "id", id, "secret", secret, "name", name, "ed", ed, "os", "linux",
			       "version", "0.1.0"));
}

void machine_hello(struct machine *m, json_t *candidates_take)
{
	if (!m->conn)
		machine_link(m);
	json_t *hello = json_pack("{s:s, s:s, s:s, s:I, s:o}", "t", "hello", "version", "0.1.0", "os",
		"linux", "netmap", (json_int_t)machine_version(m), "candidates",
		candidates_take ? candidates_take : json_array());
	if (m->run)
		json_object_set_new(hello, "run", json_integer((json_int_t)m->run));
	machine_say(m, hello);
}

void machine_join(struct machine *m, const char *name)
{
	struct token t = rig_token(m->rig, json_object());

	machine_enrol(m, &t, name);
	assert_true(json_is_true(json_object_get(machine_await(m, "reply"), "ok")));
	machine_hello(m, NULL);
	assert_non_null(machine_last(m, "welcome"));
}

const json_t *machine_last(const struct machine *m, const char *type)
{
	for (size_t i = json_array_size(m->inbox); i-- > 0;) {
		const json_t *msg = json_array_get(m->inbox, i);

		if (strcmp(json_string_value(json_object_get(msg, "t")), type) == 0)
			return msg;
	}
	return NULL;
}

struct awaited {
	const struct machine *m;
	const char *type;
};

static bool has_come(void *ctx)
{
	const struct awaited *a = ctx;

	return machine_last(a->m, a->type) != NULL;
}

const json_t *machine_await(struct machine *m, const char *type)
{
	struct awaited a = {m, type};

	rig_until(m->rig, has_come, &a);
	return machine_last(m, type);
}

unsigned machine_count(const struct machine *m, const char *type)
{
	unsigned n = 0;

	for (size_t i = 0; i < json_array_size(m->inbox); i++)
		n += strcmp(json_string_value(json_object_get(json_array_get(m->inbox, i), "t")), type) == 0;
	return n;
}

void machine_forget(struct machine *m)
{
	json_array_clear(m->inbox);
	m->n_maps = m->n_snapshots = 0;
}

bool machine_sees(struct machine *m, const char *name)
{
	const struct mesh_node *rec = m->map ? mesh_lookup(m->map, name) : NULL;
	struct presence p;

	assert_non_null(rec);
	machine_say(m, json_pack("{s:s, s:i}", "t", "presence", "id", 99));
	const json_t *reply = machine_last(m, "reply");
	assert_int_equal(json_integer_value(json_object_get(reply, "id")), 99);
	assert_int_equal(presence_from_json(json_object_get(reply, "online"), &p), TM_OK);
	return presence_has(&p, rec->host);
}

bool machine_knows(const struct machine *m, const char *name)
{
	return m->map && mesh_lookup(m->map, name);
}

uint64_t machine_version(const struct machine *m)
{
	return m->map ? mesh_version(m->map) : 0;
}

size_t machine_size(const struct machine *m)
{
	return m->map ? mesh_size(m->map) : 0;
}

void machine_take(struct machine *m, const struct netmap *update)
{
	struct mesh_diff d = {0};

	if (!m->map)
		assert_int_equal(mesh_new(coord_mesh(m->rig->c), &m->map), TM_OK);
	m->n_map_errors += mesh_apply(m->map, update, &d) != TM_OK || d.n_bad;
	mesh_diff_deinit(&d);
}

struct netmap rig_snapshot(struct rig *r)
{
	struct jsonout o = {0};
	struct netmap map;

	registry_view_put(r->c->reg, 0, &o);
	char *text = jsonout_take(&o, NULL);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(msg_netmap_get(j, coord_mesh(r->c), &map), TM_OK);
	json_decref(j);
	free(text);
	return map;
}
