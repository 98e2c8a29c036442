/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "parrot.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <unistd.h>

#include "os/sockaddr.h"

static void on_parrot_read(struct bufferevent *bev, void *arg UNUSED)
{
	bufferevent_free(bev);
}

static void on_parrot_event(struct bufferevent *bev, short what UNUSED, void *arg UNUSED)
{
	bufferevent_free(bev);
}

static void on_parrot_accept(
	struct evconnlistener *lis, evutil_socket_t fd, struct sockaddr *sa UNUSED, int len UNUSED, void *arg)
{
	struct parrot *p = arg;
	struct bufferevent *bev =
		bufferevent_socket_new(evconnlistener_get_base(lis), fd, BEV_OPT_CLOSE_ON_FREE);

	assert_non_null(bev);
	p->accepted++;
	bufferevent_write(bev, p->text, strlen(p->text));
	bufferevent_setcb(bev, p->hang_up ? on_parrot_read : NULL, NULL, on_parrot_event, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

void parrot_open(
	struct parrot *p, struct event_base *base, const char *at, char address[static ENDPOINT_STR_LEN])
{
	struct sockaddr_storage ss;
	struct endpoint ep;

	assert_int_equal(endpoint_parse(at, &ep), TM_OK);
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	p->listener = evconnlistener_new_bind(base, on_parrot_accept, p,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 5, (struct sockaddr *)&ss, (int)len);
	assert_non_null(p->listener);
	assert_int_equal(getsockname(evconnlistener_get_fd(p->listener), (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, &ep), TM_OK);
	endpoint_format(&ep, address);
}

void parrot_close(struct parrot *p)
{
	evconnlistener_free(p->listener);
}

int black_hole(char address[static ENDPOINT_STR_LEN], int fill[8])
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	for (unsigned i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (struct sockaddr *)&sa, len);
	}
	snprintf(address, ENDPOINT_STR_LEN, "127.0.0.1:%u", ntohs(sa.sin_port));
	return fd;
}
