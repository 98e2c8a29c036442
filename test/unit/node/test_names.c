/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who is called when a program of this machine asks for a name, and what is shown. Plane and path core are
 * stand-ins. */
#include "unit/unit.h"

#include "dns/server.h"
#include "node/drive.h"
#include "node/names.h"
#include "node/node_private.h"
#include "node/resolving.h"

#include <event2/event.h>
#include <jansson.h>
#include <unistd.h>

enum { SELF, OTHER, BEHIND_SELF, BEHIND_OTHER, N };

struct rig {
	char dir[64];
	struct node n;
	struct node_rec nodes[N];
	dns_asked_fn *asked; /* as the server calls it */
	unsigned n_wanted, n_nudged, n_opened, n_begun;
	size_t n_zones;
	bool session, resolver_failing, no_ip6;
	int open_err;
	ns_t now;
};

static struct rig *rig;

void __wrap_drive_input(struct node *n, const struct core_in *in);
void __wrap_plane_nudge(struct plane *p, const uint8_t key[static 32]);
void __wrap_node_kick_plane(struct node *n);
int __wrap_plane_peer_stats(
	struct plane *p, const uint8_t key[static 32], struct plane_peer_stats *ret_stats);
int __wrap_dns_server_new(
	struct event_base *base, const struct dns_server_config *cfg, struct dns_server **ret_server);
void __wrap_dns_server_free(struct dns_server *s);
int __wrap_dns_server_open(struct dns_server *s, struct endpoint *at, struct diag *d);
const struct dns_counters *__wrap_dns_server_counters(const struct dns_server *s);
size_t __wrap_dns_server_connections(const struct dns_server *s);
ns_t __wrap_time_monotonic(void);
const char *__wrap_plane_tun_name(const struct plane *p);
bool __wrap_os_if_has_ip6(const char *ifname);
void __real_loop_timer_in(struct loop_timer *t, ns_t in);
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in);
int __wrap_resolving_new(
	struct event_base *base, const struct resolving_config *cfg, struct resolving **ret_resolving);
void __wrap_resolving_free(struct resolving *r);
void __wrap_resolving_begin(struct resolving *r);
void __wrap_resolving_put(const struct resolving *r, struct jsonout *out);
bool __wrap_resolving_failing(const struct resolving *r);

/* A minute is some milliseconds here. */
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in)
{
	__real_loop_timer_in(t, in == 60 * SEC ? MS : in);
}

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return "tm7";
}

bool __wrap_os_if_has_ip6(const char *ifname)
{
	assert_string_equal(ifname, "tm7");
	return !rig->no_ip6;
}

int __wrap_resolving_new(
	struct event_base *base UNUSED, const struct resolving_config *cfg, struct resolving **ret_resolving)
{
	static char it; /* its address stands for one */

	assert_string_equal(cfg->ifname, "tm7");
	assert_string_equal(cfg->zones[0], "mesh");
	assert_int_equal(cfg->search, rig->n.config.dns_search);
	assert_string_equal(cfg->zones[1], "101.100.in-addr.arpa");
	rig->n_zones = 0;
	while (cfg->zones[rig->n_zones])
		rig->n_zones++;
	*ret_resolving = (struct resolving *)(void *)&it;
	return TM_OK;
}

void __wrap_resolving_free(struct resolving *r UNUSED)
{
}

void __wrap_resolving_begin(struct resolving *r)
{
	assert_non_null(r);
	rig->n_begun++;
}

void __wrap_resolving_put(const struct resolving *r UNUSED, struct jsonout *out)
{
	jsonout_null(out, "resolver");
}

void __wrap_drive_input(struct node *n UNUSED, const struct core_in *in)
{
	assert_int_equal(in->kind, CORE_WANT);
	assert_memory_equal(in->key, rig->nodes[OTHER].key, 32);
	rig->n_wanted++;
}

void __wrap_plane_nudge(struct plane *p UNUSED, const uint8_t key[static 32])
{
	assert_memory_equal(key, rig->nodes[OTHER].key, 32);
	rig->n_nudged++;
}

void __wrap_node_kick_plane(struct node *n UNUSED)
{
}

int __wrap_plane_peer_stats(
	struct plane *p UNUSED, const uint8_t key[static 32] UNUSED, struct plane_peer_stats *ret_stats)
{
	*ret_stats = (struct plane_peer_stats){.session = rig->session};
	return TM_OK;
}

