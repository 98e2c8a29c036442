/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/nat.h"

#include <assert.h>
#include <string.h>

enum {
	ASK_TRIES = 3, /* of a server, while another answers */
	TRIES = 4, /* of a test whose silence means something: 10 % of loss each way fake one in 800 */
	GUESS_TRIES = 2,
};
#define ASK_GAP (500 * MS) /* RFC 8489 6.2.1 */
#define GAP_MIN (200 * MS)
/* Nobody has answered: perhaps because our questions are not the first of their flow. */
#define GUESS_AFTER (1200 * MS)

static unsigned side_of(const struct endpoint *ep)
{
	return ep->ip.family == IP_V6;
}

void nat_prober_init(struct nat_prober *p)
{
	*p = (struct nat_prober){.due = NS_NEVER};
	for (size_t i = 0; i < ARRAY_LEN(p->report.family); i++)
		p->report.family[i] =
			(struct nat_facts){.mapping = NAT_ON_ANYTHING, .filtering = NAT_ON_ANYTHING};
}

void nat_set_servers(struct nat_prober *p, const struct nat_server *v, size_t n)
{
	p->n_servers = MIN(n, (size_t)NAT_SERVERS);
	for (size_t i = 0; i < p->n_servers; i++)
		p->servers[i] = v[i];
}

/* --- tests --- */

static struct nat_test *find(struct nat_side *side, enum nat_test_kind kind)
{
	for (size_t i = 0; i < side->n_tests; i++)
		if (side->tests[i].kind == kind)
			return &side->tests[i];
	return NULL;
}

static void add(struct nat_side *side, const struct nat_test *like, ns_t now)
{
	assert(side->n_tests < NAT_TESTS);
	struct nat_test *t = &side->tests[side->n_tests++];

	*t = *like;
	t->due = now;
	t->max_tries = t->max_tries ? t->max_tries : TRIES;
}

/* At most one of each kind but NAT_ASK. */
static void add_once(struct nat_side *side, const struct nat_test *like, ns_t now)
{
	if (!find(side, like->kind))
		add(side, like, now);
}

static bool has_family(const struct nat_self *self, uint8_t family)
{
	for (size_t i = 0; i < self->n_local; i++)
		if (self->local[i].family == family && !ip_is_link_local(&self->local[i]))
			return true;
	return false;
}

static bool any_answered(const struct nat_side *side)
{
	for (size_t i = 0; i < side->n_tests; i++)
		if (side->tests[i].answered)
			return true;
	return false;
}

/* --- the report --- */

static void conclude(struct nat_prober *p)
{
	struct nat_report *r = &p->report;

	for (size_t i = 0; i < ARRAY_LEN(p->side); i++) {
		nat_conclude(p->side[i].tests, p->side[i].n_tests, &p->self, &r->family[i]);
		if (!p->side[i].n_tests && !has_family(&p->self, i ? IP_V6 : IP_V4))
			r->family[i].udp = NAT_UDP_ABSENT;
	}
}

static void finish(struct nat_prober *p, ns_t now)
{
	for (size_t i = 0; i < ARRAY_LEN(p->side); i++)
		for (size_t k = 0; k < p->side[i].n_tests; k++) {
			struct nat_test *t = &p->side[i].tests[k];

			/* Cut off before its tries were over: its silence means nothing. */
			t->unable |= !t->over && !t->answered && t->kind != NAT_ASK;
			t->over = true;
		}
	conclude(p);
	p->report.done = true;
	p->report.ended = now;
	p->due = NS_NEVER;
}

