/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whatever a resolver answers, what comes out is bounded and of the family asked for. */
#include "fuzz/fuzz.h"

#include "wire/dns.h"

static void check(const uint8_t *p, size_t n, enum dns_type type)
{
	uint8_t query[DNS_QUERY_MAX];
	struct dns_answer a;
	size_t len;

	if (dns_query_encode(0x1234, "hub.example.org", type, query, &len))
		abort();
	if (dns_answer_decode(p, n, query, len, &a) != TM_OK)
		return;
	assert(a.rcode < 16 && a.n <= DNS_ADDRESSES_MAX);
	for (size_t i = 0; i < a.n; i++)
		assert(a.addresses[i].family == (type == DNS_A ? IP_V4 : IP_V6));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *p = fuzz_copy(data, n);

	check(p, n, DNS_A);
	check(p, n, DNS_AAAA);
	free(p);
	return 0;
}
