/* Fourier transforms against the naive sum, on every split of the ranks into replicas and space. */
#include "unit.h"

#include "parallel/transpose.h"
#include "sinode/fourier.h"
#include "sinode/memory.h"
#include "sinode/random.h"

/* A grid, the transform of so many fields, and room for both sides. */
typedef struct {
  sn_grid *grid;
  sn_range range;
  ptrdiff_t points, fields;
  sn_fourier *fourier;
  double *real;
  double complex *coefficients;
} fixture;

/* False where the points are too few for so many space ranks. */
static bool set_up(int space, ptrdiff_t points, ptrdiff_t fields, sn_fourier_rigor rigor, fixture *f) {
  if (space > 1 && points / 2 < space) return false;
  f->points = points;
  f->fields = fields;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, space, points, NULL, &f->grid));
  f->range = sn_grid_range(f->grid);
  assert_ok(sn_fourier_create(f->grid, fields, rigor, &f->fourier));
  assert_ok(SN_NEW(fields * f->range.count, &f->real));
  assert_ok(SN_NEW(sn_fourier_size(f->fourier), &f->coefficients));
  return true;
}

static void tear_down(fixture *f) {
  SN_FREE(f->real);
  SN_FREE(f->coefficients);
  sn_fourier_destroy(&f->fourier);
  sn_grid_destroy(&f->grid);
}

/* Each replica its own numbers, the same for every split of space. */
static double value_of(const fixture *f, ptrdiff_t field, ptrdiff_t j) {
  const sn_random source = {.seed = 7, .purpose = SN_RANDOM_TEST, .stream = (uint64_t)sn_grid_replica(f->grid)};
  return sn_random_normal(&source, (uint64_t)(field * f->points + j));
}

static void fill(fixture *f) {
  for (ptrdiff_t i = 0; i < f->fields; i++)
    for (ptrdiff_t j = 0; j < f->range.count; j++) f->real[i * f->range.count + j] = value_of(f, i, f->range.start + j);
}

static double complex naive(const fixture *f, ptrdiff_t field, ptrdiff_t m) {
  double complex sum = 0;
  for (ptrdiff_t j = 0; j < f->points; j++) {
    double angle = 2 * M_PI * (double)(((m % f->points + f->points) * j) % f->points) / (double)f->points;
    sum += value_of(f, field, j) * (cos(angle) - I * sin(angle));
  }
  return sum;
}

/* A spectrum is a field, or two of them where FFTW-MPI has to transform them. */
static double complex expected(const fixture *f, ptrdiff_t spectrum, ptrdiff_t m) {
  const int ranks = sn_grid_space_size(f->grid);
  if (ranks == 1 || sn_transpose_factor(f->points, ranks)) return naive(f, spectrum, m);
  const bool paired = 2 * spectrum + 1 < f->fields;
  return naive(f, 2 * spectrum, m) + (paired ? I * naive(f, 2 * spectrum + 1, m) : 0);
}

