/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "data/link/sockets.h"

static struct sockets s;
static struct numbered_socket v[SOCKETS_MAX + 1];

/* Only compared. */
static struct udp *udp_of(size_t i)
{
	return (struct udp *)(void *)&v[i];
}

static int set_up(void **state)
{
	(void)state;
	s = (struct sockets){0};
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i] = (struct numbered_socket){.udp = udp_of(i)};
	return 0;
}

static void a_socket_is_found_by_its_number_until_it_is_taken(void **state)
{
	(void)state;
	assert_int_equal(sockets_put(&s, &v[0]), TM_OK);
	assert_int_equal(sockets_put(&s, &v[1]), TM_OK);
	assert_ptr_equal(sockets_find(&s, v[0].number), udp_of(0));
	assert_ptr_equal(sockets_find(&s, v[1].number), udp_of(1));
	assert_ptr_equal(sockets_take(&s, v[0].number), &v[0]);
	assert_null(sockets_find(&s, v[0].number));
	assert_null(sockets_take(&s, v[0].number));
	assert_ptr_equal(sockets_find(&s, v[1].number), udp_of(1));
}

static void the_number_of_one_that_is_gone_is_nobodys(void **state)
{
	(void)state;
	assert_int_equal(sockets_put(&s, &v[0]), TM_OK);
	uint32_t gone = v[0].number;

	/* Another in the same place. */
	assert_ptr_equal(sockets_take(&s, gone), &v[0]);
	s.last = gone + SOCKETS_MAX - 1;
	assert_int_equal(sockets_put(&s, &v[1]), TM_OK);
	assert_int_equal(v[1].number % SOCKETS_MAX, gone % SOCKETS_MAX);
	assert_null(sockets_find(&s, gone));
	assert_null(sockets_take(&s, gone));
}

static void none_has_the_number_that_is_everybodys_own(void **state)
{
	(void)state;
	s.last = UINT32_MAX;
	assert_int_equal(sockets_put(&s, &v[0]), TM_OK);
	assert_int_not_equal(v[0].number, 0);
	assert_null(sockets_find(&s, 0));
}

static void there_is_room_for_so_many_and_no_more(void **state)
{
	size_t n = 0;
	(void)state;

	while (sockets_put(&s, &v[n]) == TM_OK)
		n++;
	assert_int_equal(n, SOCKETS_MAX);
	for (size_t i = 0; i < n; i++)
		assert_ptr_equal(sockets_find(&s, v[i].number), udp_of(i));
	assert_ptr_equal(sockets_take(&s, v[77].number), &v[77]);
	assert_int_equal(sockets_put(&s, &v[n]), TM_OK);
	assert_ptr_equal(sockets_find(&s, v[n].number), udp_of(n));
}

#define CASE(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_socket_is_found_by_its_number_until_it_is_taken),
		CASE(the_number_of_one_that_is_gone_is_nobodys),
		CASE(none_has_the_number_that_is_everybodys_own),
		CASE(there_is_room_for_so_many_and_no_more),
	};

	return cmocka_run_group_tests_name("data/link/sockets", tests, NULL, NULL);
}
