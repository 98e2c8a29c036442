/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/capture.h"

#include <event2/event.h>
#include <string.h>

#include "base/list.h"
#include "data/plane/tap.h"
#include "node/node_private.h"
#include "os/local.h"
#include "wire/pcapng.h"

enum {
	OUT_BYTES = 256 << 10, /* that wait for the client's socket */
	ROOM_MIN = TAP_PACKET_MAX + PCAPNG_OVER,
	FILLS_PER_TURN = 4, /* then others have theirs */
};

struct captures {
	struct list all;
};

struct capture {
	struct list in_all;
	struct node *node;
	struct tap *tap;
	int fd;
	char name[NODE_NAME_MAX + 1]; /* of the peer */
	struct event *on_packets, *on_client, *on_room;
	struct loop_timer *over;
	ns_t ahead; /* of real time before monotonic time, as it was at the beginning */
	ns_t began, until; /* monotonic; until: what came later is not shown */
	uint64_t most, taken;
	bool told; /* how many there were: the end */
	uint8_t packet[TAP_PACKET_MAX];
	uint8_t out[OUT_BYTES];
	size_t at, end; /* of out */
};

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

static void capture_free(struct capture *c)
{
	if (c->tap)
		log_info("node: packets are not captured any more", KV("peer", c->name),
			KV_INT("packets", c->taken), KV_INT("lost", tap_lost(c->tap)));
	free_event(c->on_packets);
	free_event(c->on_client);
	free_event(c->on_room);
	loop_timer_free(c->over);
	plane_tap_close(c->node->plane, c->tap);
	if (c->fd >= 0)
		os_local_close(c->fd);
	list_remove(&c->in_all);
	free(c);
}

/* --- what is told --- */

static struct wr room(struct capture *c)
{
	return wr_over(c->out + c->end, sizeof(c->out) - c->end);
}

static void put_packet(struct capture *c, const struct tap_packet *t)
{
	char comment[PCAPNG_TEXT_MAX] = "";
	struct wr w = room(c);

	if (t->dropped != DROP_N)
		snprintf(comment, sizeof(comment), "dropped: %s", plane_drop_text(t->dropped));
	pcapng_packet_put(&w, &(struct pcapng_packet){.at = t->at + c->ahead,
				      .out = t->out,
				      .n = t->n,
				      .kept = t->kept,
				      .lost = t->lost,
				      .comment = comment,
				      .p = t->p});
	c->end += wr_len(&w);
	c->taken++;
}

static void put_end(struct capture *c)
{
	const uint64_t lost = tap_lost(c->tap);
	struct wr w = room(c);

	pcapng_end_put(&w, &(struct pcapng_end){.began = c->began + c->ahead,
				   .ended = time_monotonic() + c->ahead,
				   .received = c->taken + lost,
				   .lost = lost});
	c->end += wr_len(&w);
	c->told = true;
	if (c->until != NS_NEVER)
		return;
	/* It has the number that was wanted; who does not take the rest is not waited for. */
	c->until = time_monotonic();
	loop_timer_in(c->over, CTL_PATIENCE);
}

static bool has_enough(const struct capture *c)
{
	return c->most && c->taken >= c->most;
}

/* All that there is and that there is room for. */
static void fill(struct capture *c)
{
	struct tap_packet t;
	bool any = true;

	if (c->at == c->end)
		c->at = c->end = 0;
	while (!c->told && sizeof(c->out) - c->end >= ROOM_MIN) {
		any = !has_enough(c) && tap_take(c->tap, c->packet, &t) && t.at <= c->until;
		if (!any)
			break;
		put_packet(c, &t);
	}
	if (!any && !c->told && (has_enough(c) || c->until != NS_NEVER))
		put_end(c);
}

/* --- giving it to the client --- */

static int send_some(struct capture *c)
{
	size_t n = 0;
	int err = os_local_send(c->fd, c->out + c->at, c->end - c->at, &n);

	c->at += n;
	return err;
}

/* May free c. */
static void pump(struct capture *c)
{
	int err = TM_OK;

	tap_acknowledge(c->tap);
	for (unsigned i = 0; i < FILLS_PER_TURN && !err; i++) {
		fill(c);
		if (c->at == c->end) {
			/* All is said; or the next packet wakes us. */
			if (c->told || event_add(c->on_packets, NULL) < 0)
				capture_free(c);
			return;
		}
		err = send_some(c);
	}
	/* Before there is room nobody need wake us. */
	event_del(c->on_packets);
	if ((err && err != TM_EAGAIN) || event_add(c->on_room, NULL) < 0)
		capture_free(c);
}

static void on_pump(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	pump(arg);
}

