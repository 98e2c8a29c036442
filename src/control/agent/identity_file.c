/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/agent/identity_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/init.h"
#include "os/files.h"
#include "os/os.h"

enum { PATH_LEN = 4096 };

int identity_load(const char *path, struct identity *ret_id, struct diag *d)
{
	char *text;
	size_t n;
	int err = os_read_file(path, IDENTITY_TEXT_MAX, &text, &n, d);

	if (err)
		return err;

	diag_where(d, "%s", path);
	err = identity_parse(text, n, ret_id, d);
	wipe(text, n);
	free(text);
	return err;
}

int identity_save(const struct identity *id, const char *path, struct diag *d)
{
	char built[PATH_LEN], *text;
	struct diag of_built = {0};

	/* A name that nobody else has at this moment: only one of two can take the place. */
	if (snprintf(built, sizeof(built), "%s.%08x.new", path, random_u32()) >= (int)sizeof(built))
		return diag_what(d, TM_ERANGE, "the name %.64s... is too long", path);

	int err = identity_format(id, "tunnelmesh", &text);
	if (err)
		return err;

	err = os_create_file(built, text, strlen(text), 0600, &of_built);
	int why = errno;

	wipe(text, strlen(text));
	free(text);
	/* Of the file that was asked for: nobody has heard of the other. */
	diag_where(d, "%s", path);
	if (err) {
		diag_hint(d, "%s", of_built.hint);
		return diag_what(d, err, "cannot be written: %s", strerror(why));
	}

	err = os_name_file(built, path);
	why = errno;
	(void)os_remove_file(built);
	if (err == TM_EEXIST)
		return diag_what(d, err, "a file is already there, and an identity is never overwritten");
	if (err)
		return diag_what(d, err, "cannot be written: %s", strerror(why));
	return TM_OK;
}
