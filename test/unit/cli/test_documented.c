/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every command and every option that there is has a place in the man page and in the completions of each
 * shell. */
#include "unit/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/core/cli.h"
#include "os/files.h"
#include "os/os.h"

enum { TEXT_MAX = 1 << 20, WORD_MAX = 64 };

static char *read_dist(const char *name)
{
	char path[512], *text = NULL;

	snprintf(path, sizeof(path), TM_SOURCE_DIR "/dist/%s", name);
	assert_int_equal(os_read_file(path, TEXT_MAX, &text, NULL, NULL), TM_OK);
	return text;
}

static bool is_inside(char c)
{
	return isalnum((unsigned char)c) || c == '-';
}

/* As a word of its own, between from and end. */
static bool says(const char *from, const char *end, const char *word)
{
	const size_t n = strlen(word);

	for (const char *at = from; (at = strstr(at, word)) && at + n <= end; at++)
		if (!(at > from && is_inside(at[-1])) && !is_inside(at[n]))
			return true;
	return false;
}

/* Is it an option of the command, in what the man page says of that? It may be in several places. */
static bool page_has(const char *page, const char *command, const char *option)
{
	char head[WORD_MAX];
	const int n = snprintf(head, sizeof(head), "\n.It Cm %s", command);

	for (const char *at = page; (at = strstr(at, head)); at += n) {
		if (at[n] != ' ' && at[n] != '\n')
			continue;
		const char *next = strstr(at + n, "\n.It Cm "), *section = strstr(at, "\n.S");
		const char *end = section && (!next || section < next) ? section : next;

		if (!option || says(at, end ? end : at + strlen(at), option))
			return true;
	}
	return false;
}

static void expect_page(const char *page, const struct command *cmd)
{
	char option[WORD_MAX];

	if (!page_has(page, cmd->name, NULL))
		fail_msg("tunnelmesh.8 has no `%s`", cmd->name);
	for (const struct opt *o = cmd->opts; o && o->name; o++) {
		const char letter[] = {o->letter, '\0'};

		snprintf(option, sizeof(option), "-%s", o->name);
		if (!page_has(page, cmd->name, option) && !(o->letter && page_has(page, cmd->name, letter)))
			fail_msg("tunnelmesh.8 has no --%s of `%s`", o->name, cmd->name);
	}
}

static void expect_shell(const char *shell, const char *text, const struct command *cmd)
{
	const char *end = text + strlen(text);
	char word[WORD_MAX];

	snprintf(word, sizeof(word), "%s", cmd->name);
	for (char *part = strtok(word, " "); part; part = strtok(NULL, " "))
		if (!says(text, end, part))
			fail_msg("the completions of %s have no \"%s\" of `%s`", shell, part, cmd->name);
	for (const struct opt *o = cmd->opts; o && o->name; o++) {
		char option[WORD_MAX];

		snprintf(option, sizeof(option), strcmp(shell, "fish") == 0 ? "-l %s" : "--%s", o->name);
		if (!says(text, end, option))
			fail_msg("the completions of %s have no --%s of `%s`", shell, o->name, cmd->name);
	}
}

static void each_command_and_option_is_in_the_man_page(void **state UNUSED)
{
	char *page = read_dist("man/tunnelmesh.8");

	for (size_t i = 0; commands[i]; i++)
		expect_page(page, commands[i]);
	free(page);
}

static void each_command_and_option_is_in_the_completions(void **state UNUSED)
{
	static const char *const shells[] = {"bash", "zsh", "fish"};

	for (size_t s = 0; s < ARRAY_LEN(shells); s++) {
		char name[32];
		snprintf(name, sizeof(name), "completions/%s", shells[s]);
		char *text = read_dist(name);

		for (size_t i = 0; commands[i]; i++)
			expect_shell(shells[s], text, commands[i]);
		free(text);
	}
}

static void a_word_inside_of_another_is_not_it(void **state UNUSED)
{
	static const char text[] = "tokens --uses-not a--ttl list";

	assert_false(says(text, text + strlen(text), "token"));
	assert_false(says(text, text + strlen(text), "--uses"));
	assert_false(says(text, text + strlen(text), "--ttl"));
	assert_true(says(text, text + strlen(text), "list"));
	assert_true(page_has("\n.It Cm a b Fl -x\n.It Cm a c", "a b", "-x"));
	assert_false(page_has("\n.It Cm a b Fl -x\n.It Cm a c", "a c", "-x"));
	assert_false(page_has("\n.It Cm a bb", "a b", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_command_and_option_is_in_the_man_page),
		cmocka_unit_test(each_command_and_option_is_in_the_completions),
		cmocka_unit_test(a_word_inside_of_another_is_not_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
