/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `status`: this node and its tunnels at a glance. `peers`: who is in the mesh. */
#include <string.h>

#include "base/strbuf.h"
#include "base/time.h"
#include "cli/core/call.h"
#include "cli/core/columns.h"
#include "cli/core/commands.h"
#include "cli/core/peers.h"
#include "cli/core/reach.h"
#include "os/words/words.h"

static void status_row(struct columns *t, const json_t *p, int64_t now)
{
	char path[PEER_TEXT_LEN], traffic[PEER_TEXT_LEN], rtt[FORMAT_LEN], age[FORMAT_LEN];

	columns_cell(t, json_text(p, "name"));
	columns_cell(t, json_text(p, "ip4"));
	columns_tone(t, peer_state(p, path), peer_tone(p));
	columns_cell(t, peer_rtt(p, rtt));
	columns_cell(t, peer_tone(p) == TONE_GOOD ? json_text(p, "endpoint") : NULL);
	columns_cell(t, peer_traffic(p, traffic));
	columns_cell(t, format_age(json_number(p, "last_handshake_at"), now, age));
}

static void print_unsaved(struct cli *c, const json_t *status)
{
	size_t i;
	json_t *what;

	json_array_foreach (json_object_get(status, "unsaved"), i, what)
		fprintf(c->out, "  not saved: %s\n", json_string_value(what));
}

/* Where something is had is no news: that it is not is. Is it had anywhere? */
static bool print_closed(struct cli *c, const char *what_is, const json_t *doors)
{
	bool served = false;

	for (size_t i = 0; i < json_array_size(doors); i++) {
		const json_t *door = json_array_get(doors, i);
		const bool open = json_is_true(json_object_get(door, "open"));

		served |= open;
		if (!open)
			fprintf(c->out,
				"  %s not served at %s: another program has that port, or the address is "
				"gone\n",
				what_is, json_text(door, "address"));
	}
	return served;
}

/* What the gateway does for us; of one that speaks no protocol for it there is nothing to say. */
static void print_ports(struct cli *c, const json_t *status)
{
	size_t i;
	json_t *p;

	json_array_foreach (json_object_get(status, "port_mapping"), i, p) {
		if (*json_text(p, "endpoint"))
			fprintf(c->out, "  reached at %s, which the router %s maps to it (%s)%s\n",
				json_text(p, "endpoint"), json_text(p, "gateway"), json_text(p, "protocol"),
				json_is_true(json_object_get(p, "nested"))
					? "; behind one more router, so by few"
					: "");
		else if (json_array_size(json_object_get(p, "seen")) && *json_text(p, "problem"))
			fprintf(c->out, "  no port is mapped to it: %s\n", json_text(p, "problem"));
	}
}

static void print_relay(struct cli *c, const json_t *relay)
{
	char bytes[FORMAT_LEN];
	long long members = json_number(relay, "members");

	if (json_is_object(relay) && !json_is_true(json_object_get(relay, "allowed")))
		text_said(c->out,
			"it would relay, but may not: `tunnelmesh node tag NODE --add relay` on the "
			"coordinator allows it",
			&c->screen);
	else if (json_is_object(relay))
		fprintf(c->out, "  relays for %lld member%s, %s so far\n", members, members == 1 ? "" : "s",
			format_bytes((uint64_t)json_number(relay, "bytes"), bytes));
}

