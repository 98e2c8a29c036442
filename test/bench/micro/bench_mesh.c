/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_mesh: what a mesh of so many members costs one of them, without plane and paths: bytes per member,
 * microseconds per change (taken in, and turned into what the plane is told), milliseconds for the first
 * snapshot, for writing it, and for reading it at the next start.
 */
#include <event2/event.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/micro/micro.h"
#include "control/peers/peers.h"
#include "control/policy/policy.h"
#include "crypto/init.h"

enum { MEMBERS_MAX = 30000, CHANGES = 2000 };

static const struct mesh_info info = {.net4 = {{IP_V4, {100, 64}}, 10}, .net6 = {{IP_V6, {0xfd}}, 64}};
static struct node_rec nodes[MEMBERS_MAX];
static unsigned told;

static int on_put(void *ctx, const struct plane_peer *p)
{
	(void)ctx, (void)p;
	told++;
	return 0;
}

static int on_remove(void *ctx, const uint8_t key[32])
{
	(void)ctx, (void)key;
	told++;
	return 0;
}

static struct peers *start(struct event_base *base, const char *path)
{
	static const uint8_t key[32] = {7};
	const struct peers_config cfg = {.path = path,
		.mesh = &info,
		.self_id = nodes[0].id,
		.coordinator_key = key,
		.save_delay = SEC};
	struct peers *p;

	if (peers_new(base, &cfg, &p))
		abort();
	return p;
}

static void take(struct peers *p, struct netmap *update)
{
	static const uint8_t secret[32] = {9};
	const struct policy policy = {.secret = secret,
		.self_key = nodes[0].key,
		.self_id = nodes[0].id,
		.self_host = nodes[0].host};
	const struct policy_ops ops = {.put = on_put, .remove = on_remove};
	struct mesh_diff d;

	update->version = mesh_version(peers_mesh(p)) + 1;
	if (peers_update(p, update, &d) || policy_apply(&policy, peers_mesh(p), &d, &ops))
		abort();
	mesh_diff_deinit(&d);
}

static double ms_since(uint64_t t)
{
	return (double)(micro_clock() - t) / 1e6;
}

static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* One member after the other: a new name each time, or a new key. */
static double change_us(struct peers *p, size_t n, bool key)
{
	uint64_t t = micro_clock();

	for (uint32_t i = 0; i < CHANGES; i++) {
		struct node_rec *r = &nodes[1 + i % (n - 1)];
		struct netmap delta = {.base = mesh_version(peers_mesh(p)), .nodes = r, .n_nodes = 1};

		if (key)
			memcpy(r->key + 8, &(uint32_t){i + 1}, 4);
		else
			snprintf(r->name, sizeof(r->name), "renamed-%u-%u", i, key);
		take(p, &delta);
	}
	return (double)(micro_clock() - t) / 1e3 / CHANGES;
}

static void measure(struct event_base *base, const char *path, size_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		nodes[i] = (struct node_rec){.host = i + 1};
		snprintf(nodes[i].id, sizeof(nodes[i].id), "%016x", i * 2654435761u);
		snprintf(nodes[i].name, sizeof(nodes[i].name), "node-%u", i);
		memcpy(nodes[i].key, &(uint32_t){i + 1}, 4);
	}
	struct peers *p = start(base, path);
	struct netmap all = {.nodes = nodes, .n_nodes = n};
	size_t before = heap();
	uint64_t t = micro_clock();
	take(p, &all);
	double snapshot_ms = ms_since(t);
	t = micro_clock();
	peers_free(p);
	double write_ms = ms_since(t);

	before = heap();
	t = micro_clock();
	p = start(base, path);
	double read_ms = ms_since(t);
	size_t bytes = heap() - before;
	double rename_us = change_us(p, n, false), key_us = change_us(p, n, true);
	t = micro_clock();
	peers_free(p);
	printf("%8zu %10zu %10.1f %10.1f %12.1f %10.1f %10.1f %12.1f\n", n, bytes / n, rename_us, key_us,
		snapshot_ms, write_ms, read_ms, ms_since(t));
	(void)unlink(path);
}

int main(void)
{
	static const size_t sizes[] = {100, 1000, 3000, 10000, 30000};
	char dir[] = "/tmp/bench-mesh-XXXXXX", path[64];
	struct event_base *base = event_base_new();

	if (!base || crypto_init(NULL) || !mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/netmap.db", dir);
	printf("%8s %10s %10s %10s %12s %10s %10s %12s\n", "members", "bytes each", "rename us", "key us",
		"snapshot ms", "write ms", "read ms", "2000 rows ms");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		measure(base, path, sizes[i]);
	micro_load();
	event_base_free(base);
	return rmdir(dir);
}
