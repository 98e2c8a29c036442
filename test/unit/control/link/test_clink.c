/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Control links between an honest node and an honest coordinator. */
#include "raw.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "crypto/init.h"
#include <netinet/in.h>

static void both_sides_come_up_and_know_each_other(void **state UNUSED)
{
	struct world w;
	struct endpoint server;

	world_open(&w, NULL);
	world_pair(&w, NULL);
	assert_int_equal(w.at_server.up, 1);
	assert_memory_equal(clink_peer_key(w.at_server.link), w.node.x_pub, 32);
	assert_memory_equal(clink_peer_key(w.at_client.link), w.coordinator.x_pub, 32);
	assert_int_equal(endpoint_parse(w.address, &server), TM_OK);
	assert_true(endpoint_eq(clink_peer_address(w.at_client.link), &server));
	assert_true(ip_is_loopback(&clink_peer_address(w.at_server.link)->ip));
	assert_string_equal(json_string_value(json_object_get(w.at_server.last, "text")), "xxx");
	world_close(&w);
}

static void nothing_can_be_sent_before_the_link_is_up(void **state UNUSED)
{
	struct world w;
	json_t *m = json_object();

	world_open(&w, NULL);
	w.at_client.link = world_connect(&w, &w.at_client, NULL);
	assert_int_equal(clink_send(w.at_client.link, m), TM_ECLOSED);
	json_decref(m);
	world_close(&w);
}

static void messages_of_any_size_arrive_whole_and_in_order(void **state UNUSED)
{
	static const size_t sizes[] = {
		0, 1, 65000, 65517 - 24, 65518 - 24, 65519 - 24, 200000, 1 << 20, (8 << 20) + 7};
	struct world w;

	world_open(&w, NULL);
	world_pair(&w, NULL);
	w.at_server.echo = true;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		json_t *m = text_message(sizes[i], (char)('a' + i));

		assert_int_equal(clink_send(w.at_client.link, m), TM_OK);
		world_run_until(&w, &w.at_client.messages, (unsigned)i + 1);
		if (!json_equal(m, w.at_client.last))
			fail_msg("%zu bytes came back changed", sizes[i]);
		json_decref(m);
	}
	world_close(&w);
}

static void a_message_over_the_limit_is_refused_and_the_link_lives(void **state UNUSED)
{
	struct world w;
	json_t *m = text_message(CLINK_MSG_MAX, 'x');

	world_open(&w, NULL);
	world_pair(&w, NULL);
	assert_int_equal(clink_send(w.at_client.link, m), TM_ERANGE);
	json_decref(m);
	m = text_message(1, 'x');
	assert_int_equal(clink_send(w.at_client.link, m), TM_OK);
	world_run_until(&w, &w.at_server.messages, 2);
	json_decref(m);
	world_close(&w);
}

static void a_hundred_links_work_at_once(void **state UNUSED)
{
	enum { LINKS = 100 };
	static struct seen clients[LINKS];
	struct world w;
	json_t *m = text_message(1000, 'x');

	world_open(&w, NULL);
	memset(clients, 0, sizeof(clients));
	for (size_t i = 0; i < LINKS; i++)
		clients[i].link = world_connect(&w, &clients[i], NULL);
	w.at_server.echo = true;
	for (size_t i = 0; i < LINKS; i++) {
		world_run_until(&w, &clients[i].up, 1);
		assert_int_equal(clink_send(clients[i].link, m), TM_OK);
	}
	for (size_t i = 0; i < LINKS; i++)
		world_run_until(&w, &clients[i].messages, 1);
	assert_int_equal(w.at_server.up, LINKS);
	for (size_t i = 0; i < LINKS; i++) {
		clink_free(clients[i].link);
		json_decref(clients[i].last);
	}
	world_run_until(&w, &w.at_server.closed, LINKS);
	json_decref(m);
	world_close(&w);
}

