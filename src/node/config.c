/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/epoch.h"
#include "control/portmap/portmap.h"
#include "data/filter/memory.h"
#include "node/config_rows.h"
#include "os/local.h"
#include "os/os.h"
#include "os/resolv.h"
#include "os/words/words.h"

enum { FILE_MAX = 64 * 1024 };

#define FIELD(f) .at = offsetof(struct config, f), .size = sizeof(((struct config *)0)->f)
#define LIST(f) FIELD(f), .count_at = offsetof(struct config, n_##f)
#define RELOAD .reload = true
#define LIMIT(name, f)                                                                                       \
	{                                                                                                    \
		.key = "test_limits." name, .type = CONFIG_MS, FIELD(limits.f), .min = 1, .max = 86400000,   \
		.hidden = true                                                                               \
	}

static const char *const relay_words[] = {
	[RELAY_OFF] = "off", [RELAY_USE] = "use", [RELAY_OFFER] = "offer", NULL};
static const char *const accept_words[] = {
	[ACCEPT_NONE] = "none", [ACCEPT_PRIVATE] = "private", [ACCEPT_ALL] = "all", NULL};
static const char *const dns_serve_words[] = {[DNS_SERVE_HOST] = "host", [DNS_SERVE_MESH] = "mesh", NULL};

static const char *const log_format_words[] = {
	[LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_LOGFMT] = "logfmt", [LOG_FORMAT_JSON] = "json", NULL};

