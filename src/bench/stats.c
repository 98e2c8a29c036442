/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/stats.h"

#include <stdlib.h>

int echo_trail_init(struct echo_trail *t, uint32_t first_seq, uint32_t cap)
{
	*t = (struct echo_trail){.first_seq = first_seq, .cap = cap, .marks = calloc(cap, sizeof(*t->marks))};
	return t->marks ? TM_OK : TM_ENOMEM;
}

void echo_trail_deinit(struct echo_trail *t)
{
	free(t->marks);
	*t = (struct echo_trail){0};
}

bool echo_trail_sent(struct echo_trail *t, ns_t now, uint32_t *ret_seq)
{
	if (t->n == t->cap)
		return false;

	t->marks[t->n] = (struct echo_mark){now, -1};
	*ret_seq = t->first_seq + t->n++;
	return true;
}

/* RFC 3550 6.4.1: J(i) = J(i-1) + (|D(i-1,i)| - J(i-1)) / 16, in the order of arrival. Sending and receiving
 * clock are the same here, so D is the difference of two round trips. */
static void update_jitter(struct echo_trail *t, ns_t rtt)
{
	ns_t d = rtt > t->last_rtt ? rtt - t->last_rtt : t->last_rtt - rtt;

	if (t->received)
		t->jitter += (d - t->jitter) / 16;
}

void echo_trail_answered(struct echo_trail *t, uint32_t seq, ns_t now)
{
	uint32_t i = seq - t->first_seq;

	if (i >= t->n || t->marks[i].rtt >= 0)
		return;

	ns_t rtt = now - t->marks[i].sent;

	t->marks[i].rtt = rtt;
	update_jitter(t, rtt);
	t->last_rtt = rtt;
	t->received++;
}

bool echo_trail_complete(const struct echo_trail *t)
{
	return t->received == t->n;
}

static int by_size(const void *a, const void *b)
{
	ns_t x = *(const ns_t *)a, y = *(const ns_t *)b;

	return (x > y) - (x < y);
}

static ns_t percentile(const ns_t *sorted, size_t n, unsigned percent)
{
	size_t rank = (n * percent + 99) / 100;

	return sorted[rank ? rank - 1 : 0];
}

void echo_trail_summary(const struct echo_trail *t, struct bench_latency *ret_latency)
{
	_cleanup_(freep) ns_t *rtts = calloc(t->received ? t->received : 1, sizeof(*rtts));
	size_t n = 0;
	ns_t sum = 0;

	*ret_latency = (struct bench_latency){.sent = t->n, .received = t->received};
	if (!rtts || !t->received)
		return;

	for (uint32_t i = 0; i < t->n; i++)
		if (t->marks[i].rtt >= 0) {
			rtts[n++] = t->marks[i].rtt;
			sum += t->marks[i].rtt;
		}
	qsort(rtts, n, sizeof(*rtts), by_size);
	ret_latency->min = rtts[0];
	ret_latency->max = rtts[n - 1];
	ret_latency->avg = sum / (ns_t)n;
	ret_latency->p50 = percentile(rtts, n, 50);
	ret_latency->p99 = percentile(rtts, n, 99);
	ret_latency->jitter = t->jitter;
}
