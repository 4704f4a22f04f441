/* Costs as the steps put them together. Private to this folder; all local. */
#ifndef SINODE_COST_PARTS_H
#define SINODE_COST_PARTS_H

#include "cost.h"

/* NaN throughout. */
sn_cost sn_cost_unknown(void);

/* The sum of a gradient, and of so many numbers with it. */
sn_cost sn_cost_reduction_with(const sn_cost_case *c, int numbers);

#endif
