/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/certificate.h"

#include "unit/unit.h"

/* The years 2038, where a time_t of 32 bits ends, and 2050, where X.509 writes dates in another way, are
 * nothing special. */
static void a_certificate_ends_when_it_was_told_to(void **state UNUSED)
{
	static const int64_t ends[] = {1, 1800000000, INT32_MAX, (int64_t)INT32_MAX + 1, 2524607999,
		2524608000, INT64_C(9999999999)};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		const struct certificate_terms terms = {.from = ends[i] - 1, .until = ends[i]};
		char *pem;
		size_t n;
		int64_t until;

		assert_int_equal(certificate_make(&terms, &pem, &n), TM_OK);
		assert_int_equal(certificate_until(pem, n, &until), TM_OK);
		assert_int_equal(until, ends[i]);
		free(pem);
	}
}

static void what_is_no_certificate_has_no_end(void **state UNUSED)
{
	static const char text[] = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
	int64_t until;

	assert_int_equal(certificate_until(text, sizeof(text) - 1, &until), TM_EBADMSG);
	assert_int_equal(certificate_until("", 0, &until), TM_EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_ends_when_it_was_told_to),
		cmocka_unit_test(what_is_no_certificate_has_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
