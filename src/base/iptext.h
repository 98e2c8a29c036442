/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Addresses as text, the same on every system. For base/addr.h, which all others use. Pure; any thread. */
#ifndef TM_BASE_IPTEXT_H
#define TM_BASE_IPTEXT_H

#include "base/util.h"

/* The whole of s: four decimal numbers, none with a zero in front, which some read as octal. */
NODISCARD bool iptext_parse4(const char *s, uint8_t ret_bytes[static 4]);
/* The whole of s, in any of the forms of RFC 4291 2.2, without a zone. */
NODISCARD bool iptext_parse6(const char *s, uint8_t ret_bytes[static 16]);

enum { IPTEXT_LEN = 46 }; /* IP_STR_LEN */
void iptext_format4(const uint8_t bytes[static 4], char buf[static IPTEXT_LEN]);
/* As RFC 5952 wants it. The end is dotted where an IPv4 address is embedded: ::ffff:0:0/96 and ::/96. */
void iptext_format6(const uint8_t bytes[static 16], char buf[static IPTEXT_LEN]);

#endif
