/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `netcheck`: what stands between this machine and the others. The daemon finds out; this shows it. */
#include "cli/cmd/netcheck.h"

#include <string.h>

#include "base/format.h"
#include "base/time.h"
#include "cli/core/commands.h"

enum { STEP_TIMEOUT_MS = 6000 };

struct netcheck_opts {
	bool full;
};

static const struct opt netcheck_options[] = {
	{"full", 0, OPT_FLAG, offsetof(struct netcheck_opts, full), NULL,
		"also ask whether the router leads what is sent to its own outside address back inside "
		"(hairpin), which some firewalls take for an attack",
		0, 0},
	{0},
};

struct word {
	const char *word, *text;
};

static const char *text_of(const struct word *v, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].word, word) == 0)
			return v[i].text;
	return word;
}

/* --- one line each --- */

static void line(struct cli *c, const char *label, const char *text)
{
	fprintf(c->out, "  %-*s", FACT_LABEL, label);
	text_wrapped(c->out, text, FACT_INDENT, FACT_INDENT, fact_width(&c->screen));
}

/* A set of behaviours: "endpoint_independent" and so on. The key is all members' first letters. */
static void depends_key(const json_t *set, char key[static 4])
{
	json_t *member;
	size_t i, n = 0;

	json_array_foreach (set, i, member) {
		const char *s = json_string_value(member);

		if (s && n < 3)
			key[n++] = strncmp(s, "endpoint", 8) == 0        ? 'e'
				   : strcmp(s, "address_dependent") == 0 ? 'a'
									 : 'p';
	}
	key[n] = '\0';
}

static void mapping_line(struct cli *c, const json_t *f)
{
	static const struct word words[] = {
		{"e", "one outside port for all destinations (endpoint-independent mapping)"},
		{"a", "another outside port for each address (address-dependent mapping)"},
		{"p", "another outside port for each destination (address- and port-dependent mapping)"},
		{"ea", "one outside port for all ports of an address (endpoint-independent or "
		       "address-dependent "
		       "mapping)"},
		{"ap", "other outside ports for other addresses (address-dependent, or address- and "
		       "port-dependent mapping)"},
		{"eap", "whether it has one outside port for all destinations is not known"},
	};
	const char *difficulty = json_text(f, "difficulty");
	char key[4], text[256];

	if (json_is_false(json_object_get(f, "translated"))) {
		line(c, "router", "changes no addresses of this machine: easy");
		return;
	}
	depends_key(json_object_get(f, "mapping"), key);
	snprintf(text, sizeof(text), "%s%s%s", text_of(words, ARRAY_LEN(words), key), *difficulty ? ": " : "",
		difficulty);
	line(c, "router", text);
}

static void filtering_line(struct cli *c, const json_t *f)
{
	static const struct word words[] = {
		{"e", "everybody (endpoint-independent filtering)"},
		{"a", "what comes from an address that was written to (address-dependent filtering)"},
		{"p", "what comes from the very port that was written to (address- and port-dependent "
		      "filtering)"},
		{"ea", "other ports of an address that was written to, perhaps everybody "
		       "(endpoint-independent or "
		       "address-dependent filtering)"},
		{"ap", "not everybody (address-dependent, or address- and port-dependent filtering)"},
	};
	char key[4];

	depends_key(json_object_get(f, "filtering"), key);
	if (strcmp(key, "eap") != 0)
		line(c, "lets in", text_of(words, ARRAY_LEN(words), key));
}

static void external_line(struct cli *c, const json_t *f)
{
	char text[320] = "";
	size_t i, n = 0;
	json_t *at;

	json_array_foreach (json_object_get(f, "external"), i, at)
		if (n < sizeof(text))
			n += (size_t)snprintf(
				text + n, sizeof(text) - n, "%s%s", n ? ", " : "", json_string_value(at));
	if (n)
		line(c, "seen as", text);
}

