/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Configuration: a file of YAML, read by libyaml, and one table of settings (config_rows.h), which drives
 * parser, defaults, `help config`, the manual page and the reload rule of each key.
 */
#ifndef TM_NODE_CONFIG_H
#define TM_NODE_CONFIG_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/log.h"
#include "data/peer/keypair.h"
#include "mesh/model.h"
#include "policy/local.h"
#include "wire/proxy.h"

enum { CONFIG_LIST_MAX = 8, CONFIG_RULES_MAX = 32, CONFIG_PORT_AUTO = 1 << 16 };
enum { METRICS_PORT = 5210 }; /* of the node's addresses in the mesh, unless told otherwise */

/* On all sockets of ours: what an exit in use, and nobody else, knows them by. 0 is no mark. */
#define CONFIG_MARK UINT32_C(0x54000000)

enum config_accept { ACCEPT_NONE, ACCEPT_PRIVATE, ACCEPT_ALL };
enum config_relay { RELAY_OFF, RELAY_USE, RELAY_OFFER };
enum config_dns_serve { DNS_SERVE_HOST, DNS_SERVE_MESH };

struct config {
	uint16_t listen_port; /* restart; 51820 */
	uint16_t api_port; /* restart; 8443; coordinators and relays */
	char api_listen[64]; /* restart; "::" */
	char tun[16]; /* restart; "tm0" */
	uint16_t mtu; /* restart; 1420 */
	uint16_t workers; /* restart; 0 = one per core, at most 8 */
	uint32_t fwmark; /* restart; CONFIG_MARK */
	uint32_t flows; /* restart; 65536 */
	char aead[24]; /* restart; "auto" or a provider of crypto/aead.h */
	uint32_t offloads; /* restart; enum plane_offload, all */
	uint32_t stun_port; /* restart; CONFIG_PORT_AUTO: listen_port and NAT_SECOND_PORT; 0 = off */
	uint16_t bench_port; /* restart; 5209; 0 = off */
	enum config_relay relay; /* restart; use, or the coordinator: offer (node_load_config) */
	char proxy[PROXY_TEXT]; /* restart; "" = as the environment says, "none" */
	enum log_level log_level; /* reload; info */
	enum log_format log_format; /* reload; text */
	char socket_group[33]; /* restart; "" = root only */
	struct endpoint advertise[CONFIG_LIST_MAX]; /* reload; extra candidate endpoints, e.g. a port
						       forwarded by hand */
	size_t n_advertise;
	bool port_mapping; /* reload; yes */
	char addresses[CONFIG_LIST_MAX][262]; /* reload; coordinator: host or host:port that tokens carry;
						 default = local addresses */
	size_t n_addresses;
	char listen[CONFIG_LIST_MAX][64]; /* restart; coordinator: further TCP ports */
	size_t n_listen;
	bool dns; /* restart; yes */
	enum config_dns_serve dns_serve; /* restart; host */
	unsigned dns_resolver; /* a way of os/resolv.h; restart; auto */
	bool dns_search; /* restart; no: names of one word are not looked for in the mesh */
	char dns_listen[CONFIG_LIST_MAX][64]; /* restart; beside the node's own mesh addresses */
	size_t n_dns_listen;
	char metrics_listen[64]; /* reload; "mesh", "off", a port there, or address:port */
	bool metrics_per_peer; /* reload; no */
	bool dashboard; /* reload; yes; coordinator */
	char dashboard_admins[CONFIG_LIST_MAX][NODE_TAG_MAX + sizeof("tag:")]; /* reload; "tag:x", or ids */
	size_t n_dashboard_admins;
	char dashboard_listen[CONFIG_LIST_MAX][64]; /* reload; outside of the mesh, by a password */
	size_t n_dashboard_listen;
	bool dashboard_plain; /* reload; no: in plain HTTP from this machine alone */
	char tls_certificate[256], tls_key[256]; /* restart; coordinator; "" = one of its own */
	struct prefix route_advertise[CONFIG_LIST_MAX]; /* reload; networks behind this machine */
	size_t n_route_advertise;
	bool route_snat; /* reload; yes: what comes out of the mesh to them has an address of ours */
	bool route_ha; /* reload; no */
	enum config_accept route_accept; /* reload; private */
	struct policy_local rules[CONFIG_RULES_MAX]; /* reload; this node's own, by names */
	size_t n_rules;
	uint64_t given; /* a bit for each row of the table that the file has */
	/* Hidden, for tests: WireGuard time limits in milliseconds under `test_limits`. */
	struct wg_limits limits;
	ns_t port_lease; /* how long a gateway is asked to map a port */
};

void config_defaults(struct config *c);
/* A missing file at the default path gives the defaults; one named explicitly must exist. d: "config.yaml:7:
 * unknown key ..." */
NODISCARD int config_load(const char *path, bool must_exist, struct config *ret_c, struct diag *d);
NODISCARD int config_parse(
	const char *name, const char *text, size_t n, struct config *ret_c, struct diag *d);
/* Does the file have that key? Else the default stands there. */
bool config_has(const struct config *c, const char *key);
/* What only this host can say about the values: is there such a group? Read before a daemon needs it. */
NODISCARD int config_check_host(const struct config *c, struct diag *d);
/* After a reload: names of changed keys that need a restart, comma-separated, "" when none. */
void config_restart_needed(const struct config *running, const struct config *next, char *buf, size_t n);
/*
 * Which proxy leads to the coordinator: the configured one, the environment's, or the one that `join`
 * remembers
 * (""; = none). *ret_from as in proxy_choose, or "join". After an error d says what is wrong, and there is
 * none.
 */
NODISCARD int config_proxy(const struct config *c, const char *remembered, struct proxy_choice *ret_choice,
	const char **ret_from, struct diag *d);
/* An entry of `listen`, dns.listen, metrics.listen: a port alone is one of the address in `where`. */
NODISCARD int config_listen_parse(const char *text, const struct ip *where, struct endpoint *ret_ep);
/* "key  default  when  description" rows, for `help config` and the manual. */
void config_describe(
	void (*row)(void *ctx, const char *key, const char *def, bool reload, const char *text), void *ctx);

#endif
