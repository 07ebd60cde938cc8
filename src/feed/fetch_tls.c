/* SPDX-License-Identifier: BSD-2-Clause */
/* What went wrong with TLS, in words that lead to what is to be changed. libcurl hands on what the library
 * below it says, which differs from one to the next and speaks of calls, not of files: so the usual reasons
 * are looked for in its text, and what is not found there is told as it is. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "feed/fetch_transfer.h"
#include "feed/secret.h"

enum {
	WHO_MAX = 300,     /* a host name and a port */
	HANG_UP_MS = 1000, /* several times the way there and back, and no time to hold a question */
};

static const char *who(const struct transfer *t, char ret[WHO_MAX])
{
	snprintf(ret, WHO_MAX, "%s:%s", t->host, t->port);
	return ret;
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

/* --- our files --- */

/* True when the file is the reason, which then has been told. libcurl has closed it, but what it could not
 * read a moment ago we cannot read either. */
static bool tell_unreadable(struct transfer *t, const char *key, const char *path)
{
	char reason[SECRET_REASON_MAX];
	const int r = path != NULL ? secret_probe(path, reason) : 0;

	if (r < 0)
		transfer_fail(t, r, "cannot read %s \"%s\": %s", key, path, reason);
	return r < 0;
}

static void tell_authorities(struct transfer *t, const char *text)
{
	if (t->http->ca_file == NULL)
		transfer_fail(t, -EIO, "the authorities of this host cannot be read: %s", text);
	else if (!tell_unreadable(t, "ca-file", t->http->ca_file))
		transfer_fail(t, -EINVAL, "ca-file \"%s\" has no certificate in PEM in it", t->http->ca_file);
}

/* A key that is not the certificate's is told by some libraries as one that cannot be read. */
static void tell_client_certificate(struct transfer *t, const char *text)
{
	const char *cert = t->http->cert_file, *key = t->http->key_file;

	if (tell_unreadable(t, "cert-file", cert) || tell_unreadable(t, "key-file", key))
		return;
	if (cert != NULL && has(text, "PEM client certificate"))
		transfer_fail(t, -EINVAL, "cert-file \"%s\" has no certificate in PEM in it", cert);
	else if (cert != NULL && key != NULL && has(text, "rivate key"))
		transfer_fail(t, -EINVAL,
			      "key-file \"%s\" has no key in PEM in it, or not that of cert-file \"%s\"", key,
			      cert);
	else
		transfer_fail(t, -EINVAL, "client certificate: %s", text);
}

/* --- the server's certificate --- */

static void tell_unknown(struct transfer *t, const char *problem)
{
	const char *ca = t->http->ca_file;
	char server[WHO_MAX];

	if (ca != NULL)
		transfer_fail(t, -EPROTO, "certificate not accepted: %s: %s in ca-file \"%s\"",
			      who(t, server), problem, ca);
	else
		transfer_fail(
			t, -EPROTO,
			"certificate not accepted: %s: %s among the authorities this host trusts; ca-file "
			"can name others",
			who(t, server), problem);
}

/* In this order: what a chain ends with is a self-signed certificate too. */
static void tell_server_certificate(struct transfer *t, const char *text)
{
	static const char other_names[] = "the certificate is for other names";
	static const struct {
		const char *theirs, *ours;
		bool is_unknown;
	} reasons[] = {
		{ "certificate has expired", "the certificate has expired", false },
		{ "certificate is not yet valid", "the certificate is not valid yet; is the clock right?",
		  false },
		{ "certificate in certificate chain", "its authority is not", true },
		{ "signed certificate", "a self-signed certificate that is not", true },
		{ "issuer certificate", "not signed by anything", true },
		{ "verify the first certificate", "not signed by anything", true },
		{ "certificate revoked", "the certificate has been revoked", false },
		{ "target host", other_names, false },
		{ "target ip", other_names, false },
	};
	char server[WHO_MAX];

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (!has(text, reasons[i].theirs))
			continue;
		if (reasons[i].is_unknown)
			tell_unknown(t, reasons[i].ours);
		else
			transfer_fail(t, -EPROTO, "certificate not accepted: %s: %s", who(t, server),
				      reasons[i].ours);
		return;
	}
	transfer_fail(t, -EPROTO, "certificate not accepted: %s: %s", who(t, server), text);
}

/* --- what was said during the handshake --- */

/* The alerts that are about our certificate, or that we have none (RFC 8446 section 6.2, RFC 5246 section
 * 7.2.2). A handshake failure may be that too, but as well have any other reason. */
static bool is_about_ours(const char *text)
{
	static const char *const alerts[] = {
		"certificate required",    "bad certificate",     "unknown ca",
		"certificate expired",     "certificate unknown", "certificate revoked",
		"unsupported certificate", "access denied"
	};

	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
		if (has(text, "alert") && has(text, alerts[i]))
			return true;
	}
	return false;
}

static void tell_alert(struct transfer *t)
{
	char server[WHO_MAX];

	if (t->http->cert_file != NULL)
		transfer_fail(t, -EACCES, "%s does not accept the certificate in cert-file \"%s\"",
			      who(t, server), t->http->cert_file);
	else
		transfer_fail(t, -EACCES, "%s wants a client certificate: cert-file and key-file are missing",
			      who(t, server));
}

/* A server that does not accept us may be gone, and its alert lost, before we have read it: it closes with
 * our request unread, which resets the connection. What had stood for a while was reset for another reason.
 */
static bool is_hung_up(const struct transfer *t, int code)
{
	curl_off_t handshake_us = 0, end_us = 0; /* the former is 0 on a connection that was used before */
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_APPCONNECT_TIME_T, &handshake_us);
	curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &end_us);
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && status == 0 && handshake_us > 0 &&
	       end_us - handshake_us < HANG_UP_MS * 1000;
}

static void tell_hung_up(struct transfer *t)
{
	char server[WHO_MAX];

	if (t->http->cert_file != NULL)
		transfer_fail(
			t, -ECONNRESET,
			"%s hung up right after the handshake; does it accept the certificate in cert-file "
			"\"%s\"?",
			who(t, server), t->http->cert_file);
	else
		transfer_fail(t, -ECONNRESET,
			      "%s hung up right after the handshake; does it want a client certificate "
			      "(cert-file, key-file)?",
			      who(t, server));
}

/* With TLS 1.3 the client has finished before the server has looked at its certificate. */
static bool is_handshake(int code)
{
	return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
}

bool transfer_read_tls_error(struct transfer *t, int code, const char *text)
{
	char server[WHO_MAX];

	if (code == CURLE_SSL_CACERT_BADFILE)
		tell_authorities(t, text);
	else if (code == CURLE_SSL_CERTPROBLEM)
		tell_client_certificate(t, text);
	else if (code == CURLE_PEER_FAILED_VERIFICATION)
		tell_server_certificate(t, text);
	else if (is_handshake(code) && is_about_ours(text))
		tell_alert(t);
	else if (is_hung_up(t, code))
		tell_hung_up(t);
	else if (code == CURLE_SSL_CONNECT_ERROR && has(text, "wrong version number"))
		transfer_fail(t, -EPROTO, "%s does not speak TLS; is it http:// instead of https://?",
			      who(t, server));
	else
		return false;
	return true;
}
