/* Places for files to write: taken for this run, and not those of another. */
#ifndef SINODE_RUN_OUTPUT_H
#define SINODE_RUN_OUTPUT_H

#include "app.h"

/*
 * Takes a lock file until the program ends; `what` it protects and what else the user can do are for the message.
 * Collective over world. Error SN_ERROR_FILE: another run has it.
 */
SN_MUST_CHECK sn_status sn_output_lock(sn_app *app, const char *path, const char *what, const char *advice);

/* The same for an output file, FILE.lock beside it, for which `key` stands. Collective over world. */
SN_MUST_CHECK sn_status sn_output_lock_file(sn_app *app, const char *path, const char *key);

/*
 * Refuses to go on if the file that `key` has made exists already, unless --overwrite was given; and always if it is no
 * regular file, the parameter file, or a file that another key of the same section names. Collective over world.
 */
SN_MUST_CHECK sn_status sn_output_check(const sn_app *app, const char *path, const char *key);

/*
 * Checks that a file of a kind was written with the same values of the decisive keys or sections: error SN_ERROR_USAGE
 * naming the first that differs; `key` is what the user may change instead. Collective over world.
 */
SN_MUST_CHECK sn_status sn_output_same_run(const sn_app *app, const char *path, const char *kind,
                                           const char *const *decisive, size_t count, const char *key);

/* Where files come from, for their attributes. The strings are the application's. Local. */
sn_provenance sn_output_provenance(const sn_app *app, const char *title);

#endif
