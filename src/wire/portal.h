/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Is it the coordinator that answers HTTP at its address, or a captive portal, which wants a sign-in before
 * it lets anything through? A GET with a random token is answered with what follows from the token, and with
 * nothing else: no page gives that by accident, not even one that repeats what was asked for.
 *
 *   GET /generate-check?0123456789abcdef HTTP/1.1
 *
 *   200, body: 16 bytes, the first of SHA-256("tunnelmesh check 1" || token as text), in hex; a newline
 *
 * No secret is in it: whoever wants to be taken for the coordinator is, and gains a line of text. Pure.
 */
#ifndef TM_WIRE_PORTAL_H
#define TM_WIRE_PORTAL_H

#include "base/err.h"
#include "base/util.h"

enum { PORTAL_TOKEN = 16 /* hexadecimal digits */, PORTAL_TEXT_MAX = 512, PORTAL_ANSWER_MAX = 4096 };

enum portal_verdict {
	PORTAL_UNTRIED,
	PORTAL_WAITS, /* more bytes are needed */
	PORTAL_CLEAN, /* the coordinator answers, and nobody in between changes it */
	PORTAL_SIGN_IN, /* somebody else sends us elsewhere, or asks to sign in: RFC 6585 6, a redirection */
	PORTAL_OTHER, /* somebody else answers */
	PORTAL_SILENT, /* connected, and no answer */
	PORTAL_CLOSED, /* no connection */
	PORTAL_REFUSED, /* the proxy on the way makes none */
	PORTAL_VERDICT_N,
};

/* The question; host as in its Host field. Returns its length, 0 = no room. */
size_t portal_question(
	const char *host, const char token[static PORTAL_TOKEN + 1], char *out, size_t out_len);
/* Does a request begin like that question? Then ret_token is its token. */
bool portal_is_question(const char *p, size_t n, char ret_token[static PORTAL_TOKEN + 1]);
size_t portal_answer(const char token[static PORTAL_TOKEN + 1], char *out, size_t out_len);
/* Who sent these bytes, the first of an answer? over: no more will come. */
enum portal_verdict portal_judge(
	const char *p, size_t n, bool over, const char token[static PORTAL_TOKEN + 1]);

#endif
