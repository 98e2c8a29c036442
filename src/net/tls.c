/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/secret.h"
#include "net/tls_patience.h"
#include "wire/client_hello.h"

enum { RECORD_MAX = 16 << 10, WHY_MAX = 160 };

/* WAITING (a server's, for the first byte) -> PLAIN, or -> SHAKING -> OPEN -> ENDED. */
enum phase { WAITING, PLAIN, SHAKING, OPEN, ENDED };

struct tls {
	struct net_layer layer;
	enum phase phase;
	const struct tls_door *door; /* NULL: a client */
	SSL *ssl; /* from SHAKING on */
	struct tls_patience patience; /* with it */
	/* What has come and OpenSSL has not read yet: of the present call of `input` only. */
	const uint8_t *in;
	size_t n_in;
	struct client_hello hello;
};

static struct tls *tls_of(struct net_layer *l)
{
	return CONTAINER_OF(l, struct tls, layer);
}

/* --- below OpenSSL: bytes of the layer below, without a buffer between --- */

static int bio_read(BIO *bio, char *p, int n)
{
	struct tls *t = BIO_get_data(bio);
	size_t take = MIN((size_t)n, t->n_in);

	BIO_clear_retry_flags(bio);
	if (take == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(p, t->in, take);
	t->in += take;
	t->n_in -= take;
	return (int)take;
}

static int bio_write(BIO *bio, const char *p, int n)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	return net_output(&t->layer, p, (size_t)n) == TM_OK ? n : -1;
}

static long bio_ctrl(BIO *bio UNUSED, int what, long arg UNUSED, void *p UNUSED)
{
	return what == BIO_CTRL_FLUSH;
}

/* OpenSSL numbers kinds of BIO and has no way to give a number back: one for the process. */
static BIO_METHOD *method;
static CRYPTO_ONCE method_once = CRYPTO_ONCE_STATIC_INIT;

static void method_make(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "layer");

	if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
		BIO_meth_set_ctrl(m, bio_ctrl))
		method = m;
}

/* --- contexts --- */

static const unsigned char alpn[] = "\x08http/1.1"; /* RFC 7301 3.1: a list of lengths and names */

/* Who offers none of ours is served without: it may be the probe of a load balancer. */
static int alpn_choose(SSL *ssl UNUSED, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned in_len, void *arg UNUSED)
{
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, alpn, sizeof(alpn) - 1, in, in_len) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Without this OpenSSL asks for a password at the terminal. */
static int no_password(char *buf UNUSED, int size UNUSED, int writing UNUSED, void *arg UNUSED)
{
	return -1;
}

static SSL_CTX *context_new(const SSL_METHOD *role)
{
	SSL_CTX *context = SSL_CTX_new(role);

	if (!context)
		return NULL;
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	/* An idle connection keeps no buffers. */
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_passwd_cb(context, no_password);
	return context;
}

/* The newest complaint of OpenSSL's, which is about what was tried last. */
static const char *complaint(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason ? reason : "no reason is known";
}

