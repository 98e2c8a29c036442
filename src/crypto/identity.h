/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A node's identity: an Ed25519 key in OpenSSH private-key format (PROTOCOL.key of OpenSSH,
 * "openssh-key-v1"). X25519 private key = clamp(SHA-512(seed)[0..31]); public key by the birational map of
 * RFC 7748 4.1, which equals the X25519 public key of that private key. Node ID = first 8 bytes of
 * SHA-256(Ed25519 public key), in hex.
 */
#ifndef TM_CRYPTO_IDENTITY_H
#define TM_CRYPTO_IDENTITY_H

#include "base/diag.h"
#include "base/err.h"
#include "base/util.h"

enum { ED_KEY = 32, ED_SIG = 64, NODE_ID_BYTES = 8, NODE_ID_STR_LEN = 17, IDENTITY_TEXT_MAX = 64 * 1024 };

struct identity {
	uint8_t ed_seed[ED_KEY], ed_pub[ED_KEY];
	uint8_t x_priv[32], x_pub[32];
	char id[NODE_ID_STR_LEN];
};

NODISCARD int identity_from_seed(const uint8_t seed[static ED_KEY], struct identity *ret_id);
NODISCARD int identity_generate(struct identity *ret_id);
void identity_wipe(struct identity *id);

/*
 * Reads the text of an OpenSSH private-key file. Refused with a sentence in d: encrypted keys, other key
 * types, several keys, mismatched check words, public and private part that do not belong together, more than
 * IDENTITY_TEXT_MAX bytes.
 */
NODISCARD int identity_parse(const char *text, size_t n, struct identity *ret_id, struct diag *d);

/* Text of an unencrypted OpenSSH private key, as ssh-keygen writes it. Caller wipes and frees *ret_text. */
NODISCARD int identity_format(const struct identity *id, const char *comment, char **ret_text);

/* X25519 public key that belongs to an Ed25519 public key (birational map); TM_EINVAL for a non-canonical or
 * bad point. */
NODISCARD int identity_x_from_ed_public(const uint8_t ed_pub[static ED_KEY], uint8_t ret_x[static 32]);
void identity_node_id(const uint8_t ed_pub[static ED_KEY], char ret_id[static NODE_ID_STR_LEN]);

NODISCARD int identity_sign(
	const struct identity *id, const void *msg, size_t n, uint8_t ret_sig[static ED_SIG]);
NODISCARD int identity_verify(
	const uint8_t ed_pub[static ED_KEY], const void *msg, size_t n, const uint8_t sig[static ED_SIG]);

#endif
