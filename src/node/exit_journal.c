/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/exit_journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 2, TEXT_MAX = 256 };

void exit_journal_former(const char *path, const char *now, char ret_name[static 16])
{
	_cleanup_(freep) char *text = NULL;
	char names[NAMES_MAX][16] = {{0}};

	ret_name[0] = '\0';
	if (os_read_file(path, TEXT_MAX, &text, NULL, NULL) != TM_OK ||
		sscanf(text, "%15s %15s", names[0], names[1]) < 1)
		return;
	for (size_t i = 0; i < NAMES_MAX && !ret_name[0]; i++)
		if (strcmp(names[i], now) != 0 && !strchr(names[i], '/'))
			memcpy(ret_name, names[i], sizeof(names[i]));
}

int exit_journal_note(const char *path, const char *now, const char *former, struct diag *d)
{
	char text[TEXT_MAX];
	int n = snprintf(text, sizeof(text), "%.15s\n%.15s%s", now, former, former[0] ? "\n" : "");

	return os_write_file(path, text, (size_t)n, 0600, d);
}

void exit_journal_end(const char *path)
{
	(void)remove(path); /* without it: as good */
}

int exit_journal_undo(const char *path, const char *now, struct os_exit_left *ret_left, struct diag *d)
{
	struct os_exit_left left = {.any = false}, more = {.any = false};
	char former[16];

	exit_journal_former(path, now, former);
	int err = former[0] ? os_exit_undo(former, &more, d) : TM_OK;
	if (!err)
		err = os_exit_undo(now, &left, d);
	if (err)
		return err;
	left.any |= more.any;
	*ret_left = left;
	exit_journal_end(path);
	return TM_OK;
}
