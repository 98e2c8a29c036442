/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fake/alloc.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stddef.h>
#include <stdlib.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

static _Thread_local unsigned countdown;
static _Thread_local bool failed;

void fake_alloc_fail(unsigned n)
{
	countdown = n;
	failed = false;
}

bool fake_alloc_failed(void)
{
	return failed;
}

static void *spared_malloc(size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return __real_malloc(n);
}

static void *spared_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return __real_realloc(p, n);
}

static void spared_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

void fake_alloc_spare_libcrypto(void)
{
	int ok = CRYPTO_set_mem_functions(spared_malloc, spared_realloc, spared_free);

	assert(ok);
}

static bool fails(void)
{
	if (!countdown || --countdown)
		return false;

	failed = true;
	return true;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : __real_aligned_alloc(align, n);
}
