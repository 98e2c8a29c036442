/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The secure channel inside a control link, without I/O: Noise_IK_25519_ChaChaPoly_BLAKE2s with prologue
 * "tunnelmesh control 1", then messages of up to `max` bytes in fragments:
 *
 *   Noise message = sealed { flags 1 | fragment }        at most 65535 bytes
 *   flags: 1 = last fragment, 2 = the message is deflated (in all its fragments); others zero
 *
 * Message 1 is followed by 16 bytes, as mac1 is in WireGuard: the keyed BLAKE2s of it under the BLAKE2s of
 * "tunnelmesh mac1" and the responder's static key. Whoever does not know that key costs no Diffie-Hellman.
 * The payload of message 1 is {"v":1,"deflate":1}, that of message 2 {"v":1}: an initiator takes deflated
 * messages (control/link/pack.h), a responder never does.
 */
#ifndef TM_CONTROL_LINK_SECURE_H
#define TM_CONTROL_LINK_SECURE_H

#include "crypto/hash.h"
#include "crypto/noise.h"

enum {
	SECURE_VERSION = 1,
	SECURE_HELLO_MAX = 512, /* room for either handshake message */
	SECURE_MAC = BLAKE2S_MAC_LEN,
	SECURE_OVERHEAD = 1 + AEAD_TAG,
	SECURE_FRAGMENT_MAX = NOISE_MSG_MAX - SECURE_OVERHEAD,
};

enum secure_flag { SECURE_LAST = 1, SECURE_PACKED = 2 };

struct secure {
	struct aead *aead; /* borrowed */
	struct noise *noise; /* until the handshake is through */
	struct noise_cipher tx, rx;
	uint8_t mac_key[HASH_LEN];
	uint8_t remote[DH_KEY]; /* the other side's static key, once its message has been read or looked at */
	char *text; /* message being put together, or the one handed out */
	size_t len, cap, max;
	bool ready; /* both handshake messages are through */
	bool may_receive_packed, may_send_packed;
	bool packed; /* the message being put together is */
};

/* key: our static one, borrowed until both handshake messages are through. remote: the responder's for an
 * initiator, NULL for a responder. */
NODISCARD int secure_init(struct secure *s, struct aead *a, enum noise_role role, const struct dh_key *key,
	const uint8_t *remote, size_t max);
void secure_deinit(struct secure *s);

/* Our handshake message; out holds SECURE_HELLO_MAX bytes. */
NODISCARD int secure_hello_write(struct secure *s, uint8_t *out, size_t *ret_n);
/* A responder's, before it reads: was msg written by somebody who knows our key? Costs two hashes. */
bool secure_hello_meant_for_us(const struct secure *s, const uint8_t *msg, size_t n);
/* A responder's: s->remote is who claims to speak, for one Diffie-Hellman of four. secure_hello_read of the
 * same message does the rest, and proves it. */
NODISCARD int secure_hello_look(struct secure *s, const uint8_t *msg, size_t n);
/* Theirs. TM_EVERSION when it is authentic but speaks another version; every other error means that it is not
 * authentic. */
NODISCARD int secure_hello_read(struct secure *s, const uint8_t *msg, size_t n);

/* In place: buf holds room for the flags at 0, n <= SECURE_FRAGMENT_MAX bytes of the message from 1 on, and
 * room for the tag. flags: enum secure_flag. */
NODISCARD int secure_seal(struct secure *s, uint8_t *buf, size_t n, unsigned flags);
/*
 * One Noise message. TM_OK: a whole message is in *ret_text, borrowed until secure_release. TM_EAGAIN: more
 * fragments follow. TM_EFULL: longer than max. TM_EAUTH: not authentic. TM_EBADMSG: malformed.
 */
NODISCARD int secure_open(
	struct secure *s, const uint8_t *msg, size_t n, const char **ret_text, size_t *ret_n);
void secure_release(struct secure *s); /* wipes and frees the message handed out */

#endif
