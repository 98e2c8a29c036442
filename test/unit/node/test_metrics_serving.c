/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Metrics by HTTP: where, by which names, and what is looked at for it. What they say is a stand-in. */
#include "unit/unit.h"
#include "unit/web/rig.h"

#include "control/coord/figures.h"
#include "crypto/init.h"
#include "fake/quiet.h"
#include "node/metrics.h"
#include "node/metrics_serving.h"
#include "node/node_private.h"
#include "web/server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
	char dir[64];
	struct node n;
	struct rig g; /* of those who ask */
	unsigned n_taken; /* looks at the node */
	size_t n_nodes; /* that the coordinator is asked for */
	bool no_ip6;
	uint16_t port, other_port;
	int held[2]; /* which nobody else gets */
};

static struct fixture *f;

char *__wrap_metrics_text(const struct node *n, size_t *ret_len);
const char *__wrap_plane_tun_name(const struct plane *p);
bool __wrap_os_if_has_ip6(const char *ifname);
void __wrap_coord_figures(struct coord *c, struct coord_figures *ret_figures);
int __wrap_coord_nodes(struct coord *c, struct coord_node **ret_v, size_t *ret_n);

char *__wrap_metrics_text(const struct node *n UNUSED, size_t *ret_len)
{
	f->n_taken++;
	*ret_len = strlen("figures\n");
	return strdup("figures\n");
}

void __wrap_coord_figures(struct coord *c UNUSED, struct coord_figures *ret_figures)
{
	*ret_figures = (struct coord_figures){.linked = 7};
}

int __wrap_coord_nodes(struct coord *c UNUSED, struct coord_node **ret_v, size_t *ret_n)
{
	struct coord_node *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	*v = (struct coord_node){.id = "00000000000000aa",
		.name = "nas",
		.ip4 = f->n.enrolment.self.ip4,
		.seen = 5,
		.metrics_port = 5210};
	f->n_nodes++;
	*ret_v = v;
	*ret_n = 1;
	return TM_OK;
}

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return "tm7";
}

bool __wrap_os_if_has_ip6(const char *ifname UNUSED)
{
	return !f->no_ip6;
}

