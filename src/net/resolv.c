/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "net/resolv.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define BLANKS " \t\r"

enum {
	DNS_PORT = 53,
	LINE_MAX_LEN = 1024,
	NDOTS_MAX = 15,
	ATTEMPTS = 2,
	ATTEMPTS_MAX = 5,
	/* Five seconds, as resolv.conf(5) has it, are longer than a node waits for a connection. */
	TIMEOUT_MS = 2000,
	TIMEOUT_MAX_S = 2,
};

/* The next line, without its comment, cut to what fits; false at the end. */
static bool next_line(const char **text, const char *comment, char line[static LINE_MAX_LEN])
{
	if (!**text)
		return false;

	size_t n = strcspn(*text, "\n");
	size_t kept = n < LINE_MAX_LEN ? n : LINE_MAX_LEN - 1;

	memcpy(line, *text, kept);
	line[kept] = '\0';
	line[strcspn(line, comment)] = '\0';
	*text += n + ((*text)[n] == '\n');
	return true;
}

static void server_add(struct resolv *r, const char *word)
{
	struct endpoint ep = {.port = DNS_PORT};

	if (r->n_servers < RESOLV_SERVERS_MAX && ip_parse(word, &ep.ip) == TM_OK)
		r->servers[r->n_servers++] = ep;
}

static unsigned option_number(const char *digits, unsigned max)
{
	unsigned long v = strtoul(digits, NULL, 10);

	return v > max ? max : (unsigned)v;
}

static void option_set(struct resolv *r, const char *word)
{
	if (strncmp(word, "ndots:", 6) == 0)
		r->ndots = option_number(word + 6, NDOTS_MAX);
	else if (strncmp(word, "attempts:", 9) == 0)
		r->attempts = MAX(option_number(word + 9, ATTEMPTS_MAX), 1u);
	else if (strncmp(word, "timeout:", 8) == 0)
		r->timeout_ms = MAX(option_number(word + 8, TIMEOUT_MAX_S), 1u) * 1000;
}

void resolv_parse(const char *text, struct resolv *ret_resolv)
{
	struct resolv r = {.ndots = 1, .attempts = ATTEMPTS, .timeout_ms = TIMEOUT_MS};
	char line[LINE_MAX_LEN], *rest;
	bool named = false;

	while (next_line(&text, "#;", line)) {
		const char *key = strtok_r(line, BLANKS, &rest);
		const char *word = key ? strtok_r(NULL, BLANKS, &rest) : NULL;

		if (!word)
			continue;
		if (strcmp(key, "nameserver") == 0) {
			named = true;
			server_add(&r, word);
		}
		if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0)
			r.n_search = 0; /* the last line counts */
		for (; word; word = strtok_r(NULL, BLANKS, &rest)) {
			if (strcmp(key, "options") == 0)
				option_set(&r, word);
			else if ((strcmp(key, "search") == 0 || strcmp(key, "domain") == 0) &&
				 r.n_search < RESOLV_SEARCH_MAX && strlen(word) <= RESOLV_NAME_MAX)
				snprintf(r.search[r.n_search++], sizeof(r.search[0]), "%s", word);
		}
	}
	if (!named)
		server_add(&r, "127.0.0.1");
	*ret_resolv = r;
}

bool resolv_name(const struct resolv *r, const char *host, size_t k, char out[static RESOLV_NAME_MAX + 1])
{
	size_t n = strlen(host), dots = 0;

	for (size_t i = 0; i < n; i++)
		dots += host[i] == '.';
	if (n && host[n - 1] == '.') { /* complete as it is */
		snprintf(out, RESOLV_NAME_MAX + 1, "%s", host);
		return k == 0;
	}
	if (k > r->n_search)
		return false;

	size_t plain = dots >= r->ndots ? 0 : r->n_search; /* when the name is asked for as it is */
	const char *domain = k == plain ? "" : r->search[k > plain ? k - 1 : k];

	snprintf(out, RESOLV_NAME_MAX + 1, "%s%s%s", host, domain[0] ? "." : "", domain);
	return true;
}

size_t hosts_find(const char *text, const char *host, struct ip *out, size_t max)
{
	char line[LINE_MAX_LEN], *rest;
	size_t n = 0, len = strlen(host);

	while (n < max && next_line(&text, "#", line)) {
		const char *word = strtok_r(line, BLANKS, &rest);
		struct ip ip;

		if (!word || ip_parse(word, &ip) != TM_OK)
			continue;
		while ((word = strtok_r(NULL, BLANKS, &rest)))
			if (strlen(word) == len && same_but_case(word, host, len)) {
				out[n++] = ip;
				break;
			}
	}
	return n;
}
