/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A peer that does as it likes: raw TCP to (or from) a control link, layer by layer. */
#ifndef TM_TEST_CONTROL_RAW_H
#define TM_TEST_CONTROL_RAW_H

#include "world.h"

#include "control/link/secure.h"
#include "wire/ws.h"

struct raw {
	struct world *w;
	int fd;
	bool eof;
	uint8_t in[64 << 10]; /* received and not looked at */
	size_t n;
	struct secure secure;
	struct dh_key *key;
	struct aead *aead;
};

void raw_connect(struct raw *r, struct world *w);
void raw_close(struct raw *r);
void raw_send(struct raw *r, const void *p, size_t n);
void raw_wait(struct raw *r, size_t n); /* until n bytes are in, or the end */
void raw_wait_eof(struct raw *r);
void raw_peek(struct raw *r); /* what is there now, and the end */
void raw_ask(struct raw *r); /* asks for a WebSocket */
void raw_upgrade(struct raw *r); /* ... and gets it; `in` is empty afterwards */
void raw_frame(struct raw *r, enum ws_opcode op, const void *p, size_t n);
size_t raw_hello(
	struct raw *r, const uint8_t *remote_key, uint8_t out[static SECURE_HELLO_MAX]); /* makes message 1 */
void raw_mac(const struct world *w, uint8_t *hello, size_t n); /* makes its mac fit what it has become */
void raw_noise(struct raw *r); /* the whole handshake */
void raw_text(struct raw *r, const char *text, size_t n, bool last);
uint16_t raw_close_code(struct raw *r); /* waits for the close frame; 0 when the end comes without one */

#endif
