#include "sinode/exponential_form.h"

#include <stddef.h>

/* The function's place in the list, entered if it is not there. */
static sn_exponential_weight enter(sn_exponential_form *form, const sn_phi_sum *sum) {
  sn_exponential_weight weight = {SN_EXPONENTIAL_NONE, 1};
  if (!sum->terms) return weight;
  for (int f = 0; f < form->functions && weight.function < 0; f++)
    if (sn_phi_sum_is_multiple(sum, &form->function[f], &weight.factor)) weight.function = f;
  if (weight.function >= 0) return weight;
  form->function[form->functions] = *sum;
  return (sn_exponential_weight){form->functions++, 1};
}

static int enter_exponential(sn_exponential_form *form, double c) {
  sn_phi_sum sum = {0};
  if (c == 0) return SN_EXPONENTIAL_NONE;
  sn_phi_sum_add(&sum, 1, 0, c);
  return enter(form, &sum).function;
}

static double node(const sn_tableau *tableau, int row) { return row < tableau->stages ? tableau->c[row] : 1; }

/* Row i of functions: what the tableau lists, and the first column that follows from it. */
static void list_row(const sn_tableau *tableau, int i, sn_exponential_form *form) {
  sn_phi_sum row[SN_TABLEAU_STAGES] = {0};
  if (i > 0) sn_phi_sum_add(&row[0], node(tableau, i), 1, node(tableau, i));
  for (const sn_tableau_weight *w = tableau->weights; w->row; w++) {
    if (w->row != i + 1) continue;
    for (int t = 0; t < SN_PHI_TERMS && w->term[t].factor != 0; t++) {
      const sn_phi_term *term = &w->term[t];
      sn_phi_sum_add(&row[w->column - 1], term->factor, term->k, term->c);
      sn_phi_sum_add(&row[0], -term->factor, term->k, term->c);
    }
  }
  for (int j = 0; j < tableau->stages; j++) form->weight[i][j] = enter(form, &row[j]);
}

/* Lawson's: a weight of stage j in row i is a number times e^{(c_i - c_j) z}. */
static void list_lawson_row(const sn_tableau *tableau, int i, int node_of, sn_exponential_form *form) {
  const int stages = tableau->stages;
  for (int j = 0; j < stages; j++) {
    sn_phi_sum sum = {0};
    const double number = i < stages    ? tableau->a[i][j]
                          : i == stages ? tableau->b[j]
                                        : tableau->b[j] - tableau->embedded[j];
    if (number != 0) sn_phi_sum_add(&sum, number, 0, node(tableau, node_of) - tableau->c[j]);
    form->weight[i][j] = enter(form, &sum);
  }
}

sn_exponential_form sn_exponential_form_of(const sn_tableau *tableau) {
  const int stages = tableau->stages;
  sn_exponential_form form = {.stages = stages};
  for (int i = 0; i <= stages; i++) {
    form.growth[i] = enter_exponential(&form, node(tableau, i));
    if (tableau->weights)
      list_row(tableau, i, &form);
    else
      list_lawson_row(tableau, i, i, &form);
  }
  if (sn_tableau_is_embedded(tableau)) {
    list_lawson_row(tableau, stages + 1, stages, &form);
  } else {
    for (int j = 0; j < stages; j++) form.weight[stages + 1][j].function = SN_EXPONENTIAL_NONE;
  }
  return form;
}

int sn_exponential_form_used(const sn_exponential_form *form, bool estimates, bool used[SN_TABLEAU_STAGES]) {
  const int stages = form->stages;
  int count = 0;
  for (int j = stages - 1; j >= 0; j--) {
    used[j] = false;
    for (int i = j + 1; i <= stages + estimates; i++)
      used[j] |= (i >= stages || used[i]) && form->weight[i][j].function >= 0;
    count += used[j];
  }
  return count;
}

double complex sn_exponential_form_amplification(const sn_exponential_form *form, double complex w, double complex z) {
  double complex value[SN_EXPONENTIAL_FUNCTIONS], slope[SN_TABLEAU_STAGES], row = 1;
  sn_phi_sums(form->functions, form->function, z, value, NULL);
  for (int i = 0; i <= form->stages; i++) {
    row = form->growth[i] < 0 ? 1 : value[form->growth[i]];
    for (int j = 0; j < i; j++) {
      const sn_exponential_weight *weight = &form->weight[i][j];
      if (weight->function >= 0) row += weight->factor * value[weight->function] * slope[j];
    }
    if (i < form->stages) slope[i] = w * row;
  }
  return row;
}
