/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside web/ only: the server's parts as they know each other. A visit is one connection of somebody who
 * asks. */
#ifndef TM_WEB_SERVER_H
#define TM_WEB_SERVER_H

#include "base/list.h"
#include "base/strbuf.h"
#include "net/conn.h"
#include "net/tls.h"
#include "web/form.h"
#include "web/head.h"
#include "web/spending.h"

struct loop_timer;
struct visit;
struct web_door;

enum {
	WEB_CONNECTIONS = 512,
	WEB_EACH = 32,
	WEB_IN_MAX = HTTP_HEAD_MAX, /* besides a request that is read: asked ahead */
	WEB_BURST_MAX = WEB_IN_MAX + (64 << 10), /* the same while it is answered, a request a turn */
	WEB_STREAM_QUEUE = 256 << 10, /* bytes; who has not read so many is too slow */
	WEB_DIGEST = 32,
};
#define WEB_REQUEST_TIME (10 * SEC) /* from its first byte to its last */
#define WEB_IDLE_TIME (60 * SEC) /* nothing is asked */
#define WEB_ANSWER_TIME (60 * SEC) /* until it is made, and until it has been read */
#define WEB_STALL_TIME (20 * SEC) /* nothing of a stream is read */
#define WEB_END_TIME (2 * SEC) /* until the other side hangs up, too */
#define WEB_TICK (1 * SEC)
#define WEB_BEAT (20 * SEC) /* a stream says so often that it lives */
#define WEB_LISTEN_AGAIN (5 * SEC)

struct web_server {
	/* set once */
	struct event_base *base;
	struct web_config cfg;
	uint8_t key[WEB_DIGEST]; /* of the tokens: new at each start */
	struct tls_door tls; /* as config has it */
	struct loop_timer *tick, *soon, *listen_again, *accept_again;
	/* changes */
	struct web_door *doors[WEB_LISTEN_MAX];
	size_t n_doors;
	struct list visits; /* who came first is first */
	size_t n_visits;
	struct web_counters counters;
	struct web_spending spending;
};

/* Lives in its request. */
struct web_stream {
	ns_t beat; /* when it said something last */
};

enum request_state { REQUEST_READ, REQUEST_HANDLED, REQUEST_KEPT, REQUEST_STREAMS, REQUEST_ANSWERED };

struct web_request {
	struct visit *visit;
	enum request_state state;
	struct web_head head;
	size_t head_len;
	const struct web_route *route;
	char params[WEB_PARAMS_MAX][WEB_PATH_MAX];
	size_t n_params;
	struct web_caller caller; /* the visit's, and the cookie */
	struct web_viewer viewer;
	struct web_form query, form;
	char token[WEB_TOKEN_LEN + 1];
	void (*gone)(void *ctx);
	void *gone_ctx;
	struct web_stream stream;
	char text[]; /* the head as it came: what is borrowed of it is here */
};

struct visit {
	struct list by_age; /* web_server.visits */
	struct web_server *server;
	const struct web_door *door; /* by which it came; NULL: it has been taken away */
	struct net_conn conn;
	struct net_layer layer;
	struct web_caller caller;
	struct web_request *request; /* the one that is read or answered; NULL: none */
	struct strbuf in; /* what is not read yet */
	ns_t since; /* what it does, or does not */
	ns_t deadline; /* hung up on then, unless something happens */
	bool known; /* by what it has asked last: it is no stranger's */
	bool broken; /* something could not be sent: hung up on by the next tick */
	bool goes_on; /* more may have been asked already: looked at in the next turn of the loop */
	bool ends; /* the last answer has been given: what comes is dropped */
};

/* --- visit.c --- */
/* Takes fd; failing is hanging up. */
void visit_begin(struct web_server *s, const struct web_door *door, const struct endpoint *at, int fd_take,
	const struct endpoint *from);
void visit_end(struct visit *v, bool tell); /* hangs up; tell: `gone` is called */
/* Goes on: when a request that was kept has been answered, and with what was asked ahead. */
void visit_settle(struct visit *v);
void visit_tick(struct visit *v, ns_t now);
bool visit_is_from(const struct visit *v, const struct ip *source); /* or from what counts as the same */
bool visit_is_idle(const struct visit *v); /* asks nothing, and is owed nothing */
/* When there are too many: an idle one, or a stranger's, unless an answer to it is being made. */
bool visit_may_go(const struct visit *v);
/* Down to the other side. What fails is hung up on by the next tick. */
void visit_send(struct visit *v, const struct strbuf *b);

/* Who begins TLS at a server that speaks it. */
struct ssl_ctx_st *visit_knock(void *server, struct net_conn *c);
void visit_entered(void *server, struct net_conn *c);

/* --- request.c --- */
/* The head is whole: may it go on? Else it has been refused. */
bool request_may(struct web_request *r);
/* All of it is there: the handler is asked. */
void request_handle(struct web_request *r, const char *body, size_t n);
void request_free(struct web_request *r); /* NULL is fine */

/* --- route.c --- */
/* The route of the path and what its pluses stand for; NULL: none. */
const struct web_route *route_find(const struct web_route *routes, size_t n, const char *path,
	char params[static WEB_PARAMS_MAX][WEB_PATH_MAX], size_t *ret_n);

/* --- token.c --- */
bool token_fits(const struct web_request *r, const char *token);

/* --- answer.c --- */
/* Status line and fields, without the length and the empty line. */
void answer_head(struct strbuf *b, const struct web_request *r, unsigned status, const struct web_body *body);
bool answer_is_owed(const struct web_request *r); /* else it goes nowhere */
/* The request gets no body, or one that is not read: the connection ends after this. */
void answer_refuse_plainly(struct web_request *r, unsigned status, const char *sentence);

/* --- stream.c --- */
void stream_tick(struct web_request *r, ns_t now);

#endif
