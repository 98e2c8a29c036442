/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of settings, shared by config*.c only. */
#ifndef TM_NODE_CONFIG_ROWS_H
#define TM_NODE_CONFIG_ROWS_H

#include "node/config.h"

enum config_type {
	CONFIG_UINT, /* uint16_t, uint32_t or uint64_t, decimal or 0x */
	CONFIG_MS, /* ns_t, given in milliseconds */
	CONFIG_PORT, /* uint32_t, a number or "auto" (CONFIG_PORT_AUTO) */
	CONFIG_AEAD, /* char[], "auto" or the name of a provider */
	CONFIG_OFFLOADS, /* uint32_t, enum plane_offload; all, none or a list with commas */
	CONFIG_SWITCH, /* bool, yes or no */
	CONFIG_LEVEL, /* enum log_level */
	CONFIG_WORD, /* an enum, one of the row's words */
	CONFIG_IP, /* char[], the text of an IP address */
	CONFIG_IFNAME, /* char[] */
	CONFIG_GROUP, /* char[], a group of the system or empty */
	CONFIG_ENDPOINTS, /* struct endpoint[CONFIG_LIST_MAX] and its count */
	CONFIG_HOSTS, /* char[CONFIG_LIST_MAX][], host, host:port or a URL, and its count */
	CONFIG_LISTEN, /* char[CONFIG_LIST_MAX][], a port or address:port, and its count */
	CONFIG_LISTEN_OWN, /* the same, but at no wildcard */
	CONFIG_LISTEN_MESH, /* char[], one of them, where a port is one of the mesh addresses; or mesh, or off
			     */
	CONFIG_PROXY, /* char[], wire/proxy.h, "none" or empty */
	CONFIG_FILE, /* char[], an absolute path or empty */
	CONFIG_MEMBERS, /* char[CONFIG_LIST_MAX][], tag:x or an id, and its count */
	CONFIG_NETS, /* struct prefix[CONFIG_LIST_MAX], networks, and their count */
	CONFIG_RULES, /* struct policy_local[CONFIG_RULES_MAX] and their count; read whole
			 (policy/local_read.h) */
};

struct config_row {
	const char *key; /* "group.key" for one in a mapping */
	enum config_type type;
	size_t at, size; /* of the field */
	size_t count_at; /* of the lists' count */
	uint64_t min, max;
	const char
		*def; /* as text; NULL = what config_defaults puts there before the rows; lists are empty */
	const char *const *words; /* CONFIG_WORD: by value; NULL behind the last */
	bool reload; /* SIGHUP applies it */
	bool hidden; /* for tests: not described */
	const char *help;
};

enum { CONFIG_ROWS = 46 };
extern const struct config_row config_rows[CONFIG_ROWS];

static inline bool config_is_list(const struct config_row *row)
{
	return row->type == CONFIG_ENDPOINTS || row->type == CONFIG_HOSTS || row->type == CONFIG_LISTEN ||
	       row->type == CONFIG_LISTEN_OWN || row->type == CONFIG_MEMBERS || row->type == CONFIG_NETS ||
	       row->type == CONFIG_RULES;
}

/* One scalar into the row's field; for lists one item, appended. quoted: written with quotes, so not a
 * number. */
NODISCARD int config_set(
	const struct config_row *row, const char *text, bool quoted, struct config *c, struct diag *d);

/* A whole document over what is in *c, which is undefined after a failure. */
NODISCARD int config_read_yaml(
	const char *name, const char *text, size_t n, struct config *c, struct diag *d);

#endif
