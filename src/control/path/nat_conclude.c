/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What follows from the answers to the prober's tests. */
#include "control/path/nat.h"

static const struct nat_test *test_of(const struct nat_test *v, size_t n, enum nat_test_kind kind)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].kind == kind)
			return &v[i];
	return NULL;
}

static bool answered(const struct nat_test *v, size_t n, enum nat_test_kind kind)
{
	const struct nat_test *t = test_of(v, n, kind);

	return t && t->answered;
}

/* It was tried to the end, and nothing came. */
static bool unanswered(const struct nat_test *v, size_t n, enum nat_test_kind kind)
{
	const struct nat_test *t = test_of(v, n, kind);

	return t && t->over && !t->answered && !t->unable;
}

/* --- outside addresses --- */

/* Seen from how far outside? A server in our own network sees what no translator has changed yet. */
enum { FROM_NEXT_DOOR, FROM_BEYOND, FROM_THE_WORLD };

static bool is_own(const struct nat_self *self, const struct ip *ip)
{
	for (size_t i = 0; i < self->n_local; i++)
		if (ip_eq(&self->local[i], ip))
			return true;
	return false;
}

static int distance(const struct nat_self *self, const struct endpoint *mapped)
{
	struct prefix host = prefix_host(&mapped->ip);

	if (prefix_is_private(&host))
		return is_own(self, &mapped->ip) ? FROM_NEXT_DOOR : FROM_BEYOND;
	return FROM_THE_WORLD;
}

static int farthest(const struct nat_test *v, size_t n, const struct nat_self *self)
{
	int far = FROM_NEXT_DOOR;

	for (size_t i = 0; i < n; i++)
		if (nat_shows_mapping(&v[i]) && v[i].answered)
			far = MAX(far, distance(self, &v[i].mapped));
	return far;
}

static bool counts(const struct nat_test *t, const struct nat_self *self, int far)
{
	return nat_shows_mapping(t) && t->answered && distance(self, &t->mapped) == far;
}

static void see(struct nat_facts *f, const struct endpoint *ep)
{
	size_t i = 0;

	while (i < f->n_seen && !endpoint_eq(&f->seen[i].ep, ep))
		i++;
	if (i == NAT_SEEN)
		return;
	if (i == f->n_seen)
		f->seen[f->n_seen++] = (struct nat_seen){.ep = *ep};
	f->seen[i].times++;
	for (; i > 0 && f->seen[i].times > f->seen[i - 1].times; i--) {
		struct nat_seen swap = f->seen[i];

		f->seen[i] = f->seen[i - 1];
		f->seen[i - 1] = swap;
	}
}

static void conclude_outside(
	const struct nat_test *v, size_t n, const struct nat_self *self, int far, struct nat_facts *f)
{
	for (size_t i = 0; i < n; i++) {
		if (!counts(&v[i], self, far))
			continue;
		see(f, &v[i].mapped);
		f->translated |= !is_own(self, &v[i].mapped.ip);
		if (f->port_kept != NAT_NO)
			f->port_kept = v[i].mapped.port == self->port ? NAT_YES : NAT_NO;
	}
}

/* --- RFC 5780 4.3 --- */

/* What two answers leave possible. */
static uint8_t mapping_by(const struct nat_test *a, const struct nat_test *b)
{
	bool same = endpoint_eq(&a->mapped, &b->mapped);

	if (!ip_eq(&a->to.ip, &b->to.ip))
		return same ? NAT_ON_NOTHING : NAT_ON_ADDRESS | NAT_ON_PORT;
	return same ? NAT_ON_NOTHING | NAT_ON_ADDRESS : NAT_ON_PORT;
}

static uint8_t conclude_mapping(const struct nat_test *v, size_t n, const struct nat_self *self, int far)
{
	uint8_t left = NAT_ON_ANYTHING;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (counts(&v[i], self, far) && counts(&v[k], self, far) &&
				!endpoint_eq(&v[i].to, &v[k].to))
				left &= mapping_by(&v[i], &v[k]);
	/* Answers that contradict each other: it does as it likes, which is as bad as the worst. */
	return left ? left : NAT_ON_PORT;
}

/* --- RFC 5780 4.4 --- */

/*
 * The other address is tried from another socket of ours. A firewall that translates nothing may be open for
 * the data port alone: what it does to others says nothing then.
 */
