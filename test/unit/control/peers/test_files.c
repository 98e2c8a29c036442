/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What becomes of the file: of other versions, damaged, on a disk that is full or cannot be written. */
#include "peers_rig.h"

#include "crypto/init.h"
#include "os/os.h"

#include <sys/stat.h>
#include <unistd.h>

static void leave_version_1(struct rig *r)
{
	rig_open(r);
	start(r);
	tell_three(r);
	struct contact *c = peers_meet(r->peers, record(2).id);
	c->worked = (struct endpoint){.ip = ip_v4_host(1), .port = 9};
	c->stamps.check = 7;
	peers_keep(r->peers, c);
	peers_free(TAKE(r->peers));
	by_hand(r, "ALTER TABLE state DROP COLUMN relays; DROP TABLE policy;"
		   "ALTER TABLE member DROP COLUMN aliases; ALTER TABLE member DROP COLUMN routes; PRAGMA "
		   "user_version = 1");
}

static void a_file_of_the_version_before_keeps_what_it_has(void **state)
{
	const struct relays told = two_relays();
	const struct contact *c;
	struct rig r;

	(void)state;
	leave_version_1(&r);
	start(&r);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
		/* The routes of members are told with the next map, which is asked for whole. */
		assert_int_equal(mesh_version(peers_mesh(r.peers)), 0);
		c = peers_contact(r.peers, record(2).id);
		assert_true(c && c->stamps.check == 7 && c->worked.port == 9);
		assert_int_equal(peers_relays(r.peers)->n, i ? told.n : 0);
		peers_set_relays(r.peers, &told);
		restart(&r);
	}
	assert_int_equal(r.warnings, 0);
	rig_close(&r);
}

