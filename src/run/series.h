/*
 * Checkpoints as a series of files that differ in a number: PREFIX-NNNNNN.h5 in a folder. Listing and removing are done
 * by rank 0 and broadcast.
 */
#ifndef SINODE_RUN_SERIES_H
#define SINODE_RUN_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "app.h"

enum { SN_SERIES_PATH = SN_CONFIG_PATH + 64 };

typedef struct {
  char folder[SN_SERIES_PATH], prefix[SN_SERIES_PATH]; /* prefix: of the name in the folder */
} sn_series;

/* The series FOLDER/PREFIX-*.h5 of a path "FOLDER/PREFIX". Local. */
sn_series sn_series_at(const char *path);

/* The path of a number, in a buffer of SN_SERIES_PATH. Local. */
void sn_series_path(const sn_series *series, int64_t number, char *path);

/* The numbers that are there, ascending, taken into *numbers. Collective over world. */
SN_MUST_CHECK sn_status sn_series_list(const sn_app *app, const sn_series *series, ptrdiff_t *count, int64_t **numbers);

/*
 * Removes all but the newest `keep` and the one with the number `spare`, if any, and what a killed run left unfinished.
 * Collective over world.
 */
SN_MUST_CHECK sn_status sn_series_prune(const sn_app *app, const sn_series *series, int64_t keep, int64_t spare);

/*
 * Reads the newest that can be read: `read` gets context and path, is collective over world, and is tried from the
 * newest on; a damaged one is reported and the one before it taken. So is one that `read` refuses as of another run
 * (SN_ERROR_USAGE) where an older one is accepted, since what it says of its run may be what is damaged. *number is the
 * one that was read, -1 without any. Error: the newest one's refusal, the oldest one's damage, or one that is neither.
 */
SN_MUST_CHECK sn_status sn_series_resume(const sn_app *app, const sn_series *series,
                                         sn_status (*read)(void *context, const char *path), void *context,
                                         int64_t *number);

#endif
