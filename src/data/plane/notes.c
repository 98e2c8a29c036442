/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/notes.h"

#include <string.h>

enum { NOTES_MAX = 1 << 16 };

void notes_deinit(struct notes *s)
{
	free(s->v);
	*s = (struct notes){0};
}

static void add(struct notes *s, const struct note *note)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct note *v = s->n < NOTES_MAX ? realloc(s->v, cap * sizeof(*v)) : NULL;

		if (!v)
			return;
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n++] = *note;
}

void notes_add(struct notes *s, enum note_kind kind, const uint8_t *key, const struct way_to *by)
{
	struct note note = {.kind = kind};

	if (key)
		memcpy(note.key, key, sizeof(note.key));
	if (by)
		note.by = *by;
	add(s, &note);
}

static void tell(const struct note *note, const struct plane_events *ev)
{
	switch (note->kind) {
	case NOTE_WANT_PATH:
		if (ev->want_path)
			ev->want_path(ev->ctx, note->key);
		break;
	case NOTE_HEARD:
		if (ev->heard)
			ev->heard(ev->ctx, note->key, &note->by);
		break;
	case NOTE_UP:
	case NOTE_DOWN:
		if (ev->session)
			ev->session(ev->ctx, note->key, note->kind == NOTE_UP);
		break;
	case NOTE_OFFLOAD_LOST:
		if (ev->offload_lost)
			ev->offload_lost(ev->ctx);
		break;
	case NOTE_TUN_LOST:
		if (ev->tun_lost)
			ev->tun_lost(ev->ctx);
		break;
	}
}

void notes_deliver(struct notes *s, const struct plane_events *ev)
{
	struct notes now = *s;

	*s = (struct notes){0};
	for (size_t i = 0; i < now.n; i++)
		tell(&now.v[i], ev);
	notes_deinit(&now);
}