static void family(struct cli *c, const char *label, const json_t *f)
{
	static const struct word words[] = {
		{"works", "works"},
		{"short_only", "short datagrams only"},
		{"first_only", "only the first datagram of a connection passes"},
		{"no_answer", "no answer"},
		{"no_address", "no: this machine has no address"},
		{"untried", "not tried: nobody to ask"},
	};
	const json_t *kept = json_object_get(f, "port_kept"), *hairpin = json_object_get(f, "hairpin");
	int64_t payload = json_number(f, "payload_bytes");
	const char *word = json_text(f, "udp");
	char text[128];

	int n = snprintf(text, sizeof(text), "%s", text_of(words, ARRAY_LEN(words), word));
	if (strcmp(word, "works") == 0 || strcmp(word, "short_only") == 0)
		snprintf(text + n, sizeof(text) - (size_t)n, ", up to %d bytes tried", (int)payload);
	line(c, label, text);
	if (json_array_size(json_object_get(f, "external")) == 0)
		return;
	external_line(c, f);
	mapping_line(c, f);
	filtering_line(c, f);
	if (json_is_true(json_object_get(f, "translated")) && json_is_boolean(kept))
		line(c, "port", json_is_true(kept) ? "kept" : "changed");
	if (json_is_boolean(hairpin))
		line(c, "hairpin",
			json_is_true(hairpin) ? "yes: takes its own outside address back inside" : "no");
}

static int relays(struct cli *c, const json_t *reply)
{
	static const char *const heads[] = {"RELAY", "RTT", "ROLE"};
	_cleanup_(columns_deinit) struct columns t;
	char ms[FORMAT_LEN];
	json_t *r;
	size_t i;

	columns_init(&t, heads, ARRAY_LEN(heads));
	json_array_foreach (json_object_get(reply, "relays"), i, r) {
		bool home = json_is_true(json_object_get(r, "home")),
		     coordinator = json_is_true(json_object_get(r, "coordinator"));
		const json_t *rtt = json_object_get(r, "rtt_ms");

		columns_cell(&t, json_text(r, "name"));
		if (json_is_number(rtt))
			columns_cell(&t, format_ms(json_number_value(rtt), ms));
		else
			columns_tone(&t, "no answer", TONE_BAD);
		columns_cell(&t, home && coordinator ? "home, coordinator"
				 : home              ? "home"
				 : coordinator       ? "coordinator"
						     : "");
	}
	if (!t.n)
		return TM_OK;
	fputc('\n', c->out);
	return columns_print(&t, c->out, &c->screen);
}

/* What the router could do for us, and does. */
static void port_lines(struct cli *c, const json_t *reply)
{
	char text[256];
	json_t *p, *word;
	size_t i, k;

	json_array_foreach (json_object_get(reply, "port_mapping"), i, p) {
		int n = snprintf(text, sizeof(text), "%s", json_text(p, "gateway"));

		json_array_foreach (json_object_get(p, "seen"), k, word)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "%s %s", k ? "," : " speaks",
				json_string_value(word));
		if (*json_text(p, "endpoint"))
			snprintf(text + n, sizeof(text) - (size_t)n, "; maps %s to this machine",
				json_text(p, "endpoint"));
		else if (*json_text(p, "problem"))
			snprintf(text + n, sizeof(text) - (size_t)n, "; maps no port: %s",
				json_text(p, "problem"));
		line(c, "gateway", text);
	}
}

static void link_line(struct cli *c, const json_t *link)
{
	const char *proxy = json_text(link, "proxy");
	char text[512];

	if (json_is_true(json_object_get(link, "up")))
		snprintf(text, sizeof(text), "linked by TCP%s%s%s",
			json_is_true(json_object_get(link, "tls")) ? ", in TLS" : "",
			*proxy ? ", through the proxy " : "", proxy);
	else
		snprintf(text, sizeof(text), "no link%s%s", *json_text(link, "error") ? ": " : "",
			json_text(link, "error"));
	line(c, "coordinator", text);
}

