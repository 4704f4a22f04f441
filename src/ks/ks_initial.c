#include "sinode/ks_initial.h"

#include <math.h>

#include "sinode/random.h"

enum { MODES = 4 };

const sn_name sn_ks_initials[] = {{"paper", SN_KS_INITIAL_PAPER},   {"cosine", SN_KS_INITIAL_COSINE},
                                  {"random", SN_KS_INITIAL_RANDOM}, {"noise", SN_KS_INITIAL_NOISE},
                                  {"file", SN_KS_INITIAL_FILE},     {NULL, 0}};

/* row += size * (a smooth random field of mean 0 and expected root mean square 1). */
static void add_random(const sn_grid *grid, uint64_t seed, ptrdiff_t member, double size, double *row) {
  const sn_random source = {.seed = seed, .purpose = SN_RANDOM_INITIAL, .stream = (uint64_t)member};
  const sn_range range = sn_grid_range(grid);
  const ptrdiff_t points = sn_grid_points(grid), most = (points - 1) / 2, modes = most < MODES ? most : MODES;
  for (ptrdiff_t m = 1; m <= modes; m++) {
    const double scale = size / sqrt((double)modes);
    const double a = scale * sn_random_normal(&source, (uint64_t)(2 * m));
    const double b = scale * sn_random_normal(&source, (uint64_t)(2 * m + 1));
    for (ptrdiff_t j = 0; j < range.count; j++) {
      const double angle = 2 * M_PI * (double)(m * (range.start + j) % points) / (double)points;
      row[j] += a * cos(angle) + b * sin(angle);
    }
  }
}

/*
 * row += the sum of wavelets y exp(-y^2 / 2), y = (x - x_c) / width, with normal amplitudes, their places x_c about 1
 * apart: white noise seen through them. Where one ends it is below round-off.
 */
static void add_noise(const sn_grid *grid, uint64_t seed, ptrdiff_t member, double length, double *row) {
  const double width = 1.5, reach = 9 * width;
  const sn_random source = {.seed = seed, .purpose = SN_RANDOM_INITIAL, .stream = (uint64_t)member};
  const sn_range range = sn_grid_range(grid);
  const ptrdiff_t places = (ptrdiff_t)fmax(1, rint(length));
  const double apart = length / (double)places, scale = sqrt(2 * apart / (width * sqrt(M_PI)));
  for (ptrdiff_t j = 0; j < range.count; j++) {
    const double x = (double)(range.start + j) * length / (double)sn_grid_points(grid);
    for (ptrdiff_t c = (ptrdiff_t)ceil((x - reach) / apart); (double)c * apart <= x + reach; c++) {
      const double y = (x - (double)c * apart) / width;
      row[j] += scale * sn_random_normal(&source, (uint64_t)((c % places + places) % places)) * y * exp(-y * y / 2);
    }
  }
}

static double root_mean_square(const sn_grid *grid, const double *row) {
  double sum = 0;
  for (ptrdiff_t j = 0; j < sn_grid_range(grid).count; j++) sum += row[j] * row[j];
  sn_grid_sum_over_space(grid, 1, &sum);
  return sqrt(sum / (double)sn_grid_points(grid));
}

static double value_at(const sn_ks_initial_options *options, double x) {
  switch (options->kind) {
    case SN_KS_INITIAL_PAPER:
      return cos(x / 22) * sin(1 + x / 22);
    case SN_KS_INITIAL_COSINE:
      return cos(2 * M_PI * x / options->length) * (1 + sin(2 * M_PI * x / options->length));
    default:
      return 0;
  }
}

void sn_ks_initial_state(const sn_grid *grid, const sn_ks_initial_options *options, sn_range members, double *state) {
  const sn_range range = sn_grid_range(grid);
  for (ptrdiff_t i = 0; i < members.count; i++) {
    double *row = state + i * range.count;
    const ptrdiff_t member = members.start + i;
    if (options->kind != SN_KS_INITIAL_FILE)
      for (ptrdiff_t j = 0; j < range.count; j++)
        row[j] = value_at(options, (double)(range.start + j) * options->length / (double)sn_grid_points(grid));
    if (options->kind == SN_KS_INITIAL_RANDOM)
      add_random(grid, options->seed, member, 1, row);
    else if (options->kind == SN_KS_INITIAL_NOISE)
      add_noise(grid, options->seed, member, options->length, row);
    else if (member > 0)
      add_random(grid, options->seed, member, options->perturbation * root_mean_square(grid, row), row);
  }
}
