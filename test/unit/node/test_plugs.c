/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a change of the mesh, or a word of the plane, means for the other parts. The plane, the path core and
 * the agent are stand-ins that the linker puts in: they note what they are told. */
#include "unit/unit.h"

#include "crypto/init.h"
#include "node/drive.h"
#include "node/node_private.h"
#include "node/relaying.h"

#include <unistd.h>

enum { TOLD_MAX = 64, CLIENT = 5 /* the node that some tests make a client of ours */ };

struct rig {
	char dir[64], clock_path[96];
	struct node n;
	struct node_rec nodes[8]; /* the first is this node */
	uint64_t version;
	/* what was told */
	struct plane_peer put[TOLD_MAX]; /* without what it borrows */
	uint8_t removed[TOLD_MAX][32], seeded[TOLD_MAX][32];
	uint8_t seeded_stamp[TOLD_MAX]; /* first bytes */
	uint64_t seeded_check[TOLD_MAX];
	size_t n_put, n_removed, n_seeded;
	struct {
		enum core_in_kind kind;
		uint8_t key[32];
		bool link_up;
	} input[TOLD_MAX];
	size_t n_input;
	unsigned cleared, commits, kicks, warnings, n_news, n_relaying;
	/* what is answered */
	int commit_err;
	const uint8_t *impossible; /* a key that the plane refuses */
	bool has_server;
	uint64_t stamp, registered;
	struct endpoint at; /* where the plane has the peers */
	struct way_to way; /* set last */
	unsigned ways, nudges;
};

static struct rig *rig;

/* --- stand-ins --- */

void __wrap_plane_peers_begin(struct plane *p);
int __wrap_plane_peers_commit(struct plane *p);
int __wrap_plane_peers_clear(struct plane *p);
int __wrap_plane_peer_put(struct plane *p, const struct plane_peer *peer);
int __wrap_plane_peer_remove(struct plane *p, const uint8_t key[static 32]);
void __wrap_plane_seed_stamp(
	struct plane *p, const uint8_t key[static 32], const uint8_t stamp[static PLANE_STAMP]);
bool __wrap_plane_peer_stamp(
	struct plane *p, const uint8_t key[static 32], uint8_t ret_stamp[static PLANE_STAMP]);
const char *__wrap_plane_tun_name(const struct plane *p);
int __wrap_plane_peer_stats(
	struct plane *p, const uint8_t key[static 32], struct plane_peer_stats *ret_stats);
int __wrap_plane_set_way(
	struct plane *p, const uint8_t key[static 32], const struct way_to *way, const struct way_to *also);
void __wrap_plane_nudge(struct plane *p, const uint8_t key[static 32]);
void __wrap_news_session(struct news *x, const struct mesh_node *m, const struct endpoint *at, bool up);
void __wrap_core_seed_stamp(struct core *c, const uint8_t key[static 32], uint64_t stamp);
uint64_t __wrap_core_stamp(const struct core *c, const uint8_t key[static 32]);
void __wrap_drive_input(struct node *n, const struct core_in *in);
size_t __wrap_agent_coordinator_data(const struct agent *a, struct endpoint *v, size_t max);
const struct mesh_info *__wrap_agent_mesh_info(const struct agent *a);
void __wrap_node_kick_plane(struct node *n);
void __wrap_news_mesh(struct news *x, const struct mesh_diff *d);
void __wrap_relaying_mesh(struct node *n, const struct mesh_diff *d);
bool __wrap_relaying_stun(struct node *n, const struct way_to *by, const uint8_t *msg, size_t len);
uint64_t __wrap_relaying_stamp(const struct node *n, const char *id);

void __wrap_plane_peers_begin(struct plane *p UNUSED)
{
}

int __wrap_plane_peers_commit(struct plane *p UNUSED)
{
	rig->commits++;
	return rig->commit_err;
}

int __wrap_plane_peers_clear(struct plane *p UNUSED)
{
	rig->cleared++;
	return TM_OK;
}

