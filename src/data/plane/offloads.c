/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/offloads.h"

#include <stdio.h>
#include <string.h>

static const char *const labels[PLANE_OFFLOAD_N] = {
#define X(name, label, text) [PLANE_OFFLOAD_BIT_##name] = (label),
	PLANE_OFFLOADS(X)
#undef X
};

const char *plane_offloads_format(unsigned offloads, char buf[static PLANE_OFFLOADS_STR])
{
	size_t at = 0;

	if (offloads == 0 || offloads == PLANE_OFFLOAD_ALL) {
		snprintf(buf, PLANE_OFFLOADS_STR, "%s", offloads ? "all" : "none");
		return buf;
	}
	for (unsigned i = 0; i < PLANE_OFFLOAD_N; i++) {
		size_t n = strlen(labels[i]);

		if (!(offloads & 1u << i) || at + n + 2 > PLANE_OFFLOADS_STR)
			continue;
		if (at)
			buf[at++] = ',';
		memcpy(buf + at, labels[i], n);
		at += n;
	}
	buf[at] = '\0';
	return buf;
}

static unsigned find(const char *s, size_t n)
{
	for (unsigned i = 0; i < PLANE_OFFLOAD_N; i++)
		if (strlen(labels[i]) == n && strncmp(s, labels[i], n) == 0)
			return 1u << i;
	return 0;
}

int plane_offloads_parse(const char *s, unsigned *ret_offloads)
{
	unsigned got = 0;

	if (strcmp(s, "all") == 0 || strcmp(s, "none") == 0) {
		*ret_offloads = *s == 'a' ? PLANE_OFFLOAD_ALL : 0;
		return TM_OK;
	}
	for (;;) {
		size_t n = strcspn(s, ",");
		unsigned bit = find(s, n);

		if (!bit)
			return TM_EINVAL;
		got |= bit;
		if (!s[n])
			break;
		s += n + 1;
	}
	if (got & PLANE_OFFLOAD_USO && !(got & PLANE_OFFLOAD_TUN))
		return TM_EINVAL;
	*ret_offloads = got;
	return TM_OK;
}
