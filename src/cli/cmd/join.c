/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `join`: enrols this machine with a token and starts it. */
#include <string.h>

#include "base/secret.h"
#include "base/time.h"
#include "cli/cmd/netchoice.h"
#include "cli/cmd/rejoin.h"
#include "cli/core/commands.h"
#include "cli/core/peers.h"
#include "cli/core/proxy.h"
#include "os/interrupt.h"
#include "os/os.h"
#include "os/terminal.h"
#include "os/words/words.h"
#include "wire/token.h"

enum {
	ENROL_TIMEOUT_MS = 15000,
	LEAVE_TIMEOUT_MS = 5000,
	PATH_WAIT_MS = 3000,
	PATH_POLL_MS = 50,
};

#define AT(field) offsetof(struct setup_opts, field)
static const struct opt join_options[] = {
	{"name", 0, OPT_TEXT, AT(name), "NODE", "this machine's name (its host name)", 0, 0},
	{"identity", 0, OPT_TEXT, AT(identity), "FILE", "use this OpenSSH Ed25519 key instead of a new one",
		0, 0},
	{"listen-port", 0, OPT_PORT, AT(listen_port), "PORT", "UDP port of the tunnels (51820)", 0, 0},
	{"tun", 0, OPT_TEXT, AT(tun), "NAME", "network interface to create (tm0)", 0, 0},
	{"foreground", 0, OPT_FLAG, AT(foreground), NULL,
		"stay in this terminal instead of starting a daemon", 0, 0},
	{"no-up", 0, OPT_FLAG, AT(no_up), NULL, "only enrol; start it later with `up`", 0, 0},
	{"force", 0, OPT_FLAG, AT(force), NULL, "also accept an address range that is not for private use", 0,
		0},
	{0},
};
#undef AT

/* `join -`: the token stays out of the process list and the shell's history. */
static int read_token(struct cli *c, char *buf, size_t n, struct diag *d)
{
	if (c->in_tty)
		fprintf(c->err, "token: ");
	fflush(c->err);
	cli_read_line(c, buf, n);
	return *buf ? TM_OK : diag_what(d, TM_EINVAL, "there is no token on standard input");
}

static int get_token(struct cli *c, const char *word, struct token *ret_token, struct diag *d)
{
	char buf[TOKEN_TEXT_MAX + 64];
	int err;

	if (strcmp(word, "-") != 0)
		return token_decode(word, ret_token, d);

	err = read_token(c, buf, sizeof(buf), d);
	if (!err)
		err = token_decode(buf, ret_token, d);
	wipe(buf, sizeof(buf));
	return err;
}

/* The ranges were chosen on another machine: they may collide with this one's networks, or whoever chose them
 * may want to read what this machine sends to others. */
static int check_nets(const struct enrolment *e, bool force, struct diag *d)
{
	char text[PREFIX_STR_LEN];
	const struct prefix *nets[] = {&e->mesh.net4, &e->mesh.net6};

	for (size_t i = 0; i < ARRAY_LEN(nets); i++) {
		int err = netchoice_fits(nets[i], "the mesh's range", force, d);
		if (err)
			return err;
		err = os_prefix_in_use(nets[i], NULL, d);
		if (err) {
			diag_hint(d,
				"the mesh's range %s and this machine's network must not overlap: change one "
				"of them",
				prefix_format(nets[i], text));
			return err;
		}
	}
	return TM_OK;
}

static int join_in(struct setup *s, const struct token *t, struct enrolment *e, struct diag *d)
{
	struct diag ignored = {0};
	struct proxy_choice proxy;
	bool enrolled = false;
	int err = setup_identity(s, d);

	s->proxy_from = cli_proxy(s->c, &s->config, "", &proxy);

	cli_progress(s->c, "joining");
	if (!err) {
		err = enrol(t, &s->identity, s->name, TM_VERSION, &proxy, ENROL_TIMEOUT_MS, e, d);
		enrolled = !err && !e->existed; /* a member of before loses nothing by our failure */
		if (err == TM_EAGAIN)
			setup_keep_identity(s, d);
	}
	cli_progress(s->c, NULL);
	if (!err && e->proxy_failed[0])
		cli_note(s->c, "the proxy does not lead to the coordinator, which is reached without it: %s",
			e->proxy_failed);
	if (!err)
		err = check_nets(e, s->opts->force, d);
	if (!err)
		err = setup_save(s, e, d);
	if (!err && !s->opts->no_up && !s->opts->foreground)
		err = setup_start(s, d);
	if (err && enrolled)
		(void)!enrol_undo(e, &s->identity, &proxy, LEAVE_TIMEOUT_MS,
			&ignored); /* best effort: we report the first error */
	wipe(&proxy, sizeof(proxy));
	return err;
}