int __wrap_plane_peer_put(struct plane *p UNUSED, const struct plane_peer *peer)
{
	if (rig->impossible && memcmp(peer->key, rig->impossible, 32) == 0)
		return TM_EINVAL;
	rig->put[rig->n_put++] = *peer;
	return TM_OK;
}

int __wrap_plane_peer_remove(struct plane *p UNUSED, const uint8_t key[static 32])
{
	memcpy(rig->removed[rig->n_removed++], key, 32);
	return TM_OK;
}

void __wrap_plane_seed_stamp(
	struct plane *p UNUSED, const uint8_t key[static 32], const uint8_t stamp[static PLANE_STAMP])
{
	rig->seeded_stamp[rig->n_seeded] = stamp[0];
	memcpy(rig->seeded[rig->n_seeded++], key, 32);
}

bool __wrap_plane_peer_stamp(struct plane *p UNUSED, const uint8_t key[static 32] UNUSED,
	uint8_t ret_stamp[static PLANE_STAMP] UNUSED)
{
	return false;
}

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return "tm7";
}

int __wrap_plane_peer_stats(
	struct plane *p UNUSED, const uint8_t key[static 32] UNUSED, struct plane_peer_stats *ret_stats)
{
	*ret_stats = (struct plane_peer_stats){.way.remote = rig->at};
	return TM_OK;
}

int __wrap_plane_set_way(struct plane *p UNUSED, const uint8_t key[static 32], const struct way_to *way,
	const struct way_to *also UNUSED)
{
	assert_memory_equal(key, rig->nodes[CLIENT].key, 32);
	rig->way = *way;
	rig->ways++;
	return TM_OK;
}

void __wrap_plane_nudge(struct plane *p UNUSED, const uint8_t key[static 32])
{
	assert_memory_equal(key, rig->nodes[CLIENT].key, 32);
	rig->nudges++;
}

void __wrap_news_session(struct news *x UNUSED, const struct mesh_node *m UNUSED,
	const struct endpoint *at UNUSED, bool up UNUSED)
{
}

void __wrap_core_seed_stamp(struct core *c UNUSED, const uint8_t key[static 32], uint64_t stamp)
{
	assert_memory_equal(key, rig->seeded[rig->n_seeded - 1], 32);
	rig->seeded_check[rig->n_seeded - 1] = stamp;
}

uint64_t __wrap_core_stamp(const struct core *c UNUSED, const uint8_t key[static 32] UNUSED)
{
	return rig->stamp;
}

void __wrap_drive_input(struct node *n UNUSED, const struct core_in *in)
{
	rig->input[rig->n_input].kind = in->kind;
	rig->input[rig->n_input].link_up = in->kind == CORE_LINK && in->link_up;
	if (in->key)
		memcpy(rig->input[rig->n_input].key, in->key, 32);
	rig->n_input++;
}

size_t __wrap_agent_coordinator_data(const struct agent *a UNUSED, struct endpoint *v, size_t max UNUSED)
{
	v[0] = (struct endpoint){.port = 51820};
	return rig->has_server;
}

const struct mesh_info *__wrap_agent_mesh_info(const struct agent *a UNUSED)
{
	return &rig->n.enrolment.mesh;
}

void __wrap_node_kick_plane(struct node *n UNUSED)
{
	rig->kicks++;
}

void __wrap_news_mesh(struct news *x UNUSED, const struct mesh_diff *d)
{
	rig->n_news += d->n;
}

void __wrap_relaying_mesh(struct node *n UNUSED, const struct mesh_diff *d)
{
	rig->n_relaying += d->n;
}

bool __wrap_relaying_stun(
	struct node *n UNUSED, const struct way_to *by UNUSED, const uint8_t *msg, size_t len UNUSED)
{
	return msg[0] == 'R';
}

