#include "sinode/normal_equations.h"

#include <cblas.h>
#include <limits.h>
#include <string.h>

#include "base/blacs.h"
#include "base/lapack.h"
#include "sinode/count.h"
#include "sinode/memory.h"

/* Up to SMALL unknowns a factorization on one rank takes less than the messages of one on many. */
enum { BLOCK = 32, SMALL = 1024, DESCRIPTOR = 9 };

/*
 * Only the upper triangle of our rows is filled, which is the lower one of Fortran's columns: row i of `share` is
 * column i, and `block` columns lie next to each other, as their owner keeps them.
 */
struct sn_normal_equations {
  MPI_Comm comm;
  int rank, order;
  int owners, block;   /* ranks 0 .. owners - 1 have columns; all of them a block if there is one owner */
  int handle, context; /* of BLACS, with several owners */
  int descriptor[DESCRIPTOR], right_descriptor[DESCRIPTOR];
  ptrdiff_t own;          /* columns of this rank */
  double *share;          /* (order, order): this rank's share of J^T J */
  double *panel, *factor; /* (own, order): its columns of the sum, and of the factor */
  double *diagonal, *right, *solution;
};

static int block_width(const sn_normal_equations *n, int first) {
  return n->order - first < n->block ? n->order - first : n->block;
}

/* For every block of columns: the first of them, its owner, and its place in the owner's panel. */
/* NOLINTBEGIN(bugprone-macro-parentheses): the names are declared here */
#define FOR_EACH_BLOCK(n, first, owner, place)                  \
  for (int first = 0, owner = 0, place = 0; first < (n)->order; \
       first += (n)->block, owner = (owner + 1) % (n)->owners, place = first / (n)->block / (n)->owners * (n)->block)
/* NOLINTEND(bugprone-macro-parentheses) */

static void open_process_grid(sn_normal_equations *n) {
  const int zero = 0, one = 1, block = BLOCK;
  int rows = 1, columns = n->owners, row, column, info;
  n->handle = n->context = Csys2blacs_handle(n->comm);
  Cblacs_gridinit(&n->context, "Row", rows, columns);
  Cblacs_gridinfo(n->context, &rows, &columns, &row, &column);
  descinit_(n->descriptor, &n->order, &n->order, &block, &block, &zero, &zero, &n->context, &n->order, &info);
  descinit_(n->right_descriptor, &n->order, &one, &block, &one, &zero, &zero, &n->context, &n->order, &info);
}

static sn_status allocate_arrays(sn_normal_equations *n) {
  const ptrdiff_t order = n->order;
  FOR_EACH_BLOCK(n, first, owner, place) {
    if (owner == n->rank) n->own = place + block_width(n, first);
  }
  SN_TRY(SN_NEW(order * order, &n->share));
  SN_TRY(SN_NEW(n->own * order, &n->panel));
  SN_TRY(SN_NEW(n->own * order, &n->factor));
  SN_TRY(SN_NEW(order, &n->diagonal));
  SN_TRY(SN_NEW(order, &n->right));
  return SN_NEW(order, &n->solution);
}

sn_status sn_normal_equations_create(MPI_Comm comm, ptrdiff_t order, sn_normal_equations **out) {
  sn_normal_equations *n;
  ptrdiff_t elements;
  int fits;
  *out = NULL;
  if (!sn_count_multiply(order, order, &elements)) elements = PTRDIFF_MAX;
  SN_TRY(sn_error_collective(
      sn_count_to_int(elements, "the square of the number of parameters, for the normal equations", &fits)));
  SN_TRY(sn_collective_status(comm, SN_NEW(1, &n)));
  *n = (sn_normal_equations){.comm = comm, .order = (int)order};
  MPI_Comm_rank(comm, &n->rank);
  MPI_Comm_size(comm, &n->owners);
  if (order <= SMALL) n->owners = 1;
  n->block = n->owners > 1 ? BLOCK : n->order;
  if (n->owners > 1) open_process_grid(n);
  sn_status status = sn_collective_status(comm, allocate_arrays(n));
  if (status) sn_normal_equations_destroy(&n);
  *out = n;
  return status;
}

void sn_normal_equations_destroy(sn_normal_equations **normal) {
  sn_normal_equations *n = *normal;
  if (!n) return;
  if (n->owners > 1) {
    Cblacs_gridexit(n->context);
    Cfree_blacs_system_handle(n->handle);
  }
  SN_FREE(n->share);
  SN_FREE(n->panel);
  SN_FREE(n->factor);
  SN_FREE(n->diagonal);
  SN_FREE(n->right);
  SN_FREE(n->solution);
  SN_FREE(*normal);
}

void sn_normal_equations_clear(sn_normal_equations *n) {
  memset(n->share, 0, (size_t)n->order * (size_t)n->order * sizeof *n->share);
  memset(n->right, 0, (size_t)n->order * sizeof *n->right);
}

static void add(sn_normal_equations *n, double sign, ptrdiff_t rows, const double *jacobian, const double *residual) {
  if (rows == 0) return;
  cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, n->order, (int)rows, sign, jacobian, (int)rows, 1, n->share,
              n->order);
  cblas_dgemv(CblasRowMajor, CblasNoTrans, n->order, (int)rows, sign, jacobian, (int)rows, residual, 1, 1, n->right, 1);
}

