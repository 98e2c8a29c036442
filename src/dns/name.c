/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "dns/name.h"

#include <stdio.h>
#include <string.h>

int dns_name_parse(const char *text, struct dns_name *ret_name)
{
	struct dns_name name;
	size_t at = 0;

	while (*text) {
		const size_t n = strcspn(text, ".");

		if (n == 0 || n > DNS_LABEL_MAX || at + 1 + n + 1 > DNS_NAME_MAX)
			return TM_EINVAL;
		name.bytes[at++] = (uint8_t)n;
		memcpy(name.bytes + at, text, n);
		at += n;
		text += n + (text[n] == '.');
	}
	name.bytes[at++] = 0;
	name.len = (uint8_t)at;
	*ret_name = name;
	return TM_OK;
}

int dns_name_take(const uint8_t *p, size_t n, struct dns_name *ret_name)
{
	size_t at = 0;

	if (n == 0 || n > DNS_NAME_MAX)
		return TM_EBADMSG;
	while (at < n && p[at]) {
		if (p[at] > DNS_LABEL_MAX)
			return TM_EBADMSG;
		at += 1u + p[at];
	}
	if (at + 1 != n)
		return TM_EBADMSG;
	ret_name->len = (uint8_t)n;
	memcpy(ret_name->bytes, p, n);
	return TM_OK;
}

int dns_name_prepend(const void *label, size_t n, const struct dns_name *of, struct dns_name *ret_name)
{
	if (n == 0 || n > DNS_LABEL_MAX || 1 + n + of->len > DNS_NAME_MAX)
		return TM_ERANGE;
	ret_name->bytes[0] = (uint8_t)n;
	memcpy(ret_name->bytes + 1, label, n);
	memcpy(ret_name->bytes + 1 + n, of->bytes, of->len);
	ret_name->len = (uint8_t)(1 + n + of->len);
	return TM_OK;
}

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

const char *dns_name_format(const struct dns_name *n, char buf[static DNS_NAME_TEXT])
{
	uint8_t at[DNS_LABELS_MAX];
	const size_t count = dns_name_labels(n, at);
	char *out = buf;

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 1; k <= n->bytes[at[i]]; k++) {
			const uint8_t c = n->bytes[at[i] + k];

			if (is_plain(c))
				*out++ = (char)c;
			else
				out += snprintf(out, 5, "\\%03u", c);
		}
		*out++ = '.';
	}
	if (count == 0)
		*out++ = '.';
	*out = '\0';
	return buf;
}

size_t dns_name_labels(const struct dns_name *n, uint8_t ret_at[static DNS_LABELS_MAX])
{
	size_t count = 0;

	for (size_t at = 0; n->bytes[at]; at += 1u + n->bytes[at])
		ret_at[count++] = (uint8_t)at;
	return count;
}

struct dns_name dns_name_tail(const struct dns_name *n, size_t count)
{
	uint8_t at[DNS_LABELS_MAX];
	const size_t labels = dns_name_labels(n, at);
	const size_t from = count ? at[labels - count] : n->len - 1u;
	struct dns_name tail = {.len = (uint8_t)(n->len - from)};

	memcpy(tail.bytes, n->bytes + from, tail.len);
	return tail;
}

/* Lengths are below 64, where no letter is: to compare them as letters changes nothing. */
bool dns_name_eq(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && same_but_case(a->bytes, b->bytes, a->len);
}