/* What there is until now is still told, if the client takes it soon. */
static void finish(struct capture *c)
{
	event_del(c->on_client);
	c->until = time_monotonic();
	loop_timer_in(c->over, CTL_PATIENCE);
	pump(c);
}

static void on_client(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct capture *c = arg;
	char ignored[64];
	size_t n;

	if (os_local_recv(fd, ignored, sizeof(ignored), &n) == TM_ECLOSED)
		finish(c);
}

static void on_over(void *arg)
{
	struct capture *c = arg;

	if (c->until == NS_NEVER)
		finish(c);
	else
		capture_free(c);
}

/* --- beginning --- */

/* Without memory nothing is put. */
static void put_begin(struct capture *c, const struct mesh_node *peer, uint32_t keep)
{
	char description[PCAPNG_TEXT_MAX];
	struct jsonout o = {0};
	size_t n = 0;

	jsonout_object(&o, NULL);
	jsonout_bool(&o, "ok", true);
	jsonout_text(&o, "name", peer->name);
	jsonout_text(&o, "id", peer->id);
	jsonout_object_end(&o);
	_cleanup_(freep) char *line = jsonout_take(&o, &n);
	struct wr w = room(c);
	uint8_t *to = line ? wr_room(&w, n + 1) : NULL;

	if (!to)
		return;
	memcpy(to, line, n);
	to[n] = '\n';
	snprintf(description, sizeof(description), "inside of the tunnel to %s", peer->name);
	pcapng_begin(&w, &(struct pcapng_about){.program = "tunnelmesh " TM_VERSION,
				 .interface = plane_tun_name(c->node->plane),
				 .description = description,
				 .keep = keep});
	c->end = wr_len(&w);
}

static int capture_new(struct node *n, const struct mesh_node *peer, struct capture **ret_c)
{
	struct capture *c = malloc(sizeof(*c));

	if (!c)
		return TM_ENOMEM;
	/* Not all of it zeroed: most is room. */
	memset(c, 0, offsetof(struct capture, packet));
	c->at = c->end = 0;
	c->node = n;
	c->fd = -1;
	c->until = NS_NEVER;
	c->began = time_monotonic();
	c->ahead = time_real() - c->began;
	snprintf(c->name, sizeof(c->name), "%s", peer->name);
	list_push_back(&n->captures->all, &c->in_all);
	int err = loop_timer_new(n->base, on_over, c, &c->over);
	if (err) {
		capture_free(c);
		return err;
	}
	*ret_c = c;
	return TM_OK;
}

/* The connection is c's. */
static int listen_to(struct capture *c)
{
	struct event_base *base = c->node->base;

	c->on_packets = event_new(base, tap_fd(c->tap), EV_READ | EV_PERSIST, on_pump, c);
	c->on_client = event_new(base, c->fd, EV_READ | EV_PERSIST, on_client, c);
	c->on_room = event_new(base, c->fd, EV_WRITE, on_pump, c);
	if (!c->on_packets || !c->on_client || !c->on_room || event_add(c->on_client, NULL) < 0)
		return TM_ENOMEM;
	return TM_OK;
}

static void refuse(struct ctl_call *call, int err)
{
	if (err == TM_EFULL)
		ctl_reply(call, msg_refusal(tm_err_word(err), "as many capture already as may at one time",
					"end one of them"));
	else
		ctl_reply(call, msg_refusal(tm_err_word(err), tm_strerror(err), ""));
}

void captures_begin(
	struct node *n, const struct mesh_node *peer, const struct msg_capture *how, struct ctl_call *call)
{
	struct capture *c = NULL;
	int err = capture_new(n, peer, &c);

	if (!err) {
		err = plane_tap_open(n->plane, peer->key, how->keep, &c->tap);
		if (err)
			capture_free(c);
	}
	if (err) {
		refuse(call, err);
		return;
	}
	c->most = how->count;
	log_info("node: packets are captured", KV("peer", peer->name));
	if (ctl_release(call, &c->fd) != TM_OK || listen_to(c) != TM_OK) {
		capture_free(c);
		return;
	}
	if (how->seconds)
		loop_timer_in(c->over, how->seconds * SEC);
	put_begin(c, peer, how->keep);
	if (c->end)
		pump(c);
	else
		capture_free(c);
}

int captures_open(struct node *n)
{
	n->captures = calloc(1, sizeof(*n->captures));
	if (!n->captures)
		return TM_ENOMEM;
	list_init(&n->captures->all);
	return TM_OK;
}

void captures_close(struct node *n)
{
	if (!n->captures)
		return;
	LIST_FOREACH_SAFE (c, &n->captures->all, struct capture, in_all) {
		c->until = time_monotonic();
		fill(c);
		(void)!send_some(c); /* what the socket takes */
		capture_free(c);
	}
	free(TAKE(n->captures));
}
