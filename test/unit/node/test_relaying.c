/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* When a node is a relay, and what the plane is told of those who register. The plane is a stand-in. */
#include "unit/unit.h"

#include "control/path/stun.h"
#include "crypto/dh.h"
#include "crypto/init.h"
#include "node/drive.h"
#include "node/node_private.h"
#include "node/relaying.h"
#include "os/tcp.h"

#include <event2/event.h>
#include <unistd.h>

enum { SELF, MEMBER, OTHER, N };

struct rig {
	char dir[64], clock_path[96];
	struct node n;
	struct node_rec nodes[N];
	uint64_t version;
	struct stun_self member; /* as it speaks to us */
	uint8_t member_key[STUN_KEY];
	struct stun_msg answer;
	/* what the plane was told */
	bool offers;
	unsigned n_offers, n_put, n_removed, n_sent;
	uint32_t host;
	unsigned n_heard, warnings;
	struct plane_leg leg;
	int put_err;
	/* the path core */
	struct core_relay relays[CORE_RELAYS_MAX];
	size_t n_relays;
};

static struct rig *rig;

/* A minute is some milliseconds here. */
void __real_loop_timer_in(struct loop_timer *t, ns_t in);
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in);

void __wrap_loop_timer_in(struct loop_timer *t, ns_t in)
{
	__real_loop_timer_in(t, in == 60 * SEC ? 5 * MS : in);
}

int __wrap_plane_relay_offer(struct plane *p, bool on);
int __wrap_plane_relay_put(struct plane *p, uint32_t host, const struct plane_leg *leg);
void __wrap_plane_relay_remove(struct plane *p, uint32_t host);
struct plane_relayed __wrap_plane_relayed(const struct plane *p);
int __wrap_plane_send(struct plane *p, const struct way_to *by, const uint8_t *msg, size_t n);
void __wrap_drive_input(struct node *n, const struct core_in *in);
void __wrap_keeper_heard(struct keeper *k, const uint8_t key[static 32]);

void __wrap_keeper_heard(struct keeper *k UNUSED, const uint8_t key[static 32])
{
	assert_memory_equal(key, rig->nodes[MEMBER].key, 32);
	rig->n_heard++;
}

int __wrap_plane_relay_offer(struct plane *p UNUSED, bool on)
{
	rig->offers = on;
	rig->n_offers++;
	return TM_OK;
}

int __wrap_plane_relay_put(struct plane *p UNUSED, uint32_t host, const struct plane_leg *leg)
{
	rig->n_put++;
	rig->host = host;
	rig->leg = *leg;
	return rig->put_err;
}

void __wrap_plane_relay_remove(struct plane *p UNUSED, uint32_t host)
{
	rig->n_removed++;
	rig->host = host;
}

struct plane_relayed __wrap_plane_relayed(const struct plane *p UNUSED)
{
	return (struct plane_relayed){.packets = 3, .bytes = 4000};
}

int __wrap_plane_send(struct plane *p UNUSED, const struct way_to *by UNUSED, const uint8_t *msg, size_t n)
{
	char sender[NODE_ID_LEN + 1];

	rig->n_sent++;
	assert_int_equal(stun_open(&rig->member, msg, n, &rig->answer, sender), TM_OK);
	return TM_OK;
}

void __wrap_drive_input(struct node *n UNUSED, const struct core_in *in)
{
	assert_int_equal(in->kind, CORE_RELAYS);
	rig->n_relays = in->relays.n;
	memcpy(rig->relays, in->relays.v, in->relays.n * sizeof(*in->relays.v));
}

/* --- the rig --- */

static uint32_t dice(void *ctx UNUSED)
{
	return 7;
}

static void make_member(struct rig *r)
{
	uint8_t private_key[32];
	struct dh_key *key;

	memset(private_key, 3, sizeof(private_key));
	dh_clamp(private_key);
	assert_int_equal(dh_public(private_key, r->nodes[MEMBER].key), TM_OK);
	assert_int_equal(dh_key_new(private_key, &key), TM_OK);
	assert_int_equal(stun_pair_key(key, r->nodes[SELF].key, r->member_key), TM_OK);
	dh_key_free(key);
	r->member = (struct stun_self){.random = dice};
	memcpy(r->member.id, r->nodes[MEMBER].id, sizeof(r->member.id));
}

