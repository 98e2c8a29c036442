/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The Internet checksum. Pure. */
#ifndef TM_PACKET_CSUM_H
#define TM_PACKET_CSUM_H

#include "base/addr.h"

/* RFC 1071. Sums may be chained: pass the previous result as `sum`; n is even in all but the last call. */
uint32_t csum_add(const void *p, size_t n, uint32_t sum);
/* The same, while the bytes are copied; src and dst do not overlap. */
uint32_t csum_copy(void *dst, const void *src, size_t n, uint32_t sum);
uint16_t csum_finish(uint32_t sum); /* folded and inverted, host order; store with put_be16 */
uint32_t csum_pseudo(const struct ip *src, const struct ip *dst, uint8_t proto, uint32_t len);

#endif
