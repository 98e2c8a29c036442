/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The data plane alone, as a WireGuard interface with static peers: what the interoperability tests run
 * against stock implementations. No control plane, no path checks. One command per line on standard input,
 * words of the form name=value; one line of JSON in answer to each; the end of the input ends the program.
 *
 *   device tun=wg0 key=BASE64 [port=N mtu=N workers=N fwmark=N offloads=all|none|PART,...]
 *          [self4=IP self6=IP net4=PREFIX net6=PREFIX]
 *          [rekey-after=MS reject-after=MS rekey-attempt=MS rekey-timeout=MS keepalive-timeout=MS]
 *          [rekey-after-messages=N reject-after-messages=N]
 *       first, once; addresses are the caller's to set
 *   peer key=BASE64 [psk=BASE64 allowed=PREFIX,... keepalive=S endpoint=IP:PORT forwards=1]
 *       adds or replaces
 *   endpoint key=BASE64 endpoint=IP:PORT
 *   remove key=BASE64
 *   nudge key=BASE64
 *       starts a handshake unless there is a session
 *   stats
 *       of the peers, the drops, and the offloads in use
 */
#include "base/encode.h"
#include "base/secret.h"
#include "base/time.h"
#include "crypto/init.h"
#include "data/plane/plane.h"

#include <jansson.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PEERS_MAX = 64, ALLOWED_MAX = 16, LINE_MAX_BYTES = 4096 };

struct prefixes {
	struct prefix v[ALLOWED_MAX];
	size_t n;
};

/* Everything that a line can set. */
struct words {
	const char *tun;
	uint8_t key[32], psk[32];
	bool has_key;
	uint64_t port, mtu, workers, fwmark, keepalive, forwards;
	uint64_t rekey_after_messages, reject_after_messages;
	uint64_t rekey_after, reject_after, rekey_attempt, rekey_timeout, keepalive_timeout; /* ms */
	struct ip self4, self6;
	struct prefix net4, net6;
	struct prefixes allowed;
	struct endpoint endpoint;
	unsigned offloads;
};

struct wgpeer {
	struct plane *plane;
	uint8_t keys[PEERS_MAX][32];
	size_t n;
};

enum kind { TEXT, NUMBER, KEY, IP, PREFIX, PREFIXES, ENDPOINT, OFFLOADS };

#define WORD(name, kind, field)                                                                              \
	{                                                                                                    \
		name, kind, offsetof(struct words, field)                                                    \
	}
static const struct word {
	const char *name;
	enum kind kind;
	size_t at;
} known[] = {
	WORD("tun", TEXT, tun),
	WORD("key", KEY, key),
	WORD("psk", KEY, psk),
	WORD("port", NUMBER, port),
	WORD("mtu", NUMBER, mtu),
	WORD("workers", NUMBER, workers),
	WORD("fwmark", NUMBER, fwmark),
	WORD("keepalive", NUMBER, keepalive),
	WORD("forwards", NUMBER, forwards),
	WORD("rekey-after", NUMBER, rekey_after),
	WORD("reject-after", NUMBER, reject_after),
	WORD("rekey-attempt", NUMBER, rekey_attempt),
	WORD("rekey-timeout", NUMBER, rekey_timeout),
	WORD("keepalive-timeout", NUMBER, keepalive_timeout),
	WORD("rekey-after-messages", NUMBER, rekey_after_messages),
	WORD("reject-after-messages", NUMBER, reject_after_messages),
	WORD("self4", IP, self4),
	WORD("self6", IP, self6),
	WORD("net4", PREFIX, net4),
	WORD("net6", PREFIX, net6),
	WORD("allowed", PREFIXES, allowed),
	WORD("endpoint", ENDPOINT, endpoint),
	WORD("offloads", OFFLOADS, offloads),
};

static int number_parse(const char *s, uint64_t *ret_n)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno || end == s || *end || *s == '-')
		return TM_EINVAL;

	*ret_n = n;
	return TM_OK;
}

static int key_parse(const char *s, uint8_t ret_key[static 32])
{
	uint8_t key[32];
	size_t n;
	int err = base64_decode(s, strlen(s), key, sizeof(key), &n);

	if (err || n != sizeof(key))
		return TM_EINVAL;

	memcpy(ret_key, key, sizeof(key));
	wipe(key, sizeof(key));
	return TM_OK;
}

static int prefixes_parse(char *s, struct prefixes *ret_p)
{
	struct prefixes p = {0};

	for (char *one; (one = strsep(&s, ",")); p.n++)
		if (p.n == ALLOWED_MAX || prefix_parse(one, &p.v[p.n]) != TM_OK)
			return TM_EINVAL;
	*ret_p = p;
	return TM_OK;
}

