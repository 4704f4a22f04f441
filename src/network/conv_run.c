/* In which order a pass through convolutions goes over points and stages, so that what it works on stays in the cache.
 */
#include <stdbool.h>
#include <string.h>

#include "conv_kernel.h"

/* A block is no shorter than this where there are as many points in all: a vector of any processor's. */
enum { SHORTEST = SN_CONVOLUTION_LINE };

void sn_convolution_choose_pieces(const sn_convolution *c, ptrdiff_t samples, ptrdiff_t numbers, ptrdiff_t *group,
                                  ptrdiff_t *block) {
  enum { CACHED = 1 << 19 }; /* bytes of these: a quarter of the cache or half of it */
  const ptrdiff_t point = numbers * (ptrdiff_t)sizeof(real), fit = CACHED / (point * c->span);
  *group = c->halo || fit >= samples ? samples : fit > 1 ? fit : 1;
  *block = CACHED / point;
}

static void work(const sn_convolution_pass *pass, int stage, sn_convolution_part part) {
  if (part.first < part.end) pass->work(pass->context, stage, part);
}

/* One sample, where no halo but the first is needed: each stage is `reach` points behind the one before. */
static void sweep(const sn_convolution *c, ptrdiff_t sample, ptrdiff_t block, const sn_convolution_pass *pass) {
  for (ptrdiff_t begin = 0, end; begin < c->points; begin = end) {
    end = c->points - begin < block + SHORTEST ? c->points : begin + block;
    for (int k = 0; k < pass->stages; k++) {
      const ptrdiff_t behind = k * c->reach;
      work(pass, k, (sn_convolution_part){sample, 1, begin ? begin - behind : behind, end - behind});
    }
  }
}

const sn_convolution_window *sn_convolution_find_window(const sn_convolution *c, sn_range wanted, int stages,
                                                        ptrdiff_t block, sn_convolution_window *window) {
  const ptrdiff_t first = wanted.start / SN_CONVOLUTION_LINE * SN_CONVOLUTION_LINE;
  const ptrdiff_t end = sn_convolution_lines(wanted.start + wanted.count);
  const ptrdiff_t beyond = (stages + 1) * sn_convolution_lines(c->reach);
  *window = (sn_convolution_window){first, end, stages};
  const bool fits = first >= beyond && end + beyond <= c->points && c->points <= block + SHORTEST;
  return wanted.count > 0 && !c->halo && fits ? window : NULL;
}

sn_convolution_part sn_convolution_window_part(const sn_convolution *c, const sn_convolution_window *window,
                                               ptrdiff_t samples, ptrdiff_t stages) {
  const ptrdiff_t beyond = stages * sn_convolution_lines(c->reach);
  if (!window) return (sn_convolution_part){0, samples, 0, c->points};
  return (sn_convolution_part){0, samples, window->first - beyond, window->end + beyond};
}

sn_convolution_part sn_convolution_given_part(const sn_convolution *c, const sn_convolution_window *window,
                                              sn_convolution_part part) {
  const ptrdiff_t zeros = window ? sn_convolution_lines(c->reach) : 0;
  return (sn_convolution_part){part.sample, part.samples, part.first + zeros, part.end - zeros};
}

/* Padded rows become 0 beyond what so many stages reach, as far as a backward pass reads. */
static void clear_rows(const sn_convolution *c, const sn_convolution_window *window, ptrdiff_t stages, ptrdiff_t rows,
                       real *padded) {
  const sn_convolution_part kept = sn_convolution_window_part(c, window, 1, stages),
                            all = sn_convolution_window_part(c, window, 1, window->stages + 1);
  const size_t bytes = (size_t)(kept.first - all.first) * sizeof *padded;
  for (real *row = padded + c->reach; rows-- > 0; row += c->span) {
    memset(row + all.first, 0, bytes);
    memset(row + kept.end, 0, bytes);
  }
}

static void clear_states(const sn_convolution *c, sn_convolution_part kept, double *states) {
  for (ptrdiff_t s = 0; s < kept.samples; s++, states += c->points) {
    memset(states, 0, (size_t)kept.first * sizeof *states);
    memset(states + kept.end, 0, (size_t)(c->points - kept.end) * sizeof *states);
  }
}

/* Stage by stage, each where it is wanted. */
static void run_in_window(const sn_convolution *c, ptrdiff_t samples, const sn_convolution_pass *pass) {
  const sn_convolution_window *window = pass->window;
  if (pass->given) clear_rows(c, window, 0, samples, pass->given);
  sn_convolution_part part = {0};
  for (int k = 0; k < pass->stages; k++) {
    const ptrdiff_t stages = pass->given ? k + 1 : pass->stages - 1 - k;
    ptrdiff_t rows;
    part = sn_convolution_window_part(c, window, samples, stages);
    work(pass, k, part);
    real *left = pass->given && k + 1 < pass->stages ? pass->output(pass->context, k, &rows) : NULL;
    if (left) clear_rows(c, window, stages, samples * rows, left);
  }
  if (pass->states) clear_states(c, part, pass->states);
}

sn_status sn_convolution_run(sn_convolution *c, ptrdiff_t samples, ptrdiff_t block, const sn_convolution_pass *pass) {
  if (pass->window) {
    run_in_window(c, samples, pass);
    return SN_OK;
  }
  const bool sweeps = c->points > block + SHORTEST && block >= 4 * pass->stages * c->reach;
  for (ptrdiff_t s = 0; s < samples && sweeps; s++) sweep(c, s, block, pass);
  for (int k = 0; k < pass->stages; k++) {
    const ptrdiff_t left = sweeps ? k * c->reach : c->points;
    ptrdiff_t rows;
    real *input = k ? pass->output(pass->context, k - 1, &rows) : NULL;
    if (input) SN_TRY(sn_convolution_fill_halos(c, samples * rows, input));
    work(pass, k, (sn_convolution_part){0, samples, 0, left});
    if (sweeps) work(pass, k, (sn_convolution_part){0, samples, c->points - left, c->points});
  }
  return SN_OK;
}
