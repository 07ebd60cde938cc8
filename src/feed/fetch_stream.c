/* SPDX-License-Identifier: BSD-2-Clause */
#include <curl/curl.h>
#include <errno.h>

#include "base/clock.h"
#include "feed/fetch_transfer.h"

enum {
	/* So many octets of whole objects may wait; then reading pauses, and the server feels it. libcurl
	 * comes with 16 KiB at a time: less would pause at each, more only costs memory. */
	WAITING_MAX = 65536,
};

bool stream_is_open(struct transfer *t)
{
	long status = 0;

	if (t->request.source == FETCH_STREAM && t->easy != NULL)
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return status == 200;
}

static int read_head(struct transfer *t)
{
	return t->head.status != 0 ? 0 : transfer_read_head(t, &t->head);
}

/* The empty line ends the head: a watch of things that do not change may say no more for a long time, but
 * whoever waits for it should know that it stands. */
void stream_take_header(struct transfer *t, const char *line, size_t len)
{
	const bool is_end = len > 0 && (line[0] == '\r' || line[0] == '\n');

	if (!is_end || t->head.status != 0 || !stream_is_open(t) || read_head(t) < 0)
		return; /* for want of memory: tried again with the body */
	t->is_opening = true;
	t->arrived(t);
}

/* What is refused here comes again from libcurl when it goes on, and is kept by it meanwhile: at most the
 * rest of one read. */
size_t stream_take(struct transfer *t, const char *octets, size_t len)
{
	if (frames_waiting(&t->frames) >= WAITING_MAX) {
		t->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	int r = read_head(t);
	if (r == 0)
		r = frames_add(&t->frames, octets, len);
	t->body_error = r;
	if (frames_waiting(&t->frames) > 0)
		t->arrived(t);
	return r == 0 ? len : 0;
}

const struct fetch_result *stream_next(struct transfer *t)
{
	size_t len = 0;
	const char *object = frames_next(&t->frames, &len);

	if (object == NULL && !t->is_opening)
		return NULL;
	t->is_opening = false;
	t->object = t->head;
	t->object.name = t->name;
	t->object.body = object != NULL ? object : "";
	t->object.len = len;
	return &t->object;
}

/* libcurl hands over what it kept from inside the call; when that is refused the transfer would not end by
 * itself. And the server was not silent while we did not listen. */
int stream_resume(struct transfer *t)
{
	if (!t->is_paused || t->easy == NULL)
		return 0;
	t->is_paused = false;
	t->progress.heard_ms = clock_ms();
	const CURLcode code = curl_easy_pause(t->easy, CURLPAUSE_CONT);
	if (code == CURLE_OK)
		return 0;
	transfer_read_end(t, (int)code);
	return -EIO;
}