static void ask_all(struct nat_prober *p, ns_t now)
{
	struct nat_report *r = &p->report;

	for (size_t i = 0; i < p->n_running; i++) {
		struct nat_reached *reached = &r->servers[r->n_servers++];

		memcpy(reached->id, p->running[i].id, sizeof(reached->id));
		for (size_t k = 0; k < ARRAY_LEN(p->side); k++) {
			if (!endpoint_is_set(&p->running[i].at[k]) ||
				!has_family(&p->self, k ? IP_V6 : IP_V4))
				continue;
			reached->at[k] = p->running[i].at[k];
			add(&p->side[k],
				&(struct nat_test){.kind = NAT_ASK,
					.server = (uint8_t)i,
					.to = p->running[i].at[k],
					.max_tries = ASK_TRIES,
					.gap = ASK_GAP},
				now);
		}
	}
}

void nat_start(
	struct nat_prober *p, const struct nat_self *self, bool full, const uint8_t *self_key, ns_t now)
{
	p->n_running = p->n_servers;
	memcpy(p->running, p->servers, sizeof(p->running));
	p->self = (struct nat_self){.local = p->local,
		.n_local = MIN(self->n_local, (size_t)NAT_LOCAL),
		.port = self->port,
		.aside = self->aside};
	for (size_t i = 0; i < p->self.n_local; i++)
		p->local[i] = self->local[i];
	for (size_t i = 0; i < ARRAY_LEN(p->side); i++)
		p->side[i] = (struct nat_side){.n_tests = 0};
	p->report = (struct nat_report){.full = full && self_key, .began = now};
	if (p->report.full)
		memcpy(p->self_key, self_key, sizeof(p->self_key));
	p->last_sent = now - NAT_PACE;
	p->due = now;
	ask_all(p, now);
	conclude(p);
}

/* --- what is sent --- */

static size_t write_question(struct nat_prober *p, struct nat_test *t, struct stun_self *self, uint8_t *out,
	size_t out_len, uint64_t *ret_stamp)
{
	bool ourselves = t->kind == NAT_ASK_SELF;
	const struct nat_server *to = &p->running[t->server];
	struct stun_msg m = {
		.pad_to = t->kind == NAT_ASK_LONG     ? NAT_LONG
			  : t->kind == NAT_ASK_MEDIUM ? NAT_MEDIUM
						      : NAT_SHORT,
		.change_port = t->kind == NAT_FROM_PORT || t->kind == NAT_FROM_ADDRESS,
		.change_ip = t->kind == NAT_FROM_ADDRESS,
	};

	return stun_ask(self, ourselves ? self->id : to->id, ourselves ? p->self_key : to->key, &m, out,
		out_len, ret_stamp);
}

/* The tries of a test are over. True: no, go on. */
static bool tries_on(const struct nat_side *side, struct nat_test *t)
{
	if (t->kind == NAT_ASK && t->max_tries < NAT_TRIES && !any_answered(side)) {
		t->max_tries = NAT_TRIES;
		return true;
	}
	return false;
}

/* RFC 5780 4.3 writes to the second address; where there is a second server, that does the same. */
static void after(struct nat_side *side, const struct nat_test *t, ns_t now)
{
	unsigned addresses = 0;

	if (t->kind != NAT_AGAIN || !side->other.port)
		return;
	for (size_t i = 0; i < side->n_tests; i++)
		addresses += side->tests[i].kind == NAT_ASK && side->tests[i].answered;
	if (addresses > 1)
		return;
	const struct nat_test next = {
		.kind = NAT_ASK_ADDRESS,
		.server = t->server,
		.to = {.ip = side->other.ip, .port = t->to.port},
		.gap = t->gap,
	};
	add_once(side, &next, now);
}

static void end_test(struct nat_side *side, struct nat_test *t, ns_t now)
{
	t->over = true;
	t->due = NS_NEVER;
	after(side, t, now);
}

/* The test that is due for longest, of either family; NULL: none. */
static struct nat_test *due_test(struct nat_prober *p, ns_t now, struct nat_side **ret_side)
{
	struct nat_test *due = NULL;

