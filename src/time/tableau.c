#include "sinode/tableau.h"

#include <stddef.h>
#include <string.h>

#include "exponential_weights.h"

/* The pairs that come with a fixed and with an adaptive step. */
#define BOSH3                                                                                 \
  .source = "Bogacki, Shampine 1989", .kind = SN_TABLEAU_EXPLICIT, .order = 3, .stages = 4,   \
  .a = {{0}, {0.5}, {0, 0.75}, {0.2222222222222222, 0.3333333333333333, 0.4444444444444444}}, \
  .b = {0.2222222222222222, 0.3333333333333333, 0.4444444444444444},                          \
  .embedded = {0.2916666666666667, 0.25, 0.3333333333333333, 0.125}
#define DOPRI5_WEIGHTS                                                                                               \
  .order = 5, .stages = 7,                                                                                           \
  .a = {{0},                                                                                                         \
        {0.2},                                                                                                       \
        {0.075, 0.225},                                                                                              \
        {0.9777777777777777, -3.7333333333333334, 3.5555555555555554},                                               \
        {2.9525986892242035, -11.595793324188385, 9.822892851699436, -0.2908093278463649},                           \
        {2.8462752525252526, -10.757575757575758, 8.906422717743473, 0.2784090909090909, -0.2735313036020583},       \
        {0.09114583333333333, 0, 0.44923629829290207, 0.6510416666666666, -0.322376179245283, 0.13095238095238096}}, \
  .b = {0.09114583333333333, 0, 0.44923629829290207, 0.6510416666666666, -0.322376179245283, 0.13095238095238096},   \
  .embedded = {0.08991319444444444, 0, 0.4534890685834082, 0.6140625, -0.2715123820754717, 0.08904761904761904, 0.025}
#define DOPRI5 .source = "Dormand, Prince 1980", .kind = SN_TABLEAU_EXPLICIT, DOPRI5_WEIGHTS

#define RK4                               \
  .a = {{0}, {0.5}, {0, 0.5}, {0, 0, 1}}, \
  .b = {0.16666666666666666, 0.3333333333333333, 0.3333333333333333, 0.16666666666666666}