static void one_that_cannot_be_changed_is_read_as_it_is(void **state)
{
	static const struct {
		unsigned version;
		bool full; /* else it is read-only */
	} rows[] = {{1, false}, {2, false}, {1, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct contact *c;
		struct rig r;

		(void)state;
		leave_version_1(&r);
		if (rows[i].version == 2)
			restart(&r);
		disk_is_full = rows[i].full;
		disk_is_read_only = !rows[i].full;
		restart(&r);
		assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
		c = peers_contact(r.peers, record(2).id);
		assert_true(c && c->stamps.check == 7 && c->worked.port == 9);
		assert_int_equal(peers_relays(r.peers)->n, 0);
		assert_int_equal(r.warnings, 0);
		disk_is_full = disk_is_read_only = false;
		rig_close(&r);
	}
}

/* Damage of every kind, in a file that was good. */
static void an_unusable_file_is_made_anew(void **state)
{
	static const struct {
		const char *what, *text, *sql;
	} rows[] = {
		{"empty", "", NULL},
		{"no database", "{\"v\":1}", NULL},
		{"a table is gone", NULL, "DROP TABLE contact"},
		{"a column is gone", NULL, "DROP TABLE member; CREATE TABLE member (id TEXT)"},
		{"no state", NULL, "DELETE FROM state"},
		{"another program's", NULL, "PRAGMA application_id = 1"},
		{"a newer version's", NULL, "PRAGMA user_version = 99"},
		{"another node's", NULL, "UPDATE state SET self = '00000000000000ee'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;

		rig_open(&r);
		start(&r);
		tell_three(&r);
		peers_free(TAKE(r.peers));
		if (rows[i].text) {
			assert_int_equal(
				os_write_file(r.path, rows[i].text, strlen(rows[i].text), 0600, NULL), TM_OK);
		} else {
			by_hand(&r, rows[i].sql);
		}
		start(&r);
		if (mesh_size(peers_mesh(r.peers)) || mesh_version(peers_mesh(r.peers)))
			fail_msg("%s: believed", rows[i].what);
		tell_three(&r);
		restart(&r);
		if (mesh_size(peers_mesh(r.peers)) != 3)
			fail_msg("%s: not written anew", rows[i].what);
		rig_close(&r);
	}
}

/* It looks like ours until it is written to: also damage, and no reason to lose what was told. */
static void a_file_that_refuses_a_row_is_made_anew(void **state)
{
	static const char *const schemas[] = {
		/* a rule that ours does not have */
		"CREATE TABLE m (id TEXT PRIMARY KEY, name TEXT CHECK (name <> 'n9'), host, key, kind, "
		"coordinator, via, tags, routes, aliases) WITHOUT ROWID; INSERT INTO m SELECT * FROM member;"
		"DROP TABLE member; ALTER TABLE m RENAME TO member",
		/* another type than ours */
		"DROP TABLE contact; CREATE TABLE contact (id INTEGER PRIMARY KEY, worked, candidates, "
		"handshake, checked)",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
		struct rig r;
		struct node_rec late = record(9);
		struct candidates told = candidates_of(2);

		snprintf(late.id, sizeof(late.id), "00000000000000ab");
		rig_open(&r);
		start(&r);
		tell_three(&r);
		peers_free(TAKE(r.peers));
		by_hand(&r, schemas[i]);
		start(&r);
		assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
		tell(&r, &late, 1);
		peers_set_candidates(r.peers, peers_meet(r.peers, late.id), &told);
		restart(&r);
		if (mesh_size(peers_mesh(r.peers)) != 4 || !peers_contact(r.peers, late.id))
			fail_msg("not written anew: %s", schemas[i]);
		assert_int_equal(r.warnings, 1); /* that it is made anew */
		rig_close(&r);
	}
}

static void a_page_of_garbage_is_no_reason_to_fail(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 6 * 4096; at += 1021) {
		struct rig r;

		rig_open(&r);
		start(&r);
		tell_three(&r);
		peers_free(TAKE(r.peers));
		FILE *f = fopen(r.path, "r+");
		assert_non_null(f);
		assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
		assert_int_equal(fwrite("garbage, garbage, garbage", 1, 25, f), 25);
		fclose(f);
		start(&r); /* all, part, or nothing is believed, but nothing impossible */
		uint64_t version = mesh_version(peers_mesh(r.peers));
		assert_true(version <= 1 && (version == 0 || mesh_size(peers_mesh(r.peers)) == 3));
		restart(&r);
		rig_close(&r);
	}
}

static void a_row_that_is_lost_makes_it_ask_for_the_whole_map(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	start(&r);
	tell_three(&r);
	peers_free(TAKE(r.peers));
	by_hand(&r, "UPDATE member SET key = x'00' WHERE name = 'n1'");
	start(&r);
	assert_int_equal(mesh_size(peers_mesh(r.peers)), 2); /* what is left serves until then */
	assert_int_equal(mesh_version(peers_mesh(r.peers)), 0);
	tell_three(&r);
	restart(&r);
	assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
	assert_int_equal(mesh_version(peers_mesh(r.peers)), 1);
	rig_close(&r);
}

static void a_file_that_cannot_be_is_said_once_and_done_without(void **state)
{
	struct rig r;
	char dir[80];

	(void)state;
	rig_open(&r);
	snprintf(dir, sizeof(dir), "%s/later", r.dir);
	snprintf(r.path, sizeof(r.path), "%s/netmap.db", dir);
	start(&r);
	assert_int_equal(r.warnings, 0); /* none is no reason to complain */
	tell_three(&r);
	for (unsigned i = 0; i < 500 && r.warnings == 0; i++) /* a busy machine needs a while to try */
		run_ms(&r, 20);
	run_ms(&r, 50);
	assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
	assert_int_equal(r.warnings, 1);
	assert_int_equal(
		mkdir(dir, 0700), 0); /* the disk is there again: at the next change, or at the end */
	restart(&r);
	assert_int_equal(mesh_size(peers_mesh(r.peers)), 3);
	peers_free(TAKE(r.peers));
	(void)unlink(r.path);
	(void)rmdir(dir);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_the_version_before_keeps_what_it_has),
		cmocka_unit_test(one_that_cannot_be_changed_is_read_as_it_is),
		cmocka_unit_test(an_unusable_file_is_made_anew),
		cmocka_unit_test(a_file_that_refuses_a_row_is_made_anew),
		cmocka_unit_test(a_page_of_garbage_is_no_reason_to_fail),
		cmocka_unit_test(a_row_that_is_lost_makes_it_ask_for_the_whole_map),
		cmocka_unit_test(a_file_that_cannot_be_is_said_once_and_done_without),
	};

	assert_int_equal(crypto_init(NULL), TM_OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