	for (size_t i = 0; i < ARRAY_LEN(p->side); i++)
		for (size_t k = 0; k < p->side[i].n_tests; k++) {
			struct nat_test *t = &p->side[i].tests[k];

			if (t->over || t->due > now || (due && due->due <= t->due))
				continue;
			due = t;
			*ret_side = &p->side[i];
		}
	return due;
}

static void plan(struct nat_prober *p, ns_t now)
{
	ns_t next = NS_NEVER;

	for (size_t i = 0; i < ARRAY_LEN(p->side); i++)
		for (size_t k = 0; k < p->side[i].n_tests; k++)
			if (!p->side[i].tests[k].over)
				next = ns_min(next, p->side[i].tests[k].due);
	if (next == NS_NEVER) {
		finish(p, now);
		return;
	}
	p->due = ns_min(MAX(next, p->last_sent + NAT_PACE), p->report.began + NAT_TIME);
}

/* Only the first datagram of a flow may pass, and we have written to this server before. Its second port, if
 * it has the one that is usual, is another flow. */
static void guess(struct nat_prober *p, ns_t now)
{
	for (size_t i = 0; i < ARRAY_LEN(p->side); i++) {
		struct nat_side *side = &p->side[i];
		const struct nat_test *first = side->n_tests ? &side->tests[0] : NULL;

		if (!first || any_answered(side) || first->to.port > UINT16_MAX - NAT_SECOND_PORT)
			continue;
		struct nat_test t = {.kind = NAT_ASK_PORT,
			.server = first->server,
			.to = first->to,
			.max_tries = GUESS_TRIES,
			.gap = ASK_GAP};
		t.to.port = (uint16_t)(t.to.port + NAT_SECOND_PORT);
		add_once(side, &t, now);
	}
}

bool nat_step(struct nat_prober *p, struct stun_self *self, ns_t now, struct nat_out *ret_out)
{
	struct nat_side *side;
	struct nat_test *t;

	ret_out->n = 0;
	if (p->due > now)
		return false;
	if (now - p->report.began >= NAT_TIME) {
		finish(p, now);
		return false;
	}
	if (now - p->report.began >= GUESS_AFTER)
		guess(p, now);
	while (!ret_out->n && (t = due_test(p, now, &side))) {
		if (t->tries == t->max_tries && !tries_on(side, t)) {
			end_test(side, t, now);
			continue;
		}
		if (side->sent == NAT_SENT_MAX) {
			end_test(side, t, now);
			continue;
		}
		ret_out->to = t->to;
		ret_out->aside = t->kind == NAT_FROM_ADDRESS;
		ret_out->n =
			write_question(p, t, self, ret_out->msg, sizeof(ret_out->msg), &t->stamps[t->tries]);
		side->sent++;
		t->sent[t->tries++] = p->last_sent = now;
		t->due = now + (t->tries == t->max_tries ? 2 * t->gap : t->gap);
	}
	plan(p, now);
	return ret_out->n > 0;
}

/* --- what comes back --- */

/* Where may its answer come from? */
static bool comes_right(const struct nat_test *t, const struct endpoint *from)
{
	if (t->kind == NAT_FROM_PORT)
		return ip_eq(&t->to.ip, &from->ip);
	if (t->kind == NAT_FROM_ADDRESS)
		return endpoint_eq(&t->to, from) || !ip_eq(&t->to.ip, &from->ip);
	return t->kind == NAT_ASK_SELF || endpoint_eq(&t->to, from);
}

static struct nat_test *test_by_stamp(
	struct nat_prober *p, uint64_t stamp, unsigned *ret_side, unsigned *ret_try)
{
	for (unsigned i = 0; i < ARRAY_LEN(p->side); i++)
		for (size_t k = 0; k < p->side[i].n_tests; k++)
			for (unsigned try_no = 0; try_no < p->side[i].tests[k].tries; try_no++)
				if (p->side[i].tests[k].stamps[try_no] == stamp) {
					*ret_side = i;
					*ret_try = try_no;
					return &p->side[i].tests[k];
				}
	return NULL;
}