const struct config_row config_rows[CONFIG_ROWS] = {
	{.key = "listen_port",
		.type = CONFIG_UINT,
		FIELD(listen_port),
		.max = 65535,
		.def = "51820",
		.help = "UDP port of the tunnels, the same for IPv4 and IPv6; 0 takes any free one"},
	{.key = "tun",
		.type = CONFIG_IFNAME,
		FIELD(tun),
		.def = "tm0",
		.help = "name of the tunnel's network interface"},
	/* RFC 8200 5: IPv6 needs links of 1280 bytes. 8920: jumbo Ethernet of 9000 less outer IPv6, UDP and
	   WireGuard. */
	{.key = "mtu",
		.type = CONFIG_UINT,
		FIELD(mtu),
		.min = 1280,
		.max = 8920,
		.def = "1420",
		.help = "largest packet inside the tunnel, in bytes, from 1280 (which IPv6 needs) to 8920"},
	{.key = "workers",
		.type = CONFIG_UINT,
		FIELD(workers),
		.max = EPOCH_WORKERS_MAX,
		.def = "0",
		.help = "threads that move packets, up to 64; 0 means one per processor core, but 8 at most"},
	{.key = "fwmark",
		.type = CONFIG_UINT,
		FIELD(fwmark),
		.max = UINT32_MAX,
		.def = "0x54000000",
		.help = "firewall mark of everything that the daemon itself sends, for policy routing: by it "
			"an exit "
			"node that is used tells what must not go through it; 0 sets none"},
	{.key = "offloads",
		.type = CONFIG_OFFLOADS,
		FIELD(offloads),
		.def = "all",
		.help = "what the kernel may do for the tunnel: all, none, or some of "
			"tun,uso,udp-gso,udp-gro; "
			"to be narrowed only where a network driver is at fault"},
	{.key = "aead",
		.type = CONFIG_AEAD,
		FIELD(aead),
		.def = "auto",
		.help = "who encrypts packets: auto takes the fastest for this processor, libcrypto runs "
			"everywhere"},
	{.key = "flows",
		.type = CONFIG_UINT,
		FIELD(flows),
		.min = FILTER_FLOWS_MIN,
		.max = FILTER_FLOWS_MAX,
		.def = "65536",
		.help = "connections that the packet filter remembers, of all peers together, from 1024 to "
			"1000000, and half as many with addresses behind members; 33 and 65 bytes each, "
			"taken as they are used: 4.1 MiB as shipped, 62.5 MiB at most, and half as much "
			"again while they grow"},
	{.key = "advertise",
		.type = CONFIG_ENDPOINTS,
		LIST(advertise),
		.def = "",
		RELOAD,
		.help = "further address:port pairs by which other nodes may reach this one, such as a "
			"forwarded port"},
	{.key = "port_mapping",
		.type = CONFIG_SWITCH,
		FIELD(port_mapping),
		.def = "yes",
		RELOAD,
		.help = "asks the router for a port that leads to this node, by PCP, NAT-PMP or UPnP, where "
			"the "
			"node's address is a private one; no gives back what was mapped"},
	{.key = "proxy",
		.type = CONFIG_PROXY,
		FIELD(proxy),
		.def = "",
		.help = "HTTP proxy that leads to the coordinator, http://user:password@host:port, or none; "
			"empty means "
			"https_proxy, all_proxy or http_proxy of the environment"},
	{.key = "bench_port",
		.type = CONFIG_UINT,
		FIELD(bench_port),
		.max = 65535,
		.def = "5209",
		.help = "TCP and UDP port inside the tunnel on which other members' `tunnelmesh bench` is "
			"answered; 0 switches that off"},
	{.key = "stun_port",
		.type = CONFIG_PORT,
		FIELD(stun_port),
		.max = 65535,
		.def = "auto",
		.help = "coordinators and relays: second UDP port, by which members find out what their "
			"routers do; "
			"auto is listen_port + 10, 0 is none"},
	{.key = "relay",
		.type = CONFIG_WORD,
		.words = relay_words,
		FIELD(relay),
		.def = "use",
		.help = "offer hands on other members' traffic, sealed as it is, where no direct path is "
			"found "
			"(the coordinator does so unless told otherwise; another node must have the tag "
			"relay, "
			"too), use reaches others through those who do, off does neither"},
	{.key = "dns.enabled",
		.type = CONFIG_SWITCH,
		FIELD(dns),
		.def = "yes",
		.help = "answers questions for the names of the mesh at port 53 of this node's mesh "
			"addresses"},
	{.key = "dns.serve",
		.type = CONFIG_WORD,
		.words = dns_serve_words,
		FIELD(dns_serve),
		.def = "host",
		.help = "who is answered: host is the programs of this machine alone, mesh is the other "
			"members too"},
	{.key = "dns.listen",
		.type = CONFIG_LISTEN_OWN,
		LIST(dns_listen),
		.def = "",
		.help = "further addresses of this machine at which names are answered, each by itself, such "
			"as "
			"127.0.0.54:53"},
	{.key = "dns.resolver",
		.type = CONFIG_WORD,
		.words = os_resolv_ways,
		FIELD(dns_resolver),
		.def = "auto",
		.help = "how programs of this machine come to ask this node for names of the "
			"mesh: " OS_NAMES_WAYS "; auto finds out, none changes nothing"},
	{.key = "dns.search",
		.type = CONFIG_SWITCH,
		FIELD(dns_search),
		.def = "no",
		.help = "programs of this machine look for names of one word, such as nas, in the mesh "
			"as well; what they do not find elsewhere the mesh is asked for then"},
	{.key = "metrics.listen",
		.type = CONFIG_LISTEN_MESH,
		FIELD(metrics_listen),
		.def = "mesh",
		RELOAD,
		.help = "where Prometheus finds the figures of this node, by HTTP at /metrics: mesh is port "
			"5210 of its mesh addresses, a number another port there, or an address of this "
			"machine with a port, such as 127.0.0.1:5210; off is nowhere"},
	{.key = "metrics.per_peer",
		.type = CONFIG_SWITCH,
		FIELD(metrics_per_peer),
		.def = "no",
		RELOAD,
		.help = "adds figures of each single peer in use, and on the coordinator of each node: "
			"several for each"},
	{.key = "log_level",
		.type = CONFIG_LEVEL,
		FIELD(log_level),
		.def = "info",
		RELOAD,
		.help = "how much is logged: error, warn, info or debug"},
	{.key = "log_format",
		.type = CONFIG_WORD,
		.words = log_format_words,
		FIELD(log_format),
		.def = "text",
		RELOAD,
		.help = "how lines of the log are written: text for people, logfmt or json for programs"},
	{.key = "socket_group",
		.type = CONFIG_GROUP,
		FIELD(socket_group),
		.def = "",
		.help = "group whose members may use the control socket; empty means only root"},
	{.key = "api_listen",
		.type = CONFIG_IP,
		FIELD(api_listen),
		.def = "::",
		.help = "coordinators and relays: address on which nodes reach it; :: is all, IPv4 and IPv6"},
	{.key = "api_port",
		.type = CONFIG_UINT,
		FIELD(api_port),
		.min = 1,
		.max = 65535,
		.def = "8443",
		.help = "coordinators and relays: TCP port on which nodes reach it"},
	{.key = "listen",
		.type = CONFIG_LISTEN,
		LIST(listen),
		.def = "",
		.help = "coordinators and relays: further TCP ports on which nodes reach it, such as 443, or "
			"addresses with "
			"ports"},
	{.key = "tls_certificate",
		.type = CONFIG_FILE,
		FIELD(tls_certificate),
		.def = "",
		.help = "coordinators and relays: file with the certificate, and its chain, that it shows to "
			"who "
			"asks for TLS; "
			"read again when it changes; empty means one of its own"},
	{.key = "tls_key",
		.type = CONFIG_FILE,
		FIELD(tls_key),
		.def = "",
		.help = "coordinators and relays: file with the key of tls_certificate"},
	{.key = "addresses",
		.type = CONFIG_HOSTS,
		LIST(addresses),
		.def = "",
		RELOAD,
		.help = "coordinator only: names or addresses, with or without :port, or https://name/path "
			"where a web "
			"server stands in front, that join tokens carry; empty means the addresses of this "
			"machine"},
	{.key = "dashboard.enabled",
		.type = CONFIG_SWITCH,
		FIELD(dashboard),
		.def = "yes",
		RELOAD,
		.help = "coordinator only: members see the mesh at http://this.mesh/, port 80 of this node's "
			"mesh "
			"addresses, as far as the policy lets them open it"},
	{.key = "dashboard.admins",
		.type = CONFIG_MEMBERS,
		LIST(dashboard_admins),
		.def = "",
		RELOAD,
		.help = "coordinator only: who may change the mesh there, too: members with a tag, such as "
			"tag:admin, or nodes by their ids; empty means nobody. This machine itself has the "
			"command line"},
	{.key = "dashboard.listen",
		.type = CONFIG_LISTEN,
		LIST(dashboard_listen),
		.def = "",
		RELOAD,
		.help = "coordinator only: further ports of 127.0.0.1, or addresses of this machine with "
			"ports, at which it is served to whoever has the password that `tunnelmesh dashboard "
			"password` makes, as an administrator: by https, and by http from this machine "
			"alone"},
	{.key = "dashboard.plain",
		.type = CONFIG_SWITCH,
		FIELD(dashboard_plain),
		.def = "no",
		RELOAD,
		.help = "coordinator only: at dashboard.listen the password is taken by http from everybody, "
			"too, as it comes from a web server in front on another machine; who can read that "
			"network reads the password"},
	{.key = "routes.advertise",
		.type = CONFIG_NETS,
		LIST(route_advertise),
		.def = "",
		RELOAD,
		.help = "networks behind this machine that are offered to the mesh, such as 192.168.1.0/24; "
			"they "
			"count when "
			"the coordinator's administrator has approved them"},
	{.key = "routes.ha",
		.type = CONFIG_SWITCH,
		FIELD(route_ha),
		.def = "no",
		RELOAD,
		.help = "the networks of routes.advertise may be led to by other nodes as well, who say so, "
			"too: "
			"one takes "
			"over when another fails"},
	{.key = "routes.snat",
		.type = CONFIG_SWITCH,
		FIELD(route_snat),
		.def = "yes",
		RELOAD,
		.help = "what comes out of the mesh for the networks of routes.advertise gets an address of "
			"this "
			"machine, so "
			"that they need no route back; no leaves the mesh's addresses"},
	{.key = "routes.accept",
		.type = CONFIG_WORD,
		.words = accept_words,
		FIELD(route_accept),
		.def = "private",
		RELOAD,
		.help = "which networks behind other nodes this machine reaches through them: private takes "
			"those "
			"of private "
			"addresses, all every one that was approved, none none"},
	{.key = "filter",
		.type = CONFIG_RULES,
		LIST(rules),
		.def = "",
		RELOAD,
		.help = "rules of this node's own beside the policy of the mesh, which they narrow: each "
			"denies or rejects what others open here (from), or what this node opens elsewhere "
			"(to); where the policy grants it (local_allow), it allows what others open here"},
	LIMIT("rekey_after_ms", rekey_after),
	LIMIT("reject_after_ms", reject_after),
	LIMIT("rekey_attempt_ms", rekey_attempt),
	LIMIT("rekey_timeout_ms", rekey_timeout),
	LIMIT("keepalive_ms", keepalive_timeout),
	{.key = "test_limits.port_lease_ms",
		.type = CONFIG_MS,
		FIELD(port_lease),
		.min = 2000,
		.max = 86400000,
		.hidden = true},
	{.key = "test_limits.rekey_after_messages",
		.type = CONFIG_UINT,
		FIELD(limits.rekey_after_messages),
		.min = 1,
		.max = WG_REKEY_AFTER_MESSAGES,
		.hidden = true},
};

