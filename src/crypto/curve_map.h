/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside crypto/ only: the birational map from edwards25519 to curve25519 (RFC 7748 4.1). Public values only:
 * not constant time. */
#ifndef TM_CRYPTO_CURVE_MAP_H
#define TM_CRYPTO_CURVE_MAP_H

#include "base/err.h"
#include "base/util.h"

/* TM_EINVAL when ed is not the canonical encoding of a point on the curve (RFC 8032 5.1.3); TM_ENOMEM. */
NODISCARD int curve_map_u(const uint8_t ed[static 32], uint8_t ret_u[static 32]);

#endif