uint64_t __wrap_relaying_stamp(const struct node *n UNUSED, const char *id UNUSED)
{
	return rig->registered;
}

/* --- the rig --- */

static void on_log(void *ctx, const char *line UNUSED, size_t n UNUSED)
{
	((struct rig *)ctx)->warnings++;
}

static struct node_rec record(unsigned i)
{
	struct node_rec r = {.host = i + 1, .key = {1, (uint8_t)i}};

	snprintf(r.id, sizeof(r.id), "%016x", i);
	snprintf(r.name, sizeof(r.name), "n%u", i);
	return r;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	rig = r;
	assert_int_equal(crypto_init(NULL), TM_OK);
	log_set_sink(on_log, r);
	log_set_level(LOG_WARN);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-plugs-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->clock_path, sizeof(r->clock_path), "%s/clock", r->dir);
	snprintf(r->n.paths.netmap, sizeof(r->n.paths.netmap), "%s/netmap.db", r->dir);
	r->n.log.network = r->n.log.mesh = LOG_LIMIT_FEW;
	r->n.base = event_base_new();
	assert_int_equal(prefix_parse("100.101.0.0/16", &r->n.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &r->n.mesh.net6), TM_OK);
	r->n.enrolment.mesh = r->n.mesh;
	r->n.enrolment.self = record(0);
	memcpy(r->n.identity.x_pub, r->n.enrolment.self.key, 32);
	memcpy(r->n.enrolment.coordinator_key, record(1).key, 32);
	for (unsigned i = 0; i < ARRAY_LEN(r->nodes); i++)
		r->nodes[i] = record(i);
	node_clock_init(&r->n.clock, r->clock_path, time_real(), time_monotonic());
	const struct peers_config peers = {.path = r->n.paths.netmap,
		.mesh = &r->n.mesh,
		.self_id = r->n.enrolment.self.id,
		.coordinator_key = r->n.enrolment.coordinator_key,
		.save_delay = SEC};
	assert_int_equal(peers_new(r->n.base, &peers, &r->n.peers), TM_OK);
	const struct keeper_config keeper = plugs_keeper(&r->n);
	assert_int_equal(keeper_new(r->n.base, &keeper, &r->n.keeper), TM_OK);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	keeper_free(r->n.keeper);
	peers_free(r->n.peers);
	event_base_free(r->n.base);
	(void)unlink(r->clock_path);
	(void)unlink(r->n.paths.netmap);
	assert_int_equal(rmdir(r->dir), 0);
	log_set_sink(NULL, NULL);
	free(r);
	return 0;
}

/* As the agent: the directory first, then those who follow it. */
static void tell(struct rig *r, unsigned from, unsigned n, const char *gone)
{
	char removed[1][NODE_ID_LEN + 1];
	struct netmap update = {.version = r->version + 1,
		.base = r->version,
		.nodes = &r->nodes[from],
		.n_nodes = n,
		.removed = removed,
		.n_removed = gone != NULL};
	struct mesh_diff d;

	if (gone)
		memcpy(removed[0], gone, sizeof(removed[0]));
	assert_int_equal(peers_update(r->n.peers, &update, &d), TM_OK);
	r->version++;
	const struct agent_events ev = plugs_agent(&r->n);
	ev.mesh_changed(ev.ctx, &d);
	mesh_diff_deinit(&d);
}

static void forget(struct rig *r)
{
	r->n_put = r->n_removed = r->n_seeded = r->n_input = 0;
	r->cleared = r->commits = r->kicks = r->warnings = 0;
}

static bool was_put(const struct rig *r, unsigned i)
{
	for (size_t k = 0; k < r->n_put; k++)
		if (memcmp(r->put[k].key, r->nodes[i].key, 32) == 0)
			return true;
	return false;
}

static void all_that_there_are(struct rig *r)
{
	const struct agent_events ev = plugs_agent(&r->n);
	struct mesh_diff all;

	assert_int_equal(mesh_diff_all(peers_mesh(r->n.peers), &all), TM_OK);
	ev.mesh_changed(ev.ctx, &all);
	mesh_diff_deinit(&all);
}

