/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a person writes as a proxy or an address, and what a proxy answers: a verdict does not change when
 * more bytes come, and whatever is read can be written. */
#include "fuzz/fuzz.h"
#include "wire/connect.h"
#include "wire/proxy.h"

#include <string.h>

static void check_texts(const char *text)
{
	char request[CONNECT_REQUEST_MAX], to[ADDRESS_HOST_FIELD];
	struct address a;
	struct proxy p;
	struct diag d = {0};
	size_t n;

	if (address_parse(text, &a) == TM_OK) {
		assert(a.port && a.host[0] && (!a.prefix[0] || a.prefix[0] == '/'));
		assert(strlen(address_host_field(&a, true, to)) <= strlen(address_authority(&a, to)));
		(void)proxy_excepts(text, a.host);
	}
	int err = proxy_parse(text, &p, &d);
	assert(err == TM_OK || d.what[0]);
	if (err == TM_OK) {
		assert(p.port && p.host[0] && proxy_eq(&p, &p));
		assert(connect_request_format(&p, "hub.example.org:8443", request, &n) == TM_OK);
		assert(strcmp(request + n - 4, "\r\n\r\n") == 0 && strlen(request) == n);
		assert(strstr(request, "\r\n\r\n") == request + n - 4); /* one head, whatever is in it */
	}
	(void)proxy_excepts(text, "hub.example.org");
	(void)proxy_excepts(text, "2001:db8::7");
}

static void check_answer(const char *p, size_t n)
{
	const struct proxy via = {.host = "proxy", .port = 3128};
	struct diag d = {0};
	size_t head_len = 0, early_len = 0;
	int err = connect_response_parse(p, n, &via, "hub:8443", &head_len, &d);

	assert(err || (head_len > 0 && head_len <= n));
	assert(!err || err == TM_EAGAIN || d.what[0]);
	for (size_t cut = 0; cut < n; cut += 1 + n / 64) {
		int early = connect_response_parse(p, cut, &via, "hub:8443", &early_len, &d);

		assert(early == TM_EAGAIN || (early == err && (early || early_len == head_len)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	check_texts(text);
	check_answer(text, size);
	free(text);
	return 0;
}
