/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Building a node and taking it down again, whichever part fails. The plane, the coordinator and the agent
 * are stand-ins that the linker puts in. */
#include "control/agent/identity_file.h"
#include "crypto/init.h"
#include "fake/proc.h"
#include "fake/quiet.h"
#include "node/node_private.h"

#include <unistd.h>

/* In the order in which they are built. */
enum part { PRIVILEGES, STATE, PLANE, ROUTES, PATHS, PEERS, KEEPER, COORD, AGENT, ALL_WELL };

struct rig {
	char dir[64], config[96];
	struct node_options options;
	struct node_paths paths;
	enum part fails;
	int alive; /* stand-ins that have not been freed */
	/* what they were told */
	struct plane_config plane;
	char tun[16], address[TOKEN_ADDR_LEN];
	size_t n_addresses;
	bool has_coord;
	struct diag why; /* why it could not be built */
};

static struct rig *rig;

/* --- stand-ins --- */

int __wrap_os_check_privileges(struct diag *d);
int __wrap_plane_new(const struct plane_config *cfg, const struct plane_events *ev, struct plane **ret_plane,
	struct diag *d);
void __wrap_plane_stop(struct plane *p);
void __wrap_plane_free(struct plane *p);
uint16_t __wrap_plane_port(const struct plane *p);
const char *__wrap_plane_tun_name(const struct plane *p);
unsigned __wrap_plane_workers(const struct plane *p);
bool __wrap_plane_peer_stamp(
	struct plane *p, const uint8_t key[static 32], uint8_t ret_stamp[static PLANE_STAMP]);
int __real_os_routes_new(const char *own, uint32_t mark, struct os_routes **ret_routes, struct diag *d);
int __wrap_os_routes_new(const char *own, uint32_t mark, struct os_routes **ret_routes, struct diag *d);
int __real_core_new(const struct core_config *cfg, const struct core_ops *ops, struct core **ret_core);
int __wrap_core_new(const struct core_config *cfg, const struct core_ops *ops, struct core **ret_core);
int __real_peers_new(struct event_base *base, const struct peers_config *cfg, struct peers **ret_peers);
int __wrap_peers_new(struct event_base *base, const struct peers_config *cfg, struct peers **ret_peers);
int __real_keeper_new(struct event_base *base, const struct keeper_config *cfg, struct keeper **ret_keeper);
int __wrap_keeper_new(struct event_base *base, const struct keeper_config *cfg, struct keeper **ret_keeper);
int __wrap_coord_new(
	struct event_base *base, const struct coord_config *cfg, struct coord **ret_coord, struct diag *d);
void __wrap_coord_free(struct coord *c);
const struct mesh_info *__wrap_coord_mesh(const struct coord *c);
uint16_t __wrap_coord_port(const struct coord *c);
void __wrap_coord_set_addresses(struct coord *c, const char *const *addresses, size_t n);
int __wrap_agent_new(struct event_base *base, const struct agent_config *cfg, const struct agent_events *ev,
	struct agent **ret_agent, struct diag *d);
void __wrap_agent_free(struct agent *a);

static int make(enum part part, void **ret_object, struct diag *d)
{
	if (rig->fails == part)
		return diag_what(d, TM_EIO, "part %d fails", part);
	*ret_object = malloc(1);
	rig->alive++;
	return TM_OK;
}

static void end(void *object)
{
	rig->alive -= object != NULL;
	free(object);
}

int __wrap_os_check_privileges(struct diag *d)
{
	return rig->fails == PRIVILEGES ? diag_what(d, TM_EIO, "no") : TM_OK;
}

int __wrap_plane_new(const struct plane_config *cfg, const struct plane_events *ev UNUSED,
	struct plane **ret_plane, struct diag *d)
{
	rig->plane = *cfg;
	snprintf(rig->tun, sizeof(rig->tun), "%s", cfg->tun_name);
	return make(PLANE, (void **)ret_plane, d);
}

void __wrap_plane_stop(struct plane *p)
{
	assert_non_null(p);
}

void __wrap_plane_free(struct plane *p)
{
	end(p);
}