/* --- tests --- */

static void a_change_concerns_the_peers_that_it_names(void **state)
{
	struct rig *r = *state;

	tell(r, 0, 4, NULL);
	assert_int_equal(r->n_put, 3); /* not ourselves */
	assert_true(was_put(r, 1) && was_put(r, 2) && was_put(r, 3));
	assert_int_equal(r->cleared, 0);
	assert_int_equal(r->commits, 1);
	assert_int_equal(r->kicks, 1);
	forget(r);
	tell(r, 4, 1, r->nodes[2].id);
	assert_int_equal(r->n_put, 1);
	assert_true(was_put(r, 4));
	assert_int_equal(r->n_removed, 1);
	assert_memory_equal(r->removed[0], r->nodes[2].key, 32);
}

static void a_change_without_memory_is_made_up_for_with_the_next(void **state)
{
	struct rig *r = *state;

	tell(r, 0, 3, NULL);
	forget(r);
	r->commit_err = TM_ENOMEM;
	tell(r, 3, 1, NULL);
	assert_true(r->n.behind);
	assert_int_equal(r->warnings, 1);
	forget(r);
	r->commit_err = TM_OK;
	tell(r, 4, 1, NULL);
	assert_false(r->n.behind);
	assert_int_equal(r->n_news, 3 + 1 + 1); /* what happened, each once */
	assert_int_equal(r->cleared, 1); /* who has gone meanwhile is not named any more */
	assert_int_equal(r->n_put, 4);
	assert_true(was_put(r, 1) && was_put(r, 3) && was_put(r, 4));
	forget(r);
	tell(r, 5, 1, NULL);
	assert_int_equal(r->cleared, 0);
	assert_int_equal(r->n_put, 1);
}

static void an_impossible_key_leaves_that_peer_out_and_no_other(void **state)
{
	struct rig *r = *state;

	r->impossible = r->nodes[2].key;
	tell(r, 0, 4, NULL);
	assert_int_equal(r->n_put, 2);
	assert_false(r->n.behind);
	assert_int_equal(r->warnings, 1);
}

static void a_path_goes_with_its_key(void **state)
{
	struct rig *r = *state;
	uint8_t old[32];

	tell(r, 0, 4, NULL);
	assert_int_equal(r->n_input, 0);
	snprintf(r->nodes[2].name, sizeof(r->nodes[2].name), "renamed");
	tell(r, 2, 1, NULL);
	assert_int_equal(r->n_input, 0);
	memcpy(old, r->nodes[2].key, 32);
	r->nodes[2].key[5] = 5;
	tell(r, 2, 1, NULL);
	assert_int_equal(r->n_input, 1);
	assert_int_equal(r->input[0].kind, CORE_REMOVE);
	assert_memory_equal(r->input[0].key, old, 32);
	tell(r, 0, 0, r->nodes[3].id);
	assert_int_equal(r->n_input, 2);
	assert_int_equal(r->input[1].kind, CORE_REMOVE);
	assert_memory_equal(r->input[1].key, r->nodes[3].key, 32);
	assert_true(r->n_relaying > 0); /* nor is it relayed for */
}

static void what_was_heard_before_the_restart_stays_refused(void **state)
{
	struct rig *r = *state;

	tell(r, 0, 3, NULL);
	struct contact *c = peers_meet(r->n.peers, r->nodes[2].id);
	c->stamps = (struct stamps){.handshake = {7}, .check = 9};
	forget(r);
	all_that_there_are(r); /* as the agent tells at the start what the file held */
	assert_int_equal(r->n_seeded, 1);
	assert_memory_equal(r->seeded[0], r->nodes[2].key, 32);
	assert_int_equal(r->seeded_stamp[0], 7);
	assert_int_equal(r->seeded_check[0], 9);
	forget(r);
	snprintf(r->nodes[2].name, sizeof(r->nodes[2].name), "renamed");
	tell(r, 2, 1, NULL);
	assert_int_equal(r->n_seeded, 0);
}