_Static_assert(CONFIG_ROWS <= 64, "config.given has a bit for each");

void config_defaults(struct config *c)
{
	*c = (struct config){.limits = wg_limits_default, .port_lease = PORTMAP_LEASE};
	for (size_t i = 0; i < CONFIG_ROWS; i++) {
		const struct config_row *row = &config_rows[i];
		if (!row->def || config_is_list(row))
			continue;
		int err = config_set(row, row->def, false, c, NULL);
		assert(err == TM_OK);
		(void)err;
	}
}

int config_parse(const char *name, const char *text, size_t n, struct config *ret_c, struct diag *d)
{
	struct config c;

	config_defaults(&c);
	if (n > FILE_MAX) {
		diag_where(d, "%s", name);
		return diag_what(d, TM_ERANGE, "the file is larger than %d KiB", FILE_MAX / 1024);
	}

	int err = config_read_yaml(name, text, n, &c, d);
	if (err)
		return err;
	/* A session must be renewed before it ends, or every one of them breaks. Only tests can get here. */
	if (c.limits.reject_after <= c.limits.rekey_after) {
		diag_where(d, "%s", name);
		return diag_what(
			d, TM_ERANGE, "test_limits.reject_after_ms must be greater than rekey_after_ms");
	}

	*ret_c = c;
	return TM_OK;
}