/* Rows of a and at are cut after their last coefficient that is not 0. */
static const sn_tableau tableaux[] = {
    {.name = "ars111",
     .source = "Ascher, Ruuth, Spiteri 1997, (1,1,1)",
     .kind = SN_TABLEAU_IMEX,
     .order = 1,
     .stages = 2,
     .a = {{0}, {1}},
     .b = {1},
     .at = {{0}, {0, 1}},
     .bt = {0, 1}},
    {.name = "ars122",
     .source = "Ascher, Ruuth, Spiteri 1997, (1,2,2)",
     .kind = SN_TABLEAU_IMEX,
     .order = 2,
     .stages = 2,
     .a = {{0}, {0.5}},
     .b = {0, 1},
     .at = {{0}, {0, 0.5}},
     .bt = {0, 1},
     .embedded = {0.5, 0.5}},
    {.name = "1bee",
     .source = "PETSc TSARKIMEX1BEE: extrapolated backward Euler",
     .kind = SN_TABLEAU_IMEX,
     .order = 1,
     .stages = 3,
     .a = {{0}, {0}, {0, 0.5}},
     .b = {0, 0.5, 0.5},
     .at = {{1}, {0, 0.5}, {0, 0.5, 0.5}},
     .bt = {0, 0.5, 0.5},
     .embedded = {1}},
    {.name = "a2",
     .source = "PETSc TSARKIMEXA2: trapezoidal, A-stable",
     .kind = SN_TABLEAU_IMEX,
     .order = 2,
     .stages = 2,
     .a = {{0}, {1}},
     .b = {0.5, 0.5},
     .at = {{0}, {0.5, 0.5}},
     .bt = {0.5, 0.5},
     .embedded = {0, 1}},
    {.name = "l2",
     .source = "Pareschi, Russo 2005, SSP2(2,2,2), L-stable; IMEX-RK2 of the paper",
     .kind = SN_TABLEAU_IMEX,
     .order = 2,
     .stages = 2,
     .a = {{0}, {1}},
     .b = {0.5, 0.5},
     .at = {{0.29289321881345254}, {0.4142135623730949, 0.29289321881345254}},
     .bt = {0.5, 0.5},
     .embedded = {0, 1}},
    {.name = "2c",
     .source = "Giraldo, Kelly, Constantinescu 2013",
     .kind = SN_TABLEAU_IMEX,
     .order = 2,
     .stages = 3,
     .a = {{0}, {0.5857864376269049}, {0.5, 0.5}},
     .b = {0.35355339059327373, 0.35355339059327373, 0.29289321881345254},
     .at = {{0},
            {0.29289321881345254, 0.29289321881345254},
            {0.35355339059327373, 0.35355339059327373, 0.29289321881345254}},
     .bt = {0.35355339059327373, 0.35355339059327373, 0.29289321881345254},
     .embedded = {0.32322330470336313, 0.32322330470336313, 0.35355339059327373}},
    {.name = "2d",
     .source = "PETSc TSARKIMEX2D",
     .kind = SN_TABLEAU_IMEX,
     .order = 2,
     .stages = 3,
     .a = {{0}, {0.5857864376269049}, {0.75, 0.25}},
     .b = {0.35355339059327373, 0.35355339059327373, 0.29289321881345254},
     .at = {{0},
            {0.29289321881345254, 0.29289321881345254},
            {0.35355339059327373, 0.35355339059327373, 0.29289321881345254}},
     .bt = {0.35355339059327373, 0.35355339059327373, 0.29289321881345254},
     .embedded = {0.32322330470336313, 0.32322330470336313, 0.35355339059327373}},
    {.name = "2e",
     .source = "PETSc TSARKIMEX2E",
     .kind = SN_TABLEAU_IMEX,
     .order = 2,
     .stages = 3,
     .a = {{0}, {0.5857864376269049}, {0.028595479208968284, 0.9714045207910317}},
     .b = {0.35355339059327373, 0.35355339059327373, 0.29289321881345254},
     .at = {{0},
            {0.29289321881345254, 0.29289321881345254},
            {0.35355339059327373, 0.35355339059327373, 0.29289321881345254}},
     .bt = {0.35355339059327373, 0.35355339059327373, 0.29289321881345254},
     .embedded = {0.32322330470336313, 0.32322330470336313, 0.35355339059327373}},
    {.name = "prssp2",
     .source = "Pareschi, Russo 2005, SSP2(3,3,2)",
     .kind = SN_TABLEAU_IMEX,
     .order = 2,
     .stages = 3,
     .a = {{0}, {0.5}, {0.5, 0.5}},
     .b = {0.3333333333333333, 0.3333333333333333, 0.3333333333333333},
     .at = {{0.25}, {0, 0.25}, {0.3333333333333333, 0.3333333333333333, 0.3333333333333333}},
     .bt = {0.3333333333333333, 0.3333333333333333, 0.3333333333333333}},
    {.name = "ars222",
     .source = "Ascher, Ruuth, Spiteri 1997, (2,2,2)",
     .kind = SN_TABLEAU_IMEX,
     .order = 2,
     .stages = 3,
     .a = {{0}, {0.29289321881345254}, {-0.7071067811865472, 1.7071067811865472}},
     .b = {-0.7071067811865472, 1.7071067811865472},
     .at = {{0}, {0, 0.29289321881345254}, {0, 0.7071067811865475, 0.29289321881345254}},
     .bt = {0, 0.7071067811865475, 0.29289321881345254}},
    {.name = "ars232",
     .source = "Ascher, Ruuth, Spiteri 1997, (2,3,2)",
     .kind = SN_TABLEAU_IMEX,
     .order = 2,
     .stages = 3,
     .a = {{0}, {0.29289321881345254}, {-0.9428090415820635, 1.9428090415820636}},
     .b = {0, 0.7071067811865475, 0.29289321881345254},
     .at = {{0}, {0, 0.29289321881345254}, {0, 0.7071067811865475, 0.29289321881345254}},
     .bt = {0, 0.7071067811865475, 0.29289321881345254}},
    {.name = "3",
     .source = "Kennedy, Carpenter 2003, ARK3(2)4L[2]SA; IMEX-RK3 of the paper",
     .kind = SN_TABLEAU_IMEX,
     .order = 3,
     .stages = 4,
     .a = {{0},
           {0.871733043016918},
           {0.5275890119763004, 0.0724109880236996},
           {0.3990960076760701, -0.4375576546135194, 1.0384616469374492}},
     .b = {0.18764102434672383, -0.595297473576955, 0.9717899277217721, 0.435866521508459},
     .at = {{0},
            {0.435866521508459, 0.435866521508459},
            {0.2576482460664272, -0.09351476757488625, 0.435866521508459},
            {0.18764102434672383, -0.595297473576955, 0.9717899277217721, 0.435866521508459}},
     .bt = {0.18764102434672383, -0.595297473576955, 0.9717899277217721, 0.435866521508459},
     .embedded = {0.21474028622338914, -0.4851622638849391, 0.8687250025203875, 0.4016969751411624}},
    {.name = "bpr3",
     .source = "Boscarino, Pareschi, Russo 2013, BPR(3,5,3)",
     .kind = SN_TABLEAU_IMEX,
     .order = 3,
     .stages = 5,
     .a = {{0}, {1}, {0.4444444444444444, 0.2222222222222222}, {0.25, 0, 0.75}, {0.25, 0, 0.75}},
     .b = {0.25, 0, 0.75},
     .at = {{0},
            {0.5, 0.5},
            {0.2777777777777778, -0.1111111111111111, 0.5},
            {0.5, 0, 0, 0.5},
            {0.25, 0, 0.75, -0.5, 0.5}},
     .bt = {0.25, 0, 0.75, -0.5, 0.5}},
    {.name = "ars343",
     .source = "Ascher, Ruuth, Spiteri 1997, (3,4,3)",
     .kind = SN_TABLEAU_IMEX,
     .order = 3,
     .stages = 4,
     .a = {{0},
           {0.43586652150845967},
           {0.32127888602862975, 0.39665437472560006},
           {-0.10585829607187969, 0.5529291480359398, 0.5529291480359398}},
     .b = {0, 1.2084966491760119, -0.6443631706844715, 0.43586652150845967},
     .at = {{0},
            {0, 0.43586652150845967},
            {0, 0.2820667392457702, 0.43586652150845967},
            {0, 1.2084966491760119, -0.6443631706844715, 0.43586652150845967}},
     .bt = {0, 1.2084966491760119, -0.6443631706844715, 0.43586652150845967}},
    {.name = "ars443",
     .source = "Ascher, Ruuth, Spiteri 1997, (4,4,3)",
     .kind = SN_TABLEAU_IMEX,
     .order = 3,
     .stages = 5,
     .a = {{0},
           {0.5},
           {0.6111111111111112, 0.05555555555555555},
           {0.8333333333333334, -0.8333333333333334, 0.5},
           {0.25, 1.75, 0.75, -1.75}},
     .b = {0, 1.5, -1.5, 0.5, 0.5},
     .at = {{0}, {0, 0.5}, {0, 0.16666666666666666, 0.5}, {0, -0.5, 0.5, 0.5}, {0, 1.5, -1.5, 0.5, 0.5}},
     .bt = {0, 1.5, -1.5, 0.5, 0.5}},
    {.name = "4",
     .source = "Kennedy, Carpenter 2003, ARK4(3)6L[2]SA; IMEX-RK4 of the paper",
     .kind = SN_TABLEAU_IMEX,
     .order = 4,
     .stages = 6,
     .a = {{0},
           {0.5},
           {0.221776, 0.110224},
           {-0.04884659515311858, -0.177720652326401, 0.8465672474795196},
           {-0.15541685842491548, -0.3567050098221991, 1.0587258798684427, 0.30339598837867193},
           {0.20142435067267633, 0.008742057842904185, 0.15993995707168115, 0.4038290605220775, 0.22606457389066084}},
     .b = {0.15791629516167136, 0, 0.18675894052400077, 0.6805652953093346, -0.27524053099500667, 0.25},
     .at = {{0},
            {0.25, 0.25},
            {0.137776, -0.055776, 0.25},
            {0.14463686602698217, -0.22393190761334475, 0.4492950415863626, 0.25},
            {0.09825878328356477, -0.5915442428196704, 0.8101210538282996, 0.283164405707806, 0.25},
            {0.15791629516167136, 0, 0.18675894052400077, 0.6805652953093346, -0.27524053099500667, 0.25}},
     .bt = {0.15791629516167136, 0, 0.18675894052400077, 0.6805652953093346, -0.27524053099500667, 0.25},
     .embedded = {0.15471180076321217, 0, 0.18920519166068023, 0.7020453712289219, -0.3191873990635791,
                  0.27322503541076487}},
    {.name = "5",
     .source = "Kennedy, Carpenter 2003, ARK5(4)8L[2]SA; IMEX-RK5 of the paper",
     .kind = SN_TABLEAU_IMEX,
     .order = 5,
     .stages = 8,
     .a = {{0},
           {0.41},
           {0.17753520777580992, 0.08239437667257023},
           {0.12262307902976895, 0, 0.07552740766273468},
           {2.2901776494938124, 0, 11.244925765143737, -12.615103414637549},
           {0.4029445178347679, 0, 1.3540123800181454, -1.4857008988406062, -0.031255999012307065},
           {1.4641384430844078, 0, 7.230468679858015, -7.844607122942423, -0.125, -0.125},
           {-1.6748080049977643, 0, -6.389438645559299, 14.692200676518024, 0.0946662343256827, -7.21115732765286,
            1.4885370673662177}},
     .b = {-0.09554858675139874, 0, 0, 2.3386928037652464, -0.14043175608247527, -2.070587707956559, 0.7628752470251866,
           0.205},
     .at = {{0},
            {0.205, 0.205},
            {0.1025, -0.047570415551619845, 0.205},
            {0.07389944079200692, 0, -0.08074895409950329, 0.205},
            {0.299218118308015, 0, 2.4638206661140414, -2.0480387844220567, 0.205},
            {0.14689238442881303, 0, 0.11740332879881549, -0.221701968002454, -0.007593745225174481, 0.205},
            {0.17845729560319554, 0, 1.0197467452199207, -0.22154535039396367, -0.03612491620526532,
             -0.5455337742238872, 0.205},
            {-0.09554858675139874, 0, 0, 2.3386928037652464, -0.14043175608247527, -2.070587707956559,
             0.7628752470251866, 0.205}},
     .bt = {-0.09554858675139874, 0, 0, 2.3386928037652464, -0.14043175608247527, -2.070587707956559,
            0.7628752470251866, 0.205},
     .embedded = {-0.09957696480500873, 0, 0, 2.407162879999775, -0.1601481830855136, -2.1442365964445265,
                  0.7795656224249983, 0.21723324191027585}},
    {.name = "etdrk2",
     .source = "Cox, Matthews 2002, ETD2RK",
     .kind = SN_TABLEAU_EXPONENTIAL,
     .order = 2,
     .stages = 2,
     .c = {0, 1},
     .weights = etdrk2},
    {.name = "etdrk4",
     .source = "Cox, Matthews 2002, ETD4RK",
     .kind = SN_TABLEAU_EXPONENTIAL,
     .order = 4,
     .stages = 4,
     .c = {0, 0.5, 0.5, 1},
     .weights = etdrk4},
    {.name = "krogstad",
     .source = "Krogstad 2005, ETDRK4-B",
     .kind = SN_TABLEAU_EXPONENTIAL,
     .order = 4,
     .stages = 4,
     .c = {0, 0.5, 0.5, 1},
     .weights = krogstad},
    {.name = "exprk5s8",
     .source = "Luan, Ostermann 2014, of stiff order 5",
     .kind = SN_TABLEAU_EXPONENTIAL,
     .order = 5,
     .stages = 8,
     .c = {0, 0.5, 0.5, 0.25, 0.5, 0.2, 2. / 3, 1},
     .weights = exprk5s8},
    {.name = "lawson4",
     .source = "Lawson 1967: rk4 with an integrating factor",
     .kind = SN_TABLEAU_EXPONENTIAL,
     .order = 4,
     .stages = 4,
     RK4,
     .c = {0, 0.5, 0.5, 1}},
    {.name = "lawson5",
     .source = "Lawson 1967: dopri5 with an integrating factor",
     .kind = SN_TABLEAU_EXPONENTIAL,
     DOPRI5_WEIGHTS,
     .c = {0, 0.2, 0.3, 0.8, 8. / 9, 1, 1}},
    {.name = "euler",
     .source = "Euler 1768",
     .kind = SN_TABLEAU_EXPLICIT,
     .order = 1,
     .stages = 1,
     .a = {{0}},
     .b = {1}},
    {.name = "midpoint",
     .source = "explicit midpoint",
     .kind = SN_TABLEAU_EXPLICIT,
     .order = 2,
     .stages = 2,
     .a = {{0}, {0.5}},
     .b = {0, 1}},
    {.name = "heun2",
     .source = "Heun: explicit trapezoidal",
     .kind = SN_TABLEAU_EXPLICIT,
     .order = 2,
     .stages = 2,
     .a = {{0}, {1}},
     .b = {0.5, 0.5}},
    {.name = "bosh3", BOSH3},
    {.name = "rk4", .source = "Kutta 1901", .kind = SN_TABLEAU_EXPLICIT, .order = 4, .stages = 4, RK4},
    {.name = "dopri5", DOPRI5},
    {.name = "bosh3-adaptive", BOSH3, .adaptive = true},
    {.name = "dopri5-adaptive", DOPRI5, .adaptive = true},
    {.name = "beuler",
     .source = "backward Euler",
     .kind = SN_TABLEAU_IMPLICIT,
     .order = 1,
     .stages = 1,
     .at = {{1}},
     .bt = {1}},
    {.name = "cn",
     .source = "Crank, Nicolson 1947",
     .kind = SN_TABLEAU_IMPLICIT,
     .order = 2,
     .stages = 2,
     .at = {{0}, {0.5, 0.5}},
     .bt = {0.5, 0.5}},
};