uint16_t __wrap_plane_port(const struct plane *p UNUSED)
{
	return 51820;
}

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return rig->tun;
}

unsigned __wrap_plane_workers(const struct plane *p UNUSED)
{
	return 1;
}

bool __wrap_plane_peer_stamp(struct plane *p UNUSED, const uint8_t key[static 32] UNUSED,
	uint8_t ret_stamp[static PLANE_STAMP] UNUSED)
{
	return false;
}

int __wrap_os_routes_new(const char *own, uint32_t mark, struct os_routes **ret_routes, struct diag *d)
{
	return rig->fails == ROUTES ? TM_EIO : __real_os_routes_new(own, mark, ret_routes, d);
}

int __wrap_core_new(const struct core_config *cfg, const struct core_ops *ops, struct core **ret_core)
{
	return rig->fails == PATHS ? TM_EIO : __real_core_new(cfg, ops, ret_core);
}

int __wrap_peers_new(struct event_base *base, const struct peers_config *cfg, struct peers **ret_peers)
{
	return rig->fails == PEERS ? TM_EIO : __real_peers_new(base, cfg, ret_peers);
}

int __wrap_keeper_new(struct event_base *base, const struct keeper_config *cfg, struct keeper **ret_keeper)
{
	return rig->fails == KEEPER ? TM_EIO : __real_keeper_new(base, cfg, ret_keeper);
}

int __wrap_coord_new(struct event_base *base UNUSED, const struct coord_config *cfg UNUSED,
	struct coord **ret_coord, struct diag *d)
{
	rig->has_coord = true;
	return make(COORD, (void **)ret_coord, d);
}

void __wrap_coord_free(struct coord *c)
{
	end(c);
}

const struct mesh_info *__wrap_coord_mesh(const struct coord *c UNUSED)
{
	static const struct mesh_info mesh = {
		.net4 = {{IP_V4, {100, 101}}, 16}, .net6 = {{IP_V6, {0xfd, 0x5c}}, 64}};

	return &mesh;
}

uint16_t __wrap_coord_port(const struct coord *c UNUSED)
{
	return 8443;
}

void __wrap_coord_set_addresses(struct coord *c UNUSED, const char *const *addresses UNUSED, size_t n UNUSED)
{
}

int __wrap_agent_new(struct event_base *base UNUSED, const struct agent_config *cfg,
	const struct agent_events *ev UNUSED, struct agent **ret_agent, struct diag *d)
{
	rig->n_addresses = cfg->enrolment->n_addresses;
	snprintf(rig->address, sizeof(rig->address), "%s", cfg->enrolment->addresses[0]);
	return make(AGENT, (void **)ret_agent, d);
}

void __wrap_agent_free(struct agent *a)
{
	end(a);
}

/* --- the rig --- */

static void enrolled(struct rig *r, bool coordinator)
{
	struct enrolment e = {.coordinator = coordinator,
		.coordinator_key = {9},
		.n_addresses = 1,
		.addresses = {"hub.example:8443"},
		.self = {.id = "00000000000000aa", .name = "laptop", .host = 7, .key = {7}}};

	snprintf(e.mesh.name, sizeof(e.mesh.name), "home");
	e.mesh.secret[0] = 5;
	e.mesh.net4 = __wrap_coord_mesh(NULL)->net4;
	e.mesh.net6 = __wrap_coord_mesh(NULL)->net6;
	mesh_addresses(&e.mesh, e.self.host, &e.self.ip4, &e.self.ip6);
	assert_int_equal(enrolment_save(r->paths.enrolment, &e, NULL), TM_OK);
}

static void configured(struct rig *r, const char *text)
{
	assert_int_equal(os_write_file(r->config, text, strlen(text), 0600, NULL), TM_OK);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct identity id;

	assert_non_null(r);
	rig = r;
	log_set_sink(quiet_log, NULL);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-build-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->config, sizeof(r->config), "%s/config.yaml", r->dir);
	r->fails = ALL_WELL;
	r->options = (struct node_options){
		.config_path = r->config, .state_dir = r->dir, .socket_path = "/nowhere/socket"};
	node_paths_init(&r->paths, r->dir);
	assert_int_equal(crypto_init(NULL), TM_OK);
	assert_int_equal(identity_generate(&id), TM_OK);
	assert_int_equal(identity_save(&id, r->paths.identity, NULL), TM_OK);
	identity_wipe(&id);
	enrolled(r, true);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	const char *const files[] = {r->config, r->paths.identity, r->paths.enrolment, r->paths.netmap,
		r->paths.clock, r->paths.lock};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		(void)unlink(files[i]);
	assert_int_equal(rmdir(r->dir), 0);
	log_set_sink(NULL, NULL);
	free(r);
	return 0;
}

