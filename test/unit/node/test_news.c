/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/loglimit.h"
#include "node/news.h"

static struct {
	char last[LOG_LINE_MAX + 1];
	unsigned n;
} told;

static void keep(void *ctx UNUSED, const char *line, size_t n)
{
	snprintf(told.last, sizeof(told.last), "%.*s", (int)n, line);
	told.n++;
}

enum { NODES = 4 };

struct fixture {
	struct news *news;
	struct mesh_node *m, *nodes[NODES]; /* the first one */
	size_t n_nodes;
	struct endpoint a, b;
};

static struct mesh_node *node(struct fixture *f, uint8_t key, const char *name, enum node_kind kind)
{
	struct mesh_node *m = calloc(1, sizeof(*m) + strlen(name) + 1);

	assert_non_null(m);
	m->key[0] = key;
	m->kind = (uint8_t)kind;
	memcpy(m->name, name, strlen(name));
	f->nodes[f->n_nodes++] = m;
	return m;
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.n_nodes = 0};
	f.m = node(&f, 1, "nas", NODE_MESH);
	told.n = 0;
	log_set_sink(keep, NULL);
	assert_int_equal(news_new(&f.news), TM_OK);
	assert_int_equal(endpoint_parse("192.0.2.1:51820", &f.a), TM_OK);
	assert_int_equal(endpoint_parse("[2001:db8::1]:51820", &f.b), TM_OK);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	news_free(f->news);
	while (f->n_nodes)
		free(f->nodes[--f->n_nodes]);
	log_set_sink(NULL, NULL);
	return 0;
}

static void path(struct fixture *f, enum core_out_kind kind, enum path_why why, const struct endpoint *at)
{
	struct core_out out = {.kind = kind, .why = why};

	if (at)
		out.way.remote = *at;
	news_path(f->news, f->m, &out, true);
}

/* Exactly one line since the last time, with that in it; NULL: none. */
static void expect(const char *part)
{
	if (told.n != (part != NULL) || (part && !strstr(told.last, part)))
		fail_msg("%u lines, not one with \"%s\": %s", told.n, part ? part : "-", told.last);
	told.n = 0;
}

static void each_state_of_a_peer_is_one_line(void **state)
{
	struct fixture *f = *state;

	news_session(f->news, f->m, &f->a, true);
	expect("info node: peer is up name=nas at=192.0.2.1:51820");
	for (unsigned i = 0; i < 100; i++) /* renewed every two minutes, checked now and then */
		news_session(f->news, f->m, &f->a, true);
	path(f, CORE_USE, WHY_FIRST, &f->a);
	expect(NULL);
	path(f, CORE_USE, WHY_BETTER, &f->b);
	expect("info node: peer is reached by another way name=nas at=[2001:db8::1]:51820 why=\"a better "
	       "address");
	path(f, CORE_NOTE, WHY_DEAD, &f->b);
	expect("info node: peer is lost, looking for another way name=nas at=[2001:db8::1]:51820");
	path(f, CORE_ASK, WHY_DEAD, NULL);
	path(f, CORE_NOTE, WHY_DEAD, &f->b);
	expect(NULL);
	path(f, CORE_ASK, WHY_RETRY, NULL);
	expect("info node: peer is out of reach name=nas");
	path(f, CORE_ASK, WHY_RETRY, NULL);
	path(f, CORE_USE, WHY_GIVEN_UP, NULL);
	expect(NULL);
}

static void a_peer_that_is_found_again_is_up_again(void **state)
{
	struct fixture *f = *state;

	news_session(f->news, f->m, &f->a, true);
	told.n = 0;
	path(f, CORE_NOTE, WHY_DEAD, &f->a);
	expect("peer is lost");
	path(f, CORE_USE, WHY_FIRST, &f->a);
	expect("info node: peer is up name=nas at=192.0.2.1:51820 why=\"the first address that answered\"");
}

static void a_peer_that_never_answered_is_out_of_reach(void **state)
{
	struct fixture *f = *state;

	path(f, CORE_ASK, WHY_ASKED, NULL);
	expect(NULL);
	path(f, CORE_ASK, WHY_RETRY, NULL);
	expect("peer is out of reach name=nas at=- why=\"nothing answered");
}

static void a_peer_that_rests_is_no_news_and_a_client_that_is_gone_is(void **state)
{
	struct fixture *f = *state;

	news_session(f->news, f->m, &f->a, true);
	told.n = 0;
	path(f, CORE_USE, WHY_IDLE, NULL);
	news_session(f->news, f->m, &f->a, false);
	news_session(f->news, f->m, &f->a, true);
	expect(NULL);
	f->m = node(f, 2, "phone", NODE_CLIENT);
	news_session(f->news, f->m, &f->b, true);
	expect("peer is up name=phone");
	news_session(f->news, f->m, &f->b, false);
	expect("peer is down name=phone");
}

static void a_peer_that_flaps_writes_little(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 1000; i++)
		path(f, CORE_USE, WHY_BETTER, i % 2 ? &f->a : &f->b);
	assert_in_range(told.n, 2, 8);
}

static void new_names_and_removals_are_told(void **state)
{
	struct fixture *f = *state;
	struct mesh_node *named = node(f, 1, "desk", NODE_MESH), *other = node(f, 9, "other", NODE_MESH);
	struct mesh_change v[] = {{MESH_NAME, f->m, named}, {MESH_ADDED, NULL, other}};
	struct mesh_diff d = {.v = v, .n = 2};

	news_session(f->news, f->m, &f->a, true);
	told.n = 0;
	news_mesh(f->news, &d);
	expect("info node: member has another name from=nas to=desk");
	v[0] = (struct mesh_change){MESH_REMOVED, named, NULL};
	v[1] = (struct mesh_change){MESH_REMOVED, other, NULL}; /* with whom we had nothing to do */
	news_mesh(f->news, &d);
	expect("info node: peer was removed from the mesh name=desk");
	news_session(f->news, f->m, &f->a, true);
	expect("peer is up"); /* a new member, for all that we know */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void a_mapped_port_is_told_once_and_so_is_its_end(void **state)
{
	struct fixture *f = *state;
	struct portmap_view v = {.problem = PORTMAP_NO_SERVICE};

	news_port(f->news, &v);
	expect(NULL); /* most routers do not */
	v.problem = PORTMAP_FAR;
	news_port(f->news, &v);
	news_port(f->news, &v);
	expect("no port can be mapped to us why=\"the router is behind another one");
	v = (struct portmap_view){.protocol = PORTMAP_UPNP, .external = f->a};
	news_port(f->news, &v);
	v.until = 7; /* renewed */
	news_port(f->news, &v);
	expect("a port is mapped to us at=192.0.2.1:51820 by=upnp");
	v = (struct portmap_view){.problem = PORTMAP_NO_GATEWAY};
	news_port(f->news, &v);
	expect("no port is mapped to us any more why=\"there is no router\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_state_of_a_peer_is_one_line),
		T(a_peer_that_is_found_again_is_up_again),
		T(a_peer_that_never_answered_is_out_of_reach),
		T(a_peer_that_rests_is_no_news_and_a_client_that_is_gone_is),
		T(a_peer_that_flaps_writes_little),
		T(new_names_and_removals_are_told),
		cmocka_unit_test_setup_teardown(
			a_mapped_port_is_told_once_and_so_is_its_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
