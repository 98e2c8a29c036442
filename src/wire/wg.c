/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/wg.h"

/* The type byte and the three reserved zero bytes, read as one little-endian number. */
enum wg_type wg_classify(const uint8_t *p, size_t n)
{
	if (n < 4)
		return 0;

	switch (get_le32(p)) {
	case WG_INIT:
		return n == WG_INIT_LEN ? WG_INIT : 0;
	case WG_RESPONSE:
		return n == WG_RESPONSE_LEN ? WG_RESPONSE : 0;
	case WG_COOKIE_REPLY:
		return n == WG_COOKIE_REPLY_LEN ? WG_COOKIE_REPLY : 0;
	case WG_DATA:
		return n >= WG_DATA_MIN ? WG_DATA : 0;
	default:
		return 0;
	}
}

/* The fixed-length messages have exactly their length; only data messages vary. */
static int expect(const uint8_t *p, size_t n, enum wg_type type, size_t len)
{
	if (n < len)
		return TM_ESHORT;
	if (n > len || get_le32(p) != type)
		return TM_EBADMSG;
	return TM_OK;
}

int wg_init_decode(const uint8_t *p, size_t n, struct wg_init *ret_msg)
{
	int err = expect(p, n, WG_INIT, WG_INIT_LEN);
	if (err)
		return err;

	*ret_msg = (struct wg_init){
		.sender = get_le32(p + 4),
		.noise = p + WG_INIT_NOISE,
		.noise_len = WG_INIT_MAC1 - WG_INIT_NOISE,
		.mac1 = p + WG_INIT_MAC1,
		.mac2 = p + WG_INIT_MAC2,
	};
	return TM_OK;
}

int wg_response_decode(const uint8_t *p, size_t n, struct wg_response *ret_msg)
{
	int err = expect(p, n, WG_RESPONSE, WG_RESPONSE_LEN);
	if (err)
		return err;

	*ret_msg = (struct wg_response){
		.sender = get_le32(p + 4),
		.receiver = get_le32(p + 8),
		.noise = p + WG_RESPONSE_NOISE,
		.noise_len = WG_RESPONSE_MAC1 - WG_RESPONSE_NOISE,
		.mac1 = p + WG_RESPONSE_MAC1,
		.mac2 = p + WG_RESPONSE_MAC2,
	};
	return TM_OK;
}

int wg_cookie_reply_decode(const uint8_t *p, size_t n, struct wg_cookie_reply *ret_msg)
{
	int err = expect(p, n, WG_COOKIE_REPLY, WG_COOKIE_REPLY_LEN);
	if (err)
		return err;

	*ret_msg = (struct wg_cookie_reply){
		.receiver = get_le32(p + 4),
		.nonce = p + 8,
		.sealed = p + 8 + WG_COOKIE_NONCE,
	};
	return TM_OK;
}

int wg_data_decode(const uint8_t *p, size_t n, struct wg_data *ret_msg)
{
	if (n < WG_DATA_MIN)
		return TM_ESHORT;
	if (get_le32(p) != WG_DATA)
		return TM_EBADMSG;

	*ret_msg = (struct wg_data){
		.receiver = get_le32(p + 4),
		.counter = get_le64(p + 8),
		.sealed = p + WG_DATA_HEADER,
		.sealed_len = n - WG_DATA_HEADER,
	};
	return TM_OK;
}

void wg_init_header(uint8_t out[static WG_INIT_NOISE], uint32_t sender)
{
	put_le32(out, WG_INIT);
	put_le32(out + 4, sender);
}

void wg_response_header(uint8_t out[static WG_RESPONSE_NOISE], uint32_t sender, uint32_t receiver)
{
	put_le32(out, WG_RESPONSE);
	put_le32(out + 4, sender);
	put_le32(out + 8, receiver);
}

void wg_data_header(uint8_t out[static WG_DATA_HEADER], uint32_t receiver, uint64_t counter)
{
	put_le32(out, WG_DATA);
	put_le32(out + 4, receiver);
	put_le64(out + 8, counter);
}

void wg_cookie_reply_encode(uint8_t out[static WG_COOKIE_REPLY_LEN], uint32_t receiver,
	const uint8_t nonce[static WG_COOKIE_NONCE], const uint8_t sealed[static WG_SEALED(WG_COOKIE)])
{
	put_le32(out, WG_COOKIE_REPLY);
	put_le32(out + 4, receiver);
	memcpy(out + 8, nonce, WG_COOKIE_NONCE);
	memcpy(out + 8 + WG_COOKIE_NONCE, sealed, WG_SEALED(WG_COOKIE));
}
