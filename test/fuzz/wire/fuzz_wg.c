/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A message is what its class says, and its header survives decoding and encoding. */
#include "fuzz/fuzz.h"
#include "wire/wg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum wg_type type = wg_classify(data, size);
	struct wg_init init;
	struct wg_response response;
	struct wg_cookie_reply cookie;
	struct wg_data msg;
	uint8_t out[WG_COOKIE_REPLY_LEN];

	assert((wg_init_decode(data, size, &init) == TM_OK) == (type == WG_INIT));
	assert((wg_response_decode(data, size, &response) == TM_OK) == (type == WG_RESPONSE));
	assert((wg_cookie_reply_decode(data, size, &cookie) == TM_OK) == (type == WG_COOKIE_REPLY));
	assert((wg_data_decode(data, size, &msg) == TM_OK) == (type == WG_DATA));

	switch (type) {
	case WG_INIT:
		wg_init_header(out, init.sender);
		assert(memcmp(out, data, WG_INIT_NOISE) == 0);
		assert(init.noise + init.noise_len == init.mac1 && init.mac2 + WG_MAC == data + size);
		break;
	case WG_RESPONSE:
		wg_response_header(out, response.sender, response.receiver);
		assert(memcmp(out, data, WG_RESPONSE_NOISE) == 0);
		assert(response.noise + response.noise_len == response.mac1 &&
			response.mac2 + WG_MAC == data + size);
		break;
	case WG_COOKIE_REPLY:
		wg_cookie_reply_encode(out, cookie.receiver, cookie.nonce, cookie.sealed);
		assert(memcmp(out, data, size) == 0);
		break;
	case WG_DATA:
		wg_data_header(out, msg.receiver, msg.counter);
		assert(memcmp(out, data, WG_DATA_HEADER) == 0);
		assert(msg.sealed + msg.sealed_len == data + size && msg.sealed_len >= WG_TAG);
		break;
	}
	return 0;
}
