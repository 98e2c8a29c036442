/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/plain.h"
#include "mesh/event.h"

static char *sentence(const struct event *e)
{
	struct strbuf b = {0};

	event_sentence(e, &b);
	return strbuf_take(&b);
}

static void every_kind_is_found_by_its_word_and_says_something(void **state)
{
	(void)state;
	for (int i = EVENT_NONE + 1; i < EVENT_KINDS; i++) {
		const struct event e = {.kind = (enum event_kind)i, .about = "nas", .detail = "such"};
		char *said = sentence(&e);

		assert_int_equal(event_kind_of(event_word(e.kind)), i);
		assert_true(said[0] && !strpbrk(said, "{}"));
		free(said);
	}
	assert_int_equal(event_kind_of("member.danced"), EVENT_NONE);
	assert_int_equal(event_kind_of(""), EVENT_NONE);
	for (int i = 0; i < EVENT_DOORS; i++)
		assert_int_equal(event_door_of(event_door_word((enum event_door)i)), i);
}

static void a_sentence_has_whom_what_and_by_whom(void **state)
{
	static const struct {
		struct event e;
		const char *said;
	} rows[] = {
		{{.kind = EVENT_RENAMED, .about = "nas", .detail = "box", .by = "root"},
			"nas is called box now (by root)"},
		{{.kind = EVENT_TAGS, .about = "nas"}, "nas has these tags now: none"},
		{{.kind = EVENT_BACKUP, .by = "root"}, "a backup of the mesh was made (by root)"},
		/* What stands in a field is no field. */
		{{.kind = EVENT_WARNING, .detail = "a {detail} of {about}"}, "a {detail} of {about}"},
		{{.kind = EVENT_ROUTE_APPROVED, .about = "nas", .detail = "192.0.2.0/24"},
			"192.0.2.0/24 behind nas was approved"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *said = sentence(&rows[i].e);

		if (strcmp(said, rows[i].said) != 0)
			fail_msg("row %zu: %s", i, said);
		free(said);
	}
}

static void a_detail_fits_and_steers_no_terminal(void **state)
{
	struct event e = {.kind = EVENT_WARNING};
	char longer[2 * EVENT_DETAIL_MAX];

	(void)state;
	event_set_detail(&e, "a\x1b[31m\nb");
	assert_string_equal(e.detail, "a?[31m?b");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer + EVENT_DETAIL_MAX - 1, "\xe2\x9c\x93", 3); /* is cut in two */
	event_set_detail(&e, "%s", longer);
	assert_int_equal(strlen(e.detail), EVENT_DETAIL_MAX);
	assert_true(plain_is(e.detail));
}

static void as_json_it_has_every_key_also_of_what_there_is_not(void **state)
{
	const struct event e = {.number = 7,
		.at = 99,
		.kind = EVENT_TOKEN_REVOKED,
		.about = "0ab",
		.by = "root",
		.door = EVENT_SOCKET};
	struct jsonout o = {0};

	(void)state;
	event_put(&o, &e, false);
	char *text = jsonout_take(&o, NULL);
	assert_string_equal(text,
		"{\"origin\":\"mesh\",\"number\":7,\"happened_at\":99,\"event\":\"token.revoked\","
		"\"level\":\"info\",\"about\":\"0ab\",\"id\":null,\"detail\":null,\"by\":\"root\","
		"\"by_id\":null,\"door\":\"socket\","
		"\"text\":\"the token 0ab was revoked (by root)\"}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_found_by_its_word_and_says_something),
		cmocka_unit_test(a_sentence_has_whom_what_and_by_whom),
		cmocka_unit_test(a_detail_fits_and_steers_no_terminal),
		cmocka_unit_test(as_json_it_has_every_key_also_of_what_there_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
