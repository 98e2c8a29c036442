/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A certificate that nobody has to trust: ECDSA P-256, signed by itself (RFC 5280), with its key, in PEM. */
#ifndef TM_CRYPTO_CERTIFICATE_H
#define TM_CRYPTO_CERTIFICATE_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

struct certificate_terms {
	const char *const *names; /* host names and IP addresses that it is for */
	size_t n_names;
	int64_t from, until; /* Unix seconds */
};

/* Key and certificate in one text of *ret_n bytes; the caller wipes and frees it. */
NODISCARD int certificate_make(const struct certificate_terms *terms, char **ret_pem, size_t *ret_n);
/* Until when the first certificate in the text is good, in Unix seconds. TM_EBADMSG: there is none. */
NODISCARD int certificate_until(const char *pem, size_t n, int64_t *ret_until);

#endif
