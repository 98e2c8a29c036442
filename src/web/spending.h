/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What each who asks has asked for lately, so that nobody keeps the control thread busy, and nobody is
 * refused for what another one does: a viewer with an id by itself, everybody else by the address that he
 * comes from. Pure; private to web/.
 */
#ifndef TM_WEB_SPENDING_H
#define TM_WEB_SPENDING_H

#include "base/addr.h"
#include "base/time.h"
#include "web/http.h"

/* A request costs this, and its answer a part of it for every WEB_COST_UNIT bytes. */
#define WEB_REQUEST_COST (40 * MS)
#define WEB_UNIT_COST (25 * MS)
#define WEB_CREDIT (10 * SEC) /* who owes less may ask: 250 times at once, 25 times a second for ever */
enum { WEB_COST_UNIT = 64 << 10, WEB_SPENDERS = 128 };

struct web_spending {
	struct web_spender {
		uint8_t who[17]; /* the first byte says what the rest is */
		ns_t paid_at; /* when the debt will be paid */
	} v[WEB_SPENDERS]; /* zero = free */
};

/* An address, or of an IPv6 address of the internet its /64: those of a mesh are one each (RFC 4193). */
bool web_same_source(const struct ip *a, const struct ip *b);
/* May it ask now? Then the request is paid for. */
bool web_spend(struct web_spending *s, const struct web_viewer *viewer, const struct ip *source, ns_t now);
/* It has been answered, with so many bytes. */
void web_spend_answer(struct web_spending *s, const struct web_viewer *viewer, const struct ip *source,
	size_t bytes, ns_t now);

#endif
