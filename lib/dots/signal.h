// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The resources of a Call Home DOTS server under /.well-known/dots, as one upstream sees them: mitigate, config
// and hb (RFC 9132 sections 4.4, 4.5, 4.7) and redirect (RFC 9066 section 5.2.2). Stays while sessions come and
// go; the requests and observers of a session reach it between signal_attach() and signal_detach().

#include "dots/blocks.h"
#include "dots/config.h"
#include "dots/exchange.h"
#include "dots/heartbeat.h"
#include "dots/mitigation.h"
#include "dots/observe.h"
#include "dots/resource.h"

struct signal {
	struct owner owner; // of the mitigations this upstream asks for
	struct evloop *loop;
	struct mitigations *all;
	struct session_config config;
	struct timer config_timer;   // of the end of what was agreed
	struct heartbeat *heartbeat; // of the session, NULL without, as the next
	struct exchange *exchange;
	struct blocks blocks; // of answers that did not fit
	struct observers observers;
	// The upstream asks us to go elsewhere: 0, or -EINVAL with the reason in err
	int (*redirect)(struct signal *signal, const struct redirect_body *body, struct err *err);
	uint64_t requests;
	uint64_t refused; // answered with 4.xx or 5.xx
};

// The policy is copied; what it points to must stay. `config` is offered, and what is agreed holds
// for config_lifetime seconds unless it is refreshed (0: for good).
void signal_init(struct signal *signal, struct evloop *loop, struct mitigations *all,
	const struct policy *policy, const struct config_body *config, uint32_t config_lifetime);

// Ends the upstream's mitigations.
void signal_end(struct signal *signal);

void signal_attach(struct signal *signal, struct exchange *exchange, struct heartbeat *heartbeat);
void signal_detach(struct signal *signal);

void signal_request(struct signal *signal, const struct message *request, struct reply *reply);

// The peer rejected a notification.
void signal_reset(struct signal *signal, const uint8_t *token, uint8_t token_length);