static void closing_delivers_what_was_queued_and_the_reason(void **state UNUSED)
{
	struct world w;
	json_t *m = text_message(4 << 20, 'x');

	world_open(&w, &clink_tuning_default);
	world_pair(&w, NULL);
	assert_int_equal(clink_send(w.at_server.link, m), TM_OK);
	clink_close(w.at_server.link, "the coordinator stops");
	world_run_until(&w, &w.at_client.closed, 1);
	assert_int_equal(w.at_client.messages, 1);
	assert_int_equal(w.at_client.err, TM_ECLOSED);
	assert_contains(w.at_client.why, "the coordinator stops");
	world_run_until(&w, &w.at_server.closed, 1);
	json_decref(m);
	world_close(&w);
}

static void a_link_may_be_freed_in_any_callback(void **state UNUSED)
{
	for (unsigned i = 0; i < 4; i++) {
		struct world w;
		json_t *m = text_message(10, 'x');

		world_open(&w, NULL);
		w.at_server.free_on_up = i == 1;
		w.at_server.free_on_message = i == 2;
		w.at_client.free_on_up = i == 0;
		w.at_client.link = world_connect(&w, &w.at_client, NULL);
		world_run_until(&w, &w.at_client.up, 1);
		if (i != 0) {
			w.at_client.free_on_message = i == 3;
			w.at_server.echo = i == 3;
			assert_int_equal(clink_send(w.at_client.link, m), TM_OK);
			assert_int_equal(clink_send(w.at_client.link, m), TM_OK);
			world_run_until(&w, i == 3 ? &w.at_client.messages : &w.at_client.closed, 1);
		}
		json_decref(m);
		world_close(&w);
	}
}

static void a_link_that_is_closing_may_be_freed(void **state UNUSED)
{
	struct world w;

	world_open(&w, NULL);
	world_pair(&w, NULL);
	clink_close(w.at_client.link, "bye");
	clink_free(w.at_client.link);
	w.at_client.link = NULL;
	world_run_until(&w, &w.at_server.closed, 1);
	assert_int_equal(w.at_client.closed, 0);
	world_close(&w);
}

static void pings_keep_an_idle_link_alive(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;

	t.ping_ms = 40;
	t.silence_ms = 500;
	world_open(&w, &t);
	world_pair(&w, &t);
	world_run_ms(&w, 1000);
	assert_int_equal(w.at_client.closed + w.at_server.closed, 0);
	world_close(&w);
}

static void a_silent_peer_is_given_up(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;
	struct raw r;

	t.ping_ms = 20;
	t.silence_ms = 100;
	world_open(&w, &t);
	raw_connect(&r, &w);
	raw_noise(&r);
	raw_text(&r, "{}", 2, true);
	world_run_until(&w, &w.at_server.up, 1);
	world_run_until(&w, &w.at_server.closed, 1);
	assert_int_equal(w.at_server.err, TM_ETIMEOUT);
	assert_contains(w.at_server.why, "nothing was heard from the node");
	raw_close(&r);
	world_close(&w);
}

static void a_probe_ends_a_dead_link_and_leaves_a_live_one(void **state UNUSED)
{
	struct world w;
	struct raw r;

	world_open(&w, NULL);
	raw_connect(&r, &w);
	raw_noise(&r);
	raw_text(&r, "{}", 2, true);
	world_run_until(&w, &w.at_server.up, 1);
	clink_probe(w.at_server.link, 50);
	/* That is no answer: who hears nothing of us any more may say so, too. */
	raw_text(&r, "{}", 2, true);
	world_run_until(&w, &w.at_server.closed, 1);
	assert_contains(w.at_server.why, "after the network changed");
	raw_close(&r);

	world_pair(&w, NULL);
	clink_probe(w.at_client.link, 300);
	world_run_ms(&w, 600);
	assert_int_equal(w.at_client.closed, 0);
	world_close(&w);
}

/* The n-th ping's, since there was a link. */
static void pong(struct raw *r, uint8_t n)
{
	raw_frame(r, WS_PONG, &n, 1);
}

