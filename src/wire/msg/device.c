/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/msg/device.h"

#include "base/addr.h"
#include "base/strbuf.h"
#include "wire/msg/shown.h"

#include <stdlib.h>
#include <string.h>

bool msg_device_endpoint_valid(const char *s)
{
	const char *colon = strrchr(s, ':');
	struct endpoint ep;

	if (endpoint_parse(s, &ep) == TM_OK)
		return ep.port != 0;

	return colon && colon != s && strchr(s, ':') == colon && colon[1] &&
	       strspn(colon + 1, "0123456789") == strlen(colon + 1) && strlen(colon + 1) <= 5 &&
	       strtoul(colon + 1, NULL, 10) - 1 < UINT16_MAX && strlen(s) < 262 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
		       (size_t)(colon - s);
}

bool msg_device_whole(const msg_object *answer)
{
	const msg_object *client = msg_shown_object(answer, "client");

	return *msg_shown_text(client, "ip4") && *msg_shown_text(client, "ip6") &&
	       *msg_shown_text(answer, "server_key") && *msg_shown_text(answer, "psk") &&
	       msg_shown_count(answer, "allowed") > 0;
}

/* "DNS = a, b": with commas between; nothing for an empty list. */
static void put_list(struct strbuf *b, const char *head, const msg_object *answer, const char *key)
{
	const char *word;
	bool first = true;

	for (size_t i = 0; (word = msg_shown_word(answer, key, &i)); first = false)
		strbuf_printf(b, "%s%s", first ? head : ", ", word);
	if (!first)
		strbuf_puts(b, "\n");
}

char *msg_device_config(const msg_object *answer, const char *private_key)
{
	const msg_object *client = msg_shown_object(answer, "client");
	struct strbuf b = {0};

	strbuf_printf(&b,
		"[Interface]\n"
		"PrivateKey = %s\n"
		"Address = %s/32, %s/128\n",
		private_key, msg_shown_text(client, "ip4"), msg_shown_text(client, "ip6"));
	put_list(&b, "DNS = ", answer, "dns");
	strbuf_printf(&b,
		"\n"
		"[Peer]\n"
		"PublicKey = %s\n"
		"PresharedKey = %s\n"
		"Endpoint = %s\n",
		msg_shown_text(answer, "server_key"), msg_shown_text(answer, "psk"),
		msg_shown_text(answer, "endpoint"));
	put_list(&b, "AllowedIPs = ", answer, "allowed");
	strbuf_puts(&b, "PersistentKeepalive = 25\n");
	return strbuf_take(&b);
}
