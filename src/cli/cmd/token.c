/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `token create|list|revoke`: join tokens, on the coordinator. */
#include <string.h>

#include "base/format.h"
#include "base/time.h"
#include "cli/core/call.h"
#include "cli/core/columns.h"
#include "cli/core/commands.h"
#include "cli/core/listing.h"
#include "cli/core/peers.h"
#include "os/words/words.h"

struct token_opts {
	uint32_t uses;
	uint64_t ttl;
	struct opt_list tags;
	bool ephemeral;
};

#define AT(field) offsetof(struct token_opts, field)
static const struct opt token_options[] = {
	{"uses", 0, OPT_COUNT, AT(uses), "N", "how many machines may join with it (1)", 1, 100000},
	{"ttl", 0, OPT_DURATION, AT(ttl), "TIME", "how long it is valid: 30m, 24h, 7d (24h)", 60,
		3650u * 86400},
	{"tag", 0, OPT_LIST, AT(tags), "TAG", "tag the machines that join with it; may be repeated", 0, 0},
	{"ephemeral", 0, OPT_FLAG, AT(ephemeral), NULL,
		"machines are removed ten minutes after they went offline", 0, 0},
	{0},
};
#undef AT

static json_t *token_request(const struct token_opts *o)
{
	json_t *tags = json_array();

	for (size_t i = 0; i < o->tags.n; i++)
		json_array_append_new(tags, json_string(o->tags.v[i]));
	return json_pack("{s:I, s:I, s:b, s:o}", "uses", (json_int_t)o->uses, "ttl_s", (json_int_t)o->ttl,
		"ephemeral", (int)o->ephemeral, "tags", tags);
}

/* The token alone on stdout: `TOKEN=$(tunnelmesh token create)`. */
static int create_run(struct cli *c, const void *opts, const struct opt_words *words UNUSED)
{
	const struct token_opts *o = opts;
	char span[FORMAT_LEN];
	int status;
	_cleanup_(json_decrefp) json_t *reply = cli_fetch(c, "token.create", token_request(o), &status);
	if (!reply)
		return status;

	fprintf(c->out, "%s\n", json_text(reply, "token"));
	fflush(c->out);
	if (!c->err_tty)
		return CLI_DONE;

	format_span((int64_t)o->ttl, span);
	if (o->uses == 1)
		cli_note(c, "single use, valid %s; on the new machine: " OS_SUDO "tunnelmesh join TOKEN",
			span);
	else
		cli_note(c, "for %u machines, valid %s; on each: " OS_SUDO "tunnelmesh join TOKEN", o->uses,
			span);
	return CLI_DONE;
}

const struct command cmd_token_create = {
	.name = "token create",
	.summary = "make a token with which a machine can join the mesh",
	.details = "Prints the token and nothing else on standard output. It is shown only this once: "
		   "the coordinator keeps a hash.",
	.opts = token_options,
	.defaults = &(const struct token_opts){.uses = 1, .ttl = 86400},
	.opts_size = sizeof(struct token_opts),
	.run = create_run,
};

static const char *token_state(const json_t *t)
{
	if (json_is_true(json_object_get(t, "revoked")))
		return "revoked";
	if (json_is_true(json_object_get(t, "expired")))
		return "expired";
	if (json_number(t, "used") >= json_number(t, "uses"))
		return "used up";

	return "valid";
}

static void token_row(struct columns *t, const json_t *j, int64_t now)
{
	char created[FORMAT_LEN], expires[FORMAT_LEN], tags[1024], used_by[1024];
	const char *state = token_state(j);

	columns_cell(t, json_text(j, "id"));
	columns_tone(t, state, strcmp(state, "valid") == 0 ? TONE_GOOD : TONE_PLAIN);
	columns_cellf(t, "%lld/%lld", (long long)json_number(j, "used"), (long long)json_number(j, "uses"));
	columns_cell(t, format_until(json_number(j, "expires_at"), now, expires));
	columns_cell(t, words_text(json_object_get(j, "used_by"), used_by, sizeof(used_by)));
	columns_cell(t, words_text(json_object_get(j, "tags"), tags, sizeof(tags)));
	columns_cell(t, json_is_true(json_object_get(j, "ephemeral")) ? "yes" : NULL);
	columns_cell(t, format_age(json_number(j, "created_at"), now, created));
}

static int list_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	static const char *const heads[] = {
		"ID", "STATE", "USED", "EXPIRES", "USED BY", "TAGS", "EPHEMERAL", "CREATED"};

	return listing_print(
		c, &(const struct listing){"token.list", "tokens", heads, ARRAY_LEN(heads), token_row,
			   "no tokens: `" OS_SUDO "tunnelmesh token create` makes one"});
}

const struct command cmd_token_list = {
	.name = "token list",
	.summary = "tokens and what became of them (never their secrets)",
	.run = list_run,
};

static int revoke_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "token.revoke", json_pack("{s:s}", "id", words->v[0]), &status);
	if (!reply)
		return status;

	fprintf(c->out, "  token %s is revoked; machines that joined with it stay\n", words->v[0]);
	return CLI_DONE;
}

const struct command cmd_token_revoke = {
	.name = "token revoke",
	.args = "ID",
	.summary = "make a token useless",
	.details = "ID is the one that `token list` shows.",
	.min_words = 1,
	.max_words = 1,
	.run = revoke_run,
};
