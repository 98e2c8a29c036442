/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `ping`: echo requests to a member of the mesh, with the path that they take. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cli/cmd/echoes.h"
#include "cli/core/call.h"
#include "cli/core/commands.h"
#include "cli/core/peers.h"
#include "cli/core/reach.h"
#include "crypto/init.h"
#include "os/icmp.h"
#include "os/interrupt.h"

struct ping_opts {
	bool v4, v6;
	uint32_t count;
	ns_t interval;
};

#define AT(field) offsetof(struct ping_opts, field)
static const struct opt ping_options[] = {
	{"ipv4", '4', OPT_FLAG, AT(v4), NULL, "to its IPv4 address (the default)", 0, 0},
	{"ipv6", '6', OPT_FLAG, AT(v6), NULL, "to its IPv6 address", 0, 0},
	{"count", 'c', OPT_COUNT, AT(count), "COUNT", "how many; 0 = until Ctrl-C (4)", 0, UINT32_MAX},
	{"interval", 'i', OPT_SECONDS, AT(interval), "SECONDS", "between two (1)", 0, 3600 * 1000},
	{0},
};
#undef AT

struct ping {
	struct cli *c;
	const struct ping_opts *opts;
	char name[128], address[IP_STR_LEN], id[32];
	struct icmp icmp;
	struct echoes echoes;
	json_t *replies; /* with --json */
	char path[PEER_TEXT_LEN]; /* by which the last reply came */
};

/* A name, node id or mesh address that the daemon knows. An IPv6 address asks for IPv6. */
static int resolve(struct ping *p, const char *target, struct ip *ret_ip, struct diag *d)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct ip given;
	bool v6 = p->opts->v6 || (!p->opts->v4 && ip_parse(target, &given) == TM_OK && given.family == IP_V6);
	int err =
		cli_ask(p->c, "ping.resolve", json_pack("{s:s}", "name", target), ASK_TIMEOUT_MS, &reply, d);

	if (err)
		return err;

	snprintf(p->name, sizeof(p->name), "%s", json_text(reply, "name"));
	snprintf(p->id, sizeof(p->id), "%s", json_text(reply, "id"));
	snprintf(p->address, sizeof(p->address), "%s", json_text(reply, v6 ? "ip6" : "ip4"));
	if (ip_parse(p->address, ret_ip) < 0)
		return diag_what(d, TM_EPROTO, "%s has no IPv%d address", p->name, v6 ? 6 : 4);

	return TM_OK;
}

/* What the daemon knows of it now; NULL when it cannot say, or it is this machine itself. */
static json_t *ask_peer(struct ping *p)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct diag ignored = {0};

	if (cli_ask(p->c, "peers", json_pack("{s:s}", "node", p->id), 1000, &reply, &ignored) < 0)
		return NULL;

	return json_incref((json_t *)(uintptr_t)peers_by_id(json_object_get(reply, "peers"), p->id));
}

/* "direct 192.0.2.1:51820"; "" when the daemon cannot say (or it is this machine itself). */
static void current_path(struct ping *p, char buf[static PEER_TEXT_LEN])
{
	_cleanup_(json_decrefp) json_t *peer = ask_peer(p);

	buf[0] = '\0';
	if (peer)
		peer_path(peer, buf);
}

static void got_reply(struct ping *p, const struct echo *echo)
{
	char path[PEER_TEXT_LEN], ms[FORMAT_LEN];
	double rtt = (double)echo->took / (double)MS;

	if (p->c->g.json) {
		_cleanup_(json_decrefp) json_t *peer = ask_peer(p);

		json_array_append_new(
			p->replies, json_pack("{s:I, s:o, s:O?, s:O?}", "seq", (json_int_t)echo->n, "rtt_ms",
					    json_rounded(rtt), "path", json_object_get(peer, "path"),
					    "endpoint", json_object_get(peer, "endpoint")));
		return;
	}
	current_path(p, path);
	if (*path && *p->path && strcmp(path, p->path) != 0)
		fprintf(p->c->out, "  the path is %s now\n", path);
	snprintf(p->path, sizeof(p->path), "%s", path);
	fprintf(p->c->out, "  reply %u: %s%s%s\n", echo->n, format_ms(rtt, ms), *path ? ", " : "", path);
	fflush(p->c->out);
}

static void no_reply(struct ping *p, const struct echo *echo)
{
	char path[PEER_TEXT_LEN], ms[FORMAT_LEN];

	if (p->c->g.json)
		return;

	current_path(p, path);
	fprintf(p->c->out, "  no reply %u within %s%s%s%s\n", echo->n,
		format_ms((double)echo->took / (double)MS, ms), *path ? " (path: " : "", path,
		*path ? ")" : "");
	fflush(p->c->out);
}

static int await_reply(struct ping *p, ns_t until, struct diag *d)
{
	struct echo echo;
	uint16_t seq;
	int err = icmp_wait(&p->icmp, until, &seq);

	if (err == TM_ETIMEOUT || err == TM_EAGAIN)
		return TM_OK;
	if (err)
		return diag_what(d, err, "waiting for the reply failed: %s", tm_strerror(err));

	if (echoes_answered(&p->echoes, time_monotonic(), seq, &echo))
		got_reply(p, &echo);
	return TM_OK;
}