static void become_our_client(struct rig *r)
{
	struct node_rec *c = &r->nodes[CLIENT];

	c->kind = NODE_CLIENT;
	snprintf(c->via, sizeof(c->via), "%s", r->nodes[0].id);
}

static void a_client_of_ours_is_met_after_a_restart_where_it_was_last(void **state)
{
	const struct endpoint place = {.ip = ip_v4_host(0xc0000207), .port = 4500};
	struct rig *r = *state;
	const struct plane_events ev = plugs_plane(&r->n);

	become_our_client(r);
	tell(r, 0, 6, NULL);
	assert_int_equal(r->ways, 0); /* nobody knows where it is */
	r->at = place;
	ev.session(ev.ctx, r->nodes[CLIENT].key, true);
	ev.session(ev.ctx, r->nodes[1].key, true);
	assert_true(endpoint_eq(&peers_contact(r->n.peers, r->nodes[CLIENT].id)->worked, &place));
	assert_null(peers_contact(r->n.peers, r->nodes[1].id)); /* the path core tells of members */
	all_that_there_are(r);
	assert_int_equal(r->ways, 0); /* it is there */

	/* As after the start: the plane knows nothing. */
	r->at = (struct endpoint){0};
	all_that_there_are(r);
	assert_int_equal(r->ways, 1);
	assert_int_equal(r->nudges, 1);
	assert_true(endpoint_eq(&r->way.remote, &place));

	/* It has become another gateway's, who is to meet it. */
	snprintf(r->nodes[CLIENT].via, sizeof(r->nodes[CLIENT].via), "%s", r->nodes[1].id);
	tell(r, CLIENT, 1, NULL);
	all_that_there_are(r);
	assert_int_equal(r->ways, 1);
}

static unsigned told_server(const struct rig *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->n_input; i++)
		n += r->input[i].kind == CORE_SERVER;
	return n;
}

static void the_coordinator_is_asked_for_our_address_unless_that_is_us(void **state)
{
	struct rig *r = *state;
	const struct agent_events ev = plugs_agent(&r->n);

	r->has_server = true;
	ev.link(ev.ctx, true);
	assert_int_equal(told_server(r), 0); /* whose key that is the mesh has not told yet */
	tell(r, 0, 2, NULL);
	assert_int_equal(told_server(r), 1);
	assert_memory_equal(r->input[1].key, r->n.enrolment.coordinator_key, 32);
	ev.link(ev.ctx, false);
	assert_int_equal(told_server(r), 1);
	ev.link(ev.ctx, true);
	assert_int_equal(told_server(r), 2);
	r->n.coord = (struct coord *)r; /* never looked into */
	ev.link(ev.ctx, true);
	assert_int_equal(told_server(r), 2);
}

static void the_core_learns_whether_the_coordinator_can_be_reached(void **state)
{
	struct rig *r = *state;
	const struct agent_events ev = plugs_agent(&r->n);

	for (unsigned i = 0; i < 2; i++) {
		ev.link(ev.ctx, i == 0);
		assert_int_equal(r->n_input, i + 1);
		assert_int_equal(r->input[i].kind, CORE_LINK);
		assert_int_equal(r->input[i].link_up, i == 0);
	}
}

static void a_removal_is_remembered_until_there_is_a_link_again(void **state)
{
	struct rig *r = *state;
	const struct agent_events ev = plugs_agent(&r->n);

	ev.removed(ev.ctx, "the administrator removed it", false);
	assert_string_equal(r->n.removed, "the administrator removed it");
	ev.link(ev.ctx, false);
	assert_true(r->n.removed[0]);
	ev.link(ev.ctx, true);
	assert_false(r->n.removed[0]);
}

