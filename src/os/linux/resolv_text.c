/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/linux/resolv_text.h"

#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"

#define STUB "127.0.0.53" /* systemd-resolved's own server, systemd-resolved.service(8) */

const char *const os_resolv_ways[] = {[OS_RESOLV_AUTO] = "auto",
	[OS_RESOLV_NONE] = "none",
	[RESOLV_RESOLVED] = "resolved",
	[RESOLV_RESOLVCONF] = "resolvconf",
	[RESOLV_FILE] = "file",
	NULL};

/* --- reading --- */

/* The line without its end; NULL: there are no more. */
static const char *next_line(const char **at, size_t *ret_n)
{
	const char *line = *at;

	if (!*line)
		return NULL;
	*ret_n = strcspn(line, "\n");
	*at = line + *ret_n + (line[*ret_n] == '\n');
	return line;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The n-th word of a line; its length, 0 = there is none. resolv.conf(5): keywords begin the line. */
static size_t word_at(const char *line, size_t n, unsigned index, const char **ret_word)
{
	size_t at = 0;

	for (;; index--) {
		while (at < n && is_blank(line[at]))
			at++;
		const size_t from = at;
		while (at < n && !is_blank(line[at]))
			at++;
		if (index == 0 || at == n) {
			*ret_word = line + from;
			return index == 0 ? at - from : 0;
		}
	}
}

static bool word_is(const char *line, size_t n, unsigned index, const char *text)
{
	const char *word;
	const size_t len = word_at(line, n, index, &word);

	return len == strlen(text) && memcmp(word, text, len) == 0;
}

static bool is_server(const char *line, size_t n)
{
	return word_is(line, n, 0, "nameserver");
}

/* Whose file is it? Programs say so in comments at the top. */
static bool comment_names(const char *conf, const char *who)
{
	size_t n;

	for (const char *line; (line = next_line(&conf, &n)) && (n == 0 || *line == '#' || *line == ';');)
		if (n && bytes_find(line, n, who, strlen(who)))
			return true;
	return false;
}

/* Every server is systemd-resolved's, and there is one. */
static bool asks_the_stub_alone(const char *conf)
{
	size_t n, servers = 0;

	for (const char *line; (line = next_line(&conf, &n));) {
		if (!is_server(line, n))
			continue;
		if (!word_is(line, n, 1, STUB))
			return false;
		servers++;
	}
	return servers > 0;
}

/* nsswitch.conf(5): "hosts: files resolve [!UNAVAIL=return] dns". */
static bool nss_asks_resolved_first(const char *nsswitch)
{
	size_t n;

	for (const char *line; (line = next_line(&nsswitch, &n));) {
		const char *hash = memchr(line, '#', n);

		if (!word_is(line, n, 0, "hosts:"))
			continue;
		const size_t len = hash ? (size_t)(hash - line) : n;
		const char *word;
		for (unsigned i = 1; word_at(line, len, i, &word); i++) {
			if (word_is(line, len, i, "resolve"))
				return true;
			if (word_is(line, len, i, "dns"))
				return false;
		}
	}
	return false;
}

/* --- choosing --- */

static unsigned choose_file(const struct resolv_found *f, const char *because, const char **ret_why)
{
	*ret_why = f->writable ? because : "resolv.conf cannot be written";
	return f->writable ? RESOLV_FILE : OS_RESOLV_NONE;
}

static unsigned choose_by_itself(const struct resolv_found *f, const char **ret_why)
{
	const char *conf = f->conf ? f->conf : "";
	const bool is_used =
		asks_the_stub_alone(conf) || (f->nsswitch && nss_asks_resolved_first(f->nsswitch));

	if (f->resolved && is_used) {
		*ret_why = "systemd-resolved answers this machine's programs";
		return RESOLV_RESOLVED;
	}
	if (is_used && asks_the_stub_alone(conf)) {
		*ret_why = "resolv.conf names systemd-resolved, which does not answer";
		return OS_RESOLV_NONE;
	}
	if (f->resolvconf && comment_names(conf, "resolvconf")) {
		*ret_why = "resolvconf writes resolv.conf";
		return RESOLV_RESOLVCONF;
	}
	if (comment_names(conf, "NetworkManager"))
		return choose_file(
			f, "NetworkManager writes resolv.conf, which has our lines before its own", ret_why);
	if (f->resolved)
		return choose_file(
			f, "systemd-resolved runs, and this machine's programs do not ask it", ret_why);
	return choose_file(f, f->conf ? "nobody manages resolv.conf" : "there was no resolv.conf", ret_why);
}

unsigned resolv_choose(const struct resolv_found *f, unsigned wish, const char **ret_why)
{
	if (wish == OS_RESOLV_NONE) {
		*ret_why = "dns.resolver is none in the configuration";
		return OS_RESOLV_NONE;
	}
	if (f->shared) {
		*ret_why = "resolv.conf may be that of a machine whose network is another than this network "
			   "namespace";
		return OS_RESOLV_NONE;
	}
	if (wish == OS_RESOLV_AUTO)
		return choose_by_itself(f, ret_why);
	*ret_why = "dns.resolver says so in the configuration";
	if (wish == RESOLV_FILE)
		return choose_file(f, *ret_why, ret_why);
	if (wish == RESOLV_RESOLVED && f->resolved)
		return RESOLV_RESOLVED;
	if (wish == RESOLV_RESOLVCONF && f->resolvconf)
		return RESOLV_RESOLVCONF;
	*ret_why = wish == RESOLV_RESOLVED ? "systemd-resolved does not answer resolvectl"
					   : "there is no program resolvconf";
	return OS_RESOLV_NONE;
}

/* --- writing --- */

#define MARK "# tunnelmesh "
enum { MARK_MAX = 96 };

static void marks(const char *who, char begin[static MARK_MAX], char end[static MARK_MAX])
{
	snprintf(begin, MARK_MAX, MARK "%s: it removes these lines when it ends", who);
	snprintf(end, MARK_MAX, MARK "%s ends", who);
}

static bool line_is(const char *line, size_t n, const char *text)
{
	return n == strlen(text) && memcmp(line, text, n) == 0;
}

/* With what is not between the marks; a mark without its end holds nothing but itself. */
static void copy_others(struct strbuf *b, const char *conf, const char *begin, const char *end)
{
	size_t n;

	for (const char *line, *at = conf; (line = next_line(&at, &n));) {
		if (line_is(line, n, begin)) {
			const char *closing = strstr(at, end);

			if (closing) {
				at = closing;
				next_line(&at, &n);
			}
			continue;
		}
		strbuf_add(b, line, (size_t)(at - line));
	}
}

static char *taken(struct strbuf *b)
{
	strbuf_add(b, "", 0);
	return b->failed || b->s ? strbuf_take(b) : strdup("");
}

char *resolv_without(const char *conf, const char *who)
{
	char begin[MARK_MAX], end[MARK_MAX];
	struct strbuf b = {0};

	marks(who, begin, end);
	copy_others(&b, conf, begin, end);
	return taken(&b);
}

/* Of any mesh of this machine: nobody's lines go between another's. */
static bool is_mark(const char *line, size_t n)
{
	return n >= strlen(MARK) && memcmp(line, MARK, strlen(MARK)) == 0;
}

static size_t servers_in(const char *conf)
{
	size_t n, count = 0;

	for (const char *line; (line = next_line(&conf, &n));)
		count += is_server(line, n);
	return count;
}

/* resolver(5) asks 127.0.0.1 where no server stands: it must stand there once ours does. */
static void add_lines(struct strbuf *b, const struct resolv_ours *ours, bool alone)
{
	char begin[MARK_MAX], end[MARK_MAX], text[IP_STR_LEN];

	marks(ours->who, begin, end);
	strbuf_printf(b, "%s\nnameserver %s\n%s%s\n", begin, ip_format(&ours->server, text),
		alone ? "nameserver 127.0.0.1\n" : "", end);
}

/* The line that says what is searched: of several, and of both kinds, the last. Its length, 0 = there is
 * none. */
static size_t search_line(const char *conf, const char **ret_line)
{
	size_t n, found = 0;

	for (const char *line; (line = next_line(&conf, &n));)
		if (word_is(line, n, 0, "search") || word_is(line, n, 0, "domain")) {
			*ret_line = line;
			found = n;
		}
	return found;
}

static void add_search(struct strbuf *b, const struct resolv_ours *ours, const char *others)
{
	char begin[MARK_MAX], end[MARK_MAX];
	const char *line = "", *word;
	const size_t n = search_line(others, &line);
	bool there = false;

	for (unsigned i = 1; word_at(line, n, i, &word); i++)
		there |= word_is(line, n, i, ours->search);
	if (there)
		return;
	marks(ours->who, begin, end);
	strbuf_printf(b, "%s%s\nsearch", b->len && b->s[b->len - 1] != '\n' ? "\n" : "", begin);
	for (size_t i = 1, len; (len = word_at(line, n, (unsigned)i, &word)) > 0; i++)
		strbuf_printf(b, " %.*s", (int)len, word);
	strbuf_printf(b, " %s\n%s\n", ours->search, end);
}

char *resolv_with(const char *conf, const struct resolv_ours *ours)
{
	_cleanup_(freep) char *others = resolv_without(conf, ours->who);
	const size_t servers = others ? servers_in(others) : 0;
	struct strbuf b = {0};
	bool done = false;
	size_t n;

	if (!others)
		return NULL;
	for (const char *line, *at = others; (line = next_line(&at, &n));) {
		if (!done && (is_server(line, n) || is_mark(line, n))) {
			add_lines(&b, ours, false);
			done = true;
		}
		strbuf_add(&b, line, (size_t)(at - line));
	}
	if (!done) {
		/* A last line without its end gets one, and keeps it. */
		if (b.len && b.s[b.len - 1] != '\n')
			strbuf_puts(&b, "\n");
		add_lines(&b, ours, servers == 0);
	}
	if (ours->search)
		add_search(&b, ours, others);
	return strbuf_take(&b);
}

bool resolv_names(const char *conf, const struct ip *server)
{
	char text[IP_STR_LEN];
	size_t n;

	ip_format(server, text);
	for (const char *line; (line = next_line(&conf, &n));)
		if (is_server(line, n) && word_is(line, n, 1, text))
			return true;
	return false;
}

static bool is_beyond(const struct ip *ip, const struct prefix *not_in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_contains(&not_in[i], ip))
			return false;
	return !ip_is_loopback(ip) && !ip_is_unspecified(ip) && !ip_is_link_local(ip) && !ip_is_multicast(ip);
}

bool resolv_server(
	const char *conf, enum ip_family family, const struct prefix *not_in, size_t n, struct ip *ret_server)
{
	char text[IP_STR_LEN];
	struct ip ip;
	size_t len;

	for (const char *word, *line; (line = next_line(&conf, &len));) {
		const size_t w = is_server(line, len) ? word_at(line, len, 1, &word) : 0;

		if (!w || w >= sizeof(text))
			continue;
		memcpy(text, word, w);
		text[w] = '\0';
		if (ip_parse(text, &ip) != TM_OK || ip.family != family || !is_beyond(&ip, not_in, n))
			continue;
		*ret_server = ip;
		return true;
	}
	return false;
}

const char *resolv_doubt(const char *conf)
{
	const char *word;
	size_t n;

	for (const char *line, *at = conf; (line = next_line(&at, &n));)
		if (word_is(line, n, 0, "options"))
			for (unsigned i = 1; word_at(line, n, i, &word); i++)
				if (word_is(line, n, i, "rotate"))
					return "the option rotate makes programs ask other servers for names "
					       "of the mesh, too, and those deny them";
	return servers_in(conf) > 3 ? "programs ask three servers at most: the last one in resolv.conf is "
				      "left out"
				    : NULL;
}
