/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/top.h"

#include <string.h>

#include "base/text.h"
#include "cli/core/cli.h"
#include "cli/core/peers.h"

static const struct {
	char key;
	const char *name;
} sorts[] = {
#define X(name, key, word) [TOP_##name] = {key, word},
	TOP_SORTS(X)
#undef X
};

const char *top_sort_name(enum top_sort s)
{
	return sorts[s].name;
}

int top_sort_parse(const char *name, enum top_sort *ret_s)
{
	for (enum top_sort s = 0; s < TOP_SORT_N; s++)
		if (strcmp(sorts[s].name, name) == 0) {
			*ret_s = s;
			return TM_OK;
		}
	return TM_ENOENT;
}

int top_sort_of_key(int key, enum top_sort *ret_s)
{
	for (enum top_sort s = 0; s < TOP_SORT_N; s++)
		if (sorts[s].key == key) {
			*ret_s = s;
			return TM_OK;
		}
	return TM_ENOENT;
}

/* --- what is known --- */

static const json_t *peers_of(const struct top *t)
{
	return json_object_get(t->status, "peers");
}

static void forget_rows(struct top *t)
{
	free(t->all);
	free(t->v);
	t->all = t->v = NULL;
	t->n = t->n_all = 0;
}

void top_deinit(struct top *t)
{
	forget_rows(t);
	json_decref(t->status);
	json_decref(t->before);
	t->status = t->before = NULL;
}

/* NULL: no memory. */
static json_t *by_id(const json_t *peers)
{
	json_t *all = json_object(), *p;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)peers, i, p)
		json_object_set(all, json_text(p, "id"), p);
	return all;
}

/* A counter that went back is one that began anew. */
static double rate(const struct top *t, const json_t *now, const json_t *before, const char *key)
{
	const int64_t n = json_number(now, key) - json_number(before, key);

	return before && n > 0 && t->took > 0 ? (double)n * (double)SEC / (double)t->took : 0;
}

static int fill(struct top *t)
{
	const size_t n = json_array_size(peers_of(t));
	json_t *p;
	size_t i;

	forget_rows(t);
	t->all = calloc(n + 1, sizeof(*t->all));
	t->v = calloc(n + 1, sizeof(*t->v));
	if (!t->all || !t->v)
		return TM_ENOMEM;

	json_array_foreach ((json_t *)(uintptr_t)peers_of(t), i, p) {
		const json_t *before = json_object_get(t->before, json_text(p, "id"));

		t->all[t->n_all++] = (struct top_peer){.j = p,
			.received = rate(t, p, before, "rx_bytes"),
			.sent = rate(t, p, before, "tx_bytes")};
	}
	return TM_OK;
}

int top_take(struct top *t, json_t *status_take, ns_t now)
{
	json_t *before = t->status ? by_id(peers_of(t)) : NULL;

	if (!json_is_array(json_object_get(status_take, "peers"))) {
		json_decref(status_take);
		json_decref(before);
		return TM_EPROTO;
	}
	forget_rows(t); /* they borrow from it */
	json_decref(t->before);
	json_decref(t->status);
	t->took = t->status ? now - t->at : 0;
	t->before = before;
	t->status = status_take;
	t->at = now;
	int err = fill(t);
	if (!err)
		top_arrange(t);
	return err;
}

/* --- order --- */

static const char *path_of(const json_t *j, char buf[static PEER_TEXT_LEN])
{
	return peer_is_relayed(j) ? peer_path(j, buf) : peer_state(j, buf);
}

static bool is_wanted(const struct top *t, const json_t *j)
{
	char path[PEER_TEXT_LEN];

	return text_has(json_text(j, "name"), t->filter) || text_has(json_text(j, "ip4"), t->filter) ||
	       text_has(json_text(j, "ip6"), t->filter) || text_has(json_text(j, "endpoint"), t->filter) ||
	       text_has(path_of(j, path), t->filter);
}

/* The more somebody should look at it the larger. */
static double trouble(const json_t *j)
{
	static const char *const paths[] = {"none", "idle", "direct", "relay", "tcp", "offline", "checking"};

	for (size_t i = ARRAY_LEN(paths); i-- > 0;)
		if (strcmp(json_text(j, "path"), paths[i]) == 0)
			return (double)i;
	return 0;
}

