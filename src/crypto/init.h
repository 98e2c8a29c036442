/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Start-up of the primitives: fetches every algorithm once, then runs one known-answer test of each. */
#ifndef TM_CRYPTO_INIT_H
#define TM_CRYPTO_INIT_H

#include "base/diag.h"
#include "base/err.h"

/* Main thread, once, before any other call into crypto/ (tests call it too; a second call is a no-op). */
NODISCARD int crypto_init(struct diag *d);

/* Known answers: ChaCha20-Poly1305, XChaCha20-Poly1305, BLAKE2s, X25519, Ed25519, HKDF, one Noise_IKpsk2
 * exchange. */
NODISCARD int crypto_selftest(struct diag *d);

/* Cryptographically secure bytes from the system; ends the process when the system has none (never seen in
 * practice). */
void random_bytes(void *p, size_t n);
uint32_t random_u32(void);
uint32_t random_below(uint32_t n); /* uniform in [0, n), n > 0 */

#endif
