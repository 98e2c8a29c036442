/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* TLS of a connection that goes on without its layers: straight on the socket. */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/release.h"
#include "net/tls.h"

enum { RECORD_MAX = 16 << 10 };

struct tls_io {
	SSL *ssl;
	/* Bytes that OpenSSL has sealed and the socket has not taken. It wants to be called again with as
	 * many, and looks at none of them. */
	size_t owed;
};

int tls_io_new(struct ssl_st *ssl_take, struct tls_io **ret_io)
{
	struct tls_io *io = calloc(1, sizeof(*io));

	if (!io)
		return TM_ENOMEM;
	io->ssl = ssl_take;
	*ret_io = io;
	return TM_OK;
}

void tls_io_attach(struct tls_io *io, int fd)
{
	SSL_set_mode(io->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_set_fd(io->ssl, fd); /* without memory for it reading fails, and the stream ends */
}

static int outcome(const struct tls_io *io, int result)
{
	int why = SSL_get_error(io->ssl, result);

	ERR_clear_error();
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return TM_EAGAIN;
	return why == SSL_ERROR_ZERO_RETURN ? TM_ECLOSED : TM_EIO;
}

int tls_io_read(void *ctx, uint8_t *p, size_t n, size_t *ret_n)
{
	struct tls_io *io = ctx;

	ERR_clear_error();
	int got = SSL_read(io->ssl, p, (int)MIN(n, (size_t)INT32_MAX));
	if (got <= 0)
		return outcome(io, got);
	*ret_n = (size_t)got;
	return TM_OK;
}

/*
 * What OpenSSL has sealed must be sent, so it counts as taken but for its last byte: whoever writes has begun
 * with it, and comes back with the rest.
 */
int tls_io_write(void *ctx, const uint8_t *p, size_t n, size_t *ret_n)
{
	static const uint8_t nothing[RECORD_MAX];
	struct tls_io *io = ctx;
	bool owes = io->owed != 0;
	size_t want = owes ? io->owed : MIN(n, (size_t)RECORD_MAX);

	ERR_clear_error();
	int sent = SSL_write(io->ssl, owes ? nothing : p, (int)want);
	if (sent > 0) {
		*ret_n = owes ? 1 : (size_t)sent;
		io->owed = 0;
		return TM_OK;
	}
	int err = outcome(io, sent);
	if (err != TM_EAGAIN || owes || want == 1)
		return err;
	io->owed = want;
	*ret_n = want - 1;
	return TM_OK;
}

bool tls_io_pending(void *ctx)
{
	const struct tls_io *io = ctx;

	return SSL_pending(io->ssl) > 0;
}

void tls_io_free(void *ctx)
{
	struct tls_io *io = ctx;

	if (!io)
		return;
	SSL_free(io->ssl);
	free(io);
}
