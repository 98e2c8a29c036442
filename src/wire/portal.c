/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/portal.h"

#include "base/encode.h"
#include "crypto/hash.h"
#include "wire/http.h"

#include <stdio.h>
#include <string.h>

enum { PROOF = 16 };
static const char request_line[] = "GET /generate-check?";

static void prove(const char *token, char ret_text[static 2 * PROOF + 1])
{
	uint8_t hash[32];

	sha256((const struct hash_part[]){{"tunnelmesh check 1", 18}, {token, PORTAL_TOKEN}}, 2, hash);
	hex_encode(hash, PROOF, ret_text);
}

static size_t fits(int n, size_t out_len)
{
	return n > 0 && (size_t)n < out_len ? (size_t)n : 0;
}

size_t portal_question(const char *host, const char token[static PORTAL_TOKEN + 1], char *out, size_t out_len)
{
	return fits(
		snprintf(out, out_len,
			"%s%s HTTP/1.1\r\nHost: %s\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
			request_line, token, host),
		out_len);
}

bool portal_is_question(const char *p, size_t n, char ret_token[static PORTAL_TOKEN + 1])
{
	const size_t line = sizeof(request_line) - 1;
	uint8_t bytes[PORTAL_TOKEN / 2];

	if (n < line + PORTAL_TOKEN + 6 || memcmp(p, request_line, line) != 0 ||
		hex_decode(p + line, PORTAL_TOKEN, bytes, sizeof(bytes)) != TM_OK ||
		memcmp(p + line + PORTAL_TOKEN, " HTTP/", 6) != 0)
		return false;
	memcpy(ret_token, p + line, PORTAL_TOKEN);
	ret_token[PORTAL_TOKEN] = '\0';
	return true;
}

size_t portal_answer(const char token[static PORTAL_TOKEN + 1], char *out, size_t out_len)
{
	char proof[2 * PROOF + 1];

	prove(token, proof);
	return fits(
		snprintf(out, out_len,
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nCache-Control: "
			"no-store\r\nConnection: close\r\n\r\n%s\n",
			2 * PROOF + 1, proof),
		out_len);
}

static enum portal_verdict judge_body(const char *p, size_t n, bool over, const char *token)
{
	char proof[2 * PROOF + 1];

	prove(token, proof);
	if (n < 2 * PROOF && !over && memcmp(p, proof, n) == 0)
		return PORTAL_WAITS;
	return n >= 2 * PROOF && memcmp(p, proof, 2 * PROOF) == 0 ? PORTAL_CLEAN : PORTAL_OTHER;
}

enum portal_verdict portal_judge(
	const char *p, size_t n, bool over, const char token[static PORTAL_TOKEN + 1])
{
	struct http_span head;
	int status;
	size_t len;
	int err = n ? http_head_end(p, n, &len) : TM_EAGAIN;

	if (err == TM_EAGAIN)
		return !over ? PORTAL_WAITS : n ? PORTAL_OTHER : PORTAL_SILENT;
	if (err)
		return PORTAL_OTHER;
	head = (struct http_span){p, len};
	if (http_status(http_line(&head), &status) != TM_OK)
		return PORTAL_OTHER;
	if (status == 511 || (status >= 300 && status < 400))
		return PORTAL_SIGN_IN;
	return status == 200 ? judge_body(p + len, n - len, over, token) : PORTAL_OTHER;
}
