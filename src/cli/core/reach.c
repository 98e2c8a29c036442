/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/reach.h"

#include <string.h>

#include "cli/core/cli.h"
#include "cli/core/peers.h"

static const struct result {
	const char *word, *text;
	enum tone tone;
} results[] = {
	{"in_use", "in use", TONE_GOOD},
	{"answers", "answers", TONE_GOOD},
	{"asked", "asked, no answer yet", TONE_DOUBT},
	{"waiting", "asked soon", TONE_PLAIN},
	{"no_answer", "no answer", TONE_BAD},
	{"no_route", "no route from here", TONE_BAD},
	{"loop", "leads into the mesh itself", TONE_BAD},
};

static const struct result *result_of(const json_t *pair)
{
	const char *word = json_text(pair, "result");

	for (size_t i = 0; i < ARRAY_LEN(results); i++)
		if (strcmp(results[i].word, word) == 0)
			return &results[i];
	return NULL;
}

/* "host", or through whom it leads: "relay hub by TCP". */
static const char *kind_of(const json_t *pair, char buf[static PEER_TEXT_LEN])
{
	const char *relay = json_text(pair, "relay");

	snprintf(buf, PEER_TEXT_LEN, "%.20s%s%.100s%s", json_text(pair, "candidate"), *relay ? " " : "",
		relay, strcmp(json_text(pair, "path"), "tcp") == 0 ? " by TCP" : "");
	return buf;
}

int reach_print_tried(const json_t *reply, FILE *f, const struct screen *screen)
{
	static const char *const heads[] = {"TRIED", "RESULT", "RTT", "KIND"};
	_cleanup_(columns_deinit) struct columns t;
	char rtt[FORMAT_LEN], kind[PEER_TEXT_LEN];
	json_t *pair;
	size_t i;

	columns_init(&t, heads, ARRAY_LEN(heads));
	json_array_foreach (json_object_get(reply, "tried"), i, pair) {
		const struct result *r = result_of(pair);

		columns_cell(&t, json_text(pair, "endpoint"));
		columns_tone(&t, r ? r->text : json_text(pair, "result"), r ? r->tone : TONE_PLAIN);
		columns_cell(&t, peer_rtt(pair, rtt));
		columns_cell(&t, kind_of(pair, kind));
	}
	return t.n ? columns_print(&t, f, screen) : TM_OK;
}

static bool is_v6(const json_t *candidate)
{
	return json_text(candidate, "endpoint")[0] == '[';
}

/* What the tried addresses have in common. */
struct tally {
	size_t n, silent, no_route, loops, v4, v6;
};

static struct tally tally_of(const json_t *reply)
{
	struct tally t = {0};
	json_t *pair;
	size_t i;

	json_array_foreach (json_object_get(reply, "tried"), i, pair) {
		const char *result = json_text(pair, "result");

		if (strcmp(json_text(pair, "candidate"), "relay") == 0)
			continue; /* no address of its own */
		t.n++;
		t.silent += strcmp(result, "no_answer") == 0;
		t.no_route += strcmp(result, "no_route") == 0;
		t.loops += strcmp(result, "loop") == 0;
		t.v4 += !is_v6(pair);
		t.v6 += is_v6(pair);
	}
	return t;
}

/* Has this machine an address of the family? */
static bool has_family(const json_t *reply, bool v6)
{
	json_t *mine;
	size_t i;

	json_array_foreach (json_object_get(reply, "mine"), i, mine)
		if (is_v6(mine) == v6)
			return true;
	return false;
}

static void explain_tried(const json_t *reply, const char *name, char buf[static REACH_TEXT_LEN])
{
	const json_t *link = json_object_get(reply, "link");
	const struct tally t = tally_of(reply);

	if (t.n && (!t.v4 || !t.v6) && (t.no_route == t.n || !has_family(reply, t.v6)))
		snprintf(buf, REACH_TEXT_LEN,
			"%s has IPv%d addresses only, which this machine cannot reach: one of the two needs "
			"the "
			"other family",
			name, t.v6 ? 6 : 4);
	else if (t.n && t.no_route == t.n)
		snprintf(buf, REACH_TEXT_LEN, "this machine has no route to any address of %s", name);
	else if (t.n && t.loops == t.n)
		snprintf(buf, REACH_TEXT_LEN, "every address of %s leads into the mesh itself", name);
	else if (t.silent + t.no_route + t.loops < t.n)
		snprintf(buf, REACH_TEXT_LEN, "no address of %s has answered yet", name);
	else if (t.n)
		snprintf(buf, REACH_TEXT_LEN,
			"no address of %s answers: open its UDP port to this machine, or this machine's to "
			"%s",
			name, name);
	else if (!json_is_true(json_object_get(link, "up")))
		snprintf(buf, REACH_TEXT_LEN,
			"no address of %s is known, and there is no link to the coordinator%s%s", name,
			*json_text(link, "error") ? ": " : "", json_text(link, "error"));
	else
		snprintf(buf, REACH_TEXT_LEN, "no address of %s is known yet", name);
}

const char *reach_explain(const json_t *reply, char buf[static REACH_TEXT_LEN])
{
	const json_t *peer = json_object_get(reply, "peer");
	const char *name = json_text(peer, "name"), *path = json_text(peer, "path");

	buf[0] = '\0';
	if (strcmp(json_text(peer, "kind"), "client") == 0)
		return buf; /* it is where its packets come from; nobody looks for it */
	if (strcmp(path, "direct") == 0 || peer_is_relayed(peer)) {
		if (!json_is_true(json_object_get(peer, "session")))
			snprintf(buf, REACH_TEXT_LEN, "%s is asked at %s, and no handshake is complete yet",
				name, json_text(peer, "endpoint"));
	} else if (strcmp(path, "offline") == 0) {
		snprintf(buf, REACH_TEXT_LEN, "%s has no link to the coordinator: is it up?", name);
	} else if (strcmp(path, "idle") == 0) {
		snprintf(buf, REACH_TEXT_LEN,
			"nothing was sent to %s lately: `tunnelmesh ping %s` looks for a way", name, name);
	} else {
		explain_tried(reply, name, buf);
	}
	return buf;
}

const char *reach_explain_silence(const json_t *reply, char buf[static REACH_TEXT_LEN])
{
	const json_t *peer = json_object_get(reply, "peer");

	/* Nobody checks the way to a client: that it worked once says nothing. */
	if (*reach_explain(reply, buf) || strcmp(json_text(peer, "kind"), "client") == 0)
		return buf;

	snprintf(buf, REACH_TEXT_LEN,
		"the way to %s works: it may have been restarted (try again), or its firewall drops what "
		"comes from "
		"the mesh",
		json_text(peer, "name"));
	return buf;
}
