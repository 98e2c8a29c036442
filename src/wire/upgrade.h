/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The opening handshake of WebSocket (RFC 6455, 4) in HTTP/1.1, both sides. Sans-I/O: text in, text out.
 *
 * Server: collect bytes, call upgrade_request_parse after each read until it is not TM_EAGAIN, then send what
 * upgrade_response_format writes; go on as WebSocket when status is 101 (bytes after head_len are frames
 * already), else close. On an error (not TM_EAGAIN) just close: whoever that is does not speak HTTP. Client:
 * send upgrade_request_format, then call upgrade_response_parse in the same manner.
 */
#ifndef TM_WIRE_UPGRADE_H
#define TM_WIRE_UPGRADE_H

#include "base/diag.h"
#include "base/err.h"
#include "base/util.h"
#include "wire/http.h"

enum {
	UPGRADE_HEAD_MAX = HTTP_HEAD_MAX, /* a longer head is refused with 431 */
	UPGRADE_KEY = 16, /* random bytes of Sec-WebSocket-Key */
	UPGRADE_ACCEPT_LEN = 28, /* base64 of a SHA-1 */
	UPGRADE_HOST_MAX = 254 + 8,
	UPGRADE_RETRY_MAX_S = 15, /* a longer Retry-After counts as this: anybody may have said so */
	UPGRADE_RESPONSE_MAX = 512, /* room that any response of ours fits into */
};

/* Client: what to ask for. */
struct upgrade_offer {
	const char *host; /* Host header: "example.org:8443" */
	const char *path; /* "/link" */
	const uint8_t *key; /* UPGRADE_KEY random bytes */
	const char *extra; /* further header lines, each ending in CRLF ("Proxy-Authorization: ...\r\n"), or
			      NULL */
};

/* TM_EFULL, TM_EINVAL when host or path holds white space or control characters or path does not start with
 * '/'. */
NODISCARD int upgrade_request_format(const struct upgrade_offer *o, char *out, size_t out_len, size_t *ret_n);

/* Client: what came back. */
struct upgrade_answer {
	size_t head_len; /* bytes consumed; of a 101 only */
	unsigned retry_after_s; /* 503: when to come back; 0 = it does not say */
};

/*
 * TM_EAGAIN until the head is whole; TM_OK = 101 with the right Sec-WebSocket-Accept; TM_EBUSY = 503; else
 * TM_EPROTO (an HTTP answer, but not the one we need; d tells which), TM_EBADMSG (not HTTP), TM_EFULL.
 */
NODISCARD int upgrade_response_parse(const char *p, size_t n, const uint8_t key[static UPGRADE_KEY],
	struct upgrade_answer *ret_answer, struct diag *d);

/* Server: what came in. */
struct upgrade_request {
	int status; /* what to answer: 101, or 400, 404, 405, 426, 431, 505 */
	char accept[UPGRADE_ACCEPT_LEN + 1]; /* 101 only */
	char host[UPGRADE_HOST_MAX + 1]; /* as sent; empty when absent or too long */
	size_t head_len; /* bytes consumed */
	size_t path; /* 101 only: which one, by its index */
};

/*
 * Parses a request head. `paths`, ended by NULL, are those that are served, under any prefix: a proxy in
 * front may have one, and passes it on or not. A query ("?...") is allowed and ignored. TM_OK with a status;
 * TM_EAGAIN when more bytes are needed; TM_EBADMSG as soon as it cannot be HTTP (binary noise).
 */
NODISCARD int upgrade_request_parse(
	const char *p, size_t n, const char *const *paths, struct upgrade_request *ret_req);

/* The whole response for req->status; out_len >= UPGRADE_RESPONSE_MAX always suffices. Returns its length, 0
 * = no room. */
size_t upgrade_response_format(const struct upgrade_request *req, char *out, size_t out_len);

/* base64(SHA-1(key text || GUID)), RFC 6455 4.2.2. key_text: the 24 characters of Sec-WebSocket-Key. */
void upgrade_accept(
	const char *key_text, size_t key_text_len, char ret_accept[static UPGRADE_ACCEPT_LEN + 1]);

#endif
