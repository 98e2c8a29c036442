/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `init`: a new mesh, with this machine as coordinator and first node. */
#include <errno.h>
#include <string.h>

#include "base/format.h"
#include "base/secret.h"
#include "base/time.h"
#include "cli/cmd/netchoice.h"
#include "cli/cmd/setup.h"
#include "cli/core/commands.h"
#include "cli/core/daemon.h"
#include "control/coord/coord.h"
#include "crypto/init.h"
#include "os/os.h"
#include "os/words/words.h"
#include "policy/document.h"
#include "wire/address.h"

struct init_opts {
	struct setup_opts setup;
	const char *mesh, *zone, *net4, *net6, *policy;
	struct opt_list addresses;
};

#define AT(field) offsetof(struct init_opts, field)
static const struct opt init_options[] = {
	{"name", 0, OPT_TEXT, AT(setup.name), "NODE", "this machine's name (its host name)", 0, 0},
	{"mesh", 0, OPT_TEXT, AT(mesh), "MESH", "the mesh's name (home)", 0, 0},
	{"zone", 0, OPT_TEXT, AT(zone), "ZONE",
		"what stands behind all names in the DNS (mesh), home.arpa for example", 0, 0},
	{"net4", 0, OPT_TEXT, AT(net4), "PREFIX", "IPv4 range (a free /16 of 100.64.0.0/10 or 10.128.0.0/10)",
		0, 0},
	{"net6", 0, OPT_TEXT, AT(net6), "PREFIX", "IPv6 range (a random fd00::/8 /64)", 0, 0},
	{"address", 0, OPT_LIST, AT(addresses), "HOST[:PORT]",
		"where others reach this machine, for tokens (its own addresses), or https://NAME/PATH of a "
		"web server in front; may be repeated",
		0, 0},
	{"policy", 0, OPT_TEXT, AT(policy), "open|deny",
		"the first policy: members may open everything, or nothing (open)", 0, 0},
	{"identity", 0, OPT_TEXT, AT(setup.identity), "FILE",
		"use this OpenSSH Ed25519 key instead of a new one", 0, 0},
	{"listen-port", 0, OPT_PORT, AT(setup.listen_port), "PORT", "UDP port of the tunnels (51820)", 0, 0},
	{"api-port", 0, OPT_PORT, AT(setup.api_port), "PORT",
		"TCP port for the other nodes' control links (8443)", 0, 0},
	{"tun", 0, OPT_TEXT, AT(setup.tun), "NAME", "network interface to create (tm0)", 0, 0},
	{"foreground", 0, OPT_FLAG, AT(setup.foreground), NULL,
		"stay in this terminal instead of starting a daemon", 0, 0},
	{"no-up", 0, OPT_FLAG, AT(setup.no_up), NULL, "only create the mesh; start it later with `up`", 0, 0},
	{"force", 0, OPT_FLAG, AT(setup.force), NULL,
		"also take an address range that is not for private use", 0, 0},
	{0},
};
#undef AT

static int prefix_in_use(void *ctx UNUSED, const struct prefix *p, struct diag *d)
{
	return os_prefix_in_use(p, NULL, d);
}

static void random_for_choice(void *ctx UNUSED, void *p, size_t n)
{
	random_bytes(p, n);
}

static int choose_nets(const struct init_opts *o, struct coord_init *init, struct diag *d)
{
	const struct netchoice choice = {
		.in_use = prefix_in_use, .random = random_for_choice, .force = o->setup.force};
	int err = o->net4 ? netchoice_given(&choice, IP_V4, o->net4, &init->net4, d)
			  : netchoice_v4(&choice, &init->net4, d);

	if (err)
		return err;

	return o->net6 ? netchoice_given(&choice, IP_V6, o->net6, &init->net6, d)
		       : netchoice_v6(&choice, &init->net6, d);
}

static int address_text(const char *given, uint16_t port, char out[static TOKEN_ADDR_LEN], struct diag *d)
{
	int err = token_address(given, port, out);

	if (!err)
		return TM_OK;
	diag_code(d, "usage");
	if (err == TM_EUNREACH) {
		diag_hint(d, "give this machine one that holds everywhere, fd00::1 for example");
		return diag_what(d, err,
			"--address %.80s is link-local: other machines would look for it on networks of "
			"their own",
			given);
	}
	return diag_what(d, err, "--address wants HOST or HOST:PORT, not \"%.80s\"", given);
}