static bool path_is_up(const json_t *peer)
{
	return json_is_true(json_object_get(peer, "session")) &&
	       (strcmp(json_text(peer, "path"), "direct") == 0 || peer_is_relayed(peer));
}

/* Until there is a tunnel to the coordinator and the firewall was asked, or PATH_WAIT_MS: then the last
 * status known, NULL when none. */
static json_t *wait_for_path(struct cli *c)
{
	ns_t deadline = time_monotonic() + PATH_WAIT_MS * MS;
	bool nudged = false;
	json_t *last = NULL;

	cli_progress(c, "looking for a path");
	for (;;) {
		struct diag ignored = {0};
		json_t *now = NULL, *reply = NULL;
		const json_t *hub;

		if (cli_ask(c, "status", NULL, PATH_WAIT_MS, &now, &ignored) == TM_OK) {
			json_decref(last);
			last = now;
		}
		hub = peers_coordinator(json_object_get(last, "peers"));
		if ((hub && path_is_up(hub) && !json_is_null(json_object_get(last, "firewalled"))) ||
			time_monotonic() > deadline)
			break;
		if (hub && !nudged &&
			cli_ask(c, "nudge", json_pack("{s:s}", "node", json_text(hub, "id")), PATH_WAIT_MS,
				&reply, &ignored) == TM_OK)
			nudged = true;
		json_decref(reply);
		interrupt_rest(PATH_POLL_MS * MS);
	}
	cli_progress(c, NULL);
	return last;
}

/* "direct to hub (203.0.113.7:51820, 11 ms)", with relay or tcp where UDP is in need of that, or what is
 * known about why not. */
static void print_path(struct cli *c, const json_t *status)
{
	const json_t *hub = peers_coordinator(json_object_get(status, "peers"));
	const json_t *link = json_object_get(status, "link");
	char rtt[FORMAT_LEN];

	if (hub && path_is_up(hub)) {
		fprintf(c->out, " \u00b7 %s to %s (%s%s%s)\n", json_text(hub, "path"), json_text(hub, "name"),
			json_text(hub, "endpoint"), peer_has_rtt(hub) ? ", " : "",
			peer_has_rtt(hub) ? peer_rtt(hub, rtt) : "");
		return;
	}
	if (!json_is_true(json_object_get(link, "up")))
		fprintf(c->out, " \u00b7 no link to the coordinator yet%s%s\n",
			*json_text(link, "error") ? ": " : "", json_text(link, "error"));
	else if (hub)
		fprintf(c->out, " \u00b7 no tunnel to %s yet; `tunnelmesh status` shows when it comes\n",
			json_text(hub, "name"));
	else
		fprintf(c->out, "\n");
}

static void print_firewalled(struct cli *c, const json_t *status)
{
	char net[PEER_TEXT_LEN];

	if (peers_firewalled(status, net))
		fprintf(c->out,
			"  but this machine's firewall drops what comes from %s: let it in by %s\n"
			"  (another VPN's rules may do that, as Tailscale's do: the guide says what helps)\n",
			net, json_text(status, "tun"));
}

static json_t *joined_json(const struct enrolment *e, const json_t *status)
{
	char ip4[IP_STR_LEN], ip6[IP_STR_LEN], net4[PREFIX_STR_LEN], net6[PREFIX_STR_LEN];
	json_t *peers = json_object_get(status, "peers");
	json_t *hub = (json_t *)(uintptr_t)peers_coordinator(peers);

	return json_pack("{s:b, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s}, s:i, s:O?}", "ok", 1, "mesh",
		"name", e->mesh.name, "net4", prefix_format(&e->mesh.net4, net4), "net6",
		prefix_format(&e->mesh.net6, net6), "self", "name", e->self.name, "id", e->self.id, "ip4",
		ip_format(&e->self.ip4, ip4), "ip6", ip_format(&e->self.ip6, ip6), "peer_count",
		(int)json_array_size(peers), "coordinator_peer", hub);
}

