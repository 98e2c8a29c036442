/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A packet on its way through the plane: n bytes at `data` inside a buffer that leaves PACKET_HEADROOM bytes
 * before it (the WireGuard header, later a relay's header, and what a one-pass AEAD wants) and
 * PACKET_TAILROOM after it (padding, tag).
 */
#ifndef TM_DATA_PLANE_PACKET_H
#define TM_DATA_PLANE_PACKET_H

#include "wire/wg.h"

enum { PACKET_HEADROOM = 128, PACKET_TAILROOM = 128 };
/* No IPv6 host need accept less (RFC 8200 5), so nothing smaller is ever asked of one. */
enum { MTU_FLOOR = 1280 };
_Static_assert(PACKET_TAILROOM >= 15 + WG_TAG, "padding and tag fit");

#endif
