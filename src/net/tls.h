/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * TLS as a layer of a connection: a disguise, for ways through the net that let nothing else pass. No trust
 * hangs on it: who speaks is proved by the Noise inside, so a client takes any certificate.
 *
 * The client's layer shakes hands as soon as what is below is ready. The server's looks at the first byte:
 * what is not TLS passes it unchanged. Both say `ready` when bytes can go through. No session is resumed: a
 * link lives for days. Control thread.
 */
#ifndef TM_NET_TLS_H
#define TM_NET_TLS_H

#include "base/diag.h"
#include "net/conn.h"

struct ssl_ctx_st; /* OpenSSL's SSL_CTX: what connections share, counted */
struct ssl_st; /* and its SSL */

/* Files in PEM; the first may hold a chain, and both may be one. d says what is wrong with them. */
NODISCARD int tls_server_context(
	const char *certificate, const char *key, struct ssl_ctx_st **ret_context, struct diag *d);
void tls_context_free(struct ssl_ctx_st *context); /* NULL is fine */

/* host: of the address, for SNI (RFC 6066 3: left out for literals); copied. */
NODISCARD int tls_client_push(struct net_conn *c, const char *host);

/* Who decides about TLS at a port. Calls come from `input`. */
struct tls_door {
	void *ctx;
	/* Somebody wants to shake hands, which costs us more than it costs them. NULL: not now, hang up.
	 * Borrowed. */
	struct ssl_ctx_st *(*knock)(void *ctx, struct net_conn *c);
	void (*entered)(void *ctx, struct net_conn *c); /* has done so */
};
NODISCARD int tls_server_push(struct net_conn *c, const struct tls_door *door); /* door is borrowed */

/* --- a connection that goes on elsewhere: net/release.h --- */
struct tls_io;
NODISCARD int tls_io_new(
	struct ssl_st *ssl_take, struct tls_io **ret_io); /* ssl is the caller's after a failure */
void tls_io_attach(struct tls_io *io, int fd); /* which stays the caller's */
/* Takes the TLS out of the connection, if there is any, and adds what it has opened already to *early. */
NODISCARD int tls_release(struct net_conn *c, struct tls_io **ret_io, uint8_t **early, size_t *n_early);

#endif
