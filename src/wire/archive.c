/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/archive.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK = 512, END_BLOCKS = 2 };

/* POSIX.1-1988, "ustar Interchange Format": text is padded with NUL, numbers are octal digits and a NUL. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, linkname[100];
	char magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "ustar's header is one block");

static size_t padded(size_t n)
{
	return (n + BLOCK - 1) / BLOCK * BLOCK;
}

/* The sum of the header's bytes, those of the checksum itself taken as blanks. */
static unsigned checksum(const struct header *h)
{
	const uint8_t *p = (const uint8_t *)h;
	unsigned sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= offsetof(struct header, checksum) && i < offsetof(struct header, type) ? ' '
												   : p[i];
	return sum;
}

static void octal_put(char *field, size_t n, uint64_t v)
{
	field[--n] = '\0';
	while (n--) {
		field[n] = (char)('0' + (v & 7));
		v >>= 3;
	}
}

static bool octal_get(const char *field, size_t n, uint64_t *ret_v)
{
	uint64_t v = 0;

	for (size_t i = 0; i + 1 < n; i++) {
		if (field[i] < '0' || field[i] > '7')
			return false;
		v = v << 3 | (uint64_t)(field[i] - '0');
	}
	*ret_v = v;
	return field[n - 1] == '\0';
}

size_t archive_size(const struct archive_file *files, size_t n)
{
	size_t size = (size_t)END_BLOCKS * BLOCK;

	for (size_t i = 0; i < n; i++)
		size += BLOCK + padded(files[i].n);
	return size;
}

static struct header header_of(const struct archive_file *f, uint64_t mtime)
{
	struct header h = {.type = '0', .magic = "ustar", .version = {'0', '0'}};

	snprintf(h.name, sizeof(h.name), "%s", f->name);
	octal_put(h.mode, sizeof(h.mode), 0600);
	octal_put(h.uid, sizeof(h.uid), 0);
	octal_put(h.gid, sizeof(h.gid), 0);
	octal_put(h.size, sizeof(h.size), f->n);
	octal_put(h.mtime, sizeof(h.mtime), mtime);
	octal_put(h.devmajor, sizeof(h.devmajor), 0);
	octal_put(h.devminor, sizeof(h.devminor), 0);
	/* Six digits, NUL and a blank: the one field of another shape. */
	octal_put(h.checksum, sizeof(h.checksum) - 1, checksum(&h));
	h.checksum[7] = ' ';
	return h;
}

void archive_write(const struct archive_file *files, size_t n, int64_t made, uint8_t *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct archive_file *f = &files[i];
		struct header h = header_of(f, made > 0 ? (uint64_t)made : 0);

		memcpy(out, &h, BLOCK);
		out += BLOCK;
		if (f->n)
			memcpy(out, f->p, f->n);
		memset(out + f->n, 0, padded(f->n) - f->n);
		out += padded(f->n);
	}
	memset(out, 0, (size_t)END_BLOCKS * BLOCK);
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* Names become paths: nothing that leads out of a directory, or that a person would not see in it. */
static bool name_get(const char field[static 100], char ret_name[static ARCHIVE_NAME_MAX + 1])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
	size_t n = strnlen(field, 100);

	if (n == 0 || n > ARCHIVE_NAME_MAX || field[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr(allowed, field[i]))
			return false;
	memcpy(ret_name, field, n);
	ret_name[n] = '\0';
	return all_zero((const uint8_t *)field + n, 100 - n);
}

int archive_next(struct archive_reader *r, struct archive_file *ret_file)
{
	struct archive_file f;
	struct header h, again;
	uint64_t size, mtime;

	if ((size_t)(r->end - r->at) < BLOCK)
		return TM_ESHORT;
	if (all_zero(r->at, BLOCK)) {
		size_t left = (size_t)(r->end - r->at);

		if (left < (size_t)END_BLOCKS * BLOCK)
			return TM_ESHORT;
		return all_zero(r->at, left) ? TM_ENOENT : TM_EBADMSG;
	}
	memcpy(&h, r->at, BLOCK);
	if (!name_get(h.name, f.name) || !octal_get(h.size, sizeof(h.size), &size) ||
		!octal_get(h.mtime, sizeof(h.mtime), &mtime))
		return TM_EBADMSG;
	/* All else has one value, so links, devices, long names and extensions are out at once. */
	f.n = (size_t)size;
	again = header_of(&f, mtime);
	if (memcmp(&h, &again, BLOCK) != 0)
		return TM_EBADMSG;

	size_t left = (size_t)(r->end - r->at) - BLOCK;
	if (f.n > left || padded(f.n) > left) /* in this order: what fits cannot overflow */
		return TM_ESHORT;
	f.p = r->at + BLOCK;
	if (!all_zero(f.p + f.n, padded(f.n) - f.n))
		return TM_EBADMSG;

	r->at += BLOCK + padded(f.n);
	*ret_file = f;
	return TM_OK;
}
