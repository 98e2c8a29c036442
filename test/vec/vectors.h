/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Runs test vectors in the JSON format that the cacophony and snow projects share. */
#ifndef TM_TEST_VEC_VECTORS_H
#define TM_TEST_VEC_VECTORS_H

#include "crypto/aead.h"

#include <jansson.h>

enum vector_verdict { VECTOR_PASSED, VECTOR_FAILED, VECTOR_SKIPPED };

struct vector_why {
	char text[160]; /* of a failure: one sentence */
};

/* Every field of v is used: private keys but for the five bits that X25519 replaces, all other fields to the
 * last bit. */
enum vector_verdict vector_run(const json_t *v, struct aead *a, struct vector_why *ret_why);

/* Its protocol_name, or what noise-c calls its name; NULL when it has none. */
const char *vector_name(const json_t *v);

#endif