static void an_answer_is_the_last_pings_pong_or_so_much_that_it_was_left_out(void **state UNUSED)
{
	static char much[40000];
	struct world w;
	struct raw r;

	world_open(&w, NULL);
	raw_connect(&r, &w);
	raw_noise(&r);
	raw_text(&r, "{}", 2, true);
	world_run_until(&w, &w.at_server.up, 1);
	clink_probe(w.at_server.link, 100);
	pong(&r, 1);
	world_run_ms(&w, 200);
	assert_int_equal(w.at_server.closed, 0);
	clink_probe(w.at_server.link, 100);
	memset(much, ' ', sizeof(much));
	much[0] = '{';
	much[sizeof(much) - 1] = '}';
	for (unsigned i = 0; i < 4; i++)
		raw_text(&r, much, sizeof(much), true);
	world_run_ms(&w, 200);
	assert_int_equal(w.at_server.closed, 0);
	clink_probe(w.at_server.link, 100);
	pong(&r, 2);
	world_run_until(&w, &w.at_server.closed, 1);
	assert_contains(w.at_server.why, "after the network changed");
	raw_close(&r);
	world_close(&w);
}

static void a_reader_that_does_not_read_is_cut_off(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;
	struct raw r;
	json_t *m = text_message(100000, 'x');
	int err = TM_OK;

	t.queue_max = 1 << 20;
	world_open(&w, &t);
	raw_connect(&r, &w);
	raw_noise(&r);
	raw_text(&r, "{}", 2, true);
	world_run_until(&w, &w.at_server.up, 1);
	for (unsigned i = 0; i < 1000 && !err; i++) {
		world_turn(&w);
		err = clink_send(w.at_server.link, m);
	}
	assert_int_equal(err, TM_EFULL);
	assert_int_equal(w.at_server.closed, 0); /* that is for the loop to say */
	world_run_until(&w, &w.at_server.closed, 1);
	assert_int_equal(w.at_server.err, TM_EFULL);
	assert_contains(w.at_server.why, "does not take what is sent");
	json_decref(m);
	raw_close(&r);
	world_close(&w);
}

static void a_queue_that_makes_no_progress_is_given_up(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct world w;
	struct raw r;
	json_t *m = text_message(8 << 20, 'x');

	t.silence_ms = 300;
	world_open(&w, &t);
	raw_connect(&r, &w);
	raw_noise(&r);
	raw_text(&r, "{}", 2, true);
	world_run_until(&w, &w.at_server.up, 1);
	assert_int_equal(clink_send(w.at_server.link, m), TM_OK);
	while (!w.at_server.closed) { /* it talks all the time, and reads nothing */
		raw_frame(&r, WS_PONG, "", 0);
		world_run_ms(&w, 20);
	}
	assert_contains(w.at_server.why, "does not take what is sent");
	json_decref(m);
	raw_close(&r);
	world_close(&w);
}

/* What a stopped reader makes of a queue: told once when it is short again, not before and not twice. */
static void a_queue_that_becomes_short_is_told_once(void **state UNUSED)
{
	struct world w;
	struct clink_text *t;
	char *text = calloc(1, 8 << 20);

	snprintf(text, 8 << 20, "{\"a\":\"%0*d\"}", (8 << 20) - 100, 0);
	assert_int_equal(clink_text_new(text, strlen(text), &t), TM_OK);
	world_open(&w, NULL);
	world_pair(&w, NULL);
	assert_int_equal(clink_queued(w.at_server.link), 0);
	assert_int_equal(clink_send_text(w.at_server.link, t), TM_OK);
	assert_true(clink_queued(w.at_server.link) > CLINK_QUEUE_LOW);
	assert_int_equal(w.at_server.drained, 0);
	world_run_until(&w, &w.at_client.messages, 1);
	assert_int_equal(w.at_server.drained, 1);
	assert_true(clink_queued(w.at_server.link) <= CLINK_QUEUE_LOW);
	world_run_ms(&w, 20);
	assert_int_equal(w.at_server.drained, 1);
	clink_text_unref(t);
	free(text);
	world_close(&w);
}

