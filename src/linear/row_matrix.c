#include "row_matrix.h"

#include <cblas.h>

#include "sinode/count.h"
#include "sinode/memory.h"

sn_status sn_row_matrix_create(const sn_grid *grid, ptrdiff_t samples, sn_row_matrix *out) {
  const ptrdiff_t points = sn_grid_points(grid);
  ptrdiff_t elements = 0;
  int count;
  *out = (sn_row_matrix){.grid = grid, .ranks = sn_grid_space_size(grid)};
  if (!sn_count_multiply(points, samples, &elements)) elements = PTRDIFF_MAX;
  SN_TRY(sn_count_to_int(elements, "grid points times samples on a replica with a dense linear part", &count));
  out->points = (int)points;
  out->local = (int)sn_grid_range(grid).count;
  SN_TRY(SN_NEW(out->ranks, &out->start));
  SN_TRY(SN_NEW(out->ranks, &out->count));
  SN_TRY(SN_NEW(out->ranks, &out->elements));
  SN_TRY(SN_NEW(out->ranks, &out->place));
  for (int rank = 0; rank < out->ranks; rank++) {
    const sn_range block = sn_partition_range(sn_grid_partition(grid), rank);
    out->start[rank] = (int)block.start;
    out->count[rank] = (int)block.count;
  }
  return SN_OK;
}

void sn_row_matrix_destroy(sn_row_matrix *matrix) {
  SN_FREE(matrix->start);
  SN_FREE(matrix->count);
  SN_FREE(matrix->elements);
  SN_FREE(matrix->place);
}

/* Counts and places of the ranks' blocks of `samples` samples. */
static void place_blocks(sn_row_matrix *m, int samples) {
  if (m->samples == samples) return;
  m->samples = samples;
  for (int rank = 0; rank < m->ranks; rank++) {
    m->elements[rank] = samples * m->count[rank];
    m->place[rank] = samples * m->start[rank];
  }
}

void sn_row_matrix_gather(sn_row_matrix *m, int samples, const double *x, double *all) {
  place_blocks(m, samples);
  sn_timer_start(sn_grid_timer(m->grid), SN_TIME_REDISTRIBUTE);
  MPI_Allgatherv(x, samples * m->local, MPI_DOUBLE, all, m->elements, m->place, MPI_DOUBLE, sn_grid_space(m->grid));
  sn_timer_stop(sn_grid_timer(m->grid), SN_TIME_REDISTRIBUTE);
}

void sn_row_matrix_multiply(sn_row_matrix *m, double weight, const double *rows, int samples, const double *all,
                            double keep, double *y) {
  place_blocks(m, samples);
  for (int rank = 0; rank < m->ranks; rank++)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, samples, m->local, m->count[rank], weight,
                all + m->place[rank], m->count[rank], rows + m->start[rank], m->points, rank ? 1 : keep, y, m->local);
}

void sn_row_matrix_multiply_transposed(sn_row_matrix *m, double weight, const double *rows, int samples,
                                       const double *x, double keep, double *shares) {
  place_blocks(m, samples);
  for (int rank = 0; rank < m->ranks; rank++)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, samples, m->count[rank], m->local, weight, x, m->local,
                rows + m->start[rank], m->points, keep, shares + m->place[rank], m->count[rank]);
}

void sn_row_matrix_add_outer(sn_row_matrix *m, double weight, int samples, const double *left, const double *all,
                             double *rows) {
  place_blocks(m, samples);
  for (int rank = 0; rank < m->ranks; rank++)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m->local, m->count[rank], samples, weight, left, m->local,
                all + m->place[rank], m->count[rank], 1, rows + m->start[rank], m->points);
}

void sn_row_matrix_add_shares(sn_row_matrix *m, int samples, const double *shares, double *y) {
  place_blocks(m, samples);
  sn_timer_start(sn_grid_timer(m->grid), SN_TIME_REDUCE);
  MPI_Reduce_scatter(shares, y, m->elements, MPI_DOUBLE, MPI_SUM, sn_grid_space(m->grid));
  sn_timer_stop(sn_grid_timer(m->grid), SN_TIME_REDUCE);
}
