/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a gateway says, as a datagram, as an answer and as a body: what is taken from it can be asked, in one
 * line. */
#include "fuzz/fuzz.h"
#include "wire/igd.h"

static void check_place(const struct igd_place *at)
{
	char out[IGD_REQUEST_MAX];
	const struct ip gateway = {.family = IP_V4, .bytes = {192, 168, 1, 1}};

	assert(at->port && at->path[0] == '/');
	assert(igd_get(&gateway, at, out, sizeof(out)));
	assert(strstr(out, "\r\n\r\n") == out + strlen(out) - 4);
	assert(strstr(out, "\r\n") == strchr(out, '\r'));
}

static void check_answer(const uint8_t *data, size_t size, bool closed)
{
	char *text = (char *)fuzz_copy(data, size);
	struct igd_answer a;

	if (igd_answer(text, size, closed, &a) == TM_OK) {
		assert(a.body >= text && a.n <= size && a.body + a.n <= text + size);
		assert(igd_fault(&a) <= 9999);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct igd_place from = {5000, "/a/b.xml"};
	struct igd_service v[IGD_SERVICES_MAX];
	char *text = (char *)fuzz_copy(data, size);
	struct igd_place at;

	if (igd_found(text, size, &at) == TM_OK)
		check_place(&at);
	for (unsigned kind = IGD_CONNECTION; kind <= IGD_FIREWALL; kind++) {
		size_t n = igd_services(text, size, &from, (enum igd_service_kind)kind, v);
		for (size_t i = 0; i < n; i++)
			check_place(&v[i].control);
	}
	free(text);
	check_answer(data, size, false);
	check_answer(data, size, true);
	return 0;
}
