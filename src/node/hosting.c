/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/hosting.h"

#include <stdio.h>
#include <string.h>

#include "os/os.h"

static int keep(void *ctx, const char *text, struct diag *d)
{
	const struct hosting *h = ctx;

	return os_write_file(h->journal, text, strlen(text), 0600, d);
}

/* What the journal undoes is what would be done now. */
static bool is_noted(const struct hosting *h)
{
	_cleanup_(freep) char *text = NULL;

	return os_read_file(h->journal, OS_RESOLV_NOTE_MAX, &text, NULL, NULL) == TM_OK &&
	       os_resolv_is_noted(&h->host, text);
}

int hosting_apply(struct hosting *h, bool may_write)
{
	h->host.note = keep;
	h->host.ctx = h;
	os_resolv_look(&h->host);
	/* Another way or another place than before: what was done there is not wanted any more. */
	if (os_exists(h->journal) && !is_noted(h)) {
		int err = hosting_undo(h->journal, &h->host.problem);
		if (err)
			return err;
	}
	return os_resolv_apply(&h->host, may_write);
}

int hosting_undo(const char *journal, struct diag *d)
{
	_cleanup_(freep) char *text = NULL;
	int err = os_read_file(journal, OS_RESOLV_NOTE_MAX, &text, NULL, d);

	if (err)
		return err;
	err = os_resolv_undo(text, d);
	if (err == TM_ECORRUPT)
		diag_what(d, err, "%s makes no sense", journal);
	/* What makes no sense will make none tomorrow; what could not be done now is tried at the next start.
	 */
	if (!err || err == TM_ECORRUPT)
		(void)remove(journal);
	return err;
}
