/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Peers come, change and go one by one or in batches, and nobody else notices. */
#include "unit/data/plane/rig.h"

#include "crypto/init.h"

static struct host a, b, c;
static struct host *abc[] = {&a, &b, &c};

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	a = (struct host){0};
	b = (struct host){0};
	c = (struct host){0};
	host_start(&a, 1);
	host_start(&b, 2);
	host_start(&c, 3);
	rig_connect(&a, &b);
	return 0;
}

/* b's record of `with`: its IPv4 address and `extra`, if any. */
static void put(struct host *with, const char *extra)
{
	struct prefix allowed[2];
	struct plane_peer peer = {.allowed = allowed, .n_allowed = extra ? 2 : 1};
	char text[32];

	snprintf(text, sizeof(text), "10.77.0.%u/32", with->i);
	assert_int_equal(prefix_parse(text, &allowed[0]), TM_OK);
	if (extra)
		assert_int_equal(prefix_parse(extra, &allowed[1]), TM_OK);
	memcpy(peer.key, with->pub, 32);
	assert_int_equal(plane_peer_put(b.plane, &peer), TM_OK);
}

/* A packet from 10.78.0.1, which is behind `from` as far as `from` knows. */
static void send_from(const struct host *from)
{
	uint8_t p[FAKE_BYTES];
	size_t n = packet_make(4, from->i, 2, 7, 20, p);

	memcpy(p + 12, (uint8_t[]){10, 78, 0, 1}, 4);
	fake_tun_send(from == &a ? "tm1" : "tm3", p, n);
}

/* b lets in what comes from there by `owner`, and not what comes by `other`. */
static void expect_owner(const struct host *owner, const struct host *other)
{
	uint64_t refused = host_drops(&b, DROP_SPOOF);
	uint8_t p[FAKE_BYTES];

	send_from(owner);
	expect_packet(abc, 3, &b, p);
	assert_memory_equal(p + 12, ((uint8_t[]){10, 78, 0, 1}), 4);
	if (other) {
		send_from(other);
		expect_drops(abc, 3, &b, DROP_SPOOF, refused + 1);
	}
}

static ns_t handshake_with(const struct host *peer)
{
	struct plane_peer_stats st;

	assert_int_equal(plane_peer_stats(b.plane, peer->pub, &st), TM_OK);
	assert_true(st.session);
	return st.last_handshake_real;
}

/* a and c have sessions with b, whose record of both is bare. */
static void know_all(void)
{
	put(&c, NULL);
	host_peers(&c, &(struct peering){.with = &b}, 1);
	rig_warm(&a, &b);
	rig_warm(&c, &b);
	put(&a, NULL);
}

static void a_change_of_one_leaves_the_sessions_of_all(void **state)
{
	ns_t with_a, with_c;
	uint8_t p[FAKE_BYTES];
	(void)state;

	know_all();
	with_a = handshake_with(&a);
	with_c = handshake_with(&c);
	put(&c, "10.78.0.0/24");
	expect_owner(&c, &a);
	put(&c, NULL);
	send_from(&c);
	expect_drops(abc, 3, &b, DROP_SPOOF, 2);
	assert_int_equal(handshake_with(&a), with_a);
	assert_int_equal(handshake_with(&c), with_c);

	assert_int_equal(plane_peer_remove(b.plane, c.pub), TM_OK);
	assert_int_equal(plane_peer_remove(b.plane, c.pub), TM_OK); /* is gone already */
	size_t n = packet_make(4, 1, 2, 9, 20, p);
	fake_tun_send("tm1", p, n);
	assert_int_equal(expect_packet(abc, 3, &b, p), n);
	assert_int_equal(handshake_with(&a), with_a);
}

static void nothing_of_a_batch_counts_before_its_end(void **state)
{
	(void)state;
	know_all();
	put(&a, "10.78.0.0/24");
	expect_owner(&a, &c);
	plane_peers_begin(b.plane);
	put(&a, NULL);
	expect_owner(&a, &c);
	put(&c, "10.78.0.0/24");
	expect_owner(&a, &c);
	assert_int_equal(plane_peers_commit(b.plane), TM_OK);
	expect_owner(&c, &a);
}

static void the_last_word_about_a_key_counts(void **state)
{
	struct plane_peer_stats st;
	ns_t with_a;
	(void)state;

	know_all();
	with_a = handshake_with(&a);
	plane_peers_begin(b.plane);
	assert_int_equal(plane_peers_clear(b.plane), TM_OK);
	put(&a, NULL);
	put(&a, "10.78.0.0/24");
	put(&c, NULL);
	assert_int_equal(plane_peer_remove(b.plane, c.pub), TM_OK);
	assert_int_equal(plane_peers_commit(b.plane), TM_OK);
	assert_int_equal(plane_peer_stats(b.plane, c.pub, &st), TM_ENOENT);
	assert_int_equal(handshake_with(&a), with_a);
	expect_owner(&a, NULL);
}

static void of_two_owners_the_later_counts_until_it_goes(void **state)
{
	(void)state;
	know_all();
	put(&a, "10.78.0.0/24");
	put(&c, "10.78.0.0/24");
	expect_owner(&c, &a);
	put(&a, "10.78.0.0/24"); /* no news */
	expect_owner(&c, &a);
	put(&c, NULL);
	expect_owner(&a, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_change_of_one_leaves_the_sessions_of_all, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			nothing_of_a_batch_counts_before_its_end, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(the_last_word_about_a_key_counts, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			of_two_owners_the_later_counts_until_it_goes, set_up, rig_teardown),
	};

	if (crypto_init(NULL) != TM_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
