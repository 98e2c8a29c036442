/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/tls_files.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/certificate.h"
#include "net/tls.h"
#include "os/os.h"

enum { FILE_MAX = 64 << 10 };
#define LOOK_EVERY (5 * SEC)
#define DAY INT64_C(86400) /* of Unix seconds */
/* No browser and no middlebox takes a certificate that is good for longer than 398 days. */
#define GOOD_FOR (397 * DAY)
#define RENEW_BEFORE (30 * DAY)
#define CLOCKS_DIFFER DAY

struct tls_files {
	/* set once */
	char *certificate, *key; /* the same file when it is ours */
	bool ours;
	char *names[TLS_FILES_NAMES_MAX];
	size_t n_names;
	/* state */
	struct ssl_ctx_st *context;
	int64_t until; /* Unix seconds; ours */
	uint64_t stamp; /* of both files, when they were read */
	ns_t looked;
};

static uint64_t stamp_of(const struct tls_files *f)
{
	return os_file_stamp(f->certificate) * 31 + os_file_stamp(f->key);
}

static int make_ours(const struct tls_files *f, int64_t now_s, struct diag *d)
{
	const struct certificate_terms terms = {.names = (const char *const *)f->names,
		.n_names = f->n_names,
		.from = now_s - CLOCKS_DIFFER,
		.until = now_s + GOOD_FOR};
	char *pem;
	size_t n;
	int err = certificate_make(&terms, &pem, &n);

	if (err)
		return diag_what(d, err, "no TLS certificate could be made: %s", tm_strerror(err));
	err = os_write_file(f->certificate, pem, n, 0600, d);
	wipe(pem, n);
	free(pem);
	return err;
}

static int64_t until_of(const char *path)
{
	struct diag ignored = {0};
	char *text;
	size_t n;
	int64_t until = 0;

	if (os_read_file(path, FILE_MAX, &text, &n, &ignored) != TM_OK)
		return 0;
	if (certificate_until(text, n, &until) != TM_OK)
		until = 0;
	wipe(text, n);
	free(text);
	return until;
}

/* Ours is made when there is none, when it cannot be read, and when it is about to expire. */
static int renew(struct tls_files *f, int64_t now_s, struct diag *d)
{
	f->until = until_of(f->certificate);
	if (f->until - now_s > RENEW_BEFORE)
		return TM_OK;

	int err = make_ours(f, now_s, d);
	if (!err)
		f->until = now_s + GOOD_FOR;
	return err;
}

static int read_files(struct tls_files *f, struct diag *d)
{
	struct ssl_ctx_st *next;
	uint64_t stamp = stamp_of(f);
	int err = tls_server_context(f->certificate, f->key, &next, d);

	f->stamp = stamp; /* what cannot be used is not tried again before it changes */
	if (err)
		return err;
	tls_context_free(f->context);
	f->context = next;
	return TM_OK;
}

static int copy_config(struct tls_files *f, const struct tls_files_config *cfg)
{
	f->ours = !cfg->certificate;
	f->certificate = strdup(f->ours ? cfg->own : cfg->certificate);
	f->key = strdup(f->ours ? cfg->own : cfg->key);
	for (size_t i = 0; i < cfg->n_names && i < TLS_FILES_NAMES_MAX; i++) {
		f->names[i] = strdup(cfg->names[i]);
		if (!f->names[i])
			return TM_ENOMEM;
		f->n_names++;
	}
	return f->certificate && f->key ? TM_OK : TM_ENOMEM;
}

int tls_files_new(
	const struct tls_files_config *cfg, int64_t now_s, struct tls_files **ret_files, struct diag *d)
{
	struct tls_files *f = calloc(1, sizeof(*f));
	int err = f ? copy_config(f, cfg) : TM_ENOMEM;

	if (err) {
		diag_what(d, err, "%s", tm_strerror(err));
	} else if (f->ours) {
		err = renew(f, now_s, d);
		if (!err && read_files(f, d) != TM_OK) {
			/* What is there is none of ours. */
			err = make_ours(f, now_s, d);
			if (!err)
				err = read_files(f, d);
		}
	} else {
		err = read_files(f, d);
	}
	if (err) {
		tls_files_free(f);
		return err;
	}
	*ret_files = f;
	return TM_OK;
}

void tls_files_free(struct tls_files *f)
{
	if (!f)
		return;

	tls_context_free(f->context);
	for (size_t i = 0; i < f->n_names; i++)
		free(f->names[i]);
	free(f->certificate);
	free(f->key);
	free(f);
}

struct ssl_ctx_st *tls_files_context(struct tls_files *f, ns_t now, int64_t now_s, struct diag *d)
{
	if (f->looked && now - f->looked < LOOK_EVERY)
		return f->context;

	f->looked = now;
	if (f->ours && f->until - now_s <= RENEW_BEFORE && renew(f, now_s, d) != TM_OK)
		return f->context;
	if (stamp_of(f) != f->stamp)
		(void)!read_files(f, d);
	return f->context;
}