static void check_coefficients(const fixture *f) {
  ptrdiff_t modes = sn_fourier_modes(f->fourier), all = 0;
  for (ptrdiff_t mode = 0; mode < modes; mode++) {
    ptrdiff_t m = sn_fourier_wave_number(f->fourier, mode);
    assert_that(-f->points < 2 * m && 2 * m <= f->points);
    all += sn_fourier_multiplicity(f->fourier, mode);
    for (ptrdiff_t s = 0; s < sn_fourier_spectra(f->fourier); s++) {
      double complex found =
          f->coefficients[s * sn_fourier_spectrum_stride(f->fourier) + mode * sn_fourier_mode_stride(f->fourier)];
      assert_close(cabs(found - expected(f, s, m)), 0, 1e-12 * (double)f->points);
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_AINT, MPI_SUM, sn_grid_space(f->grid));
  assert_int_equal(all, f->points);
}

static void check_real(const fixture *f, const double *real, bool squared) {
  for (ptrdiff_t i = 0; i < f->fields; i++)
    for (ptrdiff_t j = 0; j < f->range.count; j++) {
      double value = value_of(f, i, f->range.start + j);
      assert_close(real[i * f->range.count + j], squared ? value * value : value, 1e-13 * (1 + value * value));
    }
}

/* What a callback was called for. */
typedef struct {
  const sn_fourier *fourier;
  ptrdiff_t numbers;
} swept;

/* Pieces are within one spectrum where modes are next to each other. */
static void count_numbers(void *context, ptrdiff_t stage, ptrdiff_t first, ptrdiff_t count) {
  (void)stage;
  swept *s = context;
  const ptrdiff_t modes = sn_fourier_modes(s->fourier);
  if (sn_fourier_mode_stride(s->fourier) == 1) assert_int_equal(first / modes, (first + count - 1) / modes);
  s->numbers += count;
}

/* Forward is the naive sum and leaves its input; inverse undoes it; squares are squares; nothing allocates. */
static void check_one(int space, ptrdiff_t points, ptrdiff_t fields, sn_fourier_rigor rigor) {
  fixture f;
  if (!set_up(space, points, fields, rigor, &f)) return;
  ptrdiff_t taken = sn_memory_calls();
  fill(&f);
  assert_ok(sn_fourier_forward(f.fourier, f.real, f.coefficients));
  check_real(&f, f.real, false);
  check_coefficients(&f);
  assert_ok(sn_fourier_inverse(f.fourier, f.coefficients, f.real));
  check_real(&f, f.real, false);
  assert_ok(sn_fourier_forward(f.fourier, f.real, f.coefficients));
  swept all = {.fourier = f.fourier};
  assert_ok(sn_fourier_pseudospectral_squares(f.fourier, f.coefficients, 1, count_numbers, &all));
  assert_int_equal(all.numbers, sn_fourier_spectra(f.fourier) * sn_fourier_modes(f.fourier));
  assert_ok(sn_fourier_inverse(f.fourier, f.coefficients, f.real));
  check_real(&f, f.real, true);
  assert_int_equal(sn_memory_calls(), taken);
  tear_down(&f);
}

static void transforms_are_the_naive_sum(void **state) {
  (void)state;
  /* Of 30, 36 and 50 points four ranks have columns with lines that two blocks share. */
  static const ptrdiff_t points[] = {4, 15, 16, 30, 31, 36, 45, 48, 50, 63, 64, 127}, fields[] = {1, 2, 3, 5};
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++) {
    if (size % space) continue;
    for (size_t p = 0; p < sizeof points / sizeof points[0]; p++)
      for (int i = 0; i < 4; i++) check_one(space, points[p], fields[i], SN_FOURIER_ESTIMATE);
    check_one(space, 48, 3, SN_FOURIER_MEASURE);
  }
}

static void the_address_of_a_field_does_not_matter(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  fixture f;
  if (!set_up(size, 64, 2, SN_FOURIER_ESTIMATE, &f)) return;
  ptrdiff_t count = f.fields * f.range.count;
  double complex *other;
  double *shifted;
  assert_ok(SN_NEW(sn_fourier_size(f.fourier), &other));
  assert_ok(SN_NEW(count + 1, &shifted));
  fill(&f);
  memcpy(shifted + 1, f.real, (size_t)count * sizeof *shifted);
  assert_ok(sn_fourier_forward(f.fourier, f.real, f.coefficients));
  assert_ok(sn_fourier_forward(f.fourier, shifted + 1, other));
  size_t bytes = (size_t)(sn_fourier_modes(f.fourier) * sn_fourier_spectra(f.fourier)) * sizeof *other;
  assert_memory_equal(other, f.coefficients, bytes);
  assert_ok(sn_fourier_inverse(f.fourier, f.coefficients, f.real));
  assert_ok(sn_fourier_inverse(f.fourier, other, shifted + 1));
  assert_memory_equal(shifted + 1, f.real, (size_t)count * sizeof *shifted);
  SN_FREE(other);
  SN_FREE(shifted);
  tear_down(&f);
}

