/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/agent/enrolment.h"

#include <string.h>

#include "base/encode.h"
#include "base/jsonout.h"
#include "base/secret.h"
#include "os/os.h"

enum { FILE_MAX = 256 << 10, FILE_VERSION = 1 };

void enrolment_wipe(struct enrolment *e)
{
	wipe(e, sizeof(*e));
}

void addresses_add(char (*list)[TOKEN_ADDR_LEN], size_t *n, const char *address)
{
	if (*n == TOKEN_ADDRS_MAX || !address || !address[0] || strlen(address) >= TOKEN_ADDR_LEN)
		return;
	for (size_t i = 0; i < *n; i++)
		if (strcmp(list[i], address) == 0)
			return;
	memcpy(list[(*n)++], address, strlen(address) + 1);
}

/* --- reading --- */

static int port_read(const json_t *j, const char *key, uint16_t *ret_port)
{
	const json_t *v = json_object_get(j, key);
	json_int_t n = json_integer_value(v);

	if (v && (!json_is_integer(v) || n < 0 || n > UINT16_MAX))
		return TM_EBADMSG;

	*ret_port = (uint16_t)n;
	return TM_OK;
}

static int key_read(const json_t *j, uint8_t key[static 32])
{
	const char *s = json_string_value(j);
	size_t n;

	if (!s || base64_decode(s, strlen(s), key, 32, &n) != TM_OK || n != 32)
		return TM_EBADMSG;
	return TM_OK;
}

static int addresses_read(const json_t *list, struct enrolment *e)
{
	size_t i;
	json_t *v;

	if (!json_is_array(list) || json_array_size(list) > TOKEN_ADDRS_MAX)
		return TM_EBADMSG;

	json_array_foreach (list, i, v) {
		const char *s = json_string_value(v);

		if (!s || !s[0] || strlen(s) >= TOKEN_ADDR_LEN)
			return TM_EBADMSG;
		memcpy(e->addresses[e->n_addresses++], s, strlen(s) + 1);
	}
	return TM_OK;
}

/* On failure *ret_field names what is wrong. */
static int fields_read(const json_t *j, struct enrolment *e, const char **ret_field)
{
	const char *tun = json_string_value(json_object_get(j, "tun"));
	const char *proxy = json_string_value(json_object_get(j, "proxy"));

	*ret_field = "mesh";
	if (mesh_info_from_json(json_object_get(j, "mesh"), &e->mesh) != TM_OK)
		return TM_ECORRUPT;
	*ret_field = "self";
	if (node_rec_from_json(json_object_get(j, "self"), &e->mesh, &e->self) != TM_OK)
		return TM_ECORRUPT;
	*ret_field = "coordinator_key";
	if (key_read(json_object_get(j, "coordinator_key"), e->coordinator_key) != TM_OK)
		return TM_ECORRUPT;
	*ret_field = "addresses";
	if (addresses_read(json_object_get(j, "addresses"), e) != TM_OK)
		return TM_ECORRUPT;
	*ret_field = "listen_port";
	if (port_read(j, "listen_port", &e->listen_port) != TM_OK)
		return TM_ECORRUPT;
	*ret_field = "api_port";
	if (port_read(j, "api_port", &e->api_port) != TM_OK)
		return TM_ECORRUPT;
	*ret_field = "proxy";
	if (proxy && strlen(proxy) >= sizeof(e->proxy))
		return TM_ECORRUPT;
	if (proxy)
		memcpy(e->proxy, proxy, strlen(proxy) + 1);
	*ret_field = "tun";
	if (tun && strlen(tun) >= sizeof(e->tun))
		return TM_ECORRUPT;
	if (tun)
		memcpy(e->tun, tun, strlen(tun) + 1);
	e->coordinator = json_is_true(json_object_get(j, "coordinator"));
	return TM_OK;
}

static int damaged(struct diag *d, const char *path, const char *what)
{
	diag_hint(d, "put a backup of the file back, or move it away and join the mesh again");
	return diag_what(d, TM_ECORRUPT, "the enrolment file %s is damaged: %s", path, what);
}

static int text_read(const char *path, const char *text, size_t n, struct enrolment *e, struct diag *d)
{
	json_error_t where;
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
	const char *field;
	int err;

	if (!j) {
		char what[JSON_ERROR_TEXT_LENGTH + 32];

		snprintf(what, sizeof(what), "line %d: %s", where.line, where.text);
		return damaged(d, path, what);
	}
	json_int_t version = json_integer_value(json_object_get(j, "v"));
	if (version > FILE_VERSION) {
		diag_hint(d, "update this machine's tunnelmesh");
		err = diag_what(d, TM_EVERSION, "the enrolment file %s was written by a newer version", path);
	} else if (version != FILE_VERSION) {
		err = damaged(d, path, "field \"v\" is missing or wrong");
	} else {
		err = fields_read(j, e, &field);
		if (err) {
			char what[64];

			snprintf(what, sizeof(what), "field \"%s\" is missing or wrong", field);
			damaged(d, path, what);
		}
	}
	json_decref(j);
	return err;
}

int enrolment_load(const char *path, struct enrolment *ret_e, struct diag *d)
{
	struct enrolment e = {0};
	char *text = NULL;
	size_t n = 0;
	int err = os_read_file(path, FILE_MAX, &text, &n, d);

	if (err == TM_ENOENT) {
		diag_hint(d, "run `tunnelmesh init` or `tunnelmesh join TOKEN` first");
		return diag_what(d, err, "this machine is not enrolled in a mesh");
	}
	if (err)
		return err;

	err = text_read(path, text, n, &e, d);
	if (!err)
		*ret_e = e;
	wipe(text, n);
	free(text);
	enrolment_wipe(&e);
	return err;
}

/* --- writing --- */

static char *enrolment_text(const struct enrolment *e, size_t *ret_n)
{
	struct jsonout o = {0};

	jsonout_object(&o, NULL);
	jsonout_int(&o, "v", FILE_VERSION);
	mesh_info_put(&o, "mesh", &e->mesh);
	node_rec_put(&o, "self", &e->self);
	jsonout_bool(&o, "coordinator", e->coordinator);
	jsonout_base64(&o, "coordinator_key", e->coordinator_key, sizeof(e->coordinator_key));
	jsonout_list(&o, "addresses");
	for (size_t i = 0; i < e->n_addresses && i < TOKEN_ADDRS_MAX; i++)
		jsonout_text(&o, NULL, e->addresses[i]);
	jsonout_list_end(&o);
	if (e->listen_port)
		jsonout_int(&o, "listen_port", e->listen_port);
	if (e->api_port)
		jsonout_int(&o, "api_port", e->api_port);
	if (e->tun[0])
		jsonout_text(&o, "tun", e->tun);
	if (e->proxy[0])
		jsonout_text(&o, "proxy", e->proxy);
	jsonout_object_end(&o);
	return jsonout_take(&o, ret_n);
}

int enrolment_save(const char *path, const struct enrolment *e, struct diag *d)
{
	size_t n;
	char *text = enrolment_text(e, &n);

	if (!text)
		return diag_what(d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));

	text[n] = '\n'; /* over the NUL: the length goes along */
	int err = os_write_file(path, text, n + 1, 0600, d);
	wipe(text, n + 1);
	free(text);
	return err;
}
