// SPDX-License-Identifier: BSD-3-Clause

#include "dots/frame.h"

#include <errno.h>

// The first byte holds Len (high four bits) and TKL (low four); a Len of 13, 14 or 15 says that
// one, two or four bytes follow which hold the length less an offset. Then come the code, the
// token, and as many bytes of options and payload as the length says.
int frame_length(const uint8_t *data, size_t have)
{
	static const struct {
		unsigned bytes;
		uint32_t offset;
	} extended[] = {{1, 13}, {2, 269}, {4, 65805}};
	uint64_t length, extension = 0;
	unsigned bytes = 0, token;

	if (have < 1)
		return 0;
	token = data[0] & 0x0f;
	if (token > 8) // lengths 9 to 15 are reserved (RFC 7252 section 3)
		return -EBADMSG;
	length = data[0] >> 4;
	if (length >= 13) {
		bytes = extended[length - 13].bytes;
		if (have < 1 + bytes)
			return 0;
		for (unsigned i = 0; i < bytes; i++)
			extension = extension << 8 | data[1 + i];
		length = extension + extended[length - 13].offset;
	}
	length += 1 + bytes + 1 + token;
	return length > FRAME_MAX ? -EMSGSIZE : (int)length;
}
