/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "dns/name.h"

static struct dns_name name(const char *text)
{
	struct dns_name n;

	if (dns_name_parse(text, &n) != TM_OK)
		fail_msg("\"%s\" is no name", text);
	return n;
}

static void a_name_is_written_as_it_was_read(void **state UNUSED)
{
	static const char *const rows[][2] = {{"laptop.mesh", "laptop.mesh."},
		{"laptop.mesh.", "laptop.mesh."}, {"", "."}, {"LapTop.MESH", "LapTop.MESH."},
		{"a_b.x-y", "a_b.x-y."}, {"a b", "a\\032b."}, {"\xff", "\\255."}};
	char text[DNS_NAME_TEXT];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct dns_name n = name(rows[i][0]);

		assert_string_equal(dns_name_format(&n, text), rows[i][1]);
	}
}

static void what_is_no_name_is_refused(void **state UNUSED)
{
	struct dns_name n;
	char label[66], longest[DNS_NAME_MAX + 2] = "";

	assert_int_equal(dns_name_parse(".", &n), TM_EINVAL);
	assert_int_equal(dns_name_parse("a..b", &n), TM_EINVAL);
	assert_int_equal(dns_name_parse(".a", &n), TM_EINVAL);
	memset(label, 'x', sizeof(label));
	label[64] = '\0';
	assert_int_equal(dns_name_parse(label, &n), TM_EINVAL);
	label[63] = '\0';
	assert_int_equal(dns_name_parse(label, &n), TM_OK);
	for (size_t i = 0; i < 126; i++)
		strcat(longest, "a.");
	assert_int_equal(dns_name_parse(longest, &n), TM_OK);
	strcat(longest, "a");
	assert_int_equal(dns_name_parse(longest, &n), TM_OK);
	assert_int_equal(n.len, 255);
	strcat(longest, "b");
	assert_int_equal(dns_name_parse(longest, &n), TM_EINVAL);
}

static void octets_are_one_name_or_none(void **state UNUSED)
{
	static const uint8_t good[] = {1, 'a', 2, 'b', 'c', 0};
	struct dns_name n;

	assert_int_equal(dns_name_take(good, sizeof(good), &n), TM_OK);
	assert_int_equal(dns_name_take(good + 5, 1, &n), TM_OK);
	for (size_t i = 0; i < sizeof(good); i++)
		assert_int_equal(dns_name_take(good, i, &n), TM_EBADMSG);
	assert_int_equal(dns_name_take((const uint8_t[]){1, 'a', 0, 0}, 4, &n), TM_EBADMSG);
	assert_int_equal(dns_name_take((const uint8_t[]){0xc0, 12}, 2, &n), TM_EBADMSG);
	assert_int_equal(dns_name_take((const uint8_t[]){64, 0}, 2, &n), TM_EBADMSG);
}

static void a_tail_is_the_last_labels(void **state UNUSED)
{
	const struct dns_name n = name("a.bc.def");
	char text[DNS_NAME_TEXT];
	static const char *const tails[] = {".", "def.", "bc.def.", "a.bc.def."};

	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		const struct dns_name tail = dns_name_tail(&n, i);

		assert_string_equal(dns_name_format(&tail, text), tails[i]);
		assert_int_equal(dns_name_take(tail.bytes, tail.len, &(struct dns_name){0}), TM_OK);
	}
}

static void names_are_equal_in_any_case(void **state UNUSED)
{
	const struct dns_name a = name("Lap-Top.Mesh"), b = name("lap-tOP.mESH"), c = name("lap-top.mesi"),
			      d = name("lap.top.mesh");

	assert_true(dns_name_eq(&a, &b));
	assert_false(dns_name_eq(&a, &c));
	assert_false(dns_name_eq(&a, &d));
}

static void a_label_goes_before_a_name_where_there_is_room(void **state UNUSED)
{
	const struct dns_name of = name("mesh");
	struct dns_name n, longer;
	char text[DNS_NAME_TEXT], label[64];

	assert_int_equal(dns_name_prepend("n1", 2, &of, &n), TM_OK);
	assert_string_equal(dns_name_format(&n, text), "n1.mesh.");
	memset(label, 'x', sizeof(label));
	assert_int_equal(dns_name_prepend(label, 64, &of, &n), TM_ERANGE);
	assert_int_equal(dns_name_prepend(label, 0, &of, &n), TM_ERANGE);
	n = of;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dns_name_prepend(label, 63, &n, &longer), TM_OK);
		n = longer;
	}
	assert_int_equal(dns_name_prepend(label, 57, &n, &longer), TM_ERANGE);
	assert_int_equal(dns_name_prepend(label, 56, &n, &longer), TM_OK);
	assert_int_equal(longer.len, 255);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_written_as_it_was_read),
		cmocka_unit_test(what_is_no_name_is_refused),
		cmocka_unit_test(octets_are_one_name_or_none),
		cmocka_unit_test(a_tail_is_the_last_labels),
		cmocka_unit_test(names_are_equal_in_any_case),
		cmocka_unit_test(a_label_goes_before_a_name_where_there_is_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
