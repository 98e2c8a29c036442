/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "raw.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "os/sockaddr.h"
#include "wire/upgrade.h"

static const uint8_t mask[WS_MASK] = {1, 2, 3, 4};

void raw_connect(struct raw *r, struct world *w)
{
	struct sockaddr_storage ss;
	struct endpoint ep;

	*r = (struct raw){.w = w};
	assert_int_equal(endpoint_parse(w->address, &ep), TM_OK);
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(r->fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(aead_new(&r->aead), TM_OK);
	world_turn(w);
}

void raw_close(struct raw *r)
{
	close(r->fd);
	aead_free(r->aead);
	secure_deinit(&r->secure);
	dh_key_free(r->key);
}

/* What the other side does not take any more is not an error: it may have hung up already. */
void raw_send(struct raw *r, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n > 0) {
		ssize_t sent = send(r->fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		world_turn(r->w);
		if (sent < 0 && errno != EAGAIN)
			return;
		if (sent > 0) {
			at += sent;
			n -= (size_t)sent;
		}
	}
}

void raw_peek(struct raw *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};

	world_turn(r->w);
	if (poll(&p, 1, 1) <= 0)
		return;

	assert_true(r->n < sizeof(r->in));
	ssize_t n = recv(r->fd, r->in + r->n, sizeof(r->in) - r->n, 0);
	if (n > 0) {
		r->n += (size_t)n;
		return;
	}
	r->eof = true;
	(void)shutdown(r->fd, SHUT_RDWR); /* hangs up too, else the other side would wait for it */
}

void raw_wait(struct raw *r, size_t n)
{
	ns_t end = time_monotonic() + 40 * SEC;

	while (r->n < n && !r->eof) {
		raw_peek(r);
		if (time_monotonic() > end)
			fail_msg("waited 40 s for %zu bytes, have %zu", n, r->n);
	}
}

void raw_wait_eof(struct raw *r)
{
	raw_wait(r, sizeof(r->in));
	assert_true(r->eof);
}

static void raw_drop(struct raw *r, size_t n)
{
	memmove(r->in, r->in + n, r->n - n);
	r->n -= n;
}

void raw_ask(struct raw *r)
{
	static const char text[] =
		"GET /control HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

	raw_send(r, text, sizeof(text) - 1);
}

void raw_upgrade(struct raw *r)
{
	raw_ask(r);
	for (size_t want = 1;; want = r->n + 1) {
		raw_wait(r, want);
		assert_false(r->eof);
		uint8_t *end = memmem(r->in, r->n, "\r\n\r\n", 4);
		if (end) {
			assert_memory_equal(r->in, "HTTP/1.1 101", 12);
			raw_drop(r, (size_t)(end + 4 - r->in));
			return;
		}
	}
}

void raw_frame(struct raw *r, enum ws_opcode op, const void *p, size_t n)
{
	uint8_t *out = malloc(n + WS_HEADER_MAX);
	size_t len = ws_encode(op, p, n, mask, out, n + WS_HEADER_MAX);

	assert_true(len > 0);
	raw_send(r, out, len);
	free(out);
}

size_t raw_hello(struct raw *r, const uint8_t *remote_key, uint8_t out[static SECURE_HELLO_MAX])
{
	size_t n;

	assert_int_equal(dh_key_new(r->w->node.x_priv, &r->key), TM_OK);
	assert_int_equal(
		secure_init(&r->secure, r->aead, NOISE_INITIATOR, r->key, remote_key, CLINK_MSG_MAX), TM_OK);
	assert_int_equal(secure_hello_write(&r->secure, out, &n), TM_OK);
	return n;
}

void raw_mac(const struct world *w, uint8_t *hello, size_t n)
{
	const struct hash_part parts[] = {{"tunnelmesh mac1", 15}, {w->coordinator.x_pub, DH_KEY}};
	uint8_t key[HASH_LEN];

	blake2s(parts, ARRAY_LEN(parts), key);
	blake2s_mac(key, sizeof(key), hello, n - SECURE_MAC, hello + n - SECURE_MAC);
}

void raw_noise(struct raw *r)
{
	uint8_t hello[SECURE_HELLO_MAX];

	raw_upgrade(r);
	raw_frame(r, WS_BINARY, hello, raw_hello(r, r->w->coordinator.x_pub, hello));
	raw_wait(r, 2);
	assert_int_equal(r->in[0], 0x82); /* one whole binary frame, shorter than 126 bytes */
	raw_wait(r, 2u + r->in[1]);
	assert_false(r->eof);
	assert_int_equal(secure_hello_read(&r->secure, r->in + 2, r->in[1]), TM_OK);
	raw_drop(r, 2u + r->in[1]);
}

void raw_text(struct raw *r, const char *text, size_t n, bool last)
{
	uint8_t *buf = malloc(n + SECURE_OVERHEAD);

	memcpy(buf + 1, text, n);
	assert_int_equal(secure_seal(&r->secure, buf, n, last ? SECURE_LAST : 0), TM_OK);
	raw_frame(r, WS_BINARY, buf, n + SECURE_OVERHEAD);
	free(buf);
}

uint16_t raw_close_code(struct raw *r)
{
	raw_wait_eof(r);
	for (size_t at = 0; at + 4 <= r->n; at += 2u + r->in[at + 1])
		if (r->in[at] == 0x88)
			return (uint16_t)(r->in[at + 2] << 8 | r->in[at + 3]);
	return 0;
}
