/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/ports.h"

#include "control/link/clink.h"
#include "node/node_private.h"
#include "node/relaying.h"

static int parse(const struct config *c, struct ports *p, struct diag *d)
{
	int err = ip_parse(c->api_listen, &p->listen.ip);

	if (err)
		return diag_what(d, err, "api_listen \"%s\" is not an IP address", c->api_listen);
	p->listen.port = c->api_port;
	for (; p->n_also < c->n_listen; p->n_also++) {
		const char *text = c->listen[p->n_also];

		err = config_listen_parse(text, &p->listen.ip, &p->also[p->n_also]);
		if (err)
			return diag_what(d, err, "listen \"%s\" is not a port", text);
	}
	return TM_OK;
}

/* What the certificate is made of, if we make one. */
static void name_hosts(const struct node *n, struct ports *p)
{
	const struct config *c = &n->config;
	char text[TOKEN_ADDR_LEN];
	size_t count = 0;

	for (size_t i = 0; i < c->n_addresses; i++)
		if (token_address(c->addresses[i], c->api_port, text) == TM_OK &&
			address_parse(text, &p->addresses[count]) == TM_OK) {
			p->hosts[count] = p->addresses[count].host;
			count++;
		}
	p->tls = (struct coord_tls){.own = n->paths.tls, .hosts = p->hosts, .n_hosts = count};
	if (c->tls_certificate[0]) {
		p->tls.certificate = c->tls_certificate;
		p->tls.key = c->tls_key;
	}
}

int ports_configured(const struct node *n, struct ports *ret_p, struct diag *d)
{
	*ret_p = (struct ports){.n_also = 0};
	int err = parse(&n->config, ret_p, d);
	if (!err)
		name_hosts(n, ret_p);
	return err;
}

size_t ports_numbers(const struct config *c, uint16_t ret_ports[static RELAY_PORTS_MAX])
{
	struct ports p = {.n_also = 0};
	struct diag d;
	size_t n = 0;

	if (parse(c, &p, &d) != TM_OK)
		return 0;
	ret_ports[n++] = p.listen.port;
	for (size_t i = 0; i < p.n_also && n < RELAY_PORTS_MAX; i++) {
		bool twice = false;

		for (size_t k = 0; k < n; k++)
			twice |= ret_ports[k] == p.also[i].port;
		if (!twice)
			ret_ports[n++] = p.also[i].port;
	}
	return n;
}

int ports_open_for_streams(struct node *n, struct clink_server **ret_server, struct diag *d)
{
	const struct clink_events nobody = {.ctx = NULL};
	struct ports p;
	int err = ports_configured(n, &p, d);

	if (err)
		return err;
	const struct clink_tls tls = {p.tls.certificate, p.tls.key, p.tls.own, p.tls.hosts, p.tls.n_hosts};
	const struct clink_server_config cfg = {
		.listen = p.listen,
		.also = p.also,
		.n_also = p.n_also,
		.tls = &tls,
		.identity = &n->identity,
		.streams = relaying_taker(n),
		.streams_only = true,
		.mark = n->config.fwmark,
	};
	return clink_server_new(n->base, &cfg, &nobody, ret_server, d);
}
