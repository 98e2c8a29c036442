/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/link/way.h"

#include "wire/relay.h"

#include <stdlib.h>

/* UDP over IPv4: 65,535 bytes with both headers. */
enum { UDP_PAYLOAD_MAX = 65507 };
_Static_assert((int)RELAY_HEADER <= (int)WAY_HEADROOM_MAX, "it fits before any message");

void way_init(struct way *w, const struct way_to *to)
{
	const uint16_t headroom = to->relay ? RELAY_HEADER : 0;

	*w = (struct way){
		.to = *to,
		.headroom = headroom,
		.payload_max = to->payload ? to->payload : (uint16_t)(UDP_PAYLOAD_MAX - headroom),
	};
}

int way_new(const struct way_to *to, struct way **ret_way)
{
	struct way *w;

	if (!endpoint_is_set(&to->remote) || (to->kind == WAY_UDP) != (to->relay == 0))
		return TM_EINVAL;

	w = malloc(sizeof(*w));
	if (!w)
		return TM_ENOMEM;

	way_init(w, to);
	*ret_way = w;
	return TM_OK;
}

const char *way_kind_text(enum way_kind kind)
{
	static const char *const texts[] = {
		[WAY_UDP] = "udp",
		[WAY_RELAY_UDP] = "relay-udp",
		[WAY_RELAY_TCP] = "relay-tcp",
	};

	return kind < ARRAY_LEN(texts) ? texts[kind] : "?";
}

bool way_to_eq(const struct way_to *a, const struct way_to *b)
{
	return a->kind == b->kind && a->socket == b->socket && endpoint_eq(&a->remote, &b->remote) &&
	       ip_eq(&a->local, &b->local) && a->relay == b->relay &&
	       (a->local_ifindex == b->local_ifindex || !ip_is_link_local(&a->local));
}
