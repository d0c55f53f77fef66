// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The Call Home DOTS client itself: it listens, keeps a session with each server that dials in, and
// runs one command after the other against the one that came last.
//
// client.c has the listeners and the sessions, transfer.c answers in blocks, run.c the commands,
// output.c what is printed.

#include "base/evloop.h"
#include "dots/exchange.h"
#include "dots/heartbeat.h"

#include "args.h"
#include "script.h"

#include <jansson.h>

#define PEERS_MAX 64

// Exit codes: the class of the last reply, or
enum { EXIT_REPLY_2 = 0, EXIT_CANNOT_START = 1, EXIT_REFUSED = 2, EXIT_NO_REPLY = 3 };

struct client;

// A server that has dialled in.
struct peer {
	struct peer *next;
	struct client *client;
	struct transport *transport;
	struct exchange *exchange; // from `up` on
	struct heartbeat heartbeat;
	bool ready; // the session configuration has been asked for, and answered
	struct question *questions;
};

// A request on its way, or an observation.
struct question {
	struct question *next;
	struct peer *peer;
	const char *command; // its name
	bool automatic;      // not of the script
	bool observing;
	char path[512];
	bool has_mid;
	uint32_t mid;
	uint8_t token[MESSAGE_TOKEN_MAX];
	uint8_t token_length;
	struct transfer *transfer; // of an answer that comes in blocks
};

// A mitigation request as it was sent last, to be refreshed: each attribute has to be repeated
// (RFC 9132 section 4.4.1.3).
struct request {
	struct request *next;
	uint32_t mid;
	struct mitigation_body body;
};

enum run_state { RUN_IDLE, RUN_WAITING_SESSION, RUN_WAITING_ANSWER, RUN_WAITING_EVENT, RUN_DONE };

struct client {
	struct options options;
	struct evloop *loop;
	struct credentials *credentials;
	struct listener *listener[2];
	struct peer *peers; // the latest first
	unsigned n_peers;

	enum run_state state;
	struct script script;
	struct timer timer; // of what is waited for
	struct command command;
	bool has_command;
	bool single_done; // the command of the command line has run
	struct question *waiting;
	struct request *requests;
	uint32_t next_mid;
	uint32_t last_mid;
	int result;
};

// client.c
int client_listen(struct client *client, struct err *err);
void client_close(struct client *client);

// The session that commands go to; NULL if there is none that is ready.
struct peer *client_peer(const struct client *client);

// Asks something of a peer. `question` is taken over, also on failure. Returns 0 or -errno.
int peer_ask(struct peer *peer, struct question *question, struct message *message);

// An answer has come, whole.
void question_answered(struct question *question, const struct answer *answer);

// Puts the path of a question into a message; its segments are cut in `segments`.
void question_path(
	const struct question *question, struct message *message, char *segments, size_t room);

// transfer.c
bool transfer_is_wanted(const struct answer *answer);

// Fetches the rest of an answer; question_answered() follows. False if memory runs out.
bool transfer_begin(struct question *question, const struct answer *answer);

// Gives it up, or forgets it when the exchange is gone.
void transfer_end(struct question *question);
void transfer_free(struct question *question);

// run.c
void run_start(struct client *client);

// Something has happened that a command may wait for: "up", "down", "notification", "heartbeat".
void run_event(struct client *client, const char *event);

// A session is ready for requests.
void run_ready(struct client *client);

// The answer to a question of the script, NULL if there will be none.
void run_answered(
	struct client *client, const struct question *question, const struct message *message);

void run_end(struct client *client);

// output.c: one line of JSON each
void print_listening(const struct client *client);
void print_session(const char *event, const struct peer *peer, const struct err *why);
void print_refused(const struct ipaddr *addr, const struct err *why);
void print_answer(const struct question *question, const struct answer *answer);
void print_no_answer(const struct question *question, const char *event);
void print_heartbeat(const struct peer *peer, bool status);
void print_error(const struct command *command, const char *text);
void print_timeout(const struct command *command);
