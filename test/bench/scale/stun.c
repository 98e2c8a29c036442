/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* "Under which address do you see me?", as every node asks the coordinator over its data socket. */
#include "bench/scale/herd.h"

#include "control/path/stun.h"
#include "crypto/dh.h"
#include "crypto/init.h"
#include "crypto/kdf.h"
#include "loop/timer.h"
#include "os/sockaddr.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK (10 * MS)
#define LAST_ANSWERS (3 * SEC)
enum { RECEIVE_BUFFER = 4 << 20 };

/* One at a time; lives as long as the process. */
static struct {
	struct herd *herd;
	int fd;
	struct event *readable;
	struct loop_timer *tick;
	char id[17];
	size_t at, got, per_tick;
	ns_t started, ended;
	uint64_t stamp;
} run = {.fd = -1};

bool member_stun_key(struct member *m)
{
	uint8_t shared[DH_KEY];

	if (!m->has_stun_key && dh(m->id.x_priv, m->herd->token.coordinator_key, shared) == TM_OK)
		m->has_stun_key = hkdf_sha256(shared, sizeof(shared), "", 0, "tunnelmesh stun 1", m->stun_key,
					  STUN_KEY) == TM_OK;
	return m->has_stun_key;
}

static void ask(struct member *m)
{
	struct stun_msg q = {.class = STUN_REQUEST, .method = 1, .pad_to = STUN_ANSWER};
	uint8_t buf[STUN_MAX];

	if (!member_stun_key(m))
		return;
	uint64_t now = (uint64_t)time_real();
	run.stamp = MAX(now, run.stamp + 1);
	put_be64(q.txid, run.stamp);
	put_be32(q.txid + 8, m->index);
	snprintf(q.username, sizeof(q.username), "%s:%s", run.id, m->id.id);
	size_t n = stun_encode(&q, m->stun_key, buf, sizeof(buf));
	m->stun_asked = time_monotonic();
	(void)!send(run.fd, buf, n, 0);
}

static void on_readable(evutil_socket_t fd, short what UNUSED, void *arg UNUSED)
{
	uint8_t buf[STUN_MAX];
	struct stun_msg m;

	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0)
			return;
		if (stun_decode(buf, (size_t)n, &m) != TM_OK || m.class != STUN_SUCCESS)
			continue;
		uint32_t index = get_be32(m.txid + 8);
		if (index < run.herd->n && run.herd->members[index]->stun_asked) {
			run.herd->members[index]->stun_asked = 0;
			run.got++;
			run.ended = time_monotonic();
		}
	}
}

static void finish(void)
{
	printf("{\"ev\":\"stunned\",\"asked\":%zu,\"answered\":%zu,\"wall_s\":%.3f}\n", run.at, run.got,
		(double)(run.ended - run.started) / (double)SEC);
	fflush(stdout);
	event_free(run.readable);
	loop_timer_free(TAKE(run.tick));
	close(run.fd);
	run.fd = -1;
}

static void on_tick(void *ctx UNUSED)
{
	if (run.at == run.herd->n) {
		finish();
		return;
	}
	for (size_t i = 0; i < run.per_tick && run.at < run.herd->n; i++)
		ask(run.herd->members[run.at++]);
	loop_timer_in(run.tick, run.at < run.herd->n && run.got < run.herd->n ? TICK : LAST_ANSWERS);
}

int stun_start(struct herd *h, const char *coordinator_id, const char *endpoint, unsigned rate)
{
	struct sockaddr_storage ss;
	struct endpoint ep;
	int size = RECEIVE_BUFFER;

	if (run.fd >= 0 || endpoint_parse(endpoint, &ep) != TM_OK)
		return TM_EINVAL;

	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	run.herd = h;
	run.at = run.got = 0;
	run.started = run.ended = time_monotonic();
	run.per_tick = MAX(rate * (unsigned)(TICK / MS) / 1000, 1u);
	snprintf(run.id, sizeof(run.id), "%s", coordinator_id);
	run.fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (run.fd < 0 || connect(run.fd, (struct sockaddr *)&ss, len) < 0)
		return TM_EIO;
	(void)setsockopt(run.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	run.readable = event_new(h->base, run.fd, EV_READ | EV_PERSIST, on_readable, NULL);
	int err = run.readable && event_add(run.readable, NULL) == 0 ? TM_OK : TM_ENOMEM;
	if (!err)
		err = loop_timer_new(h->base, on_tick, NULL, &run.tick);
	if (!err)
		loop_timer_in(run.tick, 0);
	return err;
}
