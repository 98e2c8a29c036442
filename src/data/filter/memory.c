/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/memory.h"

#include "os/low/memory.h"

static int part_init(struct filter_part *part, const struct filter_memory_config *cfg)
{
	const uint32_t most = MAX(cfg->flows / cfg->parts, (uint32_t)FILTER_FLOWS_MIN);
	int err = flows_new(&(struct flows_config){.most = most, .key = cfg->key}, &part->members);

	if (!err)
		err = flows_new(&(struct flows_config){.most = most / 2, .routed = true, .key = cfg->key},
			&part->routed);
	if (!err)
		err = pieces_new(&cfg->key, &part->pieces);
	return err;
}

int filter_memory_new(const struct filter_memory_config *cfg, struct filter_memory **ret_m)
{
	const size_t bytes = sizeof(struct filter_memory) + cfg->parts * sizeof(struct filter_part);
	_cleanup_(filter_memory_freep) struct filter_memory *m =
		memory_aligned(_Alignof(struct filter_memory), bytes);
	int err = TM_OK;

	if (!m)
		return TM_ENOMEM;

	memset(m, 0, bytes);
	m->parts = cfg->parts;
	for (unsigned i = 0; i < m->parts && !err; i++)
		err = part_init(&m->part[i], cfg);
	if (err)
		return err;

	*ret_m = TAKE(m);
	return TM_OK;
}

void filter_memory_free(struct filter_memory *m)
{
	if (!m)
		return;

	for (unsigned i = 0; i < m->parts; i++) {
		flows_free(m->part[i].members);
		flows_free(m->part[i].routed);
		pieces_free(m->part[i].pieces);
	}
	memory_aligned_free(m);
}

static void add(struct filter_count *sum, const struct flows *t)
{
	sum->flows += flows_count(t);
	sum->most += flows_most(t);
	sum->evicted += flows_evicted(t);
}

void filter_memory_count(const struct filter_memory *m, struct filter_count ret_count[static FILTER_KINDS])
{
	struct filter_count sum[FILTER_KINDS] = {{0}};

	for (unsigned i = 0; i < m->parts; i++) {
		add(&sum[FILTER_MEMBERS], m->part[i].members);
		add(&sum[FILTER_ROUTED], m->part[i].routed);
	}
	memcpy(ret_count, sum, sizeof(sum));
}