static void on_log(void *ctx UNUSED, const char *line, size_t n UNUSED)
{
	rig->warnings += strstr(line, "is not open") != NULL;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	rig = r;
	assert_int_equal(crypto_init(NULL), TM_OK);
	log_set_sink(on_log, NULL);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-relaying-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->clock_path, sizeof(r->clock_path), "%s/clock", r->dir);
	snprintf(r->n.paths.netmap, sizeof(r->n.paths.netmap), "%s/netmap.db", r->dir);
	snprintf(r->n.paths.tls, sizeof(r->n.paths.tls), "%s/tls.pem", r->dir);
	r->n.base = event_base_new();
	assert_int_equal(prefix_parse("100.101.0.0/16", &r->n.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &r->n.mesh.net6), TM_OK);
	for (unsigned i = 0; i < N; i++) {
		r->nodes[i] = (struct node_rec){.host = i + 1, .key = {1, (uint8_t)i}};
		snprintf(r->nodes[i].id, sizeof(r->nodes[i].id), "%016x", i);
		snprintf(r->nodes[i].name, sizeof(r->nodes[i].name), "n%u", i);
	}
	memset(r->n.identity.x_priv, 5, sizeof(r->n.identity.x_priv));
	dh_clamp(r->n.identity.x_priv);
	assert_int_equal(dh_public(r->n.identity.x_priv, r->nodes[SELF].key), TM_OK);
	make_member(r);
	r->n.enrolment.self = r->nodes[SELF];
	r->n.config.relay = RELAY_OFFER;
	node_clock_init(&r->n.clock, r->clock_path, time_real(), time_monotonic());
	const struct peers_config peers = {.path = r->n.paths.netmap,
		.mesh = &r->n.mesh,
		.self_id = r->n.enrolment.self.id,
		.coordinator_key = r->nodes[OTHER].key,
		.save_delay = SEC};
	assert_int_equal(peers_new(r->n.base, &peers, &r->n.peers), TM_OK);
	assert_int_equal(relaying_open(&r->n), TM_OK);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	relaying_close(&r->n);
	peers_free(r->n.peers);
	event_base_free(r->n.base);
	(void)unlink(r->clock_path);
	(void)unlink(r->n.paths.netmap);
	(void)unlink(r->n.paths.tls);
	assert_int_equal(rmdir(r->dir), 0);
	log_set_sink(NULL, NULL);
	free(r);
	return 0;
}

/* The records as they are now; gone: an id that is none of a member any more. */
static void tell(struct rig *r, const char *gone)
{
	char removed[1][NODE_ID_LEN + 1];
	struct netmap update = {.version = r->version + 1,
		.base = r->version,
		.nodes = r->nodes,
		.n_nodes = gone ? 0 : N,
		.removed = removed,
		.n_removed = gone != NULL};
	struct mesh_diff d;

	if (gone)
		memcpy(removed[0], gone, sizeof(removed[0]));
	assert_int_equal(peers_update(r->n.peers, &update, &d), TM_OK);
	r->version++;
	relaying_mesh(&r->n, &d);
	mesh_diff_deinit(&d);
}

static void tag(struct rig *r, unsigned i, bool on)
{
	snprintf(r->nodes[i].tags[0], sizeof(r->nodes[i].tags[0]), "%s", RELAY_TAG);
	r->nodes[i].n_tags = on;
	tell(r, NULL);
}

static struct way_to way(uint32_t socket)
{
	struct way_to w = {.kind = WAY_UDP, .socket = socket};

	assert_int_equal(endpoint_parse("192.0.2.7:4000", &w.remote), TM_OK);
	return w;
}

