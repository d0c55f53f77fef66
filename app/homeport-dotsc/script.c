// SPDX-License-Identifier: BSD-3-Clause

#include "script.h"

#include "base/bits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

int script_open(struct script *s, struct evloop *loop, const char *path, void (*ready)(void *ctx),
	void *ctx, struct err *err)
{
	*s = (struct script){.loop = loop, .fd = -1, .ready = ready, .ctx = ctx};
	if (!path)
		return 0;
	s->fd = !strcmp(path, "-") ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	return s->fd >= 0 ? 0 : err_code(err, -errno, "%s: %s", path, strerror(errno));
}

static void stop(struct script *s)
{
	watch_stop(s->loop, &s->watch);
	if (s->fd > STDIN_FILENO)
		close(s->fd);
	s->fd = -1;
}

void script_close(struct script *s)
{
	if (s->fd >= 0)
		stop(s);
}

// Takes the first `length` bytes out of the buffer, and the line's end behind them.
static enum script_line take(struct script *s, size_t length, char *line)
{
	bool too_long = s->too_long;
	size_t end = length < s->used ? length + 1 : length;

	memcpy(line, s->buffer, length);
	line[length] = 0;
	memmove(s->buffer, s->buffer + end, s->used - end);
	s->used -= end;
	s->too_long = false;
	return too_long ? SCRIPT_TOO_LONG : SCRIPT_LINE;
}

static void fill(struct script *s)
{
	ssize_t got = read(s->fd, s->buffer + s->used, sizeof(s->buffer) - 1 - s->used);

	if (got > 0)
		s->used += (size_t)got;
	else if (got == 0 || errno != EINTR)
		stop(s);
}

static void on_input(struct watch *watch, uint32_t)
{
	struct script *s = CONTAINER_OF(watch, struct script, watch);

	watch_stop(s->loop, watch);
	fill(s);
	s->ready(s->ctx);
}

enum script_line script_next(struct script *s, char *line)
{
	for (;;) {
		char *end = memchr(s->buffer, '\n', s->used);

		if (end)
			return take(s, (size_t)(end - s->buffer), line);
		if (s->used == sizeof(s->buffer) - 1) {
			s->too_long = true;
			s->used = 0;
		}
		if (s->fd < 0)
			return s->used ? take(s, s->used, line) : SCRIPT_END;
		if (watch_start(s->loop, &s->watch, s->fd, EPOLLIN, on_input) == 0)
			return SCRIPT_LATER;
		fill(s); // epoll knows no files, which never keep us waiting either
	}
}