/* Networks behind others are told where they are not reached: `route list` has all. */
static void print_routing(struct cli *c, const json_t *routing)
{
	char line[512];
	json_t *r;
	size_t i;

	json_array_foreach (json_object_get(routing, "networks"), i, r) {
		if (!*json_text(r, "conflict"))
			continue;
		if (*json_text(r, "conflict_if"))
			snprintf(line, sizeof(line),
				"%s behind %s is not reached: this machine has %s itself, on %s",
				json_text(r, "net"), json_text(r, "via"), json_text(r, "conflict"),
				json_text(r, "conflict_if"));
		else
			snprintf(line, sizeof(line),
				"%s behind %s is not reached: the mesh itself is reached by %s, which is in "
				"it",
				json_text(r, "net"), json_text(r, "via"), json_text(r, "conflict"));
		text_said(c->out, line, &c->screen);
	}
	if (*json_text(routing, "refused")) {
		snprintf(line, sizeof(line),
			"the coordinator does not take the networks behind this machine: %s",
			json_text(routing, "refused"));
		text_said(c->out, line, &c->screen);
	}
	const json_t *exit = json_object_get(routing, "exit");
	if (json_number(exit, "paused_s"))
		fprintf(c->out, "  the exit node %s is not used for %lld s more\n", json_text(exit, "name"),
			(long long)json_number(exit, "paused_s"));
	else if (*json_text(exit, "trouble"))
		text_said(c->out, json_text(exit, "trouble"), &c->screen);
	else if (json_is_object(exit))
		fprintf(c->out, "  all that is for the internet goes through %s%s\n", json_text(exit, "name"),
			json_is_true(json_object_get(exit, "kill_switch")) ? ", or not at all" : "");
	if (*json_text(routing, "trouble"))
		text_said(c->out, json_text(routing, "trouble"), &c->screen);
}

static void print_dashboard(struct cli *c, const json_t *dashboard)
{
	if (print_closed(c, "the dashboard is", json_object_get(dashboard, "listen")))
		fprintf(c->out, "  dashboard: %s\n", json_text(dashboard, "url"));
	if (json_is_true(json_object_get(dashboard, "lacks_password")))
		text_said(c->out,
			"the dashboard is not served outside of the mesh yet: `" OS_SUDO
			"tunnelmesh dashboard password` makes the password that it asks for there",
			&c->screen);
	else
		print_closed(c, "the dashboard is", json_object_get(dashboard, "outside"));
}

/* Why the coordinator cannot be reached may be a sentence for each of its addresses. */
static void print_unlinked(struct cli *c, const char *error, bool removed)
{
	_cleanup_(strbuf_deinit) struct strbuf s = {0};

	if (removed)
		strbuf_printf(
			&s, "%s: `join` with a new token brings it back, `leave` forgets the mesh", error);
	else
		strbuf_printf(&s, "no link to the coordinator%s%s", *error ? ": " : "", error);
	text_said(c->out, s.failed ? error : s.s, &c->screen);
}

/* " (files,nas)" behind a name, or nothing. */
static const char *also(const json_t *j, char buf[static PEER_LONG_LEN])
{
	char aliases[PEER_LONG_LEN - 8];

	words_text(json_object_get(j, "aliases"), aliases, sizeof(aliases));
	snprintf(buf, PEER_LONG_LEN, *aliases ? " (%s)" : "%s", aliases);
	return buf;
}

static void print_self(struct cli *c, const json_t *status)
{
	const json_t *self = json_object_get(status, "self"), *mesh = json_object_get(status, "mesh");
	const json_t *link = json_object_get(status, "link");
	bool coordinator = json_is_true(json_object_get(self, "coordinator"));
	char span[FORMAT_LEN], net[PEER_TEXT_LEN], aliases[PEER_LONG_LEN];

	fprintf(c->out, "  %s%s \u00b7 %s, %s \u00b7 mesh \"%s\"%s \u00b7 up %s\n", json_text(self, "name"),
		also(self, aliases), json_text(self, "ip4"), json_text(self, "ip6"), json_text(mesh, "name"),
		coordinator ? " \u00b7 coordinator" : "", format_span(json_number(status, "uptime_s"), span));
	if (json_number(status, "offload_losses") > 0)
		fprintf(c->out, "  slower than it could be: the kernel refuses an offload, left are %s\n",
			json_text(status, "offloads"));
	if (peers_firewalled(status, net))
		fprintf(c->out,
			"  this machine's firewall drops what comes from %s: let it in by %s\n"
			"  (another VPN's rules may do that, as Tailscale's do: the guide says what helps)\n",
			net, json_text(status, "tun"));
	if (json_number(status, "twins"))
		fprintf(c->out,
			"  nodes whose identity two machines have: %lld; `tunnelmesh node list` shows "
			"which\n",
			(long long)json_number(status, "twins"));
	if (*json_text(link, "proxy_failed"))
		text_said(c->out, json_text(link, "proxy_failed"), &c->screen);
	print_ports(c, status);
	print_relay(c, json_object_get(status, "relay"));
	print_routing(c, json_object_get(status, "routing"));
	if (*json_text(json_object_get(status, "policy"), "trouble"))
		text_said(c->out, json_text(json_object_get(status, "policy"), "trouble"), &c->screen);
	print_unsaved(c, status);
	(void)print_closed(c, "metrics are", json_object_get(status, "metrics"));
	print_dashboard(c, json_object_get(status, "dashboard"));
	if (json_is_true(json_object_get(status, "program_replaced")))
		fputs("  another tunnelmesh is installed since: `" OS_SUDO
		      "tunnelmesh restart` changes to it\n",
			c->out);
	if (json_is_true(json_object_get(link, "up")))
		return;
	print_unlinked(c, json_text(link, "error"), json_is_true(json_object_get(link, "removed")));
}

