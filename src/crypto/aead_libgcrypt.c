/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * ChaCha20-Poly1305 by libgcrypt's routines for AVX2, one of which does both at once: ChaCha20 of some bytes
 * in the vector unit, Poly1305 of others in the integer unit, in the time that ChaCha20 takes alone. x86-64
 * only.
 *
 * What is hashed must be there before, so a packet that is opened goes along with itself, and one that is
 * sealed with the one before it in the batch. The library's public way takes turns within one message, and
 * makes the one-time key by a slow call of its own.
 *
 * The routines are two members of the archive that depend on nothing but what is at the end of this file.
 * They are not the library's API, hence the exact version below; cmake/dependencies.cmake builds without
 * this file when it finds another, and aead_new does not use what computes wrong. docs/decisions/0009 has the
 * figures.
 */
#include "crypto/crypto_private.h"

#include <gcrypt.h>
#include <string.h>

#include "base/secret.h"

_Static_assert(GCRYPT_VERSION_NUMBER == 0x010a01, "these routines are known in libgcrypt 1.10.1 only");

/* All that the routines do at a time. */
enum { GROUP_BLOCKS = 8, GROUP = GROUP_BLOCKS * CHACHA_BLOCK };
_Static_assert((int)GROUP <= (int)PASS_STEP_MAX, "a pass has room for whole groups");

/* poly1305_context_t of the library. */
struct poly {
	uint32_t pad[4], r[4], h[5];
	uint8_t buffer[16];
	uint32_t buffered;
};

/* state: RFC 8439 2.3; its block counter goes on. The results tell how much stack was used. */
unsigned _gcry_chacha20_amd64_avx2_blocks8(
	uint32_t state[static 16], uint8_t *out, const uint8_t *in, size_t n);
unsigned _gcry_chacha20_poly1305_amd64_avx2_blocks8(uint32_t state[static 16], uint8_t *out,
	const uint8_t *in, size_t n, struct poly *p, const uint8_t *hashed);
int _gcry_poly1305_init(struct poly *p, const uint8_t *key, size_t n);
unsigned _gcry_poly1305_update_burn(struct poly *p, const uint8_t *in, size_t n);
void _gcry_poly1305_finish(struct poly *p, uint8_t ret_tag[static AEAD_TAG]);

/* Wiped with the aead, like the last packets in both passes. */
struct work {
	uint32_t state[16];
	struct poly poly;
	/* what is to be hashed still */
	const uint8_t *hash_at;
	size_t hash_left;
	/* In turn with libcrypto's: a packet is hashed in one while the next fills the other. */
	struct pass other;
};

static int work_init(struct aead *a)
{
	struct work *w = calloc(1, sizeof(*w));

	a->own = w;
	if (!w)
		return TM_ENOMEM;

	return pass_init(&w->other);
}

static void work_deinit(struct aead *a)
{
	struct work *w = a->own;

	if (!w)
		return;

	pass_deinit(&w->other);
	wipe(w, sizeof(*w));
	free(w);
	a->own = NULL;
}

/* Block 0 of the packet is next. */
static void state_begin(struct work *w, const struct aead_op *op)
{
	static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	uint8_t iv[CHACHA_IV];

	aead_iv(op->counter, iv);
	memcpy(w->state, constants, sizeof(constants));
	memcpy(w->state + 4, op->key, AEAD_KEY);
	memcpy(w->state + 12, iv, CHACHA_IV);
}

/* Bytes from..end of the pass; as much is hashed along with them as there is. */
static void encipher(struct work *w, const struct pass *p, size_t from, size_t end)
{
	for (; from < end; from += GROUP) {
		if (w->hash_left < GROUP) {
			_gcry_chacha20_amd64_avx2_blocks8(
				w->state, p->out + from, p->in + from, GROUP_BLOCKS);
			continue;
		}
		_gcry_chacha20_poly1305_amd64_avx2_blocks8(
			w->state, p->out + from, p->in + from, GROUP_BLOCKS, &w->poly, w->hash_at);
		w->hash_at += GROUP;
		w->hash_left -= GROUP;
	}
}

/* ct: n bytes in one of the buffers, of a packet with that key block. Of a key that is long enough nothing is
 * refused. */
static void hash_begin(struct work *w, const uint8_t *key_block, uint8_t *ct, size_t n)
{
	_gcry_poly1305_init(&w->poly, key_block, AEAD_KEY);
	w->hash_at = ct;
	w->hash_left = pass_end(ct, 0, n);
}

static void hash_end(struct work *w, uint8_t ret_tag[static AEAD_TAG])
{
	_gcry_poly1305_update_burn(&w->poly, w->hash_at, w->hash_left);
	_gcry_poly1305_finish(&w->poly, ret_tag);
	w->hash_left = 0;
}

static void seal_end(struct work *w, const struct pass *p, const struct aead_op *op)
{
	hash_end(w, op->data + op->n);
	memcpy(op->data, p->out + CHACHA_BLOCK, op->n);
}

static void seal_all(struct aead *a, struct aead_op *ops, size_t n)
{
	struct work *w = a->own;
	const struct aead_op *last = NULL; /* enciphered in *before, but neither hashed nor in its place */
	struct pass *p = &a->libcrypto.pass, *before = &w->other;

	for (size_t i = 0; i < n; i++) {
		struct pass *turn = before;

		if (ops[i].err)
			continue;
		state_begin(w, &ops[i]);
		encipher(w, p, 0, pass_load(p, ops[i].data, ops[i].n, GROUP));
		if (last)
			seal_end(w, before, last);
		hash_begin(w, p->out, p->out + CHACHA_BLOCK, ops[i].n);
		last = &ops[i];
		before = p;
		p = turn;
	}
	if (last)
		seal_end(w, before, last);
}

static int op_open(struct aead *a, const struct aead_op *op)
{
	struct work *w = a->own;
	struct pass *p = &a->libcrypto.pass;
	const size_t whole = pass_load(p, op->data, op->n, GROUP);
	uint8_t tag[AEAD_TAG];

	state_begin(w, op);
	encipher(w, p, 0, GROUP); /* there is no key to hash with before */
	hash_begin(w, p->out, p->in + CHACHA_BLOCK, op->n);
	encipher(w, p, GROUP, whole);
	hash_end(w, tag);
	if (!ct_eq(tag, op->data + op->n, AEAD_TAG))
		return TM_EAUTH;

	memcpy(op->data, p->out + CHACHA_BLOCK, op->n);
	return TM_OK;
}

static bool usable(void)
{
	return __builtin_cpu_supports("avx2");
}

const struct aead_provider aead_libgcrypt = {
	.name = "libgcrypt",
	.usable = usable,
	.init = work_init,
	.deinit = work_deinit,
	.seal_all = seal_all,
	.open = op_open,
};

/*
 * What Poly1305 wants of the rest of the library, of which nothing else is to come into the program: to clear
 * the stack that it used (the next packet does), and to say that its self-test failed (aead_new finds out).
 */
void __gcry_burn_stack(unsigned bytes);
void _gcry_log_error(const char *format, ...);

void __gcry_burn_stack(unsigned bytes UNUSED)
{
}

void _gcry_log_error(const char *format UNUSED, ...)
{
}