/* Members ask the mesh for what is in its zone, and would not find the coordinator once it has moved. */
static int check_zone(const char *given, const char *of, const char *zone, uint16_t port, struct diag *d)
{
	char text[TOKEN_ADDR_LEN];
	struct address a;

	if (token_address(given, port, text) != TM_OK || address_parse(text, &a) != TM_OK ||
		!mesh_zone_has(zone, a.host))
		return TM_OK;
	diag_hint(d,
		"give another name or an address, or choose a --zone in which nobody else has names, such as "
		"mesh.example.org");
	return diag_what(d, TM_EINVAL,
		"%s %.80s is in the mesh's own zone %.80s, in which members find nobody but members", of,
		given, zone);
}

static int check_addresses(const struct setup *s, const struct init_opts *o, uint16_t port, struct diag *d)
{
	const char *zone = o->zone ? o->zone : MESH_ZONE_DEFAULT;
	int err = TM_OK;

	for (size_t i = 0; i < o->addresses.n && !err; i++)
		err = check_zone(o->addresses.v[i], "--address", zone, port, d);
	if (err)
		diag_code(d, "usage");
	for (size_t i = 0; i < s->config.n_addresses && !err; i++)
		err = check_zone(s->config.addresses[i], "the configuration's address", zone, port, d);
	return err;
}

static int fill_addresses(
	const struct setup *s, const struct init_opts *o, struct enrolment *e, struct diag *d)
{
	uint16_t port = o->setup.api_port ? o->setup.api_port : s->config.api_port;

	if (o->addresses.n > TOKEN_ADDRS_MAX) {
		diag_code(d, "usage");
		return diag_what(d, TM_EINVAL, "--address is given more than %d times", TOKEN_ADDRS_MAX);
	}

	for (; e->n_addresses < o->addresses.n; e->n_addresses++) {
		int err = address_text(o->addresses.v[e->n_addresses], port, e->addresses[e->n_addresses], d);
		if (err)
			return err;
	}
	return check_addresses(s, o, port, d);
}

/* The coordinator's database gives its first node the first address of each range. */
static void fill_enrolment(const struct coord_init *init, const struct identity *id, struct enrolment *e)
{
	struct node_rec *self = &e->self;

	snprintf(e->mesh.name, sizeof(e->mesh.name), "%s", init->mesh_name);
	snprintf(e->mesh.zone, sizeof(e->mesh.zone), "%s", init->zone ? init->zone : "");
	e->mesh.net4 = init->net4;
	e->mesh.net6 = init->net6;
	memcpy(e->mesh.secret, init->secret, sizeof(e->mesh.secret));
	snprintf(self->id, sizeof(self->id), "%s", id->id);
	snprintf(self->name, sizeof(self->name), "%s", init->node_name);
	self->host = 1;
	mesh_addresses(&e->mesh, self->host, &self->ip4, &self->ip6);
	memcpy(self->key, id->x_pub, sizeof(self->key));
	self->coordinator = true;
	e->coordinator = true;
	memcpy(e->coordinator_key, id->x_pub, sizeof(e->coordinator_key));
}

static int create_mesh(struct setup *s, const struct init_opts *o, struct enrolment *e, struct diag *d)
{
	struct coord_init init = {
		.db_path = s->c->paths.db,
		.mesh_name = o->mesh,
		.node_name = s->name,
		.os = OS_NAME,
		.zone = o->zone,
		.identity = &s->identity,
		.policy = strcmp(o->policy, "deny") == 0 ? policy_text_deny() : policy_text_members(),
	};
	int err = choose_nets(o, &init, d);

	if (!err)
		err = setup_identity(s, d);
	if (err)
		return err;

	random_bytes(init.secret, sizeof(init.secret));
	err = coord_create(&init, d);
	if (!err) {
		fill_enrolment(&init, &s->identity, e);
		err = setup_save(s, e, d);
	}
	wipe(init.secret, sizeof(init.secret));
	return err;
}

static void print_mesh(struct cli *c, const struct enrolment *e)
{
	char net4[PREFIX_STR_LEN], net6[PREFIX_STR_LEN], ip4[IP_STR_LEN];

	fprintf(c->out, "  mesh \"%s\" %s, %s \u00b7 this machine is %s, %s\n", e->mesh.name,
		prefix_format(&e->mesh.net4, net4), prefix_format(&e->mesh.net6, net6), e->self.name,
		ip_format(&e->self.ip4, ip4));
}

