/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/secret.h"

#include <string.h>

void wipe(void *p, size_t n)
{
	if (!n)
		return;

	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory"); /* who knows what reads it here? */
}

bool ct_eq(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < n; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}

bool ct_is_zero(const void *p, size_t n)
{
	const volatile uint8_t *x = p;
	uint8_t bits = 0;

	for (size_t i = 0; i < n; i++)
		bits |= x[i];
	return bits == 0;
}
