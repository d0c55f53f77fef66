// SPDX-License-Identifier: BSD-3-Clause

#include "base/hook.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 16

struct run {
	struct hook *hook; // NULL: free
	pid_t pid;
	struct watch watch; // of its end, by a pidfd
	struct timer timer; // of its time
};

struct hook {
	struct evloop *loop;
	char *path;
	struct run run[HOOK_RUNS];
};

struct hook *hook_new(struct evloop *loop, const char *path)
{
	struct hook *hook = calloc(1, sizeof(*hook));

	if (!hook)
		return NULL;
	hook->loop = loop;
	hook->path = strdup(path);
	if (!hook->path) {
		free(hook);
		return NULL;
	}
	return hook;
}

// Takes note of a program's end.
static void reap(struct run *run)
{
	struct hook *hook = run->hook;
	siginfo_t info = {0};

	waitid(P_PID, (id_t)run->pid, &info, WEXITED);
	if (info.si_code != CLD_EXITED || info.si_status != 0)
		log_warning("hook", "%s: %s %d", hook->path,
			info.si_code == CLD_EXITED ? "exit status" : "ended by signal",
			info.si_status);
	watch_stop(hook->loop, &run->watch);
	timer_stop(hook->loop, &run->timer);
	close(run->watch.fd);
	run->hook = NULL;
}

static void kill_and_reap(struct run *run)
{
	kill(run->pid, SIGKILL);
	reap(run);
}

void hook_free(struct hook *hook)
{
	if (!hook)
		return;
	for (unsigned i = 0; i < HOOK_RUNS; i++) {
		if (hook->run[i].hook)
			kill_and_reap(&hook->run[i]);
	}
	free(hook->path);
	free(hook);
}

static void on_end(struct watch *watch, uint32_t)
{
	reap(CONTAINER_OF(watch, struct run, watch));
}

static void on_time(struct timer *timer)
{
	kill_and_reap(CONTAINER_OF(timer, struct run, timer));
}

// Nothing of ours is left to it: no descriptors, no blocked signals, no environment.
static int spawn(struct hook *hook, char *const *argv, pid_t *pid)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *const environment[] = {path, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, 1, 2);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	rc = posix_spawn(pid, hook->path, &files, &attr, argv, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -rc;
}

void hook_run(struct hook *hook, const char *const *arguments)
{
	char *argv[ARGUMENTS_MAX + 2] = {hook->path};
	struct run *run = hook->run;
	int fd, rc;

	while (run < hook->run + HOOK_RUNS && run->hook)
		run++;
	if (run == hook->run + HOOK_RUNS) {
		log_warning("hook", "%s: %d of it run already, not told: %s", hook->path, HOOK_RUNS,
			arguments[0]);
		return;
	}
	// posix_spawn() reads them only
	for (unsigned i = 0; i < ARGUMENTS_MAX && arguments[i]; i++)
		memcpy(&argv[1 + i], &arguments[i], sizeof(argv[0]));
	rc = spawn(hook, argv, &run->pid);
	if (rc < 0) {
		log_warning("hook", "%s: %s", hook->path, strerror(-rc));
		return;
	}
	run->hook = hook;
	fd = pidfd_open(run->pid, 0);
	if (fd < 0 || watch_start(hook->loop, &run->watch, fd, EPOLLIN, on_end) < 0 ||
		timer_set(hook->loop, &run->timer, clock_now() + HOOK_TIME, on_time) < 0) {
		run->watch.fd = fd;
		kill_and_reap(run);
	}
}

unsigned hook_running(const struct hook *hook)
{
	unsigned count = 0;

	for (unsigned i = 0; i < HOOK_RUNS; i++)
		count += hook->run[i].hook != NULL;
	return count;
}
