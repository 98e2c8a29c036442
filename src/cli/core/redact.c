/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/redact.h"

#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "base/yamlin.h"
#include "node/config.h"

enum { DEPTH_MAX = 8, KEY_MAX = 64 };

static const char *const shown[] = {
	"aead",
	"api_listen",
	"api_port",
	"bench_port",
	"dashboard.admins",
	"dashboard.enabled",
	"dashboard.listen",
	"dashboard.plain",
	"dns.enabled",
	"dns.listen",
	"dns.resolver",
	"dns.search",
	"dns.serve",
	"flows",
	"fwmark",
	"listen",
	"listen_port",
	"log_format",
	"log_level",
	"metrics.listen",
	"metrics.per_peer",
	"mtu",
	"offloads",
	"port_mapping",
	"relay",
	"routes.accept",
	"routes.advertise",
	"routes.ha",
	"routes.snat",
	"socket_group",
	"stun_port",
	"tun",
	"workers",
};

const char *redact_shown(size_t i)
{
	return i < ARRAY_LEN(shown) ? shown[i] : NULL;
}

bool redact_shows(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		if (strcmp(shown[i], key) == 0)
			return true;
	return false;
}

/* Of a value that may be seen; what is nested in it is not what the key is known for. */
static void put_scalar(const yaml_node_t *value, struct strbuf *out)
{
	_cleanup_(freep) char *text =
		value->type == YAML_SCALAR_NODE ? strdup(yamlin_scalar(value)) : strdup(REDACTED);

	strbuf_puts(out, text ? plain_make(text) : REDACTED);
}

static void put_value(const struct yamlin *y, const yaml_node_t *value, struct strbuf *out)
{
	const yaml_node_item_t *item;

	if (value->type != YAML_SEQUENCE_NODE) {
		put_scalar(value, out);
		return;
	}
	strbuf_puts(out, "[");
	for (item = value->data.sequence.items.start; item < value->data.sequence.items.top; item++) {
		strbuf_puts(out, item == value->data.sequence.items.start ? "" : ", ");
		put_scalar(yamlin_node(y, *item), out);
	}
	strbuf_puts(out, "]");
}

/* What the daemon knows: a key that nobody does may be a secret itself, at the wrong place. */
struct question {
	const char *name;
	size_t n;
	bool is_key, is_group;
};

static void compare(
	void *ctx, const char *key, const char *def UNUSED, bool reload UNUSED, const char *text UNUSED)
{
	struct question *q = ctx;

	if (strncmp(key, q->name, q->n) == 0) {
		q->is_key |= !key[q->n];
		q->is_group |= key[q->n] == '.';
	}
}

static struct question ask(const char *name)
{
	struct question q = {.name = name, .n = strlen(name)};

	config_describe(compare, &q);
	return q;
}

static void put_mapping(
	const struct yamlin *y, const char *group, const yaml_node_t *map, struct strbuf *out);

static void put_pair(const struct yamlin *y, const char *group, const yaml_node_t *key,
	const yaml_node_t *value, struct strbuf *out)
{
	const char *word = key->type == YAML_SCALAR_NODE && !yamlin_has_nul(key) ? yamlin_scalar(key) : "";
	char name[2 * KEY_MAX + 2];

	snprintf(name, sizeof(name), "%s%s%.*s", group, *group ? "." : "", KEY_MAX, word);
	const struct question q = ask(name);

	if (!*group && q.is_group && value->type == YAML_MAPPING_NODE) {
		put_mapping(y, name, value, out);
	} else if (q.is_key && redact_shows(name)) {
		strbuf_printf(out, "%s: ", name);
		put_value(y, value, out);
		strbuf_puts(out, "\n");
	} else if (q.is_key) {
		strbuf_printf(out, "%s: " REDACTED "\n", name);
	} else {
		strbuf_printf(out, "line %zu, which is no setting: " REDACTED "\n", yamlin_line(key));
	}
}

static void put_mapping(const struct yamlin *y, const char *group, const yaml_node_t *map, struct strbuf *out)
{
	const yaml_node_pair_t *p;

	for (p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++)
		put_pair(y, group, yamlin_node(y, p->key), yamlin_node(y, p->value), out);
}

static int put_document(struct yamlin *y, const yaml_node_t *root, void *ctx)
{
	struct strbuf *out = ctx;

	if (!root || yamlin_is_null(root))
		strbuf_puts(out, "nothing is set\n");
	else if (root->type != YAML_MAPPING_NODE)
		strbuf_puts(out, "it does not consist of lines \"key: value\"\n");
	else
		put_mapping(y, "", root, out);
	return TM_OK;
}

void redact_config(const char *text, size_t n, struct strbuf *out)
{
	struct diag d = {0};
	struct yamlin y = {
		.name = "line", .text = text, .n = n, .depth_max = DEPTH_MAX, .no_anchors = true, .d = &d};

	/* The sentence of what is wrong quotes what is there. */
	if (yamlin_read(&y, put_document, out) != TM_OK)
		strbuf_printf(out, "it cannot be read%s%s\n", *d.where ? ": " : "", d.where);
}
