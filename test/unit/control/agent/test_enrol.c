/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Enrolling and leaving, against a coordinator in a thread of its own; and the enrolment file. */
#include "unit/unit.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "control/agent/enrolment.h"
#include "control/link/clink.h"
#include "crypto/init.h"
#include "fake/meshjson.h"
#include "os/os.h"

/* --- a coordinator --- */

struct scene {
	pthread_t thread;
	struct event_base *base;
	struct event *stop;
	struct clink_server *server;
	struct identity coordinator, node;
	struct token token;
	/* script, coordinator's thread */
	const char *refuse; /* reply to enrol, or NULL: accept */
	unsigned lose_replies; /* hang up instead of answering so many times */
	bool wrong_node, removed, existed;
	unsigned enrols, hellos, leaves, undos;
};

static json_t *acceptance(struct scene *s)
{
	const struct identity *id = s->wrong_node ? &s->coordinator : &s->node;
	struct node_rec self = {.name = "laptop-2"};
	struct mesh_info mesh = {.name = "home"};

	memcpy(self.id, id->id, sizeof(self.id));
	memcpy(self.key, id->x_pub, 32);
	self.host = 2;
	assert_int_equal(prefix_parse("100.101.0.0/16", &mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd00::/64", &mesh.net6), TM_OK);
	memset(mesh.secret, 7, sizeof(mesh.secret));
	return json_pack("{s:s,s:i,s:b,s:o,s:o,s:[s],s:i,s:b}", "t", "reply", "id", 1, "ok", 1, "node",
		meshjson_record(&self), "mesh", meshjson_mesh(&mesh), "addresses", "203.0.113.7:8443",
		"data_port", 51820, "existed", s->existed);
}

static void on_message(void *ctx, struct clink *l, const json_t *m)
{
	struct scene *s = ctx;
	const char *t = json_string_value(json_object_get(m, "t"));
	json_t *reply = NULL;

	if (strcmp(t, "enrol") == 0) {
		char secret[HEX_LEN(TOKEN_SECRET) + 1];

		hex_encode(s->token.secret, TOKEN_SECRET, secret);
		assert_string_equal(
			json_string_value(json_object_get(json_object_get(m, "token"), "secret")), secret);
		assert_string_equal(json_string_value(json_object_get(m, "name")), "laptop");
		s->enrols++;
		if (s->lose_replies) {
			s->lose_replies--;
			clink_free(l);
			return;
		}
		reply = s->refuse ? json_loads(s->refuse, 0, NULL) : acceptance(s);
	} else if (strcmp(t, "hello") == 0) {
		s->hellos++;
		if (s->removed)
			reply = json_loads("{\"t\":\"removed\",\"why\":\"no member\"}", 0, NULL);
	} else {
		s->leaves++;
		s->undos += json_is_true(json_object_get(m, "undo"));
		reply = json_pack("{s:s,s:I,s:b}", "t", "reply", "id",
			json_integer_value(json_object_get(m, "id")), "ok", 1);
	}
	if (reply)
		assert_int_equal(clink_send(l, reply), TM_OK);
	json_decref(reply);
}

static void *serve(void *arg)
{
	struct scene *s = arg;

	event_base_dispatch(s->base);
	return NULL;
}

static void on_stop(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	event_base_loopbreak(arg);
}

static int wake[2];

static void scene_open(struct scene *s)
{
	struct clink_server_config cfg = {.identity = &s->coordinator, .max_links = 10};
	struct clink_events ev = {.ctx = s, .message = on_message};

	*s = (struct scene){0};
	s->base = event_base_new();
	assert_int_equal(identity_generate(&s->coordinator), TM_OK);
	assert_int_equal(identity_generate(&s->node), TM_OK);
	assert_int_equal(endpoint_parse("127.0.0.1:0", &cfg.listen), TM_OK);
	assert_int_equal(clink_server_new(s->base, &cfg, &ev, &s->server, NULL), TM_OK);
	memcpy(s->token.coordinator_key, s->coordinator.x_pub, 32);
	memset(s->token.secret, 0x5a, TOKEN_SECRET);
	s->token.n_addrs = 1;
	snprintf(s->token.addrs[0], TOKEN_ADDR_LEN, "127.0.0.1:%u", clink_server_port(s->server));
	assert_int_equal(pipe(wake), 0);
	s->stop = event_new(s->base, wake[0], EV_READ, on_stop, s->base);
	event_add(s->stop, NULL);
}

static void scene_run(struct scene *s)
{
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void scene_close(struct scene *s)
{
	assert_int_equal(write(wake[1], "", 1), 1);
	pthread_join(s->thread, NULL);
	clink_server_free(s->server);
	event_free(s->stop);
	event_base_loop(s->base, EVLOOP_NONBLOCK);
	event_base_free(s->base);
	close(wake[0]);
	close(wake[1]);
}

static void assert_says(const struct diag *d, const char *part)
{
	if (!strstr(d->what, part))
		fail_msg("\"%s\" does not contain \"%s\"", d->what, part);
}

/* --- tests --- */

static void enrolling_fills_everything_in(void **state UNUSED)
{
	struct scene s;
	struct enrolment e = {0};
	struct diag d = {0};

	scene_open(&s);
	/* An address that refuses and one that is none do not matter. */
	memcpy(s.token.addrs[2], s.token.addrs[0], TOKEN_ADDR_LEN);
	memcpy(s.token.addrs[0], "127.0.0.1:1", 12);
	memcpy(s.token.addrs[1], "nonsense", 9);
	s.token.n_addrs = 3;
	scene_run(&s);
	if (enrol(&s.token, &s.node, "laptop", "0.1.0", NULL, 8000, &e, &d) != TM_OK)
		fail_msg("%s", d.what);
	assert_string_equal(e.self.name, "laptop-2");
	assert_string_equal(e.mesh.name, "home");
	assert_int_equal(e.mesh.secret[31], 7);
	assert_memory_equal(e.coordinator_key, s.coordinator.x_pub, 32);
	assert_false(e.coordinator || e.existed);
	/* What worked first, then what the coordinator says, then the rest of the token. */
	assert_string_equal(e.addresses[0], s.token.addrs[2]);
	assert_string_equal(e.addresses[1], "203.0.113.7:8443");
	assert_int_equal(e.n_addresses, 4);
	scene_close(&s);
}

static void a_lost_answer_is_asked_for_again(void **state UNUSED)
{
	struct scene s;
	struct enrolment e = {0};
	struct diag d = {0};

	scene_open(&s);
	s.lose_replies = 2;
	s.existed = true;
	scene_run(&s);
	assert_int_equal(enrol(&s.token, &s.node, "laptop", "0.1.0", NULL, 8000, &e, &d), TM_OK);
	scene_close(&s);
	assert_int_equal(s.enrols, 3);
	assert_true(e.existed);
}

static int visits;

/* Has too much to do at the first visit, and hangs up at the second. */
static void *be_busy(void *arg)
{
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n";
	const int *listener = arg;
	char asked[2048];

	while (visits < 2) {
		int fd = accept(*listener, NULL, NULL);

		if (fd < 0 || read(fd, asked, sizeof(asked)) < 0)
			return NULL;
		if (visits++ == 0)
			assert_int_equal(write(fd, answer, sizeof(answer) - 1), sizeof(answer) - 1);
		close(fd);
	}
	return NULL;
}

static void a_coordinator_with_too_much_to_do_is_asked_again_behind_an_address_that_refuses(
	void **state UNUSED)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	struct identity id;
	struct enrolment e;
	struct diag d = {0};
	struct token t = {.n_addrs = 2, .addrs = {"127.0.0.1:1"}};
	pthread_t thread;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(identity_generate(&id), TM_OK);
	memcpy(t.coordinator_key, id.x_pub, sizeof(t.coordinator_key));
	assert_int_equal(bind(listener, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(listen(listener, 4), 0);
	snprintf(t.addrs[1], TOKEN_ADDR_LEN, "127.0.0.1:%u", ntohs(sin.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, be_busy, &listener), 0);
	assert_int_not_equal(enrol(&t, &id, "laptop", "0.1.0", NULL, 8000, &e, &d), TM_OK);
	shutdown(listener, SHUT_RDWR); /* ends the wait for a visit that does not come */
	pthread_join(thread, NULL);
	close(listener);
	assert_int_equal(visits, 2);
}

static void refusals_come_in_the_coordinators_words(void **state UNUSED)
{
	struct scene s;
	struct enrolment e = {.n_addresses = 77};
	struct diag d = {0};

	scene_open(&s);
	s.refuse = "{\"t\":\"reply\",\"id\":1,\"ok\":false,\"error\":\"the token has "
		   "expired\",\"hint\":\"create another\"}";
	scene_run(&s);
	assert_int_equal(enrol(&s.token, &s.node, "laptop", "0.1.0", NULL, 8000, &e, &d), TM_EPERM);
	assert_string_equal(d.what, "the token has expired");
	assert_string_equal(d.hint, "create another");
	assert_int_equal(e.n_addresses, 77); /* untouched */
	scene_close(&s);
}

static void a_wrong_key_nobody_there_and_silence_are_told_apart(void **state UNUSED)
{
	struct scene s;
	struct enrolment e;
	struct diag d = {0};
	struct token t;

	scene_open(&s);
	scene_run(&s);
	t = s.token;
	t.coordinator_key[3] ^= 1;
	assert_int_equal(enrol(&t, &s.node, "laptop", "0.1.0", NULL, 8000, &e, &d), TM_EAUTH);
	assert_says(&d, "is not the one of the join token");

	t = s.token;
	memcpy(t.addrs[0], "127.0.0.1:1", 12);
	assert_int_equal(enrol(&t, &s.node, "laptop", "0.1.0", NULL, 8000, &e, &d), TM_EUNREACH);
	assert_says(&d, "127.0.0.1:1");

	t.n_addrs = 0;
	assert_int_equal(enrol(&t, &s.node, "laptop", "0.1.0", NULL, 8000, &e, &d), TM_EINVAL);
	scene_close(&s);

	scene_open(&s);
	s.refuse = "{\"t\":\"from-the-future\"}";
	scene_run(&s);
	assert_int_equal(enrol(&s.token, &s.node, "laptop", "0.1.0", NULL, 300, &e, &d), TM_EAGAIN);
	assert_says(&d, "did not answer in time");
	scene_close(&s);
}

static void an_answer_for_another_key_or_without_sense_is_not_believed(void **state UNUSED)
{
	struct scene s;
	struct enrolment e;
	struct diag d = {0};

	scene_open(&s);
	s.wrong_node = true;
	scene_run(&s);
	assert_int_equal(enrol(&s.token, &s.node, "laptop", "0.1.0", NULL, 8000, &e, &d), TM_EPROTO);
	assert_says(&d, "another key");
	scene_close(&s);

	scene_open(&s);
	s.refuse = "{\"t\":\"reply\",\"id\":1,\"ok\":true}";
	scene_run(&s);
	assert_int_equal(enrol(&s.token, &s.node, "laptop", "0.1.0", NULL, 8000, &e, &d), TM_EBADMSG);
	scene_close(&s);
}

static void leaving_is_confirmed_also_when_already_removed(void **state UNUSED)
{
	static const struct {
		bool removed, undo;
	} rows[] = {{false, false}, {true, false}, {false, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scene s;
		struct enrolment e = {.n_addresses = 1};
		struct diag d = {0};

		scene_open(&s);
		s.removed = rows[i].removed;
		memcpy(e.coordinator_key, s.coordinator.x_pub, 32);
		memcpy(e.addresses[0], s.token.addrs[0], TOKEN_ADDR_LEN);
		scene_run(&s);
		assert_int_equal(rows[i].undo ? enrol_undo(&e, &s.node, NULL, 8000, &d)
					      : enrol_leave(&e, &s.node, NULL, 8000, &d),
			TM_OK);
		scene_close(&s);
		assert_int_equal(s.hellos, 1);
		assert_int_equal(s.undos, rows[i].undo);
	}
}

/* --- the file --- */

static char dir[64], path[96];

static int make_dir(void **state UNUSED)
{
	snprintf(dir, sizeof(dir), "/tmp/test-enrol-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/node.json", dir);
	return 0;
}

static int remove_dir(void **state UNUSED)
{
	(void)unlink(path);
	return rmdir(dir);
}

static struct enrolment sample(void)
{
	struct enrolment e = {.coordinator = true, .n_addresses = 2, .listen_port = 51821, .tun = "tm7"};

	memcpy(e.mesh.name, "home", 5);
	memset(e.mesh.secret, 9, 32);
	assert_int_equal(prefix_parse("100.101.0.0/16", &e.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd00::/64", &e.mesh.net6), TM_OK);
	memcpy(e.self.id, "0123456789abcdef", 17);
	memcpy(e.self.name, "hub", 4);
	memset(e.self.key, 8, 32);
	e.self.host = 1;
	memset(e.coordinator_key, 3, 32);
	memcpy(e.addresses[0], "hub.example:8443", 17);
	memcpy(e.addresses[1], "[2001:db8::1]:8443", 19);
	return e;
}

static void what_is_saved_is_loaded(void **state UNUSED)
{
	struct enrolment e = sample(), got = {0};
	struct diag d = {0};
	struct stat st;

	assert_int_equal(enrolment_load(path, &got, &d), TM_ENOENT);
	assert_says(&d, "not enrolled");
	assert_int_equal(enrolment_save(path, &e, &d), TM_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(enrolment_load(path, &got, &d), TM_OK);
	assert_memory_equal(&got.mesh.secret, &e.mesh.secret, 32);
	assert_memory_equal(got.coordinator_key, e.coordinator_key, 32);
	assert_string_equal(got.self.name, "hub");
	assert_true(got.coordinator);
	assert_int_equal(got.n_addresses, 2);
	assert_string_equal(got.addresses[1], "[2001:db8::1]:8443");
	assert_int_equal(got.listen_port, 51821);
	assert_int_equal(got.api_port, 0);
	assert_string_equal(got.tun, "tm7");
}

static void a_damaged_file_is_explained_and_left_alone(void **state UNUSED)
{
	static const struct {
		const char *text, *says;
		int err;
	} rows[] = {
		{"", "damaged: line", TM_ECORRUPT},
		{"{\n\"v\":1,\n", "damaged: line 3", TM_ECORRUPT},
		{"{\"v\":1,\"v\":1}", "damaged", TM_ECORRUPT},
		{"{}", "\"v\"", TM_ECORRUPT},
		{"{\"v\":1}", "\"mesh\"", TM_ECORRUPT},
		{"{\"v\":2}", "newer version", TM_EVERSION},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct enrolment got = {.n_addresses = 77};
		struct diag d = {0};
		char *text = NULL;
		size_t n;

		assert_int_equal(os_write_file(path, rows[i].text, strlen(rows[i].text), 0600, NULL), TM_OK);
		assert_int_equal(enrolment_load(path, &got, &d), rows[i].err);
		assert_says(&d, rows[i].says);
		assert_true(d.hint[0] != '\0');
		assert_int_equal(got.n_addresses, 77);
		assert_int_equal(os_read_file(path, 1000, &text, &n, NULL), TM_OK);
		assert_string_equal(text, rows[i].text);
		free(text);
	}
}

static void every_missing_field_is_named(void **state UNUSED)
{
	static const char *const fields[] = {"mesh", "self", "coordinator_key", "addresses"};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct enrolment e = sample(), got;
		struct diag d = {0};
		char *text;
		size_t n;

		assert_int_equal(enrolment_save(path, &e, NULL), TM_OK);
		assert_int_equal(os_read_file(path, 1 << 16, &text, &n, NULL), TM_OK);
		json_t *j = json_loads(text, 0, NULL);
		free(text);
		json_object_del(j, fields[i]);
		text = json_dumps(j, 0);
		json_decref(j);
		assert_int_equal(os_write_file(path, text, strlen(text), 0600, NULL), TM_OK);
		free(text);
		assert_int_equal(enrolment_load(path, &got, &d), TM_ECORRUPT);
		assert_says(&d, fields[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enrolling_fills_everything_in),
		cmocka_unit_test(a_lost_answer_is_asked_for_again),
		cmocka_unit_test(
			a_coordinator_with_too_much_to_do_is_asked_again_behind_an_address_that_refuses),
		cmocka_unit_test(refusals_come_in_the_coordinators_words),
		cmocka_unit_test(a_wrong_key_nobody_there_and_silence_are_told_apart),
		cmocka_unit_test(an_answer_for_another_key_or_without_sense_is_not_believed),
		cmocka_unit_test(leaving_is_confirmed_also_when_already_removed),
		cmocka_unit_test_setup_teardown(what_is_saved_is_loaded, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			a_damaged_file_is_explained_and_left_alone, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(every_missing_field_is_named, make_dir, remove_dir),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
