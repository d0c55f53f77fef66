// SPDX-License-Identifier: BSD-3-Clause

// One listening TCP socket; every connection is an association in the handshake until its peer has
// shown who it is.

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 16
// Without descriptors a connection waits in the kernel's queue, and would wake us all the time.
#define PAUSE CLOCK_SECOND

struct tls_listener {
	struct listener base;
	struct timer pause;
};

static struct tls_listener *home_of(struct listener *l)
{
	return CONTAINER_OF(l, struct tls_listener, base);
}

static void on_pause_over(struct timer *timer)
{
	struct listener *l = &CONTAINER_OF(timer, struct tls_listener, pause)->base;

	watch_change(l->loop, &l->watch, EPOLLIN);
}

static void pause_accepting(struct listener *l, int error)
{
	log_error("dots", "cannot accept a TLS connection: %s; trying again in a second",
		strerror(error));
	watch_change(l->loop, &l->watch, 0);
	timer_set(l->loop, &home_of(l)->pause, clock_now() + PAUSE, on_pause_over);
}

static void meet(struct listener *l, int fd, const struct sockaddr_storage *from)
{
	struct transport *t;
	struct ipaddr addr;
	uint16_t port;

	if (ipaddr_from_sockaddr((const struct sockaddr *)from, &addr, &port) < 0 ||
		!listener_admits(l, &addr) || l->closed || !listener_has_room(l)) {
		close(fd);
		return;
	}
	t = tls_new_accepting(l, fd, &addr, port);
	if (t)
		listener_begin(l, t);
}

static void on_connections(struct watch *watch, uint32_t)
{
	struct listener *l = CONTAINER_OF(watch, struct listener, watch);

	listener_enter(l);
	for (unsigned i = 0; i < ACCEPTS_A_TURN && !l->closed; i++) {
		struct sockaddr_storage from;
		socklen_t length = sizeof(from);
		int fd = accept4(
			l->fd, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			meet(l, fd, &from);
			continue;
		}
		if (errno == EAGAIN)
			break;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			pause_accepting(l, errno);
			break;
		}
		// anything else is the fate of that one connection (accept(2))
	}
	listener_leave(l);
}

// Connections of before a restart that linger in the kernel are no reason not to start.
static void prepare_socket(struct listener *l)
{
	int one = 1;

	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
}

static void close_tls_listener(struct listener *l)
{
	timer_stop(l->loop, &home_of(l)->pause);
}

static void free_tls_listener(struct listener *l)
{
	free(home_of(l));
}

static const struct listener_ops ops = {
	.kind = TRANSPORT_TLS,
	.prepare = prepare_socket,
	.close = close_tls_listener,
	.free = free_tls_listener,
};

struct listener *tls_listen(struct evloop *loop, struct credentials *credentials,
	const struct ipaddr *addr, uint16_t port, const struct transport_events *events,
	void *(*accept)(void *ctx, struct transport *transport), void *ctx, struct err *err)
{
	const struct listen listen = {loop, credentials, addr, port, events, accept, ctx};
	struct tls_listener *l = calloc(1, sizeof(*l));

	if (!l) {
		err_set(err, "out of memory");
		return NULL;
	}
	if (listener_init(&l->base, &ops, &listen, on_connections, err) < 0) {
		free(l);
		return NULL;
	}
	return &l->base;
}