void sn_normal_equations_add(sn_normal_equations *n, ptrdiff_t rows, const double *jacobian, const double *residual) {
  add(n, 1, rows, jacobian, residual);
}

void sn_normal_equations_subtract(sn_normal_equations *n, ptrdiff_t rows, const double *jacobian,
                                  const double *residual) {
  add(n, -1, rows, jacobian, residual);
}

sn_status sn_normal_equations_sum(sn_normal_equations *n, double scale) {
  memset(n->diagonal, 0, (size_t)n->order * sizeof *n->diagonal);
  FOR_EACH_BLOCK(n, first, owner, place) {
    const int width = block_width(n, first);
    double *own = n->panel + (ptrdiff_t)place * n->order;
    MPI_Reduce(n->share + (ptrdiff_t)first * n->order, own, width * n->order, MPI_DOUBLE, MPI_SUM, owner, n->comm);
    if (owner != n->rank) continue;
    cblas_dscal(width * n->order, scale, own, 1);
    for (int k = 0; k < width; k++) n->diagonal[first + k] = own[(ptrdiff_t)k * n->order + first + k];
  }
  cblas_dscal(n->order, scale, n->right, 1);
  MPI_Allreduce(MPI_IN_PLACE, n->diagonal, n->order, MPI_DOUBLE, MPI_SUM, n->comm);
  MPI_Allreduce(MPI_IN_PLACE, n->right, n->order, MPI_DOUBLE, MPI_SUM, n->comm);
  return SN_OK;
}

const double *sn_normal_equations_diagonal(const sn_normal_equations *n) { return n->diagonal; }
const double *sn_normal_equations_right(const sn_normal_equations *n) { return n->right; }

/* Rank 0's share of the sum is no longer wanted and gives the room. */
const double *sn_normal_equations_gather(sn_normal_equations *n) {
  double *all = n->share;
  FOR_EACH_BLOCK(n, first, owner, place) {
    const int size = block_width(n, first) * n->order;
    const double *own = n->panel + (ptrdiff_t)place * n->order;
    double *to = all + (ptrdiff_t)first * n->order;
    if (n->rank == owner && owner == 0) memcpy(to, own, (size_t)size * sizeof *to);
    if (n->rank == owner && owner != 0) MPI_Send(own, size, MPI_DOUBLE, 0, 0, n->comm);
    if (n->rank == 0 && owner != 0) MPI_Recv(to, size, MPI_DOUBLE, owner, 0, n->comm, MPI_STATUS_IGNORE);
  }
  if (n->rank != 0) return NULL;
  for (ptrdiff_t i = 0; i < n->order; i++)
    for (ptrdiff_t j = 0; j < i; j++) all[i * n->order + j] = all[j * n->order + i];
  return all;
}

/* Factorizes n->factor; info as LAPACK's, the least number there is where nothing was done. */
static int factorize(sn_normal_equations *n) {
  const int one = 1;
  int info = INT_MIN;
  if (n->owners > 1)
    pdpotrf_("L", &n->order, n->factor, &one, &one, n->descriptor, &info, 1);
  else if (n->rank == 0)
    dpotrf_("L", &n->order, n->factor, &n->order, &info, 1);
  return info;
}

/* Solves for n->solution, of which rank 0's is the right-hand side; info as before. */
static int substitute(sn_normal_equations *n) {
  const int one = 1;
  int info = INT_MIN;
  if (n->owners > 1)
    pdpotrs_("L", &n->order, &one, n->factor, &one, &one, n->descriptor, n->solution, &one, &one, n->right_descriptor,
             &info, 1);
  else if (n->rank == 0)
    dpotrs_("L", &n->order, &one, n->factor, &n->order, n->solution, &n->order, &info, 1);
  return info;
}

/* The greatest of all ranks' info. */
static sn_status agree(const sn_normal_equations *n, int *info) {
  MPI_Allreduce(MPI_IN_PLACE, info, 1, MPI_INT, MPI_MAX, n->comm);
  if (*info >= 0) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_RUN, "the Cholesky factorization refused its argument %d", -*info);
}

sn_status sn_normal_equations_solve(sn_normal_equations *n, const double *damping, double *x, bool *definite) {
  memcpy(n->factor, n->panel, (size_t)(n->own * n->order) * sizeof *n->factor);
  FOR_EACH_BLOCK(n, first, owner, place) {
    for (int k = 0; owner == n->rank && k < block_width(n, first); k++)
      n->factor[(ptrdiff_t)(place + k) * n->order + first + k] += damping[first + k];
  }
  int info = factorize(n);
  SN_TRY(agree(n, &info));
  *definite = info == 0;
  return *definite ? sn_normal_equations_solve_again(n, n->right, x) : SN_OK;
}

sn_status sn_normal_equations_solve_again(sn_normal_equations *n, const double *right, double *x) {
  for (int k = 0; k < n->order; k++) n->solution[k] = -right[k];
  int info = substitute(n);
  SN_TRY(agree(n, &info));
  MPI_Bcast(n->solution, n->order, MPI_DOUBLE, 0, n->comm);
  memcpy(x, n->solution, (size_t)n->order * sizeof *x);
  return SN_OK;
}