static void http_line(struct cli *c, const char *word, const char *proxy)
{
	static const struct word words[] = {
		{"clean", "the coordinator answers, unchanged"},
		{"sign_in", "somebody else answers and wants a sign-in (captive portal)"},
		{"other", "somebody else answers for the coordinator"},
		{"no_answer", "the coordinator's port takes connections and does not answer"},
		{"no_connection", "no connection to the coordinator's port"},
		{"proxy_refused", "no connection to the coordinator's port"},
	};
	char text[512];

	if (strcmp(word, "no_connection") == 0 && *proxy)
		snprintf(text, sizeof(text), "no connection to the proxy %s", proxy);
	else
		snprintf(text, sizeof(text), "%s%s%s", text_of(words, ARRAY_LEN(words), word),
			*proxy ? ", through the proxy " : "", proxy);
	if (*word)
		line(c, "HTTP", text);
}

static int show(struct cli *c, const json_t *reply)
{
	json_t *advice;
	size_t i;

	family(c, "UDP, IPv4", json_object_get(reply, "ipv4"));
	family(c, "UDP, IPv6", json_object_get(reply, "ipv6"));
	port_lines(c, reply);
	link_line(c, json_object_get(reply, "link"));
	http_line(c, json_text(reply, "http"), json_text(reply, "http_proxy"));
	int err = relays(c, reply);
	if (err)
		return cli_fail(c, &(struct diag){0}, err);
	fputs("\n  ", c->out);
	text_wrapped(c->out, json_text(reply, "verdict"), 2, 2, fact_width(&c->screen));
	json_array_foreach (json_object_get(reply, "advice"), i, advice) {
		fputs("  - ", c->out);
		text_wrapped(c->out, json_string_value(advice), 4, 4, fact_width(&c->screen));
	}
	return CLI_DONE;
}

/* --- asking --- */

static void progress(struct cli *c, const json_t *reply)
{
	unsigned asked = 0, answered = 0;
	char text[96];
	json_t *r;
	size_t i;

	json_array_foreach (json_object_get(reply, "relays"), i, r) {
		asked++;
		answered += json_is_number(json_object_get(r, "rtt_ms"));
	}
	snprintf(text, sizeof(text), "asking %u relay%s, %u answered, IPv4 %s, IPv6 %s", asked,
		asked == 1 ? "" : "s", answered, json_text(json_object_get(reply, "ipv4"), "udp"),
		json_text(json_object_get(reply, "ipv6"), "udp"));
	for (char *s = text; *s; s++)
		if (*s == '_')
			*s = ' ';
	cli_progress(c, text);
}

int netcheck_fetch(struct cli *c, bool full, json_t **ret_reply, struct diag *d)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	int err = cli_ask(c, "netcheck", json_pack("{s:b}", "full", full), STEP_TIMEOUT_MS, &reply, d);

	while (!err && !json_is_true(json_object_get(reply, "done"))) {
		json_int_t step = json_number(reply, "step");

		progress(c, reply);
		json_decref(TAKE(reply));
		err = cli_ask(c, "netcheck", json_pack("{s:I}", "after", step), STEP_TIMEOUT_MS, &reply, d);
	}
	cli_progress(c, NULL);
	if (err)
		return err;
	json_object_del(reply, "step");
	json_object_del(reply, "done");
	*ret_reply = TAKE(reply);
	return TM_OK;
}

static int netcheck_run(struct cli *c, const void *opts, const struct opt_words *words UNUSED)
{
	const struct netcheck_opts *o = opts;
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct diag d = {0};
	int err = netcheck_fetch(c, o->full, &reply, &d);

	if (err)
		return cli_fail(c, &d, err);
	return c->g.json ? cli_json_take(c, TAKE(reply)) : show(c, reply);
}

const struct command cmd_netcheck = {
	.name = "netcheck",
	.summary = "what stands between this machine and the others: why a path is not direct",
	.details = "Asks the coordinator and the relays, for 5 seconds at most, what routers and firewalls "
		   "here do with "
		   "UDP: whether it passes, under which addresses this machine is seen, and whether direct "
		   "connections "
		   "are easy (the router has one outside port for everybody) or hard. Works as far as it can "
		   "while the "
		   "coordinator is away.",
	.opts = netcheck_options,
	.defaults = &(const struct netcheck_opts){.full = false},
	.opts_size = sizeof(struct netcheck_opts),
	.run = netcheck_run,
};
