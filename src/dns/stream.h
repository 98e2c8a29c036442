/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Questions over TCP (RFC 7766): connections, each asking one thing after the other, answered in that order.
 * There are few of them: who has been silent longest makes room. Control thread; private to dns/.
 */
#ifndef TM_DNS_STREAM_H
#define TM_DNS_STREAM_H

#include "dns/answer.h"

struct dns_streams;
struct event_base;

enum {
	DNS_STREAMS_MAX = 64,
	DNS_STREAMS_EACH = 16, /* of one asker that is another machine */
	DNS_STREAM_QUESTION = 1024, /* longer than any question about a name; who sends more is hung up on */
};
#define DNS_STREAM_IDLE (10 * SEC) /* from the last question, or from the beginning, until it is hung up */

/* An answer, as dns_answer gives it. */
typedef size_t dns_stream_answer_fn(void *ctx, const struct endpoint *from, const struct ip *at,
	const uint8_t *question, size_t n, uint8_t out[static DNS_ANSWER_MAX]);

NODISCARD int dns_streams_new(
	struct event_base *base, dns_stream_answer_fn *answer, void *ctx, struct dns_streams **ret_streams);
void dns_streams_free(struct dns_streams *s); /* hangs up on everybody; NULL is fine */
/* Takes a connection over, which came in at that address. */
void dns_streams_take(struct dns_streams *s, int fd_take, const struct endpoint *from, const struct ip *at);
size_t dns_streams_size(const struct dns_streams *s);

#endif
