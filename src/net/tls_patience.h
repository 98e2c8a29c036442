/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the other end of TLS may say that is no data. A key renewed (RFC 8446 4.6.3) is 27 bytes for whoever
 * sends it, and for us two derivations and an answer, 15 us; OpenSSL takes as many as come, within one
 * SSL_read that returns nothing meanwhile. Honest ends renew a key after some millions of records, and send a
 * few tickets at the beginning. A second handshake is not wanted at all: OpenSSL would refuse it, politely
 * and with an answer each time, after making room for the 128 KiB that its head may announce.
 *
 * One per connection, on whatever thread reads it.
 */
#ifndef TM_NET_TLS_PATIENCE_H
#define TM_NET_TLS_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_st;

enum {
	TLS_BESIDES_MAX = 32, /* messages of handshakes: the first one has ten at most */
	TLS_BESIDES_BYTES = 16 << 10, /* for so much data one more */
};

struct tls_patience {
	unsigned left;
	size_t data; /* since one more was allowed */
	bool lost; /* ssl reads no more, and says that it failed */
};

/* From now on, until another one is set or ssl freed; *t is borrowed and stays where it is. */
void tls_patience_set(struct tls_patience *t, struct ssl_st *ssl);
/* So much was read. */
void tls_patience_data(struct tls_patience *t, size_t n);

#endif
