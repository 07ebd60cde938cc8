/* SPDX-License-Identifier: BSD-2-Clause */
/* model/snapshot_image.h -- a snapshot as octets, for the disk; and back.
 *
 *   snapshot --snapshot_image_write--> octets, checksum --snapshot_image_read--> the same snapshot
 *
 *   image    = u32 services, u32 instances, each service, u64 checksum of all before it
 *   service  = u8 length of its name, name, u16 instances, each instance
 *   instance = u8 which of host, name, port name and zone it has, u8 octets of its address (0, 4, 16),
 *              u8 health, u8 protocol, u8 cap on TTLs, u8 tags, u8 metadata, u16 port, u16 weight,
 *              u16 priority, u16 octets of texts, address, texts: each with a NUL, in the order of
 * model/instance.h
 *
 * Numbers have the least significant octet first. Everything is in there but the findings: they are about a
 * round, which is over. Any thread may write one, as long as somebody keeps the snapshot meanwhile: counts of
 * users are not looked at.
 */
#ifndef PHONEBOOK_MODEL_SNAPSHOT_IMAGE_H
#define PHONEBOOK_MODEL_SNAPSHOT_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "model/snapshot.h"

enum {
	SNAPSHOT_IMAGE_VERSION = 1, /* another one for every change of the form above */
	SNAPSHOT_IMAGE_MIN = 16,    /* octets of one without services */
};

/* Takes the next octets of an image; a negative errno ends the writing. */
typedef int (*snapshot_image_put)(void *context, const void *octets, size_t len);

/* 0, what put() said, or -EOVERFLOW for a snapshot beyond the limits of snapshot.h, which could not be read.
 */
int snapshot_image_write(const struct snapshot *s, snapshot_image_put put, void *context);

/* Takes nothing on trust: what it makes is what a registry could have said, of which the caller is the first
 * user. -EBADMSG for anything else, -ENOMEM. Feeder thread only. */
int snapshot_image_read(const void *octets, size_t len, struct snapshot **ret);

/* The checksum images end with, of other octets. */
uint64_t snapshot_image_checksum(const void *octets, size_t len);

#endif
