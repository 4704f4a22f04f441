#include "storage.h"

#include <stdio.h>

#include "revolve.h"
#include "sinode/count.h"
#include "sinode/memory.h"

const sn_name sn_storage_kinds[] = {{"auto", SN_STORAGE_AUTO},
                                    {"all", SN_STORAGE_ALL},
                                    {"solutions", SN_STORAGE_SOLUTIONS},
                                    {"revolve", SN_STORAGE_REVOLVE},
                                    {NULL, 0}};

/* Bytes of `tapes` tapes and `snapshots` snapshots, PTRDIFF_MAX if more than can be counted. */
static ptrdiff_t bytes_of(const sn_storage *storage, ptrdiff_t tapes, ptrdiff_t snapshots) {
  ptrdiff_t a, b, sum;
  const sn_storage_sizes *sizes = &storage->sizes;
  const ptrdiff_t less = tapes ? (sizes->tape - sizes->last) * (ptrdiff_t)sizeof(double) : 0;
  if (!sn_count_multiply(tapes, (sizes->tape + sizes->record) * (ptrdiff_t)sizeof(double), &a) ||
      !sn_count_multiply(snapshots, sizes->state * (ptrdiff_t)sizeof(double), &b) || !sn_count_add(a, b, &sum))
    return PTRDIFF_MAX;
  return sum - less;
}

/* Chooses for auto, from the least memory of any rank. */
static sn_storage_kind choose(const sn_integrator_options *options, MPI_Comm comm, ptrdiff_t steps,
                              const sn_storage *storage, ptrdiff_t *snapshots) {
  const ptrdiff_t given = (ptrdiff_t)(options->memory * 1048576), memory = given ? given : sn_memory_share(comm);
  ptrdiff_t all = bytes_of(storage, steps, 0), solutions = bytes_of(storage, 1, steps);
  ptrdiff_t fits = (memory - bytes_of(storage, 1, 0)) / (bytes_of(storage, 0, 1) + 1);
  int verdict[2] = {all <= memory, solutions <= memory};
  MPI_Allreduce(MPI_IN_PLACE, verdict, 2, MPI_INT, MPI_MIN, comm);
  MPI_Allreduce(MPI_IN_PLACE, &fits, 1, MPI_AINT, MPI_MIN, comm);
  *snapshots = fits > 1 ? fits : 1;
  return verdict[0] ? SN_STORAGE_ALL : verdict[1] ? SN_STORAGE_SOLUTIONS : SN_STORAGE_REVOLVE;
}

sn_status sn_storage_create(const sn_integrator_options *options, MPI_Comm comm, ptrdiff_t steps,
                            const sn_storage_sizes *sizes, sn_storage *storage) {
  *storage = (sn_storage){.steps = steps, .sizes = *sizes};
  ptrdiff_t snapshots = options->snapshots;
  sn_storage_kind kind = options->storage;
  if (kind == SN_STORAGE_AUTO) kind = choose(options, comm, steps, storage, &snapshots);
  storage->keeps_all = kind == SN_STORAGE_ALL;
  if (kind == SN_STORAGE_SOLUTIONS || snapshots > steps) snapshots = steps;
  storage->most = storage->keeps_all ? 0 : snapshots;
  storage->bytes = bytes_of(storage, sn_storage_tapes(storage), storage->most);
  int used = snprintf(storage->reason, sizeof storage->reason, "%s%s", sn_name_of(sn_storage_kinds, (int)kind),
                      options->storage == SN_STORAGE_AUTO ? " (chosen by the memory there is)" : "");
  used += snprintf(storage->reason + used, sizeof storage->reason - (size_t)used, ": %.1f MiB a rank",
                   (double)storage->bytes / 1048576.0);
  if (kind == SN_STORAGE_REVOLVE)
    snprintf(storage->reason + used, sizeof storage->reason - (size_t)used,
             ", %td snapshots, %.2f forward steps a step", snapshots,
             1 + (double)sn_revolve_advances(steps, snapshots) / (double)steps);
  ptrdiff_t tapes, states;
  if (!sn_count_multiply(sn_storage_tapes(storage), sizes->tape, &tapes) ||
      !sn_count_multiply(storage->most, sizes->state, &states))
    return SN_ERROR(SN_ERROR_RUN, "the adjoint storage of %td steps is more than can be counted", steps);
  SN_TRY(SN_NEW(tapes - (sizes->tape - sizes->last), &storage->tape));
  SN_TRY(SN_NEW(states, &storage->states));
  return SN_NEW(storage->most, &storage->position);
}

void sn_storage_destroy(sn_storage *storage) {
  SN_FREE(storage->tape);
  SN_FREE(storage->states);
  SN_FREE(storage->position);
}

ptrdiff_t sn_storage_tapes(const sn_storage *storage) { return storage->keeps_all ? storage->steps : 1; }

double *sn_storage_tape(const sn_storage *storage, ptrdiff_t step) {
  return storage->tape + (storage->keeps_all ? step * storage->sizes.tape : 0);
}

double *sn_storage_top(const sn_storage *storage) {
  return storage->states + (storage->held - 1) * storage->sizes.state;
}

ptrdiff_t sn_storage_top_position(const sn_storage *storage) { return storage->position[storage->held - 1]; }

double *sn_storage_push(sn_storage *storage, ptrdiff_t step) {
  storage->position[storage->held++] = step;
  return sn_storage_top(storage);
}

ptrdiff_t sn_storage_next(const sn_storage *storage, ptrdiff_t end) {
  if (storage->held == 0) return 0;
  const ptrdiff_t top = sn_storage_top_position(storage), steps = end - top;
  if (storage->held == storage->most || steps < 2) return -1;
  return top + sn_revolve_split(steps, storage->most - storage->held + 1);
}
