// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The control socket's protocol, spoken by homeportd and the homeport command over a UNIX stream socket.
//
// A request is its length (32 bits, big-endian) and as many bytes: the words of a command, each ended by
// a zero byte. A reply is any number of frames, each a kind, an exit code, two zero bytes, a length (32
// bits, big-endian) and as many bytes:
//
//	'd'  a part of the JSON text that answers (RFC 7951); all parts together are one document
//	'e'  the text of an error, which ends the reply
//	'z'  the end of a good reply; no bytes
//
// One request at a time; the connection may be used again.

#include <stddef.h>
#include <stdint.h>

#define PROTO_REQUEST_MAX 4096
#define PROTO_WORDS_MAX   32
#define PROTO_HEADER      8

enum proto_kind { PROTO_DATA = 'd', PROTO_ERROR = 'e', PROTO_END = 'z' };

// Exit codes of a reply, which the homeport command makes its own.
enum proto_exit {
	PROTO_OK = 0,
	PROTO_FAILED = 1,
	PROTO_USAGE = 2,
	PROTO_NONE = 3,    // lookup: nobody
	PROTO_SEVERAL = 4, // lookup: more than one
};

struct request {
	unsigned words;
	const char *word[PROTO_WORDS_MAX];
};

// How many bytes a request takes of which `have` bytes are there: its length with the header, 0 if even
// the header is not whole, or -EMSGSIZE if it is longer than allowed.
int proto_request_length(const uint8_t *data, size_t have);

// Splits a whole request; the words point into it. Returns -EBADMSG unless it is one to PROTO_WORDS_MAX
// words of printable text, each ended by its zero byte.
int proto_request_read(const uint8_t *data, size_t length, struct request *request);

// Writes the header of a reply frame.
void proto_frame(uint8_t header[PROTO_HEADER], enum proto_kind kind, uint8_t exit, uint32_t length);
