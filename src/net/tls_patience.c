/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/tls_patience.h"

#include <openssl/ssl.h>

#include "base/util.h"

/* The head of a record, in clear: says "handshake" in TLS 1.2 alone, where 1.3 has data for everything. */
static bool begins_another_handshake(SSL *ssl, int type, const uint8_t *p, size_t n)
{
	return type == SSL3_RT_HEADER && n > 0 && p[0] == SSL3_RT_HANDSHAKE && SSL_is_init_finished(ssl);
}

static void on_message(
	int ours, int version UNUSED, int type, const void *p, size_t n, struct ssl_st *ssl, void *arg)
{
	struct tls_patience *t = arg;

	if (ours)
		return;
	if (type == SSL3_RT_HANDSHAKE && t->left > 0)
		t->left--;
	else if (type == SSL3_RT_HANDSHAKE || begins_another_handshake(ssl, type, p, n))
		t->lost = true;
	/* The one way to stop OpenSSL from here: it throws away what follows and returns. */
	if (t->lost)
		SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

void tls_patience_set(struct tls_patience *t, struct ssl_st *ssl)
{
	*t = (struct tls_patience){.left = TLS_BESIDES_MAX};
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, t);
}

void tls_patience_data(struct tls_patience *t, size_t n)
{
	t->data += n;
	t->left = (unsigned)MIN(t->left + t->data / TLS_BESIDES_BYTES, (size_t)TLS_BESIDES_MAX);
	t->data %= TLS_BESIDES_BYTES;
}