static int value_parse(const struct word *word, char *value, struct words *w)
{
	void *at = (char *)w + word->at;

	switch (word->kind) {
	case TEXT:
		*(const char **)at = value;
		return TM_OK;
	case NUMBER:
		return number_parse(value, at);
	case KEY:
		w->has_key |= word->at == offsetof(struct words, key);
		return key_parse(value, at);
	case IP:
		return ip_parse(value, at);
	case PREFIX:
		return prefix_parse(value, at);
	case PREFIXES:
		return prefixes_parse(value, at);
	case ENDPOINT:
		return endpoint_parse(value, at);
	case OFFLOADS:
		return plane_offloads_parse(value, at);
	}
	return TM_EINVAL;
}

static int words_parse(char *line, struct words *w, struct diag *d)
{
	for (char *value; (value = strsep(&line, " "));) {
		const char *name = strsep(&value, "=");
		size_t i = 0;

		if (!*name)
			continue;
		while (i < ARRAY_LEN(known) && strcmp(known[i].name, name) != 0)
			i++;
		if (i == ARRAY_LEN(known) || !value || value_parse(&known[i], value, w) != TM_OK)
			return diag_what(d, TM_EINVAL, "cannot use \"%s\"", name);
	}
	return TM_OK;
}

static void limits_set(struct wg_limits *l, const struct words *w)
{
	const struct {
		ns_t *to;
		uint64_t ms;
	} times[] = {
		{&l->rekey_after, w->rekey_after},
		{&l->reject_after, w->reject_after},
		{&l->rekey_attempt, w->rekey_attempt},
		{&l->rekey_timeout, w->rekey_timeout},
		{&l->keepalive_timeout, w->keepalive_timeout},
	};

	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		if (times[i].ms)
			*times[i].to = (ns_t)times[i].ms * MS;
	if (w->rekey_after_messages)
		l->rekey_after_messages = w->rekey_after_messages;
	if (w->reject_after_messages)
		l->reject_after_messages = w->reject_after_messages;
}

static int do_device(struct wgpeer *g, const struct words *w, struct diag *d)
{
	const struct plane_events events = {0};
	struct plane_config cfg = {
		.tun_name = w->tun,
		.mtu = w->mtu ? (uint16_t)w->mtu : 1420,
		.listen_port = (uint16_t)w->port,
		.workers = w->workers ? (unsigned)w->workers : 2,
		.fwmark = (uint32_t)w->fwmark,
		.offloads = w->offloads,
		.private_key = w->key,
		.limits = wg_limits_default,
		.self4 = w->self4,
		.self6 = w->self6,
		.net4 = w->net4,
		.net6 = w->net6,
	};
	int err;

	if (g->plane || !w->tun || !w->has_key)
		return diag_what(d, TM_EINVAL, "one device, with tun= and key=");

	limits_set(&cfg.limits, w);
	err = plane_new(&cfg, &events, &g->plane, d);
	return err ? err : plane_start(g->plane);
}

static size_t find(const struct wgpeer *g, const struct words *w)
{
	size_t i = 0;

	while (i < g->n && !ct_eq(g->keys[i], w->key, sizeof(w->key)))
		i++;
	return i;
}

static int do_endpoint(struct wgpeer *g, const struct words *w, struct diag *d)
{
	int err = plane_set_way(g->plane, w->key, &(struct way_to){.remote = w->endpoint}, NULL);

	return err == TM_EINVAL ? diag_what(d, err, "the endpoint lies inside the mesh itself") : err;
}

static int do_peer(struct wgpeer *g, const struct words *w, struct diag *d)
{
	struct plane_peer peer = {
		.allowed = w->allowed.v,
		.n_allowed = w->allowed.n,
		.keepalive_s = (uint16_t)w->keepalive,
		.forwards = w->forwards != 0,
		.follows = true,
	};
	size_t i = find(g, w);
	int err;

	if (i == PEERS_MAX)
		return TM_EFULL;

	g->n = MAX(g->n, i + 1);
	memcpy(g->keys[i], w->key, sizeof(w->key));
	memcpy(peer.key, w->key, sizeof(w->key));
	memcpy(peer.psk, w->psk, sizeof(w->psk));
	err = plane_peer_put(g->plane, &peer);
	return err || !endpoint_is_set(&w->endpoint) ? err : do_endpoint(g, w, d);
}

static int do_remove(struct wgpeer *g, const struct words *w, struct diag *d)
{
	size_t i = find(g, w);

	(void)d;
	if (i == g->n)
		return TM_ENOENT;

	g->n--;
	memcpy(g->keys[i], g->keys[g->n], sizeof(g->keys[i]));
	return plane_peer_remove(g->plane, w->key);
}

static int do_nudge(struct wgpeer *g, const struct words *w, struct diag *d)
{
	(void)d;
	plane_nudge(g->plane, w->key);
	return TM_OK;
}

static int do_nothing(struct wgpeer *g, const struct words *w, struct diag *d)
{
	(void)g, (void)w, (void)d;
	return TM_OK;
}

