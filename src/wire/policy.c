/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/policy.h"

#include <string.h>

#include "base/encode.h"
#include "crypto/hash.h"

void policy_digest(const char *text, const char *nodes, char ret_digest[static POLICY_DIGEST_LEN + 1])
{
	uint8_t hash[32];

	/* The zero between them is part of the first. */
	sha256((struct hash_part[]){{text, strlen(text) + 1}, {nodes, strlen(nodes)}}, 2, hash);
	hex_encode(hash, POLICY_DIGEST_LEN / 2, ret_digest);
}
