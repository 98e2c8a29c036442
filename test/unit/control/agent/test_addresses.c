/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where the agent finds its coordinator: which addresses it knows, which of them it tries, and what they
 * answer. */
#include "fake.h"

#include <unistd.h>

#include "crypto/init.h"
#include "net/listen.h"

static void it_knows_where_the_data_socket_may_be_likeliest_first(void **state UNUSED)
{
	static const char *const expected[] = {
		"127.0.0.1:51820", "203.0.113.9:51820", "[2001:db8::9]:51820", "10.0.0.9:51820"};
	struct endpoint at[8];
	struct fake f;

	fake_open(&f);
	fake_serve(&f);
	f.data = json_pack("[{s:s,s:s},{s:s,s:s},{s:s,s:s},{s:s,s:s}]", "type", "host", "addr",
		"10.0.0.9:51820", "type", "host", "addr", "100.101.0.1:51820", "type", "host", "addr",
		expected[1], "type", "host", "addr", expected[2]);
	fake_start(&f);
	fake_run_until(&f, &f.netmaps, 1);
	assert_int_equal(agent_coordinator_data(f.agent, at, ARRAY_LEN(at)), ARRAY_LEN(expected));
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		char text[ENDPOINT_STR_LEN];

		assert_string_equal(endpoint_format(&at[i], text), expected[i]);
	}
	assert_int_equal(agent_coordinator_data(f.agent, at, 2), 2);
	json_decref(f.data);
	fake_close(&f);
}

static void it_hears_of_new_addresses_while_it_is_linked(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_serve(&f);
	f.on_hello[1] = "{\"t\":\"addresses\",\"addresses\":[\"192.0.2.77:8443\",\"no-port\"]}";
	f.on_hello[2] = map_5;
	fake_start(&f);
	fake_run_until(&f, &f.netmaps, 1);
	fake_run_ms(&f, 20);
	const struct coordinator_known *known = peers_known_coordinator(f.peers);
	bool found = false;
	for (size_t i = 0; i < known->n_addresses; i++)
		found |= strcmp(known->addresses[i], "192.0.2.77:8443") == 0;
	assert_true(found);
	fake_close(&f);
}

static void it_finds_the_address_that_works(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	memcpy(f.enrolment.addresses[2], f.enrolment.addresses[0], TOKEN_ADDR_LEN);
	fake_serve(&f);
	memcpy(f.enrolment.addresses[2], f.enrolment.addresses[0], TOKEN_ADDR_LEN);
	memcpy(f.enrolment.addresses[0], "127.0.0.1:1", 12);
	memcpy(f.enrolment.addresses[1], "nonsense", 9);
	f.enrolment.n_addresses = 3;
	fake_start(&f);
	fake_run_until(&f, &f.netmaps, 1);
	/* The one that works stays, in front of what the coordinator names. */
	assert_string_equal(f.agent->known.addresses[0], f.enrolment.addresses[2]);
	assert_string_equal(f.agent->known.addresses[1], "192.0.2.1:8443");
	fake_close(&f);
}

static void through_the_mesh_it_is_looked_for_where_it_listens_itself(void **state UNUSED)
{
	static const struct {
		uint16_t reached;
		const char *known[3];
		uint16_t port;
	} rows[] = {
		{8443, {"hub.example.org:7000", "hub.example.org:8443"}, 8443},
		{443, {"https://hub.example.org/mesh", "hub.example.org:8443", "192.0.2.1:7000"}, 8443},
		{443, {"https://hub.example.org", "hub.example.org:8443", "192.0.2.1:443"}, 443},
		{443, {"https://hub.example.org/mesh", "nonsense"}, 443},
	};
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	memcpy(f.agent->coordinator_key, mesh_by_id(peers_mesh(f.peers), PEER_A)->key, 32);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoint last[2] = {0};

		f.agent->known.at.port = rows[i].reached;
		f.agent->known.n_addresses = 0;
		for (size_t k = 0; k < ARRAY_LEN(rows[i].known) && rows[i].known[k]; k++)
			snprintf(f.agent->known.addresses[f.agent->known.n_addresses++], TOKEN_ADDR_LEN, "%s",
				rows[i].known[k]);
		session_through_the_mesh(f.agent, last);
		if (last[0].port != rows[i].port || last[1].port != rows[i].port)
			fail_msg("row %zu: ports %u and %u", i, last[0].port, last[1].port);
		assert_true(prefix_contains(&f.enrolment.mesh.net4, &last[0].ip));
		assert_true(prefix_contains(&f.enrolment.mesh.net6, &last[1].ip));
	}
	fake_close(&f);
}

/* What answers with 503 need not be the coordinator. */
struct refuser {
	struct listener *listener;
	unsigned asked;
	int fds[8];
};

static void refuse(void *ctx, int fd, const struct endpoint *from UNUSED)
{
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3600\r\n\r\n";
	struct refuser *r = ctx;

	assert_true(r->asked < ARRAY_LEN(r->fds));
	r->fds[r->asked++] = fd;
	assert_int_equal(write(fd, answer, sizeof(answer) - 1), sizeof(answer) - 1);
}

static void refuser_open(struct refuser *r, struct fake *f, char address[static ENDPOINT_STR_LEN])
{
	const struct listener_events ev = {.ctx = r, .accepted = refuse};
	struct endpoint at;

	*r = (struct refuser){0};
	assert_int_equal(endpoint_parse("127.0.0.1:0", &at), TM_OK);
	assert_int_equal(listener_new(f->base, &at, 0, &ev, &r->listener), TM_OK);
	endpoint_format(&at, address);
}

static void refuser_close(struct refuser *r)
{
	listener_free(r->listener);
	for (size_t i = 0; i < r->asked; i++)
		close(r->fds[i]);
}

static void whoever_asks_for_patience_does_not_keep_it_from_other_addresses(void **state UNUSED)
{
	struct refuser r;
	struct fake f;

	fake_open(&f);
	fake_serve(&f);
	memcpy(f.enrolment.addresses[1], f.enrolment.addresses[0], TOKEN_ADDR_LEN);
	refuser_open(&r, &f, f.enrolment.addresses[0]);
	f.enrolment.n_addresses = 2;
	fake_start(&f);
	fake_run_until(&f, &f.netmaps, 1);
	assert_int_equal(r.asked, 1);
	refuser_close(&r);
	fake_close(&f);
}

static void the_patience_asked_for_counts_after_all_addresses(void **state UNUSED)
{
	struct refuser r[2];
	struct fake f;

	fake_open(&f);
	refuser_open(&r[0], &f, f.enrolment.addresses[0]);
	refuser_open(&r[1], &f, f.enrolment.addresses[1]);
	f.enrolment.n_addresses = 2;
	fake_start(&f);
	fake_run_until(&f, &r[1].asked, 1);
	fake_run_ms(&f, 300);
	assert_int_equal(r[0].asked + r[1].asked, 2);
	refuser_close(&r[0]);
	refuser_close(&r[1]);
	fake_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_knows_where_the_data_socket_may_be_likeliest_first),
		cmocka_unit_test(it_hears_of_new_addresses_while_it_is_linked),
		cmocka_unit_test(it_finds_the_address_that_works),
		cmocka_unit_test(through_the_mesh_it_is_looked_for_where_it_listens_itself),
		cmocka_unit_test(whoever_asks_for_patience_does_not_keep_it_from_other_addresses),
		cmocka_unit_test(the_patience_asked_for_counts_after_all_addresses),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
