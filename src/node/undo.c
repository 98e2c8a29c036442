/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/undo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

/* NONE: there is no such. */
static enum portmap_protocol protocol_by_name(const char *name)
{
	for (unsigned p = PORTMAP_PCP; p < PORTMAP_PROTOCOL_N; p++)
		if (strcmp(portmap_protocol_name((enum portmap_protocol)p), name) == 0)
			return (enum portmap_protocol)p;
	return PORTMAP_NONE;
}

static bool read_line(const char *line, struct portmap_owed *ret_owed)
{
	char by[8], gateway[IP_STR_LEN], own[IP_STR_LEN];
	unsigned internal, external;
	struct portmap_owed o;

	_Static_assert(IP_STR_LEN == 46, "as below");
	if (sscanf(line, "%7s %45s %45s %u %u", by, gateway, own, &internal, &external) != 5 ||
		internal - 1 >= UINT16_MAX || external > UINT16_MAX ||
		ip_parse(gateway, &o.gateway) != TM_OK || ip_parse(own, &o.own) != TM_OK ||
		!(o.by = protocol_by_name(by)))
		return false;
	o.internal = (uint16_t)internal;
	o.external = (uint16_t)external;
	*ret_owed = o;
	return true;
}

int undo_load(const char *path, struct portmap_owed ret_v[static PORTMAP_OWED_MAX], size_t *ret_n)
{
	_cleanup_(freep) char *text = NULL;
	int err = os_read_file(path, UNDO_TEXT_MAX, &text, NULL, NULL);
	size_t n = 0;

	for (const char *line = text; line && *line && n < PORTMAP_OWED_MAX;) {
		if (read_line(line, &ret_v[n]))
			n++;
		else
			err = TM_ECORRUPT;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	*ret_n = n;
	return err == TM_ENOENT ? TM_OK : err;
}

void undo_format(const struct portmap_owed *v, size_t n, char ret_text[static UNDO_TEXT_MAX])
{
	char gateway[IP_STR_LEN], own[IP_STR_LEN];
	size_t len = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(ret_text + len, UNDO_TEXT_MAX - len, "%s %s %s %u %u\n",
			portmap_protocol_name(v[i].by), ip_format(&v[i].gateway, gateway),
			ip_format(&v[i].own, own), v[i].internal, v[i].external);
}