/* With the cookie of the last answer. */
static bool asks(struct rig *r, const struct stun_msg *what, uint32_t socket)
{
	const struct way_to by = way(socket);
	struct stun_msg ask = *what;
	uint8_t msg[STUN_MAX];
	uint64_t stamp;

	memcpy(ask.cookie, r->answer.cookie, sizeof(ask.cookie));
	r->member.real = time_real();
	size_t n = stun_ask(&r->member, r->nodes[SELF].id, r->member_key, &ask, msg, sizeof(msg), &stamp);
	return relaying_stun(&r->n, &by, msg, n);
}

static const struct stun_msg registration = {.has_lifetime = true, .lifetime_s = 120, .has_cookie = true};

static void registers(struct rig *r)
{
	assert_true(asks(r, &registration, 0) && asks(r, &registration, 0));
	assert_int_equal(r->answer.lifetime_s, 120);
}

/* --- tests --- */

static void a_node_relays_when_it_offers_and_has_the_tag(void **state)
{
	struct rig *r = *state;
	struct relaying_view v;

	tell(r, NULL);
	assert_int_equal(r->n_offers, 0);
	assert_false(asks(r, &registration, 0)); /* it is answered as if it were none */
	relaying_look(&r->n, &v);
	assert_true(v.offered && !v.allowed);
	tag(r, SELF, true);
	assert_true(r->offers);
	registers(r);
	relaying_look(&r->n, &v);
	assert_true(v.offered && v.allowed && v.members == 1 && v.packets == 3 && v.bytes == 4000);
	tag(r, SELF, false);
	assert_false(r->offers);
	assert_false(asks(r, &registration, 0));
	r->n.config.relay = RELAY_USE;
	tag(r, SELF, true);
	assert_false(r->offers);
	relaying_look(&r->n, &v);
	assert_true(!v.offered && v.members == 0);
}

static void the_plane_is_told_of_legs_and_of_their_ends(void **state)
{
	struct rig *r = *state;

	tag(r, SELF, true);
	registers(r);
	assert_int_equal(r->n_put, 1);
	assert_int_equal(r->n_sent, 2);
	assert_int_equal(r->n_heard, 2); /* its stamps are worth keeping */
	assert_true(relaying_stamp(&r->n, r->nodes[MEMBER].id) == r->member.last_stamp);
	assert_int_equal(r->host, r->nodes[MEMBER].host);
	assert_memory_equal(r->leg.key, r->nodes[MEMBER].key, 32);
	assert_int_equal(r->leg.way.remote.port, 4000);
	assert_true(asks(r, &registration, 0));
	assert_int_equal(r->n_put, 1);
	tell(r, r->nodes[MEMBER].id);
	assert_int_equal(r->n_removed, 1);
	assert_true(asks(r, &registration, 0)); /* and is silence */
	assert_int_equal(r->n_sent, 3);
	assert_int_equal(r->n_put, 1);
}

static void a_member_that_is_not_the_same_any_more_registers_again(void **state)
{
	struct rig *r = *state;
	uint32_t was = r->nodes[MEMBER].host;

	tag(r, SELF, true);
	registers(r);
	tag(r, MEMBER, true); /* which changes nothing here */
	assert_int_equal(r->n_removed, 0);
	r->nodes[MEMBER].host = 9;
	tell(r, NULL);
	assert_int_equal(r->n_removed, 1);
	assert_int_equal(r->host, was);
	registers(r);
	assert_int_equal(r->host, 9);
	r->nodes[MEMBER].key[5] ^= 1;
	tell(r, NULL);
	assert_int_equal(r->n_removed, 2);
	assert_int_equal(r->host, 9);
}

static void what_is_no_registration_with_its_data_socket_goes_to_the_path_core(void **state)
{
	struct rig *r = *state;

	tag(r, SELF, true);
	assert_false(asks(r, &(struct stun_msg){.priority = 7}, 0));
	assert_false(asks(r, &registration, 3)); /* a socket for questions about translators */
	assert_int_equal(r->n_sent, 0);
}

