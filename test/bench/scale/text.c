/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Ten thousand maps of ten thousand members fit into no memory, and building their objects would be most of
 * the herd's work. So the link's text_parse is replaced at link time (--wrap): of a map only the head is
 * read, everything else is parsed as ever.
 */
#include "control/link/text.h"
#include "bench/scale/herd.h"

#include <string.h>

static struct herd *looking;

void text_look(struct herd *h)
{
	looking = h;
}

int __real_tcp_recv(int fd, void *p, size_t n, size_t *ret_n);
int __wrap_tcp_recv(int fd, void *p, size_t n, size_t *ret_n);

/* What was sent to us, sealed and deflated as it is. */
int __wrap_tcp_recv(int fd, void *p, size_t n, size_t *ret_n)
{
	int err = __real_tcp_recv(fd, p, n, ret_n);

	if (!err)
		looking->count.received += *ret_n;
	return err;
}

int __real_text_parse(const char *text, size_t n, json_t **ret_json, const char **ret_why);
int __wrap_text_parse(const char *text, size_t n, json_t **ret_json, const char **ret_why);

static uint64_t number_after(const char *text, size_t n, const char *field)
{
	enum { HEAD = 200 };
	const char *at = memmem(text, MIN(n, (size_t)HEAD), field, strlen(field));

	return at ? strtoull(at + strlen(field), NULL, 10) : 0;
}

int __wrap_text_parse(const char *text, size_t n, json_t **ret_json, const char **ret_why)
{
	static const char head[] = "{\"t\":\"netmap\"";
	struct herd_counters *c = &looking->count;

	c->messages++;
	c->bytes += n;
	if (n <= sizeof(head) || memcmp(text, head, sizeof(head) - 1) != 0)
		return __real_text_parse(text, n, ret_json, ret_why);

	uint64_t version = number_after(text, n, "\"version\":"), from = number_after(text, n, "\"base\":");
	bool watched = looking->watch.active &&
		       memmem(text, n, looking->watch.text, strlen(looking->watch.text)) != NULL;

	*(from ? &c->deltas : &c->snapshots) += 1;
	*(from ? &c->delta_bytes : &c->snapshot_bytes) += n;
	*ret_json = json_pack("{s:s, s:I, s:I, s:b}", "t", "netmap", "version", (json_int_t)version, "base",
		(json_int_t)from, "watched", (int)watched);
	return *ret_json ? TM_OK : TM_ENOMEM;
}

struct map_message text_map(const json_t *m)
{
	return (struct map_message){
		.version = (uint64_t)json_integer_value(json_object_get(m, "version")),
		.base = (uint64_t)json_integer_value(json_object_get(m, "base")),
		.watched = json_is_true(json_object_get(m, "watched")),
	};
}
