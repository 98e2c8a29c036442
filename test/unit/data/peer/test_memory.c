/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every allocation of the device fails once, one after the other: nothing leaks, and afterwards all goes on.
 */
#include "unit/unit.h"

#include "crypto/init.h"
#include "data/peer/device.h"
#include "fake/alloc.h"

enum { ALLOCATIONS_MAX = 100 };

static const struct endpoint there = {.ip = {IP_V4, {192, 0, 2, 7}}, .port = 51820};
static uint8_t sent[WG_INIT_LEN];
static size_t sent_n;

static void on_send(void *ctx, struct peer *p, const struct way_to *by, const uint8_t *msg, size_t n)
{
	(void)ctx, (void)p, (void)by;
	memcpy(sent, msg, n);
	sent_n = n;
}

static void on_peer(void *ctx, struct peer *p)
{
	(void)ctx, (void)p;
}

static void on_flush(void *ctx, struct peer *p, struct keypair *kp)
{
	(void)ctx, (void)p, (void)kp;
}

static void on_retire_keypair(void *ctx, struct keypair *kp)
{
	(void)ctx;
	keypair_free(kp);
}

static void on_retire_way(void *ctx, struct way *way)
{
	(void)ctx;
	free(way);
}

static void on_retire_peer(void *ctx, struct peer *p)
{
	(void)ctx;
	device_peer_free(p);
}

static void on_heard(void *ctx, struct peer *p, const struct way_to *by)
{
	(void)ctx, (void)p, (void)by;
}

static void on_session(void *ctx, struct peer *p, bool up)
{
	(void)ctx, (void)p, (void)up;
}

static void on_entropy(void *ctx, void *out, size_t n)
{
	(void)ctx;
	random_bytes(out, n);
}

static ns_t on_real_time(void *ctx)
{
	(void)ctx;
	return 1767225600 * SEC;
}

static int device_open(const uint8_t priv[static 32], struct device **ret_d)
{
	static const struct device_ops ops = {
		.send = on_send,
		.send_keepalive = on_peer,
		.flush_staged = on_flush,
		.drop_staged = on_peer,
		.retire_keypair = on_retire_keypair,
		.retire_way = on_retire_way,
		.retire_peer = on_retire_peer,
		.want_way = on_peer,
		.heard = on_heard,
		.session_changed = on_session,
		.entropy = on_entropy,
		.real_time = on_real_time,
	};

	return device_new(&(struct device_config){.private_key = priv}, &ops, ret_d);
}

static void a_device_without_memory_for_any_one_thing_is_not_made(void **state)
{
	static const uint8_t priv[32] = {8, [31] = 64};
	unsigned n = 1;
	(void)state;

	for (;; n++) {
		struct device *d = NULL;

		fake_alloc_fail(n);
		int err = device_open(priv, &d);
		bool failed = fake_alloc_failed();
		fake_alloc_fail(0);
		device_free(d);
		if (!failed)
			break;
		assert_int_equal(err, TM_ENOMEM);
		assert_null(d);
		assert_true(n < ALLOCATIONS_MAX);
	}
	assert_true(n > 5);
}

/* Two devices and one handshake between them, the n-th allocation of all that failing. */
static bool shake_hands(unsigned n)
{
	static const uint8_t priv[2][32] = {{8, [31] = 64}, {16, [31] = 64}}, psk[32];
	struct device *d[2];
	struct peer *p[2];
	uint8_t pubs[2][32], msg[WG_INIT_LEN];
	ns_t now = 1000 * SEC;

	for (int i = 0; i < 2; i++)
		assert_int_equal(device_open(priv[i], &d[i]), TM_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(dh_public(priv[!i], pubs[i]), TM_OK);
	fake_alloc_fail(n);
	for (int i = 0; i < 2; i++) {
		const uint8_t *pub = pubs[i];
		int err = device_peer_add(d[i], pub, psk, &p[i]);
		if (err < 0) {
			assert_int_equal(err, TM_ENOMEM);
			assert_int_equal(device_peer_count(d[i]), 0);
			assert_int_equal(device_peer_add(d[i], pub, psk, &p[i]), TM_OK);
		}
	}
	if (device_peer_set_way(d[0], p[0], &(struct way_to){.remote = there}, now) < 0)
		assert_int_equal(
			device_peer_set_way(d[0], p[0], &(struct way_to){.remote = there}, now), TM_OK);
	/* Whatever gets lost is made good by the tries that follow. */
	for (unsigned i = 0; i < 3 && !atomic_load(&p[0]->current); i++, now += 10 * SEC) {
		sent_n = 0;
		device_want_session(d[0], p[0], now);
		device_run(d[0], now);
		for (int to = 1; to >= 0 && sent_n; to--) {
			size_t len = sent_n;

			memcpy(msg, sent, len);
			sent_n = 0;
			enum device_verdict v =
				device_receive(d[to], now, &(struct way_to){.remote = there}, msg, len, 0);
			assert_true(v == DEV_OK || v == DEV_NO_MEMORY);
		}
	}
	bool failed = fake_alloc_failed();
	fake_alloc_fail(0);
	assert_non_null(atomic_load(&p[0]->current));
	device_free(d[0]);
	device_free(d[1]);
	return failed;
}

static void a_handshake_that_met_an_empty_heap_succeeds_at_the_next_try(void **state)
{
	unsigned n = 1;
	(void)state;

	while (shake_hands(n)) {
		n++;
		assert_true(n < ALLOCATIONS_MAX);
	}
	assert_true(n > 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_without_memory_for_any_one_thing_is_not_made),
		cmocka_unit_test(a_handshake_that_met_an_empty_heap_succeeds_at_the_next_try),
	};

	fake_alloc_spare_libcrypto();
	if (crypto_init(NULL) != TM_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
