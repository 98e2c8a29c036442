/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any text as a machine's resolv.conf: with our lines it has our server and, when these go, is as it was. */
#include "fuzz/fuzz.h"
#include "os/linux/resolv_text.h"

static char *text_of(const uint8_t *data, size_t n)
{
	char *s = calloc(1, n + 1);

	assert(s);
	if (n)
		memcpy(s, data, n);
	return s;
}

static size_t without_end(const char *s)
{
	const size_t n = strlen(s);

	return n && s[n - 1] == '\n' ? n - 1 : n;
}

static void write_it(const char *conf, const struct resolv_ours *ours)
{
	char *clean = resolv_without(conf, ours->who), *with = resolv_with(conf, ours);

	assert(clean && with);
	char *again = resolv_with(with, ours), *back = resolv_without(with, ours->who);
	assert(again && back);
	assert(resolv_names(with, &ours->server));
	assert(strcmp(again, with) == 0);
	/* A last line without its end has got one. */
	assert(without_end(back) == without_end(clean) && memcmp(back, clean, without_end(clean)) == 0);
	free(clean);
	free(with);
	free(again);
	free(back);
}

static void read_it(const char *conf)
{
	const struct prefix mesh = {{IP_V4, {100, 64}}, 10};
	struct ip server;

	if (resolv_server(conf, IP_V4, &mesh, 1, &server))
		assert(server.family == IP_V4 && !prefix_contains(&mesh, &server) &&
			resolv_names(conf, &server));
	if (resolv_server(conf, IP_V6, &mesh, 1, &server))
		assert(server.family == IP_V6 && !ip_is_loopback(&server));
	resolv_doubt(conf);
}

static void choose(const char *conf, unsigned bits)
{
	const char *why = NULL;
	const struct resolv_found f = {.conf = bits & 1 ? NULL : conf,
		.nsswitch = bits & 2 ? conf : NULL,
		.resolved = bits & 4,
		.resolvconf = bits & 8,
		.writable = bits & 16,
		.shared = bits & 32};
	const unsigned m = resolv_choose(&f, (bits % 5), &why);

	assert(why && why[0]);
	assert(m != RESOLV_RESOLVED || f.resolved);
	assert(m != RESOLV_RESOLVCONF || f.resolvconf);
	assert(m != RESOLV_FILE || f.writable);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	char *conf = text_of(data + 1, size - 1);
	const struct resolv_ours ours = {
		.who = "tm0", .server = ip_v4_host(0x64400001), .search = data[0] & 1 ? "mesh" : NULL};

	write_it(conf, &ours);
	read_it(conf);
	choose(conf, data[0]);
	free(conf);
	return 0;
}
