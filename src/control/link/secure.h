/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The secure channel inside a control link, without I/O: Noise_IK_25519_ChaChaPoly_BLAKE2s with prologue
 * "tunnelmesh control 1", then messages of up to `max` bytes in fragments:
 *
 *   Noise message = sealed { flags 1 (1 = last fragment, others zero) | fragment }        at most 65535 bytes
 *
 * The payload of both handshake messages is {"v":1}.
 */
#ifndef TM_CONTROL_LINK_SECURE_H
#define TM_CONTROL_LINK_SECURE_H

#include "crypto/identity.h"
#include "crypto/noise.h"

enum {
	SECURE_VERSION = 1,
	SECURE_HELLO_MAX = 512, /* room for either handshake message */
	SECURE_OVERHEAD = 1 + AEAD_TAG,
	SECURE_FRAGMENT_MAX = NOISE_MSG_MAX - SECURE_OVERHEAD,
};

struct secure {
	struct aead *aead; /* borrowed */
	struct dh_key *key; /* our static key, until both handshake messages are through */
	struct noise noise;
	struct noise_cipher tx, rx;
	uint8_t remote[DH_KEY]; /* the other side's static key, once its message has been read */
	char *text; /* message being put together */
	size_t len, cap, max;
	bool ready; /* both handshake messages are through */
};

/* remote: the responder's key for an initiator, NULL for a responder. */
NODISCARD int secure_init(struct secure *s, struct aead *a, enum noise_role role, const struct identity *id,
	const uint8_t *remote, size_t max);
void secure_deinit(struct secure *s);

/* Our handshake message; out holds SECURE_HELLO_MAX bytes. */
NODISCARD int secure_hello_write(struct secure *s, uint8_t *out, size_t *ret_n);
/* Theirs. TM_EVERSION when it is authentic but speaks another version; every other error means that it is not
 * authentic. */
NODISCARD int secure_hello_read(struct secure *s, const uint8_t *msg, size_t n);

/* In place: buf holds room for the flags at 0, n <= SECURE_FRAGMENT_MAX bytes of text from 1 on, and room for
 * the tag. */
NODISCARD int secure_seal(struct secure *s, uint8_t *buf, size_t n, bool last);
/*
 * One Noise message. TM_OK: a whole message is in *ret_text, borrowed until the next call. TM_EAGAIN: more
 * fragments follow. TM_EFULL: longer than max. TM_EAUTH: not authentic. TM_EBADMSG: malformed.
 */
NODISCARD int secure_open(
	struct secure *s, const uint8_t *msg, size_t n, const char **ret_text, size_t *ret_n);

#endif
