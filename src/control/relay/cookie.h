/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Cookies of a relay: who shows one receives at the address that it was made for (docs/protocol.md,
 * "Relays"). Nothing is stored for them, and a relay that starts anew takes those that it gave before. Pure.
 *
 *   cookie = first 8 bytes of HMAC-SHA256(K, node id 16 | family 1 | address 4 or 16 | port 2 | hour 8)
 *   K      = HKDF-SHA256(ikm = the relay's private key, salt "", info "tunnelmesh relay 1", 32 bytes)
 */
#ifndef TM_CONTROL_RELAY_COOKIE_H
#define TM_CONTROL_RELAY_COOKIE_H

#include "base/time.h"
#include "mesh/model.h"
#include "wire/stun.h"

struct cookie_key {
	uint8_t k[32];
};

NODISCARD int cookie_key_init(struct cookie_key *c, const uint8_t private_key[static 32]);
void cookie_key_deinit(struct cookie_key *c); /* wipes */

/* For the member of that id at that address. real: the wall clock, which never goes back. */
void cookie_make(const struct cookie_key *c, const char *id, const struct endpoint *at, ns_t real,
	uint8_t ret_cookie[static STUN_COOKIE]);
/* Is it one of this hour or of the last? In constant time. */
bool cookie_is_right(const struct cookie_key *c, const char *id, const struct endpoint *at, ns_t real,
	const uint8_t cookie[static STUN_COOKIE]);

#endif
