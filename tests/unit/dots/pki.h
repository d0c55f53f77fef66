// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A throw-away PKI in a folder of its own, made with OpenSSL when a test program starts and removed
// when it ends. Files are named by what they are: "server.pem" and "server.key".

#include "dots/transport.h"

#include <openssl/x509.h>

#define PKI_SERVER "server.example" // the DNS name that listeners go by
#define PKI_CLIENT "home-1.example"

struct pki_spec {
	const char *name;   // of the files
	const char *common; // name; NULL: as the files
	const char *dns;    // "DNS:a,DNS:b"; NULL: no subjectAltName
	const char *issuer; // name of the files of a CA; NULL: signed by itself
	const char *usage;  // extendedKeyUsage; NULL: any
	int from_days;      // from now
	int to_days;        // 0: a year
	bool is_ca;
	bool rsa; // 2048 bits; otherwise an EC key on P-256
};

// Makes the folder and what every test uses:
//   ca          server, client, and what is wrong with some others: see the table in pki.c
//   other-ca    stranger (with the names of server and client)
//   ca.crl, ca-and-mid.crl   revoke "revoked"
//   old.crl     out of date
void pki_start(void);

// Makes a certificate and key; aborts the program if it cannot.
void pki_issue(const struct pki_spec *spec);

// "DIR/NAME", in one of a few static buffers: good for one call's arguments.
const char *pki_path(const char *name);

// Writes a file into the folder.
void pki_write(const char *name, const char *text);

// Loads "NAME.pem" and "NAME.key", with CA certificates and a CRL by their file names (the latter
// may be NULL). Aborts with the reason if it cannot.
struct credentials *pki_credentials(const char *name, const char *ca, const char *crl);

X509 *pki_certificate(const char *name);
EVP_PKEY *pki_key(const char *name);
