/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/inbound.h"

#include <event2/event.h>

#include "base/log.h"
#include "loop/timer.h"
#include "os/os.h"

/* The plane answers within microseconds; on a busy machine, or one that answers others first, less soon. */
#define WAIT (500 * MS)
#define WAIT_LONGER (2 * SEC)
#define ASK_AGAIN (30 * SEC) /* while something is dropped: who repairs it wants to see that */
#define ASK_SOON (3 * SEC) /* a VPN that comes up makes its firewall rules after its addresses */

struct side {
	struct inbound *in;
	int fd; /* of the question under way; -1 = none */
	struct event *answered;
	unsigned misses; /* in a row */
	bool known, dropped;
};

struct inbound {
	struct event_base *base;
	struct inbound_config cfg;
	struct loop_timer *timer; /* the end of the wait, or the next question */
	bool waiting, soon; /* which of the two, and whether the network's change is why */
	struct side side[INBOUND_SIDES];
};

static void end_question(struct side *s)
{
	if (s->answered)
		event_free(TAKE(s->answered));
	if (s->fd >= 0)
		os_knock_end(s->fd);
	s->fd = -1;
}

static void conclude(struct side *s, bool dropped)
{
	const struct inbound *in = s->in;
	char net[PREFIX_STR_LEN];

	prefix_format(&in->cfg.side[s - in->side].net, net);
	if (dropped && !s->dropped)
		log_warn("node: this machine's firewall drops what comes from the mesh: let it in",
			KV("from", net));
	else if (!dropped && s->dropped)
		log_info("node: this machine's firewall lets in what comes from the mesh", KV("from", net));
	s->misses = 0;
	s->known = true;
	s->dropped = dropped;
}

static void on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx)
{
	struct side *s = ctx;

	end_question(s);
	conclude(s, false);
}

static void ask(struct side *s)
{
	const struct inbound *in = s->in;
	const size_t i = (size_t)(s - in->side);
	const struct ip to = prefix_last_host(&in->cfg.side[i].net);

	/* What cannot be asked, IPv6 on a host without it for one, is not in question. */
	if (in->cfg.side[i].self.family == IP_NONE || in->cfg.taken(in->cfg.ctx, &to) ||
		os_knock(in->cfg.ifname, &in->cfg.side[i].self, &to, &s->fd) != TM_OK) {
		s->known = true;
		s->dropped = false;
		return;
	}
	s->answered = event_new(in->base, s->fd, EV_READ, on_readable, s);
	if (!s->answered || event_add(s->answered, NULL) != 0)
		end_question(s);
}

void inbound_ask(struct inbound *in)
{
	bool again = false;

	for (size_t i = 0; i < INBOUND_SIDES; i++) {
		end_question(&in->side[i]);
		ask(&in->side[i]);
		again |= in->side[i].misses > 0;
	}
	in->waiting = true;
	in->soon = false;
	loop_timer_in(in->timer, again ? WAIT_LONGER : WAIT);
}

/* One answer may be lost: the plane gives only so many in a second. */
static bool is_missed(struct side *s)
{
	if (s->fd < 0)
		return false;
	end_question(s);
	if (s->misses++ == 0)
		return true;
	conclude(s, true);
	return false;
}

static void on_timer(void *ctx)
{
	struct inbound *in = ctx;
	bool missed = false, dropped = false;

	if (!in->waiting) {
		inbound_ask(in);
		return;
	}
	in->waiting = false;
	for (size_t i = 0; i < INBOUND_SIDES; i++) {
		missed |= is_missed(&in->side[i]);
		dropped |= in->side[i].dropped;
	}
	if (missed)
		inbound_ask(in);
	else if (dropped)
		loop_timer_in(in->timer, ASK_AGAIN);
}

void inbound_ask_soon(struct inbound *in)
{
	/* A network that never rests does not put it off. */
	if (in->waiting || in->soon)
		return;
	in->soon = true;
	loop_timer_in(in->timer, ASK_SOON);
}

int inbound_new(struct event_base *base, const struct inbound_config *cfg, struct inbound **ret_inbound)
{
	_cleanup_(inbound_freep) struct inbound *in = calloc(1, sizeof(*in));

	if (!in)
		return TM_ENOMEM;
	in->base = base;
	in->cfg = *cfg;
	for (size_t i = 0; i < INBOUND_SIDES; i++)
		in->side[i] = (struct side){.in = in, .fd = -1};
	int err = loop_timer_new(base, on_timer, in, &in->timer);
	if (err)
		return err;
	*ret_inbound = TAKE(in);
	return TM_OK;
}

void inbound_free(struct inbound *in)
{
	if (!in)
		return;
	for (size_t i = 0; i < INBOUND_SIDES; i++)
		end_question(&in->side[i]);
	loop_timer_free(in->timer);
	free(in);
}

bool inbound_known(const struct inbound *in)
{
	for (size_t i = 0; i < INBOUND_SIDES; i++)
		if (!in->side[i].known)
			return false;
	return true;
}

bool inbound_dropped(const struct inbound *in, size_t side)
{
	return in->side[side].dropped;
}
