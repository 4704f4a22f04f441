/*
 * A network of your own: a table of functions and what they work on. Given to sn_model_create as
 *
 *   const sn_network_shape shape = {.kind = SN_NETWORK_SHELL, .shell = &shell};
 *
 * it stands wherever the built-in ones do: integrators and their adjoints, objective, optimizer, trainer, files.
 * Everything below is called on the space ranks of a replica, with arrays (samples, local points), row-major; that the
 * ranks see the same values is up to the functions, with sn_halo, sn_fourier or MPI on sn_grid_space(grid).
 * src/api/api_network.c makes one of a network that another program has (sinode.h).
 */
#ifndef SINODE_NETWORK_SHELL_H
#define SINODE_NETWORK_SHELL_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/parameters.h"

typedef struct sn_network_shell {
  void *context; /* handed to every function; stays the caller's */

  /*
   * Adds the blocks of its parameters, "nonlinear/NAME", and allocates for up to `samples` samples.
   * The blocks' values come later and begin at 0: set them once the model is there. Collective over space.
   */
  sn_status (*create)(void *context, const sn_grid *grid, ptrdiff_t samples, sn_parameters *parameters);

  /* Frees what create allocated, also after a create that failed. May be NULL. */
  void (*destroy)(void *context);

  /* Doubles that forward keeps for backward and tangent. NULL: none. Local. */
  ptrdiff_t (*tape_size)(const void *context, ptrdiff_t samples);

  /* f = F(u) with the present values of the parameters. tape is NULL where nothing will ask for it. */
  sn_status (*forward)(void *context, ptrdiff_t samples, const double *u, double *f, double *tape);

  /*
   * u_bar = (dF/du)^T f_bar, and gradient += (dF/dtheta)^T f_bar at the blocks' offsets: all of it for a split
   * block, this rank's share of a replicated one that is marked `partial`. Either may be NULL: not wanted.
   */
  sn_status (*backward)(void *context, ptrdiff_t samples, const double *u, const double *tape, const double *f_bar,
                        double *u_bar, double *gradient);

  /*
   * df = (dF/du) du + (dF/dtheta) dtheta, the latter in the layout of the parameters; either may be NULL for 0. A NULL
   * function: for gradients by all but the fully implicit schemes, which need the former alone.
   */
  sn_status (*tangent)(void *context, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                       const double *dtheta, double *df);
} sn_network_shell;

#endif
