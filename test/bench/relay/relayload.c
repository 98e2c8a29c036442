/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 *   relayload to=KIND at=HOST:PORT [pairs=N bytes=N burst=N rate=N tls=1]
 *             [relay=ID members=FILE] [listen=HOST:PORT certificate=FILE]
 *
 * Prints "ready" when all are connected. Then a line "run MILLISECONDS" on its input makes them send so long
 * and is answered by a line of JSON; the end of the input ends it. Figures are in messages: `late` ones were
 * never sent, because this program itself had no time for them, `held_back` ones because a socket was full.
 */
#include "bench/relay/relayload.h"

#include "crypto/init.h"
#include "lab/tools/words.h"
#include "wire/wg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { READY_MAX = 256 };
#define TICK (500 * US) /* what is due in the meantime leaves together */
#define LATE (2 * MS) /* older than that is not made up for */
#define QUIET (200 * MS) /* nothing came for so long: what is missing is lost */

static const struct kind {
	const char *name;
	void (*connect)(struct load *l);
	void (*disconnect)(struct load *l); /* NULL: the end of its sockets is enough */
	bool streams;
} kinds[] = {
	{"turn", turn_connect, turn_disconnect, false},
	{"member", member_connect, NULL, false},
	{"stream", stream_connect, NULL, true},
	{"proxy", proxy_connect, NULL, true},
};

void message_put(const struct load *l, uint8_t *p)
{
	put_le32(p, WG_DATA);
	put_le32(p + 4, l->mark);
}

bool message_is_ours(const struct load *l, const uint8_t *p, size_t n)
{
	return n >= 8 && get_le32(p) == WG_DATA && get_le32(p + 4) == l->mark;
}

static void send_burst(struct load *l, uint64_t number)
{
	struct end *e = &l->ends[number % l->pairs][number / l->pairs % 2];

	if (l->streams)
		stream_send(l, e);
	else
		datagrams_send(l, e);
}

/* What comes within so long. */
static void receive(struct load *l, int epoll, ns_t within)
{
	const struct timespec t = {.tv_sec = within / SEC, .tv_nsec = within % SEC};
	struct epoll_event ready[READY_MAX];
	const int n = epoll_pwait2(epoll, ready, READY_MAX, &t, NULL);

	if (n < 0 && errno != EINTR)
		die("epoll_pwait2");
	for (int i = 0; i < n; i++)
		if (l->streams)
			stream_receive(l, ready[i].data.ptr);
		else
			datagrams_receive(l, ready[i].data.ptr);
}

/* For as long as something still comes. */
static void drain(struct load *l, int epoll)
{
	ns_t last = time_monotonic();

	for (uint64_t before = l->received; l->received < l->sent && time_monotonic() - last < QUIET;
		before = l->received) {
		for (size_t i = 0; l->streams && i < 2 * l->pairs; i++)
			stream_finish(&l->ends[i / 2][i % 2]);
		receive(l, epoll, MS);
		if (l->received != before)
			last = time_monotonic();
	}
}

/* Returns the seconds that it took. */
static double send_for(struct load *l, int epoll, ns_t duration)
{
	const double gap = (double)l->burst * (double)SEC / (double)l->rate;
	const uint64_t bursts = (uint64_t)((double)duration / gap);
	const ns_t begun = time_monotonic();
	ns_t start = begun;

	for (uint64_t i = 0; i < bursts;) {
		const ns_t now = time_monotonic(), behind = now - start - (ns_t)((double)i * gap);

		if (behind > LATE) {
			const uint64_t n = MIN((uint64_t)((double)behind / gap), bursts - i);

			l->late += n * l->burst;
			i += n;
		}
		for (; i < bursts && start + (ns_t)((double)i * gap) <= now; i++)
			send_burst(l, i);
		for (ns_t left = TICK; left > 0; left = now + TICK - time_monotonic())
			receive(l, epoll, left);
	}
	return (double)(time_monotonic() - begun) / (double)SEC;
}

static void run(struct load *l, int epoll, ns_t duration)
{
	l->sent = l->received = l->held_back = l->late = 0;
	const double seconds = send_for(l, epoll, duration);

	drain(l, epoll);
	printf("{\"seconds\": %.4f, \"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"bytes\": %" PRIu64
	       ", \"held_back\": %" PRIu64 ", \"late\": %" PRIu64 "}\n",
		seconds, l->sent, l->received, l->received * l->bytes, l->held_back, l->late);
	fflush(stdout);
}

/* Two descriptors for each pair. */
static void raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static const struct kind *kind_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (name && strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	errno = 0;
	die("to= wants turn, member, stream or proxy");
}

static struct endpoint endpoint_of(const char *text, const char *word)
{
	struct endpoint ep;

	errno = 0;
	if (!text || endpoint_parse(text, &ep) != TM_OK)
		die("%s= wants HOST:PORT", word);
	return ep;
}

static struct load *load_of(char **argv, const struct kind **ret_kind)
{
	static struct load l = {.pairs = 1, .bytes = 1420, .burst = 32, .rate = 50000};
	const char *to = NULL, *at = NULL, *listen = NULL;
	const struct word words[] = {{"to", .text = &to}, {"at", .text = &at}, {"listen", .text = &listen},
		{"relay", .text = &l.relay_id}, {"members", .text = &l.members},
		{"certificate", .text = &l.certificate}, {"pairs", .number = &l.pairs},
		{"bytes", .number = &l.bytes}, {"burst", .number = &l.burst}, {"rate", .number = &l.rate},
		{"tls", .number = &l.tls}, {NULL}};

	words_read(argv + 1, words);
	*ret_kind = kind_named(to);
	l.at = endpoint_of(at, "at");
	if (listen || (*ret_kind)->connect == proxy_connect)
		l.listen = endpoint_of(listen, "listen");
	errno = 0;
	if (!l.pairs || l.pairs > PAIRS_MAX || l.bytes < MESSAGE_MIN || l.bytes > MESSAGE_MAX || !l.burst ||
		l.burst > 64 || l.burst * (l.bytes + BEFORE_MAX) > 65000 || !l.rate)
		die("pairs= up to %d, bytes= from %d to %d, burst= up to 64 and what 65000 bytes hold",
			PAIRS_MAX, MESSAGE_MIN, MESSAGE_MAX);
	l.streams = (*ret_kind)->streams;
	l.mark = random_u32();
	l.ends = calloc(l.pairs, sizeof(*l.ends));
	if (!l.ends)
		die("memory");
	return &l;
}

int main(int argc UNUSED, char **argv)
{
	const struct kind *kind;
	struct load *l;
	char line[64];
	unsigned ms;

	(void)prctl(PR_SET_TIMERSLACK, 1000UL);
	raise_limit();
	if (crypto_init(NULL) != TM_OK)
		return 1;
	l = load_of(argv, &kind);
	kind->connect(l);

	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < 2 * l->pairs; i++) {
		struct end *e = &l->ends[i / 2][i % 2];
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = e};

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, e->fd, &ev) != 0)
			die("epoll");
	}
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && sscanf(line, "run %u", &ms) == 1)
		run(l, epoll, ms * MS);
	if (kind->disconnect)
		kind->disconnect(l);
	return 0;
}
