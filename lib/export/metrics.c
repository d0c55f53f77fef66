// SPDX-License-Identifier: BSD-3-Clause

// HTTP is libmicrohttpd's, without a thread of its own: it has an epoll descriptor, which our loop
// watches, and says when it wants to be called although nothing came.

#include "export/metrics.h"

#include "base/bits.h"
#include "base/clock.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS  16u // at one time
#define TIMEOUT      10u // seconds without a byte
#define BACKLOG      64
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics {
	struct metrics_env env;
	struct MHD_Daemon *http;
	struct watch watch;
	struct timer timer;
	uint16_t port;
};

static enum MHD_Result answer(
	struct MHD_Connection *connection, unsigned status, char *text, size_t length)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result rc;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, CONTENT_TYPE);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	rc = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *words)
{
	char *text = strdup(words);

	return text ? answer(connection, status, text, strlen(text)) : MHD_NO;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
	const char *method, const char *, const char *, size_t *body, void **)
{
	struct metrics *m = ctx;
	struct exposition e = {0};
	size_t length;
	char *text;

	if (*body) { // what comes with a request is not read
		*body = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD\n");
	if (strcmp(url, "/metrics") != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "only /metrics is here\n");
	m->env.collect(m->env.ctx, &e);
	text = exposition_end(&e, &length);
	return text ? answer(connection, MHD_HTTP_OK, text, length) : MHD_NO;
}

static void on_timer(struct timer *timer);

static void run(struct metrics *m)
{
	MHD_UNSIGNED_LONG_LONG wait;

	// a daemon that had all its connections looks at its listening socket again in the turn after
	// one has ended, and does not ask for that turn
	MHD_run(m->http);
	MHD_run(m->http);
	if (MHD_get_timeout(m->http, &wait) == MHD_YES)
		timer_set(m->env.loop, &m->timer, clock_now() + wait * (CLOCK_SECOND / 1000),
			on_timer);
	else
		timer_stop(m->env.loop, &m->timer);
}

static void on_timer(struct timer *timer)
{
	run(CONTAINER_OF(timer, struct metrics, timer));
}

static void on_event(struct watch *watch, uint32_t)
{
	run(CONTAINER_OF(watch, struct metrics, watch));
}

static int open_socket(const struct ipaddr *addr, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t length = ipaddr_to_sockaddr(addr, port, &at);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, rc;

	if (fd < 0)
		return -errno;
	// after a restart the port is the box's again at once
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, length) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int learn_port(struct metrics *m, int fd)
{
	struct sockaddr_storage at;
	socklen_t length = sizeof(at);
	struct ipaddr addr;

	if (getsockname(fd, (struct sockaddr *)&at, &length) < 0)
		return -errno;
	return ipaddr_from_sockaddr((struct sockaddr *)&at, &addr, &m->port);
}

// The socket is the daemon's, if there is one afterwards.
static int start(struct metrics *m, int fd)
{
	const union MHD_DaemonInfo *info;

	m->http = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, m,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT, MHD_OPTION_END);
	info = m->http ? MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	return info ? watch_start(m->env.loop, &m->watch, info->epoll_fd, EPOLLIN, on_event)
		    : -ENOMEM;
}

struct metrics *metrics_open(
	const struct metrics_env *env, const struct ipaddr *addr, uint16_t port, struct err *err)
{
	struct metrics *m = calloc(1, sizeof(*m));
	int fd = m ? open_socket(addr, port) : -ENOMEM, rc = fd;
	char text[IPADDR_TEXT];

	if (fd >= 0) {
		m->env = *env;
		rc = learn_port(m, fd);
		if (rc == 0)
			rc = start(m, fd);
	}
	if (rc >= 0)
		return m;
	err_set(err, "cannot listen on %s port %u: %s", ipaddr_format(addr, text), port,
		strerror(-rc));
	if (fd >= 0 && !m->http)
		close(fd);
	metrics_close(m);
	return NULL;
}

uint16_t metrics_port(const struct metrics *m)
{
	return m->port;
}

void metrics_close(struct metrics *m)
{
	if (!m)
		return;
	watch_stop(m->env.loop, &m->watch);
	timer_stop(m->env.loop, &m->timer);
	if (m->http)
		MHD_stop_daemon(m->http);
	free(m);
}
