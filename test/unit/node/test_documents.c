/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The manual page and the completions know every command and every option that the program has, and no other
 * option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/core/cli.h"
#include "cli/core/commands.h"
#include "data/plane/drops.h"
#include "os/os.h"

static char *read_source(const char *name)
{
	char path[512], *text = NULL;
	struct diag d = {0};

	snprintf(path, sizeof(path), "%s/%s", TM_SOURCE_DIR, name);
	if (os_read_file(path, 1 << 20, &text, NULL, &d) != TM_OK)
		fail_msg("%s", d.what);
	return text;
}

/* What precedes an option's name there, and what may not follow it. */
struct document {
	const char *file, *before;
};

static const struct document documents[] = {
	{"dist/man/tunnelmesh.8", "-"}, /* .Fl -name */
	{"dist/completions/bash", "--"},
	{"dist/completions/zsh", "--"},
	{"dist/completions/fish", "-l "},
};

static bool word_ends(char c)
{
	return !isalnum((unsigned char)c) && c != '-' && c != '_';
}

static bool has_word(const char *text, const char *before, const char *word)
{
	char whole[64];

	snprintf(whole, sizeof(whole), "%s%s", before, word);
	for (const char *p = strstr(text, whole); p; p = strstr(p + 1, whole))
		if (word_ends(p[strlen(whole)]))
			return true;
	return false;
}

static void expect_options(
	const struct document *doc, const char *text, const char *command, const struct opt *opts)
{
	for (const struct opt *o = opts; o && o->name; o++)
		if (!has_word(text, doc->before, o->name))
			fail_msg("%s does not know --%s of `%s`", doc->file, o->name, command);
}

static void every_option_is_documented_and_completed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		char *text = read_source(documents[i].file);
		expect_options(&documents[i], text, "tunnelmesh", global_opts);
		for (size_t k = 0; commands[k]; k++)
			expect_options(&documents[i], text, commands[k]->name, commands[k]->opts);
		free(text);
	}
}

static void every_command_is_documented_and_completed(void **state)
{
	char *manual = read_source("dist/man/tunnelmesh.8");

	(void)state;
	for (size_t k = 0; commands[k]; k++)
		if (!has_word(manual, ".It Cm ", commands[k]->name))
			fail_msg("dist/man/tunnelmesh.8 does not know `%s`", commands[k]->name);
	free(manual);

	for (size_t i = 1; i < ARRAY_LEN(documents); i++) {
		char *text = read_source(documents[i].file);
		for (size_t k = 0; commands[k]; k++) {
			char words[64];
			snprintf(words, sizeof(words), "%s", commands[k]->name);
			for (char *save = NULL, *w = strtok_r(words, " ", &save); w;
				w = strtok_r(NULL, " ", &save))
				if (!has_word(text, "", w))
					fail_msg("%s does not know `%s`", documents[i].file,
						commands[k]->name);
		}
		free(text);
	}
}

static bool is_option(const char *name, size_t n)
{
	for (const struct opt *o = global_opts; o->name; o++)
		if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
			return true;
	for (size_t k = 0; commands[k]; k++)
		for (const struct opt *o = commands[k]->opts; o && o->name; o++)
			if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
				return true;
	return false;
}

static void the_manual_explains_every_reason_to_drop_a_packet(void **state)
{
	char *text = read_source("dist/man/tunnelmesh.8"), row[256];

	(void)state;
	for (int i = 0; i < DROP_N; i++) {
		const char *why = plane_drop_text((enum plane_drop)i);

		snprintf(row, sizeof(row), ".It Ql %s\n%c%s.\n", plane_drop_label((enum plane_drop)i),
			toupper((unsigned char)why[0]), why + 1);
		if (!strstr(text, row))
			fail_msg("dist/man/tunnelmesh.8 has no row: %s", row);
	}
	free(text);
}

static void the_completions_offer_no_option_that_there_is_not(void **state)
{
	(void)state;
	for (size_t i = 1; i < ARRAY_LEN(documents); i++) {
		char *text = read_source(documents[i].file);
		const char *before = documents[i].before;
		for (const char *p = strstr(text, before); p; p = strstr(p + 1, before)) {
			const char *name = p + strlen(before);
			size_t n = 0;
			while (!word_ends(name[n]))
				n++;
			if (n > 1 && (p == text || p[-1] != '-') && !is_option(name, n))
				fail_msg("%s offers --%.*s", documents[i].file, (int)n, name);
		}
		free(text);
	}
}

static void every_word_for_programs_is_in_the_document_about_json(void **state)
{
	static const char *const codes[] = {
#define X(name, value, word, text) word,
		TM_ERRORS(X)
#undef X
	};
	char *text = read_source("docs/json.md");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (!has_word(text, "`", codes[i]))
			fail_msg("docs/json.md does not know the code %s", codes[i]);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_documented_and_completed),
		cmocka_unit_test(every_command_is_documented_and_completed),
		cmocka_unit_test(every_word_for_programs_is_in_the_document_about_json),
		cmocka_unit_test(the_manual_explains_every_reason_to_drop_a_packet),
		cmocka_unit_test(the_completions_offer_no_option_that_there_is_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
