/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who relays, as the coordinator says it: [{"node":"<id>","addrs":["192.0.2.1:51820"],"tcp":["hub:443"]}]. */
#include "base/plain.h"
#include "mesh/jsonin.h"
#include "wire/msg/msg.h"

#include <stdio.h>
#include <string.h>

static void relays_put(struct jsonout *o, const char *key, const struct relays *r)
{
	char text[ENDPOINT_STR_LEN];

	jsonout_list(o, key);
	for (size_t i = 0; i < r->n; i++) {
		const struct relay_rec *rec = &r->v[i];

		jsonout_object(o, NULL);
		jsonout_text(o, "node", rec->node);
		jsonout_list(o, "addrs");
		for (size_t k = 0; k < rec->n_addrs; k++) {
			struct endpoint ep = rec->addrs[k];

			ep.scope = 0; /* an interface index means nothing to another host */
			jsonout_text(o, NULL, endpoint_format(&ep, text));
		}
		jsonout_list_end(o);
		if (rec->n_tcp) {
			jsonout_list(o, "tcp");
			for (size_t k = 0; k < rec->n_tcp; k++)
				jsonout_text(o, NULL, rec->tcp[k]);
			jsonout_list_end(o);
		}
		jsonout_object_end(o);
	}
	jsonout_list_end(o);
}

static void addrs_from_json(const json_t *j, struct relay_rec *r)
{
	for (size_t i = 0; i < json_array_size(j) && r->n_addrs < RELAY_ADDRS_MAX; i++) {
		const char *s = jsonin_string(json_array_get(j, i));

		if (s && !strchr(s, '%') && endpoint_parse(s, &r->addrs[r->n_addrs]) == TM_OK &&
			r->addrs[r->n_addrs].port)
			r->n_addrs++;
	}
}

/* Whether it can be reached is found out by who dials; here it must only be fit to be shown. */
static void tcp_from_json(const json_t *j, struct relay_rec *r)
{
	for (size_t i = 0; i < json_array_size(j) && r->n_tcp < RELAY_TCP_MAX; i++) {
		const char *s = jsonin_string(json_array_get(j, i));

		if (s && strchr(s, ':') && strlen(s) < RELAY_TCP_LEN && plain_is(s))
			snprintf(r->tcp[r->n_tcp++], RELAY_TCP_LEN, "%s", s);
	}
}

static int relays_get(const json_t *j, struct relays *ret_r)
{
	if (!json_is_array(j))
		return TM_EBADMSG;

	*ret_r = (struct relays){.n = 0};
	for (size_t i = 0; i < json_array_size(j) && ret_r->n < RELAYS_MAX; i++) {
		const json_t *item = json_array_get(j, i);
		struct relay_rec r = {.n_addrs = 0};

		if (jsonin_word(item, "node", node_id_valid, r.node, sizeof(r.node)) ||
			relays_find(ret_r, r.node))
			continue;
		addrs_from_json(json_object_get(item, "addrs"), &r);
		tcp_from_json(json_object_get(item, "tcp"), &r);
		ret_r->v[ret_r->n++] = r;
	}
	return TM_OK;
}

void msg_relays_put(struct jsonout *o, const struct msg_relays *m)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "relays");
	relays_put(o, "relays", &m->relays);
	if (m->partial)
		jsonout_bool(o, "partial", true);
	jsonout_object_end(o);
}

int msg_relays_get(const json_t *j, struct msg_relays *ret_m)
{
	int err = relays_get(json_object_get(j, "relays"), &ret_m->relays);

	if (!err)
		ret_m->partial = json_is_true(json_object_get(j, "partial"));
	return err;
}
