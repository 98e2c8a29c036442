/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/sockaddr.h"
#include "unit/unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

static void sockaddrs_round_trip_and_mapped_ones_become_ipv4(void **state)
{
	static const char *const rows[] = {"192.0.2.1:51820", "[2001:db8::1]:53", "[fe80::1%3]:1"};
	struct endpoint ep, back;
	struct sockaddr_storage ss;
	struct sockaddr_in6 sa6;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(endpoint_parse(rows[i], &ep), TM_OK);
		assert_true(endpoint_to_sockaddr(&ep, &ss) > 0);
		assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, &back), TM_OK);
		assert_true(endpoint_eq(&ep, &back));
		endpoint_to_sockaddr6(&ep, &sa6);
		assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&sa6, &back), TM_OK);
		assert_true(endpoint_eq(&ep, &back));
	}
	ss.ss_family = AF_UNIX;
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, &back), TM_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockaddrs_round_trip_and_mapped_ones_become_ipv4),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
