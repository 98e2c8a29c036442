/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The netmap cache: {"v":1,"node":"<our id>","coordinator_key":"<base64>","map":<netmap>,
 * "coordinator":{"endpoint":"192.0.2.1:8443","data_port":51820,"addresses":[..]},
 * "peers":{"<id>":{"endpoint":"192.0.2.2:51820","candidates":[..]}}}.
 * It holds nothing that the coordinator could not tell again: a damaged one is ignored with a warning, and
 * written anew.
 */
#include <event2/event.h>
#include <string.h>

#include "base/encode.h"
#include "control/agent/agent_private.h"
#include "control/link/text.h"
#include "loop/helper.h"
#include "os/os.h"

enum { CACHE_MAX = 64 << 20, CACHE_VERSION = 1 };

/* --- reading --- */

static void endpoint_read(const json_t *j, struct endpoint *ep)
{
	const char *s = json_string_value(j);
	struct endpoint got;

	if (s && endpoint_parse(s, &got) == TM_OK && endpoint_is_set(&got))
		*ep = got;
}

static void peers_read(struct agent *a, const json_t *peers)
{
	const char *id;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)peers, id, v) {
		struct memo *m = node_id_valid(id) ? memo_get(a, id, true) : NULL;

		if (!m)
			continue;
		endpoint_read(json_object_get(v, "endpoint"), &m->worked);
		if (candidates_from_json(json_object_get(v, "candidates"), &m->known) != TM_OK)
			m->known = (struct candidates){0};
	}
}

/* Of this node in this mesh? A state directory may have been used before. */
static bool is_ours(const struct agent *a, const json_t *j)
{
	const char *node = json_string_value(json_object_get(j, "node"));
	const char *key = json_string_value(json_object_get(j, "coordinator_key"));
	char expected[BASE64_LEN(32) + 1];

	base64_encode(a->coordinator_key, 32, expected);
	return node && key && strcmp(node, a->self.id) == 0 && strcmp(key, expected) == 0;
}

static int cache_read(struct agent *a, const json_t *j)
{
	const json_t *coordinator = json_object_get(j, "coordinator");
	json_int_t port = json_integer_value(json_object_get(coordinator, "data_port"));
	struct netmap map = {0};

	if (json_integer_value(json_object_get(j, "v")) != CACHE_VERSION)
		return TM_EVERSION;
	if (!is_ours(a, j))
		return TM_EINVAL;

	int err = netmap_from_json(json_object_get(j, "map"), &a->mesh, &map);
	if (err)
		return err;

	/* Through the same door as what comes from the coordinator. */
	map.base = 0;
	err = netmap_apply(&a->map, &map);
	netmap_deinit(&map);
	if (err)
		return err;

	if (port > 0 && port <= UINT16_MAX)
		a->data_port = (uint16_t)port;
	endpoint_read(json_object_get(coordinator, "endpoint"), &a->coordinator);
	session_addresses_set(a, json_object_get(coordinator, "addresses"));
	peers_read(a, json_object_get(j, "peers"));
	return TM_OK;
}

void cache_load(struct agent *a)
{
	_cleanup_(freep) char *text = NULL;
	struct diag d = {0};
	const char *why = "";
	json_t *j = NULL;
	size_t n;
	int err = os_read_file(a->cache_path, CACHE_MAX, &text, &n, &d);

	if (err == TM_ENOENT)
		return;

	if (!err)
		err = text_parse(text, n, &j, &why);
	if (!err)
		err = cache_read(a, j);
	json_decref(j);
	if (err) {
		log_warn("agent: the netmap cache is unusable, ignoring it", KV("file", a->cache_path),
			KV_ERR(err), KV("why", d.what[0] ? d.what : why));
		return;
	}
	a->map_news = true;
	event_active(a->soon, EV_TIMEOUT, 0);
}

/* --- writing --- */

