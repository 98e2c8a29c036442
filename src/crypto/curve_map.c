/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/curve_map.h"

#include <openssl/bn.h>
#include <string.h>

DEFINE_CLEANUP(BN_CTX, BN_CTX_free)

enum { FIELD_BYTES = 32, SIGN_BIT = 0x80 };

struct field {
	BN_CTX *ctx;
	BIGNUM *p, *d, *y, *y2, *num, *den, *inv, *exp, *u;
};

/* p = 2^255 - 19, d = -121665/121666 (RFC 8032 5.1). */
static bool field_set(struct field *f)
{
	BIGNUM **const all[] = {&f->p, &f->d, &f->y, &f->y2, &f->num, &f->den, &f->inv, &f->exp, &f->u};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		*all[i] = BN_CTX_get(f->ctx);
	if (!f->u) /* BN_CTX_get fails for good once it fails */
		return false;

	return BN_set_bit(f->p, 255) && BN_sub_word(f->p, 19) && BN_set_word(f->inv, 121666) &&
	       BN_mod_inverse(f->inv, f->inv, f->p, f->ctx) && BN_set_word(f->d, 121665) &&
	       BN_mod_mul(f->d, f->d, f->inv, f->p, f->ctx) && BN_sub(f->d, f->p, f->d);
}

/* x^2 = (y^2 - 1) / (d y^2 + 1) must be a square, by Euler: x2^((p-1)/2) is 0 or 1. x = 0 has no negative. */
static int on_curve(struct field *f, bool sign, bool *ret_on)
{
	bool ok = BN_mod_sqr(f->y2, f->y, f->p, f->ctx) && BN_copy(f->num, f->y2) && BN_sub_word(f->num, 1) &&
		  BN_mod_mul(f->den, f->d, f->y2, f->p, f->ctx) && BN_add_word(f->den, 1) &&
		  BN_mod_inverse(f->inv, f->den, f->p, f->ctx) &&
		  BN_mod_mul(f->num, f->num, f->inv, f->p, f->ctx) && BN_copy(f->exp, f->p) &&
		  BN_sub_word(f->exp, 1) && BN_rshift1(f->exp, f->exp) &&
		  BN_mod_exp(f->inv, f->num, f->exp, f->p, f->ctx);

	if (!ok)
		return TM_ENOMEM;

	*ret_on = BN_is_zero(f->num) ? !sign : BN_is_one(f->inv);
	return TM_OK;
}

/* u = (1 + y) / (1 - y) */
static int map_y(struct field *f, uint8_t ret_u[static FIELD_BYTES])
{
	bool ok = BN_one(f->den) && BN_mod_sub(f->den, f->den, f->y, f->p, f->ctx);

	if (!ok)
		return TM_ENOMEM;
	if (BN_is_zero(f->den)) /* the neutral element */
		return TM_EINVAL;

	ok = BN_copy(f->num, f->y) && BN_add_word(f->num, 1) &&
	     BN_mod_inverse(f->inv, f->den, f->p, f->ctx) && BN_mod_mul(f->u, f->num, f->inv, f->p, f->ctx) &&
	     BN_bn2lebinpad(f->u, ret_u, FIELD_BYTES) > 0;
	return ok ? TM_OK : TM_ENOMEM;
}

static int map_in(struct field *f, const uint8_t ed[static FIELD_BYTES], uint8_t ret_u[static FIELD_BYTES])
{
	uint8_t y[FIELD_BYTES], u[FIELD_BYTES];
	bool on = false;
	int err;

	memcpy(y, ed, sizeof(y));
	y[FIELD_BYTES - 1] &= (uint8_t)~SIGN_BIT;
	if (!field_set(f) || !BN_lebin2bn(y, sizeof(y), f->y))
		return TM_ENOMEM;
	if (BN_cmp(f->y, f->p) >= 0)
		return TM_EINVAL;

	err = on_curve(f, ed[FIELD_BYTES - 1] & SIGN_BIT, &on);
	if (err == TM_OK && !on)
		err = TM_EINVAL;
	if (err == TM_OK)
		err = map_y(f, u);
	if (err == TM_OK)
		memcpy(ret_u, u, sizeof(u));
	return err;
}

int curve_map_u(const uint8_t ed[static FIELD_BYTES], uint8_t ret_u[static FIELD_BYTES])
{
	_cleanup_(BN_CTX_freep) BN_CTX *ctx = BN_CTX_new();
	struct field f = {.ctx = ctx};
	int err;

	if (!ctx)
		return TM_ENOMEM;

	BN_CTX_start(ctx);
	err = map_in(&f, ed, ret_u);
	BN_CTX_end(ctx);
	return err;
}
