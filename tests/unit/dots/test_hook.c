// SPDX-License-Identifier: BSD-3-Clause

// The administrator's program: what it is given, and that it takes no more of us than that.

#include "base/clock.h"
#include "base/hook.h"

#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct evloop *loop;
static struct hook *hook;
static char folder[] = "/tmp/test_hook.XXXXXX";
static char script[sizeof(folder) + 16], output[sizeof(folder) + 16];

static void write_script(const char *body)
{
	FILE *file = fopen(script, "w");

	fprintf(file, "#!/bin/sh\n%s\n", body);
	fclose(file);
	chmod(script, 0700);
}

static int setup(void **)
{
	if (!clock_is_held())
		clock_hold();
	loop = evloop_new();
	strcpy(folder, "/tmp/test_hook.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(script, sizeof(script), "%s/hook", folder);
	snprintf(output, sizeof(output), "%s/output", folder);
	hook = hook_new(loop, script);
	return 0;
}

static int teardown(void **)
{
	hook_free(hook);
	evloop_free(loop);
	unlink(script);
	unlink(output);
	rmdir(folder);
	// whoever ran has been waited for
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return 0;
}

static void run_to_end(void)
{
	while (hook_running(hook))
		assert_int_equal(evloop_turn(loop, -1), 0);
}

static const char *written(void)
{
	static char text[4096];
	FILE *file = fopen(output, "r");
	size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[length] = '\0';
	if (file)
		fclose(file);
	return text;
}

// Arguments arrive as they are, whatever a shell would make of them
static void arguments(void **)
{
	const char *const words[] = {"began", "", "$(id); `id`", "a b\n'\"", NULL};
	char body[256];

	snprintf(body, sizeof(body), "printf '<%%s>' \"$@\" > %s", output);
	write_script(body);
	hook_run(hook, words);
	assert_int_equal(hook_running(hook), 1);
	run_to_end();
	assert_string_equal(written(), "<began><><$(id); `id`><a b\n'\">");
}

// No descriptor and no variable of ours is left to it, and no signal is blocked
static void what_it_has(void **)
{
	const char *const words[] = {"began", NULL};
	char body[512];
	sigset_t set, before;
	int leak = dup(1);

	snprintf(body, sizeof(body),
		"{ [ -e /proc/self/fd/%d ] && echo leak; echo \"$SECRET\"; "
		"grep SigBlk /proc/self/status; } > %s",
		leak, output);
	setenv("SECRET", "secret", 1);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	write_script(body);
	hook_run(hook, words);
	run_to_end();
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(leak);
	assert_string_equal(written(), "\nSigBlk:\t0000000000000000\n");
}

// One that does not end is ended
static void it_takes_too_long(void **)
{
	const char *const words[] = {"began", NULL};

	write_script("exec sleep 1000");
	hook_run(hook, words);
	clock_advance(HOOK_TIME - CLOCK_SECOND);
	evloop_turn(loop, 0);
	assert_int_equal(hook_running(hook), 1);
	clock_advance(2 * CLOCK_SECOND);
	evloop_turn(loop, 0);
	assert_int_equal(hook_running(hook), 0);
}

// Not more than so many at a time
static void many_at_once(void **)
{
	const char *const words[] = {"began", NULL};

	write_script("exec sleep 1000");
	for (unsigned i = 0; i < HOOK_RUNS + 3; i++)
		hook_run(hook, words);
	assert_int_equal(hook_running(hook), HOOK_RUNS);
}

static void there_is_none(void **)
{
	const char *const words[] = {"began", NULL};

	hook_run(hook, words);
	assert_int_equal(hook_running(hook), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(arguments),
		CASE(what_it_has),
		CASE(it_takes_too_long),
		CASE(many_at_once),
		CASE(there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