static json_t *peers_write(const struct agent *a)
{
	json_t *peers = json_object();
	struct memo *m;

	for (size_t i = 0; peers && (m = map_next(a->memos, &i));) {
		char ep[ENDPOINT_STR_LEN];

		if (m->known.n == 0 && !endpoint_is_set(&m->worked))
			continue;
		json_t *v = json_object();
		json_object_set_new(v, "candidates", candidates_to_json(&m->known));
		if (endpoint_is_set(&m->worked))
			json_object_set_new(v, "endpoint", json_string(endpoint_format(&m->worked, ep)));
		json_object_set_new(peers, m->id, v);
	}
	return peers;
}

static json_t *coordinator_write(const struct agent *a)
{
	json_t *j = json_object(), *list = json_array();
	char ep[ENDPOINT_STR_LEN];

	for (size_t i = 0; i < a->n_addresses; i++)
		json_array_append_new(list, json_string(a->addresses[i]));
	json_object_set_new(j, "addresses", list);
	json_object_set_new(j, "data_port", json_integer(a->data_port));
	if (endpoint_is_set(&a->coordinator))
		json_object_set_new(j, "endpoint", json_string(endpoint_format(&a->coordinator, ep)));
	return j;
}

static char *cache_text(const struct agent *a)
{
	char key[BASE64_LEN(32) + 1];

	base64_encode(a->coordinator_key, 32, key);
	json_t *j = json_pack("{s:i,s:s,s:s,s:o,s:o,s:o}", "v", CACHE_VERSION, "node", a->self.id,
		"coordinator_key", key, "coordinator", coordinator_write(a), "peers", peers_write(a), "map",
		netmap_to_json(&a->map));
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return text;
}

struct save {
	struct agent *agent;
	char *path, *text;
	struct diag d;
};

static void save_free(struct save *s)
{
	free(s->path);
	free(s->text);
	free(s);
}

static int save_run(void *job)
{
	struct save *s = job;

	return os_write_file(s->path, s->text, strlen(s->text), 0600, &s->d);
}

static void save_note(struct agent *a, int err, const struct diag *d)
{
	if (err && !a->save_failed)
		log_warn("agent: the netmap cache cannot be written, going on without it",
			KV("file", a->cache_path), KV_ERR(err), KV("why", d->what));
	a->save_failed = err != TM_OK;
}

static void save_done(void *job, int result)
{
	struct save *s = job;
	struct agent *a = s->agent;

	a->saving = false;
	if (result == TM_ECLOSED)
		a->dirty = true;
	else
		save_note(a, result, &s->d);
	save_free(s);
	if (a->dirty && a->helper)
		cache_dirty(a);
}

static int save_new(struct agent *a, struct save **ret_save)
{
	struct save *s = calloc(1, sizeof(*s));

	if (!s)
		return TM_ENOMEM;

	s->agent = a;
	s->path = strdup(a->cache_path);
	s->text = cache_text(a);
	if (!s->path || !s->text) {
		save_free(s);
		return TM_ENOMEM;
	}
	*ret_save = s;
	return TM_OK;
}

void cache_dirty(struct agent *a)
{
	struct timeval tv = {
		.tv_sec = a->tuning.save_delay / SEC, .tv_usec = a->tuning.save_delay % SEC / US};

	a->dirty = true;
	if (!a->saving && !event_pending(a->save_timer, EV_TIMEOUT, NULL))
		event_add(a->save_timer, &tv);
}

void cache_on_timer(struct agent *a)
{
	struct save *s;
	int err = save_new(a, &s);

	if (!err) {
		err = helper_submit(a->helper, save_run, save_done, s);
		if (err)
			save_free(s);
	}
	if (err) {
		save_note(a, err, &(struct diag){0});
		return;
	}
	a->dirty = false;
	a->saving = true;
}

void cache_save_now(struct agent *a)
{
	struct save *s;

	if (save_new(a, &s) != TM_OK)
		return;

	save_note(a, save_run(s), &s->d);
	save_free(s);
	a->dirty = false;
}
