/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/crypto_private.h"

#include <string.h>

#include "base/bytes.h"
#include "base/secret.h"

enum { POLY_BLOCK = 16 };

#define PASS_BUF (CHACHA_BLOCK + AEAD_MAX + PASS_STEP_MAX)

int pass_init(struct pass *p)
{
	p->in = malloc(2 * PASS_BUF); /* not cleared: pages that no packet needs stay untouched */
	if (!p->in)
		return TM_ENOMEM;

	p->out = p->in + PASS_BUF;
	memset(p->in, 0, CHACHA_BLOCK);
	return TM_OK;
}

void pass_deinit(struct pass *p)
{
	if (p->in) {
		wipe(p->in, p->used);
		wipe(p->out, p->used);
	}
	free(p->in);
	*p = (struct pass){0};
}

size_t pass_load(struct pass *p, const uint8_t *text, size_t n, size_t step)
{
	const size_t whole = (CHACHA_BLOCK + n + step - 1) / step * step;

	p->used = MAX(p->used, whole + CHACHA_BLOCK);
	if (n > 0)
		memcpy(p->in + CHACHA_BLOCK, text, n);
	return whole;
}

size_t pass_end(uint8_t *ct, size_t ad_len, size_t n)
{
	const size_t pad = -n % POLY_BLOCK;

	memset(ct + n, 0, pad);
	put_le64(ct + n + pad, ad_len);
	put_le64(ct + n + pad + 8, n);
	return n + pad + 16;
}
