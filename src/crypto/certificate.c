/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "crypto/init.h"

enum { SERIAL = 16, ALT_NAMES_MAX = 2048, DAY_S = 86400 };

static bool set_serial(X509 *x)
{
	uint8_t bytes[SERIAL];
	BIGNUM *n;

	random_bytes(bytes, sizeof(bytes));
	bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and of this length: RFC 5280 4.1.2.2 */
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	return ok;
}

/* One name for all: which machine this is, nobody has to read in passing. */
static bool set_names(X509 *x)
{
	static const unsigned char text[] = "tunnelmesh";
	X509_NAME *name = X509_get_subject_name(x);

	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, sizeof(text) - 1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, name) == 1;
}

static bool add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

/* What stands in a list for OpenSSL must not end its part of it. */
static bool is_plain(const char *name)
{
	return name[0] &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") ==
		       strlen(name);
}

static bool set_alternative_names(X509 *x, const struct certificate_terms *terms)
{
	char list[ALT_NAMES_MAX];
	size_t n = 0;
	struct ip ip;

	for (size_t i = 0; i < terms->n_names && n < sizeof(list); i++) {
		const char *name = terms->names[i];
		const char *kind = ip_parse(name, &ip) == TM_OK ? "IP" : "DNS";

		if (is_plain(name) && n + strlen(name) + 6 < sizeof(list))
			n += (size_t)snprintf(
				list + n, sizeof(list) - n, "%s%s:%s", n ? "," : "", kind, name);
	}
	return n == 0 || add_extension(x, NID_subject_alt_name, list);
}

/* In days, since 1970: a time_t of 32 bits ends in 2038. */
static bool set_time(ASN1_TIME *t, int64_t s)
{
	return ASN1_TIME_adj(t, 0, (int)(s / DAY_S), (long)(s % DAY_S)) != NULL;
}

static bool get_time(const ASN1_TIME *t, int64_t *ret_s)
{
	ASN1_TIME *begin = ASN1_TIME_set(NULL, 0);
	int days, rest;
	bool ok = begin && ASN1_TIME_diff(&days, &rest, begin, t) == 1;

	if (ok)
		*ret_s = (int64_t)days * DAY_S + rest;
	ASN1_TIME_free(begin);
	return ok;
}

static bool fill(X509 *x, EVP_PKEY *key, const struct certificate_terms *terms)
{
	return X509_set_version(x, 2) == 1 && set_serial(x) && set_names(x) &&
	       set_time(X509_getm_notBefore(x), terms->from) &&
	       set_time(X509_getm_notAfter(x), terms->until) && X509_set_pubkey(x, key) == 1 &&
	       add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(x, NID_ext_key_usage, "serverAuth") && set_alternative_names(x, terms) &&
	       X509_sign(x, key, EVP_sha256()) > 0;
}

static int write_pem(EVP_PKEY *key, X509 *x, char **ret_pem, size_t *ret_n)
{
	BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
	char *text = NULL, *copy = NULL;
	long n = 0;

	if (bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
		PEM_write_bio_X509(bio, x) == 1)
		n = BIO_get_mem_data(bio, &text);
	if (n > 0)
		copy = malloc((size_t)n);
	if (copy)
		memcpy(copy, text, (size_t)n);
	BIO_free(bio);
	if (!copy)
		return TM_ENOMEM;
	*ret_pem = copy;
	*ret_n = (size_t)n;
	return TM_OK;
}

int certificate_make(const struct certificate_terms *terms, char **ret_pem, size_t *ret_n)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	int err = key && x && fill(x, key, terms) ? TM_OK : TM_ECRYPTO;

	if (!err)
		err = write_pem(key, x, ret_pem, ret_n);
	X509_free(x);
	EVP_PKEY_free(key);
	return err;
}

int certificate_until(const char *pem, size_t n, int64_t *ret_until)
{
	BIO *bio = n <= INT32_MAX ? BIO_new_mem_buf(pem, (int)n) : NULL;
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	int err = x && get_time(X509_get0_notAfter(x), ret_until) ? TM_OK : TM_EBADMSG;

	X509_free(x);
	BIO_free(bio);
	return err;
}
