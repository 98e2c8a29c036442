/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Names of the DNS as they travel, uncompressed: labels with their lengths before them, an empty one at the
 * end (RFC 1035 3.1). Letters keep their case and compare without it (RFC 4343). Plain values; pure; any
 * thread.
 */
#ifndef TM_DNS_NAME_H
#define TM_DNS_NAME_H

#include "base/err.h"
#include "base/util.h"

enum {
	DNS_NAME_MAX = 255, /* RFC 1035 2.3.4, octets with the empty label */
	DNS_LABEL_MAX = 63,
	DNS_LABELS_MAX = 127,
	DNS_NAME_TEXT = 1024, /* every octet written as \ddd, dots, NUL */
};

struct dns_name {
	uint8_t len; /* at least 1: the root */
	uint8_t bytes[DNS_NAME_MAX];
};

/* "laptop.mesh", with or without the final dot. No escapes: what needs them is no name of ours. TM_EINVAL. */
NODISCARD int dns_name_parse(const char *text, struct dns_name *ret_name);
/* Octets that are exactly one name. TM_EBADMSG. */
NODISCARD int dns_name_take(const uint8_t *p, size_t n, struct dns_name *ret_name);
/* label.of; TM_ERANGE when that is too long. The label is n octets, 1 to DNS_LABEL_MAX. */
NODISCARD int dns_name_prepend(
	const void *label, size_t n, const struct dns_name *of, struct dns_name *ret_name);
/* "laptop.mesh.", what is not a letter, a digit, - or _ as \ddd (RFC 1035 5.1). */
const char *dns_name_format(const struct dns_name *n, char buf[static DNS_NAME_TEXT]);

/* How many labels, without the empty one; where each is (its length octet), from left to right. */
size_t dns_name_labels(const struct dns_name *n, uint8_t ret_at[static DNS_LABELS_MAX]);
/* The last `count` labels of it, which has as many. */
struct dns_name dns_name_tail(const struct dns_name *n, size_t count);
bool dns_name_eq(const struct dns_name *a, const struct dns_name *b);

#endif
