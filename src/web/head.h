/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The head of a request (RFC 9112): its line and the fields that the server goes by. Strict where two
 * readings of one request are possible. Pure; private to web/.
 */
#ifndef TM_WEB_HEAD_H
#define TM_WEB_HEAD_H

#include "web/http.h"
#include "wire/http.h"

enum { WEB_HOST_MAX = 256 };

enum web_method { WEB_GET, WEB_HEAD, WEB_POST, WEB_OTHER };

struct web_head {
	enum web_method method;
	char path[WEB_PATH_MAX]; /* decoded, without the query */
	struct http_span query; /* as it came, borrowed */
	char host[WEB_HOST_MAX]; /* in small letters, without port and brackets */
	struct http_span authority; /* as it came, borrowed: what Origin has to say, too */
	/* Origin, Sec-Fetch-Site, Content-Type, Cookie; borrowed; s is NULL: not there */
	struct http_span origin, site, type, cookie;
	uint64_t body; /* bytes that follow */
	bool waits; /* Expect: 100-continue */
	bool closes; /* nothing is asked after this on the connection */
};

/*
 * p is a whole head, with the empty line. What is wrong is a status and a sentence: 0 and NULL when nothing
 * is.
 */
unsigned web_head_parse(const char *p, size_t n, struct web_head *ret_head, const char **ret_sentence);

#endif
