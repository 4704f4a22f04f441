/* The weights of exponential schemes, for the table of tableau.c. */
#ifndef SINODE_TIME_EXPONENTIAL_WEIGHTS_H
#define SINODE_TIME_EXPONENTIAL_WEIGHTS_H

#include "sinode/tableau.h"

/* factor phi_k(c z) */
#define PHI(k, c, factor) \
  { (factor), (k), (c) }

static const sn_tableau_weight etdrk2[] = {{3, 2, {PHI(2, 1, 1)}}, {0}};

static const sn_tableau_weight etdrk4[] = {{3, 2, {PHI(1, 0.5, 0.5)}},
                                           {4, 3, {PHI(1, 0.5, 1)}},
                                           {5, 2, {PHI(2, 1, 2), PHI(3, 1, -4)}},
                                           {5, 3, {PHI(2, 1, 2), PHI(3, 1, -4)}},
                                           {5, 4, {PHI(2, 1, -1), PHI(3, 1, 4)}},
                                           {0}};

static const sn_tableau_weight krogstad[] = {{3, 2, {PHI(2, 0.5, 1)}},
                                             {4, 3, {PHI(2, 1, 2)}},
                                             {5, 2, {PHI(2, 1, 2), PHI(3, 1, -4)}},
                                             {5, 3, {PHI(2, 1, 2), PHI(3, 1, -4)}},
                                             {5, 4, {PHI(2, 1, -1), PHI(3, 1, 4)}},
                                             {0}};

/* a_64, and Phi, which the weights of the last stage have in common, times a factor. */
#define A64(f) PHI(2, 0.2, (f)*8. / 25), PHI(3, 0.2, (f) * -32. / 125)
#define COMMON(f)                                                                                                \
  A64((f)*5. / 32), PHI(2, 0.2, (f) * -1. / 28), PHI(2, 2. / 3, (f)*36. / 175), PHI(3, 2. / 3, (f) * -48. / 25), \
      PHI(4, 0.2, (f)*6. / 175), PHI(4, 2. / 3, (f)*192. / 35), PHI(4, 1, (f)*6.)

static const sn_tableau_weight exprk5s8[] = {
    {3, 2, {PHI(2, 0.5, 0.5)}},
    {4, 3, {PHI(2, 0.25, 0.125)}},
    {5, 3, {PHI(2, 0.5, -0.5), PHI(3, 0.5, 2)}},
    {5, 4, {PHI(2, 0.5, 2), PHI(3, 0.5, -4)}},
    {6, 4, {A64(1.)}},
    {6, 5, {PHI(2, 0.2, 2. / 25), A64(-0.5)}},
    {7, 4, {A64(-125. / 162)}},
    {7, 5, {A64(125. / 1944), PHI(2, 2. / 3, -16. / 27), PHI(3, 2. / 3, 320. / 81)}},
    {7, 6, {A64(3125. / 3888), PHI(2, 2. / 3, 100. / 27), PHI(3, 2. / 3, -800. / 81)}},
    {8, 5, {PHI(3, 1, 208. / 3), PHI(2, 1, -16. / 3), COMMON(-40.)}},
    {8, 6, {PHI(3, 1, -250. / 3), PHI(2, 1, 250. / 21), COMMON(250. / 7)}},
    {8, 7, {PHI(3, 1, -27), PHI(2, 1, 27. / 14), COMMON(135. / 7)}},
    {9, 6, {PHI(2, 1, 125. / 14), PHI(3, 1, -625. / 14), PHI(4, 1, 1125. / 14)}},
    {9, 7, {PHI(2, 1, -27. / 14), PHI(3, 1, 162. / 7), PHI(4, 1, -405. / 7)}},
    {9, 8, {PHI(2, 1, 0.5), PHI(3, 1, -6.5), PHI(4, 1, 22.5)}},
    {0}};

#endif
