/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `client add|list|remove`: stock WireGuard devices that reach the mesh through this node. */
#include <string.h>

#include "base/encode.h"
#include "base/format.h"
#include "base/secret.h"
#include "cli/core/call.h"
#include "cli/core/columns.h"
#include "cli/core/commands.h"
#include "cli/core/listing.h"
#include "cli/core/peers.h"
#include "cli/core/qr.h"
#include "crypto/dh.h"
#include "crypto/init.h"
#include "mesh/model.h"
#include "os/os.h"
#include "os/words/words.h"
#include "wire/msg/device.h"

enum { KEY_TEXT = BASE64_LEN(DH_KEY) + 1 };

struct client_opts {
	const char *endpoint, *output;
	bool exit, qr;
};

static const struct opt client_options[] = {
	{"endpoint", 0, OPT_TEXT, offsetof(struct client_opts, endpoint), "HOST:PORT",
		"where the device reaches this node's UDP port (what is known from outside)", 0, 0},
	{"exit", 0, OPT_FLAG, offsetof(struct client_opts, exit), NULL,
		"send all that the device has for the internet through this node, which must be an approved "
		"exit node",
		0, 0},
	{"output", 'o', OPT_TEXT, offsetof(struct client_opts, output), "FILE",
		"write the configuration there, readable by you alone, instead of to standard output: a file "
		"that is not there yet",
		0, 0},
	{"qr", 0, OPT_FLAG, offsetof(struct client_opts, qr), NULL,
		"print the configuration as a QR code, for the device's camera, instead of as text", 0, 0},
	{0},
};

static int make_key(char ret_priv[static KEY_TEXT], char ret_pub[static KEY_TEXT])
{
	uint8_t priv[DH_KEY], pub[DH_KEY];
	int err = dh_generate(priv, pub);

	if (!err) {
		base64_encode(priv, sizeof(priv), ret_priv);
		base64_encode(pub, sizeof(pub), ret_pub);
	}
	wipe(priv, sizeof(priv));
	return err;
}

/* Nobody has its key if we do not print it. */
static void take_back(struct cli *c, const char *name)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	struct diag ignored = {0};

	(void)!cli_ask(
		c, "client.remove", json_pack("{s:s}", "name", name), ASK_TIMEOUT_MS, &reply, &ignored);
}

/* A person gets both, what can be read and what can be photographed. */
static int print_readable(struct cli *c, const struct client_opts *o, const char *text, struct diag *d)
{
	struct diag unseen = {0};

	if (o->qr)
		return qr_print(text, c->out, &c->screen, d);
	if (o->output)
		return TM_OK;
	fputs(text, c->out);
	if (!c->screen.width)
		return TM_OK;
	fputc('\n', c->out);
	if (qr_print(text, c->out, &c->screen, &unseen) != TM_OK)
		cli_note(c, "%s", unseen.what);
	return TM_OK;
}

/* To the file, if one was named; what went wrong there is told. */
static int hand_out(struct cli *c, const struct client_opts *o, const json_t *client, const char *text)
{
	struct diag d = {0};
	int err = o->output ? os_create_file(o->output, text, strlen(text), 0600, &d) : TM_OK;

	if (!err && !c->g.json) {
		err = print_readable(c, o, text, &d);
		if (err && o->output)
			remove(o->output);
	}
	if (err) {
		take_back(c, json_text(client, "name"));
		return cli_fail(c, &d, err);
	}
	if (c->g.json)
		return cli_json_take(
			c, json_pack("{s:b, s:O, s:s?, s:s?}", "ok", 1, "client", client, "wireguard_config",
				   o->output ? NULL : text, "file", o->output));
	fflush(c->out);
	cli_note(c, "%s is added; %s holds its private key, which is nowhere else", json_text(client, "name"),
		o->output ? o->output
		: o->qr   ? "this code"
			  : "this configuration");
	return CLI_DONE;
}

static int print_config(struct cli *c, const struct client_opts *o, const json_t *reply, const char *priv)
{
	char *text = msg_device_config(reply, priv);

	if (!text)
		return cli_failf(c, NULL, "%s", tm_strerror(TM_ENOMEM));

	int status = hand_out(c, o, json_object_get(reply, "client"), text);
	wipe(text, strlen(text));
	free(text);
	return status;
}

