/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "foe.h"

#include <openssl/err.h>
#include <unistd.h>

#include "crypto/certificate.h"
#include "net/tls.h"
#include "os/os.h"

void foe_open(struct foe *f, int version)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	assert_non_null(context);
	assert_int_equal(SSL_CTX_set_min_proto_version(context, version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
	f->ssl = SSL_new(context);
	f->in = BIO_new(BIO_s_mem());
	f->out = BIO_new(BIO_s_mem());
	assert_true(f->ssl && f->in && f->out);
	SSL_set_bio(f->ssl, f->in, f->out);
	SSL_set_connect_state(f->ssl);
	SSL_CTX_free(context);
}

void foe_close(struct foe *f)
{
	SSL_free(f->ssl);
	ERR_clear_error();
}

struct ssl_ctx_st *foe_server_context(const char *folder)
{
	const struct certificate_terms terms = {.from = 1800000000, .until = 1900000000};
	struct ssl_ctx_st *context;
	struct diag d = {0};
	char path[96], *pem;
	size_t n;

	snprintf(path, sizeof(path), "%s/foe.pem", folder);
	assert_int_equal(certificate_make(&terms, &pem, &n), TM_OK);
	assert_int_equal(os_write_file(path, pem, n, 0600, &d), TM_OK);
	free(pem);
	if (tls_server_context(path, path, &context, &d) != TM_OK)
		fail_msg("%s", d.what);
	unlink(path);
	return context;
}

void foe_hears(struct foe *f, const void *p, size_t n)
{
	assert_int_equal(BIO_write(f->in, p, (int)n), n);
}

bool foe_shook_hands(struct foe *f)
{
	int done = SSL_do_handshake(f->ssl);

	assert_true(done == 1 || SSL_get_error(f->ssl, done) == SSL_ERROR_WANT_READ);
	return done == 1;
}

void foe_says(struct foe *f, const void *p, size_t n)
{
	assert_int_equal(SSL_write(f->ssl, p, (int)n), n);
}

void foe_renews_its_key(struct foe *f, bool asks_for_ours)
{
	assert_int_equal(SSL_key_update(f->ssl,
				 asks_for_ours ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED),
		1);
	assert_int_equal(SSL_do_handshake(f->ssl), 1);
}

void foe_wants_another_handshake(struct foe *f)
{
	assert_int_equal(SSL_renegotiate(f->ssl), 1);
	(void)SSL_do_handshake(f->ssl);
}

void foe_says_goodbye(struct foe *f)
{
	assert_int_equal(SSL_shutdown(f->ssl), 0);
}

size_t foe_sent(const struct foe *f)
{
	return BIO_ctrl_pending(f->out);
}

size_t foe_take(struct foe *f, void *p, size_t n)
{
	int got = foe_sent(f) ? BIO_read(f->out, p, (int)MIN(n, (size_t)INT32_MAX)) : 0;

	assert_true(got >= 0);
	return (size_t)got;
}

void foe_reads(struct foe *f, void *p, size_t n)
{
	for (size_t have = 0; have < n;) {
		int got = SSL_read(f->ssl, (uint8_t *)p + have, (int)(n - have));

		if (got <= 0)
			fail_msg("only %zu of %zu bytes came", have, n);
		have += (size_t)got;
	}
}