static double figure(const struct top_peer *p, enum top_sort sort)
{
	switch (sort) {
	case TOP_TRAFFIC:
		return p->received + p->sent;
	case TOP_RECEIVED:
		return p->received;
	case TOP_SENT:
		return p->sent;
	case TOP_RTT:
		return peer_has_rtt(p->j) ? json_number_value(json_object_get(p->j, "rtt_ms")) : -1;
	case TOP_PATH:
		return trouble(p->j);
	case TOP_NAME:
	case TOP_SORT_N:
		break;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct top_peer *x = a, *y = b;

	if (x->figure != y->figure)
		return x->figure > y->figure ? -1 : 1;
	return strcmp(json_text(x->j, "name"), json_text(y->j, "name"));
}

static int compare_inverted(const void *a, const void *b)
{
	return compare(b, a);
}

void top_arrange(struct top *t)
{
	t->n = 0;
	for (size_t i = 0; i < t->n_all; i++)
		if (is_wanted(t, t->all[i].j)) {
			t->v[t->n] = t->all[i];
			t->v[t->n].figure = figure(&t->all[i], t->sort);
			t->n++;
		}
	if (t->n)
		qsort(t->v, t->n, sizeof(*t->v), t->inverted ? compare_inverted : compare);
}

/* --- showing --- */

struct sums {
	size_t direct, relayed, checking, offline;
	double received, sent;
};

static struct sums sum_up(const struct top *t)
{
	struct sums s = {0};

	for (size_t i = 0; i < t->n_all; i++) {
		const struct top_peer *p = &t->all[i];
		const char *path = json_text(p->j, "path");

		s.direct += strcmp(path, "direct") == 0;
		s.relayed += peer_is_relayed(p->j);
		s.checking += strcmp(path, "checking") == 0;
		s.offline += strcmp(path, "offline") == 0;
		s.received += p->received;
		s.sent += p->sent;
	}
	return s;
}

static const char *rate_text(double bytes, char buf[static FORMAT_LEN])
{
	return format_rate(bytes * 8, buf);
}

void top_print_head(const struct top *t, FILE *f)
{
	const json_t *self = json_object_get(t->status, "self"), *link = json_object_get(t->status, "link");
	const struct sums s = sum_up(t);
	char span[FORMAT_LEN], received[FORMAT_LEN], sent[FORMAT_LEN];

	fprintf(f, "  %s \u00b7 mesh \"%s\" \u00b7 up %s%s\n", json_text(self, "name"),
		json_text(json_object_get(t->status, "mesh"), "name"),
		format_span(json_number(t->status, "uptime_s"), span),
		json_is_true(json_object_get(link, "up")) ? "" : " \u00b7 no link to the coordinator");
	fprintf(f,
		"  %zu direct, %zu relayed, %zu checking, %zu offline of %zu \u00b7 received %s, sent %s\n",
		s.direct, s.relayed, s.checking, s.offline,
		t->n_all + (size_t)json_number(t->status, "left_out"), rate_text(s.received, received),
		rate_text(s.sent, sent));
}

static void add_row(struct columns *t, const struct top_peer *p)
{
	char path[PEER_TEXT_LEN], rtt[FORMAT_LEN], received[FORMAT_LEN], sent[FORMAT_LEN];

	columns_cell(t, json_text(p->j, "name"));
	columns_tone(t, path_of(p->j, path), peer_tone(p->j));
	columns_cell(t, peer_rtt(p->j, rtt));
	columns_cell(t, p->received > 0 ? rate_text(p->received, received) : NULL);
	columns_cell(t, p->sent > 0 ? rate_text(p->sent, sent) : NULL);
	columns_cell(t, json_text(p->j, "ip4"));
	columns_cell(t, peer_tone(p->j) == TONE_GOOD ? json_text(p->j, "endpoint") : NULL);
}

int top_print_rows(const struct top *t, size_t first, size_t most, FILE *f, const struct screen *screen)
{
	static const char *const heads[] = {"NAME", "PATH", "RTT", "RECEIVED", "SENT", "ADDRESS", "ENDPOINT"};
	_cleanup_(columns_deinit) struct columns c;

	columns_init(&c, heads, ARRAY_LEN(heads));
	for (size_t i = first; i < t->n && i - first < most; i++)
		add_row(&c, &t->v[i]);
	return columns_print(&c, f, screen);
}

static json_t *peer_json(const struct top_peer *p)
{
	static const char *const same[] = {"name", "id", "ip4", "ip6", "path", "relay", "endpoint", "rtt_ms"};
	json_t *j = json_object();

	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		json_t *v = json_object_get(p->j, same[i]);

		json_object_set_new(j, same[i], v ? json_incref(v) : json_null());
	}
	json_object_set_new(j, "received_bytes_per_s", json_rounded(p->received));
	json_object_set_new(j, "sent_bytes_per_s", json_rounded(p->sent));
	return j;
}

json_t *top_json(const struct top *t)
{
	const struct sums s = sum_up(t);
	json_t *peers = json_array();

	for (size_t i = 0; i < t->n; i++)
		json_array_append_new(peers, peer_json(&t->v[i]));
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:I}", "ok", 1, "interval_s",
		json_rounded((double)t->took / (double)SEC), "received_bytes_per_s", json_rounded(s.received),
		"sent_bytes_per_s", json_rounded(s.sent), "peers", peers, "left_out",
		(json_int_t)json_number(t->status, "left_out"));
}
