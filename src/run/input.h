/* Data files as the program is given them: what was done to read them, and what is to be said of them. */
#ifndef SINODE_RUN_INPUT_H
#define SINODE_RUN_INPUT_H

#include "app.h"
#include "sinode/trajectory_file.h"

/* Checks that x is that of the grid; where grid.coordinates is ignore, warns instead. Alike on all ranks. */
SN_MUST_CHECK sn_status sn_input_check_x(const sn_app *app, const char *path, sn_trajectory_reader *reader);

/* Logs what was done to read a file as it is. */
void sn_input_report_notes(const sn_app *app, const char *path, const sn_trajectory_reader *reader);

/*
 * Warns of values (members, snapshots, points), a part on each rank, from which nothing can be learned: all the same,
 * at rest, or so small that their squares vanish. Collective over world.
 */
void sn_input_warn_degenerate(const sn_app *app, const char *path, ptrdiff_t members, ptrdiff_t snapshots,
                              ptrdiff_t points, const double *values);

/*
 * Says how many replicas have no share of `count` of something, which `key` sets ("" where it is the data's), and what
 * would use their ranks. Nothing where all have.
 */
void sn_input_report_idle(const sn_app *app, const sn_grid *grid, ptrdiff_t count, const char *what, const char *key);

#endif
