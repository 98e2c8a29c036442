/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The coordinator behind its real control links, on loopback. */
#include "fake/quiet.h"
#include "unit/unit.h"

#include "base/encode.h"
#include "base/log.h"
#include "control/coord/coord.h"
#include "control/link/clink.h"
#include "crypto/init.h"

#include <event2/event.h>
#include <unistd.h>

struct live {
	char folder[64], db_path[96];
	struct event_base *base;
	struct event *alarm;
	struct identity hub, laptop;
	struct coord *c;
	struct clink *link;
	json_t *got[16];
	size_t n_got;
	bool up, closed;
	json_t *answer;
};

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail_msg("nothing happened for 20 s");
}

static void on_up(void *ctx, struct clink *l)
{
	(void)l;
	((struct live *)ctx)->up = true;
}

static void on_message(void *ctx, struct clink *l, const json_t *m)
{
	struct live *v = ctx;

	(void)l;
	assert_true(v->n_got < ARRAY_LEN(v->got));
	v->got[v->n_got++] = json_deep_copy(m);
}

static void on_closed(void *ctx, struct clink *l, int err, const char *why)
{
	struct live *v = ctx;

	(void)l;
	(void)err;
	(void)why;
	v->closed = true;
	v->link = NULL;
}

static int setup(void **state)
{
	struct live *v = calloc(1, sizeof(*v));
	struct coord_init init = {.mesh_name = "home", .node_name = "hub"};
	struct diag d = {0};

	assert_non_null(v);
	assert_int_equal(crypto_init(NULL), TM_OK);
	log_set_sink(quiet_log, NULL);
	snprintf(v->folder, sizeof(v->folder), "/tmp/tm-live-XXXXXX");
	assert_non_null(mkdtemp(v->folder));
	snprintf(v->db_path, sizeof(v->db_path), "%s/mesh.db", v->folder);
	v->base = event_base_new();
	v->alarm = event_new(v->base, -1, 0, on_alarm, NULL);
	static const struct timeval patience = {.tv_sec = 20};
	event_add(v->alarm, &patience);
	assert_int_equal(identity_generate(&v->hub), TM_OK);
	assert_int_equal(identity_generate(&v->laptop), TM_OK);
	init.db_path = v->db_path;
	init.identity = &v->hub;
	init.secret[0] = 1;
	assert_int_equal(prefix_parse("100.101.0.0/16", &init.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &init.net6), TM_OK);
	assert_int_equal(coord_create(&init, &d), TM_OK);
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = {"", "-wal", "-shm"};
	struct live *v = *state;
	char path[128];

	clink_free(v->link);
	coord_free(v->c);
	for (size_t i = 0; i < v->n_got; i++)
		json_decref(v->got[i]);
	json_decref(v->answer);
	event_free(v->alarm);
	event_base_free(v->base);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s%s", v->db_path, files[i]);
		unlink(path);
	}
	rmdir(v->folder);
	free(v);
	return 0;
}

static void start(struct live *v, uint16_t port)
{
	static const char *const addresses[] = {"127.0.0.1:8443"};
	struct coord_config cfg = {
		.db_path = v->db_path, .identity = &v->hub, .addresses = addresses, .n_addresses = 1};
	struct diag d = {0};

	assert_int_equal(endpoint_parse("127.0.0.1:1", &cfg.listen), TM_OK);
	cfg.listen.port = port;
	if (coord_new(v->base, &cfg, &v->c, &d) != TM_OK)
		fail_msg("%s %s", d.where, d.what);
}

static void link_up(struct live *v)
{
	struct clink_events ev = {.ctx = v, .up = on_up, .message = on_message, .closed = on_closed};
	char address[32];
	struct clink_config cfg = {.address = address,
		.remote_key = v->hub.x_pub,
		.identity = &v->laptop,
		.connect_timeout_ms = 10000};

	snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)coord_port(v->c));
	v->up = v->closed = false;
	assert_int_equal(clink_connect(v->base, &cfg, &ev, &v->link), TM_OK);
	while (!v->up && !v->closed)
		event_base_loop(v->base, EVLOOP_ONCE);
	assert_true(v->up);
}

static const json_t *await(struct live *v, const char *type)
{
	for (;;) {
		for (size_t i = 0; i < v->n_got; i++)
			if (strcmp(json_string_value(json_object_get(v->got[i], "t")), type) == 0)
				return v->got[i];
		assert_false(v->closed);
		event_base_loop(v->base, EVLOOP_ONCE);
	}
}

static void on_answer(void *ctx, char *reply_take)
{
	((struct live *)ctx)->answer = json_loads(reply_take, 0, NULL);
	free(reply_take);
}

