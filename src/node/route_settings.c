/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/route_settings.h"

#include <stdio.h>
#include <string.h>

#include "os/os.h"

enum { WORDS_MAX = 4, LINE_MAX_LEN = 128, SETTINGS_TEXT_MAX = (NODE_ROUTES_MAX + 4) * LINE_MAX_LEN };

struct own_net *route_settings_net(struct route_settings *s, const struct prefix *p)
{
	for (size_t i = 0; i < s->n; i++)
		if (prefix_eq(&s->nets[i].prefix, p))
			return &s->nets[i];
	return NULL;
}

static bool has(char words[static WORDS_MAX][64], const char *word)
{
	for (size_t i = 2; i < WORDS_MAX; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static bool read_net(char words[static WORDS_MAX][64], struct route_settings *s)
{
	const struct prefix none = {.len = 0};
	struct own_net net = {.ha = has(words, "ha"), .snat = !has(words, "plain")};

	if (s->n == NODE_ROUTES_MAX || route_parse(words[1], &none, &none, &net.prefix, NULL) != TM_OK ||
		route_settings_net(s, &net.prefix))
		return false;
	s->nets[s->n++] = net;
	return true;
}

static bool read_line(const char *line, struct route_settings *s)
{
	char words[WORDS_MAX][64] = {{0}};

	if (sscanf(line, "%63s %63s %63s %63s", words[0], words[1], words[2], words[3]) < 1)
		return false;
	if (strcmp(words[0], "advertise") == 0)
		return read_net(words, s);
	if (strcmp(words[0], "offer") == 0)
		return s->exit_offer = true;
	if (strcmp(words[0], "use") != 0 || !node_id_valid(words[1]))
		return false;
	memcpy(s->exit_use, words[1], sizeof(s->exit_use));
	s->exit_lan = has(words, "lan");
	s->exit_kill = has(words, "kill");
	return true;
}

int route_settings_load(const char *path, struct route_settings *ret_s, struct diag *d)
{
	_cleanup_(freep) char *text = NULL;
	struct route_settings s = {.n = 0};
	int err = os_read_file(path, SETTINGS_TEXT_MAX, &text, NULL, d);

	for (const char *at = text; at && *at;) {
		const size_t len = strcspn(at, "\n");
		char line[LINE_MAX_LEN];

		snprintf(line, sizeof(line), "%.*s", (int)MIN(len, sizeof(line) - 1), at);
		if (!read_line(line, &s))
			err = TM_ECORRUPT;
		at += len + (at[len] == '\n');
	}
	*ret_s = s;
	return err == TM_ENOENT ? TM_OK : err;
}

int route_settings_save(const char *path, const struct route_settings *s, struct diag *d)
{
	char text[SETTINGS_TEXT_MAX] = "", net[PREFIX_STR_LEN];
	size_t len = 0;

	for (size_t i = 0; i < s->n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "advertise %s%s%s\n",
			prefix_format(&s->nets[i].prefix, net), s->nets[i].ha ? " ha" : "",
			s->nets[i].snat ? "" : " plain");
	if (s->exit_offer)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "offer\n");
	if (s->exit_use[0])
		len += (size_t)snprintf(text + len, sizeof(text) - len, "use %s%s%s\n", s->exit_use,
			s->exit_lan ? " lan" : "", s->exit_kill ? " kill" : "");
	return os_write_file(path, text, len, 0600, d);
}
