// SPDX-License-Identifier: BSD-3-Clause

#include "relay.h"

#include "base/bits.h"

#include "world.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static int open_on_loopback(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

void relay_inject(struct relay *relay, enum relay_way way, const uint8_t *data, size_t length)
{
	// what came in at one side leaves at the other
	int fd = relay->side[way == RELAY_IN ? RELAY_OUT : RELAY_IN].watch.fd;

	assert_int_equal(send(fd, data, length, 0), (ssize_t)length);
}

static void pass(struct relay_side *side, const uint8_t *data, size_t length)
{
	struct relay *relay = side->relay;

	if (relay->swaps && !side->held_length) {
		memcpy(side->held, data, length);
		side->held_length = length;
		return;
	}
	relay_inject(relay, side->way, data, length);
	if (relay->doubles)
		relay_inject(relay, side->way, data, length);
	if (side->held_length)
		relay_inject(relay, side->way, side->held, side->held_length);
	side->held_length = 0;
}

static void on_datagram(struct watch *watch, uint32_t)
{
	struct relay_side *side = CONTAINER_OF(watch, struct relay_side, watch);
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	uint8_t data[2048];
	ssize_t n = recvfrom(watch->fd, data, sizeof(data), 0, (struct sockaddr *)&from, &length);

	assert_true(n >= 0);
	if (side->way == RELAY_IN && !side->count)
		assert_int_equal(connect(watch->fd, (struct sockaddr *)&from, length), 0);
	if ((size_t)n > side->longest)
		side->longest = (size_t)n;
	if (!side->relay->loses || !side->relay->loses(side->way, side->count))
		pass(side, data, (size_t)n);
	side->count++;
}

void relay_start(struct relay *relay, struct evloop *loop, uint16_t listener)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(listener),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	uint16_t port;

	memset(relay, 0, sizeof(*relay));
	relay->loop = loop;
	for (unsigned i = 0; i < 2; i++) {
		struct relay_side *side = &relay->side[i];
		int fd = open_on_loopback(i == RELAY_IN ? &relay->port : &port);

		if (i == RELAY_OUT)
			assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
		side->relay = relay;
		side->way = i;
		assert_int_equal(watch_start(loop, &side->watch, fd, EPOLLIN, on_datagram), 0);
	}
}

void relay_stop(struct relay *relay)
{
	for (unsigned i = 0; i < 2; i++) {
		int fd = relay->side[i].watch.fd;

		watch_stop(relay->loop, &relay->side[i].watch);
		close(fd);
	}
}
