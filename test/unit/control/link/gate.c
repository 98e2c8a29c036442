/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "gate.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <unistd.h>

#include "os/sockaddr.h"

/* A connection and the one behind it; each ends the other. */
struct passage {
	struct gate *gate;
	struct bufferevent *outside, *inside;
};

static void passage_end(struct passage *p)
{
	bufferevent_free(p->outside);
	if (p->inside)
		bufferevent_free(p->inside);
	free(p);
}

static void on_end(struct bufferevent *bev UNUSED, short what, void *arg)
{
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		passage_end(arg);
}

static void on_passing(struct bufferevent *from, void *arg)
{
	struct passage *p = arg;

	bufferevent_write_buffer(from == p->outside ? p->inside : p->outside, bufferevent_get_input(from));
}

static void let_pass(struct passage *p)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&p->gate->to, &ss);

	p->gate->passed++;
	p->inside = bufferevent_socket_new(p->gate->base, -1, BEV_OPT_CLOSE_ON_FREE);
	assert_non_null(p->inside);
	bufferevent_setcb(p->inside, on_passing, NULL, on_end, p);
	bufferevent_setcb(p->outside, on_passing, NULL, on_end, p);
	bufferevent_enable(p->inside, EV_READ | EV_WRITE);
	assert_int_equal(bufferevent_socket_connect(p->inside, (struct sockaddr *)&ss, (int)len), 0);
	on_passing(p->outside, p);
}

static void answer(struct passage *p, const char *text)
{
	bufferevent_write(p->outside, text, strlen(text));
}

static void on_connect_request(struct passage *p)
{
	struct evbuffer *in = bufferevent_get_input(p->outside);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char head[2048] = "", want[256];

	if (end.pos < 0)
		return;
	evbuffer_remove(in, head, MIN(sizeof(head) - 1, (size_t)end.pos + 4));
	sscanf(head, "CONNECT %127s HTTP/1.1\r\n", p->gate->asked);
	snprintf(want, sizeof(want), "Proxy-Authorization: Basic %s\r\n",
		p->gate->login ? p->gate->login : "");
	if (p->gate->answer) {
		answer(p, p->gate->answer);
	} else if (p->gate->login && !strstr(head, want)) {
		answer(p, "HTTP/1.1 407 Proxy Authentication Required\r\n"
			  "Proxy-Authenticate: Basic realm=\"x\"\r\n\r\n");
	} else {
		answer(p, "HTTP/1.1 200 Connection established\r\nX-Via: gate\r\n\r\n");
		let_pass(p);
	}
}

static void on_first_bytes(struct bufferevent *bev, void *arg)
{
	struct passage *p = arg;
	uint8_t first = 0;

	evbuffer_copyout(bufferevent_get_input(bev), &first, 1);
	switch (p->gate->kind) {
	case GATE_PROXY:
		on_connect_request(p);
		break;
	case GATE_HOLDS:
		if (first == 0x16)
			let_pass(p);
		else
			evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
		break;
	case GATE_RESETS:
	case GATE_PLAIN:
		if ((first == 0x16) == (p->gate->kind == GATE_RESETS))
			let_pass(p);
		else
			passage_end(p);
		break;
	}
}

static void on_accept(
	struct evconnlistener *lis, evutil_socket_t fd, struct sockaddr *sa UNUSED, int len UNUSED, void *arg)
{
	struct gate *g = arg;
	struct passage *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	g->accepted++;
	p->gate = g;
	p->outside = bufferevent_socket_new(evconnlistener_get_base(lis), fd, BEV_OPT_CLOSE_ON_FREE);
	assert_non_null(p->outside);
	bufferevent_setcb(p->outside, on_first_bytes, NULL, on_end, p);
	bufferevent_enable(p->outside, EV_READ | EV_WRITE);
}

void gate_open(struct gate *g, struct event_base *base, const char *to, char address[static ENDPOINT_STR_LEN])
{
	struct sockaddr_storage ss;
	struct endpoint ep;

	g->base = base;
	assert_int_equal(endpoint_parse(to, &g->to), TM_OK);
	assert_int_equal(endpoint_parse("127.0.0.1:0", &ep), TM_OK);
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	g->listener = evconnlistener_new_bind(base, on_accept, g, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
		5, (struct sockaddr *)&ss, (int)len);
	assert_non_null(g->listener);
	assert_int_equal(getsockname(evconnlistener_get_fd(g->listener), (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, &ep), TM_OK);
	endpoint_format(&ep, address);
}

void gate_close(struct gate *g)
{
	evconnlistener_free(g->listener);
}
