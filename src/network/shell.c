/* A network whose functions the user of the library provides (sinode/network_shell.h). */
#include "sinode/network_shell.h"

#include "network_ops.h"
#include "sinode/memory.h"

static const sn_network_shell *shell_of(const sn_network *network) { return network->shape.shell; }

static void shell_destroy(sn_network *network) {
  const sn_network_shell *shell = shell_of(network);
  if (shell->destroy) shell->destroy(shell->context);
}

static ptrdiff_t shell_tape_size(const sn_network *network, ptrdiff_t samples) {
  const sn_network_shell *shell = shell_of(network);
  return shell->tape_size ? shell->tape_size(shell->context, samples) : 0;
}

static sn_status shell_forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  return shell_of(network)->forward(shell_of(network)->context, samples, u, f, tape);
}

static sn_status shell_backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                                const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  return shell_of(network)->backward(shell_of(network)->context, samples, u, tape, f_bar, u_bar,
                                     sn_gradient_values(gradient));
}

static sn_status shell_tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                               const double *du, const double *dtheta, double *df) {
  const sn_network_shell *shell = shell_of(network);
  if (!shell->tangent)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "this scheme or optimizer needs the network's tangent, and the shell has none; provide one, "
                        "or use an IMEX or explicit scheme and an optimizer of gradients");
  return shell->tangent(shell->context, samples, u, tape, du, dtheta, df);
}

static const sn_network_ops ops = {.destroy = shell_destroy,
                                   .tape_size = shell_tape_size,
                                   .forward = shell_forward,
                                   .backward = shell_backward,
                                   .tangent = shell_tangent};

static sn_status create(const sn_network *base, sn_network **out) {
  const sn_network_shell *shell = base->shape.shell;
  if (!shell || !shell->create || !shell->forward || !shell->backward)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "a network of kind shell needs the functions create, forward and backward");
  SN_TRY(sn_collective_status(sn_grid_space(base->grid), SN_NEW(1, out)));
  **out = *base;
  (*out)->ops = &ops;
  sn_status status = sn_collective_status(sn_grid_space(base->grid),
                                          shell->create(shell->context, base->grid, base->samples, base->parameters));
  if (status) sn_network_destroy(out);
  return status;
}

const sn_network_type sn_network_of_shell = {.create = create};