/* Builds a node and takes it down. */
static int live(struct rig *r)
{
	struct node *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	n->options = &r->options;
	n->paths = r->paths;
	n->lock_fd = -1;
	int err = node_build(n);
	r->why = n->failure;
	node_close(n);
	free(n);
	return err;
}

/* --- tests --- */

static void whichever_part_fails_those_before_it_are_taken_down(void **state)
{
	struct rig *r = *state;
	int lock;

	if (live(r) != TM_OK) /* what libraries open once is open then */
		fail_msg("%s", r->why.what);
	size_t before = proc_count("/proc/self/fd");
	for (enum part p = 0; p <= ALL_WELL; p++) {
		r->fails = p;
		if (p == STATE)
			configured(r, "mtu: of no size\n");
		int err = live(r);
		(void)unlink(r->config);
		if ((err == TM_OK) != (p == ALL_WELL))
			fail_msg("part %d: error %d", p, err);
		if (r->alive || proc_count("/proc/self/fd") != before)
			fail_msg("part %d: something is left", p);
		assert_int_equal(os_lock_file(r->paths.lock, &lock, NULL), TM_OK);
		close(lock);
	}
}

static void a_coordinator_reaches_itself_where_it_listens(void **state)
{
	static const struct {
		const char *listen, *address;
	} rows[] = {
		{"\"::\"", "127.0.0.1:8443"},
		{"0.0.0.0", "127.0.0.1:8443"},
		{"192.0.2.7", "192.0.2.7:8443"},
		{"\"2001:db8::7\"", "[2001:db8::7]:8443"},
	};
	struct rig *r = *state;
	char text[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text), "api_listen: %s\n", rows[i].listen);
		configured(r, text);
		assert_int_equal(live(r), TM_OK);
		if (r->n_addresses != 1 || strcmp(r->address, rows[i].address) != 0)
			fail_msg("%s: %s", rows[i].listen, r->address);
	}
}

static void who_is_no_coordinator_makes_none_and_asks_the_one_it_knows(void **state)
{
	struct rig *r = *state;

	enrolled(r, false);
	assert_int_equal(live(r), TM_OK);
	assert_false(r->has_coord);
	assert_string_equal(r->address, "hub.example:8443");
}

static void the_plane_is_what_the_configuration_says(void **state)
{
	struct rig *r = *state;
	char ip[IP_STR_LEN];

	assert_int_equal(live(r), TM_OK);
	assert_string_equal(r->tun, "tm0");
	assert_in_range(r->plane.workers, 1, 8); /* one per core */
	assert_null(r->plane.aead); /* the best */
	assert_string_equal(ip_format(&r->plane.self4, ip), "100.101.0.7");
	configured(r, "tun: tm7\nmtu: 1300\nworkers: 3\nlisten_port: 4242\nfwmark: 9\naead: "
		      "libcrypto\nflows: 4096\n");
	assert_int_equal(live(r), TM_OK);
	assert_string_equal(r->tun, "tm7");
	assert_int_equal(r->plane.mtu, 1300);
	assert_int_equal(r->plane.workers, 3);
	assert_int_equal(r->plane.listen_port, 4242);
	assert_int_equal(r->plane.fwmark, 9);
	assert_int_equal(r->plane.flows, 4096);
	assert_non_null(r->plane.aead);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(whichever_part_fails_those_before_it_are_taken_down),
		T(a_coordinator_reaches_itself_where_it_listens),
		T(who_is_no_coordinator_makes_none_and_asks_the_one_it_knows),
		T(the_plane_is_what_the_configuration_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
