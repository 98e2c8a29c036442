/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/spending.h"

#include <string.h>

enum { VIEWER = 1, SOURCE4, SOURCE6, NET6 };

static bool is_of_the_internet(const struct ip *ip)
{
	return ip->family == IP_V6 && (ip->bytes[0] & 0xfe) != 0xfc;
}

bool web_same_source(const struct ip *a, const struct ip *b)
{
	if (!is_of_the_internet(a) || !is_of_the_internet(b))
		return ip_eq(a, b);
	return memcmp(a->bytes, b->bytes, 8) == 0;
}

static bool has_id(const struct web_viewer *viewer)
{
	static const uint8_t none[sizeof(viewer->id)];

	return viewer->role != WEB_ANYONE || memcmp(viewer->id, none, sizeof(none)) != 0;
}

static void name(const struct web_viewer *viewer, const struct ip *source, uint8_t ret_who[static 17])
{
	const bool net = is_of_the_internet(source);

	memset(ret_who, 0, 17);
	if (has_id(viewer)) {
		ret_who[0] = VIEWER;
		memcpy(ret_who + 1, viewer->id, sizeof(viewer->id));
		return;
	}
	ret_who[0] = net ? NET6 : source->family == IP_V4 ? SOURCE4 : SOURCE6;
	memcpy(ret_who + 1, source->bytes, net ? 8 : source->family == IP_V4 ? 4 : 16);
}

/* Its place, or the one whose debt is paid first: what is forgotten of that is little. */
static struct web_spender *find(struct web_spending *s, const uint8_t who[static 17])
{
	struct web_spender *first = &s->v[0];

	for (size_t i = 0; i < WEB_SPENDERS; i++) {
		if (memcmp(s->v[i].who, who, sizeof(s->v[i].who)) == 0)
			return &s->v[i];
		if (s->v[i].paid_at < first->paid_at)
			first = &s->v[i];
	}
	*first = (struct web_spender){.paid_at = 0};
	memcpy(first->who, who, sizeof(first->who));
	return first;
}

bool web_spend(struct web_spending *s, const struct web_viewer *viewer, const struct ip *source, ns_t now)
{
	uint8_t who[17];

	name(viewer, source, who);
	struct web_spender *x = find(s, who);
	if (x->paid_at - now >= WEB_CREDIT)
		return false;
	x->paid_at = ns_max(x->paid_at, now) + WEB_REQUEST_COST;
	return true;
}

void web_spend_answer(struct web_spending *s, const struct web_viewer *viewer, const struct ip *source,
	size_t bytes, ns_t now)
{
	uint8_t who[17];

	name(viewer, source, who);
	struct web_spender *x = find(s, who);
	x->paid_at = ns_max(x->paid_at, now) + (ns_t)(bytes / WEB_COST_UNIT) * WEB_UNIT_COST;
}
