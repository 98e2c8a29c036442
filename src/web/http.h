/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The HTTP/1.1 server (RFC 9110, 9112) that dashboard and metrics stand on: a table of routes, answers with
 * fixed security headers, streams of events. It is made for few viewers and many who mean harm: every number
 * and every wait has a limit, and who asks is known before a body is read. Control thread.
 *
 * A handler answers before it returns, or keeps the request (web_keep, web_stream_begin) and answers later.
 * Calls to the server never call back; `gone` is told from the loop.
 */
#ifndef TM_WEB_HTTP_H
#define TM_WEB_HTTP_H

#include "base/addr.h"
#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

struct event_base;
struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct web_request;
struct web_server;
struct web_stream;

enum {
	WEB_LISTEN_MAX = 12, /* addresses of one server */
	WEB_BODY_MAX = 16 << 10, /* of a route that says nothing else */
	WEB_NAME_MAX = 64,
	WEB_PATH_MAX = 512,
	WEB_PARAMS_MAX = 2, /* pluses in a path */
	WEB_COOKIES_MAX = 2, /* set by one answer */
};

/* --- who asks --- */

enum web_role { WEB_ANYONE, WEB_MEMBER, WEB_ADMIN };

struct web_viewer {
	enum web_role role;
	char name[WEB_NAME_MAX]; /* of the member, or of who has logged in; "": nobody knows */
	/* The same for the same viewer: what a token is bound to. Of somebody unknown zero, unless he can be
	 * told from others who come from his address. */
	uint8_t id[16];
	bool session; /* has logged in, and may log out */
};

/* As a connection shows it. */
struct web_caller {
	struct endpoint from, at;
	const char *cookie; /* the Cookie field, or NULL */
	bool tls; /* it came through TLS */
	bool https; /* its browser has it by https: ours, or that of a web server in front */
};

/* The value of the first of that name, borrowed (RFC 6265 4.2.1); NULL: there is none. */
const char *web_cookie(const struct web_caller *c, const char *name, size_t *ret_n);

/* --- what is answered --- */

typedef void web_handler_fn(void *ctx, struct web_request *r);

struct web_route {
	const char *path; /* "/nodes/+": a plus is one segment, not empty */
	web_handler_fn *get, *post; /* NULL: 405. HEAD is GET, its body is left out */
	enum web_role who; /* at least */
	uint32_t body_max; /* 0: WEB_BODY_MAX */
};

struct web_body {
	const char *type; /* "text/html; charset=utf-8" */
	const void *p;
	size_t n;
	const char *location; /* of a redirect; NULL: none */
	const char *cookies[WEB_COOKIES_MAX]; /* to be set, with their attributes; NULL: none */
	bool immutable; /* what is at this address stays the same, and may be kept; else nothing is */
};

struct web_config {
	const struct web_route *routes; /* borrowed */
	size_t n_routes;
	void *routes_ctx; /* of the handlers; NULL: ctx is theirs, too */
	void *ctx; /* of all functions here */
	/* Fills *ret_viewer, which is WEB_ANYONE. NULL: all are. */
	void (*who)(void *ctx, const struct web_caller *c, struct web_viewer *ret_viewer);
	/* Is it a name of ours? Without port and brackets, in small letters. Every literal of
	 * an address is ours without asking. NULL: no name is. */
	bool (*is_host)(void *ctx, const char *host);
	/*
	 * Who begins TLS is answered by this, borrowed until the next call; NULL: not now, hang up. It costs
	 * us more than him. Where there is no function nothing but plain HTTP is spoken.
	 */
	struct ssl_ctx_st *(*tls)(void *ctx, const struct web_caller *c);
	/* May it be asked in plain HTTP? Else https is where it is led to. NULL: by all. */
	bool (*may_be_plain)(void *ctx, const struct web_caller *c);
	/* A refusal as a page; the sentence is ours. NULL: plain text. It answers with web_answer. */
	void (*refuse)(void *ctx, struct web_request *r, unsigned status, const char *sentence);
	const char *what; /* for the log: "dashboard" */
	uint32_t mark; /* SO_MARK of the listeners, 0 = none */
	uint32_t connections, each; /* in all, and of one address; 0: 512, 32 */
};

NODISCARD int web_server_new(
	struct event_base *base, const struct web_config *cfg, struct web_server **ret_server);
/* Ends all connections, without `gone`. Not for handlers, nor for `gone`. NULL is fine. */
void web_server_free(struct web_server *s);
/*
 * Where it listens from now on. Who has come by an address that is not among them any more is hung up on,
 * from the loop. What cannot be listened on (its port is busy) is warned of once and tried again; addresses
 * may come up later.
 */
void web_server_listen(struct web_server *s, const struct endpoint *at, size_t n);
/* Is it listened on there? *ret_at becomes what was bound, where the port was 0. */
bool web_server_listens(const struct web_server *s, size_t i, struct endpoint *ret_at);

struct web_counters {
	uint64_t connections, /* accepted */
		crowded_out, /* no place for them, or it was taken by a newer one */
		late, /* too slow to ask or to read */
		requests, refused; /* answered in all; of them with 4xx or 5xx */
};
const struct web_counters *web_server_counters(const struct web_server *s);
size_t web_server_connections(const struct web_server *s);

/* --- a request: borrowed until it has been answered --- */

const char *web_path(const struct web_request *r); /* decoded, without the query */
const char *web_param(const struct web_request *r, size_t i); /* what the i-th plus stands for, decoded */
/* Of the query, and of the form that was posted: decoded UTF-8 without NUL; NULL: there is none of the name.
 */
const char *web_query(const struct web_request *r, const char *name);
const char *web_form(const struct web_request *r, const char *name);
const struct web_viewer *web_viewer(const struct web_request *r);
const struct web_caller *web_caller(const struct web_request *r);
/*
 * Belongs into each form as the field "token". A post that lacks the viewer's own, or says that it comes from
 * another site, is refused before its handler hears of it.
 */
enum { WEB_TOKEN_LEN = 43 };
const char *web_token(struct web_request *r);

/* Once. What it is given is copied. */
void web_answer(struct web_request *r, unsigned status, const struct web_body *b);
void web_refuse(struct web_request *r, unsigned status, const char *sentence);
/* 303: what was posted is done, and this is to be looked at. */
void web_see(struct web_request *r, const char *path);

/* So many bytes were made and read for a known viewer, beside those of its answers. */
void web_charge(struct web_server *s, const struct web_viewer *by, size_t bytes);

/* It is answered later. gone: the connection has ended before that, and the request with it. */
void web_keep(struct web_request *r, void (*gone)(void *ctx), void *ctx);

/*
 * Server-sent events (HTML standard, 9.2), instead of an answer. They end with the connection, which then
 * says so by `gone`; who reads too slowly is hung up on. NULL: refused already, there is no place for
 * another.
 */
struct web_stream *web_stream_begin(struct web_request *r, void (*gone)(void *ctx), void *ctx);
/* data may have several lines. */
void web_stream_send(struct web_stream *s, const char *event, const char *data, size_t n);
/* Has the reader taken all? Who sends states and not news leaves one out when it has not. */
bool web_stream_is_clear(struct web_stream *s);
const struct web_viewer *web_stream_viewer(struct web_stream *s);
void web_stream_end(struct web_stream *s); /* without `gone` */

#endif
