/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The herd's commands on stdin, a line each; one JSON object per event on stdout.
 *
 *   token TM1                  where the coordinator is, and the right to join
 *   via HOST:PORT              connect there instead
 *   sources FIRST N            links come from N addresses in turn, FIRST and those after it; N 0: as the
 *                              system likes
 *   join N PARALLEL            N new members, at most PARALLEL at once: {"ev":"joined"} when each holds its
 * map watch TEXT                 when has every linked member been told TEXT? {"ev":"watching"}, then
 *                              {"ev":"watched"}
 *   unwatch                    {"ev":"watched"} with what has come so far
 *   mark                       counters begin anew, nobody counts as current
 *   stats                      {"ev":"stats"}
 *   cut                        all links are gone; members come back by themselves
 *   end                        all links are gone and stay so
 *   stun ID HOST:PORT RATE     every member asks the coordinator for its address: {"ev":"stunned"}
 *   keys FILE                  a line for each member: node id, host number, key of its STUN with the
 *                              coordinator, for relayload: {"ev":"keys"}
 *   want TARGET FIRST N        N members, from number FIRST on, ask for that one's candidates
 *   report PAIRS ROUND         every member tells of so many pairs, in the first round (0) of all anew:
 *                              {"ev":"reported"}
 *   guests MANNER N PARALLEL AS TARGET
 *                              see guest.c; AS and TARGET are numbers of members, or - ; the first has no
 * link of its own any more: {"ev":"guests"} when all N have been go                         guests that are
 * still there go: {"ev":"gone"} quit
 */
#include "bench/scale/herd.h"

#include "base/encode.h"
#include "base/log.h"
#include "control/link/clink.h"
#include "crypto/init.h"
#include "loop/timer.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

ns_t herd_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

static int by_time(const void *a, const void *b)
{
	ns_t x = *(const ns_t *)a, y = *(const ns_t *)b;

	return x < y ? -1 : x > y;
}

void report_times(const char *name, ns_t *v, size_t n)
{
	if (!n) {
		printf(",\"%s\":null", name);
		return;
	}
	qsort(v, n, sizeof(*v), by_time);
	printf(",\"%s\":{\"n\":%zu,\"p50\":%.2f,\"p99\":%.2f,\"max\":%.2f}", name, n,
		(double)v[n / 2] / (double)MS, (double)v[MIN(n - 1, n * 99 / 100)] / (double)MS,
		(double)v[n - 1] / (double)MS);
}

