// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The DOTS tower as the daemon sees it: a Call Home DOTS server for any number of upstream domains
// (RFC 9066). It dials each and serves it; who is behind an outside address it asks the resolver,
// what is to be stopped it puts into the ACL. Control thread only.

#include "base/err.h"
#include "base/evloop.h"
#include "dots/accept.h"
#include "dots/detector.h"
#include "dots/list.h"
#include "dots/operate.h"
#include "dots/policy.h"
#include "dots/transport.h"
#include "resolve/resolve.h"
#include "table/acl.h"

#include <stdint.h>

#define DOTS_PORT 4647 // suggested by the founding draft; none is assigned (RFC 9066 section 5.1)

// Used while `dots` exists; owned by the caller.
struct dots_env {
	struct evloop *loop;
	struct resolver *resolver;
	struct acl *acl;
	const struct delegate *delegate; // carries out in the box's place; NULL: nobody does
};

// One upstream domain. Zero means the default given.
struct dots_upstream {
	const char *name; // unique
	const char *host; // address or name
	uint16_t port;    // DOTS_PORT
	enum transport_kind transport[2];
	unsigned transports;   // in this order of preference; 0: DTLS, then TLS
	const char *peer_name; // DNS-ID of the peer's certificate; NULL: host, if it is a name
	struct credentials_files credentials;
	const struct ipprefix *domain; // outside prefixes it may report; none: all of this box's
	unsigned domains;
	unsigned max_subscribers; // that one request may hit; 16
	unsigned max_mitigations; // in force at once; 1024
	enum overlap_key overlap;
	uint32_t max_lifetime;     // seconds; 0: none
	uint32_t terminating_time; // seconds a withdrawn mitigation goes on; 0: none, at most 300
	const struct request_class *class; // the first that matches says what is done,
	unsigned classes;
	struct measure measure; // and this where none does
	unsigned max_rules;     // in force at once; 0: as many as there is room for
	unsigned max_affected;  // subscribers, by all its mitigations; 1024
	uint64_t max_packets; // a second that these may meet before they are suspended; 0: no bound
	enum consent consent;
	uint32_t consent_time;   // seconds to wait for somebody to decide; 3600
	bool consent_by_default; // what is then assumed
	enum relay_policy relay;
	uint32_t retry_interval;     // seconds after a failure to connect; 300, at least 60
	uint32_t probe_interval;     // seconds until DTLS is tried again; 86400, at least 300
	uint32_t config_lifetime;    // seconds an agreed configuration holds; 0: for good
	uint32_t heartbeat_interval; // seconds, offered to the client; 30, 15 to 240
};

struct dots;

// Returns NULL if memory runs out.
struct dots *dots_new(const struct dots_env *env);

// Where mitigations and the audit trail are kept over a restart, of which `audit_size` ended records
// stay for `audit_retention` seconds. Before the first dots_add(). Returns -EINVAL with the reason in
// err.
int dots_keep(struct dots *dots, const char *path, uint32_t audit_retention, uint32_t audit_size,
	struct err *err);

// The program that hears of mitigations from now on (base/hook.h), with the arguments EVENT UPSTREAM CUID MID
// SOURCES TARGETS SUBSCRIBERS OUTCOME; NULL: none. Returns -ENOMEM.
int dots_hook(struct dots *dots, const char *path);

// Takes up the operator's own mitigations that are kept.
void dots_resume(struct dots *dots);

// Closes all sessions and takes all rules out of the ACL. NULL is allowed.
void dots_free(struct dots *dots);

// Reads the credentials, takes up the mitigations that are kept, and begins to dial. Everything is
// copied. Returns -EINVAL, -EEXIST or
// -ENOMEM with the reason in err.
int dots_add(struct dots *dots, const struct dots_upstream *upstream, struct err *err);

// Reads the credentials of an upstream again; its session stays, the next one uses them. Returns -ENOENT, or
// -EINVAL with the reason in err.
int dots_renew(struct dots *dots, const char *name, const struct credentials_files *files,
	struct err *err);

// What is always legitimate from now on, for all upstreams. Everything is copied. Returns -ENOMEM.
int dots_accept(struct dots *dots, const struct accept_list *list);

// How mitigations are inspected from now on.
void dots_inspect(struct dots *dots, const struct inspection *inspection);

// A packet of a flow with this hash met the rule in a slot of the ACL, which inspects.
void dots_saw(struct dots *dots, uint32_t slot, uint32_t flow);

// Closes the session and ends its mitigations. What is kept of them is given up if it is for good;
// else the next dots_add() takes them up again. Returns -ENOENT.
int dots_remove(struct dots *dots, const char *name, bool for_good);
