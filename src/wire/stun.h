/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * STUN (RFC 8489): Binding requests and responses with MESSAGE-INTEGRITY-SHA256 and FINGERPRINT. Pure codecs.
 *
 * TunnelMesh answers no stranger: every request carries USERNAME "<receiver node id>:<sender node id>" and an
 * integrity tag under a key that only the two nodes can compute. The 96-bit transaction ID starts with a
 * 64-bit big-endian timestamp (nanoseconds, strictly increasing per sender) so that a replayed request can be
 * told and stays unanswered.
 *
 * No answer is ever longer than its question, so that whoever sends with a forged source address gains
 * nothing by it: questions are padded (pad_to). Nor is an answer to a check padded: which length passes in
 * a direction is found out by who sends in it (RFC 8899; docs/protocol.md, section 2).
 */
#ifndef TM_WIRE_STUN_H
#define TM_WIRE_STUN_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/err.h"

enum {
	STUN_HEADER = 20,
	STUN_TXID = 12,
	STUN_KEY = 32,
	STUN_MAX = 1500, /* bytes of a message: padded ones find the length that a path carries */
	STUN_USERNAME_MAX = 64,
	STUN_COOKIE = 8,
	STUN_CANDIDATES_MAX = 512, /* bytes of a CANDIDATES attribute; longer ones are refused */
};
#define STUN_MAGIC 0x2112A442u

enum stun_class { STUN_REQUEST = 0, STUN_INDICATION = 1, STUN_SUCCESS = 2, STUN_ERROR = 3 };

/* True for anything that starts like STUN: top two bits zero, magic cookie, length a multiple of 4 that fits
 * n. */
bool stun_classify(const uint8_t *p, size_t n);

/*
 * GUESS-PORTS, ours: the two sides of a relayed path agree to look for a mapping by guessing, or to try fresh
 * ports at one moment (docs/protocol.md, section 2). IPv4 alone, obscured like XOR-MAPPED-ADDRESS.
 */
enum { STUN_GUESS_MAX = 8 };
enum stun_guess_role {
	STUN_GUESS_NONE,
	STUN_GUESS_OPENS,
	STUN_GUESS_GUESSES,
	STUN_GUESS_OFFERS,
	STUN_GUESS_MEETS
};
struct stun_guess {
	enum stun_guess_role role; /* of the sender; NONE when absent */
	uint8_t later_ms; /* in an answer: what both agree on comes so much later */
	uint8_t n;
	/* Where the world sees the sender. OFFERS, MEETS: the first of its fresh ports. */
	struct endpoint seen[STUN_GUESS_MAX];
};

struct stun_msg {
	enum stun_class class;
	uint16_t method; /* 1 = Binding */
	uint8_t txid[STUN_TXID];
	char username[STUN_USERNAME_MAX + 1]; /* empty when absent */
	struct endpoint mapped; /* XOR-MAPPED-ADDRESS; family IP_NONE when absent */
	uint32_t priority; /* 0 when absent (RFC 8445 7.1.1) */
	bool use_candidate;
	/* Registration with a relay (docs/protocol.md, section 2) */
	bool has_lifetime, has_cookie;
	uint32_t lifetime_s; /* LIFETIME (RFC 8656 18.1): asked for or granted; 0 = end it, or none */
	uint8_t cookie[STUN_COOKIE]; /* RELAY-COOKIE */
	/* What a translator does (RFC 5780 7.2 to 7.4) */
	bool change_ip, change_port; /* CHANGE-REQUEST: answer from elsewhere */
	struct endpoint other, origin; /* OTHER-ADDRESS, RESPONSE-ORIGIN; family IP_NONE when absent */
	/* CANDIDATES, ours: a sealed list (control/path/tell.h); borrowed, NULL when absent */
	const uint8_t *candidates;
	size_t candidates_len;
	struct stun_guess guess;
	/* PADDING (RFC 5780 7.6), which encoding adds: the message gets this length, a multiple of 4; 0, or
	 * what it has without: none. Decoding leaves it 0. */
	uint16_t pad_to;
	uint16_t error_code;
	uint16_t unknown[8]; /* comprehension-required attributes not understood (RFC 8489 6.3.1) */
	uint8_t n_unknown;
	/* integrity, checked by stun_verify */
	const uint8_t *integrity_sha256; /* borrowed; NULL when absent */
	size_t integrity_at; /* offset of that attribute in the message */
	size_t integrity_len; /* 16..32, truncation as RFC 8489 14.6 */
	const uint8_t *integrity_sha1; /* RFC 5769 vectors */
	size_t integrity_sha1_at;
	bool has_fingerprint; /* present and right (a wrong one is TM_EBADMSG) */
};

NODISCARD int stun_decode(const uint8_t *p, size_t n, struct stun_msg *ret_msg);

/* The message's MESSAGE-INTEGRITY-SHA256 (full length only) under key. TM_EAUTH. Attributes after it are not
   trusted: stun_decode ignores them except FINGERPRINT. */
NODISCARD int stun_verify(
	const uint8_t *p, size_t n, const struct stun_msg *m, const uint8_t key[static STUN_KEY]);
/* MESSAGE-INTEGRITY (HMAC-SHA1) with a key of any length: only for the public vectors. */
NODISCARD int stun_verify_sha1(
	const uint8_t *p, size_t n, const struct stun_msg *m, const void *key, size_t key_len);

/* Encodes what is set in m (all but unknown, which goes with error 420), then integrity under key (unless key
   is NULL) and fingerprint. Returns the length; 0 when out_len is too small, or pad_to for what m says. */
size_t stun_encode(const struct stun_msg *m, const uint8_t *key, uint8_t *out, size_t out_len);

#endif