static char server; /* its address stands for one */
static const struct dns_counters counters = {.answered = 3};

int __wrap_dns_server_new(
	struct event_base *base UNUSED, const struct dns_server_config *cfg, struct dns_server **ret_server)
{
	rig->asked = cfg->asked;
	*ret_server = (struct dns_server *)(void *)&server;
	return TM_OK;
}

void __wrap_dns_server_free(struct dns_server *s UNUSED)
{
}

int __wrap_dns_server_open(struct dns_server *s UNUSED, struct endpoint *at UNUSED, struct diag *d)
{
	rig->n_opened++;
	return rig->open_err ? diag_what(d, rig->open_err, "taken") : TM_OK;
}

const struct dns_counters *__wrap_dns_server_counters(const struct dns_server *s UNUSED)
{
	return &counters;
}

size_t __wrap_dns_server_connections(const struct dns_server *s UNUSED)
{
	return 0;
}

ns_t __wrap_time_monotonic(void)
{
	return rig->now;
}

bool __wrap_resolving_failing(const struct resolving *r UNUSED)
{
	return rig->resolver_failing;
}

static struct node_rec record(unsigned i)
{
	struct node_rec r = {.host = i + 1, .key = {1, (uint8_t)i}};

	snprintf(r.id, sizeof(r.id), "%016x", i);
	snprintf(r.name, sizeof(r.name), "n%u", i);
	if (i == BEHIND_SELF || i == BEHIND_OTHER) {
		r.kind = NODE_CLIENT;
		snprintf(r.via, sizeof(r.via), "%016x", i == BEHIND_SELF ? SELF : OTHER);
	}
	return r;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct mesh_diff d;

	assert_non_null(r);
	rig = r;
	r->now = 1000 * SEC;
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-names-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->n.paths.netmap, sizeof(r->n.paths.netmap), "%s/netmap.db", r->dir);
	r->n.base = event_base_new();
	config_defaults(&r->n.config);
	assert_int_equal(prefix_parse("100.101.0.0/16", &r->n.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &r->n.mesh.net6), TM_OK);
	for (unsigned i = 0; i < N; i++)
		r->nodes[i] = record(i);
	r->n.enrolment.mesh = r->n.mesh;
	r->n.enrolment.self = r->nodes[SELF];
	mesh_addresses(&r->n.mesh, 1, &r->n.enrolment.self.ip4, &r->n.enrolment.self.ip6);
	memcpy(r->n.enrolment.coordinator_key, r->nodes[OTHER].key, 32);
	const struct peers_config peers = {.path = r->n.paths.netmap,
		.mesh = &r->n.mesh,
		.self_id = r->n.enrolment.self.id,
		.coordinator_key = r->n.enrolment.coordinator_key,
		.save_delay = SEC};
	assert_int_equal(peers_new(r->n.base, &peers, &r->n.peers), TM_OK);
	const struct netmap all = {.version = 1, .nodes = r->nodes, .n_nodes = N};
	assert_int_equal(peers_update(r->n.peers, &all, &d), TM_OK);
	mesh_diff_deinit(&d);
	assert_int_equal(names_open(&r->n), TM_OK);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	char path[NODE_PATH_MAX + 8];
	static const char *const ends[] = {"", "-wal", "-shm"};

	names_close(&r->n);
	peers_free(r->n.peers);
	event_base_free(r->n.base);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(path, sizeof(path), "%s%s", r->n.paths.netmap, ends[i]);
		unlink(path);
	}
	rmdir(r->dir);
	free(r);
	return 0;
}

static void ask(struct rig *r, unsigned i)
{
	r->asked(&r->n, mesh_by_id(peers_mesh(r->n.peers), r->nodes[i].id));
}

static void whoever_is_asked_for_is_called(void **state)
{
	struct rig *r = *state;

	ask(r, OTHER);
	assert_int_equal(r->n_wanted, 1);
	assert_int_equal(r->n_nudged, 1);
}

static void a_client_is_reached_through_its_node(void **state)
{
	struct rig *r = *state;

	ask(r, BEHIND_OTHER);
	assert_int_equal(r->n_wanted, 1);
	ask(r, BEHIND_SELF);
	ask(r, SELF);
	assert_int_equal(r->n_wanted, 1);
}

