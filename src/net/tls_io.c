/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * TLS of a connection that goes on without its layers: straight on the socket, in as few system calls as
 * there can be. Records are read ahead, so that the head of each costs none; what is written at once is
 * sealed into one piece of memory and leaves with one call, where OpenSSL would make one for each record, and
 * wake whoever sends it on for each.
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "net/release.h"
#include "net/tls.h"
#include "net/tls_patience.h"
#include "os/tcp.h"

enum {
	WRITE_MAX = 64 << 10, /* at once */
	RECORD_MAX = 16 << 10,
	OVERHEAD_MAX = 64, /* of a record: 22 bytes in TLS 1.3, a little more before */
	SEALED_MAX = WRITE_MAX + WRITE_MAX / RECORD_MAX * OVERHEAD_MAX,
	OUT_MAX = SEALED_MAX + (4 << 10), /* with answers to new keys of the other end's */
};

struct tls_io {
	SSL *ssl;
	struct tls_patience patience;
	int fd;
	/* The socket gave less than it was asked for: what OpenSSL asks next is not there. Once, then it is
	 * asked again. */
	bool dry;
	/* Sealed, and not sent yet: out + sent, n_out bytes from out on. NULL: nothing is. */
	uint8_t *out;
	size_t sent, n_out, out_cap;
	bool owes; /* the last byte of what was taken counts as taken when all of that is sent */
};

/* --- below OpenSSL --- */

static int bio_read(BIO *bio, char *p, int n)
{
	struct tls_io *io = BIO_get_data(bio);
	size_t got = 0;
	int err = io->dry ? TM_EAGAIN : tcp_recv(io->fd, p, (size_t)n, &got);

	BIO_clear_retry_flags(bio);
	io->dry = got > 0 && got < (size_t)n;
	if (!err)
		return (int)got;
	if (err == TM_EAGAIN)
		BIO_set_retry_read(bio);
	return err == TM_ECLOSED ? 0 : -1;
}

static int bio_write(BIO *bio, const char *p, int n)
{
	struct tls_io *io = BIO_get_data(bio);
	const size_t need = io->n_out + (size_t)n;

	BIO_clear_retry_flags(bio);
	if (need > OUT_MAX)
		return -1; /* who asks for answers and reads none */
	if (need > io->out_cap) {
		uint8_t *grown = realloc(io->out, need);

		if (!grown)
			return -1;
		io->out = grown;
		io->out_cap = need;
	}
	memcpy(io->out + io->n_out, p, (size_t)n);
	io->n_out = need;
	return n;
}

static long bio_ctrl(BIO *bio UNUSED, int what, long arg UNUSED, void *p UNUSED)
{
	return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method; /* one for the process, as in tls.c */
static CRYPTO_ONCE method_once = CRYPTO_ONCE_STATIC_INIT;

static void method_make(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");

	if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
		BIO_meth_set_ctrl(m, bio_ctrl))
		method = m;
}

/* --- life --- */

int tls_io_new(struct ssl_st *ssl_take, struct tls_io **ret_io)
{
	struct tls_io *io = calloc(1, sizeof(*io));

	if (!io)
		return TM_ENOMEM;
	io->ssl = ssl_take;
	io->fd = -1;
	tls_patience_set(&io->patience, io->ssl);
	*ret_io = io;
	return TM_OK;
}

void tls_io_attach(struct tls_io *io, int fd)
{
	BIO *bio = CRYPTO_THREAD_run_once(&method_once, method_make) && method ? BIO_new(method) : NULL;

	io->fd = fd;
	if (bio) {
		BIO_set_data(bio, io);
		BIO_set_init(bio, 1);
	}
	SSL_set_bio(io->ssl, bio, bio); /* without memory for it reading fails, and the stream ends */
}

void tls_io_free(void *ctx)
{
	struct tls_io *io = ctx;

	if (!io)
		return;
	SSL_free(io->ssl);
	free(io->out);
	free(io);
}

/* --- bytes --- */

/* TM_EAGAIN: some of it is still here. */
static int send_out(struct tls_io *io)
{
	size_t n = 0;
	int err = io->out ? tcp_send(io->fd, io->out + io->sent, io->n_out - io->sent, &n) : TM_OK;

	if (err)
		return err;
	io->sent += n;
	if (io->sent < io->n_out)
		return TM_EAGAIN;
	free(TAKE(io->out)); /* thousands of idle streams have none */
	io->sent = io->n_out = io->out_cap = 0;
	return TM_OK;
}

static int outcome(const struct tls_io *io, int result)
{
	int why = SSL_get_error(io->ssl, result);

	ERR_clear_error();
	if (why == SSL_ERROR_WANT_READ)
		return TM_EAGAIN;
	return why == SSL_ERROR_ZERO_RETURN && !io->patience.lost ? TM_ECLOSED : TM_EIO;
}

int tls_io_read(void *ctx, uint8_t *p, size_t n, size_t *ret_n)
{
	struct tls_io *io = ctx;
	const size_t out = io->n_out;

	if (!SSL_has_pending(io->ssl))
		SSL_set_read_ahead(io->ssl, 1);
	ERR_clear_error();
	int got = SSL_read(io->ssl, p, (int)MIN(n, (size_t)INT32_MAX));
	/* An answer to the other side's new key; if it does not leave now it does before what is next. */
	if (io->n_out > out)
		(void)send_out(io);
	if (got <= 0)
		return outcome(io, got);
	tls_patience_data(&io->patience, (size_t)got);
	*ret_n = (size_t)got;
	return TM_OK;
}

static int seal(struct tls_io *io, const uint8_t *p, size_t n)
{
	io->out = malloc(SEALED_MAX);
	if (!io->out)
		return TM_ENOMEM;
	io->out_cap = SEALED_MAX;
	ERR_clear_error();
	int sealed = SSL_write(io->ssl, p, (int)n); /* all, since memory does not make it wait */
	return sealed == (int)n ? TM_OK : outcome(io, sealed);
}

/*
 * What is sealed must be sent, so it counts as taken but for its last byte: whoever writes has begun with it,
 * and comes back with the rest.
 */
int tls_io_write(void *ctx, const uint8_t *p, size_t n, size_t *ret_n)
{
	struct tls_io *io = ctx;
	const size_t want = MIN(n, (size_t)WRITE_MAX);
	int err = send_out(io);

	if (err)
		return err;
	if (io->owes) {
		io->owes = false;
		*ret_n = 1;
		return TM_OK;
	}
	err = seal(io, p, want);
	if (err)
		return err == TM_EAGAIN ? TM_EIO : err;
	err = send_out(io);
	if (err && err != TM_EAGAIN)
		return err;
	io->owes = err == TM_EAGAIN;
	*ret_n = want - io->owes;
	return *ret_n ? TM_OK : TM_EAGAIN;
}

bool tls_io_pending(void *ctx)
{
	const struct tls_io *io = ctx;

	/* From now on until nothing is: else reading that would never end while the other side sends. */
	SSL_set_read_ahead(io->ssl, 0);
	return SSL_has_pending(io->ssl);
}