static void print_peer(struct cli *c, const json_t *p)
{
	char path[PEER_LONG_LEN], traffic[PEER_TEXT_LEN], age[FORMAT_LEN], tags[1024], aliases[PEER_LONG_LEN];
	char line[PEER_LONG_LEN + PEER_TEXT_LEN + FORMAT_LEN + 64];
	const json_t *online = json_object_get(p, "online");
	int64_t handshake = json_number(p, "last_handshake_at");

	words_text(json_object_get(p, "tags"), tags, sizeof(tags));
	fprintf(c->out, "  %s%s \u00b7 %s, %s \u00b7 %s%s%s%s\n", json_text(p, "name"), also(p, aliases),
		json_text(p, "ip4"), json_text(p, "ip6"),
		json_is_true(json_object_get(p, "coordinator")) ? "coordinator" : json_text(p, "kind"),
		*tags ? " \u00b7 tags " : "", tags,
		json_is_true(online)    ? " \u00b7 online"
		: json_is_false(online) ? " \u00b7 offline"
					: "");
	fprintf(c->out, "  id %s, key %s\n", json_text(p, "id"), json_text(p, "key"));
	snprintf(line, sizeof(line), "path %s \u00b7 RX/TX %s \u00b7 handshake %s", peer_path_long(p, path),
		peer_traffic(p, traffic),
		handshake ? format_age(handshake, time_real() / SEC, age) : "never");
	text_said(c->out, line, &c->screen);
}

static void print_mine(struct cli *c, const json_t *mine)
{
	const char *comma = "  this machine is looked for at ";
	json_t *m;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)mine, i, m) {
		fprintf(c->out, "%s%s", comma, json_text(m, "endpoint"));
		comma = ", ";
	}
	if (i)
		fputc('\n', c->out);
}

static int one_peer(struct cli *c, const char *name)
{
	char why[REACH_TEXT_LEN];
	int status, err;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "peer", json_pack("{s:s}", "node", name), &status);
	if (!reply)
		return status;

	print_peer(c, json_object_get(reply, "peer"));
	if (json_array_size(json_object_get(reply, "tried"))) {
		fputc('\n', c->out);
		err = reach_print_tried(reply, c->out, &c->screen);
		if (err)
			return cli_fail(c, &(struct diag){0}, err);
	}
	if (*reach_explain(reply, why)) {
		fputc('\n', c->out);
		print_mine(c, json_object_get(reply, "mine"));
		text_said(c->out, why, &c->screen);
	}
	return CLI_DONE;
}

/* Because it is no member any more, which was told already: there may well be others. */
static bool knows_nobody(const json_t *link)
{
	return json_is_true(json_object_get(link, "removed")) || json_is_true(json_object_get(link, "twin"));
}

