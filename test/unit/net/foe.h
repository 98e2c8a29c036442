/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The other end of TLS, by OpenSSL and memory alone: it does what an end may do after the handshake and ours
 * never does.
 */
#ifndef TM_TEST_NET_FOE_H
#define TM_TEST_NET_FOE_H

#include "unit/unit.h"

#include <openssl/ssl.h>
#include <stdbool.h>

struct foe {
	SSL *ssl;
	BIO *in, *out; /* what was sent to it; what it has sent */
};

/* version: TLS1_2_VERSION or TLS1_3_VERSION. */
void foe_open(struct foe *f, int version);
void foe_close(struct foe *f);
/* A certificate for whoever is the server, in a file of folder; ours by tls_server_context. */
struct ssl_ctx_st *foe_server_context(const char *folder);

void foe_hears(struct foe *f, const void *p, size_t n);
bool foe_shook_hands(struct foe *f); /* goes on with it */
void foe_says(struct foe *f, const void *p, size_t n); /* at most a record */
void foe_renews_its_key(struct foe *f, bool asks_for_ours);
void foe_wants_another_handshake(struct foe *f);
void foe_says_goodbye(struct foe *f);
/* Of what it has sent and nobody took. */
size_t foe_sent(const struct foe *f);
size_t foe_take(struct foe *f, void *p, size_t n);
/* Of what was sealed for it. */
void foe_reads(struct foe *f, void *p, size_t n);

#endif
