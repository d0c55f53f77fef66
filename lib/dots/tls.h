// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What tls_listener.c needs of tls.c.

#include "dots/listener.h"

// Makes the association of a connection just accepted, which is its own from now on; it is closed
// if that fails. It is not the listener's until listener_begin().
struct transport *tls_new_accepting(
	struct listener *listener, int fd, const struct ipaddr *addr, uint16_t port);