static int status_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	static const char *const heads[] = {
		"NAME", "ADDRESS", "PATH", "RTT", "ENDPOINT", "RX/TX", "HANDSHAKE"};
	_cleanup_(json_decrefp) json_t *status = NULL;
	_cleanup_(columns_deinit) struct columns t = {0};
	struct diag d = {0};
	size_t i;
	json_t *p;
	int result, err;

	if (words->n)
		return one_peer(c, words->v[0]);

	columns_init(&t, heads, ARRAY_LEN(heads));
	status = cli_fetch(c, "status", c->g.json ? NULL : json_pack("{s:b}", "brief", 1), &result);
	if (!status)
		return result;

	print_self(c, status);
	json_array_foreach (json_object_get(status, "peers"), i, p)
		status_row(&t, p, time_real() / SEC);
	if (t.n == 0 && knows_nobody(json_object_get(status, "link")))
		return CLI_DONE;
	if (t.n == 0) {
		fprintf(c->out, "  no other machines yet%s\n",
			json_is_true(json_object_get(json_object_get(status, "self"), "coordinator"))
				? ": `" OS_SUDO "tunnelmesh token create` makes a token for one"
				: "");
		return CLI_DONE;
	}
	fputc('\n', c->out);
	err = columns_print(&t, c->out, &c->screen);
	if (err)
		return cli_fail(c, &d, err);
	if (json_number(status, "left_out"))
		fprintf(c->out, "\n  and %lld more that nothing was sent to: `tunnelmesh peers` lists all\n",
			(long long)json_number(status, "left_out"));
	return CLI_DONE;
}

const struct command cmd_status = {
	.name = "status",
	.args = "[NAME]",
	.summary = "this node, its peers and the paths to them; or one peer in detail",
	.details =
		"PATH is how packets reach the peer: direct with the address used, relay or tcp "
		"through another member (by UDP or TCP, with the address of that), checking while a way is "
		"looked for, idle when nothing was sent lately. RX/TX counts bytes in the "
		"tunnel. In a mesh of hundreds only those are listed that something was sent to; "
		"--json lists all. With NAME: that peer, and what came of every address by which it was "
		"tried to reach it.",
	.max_words = 1,
	.run = status_run,
};

static void peers_row(struct columns *t, const json_t *p)
{
	bool client = strcmp(json_text(p, "kind"), "client") == 0;
	const json_t *online = json_object_get(p, "online");
	char tags[1024], aliases[512];

	columns_cell(t, json_text(p, "name"));
	columns_cell(t, json_text(p, "ip4"));
	if (json_is_true(online))
		columns_tone(t, "online", TONE_GOOD);
	else if (client || !json_is_boolean(online))
		columns_cell(t, NULL);
	else
		columns_tone(t, "offline", TONE_BAD);
	columns_cell(
		t, json_is_true(json_object_get(p, "coordinator")) ? "coordinator" : json_text(p, "kind"));
	columns_cell(t, words_text(json_object_get(p, "tags"), tags, sizeof(tags)));
	columns_cell(t, words_text(json_object_get(p, "aliases"), aliases, sizeof(aliases)));
	columns_cell(t, json_text(p, "id"));
	columns_cell(t, json_text(p, "ip6"));
	columns_cell(t, json_text(p, "key"));
}

static int peers_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	static const char *const heads[] = {
		"NAME", "IPV4", "STATE", "KIND", "TAGS", "ALIASES", "ID", "IPV6", "KEY"};
	_cleanup_(json_decrefp) json_t *reply = NULL;
	_cleanup_(columns_deinit) struct columns t;
	struct diag d = {0};
	size_t i;
	json_t *p;
	int status, err;

	columns_init(&t, heads, ARRAY_LEN(heads));
	reply = cli_fetch(c, "peers", NULL, &status);
	if (!reply)
		return status;

	json_array_foreach (json_object_get(reply, "peers"), i, p)
		peers_row(&t, p);
	if (t.n == 0) {
		fputs("  no other machines yet\n", c->out);
		return CLI_DONE;
	}
	err = columns_print(&t, c->out, &c->screen);
	return err ? cli_fail(c, &d, err) : CLI_DONE;
}

const struct command cmd_peers = {
	.name = "peers",
	.summary = "the other members of the mesh: names, ids, addresses, keys",
	.run = peers_run,
};