static json_t *peer_json(const struct wgpeer *g, size_t i)
{
	char endpoint[ENDPOINT_STR_LEN];
	struct plane_peer_stats s;

	if (plane_peer_stats(g->plane, g->keys[i], &s) != TM_OK)
		return json_null();

	return json_pack("{s:s, s:b, s:f, s:I, s:I, s:I, s:I}", "endpoint",
		endpoint_format(&s.way.remote, endpoint), "session", s.session, "handshake",
		(double)s.last_handshake_real / (double)SEC, "tx_bytes", (json_int_t)s.tx_bytes, "rx_bytes",
		(json_int_t)s.rx_bytes, "tx_packets", (json_int_t)s.tx_packets, "rx_packets",
		(json_int_t)s.rx_packets);
}

static void add_stats(const struct wgpeer *g, json_t *reply)
{
	json_t *peers = json_object(), *drops = json_object();
	char key[BASE64_LEN(32) + 1];
	uint64_t counts[DROP_N];
	char offloads[PLANE_OFFLOADS_STR];

	for (size_t i = 0; i < g->n; i++) {
		base64_encode(g->keys[i], sizeof(g->keys[i]), key);
		json_object_set_new(peers, key, peer_json(g, i));
	}
	plane_drops(g->plane, counts);
	for (size_t i = 0; i < DROP_N; i++)
		json_object_set_new(
			drops, plane_drop_label((enum plane_drop)i), json_integer((json_int_t)counts[i]));
	json_object_set_new(reply, "port", json_integer(plane_port(g->plane)));
	json_object_set_new(reply, "steered", json_boolean(plane_steered(g->plane)));
	json_object_set_new(reply, "peers", peers);
	json_object_set_new(reply, "drops", drops);
	json_object_set_new(
		reply, "offloads", json_string(plane_offloads_format(plane_offloads(g->plane), offloads)));
}

static const struct {
	const char *name;
	int (*run)(struct wgpeer *g, const struct words *w, struct diag *d);
	bool needs_key;
} commands[] = {
	{"device", do_device, true},
	{"peer", do_peer, true},
	{"endpoint", do_endpoint, true},
	{"remove", do_remove, true},
	{"nudge", do_nudge, true},
	{"stats", do_nothing, false},
};

static int run_line(struct wgpeer *g, char *line, struct diag *d)
{
	const char *name = strsep(&line, " ");
	struct words w = {.offloads = PLANE_OFFLOAD_ALL};
	int err = words_parse(line, &w, d);

	for (size_t i = 0; !err && i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (!g->plane && commands[i].run != do_device)
			return diag_what(d, TM_EINVAL, "the device comes first");
		if (commands[i].needs_key && !w.has_key)
			return diag_what(d, TM_EINVAL, "%s needs key=", name);

		err = commands[i].run(g, &w, d);
		wipe(&w, sizeof(w));
		return err;
	}
	return err ? err : diag_what(d, TM_EINVAL, "no such command: %s", name);
}

static void answer(struct wgpeer *g, char *line)
{
	bool stats = strcmp(line, "stats") == 0;
	struct diag d = {0};
	char text[1024];
	int err = run_line(g, line, &d);
	json_t *reply = json_pack("{s:b}", "ok", !err);

	if (err)
		json_object_set_new(reply, "error", json_string(diag_format(&d, err, text, sizeof(text))));
	else if (stats)
		add_stats(g, reply);
	json_dumpf(reply, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(reply);
}

/* False at the end of the input, or for a line that is too long. */
static bool read_commands(struct wgpeer *g, char *buf, size_t *n)
{
	ssize_t got = read(STDIN_FILENO, buf + *n, LINE_MAX_BYTES - *n);
	char *end;

	if (got <= 0)
		return got < 0 && errno == EINTR;

	*n += (size_t)got;
	while ((end = memchr(buf, '\n', *n))) {
		size_t used = (size_t)(end - buf) + 1;

		*end = '\0';
		answer(g, buf);
		*n -= used;
		memmove(buf, buf + used, *n);
	}
	return *n < LINE_MAX_BYTES;
}

int main(void)
{
	struct wgpeer g = {0};
	char buf[LINE_MAX_BYTES], text[1024];
	struct diag d = {0};
	size_t n = 0;
	int err = crypto_init(&d);

	if (err) {
		fprintf(stderr, "wgpeer: %s\n", diag_format(&d, err, text, sizeof(text)));
		return 1;
	}
	for (;;) {
		ns_t now = time_monotonic(), next = g.plane ? plane_service(g.plane, now) : NS_NEVER;
		struct pollfd fds[] = {
			{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = g.plane ? plane_fd(g.plane) : -1, .events = POLLIN},
		};

		(void)poll(fds, ARRAY_LEN(fds), time_poll_ms(now, next));
		if (fds[0].revents && !read_commands(&g, buf, &n))
			break;
	}
	plane_free(g.plane);
	return 0;
}