static int print_joined(
	struct cli *c, const struct enrolment *e, const struct setup_opts *o, const json_t *status)
{
	size_t n = json_array_size(json_object_get(status, "peers"));
	char ip4[IP_STR_LEN], flags[160];

	if (c->g.json)
		return cli_json_take(c, joined_json(e, status));

	fprintf(c->out, "  enrolled as %s \u00b7 %s", e->self.name, ip_format(&e->self.ip4, ip4));
	if (status) {
		fprintf(c->out, " \u00b7 %zu peer%s", n, n == 1 ? "" : "s");
		print_path(c, status);
		print_firewalled(c, status);
	} else {
		fprintf(c->out, " \u00b7 mesh \"%s\"\n", e->mesh.name);
	}
	if (o->no_up)
		fprintf(c->out, "  Start it with:  " OS_SUDO "tunnelmesh%s up\n",
			cli_node_flags(c, flags, sizeof(flags)));
	return CLI_DONE;
}

static int join_again(struct cli *c, const struct setup_opts *o, const struct token *t,
	const struct enrolment *was, struct enrolment *e, struct diag *d)
{
	char why[sizeof(struct diag) + 16];
	struct diag unheard = {0};
	struct setup s;
	int err = setup_begin_again(&s, c, o, d);

	if (!err)
		err = rejoin(&s, t, was, e, &unheard, d);
	setup_end(&s);
	if (!err && unheard.what[0])
		cli_note(c, "this machine is in the mesh already, and goes on without an answer: %s",
			diag_format(&unheard, TM_EAGAIN, why, sizeof(why)));
	return err;
}

/* Perhaps it was this machine before it was set up anew. */
static void note_name(struct cli *c, const char *wanted, const char *got)
{
	if (strcmp(wanted, got) != 0)
		cli_note(c,
			"another node is named %s, so this one is %s; if that was this machine once, on the "
			"coordinator: "
			"tunnelmesh node remove %s, then tunnelmesh node rename %s %s",
			wanted, got, wanted, got, wanted);
}

static int join_first(
	struct cli *c, const struct setup_opts *o, const struct token *t, struct enrolment *e, struct diag *d)
{
	struct setup s;
	int err = setup_begin(&s, c, o, d);

	if (!err)
		err = join_in(&s, t, e, d);
	if (!err) {
		setup_commit(&s);
		note_name(c, s.name, e->self.name);
	}
	setup_end(&s);
	return err;
}

static int join_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct setup_opts *o = opts;
	struct enrolment e = {0}, was;
	struct token t = {0};
	struct diag d = {0};
	json_t *status = NULL;
	int err, result;

	if (o->foreground && o->no_up)
		return cli_usage(c, NULL, "--foreground and --no-up exclude each other");

	err = get_token(c, words->v[0], &t, &d);
	if (err)
		return cli_fail(c, &d, err);

	if (rejoin_applies(c, &t, &was)) {
		err = join_again(c, o, &t, &was, &e, &d);
		enrolment_wipe(&was);
	} else {
		err = join_first(c, o, &t, &e, &d);
	}
	token_wipe(&t);
	if (err)
		return cli_fail(c, &d, err);

	if (!o->no_up && !o->foreground)
		status = wait_for_path(c);
	result = print_joined(c, &e, o, status);
	json_decref(status);
	enrolment_wipe(&e);
	if (result == CLI_DONE && o->foreground)
		result = up_foreground(c);
	return result;
}

const struct command cmd_join = {
	.name = "join",
	.args = "TOKEN",
	.summary = "make this machine a node of the mesh that the token is for",
	.details = "TOKEN comes from `tunnelmesh token create` on the coordinator. `join -` reads it from "
		   "standard input, which\n"
		   "keeps it out of the process list. On a machine of that mesh it takes the coordinator's "
		   "addresses from the\n"
		   "token, starts what is stopped, and enrols again what was removed: it may be repeated.\n",
	.opts = join_options,
	.defaults = &(const struct setup_opts){0},
	.opts_size = sizeof(struct setup_opts),
	.min_words = 1,
	.max_words = 1,
	.crypto = true,
	.run = join_run,
};