const uint8_t *nat_asked(const struct nat_prober *p, const struct stun_self *self, const char *sender,
	const struct stun_msg *msg, const struct endpoint *from)
{
	unsigned side, try_no;
	const struct nat_test *t =
		test_by_stamp((struct nat_prober *)(uintptr_t)p, stun_stamp(msg), &side, &try_no);

	if (p->report.done || !t || side_of(from) != side || !comes_right(t, from))
		return NULL;
	if (t->kind == NAT_ASK_SELF)
		return msg->class == STUN_REQUEST && strcmp(sender, self->id) == 0 ? p->self_key : NULL;
	return msg->class == STUN_SUCCESS && strcmp(sender, p->running[t->server].id) == 0
		       ? p->running[t->server].key
		       : NULL;
}

/* What can be asked now that this server answers: the first does for all, the first with a second port (or
 * address) for what needs one. */
static void go_on(struct nat_prober *p, struct nat_side *side, const struct nat_test *t,
	const struct stun_msg *msg, ns_t now)
{
	struct nat_test next = {.server = t->server, .to = t->to, .gap = t->gap};
	static const enum nat_test_kind first[] = {NAT_AGAIN, NAT_ASK_LONG, NAT_ASK_MEDIUM};

	for (size_t i = 0; i < ARRAY_LEN(first); i++) {
		next.kind = first[i];
		add_once(side, &next, now);
	}
	if (msg->other.port && msg->other.ip.family == t->to.ip.family) {
		next.kind = NAT_FROM_PORT;
		add_once(side, &next, now);
		if (!ip_is_unspecified(&msg->other.ip)) {
			side->other = msg->other;
			next.kind = NAT_FROM_ADDRESS;
			if (p->self.aside)
				add_once(side, &next, now);
		}
		next.kind = NAT_ASK_PORT;
		next.to.port = msg->other.port;
		add_once(side, &next, now);
	}
	if (p->report.full && endpoint_is_set(&msg->mapped) && t->kind == NAT_ASK) {
		next.kind = NAT_ASK_SELF;
		next.to = msg->mapped;
		add_once(side, &next, now);
	}
}

void nat_answered(struct nat_prober *p, const struct stun_msg *msg, const struct endpoint *from, ns_t now)
{
	unsigned i, try_no;
	struct nat_test *t = test_by_stamp(p, stun_stamp(msg), &i, &try_no);

	if (!t || t->answered || t->unable)
		return;
	struct nat_side *side = &p->side[i];
	struct nat_reached *server = &p->report.servers[t->server];
	ns_t rtt = MAX(now - t->sent[try_no], 1);

	t->gap = MAX(rtt + rtt / 4, GAP_MIN);
	t->unable = (t->kind == NAT_FROM_PORT || t->kind == NAT_FROM_ADDRESS) && endpoint_eq(&t->to, from);
	t->answered = !t->unable;
	t->at_first = try_no == 0;
	t->mapped = msg->mapped;
	if (t->kind == NAT_ASK || t->kind == NAT_AGAIN)
		server->rtt[i] = server->rtt[i] ? ns_min(server->rtt[i], rtt) : rtt;
	if (t->kind == NAT_ASK) {
		go_on(p, side, t, msg, now);
	} else if (t->kind == NAT_ASK_PORT) {
		const struct nat_test next = {
			.kind = NAT_AGAIN_PORT, .server = t->server, .to = t->to, .gap = t->gap};

		add_once(side, &next, now);
	}
	end_test(side, t, now);
	conclude(p);
	plan(p, now);
}

bool nat_mapping_is_known(const struct nat_prober *p)
{
	const struct nat_side *side = &p->side[0];
	unsigned answers = 0;

	for (size_t i = 0; i < side->n_tests; i++) {
		if (!nat_shows_mapping(&side->tests[i]))
			continue;
		if (!side->tests[i].answered)
			return false;
		answers++;
	}
	return answers > 1;
}
