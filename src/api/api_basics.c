/* Errors, MPI and the process grid of sinode.h. */
#include <mpi.h>

#include "api.h"
#include "sinode/memory.h"
#include "sinode/mpi_library.h"
#include "sinode/version.h"

const char *sinode_version(void) { return SINODE_VERSION; }

int sinode_error_code(const sinode_error *error) { return (int)sn_error_get_code((sn_status)error); }

const char *sinode_error_message(const sinode_error *error) { return sn_error_get_message((sn_status)error); }

sinode_error *sinode_error_create(int code, const char *message) {
  const bool known = code == SN_ERROR_USAGE || code == SN_ERROR_FILE || code == SN_ERROR_STOPPED;
  return api_error(SN_ERROR(known ? (sn_error_code)code : SN_ERROR_RUN, "%s", message));
}

void sinode_error_destroy(sinode_error **error) {
  sn_status status = (sn_status)*error;
  if (status) sn_error_destroy(&status);
  *error = NULL;
}

void sinode_mpi_prepare(void) { sn_mpi_library_prepare(); }

sinode_error *sinode_mpi_start(bool *started) {
  int initialized, finalized, provided;
  *started = false;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  if (finalized) return api_error(SN_ERROR(SN_ERROR_USAGE, "MPI has been finalized and cannot start again"));
  if (initialized) return NULL;
  sn_mpi_library_prepare();
  MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
  *started = true;
  return NULL;
}

void sinode_mpi_end(void) { MPI_Finalize(); }

sinode_error *sinode_grid_create(const MPI_Comm *world, int space, ptrdiff_t points, sinode_grid **out) {
  const MPI_Comm comm = api_comm(world);
  sn_status status = sn_collective_status(comm, SN_NEW(1, out));
  if (!status) status = sn_grid_create(comm, space, points, NULL, &(*out)->grid);
  if (status) SN_FREE(*out);
  return api_error(status);
}

void sinode_grid_destroy(sinode_grid **grid) {
  if (!*grid) return;
  sn_grid_destroy(&(*grid)->grid);
  SN_FREE(*grid);
}

ptrdiff_t sinode_grid_points(const sinode_grid *grid) { return sn_grid_points(grid->grid); }
ptrdiff_t sinode_grid_start(const sinode_grid *grid) { return sn_grid_range(grid->grid).start; }
ptrdiff_t sinode_grid_count(const sinode_grid *grid) { return sn_grid_range(grid->grid).count; }
int sinode_grid_space(const sinode_grid *grid) { return sn_grid_space_size(grid->grid); }
int sinode_grid_replicas(const sinode_grid *grid) { return sn_grid_replica_count(grid->grid); }
int sinode_grid_replica(const sinode_grid *grid) { return sn_grid_replica(grid->grid); }
void sinode_grid_space_comm(const sinode_grid *grid, MPI_Comm *comm) { *comm = sn_grid_space(grid->grid); }

sinode_error *sinode_grid_share_error(const sinode_grid *grid, sinode_error *mine) {
  return api_error(sn_collective_status(sn_grid_world(grid->grid), (sn_status)mine));
}
