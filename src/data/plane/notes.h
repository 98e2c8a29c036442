/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the plane's owner is to hear (struct plane_events), kept until nothing of ours is on the stack: the
 * callbacks may call back into the plane, even remove the peer that they are about. Control thread.
 */
#ifndef TM_DATA_PLANE_NOTES_H
#define TM_DATA_PLANE_NOTES_H

#include "data/plane/plane.h"

enum note_kind { NOTE_WANT_PATH, NOTE_HEARD, NOTE_UP, NOTE_DOWN, NOTE_OFFLOAD_LOST, NOTE_TUN_LOST };

struct note {
	enum note_kind kind;
	uint8_t key[32];
	struct way_to by; /* NOTE_HEARD */
};

struct notes {
	struct note *v;
	size_t n, cap;
};

void notes_deinit(struct notes *s);
/* key and by may be NULL. Without memory the note is lost; all of these are hints that come again. */
void notes_add(struct notes *s, enum note_kind kind, const uint8_t *key, const struct way_to *by);
/* Calls the owner for each, also for those that the calls bring about (those wait for the next time). */
void notes_deliver(struct notes *s, const struct plane_events *ev);

#endif