static void relays_are_handed_to_the_path_core_unless_none_are_to_be_used(void **state)
{
	struct rig *r = *state;
	struct relays told = {.n = 2,
		.v = {{.node = "0000000000000002", .n_addrs = 1, .tcp = {"hub:443"}, .n_tcp = 1},
			{.node = "00000000000000ff"}}};

	tell(r, NULL);
	assert_int_equal(endpoint_parse("192.0.2.1:51820", &told.v[0].addrs[0]), TM_OK);
	relaying_told(&r->n, &told);
	assert_int_equal(r->n_relays, 1); /* the other is no member */
	assert_int_equal(r->relays[0].member.host, r->nodes[OTHER].host);
	assert_memory_equal(r->relays[0].member.key, r->nodes[OTHER].key, 32);
	assert_true(r->relays[0].streams && r->relays[0].n == 1);
	r->n.config.relay = RELAY_OFF;
	relaying_told(&r->n, &told);
	assert_int_equal(r->n_relays, 0);
}

static bool is_free(const struct endpoint *at)
{
	struct endpoint there = *at;
	int fd;

	if (tcp_listen(&there, 0, 1, &fd) != TM_OK)
		return false;
	tcp_close(fd);
	return true;
}

static void it_listens_for_streams_as_long_as_it_relays_and_relays_without_that_too(void **state)
{
	struct endpoint at = {.ip = ip_v4_host(0x7f000001)};
	struct rig *r = *state;
	int fd;

	assert_int_equal(tcp_listen(&at, 0, 1, &fd), TM_OK);
	snprintf(r->n.config.api_listen, sizeof(r->n.config.api_listen), "127.0.0.1");
	r->n.config.api_port = at.port;
	tag(r, SELF, true);
	registers(r);
	assert_int_equal(r->warnings, 1); /* somebody has the port */
	tag(r, SELF, false);
	tcp_close(fd);
	for (unsigned i = 0; i < 2; i++) {
		tag(r, SELF, true);
		assert_false(is_free(&at));
		tag(r, SELF, false);
		assert_true(is_free(&at));
	}
	r->n.coord = (struct coord *)r; /* who has its port listens there already */
	tag(r, SELF, true);
	assert_true(is_free(&at));
	r->n.coord = NULL;
	assert_int_equal(r->warnings, 1);
}

static void some_minutes(struct rig *r)
{
	ns_t begun = time_monotonic();

	while (time_monotonic() - begun < 30 * MS)
		event_base_loop(r->n.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void a_port_that_somebody_has_is_tried_again_and_takes_no_other_with_it(void **state)
{
	struct endpoint at = {.ip = ip_v4_host(0x7f000001)}, also = at;
	struct rig *r = *state;
	int fd;

	assert_int_equal(tcp_listen(&at, 0, 1, &fd), TM_OK);
	tcp_close(fd);
	assert_int_equal(tcp_listen(&also, 0, 1, &fd), TM_OK);
	snprintf(r->n.config.api_listen, sizeof(r->n.config.api_listen), "127.0.0.1");
	r->n.config.api_port = at.port;
	snprintf(r->n.config.listen[0], sizeof(r->n.config.listen[0]), "%u", also.port);
	r->n.config.n_listen = 1;
	tag(r, SELF, true);
	assert_false(is_free(&at));
	some_minutes(r);
	assert_int_equal(r->warnings, 1);
	tcp_close(fd);
	some_minutes(r);
	assert_false(is_free(&also));
	tag(r, SELF, false);
	assert_true(is_free(&at) && is_free(&also));
	some_minutes(r); /* and stays so */
	assert_true(is_free(&at));
	assert_int_equal(r->warnings, 1);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_node_relays_when_it_offers_and_has_the_tag),
		T(the_plane_is_told_of_legs_and_of_their_ends),
		T(a_member_that_is_not_the_same_any_more_registers_again),
		T(what_is_no_registration_with_its_data_socket_goes_to_the_path_core),
		T(relays_are_handed_to_the_path_core_unless_none_are_to_be_used),
		T(a_port_that_somebody_has_is_tried_again_and_takes_no_other_with_it),
		T(it_listens_for_streams_as_long_as_it_relays_and_relays_without_that_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
