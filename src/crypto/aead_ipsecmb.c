/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * ChaCha20-Poly1305 by the AVX-512 routines of Intel's libipsec-mb. x86-64 only.
 *
 * The library's public way to them is a job manager, which for this cipher runs one job after the other by
 * just these routines, takes 200 kB per thread, brings every algorithm for every CPU into the program
 * (12 MB), and deciphers before anybody compared the tag. So we call the routines themselves: three members
 * of the archive that depend on nothing. They are not the library's API, hence the exact version below;
 * cmake/dependencies.cmake builds without this file when it finds another, the linker notices a routine that
 * is gone, and aead_new does not use what computes wrong. docs/decisions/0009 has the figures.
 */
#include "crypto/crypto_private.h"

#include <intel-ipsec-mb.h>
#include <string.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "os/low/memory.h"

_Static_assert(IMB_VERSION_NUM == IMB_VERSION(1, 3, 0), "these routines are known in libipsec-mb 1.3.0 only");

/* key_block: one-time Poly1305 key, r already clamped; on a boundary of 64 bytes like everything written
 * here. */
void gen_keystr_poly_key_avx512(const void *key, const void *iv, uint64_t n, void *ret_key_block_and_stream);
IMB_JOB *submit_job_chacha20_poly_enc_avx512(IMB_JOB *job, void *ret_key_block);
IMB_JOB *submit_job_chacha20_poly_dec_avx512(IMB_JOB *job, const void *stream, uint64_t stream_len);
/* hash: 3 words, zero at first. An update pads n to whole blocks. */
void poly1305_aead_update_fma_avx512(const void *p, uint64_t n, void *hash, const void *key_block);
void poly1305_aead_complete_fma_avx512(const void *hash, const void *key_block, void *ret_tag);
void poly1305_aead_update_avx512(const void *p, uint64_t n, void *hash, const void *key_block);
void poly1305_aead_complete_avx512(const void *hash, const void *key_block, void *ret_tag);

/* Key stream is made in at most 16 blocks beforehand; what is longer goes on from there while deciphering. */
enum { STREAM_MAX = 16 * CHACHA_BLOCK - CHACHA_BLOCK };

/* The last packet's one-time key, and key stream when it was refused, stay until the next; wiped with the
 * aead. */
struct scratch {
	_Alignas(64) uint8_t key_block[CHACHA_BLOCK];
	uint8_t stream[STREAM_MAX];
	IMB_JOB job; /* of which the routines read source, destination, length, iv and key */
};

static int scratch_init(struct aead *a)
{
	a->own = memory_aligned(_Alignof(struct scratch), sizeof(struct scratch));
	if (!a->own)
		return TM_ENOMEM;

	memset(a->own, 0, sizeof(struct scratch));
	return TM_OK;
}

static void scratch_deinit(struct aead *a)
{
	if (a->own)
		wipe(a->own, sizeof(struct scratch));
	memory_aligned_free(a->own);
	a->own = NULL;
}

/* The nonce begins behind the block counter. */
static void job_fill(struct scratch *s, const struct aead_op *op, const uint8_t *nonce)
{
	s->job.src = op->data;
	s->job.dst = op->data;
	s->job.msg_len_to_cipher_in_bytes = op->n;
	s->job.enc_keys = op->key;
	s->job.dec_keys = op->key;
	s->job.iv = nonce;
}

/* RFC 8439 2.8 without associated data; the key block is in s. */
static inline void tag_compute(
	const struct scratch *s, const struct aead_op *op, bool ifma, uint8_t ret_tag[static AEAD_TAG])
{
	uint64_t hash[3] = {0};
	uint8_t lengths[16] = {0};

	put_le64(lengths + 8, op->n);
	if (ifma) {
		poly1305_aead_update_fma_avx512(op->data, op->n, hash, s->key_block);
		poly1305_aead_update_fma_avx512(lengths, sizeof(lengths), hash, s->key_block);
		poly1305_aead_complete_fma_avx512(hash, s->key_block, ret_tag);
	} else {
		poly1305_aead_update_avx512(op->data, op->n, hash, s->key_block);
		poly1305_aead_update_avx512(lengths, sizeof(lengths), hash, s->key_block);
		poly1305_aead_complete_avx512(hash, s->key_block, ret_tag);
	}
}

static inline int seal(struct aead *a, const struct aead_op *op, bool ifma)
{
	struct scratch *s = a->own;
	uint8_t iv[CHACHA_IV];

	aead_iv(op->counter, iv);
	job_fill(s, op, iv + 4);
	submit_job_chacha20_poly_enc_avx512(&s->job, s->key_block);
	tag_compute(s, op, ifma, op->data + op->n);
	return TM_OK;
}

static inline int unseal(struct aead *a, const struct aead_op *op, bool ifma)
{
	struct scratch *s = a->own;
	const size_t ahead = MIN(op->n, (size_t)STREAM_MAX);
	uint8_t iv[CHACHA_IV], tag[AEAD_TAG];

	aead_iv(op->counter, iv);
	gen_keystr_poly_key_avx512(op->key, iv + 4, CHACHA_BLOCK + ahead, s->key_block);
	/* The one routine that leaves the upper halves of registers in use, which costs 130 ns in code
	 * without AVX. */
	__asm__ volatile("vzeroupper");
	tag_compute(s, op, ifma, tag);
	if (!ct_eq(tag, op->data + op->n, AEAD_TAG))
		return TM_EAUTH;

	job_fill(s, op, iv + 4);
	submit_job_chacha20_poly_dec_avx512(&s->job, s->stream, ahead);
	return TM_OK;
}

static bool usable_noifma(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool usable(void)
{
	return usable_noifma() && __builtin_cpu_supports("avx512ifma");
}

static int op_seal(struct aead *a, const struct aead_op *op)
{
	return seal(a, op, true);
}

static int op_open(struct aead *a, const struct aead_op *op)
{
	return unseal(a, op, true);
}

static int op_seal_noifma(struct aead *a, const struct aead_op *op)
{
	return seal(a, op, false);
}

static int op_open_noifma(struct aead *a, const struct aead_op *op)
{
	return unseal(a, op, false);
}

const struct aead_provider aead_ipsecmb = {
	.name = "ipsec-mb",
	.usable = usable,
	.init = scratch_init,
	.deinit = scratch_deinit,
	.seal = op_seal,
	.open = op_open,
};

/* Poly1305 without the 52-bit multiplication, which the first CPUs with AVX-512 lack. */
const struct aead_provider aead_ipsecmb_noifma = {
	.name = "ipsec-mb-noifma",
	.usable = usable_noifma,
	.init = scratch_init,
	.deinit = scratch_deinit,
	.seal = op_seal_noifma,
	.open = op_open_noifma,
};
