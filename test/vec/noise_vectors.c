/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* noise-vectors FILE...: runs Noise test vectors and prints "N passed, M failed, K skipped". */
#include "crypto/init.h"
#include "vec/vectors.h"

#include <stdio.h>
#include <string.h>

struct count {
	unsigned of[3]; /* by enum vector_verdict */
};

static void run_vectors(const char *path, const json_t *vectors, struct aead *a, struct count *count)
{
	size_t i;
	const json_t *v;

	json_array_foreach (vectors, i, v) {
		const char *name = vector_name(v);
		struct vector_why why = {""};
		enum vector_verdict verdict = vector_run(v, a, &why);

		count->of[verdict]++;
		if (verdict == VECTOR_FAILED)
			fprintf(stderr, "%s: vector %zu (%s): %s\n", path, i + 1, name ? name : "no name",
				why.text);
	}
}

static bool run_file(const char *path, struct aead *a, struct count *count)
{
	json_error_t error;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	const json_t *vectors = json_object_get(root, "vectors");
	bool ok = json_array_size(vectors) > 0;

	if (ok)
		run_vectors(path, vectors, a, count);
	else if (root)
		fprintf(stderr, "%s: holds no test vectors\n", path);
	else if (error.line > 0)
		fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
	else
		fprintf(stderr, "%s\n", error.text);
	json_decref(root);
	return ok;
}

int main(int argc, char **argv)
{
	struct count count = {{0}};
	struct aead *a = NULL;
	struct diag d = {0};
	bool ok = true;

	if (argc < 2) {
		fprintf(stderr, "usage: noise-vectors FILE...\n");
		return 2;
	}
	if (crypto_init(&d) < 0 || aead_new(&a) < 0) {
		fprintf(stderr, "noise-vectors: %s\n", d.what[0] ? d.what : "out of memory");
		return 1;
	}

	for (int i = 1; i < argc; i++)
		ok = run_file(argv[i], a, &count) && ok;
	printf("%u passed, %u failed, %u skipped\n", count.of[VECTOR_PASSED], count.of[VECTOR_FAILED],
		count.of[VECTOR_SKIPPED]);
	aead_free(a);
	return ok && count.of[VECTOR_FAILED] == 0 ? 0 : 1;
}
