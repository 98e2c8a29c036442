/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Any text as a policy, and a rule more in it: refused with a sentence, or a text that has that rule besides
 * those that were there, and is taken away again. Behind NULs: what it is about, from whom, to whom, its id.
 */
#include "fuzz/fuzz.h"
#include "policy/edit.h"

enum { PARTS = 5 };

static struct policy_doc *document(const char *text)
{
	struct policy_doc *doc = NULL;

	assert(policy_doc_read("fuzz", text, strlen(text), POLICY_ACCEPTED, &doc, NULL) == TM_OK);
	return doc;
}

static void all_are_in(const struct policy_doc *doc, const struct policy_doc *other)
{
	for (size_t i = 0; i < doc->n_rules; i++)
		assert(policy_doc_rule(other, doc->rules[i].id));
}

/* Whatever is left of the text has been in it. */
static void remove_again(const char *text, const char *more, const char *id)
{
	struct policy_doc *before = document(text), *after;
	struct diag d = {0};
	char *less = NULL;

	int err = policy_edit_remove(more, id, &less, &d);
	if (err) {
		assert(err == TM_ENOMEM || (err == TM_EUNSUPPORTED && d.what[0]));
	} else {
		after = document(less);
		assert(after->n_rules == before->n_rules && strlen(less) < strlen(more));
		all_are_in(before, after);
		policy_doc_free(after);
	}
	policy_doc_free(before);
	free(less);
}

static void add(const char *text, const struct policy_new_rule *r)
{
	struct policy_doc *before, *after;
	char *more = NULL, id[POLICY_ID_MAX + 1];
	struct diag d = {0};

	int err = policy_edit_add(text, r, &more, id, &d);
	if (err) {
		assert(!more && (err == TM_ENOMEM || d.what[0]) && !d.where[0]);
		return;
	}
	before = document(text);
	after = document(more);
	assert(after->n_rules == before->n_rules + 1 && policy_doc_rule(after, id) &&
		!policy_doc_rule(before, id));
	all_are_in(before, after);
	policy_doc_free(before);
	policy_doc_free(after);
	remove_again(text, more, id);
	free(more);
}

static void take_away(const char *text, const char *id)
{
	struct diag d = {0};
	char *less = NULL;

	int err = policy_edit_remove(text, id, &less, &d);
	if (err)
		assert(!less && (err == TM_ENOMEM || d.what[0]));
	else
		policy_doc_free(document(less));
	free(less);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + PARTS);
	const char *part[PARTS];

	assert(text);
	if (size)
		memcpy(text, data, size);
	part[0] = text;
	for (int i = 1; i < PARTS; i++) {
		const char *end = part[i - 1] + strlen(part[i - 1]);

		part[i] = end < text + size ? end + 1 : end;
	}
	const struct policy_new_rule r = {.action = size % 2 ? POLICY_ALLOW : POLICY_REJECT,
		.services = part[1],
		.from = part[2],
		.to = part[3],
		.id = part[4][0] ? part[4] : NULL};
	add(text, &r);
	take_away(text, part[4]);
	free(text);
	return 0;
}
