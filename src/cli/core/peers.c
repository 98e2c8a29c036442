/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/peers.h"

#include <stdio.h>
#include <string.h>

#include "cli/core/cli.h"

const json_t *peers_coordinator(const json_t *peers)
{
	size_t i;
	json_t *p;

	json_array_foreach ((json_t *)(uintptr_t)peers, i, p)
		if (json_is_true(json_object_get(p, "coordinator")))
			return p;
	return NULL;
}

const json_t *peers_by_id(const json_t *peers, const char *id)
{
	size_t i;
	json_t *p;

	json_array_foreach ((json_t *)(uintptr_t)peers, i, p)
		if (strcmp(json_text(p, "id"), id) == 0)
			return p;
	return NULL;
}

const char *peers_firewalled(const json_t *status, char buf[static PEER_TEXT_LEN])
{
	const json_t *list = json_object_get(status, "firewalled");
	const char *first = json_string_value(json_array_get(list, 0));
	const char *second = json_string_value(json_array_get(list, 1));

	if (!first)
		return NULL;
	snprintf(buf, PEER_TEXT_LEN, "%.60s%s%.60s", first, second ? " and " : "", second ? second : "");
	return buf;
}

bool peer_has_rtt(const json_t *j)
{
	return json_is_number(json_object_get(j, "rtt_ms"));
}

const char *peer_rtt(const json_t *j, char buf[static FORMAT_LEN])
{
	return format_ms(peer_has_rtt(j) ? json_number_value(json_object_get(j, "rtt_ms")) : -1, buf);
}

static bool is_direct(const json_t *j)
{
	return strcmp(json_text(j, "path"), "direct") == 0;
}

bool peer_is_relayed(const json_t *j)
{
	const char *path = json_text(j, "path");

	return strcmp(path, "relay") == 0 || strcmp(path, "tcp") == 0;
}

const char *peer_state(const json_t *j, char buf[static PEER_TEXT_LEN])
{
	const char *path = json_text(j, "path"), *via = json_text(j, "via_name");

	if (!is_direct(j) && strcmp(json_text(j, "kind"), "client") == 0)
		snprintf(buf, PEER_TEXT_LEN, *via ? "via %.100s" : "-", via);
	else
		snprintf(buf, PEER_TEXT_LEN, "%.100s", path);
	return buf;
}

enum tone peer_tone(const json_t *j)
{
	const char *path = json_text(j, "path");

	return is_direct(j)                    ? TONE_GOOD
	       : peer_is_relayed(j)            ? TONE_GOOD
	       : strcmp(path, "checking") == 0 ? TONE_DOUBT
	       : strcmp(path, "offline") == 0  ? TONE_BAD
					       : TONE_PLAIN;
}

const char *peer_path(const json_t *j, char buf[static PEER_TEXT_LEN])
{
	const char *relay = json_text(j, "relay");

	if (peer_is_relayed(j) && *relay && strcmp(relay, json_text(j, "name")) == 0)
		snprintf(buf, PEER_TEXT_LEN, "%s %.100s", json_text(j, "path"), json_text(j, "endpoint"));
	else if (peer_is_relayed(j))
		snprintf(buf, PEER_TEXT_LEN, "relay via %.100s%s", *relay ? relay : json_text(j, "endpoint"),
			strcmp(json_text(j, "path"), "tcp") == 0 ? " by TCP" : "");
	else if (is_direct(j))
		snprintf(buf, PEER_TEXT_LEN, "direct %.100s", json_text(j, "endpoint"));
	else
		return peer_state(j, buf);
	return buf;
}

const char *peer_path_long(const json_t *j, char buf[static PEER_LONG_LEN])
{
	const char *why = json_text(j, "not_direct");
	char path[PEER_TEXT_LEN], age[FORMAT_LEN], mtu[64] = "";

	if (json_number(j, "mtu") > 0)
		snprintf(mtu, sizeof(mtu), ", packets up to %d bytes", (int)json_number(j, "mtu"));
	if (strcmp(json_text(j, "path"), "checking") == 0)
		snprintf(buf, PEER_LONG_LEN, "checking%s%s", *why ? ": " : "", why);
	else if (!is_direct(j) && !peer_is_relayed(j))
		snprintf(buf, PEER_LONG_LEN, "%s", peer_path(j, path));
	else
		snprintf(buf, PEER_LONG_LEN, "%s, for %s%s%s%s", peer_path(j, path),
			format_span(json_number(j, "path_age_s"), age), mtu, *why ? ", no direct path: " : "",
			why);
	return buf;
}

const char *peer_traffic(const json_t *j, char buf[static PEER_TEXT_LEN])
{
	char rx[FORMAT_LEN], tx[FORMAT_LEN];

	snprintf(buf, PEER_TEXT_LEN, "%.40s/%.40s", format_bytes((uint64_t)json_number(j, "rx_bytes"), rx),
		format_bytes((uint64_t)json_number(j, "tx_bytes"), tx));
	return buf;
}

const char *words_text(const json_t *list, char *buf, size_t n)
{
	size_t i, at = 0;
	json_t *word;

	buf[0] = '\0';
	json_array_foreach ((json_t *)(uintptr_t)list, i, word) {
		const char *s = json_string_value(word);

		if (s && at < n)
			at += (size_t)snprintf(buf + at, n - at, "%s%s", at ? "," : "", s);
	}
	return buf;
}