static void nobody_is_called_twice_in_a_second_or_who_has_a_session(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 100; i++)
		ask(r, OTHER);
	assert_int_equal(r->n_wanted, 1);
	r->now += SEC;
	ask(r, OTHER);
	assert_int_equal(r->n_wanted, 2);
	r->now += SEC;
	r->session = true;
	ask(r, OTHER);
	assert_int_equal(r->n_wanted, 2);
}

static json_t *told(char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	free(text);
	return j;
}

static const char *word(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static void names_of_one_word_are_looked_for_where_that_is_asked_for(void **state)
{
	struct rig *r = *state;

	r->n.config.dns_search = true; /* the stand-in of resolving_new looks */
	names_start(&r->n);
	assert_int_equal(r->n_zones, 3);
	assert_int_equal(r->n_begun, 1);
}

static void what_is_not_open_is_shown_with_the_reason_and_tried_again(void **state)
{
	struct rig *r = *state;

	r->open_err = TM_EBUSY;
	names_start(&r->n);
	assert_int_equal(r->n_opened, 2);
	assert_int_equal(r->n_zones, 3);
	assert_true(names_failing(&r->n));
	assert_int_equal(r->n_begun, 0); /* nobody is sent to a server that does not answer */
	json_t *j = told(names_status(&r->n));
	const json_t *first = json_array_get(json_object_get(j, "listen"), 0);
	assert_string_equal(word(first, "address"), "100.101.0.1:53");
	assert_false(json_is_true(json_object_get(first, "open")));
	assert_string_equal(word(first, "why_not"), "taken");
	json_decref(j);

	r->open_err = TM_OK;
	r->now += 61 * SEC;
	event_base_loop(r->n.base, EVLOOP_ONCE);
	assert_int_equal(r->n_begun, 1);
	assert_false(names_failing(&r->n) || names_resolver_failing(&r->n));
	r->resolver_failing = true;
	assert_false(names_failing(&r->n));
	assert_true(names_resolver_failing(&r->n));
	j = told(names_status(&r->n));
	first = json_array_get(json_object_get(j, "listen"), 0);
	assert_true(json_is_true(json_object_get(first, "open")));
	assert_true(json_is_null(json_object_get(first, "why_not")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "questions"), "answered")), 3);
	assert_string_equal(word(j, "zone"), "mesh.");
	assert_int_equal(json_array_size(json_object_get(j, "reverse_zones")), 2);
	json_decref(j);
}

static void where_there_is_no_ipv6_names_are_served_by_ipv4_and_nothing_is_missing(void **state)
{
	struct rig *r = *state;

	r->no_ip6 = true;
	names_start(&r->n);
	assert_int_equal(r->n_opened, 1);
	assert_int_equal(r->n_begun, 1);
	assert_false(names_failing(&r->n));
	json_t *j = told(names_status(&r->n));
	assert_int_equal(json_array_size(json_object_get(j, "listen")), 1);
	json_decref(j);
}

static void a_question_of_a_person_is_answered_as_any(void **state)
{
	static const struct {
		const char *name, *type, *rcode, *data; /* the first record; "" = none */
		size_t n;
	} rows[] = {
		{"n1", "", "NOERROR", "100.101.0.2", 2},
		{"n1.mesh", "aaaa", "NOERROR", "fd5c::2", 1},
		{"100.101.0.2", "", "NOERROR", "n1.mesh.", 1},
		{"n9", "", "NXDOMAIN", "", 0},
		{"example.org", "", "REFUSED", "", 0},
		{"n1", "SOA", "NOERROR", "", 0},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = told(names_query(&r->n, rows[i].name, rows[i].type));
		const json_t *records = json_object_get(j, "records");

		assert_string_equal(word(j, "rcode"), rows[i].rcode);
		assert_int_equal(json_array_size(records), rows[i].n);
		assert_string_equal(word(json_array_get(records, 0), "data"), rows[i].data);
		json_decref(j);
	}
	json_t *j = told(names_query(&r->n, "a..b", ""));
	assert_string_equal(word(j, "code"), "invalid");
	json_decref(j);
	j = told(names_query(&r->n, "n1", "LOC"));
	assert_string_equal(word(j, "error"), "the mesh has no records of that type");
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whoever_is_asked_for_is_called, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_is_reached_through_its_node, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nobody_is_called_twice_in_a_second_or_who_has_a_session, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_not_open_is_shown_with_the_reason_and_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			where_there_is_no_ipv6_names_are_served_by_ipv4_and_nothing_is_missing, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			names_of_one_word_are_looked_for_where_that_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_question_of_a_person_is_answered_as_any, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
