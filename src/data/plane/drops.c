/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/drops.h"

static const struct {
	const char *label, *text;
} drops[] = {
#define X(name, label, text) [DROP_##name] = {label, text},
	PLANE_DROPS(X)
#undef X
};

const char *plane_drop_label(enum plane_drop d)
{
	return drops[d].label;
}

const char *plane_drop_text(enum plane_drop d)
{
	return drops[d].text;
}