int config_load(const char *path, bool must_exist, struct config *ret_c, struct diag *d)
{
	_cleanup_(freep) char *text = NULL;
	struct diag why = {0};
	size_t n = 0;
	int err = os_read_file(path, FILE_MAX, &text, &n, &why);

	if (err == TM_ENOENT && !must_exist) {
		config_defaults(ret_c);
		return TM_OK;
	}
	if (err) {
		if (err == TM_ENOENT)
			diag_hint(&why, "create it, or leave --config out: a configuration is not needed");
		if (d)
			*d = why;
		return err;
	}
	return config_parse(path, text, n, ret_c, d);
}

bool config_has(const struct config *c, const char *key)
{
	for (size_t i = 0; i < CONFIG_ROWS; i++)
		if (strcmp(config_rows[i].key, key) == 0)
			return c->given >> i & 1;
	return false;
}

static const char *variable(const char *name)
{
	return getenv(name);
}

static const char *no_variable(const char *name UNUSED)
{
	return NULL;
}

int config_proxy(const struct config *c, const char *remembered, struct proxy_choice *ret_choice,
	const char **ret_from, struct diag *d)
{
	int err = proxy_choose(c->proxy, variable, ret_choice, ret_from, d);

	if (err || *ret_from || c->proxy[0] || !remembered[0])
		return err;
	err = proxy_choose(remembered, no_variable, ret_choice, ret_from, d);
	if (!err)
		*ret_from = "join";
	return err;
}

int config_check_host(const struct config *c, struct diag *d)
{
	return c->socket_group[0] ? os_local_group(c->socket_group, d) : TM_OK;
}

static bool same(const struct config_row *row, const struct config *a, const struct config *b)
{
	const char *x = (const char *)a + row->at, *y = (const char *)b + row->at;

	if (row->type == CONFIG_IP || row->type == CONFIG_IFNAME || row->type == CONFIG_GROUP ||
		row->type == CONFIG_FILE || row->type == CONFIG_PROXY)
		return strncmp(x, y, row->size) == 0;
	return memcmp(x, y, row->size) ==
	       0; /* numbers, and lists of texts, which are zero behind their ends */
}

void config_restart_needed(const struct config *running, const struct config *next, char *buf, size_t n)
{
	size_t len = 0;

	if (n == 0)
		return;
	buf[0] = '\0';
	for (size_t i = 0; i < CONFIG_ROWS && len < n; i++) {
		const struct config_row *row = &config_rows[i];
		if (row->reload || same(row, running, next))
			continue;
		len += (size_t)snprintf(buf + len, n - len, "%s%s", len ? ", " : "", row->key);
	}
}

void config_describe(
	void (*row)(void *ctx, const char *key, const char *def, bool reload, const char *text), void *ctx)
{
	for (size_t i = 0; i < CONFIG_ROWS; i++)
		if (!config_rows[i].hidden)
			row(ctx, config_rows[i].key, config_rows[i].def, config_rows[i].reload,
				config_rows[i].help);
}