static json_t *mesh_json(const struct enrolment *e)
{
	char net4[PREFIX_STR_LEN], net6[PREFIX_STR_LEN], ip4[IP_STR_LEN], ip6[IP_STR_LEN];

	return json_pack("{s:b, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s}}", "ok", 1, "mesh", "name",
		e->mesh.name, "net4", prefix_format(&e->mesh.net4, net4), "net6",
		prefix_format(&e->mesh.net6, net6), "self", "name", e->self.name, "id", e->self.id, "ip4",
		ip_format(&e->self.ip4, ip4), "ip6", ip_format(&e->self.ip6, ip6));
}

static int print_created(struct cli *c, const struct enrolment *e, const json_t *token)
{
	char span[FORMAT_LEN];
	json_t *j;

	if (c->g.json) {
		j = mesh_json(e);
		if (j && token)
			json_object_set(j, "token", json_object_get(token, "token"));
		return cli_json_take(c, j);
	}
	print_mesh(c, e);
	if (token)
		fprintf(c->out,
			"  To add a machine run there:  " OS_SUDO
			"tunnelmesh join %s   (single use, valid %s)\n",
			json_text(token, "token"),
			format_span(json_number(token, "expires_at") - time_real() / SEC + 30,
				span)); /* the seconds since */
	return CLI_DONE;
}

static int finish_offline(struct cli *c, const struct enrolment *e, bool foreground)
{
	char flags[160];
	int status = print_created(c, e, NULL);

	if (!c->g.json && !foreground)
		fprintf(c->out, "  Start it with:  " OS_SUDO "tunnelmesh%s up\n",
			cli_node_flags(c, flags, sizeof(flags)));
	else if (!c->g.json)
		fprintf(c->out, "  To add a machine:  " OS_SUDO "tunnelmesh%s token create\n",
			cli_node_flags(c, flags, sizeof(flags)));
	return status;
}

static int init_in(
	struct setup *s, const struct init_opts *o, struct enrolment *e, json_t **ret_token, struct diag *d)
{
	int err = fill_addresses(s, o, e, d);

	if (!err)
		err = create_mesh(s, o, e, d);
	if (err || o->setup.no_up || o->setup.foreground)
		return err;

	err = setup_start(s, d);
	if (!err)
		err = cli_ask(s->c, "token.create", NULL, ASK_TIMEOUT_MS, ret_token, d);
	return err;
}

static int init_run(struct cli *c, const void *opts, const struct opt_words *words UNUSED)
{
	const struct init_opts *o = opts;
	struct enrolment e = {0};
	struct diag d = {0};
	json_t *token = NULL;
	struct setup s;
	int err, status;

	if (o->setup.foreground && o->setup.no_up)
		return cli_usage(c, NULL, "--foreground and --no-up exclude each other");
	if (strcmp(o->policy, "open") != 0 && strcmp(o->policy, "deny") != 0)
		return cli_usage(c, NULL, "--policy is open or deny, not \"%.40s\"", o->policy);
	if (!node_name_valid(o->mesh))
		return cli_usage(c, "up to 63 of a-z, 0-9 and -", "\"%.80s\" is not a mesh name", o->mesh);
	if (o->zone && !mesh_zone_valid(o->zone))
		return cli_usage(c,
			"words of a-z, 0-9 and - with dots between, and none that has another meaning, such "
			"as local",
			"\"%.80s\" is not a zone of names", o->zone);

	err = setup_begin(&s, c, &o->setup, &d);
	if (!err)
		err = init_in(&s, o, &e, &token, &d);
	if (!err)
		setup_commit(&s);
	setup_end(&s);

	if (err)
		status = cli_fail(c, &d, err);
	else if (token)
		status = print_created(c, &e, token);
	else
		status = finish_offline(c, &e, o->setup.foreground);
	json_decref(token);
	enrolment_wipe(&e);
	if (status == CLI_DONE && o->setup.foreground)
		status = up_foreground(c);
	return status;
}

const struct command cmd_init = {
	.name = "init",
	.summary = "create a mesh; this machine becomes its coordinator and first node",
	.details = "Chooses address ranges that are free on this machine, starts tunnelmesh and prints "
		   "the command that adds the next machine. A mesh has one coordinator: run this once, "
		   "and `join` everywhere else.",
	.opts = init_options,
	.defaults = &(const struct init_opts){.mesh = "home", .policy = "open"},
	.opts_size = sizeof(struct init_opts),
	.crypto = true,
	.run = init_run,
};