static void *must(void *p)
{
	if (!p) {
		fputs("herd: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

/* --- joining --- */

static void report_joined(struct herd *h)
{
	ns_t *whole = must(calloc(h->join.want + 1, sizeof(*whole))),
	     *enrol = must(calloc(h->join.want + 1, sizeof(*enrol)));
	size_t n = 0;

	for (size_t i = h->join.first; i < h->n; i++) {
		const struct member *m = h->members[i];

		if (m->state == MEMBER_GONE)
			continue;
		whole[n] = m->ready - m->begun;
		enrol[n++] = m->enrolled - m->begun;
	}
	printf("{\"ev\":\"joined\",\"n\":%zu,\"failed\":%zu,\"wall_s\":%.3f", h->join.done, h->join.failed,
		(double)(time_monotonic() - h->join.started) / (double)SEC);
	report_times("join_ms", whole, n);
	report_times("enrol_ms", enrol, n);
	printf("}\n");
	fflush(stdout);
	free(whole);
	free(enrol);
	h->join.active = false;
}

static void join_more(struct herd *h)
{
	while (h->join.active && h->join.begun < h->join.want && h->join.running < h->join.parallel &&
		h->n < HERD_MAX) {
		struct member *m;

		if (member_new(h, &m) != TM_OK)
			must(NULL);
		h->members[h->n++] = m;
		h->join.begun++;
		h->join.running++;
		member_join(m);
	}
	if (h->join.active && h->join.done + h->join.failed == h->join.want)
		report_joined(h);
}

void herd_joined(struct herd *h, bool ok)
{
	h->join.running--;
	*(ok ? &h->join.done : &h->join.failed) += 1;
	join_more(h);
}

static void cmd_join(struct herd *h, size_t n, size_t parallel)
{
	h->join.first = h->n;
	h->join.want = n;
	h->join.parallel = parallel;
	h->join.begun = h->join.done = h->join.failed = h->join.running = 0;
	h->join.started = time_monotonic();
	h->join.active = true;
	join_more(h);
}

/* --- watching --- */

static void report_watched(struct herd *h)
{
	ns_t *v = must(calloc(h->n + 1, sizeof(*v)));
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		if (h->members[i]->seen)
			v[n++] = h->members[i]->seen - h->watch.since;
	printf("{\"ev\":\"watched\",\"need\":%zu,\"got\":%zu", h->watch.need, h->watch.got);
	report_times("ms", v, n);
	printf("}\n");
	fflush(stdout);
	free(v);
	h->watch.active = false;
}

void herd_told(struct herd *h)
{
	if (++h->watch.got == h->watch.need)
		report_watched(h);
}

static void cmd_watch(struct herd *h, const char *text)
{
	snprintf(h->watch.text, sizeof(h->watch.text), "%.*s", HERD_WATCH_MAX, text);
	for (size_t i = 0; i < h->n; i++)
		h->members[i]->seen = 0;
	h->watch.need = h->n_up;
	h->watch.got = 0;
	h->watch.since = herd_clock();
	h->watch.active = true;
	printf("{\"ev\":\"watching\"}\n");
	fflush(stdout);
}

/* --- the rest --- */

static void cmd_mark(struct herd *h)
{
	h->count = (struct herd_counters){0};
	for (size_t i = 0; i < h->n; i++)
		h->members[i]->current = false;
	h->n_current = 0;
	printf("{\"ev\":\"marked\"}\n");
	fflush(stdout);
}

static void cmd_stats(const struct herd *h)
{
	const struct herd_counters *c = &h->count;
	struct rusage ru;
	size_t behind = 0;

	for (size_t i = 0; i < h->n; i++)
		behind += h->members[i]->state != MEMBER_GONE && h->members[i]->version != h->newest;
	getrusage(RUSAGE_SELF, &ru);
	printf("{\"ev\":\"stats\",\"members\":%zu,\"up\":%zu,\"current\":%zu,\"behind\":%zu,\"attempts\":%lu,"
	       "\"ups\":%lu,"
	       "\"downs\":%lu,\"refused\":%lu,\"received\":%lu,\"messages\":%lu,\"bytes\":%lu,\"snapshots\":%"
	       "lu,\"snapshot_"
	       "bytes\":%lu,"
	       "\"deltas\":%lu,\"delta_bytes\":%lu,\"misfits\":%lu,\"candidates\":%lu,\"cpu_s\":%.2f}\n",
		h->n, h->n_up, h->n_current, behind, c->attempts, c->ups, c->downs, c->refused, c->received,
		c->messages, c->bytes, c->snapshots, c->snapshot_bytes, c->deltas, c->delta_bytes, c->misfits,
		c->candidates,
		(double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
			(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
	fflush(stdout);
}

static void cmd_end(struct herd *h)
{
	for (size_t i = 0; i < h->n; i++)
		member_end(h->members[i]);
	printf("{\"ev\":\"ended\"}\n");
	fflush(stdout);
}

static bool cmd_keys(struct herd *h, const char *name)
{
	FILE *f = fopen(name, "w");

	if (!f)
		return false;
	for (size_t i = 0; i < h->n; i++) {
		struct member *m = h->members[i];
		char key[HEX_LEN(STUN_KEY) + 1];

		if (!m->host || !member_stun_key(m))
			continue;
		hex_encode(m->stun_key, STUN_KEY, key);
		fprintf(f, "%s %u %s\n", m->id.id, m->host, key);
	}
	if (fclose(f) != 0)
		return false;
	printf("{\"ev\":\"keys\"}\n");
	fflush(stdout);
	return true;
}

static void cmd_token(struct herd *h, const char *text)
{
	struct diag d = {0};

	if (token_decode(text, &h->token, &d) != TM_OK) {
		fprintf(stderr, "herd: %s\n", d.what);
		exit(1);
	}
	h->has_token = true;
}

static void cmd_want(struct herd *h, size_t target, size_t first, size_t n)
{
	for (size_t i = first; i < MIN(first + n, h->n) && target < h->n; i++)
		member_want(h->members[i], h->members[target]);
}

static void cmd_report(struct herd *h, unsigned pairs, unsigned round)
{
	for (size_t i = 0; i < h->n; i++)
		member_report(h->members[i], (unsigned)MIN((size_t)pairs, h->n - 1), round);
	printf("{\"ev\":\"reported\"}\n");
	fflush(stdout);
}

static struct member *numbered(struct herd *h, const char *text)
{
	size_t i = strtoul(text, NULL, 10);

	return strcmp(text, "-") != 0 && i < h->n ? h->members[i] : NULL;
}

static bool cmd_guests(struct herd *h, const char *words)
{
	static const char *const manners[] = {[GUEST_SILENT] = "silent",
		[GUEST_SMALL] = "small",
		[GUEST_LARGE] = "large",
		[GUEST_ALMOST] = "almost",
		[GUEST_VISIT] = "visit",
		[GUEST_WANDER] = "wander",
		[GUEST_WANT] = "want"};
	char manner[16], as[16], target[16];
	struct guest_plan p = {0};

	if (sscanf(words, "%15s %zu %zu %15s %15s", manner, &p.n, &p.parallel, as, target) != 5)
		return false;
	while (strcmp(manner, manners[p.manner]) != 0)
		if (++p.manner == ARRAY_LEN(manners))
			return false;
	p.target = numbered(h, target);
	p.as = numbered(h, as);
	if (p.as)
		member_end(numbered(h, as));
	return guests_start(h, &p) == TM_OK;
}

static void command(struct herd *h, char *line)
{
	char text[TOKEN_TEXT_MAX], more[TOKEN_ADDR_LEN];
	unsigned long a, b, c;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "token %4095s", text) == 1)
		cmd_token(h, text);
	else if (sscanf(line, "via %255s", more) == 1)
		snprintf(h->address, sizeof(h->address), "%s", more);
	else if (sscanf(line, "sources %255s %lu", more, &a) == 2 && source_set(more, (unsigned)a) == TM_OK)
		return;
	else if (sscanf(line, "join %lu %lu", &a, &b) == 2 && h->has_token && !h->join.active && a && b)
		cmd_join(h, a, b);
	else if (strncmp(line, "watch ", 6) == 0)
		cmd_watch(h, line + 6);
	else if (strcmp(line, "unwatch") == 0)
		report_watched(h);
	else if (strcmp(line, "mark") == 0)
		cmd_mark(h);
	else if (strcmp(line, "stats") == 0)
		cmd_stats(h);
	else if (strcmp(line, "cut") == 0)
		for (size_t i = 0; i < h->n; i++)
			member_cut(h->members[i]);
	else if (strcmp(line, "end") == 0)
		cmd_end(h);
	else if (sscanf(line, "stun %31s %255s %lu", text, more, &a) == 3 &&
		 stun_start(h, text, more, (unsigned)a) == TM_OK)
		return;
	else if (strncmp(line, "keys ", 5) == 0 && cmd_keys(h, line + 5))
		return;
	else if (sscanf(line, "want %lu %lu %lu", &a, &b, &c) == 3)
		cmd_want(h, a, b, c);
	else if (sscanf(line, "report %lu %lu", &a, &b) == 2)
		cmd_report(h, (unsigned)a, (unsigned)b);
	else if (strncmp(line, "guests ", 7) == 0 && cmd_guests(h, line + 7))
		return;
	else if (strcmp(line, "go") == 0) {
		guests_report(h, "gone");
		guests_end(h);
	} else if (strcmp(line, "quit") == 0)
		event_base_loopbreak(h->base);
	else
		fprintf(stderr, "herd: not understood: %s\n", line);
}

/* Commands are short and come from one program: a line may be waited for. */
static void on_stdin(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct herd *h = arg;
	char line[TOKEN_TEXT_MAX + 32];

	if (fgets(line, sizeof(line), stdin))
		command(h, line);
	else
		event_base_loopbreak(h->base);
}

/* A link is a descriptor. */
static void raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

int main(void)
{
	struct herd *h = must(calloc(1, sizeof(*h)));
	struct diag d = {0};

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdin, NULL, _IONBF, 0);
	log_set_level(LOG_ERROR);
	raise_limit();
	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "herd: %s\n", d.what);
		return 1;
	}
	h->base = must(event_base_new());
	text_look(h);
	struct event *in = must(event_new(h->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, h));
	event_add(in, NULL);
	printf("{\"ev\":\"ready\"}\n");
	fflush(stdout);
	event_base_dispatch(h->base);
	guests_end(h);
	for (size_t i = 0; i < h->n; i++)
		member_free(h->members[i]);
	event_free(in);
	event_base_free(h->base);
	token_wipe(&h->token);
	free(h);
	return 0;
}
