#include "axis.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { DIGITS_MOST = 9 };

/* As a bit each: whether all values have at most so many decimal digits. */
static unsigned find_digits(double precision, ptrdiff_t count, const double *values) {
  unsigned possible = 0;
  double shift = 1;
  for (int d = 0; d <= DIGITS_MOST; d++, shift *= 10) {
    ptrdiff_t k = 0;
    while (k < count && fabs(values[k] * shift - rint(values[k] * shift)) <= 2 * precision * fabs(values[k]) * shift)
      k++;
    possible |= (unsigned)(k == count) << d;
  }
  return possible;
}

sn_axis_error sn_axis_find_error(MPI_Comm comm, const sn_cf_variable *variable, ptrdiff_t count, const double *values) {
  double most = 0;
  for (ptrdiff_t k = 0; k < count; k++) most = fmax(most, fabs(values[k]));
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, comm);
  sn_axis_error error = {.stored = 2 * variable->precision * most + 0.5 * variable->step * (1 + 1e-9)};
  unsigned possible = variable->step > 0 ? 0 : find_digits(variable->precision, count, values);
  MPI_Allreduce(MPI_IN_PLACE, &possible, 1, MPI_UNSIGNED, MPI_BAND, comm);
  double unit = 1;
  for (int d = 0; d <= DIGITS_MOST; d++, unit /= 10) {
    if (!(possible & 1u << d)) continue;
    /* In the last digits of the type everything is a round number. */
    if (error.stored < 0.01 * unit) error.rounded = 0.5 * unit * (1 + 1e-9), error.digits = d;
    break;
  }
  return error;
}

sn_axis_spacings sn_axis_fit(ptrdiff_t first, ptrdiff_t count, const double *values, double origin, double error) {
  sn_axis_spacings fit = {-INFINITY, INFINITY};
  for (ptrdiff_t j = 0; j < count; j++) {
    const double k = (double)(first + j), way = values[j] - origin;
    if (k == 0) continue;
    if (isnan(way)) return (sn_axis_spacings){INFINITY, -INFINITY};
    fit.low = fmax(fit.low, (way - error) / k);
    fit.high = fmin(fit.high, (way + error) / k);
  }
  return fit;
}

double sn_axis_simplest(double low, double high) {
  /* Continued fractions: as long as both have the same whole part, it is that of the number sought. */
  double part[64];
  int parts = 0;
  for (double a = low, b = high; parts < 64;) {
    const double whole = floor(a);
    if (whole == a || whole < floor(b)) {
      part[parts++] = whole == a ? whole : whole + 1;
      break;
    }
    part[parts++] = whole;
    const double next = 1 / (b - whole);
    b = 1 / (a - whole);
    a = next;
  }
  double value = part[parts - 1];
  for (int k = parts - 2; k >= 0; k--) value = part[k] + 1 / value;
  return value >= low && value <= high ? value : 0.5 * (low + high);
}

void sn_axis_print_apart(double one, double other, char *text, char *other_text) {
  for (int digits = 6; digits <= DBL_DECIMAL_DIG; digits++) {
    snprintf(text, 32, "%.*g", digits, one);
    snprintf(other_text, 32, "%.*g", digits, other);
    if (strcmp(text, other_text) != 0) return;
  }
}