int sn_tableau_count(void) { return (int)(sizeof tableaux / sizeof tableaux[0]); }
const sn_tableau *sn_tableau_at(int index) { return &tableaux[index]; }
const char *sn_tableau_name_at(int index) { return tableaux[index].name; }

const sn_tableau *sn_tableau_find(const char *name) {
  for (int i = 0; i < sn_tableau_count(); i++)
    if (strcmp(tableaux[i].name, name) == 0) return &tableaux[i];
  return NULL;
}

double sn_tableau_nonlinear(const sn_tableau *tableau, int i, int j) {
  if (tableau->kind == SN_TABLEAU_IMPLICIT) return sn_tableau_linear(tableau, i, j);
  return i < tableau->stages ? tableau->a[i][j] : tableau->b[j];
}

double sn_tableau_linear(const sn_tableau *tableau, int i, int j) {
  if (tableau->kind == SN_TABLEAU_EXPLICIT) return sn_tableau_nonlinear(tableau, i, j);
  return i < tableau->stages ? tableau->at[i][j] : tableau->bt[j];
}

int sn_tableau_gammas(const sn_tableau *tableau, double dt, const bool *used, double gamma[SN_TABLEAU_STAGES],
                      int which[SN_TABLEAU_STAGES]) {
  int count = 0;
  for (int i = 0; i < tableau->stages; i++) {
    const double own = dt * sn_tableau_linear(tableau, i, i);
    which[i] = -1;
    if (own == 0 || (used && !used[i])) continue;
    which[i] = 0;
    while (which[i] < count && gamma[which[i]] != own) which[i]++;
    if (which[i] == count) gamma[count++] = own;
  }
  return count;
}

bool sn_tableau_is_stiffly_accurate(const sn_tableau *tableau) {
  const int last = tableau->stages - 1;
  for (int j = 0; j <= last; j++)
    if (sn_tableau_linear(tableau, last, j) != sn_tableau_linear(tableau, tableau->stages, j)) return false;
  return true;
}

bool sn_tableau_is_embedded(const sn_tableau *tableau) {
  for (int j = 0; j < tableau->stages; j++)
    if (tableau->embedded[j] != 0) return true;
  return false;
}
