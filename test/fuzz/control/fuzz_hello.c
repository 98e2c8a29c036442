/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A control link's first handshake message at the coordinator, bent: nothing but the message as it was made
 * is read, and nothing without its mac is looked at.
 *
 *   input: kind 1 | flags 1 | length 1 | kind 0: the message, raw; else pairs of offset 1, xor 1
 *   flags: 1 put the mac right again, 2 cut or extend to `length`
 */
#include "fuzz/fuzz.h"

#include "control/link/secure.h"
#include "crypto/init.h"

enum { FIX_MAC = 1, RESIZE = 2 };

static struct {
	struct aead *aead;
	struct dh_key *node, *hub;
	uint8_t hello[SECURE_HELLO_MAX];
	size_t n;
} all;

static void prepare(void)
{
	static const uint8_t node[DH_KEY] = {[1] = 1, [31] = 64}, hub[DH_KEY] = {[1] = 2, [31] = 64};
	struct secure s;

	if (all.aead)
		return;
	assert(crypto_init(NULL) == TM_OK && aead_new(&all.aead) == TM_OK);
	assert(dh_key_new(node, &all.node) == TM_OK && dh_key_new(hub, &all.hub) == TM_OK);
	assert(secure_init(&s, all.aead, NOISE_INITIATOR, all.node, dh_key_public(all.hub), 100) == TM_OK);
	assert(secure_hello_write(&s, all.hello, &all.n) == TM_OK);
	secure_deinit(&s);
}

static void fix_mac(const struct secure *s, uint8_t *msg, size_t n)
{
	if (n >= SECURE_MAC)
		blake2s_mac(s->mac_key, sizeof(s->mac_key), msg, n - SECURE_MAC, msg + n - SECURE_MAC);
}

static size_t bend(const uint8_t *data, size_t size, uint8_t *msg)
{
	memcpy(msg, all.hello, all.n);
	for (size_t i = 0; i + 1 < size; i += 2)
		msg[data[i] % all.n] ^= data[i + 1];
	return all.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t room[SECURE_HELLO_MAX] = {0};
	struct secure s;

	prepare();
	if (size < 3)
		return 0;
	size_t n = size - 3 < sizeof(room) ? size - 3 : sizeof(room);
	if (data[0])
		n = bend(data + 3, size - 3, room);
	else
		memcpy(room, data + 3, n);
	if (data[1] & RESIZE)
		n = data[2];
	assert(secure_init(&s, all.aead, NOISE_RESPONDER, all.hub, NULL, 100) == TM_OK);
	if (data[1] & FIX_MAC)
		fix_mac(&s, room, n);

	uint8_t *msg = fuzz_copy(room, n);
	bool meant = secure_hello_meant_for_us(&s, msg, n),
	     looked = meant && secure_hello_look(&s, msg, n) == TM_OK;
	bool right = n == all.n && memcmp(msg, all.hello, n) == 0;
	assert((secure_hello_read(&s, msg, n) == TM_OK) == right);
	assert(!right || (looked && memcmp(s.remote, dh_key_public(all.node), DH_KEY) == 0));
	free(msg);
	secure_deinit(&s);
	return 0;
}