static struct token make_token(struct live *v)
{
	static const struct coord_who local = {.role = COORD_ADMIN, .door = EVENT_SOCKET};
	json_t *req = json_pack("{s:s}", "cmd", "token.create");
	struct token t;
	struct diag d = {0};

	coord_ask(v->c, &local, req, on_answer, v);
	json_decref(req);
	while (!v->answer)
		event_base_loop(v->base, EVLOOP_ONCE);
	assert_int_equal(token_decode(json_string_value(json_object_get(v->answer, "token")), &t, &d), TM_OK);
	return t;
}

static void say(struct live *v, json_t *m_take)
{
	assert_non_null(m_take);
	assert_int_equal(clink_send(v->link, m_take), TM_OK);
	json_decref(m_take);
}

static void enrol(struct live *v)
{
	struct token t = make_token(v);
	char id[HEX_LEN(TOKEN_ID) + 1], secret[HEX_LEN(TOKEN_SECRET) + 1], ed[BASE64_LEN(ED_KEY) + 1];

	hex_encode(t.id, sizeof(t.id), id);
	hex_encode(t.secret, sizeof(t.secret), secret);
	base64_encode(v->laptop.ed_pub, ED_KEY, ed);
	say(v, json_pack("{s:s, s:i, s:{s:s, s:s}, s:s, s:s}", "t", "enrol", "id", 1, "token", "id", id,
		       "secret", secret, "name", "laptop", "ed", ed));
	assert_true(json_is_true(json_object_get(await(v, "reply"), "ok")));
}

static void a_machine_enrols_and_gets_its_map_over_a_real_link(void **state)
{
	struct live *v = *state;
	struct netmap map;

	start(v, 0);
	assert_true(coord_port(v->c) != 0);
	link_up(v);
	enrol(v);
	say(v, json_pack("{s:s, s:i}", "t", "hello", "netmap", 0));
	assert_string_equal(json_string_value(json_object_get(await(v, "welcome"), "observed")), "127.0.0.1");
	assert_int_equal(
		netmap_from_json(json_object_get(await(v, "netmap"), "map"), coord_mesh(v->c), &map), TM_OK);
	assert_int_equal(map.n_nodes, 2);
	netmap_deinit(&map);
	/* Leaving: the answer and the reason come before the link goes. */
	say(v, json_pack("{s:s, s:i}", "t", "leave", "id", 2));
	await(v, "removed");
	while (!v->closed)
		event_base_loop(v->base, EVLOOP_ONCE);
}

/* A message of a later version, which is passed over. */
static json_t *long_message(size_t n)
{
	char *text = malloc(n + 1);

	memset(text, 'x', n);
	text[n] = '\0';
	json_t *m = json_pack("{s:s, s:s}", "t", "of a later version", "text", text);
	free(text);
	return m;
}

static void of_whom_nothing_is_known_no_long_message_is_taken(void **state)
{
	struct live *v = *state;

	start(v, 0);
	link_up(v);
	say(v, long_message(8 << 10));
	while (!v->closed)
		event_base_loop(v->base, EVLOOP_ONCE);
	/* Nothing that anybody has to say first is as long as this. */
	link_up(v);
	say(v, long_message(8000));
	say(v, long_message(60000));
	say(v, json_pack("{s:s}", "t", "hello"));
	await(v, "removed");
}

static void a_coordinator_stops_with_links_and_requests_under_way(void **state)
{
	struct live *v = *state;

	start(v, 0);
	link_up(v);
	enrol(v);
	say(v, json_pack("{s:s}", "t", "hello"));
	await(v, "welcome");
	say(v, json_pack("{s:s, s:i}", "t", "leave", "id", 2));
	coord_free(v->c);
	v->c = NULL;
	while (!v->closed)
		event_base_loop(v->base, EVLOOP_ONCE);
}

static void a_busy_port_is_a_clear_error(void **state)
{
	struct live *v = *state, *second;
	void *other;
	struct diag d = {0};
	struct coord *c;

	start(v, 0);
	setup(&other);
	second = other;
	struct coord_config cfg = {.db_path = second->db_path, .identity = &second->hub};
	assert_int_equal(endpoint_parse("127.0.0.1:1", &cfg.listen), TM_OK);
	cfg.listen.port = coord_port(v->c);
	assert_int_equal(coord_new(v->base, &cfg, &c, &d), TM_EBUSY);
	assert_true(d.what[0]);
	teardown(&other);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_machine_enrols_and_gets_its_map_over_a_real_link),
		T(of_whom_nothing_is_known_no_long_message_is_taken),
		T(a_coordinator_stops_with_links_and_requests_under_way),
		T(a_busy_port_is_a_clear_error),
	};

	return cmocka_run_group_tests_name("coordinator on real links", tests, NULL, NULL);
}
