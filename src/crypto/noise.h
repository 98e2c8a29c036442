/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Noise protocol framework, revision 34, with 25519, ChaChaPoly and BLAKE2s. One symmetric state and one
 * pattern engine (patterns are tables of tokens) serve Noise_IK for the control link and Noise_IKpsk2 for the
 * data plane. It lives in crypto/ because both planes use it. No I/O, no clock; entropy is an argument. Any
 * one thread at a time.
 */
#ifndef TM_CRYPTO_NOISE_H
#define TM_CRYPTO_NOISE_H

#include "crypto/aead.h"
#include "crypto/dh.h"
#include "crypto/hash.h"

enum { NOISE_MSG_MAX = 65535, NOISE_PSK = 32 };

/* IKpsk0 and IKpsk1 are not used on the wire: the engine gets them for a row each, and the vector files hold
 * them. */
enum noise_pattern { NOISE_IK, NOISE_IKPSK2, NOISE_IKPSK1, NOISE_IKPSK0, NOISE_PATTERN_N };
enum noise_role { NOISE_INITIATOR, NOISE_RESPONDER };

/* "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s" -> NOISE_IKPSK2; TM_EUNSUPPORTED for others. */
NODISCARD int noise_pattern_parse(const char *protocol_name, enum noise_pattern *ret_pattern);
const char *noise_pattern_name(enum noise_pattern p);

struct noise_cipher {
	uint8_t key[AEAD_KEY];
	uint64_t n;
	bool has_key;
};

struct noise {
	enum noise_pattern pattern;
	enum noise_role role;
	uint8_t ck[HASH_LEN], h[HASH_LEN];
	struct noise_cipher cipher;
	const struct dh_key *s; /* local static, borrowed */
	uint8_t e_priv[DH_KEY], e_pub[DH_KEY]; /* local ephemeral */
	uint8_t rs[DH_KEY], re[DH_KEY]; /* remote static (known or received), remote ephemeral */
	uint8_t psk[NOISE_PSK];
	uint8_t step; /* messages so far */
	uint8_t token; /* of the message being read: tokens done, */
	uint16_t at; /* and bytes used */
	bool has_rs, failed, done;
	/*
	 * Optional precomputed DH(s, rs), so that WireGuard pays it once per peer and not per handshake. Used
	 * when set and rs equals ss_for.
	 */
	uint8_t ss[DH_KEY], ss_for[DH_KEY];
	bool has_ss;
};

struct noise_config {
	enum noise_pattern pattern;
	enum noise_role role;
	const void *prologue;
	size_t prologue_len;
	const struct dh_key *s; /* our static key; borrowed until the handshake is done */
	const uint8_t *rs; /* initiator: the responder's static public key. Responder: NULL */
	const uint8_t *psk; /* NOISE_PSK bytes for psk patterns; NULL = all zeros, may be set later by
			       noise_set_psk */
};

NODISCARD int noise_init(struct noise *n, const struct noise_config *cfg);
void noise_deinit(struct noise *n); /* wipes */

/*
 * A responder learns which psk to use only after it has read the initiator's static key: call before writing.
 */
void noise_set_psk(struct noise *n, const uint8_t psk[static NOISE_PSK]);

/*
 * The next handshake message. e_priv is the fresh ephemeral private key (each message of ours has an `e`
 * token). Writes payload_len + overhead bytes; *ret_n says how many. TM_EFULL, TM_ECRYPTO,
 * TM_EPROTO (not our turn).
 */
NODISCARD int noise_write(struct noise *n, struct aead *a, const uint8_t e_priv[static DH_KEY],
	const void *payload, size_t payload_len, uint8_t *out, size_t out_len, size_t *ret_n);

/*
 * The first part of reading a message, up to and with the sender's static key: a responder learns who claims
 * to speak (n->rs) for one Diffie-Hellman, and may call noise_set_ss. It proves nothing yet; noise_read of
 * the same message does the rest. TM_EPROTO for an initiator, who knows whom it speaks to.
 */
NODISCARD int noise_read_static(struct noise *n, struct aead *a, const uint8_t *msg, size_t msg_len);
/* DH(s, rs), known from before. rs is known already. */
void noise_set_ss(struct noise *n, const uint8_t ss[static DH_KEY]);

/* Consumes a handshake message. On an error the state is unusable (failed). payload_out holds at least n
 * bytes. */
NODISCARD int noise_read(struct noise *n, struct aead *a, const uint8_t *msg, size_t msg_len,
	uint8_t *payload_out, size_t *ret_payload_len);

/* After the last message (done): the keys for sending and receiving from our side; the state is wiped but for
 * h and rs. */
NODISCARD int noise_split(struct noise *n, struct noise_cipher *ret_send, struct noise_cipher *ret_recv);

/*
 * Transport messages under a split cipher: nonce counts up; TM_EPROTO when it is exhausted. out may equal in.
 */
NODISCARD int noise_cipher_seal(struct noise_cipher *c, struct aead *a, const void *ad, size_t ad_len,
	const uint8_t *in, size_t n, uint8_t *out);
NODISCARD int noise_cipher_open(struct noise_cipher *c, struct aead *a, const void *ad, size_t ad_len,
	const uint8_t *in, size_t n, uint8_t *out);

#endif
