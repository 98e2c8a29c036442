/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The certificate that a port shows. Either it is given as files, which are read again when they have
 * changed, without a restart; or we make one, keep it in a file of ours and make the next one before it
 * expires. Looked after only when somebody asks for TLS. A certificate that cannot be read leaves the last
 * one in use. Control thread.
 */
#ifndef TM_NET_TLS_FILES_H
#define TM_NET_TLS_FILES_H

#include "base/diag.h"
#include "base/time.h"

struct ssl_ctx_st;
struct tls_files;

enum { TLS_FILES_NAMES_MAX = 16 };

struct tls_files_config { /* copied */
	const char *certificate, *key; /* given; NULL, NULL: ours */
	const char *own; /* where ours is kept, with its key, mode 0600 */
	const char *names[TLS_FILES_NAMES_MAX]; /* what ours is for: hosts */
	size_t n_names;
};

NODISCARD int tls_files_new(
	const struct tls_files_config *cfg, int64_t now_s, struct tls_files **ret_files, struct diag *d);
void tls_files_free(struct tls_files *f); /* NULL is fine */

/*
 * What to answer with; never NULL, borrowed until the next call. now: monotonic, now_s: Unix seconds. Looks
 * at the files if that was not done for some seconds; d gets a sentence when they cannot be used any more.
 */
struct ssl_ctx_st *tls_files_context(struct tls_files *f, ns_t now, int64_t now_s, struct diag *d);

#endif