static void only_other_members_may_measure(void **state)
{
	struct rig *r = *state;
	struct ip ip;

	tell(r, 0, 2, NULL);
	const struct responder_config cfg = plugs_responder(&r->n);
	assert_string_equal(cfg.ifname, "tm7");
	assert_int_equal(ip_parse("100.101.0.2", &ip), TM_OK);
	assert_true(cfg.is_member(cfg.ctx, &ip));
	assert_int_equal(ip_parse("fd5c::2", &ip), TM_OK);
	assert_true(cfg.is_member(cfg.ctx, &ip));
	assert_int_equal(ip_parse("100.101.0.1", &ip), TM_OK);
	assert_false(cfg.is_member(cfg.ctx, &ip)); /* ourselves */
	assert_int_equal(ip_parse("100.101.0.3", &ip), TM_OK);
	assert_false(cfg.is_member(cfg.ctx, &ip));
	tell(r, 0, 0, r->nodes[1].id);
	assert_int_equal(ip_parse("100.101.0.2", &ip), TM_OK);
	assert_false(cfg.is_member(cfg.ctx, &ip));
}

static void a_peer_has_stamps_when_either_kind_was_heard(void **state)
{
	struct rig *r = *state;
	const struct keeper_config cfg = plugs_keeper(&r->n);
	struct stamps s;

	assert_false(cfg.stamps(cfg.ctx, r->nodes[1].key, &s));
	r->stamp = 5;
	assert_true(cfg.stamps(cfg.ctx, r->nodes[1].key, &s));
	assert_int_equal(s.check, 5);
}

static void a_tun_that_somebody_deletes_ends_the_node_with_a_reason(void **state)
{
	struct rig *r = *state;
	const struct plane_events ev = plugs_plane(&r->n);

	ev.tun_lost(ev.ctx);
	assert_int_equal(r->n.result, TM_EIO);
	assert_string_equal(r->n.failure.what, "the TUN device tm7 was deleted");
	assert_true(event_base_got_break(r->n.base));
}

static void what_the_plane_hears_goes_to_the_path_core_in_its_kind(void **state)
{
	struct rig *r = *state;
	const struct plane_events ev = plugs_plane(&r->n);
	const struct way_to by = {.remote = {.port = 7}};

	ev.stun(ev.ctx, &by, (const uint8_t *)"R", 1); /* a registration: the relay's */
	assert_int_equal(r->n_input, 0);
	ev.stun(ev.ctx, &by, (const uint8_t *)"?", 1);
	ev.want_path(ev.ctx, r->nodes[1].key);
	ev.heard(ev.ctx, r->nodes[2].key, &by);
	assert_int_equal(r->n_input, 3);
	assert_int_equal(r->input[0].kind, CORE_STUN);
	assert_int_equal(r->input[1].kind, CORE_WANT);
	assert_memory_equal(r->input[1].key, r->nodes[1].key, 32);
	assert_int_equal(r->input[2].kind, CORE_HEARD);
	assert_memory_equal(r->input[2].key, r->nodes[2].key, 32);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_change_concerns_the_peers_that_it_names),
		T(a_change_without_memory_is_made_up_for_with_the_next),
		T(an_impossible_key_leaves_that_peer_out_and_no_other),
		T(a_path_goes_with_its_key),
		T(what_was_heard_before_the_restart_stays_refused),
		T(a_client_of_ours_is_met_after_a_restart_where_it_was_last),
		T(the_core_learns_whether_the_coordinator_can_be_reached),
		T(the_coordinator_is_asked_for_our_address_unless_that_is_us),
		T(a_removal_is_remembered_until_there_is_a_link_again),
		T(only_other_members_may_measure),
		T(a_peer_has_stamps_when_either_kind_was_heard),
		T(a_tun_that_somebody_deletes_ends_the_node_with_a_reason),
		T(what_the_plane_hears_goes_to_the_path_core_in_its_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
