/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * WireGuard messages, byte for byte (WireGuard whitepaper, 5.4). Pure codecs: decode borrows from the
 * datagram.
 *
 *   initiation   type=1 0 0 0 | sender 4 | ephemeral 32 | static 32+16 | timestamp 12+16 | mac1 16 | mac2 16
 *   response     type=2 0 0 0 | sender 4 | receiver 4 | ephemeral 32 | empty 0+16 | mac1 16 | mac2 16
 *   cookie reply type=3 0 0 0 | receiver 4 | nonce 24 | cookie 16+16
 *   data         type=4 0 0 0 | receiver 4 | counter 8 | packet n+16
 */
#ifndef TM_WIRE_WG_H
#define TM_WIRE_WG_H

#include "base/bytes.h"
#include "base/err.h"

enum wg_type { WG_INIT = 1, WG_RESPONSE = 2, WG_COOKIE_REPLY = 3, WG_DATA = 4 };

enum { WG_KEY = 32, WG_TAG = 16, WG_TAI64N = 12, WG_MAC = 16, WG_COOKIE = 16, WG_COOKIE_NONCE = 24 };
#define WG_SEALED(n) ((n) + WG_TAG)
enum {
	WG_INIT_LEN = 4 + 4 + WG_KEY + WG_SEALED(WG_KEY) + WG_SEALED(WG_TAI64N) + 2 * WG_MAC,
	WG_RESPONSE_LEN = 4 + 4 + 4 + WG_KEY + WG_SEALED(0) + 2 * WG_MAC,
	WG_COOKIE_REPLY_LEN = 4 + 4 + WG_COOKIE_NONCE + WG_SEALED(WG_COOKIE),
	WG_DATA_INDEX = 4, /* where the receiver index is */
	WG_DATA_HEADER = 4 + 4 + 8,
	WG_DATA_OVERHEAD = WG_DATA_HEADER + WG_TAG,
	WG_DATA_MIN = WG_DATA_OVERHEAD, /* a keepalive */
};
_Static_assert(WG_INIT_LEN == 148, "whitepaper 5.4.2");
_Static_assert(WG_RESPONSE_LEN == 92, "whitepaper 5.4.3");
_Static_assert(WG_COOKIE_REPLY_LEN == 64, "whitepaper 5.4.7");
_Static_assert(WG_DATA_OVERHEAD == 32, "whitepaper 5.4.6");

/* Offsets at which the MACs start: mac1 covers everything before it, mac2 everything before it including
 * mac1. */
enum {
	WG_INIT_MAC1 = WG_INIT_LEN - 2 * WG_MAC,
	WG_INIT_MAC2 = WG_INIT_LEN - WG_MAC,
	WG_RESPONSE_MAC1 = WG_RESPONSE_LEN - 2 * WG_MAC,
	WG_RESPONSE_MAC2 = WG_RESPONSE_LEN - WG_MAC,
	/* The Noise message inside starts after these many bytes and ends at mac1. */
	WG_INIT_NOISE = 8,
	WG_RESPONSE_NOISE = 12,
};

/* The message type if p is a WireGuard message by its first four bytes and a length that type can have; else
 * 0. */
enum wg_type wg_classify(const uint8_t *p, size_t n);

struct wg_init {
	uint32_t sender;
	const uint8_t *noise; /* ephemeral, sealed static, sealed timestamp */
	size_t noise_len;
	const uint8_t *mac1, *mac2;
};
struct wg_response {
	uint32_t sender, receiver;
	const uint8_t *noise;
	size_t noise_len;
	const uint8_t *mac1, *mac2;
};
struct wg_cookie_reply {
	uint32_t receiver;
	const uint8_t *nonce, *sealed; /* WG_COOKIE_NONCE, WG_SEALED(WG_COOKIE) */
};
struct wg_data {
	uint32_t receiver;
	uint64_t counter;
	const uint8_t *sealed;
	size_t sealed_len; /* >= WG_TAG */
};

NODISCARD int wg_init_decode(const uint8_t *p, size_t n, struct wg_init *ret_msg);
NODISCARD int wg_response_decode(const uint8_t *p, size_t n, struct wg_response *ret_msg);
NODISCARD int wg_cookie_reply_decode(const uint8_t *p, size_t n, struct wg_cookie_reply *ret_msg);
NODISCARD int wg_data_decode(const uint8_t *p, size_t n, struct wg_data *ret_msg);

/* Headers only: the caller fills the Noise part and the MACs in place. */
void wg_init_header(uint8_t out[static WG_INIT_NOISE], uint32_t sender);
void wg_response_header(uint8_t out[static WG_RESPONSE_NOISE], uint32_t sender, uint32_t receiver);
void wg_data_header(uint8_t out[static WG_DATA_HEADER], uint32_t receiver, uint64_t counter);
void wg_cookie_reply_encode(uint8_t out[static WG_COOKIE_REPLY_LEN], uint32_t receiver,
	const uint8_t nonce[static WG_COOKIE_NONCE], const uint8_t sealed[static WG_SEALED(WG_COOKIE)]);

/* Length after padding to 16 bytes, never beyond the MTU (whitepaper 5.4.6). */
static inline size_t wg_padded(size_t n, size_t mtu)
{
	size_t padded = (n + 15) & ~(size_t)15;

	if (padded > mtu)
		padded = n > mtu ? n : mtu;
	return padded;
}

#endif
