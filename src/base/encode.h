/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Text forms of bytes: hex, base64 (RFC 4648 4) and base64url without padding (RFC 4648 5). Pure. */
#ifndef TM_BASE_ENCODE_H
#define TM_BASE_ENCODE_H

#include "base/util.h"

#define HEX_LEN(n) ((n)*2)
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* out holds HEX_LEN(n) + 1 bytes. Lower case. */
void hex_encode(const uint8_t *p, size_t n, char *out);
/* Exactly n bytes from exactly 2n digits (either case). */
NODISCARD int hex_decode(const char *s, size_t s_len, uint8_t *ret_out, size_t n);

/* out holds BASE64_LEN(n) + 1 bytes. */
void base64_encode(const uint8_t *p, size_t n, char *out);
void base64url_encode(const uint8_t *p, size_t n, char *out);

/*
 * Strict decoders: no white space, no stray bits in the last digit; base64 needs its padding, base64url has
 * none. TM_EFULL when more than out_len bytes would come out, TM_EBADMSG for anything malformed.
 */
NODISCARD int base64_decode(const char *s, size_t s_len, uint8_t *out, size_t out_len, size_t *ret_n);
NODISCARD int base64url_decode(const char *s, size_t s_len, uint8_t *out, size_t out_len, size_t *ret_n);

#endif
