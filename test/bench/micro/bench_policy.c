/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_policy: what a large policy costs. Reading 1,000 rules; a model of 10,000 nodes with 50 tags, and one
 * node's share of it; a proof over 1,000 atoms, of everybody against everybody.
 */
#include <string.h>

#include "base/strbuf.h"
#include "bench/micro/micro.h"
#include "fake/random.h"
#include "policy/compile.h"
#include "policy/prove.h"

enum { NODES = 10000, TAGS = 50, RULES = 1000, ATOMS = 1000, ROUNDS = 9 };

static uint64_t seed = 0x5eed;

static uint32_t rnd(uint32_t n)
{
	return fake_random(&seed) % n;
}

static void must(int err)
{
	if (err)
		abort();
}

/* tags: how many a node has of how many there are. */
static struct mesh *mesh_of(uint32_t nodes, unsigned each, unsigned tags)
{
	static const struct mesh_info info = {
		.net4 = {{IP_V4, {100, 64}}, 16}, .net6 = {{IP_V6, {0xfd}}, 64}};
	struct mesh *m;

	must(mesh_new(&info, &m));
	for (uint32_t i = 1; i <= nodes; i++) {
		struct node_rec r = {.host = i};

		snprintf(r.id, sizeof(r.id), "%016x", i);
		snprintf(r.name, sizeof(r.name), "n%u", i);
		memcpy(r.key, &i, sizeof(i));
		for (unsigned k = 0; k < each; k++)
			snprintf(r.tags[r.n_tags++], sizeof(r.tags[0]), "t%u",
				(i * 7 + k * (i / tags + 1)) % tags);
		must(mesh_add(m, &r));
	}
	return m;
}

static struct policy_doc *doc_of(unsigned rules, unsigned tags)
{
	struct strbuf b = {0};
	struct policy_doc *doc;
	uint64_t start;

	strbuf_puts(&b, "rules:\n");
	for (unsigned i = 0; i < rules; i++)
		strbuf_printf(&b,
			"  - {id: x%u, %s: [tcp/%u, udp/%u-%u], from: tag:t%u, to: [tag:t%u, tag:t%u]}\n", i,
			i % 10 ? "allow" : "deny", 1 + rnd(60000), 1 + rnd(30000), 30001 + rnd(30000),
			i % tags, (i + 1 + i / tags) % tags, (i + 1 + i / tags + tags / 2) % tags);
	start = micro_clock();
	must(policy_doc_parse("bench", b.s, b.len, &doc, NULL));
	printf("read %u rules (%zu KiB): %.1f ms\n", rules, b.len / 1024,
		(double)(micro_clock() - start) / 1e6);
	strbuf_deinit(&b);
	return doc;
}

static void print_ms(const char *what, struct micro *m)
{
	printf("%s: best %.2f ms, median %.2f ms\n", what, micro_best(m) / 1e6, micro_median(m) / 1e6);
}

static void compile(const struct policy_doc *doc, const struct mesh *mesh)
{
	const struct policy_world w = {.mesh = mesh};
	struct micro model = {0}, share = {0};
	size_t kinds = 0, classes = 0;

	for (int round = 0; round < ROUNDS; round++) {
		struct policy_model *m;
		struct policy_share *s;
		uint64_t start = micro_clock();

		must(policy_model_new(doc, &w, &m));
		micro_add(&model, micro_clock() - start, 1);
		start = micro_clock();
		must(policy_compile(m, "0000000000000001", &s));
		micro_add(&share, micro_clock() - start, 1);
		kinds = m->n_kinds;
		classes = s->n_classes;
		policy_share_free(s);
		policy_model_free(m);
	}
	printf("%d nodes: %zu kinds, %zu classes\n", NODES, kinds, classes);
	print_ms("  model", &model);
	print_ms("  one node's share", &share);
}

static void prove(struct policy_doc *doc, const struct mesh *mesh, const char *text, bool transitive)
{
	const struct policy_world w = {.mesh = mesh};
	struct policy_statement s;
	struct micro t = {0};
	size_t pairs = 0, atoms = 0;
	bool holds = false;

	must(policy_statement_parse(doc, NULL, text, &s, NULL));
	for (int round = 0; round < ROUNDS; round++) {
		struct policy_model *m;
		struct policy_proof p;
		uint64_t start = micro_clock();

		must(policy_model_new(doc, &w, &m));
		must(policy_prove(m, &s, transitive, &p));
		micro_add(&t, micro_clock() - start, 1);
		pairs = p.n_pairs;
		atoms = m->n_atoms;
		holds = p.holds;
		policy_proof_deinit(&p);
		policy_model_free(m);
	}
	printf("\"%s\"%s over %zu atoms, %zu pairs of kinds: %s\n", text, transitive ? ", transitive" : "",
		atoms, pairs, holds ? "true" : "false");
	print_ms("  model and proof", &t);
	policy_statement_deinit(&s);
}

int main(void)
{
	struct policy_doc *few = doc_of(100, TAGS), *many = doc_of(RULES, ATOMS);
	struct mesh *mesh = mesh_of(NODES, 2, TAGS), *atoms = mesh_of(NODES, 1, ATOMS);

	micro_load();
	compile(few, mesh);
	prove(few, mesh, "any cannot reach any tcp/65000", false);
	prove(many, atoms, "any cannot reach any tcp/65000", false);
	prove(many, atoms, "any cannot reach any tcp/65000", true);
	mesh_free(mesh);
	mesh_free(atoms);
	policy_doc_free(few);
	policy_doc_free(many);
	return 0;
}
