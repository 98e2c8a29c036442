/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * ChaCha20-Poly1305 by the very routines that libcrypto's public interface ends at, in assembler for most
 * CPUs.
 *
 * The way there (parameters compared by name, lengths asked for, contexts set up and cleansed) costs 100 to
 * 300 ns for each packet whatever its length. The routines are global in the archive but no API, hence
 * cmake/dependencies.cmake tries to link them and builds without this file when it cannot, and aead_new does
 * not use what computes wrong: one that reads key and counter otherwise than as little-endian words, say.
 * docs/decisions/0009 has the figures.
 */
#include "crypto/crypto_private.h"

#include <string.h>

#include "base/secret.h"

/* key: 32 bytes; iv: CHACHA_IV bytes; both read as words of the machine. */
void ChaCha20_ctr32(uint8_t *out, const uint8_t *in, size_t n, const void *key, const void *iv);
size_t Poly1305_ctx_size(void);
void Poly1305_Init(void *state, const uint8_t key[static AEAD_KEY]);
void Poly1305_Update(void *state, const uint8_t *p, size_t n);
void Poly1305_Final(void *state, uint8_t ret_tag[static AEAD_TAG]); /* wipes the state */

/* a->own is the state of Poly1305. */
static int state_init(struct aead *a)
{
	a->own = malloc(Poly1305_ctx_size());
	return a->own ? TM_OK : TM_ENOMEM;
}

static void state_deinit(struct aead *a)
{
	free(a->own);
	a->own = NULL;
}

/* The key block and the text combined with key stream, in `out`. */
static void encipher(struct pass *p, const struct aead_op *op)
{
	_Alignas(uint32_t) uint8_t iv[CHACHA_IV];
	const size_t whole = pass_load(p, op->data, op->n, CHACHA_BLOCK);

	aead_iv(op->counter, iv);
	ChaCha20_ctr32(p->out, p->in, whole, op->key, iv);
}

static void tag_compute(struct aead *a, uint8_t *ct, size_t n, uint8_t ret_tag[static AEAD_TAG])
{
	const size_t total = pass_end(ct, 0, n);

	Poly1305_Init(a->own, a->libcrypto.pass.out);
	Poly1305_Update(a->own, ct, total);
	Poly1305_Final(a->own, ret_tag);
}

static bool usable(void)
{
	return true;
}

static int op_seal(struct aead *a, const struct aead_op *op)
{
	struct pass *p = &a->libcrypto.pass;

	encipher(p, op);
	tag_compute(a, p->out + CHACHA_BLOCK, op->n, op->data + op->n);
	memcpy(op->data, p->out + CHACHA_BLOCK, op->n);
	return TM_OK;
}

static int op_open(struct aead *a, const struct aead_op *op)
{
	struct pass *p = &a->libcrypto.pass;
	uint8_t tag[AEAD_TAG];

	encipher(p, op);
	tag_compute(a, p->in + CHACHA_BLOCK, op->n, tag);
	if (!ct_eq(tag, op->data + op->n, AEAD_TAG))
		return TM_EAUTH;

	memcpy(op->data, p->out + CHACHA_BLOCK, op->n);
	return TM_OK;
}

const struct aead_provider aead_libcrypto_direct = {
	.name = "libcrypto-direct",
	.usable = usable,
	.init = state_init,
	.deinit = state_deinit,
	.seal = op_seal,
	.open = op_open,
};