/* As the server has it: who has bound the port and does not listen is in nobody's way. */
static int bound(uint32_t address, uint16_t port)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* For the rest of the test: what else runs here is given others, to listen and to dial from. */
static uint16_t own_port(size_t i)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);

	f->held[i] = bound(INADDR_ANY, 0);
	assert_int_equal(getsockname(f->held[i], (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin_port);
}

static void init_peers(struct node *n)
{
	struct node_rec nodes[] = {
		{.id = "00000000000000aa", .name = "nas", .host = 1, .key = {1}},
		{.id = "00000000000000bb", .name = "hub", .host = 2, .key = {2}, .coordinator = true},
	};
	const struct netmap update = {.version = 1, .nodes = nodes, .n_nodes = ARRAY_LEN(nodes)};
	struct mesh_diff d;

	assert_int_equal(node_aliases_add(&nodes[0].aliases, "files"), TM_OK);
	assert_int_equal(prefix_parse("127.0.0.0/16", &n->mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &n->mesh.net6), TM_OK);
	n->enrolment.self = nodes[0];
	n->enrolment.self.ip4 = ip_v4_host(0x7f000001);
	assert_int_equal(ip_parse("::1", &n->enrolment.self.ip6), TM_OK);
	const struct peers_config cfg = {.path = n->paths.netmap,
		.mesh = &n->mesh,
		.self_id = nodes[0].id,
		.coordinator_key = nodes[1].key,
		.save_delay = SEC};
	assert_int_equal(peers_new(n->base, &cfg, &n->peers), TM_OK);
	assert_int_equal(peers_update(n->peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
}

static int setup(void **state)
{
	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	log_set_sink(quiet_log, NULL);
	assert_int_equal(crypto_init(NULL), TM_OK);
	snprintf(f->dir, sizeof(f->dir), "/tmp/test-serving-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->n.paths.netmap, sizeof(f->n.paths.netmap), "%s/netmap.db", f->dir);
	f->n.base = event_base_new();
	config_defaults(&f->n.config);
	init_peers(&f->n);
	f->port = own_port(0);
	f->other_port = own_port(1);
	f->g = (struct rig){.base = f->n.base, .at = {f->n.enrolment.self.ip4, f->port}};
	snprintf(f->n.config.metrics_listen, sizeof(f->n.config.metrics_listen), "%u", f->port);
	*state = f;
	return 0;
}

static int teardown(void **state UNUSED)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char path[NODE_PATH_MAX + 8];

	metrics_serving_close(&f->n);
	for (size_t i = 0; i < ARRAY_LEN(f->held); i++)
		close(f->held[i]);
	peers_free(f->n.peers);
	event_base_free(f->n.base);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(path, sizeof(path), "%s%s", f->n.paths.netmap, ends[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(f->dir), 0);
	log_set_sink(NULL, NULL);
	free(f);
	return 0;
}

static const char *ask_as(const char *path, const char *host)
{
	char text[256];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host);
	return rig_ask(&f->g, text);
}

static const char *ask(const char *path)
{
	return ask_as(path, "nas.mesh");
}

static bool is(const char *answer, const char *status)
{
	return strncmp(answer, "HTTP/1.1 ", 9) == 0 && strncmp(answer + 9, status, strlen(status)) == 0;
}

static void figures_are_had_at_the_mesh_address_unless_that_is_off(void **state UNUSED)
{
	const char *answer;

	metrics_serving_configure(&f->n);
	assert_int_equal(metrics_serving_port(&f->n), f->port);
	answer = ask("/metrics");
	assert_true(is(answer, "200 "));
	assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_non_null(strstr(answer, "\r\n\r\nfigures\n"));
	assert_true(is(ask("/"), "404 "));
	snprintf(f->n.config.metrics_listen, sizeof(f->n.config.metrics_listen), "off");
	metrics_serving_configure(&f->n);
	assert_null(f->n.metrics_serving);
	assert_int_equal(metrics_serving_port(&f->n), 0);
}

static void a_port_that_is_busy_is_shown_and_had_as_soon_as_it_is_free(void **state UNUSED)
{
	struct own_doors_view v;
	int fd = bound(INADDR_LOOPBACK, f->port);

	assert_int_equal(listen(fd, 1), 0);
	metrics_serving_configure(&f->n);
	metrics_serving_view(&f->n, &v);
	assert_int_equal(v.n, 2);
	assert_true(endpoint_eq(&v.doors[0].at, &f->g.at));
	assert_false(v.doors[0].open);
	assert_int_equal(metrics_serving_port(&f->n), 0);
	close(fd);
	rig_pass(&f->g, WEB_LISTEN_AGAIN);
	metrics_serving_view(&f->n, &v);
	assert_true(v.doors[0].open);
	assert_true(is(ask("/metrics"), "200 "));
}

static void where_there_is_no_ipv6_there_is_one_door(void **state UNUSED)
{
	struct own_doors_view v;

	f->no_ip6 = true;
	metrics_serving_configure(&f->n);
	metrics_serving_view(&f->n, &v);
	assert_int_equal(v.n, 1);
	assert_true(endpoint_eq(&v.doors[0].at, &f->g.at) && v.doors[0].open);
	/* It was switched on: a reload finds it. */
	f->no_ip6 = false;
	metrics_serving_configure(&f->n);
	metrics_serving_view(&f->n, &v);
	assert_int_equal(v.n, 2);
	assert_true(is(ask("/metrics"), "200 "));
}

static void elsewhere_they_are_had_there_alone_and_not_in_the_mesh(void **state UNUSED)
{
	f->n.enrolment.self.ip4 = ip_v4_host(0x7f000002);
	snprintf(f->n.config.metrics_listen, sizeof(f->n.config.metrics_listen), "127.0.0.1:%u", f->port);
	metrics_serving_configure(&f->n);
	assert_true(is(ask_as("/metrics", "127.0.0.1"), "200 "));
	/* Nobody is sent to an address that only this machine may have. */
	assert_int_equal(metrics_serving_port(&f->n), 0);
	snprintf(f->n.config.metrics_listen, sizeof(f->n.config.metrics_listen), "0.0.0.0:%u", f->port);
	metrics_serving_configure(&f->n);
	assert_int_equal(metrics_serving_port(&f->n), f->port);
}

static void they_are_asked_for_by_names_of_this_node_and_no_others(void **state UNUSED)
{
	static const struct {
		const char *host, *status;
	} rows[] = {{"nas.mesh", "200 "}, {"NAS.mesh.", "200 "}, {"nas", "200 "}, {"files.mesh", "200 "},
		{"00000000000000aa", "200 "}, {"127.0.0.1", "200 "}, {"[::1]:5210", "200 "},
		{"localhost", "200 "}, {"hub.mesh", "421 "}, {"this.mesh", "421 "},
		{"nas.example.org", "421 "}, {"example.org", "421 "}};

	metrics_serving_configure(&f->n);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!is(ask_as("/metrics", rows[i].host), rows[i].status))
			fail_msg("%s: not %s", rows[i].host, rows[i].status);
	f->n.coord = (struct coord *)(void *)f; /* only the stand-ins get it */
	assert_true(is(ask_as("/metrics", "this.mesh"), "200 "));
}

static void many_who_ask_at_once_cost_one_look(void **state UNUSED)
{
	metrics_serving_configure(&f->n);
	assert_int_equal(f->n_taken, 0);
	for (unsigned i = 0; i < 20; i++)
		assert_true(is(ask("/metrics"), "200 "));
	assert_int_equal(f->n_taken, 1);
	rig_pass(&f->g, SEC);
	assert_true(is(ask("/metrics"), "200 "));
	assert_int_equal(f->n_taken, 2);
}

static void the_mesh_and_its_targets_are_had_from_the_coordinator(void **state UNUSED)
{
	metrics_serving_configure(&f->n);
	assert_true(is(ask("/metrics/mesh"), "404 "));
	assert_true(is(ask("/metrics/targets"), "404 "));
	metrics_serving_close(&f->n);
	f->n.coord = (struct coord *)(void *)f; /* only the stand-ins get it */
	metrics_serving_configure(&f->n);
	const char *answer = ask("/metrics/mesh");
	assert_non_null(strstr(answer, "\ntunnelmesh_mesh_nodes{link=\"up\"} 7\n"));
	assert_null(strstr(answer, "{node=\"nas\"}"));
	assert_int_equal(f->n_nodes, 0);
	answer = ask("/metrics/targets");
	assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(answer, "[\"127.0.0.1:5210\"]"));
	f->n.config.metrics_per_peer = true;
	rig_pass(&f->g, SEC);
	assert_non_null(strstr(ask("/metrics/mesh"), "{node=\"nas\"}"));
}

static void a_reload_that_changes_nothing_leaves_those_who_ask(void **state UNUSED)
{
	metrics_serving_configure(&f->n);
	int fd = rig_dial(&f->g);
	rig_say(&f->g, fd, "GET /metrics HTTP/1.1\r\nHost: nas\r\n\r\n");
	assert_true(is(rig_hear(&f->g, fd), "200 "));
	metrics_serving_configure(&f->n);
	rig_turn(&f->g);
	assert_false(rig_is_over(fd));
	rig_say(&f->g, fd, "GET /metrics HTTP/1.1\r\nHost: nas\r\n\r\n");
	assert_true(is(rig_hear(&f->g, fd), "200 "));
	snprintf(f->n.config.metrics_listen, sizeof(f->n.config.metrics_listen), "%u", f->other_port);
	metrics_serving_configure(&f->n);
	RIG_EXPECT(&f->g, rig_is_over(fd));
	close(fd);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(figures_are_had_at_the_mesh_address_unless_that_is_off),
		CASE(a_port_that_is_busy_is_shown_and_had_as_soon_as_it_is_free),
		CASE(where_there_is_no_ipv6_there_is_one_door),
		CASE(elsewhere_they_are_had_there_alone_and_not_in_the_mesh),
		CASE(they_are_asked_for_by_names_of_this_node_and_no_others),
		CASE(many_who_ask_at_once_cost_one_look),
		CASE(the_mesh_and_its_targets_are_had_from_the_coordinator),
		CASE(a_reload_that_changes_nothing_leaves_those_who_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
