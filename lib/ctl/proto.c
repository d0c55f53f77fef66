// SPDX-License-Identifier: BSD-3-Clause

#include "ctl/proto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

int proto_request_length(const uint8_t *data, size_t have)
{
	uint32_t length;

	if (have < sizeof(length))
		return 0;
	memcpy(&length, data, sizeof(length));
	length = ntohl(length);
	if (!length || length > PROTO_REQUEST_MAX)
		return -EMSGSIZE;
	return (int)(sizeof(length) + length);
}

int proto_request_read(const uint8_t *data, size_t length, struct request *request)
{
	const char *text = (const char *)data + sizeof(uint32_t);
	size_t size = length - sizeof(uint32_t);

	if (text[size - 1] != '\0')
		return -EBADMSG;
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c && (c < ' ' || c == 0x7f))
			return -EBADMSG;
	}
	request->words = 0;
	for (const char *word = text; word < text + size; word += strlen(word) + 1) {
		if (request->words == PROTO_WORDS_MAX)
			return -EBADMSG;
		request->word[request->words++] = word;
	}
	return 0;
}

void proto_frame(uint8_t header[PROTO_HEADER], enum proto_kind kind, uint8_t exit, uint32_t length)
{
	uint32_t be = htonl(length);

	header[0] = (uint8_t)kind;
	header[1] = exit;
	header[2] = header[3] = 0;
	memcpy(header + 4, &be, sizeof(be));
}