static int ping_all(struct ping *p, struct diag *d)
{
	int err = TM_OK;

	while (!err && !interrupt_came()) {
		struct echo echo;
		ns_t until;

		switch (echoes_next(&p->echoes, time_monotonic(), &echo, &until)) {
		case ECHOES_SEND:
			err = icmp_send(&p->icmp, (uint16_t)echo.n, d);
			break;
		case ECHOES_LOST:
			no_reply(p, &echo);
			break;
		case ECHOES_WAIT:
			err = await_reply(p, until, d);
			break;
		case ECHOES_DONE:
			return TM_OK;
		}
	}
	echoes_stop(&p->echoes);
	return err;
}

static json_t *ms_json(const struct ping *p, double ms)
{
	return p->echoes.received ? json_rounded(ms) : json_null();
}

/* Nothing came back: what the daemon tried to reach it, NULL when it cannot say. */
static json_t *ask_reach(const struct ping *p)
{
	struct diag ignored = {0};
	json_t *reply = NULL;

	if (p->echoes.received || cli_ask(p->c, "peer", json_pack("{s:s}", "node", p->id), ASK_TIMEOUT_MS,
					  &reply, &ignored) < 0)
		return NULL;
	return reply;
}

static json_t *summary_json(const struct ping *p, double loss, const json_t *reach)
{
	const struct echoes *e = &p->echoes;
	double avg = e->received ? (double)e->sum / (double)MS / e->received : 0;
	json_t *j = json_pack("{s:b, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:O, s:O?}", "ok",
		e->received > 0, "name", p->name, "id", p->id, "ip", p->address, "sent", (json_int_t)e->sent,
		"received", (json_int_t)e->received, "loss_percent",
		e->sent ? json_rounded(loss) : json_null(), "rtt_min_ms",
		ms_json(p, (double)e->min / (double)MS), "rtt_avg_ms", ms_json(p, avg), "rtt_max_ms",
		ms_json(p, (double)e->max / (double)MS), "replies", p->replies, "tried",
		json_object_get(reach, "tried"));

	if (!e->received && j) {
		char why[REACH_TEXT_LEN] = "";

		if (reach)
			reach_explain_silence(reach, why);
		json_object_update_new(j, json_pack("{s:s, s:s+, s:s?}", "code", "no_reply", "error", p->name,
						  " does not answer", "hint", *why ? why : NULL));
	}
	return j;
}

/* At the end, where the last reply took a detour, or there is no way at all. */
static void why_not_better(struct ping *p)
{
	_cleanup_(json_decrefp) json_t *peer = ask_peer(p);
	char path[PEER_LONG_LEN];

	if (peer && (peer_is_relayed(peer) || strcmp(json_text(peer, "path"), "checking") == 0))
		text_said(p->c->out, peer_path_long(peer, path), &p->c->screen);
}

static int summary(struct ping *p)
{
	const struct echoes *e = &p->echoes;
	double loss = e->sent ? 100.0 * (e->sent - e->received) / e->sent : 0;
	double min = (double)e->min / (double)MS, max = (double)e->max / (double)MS;
	double avg = e->received ? (double)e->sum / (double)MS / e->received : 0;
	int status = e->received ? CLI_DONE : CLI_FAILED;
	_cleanup_(json_decrefp) json_t *reach = ask_reach(p);
	char why[REACH_TEXT_LEN];

	if (p->c->g.json)
		return cli_json_take(p->c, summary_json(p, loss, reach)) == CLI_DONE ? status : CLI_FAILED;

	fprintf(p->c->out, "  %u sent, %u received, %.0f %% lost", e->sent, e->received, loss);
	if (e->received)
		fprintf(p->c->out, "; min/avg/max %.2f/%.2f/%.2f ms", min, avg, max);
	fputc('\n', p->c->out);
	why_not_better(p);
	if (!reach)
		return status;

	int err = reach_print_tried(reach, p->c->out, &p->c->screen);
	if (err)
		return cli_fail(p->c, &(struct diag){0}, err);
	if (*reach_explain_silence(reach, why))
		text_said(p->c->out, why, &p->c->screen);
	return status;
}

static int ping_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	struct ping p = {.c = c, .opts = opts, .icmp = {.fd = -1}};
	_cleanup_(json_decrefp) json_t *replies = json_array();
	uint8_t cookie[ICMP_COOKIE];
	struct diag d = {0};
	struct ip to;
	int err;

	if (p.opts->v4 && p.opts->v6)
		return cli_usage(c, NULL, "-4 and -6 exclude each other");

	p.replies = replies;
	p.echoes.count = p.opts->count;
	p.echoes.interval = p.opts->interval;
	random_bytes(cookie, sizeof(cookie));
	err = resolve(&p, words->v[0], &to, &d);
	if (!err)
		err = icmp_open(&to, cookie, &p.icmp, &d);
	if (err)
		return cli_fail(c, &d, err);

	interrupt_catch();
	if (!c->g.json)
		fprintf(c->out, "  ping %s (%s)\n", p.name, p.address);
	fflush(c->out);
	err = ping_all(&p, &d);
	icmp_close(&p.icmp);
	return err ? cli_fail(c, &d, err) : summary(&p);
}

const struct command cmd_ping = {
	.name = "ping",
	.args = "NAME|ADDRESS",
	.summary = "is it there, how far, and by which path",
	.opts = ping_options,
	.defaults = &(const struct ping_opts){.count = 4, .interval = 1 * SEC},
	.opts_size = sizeof(struct ping_opts),
	.min_words = 1,
	.max_words = 1,
	.crypto = true,
	.run = ping_run,
};