/* Field i is sin((i + 1) x + i) on a domain of length 2 pi. */
static void a_symbol_differentiates(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (ptrdiff_t fields = 1; fields <= 3; fields++) {
    fixture f;
    assert_that(set_up(size, 33, fields, SN_FOURIER_ESTIMATE, &f));
    double complex *symbol;
    assert_ok(SN_NEW(sn_fourier_modes(f.fourier), &symbol));
    for (ptrdiff_t m = 0; m < sn_fourier_modes(f.fourier); m++)
      symbol[m] = I * (double)sn_fourier_wave_number(f.fourier, m);
    for (ptrdiff_t i = 0; i < fields; i++)
      for (ptrdiff_t j = 0; j < f.range.count; j++)
        f.real[i * f.range.count + j] = sin((double)(i + 1) * 2 * M_PI / 33 * (double)(f.range.start + j) + (double)i);
    double *filtered;
    assert_ok(SN_NEW(fields * f.range.count, &filtered));
    assert_ok(sn_fourier_filter(f.fourier, symbol, f.real, f.coefficients, filtered));
    assert_ok(sn_fourier_forward(f.fourier, f.real, f.coefficients));
    sn_fourier_scale(f.fourier, symbol, f.coefficients);
    assert_ok(sn_fourier_inverse(f.fourier, f.coefficients, f.real));
    assert_memory_equal(filtered, f.real, (size_t)(fields * f.range.count) * sizeof *filtered);
    for (ptrdiff_t i = 0; i < fields; i++)
      for (ptrdiff_t j = 0; j < f.range.count; j++) {
        double k = (double)(i + 1), x = 2 * M_PI / 33 * (double)(f.range.start + j);
        assert_close(f.real[i * f.range.count + j], k * cos(k * x + (double)i), 1e-13 * 33);
      }
    SN_FREE(filtered);
    SN_FREE(symbol);
    tear_down(&f);
  }
}

static void energy_is_parsevals(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (ptrdiff_t points = 15; points <= 16; points++)
    for (ptrdiff_t fields = 1; fields <= 3; fields++) {
      fixture f;
      assert_that(set_up(size, points, fields, SN_FOURIER_ESTIMATE, &f));
      fill(&f);
      assert_ok(sn_fourier_forward(f.fourier, f.real, f.coefficients));
      double whole = 0;
      for (ptrdiff_t i = 0; i < fields; i++)
        for (ptrdiff_t j = 0; j < points; j++) whole += value_of(&f, i, j) * value_of(&f, i, j) / (double)points;
      double bands = 0;
      for (ptrdiff_t m = 0; m <= points / 2; m++) {
        double one = 0, weight = m == 0 || 2 * m == points ? 1 : 2;
        for (ptrdiff_t i = 0; i < fields; i++) one += weight * pow(cabs(naive(&f, i, m)) / (double)points, 2);
        assert_close(sn_fourier_energy(f.fourier, f.coefficients, m, m), one, 1e-13);
        bands += one;
      }
      assert_close(bands, whole, 1e-12);
      assert_close(sn_fourier_energy(f.fourier, f.coefficients, 0, points), whole, 1e-12);
      tear_down(&f);
    }
}

/* Sizes that no machine has: refused with the count, before memory is asked for and before FFTW or MPI sees them. */
static void counts_past_what_libraries_take_are_refused(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  static const ptrdiff_t points[] = {(ptrdiff_t)3 << 40, ((ptrdiff_t)1 << 31) + 11}; /* a prime number */
  for (int p = 0; p < 2; p++) {
    sn_grid *grid;
    sn_fourier *fourier;
    assert_ok(sn_grid_create(MPI_COMM_WORLD, size, points[p], NULL, &grid));
    const ptrdiff_t before = sn_memory_bytes();
    sn_status status = sn_fourier_create(grid, 1, SN_FOURIER_ESTIMATE, &fourier);
    assert_that(status && !fourier && sn_error_is_collective(status, MPI_COMM_WORLD));
    assert_non_null(strstr(sn_error_get_message(status), "can count"));
    assert_int_equal(sn_memory_bytes(), before);
    sn_error_destroy(&status);
    sn_grid_destroy(&grid);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(transforms_are_the_naive_sum),
      cmocka_unit_test(the_address_of_a_field_does_not_matter),
      cmocka_unit_test(a_symbol_differentiates),
      cmocka_unit_test(energy_is_parsevals),
      cmocka_unit_test(counts_past_what_libraries_take_are_refused),
  };
  return unit_run(argc, argv, tests);
}