static uint8_t conclude_filtering(const struct nat_test *v, size_t n, bool translated)
{
	uint8_t left = NAT_ON_ANYTHING;
	/* Silence says something only where an ordinary question would have been answered. */
	bool sure = answered(v, n, NAT_AGAIN);

	if (answered(v, n, NAT_FROM_ADDRESS))
		return NAT_ON_NOTHING;
	if (sure && translated && unanswered(v, n, NAT_FROM_ADDRESS))
		left &= NAT_ON_ADDRESS | NAT_ON_PORT;
	if (answered(v, n, NAT_FROM_PORT))
		left &= NAT_ON_NOTHING | NAT_ON_ADDRESS;
	else if (sure && unanswered(v, n, NAT_FROM_PORT))
		left = NAT_ON_PORT;
	return left;
}

/* --- what passes --- */

/* Something other than the first datagram of a flow was answered. */
static bool goes_on(const struct nat_test *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].answered && (!nat_shows_mapping(&v[i]) || !v[i].at_first) &&
			v[i].kind != NAT_ASK_SELF)
			return true;
	return false;
}

static enum nat_udp conclude_udp(const struct nat_test *v, size_t n)
{
	bool any = false, over = true;

	for (size_t i = 0; i < n; i++) {
		any |= nat_shows_mapping(&v[i]) && v[i].answered;
		over &= v[i].over;
	}
	if (!any)
		return n && over ? NAT_UDP_SILENT : NAT_UDP_UNTRIED;
	if (over && !goes_on(v, n) && (unanswered(v, n, NAT_AGAIN) || unanswered(v, n, NAT_AGAIN_PORT)))
		return NAT_UDP_FIRST_ONLY;
	if (answered(v, n, NAT_AGAIN) && unanswered(v, n, NAT_ASK_LONG))
		return NAT_UDP_SHORT_ONLY;
	return NAT_UDP_WORKS;
}

static uint16_t conclude_payload(const struct nat_test *v, size_t n)
{
	if (answered(v, n, NAT_ASK_LONG))
		return NAT_LONG;
	if (answered(v, n, NAT_ASK_MEDIUM))
		return NAT_MEDIUM;
	for (size_t i = 0; i < n; i++)
		if (nat_shows_mapping(&v[i]) && v[i].answered)
			return NAT_SHORT;
	return 0;
}

void nat_conclude(
	const struct nat_test *v, size_t n, const struct nat_self *self, struct nat_facts *ret_facts)
{
	int far = farthest(v, n, self);
	struct nat_facts f = {
		.udp = conclude_udp(v, n),
		.payload = conclude_payload(v, n),
		.mapping = conclude_mapping(v, n, self, far),
	};

	if (answered(v, n, NAT_ASK_SELF))
		f.hairpin = NAT_YES;
	else if (unanswered(v, n, NAT_ASK_SELF))
		f.hairpin = NAT_NO;
	conclude_outside(v, n, self, far, &f);
	f.filtering = conclude_filtering(v, n, f.translated);
	if (f.n_seen && !f.translated)
		f.mapping = NAT_ON_NOTHING; /* there is no translator */
	*ret_facts = f;
}

bool nat_is_easy(const struct nat_facts *f)
{
	return (f->mapping & NAT_ON_NOTHING) && !(f->mapping & NAT_ON_PORT);
}

bool nat_is_hard(const struct nat_facts *f)
{
	return f->mapping && !(f->mapping & NAT_ON_NOTHING);
}

void nat_tell(const struct nat_report *r, struct nat_told *ret_told)
{
	const struct nat_facts *f = &r->family[0];
	struct nat_told told = {.mapping = NAT_UNKNOWN};

	if (nat_is_easy(f))
		told.mapping = NAT_INDEPENDENT;
	else if (nat_is_hard(f))
		told.mapping = NAT_DEPENDENT;
	for (size_t i = 0; i < f->n_seen && told.n_ports < NAT_PORTS_MAX; i++) {
		bool known = false;

		for (size_t k = 0; k < told.n_ports; k++)
			known |= told.ports[k] == f->seen[i].ep.port;
		if (!known)
			told.ports[told.n_ports++] = f->seen[i].ep.port;
	}
	*ret_told = told;
}
