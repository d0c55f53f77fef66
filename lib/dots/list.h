// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the operator is shown: `show dots` and `show mitigations` as plain rows. Pointers in a row
// are valid during the call that shows it.

#include "base/ipaddr.h"
#include "base/subkey.h"
#include "dots/audit.h"
#include "dots/scope.h"

#include <stdbool.h>
#include <stdint.h>

struct dots;
struct expiry;
struct homes;

struct dots_session_row {
	const char *upstream;
	const char *host;
	uint16_t port;
	const char *state; // "resolving", "connecting", "up" or "waiting"
	bool up;
	const char *transport; // "dtls" or "tls"; NULL unless up, as what follows
	struct ipaddr peer;
	uint16_t peer_port;
	const char *peer_name;
	const char *cipher;
	const char *version;
	int64_t since;              // Unix time in seconds the state began
	int64_t retry_at;           // of the next attempt while waiting, else 0
	const char *redirected_to;  // by the upstream; NULL: it is where the configuration says
	const char *last_error;     // NULL: none yet
	int64_t certificate_end;    // Unix time our certificate ends; 0: there is none,
	int64_t ca_end;             // the first of the authorities' does,
	int64_t peer_end;           // and the peer's; 0 unless up
	unsigned mitigations;       // in force
	int64_t suspended;          // Unix time in seconds they were; 0: they are not
	uint64_t packet_rate;       // packets a second that they meet
	uint64_t confirmed;         // by the detector, ever,
	uint64_t cleared;           // and not
	unsigned observers;         // of this session
	uint64_t sessions;          // established so far
	uint64_t failures;          // attempts that failed
	uint64_t requests;          // taken
	uint64_t refused;           // of them
	uint64_t notifications;     // sent in this session, as the rest
	uint64_t heartbeats_sent;   //
	uint64_t heartbeats_heard;  //
	unsigned heartbeats_missed; // in a row
};

void dots_list_sessions(const struct dots *dots,
	void (*fn)(void *ctx, const struct dots_session_row *row), void *ctx);

// What a home is known by.
enum home_identity {
	HOME_BY_NAME, // the DNS name in its certificate
	HOME_BY_KEY,  // the hash of its certificate's key, as in transport_peer.spki
	HOME_BY_PSK,  // the identity of its pre-shared key
};

// A subscriber's home, of which the box is the client.
struct dots_home_row {
	const char *name;
	const char *identity;
	enum home_identity kind;
	struct ipprefix subscriber;
	const char *state;     // "absent", "greeting" or "ready"
	const char *transport; // "dtls" or "tls"; NULL without a session, as what follows
	struct ipaddr peer;
	uint16_t peer_port;
	const char *cipher;
	const char *version;
	bool resumed;
	int64_t since; // Unix time in seconds the state began
	const char *last_error;
	int64_t certificate_end; // Unix time the one it has shown last ends; 0: none
	const char *cuid;
	unsigned orders;    // mitigations it has been asked for,
	unsigned confirmed; // and has taken
	uint64_t sessions;
	uint64_t requests; // sent to it
	uint64_t refused;  // of them
	uint64_t heartbeats_sent;
	uint64_t heartbeats_heard;
	unsigned heartbeats_missed; // in a row
};

// The homes of a configuration, or the one of that name.
void homes_list(const struct homes *homes, const char *name,
	void (*fn)(void *ctx, const struct dots_home_row *row), void *ctx);

struct dots_homes_counters {
	unsigned listeners; // 0: homes are not served
	unsigned configured;
	unsigned ready;     // with a session that can be used
	unsigned half_open; // in the handshake
	unsigned orders;
	int64_t certificate_end; // Unix time the listeners' certificate ends; 0: there is none
	int64_t ca_end;          // the first of the authorities',
	int64_t peer_end;        // and of those that homes have shown
	uint64_t handshakes;     // that were completed
	uint64_t failed;         // that failed for want of valid credentials
	uint64_t unknown;        // with a valid certificate that no home has
	uint64_t misplaced;      // from an address that is not the subscriber's
	uint64_t not_admitted;   // turned away by the drop-list
};

void homes_count(const struct homes *homes, struct dots_homes_counters *out);

// The drop-list, in no order.
void homes_list_dropped(const struct homes *homes,
	void (*fn)(void *ctx, const struct ipprefix *source, uint64_t left_ns), void *ctx);

// A subscriber that a mitigation hits. Inside addresses: for the operator alone.
struct dots_suspect {
	struct subkey subscriber;
	struct ipaddr outside; // how it was found,
	uint16_t lower;        // with these of the reported ports
	uint16_t upper;
	bool mapped; // one live mapping was found:
	struct ipaddr inside;
	uint16_t inside_port;
};

// The members of ietf-dots-signal-channel@2020-05-28 with ietf-dots-call-home@2018-04-01, and what
// stands behind them.
struct dots_mitigation_row {
	const char *upstream;
	const char *cuid;
	uint32_t mid;
	const struct scope *scope;
	int64_t lifetime; // seconds left, or LIFETIME_INDEFINITE
	int64_t start;    // Unix time in seconds
	unsigned status;  // number, and label as in iana-dots-signal-channel
	const char *status_label;
	const char *phase;         // "asked", "in-force", "ending" or "rejected"
	const char *action;        // what is done, or will be once it is in force
	uint64_t packets;          // that met its rules,
	uint64_t bytes;            // dropped or not
	int64_t decide_until;      // while consent is asked: Unix time in seconds
	uint64_t evidence_packets; // counted while it was
	uint64_t evidence_bytes;
	uint64_t evidence_seconds;
	const char *judgement;  // the detector's: "watching", "attack" or "clear"; NULL: not asked
	uint32_t flows;         // in its last window
	unsigned attack_status; // 0: the client has not said
	const char *attack_status_label;
	uint64_t bytes_dropped;
	uint64_t packets_dropped;
	uint64_t bps_dropped; // bytes a second, as in RFC 9132 section 4.4.2
	uint64_t pps_dropped;
	const struct dots_suspect *suspect;
	unsigned suspects;
	const uint32_t *acl_slot;
	unsigned acl_slots;
};

void dots_list_mitigations(const struct dots *dots,
	void (*fn)(void *ctx, const struct dots_mitigation_row *row), void *ctx);

// The audit trail, the newest record first.
void dots_list_audit(const struct dots *dots,
	void (*fn)(void *ctx, const struct dots_audit_row *row), void *ctx);

#define EXPIRY_TEXT 96

// What there is to say about a certificate that ends at that Unix time (0: there is none); false: nothing.
bool expiry_text(
	const struct expiry *expiry, const char *whose, int64_t end, char out[EXPIRY_TEXT]);

// Whose they are.
#define EXPIRY_OWN  "the box's certificate"
#define EXPIRY_CA   "a certificate of the authorities"
#define EXPIRY_PEER "the peer's certificate"
#define EXPIRY_HOME "the certificate of a home"
