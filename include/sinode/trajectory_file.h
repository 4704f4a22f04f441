/*
 * Trajectory files: u (member, time, x) with named dimensions and coordinates, which xarray and netCDF tools open as
 * they are. Readers and writers are collective over their communicator; errors are those of sinode/file.h.
 */
#ifndef SINODE_TRAJECTORY_FILE_H
#define SINODE_TRAJECTORY_FILE_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/file.h"
#include "sinode/grid.h"
#include "sinode/name.h"
#include "sinode/partition.h"

typedef struct sn_trajectory_reader sn_trajectory_reader;

/*
 * Opens and checks a trajectory: u is (member, time, x) in any order, or (time, x), and time and x go with it. What is
 * packed, in other units or in another order is read as docs/formats.md says, and notes say so.
 */
SN_MUST_CHECK sn_status sn_trajectory_open(MPI_Comm comm, const char *path, sn_trajectory_reader **out);
void sn_trajectory_close(sn_trajectory_reader **reader);

ptrdiff_t sn_trajectory_members(const sn_trajectory_reader *reader);
ptrdiff_t sn_trajectory_snapshots(const sn_trajectory_reader *reader);
ptrdiff_t sn_trajectory_points(const sn_trajectory_reader *reader);
double sn_trajectory_length(const sn_trajectory_reader *reader);                   /* of the domain */
double sn_trajectory_time(const sn_trajectory_reader *reader, ptrdiff_t snapshot); /* in seconds, or plain numbers */

/* What was done to read the file as it is, a sentence each; none of a file of the program's own. Local. */
int sn_trajectory_notes(const sn_trajectory_reader *reader);
const char *sn_trajectory_note(const sn_trajectory_reader *reader, int index);

/*
 * Checks that the points are L / N apart, as far as what is stored tells; where x falls, what is read from here on is
 * mirrored. Adds notes. Error: x has another spacing, or the end point twice. Local, the same on all ranks.
 */
SN_MUST_CHECK sn_status sn_trajectory_check_x(sn_trajectory_reader *reader);

/* Takes u for values at j L / N in the order of the file, whatever x. Returns what speaks against it, or NULL. Local.
 */
const char *sn_trajectory_ignore_x(sn_trajectory_reader *reader);

/*
 * Time between snapshots. Error: fewer than two, not rising, or not evenly spaced to 1e-6 or to what the stored type
 * and digits tell. Local, the same on all ranks.
 */
SN_MUST_CHECK sn_status sn_trajectory_interval(const sn_trajectory_reader *reader, double *interval);

/*
 * u of a block of members, snapshots and points, row-major; each rank its own block, which may be empty. Error: a value
 * is missing (_FillValue and the like) or not finite, in member, snapshot and point so-and-so.
 */
SN_MUST_CHECK sn_status sn_trajectory_read(sn_trajectory_reader *reader, sn_range members, sn_range snapshots,
                                           sn_range points, double *values);

/* From now on values that are missing or NaN are no error, but read as NaN. Local. */
void sn_trajectory_take_gaps(sn_trajectory_reader *reader);

/*
 * The same block of a variable of u's dimensions, or of x alone: 0 where nothing is observed. Error: there is none, or
 * it has another shape.
 */
SN_MUST_CHECK sn_status sn_trajectory_read_mask(sn_trajectory_reader *reader, const char *name, sn_range members,
                                                sn_range snapshots, sn_range points, double *values);

/*
 * Compares what was read with the checksums that the file has of every snapshot; values and ranges are those given to
 * sn_trajectory_read, and the ranks together hold all members and points of these snapshots, each value equally often.
 * SN_OK too if the file has no checksums. Error: snapshot so-and-so is damaged.
 */
SN_MUST_CHECK sn_status sn_trajectory_verify(const sn_trajectory_reader *reader, sn_range members, sn_range snapshots,
                                             sn_range points, const double *values);

/* Whether members have parameters, parameter(member), and these, of all of them. Error: another shape, missing values.
 */
bool sn_trajectory_has_parameters(const sn_trajectory_reader *reader);
SN_MUST_CHECK sn_status sn_trajectory_read_parameters(const sn_trajectory_reader *reader, double *values);

typedef struct {
  const char *name, *long_name;
} sn_trajectory_variable;

/* Lossless, of the fields, whose bytes are shuffled first. */
typedef enum { SN_COMPRESSION_NONE, SN_COMPRESSION_GZIP } sn_compression_kind;

extern const sn_name sn_compression_kinds[];

typedef struct {
  sn_compression_kind kind;
  int level; /* gzip: 1 to 9 */
} sn_compression;

/* What a file will hold. Variables are copied. */
typedef struct {
  ptrdiff_t members;    /* in all */
  sn_range own_members; /* of this replica */
  double length;        /* of the domain */
  ptrdiff_t snapshots;  /* expected, for which there is room at once; more or fewer may come */
  sn_compression compression;
  bool passing; /* no file to stay, such as one of a measurement: without an XDMF page */
  int fields;   /* variables (member, time, x); the first is u */
  const sn_trajectory_variable *field;
  int scalars; /* variables (member, time) */
  const sn_trajectory_variable *scalar;
  int finals; /* variables (member), written at the end */
  const sn_trajectory_variable *final;
  int numbers; /* further root attributes */
  struct {
    const char *name;
    double value;
  } number[4];
} sn_trajectory_spec;

typedef struct sn_trajectory_writer sn_trajectory_writer;

/* Collective over the grid's world, as all functions on it. */
SN_MUST_CHECK sn_status sn_trajectory_create(const sn_grid *grid, const char *path, const sn_trajectory_spec *spec,
                                             const sn_provenance *provenance, sn_trajectory_writer **out);

/*
 * Adds a snapshot: fields[i] (own members, local points), scalars[i] (own members; those of space rank 0 are written).
 * Snapshots are buffered and written some MiB at a time.
 */
SN_MUST_CHECK sn_status sn_trajectory_append(sn_trajectory_writer *writer, double time, const double *const *fields,
                                             const double *const *scalars);

/* Writes what is left and finals[i] (own members), puts the file in its place and NAME.xdmf, for ParaView, beside it.
 */
SN_MUST_CHECK sn_status sn_trajectory_finish(sn_trajectory_writer **writer, const double *const *finals);

/* Has all snapshots appended so far on disk, in NAME.tmp. */
SN_MUST_CHECK sn_status sn_trajectory_save(sn_trajectory_writer *writer);

/* Leaves an unfinished file, NAME.tmp, for sn_trajectory_continue. NULL is allowed. */
void sn_trajectory_leave(sn_trajectory_writer **writer);

/*
 * Goes on with NAME.tmp, which a run of the same spec has left or was killed over, behind its first `snapshots`, which
 * were on disk (sn_trajectory_save) and whose checksums are verified. Error: there is none, it has other shapes, or is
 * damaged.
 */
SN_MUST_CHECK sn_status sn_trajectory_continue(const sn_grid *grid, const char *path, const sn_trajectory_spec *spec,
                                               ptrdiff_t snapshots, sn_trajectory_writer **out);

/* Gives up an unfinished file, which disappears. NULL is allowed. */
void sn_trajectory_abandon(sn_trajectory_writer **writer);

#endif
