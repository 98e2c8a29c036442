/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A node's backup as one file: an archive (wire/archive.h) whose first member, backup.json, says what the
 * others are. It holds the identity key and the mesh's secret. Pure.
 */
#ifndef TM_CLI_CORE_BACKUP_H
#define TM_CLI_CORE_BACKUP_H

#include "base/diag.h"
#include "base/err.h"
#include "mesh/model.h"
#include "wire/archive.h"

/* In the order in which they are put into place: with the last one the machine is a member. */
enum backup_part { BACKUP_DB, BACKUP_CLOCK, BACKUP_IDENTITY, BACKUP_ENROLMENT, BACKUP_PARTS };

struct backup {
	char mesh[NODE_NAME_MAX + 1], node[NODE_NAME_MAX + 1];
	bool coordinator;
	int64_t made; /* Unix seconds */
	struct backup_content {
		const uint8_t *p; /* borrowed; NULL = not there */
		size_t n;
	} part[BACKUP_PARTS];
};

/* The part's file in the state directory, and how large it may be. */
const char *backup_name(enum backup_part part);
size_t backup_max(enum backup_part part);
size_t backup_file_max(void); /* of the whole file */

/* Caller wipes and frees *ret_bytes. */
NODISCARD int backup_pack(const struct backup *b, uint8_t **ret_bytes, size_t *ret_n);
/*
 * The parts lie in p. Refused with a sentence: what is no backup, cut off, damaged, of a newer version, or
 * without a part that its kind of node needs. That the parts fit each other is not looked at.
 */
NODISCARD int backup_unpack(const uint8_t *p, size_t n, struct backup *ret_b, struct diag *d);

#endif