static void one_text_goes_to_many_links(void **state UNUSED)
{
	static const char text[] = "{\"t\":\"news\"}";
	struct seen second = {0};
	struct clink *first;
	struct clink_text *t;
	struct world w;
	json_t *m = json_object();

	world_open(&w, NULL);
	assert_int_equal(clink_text_new(text, CLINK_MSG_MAX + 1, &t), TM_ERANGE);
	assert_int_equal(clink_text_new(text, sizeof(text) - 1, &t), TM_OK);
	world_pair(&w, NULL);
	first = w.at_server.link;
	second.link = world_connect(&w, &second, NULL);
	assert_int_equal(clink_send_text(second.link, t), TM_ECLOSED);
	world_run_until(&w, &second.up, 1);
	assert_int_equal(clink_send(second.link, m), TM_OK);
	world_run_until(&w, &w.at_server.up, 2);
	assert_int_equal(clink_send_text(first, t), TM_OK);
	assert_int_equal(clink_send_text(w.at_server.link, t), TM_OK);
	clink_text_unref(t);
	world_run_until(&w, &w.at_client.messages, 1);
	world_run_until(&w, &second.messages, 1);
	assert_string_equal(json_string_value(json_object_get(second.last, "t")), "news");
	assert_true(json_equal(second.last, w.at_client.last));
	clink_free(second.link);
	json_decref(second.last);
	json_decref(m);
	world_close(&w);
}

static void a_busy_port_is_explained(void **state UNUSED)
{
	struct world w;
	struct clink_server_config cfg = {.identity = &w.coordinator, .max_links = 1};
	struct clink_events ev = seen_events(&w.at_server);
	struct clink_server *s;
	struct diag d = {0};
	char sentence[64];

	world_open(&w, NULL);
	assert_int_equal(endpoint_parse(w.address, &cfg.listen), TM_OK);
	assert_int_equal(clink_server_new(w.base, &cfg, &ev, &s, &d), TM_EBUSY);
	snprintf(sentence, sizeof(sentence), "TCP port %u is already in use", clink_server_port(w.server));
	assert_string_equal(d.what, sentence);
	assert_contains(d.hint, "--api-port");
	world_close(&w);
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void one_server_serves_both_address_families(void **state UNUSED)
{
	static const char *const hosts[] = {"127.0.0.1", "[::1]"};
	struct world w;
	struct clink_server_config cfg = {.identity = &w.coordinator, .max_links = 10};
	struct clink_events ev = seen_events(&w.at_server);
	struct clink_server *s;

	world_open(&w, NULL);
	assert_int_equal(endpoint_parse("[::]:0", &cfg.listen), TM_OK);
	assert_int_equal(clink_server_new(w.base, &cfg, &ev, &s, NULL), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(hosts) - !has_ipv6(); i++) {
		snprintf(w.address, sizeof(w.address), "%s:%u", hosts[i], clink_server_port(s));
		w.at_client.link = world_connect(&w, &w.at_client, NULL);
		world_run_until(&w, &w.at_client.up, (unsigned)i + 1);
		clink_free(w.at_client.link);
		w.at_client.link = NULL;
	}
	clink_server_free(s);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_come_up_and_know_each_other),
		cmocka_unit_test(nothing_can_be_sent_before_the_link_is_up),
		cmocka_unit_test(messages_of_any_size_arrive_whole_and_in_order),
		cmocka_unit_test(a_message_over_the_limit_is_refused_and_the_link_lives),
		cmocka_unit_test(a_hundred_links_work_at_once),
		cmocka_unit_test(closing_delivers_what_was_queued_and_the_reason),
		cmocka_unit_test(a_link_may_be_freed_in_any_callback),
		cmocka_unit_test(a_link_that_is_closing_may_be_freed),
		cmocka_unit_test(pings_keep_an_idle_link_alive),
		cmocka_unit_test(a_silent_peer_is_given_up),
		cmocka_unit_test(a_probe_ends_a_dead_link_and_leaves_a_live_one),
		cmocka_unit_test(an_answer_is_the_last_pings_pong_or_so_much_that_it_was_left_out),
		cmocka_unit_test(a_reader_that_does_not_read_is_cut_off),
		cmocka_unit_test(a_queue_that_makes_no_progress_is_given_up),
		cmocka_unit_test(a_queue_that_becomes_short_is_told_once),
		cmocka_unit_test(one_text_goes_to_many_links),
		cmocka_unit_test(a_busy_port_is_explained),
		cmocka_unit_test(one_server_serves_both_address_families),
	};

	struct diag d = {0};
	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
