/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whatever stands in resolv.conf or hosts, what is made of it is bounded. */
#include "fuzz/fuzz.h"

#include "net/resolv.h"

static void check_resolv(const char *text)
{
	static const char *const hosts[] = {"hub", "hub.example.org", "hub.", ""};
	char name[RESOLV_NAME_MAX + 1];
	struct resolv r;

	resolv_parse(text, &r);
	assert(r.n_servers <= RESOLV_SERVERS_MAX && r.n_search <= RESOLV_SEARCH_MAX);
	assert(r.attempts >= 1 && r.attempts <= 5 && r.timeout_ms >= 1000 && r.timeout_ms <= 2000);
	for (size_t i = 0; i < r.n_servers; i++)
		assert(r.servers[i].ip.family != IP_NONE && r.servers[i].port == 53);
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		size_t k = 0;

		while (resolv_name(&r, hosts[i], k, name)) {
			assert(strlen(name) <= RESOLV_NAME_MAX);
			k++;
		}
		assert(k >= 1 && k <= r.n_search + 1);
	}
}

static void check_hosts(const char *text)
{
	struct ip found[3];
	size_t n = hosts_find(text, "hub", found, ARRAY_LEN(found));

	assert(n <= ARRAY_LEN(found));
	for (size_t i = 0; i < n; i++)
		assert(found[i].family != IP_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);

	assert(text);
	if (n)
		memcpy(text, data, n);
	text[n] = '\0';
	check_resolv(text);
	check_hosts(text);
	free(text);
	return 0;
}
