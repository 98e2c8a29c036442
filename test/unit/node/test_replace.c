/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `replace`: the program that is to go on is asked before anything ends. The programs and the control socket
 * are stand-ins that the linker puts in. */
#include "unit/unit.h"

#include "loop/helper.h"
#include "node/commands_private.h"
#include "os/handover.h"
#include "os/run.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <jansson.h>

int __wrap_handover_program(char *ret_path, size_t n, struct diag *d);
int __wrap_os_run(const struct os_run *r, struct diag *d);
void __wrap_ctl_reply(struct ctl_call *call, json_t *reply_take);
void __wrap_ctl_reply_text(struct ctl_call *call, char *text_take);
void __wrap_node_stop_soon(struct node *n);
int __wrap_plane_keep_tun(const struct plane *p);
int __wrap_os_lock_keep(int fd);

static struct rig {
	struct node n;
	struct node_options options;
	int there, says; /* is there a program, and what it answers */
	bool down_meanwhile;
	char asked[512]; /* as it was called */
	json_t *answer;
	unsigned answers, stops, kept;
} rig;

int __wrap_handover_program(char *ret_path, size_t n, struct diag *d)
{
	snprintf(ret_path, n, "/opt/program");
	return rig.there ? diag_what(d, rig.there, "the program is gone") : TM_OK;
}

int __wrap_os_run(const struct os_run *r, struct diag *d)
{
	assert_true(r->timeout_ms > 0);
	rig.asked[0] = '\0';
	for (size_t i = 0; r->argv[i]; i++)
		snprintf(rig.asked + strlen(rig.asked), sizeof(rig.asked) - strlen(rig.asked), "%s%s",
			i ? " " : "", r->argv[i]);
	if (rig.down_meanwhile)
		rig.n.ending = true; /* the control thread only waits here */
	return rig.says ? diag_what(d, rig.says, "line 3 makes no sense") : TM_OK;
}

void __wrap_ctl_reply(struct ctl_call *call, json_t *reply_take)
{
	assert_ptr_equal(call, &rig);
	json_decref(rig.answer);
	rig.answer = reply_take;
	rig.answers++;
	event_base_loopbreak(rig.n.base);
}

void __wrap_ctl_reply_text(struct ctl_call *call, char *text_take)
{
	__wrap_ctl_reply(call, text_take ? json_loads(text_take, JSON_REJECT_DUPLICATES, NULL) : NULL);
	free(text_take);
}

void __wrap_node_stop_soon(struct node *n UNUSED)
{
	rig.stops++;
}

int __wrap_plane_keep_tun(const struct plane *p UNUSED)
{
	rig.kept++;
	return TM_OK;
}

int __wrap_os_lock_keep(int fd UNUSED)
{
	rig.kept++;
	return TM_OK;
}

static int set_up(void **state UNUSED)
{
	rig = (struct rig){.options = {.state_dir = "/state", .config_path = "/etc/config.yaml"}};
	rig.n.options = &rig.options;
	rig.n.started = 77;
	evthread_use_pthreads();
	rig.n.base = event_base_new();
	return rig.n.base ? 0 : -1;
}

static int tear_down(void **state UNUSED)
{
	helper_free(TAKE(rig.n.replacer));
	event_base_free(rig.n.base);
	json_decref(rig.answer);
	return 0;
}

/* And waits for the answer. */
static void ask(void)
{
	const unsigned before = rig.answers;

	command_replace(&rig.n, NULL, (struct ctl_call *)&rig);
	if (rig.answers == before)
		event_base_loop(rig.n.base, EVLOOP_NO_EXIT_ON_EMPTY);
	assert_int_equal(rig.answers, before + 1);
}

static const char *text(const char *key)
{
	const char *s = json_string_value(json_object_get(rig.answer, key));

	return s ? s : "";
}

static void a_program_that_can_go_on_does(void **state)
{
	(void)state;
	ask();
	assert_string_equal(rig.asked, "/opt/program restart --check --state-dir /state");
	assert_int_equal(json_integer_value(json_object_get(rig.answer, "run")), 77);
	assert_int_equal(rig.stops, 1);
	node_replace_keep(&rig.n);
	assert_true(rig.n.replacing);
	assert_int_equal(rig.kept, 2);
}

static void it_is_asked_about_the_configuration_that_we_have(void **state)
{
	(void)state;
	rig.options.config_explicit = true;
	ask();
	assert_string_equal(
		rig.asked, "/opt/program restart --check --state-dir /state --config /etc/config.yaml");
}

static void one_that_cannot_is_refused_with_what_it_said(void **state)
{
	(void)state;
	rig.says = TM_EIO;
	ask();
	assert_string_equal(text("code"), "not_replaced");
	assert_non_null(strstr(text("error"), "line 3 makes no sense"));
	assert_string_equal(text("hint"), "the one that runs goes on");
	node_replace_keep(&rig.n);
	assert_false(rig.n.replacing);
	assert_int_equal(rig.stops + rig.kept, 0);
	rig.says = TM_OK;
	ask();
	assert_int_equal(rig.stops, 1);
}

static void one_that_is_not_there_is_refused_at_once(void **state)
{
	(void)state;
	rig.there = TM_ENOENT;
	ask();
	assert_non_null(strstr(text("error"), "the program is gone"));
	assert_string_equal(rig.asked, "");
	assert_int_equal(rig.stops, 0);
}

static void who_was_told_to_end_meanwhile_ends(void **state)
{
	(void)state;
	rig.down_meanwhile = true;
	ask();
	assert_string_equal(text("code"), "not_replaced");
	assert_non_null(strstr(text("error"), "is stopping"));
	assert_int_equal(rig.stops, 0);
}

static void who_is_told_to_end_after_it_ends(void **state)
{
	(void)state;
	ask();
	node_replace_never(&rig.n);
	assert_false(rig.n.replacing);
	ask();
	node_replace_keep(&rig.n);
	assert_false(rig.n.replacing);
	assert_int_equal(rig.kept, 0);
}

static void who_fails_on_the_way_out_is_no_other_program(void **state)
{
	(void)state;
	ask();
	rig.n.result = TM_EIO;
	node_replace_keep(&rig.n);
	assert_false(rig.n.replacing);
	assert_int_equal(rig.kept, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_program_that_can_go_on_does),
		T(it_is_asked_about_the_configuration_that_we_have),
		T(one_that_cannot_is_refused_with_what_it_said),
		T(one_that_is_not_there_is_refused_at_once),
		T(who_was_told_to_end_meanwhile_ends),
		T(who_is_told_to_end_after_it_ends),
		T(who_fails_on_the_way_out_is_no_other_program),
	};

	return cmocka_run_group_tests_name("node/replace", tests, NULL, NULL);
}
