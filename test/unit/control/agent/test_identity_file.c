/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The identity on disk: ours, and what ssh-keygen makes of it. */
#include "control/agent/identity_file.h"

#include "base/encode.h"
#include "crypto/init.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void saving_creates_a_private_file_and_never_replaces_one(void **state)
{
	struct identity id, other, back;
	struct diag d = {0};
	struct stat st;

	(void)state;
	assert_int_equal(identity_generate(&id), TM_OK);
	assert_int_equal(identity_generate(&other), TM_OK);
	assert_int_equal(identity_save(&id, in_folder("identity"), &d), TM_OK);
	assert_int_equal(stat(in_folder("identity"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);

	assert_int_equal(identity_save(&other, in_folder("identity"), &d), TM_EEXIST);
	assert_int_equal(identity_load(in_folder("identity"), &back, &d), TM_OK);
	assert_memory_equal(&back, &id, sizeof(id));
}

static void what_cannot_be_an_identity_is_named(void **state)
{
	static char large[IDENTITY_TEXT_MAX + 1];
	struct identity id;
	struct diag d = {0};

	(void)state;
	assert_int_equal(identity_load(in_folder("nothing"), &id, &d), TM_ENOENT);
	assert_non_null(strstr(d.what, in_folder("nothing")));
	assert_int_equal(identity_load(folder, &id, &d), TM_EINVAL);
	assert_non_null(strstr(d.what, "is not a file"));

	FILE *f = fopen(in_folder("large"), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(large, sizeof(large), 1, f), 1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(identity_load(in_folder("large"), &id, &d), TM_ERANGE);
	assert_string_equal(d.where, "");

	f = fopen(in_folder("text"), "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(identity_load(in_folder("text"), &id, &d), TM_EBADMSG);
	assert_string_equal(d.where, in_folder("text"));
	assert_string_equal(d.what, "the file is empty");

	assert_int_equal(identity_generate(&id), TM_OK);
	d = (struct diag){0};
	assert_int_equal(identity_save(&id, in_folder("no/folder/identity"), &d), TM_ENOENT);
	assert_non_null(strstr(d.where, in_folder("no/folder/identity")));
}

/* --- ssh-keygen, the independent implementation --- */

static bool have_ssh_keygen(void)
{
	return system("command -v ssh-keygen >/dev/null 2>&1") == 0;
}

static void ssh_keygen(const char *options, const char *name)
{
	char command[512];

	snprintf(command, sizeof(command), "ssh-keygen -q %s -C 'a comment' -f %s >/dev/null 2>&1", options,
		in_folder(name));
	assert_int_equal(system(command), 0);
}

/* The public key of a "ssh-ed25519 AAAA... comment" line. */
static void read_public_line(FILE *f, uint8_t ret_pub[static ED_KEY])
{
	char line[256], digits[128];
	uint8_t blob[128];
	size_t n;

	assert_non_null(fgets(line, sizeof(line), f));
	assert_int_equal(sscanf(line, "ssh-ed25519 %127s", digits), 1);
	assert_int_equal(base64_decode(digits, strlen(digits), blob, sizeof(blob), &n), TM_OK);
	assert_int_equal(n, 4 + 11 + 4 + 32);
	memcpy(ret_pub, blob + 19, ED_KEY);
}

static void keys_of_ssh_keygen_can_be_used(void **state)
{
	uint8_t pub[ED_KEY];
	struct identity id;
	struct diag d = {0};
	FILE *f;

	(void)state;
	if (!have_ssh_keygen())
		skip();

	ssh_keygen("-t ed25519 -N ''", "theirs");
	assert_int_equal(identity_load(in_folder("theirs"), &id, &d), TM_OK);
	f = fopen(in_folder("theirs.pub"), "r");
	assert_non_null(f);
	read_public_line(f, pub);
	fclose(f);
	assert_memory_equal(pub, id.ed_pub, ED_KEY);
}

static void ssh_keygen_reads_our_keys(void **state)
{
	char command[256];
	uint8_t pub[ED_KEY];
	struct identity id;
	struct diag d = {0};
	FILE *f;

	(void)state;
	if (!have_ssh_keygen())
		skip();

	assert_int_equal(identity_generate(&id), TM_OK);
	assert_int_equal(identity_save(&id, in_folder("ours"), &d), TM_OK);
	snprintf(command, sizeof(command), "ssh-keygen -y -f %s", in_folder("ours"));
	f = popen(command, "r");
	assert_non_null(f);
	read_public_line(f, pub);
	assert_int_equal(pclose(f), 0);
	assert_memory_equal(pub, id.ed_pub, ED_KEY);
}

static void other_keys_of_ssh_keygen_are_refused_by_name(void **state)
{
	static const struct {
		const char *options, *name, *says;
	} rows[] = {
		{"-t ed25519 -N secret", "encrypted", "passphrase"},
		{"-t rsa -b 2048 -N ''", "rsa", "an RSA key"},
		{"-t ecdsa -N ''", "ecdsa", "an ECDSA key"},
		{"-t rsa -b 2048 -m PEM -N ''", "pem", "PEM"},
	};
	struct identity id;

	(void)state;
	if (!have_ssh_keygen())
		skip();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};

		ssh_keygen(rows[i].options, rows[i].name);
		assert_int_equal(identity_load(in_folder(rows[i].name), &id, &d), TM_EUNSUPPORTED);
		if (!strstr(d.what, rows[i].says) || !d.hint[0])
			fail_msg("%s: %s", rows[i].name, d.what);
	}
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/tm-identity-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"identity", "large", "text", "ours", "theirs", "theirs.pub",
		"encrypted", "encrypted.pub", "rsa", "rsa.pub", "ecdsa", "ecdsa.pub", "pem", "pem.pub"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlink(in_folder(names[i]));
	return rmdir(folder); /* fails when something else was left behind, such as a temporary file */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(saving_creates_a_private_file_and_never_replaces_one),
		cmocka_unit_test(what_cannot_be_an_identity_is_named),
		cmocka_unit_test(keys_of_ssh_keygen_can_be_used),
		cmocka_unit_test(ssh_keygen_reads_our_keys),
		cmocka_unit_test(other_keys_of_ssh_keygen_are_refused_by_name),
	};

	if (crypto_init(NULL) < 0)
		return 1;

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
