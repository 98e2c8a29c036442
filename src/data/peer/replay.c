/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/replay.h"

#include "data/peer/keypair.h"

/*
 * The bitmap is a ring of words (RFC 6479): moving forward clears whole words instead of shifting bits. The
 * word that holds the highest counter is only partly used, hence one word less of window than of bitmap.
 */
bool replay_accept(struct replay *r, uint64_t counter)
{
	uint64_t word = counter / 64, bit = UINT64_C(1) << (counter % 64);

	if (counter >= WG_REJECT_AFTER_MESSAGES)
		return false;

	if (counter >= r->next) {
		uint64_t top = r->next ? (r->next - 1) / 64 : 0;
		uint64_t fresh = MIN(word - top, (uint64_t)REPLAY_WORDS);

		for (uint64_t i = 1; i <= fresh; i++)
			r->map[(top + i) % REPLAY_WORDS] = 0;
		r->next = counter + 1;
	} else if (r->next - 1 - counter > REPLAY_WINDOW) {
		return false;
	}

	if (r->map[word % REPLAY_WORDS] & bit)
		return false;

	r->map[word % REPLAY_WORDS] |= bit;
	return true;
}
