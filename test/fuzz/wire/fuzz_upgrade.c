/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A verdict, once given, does not change when more bytes come; every verdict has a response that the client
 * side can read. */
#include "fuzz/fuzz.h"
#include "wire/upgrade.h"

#include "crypto/init.h"

static const char *const paths[] = {"/link", "/other", NULL};

static const uint8_t key[UPGRADE_KEY] = {
	't', 'h', 'e', ' ', 's', 'a', 'm', 'p', 'l', 'e', ' ', 'n', 'o', 'n', 'c', 'e'};

static void check_response(const struct upgrade_request *req)
{
	char response[UPGRADE_RESPONSE_MAX];
	struct diag d = {0};
	struct upgrade_answer answer;

	size_t n = upgrade_response_format(req, response, sizeof(response));
	assert(n && n < sizeof(response));
	int err = upgrade_response_parse(response, n, key, &answer, &d);
	assert(err == TM_OK || err == TM_EPROTO); /* OK only when the client sent our sample key */
	assert(err || (req->status == 101 && answer.head_len == n));
}

static void check_request(const char *p, size_t n)
{
	struct upgrade_request whole, part;
	int err = upgrade_request_parse(p, n, paths, &whole);

	if (err == TM_OK) {
		assert(whole.head_len <= n && whole.head_len <= UPGRADE_HEAD_MAX);
		check_response(&whole);
	}
	for (size_t cut = 0; cut < n; cut += 1 + n / 64) {
		int early = upgrade_request_parse(p, cut, paths, &part);

		if (early == TM_EAGAIN)
			continue;
		assert(early == err);
		if (early == TM_OK)
			assert(part.status == whole.status && part.head_len == whole.head_len &&
				strcmp(part.accept, whole.accept) == 0 && strcmp(part.host, whole.host) == 0);
	}
}

static void check_answer(const char *p, size_t n)
{
	struct diag d = {0};
	struct upgrade_answer answer = {0}, early_answer;
	int err = upgrade_response_parse(p, n, key, &answer, &d);

	assert(err || (answer.head_len <= n && answer.head_len <= UPGRADE_HEAD_MAX));
	assert(!err || err == TM_EAGAIN || d.what[0]);
	assert(answer.retry_after_s <= UPGRADE_RETRY_MAX_S);
	for (size_t cut = 0; cut < n; cut += 1 + n / 64) {
		int early = upgrade_response_parse(p, cut, key, &early_answer, &d);

		if (early == TM_EAGAIN)
			continue;
		assert(early == err);
		assert(early || early_answer.head_len == answer.head_len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (crypto_init(NULL))
		abort();

	char *p = (char *)fuzz_copy(data, size);
	check_request(p, size);
	check_answer(p, size);
	free(p);
	return 0;
}