/* The device is out there as a rule, and whoever carries it home does not look into its configuration. */
static void warn_if_private(struct cli *c, const char *endpoint)
{
	struct endpoint ep;

	if (endpoint_parse(endpoint, &ep) != TM_OK)
		return;
	const struct prefix host = {ep.ip, ep.ip.family == IP_V6 ? 128 : 32};
	if (prefix_is_private(&host))
		cli_note(c,
			"its endpoint %s is a private address, which the device reaches from this network "
			"only; --endpoint says another",
			endpoint);
}

static int add_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	_cleanup_(json_decrefp) json_t *reply = NULL;
	const struct client_opts *o = opts;
	char priv[KEY_TEXT], pub[KEY_TEXT];
	const char *name = words->v[0];
	struct diag d = {0};
	json_t *req;
	int err, status;

	if (!node_name_allowed(name))
		return cli_usage(c, "up to 63 of a-z, 0-9 and -, and not this",
			"\"%.80s\" is not a name for a client", name);
	if (o->endpoint && !msg_device_endpoint_valid(o->endpoint))
		return cli_usage(c, NULL, "--endpoint wants HOST:PORT, not \"%.80s\"", o->endpoint);
	if (o->qr && c->g.json)
		return cli_usage(c, "leave one of them out", "--qr is for cameras and --json for programs");
	if (o->output && os_exists(o->output)) /* nobody is added for it */
		return cli_failf(
			c, "name another file, or remove this one", "%s is there already", o->output);

	err = make_key(priv, pub);
	if (err)
		return cli_fail(c, &d, err);

	req = json_pack("{s:s, s:s}", "name", name, "key", pub);
	if (req && o->endpoint)
		json_object_set_new(req, "endpoint", json_string(o->endpoint));
	if (req && o->exit)
		json_object_set_new(req, "exit", json_true());
	err = cli_ask(c, "client.add", req, ASK_TIMEOUT_MS, &reply, &d);
	if (!err && o->endpoint) /* ours counts whatever the daemon made of it */
		json_object_set_new(reply, "endpoint", json_string(o->endpoint));
	if (err) {
		status = cli_fail(c, &d, err);
	} else if (!msg_device_whole(reply)) {
		take_back(c, name);
		status = cli_failf(c, NULL, "the daemon's answer lacks what a configuration needs");
	} else if (!msg_device_endpoint_valid(json_text(reply, "endpoint"))) {
		take_back(c, name);
		status = cli_failf(c, "say it with --endpoint HOST:PORT",
			"this node knows no address of its own for clients");
	} else {
		status = print_config(c, o, reply, priv);
		if (status == CLI_DONE && !o->endpoint)
			warn_if_private(c, json_text(reply, "endpoint"));
	}
	wipe(priv, sizeof(priv));
	return status;
}

const struct command cmd_client_add = {
	.name = "client add",
	.args = "NAME",
	.summary = "print a configuration for a stock WireGuard device",
	.details =
		"The device reaches the mesh through this node, which must be the coordinator or tagged "
		"\"gateway\". Only the configuration goes to standard output, on a terminal followed by the "
		"same as a QR code, and with --output to a file with mode 0600: tunnelmesh client add phone "
		"-o phone.conf",
	.opts = client_options,
	.defaults = &(const struct client_opts){0},
	.opts_size = sizeof(struct client_opts),
	.min_words = 1,
	.max_words = 1,
	.crypto = true,
	.run = add_run,
};

static void client_row(struct columns *t, const json_t *j, int64_t now UNUSED)
{
	static const char *const keys[] = {"name", "ip4", "via_name", "id", "ip6", "key"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		columns_cell(t, json_text(j, keys[i]));
}

static int list_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	static const char *const heads[] = {"NAME", "IPV4", "VIA", "ID", "IPV6", "KEY"};

	return listing_print(
		c, &(const struct listing){"client.list", "clients", heads, ARRAY_LEN(heads), client_row,
			   "no WireGuard devices yet: `" OS_SUDO "tunnelmesh client add NAME` makes one"});
}

const struct command cmd_client_list = {
	.name = "client list",
	.summary = "the WireGuard devices of the mesh",
	.run = list_run,
};

static int remove_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words)
{
	int status;
	_cleanup_(json_decrefp) json_t *reply =
		cli_fetch(c, "client.remove", json_pack("{s:s}", "name", words->v[0]), &status);
	if (!reply)
		return status;

	fprintf(c->out, "  %s is removed\n", words->v[0]);
	return CLI_DONE;
}

const struct command cmd_client_remove = {
	.name = "client remove",
	.args = "NAME",
	.summary = "remove a WireGuard device from the mesh",
	.min_words = 1,
	.max_words = 1,
	.run = remove_run,
};