int tls_server_context(
	const char *certificate, const char *key, struct ssl_ctx_st **ret_context, struct diag *d)
{
	SSL_CTX *context = context_new(TLS_server_method());

	if (!context)
		return diag_what(d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_alpn_select_cb(context, alpn_choose, NULL);

	ERR_clear_error();
	int err = TM_OK;
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		err = diag_what(d, TM_EINVAL, "the TLS certificate in %.100s cannot be used: %s", certificate,
			complaint());
	else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		err = diag_what(d, TM_EINVAL, "the TLS key in %.100s cannot be used: %s", key, complaint());
	ERR_clear_error();
	if (err) {
		SSL_CTX_free(context);
		return err;
	}
	*ret_context = context;
	return TM_OK;
}

void tls_context_free(struct ssl_ctx_st *context)
{
	SSL_CTX_free(context);
}

/* --- the end --- */

static void fail(struct tls *t, int err, const char *what, const char *detail)
{
	char why[WHY_MAX];

	snprintf(why, sizeof(why), "%s%s", what, detail);
	t->phase = ENDED;
	net_closed(&t->layer, &(struct net_end){.err = err, .why = why});
}

/* What an operation of OpenSSL's that did not succeed means. */
static void stopped(struct tls *t, int result)
{
	const int why = SSL_get_error(t->ssl, result);
	const char *what = t->phase == OPEN ? "TLS failed: " : "the TLS handshake failed: ";

	if (t->patience.lost)
		fail(t, TM_EPROTO, what, "the other side says too much that is no data");
	else if (why == SSL_ERROR_ZERO_RETURN)
		fail(t, TM_ECLOSED, "connection closed", "");
	else if (why != SSL_ERROR_WANT_READ)
		fail(t, TM_EPROTO, what, complaint());
	ERR_clear_error();
}

static void tls_closed(struct net_layer *l, const struct net_end *end)
{
	struct tls *t = tls_of(l);

	if (t->phase == SHAKING && !end->whole)
		fail(t, TM_EPROTO, "the TLS handshake was cut off: ", end->why);
	else if (t->phase != ENDED)
		net_closed(l, end);
}

/* --- upwards --- */

static void decrypt(struct tls *t)
{
	UNINITIALIZED uint8_t buf[RECORD_MAX];

	while (t->phase == OPEN && !net_over(&t->layer)) {
		ERR_clear_error();
		int n = SSL_read(t->ssl, buf, sizeof(buf));
		if (n <= 0) {
			stopped(t, n);
			return;
		}
		tls_patience_data(&t->patience, (size_t)n);
		net_input(&t->layer, buf, (size_t)n);
		if (t->layer.conn->secret)
			wipe(buf, (size_t)n);
	}
}

static void shake(struct tls *t)
{
	ERR_clear_error();
	int result = SSL_do_handshake(t->ssl);
	if (result != 1) {
		stopped(t, result);
		return;
	}
	t->phase = OPEN;
	if (t->door && t->door->entered)
		t->door->entered(t->door->ctx, t->layer.conn);
	if (!net_over(&t->layer))
		net_ready(&t->layer);
}

/* Heads of ClientHellos are in clear: the first one, and in TLS 1.3 the second after a HelloRetryRequest. */
static bool fit_for_openssl(struct tls *t, const uint8_t *p, size_t n)
{
	if (!t->door || t->phase != SHAKING || (t->hello.hellos > 0 && SSL_version(t->ssl) != TLS1_3_VERSION))
		return true;
	return client_hello_read(&t->hello, p, n) == TM_OK;
}

static void feed(struct tls *t, const uint8_t *p, size_t n)
{
	if (!fit_for_openssl(t, p, n)) {
		fail(t, TM_EPROTO, "the TLS handshake failed: ", "it begins as none does");
		return;
	}
	t->in = p;
	t->n_in = n;
	if (t->phase == SHAKING)
		shake(t);
	decrypt(t);
	t->n_in = 0;
}

static int begin(struct tls *t, SSL_CTX *context)
{
	if (!CRYPTO_THREAD_run_once(&method_once, method_make) || !method)
		return TM_ENOMEM;

	BIO *bio = BIO_new(method);
	if (!bio)
		return TM_ENOMEM;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	t->ssl = SSL_new(context);
	if (!t->ssl) {
		BIO_free(bio);
		return TM_ENOMEM;
	}
	SSL_set_bio(t->ssl, bio, bio);
	tls_patience_set(&t->patience, t->ssl);
	if (t->door && t->layer.conn->secret)
		SSL_set_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	if (t->door)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	t->phase = SHAKING;
	return TM_OK;
}

static void first_byte(struct tls *t, uint8_t byte)
{
	if (byte != CLIENT_HELLO_TLS) {
		t->phase = PLAIN;
		net_ready(&t->layer);
		return;
	}
	SSL_CTX *context = t->door->knock(t->door->ctx, t->layer.conn);
	if (!context)
		fail(t, TM_EBUSY, "too many TLS handshakes", "");
	else if (!net_over(&t->layer) && begin(t, context) != TM_OK)
		fail(t, TM_ENOMEM, tm_strerror(TM_ENOMEM), "");
}

static void tls_input(struct net_layer *l, const uint8_t *p, size_t n)
{
	struct tls *t = tls_of(l);

	if (t->phase == WAITING && n > 0)
		first_byte(t, p[0]);
	if (net_over(l))
		return;
	if (t->phase == PLAIN)
		net_input(l, p, n);
	else if (t->phase == SHAKING || t->phase == OPEN)
		feed(t, p, n);
}

static void tls_ready(struct net_layer *l)
{
	struct tls *t = tls_of(l);

	if (!t->door)
		shake(t);
}

/* --- downwards --- */

static int tls_output(struct net_layer *l, const void *p, size_t n)
{
	struct tls *t = tls_of(l);

	if (t->phase == PLAIN)
		return net_output(l, p, n);
	if (t->phase != OPEN || n > INT32_MAX)
		return TM_ECLOSED;
	if (n == 0)
		return TM_OK;

	/* All of it or an error: what the socket does not take, the layer below keeps. */
	ERR_clear_error();
	int sent = SSL_write(t->ssl, p, (int)n);
	ERR_clear_error();
	return sent == (int)n ? TM_OK : TM_ECLOSED;
}

static void tls_finish(struct net_layer *l)
{
	struct tls *t = tls_of(l);

	if (t->phase == OPEN) {
		(void)SSL_shutdown(t->ssl);
		ERR_clear_error();
	}
	net_finish(l);
}

/* --- life --- */

static void tls_free(struct net_layer *l)
{
	struct tls *t = tls_of(l);

	SSL_free(t->ssl);
	free(t);
}

static const struct net_ops tls_ops = {.output = tls_output,
	.finish = tls_finish,
	.ready = tls_ready,
	.input = tls_input,
	.closed = tls_closed,
	.free = tls_free};

/* All that came and is whole; a record that is not stays with OpenSSL. */
static int take_opened(struct tls *t, uint8_t **early, size_t *n_early)
{
	UNINITIALIZED uint8_t buf[RECORD_MAX];

	for (;;) {
		ERR_clear_error();
		int n = SSL_read(t->ssl, buf, sizeof(buf));
		if (n <= 0) {
			int why = SSL_get_error(t->ssl, n);

			ERR_clear_error();
			return why == SSL_ERROR_WANT_READ ? TM_OK : TM_ECLOSED;
		}
		uint8_t *grown = realloc(*early, *n_early + (size_t)n);
		if (!grown)
			return TM_ENOMEM;
		memcpy(grown + *n_early, buf, (size_t)n);
		*early = grown;
		*n_early += (size_t)n;
	}
}

int tls_release(struct net_conn *c, struct tls_io **ret_io, uint8_t **early, size_t *n_early)
{
	struct net_layer *l = c->bottom;

	while (l && l->ops != &tls_ops)
		l = l->above;
	if (!l || tls_of(l)->phase != OPEN)
		return TM_OK;

	struct tls *t = tls_of(l);
	int err = take_opened(t, early, n_early);
	if (!err)
		err = tls_io_new(t->ssl, ret_io);
	if (err)
		return err;
	t->ssl = NULL;
	t->phase = ENDED;
	return TM_OK;
}

static struct tls *layer_new(const struct tls_door *door)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (t) {
		t->layer.ops = &tls_ops;
		t->door = door;
	}
	return t;
}

static bool name_it(SSL *ssl, const char *host)
{
	struct ip literal;

	return ip_parse(host, &literal) == TM_OK || SSL_set_tlsext_host_name(ssl, host) == 1;
}

int tls_client_push(struct net_conn *c, const char *host)
{
	struct tls *t = layer_new(NULL);
	SSL_CTX *context = context_new(TLS_client_method());
	int err = t && context ? begin(t, context) : TM_ENOMEM;

	SSL_CTX_free(context); /* t->ssl has a share of it */
	/* SSL_set_alpn_protos is one of those that say 0 for success. */
	if (!err && (SSL_set_alpn_protos(t->ssl, alpn, sizeof(alpn) - 1) != 0 || !name_it(t->ssl, host)))
		err = TM_ENOMEM;
	ERR_clear_error();
	if (err) {
		if (t)
			tls_free(&t->layer);
		return err;
	}
	net_push(c, &t->layer);
	return TM_OK;
}

int tls_server_push(struct net_conn *c, const struct tls_door *door)
{
	struct tls *t = layer_new(door);

	if (!t)
		return TM_ENOMEM;
	net_push(c, &t->layer);
	return TM_OK;
}
